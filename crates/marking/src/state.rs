//! What is remembered of a station: its latest values, how long conditions have held, the marks that hold and held, counters.
//!
//! Everything here goes into snapshots. What must stay true: ordered containers only, and a name for every bound.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::emission::{Above, Limited};
use super::expr::{Expr, Op, SECOND, Test};
pub use super::given::{Given, Waits};
pub use super::mark::*;
use super::memory::Memory;
use super::occasion::Occasions;
use super::paces::Paces;
use super::past::Trace;
use super::plan::{Plan, Sig};
use super::published::{Published, Worth};
use super::rules::Validity;
use super::ruling::Rulings;
use super::tally::{Counts, Places, Steps, Tally};
use super::verdict::{HOLD_GAP_MAX, Reading};
use super::wrong::Wrongs;
use hj212_model::message::Timestamp;

/// Codes followed per station; readings of further ones are judged by their own flags only.
pub const CODES_MAX: usize = 256;
/// Entries per station that may hold at one time; further ones are refused.
pub const ENTRIES_MAX: usize = 256;

/// Runs above emission limits remembered per code, the latest.
pub const RUNS_MAX: usize = 16;
/// Intervals remembered per conflict and object in which its condition held; the oldest are forgotten first.
pub const CONTRARY_MAX: usize = 64;
/// How long such an interval is remembered: entries come until noon of the next day, and corrections later.
pub const CONTRARY_KEPT: i64 = 3 * 86_400 * SECOND;
/// Counters kept per station; those of periods that are over go first.
pub const COUNTERS_MAX: usize = 256;
/// Intervals kept apart in one counter; beyond, the oldest become a sum.
pub const SPANS_APART_MAX: usize = 128;
/// Values kept for trends, and how far they are apart at least.
pub const TREND_POINTS_MAX: usize = 16;

const TREND_STEP: i64 = 300 * SECOND;

/// How long a condition has held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// Since when `when` holds, if it does and the mark has not begun; of one that has, since when it is not known whether it should end.
    pub(super) since: Option<i64>,
    pub(super) active: bool,
    /// Since when `until` holds, if it does and the mark has not ended.
    pub(super) ending: Option<i64>,
}

/// The state of an instrument stands for so long after it was said.
pub const STATE_KEPT: i64 = 24 * 3600 * SECOND;

/// A mark of a rule outlives by so much the last moment at which it was known to hold.
pub const UNKNOWN_MAX: i64 = 24 * 3600 * SECOND;

/// A change of a [`Hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Stays,
    Begins(i64),
    Ends(i64),
    /// Nothing has been known of it since then.
    Lapses(i64),
}

impl Hold {
    /// Whether nothing has begun.
    pub(super) const fn is_idle(self) -> bool {
        !self.active && self.since.is_none()
    }

    /// Takes what the conditions are at `now`. What is unknown begins nothing, and ends a mark when it was so for [`UNKNOWN_MAX`].
    pub(super) fn step(&mut self, when: Option<bool>, until: Option<bool>, now: i64, after: (i64, i64)) -> Turn {
        if !self.active {
            if when != Some(true) {
                self.since = None;
                return Turn::Stays;
            }
            let since = *self.since.get_or_insert(now);
            if now - since < after.0 {
                return Turn::Stays;
            }
            *self = Hold { active: true, ..Hold::default() };
            return Turn::Begins(since);
        }
        if until.is_none() {
            self.ending = None;
            let unknown = *self.since.get_or_insert(now);
            if now - unknown < UNKNOWN_MAX {
                return Turn::Stays;
            }
            *self = Hold::default();
            return Turn::Lapses(unknown);
        }
        self.since = None;
        if until != Some(true) {
            self.ending = None;
            return Turn::Stays;
        }
        let ending = *self.ending.get_or_insert(now);
        if now - ending < after.1 {
            return Turn::Stays;
        }
        *self = Hold::default();
        Turn::Ends(ending)
    }
}

/// The bit of a rule in [`Slot::busy`]; none beyond the first 64.
pub(super) fn bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1u64.checked_shl(number)).unwrap_or(0)
}

