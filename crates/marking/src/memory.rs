//! What is remembered of marks that have ended.
//!
//! Two memories, so that the noise of one never pushes out the other:
//! * what **people** entered stands as it was said, with its reason and proof: [`ENTRIES_ENDED_MAX`] marks, [`ENTRIES_BYTES_MAX`] bytes;
//! * **episodes of rules** are spans of time by mark, object and rule ([`super::tracks`], [`SPANS_KEPT`]); the latest stand in full beside
//!   that ([`EPISODES_MAX`]), for explanations alone: no verdict, limit or withdrawal asks them.
//!
//! What must stay true: a verdict about a time within [`SPANS_KEPT`] does not depend on how many other factors a station has or how often
//! they change; what a bound takes before its time is told (`marks-forgotten`), once for each time it takes something.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::expr::SECOND;
use super::mark::{Mark, Standing};
use super::spans::{Span, minus};
use super::tracks::{SPANS_MAX, Track, Tracks};

/// The most that episodes and periods of a station may take in a snapshot, bytes: see `weight`.
pub const REMEMBERED_BYTES_MAX: usize = 44 * 1024;
use hj212_model::message::{MARK_ENTRY_MAX, Timestamp};

/// Ids of accepted entries remembered per station. The oldest are forgotten first and can then no longer be superseded or withdrawn; an id
/// whose mark is still remembered stays used all the same.
pub const ENTRY_IDS_MAX: usize = 512;
/// Rulings remembered per station; the oldest that hold no more go first, and of a station whose rulings all hold further ones are refused.
pub const RULINGS_MAX: usize = 256;
/// Ended marks of people remembered per station.
pub const ENTRIES_ENDED_MAX: usize = 512;
/// The bytes of text of all of them together.
pub const ENTRIES_BYTES_MAX: usize = 512 * 1024;
/// Ended episodes of rules that stand in full, with their evidence.
pub const EPISODES_MAX: usize = 64;
/// How long a span is remembered, by data time: longer than anything that is reported or corrected.
pub const SPANS_KEPT: i64 = 42 * 86_400 * SECOND;

// The longest entry finds room among those that are remembered, and the five weeks that periods are looked back over are kept whole.
const _: () = assert!(MARK_ENTRY_MAX < ENTRIES_BYTES_MAX && SPANS_KEPT > 35 * 86_400 * SECOND);

