//! What overlays change in rules of other sets, and what no rule can ever reach.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::super::overlap;
use super::super::rules::file::File;
use super::super::rules::*;
use super::Reader;

impl Reader<'_> {
    pub(super) fn overlay(&mut self, before: &RuleBook, book: &mut RuleBook, file: &File) {
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
            let dates = self.dates(&owner, row.from.as_ref(), row.before.as_ref());
            if !dates.is_never() && !dates.meets(old.dates) {
                let what = format!("{owner}: the rule does not hold at that time");
                self.problem(&row.rule.span(), what, "give it dates within those of the rule");
            }
            let dates = dates.and(old.dates);
            let mut rule = Rule { version: row.version, clause: row.clause.get_ref().clone(), dates, ..old };
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
            self.changed_once(&row.rule, &changes, rule.dates);
            changes.push(Change::Override(Box::new(rule)));
        }
        for row in &file.disable {
            match find(row.rule.get_ref()) {
                None => self.no_rule(&row.rule),
                Some(old) => {
                    let owner = format!("disable of {}", old.name);
                    self.clause(&owner, &row.clause);
                    let dates = self.dates(&owner, row.from.as_ref(), row.until.as_ref());
                    self.changed_once(&row.rule, &changes, dates);
                    changes.push(Change::Disable(old.name, row.clause.get_ref().clone(), dates));
                }
            }
        }
        if let Some(set) = book.sets.get_mut(&set) {
            set.changes = changes;
        }
    }

    fn changed_once(&mut self, said: &Spanned<String>, changes: &[Change], dates: Dates) {
        let name = said.get_ref();
        let is = |change: &Change| match change {
            Change::Override(rule) => rule.name == *name && rule.dates.meets(dates),
            Change::Disable(other, _, then) => other == name && then.meets(dates),
        };
        if changes.iter().any(is) {
            self.problem(&said.span(), format!("rule {name} is changed twice"), "keep one override or disable of it");
        }
    }

    pub(super) fn no_rule(&mut self, said: &Spanned<String>) {
        let what = format!("there is no rule {:?}", said.get_ref());
        self.problem(&said.span(), what, "write set:rule of a rule in another file");
    }

    /// Marks that nothing can set, conditions that cannot come true, rules of a group that can be true together.
    pub(super) fn reachable(&mut self, book: &RuleBook, file: &File) {
        let Some(set) = file.set.as_ref().and_then(|set| book.sets.get(set.get_ref())) else { return };
        // What stands in the place of a rule: overrides of it, and itself where they leave some of its time.
        let changed = |rule: &'_ Rule| -> Vec<Rule> {
            let of = |change: &Change| match change {
                Change::Override(new) if new.name == rule.name => Some(new.as_ref().clone()),
                Change::Override(_) | Change::Disable(..) => None,
            };
            let new: Vec<Rule> = set.changes.iter().filter_map(of).collect();
            let whole = new.iter().any(|new| new.dates == rule.dates);
            new.into_iter().chain((!whole).then(|| rule.clone())).collect()
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
            if rule.until.as_ref().is_some_and(|until| !overlap::can_be(&[until])) {
                let what =
                    format!("rule {}: `{}` can never be true, so the mark never ends", rule.name, until_text(rule));
                self.problem(place, what, "correct the numbers of until");
            }
            let home = rule.name.split(':').next().and_then(|home| book.sets.get(home));
            let others = home.iter().flat_map(|home| &home.rules).flat_map(changed);
            let shares = |other: &Rule| {
                other.group == rule.group
                    && other.dates.meets(rule.dates)
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
            let by_rule = |set: &RuleSet| {
                set.rules.iter().any(|rule| rule.mark == name)
                    || set.bases.iter().any(|basis| basis.mark == name || basis.absent.0 == name)
            };
            if !book.sets.values().any(by_rule) {
                let what = format!("mark {name}: no rule sets it and no one may enter it");
                self.problem(&row.id.span(), what, "add a [[rule]], or allow by_hand");
            }
        }
    }
}

fn until_text(rule: &Rule) -> &str {
    rule.until_text.as_deref().unwrap_or_default()
}

fn kind_of<'b>(book: &'b RuleBook, mark: &str) -> Option<&'b str> {
    book.marks.get(mark).map(|kind| kind.object.as_str())
}
