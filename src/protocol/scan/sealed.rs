//! Is the data area encrypted? (HJ 212-2025, 6.4 and annex A.2)
//!
//! SM4 in ECB mode covers the whole groups of 16 bytes of the area, a remainder stays plain; the check covers the plain text, so
//! it says nothing about the bytes received. Nothing in the header tells. What must stay true: a plain frame with damaged bytes
//! is not taken for an encrypted one, for such frames are answered without their check being right.

use super::super::packet;

/// The shortest area that can hold ciphertext: one group of SM4.
const GROUP: usize = 16;

/// What is encrypted about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seal {
    /// The area holds ciphertext as bytes.
    Bytes,
    /// The area holds ciphertext printed as `{0xE4,0x3E,…}`; its plain text makes a segment of this many bytes.
    Text {
        /// The length of the segment with the ciphertext as bytes, which is that of the plain one.
        plain: usize,
    },
}

/// Whether the area of `segment` looks encrypted, in a command that is to be.
pub(super) fn look(segment: &[u8]) -> Option<Seal> {
    let header = packet::parse(segment);
    if !header.cn.is_some_and(is_encrypted_command) {
        return None;
    }
    if let Some((groups, remainder)) = printed(header.area) {
        let plain = segment.len() - header.area.len() + groups + remainder;
        return Some(Seal::Text { plain });
    }
    looks_random(header.area).then_some(Seal::Bytes)
}

/// The commands whose data area is encrypted (HJ 212-2025, 6.4.4): data, the request for a key, site information.
fn is_encrypted_command(cn: u16) -> bool {
    matches!(cn, 2000..=2999 | 1014 | 3020)
}

/// Whether the whole groups of `area` look like ciphertext. Of random bytes five in eight are no printable ASCII; text in Chinese
/// has many such bytes too, but an area begins with the name of a field, so the first group decides with.
fn looks_random(area: &[u8]) -> bool {
    let Some(first) = area.get(..GROUP) else { return false };
    let groups = area.get(..area.len() / GROUP * GROUP).unwrap_or_default();
    let odd = |bytes: &[u8]| bytes.iter().filter(|byte| !matches!(byte, b' '..=b'~')).count();
    odd(groups) * 4 >= groups.len() && odd(first) >= 2 && !begins_with_name(first)
}

/// Whether a field's name and its `=` stand first.
fn begins_with_name(bytes: &[u8]) -> bool {
    let name = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
    name > 1 && matches!(bytes.get(name), Some(b'='))
}

/// The number of printed bytes of `{0xE4,0x3E,…}` and of the plain ones after it.
fn printed(area: &[u8]) -> Option<(usize, usize)> {
    let inside = area.strip_prefix(b"{")?;
    let close = memchr::memchr(b'}', inside)?;
    let (inside, remainder) = inside.split_at_checked(close)?;
    let mut count = 0;
    for byte in inside.split(|byte| *byte == b',') {
        let [b'0', b'x' | b'X', high, low] = byte.trim_ascii() else { return None };
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            return None;
        }
        count += 1;
    }
    Some((count, remainder.len() - 1))
}
