//! The mean of the day that is going on, and what can still become of it.
//!
//! What must stay true: `sure` is said only where no value that a sensor can give would change it: with 0 in every hour that is left, the mean
//! would still be above the limit. Nothing is promised the other way: a value has no highest. Of waste water the flow of what is left is not
//! known; it is taken to be the mean flow of what has passed, and said so (`assumes`).

use super::day::{DayJudged, mean};
use super::decimal::Ratio;
use super::limits::Limit;

/// What can still become of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Possible {
    /// It will exceed, whatever comes.
    SureToExceed,
    /// It meets the limit if the rest does.
    CanMeet,
    /// There are no values to say it by.
    Unknown,
}

impl Possible {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SureToExceed => "sure-to-exceed",
            Self::CanMeet => "can-meet",
            Self::Unknown => "unknown",
        }
    }
}

/// The day so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The mean of the hours that are judged so far.
    pub mean: Option<Ratio>,
    /// How many they are.
    pub hours: u32,
    /// Hours that are left.
    pub left: u32,
    /// How many times the limit that mean is.
    pub ratio: Option<Ratio>,
    /// What can still become of it.
    pub possible: Possible,
    /// The highest mean of the hours that are left with which the day still meets its limit; none: there is none, or nothing is left.
    pub rest_max: Option<Ratio>,
    /// What that takes for granted: of waste water `mean-flow`.
    pub assumes: Option<&'static str>,
}

/// The day so far: `list` are the hours that are judged, with their weights; `so_far` the whole of it.
pub(super) fn running(limit: &Limit, list: &[(i128, i128)], so_far: &DayJudged, left: u32) -> Running {
    let hours = u32::try_from(list.len()).unwrap_or(u32::MAX);
    let now = mean(list);
    let mut running = Running {
        mean: now,
        hours,
        left,
        ratio: now.and_then(|now| limit.times(now)),
        possible: Possible::Unknown,
        rest_max: None,
        assumes: so_far.weighted.then_some("mean-flow"),
    };
    let weight: i128 = list.iter().map(|(_, weight)| weight).sum();
    if now.is_none() || weight == 0 {
        return running;
    }
    let sum: i128 = list.iter().map(|(value, weight)| value.saturating_mul(*weight)).sum();
    // All in units of the weight of one hour.
    let (n, rest) = (i128::from(hours), i128::from(left));
    let lowest = Ratio::new(sum.saturating_mul(n), weight.saturating_mul(n + rest));
    let exceeds = |value: Ratio| value.exceeds(limit.max, limit.decimals);
    running.possible = if lowest.is_some_and(exceeds) { Possible::SureToExceed } else { Possible::CanMeet };
    if running.possible == Possible::CanMeet && left > 0 {
        let most = limit.max.nano().saturating_mul(n + rest).saturating_mul(weight) - sum.saturating_mul(n);
        running.rest_max = Ratio::new(most.max(0), weight.saturating_mul(rest));
    }
    running
}
