//! Commands and what a station says and does, without sockets and without waiting.

use std::sync::Arc;
use std::time::Duration;

use super::super::agenda::Habits;
use super::super::clock::Clock;
use super::super::commands::{Change, What};
use super::super::fleet::profile;
use super::super::options::Options;
use super::super::station::{Meaning, Next, Rules, Station};
use super::super::subject::Subject;
use super::*;
use hj212::packet::parse;
use hj212::sm4::Key;
use hj212_downlink::table::{Kind as Parameter, ORDERS};

/// 2026-11-23T10:40:00+08:00.
const START: Timestamp = Timestamp(1_795_401_600_000_000);
const QN: &str = "20261123104000500";
const SPAN: &str = "BeginTime=20261123080000;EndTime=20261123090000";

struct Scene {
    station: Station,
    now: Duration,
}

impl Scene {
    fn new(edition: Edition, subject: Subject, more: impl FnOnce(&mut Options)) -> Scene {
        let mut options = Options { edition: vec![edition], mix: vec![subject], ..Options::default() };
        more(&mut options);
        let habits = Habits {
            clock: Clock::new(START, 1.0, Duration::MAX),
            interval: Duration::from_secs(30),
            minutes: 10,
            heartbeat: Duration::from_secs(60),
            until: Duration::from_secs(86_400),
            aligned: true,
        };
        let rules = Rules {
            habits,
            faults: options.faults.clone(),
            answer_timeout: options.answer_timeout,
            resends: 3,
            keep: options.keep,
            pace: options.pace,
            history: options.behaviour.history,
            history_pace: options.behaviour.history_pace,
            keeps_history: options.behaviour.keeps_history,
            late: options.behaviour.late,
        };
        let mut scene = Scene { station: Station::new(profile(&options, 1), Arc::new(rules), 1), now: Duration::ZERO };
        scene.station.connected(scene.now);
        scene
    }

    fn of(edition: Edition, faults: &str) -> Scene {
        let mut scene = Scene::new(edition, Subject::Water, |options| options.faults = faults.parse().unwrap());
        scene.hear_all();
        scene
    }

    /// Everything that is said now; uploads are answered at once.
    fn hear_all(&mut self) -> Vec<String> {
        let (mut said, mut out) = (Vec::new(), Vec::new());
        for _ in 0..1_000 {
            match self.station.next(self.now, &mut out) {
                Next::Send(sending) => {
                    said.push(String::from_utf8(out.clone()).unwrap());
                    let cp = format!("CN={}", sending.note.cn);
                    let answer = format!("QN={};ST=91;CN=9014;Flag=4;CP=&&{cp}&&", sending.note.qn);
                    let header = parse(answer.as_bytes());
                    let mut fields = Fields::default();
                    fields.read(header.area);
                    let meaning = self.station.heard(self.now, &header, &fields);
                    assert!(matches!(meaning, Meaning::Acknowledged { .. }), "{said:?}");
                }
                Next::Say(key) => said.push(match key {
                    Some(_) => format!("sealed {}", String::from_utf8_lossy(&out)),
                    None => String::from_utf8(out.clone()).unwrap(),
                }),
                Next::Cut => {
                    said.push("cut".into());
                    self.station.disconnected(self.now);
                    self.station.connected(self.now);
                }
                Next::Wait(until) if until <= self.now + Duration::from_secs(20) => self.now = until,
                Next::Wait(_) | Next::Done | Next::GiveUp => return said,
            }
        }
        panic!("it never ends: {said:?}");
    }

    fn give(&mut self, segment: &str) {
        let header = parse(segment.as_bytes());
        let mut fields = Fields::default();
        fields.read(header.area);
        let trouble = (!self.station.is_meant(&header, &fields)).then_some(MN_ERROR);
        self.station.commanded(self.now, &header, &fields, trouble);
    }

    fn command(&self, cn: u16, cp: &str) -> String {
        let station = &self.station.profile;
        let flag = [3, 5, 9][station.edition as usize];
        let (st, mn, pw) = (station.subject.st(), &station.mn, &station.pw);
        format!("QN={QN};ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};CP=&&{cp}&&")
    }

    /// What is said to a command, uploads of the station's own left out.
    fn ask(&mut self, cn: u16, cp: &str) -> Vec<String> {
        let command = self.command(cn, cp);
        self.put(&command)
    }

    fn put(&mut self, command: &str) -> Vec<String> {
        self.give(command);
        let own = ["CN=2011;", "CN=2021;", "CN=9015;"];
        let asked = ["DataTime=2026112308", "DataTime=2026112309"];
        let mut said = self.hear_all();
        said.retain(|text| asked.iter().any(|time| text.contains(time)) || !own.iter().any(|cn| text.contains(cn)));
        said
    }

