//! Walking through one segment: good records one by one, damaged ranges as what they are.
//!
//! What must stay true: a record is only believed when its checksum, which begins with the journal's id, holds and its offset can stand where
//! it stands: a segment of another journal has no records. Whatever the bytes, the walk ends. What the disk cannot read is an error, unless
//! the walk was told to go past it: then those blocks are zeros, and are named.

use std::io;
use std::path::Path;

use super::disk::{Access, Disk, DiskFile, is_unreadable};
use super::format::{
    ALIGN, JournalId, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, is_intact, record_size,
};

/// How much is read at a time.
const CHUNK: usize = 512 * 1024;
/// What cannot be read is found in steps of this size.
const BLOCK: usize = 4096;
/// So often a block is tried before it counts as unreadable.
const BLOCK_TRIES: u32 = 3;
// What cannot be read is tried by blocks of a chunk.
const _: () = assert!(CHUNK.is_multiple_of(BLOCK));
/// How much is compared with zeros at a time.
const ZEROS: [u8; 4096] = [0; 4096];

/// The next thing in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A good record.
    Record(Found),
    /// Records are missing; a good one follows.
    Damage(Hole),
    /// No good record follows up to the end.
    End,
}

/// A good record and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) header: RecordHeader,
}

/// Missing records `first..=last`, whose bytes were `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A walk through one segment.
#[derive(Debug)]
pub(super) struct Walk {
    file: Box<dyn DiskFile>,
    id: JournalId,
    position: u64,
    expected: u64,
    buffer: Vec<u8>,
    /// Position in the file of the buffer's first byte.
    start: u64,
    filled: usize,
    /// Whether blocks that cannot be read are passed over, and those that were: positions and lengths.
    past: bool,
    unreadable: Vec<(u64, u64)>,
    /// Whether any block could be read since the first that could not.
    readable: bool,
}

/// The header of the segment at the beginning of `file`, if it is intact and its offset is that of the name.
pub(super) fn read_header(file: &dyn DiskFile, first: u64) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = [0; SEGMENT_HEADER];
    let count = file.read_at(&mut bytes, 0)?;
    let header = bytes.get(..count).and_then(SegmentHeader::decode);
    Ok(header.filter(|header| header.first == first))
}

/// The first offset in the header of a whole segment that is not that of its name: the file was renamed, or another copied over it.
pub(super) fn misnamed(file: &dyn DiskFile, first: u64) -> Option<u64> {
    let mut bytes = [0; SEGMENT_HEADER];
    let count = file.read_at(&mut bytes, 0).ok()?;
    let header = bytes.get(..count).and_then(SegmentHeader::decode)?;
    (header.first != first).then_some(header.first)
}

