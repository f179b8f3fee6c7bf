//! What waits for one sink, and when it is tried.
//!
//! What must stay true:
//! * messages go in order, one at a time; a sink that is away holds all, one message that is refused for itself holds none for long;
//! * nothing is queued twice: messages of records before [`Queue::mark`] are in already, those of that record are known by their ids, and so are
//!   the last [`RECENT_MAX`] that left;
//! * a queue is bounded ([`QUEUE_MAX`], [`QUEUE_BYTES_MAX`], [`ITEM_BYTES_MAX`]): where there is no room the oldest go, but for the one that is
//!   being tried, and who puts is told how many;
//! * whatever changes is a [`QueueChange`]: who keeps the queue on disk needs nothing else.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::{ITEM_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_MAX, RECENT_MAX, REFUSALS_MAX, WAIT_MAX, WAIT_MIN};

/// Changes that are kept until they are asked for.
const CHANGES_MAX: usize = 2 * QUEUE_MAX;

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id: the other side may know it from before.
    pub id: Arc<str>,
    /// Of an event its kind, of a document its schema.
    pub kind: String,
    /// The record of the journal that it came of; 0: of none.
    pub record: u64,
    /// When it was queued, milliseconds since 1970.
    pub queued: i64,
    /// The message as published.
    pub body: Bytes,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has it.
    Taken,
    /// The other side is away, busy or broken: later.
    Away,
    /// The other side will not have this one.
    Refused,
}

/// What has changed of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueChange {
    /// A message came.
    Put(Arc<Item>),
    /// The message of this id left: it was taken, given up or fell out.
    Left(Arc<str>),
    /// Messages of earlier records than this are in, whatever is still here.
    Mark(u64),
}

/// What became of a message that was to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is in; so many others fell out for it.
    In {
        /// How many.
        fell_out: u64,
    },
    /// It was there before.
    Known,
    /// It is longer than [`ITEM_BYTES_MAX`] and was not taken.
    TooLong,
}

/// What is left of a message after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It left: the other side has it.
    Sent,
    /// It left: it was refused too often.
    GivenUp,
    /// It is tried again.
    Waits,
}

/// What waits, and since when how.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Queue {
    mark: u64,
    items: VecDeque<Arc<Item>>,
    bytes: usize,
    recent: VecDeque<Arc<str>>,
    /// The ids of both.
    known: HashSet<Arc<str>>,
    changes: Vec<QueueChange>,
    /// The bytes of messages in them.
    changed_bytes: usize,
    /// Whether there were more changes than are kept.
    changed_whole: bool,
    /// Attempts at the first that failed, and those in which it was refused for itself.
    failures: u32,
    refusals: u32,
    /// No attempt before this, milliseconds of the clock that drives the queue.
    next: i64,
    /// When the last attempts were made.
    tried: VecDeque<i64>,
}

impl Queue {
    /// A queue as its changes have left it.
    #[must_use]
    pub fn of(changes: impl IntoIterator<Item = QueueChange>) -> Queue {
        let mut queue = Queue::default();
        for change in changes {
            match change {
                QueueChange::Put(item) => {
                    // Records of a journal that lost its end have numbers that were given before.
                    queue.mark = 0;
                    _ = queue.put(item);
                }
                QueueChange::Left(id) => queue.leave(&id),
                QueueChange::Mark(record) => queue.mark = record,
            }
            _ = queue.changes();
        }
        queue
    }

    /// What makes this queue again, from nothing.
    #[must_use]
    pub fn whole(&self) -> Vec<QueueChange> {
        let left = self.recent.iter().map(|id| QueueChange::Left(Arc::clone(id)));
        let items = self.items.iter().map(|item| QueueChange::Put(Arc::clone(item)));
        left.chain(items).chain([QueueChange::Mark(self.mark)]).collect()
    }

    /// What has changed since this was asked last; `None`: more than is kept, it is all that is here ([`Queue::whole`]).
    pub fn changes(&mut self) -> Option<Vec<QueueChange>> {
        self.changed_bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        (!std::mem::take(&mut self.changed_whole)).then_some(changes)
    }

