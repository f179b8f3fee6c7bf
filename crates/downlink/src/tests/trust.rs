//! What is written into commands while the host's clock is not believed.

use super::super::*;
use super::stage::{Stage, address, mn_of, open_settings};
use hj212::Edition;

const SECOND: i64 = 1_000_000;
const SET_TIME: &str = r#"operator a {"command":"set-time","author":"li","why":"x"}"#;
const GET_TIME: &str = r#"{"command":"get-time","author":"li","why":"x"}"#;

fn stage(clock: Clocks) -> Stage {
    Stage::new(Edition::V2017, Settings { clock, ..open_settings() }, None)
}

/// The date is right again.
fn right(stage: &mut Stage) {
    stage.now.trust = DateTrust::Right;
    let effects = stage.desk.date_is_right(stage.now);
    stage.act(effects);
}

fn upload(stage: &mut Stage, cn: u16) {
    let (qn, mn) = (super::super::moment::qn(stage.now.wall.0 / 1000 + 7_200_000), mn_of(Edition::V2017));
    stage.line(&format!("station QN={qn};ST=32;CN={cn};PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261123100000&&"));
}

#[test]
fn no_clock_is_set_while_the_host_s_is_doubted() {
    for trust in [DateTrust::Doubted, DateTrust::Unknown] {
        let first_contact = FirstContact { set_time: true, ..FirstContact::default() };
        let clock = Clocks { answer_requests: true, correct: true, ..Clocks::default() };
        let mut stage = Stage::new(Edition::V2017, Settings { clock, first_contact, ..open_settings() }, None);
        stage.now.trust = trust;
        stage.line("online");
        stage.line(SET_TIME);
        upload(&mut stage, 1013);
        for _ in 0..9 {
            upload(&mut stage, 2011);
            stage.line("after 5s");
        }
        assert_eq!((stage.sent.len(), stage.steps("clock")), (0, 0), "{trust:?}: {:?}", stage.frames());
        right(&mut stage);
        let now = super::super::moment::system_time(stage.now.wall);
        assert!(stage.frames()[0].contains(&format!("SystemTime={now}")), "{trust:?}: {:?}", stage.frames());
    }
}

#[test]
fn a_time_that_is_waiting_to_be_sent_again_waits_for_the_clock() {
    let mut stage = stage(Clocks::default());
    stage.line("online");
    stage.line(SET_TIME);
    stage.now.trust = DateTrust::Doubted;
    stage.line("after 300s");
    assert_eq!((stage.sent.len(), stage.outcome("a")), (1, None));
    stage.now.trust = DateTrust::Right;
    stage.line("after 10s");
    assert_eq!(stage.steps("sent"), 2, "no resend is counted that was none");
    stage.now.trust = DateTrust::Doubted;
    stage.line("after 90000s");
    assert_eq!((stage.sent.len(), stage.outcome("a")), (2, Some(Outcome::NoAnswer)), "it waits no longer than it may");
}

