//! Finer values of periods, counted: how many came, how many were good, how many were due.
//!
//! How many are due follows from the distances at which values were seen to come; while that is not known, nothing is said. What is counted
//! here is what instruments and rules say; what people enter is laid over it when a period is judged ([`super::period`]), so that the order
//! of arrival does not matter.
//!
//! What must stay true: a value said again changes nothing twice; a period that was forgotten is not known, whatever comes for it later;
//! the memory is bounded by the periods kept, and periods that are alike take the room of one.

use serde::{Deserialize, Serialize};

use super::expr::SECOND;
use super::rules::Validity;

/// Distances remembered: the shortest that is among them twice is the step. With so many longer ones it has changed.
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
    /// The shortest that is among them twice.
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
        if gone != seconds {
            // One odd packet is no interval.
            let twice = |seconds: &&u32| self.kept.iter().filter(|other| other == seconds).count() > 1;
            let shortest = self.kept.iter().filter(twice).min().or(self.kept.iter().min());
            self.shortest = shortest.copied().unwrap_or(0);
        }
    }

    /// The distance, µs; `None` while it is not known.
    pub(super) fn step(&self) -> Option<i64> {
        (self.kept.len() >= STEPS_NEEDED).then(|| i64::from(self.shortest) * SECOND)
    }
}

/// Periods in a row whose finer values came alike, a bit a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    /// The first of them: how many lengths after the beginning of time.
    first: i64,
    count: u32,
    seen: u64,
    good: u64,
    /// Not to be counted.
    out: u64,
}

impl Run {
    const fn end(&self) -> i64 {
        self.first + self.count as i64
    }

    const fn is_like(&self, other: &Run) -> bool {
        self.seen == other.seen && self.good == other.good && self.out == other.out
    }
}

/// The finer values of many periods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// In order; periods in a row that are alike share one.
    runs: Vec<Run>,
    length: i64,
    /// The first value ever counted.
    since: i64,
    steps: Steps,
}

/// What was counted in a period, a bit a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) seen: u64,
    pub(super) good: u64,
    pub(super) out: u64,
    /// How far apart values are due, µs.
    pub(super) step: i64,
    /// How long a place is, µs.
    pub(super) unit: i64,
    length: i64,
}

/// What a period comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) good: u32,
    pub(super) seen: u32,
    /// How many were due, without those that are not to be counted.
    pub(super) expected: u32,
    /// How many were not to be counted.
    pub(super) out: u32,
}

impl Places {
    /// The places at which values are due, first and length of the time each stands for.
    pub(super) fn due(&self) -> impl Iterator<Item = (u64, i64)> {
        let (unit, step, length) = (self.unit, self.step, self.length);
        let count = ((length + step / 2) / step).clamp(1, PLACES);
        (0..count).map(move |n| (bit_of(n * step / unit), n * step))
    }

    pub(super) fn count(&self) -> Counted {
        let due = u32::try_from(((self.length + self.step / 2) / self.step).clamp(1, PLACES)).unwrap_or(0);
        let out = self.out.count_ones().min(due);
        let (good, seen) = ((self.good & !self.out).count_ones(), (self.seen & !self.out).count_ones());
        Counted { good, seen, expected: due - out, out }
    }
}

fn bit_of(place: i64) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1u64.checked_shl(place)).unwrap_or(0)
}

