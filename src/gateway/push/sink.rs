//! One sink: its queue, its file, who sends, and what is shown of it.
//!
//! What must stay true:
//! * [`SinkQueue::offer`] and [`SinkQueue::stored_before`] wait for nothing but the lock, which nobody holds over a write, a sync or a sending;
//! * the cursor passes the record of a message when the message is on disk, or [`STORE_WAIT`] after it came, which is counted
//!   ([`Counter::PushUnstored`]) and said once until the disk is well again; the message waits in memory on, and is stored as soon as it can be;
//! * the file is written by [`SinkQueue::keep`] alone, the other side is spoken to by [`SinkQueue::send`] alone: neither waits for the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file::QueueFile;
use hj212_model::clock;
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_push::queue::{Put, QueueChange, Settled};
use hj212_push::send::{Attempt, send};
use hj212_push::{Item, Names, Queue, Sink};

/// How long the cursor's storing waits for a message to be on disk.
pub(super) const STORE_WAIT: Duration = Duration::from_secs(1);
/// The pause between two writes of a queue's file: what comes meanwhile is written at once.
const STORE_PAUSE: Duration = Duration::from_millis(100);
/// The pause after a write that failed.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// The longest sleep of who sends.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// See the head of the file.
#[derive(Debug)]
pub(super) struct SinkQueue {
    pub(super) settings: Sink,
    telemetry: Arc<Telemetry>,
    state: Mutex<SinkState>,
    /// The queue has changed: there is something to be stored.
    changed: Notify,
    /// A message came.
    came: Notify,
    /// A store has ended, well or not.
    stored: Notify,
}

#[derive(Debug)]
struct SinkState {
    queue: Queue,
    /// Messages that came since the start, and up to which they are on disk.
    came: u64,
    /// Of those that are not: number, record, when they came. What the cursor has passed is not here.
    unstored: VecDeque<(u64, u64, Instant)>,
    figures: SinkFigures,
    /// Whether the queue has been full since it was empty last, and that was said.
    told_full: bool,
    /// Whether the cursor has passed messages since the disk was well, and that was said.
    told_unstored: bool,
}

/// What is shown of a sink; since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkFigures {
    /// Its name.
    pub name: String,
    /// What is spoken.
    pub kind: &'static str,
    /// Messages that the other side has taken.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Of those, attempts that the other side refused for the message itself.
    pub refused: u64,
    /// Messages given up after so many refusals.
    pub given_up: u64,
    /// Messages that fell out of the full queue, or were too long for it.
    pub dropped: u64,
    /// Messages that the cursor passed before they were on disk.
    pub unstored: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// Since when the oldest of them waits, milliseconds since 1970.
    pub oldest: Option<i64>,
    /// Why the last attempt failed, if it did; no secret is in it.
    pub trouble: Option<String>,
    /// Why the queue cannot be stored, if it cannot.
    pub disk: Option<String>,
}

impl SinkFigures {
    /// Whether the last attempt went well, the queue is on disk and nothing was lost.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.trouble.is_none() && self.disk.is_none() && self.given_up + self.dropped + self.unstored == 0
    }
}

