//! The `rejected` body (schema `hj212.rejected/1`): bytes that could not be used, why, and the bytes themselves without their secrets.

use super::data::{optional_name, quoted, write_deviations, write_journal};
use super::json;
use super::moment::write_timestamp;
use crate::message::{Rejected, Timestamp};
use crate::protocol::{Deviations, packet};

/// Names whose values are masked wherever they stand.
const MASKED: &[&[u8]] = &[b"PW", b"SK"];

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

/// The bytes with every byte of a password or key replaced by `*`.
pub fn masked(raw: &[u8]) -> Vec<u8> {
    let mut bytes = raw.to_owned();
    mask_torn(&mut bytes);
    for at in 0..raw.len() {
        let Some(found) = raw.get(at..at + 2).filter(|two| MASKED.iter().any(|name| name.eq_ignore_ascii_case(two)))
        else {
            continue;
        };
        let mut from = at + found.len();
        while raw.get(from).is_some_and(|b| matches!(b, b' ' | b'\t')) {
            from += 1;
        }
        if raw.get(from) == Some(&b'=') {
            mask(&mut bytes, from + 1);
        }
    }
    bytes
}

/// A piece that begins within a password: what stands before the first `;` if MN follows, as it does in the standard's order.
fn mask_torn(bytes: &mut [u8]) {
    let Some(end) = bytes.iter().position(|b| *b == b';') else { return };
    let follows_mn = bytes.get(end + 1..end + 4).is_some_and(|next| next.eq_ignore_ascii_case(b"MN="));
    let named = bytes
        .get(..end)
        .is_some_and(|head| [b"QN=", b"ST=", b"CN="].iter().any(|name| head.windows(3).any(|three| three == *name)));
    if follows_mn && !named {
        mask(bytes, 0);
    }
}

/// Up to the next separator. A line end is one only where the frame ends: within a password it is noise of the line.
fn mask(bytes: &mut [u8], from: usize) {
    let rest = bytes.get(from..).unwrap_or_default();
    let ends = |(at, byte): (usize, &u8)| match byte {
        b';' | b',' | b'&' => true,
        b'\r' | b'\n' => {
            let after = rest.get(at..).unwrap_or_default().trim_ascii_start();
            after.is_empty() || after.starts_with(b"##")
        }
        _ => false,
    };
    let end = rest.iter().enumerate().position(ends).unwrap_or(rest.len());
    bytes.iter_mut().skip(from).take(end).for_each(|byte| *byte = b'*');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> String {
        String::from_utf8(masked(text.as_bytes())).unwrap()
    }

    #[test]
    fn no_password_gets_through() {
        assert_eq!(of("##0086ST=32;CN=2011;PW=123456;MN=A;CP=&&&&"), "##0086ST=32;CN=2011;PW=******;MN=A;CP=&&&&");
        assert_eq!(of("CP=&&NewPW=abcdef&&"), "CP=&&NewPW=******&&");
        assert_eq!(of("CP=&&SKCreateTime=1,NewSK=0123456789abcdef&&"), "CP=&&SKCreateTime=1,NewSK=****************&&");
        assert_eq!(of("pw = 12 34;"), "pw =******;");
        assert_eq!(of("456;MN=A"), "***;MN=A");
        assert_eq!(of("PW=123"), "PW=***");
        assert_eq!(of("PW"), "PW");
        assert_eq!(of("ST=32;PW=12\u{1b}[31m\n3456;MN=A"), "ST=32;PW=************;MN=A");
        assert_eq!(of("PW=123456\r\n##0086"), "PW=******\r\n##0086");
    }

    proptest! {
        #[test]
        fn a_password_is_masked_in_any_surroundings(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let text = format!("{before};PW=s3cr3t;{after}");
            prop_assert!(!of(&text).contains("s3cr3t"));
            prop_assert_eq!(of(&text).len(), text.len());
        }
    }
}
