//! How far a station's clock is off: the median of its last uploads' QN against their arrival.

use std::collections::VecDeque;

use super::settings::Clocks;
use crate::message::Timestamp;

/// So many uploads are looked at.
const KEPT: usize = 9;
/// So many are needed.
const NEEDED: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Clock {
    offsets: VecDeque<i64>,
    drifting: bool,
    corrected: Option<Timestamp>,
}

impl Clock {
    /// An upload's offset in milliseconds. `Some` when the clock begins or ceases to drift: the median and whether it is within.
    pub(super) fn heard(&mut self, offset: i64, settings: &Clocks) -> Option<(i64, bool)> {
        if self.offsets.len() == KEPT {
            self.offsets.pop_front();
        }
        self.offsets.push_back(offset);
        let median = self.median()?;
        let limit = settings.drift.as_millis();
        let off = u128::from(median.unsigned_abs());
        let turned = if self.drifting { off * 2 < limit } else { off > limit };
        if !turned {
            return None;
        }
        self.drifting = !self.drifting;
        Some((median, !self.drifting))
    }

    fn median(&self) -> Option<i64> {
        let mut sorted = [0; KEPT];
        let kept = sorted.get_mut(..self.offsets.len()).filter(|kept| kept.len() >= NEEDED)?;
        kept.iter_mut().zip(&self.offsets).for_each(|(place, offset)| *place = *offset);
        kept.sort_unstable();
        kept.get(kept.len() / 2).copied()
    }

    pub(super) const fn is_drifting(&self) -> bool {
        self.drifting
    }

    /// Whether a correction is due, and if so notes that it is made: what was measured before says nothing any more.
    pub(super) fn may_correct(&mut self, settings: &Clocks, now: Timestamp) -> bool {
        let every = i64::try_from(settings.every.as_micros()).unwrap_or(i64::MAX);
        if self.corrected.is_some_and(|last| now.0.saturating_sub(last.0) < every) {
            return false;
        }
        self.noted(now);
        true
    }

    pub(super) fn noted(&mut self, at: Timestamp) {
        self.corrected = Some(at);
        self.offsets.clear();
    }

    pub(super) fn restored(&mut self, within: bool) {
        self.drifting = !within;
    }
}