#[test]
fn a_step_that_is_durable_when_the_clock_is_doubted_sends_nothing() {
    let mut stage = stage(Clocks::default());
    let station = address(Edition::V2017);
    stage.line("online");
    let body = br#"{"command":"set-time","author":"li","why":"x"}"#;
    let (_, effects) = stage.desk.submit(&Ask::new(&station.mn, "a", body), Some(&station), stage.now);
    let [Effect::Record { ticket, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = stage.desk.recorded(ticket, stage.now);
    stage.now.trust = DateTrust::Doubted;
    stage.act(effects);
    stage.line("after 100s");
    assert_eq!(stage.sent.len(), 0);
    stage.now.trust = DateTrust::Right;
    stage.line("after 10s");
    let now = super::super::moment::system_time(stage.now.wall);
    assert_eq!(stage.sent.len(), 1, "{now}");
}

#[test]
fn what_holds_no_time_is_sent_by_the_date_that_goes_on_and_by_none_that_is_not_known() {
    let mut stage = stage(Clocks::default());
    stage.line("online");
    stage.now.trust = DateTrust::Doubted;
    stage.submit("a", GET_TIME);
    assert_eq!(stage.sent.len(), 1);
    stage.now.trust = DateTrust::Unknown;
    stage.line("after 10s");
    stage.line("offline");
    stage.line("online");
    stage.line("after 60s");
    assert_eq!(stage.sent.len(), 1, "nor again");
    right(&mut stage);
    stage.line("after 10s");
    assert_eq!(stage.sent.len(), 2);
}

#[test]
fn a_request_that_tells_a_time_is_refused_by_name_where_none_is_known() {
    for (body, trust, reason) in [
        (r#""command":"set-time","parameters":{"SystemTime":"20261123100000"}"#, DateTrust::Doubted, "clock-doubted"),
        (r#""command":"get-time","asked_at":"2026-11-24T10:00:00+08:00""#, DateTrust::Unknown, "clock-doubted"),
        (r#""command":"get-time","asked_at":"2026-11-24T10:00:00+08:00""#, DateTrust::Right, "asked-at"),
    ] {
        let mut stage = stage(Clocks::default());
        stage.now.trust = trust;
        stage.submit("a", &format!(r#"{{{body},"author":"li","why":"x"}}"#));
        let refused = stage.journal.iter().find_map(|(_, step)| match step {
            Step::Refused { reason, .. } => Some(reason.as_str()),
            _ => None,
        });
        assert_eq!(refused, Some(reason), "{body}");
    }
}

/// A host whose clock was 400 days ahead for so long that it was believed, and was set right then.
#[test]
fn qns_come_back_from_a_date_that_was_wrong() {
    let mut stage = stage(Clocks::default());
    stage.line("online");
    let ask = |stage: &mut Stage, id: &str| {
        stage.submit(id, GET_TIME);
        let (qn, mn) = (stage.sent.last().unwrap().0.clone(), mn_of(Edition::V2017));
        stage.line(&format!("station QN={qn};ST=91;CN=9012;PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
        qn
    };
    let jump = 400 * 86_400 * SECOND;
    let before = ask(&mut stage, "a");
    stage.now.wall.0 += jump;
    assert!(ask(&mut stage, "b").starts_with("2027"));
    stage.now.wall.0 -= jump;
    stage.line("after 1s");
    stage.now.trust = DateTrust::Doubted;
    assert!(ask(&mut stage, "c").starts_with("2027"), "not before the date is right");
    stage.now.trust = DateTrust::Right;
    let after = ask(&mut stage, "d");
    assert!(after.starts_with("20261123") && after > before, "{after}");
    stage.killed();
    stage.line("after 1s");
    stage.line("online");
    let restarted = ask(&mut stage, "e");
    assert!(restarted.starts_with("20261123") && restarted > after, "{restarted}");
    // Set back by less than a day, QNs go on behind the last one: none is dealt twice.
    stage.now.wall.0 -= 3600 * SECOND;
    assert!(ask(&mut stage, "f") > restarted);
}

#[test]
fn what_was_measured_by_a_date_that_was_wrong_is_forgotten() {
    let clock = Clocks { correct: true, ..Clocks::default() };
    let mut stage = stage(clock);
    stage.line("online");
    (0..9).for_each(|_| upload(&mut stage, 2011));
    assert_eq!((stage.steps("clock"), stage.sent.len()), (1, 1));
    let (qn, mn) = (stage.sent[0].0.clone(), mn_of(Edition::V2017));
    stage.line(&format!("station QN={qn};ST=91;CN=9012;PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
    // It was the host's clock that was two hours behind; the station was set by it.
    stage.desk.date_was_set();
    stage.line("after 1s");
    (0..9).for_each(|_| upload(&mut stage, 2011));
    assert_eq!(stage.sent.len(), 2, "it is set right without waiting for `every`");
}
