//! What is remembered of a station beside its readings; each is written and read where it is thought about.

use std::collections::VecDeque;

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

/// How soon after each other a station's records can be sent: what its whole records have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// Spans of which a record was sent before its period was over: their DataTime is the end, whatever the standard says.
    pub(super) at_end: u8,
    /// The DataTime of the last sampled record in seconds.
    pub(super) sampled: i64,
    /// The shortest step between two of them in seconds; 0: none was seen.
    pub(super) step: u32,
}

/// What the last QNs of a station stood for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QnUse {
    pub(super) last: VecDeque<QnUsed>,
    /// How many different ones came since one stood for two records, up to `SOUND`; below 0 after that.
    pub(super) sound: i8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QnUsed {
    pub(super) qn: u64,
    /// ST, CN and the count of parts.
    pub(super) form: u64,
    /// The hash of the DataTime; 0: it had none yet.
    pub(super) time: u64,
    /// When it came first, by the time that has passed.
    pub(super) since: Timestamp,
}
