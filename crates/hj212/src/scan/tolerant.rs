//! Everything that is not exactly as the standard prints it.
//!
//! For a frame that begins at the front of the buffer, in this order:
//!
//! 1. the declared place, or each of the two if the head can be read in two ways: once the bytes are there, is the check right there?
//!    Then nothing inside matters;
//! 2. does another frame begin inside? Then the first one is cut off, unless its closing stands before the other one. Ciphertext holds
//!    what looks like a beginning: there only one with a length and a header's first name is believed, which is 47 bits by chance;
//! 3. the declared place again: a closed segment with an encrypted area, a known mistake of the check, a wrong check, or anything else in
//!    the place of the check up to the end of the line;
//! 4. the length is off: the first closing (`&&`, check, line end) before the next `##` whose check is right or known;
//! 5. both are off: the first plain end before the next `##` or the end of what there is, so that the frame is refused by its name and
//!    not as a heap of bytes. A plain end is a closing that a line end, the next `##` or silence follows; or, in a frame without `&&`, the
//!    line end that stands last. Four digits before it are the check if they are right or a known mistake, or if something that is no letter or
//!    digit stands before them (`N&59C0`, `N$$59C0`).
//!
//! What fits nothing is a fault that ends where the next frame begins.

use super::super::{Deviation, Deviations, PacketFlags, Seal, crc, packet, sm4};
use super::closing::{self, Closing};
use super::start::{self, Look, Start};
use super::{Check, CrcVerdict, Fault, FaultReason, Frame, Item, Limits, NOISE_PIECE, Peer, SEGMENT_STANDARD, Step};

/// Nothing can be said before more bytes are there.
const MORE: Step<'_> = Step { used: 0, item: None };

/// A closing is looked for this many bytes beyond the longest segment.
const CLOSING_MAX: usize = 64;

/// The most that four digits can say.
const FOUR_DIGITS: usize = 9999;

/// For so many closings of one frame the known mistakes are tried; each try costs several passes.
const MISTAKES_TRIED_MAX: usize = 2;

/// So many closings of one frame are looked at for a plain end; each look reads the segment.
const PLAIN_LOOKED_MAX: usize = 4;

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
        Look::Unclear if buffer.starts_with(b"##") => fault(buffer, buffer.len(), FaultReason::Truncated, 0),
        Look::Unclear | Look::Not => noise(buffer, 0, peer, FaultReason::Noise),
    }
}

/// Bytes of no meaning from `from` on, up to the next frame or to the length of a piece.
fn noise(buffer: &[u8], from: usize, peer: Peer, reason: FaultReason) -> Step<'_> {
    let piece = from + NOISE_PIECE;
    // A little more is looked at, so that a frame that begins at the very end of the piece is seen.
    let window = buffer.get(..piece + 64).unwrap_or(buffer);
    match start::next(window, from.max(1)) {
        Ok(start) => fault(buffer, start.min(piece), reason, from),
        Err(settled) if settled >= piece => fault(buffer, piece, reason, from),
        Err(_) if peer == Peer::Sending => MORE,
        Err(_) => fault(buffer, buffer.len().min(piece), reason, from),
    }
}

