//! What must not be true while a mark holds (标停未停 and its like).
//!
//! A mark that covers what another facility emits as well is a conflict of its own (`shared`); it is looked for when a day is closed. Else there are
//! two ways to find it: while it happens, and afterwards, when a mark is entered for a time that has passed or when a mark ends. For the
//! second, each conflict remembers on each object when its condition held ([`CONTRARY_MAX`], [`CONTRARY_KEPT`]). What must stay true:
//! one mark meets one conflict once for one stretch of time, however often it is looked at.

use serde_json::{Value, json};

use super::expr::Expr;
use super::mark::Input;
use super::plan::{Plan, Sig, Watch};
use super::spans::{self, Span, minus};
use super::state::*;
use super::verdict::{ConflictFound, HOLD_GAP_MAX, MarkVerdict};
use hj212_model::message::Timestamp;

impl Guard {
    /// Takes what the condition is at `now`, the latest data time.
    pub(super) fn note(&mut self, against: Option<bool>, now: i64) {
        let is = against == Some(true);
        match self.contrary.last_mut().filter(|(_, last)| self.open && now - *last <= HOLD_GAP_MAX) {
            Some((_, last)) if is => *last = now,
            Some(_) | None if is => {
                let old = self.contrary.iter().take_while(|(_, last)| now - last > CONTRARY_KEPT).count();
                let room = (self.contrary.len() + 1).saturating_sub(CONTRARY_MAX);
                self.contrary.drain(..old.max(room).min(self.contrary.len()));
                self.contrary.push((now, now));
            }
            Some(_) | None => {}
        }
        self.open = is;
    }

    /// Takes when the condition held since `start`, as it is known now.
    pub(super) fn rewrite(&mut self, start: i64, known: &Guard) {
        let went_on = self.contrary.iter().find(|(from, to)| *from < start && *to >= start).map(|(from, _)| *from);
        self.contrary.retain(|(_, to)| *to < start);
        let mut since = known.contrary.iter().copied();
        if let (Some(from), Some((first, to))) = (went_on, known.contrary.first().copied()) {
            // What held before goes on if nothing was between.
            let one = first - start <= HOLD_GAP_MAX;
            self.contrary.push((if one { from } else { first }, to));
            since.next();
        }
        self.contrary.extend(since);
        let more = self.contrary.len().saturating_sub(CONTRARY_MAX);
        self.contrary.drain(..more);
        self.open = known.open;
    }
}

impl Marks {
    /// Looks for conflicts that happen now.
    pub(super) fn watch(&mut self, plan: &Plan, now: i64, out: &mut MarkVerdict) {
        for (number, watch) in plan.watches.iter().enumerate().filter(|(_, watch)| !watch.conflict.shared) {
            let holds = |m: &&Mark, name: &str| m.mark == name && m.object == watch.object && m.overlap(now, now) > 0;
            let mark = self.held.values().find(|m| holds(m, &watch.conflict.mark)).cloned();
            let within = watch.conflict.within.as_ref().map(|name| self.held.values().any(|m| holds(&m, name)));
            let against = watch.against.as_ref().map(|against| self.eval(against, None));
            let marked = mark.is_some() || watch.conflict.mark.is_empty();
            let is = marked
                && watch.conflict.dates.hold(now)
                && within.unwrap_or(true)
                && against.is_none_or(|against| against == Some(true));
            let Some(guard) = self.guards.get_mut(number) else { continue };
            if let Some(against) = against {
                guard.note(against, now);
            }
            if let Turn::Begins(since) = guard.hold.step(Some(is), Some(!is), now, (watch.conflict.after, 0)) {
                let mut detail = told(watch, since);
                detail["object"] = watch.object.as_str().into();
                detail["inputs"] = self.seen_by(plan, watch.against.as_ref()).into();
                let of = |m: &&mut Mark| holds(&&**m, &watch.conflict.mark) && !m.met.contains(&watch.conflict.name);
                self.held.values_mut().filter(of).for_each(|m| m.met.push(watch.conflict.name.clone()));
                let inputs = self.inputs_by(plan, watch.against.as_ref());
                out.conflicts.push(found(watch, mark.as_ref(), (since, now), inputs));
                out.add("mark-conflict", now, mark, detail);
            }
        }
    }

