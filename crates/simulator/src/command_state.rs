//! What a station knows of commands, and what it is doing for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::commands::{Change, Event};
use super::faults::FaultSet;
use super::history::History;
use hj212::sm4::Key;

/// So many settings are remembered.
pub(super) const SETTINGS_MAX: usize = 64;

/// What a station knows of commands.
#[derive(Debug, Default)]
pub(super) struct Obedience {
    pub(super) command_tasks: VecDeque<CommandTask>,
    pub(super) heard: VecDeque<Heard>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) news: Vec<Event>,
    pub(super) last_errand: u64,
}

/// A command that was heard.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) qn: String,
    pub(super) cn: u16,
    pub(super) times: u32,
    pub(super) faults: FaultSet,
    pub(super) answers: Vec<(u16, Option<u16>)>,
}

/// A command that is being carried out.
#[derive(Debug)]
pub(super) struct CommandTask {
    pub(super) number: u64,
    /// As the command says it, and as it is answered.
    pub(super) qn: String,
    pub(super) said_qn: String,
    pub(super) cn: u16,
    pub(super) st: &'static str,
    pub(super) mn: Option<String>,
    pub(super) faults: FaultSet,
    pub(super) lines: VecDeque<Line>,
    pub(super) due: Duration,
    /// The front line was said once of two times.
    pub(super) said_once: bool,
}

/// What is said or done next.
#[derive(Debug)]
pub(super) enum Line {
    /// 9011, 9012 or 9013, with its code.
    Answer(u16, Option<u16>),
    /// A data area under the command's own CN.
    Value(String),
    History(History),
    Effect(Effect),
    /// The connection is dropped.
    Cut,
}

/// What changes, with what must not be told.
#[derive(Debug)]
pub(super) enum Effect {
    Plain(Change),
    Password(String),
    Key(Key),
}
