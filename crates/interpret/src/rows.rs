//! The dictionary's tables laid over each other: which row holds in which edition.
//!
//! What must stay true: a later source holds in its own edition and where a code is free; the operator's own rows hold in all.

use std::collections::BTreeMap;

use super::factor::UNIT_BY_STATION;
use super::table;

#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) textual: bool,
    pub(super) successor: String,
    pub(super) category: String,
    /// Whether the code has several meanings.
    pub(super) collides: bool,
    /// Whether no standard says which of them it is.
    pub(super) uncertain: bool,
}

impl From<&table::Row> for Row {
    fn from(row: &table::Row) -> Row {
        let is_of_2005 = row.generation == "2005";
        Row {
            name: row.name.clone(),
            unit: row.unit.clone(),
            textual: row.form.starts_with(['C', 'Y']),
            successor: if is_of_2005 { row.other.clone() } else { String::new() },
            category: row.category.clone(),
            collides: row.collides(),
            uncertain: row.collides() && !["2005", "2017", "2025"].contains(&row.generation.as_str()),
        }
    }
}

/// The rows by code: those of 2017 and the field, those of 2005, those of 2025.
#[derive(Debug, Default)]
pub(super) struct Rows {
    common: BTreeMap<String, Row>,
    of_2005: BTreeMap<String, Row>,
    of_2025: BTreeMap<String, Row>,
}

impl Rows {
    pub(super) fn read(all: &[table::Row]) -> Rows {
        let mut rows = Rows::default();
        for said in all {
            let row = Row::from(said);
            match said.generation.as_str() {
                "2005" => insert(&mut rows.of_2005, &said.code, row),
                "2025" => insert(&mut rows.of_2025, &said.code, row),
                "2017" => insert(&mut rows.common, &said.code, row),
                _ => {
                    rows.common.entry(said.code.clone()).or_insert(row);
                }
            }
        }
        rows
    }

    /// Names and units of the operator's own dictionary; what it says is certain.
    pub(super) fn replace(&mut self, overrides: &BTreeMap<String, (String, String)>) {
        for (code, (name, unit)) in overrides {
            for table in [&mut self.common, &mut self.of_2005, &mut self.of_2025] {
                if let Some(row) = table.get_mut(code) {
                    row.name.clone_from(name);
                    row.unit.clone_from(unit);
                    row.uncertain = false;
                }
            }
            let own = || Row { name: name.clone(), unit: unit.clone(), ..Row::default() };
            self.common.entry(code.clone()).or_insert_with(own);
        }
    }

    /// One edition: rows of 2017 and the field, then those of 2025 over them (in 2025), or where the code is free (before), then those
    /// of 2005 over them (in 2005), or where the code is free (after).
    pub(super) fn of_edition(&self, edition: usize) -> BTreeMap<&str, Row> {
        let mut all: BTreeMap<&str, Row> = self.common.iter().map(|(code, row)| (code.as_str(), row.clone())).collect();
        let newer = edition == 2;
        for (code, row) in self.of_2025.iter().filter(|(_, row)| newer || !row.collides) {
            let known = all.entry(code).or_default();
            if row.collides {
                known.clone_from(row);
                continue;
            }
            let textual = known.textual || row.textual;
            overlay(known, row, newer);
            known.textual = textual;
        }
        for (code, row) in &self.of_2005 {
            overlay(all.entry(code).or_default(), row, edition == 0);
        }
        all
    }
}

/// Puts what `row` says over what is `known`, or where nothing is known.
fn overlay(known: &mut Row, row: &Row, over: bool) {
    let put = |known: &mut String, said: &String| {
        if known.is_empty() || (over && !said.is_empty()) {
            known.clone_from(said);
        }
    };
    put(&mut known.name, &row.name);
    put(&mut known.unit, &row.unit);
    put(&mut known.successor, &row.successor);
    put(&mut known.category, &row.category);
    known.textual |= row.textual && over;
}

fn insert(table: &mut BTreeMap<String, Row>, code: &str, row: Row) {
    match table.get_mut(code) {
        None => {
            table.insert(code.to_owned(), row);
        }
        Some(twice) => {
            twice.name = format!("{}/{}", twice.name, row.name);
            UNIT_BY_STATION.clone_into(&mut twice.unit);
            twice.uncertain = true;
        }
    }
}
