//! JSON written by hand into a reused buffer: the hot path knows its shape, and numbers go through as text.

use hj212::{Deviation, Deviations};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text.as_bytes());
    out.push(b'"');
}

/// Appends `text` as a JSON string, or null.
pub(super) fn optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends bytes of valid UTF-8 (or ASCII) with what JSON must escape escaped.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && !matches!(byte, b'"' | b'\\' | 0x7f) {
            continue;
        }
        out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        done = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                hex(out, &[*byte]);
            }
        }
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}

/// Appends what a station wrote as a JSON string: UTF-8, else GB18030, else `hex:` and its bytes (HJ 212-2017, 6.3.1 says
/// UTF-8; the field also writes GBK).
pub(super) fn said(out: &mut Vec<u8>, bytes: &[u8], deviations: &mut Deviations) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return string(out, text);
    }
    if let Some(text) = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        deviations.insert(Deviation::TextGb18030);
        return string(out, &text);
    }
    deviations.insert(Deviation::TextUndecodable);
    name(out, bytes);
}

/// Appends the name of something (a code, a field) as a JSON string, so that different bytes always give different names:
/// UTF-8 as it is, anything else as `hex:` and its bytes.
pub(super) fn name(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => string(out, text),
        Err(_) => {
            out.extend_from_slice(b"\"hex:");
            hex(out, bytes);
            out.push(b'"');
        }
    }
}

/// Appends lower-case hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for part in bytes.chunks(32) {
        let mut digits = [0u8; 64];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(part) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        out.extend_from_slice(digits.get(..2 * part.len()).unwrap_or_default());
    }
}

/// Appends a whole number.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder of ten fits a byte.
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_decoded_or_shown_in_hex() {
        let mut deviations = Deviations::NONE;
        let mut write = |bytes: &[u8]| {
            let mut out = Vec::new();
            said(&mut out, bytes, &mut deviations);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(write("门\n\"".as_bytes()), "\"门\\n\\\"\"");
        assert_eq!(write(&[0xC3, 0xC5]), "\"门\"");
        assert_eq!(write(&[0xFF, 0xFF, 0xFF]), "\"hex:ffffff\"");
        assert!(deviations.contains(Deviation::TextGb18030) && deviations.contains(Deviation::TextUndecodable));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), n in any::<u64>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            let mut out = Vec::new();
            number(&mut out, n);
            prop_assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        }
    }
}
