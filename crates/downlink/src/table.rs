//! The commands that a host gives, of all three editions, as data: HJ 212-2017, table 9 and annex C; HJ 212-2025, table 12; HJ/T 212-2005.
//!
//! What must stay true: a name stays, requests are written with it; a name and an edition give at most one row.

use hj212::Edition;
use hj212::Edition::{V2005, V2017, V2025};

/// What a parameter's value may be (HJ 212-2017, 6.4 and table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within these bounds.
    Whole(u32, u32),
    /// One of these whole numbers.
    OneOf(&'static [u32]),
    /// `YYYYMMDDhhmmss`, a time of the calendar.
    Time,
    /// `YYYYMMDDhhmmss`; left out: the time at which the command is sent.
    TimeOrNow,
    /// `hhmm`.
    HourMinute,
    /// `hhmmss`.
    HourMinuteSecond,
    /// A code of 1 to 6 letters and digits.
    Code,
    /// One to 16 codes.
    Codes,
    /// `{"PolId":…,"LowValue":…,"UpValue":…}`, one to 16 of them.
    Limits,
    /// One to 24 hours of the day, 0 to 23, rising.
    Hours,
    /// Six letters or digits; never shown.
    Password,
    /// 24 hexadecimal digits in capitals, written as the header's MN.
    NewMn,
    /// An identifier of 1 to 24 letters and digits.
    Identifier,
    /// An address or telephone number of 1 to 20 letters, digits, points and colons.
    Target,
    /// A signed decimal number or 1 to 24 letters, digits, points, `_` and `-`.
    Info,
}

/// A parameter of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in requests.
    pub name: &'static str,
    /// Its name on the wire; `{}` stands for the value of InfoId.
    pub wire: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What stands before it on the wire, unless it is the first.
    pub separator: u8,
}

/// How a station answers (HJ 212-2017, 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// 9011, then 9012.
    Result,
    /// 9011, the data with the command's own CN, then 9012.
    Data,
    /// 9013 alone.
    Notice,
}

/// A command of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Its name in requests.
    pub name: &'static str,
    /// CN.
    pub cn: u16,
    /// The editions in which it is.
    pub editions: &'static [Edition],
    /// Its parameters in their order on the wire.
    pub parameters: &'static [Parameter],
    /// How it is answered.
    pub answers: Answers,
    /// ST, if not the station's own.
    pub st: Option<&'static str>,
    /// The meaning in Chinese.
    pub zh: &'static str,
    /// The meaning in English.
    pub en: &'static str,
}

impl Order {
    /// Whether it is of the control group or concerns access, so that a second request must confirm it.
    #[must_use]
    pub const fn is_control(&self) -> bool {
        matches!(self.cn, 1002 | 1014 | 1072 | 3000..=3999)
    }
}

const fn semi(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, wire: name, kind, required: true, separator: b';' }
}

const fn comma(name: &'static str, kind: Kind) -> Parameter {
    Parameter { separator: b',', ..semi(name, kind) }
}

const fn optional(name: &'static str, kind: Kind) -> Parameter {
    Parameter { required: false, ..semi(name, kind) }
}

const fn written(name: &'static str, wire: &'static str, kind: Kind) -> Parameter {
    Parameter { wire, ..semi(name, kind) }
}

