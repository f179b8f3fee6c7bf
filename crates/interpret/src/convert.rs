//! Converted values: a decimal text times a declared multiplier, exact to the last digit.
//!
//! What must stay true: no float is made on the way. A power of ten moves the point and keeps every digit (36.90 × 0.001 is 0.03690);
//! any other multiplier multiplies the digits, and the product is exact unless the registration says how many decimals are
//! wanted: then it is rounded to them, half to even (GB/T 8170-2008, 3.2).

/// The most digits of a multiplier, before and after the point together.
const MULTIPLIER_DIGITS_MAX: usize = 18;

/// What a value is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Multiplier {
    /// The digits, without the point.
    digits: u64,
    /// How many of them stand behind the point.
    decimals: usize,
    /// How many decimals of the product are wanted.
    places: Option<usize>,
}

impl Multiplier {
    /// Reads a positive decimal such as `0.001` or `2.858`.
    pub(super) fn parse(text: &str, places: Option<u8>) -> Option<Multiplier> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let written = whole.len() + fraction.len();
        if whole.is_empty() || written > MULTIPLIER_DIGITS_MAX || (text.contains('.') && fraction.is_empty()) {
            return None;
        }
        let mut digits = 0u64;
        for byte in whole.bytes().chain(fraction.bytes()) {
            digits = digits * 10 + u64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        (digits > 0).then_some(Multiplier { digits, decimals: fraction.len(), places: places.map(usize::from) })
    }

    /// Appends `literal` (a JSON number without exponent) times this.
    pub(super) fn apply(&self, literal: &[u8], out: &mut Vec<u8>) {
        let unsigned = literal.strip_prefix(b"-").unwrap_or(literal);
        if unsigned.len() < literal.len() {
            out.push(b'-');
        }
        let point = unsigned.iter().position(|byte| *byte == b'.').unwrap_or(unsigned.len());
        let fraction = unsigned.len().saturating_sub(point + 1);
        let said = unsigned.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0');
        // The number of zeros behind the one of a power of ten.
        let zeros = self.digits.ilog10();
        let mut digits: Vec<u8> = said.collect();
        let decimals = if self.digits == 10u64.pow(zeros) {
            let up = zeros as usize;
            digits.resize(digits.len() + up.saturating_sub(fraction + self.decimals), 0);
            (fraction + self.decimals).saturating_sub(up)
        } else {
            multiply(&mut digits, self.digits);
            fraction + self.decimals
        };
        let decimals = match self.places {
            Some(places) if places < decimals => {
                round(&mut digits, decimals - places);
                places
            }
            Some(_) | None => decimals,
        };
        write(out, &digits, decimals);
    }
}

/// Multiplies a number written in digits, the highest first.
fn multiply(digits: &mut Vec<u8>, by: u64) {
    let mut carry = 0u128;
    for digit in digits.iter_mut().rev() {
        carry += u128::from(*digit) * u128::from(by);
        // A remainder of ten fits a byte.
        *digit = (carry % 10) as u8;
        carry /= 10;
    }
    prepend(digits, carry);
}

fn prepend(digits: &mut Vec<u8>, mut carry: u128) {
    let mut more = Vec::new();
    while carry > 0 {
        more.push((carry % 10) as u8);
        carry /= 10;
    }
    digits.splice(0..0, more.into_iter().rev());
}

