//! What is handed over as evidence: records as they are in the journal, with their place in its chain of hashes, and the rules that judged them.
//!
//! What must stay true: no password and no key is shown; the hash of the record as it was received stands beside the masked text, so that a
//! court can ask for the original.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::MarksError;
use hj212::secret::shown;
use hj212_interpret::{Says, TypedPublication};
use hj212_journal::{self as journal, Hash, Offset, ReadItem, Reader};
use hj212_model::message::{Record, Timestamp};

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its number.
    pub offset: Offset,
    /// When it was written.
    pub time: Timestamp,
    /// What it is: `frame`, `mark-entry`, `mark-ruling`, `case-step`, `ledger`.
    pub kind: &'static str,
    /// Its place in the chain.
    pub hash: Hash,
    /// That of the record before it; `None`: the journal no longer holds it.
    pub previous: Option<Hash>,
    /// From whom a frame came.
    pub peer: Option<String>,
    /// How many bytes were received.
    pub bytes: usize,
    /// SHA-256 of the bytes as received, nothing masked.
    pub sha256: Hash,
    /// The bytes as text, passwords and keys masked.
    pub text: String,
}

/// What the judgement rests on besides records.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The rule files in force, by name.
    pub rules: BTreeMap<String, String>,
    /// The name (SHA-256) of the registration and rules in force; zeros: none was ever.
    pub registry: [u8; 32],
    /// The version of the gateway that started last before, if its start was read.
    pub started: Option<String>,
}

/// Where entries and rulings of the station stand in the journal, by id.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Of entries.
    pub entries: BTreeMap<String, Offset>,
    /// Of rulings.
    pub rulings: BTreeMap<String, Offset>,
}

impl Places {
    /// Takes a record and what came of it: of those under one id the first that was accepted is the one that counts.
    pub(super) fn note(&mut self, offset: Offset, record: &Record<'_>, published: &[TypedPublication]) {
        let accepted = |said: &TypedPublication| {
            matches!(&said.content, Says::EntryStatus(entry) if entry.accepted)
                || matches!(said.content, Says::RulingStatus { accepted: true })
        };
        let accepted = || published.iter().any(accepted);
        match record {
            Record::MarkEntry { id, .. } if accepted() => {
                self.entries.entry((*id).to_owned()).or_insert(offset);
            }
            Record::MarkRuling { id, .. } if accepted() => {
                self.rulings.entry((*id).to_owned()).or_insert(offset);
            }
            Record::MarkEntry { .. }
            | Record::MarkRuling { .. }
            | Record::CaseStep { .. }
            | Record::WorkEntry { .. } => {}
            Record::Frame(_)
            | Record::Rejected(_)
            | Record::Presence(_)
            | Record::Context { .. }
            | Record::Registry { .. }
            | Record::RegistryChange { .. }
            | Record::Tick
            | Record::Clock(_)
            | Record::Started(_)
            | Record::Stopped
            | Record::Command(_)
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_) => {}
        }
    }
}

/// The record `offset` of the journal in `dir`; `None`: it holds none, or it is no evidence.
///
/// # Errors
/// [`MarksError::Journal`]
pub fn proof(dir: &Path, offset: Offset) -> Result<Option<Proof>, MarksError> {
    let broken =
        |error: journal::ReadError| MarksError::Journal { dir: dir.display().to_string(), error: error.to_string() };
    let mut reader =
        Reader::open(hj212_archive::reading(dir), dir, Offset(offset.0.saturating_sub(1).max(1))).map_err(broken)?;
    let mut previous = None;
    while let Some(item) = reader.next().map_err(broken)? {
        let ReadItem::Record(stored) = item else {
            previous = None;
            continue;
        };
        if stored.offset < offset {
            previous = Some(stored.hash);
            continue;
        }
        if stored.offset > offset {
            return Ok(None);
        }
        let Ok(record) = Record::decode(stored.kind, stored.body) else { return Ok(None) };
        let (kind, raw, peer) = match &record {
            Record::Frame(heard) => ("frame", heard.raw, Some(heard.from.peer.to_string())),
            Record::MarkEntry { json, .. } => ("mark-entry", *json, None),
            Record::MarkRuling { json, .. } => ("mark-ruling", *json, None),
            Record::CaseStep { json, .. } => ("case-step", *json, None),
            Record::WorkEntry { json, .. } => ("ledger", *json, None),
            Record::Rejected(_)
            | Record::Presence(_)
            | Record::Context { .. }
            | Record::Registry { .. }
            | Record::RegistryChange { .. }
            | Record::Tick
            | Record::Clock(_)
            | Record::Started(_)
            | Record::Stopped
            | Record::Command(_)
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_) => return Ok(None),
        };
        return Ok(Some(Proof {
            offset,
            time: stored.time,
            kind,
            hash: stored.hash,
            previous,
            peer,
            bytes: raw.len(),
            sha256: Sha256::digest(raw).into(),
            text: shown(raw),
        }));
    }
    Ok(None)
}
