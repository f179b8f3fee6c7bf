//! The search for the message at which a broker cuts the connection. Pure: time is an argument.
//!
//! MQTT 3.1.1 has no refusal: a broker that will not take a message cuts the connection. MQTT 5 has one, and yet some brokers refuse by name
//! and cut right after it; what they said is often lost with the connection. Of many messages under way it is not known which it was.
//!
//! What must stay true:
//! - **whatever a broker does at one message, the others pass**: a connection that was cut narrows the search, or takes something, or the
//!   pause before the next one grows;
//! - a message is **blamed** only for cuts at which it was under way alone, [`PROOF`] times, or for a refusal by name right before the cut;
//! - what is blamed, and what has the topic of such a message, is **suspected**: it goes last and alone, with a pause between two of them, so
//!   that the next cut costs nobody else anything. Of each topic the oldest two are tried, so that it shows whether it is the message or the
//!   topic. They take turns: after one that was tried before comes one that was not, and of those that were the one that has waited longest. So
//!   **whatever was blamed by mistake is tried again after a bounded number of others**, for resets by chance blame messages as cuts at them do.
//!   The first message of a topic that is taken clears the others of it;
//! - what is remembered is bounded: [`TOPICS_MAX`] topics.
//!
//! # The search
//!
//! 1. A connection was cut with messages under way: on the next, one goes alone, and with each that is taken one more may be under way
//!    (an ordinary cut costs some round trips, no more).
//! 2. It is cut again: what was under way are the **suspects**. On the next connection they go alone, one after the other.
//! 3. It is cut at one that is alone: that one is counted a cut, and goes alone again; cut again, it is blamed.
//!
//! So one message is found in four connections at most, however large the window is.
//!
//! A message that the broker never acknowledges while it acknowledges later ones is at fault as well, when `ack_timeout` is over: it goes last,
//! but not alone, for a connection waits long for it. Its topic is **silent** then: what else has that topic goes last too, and is waited for
//! only [`SILENT_PATIENCE`] once something later was acknowledged, so that a topic with much traffic does not cost the others `ack_timeout` again
//! and again. Where nothing but silent topics is under way, on a connection that took something, they are at fault without that. What of such a
//! topic is taken ends that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What has a silent topic is waited for so long, if something later was acknowledged.
pub(super) const SILENT_PATIENCE: Duration = Duration::from_secs(2);
/// So often the connection is cut at a message that is alone before it is blamed.
pub(super) const PROOF: u32 = 2;
/// A message that is tried more often was not set aside after it was tried enough: there is no hurry with the others.
const HEADWAY: u32 = 8;
/// Topics of blamed messages that are remembered.
const TOPICS_MAX: usize = 4096;
/// So many cuts in a row without anything taken count as progress of the search; a broker that cuts at everything is left alone for longer.
const FRUITLESS_MAX: u32 = 8;
/// After so many cuts in a row at the gateway's own status, connections are made without it.
const STATUS_CUTS: u32 = 3;
/// So long it is not tried again.
const STATUS_AGAIN: Duration = Duration::from_secs(600);

/// What the end of a connection told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// The topic of the message at which it was cut, if that is known.
    pub topic: Option<String>,
    /// Whether it counts as a cut at that message; else the message had been refused by name.
    pub charged: bool,
    /// Whether the message is blamed now.
    pub blamed: bool,
    /// Whether the connection took something, or narrowed the search: the next one need not wait.
    pub progress: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Search {
    retry_min: Duration,
    retry_max: Duration,
    /// How many may be under way; `None`: as many as the window holds.
    pace: Option<usize>,
    /// Those under way at a cut of a connection that went slowly.
    suspects: BTreeSet<u64>,
    /// Topics of blamed messages, and when that was.
    topics: BTreeMap<String, Instant>,
    /// Topics of messages that were left out, and when that was.
    silent: BTreeMap<String, Instant>,
    /// When the next that is suspected may go, and the pause after it.
    suspected_at: Option<Instant>,
    suspected_pause: Duration,
    /// Cuts in a row without anything taken.
    fruitless: u32,
    /// Cuts in a row at the gateway's status, and the last of them.
    status_cuts: u32,
    status_cut_at: Option<Instant>,
}

impl Search {
    pub(super) fn new(retry_min: Duration, retry_max: Duration) -> Self {
        Search {
            retry_min,
            retry_max,
            pace: None,
            suspects: BTreeSet::new(),
            topics: BTreeMap::new(),
            silent: BTreeMap::new(),
            suspected_at: None,
            suspected_pause: retry_min,
            fruitless: 0,
            status_cuts: 0,
            status_cut_at: None,
        }
    }

    /// How many may be under way of `limit`.
    pub(super) fn most(&self, limit: usize) -> usize {
        if self.suspects.is_empty() { self.pace.map_or(limit, |pace| pace.min(limit)) } else { 1 }
    }

