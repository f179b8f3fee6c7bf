//! The rules of one station, ready to be run: sets chosen, overlays laid over, names turned into places among the station's values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::asked::CodeQuestions;
use super::calendar;
use super::emission::Limited;
use super::expr::{Expr, Test};
use super::rules::*;
use super::spans::{Span, clipped, joined};
use hj212_model::message::{EmissionLimit, StationFacts, Timestamp};

/// Where a condition looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sig {
    /// At the value the rule is about.
    Own,
    /// At this one of [`Plan::codes`].
    Code(u16),
    /// At the state of that name which is reported for the code the rule is about.
    OfOwn(u16),
}

/// A rule on one object, or on every factor.
#[derive(Debug, Clone)]
pub(super) struct Armed {
    pub(super) rule: Rule,
    pub(super) kind: MarkKind,
    pub(super) when: Expr<Sig>,
    pub(super) until: Option<Expr<Sig>>,
    /// The object; empty for rules on factors.
    pub(super) object: String,
    /// The code that `value` means, for rules on parameters.
    pub(super) own: Option<u16>,
    /// Whether it can change without any report.
    pub(super) of_silence: bool,
    /// Whether it looks at the connection.
    pub(super) of_link: bool,
    /// `name@version#object`: what must be the same for its state to go on.
    pub(super) key: String,
    /// The letters A to Z of the value's own flag, as bits, of which one must stand for the rule to begin; 0: it looks at more.
    pub(super) letters: u32,
    /// Whether it asks for nothing but what the value says of itself: its letter, its range, the state of its instrument.
    pub(super) of_value: bool,
    /// The same as long as no state of a single factor was heard.
    pub(super) letters_unstated: u32,
}

impl Armed {
    /// Whether each value says for the time up to the next one whether it is so, and nothing else does.
    pub(super) fn speaks_at_once(&self) -> bool {
        self.of_value && self.rule.begin_after == 0 && self.rule.end_after == 0
    }
}

/// The bit of a flag that is one capital letter; 0 for all others.
pub(super) fn letter(flag: &str) -> u32 {
    match flag.as_bytes() {
        [letter @ b'A'..=b'Z'] => 1 << (letter - b'A'),
        _ => 0,
    }
}

/// What the letter of a value says of it (HJ 212-2017, notes to C.16 to C.18).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Letter {
    /// There is none.
    #[default]
    None,
    /// A normal value.
    Normal,
    /// Another than that.
    Odd,
    /// Of those a stop.
    Stop,
    /// Of those a value that people typed in.
    Typed,
}

/// What the letters of a station's set of flags say.
#[derive(Debug, Clone)]
pub(super) struct Letters {
    /// Of one capital letter.
    single: [Letter; 26],
    others: BTreeMap<String, Letter>,
    /// Whether the station has a set of flags; else no letter says anything.
    any: bool,
}

impl Default for Letters {
    fn default() -> Letters {
        Letters { single: [Letter::Odd; 26], others: BTreeMap::new(), any: false }
    }
}

impl Letters {
    pub(super) fn of(&self, flag: Option<&str>) -> Letter {
        match flag.map(str::as_bytes) {
            None | Some([]) => Letter::None,
            Some(_) if !self.any => Letter::None,
            Some([letter @ b'A'..=b'Z']) => self.single.get(usize::from(letter - b'A')).copied().unwrap_or(Letter::Odd),
            Some(_) => flag.and_then(|flag| self.others.get(flag)).copied().unwrap_or(Letter::Odd),
        }
    }

    fn put(&mut self, flag: &str, letter: Letter) {
        match flag.as_bytes() {
            [single @ b'A'..=b'Z'] => {
                self.single.get_mut(usize::from(single - b'A')).into_iter().for_each(|place| *place = letter);
            }
            _ => drop(self.others.insert(flag.to_owned(), letter)),
        }
    }
}

/// The letters that a condition asks for, if it asks for nothing else.
fn letters(condition: &Expr<Sig>) -> u32 {
    match condition {
        Expr::Test(Test::Flag(Sig::Own, letters)) if letters.iter().all(|flag| letter(flag) != 0) => {
            letters.iter().fold(0, |bits, flag| bits | letter(flag))
        }
        Expr::Test(_) | Expr::Not(_) | Expr::All(_) | Expr::Any(_) => 0,
    }
}

/// The letters that a condition asks for, where states of single factors were never said and so are not that state.
fn letters_unstated(condition: &Expr<Sig>) -> u32 {
    let Expr::Any(parts) = condition else { return letters(condition) };
    let state = |part: &&Expr<Sig>| matches!(part, Expr::Test(Test::Compare(Sig::OfOwn(_), ..)));
    let mut rest = parts.iter().filter(|part| !state(part));
    match (rest.next(), rest.next()) {
        (Some(one), None) => letters(one),
        _ => 0,
    }
}

