//! Where does a frame begin and end? A pure function over the bytes at hand.
//!
//! Framing is by length, never by line: encrypted data contains CR, LF, `&&` and `##`. What must stay true:
//! * the frames found in a stream do not depend on how the stream was cut into reads;
//! * every call either uses bytes or asks for more ([`Peer::Resting`] never asks for more unless nothing is there);
//! * a good frame is never lost to what stands before it.

use super::{Deviation, Deviations, crc};

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

/// The CRC of a frame: what it says, what it should say, and what that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// The value that stands in the frame.
    pub said: u16,
    /// The value computed over the segment.
    pub computed: u16,
    /// How the two compare.
    pub verdict: Verdict,
}

/// How a frame's CRC compares with the computed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
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

/// Looks at the front of `buffer` and takes one thing from it.
#[must_use]
pub fn scan<'a>(buffer: &'a [u8], peer: Peer, limits: &Limits) -> Step<'a> {
    let more = Step { used: 0, item: None };
    let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n' | b' ')).count();
    if blank > 0 {
        return Step { used: blank, item: None };
    }
    let Some(start) = memchr::memmem::find(buffer, b"##") else {
        let keep = usize::from(buffer.last() == Some(&b'#') && peer == Peer::Sending);
        let used = buffer.len() - keep;
        return if used == 0 { more } else { fault(&buffer[..used], FaultReason::Noise) };
    };
    if start > 0 {
        return fault(&buffer[..start], FaultReason::Noise);
    }
    if buffer.len() < 6 {
        return if peer == Peer::Sending { more } else { fault(buffer, FaultReason::Truncated) };
    }
    let Some(declared) = std::str::from_utf8(&buffer[2..6]).ok().and_then(|t| t.parse::<usize>().ok()) else {
        return fault(&buffer[..2], FaultReason::Shapeless);
    };
    if declared > limits.segment_max {
        return fault(&buffer[..2], FaultReason::TooLong);
    }
    let end = 6 + declared;
    let Some(said) = buffer.get(end..end + 4) else {
        return if peer == Peer::Sending { more } else { fault(&buffer[..2], FaultReason::Truncated) };
    };
    let Some(said) = std::str::from_utf8(said).ok().and_then(|t| u16::from_str_radix(t, 16).ok()) else {
        return fault(&buffer[..2], FaultReason::Shapeless);
    };
    let (used, deviations) = match &buffer[end + 4..] {
        [b'\r', b'\n', ..] => (end + 6, Deviations::NONE),
        [] | [b'\r'] if peer == Peer::Sending => return more,
        _ => (end + 4, Deviation::EndingMissing.into()),
    };
    let segment = &buffer[6..end];
    let computed = crc::checksum(segment);
    let verdict = if said == computed { Verdict::Right } else { Verdict::Wrong };
    let check = Check { said, computed, verdict };
    Step { used, item: Some(Item::Frame(Frame { raw: &buffer[..used], segment, declared, check, deviations })) }
}

fn fault(raw: &[u8], reason: FaultReason) -> Step<'_> {
    Step { used: raw.len(), item: Some(Item::Fault(Fault { raw, reason })) }
}