impl SinkQueue {
    pub(super) fn new(settings: Sink, queue: Queue, telemetry: Arc<Telemetry>) -> SinkQueue {
        let figures = SinkFigures { name: settings.name.clone(), kind: settings.kind.name(), ..SinkFigures::default() };
        let state =
            SinkState { queue, came: 0, unstored: VecDeque::new(), figures, told_full: false, told_unstored: false };
        SinkQueue {
            settings,
            telemetry,
            state: Mutex::new(state),
            changed: Notify::new(),
            came: Notify::new(),
            stored: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn whole(&self) -> Vec<QueueChange> {
        self.state().queue.whole()
    }

    /// Whether whoever stores has all changes.
    #[cfg(test)]
    pub(super) fn is_taken(&self) -> bool {
        !self.state().queue.has_changed()
    }

    /// Puts a message in, unless it was in before.
    pub(super) fn offer(&self, item: Arc<Item>, now: Instant) {
        let (record, mut guard) = (item.record, self.state());
        let state = &mut *guard;
        let put = state.queue.put(item);
        let fell_out = match put {
            Put::Known => return,
            Put::TooLong => 1,
            Put::In { fell_out } => {
                state.came += 1;
                state.unstored.push_back((state.came, record, now));
                fell_out
            }
        };
        let tell = fell_out > 0 && !std::mem::replace(&mut state.told_full, true);
        state.figures.dropped += fell_out;
        drop(guard);
        if fell_out > 0 {
            self.telemetry.add(Counter::PushDropped, fell_out);
        }
        if tell {
            let long = matches!(put, Put::TooLong);
            tracing::warn!(
                sink = self.settings.name,
                long,
                "messages fall out of a push queue: it is full, or a message is too long for it"
            );
        }
        self.changed.notify_one();
        self.came.notify_one();
    }

    /// The record before that of the oldest message that is not on disk; the cursor may be stored up to there. `cursor`: where it could stand by
    /// the broker's word: messages up to it are waited for no longer than [`STORE_WAIT`].
    pub(super) fn stored_before(&self, cursor: u64, now: Instant) -> u64 {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut passed = 0;
        while let Some((_, record, came)) = state.unstored.front()
            && *record <= cursor
            && now.saturating_duration_since(*came) >= STORE_WAIT
        {
            state.unstored.pop_front();
            passed += 1;
        }
        let first = passed > 0 && !std::mem::replace(&mut state.told_unstored, true);
        state.figures.unstored += passed;
        let up_to = state.unstored.front().map_or(u64::MAX, |(_, record, _)| record.saturating_sub(1));
        drop(guard);
        self.telemetry.add(Counter::PushUnstored, passed);
        if first {
            tracing::error!(
                sink = self.settings.name,
                "the queue of a push sink cannot be stored in time: the uplink goes on, and what waits in memory is lost if the process ends now"
            );
        }
        up_to
    }

    /// Waits until all that came is on disk.
    pub(super) async fn all_stored(&self) {
        loop {
            let stored = self.stored.notified();
            if self.state().unstored.is_empty() {
                return;
            }
            stored.await;
        }
    }

    /// Keeps the queue on disk until `end`; after `stop` without pauses.
    pub(super) async fn keep(self: Arc<Self>, file: QueueFile, stop: CancellationToken, end: CancellationToken) {
        let file = Arc::new(Mutex::new(file));
        loop {
            let last = end.is_cancelled();
            let good = self.store(&file).await;
            self.stored.notify_waiters();
            if last {
                return;
            }
            let pause = if good { STORE_PAUSE } else { STORE_AGAIN };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An end in a hurry: what is to be stored is, but a disk that fails is not asked on and on.
                () = stop.cancelled(), if good => {}
                () = end.cancelled() => {}
            }
            if good {
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = end.cancelled() => {}
                }
            }
        }
    }

    /// Stores what has changed. Whether it is on disk.
    async fn store(&self, file: &Arc<Mutex<QueueFile>>) -> bool {
        let wants_whole = file.lock().unwrap_or_else(PoisonError::into_inner).wants_whole();
        let (up_to, whole, changes) = {
            let mut state = self.state();
            if !state.queue.has_changed() && state.figures.disk.is_none() {
                return true;
            }
            match state.queue.changes().filter(|_| !wants_whole && state.figures.disk.is_none()) {
                Some(changes) => (state.came, false, changes),
                None => (state.came, true, state.queue.whole()),
            }
        };
        let written = write(Arc::clone(file), whole, changes).await;
        let mut state = self.state();
        match written {
            Ok(()) => {
                while state.unstored.front().is_some_and(|(number, ..)| *number <= up_to) {
                    state.unstored.pop_front();
                }
                let was = state.figures.disk.take();
                state.told_unstored = false;
                drop(state);
                if was.is_some() {
                    tracing::info!(sink = self.settings.name, "the queue of a push sink is on disk again");
                }
                true
            }
            Err(error) => {
                let before = state.figures.disk.replace(error.clone());
                drop(state);
                self.telemetry.count(Counter::JournalErrors);
                if before.is_none() {
                    tracing::error!(
                        error,
                        sink = self.settings.name,
                        "the queue of a push sink cannot be stored; it is tried again"
                    );
                }
                false
            }
        }
    }

