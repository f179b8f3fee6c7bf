//! How the areas of parts become one area (HJ 212-2017, 6.3.1): what was cut within an item is put together again.
//!
//! The standard's parts begin with their DataTime and end with a whole item. Loggers that cut by bytes end anywhere, and some of these put the
//! DataTime before each piece all the same. What must stay true:
//! * a piece behind a cut goes on with what stood before if both together are one item of the grammar (`name=value`, the name one of the
//!   standard's, a number a number), and is an item of its own if both are whole;
//! * where neither is so, or a part is missing, nothing is put together: the place is [`Torn`], and [`super::tear`] says what of the
//!   readings beside it may be torn;
//! * what stands behind such a place is given to no instrument named before it.

use super::names::is_name;
use super::report::Torn;
use super::value;
use hj212::value::{field_name, is_data_time, is_instrument};
use hj212::{Deviation, Deviations};

/// What became of the cuts of an area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seams {
    /// What is odd about them.
    pub(super) found: Deviations,
    /// Where pieces cannot be put together.
    pub(super) torn: Vec<Torn>,
}

/// Where an area was cut into two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Between two items, and the separator is gone.
    Between,
    /// At a separator, which is there.
    AtSeparator,
    /// Within an item.
    Within,
    /// Nobody can say.
    Unclear,
}

impl Seams {
    /// The area of one part, published without the others: `front` and `back` say whether parts are missing before and behind it.
    pub(super) fn of_one(area: &[u8], front: bool, back: bool) -> Seams {
        let mut seams = Seams::default();
        let head = time_end(area).unwrap_or(0);
        if front {
            seams.torn.push(Torn { before: 0, behind: head, seen: false });
        }
        if back {
            seams.ends_open(area);
        }
        seams
    }

    /// Puts between `out` and `body` what belongs there.
    pub(super) fn join(&mut self, out: &mut Vec<u8>, body: &[u8]) {
        match cut(out, body) {
            Cut::Between => out.push(b';'),
            Cut::AtSeparator => {}
            Cut::Within => self.found.insert(Deviation::PartsCut),
            Cut::Unclear => {
                self.found.insert(Deviation::PartsCut);
                self.torn.push(Torn { before: out.len(), behind: out.len() + 1, seen: true });
                out.push(b';');
            }
        }
    }

    /// A part is missing between `out` and `body`, or before it; `instruments`: the record names some.
    pub(super) fn gap(&mut self, out: &mut Vec<u8>, body: &[u8], instruments: bool) {
        let before = out.len();
        let head = if before > 0 { 0 } else { time_end(body).unwrap_or(0) };
        let first = first(body.get(head..).unwrap_or_default());
        if before > 0 {
            // A bare number behind one `;` could be taken to the number before it.
            let bare = first.first().is_some_and(u8::is_ascii_digit) && memchr::memchr(b'=', first).is_none();
            out.extend_from_slice(if bare { b";;" } else { b";" });
        }
        if instruments && !is_instrument(first_of(first, b'=').trim_ascii()) {
            // What follows may belong to an instrument named in the missing part.
            out.extend_from_slice(b"PolId=;");
        }
        self.torn.push(Torn { before, behind: out.len() + head, seen: false });
    }

    /// A part is missing behind `out`.
    pub(super) fn ends_open(&mut self, out: &[u8]) {
        self.torn.push(Torn { before: out.len(), behind: out.len(), seen: false });
    }
}

/// Whether a part that is the first by its number may have lost one before it, counted from 0: it has no DataTime, or goes on behind it with
/// what is no whole field under a code that can be no rest of another.
pub(super) fn may_go_on(area: &[u8]) -> bool {
    let Some(head) = time_end(area) else { return true };
    let rest = area.get(head..).unwrap_or_default();
    let first = first(rest).trim_ascii();
    let name = first_of(first, b'=');
    let coded = |name: &[u8]| match name {
        [letter, code @ ..] => {
            let digits = code.iter().take_while(|byte| byte.is_ascii_digit()).count();
            letter.is_ascii_alphabetic() && digits == 5 && code.get(digits) == Some(&b'-')
        }
        [] => false,
    };
    let whole = name.len() < first.len() && (coded(name) || is_instrument(name));
    rest.first() == Some(&b',') || !(first.is_empty() || whole)
}

/// Whether an area names an instrument.
pub(super) fn names_instruments(area: &[u8]) -> bool {
    area.split(is_separator).any(|piece| is_instrument(first_of(piece, b'=')))
}

/// How long the DataTime at the head of an area is with its separator, if it is `time`, in whatever form it was found.
pub(super) fn time_head(area: &[u8], time: &[u8]) -> usize {
    let Some(end) = time_end(area) else { return 0 };
    let head = area.get(..end).unwrap_or_default();
    let value = head.splitn(2, |byte| *byte == b'=').nth(1).unwrap_or_default();
    let value = value.trim_ascii().trim_ascii_end();
    let value = value.strip_suffix(b";").or_else(|| value.strip_suffix(b",")).unwrap_or(value);
    if value.trim_ascii() == time.trim_ascii() { end } else { 0 }
}

/// Where the DataTime at the head of an area ends with its separator.
fn time_end(area: &[u8]) -> Option<usize> {
    let end = memchr::memchr2(b';', b',', area).map_or(area.len(), |separator| separator + 1);
    let head = area.get(..end)?;
    let equals = memchr::memchr(b'=', head)?;
    is_data_time(head.get(..equals)?).then_some(end)
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b';' | b',')
}

/// What stands before the first `mark`.
fn first_of(piece: &[u8], mark: u8) -> &[u8] {
    piece.split(|byte| *byte == mark).next().unwrap_or_default()
}

