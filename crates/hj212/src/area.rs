//! The data area (数据区): what stands between `CP=&&` and `&&`, as a flat list of fields.
//!
//! HJ 212-2017, 6.3.3: `,` separates the classes of one item, `;` separates items, but the standard's own examples mix them, so
//! both only end a field and items are grouped by the code before the `-`. How it is read:
//!
//! * one sweep finds all `=`, `;` and `,` (`sweep`). The first `=` of a field ends its name, the last `-` before that its code, the
//!   first separator after it the field;
//! * `code-name=value` with nothing odd about it, which nearly all fields are, is told by a few comparisons of numbers
//!   (`take_plain`, `word`). Everything else is walked through (`take_any`). Both read a plain field alike: a test reads random and
//!   adversarial areas in a third, slow and obvious way and compares;
//! * a value that begins with `//` is log text up to the next `//` before a separator and may hold anything;
//! * the list holds positions, not slices, and is reused from frame to frame: reading an area allocates nothing once the list has
//!   grown to the size of the largest area met;
//! * a bare number behind a comma (`1,234`) belongs to the number before it: no comma is a decimal point here, and no part of a value
//!   is a value;
//! * what is odd is noted on the way (`run` keeps what must be remembered of the item at hand) and never stops the sweep.
//!
//! What must stay true: no byte of a value is ever lost or changed, the spaces around it excepted; an area of which nothing can be read is
//! never like an empty one (`data-area-unreadable`).

mod run;
mod sweep;
#[cfg(test)]
mod tests;
mod tidy;
mod word;

pub use tidy::tidied;

use run::Run;
use sweep::Places;
use word::Word;

use super::{Deviation, Deviations, value};

/// So many spaces may stand between the end of log text and its separator.
const SPACES_MAX: usize = 16;

/// One `name=value` of the data area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The item's code (`a21026` of `a21026-Avg`, `SB1` of `SB1-RS`); empty for a field of the record itself (`DataTime`, `PolId`).
    /// A `Flag` or `EFlag` without a code has that of the item before it.
    pub item: &'a [u8],
    /// The field's name (`Avg`, `RS`, `DataTime`).
    pub name: &'a [u8],
    /// The value as the station wrote it; log text with its `//`.
    pub value: &'a [u8],
    /// The separator before it; 0 at the beginning of the area.
    pub separator: u8,
}

/// The fields of one data area; reusable.
#[derive(Debug, Default, Clone)]
pub struct Fields {
    spans: Vec<Span>,
    deviations: Deviations,
    places: Places,
}

/// Where a field stands in its area. Areas are shorter than 64 KiB.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    /// The code: `item..dash`; that of an earlier field for a flag without one.
    item: u16,
    dash: u16,
    /// The name: `name..equals`.
    name: u16,
    equals: u16,
    /// The value: `value..end`.
    value: u16,
    end: u16,
}

/// The field at hand while it is not closed.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: usize,
    /// The first `=`.
    equals: Option<usize>,
}

/// Where the reading of an area stands.
struct Reading<'a> {
    area: &'a [u8],
    run: Run,
    /// Where the next field begins.
    start: usize,
    /// Whether log text can still end anywhere.
    closes: bool,
}

impl Open {
    fn at(start: usize) -> Open {
        Open { start, equals: None }
    }
}

impl Span {
    fn item_of<'a>(&self, area: &'a [u8]) -> &'a [u8] {
        area.get(usize::from(self.item)..usize::from(self.dash)).unwrap_or_default()
    }

    fn name_of<'a>(&self, area: &'a [u8]) -> &'a [u8] {
        area.get(usize::from(self.name)..usize::from(self.equals)).unwrap_or_default()
    }

    /// The separator before the field.
    #[inline]
    fn separator(&self, area: &[u8]) -> u8 {
        // The code of a flag without one stands elsewhere.
        let start = if self.dash.wrapping_add(1) == self.name { self.item } else { self.name };
        match area.get(usize::from(start).wrapping_sub(1)) {
            Some(byte) if *byte > b' ' => *byte,
            _ => {
                area.get(..usize::from(start)).unwrap_or_default().trim_ascii_end().last().copied().unwrap_or_default()
            }
        }
    }

    fn value_of<'a>(&self, area: &'a [u8]) -> &'a [u8] {
        area.get(usize::from(self.value)..usize::from(self.end)).unwrap_or_default()
    }
}

