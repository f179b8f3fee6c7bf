//! Where in the configuration file a setting stands, however it is written there: in a section, inline, with dots, in a list.
//!
//! What must stay true: whatever is wrong is told with the line at which it can be mended. A file that a setting names and that is not good as
//! a whole is told at that setting; two settings that do not fit are told at the one that is written; what is missing is told at what asks for
//! it. Only a default that no line names has no line, and is called so.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use hj212_model::registry::Problem;

/// The configuration file.
#[derive(Debug)]
pub(super) struct ConfigSource<'f> {
    path: &'f Path,
    text: &'f str,
    table: Option<Spanned<DeTable<'f>>>,
}

impl<'f> ConfigSource<'f> {
    pub(super) fn new(path: &'f Path, text: &'f str) -> ConfigSource<'f> {
        ConfigSource { path, text, table: DeTable::parse(text).ok() }
    }

    /// Where the first of `keys` stands (`section.name`; a number is a place in a list), and its value; only the value's place in a list.
    fn find(&self, keys: &[&str]) -> Option<(Range<usize>, &DeValue<'f>)> {
        keys.iter().find_map(|key| {
            let mut names = key.split('.');
            let (first, mut value) = self.table.as_ref()?.get_ref().get_key_value(names.next()?)?;
            let mut place = first.span();
            for name in names {
                (place, value) = match value.get_ref() {
                    DeValue::Table(table) => table.get_key_value(name).map(|(key, value)| (key.span(), value))?,
                    DeValue::Array(values) => values.get(name.parse::<usize>().ok()?).map(|v| (v.span(), v))?,
                    DeValue::String(_)
                    | DeValue::Integer(_)
                    | DeValue::Float(_)
                    | DeValue::Boolean(_)
                    | DeValue::Datetime(_) => return None,
                };
            }
            Some((place, value.get_ref()))
        })
    }

    /// A mistake of a setting: told where the first of `keys` stands that is written at all.
    pub(super) fn problem(&self, keys: &[&str], what: String, remedy: &str) -> Problem {
        match self.find(keys) {
            Some((place, _)) => Problem::at(&self.path.display().to_string(), self.text, &place, what, remedy),
            None => Problem::of_file(self.path, &what, remedy),
        }
    }

    /// The same; `key` has a value that breaks a rule.
    pub(super) fn broken(&self, keys: &[&str], value: &str, rule: &str, remedy: &str) -> Problem {
        let key = keys.first().copied().unwrap_or_default();
        self.problem(keys, format!("{key} = {value:?} must be {rule}"), remedy)
    }

    /// What is wrong with a file as a whole, told at the setting that names it; what is wrong in it stays where it is.
    pub(super) fn lift(&self, key: &str, problem: Problem) -> Problem {
        if problem.line > 0 {
            return problem;
        }
        let Problem { file, what, remedy, .. } = problem;
        let shown = key.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('.');
        let value = self.find(&[key]).map(|(_, value)| value.as_str().unwrap_or("").to_owned());
        let value = value.map_or_else(|| format!("{file:?} (the default)"), |value| format!("{value:?}"));
        self.problem(&[key], format!("{shown} = {value}: {file}: {what}"), &remedy)
    }
}

/// What is wrong with the row of a station, told at its line: `key` there, else its MN.
pub(super) fn of_station(files: &[PathBuf], mn: &str, key: &str, what: &str, remedy: &str) -> Problem {
    for file in files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let Some(place) = row(&text, mn, key) else { continue };
        return Problem::at(&file.display().to_string(), &text, &(place..place), what.to_owned(), remedy);
    }
    Problem { file: format!("station {mn}"), line: 0, column: 0, what: what.to_owned(), remedy: remedy.to_owned() }
}

/// The line of `key` in the row of the station `mn`, else that of its MN.
fn row(text: &str, mn: &str, key: &str) -> Option<usize> {
    let is_mn = |line: &str| {
        let value = line.trim_start().strip_prefix("mn").map(|rest| rest.trim_start().strip_prefix('=').unwrap_or(""));
        value.is_some_and(|value| {
            [format!("\"{mn}\""), format!("'{mn}'")].iter().any(|own| value.trim_start().starts_with(own))
        })
    };
    let (mut at, mut begun, mut found, mut keyed) = (0, 0, None, None);
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("[[station]]") {
            if found.is_some() {
                break;
            }
            (begun, keyed) = (at, None);
        }
        if is_mn(line) {
            found = Some(at);
        }
        let named = line.trim_start().trim_start_matches("[station.").trim_start_matches("[[station.");
        if at > begun && named.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', '.', ']'])) {
            keyed = keyed.or(Some(at));
        }
        at += line.len();
    }
    found.map(|mn| keyed.unwrap_or(mn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_however_it_is_written() {
        let text = "a.b = 1\n[s]\nx = [\"one\", \"two\"]\ny = { z = 2 }\n[[t]]\nk = 1\n[[t]]\nk = 2\n";
        let source = ConfigSource::new(Path::new("g.toml"), text);
        let place = |keys: &[&str]| {
            let Problem { line, column, .. } = source.problem(keys, String::new(), "");
            (line, column)
        };
        for (key, at) in [
            ("a.b", (1, 3)),
            ("s", (2, 2)),
            ("s.x.1", (3, 13)),
            ("s.y.z", (4, 7)),
            ("t.1.k", (8, 1)),
            ("s.none", (0, 0)),
        ] {
            assert_eq!(place(&[key]), at, "{key}");
        }
        assert_eq!(place(&["s.none", "a.b"]), (1, 3));
        let lost = Problem::of_file(Path::new("/x/two"), "not there", "make it");
        let said = source.lift("s.x.1", lost.clone()).to_string();
        assert_eq!(said, "g.toml:3:13: s.x = \"two\": /x/two: not there; make it");
        assert_eq!(
            source.lift("s.none", lost).to_string(),
            "g.toml: s.none = \"/x/two\" (the default): /x/two: not there; make it"
        );
        let within = Problem { line: 7, ..Problem::of_file(Path::new("two"), "wrong", "") };
        assert_eq!(source.lift("s.x.1", within.clone()), within);
    }

    #[test]
    fn a_station_is_found_by_its_row() {
        let text = "[[station]]\npolicy = \"p\"\nmn = \"A\"\n[[station]]\nmn = \"B\"\n[station.meanings]\nx = 1\n[[station]]\nmn='C'\n";
        let line = |mn: &str, key: &str| row(text, mn, key).map(|at| text[..at].matches('\n').count() + 1);
        assert_eq!(
            [line("A", "policy"), line("B", "policy"), line("B", "meanings"), line("C", "rules")],
            [2, 5, 6, 9].map(Some)
        );
        assert_eq!(line("D", "policy"), None);
    }
}
