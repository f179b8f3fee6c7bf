//! The check of HJ 212 (HJ 212-2017, annex A; HJ 212-2025, annex A and A.1; the same in 2005), and the mistakes that are made of it.
//!
//! The standard's loop, which stands as the reference in the tests:
//!
//! ```text
//! reg = 0xFFFF
//! for each byte b:  reg = (reg >> 8) XOR b, then 8 times: shift right, XOR 0xA001 if a one fell out
//! ```
//!
//! It is *not* CRC-16/MODBUS although it shares its polynomial: `reg >> 8` throws the low byte of the register away. That makes
//! it weak, and it makes it fast:
//!
//! 1. Only the high byte lives on, so the state is eight bits: `reg' = STEP[high(reg) XOR b]`, where `STEP[x]` is what the shifts
//!    make of `x`: the CRC-16/ARC of the one byte `x`.
//! 2. Write `L(x)` for the high byte of `STEP[x]`. `L` is linear over XOR, so a byte `k` steps before the end adds `L` applied
//!    `k` times to it, and all bytes add up independently of each other.
//! 3. `L` applied eight times is the identity (a test tries all 256 values). So bytes eight apart add the same thing, and the
//!    whole segment may first be XORed together in eight lanes, eight bytes at a time, at the speed of memory; one mix of the
//!    eight lanes at the end gives the check.
//!
//! ```text
//! b0  b1  b2  b3  b4  b5  b6  b7
//! b8  b9  b10 b11 b12 b13 b14 b15       XOR the columns, turn them so that the last byte of the segment stands last,
//! b16 b17 b18                           then STEP[ L⁷(c0) ^ L⁶(c1) ^ … ^ L(c6) ^ c7 ]
//! ```
//!
//! The same fact says what the check is worth: there are only 256 values (the low byte is one of 00 01 40 41 80 81 C0 C1), one
//! error in 256 passes, and swapping two bytes eight apart is never seen. Length, line end, grammar and dates must stand on
//! their own.

use crc::{CRC_16_ARC, CRC_16_IBM_3740, CRC_16_KERMIT, CRC_16_MODBUS, CRC_16_XMODEM, Crc, Table};

use super::{Deviation, Deviations, value};

/// What the eight shifts make of a byte: CRC-16/ARC of it.
const STEP: [u16; 256] = {
    let arc = Crc::<u16>::new(&CRC_16_ARC);
    let mut step = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        step[byte] = arc.checksum(&[byte as u8]);
        byte += 1;
    }
    step
};

/// `POWER[k][x]` is `L` applied `k` times to `x`.
const POWER: [[u8; 256]; 8] = {
    let mut power = [[0; 256]; 8];
    let mut x = 0;
    while x < 256 {
        power[0][x] = x as u8;
        let mut k = 1;
        while k < 8 {
            power[k][x] = (STEP[power[k - 1][x] as usize] >> 8) as u8;
            k += 1;
        }
        x += 1;
    }
    power
};

/// The register before the first byte.
pub(super) const START: u16 = 0xFFFF;

/// The check over `segment`, from the first byte of the header to the closing `&&`.
#[must_use]
pub fn checksum(segment: &[u8]) -> u16 {
    extend(START, segment)
}

/// The register after `bytes`, when it was `reg` before: `extend(extend(r, a), b)` is `extend(r, a followed by b)`.
#[must_use]
#[inline]
pub(super) fn extend(reg: u16, bytes: &[u8]) -> u16 {
    let Some(last) = bytes.last_chunk::<8>() else { return extend_by_table(reg, bytes) };
    let (blocks, rest) = bytes.as_chunks::<64>();
    let mut lanes = [0u64; 8];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane ^= u64::from_le_bytes(*word);
        }
    }
    let (words, tail) = rest.as_chunks::<8>();
    let columns = lanes.into_iter().chain(words.iter().map(|word| u64::from_le_bytes(*word))).fold(0, |a, b| a ^ b);
    // The register's high byte acts as if it had been XORed into the first byte.
    let columns = columns ^ u64::from(reg >> 8);
    // Turned by the length of the tail, the byte that stands last in the segment stands last in the word.
    let turn = 8 * tail.len() as u32;
    let tail = u64::from_le_bytes(*last) & !(u64::MAX >> turn);
    mix(columns.rotate_right(turn) ^ tail)
}

/// The register after the eight bytes of `columns`, the lowest first, starting from nothing.
#[inline]
fn mix(columns: u64) -> u16 {
    let mut state = 0;
    for (position, byte) in columns.to_le_bytes().into_iter().enumerate() {
        state ^= POWER[7 - position][usize::from(byte)];
    }
    STEP[usize::from(state)]
}

