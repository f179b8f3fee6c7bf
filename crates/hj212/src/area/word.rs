//! Codes and names as numbers.
//!
//! Nearly all codes and names of the standard have at most eight characters. Loaded as one number they are compared, hashed and
//! searched for a `-` in registers, without a call and without a loop; what is longer is compared as text after its first eight
//! characters. What must stay true: two words are the same exactly if their texts are.

/// A code or a name: where it stands in its area, and its first eight characters as one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Word {
    from: u16,
    length: u16,
    /// The first character lowest, zeros behind the last.
    first: u64,
}

/// A byte in all eight places.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Multiplied by this, a number's bits are spread over its topmost ones.
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Word {
    /// The text between `from` and `to`.
    pub(super) fn between(area: &[u8], from: u16, to: u16) -> Word {
        let length = to.saturating_sub(from);
        let eight = eight_at(area, usize::from(from)).unwrap_or_else(|| last_bytes(area, usize::from(from)));
        let first = if length < 8 { eight & !(u64::MAX << (8 * u32::from(length))) } else { eight };
        Word { from, length, first }
    }

    /// The text from `from` to the first `-`, if that stands within eight bytes.
    #[inline(always)]
    pub(super) fn before_dash(area: &[u8], from: usize) -> Option<Word> {
        let eight = eight_at(area, from)?;
        let dashes = dashes_in(eight);
        if dashes == 0 {
            return None;
        }
        // All bits below the byte in which the first dash is.
        let below = ((dashes & dashes.wrapping_neg()) >> 7).wrapping_sub(1);
        Some(Word { from: from as u16, length: (dashes.trailing_zeros() / 8) as u16, first: eight & below })
    }

    /// The text between `from` and the `=` at `equals`, if it has one to seven characters, no `-`, and no space last.
    #[inline(always)]
    pub(super) fn before_equals(area: &[u8], from: usize, equals: usize) -> Option<Word> {
        let length = equals.wrapping_sub(from);
        // Loaded so that it ends with the `=`: what comes before is in the area even at its end.
        let eight = eight_at(area, equals.wrapping_sub(7))?;
        let [.., last, ending] = eight.to_le_bytes();
        if ending != b'=' || last <= b' ' || length.wrapping_sub(1) >= 7 {
            return None;
        }
        let first = (eight << 8) >> (64 - 8 * length as u32);
        (dashes_in(first) == 0).then_some(Word { from: from as u16, length: length as u16, first })
    }

    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The first character; 0 if there is none.
    pub(super) fn begins(self) -> u8 {
        self.first as u8
    }

    /// Where it begins.
    pub(super) fn from(self) -> u16 {
        self.from
    }

    /// Where it ends.
    pub(super) fn to(self) -> u16 {
        self.from.wrapping_add(self.length)
    }

    pub(super) fn text(self, area: &[u8]) -> &[u8] {
        area.get(usize::from(self.from)..usize::from(self.to())).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn is_same(self, other: Word, area: &[u8]) -> bool {
        self.first == other.first
            && self.length == other.length
            && (self.length <= 8 || self.text(area) == other.text(area))
    }

    /// Whether this is the name of a mark.
    #[inline(always)]
    pub(super) fn is_flag(self) -> bool {
        const FLAG: u64 = u64::from_le_bytes(*b"Flag\0\0\0\0");
        const EFLAG: u64 = u64::from_le_bytes(*b"EFlag\0\0\0");
        (self.first == FLAG && self.length == 4) || (self.first == EFLAG && self.length == 5)
    }

    /// Whether this is the name of the field that says which instrument is spoken of, in whatever case.
    #[inline(always)]
    pub(super) fn is_instrument(self) -> bool {
        const POL_ID: u64 = u64::from_le_bytes(*b"polid\0\0\0");
        // The bit by which small letters differ from capitals; what is a letter with it is one without it.
        const SMALL: u64 = 0x20_2020_2020;
        self.first | SMALL == POL_ID && self.length == 5
    }

    /// A bit that differs for most of the standard's names.
    #[inline(always)]
    pub(super) fn bit(self) -> u64 {
        1 << (self.first.wrapping_mul(ODD) >> 58)
    }

    /// Ten bits that differ for most codes.
    #[inline(always)]
    pub(super) fn hash(self, area: &[u8]) -> usize {
        let mixed = if self.length <= 8 { self.first.wrapping_mul(ODD) } else { self.long_hash(area) };
        (mixed >> 54) as usize
    }

    #[cold]
    fn long_hash(self, area: &[u8]) -> u64 {
        self.text(area).iter().fold(0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(ODD).rotate_left(29))
    }
}

#[inline(always)]
fn eight_at(area: &[u8], at: usize) -> Option<u64> {
    area.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
}

/// What is left of `area` from `at` on, less than eight bytes, with zeros behind it.
#[cold]
fn last_bytes(area: &[u8], at: usize) -> u64 {
    area.get(at..).unwrap_or_default().iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte))
}

/// The topmost bit of every byte that is a `-`. A byte behind the first `-` may be named wrongly, none is if there is no `-`.
#[inline(always)]
fn dashes_in(eight: u64) -> u64 {
    // Zero where the dash was; only a zero byte has its topmost bit clear and set after one is taken away.
    let zero = eight ^ (ONES * b'-' as u64);
    zero.wrapping_sub(ONES) & !zero & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_taken_at_a_dash_or_equals_sign_are_those_of_a_walk(
            area in proptest::collection::vec(proptest::sample::select(&b"--=; aF\0\x2C\x2E\xAD\xFF"[..]), 0..24),
            from in 0usize..26,
        ) {
            let rest = area.get(from..).unwrap_or_default();
            let dash = rest.iter().take(8).position(|byte| *byte == b'-').filter(|_| rest.len() >= 8);
            let wanted = dash.map(|dash| Word::between(&area, from as u16, (from + dash) as u16));
            prop_assert_eq!(Word::before_dash(&area, from), wanted);
            for equals in 0..26 {
                let name = area.get(from..equals).unwrap_or_default();
                let plain = equals >= 7 && area.get(equals) == Some(&b'=') && (1..=7).contains(&name.len())
                    && !name.contains(&b'-') && name.last() > Some(&b' ');
                let wanted = plain.then(|| Word::between(&area, from as u16, equals as u16));
                prop_assert_eq!(Word::before_equals(&area, from, equals), wanted);
            }
        }

        #[test]
        fn words_are_the_same_exactly_if_their_texts_are(
            one in proptest::collection::vec(proptest::sample::select(&b"a\0"[..]), 0..11),
            other in proptest::collection::vec(proptest::sample::select(&b"a\0"[..]), 0..11),
        ) {
            let area = [&one[..], &other[..]].concat();
            let (middle, end) = (one.len() as u16, area.len() as u16);
            let (first, second) = (Word::between(&area, 0, middle), Word::between(&area, middle, end));
            prop_assert_eq!(first.is_same(second, &area), one == other);
            prop_assert_eq!(first.text(&area), &one[..]);
            prop_assert!(one != other || (first.hash(&area) == second.hash(&area) && first.bit() == second.bit()));
        }
    }

    #[test]
    fn marks_are_told_by_their_names() {
        let is_flag = |name: &str| Word::between(name.as_bytes(), 0, name.len() as u16).is_flag();
        assert!(is_flag("Flag") && is_flag("EFlag"));
        for no in ["", "Fla", "Flag\0", "Flags", "EFlag\0", "flag", "Rtd", "Flag567890"] {
            assert!(!is_flag(no), "{no}");
        }
    }
}
