//! What is remembered of one factor: the states of the detectors that look at its values, and the limits of the day.

use serde::{Deserialize, Serialize};

use super::cap::Cap;
use super::detectors::capped::CappedState;
use super::detectors::clock::TwiceState;
use super::detectors::constant::ConstantState;
use super::detectors::mark_abuse::AboveState;
use super::detectors::revised::RevisedState;
use super::seen::ValueSeen;
use hj212_judgement::{Limits, Period, calendar};

/// What is remembered of a factor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CodeTrack {
    /// The factor.
    pub(super) code: String,
    /// The day for which `hour` and `day` were looked up.
    looked_up: Option<i32>,
    /// The limit of hours.
    pub(super) hour: Option<Cap>,
    /// The limit of days.
    pub(super) day: Option<Cap>,
    /// Of minutes and of hours.
    pub(super) constant: [ConstantState; 2],
    /// Of minutes and of hours.
    pub(super) capped: [CappedState; 2],
    pub(super) above: AboveState,
    pub(super) twice: TwiceState,
    pub(super) revised: RevisedState,
}

impl CodeTrack {
    pub(super) fn new(code: &str) -> CodeTrack {
        CodeTrack { code: code.to_owned(), ..CodeTrack::default() }
    }

    /// Looks up which limits hold on the day of a value, once a day.
    pub(super) fn look_up(&mut self, limits: &Limits, seen: &ValueSeen<'_>) {
        let day = calendar::day_of(seen.at);
        if self.looked_up.is_some_and(|known| known >= day) {
            return;
        }
        self.looked_up = Some(day);
        let on = |period| limits.on(seen.code, period, day).map(|limit| Cap { max: limit.max, basis: limit.basis });
        (self.hour, self.day) = (on(Period::Hour), on(Period::Day));
    }

    /// What hours are compared with: their own limit; where they have none, that of days.
    pub(super) fn limit_of_hours(&self) -> Option<Cap> {
        self.hour.or(self.day)
    }

    /// Both limits, if they differ.
    pub(super) fn caps(&self) -> [Option<Cap>; 2] {
        [self.hour, self.day.filter(|day| Some(*day) != self.hour)]
    }
}