/// Takes the last `off` digits away, half to even.
fn round(digits: &mut Vec<u8>, off: usize) {
    let kept = digits.len().saturating_sub(off);
    if off > digits.len() {
        // Less than a tenth of the last place that is left.
        digits.clear();
        return;
    }
    let gone = digits.split_off(kept);
    let half = [5u8].into_iter().chain(std::iter::repeat(0)).take(gone.len());
    let odd = digits.last().is_some_and(|digit| digit % 2 == 1);
    let up = match gone.iter().copied().cmp(half) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => odd,
        std::cmp::Ordering::Less => false,
    };
    if !up {
        return;
    }
    for digit in digits.iter_mut().rev() {
        *digit += 1;
        if *digit < 10 {
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}

/// Appends digits with the point before the last `decimals` of them, as JSON wants it.
fn write(out: &mut Vec<u8>, digits: &[u8], decimals: usize) {
    let whole = digits.len().saturating_sub(decimals);
    let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
    let leading = whole.iter().take_while(|digit| **digit == 0).count();
    let ascii = |digits: &[u8], out: &mut Vec<u8>| out.extend(digits.iter().map(|digit| b'0' + digit));
    match whole.get(leading..) {
        Some(significant) if !significant.is_empty() => ascii(significant, out),
        _ => out.push(b'0'),
    }
    if decimals > 0 {
        out.push(b'.');
        out.resize(out.len() + decimals - fraction.len(), b'0');
        ascii(fraction, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::is_literal;

    fn times(literal: &str, by: &str, places: Option<u8>) -> String {
        let mut out = Vec::new();
        Multiplier::parse(by, places).unwrap().apply(literal.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn powers_of_ten_move_the_point_and_keep_every_digit() {
        for (said, by, expected) in [
            ("36.90", "0.001", "0.03690"),
            ("36.90", "1000", "36900"),
            ("0.03690", "1000", "36.90"),
            ("-0.5", "0.1", "-0.05"),
            ("0", "1000", "0"),
            ("0.00", "0.001", "0.00000"),
            ("5", "1", "5"),
            ("0.05", "1000", "50"),
            ("12.345", "100", "1234.5"),
            ("1234", "0.01", "12.34"),
            ("234.81002445431", "0.000001", "0.00023481002445431"),
        ] {
            assert_eq!(times(said, by, None), expected, "{said} x {by}");
        }
    }

    #[test]
    fn other_multipliers_are_exact_or_rounded_half_to_even() {
        assert_eq!(times("10.5", "2.858", None), "30.0090");
        assert_eq!(times("10.5", "2.858", Some(2)), "30.01");
        for (said, expected) in [("0.5", "1.2"), ("0.7", "1.8"), ("-0.5", "-1.2"), ("0.01", "0.0"), ("3.99", "10.0")] {
            assert_eq!(times(said, "2.5", Some(1)), expected, "{said}");
        }
        assert_eq!(times("0.001", "2.5", Some(0)), "0");
        assert_eq!(times(&"9".repeat(64), "3", None), format!("2{}7", "9".repeat(63)));
    }

    #[test]
    fn what_is_no_positive_decimal_is_no_multiplier() {
        for text in ["", "0", "0.000", "-1", "+1", "1e3", ".5", "5.", "1,5", "1234567890.123456789"] {
            assert_eq!(Multiplier::parse(text, None), None, "{text}");
        }
    }

    /// The text as digits and decimals, without zeros that say nothing.
    fn normal(text: &str) -> (bool, i32, String) {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
        let trimmed = digits.trim_end_matches('0');
        let decimals = fraction.len() as i32 - (digits.len() - trimmed.len()) as i32;
        let trimmed = trimmed.trim_start_matches('0').to_owned();
        let zero = trimmed.is_empty();
        (!zero && text.starts_with('-'), if zero { 0 } else { decimals }, trimmed)
    }

    proptest! {
        #[test]
        fn a_shift_is_exact_and_can_be_taken_back(said in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?", power in 0u32..=9) {
            let (up, down) = (10u64.pow(power).to_string(), format!("0.{}1", "0".repeat(power as usize)));
            let shifted = times(&said, &up, None);
            prop_assert!(is_literal(shifted.as_bytes()), "{shifted}");
            let (negative, decimals, digits) = normal(&said);
            let moved = if digits.is_empty() { 0 } else { decimals - power as i32 };
            prop_assert_eq!(normal(&shifted), (negative, moved, digits.clone()));
            let lowered = times(&said, &down, None);
            prop_assert!(is_literal(lowered.as_bytes()), "{lowered}");
            let moved = if digits.is_empty() { 0 } else { decimals + power as i32 + 1 };
            prop_assert_eq!(normal(&lowered), (negative, moved, digits));
            prop_assert_eq!(normal(&times(&lowered, &format!("{up}0"), None)), normal(&said));
        }

        #[test]
        fn products_and_their_rounding_agree_with_whole_numbers(
            units in -1_000_000_000_000i64..1_000_000_000_000, by in 1u64..1_000_000_000, places in 0u8..6,
        ) {
            let said = format!("{}{}.{:03}", if units < 0 { "-" } else { "" }, units.abs() / 1000, units.abs() % 1000);
            let by_text = format!("{}.{:04}", by / 10_000, by % 10_000);
            let product = i128::from(units.abs()) * i128::from(by);
            let exact = times(&said, &by_text, None);
            let whole = normal(&exact);
            let expected = format!("{}{}.{:07}", if units < 0 { "-" } else { "" }, product / 10_000_000, product % 10_000_000);
            prop_assert_eq!(whole, normal(&expected));
            let step = 10i128.pow(7 - u32::from(places));
            let (floor, rest) = (product / step, product % step);
            let up = rest * 2 > step || (rest * 2 == step && floor % 2 == 1);
            let rounded = times(&said, &by_text, Some(places)).replace(['.', '-'], "");
            // A power of ten may have fewer decimals than are asked for.
            prop_assume!(by.to_string().trim_end_matches('0') != "1");
            prop_assert_eq!(rounded.parse::<i128>().unwrap(), floor + i128::from(up));
        }
    }
}