/// A letter that says by itself what a reading is worth.
#[derive(Debug, Clone)]
pub(super) struct TableLetter {
    /// Its mark.
    pub(super) mark: String,
    /// What that makes of a reading.
    pub(super) validity: Validity,
    /// Whether it says that the reading is normal.
    pub(super) normal: bool,
    /// When a rule of the set is about it.
    ruled: Vec<Dates>,
}

impl TableLetter {
    /// Whether no rule of the set is about it then.
    pub(super) fn stands(&self, at: i64) -> bool {
        !self.ruled.iter().any(|dates| dates.hold(at))
    }
}

/// A conflict on one object.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) conflict: Conflict,
    pub(super) against: Option<Expr<Sig>>,
    pub(super) object: String,
    /// Of a shared one: the facilities of the same kind that emit the same.
    pub(super) others: Vec<String>,
    pub(super) key: String,
}

/// The medium of stations that watch rivers, lakes, groundwater or the sea: water without an outlet.
pub const WATER_BODY: &str = "water-body";

/// The rules of one station, with the numbers that are its own.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    rules: Arc<PlannedRules>,
    pub(super) ranges: BTreeMap<String, (f64, f64)>,
    pub(super) emission: BTreeMap<String, Vec<Limited>>,
}

/// What of a plan stations share that are alike ([`Plan::likeness`]): most of what it takes.
#[derive(Debug, Clone, Default)]
pub struct PlannedRules {
    pub(super) sets: Vec<String>,
    pub(super) codes: Vec<String>,
    /// The names of `codes` in rules, for evidence.
    pub(super) signals: BTreeMap<String, String>,
    pub(super) factor_rules: Vec<Armed>,
    pub(super) area_rules: Vec<Armed>,
    /// Whether one of `area_rules` can change without any report.
    pub(super) looks_at_silence: bool,
    pub(super) watches: Vec<Watch>,
    pub(super) limits: Vec<Limit>,
    /// A number for all of them.
    pub(super) limits_hash: u64,
    /// Conditions of exemptions.
    pub(super) requires: Vec<Require>,
    /// What other values rest on.
    pub(super) rests: Vec<Basis>,
    pub(super) counts: Vec<Count>,
    /// Letters of the set of flags that no rule of the set is about, or not at all times.
    pub(super) table: BTreeMap<String, TableLetter>,
    /// Those that prevail first; which one holds follows from the date.
    pub(super) periods: Vec<Period>,
    /// The same.
    pub(super) entries: Vec<Entries>,
    pub(super) marks: BTreeMap<String, MarkKind>,
    pub(super) known_flags: BTreeSet<String>,
    /// Those of them that are one capital letter, as bits.
    pub(super) known_letters: u32,
    pub(super) other_flags: Option<(String, Validity)>,
    /// What the letters of the set of flags say of a value.
    pub(super) said: Letters,
    /// What facilities call their signals.
    pub(super) aliases: Vec<(String, BTreeMap<String, String>)>,
    pub(super) facilities: Vec<(String, String, BTreeSet<String>)>,
    /// Codes of signals, with what rules call them.
    pub(super) parameters: BTreeMap<String, BTreeSet<String>>,
    pub(super) trended: BTreeSet<String>,
    /// Codes that rules on other factors look at.
    pub(super) heard_first: Vec<String>,
    /// What rules over several values ask: of any code, then of each of `codes`.
    asked: Vec<CodeQuestions>,
    /// The same of a station whose instruments say their states: letters beside these are asked, too.
    asked_stated: Vec<CodeQuestions>,
    medium: String,
}

/// Names in a station's registration that no rule book has.
pub fn unknown_names(book: &RuleBook, facts: &StationFacts) -> Vec<String> {
    let sets = facts.rules.iter().filter(|set| !book.sets.contains_key(*set)).map(|set| format!("rule set {set:?}"));
    let signals = facts.facilities.iter().flat_map(|facility| facility.aliases.keys());
    let signals = signals.filter(|name| !book.signals.contains_key(*name)).map(|name| format!("signal {name:?}"));
    let kinds = facts.facilities.iter().map(|facility| &facility.kind).filter(|kind| !book.kinds.contains(*kind));
    let known = || book.kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let kinds = kinds.map(|kind| format!("facility kind {kind:?} (known: {})", known()));
    sets.chain(signals).chain(kinds).collect()
}

impl std::ops::Deref for Plan {
    type Target = PlannedRules;

    fn deref(&self) -> &PlannedRules {
        &self.rules
    }
}

impl Plan {
    /// The rules of a station: the sets it names, and those of its edition.
    ///
    /// `edition` is `2005`, `2017` or `2025`; `medium` is `air`, `water`, [`WATER_BODY`] or empty.
    #[must_use]
    pub fn new(book: &RuleBook, facts: Option<&StationFacts>, edition: &str, medium: &str) -> Plan {
        let rules = Arc::new(PlannedRules::new(book, facts.unwrap_or(&StationFacts::default()), edition, medium));
        Plan { rules, ..Plan::default() }.of_station(facts)
    }

