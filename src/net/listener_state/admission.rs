//! Places for connections, in all and by address block.
//!
//! What must stay true: whatever a connection took from the counts it gives back when it ends, however it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ListenerState;
use crate::net::Settings;
use crate::net::blocks::Block;
use crate::net::locked::open;
use crate::net::silent::Silence;
use hj212_model::message::Peering;
use hj212_model::telemetry::Counter;

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(in crate::net) struct ConnectionSlot(Arc<ListenerState>);

impl ConnectionSlot {
    /// It is `peer` who takes it, or nobody at a limit, which is counted.
    pub(in crate::net) fn admit(self, peer: SocketAddr) -> Option<Admission> {
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
pub(in crate::net) struct Admission {
    pub(in crate::net) shared: Arc<ListenerState>,
    /// The limits that hold for it.
    pub(in crate::net) settings: Arc<Settings>,
    pub(in crate::net) peering: Peering,
    pub(in crate::net) silence: Arc<Silence>,
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

impl ListenerState {
    /// A place for a newcomer, or `None` at a limit, which is counted.
    pub(in crate::net) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Admission> {
        self.reserve()?.admit(peer)
    }

    /// A place for somebody of whom it is not yet known who it is.
    pub(in crate::net) fn reserve(self: &Arc<Self>) -> Option<ConnectionSlot> {
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

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
