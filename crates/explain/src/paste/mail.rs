//! Encodings of mail and of messages: Base64, quoted-printable, UTF-32.
//!
//! What must stay true: each gives `None` for what is surely none of its own; the work is linear in the bytes.

/// A word of Base64 behind other words has at least so many digits.
const RUN_MIN: usize = 24;

/// Base64 alone, or behind words of another kind (`payload: IyMw…`, a line of JSON).
pub(super) fn base64(bytes: &[u8]) -> Option<Vec<u8>> {
    plain_base64(bytes).or_else(|| {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        let (mut at, mut longest) = (0, (0, 0));
        let mut first = None;
        for run in bytes.split(|byte| !is_digit(byte)) {
            if run.len() >= RUN_MIN && first.is_none() {
                first = Some(at);
            }
            if run.len() > longest.1 {
                longest = (at, run.len());
            }
            at += run.len() + 1;
        }
        // From the first long word on there may be several lines of it; else the longest word is it.
        plain_base64(bytes.get(first?..)?).or_else(|| plain_base64(bytes.get(longest.0..longest.0 + longest.1)?))
    })
}

fn plain_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && !b"\"'".contains(byte)).collect();
    let kept = digits.iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
    let mut out = Vec::with_capacity(kept);
    let (mut register, mut bits) = (0u32, 0);
    for byte in digits.get(..kept)? {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        register = register << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((register >> bits) as u8);
            register &= (1 << bits) - 1;
        }
    }
    (out.len() >= 8).then_some(out)
}

/// `=3D`, and lines that end with `=`. Text without `=3D` is none: each field of a frame holds one.
pub(super) fn quoted_printable(bytes: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(bytes, b"=3D").or_else(|| memchr::memmem::find(bytes, b"=3d"))?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'=', [b'\r', b'\n', after @ ..] | [b'\n', after @ ..]) => after,
            (b'=', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
                out.push(digit(*high) << 4 | digit(*low));
                after
            }
            _ => {
                out.push(*first);
                after
            }
        };
    }
    Some(out)
}

/// Text of four bytes a character.
pub(super) fn utf32(bytes: &[u8]) -> Option<Vec<u8>> {
    let (big, body) = match bytes {
        [0xFF, 0xFE, 0, 0, body @ ..] => (false, body),
        [0, 0, 0xFE, 0xFF, body @ ..] => (true, body),
        [0, 0, 0, _, ..] => (true, bytes),
        [_, 0, 0, 0, ..] => (false, bytes),
        _ => return None,
    };
    let (words, _) = body.as_chunks::<4>();
    let unit = |word: &[u8; 4]| if big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
    let text: String =
        words.iter().map(|word| char::from_u32(unit(word)).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Some(text.into_bytes())
}
