//! What an hour of one factor comes to.
//!
//! What must stay true: an hour has the value that its logger reported of it, or none; what it is worth decides which of the three values it is.

use super::day::Reason;
use super::decimal::{Decimal, Ratio};
use super::history::Cell;
use super::limits::Limit;
use super::outcome::Outcome;
use hj212_marking::Validity;

/// An hour, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourJudged {
    /// What the logger said of the hour.
    pub reported: Option<Decimal>,
    /// The same, if it is usable and not excluded.
    pub marked: Option<Decimal>,
    /// The same, if it is judged.
    pub exempt: Option<Decimal>,
    /// Usable minute means, and those that were due, where they are known.
    pub minutes: Option<(u8, u8)>,
    /// The outcome.
    pub outcome: Outcome,
    /// Why there is none.
    pub reason: Option<Reason>,
    /// How many times the limit the last value is.
    pub ratio: Option<Ratio>,
}

/// Judges an hour.
pub(super) fn judge(limit: &Limit, cell: Cell) -> HourJudged {
    let worth = cell.worth();
    let reported = cell.value();
    let marked = reported.filter(|_| worth.is_none_or(Validity::is_usable));
    let exempt = marked.filter(|_| worth.is_none_or(Validity::is_judged));
    let over = exempt.map(|value| Ratio::of(value).exceeds(limit.max, limit.decimals));
    let (outcome, reason) = match (worth, over) {
        (Some(Validity::Excluded), _) => (Outcome::NotJudged, Some(Reason::AllExcluded)),
        (Some(Validity::Exempt), _) if marked.is_some() => (Outcome::NotJudged, Some(Reason::AllExempt)),
        (_, None) => (Outcome::NotJudged, Some(Reason::Invalid)),
        (Some(Validity::Conditional), Some(_)) => (Outcome::LeftToPeople, Some(Reason::Conditional)),
        (_, Some(true)) => (Outcome::Exceeded, None),
        (_, Some(false)) => (Outcome::Met, None),
    };
    let ratio = exempt.and_then(|value| limit.times(Ratio::of(value)));
    let minutes = (cell.due > 0).then_some((cell.good, cell.due));
    HourJudged { reported, marked, exempt, minutes, outcome, reason, ratio }
}
