//! What rulings do to the marks of a station: see [`super::ruling`] for what each means.
//!
//! What must stay true: what was entered stays as it was entered, and the ruling that holds stands beside it; limits, effects and published
//! periods follow at once, in closed days too; what was annulled, doubted or cut cannot be entered again by the hand that entered it, by that
//! name or another, on that object or another about the same factor or what it rests on: over that time it waits for a ruling, and the rest of
//! it stands.

use serde_json::{Value, json};

use super::changed::Changed;
use super::decision::Decision;
use super::entry::Answer;
use super::mark::{Mark, Ruled, Standing};
use super::plan::Plan;
use super::refusal::{Refusal, refusal};
use super::revision::Cause;
use super::rules::Validity;
use super::ruling::{Ruling, read};
use super::state::*;
use super::verdict::{Happening, MarkVerdict};
use hj212_model::message::Timestamp;

impl Ruling {
    /// As published.
    fn view(&self) -> Value {
        json!({
            "id": self.id, "role": self.role.name(), "about": self.about, "ruling": self.ruling.name(),
            "from": self.within.map(|(from, _)| from.to_rfc3339()), "to": self.within.map(|(_, to)| to.to_rfc3339()),
            "reason": self.reason, "proof": self.proof, "author": self.author, "decision": self.decision,
            "at": self.at.to_rfc3339(),
        })
    }
}

impl Mark {
    /// Puts a ruling in force, or none; `validity` and `waits` are those of its kind.
    fn rule(&mut self, ruling: Option<&Ruling>, validity: Validity, waits: bool) {
        self.ruled = ruling.map(|ruling| {
            Box::new(Ruled {
                id: ruling.id.clone(),
                role: ruling.role,
                ruling: ruling.ruling,
                within: ruling.within,
                author: ruling.author.clone(),
                decision: ruling.decision.clone(),
            })
        });
        self.validity = validity;
        self.standing = match ruling.map(|ruling| ruling.ruling) {
            None | Some(Decision::Restore) => {
                if waits || self.waits {
                    Standing::Waiting
                } else {
                    Standing::Entered
                }
            }
            Some(Decision::Accept | Decision::Limit) => Standing::Entered,
            // What waits has no effect that could be left to people.
            Some(Decision::Doubt) if waits || self.waits => Standing::Waiting,
            Some(Decision::Doubt) => {
                self.validity = Validity::Conditional;
                Standing::Entered
            }
            Some(Decision::Annul) => Standing::Annulled,
        };
    }
}

impl Marks {
    /// Takes what an authority ruled, `role`/`id`, that came at `at`. A refused ruling changes nothing.
    pub fn rule(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        (role, id, body): (&str, &str, &[u8]),
        out: &mut MarkVerdict,
    ) -> Answer {
        out.clear();
        let new = match read(role, id, body, at) {
            Ok(new) => new,
            Err(why) => return Answer::refusal(id, why),
        };
        let given = self.used.iter().find(|used| used.id == new.about).map(|used| used.given.clone());
        let marks = given.clone().unwrap_or_default();
        let mut answer = Answer { id: id.to_owned(), refused: None, late: false, marks, changed: None };
        match self.rulings.judge(&new) {
            Ok(true) => {}
            Ok(false) => {
                answer.changed = self.rulings.known(id).and_then(|known| known.changed.as_deref()).cloned();
                return answer;
            }
            // There is nothing to restore, and no entry either: that is what helps.
            Err((code, ..)) if code == "nothing-to-restore" && given.is_none() => {
                return Answer::refusal(id, self.nothing_left(&new.about));
            }
            Err(why) => return Answer::refusal(id, why),
        }
        let Some(before) = self.marks_of_hand().find(|mark| mark.by == new.about).cloned() else {
            return Answer::refusal(id, self.nothing_left(&new.about));
        };
        if let Some(why) = in_vain(plan, &before, &new) {
            return Answer::refusal(id, why);
        }
        let (about, cause) = (new.about.clone(), Cause::Ruling(new.role.name(), new.id.clone()));
        let mut detail = new.view();
        if let Some(gone) = self.rulings.take(new) {
            self.memory.forget("ruling", gone.at.0);
        }
        self.entered = self.entered.max(at.0);
        let changed = self.put_ruling(plan, (&about, &before), &mut detail, (at.0, &cause), out);
        self.rulings.note(id, &changed);
        answer.changed = Some(changed);
        self.tell_forgotten(at.0, out);
        answer
    }

