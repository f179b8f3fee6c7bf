//! `marks explain|list`: why a reading is marked, and which marks a station has; from the journal, beside a running gateway too.

use std::fmt::Write;
use std::path::PathBuf;

use super::{CONFIG, IO, USAGE, complain};
use crate::config;
use crate::gateway::marks::{self, Answer, MarksError, Question, Report};
use crate::gateway::verbatim::{self, members};
use hj212_interpret as interpret;
use hj212_journal as journal;
use hj212_marking::{Mark, RuleBook, Standing, Validity, explain, in_words};
use hj212_model::message::kind::Span;
use hj212_model::message::{Kind, Timestamp};

/// Nothing was found (EX_UNAVAILABLE).
const NOTHING: u8 = 69;
/// The length of a date without a time, `2026-11-23`.
const DATE: usize = 10;
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Says why the reading nearest to a time is marked, with rule, thresholds and clause (解释某时刻数据的标记)
    Explain {
        #[command(flatten)]
        place: Place,
        /// The data time: RFC 3339, or "2026-11-23 10:30" in Beijing time; a date alone asks for the day's record
        #[arg(long, value_name = "TIME")]
        at: String,
        /// Only this kind of record: realtime, minute, hour, day … [default: each kind that holds the time]
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: Option<Kind>,
        /// Only this factor, such as a21026
        #[arg(long, value_name = "CODE")]
        factor: Option<String>,
        /// Looks at what came until then, such as entries made later [default: the deadline for entries, noon of the next day]
        #[arg(long, value_name = "TIME")]
        known: Option<String>,
    },
    /// Lists the marks that hold at the end of the journal, or held within a time (列出标记)
    List {
        #[command(flatten)]
        place: Place,
        /// Marks that hold or held after this time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// And before this one [default: the end of the journal]
        #[arg(long, value_name = "TIME", requires = "since")]
        until: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The station
    #[arg(long, value_name = "MN")]
    mn: String,
    /// The journal's folder [default: that of the configuration, else /var/lib/hj212-gateway/journal]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn open(&self) -> Result<(PathBuf, interpret::Settings), u8> {
        let (dir, settings) = match &self.config {
            None => (journal::Settings::default().dir, interpret::Settings::default()),
            Some(file) => {
                let loaded = config::load(file).map_err(|problems| {
                    complain(&problems);
                    CONFIG
                })?;
                (loaded.config.journal.dir.clone(), marks::settings(&loaded.config))
            }
        };
        Ok((self.dir.clone().unwrap_or(dir), settings))
    }
}

pub(super) fn marks(command: &Command) -> u8 {
    match answer(command) {
        Ok(text) => say(&text),
        Err(code) => code,
    }
}

fn say(text: &str) -> u8 {
    use std::io::Write;
    // A reader of our output that has gone has gone by right.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    0
}

fn answer(command: &Command) -> Result<String, u8> {
    match command {
        Command::Explain { place, at, kind, factor, known } => {
            // Who names a date asks for the day.
            let kind = kind.or((at.trim().len() == DATE).then_some(Kind::Day));
            let at = time(at)?;
            let known = known.as_deref().map(time).transpose()?;
            let (dir, settings) = place.open()?;
            let question = Question { mn: place.mn.clone(), at, factor: factor.clone(), kind, known };
            let answer = marks::explain(&dir, settings, &question).map_err(failed)?;
            Ok(answer.reports.iter().map(|report| reported(&answer, report)).collect())
        }
        Command::List { place, since, until } => {
            let since = since.as_deref().map(time).transpose()?;
            let until = until.as_deref().map(time).transpose()?.unwrap_or(Timestamp(i64::MAX));
            let (dir, settings) = place.open()?;
            let range = since.map(|since| (since, until));
            let found = marks::list(&dir, settings, &place.mn, range).map_err(failed)?;
            let mut text = String::new();
            if let Some(begin) = found.begin {
                let begin = begin.to_rfc3339();
                let _ = writeln!(text, "注意：日志从 {begin} 开始，此前的标记只列出仍记得的部分。");
                let _ = writeln!(
                    text,
                    "Note: the journal begins at {begin}; of marks before, only what is remembered is listed."
                );
            }
            for (number, mark) in (1..).zip(&found.marks) {
                let by = found.replaced.get(&mark.by).filter(|_| mark.said.is_some());
                let note = by
                    .map_or_else(String::new, |by| format!("（已被 {by} 撤回或更正 withdrawn or superseded by {by}）"));
                marked(&mut text, &found.book, mark, number, &note);
            }
            if found.marks.is_empty() {
                text.push_str("没有标记。\nNo marks.\n");
            }
            Ok(text)
        }
    }
}

