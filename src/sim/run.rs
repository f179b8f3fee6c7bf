//! A whole run: the fleet, its connections, what they share, and the end.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::agenda::Habits;
use super::clock::Clock;
use super::connection::Connection;
use super::dice::{Dice, unit};
use super::faults::Fault;
use super::fleet::{self, Profile};
use super::ledger::{Ledger, LedgerError};
use super::options::{OptionError, Options, Rate};
use super::station::{Note, Rules, Sending, Station};
use super::tally::{Count, Progress, Summary, Tally};
use super::throughput::{Pace, Sender, Templates};
use crate::message::Timestamp;

/// How often a 2025 station beats while it has nothing else to say. The standard names no period.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a run could not be made or was broken off.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An option cannot be obeyed.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The address means nothing.
    #[error("--connect {connect}: {error}; write a host and a port, as 127.0.0.1:9002")]
    Address {
        /// What was given.
        connect: String,
        /// What the resolver says.
        error: std::io::Error,
    },
    /// The ledger cannot be kept.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Runs the stations of `options` until their time is over or `stop` is cancelled, and tells `progress` every
/// [`Options::progress`] how it goes. Needs a tokio runtime with I/O and time.
///
/// That a gateway cannot be reached is no error: stations try again, and the summary counts it.
///
/// # Errors
/// [`SimError`] if the options contradict each other, the address cannot be resolved, or a ledger cannot be written.
pub async fn run(
    options: Options,
    stop: CancellationToken,
    mut progress: impl FnMut(&Progress),
) -> Result<Summary, SimError> {
    options.check()?;
    let shared = Arc::new(Shared::new(options, &stop).await?);
    let tracker = TaskTracker::new();
    start(&shared, &tracker);
    tracker.close();

    let options = &shared.options;
    let every = options.progress;
    let mut ticks = interval_at(shared.start + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ramped = Duration::from_secs_f64(f64::from(options.connection_count()) / f64::from(options.ramp));
    let mut measured = Measured::default();
    let (mut ramp_pending, mut end_pending) = (true, true);
    loop {
        tokio::select! {
            () = tracker.wait() => break,
            _ = ticks.tick() => progress(&shared.progress()),
            () = sleep_until(shared.instant(ramped)), if ramp_pending => {
                ramp_pending = false;
                measured.from = shared.acked_now();
            }
            () = sleep_until(shared.instant(shared.until())), if end_pending => {
                end_pending = false;
                measured.to = Some(shared.acked_now());
            }
            () = sleep_until(shared.instant(shared.until().saturating_add(options.drain))), if !end_pending => {
                shared.stop.cancel();
                tracker.wait().await;
                break;
            }
        }
    }
    if let Some(error) = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error.into());
    }
    Ok(shared.summary(measured))
}

/// Where the measurement of frames a second begins and ends: when, and how many answers there had been.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    from: (Duration, u64),
    to: Option<(Duration, u64)>,
}

fn start(shared: &Arc<Shared>, tracker: &TaskTracker) {
    let options = &shared.options;
    let mut numbers = fleet::numbers(options);
    let connections = options.connection_count();
    let stations = options.station_count();
    let mut profiles = move |connection: u32| {
        // As even as it goes: the first ones take one more.
        let share = stations / connections + u32::from(connection < stations % connections);
        numbers.by_ref().take(share as usize).collect::<Vec<_>>()
    };
    if let Some(rate) = options.rate {
        let templates = Arc::new(Templates::new(options, shared.clock.wall(Duration::ZERO)));
        let pace = match rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => Some(Duration::from_secs_f64(f64::from(connections) / rate)),
        };
        for connection in 0..connections {
            let senders =
                profiles(connection).into_iter().map(|n| templates.voice(fleet::profile(options, n))).collect();
            let phase = pace.map(|every| Pace { every, phase: every * connection / connections });
            tracker.spawn(Sender::new(Arc::clone(shared), connection as usize, senders, phase).run());
        }
        return;
    }
    let rules = Arc::new(rules(options, shared.clock, shared.until()));
    for connection in 0..connections {
        let station = |number| Station::new(fleet::profile(options, number), Arc::clone(&rules), options.seed);
        let stations = profiles(connection).into_iter().map(station).collect();
        tracker.spawn(Connection::new(Arc::clone(shared), connection as usize, stations).run());
    }
}

fn rules(options: &Options, clock: Clock, until: Duration) -> Rules {
    let habits = Habits {
        clock,
        interval: options.interval,
        minutes: u8::try_from(options.min_interval).unwrap_or(10),
        heartbeat: HEARTBEAT_INTERVAL,
        until,
        aligned: options.aligned,
    };
    Rules {
        habits,
        faults: options.faults.clone(),
        answer_timeout: options.answer_timeout,
        resends: options.resends,
        keep: options.keep,
        pace: options.pace,
    }
}

/// What all connections of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) stop: CancellationToken,
    pub(crate) tally: Tally,
    pub(crate) clock: Clock,
    start: Instant,
    host: SocketAddr,
    ledger: Option<Ledger>,
    sent: Option<Ledger>,
    failure: Mutex<Option<LedgerError>>,
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct Gauge(Arc<Shared>);

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.tally.connection(-1);
    }
}

