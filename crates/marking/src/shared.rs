//! Stacks that several sources share.
//!
//! A mark of one furnace says nothing of the gas of another. What must stay true: what exempts or excludes works on a factor only while every
//! other source of its kind behind that factor has such a mark in effect, or is seen to be out of service (a rule proposes an excluding
//! mark for it); the mildest of them is what the common gas is worth. Treatment facilities stand one behind the other and share nothing.

use super::plan::Plan;
use super::rules::*;
use super::spans::{Span, clipped, common, minus};
use super::state::*;

impl Marks {
    /// The parts in which a mark of `validity` on `object` works on `code`, and those in which it waits for another facility's mark.
    pub(super) fn share(
        &self,
        plan: &Plan,
        (object, validity): (&str, Validity),
        code: &str,
        parts: &[Span],
        _rank: u8,
    ) -> (Vec<Span>, Vec<Span>) {
        let (mut working, mut waiting) = (parts.to_vec(), Vec::new());
        let (Some(first), Some(last)) = (parts.iter().map(|p| p.0).min(), parts.iter().map(|p| p.1).max()) else {
            return (working, waiting);
        };
        for other in plan.sharers(object, Some(code)) {
            let (strong, weak) = self.excuses(plan, other, first, last);
            let any: Vec<Span> = strong.iter().chain(&weak).copied().collect();
            waiting.extend(minus(parts, &any));
            working = common(&working, &any);
            if validity == Validity::Excluded {
                // The other burns under an exemption: that is what the gas is worth, and its own mark says so.
                working = minus(&working, &minus(&weak, &strong));
            }
        }
        let waiting = super::spans::joined(&waiting);
        (minus(&working, &waiting), waiting)
    }

    /// When `object` is out of service, or said to be; and when it is exempt.
    pub(super) fn excuses(&self, plan: &Plan, object: &str, from: i64, to: i64) -> (Vec<Span>, Vec<Span>) {
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        let is = |name: &str| plan.marks.get(name).is_some_and(|kind| kind.dimension == Dimension::Condition);
        let marks = self.held.values().chain(&self.memory.entries).filter(|mark| mark.object == object);
        for mark in marks.filter(|mark| mark.validity.needs_confirmation() && is(&mark.mark)) {
            let seen_out = matches!(mark.standing, Standing::Proposed | Standing::Confirmed);
            if mark.validity == Validity::Excluded && seen_out {
                let until = mark.until.map_or(to, |until| until.0);
                strong.extend(clipped(&[(mark.since.0, until)], from, to));
            } else {
                let list = if mark.validity == Validity::Excluded { &mut strong } else { &mut weak };
                list.extend(mark.in_effect(from, to));
            }
        }
        let tracks = self
            .memory
            .tracks(from)
            .filter(|((name, of, _, validity), _)| of == object && *validity == Validity::Excluded && is(name));
        tracks.for_each(|(_, track)| strong.extend(clipped(track.within(from, to), from, to)));
        (strong, weak)
    }
}
