//! What the command line asks of a journal that it does not own: verify, stats, a place by time.
//!
//! What must stay true: nothing here writes, locks, or needs the daemon to stop.

use std::path::Path;
use std::sync::Arc;

use super::disk::{Access, Disk};
use super::format::{chain, root, segment_name};
use super::recovery::list_segments;
use super::segment::read_header;
use super::{GapCause, Hash, Offset, ReadError, ReadItem, Reader};
use hj212_model::message::Timestamp;

/// A record whose hash does not continue the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenChain {
    /// The record.
    pub at: Offset,
}

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Good records.
    pub records: u64,
    /// The first and the last of them.
    pub range: Option<(Offset, Offset)>,
    /// The hash of the last record: who keeps it can prove later that nothing up to it was changed.
    pub head: Option<Hash>,
    /// Missing records: first, last, cause.
    pub gaps: Vec<(Offset, Offset, GapCause)>,
    /// Records that are whole but do not continue the chain: changed by somebody who recomputed the checksum, or put in.
    pub broken: Vec<BrokenChain>,
    /// Segments whose header is damaged.
    pub headers: Vec<String>,
}

impl Report {
    /// Whether nothing is missing, damaged or changed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.gaps.is_empty() && self.broken.is_empty() && self.headers.is_empty()
    }
}

/// Reads all records in `dir` and recomputes checksums and the chain of hashes. Beside a running daemon it goes up to the last
/// record there is. After a gap the chain is taken up again with the next record, which cannot itself be checked.
///
/// # Errors
/// If the disk refuses.
pub fn verify(disk: Arc<dyn Disk>, dir: &Path) -> Result<Report, ReadError> {
    let mut report = Report::default();
    let mut previous = first_hash(disk.as_ref(), dir, &mut report)?;
    let mut reader = Reader::open(disk, dir, Offset(0))?;
    while let Some(item) = reader.next()? {
        match item {
            ReadItem::Gap { first, last, cause } => {
                report.gaps.push((first, last, cause));
                previous = None;
            }
            ReadItem::Record(record) => {
                let hash = previous.map(|hash| chain(&hash, record.offset.0, record.time, record.kind, record.body));
                if hash.is_some_and(|hash| hash != record.hash) {
                    report.broken.push(BrokenChain { at: record.offset });
                }
                previous = Some(record.hash);
                report.records += 1;
                report.range = Some((report.range.map_or(record.offset, |(first, _)| first), record.offset));
            }
        }
    }
    report.head = previous;
    Ok(report)
}

/// The hash that the oldest record continues, as its segment's header says; lists damaged headers.
fn first_hash(disk: &dyn Disk, dir: &Path, report: &mut Report) -> Result<Option<Hash>, ReadError> {
    let mut oldest = None;
    for first in names(disk, dir)? {
        let header = header(disk, dir, first)?;
        if header.is_none() {
            report.headers.push(segment_name(first));
        }
        oldest = oldest.or(Some(header.map(|header| if first == 1 { root(&header.id) } else { header.previous })));
    }
    Ok(oldest.flatten())
}

/// The first offsets of the segments in `dir`, oldest first, whatever is in them.
///
/// # Errors
/// If the disk refuses.
pub fn segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Offset>, ReadError> {
    Ok(names(disk, dir)?.into_iter().map(Offset).collect())
}

fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, ReadError> {
    list_segments(disk, dir).map_err(|source| ReadError { path: dir.to_path_buf(), source })
}

fn header(disk: &dyn Disk, dir: &Path, first: u64) -> Result<Option<super::format::SegmentHeader>, ReadError> {
    let path = dir.join(segment_name(first));
    match disk.open(&path, Access::Read).and_then(|file| read_header(file.as_ref(), first)) {
        Ok(header) => Ok(header),
        // Retention took it meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError { path, source }),
    }
}

