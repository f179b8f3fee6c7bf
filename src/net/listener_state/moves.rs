//! Stations that show another MN: where whom was heard, who has moved, and both kept on disk before a move is believed.
//!
//! What must stay true: that a station has another MN is on disk before a frame under it is taken for the station's; a move whose record may not
//! be in the journal is journalled once more before any frame of it. Of what is written, the last holds.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock};

use tokio::sync::oneshot;

use crate::net::locked::open;
use crate::net::to_journal::{StoredNotice, entry};
use hj212_downlink::Step;
use hj212_journal::{Entry, Offset, Unstored};
use hj212_model::message::{Record, Timestamp};
use hj212_model::registry::Registry;
use hj212_model::session::{Directory, HeardAddresses, Moved, Moves};

/// The old MN of a move, and what becomes of its record.
type UnsureMove = (String, oneshot::Receiver<Result<Offset, Unstored>>);

/// Writes who has another MN, durably.
type WriteMoves = dyn Fn(&Moves) -> std::io::Result<()> + Send + Sync;

/// What writes who has another MN, if anything does.
#[derive(Default)]
struct MoveStore(OnceLock<Box<WriteMoves>>);

impl std::fmt::Debug for MoveStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MoveStore")
    }
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct StationMoves {
    /// Where stations were heard, and who shows another MN.
    heard_addresses: Mutex<HeardAddresses>,
    store: MoveStore,
    /// Old MNs of moves whose record is on its way to the journal.
    unsure: Mutex<Vec<UnsureMove>>,
}

impl StationMoves {
    /// Has `write` keep who has another MN from here on; only the first does.
    pub(super) fn keep_by(&self, write: Box<WriteMoves>) {
        // A second one would have half of them.
        let _ = self.store.0.set(write);
    }

    /// Takes up where an earlier run heard whom; the records of moves that may not be in the journal (`unsure`).
    pub(super) fn restore(
        &self,
        heard_addresses: HeardAddresses,
        unsure: &BTreeSet<String>,
        now: Timestamp,
    ) -> Vec<(Entry, StoredNotice)> {
        *open(&self.heard_addresses) = heard_addresses.restored();
        let again: Vec<Moved> =
            open(&self.heard_addresses).moved().filter(|moved| unsure.contains(&moved.mn)).collect();
        let wait = |moved: Moved| {
            let (notice, receipt) = StoredNotice::wanted();
            open(&self.unsure).push((moved.mn.clone(), receipt));
            (moved_entry(&moved, true, now), notice)
        };
        again.into_iter().map(wait).collect()
    }

    /// Writes who has moved, if anybody has.
    pub(super) fn write_any(&self) {
        let any = open(&self.heard_addresses).moved().next().is_some();
        if any {
            self.write();
        }
    }

    /// Who has moved.
    pub(super) fn shown(&self) -> Vec<Moved> {
        open(&self.heard_addresses).moved().collect()
    }

    /// Forgets moves that `registry` has decided: the new MN has a row of its own, or is refused.
    pub(super) fn decide(&self, registry: &Registry) {
        open(&self.heard_addresses).retain(|mn, new_mn| {
            let refused = |row: &std::sync::Arc<hj212_model::registry::Station>| {
                row.facts.mn_refused.iter().any(|refused| refused == new_mn)
            };
            registry.find(new_mn.as_bytes()).is_none() && registry.find(mn.as_bytes()).is_some_and(|row| !refused(row))
        });
    }

    /// Where who was heard, for the next run; `None`: as when this was last given.
    pub(super) fn to_keep(&self) -> Option<HeardAddresses> {
        open(&self.heard_addresses).to_keep()
    }

    /// Notes which moves are in the journal by now.
    pub(super) fn settle(&self) {
        let waits = |(_, receipt): &mut UnsureMove| !matches!(receipt.try_recv(), Ok(Ok(_)));
        let settled = {
            let mut unsure = open(&self.unsure);
            let before = unsure.len();
            unsure.retain_mut(waits);
            before != unsure.len()
        };
        if settled {
            self.write();
        }
    }

    /// Writes who has another MN; whether that is on disk now, or nothing writes it.
    fn write(&self) -> bool {
        let Some(write) = self.store.0.get() else { return true };
        // Held over the write: what is written last is what holds.
        let unsure = open(&self.unsure);
        let mut moves = open(&self.heard_addresses).moves();
        moves.unsure = unsure.iter().map(|(mn, _)| mn.clone()).collect();
        let written = write(&moves);
        drop(unsure);
        if let Err(error) = &written {
            tracing::warn!(%error, "who has another MN cannot be written");
        }
        written.is_ok()
    }

    /// Which station an unknown MN may be the new one of ([`HeardAddresses`]): nothing is taken for true yet.
    pub(super) fn candidate(
        &self,
        (new_mn, pw): (&str, &[u8]),
        from: IpAddr,
        spoke: &[Box<str>],
        directory: &Mutex<Directory>,
    ) -> Option<Moved> {
        let directory = open(directory);
        open(&self.heard_addresses).candidate(new_mn, from, pw, spoke, |mn| directory.find(mn).is_some())
    }

    /// A station has moved; the record that says so. `None`: that cannot be kept on disk.
    pub(super) fn take(&self, moved: &Moved, now: Timestamp) -> Option<(Entry, StoredNotice)> {
        let (notice, receipt) = StoredNotice::wanted();
        open(&self.heard_addresses).take(moved);
        open(&self.unsure).push((moved.mn.clone(), receipt));
        if self.write() {
            return Some((moved_entry(moved, true, now), notice));
        }
        open(&self.heard_addresses).give_up(moved);
        open(&self.unsure).retain(|(mn, _)| *mn != moved.mn);
        None
    }

    /// A registered station was heard: the move that was taken for true and is none, and the record that says so.
    pub(super) fn heard(
        &self,
        (mn, pw): (&str, &[u8]),
        from: IpAddr,
        live: bool,
        now: Timestamp,
    ) -> Option<(Moved, Entry)> {
        let moved = open(&self.heard_addresses).heard(mn, from, pw, live)?;
        self.write();
        let said = moved_entry(&moved, false, now);
        Some((moved, said))
    }
}

fn moved_entry(moved: &Moved, held: bool, now: Timestamp) -> Entry {
    let step = Step::Moved { mn: moved.mn.clone(), new_mn: moved.new_mn.clone(), held };
    entry(&Record::Command(&step.encode()), now)
}
