//! What the broker's packets can hold. A message that is too large would stop all that follow, so a notice goes in its place; the
//! record stays in the journal, and a replay with a larger `mqtt.packet_max` publishes it.

use bytes::Bytes;

use crate::config::Config;
use hj212_journal::Offset;
use hj212_model::message::{Publication, Topic};
use hj212_model::telemetry::{Counter, Telemetry};

/// Bytes of a PUBLISH packet besides topic and body: the fixed header, lengths, packet id, properties.
const OVERHEAD: u64 = 32;
// What passes here passes the client too.
const _: () = assert!(OVERHEAD >= hj212_mqtt::OVERHEAD);

/// See the head of the file.
#[derive(Debug)]
pub(super) struct SizeGuard {
    packet_max: u64,
    /// Where notices go.
    topic: String,
    gateway: String,
}

impl SizeGuard {
    pub(super) fn of(config: &Config) -> SizeGuard {
        let gateway = config.gateway.id.clone();
        let topic = Topic::of_gateway(&config.mqtt.prefix, &gateway).oversize();
        SizeGuard { packet_max: config.mqtt.packet_max, topic, gateway }
    }

    /// `publication`, or the notice that stands in its place. It came of the record at `offset`.
    pub(super) fn fit(&self, publication: Publication, offset: Offset, telemetry: &Telemetry) -> Publication {
        let bytes = publication.topic.len() as u64 + publication.payload.len() as u64 + OVERHEAD;
        if bytes <= self.packet_max {
            return publication;
        }
        telemetry.count(Counter::UplinkOversize);
        let Publication { topic, .. } = publication;
        tracing::error!(
            topic,
            bytes,
            offset = offset.0,
            "a message is larger than mqtt.packet_max; raise it and replay"
        );
        let notice = serde_json::json!({
            "schema": "hj212.oversize/1",
            "gateway": self.gateway,
            "topic": topic,
            "bytes": bytes,
            "packet_max": self.packet_max,
            "journal": { "offset": offset.0 },
        });
        Publication { topic: self.topic.clone(), payload: Bytes::from(notice.to_string()), retain: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_becomes_a_notice_and_nothing_else_changes() {
        let mut config = Config::default();
        config.mqtt.packet_max = 1024;
        let (envelope, telemetry) = (SizeGuard::of(&config), Telemetry::default());
        let of = |length| Publication { topic: "t".into(), payload: vec![b'x'; length].into(), retain: true };
        assert_eq!(envelope.fit(of(900), Offset(7), &telemetry).payload.len(), 900);
        let notice = envelope.fit(of(2000), Offset(7), &telemetry);
        assert_eq!(notice.topic, "hj212/v1/gateway/hj212-gateway/oversize");
        let body: serde_json::Value = serde_json::from_slice(&notice.payload).unwrap();
        assert_eq!((&body["topic"], &body["journal"]["offset"]), (&"t".into(), &7.into()));
        assert_eq!(telemetry.get(Counter::UplinkOversize), 1);
    }
}
