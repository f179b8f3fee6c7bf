//! Decimals as stations say them, and exact means of them.
//!
//! What must stay true: no binary fraction takes part: 0.1 + 0.2 is 0.3; a mean is a fraction of whole numbers until it is written or
//! rounded, and rounding is that of GB/T 8170 (nearest, a half to the even digit).

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Digits after the point in the unit of sums.
const SCALE: u32 = 9;
/// Digits after the point of the weights of a mean.
const WEIGHT_SCALE: u32 = 6;
/// Digits after the point of a mean as it is published.
const SHOWN: u8 = 6;

/// A decimal number of at most nine digits that count: `mantissa` × 10^-`digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Decimal {
    mantissa: i32,
    digits: u8,
}

impl Decimal {
    /// Reads a decimal. What has more digits than fit is rounded to those that do; `None`: no number, or beyond 2,147,483,647.
    #[must_use]
    pub fn parse(text: &str) -> Option<Decimal> {
        let text = text.trim();
        if text.bytes().any(|byte| matches!(byte, b'e' | b'E')) {
            let value: f64 = text.parse().ok()?;
            return (value.abs() < 1e10).then(|| Decimal::parse(&format!("{value:.9}"))).flatten();
        }
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let part = part.get(..part.len().min(18))?;
        let mut mantissa: i128 = 0;
        for byte in whole.bytes().chain(part.bytes()) {
            if !byte.is_ascii_digit() || mantissa > 10i128.pow(30) {
                return None;
            }
            mantissa = mantissa * 10 + i128::from(byte - b'0');
        }
        let said = u32::try_from(part.len()).ok()?;
        let mut places = said.min(SCALE);
        loop {
            let fitted = div_even(mantissa, 10i128.pow(said - places));
            if let Ok(fits) = i32::try_from(if negative { -fitted } else { fitted }) {
                return Some(Decimal { mantissa: fits, digits: u8::try_from(places).ok()? });
            }
            places = places.checked_sub(1)?;
        }
    }

    /// The mantissa and the digits after the point.
    #[must_use]
    pub const fn parts(self) -> (i32, u8) {
        (self.mantissa, self.digits)
    }

    /// The decimal of these parts; digits beyond nine are nine.
    #[must_use]
    pub const fn of(mantissa: i32, digits: u8) -> Decimal {
        Decimal { mantissa, digits: if digits > 9 { 9 } else { digits } }
    }

    /// In units of 10^-9.
    pub(super) fn nano(self) -> i128 {
        i128::from(self.mantissa) * 10i128.pow(SCALE.saturating_sub(u32::from(self.digits)))
    }

    /// In units of 10^-6, rounded.
    pub(super) fn weight(self) -> i128 {
        div_even(self.nano(), 10i128.pow(SCALE - WEIGHT_SCALE))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(i128::from(self.mantissa), self.digits))
    }
}

/// An exact value: `num / den`, in units of 10^-9. `den` is above 0.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    /// The value of a decimal.
    #[must_use]
    pub fn of(value: Decimal) -> Ratio {
        Ratio { num: value.nano(), den: 1 }
    }

    /// `num / den`; `None` if there is nothing to divide by.
    pub(super) fn new(num: i128, den: i128) -> Option<Ratio> {
        (den > 0).then_some(Ratio { num, den })
    }

    /// In units of 10^-`decimals`, rounded by GB/T 8170.
    #[must_use]
    pub fn rounded(self, decimals: u8) -> i128 {
        let finer = SCALE.saturating_sub(u32::from(decimals));
        div_even(self.num, self.den.saturating_mul(10i128.pow(finer)))
    }

    /// The value that is compared with a limit: rounded to `decimals` digits after the point, or as it is.
    #[must_use]
    pub fn compared(self, decimals: Option<u8>) -> Ratio {
        match decimals.filter(|d| u32::from(*d) <= SCALE) {
            Some(decimals) => {
                let unit = 10i128.pow(SCALE - u32::from(decimals));
                Ratio { num: self.rounded(decimals).saturating_mul(unit), den: 1 }
            }
            None => self,
        }
    }

    /// Whether the value that is compared with `limit` is above it.
    #[must_use]
    pub fn exceeds(self, limit: Decimal, decimals: Option<u8>) -> bool {
        let compared = self.compared(decimals);
        compared.num > limit.nano().saturating_mul(compared.den)
    }

    /// How many times `limit` it is; `None` of a limit of 0.
    #[must_use]
    pub fn times(self, limit: Decimal) -> Option<Ratio> {
        let nano = limit.nano();
        let den = self.den.checked_mul(nano)?;
        Ratio::new(self.num.checked_mul(10i128.pow(SCALE))?, den)
    }

    /// As a text with at most `decimals` digits after the point, without zeros at the end.
    #[must_use]
    pub fn text(self, decimals: u8) -> String {
        let decimals = decimals.min(SHOWN);
        shortened(written(self.rounded(decimals), decimals))
    }

    /// Digits after the point of a number of times: four, or as many more as show that it is above 1.
    fn times_digits(self) -> u8 {
        let above = self.num > self.den.saturating_mul(10i128.pow(SCALE));
        (4..=9).find(|digits| !above || self.rounded(*digits) != 10i128.pow(u32::from(*digits))).unwrap_or(4)
    }

    /// How many times a limit it is, as a text: above 1 if and only if the limit is exceeded.
    #[must_use]
    pub fn times_text(self) -> String {
        let digits = self.times_digits();
        shortened(written(self.rounded(digits), digits))
    }

    /// 超标倍数 (multiple): the same less 1.
    #[must_use]
    pub fn multiple_text(self) -> String {
        let digits = self.times_digits();
        shortened(written(self.rounded(digits) - 10i128.pow(u32::from(digits)), digits))
    }

    /// For conditions of rule files alone, which are inexact anyway.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "conditions compare with numbers of a few digits")]
    pub fn approximate(self) -> f64 {
        self.num as f64 / self.den as f64 / 1e9
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ratio {}
impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.num.checked_mul(other.den), other.num.checked_mul(self.den)) {
            (Some(one), Some(two)) => one.cmp(&two),
            _ => (self.num / self.den).cmp(&(other.num / other.den)),
        }
    }
}

