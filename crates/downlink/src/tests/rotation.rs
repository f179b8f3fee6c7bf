//! Keys whose answer got lost: whichever key the station uses in the end, it is known, tried and sealed with, and the request ends.

use super::super::*;
use super::stage::{Stage, address, open_settings};
use crate::compact::Ledger;
use crate::moment;
use hj212::sm4::{self, Key};
use hj212::{Edition, packet};

const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";
const CREATED: &str = "20260101000000000";

fn key(text: &str) -> Key {
    Key::from_text(text).unwrap()
}

fn mn() -> String {
    address(Edition::V2025).mn
}

/// A data frame that the station makes now, as it reads when it is opened.
fn data(stage: &Stage) -> String {
    made(moment::of(stage.now.wall))
}

/// The same of a time in milliseconds.
fn made(at: i64) -> String {
    let qn = moment::qn(at);
    format!("QN={qn};ST=32;CN=2011;PW=123456;MN={};Flag=9;CP=&&DataTime={}&&", mn(), &qn[..14])
}

fn plain(cn: u16, qn: &str, body: &str) -> String {
    format!("QN={qn};ST=91;CN={cn};PW=123456;MN={};Flag=8;CP=&&{body}&&", mn())
}

/// The place of `text` among the keys that are tried.
fn number(stage: &Stage, text: &str) -> usize {
    stage.desk.keys(&mn()).unwrap().to_try().position(|held| *held == key(text)).expect("the key is held")
}

fn says(stage: &mut Stage, text: &str) {
    let number = number(stage, text);
    stage.says(&mn(), &data(stage), Some(number));
}

fn comes(stage: &mut Stage, text: &str) {
    let number = number(stage, text);
    stage.comes(&address(Edition::V2025), &data(stage), Some(number));
}

fn ask(stage: &mut Stage, id: &str, new: &str) -> Result<(), Refusal> {
    let address = address(Edition::V2025);
    let body = br#"{"command":"set-key","author":"li","why":"yearly"}"#;
    let (taken, effects) =
        stage.desk.submit_key(&Ask::new(&address.mn, id, body), Some(&address), &key(new), stage.now);
    stage.act(effects);
    if taken.is_ok() {
        stage.line(&format!("confirm {id} wang"));
    }
    taken
}

/// A station with the old key, to which the new one was sent once.
fn sent() -> Stage {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let effects = stage.desk.install_key(&address(Edition::V2025), CREATED, &key(OLD));
    stage.act(effects);
    comes(&mut stage, OLD);
    ask(&mut stage, "k1", NEW).unwrap();
    assert_eq!((stage.sent.len(), under(&stage)), (1, OLD));
    stage
}

/// Under which key the last frame was sealed.
fn under(stage: &Stage) -> &'static str {
    let (_, bytes) = stage.sent.last().unwrap();
    let said = u16::from_str_radix(std::str::from_utf8(&bytes[bytes.len() - 6..bytes.len() - 2]).unwrap(), 16).unwrap();
    let keys = [key(OLD), key(NEW)];
    let opened = sm4::open(&bytes[6..bytes.len() - 6], said, &keys).unwrap();
    assert!(packet::parse(&opened.segment).area.starts_with(b"SKCreateTime="));
    [OLD, NEW][opened.key]
}

#[test]
fn a_key_that_was_taken_without_a_word_is_found_in_use_and_its_request_is_done() {
    for kill in [false, true] {
        let mut stage = sent();
        stage.line("offline");
        if kill {
            stage.killed();
        }
        stage.line("after 300s");
        comes(&mut stage, NEW);
        assert_eq!(stage.sent.len(), 1, "nothing is sent again to a station that has it");
        stage.line("after 30s");
        assert_eq!(stage.outcome("k1"), Some(Outcome::Done));
        let ring = stage.desk.keys(&mn()).unwrap();
        assert_eq!(ring.sealing().unwrap().1, &key(NEW));
        assert!(ring.to_try().any(|held| *held == key(OLD)));
    }
}

#[test]
fn a_request_for_a_key_is_done_within_a_second_of_the_proof() {
    let mut stage = sent();
    let qn = stage.sent[0].0.clone();
    stage.says(&mn(), &plain(9011, &qn, "QnRtn=1"), None);
    says(&mut stage, NEW);
    assert_eq!(stage.outcome("k1"), None, "its 9012 may be on its way");
    stage.line("after 1s");
    assert_eq!(stage.outcome("k1"), Some(Outcome::Done));
}

