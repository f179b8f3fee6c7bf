//! Time that marks use of their limits.
//!
//! A limit is used in the order of time, not of entries: what is entered later for an earlier time moves the moment at which it was spent.
//! What must stay true: a counter that runs is never forgotten for another; what is withdrawn is given back.

use std::collections::BTreeMap;

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
        let counts = |mark: &&Mark| mark.standing.counts() && limited(mark);
        let open: Vec<Mark> = self.held.values().filter(counts).cloned().collect();
        let recent: Vec<Mark> = self.ended.iter().rev().take(8).filter(counts).cloned().collect();
        for mark in recent.iter().chain(&open) {
            // What a hand entered goes on although the station is silent; what a rule found, as far as it was seen.
            let clock = self.now.max(self.swept);
            let to = mark.until.map_or(if mark.said.is_some() { clock } else { self.now }, |until| until.0.min(clock));
            self.charge(plan, mark, to, out);
        }
    }

    /// Charges a mark up to `to` against the limits it shares.
    pub(super) fn charge(&mut self, plan: &Plan, mark: &Mark, to: i64, out: &mut Verdict) {
        for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&mark.mark)) {
            let mut from = mark.since.0.max(mark.from.0);
            while from < to {
                let (start, end) = bounds(limit, mark, from);
                let key = (limit.name.clone(), mark.object.clone(), start);
                if !self.counters.contains_key(&key) && self.counters.len() >= COUNTERS_MAX {
                    self.make_room(plan);
                }
                self.counters.entry(key.clone()).or_default().charge(&mark.by, from, to.min(end));
                self.settle(plan, limit, &key, to, Some(mark), out);
                from = end.min(to);
            }
        }
        self.dispense(plan, mark, to);
    }

    /// What an entry used is given back: it is withdrawn, or superseded. Says which limits are not spent any more.
    pub(super) fn give_back(&mut self, plan: &Plan, who: &str, object: &str, at: i64, out: &mut Verdict) {
        let used = |(_, counter): &(&(String, String, i64), &Counter)| counter.is_used_by(who);
        let keys: Vec<_> = self.counters.iter().filter(used).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.counters.get_mut(&key).into_iter().for_each(|counter| counter.forget(who));
            if let Some(limit) = plan.limits.iter().find(|limit| limit.name == key.0) {
                self.settle(plan, limit, &key, at, None, out);
            }
        }
        self.counters.retain(|_, counter| counter.used() > 0);
        self.dispense_all(plan, object, at);
    }

    /// Says what has become of a counter: nearly spent, spent, free again.
    fn settle(
        &mut self,
        plan: &Plan,
        limit: &Limit,
        key: &(String, String, i64),
        to: i64,
        mark: Option<&Mark>,
        out: &mut Verdict,
    ) {
        let Some(counter) = self.counters.get_mut(key) else { return };
        let used = counter.used();
        let (near, spent) = (used >= limit.warn, used >= limit.max);
        let (warned, before) = (counter.warned, counter.spent);
        (counter.warned, counter.spent) = (near, spent);
        let kind = match (spent, near) {
            (true, _) if !before => "limit-spent",
            (false, true) if !warned => "limit-near",
            (false, _) if before => "limit-free",
            _ => return,
        };
        let detail = json!({
            "limit": limit.name, "object": key.1, "per": limit.per.name(), "since": Timestamp(key.2).to_rfc3339(),
            "used_s": used / SECOND, "max_s": limit.max / SECOND, "clause": limit.clause, "certainty": format!("{:?}", limit.certainty),
        });
        let shown = mark.map(|mark| Mark { spent: mark.spent || spent, ..mark.clone() });
        out.add(kind, to, shown, detail);
        if spent != before {
            self.dispense_all(plan, &key.1, to);
        }
    }

    fn dispense_all(&mut self, plan: &Plan, object: &str, to: i64) {
        let counters = &self.counters;
        let of = self.held.values_mut().chain(&mut self.ended).filter(|mark| mark.object == object);
        of.for_each(|mark| set_without(plan, counters, mark, to));
    }

    fn dispense(&mut self, plan: &Plan, like: &Mark, to: i64) {
        let counters = &self.counters;
        let same = |mark: &&mut Mark| {
            (&mark.mark, &mark.object, &mark.by, mark.since) == (&like.mark, &like.object, &like.by, like.since)
        };
        let of = self.held.values_mut().chain(&mut self.ended).filter(same);
        of.for_each(|mark| set_without(plan, counters, mark, to));
    }

    /// Forgets the oldest counter; those of single marks before those of periods, and these before the ones that still run.
    fn make_room(&mut self, plan: &Plan) {
        let weight = |(name, _, start): &&(String, String, i64)| {
            let per = plan.limits.iter().find(|limit| limit.name == *name).map(|limit| limit.per);
            let runs = per.is_some_and(|per| per != Per::Each && calendar::period(per, self.now).0 <= *start);
            (runs, per.is_some_and(|per| per != Per::Each), *start)
        };
        let gone = self.counters.keys().min_by_key(weight).cloned();
        gone.map(|gone| self.counters.remove(&gone));
    }
}

/// The period of a limit that `at` falls into: of an `each` the whole mark.
fn bounds(limit: &Limit, mark: &Mark, at: i64) -> (i64, i64) {
    if limit.per == Per::Each { (mark.since.0, i64::MAX) } else { calendar::period(limit.per, at) }
}

/// Notes when a mark exempts nothing because a limit is spent; `to`: how far it has been counted.
fn set_without(plan: &Plan, counters: &BTreeMap<(String, String, i64), Counter>, mark: &mut Mark, to: i64) {
    let mut without = Vec::new();
    for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&mark.mark)) {
        let end = mark.until.map_or(i64::MAX, |until| until.0);
        let spent = counters.iter().filter(|((name, object, start), _)| {
            let own = limit.per != Per::Each || *start == mark.since.0;
            *name == limit.name && *object == mark.object && own
        });
        for ((.., start), counter) in spent {
            let (_, over) = bounds(limit, mark, *start);
            if let Some(from) = counter.spent_at(limit.max).filter(|from| *from < end.min(over) && mark.since.0 < over)
            {
                without.push((Timestamp(from.max(mark.since.0)), Timestamp(over)));
            }
        }
    }
    without.sort_unstable();
    without.dedup();
    let last = mark.until.map_or(to, |until| until.0.min(to) - 1).max(mark.since.0);
    mark.spent = without.iter().any(|(from, over)| from.0 <= last && last < over.0);
    mark.without = without;
}
