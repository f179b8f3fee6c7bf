//! The connection to the broker: publications go out with QoS 1, in order, and are held until the broker acknowledged them.
//!
//! What must stay true: `delivered` names a number only if the broker acknowledged that publication and every one before it;
//! whatever it has not named yet is still held here, or will be produced again by whoever moves a cursor along `delivered`.
//! Nobody's trouble with the broker ever reaches a station: a full outbox makes `push` wait, nothing else.
//!
//! # Design
//!
//! ```text
//! Outbox::push ──bounded──> task ── try_publish, within the window ──> client ══ TCP ══> broker
//!                             ^                                            │
//!                             └──── packet ids, PUBACKs, the end ── line (polls, nothing else)
//! ```
//!
//! - [`window`](self) is the judgement: sequence numbers, order, what is under way, what was refused. No I/O, no clock.
//! - The *line* is a task that owns the client's event loop and only polls it. The *broker task* is a task that owns the window; it
//!   feeds the client and hears of the line in batches.
//! - The client library is used as a pipe. Every connection has a new client and a new event loop, clean start; nothing is left
//!   to the library's own memory of a session. After a reconnect everything not acknowledged is sent again, in order. So a
//!   message can arrive twice (at most a window of them per lost connection), but never not at all.
//! - Packet ids are paired with our numbers in the order of writing. Acknowledgements may arrive in any order; one that fits
//!   nothing is ignored by the window (the client drops such a connection by itself; what was read before still counts).
//! - An acknowledgement that does not come within `ack_timeout` ends the connection. The pause before the next attempt doubles
//!   from `retry_min` to `retry_max`, with jitter, and starts anew after a connection of ten seconds, or one that took something, or that
//!   told more of the message at which it was cut; after refused credentials it is at least five seconds. The password file is read for each attempt. The same complaint is logged once a minute.
//! - MQTT 5: a PUBACK with a reason of 0x80 or more is a refusal. The publication stays, is counted (`mqtt_refused`) and tried
//!   again after a pause, while later ones go on, up to 16 windows ahead; `delivered` does not pass it. MQTT 3.1.1 knows no refusal: a
//!   broker acknowledges what its access list then drops, or cuts the connection; how the message is found then is told in [`culprit`].
//!   Therefore 5 is the default.
//! - **One message never stops the others.** What was tried `tries_max` times, while others pass, is **set aside** ([`trouble`] has the
//!   rule): handed to whoever keeps such ([`Letter`]), and once that says it is durable, `delivered` passes it. What cannot be sent at
//!   all (larger than the packets that the broker says it takes, no valid topic) is set aside at once; what is at least as large as a
//!   message at which the broker kept cutting the connection goes last and alone for an hour, and one cut is enough. Without anybody who keeps letters (replays),
//!   such a publication is tried for ever.
//! - A *birth* is published, retained, first thing on every connection; the *will* is what the broker publishes if we vanish,
//!   and what we publish ourselves before we leave in order. If that farewell is not acknowledged, we leave without DISCONNECT,
//!   and the broker publishes the will. Neither has a number.
//! - On stop: no more is taken or sent, what is under way may still be acknowledged for `drain_max`, then the farewell, then
//!   DISCONNECT. What was pushed and not sent is not lost: `delivered` has not named it.
//!
//! - Several brokers of one cluster (`also`) are tried in turn: the next one when a connection, or the attempt at one, failed for no message's
//!   reason; the pause grows only once all were tried. See [`brokers`].
//! - TLS is outside the library ([`tls`]): it speaks plain MQTT to a unix socket of ours.
//!
//! # Known of brokers
//!
//! - mosquitto asks MQTT 5 clients for at most `max_inflight_messages` (20 unless set) under way: over a slow line raise it there.
//! - mosquitto 2.0.11 with `max_queued_messages 0` closes the connection after it refused a message instead of going on, and what it said
//!   is often lost. The others pass; each message that it refuses costs a connection, about two a second. Any number above 0 avoids it.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod address;
mod broker_task;
mod brokers;
mod connect;
mod culprit;
mod inbox;
mod link;
mod relay;
mod settings;
mod shorten;
mod tls;
mod trouble;
pub mod window;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use broker_task::{BrokerTask, StatusMessages};
use hj212_model::message::Publication;
use hj212_model::telemetry::Telemetry;
pub use inbox::{Broad, INCOMING_MAX, Inbox, Incoming, Subscription, left, subscribe};
pub use link::OVERHEAD;
pub use relay::{Confirm, Delivery, Relay, confirmed};
pub use settings::{Settings, Version, WrongSetting};

/// The connection to the broker has ended: what was not named by [`Outbox::delivered`] is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the MQTT broker is closed")]
pub struct Closed;

