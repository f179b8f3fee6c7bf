//! Time that marks use of their limits.
//!
//! A limit is used in the order of time, not of entries: what is entered later for an earlier time moves the moment at which it was spent.
//! What must stay true: a counter that runs is never forgotten for another; what is withdrawn is given back; what one record changes is told
//! once, as it is in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::calendar;
use super::engine::Verdict;
use super::expr::SECOND;
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use hj212_model::message::Timestamp;

impl Marks {
    /// Charges what holds as far as it is known, and says what has become of the limits.
    pub(super) fn charge_all(&mut self, plan: &Plan, out: &mut Verdict) {
        if plan.limits.is_empty() {
            return;
        }
        let limited = |mark: &Mark| plan.limits.iter().any(|limit| limit.marks.contains(&mark.mark));
        let counts = |mark: &&Mark| mark.standing.counts() && limited(mark);
        let open: Vec<Mark> = self.held.values().filter(counts).cloned().collect();
        let clock = self.now.max(self.swept);
        for mark in &open {
            // What a hand entered goes on although the station is silent; what a rule found, as far as it was seen.
            let to = mark.until.map_or(if mark.said.is_some() { clock } else { self.now }, |until| until.0.min(clock));
            self.charge(plan, mark, to);
        }
        self.settle(plan, clock, out);
    }

    /// Charges a mark up to `to` against the limits it shares; [`Marks::settle`] says what has come of it.
    pub(super) fn charge(&mut self, plan: &Plan, mark: &Mark, to: i64) {
        if !mark.is_charged() {
            return;
        }
        let (begin, end) = mark.window();
        let to = to.min(end);
        for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&mark.mark)) {
            let mut from = begin.max(limit.dates.from);
            let to = to.min(limit.dates.until);
            while from < to {
                let (start, end) = bounds(limit, mark, from);
                let key = (limit.name.clone(), mark.object.clone(), start);
                if !self.counters.contains_key(&key) && self.counters.len() >= COUNTERS_MAX {
                    self.make_room(plan);
                }
                self.counters.entry(key).or_default().charge(&mark.by, from, to.min(end));
                from = end.min(to);
            }
        }
    }

    /// What an entry used is given back: it is withdrawn, or superseded.
    pub(super) fn give_back(&mut self, who: &str) {
        self.counters.values_mut().for_each(|counter| counter.forget(who));
    }

    /// Says what has become of the limits since this was last done: nearly spent, spent, free again. Once for all that one record changed, so
    /// that what is given back and used again in one breath is not told.
    pub(super) fn settle(&mut self, plan: &Plan, at: i64, out: &mut Verdict) {
        let mut told = Vec::new();
        let mut objects: BTreeSet<String> = BTreeSet::new();
        for (key, counter) in &mut self.counters {
            let Some(limit) = plan.limits.iter().find(|limit| limit.name == key.0) else { continue };
            if !std::mem::take(&mut counter.changed) {
                continue;
            }
            objects.insert(key.1.clone());
            let used = counter.used();
            // A single mark may be as long as its limit; a period's limit is spent when all of it is used.
            let spent = if limit.per == Per::Each { used > limit.max } else { used >= limit.max };
            let near = used >= limit.warn;
            let (warned, before) = (counter.warned, counter.spent);
            (counter.warned, counter.spent) = (near, spent);
            let kind = match (spent, near) {
                (true, _) if !before => "limit-spent",
                (false, _) if before => "limit-free",
                (false, true) if !warned => "limit-near",
                _ => continue,
            };
            let detail = json!({
                "limit": limit.name, "object": key.1, "per": limit.per.name(), "since": Timestamp(key.2).to_rfc3339(),
                "used_s": used / SECOND, "max_s": limit.max / SECOND, "clause": limit.clause, "certainty": format!("{:?}", limit.certainty),
            });
            let last = counter.last().filter(|_| kind != "limit-free");
            told.push((kind, last.map(|(who, to)| (who.to_owned(), to)), spent, detail));
        }
        self.counters.retain(|_, counter| counter.used() > 0);
        for object in &objects {
            self.dispense(plan, object, at);
        }
        for (kind, last, spent, detail) in told {
            let mark = last.as_ref().and_then(|(who, _)| {
                let mut marks = self.held.values().chain(self.memory.marks());
                marks.find(|mark| mark.by == *who && Some(mark.object.as_str()) == detail["object"].as_str())
            });
            let mark = mark.map(|mark| Mark { spent: mark.spent || spent, ..mark.clone() });
            out.add(kind, last.map_or(at, |(_, to)| to), mark, detail);
        }
    }

    fn dispense(&mut self, plan: &Plan, object: &str, to: i64) {
        let counters = &self.counters;
        let of = self.held.values_mut().chain(self.memory.marks_mut()).filter(|mark| mark.object == object);
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
