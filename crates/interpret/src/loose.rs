//! An area read once more, where the plain reading left something over or found names that nobody has.
//!
//! HJ 212-2017, 6.3.3 knows `code-name=value` with `,` and `;` between. What else the field writes (`w01018-Rtd:20.1`, `w01018_Rtd=…`,
//! `w01018 -Rtd=…`, a lost separator or another mark in its place (`|`, `/`, `、`), characters that nobody sees) is read here where it has one meaning. What must stay true:
//! * **every byte of an area is accounted for**: it is in a field, or a separator or blank, or in [`Loose::unread`];
//! * a piece is read as a field only if its name is one of the standard's and its code has the form of one; what could be two things is
//!   left as it was said;
//! * no part of a value becomes a value: a bare number behind a number (`1;5`) belongs to that;
//! * a value is what the station wrote, blanks and unseen characters around it excepted; log text (`//…//`) is never touched;
//! * the work is linear in the area, and done only for areas that need it.

use std::ops::Range;

use super::marks_between::{at_end, at_front, last_in};
use super::names::is_name;
use super::value;
use hj212::value::field_name;
use hj212::{Deviation, Deviations, Field};

/// The longest code that is looked for.
const CODE_MAX: usize = 16;

/// Marks that a name or a number can hold, and that stand between two fields only before a code of the standard's form.
const JOINS: &[u8] = b"+#_-";

/// Deviations that the plain reading named for what is read here.
const READ_ANEW: [Deviation; 3] = [Deviation::ItemMalformed, Deviation::DataTimeForm, Deviation::AreaUnreadable];

/// An area with its fields, and what stands in none.
#[derive(Debug, Default)]
pub(super) struct Loose {
    /// The area, and behind it names that do not stand in it as they are meant.
    text: Vec<u8>,
    fields: Vec<FieldPlace>,
    unread: Vec<Range<usize>>,
    found: Deviations,
}

/// Where a field stands in [`Loose::text`].
#[derive(Debug, Clone)]
struct FieldPlace {
    item: Range<usize>,
    name: Range<usize>,
    value: Range<usize>,
    separator: u8,
}

/// A name that was understood.
struct Named {
    /// Text before it that is no part of it.
    before: Range<usize>,
    item: Range<usize>,
    name: Range<usize>,
    /// Whether it is not written as the standard has it.
    odd: bool,
}

/// Reads `area`; `None` if there is nothing in it that the plain reading did not read alike.
#[cold]
pub(super) fn read(area: &[u8]) -> Option<Loose> {
    let area = area.get(..usize::from(u16::MAX)).unwrap_or(area);
    let mut loose = Loose { text: area.to_vec(), ..Loose::default() };
    let (mut start, mut separator, mut closes) = (0, 0, true);
    while start < area.len() {
        let end = piece_end(area, start, &mut closes);
        loose.piece(area, start..end, separator);
        separator = area.get(end).copied().unwrap_or_default();
        start = end + 1;
    }
    let changed = !loose.found.is_empty() || !loose.unread.is_empty();
    if !loose.unread.is_empty() {
        loose.found.insert(Deviation::ItemMalformed);
    }
    changed.then_some(loose)
}

/// Where the piece ends that begins at `start`: at the first separator outside log text. What has no end from here on has none further on:
/// `closes` says whether one is still looked for.
fn piece_end(area: &[u8], start: usize, closes: &mut bool) -> usize {
    let rest = area.get(start..).unwrap_or_default();
    let separator = |from: usize| {
        area.get(from..).and_then(|rest| memchr::memchr2(b';', b',', rest)).map_or(area.len(), |more| from + more)
    };
    let Some(first) = memchr::memchr3(b';', b',', b'=', rest).map(|at| start + at) else { return area.len() };
    if area.get(first) != Some(&b'=') {
        return first;
    }
    let begins = area.get(first + 1..).is_some_and(|value| value.trim_ascii_start().starts_with(b"//"));
    if !begins || !*closes {
        return separator(first);
    }
    match log_end(area, first + 1) {
        Some(end) => separator(end),
        None => {
            *closes = false;
            separator(first)
        }
    }
}

