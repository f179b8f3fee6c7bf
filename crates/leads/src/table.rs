//! Which detectors there are: one line each.
//!
//! What must stay true: a detector's id is published and keeps its meaning; a change of what it finds is a new version.

use LooksAt::{Conflicts, Days, Records, Station, Values};

use super::asked::MarksAsked;
use super::detectors::clock::{self, ClockState};
use super::detectors::{capped, constant, ledger, mark_abuse, revised, stopped_running};
use super::finding::Finding;
use super::rules::LeadRules;
use super::seen::{ConflictSeen, RecordSeen, ValueSeen};
use super::track::CodeTrack;

/// What a detector looks at.
#[derive(Debug, Clone, Copy)]
pub(super) enum LooksAt {
    /// Every value of a factor.
    Values(fn(&mut CodeTrack, &ValueSeen<'_>, &LeadRules) -> Option<Finding>),
    /// The times of records.
    Records(fn(&mut ClockState, &RecordSeen, &LeadRules) -> Option<Finding>),
    /// Conflicts of marks.
    Conflicts(fn(&ConflictSeen<'_>, &LeadRules) -> Option<Finding>),
    /// A day of a factor whose entries are closed.
    Days(fn(&mut CodeTrack, i32, &dyn MarksAsked, &LeadRules) -> Option<Finding>),
    /// A day of the station whose entries are closed.
    Station(fn(i32, &dyn MarksAsked, &LeadRules) -> Option<Finding>),
}

/// A detector.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    /// Its published id: `L1`.
    pub id: &'static str,
    /// Its version.
    pub version: u16,
    /// What it is called, in Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Whether a lead of it is taken back when the source was out of service at the time.
    pub quiet_while_out: bool,
    pub(super) looks: &'static [LooksAt],
}

/// All detectors, in the order in which they look.
#[rustfmt::skip]
pub const TABLE: &[Detector] = &[
    of("L1", 1, ("恒值", "constant value"), true, &[Values(|t, seen, r| constant::look(&mut t.constant, &r.constant, seen))]),
    of("L3", 1, ("设限", "values stop below a limit"), true, &[Values(|t, seen, r| capped::look(t.caps(), &mut t.capped, &r.capped, seen))]),
    of("L5", 1, ("标记与超标重合", "marks follow values above a limit"), false, &[Days(|t, day, marks, r| mark_abuse::look(&t.above, (&t.code, t.limit_of_hours()?), day, marks, r.mark_abuse.as_ref()?))]),
    of("L6", 1, ("标停未停", "runs while marked as stopped"), false, &[Conflicts(|seen, r| stopped_running::look(r.stopped_running.as_ref()?, seen))]),
    of("L8", 1, ("时钟异动", "clock goes off and back"), true, &[Records(|clock, seen, r| clock::look(clock, r.clock.as_ref()?, seen)), Values(|t, seen, r| clock::twice(&mut t.twice, r.clock.as_ref()?, seen))]),
    of("L11", 1, ("台账与标记不符", "ledger and flags disagree"), true, &[Station(|day, asked, r| ledger::look(r.ledger.as_ref()?, day, asked))]),
    of("L12", 1, ("事后改低", "lower after the fact"), true, &[Values(|t, seen, r| revised::look((t.limit_of_hours(), t.day), &mut t.revised, r.revised.as_ref()?, seen))]),
];

const fn of(
    id: &'static str,
    version: u16,
    (zh, en): (&'static str, &'static str),
    quiet_while_out: bool,
    looks: &'static [LooksAt],
) -> Detector {
    Detector { id, version, zh, en, quiet_while_out, looks }
}
