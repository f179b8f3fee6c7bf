//! What a command code (命令编码, CN) means, and the name under which such a record is published.
//!
//! One table for the three editions (HJ 212-2017, 6.6.5, table 9; HJ 212-2025, table 12; HJ/T 212-2005). What must stay true: a
//! name, once published, stays: it is a level of a topic. Codes without a known meaning are [`Kind::Other`] and published all
//! the same.

use serde::{Deserialize, Serialize};

/// How the time of a record of some kind is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// DataTime is an instant.
    Instant,
    /// DataTime is the start of a whole number of minutes.
    Minute,
    /// DataTime is the start of five minutes on a five-minute boundary.
    FiveMinutes,
    /// DataTime is the start of an hour.
    Hour,
    /// DataTime is the start of a day.
    Day,
    /// The kind has no DataTime of its own.
    Timeless,
}

macro_rules! kinds {
    ($( $variant:ident, $name:literal, $span:ident, $meaning:literal; )*) => {
        /// What a record is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Kind { $( #[doc = $meaning] $variant, )* }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Kind] = &[ $( Kind::$variant, )* ];
            /// The published name.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( Self::$variant => $name, )* } }
            /// How its time is to be read.
            #[must_use]
            pub const fn span(self) -> Span { match self { $( Self::$variant => Span::$span, )* } }
        }
    };
}

kinds! {
    Realtime, "realtime", Instant, "sampled values";
    Raw, "raw", Instant, "raw results of periodic analysers";
    State, "state", Instant, "states of equipment";
    Day, "day", Day, "values of a day";
    Runtime, "runtime", Day, "running hours of equipment in a day";
    Minute, "minute", Minute, "values of a period of minutes";
    Noise, "noise", Instant, "one noise measurement";
    Hour, "hour", Hour, "values of an hour";
    Check, "check", Instant, "an automatic check with a standard sample";
    Alarms, "alarms", Instant, "alarm records";
    Alarm, "alarm", Instant, "an alarm event";
    Boot, "boot", Instant, "the logger has started";
    Furnace, "furnace", FiveMinutes, "five-minute means of furnace temperatures";
    Sample, "sample", Instant, "a sample retained";
    SampleCycle, "sample-cycle", Timeless, "when and how often samples are taken";
    SampleDelay, "sample-delay", Timeless, "how long a sample takes to its result";
    Serial, "serial", Timeless, "the serial number of an instrument";
    Info, "info", Timeless, "logs, states and parameters of the site";
    Registration, "registration", Timeless, "the logger's hardware, to be registered";
    Time, "time", Timeless, "the clock of the logger or an instrument";
    TimeRequest, "time-request", Timeless, "the logger asks for the time";
    KeyRequest, "key-request", Timeless, "the logger asks for a new key";
    Limits, "limits", Timeless, "alarm limits";
    Target, "target", Timeless, "the address the logger reports to";
    ReportTime, "report-time", Timeless, "the time of day at which the logger reports";
    Interval, "interval", Timeless, "the interval of sampled or minute data";
    Answer, "answer", Timeless, "an answer to a command";
    Heartbeat, "heartbeat", Timeless, "nothing but a sign of life; not published as data";
    Other, "other", Timeless, "a command without a known meaning";
}

/// One command code: its kind, its meaning and where it is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// The code.
    pub cn: u16,
    /// What a record with this code is, when a station sends it.
    pub kind: Kind,
    /// The meaning in Chinese.
    pub zh: &'static str,
    /// The meaning in English.
    pub en: &'static str,
    /// Where it is defined.
    pub clause: &'static str,
}

macro_rules! commands {
    ($( $cn:literal, $kind:ident, $zh:literal, $en:literal, $clause:literal; )*) => {
        /// Every code that stations send with a known meaning, by number.
        pub const COMMANDS: &[Command] =
            &[ $( Command { cn: $cn, kind: Kind::$kind, zh: $zh, en: $en, clause: $clause }, )* ];
    };
}

