//! Records to [`hj212_coverage`] and back: what of a report is counted, and what is published of gaps.
//!
//! What must stay true: one record of the journal gives at most [`PER_RECORD_MAX`] publications of the round about all stations, and a few
//! more; what is left comes with the next records. So neither midnight nor the return of the gateway makes a flood in memory. The ledgers
//! hear that the gateway was away before any of them is told that time has passed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::data::{quoted, write_journal};
use super::events::{JournalRef, begin};
use super::moment::{Moment, write_timestamp};
use super::numbers::Numbers;
use super::station::Station;
use super::{EventKind, Interpreted, Interpreter, Says, Settings, StationEvent, TypedPublication, json};
use hj212_coverage::{Arrival, Cause, Grain, Happening, Ledger, Outages, Recall, Stretch};
use hj212_downlink as downlink;
use hj212_marking::{Mark, Marks};
use hj212_model::clock::belief::Step;
use hj212_model::message::{Kind, Record, StationFacts, Timestamp};

/// How often time passes for the ledgers, in microseconds of the time that has passed.
const ROUND: i64 = 60_000_000;
/// Publications of a round that one record of the journal may give before the round waits for the next one.
const PER_RECORD_MAX: usize = 256;
/// A gateway that runs writes a record every few seconds. One that wrote none for this long stored nothing, whatever the reason: a full disk,
/// a host that slept, a start whose record was lost. Microseconds.
const SILENCE_MAX: i64 = 300_000_000;
/// Marks named beside a gap, the newest.
const MARKS_MAX: usize = 32;

/// Where the round of all ledgers stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    begun: Timestamp,
    /// The station that is next; `None`: the round is over.
    next: Option<u32>,
    /// The station at which planning goes on, so that every one has its turn.
    #[serde(skip)]
    planned: u32,
    /// When the gateway took nothing.
    outages: Outages,
    /// Whether it said that it started and not that it stopped.
    running: bool,
}

/// What an arrival is counted by.
#[derive(Clone, Copy)]
pub(super) struct Counting<'a> {
    pub(super) settings: &'a Settings,
    pub(super) facts: Option<&'a StationFacts>,
    pub(super) outages: &'a Outages,
}

impl Round {
    pub(super) const fn outages(&self) -> &Outages {
        &self.outages
    }
}

/// Counts a record, unless it is of ST 44 or 45 (HJ 212-2025: electricity and production) beside the station's own.
pub(super) fn arrived(
    Counting { settings, facts, outages }: Counting<'_>,
    station: &mut Station,
    (st, kind, moment, backfill): (Option<&[u8]>, Kind, Option<Moment>, bool),
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    done: &mut Interpreted,
    out: &mut Vec<TypedPublication>,
) {
    let (Some(grain), Some(moment)) = (Grain::of(kind), moment) else { return };
    let own = facts.and_then(|facts| facts.st.as_deref()).map(str::as_bytes);
    if matches!(st, Some(b"44" | b"45")) && own != st {
        return;
    }
    let registered = facts.and_then(|facts| match grain {
        Grain::Realtime => facts.realtime_interval,
        Grain::Minute => facts.minute_interval,
        Grain::Hour | Grain::Day => None,
    });
    let arrival = Arrival { grain, data_time: moment.timestamp(), at: place.at, backfill, registered };
    let mut happenings = Vec::new();
    station.ledger.arrived(&arrival, outages, &mut happenings);
    publish(settings, station, &happenings, (place, numbers), done, out);
}

