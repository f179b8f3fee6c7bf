//! The two clocks of a run: the wall's, which QN shows, and the simulated one, which DataTime shows.
//!
//! Time is never read here: every question carries the time since the start of the run. Simulated time runs `speed` times as
//! fast and meets the wall clock at the end of the run, so no record is ever dated in the future.

use std::time::Duration;

use hj212_model::message::Timestamp;
use hj212_model::message::time::{BEIJING_OFFSET_SECONDS, civil};

/// Microseconds of a second, a minute, an hour, a day.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds of a minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// Microseconds of an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Microseconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// Start and speed of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Timestamp,
    origin: Timestamp,
    speed: f64,
    /// When the simulated clock meets the wall's; from then on they are one.
    meets: Timestamp,
}

impl Clock {
    /// A clock that starts at `start` on the wall and is overtaken by the wall clock after `duration`; with `speed` 1 both are
    /// the same at all times.
    pub(crate) fn new(start: Timestamp, speed: f64, duration: Duration) -> Self {
        let ahead = (speed - 1.0).max(0.0) * micros(duration) as f64;
        // Whole seconds: DataTime knows no fractions.
        let origin = (start.0 - ahead as i64).div_euclid(SECOND) * SECOND;
        let meets = Timestamp(if speed > 1.0 { start.0.saturating_add(micros(duration)) } else { i64::MAX });
        Clock { start, origin: Timestamp(if speed > 1.0 { origin } else { start.0 }), speed, meets }
    }

    /// What the wall clock shows `elapsed` after the start.
    pub(crate) fn wall(&self, elapsed: Duration) -> Timestamp {
        Timestamp(self.start.0 + micros(elapsed))
    }

    /// What the simulated clock shows `elapsed` after the start.
    pub(crate) fn simulated(&self, elapsed: Duration) -> Timestamp {
        let wall = self.wall(elapsed);
        if wall >= self.meets {
            return wall;
        }
        Timestamp(self.origin.0 + (micros(elapsed) as f64 * self.speed) as i64)
    }

    /// How long after the start the simulated clock shows `time`; zero if it already did at the start.
    pub(crate) fn reached(&self, time: Timestamp) -> Duration {
        if time >= self.meets {
            return Duration::from_micros(u64::try_from(time.0 - self.start.0).unwrap_or(0));
        }
        let simulated = u64::try_from(time.0 - self.origin.0).unwrap_or(0);
        Duration::from_micros((simulated as f64 / self.speed).ceil() as u64)
    }

