//! The end of a frame: the check and the line end, in all the ways the field writes them.
//!
//! | after `&&` | read as |
//! |---|---|
//! | `1C80` CR LF | the standard |
//! | `F00`, ` F00`, `00F00`, `0x0F00`, `0F00H` | the value that they say; only if an end follows |
//! | two bytes of any value, CR LF | the check as it stands in memory (a known mistake, if it fits) |
//! | `;1C80`, `CRC=1C80`, `44609` | an end; what stands there is no check, but is told for one |
//! | `1C80AB`, `1C80 12:00`: up to [`TAIL_MAX`] bytes | an end without a check, where the declared length says that the segment ends here |
//! | nothing, `XXXX`, `????`: up to [`ODD_MAX`] bytes without a separator | an end without a check |
//!
//! What must stay true: a line end is settled by the bytes up to the first that can't belong to it, so it is the same however
//! the stream was cut; nothing at all after the check is believed only of a resting peer or when the next frame begins; what is not four
//! hexadecimal digits is an end only where a line end, the next `##` or silence follows.

use super::super::{Deviation, Deviations, crc};
use super::{Peer, start::Look};

/// So many spaces are read over before and after the check.
const SPACES_MAX: usize = 16;

/// So many bytes that are not four hexadecimal digits may stand where the check should be.
const ODD_MAX: usize = 10;

/// So many bytes may stand where the check should be, behind a segment that is as long as was declared.
const TAIL_MAX: usize = 48;

/// A check, or what stands in its place, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing<'a> {
    /// What stands there, without spaces and line end.
    pub(super) text: &'a [u8],
    /// The number that it says in hexadecimal; `None`: it says none.
    pub(super) said: Option<u16>,
    /// Where the frame ends, counted from the front of the buffer.
    pub(super) used: usize,
    /// Whether anything that ends a frame follows: a line end, the next `##`, or a resting peer's silence.
    pub(super) ended: bool,
    /// What is odd about it.
    pub(super) deviations: Deviations,
}

impl Closing<'_> {
    /// Whether this is the check of a segment for which `computed` is right. It is compared by value.
    pub(super) fn is_right(&self, computed: u16) -> bool {
        self.said == Some(computed)
    }

    /// Whether it is written as the standard says.
    pub(super) fn has_four_digits(&self) -> bool {
        self.said.is_some() && self.text.len() == 4
    }

    /// Whether digits are missing in front.
    pub(super) fn is_short(&self) -> bool {
        self.said.is_some() && self.text.len() < 4
    }

    /// Whether it is `computed` as two bytes, in either order.
    pub(super) fn is_binary(&self, computed: u16) -> bool {
        let bytes: Result<[u8; 2], _> = self.text.try_into();
        self.said.is_none()
            && bytes.is_ok_and(|two| [computed, computed.swap_bytes()].contains(&u16::from_be_bytes(two)))
    }
}

/// Whether a check, or an end without one, stands at `at`.
pub(super) fn here(buffer: &[u8], at: usize, peer: Peer) -> Look<Closing<'_>> {
    let rest = buffer.get(at..).unwrap_or_default();
    let spaces = count_spaces(rest);
    let rest = rest.get(spaces..).unwrap_or_default();
    let count = rest.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if count < 4 && rest.len() == count && peer == Peer::Sending {
        return Look::Unclear;
    }
    let (digits, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
    let Some(end) = line_end(after, peer) else { return Look::Unclear };
    let (text, end) = if end.ended || (count == 4 && !is_longer(after)) {
        (digits, end)
    } else {
        // Fewer digits are a check only if nothing else could be meant; more than four are read as one number if they are one.
        match odd(rest, peer) {
            Look::Unclear => return Look::Unclear,
            Look::Seen((text, end)) if count < 4 || value(text).is_some() || is_decimal(text) => (text, end),
            Look::Seen(_) | Look::Not if count == 4 => (digits, end),
            Look::Seen(_) | Look::Not => return Look::Not,
        }
    };
    let said = value(text);
    let mut deviations = end.deviations;
    if text.is_empty() {
        deviations.insert(Deviation::CrcMissing);
    } else if text.len() > 4 || !text.iter().all(u8::is_ascii_hexdigit) {
        deviations.insert(Deviation::CrcForm);
    }
    if said.is_some() && text.iter().any(|byte| matches!(byte, b'a'..=b'f')) {
        deviations.insert(Deviation::CrcLowercase);
    }
    if spaces > 0 && !text.is_empty() {
        deviations.insert(Deviation::Spaces);
    }
    let used = at + spaces + text.len() + end.length;
    Look::Seen(Closing { text, said, used, ended: end.ended, deviations })
}

/// What stands in the place of the check up to the end that follows it, if it is too long or too odd to be one: up to [`TAIL_MAX`] bytes
/// without `&`. Only for the place that the length declares.
pub(super) fn tail(buffer: &[u8], at: usize, peer: Peer) -> Look<Closing<'_>> {
    let rest = buffer.get(at..).unwrap_or_default();
    for count in 0..=TAIL_MAX {
        let (text, after) = match rest.split_at_checked(count) {
            Some((_, [])) if peer == Peer::Sending => return Look::Unclear,
            Some((_, [b'&', ..])) | None => return Look::Not,
            Some(parts) => parts,
        };
        match line_end(after, peer) {
            None => return Look::Unclear,
            Some(end) if end.ended => {
                let deviations = end.deviations.union(Deviation::CrcForm.into());
                return Look::Seen(Closing {
                    text,
                    said: None,
                    used: at + count + end.length,
                    ended: true,
                    deviations,
                });
            }
            Some(_) => {}
        }
    }
    Look::Not
}

