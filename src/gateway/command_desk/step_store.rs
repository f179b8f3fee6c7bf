//! What of the desk's steps is on disk: the file `desk` beside the journal, and the journal's records behind it.
//!
//! What must stay true:
//! * a step is known here only when it is on disk; the request that it came of is given back then and never before, and a step of another
//!   thing (the key that a request has made) is none of its own: killed between the two, the broker hands it out again;
//! * the journal is held against retention from the first record that may be of a step which is not in the file;
//! * file and journal together give all steps that matter, whenever the power goes, and whatever could not be read at a start: the file never
//!   claims records that were not read, and they stay held.
//!
//! # File
//!
//! `desk`, replaced by rename: a JSON object a line. First `{"offset": …, "keys_at": …}`: the record up to which the steps below are
//! complete, when the keys were last journalled, and how stations were heard to speak ([`Spoken`]) where their registration leaves that open; then `[microseconds, step]` (see [`compact`]). Passwords and keys stand in it, as in
//! the journal.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::derived::Derived;
use hj212_downlink::{Spoken, Step, compact};
use hj212_journal::{Holder, Journal, Offset, ReadItem};
use hj212_model::clock::belief::Belief;
use hj212_model::message::{Record, Timestamp};

pub(in crate::gateway) const FILE: &str = "desk";
/// A place of the journal that cannot be read is tried so often.
const READ_TRIES: u32 = 5;
/// Keys are journalled again when they were not for so long: the journal alone must be enough to read what it holds.
const KEYS_EVERY: i64 = 24 * 3_600_000_000;

/// The first line of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Head {
    offset: u64,
    keys_at: i64,
    #[serde(default)]
    spoken: BTreeMap<String, Spoken>,
}

/// See the head of this file. `R`: a request that waits to be acknowledged to the broker.
pub(in crate::gateway) struct StepStore<R> {
    journal: Arc<Journal>,
    derived: Derived,
    ledger: compact::Ledger,
    head: Head,
    /// Steps on their way to disk.
    under_way: BTreeMap<u64, (Timestamp, Step)>,
    /// Requests to be acknowledged when a step is on disk.
    asked: BTreeMap<u64, R>,
    /// Those of which no step is asked for yet (a key comes first), by station and id.
    awaited: BTreeMap<(String, String), R>,
    changed: bool,
    /// Whether the journal could be read to its end. If not, the file stays as it is: it must not claim what is not known.
    is_whole: bool,
    /// The first record that may be of a step which is not in the file: the journal is held from there.
    unkept: Option<Offset>,
}

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Became<R> {
    /// It is on disk; the request that it came of, if it was the first step of one.
    Durable(Option<R>),
    /// The journal refused it.
    Refused,
    /// Nobody asked.
    Unknown,
}

impl<R> StepStore<R> {
    /// What the last run left. `again`: how long to wait before a place that cannot be read is tried again.
    pub(in crate::gateway) fn restore(
        journal: Arc<Journal>,
        derived: Derived,
        ids_max: usize,
        again: Duration,
    ) -> StepStore<R> {
        let mut step_store = StepStore {
            ledger: compact::Ledger::new(ids_max),
            head: Head::default(),
            under_way: BTreeMap::new(),
            asked: BTreeMap::new(),
            awaited: BTreeMap::new(),
            changed: false,
            is_whole: true,
            unkept: None,
            journal,
            derived,
        };
        step_store.read_on(again);
        step_store.changed = step_store.unkept.is_some();
        step_store.hold();
        step_store
    }

    /// The steps of the file and those of the journal behind it.
    fn read_on(&mut self, again: Duration) {
        let (head, steps) = self.derived.load(FILE).and_then(|bytes| read(&bytes)).unwrap_or_default();
        self.head = head;
        steps.into_iter().for_each(|(at, step)| self.ledger.note(at, step));
        let end = self.journal.tail().durable();
        self.head.offset = self.head.offset.min(end.0);
        let mut reader = self.journal.reader(Offset(self.head.offset + 1));
        let mut tries = 0;
        while self.head.offset < end.0 {
            match reader.next() {
                Ok(Some(ReadItem::Record(stored))) => {
                    self.head.offset = stored.offset.0;
                    if let Ok(Record::Command(body)) = Record::decode(stored.kind, stored.body)
                        && let Some(step) = Step::decode(body)
                    {
                        self.unkept = self.unkept.or(Some(stored.offset));
                        self.ledger.note(stored.time, step);
                    }
                }
                Ok(Some(ReadItem::Gap { last, .. })) => self.head.offset = last.0,
                Ok(None) => break,
                Err(error) if tries < READ_TRIES => {
                    tries += 1;
                    tracing::error!(%error, after = self.head.offset, "the journal cannot be read for commands; trying again");
                    std::thread::sleep(again);
                    if tries == READ_TRIES && error.is_of_the_medium() {
                        // Without its block, and once more from the beginning of the count: there may be others.
                        tries = 0;
                        reader.pass_unreadable();
                    }
                }
                Err(error) => {
                    tracing::error!(
                        %error,
                        after = self.head.offset,
                        "the journal cannot be read for commands: those behind this place are not known until a start that can read it"
                    );
                    self.is_whole = false;
                    self.unkept = self.unkept.or(Some(Offset(self.head.offset).next()));
                    break;
                }
            }
        }
    }

