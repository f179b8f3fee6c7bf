//! What is asked of marks and of the electronic ledger: only when a day's entries are closed, never with a value.

use hj212_model::message::Timestamp;

/// A mark that a person entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The entry's id.
    pub entry: String,
    /// `set:id`
    pub mark: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: it holds.
    pub until: Option<Timestamp>,
    /// Whether it is about a device, not about how the source runs.
    pub device: bool,
}

/// Work that a company entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkSeen {
    /// The entry's id.
    pub id: String,
    /// Its record in the journal.
    pub offset: u64,
    /// Since when the work was done.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A mark that a logger's flag made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagSeen {
    /// `set:id`
    pub mark: String,
    /// What it is on.
    pub object: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: it holds.
    pub until: Option<Timestamp>,
}

/// The marks of a station.
pub trait MarksAsked {
    /// Until when marks can be entered for the day that holds `at`.
    fn closes(&self, at: Timestamp) -> Timestamp;
    /// What people entered about a factor that holds or held within `from..=to`.
    fn by_hand(&self, code: &str, from: Timestamp, to: Timestamp) -> Vec<ByHand>;
    /// How much of `from..to` the source was marked as out of service for a factor, µs; of an empty code for all factors with a limit.
    fn out_of_service(&self, code: &str, from: Timestamp, to: Timestamp) -> i64;
    /// Calibrations in the electronic ledger that lie within `from..=to` in part; `None`: nobody keeps one here.
    fn calibrations(&self, from: Timestamp, to: Timestamp) -> Option<Vec<WorkSeen>>;
    /// Marks of these names that rules made of what the logger said, and that hold or held within `from..=to`.
    fn flagged(&self, marks: &[String], from: Timestamp, to: Timestamp) -> Vec<FlagSeen>;
    /// Whether an hour of a factor with a limit came that lies within `from..=to` in part.
    fn heard(&self, from: Timestamp, to: Timestamp) -> bool;
}
