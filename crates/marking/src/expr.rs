//! Conditions as a rule file writes them: `feed <= 0.1 and temp < 200 and not falling(temp, 5, 30min)`.
//!
//! A condition is text that an inspector can read. Names are signals of the rule files; `value` is the reading the rule is about. What
//! must stay true: a condition that is read is finite and small ([`DEPTH_MAX`], [`TESTS_MAX`]), and evaluating it cannot fail.
//!
//! ```text
//! any    = all { "or" all }              all = one { "and" one }        one = "not" one | "(" any ")" | test
//! test   = NAME ("<" | "<=" | ">" | ">=" | "=" | "!=") NUMBER
//!        | flag("D", …)                  the item's own mark is one of these (HJ 212-2017, 6.6.4, table 8)
//!        | flag_of(NAME, "N", …)         the mark of a signal is one of these
//!        | says(NAME, "St", …)           the text of a signal is one of these
//!        | over(NAME)                    above the measuring range registered for the station
//!        | under(NAME)                   below it
//!        | constant(NAME, 4h)            the same text for so long
//!        | zero(NAME, 1h)                zero for so long
//!        | missing(NAME, 1h)             no number for so long, by the time of arrival
//!        | silent(30min)                 no packet of the station for so long
//!        | offline(15min)                no connection of the station for so long
//!        | rising(NAME, 5, 30min)        risen by at least 5 within at most 30 min; falling(…) likewise
//! ```

mod text;

pub use text::{Fault, read, span};

/// Brackets and `not` beyond this depth are an error.
pub const DEPTH_MAX: usize = 8;
/// Tests of one condition beyond these are an error.
pub const TESTS_MAX: usize = 32;
/// The longest window of `rising` and `falling`.
pub const TREND_MAX: i64 = 3600 * SECOND;
/// Microseconds of a second.
pub const SECOND: i64 = 1_000_000;
/// An hour, µs.
pub(super) const HOUR: i64 = 3600 * SECOND;
/// A day, µs.
pub(super) const DAY: i64 = 24 * HOUR;

/// A condition over names, or over whatever names were resolved to.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr<N> {
    /// All of these.
    All(Vec<Expr<N>>),
    /// One of these.
    Any(Vec<Expr<N>>),
    /// Not this.
    Not(Box<Expr<N>>),
    /// One test.
    Test(Test<N>),
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// One test of one signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Test<N> {
    /// `feed <= 0.1`
    Compare(N, Op, f64),
    /// `flag("D")`, `flag_of(flow, "N")`
    Flag(N, Vec<String>),
    /// `says(condition, "St")`
    Says(N, Vec<String>),
    /// `over(value)`
    Over(N),
    /// `under(value)`
    Under(N),
    /// `constant(value, 4h)`, in µs
    Constant(N, i64),
    /// `zero(value, 1h)`
    Zero(N, i64),
    /// `missing(value, 1h)`
    Missing(N, i64),
    /// `silent(30min)`
    Silent(i64),
    /// `offline(15min)`
    Offline(i64),
    /// `rising(temp, 5, 30min)`
    Rising(N, f64, i64),
    /// `falling(temp, 5, 30min)`
    Falling(N, f64, i64),
}

impl Op {
    /// Whether `value` compares so with `number`.
    #[must_use]
    #[allow(clippy::float_cmp, reason = "states are small whole numbers, said exactly")]
    pub fn holds(self, value: f64, number: f64) -> bool {
        match self {
            Self::Less => value < number,
            Self::LessOrEqual => value <= number,
            Self::Greater => value > number,
            Self::GreaterOrEqual => value >= number,
            Self::Equal => value == number,
            Self::NotEqual => value != number,
        }
    }
}

impl<N> Test<N> {
    /// The signal it looks at.
    pub fn of(&self) -> Option<&N> {
        match self {
            Self::Compare(n, ..) | Self::Flag(n, _) | Self::Says(n, _) | Self::Over(n) | Self::Under(n) => Some(n),
            Self::Constant(n, _) | Self::Zero(n, _) | Self::Missing(n, _) => Some(n),
            Self::Rising(n, ..) | Self::Falling(n, ..) => Some(n),
            Self::Silent(_) | Self::Offline(_) => None,
        }
    }

