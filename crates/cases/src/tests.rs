//! References: the table of the design written out by hand below, and a plain reading of the rules by search over all steps.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::table::{self, Forbidden};
use super::*;
use hj212_model::message::Timestamp;

const MN: &str = "010000A8900016F000169DC1";
const HOUR: i64 = 3600 * 1_000_000;
const DAY: i64 = 24 * HOUR;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn monday() -> Timestamp {
    at("2026-06-01T10:00:00+08:00")
}

mod again;

struct Scene {
    cases: Cases,
    /// Factors of which an alert is open.
    alerted: Vec<&'static str>,
    rules: Rules,
    now: Timestamp,
    number: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene { cases: Cases::default(), alerted: Vec::new(), rules: Rules::built_in(), now: monday(), number: 0 }
    }

    fn say(&mut self, role: &str, step: &str, author: &str, more: serde_json::Value) -> Result<State, String> {
        self.number += 1;
        let id = format!("S-{}", self.number);
        let mut body = json!({
            "schema": "hj212.case-step/1", "id": id, "case": "C-1", "step": step, "author": author, "text": "说明",
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let id = body["id"].as_str().unwrap().to_owned();
        let place = self.place();
        let alerted = |code: &str| self.alerted.contains(&code);
        let station =
            OfStation { registered: true, outlet: "", alerted: &alerted, knows: &|code| code.starts_with('a') };
        let done = self.cases.step(&self.rules, station, (MN, role, &id, body.to_string().as_bytes()), place);
        let changed = done.effects.iter().any(|effect| matches!(effect, Effect::Changed(_)));
        assert!(changed <= done.answer.taken.is_ok(), "what is refused changes nothing");
        done.answer.taken.map(|(_, state)| state).map_err(|refusal| {
            assert!(!refusal.zh.is_empty() && !refusal.en.is_empty());
            refusal.code
        })
    }

    fn place(&self) -> Place {
        Place { offset: self.number, at: self.now }
    }

    fn open(&mut self, colour: &str) {
        let more = json!({ "colour": colour, "code": "a21026", "outlet": "DA001" });
        assert_eq!(self.say("county", "open", "周", more), Ok(State::Open));
    }

    /// From `open` to `to` by the shortest way.
    fn lead(&mut self, to: State) {
        let way = [
            (State::Open, "enterprise", "sign", "李", State::Signed),
            (State::Signed, "enterprise", "reply", "李", State::Replied),
            (State::Replied, "enterprise", "done", "李", State::Done),
            (State::Done, "county", "accept", "周", State::CountyOk),
            (State::CountyOk, "city", "accept", "吴", State::CityOk),
        ];
        for (from, role, step, author, state) in way {
            if self.case().state == to {
                return;
            }
            if self.case().state != from {
                continue;
            }
            assert_eq!(self.say(role, step, author, json!({})), Ok(state));
        }
    }

    fn due(&self) -> Option<Timestamp> {
        self.case().due.as_ref().map(|due| due.at)
    }

    fn case(&self) -> &Case {
        self.cases.get(MN, "C-1").unwrap()
    }
}

/// The design's table, line by line: who moves a case out of which state, and where to.
fn wanted(step: Step, role: Role, state: State) -> Option<State> {
    use Role::{City, County, Enterprise, Province};
    use State as S;
    let open = !matches!(state, S::Closed | S::Void);
    match (step, role, state) {
        (Step::Sign, Enterprise, S::Open) => Some(S::Signed),
        (Step::Reply, Enterprise, S::Signed) => Some(S::Replied),
        (Step::Done, Enterprise, S::Replied) => Some(S::Done),
        (Step::Accept, County, S::Done) => Some(S::CountyOk),
        (Step::Accept, City, S::CountyOk) => Some(S::CityOk),
        (Step::Return, County, S::Done)
        | (Step::Return, City, S::CountyOk | S::CityOk)
        | (Step::Return, Province, S::CityOk) => Some(S::Signed),
        (Step::Close, City | Province, S::CityOk) => Some(S::Closed),
        (Step::Extend, County, S::Signed | S::Replied) => Some(state),
        (Step::Void, City, S::Open | S::Signed | S::Replied | S::Done | S::CountyOk) => Some(S::Void),
        (Step::Void, Province, _) if open => Some(S::Void),
        (Step::ToLaw, County | City | Province, _) if open => Some(state),
        (Step::Comment, _, _) if open => Some(state),
        _ => None,
    }
}

#[test]
fn every_step_by_every_role_in_every_state_is_as_the_table_says() {
    let mut tried = 0;
    for step in Step::ALL.iter().filter(|step| **step != Step::Open) {
        for role in Role::ALL {
            for state in State::ALL {
                let found = table::next(*step, *role, *state);
                assert_eq!(found.ok(), wanted(*step, *role, *state), "{step:?} {role:?} {state:?}");
                if found == Err(Forbidden::Role) {
                    assert!(State::ALL.iter().all(|any| wanted(*step, *role, *any).is_none()), "{step:?} {role:?}");
                }
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 10 * 5 * 8);
}

#[test]
fn the_machine_does_what_the_table_says_in_every_state_and_nothing_else() {
    for step in Step::ALL.iter().filter(|step| **step != Step::Open) {
        for role in Role::ALL {
            for state in State::ALL {
                let mut scene = Scene::new();
                scene.open("blue");
                match state {
                    State::Void => assert_eq!(scene.say("city", "void", "吴", json!({})), Ok(State::Void)),
                    State::Closed => {
                        scene.lead(State::CityOk);
                        scene.now.0 += 8 * DAY;
                        assert_eq!(scene.say("province", "close", "郑", json!({})), Ok(State::Closed));
                    }
                    other => scene.lead(*other),
                }
                scene.now.0 += 8 * DAY;
                let before = scene.cases.clone();
                let more = json!({ "planned": "2026-12-01T00:00:00+08:00" });
                let found = scene.say(role.name(), step.name(), "王", more);
                match wanted(*step, *role, *state) {
                    Some(to) => assert_eq!(found, Ok(to), "{step:?} {role:?} {state:?}"),
                    None => {
                        assert!(
                            matches!(found.as_ref().map_err(String::as_str), Err("role" | "state")),
                            "{step:?} {role:?} {state:?}: {found:?}"
                        );
                        assert_eq!(scene.cases, before, "what is refused changes nothing");
                    }
                }
            }
        }
    }
}

#[test]
fn no_way_through_the_table_closes_without_county_and_then_city_since_the_last_return() {
    // All that can be reached: the state, and whether county and city have accepted since the enterprise had it last.
    let mut seen = BTreeSet::new();
    let mut todo = vec![(State::Open, false, false)];
    while let Some((state, county, city)) = todo.pop() {
        if !seen.insert((state, county, city)) {
            continue;
        }
        assert!(state != State::Closed || county && city, "closed without county and city");
        for step in Step::ALL {
            for role in Role::ALL {
                let Ok(to) = table::next(*step, *role, state) else { continue };
                let back = *step == Step::Return;
                let accepted = |of: Role, was: bool| !back && (was || *step == Step::Accept && *role == of);
                todo.push((to, accepted(Role::County, county), accepted(Role::City, city)));
            }
        }
    }
    assert!(seen.contains(&(State::Closed, true, true)));
}

#[test]
fn a_case_goes_from_the_alert_to_the_close() {
    let mut scene = Scene::new();
    let opening = Opening {
        mn: MN,
        outlet: "DA001",
        code: "a21026",
        alert: "1",
        colour: Colour::Red,
        days: &[],
        text: "日均值超标",
    };
    let effects = scene.cases.alerted(&scene.rules, &opening, scene.place()).unwrap();
    assert!(matches!(&effects[..], [Effect::Told(told), Effect::Changed(_)] if told.what == "case-opened"));
    assert!(scene.cases.alerted(&scene.rules, &opening, scene.place()).unwrap().is_empty(), "the same alert again");
    scene.lead(State::CityOk);
    assert_eq!(scene.say("province", "close", "郑", json!({})), Err("too-early".into()));
    scene.now.0 += 7 * DAY;
    assert_eq!(scene.say("city", "close", "钱", json!({})), Err("role".into()), "red is closed by the province");
    assert_eq!(scene.say("province", "close", "吴", json!({})), Err("own-step".into()));
    assert_eq!(scene.say("province", "to-law", "郑", json!({})), Ok(State::CityOk));
    assert_eq!(scene.say("province", "close", "郑", json!({})), Err("number-missing".into()));
    assert_eq!(scene.say("province", "to-law", "郑", json!({ "number": "皖环罚〔2026〕1号" })), Ok(State::CityOk));
    assert_eq!(scene.say("province", "close", "郑", json!({})), Ok(State::Closed));
    // What is closed is forgotten after 35 days, and said so.
    assert!(scene.cases.pass(&scene.rules, Timestamp(scene.now.0 + 34 * DAY)).is_empty());
    let gone = scene.cases.pass(&scene.rules, Timestamp(scene.now.0 + 36 * DAY));
    assert_eq!(gone, [Effect::Forgotten { mn: MN.into(), id: "C-1".into() }]);
    assert_eq!(scene.cases, Cases::default());
}

#[test]
fn what_is_exceeded_again_returns_and_a_worse_colour_raises() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.lead(State::CityOk);
    let mut opening = Opening {
        mn: MN,
        outlet: "DA001",
        code: "a21026",
        alert: "2",
        colour: Colour::Blue,
        days: &[],
        text: "再次超标",
    };
    let effects = scene.cases.alerted(&scene.rules, &opening, scene.place()).unwrap();
    assert!(matches!(&effects[..], [Effect::Told(told), Effect::Changed(_)] if told.what == "case-relapsed"));
    assert_eq!((scene.case().state, scene.case().relapses), (State::Signed, 1));
    opening.alert = "3";
    opening.colour = Colour::Orange;
    scene.cases.alerted(&scene.rules, &opening, scene.place()).unwrap();
    assert_eq!((scene.case().colour, scene.case().relapses, scene.cases.all().count()), (Colour::Orange, 1, 1));
    opening.outlet = "";
    opening.alert = "4";
    scene.cases.alerted(&scene.rules, &opening, scene.place()).unwrap();
    assert_eq!((scene.cases.all().count(), scene.case().alerts.len()), (1, 3), "whatever is written of the outlet");
    opening.code = "a21002";
    scene.cases.alerted(&scene.rules, &opening, scene.place()).unwrap();
    assert_eq!(scene.cases.all().count(), 2, "another factor is another case");
}

#[test]
fn nobody_accepts_his_own_step_and_an_id_counts_once() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.lead(State::Done);
    assert_eq!(scene.say("county", "accept", "李", json!({})), Err("own-step".into()));
    assert_eq!(scene.say("county", "accept", "周", json!({ "id": "A" })), Ok(State::CountyOk));
    assert_eq!(scene.say("city", "accept", "周", json!({})), Err("own-step".into()));
    let before = scene.cases.clone();
    assert_eq!(scene.say("county", "accept", "周", json!({ "id": "A" })), Ok(State::CountyOk), "the same again");
    assert_eq!(scene.say("county", "accept", "周", json!({ "id": "A", "text": "另" })), Err("id-used".into()));
    assert_eq!(scene.cases, before);
}

#[test]
fn steps_that_cannot_be_read_are_refused_by_name() {
    let mut scene = Scene::new();
    scene.open("blue");
    let refused = |scene: &mut Scene, role: &str, step: &str, more: serde_json::Value| {
        scene.say(role, step, "王", more).unwrap_err()
    };
    assert_eq!(refused(&mut scene, "minister", "sign", json!({})), "role");
    assert_eq!(refused(&mut scene, "county", "void", json!({})), "role");
    assert_eq!(refused(&mut scene, "enterprise", "sign", json!({ "case": "C-9" })), "unknown-case");
    assert_eq!(refused(&mut scene, "enterprise", "sign", json!({ "schema": "x" })), "schema");
    assert_eq!(refused(&mut scene, "enterprise", "sign", json!({ "more": 1 })), "unreadable");
    assert_eq!(refused(&mut scene, "enterprise", "sign", json!({ "author": " " })), "author-missing");
    assert_eq!(refused(&mut scene, "city", "void", json!({ "text": " " })), "reason-missing");
    assert_eq!(refused(&mut scene, "county", "extend", json!({})), "planned");
    assert_eq!(
        refused(&mut scene, "enterprise", "sign", json!({ "files": [{ "name": "a", "sha256": "zz", "bytes": 1 }] })),
        "files"
    );
    assert_eq!(refused(&mut scene, "enterprise", "sign", json!({ "text": "字".repeat(2000) })), "too-long");
    assert_eq!(refused(&mut scene, "county", "open", json!({ "colour": "blue", "code": "a21026" })), "case-used");
    assert_eq!(
        refused(&mut scene, "enterprise", "open", json!({ "case": "C-2", "colour": "blue", "code": "a" })),
        "role"
    );
    assert_eq!(refused(&mut scene, "county", "open", json!({ "case": "C-2" })), "open");
    let done = scene.cases.step(&scene.rules, plain(), (MN, "county", "S/1", b"{}"), Place { offset: 1, at: monday() });
    assert!(done.answer.taken.is_err());
    let done = scene.cases.step(&scene.rules, plain(), (MN, "county", "S", &[b'x'; STEP_MAX + 1]), scene.place());
    assert_eq!(done.answer.taken.unwrap_err().code, "too-long");
}

#[test]
fn working_days_are_those_of_the_notice() {
    let days = WorkDays::built_in();
    // 2026: the spring festival is off from 15 to 23 February; the Saturdays 14 and 28 February are worked.
    for (from, count, end) in [
        ("2026-06-01T10:00:00+08:00", 5, "2026-06-09T00:00:00+08:00"),
        ("2026-06-05T10:00:00+08:00", 1, "2026-06-09T00:00:00+08:00"),
        ("2026-02-13T10:00:00+08:00", 1, "2026-02-15T00:00:00+08:00"),
        ("2026-02-14T10:00:00+08:00", 1, "2026-02-25T00:00:00+08:00"),
        ("2026-02-14T10:00:00+08:00", 5, "2026-03-01T00:00:00+08:00"),
        ("2026-06-18T23:59:59+08:00", 1, "2026-06-23T00:00:00+08:00"),
        ("2026-09-30T08:00:00+08:00", 2, "2026-10-10T00:00:00+08:00"),
    ] {
        assert_eq!(days.after(at(from), count), at(end), "{from} + {count}");
    }
    assert!(days.knows(at("2026-12-31T23:59:59+08:00")) && !days.knows(at("2027-01-01T00:00:00+08:00")));
    assert!(!days.is_worked(at("2026-10-01T12:00:00+08:00")) && days.is_worked(at("2026-10-10T12:00:00+08:00")));
    let mut days = WorkDays::default();
    for wrong in [
        "",
        "schema = 1",
        "schema=\"holidays/1\"\nyear=2026\nsource=\"\"\ncertainty=\"R\"\noff=[\"2025-01-01\"]\nworked=[]",
    ] {
        assert!(days.add(wrong).is_err());
    }
}

#[test]
fn what_is_overdue_is_said_once_a_level_and_a_level_higher_each_time() {
    let mut scene = Scene::new();
    scene.open("orange");
    let due = scene.due().unwrap();
    assert_eq!(due, Timestamp(monday().0 + 4 * HOUR), "orange is signed for within four hours");
    assert!(scene.cases.pass(&scene.rules, Timestamp(due.0 - 1)).is_empty());
    let mut told = Vec::new();
    for hour in 0..100 {
        for effect in scene.cases.pass(&scene.rules, Timestamp(due.0 + hour * HOUR)) {
            if let Effect::Told(said) = effect {
                told.push((hour, said.level, said.to.len()));
            }
        }
    }
    assert_eq!(told, [(0, 1, 2), (6, 2, 3), (12, 3, 4), (18, 4, 4)]);
    // Whoever acts has a new deadline.
    scene.now = Timestamp(due.0 + 101 * HOUR);
    assert_eq!(scene.say("enterprise", "sign", "李", json!({})), Ok(State::Signed));
    assert_eq!((scene.case().overdue, scene.due()), (0, Some(Timestamp(scene.now.0 + 4 * HOUR))));
}

#[test]
fn a_returned_case_keeps_the_deadline_by_which_it_must_be_finished_and_more_time_is_granted_once() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.lead(State::Replied);
    let finish = scene.due();
    assert_eq!(finish, Some(at("2026-06-09T00:00:00+08:00")), "five working days");
    scene.lead(State::Done);
    scene.now.0 += DAY;
    assert_eq!(scene.say("county", "return", "周", json!({})), Ok(State::Signed));
    assert_eq!((scene.due(), scene.case().returned), (finish, 1));
    let more = json!({ "planned": "2026-06-30T00:00:00+08:00" });
    assert_eq!(
        scene.say("county", "extend", "周", json!({ "planned": "2026-01-01T00:00:00+08:00" })),
        Err("planned".into())
    );
    assert_eq!(scene.say("county", "extend", "周", more.clone()), Ok(State::Signed));
    assert_eq!(scene.due(), Some(at("2026-06-30T00:00:00+08:00")));
    assert_eq!(scene.say("county", "extend", "周", more), Err("extended".into()));
    scene.lead(State::Replied);
    assert_eq!(scene.due(), Some(at("2026-06-30T00:00:00+08:00")));
}

