//! One MQTT message to be published with QoS 1.

use bytes::Bytes;

/// A message for downstream: topic, payload, retained or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The whole topic, prefix included.
    pub topic: String,
    /// The body; empty on a retained topic clears it.
    pub payload: Bytes,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}
