//! Tests of the whole journal, on simulated disks and on the real one.

mod age;
mod crash;
mod full;
mod life;
mod model;
mod place;
mod rot;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use super::sim_disk::{Random, SimDisk};
use super::*;

pub(super) const DIR: &str = "/j";

pub(super) fn settings() -> Settings {
    Settings { dir: DIR.into(), segment_size: 4096, reserve: 0, ..Settings::default() }
}

/// Opens a journal that nobody holds anything of.
pub(super) fn open_on(disk: &SimDisk, settings: &Settings) -> Result<Journal, OpenError> {
    let journal = open(Arc::new(disk.clone()), settings, Arc::default())?;
    for holder in [Holder::Interpretation, Holder::Commands] {
        journal.keep_from(holder, Offset(u64::MAX));
    }
    Ok(journal)
}

/// An entry that is like no other: its number is in it.
pub(super) fn entry(number: u64, length: usize) -> Entry {
    let mut random = Random::new(number);
    let mut body = number.to_le_bytes().to_vec();
    body.extend((0..length).map(|_| random.number() as u8));
    Entry { time: Timestamp(number as i64 * 1000), kind: (number % 7) as u8, body }
}

/// Appends and waits for all outcomes.
pub(super) fn append(journal: &Journal, entries: Vec<Entry>) -> Vec<Result<Offset, Unstored>> {
    let (send, outcomes) = mpsc::channel();
    let count = entries.len();
    let receipts = entries.into_iter().enumerate().map(|(place, entry)| {
        let send = send.clone();
        (entry, move |outcome| send.send((place, outcome)).unwrap_or_default())
    });
    journal.appender().append_all(receipts);
    let mut settled = vec![None; count];
    for _ in 0..count {
        let (place, outcome) = outcomes.recv().unwrap();
        assert!(settled[place].replace(outcome).is_none(), "settled once");
    }
    settled.into_iter().map(Option::unwrap).collect()
}

/// Everything a reader finds, and the offsets of gaps.
pub(super) fn read_all(mut reader: Reader) -> (BTreeMap<u64, Entry>, Vec<u64>) {
    let (mut records, mut missing) = (BTreeMap::new(), Vec::new());
    let mut last = 0;
    while let Some(item) = reader.next().unwrap() {
        match item {
            ReadItem::Gap { first, last: end, .. } => {
                assert!(last < first.0 && first <= end);
                missing.extend(first.0..=end.0);
                last = end.0;
            }
            ReadItem::Record(record) => {
                assert!(last < record.offset.0);
                last = record.offset.0;
                let entry = Entry { time: record.time, kind: record.kind, body: record.body.to_vec() };
                records.insert(last, entry);
            }
        }
    }
    (records, missing)
}

pub(super) fn sound(disk: &SimDisk) -> Report {
    verify(Arc::new(disk.clone()), Path::new(DIR)).unwrap()
}