#[test]
fn a_station_has_a_bounded_number_of_open_cases_and_a_case_of_told_steps() {
    let mut scene = Scene::new();
    for number in 1..=OPEN_MAX {
        let more = json!({ "case": format!("C-{number}"), "colour": "blue", "code": format!("a{number}") });
        assert_eq!(scene.say("county", "open", "周", more), Ok(State::Open));
    }
    let one_more = json!({ "case": "C-x", "colour": "blue", "code": "ax" });
    assert_eq!(scene.say("county", "open", "周", one_more), Err("too-many".into()));
    for _ in 0..200 {
        assert_eq!(scene.say("operator", "comment", "孙", json!({})), Ok(State::Open));
    }
    assert_eq!((scene.case().history.len(), scene.case().steps), (HISTORY_MAX, 201));
}

#[test]
fn rule_files_that_leave_a_state_without_a_deadline_are_refused() {
    let text = include_str!("../../../config/cases/default.toml");
    assert!(Rules::read(text, WorkDays::built_in()).is_ok());
    assert_eq!(Rules::built_in().set, "default");
    for (from, to) in [
        ("schema = \"cases/1\"", "schema = \"cases/2\""),
        ("within = \"24h\"", "within = \"24x\""),
        ("state = \"done\",      colour = [\"blue\",", "state = \"done\",      colour = ["),
        ("remind = { blue = \"24h\",", "remind = {"),
        ("certainty = \"I\"", "x = 1"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Rules::read(&text.replacen(from, to, 1), WorkDays::built_in()).is_err(), "{from}");
    }
}