/// Where the log text ends that begins at `from`, if one does.
fn log_end(area: &[u8], from: usize) -> Option<usize> {
    let padded = area.get(from..)?;
    let text = padded.trim_ascii_start().strip_prefix(b"//")?;
    let begin = area.len() - text.len();
    let ends = |at: &usize| {
        matches!(text.get(at + 2..).unwrap_or_default().trim_ascii_start().first(), None | Some(b';' | b','))
    };
    let mut pairs = memchr::memchr_iter(b'/', text).filter(|at| text.get(at + 1) == Some(&b'/'));
    pairs.find(ends).map(|at| begin + at + 2)
}

impl Loose {
    /// The area, and what was put behind it.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// What is odd, if the plain reading found `plain`.
    pub(super) fn deviations(&self, plain: Deviations) -> Deviations {
        let anew = READ_ANEW.iter().fold(0, |bits, deviation| bits | Deviations::from(*deviation).bits());
        let all = Deviations::from_bits(plain.bits() & !anew).union(self.found);
        let nothing = self.fields.is_empty() && !self.unread.is_empty();
        if nothing { all.union(Deviation::AreaUnreadable.into()) } else { all }
    }

    /// The fields, in the order in which they stand in the area.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields.iter().map(|place| Field {
            item: self.at(&place.item),
            name: self.at(&place.name),
            value: self.at(&place.value),
            separator: place.separator,
        })
    }

    /// What stands in no field.
    pub(super) fn unread(&self) -> impl Iterator<Item = &[u8]> {
        self.unread.iter().map(|range| self.at(range))
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The range without blanks and unseen characters around; unseen ones are noted.
    fn trim(&mut self, range: Range<usize>) -> Range<usize> {
        let trimmed = trimmed(&self.text, range.clone());
        if self.at(&range).trim_ascii().len() != trimmed.len() {
            self.found.insert(Deviation::NameOdd);
        }
        trimmed
    }

    /// Keeps what is no field, without the blanks around it.
    fn keep(&mut self, range: Range<usize>) {
        let range = trimmed(&self.text, range);
        if !range.is_empty() {
            self.unread.push(range);
        }
    }

    /// Takes one piece between separators.
    fn piece(&mut self, area: &[u8], piece: Range<usize>, separator: u8) {
        let mut piece = self.trim(piece);
        let mut separator = separator;
        let front = at_front(area.get(piece.clone()).unwrap_or_default());
        let name = piece.start + front..find(area, &piece, |byte| byte == b'=').unwrap_or(piece.start);
        let said = area.get(name).unwrap_or_default().trim_ascii();
        if front > 0 && (split(said).is_some() || field_name(said).is_some()) {
            self.found.insert(Deviation::SeparatorExtra);
            piece.start += front;
            piece = self.trim(piece);
        }
        while !piece.is_empty() {
            let Some(equals) = find(area, &piece, |byte| byte == b'=') else {
                return self.without_equals(area, piece, separator);
            };
            if trimmed(area, piece.start..equals).is_empty() {
                return self.keep(piece);
            }
            let named = self.named(area, piece.start..equals);
            self.keep(named.before.clone());
            let (value, rest) = self.parted(area, &named, equals + 1..piece.end);
            self.push(named, value, separator);
            // What follows without a separator is an item of its own if it has another code.
            (piece, separator) = (rest, b',');
        }
    }

    /// A piece that has no `=`.
    fn without_equals(&mut self, area: &[u8], piece: Range<usize>, separator: u8) {
        let text = area.get(piece.clone()).unwrap_or_default();
        let colon = colon(text).map(|(at, width)| (piece.start + at, width));
        let blank = find(area, &piece, |byte| byte.is_ascii_whitespace()).map(|at| (at, 1));
        for (at, width) in [colon, blank].into_iter().flatten() {
            let value = self.trim(at + width..piece.end);
            if value.is_empty() && Some((at, width)) == blank {
                continue;
            }
            let named = self.named(area, piece.start..at);
            if self.is_known(&named) {
                self.keep(named.before.clone());
                self.found.insert(Deviation::NameOdd);
                return self.push(named, value, separator);
            }
        }
        if !self.takes_more(area, &piece) {
            self.keep(piece);
        }
    }

    /// Takes a bare number to the number before it, which it touches.
    fn takes_more(&mut self, area: &[u8], piece: &Range<usize>) -> bool {
        let number = |text: &[u8]| {
            text.last().is_some_and(u8::is_ascii_digit)
                && text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b';' | b' '))
        };
        let more = area.get(piece.clone()).unwrap_or_default();
        let Some(before) = self.fields.last_mut().filter(|place| !place.item.is_empty()) else { return false };
        let value = area.get(before.value.clone()).unwrap_or_default();
        let unsigned = value.strip_prefix(b"-").or_else(|| value.strip_prefix(b"+")).unwrap_or(value);
        let between = area.get(before.value.end..piece.start).unwrap_or_default().trim_ascii();
        let touches = matches!(between, b"," | b";");
        if !touches || !number(unsigned) || !number(more) || !more.first().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        self.found.insert(if between == b"," { Deviation::ValueComma } else { Deviation::ValueNotNumber });
        before.value.end = piece.end;
        true
    }

    fn push(&mut self, named: Named, value: Range<usize>, separator: u8) {
        let Named { mut item, name, odd, .. } = named;
        if odd {
            self.found.insert(Deviation::NameOdd);
        }
        if item.is_empty() && matches!(self.at(&name), b"Flag" | b"EFlag") {
            // A flag without a code is that of the item before it.
            item = self.fields.last().map(|before| before.item.clone()).unwrap_or(item);
        }
        self.fields.push(FieldPlace { item, name, value, separator });
    }

    /// Whether it is a name of the standard: of a field of an item, or of the record.
    fn is_known(&self, named: &Named) -> bool {
        let (item, name) = (self.at(&named.item), self.at(&named.name));
        if item.is_empty() { field_name(name).is_some() } else { is_code(item) && is_name(name) }
    }

    /// What the name in `range` says.
    fn named(&mut self, area: &[u8], range: Range<usize>) -> Named {
        let range = self.trim(range);
        let said = area.get(range.clone()).unwrap_or_default();
        let plain = said.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let doubled = said.windows(2).any(|two| two == b"--");
        if plain
            && !doubled
            && let Some(named) = with_dash(said, range.start)
        {
            return named;
        }
        // As written, if nothing better is found.
        let as_said = with_dash(said, range.start).unwrap_or(Named {
            before: 0..0,
            item: range.start..range.start,
            name: range.clone(),
            odd: false,
        });
        if field_name(said).is_some() {
            return as_said;
        }
        let clean = cleaned(said);
        // Text before the last blank, if the last word is a name of its own.
        let squeezed: Vec<u8> = clean.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if field_name(&squeezed).is_some() {
            return as_said;
        }
        let close = around_dash(&clean);
        let word = close.rsplit(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let (code, name) = match split(word) {
            Some(parts) => parts,
            None if field_name(word).is_some() => (0..0, 0..word.len()),
            None => return as_said,
        };
        // What stands before the name keeps its own bytes: up to where its last blank is.
        let before = if word.len() == close.len() { 0 } else { last_word(said) };
        let visible =
            |text: &[u8]| -> Vec<u8> { text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect() };
        let kept = cleaned(said.get(..before).unwrap_or_default());
        if [visible(&kept), visible(word)].concat() != visible(&clean) {
            return as_said;
        }
        if word == said {
            // Only the mark between code and name is another.
            let odd = name.start != code.end + 1 || word.get(code.end) != Some(&b'-');
            let at = |part: Range<usize>| range.start + part.start..range.start + part.end;
            return Named { before: 0..0, item: at(code), name: at(name), odd };
        }
        let base = self.text.len();
        self.text.extend_from_slice(word);
        let at = |part: Range<usize>| base + part.start..base + part.end;
        Named { before: range.start..range.start + before, item: at(code), name: at(name), odd: true }
    }

    /// The value in `range`, and what follows it that is a field of its own although no separator stands between.
    fn parted(&mut self, area: &[u8], named: &Named, range: Range<usize>) -> (Range<usize>, Range<usize>) {
        let range = self.trim(range);
        let range = self.unwrapped(area, named, range);
        let whole = (range.clone(), range.end..range.end);
        let text = area.get(range.clone()).unwrap_or_default();
        if text.starts_with(b"//") {
            return whole;
        }
        let Some(equals) = memchr::memchr(b'=', text) else {
            let (value, odd) = self.without_marks(area, named, range);
            if odd {
                self.found.insert(Deviation::SeparatorExtra);
            }
            return (value, whole.1);
        };
        let head = text.get(..equals).unwrap_or_default();
        let Some(begin) = self.begin_of_name(head, named) else { return whole };
        self.found.insert(Deviation::SeparatorLost);
        let value = trimmed(area, range.start..range.start + begin);
        let joined = area.get(value.clone()).and_then(<[u8]>::last).is_some_and(|byte| JOINS.contains(byte));
        let value = value.start..value.end - usize::from(joined && value.len() > 1);
        (self.without_marks(area, named, value).0, range.start + begin..range.end)
    }

    /// A number, a time or a flag without the quotes around it, or a second equals sign.
    fn unwrapped(&mut self, area: &[u8], named: &Named, range: Range<usize>) -> Range<usize> {
        let text = area.get(range.clone()).unwrap_or_default();
        let (mut start, mut end) = (0, text.len());
        loop {
            match text.get(start..end).unwrap_or_default() {
                [b'"', .., b'"'] | [b'\'', .., b'\''] => (start, end) = (start + 1, end - 1),
                [b'=', _, ..] => start += 1,
                [.., _, b'='] => end -= 1,
                _ => break,
            }
        }
        let short = text.get(start..end).unwrap_or_default();
        if short.len() == text.len() || !self.is_plain(short, named) {
            return range;
        }
        self.found.insert(Deviation::NameOdd);
        range.start + start..range.start + end
    }

    /// Whether it can be nothing but a number, a time, or a flag where one must be.
    fn is_plain(&self, text: &[u8], named: &Named) -> bool {
        let number = value::is_literal(text) || value::classify(text).0 != value::Said::Text;
        let flag = matches!(text, [letter] if letter.is_ascii_alphanumeric());
        number || (flag && matches!(self.at(&named.name), b"Flag" | b"EFlag"))
    }

    /// A value without the marks behind it that stand beside a separator or in its place, if what is left is a number, a flag or a time; whether
    /// there are any.
    fn without_marks(&self, area: &[u8], named: &Named, range: Range<usize>) -> (Range<usize>, bool) {
        let text = area.get(range.clone()).unwrap_or_default();
        let short = text.get(..text.len() - at_end(text)).unwrap_or_default();
        if short.len() == text.len() || !self.is_plain(short, named) {
            return (range, false);
        }
        (range.start..range.start + short.len(), true)
    }

    /// Where a name begins that stands behind a value in `head`, if that can be one place only.
    fn begin_of_name(&self, head: &[u8], named: &Named) -> Option<usize> {
        let begins = |at: usize, strict: bool| {
            let name = head.get(at..)?;
            let fits = match split(name) {
                Some((code, _)) => !strict || is_plain_code(name.get(code)?),
                None => field_name(name).is_some(),
            };
            fits.then_some(at)
        };
        let blank = head.iter().rposition(u8::is_ascii_whitespace).map(|blank| blank + 1);
        if let Some(place) = blank.max(last_in(head)) {
            return begins(place, false);
        }
        let (item, name) = (self.at(&named.item), self.at(&named.name));
        if item.is_empty() && field_name(name).is_some_and(|(name, _)| name.ends_with("Time")) {
            let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
            return [17, 14].into_iter().filter(|width| *width <= digits).find_map(|width| begins(width, false));
        }
        // Such a mark stands before a code, not before a name of the record.
        let coded = |at: usize| head.get(at..).is_some_and(|name| split(name).is_some());
        let behind = |end: usize| match head.get(end) {
            Some(byte) if JOINS.contains(byte) && coded(end + 1) => end + 1,
            _ => end,
        };
        if matches!(name, b"Flag" | b"EFlag") && !item.is_empty() {
            return begins(behind(1), true).filter(|_| head.first().is_some_and(u8::is_ascii_alphanumeric));
        }
        let number = head.iter().skip(usize::from(head.first() == Some(&b'-')));
        let digits = number.take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let end = digits + usize::from(head.first() == Some(&b'-'));
        let end = behind(end);
        if digits == 0 || !head.get(end).is_some_and(u8::is_ascii_alphabetic) { None } else { begins(end, true) }
    }
}

