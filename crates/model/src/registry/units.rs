//! Conversions as a station's row declares them: from the unit it uses to the one that is to be published.
//!
//! What must stay true: nothing is converted that is not declared, and the multiplier is decided here, once, as a decimal text that
//! goes into the journalled context: a later table of units changes no replay. Units of one quantity that differ by a power of ten are
//! in `config/units.csv`; anything else (ppm to mg/m3, m3/h to m3/s) needs its multiplier in the row.

use serde::Deserialize;

use crate::message::Conversion;

const TABLE: &str = include_str!("../../../../config/units.csv");

/// The most decimals that a product can be rounded to.
const DIGITS_MAX: u8 = 12;
/// The most digits of a multiplier.
const MULTIPLIER_DIGITS_MAX: usize = 18;

/// One value of `convert`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Wanted {
    /// The unit.
    Unit(String),
    /// The unit, and how it is reached.
    Row(Row),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    to: String,
    by: Option<String>,
    digits: Option<u8>,
}

/// The conversion of values in the unit `from`, or the rule that is broken and what to do.
pub(super) fn conversion(wanted: &Wanted, from: Option<&str>) -> Result<Conversion, (String, String)> {
    let (to, by, digits) = match wanted {
        Wanted::Unit(to) => (to, None, None),
        Wanted::Row(row) => (&row.to, row.by.as_ref(), row.digits),
    };
    let Some(from) = from else {
        let rule = "only a factor whose unit is registered in units can be converted".to_owned();
        return Err((
            rule,
            "add the unit that the station really uses to units · 先在 units 中登记站点实际使用的单位".to_owned(),
        ));
    };
    let by = match by {
        Some(by) if is_multiplier(by) => by.clone(),
        Some(by) => {
            let rule = format!("by = {by:?} must be a positive decimal of at most {MULTIPLIER_DIGITS_MAX} digits");
            return Err((
                rule,
                "write it in quotes, without sign and exponent, as \"2.858\" · 加引号,不带正负号和指数".to_owned(),
            ));
        }
        None if digits.is_some() => {
            let rule = "digits needs by: moving the point rounds nothing".to_owned();
            return Err((rule, "leave digits out, or write by · 删去 digits,或写 by".to_owned()));
        }
        None => power(from, to).ok_or_else(|| {
            let rule = format!("no power of ten is known from {from:?} to {to:?}");
            (rule, format!("write {{ to = {to:?}, by = \"…\", digits = … }} with the multiplier · 写明换算系数 by"))
        })?,
    };
    if digits.is_some_and(|digits| digits > DIGITS_MAX) {
        return Err((
            format!("digits must be 0 to {DIGITS_MAX}"),
            "leave it out to keep the exact product · 删去则保留精确值".to_owned(),
        ));
    }
    Ok(Conversion { to: to.clone(), by, digits })
}

fn is_multiplier(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    digits(whole)
        && digits(fraction)
        && count <= MULTIPLIER_DIGITS_MAX
        && text.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

/// `0.001` from `ug/m3` to `mg/m3`.
fn power(from: &str, to: &str) -> Option<String> {
    let find = |unit: &str| {
        TABLE.lines().skip(1).find_map(|line| {
            let mut columns = line.split(',');
            let (known, quantity, power) = (columns.next()?, columns.next()?, columns.next()?);
            (known == unit).then_some((quantity, power.parse::<i32>().ok()?))
        })
    };
    let ((quantity, here), (other, there)) = (find(from)?, find(to)?);
    let zeros = usize::try_from((here - there).unsigned_abs()).ok().filter(|zeros| *zeros < MULTIPLIER_DIGITS_MAX)?;
    if quantity != other {
        return None;
    }
    Some(if here >= there { format!("1{}", "0".repeat(zeros)) } else { format!("0.{}1", "0".repeat(zeros - 1)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_unit_once_with_a_quantity_and_a_power() {
        let mut seen = std::collections::BTreeSet::new();
        for line in TABLE.lines().skip(1) {
            let columns: Vec<&str> = line.split(',').collect();
            assert!(columns.len() == 3 && columns[2].parse::<i32>().is_ok() && seen.insert(columns[0]), "{line}");
        }
    }

    #[test]
    fn powers_are_those_of_the_prefixes() {
        let by = |from, to| power(from, to);
        assert_eq!(by("ug/m3", "mg/m3").as_deref(), Some("0.001"));
        assert_eq!(by("mg/m3", "ng/m3").as_deref(), Some("1000000"));
        assert_eq!(by("kPa", "hPa").as_deref(), Some("10"));
        assert_eq!(by("mg/L", "mg/L").as_deref(), Some("1"));
        assert_eq!(by("mg/L", "mg/m3"), None, "another quantity");
        assert_eq!(by("m3/h", "m3/s"), None, "no power of ten");
        assert_eq!(by("小时", "s"), None);
    }
}
