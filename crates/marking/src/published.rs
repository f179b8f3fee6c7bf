//! What was published of a code's periods: their worth, so that what changes it later can be put right.
//!
//! Periods that are alike and follow each other take the room of one. What must stay true: a period that is not known here was never
//! published, or is too old to be put right; of periods that fall out of a bound the number is given back, so that it can be told.

use serde::{Deserialize, Serialize};

use super::expr::SECOND;
use super::rules::Validity;
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;

/// Periods begin with Beijing's days.
const OFFSET: i64 = BEIJING_OFFSET_SECONDS as i64 * SECOND;

/// The number of the period of `length` that holds `at`.
fn number(at: i64, length: i64) -> i64 {
    at.saturating_add(OFFSET).div_euclid(length.max(1))
}

/// Runs of periods that are alike, remembered per code and kind of period.
pub(super) const RUNS_KEPT_MAX: usize = 256;

/// What was published of one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Worth {
    /// By the report alone: its own flag and value, and what the value rests on.
    pub(super) own: Option<Validity>,
    /// As published, all marks laid over it.
    pub(super) said: Option<Validity>,
    /// The conditions of exemptions (`[[require]]`) that its report broke, a bit each.
    pub(super) broken: u8,
    /// Those that it may have broken.
    pub(super) maybe: u8,
    /// The first 64 rules on factors that it said not to be so, a bit each.
    pub(super) cleared: u64,
}

/// Periods in a row of which the same was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    /// The number of the first.
    first: i64,
    count: u32,
    worth: Worth,
}

impl Run {
    const fn end(&self) -> i64 {
        self.first + self.count as i64
    }
}

/// The published periods of one code and one kind of period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Published {
    /// The length of the periods, µs.
    length: i64,
    runs: Vec<Run>,
}

impl Published {
    /// Where the run stands that holds a period, or before which it belongs.
    fn place(&self, number: i64) -> (usize, bool) {
        let at = self.runs.partition_point(|run| run.end() <= number);
        (at, self.runs.get(at).is_some_and(|run| run.first <= number))
    }

    /// What was published of the period that begins at `start`.
    pub(super) fn of(&self, start: i64, length: i64) -> Option<Worth> {
        let (at, held) = self.place(number(start, length));
        self.runs.get(at).filter(|_| held && self.length == length).map(|run| run.worth)
    }

