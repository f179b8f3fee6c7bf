//! Several items of one code in one record: one reading, or one each.
//!
//! An item is a row of neighbouring fields with one code (HJ 212-2017, 6.3.3), up to a `;`, to another code or instrument, or to a field
//! that it has already. When an item is complete it is compared with the last one of its code under the same instrument. What must stay
//! true: an item that contradicts stays apart, whole; one that does not is added; no field is in the report twice, and none is lost
//! but one that was said word for word before.

use super::codes::key;
use super::hash::fnv;
use super::reading::{Cell, Reading, Worth};
use super::report::{FIELDS_OF_ITEM_MAX, Report};
use super::value::Why;
use hj212::Deviation;

impl<'a> Report<'a> {
    /// Begins an item of `code`.
    pub(super) fn begin_item(&mut self, keys: &mut Vec<u64>, code: &'a [u8]) {
        self.close_item(keys);
        let wanted = key(code);
        let instrument = self.instrument();
        let mut known = false;
        let mut home = None;
        let mut until = keys.len();
        while let Some(at) = keys.get(..until).and_then(|keys| keys.iter().rposition(|key| *key == wanted)) {
            until = at;
            let Some(reading) = self.readings.get(at).filter(|reading| reading.code == code) else { continue };
            known = true;
            if reading.instrument == instrument {
                home = Some(at);
                break;
            }
        }
        if !known {
            self.codes = self.codes.wrapping_add(fnv(code));
        }
        self.home = home;
        keys.push(wanted);
        self.readings.push(Reading {
            code,
            factor: None,
            canonical: false,
            unit: None,
            conversion: None,
            meaning: None,
            second: false,
            flag: None,
            twice: false,
            item: 1,
            among: false,
            instrument,
            open: false,
            why: None,
            worth: Worth::None,
            torn: false,
            nameless: false,
            first: 0,
            last: 0,
            count: 0,
            met: 0,
        });
    }

    /// Compares the last item with the one of the same code before it, if there is one.
    #[inline]
    pub(super) fn close_item(&mut self, keys: &mut Vec<u64>) {
        if let Some(home) = self.home.take() {
            self.settle_item(home, keys);
        }
    }

    #[cold]
    fn settle_item(&mut self, home: usize, keys: &mut Vec<u64>) {
        let (Some(before), Some(item)) = (self.readings.get(home).copied(), self.readings.last().copied()) else {
            return;
        };
        let full = (before.count + item.count) as usize > FIELDS_OF_ITEM_MAX;
        if full || self.contradicts(&before, &item) {
            self.deviations.insert(Deviation::ItemDiffers);
            if let Some(before) = self.readings.get_mut(home) {
                before.among = true;
            }
            if let Some(item) = self.readings.last_mut() {
                (item.item, item.among) = (before.item + 1, true);
            }
            return;
        }
        if before.is_flags_only() && !item.is_flags_only() {
            self.deviations.insert(Deviation::FlagFirst);
        }
        self.readings.pop();
        keys.pop();
        self.take_over(home, &before, &item);
    }

    /// Whether a field of one has another value in the other.
    fn contradicts(&self, before: &Reading<'a>, item: &Reading<'a>) -> bool {
        self.cells(item).any(|cell| {
            let same = |other: &&Cell<'a>| !other.earlier && other.is_same(cell);
            self.cells(before).find(same).is_some_and(|other| other.value != cell.value)
        })
    }

    /// Adds the fields of `item` that the reading at `home` does not have.
    fn take_over(&mut self, home: usize, before: &Reading<'a>, item: &Reading<'a>) {
        let (mut at, mut added) = (item.first, 0);
        for _ in 0..item.count {
            let Some(cell) = self.cells.get(at as usize).copied() else { break };
            let here = at;
            at = cell.next;
            if self.cells(before).any(|other| !other.earlier && other.is_same(&cell)) {
                continue;
            }
            let Some(reading) = self.readings.get_mut(home) else { return };
            if let Some(last) = self.cells.get_mut(reading.last as usize) {
                last.next = here;
            }
            reading.last = here;
            reading.count += 1;
            added += 1;
        }
        if let Some(reading) = self.readings.get_mut(home) {
            reading.met |= item.met;
            reading.flag = reading.flag.or(item.flag);
            reading.twice |= item.twice;
            reading.why = reading.why.or(item.why);
        }
        if added < item.count {
            self.deviations.insert(Deviation::ItemRepeated);
        }
    }

    /// Whether `fresh` is a flag and so is the last field of the item at hand.
    pub(super) fn is_flag_after_flag(&self, fresh: &Cell<'a>) -> bool {
        let last = self.readings.last().and_then(|reading| self.cells.get(reading.last as usize));
        last.is_some_and(|last| last.is_same(fresh) && fresh.is_flag())
    }

    /// Lets the flag `fresh` hold instead of the last field, a flag too.
    pub(super) fn supersede_flag(&mut self, fresh: &Cell<'a>) {
        self.deviations.insert(Deviation::ItemTwice);
        let Some(reading) = self.readings.last_mut() else { return };
        let Some(last) = self.cells.get_mut(reading.last as usize) else { return };
        last.earlier = true;
        reading.twice = true;
        if last.value != fresh.value {
            reading.why = Some(Why::FlagsDiffer);
        }
    }
}
