//! Corrections of what periods were published to be worth.

use serde_json::{Value, json};

use super::rules::Validity;
use hj212_model::message::{Kind, Timestamp};

/// Why something published is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// An entry by hand, a correction or a withdrawal of one: its id.
    Entry(String),
    /// What an authority ruled: role and id.
    Ruling(&'static str, String),
    /// Finer values, or what it rests on, that came late or were corrected.
    Values,
    /// A mark of a rule that began or ended earlier than it was found.
    Mark(String),
}

impl Cause {
    /// As published.
    #[must_use]
    pub fn view(&self) -> Value {
        match self {
            Self::Entry(id) => json!({ "kind": "entry", "id": id }),
            Self::Ruling(role, id) => json!({ "kind": "ruling", "role": role, "id": id }),
            Self::Values => json!({ "kind": "values" }),
            Self::Mark(mark) => json!({ "kind": "mark", "id": mark }),
        }
    }
}

/// The worth of one published period, put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// What period: minute, hour, day.
    pub kind: Kind,
    /// Its start.
    pub data_time: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The codes whose worth is another now.
    pub readings: Vec<Revised>,
}

/// The worth of one reading of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    /// The code.
    pub code: String,
    /// What was published last.
    pub was: Option<Validity>,
    /// What it is.
    pub is: Option<Validity>,
    /// The marks on it now; without those of its own flag.
    pub marks: Vec<String>,
    /// Whether it came without a value.
    pub none: bool,
    /// Whether it came with a value that may be none.
    pub doubtful: bool,
}

impl Revised {
    /// Whether a worth that this reading had or has makes it valid, as that was published: what has no value is not, whatever else is known of it,
    /// and of what may be none nobody knows.
    #[must_use]
    pub fn valid(&self, worth: Option<Validity>) -> Option<bool> {
        match worth.map(Validity::is_usable) {
            Some(true) if self.doubtful => None,
            usable => usable.or(self.none.then_some(false)),
        }
    }
}
