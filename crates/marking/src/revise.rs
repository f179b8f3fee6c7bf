//! What was published of a period is put right when its worth changes afterwards: by an entry, a withdrawal, a ruling, finer values that came
//! late or were corrected, what it rests on, or a mark that was found later than it began.
//!
//! What must stay true:
//! * what is said of a period again is what would be said of it now, by the same rules as at first ([`super::effect`], [`super::period`],
//!   [`super::basis`], [`super::require`]): its own flag and value as they were, everything else as it is known now;
//! * one revision a period and cause, of those codes alone whose worth is another; nothing is said where nothing changed;
//! * what can no longer be judged from its parts keeps what these made of it when they were known: where finer values or episodes of rules were
//!   forgotten, an entry that is taken back leaves the period what it was before the entry, and not what its own flag says;
//! * what others rest on is put right before them, and where that is another thing, what rests on it or is conditional on it is looked at
//!   again, in the whole of its period and its finer ones, until nothing changes ([`ROUNDS_MAX`]);
//! * the cost is bounded: [`REVISED_MAX`] periods a cause, days first; what is left out is told (`revisions-cut`). It grows with the periods
//!   and codes that a cause touches, not with how many entries there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use serde_json::json;

use super::again::Again;
use super::effect::{Laid, over_time};
use super::expr::DAY;
use super::expr::SECOND;
use super::memory::SPANS_KEPT;
use super::plan::Plan;
use super::published::Worth;
use super::revision::{Cause, Revised, Revision};
use super::rules::*;
use super::state::*;
use super::verdict::MarkVerdict;
use hj212_model::message::{Kind, Timestamp};

/// Periods that one cause may revise.
pub const REVISED_MAX: usize = 4096;
/// How long published periods can be put right, µs: minutes a week, hours and days as long as spans of marks are remembered.
const KEPT_FOR: [i64; 3] = [7 * DAY, SPANS_KEPT, SPANS_KEPT];
/// The length of minute data while the station's own is not known.
pub(super) const MINUTE: i64 = 60 * SECOND;

/// How many periods of a kind are remembered.
pub(super) fn kept(place: usize, length: i64) -> i64 {
    KEPT_FOR.get(place).copied().unwrap_or(0) / length.max(1)
}

/// So many more spans of time are looked at because of what one cause changed; beyond, that is told like periods that were left out.
const ROUNDS_MAX: usize = 64;

/// A period: its rank, the coarsest first, and when it begins.
type Place = (std::cmp::Reverse<u8>, i64);

/// What a cause has put right.
#[derive(Default)]
struct PutRight {
    righted: BTreeMap<Place, BTreeMap<u16, Revised>>,
    /// What was left out.
    cut: BTreeSet<Place>,
}

impl PutRight {
    /// Whether a period can still be put right; else it is noted as left out.
    fn has_room(&mut self, place: Place) -> bool {
        let room = self.righted.len() < REVISED_MAX || self.righted.contains_key(&place);
        if !room {
            self.cut.insert(place);
        }
        room
    }

    fn note(&mut self, place: Place, slot: u16, revised: Revised) {
        let readings = self.righted.entry(place).or_default();
        let was = readings.get(&slot).map_or(revised.was, |known| known.was);
        readings.insert(slot, Revised { was, ..revised });
    }
}

/// What is to be looked at: periods of these ranks that have a part in a time; all codes, or those that stand there.
struct LookAgain {
    from: i64,
    to: i64,
    ranks: RangeInclusive<u8>,
    only: Option<Vec<u16>>,
}

impl LookAgain {
    /// Whether another one asks for nothing more.
    fn holds(&self, other: &LookAgain) -> bool {
        let codes = match (&self.only, &other.only) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(theirs)) => theirs.iter().all(|slot| own.contains(slot)),
        };
        let ranks = self.ranks.start() <= other.ranks.start() && self.ranks.end() >= other.ranks.end();
        codes && ranks && self.from <= other.from && other.to <= self.to
    }

    /// Whether it asks for that too now: it did, or what is asked is the same of a time that it touches.
    fn takes(&mut self, other: &LookAgain) -> bool {
        let touches = self.from <= other.to && other.from <= self.to;
        if touches && self.ranks == other.ranks && self.only == other.only {
            (self.from, self.to) = (self.from.min(other.from), self.to.max(other.to));
            return true;
        }
        self.holds(other)
    }
}

