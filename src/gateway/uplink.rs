//! The uplink: journal → interpreter → MQTT → cursor. One thread, so that a long backlog never takes time from the
//! connections.
//!
//! What must stay true:
//! * the **cursor** is the number of a record such that everything published from it and from all before it has been acknowledged
//!   by the broker. It moves only forward and only so far; after a restart publishing begins with the record behind it. What was
//!   published and not yet acknowledged is published again: at least once, with the same ids.
//! * the interpreter's state is never ahead of the cursor on disk. A **checkpoint** `state-<offset>` holds the state after that
//!   record; it is taken as interpretation passes and written once the cursor has got there. A start loads the newest checkpoint
//!   not beyond the cursor, interprets up to the cursor without publishing, and goes on. Checkpoints are derived: delete them and
//!   they are rebuilt from the retained journal.
//! * what a restart needs is held in the journal from the first moment of a run: the records behind the checkpoint it would begin with (behind
//!   the one before, while there is room), all of them without a checkpoint. A segment that is kept for this alone makes a checkpoint due.
//! * nothing is published without the registry: where the journal's beginning is gone and no checkpoint stands for it, the first whole context
//!   in the journal holds from the oldest record on, the loss of the rest is said, and without any context the uplink waits for one.
//! * damage that hides the registry in force is mended while the gateway runs: the registry is journalled again, and nothing more is published
//!   before that has been read. The damaged bytes, and what can be read around unreadable ones, are copied to quarantine;
//! * a place that cannot be read is passed over only when it stays so for [`READ_TRIES`] tries and [`READ_PATIENCE`] while the disk stores new
//!   records: a disk that is away is waited for.
//! * nothing here looks at a clock to decide what is published; time is the records' time;
//! * what is published is offered to push as well, once ([`super::push`]). The cursor on disk waits for the queues to be on disk, a short time and
//!   without this thread waiting: it goes on with what comes.
//!
//! # Files
//!
//! In the journal's folder: `cursor` (see [`hj212_journal::Slots`]), `state-<offset, 20 digits>` (see [`hj212_interpret`]) and `state.spare`;
//! [`super::derived`] has the rest.

pub(super) mod catch_up;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(super) use catch_up::{Base, foresee_in};
use catch_up::{Patience, catch_up, take_early};

use super::command_desk::Order;
use super::context;
use super::delivery::{Delivery, Due};
use super::derived::{CHECKPOINTS_MAX, Derived};
use super::progress::{Ending, Progress};
use super::push::Pusher;
use super::questions::Question;
use super::size_guard::SizeGuard;
use crate::board::{Board, lock};
use crate::config::uplink::Settings;
use hj212_interpret::{self as interpret, Interpreted, Interpreter, TypedPublication};
use hj212_journal::{GapCause, Health, Holder, Journal, Offset, ReadError, ReadItem, Reader};
use hj212_model::message::{Record, Timestamp};
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_mqtt::{Closed, Outbox};

/// How often it is looked for records to ask stations for.
const RECALL_EVERY: Duration = Duration::from_secs(1);

/// A place that cannot be read is tried so often, and for so long, before it is passed over.
const READ_TRIES: u32 = 10;
const READ_PATIENCE: Duration = Duration::from_secs(6);

/// How often the thread shows that it lives while it waits for the broker.
const PULSE: Duration = Duration::from_secs(5);

/// What the uplink needs.
pub struct Uplink {
    pub(super) settings: Settings,
    pub(super) progress: Arc<Progress>,
    pub(super) journal: Arc<Journal>,
    pub(super) derived: Derived,
    /// What interpretation begins with.
    pub(super) base: Base,
    /// `journal.keep_size`: checkpoints take an eighth of it at most.
    pub(super) keep_size: u64,
    pub(super) interpret: interpret::Settings,
    pub(super) outbox: Outbox,
    pub(super) envelope: SizeGuard,
    pub(super) board: Arc<Mutex<Board>>,
    pub(super) telemetry: Arc<Telemetry>,
    /// Who else is told.
    pub(super) push: Arc<Pusher>,
    /// Asks for the registry to be journalled once more.
    pub(super) renew: Arc<Notify>,
    /// Where stations are asked for what is missing, if they are to be.
    pub(super) orders: Option<mpsc::Sender<Order>>,
    /// What others want to know of the interpretation.
    pub(super) questions: mpsc::Receiver<Question>,
    /// Set when no more records will come: drain what is there, then end.
    pub(super) stop: CancellationToken,
}

