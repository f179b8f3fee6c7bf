//! What the uplink does before it publishes anything: the newest checkpoint that can be read, and from there on the records up to the cursor;
//! without a checkpoint, the registry that the journal still tells of.
//!
//! What must stay true: nothing is published here; going on with another state than the one before the restart is said.

use bytes::Bytes;

use super::{PULSE, READ_TRIES, Uplink, interpret, report_lost};
use crate::board::lock;
use crate::gateway::context;
use crate::gateway::derived::Derived;
use hj212_interpret::{self as interpreting, Interpreter, SharedFacts, TypedPublication};
use hj212_journal::{GapCause, Offset, ReadError, ReadItem, Reader};
use hj212_model::message::Record;
use hj212_model::telemetry::Counter;

/// The state that interpretation begins with: the newest checkpoint not beyond the cursor that can be read, or none.
#[derive(Debug)]
pub(in crate::gateway) struct Base {
    pub(super) cursor: Offset,
    pub(super) interpreter: Interpreter,
    pub(super) checkpoint: Option<Offset>,
    /// Whether there were checkpoints, none of which could be used.
    pub(super) unusable: bool,
}

impl Base {
    /// Looks for it beside the journal; facts that `held` has are not kept twice.
    pub(in crate::gateway) fn find(derived: &Derived, settings: &interpreting::Settings, held: SharedFacts) -> Base {
        let cursor = derived.cursor();
        let mut unusable = derived.newest().0.is_some();
        for (offset, state) in derived.checkpoints_up_to(cursor) {
            match Interpreter::restore_sharing(settings.clone(), &state, held.clone()) {
                Ok(interpreter) => return Base { cursor, interpreter, checkpoint: Some(offset), unusable: false },
                Err(error) => {
                    unusable = true;
                    tracing::warn!(offset = offset.0, %error, "a checkpoint is passed over");
                }
            }
        }
        let mut interpreter = Interpreter::new(settings.clone());
        interpreter.share(held);
        Base { cursor, interpreter, checkpoint: None, unusable }
    }

    /// The record that the checkpoint stands behind.
    pub(in crate::gateway) fn known(&self) -> Option<Offset> {
        self.checkpoint
    }
}

/// Brings the interpreter to the state it had after the record at the cursor; nothing is published. Gives the last record seen; `None` if the
/// stop came before it was known what holds.
pub(super) async fn catch_up(shared: &Uplink, base: Base) -> Option<(Interpreter, Offset, bool)> {
    let Base { cursor, mut interpreter, checkpoint, unusable } = base;
    let before = Offset(shared.journal.first().0.saturating_sub(1));
    let mut position = checkpoint.unwrap_or(before);
    if checkpoint.is_none() && before.0 > 0 {
        shared.telemetry.count(Counter::UplinkStateLost);
        tracing::error!(
            oldest = before.next().0,
            unusable,
            "the state of the interpretation is lost: there is no checkpoint that can be read, and the records before the oldest are no longer \
             kept. Split records, marks, gaps and statuses that began before it are not continued; the registry holds from the beginning"
        );
        foresee(shared, &mut interpreter).await?;
    }
    let mut reader = shared.journal.reader(Offset(position.0 + 1));
    let mut patience = Patience::default();
    let mut unpublished = Vec::new();
    let mut hidden = false;
    if checkpoint.is_none() && position > cursor {
        if cursor.0 > 0 {
            report_lost(shared, &reader, (cursor.next(), position), GapCause::Removed);
        } else {
            report_unaccounted(shared, position);
        }
    }
    while position < cursor {
        match reader.next() {
            Ok(Some(ReadItem::Record(stored))) => {
                let (offset, _) = interpret(&mut interpreter, &stored, &mut unpublished);
                position = offset;
                shared.progress.pulse.beat();
                let mut board = lock(&shared.board);
                unpublished.drain(..).for_each(|publication| board.published(&publication));
            }
            Ok(Some(ReadItem::Gap { first, last, cause })) => {
                position = last;
                // What was delivered is not lost to anyone; what comes behind the cursor never was.
                if last > cursor {
                    report_lost(shared, &reader, (first.max(cursor.next()), last), cause);
                    hidden |= context::is_among(&shared.derived, first, last);
                }
            }
            Ok(None) => break,
            Err(error) => {
                // Going on without would be going on with another state.
                tracing::error!(%error, after = position.0, "the journal cannot be read while rebuilding the state");
                patience.wait(shared, &mut reader, &error).await?;
            }
        }
    }
    // What was retained before the checkpoint is not published again, and is what holds all the same.
    interpreter.retell(&mut unpublished);
    let mut board = lock(&shared.board);
    unpublished.drain(..).for_each(|publication| board.published(&publication));
    interpreter.all_under_way().for_each(|(mn, view)| board.under_way(mn, Bytes::from(view.to_string())));
    drop(board);
    Some((interpreter, position, hidden))
}

