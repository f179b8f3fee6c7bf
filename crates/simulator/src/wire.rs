//! From a data segment to what really goes over the line, with the faults of the station and of this transmission.

use super::faults::{Fault, FaultSet};
use super::seeded_random::SeededRandom;
use super::station_behaviour::SealForm;
use hj212::sm4::{self, GROUP, Key};
use hj212::{crc, packet, write};

/// How the bytes go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In one write.
    Whole,
    /// Every byte by itself.
    Bytewise,
    /// One byte a second, for ever.
    Slowly,
}

/// What happens once the bytes are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The answer is waited for.
    Stay,
    /// The connection is dropped.
    Drop,
    /// Nothing is sent or read any more; the connection stays.
    FallSilent,
}

/// What a data area is sealed with, and how it is written.
pub(crate) type Seal<'a> = Option<(&'a Key, SealForm)>;

/// Replaces `out` with the frame around `segment` as the faults of the `station` and of this `sending` make it.
pub(crate) fn frame(
    out: &mut Vec<u8>,
    segment: &[u8],
    seal: Seal<'_>,
    station: FaultSet,
    sending: FaultSet,
    rng: &mut SeededRandom,
) -> (Manner, After) {
    out.clear();
    let mut frame = Vec::with_capacity(segment.len() + 12);
    sound(&mut frame, segment, seal);
    spoil(&mut frame, segment, station, sending, rng);
    if sending.contains(Fault::Noise) {
        noise(out, rng);
    }
    if sending.contains(Fault::Interleave) {
        let half = frame.len() / 2;
        out.extend_from_slice(frame.get(..half).unwrap_or_default());
        out.extend_from_slice(&frame);
        out.extend_from_slice(frame.get(half..).unwrap_or_default());
    } else {
        out.extend_from_slice(&frame);
    }
    if sending.contains(Fault::Duplicate) {
        out.extend_from_slice(&frame);
    }
    let manner = match () {
        () if station.contains(Fault::Slow) => Manner::Slowly,
        () if station.contains(Fault::SplitWrites) => Manner::Bytewise,
        () => Manner::Whole,
    };
    let after = match () {
        () if station.contains(Fault::HalfOpen) => After::FallSilent,
        () if sending.contains(Fault::Reconnect) => After::Drop,
        () => After::Stay,
    };
    (manner, after)
}

/// Appends the frame of `segment` without any fault.
pub(crate) fn sound(out: &mut Vec<u8>, segment: &[u8], seal: Seal<'_>) {
    match seal {
        None => write::frame(out, |out| out.extend_from_slice(segment)),
        Some((key, SealForm::Bytes)) if sm4::frame(out, segment, key).is_ok() => {}
        // What has no area has nothing to seal.
        Some((_, SealForm::Bytes)) => write::frame(out, |out| out.extend_from_slice(segment)),
        Some((key, SealForm::Printed)) => printed(out, segment, key),
    }
}

/// Appends the frame of `segment` with its ciphertext printed: `{0xE4,0x3E,…}` and the plain remainder, the check over the plain
/// text and the length that of what is written.
fn printed(out: &mut Vec<u8>, segment: &[u8], key: &Key) {
    let area = packet::parse(segment).area;
    let groups = area.len() / GROUP * GROUP;
    let mut sealed = area.to_vec();
    key.seal(&mut sealed);
    let head = segment.len().saturating_sub(area.len() + 2);
    let (cipher, remainder) = sealed.split_at(groups);
    let mut text = segment.get(..head).unwrap_or_default().to_vec();
    if groups > 0 {
        let digits: Vec<String> = cipher.iter().map(|byte| format!("0x{byte:02X}")).collect();
        text.extend_from_slice(format!("{{{}}}", digits.join(",")).as_bytes());
    }
    text.extend_from_slice(remainder);
    text.extend_from_slice(b"&&");
    let from = out.len();
    write::frame(out, |out| out.extend_from_slice(&text));
    let plain = format!("{:04X}", crc::checksum(segment));
    overwrite(out, from + text.len() + 6, plain.as_bytes());
}

/// The faults inside the frame.
fn spoil(frame: &mut Vec<u8>, segment: &[u8], station: FaultSet, sending: FaultSet, rng: &mut SeededRandom) {
    let check = frame.len().saturating_sub(6);
    if station.contains(Fault::CrcModbus) {
        let modbus = ::crc::Crc::<u16>::new(&::crc::CRC_16_MODBUS).checksum(segment);
        overwrite(frame, check, format!("{modbus:04X}").as_bytes());
    }
    if station.contains(Fault::CrcLowercase)
        && let Some(digits) = frame.get_mut(check..check + 4)
    {
        digits.make_ascii_lowercase();
    }
    if sending.contains(Fault::CrcWrong) {
        let digits = frame.get(check..check + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let said = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).unwrap_or(0);
        overwrite(frame, check, format!("{:04X}", said ^ 1 << rng.below(16)).as_bytes());
    }
    if sending.contains(Fault::LengthOff) {
        let by = usize::try_from(rng.below(9)).unwrap_or(0) + 1;
        let declared = if rng.chance(0.5) { segment.len() + by } else { segment.len().saturating_sub(by) };
        overwrite(frame, 2, format!("{declared:04}").as_bytes());
    }
    if station.contains(Fault::NoCrlf) {
        frame.truncate(check + 4);
    }
}

fn overwrite(frame: &mut [u8], at: usize, digits: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + digits.len()) {
        place.copy_from_slice(digits);
    }
}

