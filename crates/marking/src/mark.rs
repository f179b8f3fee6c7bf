//! A mark on an object over a time: who says so, what it makes of readings, and its evidence.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decision::{Decision, Role};
use super::rules::*;
use super::spans::{Span, clipped, minus};
use hj212_model::message::Timestamp;

/// Whether a mark takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Standing {
    /// Set by a rule that may.
    Applied,
    /// Suggested by a rule; changes nothing.
    Proposed,
    /// Suggested by a rule and confirmed by an entry; what takes effect is the entry, over its own time.
    Confirmed,
    /// Entered by hand.
    Entered,
    /// Entered by hand, of a kind that takes effect only when an authority has accepted it.
    Waiting,
    /// Entered by hand and annulled by an authority.
    Annulled,
}

/// The ruling that holds for an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruled {
    /// Its id.
    pub id: String,
    /// As whom it was said.
    pub role: Role,
    /// What was ruled.
    pub ruling: Decision,
    /// Of `limit`: from and to.
    pub within: Option<(Timestamp, Timestamp)>,
    /// Who.
    pub author: String,
    /// The number of the written decision.
    pub decision: String,
}

impl Standing {
    /// Whether a mark of this standing takes effect and is counted against limits.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Applied | Self::Entered)
    }

    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Proposed => "proposed",
            Self::Confirmed => "confirmed",
            Self::Entered => "entered",
            Self::Waiting => "waiting-for-ruling",
            Self::Annulled => "annulled",
        }
    }
}

/// A value that a rule looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What the rule calls it.
    pub signal: String,
    /// Its code.
    pub code: String,
    /// The value, verbatim.
    pub value: String,
    /// The station's mark on it, verbatim.
    pub flag: String,
    /// Its data time.
    pub at: Timestamp,
}

/// An exceedance that a mark begins within or just after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exceedance {
    /// The factor.
    pub code: String,
    /// The last value above the limit, verbatim.
    pub value: String,
    /// The limit registered for the station.
    pub limit: String,
    /// What that limit is called; empty: it has no name.
    pub name: String,
    /// The first time above it in that run.
    pub first: Timestamp,
    /// The last time above it.
    pub last: Timestamp,
}

/// A mark on an object over a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// `set:id`
    pub mark: String,
    /// The code, facility or outlet it hangs on.
    pub object: String,
    /// The rule's or the entry's name.
    pub by: String,
    /// The rule's version; 0 of an entry.
    pub version: u32,
    /// Whether it takes effect.
    pub standing: Standing,
    /// What it makes of readings.
    pub validity: Validity,
    /// What it is about.
    pub dimension: Dimension,
    /// The clause of rule or mark.
    pub clause: String,
    /// How sure that is.
    pub certainty: Certainty,
    /// The conditions as written: the thresholds.
    pub when: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: it holds, or its end is open.
    pub until: Option<Timestamp>,
    /// What the rule saw when it began.
    pub inputs: Vec<Input>,
    /// Exceedances within an hour before its begin.
    pub exceedances: Vec<Exceedance>,
    /// Reason, proof and author of an entry.
    pub said: Option<(String, String, String)>,
    /// Whether the entry came after the deadline of a part of its time, or of all of it: kept, without effect there.
    pub late: bool,
    /// Before this an entry has no effect: the deadline of those days had passed.
    pub from: Timestamp,
    /// Nor in these later days, whose deadline was earlier: from and to, in order.
    pub shut: Vec<(Timestamp, Timestamp)>,
    /// Whether its limit is spent at its end, or now: it holds, but exempts no more.
    pub spent: bool,
    /// When its limit was spent, from and to: a limit of a calendar period is new with the next.
    pub without: Vec<(Timestamp, Timestamp)>,
    /// Whether its time has come; an entry may be made before.
    pub begun: bool,
    /// Whether it says that nothing came: then it says nothing of what came late.
    pub silence: bool,
    /// Whether its object is a code, and it covers nothing else.
    pub on_code: bool,
    /// The ruling that holds for it, of an entry.
    pub ruled: Option<Box<Ruled>>,
    /// What it made of readings as it was entered.
    pub entered: Validity,
    /// Whether it takes effect only when an authority accepts it, whatever its kind says: all of it repeats what was annulled.
    pub waits: bool,
    /// Where it does so in part: when, from and to, in order. The rest of it has effect.
    pub waits_in: Vec<(Timestamp, Timestamp)>,
    /// Conflicts that were found with it, so that none is raised twice.
    pub met: Vec<String>,
    /// Of an entry that its author ended after an authority had ruled about it: until when others wait for a ruling as if it had not ended.
    pub barred_to: Option<Timestamp>,
}

