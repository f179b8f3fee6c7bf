//! What became of a step of a case, read from the journal beside a running gateway or without one. Nothing is written.
//!
//! What must stay true: the answer is the one that is published, word for word; a step that the journal does not have was not taken.

use super::marks::MarksError;
use super::marks::walk::{Seen, Walk, walk};
use crate::config::Config;
use bytes::Bytes;
use hj212_interpret::Says;
use hj212_model::message::{Record, Timestamp};

/// The status of the step `id` of `role` at the station `mn`, as published, if it came at `since` or later.
///
/// # Errors
/// [`MarksError::Journal`] if there is no journal or it cannot be read.
pub fn case_answer(
    config: &Config,
    mn: &str,
    (role, id): (&str, &str),
    since: Timestamp,
) -> Result<Option<Bytes>, MarksError> {
    let mut found = None;
    walk(&config.journal.dir, super::interpretation(config), since, mn, |_, seen| {
        let Seen::After { stored, record: Record::CaseStep { role: of, id: other, .. }, published } = seen else {
            return Walk::Goes;
        };
        if stored.time < since || *of != role || *other != id {
            return Walk::Goes;
        }
        let status = published.iter().find(|said| matches!(said.content, Says::CaseStatus));
        found = status.map(|said| said.publication.payload.clone());
        if found.is_some() { Walk::Ends } else { Walk::Goes }
    })?;
    Ok(found)
}
