//! Days, months, quarters and years of Beijing time.

use super::rules::Per;
use hj212_model::message::Timestamp;
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;

const SECOND: i64 = 1_000_000;
const OFFSET: i64 = BEIJING_OFFSET_SECONDS as i64 * SECOND;
const DAY: i64 = 86_400 * SECOND;

/// The start of the period of `length` that holds `at`; of a day, the Beijing day.
pub(super) fn floor(at: i64, length: i64) -> i64 {
    (at + OFFSET).div_euclid(length) * length - OFFSET
}

/// Start and end of the calendar period that holds `at`.
pub(super) fn period(per: Per, at: i64) -> (i64, i64) {
    let day = floor(at, DAY);
    let months = match per {
        Per::Each | Per::Day => return (day, day + DAY),
        Per::Month => 1,
        Per::Quarter => 3,
        Per::Year => 12,
    };
    let civil =
        jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_microsecond(at + OFFSET).unwrap_or_default()).date();
    let month = (i32::from(civil.month()) - 1) / months * months;
    (month_start(i32::from(civil.year()), month), month_start(i32::from(civil.year()), month + months))
}

/// The start of a month, counted from 0, which may lie beyond the year.
fn month_start(year: i32, month: i32) -> i64 {
    let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12) + 1);
    let date =
        i16::try_from(year).ok().zip(i8::try_from(month).ok()).and_then(|(y, m)| jiff::civil::Date::new(y, m, 1).ok());
    let start =
        date.and_then(|date| jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok());
    start.map_or(i64::MAX, |start| start.as_microsecond() - OFFSET)
}

/// When the day that holds `at` closes, where a day closes at `hour` o'clock `days` days after it.
pub(super) fn closes(at: i64, days: u8, hour: u8) -> i64 {
    floor(at, DAY).saturating_add(i64::from(days) * DAY + i64::from(hour) * 3600 * SECOND)
}

/// The beginning of a Beijing day, `2026-08-15`.
pub(super) fn day(text: &str) -> Option<i64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let start = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(start.as_microsecond() - OFFSET)
}

/// Reads RFC 3339 with any offset.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_beijing_calendar() {
        let at = |text| read(text).unwrap().0;
        let now = at("2026-05-17T23:30:00+08:00");
        let of = |per| period(per, now);
        assert_eq!(of(Per::Day), (at("2026-05-17T00:00:00+08:00"), at("2026-05-18T00:00:00+08:00")));
        assert_eq!(of(Per::Month), (at("2026-05-01T00:00:00+08:00"), at("2026-06-01T00:00:00+08:00")));
        assert_eq!(of(Per::Quarter), (at("2026-04-01T00:00:00+08:00"), at("2026-07-01T00:00:00+08:00")));
        assert_eq!(of(Per::Year), (at("2026-01-01T00:00:00+08:00"), at("2027-01-01T00:00:00+08:00")));
        assert_eq!(period(Per::Year, at("2026-12-31T16:30:00Z")).0, at("2027-01-01T00:00:00+08:00"));
    }
}
