//! What an entry or a ruling changes of other marks: time of a limit that is given back, or used by an earlier time, is gained or lost by marks
//! that share the limit.
//!
//! What must stay true: where another mark gains or loses its effect so, what was published over that time is put right by the same cause.

use std::collections::BTreeMap;

use super::memory::SPANS_KEPT;
use super::plan::Plan;
use super::revision::Cause;
use super::spans::{Span, clipped, joined, minus};
use super::state::*;
use super::verdict::MarkVerdict;

/// When marks exempt nothing because their limit is spent: by mark, object, entry and begin; those that have no such time are left out.
pub(super) type Spent = BTreeMap<(String, String, String, i64), Vec<Span>>;

impl Marks {
    /// When marks exempt nothing because their limit is spent, within their own time.
    pub(super) fn spent(&self) -> Spent {
        let without = |mark: &&Mark| mark.said.is_some() && !mark.without.is_empty();
        let marks = self.held.values().chain(&self.memory.entries).filter(without);
        let parts = |mark: &Mark| {
            let gone: Vec<Span> = mark.without.iter().map(|(from, to)| (from.0, to.0)).collect();
            clipped(&gone, mark.since.0, mark.until.map_or(i64::MAX, |until| until.0))
        };
        marks
            .map(|mark| ((mark.mark.clone(), mark.object.clone(), mark.by.clone(), mark.since.0), parts(mark)))
            .collect()
    }

    /// Puts right what was published where marks gained or lost the time of a limit since `before`; what is after `clock` was not published.
    pub(super) fn revise_elsewhere(
        &mut self,
        plan: &Plan,
        before: &Spent,
        (cause, clock): (&Cause, i64),
        out: &mut MarkVerdict,
    ) {
        let after = self.spent();
        if *before == after {
            return;
        }
        let none = Vec::new();
        let mut changed: Vec<Span> = Vec::new();
        for key in before.keys().chain(after.keys()) {
            let (was, is) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
            changed.extend(minus(was, is));
            changed.extend(minus(is, was));
        }
        for (from, to) in joined(&changed) {
            self.revise(plan, (from, to.min(clock.saturating_add(1))), (cause, 1..=3), None, out);
        }
    }

    /// Hours and days that began before this can be put right no more.
    pub(super) fn oldest_published(&self) -> i64 {
        self.published_to.iter().max().copied().unwrap_or(0).saturating_sub(SPANS_KEPT)
    }
}
