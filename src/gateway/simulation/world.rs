//! The world around a [`Node`]: what happens in it, step by step, and what must hold after each. Stations, broker and operators have files of
//! their own.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::Planted;
use super::broker::{Flight, Held};
use super::ledger::{HostClock, Ledger};
use super::life::Dial;
use super::node::{Begin, Node, command_settings, derived_of};
use super::stations::{EDITIONS, FIRST_KEY, PASSWORD, STATIONS, Station};
use crate::gateway::command_desk::Order;
use hj212::sm4::Key;
use hj212_downlink::StationKey;
use hj212_journal::sim_disk::{Fault, Random, SimDisk};
use hj212_model::clock::belief::CONFIRM;
use hj212_model::message::{Context, Record, Timestamp};
use hj212_model::registry::{self, Registry, Unknown};

const STEPS: u64 = 150;
pub(super) const SECOND: i64 = 1_000_000;
/// When all of this happens.
pub(super) const BEGIN: i64 = 1_795_910_400 * SECOND;
/// Room on the disk; when it is full; in the end.
const ROOM: u64 = 4 << 20;
const FULL: u64 = 64 << 10;

/// What all seeds share.
pub(super) struct Prepared {
    /// Two registries, and each as a context: its name and text.
    registries: [(Registry, [u8; 32], Vec<u8>); 2],
}

impl Prepared {
    pub(super) fn new() -> Prepared {
        let registries = ["One", "Two"].map(|name| {
            let row = |(mn, edition): (&str, hj212::Edition)| {
                let year = edition.year();
                format!(
                    "[[station]]\nmn = \"{mn}\"\nname = \"{name} {mn}\"\nedition = \"{year}\"\npw = \"{PASSWORD}\"\n"
                )
            };
            let stations: String = STATIONS.into_iter().zip(EDITIONS).map(row).collect();
            let registry = registry::load(&[("s.toml".into(), stations)], Unknown::Reject).unwrap();
            let context = Context { stations: registry.facts(), ..Context::default() };
            let json = serde_json::to_vec(&context).unwrap();
            (registry, Sha256::digest(&json).into(), json)
        });
        Prepared { registries }
    }
}

pub(super) struct World<'p> {
    prepared: &'p Prepared,
    pub(super) random: Random,
    pub(super) planted: Planted,
    /// The steps, if they are to be written down.
    pub(super) steps: String,
    telling: bool,
    disk: SimDisk,
    dial: Arc<Dial>,
    keys: Rc<Cell<u64>>,
    pub(super) node: Option<Node>,
    /// Which registry holds.
    registry: usize,
    pub(super) stations: Vec<Station>,
    pub(super) connections: u64,
    /// Frames made, and their numbers by QN.
    pub(super) number: u64,
    pub(super) numbers: BTreeMap<String, u64>,
    /// What was answered: the number of the frame.
    pub(super) answered: BTreeSet<u64>,
    pub(super) ledger: Ledger,
    /// Messages under way.
    pub(super) flights: Vec<Flight>,
    pub(super) connected: bool,
    /// Requests at the broker, how many there were, and what operators know of them.
    pub(super) requests: Vec<Held>,
    pub(super) requested: u64,
    pub(super) asked: Vec<(String, String)>,
    pub(super) to_confirm: BTreeMap<(String, String), String>,
    truth: i64,
    /// By how much the host's clock is wrong.
    error: i64,
    /// Since when, in true time.
    error_since: i64,
    /// How long this life has lasted.
    steady: i64,
    begun: Instant,
    /// Changes of names on the disk when the checkpoints were last looked at.
    names: u64,
}

impl<'p> World<'p> {
    pub(super) fn new(prepared: &'p Prepared, seed: u64, planted: Planted, telling: bool) -> World<'p> {
        let mut random = Random::new(seed);
        World {
            stations: (0..STATIONS.len()).map(|which| Station::new(which, which as u64 + 1, &mut random)).collect(),
            connections: STATIONS.len() as u64,
            prepared,
            random,
            planted,
            steps: String::new(),
            telling,
            disk: SimDisk::new(seed, ROOM),
            dial: Arc::default(),
            keys: Rc::default(),
            node: None,
            registry: 0,
            number: 0,
            numbers: BTreeMap::new(),
            answered: BTreeSet::new(),
            ledger: Ledger::new(planted),
            flights: Vec::new(),
            connected: false,
            requests: Vec::new(),
            requested: 0,
            asked: Vec::new(),
            to_confirm: BTreeMap::new(),
            truth: BEGIN,
            error: 0,
            error_since: BEGIN,
            steady: 0,
            begun: Instant::now(),
            names: 0,
        }
    }

    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        if self.telling {
            let _ = writeln!(self.steps, "{:>6} s  {what}", (self.truth - BEGIN) / SECOND);
        }
    }