/// What [`stats`] counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Segment files.
    pub segments: u64,
    /// Bytes that they take, with what is preallocated.
    pub file_bytes: u64,
    /// Good records.
    pub records: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// Missing records.
    pub missing: u64,
    /// The oldest record and its time.
    pub first: Option<(Offset, Timestamp)>,
    /// The newest record and its time.
    pub last: Option<(Offset, Timestamp)>,
    /// How many records of each kind; the index is the kind.
    pub kinds: Box<[u64; 256]>,
}

/// The id of the journal in `dir`; `None` if there is no journal.
///
/// # Errors
/// If the disk refuses.
pub fn id(disk: &dyn Disk, dir: &Path) -> Result<Option<[u8; 16]>, ReadError> {
    let failed = |source| ReadError { path: dir.to_path_buf(), source };
    let segments = super::recovery::list_segments(disk, dir).map_err(failed)?;
    super::recovery::journal_id(disk, dir, &segments).map_err(failed)
}

/// Reads all records in `dir` and counts.
///
/// # Errors
/// If the disk refuses.
pub fn stats(disk: Arc<dyn Disk>, dir: &Path) -> Result<Stats, ReadError> {
    let (mut files, mut file_bytes) = (0, 0);
    for first in names(disk.as_ref(), dir)? {
        let path = dir.join(segment_name(first));
        // One that retention took meanwhile does not count.
        if let Ok(length) = disk.open(&path, Access::Read).and_then(|file| file.len()) {
            files += 1;
            file_bytes += length;
        }
    }
    let mut stats = Stats {
        segments: files,
        file_bytes,
        records: 0,
        body_bytes: 0,
        missing: 0,
        first: None,
        last: None,
        kinds: Box::new([0; 256]),
    };
    let mut reader = Reader::open(disk, dir, Offset(0))?;
    while let Some(item) = reader.next()? {
        match item {
            ReadItem::Gap { first, last, .. } => stats.missing += last.0 - first.0 + 1,
            ReadItem::Record(record) => {
                stats.records += 1;
                stats.body_bytes += record.body.len() as u64;
                stats.first = stats.first.or(Some((record.offset, record.time)));
                stats.last = Some((record.offset, record.time));
                if let Some(count) = stats.kinds.get_mut(usize::from(record.kind)) {
                    *count += 1;
                }
            }
        }
    }
    Ok(stats)
}

/// A segment, as its name and its header tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first record.
    pub first: Offset,
    /// The first record of the next segment; `None` for the newest.
    pub next: Option<Offset>,
    /// When it was made: no record of it is older, unless the clock jumped back.
    pub created: Timestamp,
}

/// The segments in `dir`, oldest first, without those whose header is damaged: for who reads from the newest back.
///
/// # Errors
/// If the disk refuses.
pub fn spans(disk: &dyn Disk, dir: &Path) -> Result<Vec<Span>, ReadError> {
    let firsts = names(disk, dir)?;
    let mut spans = Vec::with_capacity(firsts.len());
    for (at, first) in firsts.iter().enumerate() {
        let next = firsts.get(at + 1).copied().map(Offset);
        if let Some(header) = header(disk, dir, *first)? {
            spans.push(Span { first: Offset(*first), next, created: header.created });
        }
    }
    Ok(spans)
}

/// The first record with a time of `time` or later; if there is none, the offset after the last record. The search begins in the
/// newest segment that was made before `time`; clocks that jump back make it inexact by what they jumped.
///
/// # Errors
/// If the disk refuses.
pub fn offset_at(disk: Arc<dyn Disk>, dir: &Path, time: Timestamp) -> Result<Offset, ReadError> {
    let mut from = Offset(0);
    for first in names(disk.as_ref(), dir)? {
        match header(disk.as_ref(), dir, first)? {
            Some(header) if header.created < time => from = Offset(first),
            Some(_) => break,
            None => {}
        }
    }
    let mut reader = Reader::open(disk, dir, from)?;
    let mut after = from.next();
    while let Some(item) = reader.next()? {
        match item {
            ReadItem::Record(record) if record.time >= time => return Ok(record.offset),
            ReadItem::Record(record) => after = record.offset.next(),
            ReadItem::Gap { last, .. } => after = last.next(),
        }
    }
    Ok(after)
}
