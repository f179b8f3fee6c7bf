//! The `rejected` body (schema `hj212.rejected/1`): bytes that could not be used, why, and the bytes themselves without their secrets.

use super::data::{optional_name, quoted, write_deviations, write_journal};
use super::events::RecordName;
use super::json;
use super::moment::write_timestamp;
use hj212::secret::masked;
use hj212::{Deviations, crc, packet, scan};
use hj212_model::message::{RejectReason, Rejected, Timestamp};

/// Appends the body.
pub(super) fn write(
    out: &mut Vec<u8>,
    gateway: &str,
    rejected: &Rejected<'_>,
    received: Timestamp,
    offset: u64,
    hash: &[u8; 32],
) {
    let header = rejected.segment.map(packet::parse).unwrap_or_default();
    out.extend_from_slice(b"{\"schema\":\"hj212.rejected/1\",\"id\":");
    json::string(out, &format!("{gateway}-{}", RecordName::new(offset, hash)));
    out.extend_from_slice(b",\"gateway\":");
    json::string(out, gateway);
    out.extend_from_slice(b",\"reason\":\"");
    out.extend_from_slice(rejected.reason.code().as_bytes());
    out.extend_from_slice(b"\",\"explain\":{\"zh\":");
    json::string(out, rejected.reason.explain_zh());
    out.extend_from_slice(b",\"en\":");
    json::string(out, rejected.reason.explain_en());
    out.extend_from_slice(b"},\"detail\":");
    let envelope = rejected.segment.map(|segment| (segment, scan::envelope(rejected.raw, segment.len())));
    let off = envelope.and_then(|(segment, said)| u32::try_from(said.declared?.abs_diff(segment.len())).ok());
    write_deviations(out, rejected.detail, off);
    optional_name(out, b",\"mn\":", header.mn);
    let cn = header.cn.map(|cn| cn.to_string());
    optional_name(out, b",\"cn\":", cn.as_deref().map(str::as_bytes));
    write_envelope(out, envelope, rejected.reason);
    out.extend_from_slice(b",\"peer\":");
    json::string(out, &rejected.from.peer.to_string());
    out.extend_from_slice(b",\"connection\":");
    json::number(out, rejected.from.connection);
    out.extend_from_slice(b",\"received_at\":");
    quoted(out, |out| write_timestamp(out, received));
    out.extend_from_slice(b",\"heard\":");
    json::number(out, rejected.heard);
    out.extend_from_slice(b",\"kept\":");
    json::number(out, rejected.raw.len() as u64);
    write_bytes(out, &masked(rejected.raw));
    write_journal(out, offset, hash);
    out.push(b'}');
}

/// Appends what length and check say and are, of what has a segment; of one that was cut off only what it says.
fn write_envelope(out: &mut Vec<u8>, envelope: Option<(&[u8], scan::Envelope)>, reason: RejectReason) {
    let whole = !matches!(
        reason,
        RejectReason::Truncated | RejectReason::PartialTimeout | RejectReason::TooLong | RejectReason::Shapeless
    );
    let number = |out: &mut Vec<u8>, key: &[u8], number: Option<u64>| {
        out.extend_from_slice(key);
        match number {
            Some(number) => json::number(out, number),
            None => out.extend_from_slice(b"null"),
        }
    };
    let check = |out: &mut Vec<u8>, key: &[u8], check: Option<u16>| {
        out.extend_from_slice(key);
        match check {
            Some(check) => json::string(out, &format!("{check:04X}")),
            None => out.extend_from_slice(b"null"),
        }
    };
    if envelope.is_none() {
        return;
    }
    let ended = envelope.filter(|_| whole);
    number(out, b",\"length_declared\":", envelope.and_then(|(_, said)| said.declared).map(|n| n as u64));
    number(out, b",\"length\":", ended.map(|(segment, _)| segment.len() as u64));
    check(out, b",\"crc_said\":", ended.and_then(|(_, said)| said.said));
    check(out, b",\"crc_computed\":", ended.map(|(segment, _)| crc::checksum(segment)));
}

/// Appends `,"text":…` if the bytes can be read, else `,"hex":…`.
fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let readable = bytes.iter().all(|b| *b >= 0x20 || matches!(b, b'\r' | b'\n' | b'\t'));
    let decodable = std::str::from_utf8(bytes).is_ok()
        || encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes).is_some();
    if readable && decodable {
        out.extend_from_slice(b",\"text\":");
        json::said(out, bytes, &mut Deviations::NONE.clone());
    } else {
        out.extend_from_slice(b",\"hex\":\"");
        json::hex(out, bytes);
        out.push(b'"');
    }
}
