//! Values that come late, after others of their kind or coarser ones: what they say for their own time.
//!
//! A value stands for the time up to the next one of its code. What must stay true: a rule that asks for nothing but the value itself (its letter,
//! its range) took in the end what it would have taken if all values had come in order. So a late value takes from its time what the values around it were
//! thought to say of that, and adds what it says itself; what was published there is put right. Rules over several values (equal ones, trends,
//! states of facilities) are run again over what is remembered of them: see `belated.rs`; of what is older it is told that they do not look at it.

use std::collections::BTreeSet;

use serde_json::json;

use super::calendar;
use super::expr::{DAY, HOUR, SECOND};
use super::period::KEPT;
use super::plan::{Armed, Plan};
use super::rules::Effect;
use super::state::*;
use super::tracks::Track;
use super::verdict::MarkVerdict;
use hj212_model::message::Timestamp;

/// Values so far behind the latest of their code are told.
const TOLD_BEHIND: i64 = HOUR;
/// So many rules are named then.
const TOLD_MAX: usize = 16;

impl Marks {
    /// Takes what a value of `code` says that came late: the rules that speak of it, and whether each is so. `home`: its slot; `rank`, `at`: its
    /// kind and data time.
    pub(super) fn speak_late(
        &mut self,
        plan: &Plan,
        (code, home, rank, at): (&str, Option<usize>, u8, i64),
        spoken: &[(usize, bool)],
        out: &mut MarkVerdict,
    ) {
        let Some(slot) = home.and_then(|home| self.slots.get_mut(home)) else { return };
        if rank < slot.rank && slot.at - at <= super::engine::RANK_KEPT {
            slot.rank = rank;
        }
        let behind = slot.at - at;
        let known = slot.asked == 0 || slot.past.knows(at) && behind <= super::belated::kept_for(slot.rank);
        let trended = slot.trended && behind > super::belated::TRENDS_BACK;
        if !known || trended {
            self.tell_late(plan, (code, at, behind), out);
        }
        if spoken.is_empty() {
            return;
        }
        let mut until = None;
        for (number, so) in spoken {
            let Some(armed) = plan.factor_rules.get(*number) else { continue };
            let slot = home.and_then(|home| self.slots.get(home));
            let Some(slot) = slot.filter(|slot| *so || self.may_lie(slot, *number, at)) else { continue };
            let to = *until.get_or_insert_with(|| self.speaks_until(slot, rank, at));
            let changed =
                if *so { self.say_late(armed, code, (at, to)) } else { self.unsay(plan, armed, code, (at, to), out) };
            if changed && armed.rule.effect == Effect::Apply {
                let (mark, object) = (armed.kind.name.clone(), code.to_owned());
                self.scratch.backdated.push((mark, object, true, at, to));
            }
        }
    }

    /// Says, once for each day of data, that rules over several values do not look at what came late: it is older than what is remembered.
    pub(super) fn tell_late(&mut self, plan: &Plan, (code, at, behind): (&str, i64, i64), out: &mut MarkVerdict) {
        let day = calendar::floor(at, DAY);
        if behind < TOLD_BEHIND || self.late_day == day {
            return;
        }
        let several = plan.factor_rules.iter().filter(|armed| !armed.speaks_at_once() && !armed.kind.normal);
        let rules: BTreeSet<&str> = several.chain(&plan.area_rules).map(|armed| armed.rule.name.as_str()).collect();
        if rules.is_empty() {
            return;
        }
        self.late_day = day;
        let rules: Vec<&str> = rules.into_iter().take(TOLD_MAX).collect();
        let detail = json!({
            "code": code, "data_time": Timestamp(at).to_data_time(), "behind_s": behind / SECOND, "rules": rules,
        });
        out.add("late-values", at, None, detail);
    }

    /// Whether an episode of this rule may lie over what is after `at`.
    fn may_lie(&self, slot: &Slot, number: usize, at: i64) -> bool {
        slot.holds.get(number).is_some_and(|hold| hold.active) || self.memory.may_hold(at)
    }

    /// Up to when a late value speaks: to the next one that is known of its code.
    fn speaks_until(&self, slot: &Slot, rank: u8, at: i64) -> i64 {
        let place = usize::from(rank);
        let tally = slot.tallies.get(place).zip(self.counted.get(place)).zip(self.length_of(rank + 1));
        let step = slot.tallies.get(place).and_then(super::tally::Tally::step);
        let step = step.or_else(|| self.pace.step()).or_else(|| self.length_of(rank)).unwrap_or(1);
        let kept = KEPT.get(place).copied().unwrap_or(0);
        let Some(((tally, over), length)) = tally else { return slot.at.min(at + step) };
        let mut start = calendar::floor(at, length);
        if !tally.remembers(over, (start, length), kept) {
            return slot.at.min(at + step);
        }
        while start < slot.at {
            if let Some(next) = tally.next((over, slot.place), (start, length), at) {
                return next.min(slot.at);
            }
            start += length;
        }
        slot.at
    }

    /// Remembers that a rule was so over a time; whether that is new.
    fn say_late(&mut self, armed: &Armed, code: &str, (from, to): (i64, i64)) -> bool {
        let held = self.held.get(&armed.key_on(code)).map_or(i64::MAX, |mark| mark.since.0);
        let (track, span) = (armed.track_on(code), (from, to.min(held)));
        if span.0 >= span.1 || self.memory.holds(&track, span) {
            return false;
        }
        let now = self.now;
        self.memory.keep_span(&track, span, now);
        true
    }

    /// Takes a time from what a rule was thought to be so over; whether there was something.
    pub(super) fn unsay(
        &mut self,
        plan: &Plan,
        armed: &Armed,
        code: &str,
        (from, to): (i64, i64),
        out: &mut MarkVerdict,
    ) -> bool {
        let key = armed.key_on(code);
        let held = self.held.get(&key).filter(|mark| mark.since.0 < to).cloned();
        let was_held = held.is_some();
        if let Some(mark) = held {
            let end = Timestamp(from.max(mark.since.0));
            let ended = Mark { until: Some(end), ..mark.clone() };
            if mark.since < end {
                self.keep(ended.clone());
            }
            out.add("mark-end", end.0, Some(ended), json!({ "reason": "late-value" }));
            let since = Timestamp(to);
            let goes_on = Mark { since, from: since, inputs: self.inputs(plan, armed, code), ..mark };
            let kind = if goes_on.standing.counts() { "mark-begin" } else { "mark-proposed" };
            self.held.insert(key, goes_on.clone());
            out.add(kind, to, Some(goes_on), json!({ "reason": "late-value" }));
        }
        self.memory.cut(&armed.track_on(code), (from, to)) || was_held
    }
}

impl Armed {
    /// The key of its mark on a code.
    pub(super) fn key_on(&self, code: &str) -> (String, String, String) {
        (self.kind.name.clone(), code.to_owned(), self.rule.name.clone())
    }

    /// What its episodes on a code are remembered by.
    pub(super) fn track_on(&self, code: &str) -> Track {
        let applies = self.rule.effect == Effect::Apply;
        Track {
            mark: self.kind.name.clone(),
            object: code.to_owned(),
            by: self.rule.name.clone(),
            validity: self.kind.validity,
            standing: if applies { Standing::Applied } else { Standing::Proposed },
            silence: self.of_silence,
            on_code: self.kind.is_on_code(),
        }
    }
}
