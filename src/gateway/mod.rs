//! The gateway put together: who owns what, and in which order it starts and stops.
//!
//! ```text
//! stations ══► net ──► journal ──► uplink thread ──► mqtt ══► broker
//!               ▲         │ fsync       (interpreter, cursor)
//!               └─ answer ┘
//! ```
//!
//! Start: journal (recovery), context, MQTT, uplink, and the listeners last, so that nothing is heard that cannot be kept. Stop, the
//! other way round: no new connections, the frames on their way to disk are answered, the uplink delivers what it can within
//! [`DRAIN_MAX`], the broker is told, the journal is closed. What was not delivered is delivered after the next start.

mod announce;
mod archive;
pub mod case_answers;
mod command_desk;
pub mod context;
pub mod dead_letters;
pub mod delivery;
pub mod derived;
pub mod evidence;
mod history;
pub mod json_members;
pub mod judged;
pub mod key_overview;
mod keys;
mod learned;
pub mod ledgers;
pub mod limits;
mod liveness;
mod mark_entries;
pub mod marks;
mod open_metrics;
mod past;
pub mod progress;
pub mod push;
mod questions;
mod ready;
mod registered;
mod reload;
pub mod replay;
pub mod requests;
pub mod scored;
pub mod secrets;
mod size_guard;
pub mod uplink;
mod view;
mod words;
pub mod work_entries;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::config::{Config, Loaded};
use crate::http;
use crate::http::View;
use crate::net::{self, ListenerState};
use announce::{Announcer, append};
use derived::Derived;
use hj212_interpret as interpret;
use hj212_journal::{self as journal, Disk, Entry, Holder, Journal, Offset, OsDisk};
use hj212_model::clock;
use hj212_model::clock::Monotonic;
use hj212_model::message::{Context, Publication, Record, Topic};
use hj212_model::telemetry::{Counter, Expiry, Telemetry};
use hj212_mqtt as mqtt;
use liveness::Liveness;
use registered::LatestRegistry;
use view::GatewayView;
pub use view::LogSwitch;

/// How often the monotonic clock is journalled: time-outs of the interpretation need time to pass, whatever the wall clock does.
const TICK: Duration = Duration::from_secs(5);

/// How long the broker keeps marks entered by hand while the gateway is away: longer than any deadline.
const ENTRIES_SESSION: Duration = Duration::from_secs(7 * 24 * 3600);

/// When, after the stop, whoever holds a connection open is left behind.
const LISTENERS_MAX: Duration = Duration::from_millis(2000);
/// When what the broker has not taken is left for the next start.
const DRAIN_MAX: Duration = Duration::from_millis(2500);
/// When a stop is over, whatever anybody does.
const END_MAX: Duration = Duration::from_millis(4600);

