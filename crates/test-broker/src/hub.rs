//! What the clients of the broker share: who stands, who listens to what, what is retained.
//!
//! What must stay true: whatever way a connection ends, a panic included, its place is free again and its will is accepted
//! unless it said good-bye. So both hang on [`Seat`], not on the code that happens to run last.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::wire::Filter;
use super::{Behaviour, CLIENTS_MAX, Counts, FILTERS_MAX, Message, RETAINED_MAX};

/// What all clients share.
#[derive(Debug, Default)]
pub(super) struct Hub {
    pub(super) behaviour: Behaviour,
    /// Connections since the behaviour was set.
    pub(super) connections: u64,
    /// Connections since the start.
    pub(super) number: u64,
    pub(super) standing: HashMap<u64, Standing>,
    pub(super) retained: BTreeMap<String, Bytes>,
    pub(super) received: Vec<Message>,
    pub(super) listeners: Vec<mpsc::UnboundedSender<Message>>,
    pub(super) counts: Counts,
}

/// A connection, as the others see it.
#[derive(Debug)]
pub(super) struct Standing {
    name: String,
    will: Option<Message>,
    /// Cancelled when the connection is to end.
    leave: CancellationToken,
    filters: Vec<Filter>,
    queue: mpsc::Sender<Message>,
}

pub(super) fn open(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection's place; dropping it gives the place back and leaves the will.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) hub: Arc<Mutex<Hub>>,
    pub(super) leave: CancellationToken,
    number: u64,
}

impl Seat {
    /// A place and what its connection meets; `None` if all are taken.
    pub(super) fn take(hub: &Arc<Mutex<Hub>>, queue: mpsc::Sender<Message>) -> Option<(Seat, Behaviour)> {
        let mut open = open(hub);
        if open.standing.len() >= CLIENTS_MAX {
            open.counts.turned_away += 1;
            return None;
        }
        open.connections += 1;
        open.number += 1;
        let (number, leave) = (open.number, CancellationToken::new());
        let standing = Standing { name: String::new(), will: None, leave: leave.clone(), filters: Vec::new(), queue };
        open.standing.insert(number, standing);
        let behaviour = open.behaviour.of_connection(open.connections);
        Some((Seat { hub: Arc::clone(hub), leave, number }, behaviour))
    }

    /// The client is who it says: an elder connection of that name ends, its will first (MQTT 5, 3.1.4).
    pub(super) fn admit(&self, name: String, will: Option<Message>) {
        let mut hub = open(&self.hub);
        let elder = hub.standing.iter_mut().find(|(_, elder)| !name.is_empty() && elder.name == name);
        if let Some((_, elder)) = elder {
            elder.leave.cancel();
            elder.name.clear();
            elder.filters.clear();
            if let Some(will) = elder.will.take() {
                hub.accept(&will);
            }
        }
        if let Some(standing) = hub.standing.get_mut(&self.number) {
            (standing.name, standing.will) = (name, will);
        }
    }

    /// The client said good-bye: no will.
    pub(super) fn farewell(&self) {
        if let Some(standing) = open(&self.hub).standing.get_mut(&self.number) {
            standing.will = None;
        }
    }

    /// Listens to `filters` too; false if they are too many. `retained` gets what is there already.
    pub(super) fn subscribe(&self, filters: Vec<Filter>, retained: &mut Vec<Message>) -> bool {
        let mut hub = open(&self.hub);
        for (topic, payload) in hub.retained.iter().filter(|(topic, _)| !hub.is_hidden(topic)) {
            if let Some(qos) = wanted(&filters, topic) {
                let (topic, payload) = (topic.clone(), payload.clone());
                retained.push(Message { topic, payload, retain: true, dup: false, qos });
            }
        }
        let Some(standing) = hub.standing.get_mut(&self.number) else { return false };
        for filter in filters {
            standing.filters.retain(|elder| elder.path != filter.path);
            standing.filters.push(filter);
        }
        standing.filters.len() <= FILTERS_MAX
    }

    pub(super) fn unsubscribe(&self, filters: &[String]) {
        if let Some(standing) = open(&self.hub).standing.get_mut(&self.number) {
            standing.filters.retain(|filter| !filters.contains(&filter.path));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut hub = open(&self.hub);
        if let Some(will) = hub.standing.remove(&self.number).and_then(|standing| standing.will) {
            hub.accept(&will);
        }
    }
}

impl Hub {
    /// A message is accepted: kept, told, and sent on.
    pub(super) fn accept(&mut self, message: &Message) {
        if message.retain && message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if message.retain && (self.retained.len() < RETAINED_MAX || self.retained.contains_key(&message.topic)) {
            self.retained.insert(message.topic.clone(), message.payload.clone());
        } else if message.retain {
            self.counts.not_retained += 1;
        }
        if self.behaviour.record {
            self.received.push(message.clone());
        }
        self.listeners.retain(|listener| listener.send(message.clone()).is_ok());
        if self.is_hidden(&message.topic) {
            return;
        }
        for listener in self.standing.values_mut() {
            let Some(qos) = wanted(&listener.filters, &message.topic) else { continue };
            let sent = Message { retain: false, dup: false, qos: qos.min(message.qos), ..message.clone() };
            if listener.queue.try_send(sent).is_err() {
                listener.leave.cancel();
                listener.filters.clear();
                self.counts.too_slow += 1;
            }
        }
    }

    fn is_hidden(&self, topic: &str) -> bool {
        self.behaviour.hidden.as_ref().is_some_and(|end| topic.ends_with(end.as_str()))
    }

    pub(super) fn subscribers(&self) -> usize {
        self.standing.values().filter(|standing| !standing.filters.is_empty()).count()
    }

    /// Ends all connections.
    pub(super) fn drop_connections(&self) {
        self.standing.values().for_each(|standing| standing.leave.cancel());
    }
}

/// The highest QoS with which one of `filters` wants `topic`.
fn wanted(filters: &[Filter], topic: &str) -> Option<u8> {
    filters.iter().filter(|filter| matches(topic, &filter.path)).map(|filter| filter.qos).max()
}

/// Whether `filter` means `topic` (MQTT 5, 4.7). The client library's own function looks at the first byte of a topic as if it
/// were a character and panics where it is none.
fn matches(topic: &str, filter: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut levels, mut wishes) = (topic.split('/'), filter.split('/'));
    loop {
        match (levels.next(), wishes.next()) {
            (_, Some("#")) | (None, None) => return true,
            (Some(_), Some("+")) => {}
            (Some(level), Some(wish)) if level == wish => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_mean_what_the_standard_says() {
        for (topic, filter, means) in [
            ("a/b", "a/b", true),
            ("a/b", "a/+", true),
            ("a/b", "#", true),
            ("a", "a/#", true),
            ("a/", "a/+", true),
            ("a", "a/+", false),
            ("a/b/c", "a/+", false),
            ("/a", "+/+", true),
            ("/a", "+", false),
            ("$SYS/a", "#", false),
            ("$SYS/a", "+/a", false),
            ("$SYS/a", "$SYS/#", true),
            ("水/站点", "+/站点", true),
            ("水", "水/#", true),
        ] {
            assert_eq!(matches(topic, filter), means, "{topic} {filter}");
        }
    }
}
