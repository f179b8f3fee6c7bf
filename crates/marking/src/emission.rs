//! Emission limits of a station, and the runs above them: evidence for marks that begin just after.
//!
//! What must stay true: a limit is compared with values of its own period and basis alone, rounded to its own decimals by GB/T 8170 (half to
//! even) for the comparison; the value itself stays as it was said. Limits of the plain table have neither: the finest data of the code,
//! converted if the station says that.

use serde::{Deserialize, Serialize};

use super::calendar;
use super::rules::Dates;
use super::verdict::Reading;
use hj212_model::message::EmissionLimit;

/// A limit, ready to be compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limited {
    pub(super) max: f64,
    /// As registered.
    pub(super) text: String,
    /// The level of data it is about: 0 sampled, 1 minutes, 2 hours, 3 days; `None`: the finest.
    pub(super) rank: Option<u8>,
    /// Whether of the converted value, or of the measured one; `None`: of the converted one if there is one.
    pub(super) converted: Option<bool>,
    pub(super) decimals: Option<u8>,
    pub(super) dates: Dates,
    pub(super) name: String,
}

impl Limited {
    pub(super) fn new(limit: &EmissionLimit) -> Option<Limited> {
        let rank = match limit.of.as_str() {
            "sample" => Some(0),
            "minute" => Some(1),
            "hour" => Some(2),
            "day" => Some(3),
            _ => None,
        };
        let converted = match limit.basis.as_str() {
            "converted" => Some(true),
            "measured" => Some(false),
            _ => None,
        };
        let day = |text: &Option<String>| text.as_deref().and_then(calendar::day);
        let dates = Dates { from: day(&limit.from).unwrap_or(i64::MIN), until: day(&limit.until).unwrap_or(i64::MAX) };
        Some(Limited {
            max: limit.max.parse().ok()?,
            text: limit.max.clone(),
            rank,
            converted,
            decimals: limit.decimals,
            dates,
            name: limit.name.clone(),
        })
    }

    /// The value that is compared, if it is above the limit.
    pub(super) fn exceeded<'r>(&self, reading: &Reading<'r>) -> Option<&'r str> {
        let numeric = |text: &&str| text.parse::<f64>().is_ok();
        let text = match self.converted {
            Some(true) => reading.judged.filter(numeric)?,
            Some(false) => reading.text,
            None => reading.judged.filter(numeric).unwrap_or(reading.text),
        };
        let value = match self.decimals {
            Some(decimals) => rounded(text, decimals)?,
            None => text.parse().ok()?,
        };
        (value > self.max).then_some(text)
    }
}

/// A run of values above a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Above {
    pub(super) first: i64,
    pub(super) last: i64,
    /// The last value above it, verbatim.
    pub(super) value: String,
    pub(super) limit: String,
    /// What the limit is called; empty: it has no name.
    pub(super) name: String,
}

/// A decimal rounded to so many digits after the point, half to even (GB/T 8170-2008).
fn rounded(text: &str, decimals: u8) -> Option<f64> {
    let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let plain = text.trim_start_matches(['-', '+']);
    let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
    let decimals = usize::from(decimals);
    let digits = whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
    if !digits || part.len() <= decimals || whole.len() + decimals > 15 {
        return Some(value);
    }
    let (kept, rest) = part.split_at(decimals);
    let mut number: i64 = format!("0{whole}{kept}").parse().ok()?;
    let half = rest.starts_with('5') && rest.bytes().skip(1).all(|byte| byte == b'0');
    let up = if half { number % 2 == 1 } else { rest.as_bytes().first().is_some_and(|byte| *byte >= b'5') };
    number += i64::from(up);
    let rounded = number as f64 / 10f64.powi(i32::try_from(decimals).ok()?);
    Some(if text.starts_with('-') { -rounded } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_digit() {
        // The examples of GB/T 8170-2008, 3.2: 12.1498 → 12.1, 10.502 → 11 (whole), 1.050 → 1.0, 0.35 → 0.4, 2.5 → 2, 3.5 → 4.
        for (text, decimals, wanted) in [
            ("12.1498", 1, 12.1),
            ("12.1498", 0, 12.0),
            ("10.502", 0, 11.0),
            ("1.050", 1, 1.0),
            ("0.35", 1, 0.4),
            ("2.5", 0, 2.0),
            ("3.5", 0, 4.0),
            ("80.5", 0, 80.0),
            ("80.51", 0, 81.0),
            ("-0.35", 1, -0.4),
            ("80", 1, 80.0),
        ] {
            assert_eq!(rounded(text, decimals), Some(wanted), "{text} to {decimals}");
        }
        assert_eq!(rounded("x", 1), None);
    }
}
