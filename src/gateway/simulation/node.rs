//! One life of the gateway, from a start to a kill: the real parts, put together without a runtime.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::Planted;
use super::life::{Asked, Dial, Hands, Traces};
use crate::gateway::command_desk::{self, DeskRunner, Place, StepStore};
use crate::gateway::delivery::{Delivery, Due};
use crate::gateway::derived::Derived;
use crate::gateway::uplink::{foresee_in, interpret};
use crate::net::{self, ListenerState, OutgoingFrame, OutgoingFrames, StationNotice, Stored};
use hj212::sm4;
use hj212::{Item, Limits, Peer, packet, scan};
use hj212_downlink::{Allow, Clocks, FirstContact};
use hj212_interpret::Interpreter;
use hj212_journal::sim_disk::SimDisk;
use hj212_journal::{Entry, Holder, Journal, Offset, ReadItem, Reader};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use hj212_model::registry::Registry;
use hj212_model::session;
use hj212_mqtt::window::{BrokerReply, Outgoing, Window};

pub(super) const DIR: &str = "/j";
/// Sends without an answer.
pub(super) const WINDOW: u16 = 8;
/// Records between two checkpoints.
const CHECKPOINT_EVERY: u64 = 12;

pub(super) fn settings() -> hj212_interpret::Settings {
    hj212_interpret::Settings {
        gateway: "sim".into(),
        parts_max_wait: Duration::from_secs(60),
        ..hj212_interpret::Settings::default()
    }
}

pub(super) fn command_settings() -> hj212_downlink::Settings {
    let all = || vec!["*".to_owned()];
    hj212_downlink::Settings {
        enabled: true,
        allow: vec![Allow { stations: all(), commands: all(), authors: all(), roles: Vec::new() }],
        plain_secrets: true,
        expiry: Duration::from_secs(3600),
        clock: Clocks { answer_requests: true, ..Clocks::default() },
        first_contact: FirstContact { set_time: true, ..FirstContact::default() },
        ..hj212_downlink::Settings::default()
    }
}

/// Small segments, of which delivered ones go soon: what a restart needs must be held.
fn journal_settings() -> hj212_journal::Settings {
    hj212_journal::Settings {
        dir: DIR.into(),
        segment_size: 4 << 10,
        keep_size: 8 << 10,
        reserve: 0,
        ..hj212_journal::Settings::default()
    }
}

/// The files beside the journal, on a small disk.
pub(super) fn derived_of(disk: &SimDisk, id: [u8; 16]) -> Derived {
    Derived::new(Arc::new(disk.clone()), Path::new(DIR).to_owned(), id).with_spare_of(4096)
}

/// What a start is given.
pub(super) struct Begin<'a> {
    pub(super) disk: &'a SimDisk,
    pub(super) dial: Arc<Dial>,
    pub(super) registry: &'a Registry,
    pub(super) keys: Rc<Cell<u64>>,
    pub(super) planted: Planted,
}

/// A frame that was accepted: its segment, and whether it is on disk.
pub(super) struct Taken {
    pub(super) segment: Vec<u8>,
    pub(super) outcome: Option<Offset>,
}

pub(super) struct Node {
    pub(super) journal: Arc<Journal>,
    pub(super) derived: Derived,
    interpreter: Interpreter,
    reader: Reader,
    /// What the checks read with.
    pub(super) watch: Reader,
    pub(super) delivery: Delivery,
    pub(super) window: Window,
    /// The last number given to a publication.
    pub(super) seq: u64,
    position: Offset,
    /// The next packet id.
    id: u16,
    pub(super) listeners: Arc<ListenerState>,
    pub(super) runner: DeskRunner<Hands, Asked>,
    pub(super) traces: Rc<Traces>,
    planted: Planted,
    /// On which connection each station speaks.
    places: BTreeMap<String, u64>,
    outgoing: BTreeMap<u64, Arc<OutgoingFrames>>,
    /// What the runner has not yet heard.
    pub(super) news: VecDeque<StationNotice>,
}

