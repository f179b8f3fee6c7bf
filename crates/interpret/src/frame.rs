//! One frame of a station: opened, told from its re-sends, judged, and published.

use bytes::Bytes;

use super::data::{self, DataHead, PartNote};
use super::events::JournalRef;
use super::moment::Moment;
use super::recent::Known;
use super::report::ReadContext;
use super::scores;
use super::seams::{Seams, may_go_on};
use super::settings::Settings;
use super::shape::kind_of;
use super::source_record::SourceRecord;
use super::station::Station;
use super::{
    DataContent, Interpreted, Interpreter, Qn, Says, TypedPublication, coverage, hash, id, judgement, leads, loose,
    marks, micros, qn_use, times,
};
use hj212::{Deviation, Deviations, Edition, Header, Part, packet, scan, tidied};
use hj212_downlink::Step;
use hj212_model::message::dialect::Shown;
use hj212_model::message::{Heard, Kind, Timestamp, registration};

/// QNs remembered per station, to tell different records with one QN.
const QNS_REMEMBERED_MAX: usize = 16;

/// QNs of requests to a station that are remembered, to know its answers.
const ASKED_REMEMBERED_MAX: usize = 16;

impl Interpreter {
    /// Remembers the QN of a request that was sent to a station: the answers carry it.
    pub(super) fn note_sent(&mut self, step: &Step) {
        let Step::Sent { mn, qn, .. } = step else { return };
        let number = self.by_mn.get(mn.as_bytes());
        let Some(station) = number.and_then(|number| self.stations.get_mut(*number as usize)) else { return };
        let qn = hash::content(qn.as_bytes());
        if !station.asked.contains(&qn) {
            if station.asked.len() >= ASKED_REMEMBERED_MAX {
                station.asked.pop_front();
            }
            station.asked.push_back(qn);
        }
    }

    pub(super) fn on_frame(
        &mut self,
        heard: &Heard<'_>,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let header = packet::parse(heard.segment);
        let nameless = header.mn.is_none_or(|mn| self.facts(mn).is_none());
        let hardware = registration::hardware(&header).filter(|_| nameless);
        let owner = hardware.and_then(|number| self.context.of_hardware(number)).map(str::to_owned);
        // A logger that has no MN yet speaks for the station that is to be its own.
        let mn = owner.as_ref().map_or(header.mn.unwrap_or_default(), |mn| mn.as_bytes());
        self.make_room(mn, place, out, done);
        let number = self.station_of(mn);
        if let Some(number) = number.filter(|_| !self.context.followed.is_empty()) {
            self.inherit(number, place, out);
        }
        let mut station = match number.and_then(|n| self.stations.get_mut(n as usize)) {
            Some(station) => std::mem::replace(station, self.spare.take().unwrap_or_default()),
            None => {
                done.unremembered += 1;
                Box::new(Station::new(mn, &self.settings, &self.context))
            }
        };
        self.hear(&mut station, number, &header, heard, place, out, done);
        scores::frame(&self.judging.scores, &mut station, done.deviations, place.at);
        if let Some(home) = number.and_then(|n| self.stations.get_mut(n as usize)) {
            self.spare = Some(std::mem::replace(home, station));
        }
        if let Some(number) = number {
            self.weigh(number, place, out, done);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one frame with all that surrounds it")]
    fn hear(
        &mut self,
        station: &mut Station,
        number: Option<u32>,
        header: &Header<'_>,
        heard: &Heard<'_>,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let edition = facts.and_then(|facts| facts.edition).or(match header.flag {
            Some(flag) => flag.edition(),
            None => Some(Edition::V2005),
        });
        let fresh = station.carded.is_none() || !station.online;
        station.online = true;
        station.last_seen = Some(place.time);
        let signs = Shown::of(header, heard.deviations);
        let shown = self.context.edition_of(facts, &Shown { flag: edition, ..signs });
        if station.edition != shown {
            station.edition = shown;
        }
        if station.st.as_deref() != header.st {
            station.st = header.st.map(<[u8]>::to_owned);
        }
        if fresh || station.peer.is_none() {
            station.peer = Some(heard.from.peer.to_string());
        }
        let mut learned = fresh;
        let said = self.context.said_edition_of(facts, &signs);
        let former = self.context.registered_as(std::str::from_utf8(&station.mn).unwrap_or_default());
        let opening = self.keys.open((&station.mn, former), facts, said, header, heard);
        let deviations = heard.deviations.union(header.deviations).union(opening.deviations);
        let kind = header.cn.map_or(Kind::Other, Kind::of);
        self.note_upload(station, header, kind, &signs, place, out);
        if kind == Kind::Heartbeat {
            station.count(deviations);
            done.deviations = deviations;
        } else {
            let length_off = length_off(heard, deviations);
            let parted = match header.part {
                Some(Part { count, number }) if count > 1 => PartNote::One { count, number },
                _ => PartNote::Whole,
            };
            let said = opening.area(header);
            let tidied = if opening.sealing.is_unreadable() { None } else { tidied(said) };
            let (area, odd) = tidied.as_ref().map_or((said, Deviations::NONE), |(area, odd)| (area.as_slice(), *odd));
            let edges = match parted {
                PartNote::One { count, number } => {
                    let front = number > 1 || (number == 1 && number < count && may_go_on(area));
                    Seams::of_one(area, front, number < count).torn
                }
                PartNote::Whole | PartNote::Merged { .. } => Vec::new(),
            };
            let packet = SourceRecord {
                st: header.st,
                cn: header.cn,
                qn: header.qn,
                rf: header.rf,
                edition,
                flagged: signs.flagged,
                area,
                parted,
                sealing: opening.sealing,
                deviations: deviations.union(odd),
                length_off,
                content: hash::content(if opening.sealing.is_unreadable() { header.area } else { said }),
                torn: &edges,
                place,
            };
            done.opened += u32::from(packet.sealing.is_opened());
            done.unreadable += u32::from(packet.sealing.is_unreadable());
            learned |= match self.part_of(&packet, number, header) {
                Some(part) => self.gather_part(station, &packet, part, number, out, done),
                None => self.publish(station, &packet, out, done),
            };
        }
        let due =
            station.carded.is_none_or(|at| self.elapsed.0.saturating_sub(at.0) >= micros(self.settings.card_refresh));
        if number.is_some() && (learned || due) {
            self.publish_card(station, out);
        }
    }

