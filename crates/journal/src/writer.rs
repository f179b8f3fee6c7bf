//! The journal's thread: group commit, new segments, what to do when the disk refuses.
//!
//! What must stay true: `Ok` is settled after the sync and never otherwise; every receipt is settled; an error is final for the
//! file it came from.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::disk::{DiskFile, is_full};
use super::format::{BODY_MAX, SEGMENT_HEADER, SegmentHeader, put_record, record_size, segment_name};
use super::recovery::TAIL_FILE;
use super::slots::Slots;
use super::tail::{Health, Shared, Span};
use super::{Clock, Entry, Hash, Offset, Receipt, Settings, Unstored, retention};
use hj212_model::clock::belief::{Belief, Seen};
use hj212_model::message::Timestamp;
use hj212_model::telemetry::{Counter, Telemetry, Timing};

/// After so many failures in a row the waiting records are refused.
pub const FAILURES_MAX: u32 = 3;
/// How many bytes of bodies may wait for the disk, beside `queue_max`.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
const _: () = assert!(QUEUE_BYTES_MAX > 2 * BODY_MAX, "the longest record finds room in the queue");
/// How often room is looked for on a full disk.
const RETRY_FULL: Duration = Duration::from_millis(500);
/// How often a failing disk is tried.
const RETRY_FAILED: Duration = Duration::from_secs(1);
/// How often the end is noted while records come.
const MARK_EVERY: Duration = Duration::from_millis(500);
/// How often retention looks around, besides at each new segment.
const ROUND: Duration = Duration::from_secs(10);

trait Settle: Send {
    fn settle(self: Box<Self>, outcome: Result<Offset, Unstored>);
}

struct Typed<R>(R);

impl<R: Receipt> Settle for Typed<R> {
    fn settle(self: Box<Self>, outcome: Result<Offset, Unstored>) {
        self.0.settle(outcome);
    }
}

struct Waiting {
    entry: Entry,
    receipt: Box<dyn Settle>,
    /// It is not refused when the disk is: it waits, and with it all that comes after. What it tells: a later one of the same takes its place.
    insisted: Option<&'static str>,
}

/// Puts what is insisted on in `new` in the place of what still waits of the same in `line`, and gives that. What was heard in between stays
/// behind it: nothing is stored before what it depends on.
fn supersede(line: &mut VecDeque<Waiting>, new: Vec<Waiting>) -> Vec<Waiting> {
    let mut former = Vec::new();
    let mut behind: VecDeque<Waiting> = VecDeque::new();
    let what = new.iter().find_map(|waiting| waiting.insisted);
    if let Some(at) = what.and_then(|what| line.iter().position(|waiting| waiting.insisted == Some(what))) {
        for waiting in line.split_off(at) {
            if waiting.insisted == what { former.push(waiting) } else { behind.push_back(waiting) }
        }
    }
    line.extend(new);
    line.append(&mut behind);
    former
}

/// What waits for the thread.
pub(super) struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
    queue_max: usize,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    closed: bool,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("queue_max", &self.queue_max).finish_non_exhaustive()
    }
}

impl Queue {
    pub(super) fn new(settings: &Settings) -> Self {
        Queue { state: Mutex::default(), wake: Condvar::new(), queue_max: settings.queue_max }
    }

    fn line(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        self.line().closed = true;
        self.wake.notify_all();
    }

    /// Moves everything that waits to `taken`, waiting for it at most `patience`. True when the queue is closed.
    fn take(&self, taken: &mut VecDeque<Waiting>, patience: Duration) -> bool {
        let line = self.line();
        let waited = self.wake.wait_timeout_while(line, patience, |line| line.waiting.is_empty() && !line.closed);
        let mut line = waited.unwrap_or_else(PoisonError::into_inner).0;
        std::mem::swap(&mut line.waiting, taken);
        line.bytes = 0;
        line.closed
    }
}

