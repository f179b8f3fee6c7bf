//! Which readings of a record in parts may be torn: those beside a place where parts do not fit, or where one is missing ([`Torn`]).
//!
//! Loggers cut anywhere: within a code, a name, a value, at a separator. What must stay true:
//! * a value that does not end with a separator before such a place may be the beginning of another; a flag of one letter is whole;
//! * a code that begins behind it may be the rest of another, and then has no name, unless the next field behind a comma has it too, or
//!   nothing that is known ends with it;
//! * an item that goes on across a comma towards such a place, and has not what it is about, may have lost it;
//! * fields on both sides are never one reading that is valid: between them another item of the same code may have stood;
//! * a flag without a code behind it is that of no item before it;
//! * a field of the record itself that may be cut is in no field: a DataTime of ten digits was one of fourteen.
//!
//! All else is whole, and stays as it was said: what stands between two separators was not cut.

use std::ops::Range;

use super::factors::Dictionary;
use super::names::Name;
use super::reading::Reading;
use super::report::{ReadContext, Report, Torn};
use hj212::Deviation;

/// So many digits a DataTime has that is whole (HJ 212-2017, table 4).
const TIME_DIGITS: usize = 14;

/// A field of an item, where it stands.
#[derive(Debug, Clone, Copy)]
struct PlacedField {
    at: usize,
    end: usize,
    /// The number of its reading.
    reading: usize,
    flag: bool,
}

/// All fields of items of an area, in the order in which they stand.
struct PlacedArea<'t> {
    area: &'t [u8],
    fields: Vec<PlacedField>,
}

impl PlacedArea<'_> {
    /// The last field before `place` that is of one item with what follows it: no `;` stands between.
    fn open_before(&self, place: usize) -> Option<PlacedField> {
        let behind = self.fields.partition_point(|field| field.at < place);
        let last = *self.fields.get(behind.checked_sub(1)?)?;
        let open = !self.area.get(last.end..place).unwrap_or_default().contains(&b';');
        open.then_some(last)
    }

    /// The first field behind `place` that is of one item with what stood before, and of none of these readings.
    fn open_behind(&self, place: usize, but: &[TornReading]) -> Option<PlacedField> {
        let behind = self.fields.get(self.fields.partition_point(|field| field.at < place)..)?;
        let first = *behind.iter().find(|field| !but.iter().any(|found| found.reading == field.reading))?;
        let open = !self.area.get(place..first.at).unwrap_or_default().contains(&b';');
        open.then_some(first)
    }

    /// The fields in this piece.
    fn within(&self, piece: &Range<usize>) -> impl Iterator<Item = PlacedField> {
        let begin = self.fields.partition_point(|field| field.at < piece.start);
        let end = self.fields.partition_point(|field| field.at < piece.end.max(piece.start));
        self.fields.get(begin..end).unwrap_or_default().iter().copied()
    }

    /// The field whose value ends at `place`, though a comma stands in it.
    fn ending_at(&self, place: usize) -> Option<PlacedField> {
        let behind = self.fields.partition_point(|field| field.at < place);
        self.fields.get(behind.checked_sub(1)?).copied().filter(|field| field.end >= place)
    }

    /// The piece that ends at `place`.
    fn last(&self, place: usize) -> Range<usize> {
        let before = self.area.get(..place).unwrap_or_default();
        before.iter().rposition(is_separator).map_or(0, |separator| separator + 1)..place
    }

    /// The piece that begins at `place`.
    fn first(&self, place: usize) -> Range<usize> {
        let rest = self.area.get(place..).unwrap_or_default();
        place..place + rest.iter().position(is_separator).unwrap_or(rest.len())
    }

    /// The first piece that is not empty.
    fn first_said(&self, place: usize) -> Range<usize> {
        let rest = self.area.get(place..).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| is_separator(byte) || **byte == b' ').count();
        self.first(place + skipped)
    }

    fn text(&self, piece: &Range<usize>) -> &[u8] {
        self.area.get(piece.clone()).unwrap_or_default()
    }
}

/// What may be torn of a reading.
#[derive(Debug, Clone, Copy)]
struct TornReading {
    reading: usize,
    nameless: bool,
}

impl<'a> Report<'a> {
    /// Marks the readings that may be torn.
    pub(super) fn tear(&mut self, area: &'a [u8], lens: ReadContext<'_>) {
        for torn in lens.torn {
            self.tear_at(area, *torn, lens.dictionary);
        }
    }

