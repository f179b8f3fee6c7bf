//! Times as stations write them (`YYYYMMDDhhmmss`, QN with milliseconds) and as they are published (RFC 3339, +08:00).
//!
//! The standard's form is [`Moment::read`]; what else the field writes is read by [`Moment::read_any`], where it has one meaning
//! alone: a text that could be two times is none.
//!
//! Civil arithmetic by the proleptic Gregorian calendar; Beijing time has a fixed offset, so no table is needed.

use super::value;
use hj212_model::message::Timestamp;
use hj212_model::message::kind::Span;
use hj212_model::message::time::{self, BEIJING_OFFSET_SECONDS};

const SECOND: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// A time that digits may stand for is likely if it is no further from the arrival than this: 400 days.
const NEAR: i64 = 400 * DAY_SECONDS * SECOND;

/// Seconds since 1970 are looked for no further from the arrival than this: ten years.
const FAR: i64 = 3653 * DAY_SECONDS * SECOND;

/// A time of the station's calendar, to the millisecond if it was said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
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

    /// Reads a time in the standard's form, or in another of the field that has one meaning: 10 to 16 digits (the year with four or
    /// two of them; hours, minutes and seconds as far as they are there; never 11 or 13, of which one number lost a zero), or separated as in ISO 8601
    /// (`2026-04-01 10:15:00`, `20260401T101500`), in quotes or in full-width digits, with `+08:00` behind it. A time with `Z` or another offset is
    /// none: loggers write them behind Beijing time too.
    pub(super) fn read_any(text: &[u8]) -> Option<Moment> {
        Moment::read(text).or_else(|| Moment::read_odd(text))
    }

    /// The same of a text that came about `arrival`, which may also be a number of seconds or milliseconds since 1970. Ten digits may be both
    /// a calendar's time (`YYMMDDhhmm`, `YYYYMMDDhh`) and seconds: a calendar's time within [`NEAR`] of the arrival counts first, then
    /// seconds within it, then a calendar's time, and seconds within [`FAR`] of it where no calendar knows the digits.
    pub(super) fn read_near(text: &[u8], arrival: Timestamp) -> Option<Moment> {
        if Moment::is_plain(text) {
            return Moment::read(text);
        }
        let said = Moment::read_odd(text);
        let text = text.trim_ascii();
        if !matches!(text.len(), 10 | 13) || !text.iter().all(u8::is_ascii_digit) {
            return said;
        }
        let near = |moment: &Moment, limit: i64| moment.timestamp().0.abs_diff(arrival.0) <= limit.unsigned_abs();
        let calendar = Moment::calendar(text).into_iter().flatten().filter(|moment| near(moment, NEAR));
        let epoch = Moment::since_1970(text);
        match (calendar.collect::<Vec<_>>().as_slice(), epoch.filter(|moment| near(moment, NEAR))) {
            // With a digit too few nobody knows which number lost its zero.
            ([_, ..], _) if text.len() == 13 => None,
            ([_], Some(_)) => None,
            ([one], None) => Some(*one),
            ([], Some(epoch)) => Some(epoch),
            _ if Moment::calendar(text).iter().any(Option::is_some) => said,
            _ => epoch.filter(|moment| near(moment, FAR)),
        }
    }

    /// Whether `self`, read from `text` by [`Moment::read_near`], was a number of seconds or milliseconds.
    pub(super) fn is_since_1970(self, text: &[u8]) -> bool {
        matches!(text.trim_ascii().len(), 10 | 13) && Moment::since_1970(text.trim_ascii()) == Some(self)
    }

    /// Ten digits as a calendar's time, with four digits of the year and with two.
    fn calendar(text: &[u8]) -> [Option<Moment>; 2] {
        [Moment::filled(b"", text), Moment::filled(b"20", text)]
    }

    /// Digits with zeros behind them, as a time of this century.
    fn filled(century: &[u8], digits: &[u8]) -> Option<Moment> {
        let mut whole = [b'0'; 14];
        let said = [century, digits].concat();
        whole.get_mut(..said.len())?.copy_from_slice(&said);
        Moment::read(&whole).filter(|moment| (2000..2100).contains(&moment.year))
    }

    /// Ten digits as seconds and thirteen as milliseconds since 1970.
    fn since_1970(text: &[u8]) -> Option<Moment> {
        let number = text.iter().try_fold(0i64, |n, byte| {
            byte.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(i64::from(byte - b'0')))
        })?;
        let millis = match text.len() {
            10 => number.checked_mul(1000)?,
            13 => number,
            _ => return None,
        };
        let moment = Moment::at(Timestamp(millis.checked_mul(1000)?))?;
        Some(Moment { milli: moment.milli.filter(|_| text.len() == 13), ..moment })
    }

    /// The time of the calendar at this point in time.
    fn at(at: Timestamp) -> Option<Moment> {
        let micros = at.0.saturating_add(i64::from(BEIJING_OFFSET_SECONDS) * SECOND);
        let (seconds, micros) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
        let (days, of_day) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
        let (year, month, day) = time::civil(days);
        let year = u16::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
        // All remainders fit their types.
        Some(Moment {
            year,
            month: month as u8,
            day: day as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            milli: Some((micros / 1000) as u16),
        })
    }

    /// Whether a text is in the standard's form, as far as its length tells.
    pub(super) fn is_plain(text: &[u8]) -> bool {
        matches!(text.len(), 14 | 17) && text.iter().all(u8::is_ascii_digit)
    }

    #[cold]
    fn read_odd(text: &[u8]) -> Option<Moment> {
        let text = text.trim_ascii();
        if let Some(narrow) = value::narrowed(text) {
            let ascii = narrow.is_ascii();
            return Moment::read(&narrow).or_else(|| if ascii { Moment::read_odd(&narrow) } else { None });
        }
        for quote in [b"\"", b"'"] {
            if let Some(bare) = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)) {
                return Moment::read(bare);
            }
        }
        if !text.iter().all(u8::is_ascii_digit) {
            return Moment::read_separated(text).or_else(|| Moment::read_basic(text));
        }
        match text.len() {
            // Fractions of a second behind it.
            15 | 16 => Moment::read(text.get(..14)?),
            10 | 12 => match Moment::calendar(text) {
                [Some(one), None] | [None, Some(one)] => Some(one),
                [None, None] | [Some(_), Some(_)] => None,
            },
            _ => None,
        }
    }

    /// `20260401T101500` and `20260401 101500`, and 14 digits with a fraction of a second, with `+08:00`.
    fn read_basic(text: &[u8]) -> Option<Moment> {
        let text = without_zone(text);
        let joined;
        let text = match text.split_at_checked(8) {
            Some((day, [b'T' | b't' | b' ', time @ ..])) => {
                joined = [day, time].concat();
                joined.as_slice()
            }
            _ => text,
        };
        let (whole, rest) = text.split_at_checked(14)?;
        let Some((b'.', fraction)) = rest.split_first() else { return Moment::read(whole).filter(|_| rest.is_empty()) };
        if !(1..=9).contains(&fraction.len()) || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let millis = [fraction, b"00"].concat();
        Moment::read(&[whole, millis.get(..3)?].concat())
    }

    /// `2026-04-01 10:15:00`, with `/`, `.` or `T` for separators, without seconds, with a fraction of them, with `+08:00`.
    fn read_separated(text: &[u8]) -> Option<Moment> {
        let text = without_zone(text);
        let (mut parts, mut marks) = ([0u32; 7], [0u8; 6]);
        let mut rest = text;
        let mut count = 0;
        loop {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let widths = match count {
                0 => 4..=4,
                6 => 1..=9,
                _ => 1..=2,
            };
            if !widths.contains(&digits) {
                return None;
            }
            let (number, after) = rest.split_at_checked(digits)?;
            // A fraction counts to the millisecond.
            let kept = if count == 6 { number.get(..3).unwrap_or(number) } else { number };
            *parts.get_mut(count)? = kept.iter().fold(0, |n, byte| n * 10 + u32::from(byte - b'0'));
            if count == 6 {
                let scale = [1, 100, 10, 1].get(kept.len())?;
                *parts.get_mut(6)? *= scale;
            }
            count += 1;
            let Some((mark, after)) = after.split_first() else { break };
            *marks.get_mut(count - 1)? = *mark;
            rest = if *mark == b' ' { after.trim_ascii_start() } else { after };
        }
        let fits = match marks {
            [date, other, gap, hour, minute, fraction] => {
                date == other
                    && matches!(date, b'-' | b'/' | b'.')
                    && matches!(gap, b' ' | b'T' | b't')
                    && hour == b':'
                    && (minute == b':' || count == 5)
                    && (fraction == b'.' || count <= 6)
            }
        };
        if !fits || count < 5 {
            return None;
        }
        let [year, month, day, hour, minute, second, milli] = parts;
        let whole = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}{milli:03}");
        let whole = if count == 7 { whole.as_str() } else { whole.get(..14)? };
        Moment::read(whole.as_bytes())
    }

    /// The point in time, read as Beijing time.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
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