/// One code of a period that is another thing than was known.
struct Changes {
    slot: u16,
    /// What was published of it.
    was: Option<Validity>,
    worth: Worth,
    /// What counts of it in the coarser period.
    count: Option<Validity>,
}

impl Marks {
    /// Puts right what was published of the periods that these values belong to, if they came after it.
    pub(super) fn came_late(&mut self, plan: &Plan, rank: u8, now: i64, out: &mut MarkVerdict) {
        let mut learned: BTreeMap<(i64, i64), Vec<u16>> = BTreeMap::new();
        for (from, to, slot) in std::mem::take(&mut self.scratch.learned) {
            learned.entry((from, to)).or_default().push(slot);
        }
        for (span, slots) in learned {
            self.revise(plan, span, (&Cause::Values, rank + 1..=3), Some(&slots), out);
        }
        if self.published_to.iter().skip(usize::from(rank)).all(|until| now >= *until) {
            return;
        }
        let homes = std::mem::take(&mut self.scratch.homes);
        self.revise(plan, (now, now + 1), (&Cause::Values, rank + 1..=3), Some(&homes), out);
        self.scratch.homes = homes;
    }

    /// Puts right what was published under marks that were found to begin or end earlier than they were found.
    pub(super) fn put_right_backdated(&mut self, plan: &Plan, out: &mut MarkVerdict) {
        for (mark, from, to) in std::mem::take(&mut self.scratch.shifted) {
            self.revise(plan, (from, to), (&Cause::Mark(mark), 1..=3), None, out);
        }
        if self.scratch.backdated.is_empty() {
            return;
        }
        let mut causes: BTreeMap<(String, i64, i64, bool), Vec<u16>> = BTreeMap::new();
        for (mark, object, on_code, from, to) in std::mem::take(&mut self.scratch.backdated) {
            let slot = self.index.get(&object).copied().filter(|_| on_code);
            causes.entry((mark, from, to, on_code)).or_default().extend(slot);
        }
        for ((mark, from, to, on_code), mut slots) in causes {
            // What rests on them changes with them.
            let all =
                !on_code || slots.iter().any(|at| self.slots.get(usize::from(*at)).is_some_and(|slot| slot.supports));
            slots.sort_unstable();
            self.revise(
                plan,
                (from, to),
                (&Cause::Mark(mark), 1..=3),
                Some(&slots).filter(|_| !all).map(Vec::as_slice),
                out,
            );
        }
    }

    /// The places of the codes that marks on these objects are about; `None`: all, since others rest on one of them.
    pub(super) fn touched_codes(&self, plan: &Plan, marks: &[(String, String)]) -> Option<Vec<u16>> {
        let about = |code: &str| {
            let covers = |(mark, object): &(String, String)| {
                object == code || plan.marks.get(mark).is_some_and(|kind| plan.covers(kind, object, code))
            };
            marks.iter().any(covers)
        };
        let slots: Vec<u16> = (0..).zip(&self.slots).filter(|(_, slot)| about(&slot.code)).map(|(at, _)| at).collect();
        let all = slots.iter().any(|at| self.slots.get(usize::from(*at)).is_some_and(|slot| slot.supports));
        (!all).then_some(slots)
    }

