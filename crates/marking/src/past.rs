//! What values said, in stretches over which every answer that rules over several values can ask was the same.
//!
//! Values that come late are judged with those around them. Not the values are remembered for that, but what rules ask of them
//! ([`super::asked`]): a factor that runs well for weeks takes one stretch. Equal texts are told by a hash; a run of them that is long enough to
//! matter stands for itself.
//!
//! What must stay true: the stretches of a code are in order and do not overlap; in whatever order values come, the stretches are those of the
//! values in order, as far as a rule can tell; the memory is bounded ([`STRETCHES_MAX`]), the oldest go first, and of what is older
//! nothing is said ([`Trace::knows`]).

mod distances;

use serde::{Deserialize, Serialize};

use super::asked::CodeQuestions;
use super::expr::SECOND;

/// Stretches remembered of a code, whatever other codes say.
pub(super) const STRETCHES_MAX: usize = 64;
/// A code whose rise and fall is asked has so many times more.
const TRENDED_MORE: usize = 3;
/// About so many bytes a stretch takes in a snapshot.
const STRETCH_BYTES: usize = 24;
/// Letters and texts of a code that are told apart; with more it is followed anew.
const WORDS_MAX: usize = 32;
/// Values whose trend is asked stand together no longer than trends look.
const TREND_STEP: i64 = 300 * SECOND;
/// With so many values in a row that come further apart they do so from now on.
const SLOWER_MAX: u8 = 8;
/// Room is made for so many stretches at once.
const GROWN: usize = 2;
/// A run of equal values stands for itself when it is so long: the part of the time that is asked.
const EQUAL_PART: i64 = 4;
/// The hash of a text that is not known; nothing equals it.
const UNKNOWN: u32 = 0;

/// Values in a row of which every answer is the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SteadyStretch {
    /// The first and the last value.
    pub(super) from: i64,
    pub(super) to: i64,
    answers: u32,
    /// The first one; it stands for all.
    pub(super) value: Option<f64>,
    words: u8,
    /// The hashes of the first and the last text.
    first: u32,
    last: u32,
    /// Up to when the texts were equal to the first, and since when to the last.
    head: i64,
    tail: i64,
}

/// What is remembered of the values of one code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Trace {
    #[serde(with = "distances")]
    stretches: Vec<SteadyStretch>,
    /// Letters, and texts where these are asked.
    words: Vec<(String, String)>,
    /// Before this something was forgotten.
    since: Option<i64>,
    /// How far apart values come at least, by which nothing is missing between two of them, µs; 0: none came.
    step: i64,
    /// How many values in a row came when they came further apart than that.
    slower: u8,
}

/// A value as it is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) at: i64,
    pub(super) value: Option<f64>,
    pub(super) text: &'a str,
    pub(super) flag: &'a str,
    pub(super) range: Option<(f64, f64)>,
}

/// What a code is remembered by: what is asked of it, and how far apart its values come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Following<'a> {
    pub(super) asked: &'a CodeQuestions,
    pub(super) step: i64,
}

impl Following<'_> {
    fn room(&self) -> usize {
        if self.asked.trend { STRETCHES_MAX * TRENDED_MORE } else { STRETCHES_MAX }
    }

    /// Whether nothing is missing between two values.
    fn adjoin(&self, one: i64, next: i64) -> bool {
        next - one <= self.step + self.step / 2
    }

    /// How long a run of equal values is to stand for itself.
    fn long(&self) -> i64 {
        self.asked.equal.map_or(i64::MAX, |hold| hold / EQUAL_PART)
    }
}

/// FNV-1a; never [`UNKNOWN`].
fn hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    if hash == UNKNOWN { 1 } else { hash }
}

impl SteadyStretch {
    /// Whether all its texts are equal.
    pub(super) const fn is_equal(&self) -> bool {
        self.tail <= self.from && self.first != UNKNOWN
    }

    /// When its texts may become others: the last that is equal to the first, and the first that is equal to the last.
    pub(super) const fn turns(&self) -> (i64, i64) {
        (self.head, self.tail)
    }

