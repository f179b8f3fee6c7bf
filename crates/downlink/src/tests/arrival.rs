//! A station that comes: the frame that brought it is looked at before anything is sent.

use super::super::*;
use super::stage::{Stage, address, open_settings};
use hj212::Edition;

const BARE: &str = "A110000_0001";

fn bare(edition: Edition) -> Address {
    Address::new(BARE, edition)
}

fn ask(stage: &mut Stage, address: &Address, id: &str) {
    let body = br#"{"command":"get-time","author":"li","why":"x"}"#;
    let (taken, effects) = stage.desk.submit(&Ask::new(&address.mn, id, body), Some(address), stage.now);
    assert_eq!(taken, Ok(()));
    stage.act(effects);
}

#[test]
fn what_waited_is_sent_with_the_st_and_pw_of_the_frame_that_brought_the_station() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let address = bare(Edition::V2017);
    ask(&mut stage, &address, "a");
    stage.killed();
    let first = format!("QN=20261123100000001;ST=27;CN=2011;PW=abcdef;MN={BARE};Flag=5;CP=&&DataTime=20261123100000&&");
    stage.comes(&address, &first, None);
    // The stage restores with its own station's address; this one has no lane then, so it is asked again.
    if stage.sent.is_empty() {
        ask(&mut stage, &address, "b");
    }
    assert!(stage.frames()[0].contains("ST=27;CN=1011;PW=abcdef;"), "{:?}", stage.frames());
}

#[test]
fn commands_have_the_flag_that_the_station_speaks_with() {
    for (registered, says, flag) in [(None, 9, 9), (None, 5, 5), (Some(8), 9, 9), (Some(8), 5, 9)] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        let address = Address { flag: registered, ..bare(Edition::V2017) };
        ask(&mut stage, &address, "a");
        let first = format!("QN=20261123100000001;ST=21;CN=2061;PW=123456;MN={BARE};Flag={says};CP=&&&&");
        stage.comes(&address, &first, None);
        assert!(stage.frames()[0].contains(&format!(";Flag={flag};")), "{:?}", stage.frames());
    }
}

fn contacted() -> Settings {
    let first_contact = FirstContact { set_time: true, realtime_interval: Some(60), ..FirstContact::default() };
    Settings { first_contact, ..open_settings() }
}

/// HJ 212-2025, 6.8, C.2 and C.3: 1001 without an MN or with an old one, 1002 that gives it.
#[test]
fn a_logger_gets_its_mn_first_and_first_contact_after_that() {
    for (with_mn, answers_with_mn) in [(false, true), (false, false), (true, false)] {
        let mut stage = Stage::new(Edition::V2025, contacted(), None);
        let address = address(Edition::V2025);
        let mn = if with_mn { "FFFFFFFFFFFFFFFFFFFFFFFF" } else { "" };
        let asks = format!(
            "QN=20261123100000001;ST=91;CN=1001;PW=123456;MN={mn};Flag=9;CP=&&i23005-Info=LOGGER000000000000000001&&"
        );
        stage.comes(&address, &asks, None);
        stage.line("after 1s");
        let frames = stage.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert!(frames[0].contains("CN=1002;") && frames[0].contains(&format!("MN={};", address.mn)), "{frames:?}");
        let (qn, mn) = (stage.sent[0].0.clone(), if answers_with_mn { address.mn.as_str() } else { mn });
        stage.says(&address.mn, &format!("QN={qn};ST=91;CN=9011;PW=123456;MN={mn};Flag=8;CP=&&QnRtn=1&&"), None);
        stage.says(&address.mn, &format!("QN={qn};ST=91;CN=9012;PW=123456;MN={mn};Flag=8;CP=&&ExeRtn=1&&"), None);
        let again = asks.replace(
            &format!("MN={};", if with_mn { "FFFFFFFFFFFFFFFFFFFFFFFF" } else { "" }),
            &format!("MN={};", address.mn),
        );
        stage.says(&address.mn, &again, None);
        let frames = stage.frames();
        assert_eq!(frames.len(), 2, "{frames:?}");
        assert!(frames[1].contains("CN=1012;"), "{frames:?}");
    }
}