    /// The starts of the periods that begin before `to` and end after `from`, oldest first.
    pub(super) fn within(&self, from: i64, to: i64) -> impl Iterator<Item = i64> + '_ {
        let length = self.length.max(1);
        let (first, last) = (number(from, length), number(to.saturating_sub(1), length));
        let at = self.runs.partition_point(|run| run.end() <= first);
        let runs = self.runs.get(at..).unwrap_or_default().iter().take_while(move |run| run.first <= last);
        runs.flat_map(move |run| {
            (run.first.max(first)..run.end().min(last + 1)).map(move |number| number * length - OFFSET)
        })
    }

    pub(super) const fn length(&self) -> i64 {
        self.length
    }

    /// Notes what was published of the period that begins at `start`; `kept` periods are remembered. How many were forgotten before that.
    pub(super) fn note(&mut self, (start, length): (i64, i64), worth: Worth, kept: i64) -> u32 {
        if self.length != length {
            *self = Published { length, runs: Vec::new() };
        }
        let number = number(start, length);
        let latest = self.runs.last().map_or(i64::MIN, Run::end);
        if number < latest.saturating_sub(kept) {
            return 0;
        }
        let (at, held) = self.place(number);
        if held {
            self.change(at, number, worth);
        } else {
            self.runs.insert(at, Run { first: number, count: 1, worth });
        }
        self.join(at.saturating_sub(1));
        let newest = self.runs.last().map_or(number, |run| run.end() - 1);
        let old = self.runs.partition_point(|run| run.end() <= newest.saturating_sub(kept));
        self.runs.drain(..old);
        let over = self.runs.len().saturating_sub(RUNS_KEPT_MAX);
        self.runs.drain(..over).map(|run| run.count).sum()
    }

    fn change(&mut self, at: usize, number: i64, worth: Worth) {
        let Some(run) = self.runs.get(at).filter(|run| run.worth != worth).cloned() else { return };
        let part = |first: i64, end: i64, worth: Worth| {
            let count = u32::try_from(end - first).unwrap_or(0);
            (count > 0).then_some(Run { first, count, worth })
        };
        let parts = [
            part(run.first, number, run.worth),
            part(number, number + 1, worth),
            part(number + 1, run.end(), run.worth),
        ];
        self.runs.splice(at..=at, parts.into_iter().flatten());
    }

    /// Joins runs that are alike, from this one on, as far as one change can have made them so.
    fn join(&mut self, from: usize) {
        let mut at = from;
        while at + 1 < self.runs.len() && at < from + 4 {
            let joined = match self.runs.get(at..at + 2) {
                Some([one, next]) if one.end() == next.first && one.worth == next.worth => next.count,
                _ => 0,
            };
            if joined == 0 {
                at += 1;
                continue;
            }
            self.runs.remove(at + 1);
            self.runs.get_mut(at).into_iter().for_each(|run| run.count += joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const KEPT: i64 = 1000;

    fn worth(number: u8) -> Worth {
        let of =
            |n: u8| [None, Some(Validity::Valid), Some(Validity::Invalid), Some(Validity::Exempt)][usize::from(n % 4)];
        Worth { own: of(number), said: of(number / 4), broken: 0, maybe: 0, cleared: 0 }
    }

    #[test]
    fn a_month_of_good_hours_takes_the_room_of_one() {
        let mut published = Published::default();
        (0..1000).for_each(|n| assert_eq!(published.note((n * HOUR, HOUR), worth(5), KEPT), 0));
        assert_eq!(published.runs.len(), 1);
        published.note((500 * HOUR, HOUR), worth(6), KEPT);
        assert_eq!((published.runs.len(), published.of(500 * HOUR, HOUR)), (3, Some(worth(6))));
        published.note((500 * HOUR, HOUR), worth(5), KEPT);
        assert_eq!(published.runs.len(), 1, "put right, it is like its neighbours");
        let within: Vec<i64> = published.within(10 * HOUR + 1, 12 * HOUR).collect();
        assert_eq!(within, [10 * HOUR, 11 * HOUR]);
    }

    #[test]
    fn what_a_bound_takes_is_counted_and_what_is_old_is_not() {
        let mut published = Published::default();
        let lost: u32 =
            (0..600).map(|n| published.note((n * HOUR, HOUR), worth(u8::try_from(n % 2).unwrap()), KEPT)).sum();
        assert_eq!((lost, published.runs.len()), (600 - RUNS_KEPT_MAX as u32, RUNS_KEPT_MAX));
        let mut short = Published::default();
        assert_eq!((0..600).map(|n| short.note((n * HOUR, HOUR), worth(1), 24)).sum::<u32>(), 0);
        assert_eq!((short.of(575 * HOUR, HOUR), short.of(570 * HOUR, HOUR).is_some()), (Some(worth(1)), true));
        assert_eq!(short.note((HOUR, HOUR), worth(1), 24), 0, "too old to be put right");
        assert!(short.of(0, HOUR).is_some(), "a run goes as a whole");
    }

    #[test]
    fn days_begin_with_beijing_s_midnight() {
        let (mut published, day) = (Published::default(), 24 * HOUR);
        let midnight = 1_780_243_200_000_000;
        (0..3).for_each(|n| assert_eq!(published.note((midnight + n * day, day), worth(5), KEPT), 0));
        let within: Vec<i64> = published.within(midnight + day, midnight + day + 1).collect();
        assert_eq!(within, [midnight + day]);
    }

    proptest! {
        #[test]
        fn it_knows_what_a_map_knows(notes in proptest::collection::vec((0i64..60, 0u8..6), 1..120)) {
            let (mut published, mut map) = (Published::default(), BTreeMap::new());
            for (number, which) in notes {
                published.note((number * HOUR, HOUR), worth(which), KEPT);
                map.insert(number, worth(which));
            }
            for number in 0..60 {
                prop_assert_eq!(published.of(number * HOUR, HOUR), map.get(&number).copied());
            }
            let within: Vec<i64> = published.within(7 * HOUR, 33 * HOUR).collect();
            let wanted: Vec<i64> = map.range(7..33).map(|(number, _)| number * HOUR).collect();
            prop_assert_eq!(within, wanted);
            let joined = published.runs.windows(2).all(|two| two[0].end() < two[1].first || two[0].worth != two[1].worth);
            prop_assert!(joined);
        }
    }
}
