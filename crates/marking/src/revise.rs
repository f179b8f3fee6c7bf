//! What was published of a period is put right when its worth changes afterwards: by an entry, a withdrawal, a ruling, finer values that came
//! late or were corrected, what it rests on, or a mark that was found later than it began.
//!
//! What must stay true:
//! * what is said of a period again is what would be said of it now, by the same rules as at first ([`super::effect`], [`super::period`],
//!   [`super::basis`], [`super::require`]): its own flag and value as they were, everything else as it is known now;
//! * one revision a period and cause, of those codes alone whose worth is another; nothing is said where nothing changed;
//! * what can no longer be judged from its parts keeps what these made of it when they were known: where finer values or episodes of rules were
//!   forgotten, an entry that is taken back leaves the period what it was before the entry, and not what its own flag says;
//! * what others rest on is put right before them;
//! * the cost is bounded: [`REVISED_MAX`] periods a cause, days first; what is left out is told (`revisions-cut`). It grows with the periods
//!   and codes that a cause touches, not with how many entries there are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::json;

use super::calendar;
use super::effect::{Asking, Laid, over_time};
use super::expr::DAY;
use super::expr::SECOND;
use super::memory::SPANS_KEPT;
use super::plan::Plan;
use super::published::Worth;
use super::revision::{Cause, Revised, Revision};
use super::rules::*;
use super::state::*;
use super::verdict::{MarkVerdict, Observation, Reading};
use hj212_model::message::{Kind, Timestamp};

/// Periods that one cause may revise.
pub const REVISED_MAX: usize = 4096;
/// How long published periods can be put right, µs: minutes a week, hours and days as long as spans of marks are remembered.
const KEPT_FOR: [i64; 3] = [7 * DAY, SPANS_KEPT, SPANS_KEPT];
/// The length of minute data while the station's own is not known.
const MINUTE: i64 = 60 * SECOND;

/// How many periods of a kind are remembered.
pub(super) fn kept(place: usize, length: i64) -> i64 {
    KEPT_FOR.get(place).copied().unwrap_or(0) / length.max(1)
}

/// What is put right of one period: its rank, when it begins, and what by code.
type Righted = BTreeMap<(std::cmp::Reverse<u8>, i64), BTreeMap<u16, Revised>>;

/// A published reading by what is known now.
struct Again {
    is: Option<Validity>,
    /// By instruments and rules alone, without people and finer values.
    base: Option<Validity>,
    /// By its finer values and rules alone.
    mean: Option<Validity>,
    marks: Vec<String>,
}

impl Marks {
    /// The length that periods of this rank have in what is remembered of them.
    pub(super) fn published_length(&self, rank: u8) -> Option<i64> {
        self.length_of(rank).or((rank == 1).then_some(MINUTE)).filter(|length| *length > 0)
    }

    /// Remembers what is published of the periods of a report.
    pub(super) fn note_published(
        &mut self,
        plan: &Plan,
        seen: &Observation<'_>,
        rank: u8,
        now: i64,
        out: &mut MarkVerdict,
    ) {
        let Some(at) = usize::from(rank).checked_sub(1).filter(|_| is_period(seen.kind)) else { return };
        let Some(length) = self.published_length(rank) else { return };
        let (kept, start) = (kept(at, length), calendar::floor(now, length));
        let mut worths = std::mem::take(&mut self.scratch.worths);
        worths.clear();
        let readings = seen.readings.iter().zip(&out.readings);
        for (place, ((reading, judged), home)) in readings.zip(&self.scratch.homes).enumerate() {
            if *home == u16::MAX {
                continue;
            }
            let of_it = self.scratch.cleared.iter().filter(|(at, _)| usize::from(*at) == place);
            let cleared = of_it.map(|(_, rule)| bit(usize::from(*rule))).fold(0, |bits, bit| bits | bit);
            let supports = self.slots.get(usize::from(*home)).is_some_and(|slot| slot.supports);
            let before = self.published.get(at).and_then(|known| known.of(usize::from(*home), start, length));
            let mean = self.scratch.means.get(place).copied().flatten();
            let mean = mean.unwrap_or_else(|| before.and_then(|before| before.mean));
            let own = self.scratch.owns.get(place).copied().flatten();
            let base = own.max(self.scratch.bases.get(place).copied().flatten()).max(mean);
            worths.push((
                *home,
                Worth {
                    own,
                    said: judged.validity,
                    base: if reading.none { base.map(Validity::of_nothing) } else { base },
                    mean,
                    none: reading.none,
                    doubtful: reading.doubtful,
                    rests: self.scratch.rests.get(place).copied().unwrap_or(0),
                    unfit: if supports { plan.bits_unfit(reading) } else { 0 },
                    over: if supports { plan.bits_over(reading, rank) } else { 0 },
                    told: 0,
                    cleared,
                },
            ));
        }
        let lost = self.published.get_mut(at).map_or(0, |known| {
            // What was told of the period is told, though it is said again.
            for (slot, worth) in worths.iter_mut().filter(|(_, worth)| worth.over != 0) {
                worth.told = known.of(usize::from(*slot), start, length).map_or(0, |before| before.told & worth.over);
            }
            known.note((start, length), &worths, kept)
        });
        self.scratch.worths = worths;
        if let Some(until) = self.published_to.get_mut(at) {
            *until = (*until).max(start + length);
        }
        for _ in 0..lost {
            self.memory.forget("published-period", start - kept * length);
        }
        if lost > 0 {
            self.tell_forgotten(now, out);
        }
        self.note_breaks(plan, seen, rank, start);
        self.finish(plan, seen, (rank, start, length), out);
    }

