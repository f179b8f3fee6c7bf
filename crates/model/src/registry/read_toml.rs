//! TOML files read with all their mistakes of form, not the first alone.
//!
//! What must stay true: a good file is read once, as fast as ever; of a bad one each mistake is told once, with its line; what is wrong is cut out of
//! the tree and the rest is read and checked as if it had not been written, so that other mistakes show as well; nothing of a bad file is ever
//! used; the work is bounded by [`MISTAKES_MAX`].

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::Problem;

/// The most mistakes of form that are told of one file: the file is read so many times.
pub const MISTAKES_MAX: usize = 40;

/// What stands in `text`, as far as it can be read, and what is wrong with its form.
pub fn read_toml<T: DeserializeOwned>(path: &Path, text: &str) -> (Option<T>, Vec<Problem>) {
    read_toml_by(text, |error| Problem::of_toml(path, text, error))
}

/// The same; `told` says what is wrong, for files of which nothing may be shown.
pub fn read_toml_by<T: DeserializeOwned>(text: &str, told: impl Fn(&Error) -> Problem) -> (Option<T>, Vec<Problem>) {
    let mut problems: Vec<Problem> = Vec::new();
    let mut note = |error: &Error| {
        let problem = told(error);
        // What follows from a mistake on the same line is no second one.
        if !problems.iter().any(|known| known.line == problem.line) {
            problems.push(problem);
        }
    };
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(first) => {
            // Where marks are missing, what stands where is not known: what is read behind them may be read wrongly.
            note(&first);
            return (None, problems);
        }
    };
    let mut found = None;
    for _ in 0..MISTAKES_MAX {
        match T::deserialize(Deserializer::from(table.clone())) {
            Ok(value) => {
                found = Some(value);
                break;
            }
            Err(error) => {
                note(&error);
                let Some(place) = error.span() else { break };
                if !cut(table.get_mut(), &|span| *span == place)
                    && !cut(table.get_mut(), &|span| span.start <= place.start && place.end <= span.end)
                {
                    break;
                }
            }
        }
    }
    (found, problems)
}

/// Takes the innermost value out that is wrong, by its own place or its key's; whether there was one.
fn cut(table: &mut DeTable<'_>, wrong: &impl Fn(&Range<usize>) -> bool) -> bool {
    for (_, value) in table.iter_mut() {
        let within = match value.get_mut() {
            DeValue::Table(table) => cut(table, wrong),
            DeValue::Array(list) => cut_from_list(list, wrong),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => false,
        };
        if within {
            return true;
        }
    }
    let found = table.iter().find(|(key, value)| wrong(&key.span()) || wrong(&value.span()));
    let Some(name) = found.map(|(key, _)| key.get_ref().to_string()) else { return false };
    table.remove(name.as_str()).is_some()
}

fn cut_from_list(list: &mut DeArray<'_>, wrong: &impl Fn(&Range<usize>) -> bool) -> bool {
    for item in list.iter_mut() {
        let within = match item.get_mut() {
            DeValue::Table(table) => cut(table, wrong),
            DeValue::Array(list) => cut_from_list(list, wrong),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => false,
        };
        if within {
            return true;
        }
    }
    let Some(at) = list.iter().position(|item| wrong(&item.span())) else { return false };
    let mut left = DeArray::new();
    for (number, item) in list.iter().enumerate() {
        if number != at {
            left.push(item.clone());
        }
    }
    *list = left;
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Tried {
        count: u16,
        on: bool,
        names: Vec<String>,
        inner: Inside,
        row: Vec<Item>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inside {
        #[serde(with = "crate::settings::duration")]
        keep: std::time::Duration,
        #[serde(with = "crate::settings::size")]
        most: u64,
        list: Vec<ipnet::IpNet>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        mn: String,
        #[serde(default)]
        st: String,
    }

    fn lines(text: &str) -> (Option<Tried>, Vec<usize>) {
        let (found, problems) = read_toml::<Tried>(Path::new("g.toml"), text);
        (found, problems.iter().map(|problem| problem.line).collect())
    }

    #[test]
    fn every_mistake_of_form_is_told_and_the_rest_is_read() {
        let text = "count = 70000\non = \"yes\"\nnames = [\"a\", 7, \"b\", 8]\nodd = 1\n[inner]\nkeep = \"7\"\nmost = \"64MB\"\n\
                    list = [\"10.0.0.0/8\", \"10.0.0.0/33\"]\n[[row]]\nmn = \"A\"\nst = 5\n[[row]]\nst = \"31\"\n[[row]]\nmn = \"B\"\n";
        let (found, mut told) = lines(text);
        told.sort_unstable();
        assert_eq!(told, [1, 2, 3, 4, 6, 7, 8, 11, 12]);
        let found = found.unwrap();
        assert_eq!(found.names, ["a", "b"]);
        assert_eq!(found.inner.list.len(), 1);
        let rows: Vec<&str> = found.row.iter().map(|row| row.mn.as_str()).collect();
        assert_eq!((rows, found.row[0].st.as_str()), (vec!["A", "B"], ""));
        assert!(!found.on && found.count == 0 && found.inner.keep.is_zero() && found.inner.most == 0);
    }

    #[test]
    fn a_good_file_has_no_mistakes_and_a_broken_one_is_bounded() {
        assert!(matches!(lines("count = 1\n[inner]\nkeep = \"1s\"\n"), (Some(_), told) if told.is_empty()));
        let many: String = (0..1000).map(|n| format!("x{n} = 1\n")).collect();
        let (found, told) = lines(&many);
        assert!(found.is_none() && told.len() == MISTAKES_MAX, "{told:?}");
        assert!(matches!(lines("count = \n"), (None, told) if told == [1]));
    }
}