/// The register after `bytes`, byte by byte.
fn extend_by_table(reg: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(reg, |reg, byte| STEP[usize::from((reg >> 8) as u8 ^ byte)])
}

/// The known mistake that turns the check of `segment` into `said`, the likeliest if several do.
///
/// Compared by value: how many digits it was written with, and in which case, is another matter. Asked only when the check does not
/// match.
#[must_use]
pub fn mistake(segment: &[u8], said: u16) -> Option<Deviation> {
    let found = mistakes(segment, said);
    LIKELIEST_FIRST.into_iter().find(|deviation| found.contains(*deviation))
}

/// A check over 16 bits hardly ever matches by chance (1 in 65,536), a constant is one of four, and what rests on the standard's
/// own check has but 256 values: in this order.
const LIKELIEST_FIRST: [Deviation; 8] = [
    Deviation::CrcModbus,
    Deviation::CrcModbusSwapped,
    Deviation::CrcCcitt,
    Deviation::CrcDummy,
    Deviation::CrcSwapped,
    Deviation::CrcCharacters,
    Deviation::CrcSigned,
    Deviation::CrcWithoutClosing,
];

/// All known mistakes that turn the check of `segment` into `said`; several can by chance.
///
/// A station known to make one of them should be judged by whether it is among these. Asked of a right check this says which mistakes
/// that segment cannot show: a check over characters is right for text in ASCII.
#[must_use]
pub fn mistakes(segment: &[u8], said: u16) -> Deviations {
    let mut found = Deviations::NONE;
    let computed = checksum(segment);
    let mut when = |matches: bool, deviation| {
        if matches {
            found.insert(deviation);
        }
    };
    let modbus = MODBUS.checksum(segment);
    when(said == modbus, Deviation::CrcModbus);
    when(said == modbus.swap_bytes(), Deviation::CrcModbusSwapped);
    when(
        said == CCITT_FALSE.checksum(segment) || said == XMODEM.checksum(segment) || said == KERMIT.checksum(segment),
        Deviation::CrcCcitt,
    );
    when(matches!(said, 0x0000 | 0x1234 | 0xABCD | 0xFFFF), Deviation::CrcDummy);
    when(said == computed.swap_bytes(), Deviation::CrcSwapped);
    when(segment.strip_suffix(b"&&").is_some_and(|open| said == checksum(open)), Deviation::CrcWithoutClosing);
    when(if segment.is_ascii() { said == computed } else { is_of_characters(segment, said) }, Deviation::CrcCharacters);
    when(is_of_signed(segment, said), Deviation::CrcSigned);
    found
}

// Sixteen bytes at a time: these run over whatever a hostile peer sends.
static MODBUS: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_MODBUS);
static CCITT_FALSE: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_IBM_3740);
static XMODEM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);
static KERMIT: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_KERMIT);

/// Whether `said` is the check over the text's characters: their 16-bit units, the low bytes of those, or `?` for all beyond
/// ASCII, as programs get it that keep text in 16-bit units. The bytes on the wire may be UTF-8 or GB18030.
fn is_of_characters(segment: &[u8], said: u16) -> bool {
    let (text, undecodable) = value::text(segment);
    if undecodable == Some(Deviation::TextUndecodable) {
        return false;
    }
    let (mut whole, mut low, mut question) = (START, START, START);
    for unit in text.encode_utf16() {
        whole = step_unit(whole, unit);
        low = step_unit(low, unit & 0xFF);
        question = step_unit(question, if unit < 0x80 { unit } else { u16::from(b'?') });
    }
    said == whole || said == low || said == question
}

/// Whether `said` is the check as a program computes it whose bytes are numbers from -128 to 127.
///
/// Three forms are copied about, all in 32 bits. `CRC = (CRC >> 8) & 0xFF; CRC ^= b; flag = CRC % 2; if (flag == 1) …`: the remainder of
/// a negative number is never 1, so a byte above 127 leaves nothing but ones, and the rest begins anew. `CRC = (CRC >> 8) ^ b` with
/// `flag = CRC & 1`, its sign kept or cut off after each byte.
fn is_of_signed(segment: &[u8], said: u16) -> bool {
    let Some(last) = segment.iter().rposition(|byte| !byte.is_ascii()) else { return said == checksum(segment) };
    let after = segment.get(last + 1..).unwrap_or_default();
    if said == checksum(after) {
        return true;
    }
    let (mut kept, mut cut) = (i32::from(START), i32::from(START));
    for byte in segment {
        let byte = i32::from(byte.cast_signed());
        kept = shift_signed((kept >> 8) ^ byte);
        cut = shift_signed((cut >> 8) ^ byte) & 0xFFFF;
    }
    i32::from(said) == kept & 0xFFFF || i32::from(said) == cut
}

