//! `gaps`: how much of each day has arrived, and what is missing.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{CONFIG, IO, complain};
use crate::config;
use crate::coverage::{DayCount, Grain, Ledger, OpenGap};
use crate::downlink::Outcome;
use crate::gateway::ledgers;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the journal to its end; works beside a running gateway. Without --all: only the days on which something \
                        is missing, and the gaps that are open.\n缺口与传输率:默认只列出有缺数的日期和未补齐的缺口;--all 列出全部。见 docs/gaps.md。"
)]
pub(super) struct Options {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// Only this kind
    #[arg(long, value_parser = ["realtime", "minute", "hour", "day"])]
    kind: Option<String>,
    /// Complete days and what was given up as well
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
    gaps: Vec<OpenGap>,
}

#[allow(clippy::print_stdout, reason = "the command line speaks to its user")]
pub(super) fn gaps(options: &Options) -> u8 {
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
    let mut shown: Vec<Shown> = interpreter
        .ledgers()
        .map(|(mn, ledger)| (String::from_utf8_lossy(mn).into_owned(), ledger))
        .filter(|(mn, _)| options.mn.as_ref().is_none_or(|wanted| wanted == mn))
        .flat_map(|(mn, ledger)| ledger.grains().map(move |grain| select(options, mn.clone(), ledger, grain)))
        .filter(|shown| options.kind.as_ref().is_none_or(|kind| kind == shown.grain.name()))
        .collect();
    shown.sort_by(|a, b| (&a.mn, a.grain).cmp(&(&b.mn, b.grain)));
    let as_of = interpreter.time().to_rfc3339();
    if options.json {
        println!("{}", json!({ "as_of": as_of, "ledgers": shown.iter().map(Shown::view).collect::<Vec<_>>() }));
    } else {
        print!("{}", tables(&as_of, &shown));
    }
    0
}

fn select(options: &Options, mn: String, ledger: &Ledger, grain: Grain) -> Shown {
    let lacks = |day: &DayCount| options.all || day.there < day.expected;
    let open = |gap: &OpenGap| gap.stretch.grain == grain && (options.all || gap.given_up.is_none());
    Shown {
        mn,
        grain,
        interval: ledger.interval(grain),
        days: ledger.days(grain).filter(lacks).collect(),
        gaps: ledger.gaps().filter(open).collect(),
    }
}

impl Shown {
    fn view(&self) -> Value {
        let days = self
            .days
            .iter()
            .map(|day| json!({ "day": day.day, "expected": day.expected, "there": day.there, "ended": day.ended }));
        let gaps = self.gaps.iter().map(|gap| {
            json!({
                "from": gap.stretch.from.to_rfc3339(), "to": gap.stretch.to.to_rfc3339(), "count": gap.stretch.count,
                "missing": gap.missing, "attempts": gap.attempts, "given_up": gap.given_up.map(Outcome::code),
            })
        });
        json!({
            "mn": self.mn, "kind": self.grain.name(), "interval": self.interval,
            "days": days.collect::<Vec<_>>(), "gaps": gaps.collect::<Vec<_>>(),
        })
    }
}

fn tables(as_of: &str, shown: &[Shown]) -> String {
    let heads = ["station 站点", "kind 类型", "day 日期", "expected 应到", "there 实到", "missing 缺", "rate 传输率"];
    let mut days = vec![heads.map(str::to_owned).to_vec()];
    let heads =
        ["station 站点", "kind 类型", "from 起", "to 止", "count 条数", "missing 尚缺", "asked 已召", "given up 放弃"];
    let mut gaps = vec![heads.map(str::to_owned).to_vec()];
    for shown in shown {
        let (mn, kind) = (&shown.mn, shown.grain.name().to_owned());
        days.extend(shown.days.iter().map(|day| {
            let missing = day.expected.saturating_sub(day.there);
            let unfinished = if day.ended { "" } else { " …" };
            let percent = f64::from(day.there) * 100.0 / f64::from(day.expected.max(1));
            // Only what is complete is 100 %.
            let percent = format!("{:.1}%{unfinished}", (percent * 10.0).floor() / 10.0);
            let counts = [day.expected, day.there, missing].map(|count| count.to_string());
            [[mn.clone(), kind.clone(), day.day.clone()].as_slice(), counts.as_slice(), &[percent]].concat()
        }));
        gaps.extend(shown.gaps.iter().map(|gap| {
            let given_up = gap.given_up.map_or("", Outcome::code).to_owned();
            let times = [gap.stretch.from, gap.stretch.to].map(|time| minute_of(&time.to_rfc3339()));
            let counts = [gap.stretch.count, gap.missing, u32::from(gap.attempts)].map(|count| count.to_string());
            [[mn.clone(), kind.clone()].as_slice(), &times, &counts, &[given_up]].concat()
        }));
    }
    let mut out = format!("as of 截至 {as_of}\n");
    for (title, rows) in [("completeness 传输率", &days), ("gaps 缺口", &gaps)] {
        let _ = write!(out, "\n{title}: {}\n", rows.len() - 1);
        if rows.len() > 1 {
            write_table(&mut out, rows);
        }
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
