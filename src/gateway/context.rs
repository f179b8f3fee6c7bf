//! Journals what interpretation depends on besides the frames, whenever it has changed, so that a replay finds it in its place.
//!
//! The whole context is one run of records (see [`crate::message::record`]); it is written again at a start when it differs from
//! the last one or is older than [`REFRESH`], so that a journal whose oldest segments are gone still says who its stations are.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::derived::Derived;
use crate::message::{Context, Record, Timestamp};

/// A context this old is written again at the next start.
pub const REFRESH: Duration = Duration::from_secs(24 * 3600);

/// The longest piece of JSON in one record.
const PIECE_MAX: usize = 512 * 1024;

const FILE: &str = "context";

/// The records to be journalled for `context`, as (kind, body); none if it is what was last written, not long ago.
#[must_use]
pub fn records(context: &Context, derived: &Derived, now: Timestamp) -> Vec<(u8, Vec<u8>)> {
    let json = json(context);
    let hash = hash(&json);
    if is_current(derived, &hash, now) {
        return Vec::new();
    }
    let pieces: Vec<&[u8]> = json.chunks(PIECE_MAX).collect();
    let parts = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let records = (0u32..).zip(pieces).map(|(part, json)| {
        let record = Record::Context { hash, part, parts, json };
        let mut body = Vec::new();
        record.encode(&mut body);
        (record.kind(), body)
    });
    records.collect()
}

/// Remembers that `context` is in the journal. Forgotten, it is only written once more.
pub fn written(context: &Context, derived: &Derived, now: Timestamp) -> std::io::Result<()> {
    let mut bytes = hash(&json(context)).to_vec();
    bytes.extend_from_slice(&now.0.to_le_bytes());
    derived.store(FILE, &bytes)
}

fn is_current(derived: &Derived, hash: &[u8; 32], now: Timestamp) -> bool {
    let Some(bytes) = derived.load(FILE) else { return false };
    let Some((known, at)) = bytes.split_first_chunk::<32>() else { return false };
    let Ok(at) = at.try_into().map(i64::from_le_bytes) else { return false };
    let age = now.0.saturating_sub(at);
    known == hash && (0..i64::try_from(REFRESH.as_micros()).unwrap_or(i64::MAX)).contains(&age)
}

/// The context as JSON, never empty, in a stable order.
fn json(context: &Context) -> Vec<u8> {
    serde_json::to_vec(context).unwrap_or_else(|_| b"{}".to_vec())
}

fn hash(json: &[u8]) -> [u8; 32] {
    Sha256::digest(json).into()
}
