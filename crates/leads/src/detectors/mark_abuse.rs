//! L5 标记与超标重合: hours above the limit are followed by marks that people enter, more often than chance would have it.
//!
//! Runs of hours above are noted as they come, before marks; whether marks follow them is looked at when the entries of a day are closed, so what
//! was withdrawn or annulled by then counts no more.
//!
//! Guards: at least so many runs; marks of rules and devices do not count; marks that begin before values rise by their nature do not, nor do hours that
//! the station's own flag calls unusable.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::amount::{Fraction, RuleSpan, percent};
use super::super::asked::{ByHand, MarksAsked};
use super::super::cap::Cap;
use super::super::finding::{Finding, LeadInput};
use super::super::seen::{LeadGrain, ValueSeen};
use super::super::words::{MINUTE, clock, hours, micro, minute, of_minute};
use super::super::{INPUTS_MAX, RUNS_MAX};
use hj212_judgement::{Decimal, Words, calendar};
use hj212_model::message::Timestamp;

/// An hour, in minutes.
const HOUR: i32 = 60;

/// `[mark_abuse]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkAbuseRule {
    /// Runs of so many days count.
    pub days: u32,
    /// So many runs.
    pub runs: u32,
    /// Of which so many are followed by a mark,
    pub followed: u32,
    /// and this part.
    pub share: Fraction,
    /// From so many runs on, all of them followed, the rank is one higher.
    pub every: u32,
    /// A mark begins no more than this before the run.
    pub before: RuleSpan,
    /// And no more than this after it.
    pub after: RuleSpan,
    /// Marks of devices by hand of so many hours in seven days are named beside it.
    pub hours_week: u32,
    /// Marks that do not count.
    pub leave_out: Vec<String>,
    /// 1 to 3.
    pub rank: u8,
    /// The clause or source.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
    /// The act it is about.
    pub act: String,
    /// How sure that is.
    pub act_certainty: String,
}

/// Hours in a row above the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct AboveRun {
    /// The first hour, and the end of the last one, in minutes from 1970.
    first: i32,
    end: i32,
    /// The record of the first, and its value.
    offset: u64,
    value: Decimal,
}

/// The runs of the latest days, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AboveState {
    runs: VecDeque<AboveRun>,
}

/// Notes an hour.
pub(in super::super) fn note(state: &mut AboveState, cap: Option<Cap>, rule: &MarkAbuseRule, seen: &ValueSeen<'_>) {
    let Some(cap) = cap.filter(|_| seen.grain == LeadGrain::Hour && !seen.unusable) else { return };
    let Some(value) = cap.said(seen).filter(|value| micro(*value) > cap.most()) else { return };
    let at = minute(seen.at);
    let runs = &mut state.runs;
    let old = at.saturating_sub(i32::try_from(rule.days).unwrap_or(i32::MAX).saturating_mul(24 * HOUR));
    while runs.len() >= RUNS_MAX || runs.front().is_some_and(|run| run.end < old) {
        runs.pop_front();
    }
    match runs.back_mut() {
        Some(run) if at < run.end => {}
        Some(run) if at == run.end => run.end = at.saturating_add(HOUR),
        Some(_) | None => {
            runs.push_back(AboveRun { first: at, end: at.saturating_add(HOUR), offset: seen.offset, value })
        }
    }
}

pub(in super::super) fn look(
    state: &AboveState,
    (code, cap): (&str, Cap),
    day: i32,
    marks: &dyn MarksAsked,
    rule: &MarkAbuseRule,
) -> Option<Finding> {
    let end = minute(calendar::start(day.saturating_add(1)));
    let begin = minute(calendar::start(day.saturating_add(1).saturating_sub(i32::try_from(rule.days).unwrap_or(1))));
    let within: Vec<AboveRun> = state.runs.iter().filter(|run| (begin..end).contains(&run.first)).copied().collect();
    let today = within.iter().any(|run| calendar::day_of(of_minute(run.first)) == day);
    if !today || within.len() < rule.runs as usize {
        return None;
    }
    let followed: Vec<(AboveRun, ByHand)> =
        within.iter().filter_map(|run| Some((*run, following(rule, run, code, marks)?))).collect();
    let (all, covered) = (i64::try_from(within.len()).ok()?, i64::try_from(followed.len()).ok()?);
    if covered < i64::from(rule.followed) || !rule.share.reached(covered, all) {
        return None;
    }
    Some(finding(rule, code, cap, (day, &within, &followed), marks))
}