    /// What the journal tells of the date.
    pub(in crate::gateway) fn believed(&self) -> Belief {
        self.journal.believed().clone()
    }

    /// The steps that matter.
    pub(in crate::gateway) fn steps(&self) -> Vec<(Timestamp, Step)> {
        self.ledger.steps().cloned().collect()
    }

    /// How stations were heard to speak.
    pub(in crate::gateway) const fn spoken(&self) -> &BTreeMap<String, Spoken> {
        &self.head.spoken
    }

    /// How stations were heard to speak by now; goes into the file when that is written.
    pub(in crate::gateway) fn note_spoken(&mut self, spoken: BTreeMap<String, Spoken>) {
        if self.head.spoken != spoken {
            self.head.spoken = spoken;
            self.changed = true;
        }
    }

    /// The keys, if they are to be journalled again now.
    pub(in crate::gateway) fn keys_to_say(&mut self, now: Timestamp) -> Vec<Step> {
        // Said at a date that is still to come, they were said when the clock was wrong: nobody knows when.
        if (0..KEYS_EVERY).contains(&now.0.saturating_sub(self.head.keys_at)) {
            return Vec::new();
        }
        self.head.keys_at = now.0;
        self.changed = true;
        self.ledger.keys().filter_map(|(_, step)| step.again()).collect()
    }

    /// Holds what a restart needs of the journal.
    fn hold(&self) {
        self.journal.keep_from(Holder::Commands, self.unkept.unwrap_or(Offset(u64::MAX)));
    }

    /// A step that is about to be appended at `at`.
    pub(in crate::gateway) fn begin(&mut self, ticket: u64, at: Timestamp, step: Step) {
        if let Some(id) = step.id()
            && let Some(request) = self.awaited.remove(&(step.mn().to_owned(), id.to_owned()))
        {
            self.asked.insert(ticket, request);
        }
        self.under_way.insert(ticket, (at, step));
        if self.unkept.is_none() {
            // Before it is appended: it cannot be stored before this record.
            self.unkept = Some(self.journal.tail().durable().next());
            self.hold();
        }
    }

    /// `request` is to be acknowledged when the step of this ticket is on disk.
    pub(in crate::gateway) fn asked(&mut self, ticket: u64, request: R) {
        self.asked.insert(ticket, request);
    }

    /// `request` is to be acknowledged when the first step that has its id is on disk; none is asked for yet.
    pub(in crate::gateway) fn awaited(&mut self, mn: &str, id: &str, request: R) {
        self.awaited.insert((mn.to_owned(), id.to_owned()), request);
    }

    /// What became of the step of a ticket.
    pub(in crate::gateway) fn settle(&mut self, ticket: u64, outcome: Option<Offset>) -> Became<R> {
        let Some((at, step)) = self.under_way.remove(&ticket) else { return Became::Unknown };
        let Some(offset) = outcome else { return Became::Refused };
        self.head.offset = self.head.offset.max(offset.0);
        self.ledger.note(at, step);
        self.changed = true;
        Became::Durable(self.asked.remove(&ticket))
    }

    /// Whether no step is on its way to disk.
    pub(in crate::gateway) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether the file does not say all that is known.
    pub(in crate::gateway) const fn has_changed(&self) -> bool {
        self.changed
    }

    /// Writes the file.
    pub(in crate::gateway) fn keep(&mut self) -> io::Result<()> {
        self.changed = false;
        if !self.is_whole {
            return Ok(());
        }
        if self.under_way.is_empty() {
            // All steps up to here are known.
            self.head.offset = self.head.offset.max(self.journal.tail().durable().0);
        }
        let mut bytes = serde_json::to_vec(&self.head).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend(compact::write(self.ledger.steps()));
        let stored = self.derived.store(FILE, &bytes);
        match &stored {
            Err(_) => self.changed = true,
            Ok(()) if self.under_way.is_empty() => {
                self.unkept = None;
                self.hold();
            }
            Ok(()) => {}
        }
        stored
    }
}

/// The steps of the file, and the record up to which they are complete; `None` if there is none or it cannot be read.
pub(in crate::gateway) fn remembered(derived: &Derived) -> Option<(Offset, Vec<(Timestamp, Step)>)> {
    let (head, steps) = derived.load(FILE).and_then(|bytes| read(&bytes))?;
    Some((Offset(head.offset), steps))
}