/// The first place in `range` whose byte is so.
fn find(area: &[u8], range: &Range<usize>, is: impl Fn(u8) -> bool) -> Option<usize> {
    let piece = area.get(range.clone())?;
    piece.iter().position(|byte| is(*byte)).map(|at| range.start + at)
}

/// The first colon, in either width, and how many bytes it has.
fn colon(text: &[u8]) -> Option<(usize, usize)> {
    let plain = memchr::memchr(b':', text).map(|at| (at, 1));
    let wide = memchr::memmem::find(text, "：".as_bytes()).map(|at| (at, 3));
    let gbk = std::str::from_utf8(text).is_err().then(|| memchr::memmem::find(text, b"\xA3\xBA").map(|at| (at, 2)));
    [plain, wide, gbk.flatten()].into_iter().flatten().min()
}

/// Code and name at the last `-`, as the plain reading takes them; `None` if there is no code.
fn with_dash(said: &[u8], base: usize) -> Option<Named> {
    let dash = said.iter().rposition(|byte| *byte == b'-')?;
    let (item, name) = (base..base + dash, base + dash + 1..base + said.len());
    Some(Named { before: 0..0, item, name, odd: false })
}

/// A code of one of the standard's forms: a letter and five digits, a capital and two or three.
fn is_plain_code(code: &[u8]) -> bool {
    match code {
        [letter, digits @ ..] if digits.iter().all(u8::is_ascii_digit) => match digits.len() {
            5 => letter.is_ascii_alphabetic(),
            2 | 3 => letter.is_ascii_uppercase(),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a text can be a code at all.
fn is_code(code: &[u8]) -> bool {
    (1..=CODE_MAX).contains(&code.len())
        && code.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'#'))
}

/// Code and name of a word: at the last `-`, or at a mark in its place, or where a whole code ends; the name one of the standard's.
fn split(word: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let fits = |code: Range<usize>, name: Range<usize>| {
        let known = word.get(name.clone()).is_some_and(is_name) && word.get(code.clone()).is_some_and(is_code);
        known.then_some((code, name))
    };
    if let Some(dash) = word.iter().rposition(|byte| *byte == b'-') {
        let code = word.get(..dash)?.iter().rposition(|byte| *byte != b'-').map_or(0, |last| last + 1);
        return fits(0..code, dash + 1..word.len());
    }
    if let Some(mark) = word.iter().rposition(|byte| matches!(byte, b'_' | b'.' | b':')) {
        return fits(0..mark, mark + 1..word.len());
    }
    fits(0..6, 6..word.len()).filter(|(code, _)| word.get(code.clone()).is_some_and(is_plain_code))
}

/// A name without the characters that nobody sees, with other dashes and wide blanks as `-` and blanks.
fn cleaned(said: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(said.len());
    match std::str::from_utf8(said) {
        Ok(text) => {
            for letter in text.chars() {
                match letter {
                    c if is_unseen(c) => {}
                    '\u{a0}' | '\u{3000}' | '\u{2007}' | '\u{202f}' => out.push(b' '),
                    '－' | '–' | '—' | '−' | '‐' | '‑' => out.push(b'-'),
                    '＿' => out.push(b'_'),
                    c => {
                        let mut room = [0; 4];
                        out.extend_from_slice(c.encode_utf8(&mut room).as_bytes());
                    }
                }
            }
        }
        Err(_) => {
            let mut rest = said;
            while let Some((first, after)) = rest.split_first() {
                (rest, _) = match (first, after) {
                    (0xA1, [0xA1, more @ ..]) => (more, out.push(b' ')),
                    (0xA3, [0xAD, more @ ..]) => (more, out.push(b'-')),
                    (0xA0, more) => (more, out.push(b' ')),
                    (byte, more) => (more, out.push(*byte)),
                };
            }
        }
    }
    out.trim_ascii().to_vec()
}

/// Whether nobody sees a character.
const fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}')
}

