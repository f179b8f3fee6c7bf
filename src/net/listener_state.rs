//! What all connections share: who may speak, where it is kept, who is where, and what is counted.
//!
//! What must stay true: no lock is held across an await or a write to disk, but for the one that puts the writes of one small file (who has another
//! MN) into an order; whatever a connection took from here (its place in the counts, its stations' places) it gives back when it ends, however it
//! ends.

pub(super) mod admission;
mod moves;
mod pace;
mod registered;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::Settings;
use super::blocks::{Block, Blocks, Keep, Unkept};
use super::locked::open;
use super::notices::{NoticeSender, StationNotice};
use super::silent::Silent;
use super::to_journal::{StoredNotice, entry};
use super::wire_log::{Direction, WireLog};
use hj212::sm4::Key;
use hj212_journal::{Appender, Entry};
use hj212_model::message::{Peering, Presence, REJECTED_KEPT_MAX, Record, Timestamp};
use hj212_model::registry::{CrcPolicy, Registry, Station, Told, Unknown};
use hj212_model::session::{Directory, HeardAddresses, Learned, Move, Moved, Moves};
use hj212_model::telemetry::{Counter, Telemetry};
use moves::StationMoves;
use pace::Paces;
pub use registered::Keys;
use registered::RegisteredStations;

/// See the head of the file.
#[derive(Debug)]
pub struct ListenerState {
    settings: RwLock<Arc<Settings>>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: fn() -> Timestamp,
    stations: RegisteredStations,
    appender: Appender<StoredNotice>,
    directory: Mutex<Directory>,
    learned: Mutex<BTreeMap<String, Learned>>,
    moves: StationMoves,
    blocks: Mutex<Blocks>,
    /// Connections that have brought no accepted frame.
    silent: Silent,
    paces: Paces,
    /// What the process's descriptors allow.
    ceiling: AtomicUsize,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    numbers: AtomicU64,
    notices: OnceLock<NoticeSender>,
    wires: WireLog,
}

impl ListenerState {
    /// A state whose connections are numbered on from the present time, so that numbers are unique in a journal.
    #[must_use]
    pub fn new(
        settings: Settings,
        registry: impl Into<Arc<Registry>>,
        appender: Appender<StoredNotice>,
        telemetry: Arc<Telemetry>,
        clock: fn() -> Timestamp,
    ) -> ListenerState {
        let first = u64::try_from(clock().0).unwrap_or(0);
        ListenerState {
            settings: RwLock::new(Arc::new(settings)),
            telemetry,
            clock,
            stations: RegisteredStations::new(registry.into()),
            appender,
            directory: Mutex::default(),
            learned: Mutex::default(),
            moves: StationMoves::default(),
            blocks: Mutex::default(),
            silent: Silent::default(),
            paces: Paces::default(),
            ceiling: AtomicUsize::new(usize::MAX),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            numbers: AtomicU64::new(first),
            notices: OnceLock::new(),
            wires: WireLog::default(),
        }
    }

