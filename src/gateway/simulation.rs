//! The whole gateway, simulated: the real scanner, judgement, journal, interpretation, window and delivery on a simulated disk, network,
//! broker and clock, all driven by one seed. `docs/testing.md` says what is simulated and what is not.
//!
//! What is checked, at each step or at each start:
//! * what was answered is in the journal, as it was sent;
//! * the cursor on disk is never ahead of what the broker took, and no checkpoint is ahead of the cursor on disk;
//! * in the end everything is published, unaltered, with the registry that held, and nothing else: the messages of one replay of all records
//!   by an interpreter that was never stopped are those that the broker took.
//!
//! A seed that fails is printed with its steps; `SIM_SEED=n cargo test --features demo --lib gateway::simulation -- --nocapture` plays it again.

mod node;
mod world;

use std::time::{Duration, Instant};

use world::{Planted, World};

/// How long the short form runs, and how many seeds it plays at most.
const SHORT: Duration = Duration::from_secs(60);
const SEEDS: u64 = 10_000;

/// Plays one seed; the steps, if something was not as it must be.
fn play(seed: u64, planted: Planted) -> Result<(), String> {
    let mut world = World::new(seed, planted);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.play()));
    let what = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(what)) => what,
        Err(_) => "it panicked".to_owned(),
    };
    Err(format!("seed {seed}: {what}\nSIM_SEED={seed} plays it again; its steps:\n{}", world.steps()))
}

#[test]
fn many_seeds_keep_every_promise() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let one = number("SIM_SEED");
    let (first, most) =
        one.map_or((number("SIM_FIRST").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS)), |one| (one, 1));
    let begun = Instant::now();
    let mut played = 0;
    for seed in first..first + most {
        if let Err(what) = play(seed, Planted::Nothing) {
            panic!("{what}");
        }
        played += 1;
        // The long form plays all it was told to.
        if number("SIM_SEEDS").is_none() && begun.elapsed() > SHORT {
            break;
        }
    }
    println!("{played} seeds in {:?}", begun.elapsed());
    assert!(played >= 10.min(most), "too slow to say anything: {played}");
}

#[test]
fn planted_faults_are_found() {
    for planted in [Planted::CursorAhead, Planted::CheckpointAhead, Planted::AnswerEarly, Planted::OtherRegistry] {
        let found = (0..200).find_map(|seed| play(seed, planted).err());
        let what = found.unwrap_or_else(|| panic!("{planted:?} is not found"));
        println!("{planted:?}: {}", what.lines().next().unwrap_or_default());
        // The same seed fails the same way.
        let seed = what.split([' ', ':']).nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(0);
        assert!(play(seed, planted).is_err());
    }
}
