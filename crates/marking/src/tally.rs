//! Finer values of periods, counted: how many came, how many were good, how many were due.
//!
//! How many are due follows from the distances at which values were seen to come; while that is not known, nothing is said. What is counted
//! here is what instruments and rules say; what people enter is laid over it when a period is judged ([`super::period`]), so that the order
//! of arrival does not matter. Beside it stand the letters alone, as the logger sent them: they and nothing else say what the letter of the
//! period should be.
//!
//! What must stay true: a value said again changes nothing twice; a period that was forgotten is not known, whatever comes for it later;
//! The memory is bounded by the periods kept; what is over stands in one ledger of all codes ([`super::published`]).

use serde::{Deserialize, Serialize};

use super::expr::SECOND;
use super::plan::Letter;
use super::published::{Ledger, Weighs, bytes_of};
use super::rules::Validity;

/// Distances remembered: the shortest that is among them twice is the step. With so many longer ones it has changed.
const STEPS_KEPT: usize = 8;
/// Distances that must be known before the step is.
const STEPS_NEEDED: usize = 3;
const _: () = assert!(STEPS_NEEDED <= STEPS_KEPT);
/// The places of a period: finer values closer together share one.
const PLACES: i64 = 60;

/// How far apart values come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Steps {
    last: i64,
    /// The latest distances by data time in whole seconds, the latest first.
    kept: Vec<u32>,
    /// The shortest that is among them twice.
    shortest: u32,
}

impl Steps {
    /// Takes that a value of `at` came. Whichever comes first, the distances are those between the latest values there are.
    pub(super) fn note(&mut self, at: i64) {
        let seconds = |distance: i64| u32::try_from((distance + SECOND / 2) / SECOND).unwrap_or(u32::MAX);
        if self.last == 0 {
            self.last = at;
            return;
        }
        let mut changed = false;
        if at > self.last {
            let distance = seconds(at - std::mem::replace(&mut self.last, at));
            if distance == 0 {
                return;
            }
            let gone = (self.kept.len() >= STEPS_KEPT).then(|| self.kept.pop()).flatten();
            self.kept.insert(0, distance);
            changed = gone != Some(distance);
        } else {
            let back = seconds(self.last - at);
            let mut before = 0;
            for place in 0..=self.kept.len() {
                if back <= before {
                    break;
                }
                let Some(distance) = self.kept.get(place).copied() else {
                    if self.kept.len() < STEPS_KEPT {
                        self.kept.push(back - before);
                        changed = true;
                    }
                    break;
                };
                let after = before.saturating_add(distance);
                if back < after {
                    // It came between two that were known.
                    self.kept.splice(place..=place, [back - before, after - back]);
                    self.kept.truncate(STEPS_KEPT);
                    changed = true;
                    break;
                }
                before = after;
            }
        }
        if changed {
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

/// The finer values of a period, a bit a place. What is the rule is written as nothing, so that a good hour takes few bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Shape {
    seen: u64,
    /// Came and cannot be used.
    bad: u64,
    /// Can be used if people say so.
    doubt: u64,
    /// Not to be counted.
    out: u64,
    /// Came with a letter that is not that of a normal value.
    odd: u64,
    /// Came with the letter of a stop; they are odd as well.
    aside: u64,
    /// Came without a letter.
    mute: u64,
    /// People typed it in: no value of the instrument.
    typed: u64,
}

/// The finer values of the periods that are over, of all codes.
pub(super) type Counts = Ledger<Shape>;

impl Weighs for Shape {
    fn weight(&self) -> usize {
        let Shape { seen, bad, doubt, out, odd, aside, mute, typed } = *self;
        [seen, bad, doubt, out, odd, aside, mute, typed].into_iter().map(bytes_of).sum()
    }
}

/// The finer values of one code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// The latest period, and what came of it.
    open: Option<(i64, Shape)>,
    length: i64,
    /// The earliest value that was counted.
    since: i64,
    steps: Steps,
}

/// What was counted in a period, a bit a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) seen: u64,
    pub(super) good: u64,
    /// Of the good ones those that people must rule about.
    pub(super) doubt: u64,
    pub(super) out: u64,
    odd: u64,
    aside: u64,
    mute: u64,
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
    /// How many of the good ones people must rule about.
    pub(super) doubt: u32,
    pub(super) seen: u32,
    /// How many were due, without those that are not to be counted.
    pub(super) expected: u32,
    /// How many were not to be counted.
    pub(super) out: u32,
}

/// What the letters of a period's finer values come to; nothing else has a say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lettered {
    pub(super) normal: u32,
    /// Other letters than that of a normal value, without stops.
    pub(super) odd: u32,
    pub(super) stopped: u32,
    /// Without a letter: it may be any.
    pub(super) mute: u32,
    pub(super) due: u32,
}