/// What rules call the absence of a connection in their evidence.
pub const OFFLINE: &str = "offline";

impl Mark {
    /// Whether it says that the link to the station is lost.
    pub(super) fn is_of_link(&self) -> bool {
        self.silence && self.inputs.iter().any(|input| input.signal == OFFLINE)
    }

    /// What it makes of a reading now, or made at its end.
    #[must_use]
    pub fn effect(&self) -> Option<Validity> {
        let over = self.until.is_some_and(|until| until <= self.from);
        let without = !self.standing.counts() || over || (self.spent && self.validity.needs_confirmation());
        (!without).then_some(self.validity)
    }

    /// How much of `from..to` it covers, µs; of an instant (`from == to`) 1 or 0.
    #[must_use]
    pub fn overlap(&self, from: i64, to: i64) -> i64 {
        let end = self.until.map_or(i64::MAX, |until| until.0);
        if from == to { i64::from(self.since.0 <= from && from < end) } else { end.min(to) - self.since.0.max(from) }
    }

    /// Whether it takes effect at this instant.
    #[must_use]
    pub fn works_at(&self, at: i64) -> bool {
        let gone = |(from, to): &(Timestamp, Timestamp)| from.0 <= at && at < to.0;
        let spent = || self.validity.needs_confirmation() && self.without.iter().any(gone);
        let (begin, end) = self.window();
        let shut = self.shut.iter().any(|(from, to)| from.0 <= at && at < to.0);
        let waits = || self.waiting_parts().iter().any(|(from, to)| *from <= at && at < *to);
        self.standing.counts() && begin <= at && at < end && !shut && !spent() && !waits()
    }

    /// From when to when it may take effect: its own time, but for closed days that it came too late for and what a ruling cut off.
    #[must_use]
    pub fn window(&self) -> (i64, i64) {
        let (begin, until) = (self.since.0.max(self.from.0), self.until.map_or(i64::MAX, |until| until.0));
        let end = self.shut.last().filter(|(_, to)| to.0 >= until).map_or(until, |(from, _)| from.0);
        match self.ruled.as_ref().and_then(|ruled| ruled.within) {
            Some((from, to)) => (begin.max(from.0), end.min(to.0)),
            None => (begin, end),
        }
    }

    /// The parts of [`Mark::window`] that it did not come too late for, in order.
    pub(super) fn timely_parts(&self) -> Vec<Span> {
        if self.shut.is_empty() {
            return [self.window()].into_iter().filter(|(from, to)| from < to).collect();
        }
        let shut: Vec<Span> = self.shut.iter().map(|(from, to)| (from.0, to.0)).collect();
        minus(&[self.window()], &shut)
    }

    /// Those of them that do not wait for a ruling.
    pub(super) fn open_parts(&self) -> Vec<Span> {
        let waiting = self.waiting_parts();
        if waiting.is_empty() { self.timely_parts() } else { minus(&self.timely_parts(), &waiting) }
    }

    /// When a part of it waits for a ruling, as long as none has accepted it.
    #[must_use]
    pub fn waiting_parts(&self) -> Vec<(i64, i64)> {
        let accepts = |ruled: &Ruled| matches!(ruled.ruling, Decision::Accept | Decision::Limit);
        if self.waits_in.is_empty() || self.ruled.as_deref().is_some_and(accepts) {
            return Vec::new();
        }
        self.waits_in.iter().map(|(from, to)| (from.0, to.0)).collect()
    }