    fn changes(&mut self) -> Vec<Change> {
        let news = self.station.take_news();
        news.into_iter().filter_map(|e| if let What::Obeyed(change) = e.what { Some(change) } else { None }).collect()
    }
}

fn cns(said: &[String]) -> Vec<u16> {
    said.iter().map(|text| parse(text.as_bytes()).cn.unwrap_or(0)).collect()
}

/// Parameters as the table wants them.
fn sample(order: &Order) -> String {
    let mut cp = String::new();
    for parameter in order.parameters {
        let value = match parameter.kind {
            Parameter::Whole(min, max) => (min + 10).min(max).to_string(),
            Parameter::OneOf(list) => list[0].to_string(),
            Parameter::Time if parameter.name == "EndTime" => "20261123090000".into(),
            Parameter::Time => "20261123080000".into(),
            Parameter::TimeOrNow => "20261123104000".into(),
            Parameter::HourMinute => "0130".into(),
            Parameter::HourMinuteSecond => "013000".into(),
            Parameter::Code if parameter.name == "InfoId" && order.name == "get-log" => "i11001".into(),
            Parameter::Code if parameter.name == "InfoId" => "i13001".into(),
            Parameter::Code | Parameter::Codes if order.cn == 1012 => continue,
            Parameter::Code | Parameter::Codes => "w01001".into(),
            Parameter::Limits => "101-LowValue=1.1,101-UpValue=9.9".into(),
            Parameter::Hours => "CTime=04,CTime=10".into(),
            Parameter::Password => "654321".into(),
            Parameter::NewMn => continue,
            Parameter::Identifier => "SIM000000000000000000001".into(),
            Parameter::Target => "10.0.0.2:9002".into(),
            Parameter::Info => "12.5".into(),
        };
        if !cp.is_empty() {
            cp.push(char::from(parameter.separator));
        }
        let wire = parameter.wire.replace("{}", "i13001");
        let whole = matches!(parameter.kind, Parameter::Limits | Parameter::Hours);
        cp += &if whole { value } else { format!("{wire}={value}") };
    }
    cp
}

/// HJ 212-2017, 6.1: 9011, what is asked for, 9012, or 9013 alone. HJ 212-2017, table 6: ExeRtn is 1, and 100 where there are no data.
/// HJ 212-2025, C.39 and C.40: the history of electricity comes as 2011.
#[test]
fn every_command_of_every_edition_is_answered_in_its_order() {
    for order in ORDERS {
        for edition in order.editions {
            let subject = if order.st == Some("44") { Subject::Power } else { Subject::Water };
            let mut scene = Scene::new(*edition, subject, |_| {});
            scene.hear_all();
            let said = scene.ask(order.cn, &sample(order));
            let told = cns(&said);
            let of = format!("{} {edition:?}: {said:#?}", order.name);
            let history = order.parameters.iter().any(|parameter| parameter.name == "BeginTime");
            // No station has noise or alarms; day records and such begin at midnight.
            let empty = matches!(order.cn, 2031 | 2041 | 2052 | 2062 | 2071) || order.name == "get-log";
            match order.answers {
                Answers::Notice => assert_eq!(told, [9013], "{of}"),
                Answers::Result if order.cn == 3024 => assert_eq!(told, [9011, 9012, 2062], "{of}"),
                Answers::Result => assert_eq!(told, [9011, 9012], "{of}"),
                Answers::Data if empty => assert_eq!(told, [9011, 9012], "{of}"),
                Answers::Data => {
                    assert_eq!((told.first(), told.last()), (Some(&9011), Some(&9012)), "{of}");
                    let between = &told[1..told.len() - 1];
                    let count = if history { (2..8).contains(&between.len()) } else { between.len() == 1 };
                    assert!(count && between.iter().all(|cn| *cn == order.cn), "{of}");
                }
            }
            if order.answers != Answers::Notice {
                assert!(said[0].contains("QnRtn=1&&"), "{of}");
                let end = if empty && order.answers == Answers::Data { "ExeRtn=100&&" } else { "ExeRtn=1&&" };
                assert!(said.iter().any(|text| text.contains(end)), "{of}");
            }
            let of_command = said.iter().filter(|text| cns(std::slice::from_ref(text))[0] > 9000);
            for text in of_command {
                match edition {
                    Edition::V2005 => {
                        assert!(text.starts_with("ST=91;") && text.contains(&format!("&&QN={QN}")), "{of}")
                    }
                    Edition::V2017 => {
                        assert!(text.starts_with(&format!("QN={QN};ST=91;")) && text.contains(";Flag=4;"), "{of}")
                    }
                    Edition::V2025 => {
                        assert!(text.starts_with(&format!("QN={QN};ST=91;")) && text.contains(";Flag=8;"), "{of}")
                    }
                }
            }
        }
    }
}

