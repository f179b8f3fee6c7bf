//! `marks explain` and `marks list` on a journal that the library wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

#[path = "marks/evidence.rs"]
mod evidence;
#[path = "marks/later.rs"]
mod later;
#[path = "marks/words.rs"]
mod words;

use std::sync::Arc;
use std::sync::mpsc;

use gateway::run;
use hj212::{Deviations, write};
use hj212_journal::{self as journal, Entry, OsDisk};
use hj212_model::message::{Heard, Peering, Presence, Record, Timestamp};
use hj212_model::telemetry::Telemetry;
use sha2::{Digest, Sha256};

const CONTEXT: &str = r#"{"stations":{"M1":{"name":"一号炉","st":"31","edition":"2017","rules":["inc19","dev22"],"facilities":[{"id":"furnace-1","kind":"furnace","factors":["a21026","a34013"],"aliases":{"feed":"x01","temp":"x02","burner":"x03","fan":"x04"}}],"limits":{"a21026":"100"},"ranges":{"a21026":["0","500"]}},"M2":{"name":"未上线","st":"31","edition":"2017"}},"factors":{}}"#;

fn at(clock: &str) -> Timestamp {
    let time: jiff::Timestamp = format!("2026-06-01T{clock}+08:00").parse().unwrap();
    Timestamp(time.as_microsecond())
}

fn civil(text: &str) -> Timestamp {
    let time: jiff::Timestamp = format!("{text}+08:00").parse().unwrap();
    Timestamp(time.as_microsecond())
}

struct Written {
    folder: tempfile::TempDir,
    journal: Option<journal::Journal>,
}

impl Written {
    fn new() -> Written {
        let folder = tempfile::tempdir().unwrap();
        let settings = journal::Settings {
            dir: folder.path().join("journal"),
            segment_size: 1 << 20,
            ..journal::Settings::default()
        };
        let journal = journal::open(Arc::new(OsDisk), &settings, Arc::new(Telemetry::default())).unwrap();
        Written { folder, journal: Some(journal) }
    }

    fn put(&self, clock: &str, record: &Record<'_>) {
        self.put_at(at(clock), record);
    }

    fn put_at(&self, time: Timestamp, record: &Record<'_>) {
        let mut body = Vec::new();
        record.encode(&mut body);
        let (done, stored) = mpsc::channel();
        let entry = Entry { time, kind: record.kind(), body };
        self.journal
            .as_ref()
            .unwrap()
            .appender()
            .append(entry, move |outcome: Result<_, _>| done.send(outcome).unwrap());
        stored.recv().unwrap().unwrap();
    }

    fn frame(&self, clock: &str, mn: &str, area: &str) {
        let digits: String = clock.chars().filter(char::is_ascii_digit).collect();
        let segment = format!(
            "QN=20260601{digits}000;ST=31;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20260601{}00;{area}&&",
            &digits[..4]
        );
        let mut raw = Vec::new();
        write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
        let heard =
            Heard { from: peering(), deviations: Deviations::NONE, segment: &raw[6..6 + segment.len()], raw: &raw };
        self.put(clock, &Record::Frame(heard));
    }

    /// A report of M1: when it came, its command, its data time and its area.
    fn report(&self, came: &str, cn: u32, data_time: &str, area: &str) {
        self.report_of("M1", came, cn, data_time, area);
    }

    fn report_of(&self, mn: &str, came: &str, cn: u32, data_time: &str, area: &str) {
        let digits: String = came.chars().filter(char::is_ascii_digit).collect();
        let segment =
            format!("QN={digits}000;ST=31;CN={cn};PW=123456;MN={mn};Flag=5;CP=&&DataTime={data_time};{area}&&");
        let mut raw = Vec::new();
        write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
        let heard =
            Heard { from: peering(), deviations: Deviations::NONE, segment: &raw[6..6 + segment.len()], raw: &raw };
        self.put_at(civil(came), &Record::Frame(heard));
    }

