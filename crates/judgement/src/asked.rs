//! What is asked of the marks of a station.

use hj212_marking::{Count, Validity};
use hj212_model::message::Timestamp;

/// What judgement asks of the marks and the plan of the station.
pub trait Asked {
    /// Until when marks may be entered for the day that holds `at`.
    fn closes(&self, at: Timestamp) -> Timestamp;
    /// What an hour is worth of which no record came.
    fn worth(&self, code: &str, hour: Timestamp) -> Option<Validity>;
    /// How many hours of a whole day the station measures this factor.
    fn due(&self, code: &str) -> u32;
    /// The furnaces whose temperature the station is due to send for this count, or the outlet.
    fn counted(&self, rule: &Count) -> Vec<String>;
    /// Whether one of these marks has effect on the object at a time.
    fn lifted(&self, object: &str, marks: &[String], at: Timestamp) -> bool;
    /// Whether a mark of that name has effect now, on whatever object.
    fn holds(&self, mark: &str) -> bool;
}