    /// Lets it take effect in these parts of its time alone, which are in order and joined; the rest of it are days that it came too late for, or
    /// was taken back in.
    pub(super) fn works_within(&mut self, parts: &[Span]) {
        let end = self.until.map_or(i64::MAX, |until| until.0);
        let Some((first, _)) = parts.first().copied() else { return };
        self.from = Timestamp(first);
        let shut = minus(&[(first, end)], parts);
        self.shut = shut.into_iter().map(|(from, to)| (Timestamp(from), Timestamp(to))).collect();
        self.late = first > self.since.0 || !self.shut.is_empty();
    }

    /// Whether it uses up limits.
    pub(super) fn is_charged(&self) -> bool {
        let doubted = self.ruled.as_ref().is_some_and(|ruled| ruled.ruling == Decision::Doubt);
        self.standing.counts() && !doubted
    }

    /// The part of `from..to` in which it takes effect, µs, without what its limit took; of an instant a microsecond or nothing.
    #[must_use]
    pub fn in_effect(&self, from: i64, to: i64) -> Vec<(i64, i64)> {
        if !self.standing.counts() {
            return Vec::new();
        }
        let to = if from == to { from + 1 } else { to };
        let mut parts = clipped(&self.open_parts(), from, to);
        if self.validity.needs_confirmation() {
            for (gone, back) in &self.without {
                parts = parts.iter().flat_map(|(a, b)| [(*a, *b.min(&gone.0)), (*a.max(&back.0), *b)]).collect();
            }
        }
        parts.retain(|(a, b)| a < b);
        parts
    }

    /// As published.
    #[must_use]
    pub fn view(&self) -> Value {
        let entry = self.said.as_ref().map(|(reason, proof, author)| {
            json!({ "id": self.by, "reason": reason, "proof": proof, "author": author, "late": self.late,
                "effect_from": (self.from > self.since).then(|| self.from.to_rfc3339()) })
        });
        let ruling = self.ruled.as_ref().map(|ruled| {
            json!({ "id": ruled.id, "role": ruled.role.name(), "ruling": ruled.ruling.name(), "author": ruled.author,
                "decision": ruled.decision, "from": ruled.within.map(|(from, _)| from.to_rfc3339()),
                "to": ruled.within.map(|(_, to)| to.to_rfc3339()) })
        });
        let rule = entry.is_none().then(|| json!({ "id": self.by, "version": self.version, "when": self.when }));
        let inputs: Vec<Value> = self
            .inputs
            .iter()
            .map(|i| json!({ "signal": i.signal, "code": i.code, "value": i.value, "flag": i.flag, "at": i.at.to_rfc3339() }))
            .collect();
        let exceedances: Vec<Value> = self
            .exceedances
            .iter()
            .map(|e| {
                let mut view = json!({ "code": e.code, "value": e.value, "limit": e.limit, "first": e.first.to_rfc3339(), "last": e.last.to_rfc3339() });
                if !e.name.is_empty() {
                    view["name"] = e.name.as_str().into();
                }
                view
            })
            .collect();
        let mut view = json!({
            "mark": self.mark, "object": self.object, "dimension": self.dimension.name(), "standing": self.standing.name(),
            "validity": self.validity.name(), "effective": self.effect().is_some(), "clause": self.clause,
            "certainty": format!("{:?}", self.certainty), "since": self.since.to_rfc3339(),
            "until": self.until.map(Timestamp::to_rfc3339), "rule": rule, "entry": entry, "ruling": ruling, "spent": self.spent,
            "spent_since": self.without.last().filter(|_| self.spent).map(|(from, _)| from.to_rfc3339()),
            "evidence": { "inputs": inputs, "exceedances": exceedances },
        });
        let time = |at: i64| (at != i64::MAX).then(|| Timestamp(at).to_rfc3339());
        let waits: Vec<Value> =
            self.waiting_parts().into_iter().map(|(from, to)| json!({ "from": time(from), "to": time(to) })).collect();
        if !waits.is_empty() {
            view["waits"] = waits.into();
        }
        view
    }
}