    /// Since when the text at `at`, a time of it, was the same; and a text that stands for it.
    fn text_at(&self, at: i64) -> (i64, String) {
        if at <= self.head && self.first != UNKNOWN {
            return (self.from, format!("{:x}", self.first));
        }
        if at >= self.tail && self.last != UNKNOWN {
            return (self.tail, format!("{:x}", self.last));
        }
        (at, format!("other {at}"))
    }
}

impl Trace {
    /// Whether nothing was forgotten of what was then, or later.
    pub(super) fn knows(&self, at: i64) -> bool {
        self.since.is_none_or(|since| at >= since)
    }

    /// Nothing of before `at` is known any more.
    pub(super) fn begin_anew(&mut self, at: i64) {
        *self = Trace { since: Some(at), step: self.step, ..Trace::default() };
    }

    /// How far apart its values come, µs.
    pub(super) fn step(&self) -> i64 {
        self.step
    }

    /// Learns how far apart values come. What comes late tells nothing of it.
    fn pace(&mut self, step: i64) {
        self.slower = if step > self.step { self.slower + 1 } else { 0 };
        if self.step == 0 || step < self.step || self.slower >= SLOWER_MAX {
            (self.step, self.slower) = (step, 0);
        }
    }

    pub(super) fn stretches(&self) -> &[SteadyStretch] {
        &self.stretches
    }

    /// The letter, and the text where that is asked.
    pub(super) fn words(&self, stretch: &SteadyStretch) -> (&str, &str) {
        self.words.get(usize::from(stretch.words)).map_or(("", ""), |(flag, text)| (flag, text))
    }

    /// The stretch that holds `at`.
    pub(super) fn over(&self, at: i64) -> Option<&SteadyStretch> {
        let place = self.stretches.partition_point(|known| known.to < at);
        self.stretches.get(place).filter(|known| known.from <= at)
    }

    /// The last stretch that began by `at`, and its last value by then.
    pub(super) fn by(&self, at: i64) -> Option<(&SteadyStretch, i64)> {
        let place = self.stretches.partition_point(|known| known.from <= at).checked_sub(1)?;
        self.stretches.get(place).map(|known| (known, known.to.min(at)))
    }

    /// A text for the value at `at`: equal ones where the values' were.
    pub(super) fn text(&self, stretch: &SteadyStretch, at: i64) -> String {
        match self.words(stretch).1 {
            "" => stretch.text_at(at).1,
            text => text.to_owned(),
        }
    }

    /// Since when the value at `at` was the same text, and since when zero if it is; over stretches in a row with values no further apart than
    /// `apart`.
    pub(super) fn runs(&self, at: i64, apart: i64) -> Option<(i64, Option<i64>)> {
        let place = self.stretches.partition_point(|known| known.from <= at).checked_sub(1)?;
        let last = self.stretches.get(place)?;
        let (mut same, mut zero) = (last.text_at(last.to.min(at)).0, (last.value == Some(0.0)).then_some(last.from));
        let (mut equal, mut later) = (same == last.from, last);
        for known in self.stretches.get(..place).unwrap_or_default().iter().rev() {
            equal &= later.first == known.last && known.last != UNKNOWN;
            let zeroes = zero == Some(later.from) && known.value == Some(0.0);
            if later.from - known.to > apart || !equal && !zeroes {
                break;
            }
            if equal {
                same = known.tail;
                equal = known.is_equal();
            }
            if zeroes {
                zero = Some(known.from);
            }
            later = known;
        }
        Some((same, zero))
    }

