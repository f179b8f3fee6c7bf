//! What detectors see: a value, the time of a record, a conflict of marks. Types alone.

use serde::{Deserialize, Serialize};

use super::finding::LeadInput;
use hj212_judgement::Decimal;
use hj212_model::message::Timestamp;

/// The period whose mean a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadGrain {
    /// Some minutes.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

/// One value of a station, before marks.
#[derive(Debug, Clone, Copy)]
pub struct ValueSeen<'a> {
    /// The canonical code.
    pub code: &'a str,
    /// What it is the mean of.
    pub grain: LeadGrain,
    /// Its data time.
    pub at: Timestamp,
    /// When it came.
    pub received: Timestamp,
    /// As measured.
    pub measured: Option<Decimal>,
    /// Converted to reference oxygen (折算), where the station says so.
    pub converted: Option<Decimal>,
    /// Whether the source is marked as out of service (停运).
    pub out: bool,
    /// Whether the station's own flag says that it is no usable value.
    pub unusable: bool,
    /// The record in the journal.
    pub offset: u64,
}

/// The kind of records by whose times a clock is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Sampled data.
    Sampled,
    /// Minute data.
    Minute,
}

/// The time of a record, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct RecordSeen {
    /// Which kind of record.
    pub pulse: Pulse,
    /// Its data time.
    pub data: Timestamp,
    /// When it came, by the date that the gateway believes.
    pub at: Timestamp,
    /// When it came, by the time that has passed, which no step of a clock changes.
    pub elapsed: Timestamp,
    /// When the gateway last had the station's clock set.
    pub set: Option<Timestamp>,
    /// The record in the journal.
    pub offset: u64,
}

/// A conflict that the marking rules found.
#[derive(Debug, Clone)]
pub struct ConflictSeen<'a> {
    /// The conflict's name, without its set.
    pub name: &'a str,
    /// What it is about: a factor, a facility or an outlet.
    pub object: &'a str,
    /// The mark that it contradicts.
    pub mark: &'a str,
    /// What it says, in Chinese.
    pub zh: &'a str,
    /// In English.
    pub en: &'a str,
    /// The clause.
    pub clause: &'a str,
    /// Since when.
    pub since: Timestamp,
    /// When it was found.
    pub at: Timestamp,
    /// What it was found by.
    pub inputs: Vec<LeadInput>,
    /// The record in the journal.
    pub offset: u64,
}
