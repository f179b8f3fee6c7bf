//! Where does a frame begin and end? A pure function over the bytes at hand.
//!
//! Framing is by length, never by line: encrypted data contains CR, LF, `&&` and `##`. What must stay true:
//! * the items found in a stream do not depend on how the stream was cut into reads. So a decision is taken only when no byte that
//!   may still come could change it; until then more is asked for;
//! * every call either uses bytes or asks for more ([`Peer::Resting`] never asks for more unless nothing is there);
//! * a good frame is never lost to what stands before it;
//! * what ends plainly is a [`Frame`] with its segment, also where length and check are both wrong: only so is it refused by its name;
//! * a check is compared by value: lost zeros, case and `0x` are deviations, not another check;
//! * the work is linear in the bytes, also on hostile input: whatever is looked at twice is bounded by [`Limits`].
//!
//! The way: a frame exactly as the standard prints it is taken here at once. All else goes to `tolerant`, which knows the odd
//! starts, lengths, endings and checks of the field; `start` and `closing` read the two ends of a frame; `sealed`, a layer below, tells
//! encrypted areas from damaged ones.

mod closing;
mod start;
mod tolerant;

#[cfg(test)]
mod tests;

use super::{Deviation, Deviations, crc};

/// The longest data segment of the standard in bytes (HJ 212-2017, 6.3.1, table 2); longer ones are a deviation.
pub const SEGMENT_STANDARD: usize = 1024;

/// Noise is handed out in pieces of this many bytes, the last one excepted.
pub const NOISE_PIECE: usize = 1024;

/// What the scanner accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest data segment in bytes. The standard says 1024; four digits can say 9999.
    pub segment_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { segment_max: 9999 }
    }
}

/// What is known of the bytes that are not here yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// More may follow at once: an unfinished frame is waited for.
    Sending,
    /// The peer has paused or closed: what is here is all there is, and is decided upon.
    Resting,
}

/// What one look at the front of the buffer gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// How many bytes of the front are done with. 0 with no item: more bytes are needed.
    pub used: usize,
    /// What those bytes were; `None` for white space between frames.
    pub item: Option<Item<'a>>,
}

/// A thing found in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A frame with a recognisable envelope. Its check may still be wrong, see [`Check`].
    Frame(Frame<'a>),
    /// Bytes that are no frame.
    Fault(Fault<'a>),
}

/// A checked envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All bytes of the frame as they were on the wire, from `##` to the line end.
    pub raw: &'a [u8],
    /// The data segment: what length and CRC speak of.
    pub segment: &'a [u8],
    /// The length that the frame declares.
    pub declared: usize,
    /// What the CRC says.
    pub check: Check,
    /// What was read over in the envelope (CRC mistakes excepted: those depend on the station's policy).
    pub deviations: Deviations,
}

impl Frame<'_> {
    /// Whether four hexadecimal digits stand last, before the line end.
    #[must_use]
    pub fn has_four_digits(&self) -> bool {
        let kept = self.raw.trim_ascii_end();
        kept.last_chunk::<4>().is_some_and(|digits| crc::hexadecimal(digits).is_some())
    }
}

/// The CRC of a frame: what it says, what it should say, and what that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The value that stands in the frame; 0 where there is none to be read (`crc-missing`, `crc-form`), which is never
    /// [`CrcVerdict::Right`].
    pub said: u16,
    /// The value computed over the segment.
    pub computed: u16,
    /// How the two compare.
    pub verdict: CrcVerdict,
}

/// How a frame's CRC compares with the computed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrcVerdict {
    /// It is right.
    Right,
    /// It is what a known mistake gives; the deviation names it.
    Known(Deviation),
    /// It is wrong in no known way.
    Wrong,
    /// The data area is encrypted and the CRC covers the plain text: nothing can be said without the key.
    Sealed,
}

/// Bytes that are no frame, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault<'a> {
    /// The bytes.
    pub raw: &'a [u8],
    /// What there is of a data segment, if a frame begins in them.
    pub segment: Option<&'a [u8]>,
    /// Why they are no frame.
    pub reason: FaultReason,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultReason {
    /// No frame begins in them.
    Noise,
    /// A frame begins, and another begins or the peer rests before it is complete.
    Truncated,
    /// The declared length is above [`Limits::segment_max`].
    TooLong,
    /// A frame begins, but neither its length nor its closing says where it ends.
    Shapeless,
}

impl FaultReason {
    /// The stable name, as published and counted.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Truncated => "truncated",
            Self::TooLong => "too-long",
            Self::Shapeless => "shapeless",
        }
    }
}

/// What head and end of a frame say, read again from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The length that the head declares, in the reading that fits best; `None`: none can be read.
    pub declared: Option<usize>,
    /// The check; `None`: there is none, or none that can be read.
    pub said: Option<u16>,
}

/// The envelope of `raw`, whose data segment has `length` bytes.
#[must_use]
pub fn envelope(raw: &[u8], length: usize) -> Envelope {
    let start::Look::Seen(start) = start::here(raw) else { return Envelope { declared: None, said: None } };
    let other = start.other.filter(|(other, odd)| *other == length || *odd == Deviation::HeadFifthDigit);
    let declared = match (start.declared, other) {
        (Some(declared), Some((other, _))) if declared != length => Some(other),
        (declared, _) => declared,
    };
    let said = match closing::here(raw, start.body + length, Peer::Resting) {
        start::Look::Seen(closing) => closing.said,
        start::Look::Not | start::Look::Unclear => None,
    };
    Envelope { declared, said }
}

/// Looks at the front of `buffer` and takes one thing from it.
#[must_use]
pub fn scan<'a>(buffer: &'a [u8], peer: Peer, limits: &Limits) -> Step<'a> {
    match exact(buffer, limits) {
        Some(step) => step,
        None => tolerant::scan(buffer, peer, limits),
    }
}

/// A frame as the standard prints it: `##`, four digits, that many bytes, the right check in four digits, CR LF.
#[inline]
fn exact<'a>(buffer: &'a [u8], limits: &Limits) -> Option<Step<'a>> {
    let (head, rest) = buffer.split_first_chunk::<6>()?;
    let [b'#', b'#', digits @ ..] = head else { return None };
    let declared = start::decimal(digits)?;
    if declared > limits.segment_max {
        return None;
    }
    let (segment, tail) = rest.split_at_checked(declared)?;
    let [c0, c1, c2, c3, b'\r', b'\n', ..] = tail else { return None };
    // A segment begins with a name; `start` says the same, or the two would disagree over what a frame is.
    if !segment.first()?.is_ascii_alphabetic() {
        return None;
    }
    let digits = [*c0, *c1, *c2, *c3];
    let said = crc::hexadecimal(&digits)?;
    let computed = crc::checksum(segment);
    if said != computed {
        return None;
    }
    let mut deviations = Deviations::NONE;
    if digits.iter().any(u8::is_ascii_lowercase) {
        deviations.insert(Deviation::CrcLowercase);
    }
    if declared > SEGMENT_STANDARD {
        deviations.insert(Deviation::SegmentLong);
    }
    let used = declared + 12;
    let check = Check { said, computed, verdict: CrcVerdict::Right };
    let frame = Frame { raw: buffer.get(..used)?, segment, declared, check, deviations };
    Some(Step { used, item: Some(Item::Frame(frame)) })
}
