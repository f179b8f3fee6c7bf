//! L1 恒值: the same text for a long time. The time counts from the first equal value.
//!
//! Guards: the cycle of an analyser, learned from the runs of equal values before (what measures every two hours says each value twice); values
//! whose last digit is coarse; zeros; late values, which neither lengthen nor end a run.

use serde::{Deserialize, Serialize};

use super::super::amount::{Fraction, LeadMedium, RuleSpan};
use super::super::finding::{Finding, LeadInput};
use super::super::seen::{LeadGrain, ValueSeen};
use super::super::words::{MINUTE, clock, hours, minute, of_minute};
use hj212_judgement::{Decimal, Words, calendar};

/// Runs that are remembered, to know how long values stay the same by nature.
const RUNS_KEPT: usize = 16;
/// With fewer runs the cycle of an analyser is not known yet: then a run must be [`UNKNOWN_LONGER`] times as long.
const RUNS_NEEDED: usize = 4;
const UNKNOWN_LONGER: i64 = 4;
/// Where minutes came within this time, hours are not looked at: they are means of the same values. Minutes.
const MINUTES_FRESH: i32 = 24 * 60;

/// `[[constant]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantRule {
    /// The medium it is about.
    pub medium: LeadMedium,
    /// The data it is about.
    pub grain: LeadGrain,
    /// So long.
    pub span: RuleSpan,
    /// So many values.
    pub values: u32,
    /// One unit of the last digit is at most this part of the value.
    pub step_max: Fraction,
    /// So many times as long as the longest run before.
    pub longer: u32,
    /// A longer gap ends a run.
    pub gap: RuleSpan,
    /// A run that goes on is said again so often.
    pub again: RuleSpan,
    /// Whether zeros count.
    pub zeros: bool,
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

/// The run at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConstantState {
    value: Option<Decimal>,
    /// Minutes from 1970.
    since: i32,
    last: i32,
    count: u32,
    /// The records of the first and of the latest value.
    first: u64,
    newest: u64,
    /// How long the latest runs were, in values; negative: it was found.
    runs: Vec<i16>,
    next: u8,
    /// When the run was said last.
    said: Option<i32>,
}

pub(in super::super) fn look(
    states: &mut [ConstantState; 2],
    rules: &[ConstantRule],
    seen: &ValueSeen<'_>,
) -> Option<Finding> {
    let medium = LeadMedium::of(seen.code);
    let rule = rules.iter().find(|rule| rule.medium == medium && rule.grain == seen.grain)?;
    let minutes = states.first().map_or(0, |minutes| minutes.last);
    if seen.grain == LeadGrain::Hour && minute(seen.at).saturating_sub(minutes) < MINUTES_FRESH {
        return None;
    }
    let state = states.get_mut(usize::from(seen.grain == LeadGrain::Hour))?;
    let value = seen.measured.filter(|_| !seen.out && !seen.unusable);
    let at = minute(seen.at);
    let Some(value) = value else {
        // What is no value of normal operation ends the run.
        return if at > state.last { state.end(rule, seen.code) } else { None };
    };
    if state.value.is_some() && at <= state.last {
        return None;
    }
    let near = i64::from(at.saturating_sub(state.last)) * MINUTE <= rule.gap.0;
    if state.value == Some(value) && near {
        (state.last, state.newest) = (at, seen.offset);
        state.count = state.count.saturating_add(1);
        return state.found(rule, seen.code, at);
    }
    let ended = state.end(rule, seen.code);
    *state = ConstantState {
        value: Some(value),
        since: at,
        last: at,
        count: 1,
        first: seen.offset,
        newest: seen.offset,
        runs: std::mem::take(&mut state.runs),
        next: state.next,
        said: None,
    };
    ended
}

impl ConstantState {
    /// Ends the run; one that was found is said once more, with its end.
    fn end(&mut self, rule: &ConstantRule, code: &str) -> Option<Finding> {
        let value = self.value.take()?;
        let said = self.said.take();
        let length = i16::try_from(self.count).unwrap_or(i16::MAX);
        let run = if said.is_some() { -length } else { length };
        match self.runs.get_mut(usize::from(self.next)) {
            Some(slot) => *slot = run,
            None => self.runs.push(run),
        }
        self.next = u8::try_from((usize::from(self.next) + 1) % RUNS_KEPT).unwrap_or(0);
        said.filter(|said| *said < self.last).map(|_| self.finding(rule, code, value))
    }

    fn found(&mut self, rule: &ConstantRule, code: &str, at: i32) -> Option<Finding> {
        let known = self.runs.len() >= RUNS_NEEDED;
        let span = if known { rule.span.0 } else { rule.span.0.saturating_mul(UNKNOWN_LONGER) };
        if self.count < rule.values || self.lasted() * MINUTE < span {
            return None;
        }
        if self.count < rule.values.saturating_mul(self.usual()) {
            return None;
        }
        let value = self.value?;
        let again = self.said.is_none_or(|said| i64::from(at.saturating_sub(said)) * MINUTE >= rule.again.0);
        if !again || !is_fine(value, rule) || self.count < self.longest().saturating_mul(rule.longer) {
            return None;
        }
        self.said = Some(at);
        Some(self.finding(rule, code, value))
    }

    /// How long the run is, the period of its last value included, in minutes.
    fn lasted(&self) -> i64 {
        let between = i64::from(self.last.saturating_sub(self.since));
        between + between / i64::from(self.count.saturating_sub(1)).max(1)
    }

    /// The longest run before that was not found.
    fn longest(&self) -> u32 {
        self.runs.iter().filter_map(|run| u32::try_from(*run).ok()).max().unwrap_or(1).max(1)
    }

    /// How long half of the runs before were, or longer: what measures every four hours says each value four times.
    fn usual(&self) -> u32 {
        let mut all: Vec<u32> = self.runs.iter().map(|run| u32::from(run.unsigned_abs())).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(1).max(1)
    }

    fn finding(&self, rule: &ConstantRule, code: &str, value: Decimal) -> Finding {
        let (since, until) = (of_minute(self.since), of_minute(self.last));
        let (count, long) = (self.count, hours(self.lasted()));
        let input = |offset, at| LeadInput { offset, at, value: value.to_string() };
        Finding {
            code: code.to_owned(),
            rank: rule.rank,
            day: calendar::day_of(since),
            since,
            until,
            numbers: vec![
                ("value", value.to_string()),
                ("values", count.to_string()),
                ("hours", long.clone()),
                ("usual_run", self.usual().to_string()),
                ("longest_run", self.longest().to_string()),
            ],
            inputs: vec![input(self.first, since), input(self.newest, until)],
            guards: vec!["not-out-of-service", "cycle", "resolution", "no-zeros"],
            words: Words {
                zh: format!("请核查：{code} 自 {} 起连续 {count} 个值同为 {value}，历时 {long} 小时。", clock(since)),
                en: format!(
                    "Look here: from {} on {code} said {value} in {count} values in a row, for {long} hours.",
                    clock(since)
                ),
            },
            clause: rule.clause.clone(),
            certainty: rule.certainty.clone(),
            act: rule.act.clone(),
            act_certainty: rule.act_certainty.clone(),
            same_within: 0,
        }
    }
}

/// Whether the value is written so finely that staying the same means anything.
fn is_fine(value: Decimal, rule: &ConstantRule) -> bool {
    let units = i64::from(value.parts().0).abs();
    // One unit of the last digit as a part of the value.
    if units == 0 { rule.zeros } else { Fraction::WHOLE <= rule.step_max.0.saturating_mul(units) }
}
