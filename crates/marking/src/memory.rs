//! What is remembered of marks that have ended.
//!
//! Two memories, so that the noise of one never pushes out the other:
//! * what **people** entered stands as it was said, with its reason and proof: [`ENTRIES_ENDED_MAX`] marks, [`ENTRIES_BYTES_MAX`] bytes;
//! * **episodes of rules** are merged into spans of time by mark, object and rule ([`SPANS_KEPT`], [`SPANS_MAX`]); the latest stand in
//!   full beside that ([`EPISODES_MAX`]), for explanations alone: no verdict, limit or withdrawal asks them.
//!
//! What must stay true: a verdict about a time within [`SPANS_KEPT`] does not depend on how many other factors a station has or how often
//! they change; what a bound takes before its time is told (`marks-forgotten`), once for each time it takes something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expr::SECOND;
use super::mark::{Mark, Standing};
use super::rules::Validity;
use hj212_model::message::Timestamp;

/// Ended marks of people remembered per station.
pub const ENTRIES_ENDED_MAX: usize = 512;
/// The bytes of text of all of them together.
pub const ENTRIES_BYTES_MAX: usize = 512 * 1024;
/// Ended episodes of rules that stand in full, with their evidence.
pub const EPISODES_MAX: usize = 64;
/// Spans of ended episodes remembered per station, 16 bytes each.
pub const SPANS_MAX: usize = 16 * 1024;
/// How long a span is remembered, by data time: longer than anything that is reported or corrected.
pub const SPANS_KEPT: i64 = 42 * 86_400 * SECOND;

/// The ended episodes of one rule on one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) standing: Standing,
    /// Whether they say that nothing came.
    pub(super) silence: bool,
    pub(super) on_code: bool,
    /// In order, none touching the next.
    pub(super) spans: Vec<(i64, i64)>,
}

impl Track {
    /// The spans that end after `from` and begin before `to`; of an instant (`from == to`) those that hold it.
    pub(super) fn within(&self, from: i64, to: i64) -> &[(i64, i64)] {
        let to = if from == to { to + 1 } else { to };
        let first = self.spans.partition_point(|(_, end)| *end <= from);
        let rest = self.spans.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|(begin, _)| *begin < to)).unwrap_or_default()
    }

    /// Adds a span; how many more there are now.
    fn add(&mut self, from: i64, to: i64) -> isize {
        let before = self.spans.len();
        let first = self.spans.partition_point(|(_, end)| *end < from);
        let last = self.spans.partition_point(|(begin, _)| *begin <= to);
        let joined = self.spans.get(first..last).unwrap_or_default();
        let from = joined.first().map_or(from, |(begin, _)| from.min(*begin));
        let to = joined.last().map_or(to, |(_, end)| to.max(*end));
        self.spans.splice(first..last.max(first), [(from, to)]);
        self.spans.len() as isize - before as isize
    }
}

/// Mark, object, rule, and what the mark made of readings.
pub(super) type TrackKey = (String, String, String, Validity);

/// What is remembered of ended marks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// What people entered, in the order in which it ended.
    pub(super) entries: Vec<Mark>,
    /// The latest episodes of rules, in full.
    pub(super) episodes: Vec<Mark>,
    pub(super) tracks: BTreeMap<TrackKey, Track>,
    /// How many spans there are in all.
    spans: usize,
    /// The latest end of any span.
    latest: i64,
    /// The text of `entries`, bytes.
    bytes: usize,
    /// What was forgotten before its time and not yet told: what, how many, the latest end.
    forgotten: Vec<(String, u32, i64)>,
}

/// What a mark of people takes.
fn weight(mark: &Mark) -> usize {
    let said = mark.said.as_ref().map_or(0, |(reason, proof, author)| reason.len() + proof.len() + author.len());
    let seen: usize = mark.exceedances.iter().map(|e| e.code.len() + e.value.len() + e.limit.len() + 16).sum();
    said + seen + mark.clause.len() + mark.by.len() + mark.object.len() + 256
}

impl Memory {
    /// Remembers a mark that has ended; `now` is the latest data time.
    pub(super) fn keep(&mut self, mark: Mark, now: i64) {
        if mark.said.is_some() {
            self.bytes += weight(&mark);
            self.entries.push(mark);
            while self.entries.len() > ENTRIES_ENDED_MAX || self.bytes > ENTRIES_BYTES_MAX {
                let until = |mark: &Mark| mark.until.map_or(i64::MAX, |until| until.0);
                // What an authority has ruled about is not pushed out by what its author enters.
                let oldest =
                    self.entries.iter().enumerate().min_by_key(|(_, mark)| (mark.ruled.is_some(), until(mark)));
                let Some((at, _)) = oldest else { break };
                let gone = self.entries.remove(at);
                self.bytes = self.bytes.saturating_sub(weight(&gone));
                self.forget("entry", until(&gone));
            }
            return;
        }
        let key = (mark.mark.clone(), mark.object.clone(), mark.by.clone(), mark.validity);
        let (from, to) = (mark.since.0, mark.until.map_or(mark.since.0, |until| until.0));
        // A proposal that an entry confirmed is a proposal all the same: the entry has the effect.
        let standing = if mark.standing.counts() { mark.standing } else { Standing::Proposed };
        let track = Track { standing, silence: mark.silence, on_code: mark.on_code, spans: Vec::new() };
        if from < to {
            let grown = self.tracks.entry(key).or_insert(track).add(from, to);
            self.spans = self.spans.saturating_add_signed(grown);
            self.latest = self.latest.max(to);
        }
        if self.episodes.len() >= EPISODES_MAX {
            self.episodes.remove(0);
        }
        self.episodes.push(mark);
        if self.spans > SPANS_MAX {
            self.age(now - SPANS_KEPT, false);
        }
        if self.spans > SPANS_MAX {
            // Not of one code: the oldest of all go, an eighth at once.
            let mut ends: Vec<i64> = self.tracks.values().flat_map(|track| &track.spans).map(|(_, end)| *end).collect();
            ends.sort_unstable();
            self.age(ends.get(SPANS_MAX / 8).copied().unwrap_or(i64::MIN), true);
        }
    }

