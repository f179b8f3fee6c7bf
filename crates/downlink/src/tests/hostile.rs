//! Requests of people who want what they may not.

use proptest::prelude::*;

use super::super::*;
use super::stage::{Stage, address, open_settings};
use hj212::Edition;

/// The refusal of a request, after seeing that nothing was sent and one step was kept.
fn refused(stage: &mut Stage, mn: &str, id: &str, body: &str, known: bool) -> Option<Refusal> {
    let address = address(Edition::V2017);
    let (steps, sent) = (stage.journal.len(), stage.sent.len());
    let (result, effects) = stage.desk.submit(&Ask::new(mn, id, body.as_bytes()), known.then_some(&address), stage.now);
    let refusal = result.err()?;
    stage.act(effects);
    stage.line("after 30s");
    assert_eq!((stage.journal.len(), stage.sent.len()), (steps + 1, sent), "{body}");
    assert!(matches!(stage.journal.last(), Some((_, Step::Refused { .. }))));
    Some(refusal)
}

fn ask(command: &str, parameters: &str) -> String {
    format!(r#"{{"command":"{command}","author":"li","why":"x","parameters":{parameters}}}"#)
}

#[test]
fn hostile_requests_send_nothing_and_leave_one_record_each() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    let mn = address(Edition::V2017).mn;
    let long = format!(r#"{{"command":"get-time","author":"li","why":"{}"}}"#, "x".repeat(9000));
    for (id, body, refusal) in [
        ("a", "no json".to_owned(), Refusal::Json),
        ("a", "[]".to_owned(), Refusal::Json),
        ("a", r#"{"command":"get-time","author":"li","why":"x","more":1}"#.to_owned(), Refusal::Json),
        ("a", r#"{"command":"get-time","author":"li\r\n","why":"x"}"#.to_owned(), Refusal::Json),
        ("a", r#"{"command":"get-time","author":"li"}"#.to_owned(), Refusal::Json),
        ("a", long, Refusal::TooLong),
        ("a/b", ask("get-time", "{}"), Refusal::IdForm),
        ("", ask("get-time", "{}"), Refusal::IdForm),
        ("a", ask("format-disk", "{}"), Refusal::CommandUnknown),
        ("a", ask("set-key", "{}"), Refusal::CommandUnknown),
        ("a", ask("get-limits", r#"{"PolId":["101"]}"#), Refusal::EditionLacks),
        ("a", ask("get-time", r#"{"CP":"x"}"#), Refusal::ParameterUnknown),
        ("a", ask("sample", "{}"), Refusal::ParameterMissing),
        ("a", ask("sample", r#"{"PolId":"w1;CN=1"}"#), Refusal::ParameterValue),
        ("a", ask("sample", r#"{"PolId":"&&"}"#), Refusal::ParameterValue),
        ("a", ask("sample", r#"{"PolId":"a\r\n##"}"#), Refusal::ParameterValue),
        ("a", ask("sample", r#"{"PolId":"水"}"#), Refusal::ParameterValue),
        ("a", ask("set-time", r#"{"SystemTime":"20260231000000"}"#), Refusal::ParameterValue),
        ("a", ask("set-realtime-interval", r#"{"RtdInterval":29}"#), Refusal::ParameterValue),
        ("a", ask("set-realtime-interval", r#"{"RtdInterval":"30;CN=1"}"#), Refusal::ParameterValue),
        (
            "a",
            ask("get-hours", r#"{"BeginTime":"20261123090000","EndTime":"20261123080000"}"#),
            Refusal::ParameterValue,
        ),
    ] {
        assert_eq!(refused(&mut stage, &mn, id, &body, true), Some(refusal), "{body}");
    }
    assert_eq!(refused(&mut stage, &mn, "a", &ask("get-time", "{}"), false), Some(Refusal::StationUnknown));
    assert_eq!(refused(&mut stage, "another", "a", &ask("get-time", "{}"), true), Some(Refusal::StationUnknown));
    assert_eq!(stage.desk.tally().sent, 0);
}

#[test]
fn an_id_is_used_once_also_after_a_restart() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line(&format!("operator a {}", ask("get-time", "{}")));
    let mn = address(Edition::V2017).mn;
    assert_eq!(refused(&mut stage, &mn, "a", &ask("get-time", "{}"), true), Some(Refusal::IdUsed));
    stage.desk = Desk::restore(open_settings(), stage.journal.clone(), |_| Some(address(Edition::V2017)), stage.now);
    assert_eq!(refused(&mut stage, &mn, "a", &ask("get-time", "{}"), true), Some(Refusal::IdUsed));
}

#[test]
fn nobody_commands_anything_unless_it_is_allowed() {
    let mut stage = Stage::new(Edition::V2017, Settings::default(), None);
    let mn = address(Edition::V2017).mn;
    assert_eq!(refused(&mut stage, &mn, "a", &ask("get-time", "{}"), true), Some(Refusal::NotAllowed));
    let one = |text: &str| vec![text.to_owned()];
    let allow = vec![Allow { stations: one(&mn), commands: one("get-time"), authors: one("wang"), roles: Vec::new() }];
    let mut stage = Stage::new(Edition::V2017, Settings { allow, ..Settings::default() }, None);
    assert_eq!(refused(&mut stage, &mn, "a", &ask("get-time", "{}"), true), Some(Refusal::NotAllowed));
    assert_eq!(refused(&mut stage, &mn, "a", &ask("get-time", "{}").replace("li", "wang"), true), None);
}

#[test]
fn control_commands_need_another_person_and_the_right_word() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let mn = address(Edition::V2017).mn;
    stage.line("online");
    stage.line(&format!("operator a {}", ask("sample", r#"{"PolId":"w01018"}"#)));
    let confirm = |token: &str, author: &str| format!(r#"{{"confirm":"{token}","author":"{author}","why":"x"}}"#);
    assert_eq!(refused(&mut stage, &mn, "a", &confirm("00000000", "wang"), true), Some(Refusal::ConfirmToken));
    assert_eq!(refused(&mut stage, &mn, "b", &confirm("00000000", "wang"), true), Some(Refusal::NothingToConfirm));
    let Some((_, Step::Queued { confirm: Some(token), .. })) = stage.journal.first().cloned() else { panic!() };
    assert_eq!(refused(&mut stage, &mn, "a", &confirm(&token, "li"), true), Some(Refusal::ConfirmAuthor));
    assert!(stage.sent.is_empty());
    stage.line("confirm a wang");
    assert_eq!(stage.sent.len(), 1);
    stage.line("after 100s");
    assert_eq!(refused(&mut stage, &mn, "a", &confirm(&token, "wang"), true), Some(Refusal::NothingToConfirm));
}

#[test]
fn the_queue_is_bounded_and_the_operator_goes_first() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let station = address(Edition::V2017);
    let empty = serde_json::Map::new();
    let (result, effects) = stage.desk.want(&station, "recall-1", "get-time", &empty, Origin::Recall, stage.now);
    assert_eq!(result, Ok(()));
    stage.act(effects);
    for number in 0..31 {
        stage.line(&format!("operator o{number} {}", ask("get-realtime-interval", "{}")));
    }
    assert_eq!(refused(&mut stage, &station.mn, "o31", &ask("get-time", "{}"), true), Some(Refusal::QueueFull));
    stage.line("online");
    assert!(stage.said.iter().any(|said| said.contains("CN=1061")));
    assert!(!stage.said.iter().any(|said| said.contains("CN=1011")), "one exchange at a time");
}

proptest! {
    #[test]
    fn no_value_of_any_request_reaches_the_wire_with_a_separator(name in "[a-z-]{1,12}|sample|set-parameter|set-target", value in "\\PC{0,20}|[;=&#,\r\n]{1,4}", key in "PolId|Info|InfoId|AlarmTarget") {
        for edition in [Edition::V2005, Edition::V2017] {
            let Some(order) = table::find(&name, edition) else { continue };
            let mut given = serde_json::Map::new();
            for parameter in order.parameters {
                given.insert(parameter.name.into(), "w01018".into());
            }
            given.insert(key.clone(), value.clone().into());
            if let Ok(area) = super::super::value::area(order, &given) {
                prop_assert!(area.text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=;,-._:".contains(&b)));
                prop_assert_eq!(area.text.matches('=').count(), order.parameters.len());
            }
        }
    }
}