/// A way to append records.
pub struct Appender<R> {
    queue: Arc<Queue>,
    receipts: PhantomData<fn(R)>,
}

impl<R> Clone for Appender<R> {
    fn clone(&self) -> Self {
        Appender { queue: self.queue.clone(), receipts: PhantomData }
    }
}

impl<R> fmt::Debug for Appender<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appender").finish_non_exhaustive()
    }
}

impl<R: Receipt> Appender<R> {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Appender { queue, receipts: PhantomData }
    }

    /// Hands over one record. Never blocks on the disk; records get offsets in the order of the calls. When it is refused at once
    /// (too long, queue full, closed), the receipt is settled before this returns.
    pub fn append(&self, entry: Entry, receipt: R) {
        self.append_all([(entry, receipt)]);
    }

    /// Hands over records that everything after them depends on: whatever was appended later is stored after them or refused. A disk that is
    /// full or fails does not refuse them: they wait until it works. Only the end of the journal does ([`Unstored::Closed`]), and a body
    /// that is too long. They do not count in `queue_max`: not to be used for what others cause. `what` they tell: if the same waits already,
    /// these take its place, and its receipts get [`Unstored::Superseded`], so that no more than one waits, however long the disk does not.
    pub fn insist(&self, what: &'static str, entries: impl IntoIterator<Item = (Entry, R)>) {
        let (mut refused, mut new) = (Vec::new(), Vec::new());
        let mut line = self.queue.line();
        for (entry, receipt) in entries {
            if line.closed || entry.body.len() > BODY_MAX {
                refused.push((receipt, if line.closed { Unstored::Closed } else { Unstored::TooLong }));
                continue;
            }
            new.push(Waiting { entry, receipt: Box::new(Typed(receipt)), insisted: Some(what) });
        }
        let former = supersede(&mut line.waiting, new);
        drop(line);
        self.queue.wake.notify_one();
        for waiting in former {
            waiting.receipt.settle(Err(Unstored::Superseded));
        }
        for (receipt, why) in refused {
            receipt.settle(Err(why));
        }
    }

    /// Hands over several records, with no record of others between them.
    pub fn append_all(&self, entries: impl IntoIterator<Item = (Entry, R)>) {
        let mut refused = Vec::new();
        let mut line = self.queue.line();
        let was_empty = line.waiting.is_empty();
        for (entry, receipt) in entries {
            let why = if line.closed {
                Some(Unstored::Closed)
            } else if entry.body.len() > BODY_MAX {
                Some(Unstored::TooLong)
            } else if line.waiting.len() >= self.queue.queue_max
                || line.bytes.saturating_add(entry.body.len()) > QUEUE_BYTES_MAX
            {
                Some(Unstored::Busy)
            } else {
                None
            };
            if let Some(why) = why {
                refused.push((receipt, why));
                continue;
            }
            line.bytes += entry.body.len();
            line.waiting.push_back(Waiting { entry, receipt: Box::new(Typed(receipt)), insisted: None });
        }
        let wake = was_empty && !line.waiting.is_empty();
        drop(line);
        if wake {
            self.queue.wake.notify_one();
        }
        for (receipt, why) in refused {
            receipt.settle(Err(why));
        }
    }
}

/// The segment that is written.
struct Active {
    file: Box<dyn DiskFile>,
    position: u64,
    capacity: u64,
}

struct Trouble {
    why: Unstored,
    /// By the monotonic clock, in microseconds.
    retry: i64,
}

pub(super) struct Writer {
    settings: Settings,
    telemetry: Arc<Telemetry>,
    shared: Arc<Shared>,
    active: Option<Active>,
    /// Hash of the record before the next one.
    hash: Hash,
    next: u64,
    buffer: Vec<u8>,
    failures: u32,
    trouble: Option<Trouble>,
    /// Says up to where everything is durable, so that a loss at the end is told from an unfinished write.
    mark: Slots,
    marked: u64,
    marked_at: i64,
    /// What is believed of the wall clock: how old segments are goes by it.
    belief: Belief,
    clock: Clock,
}

