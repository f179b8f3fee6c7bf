//! What a value rests on besides itself: oxygen under a converted value, flow under a mean of water (涉及因子无效).
//!
//! What must stay true:
//! * the order of the items within a report, of the reports of one period, and of entries does not matter: of a mean it is the other mean of
//!   its own period that counts, as that is known now, and what is entered about oxygen or flow later lies over what rests on them;
//! * a flow of 0 and no flow at all are two things, with two marks (`basis:flow`, `basis:no-flow`);
//! * nothing rests on oxygen or flow but factors of the same medium, and nothing on a flow where there is no outlet: rivers, groundwater, the sea;
//! * what the registration says the outlet has no instrument for (`without`) is not missed; what it says of it all the same counts.

use super::calendar;
use super::effect::{Asking, Laid, Over};
use super::plan::Plan;
use super::published::Worth;
use super::require::{BITS, bit8};
use super::rules::*;
use super::state::*;
use super::verdict::{MarkVerdict, Observation, Reading};
use hj212_model::message::Kind;

/// How it is with what a value rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Good,
    Bad,
    Absent,
}

impl Basis {
    /// Whether a reading of this rank rests on it.
    fn bears(&self, reading: &Reading<'_>, rank: u8) -> bool {
        let converted = || reading.judged.is_some_and(|text| text.parse::<f64>().is_ok());
        (if self.of_converted { converted() } else { rank >= 2 }) && self.concerns(reading.code)
    }

    /// Whether a factor rests on it: one of another medium (`a` air, `w` water, `L` noise, …) does not, wherever it was measured.
    fn concerns(&self, code: &str) -> bool {
        let letter = |code: &str| code.chars().next().filter(char::is_ascii_alphabetic);
        let same = letter(code).is_none_or(|own| letter(&self.factor) == Some(own));
        same && code != self.factor && !self.but.iter().any(|but| but == code)
    }

    /// Whether a value of its factor is one that others can rest on.
    fn fits(&self, value: Option<f64>) -> bool {
        value.is_some_and(|v| self.above.is_none_or(|low| v > low) && self.below.is_none_or(|high| v < high))
    }

    /// The mark on what rests on it, and what that makes of it.
    fn breaks(&self, base: Base) -> Option<(&str, Validity)> {
        match base {
            Base::Good => None,
            Base::Absent if !self.needed => None,
            Base::Absent => Some((&self.absent.0, self.absent.1)),
            Base::Bad => Some((&self.mark, self.validity)),
        }
    }
}

impl Plan {
    fn bases(&self, at: i64) -> impl Iterator<Item = (usize, &Basis)> {
        self.rests.iter().enumerate().take(BITS).filter(move |(_, basis)| basis.dates.hold(at))
    }

    /// The factors that values of this code may rest on, whether they are converted or not.
    pub(super) fn bases_of<'p>(&'p self, code: &'p str) -> impl Iterator<Item = &'p str> {
        let of_it = move |basis: &&Basis| basis.concerns(code);
        self.rests.iter().filter(of_it).map(|basis| basis.factor.as_str())
    }

    /// What rests on this value and is broken by it, a bit each.
    pub(super) fn bits_unfit(&self, reading: &Reading<'_>) -> u8 {
        let value = || reading.text.parse().ok().filter(|_| !reading.none);
        let of_it = self.rests.iter().enumerate().take(BITS).filter(|(_, basis)| basis.factor == reading.code);
        of_it.filter(|(_, basis)| !basis.fits(value())).fold(0, |bits, (number, _)| bits | bit8(number))
    }

    /// Whether other values rest on this one, or an exemption is conditional on it.
    pub(super) fn supports(&self, code: &str) -> bool {
        self.rests.iter().any(|basis| basis.factor == code)
            || self.requires.iter().any(|require| require.factor == code)
    }
}

