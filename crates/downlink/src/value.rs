//! Parameters of a request to the bytes of a data area. What must stay true: every byte that is written comes from a closed alphabet
//! without separators, so that nothing in a request can end a field, an area or a frame; what is refused is named with the parameter,
//! its value (never a secret's) and what it must be.

use serde_json::{Map, Value};

use super::refusal::{About, Fault, Refusal};
use super::table::{Kind, Order, Parameter};
use hj212_model::message::Timestamp;

/// Stands in the step of a set-time for the time of sending, behind `SystemTime=` and nowhere else.
const NOW: &str = "NOW";
/// The field that is completed at each sending.
const AT_SENDING: &str = "SystemTime=NOW";

/// The longest area in bytes (HJ 212-2017, 6.3.2, table 3).
pub const AREA_MAX: usize = 950;

/// What the parameters of a request make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Area {
    /// The bytes between `&&` and `&&`; of a set-time without a time, `SystemTime=NOW`.
    pub(super) text: String,
    /// MN in the header, if not the station's own.
    pub(super) new_mn: Option<String>,
}

/// What is sent, and whether it depends on the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// The same whenever it is sent.
    Fixed(String),
    /// The time of each sending stands behind it.
    TimeOfSending(String),
    /// A time that the request gave: wrong soon after it was asked for.
    TimeGiven(String),
}

impl Content {
    /// What the `area` of a step means for `order`. Only a command that sets a clock has a time of sending, and only in its last field:
    /// no other value that reads alike is one.
    pub(super) fn read(order: &Order, area: &str) -> Content {
        if !order.parameters.iter().any(|parameter| parameter.kind == Kind::TimeOrNow) {
            return Self::Fixed(area.to_owned());
        }
        match area.strip_suffix(AT_SENDING).filter(|before| before.is_empty() || before.ends_with(';')) {
            Some(before) => Self::TimeOfSending(format!("{before}SystemTime=")),
            None => Self::TimeGiven(area.to_owned()),
        }
    }

    /// The area as it is sent at this time (14 digits).
    pub(super) fn written(&self, time: &str) -> String {
        match self {
            Self::Fixed(text) | Self::TimeGiven(text) => text.clone(),
            Self::TimeOfSending(before) => format!("{before}{time}"),
        }
    }

    /// The time that the request gave for a clock.
    pub(super) fn given_time(&self) -> Option<Timestamp> {
        let Self::TimeGiven(area) = self else { return None };
        let (_, digits) = area.rsplit_once("SystemTime=")?;
        let millis = super::moment::millis(format!("{digits}000").as_bytes())?;
        Some(Timestamp(millis.saturating_mul(1000)))
    }

    /// The area without the time of sending.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Fixed(text) | Self::TimeGiven(text) | Self::TimeOfSending(text) => text,
        }
    }
}

/// Writes the area of `order`.
pub(super) fn area(order: &Order, given: &Map<String, Value>) -> Result<Area, Fault> {
    if let Some(name) = given.keys().find(|name| !order.parameters.iter().any(|known| known.name == **name)) {
        let known: Vec<&str> = order.parameters.iter().map(|known| known.name).collect();
        let known = if known.is_empty() { "-".to_owned() } else { known.join(", ") };
        let about = About::new(name, None, (format!("可用参数:{known}"), format!("it has: {known}")));
        return Err(Fault { reason: Refusal::ParameterUnknown, about: Some(about) });
    }
    let mut area = Area::default();
    for parameter in order.parameters {
        let value = match given.get(parameter.name) {
            Some(value) => write(parameter.kind, value).ok_or_else(|| {
                let shown = (parameter.kind != Kind::Password).then_some(value);
                fault(Refusal::ParameterValue, parameter, shown)
            })?,
            None if parameter.kind == Kind::TimeOrNow => NOW.to_owned(),
            None if parameter.required => return Err(fault(Refusal::ParameterMissing, parameter, None)),
            None => continue,
        };
        put(&mut area, parameter, value, given);
    }
    if let (Some(begin), Some(end)) = (text(given, "BeginTime"), text(given, "EndTime"))
        && begin > end
    {
        let must = ("不得早于 BeginTime".to_owned(), "not before BeginTime".to_owned());
        let about = About::new("EndTime", given.get("EndTime"), must);
        return Err(Fault { reason: Refusal::ParameterValue, about: Some(about) });
    }
    if area.text.len() > AREA_MAX { Err(Refusal::TooLong.into()) } else { Ok(area) }
}

fn fault(reason: Refusal, parameter: &Parameter, value: Option<&Value>) -> Fault {
    Fault { reason, about: Some(About::new(parameter.name, value, must(parameter.kind))) }
}

/// What a value of this kind must be, in Chinese and in English.
fn must(kind: Kind) -> (String, String) {
    let both = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
    match kind {
        Kind::Whole(min, max) => (format!("{min} 至 {max} 的整数"), format!("a whole number from {min} to {max}")),
        Kind::OneOf(list) => {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            (format!("以下之一:{}", list.join("、")), format!("one of {}", list.join(", ")))
        }
        Kind::Time | Kind::TimeOrNow => {
            both("14 位时间 YYYYMMDDhhmmss(北京时间)", "a time of 14 digits, YYYYMMDDhhmmss (Beijing)")
        }
        Kind::HourMinute => both("4 位时分 hhmm", "four digits, hhmm"),
        Kind::HourMinuteSecond => both("6 位时分秒 hhmmss", "six digits, hhmmss"),
        Kind::Code => both("1 至 6 位字母或数字的编码", "a code of 1 to 6 letters and digits"),
        Kind::Codes => both("1 至 16 个编码的列表", "a list of 1 to 16 codes"),
        Kind::Limits => both(
            "1 至 16 项 {PolId, LowValue, UpValue},数值写成字符串(如 \"9.9\"),且 LowValue 不大于 UpValue",
            "1 to 16 of {PolId, LowValue, UpValue}, the values as strings (\"9.9\"), LowValue not above UpValue",
        ),
        Kind::Hours => both("0 至 23 的整点列表,由小到大", "a rising list of hours from 0 to 23"),
        Kind::Password => both("6 位字母或数字", "six letters or digits"),
        Kind::NewMn => both("24 位大写十六进制数", "24 hexadecimal digits in capitals"),
        Kind::Identifier => both("1 至 24 位字母或数字", "1 to 24 letters and digits"),
        Kind::Target => both("1 至 20 位字母、数字、点或冒号", "1 to 20 letters, digits, points and colons"),
        Kind::Info => {
            both("1 至 24 位字母、数字、点、_ 或 -", "1 to 24 letters, digits, points, underscores and hyphens")
        }
    }
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
    let (low, up) = (limit("LowValue")?, limit("UpValue")?);
    (hundredths(low)? <= hundredths(up)?).then(|| format!("{code}-LowValue={low},{code}-UpValue={up}"))
}

/// What a decimal number of at most two places says, in hundredths.
fn hundredths(text: &str) -> Option<i64> {
    let (negative, plain) = text.strip_prefix('-').map_or((false, text), |plain| (true, plain));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, "0"));
    let number: i64 = format!("{whole}{fraction:0<2}").parse().ok()?;
    Some(if negative { -number } else { number })
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