/// Closes the queue and refuses what waits, even if the thread ends by a panic.
struct CloseOnDrop(Arc<Queue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.closed = true;
        let waiting = std::mem::take(&mut line.waiting);
        drop(line);
        for waiting in waiting {
            waiting.receipt.settle(Err(Unstored::Closed));
        }
    }
}

impl Writer {
    /// A writer behind the record with hash `hash`, when the date was what `belief` says.
    pub(super) fn new(
        settings: Settings,
        telemetry: Arc<Telemetry>,
        shared: Arc<Shared>,
        (hash, belief): (Hash, Belief),
        mut clock: Clock,
    ) -> Self {
        let next = shared.durable() + 1;
        let (active, buffer, failures, trouble) = (None, Vec::new(), 0, None);
        let place = &shared.place;
        let mark = Slots::new(Arc::clone(&place.disk), place.dir.join(TAIL_FILE), shared.id);
        let (marked, marked_at) = (0, clock().1);
        let mut writer = Writer {
            settings,
            telemetry,
            shared,
            active,
            hash,
            next,
            buffer,
            failures,
            trouble,
            mark,
            marked,
            marked_at,
            belief,
            clock,
        };
        let _ = writer.belief.see((writer.clock)().0, Seen::Started);
        writer
    }

    /// The date that is believed now: when segments are made and how old they are.
    fn now(&mut self) -> Timestamp {
        let (wall, monotonic) = (self.clock)();
        if self.belief.see(wall, Seen::Reading(monotonic)).is_some() {
            let now = self.belief.now().to_rfc3339();
            tracing::warn!(%now, "the host's clock has stayed at another date; the age of segments goes by it from now on");
        }
        self.belief.now()
    }

    /// What passes, in microseconds.
    fn mono(&mut self) -> i64 {
        (self.clock)().1
    }

    /// What is wrong with the disk, if it is not yet time to try it again.
    fn still_in_trouble(&mut self) -> Option<Unstored> {
        let now = self.mono();
        self.trouble.as_ref().filter(|trouble| now < trouble.retry).map(|trouble| trouble.why)
    }

    pub(super) fn start(self, queue: Arc<Queue>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("journal".into()).spawn(move || {
            let guard = CloseOnDrop(queue);
            self.run(&guard.0);
        })
    }

    fn run(mut self, queue: &Queue) {
        let mut taken = VecDeque::new();
        let mut pending = VecDeque::new();
        let mut looked = self.mono();
        let real = self.shared.place.disk.is_in_real_time();
        loop {
            let before = self.mono();
            let patience = match &self.trouble {
                Some(trouble) => trouble.retry.saturating_sub(before).max(0),
                // Nothing else may come for long: then the end is noted all the same.
                None if self.marked + 1 != self.next && real => micros(MARK_EVERY),
                None => micros(ROUND),
            };
            let closed = queue.take(&mut taken, Duration::from_micros(patience.unsigned_abs()));
            if taken.is_empty() && pending.is_empty() && !closed {
                // By the same clock as all else: where time is simulated, nothing happens by itself.
                let now = self.mono();
                if now - before < patience {
                    continue;
                }
                if self.trouble.is_none() && now - looked < micros(ROUND) {
                    self.note_end(false);
                } else {
                    self.look_around();
                    looked = self.mono();
                }
                continue;
            }
            // However busy, the clock is looked at: what is not seen for hours is not known to have passed.
            let _ = self.now();
            if self.trouble.is_none() && self.mono() - looked >= micros(ROUND) {
                // Ticks alone would keep retention from ever looking.
                self.look_around();
                looked = self.mono();
            }
            self.line_up(&mut pending, &mut taken);
            self.store_all(&mut pending);
            if closed {
                self.note_end(true);
                for waiting in pending {
                    waiting.receipt.settle(Err(Unstored::Closed));
                }
                return;
            }
        }
    }

