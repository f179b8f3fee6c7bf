//! Entries as companies write them, and what is refused of them.

use super::*;
use hj212_model::message::Timestamp;
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000_000;
const OWN: Company<'static> = Company { station: true, registered: Some("OM-0007") };

/// 2026-06-01T12:00 in Beijing, and so many hours later.
fn at(hours: i64) -> Timestamp {
    Timestamp("2026-06-01T12:00:00+08:00".parse::<jiff::Timestamp>().unwrap().as_microsecond() + hours * HOUR)
}

fn body(id: &str) -> Value {
    json!({
        "schema": "hj212.ledger/1", "id": id, "kind": "calibration", "begin": "2026-06-01T09:00:00+08:00",
        "end": "2026-06-01T09:40:00+08:00", "person": "李", "company": "OM-0007", "objects": ["a21026"], "text": "零点与量程",
        "readings": [{ "code": "a21026", "before": "79.1", "after": "80.2", "standard": "80.0", "unit": "mg/m3" }],
        "parts": [{ "name": "标气", "number": "N-20260501" }],
        "files": [{ "name": "1.jpg", "sha256": "a".repeat(64), "bytes": 120331 }],
    })
}

fn enter(ledger: &mut WorkLedger, entry: &Value, hours: i64) -> WorkAnswer {
    let id = entry["id"].as_str().unwrap().to_owned();
    ledger.enter(OWN, ("operator", &id, entry.to_string().as_bytes()), (7, at(hours)))
}

fn code(answer: &WorkAnswer) -> &str {
    answer.taken.as_ref().map_or_else(|refusal| refusal.code.as_str(), |_| "accepted")
}

fn with(id: &str, member: &str, value: Value) -> Value {
    let mut entry = body(id);
    entry[member] = value;
    entry
}

#[test]
fn an_entry_counts_once_and_another_under_its_id_is_refused() {
    let mut ledger = WorkLedger::default();
    assert!(!ledger.is_kept());
    let first = enter(&mut ledger, &body("L-1"), 0);
    assert!(first.new && first.taken == Ok((Some(WorkKind::Calibration), None)));
    let again = enter(&mut ledger, &body("L-1"), 5);
    assert!(!again.new && again.taken == first.taken);
    assert_eq!(code(&enter(&mut ledger, &with("L-1", "person", json!("王")), 6)), "id-used");
    assert_eq!((ledger.entries().count(), ledger.is_kept()), (1, true));
    let (kind, begin, end, done) = ledger.done().next().unwrap();
    assert_eq!(
        (kind, begin, end, done.offset),
        (WorkKind::Calibration, at(-3), Timestamp(at(-3).0 + 40 * 60_000_000), 7)
    );
}

#[test]
fn what_is_wrong_is_refused_with_its_code_and_changes_nothing() {
    let mut ledger = WorkLedger::default();
    let cases = [
        (with("L-1", "schema", json!("hj212.ledger/2")), "schema"),
        (with("L-1", "kind", json!("party")), "unreadable"),
        (with("L-1", "kind", Value::Null), "kind"),
        (with("L-1", "extra", json!(1)), "unreadable"),
        (with("L-1", "person", json!(" \u{200b}")), "person-missing"),
        (with("L-1", "company", json!("OM-0008")), "company"),
        (with("L-1", "company", json!("")), "company"),
        (with("L-1", "begin", json!("2026-06-01 09:00")), "time"),
        (with("L-1", "end", json!("2026-06-01T08:00:00+08:00")), "time"),
        (with("L-1", "end", json!("2026-06-01T12:11:00+08:00")), "time"),
        (with("L-1", "begin", json!("2026-03-01T09:00:00+08:00")), "time"),
        (with("L-1", "text", json!("x".repeat(2001))), "too-long"),
        (with("L-1", "text", json!("x".repeat(ENTRY_MAX))), "too-long"),
        (with("L-1", "objects", json!(vec!["a"; 33])), "too-long"),
        (with("L-1", "files", json!([{ "name": "1", "sha256": "A", "bytes": 1 }])), "files"),
        (with("L-1", "withdraws", json!("a/b")), "id"),
        (with("L-1", "withdraws", json!("L-0")), "unknown-entry"),
    ];
    for (entry, wanted) in &cases {
        let answer = enter(&mut ledger, entry, 0);
        assert_eq!(code(&answer), *wanted, "{entry}");
        let refusal = answer.taken.unwrap_err();
        assert!(!refusal.zh.is_ascii() && refusal.en.is_ascii(), "{refusal:?}");
    }
    let text = body("L-1").to_string();
    let roles = [("county", OWN, "role"), ("operator", Company { registered: None, ..OWN }, "company")];
    let others = [("operator", Company { station: false, ..OWN }, "unknown-station")];
    for (role, company, wanted) in roles.into_iter().chain(others) {
        assert_eq!(code(&ledger.enter(company, (role, "L-1", text.as_bytes()), (1, at(0)))), wanted);
    }
    assert_eq!(code(&ledger.enter(OWN, ("operator", "L-2", text.as_bytes()), (1, at(0)))), "id");
    assert_eq!(ledger, WorkLedger::default());
    let own = Company { registered: None, ..OWN };
    assert_eq!(code(&ledger.enter(own, ("enterprise", "L-1", text.as_bytes()), (1, at(0)))), "accepted");
}

