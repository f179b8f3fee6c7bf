//! `gaps`: how much of each day has arrived, and what is missing.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::known::must_be_known;
use super::working::Progressing;
use super::{CONFIG, IO, complain, say};
use crate::config;
use crate::gateway::ledgers;
use hj212_coverage::{Cause, DayCount, Grain, Ledger, OpenGap, Rest};
use hj212_interpret::Interpreter;
use hj212_model::message::Timestamp;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the journal to its end; works beside a running gateway. Without --all: only the days on which something \
                        is missing, and the gaps that are open.\n缺口与传输率:默认只列出有缺数的日期和未结束的缺口;--all 列出全部。\
                        网关停运造成的缺数单列,不计入传输率。见 docs/gaps.md。"
)]
pub(super) struct Options {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// Only this kind
    #[arg(long, value_parser = ["realtime", "minute", "hour", "day"])]
    kind: Option<String>,
    /// Complete days, and what is missing and not waited for any more, as well
    #[arg(long)]
    all: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What is shown of one kind of one station.
struct Shown {
    mn: String,
    grain: Grain,
    interval: Option<u32>,
    days: Vec<DayCount>,
    /// With the marks that explain it.
    gaps: Vec<(OpenGap, Vec<Explained>)>,
    /// Stretches that are not waited for any more, and their records, where they are not shown.
    at_rest: (usize, u64),
}

/// A mark beside a gap.
struct Explained {
    mark: String,
    object: String,
    standing: &'static str,
    since: String,
    until: Option<String>,
}

/// What becomes of a gap.
fn state_of(gap: &OpenGap) -> &'static str {
    match gap.rest {
        Some(rest) => rest.code(),
        None if gap.stretch.growing => "growing",
        None => "open",
    }
}

/// The causes of a gap, the first one first, with how many records each has if there are several.
fn causes_of(gap: &OpenGap) -> String {
    let stretch = &gap.stretch;
    let counted = |cause: &Cause| stretch.causes.get(*cause as usize).copied().unwrap_or(0);
    let mut several: Vec<&Cause> = Cause::ALL.iter().filter(|cause| counted(cause) > 0).collect();
    several.sort_by_key(|cause| **cause != stretch.cause);
    match several.as_slice() {
        [] | [_] => stretch.cause.code().to_owned(),
        more => more.iter().map(|cause| format!("{}:{}", cause.code(), counted(cause))).collect::<Vec<_>>().join(","),
    }
}

