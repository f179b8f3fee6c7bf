//! Parts with neither DataTime nor QN in common: whose numbers alone say that they are one record.
//!
//! Such parts wait each by itself until [`BESIDE`] is over since the first; only then is it looked whether they are one record. What must
//! stay true: they are put together only where nothing contradicts, and in doubt they stay apart, each published with what is missing:
//! * all numbers are there, once, and arrived in their order; no part but the first has a DataTime;
//! * when the last was sent, no later record of this kind can have been there yet ([`Pace`]): else the first part of one record and the
//!   second of the next look as those of one, if what was between is lost. So records sent late, and kinds that have no period, stay apart;
//! * QNs that are times follow each other within [`BESIDE`];
//! * no other part of this kind began within [`BESIDE`] before the first or behind it: of records in haste nobody knows which was lost;
//! * none of them but the first says what another part has said before: it may have been sent again;
//! * the station never named its parts: by one QN for a record, or by a DataTime in a later part.

use std::collections::{BTreeMap, BTreeSet};

use super::events::JournalRef;
use super::gather::data_time_of;
use super::moment::Moment;
use super::parts::{ArrivedPart, Part, Pending, Waiting};
use super::remembered::Pace;
use super::source_record::SourceRecord;
use super::station::Station;
use super::{Interpreted, Interpreter, TypedPublication};
use hj212_coverage::Grain;
use hj212_model::message::kind::Span;
use hj212_model::message::{Kind, Timestamp};

/// Parts are put together by their numbers if they come within this time: five seconds, the usual wait for an answer (HJ 212-2017, 6.1).
pub(super) const BESIDE: i64 = 5 * 1_000_000;

/// The shortest interval of sampled data in seconds (HJ 212-2017, table 9: RtdInterval is 30 to 3600).
const INSTANT_SECONDS: u32 = 30;

const SECOND: i64 = 1_000_000;

/// The least seconds of the periods of this span, and its bit in [`Pace::at_end`].
fn period_of(kind: Kind) -> Option<(i64, u8)> {
    match kind.span() {
        _ if !kind.is_period() => None,
        Span::Instant | Span::Timeless => None,
        Span::Minute => Some((60, 1)),
        Span::FiveMinutes => Some((300, 2)),
        Span::Hour => Some((3600, 4)),
        Span::Day => Some((86_400, 8)),
    }
}

impl Pace {
    /// Notes a record of this DataTime that was sent then, by the station's QN or else the arrival.
    pub(super) fn note(&mut self, kind: Kind, moment: Moment, sent: Timestamp) {
        let begins = moment.timestamp().0;
        if let Some((seconds, bit)) = period_of(kind) {
            let early = (-60 * SECOND..seconds * SECOND).contains(&sent.0.saturating_sub(begins));
            self.at_end |= if early { bit } else { 0 };
        } else if kind == Kind::Realtime {
            let begins = begins / SECOND;
            let step = u32::try_from(begins - std::mem::replace(&mut self.sampled, begins)).unwrap_or(0);
            if step > 0 && (self.step == 0 || step < self.step) {
                self.step = step;
            }
        }
    }

    /// So long after its DataTime no later record of this kind can have been sent, in microseconds; 0: nobody knows.
    /// `interval`: how far apart the station's records of this kind are known to be.
    fn time_alone(self, kind: Kind, interval: Option<u32>) -> i64 {
        match period_of(kind) {
            // The next one begins a period later, and is there when that is over.
            Some((seconds, bit)) => {
                let long = interval.map_or(seconds, |interval| seconds.max(i64::from(interval)));
                long * SECOND * if self.at_end & bit == 0 { 2 } else { 1 }
            }
            None if kind == Kind::Realtime => {
                let known = [interval, Some(self.step)].into_iter().flatten().filter(|step| *step > 0);
                i64::from(known.min().unwrap_or(INSTANT_SECONDS).min(INSTANT_SECONDS)) * SECOND
            }
            None => 0,
        }
    }
}

