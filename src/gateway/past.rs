//! Where a reading of the journal begins that is not the uplink's: at a checkpoint, else at the oldest record.
//!
//! What must stay true: all readings of the same journal begin alike. Where the journal's beginning is gone and no checkpoint stands for it, the
//! first whole context that is still there holds from the oldest record on, as it does for the uplink.

use std::path::Path;
use std::sync::Arc;

use super::derived::Derived;
use super::uplink::foresee_in;
use hj212_interpret::{self as interpret, Interpreter};
use hj212_journal::{Disk, Offset, ReadError, ReadItem, Reader};

/// The interpretation after the newest usable checkpoint not beyond `up_to` (or before the oldest record), and the record to go on with.
pub(super) fn begin(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    derived: &Derived,
    settings: &interpret::Settings,
    up_to: Offset,
) -> Result<(Interpreter, Offset), ReadError> {
    begin_knowing(disk, dir, derived, settings, up_to).map(|(interpreter, first, _)| (interpreter, first))
}

/// The same, and whether nothing before that record is unknown: it is the first of all, or a checkpoint stands for what came before.
pub(super) fn begin_knowing(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    derived: &Derived,
    settings: &interpret::Settings,
    up_to: Offset,
) -> Result<(Interpreter, Offset, bool), ReadError> {
    let mut reader = Reader::open(Arc::clone(disk), dir, Offset(0))?;
    let oldest = match reader.next()? {
        Some(ReadItem::Record(stored)) => stored.offset,
        Some(ReadItem::Gap { first, .. }) => first,
        None => Offset(1),
    };
    let up_to = up_to.max(Offset(oldest.0.saturating_sub(1)));
    for (offset, state) in derived.checkpoints_up_to(up_to) {
        if let Ok(interpreter) = Interpreter::restore(settings.clone(), &state) {
            return Ok((interpreter, offset.next(), true));
        }
    }
    let mut interpreter = Interpreter::new(settings.clone());
    if oldest.0 > 1 {
        reader.seek(oldest);
        foresee_in(&mut reader, &mut interpreter)?;
    }
    Ok((interpreter, oldest, oldest.0 <= 1))
}
