//! A month of a station worked out by hand, a company of two stations, revisions, and that a replay over snapshots says the same.

use std::collections::BTreeMap;

use super::*;
use hj212_judgement::calendar;
use hj212_model::message::{EmissionLimit, StationFacts};
use serde_json::{Value, json};

/// MNs in the form of the standard: another form is a deviation.
const ONE: &str = "010000A8900016F000169DC1";
const TWO: &str = "010000A8900016F000169DC2";
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

fn june(day: i32, hour: i64) -> i64 {
    calendar::start(calendar::read("2026-06-01").unwrap() + day - 1).0 + hour * HOUR
}

fn stamp(at: i64) -> String {
    Timestamp(at).to_rfc3339().chars().filter(char::is_ascii_digit).take(14).collect()
}

fn hour(mn: &str, at: i64, flag: char, odd: bool) -> Step {
    let (arrives, data) = (at + HOUR + 2 * MINUTE, stamp(at));
    let segment = format!(
        "QN={}000;ST=31;CN=2061;PW=123456;MN={mn};Flag=5;CP=&&DataTime={data};a21026-Avg=30.{:02},a21026-Flag={flag}&&",
        stamp(arrives),
        at / HOUR % 100
    );
    let mut raw = Vec::new();
    write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
    let deviations = if odd { Deviation::ALL[0].into() } else { Deviations::NONE };
    let heard = Heard { from: peering("10.0.0.9:7000"), deviations, segment: &raw[6..6 + segment.len()], raw: &raw };
    step(Timestamp(arrives), &Record::Frame(heard))
}

fn entry(at: i64, id: &str, mark: &str, object: &str, (from, to): (i64, i64)) -> Step {
    let (begin, end) = (Timestamp(from).to_rfc3339(), Timestamp(to).to_rfc3339());
    let json = json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": mark, "object": object, "begin": begin, "end": end,
        "reason": "log book", "proof": "photo", "author": "Wang" });
    step(Timestamp(at), &Record::MarkEntry { mn: ONE, id, json: json.to_string().as_bytes() })
}

fn context(scores: BTreeMap<String, String>) -> Context {
    let limit = EmissionLimit { code: "a21026".into(), max: "80".into(), of: "day".into(), ..EmissionLimit::default() };
    let facts = StationFacts {
        st: Some("31".into()),
        emission: vec![limit],
        rules: vec!["dev22".into()],
        operator: Some("OM-0007".into()),
        ..StationFacts::default()
    };
    let stations = [(ONE.to_owned(), facts.clone().into()), (TWO.to_owned(), facts.into())].into();
    Context { stations, scores, ..Context::default() }
}

/// June 2026 of two stations, until 12 July.
fn journal(scores: BTreeMap<String, String>) -> Vec<Step> {
    let begin = june(1, 9);
    let mut rest = Vec::new();
    for day in 1..=30 {
        for of in 0..24 {
            let at = june(day, of);
            // M1 begins on the 1st at 10:00; six hours of the 3rd never come, nor does anything while it is out of service on the 4th.
            let gone = (day, of) < (1, 10) || day == 3 && (6..12).contains(&of) || day == 4 && of >= 12;
            if !gone {
                // A fault on the 2nd from 20:00 on.
                let flag = if day == 2 && of >= 20 { 'D' } else { 'N' };
                rest.push(hour(ONE, at, flag, day == 20 && of < 3));
            }
            if day >= 10 {
                rest.push(hour(TWO, at, 'N', false));
            }
        }
    }
    rest.push(entry(june(5, 9), "E1", "dev22:stop", "outlet", (june(4, 12), june(5, 0))));
    rest.push(entry(june(5, 9), "E1", "dev22:stop", "outlet", (june(4, 12), june(5, 0))));
    rest.push(entry(june(8, 9), "E2", "dev22:maint", "a21026", (june(6, 8), june(6, 10))));
    let patrol = |id: &str, day: i32| {
        let (from, to) = (Timestamp(june(day, 9)).to_rfc3339(), Timestamp(june(day, 10)).to_rfc3339());
        let json = json!({ "schema": "hj212.ledger/1", "id": id, "kind": "patrol", "begin": from, "end": to, "person": "li", "company": "OM-0007" });
        let json = json.to_string();
        step(Timestamp(june(day, 11)), &Record::WorkEntry { mn: ONE, role: "operator", id, json: json.as_bytes() })
    };
    rest.extend([patrol("L-1", 2), patrol("L-2", 3), patrol("L-3", 16)]);
    let ruling = json!({ "schema": "hj212.mark-ruling/1", "id": "R1", "about": "E1", "ruling": "annul", "reason": "DCS", "author": "pa-1",
        "decision": "1" });
    let ruling = ruling.to_string();
    let record = Record::MarkRuling { mn: ONE, role: "city", id: "R1", json: ruling.as_bytes() };
    rest.push(step(Timestamp(june(37, 9)), &record));
    let first = begin / MINUTE;
    let ticks = (first..june(42, 20) / MINUTE).step_by(5).map(|at| step(Timestamp(at * MINUTE + 1), &Record::Tick));
    rest.extend(ticks);
    rest.sort_by_key(|step| step.time);
    let mut steps = vec![step(Timestamp(begin), &Record::Started("0.1.0"))];
    steps.extend(context_steps(Timestamp(begin), &context(scores)));
    steps.extend(rest);
    steps
}