    /// Whether an entry that ended then would be forgotten at once.
    pub(super) fn is_too_old(&self, end: Timestamp) -> bool {
        let later = |mark: &&Mark| mark.ruled.is_some() || mark.until.is_none_or(|until| until > end);
        self.entries.len() >= ENTRIES_ENDED_MAX && self.entries.iter().filter(later).count() == self.entries.len()
    }

    /// Forgets spans that ended before `before`.
    pub(super) fn age(&mut self, before: i64, early: bool) {
        let mut gone = 0;
        for track in self.tracks.values_mut() {
            let old = track.spans.partition_point(|(_, end)| *end < before);
            track.spans.drain(..old);
            gone += old;
        }
        self.tracks.retain(|_, track| !track.spans.is_empty());
        self.spans -= gone.min(self.spans);
        if early && gone > 0 {
            (0..gone).for_each(|_| self.forget("episode", before));
        }
    }

    /// Notes that something was forgotten before its time.
    pub(super) fn forget(&mut self, what: &str, until: i64) {
        match self.forgotten.iter_mut().find(|(known, ..)| known == what) {
            Some((_, count, latest)) => (*count, *latest) = (*count + 1, until.max(*latest)),
            None => self.forgotten.push((what.to_owned(), 1, until)),
        }
    }

    /// What was forgotten before its time since this was last asked.
    pub(super) fn told(&mut self) -> Vec<Value> {
        let tell = |(what, count, until): (String, u32, i64)| {
            let bound = match what.as_str() {
                "entry" => ENTRIES_ENDED_MAX,
                "entry-id" => super::state::ENTRY_IDS_MAX,
                "published-period" => super::published::RUNS_KEPT_MAX,
                "ruling" => super::ruling::RULINGS_MAX,
                _ => SPANS_MAX,
            };
            json!({ "what": what, "count": count, "until": Timestamp(until).to_rfc3339(), "bound": bound })
        };
        std::mem::take(&mut self.forgotten).into_iter().map(tell).collect()
    }

    /// The tracks that may have a span within `from..=to`.
    pub(super) fn tracks(&self, from: i64) -> impl Iterator<Item = (&TrackKey, &Track)> {
        (from < self.latest).then(|| self.tracks.iter()).into_iter().flatten()
    }

    /// Ended marks in full: what people entered, and the latest episodes of rules.
    pub(super) fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.entries.iter().chain(&self.episodes)
    }

    pub(super) fn marks_mut(&mut self) -> impl Iterator<Item = &mut Mark> {
        self.entries.iter_mut().chain(&mut self.episodes)
    }

    /// Takes back what people entered by this id.
    pub(super) fn take(&mut self, id: &str) -> Option<Mark> {
        let at = self.entries.iter().position(|mark| mark.by == id)?;
        let mark = self.entries.remove(at);
        self.bytes = self.bytes.saturating_sub(weight(&mark));
        Some(mark)
    }

    /// Nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tracks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_that_touch_are_one() {
        let mut track = Track { standing: Standing::Applied, silence: false, on_code: true, spans: Vec::new() };
        assert_eq!((track.add(10, 20), track.add(30, 40), track.add(20, 30)), (1, 1, -1));
        assert_eq!(track.spans, [(10, 40)]);
        assert_eq!((track.add(0, 5), track.add(50, 60), track.add(2, 55)), (1, 1, -2));
        assert_eq!(track.spans, [(0, 60)]);
    }

    proptest! {
        #[test]
        fn spans_hold_what_was_added(added in proptest::collection::vec((0i64..200, 1i64..20), 1..40)) {
            let mut track = Track { standing: Standing::Applied, silence: false, on_code: true, spans: Vec::new() };
            let mut count = 0;
            for (from, long) in &added {
                count += track.add(*from, from + long);
            }
            prop_assert_eq!(track.spans.len() as isize, count);
            prop_assert!(track.spans.windows(2).all(|two| two[0].1 < two[1].0));
            for at in 0..230 {
                let wanted = added.iter().any(|(from, long)| (*from..from + long).contains(&at));
                prop_assert_eq!(!track.within(at, at).is_empty(), wanted, "{}", at);
            }
        }
    }
}
