//! Connections that have brought no accepted frame yet. When all places are taken, the one that has been silent longest gives way.
//!
//! What must stay true: a connection on which a station spoke never gives way; one that has just come has [`LEAST`] to speak.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use hj212_model::message::Timestamp;

/// A connection keeps its place for so long, whatever happens.
const LEAST: i64 = 1_000_000;

/// One connection.
#[derive(Debug)]
pub(super) struct Silence {
    /// When it last brought a byte, microseconds since 1970.
    heard: AtomicI64,
    leave: Notify,
}

impl Silence {
    /// A byte came.
    pub(super) fn heard(&self, now: Timestamp) {
        self.heard.store(now.0, Ordering::Relaxed);
    }

    /// Ready when the connection is to give way.
    pub(super) async fn leave(&self) {
        self.leave.notified().await;
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Silent(Mutex<HashMap<u64, Arc<Silence>, foldhash::fast::RandomState>>);

impl Silent {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Silence>, foldhash::fast::RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has come.
    pub(super) fn came(&self, connection: u64, now: Timestamp) -> Arc<Silence> {
        let silence = Arc::new(Silence { heard: AtomicI64::new(now.0), leave: Notify::new() });
        self.open().insert(connection, Arc::clone(&silence));
        silence
    }

    /// It has ended, or a station has spoken on it.
    pub(super) fn done(&self, connection: u64) {
        self.open().remove(&connection);
    }

    /// Has the one that has been silent longest leave; whether there is one.
    pub(super) fn give_way(&self, now: Timestamp) -> bool {
        let mut all = self.open();
        let longest = all.iter().min_by_key(|(number, silence)| (silence.heard.load(Ordering::Relaxed), **number));
        let Some((number, silence)) = longest else { return false };
        if now.0.saturating_sub(silence.heard.load(Ordering::Relaxed)) < LEAST {
            return false;
        }
        silence.leave.notify_one();
        let number = *number;
        all.remove(&number);
        true
    }
}
