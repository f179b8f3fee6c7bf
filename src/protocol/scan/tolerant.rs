//! Everything that is not exactly as the standard prints it.
//!
//! For a frame that begins at the front of the buffer, in this order:
//!
//! 1. the declared place: once the bytes are there, is the check right there? Then nothing inside matters;
//! 2. does another frame begin inside? Then the first one is cut off, unless its closing stands before the other one. Ciphertext holds
//!    what looks like a beginning: there only one with a length and a header's first name is believed, which is 47 bits by chance;
//! 3. the declared place again: a closed segment with an encrypted area, a known mistake of the check, or a wrong check;
//! 4. the length is off: the first closing (`&&`, check, line end) before the next `##` whose check is right or known.
//!
//! What fits nothing is a fault that ends where the next frame begins.

use super::super::{Deviation, Deviations, Seal, crc, packet};
use super::closing::{self, Closing};
use super::start::{self, Look, Start};
use super::{Check, Fault, FaultReason, Frame, Item, Limits, NOISE_PIECE, Peer, SEGMENT_STANDARD, Step, Verdict};

/// Nothing can be said before more bytes are there.
const MORE: Step<'_> = Step { used: 0, item: None };

/// A closing is looked for this many bytes beyond the longest segment.
const CLOSING_MAX: usize = 64;

/// For so many closings of one frame the known mistakes are tried; each try costs several passes.
const MISTAKES_TRIED_MAX: usize = 2;

#[cold]
pub(super) fn scan<'a>(buffer: &'a [u8], peer: Peer, limits: &Limits) -> Step<'a> {
    let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | b' ' | b'\t')).count();
    if blank > 0 {
        return Step { used: blank, item: None };
    }
    match start::here(buffer) {
        _ if buffer.is_empty() => MORE,
        Look::Seen(start) => Begun { buffer, start, peer, limits }.take(),
        Look::Unclear if peer == Peer::Sending => MORE,
        Look::Unclear if buffer.starts_with(b"##") => fault(buffer, buffer.len(), FaultReason::Truncated),
        Look::Unclear | Look::Not => noise(buffer, 0, peer, FaultReason::Noise),
    }
}

/// Bytes of no meaning from `from` on, up to the next frame or to the length of a piece.
fn noise(buffer: &[u8], from: usize, peer: Peer, reason: FaultReason) -> Step<'_> {
    let piece = from + NOISE_PIECE;
    // A little more is looked at, so that a frame that begins at the very end of the piece is seen.
    let window = buffer.get(..piece + 32).unwrap_or(buffer);
    match start::next(window, from.max(1)) {
        Ok(start) => fault(buffer, start.min(piece), reason),
        Err(settled) if settled >= piece => fault(buffer, piece, reason),
        Err(_) if peer == Peer::Sending => MORE,
        Err(_) => fault(buffer, buffer.len().min(piece), reason),
    }
}

fn fault(buffer: &[u8], used: usize, reason: FaultReason) -> Step<'_> {
    let raw = buffer.get(..used).unwrap_or(buffer);
    Step { used: raw.len(), item: Some(Item::Fault(Fault { raw, reason })) }
}

/// A frame that has begun at the front of the buffer.
struct Begun<'a, 'l> {
    buffer: &'a [u8],
    start: Start,
    peer: Peer,
    limits: &'l Limits,
}

