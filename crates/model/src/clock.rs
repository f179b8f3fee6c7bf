//! The host's clocks, read in one place, and what may be believed of them ([`belief`]). Listeners and the daemon ask; everything below is told the
//! time.

pub mod belief;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::message::Timestamp;

/// The wall clock now. A clock before 1970 reads as the epoch.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Whether the wall clock is at a date that HTTP can write: from 1970 to 9999. The library that writes it panics at others.
#[must_use]
pub fn is_civil() -> bool {
    SystemTime::now().duration_since(UNIX_EPOCH).is_ok_and(|since| since.as_secs() < 253_402_300_800)
}

/// The monotonic clock of a run, counted from when this was made.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic(Instant);

impl Default for Monotonic {
    fn default() -> Self {
        Monotonic(Instant::now())
    }
}

impl Monotonic {
    /// Microseconds since the run began.
    #[must_use]
    pub fn micros(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}