impl Tally {
    /// Counts a value of `at` in the period of `length` that begins at `start`; `kept` periods are remembered.
    pub(super) fn count(&mut self, (start, length): (i64, i64), at: i64, validity: Validity, kept: i64) {
        self.steps.note(at);
        if self.length != length {
            // Of another length: the station has changed its period.
            *self = Tally { length, since: at, steps: std::mem::take(&mut self.steps), ..Tally::default() };
        }
        let number = start.div_euclid(length);
        let latest = self.runs.last().map_or(i64::MIN, Run::end);
        if number < latest.saturating_sub(kept) {
            return;
        }
        let bit = bit_of((at - start) / (length / PLACES).max(1));
        let at_least = self.runs.partition_point(|run| run.end() <= number);
        let here = match self.runs.get(at_least).filter(|run| run.first <= number) {
            None => {
                if number >= latest {
                    self.close(number - kept);
                }
                let place = self.runs.partition_point(|run| run.end() <= number);
                self.runs.insert(place, Run { first: number, count: 1, ..Run::default() });
                place
            }
            Some(run) => {
                let mut set = run.clone();
                put(&mut set, bit, validity);
                if set.is_like(run) {
                    return;
                }
                self.alone(at_least, number)
            }
        };
        if let Some(run) = self.runs.get_mut(here) {
            put(run, bit, validity);
        }
    }

    /// Joins the last period with those before it, if it is like them, and forgets what is older than `oldest`.
    fn close(&mut self, oldest: i64) {
        if let [.., before, last] = self.runs.as_mut_slice()
            && before.end() == last.first
            && before.is_like(last)
        {
            before.count += last.count;
            self.runs.pop();
        }
        let old = self.runs.partition_point(|run| run.end() <= oldest);
        self.runs.drain(..old);
        if let Some(run) = self.runs.first_mut().filter(|run| run.first <= oldest) {
            let end = run.end();
            run.first = oldest + 1;
            run.count = u32::try_from(end - run.first).unwrap_or(1);
        }
    }

    /// Gives one period of a run a run of its own; where that stands.
    fn alone(&mut self, at: usize, number: i64) -> usize {
        let Some(run) = self.runs.get(at).filter(|run| run.count > 1).cloned() else { return at };
        let part = |first: i64, end: i64| {
            let count = u32::try_from(end - first).unwrap_or(0);
            (count > 0).then(|| Run { first, count, ..run.clone() })
        };
        let parts = [part(run.first, number), part(number, number + 1), part(number + 1, run.end())];
        let before = usize::from(number > run.first);
        self.runs.splice(at..=at, parts.into_iter().flatten());
        at + before
    }

    /// What was counted in the period that begins at `start`; `None` if nothing is known of it.
    pub(super) fn of(&self, start: i64, length: i64) -> Option<Places> {
        let number = start.div_euclid(length);
        let at = self.runs.partition_point(|run| run.end() <= number);
        let run = self.runs.get(at).filter(|run| run.first <= number && self.length == length)?;
        let step = self.steps.step()?;
        let unit = (length / PLACES).max(1);
        Some(Places { seen: run.seen, good: run.good, out: run.out, step, unit, length })
    }

    /// Whether values came from the beginning of the period that begins at `start`.
    pub(super) fn knows(&self, start: i64) -> bool {
        self.since != 0 && self.since <= start + self.steps.step().unwrap_or(0)
    }
}

