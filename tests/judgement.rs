//! `judge explain`, `alerts list` and `leads` as operators use them, on a journal that a gateway has open; and which configurations are refused.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gateway::run;
use hj212::{Deviations, write};
use hj212_journal::{self as journal, Entry, Journal, OsDisk};
use hj212_model::message::{Context, Heard, Peering, Record, StationFacts, Timestamp};
use hj212_model::registry::LimitTables;
use hj212_model::telemetry::Telemetry;
use sha2::{Digest, Sha256};

const HOUR: i64 = 3_600_000_000;

/// Midnight in Beijing, 2026-06-01.
const MIDNIGHT: i64 = 1_780_243_200_000_000;

const CONFIG: &str = "[gateway]\nid = \"test\"\n[journal]\ndir = \"journal\"\n[judgement]\nenabled = true\nsettle_spread = \"0s\"\n[alerts]\nenabled = true\n";
const ACCEPTED: &str = "accept_placeholders = true\n";
const STATIONS: &str = "[[station]]\nmn = \"A\"\n[[station.limits_of]]\nstandard = \"GB 18485-2014\"\nscope = \"incineration\"\ncodes = [\"a21026\"]\ndecimals = 0\n";

fn append(journal: &Journal, time: i64, record: &Record<'_>) -> u64 {
    let mut body = Vec::new();
    record.encode(&mut body);
    journal.appender().append(Entry { time: Timestamp(time), kind: record.kind(), body }, ());
    1
}

fn hour(journal: &Journal, number: i64, value: &str) -> u64 {
    let time = format!("202606{:02}{:02}0000", 1 + number / 24, number % 24);
    let segment = format!(
        "QN=20260601000000000;ST=31;CN=2061;MN=A;Flag=5;CP=&&DataTime={time};a21026-Avg={value},a21026-ZsAvg={value},a21026-Flag=N;a19001-Avg=9,a19001-Flag=N&&"
    );
    let mut raw = Vec::new();
    write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
    let from = Peering { connection: 1, peer: ([10, 0, 0, 1], 7000).into() };
    let heard = Heard { from, deviations: Deviations::NONE, segment: &raw[6..6 + segment.len()], raw: &raw };
    append(journal, MIDNIGHT + (number + 1) * HOUR, &Record::Frame(heard))
}

/// A day that exceeds, settled, and the beginning of the next.
fn a_day() -> (tempfile::TempDir, Journal) {
    played(&[])
}

/// The same, and hours that come again.
fn played(again: &[(i64, &str)]) -> (tempfile::TempDir, Journal) {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("g.toml"), format!("{CONFIG}{ACCEPTED}")).unwrap();
    std::fs::write(at.path().join("stations.toml"), STATIONS).unwrap();
    let settings =
        journal::Settings { dir: at.path().join("journal"), reserve: 1 << 16, ..journal::Settings::default() };
    let journal = journal::open(Arc::new(OsDisk), &settings, Arc::new(Telemetry::default())).unwrap();
    let limits = LimitTables::read(&[]).unwrap();
    let facts = StationFacts {
        emission: limits.of("GB 18485-2014", "incineration", &["a21026".to_owned()]),
        rules: vec!["inc19".to_owned()],
        ..StationFacts::default()
    };
    let context = Context {
        stations: BTreeMap::from([("A".to_owned(), facts.into())]),
        alerts: hj212_judgement::alerts::built_in_texts(),
        leads: hj212_leads::built_in_texts(),
        ..Context::default()
    };
    let json = serde_json::to_vec(&context).unwrap();
    let hash: [u8; 32] = Sha256::digest(&json).into();
    let mut count = append(&journal, MIDNIGHT, &Record::Context { hash, part: 0, parts: 1, json: &json });
    for number in 0..38 {
        count += hour(&journal, number, if number < 24 { "120" } else { "70" });
    }
    for (number, value) in again {
        count += hour(&journal, *number, value);
    }
    count += append(&journal, MIDNIGHT + 39 * HOUR, &Record::Tick);
    let tail = journal.tail();
    while tail.durable() < journal::Offset(count) {
        let _ = tail.wait(journal::Offset(count - 1), std::time::Duration::from_secs(60));
    }
    (at, journal)
}

fn ask(at: &Path, arguments: &[&str]) -> (i32, String) {
    let mut all = arguments.to_vec();
    all.extend(["--config", "g.toml"]);
    let (code, out, said) = run(&all, at);
    (code, [out, said].concat())
}

