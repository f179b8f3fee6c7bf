//! Segments that stand alone in a paste: `QN=…;CP=&&…&&` without head, and mostly without check. To the gateway they are noise; a person
//! wants to read them, and to know what is missing.
//!
//! What must stay true: what the scanner takes for a frame is taken as it says; only in its noise a segment is looked for; a segment alone is
//! never called usable; one that nothing closes ends with its line; the work is linear in the bytes.

use hj212::{Check, CrcVerdict, Deviation, Deviations, Fault, FaultReason, Frame, Item, Limits, Peer, Step, crc, scan};

/// The names that a header begins with.
const FIRST_NAMES: [&[u8]; 5] = [b"QN=", b"ST=", b"CN=", b"PW=", b"MN="];

/// What opens the data area is looked for in so many bytes.
const HEADER_MAX: usize = 256;

/// A line is looked at no further than this.
const LINE_MAX: usize = 10_000;

/// One thing from the front of a paste: what the scanner finds, and in its noise segments without a head.
#[must_use]
pub fn step(buffer: &[u8]) -> Step<'_> {
    let step = scan(buffer, Peer::Resting, &Limits::default());
    let Some(Item::Fault(Fault { reason: FaultReason::Noise, raw, .. })) = step.item else { return step };
    match segment_within(buffer, raw.len()) {
        Some(0) => frame(buffer).unwrap_or(step),
        Some(at) => {
            let raw = buffer.get(..at).unwrap_or(raw);
            Step { used: at, item: Some(Item::Fault(Fault { raw, segment: None, reason: FaultReason::Noise })) }
        }
        None => step,
    }
}

/// Whether `frame` is a segment that stood alone.
pub(super) fn is_bare(frame: &Frame<'_>) -> bool {
    frame.raw.as_ptr() == frame.segment.as_ptr()
}

/// Where in the first `within` bytes a segment begins.
fn segment_within(buffer: &[u8], within: usize) -> Option<usize> {
    let mut starts = memchr::memchr_iter(b'=', buffer.get(..within)?).filter_map(|equals| {
        let before = buffer.get(..=equals)?;
        let name = FIRST_NAMES.iter().find(|name| before.ends_with(name))?;
        let at = before.len() - name.len();
        let apart = at.checked_sub(1).and_then(|at| before.get(at)).is_none_or(|byte| !byte.is_ascii_alphabetic());
        apart.then_some(at)
    });
    starts.find(|at| buffer.get(*at..).and_then(length).is_some())
}

/// The length of the segment at the front of `bytes`, if it is opened: up to the `&&` that closes it, else to the end of its line or to the check
/// before that, if it is right.
fn length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER_MAX).unwrap_or(bytes);
    let opening = memchr::memmem::find(header, b"CP=&&")? + 5;
    if memchr::memchr2(b'\r', b'\n', header.get(..opening)?).is_some()
        || memchr::memmem::find(header.get(..opening)?, b"N=").is_none()
    {
        return None;
    }
    let line = bytes.get(..LINE_MAX).unwrap_or(bytes);
    let line = memchr::memchr2(b'\r', b'\n', line).and_then(|end| line.get(..end)).unwrap_or(line);
    if let Some(closing) = memchr::memmem::rfind(line.get(opening..)?, b"&&") {
        return Some(opening + closing + 2);
    }
    let line = line.trim_ascii_end();
    // Nothing but an area is read to the end of the line, and of a wrapped one the `&&` stands in a later line.
    let later = bytes.get(line.len()..).unwrap_or_default();
    let later = later.get(..LINE_MAX).unwrap_or(later);
    let wrapped =
        memchr::memmem::find(later, b"&&").is_some_and(|at| !later.get(..at).unwrap_or_default().ends_with(b"CP="));
    if !line.get(opening..)?.contains(&b'=') || wrapped {
        return None;
    }
    let checked = line.split_last_chunk::<4>().filter(|(segment, said)| number(*said) == Some(crc::checksum(segment)));
    Some(checked.map_or(line.len(), |(segment, _)| segment.len()))
}

/// The segment at the front of `buffer`, with a check behind it if there is one, as a frame whose head is missing.
fn frame(buffer: &[u8]) -> Option<Step<'_>> {
    let (segment, after) = buffer.split_at_checked(length(buffer)?)?;
    let digits = after.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let said = after.get(..digits).filter(|digits| digits.len() == 4).and_then(number);
    let line = after.get(if said.is_some() { 4 } else { 0 }..).unwrap_or_default();
    let line_end = line.iter().take(2).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let used = buffer.len() - line.len() + line_end;
    let computed = crc::checksum(segment);
    let mut deviations: Deviations = Deviations::from(Deviation::StartMissing).union(Deviation::LengthDigits.into());
    if said.is_none() {
        deviations.insert(Deviation::CrcMissing);
    }
    let verdict = if said == Some(computed) { CrcVerdict::Right } else { CrcVerdict::Wrong };
    let check = Check { said: said.unwrap_or(0), computed, verdict };
    let frame = Frame { raw: buffer.get(..used)?, segment, declared: 0, check, deviations };
    Some(Step { used, item: Some(Item::Frame(frame)) })
}

/// What hexadecimal digits say.
fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok())
}
