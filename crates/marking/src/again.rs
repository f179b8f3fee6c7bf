//! What a published reading is worth by what is known now.
//!
//! What must stay true: it is what would be said of it now, by the same rules as at first ([`super::effect`], [`super::period`],
//! [`super::basis`], [`super::require`]): its own flag and value as they were, everything else as it is known now; and what can no longer be
//! judged from its parts keeps what these made of it when they were known.

use std::collections::BTreeSet;

use super::effect::{Asking, Laid};
use super::plan::Plan;
use super::published::Worth;
use super::rules::*;
use super::state::*;
use super::verdict::{Reading, is_period};
use hj212_model::message::{Kind, Timestamp};

/// A published reading by what is known now.
pub(super) struct Again {
    pub(super) is: Option<Validity>,
    /// By instruments and rules alone, without people and finer values.
    pub(super) base: Option<Validity>,
    /// By its finer values and rules alone.
    pub(super) mean: Option<Validity>,
    /// By itself and what it rests on: that is counted in the coarser period.
    pub(super) count: Option<Validity>,
    pub(super) marks: Vec<String>,
}

impl Marks {
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

    /// What an hour of `code` is worth that was published; one without a value is missing. `None`: no record of that hour was published.
    #[must_use]
    pub fn published_hour(&self, code: &str, at: Timestamp) -> Option<Option<Validity>> {
        let place = self.index.get(code).copied()?;
        let known = self.published.get(1)?;
        let worth = known.of(usize::from(place), at.0, known.length())?;
        Some(if worth.none { Some(Validity::Missing) } else { worth.said })
    }

    /// Whether an entry of this id was taken.
    #[must_use]
    pub fn knows_entry(&self, id: &str) -> bool {
        self.used.iter().any(|used| used.id == id)
    }

    pub(super) fn worth_again(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slot: &Slot,
        period: (u8, i64, i64),
        worth: Worth,
    ) -> Again {
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
        let mut count = worth.own.max(of_rules);
        if self.memory.may_have_lost(start) {
            (is, base) = (is.max(worth.base), base.max(worth.base));
        }
        if worth.none {
            (is, base) = (is.map(Validity::of_nothing), base.map(Validity::of_nothing));
            count = count.map(Validity::of_nothing);
        }
        let about = laid.iter().filter(|mark| mark.counts() && mark.is_about(plan, &reading, &cleared));
        let marks: BTreeSet<&str> = about.map(|mark| mark.name).chain(of_bases).collect();
        Again { is, base, mean, count, marks: marks.into_iter().map(str::to_owned).collect() }
    }
}
