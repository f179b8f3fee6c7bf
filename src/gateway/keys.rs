//! Keys of the key file into the journal, so that the interpretation of the journal finds them there and a replay, too.
//!
//! They are journalled when the file has changed, and once more when that was long ago: the journal alone must be enough to read what it
//! holds. What must stay true: nothing here prints a key, and what is remembered of the file is a hash.

use sha2::{Digest, Sha256};

use super::derived::Derived;
use crate::downlink::{StationKey, Step};
use crate::message::{Record, Timestamp};

const FILE: &str = "keys";
/// Keys this old in the journal are said once more.
const REFRESH: i64 = 24 * 3_600_000_000;

/// The records to be journalled for `keys`, as (kind, body); none if they are what was last written, not long ago.
#[must_use]
pub(super) fn records(keys: &[StationKey], derived: &Derived, now: Timestamp) -> Vec<(u8, Vec<u8>)> {
    let known = derived.load(FILE).filter(|bytes| bytes.starts_with(&hash(keys)));
    let at = known.as_ref().and_then(|bytes| bytes.get(32..40)?.try_into().ok()).map(i64::from_le_bytes);
    if at.is_some_and(|at| (0..REFRESH).contains(&(now.0.saturating_sub(at)))) {
        return Vec::new();
    }
    let again = known.is_some();
    keys.iter().map(|key| record(&Step::of_key(key, again))).collect()
}

/// Remembers that `keys` are in the journal. Forgotten, they are only written once more.
pub(super) fn written(keys: &[StationKey], derived: &Derived, now: Timestamp) -> std::io::Result<()> {
    let mut bytes = hash(keys).to_vec();
    bytes.extend_from_slice(&now.0.to_le_bytes());
    derived.store(FILE, &bytes)
}

fn record(step: &Step) -> (u8, Vec<u8>) {
    let encoded = step.encode();
    let record = Record::Command(&encoded);
    let mut body = Vec::new();
    record.encode(&mut body);
    (record.kind(), body)
}

fn hash(keys: &[StationKey]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for key in keys {
        hash.update(Step::of_key(key, false).encode());
        hash.update(b"\n");
    }
    hash.finalize().into()
}