    /// What a report is worth when all of it is known: the conditions of exemptions are asked, what rests on it in other reports of the same
    /// period is put right, and so are the finer values of the period where a condition is about it.
    fn finish(
        &mut self,
        plan: &Plan,
        seen: &Observation<'_>,
        (rank, start, length): (u8, i64, i64),
        out: &mut MarkVerdict,
    ) {
        let place = usize::from(rank) - 1;
        if !plan.requires.is_empty() && out.readings.iter().any(|judged| judged.validity == Some(Validity::Exempt)) {
            let laid = self.laid(plan, start, start + length);
            let mut changed = Vec::new();
            for (judged, home) in out.readings.iter_mut().zip(&self.scratch.homes) {
                let known = self.published.get(place).and_then(|p| p.of(usize::from(*home), start, length));
                let (Some(worth), Some(slot)) = (known, self.slots.get(usize::from(*home))) else { continue };
                if judged.validity != Some(Validity::Exempt) {
                    continue;
                }
                judged.validity = self.worth_again(plan, &laid, slot, (rank, start, length), worth).is;
                changed.push((*home, Worth { said: judged.validity, ..worth }));
            }
            let kept = kept(place, length);
            if let Some(known) = self.published.get_mut(place) {
                known.note((start, length), &changed, kept);
            }
        }
        let slots = self.scratch.homes.iter().filter_map(|home| self.slots.get(usize::from(*home)));
        if !slots.into_iter().any(|slot| slot.supports) {
            return;
        }
        let others = self.published.get(place).map_or(0, |known| known.codes(start, length));
        if others > seen.readings.len() {
            self.revise(plan, (start, start + 1), (&Cause::Values, rank..=rank), None, out);
        }
        // Its value, or what that rests on, is in this report.
        let known = |code: &str| {
            let slot = self.index.get(code).map(|slot| usize::from(*slot));
            slot.is_some_and(|slot| self.published.get(place).is_some_and(|p| p.of(slot, start, length).is_some()))
        };
        if plan.requires.iter().any(|require| require.rank() == rank && known(&require.factor)) {
            let laid = self.laid(plan, start, start + length);
            if laid.iter().any(|mark| mark.works() && plan.requires.iter().any(|require| require.is_of(mark.name))) {
                drop(laid);
                self.revise(plan, (start, start + length), (&Cause::Values, 1..=3), None, out);
                self.tell_broken(plan, (start, start + length), out);
            }
        }
    }