/// Whether what follows four digits goes on with them.
fn is_longer(after: &[u8]) -> bool {
    after.first().is_some_and(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X' | b'h' | b'H'))
}

/// Up to [`ODD_MAX`] bytes that hold no separator, and the end that follows them.
fn odd(rest: &[u8], peer: Peer) -> Look<(&[u8], LineEnd)> {
    let taken = |count: usize| {
        let (text, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        match line_end(after, peer) {
            None => Look::Unclear,
            Some(end) if end.ended => {
                let spaces = text.len() - text.trim_ascii_end().len();
                Look::Seen((text.trim_ascii_end(), LineEnd { length: end.length + spaces, ..end }))
            }
            Some(_) => Look::Not,
        }
    };
    match rest {
        // Two bytes of any value: only a whole line end is believed behind them.
        [_, _, b'\r', b'\n', ..] => return taken(2),
        [_] | [_, _] | [_, _, b'\r'] if peer == Peer::Sending => return Look::Unclear,
        _ => {}
    }
    match dressed(rest, peer) {
        Look::Seen(count) => match taken(count) {
            Look::Not => {}
            Look::Seen(found) => return Look::Seen(found),
            Look::Unclear => return Look::Unclear,
        },
        Look::Unclear => return Look::Unclear,
        Look::Not => {}
    }
    let belongs = |byte: &&u8| !matches!(byte, b'&' | b'=' | b';' | b',' | b'\r' | b'\n' | b'#' | b'*' | b'\\');
    match rest.iter().take(ODD_MAX + 1).take_while(belongs).count() {
        count if count > ODD_MAX => Look::Not,
        count => taken(count),
    }
}

/// Whether `text` is a check written in decimal: five digits.
fn is_decimal(text: &[u8]) -> bool {
    text.len() == 5 && super::start::decimal(text).is_some_and(|number| u16::try_from(number).is_ok())
}

/// The length of digits with a mark or a name before them, as `;1C80` and `CRC=1C80`.
fn dressed(rest: &[u8], peer: Peer) -> Look<usize> {
    let named = rest.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"CRC"));
    let name = if named {
        3 + rest.iter().skip(3).take(2).zip(b"16").take_while(|(byte, digit)| byte == digit).count()
    } else {
        0
    };
    let Some(mark) = rest.get(name) else { return Look::Not };
    if !matches!(mark, b';' | b',' | b':' | b'=') {
        return Look::Not;
    }
    let digits = rest.iter().skip(name + 1).take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    match digits {
        _ if rest.len() == name + 1 + digits && digits < 5 && peer == Peer::Sending => Look::Unclear,
        0 => Look::Not,
        _ => Look::Seen(name + 1 + digits),
    }
}

/// The number that `text` says: hexadecimal digits of either case, with zeros before them, `0x` before them or `H` behind them.
fn value(text: &[u8]) -> Option<u16> {
    let text = text.strip_prefix(b"0x").or(text.strip_prefix(b"0X")).unwrap_or(text);
    let text = text.strip_suffix(b"h").or(text.strip_suffix(b"H")).unwrap_or(text);
    let zeros = text.iter().take(text.len().saturating_sub(4)).take_while(|byte| **byte == b'0').count();
    crc::hexadecimal(text.get(zeros..)?)
}

struct LineEnd {
    length: usize,
    ended: bool,
    deviations: Deviations,
}

/// The line end at the front of `rest`; `None` if more bytes are needed to say.
fn line_end(rest: &[u8], peer: Peer) -> Option<LineEnd> {
    let sending = peer == Peer::Sending;
    let end = |length, deviation: Option<Deviation>| {
        Some(LineEnd { length, ended: true, deviations: deviation.map_or(Deviations::NONE, Deviations::from) })
    };
    match rest {
        [b'\r', b'\n', ..] => end(2, None),
        [b'\r'] | [] if sending => None,
        [b'\r', ..] => end(1, Some(Deviation::EndingCr)),
        [b'\n', ..] => end(1, Some(Deviation::EndingLf)),
        [b'*', b'*', ..] => end(2, Some(Deviation::EndingStars)),
        [b'\\', b'r', b'\\', b'n', ..] => end(4, Some(Deviation::EndingLiteral)),
        [b' ' | b'\t', ..] => line_end_after_spaces(rest, peer),
        [b'*'] | [b'\\'] | [b'\\', b'r'] | [b'\\', b'r', b'\\'] | [b'#'] if sending => None,
        [] | [b'#', b'#', ..] => end(0, Some(Deviation::EndingMissing)),
        _ => Some(LineEnd { length: 0, ended: false, deviations: Deviation::EndingMissing.into() }),
    }
}

fn line_end_after_spaces(rest: &[u8], peer: Peer) -> Option<LineEnd> {
    let spaces = count_spaces(rest);
    let after = rest.get(spaces..).unwrap_or_default();
    if spaces == SPACES_MAX || !matches!(after, [] | [b'\r' | b'\n', ..]) {
        // The spaces stand between this frame and whatever comes, they end nothing and belong to none.
        let ended = after.starts_with(b"##");
        if after == b"#" && peer == Peer::Sending {
            return None;
        }
        return Some(LineEnd { length: 0, ended, deviations: Deviation::EndingMissing.into() });
    }
    let mut end = line_end(after, peer)?;
    end.length += spaces;
    end.deviations.insert(Deviation::EndingSpaces);
    Some(end)
}

fn count_spaces(bytes: &[u8]) -> usize {
    bytes.iter().take(SPACES_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
