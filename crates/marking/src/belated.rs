//! What rules over several values, and conflicts, make of values that came late.
//!
//! A late value takes its place among what is remembered of its code ([`super::past`]). The rules that look at it are run over that time twice,
//! without it and with it ([`super::replay`]), and what differs is put right: episodes, holds that go on, conflicts. What does not
//! differ stays as it was found when it came, and so does all that is no more remembered.
//!
//! What must stay true: marks, proposals and conflicts are in the end those of the same values in order, as far back as their stretches are
//! remembered; what is older is told (`late-values`).

use serde_json::{Value, json};

use super::expr::{DAY, HOUR, Test};
use super::memory::SPANS_KEPT;
use super::past::{Following, Sample, Trace};
use super::plan::{Armed, Plan, Sig};
use super::replay::{Concern, LOOK_BACK, Replayed, RuleCourse, signals, signals_of};
use super::rules::Effect;
use super::spans::{Span, minus};
use super::state::*;
use super::verdict::{MarkVerdict, Observation};
use hj212_model::message::Timestamp;

/// Values that came later than this drive no rule about trends: these look at every five minutes.
pub(super) const TRENDS_BACK: i64 = 3 * DAY;

impl Marks {
    /// Takes what the readings of a report that came late say among the others.
    pub(super) fn judge_belated(&mut self, plan: &Plan, seen: &Observation<'_>, at: i64, out: &mut MarkVerdict) {
        let mut late: Vec<u16> = Vec::new();
        let mut before: Vec<(u16, Trace)> = Vec::new();
        let stated = self.stated;
        for number in std::mem::take(&mut self.scratch.late) {
            let place = self.scratch.homes.get(usize::from(number)).copied().unwrap_or(u16::MAX);
            let Some(reading) = seen.readings.get(usize::from(number)) else { continue };
            let Some(slot) = self.slots.get(usize::from(place)) else { continue };
            let step = slot.step_of(self);
            let Some(slot) = self.slots.get_mut(usize::from(place)) else { continue };
            let Some(asked) = plan.asked(slot.asked, stated) else { continue };
            if slot.at - at > kept_for(slot.rank) {
                continue;
            }
            let value = reading.text.parse::<f64>().ok().filter(|value| value.is_finite() && !reading.none);
            let (text, flag) = (reading.text, reading.flag.unwrap_or_default());
            let was = slot.past.clone();
            if slot.past.insert(Following { asked, step }, Sample { at, value, text, flag, range: slot.range }) {
                before.push((place, was));
                late.push(place);
            }
        }
        let concerns = if late.is_empty() { Vec::new() } else { self.concerns(plan, &late, at) };
        if concerns.is_empty() {
            return;
        }
        // A mark of equal values begins with the first of them, however long ago that was; no other one looks back so far.
        let (of_runs, others): (Vec<Concern>, Vec<Concern>) =
            concerns.into_iter().partition(|concern| self.asks_for_runs(plan, *concern));
        let start = at - LOOK_BACK;
        let runs_from = of_runs.iter().filter_map(|concern| self.run_begins(plan, *concern, start)).min();
        let mut all = Vec::new();
        for (concerns, start) in [(of_runs, runs_from.map_or(start, |from| from.min(start) - HOUR)), (others, start)] {
            if concerns.is_empty() {
                continue;
            }
            let with = self.replay(plan, &concerns, start);
            self.exchange(&mut before);
            let without = self.replay(plan, &concerns, start);
            self.exchange(&mut before);
            let (Some(with), Some(without)) = (with, without) else {
                let code = seen.readings.first().map_or("", |reading| reading.code);
                self.tell_late(plan, (code, at, self.now - at), out);
                continue;
            };
            all.push((concerns, start, without, with));
        }
        for (concerns, start, without, with) in &all {
            for concern in concerns {
                let (Some(was), Some(is)) = (without.courses.get(concern), with.courses.get(concern)) else { continue };
                match *concern {
                    _ if was == is => {}
                    Concern::Watch(number) => self.watch_again(plan, number, (was, is), *start, out),
                    Concern::Factor(..) | Concern::Area(_) => self.put_course_right(plan, *concern, (was, is), out),
                }
            }
        }
        for (place, (without, with)) in late.iter().flat_map(|place| all.iter().map(move |(.., a, b)| (*place, (a, b))))
        {
            self.go_on(place, without, with);
        }
        self.charge_all(plan, out);
    }

    /// Whether a rule asks for equal values, or zero.
    fn asks_for_runs(&self, plan: &Plan, concern: Concern) -> bool {
        let of_run = |test: &&Test<Sig>| matches!(test, Test::Constant(Sig::Own, _) | Test::Zero(Sig::Own, _));
        self.armed(plan, concern).is_some_and(|(armed, _)| armed.when.tests().iter().any(of_run))
    }

