//! The archiver: one thread beside everything else that copies sealed segments to the archive and anchors each day.
//!
//! What must stay true:
//! * no segment leaves the journal before its copy is durable: the journal holds from the first segment without one on;
//! * nothing waits for this thread: a full or failing archive costs room in the journal, and nothing else;
//! * a place of the journal that the disk cannot read holds nothing back for ever: after [`READ_TRIES`] tries it is passed over, and that is told;
//! * an anchor is a record of the journal before it is anything else: what is published and what lies in the archive's folder follow from that
//!   record, after a kill as well. An anchor counts when it is read back, not when it was written.

mod anchors;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use anchors::{Anchors, READ_TRIES};
pub(super) use anchors::{anchors_in, open_key};
use hj212_archive::{self as archive, ArchivedDisk, Copied, Outcome, Terms};
use hj212_journal::{Disk, Holder, Journal, Offset, is_unreadable};
use hj212_model::message::Timestamp;
use hj212_model::telemetry::{Counter, Telemetry};

/// How often it is looked whether there is something to do.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });
/// After a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// How often old copies are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);

/// What the thread works with.
pub(super) struct Archiver {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) journal: Arc<Journal>,
    /// The journal's folder.
    pub(super) dir: PathBuf,
    pub(super) settings: archive::Settings,
    /// Bytes that a copy leaves free.
    pub(super) reserve: u64,
    /// The gateway's name, for anchors.
    pub(super) gateway: String,
    pub(super) telemetry: Arc<Telemetry>,
    /// The date.
    pub(super) now: Box<dyn Fn() -> Timestamp + Send>,
    pub(super) stop: CancellationToken,
}

/// Where the work stands.
struct Work {
    folder: PathBuf,
    /// The first record without a copy.
    copied: Offset,
    /// How often the segment behind it could not be read.
    tries: u32,
    anchors: Anchors,
    expired: Option<Instant>,
}

impl Archiver {
    /// Holds what has no copy, and starts the thread. To be called before anybody else says what the journal need not hold.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        self.journal.keep_from(Holder::Archive, Offset(0));
        std::thread::Builder::new().name("archive".into()).spawn(move || self.run())
    }

    fn run(self) {
        let mut told = None;
        let mut work = None;
        while !self.stop.is_cancelled() {
            let done = match &mut work {
                None => self.prepared().map(|prepared| {
                    work = Some(prepared);
                    true
                }),
                Some(work) => self.round(work),
            };
            match done {
                Ok(busy) => {
                    if told.take().is_some() {
                        tracing::info!("the archive works again");
                    }
                    if !busy {
                        self.wait(PAUSE);
                    }
                }
                Err(error) => {
                    self.telemetry.count(Counter::ArchiveErrors);
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        tracing::error!(%error, dir = %self.settings.dir.display(), "nothing can be archived: segments stay in the journal until it can");
                        told = Some(text);
                    }
                    self.wait(AGAIN);
                }
            }
        }
    }

    /// Waits, not beyond the stop.
    fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stop.is_cancelled() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50).min(pause));
        }
    }

    fn prepared(&self) -> io::Result<Work> {
        let id = self.journal.id();
        let folder = archive::prepare(self.disk.as_ref(), &self.settings.dir, &self.dir, &id)?;
        let reading: Arc<dyn Disk> =
            Arc::new(ArchivedDisk::new(Arc::clone(&self.disk), self.dir.clone(), folder.clone()));
        let anchors = Anchors::open(&self.disk, reading, &self.dir, &folder, self.gateway.clone(), &self.journal)?;
        Ok(Work { folder, copied: Offset(0), tries: 0, anchors, expired: None })
    }

    /// Does some of what there is to do; true if there may be more.
    fn round(&self, work: &mut Work) -> io::Result<bool> {
        let more = work.anchors.follow(&self.journal, &self.folder_of(work), (self.now)());
        // Whatever keeps one of the two from its work does not keep the other.
        let copied = self.copy_next(work);
        let (more, copied) = (more?, copied?);
        if work.expired.is_none_or(|last| last.elapsed() > EXPIRE_EVERY) {
            work.expired = Some(Instant::now());
            self.expire(work)?;
        }
        Ok(more || copied)
    }

    fn folder_of(&self, work: &Work) -> (Arc<dyn Disk>, PathBuf) {
        (Arc::clone(&self.disk), work.folder.clone())
    }

    /// Copies the oldest segment that has no copy; false if there is none.
    fn copy_next(&self, work: &mut Work) -> io::Result<bool> {
        let durable = self.journal.tail().durable();
        let names = hj212_journal::segments(self.disk.as_ref(), &self.dir).map_err(|error| error.source)?;
        let sealed = names.windows(2).find_map(|pair| match pair {
            [first, next] if *first >= work.copied && next.0 <= durable.0.saturating_add(1) => Some((*first, *next)),
            _ => None,
        });
        let Some((first, next)) = sealed else {
            // What is not sealed stays by itself.
            let first = names.last().copied().unwrap_or(Offset(u64::MAX));
            self.journal.keep_from(Holder::Archive, work.copied.max(first.min(durable.next())));
            return Ok(false);
        };
        let id = self.journal.id();
        let past = work.tries >= READ_TRIES;
        let terms = Terms { settings: &self.settings, reserve: self.reserve, past, stop: &|| self.stop.is_cancelled() };
        let outcome = archive::copy(&self.disk, (&self.dir, &id), (first, next), &work.folder, terms);
        work.tries += u32::from(outcome.as_ref().is_err_and(is_unreadable));
        match outcome? {
            Outcome::Stopped => return Ok(false),
            Outcome::There(Copied { .. }) => {}
            Outcome::Copied(Copied { bytes, packed, unreadable, .. }) => {
                self.telemetry.count(Counter::ArchivedSegments);
                self.telemetry.add(Counter::ArchivedBytes, packed);
                tracing::info!(first = first.0, bytes, packed, "a segment was archived");
                if unreadable > 0 {
                    self.telemetry.add(Counter::ArchiveUnreadable, unreadable);
                    tracing::error!(
                        first = first.0,
                        unreadable,
                        "the disk could not read all of this segment: zeros stand for these bytes in its copy"
                    );
                }
            }
        }
        (work.copied, work.tries) = (next, 0);
        self.journal.keep_from(Holder::Archive, next);
        Ok(true)
    }

    /// Removes copies whose time is over. The date is that of the newest segment, which goes by what is believed of the clock.
    fn expire(&self, work: &Work) -> io::Result<()> {
        let spans = hj212_journal::spans(self.disk.as_ref(), &self.dir).map_err(|error| error.source)?;
        let Some(now) = spans.last().map(|span| span.created) else { return Ok(()) };
        let gone = archive::expire(self.disk.as_ref(), &work.folder, &self.settings, now, &work.anchors.days())?;
        if gone.segments > 0 {
            self.telemetry.add(Counter::ArchiveExpired, gone.segments);
            tracing::info!(segments = gone.segments, bytes = gone.bytes, "archived segments went: their time is over");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