    /// A furnace that exceeds, is fed no more, calibrates; an entry for the past; a link that is lost.
    fn story() -> Written {
        let written = Written::new();
        let hash = Sha256::digest(CONTEXT).into();
        written.put("10:00:00", &Record::Context { hash, part: 0, parts: 1, json: CONTEXT.as_bytes() });
        written.frame("10:00:10", "M1", "a21026-Rtd=150.50,a21026-Flag=N;x01-Rtd=8;x02-Rtd=905;x03-Rtd=0;x04-Rtd=1");
        written.frame("10:01:10", "M1", "a21026-Rtd=0.30,a21026-Flag=C;x01-Rtd=8;x02-Rtd=900;x03-Rtd=0;x04-Rtd=1");
        written.frame("10:05:00", "M3", "a21026-Rtd=1,a21026-Flag=N");
        for minute in 10..30 {
            let area = "a21026-Rtd=60.0,a21026-Flag=N;x01-Rtd=8;x02-Rtd=890;x03-Rtd=0;x04-Rtd=1";
            written.frame(&format!("10:{minute}:10"), "M1", area);
        }
        let json = r#"{"schema":"hj212.mark-entry/1","id":"2026-7","mark":"inc19:off","object":"furnace-1","begin":"2026-06-01T10:05:00+08:00","end":null,"reason":"停炉","proof":"照片","author":"王"}"#;
        written.put("10:31:00", &Record::MarkEntry { mn: "M1", id: "2026-7", json: json.as_bytes() });
        written.put("10:40:00", &Record::Presence(Presence::Offline { mn: "M1", on: peering() }));
        written.put("10:56:00", &Record::Tick);
        written
    }

    fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut all = vec!["marks"];
        all.extend_from_slice(arguments);
        all.extend_from_slice(&["--dir", "journal"]);
        run(&all, self.folder.path())
    }
}

fn peering() -> Peering {
    Peering { connection: 1, peer: "10.0.0.9:7000".parse().unwrap() }
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}

#[test]
fn a_reading_is_explained_with_rule_file_clause_and_what_was_said() {
    let written = Written::story();
    let (code, out, said) = written.ask(&["explain", "--mn", "M1", "--at", "2026-06-01 10:01", "--factor", "a21026"]);
    assert_eq!(code, 0, "{said}");
    holds(&out, &["rtd = 0.30, flag = \"C\"", "无效", "validity: invalid", "h17:C", "dev22:calib"]);
    holds(&out, &["hj212-2017.toml", "device-2022-21.toml", "确定性", "Clause:", "[已生效 applied]"]);
    assert!(!out.contains("x01") && !out.contains("150.50"), "{out}");
    let (_, whole, _) = written.ask(&["explain", "--mn", "M1", "--at", "2026-06-01T02:01:00Z"]);
    holds(&whole, &["a21026", "x01", "x04"]);
}

#[test]
fn entries_made_later_are_shown_as_such_with_exceedance_and_conflict() {
    let written = Written::story();
    let (code, out, said) =
        written.ask(&["explain", "--mn", "M1", "--at", "2026-06-01 10:12:00", "--factor", "a21026"]);
    assert_eq!(code, 0, "{said}");
    holds(&out, &["rtd = 60.0", "validity: valid", "人工填报 2026-7：停炉", "当时未计入", "inc19:off-while-running"]);
    holds(&out, &["a21026 exceeded at 2026-06-01T10:00:00.000+08:00 (150.50 > 100)"]);
    let (_, then, _) = written.ask(&[
        "explain",
        "--mn",
        "M1",
        "--at",
        "2026-06-01 10:12",
        "--known",
        "2026-06-01 10:20",
        "--factor",
        "a21026",
    ]);
    assert!(!then.contains("inc19:off") && then.contains("没有标记"), "{then}");
}

#[test]
fn marks_are_listed_as_they_hold_or_held() {
    let written = Written::story();
    let (code, now, said) = written.ask(&["list", "--mn", "M1"]);
    assert_eq!(code, 0, "{said}");
    holds(&now, &["inc19:off", "dev22:link", "offline(15min)", "2026-06-01T10:40:00.000+08:00"]);
    assert!(!now.contains("dev22:calib"), "{now}");
    let (_, held, _) =
        written.ask(&["list", "--mn", "M1", "--since", "2026-06-01 10:00", "--until", "2026-06-01 10:04"]);
    holds(&held, &["dev22:calib", "至 2026-06-01T10:10:00.000+08:00"]);
    assert!(!held.contains("dev22:link"), "{held}");
    let (_, none, _) = written.ask(&["list", "--mn", "M2"]);
    holds(&none, &["没有标记"]);
}