/// The steps of the file; `None` if it cannot be read.
pub(in crate::gateway) fn steps(bytes: &[u8]) -> Option<Vec<(Timestamp, Step)>> {
    read(bytes).map(|(_, steps)| steps)
}

fn read(bytes: &[u8]) -> Option<(Head, Vec<(Timestamp, Step)>)> {
    let (head, steps) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n')?);
    let read = serde_json::from_slice(head).ok().zip(compact::read(steps));
    if read.is_none() {
        tracing::error!("the file of the command desk cannot be read; the journal is read from its beginning");
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212_downlink::Origin;
    use hj212_journal::Entry;
    use hj212_journal::sim_disk::{Operation, Refusal, SimDisk};

    fn open(disk: &SimDisk) -> (Arc<Journal>, Derived) {
        let settings =
            hj212_journal::Settings { dir: "/j".into(), segment_size: 8192, reserve: 0, ..Default::default() };
        let journal = Arc::new(hj212_journal::open(Arc::new(disk.clone()), &settings, Arc::default()).unwrap());
        let derived = Derived::new(Arc::new(disk.clone()), "/j".into(), journal.id());
        (journal, derived)
    }

    fn step_store(journal: &Arc<Journal>, derived: &Derived) -> StepStore<&'static str> {
        StepStore::restore(Arc::clone(journal), derived.clone(), 100, Duration::ZERO)
    }

    fn queued(id: &str) -> Step {
        Step::Queued {
            mn: "A".into(),
            id: id.into(),
            command: "get-time".into(),
            cn: 1011,
            edition: hj212::Edition::V2017,
            area: String::new(),
            new_mn: None,
            origin: Origin::Operator,
            author: "li".into(),
            why: "x".into(),
            expires: Timestamp(i64::MAX),
            confirm: None,
        }
    }

    fn key() -> Step {
        let key = hj212::sm4::Key::from_text("0123456789abcdef").unwrap();
        Step::of_key(&hj212_downlink::StationKey { mn: "A".into(), created: "20260101000000000".into(), key }, false)
    }

    fn append(
        journal: &Journal,
        step_store: &mut StepStore<&'static str>,
        ticket: u64,
        step: Step,
    ) -> Became<&'static str> {
        let mut body = Vec::new();
        let encoded = step.encode();
        let record = Record::Command(&encoded);
        record.encode(&mut body);
        let entry = Entry { time: Timestamp(ticket.cast_signed()), kind: record.kind(), body };
        step_store.begin(ticket, entry.time, step);
        let (send, outcome) = std::sync::mpsc::channel();
        journal.appender().append(entry, move |settled: Result<Offset, _>| send.send(settled).unwrap_or_default());
        step_store.settle(ticket, outcome.recv().unwrap().ok())
    }

    fn ids(step_store: &StepStore<&'static str>) -> Vec<String> {
        step_store.steps().iter().filter_map(|(_, step)| step.id().map(str::to_owned)).collect()
    }

    #[test]
    fn what_could_not_be_read_at_a_start_is_never_claimed_as_known() {
        let disk = SimDisk::new(1, 1 << 24);
        let (journal, derived) = open(&disk);
        let mut own = step_store(&journal, &derived);
        append(&journal, &mut own, 1, queued("a"));
        own.keep().unwrap();
        append(&journal, &mut own, 2, queued("b"));
        disk.refuse(Some(Refusal { operation: Operation::Read, file: ".seg", errno: 24 }));
        let mut blind = step_store(&journal, &derived);
        assert_eq!(ids(&blind), ["a"], "the journal cannot be read");
        disk.refuse(None);
        append(&journal, &mut blind, 3, queued("c"));
        blind.keep().unwrap();
        assert_eq!(ids(&step_store(&journal, &derived)), ["a", "b", "c"], "the next start knows all");
    }

    #[test]
    fn a_request_for_a_key_is_given_back_at_its_own_step_and_not_at_that_of_the_key() {
        let disk = SimDisk::new(1, 1 << 24);
        let (journal, derived) = open(&disk);
        let mut own = step_store(&journal, &derived);
        own.awaited("A", "k", "the request");
        assert_eq!(append(&journal, &mut own, 1, key()), Became::Durable(None));
        assert_eq!(append(&journal, &mut own, 2, queued("k")), Became::Durable(Some("the request")));
    }

    #[test]
    fn keys_that_were_said_at_a_date_to_come_are_said_again() {
        let disk = SimDisk::new(1, 1 << 24);
        let (journal, derived) = open(&disk);
        let mut own = step_store(&journal, &derived);
        append(&journal, &mut own, 1, key());
        let day = KEYS_EVERY;
        assert_eq!(own.keys_to_say(Timestamp(400 * day)).len(), 1);
        assert_eq!(own.keys_to_say(Timestamp(400 * day + 1)).len(), 0);
        assert_eq!(own.keys_to_say(Timestamp(2 * day)).len(), 1, "the clock was 400 days ahead");
    }
}
