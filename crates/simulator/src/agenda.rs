//! When a station makes which record.
//!
//! Realtime and state follow the wall clock from the station's own phase; minute, hour and day records follow the simulated
//! clock and are made a little after their period has ended, each station at its own moment, so that a crowd does not speak at
//! once (unless it is asked to). Boot comes once, at the start.

use std::time::Duration;

use super::clock::{Clock, DAY, HOUR, MINUTE, period_start};
use super::fleet::Profile;
use super::seeded_random::SeededRandom;
use super::upload::{Kind, Upload};
use hj212::Edition;
use hj212_model::message::Timestamp;

/// Every so many realtime records the state of the equipment is told too.
const STATE_EVERY: u32 = 10;

/// The longest time after the end of a period at which its record is made.
const PERIOD_DELAY_MAX: Duration = Duration::from_secs(30);

/// What all agendas of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    pub(crate) clock: Clock,
    pub(crate) interval: Duration,
    /// MinInterval, minutes.
    pub(crate) minutes: u8,
    /// How often a 2025 station beats, if it has nothing else to say.
    pub(crate) heartbeat: Duration,
    /// After this no record is made.
    pub(crate) until: Duration,
    /// All stations at the same moments.
    pub(crate) aligned: bool,
}

/// The records to come of one station.
#[derive(Debug, Clone)]
pub(crate) struct Agenda {
    entries: Vec<Entry>,
    realtimes: u32,
    last_spoke: Duration,
    /// Set by 1062 and 1064.
    interval: Duration,
    minutes: u8,
    /// Whether they are told: 2011 and 2012, 2021 and 2022.
    pub(crate) tells_realtime: bool,
    pub(crate) tells_state: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: Kind,
    due: Duration,
    /// Of period records: where the period begins that is told at `due`, its length, and the delay after its end.
    start: Timestamp,
    length: i64,
    delay: Duration,
}

