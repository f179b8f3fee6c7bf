//! L12 事后改低: an hour or a day that was above its limit comes again, much lower and not above it.
//!
//! Guards: the same value again, or a small correction, is nothing; what was never above is nothing; only what is remembered is compared.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::amount::{Fraction, percent};
use super::super::cap::Cap;
use super::super::finding::{Finding, LeadInput};
use super::super::seen::{LeadGrain, ValueSeen};
use super::super::words::{clock, micro, minute, of_minute};
use hj212_judgement::{Decimal, Words, calendar};

/// Hours that are remembered.
pub(in super::super) const HOURS_KEPT: usize = 48;
/// Days that are remembered.
pub(in super::super) const DAYS_KEPT: usize = 8;

/// `[revised]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevisedRule {
    /// Lower by so much of the former value.
    pub drop: Fraction,
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

/// A mean, as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct MeanSaid {
    /// Minutes from 1970.
    at: i32,
    value: Decimal,
    offset: u64,
}

/// The latest hours and days, each in the order in which they first came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RevisedState {
    hours: VecDeque<MeanSaid>,
    days: VecDeque<MeanSaid>,
}

pub(in super::super) fn look(
    (of_hours, of_days): (Option<Cap>, Option<Cap>),
    state: &mut RevisedState,
    rule: &RevisedRule,
    seen: &ValueSeen<'_>,
) -> Option<Finding> {
    let (kept, most, cap) = match seen.grain {
        LeadGrain::Minute => return None,
        LeadGrain::Hour => (&mut state.hours, HOURS_KEPT, of_hours?),
        LeadGrain::Day => (&mut state.days, DAYS_KEPT, of_days?),
    };
    let (at, value) = (minute(seen.at), cap.said(seen)?);
    let new = MeanSaid { at, value, offset: seen.offset };
    let Some(known) = kept.iter_mut().find(|known| known.at == at) else {
        if kept.len() >= most {
            kept.pop_front();
        }
        kept.push_back(new);
        return None;
    };
    let was = *known;
    if was.value == value {
        return None;
    }
    *known = new;
    let (before, after, limit) = (micro(was.value), micro(value), cap.most());
    let lower = before.saturating_sub(after);
    if seen.out || before <= limit || after > limit || !rule.drop.reached(lower, before) {
        return None;
    }
    let (former, max) = (was.value, cap.max);
    let (since, by) = (of_minute(at), percent(lower, before));
    let (zh, en) = if seen.grain == LeadGrain::Day {
        ("日均值", "the daily mean")
    } else {
        ("小时均值", "the hourly mean")
    };
    Some(Finding {
        code: seen.code.to_owned(),
        rank: rule.rank,
        day: calendar::day_of(since),
        since,
        until: since,
        numbers: vec![
            ("was", former.to_string()),
            ("is", value.to_string()),
            ("limit", max.to_string()),
            ("lower_by", by.clone()),
        ],
        inputs: vec![
            LeadInput { offset: was.offset, at: since, value: former.to_string() },
            LeadInput { offset: seen.offset, at: since, value: value.to_string() },
        ],
        guards: vec!["not-out-of-service", "was-above", "more-than-a-correction"],
        words: Words {
            zh: format!(
                "请核查：{} {} 的{zh}先报 {former}（限值 {max}），后又报 {value}，低 {by}。",
                seen.code,
                clock(since)
            ),
            en: format!(
                "Look here: {en} of {} at {} came as {former} (limit {max}) and later as {value}, {by} lower.",
                seen.code,
                clock(since)
            ),
        },
        clause: rule.clause.clone(),
        certainty: rule.certainty.clone(),
        act: rule.act.clone(),
        act_certainty: rule.act_certainty.clone(),
        same_within: 0,
    })
}
