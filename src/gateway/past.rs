//! Where a reading of the journal begins that is not the uplink's: at a checkpoint, else at the oldest record.
//!
//! What must stay true: all readings of the same journal begin alike. Where the journal's beginning is gone and no checkpoint stands for it, the
//! first whole context that is still there holds from the oldest record on, as it does for the uplink. In the archive, years are not interpreted for
//! one day's sake: reading begins some days before, with what was registered then.

use std::path::Path;
use std::sync::Arc;

use super::derived::Derived;
use super::uplink::foresee_in;
use hj212_archive::Manifest;
use hj212_interpret::{self as interpret, Interpreter};
use hj212_journal::{self as journal, Disk, Offset, ReadError, ReadItem, Reader};
use hj212_model::message::{Record, Timestamp};

/// Where a time in the archive is asked about that no checkpoint is near to, reading begins so long before it: what is held over longer is not known.
const ARCHIVE_BEFORE: i64 = 3 * 86_400 * 1_000_000;

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
    if let Some((interpreter, from)) = begin_in_archive(disk, dir, settings, up_to)? {
        return Ok((interpreter, from, false));
    }
    let mut interpreter = Interpreter::new(settings.clone());
    if oldest.0 > 1 {
        reader.seek(oldest);
        foresee_in(&mut reader, &mut interpreter)?;
    }
    Ok((interpreter, oldest, oldest.0 <= 1))
}

/// Where the reading begins if `up_to` lies more than [`ARCHIVE_BEFORE`] behind the beginning of an archive: with what was registered then, at a
/// segment that was begun that long before. `None`: nothing is archived, or all of it is to be read.
fn begin_in_archive(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    settings: &interpret::Settings,
    up_to: Offset,
) -> Result<Option<(Interpreter, Offset)>, ReadError> {
    let manifests = archived(disk, dir)?;
    if manifests.is_empty() {
        return Ok(None);
    }
    let spans = journal::spans(disk.as_ref(), dir)?;
    let after = spans.partition_point(|span| span.first <= up_to);
    let Some(at) = spans.get(after.saturating_sub(1)) else { return Ok(None) };
    let early = Timestamp(at.created.0.saturating_sub(ARCHIVE_BEFORE));
    let begin = spans.iter().take(after).rposition(|span| span.created <= early).unwrap_or(0);
    let Some(from) = spans.get(begin).map(|span| span.first).filter(|_| begin > 0) else { return Ok(None) };
    let mut interpreter = Interpreter::new(settings.clone());
    know_context(disk, dir, &manifests, &mut interpreter, Offset(from.0.saturating_sub(1)))?;
    Ok(Some((interpreter, from)))
}

/// An interpretation that knows the registration and the rules in force at `up_to`, and nothing else.
pub(super) fn context_at(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    derived: &Derived,
    settings: &interpret::Settings,
    up_to: Offset,
) -> Result<Interpreter, ReadError> {
    for (offset, state) in derived.checkpoints_up_to(up_to) {
        if let Ok(mut interpreter) = Interpreter::restore(settings.clone(), &state) {
            feed(disk, dir, &mut interpreter, (offset.next(), up_to))?;
            return Ok(interpreter);
        }
    }
    let mut interpreter = Interpreter::new(settings.clone());
    know_context(disk, dir, &archived(disk, dir)?, &mut interpreter, up_to)?;
    Ok(interpreter)
}

fn archived(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Vec<Manifest>, ReadError> {
    let failed = |source| ReadError { path: dir.to_path_buf(), source };
    match hj212_archive::of_journal(disk, dir).map_err(failed)? {
        Some(folder) => hj212_archive::manifests(disk.as_ref(), &folder).map_err(failed),
        None => Ok(Vec::new()),
    }
}

/// Tells `interpreter` what the records up to `up_to` say of the context: from the newest segment that holds a whole one on. Archived segments
/// without such records are not unpacked.
fn know_context(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    manifests: &[Manifest],
    interpreter: &mut Interpreter,
    up_to: Offset,
) -> Result<(), ReadError> {
    let all = journal::segments(disk.as_ref(), dir)?;
    let holds = |first: Offset, whole: bool| {
        manifests.binary_search_by_key(&first.0, |manifest| manifest.first).ok().and_then(|at| manifests.get(at)).map(
            |manifest| {
                manifest.missing > 0
                    || manifest.kinds.keys().any(|kind| {
                        if whole { Record::tells_whole_context(*kind) } else { Record::tells_context(*kind) }
                    })
            },
        )
    };
    let end = all.partition_point(|first| *first <= up_to);
    let mut begin = end;
    while begin > 0 {
        begin -= 1;
        let Some(first) = all.get(begin) else { break };
        let next = all.get(begin + 1).map_or(u64::MAX, |next| next.0);
        let whole = match holds(*first, true) {
            Some(whole) => whole,
            None => tells_whole(disk, dir, (*first, Offset(next.saturating_sub(1).min(up_to.0))))?,
        };
        if whole {
            break;
        }
    }
    for at in begin..end {
        let Some(first) = all.get(at) else { break };
        if holds(*first, false) == Some(false) {
            continue;
        }
        let next = all.get(at + 1).map_or(u64::MAX, |next| next.0);
        feed(disk, dir, interpreter, (*first, Offset(next.saturating_sub(1).min(up_to.0))))?;
    }
    Ok(())
}

/// Whether a whole context begins in these records.
fn tells_whole(disk: &Arc<dyn Disk>, dir: &Path, (first, last): (Offset, Offset)) -> Result<bool, ReadError> {
    let mut reader = Reader::open(Arc::clone(disk), dir, first)?;
    while reader.position() <= last {
        match reader.next()? {
            Some(ReadItem::Record(stored)) if stored.offset <= last && Record::tells_whole_context(stored.kind) => {
                return Ok(true);
            }
            Some(ReadItem::Record(_) | ReadItem::Gap { .. }) => {}
            None => break,
        }
    }
    Ok(false)
}

/// Tells `interpreter` what the records `first..=last` say of the context.
fn feed(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    interpreter: &mut Interpreter,
    (first, last): (Offset, Offset),
) -> Result<(), ReadError> {
    let mut reader = Reader::open(Arc::clone(disk), dir, first)?;
    let mut unpublished = Vec::new();
    while reader.position() <= last {
        match reader.next()? {
            Some(ReadItem::Record(stored)) if stored.offset <= last => {
                if Record::tells_context(stored.kind)
                    && let Ok(record) = Record::decode(stored.kind, stored.body)
                {
                    interpreter.on_record(stored.offset.0, stored.time, &stored.hash, &record, &mut unpublished);
                    unpublished.clear();
                }
            }
            Some(ReadItem::Record(_) | ReadItem::Gap { .. }) => {}
            None => break,
        }
    }
    Ok(())
}
