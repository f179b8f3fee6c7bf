//! What is asked of marks: only when a day's entries are closed, never with a value.

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

/// The marks of a station.
pub trait MarksAsked {
    /// Until when marks can be entered for the day that holds `at`.
    fn closes(&self, at: Timestamp) -> Timestamp;
    /// What people entered about a factor that holds or held within `from..=to`.
    fn by_hand(&self, code: &str, from: Timestamp, to: Timestamp) -> Vec<ByHand>;
    /// How much of `from..to` the source was marked as out of service for a factor, µs; of an empty code for all factors with a limit.
    fn out_of_service(&self, code: &str, from: Timestamp, to: Timestamp) -> i64;
}
