//! What is remembered of a station beside its readings; each is written and read where it is thought about.

use serde::{Deserialize, Serialize};

use hj212_model::message::Timestamp;

/// What is remembered of a station's last upload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resends {
    /// Its QN and data as a hash.
    pub(super) last: u64,
    /// When it came last, by the time that has passed.
    pub(super) at: i64,
    /// Whether it came more than once.
    pub(super) again: bool,
    /// Re-sends in a row.
    pub(super) count: u8,
    /// The dialect that was proposed.
    pub(super) proposed: String,
}

/// A value that the registration should have, and the one that it had when that was proposed, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proposed {
    pub(super) value: String,
    pub(super) registered: Option<u32>,
}

/// What was last said of a station's clock, and last done about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    /// When it was said, how far it was off in milliseconds, and whether that is within bounds.
    pub(super) said: Option<(Timestamp, i64, bool)>,
    /// When a request to set it ended, and whether it was done.
    pub(super) set: Option<(Timestamp, bool)>,
}
