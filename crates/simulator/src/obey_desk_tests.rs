//! The gateway's own desk and a simulated station, face to face: what the one writes the other must understand.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::super::super::subject::Subject;
use super::*;
use hj212_downlink::{Address, Allow, Ask, Desk, Effect, Moment, Settings, Steady};

struct Meeting {
    desk: Desk,
    address: Address,
    scene: Scene,
    /// The documents about the request, in their order.
    documents: Vec<Value>,
}

impl Meeting {
    fn of(edition: Edition, subject: Subject, faults: &str) -> Meeting {
        let mut scene = Scene::new(edition, subject, |options| options.faults = faults.parse().unwrap());
        scene.hear_all();
        let all = || vec!["*".to_owned()];
        let allow = vec![Allow { stations: all(), commands: all(), authors: all(), roles: Vec::new() }];
        let desk = Desk::new(Settings { allow, confirm_by_other: false, plain_secrets: true, ..Settings::default() });
        let station = &scene.station.profile;
        let (st, pw) = (Some(station.subject.st().to_owned()), Some(station.pw.clone()));
        let address = Address { st, pw, ..Address::new(&station.mn, edition) };
        let mut meeting = Meeting { desk, address, scene, documents: Vec::new() };
        meeting.desk.arrive(&meeting.address, 1, meeting.now());
        let effects = meeting.desk.arrived(&meeting.address.mn, meeting.now());
        meeting.act(effects);
        meeting
    }

    fn now(&self) -> Moment {
        let passed = i64::try_from(self.scene.now.as_micros()).unwrap();
        Moment { wall: Timestamp(START.0 + passed), steady: Steady(passed), ..Moment::default() }
    }

    /// Gives a request, confirms it if that is asked for, and talks until there is silence.
    fn ask(&mut self, command: &str, parameters: &Value) {
        let body = json!({ "command": command, "author": "li", "why": "test", "parameters": parameters });
        self.submit(&body);
        let token = self.documents.iter().find_map(|document| document["confirm"].as_str()).map(str::to_owned);
        if let Some(token) = token {
            self.submit(&json!({ "confirm": token, "author": "li", "why": "checked" }));
        }
    }

    fn submit(&mut self, body: &Value) {
        let body = body.to_string();
        let (mn, now) = (self.address.mn.clone(), self.now());
        let (_, effects) = self.desk.submit(&Ask::new(&mn, "r1", body.as_bytes()), Some(&self.address), now);
        self.act(effects);
    }

    fn act(&mut self, effects: Vec<Effect>) {
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            match effect {
                Effect::Record { ticket, .. } => {
                    let now = self.now();
                    todo.extend(self.desk.recorded(ticket, now));
                }
                Effect::Send { bytes, .. } => {
                    self.scene.give(std::str::from_utf8(&bytes[6..bytes.len() - 6]).unwrap());
                    for text in self.scene.hear_all() {
                        let header = parse(text.as_bytes());
                        let mn = header.mn.map(|mn| String::from_utf8(mn.to_vec()).unwrap());
                        let now = self.now();
                        todo.extend(self.desk.heard(&mn.unwrap(), &header, now));
                    }
                }
                Effect::Status { json, .. } => self.documents.push(json),
                Effect::Follow | Effect::MakeKey { .. } => {}
            }
        }
    }

    fn state(&self) -> &str {
        self.documents.last().and_then(|document| document["state"].as_str()).unwrap_or("nothing")
    }
}

/// Parameters as a request has them.
fn parameters(order: &Order) -> Value {
    let value = |kind: Parameter, name: &str| match kind {
        Parameter::Whole(min, max) => json!((min + 10).min(max)),
        Parameter::OneOf(list) => json!(list[0]),
        Parameter::Time if name == "EndTime" => json!("20261123090000"),
        Parameter::Time => json!("20261123080000"),
        Parameter::TimeOrNow => json!("20261123104000"),
        Parameter::HourMinute => json!("0130"),
        Parameter::HourMinuteSecond => json!("013000"),
        Parameter::Code if name == "InfoId" => json!("i13001"),
        Parameter::Code => json!("w01001"),
        Parameter::Codes => json!(["101", "102"]),
        Parameter::Limits => json!([{ "PolId": "101", "LowValue": "1.1", "UpValue": "9.9" }]),
        Parameter::Hours => json!([4, 10, 16]),
        Parameter::Password => json!("654321"),
        Parameter::NewMn => json!("ABCDEF000000000000000001"),
        Parameter::Identifier => json!("SIM000000000000000000001"),
        Parameter::Target => json!("13800000000"),
        Parameter::Info => json!("12.5"),
    };
    let named = order.parameters.iter().filter(|parameter| parameter.required);
    Value::Object(named.map(|parameter| (parameter.name.to_owned(), value(parameter.kind, parameter.name))).collect())
}

#[test]
fn every_command_of_the_desk_is_done_or_has_no_data() {
    let mut count = 0;
    for order in ORDERS {
        for edition in order.editions {
            let subject = if order.st == Some("44") { Subject::Power } else { Subject::Water };
            let mut meeting = Meeting::of(*edition, subject, "");
            meeting.ask(order.name, &parameters(order));
            let empty = matches!(order.cn, 2031 | 2041 | 2052 | 2062 | 2071) || order.name == "get-log";
            let expected = if empty { "no-data" } else { "done" };
            assert_eq!(meeting.state(), expected, "{} {edition:?}: {:#?}", order.name, meeting.documents);
            let told = meeting.documents.iter().any(|document| document["state"] == "data");
            assert_eq!(told, order.answers == Answers::Data && !empty, "{} {edition:?}", order.name);
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn the_desk_sees_each_behaviour_for_what_it_is() {
    let state = |faults: &str| {
        let mut meeting = Meeting::of(Edition::V2017, Subject::Water, faults);
        meeting.ask("get-hours", &json!({ "BeginTime": "20261123080000", "EndTime": "20261123090000" }));
        meeting.state().to_owned()
    };
    for (faults, expected) in [
        ("", "done"),
        ("refuse=1", "refused"),
        ("fail=1", "failed"),
        ("no-data=1", "no-data"),
        ("answer-twice=1", "done"),
        ("deaf=1", "sent"),
        ("forget=1", "accepted"),
    ] {
        assert_eq!(state(faults), expected, "{faults}");
    }
    // Its history comes under QNs of its own and is heard; its answers are to nothing that was asked.
    assert!(["accepted", "data"].contains(&state("wrong-qn=1").as_str()));
}