/// The piece at the front of an area.
fn first(area: &[u8]) -> &[u8] {
    area.split(is_separator).next().unwrap_or_default()
}

/// The piece at the end of an area.
fn last(area: &[u8]) -> &[u8] {
    area.rsplit(is_separator).next().unwrap_or_default()
}

/// Where two parts were cut: a piece without `=` on either side is half an item, and so is log text without its end.
fn cut(before: &[u8], after: &[u8]) -> Cut {
    if log_is_open(before) {
        return Cut::Within;
    }
    if before.last().is_none_or(is_separator) || after.first().is_none_or(is_separator) {
        return Cut::AtSeparator;
    }
    let (front, back) = (last(before), first(after));
    let said = |piece: &[u8]| memchr::memchr(b'=', piece);
    match (said(front), said(back)) {
        (Some(_), Some(_)) => Cut::Between,
        (Some(equals), None) => {
            let (name, value) = (front.get(..equals).unwrap_or_default(), front.get(equals + 1..).unwrap_or_default());
            if goes_on(name, value, back) { Cut::Within } else { Cut::Unclear }
        }
        (None, _) => {
            let whole = [front, back].concat();
            match said(&whole) {
                // More of it may follow in the next part.
                None if back.len() == after.len() => Cut::Within,
                None => Cut::Unclear,
                Some(equals) if is_name_of_standard(whole.get(..equals).unwrap_or_default()) => Cut::Within,
                Some(_) => Cut::Unclear,
            }
        }
    }
}

/// Whether a name is one that the standard has, behind a code or without one.
fn is_name_of_standard(name: &[u8]) -> bool {
    let name = name.trim_ascii();
    match name.iter().rposition(|byte| *byte == b'-') {
        Some(dash) => dash > 0 && name.get(dash + 1..).is_some_and(|field| is_name(field) || field.is_ascii()),
        None => field_name(name).is_some(),
    }
}

/// Whether `more` can be the rest of the value of the field `name`.
fn goes_on(name: &[u8], value: &[u8], more: &[u8]) -> bool {
    if value.is_empty() {
        return true;
    }
    let field = name.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    let is = |wanted: &[u8]| field.eq_ignore_ascii_case(wanted);
    if is(b"Flag") || is(b"EFlag") {
        return false;
    }
    if field.len() == name.len() {
        return !(is(b"DataTime") && value.len() >= 14);
    }
    let whole = [value, more].concat();
    let number = |text: &[u8]| value::classify(text).0 != value::Said::Text;
    // What began as a number goes on as one.
    let begun = number(value) || number(&[value, b"0"].concat());
    !begun || number(&whole) || number(&[whole.as_slice(), b"0"].concat())
}

/// Whether `area` ends within log text (`//…//`).
fn log_is_open(area: &[u8]) -> bool {
    let Some(begin) = memchr::memmem::rfind(area, b"=//") else { return false };
    let text = area.get(begin + 3..).unwrap_or_default();
    let ends = |at: usize| {
        matches!(text.get(at + 2..).unwrap_or_default().trim_ascii_start().first(), None | Some(b';' | b','))
    };
    !memchr::memmem::find_iter(text, b"//").any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_area_was_cut_is_told_by_its_halves() {
        for (before, after, wanted) in [
            ("a21026-Avg=1.1,a21026-Flag=N", "a21002-Avg=2.2", Cut::Between),
            ("a21026-Avg=1.1;", "a21002-Avg=2.2", Cut::AtSeparator),
            ("a21026-Avg=1.1", ",a21026-Flag=N", Cut::AtSeparator),
            ("a21026-Avg=1.1,a21026-Fl", "ag=N;a21002-Avg=2.2", Cut::Within),
            ("a21026-Avg=1", ".1,a21026-Flag=N", Cut::Within),
            ("a21026-Avg=1.", "1,a21026-Flag=N", Cut::Within),
            ("a21026-Avg=-", "1,a21026-Flag=N", Cut::Within),
            ("a21026-Avg", "=1.1,a21026-Flag=N", Cut::Within),
            ("a21026-Avg=", "1.1", Cut::Within),
            ("a21026-Avg=1.1;a2", "1", Cut::Within),
            ("DataTime=202604", "01101500;a21026-Avg=1", Cut::Within),
            ("i11001-Info=//one;a=b", ";c=d//;i12001-Info=1", Cut::Within),
            ("i11001-Info=//one//", "i12001-Info=1", Cut::Between),
            ("i11001-Info=//one/", "/;i12001-Info=1", Cut::Within),
            ("a21026-Flag=N", "3.25,a34013-Flag=N", Cut::Unclear),
            ("a21026-Avg=1.1", "2.5,a34013-Flag=N", Cut::Unclear),
            ("a21026-Avg=1.1", "x,a34013-Flag=N", Cut::Unclear),
            ("a21026-Avg=1.1;xyz", "013,a34013-Flag=N", Cut::Unclear),
            ("DataTime=20260401101500", "3.25,a34013-Flag=N", Cut::Unclear),
        ] {
            assert_eq!(cut(before.as_bytes(), after.as_bytes()), wanted, "{before} | {after}");
        }
    }

    #[test]
    fn the_time_at_the_head_of_a_part_is_no_part_of_what_goes_on() {
        for (area, head) in [
            ("DataTime=20260401101500;3.25", 24),
            ("DATATIME=20260401101500,3.25", 24),
            ("DataTime = 20260401101500 ;3.25", 27),
            ("DataTime=20260401101500", 23),
            ("DataTime=20260401101600;3.25", 0),
            ("a21026-Avg=1;DataTime=20260401101500", 0),
        ] {
            assert_eq!(time_head(area.as_bytes(), b"20260401101500"), head, "{area}");
        }
    }
}
