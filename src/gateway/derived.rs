//! The files beside the journal that could be rebuilt from it: the cursor, the checkpoints, what was last journalled of the configuration,
//! the command desk's steps, the learned CRC variants.
//!
//! What must stay true:
//! * a file says which journal it belongs to and what it is, and is believed only if both are so: copied from another gateway, renamed, cut,
//!   zeroed, it is as if it were not there, and a line of the log names it;
//! * the cursor is stored without new space (see [`journal::Slots`]), a checkpoint with the space of `state.spare`, taken before: a full
//!   disk never keeps delivered segments from being let go;
//! * the checkpoints are bounded in number ([`CHECKPOINTS_MAX`]) and bytes, count in `keep_size`, and all but the newest go when the disk is
//!   full.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hj212_journal::{self as journal, Disk, Offset, Slots};

/// Checkpoints kept at most; the older ones serve replays of long ago.
pub const CHECKPOINTS_MAX: usize = 16;
/// The longest checkpoint that is read, bytes.
const CHECKPOINT_BYTES_MAX: u64 = 2 << 30;
/// The longest other file that is read, bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// The space taken for the next checkpoint, at least.
const SPARE_MIN: u64 = 1 << 20;

const CURSOR: &str = "cursor";
const SPARE: &str = "state.spare";
/// The first bytes of a file that names its journal and itself.
const OWNED: &[u8; 8] = b"HJGWOWN1";
/// The first bytes of a checkpoint that names its journal and its record.
const CHECKPOINT: &[u8; 8] = b"HJGWSTA2";

