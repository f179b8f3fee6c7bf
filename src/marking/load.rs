//! Rule files to a rule book: every rule about rules, and where it was broken. All problems of all files are reported; a book with a
//! problem is no book, so a wrong file changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::expr::{self, Expr};
use super::overlap;
use super::rules::*;
use crate::registry::Problem;

const FACTORS: &str = include_str!("../../config/factors.csv");

macro_rules! built_in {
    ($( $file:literal )*) => {
        /// The rule files that come with the gateway, name and text.
        pub const BUILT_IN: &[(&str, &str)] = &[ $( ($file, include_str!(concat!("../../config/marking/", $file))) ),* ];
    };
}

built_in! {
    "signals.toml" "hjt212-2005.toml" "hj212-2017.toml" "hj212-2025-flags.toml" "hj212-2025.toml" "hj75.toml" "hj75-control.toml"
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
            match toml::from_str::<File>(text) {
                Ok(file) => parsed.push((Reader { name, text, problems: Vec::new() }, file)),
                Err(error) => problems.push(Problem::of_toml(Path::new(name), text, &error)),
            }
        }
        let codes: BTreeSet<&str> = FACTORS.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        let mut book = RuleBook::default();
        for (reader, file) in &mut parsed {
            reader.signals(&mut book, file, &codes);
        }
        for (reader, file) in &mut parsed {
            reader.marks(&mut book, file, &codes);
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

struct Reader<'f> {
    name: &'f str,
    text: &'f str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, place: &Range<usize>, what: String, remedy: &str) {
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

    fn marks(&mut self, book: &mut RuleBook, file: &File, codes: &BTreeSet<&str>) {
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
            for code in row.factors.iter().filter(|code| !is_code(codes, code.get_ref())) {
                let what = format!("mark {name}: unknown factor {:?}", code.get_ref());
                self.problem(&code.span(), what, "use a code of config/factors.csv");
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

    fn set(&mut self, book: &mut RuleBook, file: &File) {
        let Some(name) = file.set.as_ref() else { return };
        let set_name = name.get_ref().clone();
        let mut set = RuleSet {
            name: set_name.clone(),
            version: file.version.clone(),
            zh: file.zh.clone(),
            en: file.en.clone(),
            default_for: file.default_for.iter().map(|edition| edition.get_ref().clone()).collect(),
            other_flags: file.other_flags,
            rules: Vec::new(),
            limits: Vec::new(),
            conflicts: Vec::new(),
            periods: Vec::new(),
            entries: None,
            changes: Vec::new(),
        };
        for edition in file.default_for.iter().filter(|e| !["2005", "2017", "2025"].contains(&e.get_ref().as_str())) {
            let what = format!("default_for = {:?} is no edition", edition.get_ref());
            self.problem(&edition.span(), what, "write \"2005\", \"2017\" or \"2025\"");
        }
        for row in &file.rule {
            if let Some(rule) = self.rule(book, &set_name, row) {
                if set.rules.iter().any(|other| other.name == rule.name) {
                    self.problem(
                        &row.id.span(),
                        format!("rule {} is defined twice", rule.name),
                        "remove one of the two",
                    );
                }
                set.rules.push(rule);
            }
        }
        self.limits(book, &mut set, file);
        self.conflicts(book, &mut set, file);
        for row in &file.period {
            let owner = format!("period {}", row.of.get_ref());
            self.clause(&owner, &row.clause);
            self.one_of(&owner, &row.of, &["minute", "hour", "day"]);
            self.one_of(&owner, &row.medium, &["air", "water"]);
            let share = row
                .good
                .get_ref()
                .split_once('/')
                .and_then(|(good, all)| Some((good.parse().ok()?, all.parse().ok()?)));
            let good = match (row.good.get_ref().as_str(), share) {
                ("all", _) => Good::All,
                (_, Some((good, all))) if good > 0 && good <= all => Good::Share(good, all),
                _ => {
                    let what = format!("{owner}: good = {:?} cannot be read", row.good.get_ref());
                    self.problem(&row.good.span(), what, "write \"all\" or a share such as \"45/60\"");
                    continue;
                }
            };
            set.periods.push(Period {
                medium: row.medium.get_ref().clone(),
                of: row.of.get_ref().clone(),
                good,
                good_text: row.good.get_ref().as_str().into(),
                clause: row.clause.get_ref().as_str().into(),
                certainty: row.certainty,
            });
        }
        if let Some(row) = &file.entries {
            self.clause("entries", &row.clause);
            let (days, hour) = (row.deadline_days.min(31), row.deadline_hour.min(23));
            set.entries =
                Some(Entries { deadline_days: days, deadline_hour: hour, clause: row.clause.get_ref().clone() });
        }
        if book.sets.insert(set_name.clone(), set).is_some() {
            self.problem(
                &name.span(),
                format!("set {set_name:?} is defined twice"),
                "give one of the two another name",
            );
        }
    }

    fn one_of(&mut self, owner: &str, said: &Spanned<String>, known: &[&str]) {
        if !known.contains(&said.get_ref().as_str()) {
            let what = format!("{owner}: {:?} is not known", said.get_ref());
            self.problem(&said.span(), what, &format!("write one of {}", known.join(", ")));
        }
    }

    fn rule(&mut self, book: &RuleBook, set: &str, row: &RuleRow) -> Option<Rule> {
        self.id(&row.id);
        let name = format!("{set}:{}", row.id.get_ref());
        let owner = format!("rule {name}");
        self.clause(&owner, &row.clause);
        let mark = self.mark_of(book, set, &owner, &row.mark);
        let kind = book.marks.get(&mark);
        if row.effect == Effect::Apply && kind.is_some_and(|kind| kind.validity.needs_confirmation()) {
            let what = format!("{owner}: effect = \"apply\", but {mark} takes values out of judgement");
            self.problem(
                &row.id.span(),
                what,
                "write effect = \"propose\": only the discharger's entry may exempt or exclude",
            );
        }
        if let Some(medium) = &row.medium {
            self.one_of(&owner, medium, &["air", "water"]);
        }
        let when = self.condition(book, &owner, &row.when);
        let until = row.until.as_ref().map(|until| self.condition(book, &owner, until));
        let area = kind.is_some_and(|kind| kind.object != OBJECT_FACTOR && kind.object != OBJECT_PARAMETER);
        let mut own = when.iter().chain(until.iter().flatten()).flat_map(Expr::tests);
        if area && own.any(|test| test.of().is_some_and(|name| name == "value")) {
            let what = format!("{owner}: `value` has no meaning for a mark that is not on a factor");
            self.problem(&row.when.span(), what, "name a signal");
        }
        let (begin_after, end_after) =
            (self.time(&owner, row.begin_after.as_ref()), self.time(&owner, row.end_after.as_ref()));
        Some(Rule {
            name,
            version: row.version,
            mark,
            effect: row.effect,
            clause: row.clause.get_ref().clone(),
            certainty: row.certainty,
            when_text: row.when.get_ref().clone(),
            when: when?,
            until_text: row.until.as_ref().map(|until| until.get_ref().clone()),
            until: match until {
                Some(until) => Some(until?),
                None => None,
            },
            begin_after,
            end_after,
            group: row.group.clone(),
            medium: row.medium.as_ref().map(|medium| medium.get_ref().clone()),
        })
    }

    fn limits(&mut self, book: &RuleBook, set: &mut RuleSet, file: &File) {
        for row in &file.limit {
            self.id(&row.id);
            let name = format!("{}:{}", set.name, row.id.get_ref());
            let owner = format!("limit {name}");
            self.clause(&owner, &row.clause);
            let marks: Vec<String> = row.marks.iter().map(|mark| self.mark_of(book, &set.name, &owner, mark)).collect();
            let max = self.time(&owner, Some(&row.max));
            if max <= 0 || marks.is_empty() || !(1..=100).contains(&row.warn_percent) {
                let what = format!("{owner}: needs marks, a time above 0 and warn_percent from 1 to 100");
                self.problem(&row.max.span(), what, "write marks = [\"…\"], max = \"60h\"");
            }
            let warn = max / 100 * i64::from(row.warn_percent);
            let (clause, certainty) = (row.clause.get_ref().clone(), row.certainty);
            set.limits.push(Limit { name, marks, per: row.per, max, warn, clause, certainty });
        }
    }

    fn conflicts(&mut self, book: &RuleBook, set: &mut RuleSet, file: &File) {
        for row in &file.conflict {
            self.id(&row.id);
            let name = format!("{}:{}", set.name, row.id.get_ref());
            let owner = format!("conflict {name}");
            self.clause(&owner, &row.clause);
            if row.within.is_none() && row.against.is_none() {
                self.problem(
                    &row.id.span(),
                    format!("{owner}: nothing to conflict with"),
                    "give within (a mark) or against (a condition)",
                );
            }
            let mark = self.mark_of(book, &set.name, &owner, &row.mark);
            let within = row.within.as_ref().map(|mark| self.mark_of(book, &set.name, &owner, mark));
            let against = row.against.as_ref().and_then(|said| self.condition(book, &owner, said));
            let after = self.time(&owner, row.after.as_ref());
            set.conflicts.push(Conflict {
                name,
                mark,
                within,
                against_text: row.against.as_ref().map(|said| said.get_ref().clone()),
                against,
                after,
                zh: row.zh.clone(),
                en: row.en.clone(),
                clause: row.clause.get_ref().clone(),
                certainty: row.certainty,
            });
        }
    }

    fn overlay(&mut self, before: &RuleBook, book: &mut RuleBook, file: &File) {
        let Some(set) = file.set.as_ref().map(|set| set.get_ref().clone()) else { return };
        let mut changes = Vec::new();
        let find = |name: &str| before.sets.values().flat_map(|set| &set.rules).find(|rule| rule.name == name).cloned();
        for row in &file.overrides {
            let Some(old) = find(row.rule.get_ref()) else {
                self.no_rule(&row.rule);
                continue;
            };
            let owner = format!("override of {}", old.name);
            self.clause(&owner, &row.clause);
            if row.version <= old.version {
                let what = format!("{owner}: version {} is not above {}", row.version, old.version);
                self.problem(
                    &row.rule.span(),
                    what,
                    "a changed rule needs a higher version, or evidence cannot tell them apart",
                );
            }
            let when = row.when.as_ref().map(|said| (said, self.condition(before, &owner, said)));
            let until = row.until.as_ref().map(|said| (said, self.condition(before, &owner, said)));
            let mut rule = Rule { version: row.version, clause: row.clause.get_ref().clone(), ..old };
            if let Some((said, Some(read))) = when {
                (rule.when_text, rule.when) = (said.get_ref().clone(), read);
            }
            if let Some((said, Some(read))) = until {
                (rule.until_text, rule.until) = (Some(said.get_ref().clone()), Some(read));
            }
            if row.begin_after.is_some() {
                rule.begin_after = self.time(&owner, row.begin_after.as_ref());
            }
            if row.end_after.is_some() {
                rule.end_after = self.time(&owner, row.end_after.as_ref());
            }
            changes.push(Change::Override(Box::new(rule)));
        }
        for row in &file.disable {
            match find(row.rule.get_ref()) {
                None => self.no_rule(&row.rule),
                Some(old) => {
                    self.clause(&format!("disable of {}", old.name), &row.clause);
                    changes.push(Change::Disable(old.name, row.clause.get_ref().clone()));
                }
            }
        }
        if let Some(set) = book.sets.get_mut(&set) {
            set.changes = changes;
        }
    }

    fn no_rule(&mut self, said: &Spanned<String>) {
        let what = format!("there is no rule {:?}", said.get_ref());
        self.problem(&said.span(), what, "write set:rule of a rule in another file");
    }

    /// Marks that nothing can set, conditions that cannot come true, rules of a group that can be true together.
    fn reachable(&mut self, book: &RuleBook, file: &File) {
        let Some(set) = file.set.as_ref().and_then(|set| book.sets.get(set.get_ref())) else { return };
        let changed = |name: &str| {
            set.changes.iter().find_map(|change| match change {
                Change::Override(rule) if rule.name == name => Some(rule.as_ref()),
                Change::Override(_) | Change::Disable(..) => None,
            })
        };
        let places: BTreeMap<String, Range<usize>> = file
            .rule
            .iter()
            .map(|row| (format!("{}:{}", set.name, row.id.get_ref()), row.when.span()))
            .chain(file.overrides.iter().map(|row| (row.rule.get_ref().clone(), row.rule.span())))
            .collect();
        let overrides = set.changes.iter().filter_map(|change| match change {
            Change::Override(rule) => Some(rule.as_ref()),
            Change::Disable(..) => None,
        });
        for rule in set.rules.iter().chain(overrides) {
            let Some(place) = places.get(&rule.name) else { continue };
            if !overlap::can_be(&[&rule.when]) {
                let what = format!("rule {}: `{}` can never be true", rule.name, rule.when_text);
                self.problem(place, what, "correct the numbers, or remove the rule");
            }
            let home = rule.name.split(':').next().and_then(|home| book.sets.get(home));
            let others = home.iter().flat_map(|home| &home.rules).map(|other| changed(&other.name).unwrap_or(other));
            let shares = |other: &&Rule| {
                other.group == rule.group
                    && kind_of(book, &other.mark) == kind_of(book, &rule.mark)
                    && (other.medium == rule.medium || other.medium.is_none() || rule.medium.is_none())
            };
            let after = others.skip_while(|other| other.name != rule.name && home.is_some_and(|h| h.name == set.name));
            for other in after.filter(|other| other.name != rule.name && rule.group.is_some()).filter(shares) {
                if overlap::can_be(&[&rule.when, &other.when]) {
                    let what = format!("rules {} and {} of one group can be true together", rule.name, other.name);
                    self.problem(place, what, "make one exclude the other, or give them different groups");
                }
            }
        }
        for row in file.mark.iter().filter(|row| !row.by_hand) {
            let name = format!("{}:{}", set.name, row.id.get_ref());
            if !book.sets.values().any(|set| set.rules.iter().any(|rule| rule.mark == name)) {
                let what = format!("mark {name}: no rule sets it and no one may enter it");
                self.problem(&row.id.span(), what, "add a [[rule]], or allow by_hand");
            }
        }
    }
}

fn kind_of<'b>(book: &'b RuleBook, mark: &str) -> Option<&'b str> {
    book.marks.get(mark).map(|kind| kind.object.as_str())
}

fn full(set: &str, said: &str) -> String {
    if said.contains(':') { said.to_owned() } else { format!("{set}:{said}") }
}
