//! What the gateway says of itself (record kind 24): limits that were reached, messages that were set aside, as events.
//!
//! What must stay true: a notice is published as the journal holds it, once, and nothing else follows from it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::data::write_journal;
use super::events::JournalRef;
use super::{Interpreter, Says, TypedPublication};

#[derive(Deserialize)]
struct Notice {
    kind: String,
    mn: Option<String>,
    detail: Value,
}

impl Interpreter {
    /// Says what a notice says: of a station on its topic, of the gateway on the gateway's.
    pub(super) fn on_notice(&self, notice: &[u8], place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let Ok(Notice { kind, mn, detail }) = serde_json::from_slice(notice) else { return };
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
            return;
        }
        if let Some(mn) = mn {
            return self.push_step_event(&mn, &kind, &detail, place, out);
        }
        let gateway = &self.settings.gateway;
        let id = format!("{gateway}-{}-{kind}", place.name());
        let event = json!({
            "schema": "hj212.gateway-event/1", "id": id, "gateway": gateway,
            "kind": kind, "time": place.time.to_rfc3339(), "detail": detail,
        });
        let mut body = event.to_string().into_bytes();
        body.pop();
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        let event = TypedPublication::of_gateway(self.topic().event(&kind), Bytes::from(body), Says::Gateway);
        out.push(event.labelled(kind, id));
    }
}