impl std::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uplink").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Uplink {
    /// Starts the thread.
    pub fn spawn(self) -> std::io::Result<std::thread::JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("uplink".into()).spawn(move || runtime.block_on(self.run()))
    }

    async fn run(self) {
        let _ending = Ending(Arc::clone(&self.progress));
        let Some(mut task) = Box::pin(UplinkTask::new(self)).await else { return };
        match task.drive().await {
            Ok(()) => task.leave().await,
            Err(Closed) => tracing::warn!(
                cursor = task.delivery.cursor().0,
                "the connection to the broker has closed for good; the rest is published after the next start"
            ),
        }
        task.write_due(true);
    }
}

struct UplinkTask {
    shared: Uplink,
    reader: Reader,
    interpreter: Interpreter,
    delivered: watch::Receiver<u64>,
    advanced: Arc<Notify>,
    delivery: Delivery,
    publications: Vec<TypedPublication>,
    /// The last sequence number handed to the outbox.
    seq: u64,
    /// The last record read, and its time.
    position: Offset,
    time: Timestamp,
    cursor_stored_at: Instant,
    recalled_at: Instant,
    /// Whether it was said that the host's clock is doubted. A run that begins with such a clock says it with its first record.
    clock_doubted: bool,
    /// Whether the disk is full: the older checkpoints have gone then.
    pressed: bool,
    /// Since when the journal cannot be read.
    refused: Option<Refused>,
    /// Whether damage hid the registry in force.
    hidden: bool,
    breaks: u64,
}

/// An error of reading that lasts.
struct Refused {
    since: Instant,
    /// The journal's end then: beyond it, the disk has worked since.
    durable: Offset,
    tries: u32,
}

impl UplinkTask {
    /// `None` if the stop came before it was known what holds.
    async fn new(mut shared: Uplink) -> Option<Self> {
        let empty = Base {
            cursor: Offset(0),
            interpreter: Interpreter::new(shared.interpret.clone()),
            checkpoint: None,
            unusable: false,
        };
        let base = std::mem::replace(&mut shared.base, empty);
        let cursor = base.cursor;
        // What a restart needs is held from here on, whether a checkpoint is ever written or not.
        let oldest = shared.journal.first();
        shared.journal.keep_from(Holder::Interpretation, base.checkpoint.map_or(oldest, Offset::next));
        let (interpreter, position, hidden) = catch_up(&shared, base).await?;
        shared.progress.interpreted.store(position.0, Ordering::Relaxed);
        shared.progress.know(interpreter.keys());
        let advanced = Arc::new(Notify::new());
        let hook = Arc::clone(&advanced);
        shared.journal.tail().on_advance(Box::new(move || hook.notify_one()));
        shared.journal.delivered(cursor);
        let mut task = UplinkTask {
            reader: shared.journal.reader(Offset(position.0 + 1)),
            delivered: shared.outbox.delivered(),
            advanced,
            delivery: Delivery::new(cursor, position, shared.settings.checkpoint_every),
            publications: Vec::new(),
            seq: 0,
            position,
            time: Timestamp(0),
            cursor_stored_at: Instant::now(),
            recalled_at: Instant::now(),
            clock_doubted: false,
            interpreter,
            pressed: false,
            refused: None,
            hidden,
            breaks: 0,
            shared,
        };
        task.thin(false);
        Some(task)
    }

    async fn drive(&mut self) -> Result<(), Closed> {
        if std::mem::take(&mut self.hidden) && !self.wait_for_the_registry().await {
            return Ok(());
        }
        loop {
            self.shared.progress.pulse.beat();
            self.note_delivered();
            self.make_way();
            while let Ok(question) = self.shared.questions.try_recv() {
                question(&self.interpreter);
            }
            if self.interpret_next() {
                if std::mem::take(&mut self.hidden) && !self.wait_for_the_registry().await {
                    return Ok(());
                }
                self.publish().await?;
                continue;
            }
            let breaks = self.reader.breaks();
            self.shared.telemetry.add(Counter::JournalBreaks, breaks - std::mem::replace(&mut self.breaks, breaks));
            self.recall();
            let done = self.delivery.is_idle();
            if self.shared.stop.is_cancelled() && done {
                return Ok(());
            }
            tokio::select! {
                () = self.advanced.notified() => {}
                Some(question) = self.shared.questions.recv() => question(&self.interpreter),
                changed = self.delivered.changed() => if changed.is_err() { return Err(Closed) },
                () = tokio::time::sleep(self.shared.settings.cursor_every) => {}
                () = self.shared.stop.cancelled(), if !self.shared.stop.is_cancelled() => {}
            }
        }
    }

