//! The journal's folder with the archive behind it, as a disk: every reader of journals reads both.
//!
//! What must stay true: it writes nothing; a segment that is in the journal is read from there; a segment whose copy has no manifest is not there.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Manifest, firsts};
use super::of_journal;
use super::packed::PackedFile;
use hj212_journal::{Access, DirLock, Disk, DiskFile, OsDisk, segment_name};

/// A disk on which archived segments are still in the journal's folder. For reading alone.
#[derive(Debug)]
pub struct ArchivedDisk {
    inner: Arc<dyn Disk>,
    journal: PathBuf,
    archive: PathBuf,
}

/// This machine's disk for reading the journal in `dir`, with its archive if it has one.
#[must_use]
pub fn reading(dir: &Path) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    match of_journal(&disk, dir) {
        Ok(Some(archive)) => Arc::new(ArchivedDisk::new(disk, dir.to_path_buf(), archive)),
        Ok(None) => disk,
        Err(error) => {
            tracing::warn!(%error, dir = %dir.display(), "where the archive is cannot be read: only the journal is looked at");
            disk
        }
    }
}

impl ArchivedDisk {
    /// The journal in `journal` with the copies in `archive` (the folder of that journal, see [`super::folder`]).
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, journal: PathBuf, archive: PathBuf) -> ArchivedDisk {
        ArchivedDisk { inner, journal, archive }
    }

    /// The folder of the copies.
    #[must_use]
    pub fn archive(&self) -> &Path {
        &self.archive
    }

    fn archived(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(missing)?;
        if path.parent() != Some(self.journal.as_path()) {
            return Err(missing());
        }
        if name == "journal.id" {
            return self.inner.open(&self.archive.join(name), Access::Read);
        }
        let first: u64 = name.strip_suffix(".seg").and_then(|digits| digits.parse().ok()).ok_or_else(missing)?;
        let manifest = Manifest::load(self.inner.as_ref(), &self.archive, first)?.ok_or_else(missing)?;
        let file = self.inner.open(&self.archive.join(Manifest::copy_name(first)), Access::Read)?;
        Ok(Box::new(PackedFile::new(manifest, file)))
    }
}

impl Disk for ArchivedDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        if access == Access::Write {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        match self.inner.open(path, access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.archived(path),
            opened => opened,
        }
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        if dir != self.journal {
            return self.inner.list(dir);
        }
        let archived = firsts(self.inner.as_ref(), &self.archive)?;
        // What leaves the journal between the two listings is in the archive before.
        let names = match self.inner.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !archived.is_empty() => Vec::new(),
            names => names?,
        };
        let mut all: BTreeSet<String> = archived.into_iter().map(segment_name).collect();
        all.extend(names);
        Ok(all.into_iter().collect())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        self.inner.free_space(dir)
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn DirLock>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