/// Without the blanks around its dashes.
fn around_dash(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut pending = 0;
    for byte in text {
        if byte.is_ascii_whitespace() {
            pending += usize::from(out.last() != Some(&b'-'));
            continue;
        }
        if *byte != b'-' {
            out.extend(std::iter::repeat_n(b' ', pending.min(1)));
        }
        pending = 0;
        out.push(*byte);
    }
    out
}

/// Where the last word of a name begins, blanks around dashes not counted.
fn last_word(said: &[u8]) -> usize {
    let blank = |at: usize| {
        let unseen = said.get(at..).is_some_and(|rest| blank_width(rest) > 0);
        let dash = |rest: &[u8]| matches!(rest.first(), Some(b'-'));
        let (before, after) = (said.get(..at).unwrap_or_default(), said.get(at..).unwrap_or_default());
        let after = after.get(blank_width(after)..).unwrap_or_default().trim_ascii_start();
        unseen && !dash(after) && before.trim_ascii_end().last() != Some(&b'-')
    };
    let at = (0..said.len()).rev().find(|at| blank(*at)).unwrap_or(0);
    at + said.get(at..).map_or(0, blank_width)
}

/// How many bytes the blank or unseen character at the front of `text` has; 0: there is none.
fn blank_width(text: &[u8]) -> usize {
    match text {
        [byte, ..] if byte.is_ascii_whitespace() || *byte == 0 => 1,
        [0xC2, 0xA0 | 0xAD, ..] => 2,
        [0xE2, 0x80, 0x87 | 0x8B..=0x8F | 0xAF, ..] | [0xE2, 0x81, 0xA0, ..] => 3,
        [0xE3, 0x80, 0x80, ..] | [0xEF, 0xBB, 0xBF, ..] => 3,
        _ => 0,
    }
}

