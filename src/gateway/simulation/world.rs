//! The world around a [`Node`]: stations that send until they are answered, a network that cuts anywhere, a broker that takes when it likes, a
//! disk that fails, and a clock that jumps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::node::{Kept, Node, read, settings};
use crate::gateway::derived::Derived;
use hj212::write;
use hj212_interpret::Interpreter;
use hj212_journal::sim_disk::{Fault, Random, SimDisk};
use hj212_model::message::{Context, Record, Timestamp};
use hj212_model::registry::{self, Registry, Unknown};

/// A fault that the checks must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    Nothing,
    /// What was handed over counts as acknowledged.
    CursorAhead,
    /// A checkpoint is written when it is taken.
    CheckpointAhead,
    /// A frame is answered whatever the disk says.
    AnswerEarly,
    /// The messages say another registry.
    OtherRegistry,
}

const STATIONS: [&str; 2] = ["A", "B"];
const STEPS: u64 = 120;
const SECOND: i64 = 1_000_000;

#[derive(Default)]
struct Station {
    /// Numbers of frames that are not answered yet.
    waits: BTreeSet<u64>,
    /// Bytes on the way.
    wire: Vec<u8>,
    /// Bytes that the gateway has.
    buffer: Vec<u8>,
}

pub(super) struct World {
    random: Random,
    planted: Planted,
    steps: String,
    disk: SimDisk,
    node: Option<Node>,
    registries: Vec<Registry>,
    stations: Vec<Station>,
    number: u64,
    /// What was answered: the number of the frame.
    answered: BTreeSet<u64>,
    /// Everything that was ever read as durable.
    ledger: BTreeMap<u64, Kept>,
    /// Messages under way: packet id, topic, payload; whether the broker has taken it.
    flights: Vec<(u16, String, Vec<u8>, bool)>,
    taken: BTreeSet<(String, Vec<u8>)>,
    connected: bool,
    truth: i64,
    error: i64,
    mono: i64,
    begun: Instant,
}

impl World {
    pub(super) fn new(seed: u64, planted: Planted) -> World {
        let registries = ["One", "Two"].map(|name| {
            let stations = STATIONS.map(|mn| format!("[[station]]\nmn = \"{mn}\"\nname = \"{name} {mn}\"\n")).concat();
            registry::load(&[("s.toml".into(), stations)], Unknown::Reject).unwrap_or_default()
        });
        World {
            random: Random::new(seed),
            planted,
            steps: String::new(),
            disk: SimDisk::new(seed, 4 << 20),
            node: None,
            registries: registries.into(),
            stations: STATIONS.iter().map(|_| Station::default()).collect(),
            number: 0,
            answered: BTreeSet::new(),
            ledger: BTreeMap::new(),
            flights: Vec::new(),
            taken: BTreeSet::new(),
            connected: false,
            truth: 1_795_910_400 * SECOND,
            error: 0,
            mono: 0,
            begun: Instant::now(),
        }
    }

    pub(super) fn steps(&self) -> &str {
        &self.steps
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        let _ = writeln!(self.steps, "{:>6} s  {what}", (self.truth / SECOND) - 1_795_910_400);
    }

    fn wall(&self) -> Timestamp {
        Timestamp((self.truth + self.error).max(0))
    }

    /// The time that the window is told; only differences count.
    fn instant(&self) -> Instant {
        self.begun + Duration::from_micros((self.truth - 1_795_910_400 * SECOND).unsigned_abs())
    }

