//! Reading records in order across segments.
//!
//! What must stay true: a reader of a running journal sees durable records only; what is missing is reported as a gap, once and
//! in its place, whether bytes are damaged or a file was taken away, renamed or exchanged; a segment that is not the one of its name is named
//! in the log and counts as a break of the chain; nothing is allocated per record.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, ReadError, is_unreadable};
use super::format::{JournalId, segment_name};
use super::recovery::{journal_id, list_segments};
use super::segment::{Found, Step, Walk, misnamed};
use super::tail::{Holding, JournalFolder, Shared};
use super::{Hash, Offset};
use hj212_model::message::Timestamp;

/// A record as it is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// Its number.
    pub offset: Offset,
    /// The time it was appended with.
    pub time: Timestamp,
    /// Its kind.
    pub kind: u8,
    /// Its place in the chain of hashes.
    pub hash: Hash,
    /// Its body.
    pub body: &'a [u8],
}

/// The next thing in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadItem<'a> {
    /// A record.
    Record(Stored<'a>),
    /// Records that are not there any more, from `first` to `last`, both included.
    Gap {
        /// The first missing one.
        first: Offset,
        /// The last missing one.
        last: Offset,
        /// Why.
        cause: GapCause,
    },
}

/// Why records are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// Their bytes are damaged.
    Damaged,
    /// Retention removed their segment, or the file was taken away.
    Removed,
}

#[derive(Debug)]
enum Source {
    /// A running journal tells what may be read.
    Live(Arc<Shared>),
    /// The files as they are.
    Files { place: JournalFolder, id: JournalId, segments: Vec<u64> },
}

/// Reads the journal in order.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    /// The next offset to report; 0: whatever is the oldest.
    from: u64,
    current: Option<Current>,
    /// The last record read, for the chain over segments.
    last: Option<(u64, Hash)>,
    breaks: u64,
    /// The segment in which what cannot be read is passed over.
    past: Option<u64>,
    /// Where the bytes of the last damaged gap are: segment, beginning, end.
    damaged: Option<(u64, u64, u64)>,
}

/// The segment that is being read.
#[derive(Debug)]
struct Current {
    first: u64,
    walk: Walk,
    /// Offsets from here on are not to be read from this segment, or not yet.
    limit: u64,
    /// Bytes from here on are not to be read, or not yet.
    end: u64,
}

/// What was found, without its bytes.
enum Next {
    Record(Found),
    Gap(u64, u64, GapCause),
    /// Look again: more may be read now.
    More,
    End,
}

impl Reader {
    fn new(source: Source, from: Offset) -> Self {
        Reader { source, from: from.0, current: None, last: None, breaks: 0, past: None, damaged: None }
    }

    /// After an error of reading: from now on, blocks of the segment at hand that the disk cannot read are passed over; the records in them are
    /// a gap. To be called only when the error stays and the disk does read and write other things: a disk that is away is not damaged.
    pub fn pass_unreadable(&mut self) {
        let first = match &self.current {
            Some(current) => Some(current.first),
            None => self.holding(),
        };
        self.past = first;
        self.current = None;
    }

    /// The first offset of the segment that holds the next record.
    fn holding(&self) -> Option<u64> {
        match &self.source {
            Source::Live(shared) => match shared.holding(self.from) {
                Holding::In { span, .. } => Some(span.first),
                Holding::Before { .. } => None,
            },
            Source::Files { segments, .. } => {
                let after = segments.partition_point(|first| *first <= self.from);
                after.checked_sub(1).and_then(|at| segments.get(at).copied())
            }
        }
    }

    /// What of the segment at hand could not be read and was passed over: its name, and position and length of each range.
    #[must_use]
    pub fn unreadable(&self) -> Option<(String, Vec<(u64, u64)>)> {
        let current = self.current.as_ref()?;
        let ranges = current.walk.unreadable()?.to_vec();
        (!ranges.is_empty()).then(|| (segment_name(current.first), ranges))
    }

