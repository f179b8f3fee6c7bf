//! The `event` body (schema `hj212.event/1`): what happened to a station.

use super::data::{numbers, optional_name, quoted, write_journal};
use super::json;
use super::moment::write_timestamp;
use super::parts::Pending;
use hj212_model::message::{Peering, Timestamp};

/// Where an event stands in the journal, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct JournalRef<'a> {
    pub(super) offset: u64,
    /// The wall clock of the record, as it is published.
    pub(super) time: Timestamp,
    /// The plausible time of the record, by which it is judged.
    pub(super) at: Timestamp,
    pub(super) hash: &'a [u8; 32],
}

impl JournalRef<'_> {
    /// The record's name in ids.
    pub(super) fn name(&self) -> RecordName {
        RecordName::new(self.offset, self.hash)
    }

    /// The id of a publication whose body has none: the record, what is published, and what tells it from others of the same record.
    pub(super) fn id_of(&self, what: &str, of: &[&str]) -> String {
        format!("{}-{what}-{}", self.name(), of.join("-"))
    }
}

/// A record's name in ids: `OFFSET-HASH`, the first four bytes of its chain hash. Offsets alone are the same in two journals, of two gateways
/// or of one that began anew; the hash depends on the journal's own random id.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordName(u64, u32);

impl RecordName {
    pub(super) fn new(offset: u64, [a, b, c, d, ..]: &[u8; 32]) -> Self {
        RecordName(offset, u32::from_be_bytes([*a, *b, *c, *d]))
    }
}

impl std::fmt::Display for RecordName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:08x}", self.0, self.1)
    }
}

/// Appends what every event begins with.
pub(super) fn begin(out: &mut Vec<u8>, head: &[u8], kind: &str, id: &str, place: JournalRef<'_>) {
    out.extend_from_slice(b"{\"schema\":\"hj212.event/1\",\"id\":");
    json::string(out, id);
    out.extend_from_slice(head);
    out.extend_from_slice(b",\"kind\":");
    json::string(out, kind);
    out.extend_from_slice(b",\"time\":");
    quoted(out, |out| write_timestamp(out, place.time));
}

/// Appends the event of a station that came, went or moved.
pub(super) fn write_presence(
    out: &mut Vec<u8>,
    head: &[u8],
    kind: &str,
    id: &str,
    place: JournalRef<'_>,
    on: Peering,
    was: Option<Peering>,
) {
    begin(out, head, kind, id, place);
    write_peering(out, b",\"on\":", Some(on));
    write_peering(out, b",\"was\":", was);
    write_journal(out, place.offset, place.hash);
    out.push(b'}');
}

fn write_peering(out: &mut Vec<u8>, key: &[u8], peering: Option<Peering>) {
    out.extend_from_slice(key);
    let Some(peering) = peering else { return out.extend_from_slice(b"null") };
    out.extend_from_slice(b"{\"peer\":");
    json::string(out, &peering.peer.to_string());
    out.extend_from_slice(b",\"connection\":");
    json::number(out, peering.connection);
    out.push(b'}');
}

/// Appends the event of a record given up incomplete; `data` is the id under which it was published.
pub(super) fn write_parts_missing(
    out: &mut Vec<u8>,
    head: &[u8],
    id: &str,
    place: JournalRef<'_>,
    pending: &Pending,
    data: &str,
) {
    begin(out, head, "parts-missing", id, place);
    optional_name(out, b",\"st\":", pending.st.as_deref());
    out.extend_from_slice(b",\"cn\":\"");
    json::number(out, u64::from(pending.cn));
    out.extend_from_slice(b"\",\"data_id\":");
    json::string(out, data);
    out.extend_from_slice(b",\"count\":");
    json::number(out, u64::from(pending.count));
    out.extend_from_slice(b",\"missing\":");
    numbers(out, pending.missing());
    write_journal(out, place.offset, place.hash);
    out.push(b'}');
}
