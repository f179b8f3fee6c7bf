//! What is remembered of a station's periods, by code: what was published of them, so that what changes it later can be put right, and which
//! finer values came.
//!
//! The codes of a period stand in one row; rows that are alike are kept once, and periods in a row with the same row take the space of one.
//! So sixteen codes that are blown back together cost no more than one. What must stay true: a period that is not known here was never
//! published, or is too old to be put right; of what a bound takes before its time the number is given back, so that it can be told; and what
//! a period was worth by its parts stands with it, since the parts are forgotten earlier.

use std::collections::BTreeMap;

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

/// Runs of periods with the same row, remembered per kind of period.
pub(super) const RUNS_KEPT_MAX: usize = 4096;
/// Rows that differ, per kind of period; no more places in all of them than [`CELLS_MAX`].
const ROWS_MAX: usize = 4096;
const CELLS_MAX: usize = 64 * 1024;
/// Kinds of worth that differ, per kind of period.
const WORTHS_MAX: usize = 4096;
/// A station whose periods get another length keeps so many of the latest before.
const CONVERTED_MAX: usize = 256;

/// What was published of one code in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Worth {
    /// By the report alone: its own flag and value.
    pub(super) own: Option<Validity>,
    /// As published, all marks laid over it.
    pub(super) said: Option<Validity>,
    /// By instruments and rules alone, finer values among them, as that was known last: without what people entered.
    pub(super) base: Option<Validity>,
    /// By its finer values and rules alone, as these were known last.
    pub(super) mean: Option<Validity>,
    /// Whether it came without a value.
    pub(super) none: bool,
    /// Whether it came with a value that may be none.
    pub(super) doubtful: bool,
    /// What it rests on (`[[basis]]`), a bit each.
    pub(super) rests: u8,
    /// What rests on it and is broken by its value (`[[basis]]`), a bit each.
    pub(super) unfit: u8,
    /// The conditions of exemptions (`[[require]]`) that its value is above, a bit each.
    pub(super) over: u8,
    /// Those of which that was told.
    pub(super) told: u8,
    /// The first 64 rules on factors that it said not to be so, a bit each.
    pub(super) cleared: u64,
}

/// Periods in a row with the same row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    /// The number of the first; written as its distance from the end of the run before.
    first: i64,
    count: u32,
    row: u16,
}

impl Run {
    const fn end(&self) -> i64 {
        self.first + self.count as i64
    }
}

/// What is found again by what it is; it is no part of what is known.
#[derive(Debug, Clone)]
pub(super) struct Index<K>(pub(super) BTreeMap<K, u16>);

/// Among so few a thing is found as fast by looking at each, and the index would take several times the room of what it finds.
const SCANNED_MAX: usize = 24;

impl<K: Clone + Ord> Index<K> {
    /// Where `wanted` stands among `all`, of which this is the index.
    pub(super) fn find(&mut self, all: &[K], wanted: &K) -> Option<u16> {
        if all.len() <= SCANNED_MAX {
            return all.iter().position(|known| known == wanted).and_then(|at| u16::try_from(at).ok());
        }
        if self.0.len() != all.len() {
            self.0 = (0..).zip(all).map(|(at, known)| (known.clone(), at)).collect();
        }
        self.0.get(wanted).copied()
    }

    /// Notes what was added as the last of all.
    pub(super) fn add(&mut self, added: &K, at: u16) {
        if usize::from(at) >= SCANNED_MAX && self.0.len() == usize::from(at) {
            self.0.insert(added.clone(), at);
        }
    }
}

impl<K> Default for Index<K> {
    fn default() -> Index<K> {
        Index(BTreeMap::new())
    }
}

impl<K> PartialEq for Index<K> {
    fn eq(&self, _: &Index<K>) -> bool {
        true
    }
}

/// What was published of the periods of one kind.
pub(super) type Published = Ledger<Worth>;

