//! Cases and answers as they are published (schemas `hj212.case/1`, `hj212.case-step-status/1`), and in lines for people.

use serde_json::{Value, json};

use super::case::{Case, Taken};
use super::machine::{Answer, Told};
use super::rules::Rules;
use hj212_model::message::Timestamp;

fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| at.to_rfc3339().into())
}

impl Taken {
    fn view(&self) -> Value {
        json!({
            "id": self.id, "step": self.step.name(), "role": self.role.map(|role| role.name()), "author": self.author,
            "from": self.from.name(), "to": self.to.name(), "at": self.at.to_rfc3339(), "offset": self.offset, "text": self.text,
            "cause": self.cause, "number": self.number, "files": self.files, "marks": self.marks,
        })
    }
}

impl Case {
    /// The case as it is published, without what the gateway puts before and behind it.
    #[must_use]
    pub fn view(&self, rules: &Rules) -> Value {
        let due = self.due.as_ref();
        let known = due.is_none_or(|due| rules.days().knows(due.at));
        let (clause, certainty) = due.map_or(("", ""), |due| (due.clause.as_str(), due.certainty.as_str()));
        json!({
            "id": self.id, "outlet": self.outlet, "code": self.code, "colour": self.colour.name(), "colour_zh": self.colour.zh(),
            "state": self.state.name(), "state_zh": self.state.zh(), "next": self.state.whose().map(|role| role.name()),
            "opened": self.opened.to_rfc3339(), "since": self.since.to_rfc3339(), "due": time(due.map(|due| due.at)), "overdue": self.overdue,
            "rule": { "set": rules.set, "clause": clause, "certainty": certainty, "calendar": if known { "table" } else { "weekends" } },
            "extended": self.extended, "returned": self.returned, "relapses": self.relapses,
            "law": self.law.as_ref().map(|law| json!({ "since": law.since.to_rfc3339(), "number": law.number, "by": law.by.map(|by| by.name()) })),
            "alerts": self.alerts, "days": self.days, "before": self.before, "steps": self.steps, "history": self.history.iter().map(Taken::view).collect::<Vec<_>>(),
        })
    }
}

impl Answer {
    /// `accepted` or `refused`.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        if self.taken.is_ok() { "accepted" } else { "refused" }
    }

    /// What is published of it, without what the gateway puts before and behind it.
    #[must_use]
    pub fn view(&self) -> (Value, Value) {
        match &self.taken {
            Ok((case, state)) => (Value::Null, json!({ "id": case, "state": state.name() })),
            Err(refusal) => (json!({ "code": refusal.code, "zh": refusal.zh, "en": refusal.en }), Value::Null),
        }
    }
}

impl Told {
    /// What the event says. `ahead`: what stands before its words, Chinese and English.
    #[must_use]
    pub fn view(&self, ahead: (&str, &str)) -> Value {
        let (zh, en) = self.words();
        json!({
            "case": self.case, "code": self.code, "state": self.state.name(), "colour": self.colour.name(), "due": time(self.due),
            "level": self.level, "next": self.state.whose().map(|role| role.name()),
            "to": self.to.iter().map(|role| role.name()).collect::<Vec<_>>(),
            "zh": format!("{}{zh}", ahead.0), "en": format!("{}{en}", ahead.1),
        })
    }

    /// Which case it is, where it stands, and who must do what by when.
    fn words(&self) -> (String, String) {
        let (happened_zh, happened_en) = match self.what {
            "case-opened" => ("已立案", "was opened"),
            "case-overdue" => ("已逾期", "is overdue"),
            "case-relapsed" => ("整改后再次超标", "was exceeded again after it had been put right"),
            "case-closed" => ("已销号", "was closed"),
            other => (other, other),
        };
        let (mut zh, mut en) = (
            format!("{}案件 {}（因子 {}）{happened_zh}", self.colour.zh(), self.case, self.code),
            format!("The {} case {} of {} {happened_en}", self.colour.name(), self.case, self.code),
        );
        if let (Some(role), Some((act_zh, act_en))) = (self.state.whose(), self.state.act()) {
            let by = self.due.map(|due| due.to_rfc3339().get(..16).unwrap_or_default().replace('T', " "));
            let (by_zh, by_en) = by.map(|by| (format!("在 {by} 前"), format!(" by {by}"))).unwrap_or_default();
            zh.push_str(&format!("，须由{}{by_zh}{act_zh}", role.zh()));
            en.push_str(&format!("; the {} must {act_en}{by_en}", role.name()));
        }
        if self.level > 0 && self.what == "case-overdue" {
            zh.push_str(&format!("，第 {} 次催办", self.level));
            en.push_str(&format!(", told {} times", self.level));
        }
        (zh + "。", en + ".")
    }
}
