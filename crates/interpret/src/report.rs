//! From a data area to what the station reported: its own fields, and readings grouped by code.
//!
//! Everything borrows from the area; the lists are reused from frame to frame. Marking looks at the readings after this,
//! before [`super::data`] writes them. What must stay true: every field of the area is in the report exactly once.
//!
//! # Decisions
//! * One code in several runs of fields is one reading as long as nothing contradicts: what was said again is dropped, what is new is
//!   added ([`super::items`]). What contradicts is an item of its own: never do fields of one stand beside those of another.
//! * A flag that follows a flag of its item: the last one holds, the earlier stays in the report, and the reading is not valid.
//! * What stands behind a `PolId` belongs to that instrument, up to the next one; several items of one code under several instruments are
//!   several readings. What stands under none is given to none, not to the only one either ([`super::instruments`]).
//! * What an area holds besides fields is `unread`, and none of it is lost: see [`super::loose`].
//! * Two codes of one frame that stand for the same factor: the canonical spelling takes the key, another one stays under the code it
//!   was said with and names the factor (`same_as`). No key of the published object occurs twice, and neither value is lost.

use std::borrow::Cow;

use super::factors::{Dictionary, System};
use super::loose::Loose;
use super::names::{Class, NAMES, Name, known, same_snake};
use super::reading::{Cell, Instrument, Own, Reading};
use super::tables::Evidence;
use super::value::{self, Said, Why};
use super::worth::{self, Found};
use hj212::value::{Spelling, field_name, is_data_time};
use hj212::{Deviation, Deviations, Edition, Field, Fields};
use hj212_model::message::StationFacts;

/// Fields of one item beyond these are an item of their own, and not compared.
pub(super) const FIELDS_OF_ITEM_MAX: usize = 64;

/// Instruments of one record beyond these are not looked for among the earlier ones.
const INSTRUMENTS_COMPARED_MAX: usize = 64;

/// What a station reported.
#[derive(Debug, Default)]
pub(super) struct Report<'a> {
    pub(super) readings: Vec<Reading<'a>>,
    pub(super) cells: Vec<Cell<'a>>,
    pub(super) own: Vec<Own<'a>>,
    pub(super) instruments: Vec<Instrument<'a>>,
    /// The instrument at hand, from 1; 0: none yet.
    instrument: u32,
    /// The reading that the last one is compared with when it is complete: it has the same code.
    pub(super) home: Option<usize>,
    /// What the codes of the record can only be.
    pub(super) evidence: Evidence,
    /// Whether something in the area looks as if it was not read as it was meant: then [`super::loose`] looks at it.
    pub(super) odd: bool,
    /// What stands in no field.
    pub(super) unread: Vec<&'a [u8]>,
    pub(super) data_time: Option<&'a [u8]>,
    pub(super) deviations: Deviations,
    /// A hash of the set of codes: the same set gives the same number, whatever the order.
    pub(super) codes: u64,
}

/// The standard by which an area is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadContext<'a> {
    pub(super) dictionary: &'a Dictionary,
    pub(super) facts: Option<&'a StationFacts>,
    pub(super) edition: Option<Edition>,
    pub(super) system: System,
    /// What earlier records of the station showed.
    pub(super) habit: Evidence,
    /// Whether the area was put together from parts, each of which begins with the same DataTime.
    pub(super) merged: bool,
    /// Where parts were cut that cannot be put together.
    pub(super) torn: &'a [Torn],
}

/// A place in an area where parts do not fit, or one is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Torn {
    /// Where what stands before it ends; 0: nothing does.
    pub(super) before: usize,
    /// Where what stands behind it begins.
    pub(super) behind: usize,
    /// Whether both parts are there.
    pub(super) seen: bool,
}

/// The lists of a report between two frames.
#[derive(Debug, Default)]
pub(super) struct ReportBuffers {
    fields: Fields,
    keys: Vec<u64>,
    readings: Vec<Reading<'static>>,
    cells: Vec<Cell<'static>>,
    own: Vec<Own<'static>>,
}

/// The empty list in the memory of `list`, for things that live shorter or longer.
fn emptied<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    list.into_iter().filter_map(|_| None).collect()
}

impl ReportBuffers {
    /// A report in which nothing is said yet.
    pub(super) fn blank<'a>(&mut self) -> Report<'a> {
        Report {
            readings: emptied(std::mem::take(&mut self.readings)),
            cells: emptied(std::mem::take(&mut self.cells)),
            own: emptied(std::mem::take(&mut self.own)),
            ..Report::default()
        }
    }

