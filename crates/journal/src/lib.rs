//! The journal: an append-only log on disk, the one truth of the gateway. A record is in it when its receipt says so, and stays.
//!
//! # What must stay true
//!
//! 1. A receipt is settled with `Ok` only after the record's bytes, its file's header and its file's name are durable.
//! 2. Offsets count from 1, without gaps, across restarts; what was durable under an offset never changes.
//! 3. Data never prevents a start, but for files of two journals of which nothing tells the right one. Only records whose own bytes changed, or
//!    that the disk cannot read, are lost; each loss is reported where it is met, and its offsets are never given again.
//! 4. While the disk is full or failing nothing is acknowledged, what is there stays readable, and no restart is needed after.
//! 5. The journal looks into no body: a record is a time, a kind and bytes.
//! 6. What was written for another journal is never read as this one's. Checksums of records begin with the journal's id.
//! 7. What a restart needs is held from the first moment of a run; what is insisted on is stored before anything that follows it.
//!
//! # The folder
//!
//! ```text
//! 00000000000000000001.seg   segments; the name is the offset of the first record, 20 digits
//! 00000000000000034567.seg   the newest is written, the others are sealed
//! journal.id                 a small file (see below): the journal's id, 16 random bytes made with the journal
//! lock                       held (flock) by the process that writes, and the folder with it; readers need no lock
//! tail                       up to which record everything was durable half a second ago (see [`Slots`]); only a help
//! quarantine/                copies of damaged ranges: FIRST-POSITION.bin (first offset of the segment, byte
//!                            position in it; -1, -2 are added to what would be written over)
//! ```
//!
//! # A segment, byte by byte
//!
//! All numbers are little-endian. The file is preallocated; after the last record follow zeros.
//!
//! ```text
//! header, 128 bytes
//!   0   8  magic "HJGWSEG\n"
//!   8   4  format version u32: 1
//!  12   4  length of this header u32: 128
//!  16  16  journal id
//!  32   8  offset of the first record u64
//!  40  32  hash of the record before it; in a journal's first segment the SHA-256 of the journal id
//!  72   8  time of creation i64, microseconds since 1970-01-01T00:00:00Z
//!  80  44  zeros
//! 124   4  CRC-32C (Castagnoli) of bytes 0..124
//!
//! then records without space between them, each at a multiple of 8
//!   0   4  length of the body u32, at most 2 MiB
//!   4   4  CRC-32C of: journal id, bytes 0..4 of this record, bytes 8..64+length of this record
//!   8   8  offset u64
//!  16   8  time i64, microseconds since 1970-01-01T00:00:00Z
//!  24   1  kind u8
//!  25   7  zeros
//!  32  32  hash: SHA-256 of the hash of the record before, offset (8 bytes), time (8 bytes), kind (1 byte), body
//!  64   n  body, then zeros up to a multiple of 8
//! ```
//!
//! A record never spans files; a record longer than a segment gets a segment of its own size. The checksum starts with the
//! journal id so that a body that imitates a record is never taken for one when a damaged place is searched for the next record.
//! **The names of the files decide**: a segment's records are those with offsets from its name up to, not including, the name
//! of the next segment, whatever its file holds beyond.
//!
//! A small file (`journal.id`, and what the gateway keeps with [`store_file`]):
//! magic `"HJGWFILE"` | CRC-32C u32 of the rest | length u32 | the bytes.
//!
//! # Writing
//!
//! One thread takes all that waits (up to `batch_records_max` and `batch_bytes_max` at a time), writes it with one write, makes it
//! durable with one fdatasync, moves the tail, settles the receipts, calls the hooks. No timer: while a sync runs, the next batch
//! gathers. Beyond `queue_max` waiting records an append is refused with [`Unstored::Busy`].
//!
//! A new segment is created, preallocated, gets its header, is synced, and its folder is synced, before the first record goes in.
//!
//! **An error of a write or sync is final for its file**: after a failed fsync the system may have dropped the pages and will say
//! yes to the next fsync. The file is left as it is, a new segment named by the first unsettled offset is made, and the records
//! are written there from memory; what the old file may hold of them is overruled by the new name. If no record of the file was
//! settled, the file is removed and made anew. After [`FAILURES_MAX`] failures in a row the waiting receipts get
//! [`Unstored::Failed`]; a new segment is tried every second.
//!
//! **Disk full** (no space, quota, file size limit, or less than `reserve` left beside a new segment): delivered segments are
//! dropped, oldest first; if that is not enough the receipts get [`Unstored::Full`], and room is looked for every 500 ms, whether
//! somebody appends or not. Undelivered records are never dropped.
//!
//! # Opening
//!
//! The newest segment is scanned. A bad record followed by good ones is a damaged middle: its bytes are copied to `quarantine/`,
//! its offsets are lost and counted. Bad bytes after the last good record are a torn tail: copied as well, then cut off, and the
//! next offset follows the last good record; unless `tail` says that records behind it were durable, or the bytes show it: these are lost and
//! counted, and the next offset follows them (what can be told is said in `recovery`). If the newest file has no good record, it is removed (or moved to `quarantine/` if
//! it has any bytes) and its name still says which offset comes next. A damaged header costs nothing: name and `journal.id` say
//! the same. Writing goes on in a new segment, made when the first record comes, so opening works on a full disk.
//! Segments of other journals, by their headers, are moved to quarantine. Blocks of the newest segment that the disk cannot read after some
//! tries are damage; a file of which it reads nothing stops the start.
//!
//! # Reading
//!
//! [`Journal::reader`] never goes beyond the durable tail. [`Reader::open`] needs no journal and reads beside a running one, up to
//! the last good record. Both report what is missing as [`ReadItem::Gap`] and go on after it. A segment that does not continue the chain of
//! hashes of the one before it is reported ([`Reader::breaks`]).
//!
//! # Retention
//!
//! A sealed segment goes when all its records are delivered ([`Journal::delivered`]), none is held ([`Journal::keep_from`]), and it
//! is outside the replay window: sealed longer than `keep` ago, or the journal is larger than `keep_size`, what the gateway keeps beside
//! the segments included. The newest stays always. Everything is held until each [`Holder`] has said what it needs. Where segments are archived,
//! one that has no copy there is held as well, on a full disk too.
//!
//! Age goes by what is believed of the wall clock ([`hj212_model::clock::belief`]), begun with the date that the records of the newest segment tell and carried
//! on by the monotonic clock, and so do the dates in headers: none is later than the segment's records or earlier than those before it, whatever
//! the time of a restart; a clock that jumps ahead ages nothing until it has stayed there for ten minutes, and
//! while the clock is doubted nothing goes for its age. A date that is ahead of what is believed is no date: the segment is judged by the one after it; one that is before that of its own
//! predecessor is taken as that one.
//!
//! # Decisions
//!
//! * A start never writes into an old file: no byte that was ever acknowledged lies in a sector that is written again.
//! * An error while reading is no damage: it is returned, and the reader can try again. Whoever knows that the disk works otherwise may tell the
//!   reader to pass over the place ([`Reader::pass_unreadable`]).

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod disk;
mod format;
mod inspect;
mod reader;
mod recovery;
mod retention;
mod segment;
pub mod sim_disk;
mod slots;
mod small_file;
mod tail;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use hj212_model::clock;
use hj212_model::clock::belief::Belief;
use hj212_model::message::Timestamp;
use hj212_model::telemetry::Telemetry;

