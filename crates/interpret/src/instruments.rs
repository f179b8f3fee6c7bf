//! Which values stand under which instrument (PolId: HJ 212-2017, 6.3.3, table 4), where that is not simply what stands behind its name.
//!
//! What must stay true: a value that was said of no instrument is given to none; a value is given to an instrument said behind it only if the
//! whole area is written so; no two readings that are published in one object have one key.

use std::ops::Range;

use foldhash::{HashMap, HashMapExt};

use super::names::same_snake;
use super::report::Report;
use hj212::value::is_instrument;
use hj212::{Deviation, Deviations, Field};

/// An area in which an instrument stands behind its values.
#[derive(Debug, PartialEq, Eq)]
enum Behind<'f> {
    /// Every group between `;` that has values ends with its instrument: the numbers of the fields of each, and the instrument.
    EachGroup(Vec<(Range<usize>, Field<'f>)>),
    /// Some do, and some do not: nobody can say which values are of which instrument.
    Unclear,
}

/// What is known of a group between two `;`.
struct FieldGroup<'f> {
    fields: Range<usize>,
    last: Field<'f>,
    /// Whether a value stands in it before any instrument.
    leads: bool,
    values: bool,
    instruments: usize,
    /// Whether its last field is an instrument.
    ends: bool,
}

impl FieldGroup<'_> {
    /// Values, and behind them nothing but an instrument.
    fn is_behind(&self) -> bool {
        self.leads && self.ends
    }
}

impl<'f> Behind<'f> {
    /// Looks at all fields of an area; `None`: what stands behind an instrument's name belongs to it.
    fn of(fields: impl Iterator<Item = Field<'f>>) -> Option<Behind<'f>> {
        let mut groups: Vec<FieldGroup<'f>> = Vec::new();
        for (at, field) in fields.enumerate() {
            if field.separator == b';' || groups.is_empty() {
                let group = FieldGroup {
                    fields: at..at,
                    last: field,
                    leads: false,
                    values: false,
                    instruments: 0,
                    ends: false,
                };
                groups.push(group);
            }
            let Some(group) = groups.last_mut() else { continue };
            let instrument = field.item.is_empty() && is_instrument(field.name);
            let value = !field.item.is_empty();
            group.fields.end = at + 1;
            group.leads |= value && group.instruments == 0;
            group.values |= value;
            group.instruments += usize::from(instrument);
            (group.ends, group.last) = (instrument, field);
        }
        if !groups.iter().any(FieldGroup::is_behind) {
            return None;
        }
        let clear = |group: &FieldGroup<'_>| match group.instruments {
            0 => !group.values,
            1 => group.is_behind(),
            _ => false,
        };
        if !groups.iter().all(clear) {
            return Some(Behind::Unclear);
        }
        let behind = groups.into_iter().filter(FieldGroup::is_behind);
        Some(Behind::EachGroup(behind.map(|group| (group.fields, group.last)).collect()))
    }

    /// The instrument of the group that begins with the field of this number.
    fn begins_at(&self, at: usize) -> Option<Field<'f>> {
        let Behind::EachGroup(groups) = self else { return None };
        let found = groups.binary_search_by_key(&at, |(fields, _)| fields.start).ok()?;
        groups.get(found).map(|(_, instrument)| *instrument)
    }
}

impl<'a> Report<'a> {
    /// Puts the values of an area that names instruments under these; `before`: what was odd before its fields were taken.
    #[cold]
    pub(super) fn settle_instruments<F: Iterator<Item = Field<'a>>>(
        &mut self,
        keys: &mut Vec<u64>,
        fields: impl Fn() -> F,
        before: Deviations,
        merged: bool,
    ) {
        if let Some(behind) = Behind::of(fields()) {
            self.clear(before.union(Deviation::InstrumentBehind.into()), keys);
            for (at, field) in fields().enumerate() {
                self.placed_field(keys, &behind, (at, field), merged);
            }
            self.close_item(keys);
        }
        self.settle_only_instrument();
    }

    /// Takes the field of the number `at` of an area in which instruments stand behind their values.
    fn placed_field(
        &mut self,
        keys: &mut Vec<u64>,
        behind: &Behind<'a>,
        (at, field): (usize, Field<'a>),
        merged: bool,
    ) {
        if let Some(last) = behind.begins_at(at) {
            self.own_field(last.name, last.value, merged);
        }
        let named = field.item.is_empty() && is_instrument(field.name);
        if !named || matches!(behind, Behind::Unclear) {
            self.field(keys, field, merged);
        }
        if named {
            self.leave_instrument();
        }
    }

    /// What stands under no instrument and what stands under the only one are published in one object: the same code in both is two items, the
    /// same field of the record one that was said again.
    fn settle_only_instrument(&mut self) {
        if self.instruments.len() != 1 {
            return;
        }
        let mut items: HashMap<&'a [u8], u32> = HashMap::new();
        for reading in self.readings.iter().filter(|reading| reading.instrument == 0) {
            let last = items.entry(reading.code).or_default();
            *last = reading.item.max(*last);
        }
        let mut shared: HashMap<&'a [u8], ()> = HashMap::new();
        for reading in self.readings.iter_mut().filter(|reading| reading.instrument > 0) {
            let Some(before) = items.get(reading.code) else { continue };
            (reading.item, reading.among) = (reading.item + before, true);
            shared.insert(reading.code, ());
        }
        if !shared.is_empty() {
            self.deviations.insert(Deviation::ItemDiffers);
            let both = |reading: &&mut super::reading::Reading<'a>| shared.contains_key(reading.code);
            self.readings.iter_mut().filter(both).for_each(|reading| reading.among = true);
        }
        let (none, under): (Vec<usize>, Vec<usize>) = (0..self.own.len())
            .filter(|at| self.own.get(*at).is_some_and(|own| !own.earlier))
            .partition(|at| self.own.get(*at).is_some_and(|own| own.instrument == 0));
        for at in none {
            let Some(name) = self.own.get(at).map(|own| own.name) else { continue };
            let again = |other: &usize| self.own.get(*other).is_some_and(|other| same_snake(other.name, name));
            if under.iter().any(again)
                && let Some(own) = self.own.get_mut(at)
            {
                own.earlier = true;
                self.deviations.insert(Deviation::ItemTwice);
            }
        }
    }
}