/// Publishes what the ledger of a station noticed.
fn publish(
    settings: &Settings,
    station: &Station,
    happenings: &[Happening],
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    done: &mut Interpreted,
    out: &mut Vec<TypedPublication>,
) {
    for happening in happenings {
        let number = numbers.next("gaps", &station.level);
        let (kind, stretch) = match happening {
            Happening::Begun(stretch) | Happening::Grown(stretch) => ("gap", stretch),
            Happening::Closed(stretch, ..) => ("gap-closed", stretch),
            Happening::Counted(grain) => {
                publish_days(station, *grain, place, out);
                continue;
            }
        };
        // A round tells of many stations at one record.
        let id = format!("{}-{}-{}-{kind}-{number}", settings.gateway, place.name(), station.level);
        let mut body = Vec::with_capacity(512);
        begin(&mut body, &station.head, kind, &id, place);
        write_stretch(&mut body, stretch);
        match happening {
            Happening::Begun(_) | Happening::Grown(_) => {
                done.gaps += u32::from(matches!(happening, Happening::Begun(_)));
                body.extend_from_slice(if stretch.growing { b",\"growing\":true" } else { b",\"growing\":false" });
            }
            Happening::Closed(stretch, reason, outcome) => {
                done.gaps_closed += 1;
                body.extend_from_slice(b",\"reason\":");
                json::string(&mut body, reason.code());
                body.extend_from_slice(b",\"outcome\":");
                json::optional(&mut body, outcome.map(hj212_downlink::Outcome::code));
                for (key, count) in [
                    (&b",\"came\":"[..], stretch.came),
                    (b",\"recalled\":", stretch.recalled),
                    (b",\"missing\":", stretch.count.saturating_sub(stretch.came)),
                ] {
                    body.extend_from_slice(key);
                    json::number(&mut body, u64::from(count));
                }
            }
            Happening::Counted(_) => {}
        }
        write_marks_over(&mut body, &station.marks, stretch);
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        let event = StationEvent { kind: EventKind::UnderWay, time: place.time };
        let (topic, content) = (station.topic.event(kind), Says::Event(event));
        out.push(TypedPublication::of(&station.name, topic, Bytes::from(body), content).labelled(kind, id));
    }
}

/// The marks that hold, or held, while records were missing: they explain it, and make nothing of it good. The newest first.
fn marks_over<'a>(marks: &'a Marks, stretch: &Stretch) -> Vec<&'a Mark> {
    let (from, to) = (stretch.from, stretch.end().max(Timestamp(stretch.from.0 + 1)));
    let over = |mark: &&Mark| mark.begun && mark.since < to && mark.until.is_none_or(|until| until > from);
    let mut found: Vec<&Mark> = marks.ended().chain(marks.held()).filter(over).collect();
    found.sort_by(|a, b| (b.since, &a.mark, &a.object, &a.by).cmp(&(a.since, &b.mark, &b.object, &b.by)));
    found
}

/// Appends them as the marks of a report, each with its end.
fn write_marks_over(out: &mut Vec<u8>, marks: &Marks, stretch: &Stretch) {
    let found = marks_over(marks, stretch);
    out.extend_from_slice(b",\"marks\":[");
    for (at, mark) in found.iter().take(MARKS_MAX).enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"mark\":" } else { b"{\"mark\":" });
        json::string(out, &mark.mark);
        out.extend_from_slice(b",\"object\":");
        json::string(out, &mark.object);
        out.extend_from_slice(b",\"standing\":");
        json::string(out, mark.standing.name());
        out.extend_from_slice(b",\"by\":");
        json::string(out, &mark.by);
        out.extend_from_slice(b",\"since\":");
        quoted(out, |out| write_timestamp(out, mark.since));
        out.extend_from_slice(b",\"until\":");
        match mark.until {
            Some(until) => quoted(out, |out| write_timestamp(out, until)),
            None => out.extend_from_slice(b"null"),
        }
        if mark.standing.counts() && mark.effect().is_none() {
            out.extend_from_slice(b",\"effective\":false");
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"marks_left_out\":");
    json::number(out, found.len().saturating_sub(MARKS_MAX) as u64);
}

fn write_stretch(out: &mut Vec<u8>, stretch: &Stretch) {
    out.extend_from_slice(b",\"data_kind\":");
    json::string(out, stretch.grain.name());
    for (key, time) in [(&b",\"from\":"[..], stretch.from), (b",\"to\":", stretch.to)] {
        out.extend_from_slice(key);
        quoted(out, |out| write_data_time(out, time));
    }
    for (key, number) in [(&b",\"count\":"[..], stretch.count), (b",\"interval\":", stretch.interval)] {
        out.extend_from_slice(key);
        json::number(out, u64::from(number));
    }
    out.extend_from_slice(b",\"cause\":");
    json::string(out, stretch.cause.code());
    for (number, (cause, count)) in Cause::ALL.iter().zip(stretch.causes).enumerate() {
        out.extend_from_slice(if number > 0 { b"," } else { b",\"causes\":{" });
        json::string(out, cause.code());
        out.push(b':');
        json::number(out, u64::from(count));
    }
    out.push(b'}');
}