    /// Since when the value that a rule is about was equal, or zero, at a moment.
    fn run_begins(&self, plan: &Plan, concern: Concern, at: i64) -> Option<i64> {
        let place = match concern {
            Concern::Factor(_, place) => Some(place),
            Concern::Area(number) => {
                let own = plan.area_rules.get(usize::from(number))?.own?;
                self.places.get(usize::from(own)).copied()
            }
            Concern::Watch(_) => None,
        };
        let slot = self.slots.get(usize::from(place?))?;
        let (same, zero) = slot.past.runs(at, slot.stale_after())?;
        Some(zero.map_or(same, |zero| zero.min(same)))
    }

    fn exchange(&mut self, traces: &mut [(u16, Trace)]) {
        for (place, trace) in traces {
            self.slots.get_mut(usize::from(*place)).into_iter().for_each(|slot| std::mem::swap(&mut slot.past, trace));
        }
    }

    /// The rules and conflicts that look at what came late.
    fn concerns(&self, plan: &Plan, late: &[u16], at: i64) -> Vec<Concern> {
        let is_late = |place: Option<u16>| place.is_some_and(|place| late.contains(&place));
        let place = |at: u16| self.places.get(usize::from(at)).copied();
        let old = self.now - at > TRENDS_BACK;
        let judged = |armed: &&Armed| !old || !armed.looks_at_trends();
        let mut concerns = Vec::new();
        for (number, armed) in (0..).zip(&plan.factor_rules) {
            let at_once = armed.speaks_at_once();
            if armed.kind.normal || armed.of_silence || at_once && !self.stated || !judged(&armed) {
                continue;
            }
            let looks: Vec<Sig> = signals(armed).collect();
            let of_code = |sig: &Sig| matches!(sig, Sig::Code(at) if is_late(place(*at)));
            let (coded, own) = (looks.iter().any(of_code), !at_once && looks.contains(&Sig::Own));
            let states: Vec<u16> =
                looks.iter().filter_map(|sig| if let Sig::OfOwn(at) = sig { Some(*at) } else { None }).collect();
            for slot in self.slots.iter().filter(|slot| slot.at != 0 && slot.rules.contains(&number)) {
                let state = |at: &u16| {
                    let name = plan.codes.get(usize::from(*at)).map(|state| format!("{state}@{}", slot.code));
                    is_late(name.and_then(|name| self.index.get(&name).copied()))
                };
                if coded || own && late.contains(&slot.place) || states.iter().any(state) {
                    concerns.push(Concern::Factor(number, slot.place));
                }
            }
        }
        let looks = |sig: Sig, own: Option<u16>| match sig {
            Sig::Code(at) => is_late(place(at)),
            Sig::Own => own.is_some_and(|own| is_late(place(own))),
            Sig::OfOwn(_) => false,
        };
        for (number, armed) in (0..).zip(&plan.area_rules) {
            let any = !armed.of_silence && judged(&armed) && signals(armed).any(|sig| looks(sig, armed.own));
            concerns.extend(any.then_some(Concern::Area(number)));
        }
        for (number, watch) in (0..).zip(&plan.watches) {
            let any = !watch.conflict.shared && signals_of(watch.against.as_ref()).any(|sig| looks(sig, None));
            concerns.extend(any.then_some(Concern::Watch(number)));
        }
        concerns
    }

    /// Puts right what a rule was thought to have come to.
    fn put_course_right(
        &mut self,
        plan: &Plan,
        concern: Concern,
        (was, is): (&RuleCourse, &RuleCourse),
        out: &mut MarkVerdict,
    ) {
        let Some(object) = self.armed(plan, concern).map(|(_, object)| object.to_owned()) else { return };
        let armed = match concern {
            Concern::Factor(number, _) => plan.factor_rules.get(usize::from(number)),
            Concern::Area(number) => plan.area_rules.get(usize::from(number)),
            Concern::Watch(_) => None,
        };
        let Some(armed) = armed else { return };
        let (before, after) = (was.time(), is.time());
        for span in minus(&before, &after) {
            self.take_back(plan, armed, &object, span, out);
            self.note_backdated(armed, &object, span);
        }
        for span in minus(&after, &before) {
            if self.find_late(plan, armed, &object, span, is, out) {
                self.note_backdated(armed, &object, span);
            }
        }
        // What goes on from here is what would go on; where it was known better than can be said again, it stays.
        let goes_on = |hold: &mut Hold| {
            if *hold == was.hold || was.hold.active != is.hold.active {
                *hold = is.hold;
            }
        };
        match concern {
            Concern::Factor(number, place) => {
                let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
                let Some(hold) = slot.holds.get_mut(usize::from(number)) else { return };
                goes_on(hold);
                let now = *hold;
                slot.note(usize::from(number), now);
            }
            Concern::Area(number) => {
                self.areas.get_mut(usize::from(number)).into_iter().for_each(|(_, hold)| goes_on(hold));
            }
            Concern::Watch(_) => {}
        }
    }

    fn note_backdated(&mut self, armed: &Armed, object: &str, (from, to): Span) {
        if armed.rule.effect == Effect::Apply {
            let (mark, to) = (armed.kind.name.clone(), to.min(self.now + 1));
            self.scratch.backdated.push((mark, object.to_owned(), armed.kind.is_on_code(), from, to));
        }
    }