    /// Looks for conflicts over the whole time of `mark`, known at `at`.
    pub(super) fn look_back(&mut self, plan: &Plan, mark: &Mark, at: i64, out: &mut MarkVerdict) {
        for (number, watch) in plan.watches.iter().enumerate() {
            let about = watch.conflict.mark == mark.mark && watch.object == mark.object;
            if !about || watch.conflict.shared || mark.met.contains(&watch.conflict.name) {
                continue;
            }
            let pieces = self.pieces(number, watch, mark, at);
            let (Some((since, _)), Some((_, last))) = (pieces.first(), pieces.last()) else { continue };
            if !pieces.iter().any(|(from, to)| to - from >= watch.conflict.after) {
                continue;
            }
            let mut detail = told(watch, *since);
            detail["intervals"] = pieces.iter().map(interval).collect();
            // What goes on is the same conflict: it is not found once more while it happens.
            if *last >= self.now
                && mark.overlap(self.now, self.now) > 0
                && let Some(guard) = self.guards.get_mut(number)
            {
                guard.hold = Hold { active: true, ..Hold::default() };
            }
            let same = |m: &&mut Mark| {
                m.mark == mark.mark && m.object == mark.object && m.by == mark.by && m.since == mark.since
            };
            let known = self.held.values_mut().chain(self.memory.marks_mut()).filter(same);
            known.for_each(|m| m.met.push(watch.conflict.name.clone()));
            out.conflicts.push(found(watch, Some(mark), (*since, at), Vec::new()));
            out.add("mark-conflict", at, Some(mark.clone()), detail);
        }
    }

    /// Looks back over what an entry concerns: its own mark, and marks that must not lie within it.
    pub(super) fn look_back_from(&mut self, plan: &Plan, entered: &Mark, at: i64, out: &mut MarkVerdict) {
        self.look_back(plan, entered, at, out);
        let watched = |m: &Mark| {
            plan.watches.iter().any(|w| w.conflict.mark == m.mark && w.conflict.within.as_ref() == Some(&entered.mark))
        };
        let others = self.held.values().chain(self.memory.marks());
        let others = others.filter(|m| m.object == entered.object && watched(m));
        let others: Vec<Mark> = others.cloned().collect();
        for other in &others {
            self.look_back(plan, other, at, out);
        }
    }

    /// Looks for marks that take out of judgement what a facility without such a mark emits too. That is known only of days for which nothing
    /// can be entered any more: those that are `closed`.
    pub(super) fn watch_shared(&mut self, plan: &Plan, closed: &[Span], at: i64, out: &mut MarkVerdict) {
        for watch in plan.watches.iter().filter(|watch| watch.conflict.shared) {
            let name = &watch.conflict.name;
            let concerns =
                |m: &&Mark| m.mark == watch.conflict.mark && m.object == watch.object && !m.met.contains(name);
            let entered = self.held.values().chain(&self.memory.entries).filter(|m| m.said.is_some()).filter(concerns);
            let alone: Vec<(Mark, Vec<(i64, i64)>)> = entered
                .map(|mark| (mark.clone(), self.unexcused(plan, watch, mark, closed)))
                .filter(|(_, pieces)| pieces.iter().any(|(from, to)| to - from >= watch.conflict.after.max(1)))
                .collect();
            for (mark, pieces) in alone {
                let mut detail = told(watch, pieces.first().map_or(mark.since.0, |(from, _)| *from));
                detail["intervals"] = pieces.iter().map(interval).collect();
                detail["others"] = watch.others.as_slice().into();
                let same = |m: &&mut Mark| m.by == mark.by && m.mark == mark.mark && m.object == mark.object;
                self.held
                    .values_mut()
                    .chain(self.memory.marks_mut())
                    .filter(same)
                    .for_each(|m| m.met.push(name.clone()));
                let since = pieces.first().map_or(mark.since.0, |(from, _)| *from);
                out.conflicts.push(found(watch, Some(&mark), (since, at), Vec::new()));
                out.add("mark-conflict", at, Some(mark), detail);
            }
        }
    }

    /// Tells a conflict without a mark.
    pub(super) fn tell_conflict(&self, watch: &Watch, (since, at): Span, inputs: Vec<Input>, out: &mut MarkVerdict) {
        let view = |input: &Input| json!({ "signal": input.signal, "code": input.code, "value": input.value, "at": input.at.to_rfc3339() });
        let mut detail = told(watch, since);
        detail["object"] = watch.object.as_str().into();
        detail["inputs"] = inputs.iter().map(view).collect();
        out.conflicts.push(found(watch, None, (since, at), inputs));
        out.add("mark-conflict", at, None, detail);
    }

