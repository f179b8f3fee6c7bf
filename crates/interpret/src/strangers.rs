//! Stations that are not registered, under `unknown = "accept"`: anybody can invent an MN.
//!
//! What must stay true: at most [`super::Settings::unregistered_max`] of them are remembered, and what is remembered of them takes no more
//! than [`super::Settings::unregistered_bytes_max`] bytes of memory (estimated: [`WEIGHT_MIN`] each, and [`WEIGHT_FACTOR`] times what a
//! checkpoint holds of it; their waiting parts have a limit of their own). The one not heard for longest makes room: what waits of it is
//! published, what is retained of it at the broker is cleared, an event says so (`station-forgotten`), and it is counted. Its next
//! frame makes it a new station. Registered stations are never forgotten for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::events::JournalRef;
use super::{Interpreted, Interpreter, TypedPublication};
use hj212_model::message::Timestamp;

/// Bytes that a station takes however little it has said: measured, with its rows beside the interpretation.
pub(super) const WEIGHT_MIN: u64 = 10 << 10;
/// Bytes that a station takes of which nothing but its MN is remembered, at most.
const PLACE: u64 = 11 << 10;
/// Bytes of memory to a byte of a checkpoint.
const WEIGHT_FACTOR: u64 = 4;

/// The numbers of stations that are not registered, and the bytes that they take; the sum of these is kept, not counted anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<u32, u64>", into = "BTreeMap<u32, u64>")]
pub(super) struct Strangers {
    weights: BTreeMap<u32, u64>,
    bytes: u64,
}

impl From<BTreeMap<u32, u64>> for Strangers {
    fn from(weights: BTreeMap<u32, u64>) -> Strangers {
        let bytes = weights.values().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
        Strangers { weights, bytes }
    }
}

impl From<Strangers> for BTreeMap<u32, u64> {
    fn from(strangers: Strangers) -> BTreeMap<u32, u64> {
        strangers.weights
    }
}

impl Strangers {
    pub(super) fn insert(&mut self, number: u32, weight: u64) {
        let before = self.weights.insert(number, weight).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(before).saturating_add(weight);
    }

    pub(super) fn clear(&mut self) {
        *self = Strangers::default();
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// What all of them take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What `station` takes, estimated.
fn weight(station: &super::Station) -> u64 {
    let stored = postcard::experimental::serialized_size(station).unwrap_or(0) as u64;
    WEIGHT_MIN + WEIGHT_FACTOR * stored
}

impl Interpreter {
    /// Whether `mn` is neither registered nor remembered.
    pub(super) fn is_new_stranger(&self, mn: &[u8]) -> bool {
        !self.by_mn.contains_key(mn) && self.facts(mn).is_none()
    }

    /// Counts anew who is a stranger, with another registry.
    pub(super) fn count_strangers(&mut self) {
        let stranger = |mn: &[u8]| std::str::from_utf8(mn).map_or(true, |mn| self.context.facts(mn).is_none());
        let strangers = (0..).zip(&self.stations).filter(|(_, station)| stranger(&station.mn));
        self.strangers =
            strangers.map(|(number, station)| (number, weight(station))).collect::<BTreeMap<_, _>>().into();
    }

    /// Makes room for `mn`, if it is a stranger and there is none.
    pub(super) fn make_room(
        &mut self,
        mn: &[u8],
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let fit = usize::try_from(self.settings.unregistered_bytes_max / PLACE).unwrap_or(usize::MAX);
        let most = (self.settings.unregistered_max as usize).min(fit).max(1);
        if self.strangers.len() < most || !self.is_new_stranger(mn) {
            return;
        }
        let Some(oldest) = self.oldest_stranger(|_, _| true) else { return };
        let detail = json!({ "unregistered_max": self.settings.unregistered_max });
        let Some(former) = self.forget_stranger(oldest, &detail, place, out, done) else { return };
        self.by_mn.remove(former.as_slice());
        // The place is the newcomer's.
        if let Some(home) = self.stations.get_mut(oldest as usize) {
            **home = super::Station::new(mn, &self.settings, &self.context);
        }
        self.by_mn.insert(mn.into(), oldest);
    }

    /// The stranger not heard for longest of those that are `wanted`, by number and bytes.
    fn oldest_stranger(&self, wanted: impl Fn(u32, u64) -> bool) -> Option<u32> {
        let heard = |number: u32| self.stations.get(number as usize).and_then(|s| s.last_seen).unwrap_or(Timestamp(0));
        let strangers = self.strangers.weights.iter().map(|(number, bytes)| (*number, *bytes));
        let wanted = strangers.filter(|(number, bytes)| wanted(*number, *bytes));
        wanted.map(|(number, _)| (heard(number), number)).min().map(|(_, number)| number)
    }

    /// `number` was heard: if it is a stranger, others make room for what it takes by now, and itself if there are none.
    pub(super) fn weigh(
        &mut self,
        number: u32,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        if self.settings.unregistered_bytes_max == u64::MAX {
            return;
        }
        let Some(station) = self.stations.get(number as usize).filter(|_| self.strangers.weights.contains_key(&number))
        else {
            return;
        };
        self.strangers.insert(number, weight(station));
        let most = self.settings.unregistered_bytes_max;
        while self.strangers.bytes() > most {
            // Who has nothing but its place makes no room.
            let other = self.oldest_stranger(|other, bytes| other != number && bytes > PLACE);
            let own = self.strangers.weights.get(&number).is_some_and(|bytes| *bytes > PLACE).then_some(number);
            let Some(going) = other.or(own) else { return };
            let detail = json!({ "unregistered_max": self.settings.unregistered_max, "unregistered_bytes_max": most });
            let Some(mn) = self.forget_stranger(going, &detail, place, out, done) else { return };
            if let Some(home) = self.stations.get_mut(going as usize) {
                **home = super::Station::new(&mn, &self.settings, &self.context);
            }
        }
    }

    /// Takes the stranger `number` from memory, with all that is owed of it; gives its MN. Its place is empty then.
    fn forget_stranger(
        &mut self,
        number: u32,
        detail: &serde_json::Value,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) -> Option<Vec<u8>> {
        let mut station = self.stations.get_mut(number as usize).map(std::mem::take)?;
        self.strangers.insert(number, WEIGHT_MIN);
        done.forgotten += 1;
        for number in std::mem::take(&mut station.pending) {
            if let Some(pending) = self.waiting.take(number) {
                self.publish_parts(&mut station, number, &pending, place, out, done);
            }
        }
        let mut retained = Vec::new();
        self.retell_one(&station, place, &mut retained);
        out.extend(retained.into_iter().map(TypedPublication::cleared));
        let name = String::from_utf8_lossy(&station.mn).into_owned();
        self.push_step_event(&name, "station-forgotten", detail, place, out);
        Some(station.mn)
    }
}
