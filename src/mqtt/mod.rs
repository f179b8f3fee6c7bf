//! The door to the broker: publications go out with QoS 1, in order, and are held until the broker acknowledged them.
//!
//! What must stay true: `delivered` names a number only if the broker acknowledged that publication and every one before it;
//! whatever it has not named yet is still held here, or will be produced again by whoever moves a cursor along `delivered`.
//! Nobody's trouble with the broker ever reaches a station: a full outbox makes `push` wait, nothing else.
//!
//! # Design
//!
//! ```text
//! Outbox::push ──bounded──> door ── try_publish, within the window ──> client ══ TCP ══> broker
//!                             ^                                            │
//!                             └──── packet ids, PUBACKs, the end ── line (polls, nothing else)
//! ```
//!
//! - [`window`](self) is the judgement: sequence numbers, order, what is under way, what was refused. No I/O, no clock.
//! - The *line* is a task that owns the client's event loop and only polls it. The *door* is a task that owns the window; it
//!   feeds the client and hears of the line in batches.
//! - The client library is used as a pipe. Every connection has a new client and a new event loop, clean start; nothing is left
//!   to the library's own memory of a session. After a reconnect everything not acknowledged is sent again, in order. So a
//!   message can arrive twice (at most a window of them per lost connection), but never not at all.
//! - Packet ids are paired with our numbers in the order of writing. Acknowledgements may arrive in any order; one that fits
//!   nothing is ignored by the window (the client drops such a connection by itself; what was read before still counts).
//! - An acknowledgement that does not come within `ack_timeout` ends the connection. The pause before the next attempt doubles
//!   from `retry_min` to `retry_max`, with jitter, and starts anew after a connection of ten seconds; after refused credentials
//!   it is at least five seconds. The password file is read for each attempt. The same complaint is logged once a minute.
//! - MQTT 5: a PUBACK with a reason of 0x80 or more is a refusal. The publication stays, is counted (`mqtt_refused`) and tried
//!   again after a pause, while later ones go on, up to 16 windows ahead; `delivered` does not pass it. The same holds for what
//!   cannot be sent at all (larger than the packets allowed, no valid topic). MQTT 3.1.1 knows no refusal: a broker
//!   acknowledges what its access list then drops. Therefore 5 is the default.
//! - A *birth* is published, retained, first thing on every connection; the *will* is what the broker publishes if we vanish,
//!   and what we publish ourselves before we leave in order. If that farewell is not acknowledged, we leave without DISCONNECT,
//!   and the broker publishes the will. Neither has a number.
//! - On stop: no more is taken or sent, what is under way may still be acknowledged for `drain_max`, then the farewell, then
//!   DISCONNECT. What was pushed and not sent is not lost: `delivered` has not named it.
//!
//! # Known of brokers
//!
//! - mosquitto asks MQTT 5 clients for at most `max_inflight_messages` (20 unless set) under way: over a slow line raise it there.
//! - mosquitto 2.0.11 with `max_queued_messages 0` closes the connection after it refused a message instead of going on; nothing
//!   is lost, but nothing passes either until the access list is repaired. Any number above 0 avoids it.

mod connect;
mod door;
mod inbox;
mod link;
mod settings;
mod window;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::message::Publication;
use crate::telemetry::Telemetry;
use door::{Door, Words};
pub use inbox::{INCOMING_MAX, Inbox, Incoming, Wish, left, subscribe};
pub use settings::{Settings, Version, WrongSetting};

/// The door to the broker has ended: what was not named by [`Outbox::delivered`] is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the door to the MQTT broker is closed")]
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
}

/// Where publications are handed in. Cheap to clone; all clones share one order.
#[derive(Debug, Clone)]
pub struct Outbox {
    pushes: mpsc::Sender<Publication>,
    pushed: Arc<Mutex<u64>>,
    delivered: watch::Receiver<u64>,
    state: watch::Receiver<State>,
}

impl Outbox {
    /// Hands in a publication and returns its sequence number, from 1, without gaps. Waits while too many are not acknowledged.
    /// Dropping the future before it is ready hands in nothing.
    ///
    /// # Errors
    /// [`Closed`] once the door has been told to stop; the publication was not taken.
    pub async fn push(&self, publication: Publication) -> Result<u64, Closed> {
        let permit = self.pushes.reserve().await.map_err(|_| Closed)?;
        // Number and place in the queue must be taken together, or two clones could swap them.
        let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        *pushed += 1;
        permit.send(publication);
        Ok(*pushed)
    }

    /// The highest number up to which everything is acknowledged by the broker; 0 in the beginning. The channel closes when the
    /// door ends.
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

/// Opens the door. `birth` is published after every connect, `will` by the broker if we vanish and by ourselves when we leave;
/// both are sent retained. The task ends after `stop` is cancelled, within `drain_max` and about two seconds.
#[must_use = "the door runs until it is stopped; its task tells when it has ended"]
pub fn start(
    settings: &Settings,
    birth: Publication,
    will: Publication,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> (Outbox, JoinHandle<()>) {
    let words = Words { birth: Publication { retain: true, ..birth }, will: Publication { retain: true, ..will } };
    open(settings, Some(words), telemetry, stop)
}

/// Opens the door without birth and will, for replays: the status of the running gateway is not touched.
#[must_use = "the door runs until it is stopped; its task tells when it has ended"]
pub fn start_quietly(
    settings: &Settings,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> (Outbox, JoinHandle<()>) {
    open(settings, None, telemetry, stop)
}

fn open(
    settings: &Settings,
    words: Option<Words>,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
) -> (Outbox, JoinHandle<()>) {
    let (pushes, pushed) = mpsc::channel(usize::from(settings.window.max(1)));
    let (delivered_to, delivered) = watch::channel(0);
    let (state_to, state) = watch::channel(State::Connecting { last_error: None });
    let door = Door::new(settings.clone(), words, telemetry, stop, pushed, delivered_to, state_to);
    let task = tokio::spawn(door.run());
    (Outbox { pushes, pushed: Arc::new(Mutex::new(0)), delivered, state }, task)
}
