//! A table's rows put into a station file: keys are set where the table says something, all else stays as it stands.

use std::collections::BTreeMap;

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

use super::table::Row;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// The file as it is to be.
    pub(super) text: String,
    /// One line for each key that is another: `+` a station, `~` a key.
    pub(super) differences: Vec<String>,
    pub(super) new: usize,
    pub(super) changed: usize,
    pub(super) same: usize,
    /// Stations of the file that the table does not name.
    pub(super) others: usize,
}

/// Puts `rows` into the station file `text`.
pub(super) fn merge(text: &str, rows: &[Row]) -> Result<Merged, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let tables = document.entry("station").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(tables) = tables.as_array_of_tables_mut() else { return Err("stations stand in [[station]]".into()) };
    let mn_of = |table: &Table| table.get("mn").and_then(Item::as_str).map(str::to_owned);
    let mut merged = Merged { others: tables.len(), ..Merged::default() };
    let places: BTreeMap<String, usize> =
        tables.iter().enumerate().filter_map(|(place, table)| Some((mn_of(table)?, place))).collect();
    for row in rows {
        let mn = row.get("mn").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut lines = Vec::new();
        match places.get(&mn).and_then(|place| tables.get_mut(*place)) {
            Some(table) => {
                put(table, row, &mut lines);
                merged.others -= 1;
                match lines.is_empty() {
                    true => merged.same += 1,
                    false => merged.changed += 1,
                }
                merged.differences.extend(lines.into_iter().map(|line| format!("~ {mn}  {line}")));
            }
            None => {
                let mut table = Table::new();
                table.insert("mn", Item::Value(mn.as_str().into()));
                put(&mut table, row, &mut lines);
                // A blank line before it, as in a file that people write.
                table.decor_mut().set_prefix(if tables.is_empty() { "" } else { "\n" });
                tables.push(table);
                merged.new += 1;
                let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
                merged.differences.push(format!("+ {mn}  {name}"));
            }
        }
    }
    merged.text = document.to_string();
    Ok(merged)
}

/// Sets the keys of `row`; tells those that were otherwise. Passwords are not shown.
fn put(table: &mut Table, row: &Row, lines: &mut Vec<String>) {
    for (key, value) in row.iter().filter(|(key, _)| *key != "mn") {
        let shown =
            |value: &Value| if key == "pw" { "\"***\"".to_owned() } else { value.to_string().trim().to_owned() };
        let place = match key.split_once('.') {
            None => table.entry(key).or_insert(Item::None),
            Some((family, name)) => {
                let within = table.entry(family).or_insert_with(|| Item::Value(Value::InlineTable(InlineTable::new())));
                let Some(within) = within.as_table_like_mut() else { continue };
                within.entry(name).or_insert(Item::None)
            }
        };
        let before = place.as_value().cloned();
        let same = before.as_ref().is_some_and(|before| bare(before) == bare(value));
        if !same {
            let was = before.as_ref().map_or("-".to_owned(), &shown);
            lines.push(format!("{key}: {was} → {}", shown(value)));
            let mut value = value.clone();
            if let Some(before) = before {
                *value.decor_mut() = before.decor().clone();
            }
            *place = Item::Value(value);
        }
    }
}

/// The MN of the station in whose row a line stands, from 1.
pub(super) fn station_at(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_head = |line: &&str| line.trim_start().starts_with("[[station]]");
    let begin = lines.iter().take(line).rposition(is_head)?;
    let own = lines.iter().skip(begin + 1).take_while(|line| !is_head(line));
    let said = own.filter_map(|line| line.trim_start().strip_prefix("mn")?.trim_start().strip_prefix('=')).next()?;
    said.split(['"', '\'']).nth(1).map(str::to_owned)
}

/// A value without what stands around it; `100` and `100.0` are the same number.
fn bare(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(bare).collect::<Vec<_>>().join("\u{1}"),
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => (*number.value() as f64).to_string(),
        Value::Float(number) => number.value().to_string(),
        other @ (Value::Boolean(_) | Value::Datetime(_) | Value::InlineTable(_)) => other.to_string().trim().to_owned(),
    }
}

/// The stations of a station file as rows.
pub(super) fn rows(text: &str) -> Result<Vec<Row>, String> {
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let Some(tables) = document.get("station").and_then(Item::as_array_of_tables) else { return Ok(Vec::new()) };
    let row = |table: &Table| {
        let mut row = Row::new();
        for (key, item) in table.iter() {
            match item.as_table_like() {
                Some(within) => {
                    let values = within
                        .iter()
                        .filter_map(|(name, item)| Some((format!("{key}.{name}"), item.as_value()?.clone())));
                    row.extend(values);
                }
                None => row.extend(item.as_value().map(|value| (key.to_owned(), value.clone()))),
            }
        }
        row
    };
    Ok(tables.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::stations::table;

    const FILE: &str = "# ours\n[[station]]\nmn = \"A1\"   # the first\nname = \"old\"\npw = \"111111\"\ntags = { region = \"1\" }\n[[station.facility]]\nid = \"f\"\nkind = \"furnace\"\n\n[[station]]\nmn = \"A9\"\n";

    fn merged(table: &str) -> Merged {
        merge(FILE, &table::read("t.csv", table.as_bytes()).unwrap().rows).unwrap()
    }

    #[test]
    fn what_the_table_says_is_put_in_and_all_else_stays() {
        let done = merged("mn,name,pw,tags.region,tags.outlet\nA1,new,222222,1,DA001\nB1,beta,,,\n");
        assert_eq!((done.new, done.changed, done.same, done.others), (1, 1, 0, 1));
        let lines = done.differences.join("\n");
        assert!(
            lines.contains("~ A1  name: \"old\" → \"new\"") && lines.contains("tags.outlet: - → \"DA001\""),
            "{lines}"
        );
        assert!(
            lines.contains("+ B1  beta") && lines.contains("pw: \"***\" → \"***\"") && !lines.contains("222222"),
            "{lines}"
        );
        for part in [
            "# ours",
            "# the first",
            "name = \"new\"",
            "kind = \"furnace\"",
            "mn = \"A9\"",
            "mn = \"B1\"",
            "outlet = \"DA001\"",
        ] {
            assert!(done.text.contains(part), "{part} is not in\n{}", done.text);
        }
        assert!(done.text.find("furnace") < done.text.find("A9"), "{}", done.text);
    }

    #[test]
    fn the_same_table_again_changes_nothing() {
        let table = "mn,name,pw,tags.region\nA1,old,111111,1\n";
        let done = merged(table);
        assert_eq!((done.changed, done.same, done.text.as_str()), (0, 1, FILE));
    }

    #[test]
    fn what_is_exported_imports_without_a_change() {
        let example = include_str!("../../../config/stations.toml");
        let rows = rows(example).unwrap();
        assert_eq!(rows.len(), 4);
        let table = table::written(&rows);
        let done = merge(example, &table::read("t.csv", table.as_bytes()).unwrap().rows).unwrap();
        assert_eq!((done.new, done.changed, done.differences), (0, 0, Vec::<String>::new()));
    }
}
