//! What is wrong with a configuration file, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::Path;

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

/// What to do about a mistake that the TOML reader found.
fn remedy_of(message: &str) -> &'static str {
    let known = [
        ("unknown field", "correct the spelling or remove the line"),
        ("missing field", "add the key that is missing"),
        ("unknown variant", "write one of the values named"),
        ("duplicate", "remove one of the two"),
        ("invalid type", "write a value of the kind that is expected"),
        ("invalid value", "write a value of the kind that is expected"),
        ("invalid length", "write as many values as are expected"),
    ];
    let found = known.iter().find(|(says, _)| message.contains(says));
    found.map_or("correct the line: TOML wants key = value, texts in quotes, lists in brackets", |(_, remedy)| remedy)
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
        let file = path.display().to_string();
        let message = error.message().trim().replace('\n', "; ");
        let Some(place) = error.span() else {
            return Problem { file, line: 0, column: 0, what: message, remedy: String::new() };
        };
        let before = text.get(..place.start).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
        let after = text.get(place.start..).unwrap_or_default().lines().next().unwrap_or_default();
        let line = format!("{before}{after}");
        // The line may hold a password, and logs are read by many.
        let shown = if line.contains("pw") { String::new() } else { format!(" in `{}`", line.trim()) };
        Problem::at(&file, text, &place, format!("{message}{shown}"), remedy_of(&message))
    }
}