    /// The plan of another station whose rules are the same: its [`likeness`](Plan::likeness) is.
    #[must_use]
    pub fn of_station(&self, facts: Option<&StationFacts>) -> Plan {
        let mut plan = Plan { rules: Arc::clone(&self.rules), ..Plan::default() };
        let Some(facts) = facts else { return plan };
        let number = |text: &String| text.parse().ok();
        let ranges = facts.ranges.iter().filter_map(|(c, (l, h))| Some((c.to_owned(), (number(l)?, number(h)?))));
        plan.ranges = ranges.collect();
        let plain = facts.limits.iter().map(|(code, max)| EmissionLimit {
            code: code.to_owned(),
            max: max.clone(),
            ..EmissionLimit::default()
        });
        for limit in plain.chain(facts.emission.iter().cloned()) {
            plan.emission.entry(limit.code.clone()).or_default().extend(Limited::new(&limit));
        }
        plan
    }

    /// All that the rules of a station depend on besides the book, as a text; stations of one likeness share their rules.
    #[must_use]
    pub fn likeness(facts: Option<&StationFacts>, edition: &str, medium: &str) -> String {
        let of = |facts: &StationFacts| format!("{:?} {:?} {:?}", facts.rules, facts.facilities, facts.without);
        format!("{edition} {medium} {}", facts.map_or_else(|| of(&StationFacts::default()), of))
    }

    #[cfg(test)]
    pub(super) fn rules_mut(&mut self) -> &mut PlannedRules {
        Arc::make_mut(&mut self.rules)
    }

    /// Whether another plan has the same rules in memory.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.rules) > 1
    }

    /// Whether converted values matter: to a limit, to the condition of an exemption, or to what they rest on.
    #[must_use]
    pub fn looks_at_converted(&self) -> bool {
        self.has_emission_limits() || !self.requires.is_empty() || self.rests.iter().any(|basis| basis.of_converted)
    }

    /// Whether an emission limit is registered for any code.
    #[must_use]
    pub fn has_emission_limits(&self) -> bool {
        !self.emission.is_empty()
    }
}

impl PlannedRules {
    /// Until when marks may be entered for the day that holds `at`; without a rule for it noon of the next day.
    #[must_use]
    pub fn entries_close(&self, at: Timestamp) -> Timestamp {
        let (days, hour) = self.entries_of(at.0).map_or((1, 12), |e| (e.deadline_days, e.deadline_hour));
        Timestamp(calendar::closes(at.0, days, hour))
    }

    /// What is said of entries for the day that holds `at`.
    pub(super) fn entries_of(&self, at: i64) -> Option<&Entries> {
        self.entries.iter().find(|entries| entries.dates.hold(at))
    }

    /// Whether the day that holds `at` is closed at `now`. At the stroke itself it is open.
    fn is_closed(&self, at: i64, now: i64) -> bool {
        self.entries_of(at).is_some_and(|e| calendar::closes(at, e.deadline_days, e.deadline_hour) < now)
    }

    /// The first moment from which on all days are open at `now`; `i64::MIN`: none was ever closed.
    pub(super) fn open_from(&self, now: i64) -> i64 {
        self.open_within(now, (i64::MIN, i64::MAX))
    }

    /// The same of the days of `from..to` alone: the end of the last one that is closed.
    pub(super) fn open_within(&self, now: i64, (from, to): (i64, i64)) -> i64 {
        const DAY: i64 = 86_400_000_000;
        let last = calendar::floor(now.min(to.saturating_sub(1)), DAY);
        // A day is closed after 32 days at most, if there is a deadline for it.
        for back in 0..=33 {
            let day = last - back * DAY;
            if day.saturating_add(DAY) <= from {
                return i64::MIN;
            }
            if self.is_closed(day, now) {
                return day + DAY;
            }
        }
        let older = last - 33 * DAY;
        let ends = self.entries.iter().filter(|e| e.dates.from < older).map(|e| e.dates.until.min(older));
        ends.max().filter(|end| *end > from).unwrap_or(i64::MIN)
    }

    /// When `from..to` lies in days that are closed at `now`, in order and joined: where the deadline changes, a day may be closed before one that
    /// is earlier.
    pub(super) fn closed_within(&self, now: i64, (from, to): (i64, i64)) -> Vec<Span> {
        const DAY: i64 = 86_400_000_000;
        let last = calendar::floor(now.min(to.saturating_sub(1)), DAY);
        let older = last - 33 * DAY;
        let old =
            self.entries.iter().filter(|e| e.dates.from < older).map(|e| (e.dates.from, e.dates.until.min(older)));
        let days = (0..=33).map(|back| last - back * DAY).filter(|day| self.is_closed(*day, now));
        let closed: Vec<Span> = old.chain(days.map(|day| (day, day + DAY))).collect();
        joined(&clipped(&closed, from, to))
    }

