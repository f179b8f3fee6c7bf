//! What judgement knows, as JSON: days, alerts and cases, for the command line and the status page.
//!
//! What must stay true: one form for both; lists are bounded ([`SHOWN_MAX`]) and say how many were left out; nothing is judged here.

use serde_json::{Value, json};

use hj212_cases::{Case, Rules as CaseRules};
use hj212_interpret::{DayKnown, Interpreter};
use hj212_judgement::alerts::Alert;
use hj212_judgement::{Cell, Outcome, Picture, Stage, Windows, Words, calendar};
use hj212_marking::{Mark, explain};
use hj212_model::message::Timestamp;

/// Alerts and cases that are shown at most.
pub const SHOWN_MAX: usize = 2_000;

/// Days of an outlet that are shown: those that judgement remembers.
const DAYS: i32 = 35;

/// A furnace test of a day.
type FurnaceDay = (String, Windows, Outcome, Stage, Words);

/// The alerts that are open, of one station or of all, the worst first.
#[must_use]
pub fn open_alerts<'i>(interpreter: &'i Interpreter, mn: Option<&str>) -> Vec<(std::borrow::Cow<'i, str>, &'i Alert)> {
    let mut found: Vec<_> = interpreter.open_alerts().filter(|(of, _)| mn.is_none_or(|mn| mn == of)).collect();
    found.sort_by(|(one, a), (two, b)| (b.rank, one, &a.code).cmp(&(a.rank, two, &b.code)));
    found
}

/// One alert, with when an answer and the end of the work are due.
#[must_use]
pub fn alert(interpreter: &Interpreter, mn: &str, alert: &Alert) -> Value {
    let rules = interpreter.alert_rules();
    let colour = rules.and_then(|rules| rules.colour(alert.rank));
    // What is due follows from the settled days alone.
    let settled = rules.and_then(|rules| rules.colour(alert.settled.unwrap_or(alert.rank)));
    let task = rules.zip(settled).and_then(|(rules, colour)| rules.task(&colour.id));
    let due = task.zip(rules).zip(alert.since).map(|((task, rules), since)| {
        (task.to.as_str(), rules.due(since, task.reply).to_rfc3339(), rules.due(since, task.finish).to_rfc3339())
    });
    json!({
        "mn": mn, "alert": alert.id(), "code": alert.code, "colour": colour.map(|colour| &colour.id),
        "stage": alert.stage.name(), "since": calendar::text(alert.first), "to": due.as_ref().map(|due| due.0),
        "reply_by": due.as_ref().map(|due| &due.1), "finish_by": due.as_ref().map(|due| &due.2),
    })
}

/// All alerts that are open, and the colours of the rules in force, the lowest first.
#[must_use]
pub fn alerts(interpreter: &Interpreter) -> Value {
    let rules = interpreter.alert_rules();
    let found = open_alerts(interpreter, None);
    let shown: Vec<Value> = found.iter().take(SHOWN_MAX).map(|(mn, one)| alert(interpreter, mn, one)).collect();
    let colours: Vec<Value> = rules
        .map(|rules| rules.colours.iter().map(|colour| json!({ "id": colour.id, "zh": colour.zh })).collect())
        .unwrap_or_default();
    json!({
        "enabled": rules.is_some(), "placeholder": rules.is_some_and(|rules| rules.placeholder), "colours": colours,
        "left_out": found.len().saturating_sub(shown.len()), "alerts": shown, "time": interpreter.time().to_rfc3339(),
    })
}

/// A case with its station.
#[must_use]
pub fn case(rules: &CaseRules, case: &Case) -> Value {
    let mut view = case.view(rules);
    if let Some(view) = view.as_object_mut() {
        view.insert("mn".into(), case.mn.clone().into());
    }
    view
}

/// All cases that are remembered, what is due first at the top, ended ones last; without their steps, which [`case`] has.
#[must_use]
pub fn cases(interpreter: &Interpreter) -> Value {
    let rules = CaseRules::built_in();
    let mut found: Vec<&Case> = interpreter.cases().all().collect();
    found.sort_by_key(|case| (case.state.is_end(), case.due_at().unwrap_or(Timestamp(i64::MAX)), &case.mn, &case.id));
    let shown: Vec<Value> = found.iter().take(SHOWN_MAX).map(|one| brief(&rules, one)).collect();
    json!({ "left_out": found.len().saturating_sub(shown.len()), "cases": shown, "time": interpreter.time().to_rfc3339() })
}

