//! L8 时钟异动: a station's times go off and come back, or minutes come a second time with other values.
//!
//! How far a record is behind its arrival (`lag`) is compared with what it usually is. What stands still at another lag for several records, and then
//! comes back, went off and back: a backlog that is sent late does not stand still.
//!
//! Guards: what is off by more than a day is a clock without its battery; a clock that stays off is no lead, nor is one that the gateway set; a step of
//! the gateway's own clock begins anew.

use serde::{Deserialize, Serialize};

use super::super::amount::RuleSpan;
use super::super::finding::{Finding, LeadInput};
use super::super::seen::{LeadGrain, RecordSeen, ValueSeen};
use super::super::words::{MINUTE, clock, minute, of_minute};
use hj212_judgement::{Decimal, Words, calendar};
use hj212_model::message::Timestamp;

/// Minutes of which a value is remembered, to know it when it comes again.
pub(in super::super) const MINUTES_KEPT: usize = 128;

/// `[clock]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRule {
    /// Off by so much.
    pub drift: RuleSpan,
    /// Back within this time.
    pub within: RuleSpan,
    /// So many records in a row.
    pub records: u32,
    /// For so long.
    pub lasts: RuleSpan,
    /// Lags that differ by no more are the same.
    pub same: RuleSpan,
    /// What is off by more is a clock without its battery.
    pub jump_max: RuleSpan,
    /// So many minutes of a day that come a second time with another value.
    pub twice: u32,
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

/// The times of one kind of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockState {
    /// How far records usually are behind their arrival, µs; `None`: nothing came yet.
    usual: Option<i64>,
    /// Arrival less elapsed time at the latest record: it changes with a step of the gateway's clock alone.
    host: i64,
    off: Option<ClockOff>,
}

/// Times that are off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ClockOff {
    lag: i64,
    records: u32,
    /// When the first and the latest such record came.
    since: Timestamp,
    last: Timestamp,
    /// Their records, and their data times.
    first: (u64, Timestamp),
    newest: (u64, Timestamp),
}

pub(in super::super) fn look(state: &mut ClockState, rule: &ClockRule, seen: &RecordSeen) -> Option<Finding> {
    let lag = seen.at.0.saturating_sub(seen.data.0);
    let host = seen.at.0.saturating_sub(seen.elapsed.0);
    let stepped = state.usual.is_some() && host.abs_diff(state.host) > MINUTE.unsigned_abs();
    if stepped {
        *state = ClockState::default();
    }
    state.host = host;
    let Some(usual) = state.usual else {
        state.usual = Some(lag);
        return None;
    };
    let differ = |one: i64, other: i64| i64::try_from(one.abs_diff(other)).unwrap_or(i64::MAX);
    if differ(lag, usual) <= rule.same.0 {
        // A clock that runs slow or fast is followed.
        state.usual = Some(usual.saturating_add((lag - usual) / 16));
        let off = state.off.take()?;
        return finding(rule, seen, &off, usual);
    }
    let now = (seen.offset, seen.data);
    match &mut state.off {
        Some(off) if differ(lag, off.lag) <= rule.same.0 => {
            (off.last, off.newest) = (seen.at, now);
            off.records = off.records.saturating_add(1);
            if differ(seen.at.0, off.since.0) > rule.within.0 {
                // It stays so: this is what is usual now.
                (state.usual, state.off) = (Some(lag), None);
            }
        }
        // A single record of another time, such as one that comes late, ends nothing that stood.
        Some(off) if off.records >= rule.records && differ(seen.at.0, off.last.0) <= rule.lasts.0 => {}
        Some(_) | None => {
            state.off = Some(ClockOff { lag, records: 1, since: seen.at, last: seen.at, first: now, newest: now });
        }
    }
    None
}

