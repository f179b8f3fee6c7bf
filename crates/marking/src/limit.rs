//! Time that marks use of their limits.
//!
//! A limit is used in the order of time, not of entries: what is entered later for an earlier time moves the moment at which it was spent.
//! What must stay true: a counter that runs is never forgotten for another; what is withdrawn is given back; what one record changes is told
//! once, as it is in the end. Limits of single occasions (`per = "each"`) are in [`super::occasion`].
//!
//! While marks hold they use a limit no faster than time passes. So when something can be told of it next is known, and nothing is counted before
//! that ([`Marks::charge_all`]): a report costs the same whatever was entered. What changes which marks there are counts at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::calendar;
use super::expr::SECOND;
use super::occasion::{Occasion, occasions};
use super::plan::Plan;
use super::rules::*;
use super::spans::{Span, clipped};
use super::state::*;
use super::verdict::MarkVerdict;
use hj212_model::message::Timestamp;

/// What has become of a limit: the event, who used it last and up to when, whether it is spent, the rest.
type Told = (&'static str, Option<(String, i64)>, bool, Value);

impl Marks {
    /// The occasions of a limit on an object by what is known now.
    pub(super) fn occasions_now(&self, limit: &Limit, object: &str) -> Vec<Occasion> {
        let of_it = |mark: &&Mark| mark.object == object && mark.is_charged() && limit.marks.contains(&mark.mark);
        let within = |from: i64, to: i64| (from.max(limit.dates.from), to.min(limit.dates.until));
        let mut spans = Vec::new();
        let held = self.held.values().filter(of_it).map(|mark| (mark, self.counted_to(mark)));
        let ended = self.memory.entries.iter().filter(of_it).map(|mark| (mark, i64::MAX));
        for (mark, counted) in held.chain(ended) {
            for (begin, end) in mark.open_parts() {
                let (from, to) = within(begin, counted.min(end));
                spans.push((from, to, mark.by.as_str()));
            }
        }
        for (name, by, from, to) in self.memory.charged_spans(object) {
            if limit.marks.iter().any(|mark| mark == name) {
                let (from, to) = within(from, to);
                spans.push((from, to, by));
            }
        }
        occasions(spans, limit.apart)
    }
}

/// What a mark takes of a limit, and when.
struct Use {
    mark: String,
    object: String,
    by: String,
    parts: Vec<Span>,
}

impl Use {
    fn of(mark: &Mark, to: i64) -> Use {
        let parts = clipped(&mark.open_parts(), i64::MIN, to);
        Use { mark: mark.mark.clone(), object: mark.object.clone(), by: mark.by.clone(), parts }
    }
}

impl Marks {
    /// Charges what holds as far as it is known, and says what has become of the limits.
    pub(super) fn charge_all(&mut self, plan: &Plan, out: &mut MarkVerdict) {
        let clock = self.clock();
        if plan.limits.is_empty() || clock < self.owed_at {
            return;
        }
        let limited = |mark: &Mark| plan.limits.iter().any(|limit| limit.marks.contains(&mark.mark));
        let counts = |mark: &&Mark| mark.is_charged() && limited(mark);
        let open: Vec<Use> =
            self.held.values().filter(counts).map(|mark| Use::of(mark, self.counted_to(mark))).collect();
        for used in open {
            self.use_up(plan, &used);
        }
        self.settle(plan, clock, out);
        self.owed_at = self.next_owed(plan, clock);
    }

    /// Another mark holds, or one that holds is another: what is used is counted when it is next asked.
    pub(super) fn owe(&mut self) {
        self.owed_at = i64::MIN;
    }

    /// When something can next become of a limit, if nothing but time passes: a threshold is reached, a calendar period ends, a mark begins, or
    /// the dates of the limit do.
    fn next_owed(&self, plan: &Plan, clock: i64) -> i64 {
        let mut next = i64::MAX;
        for mark in self.held.values().filter(|mark| mark.is_charged()) {
            for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&mark.mark)) {
                let parts = mark.open_parts();
                let Some((first, _)) = parts.first().copied() else { continue };
                let turns =
                    [limit.dates.from, limit.dates.until].into_iter().chain(parts.iter().map(|(from, _)| *from));
                next = turns.filter(|turn| *turn > clock).fold(next, i64::min);
                let (begin, _) = parts.iter().rfind(|(from, _)| *from <= clock).copied().unwrap_or((first, first));
                let left = |used: i64| {
                    [limit.warn, limit.max].into_iter().filter(|bound| *bound >= used).map(|bound| bound - used).min()
                };
                if limit.per == Per::Each {
                    let of = self.occasions.get(&(limit.name.clone(), mark.object.clone()));
                    let first = begin.max(limit.dates.from);
                    let own = of.into_iter().flatten().find(|o| o.from <= first && first < o.to);
                    // A spent occasion is told; one that is just as long as its limit is spent with the next moment. What begins now may
                    // go on with another occasion.
                    let due = match own {
                        None => (first <= clock).then(|| clock.saturating_add(1)),
                        Some(occasion) if occasion.spent => None,
                        Some(occasion) => left(occasion.used).map(|left| clock + left.max(1)),
                    };
                    next = next.min(due.unwrap_or(i64::MAX));
                    continue;
                }
                let (start, end) = calendar::period(limit.per, clock);
                let counter = self.counters.get(&(limit.name.clone(), mark.object.clone(), start));
                let used = counter.map_or(0, Counter::used);
                let due = left(used).filter(|_| used < limit.max).map(|left| clock + left.max(1));
                next = next.min(end).min(due.unwrap_or(i64::MAX));
            }
        }
        next
    }

    /// Up to when a mark that holds is counted. What a hand entered goes on although the station is silent; what a rule found, as far as it
    /// was seen.
    pub(super) fn counted_to(&self, mark: &Mark) -> i64 {
        let clock = self.clock();
        mark.until.map_or(if mark.said.is_some() { clock } else { self.now }, |until| until.0.min(clock))
    }

    /// Charges a mark up to `to` against the limits it shares; [`Marks::settle`] says what has come of it.
    pub(super) fn charge(&mut self, plan: &Plan, mark: &Mark, to: i64) {
        if mark.is_charged() {
            self.use_up(plan, &Use::of(mark, to));
        }
    }

    fn use_up(&mut self, plan: &Plan, used: &Use) {
        for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&used.mark)) {
            let parts = clipped(&used.parts, limit.dates.from, limit.dates.until);
            if limit.per == Per::Each {
                if !parts.is_empty() && !self.scratch.due.contains(&used.object) {
                    self.scratch.due.insert(used.object.clone());
                }
                continue;
            }
            for (mut from, to) in parts {
                while from < to {
                    let (start, end) = calendar::period(limit.per, from);
                    let key = (limit.name.clone(), used.object.clone(), start);
                    if !self.counters.contains_key(&key) && self.counters.len() >= COUNTERS_MAX {
                        self.make_room(plan);
                    }
                    self.counters.entry(key).or_default().charge(&used.by, from, to.min(end));
                    from = end.min(to);
                }
            }
        }
    }

    /// What an entry used is given back: it is withdrawn, or superseded.
    pub(super) fn give_back(&mut self, who: &str) {
        self.owe();
        self.counters.values_mut().for_each(|counter| counter.forget(who));
        self.scratch.due.extend(self.occasions.keys().map(|(_, object)| object.clone()));
    }

    /// Says what has become of the limits since this was last done: nearly spent, spent, free again. Once for all that one record changed, so
    /// that what is given back and used again in one breath is not told.
    pub(super) fn settle(&mut self, plan: &Plan, at: i64, out: &mut MarkVerdict) {
        let mut told = Vec::new();
        let mut objects: BTreeSet<String> = BTreeSet::new();
        let mut empty = Vec::new();
        for (key, counter) in &mut self.counters {
            let Some(limit) = plan.limits.iter().find(|limit| limit.name == key.0) else { continue };
            if !std::mem::take(&mut counter.changed) {
                continue;
            }
            objects.insert(key.1.clone());
            let used = counter.used();
            if used == 0 {
                empty.push(key.clone());
            }
            let (spent, near) = (used >= limit.max, used >= limit.warn);
            let before = (counter.warned, counter.spent);
            (counter.warned, counter.spent) = (near, spent);
            let last = counter.last().map(|(who, to)| (who.to_owned(), to));
            told.extend(news(limit, &key.1, (key.2, used), (before, (near, spent)), last));
        }
        for key in empty {
            self.counters.remove(&key);
        }
        for object in std::mem::take(&mut self.scratch.due) {
            self.occasions_of(plan, &object, &mut told);
            objects.insert(object);
        }
        // The end of one mark may lie before what is known of the others.
        let known = at.max(self.clock());
        for object in &objects {
            self.dispense(plan, object, known);
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

    /// Looks at the occasions on an object, and adds what has become of them.
    fn occasions_of(&mut self, plan: &Plan, object: &str, told: &mut Vec<Told>) {
        for limit in plan.limits.iter().filter(|limit| limit.per == Per::Each) {
            let mut now = self.occasions_now(limit, object);
            let key = (limit.name.clone(), object.to_owned());
            let before = self.occasions.remove(&key).unwrap_or_default();
            for occasion in &mut now {
                let same = |known: &&Occasion| known.from <= occasion.to && occasion.from <= known.to;
                let was = before.iter().filter(same);
                let was = was.fold((false, false), |(near, spent), o| (near || o.near, spent || o.spent));
                // An occasion may be as long as its limit; a period's limit is spent when all of it is used.
                (occasion.near, occasion.spent) = (occasion.used >= limit.warn, occasion.used > limit.max);
                let (is, last) = ((occasion.near, occasion.spent), Some((occasion.last.clone(), occasion.to)));
                told.extend(news(limit, object, (occasion.from, occasion.used), (was, is), last));
            }
            for gone in before.iter().filter(|known| known.spent) {
                if !now.iter().any(|o| gone.from <= o.to && o.from <= gone.to) {
                    told.extend(news(limit, object, (gone.from, 0), ((true, true), (false, false)), None));
                }
            }
            if !now.is_empty() {
                self.occasions.insert(key, now);
            }
        }
    }

    fn dispense(&mut self, plan: &Plan, object: &str, to: i64) {
        let gone = self.gone_of(plan, object);
        let mut shifted = std::mem::take(&mut self.scratch.shifted);
        let of = self.held.values_mut().chain(self.memory.marks_mut()).filter(|mark| mark.object == object);
        for mark in of {
            let before = set_without(&gone, mark, to);
            // What was published where that differs is put right.
            let differs = before.iter().filter(|gone| !mark.without.contains(gone));
            let differs = differs.chain(mark.without.iter().filter(|gone| !before.contains(gone)));
            let end = mark.until.map_or(to, |until| until.0);
            if let Some(from) = differs.map(|(from, _)| from.0).min().filter(|from| *from < end) {
                shifted.push((mark.mark.clone(), from, end));
            }
        }
        self.scratch.shifted = shifted;
    }

    /// When limits on an object take exemptions away.
    fn gone_of<'p>(&self, plan: &'p Plan, object: &str) -> Vec<Gone<'p>> {
        let mut all = Vec::new();
        for limit in &plan.limits {
            if limit.per == Per::Each {
                let of = self.occasions.get(&(limit.name.clone(), object.to_owned()));
                for occasion in of.into_iter().flatten() {
                    if let Some(from) = occasion.spent_at(limit.max) {
                        let within = Some((occasion.from, occasion.to));
                        all.push(Gone { limit, from, until: limit.dates.until, within });
                    }
                }
                continue;
            }
            let key = |start| (limit.name.clone(), object.to_owned(), start);
            for ((.., start), counter) in self.counters.range(key(i64::MIN)..=key(i64::MAX)) {
                let until = calendar::period(limit.per, *start).1.min(limit.dates.until);
                all.extend(counter.spent_at(limit.max).map(|from| Gone { limit, from, until, within: None }));
            }
        }
        all
    }

    /// Forgets the oldest counter; those of periods that are over before the ones that still run.
    fn make_room(&mut self, plan: &Plan) {
        let weight = |(name, _, start): &&(String, String, i64)| {
            let per = plan.limits.iter().find(|limit| limit.name == *name).map(|limit| limit.per);
            let runs = per.is_some_and(|per| per != Per::Each && calendar::period(per, self.now).0 <= *start);
            (runs, *start)
        };
        let gone = self.counters.keys().min_by_key(weight).cloned();
        gone.map(|gone| self.counters.remove(&gone));
    }
}

