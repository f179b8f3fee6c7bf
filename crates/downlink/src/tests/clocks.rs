//! Clocks: no station is ever set to a time that was right earlier, and no step of the host's clock moves a time-out.

use super::super::*;
use super::stage::{NOW, Stage, address, mn_of, open_settings};
use hj212::Edition;
use hj212_model::message::Timestamp;

/// SystemTime of each 1012 sent, with the moment at which it went out.
fn set_times(stage: &Stage) -> Vec<String> {
    let time = |frame: &String| frame.split("SystemTime=").nth(1).map(|rest| rest.trim_end_matches('&').to_owned());
    stage.frames().iter().filter_map(time).collect()
}

fn beijing(stage: &Stage) -> String {
    super::super::moment::system_time(stage.now.wall)
}

#[test]
fn each_sending_has_the_time_of_its_own() {
    for kill in [false, true] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        stage.line("online");
        stage.line(r#"operator a {"command":"set-time","author":"li","why":"x"}"#);
        assert_eq!(set_times(&stage), [beijing(&stage)]);
        stage.line("after 11s");
        assert_eq!(set_times(&stage)[1], "20261123100010", "a resend");
        stage.line("offline");
        if kill {
            stage.killed();
        }
        stage.line("after 4000s");
        stage.line("online");
        assert_eq!(set_times(&stage)[2], beijing(&stage), "after a reconnect, killed {kill}");
        let qns: std::collections::BTreeSet<_> = stage.sent.iter().map(|(qn, _)| qn.clone()).collect();
        assert_eq!(qns.len(), 1, "it is the same request");
    }
}

#[test]
fn a_step_that_was_long_on_its_way_is_made_anew() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let station = address(Edition::V2017);
    stage.line("online");
    let body = br#"{"command":"set-time","author":"li","why":"x"}"#;
    let (_, effects) = stage.desk.submit(&Ask::new(&station.mn, "a", body), Some(&station), stage.now);
    let [Effect::Record { ticket, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = stage.desk.recorded(ticket, stage.now);
    let Some(Effect::Record { ticket, .. }) = effects.iter().find(|e| matches!(e, Effect::Record { .. })) else {
        panic!("{effects:?}")
    };
    // The disk is full for an hour.
    stage.desk.unrecorded(*ticket);
    stage.pass(stage.now.steady.0 + 3_600_000_000);
    let effects = stage.desk.due(stage.now);
    stage.act(effects);
    assert_eq!(set_times(&stage), [beijing(&stage)]);
}

#[test]
fn a_time_written_before_the_clock_was_set_is_written_anew() {
    for step in [-7200, 7200, 400 * 86_400, -400 * 86_400] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let station = address(Edition::V2017);
        stage.line("online");
        let body = br#"{"command":"set-time","author":"li","why":"x"}"#;
        let (_, effects) = stage.desk.submit(&Ask::new(&station.mn, "a", body), Some(&station), stage.now);
        let [Effect::Record { ticket, .. }] = effects[..] else { panic!("{effects:?}") };
        let effects = stage.desk.recorded(ticket, stage.now);
        let Some(Effect::Record { ticket, .. }) = effects.iter().find(|e| matches!(e, Effect::Record { .. })) else {
            panic!("{effects:?}")
        };
        // The host's clock is set while the step is on its way to the disk; no time passes.
        stage.now.wall.0 += step * 1_000_000;
        let effects = stage.desk.recorded(*ticket, stage.now);
        stage.act(effects);
        assert_eq!(set_times(&stage), [beijing(&stage)], "set by {step} s");
    }
}

#[test]
fn a_time_that_was_given_does_not_outlive_a_restart() {
    let body =
        r#"operator a {"command":"set-time","author":"li","why":"x","parameters":{"SystemTime":"20261123100000"}}"#;
    for sent in [false, true] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        if sent {
            stage.line("online");
        }
        stage.line(body);
        // Half an hour without the gateway, and the host's clock is set back by two: by its account no time has passed.
        stage.killed();
        stage.pass(stage.now.steady.0 + 1_800_000_000);
        stage.now.wall.0 -= 7_200_000_000;
        stage.killed();
        stage.line("online");
        stage.line("after 20s");
        assert_eq!(set_times(&stage).len(), usize::from(sent));
        let outcome = if sent { Outcome::NoAnswer } else { Outcome::Expired };
        assert_eq!(stage.outcome("a"), Some(outcome), "sent {sent}");
    }
}