/// Appends a time of the ledger, which has whole seconds, as `data_time` is written.
fn write_data_time(out: &mut Vec<u8>, time: Timestamp) {
    let start = out.len();
    write_timestamp(out, time);
    let millis = start + "2026-11-23T10:30:00".len();
    out.drain(millis..(millis + ".000".len()).min(out.len()));
}

/// Says again what is retained of a station.
pub(super) fn retell(station: &Station, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
    for grain in Grain::ALL {
        if station.ledger.days(grain).any(|day| day.ended) {
            publish_days(station, grain, place, out);
        }
    }
}

/// Publishes the days of one grain that have ended (schema `hj212.completeness/1`).
fn publish_days(station: &Station, grain: Grain, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
    let mut body = b"{\"schema\":\"hj212.completeness/1\"".to_vec();
    body.extend_from_slice(&station.head);
    body.extend_from_slice(b",\"kind\":");
    json::string(&mut body, grain.name());
    body.extend_from_slice(b",\"interval\":");
    json::number(&mut body, u64::from(station.ledger.interval(grain).unwrap_or(0)));
    body.extend_from_slice(b",\"days\":[");
    for (number, day) in station.ledger.days(grain).filter(|day| day.ended).enumerate() {
        body.extend_from_slice(if number > 0 { b",{\"day\":" } else { b"{\"day\":" });
        json::string(&mut body, &day.day);
        body.extend_from_slice(b",\"expected\":");
        json::number(&mut body, u64::from(day.expected));
        body.extend_from_slice(b",\"there\":");
        json::number(&mut body, u64::from(day.there));
        body.extend_from_slice(b",\"gateway_down\":");
        json::number(&mut body, u64::from(day.gateway_down));
        body.extend_from_slice(b",\"rate\":");
        write_rate(&mut body, day.there, day.owed());
        body.push(b'}');
    }
    body.push(b']');
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    let newest = station.ledger.days(grain).filter(|day| day.ended).last().map(Box::new);
    let (topic, content) = (station.topic.completeness(grain.name()), Says::Completeness(grain, newest));
    out.push(TypedPublication::of(&station.name, topic, Bytes::from(body), content));
}

/// Appends `there` of what the station answers for as a number from 0 to 1 of four decimals, cut, so that only what is complete is 1; null of nothing.
fn write_rate(out: &mut Vec<u8>, there: u32, expected: u32) {
    let Some(rate) = (u64::from(there) * 10_000).checked_div(u64::from(expected)) else {
        return out.extend_from_slice(b"null");
    };
    out.extend_from_slice(format!("{}.{:04}", rate / 10_000, rate % 10_000).as_bytes());
}

/// Forgets what was counted of a station that is registered no more.
pub(super) fn forget(station: &mut Station, out: &mut Vec<TypedPublication>) {
    let ledger = std::mem::take(&mut station.ledger);
    for grain in ledger.grains().filter(|grain| ledger.days(*grain).any(|day| day.ended)) {
        let (topic, content) = (station.topic.completeness(grain.name()), Says::Completeness(grain, None));
        out.push(TypedPublication::of(&station.name, topic, Bytes::new(), content));
    }
}

impl Interpreter {
    /// Notes that the gateway was away, if `record` or the time since the one before says so. `before`: what the time was then;
    /// `first`: nothing was known of it; `step`: that the date was set.
    pub(super) fn note_outage(
        &mut self,
        record: &Record<'_>,
        (first, before, step): (bool, Timestamp, Option<Step>),
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let now = self.now;
        if now < before {
            self.round.outages.unsay_after(now);
        }
        let silent = self.round.running && now.0.saturating_sub(before.0) > SILENCE_MAX;
        let starts = matches!(record, Record::Started(_));
        if let Some(step) = step.filter(|step| step.from < step.to) {
            // What the date passes over is not the station's doing. It lies before the time in which the clock was doubted.
            let shifted = |at: Timestamp| Timestamp(at.0.saturating_sub(step.doubted));
            self.round.outages.note(shifted(step.from), shifted(step.to));
        } else if !first && (starts || silent) && before < now {
            self.round.outages.note(before, now);
            // It is not the station's silence either.
            self.stations.iter_mut().for_each(|station| station.marks.restart(now));
        }
        if starts || matches!(record, Record::Stopped) {
            self.round.running = starts;
            let since = if first { now } else { before.min(now) };
            let since = if starts { since } else { now };
            for station in &mut self.stations {
                station.ledger.restarted(since, now);
            }
            self.on_restart(place.at, out);
        }
    }

