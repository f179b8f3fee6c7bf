//! What is wrong with a configuration file, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0: the file as a whole.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong: the value and the rule it breaks.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what)?,
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.what)?,
        }
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

/// What to do about a mistake that the TOML reader found in `line`; `is_toml`: the file is TOML, and a value in it is wrong.
fn remedy_of(message: &str, line: &str, is_toml: bool) -> &'static str {
    if line.trim_start().starts_with("[station]") {
        return "write [[station]], in two brackets, at the head of each station · 每个站点的开头写 [[station]](两层方括号)";
    }
    let known = [
        (
            "is no duration",
            "write a whole number and a unit, as \"30s\", \"5min\" or \"7d\" · 写整数加单位,如 \"30s\"、\"5min\"、\"7d\"",
        ),
        (
            "is no size",
            "write a whole number and a unit, as \"64KiB\", \"64MiB\" or \"20GiB\" · 写整数加单位,如 \"64MiB\"(不是 MB)、\"20GiB\"",
        ),
        ("is no time of day", "write both times with minutes, as \"22:00-06:00\" · 写起止时刻,如 \"22:00-06:00\""),
        (
            "is no network",
            "write an address and the bits of the network, as \"10.0.0.0/8\": at most 32, for IPv6 128 · 写网段,如 \"10.0.0.0/8\";位数不超过 32(IPv6 为 128)",
        ),
        ("unknown field", "correct the spelling or remove the line · 改正拼写或删去此行"),
        ("missing field", "add the key that is missing · 补上缺少的键"),
        ("unknown variant", "write one of the values named · 写所列的值之一"),
        ("duplicate", "remove one of the two · 删去其中一个"),
        ("invalid type", "write a value of the kind that is expected · 值的类型不对"),
        ("expected a word in quotes", "write the value in quotes · 值须加英文引号"),
        ("invalid value: integer", "write a number of that range · 数值超出范围"),
        ("invalid value", "write one of the values that are expected · 值不在允许的范围内"),
        ("invalid length", "write as many values as are expected · 值的个数不对"),
    ];
    let found = known.iter().find(|(says, _)| message.contains(says)).map(|(_, remedy)| *remedy);
    let value = is_toml.then_some("write a value as it is described there · 按说明改写此值");
    found.or(value).unwrap_or("correct the line: TOML wants key = value, texts in quotes, lists in brackets · 改正此行:键 = 值,文字加英文引号,列表加方括号")
}

/// What the TOML reader says, without the words of the language it is written in.
fn plain(message: &str) -> String {
    let words = [
        ("expected usize", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected u16", "expected a whole number of 0 to 65535"),
        ("expected u8", "expected a whole number of 0 to 255"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list, [ … ]"),
        ("expected a map", "expected a table, { … }"),
        ("expected a boolean", "expected true or false"),
        ("expected a string", "expected a text in quotes"),
        ("wanted string or table", "expected a word in quotes"),
    ];
    words.iter().fold(message.to_owned(), |text, (said, plain)| text.replace(said, plain))
}

impl Problem {
    /// A mistake at a place of `text`.
    #[must_use]
    pub fn at(file: &str, text: &str, place: &Range<usize>, what: String, remedy: &str) -> Problem {
        let before = text.get(..place.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Problem { file: file.to_owned(), line, column, what, remedy: remedy.to_owned() }
    }

    /// A file that cannot be read.
    #[must_use]
    pub fn of_file(path: &Path, what: &str, remedy: &str) -> Problem {
        let file = path.display().to_string();
        Problem { file, line: 0, column: 0, what: what.to_owned(), remedy: remedy.to_owned() }
    }

    /// What the TOML reader says, with the text of the line it says it of.
    #[must_use]
    pub fn of_toml(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
        Problem::of_toml_from(path, text, 0, error)
    }

    /// The same of what was read from `base` on.
    #[must_use]
    pub fn of_toml_from(path: &Path, text: &str, base: usize, error: &toml::de::Error) -> Problem {
        let file = path.display().to_string();
        let mut message = plain(&error.message().trim().replace('\n', "; "));
        let Some(place) = error.span().map(|span| base + span.start..base + span.end) else {
            return Problem { file, line: 0, column: 0, what: message, remedy: String::new() };
        };
        let before = text.get(..place.start).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
        let after = text.get(place.start..).unwrap_or_default().lines().next().unwrap_or_default();
        let line = format!("{before}{after}");
        // The line may hold a password, and logs are read by many.
        let shown = if line.contains("pw") { String::new() } else { format!(" in `{}`", line.trim()) };
        if message.contains("invalid IP address syntax") {
            message = format!("{} is no network", text.get(place.clone()).unwrap_or("this"));
        }
        let is_toml = DeTable::parse(text.get(base..).unwrap_or_default()).is_ok();
        Problem::at(&file, text, &place, format!("{message}{shown}"), remedy_of(&message, &line, is_toml))
    }
}
