//! What a detector found: numbers, inputs, words. It becomes a lead, or is added to one.

use serde::{Deserialize, Serialize};

use hj212_judgement::Words;
use hj212_model::message::Timestamp;

/// A value that a lead rests on, and where it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadInput {
    /// The record; 0 with an empty value: there is none.
    pub offset: u64,
    /// Its data time.
    pub at: Timestamp,
    /// The value, as the station said it.
    pub value: String,
}

/// What a detector found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The factor; empty: it is about the station; of a conflict the object.
    pub code: String,
    /// 1 to 3; the higher, the sooner it should be looked at.
    pub rank: u8,
    /// The day that it is of: its number, see [`hj212_judgement::calendar`].
    pub day: i32,
    /// Where the window begins.
    pub since: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// What was counted, by name.
    pub numbers: Vec<(&'static str, String)>,
    /// What it rests on.
    pub inputs: Vec<LeadInput>,
    /// What was taken into account against a false alarm.
    pub guards: Vec<&'static str>,
    /// In words.
    pub words: Words,
    /// The clause or source of the test.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
    /// The act that the test is about.
    pub act: String,
    /// How sure that is.
    pub act_certainty: String,
    /// Whether an open lead of this detector and factor that ended no longer ago than this is the same one, µs; 0: only one of the same day.
    pub same_within: i64,
}
