//! What rules are written in: spans of time, parts of a whole, media.

use serde::{Deserialize, Deserializer, de::Error};

use hj212_model::settings::duration;

/// The longest span that a rule may name: a year.
const SPAN_MAX: i64 = 366 * 86_400 * 1_000_000;

/// A span of time of a rule, µs, above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleSpan(pub i64);

impl<'de> Deserialize<'de> for RuleSpan {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let micros = i64::try_from(duration::deserialize(from)?.as_micros()).unwrap_or(i64::MAX);
        if (1..=SPAN_MAX).contains(&micros) {
            return Ok(RuleSpan(micros));
        }
        Err(D::Error::custom("invalid value: a span above 0 and at most a year, as \"4h\""))
    }
}

/// A part of a whole, in millionths: above 0 and at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(pub i64);

impl Fraction {
    /// The whole.
    pub const WHOLE: i64 = 1_000_000;

    /// Whether `part` of `whole` is this share or more.
    pub(super) fn reached(self, part: i64, whole: i64) -> bool {
        whole > 0 && i128::from(part) * i128::from(Self::WHOLE) >= i128::from(whole) * i128::from(self.0)
    }

    /// This share of `value`.
    pub(super) fn of(self, value: i64) -> i64 {
        i64::try_from(i128::from(value) * i128::from(self.0) / i128::from(Self::WHOLE)).unwrap_or(i64::MAX)
    }

    /// In per cent.
    pub(super) fn percent(self) -> String {
        percent(self.0, Self::WHOLE)
    }
}

/// `part` of `whole` in per cent, with a digit after the point where it is not 0.
pub(super) fn percent(part: i64, whole: i64) -> String {
    let tenths = if whole > 0 { (part.saturating_mul(1000) + whole / 2) / whole } else { 0 };
    if tenths % 10 == 0 { format!("{}%", tenths / 10) } else { format!("{}.{}%", tenths / 10, tenths % 10) }
}

impl<'de> Deserialize<'de> for Fraction {
    #[allow(clippy::cast_possible_truncation, reason = "within 0 and 1,000,000")]
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(from)?;
        if !(share > 0.0 && share <= 1.0) {
            return Err(D::Error::custom("invalid value: a part of a whole, above 0 and at most 1, as 0.02"));
        }
        Ok(Fraction((share * 1e6).round() as i64))
    }
}

/// Waste gas or waste water.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadMedium {
    /// Waste gas.
    Gas,
    /// Waste water.
    Water,
}

impl LeadMedium {
    /// The medium of a canonical code.
    pub(super) fn of(code: &str) -> LeadMedium {
        if code.starts_with('w') { LeadMedium::Water } else { LeadMedium::Gas }
    }
}