pub use disk::{Access, DirLock, Disk, DiskFile, OsDisk, ReadError, is_unreadable};
pub use format::BODY_MAX;
pub use format::crc32c;
pub use format::segment_name;
pub use inspect::{BrokenChain, Report, Span, Stats, id, offset_at, segments, spans, stats, verify};
pub use reader::{GapCause, ReadItem, Reader, Stored};
pub use recovery::{Damage, Recovery};
pub use segment::read_around;
pub use slots::Slots;
pub use small_file::{load_file, prepare_spare, store_file, store_file_in};
pub use tail::{Health, Holder, Tail};
pub use writer::{Appender, FAILURES_MAX, QUEUE_BYTES_MAX};

/// SHA-256, as the chain of records uses it.
pub type Hash = [u8; 32];

/// The number of a record, from 1, without gaps. 0 stands for "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Offset {
        Offset(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it happened; kept as given, not compared with other records' times.
    pub time: Timestamp,
    /// What it is, to those who read it.
    pub kind: u8,
    /// At most [`BODY_MAX`] bytes.
    pub body: Vec<u8>,
}

/// Who wants to know what became of an appended record.
///
/// Settled exactly once: on the journal's thread after the fsync (or the refusal), or on the caller's thread when
/// [`Appender::append`] refuses at once. It must be quick, must not append in turn to a full queue, and must not panic.
/// `()` for those who do not want to know; a closure does as well.
pub trait Receipt: Send + 'static {
    /// Takes the outcome: the record's offset when it is durable, or why it is not in the journal.
    fn settle(self, outcome: Result<Offset, Unstored>);
}

