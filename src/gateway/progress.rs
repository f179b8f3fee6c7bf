//! How far the uplink has come, for those who show it or ask whether it lives.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::liveness::Liveness;
use hj212_downlink::StationKey;

/// How far the journal is read and delivered; offsets of records.
#[derive(Debug)]
pub struct Progress {
    /// The last record interpreted.
    pub interpreted: AtomicU64,
    /// The last record such that it and all before are delivered.
    pub delivered: AtomicU64,
    /// When that record arrived, microseconds since 1970.
    pub delivered_time: AtomicI64,
    /// Whether the thread has ended.
    pub ended: AtomicBool,
    /// The stations' keys that the journal has told by then, to show what was encrypted.
    pub keys: Mutex<Vec<StationKey>>,
    /// When the thread last did something, if only to wait.
    pub(super) pulse: Liveness,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            interpreted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            delivered_time: AtomicI64::new(0),
            ended: AtomicBool::new(false),
            keys: Mutex::default(),
            pulse: Liveness::new(),
        }
    }
}

/// Says that the thread has ended, however it does.
pub(super) struct Ending(pub(super) Arc<Progress>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

impl Progress {
    /// These keys are known by now.
    pub(super) fn know(&self, keys: Vec<StationKey>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// What opens the frames of `mn`.
    pub(super) fn keys_of(&self, mn: &str) -> Vec<StationKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|key| key.mn == mn).cloned().collect()
    }
}