/// The mark by hand that follows a run.
fn following(rule: &MarkAbuseRule, run: &AboveRun, code: &str, marks: &dyn MarksAsked) -> Option<ByHand> {
    let (from, to) = (of_minute(run.first).0 - rule.before.0, of_minute(run.end).0 + rule.after.0);
    let mut found = marks.by_hand(code, Timestamp(from), Timestamp(to));
    found.retain(|mark| (from..=to).contains(&mark.since.0) && !rule.leave_out.contains(&mark.mark));
    found.into_iter().min_by(|one, other| (one.since, &one.entry).cmp(&(other.since, &other.entry)))
}

fn finding(
    rule: &MarkAbuseRule,
    code: &str,
    cap: Cap,
    (day, within, followed): (i32, &[AboveRun], &[(AboveRun, ByHand)]),
    marks: &dyn MarksAsked,
) -> Finding {
    let (all, covered) = (within.len(), followed.len());
    let every = all == covered && all >= rule.every as usize;
    // A mark that ends with the values: within the hour in which they fell.
    let tight = |(run, mark): &&(AboveRun, ByHand)| {
        mark.until.is_some_and(|until| {
            minute(until) <= run.end.saturating_add(HOUR) && minute(until) >= run.end.saturating_sub(HOUR)
        })
    };
    let tight = followed.iter().filter(tight).count();
    let week = calendar::start(day.saturating_add(1)).0;
    let by_hand = of_devices(code, (week - 7 * calendar::DAY, week), marks);
    let share = percent(i64::try_from(covered).unwrap_or(0), i64::try_from(all).unwrap_or(1));
    let since = within.first().map_or(Timestamp(week), |run| of_minute(run.first));
    let until = within.last().map_or(Timestamp(week), |run| of_minute(run.end));
    let days = rule.days;
    let mut numbers = vec![
        ("limit", cap.max.to_string()),
        ("runs", all.to_string()),
        ("followed", covered.to_string()),
        ("share", share.clone()),
        ("end_with_values", tight.to_string()),
    ];
    if by_hand > i64::from(rule.hours_week) * i64::from(HOUR) {
        numbers.push(("device_hours_week", hours(by_hand)));
    }
    let skip = covered.saturating_sub(INPUTS_MAX);
    let input = |(run, _): &(AboveRun, ByHand)| LeadInput {
        offset: run.offset,
        at: of_minute(run.first),
        value: run.value.to_string(),
    };
    Finding {
        code: code.to_owned(),
        rank: if every { rule.rank.saturating_add(1).min(3) } else { rule.rank },
        day,
        since,
        until,
        numbers,
        inputs: followed.iter().skip(skip).map(input).collect(),
        guards: vec!["enough-runs", "by-hand-alone", "no-start-no-stop", "entries-closed"],
        words: Words {
            zh: format!(
                "请核查：{code} 在 {days} 天内 {all} 次超过限值 {}，其中 {covered} 次（{share}）随后有人工标记，{tight} 次标记随数值回落结束。首次为 {}。",
                cap.max,
                clock(since)
            ),
            en: format!(
                "Look here: {code} rose above the limit {} {all} times in {days} days; {covered} times ({share}) marks by hand followed, {tight} of them \
                 ended as the values fell. The first time was {}.",
                cap.max,
                clock(since)
            ),
        },
        clause: rule.clause.clone(),
        certainty: rule.certainty.clone(),
        act: rule.act.clone(),
        act_certainty: rule.act_certainty.clone(),
        same_within: i64::from(rule.days) * calendar::DAY,
    }
}

/// Minutes under marks of devices by hand.
fn of_devices(code: &str, (from, to): (i64, i64), marks: &dyn MarksAsked) -> i64 {
    let mut spans: Vec<(i64, i64)> = marks
        .by_hand(code, Timestamp(from), Timestamp(to))
        .iter()
        .filter(|mark| mark.device)
        .map(|mark| (mark.since.0.max(from), mark.until.map_or(to, |until| until.0).min(to)))
        .collect();
    spans.sort_unstable();
    let (mut sum, mut reached) = (0, from);
    for (begin, end) in spans {
        sum += (end - begin.max(reached)).max(0);
        reached = reached.max(end);
    }
    sum / MINUTE
}