    /// Puts what was taken from the queue behind what could not be stored; what is insisted on takes the place of the same from before.
    fn line_up(&self, pending: &mut VecDeque<Waiting>, taken: &mut VecDeque<Waiting>) {
        if pending.is_empty() {
            std::mem::swap(pending, taken);
            return;
        }
        while let Some(first) = taken.pop_front() {
            let what = first.insisted;
            let mut run = vec![first];
            while let Some(next) = taken.pop_front_if(|next| what.is_some() && next.insisted == what) {
                run.push(next);
            }
            for waiting in supersede(pending, run) {
                self.telemetry.count(Counter::JournalSuperseded);
                waiting.receipt.settle(Err(Unstored::Superseded));
            }
        }
    }

    /// Stores and settles all of `pending`; what is insisted on stays there, in order, if it could not be stored.
    fn store_all(&mut self, pending: &mut VecDeque<Waiting>) {
        while !pending.is_empty() {
            match self.store(pending) {
                Ok(count) => {
                    let first = self.next - count as u64;
                    for (waiting, offset) in pending.drain(..count).zip(first..) {
                        waiting.receipt.settle(Ok(Offset(offset)));
                    }
                    self.shared.call_hooks();
                }
                Err(why) => {
                    let all = std::mem::take(pending);
                    let (kept, refused): (Vec<_>, Vec<_>) =
                        all.into_iter().partition(|waiting| waiting.insisted.is_some());
                    *pending = kept.into();
                    self.telemetry.add(Counter::JournalRefused, refused.len() as u64);
                    for waiting in refused {
                        waiting.receipt.settle(Err(why));
                    }
                    return;
                }
            }
        }
    }

    /// Makes the first records of `pending` durable; returns how many, at least one.
    fn store(&mut self, pending: &VecDeque<Waiting>) -> Result<usize, Unstored> {
        if let Some(why) = self.still_in_trouble() {
            return Err(why);
        }
        loop {
            match self.write(pending) {
                Ok(count) => {
                    self.recovered();
                    self.failures = 0;
                    return Ok(count);
                }
                Err(error) => self.refused_by_disk(&error)?,
            }
        }
    }