impl ArrivedPart {
    /// When it was sent by its own word: its QN, if that is a time.
    fn sent_at(&self) -> Option<Timestamp> {
        Moment::read(self.name()?).map(Moment::timestamp)
    }
}

/// Whether two times are no further from each other than [`BESIDE`].
fn is_beside(one: Timestamp, other: Timestamp) -> bool {
    one.0.abs_diff(other.0) <= BESIDE.unsigned_abs()
}

impl Waiting {
    /// Whether something of a record that `part` may belong to began lately.
    pub(super) fn is_waited_for(&self, of_station: &[u64], part: &Part<'_>, now: Timestamp) -> bool {
        let mut all = of_station.iter().filter_map(|number| self.pending.get(number));
        all.any(|pending| pending.fits(part) && is_beside(pending.since, now))
    }

    /// Whether a part without a name is the one that came last.
    pub(super) fn is_latest(&self, of_station: &[u64], part: &Part<'_>, now: Timestamp) -> bool {
        let last = of_station.last().and_then(|number| self.pending.get(number));
        last.is_some_and(|pending| {
            let same = |heard: &ArrivedPart| {
                (heard.number, heard.content) == (part.number, part.content) && heard.name().is_none()
            };
            pending.fits(part)
                && is_beside(pending.since, now)
                && pending.time.is_empty()
                && pending.heard.iter().all(same)
        })
    }

    /// The next record that began with a first part longer ago than [`BESIDE`].
    fn next_begun(&mut self, now: Timestamp) -> Option<u64> {
        let (number, since) = *self.begun.front()?;
        if now.0.saturating_sub(since.0) <= BESIDE {
            return None;
        }
        self.begun.pop_front();
        Some(number)
    }

    /// The numbers of the waiting parts that are one record with `first`, in the order of the parts; nothing if anything contradicts.
    fn beside(&self, of_station: &[u64], first: u64, said_before: &dyn Fn(&Part<'_>) -> bool) -> Option<Vec<u64>> {
        let head = self.pending.get(&first)?;
        let like = |pending: &Pending| (pending.cn, pending.count, &pending.st) == (head.cn, head.count, &head.st);
        let alike = of_station.iter().filter_map(|number| Some((*number, self.pending.get(number)?)));
        let alike: Vec<(u64, &Pending)> = alike.inspect(|_| self.look()).filter(|(_, pending)| like(pending)).collect();
        let mut all: Vec<(u64, &Pending)> =
            alike.iter().copied().filter(|(_, pending)| is_beside(pending.since, head.since)).collect();
        if all.len() < 2 || all.len() != usize::from(head.count) || all.iter().any(|(_, one)| one.heard.len() != 1) {
            return None;
        }
        let number_of = |pending: &Pending| pending.heard.first().map_or(u16::MAX, |part| part.number);
        all.sort_by_key(|(_, pending)| number_of(pending));
        let from = number_of(all.first()?.1);
        let parts: Vec<_> = all.iter().filter_map(|(_, pending)| pending.heard.first()).collect();
        let in_order = from < 2 && parts.iter().zip(from..).all(|(part, number)| part.number == number);
        let untimed = parts.iter().skip(1).all(|part| part.time.is_empty());
        if !in_order || !untimed {
            return None;
        }
        let follows = parts.iter().zip(parts.iter().skip(1)).all(|(one, next)| {
            let qns = match (one.sent_at(), next.sent_at()) {
                (Some(one), Some(next)) => one < next && is_beside(one, next),
                (None, None) => one.name().is_none() == next.name().is_none(),
                (Some(_), None) | (None, Some(_)) => false,
            };
            one.offset < next.offset && qns
        });
        // How many of those that wait say the same.
        let mut said: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, pending) in &alike {
            let contents: BTreeSet<u64> =
                pending.heard.iter().inspect(|_| self.look()).map(|part| part.content).collect();
            contents.into_iter().for_each(|content| *said.entry(content).or_default() += 1);
        }
        let again = all.iter().skip(1).any(|(_, pending)| {
            pending
                .heard
                .iter()
                .any(|part| said_before(&part.said(pending)) || said.get(&part.content).is_some_and(|times| *times > 1))
        });
        let alone = parts.last().is_some_and(|last| {
            let area: Vec<u8> = parts.iter().flat_map(|part| part.area.iter().copied()).collect();
            let begins = data_time_of(&area).and_then(Moment::read_any).map(|time| time.timestamp().0);
            let sent = last.sent_at().unwrap_or(last.at).0;
            begins.is_some_and(|begins| sent >= begins - BESIDE && sent < begins.saturating_add(head.alone))
        });
        (follows && alone && !again).then(|| all.iter().map(|(number, _)| *number).collect())
    }

