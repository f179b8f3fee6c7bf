//! Records that come in parts (HJ 212-2017, tables C.49 and C.50): kept until they are complete or their time is over.
//!
//! Parts belong together by (MN, ST, CN, DataTime). Each part is a packet of its own, with its own QN and its own answer, so nothing
//! waits for this but the publication. Limits, all in [`super::Settings`]: parts of a record, its bytes, records waiting per
//! station and bytes waiting in all. At a limit the oldest waiting record is published with what is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::keys::Sealing;
use crate::message::Timestamp;
use crate::protocol::{Deviations, Edition};

/// A part that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heard {
    pub(super) number: u16,
    pub(super) qn: Option<Vec<u8>>,
    pub(super) rf: bool,
    pub(super) area: Vec<u8>,
    /// The hash of the area.
    pub(super) content: u64,
    /// What was read over in it, as bits: see [`Deviations::bits`].
    pub(super) deviations: u128,
    pub(super) length_off: Option<u32>,
    pub(super) edition: Option<Edition>,
    pub(super) sealing: Sealing,
    pub(super) received: Timestamp,
    pub(super) offset: u64,
    pub(super) hash: [u8; 32],
}

/// A record of which parts are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// The station's number.
    pub(super) station: u32,
    pub(super) st: Option<Vec<u8>>,
    pub(super) cn: u16,
    pub(super) time: Vec<u8>,
    pub(super) count: u16,
    /// When the first part came, by the time of records.
    pub(super) since: Timestamp,
    /// In the order of their numbers.
    pub(super) heard: Vec<Heard>,
}

impl Pending {
    /// The bytes of all areas.
    pub(super) fn bytes(&self) -> usize {
        self.heard.iter().map(|part| part.area.len() + 1).sum()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.heard.len() == usize::from(self.count)
    }

    /// The part that came last.
    pub(super) fn latest(&self) -> Option<&Heard> {
        self.heard.iter().max_by_key(|part| part.offset)
    }

    /// All areas in the order of their numbers, as one.
    pub(super) fn area(&self, out: &mut Vec<u8>) {
        out.clear();
        for part in &self.heard {
            if !out.is_empty() {
                out.push(b';');
            }
            out.extend_from_slice(&part.area);
        }
    }

    /// What was read over in all parts.
    pub(super) fn deviations(&self) -> Deviations {
        Deviations::from_bits(self.heard.iter().fold(0, |all, part| all | part.deviations))
    }
}

/// All records waiting, by the order of their first parts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Waiting {
    pending: BTreeMap<u64, Pending>,
    next: u64,
    bytes: usize,
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
    Clashes(Pending, Heard),
}

impl Waiting {
    /// The bytes of all parts that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the record that (`st`, `cn`, `time`) of a station belongs to, among those in `of_station`.
    pub(super) fn find(&self, of_station: &[u64], st: Option<&[u8]>, cn: u16, time: &[u8], count: u16) -> Option<u64> {
        of_station.iter().copied().find(|number| {
            self.pending.get(number).is_some_and(|pending| {
                pending.cn == cn && pending.count == count && pending.time == time && pending.st.as_deref() == st
            })
        })
    }

    /// Opens a record with its first part; its number.
    pub(super) fn open(&mut self, pending: Pending) -> u64 {
        let number = self.next;
        self.next += 1;
        self.bytes += pending.bytes();
        self.pending.insert(number, pending);
        number
    }

    /// Adds a part to the record `number`, which is at most `bytes_max` long.
    pub(super) fn join(&mut self, number: u64, part: Heard, bytes_max: usize) -> Joined {
        let Some(pending) = self.pending.get_mut(&number) else { return Joined::Waits };
        match pending.heard.binary_search_by_key(&part.number, |heard| heard.number) {
            Ok(at) if pending.heard.get(at).is_some_and(|heard| heard.content == part.content) => Joined::Resent,
            Err(at) if pending.bytes() + part.area.len() < bytes_max => {
                self.bytes += part.area.len() + 1;
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
