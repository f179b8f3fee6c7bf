//! Which clause of the standards is obeyed where: collected from what code and tests cite, into `docs/clauses.md`.
//!
//! A citation is the standard's name and what is meant of it: `HJ 212-2017, 6.3.2, table 3`, `HJ 212-2025, 6.4 and annex A.2`,
//! `HJ 212-2017, C.16 to C.18`. The clauses that are known stand in `fixtures/standards/clauses.csv`; one that is cited and not listed there
//! is a slip of the pen, and fails. A clause that is not obeyed here says why in its last column, and is cited nowhere.
//! `UPDATE=1 cargo test --test clauses` writes the page anew.

#![allow(clippy::unwrap_used, reason = "a test that panics has spoken")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// A standard, and a clause, a table, a figure or an annex of it; empty: the whole.
type Clause = (String, String);

/// Files that cite it, in code and in tests.
#[derive(Default)]
struct Places {
    code: BTreeSet<String>,
    tests: BTreeSet<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A clause that is known.
struct Known {
    clause: Clause,
    title: String,
    /// Why nothing here obeys it; empty: something does, or should.
    why_not: String,
}

/// The known clauses in their order.
fn known() -> Vec<Known> {
    let text = std::fs::read_to_string(root().join("fixtures/standards/clauses.csv")).unwrap();
    let row = Regex::new(r#"("[^"]*"|[^,]*)(?:,|$)"#).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<String> = row.captures_iter(line).map(|cell| cell[1].trim_matches('"').to_owned()).collect();
        let [standard, clause, zh, en, why_not] = [0, 1, 2, 3, 4].map(|at| cells.get(at).cloned().unwrap_or_default());
        let title = if zh.is_empty() { en } else { format!("{zh} {en}") };
        Known { clause: (standard, clause), title, why_not }
    });
    rows.collect()
}

/// The part of a text that is cited, in the words of the list: `table C.2` is `C.2`, `6.3.1, table 2` are two.
fn parts(cited: &str) -> Vec<String> {
    let part = Regex::new(r"(tables?|figures?|annex)? ?([A-H]\.\d+(?:\.\d+)*|\d+(?:\.\d+)*|[A-H])\b").unwrap();
    let mut all: Vec<String> = Vec::new();
    let mut before = String::new();
    let mut range = None;
    let mut end = 0;
    for found in part.captures_iter(cited) {
        let between = &cited[end..found.get(0).unwrap().start()];
        end = found.get(0).unwrap().end();
        let word = found.get(1).map_or("", |word| word.as_str()).trim_end_matches('s');
        let what = &found[2];
        // `tables 3 and 4`
        if !word.is_empty() || !between.contains("and") {
            before = word.to_owned();
        }
        let lettered = what.contains('.') && what.starts_with(char::is_alphabetic);
        let plain = before.is_empty() || lettered;
        let name = if plain { what.to_owned() } else { format!("{before} {what}") };
        if between.trim() == "to"
            && let Some((letter, from)) = range.take().or_else(|| all.last().and_then(|last: &String| numbered(last)))
            && let Some((_, to)) = numbered(&name)
        {
            all.extend((from + 1..=to).map(|number: u32| format!("{letter}.{number}")));
        } else {
            all.push(name);
        }
    }
    all
}

/// `C.16` as a letter and a number.
fn numbered(name: &str) -> Option<(String, u32)> {
    let (letter, number) = name.split_once('.')?;
    Some((letter.to_owned(), number.parse().ok()?))
}

/// Citations of a text, with the byte at which each stands.
fn citations(text: &str) -> Vec<(Clause, usize)> {
    let what =
        r"(?:(?:tables?|figures?|annex) )?(?:[A-H]\.\d+(?:\.\d+)*|\d+(?:\.\d+)+)|(?:tables?|figures?) \d+|annex [A-H]";
    let cite = Regex::new(&format!(r"(HJ(?:/T)? 212-20(?:05|17|25))((?:(?:, | and | to )(?:{what})\b)*)")).unwrap();
    let mut all = Vec::new();
    for found in cite.captures_iter(text) {
        let at = found.get(0).unwrap().start();
        let (standard, cited) = (found[1].to_owned(), &found[2]);
        if cited.is_empty() {
            all.push(((standard, String::new()), at));
        } else {
            all.extend(parts(cited).into_iter().map(|part| ((standard.clone(), part), at)));
        }
    }
    all
}