impl Fields {
    /// Reads `area` and replaces what was here. What is longer than 65,535 bytes is not read beyond that.
    pub fn read(&mut self, area: &[u8]) {
        self.spans.clear();
        self.deviations = Deviations::NONE;
        let area = area.get(..usize::from(u16::MAX)).unwrap_or(area);
        let mut places = std::mem::take(&mut self.places);
        places.fill(area);
        let mut reading = Reading { area, run: Run::default(), start: 0, closes: true };
        let mut left = places.all();
        while reading.start < area.len() && !left.is_empty() {
            left = match left {
                [equals, end, after @ ..] if self.take_plain(&mut reading, *equals, *end) => after,
                _ => self.take_any(&mut reading, left),
            };
        }
        if reading.start == area.len() && reading.start > 0 {
            self.deviations.insert(Deviation::SeparatorExtra);
        }
        self.deviations = self.deviations.union(reading.run.deviations());
        if self.spans.is_empty() && !is_bare(area) {
            self.deviations.insert(Deviation::AreaUnreadable);
        }
        self.places = places;
    }

    /// Takes the next field if it is `code-name=value` with nothing odd about it: no spaces around, no log text, and code
    /// and name of the usual lengths. Nearly all fields are so; the others are left to `take_any`, which reads these alike.
    #[inline(always)]
    fn take_plain(&mut self, reading: &mut Reading<'_>, equals: u16, end: u16) -> bool {
        let area = reading.area;
        let (equals_at, end_at) = (usize::from(equals), usize::from(end));
        let Some(item) = Word::before_dash(area, reading.start) else { return false };
        let Some(name) = Word::before_equals(area, usize::from(item.to()) + 1, equals_at) else { return false };
        let byte = |at: usize| area.get(at).copied().unwrap_or_default();
        let (begins, ends, separator) = (byte(equals_at + 1), byte(end_at.wrapping_sub(1)), byte(end_at));
        // An empty value begins with its separator and ends with the `=`, which are as good as any.
        let solid = item.begins() > b' ' && begins > b' ' && ends > b' ';
        if !solid || begins == b'/' || separator == b'=' {
            return false;
        }
        reading.run.enter(area, &self.spans, item, name);
        self.spans.push(Span {
            item: item.from(),
            dash: item.to(),
            name: name.from(),
            equals,
            value: equals.wrapping_add(1),
            end,
        });
        reading.run.separator = separator;
        reading.start = end_at + 1;
        true
    }

    /// Takes the next field whatever it is; the places behind it.
    #[inline(never)]
    fn take_any<'p>(&mut self, reading: &mut Reading<'_>, places: &'p [u16]) -> &'p [u16] {
        let area = reading.area;
        let mut open = Open::at(reading.start);
        // Where the log text ends in which the walk is.
        let mut quiet = 0;
        let mut places = places.iter();
        for at in places.by_ref().map(|at| usize::from(*at)) {
            if at < quiet {
                continue;
            }
            match (area.get(at), open.equals) {
                (Some(b'='), None) => {
                    open.equals = Some(at);
                    if reading.closes && begins_log_text(area, at + 1) {
                        // What has no end from here on has none further on: it is looked for once.
                        match log_text_end(area, at + 1) {
                            Some(end) => quiet = end,
                            None => reading.closes = false,
                        }
                    }
                }
                (Some(b'='), Some(_)) => {}
                (separator, _) => {
                    self.close(area, open, at, &mut reading.run);
                    reading.run.separator = separator.copied().unwrap_or_default();
                    reading.start = at + 1;
                    break;
                }
            }
        }
        places.as_slice()
    }

    /// Takes the field that is open and ends at `end`.
    fn close(&mut self, area: &[u8], open: Open, end: usize, run: &mut Run) {
        let Some(equals) = open.equals else { return self.close_without_equals(area, open.start, end, run.separator) };
        let (start, name_end) = self.trim(area, open.start, equals);
        let (value, end) = self.trim(area, equals + 1, end);
        if start == name_end {
            self.deviations.insert(Deviation::ItemMalformed);
            return;
        }
        let dash = area.get(start..name_end).and_then(|text| text.iter().rposition(|byte| *byte == b'-'));
        let (dash, name) = dash.map_or((start, start), |dash| (start + dash, start + dash + 1));
        // All positions are below 65,536: the area was cut to that.
        let at = |position: usize| position as u16;
        let mut span = Span {
            item: at(start),
            dash: at(dash),
            name: at(name),
            equals: at(name_end),
            value: at(value),
            end: at(end),
        };
        if dash == start {
            self.look_at_own(area, &mut span);
        }
        let (item, name) = (Word::between(area, span.item, span.dash), Word::between(area, span.name, span.equals));
        run.enter(area, &self.spans, item, name);
        self.spans.push(span);
    }

    #[cold]
    fn close_without_equals(&mut self, area: &[u8], start: usize, end: usize, separator: u8) {
        if separator == b',' && self.is_more_of_a_number(area, start, end) {
            self.deviations.insert(Deviation::ValueComma);
            return;
        }
        let blank = area.get(start..end).unwrap_or_default().trim_ascii().is_empty();
        self.deviations.insert(match (blank, start == end) {
            (true, true) => Deviation::SeparatorExtra,
            (true, false) => Deviation::Spaces,
            (false, _) => Deviation::ItemMalformed,
        });
    }