#[test]
fn a_time_that_was_given_is_sent_soon_or_never() {
    let body =
        r#"operator a {"command":"set-time","author":"li","why":"x","parameters":{"SystemTime":"20261123100000"}}"#;
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line(body);
    stage.line("after 125s");
    stage.line("online");
    assert_eq!((set_times(&stage).len(), stage.outcome("a")), (0, Some(Outcome::Expired)));
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    stage.line(body);
    assert_eq!(set_times(&stage), ["20261123100000"]);
    stage.line("offline");
    stage.line("after 125s");
    stage.line("online");
    assert_eq!((set_times(&stage).len(), stage.outcome("a")), (1, Some(Outcome::NoAnswer)));
}

#[test]
fn a_time_that_was_given_and_is_not_of_now_is_refused_by_name() {
    let ask = |time: &str| {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let asked = "2026-11-23T08:00:00+08:00";
        let body = format!(
            r#"operator a {{"command":"set-time","author":"li","why":"x","asked_at":"{asked}","parameters":{{"SystemTime":"{time}"}}}}"#
        );
        stage.line(&body);
        stage.line("online");
        let about = stage.journal.iter().find_map(|(_, step)| match step {
            Step::Refused { reason, about, .. } => {
                Some((reason.clone(), about.as_ref().map(|about| about.parameter.clone())))
            }
            _ => None,
        });
        (set_times(&stage), about)
    };
    let refused = || (Vec::new(), Some(("parameter-value".to_owned(), Some("SystemTime".to_owned()))));
    // It waited at the broker for two hours, and holds the time at which it was asked for.
    assert_eq!(ask("20261123080000"), refused());
    assert_eq!(ask("20261123095759"), refused());
    assert_eq!(ask("20261123100300"), refused(), "nor is a clock set ahead");
    assert_eq!(ask("20261123095801").0, ["20261123095801"]);
    assert_eq!(ask("20261123100159").0, ["20261123100159"]);
}

