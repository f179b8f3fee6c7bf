//! The files beside the journal that could be rebuilt from it: the cursor, the checkpoints, the learned CRC variants.

use std::path::PathBuf;
use std::sync::Arc;

use crate::journal::{self, Disk, Offset};

/// Checkpoints kept at most; the oldest serve replays of long ago.
const CHECKPOINTS_MAX: usize = 64;

/// The derived files of one journal.
#[derive(Clone)]
pub struct Derived {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    journal_id: [u8; 16],
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
        Derived { disk, dir, journal_id }
    }

    /// The record up to which everything is delivered; `Offset(0)` if nothing is known. Without a cursor of this journal, the newest
    /// checkpoint stands for it: a checkpoint is never written before the cursor has passed it.
    #[must_use]
    pub fn cursor(&self) -> Offset {
        let stored = journal::load_file(&*self.disk, &self.dir.join("cursor")).ok().flatten().and_then(|bytes| {
            let (offset, id) = bytes.split_first_chunk::<8>()?;
            (id == self.journal_id).then(|| Offset(u64::from_le_bytes(*offset)))
        });
        stored.or_else(|| self.checkpoints().last().copied()).unwrap_or(Offset(0))
    }

    /// Writes the cursor durably.
    pub fn store_cursor(&self, cursor: Offset) -> std::io::Result<()> {
        let mut bytes = cursor.0.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.journal_id);
        journal::store_file(&*self.disk, &self.dir.join("cursor"), &bytes)
    }

    /// The readable checkpoints not beyond `offset`, newest first.
    pub fn checkpoints_up_to(&self, offset: Offset) -> impl Iterator<Item = (Offset, Vec<u8>)> {
        self.load_checkpoints(self.checkpoints().into_iter().rev().filter(|o| *o <= offset).collect())
    }

    /// The readable checkpoints, oldest first.
    pub fn checkpoints_from_oldest(&self) -> impl Iterator<Item = (Offset, Vec<u8>)> {
        self.load_checkpoints(self.checkpoints())
    }

    fn load_checkpoints(&self, offsets: Vec<Offset>) -> impl Iterator<Item = (Offset, Vec<u8>)> + use<> {
        let this = self.clone();
        offsets.into_iter().filter_map(move |offset| {
            let bytes = journal::load_file(&*this.disk, &this.path(offset)).ok().flatten()?;
            let (id, state) = bytes.split_first_chunk::<16>()?;
            (*id == this.journal_id).then(|| (offset, state.to_vec()))
        })
    }

    /// Writes a checkpoint and removes those that no retained record needs. Gives the record from which the journal must be kept.
    pub fn store_checkpoint(&self, offset: Offset, state: &[u8], first_retained: Offset) -> std::io::Result<Offset> {
        let mut bytes = self.journal_id.to_vec();
        bytes.extend_from_slice(state);
        journal::store_file(&*self.disk, &self.path(offset), &bytes)?;
        let mut kept = self.checkpoints();
        let newest = kept.pop();
        let too_many = kept.len().saturating_sub(CHECKPOINTS_MAX);
        for (position, old) in kept.iter().enumerate() {
            if position < too_many || old.0 + 1 < first_retained.0 {
                self.disk.remove(&self.path(*old))?;
            }
        }
        Ok(newest.unwrap_or(offset))
    }

    /// Removes what is derived from records beyond `last`, the end of the journal: new records will get their offsets.
    pub fn forget_beyond(&self, last: Offset) -> std::io::Result<()> {
        for offset in self.checkpoints().into_iter().filter(|offset| *offset > last) {
            self.disk.remove(&self.path(offset))?;
        }
        if self.cursor() > last {
            self.store_cursor(last)?;
        }
        Ok(())
    }

    /// A small file of derived state, or `None` if it is missing or damaged.
    #[must_use]
    pub fn load(&self, name: &str) -> Option<Vec<u8>> {
        journal::load_file(&*self.disk, &self.dir.join(name)).ok().flatten()
    }

    /// Writes a small file of derived state durably.
    pub fn store(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        journal::store_file(&*self.disk, &self.dir.join(name), bytes)
    }

    fn path(&self, offset: Offset) -> PathBuf {
        self.dir.join(format!("state-{:020}", offset.0))
    }

    /// The offsets of the checkpoints there are, ascending.
    fn checkpoints(&self) -> Vec<Offset> {
        let mut offsets: Vec<Offset> = self
            .disk
            .list(&self.dir)
            .unwrap_or_default()
            .iter()
            .filter_map(|name| name.strip_prefix("state-")?.parse().ok().map(Offset))
            .collect();
        offsets.sort_unstable();
        offsets
    }
}
