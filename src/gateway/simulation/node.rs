//! One life of the gateway, from a start to a kill: the real parts, put together without a runtime.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::gateway::delivery::{Delivery, Due};
use crate::gateway::derived::Derived;
use crate::gateway::uplink::interpret;
use hj212::{Item, Limits, Peer, packet, scan};
use hj212_interpret::{self as interpret, Interpreter};
use hj212_journal::sim_disk::SimDisk;
use hj212_journal::{self as journal, Entry, Holder, Journal, Offset, ReadItem, Reader};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use hj212_model::registry::Registry;
use hj212_model::session;
use hj212_mqtt::window::{Cargo, Verdict, Window};

pub(super) const DIR: &str = "/j";
/// Sends without an answer.
pub(super) const WINDOW: u16 = 8;

pub(super) fn settings() -> interpret::Settings {
    interpret::Settings {
        gateway: "sim".into(),
        parts_max_wait: Duration::from_secs(60),
        ..interpret::Settings::default()
    }
}

fn journal_settings() -> journal::Settings {
    journal::Settings { dir: DIR.into(), segment_size: 16 << 10, reserve: 0, ..journal::Settings::default() }
}

/// A record as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) time: Timestamp,
    pub(super) kind: u8,
    pub(super) hash: [u8; 32],
    pub(super) body: Vec<u8>,
}