fn finding(rule: &ClockRule, seen: &RecordSeen, off: &ClockOff, usual: i64) -> Option<Finding> {
    let by = off.lag.saturating_sub(usual);
    let lasted = off.last.0.saturating_sub(off.since.0);
    let far = (rule.drift.0..=rule.jump_max.0).contains(&by.saturating_abs());
    let by_gateway = seen.set.is_some_and(|set| set.0 >= off.since.0 && set.0 <= seen.at.0);
    if !far || off.records < rule.records || lasted < rule.lasts.0 || by_gateway {
        return None;
    }
    let (minutes, count) = (by.abs() / MINUTE, off.records);
    let (from, to) = (clock(off.since), clock(seen.at));
    let (zh, en) = if by > 0 { ("慢", "behind") } else { ("快", "ahead of") };
    let input = |(offset, at): (u64, Timestamp)| LeadInput { offset, at, value: String::new() };
    Some(Finding {
        code: String::new(),
        rank: rule.rank,
        day: calendar::day_of(off.since),
        since: off.since,
        until: seen.at,
        numbers: vec![
            ("off_by_minutes", (if by > 0 { -minutes } else { minutes }).to_string()),
            ("records", count.to_string()),
            ("lasted_minutes", (lasted / MINUTE).to_string()),
        ],
        inputs: vec![input(off.first), input(off.newest), input((seen.offset, seen.data))],
        guards: vec!["stood-still", "within-a-day", "not-set-by-gateway", "host-clock-steady"],
        words: Words {
            zh: format!("请核查：{from} 起 {count} 条数据的时间比平时{zh} {minutes} 分钟，至 {to} 恢复。"),
            en: format!(
                "Look here: from {from} on the times of {count} records were {minutes} minutes {en} what is usual, and back at {to}."
            ),
        },
        clause: rule.clause.clone(),
        certainty: rule.certainty.clone(),
        act: rule.act.clone(),
        act_certainty: rule.act_certainty.clone(),
        same_within: 0,
    })
}

/// The latest minutes of a factor, and those of today that came twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TwiceState {
    /// The newest minute, from 1970.
    newest: i32,
    /// By minute, modulo their number: a short hash of its value; 0: none.
    minutes: Vec<u16>,
    /// The day that is counted.
    day: i32,
    count: u32,
    first: Option<(u64, Timestamp, Decimal)>,
}

pub(in super::super) fn twice(state: &mut TwiceState, rule: &ClockRule, seen: &ValueSeen<'_>) -> Option<Finding> {
    let value = seen.measured.filter(|_| seen.grain == LeadGrain::Minute)?;
    let at = minute(seen.at);
    if state.minutes.is_empty() {
        state.minutes = vec![0; MINUTES_KEPT];
        state.newest = at;
    }
    let kept = i32::try_from(MINUTES_KEPT).unwrap_or(i32::MAX);
    let passed = at.saturating_sub(state.newest);
    // What lies between is not known; what is older than all is not looked for.
    for gone in (1..passed.min(kept + 1)).map(|back| at - back) {
        if let Some(slot) = state.minutes.get_mut(index(gone)) {
            *slot = 0;
        }
    }
    state.newest = state.newest.max(at);
    if state.newest.saturating_sub(at) >= kept {
        return None;
    }
    let slot = state.minutes.get_mut(index(at))?;
    let was = if passed > 0 { 0 } else { *slot };
    let is = short(value);
    *slot = is;
    if was == 0 || was == is {
        return None;
    }
    let day = calendar::day_of(seen.at);
    if state.day != day {
        (state.day, state.count, state.first) = (day, 0, None);
    }
    state.count = state.count.saturating_add(1);
    let (offset, since, first) = *state.first.get_or_insert((seen.offset, seen.at, value));
    if !state.count.is_multiple_of(rule.twice) {
        return None;
    }
    let count = state.count;
    Some(Finding {
        code: seen.code.to_owned(),
        rank: rule.rank,
        day,
        since,
        until: of_minute(at),
        numbers: vec![("minutes_twice", count.to_string())],
        inputs: vec![
            LeadInput { offset, at: since, value: first.to_string() },
            LeadInput { offset: seen.offset, at: seen.at, value: value.to_string() },
        ],
        guards: vec!["another-value", "enough-minutes"],
        words: Words {
            zh: format!("请核查：{} 当日有 {count} 个分钟值重复上报且数值不同，首个为 {}。", seen.code, clock(since)),
            en: format!(
                "Look here: {count} minutes of {} of this day came a second time with another value, the first of them {}.",
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

fn index(minute: i32) -> usize {
    usize::try_from(minute.rem_euclid(i32::try_from(MINUTES_KEPT).unwrap_or(1))).unwrap_or(0)
}

/// A short hash of a value; never 0.
fn short(value: Decimal) -> u16 {
    let (mantissa, digits) = value.parts();
    let mixed = (mantissa.cast_unsigned() ^ u32::from(digits) << 28).wrapping_mul(0x9E37_79B1);
    u16::try_from(mixed >> 16).unwrap_or(1).max(1)
}
