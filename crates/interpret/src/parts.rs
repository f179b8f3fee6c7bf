//! Records that come in parts (HJ 212-2017, tables C.49 and C.50): kept until they are complete or their time is over.
//!
//! Parts belong together by (MN, ST, CN, DataTime); parts without a DataTime of their own, as loggers write them that cut the area
//! by bytes, by their QN, where it names a record (see [`super::qn_use`]); and where each has a QN of its own, or none, by their numbers:
//! see [`super::by_number`]. How the areas become one is in [`super::seams`]. What must stay true: no part is put to another record than that of its DataTime or its QN, if it has one that is known;
//! where a part is missing, nothing is put together over the gap. Each part is a packet of its own, with its own QN and its own answer, so
//! nothing waits for this but the publication. Limits, all in [`super::Settings`]: parts of a record, its bytes, records waiting per
//! station and bytes waiting in all. At a limit the oldest waiting record is published with what is there.
//!
//! What a part costs is bounded by the records that wait for its station (`parts_station_max`), however many parts these have and however alike
//! they are: the QNs of a record are looked up, and its parts are compared only where one has that QN.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::hash;
use super::keys::Sealing;
use super::seams::{Seams, may_go_on, names_instruments, time_head};
use hj212::{Deviation, Deviations, Edition};
use hj212_model::message::Timestamp;

/// A part that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ArrivedPart {
    pub(super) number: u16,
    pub(super) qn: Option<Vec<u8>>,
    /// Whether the QN was taken for the name of its record.
    pub(super) named: bool,
    pub(super) rf: bool,
    pub(super) area: Vec<u8>,
    /// The hash of the area.
    pub(super) content: u64,
    /// Its DataTime; empty if it has none.
    pub(super) time: Vec<u8>,
    /// What was read over in it, as bits: see [`Deviations::bits`].
    pub(super) deviations: u128,
    pub(super) length_off: Option<u32>,
    pub(super) edition: Option<Edition>,
    /// Whether it has a Flag.
    pub(super) flagged: bool,
    pub(super) sealing: Sealing,
    pub(super) received: Timestamp,
    /// The plausible time of its record.
    pub(super) at: Timestamp,
    pub(super) offset: u64,
    pub(super) hash: [u8; 32],
}

impl ArrivedPart {
    /// Its QN, if that names its record.
    pub(super) fn name(&self) -> Option<&[u8]> {
        self.qn.as_deref().filter(|qn| self.named && !qn.is_empty())
    }

    /// What it says of its record, which is `pending`.
    pub(super) fn said<'a>(&'a self, pending: &'a Pending) -> Part<'a> {
        Part {
            st: pending.st.as_deref(),
            cn: pending.cn,
            count: pending.count,
            number: self.number,
            time: Some(pending.time.as_slice()).filter(|time| !time.is_empty()),
            qn: self.name(),
            record: None,
            content: self.content,
        }
    }
}

/// What a part says of the record it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) st: Option<&'a [u8]>,
    pub(super) cn: u16,
    pub(super) count: u16,
    pub(super) number: u16,
    /// Its DataTime, if it has one.
    pub(super) time: Option<&'a [u8]>,
    /// Its QN, if that names its record.
    pub(super) qn: Option<&'a [u8]>,
    /// The hash of the DataTime that an earlier part with this QN had.
    pub(super) record: Option<u64>,
    /// The hash of its area.
    pub(super) content: u64,
}

impl Part<'_> {
    /// A number for its record: by its DataTime, or that of its QN, or by the QN itself.
    fn record(&self) -> u64 {
        let by_qn = || hash::join(hash::content(b"QN"), hash::content(self.qn.unwrap_or_default()));
        self.time.map(hash::content).or(self.record).unwrap_or_else(by_qn)
    }

    fn numbers(&self, number: u16) -> u64 {
        let numbers = u64::from(self.cn) << 32 | u64::from(self.count) << 16 | u64::from(number);
        hash::join(hash::content(self.st.unwrap_or_default()), numbers)
    }

    /// A number for the part itself, to tell that it came again.
    pub(super) fn key(&self) -> u64 {
        hash::join(self.record(), self.numbers(self.number))
    }

    /// A number for all parts with this QN; of a part without one for this part alone.
    pub(super) fn qn_key(&self) -> u64 {
        match self.qn.filter(|qn| !qn.is_empty()) {
            Some(qn) => hash::join(hash::content(qn), self.numbers(0)),
            None => hash::join(self.content, self.numbers(self.number)),
        }
    }

    /// A number for what it says, whatever its record.
    pub(super) fn content_key(&self) -> u64 {
        hash::join(hash::content(b"content"), hash::join(self.content, self.numbers(self.number)))
    }

    /// Whether nothing but its numbers says which record it belongs to.
    pub(super) fn is_nameless(&self) -> bool {
        self.time.is_none() && self.qn.is_none_or(<[u8]>::is_empty)
    }
}

