//! Parameters of a request to the bytes of a data area. What must stay true: every byte that is written comes from a closed alphabet
//! without separators, so that nothing in a request can end a field, an area or a frame.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::table::{Kind, Order, Parameter};

/// Stands in an area for the time of sending.
pub(super) const NOW: &str = "NOW";

/// The longest area in bytes (HJ 212-2017, 6.3.2, table 3).
pub const AREA_MAX: usize = 950;

/// What the parameters of a request make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Area {
    /// The bytes between `&&` and `&&`; [`NOW`] where the time of sending comes.
    pub(super) text: String,
    /// MN in the header, if not the station's own.
    pub(super) new_mn: Option<String>,
}

/// Writes the area of `order`.
pub(super) fn area(order: &Order, given: &Map<String, Value>) -> Result<Area, Refusal> {
    if given.keys().any(|name| !order.parameters.iter().any(|known| known.name == name)) {
        return Err(Refusal::ParameterUnknown);
    }
    let mut area = Area::default();
    for parameter in order.parameters {
        let value = match given.get(parameter.name) {
            Some(value) => write(parameter.kind, value).ok_or(Refusal::ParameterValue)?,
            None if parameter.kind == Kind::TimeOrNow => NOW.to_owned(),
            None if parameter.required => return Err(Refusal::ParameterMissing),
            None => continue,
        };
        put(&mut area, parameter, value, given);
    }
    if let (Some(begin), Some(end)) = (text(given, "BeginTime"), text(given, "EndTime"))
        && begin > end
    {
        return Err(Refusal::ParameterValue);
    }
    if area.text.len() > AREA_MAX { Err(Refusal::TooLong) } else { Ok(area) }
}

fn text<'a>(given: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    given.get(name)?.as_str()
}

fn put(area: &mut Area, parameter: &Parameter, value: String, given: &Map<String, Value>) {
    if parameter.kind == Kind::NewMn {
        area.new_mn = Some(value);
        return;
    }
    if !area.text.is_empty() {
        area.text.push(char::from(parameter.separator));
    }
    // The parts of a list were written with their names.
    if matches!(parameter.kind, Kind::Codes | Kind::Limits | Kind::Hours) {
        return area.text.push_str(&value);
    }
    let wire = parameter.wire.replace("{}", text(given, "InfoId").unwrap_or_default());
    area.text.push_str(&format!("{wire}={value}"));
}

fn write(kind: Kind, value: &Value) -> Option<String> {
    let text = value.as_str();
    let long = |min: usize, max: usize, fits: fn(u8) -> bool| {
        text.filter(|text| (min..=max).contains(&text.len()) && text.bytes().all(fits)).map(str::to_owned)
    };
    let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
    match kind {
        Kind::Whole(min, max) => number(value).filter(|n| (min..=max).contains(n)).map(|n| n.to_string()),
        Kind::OneOf(list) => number(value).filter(|n| list.contains(n)).map(|n| n.to_string()),
        Kind::Time | Kind::TimeOrNow => text.filter(|text| is_moment(text)).map(str::to_owned),
        Kind::HourMinute => text.filter(|text| is_clock(text, 2)).map(str::to_owned),
        Kind::HourMinuteSecond => text.filter(|text| is_clock(text, 3)).map(str::to_owned),
        Kind::Code => long(1, 6, alphanumeric),
        Kind::Password => long(6, 6, alphanumeric),
        Kind::NewMn => long(24, 24, |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
        Kind::Identifier => long(1, 24, alphanumeric),
        Kind::Target => long(1, 20, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':')),
        Kind::Info => long(1, 24, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')),
        Kind::Codes => each(value, 16, |code| Some(format!("PolId={}", write(Kind::Code, code)?)), ";"),
        Kind::Limits => each(value, 16, limits, ";"),
        Kind::Hours => {
            let hours: Vec<u32> = value.as_array()?.iter().map(number).collect::<Option<_>>()?;
            let rising = hours.is_sorted_by(|a, b| a < b) && hours.iter().all(|hour| *hour < 24);
            let said: Vec<String> = hours.iter().map(|hour| format!("CTime={hour:02}")).collect();
            (rising && !said.is_empty()).then(|| said.join(","))
        }
    }
}

fn each(value: &Value, max: usize, write: impl Fn(&Value) -> Option<String>, between: &str) -> Option<String> {
    let list = value.as_array().filter(|list| (1..=max).contains(&list.len()))?;
    Some(list.iter().map(write).collect::<Option<Vec<_>>>()?.join(between))
}

fn limits(value: &Value) -> Option<String> {
    let given = value.as_object().filter(|given| given.len() == 3)?;
    let code = write(Kind::Code, given.get("PolId")?)?;
    let limit = |name: &str| given.get(name)?.as_str().filter(|text| is_decimal(text));
    Some(format!("{code}-LowValue={},{code}-UpValue={}", limit("LowValue")?, limit("UpValue")?))
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// `N14.2`, as HJ/T 212-2005 writes limits.
fn is_decimal(text: &str) -> bool {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, "0"));
    let digits = |part: &str, max: usize| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    digits(whole, 14) && digits(fraction, 2)
}

/// A time of the calendar, of this or the next century's first years at most.
fn is_moment(text: &str) -> bool {
    let part = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i8>().ok());
    let year = text.get(..4).and_then(|digits| digits.parse::<i16>().ok()).filter(|year| (2000..=2099).contains(year));
    let date = || jiff::civil::Date::new(year?, part(4, 6)?, part(6, 8)?).ok();
    text.len() == 14
        && text.bytes().all(|b| b.is_ascii_digit())
        && date().is_some()
        && is_clock(text.get(8..).unwrap_or_default(), 3)
}

fn is_clock(text: &str, pairs: usize) -> bool {
    let digits = text.len() == pairs * 2 && text.bytes().all(|b| b.is_ascii_digit());
    let below = |at: usize, bound: u8| {
        text.get(at..at + 2).is_none_or(|pair| pair.parse::<u8>().is_ok_and(|number| number < bound))
    };
    digits && below(0, 24) && below(2, 60) && below(4, 60)
}
