//! Opening: where the journal ends, what is damaged there, and the copies of it.
//!
//! What must stay true:
//! * what the files say is never a reason not to start, with one exception: files of two journals in one folder, when nothing tells which of
//!   them is right;
//! * nothing is cut off that was not copied first; the next offset is never one that was settled;
//! * a segment of another journal is moved to quarantine whole, and its offsets count as lost;
//! * the loss of a record that was settled is told from an unfinished write as far as can be: by the small file `tail`, which says up to which
//!   record everything was durable half a second before (on an orderly stop: at the end), and by the bytes themselves, for an unfinished
//!   write leaves zeros (see [`Walk::rotten`]). What can not be told apart: a record of the last half second in which a whole sector has
//!   turned to zeros, or whose header is gone;
//! * what the disk cannot read after [`READ_TRIES`] tries is damage like any other, as long as it reads other places of the same file. Behind
//!   an unreadable end so many offsets are left out as records could have been there.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, is_unreadable};
use super::format::{JournalId, RECORD_HEADER, SEGMENT_HEADER, SegmentHeader, root, segment_first, segment_name};
use super::segment::{Step, Walk, misnamed, read_header};
use super::slots::Slots;
use super::small_file::{load_file, store_file};
use super::tail::Span;
use super::{Hash, Offset, ReadError};
use hj212_model::clock::belief::{Belief, Seen, UNSEEN_MAX};
use hj212_model::message::Timestamp;
use hj212_model::telemetry::{Counter, Telemetry};

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
    /// Segments of another journal, which are in quarantine now.
    pub foreign: Vec<Damage>,
    /// Segments whose headers say another first offset than their names: renamed, or another copied over them. Name, and the header's offset.
    pub misnamed: Vec<(String, u64)>,
    /// Ranges of the newest segment that the disk cannot read: segment, position, length.
    pub unreadable: Vec<(String, u64, u64)>,
}

