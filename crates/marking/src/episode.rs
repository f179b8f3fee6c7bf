//! Marks that begin and end, with what was seen when they began.

use serde_json::{Value, json};

use super::emission::Above;
use super::expr::{SECOND, Test};
use super::plan::{Armed, Plan, Sig};
use super::rules::*;
use super::state::*;
use super::verdict::{BEFORE, MarkVerdict};
use hj212_model::message::Timestamp;

impl Marks {
    pub(super) fn areas(&mut self, plan: &Plan, now: i64, gap: bool, silent: bool, out: &mut MarkVerdict) {
        for (number, armed) in plan.area_rules.iter().enumerate() {
            if silent != armed.of_silence {
                continue;
            }
            let (when, until, own) = self.area(armed, now);
            let first = own.filter(|_| when == Some(true)).and_then(|own| own.first_equal(&armed.when));
            let Some((_, hold)) = self.areas.get_mut(number) else { continue };
            if gap && !hold.active {
                hold.since = None;
            }
            let mut turn = hold.step(when, until, now, (armed.rule.begin_after, armed.rule.end_after));
            if let (Turn::Begins(_), Some(first)) = (turn, first) {
                turn = Turn::Begins(first);
            }
            if silent && matches!(turn, Turn::Begins(_)) {
                // Silence began with the last thing heard, a lost link with the end of the connection.
                turn = Turn::Begins(self.gone.filter(|_| armed.of_link).unwrap_or(self.heard));
            }
            if turn != Turn::Stays {
                self.turn(plan, armed, &armed.object, turn, out);
            }
        }
    }

    /// What the conditions of a rule on no factor are, and the value that it is about.
    pub(super) fn area(&self, armed: &Armed, now: i64) -> (Option<bool>, Option<bool>, Option<&Slot>) {
        let own = armed.own.and_then(|own| self.look(Sig::Code(own), None));
        let holds = armed.rule.dates.hold(now);
        let when = if holds { self.eval(&armed.when, own) } else { Some(false) };
        let until = match &armed.until {
            _ if !holds => Some(true),
            None => when.map(|when| !when),
            Some(until) => self.eval(until, own),
        };
        (when, until, own)
    }

    pub(super) fn turn(&mut self, plan: &Plan, armed: &Armed, object: &str, turn: Turn, out: &mut MarkVerdict) {
        let key = (armed.kind.name.clone(), object.to_owned(), armed.rule.name.clone());
        if let Turn::Begins(at) | Turn::Ends(at) | Turn::Lapses(at) = turn
            && at < self.scratch.at
            && armed.rule.effect == Effect::Apply
        {
            // What was published in between was so without knowing it.
            let (mark, object) = (armed.kind.name.clone(), object.to_owned());
            self.scratch.backdated.push((mark, object, armed.kind.is_on_code(), at, self.scratch.at));
        }
        match turn {
            Turn::Stays => {}
            Turn::Ends(at) => self.end(plan, &key, at, Value::Null, out),
            Turn::Lapses(at) => self.end(plan, &key, at, json!({ "reason": "unknown" }), out),
            Turn::Begins(since) => {
                let mark = self.begun(plan, armed, object, since);
                let kind = if mark.standing == Standing::Proposed { "mark-proposed" } else { "mark-begin" };
                let limited = mark.is_charged() && plan.limits.iter().any(|limit| limit.marks.contains(&mark.mark));
                self.held.insert(key, mark.clone());
                out.add(kind, since, Some(mark), Value::Null);
                if limited {
                    self.owe();
                }
                self.charge_all(plan, out);
            }
        }
    }

    /// The mark of a rule that begins.
    pub(super) fn begun(&self, plan: &Plan, armed: &Armed, object: &str, since: i64) -> Mark {
        let mut mark = Mark {
            mark: armed.kind.name.clone(),
            object: object.to_owned(),
            by: armed.rule.name.clone(),
            version: armed.rule.version,
            standing: if armed.rule.effect == Effect::Apply { Standing::Applied } else { Standing::Proposed },
            validity: armed.kind.validity,
            dimension: armed.kind.dimension,
            clause: armed.rule.clause.clone(),
            certainty: armed.rule.certainty,
            when: armed.rule.when_text.clone(),
            since: Timestamp(since),
            until: None,
            inputs: self.inputs(plan, armed, object),
            exceedances: self.exceedances(plan, &armed.kind, object, since, false),
            said: None,
            late: false,
            from: Timestamp(since),
            spent: false,
            without: Vec::new(),
            begun: true,
            ruled: None,
            entered: armed.kind.validity,
            waits: false,
            waits_in: Vec::new(),
            silence: armed.of_silence,
            on_code: armed.kind.is_on_code(),
            met: Vec::new(),
            barred_to: None,
            shut: Vec::new(),
        };
        let entered = |m: &&Mark| m.said.is_some() && m.mark == mark.mark && m.object == mark.object;
        let held = |m: &&Mark| m.from.0 <= since && m.overlap(since, since) > 0;
        if mark.standing == Standing::Proposed && self.held.values().filter(entered).any(|m| held(&m)) {
            mark.standing = Standing::Confirmed;
        }
        mark
    }

