//! Points in time, as the journal keeps them and downstream reads them.
//!
//! The standard speaks Beijing time without saying so, and China has no daylight saving time: everything published carries
//! the fixed offset +08:00.

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// Beijing time is this many seconds ahead of UTC.
pub const BEIJING_OFFSET_SECONDS: i32 = 8 * 3600;

impl Timestamp {
    /// RFC 3339 in Beijing time with milliseconds, as `2026-11-23T10:40:00.412+08:00`. Times that no calendar knows become the
    /// epoch.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let civil = self.in_beijing();
        format!("{}.{:03}+08:00", seconds(civil), civil.millisecond())
    }

    /// The same as a DataTime is published, as `2026-11-23T10:40:00+08:00`: without a fraction where there is none, so that whoever joins
    /// messages by `data_time` compares texts.
    #[must_use]
    pub fn to_data_time(self) -> String {
        let civil = self.in_beijing();
        if civil.millisecond() == 0 { format!("{}+08:00", seconds(civil)) } else { self.to_rfc3339() }
    }

    fn in_beijing(self) -> jiff::civil::DateTime {
        let offset = jiff::tz::Offset::from_seconds(BEIJING_OFFSET_SECONDS).unwrap_or(jiff::tz::Offset::UTC);
        offset.to_datetime(jiff::Timestamp::from_microsecond(self.0).unwrap_or_default())
    }
}

fn seconds(civil: jiff::civil::DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )
}

/// Year, month and day of the day `days` after 1970-01-01 in the Gregorian calendar: eras of 400 years that begin in March, so
/// that the leap day comes last.
#[must_use]
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The other way round: the days from 1970-01-01 to a date that the calendar knows.
#[must_use]
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_beijing_time() {
        assert_eq!(Timestamp(1_795_401_600_412_000).to_rfc3339(), "2026-11-23T10:40:00.412+08:00");
        assert_eq!(Timestamp(i64::MAX).to_rfc3339(), "1970-01-01T08:00:00.000+08:00");
    }

    #[test]
    fn days_and_dates_agree_over_eight_hundred_years() {
        let mut date = jiff::civil::date(1600, 1, 1);
        let first = -135_140;
        for number in first..first + 292_194 {
            let (year, month, day) = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            assert_eq!((civil(number), days(year, month, day)), ((year, month, day), number));
            date = date.tomorrow().unwrap();
        }
    }
}
