//! Stacks that several sources share.
//!
//! A mark of one furnace says nothing of the gas of another. What must stay true: what exempts or excludes works on a factor only while every
//! other source of its kind behind that factor has such a mark in effect, or is seen to be out of service (a rule proposes an excluding
//! mark for it); the mildest of them is what the common gas is worth. Treatment facilities stand one behind the other and share nothing.

use super::effect::Laid;
use super::plan::Plan;
use super::rules::*;
use super::spans::{Span, common, minus};
use super::state::*;

impl Plan {
    /// The parts in which a mark of `validity` on `object` works on `code`, and those in which it waits for another facility's mark.
    pub(super) fn share(
        &self,
        laid: &[Laid<'_>],
        (object, validity): (&str, Validity),
        code: &str,
        parts: &[Span],
    ) -> (Vec<Span>, Vec<Span>) {
        let (mut working, mut waiting) = (parts.to_vec(), Vec::new());
        for other in self.sharers(object, Some(code)) {
            let (strong, weak) = excuses(laid, other);
            let any: Vec<Span> = strong.iter().chain(&weak).copied().collect();
            waiting.extend(minus(parts, &any));
            working = common(&working, &any);
            if validity == Validity::Excluded {
                // The other burns under an exemption: that is what the gas is worth, and its own mark says so.
                working = minus(&working, &minus(&weak, &strong));
            }
        }
        let waiting = super::spans::joined(&waiting);
        (minus(&working, &waiting), waiting)
    }
}

/// When `object` is out of service, or said to be; and when it is exempt.
fn excuses(laid: &[Laid<'_>], object: &str) -> (Vec<Span>, Vec<Span>) {
    let (mut strong, mut weak) = (Vec::new(), Vec::new());
    let of = laid.iter().filter(|mark| mark.object == object && mark.kind.dimension == Dimension::Condition);
    for mark in of.filter(|mark| mark.validity.needs_confirmation()) {
        if mark.validity == Validity::Excluded && mark.seen {
            strong.extend_from_slice(&mark.lies);
        } else {
            let list = if mark.validity == Validity::Excluded { &mut strong } else { &mut weak };
            list.extend_from_slice(&mark.parts);
        }
    }
    (strong, weak)
}

impl Marks {
    /// Whether a mark has the effect that it says on any factor now, or had it at its end. One that waits for another source behind its stack
    /// has none.
    #[must_use]
    pub fn is_effective(&self, plan: &Plan, mark: &Mark) -> bool {
        if mark.effect().is_none() {
            return false;
        }
        let Some(kind) = plan.marks.get(&mark.mark) else { return true };
        if kind.dimension != Dimension::Condition || !mark.validity.needs_confirmation() {
            return true;
        }
        let clock = self.clock();
        let at = mark.until.map_or(clock, |until| clock.min(until.0 - 1)).max(mark.since.0);
        let waits = |other: &&str| {
            let (strong, weak) = self.excuses(plan, other, at, at + 1);
            strong.is_empty() && weak.is_empty()
        };
        let waiting: Vec<&str> = plan.sharers_of(&mark.object).filter(waits).collect();
        let alone = |code: &str| !plan.sharers(&mark.object, Some(code)).any(|other| waiting.contains(&other));
        waiting.is_empty() || self.codes().any(|code| plan.covers(kind, &mark.object, code) && alone(code))
    }

    /// When between `from` and `to` `object` is out of service, or said to be; and when it is exempt.
    pub(super) fn excuses(&self, plan: &Plan, object: &str, from: i64, to: i64) -> (Vec<Span>, Vec<Span>) {
        if from >= to { (Vec::new(), Vec::new()) } else { excuses(&self.laid(plan, from, to), object) }
    }
}
