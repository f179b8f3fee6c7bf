//! What rulings do to the marks of a station: see [`super::ruling`] for what each means.
//!
//! What must stay true: what was entered stays as it was entered, and the ruling that holds stands beside it; limits, effects and published
//! periods follow at once, in closed days too; what was annulled, doubted or cut cannot be entered again by the hand that entered it, by that
//! name or another, on that object or another about the same factor: it waits for a ruling.

use serde_json::{Value, json};

use super::engine::Verdict;
use super::entry::Answer;
use super::mark::{Mark, Ruled, Standing};
use super::plan::Plan;
use super::revise::Cause;
use super::rules::Validity;
use super::ruling::{Decision, Ruling, read};
use super::state::*;
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
        out: &mut Verdict,
    ) -> Answer {
        out.clear();
        let new = match read(role, id, body, at) {
            Ok(new) => new,
            Err(why) => return Answer::refusal(id, why),
        };
        let given = self.used.iter().find(|used| used.id == new.about).map(|used| used.given.clone());
        let answer = Answer { id: id.to_owned(), refused: None, late: false, marks: given.clone().unwrap_or_default() };
        match self.rulings.judge(&new) {
            Ok(true) => {}
            Ok(false) => return answer,
            Err(why) => return Answer::refusal(id, why),
        }
        let known = self.marks_of_hand().any(|mark| mark.by == new.about);
        if !known {
            let (code, zh, en) = match given {
                None => ("unknown-entry", "没有该 id 的人工标记", "there is no entry"),
                Some(_) => (
                    "no-effect",
                    "该标记已撤回或已过保存期，没有可裁定的效力",
                    "nothing is left to rule about of entry",
                ),
            };
            return Answer::refusal(id, (code, format!("{zh}：{}", new.about), format!("{en} {}", new.about)));
        }
        let (about, cause) = (new.about.clone(), Cause::Ruling(new.role.name(), new.id.clone()));
        let mut detail = new.view();
        if let Some(gone) = self.rulings.take(new) {
            self.memory.forget("ruling", gone.at.0);
        }
        self.put_ruling(plan, &about, &mut detail, (at.0, &cause), out);
        self.tell_forgotten(at.0, out);
        answer
    }

    fn marks_of_hand(&self) -> impl Iterator<Item = &Mark> {
        self.held.values().chain(&self.memory.entries).filter(|mark| mark.said.is_some())
    }

    /// Makes the ruling that holds for an entry take effect.
    fn put_ruling(
        &mut self,
        plan: &Plan,
        about: &str,
        detail: &mut Value,
        (at, cause): (i64, &Cause),
        out: &mut Verdict,
    ) {
        let holds = self.rulings.in_force(about).cloned();
        let mine = |mark: &&mut Mark| mark.said.is_some() && mark.by == about;
        let mut changed = Vec::new();
        for mark in self.held.values_mut().chain(&mut self.memory.entries).filter(mine) {
            let kind = plan.marks.get(&mark.mark);
            let (validity, waits) = kind.map_or((mark.entered, false), |kind| (kind.validity, kind.ruling));
            mark.rule(holds.as_ref(), validity, waits);
            changed.push(mark.clone());
        }
        self.give_back(about);
        let clock = self.now.max(self.swept).max(at);
        for mark in &changed {
            let until = mark.until.map_or(clock, |until| until.0.min(clock));
            self.charge(plan, mark, until);
            if mark.standing == Standing::Annulled {
                self.rests_no_more(mark);
            }
        }
        self.settle(plan, at, out);
        for mark in changed {
            let (from, to) = (mark.since.0, mark.until.map_or(clock + 1, |until| until.0));
            let holds = holds
                .as_ref()
                .map(|holds| json!({ "id": holds.id, "role": holds.role.name(), "ruling": holds.ruling.name() }));
            if let Some(object) = detail.as_object_mut() {
                object.insert("in_force".to_owned(), json!(holds));
            }
            out.add("mark-ruled", at, Some(mark), detail.clone());
            self.revise(plan, (from, to), (cause, 0), None, out);
        }
    }

    /// Whether an entry takes values out of judgement where an authority has annulled, doubted or cut another one: then it waits for a ruling,
    /// whatever its name and its object, as long as both are about one factor.
    pub(super) fn was_ruled_out(&self, plan: &Plan, mark: &Mark) -> bool {
        let to = mark.until.map_or(i64::MAX, |until| until.0);
        let about = |mark: &Mark, code: &str| {
            mark.object == code || plan.marks.get(&mark.mark).is_some_and(|kind| plan.covers(kind, &mark.object, code))
        };
        let ruled_out = |known: &&Mark| {
            known.ruled.as_ref().is_some_and(|ruled| ruled.ruling != Decision::Accept)
                && known.overlap(mark.since.0, to) > 0
                && (known.object == mark.object
                    || self.slots.iter().any(|slot| about(known, &slot.code) && about(mark, &slot.code)))
        };
        !mark.validity.is_judged() && self.marks_of_hand().any(|known| ruled_out(&known))
    }

    /// Why an entry that authorities have ruled about cannot be replaced or withdrawn any more; `None`: it can.
    pub(super) fn is_ruled(&self, entry: &str) -> Option<super::entry::Refusal> {
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

/// Why something was refused because nothing would come of it.
pub(super) fn no_effect(entry: &str) -> super::entry::Refusal {
    (
        "no-effect",
        format!("{entry} 已过保存期，撤回不会产生任何效力"),
        format!("{entry} is no longer remembered: its withdrawal would change nothing"),
    )
}