impl Walk {
    /// Opens the segment at `path` of the journal `id`, whose name says `first`; gives its header if it is that of this journal. With `past`
    /// blocks that cannot be read are passed over.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        first: u64,
        id: JournalId,
        past: bool,
    ) -> io::Result<(Walk, Option<SegmentHeader>)> {
        let file = disk.open(path, Access::Read)?;
        let (position, buffer, mut unreadable) = (SEGMENT_HEADER as u64, Vec::new(), Vec::new());
        let header = match read_header(file.as_ref(), first) {
            Err(error) if past && is_unreadable(&error) => {
                unreadable.push((0, BLOCK as u64));
                None
            }
            header => header?.filter(|header| header.id == id),
        };
        let walk = Walk {
            file,
            id,
            position,
            expected: first,
            buffer,
            start: 0,
            filled: 0,
            past,
            unreadable,
            readable: false,
        };
        Ok((walk, header))
    }

    /// The ranges that could not be read and were passed over, in order: position and length. `None`: nothing at all could be read, which is
    /// no damage of a place.
    pub(super) fn unreadable(&self) -> Option<&[(u64, u64)]> {
        (self.readable || self.unreadable.is_empty()).then_some(&self.unreadable)
    }

    /// How many records look as if they had been whole behind the last good one, and their checksums do not hold: headers with the right
    /// offsets, in every sector something other than zeros, a last byte that is written. An unfinished write leaves zeros, for the file was
    /// zeros before; so these have changed since they were written.
    pub(super) fn rotten(&mut self, end: u64) -> io::Result<u64> {
        const SECTOR: u64 = 512;
        let (mut position, mut offset) = (self.position, self.expected);
        while let Some(header) = RecordHeader::peek(self.window(position, RECORD_HEADER, end)?) {
            let size = (RECORD_HEADER + header.length) as u64;
            if header.offset != offset || position.saturating_add(size) > end {
                break;
            }
            let bytes = self.bytes(position, position + size)?;
            let (mut at, mut whole) = (0, bytes.last().is_some_and(|last| *last != 0));
            while at < size && whole {
                let next = ((position + at) / SECTOR + 1) * SECTOR - position;
                let sector = bytes.get(usize::try_from(at).unwrap_or(0)..usize::try_from(next.min(size)).unwrap_or(0));
                whole = sector.is_some_and(|sector| sector.iter().any(|byte| *byte != 0));
                at = next;
            }
            if !whole {
                break;
            }
            position += record_size(header.length) as u64;
            offset += 1;
        }
        Ok(offset - self.expected)
    }

    /// The file.
    pub(super) fn file(&self) -> &dyn DiskFile {
        self.file.as_ref()
    }

    /// Length of the file.
    pub(super) fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// Where the next record is expected.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The offset that is expected next.
    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    /// The next record or damage before offset `limit` and byte `end`. After [`Step::End`] it may be called again with a
    /// larger end.
    pub(super) fn next(&mut self, limit: u64, end: u64) -> io::Result<Step> {
        if self.expected >= limit {
            return Ok(Step::End);
        }
        let highest = limit - 1;
        if let Some(found) = self.check(self.position, end, self.expected, self.expected)? {
            self.position += record_size(found.header.length) as u64;
            self.expected += 1;
            return Ok(Step::Record(found));
        }
        let Some(found) = self.search(highest, end.min(self.file.len()?))? else {
            // What is held of the tail may be old when more has been written.
            self.filled = 0;
            return Ok(Step::End);
        };
        let hole =
            Hole { first: self.expected, last: found.header.offset - 1, start: self.position, end: found.position };
        self.position = found.position;
        self.expected = found.header.offset;
        Ok(Step::Damage(hole))
    }

    /// The body of the record that [`Walk::next`] returned last.
    pub(super) fn body(&self, found: &Found) -> &[u8] {
        let body = found.position.checked_sub(self.start).and_then(|skip| {
            let start = usize::try_from(skip).ok()?.checked_add(RECORD_HEADER)?;
            self.buffer.get(start..start.checked_add(found.header.length)?)
        });
        body.unwrap_or_default()
    }

    /// The bytes `start..end`, cut to what the file has.
    pub(super) fn bytes(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let end = end.min(self.file.len()?);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        let count = read_around(self.file.as_ref(), &mut bytes, start, self.past, &mut |_, _| {})?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// The next good record behind a bad one: where the bad one says that it ends, else wherever one is found.
    fn search(&mut self, highest: u64, end: u64) -> io::Result<Option<Found>> {
        let (position, expected) = (self.position, self.expected);
        if highest == expected {
            return Ok(None);
        }
        let claimed = RecordHeader::peek(self.window(position, RECORD_HEADER, end)?);
        if let Some(claimed) = claimed.filter(|header| header.offset == expected) {
            let behind = position + record_size(claimed.length) as u64;
            if let Some(found) = self.check(behind, end, expected + 1, expected + 1)? {
                return Ok(Some(found));
            }
        }
        let mut at = position + RECORD_HEADER as u64;
        while at + RECORD_HEADER as u64 <= end {
            if self.window(at, ZEROS.len(), end)?.starts_with(&ZEROS) {
                // No record has offset 0; the last place in these zeros where an offset could begin is the next one tried.
                at += (ZEROS.len() - ALIGN) as u64;
                continue;
            }
            // Each missing record took at least a header's bytes.
            let missing = (at - position) / RECORD_HEADER as u64;
            let found = self.check(at, end, expected + 1, highest.min(expected.saturating_add(missing)))?;
            if found.is_some() {
                return Ok(found);
            }
            at += ALIGN as u64;
        }
        Ok(None)
    }

    /// The record at `position` if it is good and its offset within `lowest..=highest`.
    fn check(&mut self, position: u64, end: u64, lowest: u64, highest: u64) -> io::Result<Option<Found>> {
        let Some(header) = RecordHeader::peek(self.window(position, RECORD_HEADER, end)?) else { return Ok(None) };
        let size = RECORD_HEADER + header.length;
        if header.offset < lowest || header.offset > highest || position.saturating_add(size as u64) > end {
            return Ok(None);
        }
        let id = self.id;
        let bytes = self.window(position, size, end)?.get(..size);
        let good = bytes.is_some_and(|bytes| is_intact(&id, bytes));
        Ok(good.then_some(Found { position, header }))
    }

    /// The bytes from `position` on: at least `want` of them, if the file has so many before `end`.
    fn window(&mut self, position: u64, want: usize, end: u64) -> io::Result<&[u8]> {
        let left = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        let want = want.min(left);
        let held = position.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let skip = match held.filter(|skip| skip.saturating_add(want) <= self.filled) {
            Some(skip) => skip,
            None => {
                let size = want.max(CHUNK).min(left);
                if self.buffer.len() < size {
                    self.buffer.resize(size, 0);
                }
                self.filled = 0;
                self.start = position;
                if let Some(room) = self.buffer.get_mut(..size) {
                    let (unreadable, readable) = (&mut self.unreadable, &mut self.readable);
                    self.filled = read_around(self.file.as_ref(), room, position, self.past, &mut |at, good| {
                        *readable |= good;
                        match unreadable.last_mut() {
                            _ if good => {}
                            Some((start, length)) if *start + *length >= at && at >= *start => {
                                *length = (*length).max(at + BLOCK as u64 - *start);
                            }
                            _ => unreadable.push((at, BLOCK as u64)),
                        }
                    })?;
                }
                0
            }
        };
        Ok(self.buffer.get(skip..self.filled).unwrap_or_default())
    }
}