/// `num / den` to the nearest whole number, a half to the even one.
fn div_even(num: i128, den: i128) -> i128 {
    let (down, rest) = (num.div_euclid(den), num.rem_euclid(den));
    match (rest.saturating_mul(2)).cmp(&den) {
        Ordering::Less => down,
        Ordering::Greater => down + 1,
        Ordering::Equal => down + down.rem_euclid(2),
    }
}

/// Without zeros at the end.
fn shortened(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A whole number of 10^-`digits`, as a decimal.
fn written(value: i128, digits: u8) -> String {
    let (sign, all) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
    let digits = usize::from(digits);
    if digits == 0 {
        return format!("{sign}{all}");
    }
    let padded = format!("{all:0>width$}", width = digits + 1);
    let (whole, part) = padded.split_at(padded.len() - digits);
    format!("{sign}{whole}.{part}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_stay_as_they_were_said() {
        for text in ["0", "12.30", "-0.05", "100", "0.000000001", "2147483647", "99999.9999"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "-", ".", "1,2", "NaN", "2147483648", "--", "1e20", "9".repeat(60).as_str()] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::parse("1.25e2").unwrap().nano(), 125_000_000_000);
        assert_eq!(Decimal::parse("12345.678912345").unwrap().to_string(), "12345.67891");
    }

    /// GB/T 8170-2008, 3.2: examples of the text.
    #[test]
    fn rounding_is_that_of_gb_t_8170() {
        for (text, decimals, rounded) in [
            ("12.1498", 0, "12"),
            ("12.1498", 1, "12.1"),
            ("10.5002", 0, "11"),
            ("1.050", 1, "1.0"),
            ("0.35", 1, "0.4"),
            ("2500", 0, "2500"),
            ("0.0325", 3, "0.032"),
            ("-0.365", 2, "-0.36"),
        ] {
            let value = Ratio::of(Decimal::parse(text).unwrap());
            assert_eq!(written(value.rounded(decimals), decimals), rounded, "{text}");
        }
    }

    #[test]
    fn comparison_is_with_the_rounded_value_or_with_all_of_it() {
        let value = |text| Ratio::of(Decimal::parse(text).unwrap());
        let limit = Decimal::parse("80").unwrap();
        assert!(!value("80.5").exceeds(limit, Some(0)), "80.5 is 80: a half goes to the even digit");
        assert!(value("80.51").exceeds(limit, Some(0)));
        assert!(value("80.000001").exceeds(limit, None));
        assert!(!value("80").exceeds(limit, None));
        assert_eq!(value("96").times(limit).unwrap().text(4), "1.2");
        assert_eq!(value("96").times(Decimal::default()), None);
        // The ratio is that of the compared value, and shows whether it is above 1.
        let times = |text: &'static str, limit: &str, decimals| {
            let ratio = value(text).compared(decimals).times(Decimal::parse(limit).unwrap()).unwrap();
            (ratio.times_text(), ratio.multiple_text())
        };
        assert_eq!(times("35.5", "35", Some(0)), ("1.0286".into(), "0.0286".into()));
        assert_eq!(times("50.5", "50", Some(0)).0, "1");
        assert_eq!(times("10.000001", "10", None), ("1.0000001".into(), "0.0000001".into()));
        assert_eq!(times("240", "80", None), ("3".into(), "2".into()));
        assert_eq!(Ratio::new(200_000_000_000, 3).unwrap().text(6), "66.666667");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+0-9.eE ]{0,40}") {
            if let Some(read) = Decimal::parse(&text) {
                let again = Decimal::parse(&read.to_string()).unwrap();
                prop_assert_eq!(again.nano(), read.nano());
            }
        }
    }
}
