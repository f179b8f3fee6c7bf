//! Whether a thread moves. The journal's writer: seen from records that become durable, and asked for with a tick when nothing else comes. The
//! uplink: with every turn it takes, and while it waits for the broker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// When a thread last did something, be it with good or with bad news.
#[derive(Debug)]
pub(super) struct Liveness {
    begun: Instant,
    millis: AtomicU64,
}

impl Liveness {
    pub(super) fn new() -> Liveness {
        Liveness { begun: Instant::now(), millis: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// It has moved.
    pub(super) fn beat(&self) {
        self.millis.store(self.now(), Ordering::Relaxed);
    }

    /// For how long it has not.
    pub(super) fn still(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.millis.load(Ordering::Relaxed)))
    }
}
