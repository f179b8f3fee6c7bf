//! Registrations that are proposed: a station under an MN that it was given, or shows, has its old facts and says so, until somebody decides.

use super::*;
use hj212_downlink::{KeyState, Origin, Outcome, Step as Told};

const MINUTE: i64 = 60_000_000;
const KEY: &str = "0123456789abcdef";

fn at(minutes: i64) -> Timestamp {
    Timestamp(Moment::read(b"20260601000000").unwrap().timestamp().0 + minutes * MINUTE)
}

fn facts(name: &str) -> StationFacts {
    StationFacts { name: name.into(), minute_interval: Some(600), ..StationFacts::default() }
}

fn context(stations: &[(&str, StationFacts)]) -> Context {
    let stations = stations.iter().map(|(mn, facts)| ((*mn).to_owned(), std::sync::Arc::new(facts.clone()))).collect();
    Context { stations, ..Context::default() }
}

fn told(minutes: i64, told: &Told) -> Step {
    step(at(minutes), &Record::Command(&told.encode()))
}

/// The steps of a command to `mn`: asked for, sent so often, ended so.
fn command(
    minutes: i64,
    mn: &str,
    (name, cn): (&str, u16),
    segment: &str,
    count: u8,
    outcome: Option<Outcome>,
) -> Vec<Step> {
    let (mn, id, qn) = (mn.to_owned(), format!("r{minutes}"), "20260601000000001".to_owned());
    let mut steps = vec![Told::Queued {
        mn: mn.clone(),
        id: id.clone(),
        command: name.into(),
        cn,
        edition: Edition::V2025,
        area: String::new(),
        new_mn: None,
        origin: Origin::Operator,
        author: "li".into(),
        why: "x".into(),
        expires: at(minutes + 600),
        confirm: None,
    }];
    for count in 1..=count {
        steps.push(Told::Sent { mn: mn.clone(), id: id.clone(), qn: qn.clone(), count, segment: segment.into() });
    }
    steps.extend(outcome.map(|outcome| Told::Ended { mn, id, outcome, code: None, packets: 0 }));
    steps.iter().map(|step| told(minutes, step)).collect()
}

/// The steps of 1002 to `mn`.
fn set_mn(minutes: i64, mn: &str, new: &str, count: u8, outcome: Option<Outcome>) -> Vec<Step> {
    let segment = format!("QN=20260601000000001;ST=91;CN=1002;PW=123456;MN={new};Flag=9;CP=&&i23005-Info=L1&&");
    command(minutes, mn, ("set-mn", 1002), &segment, count, outcome)
}

fn record(minutes: i64, mn: &str, label: i64) -> Step {
    let label: String = at(label).to_rfc3339()[..19].chars().filter(char::is_ascii_digit).collect();
    let segment = format!("QN={label}001;ST=31;CN=2051;MN={mn};Flag=9;CP=&&DataTime={label};a21026-Avg=1.5&&");
    frame_step(at(minutes), segment.as_bytes())
}

fn sealed(minutes: i64, mn: &str) -> Step {
    let segment =
        format!("QN=20260601{minutes:09};ST=31;CN=2011;MN={mn};Flag=9;CP=&&DataTime=20260601000000;a21026-Rtd=1.5&&");
    sealed_step(at(minutes), KEY, segment.as_bytes())
}

fn begun(stations: &[(&str, StationFacts)]) -> Vec<Step> {
    let mut steps = vec![step(at(0), &Record::Started("1"))];
    steps.extend(context_steps(at(0), &context(stations)));
    steps.push(key_step(at(0), "A", "20260101000000000", KEY, KeyState::Proven));
    steps.push(record(1, "A", -10));
    steps
}