    /// Where the bytes of the damaged gap that was given last are: the first offset of the segment, their beginning and their end.
    pub(super) fn damaged(&self) -> Option<(u64, u64, u64)> {
        self.damaged
    }

    /// How often a segment did not continue the chain of hashes of the one before it.
    #[must_use]
    pub fn breaks(&self) -> u64 {
        self.breaks
    }

    pub(super) fn live(shared: Arc<Shared>, from: Offset) -> Self {
        Reader::new(Source::Live(shared), from)
    }

    /// Reads the journal in `dir` without opening it: beside a running daemon, up to the last good record there is when it gets
    /// there. Read on later, it finds what was added. `Offset(0)`: from the oldest record.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, from: Offset) -> Result<Reader, ReadError> {
        let failed = |source| ReadError { path: dir.to_path_buf(), source };
        let segments = list_segments(disk.as_ref(), dir).map_err(failed)?;
        let id = journal_id(disk.as_ref(), dir, &segments).map_err(failed)?.unwrap_or_default();
        let place = JournalFolder { disk, dir: dir.to_path_buf() };
        Ok(Reader::new(Source::Files { place, id, segments }, from))
    }

    /// Goes to `from`; `Offset(0)`: to the oldest record.
    pub fn seek(&mut self, from: Offset) {
        self.from = from.0;
        self.current = None;
    }

    /// The offset that is read next; 0 before the first call if it was to begin with the oldest.
    #[must_use]
    pub fn position(&self) -> Offset {
        Offset(self.from)
    }

    /// The next record or gap; `None` at the end, which may have moved when asked again.
    ///
    /// # Errors
    /// If the disk refuses; the reader stays where it is.
    #[allow(clippy::should_implement_trait, reason = "an item borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<ReadItem<'_>>, ReadError> {
        let found = loop {
            match self.step()? {
                Next::More => {}
                Next::End => return Ok(None),
                Next::Gap(_, last, _) if last < self.from => {}
                Next::Gap(first, last, cause) => {
                    let first = first.max(self.from);
                    self.from = last.saturating_add(1);
                    return Ok(Some(ReadItem::Gap { first: Offset(first), last: Offset(last), cause }));
                }
                Next::Record(found) if found.header.offset < self.from => {}
                Next::Record(found) => break found,
            }
        };
        let header = found.header;
        self.from = header.offset.saturating_add(1);
        self.last = Some((header.offset, header.hash));
        let body = self.current.as_ref().map_or(&[][..], |current| current.walk.body(&found));
        let (offset, time, kind, hash) = (Offset(header.offset), header.time, header.kind, header.hash);
        Ok(Some(ReadItem::Record(Stored { offset, time, kind, hash, body })))
    }

    fn step(&mut self) -> Result<Next, ReadError> {
        if let Some(current) = &mut self.current {
            match current.walk.next(current.limit, current.end) {
                Ok(Step::Record(found)) => return Ok(Next::Record(found)),
                Ok(Step::Damage(hole)) => {
                    self.damaged = Some((current.first, hole.start, hole.end));
                    return Ok(Next::Gap(hole.first, hole.last, GapCause::Damaged));
                }
                Ok(Step::End) => {}
                Err(source) => return Err(self.failed(source)),
            }
        }
        match &self.source {
            Source::Live(_) => self.look_live(),
            Source::Files { .. } => self.look_files(),
        }
    }

    fn failed(&self, source: io::Error) -> ReadError {
        let place = self.place();
        let path = match &self.current {
            Some(current) => place.dir.join(segment_name(current.first)),
            None => place.dir.clone(),
        };
        ReadError { path, source }
    }

    fn place(&self) -> &JournalFolder {
        match &self.source {
            Source::Live(shared) => &shared.place,
            Source::Files { place, .. } => place,
        }
    }

    /// At the end of what could be read: whether the journal lets more be read by now.
    fn look_live(&mut self) -> Result<Next, ReadError> {
        let Source::Live(shared) = &self.source else { return Ok(Next::End) };
        let durable = shared.durable();
        if self.from > durable {
            return Ok(Next::End);
        }
        match shared.holding(self.from) {
            Holding::In { span, limit } => {
                let limit = limit.unwrap_or(u64::MAX).min(durable.saturating_add(1));
                self.enter(span.first, limit, span.end)
            }
            Holding::Before { limit } => Ok(self.begin_at(limit.unwrap_or(durable.saturating_add(1)))),
        }
    }

    /// The same where only the files can tell.
    fn look_files(&mut self) -> Result<Next, ReadError> {
        let Source::Files { place, segments, .. } = &mut self.source else { return Ok(Next::End) };
        let mut after = segments.partition_point(|first| *first <= self.from);
        if after == segments.len() {
            *segments = list_segments(place.disk.as_ref(), &place.dir)
                .map_err(|source| ReadError { path: place.dir.clone(), source })?;
            after = segments.partition_point(|first| *first <= self.from);
        }
        let limit = segments.get(after).copied();
        match (after.checked_sub(1).and_then(|at| segments.get(at).copied()), limit) {
            (Some(first), _) => self.enter(first, limit.unwrap_or(u64::MAX), u64::MAX),
            (None, Some(oldest)) => Ok(self.begin_at(oldest)),
            (None, None) => Ok(Next::End),
        }
    }

    /// Everything before `oldest` is gone.
    fn begin_at(&mut self, oldest: u64) -> Next {
        if self.from == 0 {
            self.from = oldest;
            return Next::More;
        }
        Next::Gap(self.from, oldest.saturating_sub(1), GapCause::Removed)
    }

    /// Goes on in the segment `first` with these bounds; if they are the bounds that were reached, what is missing up to them
    /// is damaged.
    fn enter(&mut self, first: u64, limit: u64, end: u64) -> Result<Next, ReadError> {
        if let Some(current) = self.current.as_mut().filter(|current| current.first == first) {
            if (current.limit, current.end) != (limit, end) {
                (current.limit, current.end) = (limit, end);
                return Ok(Next::More);
            }
            if limit == u64::MAX {
                return Ok(Next::End);
            }
            let (expected, position) = (current.walk.expected(), current.walk.position());
            self.damaged = current.walk.len().ok().map(|length| (first, position, end.min(length)));
            return Ok(Next::Gap(expected, limit - 1, GapCause::Damaged));
        }
        let id = match &self.source {
            Source::Live(shared) => shared.id,
            Source::Files { id, .. } => *id,
        };
        let place = self.place();
        let path = place.dir.join(segment_name(first));
        let past = self.past == Some(first);
        match Walk::open(place.disk.as_ref(), &path, first, id, past) {
            Ok((walk, header)) => {
                if header.is_none()
                    && let Some(within) = misnamed(walk.file(), first)
                {
                    self.breaks += 1;
                    tracing::error!(
                        path = %path.display(),
                        within,
                        "this segment begins with another offset than its name says: it was renamed, or another was copied over it"
                    );
                }
                if let (Some((before, hash)), Some(header)) = (self.last, header)
                    && before + 1 == first
                    && hash != header.previous
                {
                    self.breaks += 1;
                    tracing::error!(
                        path = %path.display(),
                        "this segment does not continue the chain of the one before it: one of them was exchanged or changed"
                    );
                }
                self.current = Some(Current { first, walk, limit, end });
                Ok(Next::More)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && limit < u64::MAX => {
                Ok(Next::Gap(self.from, limit - 1, GapCause::Removed))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Next::End),
            Err(error) if past && is_unreadable(&error) && limit < u64::MAX => {
                self.damaged = None;
                Ok(Next::Gap(self.from, limit - 1, GapCause::Damaged))
            }
            Err(source) => Err(ReadError { path, source }),
        }
    }
}
