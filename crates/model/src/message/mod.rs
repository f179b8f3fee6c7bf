//! What the gateway talks about: records, reports, publications. Plain values, no I/O.

pub mod context;
pub mod dialect;
pub mod kind;
pub mod pairs;
pub mod publication;
pub mod record;
pub mod registration;
pub mod time;
pub mod topic;

pub use context::{Context, ContextChange, Conversion, EmissionLimit, Facility, StationFacts};
pub use kind::Kind;
pub use pairs::Pairs;
pub use publication::Publication;
pub use record::{
    DEAD_LETTER_MAX, DeadLetter, Heard, MARK_ENTRY_MAX, Peering, Presence, REJECTED_KEPT_MAX, Record, RecordError,
    RejectReason, Rejected, notice,
};
pub use time::Timestamp;
pub use topic::Topic;