/// Records up to `last` are gone, and no cursor says whether they were delivered.
fn report_unaccounted(shared: &Uplink, last: Offset) {
    shared.telemetry.add(Counter::UplinkLost, last.0);
    tracing::error!(
        first = 1,
        last = last.0,
        "records are gone, and no cursor says whether they were delivered: their segments were taken away before anything was delivered, or the \
         files `cursor` and `state-*` were after that; if the segments are found, stop, put them back under their names, and publish these offsets \
         with hj212-gateway replay"
    );
}

/// How often reading has failed while the state is rebuilt.
#[derive(Debug, Default)]
pub(super) struct Patience {
    tries: u32,
}

impl Patience {
    /// Waits before the next try; lets `reader` pass over a place that stays unreadable while the disk stores records. `None`: the stop.
    pub(super) async fn wait(&mut self, shared: &Uplink, reader: &mut Reader, error: &ReadError) -> Option<()> {
        shared.telemetry.count(Counter::JournalErrors);
        shared.progress.pulse.beat();
        self.tries += 1;
        let works = shared.journal.tail().durable() > shared.journal.recovered().last;
        if self.tries >= READ_TRIES && works && error.is_of_the_medium() {
            self.tries = 0;
            tracing::error!(%error, "the disk cannot read this place; going on behind it");
            shared.telemetry.count(Counter::JournalUnreadable);
            reader.pass_unreadable();
        }
        tokio::select! {
            () = shared.stop.cancelled() => None,
            () = tokio::time::sleep(shared.settings.cursor_every.min(PULSE)) => Some(()),
        }
    }
}

/// Puts the first context that the journal still holds in force from its beginning: nothing is published without a registry. The wait ends when
/// there is one, for the start journals one (see `gateway/announce`), or with the stop.
async fn foresee(shared: &Uplink, interpreter: &mut Interpreter) -> Option<()> {
    let mut reader = shared.journal.reader(Offset(0));
    let mut patience = Patience::default();
    loop {
        shared.progress.pulse.beat();
        match foresee_in(&mut reader, interpreter) {
            Ok(true) => return Some(()),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read for the registry; trying again");
                patience.wait(shared, &mut reader, &error).await?;
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return None,
            () = tokio::time::sleep(shared.settings.cursor_every) => {}
        }
    }
}

/// The same with what `reader` finds up to the end; whether there was a context. For every reading of a journal whose beginning is gone
/// without a checkpoint: they all begin alike.
pub(in crate::gateway) fn foresee_in(reader: &mut Reader, interpreter: &mut Interpreter) -> Result<bool, ReadError> {
    while let Some(item) = reader.next()? {
        if let ReadItem::Record(stored) = item
            && Record::tells_whole_context(stored.kind)
            && let Ok(record) = Record::decode(stored.kind, stored.body)
            && interpreter.foresee(&record)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts the first whole context that `reader` finds in force; whether there was one.
pub(super) fn take_early(
    reader: &mut Reader,
    interpreter: &mut Interpreter,
    out: &mut Vec<TypedPublication>,
) -> Result<bool, ReadError> {
    while let Some(item) = reader.next()? {
        if let ReadItem::Record(stored) = item
            && Record::tells_whole_context(stored.kind)
            && let Ok(record) = Record::decode(stored.kind, stored.body)
            && interpreter.take_early((stored.offset.0, stored.time, &stored.hash), &record, out)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
