//! Intervals at which records of a station are expected, and where they come from.

use serde::{Deserialize, Serialize};

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaceOf {
    /// The kind of data has it: hours, days.
    Fixed,
    /// The station's registration says it.
    Registered,
    /// The gateway set it by command.
    Set,
    /// The ledger of missing records learned it.
    Learned,
    /// It was seen between the last reports.
    Seen,
}

impl PaceOf {
    /// As evidence names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "interval_of_kind",
            Self::Registered => "interval_registered",
            Self::Set => "interval_set",
            Self::Learned => "interval_learned",
            Self::Seen => "interval_seen",
        }
    }
}

/// Intervals that the ledger of missing records knows, of sampled data, minutes, hours and days; in seconds.
pub type Paces = [Option<(u32, PaceOf)>; 4];