commands! {
    1001, Registration, "上传数采仪硬件序号", "hardware numbers of the logger", "HJ 212-2025, C.2";
    1011, Time, "上传现场机时间", "time of the logger or an instrument", "HJ 212-2017, C.2";
    1013, TimeRequest, "现场机时间校准请求", "request for the time", "HJ 212-2017, C.4";
    1014, KeyRequest, "现场机获取新密钥", "request for a new key", "HJ 212-2025, C.7";
    1021, Limits, "上传报警门限", "alarm limits", "HJ/T 212-2005";
    1031, Target, "上传上位机地址", "address of the host", "HJ/T 212-2005";
    1041, ReportTime, "上传数据上报时间", "time of day of the report", "HJ/T 212-2005";
    1061, Interval, "上传实时数据间隔", "interval of sampled data", "HJ 212-2017, C.5";
    1063, Interval, "上传分钟数据间隔", "interval of minute data", "HJ 212-2017, C.7";
    2011, Realtime, "上传污染物实时数据", "sampled values", "HJ 212-2017, 6.6.5, table 9";
    2013, Raw, "上传原始监测数据", "raw results of periodic analysers", "HJ 212-2025, C.23";
    2021, State, "上传设备运行状态", "states of equipment", "HJ 212-2017, 6.6.5, table 9";
    2031, Day, "上传污染物日数据", "values of a day", "HJ 212-2017, 6.6.5, table 9";
    2041, Runtime, "上传设备运行时间日数据", "running hours of a day", "HJ 212-2017, 6.6.5, table 9";
    2051, Minute, "上传污染物分钟数据", "values of a period of minutes", "HJ 212-2017, 6.6.5, table 9";
    2052, Noise, "上传噪声单次测量数据", "one noise measurement", "HJ 212-2025, C.34";
    2061, Hour, "上传污染物小时数据", "values of an hour", "HJ 212-2017, 6.6.5, table 9";
    2062, Check, "上传自动标样核查数据", "automatic check with a standard sample", "HJ 212-2025, C.60";
    2071, Alarms, "上传报警记录", "alarm records", "HJ/T 212-2005";
    2072, Alarm, "上传报警事件", "alarm event", "HJ/T 212-2005";
    2081, Boot, "上传数采仪开机时间", "start of the logger", "HJ 212-2017, 6.6.5, table 9";
    2111, Furnace, "上传炉膛温度5 min均值", "five-minute means of furnace temperatures", "HJ 212-2025, C.31";
    3015, Sample, "上传超标留样信息", "a sample retained", "HJ 212-2017, 6.6.5, table 9";
    3017, SampleCycle, "上传采样时间周期", "cycle of sampling", "HJ 212-2017, 6.6.5, table 9";
    3018, SampleDelay, "上传出样时间", "time from sample to result", "HJ 212-2017, 6.6.5, table 9";
    3019, Serial, "上传设备唯一标识", "serial number of an instrument", "HJ 212-2017, 6.6.5, table 9";
    3020, Info, "上传现场机信息", "logs, states and parameters of the site", "HJ 212-2017, 6.6.5, table 9";
    3023, Sample, "上传留样信息", "a sample retained (the number is inferred)", "HJ 212-2025, C.63";
    9011, Answer, "请求应答", "a request is taken or refused", "HJ 212-2017, 6.6.5, table 9";
    9012, Answer, "执行结果", "the result of a request", "HJ 212-2017, 6.6.5, table 9";
    9013, Answer, "通知应答", "a notification is taken", "HJ 212-2017, 6.6.5, table 9";
    9014, Answer, "数据应答", "data is taken", "HJ 212-2017, 6.6.5, table 9";
    9015, Heartbeat, "心跳包", "heartbeat", "HJ 212-2025, C.54";
    9021, Heartbeat, "登录或心跳", "login or heartbeat", "field practice";
}

/// The command `cn`, if its meaning is known.
#[must_use]
pub fn command(cn: u16) -> Option<&'static Command> {
    COMMANDS.binary_search_by_key(&cn, |command| command.cn).ok().and_then(|at| COMMANDS.get(at))
}

impl Kind {
    /// What a record with command code `cn` is.
    #[must_use]
    pub fn of(cn: u16) -> Kind {
        command(cn).map_or(Kind::Other, |command| command.kind)
    }

    /// Whether records of this kind are values of a period.
    #[must_use]
    pub const fn is_period(self) -> bool {
        matches!(self.span(), Span::Minute | Span::FiveMinutes | Span::Hour | Span::Day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_in_the_order_of_their_numbers() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.cn < b.cn));
        assert_eq!(Kind::of(2051), Kind::Minute);
        assert_eq!(Kind::of(4711), Kind::Other);
    }

    /// HJ 212-2017, 6.6.5, table 9.
    #[test]
    fn what_stations_of_2017_send_has_its_kind() {
        for (cn, kind) in [
            (1011, Kind::Time),
            (1013, Kind::TimeRequest),
            (1061, Kind::Interval),
            (1063, Kind::Interval),
            (2011, Kind::Realtime),
            (2021, Kind::State),
            (2031, Kind::Day),
            (2041, Kind::Runtime),
            (2051, Kind::Minute),
            (2061, Kind::Hour),
            (2081, Kind::Boot),
            (3015, Kind::Sample),
            (3017, Kind::SampleCycle),
            (3018, Kind::SampleDelay),
            (3019, Kind::Serial),
            (3020, Kind::Info),
            (9011, Kind::Answer),
            (9012, Kind::Answer),
            (9013, Kind::Answer),
            (9014, Kind::Answer),
        ] {
            assert_eq!(Kind::of(cn), kind, "{cn}");
        }
    }

    /// HJ 212-2025, table 12, C.2, C.7, C.23, C.31, C.34, C.54, C.60 and C.63: what came with it; 3023 is inferred.
    #[test]
    fn what_came_with_2025_has_its_kind() {
        for (cn, kind) in [
            (1001, Kind::Registration),
            (1014, Kind::KeyRequest),
            (2013, Kind::Raw),
            (2052, Kind::Noise),
            (2062, Kind::Check),
            (2111, Kind::Furnace),
            (3023, Kind::Sample),
            (9015, Kind::Heartbeat),
        ] {
            assert_eq!(Kind::of(cn), kind, "{cn}");
        }
    }

    #[test]
    fn names_of_kinds_are_unique_and_fit_a_topic() {
        let mut names = std::collections::HashSet::new();
        for kind in Kind::ALL {
            assert!(names.insert(kind.name()));
            assert!(kind.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }
}