/// A case without its steps.
fn brief(rules: &CaseRules, one: &Case) -> Value {
    let mut view = case(rules, one);
    view.as_object_mut().map(|view| view.remove("history"));
    view
}

fn factor(code: &str, picture: &Picture) -> Value {
    let judged = &picture.judged;
    json!({
        "code": code, "limit": picture.limit.view(), "stage": picture.stage.name(), "revision": picture.revision,
        "outcome": judged.outcome.name(), "reasons": judged.reasons.iter().map(|r| r.name()).collect::<Vec<_>>(),
        "reported": judged.reported.map(|v| v.to_string()), "marked": judged.marked.map(|v| v.text(6)),
        "exempt": judged.exempt.map(|v| v.text(6)), "ratio": judged.ratio.map(hj212_judgement::Ratio::times_text),
        "explain": picture.words.view(),
    })
}

fn furnace((code, windows, outcome, stage, words): &FurnaceDay) -> Value {
    json!({ "code": code, "seen": windows.seen, "low": windows.low, "lifted": windows.lifted, "outcome": outcome.name(),
        "stage": stage.name(), "explain": words.view() })
}

/// A day of an outlet with its hours, and the mean of the day as it stood after each of them.
#[must_use]
pub fn day(found: &DayKnown) -> Value {
    let value = |cell: &Cell| cell.value().map(|value| value.to_string());
    let whole = |(code, picture): &(String, Picture)| {
        let mut view = factor(code, picture);
        let hours: Vec<_> =
            picture.cells.iter().map(|cell| json!([value(cell), cell.worth().map(|w| w.name())])).collect();
        if let Some(view) = view.as_object_mut() {
            view.insert("hours".into(), hours.into());
            let course: Vec<_> = picture.course.iter().map(|mean| mean.map(|mean| mean.text(6))).collect();
            view.insert("course".into(), json!(course));
        }
        view
    };
    json!({
        "factors": found.factors.iter().map(whole).collect::<Vec<_>>(),
        "furnaces": found.furnaces.iter().map(furnace).collect::<Vec<_>>(),
    })
}

/// The same of a station's day with what people entered over it. `None`: no such station.
#[must_use]
pub fn day_of(interpreter: &Interpreter, mn: &str, number: i32) -> Option<Value> {
    let found = interpreter.judged(mn, number, None)?;
    let (from, to) = (calendar::start(number), Timestamp(calendar::start(number.saturating_add(1)).0 - 1));
    let marks = interpreter.marks_over(mn, None, from, to).unwrap_or_default();
    let entered = |mark: &&Mark| mark.said.is_some();
    let told = |mark: &Mark| {
        let words = explain(interpreter.rule_book(), mark);
        json!({ "mark": mark.mark, "object": mark.object, "entry": mark.by, "since": mark.since.to_rfc3339(),
            "until": mark.until.map(Timestamp::to_rfc3339), "explain": { "zh": words.zh, "en": words.en } })
    };
    let mut view = day(&found);
    if let Some(view) = view.as_object_mut() {
        view.insert("day".into(), calendar::text(number).into());
        view.insert("marks".into(), marks.iter().filter(entered).take(SHOWN_MAX).map(told).collect());
    }
    Some(view)
}

/// The days of a station that are remembered, by day, the oldest first. `None`: no such station.
#[must_use]
pub fn days(interpreter: &Interpreter, mn: &str) -> Option<Value> {
    let today = calendar::day_of(interpreter.time());
    let mut days = Vec::new();
    for number in today.saturating_sub(DAYS - 1)..=today {
        let found = interpreter.judged(mn, number, None)?;
        if found.factors.is_empty() && found.furnaces.is_empty() {
            continue;
        }
        let factors: Vec<Value> = found.factors.iter().map(|(code, picture)| factor(code, picture)).collect();
        let furnaces: Vec<Value> = found.furnaces.iter().map(furnace).collect();
        days.push(json!({ "day": calendar::text(number), "factors": factors, "furnaces": furnaces }));
    }
    let open = open_alerts(interpreter, Some(mn));
    let alerts: Vec<Value> = open.iter().map(|(mn, one)| alert(interpreter, mn, one)).collect();
    let rules = CaseRules::built_in();
    let own = interpreter.cases().all().filter(|case| case.mn == mn && !case.state.is_end());
    let cases: Vec<Value> = own.take(SHOWN_MAX).map(|one| brief(&rules, one)).collect();
    Some(json!({ "today": calendar::text(today), "days": days, "alerts": alerts, "cases": cases }))
}
