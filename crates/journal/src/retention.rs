//! Which segments may go, and their going.
//!
//! What must stay true: no undelivered or held record is ever removed, and the newest segment never. What a restart needs is held
//! from the first moment of a run: a holder that has not spoken yet holds everything. A segment that only a holder keeps is made
//! known ([`super::Journal::is_held_back`]), so that the holder writes down what it needs and lets go; not one that waits for its copy in the
//! archive, for which nobody can write down anything.
//! None goes for its age by a date that is not believed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Settings;
use super::disk::Access;
use super::format::segment_name;
use super::segment::read_header;
use super::tail::{Shared, Span};
use hj212_model::message::Timestamp;
use hj212_model::telemetry::{Counter, Telemetry};

/// Removes the segments whose time is over; `now`: the date, if it is sure.
pub(super) fn expire(shared: &Arc<Shared>, settings: &Settings, telemetry: &Telemetry, now: Option<Timestamp>) {
    let mut removed = false;
    while let Some((oldest, held)) = removable(shared) {
        let segments: u64 = shared.segments().iter().map(|span| span.size).sum();
        let total = segments.saturating_add(shared.beside.load(Ordering::Relaxed));
        if total <= settings.keep_size && !now.is_some_and(|now| is_older(shared, settings, now)) {
            break;
        }
        if held {
            shared.note_held(oldest_last(shared));
            break;
        }
        if !remove(shared, oldest, telemetry) {
            break;
        }
        removed = true;
    }
    if removed {
        sync(shared, telemetry);
    }
}

/// Removes the oldest segment if it is delivered, whatever its age. True if there is more room now.
pub(super) fn make_room(shared: &Arc<Shared>, telemetry: &Telemetry) -> bool {
    let Some((oldest, held)) = removable(shared) else { return false };
    if held {
        shared.note_held(oldest_last(shared));
        return false;
    }
    if !remove(shared, oldest, telemetry) {
        return false;
    }
    telemetry.count(Counter::JournalDroppedEarly);
    tracing::warn!(first = oldest.first, "the disk is full: a delivered segment was dropped before its time");
    sync(shared, telemetry);
    true
}

/// The oldest segment, if all its records are delivered, and whether one is held.
fn removable(shared: &Shared) -> Option<(Span, bool)> {
    let delivered = shared.delivered.load(Ordering::Relaxed);
    let floor = shared.floor();
    let segments = shared.segments();
    let (oldest, next) = (segments.first()?, segments.get(1)?);
    let last = next.first - 1;
    (last <= delivered && last <= shared.durable()).then_some((*oldest, last >= floor))
}

/// The last record of the oldest segment.
fn oldest_last(shared: &Shared) -> u64 {
    shared.segments().get(1).map_or(0, |next| next.first - 1)
}

/// Whether the oldest segment was sealed longer ago than `keep`: when the one after it was made, and not before itself. What has no date that
/// can be is judged by the one after it.
fn is_older(shared: &Shared, settings: &Settings, now: Timestamp) -> bool {
    let keep = i64::try_from(settings.keep.as_micros()).unwrap_or(i64::MAX);
    let names: Vec<u64> = shared.segments().iter().map(|span| span.first).collect();
    let mut dates = names.into_iter().map(|first| date(shared, first).filter(|date| *date <= now));
    let own = dates.next().flatten();
    let sealed = dates.flatten().next();
    sealed.is_some_and(|sealed| now.0.saturating_sub(sealed.max(own.unwrap_or(sealed)).0) > keep)
}

/// When the segment was made, if its header can be read.
fn date(shared: &Shared, first: u64) -> Option<Timestamp> {
    let place = &shared.place;
    let file = place.disk.open(&place.dir.join(segment_name(first)), Access::Read).ok()?;
    Some(read_header(file.as_ref(), first).ok()??.created)
}

fn remove(shared: &Shared, oldest: Span, telemetry: &Telemetry) -> bool {
    let place = &shared.place;
    match place.disk.remove(&place.dir.join(segment_name(oldest.first))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            telemetry.count(Counter::JournalErrors);
            tracing::warn!(%error, first = oldest.first, "an old segment could not be removed");
            return false;
        }
        Ok(()) | Err(_) => {}
    }
    let mut segments = shared.segments();
    if segments.first() == Some(&oldest) {
        segments.remove(0);
    }
    telemetry.count(Counter::JournalExpired);
    true
}

/// A removal that a power cut takes back is done again: no reason to stop.
fn sync(shared: &Shared, telemetry: &Telemetry) {
    if let Err(error) = shared.place.disk.sync_dir(&shared.place.dir) {
        telemetry.count(Counter::JournalErrors);
        tracing::warn!(%error, "the journal's folder could not be synced after removing old segments");
    }
}
