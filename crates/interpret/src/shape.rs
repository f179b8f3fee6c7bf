//! The shape of a data area: what stations say again and again, all but the values.
//!
//! A station says the same codes in the same order all day. The first area of a kind is read in full, and what was found is kept as a shape: the
//! bytes between the values, and what they come to (names, factors, items, deviations). The next area is held against those bytes, one by one,
//! and takes what was found; only its values are looked at. Whatever differs is read in full.
//!
//! What must stay true:
//! * with a shape and without one an area gives the same report ([`tests`] compares any sequence of areas). So a shape is learned only from an
//!   area in which everything that was found follows from the bytes between the values and from [`ReadBy`], and taken only for values of the
//!   same plain forms: numbers that stand for themselves, times that exist, words of letters and digits;
//! * shapes know nothing of a registration: an area whose station has aliases is read in full, units and meanings are looked up each time. Who
//!   changes the dictionary calls [`AreaShapes::forget`];
//! * shapes are no state: they stand in no snapshot;
//! * all of them together take no more than [`SHAPES_BYTES_MAX`]; stations that are alike share one. Where there is no room all are forgotten, and
//!   none is learned for [`REST`] areas.

use std::ops::Range;

use foldhash::HashMap;

use super::factors::System;
use super::hash;
use super::moment::Moment;
use super::names::{Class, Name};
use super::reading::{Cell, Reading, Worth};
use super::report::{ReadContext, Report, ReportBuffers};
use super::resolve::look_up_registered;
use super::tables::Evidence;
use super::value::{Said, Why};
use hj212::{Deviation, Deviations, Edition, value};

/// Bytes of all shapes together, estimated; a usual shape takes two to three thousand.
pub(super) const SHAPES_BYTES_MAX: usize = 8 << 20;

/// So many areas are read before another shape is learned, when there was no room.
const REST: u32 = 100_000;

/// Areas with more fields are read in full.
const FIELDS_MAX: usize = 1024;

/// Kinds of records of one station whose shapes are known, the latest.
const OF_STATION_MAX: usize = 6;

/// Longer numbers are looked at in full: they may be too large for a measurement.
const NUMBER_MAX: usize = 20;

/// Longer words (marks of items, serial numbers) are looked at in full.
const WORD_MAX: usize = 16;

/// What a value must look like for the shape to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlainForm {
    /// A number as the standard has it; whether it may stand for "no value".
    Number { measured: bool },
    /// The record's time.
    DataTime,
    /// Another time.
    Time,
    /// A mark, or a text of letters and digits.
    Word,
}

/// One field: the bytes before its value, and what it is.
#[derive(Debug)]
struct FieldShape {
    /// How many bytes stand between the value before and this one.
    before: usize,
    /// Of these the code, and the name.
    code: Range<usize>,
    name: Range<usize>,
    form: PlainForm,
    known: Option<&'static Name>,
    next: u32,
}

/// One reading without its values.
#[derive(Debug)]
struct ReadingShape {
    /// A reading with what does not depend on an area; empty where it does.
    like: Reading<'static>,
    /// The field that its code is taken from.
    of: usize,
    factor: Option<u32>,
    /// The cell that holds the mark.
    flag: Option<u32>,
}

/// What an area is read by, besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ReadBy {
    edition: Option<Edition>,
    system: System,
    habit: Evidence,
}

impl ReadBy {
    fn of(lens: &ReadContext<'_>) -> ReadBy {
        ReadBy { edition: lens.edition, system: lens.system, habit: lens.habit }
    }
}

/// All of an area but its values.
#[derive(Debug)]
struct AreaShape {
    by: ReadBy,
    /// The bytes between the values, one after the other.
    text: Box<[u8]>,
    fields: Box<[FieldShape]>,
    readings: Box<[ReadingShape]>,
    evidence: Evidence,
    deviations: Deviations,
    codes: u64,
}

/// The shapes of all stations.
#[derive(Debug, Default)]
pub(super) struct AreaShapes {
    all: Vec<AreaShape>,
    /// The number of the first of `all`: numbers are never given again.
    first: u32,
    /// By a hash of their text.
    by_text: HashMap<u64, u32>,
    bytes: usize,
    /// So many areas are read before the next shape is learned.
    rest: u32,
}