    fn tear_at(&mut self, area: &'a [u8], torn: Torn, dictionary: &Dictionary) {
        let map = PlacedArea { area, fields: self.places(area) };
        let mut found: Vec<TornReading> = Vec::new();
        let torn_one = |field: PlacedField| TornReading { reading: field.reading, nameless: false };
        let last = map.last(torn.before);
        if torn.seen || !is_whole_flag(map.text(&last)) {
            found.extend(map.within(&last).chain(map.ending_at(torn.before)).map(torn_one));
            self.tear_own(area, &last);
        }
        let first = map.first(torn.behind);
        let rest = map.within(&first).filter(|field| self.may_be_rest(field, &map, &first, dictionary));
        let rest: Vec<TornReading> = rest.map(|field| TornReading { nameless: true, ..torn_one(field) }).collect();
        // Behind the rest of a code the item goes on under the whole one.
        let behind = map.open_behind(torn.behind, &rest);
        found.extend(rest);
        let said = map.first_said(torn.behind);
        if is_flag_alone(map.text(&said)) {
            found.extend(map.within(&said).map(torn_one));
        }
        let cut = !found.iter().all(|found| !found.nameless) || is_flag_alone(map.text(&said));
        let before = map.open_before(torn.before);
        found
            .extend(before.iter().chain(&behind).filter(|field| !self.has_main(field.reading)).map(|it| torn_one(*it)));
        let crosses = |field: &&PlacedField, other: fn(&PlacedField, Torn) -> bool| {
            map.fields.iter().any(|at| at.reading == field.reading && other(at, torn))
        };
        let flagged = |field: &&PlacedField| {
            let here = |at: &PlacedField| at.reading == field.reading && at.flag && at.at < torn.before;
            map.fields.iter().any(here)
        };
        let from_before =
            before.iter().filter(|field| crosses(field, |at, torn| at.at >= torn.behind) && !flagged(field));
        let from_behind = behind.iter().filter(|field| crosses(field, |at, torn| at.at < torn.before));
        found.extend(from_before.chain(from_behind).map(|it| torn_one(*it)));
        if cut {
            // Where a part is missing nobody knows whether it was cut; the rest of a name shows it.
            self.deviations.insert(Deviation::PartsCut);
        }
        for found in found {
            let Some(reading) = self.readings.get_mut(found.reading) else { continue };
            reading.torn = true;
            reading.nameless |= found.nameless;
        }
    }

    /// Where the fields of all items stand.
    fn places(&self, area: &[u8]) -> Vec<PlacedField> {
        let base = area.as_ptr().addr();
        let place = |text: &[u8]| text.as_ptr().addr().wrapping_sub(base);
        let cells =
            self.readings.iter().enumerate().flat_map(|(reading, it)| self.cells(it).map(move |cell| (reading, cell)));
        let placed = cells.map(|(reading, cell)| {
            // A name that was put right stands behind the area, its value does not; a value that is empty stands nowhere.
            let at = place(cell.said).min(place(cell.value));
            PlacedField { at, end: place(cell.value).saturating_add(cell.value.len()), reading, flag: cell.is_flag() }
        });
        let mut all: Vec<PlacedField> = placed.collect();
        all.sort_by_key(|field| field.at);
        all
    }

    fn has_main(&self, reading: usize) -> bool {
        let Some(reading) = self.readings.get(reading) else { return false };
        self.cells(reading).any(|cell| cell.name.is_some_and(Name::is_main))
    }

    /// Whether the code of a field in the first piece behind such a place may be the rest of another.
    fn may_be_rest(
        &self,
        field: &PlacedField,
        map: &PlacedArea<'_>,
        piece: &Range<usize>,
        dictionary: &Dictionary,
    ) -> bool {
        let Some(reading) = self.readings.get(field.reading) else { return false };
        let code = reading.code;
        if !map.text(piece).trim_ascii_start().starts_with(code) || is_said_again(map, piece, code) {
            return false;
        }
        let ends_with_it = |other: &Reading<'_>| other.code.len() > code.len() && other.code.ends_with(code);
        code.iter().all(u8::is_ascii_digit)
            || dictionary.is_end_of_another(code)
            || self.readings.iter().any(ends_with_it)
    }

    /// Takes the fields of the record out whose values may be cut.
    fn tear_own(&mut self, area: &'a [u8], piece: &Range<usize>) {
        let base = area.as_ptr().addr();
        let is_here = |text: &[u8]| piece.contains(&text.as_ptr().addr().wrapping_sub(base));
        let digits = |time: &[u8]| time.iter().filter(|byte| byte.is_ascii_digit()).count();
        if self.data_time.is_some_and(|time| is_here(time) && digits(time) < TIME_DIGITS) {
            self.data_time = None;
            self.unread.extend(area.get(piece.clone()));
        }
        // Of an instrument nothing is said any more.
        let torn =
            |own: &super::reading::Own<'_>| is_here(own.value) && own.name != b"PolId" && own.name != b"DataTime";
        if self.own.iter().any(torn) {
            self.own.retain(|own| !torn(own));
            self.unread.extend(area.get(piece.clone()));
        }
    }
}

/// Whether the field behind a comma has this code too, and says something else: then the code is whole.
fn is_said_again(map: &PlacedArea<'_>, piece: &Range<usize>, code: &[u8]) -> bool {
    if map.area.get(piece.end) != Some(&b',') {
        return false;
    }
    let next = map.first(piece.end + 1);
    let name = |piece: &[u8]| {
        let rest = piece.trim_ascii_start().strip_prefix(code)?.strip_prefix(b"-")?;
        Some(rest.get(..memchr::memchr(b'=', rest)?)?.to_owned())
    };
    let (one, other) = (name(map.text(piece)), name(map.text(&next)));
    other.is_some() && one != other
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b';' | b',')
}

/// Whether a piece is a flag of one letter: nothing can follow it.
fn is_whole_flag(piece: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', piece) else { return false };
    let (name, value) = piece.split_at_checked(equals).unwrap_or_default();
    name.to_ascii_lowercase().ends_with(b"flag") && value.len() == 2
}

/// Whether a piece is a flag that names no code.
fn is_flag_alone(piece: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', piece) else { return false };
    let name = piece.get(..equals).unwrap_or_default().trim_ascii();
    let name = name.strip_prefix(b"-").unwrap_or(name).trim_ascii_start();
    name.eq_ignore_ascii_case(b"Flag") || name.eq_ignore_ascii_case(b"EFlag")
}
