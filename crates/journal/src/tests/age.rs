//! How old segments are, under a clock that does what it likes.

use std::path::Path;
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

/// Dates of the segments on disk, the oldest first.
fn dates(disk: &SimDisk) -> Vec<i64> {
    spans(disk, Path::new(DIR)).unwrap().iter().map(|span| span.created.0).collect()
}

#[test]
fn a_segment_made_at_a_restart_is_dated_by_the_records_before_it() {
    const HOUR: i64 = DAY / 24;
    // Hours that one segment lasted, and those that the gateway was away then.
    for (lasted, away) in [(5, 0), (7, 0), (10, 0), (40, 0), (40, 5), (40, 60), (30, 0), (3, 60)] {
        let (disk, clocks) = (SimDisk::new(1, 4 << 20), Arc::new(Clocks::default()));
        clocks.set(BEGIN, 5);
        let journal = start(&disk, &clocks, &Arc::default());
        let said = |at: i64| Entry { time: Timestamp(at), ..entry(1, 8) };
        for hour in 0..=lasted {
            let at = BEGIN + hour * HOUR;
            clocks.set(at, 5 + hour * HOUR);
            assert!(append(&journal, vec![said(at)])[0].is_ok());
        }
        journal.close();
        let end = BEGIN + lasted * HOUR;
        clocks.set(end + away * HOUR + 1_000_000, 77);
        let journal = start(&disk, &clocks, &Arc::default());
        let after = end + away * HOUR + 2_000_000;
        assert!(append(&journal, vec![Entry { time: Timestamp(after), ..entry(2, 3500) }])[0].is_ok());
        let made = dates(&disk);
        assert_eq!(made.len(), 2, "{lasted} {away}");
        assert!(
            (end..=after).contains(&made[1]),
            "{lasted} h, then {away} h away: {} s early",
            (end - made[1]) / 1_000_000
        );
        // A search by time finds what came between.
        let late = end - HOUR / 2;
        let found = offset_at(Arc::new(disk.clone()), Path::new(DIR), Timestamp(late)).unwrap();
        assert_eq!(found.0, lasted as u64 + 1, "the last record before the restart");
        journal.close();
    }
}

#[test]
fn records_of_a_clock_that_jumped_for_a_while_date_nothing() {
    let (disk, clocks) = (SimDisk::new(1, 4 << 20), Arc::new(Clocks::default()));
    clocks.set(BEGIN, 5);
    let journal = start(&disk, &clocks, &Arc::default());
    for second in 0..60i64 {
        let at = BEGIN + second * 1_000_000 + if (20..40).contains(&second) { 3 * DAY } else { 0 };
        assert!(append(&journal, vec![Entry { time: Timestamp(at), ..entry(1, 8) }])[0].is_ok());
    }
    journal.close();
    clocks.set(BEGIN + 61_000_000, 9);
    let journal = start(&disk, &clocks, &Arc::default());
    assert!(append(&journal, vec![entry(2, 3500)])[0].is_ok());
    let made = dates(&disk);
    assert!((BEGIN..BEGIN + 70_000_000).contains(made.last().unwrap()), "{}", made.last().unwrap() - BEGIN);
    journal.close();
}