#[test]
fn a_day_is_explained_in_words_with_its_clause() {
    let (at, _journal) = a_day();
    let (code, text) = ask(at.path(), &["judge", "explain", "--mn", "A", "--day", "2026-06-01"]);
    assert_eq!(code, 0, "{text}");
    for wanted in [
        "2026-06-01 a21026 日均值 120，限值 80（GB 18485-2014 表4 incineration，GB 18485-2014, table 4 (reference oxygen 11 %)，R）",
        "超标（超标倍数 0.5）",
        "the limit was exceeded (by 0.5 times the limit)",
        "应有 24 时：有效 24",
        "已结算",
        "  07:00         120",
        "小时均值超标：00:00",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let (code, text) = ask(at.path(), &["judge", "explain", "--mn", "A", "--day", "2026-06-01", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json["factors"][0]["outcome"].as_str()), (0, Some("exceeded")));
    for (wrong, wanted) in [
        (["--mn", "B", "--day", "2026-06-01"], 69),
        (["--mn", "A", "--day", "2026-05-01"], 69),
        (["--mn", "A", "--day", "yesterday"], 64),
    ] {
        let (code, text) = ask(at.path(), &[&["judge", "explain"], &wrong[..]].concat());
        assert_eq!(code, wanted, "{text}");
    }
}

#[test]
fn open_alerts_are_listed_with_what_is_due() {
    let (at, _journal) = a_day();
    let (code, text) = ask(at.path(), &["alerts", "list"]);
    assert_eq!(code, 0, "{text}");
    for wanted in ["占位值", "黄 yellow", "A-20260601-a21026", "settled", "enterprise: 反馈截止 reply by 2026-06-04T"]
    {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let (code, none) = ask(at.path(), &["alerts", "list", "--mn", "B"]);
    assert!(code == 69 && none.contains("no such station B"), "{code} {none}");
}

const LEADS: &str = "[leads]\nenabled = true\n";

#[test]
fn open_leads_are_listed_and_explained() {
    let (at, _journal) = played(&[(5, "75")]);
    let (code, text) = ask(at.path(), &["leads", "list"]);
    assert!(code == 69 && text.contains("[leads] enabled = false"), "{code} {text}");
    std::fs::write(at.path().join("g.toml"), format!("{CONFIG}{ACCEPTED}{LEADS}")).unwrap();
    let (code, text) = ask(at.path(), &["leads", "list"]);
    assert_eq!(code, 0, "{text}");
    for wanted in ["**  A  L12-20260601-a21026  事后改低", "请核查：a21026 2026-06-01 05:00 的小时均值先报 120"]
    {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let (code, text) = ask(at.path(), &["leads", "explain", "L12-20260601-a21026", "--mn", "A"]);
    assert_eq!(code, 0, "{text}");
    for wanted in ["was = 120", "is = 75", "lower_by = 37.5%", "日志位置 journal 40", "线索只提示核查对象，不是结论"]
    {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let (code, text) = ask(at.path(), &["leads", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, json[0]["lead"].as_str(), json[0]["mn"].as_str()), (0, Some("L12-20260601-a21026"), Some("A")));
    assert_eq!(ask(at.path(), &["leads", "explain", "L1-20260601-a21026", "--mn", "A"]).0, 69);
}

#[test]
fn a_wrong_rule_file_of_leads_is_refused_with_its_place() {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("stations.toml"), STATIONS).unwrap();
    let text = include_str!("../config/leads/leads.toml");
    std::fs::write(at.path().join("g.toml"), format!("{CONFIG}{ACCEPTED}{LEADS}files = [\"mine.toml\"]\n")).unwrap();
    let (code, said) = ask(at.path(), &["check"]);
    assert!(code == 78 && said.contains("mine.toml"), "{said}");
    std::fs::write(at.path().join("mine.toml"), text).unwrap();
    assert_eq!(ask(at.path(), &["check"]).0, 0);
    std::fs::write(at.path().join("mine.toml"), text.replace("span = \"4h\"", "span = \"4 hours\"")).unwrap();
    let (code, said) = ask(at.path(), &["check"]);
    assert!(code == 78 && said.contains("mine.toml:") && said.contains("duration"), "{said}");
}

#[test]
fn placeholders_are_refused_unless_they_are_accepted() {
    let at = tempfile::tempdir().unwrap();
    std::fs::write(at.path().join("stations.toml"), STATIONS).unwrap();
    let check = |text: &str| {
        std::fs::write(at.path().join("g.toml"), text).unwrap();
        ask(at.path(), &["check"])
    };
    let (code, text) = check(CONFIG);
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("placeholders") && text.contains("accept_placeholders = true"), "{text}");
    assert_eq!(check(&format!("{CONFIG}{ACCEPTED}")).0, 0);
    let own = include_str!("../config/alerts/ah4.toml").replace("placeholder = true", "placeholder = false");
    std::fs::write(at.path().join("mine.toml"), &own).unwrap();
    assert_eq!(check(&format!("{CONFIG}files = [\"mine.toml\"]\n")).0, 0);
    std::fs::write(at.path().join("mine.toml"), own.replace("ratio > 1", "ratio >> 1")).unwrap();
    let (code, text) = check(&format!("{CONFIG}files = [\"mine.toml\"]\n"));
    assert!(code == 78 && text.contains("ratio >> 1"), "{text}");
    let (code, text) = check(&CONFIG.replace("[judgement]\nenabled = true", "[judgement]\nenabled = false"));
    assert!(code == 78 && text.contains("alerts.enabled"), "{text}");
    std::fs::write(at.path().join("stations.toml"), STATIONS.replace("incineration", "burning")).unwrap();
    let (code, text) = check(&format!("{CONFIG}{ACCEPTED}"));
    assert!(code == 78 && text.contains("limits_of"), "{text}");
}
