//! The beginning of a frame: `##` and the length, in all the ways the field writes them.
//!
//! | written | read as |
//! |---|---|
//! | `##0101QN=` | the standard |
//! | `##81ST=`, `##299QN=`, `##000169QN=` | the length, with another number of digits |
//! | `##00010077QN=` | four digits of address, four of length |
//! | `##QN=` | no length: the closing says where the frame ends |
//! | `0086QN=` | the `##` is missing |
//!
//! What must stay true: whether a frame begins somewhere depends on the bytes from there on alone.

use super::super::{Deviation, Deviations};

/// The names that a header begins with. Only these are believed where `##` or the length is missing.
const FIRST_NAMES: [&[u8]; 6] = [b"QN=", b"ST=", b"MN=", b"CN=", b"PW=", b"PNUM="];

/// The longest that `0000PNUM` can be before its `=` settles it.
const BARE_MAX: usize = 8;

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
    /// What is odd about it.
    pub(super) deviations: Deviations,
}

impl Start {
    /// Whether the beginning of `bytes` that this was read from has a length, and a header's first name behind it.
    pub(super) fn is_named(&self, bytes: &[u8]) -> bool {
        self.declared.is_some() && first_name(bytes.get(self.body..).unwrap_or_default()) == Look::Seen(())
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
    let start = |declared: Option<usize>, deviations| Look::Seen(Start { body: 2 + digits, declared, deviations });
    match (digits, after.first()) {
        (9.., _) => Look::Not,
        (_, None) => Look::Unclear,
        (0, Some(_)) => match first_name(after) {
            Look::Seen(()) => start(None, Deviation::LengthDigits.into()),
            Look::Not => Look::Not,
            Look::Unclear => Look::Unclear,
        },
        (1, Some(_)) => Look::Not,
        (_, Some(letter)) if !letter.is_ascii_alphabetic() => Look::Not,
        (4, Some(_)) => start(decimal(number), Deviations::NONE),
        (8, Some(_)) => start(number.get(4..).and_then(decimal), Deviation::HeadEightDigits.into()),
        (_, Some(_)) => start(decimal(number), Deviation::LengthDigits.into()),
    }
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
            Look::Seen(Start { body: 4, declared: decimal(number), deviations: Deviation::StartMissing.into() })
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
