//! Journal records in, MQTT publications out: what a frame means, and how that is said downstream.
//!
//! The road of a frame: [`packet::parse`] → `report` (fields grouped by code, factors resolved, values classified) → re-send and
//! part bookkeeping → `marks` (what the readings are worth, see [`crate::marking`]) → `data` (the JSON). Topics and bodies are written down in
//! `docs/mqtt.md`; the schemas in `fixtures/schema` are what the tests hold every body against.
//!
//! What must stay true:
//! * the same records in the same order give the same publications, byte for byte, also over a snapshot in between: no clock, no
//!   random, no order of a hash map;
//! * what a station said is published as it said it, or not at all (passwords and keys);
//! * no input panics, and memory is bounded by [`Settings`]: per station about (64 + 128 + 64 + 16) × 18 bytes of hashes and 512
//!   codes, `parts_bytes_max` for parts, 64 MiB for a context that is being read.
//!
//! # Decisions
//! * A record's id is `{mn}.{st}.{cn}.{time}.{codes}`: time is DataTime (AlarmTime of an alarm event), else `qn` and QN, else `@` and
//!   the journal offset; codes is the wrapping sum of the FNV-1a hashes of the codes as said. Parts and re-sends share it.
//! * A record without any time of its own is never taken for a re-send: two equal events are two events.
//! * A record whose encrypted area was opened has the id that it would have in plain text. One that was unreadable before has another
//!   than it had then, in nearly all cases, and names that one.
//! * A re-send is told by the whole data area, so one in another order is published as a revision: too much, never too little.
//! * The registered edition and ST count before those of the frame: both are often wrong in the field.
//! * When the gateway starts, every station counts as offline until it speaks.

mod command;
mod context;
mod convert;
mod coverage;
mod data;
mod events;
mod factors;
mod hash;
mod json;
mod keys;
mod marks;
mod moment;
mod parts;
mod recent;
mod rejected;
mod report;
mod settings;
mod snapshot;
mod station;
pub mod table;
#[cfg(test)]
mod tests;
mod topic;
mod value;

pub use rejected::masked;
pub use settings::Settings;
pub use snapshot::RestoreError;

use std::time::Duration;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};

use crate::downlink::Step;
use crate::marking::Verdict;
use crate::message::kind::Span;
use crate::message::{
    Context, Heard, Kind, Peering, Presence, Publication, Record, Rejected, StationFacts, Timestamp, registration,
};
use crate::protocol::{Deviation, Deviations, Edition, Header, Part, packet};
use command::Stories;
use context::{Gathered, Run};
use data::{Envelope, Parted};
use events::Place;
use factors::Dictionary;
use keys::{Keys, Sealing};
use marks::Rulings;
use moment::Moment;
use parts::{Joined, Pending, Waiting};
use recent::Known;
use report::{Lens, Scratch};
use station::Station;

/// Parts remembered per station, to tell late re-sends of single parts.
const PARTS_REMEMBERED_MAX: usize = 64;
/// QNs remembered per station, to tell different records with one QN.
const QNS_REMEMBERED_MAX: usize = 16;

/// What one record did, for the door to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interpreted {
    /// Everything read over in the frame, found here or before.
    pub deviations: Deviations,
    /// Exact re-sends of records or parts, not published again.
    pub resent: u32,
    /// Records published again with changed values.
    pub revisions: u32,
    /// Split records published incomplete.
    pub parts_missing: u32,
    /// Frames of stations beyond [`Settings::stations_max`].
    pub unremembered: u32,
    /// Runs of context records that did not come whole.
    pub contexts_broken: u32,
    /// Contexts whose marking rules were wrong: the former rules stay in force.
    pub rules_refused: u32,
    /// Encrypted areas that were opened.
    pub opened: u32,
    /// Encrypted areas that were not, published as unreadable.
    pub unreadable: u32,
    /// Gaps that have begun.
    pub gaps: u32,
    /// Gaps that are over, whatever the reason.
    pub gaps_closed: u32,
    /// Keys of stations that were told, or came into another state.
    pub keys: u32,
    /// Records that nobody could decode, so that nothing came of them.
    pub undecoded: u32,
}

