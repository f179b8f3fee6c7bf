//! How far a station's clock is from the gateway's: QN, when the station made the request, against the arrival (HJ 212-2017, 6.3.2,
//! table 3).
//!
//! What must stay true: the median of the last [`KEPT`] is shown, so that one slow line tells nothing. Some loggers send old records again
//! with the QN of old, so messages that are marked as backfill count only if nothing else came for [`FRESH_WITHIN`] messages: then it is
//! the clock that is slow.

use hj212_interpret::{DataContent, Qn};
use hj212_model::message::Timestamp;
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;
use jiff::civil::DateTime;

/// Offsets remembered of a station.
pub(super) const KEPT: usize = 9;

/// So many messages of old records in a row, and they are not of old.
const FRESH_WITHIN: u8 = 32;

/// The last offsets, milliseconds that the station is ahead.
#[derive(Debug, Default)]
struct Ring {
    last: [i64; KEPT],
    count: usize,
    next: usize,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    fresh: Ring,
    backfill: Ring,
    /// Messages of old records since the last fresh one.
    stale: u8,
}

impl Offsets {
    /// Takes note of a record.
    pub(super) fn note(&mut self, data: &DataContent) {
        let Some(off) = data.qn.as_ref().and_then(|qn| ahead(qn, data.received)) else { return };
        if data.backfill {
            self.stale = self.stale.saturating_add(1);
            self.backfill.push(off);
        } else {
            self.stale = 0;
            self.fresh.push(off);
        }
    }

    /// Milliseconds that the station's clock is ahead; `None` if no message told.
    pub(super) fn median(&self) -> Option<i64> {
        let fresh = self.fresh.median().filter(|_| self.stale < FRESH_WITHIN);
        fresh.or_else(|| self.backfill.median())
    }
}

impl Ring {
    fn push(&mut self, off: i64) {
        let Some(place) = self.last.get_mut(self.next) else { return };
        *place = off;
        self.next = (self.next + 1) % KEPT;
        self.count = (self.count + 1).min(KEPT);
    }

    fn median(&self) -> Option<i64> {
        let mut known = self.last;
        let known = known.get_mut(..self.count)?;
        known.sort_unstable();
        known.get(known.len() / 2).copied()
    }
}

/// Milliseconds from the arrival to QN, which is Beijing time.
fn ahead(qn: &Qn, received: Timestamp) -> Option<i64> {
    let digits = i64::try_from(qn.digits()?).ok()?;
    // Of `YYYYMMDDhhmmssZZZ`, the two digits with so many behind them; they fit.
    let two = |behind: u32| (digits / 10i64.pow(behind) % 100) as i8;
    let year = i16::try_from(digits / 10i64.pow(13)).ok()?;
    let time = DateTime::new(year, two(11), two(9), two(7), two(5), two(3), 0).ok()?;
    let second = jiff::tz::Offset::UTC.to_timestamp(time).ok()?.as_second() - i64::from(BEIJING_OFFSET_SECONDS);
    Some(second * 1000 + digits % 1000 - received.0.div_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212_model::message::Kind;

    fn body(qn: &str, received_at: &str, backfill: bool) -> DataContent {
        let received: jiff::Timestamp = received_at.parse().unwrap();
        crate::board::tests::data(Kind::Realtime, Some(qn), Timestamp(received.as_microsecond()), backfill)
    }

    #[test]
    fn the_median_of_the_last_offsets_is_shown() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.median(), None);
        for (qn, off) in [("20260101000010250", 250), ("20260101000010750", 750), ("20251231235959000", 250)] {
            offsets.note(&body(qn, "2026-01-01T00:00:10.000+08:00", false));
            assert_eq!(offsets.median(), Some(off), "{qn}");
        }
        for _ in 0..KEPT {
            offsets.note(&body("20260101010010000", "2026-01-01T00:00:10.000+08:00", false));
        }
        assert_eq!(offsets.median(), Some(3_600_000), "old ones are forgotten");
    }

    #[test]
    fn old_records_tell_of_the_clock_only_if_there_are_no_others() {
        let old = || body("20251231234510000", "2026-01-01T00:00:10.000+08:00", true);
        let mut offsets = Offsets::default();
        offsets.note(&old());
        assert_eq!(offsets.median(), Some(-900_000), "a slow clock makes every record old");
        offsets.note(&body("20260101000010000", "2026-01-01T00:00:10.000+08:00", false));
        (1..FRESH_WITHIN).for_each(|_| offsets.note(&old()));
        assert_eq!(offsets.median(), Some(0), "they are sent again");
        offsets.note(&old());
        assert_eq!(offsets.median(), Some(-900_000));
    }

    #[test]
    fn what_is_no_time_tells_nothing() {
        let mut offsets = Offsets::default();
        for qn in ["", "x", "2026010100001000", "202601010000100000", "20261301000010000", "20260101006010000"] {
            offsets.note(&body(qn, "2026-01-01T00:00:10.000+08:00", false));
        }
        offsets.note(&crate::board::tests::data(Kind::Realtime, None, Timestamp(0), false));
        assert_eq!(offsets.median(), None);
        offsets.note(&body("00010101000000000", "2026-01-01T00:00:10.000+08:00", false));
        assert!(offsets.median().unwrap() < -2000 * 365 * 86_400_000, "a clock that was never set");
    }
}