/// What is published, the same with a snapshot between any two records.
fn published(steps: &[Step]) -> Vec<TypedPublication> {
    let mut whole = Player::new(settings());
    whole.play(steps);
    let mut pieces = Player::new(settings());
    for one in steps.chunks(1) {
        pieces.interpreter = Interpreter::restore(settings(), &pieces.interpreter.snapshot()).unwrap();
        pieces.play(one);
    }
    assert_eq!(whole.out, pieces.out);
    let schemas = Schemas::new();
    whole.out.iter().for_each(|publication| schemas.check(publication));
    whole.out
}

/// The last body on a topic that ends so.
fn last(published: &[TypedPublication], topic: &str) -> serde_json::Value {
    let own =
        published.iter().rfind(|publication| publication.topic.ends_with(topic) && !publication.payload.is_empty());
    own.map_or(serde_json::Value::Null, |publication| serde_json::from_slice(&publication.payload).unwrap())
}

/// The name of the station under `B` and the MN that it is from.
fn named(published: &[TypedPublication]) -> (String, String) {
    let data = last(published, "/B/data/minute");
    let text = |key: &str| data["station"][key].as_str().unwrap_or_default().to_owned();
    (text("name"), text("proposed_from"))
}

#[test]
fn a_new_mn_that_we_gave_has_the_old_facts_keys_and_count_from_when_it_is_sent() {
    let steps =
        [begun(&[("A", facts("甲厂"))]), set_mn(2, "A", "B", 1, None), vec![record(11, "B", 0), sealed(12, "B")]];
    let out = published(&steps.concat());
    assert_eq!(named(&out), ("甲厂".into(), "A".into()));
    let card = last(&out, "/B/station");
    assert_eq!((&card["registered"], &card["proposed"]["registered_as"]), (&false.into(), &"A".into()), "{card}");
    assert_eq!(last(&out, "/A/station")["proposed"]["mn"], "B");
    let opened = last(&out, "/B/data/realtime");
    assert_eq!((&opened["sealed"], &opened["readable"]), (&true.into(), &serde_json::Value::Null), "{opened}");
    // Nothing is missing under the old MN, and the day goes on under the new one.
    let steps = [
        begun(&[("A", facts("甲厂"))]),
        set_mn(2, "A", "B", 1, None),
        vec![record(11, "B", 0)],
        (2..=150).map(|n| record(n * 10 + 1, "B", n * 10 - 10)).collect(),
    ];
    let out = published(&steps.concat());
    assert_eq!(last(&out, "/event/gap"), serde_json::Value::Null);
    let day = last(&out, "/B/completeness/minute");
    let first = &day["days"].as_array().unwrap().iter().find(|day| day["day"] == "2026-06-01").unwrap();
    assert_eq!((&first["expected"], &first["there"]), (&144.into(), &144.into()), "{day}");
}

#[test]
fn it_holds_until_the_registration_says_something_or_the_station_certainly_did_not_do_it() {
    let sent = |count, outcome| [begun(&[("A", facts("甲厂"))]), set_mn(2, "A", "B", count, outcome)].concat();
    let with = |steps: Vec<Step>, more: Vec<Step>| published(&[steps, more, vec![record(21, "B", 10)]].concat());
    let proposed = ("甲厂".to_owned(), "A".to_owned());
    let unknown = (String::new(), String::new());
    assert_eq!(named(&with(sent(1, Some(Outcome::Done)), vec![])), proposed);
    assert_eq!(named(&with(sent(1, Some(Outcome::NoAnswer)), vec![])), proposed);
    assert_eq!(named(&with(sent(1, Some(Outcome::Refused)), vec![])), unknown);
    assert_eq!(named(&with(sent(2, Some(Outcome::Refused)), vec![])), proposed, "the first packet may have been taken");
    let accepted = context_steps(at(3), &context(&[("A", facts("甲厂")), ("B", facts("乙厂"))]));
    assert_eq!(named(&with(sent(1, Some(Outcome::Done)), accepted)), ("乙厂".into(), String::new()));
    let refused = StationFacts { mn_refused: vec!["B".into()], ..facts("甲厂") };
    assert_eq!(named(&with(sent(1, Some(Outcome::Done)), context_steps(at(3), &context(&[("A", refused)])))), unknown);
    let renamed = context_steps(at(3), &context(&[("A", facts("丙厂"))]));
    assert_eq!(named(&with(sent(1, Some(Outcome::Done)), renamed)), ("丙厂".into(), "A".into()), "facts of now");
    let gone = context_steps(at(3), &context(&[("C", facts("丙厂"))]));
    assert_eq!(named(&with(sent(1, Some(Outcome::Done)), gone)), unknown);
    // A second MN behind the first one; and one instead of it.
    let twice = [sent(1, Some(Outcome::Done)), set_mn(4, "B", "D", 1, Some(Outcome::Done)), vec![record(21, "D", 10)]];
    assert_eq!(last(&published(&twice.concat()), "/D/data/minute")["station"]["proposed_from"], "A");
    let instead = [sent(1, Some(Outcome::NoAnswer)), set_mn(4, "A", "D", 1, Some(Outcome::Done))].concat();
    assert_eq!(named(&with(instead, vec![])), unknown);
}

