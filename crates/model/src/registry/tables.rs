//! Emission limits by the name of their standard: `config/limits/*.csv`, and those of the operator.
//!
//! What must stay true: what a name stands for is decided when the registration is read, and goes into the journalled context as rows of its own,
//! each with clause and certainty: a later table changes no replay. A row with a mistake is a problem with its file and line.

use std::path::Path;

use super::Problem;
use crate::message::EmissionLimit;

/// The tables that are built in.
pub const LIMITS_BUILT_IN: &[(&str, &str)] =
    &[("national.csv", include_str!("../../../../config/limits/national.csv"))];

/// One row of a table of limits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    standard: String,
    table: String,
    scope: String,
    code: String,
    max: String,
    of: String,
    clause: String,
    certainty: String,
}

/// Emission limits by standard and scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitTables {
    rows: Vec<Row>,
}

/// The columns, in any order; others are for people.
const COLUMNS: [&str; 8] = ["standard", "table", "scope", "code", "max", "of", "clause", "certainty"];

/// The fields of a line of CSV (RFC 4180, without line breaks in fields).
fn fields(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                all.last_mut().into_iter().for_each(|field| field.push('"'));
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(String::new()),
            c => all.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    all
}

impl LimitTables {
    /// The built-in tables with those of the operator, given as (name, text): a file of the same name takes the place of a built-in one.
    ///
    /// # Errors
    /// All rows with a mistake.
    pub fn read(own: &[(String, String)]) -> Result<LimitTables, Vec<Problem>> {
        let mut tables = LimitTables::default();
        let mut problems = Vec::new();
        let name = |path: &str| Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
        let replaced = |built_in: &str| own.iter().any(|(path, _)| name(path).as_deref() == Some(built_in));
        let built_in = LIMITS_BUILT_IN.iter().filter(|(file, _)| !replaced(file));
        for (file, text) in built_in.copied().chain(own.iter().map(|(file, text)| (file.as_str(), text.as_str()))) {
            tables.take(file, text, &mut problems);
        }
        if problems.is_empty() { Ok(tables) } else { Err(problems) }
    }

    fn take(&mut self, file: &str, text: &str, problems: &mut Vec<Problem>) {
        let mut wrong = |line: usize, what: String, remedy: &str| {
            problems.push(Problem { file: file.to_owned(), line, column: 1, what, remedy: remedy.to_owned() });
        };
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let Some((at, header)) = lines.next() else {
            return wrong(0, "an empty table of limits".into(), "see docs/judgement.md");
        };
        let header = fields(header);
        let places: Vec<Option<usize>> =
            COLUMNS.iter().map(|column| header.iter().position(|found| found == column)).collect();
        if places.iter().any(Option::is_none) {
            return wrong(at, format!("columns {}", header.join(",")), &format!("name {}", COLUMNS.join(",")));
        }
        for (line, text) in lines {
            let found = fields(text);
            let get = |column: usize| {
                let place = places.get(column).copied().flatten().unwrap_or(usize::MAX);
                found.get(place).cloned().unwrap_or_default()
            };
            let row = Row {
                standard: get(0),
                table: get(1),
                scope: get(2),
                code: get(3),
                max: get(4),
                of: get(5),
                clause: get(6),
                certainty: get(7),
            };
            let number = row.max.parse::<f64>().is_ok_and(|max| max.is_finite() && max >= 0.0);
            let sure = matches!(row.certainty.as_str(), "V" | "S" | "C" | "R" | "I" | "U");
            if row.standard.is_empty() || row.scope.is_empty() || row.code.is_empty() {
                wrong(
                    line,
                    "a limit without standard, scope or code".into(),
                    "name all three · 标准、适用范围、编码三项都要写",
                );
            } else if !number || !matches!(row.of.as_str(), "hour" | "day" | "any") {
                wrong(
                    line,
                    format!("max {}, of {}", row.max, row.of),
                    "max: a number; of: hour, day or any · max 写数值;of 写 hour、day 或 any",
                );
            } else if row.clause.is_empty() || !sure {
                wrong(
                    line,
                    format!("clause {:?}, certainty {:?}", row.clause, row.certainty),
                    "name both: V, S, C, R, I or U · 条款和可信度都要写",
                );
            } else {
                self.rows.push(row);
            }
        }
    }

    /// The limits of a standard and scope as rows of a registration, of these codes or of all. Nothing: there is no such name.
    #[must_use]
    pub fn of(&self, standard: &str, scope: &str, codes: &[String]) -> Vec<EmissionLimit> {
        let wanted = |row: &&Row| {
            row.standard == standard && row.scope == scope && (codes.is_empty() || codes.contains(&row.code))
        };
        let mut limits = Vec::new();
        for row in self.rows.iter().filter(wanted) {
            let periods: &[&str] = if row.of == "any" { &["hour", "day"] } else { &[row.of.as_str()] };
            let basis = if row.code.starts_with('a') { "converted" } else { "" };
            limits.extend(periods.iter().map(|of| EmissionLimit {
                code: row.code.clone(),
                max: row.max.clone(),
                of: (*of).to_owned(),
                basis: basis.to_owned(),
                name: format!("{} 表{} {}", row.standard, row.table, row.scope),
                clause: format!("{}, {}", row.standard, row.clause),
                certainty: row.certainty.clone(),
                ..EmissionLimit::default()
            }));
        }
        limits
    }

    /// Standards and scopes, each once.
    #[must_use]
    pub fn names(&self) -> Vec<(&str, &str)> {
        let mut names: Vec<(&str, &str)> =
            self.rows.iter().map(|row| (row.standard.as_str(), row.scope.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_row_is_good_and_found_by_name() {
        let tables = LimitTables::read(&[]).unwrap();
        assert!(tables.names().len() >= 20);
        let found = tables.of("GB 18485-2014", "incineration", &["a21026".to_owned()]);
        let view: Vec<_> =
            found.iter().map(|limit| (limit.of.as_str(), limit.max.as_str(), limit.certainty.as_str())).collect();
        assert_eq!(view, [("hour", "100", "R"), ("day", "80", "R")]);
        // GB 13223-2011, table 1: it names no period.
        let found = tables.of("GB 13223-2011", "coal-new", &["a34013".to_owned()]);
        let view: Vec<_> =
            found.iter().map(|limit| (limit.of.as_str(), limit.max.as_str(), limit.certainty.as_str())).collect();
        assert_eq!(view, [("hour", "30", "V"), ("day", "30", "V")]);
        assert!(tables.of("GB 18485-2014", "boiler", &[]).is_empty());
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let head = "standard,table,scope,code,max,of,clause,certainty\n";
        for (row, says) in [
            ("DB,1,a,a21026,x,day,1,V", "max x"),
            ("DB,1,a,a21026,5,week,1,V", "of week"),
            ("DB,1,a,a21026,5,day,,V", "clause"),
            ("DB,1,a,a21026,5,day,1,X", "certainty"),
            ("DB,1,,a21026,5,day,1,V", "scope"),
        ] {
            let found = LimitTables::read(&[("own.csv".into(), format!("{head}# note\n{row}\n"))]).unwrap_err();
            assert_eq!((found.len(), found[0].line), (1, 3), "{row}");
            assert!(found[0].what.contains(says), "{}", found[0].what);
        }
        assert!(LimitTables::read(&[("own.csv".into(), "a,b\n".into())]).is_err());
    }
}