    /// Sends what waits until `stop`; texts have names from `names`.
    pub(super) async fn send(self: Arc<Self>, names: Arc<dyn Names>, stop: CancellationToken) {
        let begun = Instant::now();
        // Waits go by the time that has passed, whatever the wall clock does.
        let now = || i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        loop {
            let came = self.came.notified();
            let due = self.state().queue.due(now(), self.settings.per_minute);
            let item = match due {
                Some(Ok(item)) => item,
                other => {
                    let wait = other.and_then(Result::err).map(|at| at.saturating_sub(now()));
                    let wait = wait.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(wait.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)) => {}
                        // While the first one waits for its time, another one changes nothing.
                        () = came, if wait.is_none() => {}
                    }
                    continue;
                }
            };
            let attempt = tokio::select! {
                // The other side may have it all the same: it is sent again after the next start, with the same id.
                () = stop.cancelled() => return,
                attempt = send(&self.settings, &item, &*names, clock::now().0 / 1000) => attempt,
            };
            self.settle(&item, attempt, now());
        }
    }

    fn settle(&self, item: &Item, attempt: Attempt, now: i64) {
        let Attempt { outcome, trouble, after } = attempt;
        let mut guard = self.state();
        let state = &mut *guard;
        let settled = state.queue.settle(outcome, now, rand::random_range(0..1000), after);
        let refused = outcome == hj212_push::queue::Outcome::Refused;
        let failed = outcome != hj212_push::queue::Outcome::Taken;
        state.figures.sent += u64::from(settled == Settled::Sent);
        state.figures.failed += u64::from(failed);
        state.figures.refused += u64::from(refused);
        state.figures.given_up += u64::from(settled == Settled::GivenUp);
        if state.queue.is_empty() {
            state.told_full = false;
        }
        let why = trouble.map(|trouble| trouble.0);
        let before = std::mem::replace(&mut state.figures.trouble, why.clone());
        drop(guard);
        self.changed.notify_one();
        let counted = [
            (failed, Counter::PushFailed),
            (refused, Counter::PushRefused),
            (settled == Settled::Sent, Counter::PushSent),
        ];
        counted.iter().filter(|(did, _)| *did).for_each(|(_, counter)| self.telemetry.count(*counter));
        let sink = &self.settings.name;
        match (why, before) {
            (Some(why), None) => tracing::warn!(sink, why, "a push sink does not take what is sent; it is tried again"),
            (None, Some(_)) => tracing::info!(sink, "a push sink takes what is sent again"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if settled == Settled::GivenUp {
            self.telemetry.count(Counter::PushGivenUp);
            tracing::error!(sink, id = &*item.id, kind = item.kind, "a message is given up: a push sink refuses it");
        }
    }

    /// What is shown.
    pub(super) fn figures(&self) -> SinkFigures {
        let state = self.state();
        SinkFigures {
            waiting: state.queue.len() as u64,
            oldest: state.queue.oldest().map(|item| item.queued),
            ..state.figures.clone()
        }
    }
}

/// Beside the runtime: a disk may take its time.
async fn write(file: Arc<Mutex<QueueFile>>, whole: bool, changes: Vec<QueueChange>) -> Result<(), String> {
    let written = tokio::task::spawn_blocking(move || {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if whole { file.replace(&changes) } else { file.append(&changes) }
    });
    written.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
