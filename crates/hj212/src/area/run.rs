//! What must be remembered while an area is read to say what is odd about the order of its fields.
//!
//! A *run* is a row of neighbouring fields with the same code. An item written as the standard says is one run, with `,` inside
//! and `;` around, its values before its flag; behind a `;` a name that was there already begins another item of the same code. What
//! must stay true: the work is linear in the area, and nothing here changes what was read.

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
    /// The first span under the instrument at hand (PolId): one code under two instruments is two things.
    since: usize,
    /// Codes met, as bits by their hash: a code whose bit is not set is new.
    met: [u64; 16],
    compared: usize,
    deviations: Deviations,
}

impl Run {
    /// Takes note of the field after `spans`.
    #[inline(always)]
    pub(super) fn enter(&mut self, area: &[u8], spans: &[Span], item: Word, name: Word) {
        if item.is_same(self.item, area) && !item.is_empty() {
            return self.stay(area, spans, name);
        }
        let begins = !item.is_empty();
        if self.separator == b',' && begins && !self.item.is_empty() {
            self.deviations.insert(Deviation::CommaBetweenItems);
        }
        self.item = item;
        self.first = spans.len();
        self.names = name.bit();
        self.flags_only = name.is_flag() && begins;
        if begins {
            self.meet(area, spans, item, name);
        } else if name.is_instrument() {
            self.since = spans.len();
            self.met = [0; 16];
        }
    }

    /// Notes one more field of the run; if a name like its was there, looks whether it was the same.
    #[inline(always)]
    fn stay(&mut self, area: &[u8], spans: &[Span], name: Word) {
        let (is_flag, bit) = (name.is_flag(), name.bit());
        let again = self.names & bit != 0 && self.look_into_run(area, spans, name);
        if self.separator == b';' {
            if again {
                self.first = spans.len();
                (self.names, self.flags_only) = (bit, is_flag);
                return;
            }
            self.deviations.insert(Deviation::SemicolonWithinItem);
        }
        if self.flags_only && !is_flag {
            self.deviations.insert(Deviation::FlagFirst);
        }
        self.flags_only &= is_flag;
        self.names |= bit;
    }

    #[cold]
    fn look_into_run(&mut self, area: &[u8], spans: &[Span], name: Word) -> bool {
        let run = spans.get(self.first..).unwrap_or_default();
        let again = run.iter().rev().take(RUN_COMPARED_MAX).any(|other| other.name_of(area) == name.text(area));
        if again {
            self.deviations.insert(Deviation::ItemTwice);
        }
        again
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
        if spans.iter().skip(self.since).any(is_same) {
            self.deviations.insert(Deviation::ItemTwice);
        }
    }

    /// What was odd.
    pub(super) fn deviations(&self) -> Deviations {
        self.deviations
    }
}
