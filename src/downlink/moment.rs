//! Times as the standard writes them: Beijing time, 14 digits, with milliseconds 17.

use crate::message::Timestamp;
use crate::message::time::BEIJING_OFFSET_SECONDS;

/// QN of this many milliseconds since 1970.
pub(super) fn qn(millis: i64) -> String {
    let offset = jiff::tz::Offset::from_seconds(BEIJING_OFFSET_SECONDS).unwrap_or(jiff::tz::Offset::UTC);
    let t = offset.to_datetime(jiff::Timestamp::from_millisecond(millis).unwrap_or_default());
    let (date, time) = (t.date(), t.time());
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}{:03}",
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

/// The milliseconds since 1970 that a QN of 17 digits says.
pub(super) fn millis(qn: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(qn).ok().filter(|t| t.len() == 17 && t.bytes().all(|b| b.is_ascii_digit()))?;
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let date = jiff::civil::Date::new(part(0, 4)?, small(4)?, small(6)?).ok()?;
    let time = jiff::civil::Time::new(small(8)?, small(10)?, small(12)?, i32::from(part(14, 17)?) * 1_000_000).ok()?;
    let offset = jiff::tz::Offset::from_seconds(BEIJING_OFFSET_SECONDS).ok()?;
    Some(offset.to_timestamp(date.to_datetime(time)).ok()?.as_millisecond())
}

/// `now` in milliseconds.
pub(super) const fn of(now: Timestamp) -> i64 {
    now.0.div_euclid(1000)
}
