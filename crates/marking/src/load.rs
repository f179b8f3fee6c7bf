//! Rule files to a rule book: every rule about rules, and where it was broken. All problems of all files are reported; a book with a
//! problem is no book, so a wrong file changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::expr::{self, Expr};
use super::rules::file::File;
use super::rules::*;
use hj212_model::registry::{Problem, read_toml};

mod conditions;
mod overlay;
mod set;

const FACTORS: &str = include_str!("../../../config/factors.csv");

macro_rules! built_in {
    ($( $file:literal )*) => {
        /// The rule files that come with the gateway, name and text.
        pub const BUILT_IN: &[(&str, &str)] = &[ $( ($file, include_str!(concat!("../../../config/marking/", $file))) ),* ];
    };
}

built_in! {
    "signals.toml" "basis.toml" "hjt212-2005.toml" "hj212-2017.toml" "hj212-2025-flags.toml" "hj212-2025.toml" "hj75.toml" "hj75-control.toml"
    "device-2022-21.toml" "incineration-2019-50.toml" "power-cement-paper-2020-21.toml" "value-checks.toml" "example-province.toml"
}

/// The same as a context carries them: a replay by a later version then judges as this one did.
#[must_use]
pub fn built_in_texts() -> BTreeMap<String, String> {
    BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

impl RuleBook {
    /// The rules that come with the gateway.
    ///
    /// # Errors
    /// None, as a test makes sure.
    pub fn built_in() -> Result<RuleBook, Vec<Problem>> {
        Self::load(&built_in_texts().into_iter().collect::<Vec<_>>())
    }

    /// Reads rule files, given as (name, text).
    ///
    /// # Errors
    /// Everything that is wrong with any of them: file, line, the value and the rule it breaks, and what to do.
    pub fn load(files: &[(String, String)]) -> Result<RuleBook, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut parsed = Vec::new();
        for (name, text) in files {
            let (file, wrong) = read_toml::<File>(Path::new(name), text);
            problems.extend(wrong);
            parsed.extend(file.map(|file| (Reader { name, text, problems: Vec::new() }, file)));
        }
        let codes: BTreeSet<&str> = FACTORS.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        let own = parsed.iter().flat_map(|(_, file)| file.kinds.clone());
        let kinds: Vec<String> = OBJECTS.iter().map(|kind| (*kind).to_owned()).chain(own).collect();
        let mut book = RuleBook { kinds: kinds.iter().cloned().collect(), ..RuleBook::default() };
        for (reader, file) in &mut parsed {
            reader.signals(&mut book, file, &codes);
        }
        for (reader, file) in &mut parsed {
            reader.marks(&mut book, file, &codes, &kinds);
        }
        for (reader, file) in &mut parsed {
            reader.set(&mut book, file);
        }
        let before = book.clone();
        for (reader, file) in &mut parsed {
            reader.overlay(&before, &mut book, file);
        }
        for (reader, file) in &mut parsed {
            reader.reachable(&book, file);
            problems.append(&mut reader.problems);
        }
        if problems.is_empty() { Ok(book) } else { Err(problems) }
    }
}

/// Whether the dictionary has `code`; an `x` there stands for any device number.
fn is_code(codes: &BTreeSet<&str>, code: &str) -> bool {
    let fits =
        |known: &str| known.len() == code.len() && known.bytes().zip(code.bytes()).all(|(k, c)| k == c || k == b'x');
    codes.contains(code) || codes.iter().any(|known| known.contains('x') && fits(known))
}

/// The key whose value stands at `at`: the word before the last equals sign of the line up to there.
fn key_at(text: &str, at: usize) -> Option<&str> {
    let line = text.get(..at)?.rsplit('\n').next()?;
    let before = line.rsplit_once('=')?.0.trim_end();
    let word = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
    (!word.is_empty()).then_some(word)
}

