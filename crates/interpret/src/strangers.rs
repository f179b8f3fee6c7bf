//! Stations that are not registered, under `unknown = "accept"`: anybody can invent an MN.
//!
//! What must stay true: at most [`super::Settings::unregistered_max`] of them are remembered. The one not heard for longest makes room: what
//! waits of it is published, what is retained of it at the broker is cleared, and an event says so (`station-forgotten`). Its next
//! frame makes it a new station. Registered stations are never forgotten for them.

use bytes::Bytes;
use serde_json::json;

use super::events::Place;
use super::{Interpreted, Interpreter};
use hj212_model::message::{Publication, Timestamp};

impl Interpreter {
    /// Whether `mn` is neither registered nor remembered.
    pub(super) fn is_new_stranger(&self, mn: &[u8]) -> bool {
        !self.by_mn.contains_key(mn) && self.facts(mn).is_none()
    }

    /// Counts anew who is a stranger: after a start, or with another registry.
    pub(super) fn count_strangers(&mut self) {
        let stranger = |mn: &[u8]| std::str::from_utf8(mn).map_or(true, |mn| !self.context.stations.contains_key(mn));
        let strangers = (0..).zip(&self.stations).filter(|(_, station)| stranger(&station.mn));
        self.strangers = strangers.map(|(number, _)| number).collect();
    }

    /// Makes room for `mn`, if it is a stranger and there is none.
    pub(super) fn make_room(
        &mut self,
        mn: &[u8],
        place: Place<'_>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) {
        let most = self.settings.unregistered_max.max(1) as usize;
        if self.strangers.len() < most || !self.is_new_stranger(mn) {
            return;
        }
        let heard =
            |number: &u32| self.stations.get(*number as usize).and_then(|s| s.last_seen).unwrap_or(Timestamp(0));
        let Some(oldest) = self.strangers.iter().copied().min_by_key(|number| (heard(number), *number)) else { return };
        let Some(mut station) = self.stations.get_mut(oldest as usize).map(std::mem::take) else { return };
        for number in std::mem::take(&mut station.pending) {
            if let Some(pending) = self.waiting.take(number) {
                self.publish_parts(&mut station, number, &pending, place, out, done);
            }
        }
        let mut retained = Vec::new();
        self.retell_one(&station, place, &mut retained);
        out.extend(retained.into_iter().map(|said| Publication { payload: Bytes::new(), ..said }));
        let name = String::from_utf8_lossy(&station.mn).into_owned();
        let detail = json!({ "unregistered_max": self.settings.unregistered_max });
        self.push_step_event(&name, "station-forgotten", &detail, place, out);
        self.by_mn.remove(station.mn.as_slice());
        // The place is the newcomer's.
        if let Some(home) = self.stations.get_mut(oldest as usize) {
            *home = super::Station::new(mn, &self.settings, None);
        }
        self.by_mn.insert(mn.into(), oldest);
    }
}