/// What is remembered of ended marks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// What people entered, in the order in which it ended.
    pub(super) entries: Vec<Mark>,
    /// The latest episodes of rules, in full.
    pub(super) episodes: Vec<Mark>,
    pub(super) tracks: Tracks,
    /// The latest end of any span.
    latest: i64,
    /// The latest end of anything that people entered.
    entered_to: i64,
    /// The text of `entries`, bytes.
    bytes: usize,
    /// Before this spans may have been forgotten before their time.
    lost_to: i64,
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
            self.entered_to = self.entered_to.max(mark.until.map_or(i64::MAX, |until| until.0));
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
        let (from, to) = (mark.since.0, mark.until.map_or(mark.since.0, |until| until.0));
        // A proposal that an entry confirmed is a proposal all the same: the entry has the effect.
        let standing = if mark.standing.counts() { mark.standing } else { Standing::Proposed };
        let track = Track {
            mark: mark.mark.clone(),
            object: mark.object.clone(),
            by: mark.by.clone(),
            validity: mark.validity,
            standing,
            silence: mark.silence,
            on_code: mark.on_code,
        };
        if self.episodes.len() >= EPISODES_MAX {
            self.episodes.remove(0);
        }
        self.episodes.push(mark);
        self.keep_span(&track, (from, to), now);
    }

    /// Remembers a span of time that a rule took.
    pub(super) fn keep_span(&mut self, track: &Track, (from, to): (i64, i64), now: i64) {
        self.latest = self.latest.max(to);
        if !self.tracks.add(track, from, to) {
            self.lost_to = self.lost_to.max(to);
            self.forget("episode", to);
        }
        if self.tracks.is_full() {
            self.age(now - SPANS_KEPT, false);
        }
        while self.tracks.is_full() {
            // Not of one code: the oldest of all go, an eighth at once.
            let before = self.tracks.eighth();
            if self.age(before, true) == 0 {
                break;
            }
        }
    }

    /// Takes `from..to` away from what a rule took, for a value that came late says otherwise; whether there was something.
    pub(super) fn cut(&mut self, track: &Track, (from, to): Span) -> bool {
        if from >= self.latest {
            return false;
        }
        let mine = |mark: &Mark| mark.mark == track.mark && mark.object == track.object && mark.by == track.by;
        let of = |mark: &Mark| (mark.since.0, mark.until.map_or(mark.since.0, |until| until.0));
        let (cut, mut episodes): (Vec<Mark>, Vec<Mark>) = std::mem::take(&mut self.episodes)
            .into_iter()
            .partition(|mark| mine(mark) && of(mark).0 < to && of(mark).1 > from);
        for mark in cut {
            for (from, to) in minus(&[of(&mark)], &[(from, to)]) {
                let (since, until) = (Timestamp(from), Some(Timestamp(to)));
                episodes.push(Mark { since, until, from: since, ..mark.clone() });
            }
        }
        let more = episodes.len().saturating_sub(EPISODES_MAX);
        episodes.drain(..more);
        self.episodes = episodes;
        self.tracks.cut(track, from, to)
    }

    /// Whether a span may lie over what is after `at`.
    pub(super) const fn may_hold(&self, at: i64) -> bool {
        at < self.latest
    }

    /// Whether spans of a track hold all of `from..to`.
    pub(super) fn holds(&self, track: &Track, (from, to): Span) -> bool {
        let of = self.tracks.within_of(from, to, |known| known == track);
        minus(&[(from, to)], &of.into_iter().flat_map(|(_, spans)| spans).collect::<Vec<_>>()).is_empty()
    }

    /// Forgets the oldest eighth of the spans, to save bytes; whether there was something to forget.
    pub(super) fn shed(&mut self) -> bool {
        let before = self.tracks.eighth();
        let gone = self.tracks.age(before);
        self.lost_to = self.lost_to.max(if gone > 0 { before } else { i64::MIN });
        (0..gone).for_each(|_| self.forget("episode/bytes", before));
        gone > 0
    }

    /// Whether an entry that ended then would be forgotten at once.
    pub(super) fn is_too_old(&self, end: Timestamp) -> bool {
        let later = |mark: &&Mark| mark.ruled.is_some() || mark.until.is_none_or(|until| until > end);
        self.entries.len() >= ENTRIES_ENDED_MAX && self.entries.iter().filter(later).count() == self.entries.len()
    }

    /// Forgets spans that ended before `before`; how many.
    pub(super) fn age(&mut self, before: i64, early: bool) -> usize {
        let gone = self.tracks.age(before);
        if early {
            self.lost_to = self.lost_to.max(if gone > 0 { before } else { i64::MIN });
            (0..gone).for_each(|_| self.forget("episode", before));
        }
        gone
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
            let until_text = || Timestamp(until).to_rfc3339();
            if let Some(what) = what.strip_suffix("/bytes") {
                let bound = REMEMBERED_BYTES_MAX;
                return json!({ "what": what, "count": count, "until": until_text(), "bound_bytes": bound });
            }
            let bound = match what.as_str() {
                "entry" => ENTRIES_ENDED_MAX,
                "entry-id" => ENTRY_IDS_MAX,
                "published-period" | "counted-period" => super::published::RUNS_KEPT_MAX,
                "ruling" => RULINGS_MAX,
                _ => SPANS_MAX,
            };
            json!({ "what": what, "count": count, "until": until_text(), "bound": bound })
        };
        std::mem::take(&mut self.forgotten).into_iter().map(tell).collect()
    }

    /// The spans of rules' episodes within `from..to`.
    pub(super) fn spans(&self, from: i64, to: i64) -> Vec<(&Track, Vec<Span>)> {
        if from < self.latest { self.tracks.within(from, to) } else { Vec::new() }
    }

    /// Whether spans of rules that lay over what begins then may have been forgotten before their time.
    pub(super) const fn may_have_lost(&self, from: i64) -> bool {
        from < self.lost_to
    }

    /// What people entered that may not have ended by `from`.
    pub(super) fn entries_from(&self, from: i64) -> &[Mark] {
        if from < self.entered_to { &self.entries } else { &[] }
    }

    /// The spans on an object that take effect: mark, rule, from, to.
    pub(super) fn charged_spans(&self, object: &str) -> Vec<(&str, &str, i64, i64)> {
        let of = self.tracks.within_of(i64::MIN, i64::MAX, |track| track.object == object && track.standing.counts());
        of.into_iter()
            .flat_map(|(track, spans)| {
                spans.into_iter().map(|(from, to)| (track.mark.as_str(), track.by.as_str(), from, to))
            })
            .collect()
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
