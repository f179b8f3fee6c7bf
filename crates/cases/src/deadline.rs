//! What is due when.
//!
//! What must stay true: the clause that a case names is the one by which its deadline was set. A worse colour counts from when it was raised and gives
//! time, never more than there was and never none; what must be finished is due as counted from the first reply, whatever is returned; what exceeds
//! again after it was accepted begins anew.

use super::CLOSED_KEPT;
use super::case::Case;
use super::rules::{Deadline, Rules};
use super::table::State;
use hj212_model::message::Timestamp;

/// Brings the case to a state that begins at `at`.
pub(crate) fn enter(case: &mut Case, to: State, rules: &Rules, at: Timestamp) {
    case.state = to;
    case.since = at;
    let own = rules.due(case.state, case.colour, case.since);
    let due = match case.state {
        State::Replied => {
            case.finish = case.finish.take().or(own);
            case.finish.clone()
        }
        State::Signed if case.finish.is_some() => case.finish.clone(),
        State::Open | State::Signed | State::Done | State::CountyOk | State::CityOk | State::Closed | State::Void => {
            own
        }
    };
    set(case, due);
    if to.is_end() {
        case.alarm = Some(Timestamp(at.0.saturating_add(CLOSED_KEPT)));
    }
}

/// The colour of the case was raised at `at`: the time of the worse colour counts from there, and what was due sooner stays.
pub(crate) fn raise(case: &mut Case, rules: &Rules, at: Timestamp) {
    let sooner = |before: Deadline, state: State| match rules.due(state, case.colour, at) {
        Some(new) if new.at < before.at => new,
        Some(_) | None => before,
    };
    let before = case.due.clone();
    let finish = case.finish.clone().map(|finish| sooner(finish, State::Replied));
    let due = match case.state {
        State::Signed | State::Replied if finish.is_some() => finish.clone(),
        State::Open
        | State::Signed
        | State::Replied
        | State::Done
        | State::CountyOk
        | State::CityOk
        | State::Closed
        | State::Void => case.due.clone().map(|due| sooner(due, case.state)),
    };
    case.finish = finish;
    if due != before {
        set(case, due);
    }
}

/// The county has granted time until `planned`.
pub(crate) fn extend(case: &mut Case, planned: Timestamp) {
    let granted =
        Deadline { at: planned, clause: "县区批准延期 · granted by the county".into(), certainty: "I".into() };
    case.extended = true;
    case.finish = Some(granted.clone());
    set(case, Some(granted));
}

fn set(case: &mut Case, due: Option<Deadline>) {
    case.overdue = 0;
    case.alarm = due.as_ref().map(|due| due.at);
    case.due = due;
}
