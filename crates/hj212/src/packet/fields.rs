//! The header's fields in any order and spelling.
//!
//! | written | read as |
//! |---|---|
//! | `PW=123456;MN=` | the standard |
//! | `PW=123456,MN=`, `PW=123456MN=`, `PW=123456 MN=` | a separator that is a comma or missing: a known name and its `=` stand there |
//! | `PW=123456;,MN=`, `;;` | separators too many |
//! | `；` `，` `＝` `：` (UTF-8 and GB18030) | what they are the full-width forms of |
//! | `MN:8888` | a colon for the equals sign, behind a known name |
//! | `cp=&&`, `C P=&&`, `CP&&`, `CP;&&`, `;&&`, `DATA=&&`, `CP&` | the data area begins here: nothing else is opened by `&&`, and `CP` is no other name |
//! | `CP=&&…&&;Flag=5` | fields of the header behind the area |
//! | fields behind the last one of the header | the data area, and what opens it is missing |
//!
//! What must stay true: what has one meaning is read with it and named; everything ends where the data area begins, in whatever spelling;
//! what stands behind the last field of the header is its data area, so that no byte of it vanishes; every field uses bytes, so it always
//! comes to an end.

use super::{Header, number, opens};
use crate::{Deviation, Deviations};

/// A character that separates, and its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Semicolon,
    Comma,
    Equals,
    Colon,
}

/// The names of the header, and that of the area. Longer ones first: `PNO` ends nothing else.
const NAMES: [&[u8]; 10] = [b"PNUM", b"Flag", b"PNO", b"QN", b"ST", b"CN", b"PW", b"MN", b"RF", b"CP"];

/// The mark that `input` begins with, how many bytes it has, and whether it is in full width.
fn mark(input: &[u8]) -> Option<(Mark, usize, bool)> {
    let wide = |last: u8| match last {
        0x9B | 0xBB => Some(Mark::Semicolon),
        0x8C | 0xAC => Some(Mark::Comma),
        0x9D | 0xBD => Some(Mark::Equals),
        0x9A | 0xBA => Some(Mark::Colon),
        _ => None,
    };
    match input {
        [b';', ..] => Some((Mark::Semicolon, 1, false)),
        [b',', ..] => Some((Mark::Comma, 1, false)),
        [b'=', ..] => Some((Mark::Equals, 1, false)),
        [b':', ..] => Some((Mark::Colon, 1, false)),
        [0xEF, 0xBC, last, ..] if *last < 0xA0 => wide(*last).map(|mark| (mark, 3, true)),
        [0xA3, last, ..] if *last > 0xA0 => wide(*last).map(|mark| (mark, 2, true)),
        _ => None,
    }
}

/// A field longer than this is none: nothing is looked for beyond it but the next semicolon.
const FIELD_MAX: usize = 256;

/// The first mark of `input` that `wanted` says: where, which, how long, whether wide.
fn find(input: &[u8], wanted: impl Fn(Mark) -> bool) -> Option<(usize, Mark, usize, bool)> {
    (0..input.len().min(FIELD_MAX)).find_map(|at| {
        let (mark, length, wide) = mark(input.get(at..)?)?;
        wanted(mark).then_some((at, mark, length, wide))
    })
}

/// One field of the header.
enum Field<'a> {
    /// `name=value`.
    Pair { name: &'a [u8], value: &'a [u8], odd: Deviations },
    /// `CP=` and all that follows.
    Area { after: &'a [u8], odd: Deviations },
    /// A separator with nothing before it.
    Nothing { odd: Deviations },
    /// Blanks alone.
    Blank,
    /// Something without `=`.
    Malformed,
}

