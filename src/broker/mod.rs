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
//! [`CLIENTS_MAX`] clients, [`PACKET_MAX`] bytes a packet, [`QUEUE_MAX`] messages waiting for one subscriber: at each the
//! connection concerned is closed.

mod behaviour;
mod client;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use behaviour::{Behaviour, Refusal};

/// Clients at a time.
pub const CLIENTS_MAX: usize = 64;
/// The longest packet in bytes.
pub const PACKET_MAX: usize = 8 << 20;
/// Messages that wait for one subscriber.
pub const QUEUE_MAX: usize = 65_536;

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

/// What all clients share.
#[derive(Debug, Default)]
struct Hub {
    behaviour: Behaviour,
    /// Connections since the behaviour was set.
    connections: u64,
    clients: usize,
    retained: BTreeMap<String, Bytes>,
    received: Vec<Message>,
    listeners: Vec<mpsc::UnboundedSender<Message>>,
    subscribers: HashMap<u64, Subscriber>,
    dropping: CancellationToken,
}

#[derive(Debug)]
struct Subscriber {
    filters: Vec<String>,
    queue: mpsc::Sender<Message>,
    /// Cancelled when the queue ran over.
    overrun: CancellationToken,
}

impl Hub {
    /// A message is accepted: kept, told, and sent on.
    fn accept(&mut self, message: &Message) {
        if message.retain {
            match message.payload.is_empty() {
                true => drop(self.retained.remove(&message.topic)),
                false => drop(self.retained.insert(message.topic.clone(), message.payload.clone())),
            }
        }
        if self.behaviour.record {
            self.received.push(message.clone());
        }
        self.listeners.retain(|listener| listener.send(message.clone()).is_ok());
        for subscriber in self.subscribers.values() {
            let wanted = subscriber.filters.iter().any(|filter| rumqttc::matches(&message.topic, filter));
            let sent = Message { retain: false, dup: false, ..message.clone() };
            if wanted && subscriber.queue.try_send(sent).is_err() {
                subscriber.overrun.cancel();
            }
        }
    }
}

/// A running broker; dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

fn open(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Every message accepted from now on.
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

    /// Closes all connections, without a word.
    pub fn drop_connections(&self) {
        let mut hub = open(&self.hub);
        std::mem::take(&mut hub.dropping).cancel();
    }

    /// Connections that stand.
    #[must_use]
    pub fn connections(&self) -> usize {
        open(&self.hub).clients
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
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        number += 1;
        let (behaviour, dropping) = {
            let mut hub = open(&hub);
            if hub.clients >= CLIENTS_MAX {
                continue;
            }
            hub.clients += 1;
            hub.connections += 1;
            (hub.behaviour.of_connection(hub.connections), hub.dropping.clone())
        };
        let (hub, stop) = (Arc::clone(&hub), stop.clone());
        tasks.spawn(async move {
            let client = client::Client::new(number, stream, Arc::clone(&hub), behaviour);
            tokio::select! {
                () = client.run() => {}
                () = dropping.cancelled() => {}
                () = stop.cancelled() => {}
            }
            let mut hub = open(&hub);
            hub.clients -= 1;
            hub.subscribers.remove(&number);
        });
    }
}
