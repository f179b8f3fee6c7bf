//! Separators in other characters: `&` and `&amp;` between items, and `；` `，` `｜` `＝` in full width.
//!
//! HJ 212-2017, 6.3.3 knows `;`, `,` and `=` alone. What else stands where a separator must be is put into these before the area is read.
//! What must stay true: log text (`//…//`) is never touched, and neither is a character within a value: a separator is one only where
//! a `name=` follows it, or where it stands beside another separator; nothing else is changed.

use super::super::{Deviation, Deviations};

/// The longest code or name that is looked for behind a separator.
const NAME_MAX: usize = 32;

/// `area` with its separators as the standard has them, and what was odd; `None` if they are so already, as nearly always.
#[must_use]
pub fn tidied(area: &[u8]) -> Option<(Vec<u8>, Deviations)> {
    // The first bytes of all characters that are looked for: & and the full-width ones in UTF-8 and GBK.
    memchr::memchr3(b'&', 0xEF, 0xA3, area)?;
    rewrite(area)
}

#[cold]
fn rewrite(area: &[u8]) -> Option<(Vec<u8>, Deviations)> {
    let gbk = std::str::from_utf8(area).is_err();
    let mut out = Vec::with_capacity(area.len());
    let mut found = Deviations::NONE;
    // Whether the field at hand has had its `=`.
    let mut named = false;
    let mut at = 0;
    while let Some(rest) = area.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = log_text(rest, gbk).filter(|_| named && out.ends_with(b"=")) {
            out.extend_from_slice(rest.get(..length).unwrap_or_default());
            at += length;
            continue;
        }
        let ampersands = ampersands(rest);
        let after = rest.get(ampersands..).unwrap_or_default();
        if ampersands > 0 {
            let beside = out.is_empty() || ends_with_separator(&out) || matches!(after.first(), Some(b';' | b','));
            if beside || is_name(after, gbk) {
                if !beside {
                    out.push(b';');
                }
                named = false;
                found.insert(Deviation::SeparatorAmpersand);
            } else {
                out.extend_from_slice(rest.get(..ampersands).unwrap_or_default());
            }
            at += ampersands;
            continue;
        }
        if let Some((plain, width)) = full_width(rest, gbk) {
            let behind = rest.get(width..).unwrap_or_default();
            let fits = match plain {
                b'=' => !named && out.last().is_some_and(u8::is_ascii_alphanumeric),
                _ => behind.is_empty() || is_name(behind, gbk) || matches!(behind.first(), Some(b';' | b',' | b'&')),
            };
            if fits {
                out.push(plain);
                named = plain == b'=';
                found.insert(Deviation::SeparatorFullWidth);
                at += width;
                continue;
            }
        }
        let width = width(rest, gbk);
        match rest.first() {
            Some(b'=') => named = true,
            Some(b';' | b',') => named = false,
            _ => {}
        }
        out.extend_from_slice(rest.get(..width).unwrap_or_default());
        at += width;
    }
    (!found.is_empty()).then_some((out, found))
}

fn ends_with_separator(out: &[u8]) -> bool {
    matches!(out.trim_ascii_end().last(), Some(b';' | b','))
}

/// The length of the `&` and `&amp;` at the front of `rest`.
fn ampersands(rest: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let after = rest.get(length..).unwrap_or_default();
        length += match after {
            [b'&', b'a', b'm', b'p', b';', ..] => 5,
            [b'&', ..] => 1,
            _ => return length,
        };
    }
}

/// The separator that the full-width character at the front of `rest` stands for, and its length.
fn full_width(rest: &[u8], gbk: bool) -> Option<(u8, usize)> {
    match (rest, gbk) {
        ([0xEF, 0xBC, 0x9B, ..], false) => Some((b';', 3)),
        ([0xEF, 0xBC, 0x8C, ..], false) => Some((b',', 3)),
        ([0xEF, 0xBC, 0x9D, ..], false) => Some((b'=', 3)),
        ([0xEF, 0xBD, 0x9C, ..], false) => Some((b';', 3)),
        ([0xA3, 0xBB, ..], true) => Some((b';', 2)),
        ([0xA3, 0xAC, ..], true) => Some((b',', 2)),
        ([0xA3, 0xBD, ..], true) => Some((b'=', 2)),
        ([0xA3, 0xFC, ..], true) => Some((b';', 2)),
        _ => None,
    }
}

/// The length of the character at the front of `rest`: two bytes of GBK are not torn apart.
fn width(rest: &[u8], gbk: bool) -> usize {
    match rest {
        [0x81..=0xFE, _, ..] if gbk => 2,
        _ => 1,
    }
}

