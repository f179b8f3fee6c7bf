//! What all connections share: who may speak, where it is kept, who is where, and what is counted.
//!
//! What must stay true: no lock is held across an await or a write to disk, but for the one that puts the writes of one small file (who has another
//! MN) into an order; that a station has another MN is on disk before a frame under it is taken for the station's; whatever a connection took from here (its place in the
//! counts, its stations' places) it gives back when it ends, however it ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use tokio::sync::oneshot;

use super::Settings;
use super::blocks::{Block, Blocks, Keep, Unkept};
use super::bucket::Bucket;
use super::notices::{NoticeSender, StationNotice};
use super::silent::{Silence, Silent};
use super::wire_log::{Direction, WireLog};
use hj212::sm4::Key;
use hj212_downlink::Step;
use hj212_journal::{Appender, Entry, Offset, Receipt, Unstored};
use hj212_model::message::{Peering, Presence, REJECTED_KEPT_MAX, Record, Timestamp};
use hj212_model::registry::{CrcPolicy, Registry, Station, Told};
use hj212_model::session::{Directory, HeardAddresses, Learned, Move, Moved, Moves};
use hj212_model::telemetry::{Counter, Telemetry};

/// Tells a connection what became of its record; or nobody.
#[derive(Debug)]
pub struct StoredNotice(Option<oneshot::Sender<Result<Offset, Unstored>>>);

impl StoredNotice {
    /// For records that nobody waits for.
    #[must_use]
    pub const fn nobody() -> Self {
        StoredNotice(None)
    }

    pub(super) fn wanted() -> (Self, oneshot::Receiver<Result<Offset, Unstored>>) {
        let (sender, receiver) = oneshot::channel();
        (StoredNotice(Some(sender)), receiver)
    }
}

impl Receipt for StoredNotice {
    fn settle(self, outcome: Result<Offset, Unstored>) {
        if let Some(waiting) = self.0 {
            // A connection that has ended meanwhile is not interested.
            let _ = waiting.send(outcome);
        }
    }
}

/// The keys that stations may seal with, by MN.
pub type Keys = HashMap<Box<str>, Arc<[Key]>>;

/// The stations of the configuration, and those same with what they were told since, and with what they show.
#[derive(Debug)]
struct Registered {
    files: Arc<Registry>,
    told: Vec<Told>,
    shown: Vec<Moved>,
    all: Arc<Registry>,
}

impl Registered {
    fn of(files: Arc<Registry>, told: Vec<Told>, shown: Vec<Moved>) -> Registered {
        let of_shown =
            |moved: &Moved| Told { mn: moved.mn.clone(), passwords: Vec::new(), new_mn: Some(moved.new_mn.clone()) };
        let followed: Vec<Told> = told.iter().cloned().chain(shown.iter().map(of_shown)).collect();
        let all = if followed.is_empty() { Arc::clone(&files) } else { Arc::new(files.with(followed)) };
        Registered { files, told, shown, all }
    }
}

/// See the head of the file.
#[derive(Debug)]
pub struct ListenerState {
    settings: RwLock<Arc<Settings>>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) clock: fn() -> Timestamp,
    registry: RwLock<Registered>,
    keys: RwLock<Keys>,
    appender: Appender<StoredNotice>,
    directory: Mutex<Directory>,
    learned: Mutex<BTreeMap<String, Learned>>,
    /// Where stations were heard, and who shows another MN.
    heard_addresses: Mutex<HeardAddresses>,
    /// What writes who has another MN.
    moves: MoveStore,
    /// Old MNs of moves whose record is on its way to the journal.
    unsure: Mutex<Vec<UnsureMove>>,
    blocks: Mutex<Blocks>,
    /// Connections that have brought no accepted frame.
    silent: Silent,
    /// How fast stations speak, of those that spoke lately.
    paces: Mutex<BTreeMap<Box<str>, Bucket>>,
    /// Stations that were slowed since it was last said, with how often.
    slowed: Mutex<BTreeMap<Box<str>, u64>>,
    /// What the process's descriptors allow.
    ceiling: AtomicUsize,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    numbers: AtomicU64,
    notices: OnceLock<NoticeSender>,
    wires: WireLog,
}

