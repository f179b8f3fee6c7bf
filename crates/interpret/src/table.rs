//! The dictionary's tables as they are written: `config/factors.csv` (HJ 212-2017, annex B; HJ 212-2025, annex B, as far as it is known),
//! `config/aliases.csv`, `config/systems.csv` and `config/sentinels.csv`, built in.
//!
//! Read at start and by `hj212-gateway factors`; what interpretation looks codes up in is made of them in [`super::factors`]. What
//! must stay true: a row is what its source says, in the source's generation; nothing is resolved or guessed here. The columns are
//! explained in `docs/dictionary.md`.

const FACTORS: &str = include_str!("../../../config/factors.csv");
const ALIASES: &str = include_str!("../../../config/aliases.csv");
const SYSTEMS: &str = include_str!("../../../config/systems.csv");
const SENTINELS: &str = include_str!("../../../config/sentinels.csv");

/// A code in one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The code; `xx` and `x` at its end stand for a device number.
    pub code: String,
    /// Its name in the source.
    pub name: String,
    /// Our translation.
    pub name_en: String,
    /// The unit of its values; `?`: it depends on the station.
    pub unit: String,
    /// The form of its values: `N3.2` is a number with up to three digits before the point and two after it, `C` is text.
    pub form: String,
    /// `2005`, `2017`, `2025`, or where it is used: `hebei`, `field`.
    pub generation: String,
    /// What it is measured in or says something about: `water`, `gas`, `weather`, `noise`, `site-info` …
    pub category: String,
    /// Of a code of 2005 the one that stands for it today, of one of 2017 the one of 2005.
    pub other: String,
    /// Where the row comes from.
    pub source: String,
    /// What else is known.
    pub note: String,
}

impl Row {
    /// Whether the same code means something else in another row.
    #[must_use]
    pub fn collides(&self) -> bool {
        self.note.contains("collides")
    }

    /// The code that stands for it today.
    #[must_use]
    pub fn canonical(&self) -> &str {
        if self.generation == "2005" && !self.other.is_empty() { &self.other } else { &self.code }
    }
}

/// A name that the field uses in place of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The name, in capitals; it is found in any case.
    pub alias: String,
    /// The code it stands for.
    pub code: String,
    /// The ST at whose stations it does.
    pub systems: Vec<String>,
    /// What else is known.
    pub note: String,
}

/// A kind of station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemRow {
    /// ST (HJ 212-2017, 6.6.1, table 5).
    pub st: String,
    /// Its name.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// `water`, `air` or nothing: which table of 2005 its digits belong to.
    pub medium: String,
    /// The categories of factors that make sense for it; `*`: all.
    pub carries: Vec<String>,
    /// Whether it is a source that discharges by an outlet: then the flow there counts.
    pub outlet: bool,
}

/// A number that is sent in place of "no value".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentinel {
    /// The number, without zeros at the end of its decimals.
    pub value: String,
    /// `certain`: no measurement is so; `possible`: one can be.
    pub certainty: String,
    /// Where it is from.
    pub note: String,
}

/// All codes, in the order of the table.
#[must_use]
pub fn factors() -> Vec<Row> {
    read(FACTORS, |columns| {
        let [code, name, name_en, unit, form, generation, category, other, source, note] = columns;
        Row { code, name, name_en, unit, form, generation, category, other, source, note }
    })
}

/// All names of the field.
#[must_use]
pub fn aliases() -> Vec<Alias> {
    read(ALIASES, |[alias, code, systems, note]| Alias { alias, code, systems: words(&systems), note })
}

/// All kinds of stations.
#[must_use]
pub fn systems() -> Vec<SystemRow> {
    read(SYSTEMS, |[st, name, name_en, medium, carries, outlet]| SystemRow {
        st,
        name,
        name_en,
        medium,
        carries: words(&carries),
        outlet: outlet == "yes",
    })
}