#[test]
fn the_journal_is_read_while_a_gateway_writes_it_and_dumped_with_its_entries() {
    let written = Written::story();
    assert!(written.journal.is_some(), "it is open, and its lock held");
    let (code, out, _) = run(&["journal", "dump", "--dir", "journal"], written.folder.path());
    assert_eq!(code, 0);
    holds(&out, &["mark-entry  M1 2026-7: {\"schema\"", "停炉"]);
    let (_, stats, _) = run(&["journal", "stats", "--dir", "journal"], written.folder.path());
    holds(&stats, &["mark-entry"]);
}

/// Hours 0 to 23 of one day, that of 12 flagged D, its day record the morning after, then a mark that ends.
fn day_of_hours() -> Written {
    let written = Written::new();
    let hash = Sha256::digest(CONTEXT).into();
    written.put("00:00:00", &Record::Context { hash, part: 0, parts: 1, json: CONTEXT.as_bytes() });
    for hour in 0..24 {
        let flag = if hour == 12 { "D" } else { "N" };
        let next =
            if hour == 23 { "2026-06-02T00:02:00".to_owned() } else { format!("2026-06-01T{:02}:02:00", hour + 1) };
        written.report(
            &next,
            2061,
            &format!("20260601{hour:02}0000"),
            &format!("a21026-Avg={hour}.5,a21026-Flag={flag};a34013-Avg=20,a34013-Flag=N"),
        );
    }
    written.report(
        "2026-06-02T00:10:00",
        2031,
        "20260601000000",
        "a21026-Avg=11.0,a21026-Flag=N;a34013-Avg=20,a34013-Flag=N",
    );
    written
}

#[test]
fn a_period_answers_only_for_the_time_that_it_holds() {
    let written = day_of_hours();
    let ask = |at: &str, more: &[&str]| {
        let mut all = vec!["explain", "--mn", "M1", "--factor", "a21026", "--at", at];
        all.extend_from_slice(more);
        written.ask(&all)
    };
    // The hour asked for, its first second and its last.
    for at in ["2026-06-01 12:00", "2026-06-01 12:30", "2026-06-01 12:59:59"] {
        let (code, out, said) = ask(at, &["--kind", "hour"]);
        assert_eq!(code, 0, "{said}");
        holds(&out, &["2026-06-01T12:00:00.000+08:00 hour", "12.5", "validity: invalid"]);
        assert!(!out.contains("11.5") && !out.contains("13.5"), "{out}");
    }
    // Without a kind: the hour and the day that hold it.
    let (_, both, _) = ask("2026-06-01 12:00", &[]);
    holds(&both, &["12:00:00.000+08:00 hour", "2026-06-01T00:00:00.000+08:00 day"]);
    // A date asks for the day, not for its first hour.
    let (_, day, _) = ask("2026-06-01", &[]);
    holds(&day, &["2026-06-01T00:00:00.000+08:00 day", "11.0"]);
    assert!(!day.contains("+08:00 hour"), "{day}");
    // What was not known then is no answer: at 12:30 the hour 12 had not come.
    let (code, out, said) = ask("2026-06-01 12:00", &["--kind", "hour", "--known", "2026-06-01 12:30"]);
    assert!(code == 69 && out.is_empty() && said.contains("nearest: 2026-06-01T11:00"), "{code} {out} {said}");
    let (code, _, said) = ask("2026-06-01 12:00", &["--kind", "hours"]);
    assert!(code == 64 && said.contains("realtime, ") && said.contains("hour, "), "{code} {said}");
}

