//! Which copies may go.
//!
//! What must stay true: the oldest goes first; a copy whose age is not known stays; a clock that jumps ahead by years lets nothing go: besides
//! the date, half as many days as the copy must be kept must have been anchored one by one since.

use std::io;
use std::path::Path;

use super::Settings;
use super::manifest::{Manifest, firsts};
use hj212_journal::Disk;
use hj212_model::message::Timestamp;

const DAY: i64 = 86_400_000_000;

/// What has gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Copies.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Removes copies from `folder` that are older than `settings.keep` at `now`. `anchored`: when each anchored day ended, any order.
///
/// # Errors
/// Those of the disk; what went before has gone.
pub fn expire(
    disk: &dyn Disk,
    folder: &Path,
    settings: &Settings,
    now: Timestamp,
    anchored: &[Timestamp],
) -> io::Result<Gone> {
    let keep = i64::try_from(settings.keep.as_micros()).unwrap_or(i64::MAX);
    let days = usize::try_from(keep / DAY / 2).unwrap_or(usize::MAX);
    let mut gone = Gone::default();
    for first in firsts(disk, folder)? {
        let Some(manifest) = Manifest::load(disk, folder, first)? else { continue };
        let Some(sealed) = manifest.age_from().filter(|sealed| now.0.saturating_sub(sealed.0) > keep) else { break };
        if anchored.iter().filter(|end| **end > sealed).count() < days {
            break;
        }
        // The manifest first: without it the copy does not count.
        disk.remove(&folder.join(Manifest::name(first)))?;
        match disk.remove(&folder.join(Manifest::copy_name(first))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        gone.segments += 1;
        gone.bytes += manifest.packed();
    }
    if gone.segments > 0 {
        disk.sync_dir(folder)?;
    }
    Ok(gone)
}
