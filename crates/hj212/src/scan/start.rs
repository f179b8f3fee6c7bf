//! The beginning of a frame: `##` and the length, in all the ways the field writes them.
//!
//! | written | read as |
//! |---|---|
//! | `##0101QN=` | the standard |
//! | `##81ST=`, `##299QN=`, `##000169QN=` | the length, with another number of digits |
//! | `##00010077QN=` | four digits of address, four of length |
//! | `##1QN=` | the same, where a header's first name follows |
//! | `##QN=`, `##123456789QN=` | no length: the closing says where the frame ends |
//! | `0086QN=` | the `##` is missing |
//! | `##01340QN=` | a fifth digit 0 behind the length: 1340 or 134, whichever fits |
//! | `##00A3QN=` | hexadecimal; `##0083QN=` may be, if 131 fits |
//! | `## 130QN=`, `##0130 QN=`, `##0130;QN=`, `##len=0130;QN=`, `##0130` and a line end | the number, whatever stands around it |
//! | `##$$$$QN=` | no length |
//!
//! What must stay true: whether a frame begins somewhere depends on the bytes from there on alone, on at most [`HEAD_MAX`] and a name of
//! them. What is none of the first three forms is a beginning only if a header's first name follows.

use super::super::{Deviation, Deviations, crc};

/// The names that a header begins with. Only these are believed where `##` or the length is missing.
const FIRST_NAMES: [&[u8]; 6] = [b"QN=", b"ST=", b"MN=", b"CN=", b"PW=", b"PNUM="];

/// The longest that `0000PNUM` can be before its `=` settles it.
const BARE_MAX: usize = 8;

/// So many bytes may stand between `##` and a header's first name.
const HEAD_MAX: usize = 24;

/// An answer that may need bytes that are not here yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look<T> {
    /// It is there.
    Seen(T),
    /// It is not, whatever may follow.
    Not,
    /// The bytes end too early to say.
    Unclear,
}

/// The beginning of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// How many bytes stand before the data segment.
    pub(super) body: usize,
    /// The length as declared, if any is.
    pub(super) declared: Option<usize>,
    /// What else the head can mean, and what is odd about it then.
    pub(super) other: Option<(usize, Deviation)>,
    /// What is odd about it.
    pub(super) deviations: Deviations,
}

impl Start {
    /// Whether the beginning of `bytes` that this was read from has a length of two digits or more, and a header's first name behind it.
    pub(super) fn is_named(&self, bytes: &[u8]) -> bool {
        let digits = bytes.get(2..self.body).is_some_and(|head| head.len() > 1 && head.iter().all(u8::is_ascii_digit));
        digits && self.declared.is_some() && first_name(bytes.get(self.body..).unwrap_or_default()) == Look::Seen(())
    }
}

impl Start {
    /// Whether a header's first name follows.
    pub(super) fn has_name(&self, bytes: &[u8]) -> bool {
        first_name(bytes.get(self.body..).unwrap_or_default()) == Look::Seen(())
    }
}

/// Whether a frame begins with the first byte of `bytes`.
pub(super) fn here(bytes: &[u8]) -> Look<Start> {
    match bytes {
        [] | [b'#'] => Look::Unclear,
        [b'#', b'#', rest @ ..] => after_hashes(rest),
        [first, ..] if first.is_ascii_digit() => bare(bytes),
        _ => Look::Not,
    }
}

fn after_hashes(rest: &[u8]) -> Look<Start> {
    let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = rest.split_at_checked(digits).unwrap_or((rest, &[]));
    let start = |declared: Option<usize>, deviations| {
        Look::Seen(Start { body: 2 + digits, declared, other: other(number), deviations })
    };
    match (digits, after.first()) {
        (_, None) if digits < 9 => Look::Unclear,
        (0, Some(_)) => match first_name(after) {
            Look::Seen(()) => start(None, Deviation::LengthDigits.into()),
            Look::Not => odd_head(rest),
            Look::Unclear => Look::Unclear,
        },
        (4, Some(letter)) if letter.is_ascii_alphabetic() => start(decimal(number), Deviations::NONE),
        // Two signs and a digit are met in ciphertext and noise: only a header's first name speaks for a beginning.
        (1, Some(letter)) if letter.is_ascii_alphabetic() => match first_name(after) {
            Look::Seen(()) => start(decimal(number), Deviation::LengthDigits.into()),
            Look::Not => odd_head(rest),
            Look::Unclear => Look::Unclear,
        },
        (2.., Some(letter)) if digits < 9 && letter.is_ascii_alphabetic() => match odd_head(rest) {
            // Hexadecimal, or letters between the number and the name.
            Look::Seen(odd) => Look::Seen(odd),
            Look::Unclear => Look::Unclear,
            Look::Not if digits == 8 => start(number.get(4..).and_then(decimal), Deviation::HeadEightDigits.into()),
            Look::Not => start(decimal(number), Deviation::LengthDigits.into()),
        },
        _ => odd_head(rest),
    }
}

/// What else a number can mean: with a fifth digit 0 the four before it, of four digits the hexadecimal one.
fn other(number: &[u8]) -> Option<(usize, Deviation)> {
    match number {
        [length @ .., b'0'] if length.len() == 4 => Some((decimal(length)?, Deviation::HeadFifthDigit)),
        _ if number.len() == 4 => Some((usize::from(crc::hexadecimal(number)?), Deviation::LengthHex)),
        _ => None,
    }
}