    /// Puts right what was published of periods of these ranks that have a part in `from..to`; of all codes, or of those that stand at `only`.
    pub(super) fn revise(
        &mut self,
        plan: &Plan,
        (from, to): (i64, i64),
        (cause, ranks): (&Cause, RangeInclusive<u8>),
        only: Option<&[u16]>,
        out: &mut MarkVerdict,
    ) {
        if matches!(cause, Cause::Entry(_) | Cause::Ruling(..)) {
            // What entries and rulings take or give back elsewhere is put right by themselves ([`super::elsewhere`]).
            self.scratch.shifted.clear();
        }
        let mut found = PutRight::default();
        let mut tasks = VecDeque::from([LookAgain { from, to, ranks, only: only.map(<[u16]>::to_vec) }]);
        let mut rounds = 0;
        while let Some(task) = tasks.pop_front() {
            for follows in self.revise_once(plan, &task, cause, &mut found) {
                if tasks.iter_mut().any(|task| task.takes(&follows)) {
                    continue;
                }
                if rounds >= ROUNDS_MAX {
                    found.cut.insert((std::cmp::Reverse(*follows.ranks.end()), follows.from));
                    continue;
                }
                rounds += 1;
                tasks.push_back(follows);
            }
        }
        for ((rank, start), readings) in found.righted {
            let place = usize::from(rank.0).saturating_sub(1);
            let readings: Vec<Revised> = readings.into_values().filter(|reading| reading.was != reading.is).collect();
            if readings.is_empty() {
                continue;
            }
            let kind = [Kind::Minute, Kind::Hour, Kind::Day].get(place).copied().unwrap_or(Kind::Day);
            out.revisions.push(Revision { kind, data_time: Timestamp(start), cause: cause.clone(), readings });
        }
        if !found.cut.is_empty() {
            let range = (Timestamp(from).to_rfc3339(), Timestamp(to).to_rfc3339());
            let detail = json!({
                "cause": cause.view(), "periods": found.cut.len(), "bound": REVISED_MAX, "from": range.0, "to": range.1,
            });
            out.add("revisions-cut", self.now, None, detail);
        }
    }

    /// The same of one span of time; what must be looked at because of what it changed.
    fn revise_once(&mut self, plan: &Plan, task: &LookAgain, cause: &Cause, found: &mut PutRight) -> Vec<LookAgain> {
        let all: Vec<u16> = (0..).zip(&self.slots).map(|(at, _)| at).collect();
        let slots = task.only.as_deref().unwrap_or(&all);
        // What others rest on comes first, and of that what rests on nothing.
        let code = |at: &u16| self.slots.get(usize::from(*at)).map(|slot| slot.code.as_str());
        let basis = |at: &&u16| code(at).is_some_and(|code| plan.rests.iter().any(|basis| basis.factor == code));
        let require = |at: &&u16| code(at).is_some_and(|code| plan.requires.iter().any(|r| r.factor == code));
        let first: Vec<u16> = slots.iter().filter(basis).copied().collect();
        let second: Vec<u16> = slots.iter().filter(|at| require(at) && !basis(at)).copied().collect();
        let third: Vec<u16> = slots.iter().filter(|at| !require(at) && !basis(at)).copied().collect();
        let again = !plan.requires.is_empty() && task.ranks.contains(&2) && task.ranks.contains(&3);
        let mut follows: Vec<LookAgain> = Vec::new();
        // Days are asked once more when their hours are known.
        for rank in task.ranks.clone().rev().chain(again.then_some(3)) {
            let place = usize::from(rank).saturating_sub(1);
            let known = self.published.get(place);
            let known = known.map(|known| (known.within(task.from, task.to).collect::<Vec<_>>(), known.length()));
            let Some((starts, length)) = known else { continue };
            // Oxygen may be exempt under a condition on particulates, and these rest on oxygen: it is asked once more.
            for slots in [&first, &second, &first, &third] {
                let changes = self.changes(plan, (rank, length), (&starts, slots), found);
                for (start, worths) in changes {
                    let period = (rank, start, length);
                    // What lies within what is asked anyway is asked after it.
                    follows.extend(self.follows(&worths, period).filter(|follows| !task.holds(follows)));
                    follows.extend(self.take_changes(plan, period, &worths, cause));
                }
            }
        }
        follows
    }