    pub(super) fn wall(&self) -> Timestamp {
        Timestamp((self.truth + self.error).max(0))
    }

    /// The time that the window is told; only differences count.
    pub(super) fn instant(&self) -> Instant {
        self.begun + Duration::from_micros((self.truth - BEGIN).unsigned_abs())
    }

    fn advance(&mut self, micros: i64) {
        (self.truth, self.steady) = (self.truth + micros, self.steady + micros);
        self.dial.set(self.wall(), self.steady);
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
        match self.random.below(130) {
            0..18 => self.frame(),
            18..36 => self.network()?,
            36..44 => self.pass(),
            44..58 => self.interpret()?,
            58..67 => self.send()?,
            67..77 => self.broker(),
            77..81 => self.write(),
            81..83 => {
                self.note("the broker is away");
                self.leave();
            }
            83..85 => self.jump()?,
            85..87 => self.reload(),
            87..90 => self.fault(),
            90..93 => self.kill()?,
            93..106 => self.desk()?,
            106..110 => drop(self.hand_over()?),
            110..120 => {
                let which = self.random.below(2) as usize;
                self.obey(which, false)?;
            }
            120..127 => self.ask(),
            _ => self.plan_a_kill(),
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        self.steady = 0;
        self.dial = Arc::default();
        self.dial.set(self.wall(), 0);
        let prepared = self.prepared;
        let begin = Begin {
            disk: &self.disk,
            dial: Arc::clone(&self.dial),
            registry: &prepared.registries[self.registry].0,
            keys: Rc::clone(&self.keys),
            planted: self.planted,
        };
        let Some(mut node) = Node::start(&begin) else {
            self.note("start refused");
            self.disk = self.disk.after_kill();
            return Ok(());
        };
        let last = node.journal.recovered().last;
        if self.ledger.last() > last.0 {
            return Err(format!("record {} was durable and is gone", self.ledger.last()));
        }
        let (ledger, truth) = (&mut self.ledger, self.truth);
        self.disk.unnoticed(|| ledger.read(&mut node.watch, truth))?;
        self.ledger.check_cursor(node.delivery.on_disk().0)?;
        node.append(self.wall(), &[Record::Started("0"), Record::Clock(self.steady)]);
        node.connect(self.instant());
        self.connected = true;
        self.node = Some(node);
        self.note(format_args!("start behind {last}"));
        if let Some(lost) = self.answered.iter().find(|number| !self.is_held(**number)) {
            return Err(format!("frame {lost} was answered and is not in the journal"));
        }
        self.announce();
        if let Some(node) = &mut self.node {
            let key = Key::from_text(FIRST_KEY).unwrap();
            let own = StationKey { mn: STATIONS[1].to_owned(), created: "20260101000000000".to_owned(), key };
            node.runner.obey(Order::Keys(vec![own]));
        }
        self.after_the_runner()
    }

    fn is_held(&self, number: u64) -> bool {
        self.ledger.held.contains(&super::stations::qn_of(number))
    }

    fn pass(&mut self) {
        let seconds = 1 + self.random.below(40) as i64;
        self.advance(seconds * SECOND);
        let (wall, steady) = (self.wall(), self.steady);
        if let Some(node) = &self.node {
            node.append(wall, &[Record::Clock(steady)]);
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

    fn write(&mut self) {
        let planted = self.planted;
        if let Some(node) = &mut self.node {
            let believed = if planted == Planted::CursorAhead { node.seq } else { node.window.delivered() };
            node.write_due(believed);
            let cursor = node.delivery.on_disk();
            self.note(format_args!("the cursor on disk is {cursor}"));
        }
    }

    /// The clock is set; the gateway looks at it soon.
    fn jump(&mut self) -> Result<(), String> {
        let before = self.error;
        self.error = match self.random.below(5) {
            0 => 400 * 86_400 * SECOND,
            1 => -2 * 3600 * SECOND,
            2 => -self.truth,
            _ => 0,
        };
        if self.error != before {
            self.error_since = self.truth;
        }
        self.advance(0);
        self.note(format_args!("the clock is wrong by {} s", self.error / SECOND));
        if let Some(node) = &mut self.node {
            node.runner.due();
        }
        self.after_the_runner()
    }

    /// Another registry holds from here on.
    fn reload(&mut self) {
        self.registry = 1 - self.registry;
        let prepared = self.prepared;
        if let Some(node) = &mut self.node {
            node.listeners.replace_registry(prepared.registries[self.registry].0.clone());
            node.runner.obey(Order::Reload(Box::new(command_settings())));
        }
        self.note("another registry");
        self.announce();
    }

    /// The registry goes into the journal.
    fn announce(&mut self) {
        let prepared = self.prepared;
        let (_, hash, json) = &prepared.registries[self.registry];
        let wall = self.wall();
        if let Some(node) = &self.node {
            node.append(wall, &[Record::Context { hash: *hash, part: 0, parts: 1, json }]);
        }
    }

    fn fault(&mut self) {
        let (fault, room) = match self.random.below(7) {
            0 => (Some(Fault::Syncs), ROOM),
            1 => (Some(Fault::Nth(1 + self.random.below(12))), ROOM),
            2 => (Some(Fault::PowerOff(1 + self.random.below(30))), ROOM),
            3 => (None, FULL),
            _ => (None, ROOM),
        };
        self.note(format_args!("the disk: {fault:?}, room for {room}"));
        self.disk.set_fault(fault);
        self.disk.set_capacity(room);
    }

    /// The gateway is killed at one of the runner's next appends.
    fn plan_a_kill(&mut self) {
        let left = self.random.below(3) as u32;
        self.note(format_args!("it will be killed after {left} steps of commands"));
        if let Some(node) = &self.node {
            node.traces.appends_left.set(Some(left));
        }
    }

    /// The runner does some of what it has to do.
    fn desk(&mut self) -> Result<(), String> {
        for _ in 0..1 + self.random.below(4) {
            let steady = self.steady;
            let choice = self.random.below(4);
            let Some(node) = &mut self.node else { return Ok(()) };
            match choice {
                0 => {
                    node.hear_news();
                }
                1 => node.do_what_is_due(steady),
                _ => {
                    node.settle();
                }
            }
            self.after_the_runner()?;
        }
        Ok(())
    }

    /// What the runner has posted is on its way to the stations, what it has acknowledged leaves the broker.
    pub(super) fn after_the_runner(&mut self) -> Result<(), String> {
        let Some(node) = &self.node else { return Ok(()) };
        let letters = node.letters();
        let is_dead = node.traces.is_dead.get();
        if !letters.is_empty() {
            self.look()?;
        }
        for (connection, letter) in letters {
            let clock = HostClock {
                shown: self.wall(),
                is_believable: self.error == 0 || self.truth - self.error_since >= CONFIRM,
            };
            let truth = self.truth;
            self.note(format_args!("to {}: {}", letter.mn, String::from_utf8_lossy(&letter.frame).trim_end()));
            self.ledger.goes_out(&letter.frame, clock, truth)?;
            if let Some(station) = self.stations.iter_mut().find(|station| station.connection == connection) {
                station.down.push_back(letter.frame.to_vec());
            }
        }
        self.note_acknowledged()?;
        if is_dead { self.kill() } else { Ok(()) }
    }

    fn kill(&mut self) -> Result<(), String> {
        self.look()?;
        let Some(node) = self.node.take() else { return Ok(()) };
        let power = self.random.below(2) == 0;
        let seed = self.random.number();
        let after = if power { self.disk.after_power_cut(seed) } else { self.disk.after_kill() };
        drop(node);
        after.set_capacity(ROOM);
        self.disk = after;
        self.names = 0;
        self.leave();
        let away = self.random.below(600) as i64;
        self.truth += away * SECOND;
        self.note(if power { "a power cut" } else { "a kill" });
        // The loggers' connections are gone, and what was not answered comes again.
        (0..self.stations.len()).for_each(|which| self.cut(which));
        Ok(())
    }

    /// Reads what is durable now, before retention can let it go.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let Some(node) = &mut self.node else { return Ok(()) };
        let (ledger, truth) = (&mut self.ledger, self.truth);
        self.disk.unnoticed(|| ledger.read(&mut node.watch, truth))?;
        let ends = std::mem::take(&mut self.ledger.fresh_ends);
        if self.planted == Planted::EndedTwice {
            let wall = Timestamp((self.truth + self.error).max(0));
            ends.iter().for_each(|end| drop(node.append(wall, &[Record::Command(&end.encode())])));
        }
        Ok(())
    }

    /// What must hold at each step.
    fn check(&mut self) -> Result<(), String> {
        self.look()?;
        let Some(node) = &self.node else { return Ok(()) };
        let on_disk = node.delivery.on_disk();
        self.ledger.check_cursor(on_disk.0)?;
        let names = self.disk.name_changes();
        if self.names != names {
            self.names = names;
            if let Some(newest) = self.newest_checkpoint()
                && newest > on_disk.0
            {
                return Err(format!("the checkpoint {newest} is ahead of the cursor {on_disk}"));
            }
        }
        let station = &self.stations[1];
        let ring = node.runner.desk().keys(STATIONS[1]);
        if station.seals && !ring.is_some_and(|ring| ring.to_try().any(|key| *key == station.logger.key)) {
            return Err("the key that the station uses is lost".to_owned());
        }
        Ok(())
    }

    /// By the names on the disk, which are looked at without asking it: a look is no operation that could fail.
    fn newest_checkpoint(&self) -> Option<u64> {
        let paths = self.disk.paths();
        let digits = paths.iter().filter_map(|path| path.file_name()?.to_str()?.strip_prefix("state-"));
        digits.filter_map(|digits| digits.parse().ok()).max()
    }

    /// Everything is well from here on: all must come.
    fn end(&mut self) -> Result<(), String> {
        self.note("all is well from here on");
        self.kill()?;
        self.disk.set_fault(None);
        self.disk.set_capacity(ROOM);
        self.error = 0;
        for _ in 0..3 {
            if self.node.is_none() {
                self.start()?;
            }
        }
        (0..self.stations.len()).for_each(|which| self.make_frame(which));
        for _ in 0..20_000 {
            let mut more = self.stations.iter().any(|station| !station.waits.is_empty()) || !self.requests.is_empty();
            more |= self.go_on_well()?;
            let Some(node) = &self.node else { return Err("killed for nothing".into()) };
            if !more && node.delivery.is_idle() {
                if node.runner.desk().open() == 0 && node.delivery.on_disk() == node.delivery.cursor() {
                    return self.compare();
                }
                // What is still open ends by time alone.
                let next = node.runner.wake().0.max(self.steady + SECOND);
                self.advance(next - self.steady);
            } else {
                self.advance(SECOND);
            }
        }
        Err(format!("not everything comes in the end; open: {:?}", self.ledger.open()))
    }

    /// Everybody does what he has to do; whether anything happened.
    fn go_on_well(&mut self) -> Result<bool, String> {
        let mut more = false;
        for which in 0..self.stations.len() {
            while self.obey(which, true)? {
                more = true;
            }
            let all = self.stations[which].wire.len();
            more |= all > 0;
            self.arrive(which, all)?;
        }
        if !self.connected {
            let now = self.instant();
            self.node.iter_mut().for_each(|node| node.connect(now));
            self.connected = true;
        }
        more |= self.hand_over()?;
        let (now, steady) = (self.instant(), self.steady);
        loop {
            let Some(node) = &mut self.node else { return Ok(true) };
            if !(node.settle() || node.hear_news()) {
                node.do_what_is_due(steady);
                self.after_the_runner()?;
                break;
            }
            more = true;
            self.after_the_runner()?;
        }
        while self.node.as_mut().map_or(Ok(false), Node::interpret)? {
            more = true;
        }
        self.send()?;
        for flight in std::mem::take(&mut self.flights) {
            self.take(&flight);
            if let Some(node) = &mut self.node {
                node.answered(flight.id, true, now);
            }
            more = true;
        }
        self.write();
        self.check()?;
        Ok(more)
    }

    fn compare(&mut self) -> Result<(), String> {
        self.look()?;
        self.ledger.check_all_taken()?;
        let all = (1..=self.number).all(|number| self.answered.contains(&number) && self.is_held(number));
        if !all {
            return Err("a frame was not answered, or is not in the journal".into());
        }
        let parts = self.number / 7;
        if self.ledger.data + parts < self.number {
            return Err(format!("{} records of {} frames are published", self.ledger.data, self.number));
        }
        if let Some((mn, id)) = self.ledger.open().first() {
            return Err(format!("{id} to {mn} never ends"));
        }
        let id = self.node.as_ref().map(|node| node.journal.id()).unwrap_or_default();
        let cursor = derived_of(&self.disk, id).cursor().0;
        (cursor == self.ledger.last()).then_some(()).ok_or_else(|| "the cursor is not at the end".to_owned())
    }
}
