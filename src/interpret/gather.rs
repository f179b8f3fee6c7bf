//! Records that come in several packets (HJ 212-2017, 6.3.1): gathered until they are whole, or until they have waited long enough.
//!
//! What must stay true: a part is published once, with the others or in what there is of them; which parts wait depends on the records
//! before alone.

use super::data::Parted;
use super::events::{self, Place};
use super::frame::Packet;
use super::keys::Sealing;
use super::parts::{self, Joined, Pending};
use super::station::Station;
use super::{Interpreted, Interpreter, hash, micros};
use crate::message::Publication;
use crate::protocol::{Deviation, Header};

/// Parts remembered per station, to tell late re-sends of single parts.
const PARTS_REMEMBERED_MAX: usize = 64;

impl Interpreter {
    /// Whether the packet is a part that can be put together with others: its count, its number and its DataTime.
    pub(super) fn part_of<'a>(
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
    pub(super) fn gather_part(
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

    /// Gives up the parts whose time is over, and the oldest while there are too many bytes.
    pub(super) fn expire(&mut self, place: Place<'_>, out: &mut Vec<Publication>, done: &mut Interpreted) {
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