    /// Judges an error of the disk: `Ok` to try again at once.
    fn refused_by_disk(&mut self, error: &io::Error) -> Result<(), Unstored> {
        self.active = None;
        self.telemetry.count(Counter::JournalErrors);
        if is_full(error) {
            if retention::make_room(&self.shared, &self.telemetry) {
                return Ok(());
            }
            return Err(self.in_trouble(Unstored::Full, error));
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_MAX {
            tracing::warn!(%error, offset = self.next, "the journal's disk failed; writing on in a new segment");
            return Ok(());
        }
        Err(self.in_trouble(Unstored::Failed, error))
    }

    fn in_trouble(&mut self, why: Unstored, error: &io::Error) -> Unstored {
        let (health, patience) =
            if why == Unstored::Full { (Health::Full, RETRY_FULL) } else { (Health::Failed, RETRY_FAILED) };
        if self.trouble.as_ref().is_none_or(|trouble| trouble.why != why) {
            let dir = self.shared.place.dir.display();
            tracing::error!(%error, %dir, "{why}: nothing is stored or acknowledged until it works again");
        }
        self.shared.set_health(health);
        self.trouble = Some(Trouble { why, retry: self.mono() + micros(patience) });
        why
    }

    fn recovered(&mut self) {
        if self.trouble.take().is_some() {
            self.shared.set_health(Health::Good);
            tracing::info!(offset = self.next, "the journal stores records again");
        }
    }

    /// Notes up to where everything is durable. Only a help: an error is no trouble, and without `durable` nobody waits for the disk.
    fn note_end(&mut self, durable: bool) {
        let end = self.next - 1;
        if end == self.marked || !durable && self.mono() - self.marked_at < micros(MARK_EVERY) {
            return;
        }
        self.marked_at = self.mono();
        match self.mark.store(end, durable) {
            Ok(()) => self.marked = end,
            Err(error) => tracing::debug!(%error, "the end of the journal could not be noted"),
        }
    }

    /// With nothing to write: tries whether the trouble is over, lets old segments go.
    fn look_around(&mut self) {
        if self.trouble.is_none() || self.still_in_trouble().is_some() {
            self.note_end(false);
            self.expire();
            return;
        }
        loop {
            match self.new_segment(0) {
                Ok(_) => return self.recovered(),
                Err(error) => {
                    if self.refused_by_disk(&error).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn expire(&mut self) {
        let now = self.now();
        let sure = (!self.belief.is_doubted()).then_some(now);
        retention::expire(&self.shared, &self.settings, &self.telemetry, sure);
    }

    fn write(&mut self, pending: &VecDeque<Waiting>) -> io::Result<usize> {
        let Some(first) = pending.front() else { return Ok(0) };
        let least = record_size(first.entry.body.len()) as u64;
        let has_room = self.active.as_ref().is_some_and(|active| active.position + least <= active.capacity);
        if !has_room {
            self.active = None;
            self.expire();
            self.new_segment(least)?;
        }
        let Some(active) = self.active.as_mut() else { return Ok(0) };
        let room = (active.capacity - active.position).min(self.settings.batch_bytes_max.max(least));
        self.buffer.clear();
        let (mut hash, mut count) = (self.hash, 0);
        for (waiting, offset) in pending.iter().take(self.settings.batch_records_max.max(1)).zip(self.next..) {
            if (self.buffer.len() + record_size(waiting.entry.body.len())) as u64 > room {
                break;
            }
            hash = put_record(&mut self.buffer, &self.shared.id, offset, &waiting.entry, &hash);
            count += 1;
        }
        let begun = Instant::now();
        active.file.write_at(&self.buffer, active.position)?;
        active.file.sync_data()?;
        self.telemetry.took(Timing::Commit, begun.elapsed());

        active.position += self.buffer.len() as u64;
        self.hash = hash;
        self.next += count as u64;
        self.shared.advance(active.position, self.next - 1);
        self.note_end(false);
        self.telemetry.count(Counter::JournalCommits);
        self.telemetry.add(Counter::JournalRecords, count as u64);
        self.telemetry.add(Counter::JournalBytes, self.buffer.len() as u64);
        Ok(count)
    }

    /// Begins a segment, durable in header and name, with room for at least `least` bytes of records.
    fn new_segment(&mut self, least: u64) -> io::Result<()> {
        let created = self.now();
        let shared = self.shared.clone();
        let (disk, dir) = (shared.place.disk.as_ref(), shared.place.dir.as_path());
        let path = dir.join(segment_name(self.next));
        // A file of this name is one in which no record was ever settled.
        shared.segments().pop_if(|newest| newest.first == self.next);
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let capacity = self.settings.segment_size.max(SEGMENT_HEADER as u64 + least);
        if disk.free_space(dir)? < capacity.saturating_add(self.settings.reserve) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let header = SegmentHeader { id: shared.id, first: self.next, previous: self.hash, created };
        let file = disk.create(&path)?;
        let made = file
            .preallocate(capacity)
            .and_then(|()| file.write_at(&header.encode(), 0))
            .and_then(|()| file.sync_all())
            .and_then(|()| disk.sync_dir(dir));
        if let Err(error) = made {
            drop(file);
            // Whatever stays is removed by the next try.
            let _ = disk.remove(&path);
            return Err(error);
        }
        let position = SEGMENT_HEADER as u64;
        shared.segments().push(Span { first: self.next, end: position, size: capacity });
        self.active = Some(Active { file, position, capacity });
        Ok(())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
