//! Small files of derived state (checkpoints, ids), replaced as a whole.
//!
//! What must stay true: after a crash at any point the file holds the old bytes or the new ones, and damage is noticed; a file is believed
//! only up to a stated length, and nothing is allocated for what its header claims before its bytes were seen to be there and good.

use std::io;
use std::path::Path;

use super::disk::{Access, Disk, DiskFile};
use super::format::{Crc, crc32c, u32_at};

const MAGIC: [u8; 8] = *b"HJGWFILE";
const HEADER: usize = 16;
/// How much is read at a time.
const CHUNK: usize = 256 * 1024;

/// Replaces the file at `path` by `bytes`, durably: writes a temporary file beside it, syncs, renames, syncs the folder.
/// One writer per path at a time.
///
/// # Errors
/// Those of the disk; the old bytes are then still there, or already the new ones.
pub fn store_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let content = content(bytes)?;
    let temporary = path.with_added_extension("new");
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.create(&temporary)?;
    let written = file.write_at(&content, 0).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written.and_then(|()| disk.rename(&temporary, path)) {
        // Whatever stays is removed by the next call.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// The same with the space of `spare`, a file whose space was taken before ([`prepare_spare`]) and which becomes the file at `path`: it needs
/// no new space, if the spare is large enough.
///
/// # Errors
/// [`io::ErrorKind::NotFound`] if there is no spare or it is too small, and those of the disk; the spare may be gone then.
pub fn store_file_in(disk: &dyn Disk, spare: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let content = content(bytes)?;
    let file = disk.open(spare, Access::Write)?;
    if file.len()? < content.len() as u64 {
        return Err(io::ErrorKind::NotFound.into());
    }
    file.write_at(&content, 0)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()?;
    drop(file);
    disk.rename(spare, path)?;
    disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Takes the space for a later [`store_file_in`] of up to `length` bytes, if `spare` is not there or smaller.
///
/// # Errors
/// Those of the disk.
pub fn prepare_spare(disk: &dyn Disk, spare: &Path, length: u64) -> io::Result<()> {
    let length = length.saturating_add(HEADER as u64);
    match disk.open(spare, Access::Write) {
        Ok(file) if file.len()? >= length => return Ok(()),
        Ok(_) => disk.remove(spare)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = disk.create(spare)?;
    if let Err(error) = file.preallocate(length).and_then(|()| file.sync_all()) {
        drop(file);
        // The next call makes it anew.
        let _ = disk.remove(spare);
        return Err(error);
    }
    Ok(())
}

fn content(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?.to_le_bytes();
    let mut content = Vec::with_capacity(HEADER + bytes.len());
    content.extend_from_slice(&MAGIC);
    content.extend_from_slice(&crc32c(&[&length, bytes]).to_le_bytes());
    content.extend_from_slice(&length);
    content.extend_from_slice(bytes);
    Ok(content)
}

/// Reads what [`store_file`] wrote; `None` if there is no such file, it is damaged, or it has more than `most` bytes.
///
/// # Errors
/// Those of the disk.
pub fn load_file(disk: &dyn Disk, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER];
    if file.read_at(&mut header, 0)? < HEADER || header.get(..8) != Some(&MAGIC) {
        return Ok(None);
    }
    let (Some(crc), Some(length)) = (u32_at(&header, 8), u32_at(&header, 12)) else { return Ok(None) };
    if u64::from(length) > most || file.len()? != HEADER as u64 + u64::from(length) {
        return Ok(None);
    }
    // A file with holes may claim what no memory has: its checksum first, in pieces.
    if length as usize > CHUNK && !is_good(file.as_ref(), length, crc)? {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    let whole = file.read_at(&mut bytes, HEADER as u64)? == bytes.len();
    Ok((whole && crc32c(&[&length.to_le_bytes(), &bytes]) == crc).then_some(bytes))
}

fn is_good(file: &dyn DiskFile, length: u32, crc: u32) -> io::Result<bool> {
    let mut computed = Crc::new();
    computed.update(&length.to_le_bytes());
    let (mut piece, mut at, end) = (vec![0; CHUNK], HEADER as u64, HEADER as u64 + u64::from(length));
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        let Some(room) = piece.get_mut(..want) else { return Ok(false) };
        if file.read_at(room, at)? < want {
            return Ok(false);
        }
        computed.update(room);
        at += want as u64;
    }
    Ok(computed.end() == crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim_disk::SimDisk;

    #[test]
    fn a_spare_takes_what_comes_when_the_disk_has_no_byte_left() {
        let (spare, path) = (Path::new("/j/spare"), Path::new("/j/state"));
        let disk = SimDisk::new(1, 1 << 20);
        prepare_spare(&disk, spare, 5000).unwrap();
        disk.set_capacity(0);
        assert!(store_file(&disk, path, &[3; 3000]).is_err());
        assert!(store_file_in(&disk, spare, path, &[3; 6000]).is_err(), "too small");
        store_file_in(&disk, spare, path, &[3; 3000]).unwrap();
        assert_eq!(load_file(&disk.after_power_cut(1), path, 4000).unwrap(), Some(vec![3; 3000]));
        assert_eq!(load_file(&disk, path, 2999).unwrap(), None, "longer than what is believed");
    }

    #[test]
    fn a_header_that_claims_four_gigabytes_allocates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("context");
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&[1, 2, 3, 4]);
        header.extend_from_slice(&(32_u32 << 20).to_le_bytes());
        std::fs::write(&path, &header).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(16 + (32 << 20)).unwrap();
        assert_eq!(load_file(&crate::OsDisk, &path, 1 << 30).unwrap(), None);
        header[12..].copy_from_slice(&u32::MAX.to_le_bytes());
        std::fs::write(&path, &header).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(16 + u64::from(u32::MAX)).unwrap();
        assert_eq!(load_file(&crate::OsDisk, &path, 1 << 30).unwrap(), None);
    }
}
