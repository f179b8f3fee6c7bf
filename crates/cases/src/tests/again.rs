//! What happens to a case while its outlet goes on, or begins again, to exceed; and who may change what was said before.

use super::*;

fn days(of: &[&str]) -> Vec<String> {
    of.iter().map(|day| (*day).to_owned()).collect()
}

impl Scene {
    fn alert(&mut self, alert: &str, colour: Colour, of: &[&str]) -> Vec<Effect> {
        let days = days(of);
        let opening = Opening { mn: MN, outlet: "", code: "a21026", alert, colour, days: &days, text: "超标" };
        let place = self.place();
        self.cases.alerted(&self.rules, &opening, place).unwrap()
    }

    fn exceed(&mut self, day: &str) -> Vec<Effect> {
        let told = Exceeded { mn: MN, code: "a21026", day, text: "超标" };
        let place = self.place();
        self.cases.exceeded(&self.rules, &told, place)
    }

    fn at(&mut self, text: &str) {
        self.now = at(text);
    }
}

#[test]
fn an_ended_case_keeps_its_id_and_the_next_of_its_alert_names_it() {
    let mut scene = Scene::new();
    scene.alert("A-1", Colour::Red, &["2026-05-31"]);
    let void = json!({ "case": "C-A-1" });
    assert_eq!(scene.say("city", "void", "吴", void), Ok(State::Void));
    assert!(scene.alert("A-1", Colour::Red, &["2026-05-31"]).is_empty(), "nothing that the ended case did not know");
    let before = scene.cases.get(MN, "C-A-1").cloned();
    scene.now.0 += DAY;
    scene.alert("A-1", Colour::Red, &["2026-05-31", "2026-06-01"]);
    assert_eq!(scene.cases.get(MN, "C-A-1").cloned(), before);
    let next = scene.cases.get(MN, "C-A-1-2").unwrap();
    assert_eq!((next.before.as_deref(), next.state), (Some("C-A-1"), State::Open));
    assert_eq!(scene.say("city", "void", "吴", json!({ "case": "C-A-1-2" })), Ok(State::Void));
    scene.now.0 += DAY;
    scene.alert("A-1", Colour::Red, &["2026-06-02"]);
    assert_eq!(scene.cases.get(MN, "C-A-1-3").unwrap().before.as_deref(), Some("C-A-1-2"));
    // An officer's case of that id is nobody's place either.
    assert_eq!(
        scene.say("county", "open", "周", json!({ "case": "C-A-2", "colour": "blue", "code": "a21002" })),
        Ok(State::Open)
    );
    assert_eq!(scene.say("city", "void", "吴", json!({ "case": "C-A-1-3" })), Ok(State::Void));
    scene.alert("A-2", Colour::Blue, &["2026-06-03"]);
    assert_eq!(scene.cases.get(MN, "C-A-2-2").map(|case| case.before.clone()), Some(None));
    assert_eq!(scene.cases.all().count(), 5);
}

#[test]
fn every_settled_exceeded_day_returns_what_was_accepted_and_nothing_is_closed_over_an_open_alert() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.alert("A-1", Colour::Blue, &["2026-05-31"]);
    scene.lead(State::CityOk);
    assert!(scene.exceed("2026-05-31").is_empty(), "known");
    let effects = scene.exceed("2026-06-02");
    assert!(matches!(&effects[..], [Effect::Told(told), Effect::Changed(_)] if told.what == "case-relapsed"));
    assert_eq!((scene.case().state, scene.case().relapses), (State::Signed, 1));
    assert!(scene.alert("A-1", Colour::Blue, &["2026-05-31", "2026-06-02"]).is_empty(), "told once");
    assert_eq!(scene.case().days, ["2026-05-31", "2026-06-02"]);
    scene.lead(State::CityOk);
    scene.now.0 += 8 * DAY;
    scene.alerted.push("a21026");
    assert_eq!(scene.say("province", "close", "郑", json!({})), Err("still-exceeding".into()));
    scene.alerted.clear();
    assert_eq!(scene.say("province", "close", "郑", json!({})), Ok(State::Closed));
    assert!(scene.exceed("2026-06-20").is_empty(), "a day alone opens no case");
}