    /// The fields of the area that was read last.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Reads `area`.
    pub(super) fn read<'a>(&mut self, area: &'a [u8], lens: ReadContext<'a>) -> Report<'a> {
        let mut report = self.blank();
        self.fields.read(area);
        self.keys.clear();
        report.deviations = self.fields.deviations();
        report.take_all(&mut self.keys, || self.fields.iter(area), lens.merged);
        report.tear(area, lens);
        report.resolve(&self.keys, lens);
        report.weigh(lens.dictionary);
        report
    }

    /// Reads the area that was read last once more, as [`super::loose`] found it to be meant.
    #[cold]
    pub(super) fn read_loosely<'a>(&mut self, loose: &'a Loose, lens: ReadContext<'a>) -> Report<'a> {
        let mut report = self.blank();
        self.keys.clear();
        report.deviations = loose.deviations(self.fields.deviations());
        report.take_all(&mut self.keys, || loose.fields(), lens.merged);
        report.unread = loose.unread().collect();
        report.tear(loose.text(), lens);
        report.resolve(&self.keys, lens);
        report.weigh(lens.dictionary);
        report
    }

    /// Takes the lists back for the next frame.
    pub(super) fn reuse(&mut self, report: Report<'_>) {
        self.readings = emptied(report.readings);
        self.cells = emptied(report.cells);
        self.own = emptied(report.own);
    }
}

