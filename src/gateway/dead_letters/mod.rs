//! Dead letters: messages that the broker would not take, kept so that the others can go on.
//!
//! What must stay true:
//! * a message is only passed over once its letter is in the journal (record kind 25), durable, with the offset of the record that it came
//!   of; a letter that the journal does not take is tried at the broker again;
//! * **the journal says which letters there are** ([`list`]): no kill, full disk or damaged file makes the gateway forget one;
//! * a letter that waits is held by the journal ([`Holder::Letters`]), and written anew before retention comes to it ([`RENEWED_MAX`] at a time),
//!   so that it holds back two segments at most. On a full disk it is held no more, for nobody would be answered: that is said, and the archive
//!   may hold it;
//! * the list shows the newest [`LETTERS_MAX`]; what falls out of it stays in the journal as long as that keeps it, and is counted and said;
//! * the first letter, and then once in [`NOTICE_EVERY`], is said in an event of the gateway (`dead-letter`), so that the notices cannot
//!   become a flood; letters of the gateway's own topics are not said there, or a refused notice would cause the next;
//! * each letter is a record, and a line of the list; the log has a line for the first, and then at most one in [`LOG_EVERY`] with their
//!   number: a station whose topics are refused writes no log of its own.
//!
//! # Files
//!
//! In the journal's folder, see [`hj212_journal::store_file`]: `dead-letters`, JSON, by the gateway; `dead-letters-replayed`, offset u64
//! little-endian, the journal's id, then offsets u64, by `hj212-gateway dead-letters replay`: letters up to the first have been published
//! after all, but for the others.

mod list;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::derived::Derived;
use super::record;
use hj212_journal::{Disk, Health, Holder, Journal, Offset, OsDisk, ReadItem};
use hj212_model::message::{DEAD_LETTER_MAX, DeadLetter, Publication, Record, notice};
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_mqtt::Letter;
pub use list::{LettersReplayed, List, Listed, dropped, list, publication, replayed};

/// Letters in the list.
pub const LETTERS_MAX: usize = 1000;
/// At most one notice in this time.
const NOTICE_EVERY: Duration = Duration::from_secs(60);
/// At most one line of the log in this time.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// The list is written, and it is looked for what was replayed, at most so often.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// It is written at least so often while records come, so that a start reads little of the journal.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Letters written anew at a time.
const RENEWED_MAX: usize = 64;
/// Topics named in a notice.
const TOPICS_MAX: usize = 8;

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

    /// How many there are in the list, the newest, and how many fell out of it. What another process has replayed is not counted from the
    /// moment at which it says so.
    pub(super) fn newest(&self) -> (usize, Option<Listed>, u64) {
        let list = self.open();
        let replayed = list.replayed(&self.derived);
        let mut waiting = list.letters.iter().filter(|letter| !replayed.has(letter.offset));
        (waiting.clone().count(), waiting.next_back().cloned(), list.dropped)
    }

    /// How many there are, those that fell out of the list among them.
    pub(super) fn waiting(&self) -> u64 {
        let (listed, _, dropped) = self.newest();
        (listed as u64).saturating_add(dropped)
    }
}