    /// Interprets one record into `self.publications`; false when the journal has no more for now.
    fn interpret_next(&mut self) -> bool {
        match self.reader.next() {
            Ok(Some(ReadItem::Record(stored))) => {
                self.time = stored.time;
                self.refused = None;
                let (offset, interpreted) = interpret(&mut self.interpreter, &stored, &mut self.publications);
                self.position = offset;
                self.shared.progress.interpreted.store(offset.0, Ordering::Relaxed);
                count(&self.shared.telemetry, &interpreted);
                self.note_clock(&interpreted);
                if interpreted.keys > 0 {
                    self.shared.progress.know(self.interpreter.keys());
                }
                true
            }
            Ok(Some(ReadItem::Gap { first, last, cause })) => {
                self.position = last;
                if let Some((segment, ranges)) = self.reader.unreadable() {
                    self.shared.telemetry.add(Counter::JournalUnreadable, ranges.len() as u64);
                    tracing::error!(
                        segment,
                        ?ranges,
                        "positions and lengths that the disk cannot read; they stay in the file as long as it is kept"
                    );
                }
                report_lost(&self.shared, &self.reader, (first, last), cause);
                self.hidden |= context::is_among(&self.shared.derived, first, last);
                true
            }
            Ok(None) => {
                self.refused = None;
                false
            }
            Err(error) => {
                self.cannot_read(&error);
                false
            }
        }
    }

    /// Has the registry journalled once more and puts it in force as soon as it can be read; the records from here on were heard under it.
    /// False: the stop came first.
    async fn wait_for_the_registry(&mut self) -> bool {
        self.shared.telemetry.count(Counter::UplinkContextsHidden);
        tracing::error!(
            after = self.position.0,
            "damage hides the registry in force: it is journalled again, and nothing is published before that has been read"
        );
        self.shared.renew.notify_one();
        let mut ahead = self.shared.journal.reader(self.position.next());
        let mut patience = Patience::default();
        loop {
            self.shared.progress.pulse.beat();
            match take_early(&mut ahead, &mut self.interpreter, &mut self.publications) {
                Ok(true) => {
                    tracing::info!("the registry has been read again");
                    return true;
                }
                Ok(false) => {}
                Err(error) => {
                    if patience.wait(&self.shared, &mut ahead, &error).await.is_none() {
                        return false;
                    }
                }
            }
            tokio::select! {
                () = self.shared.stop.cancelled() => return false,
                () = tokio::time::sleep(self.shared.settings.cursor_every) => {}
            }
        }
    }

    /// The disk refuses to read. It is tried again until that has lasted, while the same disk stored new records: then it is this place.
    fn cannot_read(&mut self, error: &ReadError) {
        self.shared.telemetry.count(Counter::JournalErrors);
        let durable = self.shared.journal.tail().durable();
        let refused = self.refused.get_or_insert(Refused { since: Instant::now(), durable, tries: 0 });
        if refused.tries == 0 {
            tracing::error!(%error, after = self.position.0, "the journal cannot be read; trying again");
        }
        refused.tries += 1;
        if refused.tries >= READ_TRIES
            && refused.since.elapsed() >= READ_PATIENCE
            && durable > refused.durable
            && error.is_of_the_medium()
        {
            tracing::error!(%error, after = self.position.0, tries = refused.tries, "the disk cannot read this place; going on behind it");
            self.refused = None;
            self.reader.pass_unreadable();
        }
    }

    /// Says it when the host's clock is doubted, and when it is not any more.
    fn note_clock(&mut self, interpreted: &Interpreted) {
        let doubted = interpreted.clock_doubted > 0;
        if interpreted.clock_steps > 0 {
            tracing::warn!(now = %self.interpreter.time().to_rfc3339(), "the host's clock is believed from here on, with the date that it shows");
        } else if doubted != self.clock_doubted {
            match self.interpreter.clock_apart() {
                Some(apart) => tracing::warn!(
                    seconds = apart / 1_000_000,
                    "the host's clock does not agree with the time that has passed; it is believed when it has stayed so for ten minutes"
                ),
                None => tracing::info!("the host's clock agrees again with the time that has passed"),
            }
        }
        self.clock_doubted = doubted;
    }

