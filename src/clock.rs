//! The wall clock, read in one place. Doors and wiring ask it; everything below is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::message::Timestamp;

/// The time now. A clock before 1970 reads as the epoch.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
