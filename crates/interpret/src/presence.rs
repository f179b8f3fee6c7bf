//! Stations that come and go, and their cards.

use bytes::Bytes;

use super::events::{self, JournalRef};
use super::station::Station;
use super::{EventKind, Interpreted, Interpreter, Says, StationEvent, TypedPublication, coverage, marks};
use hj212_model::message::{Peering, Presence, Timestamp};

fn card(station: &Station, body: Bytes) -> TypedPublication {
    let content = Says::Card(Some(Box::new(station.card_content())));
    TypedPublication::of(&station.name, station.topic.card(), body, content)
}

impl Interpreter {
    pub(super) fn on_presence(
        &mut self,
        presence: &Presence<'_>,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let (kind, mn, on, was): (&'static str, &str, Peering, Option<Peering>) = match *presence {
            Presence::Online { mn, on } => ("online", mn, on, None),
            Presence::Offline { mn, on } => ("offline", mn, on, None),
            Presence::Takeover { mn, on, was } => ("takeover", mn, on, Some(was)),
            Presence::CloneSuspected { mn, on, was } => ("clone-suspected", mn, on, Some(was)),
        };
        // Who leaves and is not remembered needs not be remembered for that.
        let number = if kind == "offline" && self.is_new_stranger(mn.as_bytes()) {
            None
        } else {
            self.make_room(mn.as_bytes(), place, out, done);
            self.station_of(mn.as_bytes())
        };
        let mut stranger = None;
        let station = match number.and_then(|n| self.stations.get_mut(n as usize)) {
            Some(station) => station,
            None => stranger.insert(Station::new(mn.as_bytes(), &self.settings, &self.context)),
        };
        station.online = kind != "offline";
        station.ledger.presence(station.online, place.at);
        station.peer = Some(on.peer.to_string());
        let id = format!("{}-{}-{kind}", self.settings.gateway, place.name());
        self.body.clear();
        events::write_presence(&mut self.body, &station.head, kind, &id, place, on, was);
        let event = StationEvent { kind: EventKind::named(kind), time: place.time };
        let (topic, body) = (station.topic.event(kind), Bytes::copy_from_slice(&self.body));
        let said = TypedPublication::of(&station.name, topic, body, Says::Event(event));
        out.push(said.labelled(kind, id));
        if let Some(number) = number {
            self.publish_card_of(number, out);
            self.link(number, kind != "offline", place, out);
        }
    }

    /// After a start or a stop no station is connected.
    pub(super) fn on_restart(&mut self, at: Timestamp, out: &mut Vec<TypedPublication>) {
        for number in 0..u32::try_from(self.stations.len()).unwrap_or(u32::MAX) {
            self.stations.get_mut(number as usize).into_iter().for_each(|station| {
                station.marks.restart(at);
            });
            let was_online = self.stations.get_mut(number as usize).is_some_and(|s| std::mem::take(&mut s.online));
            if was_online {
                self.publish_card_of(number, out);
            }
        }
    }

    pub(super) fn publish_card(&mut self, station: &mut Station, out: &mut Vec<TypedPublication>) {
        station.carded = Some(self.elapsed);
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        self.body.clear();
        station.write_card(&mut self.body, facts, &self.dictionary, &self.context);
        out.push(card(station, Bytes::copy_from_slice(&self.body)));
    }

    pub(super) fn publish_card_of(&mut self, number: u32, out: &mut Vec<TypedPublication>) {
        let Some(mut station) = self.stations.get_mut(number as usize).map(std::mem::take) else { return };
        self.publish_card(&mut station, out);
        if let Some(back) = self.stations.get_mut(number as usize) {
            *back = station;
        }
    }

    /// Says again what is retained at the broker of every station: its card, the marks that hold, its completeness. For who has nothing else to
    /// go by; it names no record, changes nothing, and is not to be published.
    pub fn retell(&self, out: &mut Vec<TypedPublication>) {
        let place = JournalRef { offset: 0, time: self.now, at: self.now, hash: &[0; 32] };
        for station in self.stations.iter().filter(|station| station.carded.is_some()) {
            self.retell_one(station, place, out);
        }
    }

    /// The same of one station.
    pub(super) fn retell_one(&self, station: &Station, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let mut card = Vec::new();
        station.write_card(&mut card, facts, &self.dictionary, &self.context);
        out.push(self::card(station, card.into()));
        for mark in station.marks.held() {
            marks::retain(&self.rulings, station, mark, place, out);
        }
        coverage::retell(station, place, out);
    }
}