impl Agenda {
    pub(crate) fn new(station: &Profile, habits: &Habits, rng: &mut SeededRandom) -> Self {
        let once = |kind, due| Entry { kind, due, start: Timestamp(0), length: 0, delay: Duration::ZERO };
        let phase = |rng: &mut SeededRandom, span: Duration| match habits.aligned {
            true => Duration::ZERO,
            false => Duration::from_micros(rng.below(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))),
        };
        // The first realtime record does not wait for a whole long interval.
        let mut entries = vec![once(Kind::Realtime, phase(rng, habits.interval))];
        if station.edition != Edition::V2005 {
            entries.push(once(Kind::Boot, Duration::ZERO));
        }
        if station.edition == Edition::V2025 {
            entries.push(once(Kind::Heartbeat, habits.heartbeat));
        }
        if station.subject.has_periods() {
            let now = habits.clock.simulated(Duration::ZERO);
            let minutes = i64::from(habits.minutes) * MINUTE;
            let delay = phase(rng, PERIOD_DELAY_MAX.min(habits.clock.lasts(minutes) / 2));
            for (kind, length) in [(Kind::Minute, minutes), (Kind::Hour, HOUR), (Kind::Day, DAY)] {
                let start = period_start(now, length);
                let due = habits.clock.reached(Timestamp(start.0 + length)) + delay;
                entries.push(Entry { kind, due, start, length, delay });
            }
        }
        let (interval, minutes) = (habits.interval, habits.minutes);
        Agenda {
            entries,
            realtimes: 0,
            last_spoke: Duration::ZERO,
            interval,
            minutes,
            tells_realtime: true,
            tells_state: true,
        }
    }

    /// RtdInterval.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// MinInterval in minutes.
    pub(crate) fn minutes(&self) -> u8 {
        self.minutes
    }

    /// From `now` on a realtime record every `interval`.
    pub(crate) fn set_interval(&mut self, interval: Duration, now: Duration) {
        self.interval = interval;
        for entry in self.entries.iter_mut().filter(|entry| entry.kind == Kind::Realtime) {
            entry.due = entry.due.min(now + interval);
        }
    }

    /// From `now` on minute records of so many minutes; the period that is under way is told in the new length.
    pub(crate) fn set_minutes(&mut self, minutes: u8, now: Duration, habits: &Habits) {
        self.minutes = minutes;
        let length = i64::from(minutes) * MINUTE;
        for entry in self.entries.iter_mut().filter(|entry| entry.kind == Kind::Minute) {
            entry.length = length;
            entry.start = period_start(habits.clock.simulated(now), length);
            entry.due = habits.clock.reached(Timestamp(entry.start.0 + length)) + entry.delay;
        }
    }

    /// When the next record is due; `None` if no more come.
    pub(crate) fn next_due(&self, habits: &Habits) -> Option<Duration> {
        self.entries.iter().map(|entry| entry.due).min().filter(|due| *due < habits.until)
    }

    /// Hands every record that is due at `now` to `make`, in the order in which they became due.
    pub(crate) fn advance(&mut self, now: Duration, habits: &Habits, make: &mut impl FnMut(Upload)) {
        while let Some(due) = self.next_due(habits).filter(|due| *due <= now) {
            let Some(position) = self.entries.iter().position(|entry| entry.due == due) else { return };
            self.make_one(position, due, habits, make);
        }
    }

    fn make_one(&mut self, position: usize, due: Duration, habits: &Habits, make: &mut impl FnMut(Upload)) {
        let Some(entry) = self.entries.get_mut(position) else { return };
        let time = habits.clock.simulated(due);
        match entry.kind {
            Kind::Realtime => {
                if self.tells_realtime {
                    make(Upload::new(Kind::Realtime, time));
                }
                if self.tells_state && self.realtimes.is_multiple_of(STATE_EVERY) {
                    make(Upload::new(Kind::State, time));
                }
                self.realtimes = self.realtimes.wrapping_add(1);
                entry.due += self.interval;
                if self.tells_realtime {
                    self.last_spoke = due;
                }
            }
            Kind::Heartbeat => {
                if due.saturating_sub(self.last_spoke) >= habits.heartbeat / 2 {
                    make(Upload::new(Kind::Heartbeat, time));
                }
                entry.due += habits.heartbeat;
            }
            Kind::Minute | Kind::Hour | Kind::Day => {
                make(Upload { minutes: self.minutes, ..Upload::new(entry.kind, entry.start) });
                entry.start = Timestamp(entry.start.0 + entry.length);
                // At least a microsecond on, so that the loop ends whatever the speed.
                let next = habits.clock.reached(Timestamp(entry.start.0 + entry.length)) + entry.delay;
                entry.due = next.max(due + Duration::from_micros(1));
                self.last_spoke = due;
            }
            Kind::State
            | Kind::Boot
            | Kind::Log
            | Kind::Entry
            | Kind::Runtime
            | Kind::Raw
            | Kind::Check
            | Kind::Register
            | Kind::AskTime
            | Kind::AskKey => {
                make(Upload::new(entry.kind, time));
                self.entries.swap_remove(position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fleet::profile;
    use super::super::options::Options;
    use super::*;

    fn records(options: &Options) -> Vec<Upload> {
        records_at(options, 1_795_401_600_000_000)
    }

    fn records_at(options: &Options, start: i64) -> Vec<Upload> {
        let clock = Clock::new(Timestamp(start), options.effective_speed(), options.duration);
        let habits = Habits {
            clock,
            interval: options.interval,
            minutes: u8::try_from(options.min_interval).unwrap(),
            heartbeat: Duration::from_secs(60),
            until: options.duration,
            aligned: options.aligned,
        };
        let mut agenda = Agenda::new(&profile(options, 1), &habits, &mut SeededRandom::new(1, 1));
        let mut made = Vec::new();
        let mut now = Duration::ZERO;
        while let Some(due) = agenda.next_due(&habits) {
            assert!(due >= now);
            now = due;
            agenda.advance(now, &habits, &mut |upload| made.push(upload));
        }
        made
    }

    fn count(made: &[Upload], kind: Kind) -> usize {
        made.iter().filter(|upload| upload.kind == kind).count()
    }

    #[test]
    fn all_kinds_appear_within_a_minute() {
        let made = records(&Options::default());
        assert_eq!(count(&made, Kind::Realtime), 2);
        assert_eq!(count(&made, Kind::Boot), 1);
        assert!(count(&made, Kind::State) >= 1);
        assert!((148..=150).contains(&count(&made, Kind::Minute)), "{}", count(&made, Kind::Minute));
        assert!((24..=25).contains(&count(&made, Kind::Hour)));
        assert!((1..=2).contains(&count(&made, Kind::Day)));
    }

    #[test]
    fn a_day_ends_within_every_run_whenever_it_starts() {
        for quarter in 0..96 {
            let made = records_at(&Options::default(), 1_795_401_600_000_000 + quarter * 15 * MINUTE);
            assert!(count(&made, Kind::Day) >= 1, "started {quarter} quarters later");
        }
    }

    #[test]
    fn a_real_hour_is_a_loggers_hour() {
        let made = records(&Options {
            speed: Some(1.0),
            duration: Duration::from_secs(3600),
            aligned: true,
            ..Options::default()
        });
        assert_eq!(count(&made, Kind::Realtime), 120);
        assert_eq!(count(&made, Kind::State), 12);
        assert!((5..=6).contains(&count(&made, Kind::Minute)));
    }

    #[test]
    fn periods_follow_one_another_without_gap() {
        let made = records(&Options { min_interval: 5, ..Options::default() });
        let starts: Vec<i64> = made.iter().filter(|u| u.kind == Kind::Minute).map(|u| u.time.0).collect();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 5 * MINUTE));
        assert!(starts.iter().all(|start| start % (5 * MINUTE) == 0));
    }
}
