//! The file of a queue: what waits for one sink, on disk.
//!
//! What must stay true: after a crash at any point the file holds all changes that were stored, and of what was being stored a beginning; an end
//! that is torn costs that end alone; a file of another journal or under another name is as if it were not there; it is bounded by the bounds of
//! the queue ([`FILE_BYTES_MAX`]).
//!
//! # The file
//!
//! `push-NAME` in the journal's folder. Little-endian:
//!
//! ```text
//!   0   8  magic "HJGWPSH1"
//!   8  16  journal id
//!  24   1  length of the sink's name u8
//!  25   n  the sink's name
//!      4  CRC-32C of all before
//!
//! then changes, in order, without space between them
//!   0   4  length of the body u32
//!   4   4  CRC-32C of: journal id, bytes 0..4, byte 8, body
//!   8   1  1: a message came, 2: one left, 3: the newest record of which messages are in
//!   9   n  body
//!          1: record u64, time of queueing i64 (milliseconds since 1970), length of the id u16, id, length of the kind u16, kind, the message
//!          2: id
//!          3: record u64
//! ```
//!
//! Changes are appended and synced. When the file is more than twice as long as what is in the queue, after an error, and when its end was torn,
//! it is written anew as a whole: beside it as `push-NAME.new`, synced, renamed, the folder synced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use hj212_journal::{self as journal, Access, Disk, DiskFile};
use hj212_push::queue::QueueChange;
use hj212_push::{Item, QUEUE_BYTES_MAX, Queue};

const MAGIC: &[u8; 8] = b"HJGWPSH1";
/// What stands before the body of a change.
const HEAD: usize = 9;
/// The longest file that is read, bytes: twice a full queue, and what has come since.
const FILE_BYTES_MAX: u64 = 4 * QUEUE_BYTES_MAX as u64;
/// Bytes that a file may have beyond twice what is in the queue before it is written anew.
const SLACK: u64 = 1 << 20;

/// See the head of the file.
#[derive(Debug)]
pub(super) struct QueueFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    journal_id: [u8; 16],
    heading: Vec<u8>,
    /// Open for appending; `None`: it is to be written anew.
    file: Option<Box<dyn DiskFile>>,
    length: u64,
    /// Its length when it was last written as a whole.
    whole: u64,
}