    /// Whether it is going on.
    pub(super) const fn is_on(&self) -> bool {
        self.pace.is_some()
    }

    /// Whether a message of `topic` is suspected.
    pub(super) fn knows(&self, topic: &str) -> bool {
        !self.topics.is_empty() && self.topics.contains_key(topic)
    }

    /// Whether one that is suspected may go.
    pub(super) fn suspected_is_due(&self, now: Instant) -> bool {
        self.suspected_at.is_none_or(|at| at <= now)
    }

    /// Whether what has this topic is left unanswered.
    pub(super) fn is_silent(&self, topic: &str) -> bool {
        !self.silent.is_empty() && self.silent.contains_key(topic)
    }

    /// Whether any topic is.
    pub(super) fn knows_silent(&self) -> bool {
        !self.silent.is_empty()
    }

    /// A message of `topic` was left unanswered while later ones were answered.
    pub(super) fn note_silent(&mut self, topic: &str, now: Instant) {
        remember(&mut self.silent, topic, now);
    }

    /// When the next that is suspected may go.
    pub(super) const fn suspected_at(&self) -> Option<Instant> {
        self.suspected_at
    }

    /// The broker took something; with a window of `limit`. `suspected`: it was suspected.
    pub(super) fn taken(&mut self, seq: u64, limit: usize, suspected: bool) {
        self.fruitless = 0;
        self.suspects.remove(&seq);
        if suspected {
            (self.suspected_at, self.suspected_pause) = (None, self.retry_min);
        } else if self.suspects.is_empty()
            && let Some(pace) = self.pace
        {
            self.pace = (pace + 1 < limit).then_some(pace + 1);
        }
    }

    /// The message is not to be sent for now: refused by name, or kept elsewhere.
    pub(super) fn out_of_line(&mut self, seq: u64) {
        self.suspects.remove(&seq);
    }

    /// One that was suspected is settled: the next need not wait longer than the first did.
    pub(super) const fn suspected_settled(&mut self) {
        self.suspected_pause = self.retry_min;
    }

    /// One that is suspected was refused by name or cut at, for the `tried`-th time: the next waits, and longer if that leads nowhere.
    pub(super) fn suspected_failed(&mut self, now: Instant, tried: u32) {
        if tried > HEADWAY {
            self.suspected_pause = self.suspected_pause.saturating_mul(2).min(self.retry_max);
        }
        self.suspected_at = Some(now + self.suspected_pause);
    }

    /// A message of `topic` is taken: others of it are not suspected any more. Whether they were.
    pub(super) fn clear(&mut self, topic: &str) -> bool {
        let silent = !self.silent.is_empty() && self.silent.remove(topic).is_some();
        silent | (!self.topics.is_empty() && self.topics.remove(topic).is_some())
    }

    /// A message of `topic` is blamed.
    pub(super) fn blame(&mut self, topic: &str, now: Instant) {
        remember(&mut self.topics, topic, now);
    }

    /// A connection ended at a message that is known; `alone`: it was suspected, so that all others had passed.
    pub(super) fn found(&mut self, alone: bool) {
        self.suspects.clear();
        if !alone {
            self.pace = Some(1);
        }
    }

    /// A connection was cut with these under way, more than one, or none of them proved.
    pub(super) fn narrow(&mut self, under_way: impl Iterator<Item = u64>) {
        if self.pace.is_some() {
            self.suspects = under_way.collect();
        }
        self.pace = Some(1);
    }

    /// Whether the next connection need not wait: this one took something, or `narrowed` the search.
    pub(super) fn progress(&mut self, took: bool, narrowed: bool) -> bool {
        self.fruitless = if took { 0 } else { self.fruitless.saturating_add(1) };
        took || (narrowed && self.fruitless <= FRUITLESS_MAX)
    }

    /// The connection was cut at the gateway's status, which was under way alone.
    pub(super) fn cut_at_status(&mut self, now: Instant) {
        self.status_cuts = self.status_cuts.saturating_add(1);
        self.status_cut_at = Some(now);
    }

    /// The status was taken.
    pub(super) const fn status_taken(&mut self) {
        self.status_cuts = 0;
    }

    /// Whether a connection is to be made without the status.
    pub(super) fn without_status(&self, now: Instant) -> bool {
        self.status_cuts >= STATUS_CUTS
            && self.status_cut_at.is_some_and(|at| now.saturating_duration_since(at) < STATUS_AGAIN)
    }
}

/// Notes `topic`; the oldest goes if there are too many.
fn remember(topics: &mut BTreeMap<String, Instant>, topic: &str, now: Instant) {
    if topics.len() >= TOPICS_MAX && !topics.contains_key(topic) {
        let oldest = topics.iter().min_by_key(|(_, at)| **at).map(|(topic, _)| topic.clone());
        oldest.map(|oldest| topics.remove(&oldest));
    }
    topics.insert(topic.to_owned(), now);
}

#[cfg(test)]
#[path = "culprit_tests.rs"]
mod tests;