const ALL: &[Edition] = &[V2005, V2017, V2025];
const NEWER: &[Edition] = &[V2017, V2025];
const POL: &[Parameter] = &[semi("PolId", Kind::Code)];
const SPAN: &[Parameter] = &[semi("BeginTime", Kind::Time), semi("EndTime", Kind::Time)];
const SPAN_COMMA: &[Parameter] = &[semi("BeginTime", Kind::Time), comma("EndTime", Kind::Time)];
const TIME: &[Parameter] = &[optional("PolId", Kind::Code), optional("SystemTime", Kind::TimeOrNow)];
const MINUTES: &[u32] = &[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

macro_rules! orders {
    ($( $cn:literal $name:literal $editions:expr, $parameters:expr, $answers:ident $(st $st:literal)?, $zh:literal, $en:literal; )*) => {
        /// Every command of the host, by number.
        pub const ORDERS: &[Order] = &[ $( Order {
            cn: $cn, name: $name, editions: $editions, parameters: $parameters, answers: Answers::$answers,
            st: { #[allow(unused_mut, unused_assignments, reason = "only some rows name an ST")]
                  { let mut st: Option<&'static str> = None; $( st = Some($st); )? st } },
            zh: $zh, en: $en,
        }, )* ];
    };
}

orders! {
    1000 "set-timeouts" &[V2005], &[semi("OverTime", Kind::Whole(1, 99_999)), semi("ReCount", Kind::Whole(1, 99))], Result, "设置超时时间及重发次数", "time-out and resends of the station";
    1000 "set-timeouts" &[V2017], &[semi("OverTime", Kind::Whole(1, 99)), semi("ReCount", Kind::Whole(1, 99))], Result, "设置超时时间及重发次数", "time-out and resends of the station";
    1000 "set-timeouts" &[V2025], &[semi("OverTime", Kind::Whole(0, 99)), semi("ReCount", Kind::Whole(0, 99))], Result, "设置超时时间及重发次数", "time-out and resends of the station";
    1001 "set-alarm-delay" &[V2005], &[semi("WarnTime", Kind::Whole(0, 99_999))], Result, "设置超限报警时间", "delay of alarms";
    1002 "set-mn" &[V2025], &[semi("MN", Kind::NewMn), written("LoggerId", "i23005-Info", Kind::Identifier)], Result, "设置数采仪MN编码", "give the logger its MN";
    1011 "get-time" ALL, &[optional("PolId", Kind::Code)], Data, "提取现场机时间", "read the clock";
    1012 "set-time" ALL, TIME, Result, "设置现场机时间", "set the clock";
    1021 "get-limits" &[V2005], &[semi("PolId", Kind::Codes)], Data, "提取报警门限", "read alarm limits";
    1022 "set-limits" &[V2005], &[semi("Limits", Kind::Limits)], Result, "设置报警门限", "set alarm limits";
    1031 "get-target" &[V2005], &[], Data, "提取上位机地址", "read the host's address";
    1032 "set-target" &[V2005], &[semi("AlarmTarget", Kind::Target)], Result, "设置上位机地址", "set the host's address";
    1041 "get-report-time" &[V2005], &[], Data, "提取数据上报时间", "read the time of the report";
    1042 "set-report-time" &[V2005], &[semi("ReportTime", Kind::HourMinute)], Result, "设置数据上报时间", "set the time of the report";
    1061 "get-realtime-interval" ALL, &[], Data, "提取实时数据间隔", "read the interval of sampled data";
    1062 "set-realtime-interval" ALL, &[semi("RtdInterval", Kind::Whole(30, 3600))], Result, "设置实时数据间隔", "set the interval of sampled data";
    1063 "get-minute-interval" NEWER, &[], Data, "提取分钟数据间隔", "read the interval of minute data";
    1064 "set-minute-interval" NEWER, &[semi("MinInterval", Kind::OneOf(MINUTES))], Result, "设置分钟数据间隔", "set the interval of minute data";
    1072 "set-password" &[V2005], &[written("NewPW", "PW", Kind::Password)], Result, "设置现场机访问密码", "set the password";
    1072 "set-password" NEWER, &[semi("NewPW", Kind::Password)], Result, "设置现场机访问密码", "set the password";
    2011 "start-realtime" ALL, &[], Result, "取污染物实时数据", "start the upload of sampled data";
    // HJ 212-2025, C.39 and C.40: under ST 44 and with a span 2011 asks for a history.
    2011 "get-electricity" &[V2025], SPAN, Data st "44", "取用电监测历史数据", "history of electricity";
    2012 "stop-realtime" ALL, &[], Notice, "停止察看污染物实时数据", "stop the upload of sampled data";
    2013 "get-raw" &[V2025], SPAN, Data, "取原始监测数据", "history of raw results";
    2021 "start-state" ALL, &[], Result, "取设备运行状态数据", "start the upload of equipment states";
    2022 "stop-state" ALL, &[], Notice, "停止察看设备运行状态", "stop the upload of equipment states";
    2031 "get-days" ALL, SPAN, Data, "取污染物日历史数据", "history of days";
    2041 "get-runtimes" ALL, SPAN_COMMA, Data, "取设备运行时间日历史数据", "history of running hours";
    2051 "get-minutes" ALL, SPAN, Data, "取污染物分钟数据", "history of minutes";
    2052 "get-noise" &[V2025], SPAN, Data, "取噪声单次测量数据", "history of noise measurements";
    2061 "get-hours" ALL, SPAN, Data, "取污染物小时数据", "history of hours";
    // HJ 212-2025, C.59 and C.60.
    2062 "get-checks" &[V2025], SPAN, Data, "取自动标样核查数据", "history of standard checks";
    2071 "get-alarms" &[V2005], SPAN_COMMA, Data, "取报警记录", "history of alarms";
    3011 "calibrate" &[V2005, V2017], POL, Result, "零点校准量程校准", "calibrate zero and span";
    3011 "calibrate" &[V2025], &[semi("PolId", Kind::Code), comma("CalibrationType", Kind::Whole(0, 1))], Result, "零点校准量程校准", "calibrate zero (0) or span (1)";
    3012 "sample" ALL, POL, Result, "即时采样", "take a sample now";
    3013 "clean" ALL, POL, Result, "启动清洗/反吹", "clean or blow back";
    3014 "set-sample-hours" &[V2005], &[semi("PolId", Kind::Code), comma("CTime", Kind::Hours)], Result, "设置设备采样时间周期", "set the hours of sampling";
    3014 "compare" &[V2017], POL, Result, "比对采样", "comparison sampling";
    3015 "retain-over-limit" &[V2017], &[], Data, "超标留样", "retain a sample over the limit";
    3016 "set-sample-cycle" &[V2017], &[semi("PolId", Kind::Code), semi("CstartTime", Kind::HourMinuteSecond), semi("CTime", Kind::Whole(1, 24))], Result, "设置采样时间周期", "set the cycle of sampling";
    3017 "get-sample-cycle" &[V2017], POL, Data, "提取采样时间周期", "read the cycle of sampling";
    3018 "get-sample-delay" NEWER, POL, Data, "提取出样时间", "read the time from sample to result";
    3019 "get-serial" NEWER, POL, Data, "提取设备唯一标识", "read the serial number of an instrument";
    3020 "get-log" NEWER, &[semi("PolId", Kind::Code), semi("InfoId", Kind::Code), semi("BeginTime", Kind::Time), comma("EndTime", Kind::Time)], Data, "提取现场机日志", "read the log";
    3020 "get-info" NEWER, &[semi("PolId", Kind::Code), semi("InfoId", Kind::Code)], Data, "提取现场机状态或参数", "read a state or parameter";
    3021 "set-parameter" NEWER, &[semi("PolId", Kind::Code), semi("InfoId", Kind::Code), written("Info", "{}-Info", Kind::Info)], Result, "设置现场机参数", "set a parameter";
    3022 "retain" &[V2025], POL, Result, "下发即时留样任务", "retain a sample now";
    3024 "check" &[V2025], POL, Result, "启动标样核查", "start a standard check";
}

/// The new key (HJ 212-2025, C.8). No request can name it: the gateway makes the key, see [`super::keys`].
pub const SET_KEY: Order = Order {
    name: "set-key",
    cn: 1014,
    editions: &[V2025],
    parameters: &[],
    answers: Answers::Result,
    st: None,
    zh: "上位机下发新密钥",
    en: "give a new key",
};

/// The row of `name` in `edition`.
#[must_use]
pub fn find(name: &str, edition: Edition) -> Option<&'static Order> {
    if name == SET_KEY.name && SET_KEY.editions.contains(&edition) {
        return Some(&SET_KEY);
    }
    ORDERS.iter().find(|order| order.name == name && order.editions.contains(&edition))
}

/// Whether some edition has a command of this name.
#[must_use]
pub fn is_known(name: &str) -> bool {
    ORDERS.iter().any(|order| order.name == name)
}