/// A file as one text per line of thought: what a comment breaks into lines is joined.
fn joined(text: &str) -> String {
    Regex::new(r"\s*\n\s*//[/!]? ?").unwrap().replace_all(text, " ").into_owned()
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/")
        || name.contains("/tests/")
        || name.ends_with("/tests.rs")
        || name.ends_with("_tests.rs")
        || name.starts_with("fixtures/")
}

fn collect() -> BTreeMap<Clause, Places> {
    let mut all: BTreeMap<Clause, Places> = BTreeMap::new();
    // Tests that stand in the file itself; `mod tests;` is a file of its own.
    let within = Regex::new(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*mod \w+ \{").unwrap();
    let mut paths = Vec::new();
    for folder in [
        "src",
        "crates",
        "tests",
        "benches",
        "config",
        "fixtures/frames",
        "fixtures/dialogues",
        "fixtures/interpret",
        "fixtures/marking",
    ] {
        files(&root().join(folder), &mut paths);
    }
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        if !["rs", "toml", "csv", "txt"].iter().any(|e| path.extension().is_some_and(|own| own == *e))
            || name == "tests/clauses.rs"
            || name.ends_with("Cargo.toml")
        {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let text = joined(&text);
        let tests_from = within.find(&text).map_or(text.len(), |found| found.start());
        for (clause, at) in citations(&text) {
            let places = all.entry(clause).or_default();
            let tested = is_test(&name) || at > tests_from;
            if tested { &mut places.tests } else { &mut places.code }.insert(name.clone());
        }
        // Frames that a standard prints: the clause is the first column.
        if let Some((_, edition)) = name.split_once("fixtures/frames/") {
            let standard = match edition.split('/').next() {
                Some("2005") => "HJ/T 212-2005",
                Some("2017") => "HJ 212-2017",
                _ => "HJ 212-2025",
            };
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let Some((clause, _)) = line.split_once('\t') else { continue };
                // Pages and numbers of examples are no clauses.
                let clause = clause.split(", p.").next().unwrap_or_default().split('#').next().unwrap_or_default();
                for part in parts(clause).into_iter().filter(|part| part.contains(['.', ' '])) {
                    all.entry((standard.to_owned(), part)).or_default().tests.insert(name.clone());
                }
            }
        }
    }
    all
}

fn shown(places: &BTreeSet<String>) -> String {
    const SHOWN_MAX: usize = 6;
    let mut names: Vec<String> = places.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    if places.len() > SHOWN_MAX {
        names.push(format!("and {} more", places.len() - SHOWN_MAX));
    }
    names.join(", ")
}

fn page(known: &[Known], cited: &BTreeMap<Clause, Places>) -> String {
    let none = Places::default();
    let of = |clause: &Clause| cited.get(clause).unwrap_or(&none);
    let mut page = String::from(
        "# Clauses\n\nWhich clause of HJ 212 is obeyed where, and tested where: collected from the citations in code, data and tests by\n\
         `tests/clauses.rs`, which fails when this page is stale (`UPDATE=1 cargo test --test clauses` writes it anew). The clauses are those of\n\
         `fixtures/standards/clauses.csv`; of the texts that were not to be had (HJ/T 212-2005, most of HJ 212-2025) it lists what is known.\n\
         A file is named here because it says that it does what the clause says, not because somebody checked that it does.\n",
    );
    let (mut refused, mut missing, mut untested) = (Vec::new(), Vec::new(), Vec::new());
    let mut standard = "";
    for Known { clause, title, why_not } in known {
        if clause.0 != standard {
            standard = &clause.0;
            page.push_str(&format!("\n## {standard}\n\n| clause | | code and data | tests |\n|---|---|---|---|\n"));
        }
        let places = of(clause);
        let name = if clause.1.is_empty() { "cited as a whole" } else { &clause.1 };
        page.push_str(&format!("| {name} | {title} | {} | {} |\n", shown(&places.code), shown(&places.tests)));
        let whole =
            if clause.1.is_empty() { standard.to_owned() } else { format!("{standard}, {}: {title}", clause.1) };
        match (places.code.is_empty(), places.tests.is_empty()) {
            (true, true) if !why_not.is_empty() => refused.push(format!("{whole}. {why_not}")),
            (true, true) => missing.push(whole),
            (false, true) => untested.push(whole),
            _ => {}
        }
    }
    let list = |title: &str, rows: &[String]| {
        let lines: String = rows.iter().map(|row| format!("- {row}\n")).collect();
        format!("\n## {title} ({})\n\n{}", rows.len(), if rows.is_empty() { "None.\n" } else { &lines })
    };
    page.push_str(&list("Not obeyed here, and why", &refused));
    page.push_str(&list("Cited nowhere", &missing));
    page.push_str(&list("Cited in code or data, and in no test", &untested));
    page
}

#[test]
fn the_page_of_clauses_is_what_code_and_tests_cite() {
    let (known, cited) = (known(), collect());
    assert!(known.len() > 100 && cited.len() > 50, "the citations were not found");
    let listed: BTreeSet<&Clause> = known.iter().map(|row| &row.clause).collect();
    // A standard that is named without a clause says nothing that could be looked up.
    let unknown: Vec<String> = cited
        .iter()
        .filter(|(clause, _)| !clause.1.is_empty() && !listed.contains(clause))
        .map(|((standard, clause), places)| format!("{standard}, {clause}: {:?} {:?}", places.code, places.tests))
        .collect();
    assert!(unknown.is_empty(), "not in fixtures/standards/clauses.csv:\n{}", unknown.join("\n"));
    let obeyed = known.iter().filter(|row| !row.why_not.is_empty() && cited.contains_key(&row.clause));
    let obeyed: Vec<&Clause> = obeyed.map(|row| &row.clause).collect();
    assert!(obeyed.is_empty(), "cited, and not obeyed by fixtures/standards/clauses.csv: {obeyed:?}");
    let (path, now) = (root().join("docs/clauses.md"), page(&known, &cited));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == now, "docs/clauses.md is stale: UPDATE=1 cargo test --test clauses writes it anew");
}

