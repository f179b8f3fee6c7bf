//! Reading the journal for one station.

use std::path::Path;
use std::sync::Arc;

use super::MarksError;
use crate::gateway::derived::Derived;
use crate::gateway::past;
use hj212::packet;
use hj212_interpret::{self as interpret, Interpreter, TypedPublication};
use hj212_journal::{self as journal, Disk, Offset, ReadItem, Reader, Stored};
use hj212_model::message::{Presence, Record, Timestamp};

/// What is seen of a record.
pub(in crate::gateway) enum Seen<'a> {
    /// It comes next.
    Before(&'a Stored<'a>),
    /// It was interpreted.
    After {
        /// As stored.
        stored: &'a Stored<'a>,
        /// What it is; the passing of time, if it is about another station.
        record: &'a Record<'a>,
        /// What came of it.
        published: &'a [TypedPublication],
    },
}

/// What is known at the end.
pub(in crate::gateway) struct Walked {
    pub(in crate::gateway) interpreter: Interpreter,
    /// Whether nothing before the first record that was read is missing.
    pub(in crate::gateway) whole: bool,
    /// The version of the gateway that started last, of those that were read.
    pub(in crate::gateway) started: Option<String>,
}

/// Whether to read on.
#[derive(PartialEq, Eq)]
pub(in crate::gateway) enum Walk {
    /// Yes.
    Goes,
    /// No: enough was seen.
    Ends,
}

/// Interprets the journal for one station until `each` has seen enough; it is asked before a record is interpreted, and after that with what
/// the record gave.
pub(in crate::gateway) fn walk(
    dir: &Path,
    settings: interpret::Settings,
    from: Timestamp,
    mn: &str,
    mut each: impl FnMut(&Interpreter, Seen<'_>) -> Walk,
) -> Result<Walked, MarksError> {
    let broken = |error: &dyn std::fmt::Display| MarksError::Journal {
        dir: dir.display().to_string(),
        error: error.to_string(),
    };
    let disk: Arc<dyn Disk> = hj212_archive::reading(dir);
    let Some(id) = journal::id(&*disk, dir).map_err(|error| broken(&error))? else {
        return Err(broken(&"there is none"));
    };
    let begin = journal::offset_at(Arc::clone(&disk), dir, from).map_err(|error| broken(&error))?;
    let derived = Derived::new(Arc::clone(&disk), dir.to_owned(), id);
    let begun = past::begin_knowing(&disk, dir, &derived, &settings, Offset(begin.0.saturating_sub(1)));
    let (mut interpreter, first, whole) = begun.map_err(|error| broken(&error))?;
    let mut reader = Reader::open(disk, dir, first).map_err(|error| broken(&error))?;
    let mut started = None;
    let mut publications = Vec::new();
    while let Some(item) = reader.next().map_err(|error| broken(&error))? {
        let ReadItem::Record(stored) = item else { continue };
        if each(&interpreter, Seen::Before(&stored)) == Walk::Ends {
            break;
        }
        let record = Record::decode(stored.kind, stored.body).map_or(Record::Tick, |record| concerning(mn, record));
        if let Record::Started(version) = &record {
            started = Some((*version).to_owned());
        }
        publications.clear();
        interpreter.on_record(stored.offset.0, stored.time, &stored.hash, &record, &mut publications);
        if each(&interpreter, Seen::After { stored: &stored, record: &record, published: &publications }) == Walk::Ends
        {
            break;
        }
    }
    Ok(Walked { interpreter, whole, started })
}

/// The record, or the passing of time if it is about another station.
fn concerning<'r>(mn: &str, record: Record<'r>) -> Record<'r> {
    let concerns = match &record {
        Record::Frame(heard) => packet::parse(heard.segment).mn == Some(mn.as_bytes()),
        Record::Presence(presence) => match presence {
            Presence::Online { mn: of, .. } | Presence::Offline { mn: of, .. } => *of == mn,
            Presence::Takeover { mn: of, .. } | Presence::CloneSuspected { mn: of, .. } => *of == mn,
        },
        Record::MarkEntry { mn: of, .. }
        | Record::MarkRuling { mn: of, .. }
        | Record::CaseStep { mn: of, .. }
        | Record::WorkEntry { mn: of, .. } => *of == mn,
        Record::Rejected(_) | Record::Command(_) | Record::Notice(_) | Record::DeadLetter(_) | Record::Anchor(_) => {
            false
        }
        Record::Context { .. }
        | Record::Registry { .. }
        | Record::RegistryChange { .. }
        | Record::Tick
        | Record::Clock(_)
        | Record::Started(_)
        | Record::Stopped => true,
    };
    if concerns { record } else { Record::Tick }
}
