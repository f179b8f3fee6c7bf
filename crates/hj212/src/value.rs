//! The texts of the data area: numbers, times, log texts, names of fields.
//!
//! What must stay true: a value's text is never changed here, only judged. HJ 212-2017, table 4 writes numbers as signed decimals
//! without exponent; what is a legal JSON number may be published as it stands.

use std::borrow::Cow;

use super::Deviation;

/// What a value is written like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueForm {
    /// A decimal number as the standard writes it, and a legal JSON number as it stands.
    Number,
    /// A number all the same, but with a plus sign, leading zeros, an exponent or a bare point: no text for JSON as it stands.
    NumberOdd,
    /// A number that stands for "no value": `-9999`, `9999.99` and the like.
    Sentinel,
    /// Nothing.
    Empty,
    /// No number: `--`, `NaN`, a mark, a text.
    Text,
}

impl ValueForm {
    /// The deviation that a measured value of this form is.
    #[must_use]
    pub const fn deviation(self) -> Option<Deviation> {
        match self {
            Self::Number => None,
            Self::NumberOdd => Some(Deviation::ValueForm),
            Self::Sentinel => Some(Deviation::ValueSentinel),
            Self::Empty => Some(Deviation::ValueEmpty),
            Self::Text => Some(Deviation::ValueNotNumber),
        }
    }
}

/// The placeholders of the field; HJ 212-2025, 8.1.1 writes the largest number of a type (9999.99) where a conversion fails.
const SENTINELS: [&[u8]; 10] =
    [b"-9999", b"-9999.0", b"-9999.00", b"-9999.99", b"9999.99", b"-99999", b"-999", b"-999.0", b"-999.9", b"-999.99"];

/// How `value` is written.
#[must_use]
pub fn classify(value: &[u8]) -> ValueForm {
    let (minus, unsigned) = match value {
        [] => return ValueForm::Empty,
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let whole = digits(unsigned);
    let plain = match unsigned.get(whole..) {
        Some([]) => whole > 0,
        Some([b'.', fraction @ ..]) => whole > 0 && !fraction.is_empty() && digits(fraction) == fraction.len(),
        _ => false,
    };
    if !plain {
        return if is_odd_number(value) { ValueForm::NumberOdd } else { ValueForm::Text };
    }
    if whole > 1 && unsigned.first() == Some(&b'0') {
        return ValueForm::NumberOdd;
    }
    // All placeholders are negative or 9999.99: most values need not be compared with them.
    if (minus || whole == 4) && SENTINELS.contains(&value) { ValueForm::Sentinel } else { ValueForm::Number }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A sign, digits with a point anywhere, perhaps an exponent.
#[cold]
fn is_odd_number(value: &[u8]) -> bool {
    let unsigned = match value {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    let whole = digits(unsigned);
    let mut rest = unsigned.get(whole..).unwrap_or_default();
    let mut count = whole;
    if let [b'.', after @ ..] = rest {
        let fraction = digits(after);
        count += fraction;
        rest = after.get(fraction..).unwrap_or_default();
    }
    let exponent_fits = match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    };
    count > 0 && exponent_fits
}

/// Whether `value` is a time as `DataTime` has it: 14 digits, `YYYYMMDDhhmmss`, each part within its range.
#[must_use]
pub fn is_time(value: &[u8]) -> bool {
    let part = |from: usize| {
        let pair = value.get(from..from + 2)?;
        pair.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let within = |from: usize, low: u32, high: u32| part(from).is_some_and(|number| (low..=high).contains(&number));
    value.len() == 14
        && within(0, 0, 99)
        && within(2, 0, 99)
        && within(4, 1, 12)
        && within(6, 1, 31)
        && within(8, 0, 23)
        && within(10, 0, 59)
        && within(12, 0, 59)
}

/// The text between `//` and `//`, as log entries are written (HJ 212-2017, table B.8); `None` if `value` is none.
#[must_use]
pub fn log_text(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"//")?.strip_suffix(b"//")
}

/// `bytes` as text: UTF-8 as the standard says, GB18030 as older stations send, or what can be made of it.
#[must_use]
pub fn text(bytes: &[u8]) -> (Cow<'_, str>, Option<Deviation>) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (Cow::Borrowed(text), None);
    }
    match encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => (text, Some(Deviation::TextGb18030)),
        None => (String::from_utf8_lossy(bytes), Some(Deviation::TextUndecodable)),
    }
}

/// How a field's name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// As in HJ 212-2017, table 4, or in the other editions.
    Standard,
    /// In another case or with a known slip.
    Odd,
}

/// The names of fields in the three editions.
const NAMES: [&str; 54] = [
    "DataTime",
    "Rtd",
    "Min",
    "Avg",
    "Max",
    "Cou",
    "Flag",
    "EFlag",
    "SampleTime",
    "ZsRtd",
    "ZsMin",
    "ZsAvg",
    "ZsMax",
    "RS",
    "RT",
    "Data",
    "DayData",
    "NightData",
    "Info",
    "SN",
    "SystemTime",
    "QnRtn",
    "ExeRtn",
    "RtdInterval",
    "MinInterval",
    "RestartTime",
    "BeginTime",
    "EndTime",
    "PolId",
    "NewPW",
    "OverTime",
    "ReCount",
    "VaseNo",
    "CstartTime",
    "CTime",
    "Stime",
    "InfoId",
    "RawAvg",
    "CompleteTime",
    "SampleType",
    "SampleRd",
    "StandardValue",
    "ResultType",
    "CalibrationType",
    "SKCreateTime",
    "NewSK",
    "WarnTime",
    "AlarmTime",
    "AlarmType",
    "Ala",
    "LowValue",
    "UpValue",
    "AlarmTarget",
    "ReportTime",
];

