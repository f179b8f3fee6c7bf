//! Seconds of Beijing's calendar since 1970-01-01T00:00:00 there: what the ledger counts in. Days begin at multiples of 86,400, and four
//! bytes reach to 2106.

use jiff::tz::Offset;

use hj212_model::message::Timestamp;
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;

pub(super) type Local = u32;

/// Seconds of a day.
pub(super) const DAY: u32 = 86_400;

/// The local second of `time`; `None` before 1970 and after 2106.
pub(super) fn of(time: Timestamp) -> Option<Local> {
    Local::try_from(time.0.div_euclid(1_000_000).checked_add(i64::from(BEIJING_OFFSET_SECONDS))?).ok()
}

pub(super) const fn timestamp(local: Local) -> Timestamp {
    Timestamp((local as i64 - BEIJING_OFFSET_SECONDS as i64) * 1_000_000)
}

fn civil(local: Local) -> jiff::civil::DateTime {
    Offset::UTC.to_datetime(jiff::Timestamp::from_second(i64::from(local)).unwrap_or_default())
}

/// `YYYYMMDDhhmmss`, as BeginTime is written.
pub(super) fn digits(local: Local) -> String {
    let (date, time) = (civil(local).date(), civil(local).time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", time.hour(), time.minute(), time.second())
}

/// Reads what [`digits`] writes.
pub(super) fn read(text: &str) -> Option<Local> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |from: usize| text.get(from..from + 2)?.parse::<i8>().ok();
    let date = jiff::civil::Date::new(text.get(..4)?.parse().ok()?, two(4)?, two(6)?).ok()?;
    let time = jiff::civil::Time::new(two(8)?, two(10)?, two(12)?, 0).ok()?;
    Local::try_from(Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?.as_second()).ok()
}

/// `2026-11-23`, the day of that number since 1970.
pub(super) fn date(day: u32) -> String {
    civil(day.saturating_mul(DAY)).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_seconds_are_those_of_beijing() {
        let at = Timestamp(1_795_401_600_412_000);
        let local = of(at).unwrap();
        assert_eq!(digits(local), "20261123104000");
        assert_eq!(read("20261123104000"), Some(local));
        assert_eq!(timestamp(local).to_rfc3339(), "2026-11-23T10:40:00.000+08:00");
        assert_eq!(date(local / DAY), "2026-11-23");
        assert_eq!(of(Timestamp(i64::MIN)), None);
        for wrong in ["", "2026112310400", "20261323104000", "+0261123104000"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
