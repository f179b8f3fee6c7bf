//! What exemptions require, what values rest on, what is counted; and the dates of rules.

use std::collections::BTreeSet;

use toml::Spanned;

use super::super::calendar;
use super::super::rules::file::File;
use super::super::rules::*;
use super::{FACTORS, Reader, is_code};

impl Reader<'_> {
    pub(super) fn conditions(&mut self, book: &RuleBook, set: &mut RuleSet, file: &File) {
        let codes: BTreeSet<&str> = FACTORS.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        for row in &file.require {
            self.id(&row.id);
            let name = format!("{}:{}", set.name, row.id.get_ref());
            let owner = format!("require {name}");
            self.clause(&owner, &row.clause);
            self.one_of(&owner, &row.of, &["minute", "hour", "day"]);
            row.factors.iter().chain([&row.factor]).for_each(|code| self.code(&owner, &codes, code));
            let marks = row.marks.iter().map(|mark| self.mark_of(book, &set.name, &owner, mark)).collect();
            let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
            set.requires.push(Require {
                name,
                marks,
                factor: row.factor.get_ref().clone(),
                of: row.of.get_ref().clone(),
                max: row.max,
                factors: row.factors.iter().map(|code| code.get_ref().clone()).collect(),
                others: row.others,
                zh: row.zh.clone(),
                en: row.en.clone(),
                clause: row.clause.get_ref().clone(),
                certainty: row.certainty,
                dates,
            });
        }
        for row in &file.basis {
            let mark = self.mark_of(book, &set.name, "basis", &row.mark);
            let owner = format!("basis {mark}");
            self.clause(&owner, &row.clause);
            self.one_of(&owner, &row.medium, &["air", "water"]);
            self.one_of(&owner, &row.of, &["converted", "means"]);
            row.but.iter().chain([&row.factor]).for_each(|code| self.code(&owner, &codes, code));
            let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
            let absent =
                row.absent.as_ref().map_or_else(|| mark.clone(), |said| self.mark_of(book, &set.name, &owner, said));
            let (Some(kind), Some(of_absence)) = (book.marks.get(&mark), book.marks.get(&absent)) else { continue };
            let dates = dates.and(kind.dates).and(of_absence.dates);
            let absent = (absent, of_absence.validity);
            set.bases.push(Basis {
                mark,
                validity: kind.validity,
                factor: row.factor.get_ref().clone(),
                medium: row.medium.get_ref().clone(),
                of_converted: row.of.get_ref() == "converted",
                above: row.above,
                below: row.below,
                needed: row.needed,
                absent,
                but: row.but.iter().map(|code| code.get_ref().clone()).collect(),
                dates,
            });
        }
        for row in &file.count {
            self.id(&row.id);
            let name = format!("{}:{}", set.name, row.id.get_ref());
            let owner = format!("count {name}");
            self.clause(&owner, &row.clause);
            self.code(&owner, &codes, &row.code);
            if !book.signals.contains_key(row.signal.get_ref()) {
                let what = format!("{owner}: unknown signal {:?}", row.signal.get_ref());
                self.problem(&row.signal.span(), what, "declare it with [[signal]], or correct the spelling");
            }
            let unless = row.unless.iter().map(|mark| self.mark_of(book, &set.name, &owner, mark)).collect();
            let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
            set.counts.push(Count {
                name,
                signal: row.signal.get_ref().clone(),
                code: row.code.get_ref().clone(),
                below: row.below,
                max: row.max,
                unless,
                zh: row.zh.clone(),
                en: row.en.clone(),
                clause: row.clause.get_ref().clone(),
                certainty: row.certainty,
                dates,
            });
        }
    }

    fn code(&mut self, owner: &str, codes: &BTreeSet<&str>, code: &Spanned<String>) {
        if !is_code(codes, code.get_ref()) {
            let what = format!("{owner}: unknown factor {:?}", code.get_ref());
            self.problem(&code.span(), what, "use a code of config/factors.csv");
        }
    }

    /// From the beginning of one Beijing day to before that of another.
    pub(super) fn dates(
        &mut self,
        owner: &str,
        from: Option<&Spanned<String>>,
        until: Option<&Spanned<String>>,
    ) -> Dates {
        let mut dates = Dates::default();
        for (said, is_from) in from.map(|said| (said, true)).into_iter().chain(until.map(|said| (said, false))) {
            match calendar::day(said.get_ref()) {
                Some(at) if is_from => dates.from = at,
                Some(at) => dates.until = at,
                None => {
                    let what = format!("{owner}: {:?} is no day", said.get_ref());
                    self.problem(&said.span(), what, "write it as \"2026-08-15\"");
                }
            }
        }
        if let Some(said) = until.or(from).filter(|_| dates.from >= dates.until) {
            let day = |said: Option<&Spanned<String>>| said.map_or("-".to_owned(), |said| said.get_ref().clone());
            let what = format!("{owner}: from {} until before {} it never holds", day(from), day(until));
            self.problem(&said.span(), what, "from must be before the day on which it ends");
        }
        dates
    }
}