/// Which shapes the records of a station had last.
#[derive(Debug, Clone, Default)]
pub(super) struct ShapesOfStation {
    /// CN and ST of the record as [`kind_of`] has it, the number of the shape, and how often in a row it did not fit.
    known: Vec<(u32, u32, u8)>,
}

/// CN and ST of a record as one number: records of one station that differ in either have other shapes.
pub(super) fn kind_of(st: Option<&[u8]>, cn: Option<u16>) -> u32 {
    let st = st.unwrap_or_default().iter().fold(0u16, |all, byte| all.wrapping_mul(31).wrapping_add(u16::from(*byte)));
    u32::from(st) << 16 | u32::from(cn.unwrap_or_default())
}

impl AreaShapes {
    /// Forgets all: the dictionary is another.
    pub(super) fn forget(&mut self) {
        self.first = self.first.wrapping_add(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.clear();
        self.by_text.clear();
        self.bytes = 0;
    }

    /// Reads an area of a record of this kind ([`kind_of`]), by its shape if that is known.
    pub(super) fn read<'a>(
        &mut self,
        buffers: &mut ReportBuffers,
        area: &'a [u8],
        lens: ReadContext<'a>,
        (of, kind): (&mut ShapesOfStation, u32),
    ) -> Report<'a> {
        self.rest = self.rest.saturating_sub(1);
        let aliased = lens.facts.is_some_and(|facts| !facts.aliases.is_empty());
        if lens.merged || !lens.torn.is_empty() || aliased {
            return buffers.read(area, lens);
        }
        let at = of.known.iter().position(|(known, ..)| *known == kind);
        let known = at.and_then(|at| of.known.get_mut(at));
        if let Some((_, number, misses)) = known {
            let shape = self.all.get(number.wrapping_sub(self.first) as usize);
            if let Some(shape) = shape.filter(|shape| shape.by == ReadBy::of(&lens)) {
                let mut report = buffers.blank();
                if shape.walk(area, lens, &mut report).is_some() {
                    *misses = 0;
                    return report;
                }
                buffers.reuse(report);
            }
            *misses = misses.saturating_add(1);
            // Who never says the same twice is not learned from all the time.
            if !misses.is_power_of_two() {
                return buffers.read(area, lens);
            }
        }
        let report = buffers.read(area, lens);
        let Some(number) = self.learn(buffers, area, lens, &report) else { return report };
        match at.and_then(|at| of.known.get_mut(at)) {
            Some(known) => known.1 = number,
            None => {
                if of.known.len() >= OF_STATION_MAX {
                    of.known.remove(0);
                }
                of.known.push((kind, number, 0));
            }
        }
        report
    }

    /// The number of the shape of an area that was read in full, if it has one.
    fn learn(
        &mut self,
        buffers: &mut ReportBuffers,
        area: &[u8],
        lens: ReadContext<'_>,
        report: &Report<'_>,
    ) -> Option<u32> {
        if self.rest > 0 {
            return None;
        }
        let shape = AreaShape::of(buffers, area, lens, report)?;
        let key = hash::content(&shape.text);
        let same = |number: &&u32| {
            let known = self.all.get(number.wrapping_sub(self.first) as usize);
            known.is_some_and(|known| known.by == shape.by && known.text == shape.text)
        };
        if let Some(number) = self.by_text.get(&key).filter(same) {
            return Some(*number);
        }
        let weight = shape.weight();
        if self.bytes + weight > SHAPES_BYTES_MAX {
            self.forget();
            self.rest = REST;
            return None;
        }
        let number = self.first.checked_add(u32::try_from(self.all.len()).ok()?)?;
        self.bytes += weight;
        self.all.push(shape);
        self.by_text.insert(key, number);
        Some(number)
    }
}

/// What follows from the bytes between plain values alone; an area with anything else odd about it is read in full.
const OF_BYTES: &[Deviation] = &[
    Deviation::CommaBetweenItems,
    Deviation::SemicolonWithinItem,
    Deviation::SeparatorExtra,
    Deviation::FlagFirst,
    Deviation::FlagAlone,
    Deviation::FlagOfOther,
    Deviation::FieldName,
    Deviation::CodeAlias,
    Deviation::CodeUnknown,
    Deviation::CodeTable,
    Deviation::CodeMedium,
    Deviation::CodeTwice,
];