impl Places {
    /// What the logger itself said.
    pub(super) fn letters(&self) -> Lettered {
        let due = u32::try_from(((self.length + self.step / 2) / self.step).clamp(1, PLACES)).unwrap_or(0);
        let (odd, stopped, mute) = (self.odd.count_ones(), self.aside.count_ones(), self.mute.count_ones());
        let normal = (self.seen & !self.odd & !self.mute).count_ones();
        Lettered { normal, odd: odd.saturating_sub(stopped), stopped, mute, due: due.max(normal + odd + mute) }
    }

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
        let doubt = (self.good & self.doubt & !self.out).count_ones();
        Counted { good, doubt, seen, expected: due - out, out }
    }
}

fn bit_of(place: i64) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1u64.checked_shl(place)).unwrap_or(0)
}

impl Tally {
    /// Counts a value of `at` in the period of `length` that begins at `start`; `kept` periods are remembered in `over`, where this code stands
    /// at `slot`.
    pub(super) fn count(
        &mut self,
        (over, slot): (&mut Counts, u16),
        (start, length): (i64, i64),
        at: i64,
        said: Said,
        kept: i64,
    ) -> ValueCounted {
        let (step, since) = (self.steps.step(), self.since);
        self.steps.note(at);
        let mut counting = ValueCounted::default();
        if self.length != length {
            // Of another length: the station has changed its period.
            *self = Tally { length, since: at, steps: std::mem::take(&mut self.steps), open: None };
        }
        let bit = bit_of((at - start) / (length / PLACES).max(1));
        match &mut self.open {
            Some((known, shape)) if *known == start => put(shape, bit, said),
            Some((known, _)) if *known > start => {
                if start < *known - kept * length {
                    return counting;
                }
                let before = over.of(usize::from(slot), start, length);
                if before.is_none() && over.may_have_lost(start) {
                    return counting;
                }
                let mut shape = before.unwrap_or_default();
                put(&mut shape, bit, said);
                if before != Some(shape) {
                    over.note((start, length), &[(slot, shape)], kept);
                }
            }
            open => {
                let mut shape = Shape::default();
                put(&mut shape, bit, said);
                counting.over = open.replace((start, shape));
            }
        }
        self.since = self.since.min(at);
        let latest = self.open.map_or(at, |(known, _)| known + length);
        counting.learned = match (step, self.steps.step()) {
            (None, Some(_)) => Some((self.since, latest)),
            _ if self.since < since => Some((self.since, since + length)),
            _ => None,
        };
        counting
    }

    /// A value of `at` that was counted is worth another thing.
    pub(super) fn again(
        &mut self,
        (over, slot): (&mut Counts, u16),
        start: i64,
        at: i64,
        validity: Validity,
        kept: i64,
    ) {
        let length = self.length;
        if length == 0 {
            return;
        }
        let bit = bit_of((at - start) / (length / PLACES).max(1));
        match &mut self.open {
            Some((known, shape)) if *known == start => rate(shape, bit, validity),
            _ => {
                let Some(before) = over.of(usize::from(slot), start, length) else { return };
                let mut shape = before;
                rate(&mut shape, bit, validity);
                if shape != before {
                    over.note((start, length), &[(slot, shape)], kept);
                }
            }
        }
    }

    /// How far apart values come; `None` while it is not known.
    pub(super) fn step(&self) -> Option<i64> {
        self.steps.step()
    }

    /// Whether what came in the period that begins at `start` is remembered.
    pub(super) fn remembers(&self, over: &Counts, (start, length): (i64, i64), kept: i64) -> bool {
        let young = self.open.is_none_or(|(known, _)| start >= known - kept * length);
        (self.length == 0 || self.length == length) && young && !over.may_have_lost(start)
    }

    /// When in the period that begins at `start` the first value after `at` came.
    pub(super) fn next(&self, (over, slot): (&Counts, u16), (start, length): (i64, i64), at: i64) -> Option<i64> {
        let open = self.open.filter(|(known, _)| *known == start && self.length == length);
        let shape = open.map(|(_, shape)| shape).or_else(|| over.of(usize::from(slot), start, length))?;
        let unit = (length / PLACES).max(1);
        let later =
            if at < start { u64::MAX } else { u64::MAX.checked_shl(u32::try_from((at - start) / unit + 1).ok()?)? };
        let came = (shape.seen | shape.odd | shape.mute) & later;
        if came == 0 {
            return None;
        }
        let offset = i64::from(came.trailing_zeros()) * unit;
        // A place may be no whole number of steps: of hours in a day it is not.
        let step = self.steps.step().filter(|step| step % unit != 0).unwrap_or(unit);
        Some(start + (offset + step - 1) / step * step)
    }