/// Takes one field off a non-empty `input`; what is left follows it.
fn field(input: &[u8]) -> (Field<'_>, &[u8]) {
    let mut odd = Deviations::NONE;
    let mut when = |is: bool, deviation| {
        if is {
            odd.insert(deviation);
        }
    };
    let rest_from = |at: usize| input.get(at..).unwrap_or_default();
    let blanks = input.len() - input.trim_ascii_start().len();
    if blanks == input.len() {
        return (Field::Blank, &[]);
    }
    if let Some((Mark::Semicolon | Mark::Comma, length, wide)) = mark(rest_from(blanks)) {
        when(wide, Deviation::SeparatorFullWidth);
        when(blanks > 0, Deviation::Spaces);
        return (Field::Nothing { odd }, rest_from(blanks + length));
    }
    // The name goes up to its `=`, or to a colon behind a known name; without either, up to a semicolon there is no field.
    let name_of = |at: usize| input.get(..at).unwrap_or_default();
    let Some((at, mark, length, wide)) = find(input, |mark| mark != Mark::Comma)
        .and_then(|found| match found {
            (at, Mark::Colon, ..) if !is_name(name_of(at)) => {
                let later = find(rest_from(at + 1), |mark| matches!(mark, Mark::Semicolon | Mark::Equals))?;
                Some((at + 1 + later.0, later.1, later.2, later.3))
            }
            found => Some(found),
        })
        .filter(|(_, mark, ..)| *mark != Mark::Semicolon)
    else {
        let end = find(input, |mark| mark == Mark::Semicolon).map(|(at, _, length, _)| at + length);
        let end = end.or_else(|| memchr::memchr(b';', input).map(|at| at + 1));
        return (Field::Malformed, end.map_or(&[], rest_from));
    };
    let name = name_of(at);
    if let Some((comma, _, length, _)) = find(name, |mark| mark == Mark::Comma) {
        return (Field::Malformed, rest_from(comma + length));
    }
    when(wide, Deviation::SeparatorFullWidth);
    when(mark == Mark::Colon, Deviation::ColonForEquals);
    when(name.trim_ascii() != name, Deviation::Spaces);
    let from = at + length;
    if name.trim_ascii().eq_ignore_ascii_case(b"CP") {
        when(name.trim_ascii() != b"CP", Deviation::FieldName);
        return (Field::Area { after: rest_from(from), odd }, &[]);
    }
    let said = rest_from(from);
    let (end, separator) = match find(said, |mark| matches!(mark, Mark::Semicolon | Mark::Comma)) {
        Some((end, mark, length, wide)) => (end, Some((mark, length, wide))),
        None => match memchr::memchr(b';', said) {
            Some(end) => (end, Some((Mark::Semicolon, 1, false))),
            None => (said.len(), None),
        },
    };
    // A known name and its `=` inside the value: the separator before it is missing.
    let value = said.get(..end).unwrap_or_default();
    let (value, after) = match inner_name(value) {
        Some(inner) => {
            when(true, Deviation::SeparatorOdd);
            (value.get(..inner).unwrap_or_default(), said.get(inner..).unwrap_or_default())
        }
        None => {
            let (mark, length, wide) = separator.unwrap_or((Mark::Semicolon, 0, false));
            when(mark == Mark::Comma, Deviation::SeparatorOdd);
            when(wide, Deviation::SeparatorFullWidth);
            let after = said.get(end + length..).unwrap_or_default();
            (value, after)
        }
    };
    when(value.trim_ascii() != value, Deviation::Spaces);
    (Field::Pair { name: name.trim_ascii(), value: value.trim_ascii(), odd }, after)
}

fn is_name(name: &[u8]) -> bool {
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name.trim_ascii()))
}

/// Where a known name with its equals sign begins inside a value.
fn inner_name(value: &[u8]) -> Option<usize> {
    let (at, ..) = find(value, |mark| mark == Mark::Equals)?;
    let before = value.get(..at)?.trim_ascii_end();
    NAMES.iter().find(|name| before.ends_with(name)).map(|name| before.len() - name.len())
}

/// What the tolerant grammar gathers on its way through the fields.
#[derive(Default)]
struct Gathered<'a> {
    header: Header<'a>,
    count: Option<&'a [u8]>,
    number: Option<&'a [u8]>,
    flag: Option<&'a [u8]>,
    fields: usize,
}

