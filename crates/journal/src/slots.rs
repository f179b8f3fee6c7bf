//! A number that is written often, beside the journal: two slots in one small file, written in turn and in place.
//!
//! What must stay true: once the file is there, storing the number needs no space on the disk; after a crash at any point the file holds
//! the old number or the new one; a number of another journal is never taken for one of this.
//!
//! # The file
//!
//! Two slots, at positions 0 and 4096, so that no write of the disk touches both; the file is preallocated. Little-endian:
//!
//! ```text
//!   0   8  magic "HJGWSLOT"
//!   8  16  journal id
//!  24   8  count of stores u64: the higher one holds, and tells which slot is written next
//!  32   8  the number u64
//!  40   4  CRC-32C of bytes 0..40
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Access, Disk, DiskFile};
use super::format::{JournalId, crc32c, u32_at, u64_at};

const MAGIC: [u8; 8] = *b"HJGWSLOT";
const SLOT: usize = 44;
const POSITIONS: [u64; 2] = [0, 4096];
const LENGTH: u64 = 8192;
// Two slots in sectors of their own: a torn write of one leaves the other.
const _: () = assert!(
    POSITIONS[0] + SLOT as u64 <= POSITIONS[1]
        && POSITIONS[1] + SLOT as u64 <= LENGTH
        && POSITIONS[1].is_multiple_of(4096)
);

/// A number in a file of its own; see the head of the file.
#[derive(Debug)]
pub struct Slots {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    id: JournalId,
    file: Option<Box<dyn DiskFile>>,
    stores: u64,
}

