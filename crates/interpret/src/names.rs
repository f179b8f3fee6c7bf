//! The names of an item's fields: those of the standard, and how others are published.
//!
//! What must stay true: a name of the standard has one published name and one class, in whatever case it is said; a station's own name never
//! takes the place of one that a published reading has of itself.

use super::codes::pack;

/// How the value of a field is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A number.
    Number,
    /// The station's mark of the item (xxx-Flag).
    Flag,
    /// A time of 14 digits.
    Time,
    /// Text as it is.
    Text,
    /// Whatever the factor's values are.
    ByFactor,
}

/// A field name of the standard (HJ 212-2017, 6.3.3, table 4; HJ 212-2025, HJ/T 212-2005) and its published name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    said: &'static str,
    /// As published.
    pub(super) snake: &'static str,
    /// `,"zs_rtd":`, ready to be copied.
    pub(super) key: &'static [u8],
    pub(super) class: Class,
}

macro_rules! names {
    ($( $said:literal, $snake:literal, $class:ident; )*) => {
        pub(super) const NAMES: &[Name] = &[ $( Name {
            said: $said, snake: $snake, key: concat!(",\"", $snake, "\":").as_bytes(), class: Class::$class,
        }, )* ];
    };
}

names! {
    "Rtd", "rtd", ByFactor;
    "Flag", "flag", Flag;
    "Avg", "avg", Number;
    "Min", "min", Number;
    "Max", "max", Number;
    "Cou", "cou", Number;
    "ZsRtd", "zs_rtd", Number;
    "ZsAvg", "zs_avg", Number;
    "ZsMin", "zs_min", Number;
    "ZsMax", "zs_max", Number;
    "ZsCou", "zs_cou", Number;
    "EFlag", "eflag", Text;
    "Data", "data", Number;
    "DayData", "day_data", Number;
    "NightData", "night_data", Number;
    "RS", "rs", Number;
    "RT", "rt", Number;
    "Ala", "ala", Number;
    "Info", "info", ByFactor;
    "SN", "sn", Text;
    "SampleTime", "sample_time", Time;
    "CompleteTime", "complete_time", Time;
    "WaterTime", "water_time", Time;
    "SampleType", "sample_type", Text;
    "RawAvg", "raw_avg", Number;
    "SampleRd", "sample_rd", Number;
    "StandardValue", "standard_value", Number;
    "ResultType", "result_type", Number;
    "AlarmType", "alarm_type", Number;
    "LowValue", "low_value", Number;
    "UpValue", "up_value", Number;
    "ValidNum", "valid_num", Number;
    "TotalNum", "total_num", Number;
}

// One bit each in a `u64`.
const _: () = assert!(NAMES.len() <= 64);

