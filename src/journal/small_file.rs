//! Small files of derived state (cursors, checkpoints, ids), replaced as a whole.
//!
//! What must stay true: after a crash at any point the file holds the old bytes or the new ones, and damage is noticed.

use std::io;
use std::path::Path;

use super::disk::{Access, Disk};
use super::format::{crc32c, u32_at};

const MAGIC: [u8; 8] = *b"HJGWFILE";
const HEADER: usize = 16;

/// Replaces the file at `path` by `bytes`, durably: writes a temporary file beside it, syncs, renames, syncs the folder.
/// One writer per path at a time.
///
/// # Errors
/// Those of the disk; the old bytes are then still there, or already the new ones.
pub fn store_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?.to_le_bytes();
    let mut content = Vec::with_capacity(HEADER + bytes.len());
    content.extend_from_slice(&MAGIC);
    content.extend_from_slice(&crc32c(&[&length, bytes]).to_le_bytes());
    content.extend_from_slice(&length);
    content.extend_from_slice(bytes);
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

/// Reads what [`store_file`] wrote; `None` if there is no such file or it is damaged.
///
/// # Errors
/// Those of the disk.
pub fn load_file(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
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
    if file.len()? != HEADER as u64 + u64::from(length) {
        return Ok(None);
    }
    let mut bytes = vec![0; length as usize];
    let whole = file.read_at(&mut bytes, HEADER as u64)? == bytes.len();
    Ok((whole && crc32c(&[&length.to_le_bytes(), &bytes]) == crc).then_some(bytes))
}