/// A record of which parts are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The station's number.
    pub(super) station: u32,
    pub(super) st: Option<Vec<u8>>,
    pub(super) cn: u16,
    /// The DataTime of one of its parts; empty while none that came has one.
    pub(super) time: Vec<u8>,
    pub(super) count: u16,
    /// So long after its DataTime no later record of its kind can have been sent, in microseconds; 0: nobody knows.
    pub(super) alone: i64,
    /// Whether its parts were put together by their numbers alone.
    pub(super) by_number: bool,
    /// When the first part came, by the time that has passed.
    pub(super) since: Timestamp,
    /// In the order of their numbers.
    pub(super) heard: Vec<ArrivedPart>,
    /// The QNs of its parts as numbers.
    pub(super) qns: BTreeSet<u64>,
}

impl Pending {
    /// The bytes of all areas.
    pub(super) fn bytes(&self) -> usize {
        self.heard.iter().map(|part| part.area.len() + 1).sum()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.heard.len() == usize::from(self.count)
    }

    /// Whether it is a record of the kind and the count of parts that `part` says.
    pub(super) fn fits(&self, part: &Part<'_>) -> bool {
        self.cn == part.cn && self.count == part.count && self.st.as_deref() == part.st
    }

    /// Whether one of its parts has this QN, whether it names the record or not.
    pub(super) fn has_qn(&self, qn: &[u8]) -> bool {
        self.qns.contains(&hash::content(qn)) && self.heard.iter().any(|heard| heard.qn.as_deref() == Some(qn))
    }

    /// Whether one of its parts has this QN as the name of the record.
    fn is_named(&self, qn: &[u8]) -> bool {
        self.qns.contains(&hash::content(qn)) && self.heard.iter().any(|heard| heard.name() == Some(qn))
    }

    /// Notes the QNs of its parts.
    pub(super) fn note_qns(&mut self) {
        self.qns = self.heard.iter().filter_map(|part| part.qn.as_deref()).map(hash::content).collect();
    }

    /// Whether the part of this number came.
    pub(super) fn has(&self, number: u16) -> bool {
        self.heard.binary_search_by_key(&number, |part| part.number).is_ok()
    }

    /// The part that came last.
    pub(super) fn latest(&self) -> Option<&ArrivedPart> {
        self.heard.iter().max_by_key(|part| part.offset)
    }

    /// All areas in the order of their numbers, as one; and how they were cut.
    pub(super) fn area(&self, out: &mut Vec<u8>) -> Seams {
        out.clear();
        let mut seams = Seams::default();
        let mut expected = u16::from(!self.is_from_zero());
        let mut timed = false;
        let instruments = self.heard.iter().any(|part| names_instruments(&part.area));
        // Neither the part 0 nor the last by the count from 1: either may be the one that is missing.
        let first_lost = self.heard.iter().all(|part| part.number > 0 && part.number < self.count)
            && self.heard.first().is_some_and(|part| may_go_on(&part.area));
        for part in &self.heard {
            let missing = std::mem::replace(&mut expected, part.number.saturating_add(1)) != part.number;
            // The parts but the first say the DataTime again, and what follows it may go on with what stood before.
            let head = if timed { time_head(&part.area, &self.time) } else { 0 };
            let body = part.area.get(head..).unwrap_or_default();
            timed |= !part.time.is_empty();
            if missing || (first_lost && out.is_empty()) {
                seams.gap(out, body, instruments);
            } else if !out.is_empty() {
                seams.join(out, body);
            }
            out.extend_from_slice(body);
        }
        if expected < self.count + u16::from(!self.is_from_zero()) {
            seams.ends_open(out);
        }
        if self.heard.iter().any(|part| part.time.is_empty()) && self.heard.len() > 1 {
            seams.found.insert(if self.by_number { Deviation::PartsByNumber } else { Deviation::PartsWithoutTime });
        }
        if self.is_from_zero() {
            seams.found.insert(Deviation::PartsFromZero);
        }
        seams
    }

    /// Whether its parts are counted from 0.
    pub(super) fn is_from_zero(&self) -> bool {
        self.heard.first().is_some_and(|part| part.number == 0)
    }

    /// The numbers of the parts that were not heard.
    pub(super) fn missing(&self) -> impl Iterator<Item = u64> {
        missing(self.count, &self.heard)
    }