impl QueueFile {
    /// The queue that the file of the sink `name` holds, and the file. What cannot be read is said, and the queue begins empty.
    pub(super) fn open(disk: Arc<dyn Disk>, dir: &Path, journal_id: [u8; 16], name: &str) -> (QueueFile, Queue) {
        let path = dir.join(format!("push-{name}"));
        let heading = heading(&journal_id, name);
        let mut own = QueueFile { disk, path, journal_id, heading, file: None, length: 0, whole: 0 };
        let changes = match own.load() {
            Ok(changes) => changes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::error!(%error, path = %own.path.display(), "what waited for a push sink cannot be read; it is written anew");
                own.file = None;
                Vec::new()
            }
        };
        let queue = Queue::of(changes);
        own.whole = own.length;
        (own, queue)
    }

    fn load(&mut self) -> io::Result<Vec<QueueChange>> {
        let file = self.disk.open(&self.path, Access::Write)?;
        let length = file.len()?.min(FILE_BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let Some(mut rest) = bytes.strip_prefix(self.heading.as_slice()) else {
            let what = "it is of another journal, its name was changed, or it is damaged";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        let mut changes = Vec::new();
        while let Some((change, more)) = read_change(&self.journal_id, rest) {
            changes.push(change);
            rest = more;
        }
        self.length = (bytes.len() - rest.len()) as u64;
        if rest.is_empty() && file.len()? == self.length {
            self.file = Some(file);
        } else {
            tracing::warn!(path = %self.path.display(), bytes = rest.len(), "the end of a push queue is torn; what was stored before it is kept");
        }
        Ok(changes)
    }

    /// Whether the next store must be of the whole queue.
    pub(super) fn wants_whole(&self) -> bool {
        self.file.is_none() || self.length > self.whole.saturating_mul(2).saturating_add(SLACK)
    }

    /// Appends changes, durably.
    ///
    /// # Errors
    /// Those of the disk; the file is to be written anew then.
    pub(super) fn append(&mut self, changes: &[QueueChange]) -> io::Result<()> {
        let Some(file) = self.file.take() else { return self.replace(changes) };
        let mut bytes = Vec::new();
        changes.iter().for_each(|change| write_change(&mut bytes, &self.journal_id, change));
        file.write_at(&bytes, self.length)?;
        file.sync_data()?;
        self.length += bytes.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Writes the whole queue, durably.
    ///
    /// # Errors
    /// Those of the disk; what the file held before is still there, or already the new.
    pub(super) fn replace(&mut self, whole: &[QueueChange]) -> io::Result<()> {
        self.file = None;
        let mut bytes = self.heading.clone();
        whole.iter().for_each(|change| write_change(&mut bytes, &self.journal_id, change));
        let temporary = self.path.with_added_extension("new");
        match self.disk.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = self.disk.create(&temporary)?;
        let written = file.write_at(&bytes, 0).and_then(|()| file.sync_all());
        if let Err(error) = written.and_then(|()| self.disk.rename(&temporary, &self.path)) {
            // Whatever stays is removed by the next call.
            let _ = self.disk.remove(&temporary);
            return Err(error);
        }
        self.disk.sync_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        (self.length, self.whole) = (bytes.len() as u64, bytes.len() as u64);
        self.file = Some(file);
        Ok(())
    }
}

/// The sinks that a queue is on disk for.
pub(super) fn names(disk: &dyn Disk, dir: &Path) -> Vec<String> {
    let names = disk.list(dir).unwrap_or_default();
    let own = |name: String| name.strip_prefix("push-").filter(|name| !name.contains('.')).map(str::to_owned);
    names.into_iter().filter_map(own).collect()
}

fn heading(journal_id: &[u8; 16], name: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(journal_id);
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&journal::crc32c(&[&bytes]).to_le_bytes());
    bytes
}

fn write_change(out: &mut Vec<u8>, journal_id: &[u8; 16], change: &QueueChange) {
    let mut body = Vec::new();
    let kind = match change {
        QueueChange::Put(item) => {
            body.extend_from_slice(&item.record.to_le_bytes());
            body.extend_from_slice(&item.queued.to_le_bytes());
            for text in [&*item.id, &item.kind] {
                let text = text.get(..text.floor_char_boundary(u16::MAX.into())).unwrap_or_default();
                body.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
                body.extend_from_slice(text.as_bytes());
            }
            body.extend_from_slice(&item.body);
            1
        }
        QueueChange::Left(id) => {
            body.extend_from_slice(id.as_bytes());
            2
        }
        QueueChange::Mark(record) => {
            body.extend_from_slice(&record.to_le_bytes());
            3
        }
    };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&journal::crc32c(&[journal_id, &length, &[kind], &body]).to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&body);
}

/// The change at the beginning of `bytes`, and what follows it; `None`: there is no whole and good one.
fn read_change<'b>(journal_id: &[u8; 16], bytes: &'b [u8]) -> Option<(QueueChange, &'b [u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (length, head) = head.split_first_chunk::<4>()?;
    let (crc, kind) = head.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    if journal::crc32c(&[journal_id, length, kind, body]) != u32::from_le_bytes(*crc) {
        return None;
    }
    let change = match kind {
        [1] => QueueChange::Put(Arc::new(read_item(body)?)),
        [2] => QueueChange::Left(std::str::from_utf8(body).ok()?.into()),
        [3] => QueueChange::Mark(u64::from_le_bytes(body.try_into().ok()?)),
        _ => return None,
    };
    Some((change, rest))
}

fn read_item(body: &[u8]) -> Option<Item> {
    let (record, body) = body.split_first_chunk::<8>()?;
    let (queued, body) = body.split_first_chunk::<8>()?;
    let (id, body) = read_text(body)?;
    let (kind, body) = read_text(body)?;
    Some(Item {
        id: id.into(),
        kind: kind.to_owned(),
        record: u64::from_le_bytes(*record),
        queued: i64::from_le_bytes(*queued),
        body: Bytes::copy_from_slice(body),
    })
}

fn read_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
