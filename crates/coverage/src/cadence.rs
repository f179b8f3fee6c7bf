//! How often a station's records of one grain come: fixed, registered, or learned from the distances of their DataTimes.
//!
//! What must stay true: nothing is expected before the interval is known; a change of interval makes a new era and leaves what was expected
//! before as it was.

use serde::{Deserialize, Serialize};

use super::Grain;
use super::local::{DAY, Local};

/// Distances looked at before an interval is taken as learned.
pub(super) const LEARNED_FROM: usize = 8;
/// Records in a row that are so far apart, other than expected, before another interval is believed.
const RELEARNED_FROM: u8 = 12;
/// Eras kept; what lies before the oldest is counted with its interval.
const ERAS_MAX: usize = 4;
/// A station that stays silent while its interval is being learned is judged by what there is after this long.
const LEARNING_MAX: u32 = DAY;

/// From one record on, one every so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Era {
    since: Local,
    interval: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Cadence {
    eras: Vec<Era>,
    /// The first DataTimes, rising, until the interval is known.
    heard: Vec<Local>,
    other: Other,
}

/// Another distance than expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Other {
    /// How often in a row; 0: not at all.
    count: u8,
    /// The sum of these distances.
    sum: u32,
    /// After which record they began.
    since: Local,
}

/// Whether two distances are the same but for the jitter of a clock.
pub(super) fn is_near(one: u32, other: u32) -> bool {
    one.abs_diff(other) <= other / 4
}

impl Cadence {
    /// The interval that holds now; 0 while it is not known.
    pub(super) fn interval(&self) -> u32 {
        self.eras.last().map_or(0, |era| era.interval)
    }

    pub(super) fn is_known(&self) -> bool {
        !self.eras.is_empty()
    }

    /// The interval that held at `local`.
    pub(super) fn at(&self, local: Local) -> u32 {
        let era = self.eras.iter().rev().find(|era| era.since <= local).or(self.eras.first());
        era.map_or(1, |era| era.interval)
    }

    /// How many records are expected from `from` to before `to`.
    pub(super) fn count(&self, from: Local, to: Local) -> u32 {
        let mut sum = 0;
        for (number, era) in self.eras.iter().enumerate() {
            let begin = if number == 0 { from } else { from.max(era.since) };
            let end = self.eras.get(number + 1).map_or(to, |next| to.min(next.since));
            sum += end.saturating_sub(begin).saturating_add(era.interval / 2) / era.interval;
        }
        sum
    }

    /// Expects a record every `interval` seconds from `since` on.
    pub(super) fn set(&mut self, since: Local, interval: u32) {
        self.other = Other::default();
        self.eras.retain(|era| era.since < since);
        if self.eras.len() >= ERAS_MAX {
            self.eras.remove(0);
        }
        self.eras.push(Era { since, interval: interval.max(1) });
    }

    /// Forgets DataTimes beyond `furthest` from which an interval was to be learned.
    pub(super) fn unlearn(&mut self, furthest: Local) {
        self.heard.retain(|heard| *heard <= furthest);
        if self.other.since > furthest {
            self.other = Other::default();
        }
    }

    /// Forgets the eras that begin after `local`; the interval of the last one is expected from there.
    pub(super) fn back_to(&mut self, local: Local) {
        let interval = self.interval();
        let future = self.eras.len() > 1 && self.eras.last().is_some_and(|era| era.since > local);
        if future {
            self.set(local, interval);
        }
    }

    /// Forgets eras that ended before `floor`.
    pub(super) fn trim(&mut self, floor: Local) {
        while self.eras.get(1).is_some_and(|next| next.since <= floor) {
            self.eras.remove(0);
        }
    }

    /// Takes a DataTime while the interval is not known; the DataTimes so far when that is enough.
    pub(super) fn learn(&mut self, grain: Grain, label: Local) -> Option<Vec<Local>> {
        if self.heard.last().is_none_or(|last| *last < label) {
            self.heard.push(label);
        }
        (self.heard.len() > LEARNED_FROM).then(|| self.conclude(grain))
    }

    /// The same when the station has long been silent.
    pub(super) fn waited(&mut self, grain: Grain, now: Local) -> Option<Vec<Local>> {
        let last = *self.heard.last()?;
        (now.saturating_sub(last) > LEARNING_MAX).then(|| self.conclude(grain))
    }

