//! Finer values of periods, counted: how many came, how many were good, how many were due.
//!
//! How many are due follows from the distances at which values were seen to come; while that is not known, nothing is said. What must
//! stay true: a value said again changes nothing twice, and a value that is not counted by its rules (停产, 停运) is not due.

use serde::{Deserialize, Serialize};

use super::expr::SECOND;
use super::rules::Validity;

/// Periods of one kind whose finer values are counted at the same time.
const TALLIES_MAX: usize = 3;
/// Distances remembered: the shortest of them is the step. With so many longer ones it has changed.
const STEPS_KEPT: usize = 8;
/// Distances that must be known before the step is.
const STEPS_NEEDED: usize = 3;
/// The places of a period: finer values closer together share one.
const PLACES: i64 = 60;

/// How far apart values come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Steps {
    last: i64,
    /// The latest distances in whole seconds, in a ring.
    kept: Vec<u32>,
    next: u8,
    /// The shortest of them.
    shortest: u32,
}

impl Steps {
    pub(super) fn note(&mut self, at: i64) {
        let distance = at - self.last;
        if distance <= 0 {
            return;
        }
        let first = std::mem::replace(&mut self.last, at) == 0;
        let seconds = u32::try_from((distance + SECOND / 2) / SECOND).unwrap_or(u32::MAX);
        if first || seconds == 0 {
            return;
        }
        let gone = match self.kept.get_mut(usize::from(self.next)) {
            Some(place) => std::mem::replace(place, seconds),
            None => {
                self.kept.push(seconds);
                0
            }
        };
        self.next = (self.next + 1) % STEPS_KEPT as u8;
        if seconds <= self.shortest || self.shortest == 0 {
            self.shortest = seconds;
        } else if gone == self.shortest {
            self.shortest = self.kept.iter().copied().min().unwrap_or(0);
        }
    }

    /// The distance, µs; `None` while it is not known.
    pub(super) fn step(&self) -> Option<i64> {
        (self.kept.len() >= STEPS_NEEDED).then(|| i64::from(self.shortest) * SECOND)
    }
}

/// The finer values of one period, a bit a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Places {
    start: i64,
    length: i64,
    seen: u64,
    good: u64,
    /// Not to be counted.
    out: u64,
}

/// The finer values of a few periods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    periods: Vec<Places>,
    steps: Steps,
}

/// What was counted in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) good: u32,
    pub(super) seen: u32,
    pub(super) expected: u32,
}

impl Tally {
    /// Counts a value of `at` in the period of `length` that begins at `start`.
    pub(super) fn count(&mut self, start: i64, length: i64, at: i64, validity: Validity) {
        self.steps.note(at);
        let place = match self.periods.iter().position(|period| period.start == start && period.length == length) {
            Some(place) => place,
            None => {
                // Of another length: the station has changed its period.
                self.periods.retain(|period| period.length == length);
                if self.periods.len() >= TALLIES_MAX {
                    let oldest = self.periods.iter().enumerate().min_by_key(|(_, period)| period.start);
                    let oldest = oldest.map_or(0, |(place, _)| place);
                    self.periods.remove(oldest);
                }
                self.periods.push(Places { start, length, ..Places::default() });
                self.periods.len() - 1
            }
        };
        let Some(period) = self.periods.get_mut(place) else { return };
        let unit = (length / PLACES).max(1);
        let bit = u32::try_from((at - start) / unit).ok().and_then(|place| 1u64.checked_shl(place)).unwrap_or(0);
        let set = |bits: &mut u64, is: bool| *bits = if is { *bits | bit } else { *bits & !bit };
        set(&mut period.seen, true);
        set(&mut period.good, validity.is_usable());
        set(&mut period.out, validity == Validity::Excluded);
    }

    /// What was counted in the period that begins at `start`; `None` if nothing is known of it, or nothing was due.
    pub(super) fn of(&self, start: i64, length: i64) -> Option<Counted> {
        let period = self.periods.iter().find(|period| period.start == start && period.length == length)?;
        let step = self.steps.step()?;
        let due = ((length + step / 2) / step).clamp(1, PLACES);
        let out = period.out.count_ones();
        let expected = u32::try_from(due).unwrap_or(0).saturating_sub(out);
        let counted = Counted { good: period.good.count_ones(), seen: period.seen.count_ones() - out, expected };
        (counted.expected > 0).then_some(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;

    fn hour(tally: &mut Tally, start: i64, step: i64, validity: impl Fn(i64) -> Validity) -> Option<Counted> {
        (0..HOUR / step).for_each(|n| tally.count(start, HOUR, start + n * step, validity(n)));
        tally.of(start, HOUR)
    }

    #[test]
    fn what_is_due_follows_the_steps_that_are_seen() {
        let mut tally = Tally::default();
        assert_eq!(tally.of(0, HOUR), None);
        let all = |n| Some(Counted { good: n, seen: n, expected: n });
        assert_eq!(hour(&mut tally, HOUR, MINUTE, |_| Validity::Valid), all(60));
        assert_eq!(hour(&mut tally, 2 * HOUR, 10 * MINUTE, |_| Validity::Valid).unwrap().expected, 60, "not yet known");
        hour(&mut tally, 3 * HOUR, 10 * MINUTE, |_| Validity::Valid);
        assert_eq!(
            hour(&mut tally, 4 * HOUR, 10 * MINUTE, |_| Validity::Valid),
            all(6),
            "the station's interval has changed"
        );
        let half = |n| if n % 2 == 0 { Validity::Valid } else { Validity::Invalid };
        assert_eq!(hour(&mut tally, 5 * HOUR, 10 * MINUTE, half), Some(Counted { good: 3, seen: 6, expected: 6 }));
    }

    #[test]
    fn what_is_excluded_is_not_due() {
        let mut tally = Tally::default();
        let stopped = |n| if n < 20 { Validity::Excluded } else { Validity::Valid };
        assert_eq!(hour(&mut tally, HOUR, MINUTE, stopped), Some(Counted { good: 40, seen: 40, expected: 40 }));
        assert_eq!(hour(&mut tally, 2 * HOUR, MINUTE, |_| Validity::Excluded), None, "nothing is left to be judged");
    }

    #[test]
    fn one_value_a_period_is_enough() {
        let mut tally = Tally::default();
        (1..6).for_each(|n| tally.count(n * MINUTE, MINUTE, n * MINUTE, Validity::Valid));
        assert_eq!(tally.of(5 * MINUTE, MINUTE), Some(Counted { good: 1, seen: 1, expected: 1 }));
        tally.count(5 * MINUTE, MINUTE, 5 * MINUTE, Validity::Invalid);
        assert_eq!(tally.of(5 * MINUTE, MINUTE), Some(Counted { good: 0, seen: 1, expected: 1 }), "said again");
    }
}
