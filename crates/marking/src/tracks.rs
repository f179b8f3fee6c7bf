//! The time that ended episodes of rules took, by mark, object and rule.
//!
//! What ends together stands together: a span that several rules and codes share is kept once, with the set of those that have it. So
//! sixteen factors that are blown back at the same time, by two sets of rules, cost no more than one.
//!
//! What must stay true: what is asked of one mark, object and rule is what was added of it, whatever else ended at the same time; the memory
//! is bounded ([`SPANS_MAX`], [`MEMBERS_MAX`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mark::Standing;
use super::published::Index;
use super::rules::Validity;
use super::spans::{Span, joined};

/// Spans of ended episodes remembered per station; what several have in common is one.
pub const SPANS_MAX: usize = 16 * 1024;
/// Members of all sets that share spans.
const MEMBERS_MAX: usize = 64 * 1024;
/// Spans that end at one moment and are gathered before they are put away.
const FRESH_MAX: usize = 8;

/// Of what rule on what object a span is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) mark: String,
    pub(super) object: String,
    /// The rule.
    pub(super) by: String,
    pub(super) validity: Validity,
    pub(super) standing: Standing,
    /// Whether it says that nothing came.
    pub(super) silence: bool,
    pub(super) on_code: bool,
}

/// A span, and which set has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: i64,
    to: i64,
    set: u16,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tracks {
    of: Vec<Track>,
    sets: Vec<Vec<u16>>,
    /// By their ends.
    #[serde(with = "distances")]
    spans: Vec<Stretch>,
    /// Those that ended last and together: from, to, whose.
    fresh: Vec<(i64, i64, Vec<u16>)>,
    #[serde(skip)]
    track_index: Index<Track>,
    #[serde(skip)]
    set_index: Index<Vec<u16>>,
}

impl Tracks {
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.fresh.is_empty()
    }

    /// About how many bytes all of it takes in a snapshot.
    pub(super) fn weight(&self) -> usize {
        let members: usize = self.sets.iter().map(|set| set.len() * 3 / 2 + 2).sum();
        let tracks: usize =
            self.of.iter().map(|track| track.mark.len() + track.object.len() + track.by.len() + 8).sum();
        self.spans.len() * 8 + members + tracks
    }

    /// How many spans there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len() + self.fresh.len()
    }

    /// Adds a span; `false`: there is no room for another track.
    pub(super) fn add(&mut self, track: &Track, from: i64, to: i64) -> bool {
        if from >= to {
            return true;
        }
        let Some(track) = self.number(track) else { return false };
        if self.fresh.first().is_some_and(|(_, end, _)| *end != to) || self.fresh.len() >= FRESH_MAX {
            self.put_away();
        }
        match self.fresh.iter_mut().find(|(begin, ..)| *begin == from) {
            Some((.., set)) if set.contains(&track) => {}
            Some((.., set)) => set.push(track),
            None => self.fresh.push((from, to, vec![track])),
        }
        true
    }

    fn number(&mut self, track: &Track) -> Option<u16> {
        if let Some(at) = self.track_index.find(&self.of, track) {
            return Some(at);
        }
        let at = u16::try_from(self.of.len()).ok().filter(|at| *at < u16::MAX)?;
        self.of.push(track.clone());
        self.track_index.add(track, at);
        Some(at)
    }

    fn put_away(&mut self) {
        for (from, to, mut set) in std::mem::take(&mut self.fresh) {
            set.sort_unstable();
            let set = self.set_of(set);
            // What goes on where it ended is one span.
            let last = self.spans.last_mut().filter(|last| last.set == set && last.to >= from && last.from <= from);
            if let Some(last) = last.filter(|last| last.to <= to) {
                last.to = to;
                continue;
            }
            let at = self.spans.partition_point(|known| known.to <= to);
            self.spans.insert(at, Stretch { from, to, set });
        }
    }

    fn set_of(&mut self, set: Vec<u16>) -> u16 {
        if let Some(at) = self.set_index.find(&self.sets, &set) {
            return at;
        }
        let at = u16::try_from(self.sets.len()).unwrap_or(u16::MAX);
        self.set_index.add(&set, at);
        self.sets.push(set);
        at
    }

    /// Takes `from..to` away from the spans of a track; whether there was something.
    pub(super) fn cut(&mut self, track: &Track, from: i64, to: i64) -> bool {
        self.put_away();
        let Some(number) = self.of.iter().position(|known| known == track) else { return false };
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let first = self.spans.partition_point(|known| known.to <= from);
        let mut rest = self.spans.split_off(first);
        let mut left = Vec::new();
        let mut found = false;
        rest.retain_mut(|known| {
            let set = self.sets.get(usize::from(known.set)).filter(|set| known.from < to && set.contains(&number));
            let Some(set) = set else { return true };
            found = true;
            left.extend([(known.from, from.min(known.to)), (known.from.max(to), known.to)]);
            let others: Vec<u16> = set.iter().copied().filter(|member| *member != number).collect();
            let stays = !others.is_empty();
            known.set = self.set_of(others);
            stays
        });
        self.spans.append(&mut rest);
        let set = self.set_of(vec![number]);
        for (from, to) in left.into_iter().filter(|(from, to)| from < to) {
            let at = self.spans.partition_point(|known| known.to <= to);
            self.spans.insert(at, Stretch { from, to, set });
        }
        found
    }

    /// What has a span that begins before `to` and ends after `from` (of an instant, `from == to`, one that holds it), with those spans, cut
    /// to `from..to`.
    pub(super) fn within(&self, from: i64, to: i64) -> Vec<(&Track, Vec<Span>)> {
        self.within_of(from, to, |_| true)
    }

    /// The same of those tracks alone that are wanted.
    pub(super) fn within_of(&self, from: i64, to: i64, wanted: impl Fn(&Track) -> bool) -> Vec<(&Track, Vec<Span>)> {
        if !self.of.iter().any(&wanted) {
            return Vec::new();
        }
        let to = if from == to { to + 1 } else { to };
        let mut found: BTreeMap<u16, Vec<Span>> = BTreeMap::new();
        let first = self.spans.partition_point(|known| known.to <= from);
        for known in self.spans.get(first..).unwrap_or_default().iter().filter(|known| known.from < to) {
            for track in self.sets.get(usize::from(known.set)).into_iter().flatten() {
                found.entry(*track).or_default().push((known.from.max(from), known.to.min(to)));
            }
        }
        for (begin, end, set) in self.fresh.iter().filter(|(begin, end, _)| *begin < to && *end > from) {
            for track in set {
                found.entry(*track).or_default().push((*begin.max(&from), *end.min(&to)));
            }
        }
        let of = |(track, spans): (u16, Vec<Span>)| Some((self.of.get(usize::from(track))?, joined(&spans)));
        found.into_iter().filter_map(of).filter(|(track, _)| wanted(track)).collect()
    }

    /// Forgets what ended before `before`; how many spans that were.
    pub(super) fn age(&mut self, before: i64) -> usize {
        self.put_away();
        let old = self.spans.partition_point(|known| known.to < before);
        self.spans.drain(..old);
        self.sort_out();
        old
    }

    /// Whether a bound is reached.
    pub(super) fn is_full(&self) -> bool {
        let many = self.spans.len() > SPANS_MAX || self.sets.len() >= usize::from(u16::MAX);
        many || (self.sets.len() > 256 && self.sets.iter().map(Vec::len).sum::<usize>() > MEMBERS_MAX)
    }

    /// The end of the oldest eighth.
    pub(super) fn eighth(&self) -> i64 {
        self.spans.get(self.spans.len() / 8).map_or(i64::MAX, |known| known.to.saturating_add(1))
    }

    /// Keeps those sets and tracks alone that have a span.
    fn sort_out(&mut self) {
        let (of, sets) = (std::mem::take(&mut self.of), std::mem::take(&mut self.sets));
        (self.track_index, self.set_index) = (Index(BTreeMap::new()), Index(BTreeMap::new()));
        let mut places: BTreeMap<u16, u16> = BTreeMap::new();
        let mut spans = std::mem::take(&mut self.spans);
        for known in &mut spans {
            let place = places.get(&known.set).copied().unwrap_or_else(|| {
                let members = sets.get(usize::from(known.set)).into_iter().flatten();
                let members = members.filter_map(|track| of.get(usize::from(*track)));
                let mut set: Vec<u16> = members.filter_map(|track| self.number(track)).collect();
                set.sort_unstable();
                self.set_of(set)
            });
            places.insert(known.set, place);
            known.set = place;
        }
        self.spans = spans;
    }
}

