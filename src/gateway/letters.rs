//! Dead letters: messages that the broker would not take, kept so that the others can go on.
//!
//! What must stay true:
//! * a message is only passed over once its letter is in the journal (record kind 25), durable, with the offset of the record that it came
//!   of; a letter that the journal does not take is tried at the broker again;
//! * the list of letters ([`LIST`], the newest [`LETTERS_MAX`]) is derived: what falls out of it stays in the journal as long as that
//!   keeps it, and is counted and said;
//! * the first letter, and then once in [`NOTICE_EVERY`], is said in an event of the gateway (`dead-letter`), so that the notices cannot
//!   become a flood; letters of the gateway's own topics are not said there, or a refused notice would cause the next;
//! * each letter is a record, and a line of the list; the log has a line for the first, and then at most one in [`LOG_EVERY`] with their
//!   number: a station whose topics are refused writes no log of its own.
//!
//! # Files
//!
//! In the journal's folder, see [`hj212_journal::store_file`]: `dead-letters`, JSON, by the gateway; `dead-letters-replayed`, offset u64
//! little-endian and the journal's id, by `hj212-gateway dead-letters replay`: letters up to it have been published after all.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::derived::Derived;
use super::record;
use hj212_journal::{self as journal, Disk, Journal, Offset, OsDisk, ReadItem, Reader};
use hj212_model::message::{DEAD_LETTER_MAX, DeadLetter, Publication, Record, notice};
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_mqtt::Letter;

/// Letters in the list.
pub const LETTERS_MAX: usize = 1000;
/// The list's file.
const LIST: &str = "dead-letters";
/// What was replayed.
const REPLAYED: &str = "dead-letters-replayed";
/// At most one notice in this time.
const NOTICE_EVERY: Duration = Duration::from_secs(60);
/// At most one line of the log in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// The list is written, and it is looked for what was replayed, at most so often.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// Topics named in a notice.
const TOPICS_MAX: usize = 8;

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

/// The list.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct List {
    /// The journal that the offsets are of.
    journal: [u8; 16],
    /// The letters, oldest first.
    pub letters: VecDeque<Listed>,
    /// Letters that fell out of the list before they were replayed.
    pub dropped: u64,
}

impl List {
    fn load(derived: &Derived, id: [u8; 16]) -> List {
        let list = derived.load(LIST).and_then(|bytes| serde_json::from_slice::<List>(&bytes).ok());
        list.filter(|list| list.journal == id).unwrap_or(List { journal: id, ..List::default() })
    }

    /// Up to where letters have been replayed.
    fn replayed(&self, derived: &Derived) -> u64 {
        let replayed = derived.load(REPLAYED).and_then(|bytes| {
            let (offset, id) = bytes.split_first_chunk::<8>()?;
            (id == self.journal).then(|| u64::from_le_bytes(*offset))
        });
        replayed.unwrap_or(0)
    }

    /// Takes out what was replayed.
    fn forget(&mut self, derived: &Derived) -> bool {
        let replayed = self.replayed(derived);
        let before = self.letters.len();
        self.letters.retain(|letter| letter.offset > replayed);
        before != self.letters.len()
    }
}

/// What is shown of the list.
#[derive(Debug)]
pub(super) struct Letters {
    list: Mutex<List>,
    derived: Derived,
}

impl Letters {
    pub(super) fn new(derived: Derived) -> Letters {
        Letters { list: Mutex::default(), derived }
    }

