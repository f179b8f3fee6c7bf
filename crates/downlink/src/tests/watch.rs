//! Clocks, first contact, other names, a journal that refuses.

use super::super::*;
use super::stage::{NOW, Stage, address, mn_of, moment, open_settings};
use hj212::Edition;

fn upload(stage: &mut Stage, seconds_off: i64) {
    let qn = super::super::moment::qn(stage.now.wall.0 / 1000 + seconds_off * 1000);
    let mn = mn_of(Edition::V2017);
    stage.line(&format!("station QN={qn};ST=32;CN=2011;PW=123456;MN={mn};Flag=4;CP=&&DataTime=20261123100000&&"));
    stage.line("after 60s");
}

#[test]
fn drift_is_said_once_and_corrected_at_most_once_an_hour() {
    let clock = Clocks { correct: true, ..Clocks::default() };
    let mut stage = Stage::new(Edition::V2017, Settings { clock, ..open_settings() }, None);
    stage.line("online");
    for _ in 0..4 {
        upload(&mut stage, 500);
    }
    upload(&mut stage, -99_999);
    assert_eq!(stage.steps("clock"), 1, "one odd QN changes no median");
    for _ in 0..40 {
        upload(&mut stage, 500);
    }
    let set = |stage: &Stage| stage.said.iter().filter(|said| said.contains("CN=1012")).count();
    let first = stage.said.iter().find(|said| said.contains("CN=1012")).unwrap();
    assert!(first.contains("CP=&&SystemTime=20261123100400&&"), "{first}");
    // One command and its three resends, for the station never answers.
    assert_eq!((set(&stage), stage.steps("clock")), (4, 1));
    for _ in 0..30 {
        upload(&mut stage, 500);
    }
    assert_eq!(set(&stage), 8);
    for _ in 0..10 {
        upload(&mut stage, 1);
    }
    assert_eq!(stage.steps("clock"), 2);
}

/// HJ 212-2017, C.4: 1013 is answered by 9013, the clock is set by a request of its own.
#[test]
fn a_station_that_asks_for_the_time_gets_it_if_that_is_allowed() {
    for answer_requests in [false, true] {
        let clock = Clocks { answer_requests, ..Clocks::default() };
        let mut stage = Stage::new(Edition::V2017, Settings { clock, ..open_settings() }, None);
        stage.line("online");
        let mn = mn_of(Edition::V2017);
        stage.line(&format!("station QN=20261123100000001;ST=32;CN=1013;PW=123456;MN={mn};Flag=5;CP=&&&&"));
        let set = stage.said.iter().any(|said| said.contains("CN=1012"));
        assert_eq!(set, answer_requests);
        assert!(stage.said.iter().any(|said| said.contains("CN=9013")));
    }
}