    /// What must be looked at because published worths of a period are others: what rests on them, and what they are a condition of.
    fn follows(&self, worths: &[Changes], (rank, start, length): (u8, i64, i64)) -> Option<LookAgain> {
        let supports = |change: &Changes| {
            change.was != change.worth.said
                && self.slots.get(usize::from(change.slot)).is_some_and(|slot| slot.supports)
        };
        // Of a day nothing finer is judged.
        let ranks = if rank == 3 { 3..=3 } else { 1..=3 };
        worths.iter().any(supports).then(|| LookAgain { from: start, to: start + length, ranks, only: None })
    }

    /// What is another thing of these codes in the periods of a rank that begin then; what speaks is noted as found.
    fn changes(
        &self,
        plan: &Plan,
        (rank, length): (u8, i64),
        (starts, slots): (&[i64], &[u16]),
        found: &mut PutRight,
    ) -> Vec<(i64, Vec<Changes>)> {
        let mut changes = Vec::new();
        let (Some(begin), Some(last)) = (starts.first(), starts.last()) else { return changes };
        if slots.is_empty() {
            return changes;
        }
        let laid = self.laid(plan, *begin, last + length);
        for start in starts {
            let changed = self.changed(plan, &laid, slots, (rank, *start, length));
            let speaks = changed.iter().any(|(change, revised)| change.was != revised.is);
            if changed.is_empty() || speaks && !found.has_room((std::cmp::Reverse(rank), *start)) {
                continue;
            }
            let mut worths = Vec::with_capacity(changed.len());
            for (change, revised) in changed {
                if change.was != revised.is {
                    found.note((std::cmp::Reverse(rank), *start), change.slot, revised);
                }
                worths.push(change);
            }
            changes.push((*start, worths));
        }
        changes
    }

    /// The codes of one period whose worth is another than was published, or of which rules or finer values alone make something else.
    fn changed(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slots: &[u16],
        (rank, start, length): (u8, i64, i64),
    ) -> Vec<(Changes, Revised)> {
        let Some(published) = self.published.get(usize::from(rank).saturating_sub(1)) else { return Vec::new() };
        let mut over = None;
        let mut found = Vec::new();
        for number in slots {
            let Some(slot) = self.slots.get(usize::from(*number)) else { continue };
            let Some(worth) = published.of(usize::from(*number), start, length) else { continue };
            let over = over.get_or_insert_with(|| over_time(laid, start, start + length));
            let Again { is, base, mean, count, marks } =
                self.worth_again(plan, over, slot, (rank, start, length), worth);
            let whole = if worth.none { base.max(mean).map(Validity::of_nothing) } else { base.max(mean) };
            if is != worth.said || (whole, mean) != (worth.base, worth.mean) {
                let Worth { none, doubtful, .. } = worth;
                let revised = Revised { code: slot.code.clone(), was: worth.said, is, marks, none, doubtful };
                let change = Changes {
                    slot: *number,
                    was: worth.said,
                    worth: Worth { said: is, base: whole, mean, ..worth },
                    count,
                };
                found.push((change, revised));
            }
        }
        found
    }

    /// Remembers what was put right as published; what came late of a basis counts in the coarser period as if it had come in time, and that is
    /// looked at again.
    fn take_changes(
        &mut self,
        plan: &Plan,
        (rank, start, length): (u8, i64, i64),
        changes: &[Changes],
        cause: &Cause,
    ) -> Option<LookAgain> {
        let place = usize::from(rank).saturating_sub(1);
        let worths: Vec<(u16, Worth)> = changes.iter().map(|change| (change.slot, change.worth)).collect();
        // What is pushed out for it is older than what can be put right now.
        if let Some(known) = self.published.get_mut(place) {
            known.note((start, length), &worths, kept(place, length));
        }
        if *cause != Cause::Values || plan.rests.is_empty() {
            return None;
        }
        let mut again = Vec::new();
        for change in changes {
            if let Some(count) = change.count.filter(|_| change.worth.rests != 0) {
                self.count_again(change.slot, (rank, start), count);
                again.push(change.slot);
            }
        }
        let ranks = rank + 1..=3;
        (!again.is_empty() && rank < 3).then_some(LookAgain { from: start, to: start + 1, ranks, only: Some(again) })
    }
}