/// The standard's spelling of a field's name and how near `name` is to it; `None` for a name that is in no edition.
///
/// `Ctime` stands in the table of HJ 212-2017 and `CTime` in its examples: both are the standard's.
#[must_use]
pub fn field_name(name: &[u8]) -> Option<(&'static str, Spelling)> {
    if let Some(known) = NAMES.iter().find(|known| known.as_bytes() == name) {
        return Some((known, Spelling::Standard));
    }
    match name {
        b"Ctime" => return Some(("CTime", Spelling::Standard)),
        b"td" => return Some(("Rtd", Spelling::Odd)),
        _ => {}
    }
    NAMES.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(|known| (*known, Spelling::Odd))
}

/// Whether a name is `DataTime`, in whatever case, with blanks or `_` within, or the word that it looks like (`DateTime`).
#[must_use]
pub fn is_data_time(name: &[u8]) -> bool {
    let letters = || name.iter().filter(|byte| !matches!(byte, b' ' | b'_')).map(u8::to_ascii_lowercase);
    letters().eq(*b"datatime") || letters().eq(*b"datetime")
}

/// Whether a name is `PolId`, in whatever case, with blanks within.
#[must_use]
pub fn is_instrument(name: &[u8]) -> bool {
    name.iter().filter(|byte| **byte != b' ').map(u8::to_ascii_lowercase).eq(*b"polid")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// HJ 212-2017, 6.4 and table 4: numbers are signed decimals without an exponent. HJ 212-2025, 8.1.1: 9999.99 is no measurement.
    #[test]
    fn kind_16_values_are_told_apart_by_how_they_are_written() {
        for number in ["0", "-0", "7", "36.90", "-130.7116", "234.81002445431", "0.5", "9999", "1000.99"] {
            assert_eq!(classify(number.as_bytes()), ValueForm::Number, "{number}");
        }
        for odd in ["+1.5", "007", "-01.5", "1e3", "1.5E-3", ".5", "5.", "00"] {
            assert_eq!(classify(odd.as_bytes()), ValueForm::NumberOdd, "{odd}");
        }
        for sentinel in ["-9999", "9999.99", "-9999.99", "-999.0"] {
            assert_eq!(classify(sentinel.as_bytes()), ValueForm::Sentinel, "{sentinel}");
        }
        for text in ["--", "NaN", "-", ".", "+", "1.2.3", "1,5", "e5", "1e", "N", "0x10", "1 2", "０"] {
            assert_eq!(classify(text.as_bytes()), ValueForm::Text, "{text}");
        }
        assert_eq!(classify(b""), ValueForm::Empty);
        assert_eq!(ValueForm::Empty.deviation(), Some(Deviation::ValueEmpty));
    }

    proptest! {
        #[test]
        fn a_number_is_legal_json_as_it_stands(value in "[-+]?[0-9]{0,4}[.]?[0-9]{0,3}([eE][-+]?[0-9]{0,2})?") {
            let json = serde_json::from_str::<serde_json::Number>(&value).is_ok();
            match classify(value.as_bytes()) {
                ValueForm::Number | ValueForm::Sentinel => prop_assert!(json, "{value}"),
                ValueForm::NumberOdd => prop_assert!(!json || value.contains(['e', 'E']), "{value}"),
                ValueForm::Empty | ValueForm::Text => prop_assert!(!json, "{value}"),
            }
        }
    }

    /// HJ 212-2017, 6.4 and table 4: a time is `YYYYMMDDhhmmss`.
    #[test]
    fn kind_13_a_time_has_fourteen_digits_in_their_ranges() {
        assert!(is_time(b"20160801085857"));
        for no in [
            "",
            "20160801085857223",
            "2016080108585",
            "20161301085857",
            "20160800085857",
            "20160801240000",
            "2016080108585x",
        ] {
            assert!(!is_time(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn kind_20_texts_are_read_as_utf_8_or_gb18030() {
        assert_eq!(text("清洗管路".as_bytes()), ("清洗管路".into(), None));
        let (gbk, ..) = encoding_rs::GBK.encode("清洗管路");
        assert_eq!(text(&gbk), ("清洗管路".into(), Some(Deviation::TextGb18030)));
        assert_eq!(text(b"\xFF\xFF").1, Some(Deviation::TextUndecodable));
        assert_eq!(log_text("//清洗管路//".as_bytes()), Some("清洗管路".as_bytes()));
        assert_eq!(log_text(b"//open"), None);
    }

    /// HJ 212-2017, table 4: the names of fields, capitals included.
    #[test]
    fn kind_17_near_misses_of_names_are_known() {
        assert_eq!(field_name(b"Rtd"), Some(("Rtd", Spelling::Standard)));
        assert_eq!(field_name(b"td"), Some(("Rtd", Spelling::Odd)));
        assert_eq!(field_name(b"Overtime"), Some(("OverTime", Spelling::Odd)));
        assert_eq!(field_name(b"Ctime"), Some(("CTime", Spelling::Standard)));
        assert_eq!(field_name(b"Model"), None);
    }
}
