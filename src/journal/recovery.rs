//! Opening: where the journal ends, what is damaged there, and the copies of it.
//!
//! What must stay true: what the files say is never a reason not to start; nothing is cut off that was not copied first; the
//! next offset is never one that was settled.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk};
use super::format::{JournalId, SEGMENT_HEADER, root, segment_first, segment_name};
use super::segment::{Step, Walk, read_header};
use super::small_file::{load_file, store_file};
use super::tail::Span;
use super::{Hash, Offset, ReadError};
use crate::telemetry::{Counter, Telemetry};

/// A damaged range that was found when opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// First position of the damaged bytes in it.
    pub position: u64,
    /// How many bytes are damaged.
    pub bytes: u64,
    /// How many records are lost: those between the last good one before and the first good one after. 0 for a torn tail or
    /// a header, where there is no telling.
    pub records: u64,
    /// The copy in `quarantine/`; `None` if it could not be made (the disk is full), in which case the range was left in place.
    pub copy: Option<PathBuf>,
}

/// What opening found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The last record; `Offset(0)` in a new journal.
    pub last: Offset,
    /// Damaged ranges in the newest segment that good records follow, and damaged headers.
    pub damaged: Vec<Damage>,
    /// Bytes after the last good record: what was being written when the process or the machine stopped.
    pub torn: Vec<Damage>,
}

impl Recovery {
    pub(super) fn report(&self, telemetry: &Telemetry) {
        for damage in &self.damaged {
            telemetry.count(Counter::JournalQuarantined);
            telemetry.add(Counter::JournalLost, damage.records);
            let Damage { segment, position, bytes, records, copy } = damage;
            tracing::error!(segment, position, bytes, records, ?copy, "the journal is damaged here; the rest goes on");
        }
        for Damage { segment, position, bytes, copy, .. } in &self.torn {
            telemetry.count(Counter::JournalQuarantined);
            tracing::warn!(segment, position, bytes, ?copy, "an unfinished write was cut off the journal's end");
        }
    }
}

/// The state to go on from.
pub(super) struct Recovered {
    pub(super) id: JournalId,
    pub(super) next: u64,
    pub(super) hash: Hash,
    pub(super) segments: Vec<Span>,
    pub(super) recovery: Recovery,
}