    /// Takes `start..end` to the value before it if both are digits: `1,234` and `12,5` are one value each, whatever was meant.
    fn is_more_of_a_number(&mut self, area: &[u8], start: usize, end: usize) -> bool {
        let piece = area.get(start..end).unwrap_or_default();
        let more = piece.trim_ascii();
        let Some(before) = self.spans.last_mut().filter(|span| span.item != span.dash) else { return false };
        let value = before.value_of(area);
        let number = |text: &[u8]| {
            text.last().is_some_and(u8::is_ascii_digit)
                && text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b' '))
        };
        let unsigned = value.strip_prefix(b"-").or_else(|| value.strip_prefix(b"+")).unwrap_or(value);
        let touches = area.get(usize::from(before.end)..start).is_some_and(|between| between.trim_ascii() == b",");
        if !touches || !number(unsigned) || !number(more) || !more.first().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        // All positions are below 65,536: the area was cut to that.
        before.end = (start + piece.trim_ascii_end().len()) as u16;
        true
    }

    /// A field without a code: one of the record itself, or a flag that belongs to the item before it.
    fn look_at_own(&mut self, area: &[u8], span: &mut Span) {
        match span.name_of(area) {
            b"DataTime" if !value::is_time(span.value_of(area)) => self.deviations.insert(Deviation::DataTimeForm),
            b"Flag" | b"EFlag" => {
                if let Some(before) = self.spans.last().filter(|before| before.item != before.dash) {
                    (span.item, span.dash) = (before.item, before.dash);
                }
                self.deviations.insert(Deviation::FlagWithoutItem);
            }
            _ => {}
        }
    }

    /// `start..end` without the spaces around.
    #[inline(always)]
    fn trim(&mut self, area: &[u8], start: usize, end: usize) -> (usize, usize) {
        // Nearly always there is nothing to trim, and two bytes say so.
        let solid = |at: usize| area.get(at).is_some_and(|byte| *byte > b' ');
        if start == end || (solid(start) && solid(end.wrapping_sub(1))) {
            (start, end)
        } else {
            self.trimmed(area, start, end)
        }
    }

    #[cold]
    fn trimmed(&mut self, area: &[u8], start: usize, end: usize) -> (usize, usize) {
        let padded = area.get(start..end).unwrap_or_default();
        let front = padded.len() - padded.trim_ascii_start().len();
        let kept = padded.trim_ascii().len();
        if kept != padded.len() {
            self.deviations.insert(Deviation::Spaces);
        }
        (start + front, start + front + kept)
    }

    /// The fields in the order in which they stand in `area`, which must be the area that was read.
    pub fn iter<'a>(&self, area: &'a [u8]) -> impl Iterator<Item = Field<'a>> + use<'a, '_> {
        self.spans.iter().map(move |span| Field {
            item: span.item_of(area),
            name: span.name_of(area),
            value: span.value_of(area),
            separator: span.separator(area),
        })
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What was read over in the area.
    #[must_use]
    pub fn deviations(&self) -> Deviations {
        self.deviations
    }

    /// The value of the record's own field `name` (without a code), if it is there; the first if there are several.
    #[must_use]
    pub fn own<'a>(&self, area: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
        self.iter(area).find(|field| field.item.is_empty() && field.name == name).map(|field| field.value)
    }
}

/// Whether nothing but separators and blanks stands in `area`.
fn is_bare(area: &[u8]) -> bool {
    area.iter().all(|byte| matches!(byte, b';' | b',' | b'&') || byte.is_ascii_whitespace())
}

#[inline]
fn begins_log_text(area: &[u8], from: usize) -> bool {
    match area.get(from..) {
        Some([b'/', b'/', ..]) => true,
        Some([b' ', padded @ ..]) => padded
            .iter()
            .take(SPACES_MAX)
            .position(|byte| *byte != b' ')
            .is_some_and(|at| padded.get(at..).is_some_and(|text| text.starts_with(b"//"))),
        _ => false,
    }
}

/// Where the log text ends that begins at `from`: at the first `//` before a separator or the end of the area.
#[cold]
fn log_text_end(area: &[u8], from: usize) -> Option<usize> {
    let padded = area.get(from..)?;
    let text = padded.trim_ascii_start().get(2..)?;
    let begin = area.len() - text.len();
    // One slash may belong to two pairs: the text itself may end with one.
    let pairs = memchr::memchr_iter(b'/', text).filter(|at| text.get(at + 1) == Some(&b'/'));
    pairs.map(|at| at + 2).find_map(|after| {
        let spaces = text.get(after..)?.iter().take(SPACES_MAX).take_while(|byte| **byte == b' ').count();
        matches!(text.get(after + spaces), None | Some(b';' | b',')).then_some(begin + after)
    })
}
