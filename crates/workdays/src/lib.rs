//! Working days (工作日), for whatever counts them: deadlines of cases, tasks of alerts.
//!
//! What must stay true: of a year without a table only weekends are known, and whoever asks is told so; a working day ends at 24:00 in Beijing, and that
//! is written as 00:00 of the next day.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use hj212_model::message::Timestamp;

const DAY: i64 = 86_400 * 1_000_000;
const EAST_8: i64 = 8 * 3600 * 1_000_000;
/// The years that come with the program.
const YEARS: &[&str] = &[include_str!("../../../config/holidays/2026.toml")];
/// So many days are looked through for working days, at most.
const LOOK_MAX: i64 = 3660;

/// What days are worked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkDays {
    years: BTreeMap<i16, String>,
    off: BTreeSet<i64>,
    worked: BTreeSet<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    year: i16,
    source: String,
    certainty: String,
    off: Vec<String>,
    worked: Vec<String>,
}

/// The number of a day, from 1970-01-01 on.
fn number(text: &str) -> Option<i64> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let midnight = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(midnight.as_second().div_euclid(86_400))
}

/// The Beijing day that holds `time`.
fn day_of(time: Timestamp) -> i64 {
    time.0.saturating_add(EAST_8).div_euclid(DAY)
}

fn year_of(day: i64) -> i16 {
    let at = jiff::Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(at).year()
}

impl WorkDays {
    /// Those of the files that come with the program.
    #[must_use]
    pub fn built_in() -> WorkDays {
        let mut days = WorkDays::default();
        for text in YEARS {
            // A test reads them all.
            let _ = days.add(text);
        }
        days
    }

    /// Adds a year.
    ///
    /// # Errors
    /// What is wrong with the text; nothing of it is taken then.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.schema != "holidays/1" {
            return Err("schema must be holidays/1".into());
        }
        let (mut off, mut worked) = (BTreeSet::new(), BTreeSet::new());
        for range in &file.off {
            let (from, to) = range.split_once('/').unwrap_or((range, range));
            let days = number(from).zip(number(to)).filter(|(from, to)| from <= to && to - from < 31);
            let Some((from, to)) = days else { return Err(format!("{range} is no range of days")) };
            off.extend(from..=to);
        }
        for day in &file.worked {
            worked.insert(number(day).ok_or_else(|| format!("{day} is no day"))?);
        }
        let of_year = |day: &i64| year_of(*day) == file.year;
        if !off.iter().chain(&worked).all(of_year) || off.intersection(&worked).next().is_some() {
            return Err(format!("a day of another year than {}, or off and worked at once", file.year));
        }
        self.off.extend(off);
        self.worked.extend(worked);
        self.years.insert(file.year, format!("{} ({})", file.source, file.certainty));
        Ok(())
    }

    /// Whether the year of `time` has a table.
    #[must_use]
    pub fn knows(&self, time: Timestamp) -> bool {
        self.years.contains_key(&year_of(day_of(time)))
    }

    /// Whether the day that holds `time` is worked.
    #[must_use]
    pub fn is_worked(&self, time: Timestamp) -> bool {
        self.worked_day(day_of(time))
    }

    fn worked_day(&self, day: i64) -> bool {
        // 1970-01-01 was a Thursday: 0 is Monday here.
        let weekday = (day + 3).rem_euclid(7);
        self.worked.contains(&day) || weekday < 5 && !self.off.contains(&day)
    }

    /// The end (24:00 in Beijing) of the `count`-th working day after the day that holds `from`.
    #[must_use]
    pub fn after(&self, from: Timestamp, count: u32) -> Timestamp {
        let (mut day, mut left) = (day_of(from), count);
        for _ in 0..LOOK_MAX {
            if left == 0 {
                break;
            }
            day += 1;
            left -= u32::from(self.worked_day(day));
        }
        Timestamp((day + 1).saturating_mul(DAY).saturating_sub(EAST_8))
    }
}
