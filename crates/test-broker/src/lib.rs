//! A small MQTT broker in the process: honest for `demo`, hostile for tests. Not in the production build (feature `demo`).
//!
//! MQTT 3.1.1 and 5 over TCP; clean sessions only; QoS 0 and 1 (QoS 2 ends the connection); retained messages, last wills,
//! wildcards. Nothing is kept on disk: whoever stops it and starts another on the same address has a broker that lost its memory.
//!
//! What must stay true: a message counts as accepted ([`Broker::received`], [`Broker::messages`], subscribers) only when its
//! acknowledgement has been written in full; so "everything accepted" is exactly what a client may believe. Misbehaviour
//! ([`Behaviour`]) is decided by counting, never by chance.
//!
//! # Limits
//!
//! [`CLIENTS_MAX`] clients, [`CONNECT_MAX`] until a CONNECT is complete, [`PACKET_MAX`] bytes a packet, [`FILTERS_MAX`] filters,
//! [`QUEUE_MAX`] messages waiting for one subscriber, [`WRITE_MAX`] without reading: at each the connection concerned is closed.
//! Beyond [`RETAINED_MAX`] topics nothing more is retained. [`Broker::counts`] tells what happened. [`Broker::messages`] and
//! [`Behaviour::record`] have no limit: they are for those who read along.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

mod behaviour;
mod client;
mod hub;
mod wire;

#[cfg(test)]
mod limits_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use behaviour::{Behaviour, Cut, Refusal, Unwelcome};
use hub::{Hub, Seat, open};

/// Clients at a time.
pub const CLIENTS_MAX: usize = 64;
/// The longest packet in bytes.
pub const PACKET_MAX: usize = 8 << 20;
/// Messages that wait for one subscriber.
pub const QUEUE_MAX: usize = 65_536;
/// Filters of one subscriber.
pub const FILTERS_MAX: usize = 1024;
/// Topics with a retained message.
pub const RETAINED_MAX: usize = 65_536;
/// From the connection to a complete CONNECT.
pub const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a client may refuse to read what it is sent.
pub const WRITE_MAX: Duration = Duration::from_secs(30);

/// A message that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its body.
    pub payload: Bytes,
    /// Whether it is kept for later subscribers.
    pub retain: bool,
    /// Whether its sender says it may be a repetition.
    pub dup: bool,
    /// 0 or 1.
    pub qos: u8,
}

/// What a limit cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Clients beyond [`CLIENTS_MAX`].
    pub turned_away: u64,
    /// Subscribers whose queue ran over, and clients that did not read for [`WRITE_MAX`].
    pub too_slow: u64,
    /// Retained messages beyond [`RETAINED_MAX`]: sent on, not kept.
    pub not_retained: u64,
}

/// A running broker; dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Broker {
    /// An honest broker on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(address: SocketAddr) -> io::Result<Broker> {
        Self::start_with(address, Behaviour::default()).await
    }

    /// A broker that behaves as told.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    #[allow(clippy::unused_async, reason = "it needs a runtime, and says so")]
    pub async fn start_with(address: SocketAddr, behaviour: Behaviour) -> io::Result<Broker> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(128)?;
        let broker = Broker {
            address: listener.local_addr()?,
            hub: Arc::new(Mutex::new(Hub { behaviour, ..Hub::default() })),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (hub, stop, tasks) = (Arc::clone(&broker.hub), broker.stop.clone(), broker.tasks.clone());
        broker.tasks.spawn(accept(listener, hub, stop, tasks));
        Ok(broker)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every message accepted from now on. Unbounded: whoever asks for it must read it or drop it.
    #[must_use]
    pub fn messages(&self) -> mpsc::UnboundedReceiver<Message> {
        let (sender, receiver) = mpsc::unbounded_channel();
        open(&self.hub).listeners.push(sender);
        receiver
    }

    /// Every message accepted while [`Behaviour::record`] was set, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Message> {
        open(&self.hub).received.clone()
    }

    /// The retained messages by topic.
    #[must_use]
    pub fn retained(&self) -> BTreeMap<String, Bytes> {
        open(&self.hub).retained.clone()
    }

    /// Behaves differently from now on; connections that stand keep to the old way.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut hub = open(&self.hub);
        (hub.behaviour, hub.connections) = (behaviour, 0);
    }

    /// Closes all connections, without a word to the clients; their wills are published.
    pub fn drop_connections(&self) {
        open(&self.hub).drop_connections();
    }

    /// What the limits cost so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        open(&self.hub).counts
    }

    /// Connections that stand.
    #[must_use]
    pub fn connections(&self) -> usize {
        open(&self.hub).standing.len()
    }

    /// Connections that listen to something.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        open(&self.hub).subscribers()
    }

    /// Closes everything; the address is free when this returns.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, hub: Arc<Mutex<Hub>>, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        let Some((seat, behaviour)) = Seat::take(&hub, queue) else { continue };
        let (leave, stop) = (seat.leave.clone(), stop.clone());
        let client = client::Client::new(seat, stream, behaviour);
        tasks.spawn(async move {
            tokio::select! {
                () = client.run(messages) => {}
                () = leave.cancelled() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}