    fn new(book: &RuleBook, facts: &StationFacts, edition: &str, medium: &str) -> PlannedRules {
        // What is said of water holds of a body of water, too, but for what rests on an outlet's flow.
        let (outlet, medium) = (medium, if medium == WATER_BODY { "water" } else { medium });
        // Two sets of flags on one station would read one letter in two ways: one that is named takes the edition's place.
        let named = facts.rules.iter().any(|name| book.sets.get(name).is_some_and(|set| set.other_flags.is_some()));
        let of_edition =
            |set: &&RuleSet| set.default_for.iter().any(|e| e == edition) && !(named && set.other_flags.is_some());
        let sets: Vec<&RuleSet> =
            book.sets.values().filter(|set| facts.rules.contains(&set.name) || of_edition(set)).collect();
        let mut plan = PlannedRules {
            sets: sets.iter().map(|set| set.name.clone()).collect(),
            entries: overlays_first(&sets).flat_map(|set| &set.entries).chain(&book.entries).cloned().collect(),
            medium: medium.to_owned(),
            ..PlannedRules::default()
        };
        let changes: Vec<&Change> = sets.iter().flat_map(|set| &set.changes).collect();
        plan.facilities = facts
            .facilities
            .iter()
            .map(|f| (f.id.clone(), f.kind.clone(), f.factors.iter().cloned().collect()))
            .collect();
        plan.aliases = facts.facilities.iter().map(|f| (f.id.clone(), f.aliases.clone())).collect();
        for (name, code) in facts.facilities.iter().flat_map(|facility| &facility.aliases) {
            plan.parameters.entry(code.clone()).or_default().insert(name.clone());
        }
        for set in &sets {
            let own = book.marks.iter().filter(|(name, _)| name.split(':').next() == Some(set.name.as_str()));
            plan.marks.extend(own.map(|(name, kind)| (name.clone(), kind.clone())));
            plan.limits.extend(set.limits.iter().cloned());
            if let Some(validity) = set.other_flags.filter(|_| plan.other_flags.is_none()) {
                plan.other_flags = Some((set.name.clone(), validity));
            }
            for rule in &set.rules {
                for piece in changed(rule, &changes) {
                    plan.arm(book, facts, &piece, piece.dates == rule.dates);
                }
            }
            for conflict in &set.conflicts {
                plan.watch(book, facts, conflict);
            }
            plan.requires.extend(set.requires.iter().cloned());
            plan.rests.extend(set.bases.iter().filter(|basis| basis.medium == outlet).cloned().map(|mut basis| {
                // What the outlet does not measure, by its registration, is not missed.
                basis.needed &= !facts.without.contains(&basis.factor);
                basis
            }));
            plan.counts.extend(set.counts.iter().cloned());
        }
        plan.letters_of_the_table();
        plan.read_letters();
        plan.ask();
        plan.looks_at_silence = plan.area_rules.iter().any(|armed| armed.of_silence);
        let periods = overlays_first(&sets).flat_map(|set| &set.periods).filter(|period| period.medium == medium);
        plan.periods = periods.cloned().collect();
        let digest = Sha256::digest(format!("{:?}", plan.limits));
        plan.limits_hash = digest.first_chunk::<8>().map_or(0, |eight| u64::from_le_bytes(*eight));
        plan
    }