/// The record kind of letters.
const DEAD_LETTER: u8 = 25;

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
    /// Runs until the connection to the broker has ended.
    pub(super) async fn run(self, mut letters: UnboundedReceiver<Letter>) {
        let keeper = Arc::new(self).opened().await;
        let (mut unsaid, mut said, mut changed) = (Unsaid::default(), None::<Instant>, false);
        let mut unlogged = Unlogged::default();
        let mut written = Instant::now();
        // Letters whose records can be read no more: nothing is held for them.
        let mut gone = BTreeSet::new();
        let mut every = tokio::time::interval(KEEP_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                taken = letters.recv_many(&mut batch, 256) => {
                    if taken == 0 {
                        unlogged.log(true);
                        keeper.write();
                        return;
                    }
                    changed |= keeper.keep(&mut batch, &mut unsaid, &mut unlogged).await;
                }
                _ = every.tick() => {
                    let replayed = keeper.shown.open().replayed(&keeper.derived);
                    changed |= keeper.shown.open().forget(&replayed);
                    changed |= keeper.renew(&mut gone).await;
                    keeper.hold(&gone);
                    if std::mem::take(&mut changed) || written.elapsed() >= WRITE_EVERY {
                        written = Instant::now();
                        keeper.write();
                    }
                }
            }
            unlogged.log(false);
            let due = said.is_none_or(|at| at.elapsed() >= NOTICE_EVERY);
            if due && unsaid.count > 0 {
                said = Some(Instant::now());
                keeper.say(std::mem::take(&mut unsaid));
            }
        }
    }

    /// Makes the list whole from the journal; what comes meanwhile waits.
    async fn opened(self: Arc<Self>) -> Arc<Self> {
        let this = Arc::clone(&self);
        let made = tokio::task::spawn_blocking(move || {
            let disk: Arc<dyn Disk> = Arc::new(OsDisk);
            let mut list = List::load(&this.derived);
            let said = list.replayed(&this.derived);
            let mut replayed = said.clone();
            list.cut(this.journal.recovered().last, &mut replayed);
            if replayed != said
                && let Err(error) = replayed.store(&this.derived, &this.journal.id())
            {
                tracing::error!(%error, "what was replayed lies beyond the journal's end, and that cannot be written down");
            }
            let found = list.complete(&disk, this.derived.dir(), &replayed, this.derived.cursor());
            list.forget(&replayed);
            match found {
                Ok(0) => {}
                Ok(count) => tracing::warn!(count, "dead letters that the list did not know were found in the journal"),
                Err(error) => {
                    tracing::error!(%error, "the journal cannot be read for dead letters: some may not be listed")
                }
            }
            *this.shown.open() = list;
        });
        if made.await.is_err() {
            tracing::error!("the list of dead letters could not be made");
        }
        self
    }

    /// Writes those anew that lie where retention comes next; whether there were any.
    async fn renew(&self, gone: &mut BTreeSet<u64>) -> bool {
        let before = self.journal.renew_before();
        let old = |letter: &&Listed| letter.offset < before.0 && !gone.contains(&letter.offset);
        let due: Vec<u64> =
            self.shown.open().letters.iter().filter(old).take(RENEWED_MAX).map(|letter| letter.offset).collect();
        let mut any = false;
        for offset in due {
            let Some(body) = self.body(offset) else {
                tracing::error!(offset, "a dead letter is in the journal no more; the archive may hold it");
                gone.insert(offset);
                continue;
            };
            let Ok(Record::DeadLetter(letter)) = Record::decode(DEAD_LETTER, &body) else { continue };
            let (settled, outcome) = tokio::sync::oneshot::channel();
            self.journal.appender().append(record(&Record::DeadLetter(letter)), move |outcome: Result<Offset, _>| {
                let _ = settled.send(outcome.ok());
            });
            let Ok(Some(anew)) = outcome.await else { break };
            any = true;
            let mut list = self.shown.open();
            if let Some(at) = list.letters.iter().position(|letter| letter.offset == offset)
                && let Some(mut letter) = list.letters.remove(at)
            {
                letter.offset = anew.0;
                list.letters.push_back(letter);
            }
        }
        any
    }

    fn body(&self, offset: u64) -> Option<Vec<u8>> {
        let mut reader = self.journal.reader(Offset(offset));
        match reader.next() {
            Ok(Some(ReadItem::Record(stored))) if stored.offset.0 == offset && stored.kind == DEAD_LETTER => {
                Some(stored.body.to_vec())
            }
            _ => None,
        }
    }

    /// Says what the journal is to hold.
    fn hold(&self, gone: &BTreeSet<u64>) {
        let oldest = || {
            let list = self.shown.open();
            list.letters.iter().map(|letter| letter.offset).filter(|offset| !gone.contains(offset)).min()
        };
        // Where nothing can be stored nothing can be written anew, and nobody is answered before there is room.
        let floor = if self.journal.health() == Health::Good { oldest() } else { None };
        self.journal.keep_from(Holder::Letters, floor.map_or(Offset(u64::MAX), Offset));
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
        if !list.take(listed) {
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

    /// Writes the list; up to the end of the journal it is complete, for whoever appends letters has waited for them.
    fn write(&self) {
        let durable = self.journal.tail().durable().0;
        let mut list = self.shown.open();
        list.through = list.through.max(durable);
        if let Err(error) = list.store(&self.derived) {
            tracing::warn!(%error, "the list of dead letters cannot be written; the letters are in the journal");
        }
    }
}

#[cfg(test)]
mod tests;
