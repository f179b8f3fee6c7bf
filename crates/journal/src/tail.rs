//! What the writer shares with readers: the durable end, the list of segments, the marks of retention.
//!
//! What must stay true: a segment's `end` and the durable offset move only after the sync that covers them, in this order, so
//! that a reader that sees an offset can read it.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::format::JournalId;
use super::{Disk, Offset};

/// A segment, as readers need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Offset of the first record; names the file.
    pub(super) first: u64,
    /// Bytes that may be read.
    pub(super) end: u64,
    /// Bytes that the file takes on disk.
    pub(super) size: u64,
}

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct JournalFolder {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
}

/// Whether records are being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// They are.
    Good,
    /// The disk is full; appends are refused until there is room.
    Full,
    /// The disk fails; appends are refused until it works.
    Failed,
}

/// Whose state after a restart is made from retained records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The interpretation: registry, dictionary, rules, pending parts, marks, ledgers, keys.
    Interpretation,
    /// The command desk: steps that are not in its file yet.
    Commands,
    /// The archive: segments that it has no copy of yet. The only one that holds nothing until it has spoken: where nothing is archived nobody
    /// speaks for it. It speaks right after the opening, when the others still hold everything.
    Archive,
    /// Dead letters that wait to be published after all. Holds nothing until it has spoken, as [`Holder::Archive`].
    Letters,
}

type DurableCallback = Box<dyn Fn() + Send + Sync>;

pub(super) struct Shared {
    pub(super) id: JournalId,
    pub(super) place: JournalFolder,
    durable: AtomicU64,
    segments: Mutex<Vec<Span>>,
    health: AtomicU8,
    pub(super) delivered: AtomicU64,
    /// The first record that each [`Holder`] needs; 0, where everything is held, until it has said so (but for archive and letters).
    floors: [AtomicU64; 4],
    /// Set when a segment could go but for a holder.
    pub(super) held_back: AtomicBool,
    /// Bytes of files beside the segments that count in `keep_size`.
    pub(super) beside: AtomicU64,
    gate: Mutex<()>,
    moved: Condvar,
    hooks: RwLock<Vec<DurableCallback>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("durable", &self.durable).field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(id: JournalId, place: JournalFolder, durable: u64, segments: Vec<Span>) -> Self {
        Shared {
            id,
            place,
            durable: AtomicU64::new(durable),
            segments: Mutex::new(segments),
            health: AtomicU8::new(0),
            delivered: AtomicU64::new(0),
            floors: [0, 0, u64::MAX, u64::MAX].map(AtomicU64::new),
            held_back: AtomicBool::new(false),
            beside: AtomicU64::new(0),
            gate: Mutex::new(()),
            moved: Condvar::new(),
            hooks: RwLock::new(Vec::new()),
        }
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(super) fn segments(&self) -> MutexGuard<'_, Vec<Span>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment that holds `offset`, and the first offset of the next one.
    pub(super) fn holding(&self, offset: u64) -> Holding {
        let segments = self.segments();
        let after = segments.partition_point(|s| s.first <= offset);
        let limit = segments.get(after).map(|s| s.first);
        match after.checked_sub(1).and_then(|at| segments.get(at)) {
            Some(span) => Holding::In { span: *span, limit },
            None => Holding::Before { limit },
        }
    }

    /// Readers may see records up to `durable` now, in the newest segment up to byte `end`.
    pub(super) fn advance(&self, end: u64, durable: u64) {
        if let Some(newest) = self.segments().last_mut() {
            newest.end = end;
        }
        self.durable.store(durable, Ordering::Release);
        drop(self.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }

    /// The first record that some holder needs.
    pub(super) fn floor(&self) -> u64 {
        self.floors.iter().map(|floor| floor.load(Ordering::Relaxed)).min().unwrap_or(0)
    }

    /// Notes that the segment which ends with the record `last` could go but for a holder, if that holder can do something about it.
    pub(super) fn note_held(&self, last: u64) {
        let [interpretation, commands, ..] = &self.floors;
        if [interpretation, commands].iter().any(|floor| last >= floor.load(Ordering::Relaxed)) {
            self.held_back.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn hold(&self, holder: Holder, floor: u64) {
        let [interpretation, commands, archive, letters] = &self.floors;
        let place = match holder {
            Holder::Interpretation => interpretation,
            Holder::Commands => commands,
            Holder::Archive => archive,
            Holder::Letters => letters,
        };
        place.store(floor, Ordering::Relaxed);
    }

    pub(super) fn call_hooks(&self) {
        for hook in self.hooks.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hook();
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Good,
            1 => Health::Full,
            _ => Health::Failed,
        }
    }

    pub(super) fn set_health(&self, health: Health) {
        let number = match health {
            Health::Good => 0,
            Health::Full => 1,
            Health::Failed => 2,
        };
        self.health.store(number, Ordering::Relaxed);
    }
}

/// Where an offset is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// In this segment, whose records end before `limit` if there is a next one.
    In { span: Span, limit: Option<u64> },
    /// Before the oldest segment, which begins at `limit`.
    Before { limit: Option<u64> },
}

/// The durable end of the journal.
#[derive(Debug, Clone)]
pub struct Tail {
    shared: Arc<Shared>,
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Tail { shared }
    }

    /// The newest durable record; `Offset(0)` if there is none.
    #[must_use]
    pub fn durable(&self) -> Offset {
        Offset(self.shared.durable())
    }

    /// Has `hook` called on the journal's thread after every move of the durable end, when the receipts are settled. It must be
    /// quick (wake somebody) and must not add hooks.
    pub fn on_advance(&self, hook: Box<dyn Fn() + Send + Sync>) {
        self.shared.hooks.write().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// Waits until the durable end is beyond `beyond`, at most `timeout`; returns the durable end.
    #[must_use]
    pub fn wait(&self, beyond: Offset, timeout: Duration) -> Offset {
        let until = Instant::now() + timeout;
        let mut gate = self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner);
        while self.shared.durable() <= beyond.0 {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                break;
            };
            gate = self.shared.moved.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(gate);
        self.durable()
    }
}
