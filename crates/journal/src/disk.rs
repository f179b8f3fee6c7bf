//! The few operations of a file system that the journal uses, as a trait, and the real one behind it.
//!
//! What must stay true: nothing above this file touches a file system in another way, so that a simulated disk can lose, tear and
//! refuse whatever a real one can.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only: all that the command line needs beside a running daemon.
    Read,
    /// Reading, writing, cutting.
    Write,
}

/// A lock on a journal's folder; dropping it releases it.
pub trait DirLock: Send + Sync + Debug {}

/// A file system.
///
/// Errors are those of the system. Nothing is durable before the sync that belongs to it: a file's bytes before
/// [`DiskFile::sync_data`], a file's name before [`Disk::sync_dir`].
pub trait Disk: Send + Sync + Debug {
    /// Whether it is used in real time. On a simulated disk nothing may depend on how long the machine takes.
    fn is_in_real_time(&self) -> bool {
        true
    }

    /// Makes a folder and its parents; not an error if it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Creates a file for writing that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file that exists.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Moves a file, over another one if need be.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in a folder, in no order; names that are no UTF-8 are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes creations, moves and removals in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that an ordinary user may still take of the file system that holds `dir`.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
    /// Locks `path` (a file, made if missing) and its folder against other writers; [`io::ErrorKind::WouldBlock`] if one holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>>;
}

/// An open file. All positions are from its start.
#[allow(
    clippy::len_without_is_empty,
    reason = "a file's length is a question to the disk, and nobody asks for emptiness"
)]
pub trait DiskFile: Send + Sync + Debug {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads until `buffer` is full or the file ends; returns how many bytes.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Makes the bytes durable, and the length if it grew.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes bytes and all else of the file durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Takes the space for `length` bytes now, as zeros; where the file system cannot, only the length is set.
    fn preallocate(&self, length: u64) -> io::Result<()>;
    /// Cuts or extends.
    fn set_len(&self, length: u64) -> io::Result<()>;
}

/// The mode of every file: what stations say, their passwords and their keys are for the gateway's user alone.
const PRIVATE: u32 = 0o600;

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).create_new(true).mode(PRIVATE).open(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(access == Access::Write).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DirLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PRIVATE).open(path)?;
        // The folder as well: who removes the file does not let a second writer in.
        let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
        for held in [&file, &folder] {
            match held.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(Box::new(OsLock { _held: [file, folder] }))
    }
}

#[derive(Debug)]
struct OsLock {
    _held: [File; 2],
}

impl DirLock for OsLock {}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, position + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn preallocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => File::set_len(self, length),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }
}

/// The disk refused to read. A reader stays where it is; reading again tries again.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ReadError {
    /// The file or folder.
    pub path: PathBuf,
    /// The system's words.
    pub source: io::Error,
}

impl ReadError {
    /// Whether the medium refuses, rather than this process or the moment.
    #[must_use]
    pub fn is_of_the_medium(&self) -> bool {
        is_unreadable(&self.source)
    }
}

/// Whether an error says that what was asked for cannot be read: the medium's error, not one of this process or of the moment.
#[must_use]
pub fn is_unreadable(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let known = [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::NODATA, Errno::REMOTEIO];
    error.raw_os_error().is_some_and(|raw| known.iter().any(|errno| errno.raw_os_error() == raw))
}

/// Whether an error says that there is no room: to be waited out, not repaired.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