    /// Has stations asked for what is missing. Only at the journal's end: what is not read yet may be what is missing.
    fn recall(&mut self) {
        let Some(orders) = self.shared.orders.as_ref().filter(|_| self.recalled_at.elapsed() >= RECALL_EVERY) else {
            return;
        };
        self.recalled_at = Instant::now();
        for recall in self.interpreter.recalls(self.interpreter.time()) {
            // What finds no room is planned again.
            if orders.try_send(Order::Recall(Box::new(recall))).is_err() {
                break;
            }
        }
    }

    async fn publish(&mut self) -> Result<(), Closed> {
        let mut changed = BTreeSet::new();
        for publication in &self.publications {
            changed.extend(publication.concerns());
        }
        for mn in changed {
            if let Some(view) = self.interpreter.under_way(mn) {
                lock(&self.shared.board).under_way(mn, Bytes::from(view.to_string()));
            }
        }
        for published in self.publications.drain(..) {
            lock(&self.shared.board).published(&published);
            self.shared.push.offer(&published, self.position, |mn| self.interpreter.region(mn));
            let fitting = self.shared.envelope.fit(published.publication, self.position, &self.shared.telemetry);
            let mut pushed = std::pin::pin!(self.shared.outbox.push_of(fitting, self.position.0));
            self.seq = loop {
                tokio::select! {
                    pushed = &mut pushed => break pushed?,
                    Some(question) = self.shared.questions.recv() => question(&self.interpreter),
                    // A broker that takes nothing is no fault of this thread.
                    () = tokio::time::sleep(PULSE) => self.shared.progress.pulse.beat(),
                }
            };
        }
        self.delivery.handed(self.position, self.time, self.seq);
        if self.delivery.wants_state() {
            self.delivery.keep(self.interpreter.snapshot());
        }
        Ok(())
    }

    /// Moves the cursor to where the broker has acknowledged everything, and writes what is due.
    fn note_delivered(&mut self) {
        let delivered = *self.delivered.borrow_and_update();
        if let Some(time) = self.delivery.acknowledged(delivered) {
            self.shared.progress.delivered_time.store(time.0, Ordering::Relaxed);
        }
        self.shared.progress.delivered.store(self.delivery.cursor().0, Ordering::Relaxed);
        self.write_due(self.cursor_stored_at.elapsed() >= self.shared.settings.cursor_every);
    }

    /// Writes what is due; `timely`: the cursor too.
    fn write_due(&mut self, timely: bool) {
        let kept = if timely { self.shared.push.stored_before(self.delivery.cursor()) } else { Offset(0) };
        while let Some(due) = self.delivery.due(timely, kept) {
            match due {
                Due::Cursor(cursor) => {
                    if !self.store_cursor(cursor) {
                        return;
                    }
                }
                Due::Checkpoint(offset, state) => self.store_checkpoint(offset, &state),
            }
        }
    }

    /// Whether the cursor is on disk.
    fn store_cursor(&mut self, cursor: Offset) -> bool {
        self.cursor_stored_at = Instant::now();
        match self.shared.derived.store_cursor(cursor) {
            Ok(()) => {
                self.delivery.stored(cursor);
                self.shared.journal.delivered(cursor);
                true
            }
            Err(error) => {
                self.shared.telemetry.count(Counter::JournalErrors);
                tracing::warn!(%error, "the cursor cannot be written; after a crash more is published again");
                false
            }
        }
    }

    fn store_checkpoint(&mut self, offset: Offset, state: &[u8]) {
        match self.shared.derived.store_checkpoint(offset, state) {
            Ok(()) => self.thin(self.pressed),
            Err(error) => {
                self.shared.telemetry.count(Counter::JournalErrors);
                tracing::warn!(%error, "a checkpoint cannot be written; the next start takes longer");
            }
        }
    }

    /// Lets old checkpoints go, and the records that a restart does not need. In need of room the newest checkpoint is enough; else the one
    /// before it stays usable, should the newest turn out to be unreadable.
    fn thin(&mut self, pressed: bool) {
        let (number, share) = if pressed { (1, 0) } else { (CHECKPOINTS_MAX, self.shared.keep_size / 8) };
        match self.shared.derived.thin(number, share, self.shared.journal.first()) {
            Ok(bytes) => self.shared.journal.beside(bytes),
            Err(error) => {
                self.shared.telemetry.count(Counter::JournalErrors);
                tracing::warn!(%error, "an old checkpoint stays");
            }
        }
        let (newest, before) = self.shared.derived.newest();
        if let Some(from) =
            if pressed { newest } else { before.or(newest) }.filter(|from| *from <= self.delivery.on_disk())
        {
            self.shared.journal.keep_from(Holder::Interpretation, from.next());
        }
    }

