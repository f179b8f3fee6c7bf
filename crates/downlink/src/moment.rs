//! Times: a moment on both clocks, and times as the standard writes them (Beijing time, 14 digits, with milliseconds 17).
//!
//! What must stay true: whatever is waited for (9011, 9012, a confirmation, the station) is measured on the steady clock, so that a
//! step of the host's clock neither delays nor ends it; whatever is written to a station is a date that is believed
//! ([`hj212_model::clock::belief`]), and a clock is set by one only while the host's clock is not doubted ([`DateTrust`]).

use std::time::Duration;

use hj212_model::message::Timestamp;
use hj212_model::message::time::BEIJING_OFFSET_SECONDS;

/// A time of a clock that never steps: microseconds since some moment of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Steady(pub i64);

impl Steady {
    /// So much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Steady {
        Steady(self.0.saturating_add(micros(duration)))
    }

    /// How long ago `earlier` was; zero if it was not.
    #[must_use]
    pub fn since(self, earlier: Steady) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// How far the date of a moment may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum DateTrust {
    /// The host's clock is right, as far as one knows.
    #[default]
    Right,
    /// The host's clock is doubted. The date goes on from when it was last right: good enough to name a packet by, and to set no clock.
    Doubted,
    /// The host's clock was not right since the gateway started: no date is written into a command.
    Unknown,
}

/// Now, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// The date that is believed: what the host's clock shows, unless that is doubted.
    pub wall: Timestamp,
    /// What passes.
    pub steady: Steady,
    /// How far the date may be trusted.
    pub trust: DateTrust,
}

impl Moment {
    /// When the wall time `at` is or was, on the steady clock, as far as the host's clock tells now.
    #[must_use]
    pub fn steady_at(self, at: Timestamp) -> Steady {
        Steady(self.steady.0.saturating_add(at.0.saturating_sub(self.wall.0)))
    }
}

impl Moment {
    /// Whether more than `most` lies between the two on either clock, whichever way.
    #[must_use]
    pub(super) fn is_apart(self, other: Moment, most: Duration) -> bool {
        let most = micros(most).unsigned_abs();
        self.wall.0.abs_diff(other.wall.0) > most || self.steady.0.abs_diff(other.steady.0) > most
    }
}

pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// `now` and so much more.
pub(super) fn later(now: Timestamp, duration: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(micros(duration)))
}

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

/// SystemTime as it is sent now: 14 digits.
pub(super) fn system_time(now: Timestamp) -> String {
    let mut text = qn(of(now));
    text.truncate(14);
    text
}
