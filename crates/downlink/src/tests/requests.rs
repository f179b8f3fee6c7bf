//! Requests have one end each, and what is refused says what is wrong.

use super::super::*;
use super::stage::{NOW, Stage, address, mn_of, open_settings};
use hj212::Edition;

fn ask(stage: &mut Stage, ask: &Ask<'_>) -> (Result<(), Refusal>, serde_json::Value) {
    let address = address(Edition::V2017);
    let (taken, effects) = stage.desk.submit(ask, Some(&address), stage.now);
    stage.act(effects);
    let (_, step) = stage.journal.last().unwrap();
    (taken, step.status(stage.now.wall).unwrap_or_default())
}

fn get_time(more: &str) -> String {
    format!(r#"{{"command":"get-time","author":"li","why":"x"{more}}}"#)
}

#[test]
fn a_row_taken_away_ends_what_waits_and_nothing_comes_to_life_with_it() {
    for sent in [false, true] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        if sent {
            stage.line("online");
        }
        stage.line(&format!("operator a {}", get_time("")));
        let effects = stage.desk.readdress(|_| None, stage.now);
        stage.act(effects);
        assert_eq!(stage.outcome("a"), Some(Outcome::Unregistered));
        let own = address(Edition::V2017);
        let effects = stage.desk.readdress(|_| Some(own.clone()), stage.now);
        stage.act(effects);
        stage.line("online");
        stage.killed();
        stage.line("online");
        stage.line("after 100s");
        assert_eq!((stage.sent.len(), stage.desk.open()), (usize::from(sent), 0));
    }
}

#[test]
fn what_waits_for_a_station_that_is_gone_at_the_start_ends_then() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line(&format!("operator a {}", get_time("")));
    stage.desk = Desk::restore(open_settings(), stage.journal.clone(), |_| None, stage.now);
    stage.line("after 1s");
    assert_eq!(stage.outcome("a"), Some(Outcome::Unregistered));
}

#[test]
fn keys_outlive_a_row_that_is_taken_away() {
    let key = hj212::sm4::Key::from_text("0123456789abcdef").unwrap();
    let own = address(Edition::V2025);
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let effects = stage.desk.install_key(&own, "20260101000000000", &key);
    stage.act(effects);
    let effects = stage.desk.readdress(|_| None, stage.now);
    stage.act(effects);
    stage.desk = Desk::restore(open_settings(), stage.journal.clone(), |_| None, stage.now);
    let effects = stage.desk.readdress(|_| Some(own.clone()), stage.now);
    stage.act(effects);
    assert_eq!(stage.desk.keys(&own.mn).unwrap().proven(), Some(&key));
}

