//! Whether a step may be taken: by the table, by the rules, and by what is known of the station.
//!
//! What must stay true: nothing here changes a case; what is refused says in Chinese and English why.

use super::case::Case;
use super::rules::Rules;
use super::step::{Asked, Refusal, refusal};
use super::table::{Forbidden, Role, State, Step, next};
use hj212_model::message::Timestamp;
use hj212_model::names;

/// What is known of the station that a step is for.
#[derive(Clone, Copy)]
pub struct OfStation<'a> {
    /// Whether it is registered.
    pub registered: bool,
    /// Its outlet, by the tag `outlet`; may be empty.
    pub outlet: &'a str,
    /// Whether an alert of that factor is open.
    pub alerted: &'a dyn Fn(&str) -> bool,
    /// Whether a dictionary or a limit of the station knows that code.
    pub knows: &'a dyn Fn(&str) -> bool,
}

impl std::fmt::Debug for OfStation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfStation").field("registered", &self.registered).finish_non_exhaustive()
    }
}

/// Where the step leads, if the table and the rules allow it.
pub(crate) fn allowed(
    case: &Case,
    asked: &Asked,
    rules: &Rules,
    station: OfStation<'_>,
    at: Timestamp,
) -> Result<State, Refusal> {
    let (step, role) = (asked.written.step, asked.role);
    let to = next(step, role, case.state).map_err(|forbidden| match forbidden {
        Forbidden::Role => Refusal {
            code: "role".into(),
            zh: format!("{}不得执行“{}”", role.zh(), step.zh()),
            en: format!("{} is not for {}", step.name(), role.name()),
        },
        Forbidden::State => Refusal {
            code: "state".into(),
            zh: format!("案件处于“{}”，不能执行“{}”", case.state.zh(), step.zh()),
            en: format!("the case is {}: {} is not possible", case.state.name(), step.name()),
        },
    })?;
    if matches!(step, Step::Accept | Step::Close) && case.movers.contains(&names::folded(&asked.written.author)) {
        let (zh, en) = ("不得核定本人办理的事项", "nobody accepts what he did himself");
        return Err(refusal("own-step", zh, en));
    }
    match step {
        Step::Extend => extends(case, asked, at)?,
        Step::ToLaw => numbers(case, asked)?,
        Step::Close => closes(case, role, rules, station, at)?,
        Step::Open
        | Step::Sign
        | Step::Reply
        | Step::Done
        | Step::Accept
        | Step::Return
        | Step::Void
        | Step::Comment => {}
    }
    Ok(to)
}

fn extends(case: &Case, asked: &Asked, at: Timestamp) -> Result<(), Refusal> {
    if case.extended {
        return Err(refusal("extended", "只能延期一次", "more time is granted once"));
    }
    if asked.planned.is_none_or(|planned| planned <= at) {
        return Err(refusal("planned", "planned 须晚于现在", "planned must lie in the future"));
    }
    let due = case.due.as_ref().filter(|due| asked.planned.is_none_or(|planned| planned <= due.at));
    match due.map(|due| due.at.to_rfc3339()) {
        None => Ok(()),
        Some(due) => Err(Refusal {
            code: "planned".into(),
            zh: format!("planned 须晚于现有期限 {due}"),
            en: format!("planned must be later than what is due now, {due}"),
        }),
    }
}

/// The number of a file, once given, is another's to change only from the same place or above.
fn numbers(case: &Case, asked: &Asked) -> Result<(), Refusal> {
    let number = asked.written.number.trim();
    let Some(law) = case.law.as_ref().filter(|law| !number.is_empty() && law.number != number) else { return Ok(()) };
    match law.by.filter(|by| asked.role < *by) {
        None => Ok(()),
        Some(by) => Err(Refusal {
            code: "number-given".into(),
            zh: format!("案号 {} 由{}填写，只有同级或上级可以更改", law.number, by.zh()),
            en: format!(
                "the number {} was given by the {}: the same or a higher role may change it",
                law.number,
                by.name()
            ),
        }),
    }
}

fn closes(case: &Case, role: Role, rules: &Rules, station: OfStation<'_>, at: Timestamp) -> Result<(), Refusal> {
    if role == Role::City && !rules.city_closes(case.colour) {
        return Err(refusal("role", "该颜色的案件由省级销号", "a case of this colour is closed by the province"));
    }
    if (station.alerted)(&case.code) {
        let (zh, en) = ("该因子的预警尚未解除，不能销号", "an alert of this factor is still open: it is not closed");
        return Err(refusal("still-exceeding", zh, en));
    }
    if at.0.saturating_sub(case.since.0) < rules.watch() {
        return Err(refusal("too-early", "跟踪期未满", "the time in which the case is watched is not over"));
    }
    if case.law.as_ref().is_some_and(|law| law.number.is_empty()) {
        let (zh, en) =
            ("已移交立案，尚缺案号，不能销号", "handed over to law enforcement without the number of the file yet");
        return Err(refusal("number-missing", zh, en));
    }
    Ok(())
}