/// A kind by its published name.
fn kind(name: &str) -> Result<Kind, String> {
    let known = Kind::ALL.iter().copied().filter(|kind| kind.span() != Span::Timeless);
    let names = || known.clone().map(Kind::name).collect::<Vec<_>>().join(", ");
    known
        .clone()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| format!("there is no such kind; there are {}", names()))
}

fn failed(error: MarksError) -> u8 {
    complain(&error);
    match error {
        MarksError::Journal { .. } => IO,
        MarksError::UnknownStation(_) | MarksError::NoReading { .. } | MarksError::Forgotten { .. } => NOTHING,
    }
}

fn time(text: &str) -> Result<Timestamp, u8> {
    read_time(text).ok_or_else(|| {
        complain(&format!(
            "\"{text}\" is no time: write 2026-11-23T10:30:00+08:00, or \"2026-11-23 10:30\" in Beijing time"
        ));
        USAGE
    })
}

/// RFC 3339, or a civil date or time, which is Beijing's.
fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let full = match text.len() {
        10 => format!("{text}T00:00:00+08:00"),
        16 => format!("{text}:00+08:00"),
        19 => format!("{text}+08:00"),
        _ => text.to_owned(),
    };
    let parsed: jiff::Timestamp = full.parse().ok()?;
    Some(Timestamp(parsed.as_microsecond()))
}

fn reported(answer: &Answer, report: &Report) -> String {
    let mut text = String::new();
    let (at, arrived) = (report.data_time.to_rfc3339(), report.arrived.to_rfc3339());
    let (kind, offset, known) = (report.kind.name(), report.offset.0, answer.known.to_rfc3339());
    let _ = writeln!(text, "{at} {kind}：记录 {offset}，到达 {arrived}；以下为截至 {known} 所知。");
    let _ = writeln!(text, "{at} {kind}: record {offset}, arrived {arrived}; what follows is known up to {known}.");
    let readings = verbatim::readings(&report.body);
    for ((code, marks), now) in report.marks.iter().zip(&report.now) {
        if let Some((_, reading)) = readings.iter().find(|(known, _)| known == code) {
            judged(&mut text, answer, (code, reading), marks, *now);
        }
    }
    text
}

/// One reading: what was said, what it is worth, and why.
fn judged(text: &mut String, answer: &Answer, (code, reading): (&str, &str), marks: &[Mark], now: Option<Validity>) {
    let get = |name: &str| members(reading).find(|(known, _)| *known == name).map(|(_, value)| value);
    let judgement = ["name", "unit", "valid", "validity", "marks", "proposed", "recomputed"];
    let said: Vec<String> = members(reading)
        .filter(|(name, _)| !judgement.contains(name))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let said = said.join(", ");
    let plain = |name| get(name).filter(|value| *value != "null").unwrap_or_default().trim_matches('"');
    let _ = writeln!(text, "\n{code} {} {}", plain("name"), plain("unit"));
    let _ = writeln!(text, "  站点上报：{said}\n  the station said: {said}");
    let names = |key| -> Vec<String> { get(key).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default() };
    let (applied, proposed) = (names("marks"), names("proposed"));
    let (zh, en) = worth(get("valid"), get("validity"));
    let because = if applied.is_empty() { String::new() } else { format!(" ({})", applied.join(", ")) };
    let _ = writeln!(text, "  有效性：{zh}{because}\n  validity: {en}{because}");
    let (zh_now, en_now) = now.map_or(NO_RULE, in_words);
    let known = answer.known.to_rfc3339();
    let (zh_same, en_same) = if en_now == en { ("（未变）", " (as then)") } else { ("", "") };
    let _ =
        writeln!(text, "  截至 {known} 的有效性：{zh_now}{zh_same}\n  validity as known on {known}: {en_now}{en_same}");
    if let Some(recomputed) = get("recomputed") {
        let _ = writeln!(text, "  由更细数据重算：{recomputed}\n  recomputed from finer values: {recomputed}");
    }
    for (number, mark) in (1..).zip(marks) {
        let then = applied.contains(&mark.mark) || proposed.contains(&mark.mark);
        let note = if then { "" } else { "（当时未计入 not part of the judgement then）" };
        marked(text, &answer.book, mark, number, note);
    }
    let met = |name: &&String| !marks.iter().any(|mark| mark.mark == **name);
    for name in applied.iter().chain(&proposed).filter(met) {
        flagged(text, &answer.book, name);
    }
    if marks.is_empty() && applied.is_empty() && proposed.is_empty() {
        text.push_str("  没有标记。\n  No marks.\n");
    }
}