#[test]
fn what_exceeds_again_long_after_the_first_reply_has_time_again() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.lead(State::CityOk);
    scene.now.0 += 30 * DAY;
    scene.exceed("2026-06-30");
    assert_eq!(scene.due(), Some(Timestamp(scene.now.0 + 48 * HOUR)));
    assert!(scene.cases.pass(&scene.rules.clone(), scene.now).is_empty(), "not overdue at once");
}

#[test]
fn a_raise_counts_from_when_it_was_raised_and_names_its_row() {
    let mut scene = Scene::new();
    scene.at("2026-10-16T03:00:00+08:00");
    scene.open("blue");
    scene.at("2026-10-16T03:05:00+08:00");
    scene.lead(State::Signed);
    assert_eq!(scene.due(), Some(at("2026-10-18T03:05:00+08:00")));
    scene.at("2026-10-17T14:02:00+08:00");
    scene.alert("A-1", Colour::Orange, &["2026-10-16"]);
    // 4 h, config/cases/default.toml: signed, orange.
    assert_eq!(scene.due(), Some(at("2026-10-17T18:02:00+08:00")));
    assert!(scene.cases.pass(&scene.rules.clone(), scene.now).is_empty(), "not overdue at once");
    let clause = scene.case().due.clone().unwrap();
    assert_eq!((clause.clause.as_str(), clause.certainty.as_str()), ("江苏做法 · practice in Jiangsu", "S"));

    // Answered: five working days become three from the raise, by the row of three.
    let mut scene = Scene::new();
    scene.at("2026-06-01T10:00:00+08:00");
    scene.open("blue");
    scene.lead(State::Replied);
    assert_eq!(scene.due(), Some(at("2026-06-09T00:00:00+08:00")), "Tuesday to Monday");
    scene.at("2026-06-02T10:00:00+08:00");
    scene.alert("A-1", Colour::Orange, &["2026-06-01"]);
    assert_eq!(scene.due(), Some(at("2026-06-06T00:00:00+08:00")), "Wednesday to Friday");
    assert_eq!(scene.case().due.as_ref().unwrap().clause, "本项目自定 · our choice");
    // A raise gives no more time: three days from Friday would be later, and the row that was in force stays named.
    let mut scene = Scene::new();
    scene.at("2026-06-01T10:00:00+08:00");
    scene.open("blue");
    scene.lead(State::Replied);
    let before = scene.case().due.clone();
    scene.at("2026-06-05T10:00:00+08:00");
    scene.alert("A-1", Colour::Orange, &["2026-06-04"]);
    assert_eq!(scene.case().due, before);
    assert!(before.unwrap().clause.contains("部令第19号"));
    // And what is overdue stays overdue.
    scene.at("2026-06-09T00:00:00+08:00");
    assert_eq!(scene.cases.pass(&scene.rules.clone(), scene.now).len(), 2);
    scene.alert("A-1", Colour::Red, &["2026-06-05"]);
    assert_eq!((scene.case().overdue, scene.case().colour), (1, Colour::Red));
}

#[test]
fn an_extension_is_later_than_what_is_due() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.lead(State::Replied);
    let due = scene.due().unwrap();
    let planned = |time: i64| json!({ "planned": Timestamp(time).to_rfc3339() });
    for wrong in [scene.now.0 + HOUR, due.0 - HOUR, due.0] {
        assert_eq!(scene.say("county", "extend", "周", planned(wrong)), Err("planned".into()));
    }
    assert_eq!(scene.say("county", "extend", "周", planned(due.0 + HOUR)), Ok(State::Replied));
    assert_eq!(scene.due(), Some(Timestamp(due.0 + HOUR)));
    assert!(scene.case().due.as_ref().unwrap().clause.contains("延期"));
}

