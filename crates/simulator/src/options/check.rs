//! What options must obey before a run begins.

use std::time::Duration;

use super::Options;
use hj212::Edition;

/// An option that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--{option} {value}: {rule}")]
pub struct OptionError {
    /// The option's name without dashes.
    pub option: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub rule: &'static str,
}

/// The longest time that an option may give.
const TIME_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The longest history.
const HISTORY_MAX: Duration = Duration::from_secs(31 * 86_400);

/// The values of MinInterval (HJ 212-2017, table 4).
const MIN_INTERVALS: [u32; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

impl Options {
    /// Whether the options can be obeyed; names the first that cannot.
    ///
    /// # Errors
    /// [`OptionError`] with the option, its value and the rule.
    pub fn check(&self) -> Result<(), OptionError> {
        let wrong =
            |option, value: &dyn std::fmt::Debug, rule| Err(OptionError { option, value: format!("{value:?}"), rule });
        let port = self.connect.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
            return wrong("connect", &self.connect, "HOST:PORT, as 127.0.0.1:9002");
        }
        if self.speed.is_some_and(|speed| !(1.0..=100_000.0).contains(&speed)) {
            return wrong("speed", &self.speed.unwrap_or(1.0), "a number from 1 to 100000");
        }
        if self.speed.is_some_and(|speed| speed > 1.0) && self.duration.is_zero() {
            return wrong(
                "speed",
                &self.speed.unwrap_or(1.0),
                "faster than the wall clock only with a --duration: the future is not simulated",
            );
        }
        if !MIN_INTERVALS.contains(&self.min_interval) {
            return wrong(
                "min-interval",
                &self.min_interval,
                "one of 1 2 3 4 5 6 10 12 15 20 30 (HJ 212-2017, table 4)",
            );
        }
        if self.interval < Duration::from_millis(10) {
            return wrong("interval", &self.interval, "at least 10ms; use --rate to measure throughput");
        }
        let times = [
            self.interval,
            self.duration,
            self.drain,
            self.answer_timeout,
            self.reconnect_max,
            self.pace,
            self.progress,
            self.behaviour.history_pace,
            self.behaviour.late,
            self.behaviour.stay,
        ];
        if let Some(longest) = times.into_iter().find(|time| *time > TIME_MAX) {
            return wrong("duration", &longest, "no time is longer than 366 days");
        }
        if self.answer_timeout.is_zero() || self.reconnect_min.is_zero() || self.progress.is_zero() {
            return wrong(
                "answer-timeout",
                &self.answer_timeout,
                "this, --reconnect-min and --progress are longer than zero",
            );
        }
        if self.stations == 0 || self.per_connection == 0 || self.connections == Some(0) || self.ramp == 0 {
            return wrong(
                "stations",
                &self.stations,
                "this, --per-connection, --connections and --ramp are at least 1",
            );
        }
        if self.keep == 0 {
            return wrong("keep", &self.keep, "at least 1: a station keeps the record it is sending");
        }
        if self.edition.is_empty() {
            return wrong("edition", &"", "one of 2005, 2017, 2025, or several with commas");
        }
        if self.behaviour.history > HISTORY_MAX {
            return wrong("history", &self.behaviour.history, "at most 31d: more is not asked for at once");
        }
        let nothing_known = |edition: &Edition| !self.mix.iter().any(|subject| subject.is_known_to(*edition));
        if !self.mix.is_empty() && self.edition.iter().any(nothing_known) {
            return wrong("mix", &self.mix, "power and condition are known to edition 2025 alone");
        }
        if (self.behaviour.sealed || self.behaviour.register) && !self.edition.contains(&Edition::V2025) {
            let years: Vec<&str> = self.edition.iter().map(|edition| edition.year()).collect();
            return wrong("edition", &years, "--sealed and --register need 2025 among them, which brought both");
        }
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if self.edition.contains(&Edition::V2005) && (!digits(&self.mn_prefix) || self.mn_prefix.len() > 8) {
            return wrong("mn-prefix", &self.mn_prefix, "at most 8 digits for edition 2005, whose MN has 14 digits");
        }
        if self.mn_prefix.len() > 16 || !self.mn_prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
            return wrong("mn-prefix", &self.mn_prefix, "at most 16 characters 0-9A-F (HJ 212-2017, table 3)");
        }
        if u64::from(self.first) + u64::from(self.station_count()) > 1_000_000 {
            return wrong("first", &self.first, "--first and --stations together stay below 1000000");
        }
        if self.password.len() != 6 || !self.password.bytes().all(|b| b.is_ascii_alphanumeric()) {
            // The password itself is not shown.
            return wrong("password", &"", "six letters or digits (HJ 212-2017, table 3)");
        }
        Ok(())
    }
}