/// The values of one code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    pub(super) code: String,
    /// Where it stands among all.
    pub(super) place: u16,
    /// The finest kind of data it comes in: 0 sampled, 1 minutes, 2 hours, 3 days.
    pub(super) rank: u8,
    pub(super) value: Option<f64>,
    pub(super) text: String,
    pub(super) flag: String,
    /// The data time of the latest value.
    pub(super) at: i64,
    /// The arrival of the latest number.
    pub(super) heard: i64,
    pub(super) same_since: i64,
    pub(super) zero_since: Option<i64>,
    pub(super) trend: Vec<(i64, f64)>,
    pub(super) holds: Vec<Hold>,
    /// The latest runs above emission limits, at most [`RUNS_MAX`].
    pub(super) above: Vec<Above>,
    pub(super) tallies: [Tally; 3],
    /// What it said, as rules over several values ask.
    pub(super) past: Trace,
    /// What is asked of it: which of the plan's [`CodeQuestions`](super::asked::CodeQuestions), counted from 1; 0: nothing.
    #[serde(skip)]
    pub(super) asked: u16,
    #[serde(skip)]
    pub(super) range: Option<(f64, f64)>,
    #[serde(skip)]
    pub(super) limits: Vec<Limited>,
    #[serde(skip)]
    pub(super) trended: bool,
    /// Whether other values rest on it, or exemptions are conditional on it.
    #[serde(skip)]
    pub(super) supports: bool,
    /// The plan's rules on factors that are about this code.
    #[serde(skip)]
    pub(super) rules: Vec<u16>,
    /// Which of the first 64 `holds` have begun or are beginning, as bits: to be asked without reading them.
    #[serde(skip)]
    pub(super) busy: u64,
}

impl Slot {
    pub(super) fn compare(&self, op: Op, number: f64) -> Option<bool> {
        self.value.map(|value| op.holds(value, number))
    }

    /// The change since the earliest value within `over`.
    pub(super) fn change(&self, over: i64) -> Option<f64> {
        let value = self.value?;
        let first = self.trend.iter().find(|(at, _)| self.at - at <= over && *at < self.at)?;
        Some(value - first.1)
    }

    /// For how long its value stands for what is now, by the kind of data it comes in.
    pub(super) const fn stale_after(&self) -> i64 {
        match self.rank {
            0 | 1 => HOLD_GAP_MAX,
            2 => 2 * HOLD_GAP_MAX,
            _ => 2 * 86_400 * SECOND,
        }
    }

    /// Since when the value has been what a condition about equal values asks for: a mark begins with the first of them.
    pub(super) fn first_equal(&self, condition: &Expr<Sig>) -> Option<i64> {
        let first = |test: &Test<Sig>| match test {
            Test::Constant(Sig::Own, _) => Some(self.same_since),
            Test::Zero(Sig::Own, _) => self.zero_since,
            Test::Compare(..)
            | Test::Flag(..)
            | Test::Says(..)
            | Test::Over(_)
            | Test::Under(_)
            | Test::Constant(..)
            | Test::Zero(..)
            | Test::Missing(..)
            | Test::Silent(_)
            | Test::Offline(_)
            | Test::Rising(..)
            | Test::Falling(..) => None,
        };
        condition.tests().into_iter().filter_map(first).min()
    }

    /// How far apart values of its finest kind are at most, by their kind: hours, days; of finer ones nothing is known here.
    pub(super) const fn pace(&self) -> i64 {
        match self.rank {
            0 | 1 => 0,
            2 => 3600 * SECOND,
            _ => 86_400 * SECOND,
        }
    }

    /// How far apart its values come, µs; while that is not known, what its kind has, of sampled ones a minute.
    pub(super) fn step_of(&self, marks: &Marks) -> i64 {
        let seen = self.tallies.get(usize::from(self.rank)).and_then(Tally::step);
        seen.or_else(|| marks.length_of(self.rank)).unwrap_or(if self.rank > 2 { 86_400 * SECOND } else { 60 * SECOND })
    }

    /// Notes whether the hold of a rule is at rest.
    pub(super) fn note(&mut self, number: usize, hold: Hold) {
        self.busy = if hold.is_idle() { self.busy & !bit(number) } else { self.busy | bit(number) };
    }

    /// Becomes what only judges a value of `like`: it knows no value before it.
    pub(super) fn pass_for(&mut self, like: &Slot) {
        self.code.clone_from(&like.code);
        self.rules.clone_from(&like.rules);
        self.range = like.range;
        (self.at, self.heard, self.zero_since, self.trended) = (0, 0, None, false);
        self.above.clear();
    }

