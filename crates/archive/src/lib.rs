//! The archive: sealed segments of the journal, packed and kept for years (《排污许可管理条例》第二十一条: original records at least five years).
//!
//! # What must stay true
//!
//! 1. A segment may leave the journal only when its copy and the copy's manifest are durable, were read back and gave the same bytes.
//! 2. A copy is the segment's file, byte for byte: what was damaged is archived as it was, what could not be read any more as zeros, and told.
//! 3. What reads a journal reads the archive behind it as if nothing had ever left ([`ArchivedDisk`]); a damaged part of a copy costs the records
//!    in it and no others.
//! 4. A kill or a full disk at any moment leaves the old copy, the new one, or leftovers that the next round removes; never half a copy that
//!    counts.
//! 5. No copy goes for its age by one wrong clock alone ([`expire`]).
//!
//! # The folder
//!
//! ```text
//! DIR/JOURNAL-ID/                       one folder a journal, 32 hexadecimal digits: gateways may share DIR
//!   journal.id                          as in the journal's folder
//!   00000000000000000001.seg.zst        a segment: frames of zstd, one for each [`CHUNK`] bytes; `zstd -d` gives the segment
//!   00000000000000000001.manifest       what is in it ([`Manifest`], JSON behind the 16 bytes of a small file of the journal)
//!   anchor-20260601-000000000000086400  what was published of each day (see the gateway's anchors)
//! ```
//!
//! The journal's folder gets a small file `archive` with the path of the first, so that whoever is given the journal's folder finds the archive.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly")
)]

mod copy;
mod disk;
mod manifest;
mod packed;
mod retention;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use hj212_journal::{Disk, load_file, store_file};

pub use copy::{Copied, Outcome, Terms, copy};
pub use disk::{ArchivedDisk, reading};
pub use manifest::{MANIFEST_MAX, Manifest, manifests};
pub use retention::{Gone, expire};

/// So many bytes of a segment are one frame of its copy: the most that is unpacked to read one record.
pub const CHUNK: usize = 1 << 20;
/// The name of the file in the journal's folder that tells where its archive is.
pub const POINTER: &str = "archive";
/// The longest path that the pointer may hold, bytes.
const PATH_MAX: u64 = 4096;

/// Settings of the archive, `[archive]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder, made if missing; empty: nothing is archived, and what has left the journal is gone.
    pub dir: PathBuf,
    /// How long copies are kept, counted from when the next segment was begun. A year has 366 days here.
    #[serde(with = "hj212_model::settings::duration")]
    pub keep: Duration,
    /// How hard zstd tries, 1 to 19: 3 packs about 200 MB a second on one core.
    pub level: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { dir: PathBuf::new(), keep: Duration::from_secs(5 * 366 * 86_400), level: 3 }
    }
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The folder of one journal's copies within `dir`.
#[must_use]
pub fn folder(dir: &Path, journal: &[u8; 16]) -> PathBuf {
    dir.join(hex(journal))
}

/// Makes the folder of the journal `id`, removes what a kill left there, and tells the journal's folder of it; gives the folder.
///
/// # Errors
/// Those of the disk.
pub fn prepare(disk: &dyn Disk, dir: &Path, journal_dir: &Path, id: &[u8; 16]) -> io::Result<PathBuf> {
    let folder = folder(dir, id);
    disk.create_dir(&folder)?;
    disk.sync_dir(dir)?;
    for name in disk.list(&folder)? {
        if name.ends_with(".new") {
            disk.remove(&folder.join(name))?;
        }
    }
    if load_file(disk, &folder.join("journal.id"), 16)?.as_deref() != Some(id) {
        store_file(disk, &folder.join("journal.id"), id)?;
    }
    let pointer = journal_dir.join(POINTER);
    let path = folder.to_string_lossy().into_owned().into_bytes();
    if load_file(disk, &pointer, PATH_MAX)?.as_ref() != Some(&path) {
        store_file(disk, &pointer, &path)?;
    }
    Ok(folder)
}

/// Where the archive of the journal in `journal_dir` is, if it was ever archived.
///
/// # Errors
/// Those of the disk.
pub fn of_journal(disk: &Arc<dyn Disk>, journal_dir: &Path) -> io::Result<Option<PathBuf>> {
    let path = load_file(disk.as_ref(), &journal_dir.join(POINTER), PATH_MAX)?;
    Ok(path.and_then(|path| String::from_utf8(path).ok()).map(PathBuf::from))
}
