//! What a life of the simulated gateway has of the world: clocks that the world sets, a way into the journal that can be cut at any append,
//! keys by number, and what it has let the world know.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::Planted;
use crate::gateway::command_desk::{Means, Request};
use hj212::sm4::Key;
use hj212_downlink::Steady;
use hj212_journal::{Entry, Journal, Offset};
use hj212_model::message::Timestamp;

/// Both clocks of a life, in microseconds; the journal's thread reads them too.
#[derive(Debug, Default)]
pub(super) struct Dial {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Dial {
    pub(super) fn set(&self, wall: Timestamp, steady: i64) {
        self.wall.store(wall.0, Ordering::Relaxed);
        self.steady.store(steady, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> (Timestamp, i64) {
        (Timestamp(self.wall.load(Ordering::Relaxed)), self.steady.load(Ordering::Relaxed))
    }
}

/// What the runner has done.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// What became of its steps and is not yet told to it.
    pub(super) settled: RefCell<VecDeque<(u64, Option<Offset>)>>,
    /// Requests that it acknowledged, by number.
    pub(super) acknowledged: RefCell<Vec<u64>>,
    /// After so many more appends the gateway is killed: nothing more reaches the journal.
    pub(super) appends_left: Cell<Option<u32>>,
    /// Whether that has happened.
    pub(super) is_dead: Cell<bool>,
}

/// See the head of this file.
pub(super) struct Hands {
    pub(super) dial: Arc<Dial>,
    pub(super) journal: Arc<Journal>,
    pub(super) traces: Rc<Traces>,
    /// Keys made on this disk so far; no two lives make the same.
    pub(super) keys: Rc<Cell<u64>>,
    pub(super) planted: Planted,
}

impl Means for Hands {
    fn clocks(&self) -> (Timestamp, Steady) {
        let (wall, steady) = self.dial.read();
        // As far off as is still believed.
        let wall = if self.planted == Planted::TimeOfBefore { Timestamp(wall.0 - 9_000_000) } else { wall };
        (wall, Steady(steady))
    }

    /// Waits for what becomes of it, so that the disk's operations are in the order of the seed, and keeps that for later.
    fn append(&mut self, ticket: Option<u64>, entry: Entry) {
        match self.traces.appends_left.get() {
            Some(0) => return self.traces.is_dead.set(true),
            Some(left) => self.traces.appends_left.set(Some(left - 1)),
            None => {}
        }
        let (settled, outcome) = mpsc::channel();
        self.journal.appender().append(entry, move |became: Result<Offset, _>| {
            settled.send(became.ok()).unwrap_or_default();
        });
        let mut outcome = outcome.recv().ok().flatten();
        if self.planted == Planted::SentEarly {
            outcome = outcome.or(Some(self.journal.tail().durable()));
        }
        if let Some(ticket) = ticket {
            self.traces.settled.borrow_mut().push_back((ticket, outcome));
        }
    }

    fn new_key(&mut self) -> Key {
        self.keys.set(self.keys.get() + 1);
        Key::from_text(&format!("madeByTheHouse{:02}", self.keys.get() % 100)).unwrap()
    }
}

/// A request on its way to the runner.
pub(super) struct Asked {
    pub(super) number: u64,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) traces: Rc<Traces>,
}

impl Request for Asked {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn retained(&self) -> bool {
        false
    }

    fn left(&self) -> Option<Duration> {
        None
    }

    fn taken(self) {
        self.traces.acknowledged.borrow_mut().push(self.number);
    }
}