/// HJ 212-2017, 6.7: the clock, time-outs, both intervals, whether sampled data and states are uploaded.
#[test]
fn the_first_contact_goes_through_its_commands_once() {
    let first_contact = FirstContact {
        set_time: true,
        timeouts: Some((5, 3)),
        realtime_interval: Some(30),
        minute_interval: Some(10),
        realtime: Some(true),
        state: Some(false),
    };
    let settings = Settings { first_contact, ..open_settings() };
    let mut stage = Stage::new(Edition::V2017, settings.clone(), None);
    stage.line("online");
    let mn = mn_of(Edition::V2017);
    for cn in [1012, 1000, 1062, 1064, 2011, 2022] {
        let (qn, bytes) = stage.sent.last().unwrap().clone();
        assert!(String::from_utf8(bytes).unwrap().contains(&format!("CN={cn}")));
        let answer = if cn == 2022 { "9013;" } else { "9012;" };
        stage.line(&format!("station QN={qn};ST=91;CN={answer}PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
    }
    assert!(stage.open_requests().is_empty());
    stage.desk = Desk::restore(settings, stage.journal.clone(), |_| Some(address(Edition::V2017)), stage.now);
    stage.line("online");
    assert_eq!(stage.steps("queued"), 6);
}

#[test]
fn a_station_given_a_new_mn_may_answer_under_it() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    stage.line(r#"operator a {"command":"set-mn","author":"li","why":"x","parameters":{"MN":"010000A8900016F000169DC1","LoggerId":"L1"}}"#);
    stage.line("confirm a wang");
    stage.line("online");
    let qn = stage.sent.last().unwrap().0.clone();
    assert!(stage.said.iter().any(|s| s.contains("MN=010000A8900016F000169DC1;Flag=9;CP=&&i23005-Info=L1&&")));
    let answer = format!("QN={qn};ST=91;CN=9012;PW=123456;MN=010000A8900016F000169DC1;Flag=8;CP=&&ExeRtn=1&&");
    let header = hj212::packet::parse(answer.as_bytes());
    let effects = stage.desk.heard("010000A8900016F000169DC1", &header, stage.now);
    stage.act(effects);
    assert!(stage.open_requests().is_empty());
}

#[test]
fn while_the_journal_refuses_nothing_is_sent() {
    let station = address(Edition::V2017);
    let mut desk = Desk::new(open_settings());
    let body = br#"{"command":"get-time","author":"li","why":"x"}"#;
    let (result, effects) = desk.submit(&Ask::new(&station.mn, "a", body), Some(&station), moment(NOW));
    assert_eq!(result, Ok(()));
    desk.arrive(&station, 1, moment(NOW));
    assert!(desk.arrived(&station.mn, moment(NOW)).is_empty());
    let [Effect::Record { ticket, .. }] = effects[..] else { panic!("{effects:?}") };
    desk.unrecorded(ticket);
    assert_eq!(desk.next_due(), Some(Steady(i64::MIN)));
    let again = desk.due(moment(NOW + 1));
    assert_eq!(again, effects);
    let sent = desk.recorded(ticket, moment(NOW + 2));
    assert!(sent.iter().any(|effect| matches!(effect, Effect::Record { step: Step::Sent { .. }, .. })));
    assert!(!sent.iter().any(|effect| matches!(effect, Effect::Send { .. })));
}

#[test]
fn qn_rises_over_restarts_and_clocks_that_go_back() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    stage.line(r#"operator a {"command":"stop-state","author":"li","why":"x"}"#);
    let first = stage.sent.last().unwrap().0.clone();
    stage.line("after 45s");
    stage.now.wall.0 = NOW - 3_600_000_000;
    stage.desk = Desk::restore(open_settings(), stage.journal.clone(), |_| Some(address(Edition::V2017)), stage.now);
    stage.line("online");
    stage.line(r#"operator b {"command":"stop-state","author":"li","why":"x"}"#);
    assert!(stage.sent.last().unwrap().0 > first);
}

#[test]
fn data_are_asked_for_with_the_st_of_what_the_station_measures() {
    let mn = address(Edition::V2025).mn;
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let unregistered = Address { st: None, ..address(Edition::V2025) };
    stage.comes(&unregistered, &format!("ST=44;CN=2011;PW=123456;MN={mn};Flag=8;CP=&&DataTime=20261123100000&&"), None);
    for (st, cn, expected) in [
        ("44", 2011, "ST=44;"),
        ("31", 2011, "ST=31;"),
        ("44", 2011, "ST=31;"),
        ("45", 2051, "ST=31;"),
        ("91", 1013, "ST=31;"),
        ("22", 1013, "ST=31;"),
        ("32", 2051, "ST=32;"),
    ] {
        stage.says(&mn, &format!("ST={st};CN={cn};PW=123456;MN={mn};Flag=8;CP=&&DataTime=20261123100000&&"), None);
        let effects = stage
            .desk
            .want(
                &unregistered,
                &format!("w{st}{cn}{expected}{}", stage.sent.len()).replace(['=', ';'], "."),
                "get-time",
                &serde_json::Map::new(),
                Origin::Recall,
                stage.now,
            )
            .1;
        stage.act(effects);
        let sent = stage.frames().pop().unwrap();
        assert!(sent.contains(expected), "{st} {cn}: {sent}");
        let qn = stage.sent.last().unwrap().0.clone();
        stage.says(&mn, &format!("QN={qn};ST=91;CN=9011;PW=123456;MN={mn};Flag=8;CP=&&QnRtn=2&&"), None);
    }
}

/// HJ 212-2017, 6.2 and table 1; HJ 212-2025, 6.2: how long an answer is waited for on each link, and how often the same packet is sent again.
#[test]
fn an_unanswered_request_is_sent_again_as_its_link_has_it() {
    for (link, edition, seconds, resends) in [
        (Link::Mobile, Edition::V2017, 10, 3),
        (Link::Adsl, Edition::V2017, 5, 3),
        (Link::NbIot, Edition::V2025, 30, 5),
    ] {
        let mut stage = Stage::new(edition, open_settings().on(link), None);
        stage.line("online");
        stage.line(r#"operator r1 {"command":"get-realtime-interval","author":"li","why":"test"}"#);
        for sent in 1..=resends {
            stage.line(&format!("after {}s", seconds - 1));
            assert_eq!(stage.sent.len(), sent, "{link:?}");
            stage.line("after 1s");
            assert_eq!(stage.sent.len(), sent + 1, "{link:?}");
        }
        assert_eq!(stage.outcome("r1"), None, "{link:?}");
        stage.line(&format!("after {seconds}s"));
        assert_eq!((stage.sent.len(), stage.outcome("r1")), (resends + 1, Some(Outcome::NoAnswer)), "{link:?}");
        assert!(stage.sent.iter().all(|sent| *sent == stage.sent[0]), "{link:?}: the same packet");
    }
}
