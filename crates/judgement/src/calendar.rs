//! Days and hours of Beijing time, by number.

use hj212_model::message::Timestamp;
use hj212_model::message::time::{BEIJING_OFFSET_SECONDS, civil, days};

/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds of an hour.
pub const HOUR: i64 = 3600 * SECOND;
/// Microseconds of a day.
pub const DAY: i64 = 24 * HOUR;

const OFFSET: i64 = BEIJING_OFFSET_SECONDS as i64 * SECOND;

/// The number of the Beijing day that holds `at`: days since 1970-01-01.
#[must_use]
pub fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.0.saturating_add(OFFSET).div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// The hour of its day that holds `at`, from 0.
#[must_use]
pub fn hour_of(at: Timestamp) -> usize {
    usize::try_from(at.0.saturating_add(OFFSET).rem_euclid(DAY) / HOUR).unwrap_or(0)
}

/// When a day begins.
#[must_use]
pub fn start(day: i32) -> Timestamp {
    Timestamp(i64::from(day).saturating_mul(DAY).saturating_sub(OFFSET))
}

/// When an hour of a day begins.
#[must_use]
pub fn hour(day: i32, hour: usize) -> Timestamp {
    Timestamp(start(day).0.saturating_add(i64::try_from(hour).unwrap_or(0) * HOUR))
}

/// `2026-06-01`
#[must_use]
pub fn text(day: i32) -> String {
    let (year, month, day) = civil(i64::from(day));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Reads `2026-06-01`.
#[must_use]
pub fn read(text: &str) -> Option<i32> {
    let mut parts = text.trim().split('-');
    let mut next = |digits: usize| parts.next().filter(|p| p.len() == digits)?.parse::<i64>().ok();
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    let number = i32::try_from(days(year, month, day)).ok()?;
    (civil(i64::from(number)) == (year, month, day) && parts.next().is_none()).then_some(number)
}

/// Whether two days are of one calendar month.
#[must_use]
pub fn same_month(one: i32, other: i32) -> bool {
    let (one, other) = (civil(i64::from(one)), civil(i64::from(other)));
    (one.0, one.1) == (other.0, other.1)
}

/// The day of the week, 0 for Monday.
#[must_use]
pub const fn weekday(day: i32) -> i32 {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_beijing() {
        let day = read("2026-06-01").unwrap();
        assert_eq!(text(day), "2026-06-01");
        assert_eq!(start(day).to_rfc3339(), "2026-06-01T00:00:00.000+08:00");
        assert_eq!((day_of(start(day)), hour_of(Timestamp(start(day).0 + 23 * HOUR + 1))), (day, 23));
        assert_eq!(day_of(Timestamp(start(day).0 - 1)), day - 1);
        assert_eq!(weekday(day), 0, "2026-06-01 is a Monday");
        assert!(same_month(day, day + 29) && !same_month(day, day + 30));
        for wrong in ["2026-6-1", "2026-02-30", "20260601", "2026-06-01-", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
