//! A day of a station: factor-hours that were due, came, are counted and are usable.
//!
//! What must stay true: no numerator is above its denominator; an hour out of service is in neither.

use serde::{Deserialize, Serialize};

use super::asked::ScoresAsked;

/// The pairs of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DayScore {
    pub(crate) received: u16,
    pub(crate) due: u16,
    pub(crate) valid: u16,
    pub(crate) counted: u16,
    pub(crate) by_hand: u16,
    /// Whether the station was there: what is counted per day and period begins with the first day.
    pub(crate) there: bool,
}

fn small(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// What a day comes to.
pub(crate) fn compute(day: i32, asked: &dyn ScoresAsked) -> DayScore {
    let Some(hours) = asked.hours_of(day).filter(|hours| hours.expected > 0) else { return DayScore::default() };
    let (expected, by_gateway) = (hours.expected.min(24), hours.by_gateway);
    // The first day of a station counts from its first record on.
    let first = 24 - expected;
    let mut sum = DayScore { by_hand: small(asked.minutes_by_hand(day)), there: true, ..DayScore::default() };
    let codes = asked.codes();
    if codes.is_empty() {
        // Of what is worth what, nothing is known to be asked.
        sum.due = small(expected.saturating_sub(by_gateway));
        sum.received = small(hours.there).min(sum.due);
    }
    for code in codes {
        let (mut came, mut usable, mut out, mut checking) = (0, 0, 0, 0);
        for hour in first..24 {
            let seen = asked.hour(&code, day, hour);
            if seen.out {
                out += 1;
                continue;
            }
            came += u32::from(seen.came);
            usable += u32::from(seen.came && seen.usable);
            checking += u32::from(seen.came && !seen.usable && seen.checking);
        }
        // What is missing because of the gateway is not owed; what came all the same is.
        let owed = (expected - out).saturating_sub(by_gateway).max(came);
        let cycle = asked.cycle(&code).clamp(1, 24);
        let due = (owed * cycle).div_ceil(24);
        let received = came.min(due);
        let counted = due - checking.min(1).min(due);
        sum.received += small(received);
        sum.due += small(due);
        sum.valid += small(usable.min(counted));
        sum.counted += small(counted);
    }
    sum
}
