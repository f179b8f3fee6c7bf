//! Occasions: what a limit on each of them (`per = "each"`) counts.
//!
//! Whoever cuts a fault of eight hours into two of four has one fault all the same. So the marks that share such a limit and hang on one object
//! are one occasion where they overlap, touch, or are no further apart than the limit says (`apart`), whatever they are called and
//! whoever entered them; the time between them is not counted.
//!
//! What must stay true: an occasion depends on which marks there are, not on the order in which they came; what is too late, annulled, cut
//! by a ruling or waits for one is no part of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::spans::Span;

/// The occasions remembered of a limit on an object, the latest.
pub const OCCASIONS_MAX: usize = 128;

/// Marks that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Occasion {
    pub(super) from: i64,
    pub(super) to: i64,
    /// The time that is marked, µs.
    pub(super) used: i64,
    /// The spans of it, in order and joined.
    spans: Vec<Span>,
    /// Who used it last.
    pub(super) last: String,
    /// Whether it was told that it is nearly spent, and that it is.
    pub(super) near: bool,
    pub(super) spent: bool,
}

impl Occasion {
    /// When `max` was reached.
    pub(super) fn spent_at(&self, max: i64) -> Option<i64> {
        let mut left = max;
        for (from, to) in &self.spans {
            if to - from >= left {
                return Some(from + left);
            }
            left -= to - from;
        }
        None
    }

    fn add(&mut self, (from, to): Span, who: &str) {
        if to >= self.to {
            who.clone_into(&mut self.last);
        }
        match self.spans.last_mut().filter(|(_, end)| from <= *end) {
            Some((_, end)) => {
                self.used += (to - *end).max(0);
                *end = to.max(*end);
            }
            None => {
                self.used += to - from;
                self.spans.push((from, to));
            }
        }
        self.to = self.to.max(to);
    }
}

/// The occasions that spans make up, in the order of time.
pub(super) fn occasions(mut spans: Vec<(i64, i64, &str)>, apart: i64) -> Vec<Occasion> {
    spans.retain(|(from, to, _)| from < to);
    spans.sort_unstable();
    let mut all: Vec<Occasion> = Vec::new();
    for (from, to, who) in spans {
        if all.last().is_none_or(|last| from > last.to.saturating_add(apart)) {
            all.push(Occasion { from, to: from, ..Occasion::default() });
        }
        all.last_mut().into_iter().for_each(|last| last.add((from, to), who));
    }
    let old = all.len().saturating_sub(OCCASIONS_MAX);
    all.drain(..old);
    all
}

/// What was used of limits, by limit and object.
pub(super) type Occasions = BTreeMap<(String, String), Vec<Occasion>>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_touches_or_nearly_does_is_one_occasion() {
        let of = |spans: &[Span], apart: i64| -> Vec<(i64, i64, i64)> {
            let spans = spans.iter().map(|(from, to)| (*from, *to, "e")).collect();
            occasions(spans, apart).iter().map(|o| (o.from, o.to, o.used)).collect()
        };
        assert_eq!(of(&[(0, 4), (4, 8)], 0), [(0, 8, 8)]);
        assert_eq!(of(&[(0, 4), (5, 8)], 0), [(0, 4, 4), (5, 8, 3)]);
        assert_eq!(of(&[(5, 8), (0, 4), (2, 3)], 1), [(0, 8, 7)]);
        assert_eq!(occasions(vec![(0, 4, "a"), (5, 9, "b")], 1)[0].spent_at(6), Some(7));
        assert_eq!(occasions(vec![(0, 4, "a"), (5, 9, "b")], 1)[0].spent_at(9), None);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(spans in proptest::collection::vec((0i64..200, 1i64..20), 0..20), apart in 0i64..10) {
            let names = |list: Vec<(i64, i64)>| list.into_iter().map(|(from, long)| (from, from + long, "e")).collect::<Vec<_>>();
            let forth = occasions(names(spans.clone()), apart);
            prop_assert_eq!(&forth, &occasions(names(spans.iter().rev().copied().collect()), apart));
            prop_assert!(forth.windows(2).all(|two| two[1].from > two[0].to + apart));
            let used: i64 = forth.iter().map(|o| o.used).sum();
            let covered = (0..230).filter(|at| spans.iter().any(|(from, long)| (*from..from + long).contains(at))).count();
            prop_assert_eq!(used, covered as i64);
        }
    }
}
