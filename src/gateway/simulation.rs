//! The whole gateway, simulated: the real scanner, judgement, journal, interpretation, window, delivery and command desk on a simulated disk,
//! network, broker and clock, all driven by one seed. `docs/testing.md` says what is simulated and what is not.
//!
//! What is checked after each step:
//! * what was answered is in the journal, and what was durable stays as it was;
//! * the cursor on disk is never ahead of what the broker took, and no checkpoint is ahead of the cursor on disk;
//! * the broker is handed nothing but what one interpreter that was never stopped says of the records (so, the registry that held then);
//! * no command is sent before its step is durable, beyond its count, under two QNs, or with a time of before; none has two ends; a request
//!   is acknowledged to the broker only when it is durable; the key that a station uses is held.
//!
//! And in the end, when all is well again: everything is answered, published and taken, and every request has its one end.
//!
//! A seed that fails is played once more and printed with its steps;
//! `HJ212_SEED=n cargo test --features demo --lib gateway::simulation -- --nocapture` plays it again.

mod broker;
mod ledger;
mod life;
mod node;
mod operators;
mod stations;
mod world;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use world::{Prepared, World};

/// A fault that the checks must find: what the code would do if it broke its promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// What was handed over counts as acknowledged.
    CursorAhead,
    /// A checkpoint is written when it is taken.
    CheckpointAhead,
    /// A frame is answered whatever the disk says.
    AnswerEarly,
    /// The messages say another registry.
    OtherRegistry,
    /// A step that the journal refused counts as durable.
    SentEarly,
    /// A request is acknowledged to the broker when it comes.
    TakenEarly,
    /// A frame for a station goes out twice.
    SentTwice,
    /// The time that is written into commands is that of before.
    TimeOfBefore,
    /// The file of the desk is lost in a restart.
    DeskForgotten,
    /// The keys in the file of the desk are.
    KeysForgotten,
    /// What was sent is, in the file and in the journal.
    SendingForgotten,
    /// An end is told twice.
    EndedTwice,
    /// A request is taken and nothing is done about it.
    NeverEnded,
}

const PLANTED: [Planted; 13] = [
    Planted::CursorAhead,
    Planted::CheckpointAhead,
    Planted::AnswerEarly,
    Planted::OtherRegistry,
    Planted::SentEarly,
    Planted::TakenEarly,
    Planted::SentTwice,
    Planted::TimeOfBefore,
    Planted::DeskForgotten,
    Planted::KeysForgotten,
    Planted::SendingForgotten,
    Planted::EndedTwice,
    Planted::NeverEnded,
];

/// How long the short form runs, and how many seeds it plays at most.
const SHORT: Duration = Duration::from_secs(90);
const SEEDS: u64 = 10_000;
/// Threads that play.
const LANES: u64 = 2;

/// What was not as it must be, and the seed's steps.
struct Failure {
    what: String,
    steps: String,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Plays one seed. Its steps are written down only if it fails: then it is played once more.
fn play(prepared: &Prepared, seed: u64, planted: Planted) -> Result<(), Failure> {
    let once = |telling: bool| {
        let mut world = World::new(prepared, seed, planted, telling);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.play()));
        let outcome = outcome.unwrap_or_else(|_| Err("it panicked".to_owned()));
        (outcome, std::mem::take(&mut world.steps))
    };
    let Err(what) = once(false).0 else { return Ok(()) };
    let (again, steps) = once(true);
    let same = if again == Err(what.clone()) { "" } else { " (played again it goes another way)" };
    Err(Failure { what: format!("{what}{same}"), steps })
}

#[test]
fn many_seeds_keep_every_promise() {
    let one = number("HJ212_SEED");
    let first = one.or(number("HJ212_FIRST")).unwrap_or(0);
    let most = if one.is_some() { 1 } else { number("HJ212_SEEDS").unwrap_or(SEEDS) };
    // The long form plays all it was told to.
    let patient = one.is_some() || number("HJ212_SEEDS").is_some();
    // Or goes on and lists what failed, the first seed of each kind.
    let survey = number("HJ212_SURVEY").is_some();
    let (begun, next, played) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
    let failed: Mutex<Vec<(u64, Failure)>> = Mutex::default();
    let failures = || failed.lock().unwrap_or_else(PoisonError::into_inner);
    let prepared = Prepared::new();
    let lane = || {
        while patient || begun.elapsed() < SHORT {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= most || !survey && !failures().is_empty() {
                return;
            }
            if let Err(failure) = play(&prepared, first + at, Planted::Nothing) {
                failures().push((first + at, failure));
            }
            let so_far = played.fetch_add(1, Ordering::Relaxed) + 1;
            if so_far.is_multiple_of(100_000) {
                println!("{so_far} seeds in {:?}", begun.elapsed());
            }
        }
    };
    std::thread::scope(|scope| {
        (0..number("HJ212_LANES").unwrap_or(LANES).min(most)).for_each(|_| drop(scope.spawn(lane)));
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|(seed, _)| *seed);
    let kind = |what: &str| what.split(|c: char| c.is_ascii_digit()).collect::<String>();
    let mut kinds: BTreeMap<String, (u64, &str, u64)> = BTreeMap::new();
    for (seed, failure) in &failed {
        kinds.entry(kind(&failure.what)).or_insert((*seed, &failure.what, 0)).2 += 1;
    }
    kinds.values().for_each(|(seed, what, times)| println!("{times} times, first seed {seed}: {what}"));
    if let Some((seed, Failure { what, steps })) = failed.first() {
        panic!("seed {seed}: {what}\nHJ212_SEED={seed} plays it again; its steps:\n{steps}");
    }
    let played = played.into_inner();
    // Past the harness, which shows nothing of a test that passes: how much was played is what the short form says.
    let said =
        writeln!(std::io::stderr(), "simulation: {played} seeds played in {:?}, from {first} on", begun.elapsed());
    assert!(said.is_ok());
    assert!(played >= 10.min(most), "too slow to say anything: {played}");
}

#[test]
fn planted_faults_are_found() {
    let prepared = Prepared::new();
    for planted in PLANTED {
        let found = (0..400).find_map(|seed| Some((seed, play(&prepared, seed, planted).err()?)));
        let (seed, failure) = found.unwrap_or_else(|| panic!("{planted:?} is not found"));
        println!("{planted:?}: seed {seed}: {}", failure.what);
        // The same seed fails the same way, and tells its steps.
        assert!(!failure.what.contains("another way") && failure.steps.lines().count() > 5, "{planted:?}");
    }
}