    /// Takes a value as the latest.
    pub(super) fn take(&mut self, value: Option<f64>, reading: &Reading<'_>, now: i64, heard: i64) {
        let (text, flag) = (reading.text, reading.flag.unwrap_or_default());
        if now - self.at > self.stale_after() {
            // What it was meanwhile nobody knows.
            (self.same_since, self.zero_since) = (now, None);
        }
        if self.text != text || self.at == 0 {
            self.text.clear();
            self.text.push_str(text);
            self.same_since = now;
        }
        if self.flag != flag {
            self.flag.clear();
            self.flag.push_str(flag);
        }
        self.at = now;
        self.value = value;
        let Some(number) = value else { return };
        self.heard = heard;
        self.zero_since = if number == 0.0 { self.zero_since.or(Some(now)) } else { None };
        if self.trended && self.trend.last().is_none_or(|(at, _)| now - at >= TREND_STEP) {
            if self.trend.len() >= TREND_POINTS_MAX {
                self.trend.remove(0);
            }
            self.trend.push((now, number));
        }
    }
}

/// Time used of a limit, in one period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Of intervals no longer kept apart, µs.
    base: i64,
    /// Who, from, to.
    spans: Vec<(String, i64, i64)>,
    /// Whether it was said that it is nearly spent.
    pub(super) warned: bool,
    /// Whether it is spent.
    pub(super) spent: bool,
    /// Whether it changed since [`Marks::settle`].
    pub(super) changed: bool,
}

impl Counter {
    pub(super) fn charge(&mut self, who: &str, from: i64, to: i64) {
        if self.spans.iter().any(|(known, since, until)| known == who && *since == from && *until == to) {
            return;
        }
        self.changed = true;
        self.spans.retain(|(known, since, _)| known != who || *since != from);
        if self.spans.len() >= SPANS_APART_MAX {
            let (_, from, to) = self.spans.remove(0);
            self.base += to - from;
        }
        self.spans.push((who.to_owned(), from, to));
    }

    /// What was used over `from..to` was not.
    pub(super) fn cut(&mut self, who: &str, from: i64, to: i64) {
        let spans = std::mem::take(&mut self.spans);
        for (known, since, until) in spans {
            if known != who || until <= from || since >= to {
                self.spans.push((known, since, until));
                continue;
            }
            self.changed = true;
            let parts = [(since, from.min(until)), (since.max(to), until)];
            self.spans.extend(parts.into_iter().filter(|(a, b)| a < b).map(|(a, b)| (known.clone(), a, b)));
        }
    }

    pub(super) fn forget(&mut self, who: &str) {
        let before = self.spans.len();
        self.spans.retain(|(known, ..)| known != who);
        self.changed |= self.spans.len() != before;
    }

    /// Who was charged last, and up to when.
    pub(super) fn last(&self) -> Option<(&str, i64)> {
        self.spans.last().map(|(who, _, to)| (who.as_str(), *to))
    }

    /// The spans, in order and joined.
    fn joined(&self) -> Vec<(i64, i64)> {
        let mut spans: Vec<(i64, i64)> = self.spans.iter().map(|(_, from, to)| (*from, *to)).collect();
        spans.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match joined.last_mut().filter(|(_, end)| from <= *end) {
                Some((_, end)) => *end = to.max(*end),
                None => joined.push((from, to)),
            }
        }
        joined
    }

    /// The time used, counting what overlaps once; µs.
    #[must_use]
    pub fn used(&self) -> i64 {
        self.base + self.joined().iter().map(|(from, to)| (to - from).max(0)).sum::<i64>()
    }

    /// When `max` was reached, in the order of the time that was used.
    pub(super) fn spent_at(&self, max: i64) -> Option<i64> {
        let mut left = max - self.base;
        for (from, to) in self.joined() {
            if to - from >= left {
                return Some(from + left.max(0));
            }
            left -= to - from;
        }
        None
    }
}

/// What is remembered of a conflict on an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Guard {
    pub(super) key: String,
    pub(super) hold: Hold,
    /// When its condition held, first and last report, oldest first.
    pub(super) contrary: Vec<(i64, i64)>,
    /// Whether the last of these goes on.
    pub(super) open: bool,
}

/// An accepted entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) id: String,
    /// SHA-256 of what it says.
    pub(super) content: [u8; 32],
    pub(super) late: bool,
    pub(super) given: Vec<Given>,
    /// The entry that superseded or withdrew it.
    pub(super) replaced: Option<String>,
    /// The ruled entry of which it said nothing but that it is over.
    pub(super) ends: Option<String>,
}