/// Spans as they are written: each by its distance from the one before.
mod distances {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Stretch;

    pub(super) fn serialize<S: Serializer>(spans: &[Stretch], to: S) -> Result<S::Ok, S::Error> {
        let mut end = 0;
        let near = |known: &Stretch| {
            let written = (known.to - end, known.to - known.from, known.set);
            end = known.to;
            written
        };
        spans.iter().map(near).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Stretch>, D::Error> {
        let mut end = 0i64;
        let far = |(distance, long, set): (i64, i64, u16)| {
            end = end.saturating_add(distance);
            Stretch { from: end.saturating_sub(long), to: end, set }
        };
        Ok(Vec::<(i64, i64, u16)>::deserialize(from)?.into_iter().map(far).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn track(number: usize) -> Track {
        Track {
            mark: format!("m{number}"),
            object: "a21026".into(),
            by: "r".into(),
            validity: Validity::Invalid,
            standing: Standing::Applied,
            silence: false,
            on_code: true,
        }
    }

    #[test]
    fn what_ends_together_is_one_span() {
        let mut tracks = Tracks::default();
        for n in 0..100 {
            (0..32).for_each(|number| assert!(tracks.add(&track(number), n * 10, n * 10 + 3)));
        }
        assert_eq!((tracks.len(), tracks.sets.len()), (100, 1));
        assert_eq!(tracks.within(500, 510).len(), 32);
        assert_eq!(tracks.age(505), 51);
        assert_eq!((tracks.len(), tracks.of.len()), (49, 32));
    }

    proptest! {
        #[test]
        fn each_has_what_was_added_of_it_and_not_taken_away(
            added in proptest::collection::vec((0usize..4, 0i64..200, 1i64..20, prop_oneof![3 => Just(false), 1 => Just(true)]), 1..60)
        ) {
            let mut tracks = Tracks::default();
            for (number, from, long, cut) in &added {
                if *cut {
                    tracks.cut(&track(*number), *from, from + long);
                } else {
                    prop_assert!(tracks.add(&track(*number), *from, from + long));
                }
            }
            prop_assert!(tracks.spans.windows(2).all(|two| two[0].to <= two[1].to));
            tracks = postcard::from_bytes(&postcard::to_allocvec(&tracks).unwrap()).unwrap();
            for at in 0..230 {
                for number in 0..4 {
                    let over = |(of, from, long, _): &&(usize, i64, i64, bool)| *of == number && (*from..from + long).contains(&at);
                    let wanted = added.iter().rfind(over).is_some_and(|(.., cut)| !cut);
                    let found = tracks.within(at, at).iter().any(|(known, _)| **known == track(number));
                    prop_assert_eq!(found, wanted, "{} at {}", number, at);
                }
            }
        }
    }
}
