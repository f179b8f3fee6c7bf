//! The entries of the electronic ledger of a station, read from the journal and its archive beside a running gateway or without one. Nothing is written.
//!
//! What must stay true: every entry that came is told, with what became of it when it came; one that was withdrawn since is told as withdrawn and stays
//! in the list.

use std::collections::BTreeMap;

use super::marks::MarksError;
use super::marks::walk::{Seen, Walk, walk};
use crate::config::Config;
use hj212_interpret::Says;
use hj212_model::message::{Record, Timestamp};
use hj212_operation::{WorkWritten, read_entry};

/// An entry as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkListed {
    /// Its record in the journal.
    pub offset: u64,
    /// When it came.
    pub at: Timestamp,
    /// As whom it was said.
    pub role: String,
    /// Its id, as in the topic.
    pub id: String,
    /// What it says, if it can be read.
    pub written: Option<WorkWritten>,
    /// The code of its refusal; `None`: it was accepted.
    pub refused: Option<String>,
    /// The entry that withdrew it.
    pub withdrawn_by: Option<String>,
}

/// The entries of the station `mn` that came at `since` or later, in the order in which they came; the same again is told once.
///
/// # Errors
/// [`MarksError::Journal`]; [`MarksError::UnknownStation`] if the station is not registered and nothing came for it.
pub fn list(config: &Config, mn: &str, since: Timestamp) -> Result<Vec<WorkListed>, MarksError> {
    let mut listed: Vec<WorkListed> = Vec::new();
    let settings = super::interpretation(config);
    let walked = walk(&config.journal.dir, settings, since, mn, |_, seen| {
        let Seen::After { stored, record: Record::WorkEntry { role, id, json, .. }, published } = seen else {
            return Walk::Goes;
        };
        let status = published.iter().find_map(|said| {
            let Says::WorkStatus { refused } = &said.content else { return None };
            Some(refused.as_deref().map(str::to_owned))
        });
        let Some(refused) = status.filter(|_| stored.time >= since) else { return Walk::Goes };
        let same = |known: &WorkListed| known.refused.is_none() && known.id == *id;
        if refused.is_none() && listed.iter().any(same) {
            return Walk::Goes;
        }
        listed.push(WorkListed {
            offset: stored.offset.0,
            at: stored.time,
            role: (*role).to_owned(),
            id: (*id).to_owned(),
            written: read_entry(json),
            refused,
            withdrawn_by: None,
        });
        Walk::Goes
    })?;
    if listed.is_empty() && !walked.interpreter.is_registered(mn) {
        return Err(MarksError::UnknownStation(mn.to_owned()));
    }
    let withdrawals: BTreeMap<String, String> = listed
        .iter()
        .filter(|entry| entry.refused.is_none())
        .filter_map(|entry| Some((entry.written.as_ref()?.withdraws.clone()?, entry.id.clone())))
        .collect();
    for entry in listed.iter_mut().filter(|entry| entry.refused.is_none()) {
        entry.withdrawn_by = withdrawals.get(&entry.id).cloned();
    }
    Ok(listed)
}