#[test]
fn a_factor_has_one_open_case_and_codes_are_known_ones() {
    let mut scene = Scene::new();
    scene.open("blue");
    let again = json!({ "case": "K-4", "colour": "red", "code": "a21026", "outlet": "DA002" });
    assert_eq!(scene.say("city", "open", "吴", again), Err("open-case".into()));
    let unknown = json!({ "case": "K-4", "colour": "red", "code": "so2" });
    assert_eq!(scene.say("city", "open", "吴", unknown), Err("code-unknown".into()));
    scene.alert("A-1", Colour::Blue, &["2026-06-01"]);
    assert_eq!((scene.cases.all().count(), scene.case().alerts.clone()), (1, days(&["A-1"])));
    assert_eq!(scene.case().outlet, "DA001");
    // The outlet of the registration stands where none is said.
    let station = OfStation { registered: true, outlet: "DA001", alerted: &|_| false, knows: &|_| true };
    let body = json!({ "schema": "hj212.case-step/1", "id": "S-x", "case": "K-5", "step": "open", "author": "周", "text": "说明",
        "colour": "blue", "code": "w01018" });
    let place = scene.place();
    let done = scene.cases.step(&scene.rules, station, (MN, "county", "S-x", body.to_string().as_bytes()), place);
    assert!(done.answer.taken.is_ok());
    assert_eq!(scene.cases.get(MN, "K-5").unwrap().outlet, "DA001");
}

#[test]
fn nobody_is_another_by_spelling_or_by_a_step_between() {
    let mut scene = Scene::new();
    scene.open("blue");
    scene.lead(State::Signed);
    assert_eq!(scene.say("enterprise", "reply", "Li", json!({})), Ok(State::Replied));
    assert_eq!(scene.say("enterprise", "done", "王", json!({})), Ok(State::Done));
    for author in ["li", " LI", "ｌｉ", "l\u{200b}i", "王", "李"] {
        assert_eq!(scene.say("county", "accept", author, json!({})), Err("own-step".into()), "{author}");
    }
    assert_eq!(scene.say("county", "accept", "\u{200b}", json!({})), Err("author-missing".into()));
    assert_eq!(scene.say("county", "accept", "周", json!({})), Ok(State::CountyOk));
    assert_eq!(scene.say("city", "accept", "Ｌｉ", json!({})), Err("own-step".into()));
    assert_eq!(scene.say("city", "return", "吴", json!({})), Ok(State::Signed));
    // What is accepted now is what was done since; who opened or returned it may accept.
    assert_eq!(scene.say("enterprise", "reply", "王", json!({})), Ok(State::Replied));
    assert_eq!(scene.say("enterprise", "done", "王", json!({})), Ok(State::Done));
    assert_eq!(scene.say("county", "accept", "周", json!({})), Ok(State::CountyOk));
    assert_eq!(scene.say("city", "accept", "吴", json!({})), Ok(State::CityOk));
    scene.now.0 += 8 * DAY;
    assert_eq!(scene.say("city", "close", "周", json!({})), Err("own-step".into()));
    assert_eq!(scene.say("city", "close", "钱", json!({})), Ok(State::Closed));
}

#[test]
fn the_number_of_a_file_is_changed_from_the_same_place_or_above() {
    let mut scene = Scene::new();
    scene.open("blue");
    let number = |number: &str| json!({ "number": number });
    let now = |scene: &Scene| scene.case().law.clone().map(|law| (law.number, law.by));
    assert_eq!(scene.say("county", "to-law", "周", number("1")), Ok(State::Open));
    assert_eq!(scene.say("city", "to-law", "吴", number("2")), Ok(State::Open));
    assert_eq!(scene.say("county", "to-law", "周", number("3")), Err("number-given".into()));
    assert_eq!(scene.say("county", "to-law", "周", number(" 2 ")), Ok(State::Open), "the same is no change");
    assert_eq!(scene.say("county", "to-law", "周", json!({})), Ok(State::Open), "and none takes none away");
    assert_eq!(now(&scene), Some(("2".into(), Some(Role::City))));
    assert_eq!(scene.say("city", "to-law", "吴", number("4")), Ok(State::Open));
    assert_eq!(scene.say("province", "to-law", "郑", number("5")), Ok(State::Open));
    assert_eq!(now(&scene), Some(("5".into(), Some(Role::Province))));
    let told: Vec<&str> = scene.case().history.iter().map(|taken| taken.number.as_str()).collect();
    assert_eq!(told, ["", "1", "2", "2", "", "4", "5"]);
}