/// All records from `from` on.
pub(super) fn read(mut reader: Reader, into: &mut BTreeMap<u64, Kept>) -> Result<(), String> {
    loop {
        match reader.next() {
            Ok(Some(ReadItem::Record(stored))) => {
                let kept = Kept { time: stored.time, kind: stored.kind, hash: stored.hash, body: stored.body.to_vec() };
                match into.get(&stored.offset.0) {
                    Some(known) if *known != kept => return Err(format!("record {} has changed", stored.offset)),
                    Some(_) => {}
                    None => drop(into.insert(stored.offset.0, kept)),
                }
            }
            Ok(Some(ReadItem::Gap { .. })) => {}
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}

pub(super) struct Node {
    pub(super) journal: Journal,
    pub(super) derived: Derived,
    interpreter: Interpreter,
    reader: Reader,
    pub(super) delivery: Delivery,
    pub(super) window: Window,
    /// The last number given to a publication.
    pub(super) seq: u64,
    position: Offset,
    /// The next packet id.
    id: u16,
}

impl Node {
    /// Starts on `disk`; `None` if the disk refuses.
    pub(super) fn start(disk: &SimDisk, now: (Timestamp, i64)) -> Option<Node> {
        let clock = Box::new(move || now);
        let journal = journal::open_by(Arc::new(disk.clone()), &journal_settings(), Arc::default(), clock).ok()?;
        let derived = Derived::new(Arc::new(disk.clone()), Path::new(DIR).to_owned(), journal.id());
        derived.forget_beyond(journal.recovered().last).ok()?;
        derived.prepare();
        let cursor = derived.cursor();
        let found = derived
            .checkpoints_up_to(cursor)
            .find_map(|(offset, state)| Some((offset, Interpreter::restore(settings(), &state).ok()?)));
        let (mut position, mut interpreter) =
            found.unwrap_or_else(|| (Offset(journal.first().0.saturating_sub(1)), Interpreter::new(settings())));
        journal.keep_from(Holder::Interpretation, position.next());
        journal.keep_from(Holder::Commands, Offset(u64::MAX));
        let mut reader = journal.reader(position.next());
        while position < cursor {
            match reader.next().ok()?? {
                ReadItem::Record(stored) => position = interpret(&mut interpreter, &stored, &mut Vec::new()).0,
                ReadItem::Gap { last, .. } => position = last,
            }
        }
        journal.delivered(cursor);
        let reader = journal.reader(position.next());
        let delivery = Delivery::new(cursor, position, 12);
        let window = Window::new(WINDOW, Duration::from_secs(1), Duration::from_secs(8));
        Some(Node { journal, derived, interpreter, reader, delivery, window, seq: 0, position, id: 0 })
    }

    /// Appends records together and waits for what becomes of them.
    pub(super) fn append(&self, time: Timestamp, records: &[Record<'_>]) -> Vec<Option<Offset>> {
        let (settled, outcomes) = mpsc::channel();
        let entries = records.iter().map(|record| {
            let mut body = Vec::new();
            record.encode(&mut body);
            let settled = settled.clone();
            let receipt = move |outcome: Result<Offset, _>| settled.send(outcome.ok()).unwrap_or_default();
            (Entry { time, kind: record.kind(), body }, receipt)
        });
        self.journal.appender().append_all(entries);
        (0..records.len()).map(|_| outcomes.recv().ok().flatten()).collect()
    }

    /// Takes what a connection's buffer holds; the segments that were accepted, and whether they are on disk.
    pub(super) fn hear(
        &self,
        buffer: &mut Vec<u8>,
        registry: &Registry,
        now: Timestamp,
    ) -> Vec<(Vec<u8>, Option<Offset>)> {
        let mut heard = Vec::new();
        let address: IpAddr = [127, 0, 0, 1].into();
        loop {
            let step = scan(buffer, Peer::Sending, &Limits::default());
            let used = step.used;
            if let Some(Item::Frame(frame)) = step.item {
                let header = packet::parse(frame.segment);
                let verdict = session::judge(
                    &frame,
                    &header,
                    address,
                    registry,
                    |_| Default::default(),
                    |_, _| {},
                    |_| Arc::from([]),
                );
                if let session::Verdict::Accepted { deviations, .. } = verdict {
                    let from = Peering { connection: 1, peer: (address, 7000).into() };
                    let record = Record::Frame(Heard { from, deviations, segment: frame.segment, raw: frame.raw });
                    let outcome = self.append(now, &[record]).first().copied().flatten();
                    heard.push((frame.segment.to_vec(), outcome));
                }
            }
            if used == 0 {
                return heard;
            }
            buffer.drain(..used);
        }
    }

    /// Interprets and hands over one record, if there is room and one.
    pub(super) fn interpret(&mut self) -> Result<bool, String> {
        if self.window.room() == 0 {
            return Ok(false);
        }
        let mut out = Vec::new();
        let time = match self.reader.next() {
            Ok(Some(ReadItem::Record(stored))) => {
                self.position = interpret(&mut self.interpreter, &stored, &mut out).0;
                stored.time
            }
            Ok(Some(ReadItem::Gap { last, .. })) => {
                self.position = last;
                Timestamp(0)
            }
            Ok(None) | Err(_) => return Ok(false),
        };
        for publication in out {
            self.seq = self.window.push(publication, self.position.0);
        }
        self.delivery.handed(self.position, time, self.seq);
        if self.delivery.wants_state() {
            self.delivery.keep(self.interpreter.snapshot());
        }
        Ok(true)
    }

    /// The next message on its way to the broker: packet id, topic, payload.
    pub(super) fn send(&mut self, now: Instant) -> Result<Option<(u16, String, Vec<u8>)>, String> {
        let Some(cargo @ Cargo::Numbered(_)) = self.window.next(now) else { return Ok(None) };
        let publication = self.window.publication(cargo).ok_or("a message without a body")?.clone();
        self.window.handed(cargo, now);
        self.id = self.id % WINDOW + 1;
        self.window.sent(self.id).map_err(|_| "a packet id is used twice")?;
        Ok(Some((self.id, publication.topic, publication.payload.to_vec())))
    }

    /// The broker's word on a packet id.
    pub(super) fn answered(&mut self, id: u16, taken: bool, now: Instant) {
        let verdict = if taken { Verdict::Taken } else { Verdict::Refused };
        self.window.answered(id, verdict, now);
    }

    /// A connection to the broker stands, or stands again.
    pub(super) fn connect(&mut self, now: Instant) {
        let _ = self.window.cut(now);
        self.id = 0;
        self.window.open(WINDOW.into());
    }

    /// Writes what is due; `believed`: up to where everything is taken as acknowledged.
    pub(super) fn write_due(&mut self, believed: u64) {
        let _ = self.delivery.acknowledged(believed);
        while let Some(due) = self.delivery.due(true) {
            match due {
                Due::Cursor(cursor) => {
                    if self.derived.store_cursor(cursor).is_err() {
                        return;
                    }
                    self.delivery.stored(cursor);
                    self.journal.delivered(cursor);
                }
                Due::Checkpoint(offset, state) => {
                    if self.derived.store_checkpoint(offset, &state).is_ok() {
                        let _ = self.derived.thin(4, u64::MAX, self.journal.first());
                        self.journal.keep_from(Holder::Interpretation, offset.next());
                    }
                }
            }
        }
    }

    /// The state now, as a checkpoint would have it.
    pub(super) fn state(&self) -> (Offset, Vec<u8>) {
        (self.position, self.interpreter.snapshot())
    }
}