impl<'a> Report<'a> {
    /// The fields of `reading`, in the order in which they were said.
    pub(super) fn cells(&self, reading: &Reading<'a>) -> impl Iterator<Item = &Cell<'a>> {
        let mut at = reading.first;
        let mut left = reading.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let cell = self.cells.get(at as usize)?;
            at = cell.next;
            Some(cell)
        })
    }

    /// The value of `reading` that rules compare: sampled value or mean, else state, else the first that is no mark; in the unit
    /// that is published. Nothing, if it certainly stands for "no value".
    pub(super) fn main(&self, reading: &Reading<'a>) -> Cow<'a, [u8]> {
        let said = || self.cells(reading).filter(|cell| !cell.earlier);
        let named = |cell: &&Cell<'a>| cell.name.is_some_and(Name::is_main);
        let other = |cell: &&Cell<'a>| cell.name.is_none_or(|name| name.class != Class::Flag);
        let Some(cell) = said().find(named).or_else(|| said().find(other)) else { return Cow::Borrowed(&[]) };
        if cell.why == Some(Why::Sentinel) || reading.torn {
            return Cow::Borrowed(&[]);
        }
        self.published(reading, cell)
    }

    /// The key of `reading` where it is published: its code, with the number of the item if there are several.
    pub(super) fn key_of<'r>(&'r self, reading: &'r Reading<'a>) -> Cow<'r, [u8]> {
        if reading.item < 2 {
            return Cow::Borrowed(reading.key());
        }
        let mut mark = b"#".to_vec();
        loop {
            let key = [reading.key(), &mark, reading.item.to_string().as_bytes()].concat();
            if self.readings.iter().all(|other| other.code != key) {
                return Cow::Owned(key);
            }
            // A station may use such a code itself.
            mark.push(b'#');
        }
    }

    /// The instrument that `reading` stands under.
    pub(super) fn about(&self, reading: &Reading<'a>) -> Option<&'a str> {
        self.instruments.get((reading.instrument as usize).wrapping_sub(1))?.code()
    }

    /// The value of `reading` converted to standard oxygen (折算), which emission limits are about, if it was said.
    pub(super) fn converted(&self, reading: &Reading<'a>) -> Option<Cow<'a, [u8]>> {
        let is =
            |cell: &&Cell<'a>| !cell.earlier && cell.name.is_some_and(|name| matches!(name.snake, "zs_rtd" | "zs_avg"));
        self.cells(reading).find(is).map(|cell| self.published(reading, cell))
    }

    /// The sum of `reading` over its period (Cou), if it was said.
    pub(super) fn total(&self, reading: &Reading<'a>) -> Option<Cow<'a, [u8]>> {
        let is = |cell: &&Cell<'a>| !cell.earlier && cell.name.is_some_and(|name| name.snake == "cou");
        self.cells(reading).find(is).map(|cell| self.published(reading, cell))
    }

    /// The value of a cell in the unit that is published.
    fn published(&self, reading: &Reading<'a>, cell: &Cell<'a>) -> Cow<'a, [u8]> {
        match reading.multiplier().filter(|_| cell.is_converted()) {
            Some(multiplier) => {
                let mut converted = Vec::new();
                multiplier.apply(&cell.literal(), &mut converted);
                Cow::Owned(converted)
            }
            None if cell.form == Said::Odd => Cow::Owned(cell.literal().into_owned()),
            None => Cow::Borrowed(cell.value),
        }
    }

    /// The value of the record's own field `name`.
    pub(super) fn own(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.own.iter().rev().find(|own| own.name == name).map(|own| own.value)
    }

    /// Takes all fields of the area, each under the instrument that it is of.
    fn take_all<F: Iterator<Item = Field<'a>>>(&mut self, keys: &mut Vec<u64>, fields: impl Fn() -> F, merged: bool) {
        let before = self.deviations;
        for field in fields() {
            self.field(keys, field, merged);
        }
        self.close_item(keys);
        if !self.instruments.is_empty() {
            self.settle_instruments(keys, fields, before, merged);
        }
    }

    pub(super) fn field(&mut self, keys: &mut Vec<u64>, field: Field<'a>, merged: bool) {
        if field.item.is_empty() {
            self.own_field(field.name, field.value, merged);
        } else {
            self.item_field(keys, field);
        }
    }

    pub(super) fn own_field(&mut self, said: &'a [u8], value: &'a [u8], merged: bool) {
        let marked = value.last().is_some_and(u8::is_ascii_punctuation) || memchr::memchr(b'=', value).is_some();
        self.odd |= marked && !value.starts_with(b"//");
        let name = match said {
            b"DataTime" | b"PolId" => said,
            _ if self.data_time.is_none() && is_data_time(said) => {
                self.deviations.insert(Deviation::FieldName);
                b"DataTime"
            }
            _ => self.own_name(said),
        };
        if name == b"DataTime" {
            let before = self.data_time.replace(value);
            if let Some(before) = before.filter(|before| !(merged && *before == value)) {
                self.deviations.insert(Deviation::ItemTwice);
                self.own.push(Own { name, value: before, earlier: true, instrument: 0 });
            }
            return;
        }
        if name == b"PolId" && self.enter_instrument(value) {
            return;
        }
        let instrument = self.instrument;
        let unchecked = self.own.len() >= FIELDS_OF_ITEM_MAX;
        let same = |o: &&mut Own<'a>| !o.earlier && o.instrument == instrument && same_snake(o.name, name);
        if let Some(own) = self.own.iter_mut().take(FIELDS_OF_ITEM_MAX).find(same) {
            if merged && own.name == name && own.value == value {
                return;
            }
            own.earlier = true;
            self.deviations.insert(Deviation::ItemTwice);
        }
        self.own.push(Own { name, value, earlier: unchecked, instrument });
    }

    /// The standard's spelling of a field's name, if it is one in another case or with spaces within.
    fn own_name(&mut self, said: &'a [u8]) -> &'a [u8] {
        if let Some((name, Spelling::Odd)) = field_name(said) {
            self.deviations.insert(Deviation::FieldName);
            return name.as_bytes();
        }
        self.odd |= field_name(said).is_none();
        if is_code(said) {
            // A value without the name of its field: nobody can say what of the code it is.
            self.deviations.insert(Deviation::FieldName);
        }
        if !said.contains(&b' ') {
            return said;
        }
        let squeezed: Vec<u8> = said.iter().copied().filter(|byte| *byte != b' ').collect();
        match field_name(&squeezed) {
            Some((name, _)) => {
                self.deviations.insert(Deviation::FieldName);
                name.as_bytes()
            }
            None => said,
        }
    }

    /// The instrument at hand, from 1; 0: none yet.
    pub(super) fn instrument(&self) -> u32 {
        self.instrument
    }

    /// What follows stands under no instrument.
    pub(super) fn leave_instrument(&mut self) {
        self.instrument = 0;
    }

    /// Forgets all fields that were taken.
    pub(super) fn clear(&mut self, deviations: Deviations, keys: &mut Vec<u64>) {
        keys.clear();
        self.readings.clear();
        self.cells.clear();
        self.own.clear();
        self.instruments.clear();
        (self.instrument, self.home, self.data_time) = (0, None, None);
        (self.codes, self.odd, self.deviations) = (0, false, deviations);
    }

    /// What follows belongs to the instrument `said`; true if that was so already.
    fn enter_instrument(&mut self, said: &'a [u8]) -> bool {
        let known = self.instruments.iter().take(INSTRUMENTS_COMPARED_MAX).position(|known| known.said == said);
        let at = known.unwrap_or_else(|| {
            self.instruments.push(Instrument { said, factor: None });
            self.instruments.len() - 1
        });
        self.instrument = u32::try_from(at + 1).unwrap_or(u32::MAX);
        known.is_some()
    }

    fn item_field(&mut self, keys: &mut Vec<u64>, field: Field<'a>) {
        let Field { item: code, name: said, value, separator } = field;
        let name = known(said);
        if name.is_some_and(|(_, exact)| !exact) {
            self.deviations.insert(Deviation::FieldName);
        }
        let bit = name.map_or(0, |(index, _)| 1u64 << index);
        let name = name.and_then(|(index, _)| NAMES.get(usize::from(index)));
        self.odd |= name.is_none() && !said.iter().all(u8::is_ascii_alphanumeric);
        let fresh = Cell { name, said, value, form: Said::Number, why: None, earlier: false, next: u32::MAX };
        let goes_on = self.readings.last().is_some_and(|last| {
            last.code == code
                && last.instrument == self.instrument
                && separator != b';'
                && (last.count as usize) < FIELDS_OF_ITEM_MAX
        });
        if !goes_on {
            self.begin_item(keys, code);
        } else if self.is_said_again(bit, &fresh) {
            if self.is_flag_after_flag(&fresh) {
                self.supersede_flag(&fresh);
            } else {
                self.begin_item(keys, code);
            }
        }
        let cell = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        let Some(reading) = self.readings.last_mut() else { return };
        reading.met |= bit;
        if name.is_some_and(|name| name.class == Class::Flag) {
            reading.flag = Some(value);
            if !value.is_ascii() && is_full_width(value) {
                self.deviations.insert(Deviation::SeparatorFullWidth);
            }
        }
        if reading.count == 0 {
            reading.first = cell;
        } else if let Some(last) = self.cells.get_mut(reading.last as usize) {
            last.next = cell;
        }
        reading.last = cell;
        reading.count += 1;
        self.cells.push(fresh);
    }

    /// Whether the last reading has a field of this name.
    #[inline]
    fn is_said_again(&self, bit: u64, fresh: &Cell<'a>) -> bool {
        let Some(reading) = self.readings.last() else { return false };
        match bit {
            0 => self.cells(reading).any(|cell| cell.name.is_none() && same_snake(cell.said, fresh.said)),
            bit => reading.met & bit != 0,
        }
    }

    /// Classifies every value, and says of every reading without one why ([`super::worth`]).
    fn weigh(&mut self, dictionary: &Dictionary) {
        let mut before_has_flag = true;
        for reading in &mut self.readings {
            let textual = reading.factor.is_some_and(|factor| factor.textual);
            let mut at = reading.first;
            let mut found = Found::default();
            for _ in 0..reading.count {
                let Some(cell) = self.cells.get_mut(at as usize) else { break };
                at = cell.next;
                (cell.form, cell.why) = worth::classify(cell, textual, dictionary);
                found.add(cell, textual);
                if cell.form == Said::Text && cell.value.len() > 1 && !cell.value.starts_with(b"//") {
                    self.odd |= !cell.value.is_ascii() || memchr::memchr(b'=', cell.value).is_some();
                    self.odd |= cell.value.last().is_some_and(u8::is_ascii_punctuation);
                }
                let Some(name) = cell.name.filter(|name| !name.may_be_text()) else { continue };
                if name.class != Class::Time {
                    value::note(cell.why, &mut self.deviations);
                }
                if cell.form == Said::Odd {
                    self.deviations.insert(Deviation::ValueForm);
                }
            }
            if reading.count > 0 && reading.has_flags_alone() {
                // A flag behind an item without one may be meant for that.
                let stray = if before_has_flag { Deviation::FlagAlone } else { Deviation::FlagOfOther };
                self.deviations.insert(stray);
            }
            before_has_flag = reading.flag.is_some();
            (reading.worth, reading.why) = found.worth(reading);
        }
    }
}

/// Whether a name has the form of a factor's code: a letter and five digits.
fn is_code(name: &[u8]) -> bool {
    matches!(name, [letter, digits @ ..] if letter.is_ascii_lowercase() && digits.len() == 5 && digits.iter().all(u8::is_ascii_digit))
}

/// Whether a text begins with a full-width letter, in UTF-8 or GBK.
#[cold]
fn is_full_width(text: &[u8]) -> bool {
    matches!(text, [0xEF, 0xBC, 0xA1..=0xBA, ..] | [0xEF, 0xBD, 0x81..=0x9A, ..] | [0xA3, 0xC1..=0xDA | 0xE1..=0xFA, ..])
}
