//! Keys of the key file into the journal, so that the interpretation of the journal finds them there and a replay, too.
//!
//! They are journalled when the file has changed, when a start cannot find them in the journal any more, and once more when that was long
//! ago: the journal alone must be enough to read what it holds. What must stay true: nothing here prints a key, and what is remembered of the
//! file is a hash, and where in the journal the keys are.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::derived::Derived;
use crate::net;
use hj212_downlink::{StationKey, Step};
use hj212_journal::{Journal, Offset, ReadItem};
use hj212_model::message::{Record, Timestamp};

const FILE: &str = "keys";
/// Keys this old in the journal are said once more.
const REFRESH: i64 = 24 * 3_600_000_000;

/// The records to be journalled for `keys`, as (kind, body); none if they are what was last written, not long ago, and `is_there` says that
/// a start finds these records.
#[must_use]
pub(super) fn records(
    keys: &[StationKey],
    derived: &Derived,
    now: Timestamp,
    is_there: impl Fn(u64, u64) -> bool,
) -> Vec<(u8, Vec<u8>)> {
    let known = derived.load(FILE).filter(|bytes| bytes.starts_with(&hash(keys)));
    let number =
        |at: usize| known.as_ref().and_then(|bytes| bytes.get(at..at + 8)?.try_into().ok()).map(u64::from_le_bytes);
    if let (Some(at), Some(first), Some(last)) = (number(32), number(40), number(48))
        && (0..REFRESH).contains(&(now.0.saturating_sub(at.cast_signed())))
        && is_there(first, last)
    {
        return Vec::new();
    }
    let again = known.is_some();
    keys.iter().map(|key| record(&Step::of_key(key, again))).collect()
}

/// The keys of the file by station, for the stations' listener: where there is no command desk, nobody knows more of them.
pub(super) fn by_station(keys: &[StationKey]) -> net::Keys {
    let mut all: HashMap<Box<str>, Vec<_>> = HashMap::new();
    for key in keys {
        all.entry(key.mn.as_str().into()).or_default().push(key.key.clone());
    }
    all.into_iter().map(|(mn, keys)| (mn, keys.into())).collect()
}

/// Says that the file does not hold any more, before other keys are journalled.
pub(super) fn forget(derived: &Derived) -> std::io::Result<()> {
    derived.forget(FILE)
}

/// Remembers that `keys` are in the journal, as the records `first..=last`. Forgotten, they are only written once more.
pub(super) fn written(
    keys: &[StationKey],
    derived: &Derived,
    now: Timestamp,
    first: Offset,
    last: Offset,
) -> std::io::Result<()> {
    let mut bytes = hash(keys).to_vec();
    bytes.extend_from_slice(&now.0.to_le_bytes());
    bytes.extend_from_slice(&first.0.to_le_bytes());
    bytes.extend_from_slice(&last.0.to_le_bytes());
    derived.store(FILE, &bytes)
}

/// Whether the records `first..=last` can be read and are steps of commands.
pub(super) fn is_readable(journal: &Journal, first: u64, last: u64) -> bool {
    let mut reader = journal.reader(Offset(first));
    let mut all = first..=last;
    all.all(|offset| {
        matches!(reader.next(), Ok(Some(ReadItem::Record(stored))) if stored.offset.0 == offset && stored.kind == 10)
    })
}

fn record(step: &Step) -> (u8, Vec<u8>) {
    let encoded = step.encode();
    Record::Command(&encoded).encoded()
}

fn hash(keys: &[StationKey]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(Step::of_key(key, false).encode());
        hash.update(b"\n");
    }
    hash.finalize().into()
}