impl Receipt for () {
    fn settle(self, _outcome: Result<Offset, Unstored>) {}
}

impl<F: FnOnce(Result<Offset, Unstored>) + Send + 'static> Receipt for F {
    fn settle(self, outcome: Result<Offset, Unstored>) {
        self(outcome);
    }
}

/// Why a record was not stored. It must not be acknowledged to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unstored {
    /// `queue_max` records (or [`QUEUE_BYTES_MAX`] bytes) wait already.
    #[error("too many records wait for the disk")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// The disk fails.
    #[error("the disk fails")]
    Failed,
    /// The body is longer than [`BODY_MAX`].
    #[error("the record is longer than {BODY_MAX} bytes")]
    TooLong,
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
    /// It was insisted on, and a later one that tells the same has taken its place.
    #[error("a later one has taken its place")]
    Superseded,
}

/// Settings of the journal, `[journal]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder; made if missing.
    pub dir: PathBuf,
    /// Size of a segment file; the space is taken when the file is made. Sensible: 1 MiB to 1 GiB.
    #[serde(with = "hj212_model::settings::size")]
    pub segment_size: u64,
    /// How long delivered segments are kept for replay, counted from when the next segment was begun.
    #[serde(with = "hj212_model::settings::duration")]
    pub keep: Duration,
    /// Delivered segments beyond this size of the whole journal go earlier, oldest first. Undelivered ones stay whatever their size.
    #[serde(with = "hj212_model::settings::size")]
    pub keep_size: u64,
    /// Free space of the file system that a new segment must leave to others.
    #[serde(with = "hj212_model::settings::size")]
    pub reserve: u64,
    /// How many records may wait for the disk; further ones are refused.
    pub queue_max: usize,
    /// How many records share one fsync at most.
    pub batch_records_max: usize,
    /// How many bytes share one fsync at most; a longer record goes alone.
    #[serde(with = "hj212_model::settings::size")]
    pub batch_bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dir: PathBuf::from("/var/lib/hj212-gateway/journal"),
            segment_size: 64 << 20,
            keep: Duration::from_secs(7 * 86_400),
            keep_size: 20 << 30,
            reserve: 64 << 20,
            queue_max: 65_536,
            batch_records_max: 1024,
            batch_bytes_max: 4 << 20,
        }
    }
}

/// Why a journal could not be opened. Never because of what its files say.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes this journal.
    #[error("the journal in {} is in use by another process; stop that one, or give this one another [journal] dir", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The disk refused.
    #[error("{what} {}: {source}; check that it exists, belongs to this user and can be read and written", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Of what.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The writer thread could not be started.
    #[error("the journal's thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// An open journal: the one writer of its folder. Dropping it closes it.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<tail::Shared>,
    queue: Arc<writer::Queue>,
    recovered: Recovery,
    thread: Option<JoinHandle<()>>,
    believed: Belief,
    _lock: Box<dyn DirLock>,
}

/// The wall clock and the monotonic clock, in microseconds since any point, read together.
pub type Clock = Box<dyn FnMut() -> (Timestamp, i64) + Send>;

/// Opens the journal in `settings.dir`: takes its lock, repairs its tail, starts its writer thread.
///
/// # Errors
/// If another process holds it or the disk refuses; damaged data is no error, see [`Journal::recovered`].
pub fn open(disk: Arc<dyn Disk>, settings: &Settings, telemetry: Arc<Telemetry>) -> Result<Journal, OpenError> {
    let monotonic = clock::Monotonic::default();
    open_by(disk, settings, telemetry, Box::new(move || (clock::now(), monotonic.micros())))
}

