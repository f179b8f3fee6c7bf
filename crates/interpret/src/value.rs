//! What a value's text is: a number that JSON can carry as it stands, a number in another form, or none; and why it is none.
//!
//! HJ 212-2017, 6.3.3.1: numbers are signed decimals of variable width. Nothing is parsed to a float. What must stay true:
//! * a number as the standard has it goes through untouched;
//! * a number in another form that has one meaning (`05.000`, `+1.2`, `.5`, `5.`, `1.0E-2`, full-width digits) is published as that
//!   number, all its digits kept, and the text stands beside it;
//! * what is no number is null with a reason; no part of a text becomes a number (`1,234` is neither 1 nor 1234);
//! * a number that stands for "no value" stays the number that was said and has a reason too; which numbers do is data
//!   (`config/sentinels.csv`), whatever zeros or nines stand behind their point.

use super::table;
use hj212::{Deviation, Deviations};

/// Literals longer than this are no measurement and could overflow what readers of JSON make of a number.
const LITERAL_MAX: usize = 64;

/// Numbers with more digits before the point are no measurement: the largest number of a float (FLT_MAX) printed with `%f` has 39.
const WHOLE_MAX: usize = 20;

/// Exponents beyond these are no measurement; within, a number fits [`LITERAL_MAX`].
const EXPONENT_MAX: i32 = 30;

/// Texts that say that there is no value, in capitals.
const PLACEHOLDERS: &[&[u8]] = &[
    b"ND",
    b"NULL",
    b"(NULL)",
    b"NIL",
    b"N/A",
    b"NA",
    b"NAN",
    b"NONE",
    b"INF",
    b"INFINITY",
    b"UNDEFINED",
    b"INVALID",
    b"ERR",
    b"ERROR",
    b"OVER",
    b"OVERFLOW",
];

/// The same in Chinese, and in characters of full width.
const PLACEHOLDERS_WIDE: &[&str] = &["无", "空", "无效", "无数据", "缺测", "∞"];

/// What stands behind the `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// A legal JSON number.
    Number,
    /// A number in another form: [`normal`] writes it.
    Odd,
    /// Anything else.
    Text,
}

/// Why a value is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// Nothing stands behind the `=`.
    Empty,
    /// A text that says so: `--`, `NaN`, `***`, `null`.
    Placeholder,
    /// Some other text.
    NotNumber,
    /// A comma within: a thousands separator or a decimal comma.
    Comma,
    /// A number too long or too large to be a measurement.
    OutOfRange,
    /// No time that a calendar knows.
    NotTime,
    /// A number that certainly stands for "no value".
    Sentinel,
    /// A number that often does, and can be a measurement.
    SentinelPossible,
    /// The item has a flag and no value.
    NoValue,
    /// The item has two flags that differ.
    FlagsDiffer,
    /// The item has no field that the standard knows as a value, and one that it does not know.
    FieldUnknown,
    /// The record came in parts, and the item was cut where nobody can put it together again.
    PartsCut,
}

impl Why {
    /// As published.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Why::Empty => "empty",
            Why::Placeholder => "placeholder",
            Why::NotNumber => "not-a-number",
            Why::Comma => "comma",
            Why::OutOfRange => "out-of-range",
            Why::NotTime => "not-a-time",
            Why::Sentinel => "sentinel",
            Why::SentinelPossible => "sentinel-possible",
            Why::NoValue => "no-value",
            Why::FlagsDiffer => "flags-differ",
            Why::FieldUnknown => "field-unknown",
            Why::PartsCut => "parts-cut",
        }
    }
}

/// The numbers that stand for "no value" (facts of the field, `config/sentinels.csv`).
#[derive(Debug, Clone, Default)]
pub(super) struct Sentinels {
    /// Without zeros at the end of their decimals; those that end with `*` stand for any number of nines there.
    all: Vec<(Box<[u8]>, Why)>,
}

/// Whether the number `literal`, without zeros at its end, is the sentinel `known`.
fn is_sentinel(known: &[u8], literal: &[u8]) -> bool {
    match known.strip_suffix(b"*").and_then(|known| literal.strip_prefix(known)) {
        Some(rest) => rest.iter().all(|byte| *byte == b'9'),
        None => known == literal,
    }
}

impl Sentinels {
    pub(super) fn new() -> Sentinels {
        let why = |certainty: &str| if certainty == "certain" { Why::Sentinel } else { Why::SentinelPossible };
        let all = table::sentinels().into_iter().map(|row| (row.value.into_bytes().into(), why(&row.certainty)));
        Sentinels { all: all.collect() }
    }

