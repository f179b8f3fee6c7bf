//! Cases as they are published: every body against its schema, and the same whether or not the gateway was killed before each record.

use super::*;

const MN: &str = "010000A8900016F000169DC1";

fn said(minutes: i64, role: &str, id: &str, step_: &str, author: &str, more: &str) -> Step {
    let json = format!(
        r#"{{"schema":"hj212.case-step/1","id":"{id}","case":"C-1","step":"{step_}","author":"{author}","text":"说明"{more}}}"#
    );
    step(Timestamp(noon().0 + minutes * 60_000_000), &Record::CaseStep { mn: MN, role, id, json: json.as_bytes() })
}

fn life() -> Vec<Step> {
    let mut context = Context::default();
    context.stations.insert(MN.into(), Default::default());
    let mut steps = context_steps(noon(), &context);
    let opening = r#","colour":"yellow","code":"a21026","outlet":"DA001""#;
    steps.push(said(1, "county", "S-1", "open", "周", opening));
    steps.push(said(2, "enterprise", "S-2", "done", "李", ""));
    steps.push(said(3, "enterprise", "S-3", "sign", "李", ""));
    steps.push(said(3, "enterprise", "S-3", "sign", "李", ""));
    steps.push(said(4, "enterprise", "S-4", "reply", "李", r#","cause":"control-facility","files":[{"name":"照片.jpg","sha256":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","bytes":1}],"marks":["2026-0042"]"#));
    steps.push(said(5, "enterprise", "S-5", "done", "李", ""));
    steps.push(said(6, "county", "S-6", "accept", "李", ""));
    steps.push(said(7, "county", "S/7", "accept", "周", ""));
    // Nobody acts: after five working days it is overdue.
    for hours in 1..24 * 12 {
        steps.push(step(
            Timestamp(noon().0 + (10 + hours * 60) * 60_000_000),
            &Record::Clock((10 + hours * 60) * 60_000_000),
        ));
    }
    steps
}

#[test]
fn what_is_published_of_a_case_fits_its_schema_and_survives_a_kill_before_every_record() {
    let steps = life();
    let whole = played(&steps);
    let schemas = Schemas::new();
    whole.iter().for_each(|publication| schemas.check(publication));
    let states: Vec<String> = whole
        .iter()
        .filter(|publication| publication.topic.contains("/case-step/"))
        .map(|publication| {
            let body: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
            let level = publication.topic.split('/').nth(4).unwrap().to_owned();
            format!("{level} {}", body["why"]["code"].as_str().or(body["case"]["state"].as_str()).unwrap())
        })
        .collect();
    assert_eq!(
        states,
        [
            "county open",
            "enterprise state",
            "enterprise signed",
            "enterprise signed",
            "enterprise replied",
            "enterprise done",
            "county own-step",
            "county id"
        ]
    );
    assert!(whole.iter().any(|publication| publication.topic.ends_with("/event/case-overdue")));
    let mut player = Player::new(settings());
    for step in &steps {
        player.interpreter = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
        player.play(std::slice::from_ref(step));
    }
    assert_eq!(player.out, whole);
    assert_eq!(player.interpreter.cases().all().count(), 1);
}

#[test]
fn a_step_for_a_station_that_is_not_registered_is_answered() {
    let out = played(&[said(1, "county", "S-1", "open", "周", r#","colour":"red","code":"a21026""#)]);
    Schemas::new().check(&out[0]);
    assert!(std::str::from_utf8(&out[0].payload).unwrap().contains("unknown-station"));
}

#[test]
fn a_case_is_of_a_known_factor_that_has_no_open_case_and_of_the_registered_outlet() {
    let mut context = Context::default();
    let facts = StationFacts { tags: [("outlet", "DA001".to_owned())].into(), ..StationFacts::default() };
    context.stations.insert(MN.into(), facts.into());
    let mut steps = context_steps(noon(), &context);
    let of = |code: &str| format!(r#","colour":"blue","code":"{code}""#);
    steps.push(said(1, "county", "S-1", "open", "周", &of("so2")));
    steps.push(said(2, "county", "S-2", "open", "周", &of("a21026")));
    let other = r#"{"schema":"hj212.case-step/1","id":"S-3","case":"K-3","step":"open","author":"周","text":"说明","colour":"red","code":"a21026"}"#;
    let record = Record::CaseStep { mn: MN, role: "city", id: "S-3", json: other.as_bytes() };
    steps.push(step(Timestamp(noon().0 + 3 * 60_000_000), &record));
    let out = played(&steps);
    let schemas = Schemas::new();
    out.iter().for_each(|publication| schemas.check(publication));
    let answers: Vec<String> = out
        .iter()
        .filter(|publication| publication.topic.contains("/case-step/"))
        .map(|publication| {
            let body: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
            body["why"]["code"].as_str().or(body["case"]["state"].as_str()).unwrap().to_owned()
        })
        .collect();
    assert_eq!(answers, ["code-unknown", "open", "open-case"]);
    let case = out.iter().rfind(|publication| publication.topic.ends_with("/case/C-1")).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&case.payload).unwrap();
    assert_eq!(body["outlet"], "DA001");
}

#[test]
fn an_anchor_is_published_as_it_was_signed() {
    let text = br#"{"schema":"hj212.anchor/1","gateway":"ah-01","journal":"00112233445566778899aabbccddeeff","number":1,"day":"2026-06-01","made_at":"2026-06-02T00:05:00+08:00","first":1,"last":9,"count":9,"root":"0000000000000000000000000000000000000000000000000000000000000000","head":"0000000000000000000000000000000000000000000000000000000000000000","previous":"0000000000000000000000000000000000000000000000000000000000000000","key":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a","signature":"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"}"#;
    let out = played(&[step(noon(), &Record::Anchor(text))]);
    Schemas::new().check(&out[0]);
    assert_eq!((out.len(), &out[0].payload[..], out[0].retain), (1, &text[..], true));
    assert!(out[0].topic.ends_with("/gateway/ah-01/anchor"));
}