    /// The counters.
    #[must_use]
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// The stations that may speak, with what they were told since they were registered.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.stations.all()
    }

    /// The stations as the configuration has them.
    #[must_use]
    pub fn registered(&self) -> Arc<Registry> {
        self.stations.files()
    }

    /// Other stations may speak from the next frame on.
    pub fn replace_registry(&self, registry: impl Into<Arc<Registry>>) {
        let registry = registry.into();
        self.moves.decide(&registry);
        self.stations.replace(registry, self.moves.shown());
    }

    /// RegisteredStations may speak as they were told from the next frame on; whether that is new.
    pub fn follow(&self, told: Vec<Told>) -> bool {
        self.stations.follow(told)
    }

    /// The keys that stations may seal with, from the next frame on: what is sealed with one of them and damaged is not answered.
    pub fn replace_keys(&self, keys: Keys) {
        self.stations.replace_keys(keys);
    }

    /// The keys that `station` may seal with.
    pub(crate) fn keys_of(&self, station: &Station) -> Arc<[Key]> {
        self.stations.keys_of(station)
    }

    /// Has `write` keep who has another MN from here on; only the first does.
    pub fn keep_moves_by(&self, write: impl Fn(&Moves) -> std::io::Result<()> + Send + Sync + 'static) {
        self.moves.keep_by(Box::new(write));
    }

    /// Takes up where an earlier run heard whom. `unsure`: who has moved and may not have it in the journal: it is journalled once more, before any
    /// frame of it.
    pub fn remember_addresses(&self, heard_addresses: HeardAddresses, unsure: &BTreeSet<String>) {
        for record in self.moves.restore(heard_addresses, unsure, (self.clock)()) {
            self.append([record]);
        }
        self.replace_registry(self.registered());
        self.moves.write_any();
    }

    /// Where who was heard, for the next run; `None`: as when this was last given.
    #[must_use]
    pub fn addresses_to_keep(&self) -> Option<HeardAddresses> {
        self.moves.to_keep()
    }

    /// Notes which moves are in the journal by now; to be called now and then.
    pub fn settle_moves(&self) {
        self.moves.settle();
    }

    /// Which station an unknown MN may be the new one of ([`HeardAddresses`]): nothing is taken for true yet.
    pub(super) fn may_have_moved(&self, new_mn: &str, from: IpAddr, pw: &[u8], spoke: &[Box<str>]) -> Option<Moved> {
        let registry = self.registered();
        // Where anybody is a station, an MN that is new is a new station's.
        if registry.unknown() == Unknown::Accept {
            return None;
        }
        let moved = self.moves.candidate((new_mn, pw), from, spoke, &self.directory)?;
        let row = registry.find(moved.mn.as_bytes())?;
        (!row.facts.mn_refused.contains(&moved.new_mn)).then_some(moved)
    }

    /// A station has moved; the record that says so. `None`: that cannot be kept on disk, and the station is not taken for it. What is said under
    /// the new MN is said again then.
    pub(super) fn move_to(&self, moved: &Moved, now: Timestamp) -> Option<(Entry, StoredNotice)> {
        let record = self.moves.take(moved, now)?;
        self.stations.show(self.moves.shown());
        self.telemetry.count(Counter::StationsMoved);
        tracing::warn!(
            mn = moved.mn,
            new_mn = moved.new_mn,
            "a station shows another MN; it is taken for that until the registration says more"
        );
        Some(record)
    }

    /// A registered station was heard; the record that says that it is no other one, if that had been taken for true.
    pub(super) fn heard_at(&self, mn: &str, from: IpAddr, pw: &[u8], live: bool, now: Timestamp) -> Option<Entry> {
        let (moved, said) = self.moves.heard((mn, pw), from, live, now)?;
        self.stations.show(self.moves.shown());
        tracing::warn!(
            mn,
            new_mn = moved.new_mn,
            "the station is heard under its own MN again: the other one is not its own"
        );
        Some(said)
    }

    /// The settings that hold for newcomers.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other limits hold for newcomers; who is here keeps those that held when it came.
    pub fn replace_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The downlink listens from now on; only the first listener does.
    pub fn listened_to(&self, notices: NoticeSender) {
        // A second listener would hear half of everything.
        let _ = self.notices.set(notices);
    }

    /// Whether the downlink listens.
    pub(super) fn has_listener(&self) -> bool {
        self.notices.get().is_some()
    }

    /// Tells the downlink, if it listens.
    pub(super) fn tell(&self, news: StationNotice) {
        if self.notices.get().is_some_and(|notices| !notices.tell(news)) {
            self.telemetry.count(Counter::DownlinkMissed);
        }
    }

    /// The stations whose frames are logged.
    #[must_use]
    pub fn wires(&self) -> &WireLog {
        &self.wires
    }

    /// Notes a frame in the wire log if its station is chosen.
    pub(super) fn wire(&self, mn: &[u8], direction: Direction, from: Peering, bytes: &[u8]) {
        self.wires.log(mn, direction, from.peer, bytes, self.clock);
    }

    /// Frames that are on their way to disk or whose answers are being sent.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// RegisteredStations that are connected.
    #[must_use]
    pub fn stations_online(&self) -> usize {
        open(&self.directory).len()
    }

    /// What the CRCs of `crc = "learn"` stations have shown.
    #[must_use]
    pub fn learned(&self) -> BTreeMap<String, Learned> {
        open(&self.learned).clone()
    }

    /// Takes up what an earlier run had learned.
    pub fn remember(&self, learned: BTreeMap<String, Learned>) {
        *open(&self.learned) = learned;
    }

    pub(super) fn learned_of(&self, station: &Station) -> Learned {
        match station.crc {
            CrcPolicy::Learn => {
                let learned = open(&self.learned);
                let own = learned.get(&station.mn).or_else(|| learned.get(station.registered_as.as_ref()?));
                own.copied().unwrap_or_default()
            }
            CrcPolicy::Strict | CrcPolicy::Off => Learned::default(),
        }
    }

    pub(super) fn note_learned(&self, station: &Station, learned: Learned) {
        if station.crc == CrcPolicy::Learn {
            open(&self.learned).insert(station.mn.clone(), learned);
        }
    }

    /// What was rejected and not kept since it was last asked for.
    #[must_use]
    pub fn unkept(&self) -> Option<Unkept> {
        open(&self.blocks).unkept()
    }

    /// Those of the stations that were slowed since it was last asked for that are `wanted`, and how often.
    #[must_use]
    pub fn slowed(&self, wanted: impl Fn(&str) -> bool) -> Vec<(Box<str>, u64)> {
        self.paces.slowed(wanted)
    }

    /// A frame of `mn` was accepted: how long its connection is not to be read, so that it takes no more than its share.
    pub(super) fn pace(&self, mn: &str, now: Timestamp) -> std::time::Duration {
        let wait = self.paces.take(mn, u64::from(self.settings().station_frames_per_minute), now);
        if !wait.is_zero() {
            self.telemetry.count(Counter::StationsSlowed);
        }
        wait
    }

    /// The first accepted frame of a connection has come.
    pub(super) fn spoke(&self, on: Peering) {
        self.silent.done(on.connection);
        open(&self.blocks).known(Block::of(on.peer.ip()));
    }

    /// Whether something rejected of this address, `bytes` of it, may still be kept this minute; counted if not.
    pub(super) fn may_keep_rejected(&self, address: IpAddr, bytes: usize) -> bool {
        let settings = self.settings();
        let keep = Keep {
            block: settings.rejected_per_minute,
            all: settings.rejected_total_per_minute,
            bytes: settings.rejected_bytes_per_minute,
        };
        let bytes = bytes.min(REJECTED_KEPT_MAX) as u64;
        let keep = open(&self.blocks).may_keep(Block::of(address), bytes, &keep, (self.clock)());
        if !keep {
            self.telemetry.count(Counter::RejectedUnkept);
        }
        keep
    }

    /// Hands records to the journal, with none of others between them.
    pub(super) fn append(&self, records: impl IntoIterator<Item = (Entry, StoredNotice)>) {
        self.appender.append_all(records);
    }

    /// `mn` was heard on `on`: what that means, and the record that says so, if one does.
    pub(super) fn place(&self, mn: &str, on: Peering, now: Timestamp) -> Option<Entry> {
        let moved = open(&self.directory).heard(mn, on, now);
        let presence = match moved {
            Move::Stayed => return None,
            Move::Came => Presence::Online { mn, on },
            Move::Moved { was, suspect: false } => {
                self.telemetry.count(Counter::Takeovers);
                Presence::Takeover { mn, on, was }
            }
            Move::Moved { was, suspect: true } => {
                self.telemetry.count(Counter::Takeovers);
                self.telemetry.count(Counter::ClonesSuspected);
                tracing::warn!(mn, peer = %on.peer, other = %was.peer, "two sources use this MN by turns");
                Presence::CloneSuspected { mn, on, was }
            }
        };
        Some(entry(&Record::Presence(presence), now))
    }

    /// Takes `mn` off its place without a word: the record that placed it was not stored.
    pub(super) fn displace(&self, mn: &str, connection: u64) {
        open(&self.directory).left(mn, connection);
    }

    /// The connection has ended: its stations are offline unless they have moved. `stopping`: the gateway ended it because it stops, which
    /// it says of itself; no station is said to have left.
    pub(super) fn ended<'a>(&self, stations: impl Iterator<Item = &'a str>, on: Peering, stopping: bool) {
        let now = (self.clock)();
        let gone: Vec<&str> = {
            let mut directory = open(&self.directory);
            stations.filter(|mn| directory.left(mn, on.connection)).collect()
        };
        for mn in &gone {
            self.tell(StationNotice::Left { mn: (*mn).into(), connection: on.connection });
        }
        if stopping {
            return;
        }
        let offline = gone.into_iter().map(|mn| entry(&Record::Presence(Presence::Offline { mn, on }), now));
        self.append(offline.map(|entry| (entry, StoredNotice::nobody())));
    }

    pub(super) fn started_flight(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame is settled: `as_what` says how.
    pub(super) fn landed(&self, as_what: Counter) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.telemetry.count(as_what);
    }
}
