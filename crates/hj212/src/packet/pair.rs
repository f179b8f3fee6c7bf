//! Other characters in the place of the two `&` around the data area: `CP=$$…$$`, `CP=[…]`.
//!
//! What must stay true: both ends are the same pair, or one of them is `&&`, or neither is taken for one; what is JSON or printed ciphertext
//! is left as it is; what is taken off holds no letter and no sign that an area is made of, `%26` excepted. What a value may end with
//! (`%`, `*`, `?`, `!`, quotes, `)`) is taken off only where it stands twice or is closed nowhere before.

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

/// What stands for a closing `&&` behind an area that `&&` opened. Longer ones first.
const CLOSINGS: [&[u8]; 32] = [
    b"%26%26", b"& &", b"&;&", b"&,&", b"&.", b"$ $", b"$$", b"||", b"^^", b"@@", b"##", b"~~", b"!!", b"%%", b"**",
    b"++", b"??", b"\\\\", b"]]", b"}}", b">>", b"``", b"''", b"\"\"", b"%26", b"$", b"|", b"^", b"@", b"#", b"~",
    b"`",
];

/// The area before what stands in place of the closing `&&`; a value stands before it.
#[cold]
pub(super) fn before_sign(area: &[u8]) -> Option<&[u8]> {
    let kept = area.trim_ascii_end();
    let before = CLOSINGS.iter().find_map(|sign| kept.strip_suffix(*sign))?;
    let before = before.trim_ascii_end();
    let valued = before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'/' || *byte >= 0x80);
    // A sign that is met inside too separates or belongs to the text.
    let sign = kept.get(before.len()..)?.first()?;
    let lone = *sign == b'%' || !before.contains(sign);
    (valued && lone && before.contains(&b'=')).then_some(before)
}

/// The area behind what stands in place of the opening `&&`; a name stands behind it.
#[cold]
pub(super) fn behind_sign(area: &[u8]) -> Option<&[u8]> {
    let opened = area.trim_ascii_start();
    let sign = opened.first().filter(|sign| SIGNS.contains(sign))?;
    let behind = match opened.strip_prefix(b"%26%26").or_else(|| opened.strip_prefix(b"%26")) {
        Some(behind) => behind,
        None => {
            let signs = opened.iter().take(3).take_while(|byte| *byte == sign || **byte == b' ').count();
            opened.get(signs..)?
        }
    };
    let named = behind.first().is_some_and(u8::is_ascii_alphabetic) && behind.contains(&b'=');
    let lone = *sign == b'%' || !behind.contains(sign);
    (named && lone).then_some(behind)
}

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