/// The first `used` bytes are no frame. If one begins in them, its segment begins at `body`; else that is 0.
fn fault(buffer: &[u8], used: usize, reason: FaultReason, body: usize) -> Step<'_> {
    let raw = buffer.get(..used).unwrap_or(buffer);
    let segment = raw.get(body..).filter(|segment| body > 0 && !segment.is_empty()).map(<[u8]>::trim_ascii_end);
    Step { used: raw.len(), item: Some(Item::Fault(Fault { raw, segment, reason })) }
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
        // A head of two meanings: the shorter one first, for its bytes are here first.
        let other = self.start.other.map(|(other, _)| other).filter(|other| *other != declared);
        if let Some(shorter) = other.filter(|other| *other < declared) {
            match self.right_at(shorter) {
                Look::Seen(step) => return step,
                Look::Unclear => return MORE,
                Look::Not => {}
            }
        }
        if declared > self.limits.segment_max {
            // More than four digits can say is no length at all.
            let length = declared <= FOUR_DIGITS;
            return if length {
                noise(self.buffer, self.start.body, self.peer, FaultReason::TooLong)
            } else {
                self.search()
            };
        }
        let end = self.start.body + declared;
        if self.buffer.len() < end + 4 && self.peer == Peer::Sending {
            return MORE;
        }
        match closing::here(self.buffer, end, self.peer) {
            Look::Seen(closing) => self.at_declared_place(end, closing),
            Look::Unclear => MORE,
            Look::Not => self.with_tail(end),
        }
    }

    /// The length is right and what follows is no check: the frame ends with whatever stands there, up to the end of the line.
    fn with_tail(&self, end: usize) -> Step<'a> {
        let segment = self.segment(end);
        if !segment.ends_with(b"&&") || self.opens(end) || self.another_begins_before(end, None) {
            return self.search();
        }
        match closing::tail(self.buffer, end, self.peer) {
            Look::Seen(closing) => {
                self.frame(end, &closing, crc::checksum(segment), CrcVerdict::Wrong, Deviations::NONE)
            }
            Look::Unclear => MORE,
            Look::Not => self.search(),
        }
    }

    /// The frame, if its check is right after `declared` bytes.
    fn right_at(&self, declared: usize) -> Look<Step<'a>> {
        let end = self.start.body + declared;
        if declared > self.limits.segment_max {
            return Look::Not;
        }
        if self.buffer.len() < end + 4 && self.peer == Peer::Sending {
            return Look::Unclear;
        }
        let closing = match closing::here(self.buffer, end, self.peer) {
            Look::Seen(closing) if closing.ended && self.segment(end).ends_with(b"&&") => closing,
            Look::Unclear => return Look::Unclear,
            Look::Seen(_) | Look::Not => return Look::Not,
        };
        let computed = crc::checksum(self.segment(end));
        if closing.is_right(computed) {
            return Look::Seen(self.frame(end, &closing, computed, CrcVerdict::Right, Deviations::NONE));
        }
        Look::Not
    }

    fn at_declared_place(&self, end: usize, closing: Closing<'a>) -> Step<'a> {
        let segment = self.segment(end);
        let closed = segment.ends_with(b"&&");
        // Without `&&` before it, only four digits and an end are a check.
        if !closed && (!closing.ended || !closing.has_four_digits()) {
            return self.search();
        }
        let computed = crc::checksum(segment);
        if closing.is_right(computed) {
            return self.frame(end, &closing, computed, CrcVerdict::Right, Deviations::NONE);
        }
        let seal = if closed && closing.said.is_some() { packet::parse(segment).sealed } else { None };
        if self.another_begins_before(end, seal) {
            return self.search();
        }
        match (seal, self.mistake(segment, &closing, computed)) {
            (Some(Seal::Bytes), _) => self.frame(end, &closing, computed, CrcVerdict::Sealed, Deviations::NONE),
            (Some(Seal::Text { .. }), _) => {
                self.frame(end, &closing, computed, CrcVerdict::Sealed, Deviation::ParenthesesSealed.into())
            }
            (Some(Seal::Written { .. }), mistake) if mistake.is_none() || says_2025(segment) => {
                self.frame(end, &closing, computed, CrcVerdict::Sealed, Deviations::NONE)
            }
            (_, Some(mistake)) => self.frame(end, &closing, computed, CrcVerdict::Known(mistake), Deviations::NONE),
            _ if closed && closing.ended => self.frame(end, &closing, computed, CrcVerdict::Wrong, Deviations::NONE),
            _ => self.with_tail(end),
        }
    }

    /// The known mistake that this closing shows.
    fn mistake(&self, segment: &[u8], closing: &Closing<'_>, computed: u16) -> Option<Deviation> {
        if closing.is_binary(computed) {
            return Some(Deviation::CrcBinary);
        }
        crc::mistake(segment, closing.said?)
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
        let (mut tried, mut looked) = (0, 0);
        let mut plain = None;
        for at in memchr::memchr2_iter(b'#', b'&', window.get(body..).unwrap_or_default()).map(|at| body + at) {
            let here = window.get(at..).unwrap_or_default();
            if here.starts_with(b"#") {
                match start::here(here) {
                    Look::Seen(_) => return self.plain_end(plain, at).unwrap_or_else(|| self.cut_off(at)),
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
            // In ciphertext only a whole check is believed to be an end.
            let whole = closing.said.is_some() && !closing.is_short();
            if plain.is_none() && looked < PLAIN_LOOKED_MAX && !self.opens(end) {
                looked += 1;
                plain = (whole || !is_ciphertext(self.segment(end))).then_some((end, closing, reg));
            }
        }
        if self.may_grow(reach) {
            return MORE;
        }
        if let Some(step) = self.plain_end(plain, window.len()) {
            return step;
        }
        let declared = self.start.declared;
        let wanted = declared.map_or(0, |declared| body + declared + 4);
        let reason = match declared {
            Some(declared) if declared > self.limits.segment_max => FaultReason::TooLong,
            _ if self.buffer.len() < wanted => FaultReason::Truncated,
            _ => FaultReason::Shapeless,
        };
        fault(self.buffer, window.len(), reason, body)
    }

    fn cut_off(&self, at: usize) -> Step<'a> {
        fault(self.buffer, at, FaultReason::Truncated, self.start.body)
    }

    /// Whether the `&&` before `end` is the one that opens the area.
    fn opens(&self, end: usize) -> bool {
        let before = self.segment(end).strip_suffix(b"&&").unwrap_or_default().trim_ascii_end();
        before.ends_with(b"=")
            && before.get(before.len().saturating_sub(3)..).is_some_and(|cp| cp.eq_ignore_ascii_case(b"CP="))
    }

    /// The frame that ends before `limit`, where the next begins or nothing more is, though no check speaks for it.
    fn plain_end(&self, plain: Option<(usize, Closing<'a>, u16)>, limit: usize) -> Option<Step<'a>> {
        if let Some((end, closing, computed)) = plain {
            return Some(self.frame(end, &closing, computed, CrcVerdict::Wrong, Deviations::NONE));
        }
        // No `&&` closes it: what is left is the line end that stands last.
        let begun = self.buffer.get(self.start.body..limit)?;
        let kept = begun.trim_ascii_end();
        let line_ends = begun.get(kept.len()..)?.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        let fits = line_ends && kept.len() <= self.limits.segment_max && self.start.has_name(self.buffer);
        if !fits || is_ciphertext(kept) {
            return None;
        }
        if let Some(step) = self.digits_at_end(kept) {
            return Some(step);
        }
        let end = self.start.body + kept.len();
        let deviations = Deviations::from(Deviation::CrcMissing);
        let closing = Closing { text: &[], said: None, used: limit, ended: true, deviations };
        Some(self.frame(end, &closing, crc::checksum(kept), CrcVerdict::Wrong, Deviations::NONE))
    }

    /// The frame whose check is the last four bytes of `kept`, where that shows: by its value, or by what stands before it.
    fn digits_at_end(&self, kept: &[u8]) -> Option<Step<'a>> {
        let before = kept.split_last_chunk::<4>().filter(|(_, digits)| crc::hexadecimal(*digits).is_some())?.0;
        let end = self.start.body + before.len();
        let Look::Seen(closing) = closing::here(self.buffer, end, self.peer) else { return None };
        if !closing.ended || !closing.has_four_digits() {
            return None;
        }
        let computed = crc::checksum(before);
        let apart =
            before.last().is_some_and(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'=' | b'-' | b'.'));
        let verdict = match self.mistake(before, &closing, computed) {
            _ if closing.is_right(computed) => CrcVerdict::Right,
            Some(mistake) => CrcVerdict::Known(mistake),
            None if apart => CrcVerdict::Wrong,
            None => return None,
        };
        Some(self.frame(end, &closing, computed, verdict, Deviations::NONE))
    }

    fn may_grow(&self, reach: usize) -> bool {
        self.peer == Peer::Sending && self.buffer.len() < reach
    }

    /// The frame that ends with this closing, if its check speaks for it.
    fn at_found_place(&self, end: usize, closing: &Closing<'a>, computed: u16, tried: &mut usize) -> Option<Step<'a>> {
        let segment = self.segment(end);
        if closing.is_right(computed) {
            return Some(self.frame(end, closing, computed, CrcVerdict::Right, Deviations::NONE));
        }
        if *tried == MISTAKES_TRIED_MAX {
            return None;
        }
        *tried += 1;
        let header = packet::parse(segment);
        let mistake = self.mistake(segment, closing, computed);
        match header.sealed.filter(|_| closing.said.is_some()) {
            Some(Seal::Text { .. }) => {
                return Some(self.frame(
                    end,
                    closing,
                    computed,
                    CrcVerdict::Sealed,
                    Deviation::ParenthesesSealed.into(),
                ));
            }
            Some(Seal::Written { .. }) if mistake.is_none() || says_2025(segment) => {
                return Some(self.frame(end, closing, computed, CrcVerdict::Sealed, Deviations::NONE));
            }
            // Filled up to whole groups after its length was written.
            Some(Seal::Bytes) if self.is_filled_up(segment, header.area, closing) => {
                return Some(self.frame(end, closing, computed, CrcVerdict::Sealed, Deviations::NONE));
            }
            _ => {}
        }
        let mistake = mistake?;
        Some(self.frame(end, closing, computed, CrcVerdict::Known(mistake), Deviations::NONE))
    }

    /// Whether the declared length is that of `segment` before its area, as ciphertext bytes, was filled up to whole groups.
    fn is_filled_up(&self, segment: &[u8], area: &[u8], closing: &Closing<'_>) -> bool {
        let longer = self.start.declared.and_then(|declared| segment.len().checked_sub(declared));
        area.len().is_multiple_of(sm4::GROUP)
            && longer.is_some_and(|longer| (1..=sm4::GROUP).contains(&longer))
            && !closing.is_short()
    }

    /// The length that the head is taken to say of a segment, and what is odd about it.
    fn length_of(&self, segment: &[u8], verdict: CrcVerdict) -> (usize, Deviations) {
        let start = &self.start;
        let declared = start.declared.unwrap_or(0);
        match (start.declared, start.other) {
            (None, _) => (0, start.deviations),
            (Some(_), _) if declared == segment.len() => (declared, start.deviations),
            (Some(_), Some((other, odd))) if other == segment.len() => (other, odd.into()),
            // The length may be that of the plain text, as in the standard's own print.
            (Some(_), _) if verdict == CrcVerdict::Sealed && is_plain_length(segment, declared) => {
                (declared, start.deviations)
            }
            // Five digits whose fifth is 0 are a form, not a length ten times too long.
            (Some(_), Some((other, odd @ Deviation::HeadFifthDigit))) => {
                (other, Deviations::from(odd).union(Deviation::LengthOff.into()))
            }
            _ => (declared, start.deviations.union(Deviation::LengthOff.into())),
        }
    }

    fn segment(&self, end: usize) -> &'a [u8] {
        self.buffer.get(self.start.body..end).unwrap_or_default()
    }

    fn frame(
        &self,
        end: usize,
        closing: &Closing<'a>,
        computed: u16,
        verdict: CrcVerdict,
        more: Deviations,
    ) -> Step<'a> {
        let segment = self.segment(end);
        let (declared, of_length) = self.length_of(segment, verdict);
        let mut deviations = of_length.union(closing.deviations).union(more);
        if segment.len() > SEGMENT_STANDARD {
            deviations.insert(Deviation::SegmentLong);
        }
        if verdict != CrcVerdict::Wrong && closing.is_short() {
            deviations.insert(Deviation::CrcLeadingZeros);
        }
        let raw = self.buffer.get(..closing.used).unwrap_or(self.buffer);
        let said = match verdict {
            CrcVerdict::Known(Deviation::CrcBinary) => computed,
            CrcVerdict::Right | CrcVerdict::Known(_) | CrcVerdict::Wrong | CrcVerdict::Sealed => {
                closing.said.unwrap_or(0)
            }
        };
        let check = Check { said, computed, verdict };
        let frame = Frame { raw, segment, declared, check, deviations };
        Step { used: raw.len(), item: Some(Item::Frame(frame)) }
    }
}

/// Whether the area of `segment` holds encrypted bytes, by their looks.
fn is_ciphertext(segment: &[u8]) -> bool {
    packet::parse(segment).sealed == Some(Seal::Bytes)
}

/// Whether a sealed segment would have `declared` bytes with its ciphertext as bytes.
fn is_plain_length(segment: &[u8], declared: usize) -> bool {
    packet::parse(segment).sealed.is_some_and(|seal| seal.had_length(declared))
}

/// Whether Flag says that the segment is of HJ 212-2025, the only edition that knows encryption.
fn says_2025(segment: &[u8]) -> bool {
    packet::parse(segment).flag.is_some_and(PacketFlags::may_encrypt)
}