    /// Whether it can become true without any report.
    pub const fn is_of_silence(&self) -> bool {
        matches!(self, Self::Missing(..) | Self::Silent(_) | Self::Offline(_))
    }
}

impl<N: Clone> Expr<N> {
    /// Every test, in order.
    pub fn tests(&self) -> Vec<&Test<N>> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Expr::tests).collect(),
            Self::Not(part) => part.tests(),
            Self::Test(test) => vec![test],
        }
    }

    /// The same condition over other names; `None` if it needs a name that has no counterpart. Of parts joined by `or` (or, under `not`, by
    /// `and`) those that have one are kept: what a station does not have is not so.
    pub fn resolve<M>(&self, name: &mut impl FnMut(&N) -> Option<M>) -> Option<Expr<M>> {
        Some(match self {
            Self::All(parts) => Expr::All(parts.iter().map(|part| part.resolve(name)).collect::<Option<_>>()?),
            Self::Any(parts) => {
                let known: Vec<_> = parts.iter().filter_map(|part| part.resolve(name)).collect();
                (!known.is_empty()).then_some(Expr::Any(known))?
            }
            Self::Not(part) => Expr::Not(Box::new(part.resolve(name)?)),
            Self::Test(test) => Expr::Test(match test {
                Test::Compare(n, op, number) => Test::Compare(name(n)?, *op, *number),
                Test::Flag(n, letters) => Test::Flag(name(n)?, letters.clone()),
                Test::Says(n, texts) => Test::Says(name(n)?, texts.clone()),
                Test::Over(n) => Test::Over(name(n)?),
                Test::Under(n) => Test::Under(name(n)?),
                Test::Constant(n, hold) => Test::Constant(name(n)?, *hold),
                Test::Zero(n, hold) => Test::Zero(name(n)?, *hold),
                Test::Missing(n, hold) => Test::Missing(name(n)?, *hold),
                Test::Silent(hold) => Test::Silent(*hold),
                Test::Offline(hold) => Test::Offline(*hold),
                Test::Rising(n, by, over) => Test::Rising(name(n)?, *by, *over),
                Test::Falling(n, by, over) => Test::Falling(name(n)?, *by, *over),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_are_read_with_the_usual_precedence() {
        let read = |text| read(text).unwrap();
        assert_eq!(read("a < 1 or b > 2 and not c = 3"), read("(a < 1) or (b > 2 and (not (c = 3)))"));
        assert_eq!(read("missing(value, 90s)"), Expr::Test(Test::Missing("value".into(), 90 * SECOND)));
        assert_eq!(read("flag('C', \"M\")"), Expr::Test(Test::Flag("value".into(), vec!["C".into(), "M".into()])));
    }

    #[test]
    fn faults_name_their_place() {
        for (text, at, says) in [
            ("feed <", 6, "expected a number, not the end"),
            ("feed 3", 5, "expected a comparison"),
            ("(feed < 3", 9, "expected `)`"),
            ("feed < 3 3", 9, "was not expected"),
            ("freezing(temp)", 0, "expected flag"),
            ("missing(value, 5)", 15, "expected a time"),
            ("feed < 3x", 7, "neither a number nor a time"),
            ("feed # 3", 5, "no meaning"),
            ("rising(temp, 1, 2h)", 16, "at most 1h"),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!(fault.at, at, "{text}: {}", fault.what);
            assert!(fault.what.contains(says), "{text}: {}", fault.what);
        }
        assert!(read(&"(".repeat(100)).is_err());
        assert!(read(&vec!["a < 1"; 40].join(" and ")).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(and|or|not|flag|missing|a|<|=|\\(|\\)|,|\"|'|3|5min|é| ){0,30}") {
            let _ = read(&text);
        }
    }
}