    /// How long a simulated `period` (microseconds) takes on the wall.
    pub(crate) fn lasts(&self, period: i64) -> Duration {
        Duration::from_micros((period as f64 / self.speed).max(0.0) as u64)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The start of the period of `length` microseconds that `time` falls into, counted from midnight in Beijing.
pub(crate) fn period_start(time: Timestamp, length: i64) -> Timestamp {
    let offset = i64::from(BEIJING_OFFSET_SECONDS) * SECOND;
    Timestamp((time.0 + offset).div_euclid(length) * length - offset)
}

/// Microseconds since midnight in Beijing.
pub(crate) fn time_of_day(time: Timestamp) -> i64 {
    time.0 - period_start(time, DAY).0
}

/// Appends `YYYYMMDDhhmmss`, Beijing time.
pub(crate) fn stamp(out: &mut Vec<u8>, time: Timestamp) {
    let days = (time.0 - time_of_day(time) + i64::from(BEIJING_OFFSET_SECONDS) * SECOND).div_euclid(DAY);
    let (year, month, day) = civil(days);
    let second = time_of_day(time).div_euclid(SECOND);
    digits(out, year, 4);
    digits(out, month, 2);
    digits(out, day, 2);
    digits(out, second / 3600, 2);
    digits(out, second / 60 % 60, 2);
    digits(out, second % 60, 2);
}

/// Appends `YYYYMMDDhhmmsszzz`, Beijing time, as in QN.
pub(crate) fn stamp_millis(out: &mut Vec<u8>, time: Timestamp) {
    stamp(out, time);
    digits(out, time.0.rem_euclid(SECOND) / 1000, 3);
}

/// The time that `YYYYMMDDhhmmss` says, Beijing time; `None` if the calendar has no such time.
pub(crate) fn read_stamp(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() == 14 && t.bytes().all(|b| b.is_ascii_digit()))?;
    let small = |from: usize| text.get(from..from + 2)?.parse::<i8>().ok();
    let date = jiff::civil::Date::new(text.get(..4)?.parse().ok()?, small(4)?, small(6)?).ok()?;
    let time = jiff::civil::Time::new(small(8)?, small(10)?, small(12)?, 0).ok()?;
    let offset = jiff::tz::Offset::from_seconds(BEIJING_OFFSET_SECONDS).ok()?;
    Some(Timestamp(offset.to_timestamp(date.to_datetime(time)).ok()?.as_microsecond()))
}

fn digits(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10_i64.pow(place) % 10).unsigned_abs() as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(time: Timestamp) -> String {
        let mut out = Vec::new();
        stamp_millis(&mut out, time);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn stamps_are_beijing_time() {
        assert_eq!(text(Timestamp(1_795_401_600_412_000)), "20261123104000412");
        assert_eq!(text(Timestamp(1_709_135_999_000_000)), "20240228235959000");
        assert_eq!(text(Timestamp(1_709_136_000_000_000)), "20240229000000000");
    }

    #[test]
    fn after_a_fast_day_the_clock_goes_on_with_the_walls() {
        let start = Timestamp(1_795_401_600_000_000);
        let clock = Clock::new(start, 1_000.0, Duration::from_secs(60));
        let at = |seconds| clock.simulated(Duration::from_secs(seconds)).0 - start.0;
        assert_eq!([at(0), at(30), at(60), at(90)], [-59_940 * SECOND, -29_940 * SECOND, 60 * SECOND, 90 * SECOND]);
        for seconds in [1, 59, 60, 75, 4_000] {
            assert_eq!(clock.reached(clock.simulated(Duration::from_secs(seconds))), Duration::from_secs(seconds));
        }
    }

    proptest! {
        #[test]
        fn stamps_agree_with_the_calendar_of_the_house(seconds in 0_i64..7_000_000_000) {
            let time = Timestamp(seconds * SECOND);
            let plain: String = time.to_rfc3339()[..23].chars().filter(char::is_ascii_digit).collect();
            prop_assert_eq!(text(time), plain.as_str());
            prop_assert_eq!(read_stamp(&plain.as_bytes()[..14]), Some(time));
        }

        #[test]
        fn simulated_time_meets_the_wall_at_the_end(speed in 1.0_f64..3000.0, seconds in 1_u64..600) {
            let duration = Duration::from_secs(seconds);
            let clock = Clock::new(Timestamp(1_795_401_600_412_000), speed, duration);
            let apart = clock.wall(duration).0 - clock.simulated(duration).0;
            prop_assert!((0..=2 * SECOND).contains(&apart), "{apart}");
        }
    }

    #[test]
    fn a_time_is_reached_when_the_clock_shows_it() {
        let clock = Clock::new(Timestamp(1_795_401_600_000_000), 1440.0, Duration::from_secs(60));
        let noon = Timestamp(clock.origin.0 + 7 * HOUR);
        let elapsed = clock.reached(noon);
        assert!(clock.simulated(elapsed) >= noon);
        assert!(clock.simulated(elapsed - Duration::from_millis(1)) < noon);
    }

    #[test]
    fn days_begin_at_midnight_in_beijing() {
        assert_eq!(text(period_start(Timestamp(1_795_401_600_412_000), DAY)), "20261123000000000");
        assert_eq!(text(period_start(Timestamp(1_795_401_600_412_000), 10 * MINUTE)), "20261123104000000");
    }
}