    /// Whether the number `literal` is one.
    #[inline]
    pub(super) fn find(&self, literal: &[u8]) -> Option<Why> {
        // Placeholders are negative, or begin with one of these digits; most values are told by their first two characters.
        match literal {
            [b'-', b'3' | b'9', _, ..] | [b'9', b'9', _, ..] | [b'6', b'5', _, ..] | [b'3', b'2', _, ..] => {}
            [b'-', b'2', _, ..] | [b'2', b'1', _, ..] | [b'4', b'2', _, ..] if literal.len() >= 10 => {}
            _ => return None,
        }
        let trimmed = match literal.iter().position(|byte| *byte == b'.') {
            Some(point) => {
                let zeros = literal.iter().rev().take_while(|byte| **byte == b'0').count();
                let end = literal.len() - zeros;
                literal.get(..if end == point + 1 { point } else { end }).unwrap_or(literal)
            }
            None => literal,
        };
        self.all.iter().find(|(known, _)| is_sentinel(known, trimmed)).map(|(_, why)| *why)
    }
}

/// Classifies `value`: what it is, and if it is none, why.
pub(super) fn classify(value: &[u8]) -> (Said, Option<Why>) {
    if is_literal(value) {
        return if value.len() > WHOLE_MAX && is_huge(value) {
            (Said::Text, Some(Why::OutOfRange))
        } else {
            (Said::Number, None)
        };
    }
    if value.is_empty() {
        return (Said::Text, Some(Why::Empty));
    }
    let mut room = Vec::new();
    match normal(value, &mut room) {
        Ok(()) => (Said::Odd, None),
        Err(why) => (Said::Text, Some(why)),
    }
}

/// The deviation that a value is for this reason.
pub(super) const fn deviation(why: Why) -> Option<Deviation> {
    match why {
        Why::Empty => Some(Deviation::ValueEmpty),
        Why::Placeholder | Why::NotNumber => Some(Deviation::ValueNotNumber),
        Why::Comma => Some(Deviation::ValueComma),
        Why::OutOfRange => Some(Deviation::ValueForm),
        Why::Sentinel | Why::SentinelPossible => Some(Deviation::ValueSentinel),
        Why::NotTime | Why::NoValue | Why::FlagsDiffer | Why::FieldUnknown | Why::PartsCut => None,
    }
}