// SIGTERM leaves within 5 s, as the README says: each stage has its time within the next.
const _: () = assert!(
    LISTENERS_MAX.as_millis() < DRAIN_MAX.as_millis()
        && DRAIN_MAX.as_millis() < END_MAX.as_millis()
        && END_MAX.as_millis() < 5000
);

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal cannot be opened.
    #[error("the journal: {0}")]
    Journal(#[from] journal::OpenError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error} (another process on this port? see listen.address and http.address)")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A certificate cannot be used.
    #[error("{0}")]
    Certificate(#[from] hj212_certificates::WrongFile),
    /// The password file cannot be read, or a thread cannot be started.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A gateway that runs.
#[derive(Debug)]
pub struct Running {
    telemetry: Arc<Telemetry>,
    journal: Arc<Journal>,
    shared: Arc<ListenerState>,
    progress: Arc<progress::Progress>,
    broker: tokio::sync::watch::Receiver<mqtt::State>,
    board: Arc<Mutex<Board>>,
    announcer: Arc<Announcer>,
    latest: LatestRegistry,
    shown: Arc<GatewayView>,
    page_address: Option<SocketAddr>,
    /// Where the command desk takes orders, if there is one.
    orders: Option<tokio::sync::mpsc::Sender<command_desk::Order>>,
    /// The certificates of `listen.also`, one for each.
    certificates: Vec<Option<Arc<net::Certificates>>>,
    /// The configuration and the context that hold; without the stations, of which the gateway has the only copy: there may be 300,000.
    current: Arc<Mutex<(Config, Context)>>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    /// Cancelled when the journal takes no more from the listeners: the uplink ends when it has delivered what is there.
    last_record: CancellationToken,
    /// Cancelled when the connection to the broker may close.
    farewell: CancellationToken,
    listeners: tokio::task::JoinSet<()>,
    /// What keeps the queues of push on disk.
    keepers: push::Keepers,
    /// Ends with `stop`, between two chunks.
    archiver: Option<std::thread::JoinHandle<()>>,
    uplink: std::thread::JoinHandle<()>,
    broker_task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Starts everything; when it returns, stations can connect.
    ///
    /// # Errors
    /// If the journal cannot be opened or an address cannot be listened on.
    pub async fn start(loaded: Loaded, stop: CancellationToken) -> Result<Running, StartError> {
        Self::start_on(loaded, Vec::new(), None, stop).await
    }

    /// The same with listeners that somebody else opened, in place of those of `listen.address`, and what changes `log.level`.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub async fn start_on(
        loaded: Loaded,
        inherited: Vec<std::net::TcpListener>,
        log: Option<LogSwitch>,
        stop: CancellationToken,
    ) -> Result<Running, StartError> {
        let Loaded { config, registry, factors, rules, alerts, leads, scores, station_files: _, keys } = loaded;
        let telemetry = Arc::new(Telemetry::default());
        let journal = Arc::new(journal::open(Arc::new(OsDisk), &config.journal, Arc::clone(&telemetry))?);
        // First of all: until the others have spoken, the journal holds everything. Letters that wait say later from where on.
        journal.keep_from(Holder::Letters, Offset(0));
        let archiver = start_archiver(&config, &journal, &telemetry, &stop)?;
        let derived = Derived::new(Arc::new(OsDisk), config.journal.dir.clone(), journal.id());
        // A tail that was lost gives its offsets to new records: nothing derived may claim to know them.
        derived.forget_beyond(journal.recovered().last)?;
        derived.prepare();
        let registry = Arc::new(registry);
        let latest = LatestRegistry::default();
        latest.put(&registry);
        let base = uplink::Base::find(&derived, &interpretation(&config), latest.held());
        let (stations, dialects) = (registry.facts(), registry.dialects());
        let (followed, shown) = Default::default();
        // Every member is named: what was forgotten here would hold after a reload alone.
        let mut context = Context { stations, factors, rules, alerts, leads, scores, dialects, followed, shown };
        let announcer = Arc::new(Announcer::new(Arc::clone(&journal), derived.clone()));
        let monotonic = Monotonic::default();
        announcer.start(&context, &keys, base.known(), monotonic)?;
        let board = Arc::new(Mutex::new(Board::new(&context.stations)));
        context.stations.clear();
        if !config.command.enabled {
            journal.keep_from(Holder::Commands, Offset(u64::MAX));
        }

        // Before the stations' addresses: who can reach the gateway as a station finds the page there too.
        let page = operators(&config).await?;
        let mut listeners = Vec::new();
        for listener in inherited {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
        let own: &[String] = if listeners.is_empty() { &config.listen.address } else { &[] };
        for address in own {
            let listener =
                net::bind(address).map_err(|error| StartError::Listen { address: address.clone(), error })?;
            listeners.push(listener);
        }
        let mut modes: Vec<net::ListenerMode> = listeners.iter().map(|_| net::ListenerMode::default()).collect();
        for also in &config.listen.also {
            let address = also.address.clone();
            listeners.push(net::bind(&address).map_err(|error| StartError::Listen { address, error })?);
            modes.push(net::ListenerMode::of(also)?);
        }
        let certificates = modes.iter().skip(modes.len() - config.listen.also.len());
        let certificates: Vec<_> = certificates.map(|mode| mode.certificates().cloned()).collect();
        note_expiry(&telemetry, &certificates);
        let addresses = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();

        let farewell = CancellationToken::new();
        let secrets = config.command.enabled.then(|| secrets_of(&config)).flatten();
        let (birth, will) = status(&config.mqtt.prefix, &config.gateway.id, secrets.as_ref());
        let (letters_to, letters) = tokio::sync::mpsc::unbounded_channel();
        let (outbox, broker_task) =
            mqtt::start_with_letters(&config.mqtt, birth, will, Arc::clone(&telemetry), farewell.clone(), letters_to);
        let dead = Arc::new(dead_letters::Letters::new(derived.clone()));
        let keeper = dead_letters::LetterStore {
            journal: Arc::clone(&journal),
            derived: derived.clone(),
            telemetry: Arc::clone(&telemetry),
            shown: Arc::clone(&dead),
            own: Topic::of_gateways(&config.mqtt.prefix),
        };
        // It ends with the connection to the broker.
        tokio::spawn(keeper.run(letters));
        let broker = outbox.state();
        let outbox = confirmed_by_consumer(&config, outbox, &journal, &telemetry, &farewell);
        let last_record = CancellationToken::new();
        let progress = Arc::new(progress::Progress::default());
        let (orders, ordered) =
            config.command.enabled.then(|| tokio::sync::mpsc::channel(command_desk::ORDERS_MAX)).unzip();
        let renew = Arc::new(tokio::sync::Notify::new());
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let end = (journal.id(), journal.recovered().last);
        let (pusher, queues) = push::Pusher::open(&config.push, (&disk, &config.journal.dir), end, &telemetry);
        let pusher = Arc::new(pusher);
        let (questions, asked) = questions::Questions::new();
        let uplink = uplink::Uplink {
            questions: asked,
            orders: orders.clone(),
            push: Arc::clone(&pusher),
            renew: Arc::clone(&renew),
            settings: config.uplink.clone(),
            progress: Arc::clone(&progress),
            journal: Arc::clone(&journal),
            derived: derived.clone(),
            base,
            keep_size: config.journal.keep_size,
            interpret: interpretation(&config),
            outbox,
            envelope: size_guard::SizeGuard::of(&config),
            board: Arc::clone(&board),
            telemetry: Arc::clone(&telemetry),
            stop: last_record.clone(),
        }
        .spawn()?;
        let settings = config.listen.clone();
        let shares = limits::Shares::taken();
        match shares.too_few_for(settings.connections_max, registry.len()) {
            Some(warning) => tracing::warn!("{warning}"),
            None => tracing::info!(
                places = shares.places(settings.connections_max),
                descriptors = shares.all,
                "stations that may be connected at a time"
            ),
        }
        let shared =
            Arc::new(ListenerState::new(settings, registry, journal.appender(), Arc::clone(&telemetry), clock::now));
        let names: Arc<dyn hj212_push::Names> =
            Arc::new(push::named::KnownNames::new(Arc::clone(&shared), &context.factors));
        let keepers = pusher.start(queues, &names, &stop, &last_record);
        shared.limit_connections(shares.stations);
        shared.remember(learned::load(&derived));
        learned::follow_moves(&derived, &shared);
        shared.replace_keys(keys::by_station(&keys));
        let mut tasks = tokio::task::JoinSet::new();
        if config.marking.entries || config.cases.steps || config.operation.ledger {
            take_entries(&config, &journal, &mut tasks, &stop);
        }
        if let Some(ordered) = ordered {
            command_desk::follow_early(&derived, &shared, &config.command);
            let desk = (ordered, secrets);
            open_desk(&config, &shared, &derived, desk, &mut tasks, &stop, Arc::clone(&journal));
        }
        for (listener, mode) in listeners.into_iter().zip(modes) {
            tasks.spawn(net::serve(listener, mode, Arc::clone(&shared), stop.clone()));
        }
        let pulse = Arc::new(Liveness::new());
        tasks.spawn(tick(Arc::clone(&journal), Arc::clone(&pulse), monotonic, stop.clone()));
        let shown = Arc::new(GatewayView {
            gateway: config.gateway.id.clone(),
            started: Instant::now(),
            started_at: clock::now(),
            telemetry: Arc::clone(&telemetry),
            journal: Arc::clone(&journal),
            dir: config.journal.dir.clone(),
            interpret: interpretation(&config),
            shared: Arc::clone(&shared),
            progress: Arc::clone(&progress),
            pulse,
            broker: broker.clone(),
            board: Arc::clone(&board),
            questions,
            dead,
            push: pusher,
            token_file: config.http.token_file.clone(),
            log,
            counted: Mutex::default(),
            reload_refused: std::sync::atomic::AtomicBool::new(false),
        });
        let page_address = page.as_ref().and_then(http::Listener::local_addr);
        if let Some(listener) = page {
            tasks.spawn(http::serve(
                listener,
                Arc::clone(&shown) as Arc<dyn http::View>,
                config.http.names.clone(),
                shares.page,
                stop.clone(),
            ));
        }
        tasks.spawn(limits::tell(Arc::clone(&shared), Arc::clone(&journal), stop.clone()));
        tasks.spawn(learned::keep(Arc::clone(&shared), derived.clone(), stop.clone()));
        let journal_dir = config.journal.dir.clone();
        let current = Arc::new(Mutex::new((config, context)));
        let held = (Arc::clone(&shared), Arc::clone(&current));
        tasks.spawn(renew_context(renew, Arc::clone(&announcer), held, stop.clone()));
        tracing::info!(?addresses, journal = %journal_dir.display(), "listening");
        Ok(Running {
            telemetry,
            journal,
            shared,
            progress,
            broker,
            board,
            announcer,
            latest,
            shown,
            page_address,
            orders,
            certificates,
            current,
            addresses,
            stop,
            last_record,
            farewell,
            listeners: tasks,
            keepers,
            archiver,
            uplink,
            broker_task,
        })
    }

    /// The addresses that stations connect to.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the status page is.
    #[must_use]
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page_address
    }

    /// Whether the threads that matter move, for a watchdog.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shown.health().iter().all(|check| check.state != http::CheckState::Fail)
    }

    /// What the listeners share.
    #[must_use]
    pub fn shared(&self) -> &Arc<ListenerState> {
        &self.shared
    }

    /// How far the journal is published.
    #[must_use]
    pub fn progress(&self) -> &Arc<progress::Progress> {
        &self.progress
    }

    /// The counters.
    #[must_use]
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Notes that a configuration was to be taken up and is not good.
    pub fn reload_refused(&self) {
        self.telemetry.count(Counter::ReloadsRefused);
        self.shown.reload_refused.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Waits for the stop, then closes everything in order, within [`END_MAX`].
    pub async fn finish(mut self) -> Result<(), StartError> {
        self.stop.cancelled().await;
        let stopped = tokio::time::Instant::now();
        let listening = async { while self.listeners.join_next().await.is_some() {} };
        if tokio::time::timeout_at(stopped + LISTENERS_MAX, listening).await.is_err() {
            tracing::warn!("somebody does not let go of a connection; it is cut");
            self.listeners.abort_all();
        }
        append(&self.journal, &Record::Stopped);
        self.last_record.cancel();
        let uplink = self.uplink;
        let mut drained = tokio::task::spawn_blocking(move || uplink.join());
        tokio::select! {
            _ = &mut drained => {}
            () = tokio::time::sleep_until(stopped + DRAIN_MAX) => {
                tracing::warn!("not everything could be delivered in time; the rest follows after the next start");
            }
            // Without a broker there is nothing to wait for.
            _ = self.broker.wait_for(|state| !state.is_up()) => {
                tracing::warn!("the broker is away; what is not delivered follows after the next start");
            }
        }
        self.farewell.cancel();
        let (left, kept) = tokio::join!(
            tokio::time::timeout_at(stopped + END_MAX, self.broker_task),
            tokio::time::timeout_at(stopped + END_MAX, self.keepers.finish()),
        );
        if kept.is_err() {
            tracing::warn!(
                "the queues of push are not stored in time; what is missing in them is published again after the next start"
            );
        }
        match left {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("the task of the broker ended in a panic"),
            Err(_) => tracing::warn!("the broker does not let go; the connection is cut"),
        }
        if let Some(archiver) = self.archiver {
            // It stopped when the gateway did; a disk that does not answer is not waited for.
            let ended = tokio::task::spawn_blocking(move || archiver.join());
            let _ = tokio::time::timeout_at(stopped + END_MAX, ended).await;
        }
        if !drained.is_finished() {
            let _ = tokio::time::timeout(Duration::from_millis(200), drained).await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// The outbox whose deliveries a consumer confirms, if that is wanted; else the same.
fn confirmed_by_consumer(
    config: &Config,
    outbox: mqtt::Outbox,
    journal: &Journal,
    telemetry: &Arc<Telemetry>,
    stop: &CancellationToken,
) -> mqtt::Outbox {
    if config.delivery.confirm == mqtt::Confirm::Broker {
        return outbox;
    }
    let own = Topic::of_gateway(&config.mqtt.prefix, &config.gateway.id);
    let id: String = journal.id().iter().map(|byte| format!("{byte:02x}")).collect();
    let filters = vec![own.delivered(&config.delivery.consumer)];
    let wish = mqtt::Subscription {
        filters,
        suffix: "-confirm".into(),
        session: ENTRIES_SESSION,
        as_published: false,
        broad: None,
    };
    let (mut inbox, broker_task) = mqtt::subscribe(&config.mqtt, wish, stop.clone());
    let (confirm, confirmations) = tokio::sync::watch::channel(0);
    let (known, stopped) = (id.clone(), stop.clone());
    tokio::spawn(async move {
        while let Some(incoming) = inbox.next().await {
            match mqtt::confirmed(&incoming.payload, &known) {
                Some(offset) => drop(confirm.send_replace(offset)),
                None => tracing::warn!("a confirmation names no offset of this journal; it confirms nothing"),
            }
            incoming.taken();
        }
    });
    tokio::spawn(async move {
        stopped.cancelled().await;
        mqtt::left(broker_task).await;
    });
    let (settings, offered) = (config.delivery.clone(), own.offered());
    mqtt::Relay { outbox, settings, offered, journal: id, confirmations, telemetry: Arc::clone(telemetry) }.start()
}

/// Starts what archives, if anything is to be archived.
fn start_archiver(
    config: &Config,
    journal: &Arc<Journal>,
    telemetry: &Arc<Telemetry>,
    stop: &CancellationToken,
) -> std::io::Result<Option<std::thread::JoinHandle<()>>> {
    if config.archive.dir.as_os_str().is_empty() {
        return Ok(None);
    }
    let archiver = archive::Archiver {
        disk: Arc::new(OsDisk),
        journal: Arc::clone(journal),
        dir: config.journal.dir.clone(),
        settings: config.archive.clone(),
        reserve: config.journal.reserve,
        gateway: config.gateway.id.clone(),
        telemetry: Arc::clone(telemetry),
        now: Box::new(clock::now),
        stop: stop.clone(),
    };
    archiver.start().map(Some)
}

/// Takes marks entered by hand from the broker.
fn take_entries(
    config: &Config,
    journal: &Arc<Journal>,
    tasks: &mut tokio::task::JoinSet<()>,
    stop: &CancellationToken,
) {
    let prefix = &config.mqtt.prefix;
    let marks = [format!("{prefix}/+/mark-entry/+"), format!("{prefix}/+/mark-ruling/+/+")];
    let steps = [format!("{prefix}/+/case-step/+/+")];
    let marks = marks.into_iter().filter(|_| config.marking.entries);
    let steps = steps.into_iter().filter(|_| config.cases.steps);
    let work = [format!("{prefix}/+/ledger/+/+")].into_iter().filter(|_| config.operation.ledger);
    let filters = marks.chain(steps).chain(work).collect();
    let wish = mqtt::Subscription {
        filters,
        suffix: "-marks".into(),
        session: ENTRIES_SESSION,
        as_published: false,
        broad: None,
    };
    let (inbox, broker_task) = mqtt::subscribe(&config.mqtt, wish, stop.clone());
    let (prefix, stopped) = (config.mqtt.prefix.clone(), stop.clone());
    tasks.spawn(mark_entries::run(inbox, prefix, Arc::clone(journal), stop.clone()));
    tasks.spawn(async move {
        stopped.cancelled().await;
        mqtt::left(broker_task).await;
    });
}

/// Opens the downlink: requests from the broker, notices of the stations' connections, the command desk between them.
fn open_desk(
    config: &Config,
    shared: &Arc<ListenerState>,
    derived: &Derived,
    (orders, secrets): (tokio::sync::mpsc::Receiver<command_desk::Order>, Option<secrets::Secrets>),
    tasks: &mut tokio::task::JoinSet<()>,
    stop: &CancellationToken,
    journal: Arc<Journal>,
) {
    let (sender, listener) = net::notice_channel();
    shared.listened_to(sender);
    let prefix = &config.mqtt.prefix;
    let filters = vec![format!("{prefix}/+/command/+")];
    // Whatever role it names: who asks under one that no rule has is told so.
    let broad = mqtt::Broad {
        filter: format!("{prefix}/+/command/+/+"),
        own: &["/status", "/refused"],
        instead: config.command.roles().iter().map(|role| format!("{prefix}/+/command/{role}/+")).collect(),
    };
    let wish = mqtt::Subscription {
        filters,
        suffix: "-in".into(),
        session: config.command.session,
        as_published: true,
        broad: Some(broad),
    };
    let (inbox, broker_task) = mqtt::subscribe(&config.mqtt, wish, stop.clone());
    let stopped = stop.clone();
    tasks.spawn(async move {
        stopped.cancelled().await;
        mqtt::left(broker_task).await;
    });
    let parts = command_desk::Parts {
        settings: config.command.clone(),
        prefix: config.mqtt.prefix.clone(),
        shared: Arc::clone(shared),
        journal,
        derived: derived.clone(),
        telemetry: Arc::clone(shared.telemetry()),
        inbox,
        listener,
        orders,
        secrets,
    };
    tasks.spawn(command_desk::run(parts, stop.clone()));
}

/// Journals the registry in force once more whenever the uplink asks for it.
async fn renew_context(
    asked: Arc<tokio::sync::Notify>,
    announcer: Arc<Announcer>,
    (shared, current): (Arc<ListenerState>, Arc<Mutex<(Config, Context)>>),
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = asked.notified() => {}
        }
        let (announcer, shared, current) = (Arc::clone(&announcer), Arc::clone(&shared), Arc::clone(&current));
        let renewing = tokio::task::spawn_blocking(move || {
            // A reload waits: two announcements at a time would not be told apart.
            let current = current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let context = Context { stations: shared.registered().facts(), ..current.1.clone() };
            announcer.renew(&context)
        });
        match renewing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "the registry cannot be journalled again; trying once more");
                tokio::time::sleep(TICK).await;
                asked.notify_one();
            }
            Err(error) => tracing::error!(%error, "the registry was not journalled again"),
        }
    }
}

