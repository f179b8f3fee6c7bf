//! A station that is there under another MN than it is registered with: requests to the registered one reach it.
//!
//! What must stay true: a request keeps the MN under which it was asked, in its steps and its status; what is sent has the MN that the station has
//! now, on the connection on which it speaks under that; one exchange at a time for a station, under whichever MN it was asked for; a
//! station that comes under its registered MN is that again.

use super::Desk;
use crate::Address;
use crate::answer::Answered;
use crate::lane::Place;
use crate::moment::Moment;
use crate::step::Step;
use hj212::Header;

impl Desk {
    /// The station that is registered as `former` is there as `mn`: what is asked of its registered MN is sent to it there, once it is spoken to.
    pub fn is_formerly(&mut self, mn: &str, former: &Address) {
        let Some(place) = self.lanes.get(mn).map(|lane| lane.place) else { return };
        let mut lane = self.lane(former);
        lane.now_under = Some(mn.to_owned());
        lane.place = place;
        drop(lane);
        self.former.retain(|_, old| *old != former.mn);
        self.former.insert(mn.to_owned(), former.mn.clone());
    }

    /// Whether a station is there under its own MN, on another connection than this.
    #[must_use]
    pub fn is_there_itself(&self, mn: &str, connection: u64) -> bool {
        self.lanes.get(mn).filter(|lane| lane.now_under.is_none()).is_some_and(|lane| match lane.place {
            Place::Arriving(on) | Place::Here(on) => on != connection,
            Place::Away => false,
        })
    }

    /// Stations are registered anew: nobody is known under another MN until that is said again.
    pub(super) fn forget_formers(&mut self) {
        for old in std::mem::take(&mut self.former).into_values() {
            if let Some(mut lane) = self.lanes.hold(&old).filter(|lane| lane.now_under.is_some()) {
                (lane.now_under, lane.place) = (None, Place::Away);
            }
        }
    }

    /// It is there under its registered MN.
    pub(super) fn is_itself(&mut self, mn: &str) {
        self.former.retain(|_, old| old != mn);
        if let Some(mut lane) = self.lanes.hold(mn) {
            lane.now_under = None;
        }
    }

    /// The frame that brought it was looked at; it is spoken to as it speaks.
    pub(super) fn arrived_formerly(&mut self, mn: &str) {
        let Some(old) = self.former.get(mn) else { return };
        let spoken = self.lanes.get(mn).map(|lane| (lane.heard_st.clone(), lane.heard_pw.clone(), lane.heard_flag8));
        let Some(mut lane) = self.lanes.hold(old) else { return };
        if let Some((st, pw, flag8)) = spoken {
            lane.heard_st = st.or(lane.heard_st.take());
            lane.heard_pw = pw.or(lane.heard_pw.take());
            lane.heard_flag8 = flag8;
        }
        lane.arrived();
    }

    /// What was said under `mn` and answers nothing there, as an answer to what was asked of the registered MN.
    pub(super) fn heard_formerly(
        &mut self,
        mn: &str,
        header: &Header<'_>,
        now: Moment,
        out: &mut Vec<Step>,
    ) -> Answered {
        let Some(mut lane) = self.former.get(mn).and_then(|old| self.lanes.hold(old)) else { return Answered::No };
        if lane.active.is_none() {
            return Answered::No;
        }
        let settings = super::of(&self.settings, &self.policies, &lane.address);
        lane.heard(header, now, settings, out)
    }

    /// The MNs of the station: `mn`, and the other one that it has.
    pub(super) fn names_of(&self, mn: &str) -> Vec<String> {
        let other = self.former.iter().find_map(|(new, old)| match mn {
            mn if mn == new => Some(old.clone()),
            mn if mn == old => Some(new.clone()),
            _ => None,
        });
        std::iter::once(mn.to_owned()).chain(other).collect()
    }

    /// Whether something is under way that was asked of its other MN.
    pub(super) fn is_busy_under_another(&self, mn: &str) -> bool {
        self.names_of(mn)
            .iter()
            .filter(|name| *name != mn)
            .any(|name| self.lanes.get(name).is_some_and(|lane| lane.active.is_some()))
    }
}
