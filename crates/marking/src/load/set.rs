//! Rule sets: rules, limits, conflicts, periods, deadlines.

use std::sync::Arc;

use toml::Spanned;

use super::super::expr::Expr;
use super::super::overlap;
use super::super::rules::file::{ConflictRow, EntriesRow, File, PeriodRow, RuleRow};
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
            requires: Vec::new(),
            bases: Vec::new(),
            counts: Vec::new(),
            entries: self.all_entries(&file.entries),
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
        self.conditions(book, &mut set, file);
        for row in &file.period {
            let owner = format!("period {}", row.of.get_ref());
            self.clause(&owner, &row.clause);
            self.one_of(&owner, &row.of, &["minute", "hour", "day"]);
            self.one_of(&owner, &row.medium, &["air", "water"]);
            let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
            let same = |p: &&Period| p.of == *row.of.get_ref() && p.medium == *row.medium.get_ref();
            let twice = set.periods.iter().filter(same).any(|p| p.dates.meets(dates));
            self.once(&row.of, &format!("{owner} of {}", row.medium.get_ref()), twice);
            set.periods.extend(self.period(&owner, row, dates));
        }
        if book.sets.insert(set_name.clone(), set).is_some() {
            self.problem(
                &name.span(),
                format!("set {set_name:?} is defined twice"),
                "give one of the two another name",
            );
        }
    }

    /// What a file says of deadlines: of any day once.
    pub(super) fn all_entries(&mut self, rows: &[EntriesRow]) -> Vec<Entries> {
        let mut all: Vec<Entries> = Vec::new();
        for row in rows {
            let one = self.entries(row);
            self.once(&row.clause, "entries", all.iter().any(|other| other.dates.meets(one.dates)));
            all.push(one);
        }
        all
    }

    fn entries(&mut self, row: &EntriesRow) -> Entries {
        self.clause("entries", &row.clause);
        let (days, hour) = (row.deadline_days, row.deadline_hour);
        if days > 31 || hour > 23 {
            let what = format!("entries: deadline_days = {days}, deadline_hour = {hour} is no deadline");
            self.problem(&row.clause.span(), what, "write 0 to 31 days and 0 to 23 o'clock");
        }
        let clause = row.clause.get_ref().clone();
        let dates = self.dates("entries", row.from.as_ref(), row.until.as_ref());
        Entries { deadline_days: days, deadline_hour: hour, proof: row.proof, clause, dates }
    }

    /// What a period needs, for its flag and for its mean.
    fn period(&mut self, owner: &str, row: &PeriodRow, dates: Dates) -> Option<Period> {
        let share = |text: &str| {
            let (good, all) = text.split_once('/')?;
            Some((good.parse::<u32>().ok()?, all.parse::<u32>().ok()?)).filter(|(good, all)| *good > 0 && good <= all)
        };
        let good = |text: &str| match text {
            "all" => Some(Good::All),
            _ => share(text).map(|(good, all)| Good::Share(good, all)),
        };
        let percent = |text: &str| text.strip_suffix('%')?.parse().ok().filter(|p: &u32| (1..=100).contains(p));
        let mean = |text: &str| match (text, percent(text)) {
            ("all", _) => Some(Mean::All),
            (_, Some(percent)) => Some(Mean::Due(percent, 100)),
            _ => share(text).map(|(good, all)| Mean::Whole(good, all)),
        };
        // Files before this had one key for both questions.
        let both = |text: &str| match good(text)? {
            Good::All => Some(Mean::All),
            Good::Share(good, all) => Some(Mean::Due(good, all)),
        };
        let said = [&row.good, &row.flag, &row.flag_strict, &row.mean];
        let [old, flag, strict, of_mean] = said.map(|said| said.as_ref().map(|said| said.get_ref().as_str()));
        let wrong =
            [old.map(|t| good(t).is_some()), flag.map(|t| good(t).is_some()), strict.map(|t| good(t).is_some())];
        let wrong = wrong.into_iter().chain([of_mean.map(|t| mean(t).is_some())]).position(|fine| fine == Some(false));
        if let Some(said) = wrong.and_then(|at| said.into_iter().nth(at)?.as_ref()) {
            let what = format!("{owner}: {:?} cannot be read", said.get_ref());
            self.problem(&said.span(), what, "write \"all\", a share such as \"45/60\", or for mean \"75%\"");
            return None;
        }
        if (old.is_none() && flag.is_none() && of_mean.is_none()) || (old.is_some() && (flag.or(of_mean)).is_some()) {
            let what = format!("{owner}: nothing is asked, or twice");
            self.problem(&row.of.span(), what, "write flag = \"3/4\" and mean = \"45/60\"");
            return None;
        }
        if let Some(clause) = &row.mean_clause {
            self.clause(owner, clause);
        }
        let clause: Arc<str> = row.clause.get_ref().as_str().into();
        let mean_clause = row.mean_clause.as_ref().map_or_else(|| Arc::clone(&clause), |c| c.get_ref().as_str().into());
        let certainty = row.mean_certainty.unwrap_or(row.certainty);
        let asked = |needed, text: &str, clause, certainty| Asked { needed, text: text.into(), clause, certainty };
        let mean =
            of_mean.and_then(|text| Some((mean(text)?, text))).or(old.and_then(|text| Some((both(text)?, text))));
        Some(Period {
            medium: row.medium.get_ref().clone(),
            of: row.of.get_ref().clone(),
            flag: flag.or(old).and_then(|text| {
                Some(Asked {
                    needed: good(text)?,
                    text: text.into(),
                    clause: Arc::clone(&clause),
                    certainty: row.certainty,
                })
            }),
            strict: strict.and_then(good),
            mean: mean.map(|(needed, text)| asked(needed, text, mean_clause, certainty)),
            dates,
        })
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
            let place = row.mark.as_ref().map_or_else(|| row.id.span(), Spanned::span);
            self.problem(&place, what, "name a mark of a facility or the outlet");
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

    /// The mark that a conflict is about; empty: none, it is the act that is forbidden.
    fn marked(&mut self, book: &RuleBook, set: &str, owner: &str, row: &ConflictRow) -> Option<String> {
        match (&row.mark, &row.object) {
            (Some(mark), None) => Some(self.mark_of(book, set, owner, mark)),
            (None, Some(_)) if row.against.is_some() => Some(String::new()),
            (Some(_), Some(_)) | (None, _) => {
                let what = format!("{owner}: needs a mark, or an object and what is forbidden there (against)");
                self.problem(&row.id.span(), what, "write mark = \"…\", or object = \"furnace\" and against");
                None
            }
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
        let dates = self.dates(&owner, row.from.as_ref(), row.before.as_ref());
        let never = kind.is_some_and(|kind| !kind.dates.meets(dates)) && !dates.is_never();
        if let Some(kind) = kind.filter(|_| never) {
            let what = format!("{owner}: {} is no mark at the time of this rule", kind.name);
            self.problem(&row.id.span(), what, "give both dates that meet");
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
            dates,
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
                let what = format!(
                    "{owner}: {} marks, max = {:?}, warn_percent = {}: it needs marks, a time above 0 and 1 to 100 percent",
                    marks.len(),
                    row.max.get_ref(),
                    row.warn_percent
                );
                self.problem(&row.max.span(), what, "write marks = [\"…\"], max = \"60h\"");
            }
            self.once(&row.id, &owner, set.limits.iter().any(|other| other.name == name));
            let warn = max / 100 * i64::from(row.warn_percent);
            let (clause, certainty) = (row.clause.get_ref().clone(), row.certainty);
            let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
            if let Some(said) = row.apart.as_ref().filter(|_| row.per != Per::Each || row.apart_clause.is_none()) {
                let what = format!("{owner}: apart is for per = \"each\", and says what it rests on");
                self.problem(&said.span(), what, "write apart_clause = \"…\" and apart_certainty, or leave apart out");
            }
            if let Some(clause) = &row.apart_clause {
                self.clause(&owner, clause);
            }
            let apart = self.time(&owner, row.apart.as_ref());
            let apart_clause = row.apart_clause.as_ref().map(|said| said.get_ref().clone()).unwrap_or_default();
            set.limits.push(Limit {
                name,
                marks,
                per: row.per,
                max,
                warn,
                apart,
                apart_clause,
                clause,
                certainty,
                dates,
            });
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
            let Some(mark) = self.marked(book, &set.name, &owner, row) else { continue };
            let of_mark = book.marks.get(&mark).map(|kind| kind.object.clone());
            let object = of_mark.or(row.object.as_ref().map(|object| object.get_ref().clone())).unwrap_or_default();
            let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
            let within = row.within.as_ref().map(|mark| self.mark_of(book, &set.name, &owner, mark));
            let against = row.against.as_ref().and_then(|said| self.condition(book, &owner, said));
            let after = self.time(&owner, row.after.as_ref());
            self.meets(book, row, (&owner, &mark, within.as_deref()), against.as_ref());
            set.conflicts.push(Conflict {
                name,
                mark,
                object,
                dates,
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