/// The same with other clocks than the host's.
///
/// # Errors
/// As [`open`].
pub fn open_by(
    disk: Arc<dyn Disk>,
    settings: &Settings,
    telemetry: Arc<Telemetry>,
    clock: Clock,
) -> Result<Journal, OpenError> {
    let dir = &settings.dir;
    let refused = |what, path: &std::path::Path| {
        let path = path.to_path_buf();
        move |source| OpenError::Disk { what, path, source }
    };
    disk.create_dir(dir).map_err(refused("cannot make", dir))?;
    if let Some(Err(error)) =
        dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map(|parent| disk.sync_dir(parent))
    {
        tracing::debug!(%error, "the name of the journal's folder could not be made durable");
    }
    let lock_path = dir.join("lock");
    let lock = match disk.lock(&lock_path) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(OpenError::Locked { dir: dir.clone() });
        }
        locked => locked.map_err(refused("cannot lock", &lock_path))?,
    };
    let found = recovery::recover(disk.as_ref(), dir).map_err(|at| OpenError::Disk {
        what: "cannot read",
        path: at.path,
        source: at.source,
    })?;
    found.recovery.report(&telemetry);
    let place = tail::JournalFolder { disk, dir: dir.clone() };
    let shared = Arc::new(tail::Shared::new(found.id, place, found.next - 1, found.segments));
    let queue = Arc::new(writer::Queue::new(settings));
    let believed = found.belief.clone();
    let writer = writer::Writer::new(settings.clone(), telemetry, shared.clone(), (found.hash, found.belief), clock);
    let thread = writer.start(queue.clone()).map_err(OpenError::Thread)?;
    Ok(Journal { shared, queue, recovered: found.recovery, believed, thread: Some(thread), _lock: lock })
}

impl Journal {
    /// A way to append; any number of them, of any kind of receipt.
    #[must_use]
    pub fn appender<R: Receipt>(&self) -> Appender<R> {
        Appender::new(self.queue.clone())
    }

    /// Where the durable end is, and how to learn that it moved.
    #[must_use]
    pub fn tail(&self) -> Tail {
        Tail::new(self.shared.clone())
    }

    /// Reads from `from` on, up to the durable end and further as it moves. `Offset(0)`: from the oldest record there is.
    #[must_use]
    pub fn reader(&self, from: Offset) -> Reader {
        Reader::live(self.shared.clone(), from)
    }

    /// The journal's id, made with it: what derives from this journal carries it.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.shared.id
    }

    /// The oldest record's offset; in an empty journal the one that the next record gets.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.shared.segments().first().map_or(Offset(self.shared.durable()).next(), |span| Offset(span.first))
    }

    /// Copies the bytes of the damaged gap that `reader` gave last to quarantine, before their segment is dropped; gives the copy's path.
    #[must_use]
    pub fn keep_damaged(&self, reader: &Reader) -> Option<PathBuf> {
        let place = &self.shared.place;
        recovery::keep_copy(place.disk.as_ref(), &place.dir, self.shared.id, reader.damaged()?)
    }

    /// What the opening found.
    #[must_use]
    pub fn recovered(&self) -> &Recovery {
        &self.recovered
    }

    /// What its records told of the date when it was opened: what this run's clock is to be compared with.
    #[must_use]
    pub const fn believed(&self) -> &Belief {
        &self.believed
    }

    /// Whether records are being stored now.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Says that everything up to and including `cursor` is delivered everywhere; older segments may go when their time is over.
    pub fn delivered(&self, cursor: Offset) {
        self.shared.delivered.store(cursor.0, Ordering::Relaxed);
    }

    /// Says that `holder` needs the records from `floor` on after a restart, and none before: those are held, whatever their age.
    /// Until it is called, everything is held (not so for [`Holder::Archive`] and
    /// [`Holder::Letters`]). `Offset(u64::MAX)` holds none.
    pub fn keep_from(&self, holder: Holder, floor: Offset) {
        self.shared.hold(holder, floor.0);
    }

    /// Whether, since this was asked last, a delivered segment that should go was kept for a holder alone.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.shared.held_back.swap(false, Ordering::Relaxed)
    }

    /// The first record of the third oldest segment, where there are four or more: what somebody needs of the records before it is to be written
    /// anew, for retention comes to them next. `Offset(0)`: none yet.
    #[must_use]
    pub fn renew_before(&self) -> Offset {
        match self.shared.segments().as_slice() {
            [_, _, third, _, ..] => Offset(third.first),
            _ => Offset(0),
        }
    }

    /// Says how many bytes other files beside the segments take: they count in `keep_size`.
    pub fn beside(&self, bytes: u64) {
        self.shared.beside.store(bytes, Ordering::Relaxed);
    }

    /// Stores what waits, settles all receipts, stops the thread, releases the lock.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened; its receipts were settled.
            let _ = thread.join();
        }
    }
}
