//! `marks`: why a value is marked, and which marks a station has, from the journal.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CONFIG, IO, USAGE, complain, replay};
use crate::config;
use crate::gateway::{explain, ledgers};
use crate::marking::{Mark, Words};
use crate::message::Timestamp;

/// Nothing was found (as `decode` and `journal verify` end when something is wrong).
const NOTHING: u8 = 1;
/// Records of which the values are shown, nearest first.
const RECORDS_SHOWN: usize = 4;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Why a value is (or is not) marked: what the station said, each mark with rule, clause and evidence, and what it does
    Explain(Explain),
    /// The marks of a station that hold, then those that have ended
    List(List),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Works beside a running gateway; nothing is changed.\n\
    Example: hj212-gateway marks explain --config gateway.toml --mn 010000A8900016F000169DC0 --at \"2026-11-23 10:30\" --factor a21026\n\n\
    查询某一数据为何带有标记:现场机原始标记、规则(编号、版本、条款、依据数据)、人工标记、有效性。")]
pub(super) struct Explain {
    /// The gateway's configuration: its journal
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The station
    #[arg(long, value_name = "MN")]
    mn: String,
    /// The data time: RFC 3339, or "2026-11-23 10:30" in Beijing time
    #[arg(long, value_name = "T")]
    at: String,
    /// Only this factor's value
    #[arg(long, value_name = "CODE")]
    factor: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// The gateway's configuration: its journal
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The station
    #[arg(long, value_name = "MN")]
    mn: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn marks(command: &Command) -> u8 {
    match command {
        Command::Explain(options) => explain(options),
        Command::List(options) => list(options),
    }
}

fn explain(options: &Explain) -> u8 {
    let Some(at) = time(&options.at) else {
        complain(&format!(
            "\"{}\" is no time: write \"2026-11-23 10:30\" (Beijing) or 2026-11-23T10:30:00+08:00",
            options.at
        ));
        return USAGE;
    };
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let found = match explain::explain(&loaded.config, &options.mn, at) {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    if !found.heard {
        let known = loaded.registry.find(options.mn.as_bytes()).is_some();
        let why = if known { "it is registered" } else { "and it is not registered: is the MN right?" };
        complain(&format!("the journal has no data of {} within a day of {}; {why}", options.mn, at.to_rfc3339()));
        return NOTHING;
    }
    let marks: Vec<&(Mark, Words)> =
        found.marks.iter().filter(|(mark, _)| concerns(mark, options.factor.as_deref())).collect();
    if options.json {
        let marks = marks
            .iter()
            .map(|(mark, words)| json!({ "mark": mark.view(), "explain": { "zh": words.zh, "en": words.en } }));
        show(&Explained { mn: &options.mn, at: at.to_rfc3339(), records: &found.records, marks: marks.collect() });
        return 0;
    }
    say(&format!("{} · {}", options.mn, at.to_rfc3339()));
    let mut shown = 0;
    for record in found.records.iter().take(RECORDS_SHOWN) {
        shown += values(record, options.factor.as_deref());
    }
    if let (0, Some(factor)) = (shown, &options.factor) {
        say(&format!("  {factor}: 附近的记录中没有该因子 / no record near that time has this factor"));
    }
    say("");
    if marks.is_empty() {
        say("没有标记 / no mark covers that time.");
    }
    for (mark, words) in marks {
        say(&format!("{} → {}  [{}]", mark.mark, mark.object, mark.standing.name()));
        say(&format!("  {}", words.zh));
        say(&format!("  {}", words.en));
    }
    0
}

/// What `--json` prints.
#[derive(Serialize)]
struct Explained<'a> {
    mn: &'a str,
    at: String,
    /// The messages as they were published.
    records: &'a [Box<RawValue>],
    marks: Vec<Value>,
}

/// A data message, its readings' fields verbatim.
#[derive(Deserialize)]
struct Said {
    readings: BTreeMap<String, BTreeMap<String, Box<RawValue>>>,
}

/// Whether a mark may be the reason for the values of a factor: one on another code is not.
fn concerns(mark: &Mark, factor: Option<&str>) -> bool {
    factor.is_none_or(|factor| !mark.on_code || mark.object == factor)
}

/// Shows the values of a record; how many.
fn values(record: &RawValue, factor: Option<&str>) -> usize {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (Ok(said), Ok(record)) =
        (serde_json::from_str::<Said>(record.get()), serde_json::from_str::<Value>(record.get()))
    else {
        return 0;
    };
    let verbatim = |code: &str, key: &str| said.readings.get(code)?.get(key).map(|raw| raw.get().trim_matches('"'));
    let Some(readings) = record["readings"].as_object() else { return 0 };
    let wanted = readings.iter().filter(|(code, _)| factor.is_none_or(|factor| factor == code.as_str()));
    let mut shown = 0;
    for (code, reading) in wanted {
        if shown == 0 {
            let offset = &record["journal"]["offset"];
            say(&format!("{} {}  (journal {offset})", text(&record["kind"]), text(&record["data_time"])));
        }
        shown += 1;
        let said = ["rtd", "avg", "min", "max", "cou"].iter().filter(|key| !reading[**key].is_null());
        let said: Vec<String> = said.map(|key| format!("{key}={}", verbatim(code, key).unwrap_or_default())).collect();
        let unit = reading["unit"].as_str().unwrap_or_default();
        let name = reading["name"].as_str().unwrap_or_default();
        let flag = reading["flag"].as_str().map_or("-".to_owned(), str::to_owned);
        let validity = match (&reading["validity"], reading["valid"].as_bool()) {
            (Value::String(word), _) => word.clone(),
            (_, Some(true)) => "有效 valid".to_owned(),
            (_, Some(false)) => "无效 invalid".to_owned(),
            _ => "未判定 not judged".to_owned(),
        };
        say(&format!("  {code} {name}  {} {unit}  站点标记 flag {flag}  {validity}", said.join(" ")));
        for (key, what) in [("marks", "标记 marks"), ("proposed", "建议 proposed")] {
            if let Some(list) = reading[key].as_array().filter(|list| !list.is_empty()) {
                let list: Vec<String> = list.iter().map(text).collect();
                say(&format!("    {what}: {}", list.join(", ")));
            }
        }
        if let Some(recomputed) = reading["recomputed"].as_object() {
            let of = |key: &str| recomputed.get(key).map(text).unwrap_or_default();
            let (good, expected, needed) = (of("good"), of("expected"), of("needed"));
            say(&format!("    重算 recomputed: valid {} ({good}/{expected}, {needed}; {})", of("valid"), of("clause")));
        }
    }
    shown
}

fn list(options: &List) -> u8 {
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let interpreter = match ledgers::read(&loaded.config) {
        Ok(interpreter) => interpreter,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    let marks: Vec<&Mark> = interpreter.marks_of(&options.mn).collect();
    if options.json {
        show(&Value::Array(marks.iter().map(|mark| mark.view()).collect()));
        return 0;
    }
    if marks.is_empty() {
        say("没有标记 / no marks.");
    }
    for mark in marks {
        let until = mark.until.map_or_else(|| "…".to_owned(), Timestamp::to_rfc3339);
        let since = mark.since.to_rfc3339();
        say(&format!("{since}  {until}  {} → {}  [{}]", mark.mark, mark.object, mark.standing.name()));
        let words = interpreter.in_words(mark);
        say(&format!("  {}", words.zh));
    }
    0
}

/// RFC 3339, or a civil time of Beijing with a blank or a `T`, with or without seconds.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim().replacen(' ', "T", 1);
    let full = if text.len() == 16 { format!("{text}:00") } else { text };
    replay::time(Some(&full)).ok().flatten()
}

fn show(value: &impl Serialize) {
    say(&serde_json::to_string_pretty(value).unwrap_or_default());
}

#[allow(clippy::print_stdout, reason = "the command line speaks to its user")]
fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let half_past_ten = time("2026-11-23T10:30:00+08:00").unwrap();
        for text in ["2026-11-23 10:30", "2026-11-23 10:30:00", "2026-11-23T10:30", "2026-11-23T02:30:00Z"] {
            assert_eq!(time(text), Some(half_past_ten), "{text}");
        }
        assert_eq!(time("half past ten"), None);
    }
}
