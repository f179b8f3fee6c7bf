//! A key given, killed at every step: the old one stays until the new one is proven.

use super::super::*;
use super::stage::{Kill, Stage, address, open_settings};
use hj212::sm4::{self, Key};
use hj212::{Edition, packet};

const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";

fn key(text: &str) -> Key {
    Key::from_text(text).unwrap()
}

/// Asks for a new key under `id`.
fn ask(stage: &mut Stage, edition: Edition, id: &str, new: &str) -> (Result<(), Refusal>, Vec<Effect>) {
    let address = address(edition);
    let body = br#"{"command":"set-key","author":"li","why":"yearly"}"#;
    stage.desk.submit_key(&Ask::new(&address.mn, id, body), Some(&address), &key(new), stage.now)
}

fn rotate(stage: &mut Stage) {
    let effects = stage.desk.install_key(&address(Edition::V2025), "20260101000000000", &key(OLD));
    if !stage.act(effects) {
        let effects = stage.desk.install_key(&address(Edition::V2025), "20260101000000000", &key(OLD));
        stage.act(effects);
    }
    stage.line("online");
    for id in ["k1", "k2"] {
        let (_, effects) = ask(stage, Edition::V2025, id, NEW);
        if stage.act(effects) {
            break;
        }
        stage.line("after 1s");
    }
    let id = stage.open_requests().pop().unwrap();
    stage.line(&format!("confirm {id} wang"));
    stage.line("after 12s");
}

/// What the station takes from the last frame it was sent, if it was one.
fn taken(stage: &Stage) -> Option<String> {
    let (_, bytes) = stage.sent.last()?;
    let said = u16::from_str_radix(std::str::from_utf8(&bytes[bytes.len() - 6..bytes.len() - 2]).unwrap(), 16).unwrap();
    let opened = sm4::open(&bytes[6..bytes.len() - 6], said, [&key(OLD)]).unwrap();
    let area = String::from_utf8(packet::parse(&opened.segment).area.to_vec()).unwrap();
    Some(area.split("NewSK=").nth(1).unwrap().to_owned())
}

/// HJ 212-2025, 6.4.4 and C.8: 1014 is encrypted, with the key that both sides have.
#[test]
fn a_new_key_travels_under_the_old_one_and_is_in_no_status_and_no_print() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    rotate(&mut stage);
    assert_eq!(taken(&stage).as_deref(), Some(NEW));
    assert_eq!(stage.desk.keys(&address(Edition::V2025).mn).unwrap().proven(), Some(&key(OLD)));
    let all = format!("{:?} {:?} {:?}", stage.journal, stage.said, stage.desk);
    assert!(!all.contains(NEW) && !all.contains(OLD));
    let queued = stage.journal.iter().filter(|(_, step)| !matches!(step, Step::Key { .. }));
    assert!(
        queued.clone().count() > 2
            && !format!("{:?}", queued.map(|(_, s)| s.encode()).collect::<Vec<_>>()).contains(NEW)
    );
}

#[test]
fn killed_at_any_effect_of_a_rotation_both_keys_are_there() {
    let mn = address(Edition::V2025).mn;
    for at in 1..40 {
        for durable in [false, true] {
            let mut stage = Stage::new(Edition::V2025, open_settings(), Some(Kill { at, durable }));
            rotate(&mut stage);
            let given = taken(&stage);
            let restored =
                Desk::restore(open_settings(), stage.journal.clone(), |_| Some(address(Edition::V2025)), stage.now);
            for desk in [&stage.desk, &restored] {
                let ring = desk.keys(&mn).unwrap();
                assert_eq!(ring.proven(), Some(&key(OLD)), "killed at {at}, {durable}");
                if let Some(given) = &given {
                    assert!(ring.to_try().any(|held| *held == key(given)), "killed at {at}, {durable}");
                }
            }
            // The first thing opened with the new key proves it; the old one can still be tried.
            if given.is_some() {
                for _ in 0..2 {
                    let effects = stage.desk.opened(&mn, 0, true, stage.now);
                    stage.act(effects);
                }
                let ring = stage.desk.keys(&mn).unwrap();
                assert_eq!((ring.proven(), ring.to_try().count()), (Some(&key(NEW)), 2));
            }
        }
    }
}

#[test]
fn a_refused_key_is_dropped_and_one_without_an_answer_is_offered_again() {
    let mn = address(Edition::V2025).mn;
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    rotate(&mut stage);
    stage.line("after 3600s");
    assert_eq!(stage.desk.keys(&mn).unwrap().offered().map(|(_, held)| held.clone()), Some(key(NEW)));
    let (result, effects) = ask(&mut stage, Edition::V2025, "k3", "0000000000000000");
    assert_eq!(result, Ok(()));
    stage.act(effects);
    let id = stage.open_requests().pop().unwrap();
    stage.line(&format!("confirm {id} wang"));
    assert_eq!(stage.sent.len(), 1, "no frame has told which key the station uses");
    let old = stage.desk.keys(&mn).unwrap().to_try().position(|held| *held == key(OLD)).unwrap();
    let effects = stage.desk.opened(&mn, old, true, stage.now);
    stage.act(effects);
    assert_eq!((stage.sent.len(), taken(&stage).as_deref()), (2, Some(NEW)));
    let qn = stage.sent.last().unwrap().0.clone();
    stage.line(&format!("station QN={qn};ST=91;CN=9011;PW=123456;MN={mn};Flag=8;CP=&&QnRtn=2&&"));
    let ring = stage.desk.keys(&mn).unwrap();
    assert_eq!((ring.offered(), ring.to_try().next()), (None, Some(&key(OLD))));
    assert!(ring.to_try().any(|held| *held == key(NEW)), "it is still tried");
}

#[test]
fn without_a_proven_key_none_is_given() {
    let mut stage = Stage::new(Edition::V2025, open_settings(), None);
    let (result, _) = ask(&mut stage, Edition::V2025, "k1", NEW);
    assert_eq!(result, Err(Refusal::KeyMissing));
    let (result, _) = ask(&mut stage, Edition::V2017, "k1", NEW);
    assert_eq!(result, Err(Refusal::EditionLacks));
}
