//! Records that come in several packets (HJ 212-2017, 6.3.1): gathered until they are whole, or until they have waited long enough.
//! Which parts belong together is told in [`super::parts`].
//!
//! What must stay true: a part is published once, with the others or in what there is of them; which parts wait depends on the records
//! before alone.

use bytes::Bytes;

use super::data::PartNote;
use super::events::{self, JournalRef};
use super::keys::Sealing;
use super::parts::{self, Joined, Pending};
use super::source_record::SourceRecord;
use super::station::Station;
use super::{EventKind, Interpreted, Interpreter, Says, StationEvent, TypedPublication, hash, micros};
use hj212::value::is_data_time;
use hj212::{Deviation, Header};

/// Parts remembered per station, to tell late re-sends of single parts.
const PARTS_REMEMBERED_MAX: usize = 64;

/// QNs of parts remembered per station, with the DataTime that one of them had.
const PART_TIMES_MAX: usize = 16;

impl Interpreter {
    /// What the packet says of its record, if it is a part that can be put together with others: by its DataTime, or by its QN.
    pub(super) fn part_of<'a>(
        &self,
        packet: &SourceRecord<'a>,
        station: Option<u32>,
        header: &Header<'a>,
    ) -> Option<parts::Part<'a>> {
        let PartNote::One { count, number } = packet.parted else { return None };
        let fits = count <= self.settings.parts_max && number <= count;
        if packet.sealing.is_unreadable() || station.is_none() || !fits {
            return None;
        }
        let (time, qn, content) = (data_time_of(packet.area), packet.qn, packet.content);
        let part = parts::Part { st: packet.st, cn: header.cn?, count, number, time, qn, record: None, content };
        Some(part)
    }

    pub(super) fn gather_part(
        &mut self,
        station: &mut Station,
        packet: &SourceRecord<'_>,
        said: parts::Part<'_>,
        owner: Option<u32>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) -> bool {
        let said = parts::Part { qn: said.qn.filter(|qn| self.names_record(station, &said, qn)), ..said };
        let known = if said.time.is_none() { station.part_times.content(said.qn_key()) } else { None };
        // Without a QN it is a re-send only if nothing waits for it.
        let waited_for = said.is_nameless() && self.waiting.is_waited_for(&station.pending, &said, self.elapsed);
        let said = parts::Part { record: known.filter(|_| !waited_for), ..said };
        if said.is_nameless() && !waited_for && said.record.is_none() {
            station.parts.meet(said.content_key(), 0, PARTS_REMEMBERED_MAX);
            return self.publish(station, packet, out, done);
        }
        if let Some(time) = said.time.filter(|_| said.qn.is_some_and(|qn| !qn.is_empty())) {
            station.part_times.meet(said.qn_key(), hash::content(time), PART_TIMES_MAX);
        }
        let again = waited_for && self.waiting.is_latest(&station.pending, &said, self.elapsed);
        if again || station.parts.has(said.key(), packet.content) {
            done.resent += 1;
            done.deviations = packet.deviations.union(Deviation::Resent.into());
            station.count(done.deviations);
            return false;
        }
        done.deviations = packet.deviations;
        let part = parts::ArrivedPart {
            number: said.number,
            qn: packet.qn.map(<[u8]>::to_owned),
            named: said.qn.is_some(),
            rf: packet.rf,
            area: packet.area.to_owned(),
            content: packet.content,
            time: said.time.unwrap_or_default().to_owned(),
            deviations: packet.deviations.bits(),
            length_off: packet.length_off,
            edition: packet.edition,
            flagged: packet.flagged,
            sealing: packet.sealing,
            received: packet.place.time,
            at: packet.place.at,
            offset: packet.place.offset,
            hash: *packet.place.hash,
        };
        let record_max = self.part_bytes_max();
        let mut learned = false;
        let mut part = part;
        let found = self.waiting.find(&station.pending, &said);
        self.note_names(station, found, &said);
        if let Some(found) = found {
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
            cn: said.cn,
            time: said.time.unwrap_or_default().to_owned(),
            count: said.count,
            alone: self.time_alone(station, packet),
            by_number: false,
            since: self.elapsed,
            heard: vec![part],
            qns: std::collections::BTreeSet::new(),
        });
        station.pending.push(opened);
        learned
    }

    /// Gives up the parts whose time is over, and the oldest while there are too many bytes.
    pub(super) fn expire(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>, done: &mut Interpreted) {
        self.join_by_number(place, out, done);
        while let Some((number, since)) = self.waiting.oldest() {
            let late = self.elapsed.0.saturating_sub(since.0) >= micros(self.settings.parts_max_wait);
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

    /// Publishes what there is of a record that came in parts.
    pub(super) fn publish_parts(
        &mut self,
        station: &mut Station,
        number: u64,
        pending: &Pending,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) -> bool {
        station.pending.retain(|waiting| *waiting != number);
        let Some(latest) = pending.latest() else { return false };
        for part in &pending.heard {
            let said = part.said(pending);
            station.parts.meet(said.key(), part.content, PARTS_REMEMBERED_MAX);
            if let Some(time) = said.time.filter(|_| part.time.is_empty()) {
                // Sent again, it is known by its QN.
                station.part_times.meet(said.qn_key(), hash::content(time), PART_TIMES_MAX);
            }
        }
        let mut area = Vec::new();
        let seams = pending.area(&mut area);
        let packet = SourceRecord {
            st: pending.st.as_deref(),
            cn: Some(pending.cn),
            qn: latest.qn.as_deref(),
            rf: pending.heard.iter().any(|part| part.rf),
            edition: latest.edition,
            flagged: latest.flagged,
            area: &area,
            parted: PartNote::Merged { count: pending.count, heard: &pending.heard },
            sealing: pending.heard.iter().fold(Sealing::Plain, |all, part| all.join(part.sealing)),
            deviations: pending.deviations().union(seams.found),
            torn: &seams.torn,
            length_off: pending.heard.iter().find_map(|part| part.length_off),
            content: pending.heard.iter().fold(u64::from(pending.count), |all, part| hash::join(all, part.content)),
            place: JournalRef { offset: latest.offset, time: latest.received, at: latest.at, hash: &latest.hash },
        };
        let learned = self.publish(station, &packet, out, done);
        if !pending.is_complete() {
            done.parts_missing += 1;
            let data = String::from_utf8_lossy(&self.id).into_owned();
            let id = format!("{}-{}-parts-missing-{number}", self.settings.gateway, place.name());
            self.body.clear();
            events::write_parts_missing(&mut self.body, &station.head, &id, place, pending, &data);
            let event = StationEvent { kind: EventKind::Other, time: place.time };
            let (topic, body) = (station.topic.event("parts-missing"), Bytes::copy_from_slice(&self.body));
            let said = TypedPublication::of(&station.name, topic, body, Says::Event(event));
            out.push(said.labelled("parts-missing", id));
        }
        learned
    }
}

/// The DataTime of an area, without reading the whole area.
pub(super) fn data_time_of(area: &[u8]) -> Option<&[u8]> {
    let find = |name: &[u8]| {
        let at = memchr::memmem::find(area, name)?;
        let begins = at == 0 || matches!(area.get(at - 1), Some(b';' | b',' | b' '));
        area.get(at + name.len()..).filter(|_| begins)
    };
    let value = find(b"DataTime=").or_else(|| data_time_in_other_case(area))?;
    let end = memchr::memchr2(b';', b',', value).unwrap_or(value.len());
    value.get(..end).filter(|time| !time.is_empty())
}

/// What stands behind a `DataTime` in another case or with spaces.
#[cold]
fn data_time_in_other_case(area: &[u8]) -> Option<&[u8]> {
    area.split(|byte| matches!(byte, b';' | b',')).find_map(|field| {
        let equals = memchr::memchr(b'=', field)?;
        let (name, value) = field.split_at_checked(equals)?;
        is_data_time(name).then(|| value.get(1..).map(<[u8]>::trim_ascii))?
    })
}