#[test]
fn a_new_mn_that_the_station_shows_is_counted_apart_and_withdrawn_when_the_old_one_is_heard() {
    let moved = |minutes, held| told(minutes, &Told::Moved { mn: "A".into(), new_mn: "B".into(), held });
    let shown = [begun(&[("A", facts("甲厂"))]), vec![moved(11, true), record(11, "B", 0), sealed(12, "B")]].concat();
    let out = published(&shown);
    assert_eq!(named(&out), ("甲厂".into(), "A".into()));
    assert_eq!(last(&out, "/B/data/realtime")["sealed"], true);
    assert_eq!(last(&out, "/A/event/registration-differs")["detail"]["state"], "proposed");
    let back = [shown.clone(), vec![moved(21, false), record(21, "A", 10), record(22, "B", 10)]].concat();
    let out = published(&back);
    assert_eq!(named(&out), (String::new(), String::new()));
    assert_eq!(last(&out, "/A/event/registration-differs")["detail"]["state"], "withdrawn");
    // The old one is missing under its MN, as far as anybody knows.
    let gone = [shown, (2..9).map(|n| record(n * 10 + 1, "B", n * 10 - 10)).collect()].concat();
    assert_eq!(last(&published(&gone), "/A/event/gap")["from"], "2026-06-01T00:00:00+08:00");
}

#[test]
fn an_interval_that_we_set_stands_on_the_card_until_the_row_has_one() {
    let segment = "QN=20260601000000001;ST=31;CN=1064;PW=123456;MN=A;Flag=9;CP=&&MinInterval=30&&";
    let set = |outcome| command(2, "A", ("set-minute-interval", 1064), segment, 1, Some(outcome));
    let card = |more: Vec<Step>| {
        let steps = [begun(&[("A", facts("甲厂"))]), more].concat();
        last(&published(&steps), "/A/station")["proposed"]["minute_interval"].clone()
    };
    assert_eq!(card(set(Outcome::Done)), "30min");
    assert_eq!(card(set(Outcome::Failed)), serde_json::Value::Null);
    let with = |interval| StationFacts { minute_interval: interval, ..facts("甲厂") };
    let row = |interval| [set(Outcome::Done), context_steps(at(5), &context(&[("A", with(interval))]))].concat();
    assert_eq!(card(row(Some(1800))), serde_json::Value::Null, "accepted");
    assert_eq!(card(row(None)), serde_json::Value::Null, "left to be learned");
    let other = StationFacts { name: "丙厂".into(), ..facts("甲厂") };
    let other = [set(Outcome::Done), context_steps(at(5), &context(&[("A", other)]))].concat();
    assert_eq!(card(other), "30min", "the row says nothing new about it");
}
