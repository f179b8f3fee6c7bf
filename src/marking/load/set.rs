//! Rule sets: rules, limits, conflicts, periods, deadlines.

use toml::Spanned;

use super::super::expr::Expr;
use super::super::overlap;
use super::super::rules::file::{ConflictRow, File, RuleRow};
use super::super::rules::*;
use super::Reader;

impl Reader<'_> {
    pub(super) fn set(&mut self, book: &mut RuleBook, file: &File) {
        let Some(name) = file.set.as_ref() else { return };
        let set_name = name.get_ref().clone();
        let mut set = RuleSet {
            name: set_name.clone(),
            file: self.name.to_owned(),
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
            overlay: file.overlay || !(file.overrides.is_empty() && file.disable.is_empty()),
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
            let twice = set.periods.iter().any(|p| p.of == *row.of.get_ref() && p.medium == *row.medium.get_ref());
            self.once(&row.of, &format!("{owner} of {}", row.medium.get_ref()), twice);
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
            let (days, hour) = (row.deadline_days, row.deadline_hour);
            if days > 31 || hour > 23 {
                let what = format!("entries: deadline_days = {days}, deadline_hour = {hour} is no deadline");
                self.problem(&row.clause.span(), what, "write 0 to 31 days and 0 to 23 o'clock");
            }
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

    fn once(&mut self, place: &Spanned<String>, owner: &str, twice: bool) {
        if twice {
            self.problem(&place.span(), format!("{owner} is defined twice"), "remove one of the two");
        }
    }

    /// Whether a conflict can ever be met: on an object that is watched, by a condition that can be true there.
    fn meets(
        &mut self,
        book: &RuleBook,
        row: &ConflictRow,
        (owner, mark, within): (&str, &str, Option<&str>),
        against: Option<&Expr<String>>,
    ) {
        let object = |mark: &str| book.marks.get(mark).map(|kind| kind.object.as_str());
        if matches!(object(mark), Some(OBJECT_FACTOR | OBJECT_PARAMETER)) {
            let what =
                format!("{owner}: {mark} hangs on a code, and conflicts are looked for on facilities and the outlet");
            self.problem(&row.mark.span(), what, "name a mark of a facility or the outlet");
        }
        if let (Some(within), Some(said)) = (within, &row.within)
            && object(within) != object(mark)
            && object(within).is_some()
        {
            let what =
                format!("{owner}: {within} is on another kind of object than {mark}, so one is never within the other");
            self.problem(&said.span(), what, "name a mark on the same kind of object");
        }
        let (Some(against), Some(said)) = (against, &row.against) else { return };
        if against.tests().iter().any(|test| test.of().is_some_and(|name| name == "value")) {
            let what = format!("{owner}: `value` has no meaning in a conflict");
            self.problem(&said.span(), what, "name a signal");
        } else if !overlap::can_be(&[against]) {
            let what = format!("{owner}: `{}` can never be true", said.get_ref());
            self.problem(&said.span(), what, "correct the numbers, or remove the conflict");
        }
    }

    pub(super) fn one_of(&mut self, owner: &str, said: &Spanned<String>, known: &[&str]) {
        if !known.contains(&said.get_ref().as_str()) {
            let what = format!("{owner}: {:?} is not known", said.get_ref());
            self.problem(&said.span(), what, &format!("write one of {}", known.join(", ")));
        }
    }

    pub(super) fn rule(&mut self, book: &RuleBook, set: &str, row: &RuleRow) -> Option<Rule> {
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

    pub(super) fn limits(&mut self, book: &RuleBook, set: &mut RuleSet, file: &File) {
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
            self.once(&row.id, &owner, set.limits.iter().any(|other| other.name == name));
            let warn = max / 100 * i64::from(row.warn_percent);
            let (clause, certainty) = (row.clause.get_ref().clone(), row.certainty);
            set.limits.push(Limit { name, marks, per: row.per, max, warn, clause, certainty });
        }
    }

    pub(super) fn conflicts(&mut self, book: &RuleBook, set: &mut RuleSet, file: &File) {
        for row in &file.conflict {
            self.id(&row.id);
            let name = format!("{}:{}", set.name, row.id.get_ref());
            let owner = format!("conflict {name}");
            self.clause(&owner, &row.clause);
            let meant = [row.within.is_some(), row.against.is_some(), row.shared];
            if row.shared && meant != [false, false, true] {
                let what = format!("{owner}: shared stands alone");
                self.problem(&row.id.span(), what, "leave out within and against, or make two conflicts of it");
            }
            if meant == [false; 3] {
                self.problem(
                    &row.id.span(),
                    format!("{owner}: nothing to conflict with"),
                    "give within (a mark), against (a condition) or shared = true",
                );
            }
            self.once(&row.id, &owner, set.conflicts.iter().any(|other| other.name == name));
            let mark = self.mark_of(book, &set.name, &owner, &row.mark);
            let within = row.within.as_ref().map(|mark| self.mark_of(book, &set.name, &owner, mark));
            let against = row.against.as_ref().and_then(|said| self.condition(book, &owner, said));
            let after = self.time(&owner, row.after.as_ref());
            self.meets(book, row, (&owner, &mark, within.as_deref()), against.as_ref());
            set.conflicts.push(Conflict {
                name,
                mark,
                within,
                shared: row.shared,
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
}
