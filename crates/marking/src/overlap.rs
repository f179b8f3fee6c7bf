//! Whether conditions can be true, alone or together: intervals of numbers, sets of texts, and tests that cannot both be.
//!
//! Works on the disjunctive form. What must stay true: an answer "no" is certain; "yes" may be too careful where tests of time are
//! concerned, and where the form grows beyond [`TERMS_MAX`].

use std::collections::{BTreeMap, BTreeSet};

use super::expr::{Expr, Op, Test};

/// Beyond so many terms every condition counts as possible.
const TERMS_MAX: usize = 256;

type Term<'e> = Vec<(&'e Test<String>, bool)>;

/// Whether all of `conditions` can be true at once.
pub(super) fn can_be(conditions: &[&Expr<String>]) -> bool {
    let mut all = vec![Vec::new()];
    for condition in conditions {
        let Some(next) = terms(condition, true).and_then(|terms| product(&all, &terms)) else { return true };
        all = next;
    }
    all.iter().any(|term| is_possible(term))
}

fn product<'e>(one: &[Term<'e>], other: &[Term<'e>]) -> Option<Vec<Term<'e>>> {
    if one.len() * other.len() > TERMS_MAX {
        return None;
    }
    Some(one.iter().flat_map(|a| other.iter().map(move |b| a.iter().chain(b).copied().collect())).collect())
}

/// The terms of a condition, or of its negation; `None`: too many.
fn terms(condition: &Expr<String>, wanted: bool) -> Option<Vec<Term<'_>>> {
    match (condition, wanted) {
        (Expr::Test(test), _) => Some(vec![vec![(test, wanted)]]),
        (Expr::Not(part), _) => terms(part, !wanted),
        (Expr::All(parts), true) | (Expr::Any(parts), false) => {
            parts.iter().try_fold(vec![Vec::new()], |all, part| product(&all, &terms(part, wanted)?))
        }
        (Expr::Any(parts), true) | (Expr::All(parts), false) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(terms(part, wanted)?);
            }
            (all.len() <= TERMS_MAX).then_some(all)
        }
    }
}

#[derive(Clone, Copy)]
struct Bounds {
    low: f64,
    low_open: bool,
    high: f64,
    high_open: bool,
}

impl Bounds {
    fn cut(&mut self, op: Op, number: f64) {
        let raise = |b: &mut Bounds, open| {
            if number > b.low || (number >= b.low && open) {
                (b.low, b.low_open) = (number, open);
            }
        };
        let lower = |b: &mut Bounds, open| {
            if number < b.high || (number <= b.high && open) {
                (b.high, b.high_open) = (number, open);
            }
        };
        match op {
            Op::Less => lower(self, true),
            Op::LessOrEqual => lower(self, false),
            Op::Greater => raise(self, true),
            Op::GreaterOrEqual => raise(self, false),
            Op::Equal => {
                raise(self, false);
                lower(self, false);
            }
            Op::NotEqual => {}
        }
    }

    fn is_empty(self) -> bool {
        self.low > self.high || (self.low >= self.high && (self.low_open || self.high_open))
    }
}

fn opposite(op: Op) -> Op {
    match op {
        Op::Less => Op::GreaterOrEqual,
        Op::LessOrEqual => Op::Greater,
        Op::Greater => Op::LessOrEqual,
        Op::GreaterOrEqual => Op::Less,
        Op::Equal => Op::NotEqual,
        Op::NotEqual => Op::Equal,
    }
}

fn is_possible(term: &Term<'_>) -> bool {
    let mut bounds: BTreeMap<&str, Bounds> = BTreeMap::new();
    let mut texts: BTreeMap<(&str, bool), BTreeSet<&str>> = BTreeMap::new();
    let mut banned: Vec<((&str, bool), &str)> = Vec::new();
    for (at, (test, wanted)) in term.iter().enumerate() {
        match test {
            Test::Compare(name, op, number) => {
                let whole = Bounds { low: f64::NEG_INFINITY, low_open: false, high: f64::INFINITY, high_open: false };
                bounds.entry(name).or_insert(whole).cut(if *wanted { *op } else { opposite(*op) }, *number);
            }
            Test::Flag(name, said) | Test::Says(name, said) => {
                let key = (name.as_str(), matches!(test, Test::Flag(..)));
                let said: BTreeSet<&str> = said.iter().map(String::as_str).collect();
                if *wanted {
                    let kept = texts
                        .get(&key)
                        .map_or_else(|| said.clone(), |before| before.intersection(&said).copied().collect());
                    texts.insert(key, kept);
                } else {
                    banned.extend(said.into_iter().map(|text| (key, text)));
                }
            }
            Test::Over(_)
            | Test::Under(_)
            | Test::Constant(..)
            | Test::Zero(..)
            | Test::Missing(..)
            | Test::Silent(_)
            | Test::Offline(_) => {}
            Test::Rising(..) | Test::Falling(..) => {}
        }
        if term.iter().skip(at + 1).any(|(other, also)| clash((test, *wanted), (other, *also))) {
            return false;
        }
    }
    for (key, text) in banned {
        if let Some(left) = texts.get_mut(&key) {
            left.remove(text);
        }
    }
    !bounds.values().any(|bounds| bounds.is_empty()) && !texts.values().any(BTreeSet::is_empty)
}

/// Whether two tests cannot both be so.
fn clash(one: (&Test<String>, bool), other: (&Test<String>, bool)) -> bool {
    if one.0 == other.0 {
        return one.1 != other.1;
    }
    let both = one.1 && other.1;
    match (one.0, other.0) {
        (Test::Rising(a, ..), Test::Falling(b, ..)) | (Test::Falling(a, ..), Test::Rising(b, ..)) => both && a == b,
        (Test::Over(a), Test::Under(b)) | (Test::Under(a), Test::Over(b)) => both && a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::expr::read;
    use super::*;

    fn can(one: &str, other: &str) -> bool {
        can_be(&[&read(one).unwrap(), &read(other).unwrap()])
    }

    #[test]
    fn contradictions_are_found_and_nothing_else() {
        for (one, other) in [
            ("a < 1", "a >= 1"),
            ("a <= 1 and b > 2", "a > 1 or b < 2"),
            ("flag('D')", "flag('C', 'M')"),
            ("not flag('D')", "flag('D')"),
            ("rising(a, 1, 5min)", "falling(a, 1, 5min)"),
            ("a = 3", "a = 4"),
            ("silent(5min)", "not silent(5min)"),
        ] {
            assert!(!can(one, other), "{one} | {other}");
        }
        for (one, other) in
            [("a < 1", "a < 2"), ("a <= 1", "a >= 1"), ("flag('D')", "a > 3"), ("flag('C')", "flag('C', 'M')")]
        {
            assert!(can(one, other), "{one} | {other}");
        }
    }
}