#[test]
fn what_holds_now_stands_beside_what_was_published_then() {
    let written = day_of_hours();
    let json = r#"{"schema":"hj212.mark-entry/1","id":"E1","mark":"inc19:fault","object":"furnace-1","begin":"2026-06-01T14:00:00+08:00","end":"2026-06-01T15:00:00+08:00","reason":"跳闸","proof":"照片","author":"王"}"#;
    written.put_at(civil("2026-06-02T08:00:00"), &Record::MarkEntry { mn: "M1", id: "E1", json: json.as_bytes() });
    let ask = |more: &[&str]| {
        let mut all = vec!["explain", "--mn", "M1", "--factor", "a21026", "--at", "2026-06-01 14:00", "--kind", "hour"];
        all.extend_from_slice(more);
        written.ask(&all).1
    };
    holds(&ask(&[]), &["  validity: valid", "validity as known on 2026-06-02T08:00:00.000+08:00: exempt"]);
    let annul = r#"{"schema":"hj212.mark-ruling/1","id":"R1","about":"E1","ruling":"annul","reason":"在运行","author":"pa-1","decision":"皖环〔2026〕7 号"}"#;
    let ruling = Record::MarkRuling { mn: "M1", role: "city", id: "R1", json: annul.as_bytes() };
    written.put_at(civil("2026-06-05T08:00:00"), &ruling);
    let now = ask(&["--known", "now"]);
    holds(&now, &["validity as known on 2026-06-05T08:00:00.000+08:00: valid (as then)", "皖环〔2026〕7 号", "已撤销"]);
    holds(&ask(&[]), &["2026-06-02T08:00:00.000+08:00: exempt"]);
}

#[test]
fn marks_that_ended_before_a_time_are_not_listed_in_it() {
    let written = Written::story();
    for (since, until) in [("2026-06-01 10:11", "2026-06-01 10:20"), ("2026-06-02", "2026-06-03")] {
        let (code, out, said) = written.ask(&["list", "--mn", "M1", "--since", since, "--until", until]);
        assert_eq!(code, 0, "{said}");
        assert!(!out.contains("dev22:calib"), "{since}: {out}");
    }
}

#[test]
fn what_the_journal_no_longer_holds_is_said() {
    let written = Written::story();
    let (code, out, said) = written.ask(&["list", "--mn", "M1", "--since", "2026-05-01", "--until", "2026-05-02"]);
    assert!(code == 69 && out.is_empty(), "{code} {out}");
    holds(&said, &["2026-06-01T10:00:00.000+08:00", "日志从", "nothing was recorded in it before"]);
    let (code, out, _) = written.ask(&["list", "--mn", "M1", "--since", "2026-05-01", "--until", "2026-06-02"]);
    assert_eq!(code, 0);
    holds(&out, &["journal begins at 2026-06-01T10:00:00.000+08:00", "dev22:calib"]);
    let (code, _, said) = written.ask(&["explain", "--mn", "M1", "--at", "2026-05-01 10:00"]);
    assert!(code == 69 && said.contains("since 2026-06-01T10:00:00.000+08:00"), "{code} {said}");
}

#[test]
fn what_cannot_be_answered_says_why() {
    let written = Written::story();
    for (arguments, code, says) in [
        (&["explain", "--mn", "M9", "--at", "2026-06-01 10:00"][..], 69, "no such station M9"),
        (&["explain", "--mn", "M2", "--at", "2026-06-01 10:00"], 69, "nearest: none"),
        (&["explain", "--mn", "M1", "--at", "2026-06-01 15:00"], 69, "nearest: 2026-06-01T10:29:00.000+08:00"),
        (&["explain", "--mn", "M1", "--at", "2026-06-01 05:00"], 69, "nearest: 2026-06-01T10:00:00.000+08:00"),
        (&["explain", "--mn", "M1", "--at", "2026-06-01 10:00", "--factor", "a34013"], 69, "of a34013"),
        (&["explain", "--mn", "M1", "--at", "noon"], 64, "is no time"),
        (&["list", "--mn", "M9"], 69, "no such station M9"),
    ] {
        let (found, _, said) = written.ask(arguments);
        assert!(found == code && said.contains(says), "{arguments:?}: {found} {said}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (code, _, said) = run(&["marks", "list", "--mn", "M1", "--dir", "journal"], empty.path());
    assert!(code == 74 && said.contains("--dir"), "{code} {said}");
}
