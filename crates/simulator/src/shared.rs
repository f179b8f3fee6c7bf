//! What the connections of a run share: its options, clock, counters and ledgers, and the way to the host.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::commands::{Commands, Event, What};
use super::error::SimError;
use super::faults::Fault;
use super::fleet::Profile;
use super::flight::{Note, Sending};
use super::ledger::{Ledger, LedgerError};
use super::options::Options;
use super::seeded_random::{SeededRandom, unit};
use super::tally::{Count, Progress, Tally};
use hj212_model::message::Timestamp;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What all connections of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) stop: CancellationToken,
    pub(crate) tally: Tally,
    pub(crate) clock: Clock,
    pub(super) start: Instant,
    host: SocketAddr,
    ledger: Option<Ledger>,
    sent: Option<Ledger>,
    pub(super) commands: Commands,
    pub(super) news: Notify,
    pub(super) failure: Mutex<Option<LedgerError>>,
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
    pub(super) async fn new(options: Options, stop: &CancellationToken) -> Result<Self, SimError> {
        let open = |path: &Option<std::path::PathBuf>| path.as_deref().map(Ledger::open).transpose();
        let (ledger, sent) = (open(&options.ledger)?, open(&options.sent)?);
        let commands = Commands::new(open(&options.behaviour.commands)?);
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
            commands,
            news: Notify::new(),
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
        if self.options.duration.is_zero() {
            Duration::MAX
        } else {
            self.options.duration + self.options.behaviour.stay
        }
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
    pub(crate) fn pause(&self, failures: u32, rng: &mut SeededRandom) -> Duration {
        let doubled = self.options.reconnect_min.saturating_mul(1 << failures.min(16));
        doubled.min(self.options.reconnect_max.max(self.options.reconnect_min)).mul_f64(0.5 + 0.5 * unit(rng.roll()))
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

    /// Counts and notes what happened to commands.
    pub(crate) fn note_events(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        for event in events {
            match &event.what {
                What::Heard { time: 1, .. } => self.tally.count(Count::Commands),
                What::Heard { .. } => self.tally.count(Count::CommandsAgain),
                What::QnRtn(code) => self.tally.add(Count::Refusals, u64::from(*code != 1)),
                What::Ignored => self.tally.count(Count::Ignored),
                What::Told => self.tally.count(Count::Told),
                What::ExeRtn(_) | What::Noticed | What::Obeyed(_) => {}
            }
            if let Err(error) = self.commands.note(event) {
                self.fail(error);
            }
        }
        self.news.notify_waiters();
    }

    /// When the time off the line ends that lasts now.
    pub(crate) fn away(&self) -> Option<Duration> {
        self.options.behaviour.offline.and_then(|outage| outage.lasting(self.elapsed()))
    }

    /// When the time off the line begins; never, if there is none or it is past.
    pub(crate) fn next_away(&self) -> Duration {
        let outage = self.options.behaviour.offline.filter(|outage| self.elapsed() < outage.from);
        outage.map_or(Duration::MAX, |outage| outage.from)
    }

    fn append(&self, ledger: Option<&Ledger>, mn: &str, note: &Note) {
        if let Some(Err(error)) = ledger.map(|ledger| ledger.write(mn, note)) {
            self.fail(error);
        }
    }

    fn fail(&self, error: LedgerError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.stop.cancel();
    }

    /// How the run stands.
    pub(super) fn progress(&self) -> Progress {
        self.tally.progress(self.elapsed())
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
