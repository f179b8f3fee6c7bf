//! What stations have shown, kept across restarts: the CRC mistakes of `crc = "learn"` stations in the small file `learned`; where each station
//! was last heard, with a hash of its password, in the file `heard_addresses`; who shows another MN, in the file `moves`, which is written before the
//! first frame under that MN is taken for the station's.
//!
//! Derived: if a file is gone, a station is learned anew from its next frames, which it sends again because they get no answer. One that shows
//! another MN is then refused until its old one was heard, or it is registered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::derived::Derived;
use crate::net::ListenerState;
use hj212_model::session::{HeardAddresses, Learned, Moves};

const FILE: &str = "learned";
const HEARD_ADDRESSES: &str = "heard_addresses";
const MOVES: &str = "moves";

/// How often the files are written, if something was learned.
const EVERY: Duration = Duration::from_secs(2);

/// Where stations were heard is written at most once in so many of these, for on mobile links it changes all the time.
const ADDRESSES_EVERY: u32 = 30;

/// What an earlier run had learned.
pub(super) fn load(derived: &Derived) -> BTreeMap<String, Learned> {
    derived.load(FILE).and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default()
}

/// Has `shared` take up where an earlier run heard whom, and keep who has another MN.
pub(super) fn follow_moves(derived: &Derived, shared: &ListenerState) {
    let heard: Option<HeardAddresses> =
        derived.load(HEARD_ADDRESSES).and_then(|bytes| postcard::from_bytes(&bytes).ok());
    let moves: Option<Moves> = derived.load(MOVES).and_then(|bytes| postcard::from_bytes(&bytes).ok());
    let heard = heard.unwrap_or_default();
    // Without the file, as earlier versions left it, the other one says who has moved.
    let heard = match &moves {
        Some(moves) => heard.with(moves),
        None => heard,
    };
    let kept = derived.clone();
    shared.keep_moves_by(move |moves| kept.store(MOVES, &postcard::to_stdvec(moves).map_err(std::io::Error::other)?));
    shared.remember_addresses(heard, &moves.unwrap_or_default().unsure);
}

/// Writes what is learned, until `stop` and once more then.
pub(super) async fn keep(shared: Arc<ListenerState>, derived: Derived, stop: CancellationToken) {
    let mut kept = shared.learned();
    let mut turn = 0;
    loop {
        let stopped = tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok();
        let now = shared.learned();
        if now != kept {
            store(&derived, &now);
            kept = now;
        }
        turn += 1;
        shared.settle_moves();
        let due = stopped || turn % ADDRESSES_EVERY == 1;
        if let Some(heard_addresses) = due.then(|| shared.addresses_to_keep()).flatten() {
            let bytes = postcard::to_stdvec(&heard_addresses).map_err(std::io::Error::other);
            if let Err(error) = bytes.and_then(|bytes| derived.store(HEARD_ADDRESSES, &bytes)) {
                tracing::warn!(%error, "where stations were heard cannot be written; it is learned anew after a restart");
            }
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