#[test]
fn a_key_that_was_not_taken_is_given_again_once_the_station_shows_it() {
    let mut stage = sent();
    stage.line("offline");
    stage.line("after 300s");
    comes(&mut stage, OLD);
    assert_eq!((stage.sent.len(), under(&stage)), (2, OLD));
    let qn = stage.sent[1].0.clone();
    assert_eq!(qn, stage.sent[0].0);
    stage.says(&mn(), &plain(9011, &qn, "QnRtn=1"), None);
    stage.says(&mn(), &plain(9012, &qn, "ExeRtn=1"), None);
    assert_eq!(stage.outcome("k1"), Some(Outcome::Done));
    assert_eq!(stage.desk.keys(&mn()).unwrap().sealing().unwrap().1, &key(NEW), "the station said that it took it");
}

#[test]
fn a_refusal_of_a_resend_destroys_nothing_and_waits_for_a_frame_that_tells() {
    for (shown, outcome, seals) in [(NEW, Outcome::Done, NEW), (OLD, Outcome::Refused, OLD)] {
        let mut stage = sent();
        stage.line("after 11s");
        assert_eq!(stage.sent.len(), 1, "nothing has told");
        says(&mut stage, OLD);
        assert_eq!(stage.sent.len(), 2);
        let qn = stage.sent[1].0.clone();
        stage.says(&mn(), &plain(9011, &qn, "QnRtn=9"), None);
        assert_eq!(stage.outcome("k1"), None, "what became of the first packet is not known");
        says(&mut stage, shown);
        stage.line("after 10s");
        assert_eq!(stage.outcome("k1"), Some(outcome));
        let ring = stage.desk.keys(&mn()).unwrap();
        assert_eq!(ring.sealing().unwrap().1, &key(seals));
        assert!(ring.to_try().any(|held| *held == key(NEW)) && ring.to_try().any(|held| *held == key(OLD)));
        // It may still be there: the next request offers the same one.
        if shown == OLD {
            ask(&mut stage, "k2", "0000000000000000").unwrap();
            assert_eq!(stage.steps("key"), 2, "no other key was made");
        }
    }
}

#[test]
fn silence_after_9011_is_settled_by_the_next_frame() {
    let mut stage = sent();
    let qn = stage.sent[0].0.clone();
    stage.says(&mn(), &plain(9011, &qn, "QnRtn=1"), None);
    stage.line("offline");
    stage.line("after 3000s");
    assert_eq!(stage.outcome("k1"), None);
    comes(&mut stage, NEW);
    stage.line("after 10s");
    assert_eq!(stage.outcome("k1"), Some(Outcome::Done));
}

#[test]
fn the_key_that_the_station_last_used_seals_the_next_one() {
    let mut stage = sent();
    let qn = stage.sent[0].0.clone();
    stage.says(&mn(), &plain(9011, &qn, "QnRtn=1"), None);
    stage.says(&mn(), &plain(9012, &qn, "ExeRtn=1"), None);
    says(&mut stage, NEW);
    // The logger is reset to its first key; a record of before under the newer one tells nothing.
    says(&mut stage, OLD);
    let number = number(&stage, NEW);
    let kept = data(&stage).replace("Flag=9;", "Flag=9;RF=1;");
    stage.says(&mn(), &kept, Some(number));
    ask(&mut stage, "k2", "1111111111111111").unwrap();
    assert_eq!(under(&stage), OLD);
    // Over a restart, too: it was said at once.
    let mut stage = stage;
    assert_eq!(stage.steps("key-note"), 2);
    stage.killed();
    assert_eq!(stage.desk.keys(&mn()).unwrap().sealing().unwrap().1, &key(OLD));
}

/// HJ 212-2025, 6.4.3, C.7 and C.8.
#[test]
fn a_station_that_asks_for_a_key_is_given_one() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let effects = stage.desk.install_key(&address(Edition::V2025), CREATED, &key(OLD));
    stage.act(effects);
    comes(&mut stage, OLD);
    let asks = format!("QN=20261123100000009;ST=32;CN=1014;PW=123456;MN={};Flag=9;CP=&&SKCreateTime={CREATED}&&", mn());
    let number = number(&stage, OLD);
    stage.says(&mn(), &asks, Some(number));
    assert_eq!((stage.sent.len(), under(&stage)), (1, OLD));
    stage.says(&mn(), &asks, Some(number));
    stage.line("after 1s");
    assert_eq!(stage.steps("queued"), 1, "once an hour at most");
    assert_eq!(stage.steps("key-note"), 1);
}