    /// Takes a value that is later than all; `same`: text and letter are those of the value before it.
    pub(super) fn append(&mut self, with: Following<'_>, said: Sample<'_>, same: bool) {
        self.pace(with.step);
        let with = Following { step: self.step, ..with };
        self.stretches.reserve_exact(usize::from(self.stretches.capacity() == 0));
        let Some(last) = self.stretches.last_mut() else {
            self.insert(with, said);
            return;
        };
        if said.at <= last.to {
            self.insert(with, said);
            return;
        }
        if same && with.adjoin(last.to, said.at) {
            let all = last.is_equal();
            last.to = said.at;
            if all {
                last.head = said.at;
            } else if last.to - last.tail >= with.long() {
                self.set_apart(with);
            }
            return;
        }
        let Some(new) = self.stretch(with, said) else { return };
        // Most codes have one or two, and many stations many codes: no room stays empty.
        self.stretches.reserve_exact(usize::from(self.stretches.len() == self.stretches.capacity()) * GROWN);
        self.stretches.push(new);
        while self.stretches.len() > 1 && self.join(with, self.stretches.len() - 2) {}
        if self.stretches.last().is_some_and(|last| !last.is_equal() && last.to - last.tail >= with.long()) {
            self.set_apart(with);
        }
        self.shed(with);
    }

    /// Takes a value that is not the latest, or one that is said again; whether anything is another thing than before.
    pub(super) fn insert(&mut self, with: Following<'_>, said: Sample<'_>) -> bool {
        let at = said.at;
        if !self.knows(at) {
            return false;
        }
        if self.step == 0 {
            self.pace(with.step);
        }
        let with = Following { step: self.step, ..with };
        let Some(new) = self.stretch(with, said) else { return false };
        let mut place = self.stretches.partition_point(|known| known.to < at);
        if let Some(known) = self.stretches.get(place).copied().filter(|known| known.from <= at) {
            let alike = known.answers == new.answers && known.words == new.words;
            let within = !known.is_equal() && known.from < at && at < known.to;
            let first = at == known.from && known.first == new.first;
            let last = at == known.to && known.last == new.first;
            let trended = with.asked.trend && at == known.from && known.value != new.value;
            if alike && !trended && (within || first || last || known.is_equal() && known.first == new.first) {
                return false;
            }
            let parts = [self.before(with, &known, at), Some(new), self.after(with, &known, at)];
            place += usize::from(parts.first().is_some_and(Option::is_some));
            let at = self.stretches.partition_point(|other| other.to < known.from);
            self.stretches.splice(at..=at, parts.into_iter().flatten());
        } else {
            self.stretches.insert(place, new);
        }
        // What it says may go on what stood before or after it.
        self.join(with, place);
        if place > 0 {
            self.join(with, place - 1);
        }
        self.shed(with);
        true
    }

    fn stretch(&mut self, with: Following<'_>, said: Sample<'_>) -> Option<SteadyStretch> {
        let flag = if with.asked.letters() { said.flag } else { "" };
        let text = if with.asked.texts { said.text } else { "" };
        let known = self.words.iter().position(|(known, words)| known == flag && words == text);
        let words = match known {
            Some(known) => known,
            None if self.words.len() < WORDS_MAX => {
                self.words.reserve_exact(1);
                self.words.push((flag.to_owned(), text.to_owned()));
                self.words.len() - 1
            }
            None => {
                self.begin_anew(said.at + 1);
                return None;
            }
        };
        let first = if with.asked.equal.is_some() || with.asked.trend { hash(said.text) } else { 1 };
        let answers = with.asked.answers(said.value, said.text, said.flag, said.range);
        let (from, to, head, tail) = (said.at, said.at, said.at, said.at);
        let words = u8::try_from(words).unwrap_or(u8::MAX);
        Some(SteadyStretch { from, to, answers, value: said.value, words, first, last: first, head, tail })
    }

    /// What of a stretch stands before a value of `at`.
    fn before(&self, with: Following<'_>, known: &SteadyStretch, at: i64) -> Option<SteadyStretch> {
        if at <= known.from {
            return None;
        }
        let steps = (at - known.from - 1) / with.step.max(1);
        let to = (known.from + steps * with.step).min(known.to);
        let head = known.head.min(to);
        Some(match known.is_equal() {
            true => SteadyStretch { to, head: to, ..*known },
            false if to >= known.tail => SteadyStretch { to, head, ..*known },
            false if to <= known.head => SteadyStretch { to, head: to, tail: known.from, last: known.first, ..*known },
            false => SteadyStretch { to, head, tail: to, last: UNKNOWN, ..*known },
        })
    }

