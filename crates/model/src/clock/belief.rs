//! What time it is, as far as one may believe the host's clock: a rule that no jump of that clock can poison.
//!
//! A gateway's host may boot in 1970, be set right by NTP 20 s later, be set 400 days ahead for some seconds, stand still, or be set back.
//! Records keep the wall clock as it was (that is evidence); whatever *waits* goes by a [`Belief`], which is built from the records alone, so
//! that a replay believes what the running gateway believed.
//!
//! # The rule
//!
//! A run journals its monotonic clock every few seconds ([`Seen::Reading`]). Two times are kept:
//! * [`Belief::elapsed`]: how much time has passed, for everything that waits for a while (parts, cards, rounds). It never goes back and
//!   never jumps. It starts anywhere.
//! * [`Belief::now`]: the date that is believed, for everything with a date (days, deadlines, gaps). It goes back or jumps at a
//!   [`Step`] only.
//!
//! 1. Between two readings, time passes as the monotonic clock says, at most [`UNSEEN_MAX`] (a process that was stopped longer than that
//!    knows nothing of it). The wall clock moves the believed time by no more than a tenth of that, and between readings by no more than
//!    [`LEAD`] beyond the last one.
//! 2. A wall clock that is within [`NEAR`] of the believed time is right: small steps are followed at that tenth.
//! 3. A run begins with the wall clock if that is at most [`UNSEEN_MAX`] ahead: the gateway was away. Until it has once been so, it is waited
//!    for (a clock that is set right after the start).
//! 4. Any other wall clock is doubted. If it stays apart from the believed time by the same amount (within [`NEAR`]) while [`CONFIRM`] passes,
//!    it is believed, forward or backward: a [`Step`].
//! 5. Wall clocks outside [`LOWEST`] to [`HIGHEST`] are never believed. A journal that has had no other begins at [`LOWEST`] and believes
//!    the first one that is.
//! 6. Where there are no readings (journals of versions before them, and the moments until the first), a wall clock that is ahead of the
//!    believed time by at most [`ALONE_MAX`] is right, and while one is doubted time passes as it says; the rest is as above.
//!
//! What must stay true: pure, without a clock of its own; `elapsed` never falls; `now` falls at a step alone; no sequence of wall clocks makes
//! `elapsed` gain more than a tenth and [`LEAD`] on the monotonic clock of a run with readings.

use serde::{Deserialize, Serialize};

use crate::message::Timestamp;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// A wall clock this near to the believed time is right, in microseconds.
pub const NEAR: i64 = 10 * SECOND;
/// How far records may lead the last reading of the monotonic clock: some readings that come late.
pub const LEAD: i64 = 20 * SECOND;
/// How long the gateway may have been away or stopped without the clock being doubted. Less than 8 hours, which is what a clock is wrong by
/// that takes Beijing time for UTC.
pub const UNSEEN_MAX: i64 = 6 * HOUR;
/// How long a clock must differ by the same amount before it is believed.
pub const CONFIRM: i64 = 10 * 60 * SECOND;
/// The longest silence that is believed of a wall clock alone, where there are no readings.
pub const ALONE_MAX: i64 = 7 * 24 * HOUR;

// What is near is ahead of nothing; a doubted clock is confirmed long before it counts as unseen, and that long before it is believed alone.
const _: () = assert!(NEAR < LEAD && LEAD < CONFIRM && CONFIRM < UNSEEN_MAX && UNSEEN_MAX < ALONE_MAX);
/// No clock before 2005-01-01T00:00:00Z is believed: the first edition of HJ 212 is of that year.
pub const LOWEST: Timestamp = Timestamp(1_104_537_600 * SECOND);
/// No clock from 2100-01-01T00:00:00Z on is believed.
pub const HIGHEST: Timestamp = Timestamp(4_102_444_800 * SECOND);

/// What came with a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Any record.
    Record,
    /// A run has begun; how long ago the last one ended is not known.
    Started,
    /// The monotonic clock of the run, in microseconds since any point.
    Reading(i64),
}

/// The believed date was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What it was.
    pub from: Timestamp,
    /// What it is.
    pub to: Timestamp,
    /// How long it was doubted, microseconds.
    pub doubted: i64,
}

/// A wall clock that is not believed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Doubt {
    /// By how much it is ahead, or behind.
    apart: i64,
    /// The base when it began to be apart by that much.
    since: i64,
}

/// What is believed. See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belief {
    now: i64,
    /// The sum of all steps.
    steps: i64,
    /// The believed time at the last reading, or at the last record where there are none.
    base: i64,
    /// The wall clock of the last record.
    wall: Option<i64>,
    /// The last reading of this run.
    reading: Option<i64>,
    /// Whether this run's wall clock has been right once.
    anchored: bool,
    /// Whether any wall clock was ever believed.
    known: bool,
    doubt: Option<Doubt>,
}

impl Default for Belief {
    fn default() -> Self {
        Belief {
            now: LOWEST.0,
            steps: 0,
            base: LOWEST.0,
            wall: None,
            reading: None,
            anchored: false,
            known: false,
            doubt: None,
        }
    }
}

impl Belief {
    /// A belief that begins with `time`, of somebody who knows it from elsewhere.
    #[must_use]
    pub fn since(time: Timestamp) -> Belief {
        let mut belief = Belief::default();
        let _ = belief.see(time, Seen::Started);
        belief
    }