fn cards(out: &[TypedPublication], topic: &str) -> Vec<Value> {
    let of = |said: &&TypedPublication| said.topic.ends_with(topic) && !said.payload.is_empty();
    out.iter().filter(of).map(|said| serde_json::from_slice(&said.payload).unwrap()).collect()
}

fn pair(card: &Value, part: &str) -> (u64, u64) {
    let measures = card["measures"].as_array().unwrap().iter();
    let found = measures.flat_map(|measure| measure["parts"].as_array().unwrap()).find(|found| found["id"] == part);
    let number = |name: &str| found.unwrap()[name].as_u64().unwrap();
    (number("num"), number("den"))
}

fn value<'c>(card: &'c Value, id: &str) -> Option<&'c str> {
    card["measures"].as_array().unwrap().iter().find(|measure| measure["id"] == id).unwrap()["value"].as_str()
}

#[test]
fn a_month_of_two_stations_and_of_their_company_comes_to_what_was_worked_out_by_hand() {
    let steps = journal(hj212_scores::built_in_texts());
    let whole = played(&steps);
    let schemas = Schemas::new();
    whole.iter().for_each(|publication| schemas.check(publication));
    let said = cards(&whole, &format!("/{ONE}/score/2026-06"));
    let stages: Vec<(&str, u64)> =
        said.iter().map(|card| (card["stage"].as_str().unwrap(), card["revision"].as_u64().unwrap())).collect();
    let settled = stages.iter().position(|(stage, _)| *stage == "settled").unwrap();
    assert_eq!(&stages[settled..], [("settled", 0), ("settled", 1)]);
    // 14 hours on the 1st; 24 on the 2nd, four of them under a fault; 18 of 24 on the 3rd; 12 on the 4th, the rest out of service; 26 whole days.
    let card = &said[settled];
    assert!(card["as_of"].as_str().unwrap().starts_with("2026-07-05T13:"));
    assert_eq!(pair(card, "transmission"), (14 + 24 + 18 + 12 + 26 * 24, 14 + 24 + 24 + 12 + 26 * 24));
    assert_eq!(pair(card, "validity"), (14 + 20 + 18 + 12 + 26 * 24, 14 + 24 + 24 + 12 + 26 * 24));
    // 692/698 × 688/698 = 476096/487204 = 0.97720…
    assert_eq!(value(card, "etr"), Some("97.72"));
    assert_eq!((pair(card, "fault_repair"), pair(card, "repair_time")), ((1, 1), (240, 1)));
    // Two entries, one of them twice and one late.
    assert_eq!((pair(card, "late_marks"), pair(card, "annulled_marks")), ((1, 2), (0, 2)));
    // The last hour arrives in July. Three frames depart from the standard.
    assert_eq!(pair(card, "deviation"), (3, 691));
    // Three patrols in two of the weeks; the first is not whole only by its hours: the station was there on each day.
    assert_eq!(pair(card, "patrol"), (2, 4));
    assert_eq!((&card["operator"], &card["days"]), (&"OM-0007".into(), &30.into()));
    // Annulled on 7 July: the twelve hours are owed.
    let revised = &said[settled + 1];
    assert_eq!(pair(revised, "transmission"), (692, 710));
    assert_eq!(
        (pair(revised, "validity"), pair(revised, "annulled_marks")),
        ((688, 710), (0, 2)),
        "the ruling is July's"
    );
    let company = cards(&whole, "/operator/OM-0007/score/2026-06");
    let settled = company.iter().find(|card| card["stage"] == "settled").unwrap();
    // M2: 21 whole days.
    assert_eq!(
        (pair(settled, "transmission"), pair(settled, "validity")),
        ((692 + 504, 698 + 504), (688 + 504, 698 + 504))
    );
    assert_eq!((settled["stations"].as_u64(), settled["gateway"].as_str()), (Some(2), Some("ah-01")));
    let mut player = Player::new(settings());
    for (number, step) in steps.iter().enumerate() {
        if number % 997 == 0 {
            player.interpreter = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
        }
        player.play(std::slice::from_ref(step));
    }
    assert_eq!(player.out, whole, "killed in between, the same is said");
    let month = hj212_scores::MonthNumber::read("2026-06").unwrap();
    assert_eq!(player.interpreter.score_cards(month).map(|card| card.mn).collect::<Vec<_>>(), [ONE, TWO]);
}

#[test]
fn without_rules_nothing_is_counted_and_nothing_else_is_said() {
    let (on, off) = (played(&journal(hj212_scores::built_in_texts())), played(&journal(BTreeMap::new())));
    let rest = |out: &[TypedPublication]| -> Vec<(String, usize)> {
        let other = |said: &&TypedPublication| !said.topic.contains("/score/");
        out.iter().filter(other).map(|said| (said.topic.clone(), said.payload.len())).collect()
    };
    assert!(off.iter().all(|said| !said.topic.contains("/score/")));
    assert_eq!(rest(&on), rest(&off));
}