#[test]
fn an_entry_is_withdrawn_by_a_later_one_of_its_company_once() {
    let mut ledger = WorkLedger::default();
    enter(&mut ledger, &body("L-1"), 0);
    let gone = |id: &str, company: &str, text: &str| json!({ "schema": "hj212.ledger/1", "id": id, "person": "李", "company": company, "text": text, "withdraws": "L-1" });
    assert_eq!(code(&enter(&mut ledger, &gone("L-2", "OM-0007", " "), 1)), "reason-missing");
    let other = gone("L-2", "示例电厂", "误填");
    let theirs = ledger.enter(OWN, ("enterprise", "L-2", other.to_string().as_bytes()), (8, at(1)));
    assert_eq!(code(&theirs), "unknown-entry", "another company's");
    let answer = enter(&mut ledger, &gone("L-2", "OM-0007", "误填"), 1);
    assert_eq!(answer.taken, Ok((None, Some("L-1".into()))));
    assert_eq!(code(&enter(&mut ledger, &gone("L-3", "OM-0007", "误填"), 1)), "withdrawn");
    assert_eq!(ledger.done().count(), 0);
    let all: Vec<_> = ledger.entries().map(|entry| (entry.id.as_str(), entry.withdrawn_by.as_deref())).collect();
    assert_eq!(all, [("L-1", Some("L-2")), ("L-2", None)], "nothing is deleted");
    assert_eq!(code(&enter(&mut ledger, &body("L-1"), 2)), "accepted", "the same again is answered the same");
}

#[test]
fn a_station_has_a_bounded_number_of_entries_and_old_ones_make_room() {
    let mut ledger = WorkLedger::default();
    for number in 0..ENTRIES_MAX {
        assert_eq!(code(&enter(&mut ledger, &body(&format!("L-{number}")), 0)), "accepted");
    }
    assert_eq!(code(&enter(&mut ledger, &body("M-1"), 1)), "too-many");
    let bytes = postcard::to_stdvec(&ledger).unwrap().len();
    println!("{ENTRIES_MAX} entries take {bytes} bytes in a checkpoint");
    assert!(bytes < 100 * ENTRIES_MAX);
    let later = with("M-1", "begin", json!("2026-08-02T09:00:00+08:00"));
    let mut later = later;
    later["end"] = json!("2026-08-02T09:40:00+08:00");
    assert_eq!(code(&enter(&mut ledger, &later, 62 * 24 + 1)), "accepted");
    assert_eq!(ledger.entries().count(), 1);
}

#[test]
fn a_ledger_survives_a_checkpoint() {
    let mut ledger = WorkLedger::default();
    enter(&mut ledger, &body("L-1"), 0);
    let bytes = postcard::to_stdvec(&ledger).unwrap();
    assert_eq!(postcard::from_bytes::<WorkLedger>(&bytes).unwrap(), ledger);
}