/// Bytes as modems and bots send them. Never `#`, so that the noise of one frame is noise and not a second fault.
pub(crate) fn noise(out: &mut Vec<u8>, rng: &mut SeededRandom) {
    match rng.below(4) {
        0 => out.extend_from_slice(b"AT+CSQ\r\n+CSQ: 21,99\r\nOK\r\n"),
        1 => out.extend_from_slice(b"\xFE\xFEDTU-ID:13800000000\x00"),
        2 => out.extend_from_slice(b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"),
        _ => {
            let length = 1 + rng.below(60);
            let random = (0..length).map(|_| rng.roll().to_le_bytes()[0]);
            out.extend(random.map(|byte| if byte == b'#' { b'.' } else { byte }));
        }
    }
}

/// A burst of a bot that knows nothing of HJ 212.
pub(crate) fn garbage(out: &mut Vec<u8>, rng: &mut SeededRandom) {
    out.clear();
    match rng.below(3) {
        0 => out.extend_from_slice(b"GET /login.action HTTP/1.1\r\nUser-Agent: probe\r\n\r\n"),
        1 => out.extend_from_slice(b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"),
        _ => out.extend((0..1 + rng.below(400)).map(|_| rng.roll().to_le_bytes()[0])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212::{Check, CrcVerdict, Item, Limits, Peer, scan};

    const SEGMENT: &[u8] =
        b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";

    fn sent(faults: &[Fault]) -> Vec<u8> {
        let set = faults.iter().fold(FaultSet::default(), |set, fault| set.with(*fault));
        let mut out = vec![b'x'];
        frame(&mut out, SEGMENT, None, set, set, &mut SeededRandom::new(1, 1));
        out
    }

    /// What the scanner makes of the bytes: the checks of frames with this segment, and how many faults.
    fn scanned(bytes: &[u8]) -> (Vec<Check>, usize) {
        let (mut checks, mut faults, mut rest) = (Vec::new(), 0, bytes);
        while !rest.is_empty() {
            let step = scan(rest, Peer::Resting, &Limits::default());
            match step.item {
                Some(Item::Frame(frame)) if frame.segment == SEGMENT => checks.push(frame.check),
                Some(Item::Frame(_) | Item::Fault(_)) => faults += 1,
                None => {}
            }
            rest = &rest[step.used.max(1)..];
        }
        (checks, faults)
    }

    #[test]
    fn a_sound_frame_is_the_standards() {
        let bytes = sent(&[]);
        assert!(bytes.starts_with(b"##0101QN=") && bytes.ends_with(b"&&1C80\r\n"));
    }

    /// HJ 212-2025, annex A.2.
    #[test]
    fn both_forms_of_ciphertext_are_opened_with_the_check_of_the_plain_text() {
        let key = Key::from_text("0123456789abcdef").unwrap();
        let plain = b"QN=20261123120000001;ST=32;CN=2011;PW=123456;MN=021200000000000000000001;Flag=9;CP=&&DataTime=20261123120000;w01018-Rtd=23.1,w01018-Flag=N&&";
        for form in [SealForm::Bytes, SealForm::Printed] {
            let (mut out, none) = (Vec::new(), FaultSet::default());
            frame(&mut out, plain, Some((&key, form)), none, none, &mut SeededRandom::new(1, 1));
            let step = scan(&out, Peer::Resting, &Limits::default());
            let Some(Item::Frame(found)) = step.item else { panic!("{:?}", step.item) };
            assert_eq!(step.used, out.len());
            assert_eq!(found.declared, out.len() - 12, "{form:?}");
            assert_eq!(memchr::memmem::find(&out, b"23.1"), None);
            assert_eq!(sm4::open(found.segment, found.check.said, [&key]).unwrap().segment, plain);
        }
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        assert!(sent(&[Fault::CrcLowercase]).ends_with(b"&&1c80\r\n"));
        assert!(sent(&[Fault::CrcModbus]).ends_with(b"&&0759\r\n"));
        assert!(sent(&[Fault::NoCrlf]).ends_with(b"&&1C80"));
        let (checks, _) = scanned(&sent(&[Fault::CrcWrong]));
        assert!(checks.iter().all(|check| check.verdict != CrcVerdict::Right && check.said != check.computed));
        assert!(!sent(&[Fault::LengthOff]).starts_with(b"##0101"));
        assert_eq!(scanned(&sent(&[Fault::Duplicate])).0.len(), 2);
    }

    #[test]
    fn noise_never_costs_the_frame_behind_it() {
        for seed in 0..50 {
            let mut out = Vec::new();
            let noisy = FaultSet::default().with(Fault::Noise);
            frame(&mut out, SEGMENT, None, FaultSet::default(), noisy, &mut SeededRandom::new(seed, 0));
            let (checks, faults) = scanned(&out);
            assert_eq!(checks.iter().filter(|check| check.verdict == CrcVerdict::Right).count(), 1, "seed {seed}");
            assert!(faults >= 1);
        }
    }

    #[test]
    fn two_halves_surround_a_whole_frame() {
        let (bytes, whole) = (sent(&[Fault::Interleave]), sent(&[]));
        assert_eq!(bytes.len(), 2 * whole.len());
        assert!(memchr::memmem::find(&bytes[whole.len() / 2..], &whole).is_some());
    }

    #[test]
    fn habits_choose_manner_and_end() {
        let with = |fault| {
            let set = FaultSet::default().with(fault);
            frame(&mut Vec::new(), SEGMENT, None, set, set, &mut SeededRandom::new(1, 1))
        };
        assert_eq!(with(Fault::Slow), (Manner::Slowly, After::Stay));
        assert_eq!(with(Fault::SplitWrites), (Manner::Bytewise, After::Stay));
        assert_eq!(with(Fault::HalfOpen), (Manner::Whole, After::FallSilent));
        assert_eq!(with(Fault::Reconnect), (Manner::Whole, After::Drop));
    }
}
