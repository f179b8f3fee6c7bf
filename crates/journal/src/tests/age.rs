//! How old segments are, under a clock that does what it likes.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use hj212_model::telemetry::Counter;

const DAY: i64 = 86_400_000_000;
const BEGIN: i64 = 1_795_910_400_000_000;

/// A wall clock and a monotonic one, in microseconds.
#[derive(Debug, Default)]
struct Clocks {
    wall: AtomicI64,
    mono: AtomicI64,
}

impl Clocks {
    fn set(&self, wall: i64, mono: i64) {
        self.wall.store(wall, Ordering::Relaxed);
        self.mono.store(mono, Ordering::Relaxed);
    }
}

struct Aged {
    disk: SimDisk,
    clocks: Arc<Clocks>,
    telemetry: Arc<Telemetry>,
    journal: Journal,
    number: u64,
}

fn start(disk: &SimDisk, clocks: &Arc<Clocks>, telemetry: &Arc<Telemetry>) -> Journal {
    let read = Arc::clone(clocks);
    let clock = Box::new(move || (Timestamp(read.wall.load(Ordering::Relaxed)), read.mono.load(Ordering::Relaxed)));
    let journal = open_by(Arc::new(disk.clone()), &settings(), Arc::clone(telemetry), clock).unwrap();
    journal.delivered(Offset(u64::MAX));
    // Nobody needs anything of it any more.
    [Holder::Interpretation, Holder::Commands]
        .into_iter()
        .for_each(|holder| journal.keep_from(holder, Offset(u64::MAX)));
    journal
}

impl Aged {
    /// A journal of some segments, all delivered.
    fn new() -> Aged {
        let (disk, clocks, telemetry) = (SimDisk::new(1, 4 << 20), Arc::new(Clocks::default()), Arc::default());
        clocks.set(BEGIN, 5);
        let journal = start(&disk, &clocks, &telemetry);
        let mut aged = Aged { disk, clocks, telemetry, journal, number: 0 };
        aged.fill();
        aged
    }

    /// Writes a new segment or two, at each of which retention looks around.
    fn fill(&mut self) {
        for _ in 0..12 {
            self.number += 1;
            assert!(append(&self.journal, vec![entry(self.number, 800)])[0].is_ok());
        }
    }

    fn expired(&self) -> u64 {
        self.telemetry.get(Counter::JournalExpired)
    }

    fn restart(self) -> Aged {
        let Aged { disk, clocks, telemetry, journal, number } = self;
        journal.close();
        let journal = start(&disk, &clocks, &telemetry);
        Aged { disk, clocks, telemetry, journal, number }
    }
}

#[test]
fn a_jump_ahead_deletes_nothing_and_real_age_does() {
    for jump in [8 * DAY, 400 * DAY, -400 * DAY, -BEGIN] {
        let mut aged = Aged::new();
        for second in 1..=25i64 {
            aged.clocks.set(BEGIN + jump + second * 1_000_000, 5 + second * 1_000_000);
            aged.fill();
        }
        assert_eq!(aged.expired(), 0, "{jump}");
        aged = aged.restart();
        aged.fill();
        aged.clocks.set(BEGIN + 60_000_000, 60_000_000);
        aged.fill();
        aged = aged.restart();
        aged.fill();
        assert_eq!(aged.expired(), 0, "{jump}: right again, nothing was lost meanwhile");
        // Eight days pass, and are looked at every hour.
        for hour in 1..=8 * 24 {
            let passed = 60_000_000 + hour * DAY / 24;
            aged.clocks.set(BEGIN + passed, passed);
            if hour % 8 == 0 {
                aged.fill();
            } else {
                assert!(append(&aged.journal, vec![entry(0, 8)])[0].is_ok());
            }
        }
        assert!(aged.expired() >= 50, "{jump}: {}", aged.expired());
        aged.journal.close();
        assert!(sound(&aged.disk).is_sound());
    }
}
