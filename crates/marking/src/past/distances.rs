//! Stretches as they are written: each by its distance from the one before.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SteadyStretch;

type Written = (i64, i64, u32, Option<f64>, u8, (u32, u32), (i64, i64));

pub(super) fn serialize<S: Serializer>(stretches: &[SteadyStretch], to: S) -> Result<S::Ok, S::Error> {
    let mut end = 0;
    let near = |known: &SteadyStretch| -> Written {
        let SteadyStretch { from, to, answers, value, words, first, last, head, tail } = *known;
        let distance = from - std::mem::replace(&mut end, to);
        (distance, to - from, answers, value, words, (first, last), (head - from, to - tail))
    };
    stretches.iter().map(near).collect::<Vec<_>>().serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SteadyStretch>, D::Error> {
    let mut end = 0i64;
    let far = |(distance, long, answers, value, words, (first, last), (head, tail)): Written| {
        let from = end.saturating_add(distance);
        end = from.saturating_add(long);
        let (head, tail) = (from.saturating_add(head), end.saturating_sub(tail));
        SteadyStretch { from, to: end, answers, value, words, first, last, head, tail }
    };
    Ok(Vec::<Written>::deserialize(from)?.into_iter().map(far).collect())
}