/// The derived files of one journal.
#[derive(Clone)]
pub struct Derived {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    journal_id: [u8; 16],
    cursor: Arc<Mutex<Slots>>,
    /// [`SPARE_MIN`], but for simulated disks.
    spare_min: u64,
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derived").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Derived {
    /// The derived files in the journal's folder `dir`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, journal_id: [u8; 16]) -> Self {
        let cursor = Slots::new(Arc::clone(&disk), dir.join(CURSOR), journal_id);
        Derived { disk, dir, journal_id, cursor: Arc::new(Mutex::new(cursor)), spare_min: SPARE_MIN }
    }

    /// The same for a small disk.
    #[cfg(test)]
    pub(super) fn with_spare_of(self, spare_min: u64) -> Self {
        Derived { spare_min, ..self }
    }

    /// The journal that the files belong to.
    #[must_use]
    pub fn journal_id(&self) -> [u8; 16] {
        self.journal_id
    }

    /// The journal's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes the space that storing needs later, on a full disk too. What cannot be taken now is tried again with each store.
    pub fn prepare(&self) {
        let cursor = self.cursor();
        let mut slots = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = slots.prepare(cursor.0) {
            let path = self.dir.join(CURSOR);
            tracing::warn!(%error, path = %path.display(), "no space is set aside for the cursor; on a full disk it cannot move");
        }
        let newest = self.checkpoints().last().map_or(0, |offset| self.length(&self.path(*offset)));
        self.prepare_spare(newest);
    }

    fn prepare_spare(&self, newest: u64) {
        let path = self.dir.join(SPARE);
        let length = (newest.saturating_add(newest / 4)).max(self.spare_min);
        if let Err(error) = journal::prepare_spare(&*self.disk, &path, length) {
            tracing::warn!(%error, path = %path.display(), "no space is set aside for the next checkpoint");
        }
    }

    /// The record up to which everything is delivered; `Offset(0)` if nothing is known. Without a cursor of this journal, the newest
    /// checkpoint of this journal stands for it: a checkpoint is never written before the cursor has passed it.
    #[must_use]
    pub fn cursor(&self) -> Offset {
        let path = self.dir.join(CURSOR);
        let stored = match Slots::load(&*self.disk, &path, &self.journal_id) {
            Ok(stored) => stored.map(Offset),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the cursor cannot be read");
                None
            }
        };
        let stored = stored.or_else(|| self.cursor_of_before(&path));
        stored
            .or_else(|| self.load_checkpoints(self.checkpoints().into_iter().rev().collect()).next().map(|(o, _)| o))
            .unwrap_or(Offset(0))
    }

    /// What earlier versions wrote: offset, then the journal's id, in a small file.
    fn cursor_of_before(&self, path: &Path) -> Option<Offset> {
        let bytes = journal::load_file(&*self.disk, path, FILE_BYTES_MAX).ok().flatten()?;
        let (offset, id) = bytes.split_first_chunk::<8>()?;
        (id == self.journal_id).then(|| Offset(u64::from_le_bytes(*offset)))
    }

    /// Writes the cursor durably.
    ///
    /// # Errors
    /// Those of the disk, with the file's name.
    pub fn store_cursor(&self, cursor: Offset) -> io::Result<()> {
        let mut slots = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        slots.store(cursor.0, true).map_err(|error| named("write", &self.dir.join(CURSOR), &error))
    }

    /// The readable checkpoints not beyond `offset`, newest first.
    pub fn checkpoints_up_to(&self, offset: Offset) -> impl Iterator<Item = (Offset, Vec<u8>)> + use<> {
        self.load_checkpoints(self.checkpoints().into_iter().rev().filter(|o| *o <= offset).collect())
    }

    /// The readable checkpoints, oldest first.
    pub fn checkpoints_from_oldest(&self) -> impl Iterator<Item = (Offset, Vec<u8>)> + use<> {
        self.load_checkpoints(self.checkpoints())
    }

    fn load_checkpoints(&self, offsets: Vec<Offset>) -> impl Iterator<Item = (Offset, Vec<u8>)> + use<> {
        let this = self.clone();
        offsets.into_iter().filter_map(move |offset| {
            let path = this.path(offset);
            let passed = |why: &dyn std::fmt::Display| {
                tracing::warn!(path = %path.display(), "a checkpoint is passed over: {why}");
            };
            let bytes = match journal::load_file(&*this.disk, &path, CHECKPOINT_BYTES_MAX) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => {
                    passed(&"it is damaged");
                    return None;
                }
                Err(error) => {
                    passed(&error);
                    return None;
                }
            };
            let state = match bytes.strip_prefix(CHECKPOINT) {
                Some(rest) => {
                    let (own, state) = rest.split_at_checked(24)?;
                    (own == this.owner(offset)).then_some(state)
                }
                // Of an earlier version, which wrote the journal's id alone.
                None => bytes.strip_prefix(&this.journal_id),
            };
            if state.is_none() {
                passed(&"it is of another journal, or its name was changed");
            }
            state.map(|state| (offset, state.to_vec()))
        })
    }

    /// The journal's id and a checkpoint's record.
    fn owner(&self, offset: Offset) -> [u8; 24] {
        let mut owner = [0; 24];
        let (id, record) = owner.split_at_mut(16);
        id.copy_from_slice(&self.journal_id);
        record.copy_from_slice(&offset.0.to_le_bytes());
        owner
    }

    /// Writes a checkpoint durably.
    ///
    /// # Errors
    /// Those of the disk, with the file's name.
    pub fn store_checkpoint(&self, offset: Offset, state: &[u8]) -> io::Result<()> {
        let mut bytes = CHECKPOINT.to_vec();
        bytes.reserve(24 + state.len());
        bytes.extend_from_slice(&self.owner(offset));
        bytes.extend_from_slice(state);
        let (path, spare) = (self.path(offset), self.dir.join(SPARE));
        let stored = journal::store_file_in(&*self.disk, &spare, &path, &bytes)
            .or_else(|_| journal::store_file(&*self.disk, &path, &bytes));
        stored.map_err(|error| named("write", &path, &error))?;
        self.prepare_spare(bytes.len() as u64);
        Ok(())
    }

    /// Removes checkpoints beyond `number` or `bytes`, oldest first, and those that no record from `first_retained` on needs; the two newest
    /// stay, or with a `number` of 1 the newest alone. Gives the bytes of those that stay, the spare included.
    ///
    /// # Errors
    /// Those of the disk, with the file's name.
    pub fn thin(&self, number: usize, bytes: u64, first_retained: Offset) -> io::Result<u64> {
        let all = self.checkpoints();
        // The newest of those before the oldest record says what held when that record came.
        let needed_from = all.partition_point(|offset| offset.0 < first_retained.0).saturating_sub(1);
        let (mut total, mut kept) = (self.length(&self.dir.join(SPARE)), 0);
        for (place, offset) in all.iter().enumerate().rev() {
            let path = self.path(*offset);
            let length = self.length(&path);
            let fits = place >= needed_from && kept < number && total.saturating_add(length) <= bytes;
            if kept < number.min(2) || fits {
                kept += 1;
                total = total.saturating_add(length);
            } else {
                self.disk.remove(&path).map_err(|error| named("remove", &path, &error))?;
            }
        }
        Ok(total)
    }

    /// The newest checkpoint and the one before it, by their names.
    #[must_use]
    pub fn newest(&self) -> (Option<Offset>, Option<Offset>) {
        let mut all = self.checkpoints();
        (all.pop(), all.pop())
    }

    /// Removes what is derived from records beyond `last`, the end of the journal: new records will get their offsets.
    ///
    /// # Errors
    /// Those of the disk, with the file's name.
    pub fn forget_beyond(&self, last: Offset) -> io::Result<()> {
        for offset in self.checkpoints().into_iter().filter(|offset| *offset > last) {
            let path = self.path(offset);
            tracing::error!(path = %path.display(), last = last.0, "a checkpoint is beyond the journal's end: it is removed");
            self.disk.remove(&path).map_err(|error| named("remove", &path, &error))?;
        }
        let cursor = self.cursor();
        if cursor > last {
            tracing::error!(
                cursor = cursor.0,
                last = last.0,
                "the cursor is beyond the journal's end: records that were delivered are no longer in the journal"
            );
            self.store_cursor(last)?;
        }
        Ok(())
    }

    /// A small file of derived state, or `None` if it is missing, damaged, of another journal, or another file under this name.
    #[must_use]
    pub fn load(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.dir.join(name);
        let passed = |why: &dyn std::fmt::Display| {
            tracing::warn!(path = %path.display(), "a file beside the journal is passed over: {why}");
        };
        let bytes = match journal::load_file(&*self.disk, &path, FILE_BYTES_MAX) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                if self.disk.list(&self.dir).is_ok_and(|names| names.iter().any(|there| there == name)) {
                    passed(&"it is damaged");
                }
                return None;
            }
            Err(error) => {
                passed(&error);
                return None;
            }
        };
        let Some(rest) = bytes.strip_prefix(OWNED) else {
            // Of an earlier version, which named neither the journal nor itself.
            return Some(bytes);
        };
        let own = self.heading(name);
        let content = rest.strip_prefix(&own[..]);
        if content.is_none() {
            passed(&"it is of another journal, or its name was changed");
        }
        content.map(<[u8]>::to_vec)
    }

    /// Writes a small file of derived state durably.
    ///
    /// # Errors
    /// Those of the disk, with the file's name.
    pub fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.dir.join(name);
        let content = [&OWNED[..], &self.heading(name), bytes].concat();
        journal::store_file(&*self.disk, &path, &content).map_err(|error| named("write", &path, &error))
    }

    /// Removes a small file of derived state durably.
    ///
    /// # Errors
    /// Those of the disk, with the file's name.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        let removed = match self.disk.remove(&path) {
            // Perhaps removed before, and the folder not synced then.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        removed.and_then(|()| self.disk.sync_dir(&self.dir)).map_err(|error| named("remove", &path, &error))
    }

    /// What stands behind [`OWNED`]: the journal's id, and the file's name, its length before it.
    fn heading(&self, name: &str) -> Vec<u8> {
        let mut heading = self.journal_id.to_vec();
        heading.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        heading.extend_from_slice(name.as_bytes());
        heading
    }

    fn length(&self, path: &Path) -> u64 {
        self.disk.open(path, journal::Access::Read).and_then(|file| file.len()).unwrap_or(0)
    }

    fn path(&self, offset: Offset) -> PathBuf {
        self.dir.join(format!("state-{:020}", offset.0))
    }

    /// The offsets of the checkpoints there are, ascending.
    fn checkpoints(&self) -> Vec<Offset> {
        let names = match self.disk.list(&self.dir) {
            Ok(names) => names,
            Err(error) => {
                tracing::error!(%error, path = %self.dir.display(), "the journal's folder cannot be listed for checkpoints");
                Vec::new()
            }
        };
        let digits = |name: &str| name.strip_prefix("state-").filter(|digits| digits.len() == 20)?.parse().ok();
        let mut offsets: Vec<Offset> = names.iter().filter_map(|name| digits(name).map(Offset)).collect();
        offsets.sort_unstable();
        offsets
    }
}

