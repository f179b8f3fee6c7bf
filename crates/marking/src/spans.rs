//! Sets of time: spans from one moment to before another, µs. What must stay true: results are in order, joined, and hold nothing empty.

pub(super) type Span = (i64, i64);

/// The same time, in order, what overlaps or touches joined.
pub(super) fn joined(spans: &[Span]) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans.iter().copied().filter(|(from, to)| from < to).collect();
    sorted.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(sorted.len());
    for (from, to) in sorted {
        match joined.last_mut().filter(|(_, end)| from <= *end) {
            Some((_, end)) => *end = to.max(*end),
            None => joined.push((from, to)),
        }
    }
    joined
}

/// How long they last together, counting what overlaps once.
pub(super) fn together(spans: &[Span]) -> i64 {
    match spans {
        [] => 0,
        [(from, to)] => (to - from).max(0),
        _ => joined(spans).iter().map(|(from, to)| to - from).sum(),
    }
}

/// What of `spans` lies within `from..to`.
pub(super) fn clipped(spans: &[Span], from: i64, to: i64) -> Vec<Span> {
    spans.iter().map(|(a, b)| (*a.max(&from), *b.min(&to))).filter(|(a, b)| a < b).collect()
}

/// The same of spans that are in order and joined, without looking at those that are elsewhere.
pub(super) fn cut(spans: &[Span], from: i64, to: i64) -> Vec<Span> {
    let rest = spans.get(spans.partition_point(|(_, end)| *end <= from)..).unwrap_or_default();
    let near = rest.get(..rest.partition_point(|(begin, _)| *begin < to)).unwrap_or_default();
    clipped(near, from, to)
}

/// What both have in common.
pub(super) fn common(one: &[Span], other: &[Span]) -> Vec<Span> {
    let cut = |a: &Span, b: &Span| Some((a.0.max(b.0), a.1.min(b.1))).filter(|(from, to)| from < to);
    joined(&one.iter().flat_map(|a| other.iter().filter_map(move |b| cut(a, b))).collect::<Vec<_>>())
}

/// What of one is not in the other.
pub(super) fn minus(one: &[Span], other: &[Span]) -> Vec<Span> {
    let mut left = joined(one);
    for (from, to) in other {
        left = left.iter().flat_map(|(a, b)| [(*a, *b.min(from)), (*a.max(to), *b)]).filter(|(a, b)| a < b).collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some() -> impl Strategy<Value = Vec<Span>> {
        proptest::collection::vec((0i64..60, 0i64..20).prop_map(|(from, long)| (from, from + long)), 0..8)
    }

    fn holds(spans: &[Span], at: i64) -> bool {
        spans.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    proptest! {
        #[test]
        fn each_is_what_its_moments_say(one in some(), other in some()) {
            let (both, left) = (common(&one, &other), minus(&one, &other));
            for at in 0..90 {
                prop_assert_eq!(holds(&both, at), holds(&one, at) && holds(&other, at));
                prop_assert_eq!(holds(&left, at), holds(&one, at) && !holds(&other, at));
            }
            prop_assert_eq!(together(&one), (0..90).filter(|at| holds(&one, *at)).count() as i64);
            prop_assert_eq!(cut(&joined(&one), 10, 30), joined(&clipped(&one, 10, 30)));
            prop_assert_eq!(together(&clipped(&one, 10, 30)), (10..30).filter(|at| holds(&one, *at)).count() as i64);
        }
    }
}