    /// A rule was not so over a time, though it was thought to be.
    fn take_back(&mut self, plan: &Plan, armed: &Armed, object: &str, (from, to): Span, out: &mut MarkVerdict) {
        if to == i64::MAX {
            self.end(plan, &armed.key_on(object), from, reason(), out);
            self.memory.cut(&armed.track_on(object), (from, to));
        } else {
            self.unsay(plan, armed, object, (from, to), out);
        }
        if plan.is_limited(&armed.kind.name) {
            let limits = plan.limits.iter().filter(|limit| limit.marks.contains(&armed.kind.name));
            let names: Vec<&String> = limits.map(|limit| &limit.name).collect();
            let counters =
                self.counters.iter_mut().filter(|((limit, of, _), _)| of == object && names.contains(&limit));
            counters.for_each(|(_, counter)| counter.cut(&armed.rule.name, from, to));
            self.scratch.due.insert(object.to_owned());
            self.owe();
        }
    }

    /// A rule was so over a time, and that was not known; whether it is new.
    fn find_late(
        &mut self,
        plan: &Plan,
        armed: &Armed,
        object: &str,
        (from, to): Span,
        course: &RuleCourse,
        out: &mut MarkVerdict,
    ) -> bool {
        let key = armed.key_on(object);
        let to = self.held.get(&key).map_or(to, |held| to.min(held.since.0));
        if from >= to || self.memory.holds(&armed.track_on(object), (from, to.min(self.now + 1))) {
            return false;
        }
        let mut mark = self.begun(plan, armed, object, from);
        if let Some((_, inputs)) = course.inputs.range(..=from).next_back() {
            mark.inputs.clone_from(inputs);
        }
        let kind = if mark.standing == Standing::Proposed { "mark-proposed" } else { "mark-begin" };
        out.add(kind, from, Some(mark.clone()), reason());
        if mark.is_charged() && plan.is_limited(&mark.mark) {
            self.owe();
        }
        if to == i64::MAX {
            self.held.insert(key, mark);
            return true;
        }
        mark.until = Some(Timestamp(to));
        self.keep(mark.clone());
        self.charge(plan, &mark, to);
        out.add("mark-end", to, Some(mark.clone()), reason());
        self.tell_forgotten(to, out);
        self.look_back(plan, &mark, self.now, out);
        true
    }

    /// Lets the run of equal values, and the trend, of a code go on from what is known now.
    fn go_on(&mut self, place: u16, without: &Replayed, with: &Replayed) {
        let (Some(was), Some(is)) = (without.runs.get(&place), with.runs.get(&place)) else { return };
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return };
        if was.0 != is.0 && (slot.same_since == was.0 || is.0 < slot.same_since) {
            slot.same_since = is.0;
        }
        let earlier = is.1.zip(slot.zero_since).is_some_and(|(is, known)| is < known);
        if was.1 != is.1 && (slot.zero_since == was.1 || earlier) {
            slot.zero_since = is.1;
        }
        slot.trend.retain(|point| is.2.contains(point) || !was.2.contains(point));
        let new: Vec<(i64, f64)> = is.2.iter().filter(|point| !was.2.contains(point)).copied().collect();
        slot.trend.extend(new);
        slot.trend.sort_by_key(|(at, _)| *at);
        slot.trend.dedup_by_key(|(at, _)| *at);
        let more = slot.trend.len().saturating_sub(TREND_POINTS_MAX);
        slot.trend.drain(..more);
    }

    /// Puts right when the condition of a conflict held, and looks at the marks that it contradicts.
    fn watch_again(
        &mut self,
        plan: &Plan,
        number: u16,
        (was, is): (&RuleCourse, &RuleCourse),
        start: i64,
        out: &mut MarkVerdict,
    ) {
        let Some(watch) = plan.watches.get(usize::from(number)) else { return };
        let Some(guard) = self.guards.get_mut(usize::from(number)) else { return };
        if was.guard.contrary != is.guard.contrary {
            guard.rewrite(start, &is.guard);
        }
        if guard.hold == was.guard.hold && watch.conflict.mark.is_empty() {
            guard.hold = is.guard.hold;
        }
        let now = self.now;
        if watch.conflict.mark.is_empty() {
            let known = |since: i64| was.found.iter().any(|(known, _)| *known == since);
            for (since, at) in is.found.iter().filter(|(since, _)| !known(*since)) {
                let inputs = is.inputs.get(since).cloned().unwrap_or_default();
                self.tell_conflict(watch, (*since, *at), inputs, out);
            }
            return;
        }
        let about = |mark: &&Mark| mark.mark == watch.conflict.mark && mark.object == watch.object;
        let marks: Vec<Mark> = self.held.values().chain(self.memory.marks()).filter(about).cloned().collect();
        for mark in marks {
            self.look_back(plan, &mark, now, out);
        }
    }
}

/// How far behind the latest of its code a value of that kind is still judged: as long as published periods of the next kind are put right.
pub(super) const fn kept_for(rank: u8) -> i64 {
    if rank < 2 { 7 * DAY } else { SPANS_KEPT }
}

fn reason() -> Value {
    json!({ "reason": "late-value" })
}