#[test]
fn expires_counts_from_when_it_was_asked() {
    let mn = mn_of(Edition::V2017);
    for (more, left, expected) in [
        (r#","expires":2,"asked_at":"2026-11-23T09:59:50+08:00""#, None, Err(Refusal::Overdue)),
        (r#","expires":20,"asked_at":"2026-11-23T09:59:50+08:00""#, None, Ok(())),
        (r#","asked_at":"2026-11-22T09:59:50+08:00""#, None, Err(Refusal::Overdue)),
        (r#","asked_at":"2026-11-23T02:00:01Z""#, None, Ok(())),
        (r#","asked_at":"2026-11-23T11:00:00+08:00""#, None, Err(Refusal::AskedAt)),
        (r#","asked_at":"yesterday""#, None, Err(Refusal::AskedAt)),
        ("", Some(5), Ok(())),
        ("", Some(0), Err(Refusal::Overdue)),
    ] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let body = get_time(more);
        let left = left.map(std::time::Duration::from_secs);
        let (taken, _) = ask(&mut stage, &Ask { left, ..Ask::new(mn, "a", body.as_bytes()) });
        assert_eq!(taken, expected, "{more}");
        stage.line("after 11s");
        if taken.is_ok() && !more.contains("Z") {
            assert_eq!(stage.outcome("a"), Some(Outcome::Expired), "{more} {left:?}");
        }
    }
    assert_eq!(NOW % 1_000_000, 0);
}

#[test]
fn what_says_no_time_counts_from_when_it_is_seen_or_is_refused_where_times_are_wanted() {
    let mn = mn_of(Edition::V2017);
    for (dated, more, left, expected) in [
        (false, "", None, Ok(())),
        (true, "", None, Err(Refusal::Undated)),
        (true, "", Some(5), Ok(())),
        (true, r#","asked_at":"2026-11-23T02:00:00Z""#, None, Ok(())),
        (true, r#","expires":9"#, None, Err(Refusal::Undated)),
    ] {
        let mut stage = Stage::new(Edition::V2017, Settings { dated, ..open_settings() }, None);
        let body = get_time(more);
        let left = left.map(std::time::Duration::from_secs);
        let (taken, _) = ask(&mut stage, &Ask { left, ..Ask::new(mn, "a", body.as_bytes()) });
        assert_eq!(taken, expected, "{dated} {more} {left:?}");
    }
    // Seen a day late it waits its whole time from then on: nothing tells that it is old.
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("after 86400s");
    let seen = stage.now.wall;
    ask(&mut stage, &Ask::new(mn, "a", get_time(r#","expires":60"#).as_bytes())).0.unwrap();
    let queued = stage
        .journal
        .iter()
        .find_map(|(_, step)| if let Step::Queued { expires, .. } = step { Some(*expires) } else { None });
    assert_eq!(queued.map(|until| until.0 - seen.0), Some(60_000_000));
}

#[test]
fn a_request_is_taken_back_before_it_is_sent_and_after() {
    let cancel = r#"{"cancel":true,"author":"wang","why":"a mistake"}"#;
    for (online, outcome) in [(false, Outcome::Withdrawn), (true, Outcome::Cancelled)] {
        for kill in [false, true] {
            let mut stage = Stage::new(Edition::V2017, open_settings(), None);
            if online {
                stage.line("online");
            }
            stage.line(&format!("operator a {}", get_time("")));
            stage.line(&format!("operator a {cancel}"));
            if kill {
                stage.killed();
            }
            stage.line("after 1s");
            assert_eq!(stage.outcome("a"), Some(outcome));
            let (again, status) = ask(&mut stage, &Ask::new(mn_of(Edition::V2017), "a", cancel.as_bytes()));
            assert_eq!((again, status["state"].as_str()), (Err(Refusal::NothingToCancel), Some("rejected")));
            stage.line("online");
            stage.line("after 100s");
            assert_eq!(stage.sent.len(), usize::from(online));
        }
    }
    // Nobody takes back what he may not ask for.
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line(&format!("operator a {}", get_time("")));
    stage.settings.allow[0].authors = vec!["li".into()];
    let settings = stage.settings.clone();
    stage.desk.replace_settings(settings);
    let (taken, _) = ask(&mut stage, &Ask::new(mn_of(Edition::V2017), "a", cancel.as_bytes()));
    assert_eq!(taken, Err(Refusal::NotAllowed));
}

/// HJ 212-2017, 6.4 and table 4: RtdInterval is 30 to 3600, PolId has up to 6 characters, NewPW 6.
#[test]
fn a_refusal_names_the_parameter_its_value_and_what_it_must_be() {
    for (body, parameter, value, zh, en) in [
        (
            r#"{"command":"set-realtime-interval","author":"li","why":"x","parameters":{"RtdInterval":10}}"#,
            "RtdInterval",
            Some("10"),
            "30 至 3600",
            "from 30 to 3600",
        ),
        (r#"{"command":"sample","author":"li","why":"x"}"#, "PolId", None, "1 至 6 位", "1 to 6 letters"),
        (r#"{"command":"get-time","author":"li","why":"x","parameters":{"Pol":1}}"#, "Pol", None, "PolId", "PolId"),
        (
            r#"{"command":"set-password","author":"li","why":"x","parameters":{"NewPW":"secret7"}}"#,
            "NewPW",
            None,
            "6 位",
            "six letters",
        ),
        (r#"{"command":"get-time","author":"li","why":"x","expires":0}"#, "expires", None, "2592000", "2592000"),
        (r#"{"command":"get-time","author":"","why":"x"}"#, "author", None, "64", "64"),
    ] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let (taken, status) = ask(&mut stage, &Ask::new(mn_of(Edition::V2017), "a", body.as_bytes()));
        assert!(taken.is_err());
        assert_eq!(
            (status["about"]["parameter"].as_str(), status["about"]["value"].as_str()),
            (Some(parameter), value)
        );
        let said = |key: &str| status["explain"][key].as_str().unwrap_or_default().to_owned();
        assert!(said("zh").contains(zh) && said("zh").contains(parameter), "{status}");
        assert!(said("en").contains(en) && said("en").contains(parameter), "{status}");
        assert!(!status.to_string().contains("secret7"), "{status}");
    }
}

#[test]
fn limits_that_no_value_can_keep_are_refused() {
    let order = table::find("set-limits", Edition::V2005).unwrap();
    for (low, up, good) in [("1.1", "9.9", true), ("9.9", "1.1", false), ("-2", "-1.5", true), ("-1", "-1.01", false)] {
        let text = format!(r#"{{"Limits":[{{"PolId":"101","LowValue":"{low}","UpValue":"{up}"}}]}}"#);
        let given = serde_json::from_str(&text).unwrap();
        assert_eq!(super::super::value::area(order, &given).is_ok(), good, "{low} {up}");
    }
}

#[test]
fn a_refusal_stands_under_the_whole_id_that_was_given() {
    let mn = mn_of(Edition::V2017);
    let long = "x".repeat(65);
    for (id, shown) in [("a b", true), (long.as_str(), true), ("a/b", true)] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let (taken, status) = ask(&mut stage, &Ask::new(mn, id, get_time("").as_bytes()));
        assert_eq!((taken, status["id"].as_str()), (Err(Refusal::IdForm), Some(id)));
        assert!(matches!(stage.journal.last(), Some((_, Step::Refused { shown: own, .. })) if *own == shown));
    }
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line(&format!("operator a {}", get_time("")));
    let (taken, status) = ask(&mut stage, &Ask::new(mn, "a", get_time("").as_bytes()));
    assert_eq!((taken, status["reason"].as_str()), (Err(Refusal::IdUsed), Some("id-used")));
    assert!(matches!(stage.journal.last(), Some((_, Step::Refused { shown: false, .. }))), "it hides no other status");
}

#[test]
fn what_a_station_answers_stands_with_the_request() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    stage.line(&format!("operator a {}", get_time("")));
    let (mn, qn) = (mn_of(Edition::V2017), stage.sent[0].0.clone());
    stage.line(&format!("station QN={qn};ST=32;CN=1011;PW=123456;MN={mn};Flag=4;CP=&&SystemTime=20261123095959&&"));
    let data = stage.journal.iter().find_map(|(_, step)| match step {
        Step::Data { answer, .. } => answer.clone(),
        _ => None,
    });
    assert_eq!(data.as_deref(), Some("SystemTime=20261123095959"));
}

#[test]
fn packets_of_history_that_cannot_be_read_are_counted_as_far_as_there_can_be() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    stage.line("online");
    stage.line(
        r#"operator a {"command":"get-minutes","author":"li","why":"x","parameters":{"BeginTime":"20261123080000","EndTime":"20261123080200"}}"#,
    );
    let (mn, qn) = (mn_of(Edition::V2025), stage.sent[0].0.clone());
    stage.line(&format!("station QN={qn};ST=91;CN=9011;PW=123456;MN={mn};Flag=8;CP=&&QnRtn=1&&"));
    let printed: Vec<String> = (0..32).map(|n| format!("0x{:02X}", n * 7 + 3)).collect();
    let sealed =
        format!("QN=20261123100000777;ST=32;CN=2051;PW=123456;MN={mn};Flag=9;CP=&&{{{}}}abc&&", printed.join(","));
    for _ in 0..20 {
        stage.says(mn, &sealed, None);
        stage.line("after 10s");
    }
    assert_eq!(stage.outcome("a"), None, "it goes on while data come");
    for _ in 0..20 {
        stage.says(mn, &sealed, None);
        stage.line("after 10s");
    }
    assert_eq!(stage.outcome("a"), Some(Outcome::TimedOut), "three minutes have no forty packets");
}

#[test]
fn a_role_is_vouched_for_by_the_topic_and_confirms_nothing_of_its_own() {
    let mn = mn_of(Edition::V2017);
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let all = || vec!["*".to_owned()];
    let rule = |commands: &str, roles: &[&str]| Allow {
        stations: all(),
        commands: vec![commands.into()],
        authors: all(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let allow = vec![rule("sample", &["operator", "inspector"]), rule("get-time", &["reader"])];
    stage.desk.replace_settings(Settings { allow, ..open_settings() });
    let sample = br#"{"command":"sample","author":"li","why":"x","parameters":{"PolId":"w01018"}}"#;
    let (taken, _) = ask(&mut stage, &Ask::new(mn, "a", sample));
    assert_eq!(taken, Err(Refusal::NotAllowed), "a rule with roles is for these alone");
    let (taken, _) = ask(&mut stage, &Ask { role: Some("reader"), ..Ask::new(mn, "a", sample) });
    assert_eq!(taken, Err(Refusal::RoleForbidden));
    let (taken, _) = ask(&mut stage, &Ask { role: Some("Operator"), ..Ask::new(mn, "a", sample) });
    assert_eq!(taken, Err(Refusal::RoleUnknown), "a role is written to the letter");
    let (taken, status) = ask(&mut stage, &Ask { role: Some("operator"), ..Ask::new(mn, "a", sample) });
    assert_eq!((taken, status["author"].as_str()), (Ok(()), Some("li@operator")));
    let confirm = format!(r#"{{"confirm":{},"author":"wang","why":"x"}}"#, status["confirm"]);
    for (role, author, expected) in [
        (Some("operator"), "wang", Err(Refusal::RoleSame)),
        (Some("reader"), "wang", Err(Refusal::RoleForbidden)),
        (Some("inspector"), "li", Err(Refusal::ConfirmAuthor)),
        (Some("inspector"), "LI", Err(Refusal::ConfirmAuthor)),
        (Some("nobody"), "wang", Err(Refusal::RoleUnknown)),
        (None, "wang", Err(Refusal::NotAllowed)),
        (Some("inspector"), "wang", Ok(())),
    ] {
        let body = confirm.replace("wang", author);
        let (taken, _) = ask(&mut stage, &Ask { role, ..Ask::new(mn, "a", body.as_bytes()) });
        assert_eq!(taken, expected, "{role:?} {author}");
    }
}

#[test]
fn a_password_in_clear_is_refused_unless_the_configuration_allows_it() {
    let mn = mn_of(Edition::V2017);
    let body = br#"{"command":"set-password","author":"li","why":"x","parameters":{"NewPW":"654321"}}"#;
    for (plain_secrets, hidden, expected) in
        [(false, false, Err(Refusal::SecretPlain)), (true, false, Ok(())), (false, true, Ok(()))]
    {
        let mut stage = Stage::new(Edition::V2017, Settings { plain_secrets, ..open_settings() }, None);
        let (taken, _) = ask(&mut stage, &Ask { hidden, ..Ask::new(mn, "a", body) });
        assert_eq!(taken, expected);
    }
}

#[test]
fn an_operator_s_command_is_carried_out_between_the_packets_of_a_history() {
    const HISTORY: &str = r#"operator h {"command":"get-hours","author":"li","why":"x","parameters":{"BeginTime":"20261122080000","EndTime":"20261123080000"}}"#;
    for (kill, with_qn) in [(false, true), (true, true), (false, false)] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        stage.line("online");
        stage.line(HISTORY);
        let (mn, history) = (mn_of(Edition::V2017), stage.sent[0].0.clone());
        let head = |qn: &str| if with_qn { format!("QN={qn};") } else { String::new() };
        stage.line(&format!("station {}ST=91;CN=9011;PW=123456;MN={mn};Flag=4;CP=&&QnRtn=1&&", head(&history)));
        let packet = format!(
            "station QN=20261123100000501;ST=32;CN=2061;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261122090000&&"
        );
        stage.line(&packet);
        stage.line(&format!("operator o {}", get_time("")));
        if !with_qn {
            assert_eq!(stage.sent.len(), 1, "answers that name nothing could not be told apart");
            continue;
        }
        assert_eq!(stage.sent.len(), 2);
        stage.line(&packet);
        if kill {
            stage.killed();
            stage.line("online");
        }
        let own = stage.sent.iter().map(|(qn, _)| qn.clone()).find(|qn| *qn != history).unwrap();
        stage.line(&format!("station QN={own};ST=91;CN=9011;PW=123456;MN={mn};Flag=4;CP=&&QnRtn=1&&"));
        stage.line(&packet);
        stage.line(&format!("station QN={own};ST=91;CN=9012;PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
        assert_eq!((stage.outcome("o"), stage.outcome("h")), (Some(Outcome::Done), None), "killed {kill}");
        stage.line(&packet);
        stage.line(&format!("station QN={history};ST=91;CN=9012;PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
        assert_eq!(stage.outcome("h"), Some(Outcome::Done));
        let packets = stage.journal.iter().rev().find_map(|(_, step)| match step {
            Step::Ended { id, packets, .. } if id == "h" => Some(*packets),
            _ => None,
        });
        assert_eq!(packets, Some(4), "none is lost");
        assert_eq!(stage.desk.open(), 0);
    }
}

#[test]
fn a_history_that_falls_silent_beside_a_command_times_out_as_ever() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    stage.line(
        r#"operator h {"command":"get-hours","author":"li","why":"x","parameters":{"BeginTime":"20261122080000","EndTime":"20261123080000"}}"#,
    );
    let (mn, history) = (mn_of(Edition::V2017), stage.sent[0].0.clone());
    stage.line(&format!("station QN={history};ST=91;CN=9011;PW=123456;MN={mn};Flag=4;CP=&&QnRtn=1&&"));
    stage.line(&format!("operator o {}", get_time("")));
    stage.line(&format!("operator p {}", get_time("")));
    stage.line("after 70s");
    assert_eq!((stage.outcome("h"), stage.outcome("o")), (Some(Outcome::TimedOut), Some(Outcome::NoAnswer)));
    stage.line("after 100s");
    assert_eq!((stage.outcome("p"), stage.desk.open()), (Some(Outcome::NoAnswer), 0));
}

#[test]
fn an_author_that_no_role_vouches_for_does_not_look_as_if_one_did() {
    let mn = mn_of(Edition::V2017);
    let forms = [r#""command":"get-time""#, r#""command":"set-key""#, r#""confirm":"00000000""#, r#""cancel":true"#];
    for form in forms {
        for author in ["li@operator", "@", "li\u{FF20}operator"] {
            let mut stage = Stage::new(Edition::V2017, open_settings(), None);
            let body = format!(r#"{{{form},"author":"{author}","why":"x"}}"#);
            let (taken, status) = ask(&mut stage, &Ask::new(mn, "a", body.as_bytes()));
            assert_eq!((taken, status["reason"].as_str()), (Err(Refusal::AuthorRole), Some("author-role")), "{body}");
            assert_eq!(status["about"]["parameter"], "author");
            assert!(!status["author"].as_str().unwrap().contains(crate::request::VOUCHES), "{status}");
            let (taken, _) = ask(&mut stage, &Ask { role: Some("reader"), ..Ask::new(mn, "b", body.as_bytes()) });
            assert_ne!(taken, Err(Refusal::AuthorRole), "{body}");
            let effects = stage.desk.refuse(&Ask::new(mn, "c", body.as_bytes()), Refusal::Retained);
            stage.act(effects);
            let Some((_, Step::Refused { author, .. })) = stage.journal.last() else { panic!() };
            assert!(!author.contains('@'), "{author}");
        }
    }
}

#[test]
fn ids_that_begin_like_the_gateway_s_own_are_reserved() {
    let mn = mn_of(Edition::V2017);
    for id in ["recall-hour-20260602000000-1", "first-x", "clock-1", "key-1", "register-1"] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let (taken, status) = ask(&mut stage, &Ask::new(mn, id, get_time("").as_bytes()));
        assert_eq!((taken, status["reason"].as_str()), (Err(Refusal::IdReserved), Some("id-reserved")), "{id}");
        let cancel = br#"{"cancel":true,"author":"li","why":"x"}"#;
        let (taken, _) = ask(&mut stage, &Ask::new(mn, id, cancel));
        assert_eq!(taken, Err(Refusal::NothingToCancel), "a recall can be taken back");
    }
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    for id in ["recall", "x-recall-1", "keys"] {
        assert_eq!(ask(&mut stage, &Ask::new(mn, id, get_time("").as_bytes())).0, Ok(()), "{id}");
    }
}

#[test]
fn an_mn_of_another_station_is_not_given() {
    let mn = mn_of(Edition::V2025);
    let body = br#"{"command":"set-mn","author":"li","why":"x","parameters":{"MN":"010000A8900016F000169DC9","LoggerId":"L1"}}"#;
    assert_eq!(Desk::gives_mn(body).as_deref(), Some("010000A8900016F000169DC9"));
    assert_eq!(Desk::gives_mn(get_time("").as_bytes()), None);
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let address = address(Edition::V2025);
    let taken_one = Ask { mn_taken: true, ..Ask::new(mn, "a", body) };
    assert_eq!(stage.desk.submit(&taken_one, Some(&address), stage.now).0, Err(Refusal::MnTaken));
    assert_eq!(stage.desk.submit(&Ask::new(mn, "b", body), Some(&address), stage.now).0, Ok(()));
}

#[test]
fn an_expiry_of_another_form_is_named() {
    let mn = mn_of(Edition::V2017);
    for expires in ["0", "-1", "1.5", "\"60\"", "99999999", "[]", "true"] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let body = get_time(&format!(r#","expires":{expires}"#));
        let (taken, status) = ask(&mut stage, &Ask::new(mn, "a", body.as_bytes()));
        assert_eq!((taken, status["about"]["parameter"].as_str()), (Err(Refusal::Json), Some("expires")), "{body}");
    }
}

#[test]
fn a_refusal_names_what_is_wrong_and_shows_no_password() {
    let mn = mn_of(Edition::V2017);
    for (body, reason, parameter, value) in [
        (get_time(r#","asked_at":"yesterday""#), Refusal::AskedAt, "asked_at", Some("yesterday")),
        (r#"{"command":"get-time","author":"li"}"#.into(), Refusal::Json, "why", None),
        (r#"{"command":"get-time","why":"x"}"#.into(), Refusal::Json, "author", None),
        (get_time(r#","Expiry":5"#), Refusal::Json, "Expiry", None),
        (get_time("").replace("get-time", "retain"), Refusal::EditionLacks, "command", Some("retain")),
        (
            r#"{"command":"set-password","author":"li","why":"x","parameters":{"NewPW":"654321"}}"#.into(),
            Refusal::SecretPlain,
            "NewPW",
            None,
        ),
        (get_time(r#","parameters":{"PolId":"PW=654321"}"#), Refusal::ParameterValue, "PolId", Some("PW=******")),
    ] {
        let mut stage = Stage::new(Edition::V2017, Settings { plain_secrets: false, ..open_settings() }, None);
        let (taken, _) = ask(&mut stage, &Ask::new(mn, "a", body.as_bytes()));
        assert_eq!(taken, Err(reason), "{body}");
        let Some((_, Step::Refused { about: Some(about), .. })) = stage.journal.last() else { panic!("{body}") };
        assert_eq!((about.parameter.as_str(), about.value.as_deref()), (parameter, value), "{body}");
    }
}

#[test]
fn what_was_asked_under_a_role_is_not_confirmed_without_one() {
    let all = || vec!["*".to_owned()];
    let rule = |roles: &[&str]| Allow {
        stations: all(),
        commands: all(),
        authors: all(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let settings = Settings { allow: vec![rule(&[]), rule(&["operator", "inspector"])], ..open_settings() };
    for (role, expected) in
        [(None, Err(Refusal::RoleSame)), (Some("operator"), Err(Refusal::RoleSame)), (Some("inspector"), Ok(()))]
    {
        let mut stage = Stage::new(Edition::V2017, settings.clone(), None);
        let mn = mn_of(Edition::V2017);
        let body = br#"{"command":"sample","author":"li","why":"x","parameters":{"PolId":"w01018"}}"#;
        let (_, status) = ask(&mut stage, &Ask { role: Some("operator"), ..Ask::new(mn, "a", body) });
        let confirm = format!(r#"{{"confirm":{},"author":"wang","why":"x"}}"#, status["confirm"]);
        let (taken, _) = ask(&mut stage, &Ask { role, ..Ask::new(mn, "a", confirm.as_bytes()) });
        assert_eq!(taken, expected, "{role:?}");
    }
}
