//! Requests to the MN in the registration reach the station under the one that it has now.

use super::super::*;
use super::stage::{Stage, address, mn_of, open_settings};
use hj212::Edition;

const NEW: &str = "010000A8900016F000169DC1";
const GET_TIME: &str = r#"{"command":"get-time","author":"li","why":"x"}"#;

/// The station is registered under its old MN and comes under the new one.
fn moved(stage: &mut Stage) {
    let upload = format!("QN=20261123100000001;ST=32;CN=2011;PW=123456;MN={NEW};Flag=5;CP=&&DataTime=20261123100000&&");
    let new = Address { mn: NEW.into(), ..address(Edition::V2017) };
    stage.connection = Some(7);
    stage.desk.arrive(&new, 7, stage.now);
    stage.desk.is_formerly(NEW, &address(Edition::V2017));
    stage.says(NEW, &upload, None);
    let effects = stage.desk.arrived(NEW, stage.now);
    stage.act(effects);
}

fn answers(stage: &mut Stage) {
    let qn = stage.sent.last().unwrap().0.clone();
    stage.says(NEW, &format!("QN={qn};ST=91;CN=9011;PW=123456;MN={NEW};Flag=4;CP=&&QnRtn=1&&"), None);
    stage.says(NEW, &format!("QN={qn};ST=32;CN=1011;PW=123456;MN={NEW};Flag=4;CP=&&SystemTime=20261123100000&&"), None);
    stage.says(NEW, &format!("QN={qn};ST=91;CN=9012;PW=123456;MN={NEW};Flag=4;CP=&&ExeRtn=1&&"), None);
}

#[test]
fn a_request_to_the_registered_mn_reaches_the_station_under_its_new_one() {
    for waits in [false, true] {
        let mut stage = Stage::new(Edition::V2017, open_settings(), None);
        if waits {
            stage.submit("a", GET_TIME);
        }
        moved(&mut stage);
        if !waits {
            stage.submit("a", GET_TIME);
        }
        assert!(stage.frames()[0].contains(&format!("CN=1011;PW=123456;MN={NEW};")), "{:?}", stage.frames());
        // One at a time for a station, under whichever MN.
        let new = Address { mn: NEW.into(), ..address(Edition::V2017) };
        let (_, effects) = stage.desk.submit(&Ask::new(NEW, "b", GET_TIME.as_bytes()), Some(&new), stage.now);
        stage.act(effects);
        assert_eq!(stage.sent.len(), 1);
        answers(&mut stage);
        assert_eq!((stage.outcome("a"), stage.steps("data")), (Some(Outcome::Done), 1));
        assert_eq!(stage.sent.len(), 2, "the next one follows");
        answers(&mut stage);
        assert_eq!(stage.outcome("b"), Some(Outcome::Done));
    }
}

#[test]
fn nothing_is_sent_under_the_new_mn_once_the_station_is_gone_or_is_itself_again() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    moved(&mut stage);
    stage.desk.offline(NEW, 7);
    stage.submit("a", GET_TIME);
    assert_eq!(stage.sent.len(), 0);
    stage.line("online");
    assert!(stage.frames()[0].contains(&format!("MN={};", mn_of(Edition::V2017))), "{:?}", stage.frames());
}

#[test]
fn a_station_that_is_there_itself_is_not_stood_in_for() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    assert!(
        stage.desk.is_there_itself(mn_of(Edition::V2017), 7) && !stage.desk.is_there_itself(mn_of(Edition::V2017), 1)
    );
    stage.line("offline");
    moved(&mut stage);
    assert!(!stage.desk.is_there_itself(mn_of(Edition::V2017), 9));
    // Another registration: nothing goes to the new MN before that is said again.
    let effects = stage.desk.readdress(|old| Some(old.clone()), stage.now);
    stage.act(effects);
    stage.submit("a", GET_TIME);
    assert_eq!(stage.sent.len(), 0);
}

#[test]
fn access_is_changed_under_the_mn_that_the_station_has() {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    moved(&mut stage);
    stage.line(r#"operator a {"command":"set-password","author":"li","why":"x","parameters":{"NewPW":"654321"}}"#);
    stage.line("confirm a wang");
    assert_eq!(stage.sent.len(), 0);
}
