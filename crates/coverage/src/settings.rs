//! What can be set about gaps: when a record is missing, and whether and how the station is asked for it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Grain;
use super::local::{DAY, Local};

/// `[recall]`. The tolerances hold whether recall is on or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether stations are asked for records that are missing.
    pub enabled: bool,
    /// A sampled record is missing when it is later than this.
    #[serde(with = "hj212_model::settings::duration")]
    pub realtime_overdue: Duration,
    /// A minute record is missing when it is not there this long after its period.
    #[serde(with = "hj212_model::settings::duration")]
    pub minute_overdue: Duration,
    /// The same of hour records.
    #[serde(with = "hj212_model::settings::duration")]
    pub hour_overdue: Duration,
    /// The same of day records.
    #[serde(with = "hj212_model::settings::duration")]
    pub day_overdue: Duration,
    /// The most that one request asks for (BeginTime to EndTime), of minute records. At least one record is asked for.
    #[serde(with = "hj212_model::settings::duration")]
    pub minute_span: Duration,
    /// The same of hour records.
    #[serde(with = "hj212_model::settings::duration")]
    pub hour_span: Duration,
    /// The same of day records.
    #[serde(with = "hj212_model::settings::duration")]
    pub day_span: Duration,
    /// Requests to one station within an hour. 1 to 60.
    pub asks_per_hour: u8,
    /// The pause between the end of one request and the next one to the same station.
    #[serde(with = "hj212_model::settings::duration")]
    pub pause: Duration,
    /// Stations with an open request at a time.
    pub open_max: u32,
    /// The time of day in Beijing within which stations are asked, as "22:00-06:00"; empty: always.
    pub window: Window,
    /// How long a station that has just come back is left to itself.
    #[serde(with = "hj212_model::settings::duration")]
    pub settle: Duration,
    /// A station that uploads old records by itself is not asked until it has not done so for this long.
    #[serde(with = "hj212_model::settings::duration")]
    pub quiet: Duration,
    /// After a request without success: the first pause, which doubles.
    #[serde(with = "hj212_model::settings::duration")]
    pub retry_min: Duration,
    /// And the longest.
    #[serde(with = "hj212_model::settings::duration")]
    pub retry_max: Duration,
    /// After so many requests a record is given up. 1 to 20.
    pub attempts_max: u8,
}

impl Default for Settings {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Settings {
            enabled: false,
            realtime_overdue: minutes(10),
            minute_overdue: minutes(30),
            hour_overdue: minutes(60),
            day_overdue: minutes(6 * 60),
            minute_span: minutes(24 * 60),
            hour_span: minutes(7 * 24 * 60),
            day_span: minutes(31 * 24 * 60),
            asks_per_hour: 12,
            pause: Duration::from_secs(30),
            open_max: 64,
            window: Window::default(),
            settle: minutes(5),
            quiet: minutes(10),
            retry_min: minutes(10),
            retry_max: minutes(24 * 60),
            attempts_max: 5,
        }
    }
}

pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

impl Settings {
    /// How late a record of this grain may be, in seconds.
    pub(super) fn overdue(&self, grain: Grain) -> u32 {
        seconds(match grain {
            Grain::Realtime => self.realtime_overdue,
            Grain::Minute => self.minute_overdue,
            Grain::Hour => self.hour_overdue,
            Grain::Day => self.day_overdue,
        })
    }

    /// How long a station is quiet before its own uploads are over, in seconds.
    pub(super) fn quiet(&self) -> u32 {
        seconds(self.quiet)
    }

    /// How much one request asks for, in seconds.
    pub(super) fn span(&self, grain: Grain) -> u32 {
        seconds(match grain {
            Grain::Realtime | Grain::Minute => self.minute_span,
            Grain::Hour => self.hour_span,
            Grain::Day => self.day_span,
        })
    }

    /// The pause after `attempts` requests without success, in seconds.
    pub(super) fn back_off(&self, attempts: u8) -> u32 {
        let doubled = 1u32.checked_shl(u32::from(attempts.saturating_sub(1))).unwrap_or(u32::MAX);
        seconds(self.retry_min).saturating_mul(doubled).min(seconds(self.retry_max))
    }
}

/// A time of day in Beijing, from one minute to another; it may go over midnight. Empty: the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window(Option<(u32, u32)>);

impl Window {
    /// Reads `22:00-06:00`, or nothing for the whole day. `None` if it is neither.
    #[must_use]
    pub fn read(text: &str) -> Option<Window> {
        if text.is_empty() {
            return Some(Window(None));
        }
        let time = |text: &str| {
            let (hour, minute) = text.split_once(':').filter(|_| text.len() == 5)?;
            let number = |text: &str, below: u32| {
                text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?.filter(|n: &u32| *n < below)
            };
            Some(number(hour, 24)? * 60 + number(minute, 60)?)
        };
        let (from, to) = text.split_once('-')?;
        let (from, to) = (time(from)?, time(to)?);
        (from != to).then_some(Window(Some((from, to))))
    }

    /// Whether it is that time.
    pub(super) fn holds(self, now: Local) -> bool {
        let minute = now % DAY / 60;
        match self.0 {
            None => true,
            Some((from, to)) if from < to => (from..to).contains(&minute),
            Some((from, to)) => minute >= from || minute < to,
        }
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((from, to)) = self.0 else { return Ok(()) };
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Window, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || format!("\"{text}\" is no time of day: write \"22:00-06:00\", or \"\" for the whole day");
        Window::read(&text).ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_may_go_over_midnight() {
        let night = Window::read("22:00-06:30").unwrap();
        let at = |hour: u32, minute: u32| 7 * DAY + hour * 3600 + minute * 60;
        assert!(night.holds(at(22, 0)) && night.holds(at(0, 0)) && night.holds(at(6, 29)));
        assert!(!night.holds(at(6, 30)) && !night.holds(at(21, 59)));
        assert_eq!(night.to_string(), "22:00-06:30");
        assert!(Window::read("").unwrap().holds(at(12, 0)));
        for wrong in ["22:00", "24:00-01:00", "1:00-02:00", "05:00-05:00", "05:60-06:00", "+5:00-06:00"] {
            assert_eq!(Window::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let settings = Settings::default();
        assert_eq!([1, 2, 3, 20].map(|n| settings.back_off(n)), [600, 1200, 2400, DAY]);
    }
}
