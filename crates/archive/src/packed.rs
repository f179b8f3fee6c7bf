//! A copy, read as if it were the segment.
//!
//! What must stay true: a frame that cannot be read or unpacked is zeros, as a place that the disk lost: the reader of the journal finds the
//! records in it missing and goes on. It is said once a frame.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::manifest::Manifest;
use hj212_journal::DiskFile;

/// A copy that is open.
pub(crate) struct PackedFile {
    manifest: Manifest,
    header: Vec<u8>,
    file: Box<dyn DiskFile>,
    /// Where each frame begins.
    starts: Vec<u64>,
    /// The frame that was unpacked last, and its number.
    held: Mutex<Option<(usize, Vec<u8>)>>,
}

impl std::fmt::Debug for PackedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackedFile").field("first", &self.manifest.first).finish_non_exhaustive()
    }
}

impl PackedFile {
    pub(crate) fn new(manifest: Manifest, file: Box<dyn DiskFile>) -> PackedFile {
        let mut at = 0;
        let starts = manifest.frames.iter().map(|length| {
            let start = at;
            at += u64::from(*length);
            start
        });
        let starts = starts.collect();
        let header = data_encoding::HEXLOWER.decode(manifest.header.as_bytes()).unwrap_or_default();
        PackedFile { header, file, starts, held: Mutex::new(None), manifest }
    }

    /// The unpacked frame `number`, `length` bytes.
    fn frame(&self, number: usize, length: usize) -> Vec<u8> {
        let unpacked = || -> io::Result<Vec<u8>> {
            let (Some(start), Some(size)) = (self.starts.get(number), self.manifest.frames.get(number)) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            // A damaged manifest does not make anybody take memory: no frame is much longer than what is in it.
            let mut packed = vec![0; (*size as usize).min(2 * super::CHUNK)];
            let count = self.file.read_at(&mut packed, *start)?;
            packed.truncate(count);
            let bytes = zstd::bulk::decompress(&packed, super::CHUNK)?;
            if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::InvalidData.into()) }
        };
        unpacked().unwrap_or_else(|error| {
            let first = self.manifest.first;
            tracing::error!(%error, first, frame = number, "a part of an archived segment is damaged: the records in it are missing");
            vec![0; length]
        })
    }
}

impl DiskFile for PackedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.manifest.bytes)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let (bytes, chunk) = (self.manifest.bytes, self.manifest.chunk.max(1));
        let end = position.saturating_add(buffer.len() as u64);
        if end <= self.header.len() as u64
            && let Some(known) = usize::try_from(position).ok().and_then(|at| self.header.get(at..at + buffer.len()))
        {
            buffer.copy_from_slice(known);
            return Ok(buffer.len());
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < buffer.len() {
            let at = position + done as u64;
            if at >= bytes {
                break;
            }
            let number = usize::try_from(at / chunk).map_err(io::Error::other)?;
            if held.as_ref().is_none_or(|(known, _)| *known != number) {
                let length = usize::try_from((bytes - number as u64 * chunk).min(chunk)).map_err(io::Error::other)?;
                *held = Some((number, self.frame(number, length)));
            }
            let within = usize::try_from(at % chunk).map_err(io::Error::other)?;
            let Some(rest) = held.as_ref().and_then(|(_, bytes)| bytes.get(within..)).filter(|rest| !rest.is_empty())
            else {
                break;
            };
            let Some(room) = buffer.get_mut(done..) else { break };
            let count = rest.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..count), rest.get(..count)) {
                to.copy_from_slice(from);
            }
            done += count;
        }
        Ok(done)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn preallocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