/// Something of each code in the periods of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ledger<T> {
    /// The length of the periods, µs.
    length: i64,
    #[serde(with = "distances")]
    runs: Vec<Run>,
    /// By the place of the code: the number of its worth, from 1; 0: nothing was published of it.
    rows: Vec<Vec<u16>>,
    /// The places of all rows together.
    cells: usize,
    worths: Vec<T>,
    /// Periods that began before this may have been forgotten before their time.
    lost_to: i64,
    #[serde(skip)]
    row_index: Index<Vec<u16>>,
    #[serde(skip)]
    worth_index: Index<T>,
}

/// What has a weight in bytes in a snapshot.
pub(super) trait Weighs {
    /// About so many bytes.
    fn weight(&self) -> usize;
}

impl Weighs for Worth {
    fn weight(&self) -> usize {
        14 + bytes_of(self.cleared)
    }
}

/// The bytes of a number as a snapshot has it.
pub(super) const fn bytes_of(number: u64) -> usize {
    let bits = 64 - number.leading_zeros() as usize;
    if bits == 0 { 1 } else { bits.div_ceil(7) }
}

impl<T: Copy + Ord + Weighs> Ledger<T> {
    /// About how many bytes all of it takes in a snapshot.
    pub(super) fn weight(&self) -> usize {
        let wide = if self.worths.len() > 127 { 2 } else { 1 };
        self.runs.len() * 4
            + self.cells * wide
            + self.rows.len() * 2
            + self.worths.iter().map(Weighs::weight).sum::<usize>()
    }

    /// How many things there are that differ.
    pub(super) fn len(&self) -> usize {
        self.runs.len() + self.worths.len()
    }

    /// Forgets the oldest eighth of the runs, to save bytes: how many periods, and the end of the last.
    pub(super) fn shed(&mut self) -> (u32, i64) {
        let eighth = (self.runs.len() / 8).max(1).min(self.runs.len());
        let gone = self.lose(eighth);
        self.sort_out();
        gone
    }
}

impl<T: Copy + Ord> Ledger<T> {
    /// Forgets the oldest runs before their time: how many periods, and the end of the last.
    fn lose(&mut self, runs: usize) -> (u32, i64) {
        let gone: Vec<Run> = self.runs.drain(..runs.min(self.runs.len())).collect();
        let until = gone.last().map_or(0, |run| run.end().saturating_mul(self.length) - OFFSET);
        self.lost_to = self.lost_to.max(until);
        (gone.iter().map(|run| run.count).sum(), until)
    }

    /// Whether a period that is not known may have been forgotten before its time.
    pub(super) const fn may_have_lost(&self, start: i64) -> bool {
        start < self.lost_to
    }

    /// Where the run stands that holds a period, or before which it belongs.
    fn place(&self, number: i64) -> (usize, bool) {
        let at = self.runs.partition_point(|run| run.end() <= number);
        (at, self.runs.get(at).is_some_and(|run| run.first <= number))
    }

    fn row(&self, start: i64, length: i64) -> Option<&[u16]> {
        let (at, held) = self.place(number(start, length));
        let run = self.runs.get(at).filter(|_| held && self.length == length)?;
        self.rows.get(usize::from(run.row)).map(Vec::as_slice)
    }

    /// What was published of the code at `slot` in the period that begins at `start`.
    pub(super) fn of(&self, slot: usize, start: i64, length: i64) -> Option<T> {
        let cell = *self.row(start, length)?.get(slot)?;
        self.worths.get(usize::from(cell).checked_sub(1)?).copied()
    }