/// What opens sealed secrets. Without it, requests that hold one are refused.
fn secrets_of(config: &Config) -> Option<secrets::Secrets> {
    match secrets::Secrets::open(&config.journal.dir, &config.command.secrets) {
        Ok(secrets) => Some(secrets),
        Err(error) => {
            tracing::error!(%error, "the key for sealed passwords can be neither read nor made: see seal-key in the journal's folder");
            None
        }
    }
}

/// Tells the metrics when the first of the listeners' certificates ends.
fn note_expiry(telemetry: &Telemetry, certificates: &[Option<Arc<net::Certificates>>]) {
    let ends = certificates.iter().flatten().filter_map(|certificate| certificate.ends()).min();
    telemetry.expires(Expiry::Listener, ends);
}

/// The settings of the interpretation, with what other sections say of it.
fn interpretation(config: &Config) -> interpret::Settings {
    let (prefix, gateway) = (config.mqtt.prefix.clone(), config.gateway.id.clone());
    let (coverage, judgement) = (config.recall.clone(), config.judgement.clone());
    interpret::Settings { prefix, gateway, coverage, judgement, cases: config.cases.steps, ..config.interpret.clone() }
}

/// `record` as it is appended now.
fn record(record: &Record<'_>) -> Entry {
    let (kind, body) = record.encoded();
    Entry { time: clock::now(), kind, body }
}