/// The old MN of a move, and what becomes of its record.
type UnsureMove = (String, oneshot::Receiver<Result<Offset, Unstored>>);

/// Writes who has another MN, durably.
type WriteMoves = dyn Fn(&Moves) -> std::io::Result<()> + Send + Sync;

/// What writes who has another MN, if anything does.
#[derive(Default)]
struct MoveStore(OnceLock<Box<WriteMoves>>);

impl std::fmt::Debug for MoveStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MoveStore")
    }
}

/// Stations whose speed is remembered; one that has been slow for a minute needs not be.
const PACES_MAX: usize = 100_000;
/// Slowed stations named at a time.
const SLOWED_MAX: usize = 100;

/// A lock is never poisoned into uselessness: what it guards is consistent after every single step.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            registry: RwLock::new(Registered::of(registry.into(), Vec::new(), Vec::new())),
            keys: RwLock::default(),
            appender,
            directory: Mutex::default(),
            learned: Mutex::default(),
            heard_addresses: Mutex::default(),
            moves: MoveStore::default(),
            unsure: Mutex::default(),
            blocks: Mutex::default(),
            silent: Silent::default(),
            paces: Mutex::default(),
            slowed: Mutex::default(),
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
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner).all)
    }

    /// The stations as the configuration has them.
    #[must_use]
    pub fn registered(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner).files)
    }

    /// Other stations may speak from the next frame on.
    pub fn replace_registry(&self, registry: impl Into<Arc<Registry>>) {
        let registry = registry.into();
        let shown: Vec<Moved> = {
            let mut heard_addresses = open(&self.heard_addresses);
            // What has a row of its own by now, or is refused, is decided.
            heard_addresses.retain(|mn, new_mn| {
                let refused = |row: &Arc<Station>| row.facts.mn_refused.iter().any(|refused| refused == new_mn);
                registry.find(new_mn.as_bytes()).is_none()
                    && registry.find(mn.as_bytes()).is_some_and(|row| !refused(row))
            });
            heard_addresses.moved().collect()
        };
        let mut now = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        *now = Registered::of(registry, std::mem::take(&mut now.told), shown);
    }

    /// Stations may speak as they were told from the next frame on; whether that is new.
    pub fn follow(&self, told: Vec<Told>) -> bool {
        let mut now = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        let new = now.told != told;
        if new {
            *now = Registered::of(Arc::clone(&now.files), told, std::mem::take(&mut now.shown));
        }
        new
    }

    /// Has `write` keep who has another MN from here on; only the first does.
    pub fn keep_moves_by(&self, write: impl Fn(&Moves) -> std::io::Result<()> + Send + Sync + 'static) {
        // A second one would have half of them.
        let _ = self.moves.0.set(Box::new(write));
    }

    /// Takes up where an earlier run heard whom. `unsure`: who has moved and may not have it in the journal: it is journalled once more, before any
    /// frame of it.
    pub fn remember_addresses(&self, heard_addresses: HeardAddresses, unsure: &BTreeSet<String>) {
        *open(&self.heard_addresses) = heard_addresses.restored();
        let again: Vec<Moved> =
            open(&self.heard_addresses).moved().filter(|moved| unsure.contains(&moved.mn)).collect();
        for moved in again {
            let (notice, receipt) = StoredNotice::wanted();
            open(&self.unsure).push((moved.mn.clone(), receipt));
            self.append([(moved_entry(&moved, true, (self.clock)()), notice)]);
        }
        self.replace_registry(self.registered());
        if open(&self.heard_addresses).moved().next().is_some() {
            self.write_moves();
        }
    }

    /// Where who was heard, for the next run; `None`: as when this was last given.
    #[must_use]
    pub fn addresses_to_keep(&self) -> Option<HeardAddresses> {
        open(&self.heard_addresses).to_keep()
    }

    /// Notes which moves are in the journal by now; to be called now and then.
    pub fn settle_moves(&self) {
        let waits = |(_, receipt): &mut UnsureMove| !matches!(receipt.try_recv(), Ok(Ok(_)));
        let settled = {
            let mut unsure = open(&self.unsure);
            let before = unsure.len();
            unsure.retain_mut(waits);
            before != unsure.len()
        };
        if settled {
            self.write_moves();
        }
    }

    /// Writes who has another MN; whether that is on disk now, or nothing writes it.
    fn write_moves(&self) -> bool {
        let Some(write) = self.moves.0.get() else { return true };
        // Held over the write: what is written last is what holds.
        let unsure = open(&self.unsure);
        let mut moves = open(&self.heard_addresses).moves();
        moves.unsure = unsure.iter().map(|(mn, _)| mn.clone()).collect();
        let written = write(&moves);
        drop(unsure);
        if let Err(error) = &written {
            tracing::warn!(%error, "who has another MN cannot be written");
        }
        written.is_ok()
    }

    /// Which station an unknown MN may be the new one of ([`HeardAddresses`]): nothing is taken for true yet.
    pub(super) fn may_have_moved(&self, new_mn: &str, from: IpAddr, pw: &[u8], spoke: &[Box<str>]) -> Option<Moved> {
        let directory = open(&self.directory);
        let moved =
            open(&self.heard_addresses).candidate(new_mn, from, pw, spoke, |mn| directory.find(mn).is_some())?;
        drop(directory);
        let registry = self.registered();
        let row = registry.find(moved.mn.as_bytes())?;
        (!row.facts.mn_refused.contains(&moved.new_mn)).then_some(moved)
    }

    /// A station has moved; the record that says so. `None`: that cannot be kept on disk, and the station is not taken for it. What is said under
    /// the new MN is said again then.
    pub(super) fn move_to(&self, moved: &Moved, now: Timestamp) -> Option<(Entry, StoredNotice)> {
        let (notice, receipt) = StoredNotice::wanted();
        open(&self.heard_addresses).take(moved);
        open(&self.unsure).push((moved.mn.clone(), receipt));
        if !self.write_moves() {
            open(&self.heard_addresses).give_up(moved);
            open(&self.unsure).retain(|(mn, _)| *mn != moved.mn);
            return None;
        }
        self.show_moved();
        self.telemetry.count(Counter::StationsMoved);
        tracing::warn!(
            mn = moved.mn,
            new_mn = moved.new_mn,
            "a station shows another MN; it is taken for that until the registration says more"
        );
        Some((moved_entry(moved, true, now), notice))
    }

    /// A registered station was heard; the record that says that it is no other one, if that had been taken for true.
    pub(super) fn heard_at(&self, mn: &str, from: IpAddr, pw: &[u8], live: bool, now: Timestamp) -> Option<Entry> {
        let moved = open(&self.heard_addresses).heard(mn, from, pw, live)?;
        self.write_moves();
        self.show_moved();
        tracing::warn!(
            mn,
            new_mn = moved.new_mn,
            "the station is heard under its own MN again: the other one is not its own"
        );
        Some(moved_entry(&moved, false, now))
    }

    fn show_moved(&self) {
        let shown = open(&self.heard_addresses).moved().collect();
        let mut now = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        *now = Registered::of(Arc::clone(&now.files), std::mem::take(&mut now.told), shown);
    }

    /// The keys that stations may seal with, from the next frame on: what is sealed with one of them and damaged is not answered.
    pub fn replace_keys(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The keys that `station` may seal with.
    pub(crate) fn keys_of(&self, station: &Station) -> Arc<[Key]> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let own = keys.get(station.mn.as_str());
        // Until it has keys of its own, a station has those that it had under its former MN.
        let own = own.or_else(|| keys.get(station.registered_as.as_deref()?));
        own.map_or_else(|| [].into(), Arc::clone)
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

    /// the downlink listens from now on; only the first listener does.
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

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Frames that are on their way to disk or whose answers are being sent.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Stations that are connected.
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

    /// A place for a newcomer, or `None` at a limit, which is counted.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Admission> {
        self.reserve()?.admit(peer)
    }

    /// A place for somebody of whom it is not yet known who it is.
    pub(super) fn reserve(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let all = self.connections.fetch_add(1, Ordering::Relaxed);
        let place = ConnectionSlot(Arc::clone(self));
        let most = self.settings().connections_max.most().min(self.ceiling.load(Ordering::Relaxed));
        if all >= most && self.silent.give_way((self.clock)()) {
            self.telemetry.count(Counter::ConnectionsGaveWay);
        } else if all >= most {
            self.telemetry.count(Counter::ConnectionsRefusedTotal);
            return None;
        }
        Some(place)
    }

    fn admit_to(self: &Arc<Self>, place: ConnectionSlot, peer: SocketAddr) -> Option<Admission> {
        let settings = self.settings();
        let block = Block::of(peer.ip());
        let address = peer.ip().to_canonical();
        let exempt = settings.exempt.iter().any(|network| network.contains(&address));
        let most = if exempt { usize::MAX } else { settings.connections_per_block_max };
        if !open(&self.blocks).enter(block, most, (self.clock)()) {
            self.telemetry.count(Counter::ConnectionsRefusedBlock);
            return None;
        }
        self.telemetry.count(Counter::ConnectionsOpened);
        let connection = self.numbers.fetch_add(1, Ordering::Relaxed);
        let silence = self.silent.came(connection, (self.clock)());
        let peering = Peering { connection, peer };
        Some(Admission { shared: Arc::clone(self), settings, peering, silence, _place: place })
    }

    /// No more connections than this, whatever the settings say: each needs a descriptor.
    pub fn limit_connections(&self, most: usize) {
        self.ceiling.store(most, Ordering::Relaxed);
    }

    /// What was rejected and not kept since it was last asked for.
    #[must_use]
    pub fn unkept(&self) -> Option<Unkept> {
        open(&self.blocks).unkept()
    }

    /// Those of the stations that were slowed since it was last asked for that are `wanted`, and how often.
    #[must_use]
    pub fn slowed(&self, wanted: impl Fn(&str) -> bool) -> Vec<(Box<str>, u64)> {
        open(&self.slowed).extract_if(.., |mn, _| wanted(mn)).collect()
    }

    /// A frame of `mn` was accepted: how long its connection is not to be read, so that it takes no more than its share.
    pub(super) fn pace(&self, mn: &str, now: Timestamp) -> std::time::Duration {
        let most = u64::from(self.settings().station_frames_per_minute);
        let wait = {
            let mut paces = open(&self.paces);
            if let Some(pace) = paces.get_mut(mn) {
                pace.take(1, most, now)
            } else {
                if paces.len() >= PACES_MAX {
                    paces.retain(|_, pace| !pace.is_full(most, now));
                }
                if paces.len() >= PACES_MAX {
                    // More stations at full speed than anybody has; each is forgotten as it comes.
                    paces.pop_first();
                }
                let mut pace = Bucket::new(most, now);
                let wait = pace.take(1, most, now);
                paces.insert(mn.into(), pace);
                wait
            }
        };
        if !wait.is_zero() {
            self.telemetry.count(Counter::StationsSlowed);
            let mut slowed = open(&self.slowed);
            if slowed.len() < SLOWED_MAX || slowed.contains_key(mn) {
                *slowed.entry(mn.into()).or_default() += 1;
            }
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

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot(Arc<ListenerState>);

impl ConnectionSlot {
    /// It is `peer` who takes it, or nobody at a limit, which is counted.
    pub(super) fn admit(self, peer: SocketAddr) -> Option<Admission> {
        let shared = Arc::clone(&self.0);
        shared.admit_to(self, peer)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place in the counts; given back when dropped.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) shared: Arc<ListenerState>,
    /// The limits that hold for it.
    pub(super) settings: Arc<Settings>,
    pub(super) peering: Peering,
    pub(super) silence: Arc<Silence>,
    _place: ConnectionSlot,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.silent.done(self.peering.connection);
        open(&shared.blocks).leave(Block::of(self.peering.peer.ip()), (shared.clock)());
        shared.telemetry.count(Counter::ConnectionsClosed);
    }
}

fn moved_entry(moved: &Moved, held: bool, now: Timestamp) -> Entry {
    let step = Step::Moved { mn: moved.mn.clone(), new_mn: moved.new_mn.clone(), held };
    entry(&Record::Command(&step.encode()), now)
}

/// `record` as it is appended.
pub(super) fn entry(record: &Record<'_>, time: Timestamp) -> Entry {
    let mut body = Vec::new();
    record.encode(&mut body);
    Entry { time, kind: record.kind(), body }
}
