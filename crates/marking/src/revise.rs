//! What was published of a period is put right when its worth changes afterwards: by an entry, a withdrawal, a ruling, or finer values that
//! came late or were corrected.
//!
//! What must stay true:
//! * what is said of a period again is what would be said of it now, by the same rules as at first ([`super::effect`], [`super::period`]):
//!   its own flag and basis as they were, the marks and finer values as they are known now;
//! * one revision a period and cause, of those codes alone whose worth is another; nothing is said where nothing changed;
//! * the cost is bounded: [`REVISED_MAX`] periods a cause, days first; what is left out is told (`revisions-cut`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::calendar;
use super::effect::{Laid, Over};
use super::engine::{Observation, Reading, Verdict};
use super::plan::Plan;
use super::published::Worth;
use super::rules::*;
use super::state::*;
use hj212_model::message::{Kind, Timestamp};

/// Periods that one cause may revise.
pub const REVISED_MAX: usize = 4096;
/// How long published periods can be put right, µs: minutes a week, hours and days as long as spans of marks are remembered.
const KEPT_FOR: [i64; 3] = [7 * super::effect::DAY, super::memory::SPANS_KEPT, super::memory::SPANS_KEPT];

/// Why something published is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// An entry by hand, a correction or a withdrawal of one: its id.
    Entry(String),
    /// What an authority ruled: role and id.
    Ruling(&'static str, String),
    /// Finer values that came late or were corrected.
    Values,
}

impl Cause {
    /// As published.
    #[must_use]
    pub fn view(&self) -> Value {
        match self {
            Self::Entry(id) => json!({ "kind": "entry", "id": id }),
            Self::Ruling(role, id) => json!({ "kind": "ruling", "role": role, "id": id }),
            Self::Values => json!({ "kind": "values" }),
        }
    }
}

/// The worth of one published period, put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// What period: minute, hour, day.
    pub kind: Kind,
    /// Its start.
    pub data_time: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The codes whose worth is another now.
    pub readings: Vec<Revised>,
}

/// The worth of one reading of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    /// The code.
    pub code: String,
    /// What was published last.
    pub was: Option<Validity>,
    /// What it is.
    pub is: Option<Validity>,
    /// The marks on it now; without those of its own flag.
    pub marks: Vec<String>,
}

impl Marks {
    /// Remembers what is published of the periods of a report.
    pub(super) fn note_published(
        &mut self,
        plan: &Plan,
        seen: &Observation<'_>,
        rank: u8,
        now: i64,
        out: &mut Verdict,
    ) {
        let Some(at) = usize::from(rank).checked_sub(1).filter(|_| is_period(seen.kind)) else { return };
        let Some(length) = self.length_of(rank).filter(|length| *length > 0) else { return };
        let kept = KEPT_FOR.get(at).copied().unwrap_or(0) / length;
        let start = calendar::floor(now, length);
        let (broken, maybe) = plan.bits_broken(seen, rank, now);
        let mut lost = 0;
        let readings = self.scratch.homes.iter().zip(&self.scratch.owns).zip(&out.readings);
        for (place, ((home, own), judged)) in readings.enumerate() {
            let Some(slot) = self.slots.get_mut(usize::from(*home)) else { continue };
            let of_it = self.scratch.cleared.iter().filter(|(at, _)| usize::from(*at) == place);
            let cleared = of_it.map(|(_, rule)| bit(usize::from(*rule))).fold(0, |bits, bit| bits | bit);
            let worth = Worth { own: *own, said: judged.validity, broken, maybe, cleared };
            if let Some(published) = slot.published.get_mut(at) {
                lost += published.note((start, length), worth, kept);
            }
        }
        if let Some(until) = self.published_to.get_mut(at) {
            *until = (*until).max(start + length);
        }
        for _ in 0..lost {
            self.memory.forget("published-period", start - kept * length);
        }
        if lost > 0 {
            self.tell_forgotten(now, out);
        }
    }

    /// Puts right what was published of the periods that these values belong to, if they came after it.
    pub(super) fn came_late(&mut self, plan: &Plan, rank: u8, now: i64, out: &mut Verdict) {
        if self.published_to.iter().skip(usize::from(rank)).all(|until| now >= *until) {
            return;
        }
        let homes = std::mem::take(&mut self.scratch.homes);
        self.revise(plan, (now, now + 1), (&Cause::Values, rank), Some(&homes), out);
        self.scratch.homes = homes;
    }