pub(super) fn gaps(options: &Options) -> u8 {
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let working = Progressing::begin("reading the journal", None);
    let read = ledgers::read(&loaded.config);
    drop(working);
    let interpreter = match read {
        Ok(interpreter) => interpreter,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    if let Err(code) = must_be_known(options.mn.as_deref(), &loaded.registry, &interpreter) {
        return code;
    }
    let mut shown: Vec<Shown> = interpreter
        .ledgers()
        .map(|(mn, ledger)| (String::from_utf8_lossy(mn).into_owned(), ledger))
        .filter(|(mn, _)| options.mn.as_ref().is_none_or(|wanted| wanted == mn))
        .flat_map(|(mn, ledger)| {
            let interpreter = &interpreter;
            ledger.grains().map(move |grain| select(options, interpreter, mn.clone(), ledger, grain))
        })
        .filter(|shown| options.kind.as_ref().is_none_or(|kind| kind == shown.grain.name()))
        .collect();
    shown.sort_by(|a, b| (&a.mn, a.grain).cmp(&(&b.mn, b.grain)));
    let as_of = interpreter.time().to_rfc3339();
    if options.json {
        let ledgers: Vec<_> = shown.iter().map(Shown::view).collect();
        say(&format!("{}\n", json!({ "as_of": as_of, "ledgers": ledgers })))
    } else {
        say(&tables(&as_of, &shown))
    }
}

fn select(options: &Options, interpreter: &Interpreter, mn: String, ledger: &Ledger, grain: Grain) -> Shown {
    let lacks = |day: &DayCount| options.all || day.there < day.expected;
    let (shown, at_rest): (Vec<OpenGap>, Vec<OpenGap>) =
        ledger.gaps().filter(|gap| gap.stretch.grain == grain).partition(|gap| options.all || gap.rest.is_none());
    let explained = |gap: &OpenGap| -> Vec<Explained> {
        let marks = interpreter.explaining(mn.as_bytes(), &gap.stretch);
        let explained = marks.into_iter().map(|mark| Explained {
            mark: mark.mark.clone(),
            object: mark.object.clone(),
            standing: mark.standing.name(),
            since: mark.since.to_rfc3339(),
            until: mark.until.map(Timestamp::to_rfc3339),
        });
        explained.collect()
    };
    Shown {
        grain,
        interval: ledger.interval(grain),
        days: ledger.days(grain).filter(lacks).collect(),
        gaps: shown
            .into_iter()
            .map(|gap| {
                let marks = explained(&gap);
                (gap, marks)
            })
            .collect(),
        at_rest: (at_rest.len(), at_rest.iter().map(|gap| u64::from(gap.missing)).sum()),
        mn,
    }
}

impl Shown {
    fn view(&self) -> Value {
        let days = self.days.iter().map(|day| {
            json!({
                "day": day.day, "expected": day.expected, "there": day.there, "gateway_down": day.gateway_down,
                "ended": day.ended,
            })
        });
        let gaps = self.gaps.iter().map(|(gap, marks)| {
            let causes = Cause::ALL.iter().zip(gap.stretch.causes);
            let causes: Value = causes.map(|(cause, count)| (cause.code(), json!(count))).collect();
            let marks = marks.iter().map(|mark| {
                json!({
                    "mark": mark.mark, "object": mark.object, "standing": mark.standing, "since": mark.since, "until": mark.until,
                })
            });
            json!({
                "from": gap.stretch.from.to_rfc3339(), "to": gap.stretch.to.to_rfc3339(), "count": gap.stretch.count,
                "missing": gap.missing, "cause": gap.stretch.cause.code(), "causes": causes, "attempts": gap.attempts,
                "state": state_of(gap), "given_up": gap.rest.map(Rest::code), "marks": marks.collect::<Vec<_>>(),
            })
        });
        json!({
            "mn": self.mn, "kind": self.grain.name(), "interval": self.interval,
            "days": days.collect::<Vec<_>>(), "gaps": gaps.collect::<Vec<_>>(),
            "not_shown": { "stretches": self.at_rest.0, "records": self.at_rest.1 },
        })
    }
}

fn tables(as_of: &str, shown: &[Shown]) -> String {
    let heads = [
        "station 站点",
        "kind 类型",
        "day 日期",
        "expected 应到",
        "there 实到",
        "gateway down 网关停运",
        "missing 缺",
        "rate 传输率",
    ];
    let mut days = vec![heads.map(str::to_owned).to_vec()];
    let heads = [
        "station 站点",
        "kind 类型",
        "from 起",
        "to 止",
        "count 条数",
        "missing 尚缺",
        "asked 已召",
        "state 状态",
        "cause 原因",
        "marks 标记",
    ];
    let mut gaps = vec![heads.map(str::to_owned).to_vec()];
    for shown in shown {
        let (mn, kind) = (&shown.mn, shown.grain.name().to_owned());
        days.extend(shown.days.iter().map(|day| {
            let missing = day.owed().saturating_sub(day.there);
            let unfinished = if day.ended { "" } else { " …" };
            let percent = f64::from(day.there) * 100.0 / f64::from(day.owed().max(1));
            // Only what is complete is 100 %.
            let percent = format!("{:.1}%{unfinished}", (percent * 10.0).floor() / 10.0);
            let percent = if day.owed() == 0 { format!("-{unfinished}") } else { percent };
            let counts = [day.expected, day.there, day.gateway_down, missing].map(|count| count.to_string());
            [[mn.clone(), kind.clone(), day.day.clone()].as_slice(), counts.as_slice(), &[percent]].concat()
        }));
        gaps.extend(shown.gaps.iter().map(|(gap, marks)| {
            let marks: Vec<String> = marks.iter().map(|mark| format!("{}@{}", mark.mark, mark.object)).collect();
            let told = [state_of(gap).to_owned(), causes_of(gap), marks.join(",")];
            let times = [gap.stretch.from, gap.stretch.to].map(|time| minute_of(&time.to_rfc3339()));
            let counts = [gap.stretch.count, gap.missing, u32::from(gap.attempts)].map(|count| count.to_string());
            [[mn.clone(), kind.clone()].as_slice(), &times, &counts, &told].concat()
        }));
    }
    let mut out = format!("as of 截至 {as_of}\n");
    for (title, rows) in [("completeness 传输率", &days), ("gaps 缺口", &gaps)] {
        let _ = write!(out, "\n{title}: {}\n", rows.len() - 1);
        if rows.len() > 1 {
            write_table(&mut out, rows);
        }
    }
    let stretches: usize = shown.iter().map(|shown| shown.at_rest.0).sum();
    let records: u64 = shown.iter().map(|shown| shown.at_rest.1).sum();
    if stretches > 0 {
        let _ = writeln!(
            out,
            "\nnot waited for any more 不再等待: {stretches} stretches, {records} records; --all lists them 用 --all 列出"
        );
    }
    out
}

/// `2026-11-23 10:40:00` of a time in RFC 3339.
fn minute_of(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

/// Columns as wide as their widest cell; a Chinese character is as wide as two others.
fn write_table(out: &mut String, rows: &[Vec<String>]) {
    let width = |text: &str| text.chars().map(|c| if c.is_ascii() || c == '…' { 1 } else { 2 }).sum::<usize>();
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', wide + 2 - width(cell).min(*wide)));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_heads() {
        let rows = [["kind 类型", "there 实到"], ["minute", "144"]].map(|row| row.map(str::to_owned).to_vec());
        let mut out = String::new();
        write_table(&mut out, &rows);
        assert_eq!(out, "kind 类型  there 实到\nminute     144\n");
    }
}
