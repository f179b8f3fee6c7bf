//! Stations that come and go, and their cards.

use super::events::{self, JournalRef};
use super::station::Station;
use super::{Interpreted, Interpreter, coverage, marks};
use hj212_model::message::{Peering, Presence, Publication, Timestamp};

impl Interpreter {
    pub(super) fn on_presence(
        &mut self,
        presence: &Presence<'_>,
        place: JournalRef<'_>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) {
        let (kind, mn, on, was): (&str, &str, Peering, Option<Peering>) = match *presence {
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
        let topic = format!("{}/event/{kind}", station.topic);
        self.push(topic, false, out);
        if let Some(number) = number {
            self.publish_card_of(number, out);
            self.link(number, kind != "offline", place, out);
        }
    }

    /// After a start or a stop no station is connected.
    pub(super) fn on_restart(&mut self, at: Timestamp, out: &mut Vec<Publication>) {
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

    pub(super) fn publish_card(&mut self, station: &mut Station, out: &mut Vec<Publication>) {
        station.carded = Some(self.elapsed);
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        self.body.clear();
        station.write_card(&mut self.body, facts, &self.dictionary, &self.context);
        self.push(format!("{}/station", station.topic), true, out);
    }

    pub(super) fn publish_card_of(&mut self, number: u32, out: &mut Vec<Publication>) {
        let Some(mut station) = self.stations.get_mut(number as usize).map(std::mem::take) else { return };
        self.publish_card(&mut station, out);
        if let Some(back) = self.stations.get_mut(number as usize) {
            *back = station;
        }
    }

    /// Says again what is retained at the broker of every station: its card, the marks that hold, its completeness. For who has nothing else to
    /// go by; it names no record, changes nothing, and is not to be published.
    pub fn retell(&self, out: &mut Vec<Publication>) {
        let place = JournalRef { offset: 0, time: self.now, at: self.now, hash: &[0; 32] };
        for station in self.stations.iter().filter(|station| station.carded.is_some()) {
            self.retell_one(station, place, out);
        }
    }

    /// The same of one station.
    pub(super) fn retell_one(&self, station: &Station, place: JournalRef<'_>, out: &mut Vec<Publication>) {
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let mut card = Vec::new();
        station.write_card(&mut card, facts, &self.dictionary, &self.context);
        out.push(Publication { topic: format!("{}/station", station.topic), payload: card.into(), retain: true });
        for mark in station.marks.held() {
            marks::retain(&self.rulings, station, mark, place, out);
        }
        coverage::retell(station, place, out);
    }
}