    /// Puts right what was published of the periods that these values belong to, if they came after it.
    pub(super) fn came_late(&mut self, plan: &Plan, rank: u8, now: i64, out: &mut MarkVerdict) {
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
        let all: Vec<u16> = (0..).zip(&self.slots).map(|(at, _)| at).collect();
        let slots = only.unwrap_or(&all);
        if matches!(cause, Cause::Entry(_) | Cause::Ruling(..)) {
            // What entries and rulings take or give back elsewhere is put right by themselves ([`super::elsewhere`]).
            self.scratch.shifted.clear();
        }
        // What others rest on comes first, and of that what rests on nothing.
        let code = |at: &u16| self.slots.get(usize::from(*at)).map(|slot| slot.code.as_str());
        let basis = |at: &&u16| code(at).is_some_and(|code| plan.rests.iter().any(|basis| basis.factor == code));
        let require = |at: &&u16| code(at).is_some_and(|code| plan.requires.iter().any(|r| r.factor == code));
        let first: Vec<u16> = slots.iter().filter(basis).copied().collect();
        let second: Vec<u16> = slots.iter().filter(|at| require(at) && !basis(at)).copied().collect();
        let third: Vec<u16> = slots.iter().filter(|at| !require(at) && !basis(at)).copied().collect();
        let (mut righted, mut cut) = (Righted::new(), BTreeSet::new());
        let again = !plan.requires.is_empty() && ranks.contains(&2) && ranks.contains(&3);
        // Days are asked once more when their hours are known.
        for rank in ranks.rev().chain(again.then_some(3)) {
            let place = usize::from(rank).saturating_sub(1);
            let Some((starts, length)) =
                self.published.get(place).map(|known| (known.within(from, to).collect::<Vec<_>>(), known.length()))
            else {
                continue;
            };
            let (Some(begin), Some(last)) = (starts.first().copied(), starts.last().copied()) else { continue };
            // Oxygen may be exempt under a condition on particulates, and these rest on oxygen: it is asked once more.
            for slots in [&first, &second, &first, &third] {
                if slots.is_empty() {
                    continue;
                }
                let mut changes = Vec::new();
                let laid = self.laid(plan, begin, last + length);
                for start in &starts {
                    let key = (std::cmp::Reverse(rank), *start);
                    let known = righted.contains_key(&key);
                    let changed = self.changed(plan, &laid, slots, (rank, *start, length));
                    if changed.is_empty() {
                        continue;
                    }
                    let speaks = changed.iter().any(|(.., revised)| revised.was != revised.is);
                    if speaks && !known && righted.len() >= REVISED_MAX {
                        cut.insert(key);
                        continue;
                    }
                    let mut worths = Vec::with_capacity(changed.len());
                    for (slot, worth, base, revised) in changed {
                        worths.push((slot, worth, base));
                        if revised.was == revised.is {
                            continue;
                        }
                        match righted.entry(key).or_default().entry(slot) {
                            std::collections::btree_map::Entry::Occupied(mut known) => {
                                let was = known.get().was;
                                known.insert(Revised { was, ..revised });
                            }
                            std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(revised)),
                        }
                    }
                    changes.push((*start, worths));
                }
                drop(laid);
                for (start, worths) in changes {
                    self.take_changes(plan, (rank, start, length), &worths, cause);
                }
            }
        }
        for ((rank, start), readings) in righted {
            let place = usize::from(rank.0).saturating_sub(1);
            let readings: Vec<Revised> = readings.into_values().filter(|reading| reading.was != reading.is).collect();
            if readings.is_empty() {
                continue;
            }
            let kind = [Kind::Minute, Kind::Hour, Kind::Day].get(place).copied().unwrap_or(Kind::Day);
            out.revisions.push(Revision { kind, data_time: Timestamp(start), cause: cause.clone(), readings });
        }
        if !cut.is_empty() {
            let range = (Timestamp(from).to_rfc3339(), Timestamp(to).to_rfc3339());
            let detail = json!({
                "cause": cause.view(), "periods": cut.len(), "bound": REVISED_MAX, "from": range.0, "to": range.1,
            });
            out.add("revisions-cut", self.now, None, detail);
        }
    }

    /// The codes of one period whose worth is another than was published, or of which rules or finer values alone make something else.
    #[allow(clippy::type_complexity, reason = "the place, its worth, what rules make of it, and what is told")]
    fn changed(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slots: &[u16],
        (rank, start, length): (u8, i64, i64),
    ) -> Vec<(u16, Worth, Option<Validity>, Revised)> {
        let Some(published) = self.published.get(usize::from(rank).saturating_sub(1)) else { return Vec::new() };
        let mut over = None;
        let mut found = Vec::new();
        for number in slots {
            let Some(slot) = self.slots.get(usize::from(*number)) else { continue };
            let Some(worth) = published.of(usize::from(*number), start, length) else { continue };
            let over = over.get_or_insert_with(|| over_time(laid, start, start + length));
            let Again { is, base, mean, marks } = self.worth_again(plan, over, slot, (rank, start, length), worth);
            let whole = if worth.none { base.max(mean).map(Validity::of_nothing) } else { base.max(mean) };
            if is != worth.said || (whole, mean) != (worth.base, worth.mean) {
                let Worth { none, doubtful, .. } = worth;
                let revised = Revised { code: slot.code.clone(), was: worth.said, is, marks, none, doubtful };
                found.push((*number, Worth { said: is, base: whole, mean, ..worth }, base, revised));
            }
        }
        found
    }

    /// Remembers what was put right as published; what came late of a basis counts in the coarser period as if it had come in time.
    fn take_changes(
        &mut self,
        plan: &Plan,
        (rank, start, length): (u8, i64, i64),
        changes: &[(u16, Worth, Option<Validity>)],
        cause: &Cause,
    ) {
        let place = usize::from(rank).saturating_sub(1);
        let worths: Vec<(u16, Worth)> = changes.iter().map(|(slot, worth, _)| (*slot, *worth)).collect();
        // What is pushed out for it is older than what can be put right now.
        if let Some(known) = self.published.get_mut(place) {
            known.note((start, length), &worths, kept(place, length));
        }
        if *cause != Cause::Values || plan.rests.is_empty() {
            return;
        }
        for (slot, worth, base) in changes {
            if let Some(base) = base.filter(|_| worth.rests != 0) {
                self.count_again(*slot, (rank, start), base);
            }
        }
    }

    /// What a published reading is worth by what is known now: `own` is what its own flag said.
    #[must_use]
    pub fn worth_now(
        &self,
        plan: &Plan,
        code: &str,
        kind: Kind,
        at: Timestamp,
        own: Option<Validity>,
    ) -> Option<Validity> {
        let place = self.index.get(code).copied()?;
        let rank = super::verdict::rank(kind);
        let known = usize::from(rank).checked_sub(1).and_then(|place| self.published.get(place));
        let known = known.filter(|_| is_period(kind));
        if let Some(worth) = known.and_then(|known| known.of(usize::from(place), at.0, known.length())) {
            return worth.said;
        }
        let length = self.length_of(rank).filter(|_| rank > 0).unwrap_or(1);
        let laid = self.laid(plan, at.0, at.0 + length);
        let reading = Reading { code, text: "0", judged: None, none: false, doubtful: false, flag: None };
        let met = |number: usize, start: i64| self.met(plan, (number, start), code, (rank, at.0, length));
        let asking = Asking { rules_only: false, cleared: &[], rests: 0, met: &met };
        own.max(self.over_code(plan, &laid, &reading, asking).worth(plan, rank, at.0, length))
    }

    fn worth_again(&self, plan: &Plan, laid: &[Laid<'_>], slot: &Slot, period: (u8, i64, i64), worth: Worth) -> Again {
        let (rank, start, length) = period;
        let text = if worth.none { "" } else { "0" };
        let reading =
            Reading { code: &slot.code, text, judged: None, none: worth.none, doubtful: worth.doubtful, flag: None };
        let rules = plan.factor_rules.iter().enumerate().filter(|(number, _)| worth.cleared & bit(*number) != 0);
        let cleared: Vec<&str> = rules.map(|(_, armed)| armed.rule.name.as_str()).collect();
        let met = |number: usize, at: i64| self.met(plan, (number, at), &slot.code, period);
        let asking = Asking { rules_only: false, cleared: &cleared, rests: worth.rests, met: &met };
        let (mut is, mut base) = (worth.own, worth.own);
        let people = laid.iter().any(|mark| !mark.is_of_rule());
        let by_rules = Asking { rules_only: true, ..asking };
        if !laid.is_empty() {
            let all = self.over_code(plan, laid, &reading, asking).worth(plan, rank, start, length);
            let rules = || self.over_code(plan, laid, &reading, by_rules).worth(plan, rank, start, length);
            is = is.max(all);
            base = base.max(if people { rules() } else { all });
        }
        let (all, of_rules, of_bases) = self.bases_again(plan, worth, period);
        let known = self.mean_again(plan, laid, slot, asking, period);
        let mean = match known.filter(|_| people) {
            None => known,
            Some(_) => self.mean_again(plan, laid, slot, by_rules, period),
        };
        let mean = mean.unwrap_or(worth.mean);
        is = is.max(all).max(known.unwrap_or(mean));
        base = base.max(of_rules);
        if self.memory.may_have_lost(start) {
            (is, base) = (is.max(worth.base), base.max(worth.base));
        }
        if worth.none {
            (is, base) = (is.map(Validity::of_nothing), base.map(Validity::of_nothing));
        }
        let about = laid.iter().filter(|mark| mark.counts() && mark.is_about(plan, &reading, &cleared));
        let marks: BTreeSet<&str> = about.map(|mark| mark.name).chain(of_bases).collect();
        Again { is, base, mean, marks: marks.into_iter().map(str::to_owned).collect() }
    }
}

/// Whether it is one of the periods that finer values make.
const fn is_period(kind: Kind) -> bool {
    matches!(kind, Kind::Minute | Kind::Hour | Kind::Day)
}