/// Whether a station has a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It has.
    Up,
    /// Its last one has ended.
    Down,
}

/// Room that is used again from report to report; it is no part of what is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    /// Where each reading of the report stands among the slots; `u16::MAX`: nowhere.
    pub(super) homes: Vec<u16>,
    /// Late values that say of themselves what a rule about the value asks for, and it is not so: the place of the reading, the rule.
    pub(super) cleared: Vec<(u16, u16)>,
    /// The readings of the report that came late, by their places in it.
    pub(super) late: Vec<u16>,
    /// The states of instruments at the time of a report that came late.
    pub(super) states: Option<Vec<Slot>>,
    /// Whether the report claims to come from the future.
    pub(super) future: bool,
    /// What instruments and rules make of each reading, without what people entered.
    pub(super) bases: Vec<Option<Validity>>,
    /// What each reading, and what it rests on, says of itself: that is counted. What rules find over more is laid over it when a period is judged.
    pub(super) counts: Vec<Option<Validity>>,
    /// What each reading says of itself.
    pub(super) owns: Vec<Option<Validity>>,
    /// What each reading rests on, a bit for each basis.
    pub(super) rests: Vec<u8>,
    /// What the finer values of each reading make of it by rules alone; `None`: that is not known.
    pub(super) means: Vec<Option<Option<Validity>>>,
    /// Codes of which more is known now than what a value said: from when, to when, the place of the code.
    pub(super) learned: Vec<(i64, i64, u16)>,
    /// Whether finer values changed what a reading is worth that others rest on.
    pub(super) swayed: bool,
    /// What is published of each reading.
    pub(super) worths: Vec<(u16, Worth)>,
    /// What stands for the slot of a value that is judged and not taken.
    pub(super) passing: Option<Box<Slot>>,
    /// Objects whose occasions must be looked at again.
    pub(super) due: BTreeSet<String>,
    /// The data time of what is taken now.
    pub(super) at: i64,
    /// Marks that began or ended earlier than they were found: mark, object, whether that is a code, from when until when.
    pub(super) backdated: Vec<(String, String, bool, i64, i64)>,
    /// Marks whose exemption a limit takes away elsewhere than before: mark, from when until when.
    pub(super) shifted: Vec<(String, i64, i64)>,
    /// Letters that propose: the place of the reading, the mark.
    pub(super) proposes: Vec<(u16, String)>,
}

impl PartialEq for Scratch {
    fn eq(&self, _: &Scratch) -> bool {
        true
    }
}

/// A station's marks and what they come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    pub(super) slots: Vec<Slot>,
    pub(super) index: BTreeMap<String, u16>,
    pub(super) factor_keys: Vec<String>,
    pub(super) areas: Vec<(String, Hold)>,
    pub(super) guards: Vec<Guard>,
    /// By mark, object, rule or entry.
    pub(super) held: BTreeMap<(String, String, String), Mark>,
    /// Marks that have ended.
    pub(super) memory: Memory,
    /// What authorities ruled about entries.
    pub(super) rulings: Rulings,
    /// The finer values of minutes, hours and days that are over.
    pub(super) counted: [Counts; 3],
    /// What was published of minutes, hours and days.
    pub(super) published: [Published; 3],
    /// Up to when minutes, hours and days were published.
    pub(super) published_to: [i64; 3],
    /// Values that broke the condition of an exemption, as said: by condition and start of the period.
    pub(super) breaks: BTreeMap<(String, i64), String>,
    /// By limit, object, start of the period.
    pub(super) counters: BTreeMap<(String, String, i64), Counter>,
    /// Of limits on each occasion: by limit and object.
    pub(super) occasions: Occasions,
    /// Before this, by the clock of marks, nothing can have become of a limit.
    pub(super) owed_at: i64,
    /// Of which limits, as a number.
    pub(super) limits: u64,
    /// How many spans and runs there were when their weight was last looked at.
    pub(super) weighed: usize,
    /// Accepted entries, in the order in which they came.
    pub(super) used: Vec<Used>,
    /// Since when the station has no connection, by arrival; `None`: it has one, or nothing is known.
    pub(super) gone: Option<i64>,
    /// The latest data time of anything.
    pub(super) now: i64,
    /// The latest arrival.
    pub(super) heard: i64,
    pub(super) swept: i64,
    /// When the latest entry or ruling came.
    pub(super) entered: i64,
    /// Values that may be wrong only so often.
    pub(super) wrongs: Wrongs,
    /// How far apart minute data comes.
    pub(super) minutes: Steps,
    /// The day of data of which it was told last that values came late.
    pub(super) late_day: i64,
    /// The finest kind of data it sends, how far apart it comes, and the latest of it.
    pub(super) finest: u8,
    pub(super) pace: Steps,
    pub(super) paced: i64,
    /// What the ledger of missing records knows of its intervals.
    pub(super) paces: Paces,
    /// Whether states of single factors were heard.
    pub(super) stated: bool,
    /// The date that is believed: the next sweep does not go beyond it.
    #[serde(skip)]
    pub(super) ceiling: Option<i64>,
    /// The slot of the last code that was looked up: reports say their codes in the same order again and again.
    #[serde(skip)]
    pub(super) last: u16,
    /// Where each of the plan's codes stands among `slots`.
    #[serde(skip)]
    pub(super) places: Vec<u16>,
    #[serde(skip)]
    pub(super) scratch: Scratch,
}