    /// What was counted in the period that begins at `start`; `None` if nothing is known of it.
    pub(super) fn of(&self, (over, slot): (&Counts, u16), start: i64, length: i64) -> Option<Places> {
        let open = self.open.filter(|(known, _)| *known == start && self.length == length);
        let shape = open.map(|(_, shape)| shape).or_else(|| over.of(usize::from(slot), start, length))?;
        let Shape { seen, bad, doubt, out, odd, aside, mute, typed } = shape;
        let step = self.steps.step()?;
        let unit = (length / PLACES).max(1);
        Some(Places { seen, good: seen & !bad & !typed, doubt, out, odd, aside, mute, step, unit, length })
    }

    /// Whether values came from the beginning of the period that begins at `start`.
    pub(super) fn knows(&self, start: i64) -> bool {
        self.since != 0 && self.since <= start + self.steps.step().unwrap_or(0)
    }
}

/// What came of counting a value.
#[derive(Debug, Default)]
pub(super) struct ValueCounted {
    /// The period that is over now.
    pub(super) over: Option<(i64, Shape)>,
    /// Over what time more is known now than about the value itself: how much was due, or that values came from the beginning.
    pub(super) learned: Option<(i64, i64)>,
}

/// What is counted of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// What instruments and rules make of it; `None`: nothing is known of it, and only that it has no letter is counted.
    pub(super) validity: Option<Validity>,
    /// What its letter says.
    pub(super) letter: Letter,
}

fn put(shape: &mut Shape, bit: u64, said: Said) {
    let set = |bits: &mut u64, is: bool| *bits = if is { *bits | bit } else { *bits & !bit };
    let Said { validity, letter } = said;
    set(&mut shape.seen, validity.is_some());
    set(&mut shape.odd, matches!(letter, Letter::Odd | Letter::Stop | Letter::Typed));
    set(&mut shape.aside, letter == Letter::Stop);
    set(&mut shape.mute, letter == Letter::None);
    set(&mut shape.typed, letter == Letter::Typed);
    validity.into_iter().for_each(|validity| rate(shape, bit, validity));
}

