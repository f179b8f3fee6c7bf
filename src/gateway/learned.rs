//! The CRC mistakes that `crc = "learn"` stations have shown, kept across restarts in the small file `learned`.
//!
//! Derived: if the file is gone, a station is learned anew from its next frames, which it sends again because they get no answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::derived::Derived;
use crate::net::House;
use hj212_model::session::Learned;

const FILE: &str = "learned";

/// How often the file is written, if something was learned.
const EVERY: Duration = Duration::from_secs(10);

/// What an earlier run had learned.
pub(super) fn load(derived: &Derived) -> BTreeMap<String, Learned> {
    derived.load(FILE).and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default()
}

/// Writes what is learned, until `stop` and once more then.
pub(super) async fn keep(house: Arc<House>, derived: Derived, stop: CancellationToken) {
    let mut kept = house.learned();
    loop {
        let stopped = tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok();
        let now = house.learned();
        if now != kept {
            store(&derived, &now);
            kept = now;
        }
        if stopped {
            return;
        }
    }
}

fn store(derived: &Derived, learned: &BTreeMap<String, Learned>) {
    let stored =
        postcard::to_stdvec(learned).map_err(std::io::Error::other).and_then(|bytes| derived.store(FILE, &bytes));
    if let Err(error) = stored {
        tracing::warn!(%error, "what was learned of CRCs cannot be written; it is learned anew after a restart");
    }
}
