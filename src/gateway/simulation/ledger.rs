//! What is known to be durable, and what must follow from it: one interpreter that is never stopped, and the lives of all requests.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher;

use super::Planted;
use super::node::settings;
use hj212::packet;
use hj212_downlink::{Step, created_at};
use hj212_interpret::{Interpreter, Says};
use hj212_journal::{GapCause, ReadItem, Reader};
use hj212_model::message::{Kind, Record, Timestamp};

/// A frame goes out so often at most: once, and three times again.
const SENDINGS_MAX: u8 = 4;
/// How far the time in a command may be from the host's clock when it goes out: the desk's own limit, and a second.
const TIME_OFF_MAX: i64 = 6_000_000;

/// The host's clock when a frame goes out.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostClock {
    pub(super) shown: Timestamp,
    /// It is right, or has been wrong by the same for so long that nobody can know.
    pub(super) is_believable: bool,
}
/// How late a time that an operator gave may go out: a drift that nobody corrects, and a second.
const GIVEN_LATE_MAX: i64 = 121_000_000;

/// The life of a request, by what is durable of it.
#[derive(Debug, Default)]
struct Story {
    /// Its area, and when that was durable by the true time.
    queued: Option<(String, i64)>,
    confirmed: bool,
    cancelled: bool,
    refused: u32,
    qn: Option<String>,
    ends: u32,
}

/// What is durable of a QN, and how often it has gone out.
#[derive(Debug)]
struct Sending {
    of: (String, String),
    count: u8,
    gone_out: u8,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Command,
    Confirmation,
    Cancellation,
}

pub(super) struct Ledger {
    planted: Planted,
    /// All records that were ever read as durable, by their hash in the chain.
    records: BTreeMap<u64, [u8; 32]>,
    /// QNs of the stations' own records that are in the journal.
    pub(super) held: BTreeSet<String>,
    interpreter: Interpreter,
    /// What that says of records behind `verified`.
    expected: BTreeMap<u64, Vec<u64>>,
    /// All that it ever said.
    told: HashSet<u64>,
    /// All that the broker took.
    taken: HashSet<u64>,
    /// Up to here the broker has all.
    verified: u64,
    /// Readings published.
    pub(super) data: u64,
    unreadable: u64,
    stories: BTreeMap<(String, String), Story>,
    sendings: BTreeMap<String, Sending>,
    /// Ends that were read for the first time.
    pub(super) fresh_ends: Vec<Step>,
}

fn hash(topic: &str, payload: &[u8]) -> u64 {
    foldhash::fast::FixedState::default().hash_one((topic, payload))
}

impl Ledger {
    pub(super) fn new(planted: Planted) -> Ledger {
        Ledger {
            planted,
            records: BTreeMap::new(),
            held: BTreeSet::new(),
            interpreter: Interpreter::new(settings()),
            expected: BTreeMap::new(),
            told: HashSet::new(),
            taken: HashSet::new(),
            verified: 0,
            data: 0,
            unreadable: 0,
            stories: BTreeMap::new(),
            sendings: BTreeMap::new(),
            fresh_ends: Vec::new(),
        }
    }

    /// Everything that `reader` finds. `now`: the true time.
    pub(super) fn read(&mut self, reader: &mut Reader, now: i64) -> Result<(), String> {
        loop {
            match reader.next() {
                Ok(Some(ReadItem::Record(stored))) => {
                    let offset = stored.offset.0;
                    match self.records.get(&offset) {
                        Some(known) if *known != stored.hash => return Err(format!("record {offset} has changed")),
                        Some(_) => continue,
                        None => drop(self.records.insert(offset, stored.hash)),
                    }
                    let Ok(record) = Record::decode(stored.kind, stored.body) else {
                        return Err(format!("record {offset} cannot be decoded"));
                    };
                    if let Record::Frame(heard) = &record {
                        let header = packet::parse(heard.segment);
                        if header.cn == Some(2011) {
                            self.held.insert(String::from_utf8_lossy(header.qn.unwrap_or_default()).into_owned());
                        }
                    }
                    if let Record::Command(body) = &record
                        && let Some(step) = Step::decode(body)
                    {
                        self.note(step, now)?;
                    }
                    self.expect(offset, stored.time, &stored.hash, &record);
                }
                Ok(Some(ReadItem::Gap { first, last, cause: GapCause::Damaged })) => {
                    return Err(format!("the records from {first} to {last} are damaged"));
                }
                Ok(Some(ReadItem::Gap { .. })) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(format!("the journal cannot be read although nothing fails: {error}")),
            }
        }
    }

    /// The newest record that was ever durable.
    pub(super) fn last(&self) -> u64 {
        self.records.last_key_value().map_or(0, |(last, _)| *last)
    }

    fn expect(&mut self, offset: u64, time: Timestamp, chain: &[u8; 32], record: &Record<'_>) {
        let mut out = Vec::new();
        self.interpreter.on_record(offset, time, chain, record, &mut out);
        let mut all = Vec::with_capacity(out.len());
        for said in out {
            self.data += u64::from(matches!(&said.content, Says::Data(data) if data.kind == Kind::Realtime));
            let is_closed = said.payload.windows(16).any(|text| text == b"\"readable\":false");
            self.unreadable += u64::from(is_closed);
            let hash = if self.planted == Planted::OtherRegistry {
                let text = String::from_utf8_lossy(&said.payload).replace("One", "Two");
                hash(&said.topic, text.as_bytes())
            } else {
                hash(&said.topic, &said.payload)
            };
            self.told.insert(hash);
            all.push(hash);
        }
        if !all.is_empty() {
            self.expected.insert(offset, all);
        }
    }

    /// The broker has taken a message.
    pub(super) fn took(&mut self, topic: &str, payload: &[u8]) {
        self.taken.insert(hash(topic, payload));
    }