/// What a value that came is worth.
fn rate(shape: &mut Shape, bit: u64, validity: Validity) {
    if shape.seen & bit == 0 {
        return;
    }
    let set = |bits: &mut u64, is: bool| *bits = if is { *bits | bit } else { *bits & !bit };
    set(&mut shape.bad, !validity.is_usable());
    set(&mut shape.doubt, validity == Validity::Conditional);
    set(&mut shape.out, validity == Validity::Excluded);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const KEPT: i64 = 168;

    /// One code's tally, with what is over.
    #[derive(Default)]
    struct Code {
        tally: Tally,
        over: Counts,
    }

    impl Code {
        fn count(&mut self, (start, length): (i64, i64), at: i64, validity: Validity) {
            let letter = if validity.is_usable() { Letter::Normal } else { Letter::Odd };
            let said = Said { validity: Some(validity), letter };
            let counting = self.tally.count((&mut self.over, 0), (start, length), at, said, KEPT);
            if let Some((from, shape)) = counting.over {
                self.over.note((from, length), &[(0, shape)], KEPT);
            }
        }

        fn of(&self, start: i64, length: i64) -> Option<Counted> {
            self.tally.of((&self.over, 0), start, length).map(|places| places.count())
        }

        fn hour(&mut self, start: i64, step: i64, validity: impl Fn(i64) -> Validity) -> Option<Counted> {
            (0..HOUR / step).for_each(|n| self.count((start, HOUR), start + n * step, validity(n)));
            self.of(start, HOUR)
        }
    }

    fn all(n: u32) -> Counted {
        Counted { good: n, doubt: 0, seen: n, expected: n, out: 0 }
    }

    #[test]
    fn what_is_due_follows_the_steps_that_are_seen() {
        let mut code = Code::default();
        assert_eq!(code.of(0, HOUR), None);
        assert_eq!(code.hour(HOUR, MINUTE, |_| Validity::Valid), Some(all(60)));
        assert_eq!(code.hour(2 * HOUR, 10 * MINUTE, |_| Validity::Valid).unwrap().expected, 60, "not yet known");
        code.hour(3 * HOUR, 10 * MINUTE, |_| Validity::Valid);
        assert_eq!(
            code.hour(4 * HOUR, 10 * MINUTE, |_| Validity::Valid),
            Some(all(6)),
            "the station's interval has changed"
        );
        let half = |n| if n % 2 == 0 { Validity::Valid } else { Validity::Invalid };
        let half = code.hour(5 * HOUR, 10 * MINUTE, half);
        assert_eq!(half, Some(Counted { good: 3, doubt: 0, seen: 6, expected: 6, out: 0 }));
    }

    #[test]
    fn distances_do_not_depend_on_which_value_came_first() {
        let times = [0, 10, 20, 30, 45, 50, 60, 70, 80, 90, 100, 110].map(|minutes| HOUR + minutes * MINUTE);
        let learn = |times: &mut dyn Iterator<Item = i64>| {
            let mut steps = Steps::default();
            times.for_each(|at| steps.note(at));
            steps
        };
        let forth = learn(&mut times.into_iter());
        assert_eq!((forth.step(), forth.kept.len()), (Some(10 * MINUTE), STEPS_KEPT));
        assert_eq!(learn(&mut times.into_iter().rev()), forth, "the newest first");
        let mixed = [5, 11, 0, 7, 3, 9, 1, 10, 2, 8, 4, 6].map(|at| times[at]);
        assert_eq!(learn(&mut mixed.into_iter().chain(times)), forth, "any order, and all of it again");
    }

    #[test]
    fn one_odd_packet_changes_nothing_that_is_due() {
        let mut code = Code::default();
        for n in 1..4 {
            let _ = code.hour(n * HOUR, 10 * MINUTE, |_| Validity::Valid);
        }
        code.count((4 * HOUR, HOUR), 4 * HOUR, Validity::Valid);
        code.count((4 * HOUR, HOUR), 4 * HOUR + MINUTE, Validity::Valid);
        assert_eq!(code.of(4 * HOUR, HOUR).unwrap().expected, 6);
    }

    #[test]
    fn what_is_excluded_is_not_due() {
        let mut code = Code::default();
        let stopped = |n| if n < 20 { Validity::Excluded } else { Validity::Valid };
        let counted = Counted { good: 40, doubt: 0, seen: 40, expected: 40, out: 20 };
        assert_eq!(code.hour(HOUR, MINUTE, stopped), Some(counted));
        let nothing = code.hour(2 * HOUR, MINUTE, |_| Validity::Excluded);
        assert_eq!(nothing.unwrap().expected, 0, "nothing is left to be judged");
    }

    #[test]
    fn one_value_a_period_is_enough() {
        let mut code = Code::default();
        (1..6).for_each(|n| code.count((n * MINUTE, MINUTE), n * MINUTE, Validity::Valid));
        assert_eq!(code.of(5 * MINUTE, MINUTE), Some(all(1)));
        code.count((5 * MINUTE, MINUTE), 5 * MINUTE, Validity::Invalid);
        let bad = Counted { good: 0, doubt: 0, seen: 1, expected: 1, out: 0 };
        assert_eq!(code.of(5 * MINUTE, MINUTE), Some(bad), "said again");
    }

    #[test]
    fn a_week_of_hours_is_known_and_what_is_older_is_not() {
        let mut code = Code::default();
        for n in 1..=400 {
            code.hour(n * HOUR, MINUTE, |m| if n % 24 == 3 && m < 20 { Validity::Invalid } else { Validity::Valid });
        }
        assert_eq!(code.of(400 * HOUR - 2 * KEPT * HOUR, HOUR), None, "older than is kept");
        for n in 400 - KEPT + 1..=400 {
            let good = if n % 24 == 3 { 40 } else { 60 };
            assert_eq!(code.of(n * HOUR, HOUR).unwrap().good, good, "hour {n}");
        }
        code.count((300 * HOUR, HOUR), 300 * HOUR + 5 * MINUTE, Validity::Invalid);
        assert_eq!(code.of(300 * HOUR, HOUR).unwrap().good, 59, "one corrected minute of an old hour");
        assert_eq!(code.of(299 * HOUR, HOUR).unwrap().good, 60);
        code.count((100 * HOUR, HOUR), 100 * HOUR, Validity::Valid);
        assert_eq!(code.of(100 * HOUR, HOUR), None, "of an hour that is forgotten one minute is no knowledge");
    }

    #[test]
    fn letters_are_counted_apart() {
        let mut code = Code::default();
        let said = |validity, letter| Said { validity: Some(validity), letter };
        for n in 0..60 {
            let said = match n {
                0..10 => said(Validity::Conditional, Letter::Typed),
                10..20 => said(Validity::Conditional, Letter::Stop),
                20..30 => said(Validity::Valid, Letter::None),
                30..40 => said(Validity::Invalid, Letter::Normal),
                _ => said(Validity::Valid, Letter::Normal),
            };
            code.tally.count((&mut code.over, 0), (HOUR, HOUR), HOUR + n * MINUTE, said, KEPT);
        }
        let places = code.tally.of((&code.over, 0), HOUR, HOUR).unwrap();
        assert_eq!(places.letters(), Lettered { normal: 30, odd: 10, stopped: 10, mute: 10, due: 60 });
        assert_eq!(places.count(), Counted { good: 40, doubt: 10, seen: 60, expected: 60, out: 0 });
    }
}