/// HJ 212-2025, 6.4.3: a key is renewed every 90 days.
#[test]
fn a_key_of_ninety_days_is_said_once() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let effects = stage.desk.install_key(&address(Edition::V2025), CREATED, &key(OLD));
    stage.act(effects);
    for _ in 0..3 {
        let effects = stage.desk.review_keys(stage.now);
        stage.act(effects);
        stage.killed();
    }
    assert_eq!(stage.steps("key-note"), 1);
    let effects = stage.desk.install_key(&address(Edition::V2025), "20261101000000000", &key(NEW));
    stage.act(effects);
    let effects = stage.desk.review_keys(stage.now);
    stage.act(effects);
    assert_eq!(stage.steps("key-note"), 1, "a young one is not");
}

#[test]
fn the_keys_go_with_a_station_that_has_another_mn() {
    let mut stage = sent();
    // The station uses the old one although the new one is proven.
    says(&mut stage, NEW);
    stage.line("after 120s");
    says(&mut stage, OLD);
    let new = Address { mn: "010000A8900016F000169DC1".into(), ..address(Edition::V2025) };
    let effects = stage.desk.inherit_keys(&mn(), &new.mn);
    stage.act(effects);
    let (own, other) = (stage.desk.keys(&mn()).unwrap(), stage.desk.keys(&new.mn));
    assert_eq!(other.map(|ring| ring.held().count()), None, "of a station that nobody knows nothing is noted");
    assert_eq!(own.sealing().unwrap().1, &key(OLD));
    stage.desk.arrive(&new, 9, stage.now);
    let effects = stage.desk.inherit_keys(&mn(), &new.mn);
    stage.act(effects);
    let (own, other) = (stage.desk.keys(&mn()).unwrap(), stage.desk.keys(&new.mn).unwrap());
    assert!(own.held().eq(other.held()), "{own:?} {other:?}");
    assert_eq!(other.sealing().unwrap().1, &key(OLD));
    assert_eq!(stage.desk.inherit_keys(&mn(), &new.mn), [], "it has its own by now");
}

fn heartbeat(stage: &mut Stage) {
    stage.says(&mn(), &plain(9015, "20261123100000777", ""), None);
}

#[test]
fn a_key_that_may_be_at_the_station_is_kept_whatever_is_refused_and_nothing_is_sent_before_a_frame_told() {
    for kill in [false, true] {
        // The station took it, the answer is lost, and heartbeats alone follow.
        let mut stage = sent();
        stage.line("offline");
        stage.comes(&address(Edition::V2025), &plain(9015, "20261123100000777", ""), None);
        for _ in 0..40 {
            stage.line("after 60s");
            heartbeat(&mut stage);
        }
        assert_eq!((stage.sent.len(), stage.outcome("k1")), (1, Some(Outcome::NoAnswer)));
        let unknown = stage.desk.keys(&mn()).unwrap().unknown().map(str::to_owned);
        assert!(unknown.is_some());
        if kill {
            stage.killed();
            stage.comes(&address(Edition::V2025), &plain(9015, "20261123100000777", ""), None);
        }
        // Each further request waits.
        ask(&mut stage, "k2", "0000000000000000").unwrap();
        stage.line("after 60s");
        heartbeat(&mut stage);
        // A kept frame tells nothing, RF or not.
        let (number, before) = (number(&stage, OLD), moment::of(stage.now.wall) - 1_300_000);
        stage.says(&mn(), &made(before), Some(number));
        assert_eq!((stage.sent.len(), stage.steps("key")), (1, 2), "no other key was made");
        let qn = stage.sent[0].0.clone();
        stage.says(&mn(), &plain(9011, &qn, "QnRtn=9"), None);
        assert_eq!(stage.desk.keys(&mn()).unwrap().unknown().map(str::to_owned), unknown);
        // A frame of now tells.
        let mut other = sent_twice(stage, NEW);
        assert_eq!(other.desk.keys(&mn()).unwrap().sealing().unwrap().1, &key(NEW));
        assert_eq!((other.sent.len(), under(&other)), (2, NEW), "it is sent as a renewal of what holds");
        other.line("after 1s");
    }
}

/// The station shows this key, and what waited for that is sent.
fn sent_twice(mut stage: Stage, shown: &'static str) -> Stage {
    says(&mut stage, shown);
    says(&mut stage, shown);
    stage
}

