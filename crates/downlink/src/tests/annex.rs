//! The examples of annex C as dialogues: what we send is the standard's example to the byte but for QN and the time of a clock, and the
//! answers that the standard prints end the request as it means them to.
//!
//! HJ 212-2017: every table with a command, from `fixtures/frames/2017`. HJ 212-2025: its commands with the areas that its tables give, and A.1,
//! its only request that is known byte for byte. HJ/T 212-2005: its text is not at hand; the two requests and the answers of which the
//! bytes are known, from `fixtures/frames/2005`. What is not available stands in `docs/commands.md`.

use super::super::table;
use super::stage::{Stage, open_settings};
use crate::Outcome;
use hj212::{Edition, fixtures, packet};

/// The QN of the standard's requests.
const ITS_QN: &str = "20160801085857223";

/// Where the standard prints a command and its answers, the command's name, and what is asked for.
const OF_2017: &[(&[&str], &str, &str)] = &[
    (&["table C.1"], "set-timeouts", r#"{"OverTime":5,"ReCount":3}"#),
    (&["table C.2"], "get-time", r#"{"PolId":"w01018"}"#),
    (&["table C.3"], "set-time", r#"{"PolId":"w01018","SystemTime":"20261123100000"}"#),
    (&["table C.5"], "get-realtime-interval", "{}"),
    (&["table C.6"], "set-realtime-interval", r#"{"RtdInterval":30}"#),
    (&["table C.7"], "get-minute-interval", "{}"),
    (&["table C.8"], "set-minute-interval", r#"{"MinInterval":10}"#),
    (&["table C.9"], "set-password", r#"{"NewPW":"654321"}"#),
    (&["table C.10"], "start-realtime", "{}"),
    (&["table C.11"], "stop-realtime", "{}"),
    (&["table C.12"], "start-state", "{}"),
    (&["table C.13"], "stop-state", "{}"),
    (&["table C.20"], "get-minutes", r#"{"BeginTime":"20160801084000","EndTime":"20160801084000"}"#),
    (&["table C.21"], "get-hours", r#"{"BeginTime":"20160801080000","EndTime":"20160801080000"}"#),
    (&["table C.22"], "get-days", r#"{"BeginTime":"20160801000000","EndTime":"20160801000000"}"#),
    (&["table C.23"], "get-runtimes", r#"{"BeginTime":"20160801000000","EndTime":"20160801000000"}"#),
    (&["table C.30"], "calibrate", r#"{"PolId":"w01018"}"#),
    (&["table C.31"], "sample", r#"{"PolId":"w01018"}"#),
    (&["table C.32"], "clean", r#"{"PolId":"w01018"}"#),
    (&["table C.33"], "compare", r#"{"PolId":"w01018"}"#),
    (&["table C.34", "annex C, p. 54"], "retain-over-limit", "{}"),
    (&["table C.35"], "set-sample-cycle", r#"{"PolId":"w01018","CstartTime":"000000","CTime":2}"#),
    (&["table C.36", "annex C, p. 55"], "get-sample-cycle", r#"{"PolId":"w01018"}"#),
    (&["table C.37"], "get-sample-delay", r#"{"PolId":"w01018"}"#),
    (&["table C.38"], "get-serial", r#"{"PolId":"w01018"}"#),
    (
        &["table C.41", "annex C, p. 58"],
        "get-log",
        r#"{"PolId":"w01018","InfoId":"i11001","BeginTime":"20160801010522","EndTime":"20160801085857"}"#,
    ),
    (&["table C.43"], "get-info", r#"{"PolId":"w01018","InfoId":"i12001"}"#),
    (&["table C.45"], "get-info", r#"{"PolId":"w01018","InfoId":"i13004"}"#),
    (&["table C.46"], "set-parameter", r#"{"PolId":"w01018","InfoId":"i13004","Info":"168.0"}"#),
];

/// The commands of HJ 212-2025 with what is asked for and the area that its tables give. The rest stands as in 2017, with Flag 9.
const OF_2025: &[(&str, &str, &str)] = &[
    ("get-time", "{}", ""),
    ("set-mn", r#"{"MN":"010000A8900016F000169DC1","LoggerId":"LOGGER1"}"#, "i23005-Info=LOGGER1"),
    (
        "get-electricity",
        r#"{"BeginTime":"20240601000000","EndTime":"20240601010000"}"#,
        "BeginTime=20240601000000;EndTime=20240601010000",
    ),
    (
        "get-raw",
        r#"{"BeginTime":"20240601000000","EndTime":"20240601010000"}"#,
        "BeginTime=20240601000000;EndTime=20240601010000",
    ),
    (
        "get-checks",
        r#"{"BeginTime":"20240601000000","EndTime":"20240601010000"}"#,
        "BeginTime=20240601000000;EndTime=20240601010000",
    ),
    ("calibrate", r#"{"PolId":"w01018","CalibrationType":0}"#, "PolId=w01018,CalibrationType=0"),
    ("calibrate", r#"{"PolId":"w01018","CalibrationType":1}"#, "PolId=w01018,CalibrationType=1"),
    ("retain", r#"{"PolId":"w01018"}"#, "PolId=w01018"),
    ("check", r#"{"PolId":"w01018"}"#, "PolId=w01018"),
];

/// The segments that the standard prints at these places, without the blanks of its print.
fn printed(clauses: &[&str]) -> Vec<String> {
    let all = fixtures::all();
    let here = all.iter().filter(|found| found.edition == "2017" && clauses.contains(&found.clause.as_str()));
    here.map(|found| String::from_utf8_lossy(&found.frame[6..found.frame.len() - 6]).replace(' ', "")).collect()
}

/// A request is taken, confirmed where that is asked for, and sent to a station that is there; what was sent, and the QN.
fn asked(stage: &mut Stage, name: &str, parameters: &str) -> (String, String) {
    stage.line("online");
    let request = format!(r#"{{"command":"{name}","author":"li","why":"test","parameters":{parameters}}}"#);
    stage.line(&format!("operator r1 {request}"));
    if stage.sent.is_empty() {
        stage.line("confirm r1 wang");
    }
    let sent = stage.frames().last().cloned().unwrap_or_else(|| panic!("{name} was not sent: {:?}", stage.said));
    (sent, stage.sent.last().unwrap().0.clone())
}

/// The same with the time that a clock is set to left out.
fn but_for_the_clock(segment: &str) -> String {
    match segment.split_once("SystemTime=") {
        Some((before, time)) => {
            format!("{before}SystemTime=…{}", time.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => segment.to_owned(),
    }
}

/// Plays the answers and tells how the request ended, and with how many packets of data.
fn end(stage: &mut Stage, answers: &[String]) -> (Option<Outcome>, usize) {
    for answer in answers {
        stage.line(&format!("station {answer}"));
    }
    let last = stage.said.iter().rev().find(|line| line.starts_with("  status r1 ")).cloned().unwrap_or_default();
    let packets = last.split("packets=").nth(1).and_then(|count| count.trim().parse().ok()).unwrap_or(0);
    (stage.outcome("r1"), packets)
}

/// HJ 212-2017, 6.1: request, 9011, data, 9012; a notification and 9013. HJ 212-2017, 6.3.2, table 4, table 9 and annex C: the bytes.
#[test]
fn the_examples_of_2017_go_out_as_printed_and_end_as_printed() {
    let [accepted, executed] = [&printed(&["table C.1"])[1], &printed(&["table C.1"])[2]].map(Clone::clone);
    let noticed = printed(&["table C.11"])[1].clone();
    for (clauses, name, parameters) in OF_2017 {
        let order = table::find(name, Edition::V2017).unwrap_or_else(|| panic!("{name}"));
        let printed = printed(clauses);
        let (example, rest) = printed.split_first().unwrap();
        assert_eq!(packet::parse(example.as_bytes()).cn, Some(order.cn), "{clauses:?}");
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        stage.line("edition 2017");
        let (sent, qn) = asked(&mut stage, name, parameters);
        assert_eq!(but_for_the_clock(&sent.replace(&qn, ITS_QN)), but_for_the_clock(example), "{clauses:?} {name}");
        // The data stands between the two answers; what the tables say again of those is the same.
        let data: Vec<String> =
            rest.iter().filter(|said| packet::parse(said.as_bytes()).cn == Some(order.cn)).cloned().collect();
        let answers = match order.answers {
            table::Answers::Notice => vec![noticed.clone()],
            _ => [vec![accepted.clone()], data.clone(), vec![executed.clone()]].concat(),
        };
        let answers: Vec<String> = answers.iter().map(|answer| answer.replace(ITS_QN, &qn)).collect();
        assert_eq!(
            end(&mut stage, &answers),
            (Some(Outcome::Done), data.len()),
            "{clauses:?} {name}: {:?}",
            stage.said
        );
        // What asks for it is answered, with its own QN.
        let wants =
            data.iter().filter(|said| packet::parse(said.as_bytes()).flag.is_some_and(|flag| flag.wants_answer()));
        let answered = stage.said.iter().filter(|line| line.contains("gateway") && line.contains("CN=9014"));
        assert_eq!(answered.count(), wants.count(), "{clauses:?} {name}");
    }
}

/// HJ 212-2025, C.1, C.3 to C.5, C.39 and C.59: the areas, among others.
#[test]
fn the_commands_of_2025_go_out_as_its_tables_say_and_end_with_its_answers() {
    let mn = "010000A8900016F000169DC0";
    let header =
        |cn: u16, st: &str, mn: &str, qn: &str| format!("QN={qn};ST={st};CN={cn};PW=123456;MN={mn};Flag=9;CP=&&");
    let answer =
        |cn: u16, qn: &str, area: &str| format!("QN={qn};ST=91;CN={cn};PW=123456;MN={mn};Flag=8;CP=&&{area}&&");
    // What the standard of 2017 prints holds with the Flag of 2025, where the command still is.
    let still =
        OF_2017.iter().filter(|(_, name, _)| *name != "calibrate" && table::find(name, Edition::V2025).is_some());
    let still = still.map(|(clauses, name, parameters)| {
        (*name, *parameters, String::from_utf8_lossy(packet::parse(printed(clauses)[0].as_bytes()).area).into_owned())
    });
    let new = OF_2025.iter().map(|(name, parameters, area)| (*name, *parameters, (*area).to_owned()));
    let mut seen = 0;
    for (name, parameters, area) in still.chain(new) {
        let order = table::find(name, Edition::V2025).unwrap_or_else(|| panic!("{name}"));
        let mut stage = Stage::new(Edition::V2025, open_settings(), None);
        stage.line("edition 2025");
        let (sent, qn) = asked(&mut stage, name, parameters);
        let named = if name == "set-mn" { "010000A8900016F000169DC1" } else { mn };
        let example = format!("{}{area}&&", header(order.cn, order.st.unwrap_or("32"), named, &qn));
        assert_eq!(but_for_the_clock(&sent), but_for_the_clock(&example), "{name}");
        let answers = match order.answers {
            table::Answers::Notice => vec![answer(9013, &qn, "")],
            _ => vec![answer(9011, &qn, "QnRtn=1"), answer(9012, &qn, "ExeRtn=1")],
        };
        assert_eq!(end(&mut stage, &answers).0, Some(Outcome::Done), "{name}: {:?}", stage.said);
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
    // A.1 prints one whole request.
    let all = fixtures::all();
    let printed = all.iter().find(|found| found.clause == "A.1").unwrap();
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    stage.line("edition 2025");
    let (sent, qn) = asked(&mut stage, "get-time", "{}");
    let segment = &printed.frame[6..printed.frame.len() - 6];
    assert_eq!(sent.replace(&qn, "20240601085857223").as_bytes(), segment);
}

/// HJ 212-2025, table 12, as far as implementations agree on it; C.39 is 2011 under ST 44.
#[test]
fn the_commands_of_2025_have_their_numbers() {
    let known = [
        (1000, "set-timeouts"),
        (1002, "set-mn"),
        (1011, "get-time"),
        (1012, "set-time"),
        (1014, "set-key"),
        (1061, "get-realtime-interval"),
        (1062, "set-realtime-interval"),
        (1063, "get-minute-interval"),
        (1064, "set-minute-interval"),
        (1072, "set-password"),
        (2011, "start-realtime"),
        (2011, "get-electricity"),
        (2012, "stop-realtime"),
        (2013, "get-raw"),
        (2021, "start-state"),
        (2022, "stop-state"),
        (2031, "get-days"),
        (2041, "get-runtimes"),
        (2051, "get-minutes"),
        (2052, "get-noise"),
        (2061, "get-hours"),
        (2062, "get-checks"),
        (3011, "calibrate"),
        (3012, "sample"),
        (3013, "clean"),
        (3018, "get-sample-delay"),
        (3019, "get-serial"),
        (3020, "get-log"),
        (3020, "get-info"),
        (3021, "set-parameter"),
        (3022, "retain"),
        (3024, "check"),
    ];
    for (cn, name) in known {
        assert_eq!(table::find(name, Edition::V2025).map(|order| order.cn), Some(cn), "{name}");
    }
    assert_eq!(table::find("get-electricity", Edition::V2025).and_then(|order| order.st), Some("44"));
    // The command that gives a key stands in no row.
    let rows = table::ORDERS.iter().filter(|order| order.editions.contains(&Edition::V2025));
    assert_eq!(rows.count() + 1, known.len());
}

/// The segment of 2005 that is known by this name.
fn form_of_2005(name: &str) -> String {
    let all = fixtures::all();
    let found =
        all.iter().find(|found| found.edition == "2005" && found.clause == name).unwrap_or_else(|| panic!("{name}"));
    String::from_utf8_lossy(&found.frame[6..found.frame.len() - 6]).into_owned()
}

#[test]
fn the_requests_of_2005_that_are_known_go_out_so_and_end_with_its_answers() {
    const QN: &str = "20040516010101001";
    let limits = form_of_2005("alarm limits");
    let known: [(&str, &str, &str, Vec<String>); 2] = [
        (
            "get-limits",
            r#"{"PolId":["101","102"]}"#,
            "request for alarm limits, Flag=3 without PNUM and PNO",
            vec![limits],
        ),
        ("set-sample-hours", r#"{"PolId":"101","CTime":[4,10]}"#, "sampling hours, a name that comes back", Vec::new()),
    ];
    for (name, parameters, example, data) in known {
        let mut stage = Stage::new(Edition::V2005, open_settings(), None);
        stage.line("edition 2005");
        let (sent, qn) = asked(&mut stage, name, parameters);
        assert_eq!(sent.replace(&qn, QN), form_of_2005(example), "{name}");
        let count = data.len();
        let answers =
            [vec![form_of_2005("request answer, QN in CP")], data, vec![form_of_2005("execution result")]].concat();
        let answers: Vec<String> = answers.iter().map(|answer| answer.replace(QN, &qn)).collect();
        assert_eq!(end(&mut stage, &answers), (Some(Outcome::Done), count), "{name}: {:?}", stage.said);
    }
    // A notification has one answer.
    let mut stage = Stage::new(Edition::V2005, open_settings(), None);
    stage.line("edition 2005");
    let (_, qn) = asked(&mut stage, "stop-realtime", "{}");
    let answer = form_of_2005("notification answer").replace(QN, &qn);
    assert_eq!(end(&mut stage, &[answer]).0, Some(Outcome::Done), "{:?}", stage.said);
}
