//! Parts that differ in nothing but what they say: what each costs is bounded by the records that wait for a station, and not by how many parts
//! these have. Counted are the records and parts that are looked at, not time.

use std::sync::atomic::Ordering;

use super::{Player, frame_step, noon, settings};
use crate::Settings;
use hj212_model::message::Timestamp;

/// So many records wait for the station at most.
const WAIT: u32 = 200;

/// What is looked at for `count` parts, as `frame` gives them by their number; and the most of one part.
fn looked(count: usize, frame: &dyn Fn(usize) -> String) -> (u64, u64) {
    let mut player = Player::new(Settings { parts_station_max: WAIT, parts_max: 999, ..settings() });
    let (mut before, mut most) = (0, 0);
    for number in 0..count {
        // Ten a second.
        let at = Timestamp(noon().0 + number as i64 * 100_000);
        player.play(&[frame_step(at, frame(number).as_bytes())]);
        let all = player.interpreter.waiting.looked.load(Ordering::Relaxed);
        most = most.max(all - before);
        before = all;
    }
    (before, most)
}

/// The frame of that number.
type Way<'a> = Box<dyn Fn(usize) -> String + 'a>;

#[test]
fn what_a_part_costs_does_not_grow_with_the_parts_that_came() {
    let part = |head: &str, number: usize, of: usize, what: usize| {
        format!("{head}ST=31;CN=2051;MN=A;Flag=8;PNUM={of};PNO={number};CP=&&a21026-Avg={what}.5,a21026-Flag=N&&")
    };
    let ways: [(&str, Way<'_>); 5] = [
        ("no name, the first of many", Box::new(|n| part("", 1, 999, n))),
        ("no name, any number", Box::new(|n| part("", n * 7 % 64 + 1, 64, n))),
        ("one QN", Box::new(|n| part("QN=20260601120000000;", n * 7 % 64 + 1, 64, n))),
        ("a QN each", Box::new(|n| part(&format!("QN=20260601{:09};", 120_000_000 + n), n * 7 % 64 + 1, 64, n))),
        ("no name, of as many as wait", Box::new(|n| part("", n % WAIT as usize + 1, WAIT as usize, n / 3))),
    ];
    for (name, frame) in ways {
        let (half, _) = looked(1000, &frame);
        let (whole, most) = looked(2000, &frame);
        println!("{name}: {half} for 1000 parts, {whole} for 2000, {most} for one at most");
        assert!(whole <= 3 * half.max(1000), "{name}: {half}, then {whole}");
        // Some looks at each record that waits.
        assert!(whole / 2000 <= 8 * u64::from(WAIT), "{name}: {whole}");
    }
}