/// From when until when a limit takes exemptions away, while it is in force; of an occasion: of marks that begin within it.
struct Gone<'p> {
    limit: &'p Limit,
    from: i64,
    until: i64,
    within: Option<(i64, i64)>,
}

/// What is told of a limit, if that is another than before.
fn news(
    limit: &Limit,
    object: &str,
    (since, used): (i64, i64),
    (before, is): ((bool, bool), (bool, bool)),
    last: Option<(String, i64)>,
) -> Option<Told> {
    let kind = match (is, before) {
        ((_, true), (_, false)) => "limit-spent",
        ((_, false), (_, true)) => "limit-free",
        ((true, false), (false, _)) => "limit-near",
        _ => return None,
    };
    let mut detail = json!({
        "limit": limit.name, "object": object, "per": limit.per.name(), "since": Timestamp(since).to_rfc3339(),
        "used_s": used / SECOND, "max_s": limit.max / SECOND, "clause": limit.clause, "certainty": format!("{:?}", limit.certainty),
    });
    if !limit.apart_clause.is_empty() {
        detail["apart_s"] = (limit.apart / SECOND).into();
        detail["apart_clause"] = limit.apart_clause.as_str().into();
    }
    Some((kind, last.filter(|_| kind != "limit-free"), is.1, detail))
}