    /// Why nothing can be ruled about an entry whose mark is not remembered.
    fn nothing_left(&self, entry: &str) -> super::refusal::Refusal {
        let Some(used) = self.used.iter().find(|used| used.id == entry) else {
            return ("unknown-entry", format!("没有该 id 的人工标记：{entry}"), format!("there is no entry {entry}"));
        };
        match &used.replaced {
            Some(by) => (
                "no-effect",
                format!("{entry} 已被 {by} 撤回或更正，没有可裁定的效力；如已更正，请对 {by} 作出裁定"),
                format!(
                    "{entry} was withdrawn or superseded by {by}: nothing of it is left to rule about; if it was superseded, rule about {by}"
                ),
            ),
            None => (
                "no-effect",
                format!("{entry} 已过保存期，没有可裁定的效力"),
                format!("{entry} is no longer remembered: nothing of it is left to rule about"),
            ),
        }
    }

    fn marks_of_hand(&self) -> impl Iterator<Item = &Mark> {
        self.held.values().chain(&self.memory.entries).filter(|mark| mark.said.is_some())
    }

    /// Makes the ruling that holds for an entry take effect; `before`: its mark as it was.
    fn put_ruling(
        &mut self,
        plan: &Plan,
        (about, before): (&str, &Mark),
        detail: &mut Value,
        (at, cause): (i64, &Cause),
        out: &mut MarkVerdict,
    ) -> Changed {
        let holds = self.rulings.in_force(about).cloned();
        let spent = self.spent();
        let mine = |mark: &&mut Mark| mark.said.is_some() && mark.by == about;
        let mut changed = Vec::new();
        for mark in self.held.values_mut().chain(&mut self.memory.entries).filter(mine) {
            let kind = plan.marks.get(&mark.mark);
            let (validity, waits) = kind.map_or((mark.entered, false), |kind| (kind.validity, kind.ruling));
            mark.rule(holds.as_ref(), validity, waits);
            changed.push(mark.clone());
        }
        self.give_back(about);
        // Restored after its begin it begins now; the sweep tells it.
        let clock = self.clock();
        for mark in &changed {
            let until = mark.until.map_or(clock, |until| until.0.min(clock));
            self.charge(plan, mark, until);
            if mark.standing == Standing::Annulled {
                self.rests_no_more(mark);
            }
        }
        self.settle(plan, at, out);
        let told = out.happenings.len();
        for mark in &changed {
            let (from, to) = (mark.since.0, mark.until.map_or(clock + 1, |until| until.0));
            self.revise(plan, (from, to), (cause, 1..=3), None, out);
            self.tell_broken(plan, (from, to), out);
        }
        self.revise_elsewhere(plan, &spent, (cause, clock), out);
        let cut = out.happenings.iter().skip(told).any(|happening| happening.kind == "revisions-cut");
        let closed = plan.closed_within(at, (i64::MIN, i64::MAX));
        let ends = (self.oldest_published(), closed.as_slice());
        let after = changed.first().unwrap_or(before);
        let changed_to = Changed::of((before, after), (&out.revisions, cut), ends);
        let holds =
            holds.map(|holds| json!({ "id": holds.id, "role": holds.role.name(), "ruling": holds.ruling.name() }));
        if let Some(object) = detail.as_object_mut() {
            object.insert("in_force".to_owned(), json!(holds));
            object.insert("changed".to_owned(), changed_to.view());
        }
        // What was ruled comes before what follows from it.
        for (at_place, mark) in changed.into_iter().enumerate() {
            let happening =
                Happening { kind: "mark-ruled", at: Timestamp(at), mark: Some(mark), detail: detail.clone() };
            out.happenings.insert((told + at_place).min(out.happenings.len()), happening);
        }
        changed_to
    }

