//! How far a station's clock is from the gateway's: QN, when the station made the request, against the arrival (HJ 212-2017, 6.3.2,
//! table 3).
//!
//! What must stay true: the median of the last [`KEPT`] is shown, so that one slow line tells nothing. Some loggers send old records again
//! with the QN of old, so messages that are marked as backfill count only if nothing else came for [`FRESH_WITHIN`] messages: then it is
//! the clock that is slow.

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
    /// Takes note of a data message.
    pub(super) fn note(&mut self, body: &[u8]) {
        let Some(off) = ahead(body) else { return };
        if member(body, b"\"backfill\":").is_some_and(|rest| rest.starts_with(b"true")) {
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

/// Milliseconds from the arrival to QN, both in Beijing time. The bodies are written by us, without spaces and with these members
/// before all texts of the station but QN.
fn ahead(body: &[u8]) -> Option<i64> {
    let qn = digits(member(body, b"\"qn\":\"")?.split(|b| *b == b'"').next()?)?;
    let arrival = member(body, b"\"received_at\":\"")?.split(|b| *b == b'+').next()?;
    Some(civil(&qn)? - civil(&digits(arrival)?)?)
}

/// What stands behind the first `key`.
fn member<'a>(body: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(body, key)?;
    body.get(at + key.len()..)
}

/// The 17 digits of `YYYYMMDDhhmmssZZZ`, whatever stands between them.
fn digits(text: &[u8]) -> Option<[u32; 17]> {
    let mut found = [0; 17];
    let mut digits = text.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'));
    for place in &mut found {
        *place = digits.next()?;
    }
    digits.next().is_none().then_some(found)
}

/// Milliseconds of a civil time since an arbitrary day; both sides are of one zone.
fn civil(digits: &[u32; 17]) -> Option<i64> {
    let number = |from: usize, to: usize| digits.get(from..to).map(|d| d.iter().fold(0, |sum, d| sum * 10 + d));
    let part = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let year = i16::try_from(number(0, 4)?).ok()?;
    let time = DateTime::new(year, part(4)?, part(6)?, part(8)?, part(10)?, part(12)?, 0).ok()?;
    let second = jiff::tz::Offset::UTC.to_timestamp(time).ok()?.as_second();
    Some(second * 1000 + i64::from(number(14, 17)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(qn: &str, received_at: &str, backfill: bool) -> Vec<u8> {
        format!("{{\"mn\":\"A\",\"qn\":\"{qn}\",\"received_at\":\"{received_at}\",\"backfill\":{backfill}}}")
            .into_bytes()
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
        offsets.note(b"{\"qn\":null}");
        assert_eq!(offsets.median(), None);
        offsets.note(&body("00010101000000000", "2026-01-01T00:00:10.000+08:00", false));
        assert!(offsets.median().unwrap() < -2000 * 365 * 86_400_000, "a clock that was never set");
    }
}