    /// Takes these out as one record.
    fn take_as_one(&mut self, numbers: &[u64]) -> Option<Pending> {
        let mut all = numbers.iter().filter_map(|number| self.take(*number)).collect::<Vec<_>>().into_iter();
        let mut whole = all.next()?;
        whole.heard.extend(all.flat_map(|pending| pending.heard));
        whole.by_number = true;
        whole.note_qns();
        Some(whole)
    }
}

impl Interpreter {
    /// Puts parts together by their numbers whose time to contradict is over.
    pub(super) fn join_by_number(
        &mut self,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        while let Some(first) = self.waiting.next_begun(self.elapsed) {
            let Some(home) = self.waiting.pending.get(&first).map(|pending| pending.station as usize) else { continue };
            let Some(station) = self.stations.get(home) else { continue };
            let said_before =
                |part: &Part<'_>| station.parts.is_content(part.content) || station.parts.has(part.content_key(), 0);
            if station.names_parts {
                continue;
            }
            let Some(numbers) = self.waiting.beside(&station.pending, first, &said_before) else { continue };
            let all = numbers.iter().filter_map(|number| self.waiting.pending.get(number));
            if all.map(Pending::bytes).sum::<usize>() > self.part_bytes_max() {
                continue;
            }
            let Some(whole) = self.waiting.take_as_one(&numbers) else { continue };
            let Some(mut station) = self.stations.get_mut(home).map(std::mem::take) else { continue };
            station.pending.retain(|waiting| !numbers.contains(waiting));
            if self.publish_parts(&mut station, first, &whole, place, out, done) {
                self.publish_card(&mut station, out);
            }
            if let Some(back) = self.stations.get_mut(home) {
                *back = station;
            }
        }
    }

    /// So long after its DataTime no later record of this kind can have been sent, in microseconds; 0: nobody knows.
    pub(super) fn time_alone(&self, station: &Station, packet: &SourceRecord<'_>) -> i64 {
        let facts = self.context.facts(std::str::from_utf8(&station.mn).unwrap_or_default());
        let kind = self.context.kind_of(facts, &packet.shown(&station.mn));
        let grains = [(Kind::Realtime, Grain::Realtime), (Kind::Minute, Grain::Minute)];
        let grain = grains.into_iter().find(|(known, _)| *known == kind).map(|(_, grain)| grain);
        let interval = grain.and_then(|grain| station.ledger.cadence(grain)).map(|(seconds, _)| seconds);
        station.pace.time_alone(kind, interval)
    }

    /// The most bytes of a record in parts.
    pub(super) fn part_bytes_max(&self) -> usize {
        usize::try_from(self.settings.parts_record_max).unwrap_or(usize::MAX).min(60 * 1024)
    }

    /// Notes how the station names its parts.
    pub(super) fn note_names(&self, station: &mut Station, found: Option<u64>, part: &Part<'_>) {
        let later = part.number > 1;
        let other =
            |heard: &ArrivedPart| heard.number != part.number && heard.name().is_some_and(|qn| Some(qn) == part.qn);
        let shared =
            found.and_then(|found| self.waiting.pending.get(&found)).is_some_and(|p| p.heard.iter().any(other));
        station.names_parts |= shared || (later && part.time.is_some());
    }
}