    fn open(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are, and the newest. What another process has replayed is not counted from the moment at which it says so.
    pub(super) fn newest(&self) -> (usize, Option<Listed>) {
        let list = self.open();
        let replayed = list.replayed(&self.derived);
        let mut waiting = list.letters.iter().filter(|letter| letter.offset > replayed);
        (waiting.clone().count(), waiting.next_back().cloned())
    }
}

/// What was not said yet.
#[derive(Default)]
struct Unsaid {
    count: u64,
    dropped: u64,
    first: Option<u64>,
    last: u64,
    topics: BTreeSet<String>,
    why: String,
}

/// What was not logged yet.
#[derive(Default)]
struct Unlogged {
    kept: u64,
    newest: Option<Listed>,
    unkept: u64,
    said: Option<Instant>,
}

impl Unlogged {
    /// Logs what there is, if that is due or `all` must be said.
    fn log(&mut self, all: bool) {
        if self.kept + self.unkept == 0 || !all && self.said.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let (kept, unkept) = (std::mem::take(&mut self.kept), std::mem::take(&mut self.unkept));
        if let Some(newest) = self.newest.take() {
            tracing::error!(
                count = kept,
                topic = newest.topic,
                bytes = newest.bytes,
                record = newest.of,
                offset = newest.offset,
                why = newest.why,
                "the broker does not take messages; they are set aside as dead letters, the newest is named"
            );
        }
        if unkept > 0 {
            tracing::warn!(count = unkept, "dead letters cannot be kept; they are tried again");
        }
    }
}

/// Keeps letters.
pub(super) struct LetterStore {
    pub(super) journal: Arc<Journal>,
    pub(super) derived: Derived,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) shown: Arc<Letters>,
    /// How the gateway's own topics begin.
    pub(super) own: String,
}

impl LetterStore {
    /// Runs until The connection to the broker has ended.
    pub(super) async fn run(self, mut letters: UnboundedReceiver<Letter>) {
        *self.shown.open() = List::load(&self.derived, self.journal.id());
        let (mut unsaid, mut said, mut changed) = (Unsaid::default(), None::<Instant>, false);
        let mut unlogged = Unlogged::default();
        let mut every = tokio::time::interval(KEEP_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                taken = letters.recv_many(&mut batch, 256) => {
                    if taken == 0 {
                        unlogged.log(true);
                        self.write();
                        return;
                    }
                    changed |= self.keep(&mut batch, &mut unsaid, &mut unlogged).await;
                }
                _ = every.tick() => {
                    changed |= self.shown.open().forget(&self.derived);
                    if std::mem::take(&mut changed) {
                        self.write();
                    }
                }
            }
            unlogged.log(false);
            let due = said.is_none_or(|at| at.elapsed() >= NOTICE_EVERY);
            if due && unsaid.count > 0 {
                said = Some(Instant::now());
                self.say(std::mem::take(&mut unsaid));
            }
        }
    }

    async fn keep(&self, batch: &mut Vec<Letter>, unsaid: &mut Unsaid, unlogged: &mut Unlogged) -> bool {
        let mut waiting = Vec::new();
        for letter in batch.drain(..) {
            let Publication { topic, payload, retain } = &letter.publication;
            let bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            let body = if payload.len() > DEAD_LETTER_MAX { &[][..] } else { payload };
            let (of, tries, why) = (letter.origin, letter.tries, letter.why.as_str());
            let entry = record(&Record::DeadLetter(DeadLetter { of, tries, retain: *retain, bytes, why, topic, body }));
            let (settled, outcome) = tokio::sync::oneshot::channel();
            let time = entry.time;
            self.journal.appender().append(entry, move |outcome: Result<Offset, _>| {
                // Whoever waited may have been stopped.
                let _ = settled.send(outcome.ok());
            });
            waiting.push((letter, time, outcome));
        }
        let mut kept = false;
        for (letter, time, outcome) in waiting {
            let Ok(Some(offset)) = outcome.await else {
                tracing::debug!(topic = letter.publication.topic, "a dead letter cannot be kept; it is tried again");
                unlogged.unkept += 1;
                letter.kept(false);
                continue;
            };
            kept = true;
            let listed = Listed {
                offset: offset.0,
                of: letter.origin,
                time: time.to_rfc3339(),
                topic: letter.publication.topic.clone(),
                bytes: letter.publication.payload.len() as u64,
                tries: letter.tries,
                why: letter.why.clone(),
            };
            tracing::debug!(
                topic = listed.topic,
                bytes = listed.bytes,
                record = listed.of,
                offset = offset.0,
                why = listed.why,
                "the broker does not take a message; it is set aside as a dead letter"
            );
            unlogged.kept += 1;
            unlogged.newest = Some(listed.clone());
            self.note(listed, unsaid);
            letter.kept(true);
        }
        kept
    }

    fn note(&self, listed: Listed, unsaid: &mut Unsaid) {
        let mut list = self.shown.open();
        if !listed.topic.starts_with(&self.own) {
            unsaid.count += 1;
            unsaid.first.get_or_insert(listed.offset);
            unsaid.last = listed.offset;
            unsaid.why.clone_from(&listed.why);
            if unsaid.topics.len() < TOPICS_MAX {
                unsaid.topics.insert(listed.topic.clone());
            }
        }
        list.letters.push_back(listed);
        if list.letters.len() > LETTERS_MAX {
            list.letters.pop_front();
            list.dropped += 1;
            unsaid.dropped += 1;
            self.telemetry.count(Counter::LettersDropped);
        }
    }

    fn say(&self, unsaid: Unsaid) {
        let detail = json!({
            "count": unsaid.count, "unlisted": unsaid.dropped, "topics": unsaid.topics, "why": unsaid.why,
            "first": unsaid.first, "last": unsaid.last,
        });
        self.journal.appender().append(record(&Record::Notice(&notice("dead-letter", None, &detail))), ());
    }

    fn write(&self) {
        let Ok(bytes) = serde_json::to_vec(&*self.shown.open()) else { return };
        if let Err(error) = self.derived.store(LIST, &bytes) {
            tracing::warn!(%error, "the list of dead letters cannot be written; the letters are in the journal");
        }
    }
}

