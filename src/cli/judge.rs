//! `judge`: what an outlet's day came to, in words, from the journal.

use std::fmt::Write;
use std::path::PathBuf;

use super::known::must_be_known;
use super::{CONFIG, IO, UNAVAILABLE as NOTHING, USAGE, complain, say};
use crate::config;
use crate::gateway::{judged, ledgers};
use hj212_interpret::{DayKnown, Interpreter};
use hj212_judgement::{Cell, Picture, Stage, calendar};
use hj212_marking::{Mark, explain, in_words};
use hj212_model::message::Timestamp;
use hj212_model::registry::Registry;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Reads the journal to its end; works beside a running gateway. Days are remembered for 35 days.\n判定说明：限值与条款、三个数、\
                        逐时数据与标记、结论。见 docs/judgement.md。"
)]
pub(super) enum Command {
    /// Says what a day came to: limit, three values, hours, marks, outcome (说明某日判定)
    Explain {
        /// The gateway's configuration
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// The station
        #[arg(long, value_name = "MN")]
        mn: String,
        /// The day, as 2026-06-01
        #[arg(long, value_name = "DATE")]
        day: String,
        /// Only this factor, such as a21026
        #[arg(long, value_name = "CODE")]
        factor: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn judge(command: &Command) -> u8 {
    let Command::Explain { config, mn, day, factor, json } = command;
    let Some(number) = calendar::read(day) else {
        complain(&format!("\"{day}\" is no day: write 2026-06-01"));
        return USAGE;
    };
    let (interpreter, registry) = match known(config) {
        Ok(known) => known,
        Err(code) => return code,
    };
    if let Err(code) = must_be_known(Some(mn), &registry, &interpreter) {
        return code;
    }
    let Some(found) = interpreter.judged(mn, number, factor.as_deref()) else {
        complain(&format!("the journal knows no station {mn} · 日志中没有该站"));
        return NOTHING;
    };
    if found.factors.is_empty() && found.furnaces.is_empty() {
        complain(&format!(
            "nothing was judged of {day}: no limit of a day holds for it ([[station.limit]] with of = \"day\"), nothing came, or it is more than \
             35 days ago · 当日无日限值、无数据，或已超过35天"
        ));
        return NOTHING;
    }
    if *json { say(&format!("{}\n", judged::day(&found))) } else { say(&in_text(&interpreter, mn, number, &found)) }
}

/// What the journal tells, if judgement is switched on.
pub(super) fn known(config: &std::path::Path) -> Result<(Interpreter, Registry), u8> {
    let loaded = config::load(config).map_err(|problems| {
        complain(&problems);
        CONFIG
    })?;
    if !loaded.config.judgement.enabled {
        complain(&"nothing is judged: [judgement] enabled = false · 未启用判定");
        return Err(NOTHING);
    }
    let interpreter = ledgers::read(&loaded.config).map_err(|error| {
        complain(&error);
        IO
    })?;
    Ok((interpreter, loaded.registry))
}

fn value(cell: &Cell) -> Option<String> {
    cell.value().map(|value| value.to_string())
}

fn in_text(interpreter: &Interpreter, mn: &str, number: i32, found: &DayKnown) -> String {
    let mut text = String::new();
    for (code, picture) in &found.factors {
        one(&mut text, interpreter, (mn, number, code), picture);
    }
    for (_, _, _, stage, words) in &found.furnaces {
        let _ = writeln!(text, "{}（{}）\n{} ({})\n", words.zh, stage_zh(*stage), words.en, stage.name());
    }
    text
}

const fn stage_zh(stage: Stage) -> &'static str {
    match stage {
        Stage::Open => "进行中",
        Stage::Provisional => "暂定",
        Stage::Settled => "已结算",
    }
}

fn one(text: &mut String, interpreter: &Interpreter, (mn, number, code): (&str, i32, &str), picture: &Picture) {
    let _ = writeln!(text, "{}\n{}", picture.words.zh, picture.words.en);
    if picture.revision > 0 {
        let times = picture.revision;
        let _ = writeln!(text, "结算后修订 {times} 次。\nRevisions after it was settled: {times}.");
    }
    let judged = &picture.judged;
    let mean = |value: Option<hj212_judgement::Ratio>| value.map_or_else(|| "-".to_owned(), |value| value.text(6));
    let reported = judged.reported.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let _ = writeln!(
        text,
        "上报值 reported {reported}；有效均值 marked {}；判定用 exempt {}",
        mean(judged.marked),
        mean(judged.exempt)
    );
    for (hour, cell) in picture.cells.iter().enumerate() {
        if !cell.came() {
            let _ = writeln!(text, "  {hour:02}:00  未到 nothing came");
            continue;
        }
        let (zh, en) = cell.worth().map_or(("", "nothing is said of it"), in_words);
        let shown = value(cell).unwrap_or_else(|| "-".to_owned());
        let minutes = if cell.due > 0 { format!("  {}/{} min", cell.good, cell.due) } else { String::new() };
        let _ = writeln!(text, "  {hour:02}:00  {shown:>10}  {zh} {en}{minutes}");
    }
    let (from, to) = (calendar::start(number), Timestamp(calendar::start(number.saturating_add(1)).0 - 1));
    let marks = interpreter.marks_over(mn, Some(code), from, to).unwrap_or_default();
    let of_people = |mark: &&Mark| mark.said.is_some();
    for mark in marks.iter().filter(of_people) {
        let words = explain(interpreter.rule_book(), mark);
        let _ = writeln!(text, "  标记 mark {}: {}\n    {}", mark.by, words.zh, words.en);
    }
    let exceeded: Vec<String> = picture
        .hours
        .iter()
        .filter(|(_, hour)| hour.outcome == hj212_judgement::Outcome::Exceeded)
        .map(|(at, _)| format!("{:02}:00", calendar::hour_of(*at)))
        .collect();
    if !exceeded.is_empty() {
        let all = exceeded.join("、");
        let _ = writeln!(text, "  小时均值超标：{all}\n  Hours that exceeded their limit: {}", exceeded.join(", "));
    }
    text.push('\n');
}
