//! How the areas of parts become one area (HJ 212-2017, 6.3.1): what was cut within an item is put together again.
//!
//! The standard's parts begin with their DataTime and end with a whole item. Loggers that cut by bytes end anywhere, and some of these put the
//! DataTime before each piece all the same. What must stay true:
//! * a piece behind a cut goes on with what stood before if both together are one item of the grammar (`name=value`, the name one of the
//!   standard's, a number a number), and is an item of its own if both are whole;
//! * where neither is so, or a part is missing, nothing is put together: the pieces on both sides are [`Torn`], and a reading in them has
//!   no value that is valid;
//! * a code that may be the rest of another gets no name.

use super::names::is_name;
use super::report::Torn;
use super::value;
use hj212::value::field_name;
use hj212::{Deviation, Deviations};

/// What became of the cuts of an area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seams {
    /// What is odd about them.
    pub(super) found: Deviations,
    /// The pieces that cannot be put together.
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
            let first = first(area.get(head..).unwrap_or_default()).len();
            seams.torn.push(Torn { at: head..head + first, code: true });
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
                self.torn.push(Torn { at: out.len() - last(out).len()..out.len(), code: false });
                out.push(b';');
                self.torn.push(Torn { at: out.len()..out.len() + first(body).len(), code: true });
            }
        }
    }

    /// A part is missing between `out` and `body`, or before it.
    pub(super) fn gap(&mut self, out: &mut Vec<u8>, body: &[u8]) {
        self.ends_open(out);
        let begins = !out.is_empty();
        if begins {
            out.push(b';');
        }
        let instruments = |area: &[u8]| memchr::memmem::find(area, b"PolId").is_some();
        let head = if begins { 0 } else { time_end(body).unwrap_or(0) };
        let first = first(body.get(head..).unwrap_or_default());
        if (instruments(out) || (!begins && instruments(body))) && !first.trim_ascii().starts_with(b"PolId") {
            // What follows may belong to an instrument named in the missing part.
            out.extend_from_slice(b"PolId=;");
        }
        let at = out.len() + head;
        // A flag without a code behind a separator is cut off from its item as well.
        let rest = body.get(head..).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| is_separator(byte) || **byte == b' ').count();
        let next = self::first(rest.get(skipped..).unwrap_or_default());
        // Behind a comma an item goes on.
        let within = rest.get(..skipped).is_some_and(|separators| separators.contains(&b','));
        if skipped > 0 && (within || is_flag_alone(next)) {
            self.torn.push(Torn { at: at + skipped..at + skipped + next.len(), code: true });
        }
        self.torn.push(Torn { at: at..at + first.len(), code: true });
    }

    /// A part is missing behind `out`.
    pub(super) fn ends_open(&mut self, out: &[u8]) {
        // Behind a comma the item goes on.
        let out = out.trim_ascii_end();
        let out = out.strip_suffix(b",").unwrap_or(out);
        let last = last(out);
        let name_end = memchr::memchr(b'=', last).unwrap_or(last.len());
        let (name, value) = last.split_at_checked(name_end).unwrap_or_default();
        // A flag of one letter is whole.
        let whole = name.to_ascii_lowercase().ends_with(b"flag") && value.len() == 2;
        if !last.is_empty() && !whole {
            self.torn.push(Torn { at: out.len() - last.len()..out.len(), code: false });
        }
    }
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
    let name = head.get(..equals)?.iter().filter(|byte| **byte != b' ').map(u8::to_ascii_lowercase);
    name.eq(*b"datatime").then_some(end)
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b';' | b',')
}

/// Whether a piece is a flag that names no code.
fn is_flag_alone(piece: &[u8]) -> bool {
    let name = first_of(piece, b'=').trim_ascii();
    let name = name.strip_prefix(b"-").unwrap_or(name).trim_ascii_start();
    name.eq_ignore_ascii_case(b"Flag") || name.eq_ignore_ascii_case(b"EFlag")
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
