//! What is judged, and what comes of it: observations in, verdicts out. Types alone, and the limits of time that several parts share.

use std::sync::Arc;

use serde_json::Value;

use super::expr::SECOND;
use super::mark::{Input, Mark};
use super::revision::Revision;
use super::rules::Validity;
use hj212_model::message::kind::Span;
use hj212_model::message::{Kind, Timestamp};

/// Values further apart than this do not belong to one hold.
pub(super) const HOLD_GAP_MAX: i64 = 2 * 3600 * SECOND;
/// How often silence, limits and ends are looked at when nothing else happens.
pub const SWEEP: i64 = 60 * SECOND;
/// How far before a mark's begin an exceedance counts as its neighbour.
pub(super) const BEFORE: i64 = 3600 * SECOND;

/// One value of a report.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The canonical code.
    pub code: &'a str,
    /// The value that rules compare: of sampled data Rtd, of periods Avg; verbatim.
    pub text: &'a str,
    /// The value that emission limits are compared with, where it is another: converted to standard oxygen (折算), verbatim.
    pub judged: Option<&'a str>,
    /// Whether there is certainly no value, although a text was said (`--`, -9999).
    pub none: bool,
    /// Whether it may be no value: it is published as neither valid nor not, unless something makes it invalid.
    pub doubtful: bool,
    /// The station's mark of the item; `None`: it said none.
    pub flag: Option<&'a str>,
}

/// One report of a station.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// When it came.
    pub at: Timestamp,
    /// Its data time, if it has one.
    pub data: Option<Timestamp>,
    /// What it is.
    pub kind: Kind,
    /// Its values.
    pub readings: &'a [Reading<'a>],
}

/// What the marks make of one reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// By the rules on the reading alone: what its own flag and value say.
    pub own: Option<Validity>,
    /// `None`: nothing is known of it.
    pub validity: Option<Validity>,
    /// The marks on it, `set:id`, without proposals.
    pub marks: Vec<String>,
    /// Marks that are only proposed.
    pub proposed: Vec<String>,
    /// For periods: what finer values say.
    pub recomputed: Option<Box<Recomputed>>,
}

/// A period's validity by its finer values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recomputed {
    /// The result.
    pub valid: bool,
    /// Usable finer values.
    pub good: u32,
    /// Finer values that came.
    pub seen: u32,
    /// Finer values that were due.
    pub expected: u32,
    /// What was needed, as the rule says it.
    pub needed: Arc<str>,
    /// The clause.
    pub clause: Arc<str>,
    /// What its own flag should say, where a rule says it: another question, by another clause.
    pub flag: Option<FlagCheck>,
}

/// What the flag of a period should say by its finer values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagCheck {
    /// Whether it should be N.
    pub valid: bool,
    /// What is needed, as the rule says it.
    pub needed: Arc<str>,
    /// The clause.
    pub clause: Arc<str>,
}

/// Something to be published as an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// `mark-begin`, `mark-end`, `mark-proposed`, `mark-confirmed`, `mark-withdrawn`, `mark-conflict`, `limit-near`, `limit-spent`,
    /// `limit-free`, `flag-differs`, `marks-forgotten`, `mark-ruled`, `revisions-cut`, `late-values`
    pub kind: &'static str,
    /// When, by the data.
    pub at: Timestamp,
    /// The mark, as it is now.
    pub mark: Option<Mark>,
    /// What else there is to say.
    pub detail: Value,
}

/// A conflict as values; the happening `mark-conflict` says the same for publication.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictFound {
    /// `set:id`
    pub name: String,
    /// What it was found on.
    pub object: String,
    /// The mark that it contradicts; empty: the act itself is forbidden.
    pub mark: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The clause.
    pub clause: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was found, by the data.
    pub at: Timestamp,
    /// What it was found by, as far as that is known still.
    pub inputs: Vec<Input>,
}

/// What a report, a tick or an entry gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MarkVerdict {
    /// One for each reading of the observation.
    pub readings: Vec<Judged>,
    /// In the order in which they happened.
    pub happenings: Vec<Happening>,
    /// What was published of periods before and is put right.
    pub revisions: Vec<Revision>,
    /// The conflicts among the happenings.
    pub conflicts: Vec<ConflictFound>,
}

impl MarkVerdict {
    pub(super) fn clear(&mut self) {
        self.readings.clear();
        self.happenings.clear();
        self.revisions.clear();
        self.conflicts.clear();
    }

    pub(super) fn add(&mut self, kind: &'static str, at: i64, mark: Option<Mark>, detail: Value) {
        self.happenings.push(Happening { kind, at: Timestamp(at), mark, detail });
    }
}

/// The level of a kind: 0 sampled, 1 minutes, 2 hours, 3 days.
pub(super) fn rank(kind: Kind) -> u8 {
    match kind.span() {
        Span::Instant | Span::Timeless => 0,
        Span::Minute | Span::FiveMinutes => 1,
        Span::Hour => 2,
        Span::Day => 3,
    }
}

/// Whether it is one of the periods that finer values make.
pub(super) const fn is_period(kind: Kind) -> bool {
    matches!(kind, Kind::Minute | Kind::Hour | Kind::Day)
}