#[test]
fn a_key_that_waited_is_given_once_a_frame_of_now_shows_the_old_one_and_its_refusal_counts_then() {
    let mut stage = sent();
    stage.line("offline");
    stage.comes(&address(Edition::V2025), &plain(9015, "20261123100000777", ""), None);
    stage.line("after 3600s");
    assert_eq!((stage.sent.len(), stage.outcome("k1")), (1, Some(Outcome::NoAnswer)));
    ask(&mut stage, "k2", "0000000000000000").unwrap();
    let mut stage = sent_twice(stage, OLD);
    assert_eq!((stage.sent.len(), under(&stage)), (2, OLD));
    let qn = stage.sent[1].0.clone();
    stage.says(&mn(), &plain(9011, &qn, "QnRtn=9"), None);
    assert_eq!(stage.outcome("k2"), Some(Outcome::Refused));
    let ring = stage.desk.keys(&mn()).unwrap();
    assert_eq!((ring.offered(), ring.unknown()), (None, None));
    assert!(ring.to_try().any(|held| *held == key(NEW)), "it is still tried");
}

#[test]
fn which_key_is_used_is_told_by_frames_of_now_and_by_no_others() {
    let mut stage = sent();
    let qn = stage.sent[0].0.clone();
    stage.says(&mn(), &plain(9012, &qn, "ExeRtn=1"), None);
    says(&mut stage, NEW);
    let (old, now) = (number(&stage, OLD), moment::of(stage.now.wall));
    let told = |stage: &Stage| stage.desk.keys(&mn()).unwrap().sealing().unwrap().1 == &key(OLD);
    let data_of = |at: i64| made(at).split_once("CP=").unwrap().1.to_owned();
    let head_of = |at: i64| made(at).split_once("CP=").unwrap().0.to_owned() + "CP=";
    for kept in [made(now - 1_300_000), made(now - 7_200_000), head_of(now) + &data_of(now - 7_200_000)] {
        stage.says(&mn(), &kept, Some(old));
        assert!(!told(&stage), "{kept}");
    }
    stage.says(&mn(), &made(now - 500_000), Some(old));
    assert!(told(&stage));
}

#[test]
fn the_key_in_use_is_said_at_once_and_of_a_station_that_changes_it_all_the_time_now_and_then() {
    let mut stage = sent();
    let qn = stage.sent[0].0.clone();
    stage.says(&mn(), &plain(9012, &qn, "ExeRtn=1"), None);
    says(&mut stage, NEW);
    let before = stage.steps("key-note");
    for turn in 1..=100 {
        says(&mut stage, [OLD, NEW][turn % 2]);
    }
    says(&mut stage, OLD);
    let noted = stage.steps("key-note") - before;
    assert!((1..=8).contains(&noted), "{noted}");
    stage.line("after 61s");
    stage.killed();
    assert_eq!(stage.desk.keys(&mn()).unwrap().sealing().unwrap().1, &key(OLD));
}

#[test]
fn what_was_used_last_is_known_from_the_file_of_the_desk_too() {
    let mut stage = sent();
    let mut ledger = Ledger::new(8);
    let effects = stage.desk.install_key(&address(Edition::V2025), "20260102000000000", &key("1111111111111111"));
    stage.act(effects);
    says(&mut stage, OLD);
    // The newer one is proven by a frame after the older one was said to be used.
    says(&mut stage, NEW);
    stage.journal.iter().for_each(|(at, step)| ledger.note(*at, step.clone()));
    let steps: Vec<_> = ledger.steps().cloned().collect();
    let restored = Desk::restore(open_settings(), steps, |_| Some(address(Edition::V2025)), stage.now);
    assert_eq!(restored.keys(&mn()).unwrap().used(), stage.desk.keys(&mn()).unwrap().used());
    assert_eq!(restored.keys(&mn()).unwrap().sealing().unwrap().1, &key(NEW));
}

#[test]
fn two_keys_of_one_time_of_creation_are_two_keys() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    for (text, steps) in [(OLD, 1), (NEW, 2), (NEW, 2), (OLD, 2)] {
        let effects = stage.desk.install_key(&address(Edition::V2025), CREATED, &key(text));
        stage.act(effects);
        assert_eq!(stage.steps("key"), steps, "known already");
    }
    let used = |stage: &Stage| {
        let ring = stage.desk.keys(&mn()).unwrap();
        let own: Vec<_> = ring.held().filter(|(created, ..)| ring.used() == Some(created)).map(|held| held.1).collect();
        assert_eq!(own.len(), 1);
        own[0].clone()
    };
    assert_eq!(used(&stage), key(NEW), "what was registered last");
    comes(&mut stage, OLD);
    assert_eq!(used(&stage), key(OLD));
    stage.killed();
    assert_eq!(used(&stage), key(OLD));
}
