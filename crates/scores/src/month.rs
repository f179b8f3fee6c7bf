//! Natural months of Beijing time, and the days in them, by number.

use serde::{Deserialize, Serialize};

use hj212_model::message::Timestamp;
use hj212_model::message::time::{BEIJING_OFFSET_SECONDS, civil, days};

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400 * 1_000_000;
const OFFSET: i64 = BEIJING_OFFSET_SECONDS as i64 * 1_000_000;

/// The number of the Beijing day that holds `at`: days since 1970-01-01.
pub(crate) fn day_of(at: Timestamp) -> i32 {
    i32::try_from(at.0.saturating_add(OFFSET).div_euclid(DAY)).unwrap_or(i32::MAX)
}

/// When a day begins.
pub(crate) fn start(day: i32) -> Timestamp {
    Timestamp(i64::from(day).saturating_mul(DAY).saturating_sub(OFFSET))
}

/// A natural month: twelve times the year and the months before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct MonthNumber(pub i32);

impl MonthNumber {
    /// The month of a day.
    #[must_use]
    pub fn of_day(day: i32) -> MonthNumber {
        let (year, month, _) = civil(i64::from(day));
        MonthNumber(i32::try_from(year * 12 + month - 1).unwrap_or(i32::MAX))
    }

    /// The month that holds `at`.
    #[must_use]
    pub fn of(at: Timestamp) -> MonthNumber {
        Self::of_day(day_of(at))
    }

    /// So many months later.
    #[must_use]
    pub const fn later(self, months: i32) -> MonthNumber {
        MonthNumber(self.0.saturating_add(months))
    }

    /// The number of its first day.
    #[must_use]
    pub fn first_day(self) -> i32 {
        let (year, month) = (i64::from(self.0.div_euclid(12)), i64::from(self.0.rem_euclid(12)) + 1);
        i32::try_from(days(year, month, 1)).unwrap_or(i32::MAX)
    }

    /// How many days it has.
    #[must_use]
    pub fn length(self) -> i32 {
        self.later(1).first_day().saturating_sub(self.first_day())
    }

    /// `2026-06`
    #[must_use]
    pub fn text(self) -> String {
        format!("{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }

    /// Reads `2026-06`.
    #[must_use]
    pub fn read(text: &str) -> Option<MonthNumber> {
        let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<i32>().ok())?;
        let month = digits(month).filter(|month| (1..=12).contains(month))?;
        Some(MonthNumber(digits(year)? * 12 + month - 1))
    }
}