/// The letters of the journal in `dir` that wait to be replayed, as the gateway last wrote them.
///
/// # Errors
/// If there is no journal or it cannot be read.
pub fn list(dir: &Path) -> Result<List, String> {
    let (derived, id) = place(dir)?;
    let mut list = List::load(&derived, id);
    list.forget(&derived);
    Ok(list)
}

/// What was to be published by `letter`; `None` if its body was too long to be kept.
///
/// # Errors
/// If the journal does not hold it any more.
pub fn publication(dir: &Path, letter: &Listed) -> Result<Option<Publication>, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
    let mut reader = Reader::open(Arc::new(OsDisk), dir, Offset(letter.offset)).map_err(|error| said(&error))?;
    let Some(ReadItem::Record(stored)) = reader.next().map_err(|error| said(&error))? else {
        return Err(format!("record {} is not in the journal any more", letter.offset));
    };
    match Record::decode(stored.kind, stored.body) {
        Ok(Record::DeadLetter(kept)) if stored.offset.0 == letter.offset => {
            // What holds now may have been said since: an old state must not be kept by the broker in its place.
            let (topic, payload) = (kept.topic.to_owned(), bytes::Bytes::copy_from_slice(kept.body));
            Ok((kept.body.len() == kept.bytes as usize).then_some(Publication { topic, payload, retain: false }))
        }
        _ => Err(format!("record {} is not in the journal any more", letter.offset)),
    }
}

/// Notes that all letters up to `offset` were published after all.
///
/// # Errors
/// If the file cannot be written.
pub fn replayed(dir: &Path, offset: u64) -> Result<(), String> {
    let (derived, id) = place(dir)?;
    let mut bytes = offset.to_le_bytes().to_vec();
    bytes.extend_from_slice(&id);
    derived.store(REPLAYED, &bytes).map_err(|error| format!("{}: {error}", dir.join(REPLAYED).display()))
}

fn place(dir: &Path) -> Result<(Derived, [u8; 16]), String> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let id = journal::id(&*disk, dir).map_err(|error| format!("the journal in {}: {error}", dir.display()))?;
    let id = id.ok_or_else(|| format!("the journal in {}: there is none", dir.display()))?;
    Ok((Derived::new(disk, dir.to_owned(), id), id))
}
