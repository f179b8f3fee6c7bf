//! What is published of a report's periods, and what that says of others at once.
//!
//! What must stay true: what is remembered as published is what was published; a report says of itself what is known when all of it was
//! taken, whatever the order of its items.

use super::calendar;
use super::plan::Plan;
use super::published::Worth;
use super::revise::{MINUTE, kept};
use super::revision::Cause;
use super::rules::*;
use super::state::*;
use super::verdict::{Judged, MarkVerdict, Observation, is_period};

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
        let before = self.published.get(at).map_or(0, |known| known.length());
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
        if before != 0 && before != length {
            // What was published before it was known how long these periods are.
            self.revise(plan, (i64::MIN, i64::MAX), (&Cause::Values, rank..=rank), None, out);
        }
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
        // An exemption of what has no value shows as no exemption.
        let may_be_exempt = |judged: &Judged, none: bool| {
            judged.validity == Some(Validity::Exempt) || none && judged.validity.is_some()
        };
        let mut readings = out.readings.iter().zip(seen.readings);
        if !plan.requires.is_empty() && readings.any(|(judged, reading)| may_be_exempt(judged, reading.none)) {
            let laid = self.laid(plan, start, start + length);
            let mut changed = Vec::new();
            for (judged, home) in out.readings.iter_mut().zip(&self.scratch.homes) {
                let known = self.published.get(place).and_then(|p| p.of(usize::from(*home), start, length));
                let (Some(worth), Some(slot)) = (known, self.slots.get(usize::from(*home))) else { continue };
                if !may_be_exempt(judged, worth.none) {
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
        if others > seen.readings.len() || self.scratch.swayed {
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

    /// What the report itself is worth by what it changed is said in it, and not once more.
    pub(super) fn fold(&self, seen: &Observation<'_>, (rank, now): (u8, i64), out: &mut MarkVerdict) {
        let length = self.published_length(rank).filter(|_| rank > 0 && is_period(seen.kind));
        let Some(start) = length.map(|length| calendar::floor(now, length)) else { return };
        let MarkVerdict { readings, revisions, .. } = out;
        for revision in revisions.iter_mut().filter(|of| of.kind == seen.kind && of.data_time.0 == start) {
            revision.readings.retain(|revised| {
                let at = seen.readings.iter().rposition(|reading| reading.code == revised.code);
                let Some(judged) = at.and_then(|at| readings.get_mut(at)) else { return true };
                judged.validity = revised.is;
                judged.marks.extend(revised.marks.iter().cloned());
                judged.marks.sort_unstable();
                judged.marks.dedup();
                judged.proposed.retain(|name| !judged.marks.contains(name));
                false
            });
        }
        revisions.retain(|revision| !revision.readings.is_empty());
    }
}
