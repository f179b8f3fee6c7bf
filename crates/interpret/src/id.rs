//! The id of a record: see Decisions at the head of the module. What must stay true: an id, once published, stays what it was; whatever
//! a station says, an id is one short word.

use super::data::PartNote;
use super::events::RecordName;
use super::json;
use super::keys::Sealing;
use super::source_record::{Named, SourceRecord};
use super::station::Station;
use hj212_model::message::topic;

/// Writes the id of a record: see Decisions at the head of the module.
pub(super) fn write_id(
    id: &mut Vec<u8>,
    level: &str,
    of: Named<'_>,
    time: Option<&[u8]>,
    qn: Option<&[u8]>,
    codes: u64,
) {
    id.clear();
    id.extend_from_slice(level.as_bytes());
    id.push(b'.');
    write_level(id, of.st.unwrap_or_default());
    id.push(b'.');
    json::number(id, u64::from(of.cn.unwrap_or_default()));
    match (time, qn) {
        (Some(time), _) => {
            id.push(b'.');
            write_level(id, time);
        }
        (None, Some(qn)) => {
            id.extend_from_slice(b".qn");
            write_level(id, qn);
        }
        (None, None) => {
            id.extend_from_slice(b".@");
            id.extend_from_slice(of.record.to_string().as_bytes());
        }
    }
    id.push(b'.');
    json::hex(id, &codes.to_be_bytes());
}

/// The ids under which a record was published as unreadable that is opened with keys of later.
pub(super) fn replaced(station: &Station, packet: &SourceRecord<'_>) -> Vec<String> {
    let unreadable = |qn: Option<&[u8]>, record: RecordName| {
        let mut id = Vec::new();
        let qn = qn.filter(|qn| !qn.is_empty());
        write_id(&mut id, &station.level, Named { record, ..packet.named() }, None, qn, 0);
        String::from_utf8_lossy(&id).into_owned()
    };
    match packet.parted {
        _ if packet.sealing != Sealing::OpenedLater => Vec::new(),
        PartNote::Merged { heard, .. } => {
            let later = heard.iter().filter(|part| part.sealing == Sealing::OpenedLater);
            later.map(|part| unreadable(part.qn.as_deref(), RecordName::new(part.offset, &part.hash))).collect()
        }
        PartNote::Whole | PartNote::One { .. } => vec![unreadable(packet.qn, packet.place.name())],
    }
}

/// Appends text from outside so that it can stand in an id.
fn write_level(id: &mut Vec<u8>, text: &[u8]) {
    if !text.is_empty() && text.len() <= 24 && text.iter().all(u8::is_ascii_alphanumeric) {
        return id.extend_from_slice(text);
    }
    let mut level = String::new();
    topic::level(&mut level, text);
    id.extend_from_slice(level.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_a_time_of_two_journals_have_different_ids_though_their_offsets_coincide() {
        let id = |hash: u8| {
            let (mut id, record) = (Vec::new(), RecordName::new(7, &[hash; 32]));
            write_id(&mut id, "M", Named { st: Some(b"31"), cn: Some(2011), record }, None, None, 1);
            String::from_utf8(id).unwrap()
        };
        assert_eq!(id(0xab), "M.31.2011.@7-abababab.0000000000000001");
        assert_ne!(id(0xab), id(0xcd));
    }
}
