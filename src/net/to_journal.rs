//! Records on their way to the journal, and what becomes of them.

use tokio::sync::oneshot;

use hj212_journal::{Entry, Offset, Receipt, Unstored};
use hj212_model::message::{Record, Timestamp};

/// Tells a connection what became of its record; or nobody.
#[derive(Debug)]
pub struct StoredNotice(Option<oneshot::Sender<Result<Offset, Unstored>>>);

impl StoredNotice {
    /// For records that nobody waits for.
    #[must_use]
    pub const fn nobody() -> Self {
        StoredNotice(None)
    }

    pub(super) fn wanted() -> (Self, oneshot::Receiver<Result<Offset, Unstored>>) {
        let (sender, receiver) = oneshot::channel();
        (StoredNotice(Some(sender)), receiver)
    }
}

impl Receipt for StoredNotice {
    fn settle(self, outcome: Result<Offset, Unstored>) {
        if let Some(waiting) = self.0 {
            // A connection that has ended meanwhile is not interested.
            let _ = waiting.send(outcome);
        }
    }
}

/// `record` as it is appended.
pub(super) fn entry(record: &Record<'_>, time: Timestamp) -> Entry {
    let (kind, body) = record.encoded();
    Entry { time, kind, body }
}