/// The range without blanks and unseen characters around.
fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (range.start.min(range.end), range.end);
    while start < end {
        match text.get(start..end).map_or(0, blank_width) {
            0 => break,
            width => start = (start + width).min(end),
        }
    }
    while start < end {
        let ends = |width: usize| {
            let at = end.checked_sub(width).filter(|at| *at >= start)?;
            (text.get(at..end).map_or(0, blank_width) == width).then_some(at)
        };
        match [1, 2, 3].into_iter().find_map(ends) {
            Some(at) => end = at,
            None => break,
        }
    }
    start..end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(area: &str) -> (Vec<String>, Vec<String>, Vec<&'static str>) {
        let Some(loose) = read(area.as_bytes()) else { return Default::default() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = loose.fields().map(|f| format!("{}|{}|{}", text(f.item), text(f.name), text(f.value))).collect();
        let unread = loose.unread().map(text).collect();
        let found = loose.deviations(Deviations::NONE).iter().map(Deviation::code).collect();
        (fields, unread, found)
    }

    #[test]
    fn what_has_one_meaning_is_read_so() {
        for (area, field, deviation) in [
            ("w01018-Rtd:20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018-Rtd： 20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018-Rtd 20.1", "w01018|Rtd|20.1", "name-odd"),
            ("PolId:w21003", "|PolId|w21003", "name-odd"),
            ("DataTime:20261130150000", "|DataTime|20261130150000", "name-odd"),
            ("w01018 -Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018 - Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018_Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018.Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018:Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018--Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018—Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018－Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018\u{a0}-Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01\u{200b}018-Rtd=20.1", "w01018|Rtd|20.1", "name-odd"),
            ("w01018-Rtd\u{200b}=20.1\u{a0}", "w01018|Rtd|20.1", ""),
            ("\u{feff}w01018-Rtd=20.1", "w01018|Rtd|20.1", ""),
            ("011_Avg=3", "011|Avg|3", "name-odd"),
        ] {
            let (fields, unread, found) = of(area);
            if deviation.is_empty() {
                continue;
            }
            assert_eq!((fields, unread), (vec![field.to_owned()], vec![]), "{area}");
            assert_eq!(found, [deviation], "{area}");
        }
        for (area, fields) in [
            ("DataTime=20261130150000w01018-Rtd=20.1", ["|DataTime|20261130150000", "w01018|Rtd|20.1"]),
            ("DataTime=20261130150000011-Rtd=20.1", ["|DataTime|20261130150000", "011|Rtd|20.1"]),
            ("w01018-Rtd=20.1w01018-Flag=N", ["w01018|Rtd|20.1", "w01018|Flag|N"]),
            ("w01018-Flag=Nw21003-Rtd=5", ["w01018|Flag|N", "w21003|Rtd|5"]),
            ("w01018-Rtd=20.1 w01018-Flag=N", ["w01018|Rtd|20.1", "w01018|Flag|N"]),
            ("w01018-Rtd=20.1\r\nw01018-Flag=N", ["w01018|Rtd|20.1", "w01018|Flag|N"]),
            ("w01018-Rtd=20.1Flag=N", ["w01018|Rtd|20.1", "w01018|Flag|N"]),
        ] {
            assert_eq!(of(area), (fields.map(str::to_owned).to_vec(), vec![], vec!["separator-lost"]), "{area}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_kept() {
        for (area, fields, unread) in [
            ("hello;w01018-Rtd=1", &["w01018|Rtd|1"][..], &["hello"][..]),
            ("hello world w01018-Rtd=1", &["w01018|Rtd|1"], &["hello world"]),
            ("=33,a34013-Flag=N", &["a34013|Flag|N"], &["=33"]),
            ("w01018-Rtd;w01018-Flag=N", &["w01018|Flag|N"], &["w01018-Rtd"]),
            ("w01018-Flag=N;3.25", &["w01018|Flag|N"], &["3.25"]),
            ("w01018-Rtd=1;5,w01018-Flag=N", &["w01018|Rtd|1;5", "w01018|Flag|N"], &[]),
            ("3.25,a34013-Flag=N", &["a34013|Flag|N"], &["3.25"]),
            ("a:b:c", &[], &["a:b:c"]),
        ] {
            let (read, kept, _) = of(area);
            assert_eq!(
                (read.as_slice(), kept.as_slice()),
                (
                    &fields.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()[..],
                    &unread.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{area}"
            );
        }
        for area in
            ["w01018-Rtd=20.1011-Flag=N", "Model=a=b", "i11001-Info=//a w01018-Rtd=5//", "B01_INLET-Rtd=1", "XYZ_1=5"]
        {
            assert!(read(area.as_bytes()).is_none(), "{area}");
        }
    }

    proptest! {
        #[test]
        fn every_visible_byte_is_accounted_for(
            pieces in proptest::collection::vec(prop_oneof![
                4 => proptest::sample::select(&["w01018-Rtd", "01-Flag", "DataTime", "PolId", "Flag", "_Rtd", " ", "-", ":", "=", "=", ";", ",", "//", "20260601120000", "1.5", "N", "\u{a0}", "\u{200b}", "：", "无"][..]).prop_map(|t| t.as_bytes().to_vec()),
                1 => "[a-zA-Z0-9]{1,7}".prop_map(String::into_bytes),
                1 => proptest::collection::vec(any::<u8>(), 0..4),
            ], 0..24),
        ) {
            let area = pieces.concat();
            let Some(loose) = read(&area) else { return Ok(()) };
            // Each byte that means something stands in a field or in what is unread, as often as it was said.
            let count = |bytes: &[u8], of: u8| bytes.iter().filter(|byte| **byte == of).count();
            let mut all: Vec<u8> = loose.unread().flatten().copied().collect();
            let mut item: &[u8] = &[];
            for field in loose.fields() {
                // The code of a flag without one is that of the item before.
                let lent = matches!(field.name, b"Flag" | b"EFlag") && field.item == item;
                if !lent {
                    all.extend_from_slice(field.item);
                }
                all.extend_from_slice(field.name);
                all.extend_from_slice(field.value);
                item = field.item;
            }
            let lent: usize = 16 * loose.fields.len();
            for byte in (b'0'..=b'9').chain(b'a'..=b'z').chain(b'A'..=b'Z') {
                prop_assert!(count(&all, byte) + lent >= count(&area, byte), "{}", byte as char);
            }
            for word in area.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
                prop_assert!(word.iter().all(|byte| all.contains(byte)), "{:?}", String::from_utf8_lossy(word));
            }
        }
    }
}