/// Whether there is a connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is none, or not yet.
    Connecting {
        /// Why the last attempt or connection failed; `None` before the first.
        last_error: Option<String>,
    },
    /// The broker accepted us.
    Connected,
    /// The broker accepted us and takes messages, but not all of them.
    Hampered {
        /// What waits, and what the broker says of it.
        why: String,
    },
    /// The broker accepted us, and refuses all that it is given: it counts as away.
    Refusing {
        /// What it says.
        why: String,
    },
}

impl State {
    /// Whether messages get through.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, State::Connected | State::Hampered { .. })
    }
}

/// A publication that the broker does not take, to be kept elsewhere so that others can go on.
#[derive(Debug)]
pub struct Letter {
    /// What was to be published.
    pub publication: Publication,
    /// What it came of, as it was pushed.
    pub origin: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Why it is not taken, as far as that is known.
    pub why: String,
    seq: u64,
    settled: mpsc::UnboundedSender<(u64, bool)>,
}

impl Letter {
    /// Whether it is durable now. If it is not, it is tried again.
    pub fn kept(self, kept: bool) {
        // A broker task that has ended publishes it again after the next start.
        let _ = self.settled.send((self.seq, kept));
    }
}

/// Where publications are handed in. Cheap to clone; all clones share one order.
#[derive(Debug, Clone)]
pub struct Outbox {
    pushes: mpsc::Sender<(Publication, u64)>,
    pushed: Arc<Mutex<u64>>,
    delivered: watch::Receiver<u64>,
    state: watch::Receiver<State>,
}

impl Outbox {
    /// Hands in a publication and returns its sequence number, from 1, without gaps. Waits while too many are not acknowledged.
    /// Dropping the future before it is ready hands in nothing.
    ///
    /// # Errors
    /// [`Closed`] once the broker task has been told to stop; the publication was not taken.
    pub async fn push(&self, publication: Publication) -> Result<u64, Closed> {
        self.push_of(publication, 0).await
    }

    /// The same for what came of `origin`, which a [`Letter`] tells again.
    ///
    /// # Errors
    /// As [`Outbox::push`].
    pub async fn push_of(&self, publication: Publication, origin: u64) -> Result<u64, Closed> {
        let permit = self.pushes.reserve().await.map_err(|_| Closed)?;
        // Number and place in the queue must be taken together, or two clones could swap them.
        let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        *pushed += 1;
        permit.send((publication, origin));
        Ok(*pushed)
    }

    /// The highest number up to which everything is acknowledged by the broker; 0 in the beginning. The channel closes when the
    /// task ends.
    #[must_use]
    pub fn delivered(&self) -> watch::Receiver<u64> {
        self.delivered.clone()
    }

    /// Whether there is a connection, and why not.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

/// Starts the broker task. `birth` is published after every connect, `will` by the broker if we vanish and by ourselves when we leave;
/// both are sent retained. The task ends after `stop` is cancelled, within `drain_max` and about two seconds.
#[must_use = "it runs until it is stopped; the task tells when it has ended"]
pub fn start(
    settings: &Settings,
    birth: Publication,
    will: Publication,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> (Outbox, JoinHandle<()>) {
    open(settings, Some(status_of(birth, will)), telemetry, stop, None)
}

/// The same with somebody who keeps what the broker does not take.
#[must_use = "it runs until it is stopped; the task tells when it has ended"]
pub fn start_with_letters(
    settings: &Settings,
    birth: Publication,
    will: Publication,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    letters: mpsc::UnboundedSender<Letter>,
) -> (Outbox, JoinHandle<()>) {
    open(settings, Some(status_of(birth, will)), telemetry, stop, Some(letters))
}

fn status_of(birth: Publication, will: Publication) -> StatusMessages {
    StatusMessages { birth: Publication { retain: true, ..birth }, will: Publication { retain: true, ..will } }
}

/// Starts the broker task without birth and will, for replays: the status of the running gateway is not touched.
#[must_use = "it runs until it is stopped; the task tells when it has ended"]
pub fn start_quietly(
    settings: &Settings,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> (Outbox, JoinHandle<()>) {
    open(settings, None, telemetry, stop, None)
}

fn open(
    settings: &Settings,
    status: Option<StatusMessages>,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
    letters: Option<mpsc::UnboundedSender<Letter>>,
) -> (Outbox, JoinHandle<()>) {
    let (pushes, pushed) = mpsc::channel(usize::from(settings.window.max(1)));
    let (delivered_to, delivered) = watch::channel(0);
    let (state_to, state) = watch::channel(State::Connecting { last_error: None });
    let broker_task =
        BrokerTask::new(settings.clone(), status, telemetry, stop, pushed, delivered_to, state_to, letters);
    let task = tokio::spawn(broker_task.run());
    (Outbox { pushes, pushed: Arc::new(Mutex::new(0)), delivered, state }, task)
}