impl std::fmt::Display for Moment {
    /// As it is published.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// A time without the offset of Beijing behind it.
fn without_zone(text: &[u8]) -> &[u8] {
    let said = [&b"+08:00"[..], b"+0800", b"+08"].iter().find_map(|zone| text.strip_suffix(*zone));
    said.map_or(text, <[u8]>::trim_ascii_end)
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
    match Moment::at(at) {
        Some(moment) => moment.write(out),
        None => out.extend_from_slice(b"1970-01-01T08:00:00.000+08:00"),
    }
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
    fn other_forms_are_read_where_they_have_one_meaning() {
        for (said, wanted) in [
            ("2026040110", "2026-04-01T10:00:00+08:00"),
            ("202604011015", "2026-04-01T10:15:00+08:00"),
            ("260401101500", "2026-04-01T10:15:00+08:00"),
            ("2604011015", "2026-04-01T10:15:00+08:00"),
            ("202604011015001", "2026-04-01T10:15:00+08:00"),
            ("2026040110150012", "2026-04-01T10:15:00+08:00"),
            ("2026-04-01 10:15:00", "2026-04-01T10:15:00+08:00"),
            ("2026-04-01T10:15:00", "2026-04-01T10:15:00+08:00"),
            ("2026-04-01T10:15:00+08:00", "2026-04-01T10:15:00+08:00"),
            ("2026/4/1 9:05:00", "2026-04-01T09:05:00+08:00"),
            ("2026.04.01  10:15", "2026-04-01T10:15:00+08:00"),
            ("2026-04-01 10:15:00.123", "2026-04-01T10:15:00.123+08:00"),
            ("2026-04-01 10:15:00.5", "2026-04-01T10:15:00.500+08:00"),
            ("20260401T101500", "2026-04-01T10:15:00+08:00"),
            ("20260401 101500", "2026-04-01T10:15:00+08:00"),
            ("20260401T101500.25+08:00", "2026-04-01T10:15:00.250+08:00"),
            ("20260401101500+0800", "2026-04-01T10:15:00+08:00"),
            ("2026-04-01 10:15:00 +08:00", "2026-04-01T10:15:00+08:00"),
            ("2026/04/01 10:15+08", "2026-04-01T10:15:00+08:00"),
            ("20260401101500.0", "2026-04-01T10:15:00.000+08:00"),
            ("20260401101500.1234", "2026-04-01T10:15:00.123+08:00"),
            ("\"20260401101500\"", "2026-04-01T10:15:00+08:00"),
            ("'20260401101500'", "2026-04-01T10:15:00+08:00"),
            ("２０２６０４０１１０１５００", "2026-04-01T10:15:00+08:00"),
            ("2026040110１５００", "2026-04-01T10:15:00+08:00"),
        ] {
            assert_eq!(Moment::read(said.as_bytes()), None, "{said}");
            assert_eq!(Moment::read_any(said.as_bytes()).map(text).as_deref(), Some(wanted), "{said}");
        }
        for none in [
            "201201011015",
            "2012010110",
            "1775009700",
            "1775009700000",
            "20260401101",
            "2026040110153",
            "20260401T101500Z",
            "2026-04-01T10:15:00+00:00",
            "2026-04-01T10:15:00+09:00",
            "20260401101500-0500",
            "2026-04-01 10:15:00 UTC+8",
            "2026-04-01 10:15:00 CST",
            "20260401101500+8",
            "20260401T10150",
            "20260401101500.",
            "20260401101500.x",
            "\"20260401101500",
            "2026-04-01",
            "2026-13-01 10:15:00",
            "2026-04-01T10:15:00Z",
            "01/04/2026 10:15:00",
            "2026-04/01 10:15:00",
            "2026-04-01 10:15:00 x",
            "--",
        ] {
            assert_eq!(Moment::read_any(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn ten_digits_are_what_is_near_the_arrival() {
        let arrival = Moment::read(b"20261130150000").unwrap().timestamp();
        for (said, wanted, epoch) in [
            // No time of a calendar near, and seconds of two months later.
            ("1801150830", "2027-01-28T23:40:30+08:00", true),
            ("1796050800", "2026-11-30T23:00:00+08:00", true),
            ("1796050800123", "2026-11-30T23:00:00.123+08:00", true),
            ("2611301500", "2026-11-30T15:00:00+08:00", false),
            ("2026113015", "2026-11-30T15:00:00+08:00", false),
            ("1701010000", "2017-01-01T00:00:00+08:00", false),
            ("1499999999", "2017-07-14T10:39:59+08:00", true),
            ("20261130150000", "2026-11-30T15:00:00+08:00", false),
            ("2026-11-30 15:00:00", "2026-11-30T15:00:00+08:00", false),
        ] {
            let moment = Moment::read_near(said.as_bytes(), arrival).unwrap();
            assert_eq!((text(moment).as_str(), moment.is_since_1970(said.as_bytes())), (wanted, epoch), "{said}");
        }
        for none in ["0000000000", "1000000000", "9999999999", "2012010110", "4000000000000", "--"] {
            assert_eq!(Moment::read_near(none.as_bytes(), arrival), None, "{none}");
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

    /// What joins messages by `data_time` compares texts: `data`, `validity` and judgement write one form.
    #[test]
    fn a_data_time_has_one_text_whoever_writes_it() {
        for said in ["20261123103000", "20240229235959999", "20261201000000"] {
            let moment = Moment::read(said.as_bytes()).unwrap();
            assert_eq!(text(moment), moment.timestamp().to_data_time());
        }
    }

    proptest! {
        #[test]
        fn times_are_written_as_the_calendar_library_writes_them(micros in -1_000_000_000_000_000i64..4_000_000_000_000_000) {
            let mut out = Vec::new();
            write_timestamp(&mut out, Timestamp(micros));
            prop_assert_eq!(String::from_utf8(out).unwrap(), Timestamp(micros).to_rfc3339());
        }

        #[test]
        fn any_text_is_a_time_or_none(text in "[0-9]{0,18}|[0-9]{1,4}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}[ T:.][0-9]{1,2}[:.][0-9]{1,2}([:.][0-9]{0,11}){0,2}|\\PC{0,20}") {
            let moment = Moment::read_any(text.as_bytes());
            prop_assert!(moment.is_none_or(|moment| moment.month <= 12 && moment.hour < 24));
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