/// Notes when a mark exempts nothing because a limit is spent; `to`: how far it has been counted. What was noted before.
fn set_without(gone: &[Gone<'_>], mark: &mut Mark, to: i64) -> Vec<(Timestamp, Timestamp)> {
    let parts = mark.open_parts();
    let end = mark.until.map_or(i64::MAX, |until| until.0);
    let takes = |gone: &Gone<'_>| {
        let (from, mut until) = (gone.from, gone.until);
        if let Some(within) = gone.within {
            // What began before the limit was in force is an occasion of it from then on. Parts with a closed day between them are several.
            let first = |part: &Span| part.0.max(gone.limit.dates.from);
            let of_it = |part: &&Span| within.0 <= first(part) && first(part) <= within.1;
            let last = parts.iter().rfind(of_it)?;
            until = if parts.last() == Some(last) { until } else { until.min(last.1) };
        }
        (from < end && mark.since.0 < until && gone.limit.marks.contains(&mark.mark))
            .then_some((Timestamp(from.max(mark.since.0)), Timestamp(until)))
    };
    let mut without: Vec<(Timestamp, Timestamp)> = gone.iter().filter_map(takes).collect();
    without.sort_unstable();
    without.dedup();
    let last = mark.until.map_or(to, |until| until.0.min(to) - 1).max(mark.since.0);
    mark.spent = without.iter().any(|(from, over)| from.0 <= last && last < over.0);
    std::mem::replace(&mut mark.without, without)
}