#[test]
fn no_value_that_reads_like_the_time_of_sending_is_one() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    stage.line("online");
    for (id, command, parameters, wire) in [
        ("a", "set-password", r#"{"NewPW":"abcNOW"}"#, "CP=&&NewPW=abcNOW&&"),
        ("b", "get-time", r#"{"PolId":"NOW"}"#, "CP=&&PolId=NOW&&"),
        ("c", "set-time", r#"{"PolId":"NOW","SystemTime":"20261123100000"}"#, "PolId=NOW;SystemTime=20261123100000&&"),
        (
            "d",
            "set-parameter",
            r#"{"PolId":"w01018","InfoId":"i13004","Info":"SystemTime.NOW"}"#,
            "i13004-Info=SystemTime.NOW&&",
        ),
    ] {
        stage.line(&format!(
            r#"operator {id} {{"command":"{command}","author":"li","why":"x","parameters":{parameters}}}"#
        ));
        if stage.desk.open() > 0 && stage.frames().last().is_none_or(|last| !last.contains(wire)) {
            stage.line(&format!("confirm {id} wang"));
        }
        let last = stage.frames().last().unwrap().clone();
        assert!(last.contains(wire), "{last}");
        let (qn, mn) = (stage.sent.last().unwrap().0.clone(), mn_of(Edition::V2025));
        stage.line(&format!("station QN={qn};ST=91;CN=9012;PW=123456;MN={mn};Flag=8;CP=&&ExeRtn=1&&"));
    }
}

#[test]
fn an_instrument_that_asks_for_the_time_gets_it_and_the_logger_does_not() {
    let clock = Clocks { answer_requests: true, ..Clocks::default() };
    let mut stage = Stage::new(Edition::V2017, Settings { clock, ..open_settings() }, None);
    stage.line("online");
    let mn = mn_of(Edition::V2017);
    let asks = |stage: &mut Stage, area: &str| {
        stage.line(&format!("station QN=20261123100000001;ST=32;CN=1013;PW=123456;MN={mn};Flag=5;CP=&&{area}&&"));
        if let Some((qn, _)) = stage.sent.last().cloned() {
            stage.line(&format!("station QN={qn};ST=91;CN=9012;PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
        }
    };
    asks(&mut stage, "PolId=w01018");
    asks(&mut stage, "");
    asks(&mut stage, "PolId=w01018");
    asks(&mut stage, "PolId=w1;CN=1072");
    asks(&mut stage, "PolId=.");
    let frames = stage.frames();
    assert_eq!(frames.len(), 3, "{frames:?}");
    assert!(frames[0].contains("CP=&&PolId=w01018;SystemTime=20261123100000&&"), "{frames:?}");
    assert!(frames[1].contains("CP=&&SystemTime=20261123100000&&"), "the logger's own clock is another: {frames:?}");
    assert!(frames[2].contains("CP=&&PolId=w1;SystemTime="), "{frames:?}");
}

#[test]
fn a_step_of_the_host_s_clock_moves_no_time_out() {
    for hours in [-10, 10] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        stage.line("online");
        stage.line(r#"operator a {"command":"stop-state","author":"li","why":"x"}"#);
        stage.line(r#"operator b {"command":"sample","author":"li","why":"x","parameters":{"PolId":"w01018"}}"#);
        stage.now.wall = Timestamp(NOW + hours * 3_600_000_000);
        stage.line("after 9s");
        assert_eq!(stage.sent.len(), 1);
        assert_eq!(stage.steps("ended"), 0, "neither the wait for 9013 nor that for a confirmation");
        stage.line("after 1s");
        assert_eq!(stage.sent.len(), 2);
        stage.line("after 30s");
        assert_eq!(stage.outcome("a"), Some(Outcome::NoAnswer));
        stage.line("after 560s");
        assert_eq!(stage.outcome("b"), Some(Outcome::Unconfirmed));
    }
}

/// 140 min of records kept, sent as they were within a few seconds, then the present again.
#[test]
fn records_of_before_neither_begin_a_drift_nor_correct_a_clock() {
    let clock = Clocks { correct: true, ..Clocks::default() };
    let mut stage = Stage::new(Edition::V2017, Settings { clock, ..open_settings() }, None);
    stage.line("online");
    let mn = mn_of(Edition::V2017);
    let mut says = |behind: i64| {
        let qn = super::super::moment::qn(stage.now.wall.0 / 1000 - behind * 1000);
        stage.line(&format!("station QN={qn};ST=32;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261123080000&&"));
        stage.line("after 1s");
    };
    (0..9).for_each(|_| says(0));
    (0..280).rev().for_each(|n| says(n * 30));
    (0..9).for_each(|_| says(0));
    assert_eq!((stage.steps("clock"), stage.sent.len()), (0, 0));
    // A clock that is off is off all the time.
    for _ in 0..9 {
        let qn = super::super::moment::qn(stage.now.wall.0 / 1000 - 8_400_000);
        stage.line(&format!("station QN={qn};ST=32;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261123080000&&"));
        stage.line("after 30s");
    }
    assert_eq!(stage.steps("clock"), 1);
}

/// With the clock set back, QNs go on behind the highest one: a resend of an older request is not the last word.
#[test]
fn no_qn_is_dealt_again_after_a_resend_of_an_older_one() {
    let (mn, segment) = (mn_of(Edition::V2017).to_owned(), String::new());
    let sent = |id: &str, qn: &str, count| Step::Sent {
        mn: mn.clone(),
        id: id.to_owned(),
        qn: qn.to_owned(),
        count,
        segment: segment.clone(),
    };
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let mut ledger = compact::Ledger::new(10);
    for id in ["a", "b"] {
        stage.line(&format!(r#"operator {id} {{"command":"get-time","author":"li","why":"x"}}"#));
    }
    stage.journal.drain(..).for_each(|(at, step)| ledger.note(at, step));
    ledger.note(Timestamp(1), sent("a", "20280101000000000", 1));
    ledger.note(Timestamp(2), sent("b", "20280101000000001", 1));
    ledger.note(Timestamp(3), sent("a", "20280101000000000", 2));
    let (mn, id) = (mn.clone(), "b".to_owned());
    ledger.note(Timestamp(4), Step::Ended { mn, id, outcome: Outcome::NoAnswer, code: None, packets: 0 });
    let known: Vec<&str> = ledger.steps().filter_map(|(_, step)| step.qn()).collect();
    assert!(known.contains(&"20280101000000001"), "{known:?}");
}