    pub(super) fn play(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.step()?;
            self.check()?;
        }
        self.end()
    }

    fn step(&mut self) -> Result<(), String> {
        if self.node.is_none() {
            return self.start();
        }
        match self.random.below(100) {
            0..20 => self.frame(),
            20..38 => self.network()?,
            38..45 => self.pass(),
            45..62 => self.interpret()?,
            62..72 => self.send()?,
            72..84 => self.broker(),
            84..89 => self.write(),
            89..91 => self.cut(),
            91..93 => self.jump(),
            93..95 => self.reload(),
            95..97 => self.fault(),
            _ => self.kill()?,
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        self.mono = 0;
        let Some(mut node) = Node::start(&self.disk, (self.wall(), self.mono)) else {
            self.note("start refused");
            self.disk = self.disk.after_kill();
            return Ok(());
        };
        read(node.journal.reader(hj212_journal::Offset(0)), &mut self.ledger)?;
        node.append(self.wall(), &[Record::Started("0"), Record::Clock(self.mono)]);
        node.connect(self.instant());
        self.connected = true;
        let last = node.journal.recovered().last;
        if let Some(gone) = self.ledger.keys().find(|offset| **offset > last.0) {
            return Err(format!("record {gone} was durable and is gone"));
        }
        self.node = Some(node);
        self.note(format_args!("start behind {last}"));
        let held = self.segments();
        if let Some(lost) = self.answered.iter().find(|number| !held.contains(*number)) {
            return Err(format!("frame {lost} was answered and is not in the journal"));
        }
        self.reload();
        Ok(())
    }

    /// The numbers of the frames in the ledger.
    fn segments(&self) -> BTreeSet<u64> {
        let number = |kept: &Kept| {
            let text = String::from_utf8_lossy(&kept.body);
            let (_, rest) = text.split_once("x99-Rtd=")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        self.ledger.values().filter(|kept| kept.kind == 1).filter_map(number).collect()
    }

    /// A station makes a frame.
    fn frame(&mut self) {
        let which = self.random.below(2) as usize;
        self.number += 1;
        let number = self.number;
        self.stations[which].waits.insert(number);
        self.note(format_args!("{} makes frame {number}", STATIONS[which]));
        self.post(which, number);
    }

    fn post(&mut self, which: usize, number: u64) {
        let digits =
            |at: i64| -> String { Timestamp(at).to_rfc3339()[..19].chars().filter(char::is_ascii_digit).collect() };
        let mn = STATIONS[which];
        // Unique by its number, and the same when it is sent again.
        let at = digits((1_795_910_400 + number as i64 * 30) * SECOND);
        let parts = if number.is_multiple_of(7) { "7;PNUM=2;PNO=1" } else { "5" };
        let segment = format!(
            "QN={at}000;ST=31;CN=2011;PW=1;MN={mn};Flag={parts};CP=&&DataTime={at};x99-Rtd={number};a21026-Rtd=7&&"
        );
        write::frame(&mut self.stations[which].wire, |out| out.extend_from_slice(segment.as_bytes()));
    }

    /// Some bytes arrive, cut anywhere; or the connection is lost, and what was not answered is sent again.
    fn network(&mut self) -> Result<(), String> {
        let which = self.random.below(2) as usize;
        if self.random.below(8) == 0 {
            self.note(format_args!("{} is cut off", STATIONS[which]));
            let station = &mut self.stations[which];
            station.wire.clear();
            station.buffer.clear();
            for number in station.waits.clone() {
                self.post(which, number);
            }
            return Ok(());
        }
        let length = self.stations[which].wire.len() as u64;
        let count = if self.random.below(2) == 0 { length } else { self.random.below(length + 1) } as usize;
        let station = &mut self.stations[which];
        station.buffer.extend(station.wire.drain(..count));
        let mut buffer = std::mem::take(&mut station.buffer);
        let now = self.wall();
        let Some(node) = &self.node else { return Ok(()) };
        let Some(registry) = self.registries.first() else { return Ok(()) };
        let heard = node.hear(&mut buffer, registry, now);
        self.stations[which].buffer = buffer;
        for (segment, outcome) in heard {
            let text = String::from_utf8_lossy(&segment).into_owned();
            let number: u64 = text
                .split_once("x99-Rtd=")
                .and_then(|(_, rest)| rest.split(';').next()?.parse().ok())
                .ok_or("a frame that nobody sent")?;
            self.note(format_args!("frame {number} heard, stored as {outcome:?}"));
            if outcome.is_some() || self.planted == Planted::AnswerEarly {
                self.answered.insert(number);
                self.stations[which].waits.remove(&number);
            }
        }
        Ok(())
    }

    fn pass(&mut self) {
        let seconds = 1 + self.random.below(40) as i64;
        (self.truth, self.mono) = (self.truth + seconds * SECOND, self.mono + seconds * SECOND);
        let (wall, mono) = (self.wall(), self.mono);
        if let Some(node) = &self.node {
            node.append(wall, &[Record::Clock(mono)]);
        }
        self.note(format_args!("{seconds} s pass"));
    }

    fn interpret(&mut self) -> Result<(), String> {
        let many = 1 + self.random.below(8);
        let Some(node) = &mut self.node else { return Ok(()) };
        for _ in 0..many {
            if !node.interpret()? {
                break;
            }
            if self.planted == Planted::CheckpointAhead && node.delivery.keeps() {
                let (offset, state) = node.state();
                let _ = node.derived.store_checkpoint(offset, &state);
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), String> {
        let now = self.instant();
        let Some(node) = self.node.as_mut().filter(|_| self.connected) else { return Ok(()) };
        while let Some((id, topic, payload)) = node.send(now)? {
            self.flights.push((id, topic, payload, false));
        }
        Ok(())
    }

    /// The broker takes something, in any order, and says so, or does not, or refuses, or cuts the connection.
    fn broker(&mut self) {
        let now = self.instant();
        if !self.connected {
            if let Some(node) = &mut self.node {
                node.connect(now);
                self.connected = true;
            }
            return self.note("the broker is back");
        }
        if self.random.below(15) == 0 {
            self.note("the broker cuts the connection");
            return self.leave();
        }
        for _ in 0..1 + self.random.below(8) {
            if self.flights.is_empty() {
                return;
            }
            let which = self.random.below(self.flights.len() as u64) as usize;
            match self.random.below(10) {
                0 => {
                    let (id, ..) = self.flights.remove(which);
                    self.note(format_args!("packet {id} is refused"));
                    if let Some(node) = &mut self.node {
                        node.answered(id, false, now);
                    }
                }
                // Taken, and the word of it is late or lost.
                1..3 => {
                    if let Some(flight) = self.flights.get_mut(which) {
                        flight.3 = true;
                        let (_, topic, payload, _) = flight.clone();
                        self.taken.insert((topic, payload));
                    }
                }
                _ => {
                    let (id, topic, payload, _) = self.flights.remove(which);
                    self.taken.insert((topic, payload));
                    if let Some(node) = &mut self.node {
                        node.answered(id, true, now);
                    }
                }
            }
        }
    }

    fn leave(&mut self) {
        self.flights.clear();
        self.connected = false;
        let now = self.instant();
        if let Some(node) = &mut self.node {
            let _ = node.window.cut(now);
            node.window.reset();
        }
    }

    fn write(&mut self) {
        let planted = self.planted;
        if let Some(node) = &mut self.node {
            let believed = if planted == Planted::CursorAhead { node.seq } else { node.window.delivered() };
            node.write_due(believed);
        }
    }

    fn cut(&mut self) {
        self.note("the broker is away");
        self.leave();
    }

    fn jump(&mut self) {
        self.error = match self.random.below(5) {
            0 => 400 * 86_400 * SECOND,
            1 => -2 * 3600 * SECOND,
            2 => -self.truth,
            _ => 0,
        };
        self.note(format_args!("the clock is wrong by {} s", self.error / SECOND));
    }

    /// Another registry holds from here on.
    fn reload(&mut self) {
        self.registries.rotate_left(1);
        let Some(registry) = self.registries.first() else { return };
        let context = Context { stations: registry.facts(), ..Context::default() };
        let json = serde_json::to_vec(&context).unwrap_or_default();
        let hash: [u8; 32] = Sha256::digest(&json).into();
        let wall = self.wall();
        if let Some(node) = &self.node {
            node.append(wall, &[Record::Context { hash, part: 0, parts: 1, json: &json }]);
        }
        self.note("another registry");
    }

    fn fault(&mut self) {
        let fault = match self.random.below(4) {
            0 => Some(Fault::Syncs),
            1 => Some(Fault::Nth(1 + self.random.below(12))),
            2 => Some(Fault::PowerOff(1 + self.random.below(30))),
            _ => None,
        };
        self.note(format_args!("the disk: {fault:?}"));
        self.disk.set_fault(fault);
        if self.random.below(4) == 0 {
            self.disk.set_capacity(64 << 10);
        }
    }

    fn kill(&mut self) -> Result<(), String> {
        self.look()?;
        let Some(node) = self.node.take() else { return Ok(()) };
        let power = self.random.below(2) == 0;
        let seed = self.random.number();
        let after = if power { self.disk.after_power_cut(seed) } else { self.disk.after_kill() };
        drop(node);
        after.set_capacity(4 << 20);
        self.disk = after;
        self.flights.clear();
        self.connected = false;
        let away = self.random.below(600) as i64;
        self.truth += away * SECOND;
        // The loggers' connections are gone, and what was not answered comes again.
        for which in 0..self.stations.len() {
            self.stations[which].wire.clear();
            self.stations[which].buffer.clear();
            for number in self.stations[which].waits.clone() {
                self.post(which, number);
            }
        }
        self.note(if power { "a power cut" } else { "a kill" });
        Ok(())
    }

    /// Reads what is durable now, before retention can let it go.
    fn look(&mut self) -> Result<(), String> {
        let from = self.ledger.last_key_value().map_or(0, |(last, _)| *last);
        match &self.node {
            Some(node) => read(node.journal.reader(hj212_journal::Offset(from)), &mut self.ledger),
            None => Ok(()),
        }
    }

    /// What must hold at each step.
    fn check(&mut self) -> Result<(), String> {
        self.look()?;
        let Some(node) = &self.node else { return Ok(()) };
        let on_disk = node.delivery.on_disk();
        if let (Some(newest), _) = node.derived.newest()
            && newest > on_disk
        {
            return Err(format!("the checkpoint {newest} is ahead of the cursor {on_disk}"));
        }
        Ok(())
    }

    /// What one interpreter that was never stopped publishes, by record.
    fn replayed(&self) -> Vec<(u64, String, Vec<u8>)> {
        let mut interpreter = Interpreter::new(settings());
        let (mut all, mut out) = (Vec::new(), Vec::new());
        for (offset, kept) in &self.ledger {
            let Ok(record) = Record::decode(kept.kind, &kept.body) else { continue };
            interpreter.on_record(*offset, kept.time, &kept.hash, &record, &mut out);
            all.extend(out.drain(..).map(|said| (*offset, said.topic, said.payload.to_vec())));
        }
        all
    }

    /// The cursor on disk against what the broker took.
    fn check_cursor(&self, replayed: &[(u64, String, Vec<u8>)], cursor: u64) -> Result<(), String> {
        let missing = replayed
            .iter()
            .filter(|(offset, ..)| *offset <= cursor)
            .find(|(_, topic, payload)| !self.taken.contains(&(topic.clone(), payload.clone())));
        match missing {
            Some((offset, topic, _)) => {
                Err(format!("the cursor is at {cursor}, and {topic} of record {offset} was never taken by the broker"))
            }
            None => Ok(()),
        }
    }

    /// Everything is well from here on: all must come.
    fn end(&mut self) -> Result<(), String> {
        self.note("all is well from here on");
        self.kill()?;
        self.disk.set_fault(None);
        self.disk.set_capacity(16 << 20);
        self.error = 0;
        while self.node.is_none() {
            self.start()?;
        }
        if let Some(node) = &self.node {
            let cursor = node.derived.cursor().0;
            self.check_cursor(&self.replayed(), cursor)?;
        }
        for _ in 0..100_000 {
            self.truth += 10 * SECOND;
            let now = self.instant();
            for which in 0..self.stations.len() {
                let station = &mut self.stations[which];
                station.buffer.append(&mut station.wire);
            }
            self.network()?;
            let mut more = self.stations.iter().any(|station| !station.waits.is_empty());
            if !self.connected {
                self.broker();
            }
            let Some(node) = &mut self.node else { return Err("no node".into()) };
            more |= node.interpret()?;
            self.send()?;
            let Some(node) = &mut self.node else { return Err("no node".into()) };
            for (id, topic, payload, _) in std::mem::take(&mut self.flights) {
                self.taken.insert((topic, payload));
                node.answered(id, true, now);
                more = true;
            }
            self.write();
            if !more && self.node.as_ref().is_some_and(|node| node.delivery.is_idle()) {
                return self.compare();
            }
        }
        Err("not everything comes in the end".into())
    }

    fn compare(&mut self) -> Result<(), String> {
        self.look()?;
        let mut replayed = self.replayed();
        if self.planted == Planted::OtherRegistry {
            let other = |payload: &[u8]| String::from_utf8_lossy(payload).replace("One", "Two").into_bytes();
            replayed.iter_mut().for_each(|(_, _, payload)| *payload = other(payload));
        }
        self.check_cursor(&replayed, u64::MAX)?;
        let told: BTreeSet<(&String, &Vec<u8>)> = replayed.iter().map(|(_, topic, payload)| (topic, payload)).collect();
        if let Some((topic, payload)) = self.taken.iter().find(|(topic, payload)| !told.contains(&(topic, payload))) {
            let text = String::from_utf8_lossy(payload);
            return Err(format!("a replay does not give {topic}: {text}"));
        }
        let held = self.segments();
        let all = self.answered.len() as u64 == self.number && self.answered.iter().all(|number| held.contains(number));
        if !all {
            return Err("a frame was not answered, or is not in the journal".into());
        }
        let data = replayed.iter().filter(|(_, topic, _)| topic.ends_with("/data/realtime")).count() as u64;
        let parts = self.number / 7;
        if data + parts < self.number {
            return Err(format!("{data} records of {} frames are published", self.number));
        }
        let id = self.node.as_ref().map(|node| node.journal.id()).unwrap_or_default();
        let disk = std::sync::Arc::new(self.disk.clone());
        let derived = Derived::new(disk, super::node::DIR.into(), id);
        let last = self.ledger.last_key_value().map_or(0, |(last, _)| *last);
        (derived.cursor().0 == last).then_some(()).ok_or_else(|| "the cursor is not at the end".to_owned())
    }
}