/// First offsets of the segments in `dir`, in order.
pub(super) fn list_segments(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let mut segments: Vec<u64> = disk.list(dir)?.iter().filter_map(|name| segment_first(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The journal's id from its own file, else from the newest good header; `None` in a new journal.
pub(super) fn journal_id(disk: &dyn Disk, dir: &Path, segments: &[u64]) -> io::Result<Option<JournalId>> {
    if let Some(id) = load_file(disk, &dir.join(ID_FILE), 16)?.and_then(|id| id.try_into().ok()) {
        return Ok(Some(id));
    }
    for first in segments.iter().rev() {
        let file = disk.open(&dir.join(segment_name(*first)), Access::Read)?;
        if let Some(header) = read_header(file.as_ref(), *first)? {
            return Ok(Some(header.id));
        }
    }
    Ok(None)
}

const ID_FILE: &str = "journal.id";

/// Finds the end of the journal in `dir` and repairs it.
pub(super) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovered, ReadError> {
    let in_dir = |source| ReadError { path: dir.to_path_buf(), source };
    let mut segments = list_segments(disk, dir).map_err(in_dir)?;
    let id = known_id(disk, dir, &segments).map_err(in_dir)?;
    let mut recovery = Recovery::default();
    // What the names and headers of newer files without records say about the next record.
    let mut next = None;
    let mut hash = None;
    let mut end = 0;
    while let Some(first) = segments.last().copied() {
        let path = dir.join(segment_name(first));
        let scan = Scan { disk, dir, first, id, limit: next.unwrap_or(u64::MAX) };
        let found = scan.run(&mut recovery).map_err(|source| ReadError { path, source })?;
        next = next.or(Some(found.next));
        hash = hash.or(found.hash);
        end = found.end;
        if found.has_records {
            break;
        }
        segments.pop();
        if hash.is_some() {
            // The header of the file without records told the hash; where the one before it ends, its name tells.
            end = u64::MAX;
            break;
        }
    }
    let next = next.unwrap_or(1);
    recovery.last = Offset(next - 1);
    let newest = segments.last().copied();
    let mut spans = Vec::with_capacity(segments.len());
    for first in segments {
        let length =
            disk.open(&dir.join(segment_name(first)), Access::Read).and_then(|file| file.len()).map_err(in_dir)?;
        let end = if Some(first) == newest { end.min(length) } else { length };
        spans.push(Span { first, end, size: length });
    }
    Ok(Recovered { id, next, hash: hash.unwrap_or_else(|| root(&id)), segments: spans, recovery })
}

fn known_id(disk: &dyn Disk, dir: &Path, segments: &[u64]) -> io::Result<JournalId> {
    let path = dir.join(ID_FILE);
    if let Some(id) = load_file(disk, &path, 16)?.and_then(|id| id.try_into().ok()) {
        return Ok(id);
    }
    let id = journal_id(disk, dir, segments)?.unwrap_or_else(rand::random);
    if let Err(error) = store_file(disk, &path, &id) {
        // Every segment's header says it too; the next start tries again.
        tracing::warn!(%error, path = %path.display(), "the journal's id could not be stored beside its segments");
    }
    Ok(id)
}

struct Scan<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    first: u64,
    id: JournalId,
    limit: u64,
}

struct Scanned {
    next: u64,
    hash: Option<Hash>,
    end: u64,
    has_records: bool,
}

impl Scan<'_> {
    fn run(&self, recovery: &mut Recovery) -> io::Result<Scanned> {
        let path = self.dir.join(segment_name(self.first));
        let (mut walk, header) = Walk::open(self.disk, &path, self.first, self.id)?;
        let length = walk.len()?;
        let (mut last, mut holes) = (None, Vec::new());
        loop {
            match walk.next(self.limit, length)? {
                Step::Record(found) => last = Some(found.header.hash),
                Step::Damage(hole) => holes.push(hole),
                Step::End => break,
            }
        }
        let end = walk.position();
        let rest = Rest::measure(&walk, end, length)?;
        let Some(hash) = last else {
            self.put_aside(&walk, header.is_none(), rest.used, recovery)?;
            return Ok(Scanned {
                next: self.first,
                hash: header.map(|header| header.previous),
                end,
                has_records: false,
            });
        };
        if header.is_none() {
            recovery.damaged.push(self.damage(&walk, 0, SEGMENT_HEADER as u64, 0));
        }
        for hole in holes {
            recovery.damaged.push(self.damage(&walk, hole.start, hole.end, hole.last - hole.first + 1));
        }
        let mut may_cut = end < length;
        if rest.used > end {
            let torn = self.damage(&walk, end, rest.used, 0);
            may_cut = torn.copy.is_some();
            recovery.torn.push(torn);
        }
        if may_cut {
            self.cut(&path, end);
        }
        Ok(Scanned { next: walk.expected(), hash: Some(hash), end, has_records: true })
    }

    /// A file without a good record: removed if it has no bytes of records, else moved to quarantine.
    fn put_aside(&self, walk: &Walk, bad_header: bool, used: u64, recovery: &mut Recovery) -> io::Result<()> {
        let path = self.dir.join(segment_name(self.first));
        let start = SEGMENT_HEADER as u64;
        if used > start || (bad_header && Rest::measure(walk, 0, start)?.used > 0) {
            let (position, bytes) = if used > start { (start, used - start) } else { (0, start) };
            let (target, _) = self.quarantine(position, None)?;
            self.disk.rename(&path, &target)?;
            let (segment, copy) = (segment_name(self.first), Some(target));
            recovery.torn.push(Damage { segment, position, bytes, records: 0, copy });
        } else {
            self.disk.remove(&path)?;
        }
        Ok(())
    }

    /// A name in quarantine that is free, or that holds `bytes` already from an earlier start: nothing kept there is written over.
    fn quarantine(&self, position: u64, bytes: Option<&[u8]>) -> io::Result<(PathBuf, Copied)> {
        let folder = self.dir.join(QUARANTINE);
        self.disk.create_dir(&folder)?;
        for number in 0_u32.. {
            let count = if number == 0 { String::new() } else { format!("-{number}") };
            let target = folder.join(format!("{:020}-{position:010}{count}.bin", self.first));
            let there = match self.disk.open(&target, Access::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((target, Copied::NotYet)),
                there => there?,
            };
            if let Some(bytes) = bytes.filter(|bytes| there.len().is_ok_and(|length| length == bytes.len() as u64)) {
                let mut held = vec![0; bytes.len()];
                if there.read_at(&mut held, 0)? == held.len() && held == bytes {
                    return Ok((target, Copied::Already));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Copies a damaged range to quarantine, durably.
    fn damage(&self, walk: &Walk, start: u64, end: u64, records: u64) -> Damage {
        let copied = walk.bytes(start, end).and_then(|bytes| {
            let (target, copied) = self.quarantine(start, Some(&bytes))?;
            if copied == Copied::NotYet {
                let file = self.disk.create(&target)?;
                file.write_at(&bytes, 0)?;
                file.sync_all()?;
                self.disk.sync_dir(&self.dir.join(QUARANTINE))?;
            }
            Ok(target)
        });
        let segment = segment_name(self.first);
        Damage { segment, position: start, bytes: end.saturating_sub(start), records, copy: copied.ok() }
    }

    /// Gives back what was preallocated and not used. Readers do not depend on it.
    fn cut(&self, path: &Path, end: u64) {
        let cut = self.disk.open(path, Access::Write).and_then(|file| {
            file.set_len(end)?;
            file.sync_all()
        });
        if let Err(error) = cut {
            tracing::warn!(%error, path = %path.display(), "unused space of a segment could not be given back");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    Already,
    NotYet,
}

const QUARANTINE: &str = "quarantine";

/// What follows the last good record.
struct Rest {
    /// Position after the last byte that is not zero.
    used: u64,
}

impl Rest {
    fn measure(walk: &Walk, start: u64, end: u64) -> io::Result<Rest> {
        const CHUNK: u64 = 1 << 20;
        let zeros = vec![0; CHUNK as usize];
        let (mut used, mut at) = (start, start);
        while at < end {
            let bytes = walk.bytes(at, end.min(at + CHUNK))?;
            if bytes.is_empty() {
                break;
            }
            if zeros.get(..bytes.len()) != Some(&bytes) {
                let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
                used = at + last as u64 + 1;
            }
            at += bytes.len() as u64;
        }
        Ok(Rest { used })
    }
}
