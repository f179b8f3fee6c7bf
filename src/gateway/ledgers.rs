//! What the interpretation knows at the end of the journal, beside a running gateway or without one: the newest checkpoint, and what was
//! journalled after it. Nothing is written.

use std::sync::Arc;

use super::derived::Derived;
use super::past;
use super::replay::ReplayError;
use super::uplink::interpret;
use crate::config::Config;
use hj212_interpret::Interpreter;
use hj212_journal::{self as journal, Disk, Offset, OsDisk, ReadItem, Reader};

/// The interpreter after the last record of the journal.
///
/// # Errors
/// [`ReplayError::Journal`] if there is no journal or it cannot be read.
pub fn read(config: &Config) -> Result<Interpreter, ReplayError> {
    let (dir, settings) = (&config.journal.dir, super::interpretation(config));
    let broken = |error: &dyn std::fmt::Display| ReplayError::Journal {
        dir: dir.display().to_string(),
        error: error.to_string(),
    };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let id = journal::id(&*disk, dir).map_err(|error| broken(&error))?.ok_or_else(|| broken(&"there is none"))?;
    let derived = Derived::new(Arc::clone(&disk), dir.clone(), id);
    let begun = past::begin(&disk, dir, &derived, &settings, Offset(u64::MAX));
    let (mut interpreter, from) = begun.map_err(|error| broken(&error))?;
    let mut reader = Reader::open(disk, dir, from).map_err(|error| broken(&error))?;
    let mut unpublished = Vec::new();
    while let Some(item) = reader.next().map_err(|error| broken(&error))? {
        if let ReadItem::Record(stored) = item {
            interpret(&mut interpreter, &stored, &mut unpublished);
            unpublished.clear();
        }
    }
    Ok(interpreter)
}