impl Shared {
    async fn new(options: Options, stop: &CancellationToken) -> Result<Self, SimError> {
        let open = |path: &Option<std::path::PathBuf>| path.as_deref().map(Ledger::open).transpose();
        let (ledger, sent) = (open(&options.ledger)?, open(&options.sent)?);
        let host = resolve(&options.connect).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        let clock = Clock::new(now, options.effective_speed(), options.duration);
        Ok(Shared {
            options,
            stop: stop.child_token(),
            tally: Tally::new(),
            clock,
            start: Instant::now(),
            host,
            ledger,
            sent,
            failure: Mutex::new(None),
        })
    }

    /// Time since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment `elapsed` after the start; a year on if that is further than the clock goes.
    pub(crate) fn instant(&self, elapsed: Duration) -> Instant {
        self.start + elapsed.min(Duration::from_secs(365 * 86_400))
    }

    /// When stations stop making records.
    pub(crate) fn until(&self) -> Duration {
        if self.options.duration.is_zero() { Duration::MAX } else { self.options.duration }
    }

    /// From when on answer times count in throughput mode.
    pub(crate) fn settled(&self) -> Duration {
        let connections = usize::try_from(self.options.connection_count()).unwrap_or(usize::MAX);
        self.ramp(connections) + self.options.settle
    }

    /// How long connection `number` waits before its first attempt.
    pub(crate) fn ramp(&self, number: usize) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(self.options.ramp))
    }

    /// Makes a connection. Failures are counted.
    pub(crate) async fn connect(&self, number: usize) -> Option<TcpStream> {
        let bind = self.options.bind.get(number % self.options.bind.len().max(1)).copied();
        match timeout(CONNECT_TIMEOUT, connect_from(bind, self.host)).await {
            Ok(Ok(stream)) => {
                self.tally.count(Count::Connects);
                Some(stream)
            }
            Ok(Err(_)) | Err(_) => {
                self.tally.count(Count::ConnectFailures);
                None
            }
        }
    }

    /// The pause before the next attempt after so many failures: doubling, between half and all of it.
    pub(crate) fn pause(&self, failures: u32, dice: &mut Dice) -> Duration {
        let doubled = self.options.reconnect_min.saturating_mul(1 << failures.min(16));
        doubled.min(self.options.reconnect_max.max(self.options.reconnect_min)).mul_f64(0.5 + 0.5 * unit(dice.roll()))
    }

    pub(crate) fn count_connection(self: &Arc<Self>) -> Gauge {
        self.tally.connection(1);
        Gauge(Arc::clone(self))
    }

    /// Counts a packet that is about to go out.
    pub(crate) fn note_sending(&self, station: &Profile, sending: &Sending) {
        if sending.resend > 0 {
            return self.tally.count(Count::Resent);
        }
        self.append(self.sent.as_ref(), &station.mn, &sending.note);
        self.tally.sent(sending.kind);
        if station.quirks.contains(Fault::NoAckWanted) {
            self.tally.count(Count::Unasked);
        }
    }

    /// Writes an acknowledged packet down, before it is counted.
    pub(crate) fn note_answer(&self, mn: &str, note: &Note) {
        self.append(self.ledger.as_ref(), mn, note);
    }

    /// Whether packets are written down at all.
    pub(crate) fn keeps_notes(&self) -> bool {
        self.ledger.is_some() || self.sent.is_some()
    }

    pub(crate) fn note_sent(&self, mn: &str, note: &Note) {
        self.append(self.sent.as_ref(), mn, note);
    }

    fn append(&self, ledger: Option<&Ledger>, mn: &str, note: &Note) {
        let Some(Err(error)) = ledger.map(|ledger| ledger.write(mn, note)) else { return };
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.cancel();
    }

    fn acked_now(&self) -> (Duration, u64) {
        let progress = self.progress();
        (progress.elapsed, progress.counts.acked)
    }

    fn progress(&self) -> Progress {
        self.tally.progress(self.elapsed())
    }

    fn summary(&self, measured: Measured) -> Summary {
        let to = measured.to.unwrap_or_else(|| self.acked_now());
        let rate =
            to.1.saturating_sub(measured.from.1) as f64 / to.0.saturating_sub(measured.from.0).as_secs_f64().max(1e-3);
        let (stations, connections) = (self.options.station_count(), self.options.connection_count());
        self.tally.summary(self.elapsed(), rate, u64::from(stations), u64::from(connections))
    }
}

async fn resolve(connect: &str) -> Result<SocketAddr, SimError> {
    let failed = |error| SimError::Address { connect: connect.to_owned(), error };
    let none = || failed(std::io::Error::from(std::io::ErrorKind::NotFound));
    lookup_host(connect).await.map_err(failed)?.next().ok_or_else(none)
}

async fn connect_from(bind: Option<IpAddr>, host: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if host.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(address) = bind {
        // Without this an address gives out its ports once, not once for each host.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(address, 0))?;
    }
    let stream = socket.connect(host).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