/// Listens for operators, if they are to have an HTTP server.
async fn operators(config: &Config) -> Result<Option<http::Listener>, StartError> {
    let Ok(Some(address)) = config.http.address() else { return Ok(None) };
    let refused = |error| StartError::Listen { address: config.http.address.clone(), error };
    http::Listener::bind(&address).await.map(Some).map_err(refused)
}

/// Lets time pass in the journal.
async fn tick(journal: Arc<Journal>, pulse: Arc<Liveness>, monotonic: Monotonic, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        let beating = Arc::clone(&pulse);
        let reading = record(&Record::Clock(monotonic.micros()));
        // Good news or bad: the writer lives.
        journal.appender().append(reading, move |_: Result<_, _>| beating.beat());
    }
}

/// The retained status of this gateway: what it says when it comes, and what the broker says for it when it is gone.
/// `secrets`: whose public key requests' secrets are sealed for.
fn status(prefix: &str, gateway: &str, secrets: Option<&secrets::Secrets>) -> (Publication, Publication) {
    let body = |state: &str| {
        let mut body = serde_json::json!({
            "schema": "hj212.status/1",
            "gateway": gateway,
            "state": state,
            "version": env!("CARGO_PKG_VERSION"),
            "since": clock::now().to_rfc3339(),
        });
        if let Some(secrets) = secrets {
            body["seal_key"] = secrets.public().into();
        }
        Publication {
            topic: Topic::of_gateway(prefix, gateway).status(),
            payload: Bytes::from(body.to_string()),
            retain: true,
        }
    };
    (body("online"), body("offline"))
}

#[cfg(test)]
mod simulation;
