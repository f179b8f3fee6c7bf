//! The downlink, carried out: requests from the broker, frames that stations answered with, steps into the journal, bytes onto
//! connections. One task; the judgement is [`hj212_downlink::Desk`], what is done about it [`DeskRunner`], what of it is on disk [`StepStore`]; here
//! are the runtime's side of it and its clocks.
//!
//! What must stay true:
//! * a step has an effect only after it is on disk; a request is acknowledged to the broker only then;
//! * what the desk needs after a restart is the file `desk` beside the journal and the journal's records behind it, which are held against
//!   retention from the first step that is not in the file; steps are told
//!   downstream by the interpretation of those records, never from here;
//! * stations are answered and their readings kept whether this task lives or not.

mod runner;
mod step_store;

use std::sync::Arc;
use std::time::Duration;

use rand::distr::Distribution;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::derived::Derived;
use super::secrets::Secrets;
use crate::net::{ListenerState, NoticeReceiver};
use hj212::{Edition, sm4};
use hj212_coverage::Recall;
use hj212_downlink::{Address, Desk, Moment, Settings, StationKey, Steady};
use hj212_journal::{Entry, Journal, Offset};
use hj212_model::clock;
use hj212_model::message::Timestamp;
use hj212_model::registry::Told;
use hj212_model::telemetry::Telemetry;
use hj212_mqtt::{Inbox, Incoming};
pub(super) use runner::{DeskRunner, Means, Place, Request};
#[cfg(test)]
pub(super) use step_store::Became;
pub(super) use step_store::{FILE, StepStore, remembered, steps};

/// How long the end may take.
const END_MAX: Duration = Duration::from_millis(500);

/// Orders that wait for the desk, at most.
pub(super) const ORDERS_MAX: usize = 64;

/// What the rest of the gateway tells the desk.
#[derive(Debug)]
pub(super) enum Order {
    /// Other settings, or other stations.
    Reload(Box<Settings>),
    /// Take up keys that stations were given by other means.
    Keys(Vec<StationKey>),
    /// Ask a station for what is missing.
    Recall(Box<Recall>),
}

/// What the desk needs.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) prefix: String,
    pub(super) shared: Arc<ListenerState>,
    pub(super) journal: Arc<Journal>,
    pub(super) derived: Derived,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) inbox: Inbox,
    pub(super) listener: NoticeReceiver,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) secrets: Option<Secrets>,
}

/// What became of the step of a ticket.
type Settled = (u64, Option<Offset>);

/// The process's own clocks, journal and randomness.
struct Own {
    /// The beginning of the steady clock.
    began: Instant,
    journal: Arc<Journal>,
    settled: mpsc::UnboundedSender<Settled>,
}

impl Means for Own {
    fn clocks(&self) -> (Timestamp, Steady) {
        let passed = i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX);
        (clock::now(), Steady(passed))
    }

    fn append(&mut self, ticket: Option<u64>, entry: Entry) {
        let Some(ticket) = ticket else { return self.journal.appender().append(entry, ()) };
        let settled = self.settled.clone();
        self.journal.appender().append(entry, move |outcome: Result<Offset, _>| {
            // Without the desk nobody waits.
            let _ = settled.send((ticket, outcome.ok()));
        });
    }

    fn new_key(&mut self) -> sm4::Key {
        let mut random = rand::rng();
        sm4::Key::from_bytes(std::array::from_fn(|_| rand::distr::Alphanumeric.sample(&mut random)))
    }
}

impl Request for Incoming {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn retained(&self) -> bool {
        self.retained
    }

    fn left(&self) -> Option<Duration> {
        self.left
    }

    fn taken(self) {
        Incoming::taken(self);
    }
}

struct Task {
    runner: DeskRunner<Own, Incoming>,
    began: Instant,
    requests_per_second: u32,
    inbox: Inbox,
    listener: NoticeReceiver,
    orders: mpsc::Receiver<Order>,
    settled: mpsc::UnboundedReceiver<Settled>,
}