/// A head that is no plain number: everything up to a header's first name, if that comes soon. Never taken where a plain number and
/// the name of the standard follow each other.
fn odd_head(rest: &[u8]) -> Look<Start> {
    let window = rest.get(..HEAD_MAX + BARE_MAX).unwrap_or(rest);
    for at in 0..=HEAD_MAX {
        let Some(here) = window.get(at..) else { return Look::Unclear };
        match first_name(here) {
            Look::Seen(()) => return read_head(rest.get(..at).unwrap_or_default()).map_or(Look::Not, Look::Seen),
            Look::Unclear if rest.len() < HEAD_MAX + BARE_MAX => return Look::Unclear,
            Look::Unclear | Look::Not => {}
        }
        // A head holds none of these.
        if matches!(here.first(), Some(b'#' | b'&' | b'.')) {
            return Look::Not;
        }
    }
    Look::Not
}

/// What the bytes between `##` and the first name say.
fn read_head(head: &[u8]) -> Option<Start> {
    let start = |declared, deviation: Deviation| {
        Some(Start { body: 2 + head.len(), declared, other: None, deviations: deviation.into() })
    };
    if head.iter().all(u8::is_ascii_digit) {
        // Plain numbers were looked at before; one that is too long for a length is none.
        return if head.len() > 8 { start(None, Deviation::LengthDigits) } else { None };
    }
    if head.len() == 4 && head.iter().all(u8::is_ascii_hexdigit) {
        return start(crc::hexadecimal(head).map(usize::from), Deviation::LengthHex);
    }
    let before = head.iter().take_while(|byte| !byte.is_ascii_digit()).count();
    let from = head.get(before..).unwrap_or_default();
    let digits = from.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = from.split_at_checked(digits)?;
    let around = || head.iter().take(before).chain(after);
    if digits == 0 {
        return start(None, Deviation::LengthPlaceholder);
    }
    // Two numbers, or one too long to be a length: none can be told from it.
    if digits > 8 || after.iter().any(u8::is_ascii_digit) {
        return start(None, Deviation::LengthPlaceholder);
    }
    let deviation = if around().any(|byte| byte.is_ascii_alphabetic()) {
        Deviation::HeadNamed
    } else if around().any(|byte| matches!(byte, b'\r' | b'\n')) {
        Deviation::HeadLine
    } else if around().all(|byte| matches!(byte, b' ' | b'\t')) {
        Deviation::HeadBlank
    } else {
        Deviation::HeadSeparator
    };
    let mut start = start(decimal(number), deviation)?;
    start.other = other(number).filter(|(_, other)| *other == Deviation::HeadFifthDigit);
    Some(start)
}

/// A frame without its `##`.
fn bare(bytes: &[u8]) -> Look<Start> {
    let digits = bytes.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = bytes.split_at_checked(digits).unwrap_or((bytes, &[]));
    if digits < 4 {
        return if after.is_empty() { Look::Unclear } else { Look::Not };
    }
    match first_name(after) {
        Look::Seen(()) => {
            let deviations = Deviation::StartMissing.into();
            Look::Seen(Start { body: 4, declared: decimal(number), other: None, deviations })
        }
        Look::Not => Look::Not,
        Look::Unclear => Look::Unclear,
    }
}

fn first_name(bytes: &[u8]) -> Look<()> {
    if FIRST_NAMES.iter().any(|name| bytes.starts_with(name)) {
        Look::Seen(())
    } else if FIRST_NAMES.iter().any(|name| name.starts_with(bytes)) {
        Look::Unclear
    } else {
        Look::Not
    }
}

/// Where the next frame begins in `bytes`, at `from` or after it; else the count of bytes in which certainly none begins.
pub(super) fn next(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let Some(rest) = bytes.get(from..) else { return Err(bytes.len()) };
    for at in memchr::memchr2_iter(b'#', b'=', rest).map(|at| from + at) {
        if bytes.get(at) == Some(&b'=') {
            if let Some(start) = bare_before(bytes, at, from) {
                return Ok(start);
            }
            continue;
        }
        match here(bytes.get(at..).unwrap_or_default()) {
            Look::Seen(_) => return Ok(at),
            Look::Unclear => return Err(at.min(bytes.len().saturating_sub(BARE_MAX))),
            Look::Not => {}
        }
    }
    Err(bytes.len().saturating_sub(BARE_MAX))
}

/// Where a frame without `##` begins whose first `=` stands at `equals`. A longer number before the name is no length.
fn bare_before(bytes: &[u8], equals: usize, from: usize) -> Option<usize> {
    let before = bytes.get(from..=equals)?;
    let name = FIRST_NAMES.iter().find(|name| before.ends_with(name))?;
    let start = (equals + 1).checked_sub(name.len() + 4).filter(|start| *start >= from)?;
    let digits = bytes.get(start..start + 4)?;
    let longer = start > 0 && bytes.get(start - 1).is_some_and(u8::is_ascii_digit);
    (digits.iter().all(u8::is_ascii_digit) && !longer).then_some(start)
}

/// The number that up to eight decimal digits say.
#[inline]
pub(super) fn decimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + usize::from(digit - b'0')))
}