    /// How many codes were published of a period.
    pub(super) fn codes(&self, start: i64, length: i64) -> usize {
        self.row(start, length).map_or(0, |row| row.iter().filter(|cell| **cell != 0).count())
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

    /// Notes what was published of codes in the period that begins at `start`; `kept` periods are remembered. How many were forgotten before
    /// that.
    pub(super) fn note(&mut self, (start, length): (i64, i64), worths: &[(u16, T)], kept: i64) -> u32 {
        let mut lost = if self.length == length { 0 } else { self.convert(length) };
        let number = number(start, length);
        let latest = self.runs.last().map_or(i64::MIN, Run::end);
        if number < latest.saturating_sub(kept) || worths.is_empty() {
            return lost;
        }
        lost += self.make_room();
        let (at, held) = self.place(number);
        let before = self.runs.get(at).filter(|_| held).and_then(|run| self.rows.get(usize::from(run.row)));
        let mut row = before.cloned().unwrap_or_default();
        for (slot, worth) in worths {
            let cell = self.cell(*worth);
            if row.len() <= usize::from(*slot) {
                row.resize(usize::from(*slot) + 1, 0);
            }
            row.get_mut(usize::from(*slot)).into_iter().for_each(|place| *place = cell);
        }
        let row = self.row_of(row);
        if held {
            self.change(at, number, row);
        } else {
            self.runs.insert(at, Run { first: number, count: 1, row });
        }
        self.join(at.saturating_sub(1));
        let newest = self.runs.last().map_or(number, |run| run.end() - 1);
        let old = self.runs.partition_point(|run| run.end() <= newest.saturating_sub(kept));
        self.runs.drain(..old);
        // An eighth at once, so that it is not told with every report.
        let full = self.runs.len() > RUNS_KEPT_MAX;
        let over = if full { RUNS_KEPT_MAX / 8 } else { 0 };
        lost += self.lose(over).0;
        lost
    }

    /// The periods have another length now: of the latest those are kept that begin where one of the new ones does. It is counted in periods,
    /// not in runs: what a station says of other codes does not matter. How many were forgotten.
    fn convert(&mut self, length: i64) -> u32 {
        let (before, step) = (std::mem::take(&mut self.runs), self.length);
        self.length = length;
        let periods = before.iter().rev().flat_map(|run| (run.first..run.end()).rev().map(|number| (number, run.row)));
        for (start, row) in periods.take(CONVERTED_MAX).map(|(number, row)| (number * step - OFFSET, row)) {
            let first = number(start, length);
            let fits = first * length - OFFSET == start && self.runs.last().is_none_or(|later| first < later.first);
            if fits {
                self.runs.push(Run { first, count: 1, row });
            }
        }
        self.runs.reverse();
        let periods = |runs: &[Run]| runs.iter().map(|run| run.count).sum::<u32>();
        periods(&before).saturating_sub(periods(&self.runs))
    }

    /// The number of a worth, from 1.
    fn cell(&mut self, worth: T) -> u16 {
        if let Some(at) = self.worth_index.find(&self.worths, &worth) {
            return at.saturating_add(1);
        }
        let at = u16::try_from(self.worths.len()).unwrap_or(u16::MAX);
        self.worths.push(worth);
        self.worth_index.add(&worth, at);
        at.saturating_add(1)
    }

    fn row_of(&mut self, row: Vec<u16>) -> u16 {
        if let Some(at) = self.row_index.find(&self.rows, &row) {
            return at;
        }
        let at = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        self.row_index.add(&row, at);
        self.cells += row.len();
        self.rows.push(row);
        at
    }

    /// Drops rows and worths that no period has any more, when there are many; if that does not help, the oldest eighth of the periods.
    fn make_room(&mut self) -> u32 {
        let full = |p: &Ledger<T>| p.rows.len() >= ROWS_MAX || p.worths.len() >= WORTHS_MAX || p.cells >= CELLS_MAX;
        let mut lost = 0;
        while full(self) {
            self.sort_out();
            if !full(self) || self.runs.is_empty() {
                break;
            }
            let eighth = (self.runs.len() / 8).max(1);
            lost += self.lose(eighth).0;
        }
        lost
    }

    /// Keeps those rows and worths alone that a period has.
    fn sort_out(&mut self) {
        let (rows, worths) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.worths));
        self.cells = 0;
        (self.row_index, self.worth_index) = (Index(BTreeMap::new()), Index(BTreeMap::new()));
        let mut places: BTreeMap<u16, u16> = BTreeMap::new();
        let mut runs = std::mem::take(&mut self.runs);
        for run in &mut runs {
            let place = places.get(&run.row).copied().unwrap_or_else(|| {
                let row = rows.get(usize::from(run.row)).map(Vec::as_slice).unwrap_or_default();
                let worth = |cell: &u16| worths.get(usize::from(*cell).checked_sub(1)?).copied();
                let row = row.iter().map(|cell| worth(cell).map_or(0, |worth| self.cell(worth))).collect();
                self.row_of(row)
            });
            places.insert(run.row, place);
            run.row = place;
        }
        self.runs = runs;
    }

    fn change(&mut self, at: usize, number: i64, row: u16) {
        let Some(run) = self.runs.get(at).copied().filter(|run| run.row != row) else { return };
        let part = |first: i64, end: i64, row: u16| {
            let count = u32::try_from(end - first).unwrap_or(0);
            (count > 0).then_some(Run { first, count, row })
        };
        let parts =
            [part(run.first, number, run.row), part(number, number + 1, row), part(number + 1, run.end(), run.row)];
        self.runs.splice(at..=at, parts.into_iter().flatten());
    }

    /// Joins runs that are alike, from this one on, as far as one change can have made them so.
    fn join(&mut self, from: usize) {
        let mut at = from;
        while at + 1 < self.runs.len() && at < from + 4 {
            let joined = match self.runs.get(at..at + 2) {
                Some([one, next]) if one.end() == next.first && one.row == next.row => next.count,
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

/// Runs as they are written: each by its distance from the one before.
mod distances {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Run;

    pub(super) fn serialize<S: Serializer>(runs: &[Run], to: S) -> Result<S::Ok, S::Error> {
        let mut end = 0;
        let near = |run: &Run| {
            let written = (run.first - end, run.count, run.row);
            end = run.end();
            written
        };
        runs.iter().map(near).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Run>, D::Error> {
        let mut end = 0i64;
        let far = |(distance, count, row): (i64, u32, u16)| {
            let first = end.saturating_add(distance);
            end = first.saturating_add(i64::from(count));
            Run { first, count, row }
        };
        Ok(Vec::<(i64, u32, u16)>::deserialize(from)?.into_iter().map(far).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const KEPT: i64 = 1000;

    fn worth(number: u16) -> Worth {
        let of =
            |n: u16| [None, Some(Validity::Valid), Some(Validity::Invalid), Some(Validity::Exempt)][usize::from(n % 4)];
        Worth { own: of(number), said: of(number / 4), cleared: u64::from(number), ..Worth::default() }
    }

    #[test]
    fn a_month_of_good_hours_takes_the_room_of_one() {
        let mut published = Published::default();
        (0..1000).for_each(|n| assert_eq!(published.note((n * HOUR, HOUR), &[(2, worth(5))], KEPT), 0));
        assert_eq!(published.runs.len(), 1);
        published.note((500 * HOUR, HOUR), &[(2, worth(6))], KEPT);
        assert_eq!((published.runs.len(), published.of(2, 500 * HOUR, HOUR)), (3, Some(worth(6))));
        assert_eq!((published.of(1, 500 * HOUR, HOUR), published.codes(500 * HOUR, HOUR)), (None, 1));
        published.note((500 * HOUR, HOUR), &[(2, worth(5))], KEPT);
        assert_eq!(published.runs.len(), 1, "put right, it is like its neighbours");
        let within: Vec<i64> = published.within(10 * HOUR + 1, 12 * HOUR).collect();
        assert_eq!(within, [10 * HOUR, 11 * HOUR]);
    }

    #[test]
    fn what_a_bound_takes_is_counted_and_what_is_old_is_not() {
        let mut published = Published::default();
        let lost: u32 = (0..6000).map(|n| published.note((n * HOUR, HOUR), &[(0, worth(n as u16 % 2))], 10_000)).sum();
        assert_eq!(lost as usize + published.runs.len(), 6000);
        assert!(published.runs.len() <= RUNS_KEPT_MAX && published.runs.len() > RUNS_KEPT_MAX / 2);
        let mut short = Published::default();
        assert_eq!((0..600).map(|n| short.note((n * HOUR, HOUR), &[(0, worth(1))], 24)).sum::<u32>(), 0);
        assert_eq!(short.of(0, 575 * HOUR, HOUR), Some(worth(1)));
        assert_eq!(short.note((HOUR, HOUR), &[(0, worth(1))], 24), 0, "too old to be put right");
        assert!(short.of(0, 0, HOUR).is_some(), "a run goes as a whole");
    }

    #[test]
    fn rows_that_all_differ_stay_within_their_bound() {
        let mut published = Published::default();
        let mut lost = 0;
        for n in 0..20_000u32 {
            let row: Vec<(u16, Worth)> = (0..16).map(|slot| (slot, worth(((n >> slot) & 1) as u16 + slot))).collect();
            lost += published.note((i64::from(n) * HOUR, HOUR), &row, 50_000);
        }
        assert!(
            published.rows.len() <= ROWS_MAX && published.rows.iter().map(Vec::len).sum::<usize>() <= CELLS_MAX + 16
        );
        assert!(lost > 0);
        let kept = published.runs.iter().map(|run| run.count).sum::<u32>();
        assert_eq!(kept + lost, 20_000);
        let last = published.of(3, 19_999 * HOUR, HOUR);
        assert_eq!(last, Some(worth(((19_999 >> 3) & 1) as u16 + 3)));
    }

    #[test]
    fn days_begin_with_beijing_s_midnight() {
        let (mut published, day) = (Published::default(), 24 * HOUR);
        let midnight = 1_780_243_200_000_000;
        (0..3).for_each(|n| assert_eq!(published.note((midnight + n * day, day), &[(0, worth(5))], KEPT), 0));
        let within: Vec<i64> = published.within(midnight + day, midnight + day + 1).collect();
        assert_eq!(within, [midnight + day]);
    }

    #[test]
    fn the_first_minutes_are_kept_when_their_length_is_learned() {
        let (mut published, minute) = (Published::default(), 60_000_000);
        for n in 0..3 {
            published.note((n * 10 * minute, minute), &[(0, worth(5))], KEPT);
        }
        published.note((30 * minute, 10 * minute), &[(0, worth(6))], KEPT);
        let known: Vec<_> = (0..4).map(|n| published.of(0, n * 10 * minute, 10 * minute)).collect();
        assert_eq!(known, [Some(worth(5)), Some(worth(5)), Some(worth(5)), Some(worth(6))]);
    }

    proptest! {
        #[test]
        fn it_knows_what_a_map_knows(notes in proptest::collection::vec((0i64..60, 0u16..3, 0u16..6), 1..120)) {
            let (mut published, mut map) = (Published::default(), BTreeMap::new());
            for (number, slot, which) in notes {
                published.note((number * HOUR, HOUR), &[(slot, worth(which))], KEPT);
                map.insert((number, slot), worth(which));
                if which == 3 {
                    let bytes = postcard::to_allocvec(&published).unwrap();
                    let back: Published = postcard::from_bytes(&bytes).unwrap();
                    prop_assert_eq!(&back, &published);
                    published = back;
                    published.sort_out();
                }
            }
            for number in 0..60 {
                for slot in 0..3 {
                    let known = published.of(usize::from(slot), number * HOUR, HOUR);
                    prop_assert_eq!(known, map.get(&(number, slot)).copied());
                }
            }
            let within: Vec<i64> = published.within(7 * HOUR, 33 * HOUR).collect();
            let mut wanted: Vec<i64> = map.range((7, 0)..(33, 0)).map(|((number, _), _)| number * HOUR).collect();
            wanted.dedup();
            prop_assert_eq!(within, wanted);
            let joined = published.runs.windows(2).all(|two| two[0].end() < two[1].first || two[0].row != two[1].row);
            prop_assert!(joined);
        }
    }
}
