//! Copying one sealed segment.
//!
//! What must stay true: the manifest is written last, after the copy was read back from the disk, unpacked and found to be the segment. One place
//! that can be read no more does not hold a segment back for ever: whoever has tried often enough has it copied with zeros there
//! ([`Terms::past`]), and the manifest says how many.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::manifest::{Manifest, SCHEMA};
use super::{CHUNK, Settings, hex};
use hj212_journal::{Access, Disk, DiskFile, Offset, ReadItem, Reader, read_around, segment_name, spans, store_file};

/// The length of a segment's header.
const HEADER: usize = 128;
/// What a disk reads as a whole, bytes.
const BLOCK: u64 = 4096;

/// A copy that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// The first record after it.
    pub next: Offset,
    /// Length of the segment's file.
    pub bytes: u64,
    /// Length of its copy.
    pub packed: u64,
    /// Bytes that the disk could not read.
    pub unreadable: u64,
}

/// What a copy is made by.
#[derive(Clone, Copy)]
pub struct Terms<'t> {
    /// How hard it is packed.
    pub settings: &'t Settings,
    /// Bytes that stay free.
    pub reserve: u64,
    /// Whether places of the segment that the disk cannot read are passed over.
    pub past: bool,
    /// Asked before each chunk.
    pub stop: &'t dyn Fn() -> bool,
}

impl std::fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terms").field("reserve", &self.reserve).field("past", &self.past).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was copied now.
    Copied(Copied),
    /// It had a copy.
    There(Copied),
    /// Whoever asked wanted to stop.
    Stopped,
}

/// Copies the sealed segment `first`, of the journal `id` in `dir`, whose successor begins with `next`, to `folder`.
///
/// # Errors
/// Those of the disks, of [`hj212_journal::is_unreadable`] where the segment cannot be read and that is not passed over; [`io::ErrorKind::StorageFull`] if there is no room, [`io::ErrorKind::InvalidData`] if the copy is not what was written.
pub fn copy(
    disk: &Arc<dyn Disk>,
    (dir, id): (&Path, &[u8; 16]),
    (first, next): (Offset, Offset),
    folder: &Path,
    terms: Terms<'_>,
) -> io::Result<Outcome> {
    let Terms { settings, reserve, past, stop } = terms;
    if let Some(there) = Manifest::load(disk.as_ref(), folder, first.0)?.filter(|there| there.next == next.0) {
        let packed = disk.open(&folder.join(Manifest::copy_name(first.0)), Access::Read).and_then(|file| file.len());
        if let Ok(packed) = packed
            && packed == there.packed()
        {
            return Ok(Outcome::There(Copied { next, bytes: there.bytes, packed, unreadable: there.unreadable }));
        }
    }
    let source = disk.open(&dir.join(segment_name(first.0)), Access::Read)?;
    let bytes = source.len()?;
    if disk.free_space(folder)? < bytes.saturating_add(reserve) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let path = folder.join(Manifest::copy_name(first.0));
    let temporary = path.with_added_extension("new");
    forget(disk.as_ref(), &temporary)?;
    let target = disk.create(&temporary)?;
    let written = pack((source.as_ref(), bytes), target.as_ref(), i32::from(settings.level), past, stop);
    let packed = match written {
        Ok(Some(packed)) => packed,
        stopped => {
            drop(target);
            // What stays is removed by the next try.
            let _ = disk.remove(&temporary);
            return stopped.map(|_| Outcome::Stopped);
        }
    };
    target.sync_all()?;
    drop(target);
    disk.rename(&temporary, &path)?;
    disk.sync_dir(folder)?;
    let kept = disk.open(&path, Access::Read)?;
    if !is_good(kept.as_ref(), &packed, stop)? {
        if stop() {
            return Ok(Outcome::Stopped);
        }
        forget(disk.as_ref(), &path)?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the copy is not what was written"));
    }
    let content = content(disk, dir, (first, next), past)?;
    let created = |wanted: u64| -> io::Result<Option<i64>> {
        let all = spans(disk.as_ref(), dir).map_err(|error| error.source)?;
        Ok(all.iter().find(|span| span.first.0 == wanted).map(|span| span.created.0))
    };
    let manifest = Manifest {
        schema: SCHEMA.into(),
        journal: hex(id),
        first: first.0,
        next: next.0,
        created: created(first.0)?,
        sealed: created(next.0)?,
        records: content.records,
        missing: content.missing,
        unreadable: packed.unreadable,
        kinds: content.kinds,
        head: content.head,
        bytes,
        sha256: hex(&packed.sha256),
        chunk: CHUNK as u64,
        frames: packed.frames,
        packed_sha256: hex(&packed.packed_sha256),
        header: hex(&packed.header),
    };
    let text = serde_json::to_vec(&manifest).map_err(io::Error::other)?;
    store_file(disk.as_ref(), &folder.join(Manifest::name(first.0)), &text)?;
    Ok(Outcome::Copied(Copied { next, bytes, packed: manifest.packed(), unreadable: packed.unreadable }))
}

