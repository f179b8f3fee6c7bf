//! `hj212-gateway gaps` as scripts and operators use it, on a journal that a gateway has open.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::sync::Arc;

use gateway::run;
use hj212::{Deviations, write};
use hj212_journal::{self as journal, Entry, Journal, OsDisk};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use hj212_model::telemetry::Telemetry;
use serde_json::Value;

const HOUR: i64 = 3_600_000_000;

/// Midnight in Beijing, 2026-06-01.
const MIDNIGHT: i64 = 1_780_243_200_000_000;

fn append(journal: &Journal, time: i64, record: &Record<'_>) {
    let mut body = Vec::new();
    record.encode(&mut body);
    journal.appender().append(Entry { time: Timestamp(time), kind: record.kind(), body }, ());
}

fn frame(journal: &Journal, mn: &str, cn: u16, data_time: &str, time: i64) {
    let segment =
        format!("QN=20260601000000000;ST=31;CN={cn};MN={mn};Flag=5;CP=&&DataTime={data_time};a21026-Avg=1.5&&");
    let mut raw = Vec::new();
    write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
    let from = Peering { connection: 1, peer: ([10, 0, 0, 1], 7000).into() };
    let heard = Heard { from, deviations: Deviations::NONE, segment: &raw[6..6 + segment.len()], raw: &raw };
    append(journal, time, &Record::Frame(heard));
}

/// Two stations and one day: A lacks the hours 9 and 10, B nothing.
fn a_day() -> (tempfile::TempDir, Journal) {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("g.toml"), "[gateway]\nid = \"test\"\n[journal]\ndir = \"journal\"\n").unwrap();
    std::fs::write(at.path().join("stations.toml"), "[[station]]\nmn = \"A\"\n[[station]]\nmn = \"B\"\n").unwrap();
    let settings =
        journal::Settings { dir: at.path().join("journal"), reserve: 1 << 16, ..journal::Settings::default() };
    let journal = journal::open(Arc::new(OsDisk), &settings, Arc::new(Telemetry::default())).unwrap();
    for hour in 0..24 {
        let (time, arrival) = (format!("20260601{hour:02}0000"), MIDNIGHT + (hour + 1) * HOUR);
        if ![9, 10].contains(&hour) {
            frame(&journal, "A", 2061, &time, arrival);
        }
        frame(&journal, "B", 2061, &time, arrival);
    }
    frame(&journal, "B", 2031, "20260601000000", MIDNIGHT + 24 * HOUR + 1);
    append(&journal, MIDNIGHT + 25 * HOUR + HOUR / 2, &Record::Tick);
    let (tail, last) = (journal.tail(), journal::Offset(22 + 24 + 2));
    while tail.durable() < last {
        let _ = tail.wait(journal::Offset(last.0 - 1), std::time::Duration::from_secs(60));
    }
    (at, journal)
}

#[test]
fn what_is_missing_is_listed_beside_a_running_gateway() {
    let (at, journal) = a_day();
    let (code, out, said) = run(&["gaps", "--config", "g.toml"], at.path());
    assert_eq!(code, 0, "{said}");
    let lines: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "as of 截至 2026-06-02T01:30:00.000+08:00",
        "completeness 传输率: 1",
        "A hour 2026-06-01 24 22 0 2 91.6%",
        "gaps 缺口: 0",
        "not waited for any more 不再等待: 1 stretches, 2 records; --all lists them 用 --all 列出",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is not in:\n{out}");
    }
    assert!(!out.contains("B "), "{out}");
    let (_, out, _) = run(&["gaps", "--config", "g.toml", "--all"], at.path());
    assert!(out.contains("completeness 传输率: 3") && out.contains("100.0%"), "{out}");
    let lines: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let lost = "A hour 2026-06-01 09:00:00 2026-06-01 10:00:00 2 2 0 lost not-sent";
    assert!(lines.iter().any(|line| line == lost), "{out}");
    journal.close();
}

#[test]
fn json_is_filtered_by_station_and_kind() {
    let (at, journal) = a_day();
    journal.close();
    let json = |more: &[&str]| -> Value {
        let (code, out, said) = run(&[&["gaps", "--config", "g.toml", "--json"], more].concat(), at.path());
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(json(&["--mn", "A"])["ledgers"][0]["not_shown"]["records"], 2);
    let shown = json(&["--mn", "A", "--all"]);
    assert_eq!(shown["ledgers"].as_array().unwrap().len(), 1);
    let ledger = &shown["ledgers"][0];
    assert_eq!((&ledger["mn"], &ledger["kind"], &ledger["interval"]), (&"A".into(), &"hour".into(), &3600.into()));
    assert_eq!((&ledger["days"][0]["there"], &ledger["days"][0]["ended"]), (&22.into(), &true.into()));
    let gap = &ledger["gaps"][0];
    assert_eq!((&gap["missing"], &gap["state"], &gap["cause"]), (&2.into(), &"lost".into(), &"not-sent".into()));
    assert_eq!((&gap["causes"]["not-sent"], &gap["marks"]), (&2.into(), &serde_json::json!([])));
    assert_eq!(ledger["days"][0]["gateway_down"], 0);
    assert!(gap["from"].as_str().unwrap().starts_with("2026-06-01T09:00:00"));
    assert_eq!(json(&["--kind", "day", "--all"])["ledgers"][0]["mn"], "B");
    let (code, _, said) = run(&["gaps", "--config", "g.toml", "--json", "--mn", "nobody"], at.path());
    assert!(code == 69 && said.contains("no such station nobody"), "{said}");
}

#[test]
fn what_is_wrong_is_said() {
    let (at, journal) = a_day();
    journal.close();
    let code = |arguments: &[&str]| run(arguments, at.path()).0;
    assert_eq!(code(&["gaps", "--config", "g.toml", "--kind", "year"]), 64);
    assert_eq!(code(&["gaps", "--config", "none.toml"]), 78);
    std::fs::remove_dir_all(at.path().join("journal")).unwrap();
    assert_eq!(code(&["gaps", "--config", "g.toml"]), 74);
    std::fs::write(at.path().join("g.toml"), "[recall]\nasks_per_hour = 0\nwindow = \"\"\n").unwrap();
    let (code, _, said) = run(&["check", "--config", "g.toml"], at.path());
    assert!(code == 78 && said.contains("g.toml:2:") && said.contains("asks_per_hour"), "{said}");
}