/// An error with the file it is about, and what helps.
#[allow(clippy::wildcard_enum_match_arm, reason = "std adds kinds; of most of them there is nothing more to say")]
fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::DirectoryNotEmpty => {
            "a folder stands where this file must be: move it away"
        }
        io::ErrorKind::PermissionDenied => "it must belong to the gateway's user",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full: make room",
        _ => "look at the disk; the file can be moved away, it is made anew",
    };
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}; {remedy}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212_journal::sim_disk::SimDisk;

    fn derived(disk: &SimDisk, id: u8) -> Derived {
        Derived::new(Arc::new(disk.clone()), "/j".into(), [id; 16])
    }

    fn copy(disk: &SimDisk, from: &str, to: &str) {
        let mut bytes = Vec::new();
        disk.change(Path::new(from), |content| bytes.clone_from(content));
        let _ = disk.remove(Path::new(to));
        disk.create(Path::new(to)).unwrap().write_at(&bytes, 0).unwrap();
    }

    #[test]
    fn files_of_another_journal_or_under_another_name_are_as_if_not_there() {
        let disk = SimDisk::new(1, 1 << 24);
        let (own, other) = (derived(&disk, 1), derived(&disk, 2));
        own.store_checkpoint(Offset(5), b"own").unwrap();
        other.store_checkpoint(Offset(34), b"other").unwrap();
        assert_eq!(own.cursor(), Offset(5), "another gateway's checkpoint is no cursor");
        copy(&disk, "/j/state-00000000000000000005", "/j/state-00000000000000000077");
        assert_eq!(own.cursor(), Offset(5), "nor is one whose name was changed");
        let read: Vec<_> = own.checkpoints_up_to(Offset(100)).collect();
        assert_eq!(read, [(Offset(5), b"own".to_vec())]);
        other.store("desk", b"other").unwrap();
        assert_eq!(own.load("desk"), None);
        own.store("desk", b"own").unwrap();
        assert_eq!(own.load("desk"), Some(b"own".to_vec()));
        copy(&disk, "/j/desk", "/j/learned");
        assert_eq!(own.load("learned"), None);
        other.store_cursor(Offset(9)).unwrap();
        assert_eq!(own.cursor(), Offset(5));
    }

    #[test]
    fn files_of_earlier_versions_are_read() {
        let disk = SimDisk::new(1, 1 << 24);
        let own = derived(&disk, 1);
        let mut bytes = 7_u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[1; 16]);
        journal::store_file(&disk, Path::new("/j/cursor"), &bytes).unwrap();
        let state = [&[1; 16][..], b"state"].concat();
        journal::store_file(&disk, Path::new("/j/state-00000000000000000006"), &state).unwrap();
        journal::store_file(&disk, Path::new("/j/desk"), b"steps").unwrap();
        assert_eq!(own.cursor(), Offset(7));
        assert_eq!(own.checkpoints_up_to(Offset(9)).collect::<Vec<_>>(), [(Offset(6), b"state".to_vec())]);
        assert_eq!(own.load("desk"), Some(b"steps".to_vec()));
        own.prepare();
        assert_eq!(derived(&disk, 1).cursor(), Offset(7), "converted");
    }

    #[test]
    fn what_claims_to_know_records_beyond_the_end_is_taken_back() {
        let disk = SimDisk::new(1, 1 << 24);
        let own = derived(&disk, 1);
        own.prepare();
        own.store_cursor(Offset(20)).unwrap();
        [10, 15, 20].iter().for_each(|offset| own.store_checkpoint(Offset(*offset), b"state").unwrap());
        own.forget_beyond(Offset(20)).unwrap();
        assert_eq!((own.cursor(), own.checkpoints().len()), (Offset(20), 3), "the end itself is known");
        own.forget_beyond(Offset(15)).unwrap();
        assert_eq!(own.cursor(), Offset(15));
        assert_eq!(derived(&disk, 1).cursor(), Offset(15), "on disk too");
        assert_eq!(own.checkpoints(), [Offset(10), Offset(15)]);
    }

    #[test]
    fn checkpoints_are_bounded_in_number_and_bytes_and_the_newest_stay() {
        let disk = SimDisk::new(1, 1 << 26);
        let own = derived(&disk, 1);
        for offset in 1..=30 {
            own.store_checkpoint(Offset(offset * 10), &[0; 100_000]).unwrap();
        }
        let offsets = || own.checkpoints().iter().map(|offset| offset.0).collect::<Vec<_>>();
        own.thin(CHECKPOINTS_MAX, u64::MAX, Offset(0)).unwrap();
        assert_eq!(offsets(), (15..=30).map(|n| n * 10).collect::<Vec<_>>());
        own.thin(CHECKPOINTS_MAX, u64::MAX, Offset(255)).unwrap();
        assert_eq!(offsets(), [250, 260, 270, 280, 290, 300], "the newest before the oldest record stays");
        own.thin(CHECKPOINTS_MAX, 0, Offset(255)).unwrap();
        assert_eq!(offsets(), [290, 300]);
        disk.set_capacity(0);
        own.thin(1, u64::MAX, Offset(255)).unwrap();
        assert_eq!(offsets(), [300]);
        own.store_checkpoint(Offset(310), &[0; 100_000]).expect("the spare's space is enough");
        own.store_cursor(Offset(310)).expect_err("never prepared");
    }
}