/// Runs until `stop`.
pub(super) async fn run(parts: Parts, stop: CancellationToken) {
    let Parts { settings, prefix, shared, journal, derived, telemetry, inbox, listener, orders, secrets } = parts;
    let (read_from, ids_max) = (Arc::clone(&journal), settings.ids_max);
    let read = tokio::task::spawn_blocking(move || StepStore::restore(read_from, derived, ids_max, runner::AGAIN));
    let step_store = tokio::select! {
        read = read => match read {
            Ok(read) => read,
            Err(_) => return tracing::error!("the command desk cannot be restored; no commands until a restart"),
        },
        () = stop.cancelled() => return,
    };
    let (settled_to, settled) = mpsc::unbounded_channel();
    let (began, requests_per_second) = (Instant::now(), settings.requests_per_second);
    let means = Own { began, journal, settled: settled_to };
    let place = Place { settings, prefix, listeners: shared, telemetry, secrets };
    let runner = DeskRunner::open(place, step_store, means);
    let mut task = Task { runner, began, requests_per_second, inbox, listener, orders, settled };
    task.attend(&stop).await;
    task.runner.keep();
}

impl Task {
    async fn attend(&mut self, stop: &CancellationToken) {
        let mut next_request = Instant::now();
        let mut inbox = true;
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((ticket, outcome)) = self.settled.recv() => self.runner.settle(ticket, outcome),
                news = self.listener.next() => match news {
                    Some(news) => self.runner.hear(news),
                    None => break,
                },
                Some(order) = self.orders.recv() => self.runner.obey(order),
                () = tokio::time::sleep_until(wake) => self.runner.due(),
                // The pace bounds what hostile requests can write into the journal.
                request = async { tokio::time::sleep_until(next_request).await; self.inbox.next().await }, if inbox => {
                    next_request = Instant::now() + Duration::from_secs(1) / self.requests_per_second.max(1);
                    match request {
                        Some(request) => self.runner.request(request),
                        None => inbox = false,
                    }
                }
            }
        }
        let end = Instant::now() + END_MAX;
        while !self.runner.is_idle() {
            match tokio::time::timeout_at(end, self.settled.recv()).await {
                Ok(Some((ticket, outcome))) => self.runner.settle(ticket, outcome),
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// When the runner wants to be woken.
    fn wake(&self) -> Instant {
        let micros = u64::try_from(self.runner.wake().0.max(0)).unwrap_or(0);
        let far = Instant::now() + Duration::from_secs(3600);
        self.began.checked_add(Duration::from_micros(micros.min(u64::MAX / 4))).unwrap_or(far)
    }
}

/// What stations were told and are not registered with.
fn told(desk: &Desk) -> Vec<Told> {
    let told = |followed: hj212_downlink::Followed| Told {
        mn: followed.mn,
        passwords: followed.passwords,
        new_mn: followed.new_mn,
    };
    desk.followed().into_iter().map(told).collect()
}

/// Has the stations' listener take what the file tells of what stations were told, before the first of them comes.
pub(super) fn follow_early(derived: &Derived, shared: &ListenerState, settings: &Settings) {
    let Some(steps) = derived.load(FILE).and_then(|bytes| steps(&bytes)) else { return };
    let registry = shared.registry();
    let address = |mn: &str| {
        let station = registry.find(mn.as_bytes())?;
        let pw = station.pw.as_ref().map(|pw| pw.reveal().to_owned());
        Some(Address { pw, ..Address::new(mn, Edition::V2017) })
    };
    let now = Moment { wall: clock::now(), ..Moment::default() };
    shared.follow(told(&Desk::restore(settings.clone(), steps, address, now)));
}

/// The first 64 characters: enough to find it again, and no line is longer for what somebody has asked.
pub(super) fn short(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}
