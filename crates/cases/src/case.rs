//! A case: where it stands and how it came there.
//!
//! What must stay true: nothing in it is a float or a clock of its own; it goes into checkpoints as it is.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::HISTORY_MAX;
use super::rules::Deadline;
use super::step::FileRef;
use super::table::{Colour, Role, State, Step};
use hj212_model::message::Timestamp;

/// The longest text that is told of a step, bytes; the journal has the whole.
const TOLD_MAX: usize = 1000;

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its id; empty: the gateway's own.
    pub id: String,
    /// What.
    pub step: Step,
    /// As whom; nothing: the gateway.
    pub role: Option<Role>,
    /// Who.
    pub author: String,
    /// From where.
    pub from: State,
    /// To where.
    pub to: State,
    /// When it came.
    pub at: Timestamp,
    /// The record in the journal.
    pub offset: u64,
    /// What was said, cut.
    pub text: String,
    /// The cause that was named.
    pub cause: String,
    /// The number of the file at law that it gave.
    pub number: String,
    /// Files that it names.
    pub files: Vec<FileRef>,
    /// Marks that it names.
    pub marks: Vec<String>,
    /// SHA-256 of what it says.
    pub(crate) content: [u8; 32],
}

impl Taken {
    pub(crate) fn told(text: &str) -> String {
        let cut = text.floor_char_boundary(TOLD_MAX);
        text.get(..cut).unwrap_or_default().to_owned()
    }

    /// Bytes that it takes, about.
    fn weight(&self) -> u64 {
        let files: usize = self.files.iter().map(|file| file.name.len() + 128).sum();
        let marks: usize = self.marks.iter().map(|mark| mark.len() + 24).sum();
        (self.id.len()
            + self.author.len()
            + self.text.len()
            + self.cause.len()
            + self.number.len()
            + files
            + marks
            + 200) as u64
    }
}

/// What became of it at law (拟立案 → 立案 → 处罚 → 结案 lies with others; here is the number of the file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Law {
    /// When it was handed over.
    pub since: Timestamp,
    /// The number of the file (案号); empty: not given yet, and the case is not closed without it.
    pub number: String,
    /// Who gave it: the same or a higher role may change it.
    pub by: Option<Role>,
}

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// The station.
    pub mn: String,
    /// The outlet; may be empty.
    pub outlet: String,
    /// The factor.
    pub code: String,
    /// The colour: never a lower one than before.
    pub colour: Colour,
    /// Where it stands.
    pub state: State,
    /// When it was opened.
    pub opened: Timestamp,
    /// Since when it stands there.
    pub since: Timestamp,
    /// When what must be done now is due.
    pub due: Option<Deadline>,
    /// When the enterprise must have finished: set at its first reply, kept when the case is returned.
    pub finish: Option<Deadline>,
    /// Whether the county has granted more time: once.
    pub extended: bool,
    /// How often what is due was said to be overdue: each time one level higher.
    pub overdue: u8,
    /// When it is said next.
    pub(crate) alarm: Option<Timestamp>,
    /// How often it was returned.
    pub returned: u32,
    /// How often it was exceeded again after it had been accepted.
    pub relapses: u32,
    /// What became of it at law.
    pub law: Option<Law>,
    /// Alerts that it is about, the newest last.
    pub alerts: Vec<String>,
    /// The days, settled as exceeded, that it is about, in order.
    pub days: Vec<String>,
    /// The case of the same alert before it, which had ended.
    pub before: Option<String>,
    /// Who moved it since it was last returned, as names are compared.
    pub(crate) movers: Vec<String>,
    /// The newest steps.
    pub history: VecDeque<Taken>,
    /// Steps in all.
    pub steps: u64,
    pub(crate) weight: u64,
}

impl Case {
    /// Takes a step down; gives the bytes that the case has grown by, which may be negative.
    pub(crate) fn note(&mut self, taken: Taken) -> i64 {
        let mut grown = i64::try_from(taken.weight()).unwrap_or(i64::MAX);
        if self.history.len() >= HISTORY_MAX
            && let Some(gone) = self.history.pop_front()
        {
            grown -= i64::try_from(gone.weight()).unwrap_or(0);
        }
        self.history.push_back(taken);
        self.steps += 1;
        self.weight = self.weight.saturating_add_signed(grown);
        grown
    }

    /// When what must be done now is due.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.due.as_ref().map(|due| due.at)
    }

    /// Who is told that it is overdue, from who must act up.
    #[must_use]
    pub fn told_to(&self) -> Vec<Role> {
        let ladder = [Role::Enterprise, Role::County, Role::City, Role::Province];
        let first = self.state.whose().and_then(|role| ladder.iter().position(|one| *one == role)).unwrap_or(0);
        let count = usize::from(self.overdue) + 1;
        ladder.iter().copied().skip(first).take(count).collect()
    }
}