impl AreaShape {
    /// The shape of an area that was read in full, if all that was found follows from it.
    fn of(buffers: &ReportBuffers, area: &[u8], lens: ReadContext<'_>, report: &Report<'_>) -> Option<AreaShape> {
        let plain = report.own.is_empty() && report.instruments.is_empty() && report.unread.is_empty() && !report.odd;
        if !plain || report.cells.len() > FIELDS_MAX || !report.deviations.iter().all(|one| OF_BYTES.contains(&one)) {
            return None;
        }
        let at = |text: &[u8]| text.as_ptr().addr().checked_sub(area.as_ptr().addr());
        let (mut text, mut fields) = (Vec::new(), Vec::<FieldShape>::new());
        let mut from = 0;
        let mut cells = report.cells.iter();
        for field in buffers.fields().iter(area) {
            let value = at(field.value)?;
            let before = area.get(from..value)?;
            let within = |part: &[u8]| {
                let begin = at(part)?.checked_sub(from).filter(|begin| begin + part.len() <= before.len())?;
                Some(begin..begin + part.len())
            };
            let own = field.item.is_empty();
            let cell = if own { None } else { Some(cells.next()?) };
            let fits = cell.is_none_or(|cell| !cell.earlier && cell.why.is_none() && cell.value == field.value);
            if !fits || (own && field.name != b"DataTime") {
                return None;
            }
            fields.push(FieldShape {
                before: before.len(),
                code: if own { 0..0 } else { within(field.item)? },
                name: within(field.name)?,
                form: cell.map_or(Some(PlainForm::DataTime), form_of)?,
                known: cell.and_then(|cell| cell.name),
                next: cell.map_or(0, |cell| cell.next),
            });
            text.extend_from_slice(before);
            from = value + field.value.len();
        }
        text.extend_from_slice(area.get(from..)?);
        let with_cell: Vec<usize> =
            (0..).zip(&fields).filter(|(_, field)| field.known.is_some()).map(|(at, _)| at).collect();
        let readings = report.readings.iter().map(|reading| {
            let of = *with_cell.get(reading.first as usize)?;
            ReadingShape::of(reading, of, report, lens)
        });
        let shape = AreaShape {
            by: ReadBy::of(&lens),
            text: text.into(),
            fields: fields.into(),
            readings: readings.collect::<Option<_>>()?,
            evidence: report.evidence,
            deviations: report.deviations,
            codes: report.codes,
        };
        // Its own area must fit.
        shape.walk(area, lens, &mut Report::default()).map(|()| shape)
    }

    /// Holds `area` against the shape and fills in the report; `None`: it differs.
    fn walk<'a>(&self, area: &'a [u8], lens: ReadContext<'a>, report: &mut Report<'a>) -> Option<()> {
        if area.len() > usize::from(u16::MAX) {
            return None;
        }
        let (mut text, mut rest) = (&*self.text, area);
        for field in &self.fields {
            let (wanted, after) = text.split_at_checked(field.before)?;
            let (before, behind) = rest.split_at_checked(field.before)?;
            if before != wanted {
                return None;
            }
            let length = field.form.length(behind)?;
            let (value, left) = behind.split_at_checked(length)?;
            (text, rest) = (after, left);
            let (form, measured) = match field.form {
                PlainForm::DataTime => {
                    report.data_time = Some(value);
                    continue;
                }
                PlainForm::Number { measured } => (Said::Number, measured || value.starts_with(b"-")),
                PlainForm::Time | PlainForm::Word => (Said::Text, false),
            };
            if measured && lens.dictionary.sentinels.find(value).is_some() {
                return None;
            }
            let said = before.get(field.name.clone())?;
            let (name, next) = (field.known, field.next);
            report.cells.push(Cell { name, said, value, form, why: None, earlier: false, next });
        }
        if rest != text {
            return None;
        }
        self.fill(area, lens, report)
    }

    /// Takes what was found for the readings.
    fn fill<'a>(&self, area: &'a [u8], lens: ReadContext<'a>, report: &mut Report<'a>) -> Option<()> {
        report.deviations = self.deviations;
        for shape in &self.readings {
            let of = self.fields.get(shape.of)?;
            let cell = report.cells.get(shape.like.first as usize)?;
            let base = cell.said.as_ptr().addr().checked_sub(area.as_ptr().addr())?.checked_sub(of.name.start)?;
            let code = area.get(base + of.code.start..base + of.code.end)?;
            let flag = match shape.flag {
                Some(at) => Some(report.cells.get(at as usize)?.value),
                None => None,
            };
            let factor = match shape.factor {
                Some(number) => Some(lens.dictionary.factor(number)?),
                None => None,
            };
            let mut reading = Reading { code, flag, factor, ..shape.like };
            if look_up_registered(&mut reading, lens.facts) {
                report.deviations.insert(Deviation::CodeAmbiguous);
            }
            report.readings.push(reading);
        }
        (report.evidence, report.codes) = (self.evidence, self.codes);
        Some(())
    }

    /// About how many bytes it takes.
    fn weight(&self) -> usize {
        size_of::<AreaShape>()
            + self.text.len()
            + size_of_val(&*self.fields)
            + size_of_val(&*self.readings)
            + 2 * size_of::<(u64, u32)>()
    }
}

