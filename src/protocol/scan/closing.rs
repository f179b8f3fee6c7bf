//! The end of a frame: the check and the line end, in all the ways the field writes them.
//!
//! What must stay true: a line end is settled by the bytes up to the first that can't belong to it, so it is the same however
//! the stream was cut; nothing at all after the check is believed only of a resting peer or when the next frame begins.

use super::super::{Deviation, Deviations, crc};
use super::{Peer, start::Look};

/// So many spaces are read over before and after the check.
const SPACES_MAX: usize = 16;

/// A check and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing<'a> {
    /// The digits of the check as they stand there, one to four.
    pub(super) digits: &'a [u8],
    /// The number they say.
    pub(super) said: u16,
    /// Where the frame ends, counted from the front of the buffer.
    pub(super) used: usize,
    /// Whether anything that ends a frame follows: a line end, the next `##`, or a resting peer's silence.
    pub(super) ended: bool,
    /// What is odd about it.
    pub(super) deviations: Deviations,
}

impl Closing<'_> {
    /// Whether this is the check of a segment for which `computed` is right.
    pub(super) fn is_right(&self, computed: u16) -> bool {
        self.digits.len() == 4 && self.said == computed
    }
}

/// Whether a check stands at `at`.
pub(super) fn here(buffer: &[u8], at: usize, peer: Peer) -> Look<Closing<'_>> {
    let rest = buffer.get(at..).unwrap_or_default();
    let unclear = |otherwise| if peer == Peer::Sending { Look::Unclear } else { otherwise };
    let spaces = count_spaces(rest);
    let rest = rest.get(spaces..).unwrap_or_default();
    let count = rest.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
    if count < 4 && after.is_empty() && peer == Peer::Sending {
        return Look::Unclear;
    }
    let Some(said) = crc::hexadecimal(digits) else { return Look::Not };
    let Some(end) = line_end(after, peer) else { return unclear(Look::Not) };
    // Fewer digits are a check only if nothing else could be meant.
    if count < 4 && !end.ended {
        return Look::Not;
    }
    let mut deviations = end.deviations;
    if digits.iter().any(u8::is_ascii_lowercase) {
        deviations.insert(Deviation::CrcLowercase);
    }
    if spaces > 0 {
        deviations.insert(Deviation::Spaces);
    }
    let used = at + spaces + count + end.length;
    Look::Seen(Closing { digits, said, used, ended: end.ended, deviations })
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
