//! The list of dead letters: what of the journal waits to be published after all.
//!
//! What must stay true:
//! * the journal says which letters there are; the list's file is a help: it names the record up to which it is complete, and what it does not
//!   know is read from the journal. A list that is lost, damaged, older or another journal's is made again;
//! * a letter counts only if the cursor has passed the record that it came of: else that record is published again, and what the broker still
//!   does not take becomes a letter again;
//! * a letter that was written anew is one letter.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LETTERS_MAX;
use crate::gateway::derived::Derived;
use hj212_journal::{self as journal, Disk, Offset, ReadError, ReadItem, Reader};
use hj212_model::message::{DeadLetter, Publication, Record};

/// The list's file.
const LIST: &str = "dead-letters";
/// What was replayed.
const REPLAYED: &str = "dead-letters-replayed";

/// A letter of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its own offset in the journal.
    pub offset: u64,
    /// The offset of the record that it came of; 0 if of none.
    pub of: u64,
    /// When it was set aside, RFC 3339.
    pub time: String,
    /// Where it was to go.
    pub topic: String,
    /// Bytes of its body.
    pub bytes: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not taken, as far as that is known.
    pub why: String,
}

impl Listed {
    fn of(stored: Offset, time: String, letter: &DeadLetter<'_>) -> Listed {
        Listed {
            offset: stored.0,
            of: letter.of,
            time,
            topic: letter.topic.to_owned(),
            bytes: u64::from(letter.bytes),
            tries: letter.tries,
            why: letter.why.to_owned(),
        }
    }

    /// Whether both may be one letter, written anew.
    fn is_like(&self, other: &Listed) -> bool {
        (self.of, &self.topic, self.bytes, self.tries, &self.why)
            == (other.of, &other.topic, other.bytes, other.tries, &other.why)
    }
}

/// Which letters were published after all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LettersReplayed {
    /// All up to this one,
    pub through: u64,
    /// but for these.
    pub left: Vec<u64>,
}

impl LettersReplayed {
    fn load(derived: &Derived, id: &[u8; 16]) -> LettersReplayed {
        let read = derived.load(REPLAYED).and_then(|bytes| {
            let (through, rest) = bytes.split_first_chunk::<8>()?;
            let (own, left) = rest.split_first_chunk::<16>()?;
            let left = left.as_chunks::<8>().0.iter().map(|offset| u64::from_le_bytes(*offset)).collect();
            (own == id).then_some(LettersReplayed { through: u64::from_le_bytes(*through), left })
        });
        read.unwrap_or_default()
    }

    pub(super) fn store(&self, derived: &Derived, id: &[u8; 16]) -> std::io::Result<()> {
        let mut bytes = self.through.to_le_bytes().to_vec();
        bytes.extend_from_slice(id);
        self.left.iter().for_each(|offset| bytes.extend_from_slice(&offset.to_le_bytes()));
        derived.store(REPLAYED, &bytes)
    }

    /// Whether the letter at `offset` was.
    #[must_use]
    pub fn has(&self, offset: u64) -> bool {
        offset <= self.through && !self.left.contains(&offset)
    }
}

/// The list.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct List {
    /// The journal that the offsets are of.
    journal: [u8; 16],
    /// The letters, oldest first.
    pub letters: VecDeque<Listed>,
    /// Letters that fell out of the list before they were replayed.
    pub dropped: u64,
    /// The newest of them.
    #[serde(default)]
    dropped_last: u64,
    /// Every letter up to this record is in the list, or was.
    #[serde(default)]
    pub(super) through: u64,
}

impl List {
    pub(super) fn load(derived: &Derived) -> List {
        let id = derived.journal_id();
        let list = derived.load(LIST).and_then(|bytes| serde_json::from_slice::<List>(&bytes).ok());
        list.filter(|list| list.journal == id).unwrap_or(List { journal: id, ..List::default() })
    }

    pub(super) fn store(&self, derived: &Derived) -> std::io::Result<()> {
        derived.store(LIST, &serde_json::to_vec(self)?)
    }

    /// Up to where letters have been replayed.
    pub(super) fn replayed(&self, derived: &Derived) -> LettersReplayed {
        LettersReplayed::load(derived, &self.journal)
    }

    /// Takes out what was replayed.
    pub(super) fn forget(&mut self, replayed: &LettersReplayed) -> bool {
        let before = (self.letters.len(), self.dropped);
        self.letters.retain(|letter| !replayed.has(letter.offset));
        if self.dropped_last <= replayed.through {
            self.dropped = 0;
        }
        before != (self.letters.len(), self.dropped)
    }

    /// Forgets what was beyond `last`, the end of the journal when it was opened: new records get those offsets.
    pub(super) fn cut(&mut self, last: Offset, replayed: &mut LettersReplayed) {
        self.letters.retain(|letter| letter.offset <= last.0);
        self.through = self.through.min(last.0);
        self.dropped_last = self.dropped_last.min(last.0);
        replayed.through = replayed.through.min(last.0);
    }

    /// Takes a letter in; `false` if another fell out for it.
    pub(super) fn take(&mut self, letter: Listed) -> bool {
        self.letters.push_back(letter);
        if self.letters.len() <= LETTERS_MAX {
            return true;
        }
        if let Some(fallen) = self.letters.pop_front() {
            self.dropped += 1;
            self.dropped_last = self.dropped_last.max(fallen.offset);
        }
        false
    }

