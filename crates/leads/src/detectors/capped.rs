//! L3 设限: values pile up just below a limit, and none is above.
//!
//! Guards: at least so many values; the part at the limit stands out from the parts below; values of times out of service are left out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::amount::{Fraction, RuleSpan, percent};
use super::super::cap::Cap;
use super::super::finding::{Finding, LeadInput};
use super::super::seen::{LeadGrain, ValueSeen};
use super::super::words::{MINUTE, clock, minute, of_minute, whole};
use hj212_judgement::{Decimal, Words, calendar};
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;

/// `[[capped]]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CappedRule {
    /// The data it is about.
    pub grain: LeadGrain,
    /// Values are counted by spans of this length.
    pub bucket: RuleSpan,
    /// The window has so many.
    pub buckets: u32,
    /// So many values in it.
    pub values: u32,
    /// This part below the limit is just below it.
    pub near: Fraction,
    /// Of so large a part of the values.
    pub share: Fraction,
    /// So many times as many as in each of the two parts below.
    pub peak: u32,
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

/// Values of one span, by where they lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct CapBucket {
    all: u16,
    /// Just below the limit, or at it.
    near: u16,
    /// In the two parts below that, together.
    below: u16,
    above: u16,
}

/// The window of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CapWindow {
    cap: Cap,
    /// The number of the newest bucket.
    newest: i32,
    buckets: VecDeque<CapBucket>,
    /// The latest value just below the limit: when, its record, as said.
    last: Option<(i32, u64, Decimal)>,
    /// The bucket at which the window was said last.
    said: Option<i32>,
}

/// The windows of the limits that hold: at most two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CappedState {
    windows: Vec<CapWindow>,
}

pub(in super::super) fn look(
    caps: [Option<Cap>; 2],
    states: &mut [CappedState; 2],
    rules: &[CappedRule],
    seen: &ValueSeen<'_>,
) -> Option<Finding> {
    let rule = rules.iter().find(|rule| rule.grain == seen.grain)?;
    if seen.out || seen.unusable {
        return None;
    }
    let state = states.get_mut(usize::from(seen.grain == LeadGrain::Hour))?;
    state.windows.retain(|window| caps.contains(&Some(window.cap)));
    let mut found = None;
    for cap in caps.into_iter().flatten() {
        let Some(value) = cap.value(seen) else { continue };
        let at = match state.windows.iter().position(|window| window.cap == cap) {
            Some(at) => at,
            None => {
                state.windows.push(CapWindow {
                    cap,
                    newest: i32::MIN,
                    buckets: VecDeque::new(),
                    last: None,
                    said: None,
                });
                state.windows.len() - 1
            }
        };
        let Some(window) = state.windows.get_mut(at) else { continue };
        found = window.count(rule, seen, value).or(found);
    }
    found
}

/// µs of Beijing time: buckets are its hours and days.
const fn local(at: i64) -> i64 {
    at.saturating_add(BEIJING_OFFSET_SECONDS as i64 * calendar::SECOND)
}

impl CapWindow {
    /// Counts a value. What is found stands in the buckets that are full.
    fn count(&mut self, rule: &CappedRule, seen: &ValueSeen<'_>, value: i64) -> Option<Finding> {
        let number = whole(local(seen.at.0).div_euclid(rule.bucket.0));
        let mut found = None;
        if self.buckets.is_empty() || number > self.newest {
            found = self.judge(rule, seen.code);
            let passed = if self.buckets.is_empty() { 1 } else { number.saturating_sub(self.newest) };
            for _ in 0..passed.min(i32::try_from(rule.buckets).unwrap_or(1)) {
                self.buckets.push_back(CapBucket::default());
            }
            while self.buckets.len() > rule.buckets as usize {
                self.buckets.pop_front();
            }
            self.newest = number;
        }
        let back = usize::try_from(self.newest.saturating_sub(number)).unwrap_or(usize::MAX);
        let Some(bucket) =
            self.buckets.len().checked_sub(back.saturating_add(1)).and_then(|at| self.buckets.get_mut(at))
        else {
            return found;
        };
        let (most, width) = (self.cap.most(), rule.near.of(self.cap.most()));
        bucket.all = bucket.all.saturating_add(1);
        if value > most {
            bucket.above = bucket.above.saturating_add(1);
        } else if value > most - width {
            bucket.near = bucket.near.saturating_add(1);
            self.last = self.cap.said(seen).map(|said| (minute(seen.at), seen.offset, said));
        } else if value > most - width * 3 {
            bucket.below = bucket.below.saturating_add(1);
        }
        found
    }

    fn judge(&mut self, rule: &CappedRule, code: &str) -> Option<Finding> {
        let sum = |of: fn(&CapBucket) -> u16| self.buckets.iter().map(|bucket| i64::from(of(bucket))).sum::<i64>();
        let (all, near, below, above) = (sum(|b| b.all), sum(|b| b.near), sum(|b| b.below), sum(|b| b.above));
        let stands_out = near * 2 >= i64::from(rule.peak) * below.max(2);
        let (last, offset, value) = self.last?;
        if all < i64::from(rule.values) || above > 0 || !rule.share.reached(near, all) || !stands_out {
            return None;
        }
        let quarter = i32::try_from(rule.buckets / 4).unwrap_or(1).max(1);
        if self.said.is_some_and(|said| self.newest.saturating_sub(said) < quarter) {
            return None;
        }
        self.said = Some(self.newest);
        let end = i64::from(self.newest).saturating_add(1).saturating_mul(rule.bucket.0) - local(0);
        let count = i64::try_from(self.buckets.len()).unwrap_or(1);
        let since = of_minute(i32::try_from((end - count * rule.bucket.0) / MINUTE).unwrap_or(0));
        let until = of_minute(last);
        let (max, share, near_part) = (self.cap.max, percent(near, all), rule.near.percent());
        Some(Finding {
            code: code.to_owned(),
            rank: rule.rank,
            day: calendar::day_of(until),
            since,
            until,
            numbers: vec![
                ("limit", max.to_string()),
                ("basis", self.cap.basis.name().to_owned()),
                ("values", all.to_string()),
                ("near", near.to_string()),
                ("below", below.to_string()),
                ("above", above.to_string()),
                ("share", share.clone()),
            ],
            inputs: vec![LeadInput { offset, at: until, value: value.to_string() }],
            guards: vec!["not-out-of-service", "enough-values", "stands-out"],
            words: Words {
                zh: format!(
                    "请核查：{code} 自 {} 起的 {all} 个值中，{near} 个（{share}）落在限值 {max} 以下 {near_part} 内，无一超过，其下两段仅 {below} 个。",
                    clock(since)
                ),
                en: format!(
                    "Look here: of {all} values of {code} from {} on, {near} ({share}) lie within {near_part} below the limit {max}, none above, and \
                     {below} in the two parts below.",
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
}