    /// Where an entry takes values out of judgement over time of which an authority has annulled, doubted or cut another entry: there it waits for
    /// a ruling, whatever its name and its object, as long as both are about one factor, or about what that rests on: oxygen, flow.
    pub(super) fn ruled_out(&self, plan: &Plan, mark: &Mark) -> Vec<Waits> {
        let to = mark.until.map_or(i64::MAX, |until| until.0);
        let on = |mark: &Mark, code: &str| {
            mark.object == code || plan.marks.get(&mark.mark).is_some_and(|kind| plan.covers(kind, &mark.object, code))
        };
        let about = |mark: &Mark, code: &str| on(mark, code) || plan.bases_of(code).any(|basis| on(mark, basis));
        let ruled_out = |known: &&Mark| {
            known.ruled.as_ref().is_some_and(|ruled| ruled.ruling != Decision::Accept)
                && known.since.0.max(mark.since.0) < barred_to(known).min(to)
                && (known.object == mark.object
                    || self.slots.iter().any(|slot| about(known, &slot.code) && about(mark, &slot.code)))
        };
        if mark.validity.is_judged() {
            return Vec::new();
        }
        let waits = |known: &Mark| {
            let ruled = known.ruled.as_deref()?;
            let (from, until) = (known.since.max(mark.since), barred_to(known).min(to));
            let until = (until != i64::MAX).then_some(Timestamp(until));
            let (ruling, role, decision) = (ruled.id.clone(), ruled.role, ruled.ruling);
            Some(Waits { from, until, entry: known.by.clone(), ruling, role, decision })
        };
        let mut all: Vec<Waits> = self.marks_of_hand().filter(ruled_out).filter_map(waits).collect();
        all.sort_by(|a, b| (a.from, &a.entry).cmp(&(b.from, &b.entry)));
        all
    }

    /// Why an entry that authorities have ruled about cannot be replaced or withdrawn any more; `None`: it can.
    pub(super) fn is_ruled(&self, entry: &str) -> Option<super::refusal::Refusal> {
        let holds = self.rulings.in_force(entry)?;
        (holds.ruling != Decision::Accept).then(|| {
            let (role, ruling) = (holds.role, holds.ruling);
            (
                "ruled",
                format!("{}已对 {entry} 作出裁定「{}」（{}），不能再更正或撤回", role.zh(), ruling.zh(), holds.id),
                format!(
                    "{} has ruled \"{}\" about {entry} ({}): it cannot be corrected or withdrawn any more",
                    role.name(),
                    ruling.name(),
                    holds.id
                ),
            )
        })
    }
}

/// Until when others wait for a ruling because of this one.
fn barred_to(ruled: &Mark) -> i64 {
    let until = ruled.until.map_or(i64::MAX, |until| until.0);
    ruled.barred_to.map_or(until, |barred| barred.0.max(until))
}

/// Why nothing could come of a ruling about this entry, if so: it came too late for all of its time, or what the ruling leaves of it lies
/// outside of the time in which it has effect.
fn in_vain(plan: &Plan, mark: &Mark, new: &Ruling) -> Option<Refusal> {
    let late = mark.from > mark.since;
    let gone = late && mark.until.is_some_and(|until| until <= mark.from);
    let hour = plan.entries_of(mark.since.0).map(|entries| (entries.deadline_days, entries.deadline_hour));
    if gone && matches!(new.ruling, Decision::Accept | Decision::Doubt | Decision::Limit) {
        let (days, hour) = hour.unwrap_or_default();
        return Some((
            "late-entry",
            format!(
                "{} 填报时所涉日期均已逾期（标记日后第 {days} 日 {hour} 时截止），自始没有效力；认可、存疑或限定时段都不能补救",
                new.about
            ),
            format!(
                "{} came after the deadline for all of its time ({hour}:00, {days} day(s) after the day): it never had effect, and accept, doubt or limit cannot mend that",
                new.about
            ),
        ));
    }
    let (from, to) = new.within?;
    let (begin, end) = (mark.since.0.max(mark.from.0), mark.until.map_or(i64::MAX, |until| until.0));
    (from.0.max(begin) >= to.0.min(end)).then(|| {
        refusal(
            "outside",
            "from 至 to 与该标记有效力的时段没有重合；如要全部取消，请用 annul",
            "from and to lie outside of the time in which the entry has effect: to take away all of it, rule \"annul\"",
        )
    })
}