    /// Takes in what `reader` finds beyond what the list knows, and leaves out what comes of records behind `cursor`; gives how many letters
    /// were found.
    pub(super) fn complete(
        &mut self,
        disk: &Arc<dyn Disk>,
        dir: &Path,
        replayed: &LettersReplayed,
        cursor: Offset,
    ) -> Result<u64, ReadError> {
        let passed = |of: u64| of <= cursor.0;
        self.letters.retain(|letter| passed(letter.of));
        let mut found = 0;
        let mut reader = Reader::open(Arc::clone(disk), dir, Offset(self.through.saturating_add(1)))?;
        while let Some(item) = reader.next()? {
            let ReadItem::Record(stored) = item else { continue };
            self.through = stored.offset.0;
            let Ok(Record::DeadLetter(letter)) = Record::decode(stored.kind, stored.body) else { continue };
            if !passed(letter.of) || replayed.has(stored.offset.0) {
                continue;
            }
            let listed = Listed::of(stored.offset, stored.time.to_rfc3339(), &letter);
            let same = |known: &&Listed| {
                known.offset == listed.offset
                    || known.is_like(&listed)
                        && read(disk, dir, known).is_ok_and(|kept| kept.is_none_or(|kept| kept.payload == letter.body))
            };
            if let Some(known) = self.letters.iter().find(same).map(|known| known.offset) {
                self.letters.retain(|letter| letter.offset != known);
            } else {
                found += 1;
            }
            self.take(listed);
        }
        Ok(found)
    }
}

/// The publication of `letter`; `None` if its body was too long to be kept.
fn read(disk: &Arc<dyn Disk>, dir: &Path, letter: &Listed) -> Result<Option<Publication>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
    let mut reader = Reader::open(Arc::clone(disk), dir, Offset(letter.offset)).map_err(|error| said(&error))?;
    let gone = || format!("record {} is in the journal and its archive no more", letter.offset);
    let Some(ReadItem::Record(stored)) = reader.next().map_err(|error| said(&error))? else { return Err(gone()) };
    match Record::decode(stored.kind, stored.body) {
        Ok(Record::DeadLetter(kept)) if stored.offset.0 == letter.offset => {
            // What holds now may have been said since: an old state must not be kept by the broker in its place.
            let (topic, payload) = (kept.topic.to_owned(), bytes::Bytes::copy_from_slice(kept.body));
            Ok((kept.body.len() == kept.bytes as usize).then_some(Publication { topic, payload, retain: false }))
        }
        _ => Err(gone()),
    }
}

/// The letters of the journal in `dir` that wait to be replayed, in the order of what they came of.
///
/// # Errors
/// If there is no journal or it cannot be read.
pub fn list(dir: &Path) -> Result<List, String> {
    let (derived, disk) = place(dir)?;
    // What the archive alone holds was in the list, and is known by it.
    let mut list = List::load(&derived);
    let replayed = list.replayed(&derived);
    let complete = list.complete(&disk, dir, &replayed, derived.cursor());
    complete.map_err(|error| format!("the journal in {}: {error}", dir.display()))?;
    list.forget(&replayed);
    // One that was written anew stands where what it came of stood.
    list.letters.make_contiguous().sort_by_key(|letter| (letter.of, letter.offset));
    Ok(list)
}

/// What was to be published by `letter`, from the journal or its archive; `None` if its body was too long to be kept.
///
/// # Errors
/// If neither holds it any more.
pub fn publication(dir: &Path, letter: &Listed) -> Result<Option<Publication>, String> {
    read(&hj212_archive::reading(dir), dir, letter)
}

/// The letters that fell out of `list`, oldest first, as far as the journal and its archive hold them.
///
/// # Errors
/// If they cannot be read.
pub fn dropped(dir: &Path, list: &List) -> Result<Vec<Listed>, String> {
    let said = |error: &dyn std::fmt::Display| format!("the journal in {}: {error}", dir.display());
    let (derived, _) = place(dir)?;
    let replayed = list.replayed(&derived);
    let mut found = Vec::new();
    let mut reader = Reader::open(hj212_archive::reading(dir), dir, Offset(0)).map_err(|error| said(&error))?;
    while let Some(item) = reader.next().map_err(|error| said(&error))? {
        let ReadItem::Record(stored) = item else { continue };
        if stored.offset.0 > list.dropped_last {
            break;
        }
        if let Ok(Record::DeadLetter(letter)) = Record::decode(stored.kind, stored.body)
            && !replayed.has(stored.offset.0)
            && list.letters.iter().all(|known| known.offset != stored.offset.0)
        {
            found.push(Listed::of(stored.offset, stored.time.to_rfc3339(), &letter));
        }
    }
    Ok(found)
}

/// Notes which letters were published after all.
///
/// # Errors
/// If the file cannot be written.
pub fn replayed(dir: &Path, replayed: &LettersReplayed) -> Result<(), String> {
    let (derived, _) = place(dir)?;
    let stored = replayed.store(&derived, &derived.journal_id());
    stored.map_err(|error| format!("{}: {error}", dir.join(REPLAYED).display()))
}

fn place(dir: &Path) -> Result<(Derived, Arc<dyn Disk>), String> {
    let disk: Arc<dyn Disk> = Arc::new(journal::OsDisk);
    let id = journal::id(&*disk, dir).map_err(|error| format!("the journal in {}: {error}", dir.display()))?;
    let id = id.ok_or_else(|| format!("the journal in {}: there is none", dir.display()))?;
    Ok((Derived::new(Arc::clone(&disk), dir.to_owned(), id), disk))
}