fn put(run: &mut Run, bit: u64, validity: Validity) {
    let set = |bits: &mut u64, is: bool| *bits = if is { *bits | bit } else { *bits & !bit };
    set(&mut run.seen, true);
    set(&mut run.good, validity.is_usable());
    set(&mut run.out, validity == Validity::Excluded);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const KEPT: i64 = 168;

    fn all(n: u32) -> Counted {
        Counted { good: n, seen: n, expected: n, out: 0 }
    }

    fn hour(tally: &mut Tally, start: i64, step: i64, validity: impl Fn(i64) -> Validity) -> Option<Counted> {
        (0..HOUR / step).for_each(|n| tally.count((start, HOUR), start + n * step, validity(n), KEPT));
        tally.of(start, HOUR).map(|places| places.count())
    }

    #[test]
    fn what_is_due_follows_the_steps_that_are_seen() {
        let mut tally = Tally::default();
        assert_eq!(tally.of(0, HOUR), None);
        assert_eq!(hour(&mut tally, HOUR, MINUTE, |_| Validity::Valid), Some(all(60)));
        assert_eq!(hour(&mut tally, 2 * HOUR, 10 * MINUTE, |_| Validity::Valid).unwrap().expected, 60, "not yet known");
        hour(&mut tally, 3 * HOUR, 10 * MINUTE, |_| Validity::Valid);
        let six = hour(&mut tally, 4 * HOUR, 10 * MINUTE, |_| Validity::Valid);
        assert_eq!(six, Some(all(6)), "the station's interval has changed");
        let half = |n| if n % 2 == 0 { Validity::Valid } else { Validity::Invalid };
        let half = hour(&mut tally, 5 * HOUR, 10 * MINUTE, half);
        assert_eq!(half, Some(Counted { good: 3, seen: 6, expected: 6, out: 0 }));
    }

    #[test]
    fn one_odd_packet_changes_nothing_that_is_due() {
        let mut tally = Tally::default();
        for n in 1..4 {
            let _ = hour(&mut tally, n * HOUR, 10 * MINUTE, |_| Validity::Valid);
        }
        tally.count((4 * HOUR, HOUR), 4 * HOUR, Validity::Valid, KEPT);
        tally.count((4 * HOUR, HOUR), 4 * HOUR + MINUTE, Validity::Valid, KEPT);
        assert_eq!(tally.of(4 * HOUR, HOUR).unwrap().count().expected, 6);
    }

    #[test]
    fn what_is_excluded_is_not_due() {
        let mut tally = Tally::default();
        let stopped = |n| if n < 20 { Validity::Excluded } else { Validity::Valid };
        let counted = Counted { good: 40, seen: 40, expected: 40, out: 20 };
        assert_eq!(hour(&mut tally, HOUR, MINUTE, stopped), Some(counted));
        let nothing = hour(&mut tally, 2 * HOUR, MINUTE, |_| Validity::Excluded);
        assert_eq!(nothing.unwrap().expected, 0, "nothing is left to be judged");
    }

    #[test]
    fn one_value_a_period_is_enough() {
        let mut tally = Tally::default();
        (1..6).for_each(|n| tally.count((n * MINUTE, MINUTE), n * MINUTE, Validity::Valid, KEPT));
        assert_eq!(tally.of(5 * MINUTE, MINUTE).unwrap().count(), all(1));
        tally.count((5 * MINUTE, MINUTE), 5 * MINUTE, Validity::Invalid, KEPT);
        let bad = Counted { good: 0, seen: 1, expected: 1, out: 0 };
        assert_eq!(tally.of(5 * MINUTE, MINUTE).unwrap().count(), bad, "said again");
    }

    #[test]
    fn a_week_of_good_hours_takes_a_handful_of_bytes_and_each_of_them_is_known() {
        let mut tally = Tally::default();
        for n in 1..=400 {
            hour(
                &mut tally,
                n * HOUR,
                MINUTE,
                |m| if n % 24 == 3 && m < 20 { Validity::Invalid } else { Validity::Valid },
            );
        }
        assert!(tally.runs.len() <= 16, "{}", tally.runs.len());
        assert_eq!(tally.of(400 * HOUR - KEPT * HOUR, HOUR), None, "older than is kept");
        for n in 400 - KEPT + 1..=400 {
            let good = if n % 24 == 3 { 40 } else { 60 };
            assert_eq!(tally.of(n * HOUR, HOUR).unwrap().count().good, good, "hour {n}");
        }
        tally.count((300 * HOUR, HOUR), 300 * HOUR + 5 * MINUTE, Validity::Invalid, KEPT);
        assert_eq!(tally.of(300 * HOUR, HOUR).unwrap().count().good, 59, "one corrected minute of an old hour");
        assert_eq!(tally.of(299 * HOUR, HOUR).unwrap().count().good, 60);
        tally.count((100 * HOUR, HOUR), 100 * HOUR, Validity::Valid, KEPT);
        assert_eq!(tally.of(100 * HOUR, HOUR), None, "of an hour that is forgotten one minute is no knowledge");
    }
}