#[test]
fn first_contact_that_could_not_be_made_is_made_when_the_station_comes_again() {
    let mut stage = Stage::new(Edition::V2017, contacted(), None);
    let mn = address(Edition::V2017).mn;
    stage.line("online");
    stage.line("after 100s");
    assert_eq!((stage.sent.len(), stage.steps("ended")), (8, 2), "neither was answered");
    for kill in [false, true] {
        stage.line("offline");
        if kill {
            stage.killed();
        }
        stage.line("after 100s");
        stage.line("online");
        let new: Vec<String> = stage.frames().split_off(8);
        if kill {
            assert_eq!(stage.steps("queued"), 4, "what was done is not done again");
            continue;
        }
        assert!(new[0].contains("CN=1012;"), "{new:?}");
        for _ in 0..2 {
            let qn = stage.sent.last().unwrap().0.clone();
            stage.line(&format!("station QN={qn};ST=91;CN=9012;PW=123456;MN={mn};Flag=4;CP=&&ExeRtn=1&&"));
        }
        assert_eq!(stage.steps("queued"), 4);
    }
}

/// HJ 212-2017, 6.7.
#[test]
fn first_contact_is_made_in_the_order_of_the_standard_also_when_the_first_of_it_could_not_be_made() {
    let first_contact = FirstContact {
        set_time: true,
        timeouts: Some((5, 3)),
        realtime_interval: Some(60),
        realtime: Some(true),
        ..FirstContact::default()
    };
    let mut stage = Stage::new(Edition::V2017, Settings { first_contact, ..open_settings() }, None);
    let mn = address(Edition::V2017).mn;
    stage.line("online");
    // The first has no answer, the others wait still when the station goes.
    stage.line("after 41s");
    stage.line("offline");
    assert_eq!(stage.steps("ended"), 1);
    let before = stage.sent.len();
    stage.line("after 100s");
    stage.line("online");
    let cn = |frame: &String| frame.split(';').find_map(|field| field.strip_prefix("CN=")).unwrap().to_owned();
    let mut order = Vec::new();
    for _ in 0..4 {
        let Some((qn, _)) = stage.sent.get(before..).and_then(<[_]>::last).cloned() else { break };
        order.push(stage.frames().last().map(cn).unwrap());
        for (answer, body) in [(9011, "QnRtn=1"), (9012, "ExeRtn=1")] {
            stage.line(&format!("station QN={qn};ST=91;CN={answer};PW=123456;MN={mn};Flag=4;CP=&&{body}&&"));
        }
    }
    // What was under way when it left goes on; of the rest the clock is first.
    assert_eq!(order.iter().filter(|cn| *cn != "1000").collect::<Vec<_>>(), ["1012", "1062", "2011"], "{order:?}");
}

#[test]
fn what_was_learned_of_a_station_is_kept_over_a_restart() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    let address = bare(Edition::V2017);
    let first = format!("QN=20261123100000001;ST=21;CN=2011;PW=abcdef;MN={BARE};Flag=9;CP=&&DataTime=20261123100000&&");
    stage.comes(&address, &first, None);
    assert!(stage.desk.has_learned());
    let spoken = stage.desk.spoken(|_| false).expect("something was learned");
    assert!(!format!("{spoken:?}").contains("abcdef"));
    assert_eq!(stage.desk.spoken(|_| false), None, "nothing new");
    stage.away();
    let kept = serde_json::from_slice(&serde_json::to_vec(&spoken).unwrap()).unwrap();
    stage.desk = Desk::restore(open_settings(), stage.journal.clone(), |_| None, stage.now);
    stage.desk.know_spoken(&kept, |mn, edition| Some(Address::new(mn, edition)));
    assert_eq!(
        stage.desk.edition(BARE),
        Some(Edition::V2017),
        "it can be asked although its edition is not registered"
    );
    ask(&mut stage, &address, "a");
    // A heartbeat brings it, which says neither ST nor PW.
    stage.comes(&address, &format!("QN=20261123100100001;CN=9015;MN={BARE};Flag=9;CP=&&&&"), None);
    let sent = stage.frames();
    assert!(sent[0].contains("ST=21;CN=1011;PW=abcdef;") && sent[0].contains(";Flag=9;"), "{sent:?}");
    // What is registered leaves nothing to be kept.
    let full = Address { st: Some("21".into()), pw: Some("abcdef".into()), ..bare(Edition::V2017) };
    stage.comes(&full, &first.replace("CN=2011", "CN=2061"), None);
    stage.says(BARE, &first.replace("Flag=9", "Flag=5"), None);
    assert!(stage.desk.spoken(|_| false).is_some_and(|spoken| !spoken.contains_key(BARE)));
}