#[test]
fn citations_are_read_as_they_are_written() {
    let of =
        |text: &str| -> Vec<String> { citations(text).into_iter().map(|((s, c), _)| format!("{s}|{c}")).collect() };
    assert_eq!(of("as HJ 212-2017, 6.3.2, table 3 says"), ["HJ 212-2017|6.3.2", "HJ 212-2017|table 3"]);
    assert_eq!(of("(HJ 212-2017, tables C.49 and C.50)"), ["HJ 212-2017|C.49", "HJ 212-2017|C.50"]);
    assert_eq!(of("HJ 212-2025, 6.4 and annex A.2;"), ["HJ 212-2025|6.4", "HJ 212-2025|A.2"]);
    assert_eq!(of("HJ 212-2017, C.16 to C.18."), ["HJ 212-2017|C.16", "HJ 212-2017|C.17", "HJ 212-2017|C.18"]);
    assert_eq!(of("HJ 212-2017, table 3 and figure 4"), ["HJ 212-2017|table 3", "HJ 212-2017|figure 4"]);
    assert_eq!(of("HJ 212-2017, 6.1 and annex C"), ["HJ 212-2017|6.1", "HJ 212-2017|annex C"]);
    assert_eq!(of("HJ/T 212-2005 writes answers"), ["HJ/T 212-2005|"]);
}