impl Node {
    /// Starts; `None` if the disk refuses.
    pub(super) fn start(begin: &Begin<'_>) -> Option<Node> {
        let Begin { disk, registry, planted, .. } = *begin;
        let dial = Arc::clone(&begin.dial);
        let clock = Box::new(move || dial.read());
        let journal =
            hj212_journal::open_by(Arc::new(disk.clone()), &journal_settings(), Arc::default(), clock).ok()?;
        let journal = Arc::new(journal);
        let derived = derived_of(disk, journal.id());
        derived.forget_beyond(journal.recovered().last).ok()?;
        derived.prepare();
        let cursor = derived.cursor();
        let found = derived
            .checkpoints_up_to(cursor)
            .find_map(|(offset, state)| Some((offset, Interpreter::restore(settings(), &state).ok()?)));
        let oldest = journal.first();
        journal.keep_from(Holder::Interpretation, found.as_ref().map_or(oldest, |(offset, _)| offset.next()));
        let (mut position, mut interpreter) = match found {
            Some(found) => found,
            None => {
                let mut interpreter = Interpreter::new(settings());
                if oldest.0 > 1 && !foresee_in(&mut journal.reader(Offset(0)), &mut interpreter).ok()? {
                    return None;
                }
                (Offset(oldest.0.saturating_sub(1)), interpreter)
            }
        };
        let mut reader = journal.reader(position.next());
        while position < cursor {
            match reader.next().ok()?? {
                ReadItem::Record(stored) => position = interpret(&mut interpreter, &stored, &mut Vec::new()).0,
                ReadItem::Gap { last, .. } => position = last,
            }
        }
        journal.delivered(cursor);
        let listeners = Arc::new(ListenerState::new(
            net::Settings::default(),
            registry.clone(),
            journal.appender(),
            Arc::default(),
            || Timestamp(0),
        ));
        command_desk::follow_early(&derived, &listeners, &command_settings());
        forget(&derived, planted);
        let command = command_settings();
        let step_store = StepStore::restore(Arc::clone(&journal), derived.clone(), command.ids_max, Duration::ZERO);
        let traces = Rc::new(Traces::default());
        let hands = Hands {
            dial: Arc::clone(&begin.dial),
            journal: Arc::clone(&journal),
            traces: Rc::clone(&traces),
            keys: Rc::clone(&begin.keys),
            planted,
        };
        let place = Place {
            settings: command,
            prefix: settings().prefix,
            listeners: Arc::clone(&listeners),
            telemetry: Arc::default(),
            secrets: None,
        };
        Some(Node {
            runner: DeskRunner::open(place, step_store, hands),
            reader: journal.reader(position.next()),
            watch: journal.reader(Offset(0)),
            delivery: Delivery::new(cursor, position, CHECKPOINT_EVERY),
            window: Window::new(WINDOW, Duration::from_secs(1), Duration::from_secs(8)),
            journal,
            derived,
            interpreter,
            seq: 0,
            position,
            id: 0,
            listeners,
            traces,
            planted,
            places: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            news: VecDeque::new(),
        })
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

    /// Takes what the buffer of a connection holds; the runner hears of what is stored later.
    pub(super) fn hear(&mut self, connection: u64, buffer: &mut Vec<u8>, now: Timestamp) -> Result<Vec<Taken>, String> {
        let mut taken = Vec::new();
        let address: IpAddr = [127, 0, 0, 1].into();
        let registry = self.listeners.registry();
        loop {
            let step = scan(buffer, Peer::Sending, &Limits::default());
            let used = step.used;
            if let Some(Item::Frame(frame)) = step.item {
                let header = packet::parse(frame.segment);
                let learned = |_: &_| Default::default();
                let keys = |station: &_| self.listeners.keys_of(station);
                match session::judge(&frame, &header, address, &registry, learned, |_, _| {}, keys) {
                    session::FrameVerdict::Accepted { station, dialect, deviations } => {
                        let from = Peering { connection, peer: (address, 7000).into() };
                        let record = Record::Frame(Heard { from, deviations, segment: frame.segment, raw: frame.raw });
                        let outcome = self.append(now, &[record]).first().copied().flatten();
                        if outcome.is_some() {
                            let sealed = sm4::looks_sealed(&frame).then_some(frame.check.said);
                            let frame = Stored { at: now, segment: frame.segment.into(), sealed };
                            let edition = station.facts.edition.unwrap_or(dialect.edition);
                            self.tell(&station.mn, connection, edition, frame);
                        }
                        taken.push(Taken { segment: frame.segment.to_vec(), outcome });
                    }
                    session::FrameVerdict::Refused { reason, .. } => {
                        let said = String::from_utf8_lossy(frame.segment).into_owned();
                        return Err(format!("a frame of a registered station is refused ({}): {said}", reason.code()));
                    }
                }
            }
            if used == 0 {
                return Ok(taken);
            }
            buffer.drain(..used);
        }
    }

    fn tell(&mut self, mn: &str, connection: u64, edition: hj212::Edition, frame: Stored) {
        let came = self.places.insert(mn.to_owned(), connection) != Some(connection);
        let news = if came {
            let outgoing = Arc::clone(self.outgoing.entry(connection).or_default());
            StationNotice::Came { mn: mn.into(), connection, edition, outgoing, frame }
        } else {
            StationNotice::Heard { mn: mn.into(), frame }
        };
        self.news.push_back(news);
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self, connection: u64) {
        self.outgoing.remove(&connection);
        let gone = |on: &u64| *on == connection;
        for (mn, _) in self.places.extract_if(.., |_, on| gone(on)) {
            self.news.push_back(StationNotice::Left { mn: mn.as_str().into(), connection });
        }
    }

    /// The frames for stations that the runner has posted since this was asked last, with their connections.
    pub(super) fn letters(&self) -> Vec<(u64, OutgoingFrame)> {
        let all = self.outgoing.iter().flat_map(|(on, outgoing)| outgoing.emptied().into_iter().map(|it| (*on, it)));
        let mut all: Vec<(u64, OutgoingFrame)> = all.collect();
        if self.planted == Planted::SentTwice {
            let copies =
                |(on, it): &(u64, OutgoingFrame)| (*on, OutgoingFrame { mn: it.mn.clone(), frame: it.frame.clone() });
            all.extend(all.iter().map(copies).collect::<Vec<_>>());
        }
        all
    }

    /// The runner is told what became of its oldest step; false if nothing has.
    pub(super) fn settle(&mut self) -> bool {
        let settled = self.traces.settled.borrow_mut().pop_front();
        if let Some((ticket, outcome)) = settled {
            self.runner.settle(ticket, outcome);
        }
        settled.is_some()
    }

    /// The runner hears the oldest news; false if there are none.
    pub(super) fn hear_news(&mut self) -> bool {
        let news = self.news.pop_front();
        let any = news.is_some();
        news.into_iter().for_each(|news| self.runner.hear(news));
        any
    }

    /// The runner does what is due, if anything is.
    pub(super) fn do_what_is_due(&mut self, now: i64) {
        if self.planted != Planted::NeverEnded && self.runner.wake().0 <= now {
            self.runner.due();
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
            self.seq = self.window.push(publication.publication, self.position.0);
        }
        self.delivery.handed(self.position, time, self.seq);
        if self.delivery.wants_state() {
            self.delivery.keep(self.interpreter.snapshot());
        }
        Ok(true)
    }

    /// The next message on its way to the broker: packet id, topic, payload.
    pub(super) fn send(&mut self, now: Instant) -> Result<Option<(u16, String, Vec<u8>)>, String> {
        let Some(cargo @ Outgoing::Numbered(_)) = self.window.next(now) else { return Ok(None) };
        let publication = self.window.publication(cargo).ok_or("a message without a body")?.clone();
        self.window.handed(cargo, now);
        self.id = self.id % WINDOW + 1;
        self.window.sent(self.id).map_err(|_| "a packet id is used twice")?;
        Ok(Some((self.id, publication.topic, publication.payload.to_vec())))
    }

    /// The broker's word on a packet id.
    pub(super) fn answered(&mut self, id: u16, taken: bool, now: Instant) {
        let verdict = if taken { BrokerReply::Taken } else { BrokerReply::Refused };
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
        while let Some(due) = self.delivery.due(true, Offset(u64::MAX)) {
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
                        let (newest, before) = self.derived.newest();
                        if let Some(from) = before.or(newest).filter(|from| *from <= self.delivery.on_disk()) {
                            self.journal.keep_from(Holder::Interpretation, from.next());
                        }
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

/// Loses what is to be lost of the desk's file.
fn forget(derived: &Derived, planted: Planted) {
    let without = match planted {
        Planted::DeskForgotten => return derived.forget(command_desk::FILE).unwrap_or_default(),
        Planted::KeysForgotten => "\"step\":\"key\"",
        Planted::SendingForgotten => "\"step\":\"sent\"",
        _ => return,
    };
    let Some(bytes) = derived.load(command_desk::FILE) else { return };
    let kept: Vec<&[u8]> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !String::from_utf8_lossy(line).contains(without))
        .collect();
    derived.store(command_desk::FILE, &kept.concat()).unwrap_or_default();
}
