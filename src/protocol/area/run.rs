//! What must be remembered while an area is read to say what is odd about the order of its fields.
//!
//! A *run* is a row of neighbouring fields with the same code. An item written as the standard says is one run, with `,` inside
//! and `;` around, its values before its flag. What must stay true: the work is linear in the area, and nothing here changes what
//! was read.

use super::super::{Deviation, Deviations};
use super::Span;
use super::word::Word;

/// So many spans at most are compared in one area to find an item that comes back; beyond, that deviation is not looked for.
const COMPARED_MAX: usize = 16 * 1024;

/// So many names at most of one run are compared with one that may have been there.
const RUN_COMPARED_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Run {
    /// The separator before the field at hand; 0 before the first.
    pub(super) separator: u8,
    /// The code of the run.
    item: Word,
    /// The first span of the run.
    first: usize,
    /// The names of the run, as bits by their hash.
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

impl Run {
    /// Takes note of the field after `spans`.
    #[inline(always)]
    pub(super) fn enter(&mut self, area: &[u8], spans: &[Span], item: Word, name: Word) {
        if item.is_same(self.item, area) {
            if !item.is_empty() {
                self.stay(area, spans, name);
            }
            return;
        }
        let begins = !item.is_empty();
        if self.separator == b',' && begins && !self.item.is_empty() {
            self.deviations.insert(Deviation::CommaBetweenItems);
        }
        self.lonely_flag |= self.flags_only;
        self.item = item;
        self.first = spans.len();
        self.names = name.bit();
        self.flags_only = name.is_flag() && begins;
        if begins {
            self.meet(area, spans, item, name);
        }
    }

    /// Notes one more field of the run; if a name like its was there, looks whether it was the same.
    #[inline(always)]
    fn stay(&mut self, area: &[u8], spans: &[Span], name: Word) {
        if self.separator == b';' {
            self.deviations.insert(Deviation::SemicolonWithinItem);
        }
        let is_flag = name.is_flag();
        if self.flags_only && !is_flag {
            self.deviations.insert(Deviation::FlagFirst);
        }
        self.flags_only &= is_flag;
        let bit = name.bit();
        if self.names & bit != 0 {
            self.look_into_run(area, spans, name);
        }
        self.names |= bit;
    }

    #[cold]
    fn look_into_run(&mut self, area: &[u8], spans: &[Span], name: Word) {
        let run = spans.get(self.first..).unwrap_or_default();
        if run.iter().rev().take(RUN_COMPARED_MAX).any(|other| other.name_of(area) == name.text(area)) {
            self.deviations.insert(Deviation::ItemTwice);
        }
    }

    /// Notes that a run of `item` begins; if there was one before, looks whether it had the same field.
    #[inline(always)]
    fn meet(&mut self, area: &[u8], spans: &[Span], item: Word, name: Word) {
        let hash = item.hash(area);
        let (word, bit) = ((hash / 64) % self.met.len(), 1u64 << (hash % 64));
        let Some(word) = self.met.get_mut(word) else { return };
        let known = *word & bit != 0;
        *word |= bit;
        if known {
            self.look_back(area, spans, item, name);
        }
    }

    #[cold]
    fn look_back(&mut self, area: &[u8], spans: &[Span], item: Word, name: Word) {
        if self.deviations.contains(Deviation::ItemTwice) || self.compared > COMPARED_MAX {
            return;
        }
        self.compared += spans.len();
        let is_same = |other: &Span| other.item_of(area) == item.text(area) && other.name_of(area) == name.text(area);
        if spans.iter().any(is_same) {
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
            spans.iter().filter(|span| !span.is_flag(area)).map(|span| span.item_of(area)).collect();
        with_value.sort_unstable();
        let strange = spans
            .iter()
            .filter(|span| span.is_flag(area))
            .map(|span| span.item_of(area))
            .any(|item| !item.is_empty() && with_value.binary_search(&item).is_err());
        if strange {
            self.deviations.insert(Deviation::FlagOfOther);
        }
    }
}