/// The state of the interpretation.
#[derive(Debug)]
pub struct Interpreter {
    settings: Settings,
    context: Context,
    run: Run,
    dictionary: Dictionary,
    stations: Vec<Station>,
    by_mn: HashMap<Box<[u8]>, u32>,
    waiting: Waiting,
    /// The latest time of any record: times of records can step back, this cannot.
    now: Timestamp,
    /// When silence and limits of all stations were last looked at.
    swept: Timestamp,
    /// Where the round of the stations' ledgers stands.
    round: coverage::Round,
    stories: Stories,
    rulings: Rulings,
    keys: Keys,
    verdict: Verdict,
    scratch: Scratch,
    body: Vec<u8>,
    id: Vec<u8>,
}

/// One record of a station, in one piece or put together.
struct Packet<'a> {
    st: Option<&'a [u8]>,
    cn: Option<u16>,
    qn: Option<&'a [u8]>,
    rf: bool,
    edition: Option<Edition>,
    area: &'a [u8],
    parted: Parted<'a>,
    sealing: Sealing,
    deviations: Deviations,
    length_off: Option<u32>,
    content: u64,
    place: Place<'a>,
}

impl Interpreter {
    /// An interpreter that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Interpreter {
        let context = Context::default();
        Interpreter {
            dictionary: Dictionary::new(&context.factors),
            settings,
            context,
            run: Run::default(),
            stations: Vec::new(),
            by_mn: HashMap::new(),
            waiting: Waiting::default(),
            now: Timestamp(i64::MIN),
            swept: Timestamp(0),
            round: coverage::Round::default(),
            stories: Stories::default(),
            rulings: Rulings::new(std::collections::BTreeMap::new()),
            keys: Keys::default(),
            verdict: Verdict::default(),
            scratch: Scratch::default(),
            body: Vec::new(),
            id: Vec::new(),
        }
    }

    /// Appends to `out` what the record `offset` gives, in the order in which it is to be published.
    pub fn on_record(
        &mut self,
        offset: u64,
        time: Timestamp,
        hash: &[u8; 32],
        record: &Record<'_>,
        out: &mut Vec<Publication>,
    ) -> Interpreted {
        let mut done = Interpreted::default();
        let place = Place { offset, time, hash };
        self.now = self.now.max(time);
        self.expire(place, out, &mut done);
        self.sweep(place, out);
        self.clear_statuses(out);
        self.round(place, &mut done, out);
        match record {
            Record::Frame(heard) => self.on_frame(heard, place, out, &mut done),
            Record::Rejected(rejected) => self.on_rejected(rejected, place, out),
            Record::Presence(presence) => self.on_presence(presence, place, out),
            Record::Context { hash, part, parts, json } => match self.run.gather(*hash, *part, *parts, json) {
                Gathered::More => {}
                Gathered::Broken => done.contexts_broken += 1,
                Gathered::Whole(context) => self.on_context(*context, place, out, &mut done),
            },
            Record::Tick => {}
            Record::Command(step) => {
                if let Some(step) = Step::decode(step) {
                    done.keys += u32::from(self.note_key(&step));
                    self.on_step(&step, place, out);
                    self.recall_step(&step, place, &mut done, out);
                }
            }
            Record::MarkEntry { mn, id, json } => self.on_mark_entry((mn, id, json), place, out),
            Record::Started(_) | Record::Stopped => self.on_restart(time, out),
        }
        done
    }

    fn facts(&self, mn: &[u8]) -> Option<&StationFacts> {
        self.context.stations.get(std::str::from_utf8(mn).ok()?)
    }

    /// The number of the station `mn`, a new one if there is room.
    fn station_of(&mut self, mn: &[u8]) -> Option<u32> {
        if let Some(number) = self.by_mn.get(mn) {
            return Some(*number);
        }
        let number = u32::try_from(self.stations.len()).ok().filter(|n| *n < self.settings.stations_max)?;
        let station = Station::new(mn, &self.settings, self.facts(mn));
        self.stations.push(station);
        self.by_mn.insert(mn.into(), number);
        Some(number)
    }

    fn on_frame(&mut self, heard: &Heard<'_>, place: Place<'_>, out: &mut Vec<Publication>, done: &mut Interpreted) {
        let header = packet::parse(heard.segment);
        let nameless = header.mn.is_none_or(|mn| self.facts(mn).is_none());
        let hardware = registration::hardware(&header).filter(|_| nameless);
        let owner = hardware.and_then(|number| self.context.of_hardware(number)).map(str::to_owned);
        // A logger that has no MN yet speaks for the station that is to be its own.
        let mn = owner.as_ref().map_or(header.mn.unwrap_or_default(), |mn| mn.as_bytes());
        let number = self.station_of(mn);
        let mut station = match number.and_then(|n| self.stations.get_mut(n as usize)) {
            Some(station) => std::mem::take(station),
            None => {
                done.unremembered += 1;
                Station::new(mn, &self.settings, self.facts(mn))
            }
        };
        self.hear(&mut station, number, &header, heard, place, out, done);
        if let Some(home) = number.and_then(|n| self.stations.get_mut(n as usize)) {
            *home = station;
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one frame with all that surrounds it")]
    fn hear(
        &mut self,
        station: &mut Station,
        number: Option<u32>,
        header: &Header<'_>,
        heard: &Heard<'_>,
        place: Place<'_>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) {
        let facts = self.context.stations.get(std::str::from_utf8(&station.mn).unwrap_or_default());
        let edition = facts.and_then(|facts| facts.edition).or(match header.flag {
            Some(flag) => flag.edition(),
            None => Some(Edition::V2005),
        });
        let fresh = station.carded.is_none() || !station.online;
        station.online = true;
        station.last_seen = Some(place.time);
        if station.edition != edition {
            station.edition = edition;
        }
        if station.st.as_deref() != header.st {
            station.st = header.st.map(<[u8]>::to_owned);
        }
        if fresh || station.peer.is_none() {
            station.peer = Some(heard.from.peer.to_string());
        }
        let mut learned = fresh;
        let opening = self.keys.open(&station.mn, header, heard);
        let deviations = heard.deviations.union(header.deviations).union(opening.deviations);
        let kind = header.cn.map_or(Kind::Other, Kind::of);
        if kind == Kind::Heartbeat {
            station.count(deviations);
            done.deviations = deviations;
        } else {
            let length_off = length_off(heard, deviations);
            let parted = match header.part {
                Some(Part { count, number }) if count > 1 => Parted::One { count, number },
                _ => Parted::Whole,
            };
            let packet = Packet {
                st: header.st,
                cn: header.cn,
                qn: header.qn,
                rf: header.rf,
                edition,
                area: opening.area(header),
                parted,
                sealing: opening.sealing,
                deviations,
                length_off,
                content: hash::content(if opening.sealing.is_unreadable() {
                    header.area
                } else {
                    opening.area(header)
                }),
                place,
            };
            done.opened += u32::from(packet.sealing.is_opened());
            done.unreadable += u32::from(packet.sealing.is_unreadable());
            learned |= match self.part_of(&packet, number, header) {
                Some((count, part, time)) => self.gather_part(station, &packet, count, part, time, number, out, done),
                None => self.publish(station, &packet, out, done),
            };
        }
        let due = station.carded.is_none_or(|at| self.now.0 - at.0 >= micros(self.settings.card_refresh));
        if number.is_some() && (learned || due) {
            self.publish_card(station, out);
        }
    }

    /// Whether the packet is a part that can be put together with others: its count, its number and its DataTime.
    fn part_of<'a>(
        &self,
        packet: &Packet<'a>,
        station: Option<u32>,
        header: &Header<'a>,
    ) -> Option<(u16, u16, &'a [u8])> {
        let Parted::One { count, number } = packet.parted else { return None };
        let fits = count <= self.settings.parts_max && (1..=count).contains(&number);
        if packet.sealing.is_unreadable() || station.is_none() || !fits || header.cn.is_none() {
            return None;
        }
        Some((count, number, data_time_of(packet.area)?))
    }

    #[allow(clippy::too_many_arguments, reason = "one part with all that surrounds it")]
    fn gather_part(
        &mut self,
        station: &mut Station,
        packet: &Packet<'_>,
        count: u16,
        number: u16,
        time: &[u8],
        owner: Option<u32>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) -> bool {
        let cn = packet.cn.unwrap_or_default();
        if station.parts.has(part_key(packet.st, cn, time, count, number), packet.content) {
            done.resent += 1;
            done.deviations = packet.deviations.union(Deviation::Resent.into());
            station.count(done.deviations);
            return false;
        }
        done.deviations = packet.deviations;
        let part = parts::Heard {
            number,
            qn: packet.qn.map(<[u8]>::to_owned),
            rf: packet.rf,
            area: packet.area.to_owned(),
            content: packet.content,
            deviations: packet.deviations.bits(),
            length_off: packet.length_off,
            edition: packet.edition,
            sealing: packet.sealing,
            received: packet.place.time,
            offset: packet.place.offset,
            hash: *packet.place.hash,
        };
        let record_max = usize::try_from(self.settings.parts_record_max).unwrap_or(usize::MAX).min(60 * 1024);
        let mut learned = false;
        let mut part = part;
        if let Some(found) = self.waiting.find(&station.pending, packet.st, cn, time, count) {
            match self.waiting.join(found, part, record_max) {
                Joined::Waits => return false,
                Joined::Resent => {
                    done.resent += 1;
                    done.deviations.insert(Deviation::Resent);
                    return false;
                }
                Joined::Complete(pending) => {
                    return self.publish_parts(station, found, &pending, packet.place, out, done);
                }
                Joined::Clashes(pending, back) => {
                    learned = self.publish_parts(station, found, &pending, packet.place, out, done);
                    part = back;
                }
            }
        }
        if station.pending.len() >= self.settings.parts_station_max as usize
            && let Some((oldest, pending)) = station.pending.first().and_then(|n| Some((*n, self.waiting.take(*n)?)))
        {
            learned |= self.publish_parts(station, oldest, &pending, packet.place, out, done);
        }
        let opened = self.waiting.open(Pending {
            station: owner.unwrap_or(u32::MAX),
            st: packet.st.map(<[u8]>::to_owned),
            cn,
            time: time.to_owned(),
            count,
            since: self.now,
            heard: vec![part],
        });
        station.pending.push(opened);
        learned
    }

    /// Publishes what there is of a record that came in parts.
    fn publish_parts(
        &mut self,
        station: &mut Station,
        number: u64,
        pending: &Pending,
        place: Place<'_>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) -> bool {
        station.pending.retain(|waiting| *waiting != number);
        let Some(latest) = pending.latest() else { return false };
        for part in &pending.heard {
            let key = part_key(pending.st.as_deref(), pending.cn, &pending.time, pending.count, part.number);
            station.parts.meet(key, part.content, PARTS_REMEMBERED_MAX);
        }
        let mut area = Vec::new();
        pending.area(&mut area);
        let packet = Packet {
            st: pending.st.as_deref(),
            cn: Some(pending.cn),
            qn: latest.qn.as_deref(),
            rf: pending.heard.iter().any(|part| part.rf),
            edition: latest.edition,
            area: &area,
            parted: Parted::Merged { count: pending.count, heard: &pending.heard },
            sealing: pending.heard.iter().fold(Sealing::Plain, |all, part| all.join(part.sealing)),
            deviations: pending.deviations(),
            length_off: pending.heard.iter().find_map(|part| part.length_off),
            content: pending.heard.iter().fold(u64::from(pending.count), |all, part| hash::join(all, part.content)),
            place: Place { offset: latest.offset, time: latest.received, hash: &latest.hash },
        };
        let learned = self.publish(station, &packet, out, done);
        if !pending.is_complete() {
            done.parts_missing += 1;
            let data = String::from_utf8_lossy(&self.id).into_owned();
            let id = format!("{}-{}-parts-missing-{number}", self.settings.gateway, place.offset);
            self.body.clear();
            events::write_parts_missing(&mut self.body, &station.head, &id, place, pending, &data);
            self.push(format!("{}/event/parts-missing", station.topic), false, out);
        }
        learned
    }

    /// Gives up the parts whose time is over, and the oldest while there are too many bytes.
    fn expire(&mut self, place: Place<'_>, out: &mut Vec<Publication>, done: &mut Interpreted) {
        while let Some((number, since)) = self.waiting.oldest() {
            let late = self.now.0.saturating_sub(since.0) >= micros(self.settings.parts_max_wait);
            if !late && self.waiting.bytes() as u64 <= self.settings.parts_bytes_max {
                return;
            }
            let Some(pending) = self.waiting.take(number) else { return };
            let home = pending.station as usize;
            let Some(mut station) = self.stations.get_mut(home).map(std::mem::take) else { continue };
            if self.publish_parts(&mut station, number, &pending, place, out, done) {
                self.publish_card(&mut station, out);
            }
            if let Some(back) = self.stations.get_mut(home) {
                *back = station;
            }
        }
    }

    /// Publishes a record, unless it is a re-send; whether the station's card has changed.
    fn publish(
        &mut self,
        station: &mut Station,
        packet: &Packet<'_>,
        out: &mut Vec<Publication>,
        done: &mut Interpreted,
    ) -> bool {
        let facts = self.context.stations.get(std::str::from_utf8(&station.mn).unwrap_or_default());
        let registered = facts.and_then(|facts| facts.st.as_deref()).map(str::as_bytes);
        let system = self.dictionary.system(registered, packet.st);
        let merged = matches!(packet.parted, Parted::Merged { .. });
        let lens = Lens { dictionary: &self.dictionary, facts, edition: packet.edition, system, merged };
        let report = self.scratch.read(packet.area, lens);
        let kind = packet.cn.map_or(Kind::Other, Kind::of);
        let time = report.data_time.or_else(|| report.own(b"AlarmTime").filter(|_| kind == Kind::Alarm));
        let moment = time.and_then(Moment::read);
        let mut deviations = packet.deviations;
        judge_times(&self.settings, packet, kind, time, moment, &mut deviations);
        // Answers of 2005 carry QN in the data area.
        let qn = packet.qn.or_else(|| report.own(b"QN")).filter(|qn| !qn.is_empty());
        write_id(&mut self.id, &station.level, packet.named(), time, qn, report.codes);
        let known = remember(&self.settings, station, packet, kind, &self.id, time.is_some(), qn);
        if let Some(reused) = known.1 {
            deviations.insert(reused);
        }
        let revision = match known.0 {
            Known::New => 0,
            Known::Resent => {
                done.resent += 1;
                done.deviations = done.deviations.union(deviations).union(Deviation::Resent.into());
                station.count(deviations.union(Deviation::Resent.into()));
                self.scratch.reuse(report);
                return false;
            }
            Known::Revised(revision) => {
                done.revisions += 1;
                revision
            }
        };
        let replaces = replaced(station, packet);
        // Without time and codes the id is that of the unreadable record.
        let revision = revision.saturating_add(u16::from(replaces.iter().any(|id| id.as_bytes() == self.id)));
        let backfill = is_backfill(&self.settings, packet, kind, moment);
        let told =
            marks::Told { edition: packet.edition, medium: system.medium, kind, moment, received: packet.place.time };
        self.rulings.judge(station, facts, told, &report, &mut self.verdict);
        let envelope = Envelope {
            id: &self.id,
            revision,
            head: &station.head,
            card: &station.shown,
            st: packet.st,
            cn: packet.cn,
            qn: packet.qn,
            edition: packet.edition,
            kind,
            time,
            moment,
            received: packet.place.time,
            backfill,
            parted: packet.parted,
            sealing: packet.sealing,
            replaces: &replaces,
            deviations,
            length_off: packet.length_off,
            offset: packet.place.offset,
            hash: packet.place.hash,
        };
        self.body.clear();
        let all = data::write(&mut self.body, &envelope, &report, &self.verdict, &station.marks);
        let mut topic = String::with_capacity(station.topic.len() + 20);
        topic.push_str(&station.topic);
        topic.push_str("/data/");
        topic.push_str(kind.name());
        out.push(Publication { topic, payload: Bytes::copy_from_slice(&self.body), retain: false });
        done.deviations = done.deviations.union(all);
        station.count(all);
        marks::publish(&self.settings, &self.rulings, station, &self.verdict, packet.place, out);
        let told = (packet.st, kind, moment, backfill);
        coverage::arrived(&self.settings, facts, station, told, packet.place, done, out);
        let learned = station.learn(&report, self.settings.card_codes_max as usize);
        self.scratch.reuse(report);
        learned
    }

    fn push(&self, topic: String, retain: bool, out: &mut Vec<Publication>) {
        out.push(Publication { topic, payload: Bytes::copy_from_slice(&self.body), retain });
    }

    fn publish_card(&mut self, station: &mut Station, out: &mut Vec<Publication>) {
        station.carded = Some(self.now);
        let facts = self.context.stations.get(std::str::from_utf8(&station.mn).unwrap_or_default());
        self.body.clear();
        station.write_card(&mut self.body, facts, &self.dictionary);
        self.push(format!("{}/station", station.topic), true, out);
    }

    fn publish_card_of(&mut self, number: u32, out: &mut Vec<Publication>) {
        let Some(mut station) = self.stations.get_mut(number as usize).map(std::mem::take) else { return };
        self.publish_card(&mut station, out);
        if let Some(back) = self.stations.get_mut(number as usize) {
            *back = station;
        }
    }

    fn on_rejected(&mut self, rejected: &Rejected<'_>, place: Place<'_>, out: &mut Vec<Publication>) {
        self.body.clear();
        let Place { offset, time, hash } = place;
        rejected::write(&mut self.body, &self.settings.gateway, rejected, time, offset, hash);
        let mut topic = format!("{}/gateway/", self.settings.prefix);
        topic::level(&mut topic, self.settings.gateway.as_bytes());
        topic.push_str("/rejected");
        self.push(topic, false, out);
    }

    fn on_presence(&mut self, presence: &Presence<'_>, place: Place<'_>, out: &mut Vec<Publication>) {
        let (kind, mn, on, was): (&str, &str, Peering, Option<Peering>) = match *presence {
            Presence::Online { mn, on } => ("online", mn, on, None),
            Presence::Offline { mn, on } => ("offline", mn, on, None),
            Presence::Takeover { mn, on, was } => ("takeover", mn, on, Some(was)),
            Presence::CloneSuspected { mn, on, was } => ("clone-suspected", mn, on, Some(was)),
        };
        let number = self.station_of(mn.as_bytes());
        let mut stranger = None;
        let station = match number.and_then(|n| self.stations.get_mut(n as usize)) {
            Some(station) => station,
            None => stranger.insert(Station::new(mn.as_bytes(), &self.settings, None)),
        };
        station.online = kind != "offline";
        station.ledger.presence(station.online, place.time);
        station.peer = Some(on.peer.to_string());
        let id = format!("{}-{}-{kind}", self.settings.gateway, place.offset);
        self.body.clear();
        events::write_presence(&mut self.body, &station.head, kind, &id, place, on, was);
        let topic = format!("{}/event/{kind}", station.topic);
        self.push(topic, false, out);
        if let Some(number) = number {
            self.publish_card_of(number, out);
            self.link(number, kind != "offline", place, out);
        }
    }

    /// Puts a new context in force and publishes the cards it changes.
    fn on_context(&mut self, context: Context, place: Place<'_>, out: &mut Vec<Publication>, done: &mut Interpreted) {
        let before = std::mem::replace(&mut self.context, context);
        let renamed = before.factors != self.context.factors;
        if renamed {
            self.dictionary = Dictionary::new(&self.context.factors);
        }
        let changed: Vec<String> = context::changed(&before, &self.context).into_iter().map(str::to_owned).collect();
        for mn in &changed {
            let Some(number) = self.station_of(mn.as_bytes()) else { continue };
            let facts = self.context.stations.get(mn);
            let gone = facts.is_none();
            let Some(station) = self.stations.get_mut(number as usize) else { continue };
            station.dress(&self.settings, facts);
            // The codes' factors may have changed with the aliases.
            station.codes.clear();
            station.sets.clear();
            if gone {
                coverage::forget(station, out);
            }
            if gone && !station.online {
                station.carded = None;
                let topic = format!("{}/station", station.topic);
                out.push(Publication { topic, payload: Bytes::new(), retain: true });
            } else {
                self.publish_card_of(number, out);
            }
        }
        self.rule(before.rules != self.context.rules, &changed, place, out, done);
        if renamed {
            for number in 0..u32::try_from(self.stations.len()).unwrap_or(u32::MAX) {
                let shown = self.stations.get(number as usize).is_some_and(|s| {
                    s.carded.is_some() && std::str::from_utf8(&s.mn).is_ok_and(|mn| !changed.iter().any(|c| c == mn))
                });
                if shown {
                    self.publish_card_of(number, out);
                }
            }
        }
    }

    /// After a start or a stop no station is connected.
    fn on_restart(&mut self, at: Timestamp, out: &mut Vec<Publication>) {
        for number in 0..u32::try_from(self.stations.len()).unwrap_or(u32::MAX) {
            self.stations.get_mut(number as usize).into_iter().for_each(|station| {
                station.marks.restart(at);
                station.ledger.restarted();
            });
            let was_online = self.stations.get_mut(number as usize).is_some_and(|s| std::mem::take(&mut s.online));
            if was_online {
                self.publish_card_of(number, out);
            }
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The DataTime of an area, without reading the whole area.
fn data_time_of(area: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(area, b"DataTime=")?;
    let begins = at == 0 || matches!(area.get(at - 1), Some(b';' | b',' | b' '));
    let value = area.get(at + 9..).filter(|_| begins)?;
    let end = memchr::memchr2(b';', b',', value).unwrap_or(value.len());
    value.get(..end).filter(|time| !time.is_empty())
}

fn part_key(st: Option<&[u8]>, cn: u16, time: &[u8], count: u16, number: u16) -> u64 {
    let numbers = u64::from(cn) << 32 | u64::from(count) << 16 | u64::from(number);
    hash::join(hash::join(hash::content(st.unwrap_or_default()), hash::content(time)), numbers)
}

/// By how many bytes the declared length is off, if it was and the declaration can still be read.
fn length_off(heard: &Heard<'_>, deviations: Deviations) -> Option<u32> {
    if !deviations.contains(Deviation::LengthOff) {
        return None;
    }
    let declared = heard.raw.strip_prefix(b"##").unwrap_or(heard.raw);
    let digits = declared.iter().take_while(|b| b.is_ascii_digit()).count();
    let digits = declared.get(..digits)?;
    let digits = if digits.len() == 8 { digits.get(4..)? } else { digits };
    let declared: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    u32::try_from(declared.abs_diff(i64::try_from(heard.segment.len()).ok()?)).ok()
}

/// Names what is odd about the times of a record (catalogue, kinds 13 and 27).
fn judge_times(
    settings: &Settings,
    packet: &Packet<'_>,
    kind: Kind,
    time: Option<&[u8]>,
    moment: Option<Moment>,
    deviations: &mut Deviations,
) {
    let received = packet.place.time;
    match (time, moment) {
        (None, _) if kind.span() != Span::Timeless && !packet.sealing.is_unreadable() => {
            deviations.insert(Deviation::DataTimeMissing)
        }
        (Some(_), None) => deviations.insert(Deviation::DataTimeForm),
        (Some(text), Some(moment)) => {
            if text.len() != 14 {
                deviations.insert(Deviation::DataTimeForm);
            }
            if !moment.begins(kind.span()) {
                deviations.insert(Deviation::DataTimeSeconds);
            }
            if moment.timestamp().0.saturating_sub(received.0) > micros(settings.future_max) {
                deviations.insert(Deviation::DataTimeFuture);
            }
        }
        (None, _) => {}
    }
    let said = packet.qn.and_then(Moment::read);
    let clock = said.or_else(|| moment.filter(|_| kind == Kind::Realtime && packet.qn.is_none() && !packet.rf));
    let off = clock
        .is_some_and(|clock| clock.timestamp().0.abs_diff(received.0) > micros(settings.clock_off_max).unsigned_abs());
    if off && !packet.rf {
        deviations.insert(Deviation::ClockOff);
    }
}

/// Whether a record is late: uploaded again by the station's own word, or older than its kind ever is on arrival.
fn is_backfill(settings: &Settings, packet: &Packet<'_>, kind: Kind, moment: Option<Moment>) -> bool {
    let limit = match kind.span() {
        Span::Instant if matches!(kind, Kind::Realtime | Kind::State) => settings.backfill_instant,
        Span::Instant | Span::Timeless | Span::Minute | Span::FiveMinutes => settings.backfill_minute,
        Span::Hour => settings.backfill_hour,
        Span::Day => settings.backfill_day,
    };
    packet.rf || moment.is_some_and(|moment| packet.place.time.0.saturating_sub(moment.timestamp().0) > micros(limit))
}

/// Writes the id of a record: see Decisions at the head of the room.
fn write_id(id: &mut Vec<u8>, level: &str, of: Named<'_>, time: Option<&[u8]>, qn: Option<&[u8]>, codes: u64) {
    id.clear();
    id.extend_from_slice(level.as_bytes());
    id.push(b'.');
    write_level(id, of.st.unwrap_or_default());
    id.push(b'.');
    json::number(id, u64::from(of.cn.unwrap_or_default()));
    match (time, qn) {
        (Some(time), _) => {
            id.push(b'.');
            write_level(id, time);
        }
        (None, Some(qn)) => {
            id.extend_from_slice(b".qn");
            write_level(id, qn);
        }
        (None, None) => {
            id.extend_from_slice(b".@");
            json::number(id, of.offset);
        }
    }
    id.push(b'.');
    json::hex(id, &codes.to_be_bytes());
}

/// What of a packet stands in an id.
#[derive(Clone, Copy)]
struct Named<'a> {
    st: Option<&'a [u8]>,
    cn: Option<u16>,
    offset: u64,
}

impl<'a> Packet<'a> {
    fn named(&self) -> Named<'a> {
        Named { st: self.st, cn: self.cn, offset: self.place.offset }
    }
}

/// The ids under which a record was published as unreadable that is opened with keys of later.
fn replaced(station: &Station, packet: &Packet<'_>) -> Vec<String> {
    let unreadable = |qn: Option<&[u8]>, offset: u64| {
        let mut id = Vec::new();
        let qn = qn.filter(|qn| !qn.is_empty());
        write_id(&mut id, &station.level, Named { offset, ..packet.named() }, None, qn, 0);
        String::from_utf8_lossy(&id).into_owned()
    };
    match packet.parted {
        _ if packet.sealing != Sealing::OpenedLater => Vec::new(),
        Parted::Merged { heard, .. } => {
            let later = heard.iter().filter(|part| part.sealing == Sealing::OpenedLater);
            later.map(|part| unreadable(part.qn.as_deref(), part.offset)).collect()
        }
        Parted::Whole | Parted::One { .. } => vec![unreadable(packet.qn, packet.place.offset)],
    }
}

/// Appends text from outside so that it can stand in an id.
fn write_level(id: &mut Vec<u8>, text: &[u8]) {
    if !text.is_empty() && text.len() <= 24 && text.iter().all(u8::is_ascii_alphanumeric) {
        return id.extend_from_slice(text);
    }
    let mut level = String::new();
    topic::level(&mut level, text);
    id.extend_from_slice(level.as_bytes());
}

/// Looks the record up among the station's last ones; also whether its QN stood for another record (catalogue, kind 22).
fn remember(
    settings: &Settings,
    station: &mut Station,
    packet: &Packet<'_>,
    kind: Kind,
    id: &[u8],
    timed: bool,
    qn: Option<&[u8]>,
) -> (Known, Option<Deviation>) {
    if !timed && qn.is_none() {
        return (Known::New, None);
    }
    let key = match packet.parted {
        // Parts that are published one by one share an id.
        Parted::One { count, number } => hash::join(hash::content(id), u64::from(count) << 16 | u64::from(number)),
        Parted::Whole | Parted::Merged { .. } => hash::content(id),
    };
    let (ring, max) = if kind.is_period() {
        (&mut station.periods, settings.resent_periods_max)
    } else {
        (&mut station.instants, settings.resent_instants_max)
    };
    let known = ring.meet(key, packet.content, max as usize);
    let reused =
        qn.is_some_and(|qn| matches!(station.qns.meet(hash::content(qn), key, QNS_REMEMBERED_MAX), Known::Revised(_)));
    (known, reused.then_some(Deviation::QnReused))
}