/// The bits of the names of marks in [`Reading::met`].
pub(super) const FLAGS: u64 = {
    let (mut bits, mut at) = (0, 0);
    while at < NAMES.len() {
        if matches!(NAMES[at].class, Class::Flag) || matches!(NAMES[at].snake.as_bytes(), b"eflag") {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
};

/// The bits of the names of converted values.
pub(super) const CONVERTED: u64 = {
    let (mut bits, mut at) = (0, 0);
    while at < NAMES.len() {
        if matches!(NAMES[at].snake.as_bytes(), [b'z', b's', b'_', ..]) {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
};

impl Name {
    /// Whether it is the value that the item is about: what is sampled, the mean, a state.
    pub(super) fn is_main(&self) -> bool {
        matches!(self.snake, "rtd" | "avg" | "info" | "rs" | "data" | "sample_rd")
    }

    /// Whether it is a value at all: not the kind or a limit of one, nor how many there were.
    pub(super) fn is_value(&self) -> bool {
        matches!(self.class, Class::Number | Class::ByFactor)
            && !matches!(
                self.snake,
                "result_type" | "alarm_type" | "valid_num" | "total_num" | "standard_value" | "low_value" | "up_value"
            )
    }

    /// Whether its values may be text without anything being odd: a log, a state in words.
    pub(super) fn may_be_text(&self) -> bool {
        self.snake == "info"
    }

    /// Whether values of this name are in the unit of the factor: not sums (another unit), states, counts and texts.
    pub(super) fn has_unit(&self) -> bool {
        matches!(self.class, Class::Number | Class::ByFactor)
            && !matches!(
                self.snake,
                "cou" | "zs_cou" | "rs" | "rt" | "info" | "result_type" | "alarm_type" | "valid_num" | "total_num"
            )
    }
}

/// The names of up to eight bytes, packed; longer ones are 0, which no name is packed to but the empty one.
const PACKED: [u64; NAMES.len()] = {
    let mut packed = [0; NAMES.len()];
    let mut at = 0;
    while at < NAMES.len() {
        if let Some(name) = pack(NAMES[at].said.as_bytes()) {
            packed[at] = name;
        }
        at += 1;
    }
    packed
};

/// The index of the standard's name `said`, and whether it is spelled as in the standard.
pub(super) fn known(said: &[u8]) -> Option<(u8, bool)> {
    let index = match pack(said) {
        Some(packed) if packed != 0 => PACKED.iter().position(|name| *name == packed),
        Some(_) => None,
        None => NAMES.iter().position(|name| name.said.as_bytes() == said),
    };
    let (index, exact) = match index {
        Some(index) => (index, true),
        None if said.eq_ignore_ascii_case(b"td") => (0, false),
        None => (NAMES.iter().position(|name| name.said.as_bytes().eq_ignore_ascii_case(said))?, false),
    };
    Some((u8::try_from(index).ok()?, exact))
}

/// Whether `said` is a name of a field of an item.
pub(super) fn is_name(said: &[u8]) -> bool {
    known(said).is_some()
}

/// Whether two names without a known meaning are published under the same name.
pub(super) fn same_snake(one: &[u8], other: &[u8]) -> bool {
    one == other || snake(one).eq(snake(other))
}

/// `name` in lower case with `_` where a word begins: `RtdInterval` is `rtd_interval`, `SKCreateTime` is `sk_create_time`, `CTime` is
/// `ctime`. Bytes that are no ASCII stay.
pub(super) fn snake(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().enumerate().flat_map(move |(at, byte)| {
        let before = |back: usize| at.checked_sub(back).and_then(|at| name.get(at));
        let upper = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_uppercase);
        let word_ended = before(1).is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let letters_ended =
            upper(before(1)) && upper(before(2)) && name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        let begins = byte.is_ascii_uppercase() && (word_ended || letters_ended);
        begins.then_some(b'_').into_iter().chain([byte.to_ascii_lowercase()])
    })
}

/// Names that a published reading has of itself: a station's own field of that name is prefixed.
const RESERVED: &[&[u8]] = &[
    b"name",
    b"unit",
    b"text",
    b"earlier",
    b"valid",
    b"marks",
    b"reported",
    b"reported_code",
    b"same_as",
    b"collides",
    b"why",
    b"item",
    b"validity",
    b"proposed",
    b"recomputed",
];

/// Whether a field without a known meaning needs a prefix so as not to be taken for another.
pub(super) fn is_taken(snake: &[u8]) -> bool {
    snake.starts_with(b"x_") || RESERVED.contains(&snake) || NAMES.iter().any(|name| name.snake.as_bytes() == snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snakes() {
        for (name, expected) in [
            ("RtdInterval", "rtd_interval"),
            ("QnRtn", "qn_rtn"),
            ("SKCreateTime", "sk_create_time"),
            ("NewSK", "new_sk"),
            ("CTime", "ctime"),
            ("Ctime", "ctime"),
            ("PolId", "pol_id"),
            ("UUID", "uuid"),
        ] {
            assert_eq!(String::from_utf8(snake(name.as_bytes()).collect()).unwrap(), expected);
        }
        for name in NAMES {
            assert_eq!(name.key, format!(",\"{}\":", name.snake).as_bytes());
        }
        assert!(NAMES.len() <= 64, "one bit each");
    }
}
