//! Times that lie in the future, after a clock was set back: see the head of the module.

use super::local::Local;
use super::track::FUTURE_MAX;
use super::{Happening, Ledger, Settings};

/// A clock that goes back by more than this, in seconds, was set.
const SET_BACK: u32 = 60;

impl Ledger {
    /// Brings what is remembered of the future back to `now`.
    pub(super) fn bring_back(&mut self, now: Local, settings: &Settings, out: &mut Vec<Happening>) {
        let furthest = now.saturating_add(FUTURE_MAX);
        self.presence.bring_back(now, furthest);
        self.asking.bring_back(now, settings);
        let was = std::mem::replace(&mut self.told, now);
        for track in &mut self.tracks {
            if was.saturating_sub(now) > SET_BACK {
                track.forget_lateness();
            }
            track.bring_back(now, settings, out);
        }
    }
}
