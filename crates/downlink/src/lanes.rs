//! All stations' lanes, and which of them has something to do first.
//!
//! What must stay true: `due` holds the deadline of every lane that has one and nothing else. A lane is changed through a [`Hold`] alone,
//! which notes its deadline when it is let go: to ask what is due costs nothing however many stations are idle.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use super::Address;
use super::lane::Lane;
use super::moment::Steady;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<String, Lane>,
    due: BTreeSet<(Steady, String)>,
}

impl Lanes {
    pub(super) fn get(&self, mn: &str) -> Option<&Lane> {
        self.lanes.get(mn)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values()
    }

    pub(super) fn hold(&mut self, mn: &str) -> Option<Hold<'_>> {
        self.lanes.get_mut(mn).map(|lane| Hold { before: lane.deadline(), lane, due: &mut self.due })
    }

    /// The lane of this station, a new one if there was none.
    pub(super) fn open(&mut self, address: &Address) -> Hold<'_> {
        let lane = self.lanes.entry(address.mn.clone()).or_insert_with(|| Lane::new(address.clone()));
        let before = lane.deadline();
        lane.address = address.clone();
        lane.registered = true;
        Hold { before, lane, due: &mut self.due }
    }

    /// The stations that have a lane.
    pub(super) fn names(&self) -> Vec<String> {
        self.lanes.keys().cloned().collect()
    }

    /// The first deadline of all.
    pub(super) fn next_due(&self) -> Option<Steady> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The stations whose deadline has come, by MN.
    pub(super) fn due(&self, now: Steady) -> BTreeSet<String> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, mn)| mn.clone()).collect()
    }
}

/// A lane that is being changed.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    lane: &'a mut Lane,
    due: &'a mut BTreeSet<(Steady, String)>,
    before: Option<Steady>,
}

impl Deref for Hold<'_> {
    type Target = Lane;

    fn deref(&self) -> &Lane {
        self.lane
    }
}

impl DerefMut for Hold<'_> {
    fn deref_mut(&mut self) -> &mut Lane {
        self.lane
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let after = self.lane.deadline();
        if after == self.before {
            return;
        }
        if let Some(before) = self.before {
            self.due.remove(&(before, self.lane.address.mn.clone()));
        }
        if let Some(after) = after {
            self.due.insert((after, self.lane.address.mn.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Exchange;
    use crate::step::Origin;
    use crate::table;
    use crate::value::Content;
    use hj212::Edition;

    fn address(mn: &str) -> Address {
        Address { st: None, pw: None, ..Address::new(mn, Edition::V2017) }
    }

    fn wait(lanes: &mut Lanes, mn: &str, until: i64) {
        lanes.open(&address(mn)).queue.push(Exchange {
            id: until.to_string(),
            order: table::find("get-time", Edition::V2017).unwrap(),
            content: Content::Fixed(String::new()),
            new_mn: None,
            origin: Origin::Operator,
            author: "li".into(),
            expires: Steady(until),
            confirm: None,
            durable: true,
            ending: false,
            cancelled: false,
        });
    }

    #[test]
    fn the_first_deadline_is_known_whatever_becomes_of_the_lanes() {
        let mut lanes = Lanes::default();
        wait(&mut lanes, "B", 20);
        wait(&mut lanes, "A", 30);
        wait(&mut lanes, "C", 40);
        lanes.open(&address("idle"));
        assert_eq!(lanes.next_due(), Some(Steady(20)));
        assert_eq!(lanes.due(Steady(30)), ["A", "B"].map(str::to_owned).into());
        wait(&mut lanes, "C", 10);
        assert_eq!(lanes.next_due(), Some(Steady(10)), "an earlier one takes the place of a later one");
        lanes.hold("C").unwrap().queue.clear();
        assert_eq!(lanes.next_due(), Some(Steady(20)));
        lanes.hold("B").unwrap().registered = false;
        assert_eq!(lanes.next_due(), Some(Steady(i64::MIN)), "who is gone is due at once");
        lanes.hold("B").unwrap().queue.clear();
        assert_eq!(lanes.next_due(), Some(Steady(30)));
        lanes.hold("A").unwrap().queue.clear();
        assert_eq!((lanes.next_due(), lanes.due.len()), (None, 0));
    }
}
