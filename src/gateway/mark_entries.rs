//! Marks entered by hand, what authorities rule about them, steps of cases, and entries of the electronic ledger: from the broker into the journal, as they came. Whether one is good is judged
//! where the journal is interpreted, and answered from there. The role of a ruling is a level of its topic, so that the broker's access list
//! decides who speaks as county, city or province.
//!
//! What must stay true: an entry or ruling is acknowledged to the broker only once it is on disk; not more than [`PER_SECOND`] are taken, the rest waits
//! at the broker.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command_desk::short;
use super::record;
use hj212_journal::{Journal, Offset};
use hj212_model::message::Record;
use hj212_mqtt::Inbox;

/// Entries taken in a second, at most: people write them.
pub(super) const PER_SECOND: u32 = 50;
/// What the journal refused is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub(super) async fn run(mut inbox: Inbox, prefix: String, journal: Arc<Journal>, stop: CancellationToken) {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let incoming = tokio::select! {
            incoming = inbox.next() => incoming,
            () = stop.cancelled() => return,
        };
        let Some(incoming) = incoming else { return };
        let topic = incoming.topic.strip_prefix(&prefix).unwrap_or(&incoming.topic).to_owned();
        let levels: Vec<&str> = topic.trim_start_matches('/').split('/').collect();
        let record = match levels.as_slice() {
            [mn, "mark-entry", id] => {
                tracing::info!(mn = %short(mn).escape_debug(), id = %short(id).escape_debug(), "a mark was entered by hand");
                Some(Record::MarkEntry { mn, id, json: &incoming.payload })
            }
            [mn, "mark-ruling", role, id] => {
                tracing::info!(mn = %short(mn).escape_debug(), role = %short(role).escape_debug(), id = %short(id).escape_debug(), "an authority ruled about a mark");
                Some(Record::MarkRuling { mn, role, id, json: &incoming.payload })
            }
            [mn, "case-step", role, id] => {
                tracing::info!(mn = %short(mn).escape_debug(), role = %short(role).escape_debug(), id = %short(id).escape_debug(), "a step of a case came");
                Some(Record::CaseStep { mn, role, id, json: &incoming.payload })
            }
            [mn, "ledger", role, id] => {
                tracing::info!(mn = %short(mn).escape_debug(), role = %short(role).escape_debug(), id = %short(id).escape_debug(), "an entry of the electronic ledger came");
                Some(Record::WorkEntry { mn, role, id, json: &incoming.payload })
            }
            _ => None,
        };
        if let Some(record) = record {
            tokio::select! {
                () = stored(&journal, record) => {}
                () = stop.cancelled() => return,
            }
        }
        incoming.taken();
        pace.tick().await;
    }
}

/// Returns when the entry is on disk, however long that takes.
async fn stored(journal: &Journal, entry: Record<'_>) {
    loop {
        let (settled, outcome) = tokio::sync::oneshot::channel();
        let record = record(&entry);
        journal.appender().append(record, move |outcome: Result<Offset, _>| {
            // Whoever waited may have been stopped.
            let _ = settled.send(outcome.is_ok());
        });
        if outcome.await == Ok(true) {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