/// The standard's eight shifts over a register with a sign.
fn shift_signed(register: i32) -> i32 {
    (0..8).fold(register, |register, _| if register & 1 == 1 { (register >> 1) ^ 0xA001 } else { register >> 1 })
}

/// The standard's step over a unit of 16 bits; the upper half is shifted through instead of being dropped.
fn step_unit(reg: u16, unit: u16) -> u16 {
    let mixed = (reg >> 8) ^ unit;
    STEP[usize::from(mixed as u8)] ^ (mixed >> 8)
}

/// The number that one to four hexadecimal digits of either case say.
pub(super) fn hexadecimal(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0u16, |number, digit| Some(number << 4 | u16::from(NIBBLE[usize::from(*digit)]?)))
}

/// What one character says as a hexadecimal digit.
const NIBBLE: [Option<u8>; 256] = {
    let mut nibble = [None; 256];
    let mut digit = 0;
    while digit < 16 {
        nibble[b"0123456789ABCDEF"[digit] as usize] = Some(digit as u8);
        nibble[b"0123456789abcdef"[digit] as usize] = Some(digit as u8);
        digit += 1;
    }
    nibble
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANNEX_A: &[u8] =
        b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";

    /// The loop as the standard prints it.
    fn reference(mut reg: u16, bytes: &[u8]) -> u16 {
        for byte in bytes {
            reg = (reg >> 8) ^ u16::from(*byte);
            for _ in 0..8 {
                let fell_out = reg & 1;
                reg >>= 1;
                if fell_out == 1 {
                    reg ^= 0xA001;
                }
            }
        }
        reg
    }

    /// Bytes that look random and are the same every time.
    fn scrambled(length: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64 ^ length as u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    /// HJ 212-2017, annex A.
    #[test]
    fn the_standards_own_vectors() {
        assert_eq!(checksum(ANNEX_A), 0x1C80);
        assert_eq!(checksum(b"123456789"), 0x2F80);
        assert_eq!(checksum(b""), 0xFFFF);
        assert_eq!(checksum(&[0]), 0x4040);
    }

    #[test]
    fn the_step_equals_the_loop_for_every_state_and_byte() {
        for state in 0..=255u16 {
            for byte in 0..=255u8 {
                // The low byte of the register is dropped, whatever it is.
                for low in [0, 0x5A, 0xFF] {
                    let reg = state << 8 | low;
                    assert_eq!(extend_by_table(reg, &[byte]), reference(reg, &[byte]));
                }
            }
        }
    }

    #[test]
    fn the_state_map_applied_eight_times_is_the_identity_and_is_linear() {
        for x in 0..=255usize {
            assert_eq!(usize::from(STEP[usize::from(POWER[7][x])] >> 8), x);
            for y in 0..=255usize {
                assert_eq!(STEP[x] ^ STEP[y], STEP[x ^ y]);
            }
        }
    }

    #[test]
    fn the_fast_form_equals_the_loop_for_all_lengths_and_every_single_byte() {
        for length in 0..=600 {
            let bytes = scrambled(length);
            assert_eq!(checksum(&bytes), reference(START, &bytes), "length {length}");
        }
        for length in 0..=80 {
            for position in 0..length {
                let mut bytes = vec![0; length];
                bytes[position] = 0xB7;
                assert_eq!(checksum(&bytes), reference(START, &bytes), "length {length}, position {position}");
            }
        }
    }

    #[test]
    fn swapped_bytes_eight_apart_are_not_caught() {
        let mut segment = ANNEX_A.to_vec();
        segment.swap(12, 20);
        assert_ne!(segment, ANNEX_A);
        assert_eq!(checksum(&segment), checksum(ANNEX_A));
        let groups: Vec<u8> = [&ANNEX_A[8..16], &ANNEX_A[..8], &ANNEX_A[16..]].concat();
        assert_eq!(checksum(&groups), checksum(ANNEX_A));
    }

    #[test]
    fn there_are_only_256_values() {
        let values: std::collections::HashSet<u16> = STEP.into_iter().collect();
        assert_eq!(values.len(), 256);
        let low: std::collections::BTreeSet<u8> = STEP.into_iter().map(|value| value as u8).collect();
        assert_eq!(low.into_iter().collect::<Vec<_>>(), [0x00, 0x01, 0x40, 0x41, 0x80, 0x81, 0xC0, 0xC1]);
    }

    #[test]
    fn each_known_mistake_is_named() {
        let by =
            |algorithm: &'static crc::Algorithm<u16>| format!("{:04X}", Crc::<u16>::new(algorithm).checksum(ANNEX_A));
        let named = |digits: &str| mistake(ANNEX_A, u16::from_str_radix(digits, 16).unwrap());
        assert_eq!(by(&CRC_16_MODBUS), "0759");
        assert_eq!(named("0759"), Some(Deviation::CrcModbus));
        assert_eq!(named("5907"), Some(Deviation::CrcModbusSwapped));
        assert_eq!(named(&by(&CRC_16_IBM_3740)), Some(Deviation::CrcCcitt));
        assert_eq!(named(&by(&CRC_16_XMODEM)), Some(Deviation::CrcCcitt));
        assert_eq!(named(&by(&CRC_16_KERMIT)), Some(Deviation::CrcCcitt));
        assert_eq!(named("801c"), Some(Deviation::CrcSwapped));
        let open = format!("{:04X}", checksum(&ANNEX_A[..ANNEX_A.len() - 2]));
        assert_eq!(named(&open), Some(Deviation::CrcWithoutClosing));
        for dummy in ["0000", "1234", "ABCD", "ffff"] {
            assert_eq!(named(dummy), Some(Deviation::CrcDummy));
        }
        assert_eq!(named("1C81"), None);
    }

    #[test]
    fn a_check_over_characters_is_named() {
        let segment = "ST=32;CP=&&i11001-Info=//清洗管路//&&".as_bytes();
        let text = std::str::from_utf8(segment).unwrap();
        let low: Vec<u8> = text.encode_utf16().map(|unit| unit as u8).collect();
        assert_ne!(checksum(&low), checksum(segment));
        assert!(mistakes(segment, checksum(&low)).contains(Deviation::CrcCharacters));
        let whole = text.encode_utf16().fold(START, |mut reg, unit| {
            reg = (reg >> 8) ^ unit;
            for _ in 0..8 {
                reg = if reg & 1 == 1 { reg >> 1 ^ 0xA001 } else { reg >> 1 };
            }
            reg
        });
        assert!(mistakes(segment, whole).contains(Deviation::CrcCharacters));
        // The same program sends GB18030.
        let (sent, _, _) = encoding_rs::GB18030.encode(text);
        assert!(mistakes(&sent, whole).contains(Deviation::CrcCharacters));
        assert!(
            mistakes(&sent, checksum(text.replace(['清', '洗', '管', '路'], "?").as_bytes()))
                .contains(Deviation::CrcCharacters)
        );
    }

    /// Tutorials in Java: `inum = bytes[j]; CRC = (CRC >> 8) & 0x00FF; CRC ^= inum; flag = CRC % 2; CRC >>= 1; if (flag == 1) CRC ^= 0xA001`.
    fn tutorial(bytes: &[u8], remainder: bool, cut_before: bool) -> u16 {
        let mut register = 0xFFFFi32;
        for byte in bytes {
            register >>= 8;
            if cut_before {
                register &= 0xFF;
            }
            register ^= i32::from(*byte as i8);
            for _ in 0..8 {
                let flag = if remainder { register % 2 } else { register & 1 };
                register >>= 1;
                if flag == 1 {
                    register ^= 0xA001;
                }
            }
        }
        register as u16
    }

    #[test]
    fn a_check_over_signed_bytes_is_named_in_each_form_and_encoding() {
        let text = "ST=32;CP=&&i11001-Info=//加热完成//&&";
        let (gb18030, _, _) = encoding_rs::GB18030.encode(text);
        for sent in [text.as_bytes(), &gb18030] {
            assert_eq!(tutorial(sent, true, true), 0x3740, "what the tutorials' readers send");
            for (remainder, cut) in [(true, true), (false, true), (false, false)] {
                let said = tutorial(sent, remainder, cut);
                assert_ne!(said, checksum(sent));
                assert!(mistakes(sent, said).contains(Deviation::CrcSigned), "{remainder} {cut}");
            }
        }
    }

    #[test]
    fn mistakes_that_need_chinese_text_are_right_without_it_and_no_others_are() {
        let found = mistakes(ANNEX_A, checksum(ANNEX_A));
        assert_eq!(found.iter().collect::<Vec<_>>(), [Deviation::CrcCharacters, Deviation::CrcSigned]);
    }

    proptest! {
        #[test]
        fn the_fast_form_equals_the_loop_on_random_bytes_from_any_register(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000), reg: u16,
        ) {
            prop_assert_eq!(extend(reg, &bytes), reference(reg, &bytes));
        }

        #[test]
        fn the_check_may_be_taken_in_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), cut: proptest::sample::Index,
        ) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(extend(extend(START, first), second), checksum(&bytes));
        }
    }
}
