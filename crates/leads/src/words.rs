//! Times and spans of leads, in words.

use hj212_judgement::Decimal;
use hj212_model::message::Timestamp;

/// Microseconds of a minute.
pub(super) const MINUTE: i64 = 60_000_000;

/// `2026-06-01 10:20`
pub(super) fn clock(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// The minute that holds `at`, from 1970.
pub(super) fn minute(at: Timestamp) -> i32 {
    whole(at.0.div_euclid(MINUTE))
}

/// A number that is as large, or as small, as can be if it does not fit.
pub(super) fn whole(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX })
}

/// When a minute begins.
pub(super) fn of_minute(minute: i32) -> Timestamp {
    Timestamp(i64::from(minute).saturating_mul(MINUTE))
}

/// Whole hours and a digit of `minutes`.
pub(super) fn hours(minutes: i64) -> String {
    let tenths = (minutes * 10 + 30).div_euclid(60);
    if tenths % 10 == 0 { format!("{}", tenths / 10) } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

/// A value in millionths of its unit; what is too large is as large as can be.
pub(super) fn micro(value: Decimal) -> i64 {
    let (mantissa, digits) = value.parts();
    let mantissa = i64::from(mantissa);
    match u32::from(digits) {
        digits @ 0..=6 => mantissa.saturating_mul(10_i64.pow(6 - digits)),
        digits => mantissa / 10_i64.pow(digits - 6),
    }
}