impl<'a> Begun<'a, '_> {
    fn take(&self) -> Step<'a> {
        let Some(declared) = self.start.declared else { return self.search() };
        if declared > self.limits.segment_max {
            return noise(self.buffer, self.start.body, self.peer, FaultReason::TooLong);
        }
        let end = self.start.body + declared;
        if self.buffer.len() < end + 4 && self.peer == Peer::Sending {
            return MORE;
        }
        match closing::here(self.buffer, end, self.peer) {
            Look::Seen(closing) => self.at_declared_place(end, closing),
            Look::Unclear => MORE,
            Look::Not => self.search(),
        }
    }

    fn at_declared_place(&self, end: usize, closing: Closing<'a>) -> Step<'a> {
        let segment = self.segment(end);
        let closed = segment.ends_with(b"&&");
        if !closed && !closing.ended {
            return self.search();
        }
        let computed = crc::checksum(segment);
        if closing.is_right(computed) {
            return self.frame(end, &closing, computed, Verdict::Right, Deviations::NONE);
        }
        let seal = packet::parse(segment).sealed.filter(|_| closed);
        if self.another_begins_before(end, seal) {
            return self.search();
        }
        match (seal, crc::mistake(segment, closing.digits)) {
            (Some(Seal::Bytes), _) => self.frame(end, &closing, computed, Verdict::Sealed, Deviations::NONE),
            (Some(Seal::Text { .. }), _) => {
                self.frame(end, &closing, computed, Verdict::Sealed, Deviation::ParenthesesSealed.into())
            }
            (_, Some(mistake)) => self.frame(end, &closing, computed, Verdict::Known(mistake), Deviations::NONE),
            _ if closed && closing.ended => self.frame(end, &closing, computed, Verdict::Wrong, Deviations::NONE),
            _ => self.search(),
        }
    }

    /// Whether a frame begins inside the segment that ends at `end`, whose area is sealed so.
    fn another_begins_before(&self, end: usize, seal: Option<Seal>) -> bool {
        let segment = self.segment(end);
        // Each `#` is looked at: what was cut off may end with one, and the next frame begins with the two after it.
        memchr::memchr_iter(b'#', segment).any(|at| {
            let inside = segment.get(at..).unwrap_or_default();
            match start::here(inside) {
                Look::Seen(start) => seal != Some(Seal::Bytes) || start.is_named(inside),
                Look::Not | Look::Unclear => false,
            }
        })
    }

    /// Looks for the closing where the length does not say where it is, up to the next frame.
    fn search(&self) -> Step<'a> {
        let body = self.start.body;
        let reach = body + self.limits.segment_max + CLOSING_MAX;
        let window = self.buffer.get(..reach).unwrap_or(self.buffer);
        let (mut reg, mut checked) = (crc::START, body);
        let mut tried = 0;
        for at in memchr::memchr2_iter(b'#', b'&', window.get(body..).unwrap_or_default()).map(|at| body + at) {
            let here = window.get(at..).unwrap_or_default();
            if here.starts_with(b"#") {
                match start::here(here) {
                    Look::Seen(_) => return fault(self.buffer, at, FaultReason::Truncated),
                    Look::Unclear if self.may_grow(reach) => return MORE,
                    Look::Unclear | Look::Not => continue,
                }
            }
            match here {
                [_] if self.may_grow(reach) => return MORE,
                [_, b'&', ..] => {}
                _ => continue,
            }
            let end = at + 2;
            let closing = match closing::here(self.buffer, end, self.peer) {
                Look::Seen(closing) if closing.ended && end <= body + self.limits.segment_max => closing,
                Look::Unclear => return MORE,
                Look::Seen(_) | Look::Not => continue,
            };
            reg = crc::extend(reg, self.buffer.get(checked..end).unwrap_or_default());
            checked = end;
            if let Some(step) = self.at_found_place(end, &closing, reg, &mut tried) {
                return step;
            }
        }
        if self.may_grow(reach) {
            return MORE;
        }
        let wanted = self.start.declared.map_or(0, |declared| body + declared + 4);
        let reason = if self.buffer.len() < wanted { FaultReason::Truncated } else { FaultReason::Shapeless };
        fault(self.buffer, window.len(), reason)
    }

    fn may_grow(&self, reach: usize) -> bool {
        self.peer == Peer::Sending && self.buffer.len() < reach
    }

    /// The frame that ends with this closing, if its check speaks for it.
    fn at_found_place(&self, end: usize, closing: &Closing<'a>, computed: u16, tried: &mut usize) -> Option<Step<'a>> {
        let segment = self.segment(end);
        let off = match self.start.declared {
            Some(declared) if declared != segment.len() => Deviation::LengthOff.into(),
            _ => Deviations::NONE,
        };
        if closing.is_right(computed) {
            return Some(self.frame(end, closing, computed, Verdict::Right, off));
        }
        if *tried == MISTAKES_TRIED_MAX {
            return None;
        }
        *tried += 1;
        if let Some(Seal::Text { plain }) = packet::parse(segment).sealed {
            // The length may be that of the plain text, as in the standard's own print.
            let off = if self.start.declared == Some(plain) { Deviations::NONE } else { off };
            let deviations = off.union(Deviation::ParenthesesSealed.into());
            return Some(self.frame(end, closing, computed, Verdict::Sealed, deviations));
        }
        let mistake = crc::mistake(segment, closing.digits)?;
        Some(self.frame(end, closing, computed, Verdict::Known(mistake), off))
    }

    fn segment(&self, end: usize) -> &'a [u8] {
        self.buffer.get(self.start.body..end).unwrap_or_default()
    }

    fn frame(&self, end: usize, closing: &Closing<'a>, computed: u16, verdict: Verdict, more: Deviations) -> Step<'a> {
        let segment = self.segment(end);
        let mut deviations = self.start.deviations.union(closing.deviations).union(more);
        if segment.len() > SEGMENT_STANDARD {
            deviations.insert(Deviation::SegmentLong);
        }
        let raw = self.buffer.get(..closing.used).unwrap_or(self.buffer);
        let check = Check { said: closing.said, computed, verdict };
        let declared = self.start.declared.unwrap_or(0);
        let frame = Frame { raw, segment, declared, check, deviations };
        Step { used: raw.len(), item: Some(Item::Frame(frame)) }
    }
}