/// Whether `rest` begins with a field's name and its `=`.
fn is_name(rest: &[u8], gbk: bool) -> bool {
    let rest = rest.trim_ascii_start();
    let length =
        rest.iter().take(NAME_MAX + 1).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let length = length.count();
    let after = rest.get(length..).unwrap_or_default().trim_ascii_start();
    (1..=NAME_MAX).contains(&length)
        && (after.first() == Some(&b'=') || full_width(after, gbk).is_some_and(|(plain, _)| plain == b'='))
}

/// The length of the log text at the front of `rest`: up to the first `//` before a separator or the end.
fn log_text(rest: &[u8], gbk: bool) -> Option<usize> {
    let text = rest.trim_ascii_start();
    let begin = rest.len() - text.len() + 2;
    let body = text.strip_prefix(b"//")?;
    let pairs = memchr::memchr_iter(b'/', body).filter(|at| body.get(at + 1) == Some(&b'/'));
    pairs.map(|at| at + 2).find_map(|after| {
        let behind = body.get(after..)?.trim_ascii_start();
        let ends = matches!(behind.first(), None | Some(b';' | b',' | b'&')) || full_width(behind, gbk).is_some();
        ends.then_some(begin + after)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(area: &str) -> (String, Vec<&'static str>) {
        match tidied(area.as_bytes()) {
            Some((out, found)) => (String::from_utf8(out).unwrap(), found.iter().map(Deviation::code).collect()),
            None => (area.to_owned(), Vec::new()),
        }
    }

    #[test]
    fn ampersands_between_items_are_separators() {
        let ampersand = vec!["separator-ampersand"];
        for (area, wanted) in [
            ("DataTime=20260401101500&w01001-Rtd=7.3", "DataTime=20260401101500;w01001-Rtd=7.3"),
            ("a34001-Flag=N;&&a01001-Min=1.0", "a34001-Flag=N;a01001-Min=1.0"),
            ("a34001-Flag=N&&;a01001-Min=1.0", "a34001-Flag=N;a01001-Min=1.0"),
            ("a34001-Flag=N&amp;&amp;a01001-Min=1.0", "a34001-Flag=N;a01001-Min=1.0"),
            ("a34001-Flag=N;&amp;a01001-Min=1.0", "a34001-Flag=N;a01001-Min=1.0"),
            ("&&DataTime=20260401101500;a-Rtd=1", "DataTime=20260401101500;a-Rtd=1"),
        ] {
            assert_eq!(of(area), (wanted.to_owned(), ampersand.clone()), "{area}");
        }
    }

    #[test]
    fn full_width_separators_and_equals_signs_are_taken_in_both_encodings() {
        let area = "DataTime＝20260401101500；w01018-Rtd＝20.1，w01018-Flag=N";
        let wanted = "DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N";
        assert_eq!(of(area), (wanted.to_owned(), vec!["separator-full-width"]));
        assert_eq!(
            of("a01001-Flag=N｜a01002-Rtd=3"),
            ("a01001-Flag=N;a01002-Rtd=3".into(), vec!["separator-full-width"])
        );
        let (gbk, ..) = encoding_rs::GBK.encode(area);
        assert_eq!(tidied(&gbk).unwrap().0, wanted.as_bytes());
    }

    #[test]
    fn texts_are_left_alone() {
        for area in [
            "i11001-Info=//加热，完成；a&b=c&&w01018-Rtd=3//;i11002-Info=1",
            "i11001-Info=加热，完成",
            "SN=a&b",
            "a21026-Rtd=1&2",
        ] {
            assert_eq!(of(area), (area.to_owned(), vec![]), "{area}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_and_nothing_grows(
            area in proptest::collection::vec(prop_oneof![
                3 => proptest::sample::select(&["&", "&&", "&amp;", "；", "，", "＝", ";", ",", "=", "//", "a01001-Rtd", "7.3", " "][..])
                    .prop_map(|t| t.as_bytes().to_vec()),
                1 => proptest::collection::vec(any::<u8>(), 0..4),
            ], 0..24),
        ) {
            let area = area.concat();
            if let Some((out, found)) = tidied(&area) {
                prop_assert!(!found.is_empty() && out.len() <= area.len());
            }
        }

        #[test]
        fn areas_with_plain_separators_are_never_copied(area in "([aw][0-9]{5}-(Rtd|Flag)=[0-9.N]{0,5}[;,]){0,9}") {
            prop_assert!(tidied(area.as_bytes()).is_none());
        }
    }
}
