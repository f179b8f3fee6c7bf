//! What must be remembered while an area is read to say what is odd about the order of its fields.
//!
//! A *run* is a row of neighbouring fields with the same code. An item written as the standard says is one run, with `,` inside
//! and `;` around, its values before its flag. What must stay true: the work is linear in the area, and nothing here changes what
//! was read.

use super::super::{Deviation, Deviations};
use super::Span;

/// So many spans at most are compared in one area to find an item that comes back; beyond, that deviation is not looked for.
const COMPARED_MAX: usize = 16 * 1024;

/// So many names at most of one run are compared with one that may have been there.
const RUN_COMPARED_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Run<'a> {
    /// The separator before the field at hand; 0 before the first.
    pub(super) separator: u8,
    /// The code of the run.
    item: &'a [u8],
    /// The first span of the run.
    first: usize,
    /// The names of the run, as bits by first and last character and length.
    names: u64,
    /// Whether the run holds nothing but flags so far.
    flags_only: bool,
    /// Codes met, as bits by their hash: a code whose bit is not set is new.
    met: [u64; 16],
    compared: usize,
    /// Whether a run of flags only has ended.
    lonely_flag: bool,
    deviations: Deviations,
}

impl<'a> Run<'a> {
    /// Takes note of the field after `spans`.
    #[inline]
    pub(super) fn enter(&mut self, area: &[u8], spans: &[Span], item: &'a [u8], name: &[u8]) {
        let is_flag = is_flag(name);
        let before = self.item;
        if same(before, item) {
            if item.is_empty() {
                return;
            }
            if self.separator == b';' {
                self.deviations.insert(Deviation::SemicolonWithinItem);
            }
            if self.flags_only && !is_flag {
                self.deviations.insert(Deviation::FlagFirst);
            }
            self.flags_only &= is_flag;
            self.compare_names(area, spans, name);
            return;
        }
        if self.separator == b',' && !item.is_empty() && !before.is_empty() {
            self.deviations.insert(Deviation::CommaBetweenItems);
        }
        self.lonely_flag |= self.flags_only;
        self.item = item;
        self.first = spans.len();
        self.names = bit_of(name);
        self.flags_only = is_flag && !item.is_empty();
        if !item.is_empty() {
            self.meet(area, spans, item, name);
        }
    }

    /// Notes a name of the run; if one like it was there, looks whether it was the same.
    #[inline]
    fn compare_names(&mut self, area: &[u8], spans: &[Span], name: &[u8]) {
        let bit = bit_of(name);
        if self.names & bit != 0 {
            self.look_into_run(area, spans, name);
        }
        self.names |= bit;
    }

    #[cold]
    fn look_into_run(&mut self, area: &[u8], spans: &[Span], name: &[u8]) {
        let run = spans.get(self.first..).unwrap_or_default();
        if run.iter().rev().take(RUN_COMPARED_MAX).any(|other| other.name_of(area) == name) {
            self.deviations.insert(Deviation::ItemTwice);
        }
    }

    /// Notes that a run of `item` begins; if there was one before, looks whether it had the same field.
    #[inline]
    fn meet(&mut self, area: &[u8], spans: &[Span], item: &[u8], name: &[u8]) {
        let hash = hash(item);
        let (word, bit) = ((hash / 64) % self.met.len(), 1u64 << (hash % 64));
        let Some(word) = self.met.get_mut(word) else { return };
        let known = *word & bit != 0;
        *word |= bit;
        if known {
            self.look_back(area, spans, item, name);
        }
    }

    #[cold]
    fn look_back(&mut self, area: &[u8], spans: &[Span], item: &[u8], name: &[u8]) {
        if self.deviations.contains(Deviation::ItemTwice) || self.compared > COMPARED_MAX {
            return;
        }
        self.compared += spans.len();
        if spans.iter().any(|other| same(other.item_of(area), item) && other.name_of(area) == name) {
            self.deviations.insert(Deviation::ItemTwice);
        }
    }

    /// What was odd, after the last field.
    pub(super) fn finish(mut self, area: &[u8], spans: &[Span]) -> Deviations {
        if self.lonely_flag || self.flags_only {
            self.look_for_strange_flags(area, spans);
        }
        self.deviations
    }

    /// Looks for flags of items that have nothing else in this area.
    #[cold]
    fn look_for_strange_flags(&mut self, area: &[u8], spans: &[Span]) {
        let mut with_value: Vec<&[u8]> =
            spans.iter().filter(|span| !is_flag(span.name_of(area))).map(|span| span.item_of(area)).collect();
        with_value.sort_unstable();
        let strange = spans
            .iter()
            .filter(|span| is_flag(span.name_of(area)))
            .map(|span| span.item_of(area))
            .any(|item| !item.is_empty() && with_value.binary_search(&item).is_err());
        if strange {
            self.deviations.insert(Deviation::FlagOfOther);
        }
    }
}

#[inline]
fn is_flag(name: &[u8]) -> bool {
    // As arrays: compared in place, without a call.
    matches!(name, [b'F', b'l', b'a', b'g'] | [b'E', b'F', b'l', b'a', b'g'])
}

/// Ten bits that differ for most codes.
#[inline]
fn hash(item: &[u8]) -> usize {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = match packed(item) {
        Some(packed) => packed.wrapping_mul(ODD),
        None => item.iter().fold(0, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(ODD).rotate_left(29)),
    };
    (mixed >> 54) as usize
}

/// A bit that differs for most of the standard's names.
#[inline]
fn bit_of(name: &[u8]) -> u64 {
    let [first, .., last] = name else { return 1 };
    1 << ((usize::from(*first) * 31 + usize::from(*last) * 7 + name.len()) % 64)
}

/// Nearly all codes have six characters: as one number they are compared without a call.
#[inline]
fn packed(item: &[u8]) -> Option<u64> {
    let [a, b, c, d, e, f] = item else { return None };
    Some(u64::from_le_bytes([*a, *b, *c, *d, *e, *f, 0, 0]))
}

#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    match (packed(one), packed(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one == other,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