impl Marks {
    /// Marks the readings whose basis is not good.
    pub(super) fn bases(
        &mut self,
        plan: &Plan,
        seen: &Observation<'_>,
        (rank, now, length): (u8, i64, i64),
        (bases, counts): (&mut [Option<Validity>], &mut [Option<Validity>]),
        out: &mut MarkVerdict,
    ) {
        let mut rests = std::mem::take(&mut self.scratch.rests);
        rests.clear();
        rests.resize(seen.readings.len(), 0u8);
        if matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day) {
            for (number, basis) in plan.bases(now) {
                let mut known = None;
                for (at, rests) in rests.iter_mut().enumerate() {
                    let Some(reading) = seen.readings.get(at).filter(|reading| basis.bears(reading, rank)) else {
                        continue;
                    };
                    *rests |= bit8(number);
                    let (all, rules) = *known.get_or_insert_with(|| {
                        self.base_of_report(plan, (number, basis), seen, (rank, now, length), bases, out)
                    });
                    if reading.text.is_empty() {
                        continue;
                    }
                    if let Some((_, validity)) = basis.breaks(rules) {
                        let of_it = bases.get_mut(at).into_iter().chain(counts.get_mut(at));
                        of_it.for_each(|known| *known = (*known).max(Some(validity)));
                    }
                    if let (Some(judged), Some((mark, validity))) = (out.readings.get_mut(at), basis.breaks(all)) {
                        judged.validity = judged.validity.max(Some(validity));
                        judged.marks.push(mark.to_owned());
                    }
                }
            }
        }
        self.scratch.rests = rests;
    }

    /// How it is with a basis for a report: with all marks, and by instruments and rules alone.
    fn base_of_report(
        &self,
        plan: &Plan,
        (number, basis): (usize, &Basis),
        seen: &Observation<'_>,
        (rank, now, length): (u8, i64, i64),
        bases: &[Option<Validity>],
        out: &MarkVerdict,
    ) -> (Base, Base) {
        if let Some(at) = seen.readings.iter().position(|reading| reading.code == basis.factor) {
            let fits = seen.readings.get(at).is_some_and(|reading| plan.bits_unfit(reading) & bit8(number) == 0);
            let of = |validity: Option<Validity>| {
                if fits && validity.is_none_or(Validity::is_usable) { Base::Good } else { Base::Bad }
            };
            let judged = out.readings.get(at).and_then(|judged| judged.validity);
            return (of(judged), of(bases.get(at).copied().flatten()));
        }
        if rank > 0 {
            let length = self.published_length(rank).unwrap_or(length);
            let period = (rank, calendar::floor(now, length), length);
            return (self.base_of(plan, number, period, false), self.base_of(plan, number, period, true));
        }
        // Of a sampled value the latest of the factor that still stands for now.
        let slot = self.index.get(&basis.factor).and_then(|at| self.slots.get(usize::from(*at)));
        let base = match slot.filter(|slot| slot.at != 0 && (now - slot.at).abs() <= slot.stale_after()) {
            None => Base::Absent,
            Some(slot) => {
                let flagged = slot.holds.iter().any(|hold| hold.active) && !slot.flag.is_empty() && slot.flag != "N";
                if basis.fits(slot.value) && !flagged { Base::Good } else { Base::Bad }
            }
        };
        (base, base)
    }

    /// How it is with a basis in a period: by the mean of its factor, else by the finer values of it that came.
    fn base_of(&self, plan: &Plan, number: usize, (rank, start, length): (u8, i64, i64), rules_only: bool) -> Base {
        let Some(basis) = plan.rests.get(number) else { return Base::Good };
        let Some(at) = self.index.get(&basis.factor).map(|at| usize::from(*at)) else { return Base::Absent };
        let place = usize::from(rank).saturating_sub(1);
        if let Some(worth) = self.published.get(place).and_then(|known| known.of(at, start, length)) {
            let said = if rules_only { worth.own } else { worth.said };
            let bad = worth.unfit & bit8(number) != 0 || !said.is_none_or(Validity::is_usable);
            return if bad { Base::Bad } else { Base::Good };
        }
        let Some(slot) = self.slots.get(at) else { return Base::Absent };
        match self.places(slot, place, start, length) {
            Some(finer) if finer.count().good > 0 => Base::Good,
            Some(_) => Base::Bad,
            None if slot.rank < rank && slot.at >= start => Base::Good,
            None => Base::Absent,
        }
    }

    /// What the bases of a published reading make of it now, all marks considered and by rules alone, and the marks for it.
    pub(super) fn bases_again<'p>(
        &self,
        plan: &'p Plan,
        worth: Worth,
        period: (u8, i64, i64),
    ) -> (Option<Validity>, Option<Validity>, Vec<&'p str>) {
        let (mut all, mut rules, mut marks) = (None, None, Vec::new());
        if worth.rests == 0 {
            return (all, rules, marks);
        }
        for (number, basis) in plan.bases(period.1).filter(|(number, _)| worth.rests & bit8(*number) != 0) {
            if let Some((mark, validity)) = basis.breaks(self.base_of(plan, number, period, false)) {
                all = all.max(Some(validity));
                marks.push(mark);
            }
            if let Some((_, validity)) = basis.breaks(self.base_of(plan, number, period, true)) {
                rules = rules.max(Some(validity));
            }
        }
        (all, rules, marks)
    }

    /// Adds what takes the values that a reading rests on.
    pub(super) fn rests_over(&self, plan: &Plan, laid: &[Laid<'_>], asking: Asking<'_>, over: &mut Over) {
        let bases = plan.rests.iter().enumerate().take(BITS);
        for (_, basis) in bases.filter(|(number, _)| asking.rests & bit8(*number) != 0) {
            let factor =
                Reading { code: &basis.factor, text: "0", judged: None, none: false, doubtful: false, flag: None };
            let takes = |mark: &&Laid<'_>| {
                mark.works()
                    && matches!(mark.validity, Validity::Invalid | Validity::Missing)
                    && (mark.is_of_rule() || !asking.rules_only)
                    && mark.is_about(plan, &factor, &[])
            };
            for mark in laid.iter().filter(takes) {
                over.add(basis.validity, &mark.parts);
            }
        }
    }
}
