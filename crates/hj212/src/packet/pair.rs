//! Other characters in the place of the two `&` around the data area: `CP=$$…$$`, `CP=[…]`.
//!
//! What must stay true: both ends are the same pair, or neither is taken for one; what is JSON or printed ciphertext is left as it is;
//! what is taken off holds no letter and no sign that an area is made of, `%26` excepted.

/// What stands on the left and on the right, if both ends are one pair. Longer ones first.
const PAIRS: [(&[u8], &[u8]); 11] = [
    (b"%26%26", b"%26%26"),
    (b"%26", b"%26"),
    (b"& &", b"& &"),
    (b"[[", b"]]"),
    (b"{{", b"}}"),
    (b"((", b"))"),
    (b"<<", b">>"),
    (b"[", b"]"),
    (b"{", b"}"),
    (b"(", b")"),
    (b"<", b">"),
];

/// Signs that are met once, twice, or twice with a blank between them.
const SIGNS: &[u8] = b"$|^@#*!~%+?\"'`\\";

/// What stands between the two ends of `area`, if they are a pair that is not `&&`.
#[cold]
pub(super) fn within(area: &[u8]) -> Option<&[u8]> {
    let inside = between(area)?.trim_ascii();
    // An area holds fields; `{"`, `[{` begin JSON, `{0x` ciphertext, `<` XML.
    let begins = inside.first().is_some_and(u8::is_ascii_alphanumeric) && inside.contains(&b'=');
    (begins && !inside.starts_with(b"0x") && !inside.starts_with(b"0X")).then_some(inside)
}

fn between(area: &[u8]) -> Option<&[u8]> {
    if let Some(inside) = PAIRS.iter().find_map(|(open, close)| area.strip_prefix(*open)?.strip_suffix(*close)) {
        return Some(inside);
    }
    let sign = *area.first().filter(|sign| SIGNS.contains(sign))?;
    let ends: [&[u8]; 3] = [&[sign, b' ', sign], &[sign, sign], &[sign]];
    ends.iter().find_map(|end| area.strip_prefix(*end)?.strip_suffix(*end))
}