    /// Whether anything has changed since.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.changed_whole || !self.changes.is_empty()
    }

    /// Notes a change; more than the queue itself may hold are not kept.
    fn note(&mut self, change: QueueChange) {
        if let QueueChange::Put(item) = &change {
            self.changed_bytes = self.changed_bytes.saturating_add(item.body.len());
        }
        if self.changed_whole || self.changes.len() >= CHANGES_MAX || self.changed_bytes > QUEUE_BYTES_MAX {
            self.changes.clear();
            self.changed_whole = true;
            return;
        }
        self.changes.push(change);
    }

    /// The newest record of which a message was put in: those of earlier ones are in.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.mark
    }

    /// The journal ends at this record: what comes next may have numbers that were given before.
    pub fn forget_beyond(&mut self, record: u64) {
        if self.mark > record {
            self.mark = record;
            self.note(QueueChange::Mark(record));
        }
    }

    /// Puts a message in, unless it is there or went out lately.
    pub fn put(&mut self, item: Arc<Item>) -> Put {
        if item.record < self.mark || self.known.contains(&item.id) {
            return Put::Known;
        }
        if item.body.len() > ITEM_BYTES_MAX {
            return Put::TooLong;
        }
        let mut fell_out = 0;
        while !self.has_room(item.body.len()) && self.items.len() > 1 {
            // The first one is being tried.
            self.remove(1);
            fell_out += 1;
        }
        self.mark = self.mark.max(item.record);
        self.bytes += item.body.len();
        self.known.insert(Arc::clone(&item.id));
        self.note(QueueChange::Put(Arc::clone(&item)));
        self.items.push_back(item);
        Put::In { fell_out }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.items.len() < QUEUE_MAX && self.bytes.saturating_add(bytes) <= QUEUE_BYTES_MAX
    }

    /// The message of this id left; of one that was never here the id is remembered.
    fn leave(&mut self, id: &Arc<str>) {
        match self.items.iter().position(|item| item.id == *id) {
            Some(place) => self.remove(place),
            None if self.known.insert(Arc::clone(id)) => self.remember(Arc::clone(id)),
            None => {}
        }
    }

    fn remove(&mut self, place: usize) {
        let Some(gone) = self.items.remove(place) else { return };
        self.bytes = self.bytes.saturating_sub(gone.body.len());
        self.note(QueueChange::Left(Arc::clone(&gone.id)));
        self.remember(Arc::clone(&gone.id));
    }

    fn remember(&mut self, id: Arc<str>) {
        self.recent.push_back(id);
        while self.recent.len() > RECENT_MAX {
            if let Some(oldest) = self.recent.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Messages that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The message that has waited longest.
    #[must_use]
    pub fn oldest(&self) -> Option<&Arc<Item>> {
        self.items.front()
    }

    /// Attempts at the first one that have failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The message to be tried at `now` (milliseconds), or when to ask again; nothing if nothing waits.
    pub fn due(&mut self, now: i64, per_minute: u32) -> Option<Result<Arc<Item>, i64>> {
        while self.tried.front().is_some_and(|tried| now.saturating_sub(*tried) >= 60_000 || *tried > now) {
            self.tried.pop_front();
        }
        // A clock that was set back makes nobody wait for longer than the longest wait.
        self.next = self.next.min(now.saturating_add(WAIT_MAX));
        let first = self.items.front()?;
        if now < self.next {
            return Some(Err(self.next));
        }
        if self.tried.len() >= per_minute as usize
            && let Some(oldest) = self.tried.front()
        {
            return Some(Err(oldest.saturating_add(60_000)));
        }
        Some(Ok(Arc::clone(first)))
    }

    /// Takes down what became of the attempt at the first one. `jitter`: 0 to 999, how much of a quarter is added to the wait; `after`: how long
    /// the other side asked to be left alone, milliseconds.
    pub fn settle(&mut self, outcome: Outcome, now: i64, jitter: u16, after: Option<i64>) -> Settled {
        self.tried.push_back(now);
        match outcome {
            Outcome::Taken => {
                self.go();
                return Settled::Sent;
            }
            Outcome::Away => {}
            Outcome::Refused => self.refusals += 1,
        }
        if self.refusals >= REFUSALS_MAX {
            self.go();
            return Settled::GivenUp;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = WAIT_MIN.saturating_mul(1_i64 << self.failures.saturating_sub(1).min(20)).min(WAIT_MAX);
        let more = wait / 4 * i64::from(jitter.min(999)) / 1000;
        // Nobody makes us wait for longer than the longest wait.
        let asked = after.unwrap_or(0).clamp(0, WAIT_MAX);
        self.next = now.saturating_add(wait.saturating_add(more).max(asked));
        Settled::Waits
    }

    /// The first one goes.
    fn go(&mut self) {
        (self.failures, self.refusals, self.next) = (0, 0, 0);
        self.remove(0);
    }
}
