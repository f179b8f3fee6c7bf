//! Leads as they are published: over snapshots, beside marks, with the built-in rules; and that nothing is looked at without rules.

use super::*;
use hj212_model::message::{EmissionLimit, StationFacts};

const MINUTE: i64 = 60_000_000;

fn context(leads: std::collections::BTreeMap<String, String>, flow: &str) -> Context {
    let limit =
        EmissionLimit { code: "a21026".into(), max: "80".into(), of: "hour".into(), ..EmissionLimit::default() };
    let facts =
        StationFacts { st: Some("31".into()), emission: vec![limit], name: flow.into(), ..StationFacts::default() };
    Context { stations: [("M1".to_owned(), facts.into())].into(), leads, ..Context::default() }
}

fn stamp(at: i64) -> String {
    Timestamp(at).to_rfc3339().chars().filter(char::is_ascii_digit).take(17).collect()
}

/// Twenty-six hours of minutes: moving values, then one that stays the same from the sixtieth on.
fn minutes(with: Context) -> Vec<Step> {
    let begin = noon().0;
    let mut steps = context_steps(Timestamp(begin), &with);
    for number in 1..26 * 60 {
        let value = if !(60..=1500).contains(&number) {
            format!("{}.{:02}", 30 + number % 7, number % 100)
        } else {
            "31.20".into()
        };
        let (data, at) = (begin + number * MINUTE, begin + (number + 1) * MINUTE + 2_000_000);
        let segment = format!(
            "QN={};ST=31;CN=2051;PW=123456;MN=M1;Flag=5;CP=&&DataTime={};a21026-Avg={value},a21026-ZsAvg={value},a21026-Flag=N;a01011-Avg=12.0,a01011-Flag=N&&",
            stamp(at),
            &stamp(data)[..14]
        );
        steps.push(frame_step(Timestamp(at), segment.as_bytes()));
    }
    steps
}

fn leads(out: &[TypedPublication]) -> Vec<serde_json::Value> {
    let of = |said: &&TypedPublication| said.topic.contains("/lead/") && !said.payload.is_empty();
    out.iter().filter(of).map(|said| serde_json::from_slice(&said.payload).unwrap()).collect()
}

#[test]
fn a_lead_is_published_and_a_replay_over_snapshots_says_the_same() {
    let steps = minutes(context(hj212_leads::built_in_texts(), "一号"));
    let whole = played(&steps);
    let schemas = Schemas::new();
    whole.iter().for_each(|publication| schemas.check(publication));
    let said = leads(&whole);
    // Raised after four hours, said again every six, and at its end.
    assert_eq!(said.len(), 5, "{said:#?}");
    assert_eq!((said[0]["lead"].as_str(), said[0]["rank"].as_u64()), (Some("L1-20260601-a21026"), Some(2)));
    assert_eq!((&said[0]["numbers"]["values"], &said[4]["numbers"]["values"]), (&"240".into(), &"1441".into()));
    let events = whole.iter().filter(|said| said.topic.ends_with("/event/lead")).count();
    assert_eq!(events, 1, "an event when it is raised");
    let mut player = Player::new(settings());
    for (number, step) in steps.iter().enumerate() {
        if number % 97 == 0 {
            player.interpreter = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
        }
        player.play(std::slice::from_ref(step));
    }
    assert_eq!(player.out, whole);
    assert_eq!(player.interpreter.open_leads().count(), 1);
}

#[test]
fn without_rules_nothing_is_looked_at_and_nothing_else_is_said() {
    let on = played(&minutes(context(hj212_leads::built_in_texts(), "一号")));
    let off = played(&minutes(context(Default::default(), "一号")));
    assert!(leads(&off).is_empty());
    // Offsets and hashes are the same: the context is one record of any length. All else is said byte for byte as without leads.
    let rest = |out: &[TypedPublication]| -> Vec<(String, usize)> {
        let other = |said: &&TypedPublication| !said.topic.contains("lead");
        out.iter().filter(other).map(|said| (said.topic.clone(), said.payload.len())).collect()
    };
    assert_eq!(rest(&on), rest(&off));
}

/// Three days of hours, the ninth of the second under the flag of a calibration, beside a patrol in the ledger and, if `entered`, the calibration.
fn calibrated(entered: bool) -> Vec<Step> {
    let mut with = context(hj212_leads::built_in_texts(), "一号");
    let facts = StationFacts { operator: Some("OM-0007".into()), ..StationFacts::clone(&with.stations["M1"]) };
    with.stations.insert("M1".into(), facts.into());
    let begin = hj212_judgement::calendar::start(hj212_judgement::calendar::read("2026-06-01").unwrap()).0;
    let mut rest = Vec::new();
    let hour = 60 * MINUTE;
    for number in 0..72 {
        let (data, at) = (begin + number * hour, begin + (number + 1) * hour + 2 * MINUTE);
        let flag = if number == 24 + 9 { 'C' } else { 'N' };
        let segment = format!(
            "QN={};ST=31;CN=2061;PW=123456;MN=M1;Flag=5;CP=&&DataTime={};a21026-Avg=30.{:02},a21026-Flag={flag}&&",
            stamp(at),
            &stamp(data)[..14],
            number
        );
        rest.push(frame_step(Timestamp(at), segment.as_bytes()));
    }
    let mut work = |id: &str, kind: &str, from: i64, to: i64| {
        let json = serde_json::json!({ "schema": "hj212.ledger/1", "id": id, "kind": kind, "begin": Timestamp(begin + from * MINUTE).to_rfc3339(),
            "end": Timestamp(begin + to * MINUTE).to_rfc3339(), "person": "li", "company": "OM-0007" });
        let json = json.to_string();
        let record = Record::WorkEntry { mn: "M1", role: "operator", id, json: json.as_bytes() };
        rest.push(step(Timestamp(begin + (to + 60) * MINUTE), &record));
    };
    work("L-1", "patrol", 8 * 60, 9 * 60);
    if entered {
        work("L-2", "calibration", 33 * 60 + 10, 33 * 60 + 40);
    }
    rest.extend((0..4 * 288).map(|tick| step(Timestamp(begin + tick * 5 * MINUTE + 1), &Record::Tick)));
    rest.sort_by_key(|step| step.time);
    let mut steps = context_steps(Timestamp(begin - hour), &with);
    steps.extend(rest);
    steps
}

#[test]
fn a_calibration_that_the_ledger_does_not_tell_of_is_a_lead() {
    let whole = played(&calibrated(false));
    let schemas = Schemas::new();
    whole.iter().for_each(|publication| schemas.check(publication));
    let said = leads(&whole);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_eq!((said[0]["lead"].as_str(), said[0]["rank"].as_u64()), (Some("L11-20260602"), Some(1)));
    assert_eq!(
        (&said[0]["numbers"]["flags_without_entry"], &said[0]["numbers"]["entries_without_flag"]),
        (&"1".into(), &"0".into())
    );
    assert!(leads(&played(&calibrated(true))).is_empty(), "the ledger tells of it");
}
