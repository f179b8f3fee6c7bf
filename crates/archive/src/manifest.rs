//! What is in one copy.
//!
//! What must stay true: a manifest is written after the bytes that it speaks of; without it a copy does not count.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use hj212_journal::{Disk, load_file};
use hj212_model::message::Timestamp;

/// The longest manifest that is read, bytes: that of a segment of 1 GiB has 20 KiB.
pub const MANIFEST_MAX: u64 = 1 << 20;
/// The schema that is written.
pub(crate) const SCHEMA: &str = "hj212.archive/1";

/// What is in one copy, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `hj212.archive/1`.
    pub schema: String,
    /// The journal's id, hexadecimal.
    pub journal: String,
    /// The first record's offset: the segment's name.
    pub first: u64,
    /// The first offset of the segment after it.
    pub next: u64,
    /// When the segment was begun, microseconds since 1970; nothing if its header is damaged.
    pub created: Option<i64>,
    /// When the next one was begun.
    pub sealed: Option<i64>,
    /// Good records.
    pub records: u64,
    /// Records missing because of damage, when it was copied.
    pub missing: u64,
    /// Bytes that the disk could not read, when it was copied: zeros stand for them.
    #[serde(default)]
    pub unreadable: u64,
    /// How many good records of each kind.
    pub kinds: BTreeMap<u8, u64>,
    /// The hash of the last good record, hexadecimal.
    pub head: Option<String>,
    /// Length of the segment's file.
    pub bytes: u64,
    /// SHA-256 of the segment's file, hexadecimal.
    pub sha256: String,
    /// Bytes of the segment in one frame of the copy; the last may have fewer.
    pub chunk: u64,
    /// Length of each frame.
    pub frames: Vec<u32>,
    /// SHA-256 of the copy, hexadecimal.
    pub packed_sha256: String,
    /// The segment's first 128 bytes, hexadecimal: its dates are read without unpacking.
    pub header: String,
}

impl Manifest {
    /// Length of the copy.
    #[must_use]
    pub fn packed(&self) -> u64 {
        self.frames.iter().map(|frame| u64::from(*frame)).sum()
    }

    /// When the segment's time began to count.
    #[must_use]
    pub fn age_from(&self) -> Option<Timestamp> {
        self.sealed.max(self.created).map(Timestamp)
    }

    pub(crate) fn name(first: u64) -> String {
        format!("{first:020}.manifest")
    }

    pub(crate) fn copy_name(first: u64) -> String {
        format!("{}.zst", hj212_journal::segment_name(first))
    }

    /// Reads the manifest of the copy whose first offset is `first`; nothing if there is none, or a damaged one.
    pub(crate) fn load(disk: &dyn Disk, folder: &Path, first: u64) -> io::Result<Option<Manifest>> {
        let bytes = load_file(disk, &folder.join(Self::name(first)), MANIFEST_MAX)?;
        let manifest: Option<Manifest> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(manifest.filter(|manifest| {
            let chunk = manifest.chunk.max(1);
            manifest.schema == SCHEMA
                && manifest.first == first
                && manifest.next > first
                && manifest.chunk <= super::CHUNK as u64
                && manifest.frames.len() as u64 == manifest.bytes.div_ceil(chunk)
        }))
    }

    fn first_of(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(".manifest")?;
        (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    }
}

/// The first offsets of all copies in `folder`, oldest first; of a folder that is not there, none.
pub(crate) fn firsts(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let names = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names?,
    };
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| Manifest::first_of(name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// The manifests of all copies in `folder`, oldest first, without those that are damaged.
///
/// # Errors
/// Those of the disk.
pub fn manifests(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<Manifest>> {
    let mut found = Vec::new();
    for first in firsts(disk, folder)? {
        found.extend(Manifest::load(disk, folder, first)?);
    }
    Ok(found)
}
