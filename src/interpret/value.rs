//! What a value's text is: a number that JSON can carry as it stands, or not.
//!
//! HJ 212-2017, 6.3.3.1: numbers are signed decimals of variable width. The text goes through untouched if JSON knows it as a
//! number and every reader can hold it; otherwise the field is null and the text stands beside it. Nothing is parsed to a float.

use crate::protocol::{Deviation, Deviations};

/// Literals longer than this are no measurement and could overflow what readers of JSON make of a number.
const LITERAL_MAX: usize = 64;

/// What is sent in place of a value by various makes (fact of the field, not of the standard).
const SENTINELS: &[&[u8]] =
    &[b"-9999", b"-9999.0", b"-9999.00", b"-9999.99", b"9999.99", b"99999", b"99999.99", b"-99999", b"-999", b"-999.0"];

/// What stands behind the `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// A legal JSON number.
    Number,
    /// Anything else.
    Text,
}

/// Classifies `value`, and names what is odd about it.
pub(super) fn classify(value: &[u8], deviations: &mut Deviations) -> Said {
    if is_literal(value) {
        if value.len() >= 4 && matches!(value, [b'-' | b'9', b'9', ..]) && SENTINELS.contains(&value) {
            deviations.insert(Deviation::ValueSentinel);
        }
        return Said::Number;
    }
    deviations.insert(if value.is_empty() {
        Deviation::ValueEmpty
    } else if is_odd_number(value) {
        Deviation::ValueForm
    } else {
        Deviation::ValueNotNumber
    });
    Said::Text
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

/// A number in a form that JSON does not know or that overflows: `+1`, `007`, `.5`, `5.`, `1e9`.
fn is_odd_number(value: &[u8]) -> bool {
    value.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'))
        && value.iter().any(u8::is_ascii_digit)
        && std::str::from_utf8(value).is_ok_and(|text| text.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Said, Vec<&'static str>) {
        let mut deviations = Deviations::NONE;
        let said = classify(text.as_bytes(), &mut deviations);
        (said, deviations.iter().map(Deviation::code).collect())
    }

    #[test]
    fn numbers_pass_and_the_rest_is_named() {
        for number in ["0", "-0", "36.90", "-130.7116", "234.81002445431", "100"] {
            assert_eq!(of(number), (Said::Number, vec![]), "{number}");
        }
        assert_eq!(of("-9999.99"), (Said::Number, vec!["value-sentinel"]));
        assert_eq!(of(""), (Said::Text, vec!["value-empty"]));
        for odd in ["+1.5", "007", ".5", "5.", "1e999", "1E3", &"9".repeat(65)] {
            assert_eq!(of(odd), (Said::Text, vec!["value-form"]), "{odd}");
        }
        for no in ["--", "NaN", "St", "-", "1.2.3", "inf", "1 2"] {
            assert_eq!(of(no), (Said::Text, vec!["value-not-number"]), "{no}");
        }
    }
}
