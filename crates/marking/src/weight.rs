//! How many bytes are remembered of a station: its episodes, what was published of its periods, what was
//! counted in them, and what rules over several values may ask again.
//!
//! Each has a bound in numbers of its own; where the letters of many factors change each for itself, all of them together would be larger than a
//! checkpoint of many stations can bear. What must stay true: all of them together take no more than [`REMEMBERED_BYTES_MAX`] and what came since
//! they were last weighed; the oldest eighth of the largest goes first, and what goes is told (`marks-forgotten`). When they are weighed follows
//! from what is remembered alone, so a restored state forgets the same.

use super::memory::REMEMBERED_BYTES_MAX;
use super::state::*;
use super::verdict::MarkVerdict;

/// They are weighed again after so many things more.
const LOOK_EVERY: usize = 128;

impl Marks {
    /// How many things are remembered.
    fn things(&self) -> usize {
        let published: usize = self.published.iter().map(|ledger| ledger.len()).sum();
        let counted: usize = self.counted.iter().map(|ledger| ledger.len()).sum();
        let past: usize = self.slots.iter().map(|slot| slot.past.stretches().len()).sum();
        self.memory.tracks.len() + published + counted + past
    }

    /// Forgets the oldest of what there is most of, as long as it is too much.
    pub(super) fn shed(&mut self, at: i64, out: &mut MarkVerdict) {
        let things = self.things();
        self.weighed = self.weighed.min(things);
        if things < self.weighed + LOOK_EVERY {
            return;
        }
        let mut any = false;
        loop {
            let mut weights = vec![self.memory.tracks.weight()];
            weights.extend(self.published.iter().map(|ledger| ledger.weight()));
            weights.extend(self.counted.iter().map(|ledger| ledger.weight()));
            weights.push(self.slots.iter().map(|slot| slot.past.weight()).sum());
            if weights.iter().sum::<usize>() <= REMEMBERED_BYTES_MAX {
                break;
            }
            let largest = weights.iter().enumerate().max_by_key(|(_, weight)| **weight).map_or(0, |(at, _)| at);
            let gone = match largest {
                0 => self.memory.shed(),
                1..=3 => {
                    let gone = self.published.get_mut(largest - 1).map_or((0, 0), |ledger| ledger.shed());
                    self.note_shed("published-period/bytes", gone)
                }
                7 => self.slots.iter_mut().filter_map(|slot| slot.past.halve().then_some(())).count() > 0,
                _ => {
                    let gone = self.counted.get_mut(largest - 4).map_or((0, 0), |ledger| ledger.shed());
                    self.note_shed("counted-period/bytes", gone)
                }
            };
            if !gone {
                break;
            }
            any = true;
        }
        self.weighed = self.things();
        if any {
            self.tell_forgotten(at, out);
        }
    }

    fn note_shed(&mut self, what: &str, (periods, until): (u32, i64)) -> bool {
        (0..periods).for_each(|_| self.memory.forget(what, until));
        periods > 0
    }
}
