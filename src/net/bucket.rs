//! A token bucket: so much a minute, as much at once. Pure: time is an argument.
//!
//! What must stay true: a clock that steps, either way, neither fills a bucket beyond what it holds nor stops its filling.

use std::time::Duration;

use hj212_model::message::Timestamp;

const MINUTE: i64 = 60_000_000;

/// See the head of the file. Counts in millionths of a minute, so that nothing is lost in rounding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// What is there, times [`MINUTE`]; below zero: owed.
    level: i64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(per_minute: u64, now: Timestamp) -> Self {
        Bucket { level: capacity(per_minute), at: now }
    }

    fn fill(&mut self, per_minute: u64, now: Timestamp) {
        let passed = now.0.saturating_sub(self.at.0).clamp(0, MINUTE);
        self.at = now;
        let rate = i64::try_from(per_minute).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(passed.saturating_mul(rate)).min(capacity(per_minute));
    }

    /// Whether there is room for `count`.
    pub(super) fn has(&mut self, count: u64, per_minute: u64, now: Timestamp) -> bool {
        self.fill(per_minute, now);
        self.level >= cost(count)
    }

    /// Takes `count`, whether it is there or not; how long until what is owed has come.
    pub(super) fn take(&mut self, count: u64, per_minute: u64, now: Timestamp) -> Duration {
        self.fill(per_minute, now);
        self.level = self.level.saturating_sub(cost(count));
        let owed = u64::try_from(self.level.saturating_neg()).unwrap_or(0);
        Duration::from_micros(owed.div_ceil(per_minute.max(1)))
    }

    /// Whether it is full: whoever it is of may be forgotten.
    pub(super) fn is_full(&mut self, per_minute: u64, now: Timestamp) -> bool {
        self.fill(per_minute, now);
        self.level >= capacity(per_minute)
    }
}

fn capacity(per_minute: u64) -> i64 {
    cost(per_minute)
}

fn cost(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_at_once_and_then_as_much_a_minute() {
        let mut bucket = Bucket::new(60, Timestamp(0));
        for _ in 0..60 {
            assert!(bucket.has(1, 60, Timestamp(0)));
            assert_eq!(bucket.take(1, 60, Timestamp(0)), Duration::ZERO);
        }
        assert!(!bucket.has(1, 60, Timestamp(0)));
        assert_eq!(bucket.take(1, 60, Timestamp(0)), Duration::from_secs(1));
        assert!(bucket.has(1, 60, Timestamp(2_000_000)) && !bucket.is_full(60, Timestamp(2_000_000)));
        assert!(bucket.is_full(60, Timestamp(63_000_000)));
    }

    #[test]
    fn a_clock_that_steps_neither_overfills_nor_stops_it() {
        let mut bucket = Bucket::new(60, Timestamp(0));
        bucket.take(60, 60, Timestamp(0));
        assert!(!bucket.has(61, 60, Timestamp(i64::MAX)));
        bucket.take(60, 60, Timestamp(i64::MAX));
        assert!(!bucket.has(1, 60, Timestamp(0)), "a step back gives nothing");
        assert!(bucket.has(1, 60, Timestamp(1_000_000)), "and filling goes on from there");
    }
}