fn forget(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

struct Packed {
    frames: Vec<u32>,
    header: Vec<u8>,
    sha256: [u8; 32],
    packed_sha256: [u8; 32],
    unreadable: u64,
}

/// Packs the whole of `source` into `target`; nothing if it was to stop.
fn pack(
    (source, bytes): (&dyn DiskFile, u64),
    target: &dyn DiskFile,
    level: i32,
    past: bool,
    stop: &dyn Fn() -> bool,
) -> io::Result<Option<Packed>> {
    let mut packer = zstd::bulk::Compressor::new(level)?;
    packer.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
    let (mut whole, mut packed) = (Sha256::new(), Sha256::new());
    let (mut frames, mut header) = (Vec::new(), Vec::new());
    let (mut at, mut to, mut unreadable) = (0, 0, 0);
    let mut chunk = vec![0; CHUNK];
    while at < bytes {
        if stop() {
            return Ok(None);
        }
        let length = usize::try_from(bytes - at).unwrap_or(CHUNK).min(CHUNK);
        let Some(room) = chunk.get_mut(..length) else { break };
        let mut lost = Vec::new();
        if read_around(source, room, at, past, &mut |place, good| lost.extend((!good).then_some(place)))? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if at == 0 {
            header = room.get(..HEADER.min(length)).unwrap_or_default().to_vec();
        }
        // Each block that could not be read, up to the next one or the end.
        let end = at + length as u64;
        unreadable += lost
            .iter()
            .map(|place| BLOCK - place % BLOCK)
            .zip(&lost)
            .map(|(block, place)| block.min(end - place))
            .sum::<u64>();
        whole.update(&*room);
        let frame = packer.compress(room)?;
        packed.update(&frame);
        target.write_at(&frame, to)?;
        to += frame.len() as u64;
        frames.push(u32::try_from(frame.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?);
        at += length as u64;
    }
    let (sha256, packed_sha256) = (whole.finalize().into(), packed.finalize().into());
    Ok(Some(Packed { frames, header, sha256, packed_sha256, unreadable }))
}

/// Reads the copy back: whether it is the packed bytes and unpacks to the segment.
fn is_good(kept: &dyn DiskFile, packed: &Packed, stop: &dyn Fn() -> bool) -> io::Result<bool> {
    let mut unpacker = zstd::bulk::Decompressor::new()?;
    let (mut whole, mut all) = (Sha256::new(), Sha256::new());
    let mut at = 0;
    for length in &packed.frames {
        if stop() {
            return Ok(false);
        }
        let mut frame = vec![0; *length as usize];
        if kept.read_at(&mut frame, at)? < frame.len() {
            return Ok(false);
        }
        at += frame.len() as u64;
        all.update(&frame);
        match unpacker.decompress(&frame, CHUNK) {
            Ok(bytes) => whole.update(&bytes),
            Err(_) => return Ok(false),
        }
    }
    let (whole, all): ([u8; 32], [u8; 32]) = (whole.finalize().into(), all.finalize().into());
    Ok(whole == packed.sha256 && all == packed.packed_sha256)
}

#[derive(Default)]
struct Content {
    records: u64,
    missing: u64,
    kinds: BTreeMap<u8, u64>,
    head: Option<String>,
}

/// The records of the segment.
fn content(disk: &Arc<dyn Disk>, dir: &Path, (first, next): (Offset, Offset), past: bool) -> io::Result<Content> {
    let mut content = Content::default();
    let mut reader = Reader::open(Arc::clone(disk), dir, first).map_err(|error| error.source)?;
    if past {
        reader.pass_unreadable();
    }
    while reader.position() < next {
        match reader.next().map_err(|error| error.source)? {
            Some(ReadItem::Record(record)) if record.offset < next => {
                content.records += 1;
                *content.kinds.entry(record.kind).or_default() += 1;
                content.head = Some(hex(&record.hash));
            }
            Some(ReadItem::Gap { first, last, .. }) => {
                content.missing += last.0.min(next.0 - 1).saturating_sub(first.0) + 1;
            }
            Some(ReadItem::Record(_)) | None => break,
        }
    }
    Ok(content)
}