/// Reads into `room` from `position` on. With `past`, blocks that cannot be read are zeros, and `met` is told of each block whether it could.
///
/// # Errors
/// Those of the disk; with `past` none of [`is_unreadable`].
pub fn read_around(
    file: &dyn DiskFile,
    room: &mut [u8],
    position: u64,
    past: bool,
    met: &mut dyn FnMut(u64, bool),
) -> io::Result<usize> {
    match file.read_at(room, position) {
        Err(error) if past && is_unreadable(&error) => {}
        done => {
            if done.as_ref().is_ok_and(|count| *count > 0) {
                met(position, true);
            }
            return done;
        }
    }
    let length = usize::try_from(file.len()?.saturating_sub(position)).unwrap_or(usize::MAX).min(room.len());
    let mut at = 0;
    while at < length {
        // Blocks as the disk has them.
        let within = usize::try_from((position + at as u64) % BLOCK as u64).unwrap_or(0);
        let end = (at + BLOCK - within).min(length);
        let Some(block) = room.get_mut(at..end) else { break };
        let start = position + at as u64;
        let mut tries = 0;
        loop {
            match file.read_at(block, start) {
                Err(error) if is_unreadable(&error) && tries + 1 < BLOCK_TRIES => tries += 1,
                Err(error) if is_unreadable(&error) => {
                    block.fill(0);
                    met(start, false);
                    break;
                }
                done => {
                    done?;
                    met(start, true);
                    break;
                }
            }
        }
        at = end;
    }
    Ok(length)
}