    /// Takes a checkpoint when a segment could go but for the records that a restart needs, and lets old checkpoints go when the disk is full.
    fn make_way(&mut self) {
        let full = self.shared.journal.health() == Health::Full;
        if full && !self.pressed {
            self.pressed = true;
            self.thin(true);
        }
        self.pressed = full;
        if self.shared.journal.is_held_back() && !self.delivery.keeps() {
            let (newest, _) = self.shared.derived.newest();
            if newest.is_none_or(|newest| newest < self.position) {
                self.delivery.keep(self.interpreter.snapshot());
            } else {
                self.thin(true);
            }
        }
    }

    /// An orderly end: all is delivered, so the state now is a checkpoint.
    async fn leave(&mut self) {
        self.shared.push.all_stored().await;
        self.write_due(true);
        if self.delivery.is_settled() {
            let state = self.interpreter.snapshot();
            self.store_checkpoint(self.position, &state);
        }
    }
}

/// Records that were never delivered and cannot be read any more: named, counted, and their bytes kept if there are any. Retention removes
/// none of them, so a file that is not there was taken away.
fn report_lost(shared: &Uplink, reader: &Reader, (first, last): (Offset, Offset), cause: GapCause) {
    shared.telemetry.add(Counter::UplinkLost, last.0 - first.0 + 1);
    let (first, last) = (first.0, last.0);
    match cause {
        GapCause::Damaged => {
            let copy = shared.journal.keep_damaged(reader);
            shared.telemetry.add(Counter::JournalQuarantined, u64::from(copy.is_some()));
            let copy = copy.map(|path| path.display().to_string());
            tracing::error!(first, last, copy, "records are damaged or missing and cannot be published");
        }
        GapCause::Removed => {
            tracing::error!(
                first,
                last,
                "undelivered records are gone and cannot be published: their segment was taken away, not by retention; if it is found, stop, put \
                 it back under its name, and publish these offsets with hj212-gateway replay"
            );
        }
    }
}

/// One record through the interpreter. A record that cannot be decoded is of a newer version: it is passed over, and said.
pub(super) fn interpret(
    interpreter: &mut Interpreter,
    stored: &hj212_journal::Stored<'_>,
    out: &mut Vec<TypedPublication>,
) -> (Offset, Interpreted) {
    match Record::decode(stored.kind, stored.body) {
        Ok(record) => (stored.offset, interpreter.on_record(stored.offset.0, stored.time, &stored.hash, &record, out)),
        Err(error) => {
            tracing::error!(offset = stored.offset.0, %error, "a record cannot be interpreted; it stays in the journal");
            (stored.offset, Interpreted { undecoded: 1, ..Interpreted::default() })
        }
    }
}

fn count(telemetry: &Telemetry, interpreted: &Interpreted) {
    telemetry.count(Counter::UplinkRecords);
    telemetry.add(Counter::UplinkResent, u64::from(interpreted.resent));
    telemetry.add(Counter::UplinkRevisions, u64::from(interpreted.revisions));
    telemetry.add(Counter::UplinkPartsMissing, u64::from(interpreted.parts_missing));
    telemetry.add(Counter::UplinkOpened, u64::from(interpreted.opened));
    telemetry.add(Counter::UplinkUnreadable, u64::from(interpreted.unreadable));
    telemetry.add(Counter::UplinkUnremembered, u64::from(interpreted.unremembered));
    telemetry.add(Counter::UnregisteredForgotten, u64::from(interpreted.forgotten));
    telemetry.add(Counter::UplinkUndecoded, u64::from(interpreted.undecoded));
    telemetry.add(Counter::UplinkContextsBroken, u64::from(interpreted.contexts_broken));
    telemetry.add(Counter::ClockSteps, u64::from(interpreted.clock_steps));
    telemetry.add(Counter::ClockDoubted, u64::from(interpreted.clock_doubted));
    telemetry.add(Counter::UplinkRulesRefused, u64::from(interpreted.rules_refused));
    telemetry.add(Counter::GapsBegun, u64::from(interpreted.gaps));
    telemetry.add(Counter::GapsClosed, u64::from(interpreted.gaps_closed));
}

#[cfg(test)]
#[path = "uplink_fault_tests.rs"]
mod fault_tests;