const NO_RULE: (&str, &str) = ("没有规则对其作出判断", "no rule says anything of it");

fn worth(valid: Option<&str>, validity: Option<&str>) -> (&'static str, &'static str) {
    let special = validity.map(|name| name.trim_matches('"')).and_then(Validity::named);
    match (special, valid) {
        (Some(validity), _) => in_words(validity),
        (None, Some("true")) => in_words(Validity::Valid),
        (None, Some("false")) => in_words(Validity::Invalid),
        (None, Some(_) | None) => NO_RULE,
    }
}

/// A mark with its rule or entry, its evidence and its standing.
fn marked(text: &mut String, book: &RuleBook, mark: &Mark, number: usize, note: &str) {
    let words = explain(book, mark);
    let (zh, en) = match mark.standing {
        Standing::Applied => ("已生效", "applied"),
        Standing::Proposed => ("建议", "proposed"),
        Standing::Confirmed => ("已确认", "confirmed"),
        Standing::Waiting => ("待裁定", "waiting-for-ruling"),
        Standing::Annulled => ("已撤销", "annulled"),
        Standing::Entered => ("人工填报", "entered"),
    };
    let _ = writeln!(text, "  {number}. [{zh} {en}] {}{note}\n     {}", words.zh, words.en);
    if mark.said.is_none() {
        let file = book.file_of(&mark.by, mark.version).unwrap_or("-");
        let _ = writeln!(text, "     规则文件 rule file: {file}; 条件 condition: {}", mark.when);
        for input in &mark.inputs {
            let flag = if input.flag.is_empty() { String::new() } else { format!(" [{}]", input.flag) };
            let name = format!("{} {}", input.signal, input.code);
            let (name, at) = (name.trim_end(), input.at.to_rfc3339());
            let _ = writeln!(text, "     依据 input: {name} = {}{flag} @ {at}", input.value);
        }
    }
    for conflict in &mark.met {
        let _ = writeln!(text, "     冲突 conflict: {conflict}");
    }
}

/// A mark that stands on this reading alone: of its own flag or value.
fn flagged(text: &mut String, book: &RuleBook, name: &str) {
    let Some(kind) = book.marks.get(name) else {
        let _ = writeln!(text, "  - {name}：规则中没有的标记\n    {name}: a flag that no rule knows");
        return;
    };
    let ((zh, en), source) = (in_words(kind.validity), &kind.source);
    let certainty = kind.certainty;
    let _ = writeln!(text, "  - {}（{name}），仅就该数据：{zh}。依据：{source}（确定性 {certainty:?}）。", kind.zh);
    let _ = writeln!(
        text,
        "    {} ({name}), of this reading alone: {en}. Clause: {source} (certainty {certainty:?}).",
        kind.en
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_beijing_time() {
        let wanted = read_time("2026-11-23T10:30:00+08:00");
        assert!(wanted.is_some());
        for text in ["2026-11-23 10:30", "2026-11-23 10:30:00", "2026-11-23T10:30:00", "2026-11-23T02:30:00Z"] {
            assert_eq!(read_time(text), wanted, "{text}");
        }
        assert_eq!(read_time("yesterday"), None);
    }
}
