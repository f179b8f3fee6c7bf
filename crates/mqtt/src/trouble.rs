//! Which of the messages that the broker does not take are set aside, and which wait. Pure: time is an argument.
//!
//! What must stay true:
//! - a message is set aside only if it was tried often enough **and** there is evidence that the broker takes others meanwhile. While
//!   everything is refused the broker counts as away: an access list that is wrong for all topics costs time, not messages;
//! - it is tried once more after that evidence came: what was refused while everything was is not held against it;
//! - what is known of topics and sources is bounded, and forgotten [`FORGET`] after it was last of use.
//!
//! # The rule
//!
//! A message that was tried `tries_max` times is set aside if, since its first trouble,
//! 1. another message of the same topic was taken (then it is this message), or
//! 2. at least as many other stations had something taken and are not in trouble as there are stations in trouble (then it is these
//!    stations' topics; what the gateway says of itself counts for neither side). A station is in trouble while one of its topics was refused
//!    last and not taken since: a connection that ended once at the wrong message is not held against its station for ever, or
//! 3. [`SLOW`] has passed and the broker took anything at all, if only the gateway's status (so that no trouble lasts for ever).
//!
//! A topic of which [`KNOWN`] messages in a row were set aside needs one try instead of `tries_max`, until one passes; so does a station of
//! which [`SOURCE_KNOWN`] were.
//!
//! A topic of which [`KNOWN`] messages in a row were set aside because they were never answered needs none, while the broker takes others: a try
//! of it costs the others a new connection. One in [`PROBE`] is tried all the same; if it is taken, all is as before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// After this long a message goes if the broker took anything at all.
pub(super) const SLOW: Duration = Duration::from_secs(600);
/// So many messages of a topic set aside in a row: the topic is known to be refused.
const KNOWN: u32 = 3;
/// Of a topic that is known to be left unanswered, one message is tried in this time.
const PROBE: Duration = Duration::from_secs(60);
/// So many messages of a station, of whatever topics.
const SOURCE_KNOWN: u32 = 6;
/// What was not of use for so long is forgotten.
const FORGET: Duration = Duration::from_secs(1800);
/// Topics and sources remembered, each.
const REMEMBERED_MAX: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct TopicTrouble {
    /// When a message of it was last refused.
    refused: Instant,
    /// When one was last taken, after the first refusal.
    taken: Option<Instant>,
    /// Messages set aside since one was taken.
    set_aside: u32,
    /// Those of them that were never answered.
    unanswered: u32,
    /// When one was last let through of a topic that is known to be left unanswered.
    probed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Source {
    taken: Option<Instant>,
    refused: Option<Instant>,
    /// When a message was last refused of a topic for which there is no place among `topics`.
    refused_elsewhere: Option<Instant>,
    /// Messages set aside since one was taken.
    set_aside: u32,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Levels of the prefix; the level behind them is the source.
    levels: usize,
    tries_max: u32,
    topics: BTreeMap<String, TopicTrouble>,
    sources: BTreeMap<String, Source>,
    /// When the broker last took anything, a status among it.
    anything: Option<Instant>,
    /// The last refusal; without one lately nothing is noted of what is taken.
    last: Option<Instant>,
    /// When it was last looked for what can be forgotten.
    forgot: Option<Instant>,
    /// Of messages that wait: how often each had been tried when it was first known that others pass.
    tried_before: BTreeMap<u64, u32>,
}

impl Trouble {
    pub(super) fn new(prefix: &str, tries_max: u32) -> Self {
        let levels = prefix.split('/').count();
        let (topics, sources) = (BTreeMap::new(), BTreeMap::new());
        Trouble {
            levels,
            tries_max,
            topics,
            sources,
            anything: None,
            last: None,
            forgot: None,
            tried_before: BTreeMap::new(),
        }
    }

    /// The station of a topic; `None` if it is the gateway's own.
    fn source<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.split('/').nth(self.levels).filter(|level| *level != "gateway")
    }

    /// Whether anything was refused lately, so that it is of use what is taken.
    pub(super) fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// The broker did not take a message of `topic`: it refused it, or cut the connection at it.
    pub(super) fn refused(&mut self, topic: &str, now: Instant) {
        self.last = Some(now);
        self.forget(now);
        let held = self.topics.len() < REMEMBERED_MAX || self.topics.contains_key(topic);
        if held {
            let known = self.topics.entry(topic.to_owned()).or_insert(TopicTrouble {
                refused: now,
                taken: None,
                set_aside: 0,
                unanswered: 0,
                probed: None,
            });
            known.refused = now;
        }
        if let Some(source) = self.source(topic)
            && (self.sources.len() < REMEMBERED_MAX || self.sources.contains_key(source))
        {
            let known = self.sources.entry(source.to_owned()).or_default();
            known.refused = Some(now);
            if !held {
                known.refused_elsewhere = Some(now);
            }
        }
    }

    /// The broker took something that has no number.
    pub(super) fn taken_status(&mut self, now: Instant) {
        self.anything = Some(now);
    }

    /// The broker took a message of `topic`.
    pub(super) fn taken(&mut self, topic: &str, now: Instant) {
        self.anything = Some(now);
        if self.last.is_none() {
            return;
        }
        if let Some(known) = self.topics.get_mut(topic) {
            (known.taken, known.set_aside, known.unanswered) = (Some(now), 0, 0);
        }
        if let Some(source) = self.source(topic)
            && (self.sources.len() < REMEMBERED_MAX || self.sources.contains_key(source))
        {
            let known = self.sources.entry(source.to_owned()).or_default();
            (known.taken, known.set_aside) = (Some(now), 0);
        }
    }

    /// Whether a message of `topic` is to be set aside without a try.
    pub(super) fn is_known_silent(&mut self, topic: &str, now: Instant) -> bool {
        let young = |at: Instant| now.saturating_duration_since(at) < PROBE;
        let Some(known) = self.topics.get_mut(topic).filter(|known| known.unanswered >= KNOWN) else { return false };
        // While the broker takes nothing, nothing is known of topics.
        if !self.anything.is_some_and(young) {
            return false;
        }
        let tried = known.probed.get_or_insert(now);
        if young(*tried) {
            return true;
        }
        *tried = now;
        false
    }

    /// A message of `topic` was set aside; `unanswered`: because it was never answered.
    pub(super) fn set_aside(&mut self, topic: &str, unanswered: bool) {
        if let Some(known) = self.topics.get_mut(topic) {
            known.set_aside = known.set_aside.saturating_add(1);
            known.unanswered = if unanswered { known.unanswered.saturating_add(1) } else { 0 };
        }
        if let Some(source) = self.source(topic).map(str::to_owned)
            && let Some(known) = self.sources.get_mut(&source)
        {
            known.set_aside = known.set_aside.saturating_add(1);
        }
    }

    /// The numbers of those of the messages that wait (number, topic, first trouble, tries) that are to be set aside. What was delivered up to
    /// the number `delivered` is forgotten; what is not in `waiting` is being tried.
    pub(super) fn hopeless<'m>(
        &mut self,
        waiting: impl Iterator<Item = (u64, &'m str, Instant, u32)>,
        delivered: u64,
        now: Instant,
    ) -> BTreeSet<u64> {
        let mut tried_before = std::mem::take(&mut self.tried_before).split_off(&delivered.saturating_add(1));
        let mut found = BTreeSet::new();
        let troubled = self.troubled();
        for (seq, topic, since, tries) in waiting {
            if !self.others_pass(topic, since, now, &troubled) {
                tried_before.remove(&seq);
                continue;
            }
            let then = *tried_before.entry(seq).or_insert(tries);
            let (known, enough) = (self.is_known_refused(topic), self.enough(topic));
            let again = known || then < enough || tries > then;
            if tries == u32::MAX || tries >= enough && again {
                found.insert(seq);
            }
        }
        self.tried_before = tried_before;
        found
    }

    /// Whether a message of `topic` that met its first trouble at `since` and was tried `tries` times can be set aside.
    pub(super) fn is_hopeless(&self, topic: &str, since: Instant, tries: u32, now: Instant) -> bool {
        tries >= self.enough(topic) && self.others_pass(topic, since, now, &self.troubled())
    }

    /// Whether so many of that topic, or of its station, were set aside that one try is enough.
    fn is_known_refused(&self, topic: &str) -> bool {
        let source = self.source(topic).and_then(|source| self.sources.get(source));
        self.topics.get(topic).is_some_and(|known| known.set_aside >= KNOWN)
            || source.is_some_and(|source| source.set_aside >= SOURCE_KNOWN)
    }

    fn enough(&self, topic: &str) -> u32 {
        if self.is_known_refused(topic) { 1 } else { self.tries_max }
    }

    /// The stations in trouble, and when a topic of each was last refused that was not taken since.
    fn troubled(&self) -> BTreeMap<&str, Instant> {
        let open = self.topics.iter().filter(|(_, known)| known.taken.is_none_or(|taken| taken < known.refused));
        let of_topics = open.filter_map(|(topic, known)| Some((self.source(topic)?, known.refused)));
        let elsewhere =
            self.sources.iter().filter_map(|(source, known)| Some((source.as_str(), known.refused_elsewhere?)));
        let mut found: BTreeMap<&str, Instant> = BTreeMap::new();
        for (source, at) in of_topics.chain(elsewhere) {
            let last = found.entry(source).or_insert(at);
            *last = at.max(*last);
        }
        found
    }

    /// Whether the broker took others since: see the rule.
    fn others_pass(&self, topic: &str, since: Instant, now: Instant, troubled: &BTreeMap<&str, Instant>) -> bool {
        let later = |at: Option<Instant>| at.is_some_and(|at| at >= since);
        if self.topics.get(topic).is_some_and(|known| later(known.taken)) {
            return true;
        }
        let in_trouble = |source: &str| later(troubled.get(source).copied());
        let stations = troubled.keys().filter(|source| in_trouble(source)).count().max(1);
        let clean = self.sources.iter().filter(|(source, known)| later(known.taken) && !in_trouble(source)).count();
        clean >= stations || (now.saturating_duration_since(since) >= SLOW && later(self.anything))
    }

    fn forget(&mut self, now: Instant) {
        if self.topics.len() < REMEMBERED_MAX && self.sources.len() < REMEMBERED_MAX {
            return;
        }
        // Not at every refusal: the tables are full for as long as a flood lasts.
        if self.forgot.is_some_and(|at| now.saturating_duration_since(at) < FORGET / 30) {
            return;
        }
        self.forgot = Some(now);
        let old = |at: Instant| now.saturating_duration_since(at) > FORGET;
        self.topics.retain(|_, known| !old(known.refused));
        self.sources.retain(|_, source| source.taken.max(source.refused).is_some_and(|at| !old(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIES: u32 = 5;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn while_everything_is_refused_nothing_is_set_aside() {
        let (mut trouble, start) = (Trouble::new("hj212/v1", TRIES), Instant::now());
        for second in 0..500 {
            for mn in ["A", "B", "C"] {
                trouble.refused(&format!("hj212/v1/{mn}/data/realtime"), at(start, second));
            }
            assert!(!trouble.is_hopeless("hj212/v1/A/data/realtime", start, 100, at(start, second)));
        }
        // Not even after a long time, if the broker took nothing at all.
        assert!(!trouble.is_hopeless("hj212/v1/A/data/realtime", start, 100, at(start, 5000)));
        trouble.taken_status(at(start, 4000));
        assert!(trouble.is_hopeless("hj212/v1/A/data/realtime", start, 100, at(start, 5000)));
    }

    #[test]
    fn data_refused_for_all_stations_waits_though_cards_pass() {
        let (mut trouble, start) = (Trouble::new("hj212/v1", TRIES), Instant::now());
        for second in 0..60 {
            for mn in ["A", "B", "C"] {
                trouble.refused(&format!("hj212/v1/{mn}/data/realtime"), at(start, second));
                trouble.taken(&format!("hj212/v1/{mn}/station"), at(start, second));
                trouble.taken("hj212/v1/gateway/g/rejected", at(start, second));
            }
        }
        assert!(!trouble.is_hopeless("hj212/v1/A/data/realtime", start, 100, at(start, 60)));
    }

    #[test]
    fn what_was_refused_while_everything_was_is_tried_once_more_when_others_pass() {
        let (mut trouble, start) = (Trouble::new("hj212/v1", TRIES), Instant::now());
        let (one, other) = ("hj212/v1/A/data/realtime", "hj212/v1/A/data/hour");
        trouble.refused(one, start);
        trouble.refused(other, start);
        let waiting = |trouble: &mut Trouble, tries: [u32; 2], second: u64| -> Vec<u64> {
            let all = [(7, one, start, tries[0]), (8, other, start, tries[1])];
            trouble.hopeless(all.into_iter(), 0, at(start, second)).into_iter().collect()
        };
        assert_eq!(waiting(&mut trouble, [200, 200], 60), [0; 0], "everything is refused");
        // The access list is right now: the first of each topic passes.
        trouble.taken(one, at(start, 61));
        trouble.taken(other, at(start, 61));
        assert_eq!(waiting(&mut trouble, [200, 200], 61), [0; 0]);
        assert_eq!(waiting(&mut trouble, [201, 200], 62), [7], "it alone was refused once more");
        // Where others pass from its first try on, it has its tries and no more.
        let (mut trouble, start) = (Trouble::new("hj212/v1", TRIES), Instant::now());
        trouble.refused(one, start);
        trouble.taken(one, at(start, 1));
        for tries in 1..=TRIES {
            let told = trouble.hopeless([(7, one, start, tries)].into_iter(), 0, at(start, 2));
            assert_eq!(told.len(), usize::from(tries == TRIES), "{tries}");
            // It is under way between two tries.
            assert!(trouble.hopeless(std::iter::empty(), 0, at(start, 2)).is_empty());
        }
        assert_eq!(trouble.tried_before.len(), 1);
        assert!(trouble.hopeless(std::iter::empty(), 7, at(start, 3)).is_empty() && trouble.tried_before.is_empty());
    }

    #[test]
    fn one_message_or_one_station_is_set_aside_while_others_pass() {
        let (mut trouble, start) = (Trouble::new("hj212/v1", TRIES), Instant::now());
        trouble.refused("hj212/v1/A/data/realtime", start);
        trouble.taken("hj212/v1/A/data/realtime", at(start, 1));
        assert!(!trouble.is_hopeless("hj212/v1/A/data/realtime", start, TRIES - 1, at(start, 2)));
        assert!(
            trouble.is_hopeless("hj212/v1/A/data/realtime", start, TRIES, at(start, 2)),
            "of its topic others pass"
        );
        trouble.refused("hj212/v1/B/data/hour", at(start, 10));
        assert!(!trouble.is_hopeless("hj212/v1/B/data/hour", at(start, 10), TRIES, at(start, 11)));
        trouble.taken("hj212/v1/C/data/hour", at(start, 11));
        assert!(
            trouble.is_hopeless("hj212/v1/B/data/hour", at(start, 10), TRIES, at(start, 12)),
            "other stations pass"
        );
        (0..KNOWN).for_each(|_| trouble.set_aside("hj212/v1/B/data/hour", false));
        assert!(trouble.is_hopeless("hj212/v1/B/data/hour", at(start, 10), 1, at(start, 12)), "the topic is known");
        (0..SOURCE_KNOWN - KNOWN).for_each(|_| trouble.set_aside("hj212/v1/B/data/hour", false));
        assert!(trouble.is_hopeless("hj212/v1/B/data/day", at(start, 10), 1, at(start, 12)), "the station is known");
        trouble.taken("hj212/v1/B/data/hour", at(start, 20));
        assert!(!trouble.is_hopeless("hj212/v1/B/data/hour", at(start, 21), 1, at(start, 22)), "known no more");
    }

    #[test]
    fn a_refusal_that_was_nobodys_fault_is_not_held_against_a_station() {
        let (mut trouble, start) = (Trouble::new("hj212/v1", TRIES), Instant::now());
        let (one, other) = ("hj212/v1/A/data/realtime", "hj212/v1/B/data/realtime");
        trouble.refused(one, start);
        // The connection ends once at a message of the other station, which is taken at the next try.
        trouble.refused(other, at(start, 1));
        trouble.taken("hj212/v1/B/station", at(start, 2));
        assert!(!trouble.is_hopeless(one, start, TRIES, at(start, 2)), "both are in trouble");
        trouble.taken(other, at(start, 3));
        assert!(trouble.is_hopeless(one, start, TRIES, at(start, 3)));
    }

    #[test]
    fn a_topic_known_to_be_left_unanswered_is_tried_once_a_minute_while_others_pass() {
        let (mut trouble, start) = (Trouble::new("p", TRIES), Instant::now());
        trouble.refused("p/A/data", start);
        trouble.taken("p/B/data", start);
        for _ in 0..KNOWN {
            assert!(!trouble.is_known_silent("p/A/data", start));
            trouble.set_aside("p/A/data", true);
        }
        let tried = |trouble: &mut Trouble, from: u64, to: u64| {
            (from..to)
                .filter(|second| {
                    trouble.taken("p/B/data", at(start, *second));
                    !trouble.is_known_silent("p/A/data", at(start, *second))
                })
                .count()
        };
        assert_eq!(tried(&mut trouble, 0, 300), 4);
        assert!(!trouble.is_known_silent("p/A/data", at(start, 500)), "the broker takes nothing");
        trouble.taken("p/B/data", at(start, 501));
        assert!(!trouble.is_known_silent("p/B/data", at(start, 501)));
        trouble.taken("p/A/data", at(start, 501));
        assert!(!trouble.is_known_silent("p/A/data", at(start, 502)), "known no more");
        // A refusal by name is another matter.
        (0..KNOWN).for_each(|_| trouble.set_aside("p/A/data", true));
        trouble.set_aside("p/A/data", false);
        assert!(!trouble.is_known_silent("p/A/data", at(start, 503)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut trouble, start) = (Trouble::new("p", TRIES), Instant::now());
        for number in 0..3 * REMEMBERED_MAX {
            trouble.refused(&format!("p/{number}/data"), start);
            trouble.taken(&format!("p/x{number}/data"), start);
        }
        assert!(trouble.topics.len() <= REMEMBERED_MAX && trouble.sources.len() <= REMEMBERED_MAX);
        trouble.refused("p/new/data", at(start, 3601));
        assert!(trouble.topics.len() == 1 && trouble.sources.len() == 1);
    }
}
