//! The `rejected` body (schema `hj212.rejected/1`): bytes that could not be used, why, and the bytes themselves without their secrets.

use super::data::{optional_name, quoted, write_deviations, write_journal};
use super::json;
use super::moment::write_timestamp;
use crate::message::{Rejected, Timestamp};
use crate::protocol::secret::masked;
use crate::protocol::{Deviations, packet};

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
    json::string(out, &format!("{gateway}-{offset}"));
    out.extend_from_slice(b",\"gateway\":");
    json::string(out, gateway);
    out.extend_from_slice(b",\"reason\":\"");
    out.extend_from_slice(rejected.reason.code().as_bytes());
    out.extend_from_slice(b"\",\"explain\":{\"zh\":");
    json::string(out, rejected.reason.explain_zh());
    out.extend_from_slice(b",\"en\":");
    json::string(out, rejected.reason.explain_en());
    out.extend_from_slice(b"},\"detail\":");
    write_deviations(out, rejected.detail, None);
    optional_name(out, b",\"mn\":", header.mn);
    let cn = header.cn.map(|cn| cn.to_string());
    optional_name(out, b",\"cn\":", cn.as_deref().map(str::as_bytes));
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