impl ReadingShape {
    fn of(reading: &Reading<'_>, of: usize, report: &Report<'_>, lens: ReadContext<'_>) -> Option<ReadingShape> {
        let simple = reading.item == 1 && !reading.among && !reading.twice && reading.instrument == 0;
        let open = reading.open || reading.torn || reading.nameless;
        // Two marks that differ, or a value that is none, depend on what was said.
        if !simple || open || !matches!(reading.why, None | Some(Why::NoValue)) || reading.worth == Worth::Doubtful {
            return None;
        }
        let factor = match reading.factor {
            Some(factor) => Some(lens.dictionary.number_of(factor)?),
            None => None,
        };
        let holds = |cell: &Cell<'_>, flag: &[u8]| std::ptr::eq(cell.value, flag) && cell.is_flag();
        let flag = match reading.flag {
            Some(flag) => Some(u32::try_from(report.cells.iter().position(|cell| holds(cell, flag))?).ok()?),
            None => None,
        };
        let like = Reading {
            code: &[],
            factor: None,
            canonical: reading.canonical,
            unit: None,
            conversion: None,
            meaning: None,
            second: reading.second,
            flag: None,
            twice: false,
            item: 1,
            among: false,
            instrument: 0,
            open: false,
            why: reading.why,
            worth: reading.worth,
            torn: false,
            nameless: false,
            first: reading.first,
            last: reading.last,
            count: reading.count,
            met: reading.met,
        };
        Some(ReadingShape { like, of, factor, flag })
    }
}

/// What a value of such a cell must look like; `None`: it is looked at in full.
fn form_of(cell: &Cell<'_>) -> Option<PlainForm> {
    let name = cell.name?;
    match (name.class, cell.form) {
        (Class::Number | Class::ByFactor, Said::Number) => {
            Some(PlainForm::Number { measured: name.may_be_text() || name.has_unit() })
        }
        (Class::Time, Said::Text) => Some(PlainForm::Time),
        (Class::Flag | Class::Text, Said::Text) => Some(PlainForm::Word),
        (Class::Number | Class::ByFactor | Class::Time | Class::Flag | Class::Text, _) => None,
    }
}

impl PlainForm {
    /// How long the value is that `text` begins with, if it is of this form.
    #[inline]
    fn length(self, text: &[u8]) -> Option<usize> {
        match self {
            PlainForm::Number { .. } => number_length(text),
            PlainForm::DataTime => text.get(..14).filter(|time| value::is_time(time)).map(|_| 14),
            PlainForm::Time => {
                let time = text.get(..14).filter(|time| time.iter().all(u8::is_ascii_digit))?;
                Moment::read_any(time).map(|_| 14)
            }
            PlainForm::Word => {
                let length = text.iter().take(WORD_MAX + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
                (1..=WORD_MAX).contains(&length).then_some(length)
            }
        }
    }
}

/// How long the number is that `text` begins with: `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, as [`super::value::is_literal`] has it.
#[inline]
fn number_length(text: &[u8]) -> Option<usize> {
    let digits =
        |from: usize| text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(text.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 || (whole > 1 && text.get(sign) == Some(&b'0')) {
        return None;
    }
    let mut end = sign + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    (end <= NUMBER_MAX).then_some(end)
}

#[cfg(test)]
mod tests;