    fn conclude(&mut self, grain: Grain) -> Vec<Local> {
        let heard = std::mem::take(&mut self.heard);
        let distances: Vec<u32> =
            heard.windows(2).filter_map(|pair| pair.last()?.checked_sub(*pair.first()?)).collect();
        let alike = |d: u32| distances.iter().copied().filter(move |other| is_near(*other, d));
        // Of two that are equally frequent the longer one: rather too little expected than a gap that is none.
        let usual = distances.iter().copied().filter(|d| grain.may_be(*d)).max_by_key(|d| (alike(*d).count(), *d));
        let mean =
            usual.and_then(|usual| alike(usual).sum::<u32>().checked_div(u32::try_from(alike(usual).count()).ok()?));
        self.set(heard.first().copied().unwrap_or(0), grain.rounded(mean.unwrap_or(grain.usual())));
        heard
    }

    /// Forgets the DataTimes that were heard so far: they came at another interval than the next ones will.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
    }

    /// Watches the distance of two DataTimes that followed one another, with nobody away in between: the start and the interval of a new
    /// era, if one has begun. Records that are lost leave a multiple of the new distance, which says nothing for it and nothing against.
    pub(super) fn watch(&mut self, grain: Grain, before: Local, label: Local) -> Option<(Local, u32)> {
        let distance = label.saturating_sub(before);
        if is_near(distance, self.interval()) {
            self.other = Other::default();
            return None;
        }
        let mean = self.other.sum.checked_div(u32::from(self.other.count)).unwrap_or(0);
        if mean > 0 && is_near(distance, mean) {
            self.other.count += 1;
            self.other.sum = self.other.sum.saturating_add(distance);
        } else if mean > 0 && distance > mean && (distance % mean).min(mean - distance % mean) <= mean / 4 {
            return None;
        } else if grain.may_be(distance) {
            self.other = Other { count: 1, sum: distance, since: before };
        } else {
            self.other = Other::default();
        }
        let Other { count, sum, since } = self.other;
        (count >= RELEARNED_FROM).then(|| (since, grain.rounded(sum / u32::from(count))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_distance_is_the_interval() {
        let mut cadence = Cadence::default();
        let mut label = 1_000_000;
        for distance in [600, 600, 1200, 600, 600, 1800, 600] {
            assert_eq!(cadence.learn(Grain::Minute, label), None);
            label += distance;
        }
        assert_eq!(cadence.learn(Grain::Minute, label), None);
        assert_eq!(cadence.learn(Grain::Minute, label + 600).unwrap().len(), 9);
        assert_eq!(cadence.interval(), 600);
        assert_eq!(cadence.count(0, DAY), 144);
    }

    #[test]
    fn eras_are_counted_each_with_its_interval() {
        let mut cadence = Cadence::default();
        cadence.set(0, 600);
        cadence.set(3600, 60);
        assert_eq!(cadence.count(0, 7200), 6 + 60);
        assert_eq!((cadence.at(3599), cadence.at(3600)), (600, 60));
        for era in 2..20 {
            cadence.set(era * 3600, era);
        }
        assert_eq!(cadence.eras.len(), ERAS_MAX);
        cadence.trim(19 * 3600);
        assert_eq!(cadence.eras.len(), 1);
    }

    #[test]
    fn another_interval_is_believed_after_twelve_records() {
        let mut cadence = Cadence::default();
        cadence.set(0, 600);
        let mut turned = None;
        for number in 0..12 {
            assert_eq!(turned, None);
            turned = cadence.watch(Grain::Minute, 6000 + number * 60, 6060 + number * 60);
        }
        assert_eq!(turned, Some((6000, 60)));
    }

    #[test]
    fn lost_records_neither_hinder_nor_help() {
        let mut cadence = Cadence::default();
        cadence.set(0, 600);
        let (mut label, mut turned) = (6000, None);
        for number in 0..12 {
            assert_eq!(turned, None);
            if number % 3 == 2 {
                cadence.watch(Grain::Minute, label, label + 3600);
                label += 3600;
            }
            turned = cadence.watch(Grain::Minute, label, label + 1800);
            label += 1800;
        }
        assert_eq!(turned, Some((6000, 1800)));
    }
}
