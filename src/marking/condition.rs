//! Conditions over what is known of a station. Three-valued: what is not known begins nothing and ends nothing.

use super::expr::{Expr, Test};
use super::plan::{Armed, Sig};
use super::state::*;

impl Marks {
    pub(super) fn until(&self, armed: &Armed, when: Option<bool>, own: &Slot) -> Option<bool> {
        match &armed.until {
            None => when.map(|when| !when),
            Some(until) => self.eval(until, Some(own)),
        }
    }

    /// Three-valued: `None` where a value is not known.
    pub(super) fn eval(&self, condition: &Expr<Sig>, own: Option<&Slot>) -> Option<bool> {
        match condition {
            Expr::Test(test) => self.test(test, own),
            Expr::Not(part) => self.eval(part, own).map(|is| !is),
            Expr::All(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match self.eval(part, own) {
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
                    match self.eval(part, own) {
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
                self.slots.get(usize::from(*self.index.get(&of)?))?
            }
        };
        (slot.at != 0).then_some(slot)
    }

    pub(super) fn test(&self, test: &Test<Sig>, own: Option<&Slot>) -> Option<bool> {
        match test {
            // A state that was never said is not that state.
            Test::Compare(sig @ Sig::OfOwn(_), op, number) => {
                Some(self.look(*sig, own).and_then(|slot| slot.compare(*op, *number)).unwrap_or(false))
            }
            Test::Compare(sig, op, number) => self.look(*sig, own)?.compare(*op, *number),
            Test::Flag(sig, letters) => {
                let slot = self.look(*sig, own)?;
                (!slot.flag.is_empty()).then(|| letters.contains(&slot.flag))
            }
            Test::Says(sig, texts) => self.look(*sig, own).map(|slot| texts.contains(&slot.text)),
            Test::Over(sig) => {
                let slot = self.look(*sig, own)?;
                Some(slot.value? > slot.range?.1)
            }
            Test::Under(sig) => {
                let slot = self.look(*sig, own)?;
                Some(slot.value? < slot.range?.0)
            }
            Test::Constant(sig, hold) => {
                let slot = self.look(*sig, own)?;
                Some(slot.value.is_some() && slot.at - slot.same_since >= *hold)
            }
            Test::Zero(sig, hold) => {
                let slot = self.look(*sig, own)?;
                Some(slot.zero_since.is_some_and(|since| slot.at - since >= *hold))
            }
            Test::Missing(sig, hold) => {
                let slot = self.look(*sig, own)?;
                Some(slot.heard != 0 && self.swept.max(self.heard) - slot.heard >= *hold)
            }
            Test::Silent(hold) => (self.heard != 0).then(|| self.swept != 0 && self.silence() >= *hold),
            Test::Offline(hold) => Some(self.gone.is_some_and(|gone| self.swept - gone >= *hold)),
            Test::Rising(sig, by, over) => Some(self.look(*sig, own)?.change(*over)? >= *by),
            Test::Falling(sig, by, over) => Some(self.look(*sig, own)?.change(*over)? <= -*by),
        }
    }

    /// How long nothing was heard, at the time of the last sweep.
    pub(super) fn silence(&self) -> i64 {
        self.swept.max(self.heard) - self.heard
    }
}