    /// Puts right what was published of periods coarser than `above` that have a part in `from..to`; of all codes, or of those that stand at
    /// `only`.
    pub(super) fn revise(
        &mut self,
        plan: &Plan,
        (from, to): (i64, i64),
        (cause, above): (&Cause, u8),
        only: Option<&[u16]>,
        out: &mut Verdict,
    ) {
        let all: Vec<u16> = (0..).zip(&self.slots).map(|(at, _)| at).collect();
        let slots = only.unwrap_or(&all);
        let (mut count, mut cut) = (0, 0u32);
        for rank in (above + 1..=3).rev() {
            let at = usize::from(rank) - 1;
            let published = |slot: &u16| self.slots.get(usize::from(*slot))?.published.get(at);
            let periods: BTreeSet<(i64, i64)> = slots
                .iter()
                .filter_map(published)
                .flat_map(|of| of.within(from, to).map(|start| (start, of.length())))
                .collect();
            for (start, length) in periods {
                if count >= REVISED_MAX {
                    cut += 1;
                    continue;
                }
                let readings = self.revised(plan, slots, (rank, start, length));
                if readings.is_empty() {
                    continue;
                }
                count += 1;
                let kind = [Kind::Minute, Kind::Hour, Kind::Day].get(at).copied().unwrap_or(Kind::Day);
                out.revisions.push(Revision { kind, data_time: Timestamp(start), cause: cause.clone(), readings });
            }
        }
        if cut > 0 {
            let range = (Timestamp(from).to_rfc3339(), Timestamp(to).to_rfc3339());
            let detail =
                json!({ "cause": cause.view(), "periods": cut, "bound": REVISED_MAX, "from": range.0, "to": range.1 });
            out.add("revisions-cut", self.now, None, detail);
        }
    }

    /// The codes of one period whose worth is another than was published; it is remembered as published.
    fn revised(&mut self, plan: &Plan, slots: &[u16], (rank, start, length): (u8, i64, i64)) -> Vec<Revised> {
        let at = usize::from(rank) - 1;
        let mut found = Vec::new();
        {
            let laid = self.laid(plan, start, start + length);
            for number in slots {
                let Some(slot) = self.slots.get(usize::from(*number)) else { continue };
                let Some(worth) = slot.published.get(at).and_then(|of| of.of(start, length)) else { continue };
                let (is, marks) = self.worth_again(plan, &laid, slot, (rank, start, length), worth);
                if is != worth.said {
                    let revised = Revised { code: slot.code.clone(), was: worth.said, is, marks };
                    found.push((*number, Worth { said: is, ..worth }, revised));
                }
            }
        }
        let kept = KEPT_FOR.get(at).copied().unwrap_or(0) / length.max(1);
        let noted = |(number, worth, revised): (u16, Worth, Revised)| {
            let slot = self.slots.get_mut(usize::from(number)).and_then(|slot| slot.published.get_mut(at));
            // A change of one run makes two more at most; what they push out is older than what can be put right now.
            slot.map(|published| published.note((start, length), worth, kept));
            revised
        };
        found.into_iter().map(noted).collect()
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
        let slot = self.index.get(code).and_then(|at| self.slots.get(usize::from(*at)))?;
        let rank = super::engine::rank(kind);
        let place = usize::from(rank).checked_sub(1);
        let known = place.and_then(|place| slot.published.get(place)).filter(|_| is_period(kind));
        if let Some(worth) = known.and_then(|of| of.of(at.0, of.length())) {
            return worth.said;
        }
        let length = self.length_of(rank).filter(|_| rank > 0).unwrap_or(1);
        let laid = self.laid(plan, at.0, at.0 + length);
        let reading = Reading { code, text: "0", judged: None, flag: None };
        own.max(self.over_code(plan, &laid, &reading, rank, (false, &[], &[])).worth(plan, rank, at.0, length))
    }

    fn worth_again(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slot: &Slot,
        (rank, start, length): (u8, i64, i64),
        worth: Worth,
    ) -> (Option<Validity>, Vec<String>) {
        // It came, and with a value: what was missing is not published.
        let reading = Reading { code: &slot.code, text: "0", judged: None, flag: None };
        let has = |bits: u8, number: usize| u64::from(bits) & bit(number) != 0;
        let state = |number: usize| match (has(worth.broken, number), has(worth.maybe, number)) {
            (true, _) => Some((number, true)),
            (false, true) => Some((number, false)),
            (false, false) => None,
        };
        let rules = plan.factor_rules.iter().enumerate().filter(|(number, _)| worth.cleared & bit(*number) != 0);
        let cleared: Vec<&str> = rules.map(|(_, armed)| armed.rule.name.as_str()).collect();
        let broken: Vec<(usize, bool)> = (0..plan.requires.len().min(BITS)).filter_map(state).collect();
        let over = if laid.is_empty() {
            Over::default()
        } else {
            self.over_code(plan, laid, &reading, rank, (false, &broken, &cleared))
        };
        let mut is = worth.own.max(over.worth(plan, rank, start, length));
        is = is.max(self.mean_again(plan, laid, slot, &reading, (rank, start, length)));
        let about = laid.iter().filter(|mark| !mark.late() && mark.counts() && mark.is_about(plan, &reading, &cleared));
        let marks: BTreeSet<&str> = about.map(|mark| mark.name).collect();
        (is, marks.into_iter().map(str::to_owned).collect())
    }
}

/// Conditions of exemptions whose state is remembered with a period.
pub(super) const BITS: usize = 8;

/// Whether it is one of the periods that finer values make.
const fn is_period(kind: Kind) -> bool {
    matches!(kind, Kind::Minute | Kind::Hour | Kind::Day)
}
