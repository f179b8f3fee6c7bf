//! The wrong values of a day, which mark it when there are too many.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::expr::SECOND;
use hj212_model::message::Timestamp;

/// Five minutes.
pub(super) const STEP: i64 = 300 * SECOND;

/// The wrong values of one day, a bit for each five minutes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Wrong {
    pub(super) day: i64,
    pub(super) bits: [u64; 5],
    pub(super) told: bool,
}

impl Wrong {
    pub(super) fn set(&mut self, number: usize, is: bool) {
        let Some(word) = self.bits.get_mut(number / 64) else { return };
        let bit = 1u64 << (number % 64);
        *word = if is { *word | bit } else { *word & !bit };
    }

    pub(super) fn count(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }

    pub(super) fn times(&self) -> Vec<Value> {
        let is = |number: &usize| self.bits.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1);
        (0..288).filter(is).map(|n| Timestamp(self.day + n as i64 * STEP).to_rfc3339().into()).collect()
    }
}

/// Days that are counted at one time: five-minute means come late, too.
pub(super) const DAYS_KEPT: i64 = 3;

/// By count, object and day.
pub(super) type Wrongs = BTreeMap<(String, String, i64), Wrong>;
