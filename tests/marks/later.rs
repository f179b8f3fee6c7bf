//! What came later than the moment that is looked at, and what the journal no longer holds.

use super::*;

const ENTRY: &str = r#"{"schema":"hj212.mark-entry/1","id":"E1","mark":"inc19:fault","object":"furnace-1","begin":"2026-06-01T14:00:00+08:00","end":"2026-06-01T15:00:00+08:00","reason":"跳闸","proof":"照片","author":"王"}"#;

fn entry(written: &Written, came: &str, id: &str, json: &str) {
    written.put_at(civil(came), &Record::MarkEntry { mn: "M1", id, json: json.as_bytes() });
}

fn ruling(written: &Written, came: &str, id: &str, what: &str) {
    let json = format!(
        r#"{{"schema":"hj212.mark-ruling/1","id":"{id}","about":"E1","ruling":"{what}","reason":"在运行","author":"pa-1"}}"#
    );
    written.put_at(civil(came), &Record::MarkRuling { mn: "M1", role: "city", id, json: json.as_bytes() });
}

fn hour(written: &Written, more: &[&str]) -> String {
    let mut all = vec!["explain", "--mn", "M1", "--factor", "a21026", "--at", "2026-06-01 14:00", "--kind", "hour"];
    all.extend_from_slice(more);
    let (code, out, said) = written.ask(&all);
    assert_eq!(code, 0, "{said}");
    out
}

#[test]
fn rulings_withdrawals_and_corrections_of_later_are_told_with_their_time_and_how_to_see_them() {
    let written = day_of_hours();
    entry(&written, "2026-06-02T08:00:00", "E1", ENTRY);
    let before = hour(&written, &[]);
    assert!(!before.contains("此后另有变化"), "{before}");
    ruling(&written, "2026-06-05T08:00:00", "R1", "annul");
    let then = hour(&written, &[]);
    holds(&then, &["2026-06-02T08:00:00.000+08:00: exempt", "此后另有变化", "--known now"]);
    holds(
        &then,
        &["2026-06-05T08:00:00.000+08:00", "市级对 E1 作出裁定「撤销」（R1）", "city ruled \"annul\" about E1 (R1)"],
    );
    holds(&then, &["validity of a21026: exempt (a good value that is not judged) -> valid"]);
    let now = hour(&written, &["--known", "now"]);
    holds(&now, &["validity as known on 2026-06-05T08:00:00.000+08:00: valid (as then)", "[已撤销 annulled]"]);
    assert!(!now.contains("此后另有变化"), "{now}");
    // The report comes again with another value; and a mark is entered too late.
    written.report(
        "2026-06-06T09:00:00",
        2061,
        "20260601140000",
        "a21026-Avg=99.5,a21026-Flag=N;a34013-Avg=20,a34013-Flag=N",
    );
    let late = ENTRY.replace("\"E1\"", "\"E2\"").replace("inc19:fault", "inc19:stop");
    entry(&written, "2026-06-07T09:00:00", "E2", &late);
    let then = hour(&written, &[]);
    holds(&then, &["14.5", "被更正（revision 1）", "人工填报 E2（逾期）", "mark E2 was entered by hand (late)"]);
    // What concerns another hour is none of its business.
    let (_, other, _) =
        written.ask(&["explain", "--mn", "M1", "--factor", "a21026", "--at", "2026-06-01 10:00", "--kind", "hour"]);
    assert!(!other.contains("此后另有变化"), "{other}");
}

#[test]
fn who_withdrew_an_entry_too_late_is_said_beside_it() {
    let written = day_of_hours();
    entry(&written, "2026-06-02T08:00:00", "E1", ENTRY);
    let gone = r#"{"schema":"hj212.mark-entry/1","id":"W1","withdraws":"E1","reason":"误报","author":"王"}"#;
    entry(&written, "2026-06-03T08:00:00", "W1", gone);
    holds(&hour(&written, &[]), &["E1 被 W1 撤回或更正", "E1 was withdrawn or superseded by W1"]);
    holds(&hour(&written, &["--known", "now"]), &["（已被 W1 撤回或更正 withdrawn or superseded by W1）", "exempt"]);
}

#[test]
fn after_retention_list_and_explain_say_what_they_cannot_know() {
    // Seven days of retention: the first segment, with an open stop, is gone.
    let mut written = Written::new();
    let hash = Sha256::digest(CONTEXT).into();
    written.put("00:00:00", &Record::Context { hash, part: 0, parts: 1, json: CONTEXT.as_bytes() });
    written.report("2026-06-01T10:02:00", 2061, "20260601090000", "a21026-Avg=400.0,a21026-Flag=D");
    entry(&written, "2026-06-01T11:00:00", "E1", &ENTRY.replace("\"2026-06-01T15:00:00+08:00\"", "null"));
    let long = "x".repeat(8000);
    for number in 0..140 {
        let came = format!("2026-06-02T{:02}:{:02}:00", number / 60, number % 60);
        written.report_of("M3", &came, 2011, "20260602000000", &format!("info={long}"));
    }
    written.report("2026-06-09T10:02:00", 2061, "20260609090000", "a21026-Avg=50.0,a21026-Flag=N");
    written.journal = None;
    let dir = written.folder.path().join("journal");
    let mut segments: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    std::fs::remove_file(&segments[0]).unwrap();
    let (code, out, said) = written.ask(&["list", "--mn", "M1", "--since", "2026-06-01", "--until", "2026-06-02"]);
    assert!(code == 69 && out.is_empty(), "{code} {out}");
    holds(&said, &["日志从", "已过保存期", "dropped by its retention", "archive"]);
    let (code, out, said) = written.ask(&["explain", "--mn", "M1", "--at", "2026-06-01 09:00"]);
    assert!(code == 69 && out.is_empty(), "{code} {out}");
    holds(&said, &["已过保存期", "it cannot say whether there were marks"]);
    // What is left is explained, and it is said that older entries may be unknown.
    let (code, out, _) = written.ask(&["explain", "--mn", "M1", "--at", "2026-06-09 09:00"]);
    assert_eq!(code, 0);
    holds(&out, &["50.0", "注意：日志从 2026-06-02", "marks and rulings entered before may not be shown"]);
    let (_, out, _) = written.ask(&["list", "--mn", "M1", "--since", "2026-06-01"]);
    holds(&out, &["注意：日志从", "journal begins at 2026-06-02"]);
}
