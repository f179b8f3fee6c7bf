//! Time that marks use of their limits.

use serde_json::json;

use super::calendar;
use super::engine::Verdict;
use super::expr::SECOND;
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use crate::message::Timestamp;

impl Marks {
    pub(super) fn charge_all(&mut self, plan: &Plan, out: &mut Verdict) {
        if plan.limits.is_empty() {
            return;
        }
        let limited = |mark: &Mark| plan.limits.iter().any(|limit| limit.marks.contains(&mark.mark));
        let counts = |mark: &&Mark| mark.standing.counts() && !mark.late && limited(mark);
        let open: Vec<Mark> = self.held.values().filter(counts).cloned().collect();
        let recent: Vec<Mark> = self.ended.iter().rev().take(8).filter(counts).cloned().collect();
        for mark in recent.iter().chain(&open) {
            let to = mark.until.map_or(self.now, |until| until.0.min(self.now.max(self.swept)));
            self.charge(plan, mark, to, out);
        }
    }

    /// Charges a mark up to `to` against the limits it shares.
    pub(super) fn charge(&mut self, plan: &Plan, mark: &Mark, to: i64, out: &mut Verdict) {
        for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&mark.mark)) {
            let mut from = mark.since.0;
            while from < to {
                let (start, end) =
                    if limit.per == Per::Each { (mark.since.0, i64::MAX) } else { calendar::period(limit.per, from) };
                let key = (limit.name.clone(), mark.object.clone(), start);
                if !self.counters.contains_key(&key) && self.counters.len() >= COUNTERS_MAX {
                    let oldest = self.counters.keys().min_by_key(|(.., start)| *start).cloned();
                    oldest.map(|oldest| self.counters.remove(&oldest));
                }
                let counter = self.counters.entry(key).or_default();
                counter.charge(&mark.by, from, to.min(end));
                let used = counter.used();
                let (near, spent) = (used >= limit.warn && !counter.warned, used >= limit.max && !counter.spent);
                counter.warned |= near;
                counter.spent |= spent;
                for (kind, _) in
                    [("limit-near", near && !spent), ("limit-spent", spent)].into_iter().filter(|(_, is)| *is)
                {
                    let detail = json!({
                        "limit": limit.name, "object": mark.object, "per": limit.per.name(), "since": Timestamp(start).to_rfc3339(),
                        "used_s": used / SECOND, "max_s": limit.max / SECOND, "clause": limit.clause, "certainty": format!("{:?}", limit.certainty),
                    });
                    let mut shown = mark.clone();
                    shown.spent |= spent;
                    out.add(kind, to, Some(shown), detail);
                }
                if spent {
                    let concerned = |m: &&mut Mark| m.object == mark.object && limit.marks.contains(&m.mark);
                    self.held
                        .values_mut()
                        .filter(concerned)
                        .filter(|m| limit.per != Per::Each || m.since == mark.since)
                        .for_each(|m| m.spent = true);
                }
                from = end.min(to);
            }
            // A mark that begins when the limit is spent exempts nothing from the start.
            let start = if limit.per == Per::Each { mark.since.0 } else { calendar::period(limit.per, to).0 };
            if self.counters.get(&(limit.name.clone(), mark.object.clone(), start)).is_some_and(|c| c.spent)
                && limit.per != Per::Each
            {
                let key = (mark.mark.clone(), mark.object.clone(), mark.by.clone());
                self.held.get_mut(&key).into_iter().for_each(|m| m.spent = true);
            }
        }
    }
}