proptest! {
    /// Whatever is said in whatever order: what is closed was accepted by county and then city, and a checkpoint between any two steps changes nothing.
    #[test]
    fn any_sequence_gives_the_same_over_checkpoints_and_closes_nothing_unaccepted(
        said in proptest::collection::vec((0_usize..5, 0_usize..11, 0_usize..4, 0_i64..200), 0..60)
    ) {
        let (mut whole, mut killed) = (Scene::new(), Scene::new());
        whole.open("blue");
        killed.open("blue");
        for (role, step, author, hours) in said {
            let (role, step) = (Role::ALL[role].name(), Step::ALL[step].name());
            let author = ["甲", "乙", "丙", "丁"][author];
            killed.cases = postcard::from_bytes(&postcard(&killed.cases)).unwrap();
            for scene in [&mut whole, &mut killed] {
                scene.now.0 += hours * HOUR;
                scene.cases.pass(&scene.rules.clone(), scene.now);
            }
            let more = json!({ "planned": "2030-01-01T00:00:00+08:00", "number": "1" });
            prop_assert_eq!(whole.say(role, step, author, more.clone()), killed.say(role, step, author, more));
            prop_assert_eq!(&whole.cases, &killed.cases);
            if let Some(case) = whole.cases.get(MN, "C-1").filter(|case| case.state == State::Closed) {
                let accepted: Vec<_> = case.history.iter().rev().take_while(|taken| taken.step != Step::Return)
                    .filter(|taken| taken.step == Step::Accept).filter_map(|taken| taken.role).collect();
                prop_assert_eq!(accepted, [Role::City, Role::County]);
            }
        }
    }

    #[test]
    fn no_bytes_panic(role in "[a-z]{0,10}", id in ".{0,70}", json in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut scene = Scene::new();
        let done = scene.cases.step(&scene.rules, plain(), (MN, &role, &id, &json), scene.place());
        prop_assert!(done.answer.taken.is_err());
    }
}

/// A registered station without alerts that knows every code.
fn plain<'a>() -> OfStation<'a> {
    OfStation { registered: true, outlet: "", alerted: &|_| false, knows: &|_| true }
}

fn postcard(cases: &Cases) -> Vec<u8> {
    postcard::to_stdvec(cases).unwrap()
}
