//! Times as stations write them (`YYYYMMDDhhmmss`, QN with milliseconds) and as they are published (RFC 3339, +08:00).
//!
//! Civil arithmetic by the proleptic Gregorian calendar; Beijing time has a fixed offset, so no table is needed.

use crate::message::Timestamp;
use crate::message::kind::Span;
use crate::message::time::{self, BEIJING_OFFSET_SECONDS};

const SECOND: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// A time of the station's calendar, to the millisecond if it was said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    milli: Option<u16>,
}

impl Moment {
    /// Reads 14 digits, or 17 with milliseconds. `None` if it is no time that a calendar knows.
    pub(super) fn read(text: &[u8]) -> Option<Moment> {
        if !matches!(text.len(), 14 | 17) || !text.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |from: usize, to: usize| {
            text.get(from..to).unwrap_or_default().iter().fold(0u16, |n, b| n.wrapping_mul(10) + u16::from(b - b'0'))
        };
        let two = |from: usize| u8::try_from(number(from, from + 2)).unwrap_or(u8::MAX);
        let moment = Moment {
            year: number(0, 4),
            month: two(4),
            day: two(6),
            hour: two(8),
            minute: two(10),
            second: two(12),
            milli: (text.len() == 17).then(|| number(14, 17)),
        };
        let fits = moment.year > 0
            && (1..=12).contains(&moment.month)
            && moment.day >= 1
            && moment.day <= days_of(moment.year, moment.month)
            && moment.hour < 24
            && moment.minute < 60
            && moment.second < 60;
        fits.then_some(moment)
    }

    /// The point in time, read as Beijing time.
    pub(super) fn timestamp(self) -> Timestamp {
        let days = time::days(self.year.into(), self.month.into(), self.day.into());
        let seconds =
            days * DAY_SECONDS + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
                - i64::from(BEIJING_OFFSET_SECONDS);
        Timestamp(seconds * SECOND + i64::from(self.milli.unwrap_or(0)) * 1000)
    }

    /// Whether it can be the DataTime of a period of this span: on the boundary where it begins.
    pub(super) fn begins(self, span: Span) -> bool {
        let whole = self.second == 0 && self.milli.unwrap_or(0) == 0;
        match span {
            Span::Instant | Span::Timeless => true,
            Span::Minute => whole,
            Span::FiveMinutes => whole && self.minute.is_multiple_of(5),
            Span::Hour => whole && self.minute == 0,
            Span::Day => whole && self.minute == 0 && self.hour == 0,
        }
    }

    /// Appends `2026-11-23T10:30:00+08:00`, with milliseconds if they were said.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        digits(out, u32::from(self.year), 4);
        for (mark, number) in
            [(b'-', self.month), (b'-', self.day), (b'T', self.hour), (b':', self.minute), (b':', self.second)]
        {
            out.push(mark);
            digits(out, u32::from(number), 2);
        }
        if let Some(milli) = self.milli {
            out.push(b'.');
            digits(out, u32::from(milli), 3);
        }
        out.extend_from_slice(b"+08:00");
    }
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn digits(out: &mut Vec<u8>, number: u32, width: u32) {
    for place in (0..width).rev() {
        // A remainder of ten fits a byte.
        out.push(b'0' + (number / 10u32.pow(place) % 10) as u8);
    }
}

/// Appends a time of the gateway's clock as RFC 3339 in Beijing time with milliseconds; the same text as
/// [`Timestamp::to_rfc3339`], without its allocation.
pub(super) fn write_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let micros = at.0.saturating_add(i64::from(BEIJING_OFFSET_SECONDS) * SECOND);
    let (seconds, micros) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let (days, of_day) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = time::civil(days);
    let Ok(year @ 1..=9999) = u16::try_from(year) else {
        out.extend_from_slice(b"1970-01-01T08:00:00.000+08:00");
        return;
    };
    // All remainders fit their types.
    let moment = Moment {
        year,
        month: month as u8,
        day: day as u8,
        hour: (of_day / 3600) as u8,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
        milli: Some((micros / 1000) as u16),
    };
    moment.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(moment: Moment) -> String {
        let mut out = Vec::new();
        moment.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_of_stations_are_read_and_written() {
        assert_eq!(text(Moment::read(b"20261123103000").unwrap()), "2026-11-23T10:30:00+08:00");
        assert_eq!(text(Moment::read(b"20240229235959999").unwrap()), "2024-02-29T23:59:59.999+08:00");
        for wrong in
            ["", "2026", "20261323103000", "20260229000000", "20261123240000", "2026112310300a", "00001123103000"]
        {
            assert_eq!(Moment::read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn periods_begin_on_their_boundary() {
        let at = |text: &str| Moment::read(text.as_bytes()).unwrap();
        assert!(at("20261123000000").begins(Span::Day));
        assert!(!at("20261123010000").begins(Span::Day));
        assert!(!at("20261123010001").begins(Span::Minute));
        assert!(!at("20261123010200").begins(Span::FiveMinutes));
    }

    proptest! {
        #[test]
        fn times_are_written_as_the_calendar_library_writes_them(micros in -1_000_000_000_000_000i64..4_000_000_000_000_000) {
            let mut out = Vec::new();
            write_timestamp(&mut out, Timestamp(micros));
            prop_assert_eq!(String::from_utf8(out).unwrap(), Timestamp(micros).to_rfc3339());
        }

        #[test]
        fn reading_what_was_written_gives_the_same_time(seconds in 0i64..4_000_000_000) {
            let mut out = Vec::new();
            write_timestamp(&mut out, Timestamp(seconds * SECOND));
            let digits: Vec<u8> = out[..19].iter().copied().filter(u8::is_ascii_digit).collect();
            prop_assert_eq!(Moment::read(&digits).unwrap().timestamp(), Timestamp(seconds * SECOND));
        }
    }
}