/// Adds the deviation of `why`.
pub(super) fn note(why: Option<Why>, deviations: &mut Deviations) {
    if let Some(deviation) = why.and_then(deviation) {
        deviations.insert(deviation);
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`
pub(super) fn is_literal(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole == 0 || value.len() > LITERAL_MAX || (whole > 1 && digits.first() == Some(&b'0')) {
        return false;
    }
    match digits.get(whole..) {
        Some([]) => true,
        Some([b'.', fraction @ ..]) => !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Whether a number has more digits before its point than any measurement.
#[cold]
fn is_huge(value: &[u8]) -> bool {
    let digits = value.iter().skip_while(|byte| !matches!(byte, b'1'..=b'9' | b'.'));
    digits.take_while(|byte| byte.is_ascii_digit()).count() > WHOLE_MAX
}

/// Why a text of a factor whose values are text is none, if it is one of those that say so; log text without its `//`.
pub(super) fn absent(value: &[u8]) -> Option<Why> {
    let text = hj212::value::log_text(value).unwrap_or(value).trim_ascii();
    match text {
        [] => Some(Why::Empty),
        _ if text.len() <= LITERAL_MAX && is_placeholder(text) => Some(Why::Placeholder),
        _ => None,
    }
}

/// Appends the number that `value` is, as a JSON literal without exponent; or why it is none.
#[cold]
pub(super) fn normal(value: &[u8], out: &mut Vec<u8>) -> Result<(), Why> {
    let narrow = narrowed(value);
    let text = narrow.as_deref().unwrap_or(value).trim_ascii();
    let (minus, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let whole = unsigned.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = unsigned.split_at_checked(whole).unwrap_or_default();
    let (fraction, rest) = match rest {
        [b'.', after @ ..] => {
            let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
            after.split_at_checked(digits).unwrap_or_default()
        }
        _ => (&[][..], rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(none(text));
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', digits @ ..] => exponent(digits)?,
        _ => return Err(none(text)),
    };
    if value.len() > LITERAL_MAX || exponent.abs() > EXPONENT_MAX || is_huge(text) {
        return Err(Why::OutOfRange);
    }
    // All digits, and how many of them stand before the point.
    let digits = [whole, fraction].concat();
    let before = i32::try_from(whole.len()).unwrap_or(i32::MAX).saturating_add(exponent);
    let digit = |at: i32| usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(b'0');
    if minus {
        out.push(b'-');
    }
    let first = (0..before).find(|at| digit(*at) != b'0').unwrap_or((before - 1).max(0));
    let end = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if before <= 0 {
        out.push(b'0');
    } else {
        out.extend((first..before).map(digit));
    }
    if end > before {
        out.push(b'.');
        out.extend((before..end).map(digit));
    }
    Ok(())
}

/// A signed exponent.
fn exponent(text: &[u8]) -> Result<i32, Why> {
    let (minus, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Why::NotNumber);
    }
    let size = digits.iter().fold(0i32, |n, b| n.saturating_mul(10).saturating_add(i32::from(b - b'0')));
    Ok(if minus { -size } else { size })
}

/// Why a text is no number.
fn none(text: &[u8]) -> Why {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let comma = unsigned.contains(&b',')
        && unsigned.first().is_some_and(u8::is_ascii_digit)
        && unsigned.iter().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.' | b' '));
    if text.is_empty() {
        Why::Empty
    } else if comma {
        Why::Comma
    } else if is_placeholder(text) {
        Why::Placeholder
    } else {
        Why::NotNumber
    }
}

/// Whether a text that is not empty says that there is no value: nothing but marks, a word that says so, or what a C library prints for
/// what is no number (`-nan(ind)`, `1.#QNAN`) and a spreadsheet for what it cannot compute (`#DIV/0!`).
fn is_placeholder(text: &[u8]) -> bool {
    if text.iter().all(|b| matches!(b, b'-' | b'*' | b'?' | b'/' | b'#' | b'.' | b'_')) {
        return true;
    }
    if !text.is_ascii() {
        let narrow = narrowed(text).filter(|narrow| narrow.is_ascii());
        let text = match std::str::from_utf8(text) {
            Ok(text) => std::borrow::Cow::Borrowed(text),
            Err(_) => match encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(text) {
                Some(text) => text,
                None => return false,
            },
        };
        return narrow.is_some_and(|narrow| is_placeholder(&narrow))
            || text.chars().all(|c| matches!(c, '—' | '–' | '－' | '−' | '／' | '＊' | '？'))
            || PLACEHOLDERS_WIDE.contains(&&*text);
    }
    let capitals = text.to_ascii_uppercase();
    let unsigned = capitals.strip_prefix(b"-").or_else(|| capitals.strip_prefix(b"+")).unwrap_or(&capitals);
    let of_msvc = unsigned.get(1..).is_some_and(|rest| rest.starts_with(b".#")) && unsigned.starts_with(b"1");
    let of_sheet = unsigned.starts_with(b"#") && unsigned.get(1).is_some_and(u8::is_ascii_uppercase);
    PLACEHOLDERS.contains(&unsigned) || unsigned.starts_with(b"NAN(") || of_msvc || of_sheet
}

/// `value` with full-width digits and signs in ASCII, in UTF-8 or GBK; `None` if it has none.
pub(super) fn narrowed(value: &[u8]) -> Option<Vec<u8>> {
    if value.is_ascii() || value.len() > 3 * LITERAL_MAX {
        return None;
    }
    let text = match std::str::from_utf8(value) {
        Ok(text) => std::borrow::Cow::Borrowed(text),
        Err(_) => encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(value)?,
    };
    let narrow = |c: char| match c {
        '０'..='９' | '．' | '－' | '＋' | 'ｅ' | 'Ｅ' => {
            char::from_u32(u32::from(c) - u32::from('！') + u32::from('!'))
        }
        c => Some(c),
    };
    Some(text.chars().map(narrow).collect::<Option<String>>()?.into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Result<String, Why> {
        let mut out = Vec::new();
        normal(text.as_bytes(), &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    /// HJ 212-2017, 6.4.
    #[test]
    fn numbers_pass_and_the_rest_is_named() {
        for number in ["0", "-0", "36.90", "-130.7116", "234.81002445431", "100"] {
            assert_eq!(classify(number.as_bytes()), (Said::Number, None), "{number}");
        }
        for (said, why) in [
            ("", Why::Empty),
            (" ", Why::Empty),
            ("--", Why::Placeholder),
            ("-", Why::Placeholder),
            ("NaN", Why::Placeholder),
            ("nan", Why::Placeholder),
            ("***", Why::Placeholder),
            ("ND", Why::Placeholder),
            ("null", Why::Placeholder),
            ("N/A", Why::Placeholder),
            ("inf", Why::Placeholder),
            ("-Infinity", Why::Placeholder),
            ("1.#QNAN", Why::Placeholder),
            ("1.#INF", Why::Placeholder),
            ("-1.#IND00", Why::Placeholder),
            ("-nan(ind)", Why::Placeholder),
            ("#DIV/0!", Why::Placeholder),
            ("——", Why::Placeholder),
            ("无", Why::Placeholder),
            ("1;5", Why::NotNumber),
            ("340282346638528859811704183484516925440.000000", Why::OutOfRange),
            ("-340282346638528859811704183484516925440.000000", Why::OutOfRange),
            ("3.402823e+38", Why::OutOfRange),
            ("St", Why::NotNumber),
            ("1.2.3", Why::NotNumber),
            ("1 2", Why::NotNumber),
            ("1e", Why::NotNumber),
            ("1,234", Why::Comma),
            ("-12,5", Why::Comma),
            ("1e999", Why::OutOfRange),
            (&"9".repeat(65), Why::OutOfRange),
        ] {
            assert_eq!(classify(said.as_bytes()), (Said::Text, Some(why)), "{said}");
        }
    }

    #[test]
    fn numbers_in_other_forms_are_the_number_that_they_are() {
        for (said, wanted) in [
            ("05.000", "5.000"),
            ("00.58", "0.58"),
            ("024.0", "24.0"),
            ("0012.34", "12.34"),
            ("0012.3456", "12.3456"),
            ("-05.0", "-5.0"),
            ("00", "0"),
            ("00000", "0"),
            ("+0.5", "0.5"),
            ("+1.2", "1.2"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.0E-2", "0.010"),
            ("9.5E-4", "0.00095"),
            ("1.25e1", "12.5"),
            ("-1.5E+02", "-150"),
            ("0e5", "0"),
            (" 5.0", "5.0"),
            ("５．０", "5.0"),
            ("－１２", "-12"),
        ] {
            assert_eq!(number(said).as_deref(), Ok(wanted), "{said}");
            assert_eq!(classify(said.as_bytes()).0, Said::Odd, "{said}");
        }
        let (gbk, ..) = encoding_rs::GBK.encode("１２．５");
        let mut out = Vec::new();
        assert_eq!((normal(&gbk, &mut out), out.as_slice()), (Ok(()), &b"12.5"[..]));
    }

    /// HJ 212-2025, 8.1.1: 9999.99 and -9999.99 where a conversion fails.
    #[test]
    fn placeholders_are_known_with_any_number_of_decimals() {
        let sentinels = Sentinels::new();
        for certain in [
            "-9999",
            "-9999.0",
            "-9999.000",
            "-9999.99",
            "-9999.9999",
            "-9999.9",
            "-999",
            "-999.9",
            "-999.999",
            "9999.99",
            "9999.99900",
            "9999.9999",
            "99999",
            "99999.0",
            "99999.99",
            "-99999",
            "-99999.9",
            "999999",
            "4294967295",
            "4294967295.000",
            "2147483647",
            "-2147483648",
        ] {
            assert_eq!(sentinels.find(certain.as_bytes()), Some(Why::Sentinel), "{certain}");
        }
        for possible in
            ["-99", "-99.000000", "-99.999", "999.99", "999.9", "9999.9", "65535", "65535.00", "655.35", "-32768"]
        {
            assert_eq!(sentinels.find(possible.as_bytes()), Some(Why::SentinelPossible), "{possible}");
        }
        for value in [
            "0",
            "0.000",
            "-9",
            "9999",
            "999",
            "9.99",
            "99.99",
            "-99.5",
            "99",
            "65535.5",
            "-0.99",
            "3276.7",
            "6553",
            "9999.989",
            "-9999.98",
            "4294967294",
            "2147483646",
            "21.5",
        ] {
            assert_eq!(sentinels.find(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn another_form_of_a_number_is_the_same_number(
            digits in "[0-9]{0,9}", fraction in "[0-9]{0,9}", sign in "[-+]?", exponent in proptest::option::of(-25i32..25),
        ) {
            let said = match exponent {
                Some(exponent) => format!("{sign}{digits}.{fraction}E{exponent}"),
                None => format!("{sign}{digits}.{fraction}"),
            };
            prop_assume!(!digits.is_empty() || !fraction.is_empty());
            let written = number(&said).unwrap();
            prop_assert!(is_literal(written.as_bytes()), "{said} as {written}");
            let (one, other): (f64, f64) = (said.parse().unwrap(), written.parse().unwrap());
            prop_assert!((one - other).abs() <= one.abs() * 1e-12, "{said} as {written}");
        }

        #[test]
        fn no_text_is_taken_for_a_number_that_a_parser_does_not_take(text in "[0-9+.eE,x -]{0,8}") {
            let parsed = text.trim().parse::<f64>().is_ok();
            let (said, why) = classify(text.as_bytes());
            prop_assert_eq!(said != Said::Text || why == Some(Why::OutOfRange), parsed, "{}", text);
        }
    }
}
