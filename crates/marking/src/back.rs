//! Times that lie in the future: left by a clock that was believed and then set back, or by a record whose own clock was doubted.
//!
//! What must stay true: no time remembered of a station is further ahead of the believed date than [`AHEAD`], one sweep later at most. So a
//! wrong clock silences no rule for longer than it is wrong. Marks that have begun or ended stay as they were told.

use super::state::*;
use super::verdict::SWEEP;
use hj212_model::message::Timestamp;

/// How far ahead of the date remembered times may be: data times are taken up to five minutes ahead of their arrival.
const AHEAD: i64 = 10 * SWEEP;

impl Marks {
    /// The date that is believed now: with the next report deadlines and silence go by it, whatever the report's own time.
    pub fn believe(&mut self, now: Timestamp) {
        self.ceiling = Some(now.0);
    }

    /// Brings what is remembered of the future back to `at`.
    pub(super) fn bring_back(&mut self, at: i64) {
        let furthest = at.saturating_add(AHEAD);
        let near = self.swept.max(self.entered) <= at.saturating_add(SWEEP);
        if near && self.now <= furthest && self.heard <= furthest {
            return;
        }
        self.owe();
        let back = |time: &mut i64| *time = (*time).min(at);
        let hold_back = |hold: &mut Hold| hold.since.iter_mut().chain(&mut hold.ending).for_each(back);
        for time in
            [&mut self.swept, &mut self.entered, &mut self.now, &mut self.heard].into_iter().chain(&mut self.gone)
        {
            back(time);
        }
        for slot in &mut self.slots {
            [&mut slot.at, &mut slot.heard, &mut slot.same_since]
                .into_iter()
                .chain(&mut slot.zero_since)
                .for_each(back);
            slot.trend.retain(|(time, _)| *time <= at);
            slot.holds.iter_mut().for_each(hold_back);
            slot.past.bring_back(at);
        }
        self.areas.iter_mut().for_each(|(_, hold)| hold_back(hold));
        for guard in &mut self.guards {
            hold_back(&mut guard.hold);
            guard.contrary.retain(|(since, _)| *since <= at);
            guard.contrary.iter_mut().for_each(|(_, until)| back(until));
        }
    }
}