#[test]
fn answers_have_the_form_of_the_edition() {
    let mut scene = Scene::of(Edition::V2005, "");
    let said = scene.ask(1061, "");
    assert_eq!(
        said,
        [
            "ST=91;CN=9011;PW=123456;MN=02120000000001;Flag=0;CP=&&QN=20261123104000500;QnRtn=1&&",
            "ST=32;CN=1061;PW=123456;MN=02120000000001;CP=&&RtdInterval=30&&",
            "ST=91;CN=9012;PW=123456;MN=02120000000001;Flag=0;CP=&&QN=20261123104000500;ExeRtn=1&&",
        ]
    );
    let mut scene = Scene::of(Edition::V2017, "");
    let said = scene.ask(1061, "");
    assert_eq!(
        said[1],
        "QN=20261123104000500;ST=32;CN=1061;PW=123456;MN=021200000000000000000001;Flag=4;CP=&&RtdInterval=30&&"
    );
}

#[test]
fn history_is_paced_uploads_of_the_span_and_ends_with_the_result() {
    let mut scene = Scene::of(Edition::V2025, "");
    let before = scene.now;
    let said = scene.ask(2051, SPAN);
    assert_eq!(cns(&said), [9011, 2051, 2051, 2051, 2051, 2051, 2051, 2051, 9012]);
    assert!(said[1].contains("DataTime=20261123080000;") && said[7].contains("DataTime=20261123090000;"));
    let qns: std::collections::HashSet<_> = said[1..8].iter().map(|text| &text[..20]).collect();
    assert_eq!(qns.len(), 7, "each packet has its own QN");
    assert!(said[1].contains(";Flag=9;CP=") && !said[1].contains("RF=1"), "{}", said[1]);
    assert!(scene.now - before >= Duration::from_millis(600), "100 ms between two packets");
}

/// HJ 212-2025, C.23, C.59 and C.60, among others.
#[test]
fn every_kind_of_history_is_told() {
    let days = "BeginTime=20261120000000;EndTime=20261122000000";
    let comma = "BeginTime=20261120000000,EndTime=20261122000000";
    let log = format!("PolId=w01001;InfoId=i11001;{comma}");
    for (cn, cp, count) in
        [(2031, days, 3), (2041, comma, 3), (2062, days, 3), (2013, SPAN, 2), (3020, log.as_str(), 9)]
    {
        let said = Scene::of(Edition::V2025, "").ask(cn, cp);
        assert_eq!(said.len(), count + 2, "{cn}: {said:#?}");
        assert!(said[1..=count].iter().all(|text| text.contains(";Flag=9;CP=&&DataTime=202611")), "{said:#?}");
    }
    let old = Scene::of(Edition::V2005, "").ask(2041, comma);
    assert!(old.len() == 5 && old[1].starts_with("ST=32;CN=2041;") && old[1].contains("SB1-RT=2"), "{old:#?}");
}

#[test]
fn history_is_what_was_uploaded_to_the_byte() {
    for subject in [Subject::Air, Subject::Water] {
        let mut scene = Scene::new(Edition::V2017, subject, |options| options.behaviour.clock_off = 37);
        scene.hear_all();
        scene.now = Duration::from_secs(3_700);
        let area = |text: &String| String::from_utf8_lossy(parse(text.as_bytes()).area).into_owned();
        let uploaded: Vec<String> =
            scene.hear_all().iter().filter(|text| text.contains("CN=2051;")).map(area).collect();
        let said = scene.ask(2051, "BeginTime=20261123104000;EndTime=20261123113000");
        let told: Vec<String> = said.iter().filter(|text| text.contains("CN=2051;")).map(area).collect();
        assert!(uploaded.len() >= 6 && uploaded[..6] == told[..], "{uploaded:#?} {told:#?}");
    }
}

#[test]
fn the_result_waits_for_the_last_answer_and_live_records_go_first() {
    let mut scene = Scene::of(Edition::V2017, "");
    scene.give(&scene.command(2061, SPAN));
    let mut out = Vec::new();
    assert_eq!(scene.station.next(scene.now, &mut out), Next::Say(None));
    let Next::Send(first) = scene.station.next(scene.now, &mut out) else { panic!() };
    assert_eq!(first.note.data_time, "20261123080000");
    let Next::Wait(_) = scene.station.next(scene.now, &mut out) else { panic!("one packet at a time") };
    // The connection is lost: the same record is told again, with another QN, after what is live.
    scene.station.disconnected(scene.now + Duration::from_secs(1));
    scene.station.connected(scene.now + Duration::from_secs(2));
    scene.now = Duration::from_secs(30);
    let told = cns(&scene.hear_all());
    assert_eq!(told, [2011, 2061, 2061, 9012], "{told:?}");
}