    /// Publishes a record, unless it is a re-send; whether the station's card has changed.
    pub(super) fn publish(
        &mut self,
        station: &mut Station,
        packet: &SourceRecord<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) -> bool {
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let registered = facts.and_then(|facts| facts.st.as_deref()).map(str::as_bytes);
        let system = self.dictionary.system(registered, packet.st);
        let merged = matches!(packet.parted, PartNote::Merged { .. });
        let habit = station.habits.of(packet.st);
        let shown = packet.shown(&station.mn);
        let edition = self.context.edition_of(facts, &shown);
        let torn = packet.torn;
        let lens = ReadContext { dictionary: &self.dictionary, facts, edition, system, habit, merged, torn };
        let loose;
        let of = (&mut station.shapes, kind_of(packet.st, packet.cn));
        let mut report = self.shapes.read(&mut self.scratch, packet.area, lens, of);
        let odd = report.odd || report.deviations.contains(Deviation::ItemMalformed);
        if odd
            && !packet.sealing.is_unreadable()
            && let Some(found) = loose::read(packet.area)
        {
            self.scratch.reuse(report);
            loose = found;
            report = self.scratch.read_loosely(&loose, lens);
        }
        let report = report;
        let kind = self.context.kind_of(facts, &shown);
        let time = report.data_time.or_else(|| report.own(b"AlarmTime").filter(|_| kind == Kind::Alarm));
        let moment = time.and_then(|time| Moment::read_near(time, packet.place.at));
        let mut deviations = packet.deviations;
        times::judge(&self.settings, packet, kind, time, moment, &mut deviations);
        // Answers of 2005 carry QN in the data area.
        let qn = packet.qn.or_else(|| report.own(b"QN")).filter(|qn| !qn.is_empty());
        id::write_id(&mut self.id, &station.level, packet.named(), time, qn, report.codes);
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
        let replaces = id::replaced(station, packet);
        // Without time and codes the id is that of the unreadable record.
        let revision = revision.saturating_add(u16::from(replaces.iter().any(|id| id.as_bytes() == self.id)));
        note_times(station, packet, kind, moment, (time, qn), self.elapsed);
        let backfill = times::is_backfill(&self.settings, packet, kind, moment);
        station.habits.learn(packet.st, report.evidence);
        let received = packet.place.at;
        station.marks.believe(self.now);
        let told = marks::RecordFacts { edition, medium: system.medium, outlet: system.outlet, kind, moment, received };
        self.rulings.judge(station, facts, told, &report, &mut self.verdict);
        let envelope = DataHead {
            id: &self.id,
            revision,
            head: &station.head,
            card: &station.shown,
            st: packet.st,
            cn: packet.cn,
            qn: packet.qn,
            edition,
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
        let marks = (&station.marks, station.plan.as_deref());
        let all = data::write(&mut self.body, &envelope, &report, &self.verdict, marks);
        let content = Says::Data(DataContent {
            kind,
            revision,
            data_time: moment,
            received: packet.place.time,
            qn: packet.qn.map(Qn::of),
            backfill,
            deviations: all,
            length_off: packet.length_off,
        });
        let (topic, body) = (station.topic.data(kind), Bytes::copy_from_slice(&self.body));
        out.push(TypedPublication::of(&station.name, topic, body, content));
        done.deviations = done.deviations.union(all);
        station.count(all);
        // The hour is taken before what follows from it is: a revision of an earlier hour comes behind it.
        let (judged, means) = ((&self.settings, &self.judging), (&report, &self.verdict));
        judgement::heard(judged, station, (kind, moment), means, (packet.place, &mut self.numbers), out);
        let looked = (&self.settings, &self.judging.leads, self.elapsed);
        leads::heard(looked, station, (kind, moment), means, (packet.place, &mut self.numbers), out);
        let rules = (&self.settings, &self.rulings, &self.judging);
        marks::tell(rules, station, &self.verdict, (packet.place, &mut self.numbers), out);
        let told = (packet.st, kind, moment, backfill);
        let counting = coverage::Counting { settings: &self.settings, facts, outages: self.round.outages() };
        coverage::arrived(counting, station, told, (packet.place, &mut self.numbers), done, out);
        scores::heard(station, kind, moment);
        let learned = station.learn(&report, self.settings.card_codes_max as usize);
        self.scratch.reuse(report);
        learned
    }
}

/// Remembers what the times of a record show of the station: whether its QNs name records, and how soon records follow each other.
fn note_times(
    station: &mut Station,
    packet: &SourceRecord<'_>,
    kind: Kind,
    moment: Option<Moment>,
    (time, qn): (Option<&[u8]>, Option<&[u8]>),
    now: Timestamp,
) {
    if let Some(moment) = moment.filter(|_| !packet.rf) {
        let said = packet.qn.filter(|_| station.qn_use.is_sound()).and_then(Moment::read);
        let sent = said.map_or(packet.place.at, Moment::timestamp);
        station.pace.note(kind, moment, sent);
    }
    // Parts were noted when they came.
    if let Some(qn) = qn.filter(|_| matches!(packet.parted, PartNote::Whole) && kind != Kind::Answer) {
        let form = qn_use::form(packet.st, packet.cn.unwrap_or_default(), 0);
        station.qn_use.note(hash::content(qn), form, time.map(hash::content), now);
    }
}

/// By how many bytes the declared length is off, if it was and the declaration can still be read.
fn length_off(heard: &Heard<'_>, deviations: Deviations) -> Option<u32> {
    if !deviations.contains(Deviation::LengthOff) {
        return None;
    }
    let declared = scan::envelope(heard.raw, heard.segment.len()).declared?;
    u32::try_from(declared.abs_diff(heard.segment.len())).ok()
}

/// Looks the record up among the station's last ones; also whether its QN stood for another record (catalogue, kind 22). All that answers a
/// request carries the QN of the request, by the standard (HJ 212-2017, 6.1 and annex C): that is no reuse.
fn remember(
    settings: &Settings,
    station: &mut Station,
    packet: &SourceRecord<'_>,
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
        PartNote::One { count, number } => hash::join(hash::content(id), u64::from(count) << 16 | u64::from(number)),
        PartNote::Whole | PartNote::Merged { .. } => hash::content(id),
    };
    let (ring, max) = if kind.is_period() {
        (&mut station.periods, settings.resent_periods_max)
    } else {
        (&mut station.instants, settings.resent_instants_max)
    };
    let known = ring.meet(key, packet.content, max as usize);
    let own = qn.map(hash::content).filter(|qn| kind != Kind::Answer && !station.asked.contains(qn));
    let reused = own.is_some_and(|qn| matches!(station.qns.meet(qn, key, QNS_REMEMBERED_MAX), Known::Revised(_)));
    (known, reused.then_some(Deviation::QnReused))
}
