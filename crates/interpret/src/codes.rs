//! Codes as numbers, the codes of one edition, and the slips by which loggers write them.
//!
//! What must stay true: equal codes are equal numbers, and unequal ones of up to eight bytes are unequal; a slip that could be two codes is
//! none.

use foldhash::HashMap;

use super::factor::Medium;
use super::hash::fnv;

#[derive(Debug, Clone, Default)]
pub(super) struct Codes {
    /// Codes of up to eight bytes, packed.
    short: HashMap<u64, u32>,
    long: HashMap<Box<[u8]>, u32>,
    /// Codes of up to eight bytes in capitals, packed; only those that are one code in whatever case.
    capitals: HashMap<u64, Option<u32>>,
}

impl Codes {
    pub(super) fn get(&self, code: &[u8]) -> Option<u32> {
        match pack(code) {
            Some(packed) => self.short.get(&packed).copied(),
            None => self.long.get(code).copied(),
        }
    }

    /// The code that `code` is in another case.
    pub(super) fn in_other_case(&self, code: &[u8]) -> Option<u32> {
        *self.capitals.get(&pack(&code.to_ascii_uppercase())?)?
    }

    /// Whether a longer code ends with `end`, in whatever case.
    pub(super) fn has_end(&self, end: &[u8]) -> bool {
        let longer = |code: &[u8]| code.len() > end.len() && code.to_ascii_uppercase().ends_with(end);
        self.capitals.keys().any(|code| ends_with(*code, end)) || self.long.keys().any(|code| longer(code))
    }

    pub(super) fn insert(&mut self, code: &[u8], factor: u32) {
        if let Some(packed) = pack(&code.to_ascii_uppercase()) {
            let one = if self.capitals.contains_key(&packed) { None } else { Some(factor) };
            self.capitals.insert(packed, one);
        }
        match pack(code) {
            Some(packed) => self.short.insert(packed, factor),
            None => self.long.insert(code.into(), factor),
        };
    }
}

/// A code of up to eight bytes as one number; shorter ones are told apart by the zeros behind them, which no code holds.
pub(super) const fn pack(code: &[u8]) -> Option<u64> {
    if code.len() > 8 {
        return None;
    }
    let (mut packed, mut at) = (0, 0);
    while at < code.len() {
        if code[at] == 0 {
            return None;
        }
        packed = packed << 8 | code[at] as u64;
        at += 1;
    }
    Some(packed)
}

/// Whether a packed code is longer than `end`, which is in capitals, and ends with it.
pub(super) fn ends_with(code: u64, end: &[u8]) -> bool {
    let Some(packed) = pack(end).filter(|_| (1..8).contains(&end.len())) else { return false };
    let bits = 8 * end.len();
    code >> bits != 0 && code & ((1 << bits) - 1) == packed
}

/// A number to compare codes by: equal codes have equal keys; unequal ones of up to eight bytes unequal keys.
pub(super) fn key(code: &[u8]) -> u64 {
    pack(code).unwrap_or_else(|| fnv(code))
}

/// Whether a code has nothing but one to three digits.
pub(super) fn is_bare(code: &[u8]) -> bool {
    (1..=3).contains(&code.len()) && code.iter().all(u8::is_ascii_digit)
}

/// What a bare code is in the gas table (two digits) and in that of water (three), with zeros added or taken away.
pub(super) fn both(codes: &Codes, code: &[u8]) -> (Option<u32>, Option<u32>) {
    let three: [u8; 3] = match code {
        [a] => [b'0', b'0', *a],
        [a, b] => [b'0', *a, *b],
        [a, b, c] => [*a, *b, *c],
        _ => return (None, None),
    };
    let two = three.strip_prefix(b"0").and_then(|two| codes.get(two));
    (two, codes.get(&three))
}

/// `e70112` is `e701xx`, `i33317` is `i3331x`.
pub(super) fn with_device_number(codes: &Codes, code: &[u8]) -> Option<u32> {
    let mut pattern: [u8; 6] = code.try_into().ok()?;
    if !pattern[4..].iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    pattern[5] = b'x';
    codes.get(&pattern).or_else(|| {
        pattern[4] = b'x';
        codes.get(&pattern)
    })
}

/// What five digits are with `w` and with `a` before them.
pub(super) fn with_letters(codes: &Codes, code: &[u8]) -> (Option<u32>, Option<u32>) {
    if code.len() != 5 || !code.iter().all(u8::is_ascii_digit) {
        return (None, None);
    }
    let letter = |letter: u8| {
        let mut whole = [letter; 6];
        whole[1..].copy_from_slice(code);
        codes.get(&whole)
    };
    (letter(b'w'), letter(b'a'))
}

/// A code that lost the letter before its five digits (`01018` in the standard's own C.14), or one in capitals.
pub(super) fn mistyped(codes: &Codes, code: &[u8], medium: Medium) -> Option<u32> {
    match (medium, with_letters(codes, code)) {
        (Medium::Water, (Some(water), _)) => return Some(water),
        (Medium::Air, (_, Some(air))) => return Some(air),
        (_, (Some(only), None) | (None, Some(only))) => return Some(only),
        _ => {}
    }
    if code.len() > 8 || !code.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    codes.get(&code.to_ascii_lowercase())
}
