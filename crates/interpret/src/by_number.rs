//! Parts with neither DataTime nor QN in common: whose numbers alone say that they are one record.
//!
//! Such parts wait each by itself until [`BESIDE`] is over since the first; only then is it looked whether they are one record. What must
//! stay true: they are put together only where nothing contradicts, and in doubt they stay apart, each published with what is missing:
//! * all numbers are there, once, and arrived in their order; no part but the first has a DataTime;
//! * QNs that are times follow each other within [`BESIDE`];
//! * no other part of this kind began within [`BESIDE`] before the first or behind it: of records in haste nobody knows which was lost;
//! * none of them but the first says what another part has said before: it may have been sent again;
//! * the station never named its parts: by one QN for a record, or by a DataTime in a later part.

use super::events::JournalRef;
use super::moment::Moment;
use super::parts::{Part, Pending, Waiting};
use super::station::Station;
use super::{Interpreted, Interpreter};
use hj212_model::message::{Publication, Timestamp};

/// Parts are put together by their numbers if they come within this time: five seconds, the usual wait for an answer (HJ 212-2017, 6.1).
pub(super) const BESIDE: i64 = 5 * 1_000_000;

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
            let same = |heard: &super::parts::ArrivedPart| {
                (heard.number, heard.content) == (part.number, part.content) && heard.qn.is_none()
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
        let alike: Vec<(u64, &Pending)> = alike.filter(|(_, pending)| like(pending)).collect();
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
        let follows = parts.iter().zip(parts.iter().skip(1)).all(|(one, next)| {
            let time = |qn: &Option<Vec<u8>>| Moment::read(qn.as_deref()?).map(Moment::timestamp);
            let qns = match (time(&one.qn), time(&next.qn)) {
                (Some(one), Some(next)) => one < next && is_beside(one, next),
                (None, None) => one.qn.is_none() == next.qn.is_none(),
                (Some(_), None) | (None, Some(_)) => false,
            };
            one.offset < next.offset && qns
        });
        let again = all.iter().skip(1).any(|(number, pending)| {
            pending.heard.iter().any(|part| {
                let said = part.said(pending);
                let waits = |(other, pending): &(u64, &Pending)| {
                    other != number && pending.heard.iter().any(|heard| heard.content == part.content)
                };
                said_before(&said) || alike.iter().any(waits)
            })
        });
        (in_order && untimed && follows && !again).then(|| all.iter().map(|(number, _)| *number).collect())
    }

    /// Takes these out as one record.
    fn take_as_one(&mut self, numbers: &[u64]) -> Option<Pending> {
        let mut all = numbers.iter().filter_map(|number| self.take(*number)).collect::<Vec<_>>().into_iter();
        let mut whole = all.next()?;
        whole.heard.extend(all.flat_map(|pending| pending.heard));
        Some(whole)
    }
}

impl Interpreter {
    /// Puts parts together by their numbers whose time to contradict is over.
    pub(super) fn join_by_number(&mut self, place: JournalRef<'_>, out: &mut Vec<Publication>, done: &mut Interpreted) {
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

    /// The most bytes of a record in parts.
    pub(super) fn part_bytes_max(&self) -> usize {
        usize::try_from(self.settings.parts_record_max).unwrap_or(usize::MAX).min(60 * 1024)
    }

    /// Notes how the station names its parts.
    pub(super) fn note_names(&self, station: &mut Station, found: Option<u64>, part: &Part<'_>) {
        let later = part.number > 1;
        let other = |heard: &super::parts::ArrivedPart| {
            heard.number != part.number && heard.qn.as_deref().is_some_and(|qn| !qn.is_empty() && Some(qn) == part.qn)
        };
        let shared =
            found.and_then(|found| self.waiting.pending.get(&found)).is_some_and(|p| p.heard.iter().any(other));
        station.names_parts |= shared || (later && part.time.is_some());
    }
}
