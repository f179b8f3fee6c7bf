//! Conditions over what is known of a station: true, false, or unknown. What is unknown begins nothing, and ends nothing for a day
//! ([`super::UNKNOWN_MAX`]); then the mark ends as of the moment from which nothing was known.
//!
//! | test | true | false | unknown | proves nothing |
//! |---|---|---|---|---|
//! | `NAME < 3` and its like | the number is so | it is not | never said, said too long ago, a signal without a number | `value` that is no number |
//! | `analyser = 2` (state of one factor) | said within a day, and so | not so, never said, said more than a day ago | – | – |
//! | `flag(…)`, `flag_of(…)` | the letter is one of these | it is another | never said, too long ago | said without a letter |
//! | `says(…)` | one of these texts | another | never said, too long ago | – |
//! | `over`, `under` | beyond the registered range | within it, or no range is registered | never said, too long ago | `value` that is no number |
//! | `constant`, `zero` | so for so long | not, or no number | never said, too long ago | – |
//! | `missing` | no number for so long | there was one, or never one | never said | – |
//! | `silent`, `offline` | for so long | not | never heard | – |
//! | `rising`, `falling` | by so much | by less | no earlier value within the time | – |
//!
//! What proves nothing is false, and so is its negation: `not flag("N")` is not true of a reading without a flag. So what a letter began
//! ends when the station stops saying it. `and`: false if one is false, else unknown if one is, else true. `or`: true if one is true, else
//! unknown if one is, else false. `not`: of true false, of false true, of unknown unknown. A part of an `or` whose signal the station does not
//! have is left out when the rule is bound to the station; a rule of which nothing is left is not in force there.

use super::expr::{Expr, Test};
use super::plan::{Armed, Sig};
use super::state::*;

/// What a test comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Is(bool),
    Unknown,
    /// Neither it nor its opposite.
    ProvesNothing,
}

impl Marks {
    pub(super) fn until(&self, armed: &Armed, when: Option<bool>, own: &Slot) -> Option<bool> {
        match &armed.until {
            _ if !armed.rule.dates.hold(own.at) => Some(true),
            None => when.map(|when| !when),
            Some(until) => self.eval(until, Some(own)),
        }
    }

    /// Three-valued: `None` where a value is not known.
    pub(super) fn eval(&self, condition: &Expr<Sig>, own: Option<&Slot>) -> Option<bool> {
        self.value_of(condition, own, true)
    }

    /// `straight`: not under an odd number of `not`. What proves nothing is false either way.
    fn value_of(&self, condition: &Expr<Sig>, own: Option<&Slot>, straight: bool) -> Option<bool> {
        match condition {
            Expr::Test(test) => match self.test(test, own) {
                Known::Is(is) => Some(is),
                Known::Unknown => None,
                Known::ProvesNothing => Some(!straight),
            },
            Expr::Not(part) => self.value_of(part, own, !straight).map(|is| !is),
            Expr::All(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match self.value_of(part, own, straight) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Expr::Any(parts) => {
                let mut any = Some(false);
                for part in parts {
                    match self.value_of(part, own, straight) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => any = None,
                    }
                }
                any
            }
        }
    }

    pub(super) fn look<'s>(&'s self, sig: Sig, own: Option<&'s Slot>) -> Option<&'s Slot> {
        let slot = match sig {
            Sig::Own => own?,
            Sig::Code(at) => {
                let slot = self.slots.get(usize::from(*self.places.get(usize::from(at))?))?;
                // What was said long ago says nothing of now.
                return (slot.at != 0 && self.now - slot.at <= slot.stale_after()).then_some(slot);
            }
            Sig::OfOwn(at) => {
                if !self.stated {
                    return None;
                }
                let state = self.slots.get(usize::from(*self.places.get(usize::from(at))?))?;
                let of = format!("{}@{}", state.code, own?.code);
                let place = *self.index.get(&of)?;
                if let Some(states) = &self.scratch.states {
                    // A value that came late sees what its instrument said of its own time.
                    let then = states.iter().find(|slot| slot.place == place)?;
                    return (then.at != 0 && self.scratch.at - then.at <= STATE_KEPT).then_some(then);
                }
                let slot = self.slots.get(usize::from(place))?;
                // An instrument says its state when it changes, and again; what it said days ago it has not said of now.
                return (slot.at != 0 && self.now - slot.at <= STATE_KEPT).then_some(slot);
            }
        };
        (slot.at != 0).then_some(slot)
    }