impl Recovery {
    pub(super) fn report(&self, telemetry: &Telemetry) {
        for Damage { segment, records, copy, .. } in &self.foreign {
            telemetry.count(Counter::JournalQuarantined);
            telemetry.add(Counter::JournalLost, *records);
            tracing::error!(
                segment,
                records,
                ?copy,
                "a segment is of another journal: it is moved away, and its records are missing here"
            );
        }
        for (segment, within) in &self.misnamed {
            telemetry.count(Counter::JournalBreaks);
            tracing::error!(
                segment,
                within,
                "a segment begins with another offset than its name says: it was renamed, or another was copied over it"
            );
        }
        for (segment, position, bytes) in &self.unreadable {
            telemetry.count(Counter::JournalUnreadable);
            tracing::error!(
                segment,
                position,
                bytes,
                "the disk cannot read this range of the journal; the rest goes on"
            );
        }
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
    /// What is believed of the date at the end.
    pub(super) belief: Belief,
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
/// The small file that says up to which record everything was durable (see [`super::Slots`]).
pub(super) const TAIL_FILE: &str = "tail";
/// So often the newest segment is read again before a place counts as unreadable.
const READ_TRIES: u32 = 3;
/// And so long is waited before each; a simulated disk does not get better by waiting.
const READ_PAUSE: std::time::Duration = std::time::Duration::from_millis(if cfg!(test) { 1 } else { 200 });

/// Finds the end of the journal in `dir` and repairs it.
pub(super) fn recover(disk: &dyn Disk, dir: &Path) -> Result<Recovered, ReadError> {
    let in_dir = |source| ReadError { path: dir.to_path_buf(), source };
    let mut segments = list_segments(disk, dir).map_err(in_dir)?;
    let id = known_id(disk, dir, &segments).map_err(|source| ReadError { path: dir.join(ID_FILE), source })?;
    let mut recovery = Recovery::default();
    let named = put_foreign_aside(disk, dir, &mut segments, &id, &mut recovery).map_err(in_dir)?;
    for first in &segments {
        let within = disk
            .open(&dir.join(segment_name(*first)), Access::Read)
            .ok()
            .and_then(|file| misnamed(file.as_ref(), *first));
        recovery.misnamed.extend(within.map(|within| (segment_name(*first), within)));
    }
    // Everything up to here was settled.
    let settled = Slots::load(disk, &dir.join(TAIL_FILE), &id).ok().flatten().unwrap_or(0).max(named);
    // What the names and headers of newer files without records say about the next record.
    let mut next = None;
    let mut hash = None;
    let mut end = 0;
    let mut belief = Belief::default();
    while let Some(first) = segments.last().copied() {
        let path = dir.join(segment_name(first));
        let scan = Scan { disk, dir, first, id, limit: next.unwrap_or(u64::MAX) };
        let found = scan.run_again(&mut recovery).map_err(|source| ReadError { path, source })?;
        next = next.or(Some(found.next));
        hash = hash.or(found.hash);
        end = found.end;
        belief = found.belief;
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
    let mut next = next.unwrap_or(1);
    if settled >= next {
        // They were acknowledged: this is no unfinished write, and their offsets are not given again.
        recovery.lose_the_end(settled + 1 - next, segments.last().copied().unwrap_or(1), end);
        next = settled + 1;
    }
    recovery.last = Offset(next - 1);
    let newest = segments.last().copied();
    let mut spans = Vec::with_capacity(segments.len());
    for first in segments {
        let path = dir.join(segment_name(first));
        let length = disk
            .open(&path, Access::Read)
            .and_then(|file| file.len())
            .map_err(|source| ReadError { path: path.clone(), source })?;
        let end = if Some(first) == newest { end.min(length) } else { length };
        spans.push(Span { first, end, size: length });
    }
    Ok(Recovered { id, next, hash: hash.unwrap_or_else(|| root(&id)), segments: spans, recovery, belief })
}

/// The journal's id: what most of `journal.id`, `tail` and the segments' headers say; a new one where nothing says anything.
fn known_id(disk: &dyn Disk, dir: &Path, segments: &[u64]) -> io::Result<JournalId> {
    let path = dir.join(ID_FILE);
    let own: Option<JournalId> = match load_file(disk, &path, 16) {
        Ok(own) => own.and_then(|id| id.try_into().ok()),
        // What cannot be read is found elsewhere, or made anew.
        Err(error) if is_unreadable(&error) => None,
        Err(error) => return Err(error),
    };
    let mut said: Vec<JournalId> = own.into_iter().chain(Slots::owner(disk, &dir.join(TAIL_FILE))).collect();
    for first in segments {
        let read = disk
            .open(&dir.join(segment_name(*first)), Access::Read)
            .and_then(|file| read_header(file.as_ref(), *first));
        match read {
            Ok(header) => said.extend(header.map(|header| header.id)),
            Err(error) if is_unreadable(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let mut votes: Vec<(usize, JournalId)> = Vec::new();
    for id in said {
        match votes.iter_mut().find(|(_, of)| *of == id) {
            Some((count, _)) => *count += 1,
            None => votes.push((1, id)),
        }
    }
    votes.sort_unstable_by(|a, b| b.cmp(a));
    let id = match votes.as_slice() {
        [] => rand::random(),
        [(_, id)] => *id,
        [(most, _), (next, _), ..] if most == next => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the files in this folder are of two journals, and as many say the one as the other; move away the segments, or `journal.id` and \
                 `tail`, that do not belong here",
            ));
        }
        [(_, id), ..] => *id,
    };
    if own == Some(id) {
        return Ok(id);
    }
    if own.is_some() {
        tracing::error!(path = %path.display(), "journal.id is of another journal: it is written again as most of the segments say");
    }
    if let Err(error) = store_file(disk, &path, &id) {
        // Every segment's header says it too; the next start tries again.
        tracing::warn!(%error, path = %path.display(), "the journal's id could not be stored beside its segments");
    }
    Ok(id)
}

/// Moves segments of other journals to quarantine. Gives the offset before the newest of them: no record of ours can come before it any more.
fn put_foreign_aside(
    disk: &dyn Disk,
    dir: &Path,
    segments: &mut Vec<u64>,
    id: &JournalId,
    recovery: &mut Recovery,
) -> io::Result<u64> {
    let (all, mut named) = (std::mem::take(segments), 0);
    for (place, first) in all.iter().copied().enumerate() {
        let path = dir.join(segment_name(first));
        let header = disk.open(&path, Access::Read).and_then(|file| read_header(file.as_ref(), first));
        if !matches!(header, Ok(Some(header)) if header.id != *id) {
            segments.push(first);
            continue;
        }
        named = named.max(first - 1);
        let length = disk.open(&path, Access::Read).and_then(|file| file.len()).unwrap_or(0);
        let scan = Scan { disk, dir, first, id: *id, limit: u64::MAX };
        let (target, _) = scan.quarantine(0, None)?;
        disk.rename(&path, &target)?;
        disk.sync_dir(&dir.join(QUARANTINE))?;
        disk.sync_dir(dir)?;
        let records = all.get(place + 1).map_or(0, |next| next - first);
        recovery.foreign.push(Damage {
            segment: segment_name(first),
            position: 0,
            bytes: length,
            records,
            copy: Some(target),
        });
    }
    Ok(named)
}

/// Copies the bytes `start..end` of the segment that begins with `first` to quarantine, for a reader of a running journal that met damage
/// there. What the disk cannot read is zeros in the copy. `None`: it could not be made.
pub(super) fn keep_copy(
    disk: &dyn Disk,
    dir: &Path,
    id: JournalId,
    (first, start, end): (u64, u64, u64),
) -> Option<PathBuf> {
    let scan = Scan { disk, dir, first, id, limit: u64::MAX };
    let (walk, _) = Walk::open(disk, &dir.join(segment_name(first)), first, id, true).ok()?;
    // Behind the last record of a segment there may be nothing but what was preallocated.
    let used = Rest::measure(&walk, start, end).map_or(end, |rest| rest.used);
    (used > start).then(|| scan.damage(&walk, start, used, 0).copy)?
}

impl Recovery {
    /// Records that were settled are missing at the end: what was taken for an unfinished write is damage.
    fn lose_the_end(&mut self, records: u64, newest: u64, end: u64) {
        let name = segment_name(newest);
        let mut at_end = match self.torn.iter().position(|torn| torn.segment == name) {
            Some(place) => self.torn.remove(place),
            None => Damage { segment: name, position: end, bytes: 0, records: 0, copy: None },
        };
        at_end.records = records;
        self.damaged.push(at_end);
    }
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
    belief: Belief,
}

/// What may be believed of the date by the records of a segment: that it was made when its header says, and that between two records no more time
/// passed than a gateway may be away. A clock that jumped is believed when it has stayed so among the records ([`hj212_model::clock::belief`]).
struct SegmentDates {
    belief: Belief,
    passed: i64,
    before: Option<i64>,
}

impl SegmentDates {
    fn of(header: Option<&SegmentHeader>) -> SegmentDates {
        let belief = header.map_or_else(Belief::default, |header| Belief::since(header.created));
        SegmentDates { belief, passed: 0, before: None }
    }

    fn record(&mut self, time: Timestamp) {
        let gap = self.before.replace(time.0).map_or(0, |before| time.0.saturating_sub(before));
        if (0..=UNSEEN_MAX).contains(&gap) {
            self.passed = self.passed.saturating_add(gap);
        }
        let _ = self.belief.see(time, Seen::Reading(self.passed));
    }
}

impl Scan<'_> {
    /// [`Scan::run`], again if the disk could not read, and then past what it cannot read.
    fn run_again(&self, recovery: &mut Recovery) -> io::Result<Scanned> {
        for _ in 1..READ_TRIES {
            let before = recovery.clone();
            match self.run(recovery, false) {
                Err(error) if is_unreadable(&error) => {
                    *recovery = before;
                    std::thread::sleep(READ_PAUSE);
                }
                done => return done,
            }
        }
        self.run(recovery, true)
    }

    fn run(&self, recovery: &mut Recovery, past: bool) -> io::Result<Scanned> {
        let path = self.dir.join(segment_name(self.first));
        let (mut walk, header) = Walk::open(self.disk, &path, self.first, self.id, past)?;
        let length = walk.len()?;
        let (mut last, mut holes) = (None, Vec::new());
        let mut dates = SegmentDates::of(header.as_ref());
        loop {
            match walk.next(self.limit, length)? {
                Step::Record(found) => {
                    last = Some(found.header.hash);
                    dates.record(found.header.time);
                }
                Step::Damage(hole) => holes.push(hole),
                Step::End => break,
            }
        }
        let end = walk.position();
        let rest = Rest::measure(&walk, end, length)?;
        let rotten = if self.limit == u64::MAX { walk.rotten(length)? } else { 0 };
        let Some(unreadable) = walk.unreadable().map(<[(u64, u64)]>::to_vec) else {
            return Err(io::Error::other(
                "the disk reads nothing of this file; if it is gone for good, move the file away",
            ));
        };
        let name = segment_name(self.first);
        recovery.unreadable.extend(unreadable.iter().map(|(start, bytes)| (name.clone(), *start, *bytes)));
        // Records may have been where nothing can be read: as many as have room there.
        let hidden: u64 = unreadable
            .iter()
            .map(|(start, bytes)| (start + bytes).saturating_sub((*start).max(end)).div_ceil(RECORD_HEADER as u64))
            .sum();
        let missing = rotten.max(if self.limit == u64::MAX { hidden } else { 0 });
        let Some(hash) = last else {
            self.put_aside(&walk, header.is_none(), rest.used, recovery)?;
            return Ok(Scanned {
                next: self.first + missing,
                hash: header.map(|header| header.previous),
                end,
                has_records: false,
                belief: dates.belief,
            });
        };
        if header.is_none() {
            recovery.damaged.push(self.damage(&walk, 0, SEGMENT_HEADER as u64, 0));
        }
        for hole in holes {
            recovery.damaged.push(self.damage(&walk, hole.start, hole.end, hole.last - hole.first + 1));
        }
        let mut may_cut = end < length;
        if rest.used > end || missing > 0 {
            let torn = self.damage(&walk, end, rest.used.max(end), missing);
            may_cut = torn.copy.is_some() && unreadable.is_empty();
            if missing > 0 { recovery.damaged.push(torn) } else { recovery.torn.push(torn) }
        }
        if may_cut {
            self.cut(&path, end);
        }
        Ok(Scanned { next: walk.expected() + missing, hash: Some(hash), end, has_records: true, belief: dates.belief })
    }

    /// A file without a good record: removed if it has no bytes of records, else moved to quarantine.
    fn put_aside(&self, walk: &Walk, bad_header: bool, used: u64, recovery: &mut Recovery) -> io::Result<()> {
        let path = self.dir.join(segment_name(self.first));
        let start = SEGMENT_HEADER as u64;
        if used > start || (bad_header && Rest::measure(walk, 0, start)?.used > 0) {
            let (position, bytes) = if used > start { (start, used - start) } else { (0, start) };
            let (target, _) = self.quarantine(position, None)?;
            self.disk.rename(&path, &target)?;
            self.disk.sync_dir(&self.dir.join(QUARANTINE))?;
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
        // The folder's own name, before anything is cut off that is kept there alone.
        self.disk.sync_dir(self.dir)?;
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