/// A segment with its fields in any order.
#[cold]
pub(super) fn tolerant(segment: &[u8]) -> Header<'_> {
    let mut gathered = Gathered::default();
    let mut input = segment;
    // What stands behind the last field of the header, and what was read over up to there.
    let mut behind = None;
    let mut area = None;
    while !input.is_empty() {
        if let Some(after) = opening(input) {
            gathered.note(true, Deviation::AreaOpening);
            area = Some(after);
            break;
        }
        let (field, after) = field(input);
        match field {
            Field::Pair { name, value, odd } => {
                gathered.header.deviations = gathered.header.deviations.union(odd);
                let known = known_name(name);
                let within = area_within(input, known.map(|(name, _)| name), value);
                if let Some((_, from)) = within {
                    gathered.note(true, Deviation::AreaOpening);
                    area = Some(from);
                }
                if known.is_some() || within.is_none() {
                    gathered.take(known, within.map_or(value, |(before, _)| before));
                }
                if within.is_some() {
                    break;
                }
                if known.is_some() {
                    behind = Some((after, gathered.header.deviations));
                }
            }
            Field::Area { after, odd } => {
                gathered.header.deviations = gathered.header.deviations.union(odd);
                area = Some(after);
                break;
            }
            Field::Nothing { odd } => {
                gathered.header.deviations = gathered.header.deviations.union(odd);
                gathered.note(true, Deviation::SeparatorExtra);
            }
            Field::Blank => gathered.note(true, Deviation::Spaces),
            Field::Malformed => gathered.note(true, Deviation::HeaderUnknown),
        }
        input = after;
    }
    if let Some((tail, odd)) = behind.map(|(behind, odd)| (bare(behind), odd)).filter(|(tail, _)| !tail.is_empty())
        && area.is_none()
    {
        gathered.header.deviations = odd.union(Deviation::AreaOpening.into());
        area = Some(tail);
    }
    let area = area.map(|after| match behind_area(after) {
        Some((area, fields)) => {
            gathered.take_behind(fields);
            area
        }
        None => after,
    });
    gathered.header.take_area(area);
    gathered.finish()
}

/// The area with its two `&&`, and the fields of the header that stand behind it; `None`: there are none.
fn behind_area(after: &[u8]) -> Option<(&[u8], &[u8])> {
    let opened = after.trim_ascii_start();
    let all = opened.strip_suffix(b"&&").unwrap_or(opened);
    let closing = memchr::memmem::rfind(all, b"&&").filter(|at| *at > 0)?;
    let (area, fields) = all.split_at_checked(closing + 2)?;
    let mut pairs = pairs(fields).peekable();
    pairs.peek()?;
    let header = pairs.all(|pair| pair.is_some_and(|(name, _)| name != b"CP" && known_name(name).is_some()));
    (header && opens(opened)).then_some((area, fields))
}