    fn test(&self, test: &Test<Sig>, own: Option<&Slot>) -> Known {
        let slot = match test.of() {
            None => None,
            Some(sig) => match (self.look(*sig, own), sig) {
                (None, Sig::OfOwn(_)) => return Known::Is(false),
                (None, Sig::Own | Sig::Code(_)) => return Known::Unknown,
                (slot, _) => slot,
            },
        };
        let Some(slot) = slot else {
            return match test {
                Test::Silent(hold) if self.heard != 0 => {
                    Known::Is(self.swept != 0 && self.silence() >= self.patience(*hold))
                }
                Test::Offline(hold) => Known::Is(self.gone.is_some_and(|gone| self.swept - gone >= *hold)),
                Test::Compare(..)
                | Test::Flag(..)
                | Test::Says(..)
                | Test::Over(_)
                | Test::Under(_)
                | Test::Constant(..)
                | Test::Zero(..)
                | Test::Missing(..)
                | Test::Silent(_)
                | Test::Rising(..)
                | Test::Falling(..) => Known::Unknown,
            };
        };
        let of_own = matches!(test.of(), Some(Sig::Own));
        // The reading itself says no number: it is neither above nor below anything.
        let no_number = if of_own { Known::ProvesNothing } else { Known::Unknown };
        let beyond = |is: Option<bool>| match (is, slot.value) {
            (Some(is), Some(_)) => Known::Is(is),
            (_, None) => no_number,
            (None, Some(_)) => Known::Is(false),
        };
        let trend = |is: Option<bool>| is.map_or(Known::Unknown, Known::Is);
        match test {
            Test::Compare(_, op, number) => slot.compare(*op, *number).map_or(no_number, Known::Is),
            Test::Flag(_, _) if slot.flag.is_empty() => Known::ProvesNothing,
            Test::Flag(_, letters) => Known::Is(letters.contains(&slot.flag)),
            Test::Says(_, texts) => Known::Is(texts.contains(&slot.text)),
            Test::Over(_) => beyond(slot.range.zip(slot.value).map(|((_, high), value)| value > high)),
            Test::Under(_) => beyond(slot.range.zip(slot.value).map(|((low, _), value)| value < low)),
            Test::Constant(_, hold) => Known::Is(slot.value.is_some() && slot.at - slot.same_since >= *hold),
            Test::Zero(_, hold) => Known::Is(slot.zero_since.is_some_and(|since| slot.at - since >= *hold)),
            Test::Missing(_, hold) => {
                let hold = (*hold).max(slot.pace() + slot.pace() / 2);
                Known::Is(slot.heard != 0 && self.swept.max(self.heard) - slot.heard >= hold)
            }
            Test::Rising(_, by, over) => trend(slot.change(*over).map(|change| change >= *by)),
            Test::Falling(_, by, over) => trend(slot.change(*over).map(|change| change <= -*by)),
            Test::Silent(_) | Test::Offline(_) => Known::Unknown,
        }
    }

    /// How long a silence must be: a station whose own interval is long is given that, and the rule's time after it.
    pub(super) fn patience(&self, hold: i64) -> i64 {
        let pace = self.pace();
        if pace * 2 > hold { pace + hold } else { hold }
    }

    /// How long nothing was heard, at the time of the last sweep.
    pub(super) fn silence(&self) -> i64 {
        self.swept.max(self.heard) - self.heard
    }
}
