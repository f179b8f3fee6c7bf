//! Time that passes without a report: silence, ends of entries, limits.

use serde_json::Value;

use super::plan::Plan;
use super::state::*;
use super::verdict::{MarkVerdict, SWEEP};
use hj212_model::message::Timestamp;

impl Marks {
    /// Lets time pass: silence, ends of entries, limits.
    pub fn tick(&mut self, plan: &Plan, at: Timestamp, out: &mut MarkVerdict) {
        out.clear();
        self.ceiling = None;
        self.scratch.at = at.0;
        self.sweep(plan, at.0, out);
        self.put_right_backdated(plan, out);
    }

    /// Takes that the station came or went.
    pub fn link(&mut self, plan: &Plan, link: Link, at: Timestamp, out: &mut MarkVerdict) {
        out.clear();
        self.scratch.at = at.0;
        match link {
            Link::Down => self.gone = self.gone.or(Some(at.0)),
            Link::Up => {
                self.gone = None;
                self.areas(plan, at.0, false, true, out);
            }
        }
        self.put_right_backdated(plan, out);
    }

    /// How far time is known to have passed: by data, by the last sweep, by what people said.
    pub(super) fn clock(&self) -> i64 {
        self.now.max(self.swept).max(self.entered)
    }

    pub(super) fn sweep(&mut self, plan: &Plan, at: i64, out: &mut MarkVerdict) {
        let at = self.ceiling.take().map_or(at, |ceiling| at.min(ceiling));
        self.bring_back(at);
        if at - self.swept < SWEEP {
            return;
        }
        self.swept = at;
        if plan.looks_at_silence {
            self.areas(plan, at, false, true, out);
        }
        self.missing(plan, at, out);
        // What was annulled before its time begins nothing; restored, it begins then.
        let come = |(_, mark): &(&(String, String, String), &Mark)| {
            !mark.begun && mark.since.0 <= at && mark.standing != Standing::Annulled
        };
        let come: Vec<_> = self.held.iter().filter(come).map(|(key, _)| key.clone()).collect();
        for key in come {
            let Some(mark) = self.held.get_mut(&key) else { continue };
            mark.begun = true;
            out.add("mark-begin", mark.since.0, Some(mark.clone()), Value::Null);
        }
        let over: Vec<_> = self
            .held
            .iter()
            .filter(|(_, mark)| mark.until.is_some_and(|until| until.0 <= at))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            let until = self.held.get(&key).and_then(|mark| mark.until).map_or(at, |until| until.0);
            self.end(plan, &key, until, Value::Null, out);
        }
        if !plan.entries.is_empty() && plan.watches.iter().any(|watch| watch.conflict.shared) {
            self.watch_shared(plan, &plan.closed_within(at, (i64::MIN, i64::MAX)), at, out);
        }
        self.charge_all(plan, out);
    }

    /// Runs the rules on factors that can become true without a report.
    pub(super) fn missing(&mut self, plan: &Plan, at: i64, out: &mut MarkVerdict) {
        let silent: Vec<usize> =
            plan.factor_rules.iter().enumerate().filter(|(_, armed)| armed.of_silence).map(|(n, _)| n).collect();
        if silent.is_empty() {
            return;
        }
        for place in 0..self.slots.len() {
            for number in &silent {
                let (Some(armed), Some(slot)) = (plan.factor_rules.get(*number), self.slots.get(place)) else {
                    continue;
                };
                if slot.at == 0 || (!armed.kind.factors.is_empty() && !armed.kind.factors.contains(&slot.code)) {
                    continue;
                }
                let when = self.eval(&armed.when, Some(slot));
                let until = self.until(armed, when, slot);
                let (code, heard) = (slot.code.clone(), slot.heard);
                let Some(slot) = self.slots.get_mut(place) else { continue };
                let Some(hold) = slot.holds.get_mut(*number) else { continue };
                let mut turn = hold.step(when, until, at, (armed.rule.begin_after, armed.rule.end_after));
                let now = *hold;
                slot.note(*number, now);
                if matches!(turn, Turn::Begins(_)) {
                    turn = Turn::Begins(heard);
                }
                if turn != Turn::Stays {
                    self.turn(plan, armed, &code, turn, out);
                }
            }
        }
    }
}