/// All numbers that stand for "no value".
#[must_use]
pub fn sentinels() -> Vec<Sentinel> {
    read(SENTINELS, |[value, certainty, note]| Sentinel { value, certainty, note })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The rows of `text` below its head; a test holds every line against the number of its columns.
fn read<const N: usize, R>(text: &str, row: impl Fn([String; N]) -> R) -> Vec<R> {
    text.lines().skip(1).filter_map(|line| columns_of(line).try_into().ok()).map(row).collect()
}

/// Splits one line of CSV; quotes hold commas, a doubled quote is a quote.
fn columns_of(line: &str) -> Vec<String> {
    let (mut columns, mut column) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                column.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(std::mem::take(&mut column)),
            _ => column.push(letter),
        }
    }
    columns.push(column);
    columns
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_line_of_the_tables_has_its_columns() {
        for (text, columns) in [(FACTORS, 10), (ALIASES, 4), (SYSTEMS, 6), (SENTINELS, 3)] {
            for line in text.lines() {
                assert_eq!(columns_of(line).len(), columns, "{line}");
            }
        }
    }

    /// HJ 212-2017, annex B: as many codes of each kind as its tables have.
    #[test]
    fn all_generations_are_there_in_full() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        factors().into_iter().for_each(|row| *counts.entry(row.generation).or_default() += 1);
        let counts: Vec<(&str, usize)> =
            counts.iter().map(|(generation, count)| (generation.as_str(), *count)).collect();
        assert_eq!(counts, [("2005", 108), ("2017", 379), ("2025", 38), ("field", 85), ("hebei", 79)]);
        let of_2017 = |category: &str| {
            factors().iter().filter(|row| row.generation == "2017" && row.category == category).count()
        };
        let tables = ["water", "gas", "weather", "noise", "sewage-process", "flue-gas-process", "site-info"];
        assert_eq!(tables.map(of_2017), [63, 116, 5, 12, 90, 55, 38]);
    }

    #[test]
    fn a_code_stands_twice_in_one_generation_only_where_it_collides() {
        let mut seen = BTreeSet::new();
        for row in factors() {
            assert!(seen.insert((row.code.clone(), row.generation.clone())) || row.collides(), "{row:?}");
        }
        let colliding: BTreeSet<String> = factors().into_iter().filter(Row::collides).map(|row| row.code).collect();
        let expected = ["e701xx", "g119xx", "i23005", "i23006", "i23007", "i23008"];
        assert_eq!(colliding.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_codes_of_two_generations_name_each_other() {
        let all = factors();
        for row in all.iter().filter(|row| !row.other.is_empty()) {
            let other = all.iter().find(|other| other.code == row.other);
            assert!(other.is_some(), "{} names {}", row.code, row.other);
        }
        for row in all.iter().filter(|row| row.generation == "2005" && !row.other.is_empty()) {
            let today = all.iter().find(|other| other.code == row.other && other.generation == "2017").unwrap();
            assert_eq!(today.other, row.code, "{}", row.other);
        }
    }

    #[test]
    fn no_alias_stands_for_two_codes_at_one_kind_of_station() {
        let (codes, systems) = (factors(), systems());
        let mut seen = BTreeSet::new();
        for alias in aliases() {
            assert_eq!(alias.alias, alias.alias.to_ascii_uppercase(), "{alias:?}");
            assert!(alias.alias.len() <= 8 && !alias.systems.is_empty(), "{alias:?}");
            assert!(codes.iter().all(|row| !row.code.eq_ignore_ascii_case(&alias.alias)), "{alias:?} is a code");
            let factor = codes.iter().find(|row| row.code == alias.code).unwrap();
            for st in &alias.systems {
                assert!(seen.insert((alias.alias.clone(), st.clone())), "{alias:?} at {st}");
                let system = systems.iter().find(|system| system.st == *st).unwrap();
                assert!(system.carries.contains(&factor.category), "{alias:?} at {st}");
            }
        }
    }

    /// HJ 212-2017, 6.6.1, table 5; 44 and 45 came with HJ 212-2025.
    #[test]
    fn the_system_codes_are_those_of_the_standards() {
        let listed: Vec<String> = systems().into_iter().map(|system| system.st).collect();
        let of_2017 = [
            "21", "22", "23", "24", "25", "26", "27", "31", "32", "33", "34", "35", "36", "37", "38", "39", "41", "51",
            "52", "91",
        ];
        let came_later = ["44", "45"];
        let wanted: BTreeSet<&str> = of_2017.into_iter().chain(came_later).collect();
        assert_eq!(listed.iter().map(String::as_str).collect::<BTreeSet<_>>(), wanted);
        assert_eq!(listed.len(), wanted.len(), "each once");
    }

    #[test]
    fn systems_carry_categories_that_exist() {
        let rows = factors();
        for system in systems() {
            assert!(["water", "air", ""].contains(&system.medium.as_str()), "{system:?}");
            for category in &system.carries {
                assert!(category == "*" || rows.iter().any(|row| row.category == *category), "{system:?}");
            }
        }
    }
}