    /// What was read over in all parts.
    pub(super) fn deviations(&self) -> Deviations {
        Deviations::from_bits(self.heard.iter().fold(0, |all, part| all | part.deviations))
    }
}

/// The numbers of `count` parts that are not among those heard; counted from 0 if one of these is.
pub(super) fn missing(count: u16, heard: &[ArrivedPart]) -> impl Iterator<Item = u64> {
    let first = u16::from(heard.iter().all(|part| part.number > 0));
    (first..count + first).filter(|number| !heard.iter().any(|part| part.number == *number)).map(u64::from)
}

/// All records waiting, by the order of their first parts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) pending: BTreeMap<u64, Pending>,
    next: u64,
    bytes: usize,
    /// Those that began with a first part, until it is looked whether others follow by their numbers.
    pub(super) begun: VecDeque<(u64, Timestamp)>,
    /// How many records or parts were looked at.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) looked: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It waits for the others.
    Waits,
    /// It was there already.
    Resent,
    /// The record is complete.
    Complete(Pending),
    /// The number was there with another content, or the record became too long: what there was is given up, and the part comes back.
    Clashes(Pending, ArrivedPart),
}

impl Waiting {
    /// Counts a record or a part that is looked at.
    pub(super) fn look(&self) {
        #[cfg(test)]
        self.looked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// The bytes of all parts that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the record that a part belongs to by its DataTime or QN, among those in `of_station`.
    pub(super) fn find(&self, of_station: &[u64], part: &Part<'_>) -> Option<u64> {
        let find = |by: &dyn Fn(&Pending) -> bool| {
            let fits = |pending: &Pending| {
                self.look();
                pending.fits(part) && by(pending)
            };
            of_station.iter().copied().find(|number| self.pending.get(number).is_some_and(fits))
        };
        let qn = part.qn.filter(|qn| !qn.is_empty());
        let has_qn = |pending: &Pending| qn.is_some_and(|qn| pending.is_named(qn));
        match part.time {
            Some(time) => find(&|pending| pending.time == time)
                .or_else(|| find(&|pending| pending.time.is_empty() && has_qn(pending))),
            None => find(&|pending| !pending.time.is_empty() && part.record == Some(hash::content(&pending.time)))
                .or_else(|| find(&|pending| has_qn(pending) && !pending.has(part.number)))
                .or_else(|| find(&has_qn)),
        }
    }

    /// Opens a record with its first part; its number.
    pub(super) fn open(&mut self, mut pending: Pending) -> u64 {
        pending.note_qns();
        let number = self.next;
        self.next += 1;
        self.bytes += pending.bytes();
        if pending.heard.iter().any(|part| part.number < 2) {
            self.begun.push_back((number, pending.since));
        }
        self.pending.insert(number, pending);
        number
    }

    /// Adds a part to the record `number`, which is at most `bytes_max` long.
    pub(super) fn join(&mut self, number: u64, part: ArrivedPart, bytes_max: usize) -> Joined {
        let Some(pending) = self.pending.get_mut(&number) else { return Joined::Waits };
        // Counted from 0 or from 1: not both.
        let counts = pending.heard.first().map_or(part.number, |first| first.number.min(part.number));
        let last = pending.heard.last().map_or(part.number, |last| last.number.max(part.number));
        let both = counts == 0 && last == pending.count;
        match pending.heard.binary_search_by_key(&part.number, |heard| heard.number) {
            Ok(at) if pending.heard.get(at).is_some_and(|heard| heard.content == part.content) => Joined::Resent,
            Err(at) if pending.bytes() + part.area.len() < bytes_max && !both => {
                self.bytes += part.area.len() + 1;
                if pending.time.is_empty() {
                    pending.time.clone_from(&part.time);
                }
                pending.qns.extend(part.qn.as_deref().map(hash::content));
                pending.heard.insert(at, part);
                if !pending.is_complete() {
                    return Joined::Waits;
                }
                self.take(number).map_or(Joined::Waits, Joined::Complete)
            }
            Ok(_) | Err(_) => match self.take(number) {
                Some(pending) => Joined::Clashes(pending, part),
                None => Joined::Waits,
            },
        }
    }

    /// Takes the record `number` out.
    pub(super) fn take(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(pending.bytes());
        Some(pending)
    }

    /// The number of the record that has waited longest, and since when.
    pub(super) fn oldest(&self) -> Option<(u64, Timestamp)> {
        self.pending.first_key_value().map(|(number, pending)| (*number, pending.since))
    }
}