    /// Whether no rule, period or conflict of it could ever say anything.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.factor_rules.is_empty()
            && self.area_rules.is_empty()
            && self.watches.is_empty()
            && self.periods.is_empty()
            && self.other_flags.is_none()
            && self.entries.is_empty()
    }

    /// Gathers what rules over several values, and conflicts, ask of each code.
    fn ask(&mut self) {
        let mut of_all = CodeQuestions::default();
        let mut more = CodeQuestions::default();
        let mut of_codes = vec![CodeQuestions::default(); self.codes.len()];
        let tests = |armed: &Armed| -> Vec<Test<Sig>> {
            let until = armed.until.iter().flat_map(Expr::tests);
            armed.when.tests().into_iter().chain(until).cloned().collect()
        };
        for armed in self.factor_rules.iter().filter(|armed| !armed.kind.normal && !armed.of_silence) {
            let states = armed.when.tests().iter().any(|test| matches!(test.of(), Some(Sig::OfOwn(_))));
            for test in tests(armed) {
                match test.of() {
                    Some(Sig::Own) if !armed.speaks_at_once() => of_all.add(&test),
                    Some(Sig::Own) if states => more.add(&test),
                    Some(Sig::Code(at) | Sig::OfOwn(at)) => {
                        of_codes.get_mut(usize::from(*at)).into_iter().for_each(|asked| asked.add(&test));
                    }
                    Some(Sig::Own) | None => {}
                }
            }
        }
        for armed in self.area_rules.iter().filter(|armed| !armed.of_silence) {
            for test in tests(armed) {
                let at = if let Some(Sig::Code(at)) = test.of() { Some(*at) } else { armed.own };
                at.and_then(|at| of_codes.get_mut(usize::from(at))).into_iter().for_each(|asked| asked.add(&test));
            }
        }
        for test in self.watches.iter().filter_map(|watch| watch.against.as_ref()).flat_map(Expr::tests) {
            if let Some(Sig::Code(at)) = test.of() {
                of_codes.get_mut(usize::from(*at)).into_iter().for_each(|asked| asked.add(test));
            }
        }
        let signals = self.factor_rules.iter().flat_map(tests).filter_map(|test| test.of().copied());
        let codes =
            signals.filter_map(|sig| if let Sig::Code(at) = sig { self.codes.get(usize::from(at)) } else { None });
        let codes: BTreeSet<String> = codes.cloned().collect();
        self.heard_first = codes.into_iter().collect();
        let of_codes = || std::iter::once(CodeQuestions::default()).chain(of_codes.iter().cloned());
        self.asked = of_codes().map(|own| own.and(&of_all)).collect();
        self.asked_stated = of_codes().map(|own| own.and(&of_all).and(&more)).collect();
    }

    /// What is asked of the code of that number ([`asked_of`](Self::asked_of)); `stated`: whether instruments say their states.
    pub(super) fn asked(&self, number: u16, stated: bool) -> Option<&CodeQuestions> {
        let place = usize::from(number).checked_sub(1)?;
        if stated { self.asked_stated.get(place) } else { self.asked.get(place) }.filter(|asked| asked.is_followed())
    }

    /// The number by which it is looked up what is asked of a code; 0: nothing ever.
    pub(super) fn asked_of(&self, code: &str) -> u16 {
        let name = code.split('@').next().unwrap_or_default();
        let place = self.codes.iter().position(|known| known == code || known == name);
        let number = place.map_or(1, |place| u16::try_from(place + 2).unwrap_or(0));
        if self.asked(number, false).or(self.asked(number, true)).is_some() { number } else { 0 }
    }

    /// The letters of the set of flags for which no rule of the set looks, or not at all times: the standard's letter stands, whatever rules are
    /// switched off.
    fn letters_of_the_table(&mut self) {
        let Some((set, _)) = &self.other_flags else { return };
        let of_set = |name: &str| name.strip_prefix(set.as_str()).is_some_and(|rest| rest.starts_with(':'));
        let asks = |armed: &&Armed, letter: &str| {
            let has = |test: &&Test<Sig>| matches!(test, Test::Flag(Sig::Own, letters) if letters.iter().any(|l| l == letter));
            of_set(&armed.rule.name) && armed.when.tests().iter().any(has)
        };
        let own = self.marks.iter().filter_map(|(name, kind)| Some((name.strip_prefix(set)?.strip_prefix(':')?, kind)));
        let listed = |(letter, kind): (&str, &MarkKind)| {
            let ruled: Vec<Dates> =
                self.factor_rules.iter().filter(|armed| asks(armed, letter)).map(|armed| armed.rule.dates).collect();
            let (mark, validity, normal) = (kind.name.clone(), kind.validity, kind.normal);
            (!ruled.iter().any(|dates| dates.is_open()))
                .then(|| (letter.to_owned(), TableLetter { mark, validity, normal, ruled }))
        };
        let table: Vec<_> = own.filter_map(listed).collect();
        for (flag, listed) in table {
            self.known_letters |= letter(&flag);
            self.known_flags.insert(flag.clone());
            self.table.insert(flag, listed);
        }
    }

    /// What each letter of the set of flags says of a value.
    fn read_letters(&mut self) {
        let Some((set, _)) = self.other_flags.clone() else { return };
        self.said.any = true;
        let of_kind = |kind: &MarkKind| match (kind.normal, kind.counts, kind.dimension) {
            (true, ..) => Letter::Normal,
            (_, Counts::NotMeasured, _) => Letter::Typed,
            (_, Counts::Stopped, _) | (.., Dimension::Condition) => Letter::Stop,
            (_, Counts::ByValidity, _) => Letter::Odd,
        };
        let own = |name: &str| name.strip_prefix(set.as_str()).is_some_and(|rest| rest.starts_with(':'));
        let mut read: Vec<(String, Letter)> = Vec::new();
        for armed in self.factor_rules.iter().filter(|armed| own(&armed.rule.name)) {
            for test in armed.when.tests() {
                if let Test::Flag(Sig::Own, letters) = test {
                    read.extend(letters.iter().map(|letter| (letter.clone(), of_kind(&armed.kind))));
                }
            }
        }
        let of_table = self.table.iter().filter_map(|(letter, listed)| Some((letter, self.marks.get(&listed.mark)?)));
        read.extend(of_table.map(|(letter, kind)| (letter.clone(), of_kind(kind))));
        read.into_iter().for_each(|(flag, letter)| self.said.put(&flag, letter));
    }

    /// The names of its sets.
    #[must_use]
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// The facilities and the outlet a kind of object stands for: id, and the facility's place.
    fn objects(&self, kind: &str) -> Vec<(String, Option<usize>)> {
        if kind == OBJECT_OUTLET {
            // A facility of kind outlet holds the outlet's own aliases; so does the only one of a station.
            let own = self.facilities.iter().position(|(_, kind, _)| kind == OBJECT_OUTLET);
            return vec![(OBJECT_OUTLET.to_owned(), own.or(Some(0).filter(|_| self.facilities.len() == 1)))];
        }
        let fits =
            |(_, (_, of, _)): &(usize, &(String, String, BTreeSet<String>))| kind == OBJECT_FACILITY || of == kind;
        self.facilities.iter().enumerate().filter(fits).map(|(at, (id, ..))| (id.clone(), Some(at))).collect()
    }

    /// `whole`: it holds over all of the time of the rule as written.
    fn arm(&mut self, book: &RuleBook, facts: &StationFacts, rule: &Rule, whole: bool) {
        let Some(kind) = book.marks.get(&rule.mark) else { return };
        let dates = rule.dates.and(kind.dates);
        if rule.medium.as_ref().is_some_and(|medium| *medium != self.medium) || dates.is_never() {
            return;
        }
        let rule = &Rule { dates, ..rule.clone() };
        let objects = match kind.object.as_str() {
            OBJECT_FACTOR => vec![(String::new(), None, None)],
            OBJECT_PARAMETER => {
                let fits = |(_, names): &(&String, &BTreeSet<String>)| is_of(kind, names);
                self.parameters.iter().filter(fits).map(|(code, _)| (code.clone(), None, Some(code.clone()))).collect()
            }
            other => self.objects(other).into_iter().map(|(id, at)| (id, at, None)).collect(),
        };
        for test in rule.when.tests() {
            if let Test::Flag(_, letters) = test {
                self.known_flags.extend(letters.iter().cloned());
                self.known_letters |= letters.iter().fold(0, |bits, flag| bits | letter(flag));
            }
        }
        for (object, facility, own) in objects {
            let own = own.map(|code| self.place(&code));
            // Of parts joined by `or` those that the station has are looked at.
            let mut resolve = |expr: &Expr<String>| expr.resolve(&mut |name| self.signal(book, facts, facility, name));
            let Some(when) = resolve(&rule.when) else { continue };
            let until = match rule.until.as_ref().map(resolve) {
                Some(None) => continue,
                Some(some) => some,
                None => None,
            };
            for test in when.tests().iter().chain(until.iter().flat_map(Expr::tests).collect::<Vec<_>>().iter()) {
                if let Test::Rising(Sig::Code(at), ..) | Test::Falling(Sig::Code(at), ..) = test {
                    self.trended.extend(self.codes.get(usize::from(*at)).cloned());
                }
            }
            let of_silence = rule.when.tests().iter().any(|test| test.is_of_silence());
            let of_link = rule.when.tests().iter().any(|test| matches!(test, Test::Offline(_)));
            // Of a rule that others take the place of for a while each part has a state of its own.
            let part = if whole { String::new() } else { format!("~{}", rule.dates.until) };
            let key = format!("{}@{}{part}#{object}", rule.name, rule.version);
            let (letters, letters_unstated) = (letters(&when), letters_unstated(&when));
            let of_value = when.tests().iter().all(|test| {
                matches!(test, Test::Flag(Sig::Own, _) | Test::Over(Sig::Own) | Test::Under(Sig::Own))
                    || matches!(test, Test::Compare(Sig::OfOwn(_), ..))
            });
            let (rule, kind) = (rule.clone(), kind.clone());
            let on_factor = kind.object == OBJECT_FACTOR;
            let armed = Armed {
                rule,
                kind,
                when,
                until,
                object,
                own,
                of_silence,
                of_link,
                key,
                letters,
                of_value,
                letters_unstated,
            };
            if on_factor {
                self.factor_rules.push(armed);
            } else {
                self.area_rules.push(armed);
            }
        }
    }

    fn watch(&mut self, book: &RuleBook, facts: &StationFacts, conflict: &Conflict) {
        let objects = self.objects(&conflict.object);
        // A gas that several share says nothing of one of them.
        let alone = objects.len() == 1;
        for (object, facility) in objects {
            let mut find = |name: &String| {
                let own =
                    facility.and_then(|at| facts.facilities.get(at)).is_some_and(|f| f.aliases.contains_key(name));
                if own || alone { self.signal(book, facts, facility, name) } else { None }
            };
            let resolved = conflict.against.as_ref().map(|expr| expr.resolve(&mut find));
            if matches!(resolved, Some(None)) {
                continue;
            }
            let others =
                if conflict.shared { self.sharers(&object, None).map(str::to_owned).collect() } else { Vec::new() };
            if conflict.shared && others.is_empty() {
                continue;
            }
            // What is remembered belongs to this very condition.
            let against = conflict.against_text.as_deref().unwrap_or_default();
            let key = format!("{}#{object}#{against}", conflict.name);
            self.watches.push(Watch { conflict: conflict.clone(), against: resolved.flatten(), object, others, key });
        }
    }

    /// The other sources behind a stack of `object`.
    pub fn sharers_of<'p>(&'p self, object: &'p str) -> impl Iterator<Item = &'p str> {
        self.sharers(object, None)
    }

    /// The other sources of the kind of `object` that emit `code` too; `None`: anything that it emits.
    pub(super) fn sharers<'p>(&'p self, object: &'p str, code: Option<&'p str>) -> impl Iterator<Item = &'p str> {
        let own = self.facilities.iter().find(|(id, ..)| id == object);
        let own = own.filter(|(_, of, _)| of != OBJECT_TREATMENT && of != OBJECT_OUTLET);
        let shares = move |of: &str, factors: &BTreeSet<String>| {
            own.is_some_and(|(_, kind, ours)| {
                let emits = |factors: &BTreeSet<String>, code: &str| factors.is_empty() || factors.contains(code);
                kind == of
                    && match code {
                        Some(code) => emits(factors, code),
                        None => ours.is_empty() || factors.is_empty() || !ours.is_disjoint(factors),
                    }
            })
        };
        let fits = move |(id, of, factors): &&(String, String, BTreeSet<String>)| id != object && shares(of, factors);
        self.facilities.iter().filter(fits).map(|(id, ..)| id.as_str())
    }

    /// Whether a limit is about this mark.
    pub(super) fn is_limited(&self, mark: &str) -> bool {
        self.limits.iter().any(|limit| limit.marks.iter().any(|name| name == mark))
    }

    /// Whether another source of the kind of `object` emits `code` too.
    pub(super) fn shares(&self, object: &str, code: &str) -> bool {
        self.facilities.len() > 1 && self.sharers(object, Some(code)).next().is_some()
    }

    /// Where a name looks: the facility's alias, the only one of the station, else the signal's own code.
    fn signal(&mut self, book: &RuleBook, facts: &StationFacts, facility: Option<usize>, name: &str) -> Option<Sig> {
        if name == "value" {
            return Some(Sig::Own);
        }
        if let Some(signal) = book.signals.get(name).filter(|signal| signal.of_factor) {
            let code = signal.code.clone()?;
            self.signals.insert(code.clone(), name.to_owned());
            return Some(Sig::OfOwn(self.place(&code)));
        }
        let own = facility.and_then(|at| facts.facilities.get(at)).and_then(|f| f.aliases.get(name));
        let code = own.or_else(|| book.signals.get(name)?.code.as_ref())?.clone();
        self.signals.insert(code.clone(), name.to_owned());
        Some(Sig::Code(self.place(&code)))
    }

    fn place(&mut self, code: &str) -> u16 {
        let at = self.codes.iter().position(|known| known == code).unwrap_or_else(|| {
            self.codes.push(code.to_owned());
            self.codes.len() - 1
        });
        // A station has at most some hundred signals: registration is bounded by the size of its file.
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// Whether a mark on `object` is about `code`.
    pub(super) fn covers(&self, kind: &MarkKind, object: &str, code: &str) -> bool {
        if object == code {
            return true;
        }
        if !kind.factors.is_empty() && !kind.factors.iter().any(|factor| factor == code) {
            return false;
        }
        if object == OBJECT_OUTLET {
            return true;
        }
        let facility = self.facilities.iter().find(|(id, ..)| id == object);
        facility.is_some_and(|(_, _, factors)| factors.is_empty() || factors.contains(code))
    }

    /// Whether a mark of `kind` can hang on `object`.
    pub(super) fn may_hang(&self, kind: &MarkKind, object: &str) -> bool {
        match kind.object.as_str() {
            OBJECT_OUTLET => object == OBJECT_OUTLET,
            OBJECT_PARAMETER => self.parameters.get(object).is_some_and(|names| is_of(kind, names)),
            OBJECT_FACTOR => {
                let named = kind.factors.is_empty() || kind.factors.iter().any(|code| code == object);
                named && object != OBJECT_OUTLET && !self.facilities.iter().any(|(id, ..)| id == object)
            }
            of => self.facilities.iter().any(|(id, kind, _)| id == object && (of == OBJECT_FACILITY || kind == of)),
        }
    }
}