    /// The date that is believed.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// The time that has passed, counted from anywhere: only differences mean something.
    #[must_use]
    pub const fn elapsed(&self) -> Timestamp {
        Timestamp(self.now.saturating_sub(self.steps))
    }

    /// Whether any date was ever believed.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Whether the wall clock is doubted.
    #[must_use]
    pub const fn is_doubted(&self) -> bool {
        self.doubt.is_some()
    }

    /// Whether the wall clock of this run has been right once: until then the date is that of an earlier run.
    #[must_use]
    pub const fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// By how much the doubted wall clock is ahead of what is believed, in microseconds.
    #[must_use]
    pub fn apart(&self) -> Option<i64> {
        self.doubt.map(|doubt| doubt.apart)
    }

    /// The most plausible date of a record with this wall clock, after it was seen: the wall clock itself unless it is doubted; of a run
    /// whose clock has not been right yet, the later one, for a gateway that was away wakes up later than it went to sleep.
    #[must_use]
    pub fn plausible(&self, wall: Timestamp) -> Timestamp {
        let near = (self.base.saturating_sub(NEAR)..=self.base.saturating_add(LEAD + NEAR)).contains(&wall.0);
        let away = !self.anchored && wall.0 > self.now;
        if is_credible(wall.0) && (near || away) { wall } else { self.now() }
    }

    /// Takes the wall clock of the next record, and what came with it. Gives the step if the date was set.
    pub fn see(&mut self, wall: Timestamp, seen: Seen) -> Option<Step> {
        let before = self.wall.replace(wall.0);
        if seen == Seen::Started {
            (self.reading, self.anchored, self.doubt) = (None, false, None);
        }
        if !self.known && is_credible(wall.0) {
            // Of a record between two readings it is not known when the last one was: the count begins again.
            self.reading = if let Seen::Reading(reading) = seen { Some(reading) } else { None };
            self.known = true;
            // What is the first is no change.
            let _ = self.set(wall.0);
            return None;
        }
        let apart = wall.0.saturating_sub(self.base);
        // Where there are no readings the wall clock itself says how much time has passed.
        let (alone, most) = match seen {
            Seen::Record if self.reading.is_none() => (true, ALONE_MAX),
            Seen::Reading(_) if self.reading.is_none() => (true, UNSEEN_MAX),
            Seen::Record => {
                self.follow(wall.0);
                return None;
            }
            Seen::Reading(_) | Seen::Started => (false, if self.anchored { NEAR } else { UNSEEN_MAX }),
        };
        let passed = match (seen, self.reading) {
            (Seen::Reading(reading), Some(last)) => within(reading.saturating_sub(last), UNSEEN_MAX),
            _ if alone && !(0..=most).contains(&apart) => {
                before.map_or(0, |before| within(wall.0.saturating_sub(before), most))
            }
            // The wall clock goes on, or the gateway was away: that is for the wall clock to say.
            _ => 0,
        };
        let steady = self.reading.is_some();
        if let Seen::Reading(reading) = seen {
            self.reading = Some(reading);
        }
        self.judge(wall.0, passed, (steady, most))
    }

    /// Judges a wall clock after so much time; `most`: how far it may be ahead.
    fn judge(&mut self, wall: i64, passed: i64, (steady, most): (bool, i64)) -> Option<Step> {
        self.base = self.base.saturating_add(passed);
        let apart = wall.saturating_sub(self.base);
        if is_credible(wall) && (-NEAR..=most).contains(&apart) {
            let ahead = if steady && self.anchored { passed / 10 } else { apart.max(0) };
            self.base = self.base.saturating_add(apart.clamp(-(passed / 10), ahead));
            self.anchored = true;
            self.doubt = None;
            self.now = self.now.max(self.base);
            self.follow(wall);
            return None;
        }
        self.now = self.now.max(self.base);
        let doubt = match self.doubt {
            Some(doubt) if is_credible(wall) && doubt.apart.saturating_sub(apart).abs() <= NEAR => doubt,
            Some(_) | None => *self.doubt.insert(Doubt { apart, since: self.base }),
        };
        (self.base.saturating_sub(doubt.since) >= CONFIRM).then(|| self.set(wall))
    }

    /// Goes with a wall clock that is right, a little beyond the base.
    fn follow(&mut self, wall: i64) {
        let last = self.base.saturating_add(LEAD);
        if self.anchored && self.doubt.is_none() && wall <= last.saturating_add(NEAR) && is_credible(wall) {
            self.now = self.now.max(wall.min(last));
        }
    }

    fn set(&mut self, wall: i64) -> Step {
        let from = self.now();
        let doubted = self.doubt.map_or(0, |doubt| self.base.saturating_sub(doubt.since));
        self.steps = self.steps.saturating_add(wall.saturating_sub(self.now));
        (self.now, self.base) = (wall, wall);
        self.anchored = true;
        self.doubt = None;
        Step { from, to: Timestamp(wall), doubted }
    }
}

fn is_credible(wall: i64) -> bool {
    (LOWEST.0..HIGHEST.0).contains(&wall)
}

/// What may have passed: nothing if it is less than nothing or too much.
fn within(passed: i64, most: i64) -> i64 {
    if (0..=most).contains(&passed) { passed } else { 0 }
}

#[cfg(test)]
#[path = "belief_tests.rs"]
mod tests;