impl Marks {
    /// The finer values of a period of a code; `rank` is that of the values.
    pub(super) fn places(&self, slot: &Slot, rank: usize, start: i64, length: i64) -> Option<Places> {
        slot.tallies.get(rank)?.of((self.counted.get(rank)?, slot.place), start, length)
    }

    /// The gateway was away until `at`: that is not the station's silence.
    pub fn restart(&mut self, at: Timestamp) {
        if self.heard != 0 {
            self.heard = self.heard.max(at.0);
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.heard != 0) {
            slot.heard = slot.heard.max(at.0);
        }
        // A connection that the gateway itself ended is no lost link; one that was marked as lost before stays lost.
        if !self.held.values().any(Mark::is_of_link) {
            self.gone = self.gone.map(|gone| gone.max(at.0));
        }
    }

    /// The marks that hold now.
    pub fn held(&self) -> impl Iterator<Item = &Mark> {
        self.held.values()
    }

    /// Marks that have ended, in full: what people entered, and the latest episodes of rules.
    pub fn ended(&self) -> impl Iterator<Item = &Mark> {
        self.memory.marks()
    }

    /// The marks about `code`, or about anything, that hold or held within `from..=to`.
    pub fn over(&self, plan: &Plan, code: Option<&str>, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Mark> {
        let about = move |mark: &&Mark| {
            code.is_none_or(|code| {
                mark.object == code
                    || !mark.on_code && plan.marks.get(&mark.mark).is_some_and(|k| plan.covers(k, &mark.object, code))
            })
        };
        let within = move |mark: &&Mark| mark.since <= to && mark.until.is_none_or(|until| until > from);
        self.memory.marks().chain(self.held.values()).filter(within).filter(about)
    }

    /// Whether one of these marks has effect on the object at a time.
    #[must_use]
    pub fn has_effect(&self, object: &str, marks: &[String], at: Timestamp) -> bool {
        let on = |mark: &&Mark| mark.object == object && marks.contains(&mark.mark);
        self.held.values().chain(self.memory.marks()).filter(on).any(|mark| mark.works_at(at.0))
    }

    /// How many hours of a whole day the station measures a factor; `None`: that is not known yet.
    #[must_use]
    pub fn hours_due(&self, code: &str) -> Option<u32> {
        let slot = self.slots.get(usize::from(*self.index.get(code)?))?;
        let step = slot.tallies.last()?.step()?.max(super::expr::HOUR);
        u32::try_from((super::expr::DAY + step / 2) / step).ok().filter(|due| (1..=24).contains(due))
    }

    /// The entry by which another one was withdrawn or superseded.
    #[must_use]
    pub fn replaced_by(&self, entry: &str) -> Option<&str> {
        self.used.iter().find(|used| used.id == entry)?.replaced.as_deref()
    }

    /// Time used of limits: limit, object, start of the period (of an `each`: of the occasion), µs.
    pub fn used(&self) -> impl Iterator<Item = (&str, &str, Timestamp, i64)> {
        let of_periods = self
            .counters
            .iter()
            .map(|((limit, object, start), c)| (limit.as_str(), object.as_str(), Timestamp(*start), c.used()));
        let of_each = self.occasions.iter().flat_map(|((limit, object), all)| {
            all.iter().map(|o| (limit.as_str(), object.as_str(), Timestamp(o.from), o.used))
        });
        let mut all: Vec<_> = of_each.chain(of_periods).collect();
        all.sort_unstable();
        all.into_iter()
    }
}