/// HJ 212-2017, table 7: QnRtn 3 to 8. HJ 212-2017, table 6: ExeRtn=3.
#[test]
fn what_cannot_be_obeyed_is_refused_by_its_number() {
    let mut scene = Scene::of(Edition::V2017, "");
    let good = scene.command(1061, "");
    for (from, to, code) in [
        ("PW=123456", "PW=654321", 3),
        ("MN=0212", "MN=0213", 4),
        ("ST=32", "ST=31", 5),
        ("Flag=5", "Flag=9", 6),
        ("QN=20261123104000500", "QN=1", 7),
        ("CN=1061", "CN=1021", 8),
    ] {
        let said = scene.put(&good.replace(from, to));
        assert!(
            said.len() == 1
                && said[0]
                    .contains(&format!("CN=9011;PW=123456;MN=021200000000000000000001;Flag=4;CP=&&QnRtn={code}&&")),
            "{to}: {said:?}"
        );
        scene.station.obedience.heard.clear();
    }
    let said = scene.ask(1062, "RtdInterval=7");
    assert!(said[0].contains("QnRtn=1&&") && said[1].contains("ExeRtn=3&&"), "{said:?}");
    let mut old = Scene::of(Edition::V2005, "");
    let bad = old.command(1061, "").replace("CN=1061", "CN=1063");
    assert!(old.put(&bad)[0].contains("QnRtn=2&&"), "HJ/T 212-2005 has no more numbers");
}

#[test]
fn a_command_heard_again_is_answered_again_and_not_carried_out_again() {
    let mut scene = Scene::of(Edition::V2025, "");
    let first = scene.ask(3024, "PolId=w01018");
    assert_eq!(cns(&first), [9011, 9012, 2062]);
    let again = scene.ask(3024, "PolId=w01018");
    assert_eq!(again, first[..2]);
    assert_eq!(scene.changes(), [Change::Check]);
}

#[test]
fn each_behaviour_does_what_its_name_says() {
    let ask = |faults: &str, cn, cp: &str| Scene::of(Edition::V2017, faults).ask(cn, cp);
    assert!(ask("refuse=1", 2061, SPAN)[0].contains("QnRtn=2&&"));
    assert_eq!(cns(&ask("fail=1", 2061, SPAN)), [9011, 9012]);
    assert!(ask("fail=1", 2061, SPAN)[1].contains("ExeRtn=2&&"));
    assert!(ask("no-data=1", 2061, SPAN)[1].contains("ExeRtn=100&&"));
    assert_eq!(ask("deaf=1", 2061, SPAN), [""; 0]);
    assert_eq!(cns(&ask("forget=1", 2061, SPAN)), [9011]);
    assert_eq!(cns(&ask("cut=1", 2061, SPAN)), [9011, 0, 2061, 2061, 9012]);
    assert_eq!(cns(&ask("answer-twice=1", 1061, "")), [9011, 9011, 1061, 1061, 9012, 9012]);
    let wrong = ask("wrong-qn=1", 1061, "");
    assert!(cns(&wrong) == [9011, 1061, 9012] && wrong.iter().all(|text| !text.contains(QN)), "{wrong:?}");
    let mut late = Scene::of(Edition::V2017, "late=1");
    let before = late.now;
    assert_eq!(cns(&late.ask(1061, "")), [9011, 1061, 9012]);
    assert!(late.now - before >= Duration::from_secs(15));
    let mut once = Scene::of(Edition::V2017, "deaf-once=1");
    assert_eq!(once.ask(1061, ""), [""; 0]);
    assert_eq!(cns(&once.ask(1061, "")), [9011, 1061, 9012]);
}

#[test]
fn too_many_errands_are_refused() {
    let mut scene = Scene::of(Edition::V2017, "");
    for number in 0..=ERRANDS_MAX {
        let qn = format!("QN=2026112310400{number:04}");
        scene.give(&scene.command(2051, SPAN).replace(&format!("QN={QN}"), &qn));
    }
    let said = scene.hear_all();
    assert_eq!(said.iter().filter(|text| text.contains("QnRtn=2&&")).count(), 1);
    assert_eq!(said.iter().filter(|text| text.contains("ExeRtn=1&&")).count(), ERRANDS_MAX);
}

#[path = "obey_change_tests.rs"]
mod changes;

#[path = "obey_desk_tests.rs"]
mod desk;