/// The sets, those first that change rules of others: where two say the same thing, a province prevails.
fn overlays_first<'s>(sets: &'s [&'s RuleSet]) -> impl Iterator<Item = &'s RuleSet> {
    let of = |overlay: bool| sets.iter().copied().filter(move |set| set.is_overlay() == overlay);
    of(true).chain(of(false))
}

fn is_of(kind: &MarkKind, names: &BTreeSet<String>) -> bool {
    kind.signals.is_empty() || kind.signals.iter().any(|signal| names.contains(signal))
}

/// The rule as the overlays leave it, by time: what ends stands before what begins then. Of two changes of one time the later prevails.
fn changed(rule: &Rule, changes: &[&Change]) -> Vec<Rule> {
    let mut pieces = vec![rule.clone()];
    for change in changes {
        let (dates, new) = match change {
            Change::Override(new) if new.name == rule.name => (new.dates, Some(new.as_ref())),
            Change::Disable(name, _, dates) if *name == rule.name => (*dates, None),
            Change::Override(_) | Change::Disable(..) => continue,
        };
        let left = |piece: &Rule| piece.dates.without(dates).map(|dates| Rule { dates, ..piece.clone() });
        pieces = pieces.iter().flat_map(left).filter(|piece| !piece.dates.is_never()).chain(new.cloned()).collect();
    }
    pieces.sort_by_key(|piece| piece.dates.from);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212_model::message::Facility;

    fn at(text: &str) -> i64 {
        calendar::read(text).map_or(0, |at| at.0)
    }

    fn entries(days: u8, hour: u8, from: &str, until: &str) -> Entries {
        let day = |text: &str, otherwise: i64| calendar::day(text).unwrap_or(otherwise);
        let dates = Dates { from: day(from, i64::MIN), until: day(until, i64::MAX) };
        Entries { deadline_days: days, deadline_hour: hour, proof: false, clause: "c".into(), dates }
    }

    #[test]
    fn a_day_is_open_until_its_own_deadline() {
        let plan = PlannedRules { entries: vec![entries(1, 12, "", "")], ..PlannedRules::default() };
        let open = |now: &str| plan.open_from(at(now));
        assert_eq!(open("2026-05-18T12:00:00+08:00"), at("2026-05-17T00:00:00+08:00"), "until noon of the next day");
        assert_eq!(open("2026-05-18T12:00:01+08:00"), at("2026-05-18T00:00:00+08:00"));
        assert_eq!(open("2026-05-18T11:00:00+08:00"), at("2026-05-17T00:00:00+08:00"));
        assert_eq!(open("2026-05-18T23:59:59+08:00"), at("2026-05-18T00:00:00+08:00"));
        assert_eq!(Plan::default().open_from(at("2026-05-18T12:00:00+08:00")), i64::MIN);
        // Three days until the 15th, then noon; after the 20th nothing is said.
        let dated = vec![entries(3, 0, "", "2026-05-15"), entries(1, 12, "2026-05-15", "2026-05-20")];
        let plan = PlannedRules { entries: dated, ..PlannedRules::default() };
        let within = |now: &str, from: &str, to: &str| plan.open_within(at(now), (at(from), at(to)));
        let (now, of_old) = ("2026-05-16T23:00:00+08:00", ("2026-05-14T01:00:00+08:00", "2026-05-14T02:00:00+08:00"));
        assert_eq!(within(now, of_old.0, of_old.1), i64::MIN, "the 14th is open until the 17th");
        let of_new = ("2026-05-15T01:00:00+08:00", "2026-05-15T02:00:00+08:00");
        assert_eq!(within(now, of_new.0, of_new.1), at("2026-05-16T00:00:00+08:00"));
        assert_eq!(plan.open_from(at(now)), at("2026-05-16T00:00:00+08:00"));
        let later = at("2026-08-01T00:00:00+08:00");
        assert_eq!(plan.open_from(later), at("2026-05-20T00:00:00+08:00"), "of days after that nothing is said");
    }

    /// One station of each likeness makes the rules; what the others get of it is what they would have made.
    #[test]
    fn stations_that_are_alike_have_the_rules_that_each_would_have_alone() {
        let book = RuleBook::built_in().unwrap_or_default();
        let facility = |id: &str, kind: &str, aliases: &[&str]| Facility {
            id: id.into(),
            kind: kind.into(),
            factors: Vec::new(),
            aliases: aliases.iter().map(|name| ((*name).to_owned(), format!("{name}1"))).collect(),
        };
        let rules: [&[&str]; 3] = [&[], &["inc19", "check"], &["dev22"]];
        let facilities = [
            Vec::new(),
            vec![facility("f1", "furnace", &["feed", "temp"])],
            vec![facility("f1", "furnace", &["feed"]), facility("f2", "furnace", &["feed", "burner"])],
        ];
        let mut all = Vec::new();
        for number in 0..3 * 3 * 2 * 3 {
            all.push(StationFacts {
                name: format!("station {number}"),
                rules: rules[number % 3].iter().map(|name| (*name).to_owned()).collect(),
                facilities: facilities[number / 3 % 3].clone(),
                without: if number / 9 % 2 == 0 { Vec::new() } else { vec!["a19001".to_owned()] },
                limits: [("a21026".to_owned(), number.to_string())].into(),
                ranges: [("a21026".to_owned(), ("0".to_owned(), number.to_string()))].into(),
                realtime_interval: u32::try_from(number).ok(),
                ..StationFacts::default()
            });
        }
        let mut known: BTreeMap<String, Plan> = BTreeMap::new();
        for (facts, (edition, medium)) in
            all.iter().flat_map(|facts| [("2017", "air"), ("2025", "water"), ("2005", "")].map(|of| (facts, of)))
        {
            let alone = Plan::new(&book, Some(facts), edition, medium);
            let likeness = Plan::likeness(Some(facts), edition, medium);
            let shared = known.entry(likeness).or_insert_with(|| alone.of_station(None)).of_station(Some(facts));
            assert_eq!(format!("{alone:?}"), format!("{shared:?}"));
        }
        assert_eq!(known.len(), 3 * 3 * 2 * 3);
    }
}
