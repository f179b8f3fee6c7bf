//! What rules over several values ask of the values of one code: so much of a value is remembered as they can ask, and no more.

use super::expr::Test;

/// Tests of one code that are told apart; a code of which rules ask more is not followed.
const TESTS_MAX: usize = 31;
/// That there was a number.
const NUMBER: u32 = 1 << TESTS_MAX;

/// All that is asked of a code.
#[derive(Debug, Clone, Default)]
pub(super) struct CodeQuestions {
    tests: Vec<Test<()>>,
    /// For how long values must be equal at least, by the rule that asks for the shortest time, µs; `None`: nobody asks.
    pub(super) equal: Option<i64>,
    /// Whether the text itself is asked, not only what number it is.
    pub(super) texts: bool,
    /// Whether it is asked how it rises or falls.
    pub(super) trend: bool,
}

impl CodeQuestions {
    pub(super) fn add<N>(&mut self, test: &Test<N>) {
        let test = match test {
            Test::Compare(_, op, number) => Test::Compare((), *op, *number),
            Test::Flag(_, letters) => Test::Flag((), letters.clone()),
            Test::Says(_, texts) => Test::Says((), texts.clone()),
            Test::Over(_) => Test::Over(()),
            Test::Under(_) => Test::Under(()),
            Test::Zero(..) => Test::Zero((), 0),
            Test::Constant(_, hold) => {
                self.equal = Some(self.equal.map_or(*hold, |known| known.min(*hold)));
                return;
            }
            Test::Rising(..) | Test::Falling(..) => {
                self.trend = true;
                return;
            }
            Test::Missing(..) | Test::Silent(_) | Test::Offline(_) => return,
        };
        self.texts |= matches!(test, Test::Says(..));
        if !self.tests.contains(&test) {
            self.tests.push(test);
        }
    }

    /// That, and what another one asks.
    pub(super) fn and(mut self, other: &CodeQuestions) -> CodeQuestions {
        other.tests.iter().for_each(|test| self.add(test));
        self.equal = self.equal.into_iter().chain(other.equal).min();
        self.trend |= other.trend;
        self
    }

    /// Whether there is something to remember, and no more than can be.
    pub(super) fn is_followed(&self) -> bool {
        let any = !self.tests.is_empty() || self.equal.is_some() || self.trend;
        any && self.tests.len() <= TESTS_MAX
    }

    /// What the tests say of a value, a bit each.
    pub(super) fn answers(&self, value: Option<f64>, text: &str, flag: &str, range: Option<(f64, f64)>) -> u32 {
        let mut answers = if value.is_some() { NUMBER } else { 0 };
        for (number, test) in self.tests.iter().enumerate() {
            let is = match test {
                Test::Compare((), op, than) => value.is_some_and(|value| op.holds(value, *than)),
                // Without a letter it is something else than with another one.
                Test::Flag((), letters) => !flag.is_empty() && letters.iter().any(|letter| letter == flag),
                Test::Says((), texts) => texts.iter().any(|known| known == text),
                Test::Over(()) => value.zip(range).is_some_and(|(value, (_, high))| value > high),
                Test::Under(()) => value.zip(range).is_some_and(|(value, (low, _))| value < low),
                Test::Zero(..) => value == Some(0.0),
                Test::Constant(..) | Test::Missing(..) | Test::Silent(_) | Test::Offline(_) => false,
                Test::Rising(..) | Test::Falling(..) => false,
            };
            answers |= u32::from(is) << number.min(TESTS_MAX - 1);
        }
        answers
    }

    /// Whether a letter is asked.
    pub(super) fn letters(&self) -> bool {
        self.tests.iter().any(|test| matches!(test, Test::Flag(..)))
    }
}