/// Names and values between separators; `None`: no `=` is there.
fn pairs(fields: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let fields = fields.split(|byte| matches!(byte, b';' | b',')).map(<[u8]>::trim_ascii);
    fields.filter(|field| !field.is_empty()).map(|field| {
        let (name, value) = field.split_at_checked(memchr::memchr(b'=', field)?)?;
        Some((name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

/// The fields before the data area that are none of the header's, as they stand there. Told apart as [`tolerant`] tells them.
pub fn unknown_fields(segment: &[u8]) -> impl Iterator<Item = &[u8]> {
    if is_plain(segment) { Vec::new() } else { found_unknown(segment) }.into_iter()
}

/// Whether nothing but the standard's fields stand before the area, with values of letters and digits.
fn is_plain(segment: &[u8]) -> bool {
    let head = memchr::memmem::find(segment, b"CP=&&").and_then(|end| segment.get(..end));
    let Some(head) = head.and_then(|head| head.strip_suffix(b";")) else { return false };
    head.split(|byte| *byte == b';').all(|field| {
        let pair = field.iter().position(|byte| *byte == b'=').and_then(|at| field.split_at_checked(at));
        pair.is_some_and(|(name, value)| {
            let value = value.get(1..).unwrap_or_default();
            matches!(name, b"QN" | b"ST" | b"CN" | b"PW" | b"MN" | b"Flag" | b"PNUM" | b"PNO")
                && !value.is_empty()
                && value.iter().all(u8::is_ascii_alphanumeric)
        })
    })
}

fn found_unknown(segment: &[u8]) -> Vec<&[u8]> {
    let (mut unknown, mut input) = (Vec::new(), segment);
    // Without an area that is opened, what stands behind the last known field is the area.
    let (mut sure, mut opened) = (0, false);
    while !input.is_empty() {
        if opening(input).is_some() {
            opened = true;
            break;
        }
        let (field, after) = field(input);
        let separators = |byte: &u8| matches!(byte, b';' | b',') || byte.is_ascii_whitespace();
        let used = input.get(..input.len() - after.len()).unwrap_or_default();
        let kept = used.iter().rposition(|byte| !separators(byte)).map_or(0, |at| at + 1);
        let text = used.get(..kept).unwrap_or_default().trim_ascii_start();
        match field {
            Field::Pair { name, value, .. } => {
                let known = known_name(name).map(|(name, _)| name);
                if area_within(input, known, value).is_some() {
                    opened = true;
                    break;
                }
                if known.is_some() {
                    sure = unknown.len();
                } else {
                    unknown.push(text);
                }
            }
            Field::Area { .. } => {
                opened = true;
                break;
            }
            Field::Malformed => unknown.push(text),
            Field::Nothing { .. } | Field::Blank => {}
        }
        input = after;
    }
    if !opened {
        unknown.truncate(sure);
    }
    unknown
}

/// `tail` without the separators at its beginning and a `CP` that nothing follows.
fn bare(tail: &[u8]) -> &[u8] {
    let separators = |byte: &&u8| matches!(byte, b';' | b',') || byte.is_ascii_whitespace();
    let trimmed = |tail: &'_ [u8]| tail.iter().take_while(separators).count();
    let tail = tail.get(trimmed(tail)..).unwrap_or_default();
    match tail {
        [b'C' | b'c', b'P' | b'p', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_alphanumeric) => {
            rest.get(trimmed(rest)..).unwrap_or_default()
        }
        _ => tail,
    }
}

/// What follows the opening of the data area, if `input` begins with one that is written in an odd way; `CP=` is left to [`field`].
fn opening(input: &[u8]) -> Option<&[u8]> {
    let start = input.trim_ascii_start();
    let rest = match start {
        [b'C' | b'c', rest @ ..] => rest,
        [b'&' | 0xEF | 0xA3, ..] if opens(start) => return Some(start),
        _ => return None,
    };
    let [b'P' | b'p', behind @ ..] = rest.trim_ascii_start() else { return None };
    let after = behind.trim_ascii_start();
    match mark(after) {
        // Blanks within the name.
        Some((Mark::Equals | Mark::Colon, length, _)) => after.get(length..).filter(|_| rest.first() == Some(&b' ')),
        Some((Mark::Semicolon | Mark::Comma, ..)) => {
            let marks = after.iter().take_while(|byte| matches!(byte, b';' | b',' | b' ')).count();
            after.get(marks..).filter(|area| area.starts_with(b"&") || opens(area))
        }
        None => Some(after).filter(|area| area.starts_with(b"&") || opens(area)),
    }
}

/// Whether the data area begins within the field at the front of `input` that has this name of the header, or none of its names, and `value`:
/// what of the value stands before it, and the area.
fn area_within<'a>(input: &'a [u8], known: Option<&[u8]>, value: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let from = |part: &[u8]| input.get(part.as_ptr().addr().checked_sub(input.as_ptr().addr())?..);
    match known {
        // A password may hold anything.
        Some(b"PW") => None,
        Some(_) => {
            let at = memchr::memchr(b'&', value)?;
            let (before, area) = value.split_at_checked(at)?;
            if area.starts_with(b"&&") { Some((before, from(area)?)) } else { None }
        }
        None if opens(value) || value.starts_with(b"DataTime=") => Some((b"", from(value)?)),
        None => None,
    }
}

impl<'a> Gathered<'a> {
    fn note(&mut self, is: bool, deviation: Deviation) {
        if is {
            self.header.deviations.insert(deviation);
        }
    }

    /// Takes one field; the first of its name counts.
    fn take(&mut self, known: Option<(&'static [u8], bool)>, value: &'a [u8]) {
        let first = self.fields == 0;
        self.fields += 1;
        let (name, exact) = known.unwrap_or((b"", true));
        self.note(!exact, Deviation::FieldName);
        match name {
            b"QN" => {
                self.note(!first, Deviation::QnMisplaced);
                self.keep(|gathered| &mut gathered.header.qn, value);
            }
            b"ST" => self.keep(|gathered| &mut gathered.header.st, value),
            b"CN" => {
                self.note(self.header.cn.is_some(), Deviation::HeaderTwice);
                self.header.cn = self.header.cn.or(if value.len() > 4 { None } else { number(value) });
            }
            b"PW" => self.keep(|gathered| &mut gathered.header.pw, value),
            b"MN" => self.keep(|gathered| &mut gathered.header.mn, value),
            b"Flag" => self.keep(|gathered| &mut gathered.flag, value),
            b"PNUM" => {
                self.note(self.number.is_some() || self.header.st.is_none(), Deviation::PartsForm);
                self.keep(|gathered| &mut gathered.count, value);
            }
            b"PNO" => {
                self.note(self.header.st.is_none(), Deviation::PartsForm);
                self.keep(|gathered| &mut gathered.number, value);
            }
            b"RF" => self.header.rf = value == b"1",
            _ => self.note(true, Deviation::HeaderUnknown),
        }
    }

    /// Takes the fields that stand behind the area, each under the name of its kind.
    fn take_behind(&mut self, fields: &'a [u8]) {
        for (name, value) in pairs(fields).flatten() {
            let known = known_name(name);
            match known {
                Some((b"Flag", _)) => self.note(true, Deviation::FlagInArea),
                Some((b"PNUM" | b"PNO", _)) => self.note(true, Deviation::PartsForm),
                Some(_) | None => {}
            }
            self.take(known, value);
        }
    }

    fn keep(&mut self, slot: impl FnOnce(&mut Self) -> &mut Option<&'a [u8]>, value: &'a [u8]) {
        let slot = slot(self);
        let twice = slot.is_some();
        slot.get_or_insert(value);
        self.note(twice, Deviation::HeaderTwice);
    }

    fn finish(mut self) -> Header<'a> {
        match self.flag {
            Some(flag) => self.header.read_flag(flag),
            None => {
                self.header.take_flag_of_area();
                self.header.take_flag_behind_items();
            }
        }
        if self.count.is_some() || self.number.is_some() {
            self.header.read_part(self.count, self.number);
        }
        self.header.compare_flag_with_parts();
        let old = self.header.is_form_of_2005() && !self.header.deviations.contains(Deviation::FlagForm);
        self.header.look_at_qn(old);
        let missing = self.flag.is_none() && self.header.flag.is_none();
        self.header.look_at_forms(old, missing);
        self.header.look_at_area();
        self.header
    }
}

/// The name as the standard writes it, and whether it was written so; `None`: it is none of the header's.
fn known_name(name: &[u8]) -> Option<(&'static [u8], bool)> {
    static NAMES: [&[u8]; 9] = [b"QN", b"ST", b"CN", b"PW", b"MN", b"Flag", b"PNUM", b"PNO", b"RF"];
    let known = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name))?;
    Some((known, *known == name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_that_is_plain_has_no_unknown_field(
            segment in "((QN|ST|CN|PW|MN|Flag|PNUM|PNO|X|cn)?[=]?(1|9A|2011| |&&|=|,)?[;]?){0,8}(CP=&&)?(DataTime=1;)?(CP=&&)?(&&)?",
        ) {
            let segment = segment.as_bytes();
            prop_assert_eq!(unknown_fields(segment).collect::<Vec<_>>(), found_unknown(segment));
        }
    }

    #[test]
    fn the_standards_own_head_is_plain() {
        assert!(is_plain(
            b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&"
        ));
        assert!(!is_plain(b"QN=20160801085857223;ST=32;Foo=1;CP=&&&&") && !is_plain(b"ST=32;CN=1062"));
    }
}
