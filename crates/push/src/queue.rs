//! What waits for one sink, and when it is tried.
//!
//! What must stay true: messages go in order, one at a time; a sink that is away holds all, one message that is refused for itself holds none for
//! long; nothing is queued twice.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{QUEUE_BYTES_MAX, QUEUE_MAX, RECENT_MAX, REFUSALS_MAX, WAIT_MAX, WAIT_MIN};

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id: the other side may know it from before.
    pub id: String,
    /// Its kind: of an event that of the event.
    pub kind: String,
    /// The message as published.
    pub body: Vec<u8>,
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

/// What waits, and since when how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// The record up to which everything that is wanted was put in.
    pub mark: u64,
    items: VecDeque<Item>,
    bytes: usize,
    recent: VecDeque<String>,
    /// Attempts at the first that failed, and those in which it was refused for itself.
    failures: u32,
    refusals: u32,
    /// No attempt before this, milliseconds.
    next: i64,
    /// When the last ones went out, milliseconds.
    sent: VecDeque<i64>,
    /// Given up in all.
    pub given_up: u64,
    /// Taken by the other side in all.
    pub taken: u64,
}

impl Queue {
    /// Whether another message of `bytes` has room. What has none must not be passed over: it is read again later.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.items.is_empty() || self.items.len() < QUEUE_MAX && self.bytes + bytes <= QUEUE_BYTES_MAX
    }

    /// Puts a message in, unless it is there or went out lately. True if it was put in.
    pub fn put(&mut self, item: Item) -> bool {
        if self.recent.contains(&item.id) || self.items.iter().any(|waiting| waiting.id == item.id) {
            return false;
        }
        self.bytes += item.body.len();
        self.items.push_back(item);
        true
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

    /// Attempts at the first one that have failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The message to be tried at `now` (milliseconds), or when to ask again; nothing if nothing waits.
    pub fn due(&mut self, now: i64, per_minute: u32) -> Option<Result<&Item, i64>> {
        while self.sent.front().is_some_and(|sent| now.saturating_sub(*sent) >= 60_000 || *sent > now) {
            self.sent.pop_front();
        }
        // A clock that was set back makes nobody wait for longer than the longest wait.
        self.next = self.next.min(now.saturating_add(WAIT_MAX));
        let first = self.items.front()?;
        if now < self.next {
            return Some(Err(self.next));
        }
        if self.sent.len() >= per_minute as usize
            && let Some(oldest) = self.sent.front()
        {
            return Some(Err(oldest.saturating_add(60_000)));
        }
        Some(Ok(first))
    }

    /// Takes down what became of the attempt at the first one. `jitter`: 0 to 999, how much of a quarter is added to the wait. True if it was given up.
    pub fn settle(&mut self, outcome: Outcome, now: i64, jitter: u16) -> bool {
        self.sent.push_back(now);
        match outcome {
            Outcome::Taken => {
                self.taken += 1;
                self.go();
                return false;
            }
            Outcome::Away => {}
            Outcome::Refused => self.refusals += 1,
        }
        if self.refusals >= REFUSALS_MAX {
            self.given_up += 1;
            self.go();
            return true;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = WAIT_MIN.saturating_mul(1_i64 << self.failures.saturating_sub(1).min(20)).min(WAIT_MAX);
        let more = wait / 4 * i64::from(jitter.min(999)) / 1000;
        self.next = now.saturating_add(wait).saturating_add(more);
        false
    }

    /// The first one goes.
    fn go(&mut self) {
        (self.failures, self.refusals, self.next) = (0, 0, 0);
        let Some(gone) = self.items.pop_front() else { return };
        self.bytes = self.bytes.saturating_sub(gone.body.len());
        self.recent.push_back(gone.id);
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }
}
