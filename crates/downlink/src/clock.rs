//! How far a station's clock is off: the median of its last uploads' QN against their arrival.
//!
//! What must stay true: a clock is off by the same from one upload to the next. Uploads that a station kept and sends as they were, with
//! the QN of then, are each off by something else: they neither begin nor end a drift. Nothing is measured while the gateway's own clock is doubted,
//! and what was measured by a date that turned out wrong is forgotten. An instrument's clock is none of the logger's.

use std::collections::{BTreeMap, VecDeque};

use super::moment::{Steady, micros};
use super::settings::Clocks;

/// So many uploads are looked at.
const KEPT: usize = 9;
/// So many are needed.
const NEEDED: usize = 5;
const _: () = assert!(NEEDED <= KEPT);
/// So many milliseconds from the median at most is more than half of them: a slow line makes no more of a difference.
const AGREE: u64 = 5_000;
/// Instruments whose requests for the time are remembered.
const INSTRUMENTS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Clock {
    offsets: VecDeque<i64>,
    drifting: bool,
    corrected: Option<Steady>,
    /// When instruments were given the time, by PolId.
    instruments: BTreeMap<String, Steady>,
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
        let median = kept.get(kept.len() / 2).copied()?;
        let agree = kept.iter().filter(|offset| offset.abs_diff(median) <= AGREE).count();
        (agree * 2 > kept.len()).then_some(median)
    }

    /// By how many milliseconds it is off, as far as its last uploads agree.
    pub(super) fn offset(&self) -> Option<i64> {
        self.median()
    }

    pub(super) const fn is_drifting(&self) -> bool {
        self.drifting
    }

    /// Whether a correction is due, and if so notes that it is made: what was measured before says nothing any more. `instrument`: of an
    /// instrument's clock, not the logger's.
    pub(super) fn may_correct(&mut self, instrument: Option<&str>, settings: &Clocks, now: Steady) -> bool {
        let long_ago = |last: Steady| now.0.saturating_sub(last.0) >= micros(settings.every);
        let Some(instrument) = instrument else {
            let may = self.corrected.is_none_or(long_ago);
            if may {
                self.noted(now);
            }
            return may;
        };
        if !self.instruments.get(instrument).copied().is_none_or(long_ago) {
            return false;
        }
        if self.instruments.len() >= INSTRUMENTS_MAX {
            self.instruments.retain(|_, last| !long_ago(*last));
        }
        if self.instruments.len() >= INSTRUMENTS_MAX {
            return false;
        }
        self.instruments.insert(instrument.to_owned(), now);
        true
    }

    pub(super) fn noted(&mut self, at: Steady) {
        self.corrected = Some(at);
        self.offsets.clear();
    }

    /// The gateway's own date was set: what was measured against it, and what was set by it, says nothing.
    pub(super) fn forget(&mut self) {
        self.offsets.clear();
        self.corrected = None;
        self.instruments.clear();
    }

    pub(super) fn restored(&mut self, within: bool) {
        self.drifting = !within;
    }
}
