//! Faults that are not over, or not for long.
//!
//! What must stay true: a fault of an object is one, however many marks say so; it is counted once, in the month in which it began: when it is over, or
//! when it is overdue, whichever comes first.

use serde::{Deserialize, Serialize};

use super::FAULTS_MAX;
use super::rules::ScoreRules;
use hj212_model::message::Timestamp;

/// A fault of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FaultSeen {
    object: String,
    /// The marks that say so now.
    marks: Vec<String>,
    since: Timestamp,
    /// When the last of them ended.
    until: Timestamp,
    /// Whether it was counted as overdue already.
    overdue: bool,
}

/// What is to be counted of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultOver {
    pub(crate) since: Timestamp,
    /// Whether it is to be counted as a fault, and whether it was over in time.
    pub(crate) counted: Option<bool>,
    /// Minutes that it lasted, if it is over.
    pub(crate) minutes: Option<u32>,
}

/// The faults of a station.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FaultsOpen(Vec<FaultSeen>);

impl FaultsOpen {
    /// A fault began, or goes on after a pause; what had to make room for it.
    pub(crate) fn began(&mut self, (mark, object): (&str, &str), since: Timestamp) -> Option<FaultOver> {
        let goes_on = |known: &&mut FaultSeen| {
            let paused = since.0.saturating_sub(known.until.0) < ScoreRules::PAUSE && known.since <= since;
            known.object == object && (!known.marks.is_empty() || paused)
        };
        if let Some(known) = self.0.iter_mut().rfind(goes_on) {
            known.since = known.since.min(since);
            if !known.marks.iter().any(|other| other == mark) {
                known.marks.push(mark.to_owned());
            }
            return None;
        }
        let crowded = self.0.len() >= FAULTS_MAX;
        let gone = crowded.then(|| self.0.remove(0)).filter(|fault| !fault.overdue);
        let (marks, object) = (vec![mark.to_owned()], object.to_owned());
        self.0.push(FaultSeen { object, marks, since, until: since, overdue: false });
        gone.map(|fault| FaultOver { since: fault.since, counted: Some(false), minutes: None })
    }

    /// A mark of a fault ended.
    pub(crate) fn ended(&mut self, (mark, object): (&str, &str), until: Timestamp) {
        let held = |known: &&mut FaultSeen| known.object == object && known.marks.iter().any(|other| other == mark);
        if let Some(known) = self.0.iter_mut().rfind(held) {
            known.marks.retain(|other| other != mark);
            known.until = known.until.max(until);
        }
    }

    /// A mark of a fault was withdrawn: what it alone said never was.
    pub(crate) fn withdrawn(&mut self, (mark, object): (&str, &str), since: Timestamp) {
        self.0.retain_mut(|known| {
            let own = known.object == object && known.since == since;
            known.marks.retain(|other| !own || other != mark);
            !own || !known.marks.is_empty()
        });
    }

    /// What can be counted by now.
    pub(crate) fn decide(&mut self, rules: &ScoreRules, now: Timestamp) -> Vec<FaultOver> {
        let mut decided = Vec::new();
        self.0.retain_mut(|fault| {
            let limit = rules.repair_limit(fault.since);
            if fault.marks.is_empty() && now.0.saturating_sub(fault.until.0) >= ScoreRules::PAUSE {
                let minutes = u32::try_from((fault.until.0 - fault.since.0) / 60_000_000).unwrap_or(u32::MAX);
                let counted = (!fault.overdue).then_some(fault.until <= limit);
                decided.push(FaultOver { since: fault.since, counted, minutes: Some(minutes) });
                return false;
            }
            if !fault.marks.is_empty() && now > limit && !fault.overdue {
                fault.overdue = true;
                decided.push(FaultOver { since: fault.since, counted: Some(false), minutes: None });
            }
            true
        });
        decided
    }
}