    /// A message is handed to the broker.
    pub(super) fn handed(&self, topic: &str, payload: &[u8]) -> Result<(), String> {
        if self.told.contains(&hash(topic, payload)) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(payload);
        Err(format!("published, and no interpretation of the journal says it: {topic} {text}"))
    }

    /// The cursor on disk against what the broker took.
    pub(super) fn check_cursor(&mut self, cursor: u64) -> Result<(), String> {
        let behind = self.expected.range(..=cursor);
        for (offset, all) in behind {
            if !all.iter().all(|hash| self.taken.contains(hash)) {
                return Err(format!(
                    "the cursor on disk is at {cursor}, and what record {offset} gives was never taken by the broker"
                ));
            }
        }
        self.expected = self.expected.split_off(&(cursor.saturating_add(1)));
        self.verified = self.verified.max(cursor);
        Ok(())
    }

    /// Whether all that was to be taken was, and readably.
    pub(super) fn check_all_taken(&mut self) -> Result<(), String> {
        self.check_cursor(u64::MAX)?;
        if self.unreadable > 0 {
            return Err(format!("{} records could not be read although their keys were given", self.unreadable));
        }
        Ok(())
    }

    fn note(&mut self, step: Step, now: i64) -> Result<(), String> {
        let Some(id) = step.id() else { return Ok(()) };
        let of = (step.mn().to_owned(), id.to_owned());
        let story = self.stories.entry(of.clone()).or_default();
        match &step {
            Step::Queued { area, .. } => {
                if story.queued.replace((area.clone(), now)).is_some() {
                    return Err(format!("{id} is queued twice"));
                }
            }
            Step::Confirmed { .. } => story.confirmed = true,
            Step::Cancel { .. } => story.cancelled = true,
            Step::Refused { .. } => story.refused += 1,
            Step::Sent { qn, count, .. } => {
                let before = story.qn.replace(qn.clone()).filter(|before| before != qn);
                if let Some(before) = before {
                    return Err(format!("{id} has two QNs: {before} and {qn}"));
                }
                if *count > SENDINGS_MAX || *count == 0 {
                    return Err(format!("{id} is to be sent the {count}th time"));
                }
                let sending =
                    self.sendings.entry(qn.clone()).or_insert(Sending { of: of.clone(), count: 0, gone_out: 0 });
                if sending.of != of {
                    return Err(format!("{qn} is of two requests: {} and {id}", sending.of.1));
                }
                if sending.count >= *count && sending.gone_out >= sending.count {
                    return Err(format!("{id} is to be sent the {count}th time again"));
                }
                sending.count = sending.count.max(*count);
            }
            Step::Ended { .. } => {
                story.ends += 1;
                if story.ends > 1 {
                    return Err(format!("{id} has ended twice"));
                }
                if story.queued.is_none() {
                    return Err(format!("{id} has ended and never begun"));
                }
                self.fresh_ends.push(step);
            }
            Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Key { .. }
            | Step::Moved { .. }
            | Step::KeyNote { .. }
            | Step::Clock { .. } => {}
        }
        Ok(())
    }

    /// A frame goes out to a station at the true time `now`, when the host's clock is so.
    pub(super) fn goes_out(&mut self, frame: &[u8], clock: HostClock, now: i64) -> Result<(), String> {
        let header = packet::parse(frame.get(6..frame.len().saturating_sub(6)).unwrap_or_default());
        let qn = String::from_utf8_lossy(header.qn.unwrap_or_default()).into_owned();
        let Some(sending) = self.sendings.get_mut(&qn) else {
            return Err(format!("{qn} is sent and no durable step says so"));
        };
        sending.gone_out += 1;
        let (count, gone_out) = (sending.count, sending.gone_out);
        if gone_out > count {
            return Err(format!("{qn} is sent the {gone_out}th time, durable are {count}"));
        }
        let area = String::from_utf8_lossy(header.area).into_owned();
        let Some((_, said)) = area.split_once("SystemTime=").filter(|_| header.cn == Some(1012)) else { return Ok(()) };
        let queued = self.stories.get(&sending.of).and_then(|story| story.queued.as_ref());
        let Some((asked, asked_at)) = queued else { return Err(format!("{qn} is of no request")) };
        if asked.ends_with("SystemTime=NOW") {
            let said = created_at(&format!("{}000", said.get(..14).unwrap_or_default()));
            let off = said.map_or(i64::MAX, |said| clock.shown.0.saturating_sub(said.0).saturating_abs());
            if off > TIME_OFF_MAX {
                return Err(format!("{qn} sets a clock to a time that is {} s off", off / 1_000_000));
            }
            if !clock.is_believable {
                return Err(format!("{qn} sets a clock by a host's clock that jumped"));
            }
        } else if now - asked_at > GIVEN_LATE_MAX {
            return Err(format!("{qn} sets a clock to a time given {} s ago", (now - asked_at) / 1_000_000));
        }
        Ok(())
    }

    /// Whether what a request wants is durable, or its refusal.
    pub(super) fn is_durable(&self, mn: &str, id: &str, wants: Wants) -> bool {
        self.stories.get(&(mn.to_owned(), id.to_owned())).is_some_and(|story| {
            story.refused > 0
                || match wants {
                    Wants::Command => story.queued.is_some(),
                    Wants::Confirmation => story.confirmed,
                    Wants::Cancellation => story.cancelled,
                }
        })
    }

    /// Requests that are queued and have no end.
    pub(super) fn open(&self) -> Vec<&(String, String)> {
        let open = |(_, story): &(&_, &Story)| story.queued.is_some() && story.ends == 0;
        self.stories.iter().filter(open).map(|(of, _)| of).collect()
    }
}