    /// Lets time pass for the ledgers, about once a minute, as many stations at a time as give [`PER_RECORD_MAX`] publications.
    pub(super) fn round(&mut self, place: JournalRef<'_>, done: &mut Interpreted, out: &mut Vec<TypedPublication>) {
        let due = self.elapsed.0.saturating_sub(self.round.begun.0) >= ROUND;
        let first = match self.round.next.take() {
            Some(next) => next,
            None if due => {
                self.round.begun = self.elapsed;
                0
            }
            None => return,
        };
        let most = out.len().saturating_add(PER_RECORD_MAX);
        let mut happenings = Vec::new();
        for (number, station) in self.stations.iter_mut().enumerate().skip(first as usize) {
            if out.len() >= most {
                self.round.next = u32::try_from(number).ok();
                return;
            }
            happenings.clear();
            station.ledger.tick(self.now, &self.settings.coverage, &self.round.outages, &mut happenings);
            publish(&self.settings, station, &happenings, (place, &mut self.numbers), done, out);
        }
    }

    /// Tells a station's ledger of a step of a command.
    pub(super) fn recall_step(
        &mut self,
        step: &downlink::Step,
        place: JournalRef<'_>,
        done: &mut Interpreted,
        out: &mut Vec<TypedPublication>,
    ) {
        let number = self.by_mn.get(step.mn().as_bytes());
        let Some(station) = number.and_then(|number| self.stations.get_mut(*number as usize)) else { return };
        let mut happenings = Vec::new();
        station.ledger.step(step, place.at, &self.settings.coverage, &self.round.outages, &mut happenings);
        publish(&self.settings, station, &happenings, (place, &mut self.numbers), done, out);
    }

    /// What stations are to be asked for at `now`, as `[recall]` allows; to be called every few seconds when the journal has been
    /// read to its end. Each is to become a command of the gateway ([`hj212_downlink::Desk::want`]), whose steps come back through
    /// the journal.
    pub fn recalls(&mut self, now: Timestamp) -> Vec<Recall> {
        let settings = &self.settings.coverage;
        let mut recalls = Vec::new();
        if !settings.enabled {
            return recalls;
        }
        let open = self.stations.iter().filter(|station| station.ledger.is_asked(now)).count();
        let most = (settings.open_max as usize).saturating_sub(open);
        let (count, first) = (self.stations.len(), self.round.planned as usize);
        for turn in 0..count {
            if recalls.len() >= most {
                break;
            }
            let number = (first + turn) % count;
            let Some(station) = self.stations.get_mut(number) else { break };
            let Ok(mn) = std::str::from_utf8(&station.mn) else { continue };
            if let Some(recall) = station.ledger.plan(mn, now, settings) {
                recalls.push(recall);
                self.round.planned = u32::try_from(number + 1).unwrap_or(0);
            }
        }
        recalls
    }

    /// The ledgers of all stations of which something was counted, by MN.
    pub fn ledgers(&self) -> impl Iterator<Item = (&[u8], &Ledger)> {
        let counted = self.stations.iter().filter(|station| station.ledger.grains().next().is_some());
        counted.map(|station| (station.mn.as_slice(), &station.ledger))
    }

    /// The marks that explain why records of a station are missing, the newest first.
    #[must_use]
    pub fn explaining(&self, mn: &[u8], stretch: &Stretch) -> Vec<&Mark> {
        let station = self.by_mn.get(mn).and_then(|number| self.stations.get(*number as usize));
        station.map_or_else(Vec::new, |station| marks_over(&station.marks, stretch))
    }

    /// The date that is believed.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.now
    }
}