    pub(super) fn end(
        &mut self,
        plan: &Plan,
        key: &(String, String, String),
        at: i64,
        detail: Value,
        out: &mut MarkVerdict,
    ) {
        let Some(mut mark) = self.held.remove(key) else { return };
        mark.until = Some(Timestamp(at.max(mark.since.0)));
        self.keep(mark.clone());
        if mark.standing.counts() {
            self.charge(plan, &mark, mark.until.map_or(at, |until| until.0));
        }
        // What was annulled before its time began never was.
        if mark.begun {
            out.add("mark-end", at, Some(mark.clone()), detail);
        }
        self.settle(plan, at, out);
        self.tell_forgotten(at, out);
        self.look_back(plan, &mark, at, out);
    }

    /// Remembers a mark that has ended.
    pub(super) fn keep(&mut self, mark: Mark) {
        let now = self.now;
        self.memory.keep(mark, now);
    }

    pub(super) fn inputs(&self, plan: &Plan, armed: &Armed, object: &str) -> Vec<Input> {
        let mut inputs: Vec<Input> = Vec::new();
        if let Some(gone) = self.gone.filter(|_| armed.of_link) {
            let at = Timestamp(gone);
            let (signal, value) = (OFFLINE.to_owned(), at.to_rfc3339());
            inputs.push(Input { signal, code: String::new(), value, flag: String::new(), at });
        }
        for hold in
            armed.when.tests().iter().filter_map(|test| if let Test::Silent(hold) = test { Some(hold) } else { None })
        {
            // What was heard last, and for how long a silence is borne here.
            let at = Timestamp(self.heard);
            let borne = format!("{} s", self.patience(*hold) / SECOND);
            let input = |signal: &str, value| Input {
                signal: signal.to_owned(),
                code: String::new(),
                value,
                flag: String::new(),
                at,
            };
            inputs.push(input("last_heard", at.to_rfc3339()));
            inputs.push(input("silence_borne", borne));
            if let Some((interval, of)) = self.paced_by() {
                let kind = ["sampled", "minute", "hour", "day"].get(usize::from(self.finest)).copied().unwrap_or("day");
                inputs.push(input(of.name(), format!("{} s ({kind})", interval / SECOND)));
            }
        }
        let subject = self.index.get(object).and_then(|at| self.slots.get(usize::from(*at)));
        let subject = armed.own.map_or(subject, |own| self.look(Sig::Code(own), None));
        if let Some((slot, first)) = subject.and_then(|slot| Some((slot, slot.first_equal(&armed.when)?))) {
            let (code, value, flag) = (slot.code.clone(), slot.text.clone(), slot.flag.clone());
            inputs.push(Input { signal: "first_equal".to_owned(), code, value, flag, at: Timestamp(first) });
        }
        for sig in armed.when.tests().iter().filter_map(|test| test.of()) {
            let slot = match (sig, armed.own) {
                (Sig::Own, None) => self.index.get(object).and_then(|at| self.slots.get(usize::from(*at))),
                (Sig::Own, Some(own)) => self.look(Sig::Code(own), None),
                (Sig::Code(_), _) => self.look(*sig, None),
                (Sig::OfOwn(_), _) => {
                    self.index.get(object).and_then(|at| self.look(*sig, self.slots.get(usize::from(*at))))
                }
            };
            let known = |input: &Input, code: &str| input.code == code && input.signal != "first_equal";
            let Some(slot) = slot.filter(|slot| slot.at != 0 && !inputs.iter().any(|input| known(input, &slot.code)))
            else {
                continue;
            };
            let signal = match sig {
                Sig::Own => "value",
                Sig::Code(_) | Sig::OfOwn(_) => {
                    plan.signals.get(slot.code.split('@').next().unwrap_or_default()).map_or("value", String::as_str)
                }
            };
            inputs.push(Input {
                signal: signal.to_owned(),
                code: slot.code.clone(),
                value: slot.text.clone(),
                flag: slot.flag.clone(),
                at: Timestamp(slot.at),
            });
        }
        inputs
    }

    /// Exceedances of what the mark covers, within an hour before `since`. An instrument's own word takes nobody out of judgement on purpose;
    /// a hand may.
    pub(super) fn exceedances(
        &self,
        plan: &Plan,
        kind: &MarkKind,
        object: &str,
        since: i64,
        by_hand: bool,
    ) -> Vec<Exceedance> {
        let of_device = kind.dimension != Dimension::Condition && !kind.validity.needs_confirmation();
        if of_device && (!by_hand || kind.validity.is_usable()) {
            return Vec::new();
        }
        let near = |run: &&Above| run.first <= since && run.last >= since - BEFORE;
        let covered = self.slots.iter().filter(|slot| !slot.above.is_empty() && plan.covers(kind, object, &slot.code));
        covered
            .flat_map(|slot| slot.above.iter().filter(near).map(move |run| (slot, run)))
            .map(|(slot, run)| Exceedance {
                code: slot.code.clone(),
                value: run.value.clone(),
                limit: run.limit.clone(),
                name: run.name.clone(),
                first: Timestamp(run.first),
                last: Timestamp(run.last),
            })
            .collect()
    }
}