impl Slots {
    /// The number in `path`, kept for the journal `id`. Nothing is written yet.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf, id: [u8; 16]) -> Slots {
        Slots { disk, path, id, file: None, stores: 0 }
    }

    /// The number in the file at `path`, if it is one of the journal `id`.
    ///
    /// # Errors
    /// Those of the disk, but for a file that is not there.
    pub fn load(disk: &dyn Disk, path: &Path, id: &[u8; 16]) -> io::Result<Option<u64>> {
        match disk.open(path, Access::Read) {
            Ok(file) => Ok(newest(file.as_ref(), id)?.map(|(_, number)| number)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The journal that the file at `path` belongs to, if it is whole.
    pub(super) fn owner(disk: &dyn Disk, path: &Path) -> Option<JournalId> {
        let file = disk.open(path, Access::Read).ok()?;
        POSITIONS.iter().find_map(|position| {
            let mut bytes = [0; SLOT];
            (file.read_at(&mut bytes, *position).ok()? == SLOT).then_some(())?;
            let id: JournalId = bytes.get(8..24)?.try_into().ok()?;
            newest(file.as_ref(), &id).ok()?.map(|_| id)
        })
    }

    /// Takes the space that the file needs, if it is not there yet; `first` is in it then.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn prepare(&mut self, first: u64) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        match self.disk.open(&self.path, Access::Write) {
            Ok(file) => {
                if let Some((stores, _)) = newest(file.as_ref(), &self.id)? {
                    self.stores = stores;
                    self.file = Some(file);
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Not ours, of an older version, or damaged: made anew beside it, and put in its place when it is whole.
        let temporary = self.path.with_added_extension("new");
        match self.disk.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = self.disk.create(&temporary)?;
        let made = file
            .preallocate(LENGTH)
            .and_then(|()| file.write_at(&slot(&self.id, 1, first), POSITIONS[1]))
            .and_then(|()| file.sync_all())
            .and_then(|()| self.disk.rename(&temporary, &self.path));
        if let Err(error) = made {
            // Whatever stays is removed by the next call.
            let _ = self.disk.remove(&temporary);
            return Err(error);
        }
        self.disk.sync_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        self.stores = 1;
        self.file = Some(file);
        Ok(())
    }

    /// Writes the number; `durable`: and waits until it is on disk.
    ///
    /// # Errors
    /// Those of the disk; the number of before holds then, or already this one.
    pub fn store(&mut self, number: u64, durable: bool) -> io::Result<()> {
        self.prepare(number)?;
        let Some(file) = &self.file else { return Ok(()) };
        let stores = self.stores.saturating_add(1);
        let position = if stores.is_multiple_of(2) { POSITIONS[0] } else { POSITIONS[1] };
        file.write_at(&slot(&self.id, stores, number), position)?;
        if durable {
            file.sync_data()?;
        }
        // Not before: after an error the same slot is written again, and the other one stays what it is.
        self.stores = stores;
        Ok(())
    }
}

fn slot(id: &JournalId, stores: u64, number: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(id);
    bytes.extend_from_slice(&stores.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&crc32c(&[&bytes]).to_le_bytes());
    bytes
}

/// How often the newest good slot of this journal was stored, and its number.
fn newest(file: &dyn DiskFile, id: &JournalId) -> io::Result<Option<(u64, u64)>> {
    let mut found = None;
    for position in POSITIONS {
        let mut bytes = [0; SLOT];
        if file.read_at(&mut bytes, position)? < SLOT {
            continue;
        }
        let (covered, crc) = bytes.split_at(SLOT - 4);
        let good =
            covered.starts_with(&MAGIC) && covered.get(8..24) == Some(id) && u32_at(crc, 0) == Some(crc32c(&[covered]));
        if let (true, Some(stores), Some(number)) = (good, u64_at(covered, 24), u64_at(covered, 32)) {
            found = found.max(Some((stores, number)));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_disk::{Fault, SimDisk};

    const PATH: &str = "/j/cursor";

    #[test]
    fn after_a_crash_at_any_point_the_number_is_the_old_or_the_new_one() {
        for seed in 0..400 {
            let disk = SimDisk::new(seed, 1 << 20);
            let mut slots = Slots::new(Arc::new(disk.clone()), PATH.into(), [7; 16]);
            slots.store(10, true).unwrap();
            slots.store(20, true).unwrap();
            disk.set_fault(Some(Fault::PowerOff(1 + seed % 4)));
            let stored = slots.store(30, true).is_ok();
            let after = disk.after_power_cut(seed);
            let found = Slots::load(&after, Path::new(PATH), &[7; 16]).unwrap();
            assert!(found == Some(30) || (found == Some(20) && !stored), "seed {seed}: {found:?}");
            assert_eq!(Slots::load(&after, Path::new(PATH), &[8; 16]).unwrap(), None, "of another journal");
        }
    }

    #[test]
    fn storing_needs_no_space_and_a_failed_store_costs_nothing() {
        let disk = SimDisk::new(1, 1 << 20);
        let mut slots = Slots::new(Arc::new(disk.clone()), PATH.into(), [7; 16]);
        slots.prepare(0).unwrap();
        disk.set_capacity(0);
        for number in 1..20 {
            disk.set_fault((number % 3 == 0).then_some(Fault::Syncs));
            let stored = slots.store(number, true);
            assert_eq!(stored.is_ok(), number % 3 != 0);
            disk.set_fault(None);
            let kept = Slots::load(&disk.after_power_cut(number), Path::new(PATH), &[7; 16]).unwrap().unwrap();
            assert!(kept == number || (kept == number - 1 && stored.is_err()), "{kept} for {number}");
        }
    }

    #[test]
    fn a_damaged_or_foreign_file_is_made_anew() {
        let disk = SimDisk::new(1, 1 << 20);
        Slots::new(Arc::new(disk.clone()), PATH.into(), [1; 16]).store(99, true).unwrap();
        Slots::new(Arc::new(disk.clone()), PATH.into(), [2; 16]).store(5, true).unwrap();
        assert_eq!(Slots::load(&disk, Path::new(PATH), &[2; 16]).unwrap(), Some(5));
        disk.change(Path::new(PATH), |bytes| bytes.fill(0));
        assert_eq!(Slots::load(&disk, Path::new(PATH), &[2; 16]).unwrap(), None);
    }
}