struct Reader<'f> {
    name: &'f str,
    text: &'f str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Notes a mistake; the key whose value it is in is named too.
    fn problem(&mut self, place: &Range<usize>, what: String, remedy: &str) {
        let what = match key_at(self.text, place.start) {
            Some(key) if !what.contains(&format!("{key} =")) => format!("{what} ({key})"),
            Some(_) | None => what,
        };
        self.problems.push(Problem::at(self.name, self.text, place, what, remedy));
    }

    fn id(&mut self, id: &Spanned<String>) {
        let good = (1..=48).contains(&id.get_ref().len())
            && id.get_ref().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !good {
            let what = format!("id = {:?} must be 1 to 48 letters, digits, '-' or '_'", id.get_ref());
            self.problem(&id.span(), what, "it becomes a level of topics: choose a plain word");
        }
    }

    fn clause(&mut self, owner: &str, clause: &Spanned<String>) {
        if clause.get_ref().trim().is_empty() {
            let what = format!("{owner}: the clause is empty");
            self.problem(
                &clause.span(),
                what,
                "name the document and its article, or say that none is known and who decided",
            );
        }
    }

    fn time(&mut self, owner: &str, said: Option<&Spanned<String>>) -> i64 {
        let Some(said) = said else { return 0 };
        expr::span(said.get_ref()).unwrap_or_else(|| {
            let what = format!("{owner}: {:?} is no time", said.get_ref());
            self.problem(&said.span(), what, "write a whole number and s, min, h or d: \"30min\"");
            0
        })
    }

    fn condition(&mut self, book: &RuleBook, owner: &str, said: &Spanned<String>) -> Option<Expr<String>> {
        let start = said.span().start + 1;
        let read = match expr::read(said.get_ref()) {
            Ok(read) => read,
            Err(fault) => {
                let what = format!("{owner}: {} in `{}`", fault.what, said.get_ref());
                let place = start + fault.at..start + fault.at;
                self.problem(&place, what, "see docs/marking.md for what a condition may say");
                return None;
            }
        };
        let unknown = |name: &&String| name.as_str() != "value" && !book.signals.contains_key(name.as_str());
        let unknown: BTreeSet<String> = read.tests().iter().filter_map(|t| t.of()).filter(unknown).cloned().collect();
        for name in &unknown {
            let what = format!("{owner}: unknown factor or signal {name:?} in `{}`", said.get_ref());
            let known: Vec<&str> = book.signals.keys().map(String::as_str).collect();
            self.problem(
                &said.span(),
                what,
                &format!("declare it with [[signal]], or use value or one of {}", known.join(", ")),
            );
        }
        unknown.is_empty().then_some(read)
    }

    fn signals(&mut self, book: &mut RuleBook, file: &File, codes: &BTreeSet<&str>) {
        if file.schema.get_ref() != "marks/1" {
            let what = format!("schema = {:?} is not known", file.schema.get_ref());
            self.problem(&file.schema.span(), what, "this version reads \"marks/1\"");
        }
        if file.set.is_none() {
            book.entries.extend(self.all_entries(&file.entries));
        }
        for row in &file.signal {
            self.id(&row.id);
            if let Some(code) = row.code.as_ref().filter(|code| !is_code(codes, code.get_ref())) {
                let what = format!("signal {}: unknown factor {:?}", row.id.get_ref(), code.get_ref());
                self.problem(
                    &code.span(),
                    what,
                    "use a code of config/factors.csv, or leave it to the stations' aliases",
                );
            }
            let signal = Signal {
                zh: row.zh.clone(),
                en: row.en.clone(),
                unit: row.unit.clone(),
                code: row.code.as_ref().map(|code| code.get_ref().clone()),
                of_factor: row.of_factor,
            };
            if book.signals.insert(row.id.get_ref().clone(), signal).is_some() || row.id.get_ref() == "value" {
                let what = format!("signal {:?} is declared twice or is reserved", row.id.get_ref());
                self.problem(&row.id.span(), what, "remove one of the two");
            }
        }
    }

    fn marks(&mut self, book: &mut RuleBook, file: &File, codes: &BTreeSet<&str>, kinds: &[String]) {
        let Some(set) = &file.set else {
            if !(file.mark.is_empty() && file.rule.is_empty() && file.overrides.is_empty() && file.disable.is_empty()) {
                self.problem(&file.schema.span(), "marks and rules without a set".into(), "name the set: set = \"…\"");
            }
            return;
        };
        self.id(set);
        for row in &file.mark {
            self.id(&row.id);
            let name = format!("{}:{}", set.get_ref(), row.id.get_ref());
            self.clause(&format!("mark {name}"), &row.source);
            let dates = self.dates(&format!("mark {name}"), row.from.as_ref(), row.until.as_ref());
            for code in row.factors.iter().filter(|code| !is_code(codes, code.get_ref())) {
                let what = format!("mark {name}: unknown factor {:?}", code.get_ref());
                self.problem(&code.span(), what, "use a code of config/factors.csv");
            }
            if !kinds.contains(row.object.get_ref()) {
                let what = format!("mark {name}: object = {:?} is no kind that is known", row.object.get_ref());
                let remedy = format!("write one of {}, or declare it: kinds = [\"…\"]", kinds.join(", "));
                self.problem(&row.object.span(), what, &remedy);
            }
            let unknown = row.signals.iter().find(|signal| !book.signals.contains_key(*signal));
            if let Some(signal) = unknown {
                let what = format!("mark {name}: unknown signal {signal:?}");
                self.problem(&row.id.span(), what, "declare it with [[signal]], or correct the spelling");
            }
            let kind = MarkKind {
                name: name.clone(),
                zh: row.zh.clone(),
                en: row.en.clone(),
                object: row.object.get_ref().clone(),
                dimension: row.dimension,
                validity: row.validity,
                source: row.source.get_ref().clone(),
                certainty: row.certainty,
                by_hand: row.by_hand,
                normal: row.normal,
                factors: row.factors.iter().map(|code| code.get_ref().clone()).collect(),
                signals: row.signals.clone(),
                ruling: row.ruling,
                dates,
                counts: row.counts,
            };
            if book.marks.insert(name.clone(), kind).is_some() {
                self.problem(&row.id.span(), format!("mark {name} is defined twice"), "remove one of the two");
            }
        }
    }

    /// The full name of what a file refers to: `fault` or `dev22:fault`.
    fn mark_of(&mut self, book: &RuleBook, set: &str, owner: &str, said: &Spanned<String>) -> String {
        let name = full(set, said.get_ref());
        if !book.marks.contains_key(&name) {
            let what = format!("{owner}: there is no mark {name:?}");
            self.problem(&said.span(), what, "define it with [[mark]], or correct the spelling");
        }
        name
    }
}

fn full(set: &str, said: &str) -> String {
    if said.contains(':') { said.to_owned() } else { format!("{set}:{said}") }
}