    /// When in `closed` days the mark had effect, and one of the others was neither excused nor out of service.
    fn unexcused(&self, plan: &Plan, watch: &Watch, mark: &Mark, closed: &[Span]) -> Vec<Span> {
        let last = closed.last().map_or(i64::MIN, |(_, to)| *to);
        let own = spans::common(&mark.in_effect(mark.since.0, last.max(mark.since.0)), closed);
        let mut alone = Vec::new();
        for other in &watch.others {
            let (strong, weak) = self.excuses(plan, other, mark.since.0, last);
            alone.extend(minus(&minus(&own, &strong), &weak));
        }
        alone.sort_unstable();
        alone.dedup();
        alone
    }

    /// When, within the time of `mark`, a conflict's conditions are known to have held.
    fn pieces(&self, number: usize, watch: &Watch, mark: &Mark, at: i64) -> Vec<(i64, i64)> {
        let open = at.max(self.now);
        let until = |m: &Mark| m.until.map_or(open, |until| until.0.min(open));
        let end = until(mark);
        let mut pieces = vec![(mark.since.0, end)];
        if watch.against.is_some() {
            let contrary = self.guards.get(number).map(|guard| guard.contrary.as_slice()).unwrap_or_default();
            pieces = common(&pieces, contrary);
            pieces.retain(|(from, _)| *from < end);
        }
        if let Some(within) = &watch.conflict.within {
            let marks = self.held.values().chain(&self.memory.entries);
            let marks = marks.filter(|m| m.mark == *within && m.object == watch.object);
            let mut around: Vec<(i64, i64)> = marks.map(|m| (m.since.0, until(m))).collect();
            let spans = self.memory.spans(mark.since.0, end).into_iter();
            let spans = spans.filter(|(track, _)| track.mark == *within && track.object == watch.object);
            spans.for_each(|(_, spans)| around.extend(spans));
            around.sort_unstable();
            pieces = common(&pieces, &around);
            pieces.retain(|(from, to)| from < to);
        }
        pieces
    }

    /// The same as values.
    pub(super) fn inputs_by(&self, plan: &Plan, against: Option<&Expr<Sig>>) -> Vec<Input> {
        let tests = against.map(Expr::tests).unwrap_or_default();
        let slots = tests.iter().filter_map(|test| test.of()).filter_map(|sig| self.look(*sig, None));
        slots
            .map(|slot| Input {
                signal: plan.signals.get(&slot.code).cloned().unwrap_or_default(),
                code: slot.code.clone(),
                value: slot.text.clone(),
                flag: slot.flag.clone(),
                at: Timestamp(slot.at),
            })
            .collect()
    }

    fn seen_by(&self, plan: &Plan, against: Option<&Expr<Sig>>) -> Vec<Value> {
        let tests = against.map(Expr::tests).unwrap_or_default();
        let slots = tests.iter().filter_map(|test| test.of()).filter_map(|sig| self.look(*sig, None));
        slots
            .map(|slot| json!({ "signal": plan.signals.get(&slot.code), "code": slot.code, "value": slot.text, "at": Timestamp(slot.at).to_rfc3339() }))
            .collect()
    }
}

/// What one and the other have in common, in order; points count.
fn common(one: &[(i64, i64)], other: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let cut = |a: &(i64, i64), b: &(i64, i64)| Some((a.0.max(b.0), a.1.min(b.1))).filter(|(from, to)| from <= to);
    one.iter().flat_map(|a| other.iter().filter_map(move |b| cut(a, b))).collect()
}

fn interval((from, to): &(i64, i64)) -> Value {
    json!({ "since": Timestamp(*from).to_rfc3339(), "until": Timestamp(*to).to_rfc3339() })
}

fn found(watch: &Watch, mark: Option<&Mark>, (since, at): (i64, i64), inputs: Vec<Input>) -> ConflictFound {
    let conflict = &watch.conflict;
    ConflictFound {
        name: conflict.name.clone(),
        object: watch.object.clone(),
        mark: mark.map(|mark| mark.mark.clone()).unwrap_or_default(),
        zh: conflict.zh.clone(),
        en: conflict.en.clone(),
        clause: conflict.clause.clone(),
        since: Timestamp(since),
        at: Timestamp(at),
        inputs,
    }
}

fn told(watch: &Watch, since: i64) -> Value {
    let conflict = &watch.conflict;
    json!({
        "conflict": conflict.name, "zh": conflict.zh, "en": conflict.en, "clause": conflict.clause, "within": conflict.within,
        "against": conflict.against_text, "since": Timestamp(since).to_rfc3339(), "inputs": [],
    })
}