    /// What of a stretch stands after it.
    fn after(&self, with: Following<'_>, known: &SteadyStretch, at: i64) -> Option<SteadyStretch> {
        if at >= known.to {
            return None;
        }
        let steps = (at - known.from) / with.step.max(1) + 1;
        let from = (known.from + steps * with.step).min(known.to);
        let tail = known.tail.max(from);
        Some(match known.is_equal() {
            true => SteadyStretch { from, tail: from, head: known.to, ..*known },
            false if from <= known.head => SteadyStretch { from, tail, ..*known },
            false if from >= known.tail => {
                SteadyStretch { from, tail: from, head: known.to, first: known.last, ..*known }
            }
            false => SteadyStretch { from, tail, head: from, first: UNKNOWN, ..*known },
        })
    }

    /// Makes one of a stretch and the next one, if no rule can tell them apart; whether it did.
    fn join(&mut self, with: Following<'_>, place: usize) -> bool {
        let Some([one, next]) =
            self.stretches.get(place..place + 2).and_then(|two| <[SteadyStretch; 2]>::try_from(two).ok())
        else {
            return false;
        };
        let alike = one.answers == next.answers && one.words == next.words && with.adjoin(one.to, next.from);
        let equal = one.last == next.first && one.last != UNKNOWN;
        let whole = equal && one.is_equal() && next.is_equal();
        let between = if equal { next.head - one.tail } else { 0 };
        let long = |stretch: &SteadyStretch| stretch.is_equal() && stretch.to - stretch.from >= with.long();
        let apart = !whole && (between >= with.long() || long(&one) || long(&next));
        let turns = with.asked.trend && !whole && next.to - one.from >= TREND_STEP;
        if !alike || apart || turns {
            return false;
        }
        let head = if equal && one.is_equal() { next.head } else { one.head };
        let tail = if equal && next.is_equal() { one.tail } else { next.tail };
        self.stretches.remove(place + 1);
        let joined = SteadyStretch { to: next.to, last: next.last, head, tail, ..one };
        self.stretches.get_mut(place).into_iter().for_each(|known| *known = joined);
        true
    }

    /// Lets the run of equal values at the end stand for itself.
    fn set_apart(&mut self, with: Following<'_>) {
        let Some(last) = self.stretches.last().copied() else { return };
        let rest = self.before(with, &last, last.tail);
        let run = SteadyStretch { from: last.tail, first: last.last, head: last.to, ..last };
        self.stretches.pop();
        self.stretches.extend(rest.into_iter().chain([run]));
    }

    /// Forgets the oldest beyond the bound.
    fn shed(&mut self, with: Following<'_>) {
        self.forget(self.stretches.len().saturating_sub(with.room()));
    }

    /// Forgets the oldest half, to save bytes; whether there was one.
    pub(super) fn halve(&mut self) -> bool {
        let half = self.stretches.len() / 2;
        self.forget(half);
        half > 0
    }

    /// About how many bytes it takes in a snapshot.
    pub(super) fn weight(&self) -> usize {
        self.stretches.len() * STRETCH_BYTES
    }

    fn forget(&mut self, more: usize) {
        if more == 0 {
            return;
        }
        let until = self.stretches.get(more).map_or(0, |known| known.from);
        self.stretches.drain(..more);
        self.since = Some(self.since.map_or(until, |since| since.max(until)));
    }

    /// Brings what is remembered of the future back to `at`.
    pub(super) fn bring_back(&mut self, at: i64) {
        if self.stretches.last().is_some_and(|known| known.to > at) {
            self.stretches.retain(|known| known.from <= at);
            for known in &mut self.stretches {
                for time in [&mut known.to, &mut known.head, &mut known.tail] {
                    *time = (*time).min(at);
                }
            }
        }
    }
}
