//! Push: what is told to people and systems beside the broker, on its way from the uplink to the sinks of `[push]`.
//!
//! ```text
//! uplink ──► offer ──► a queue for each sink ──► send (a task) ══► the other side
//!    ▲                        └──► keep (a task) ──► file
//!    └── stored_before: how far the cursor may go
//! ```
//!
//! What must stay true:
//! * what is offered is what the uplink publishes, with its [`Label`](hj212_interpret::Label): nothing is interpreted a second time, no topic and no
//!   body is read back;
//! * nothing here can delay the uplink: it waits for no disk and no other side ([`sink`] has the rest);
//! * a message is on disk before the cursor on disk passes its record, or that is counted and said;
//! * a message is known again by its record and its id: after a crash none is queued twice, and what was sent and not noted goes again with the
//!   same id.

mod file;
pub(super) mod named;
pub(super) mod shown;
mod sink;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use file::QueueFile;
pub use sink::SinkFigures;
use sink::{STORE_WAIT, SinkQueue};

use hj212_interpret::TypedPublication;
use hj212_journal::{Disk, Offset};
use hj212_model::clock;
use hj212_model::telemetry::Telemetry;
use hj212_push::{Item, MessageFacts, Names, Settings};

/// The sinks of a running gateway.
#[derive(Debug, Default)]
pub struct Pusher {
    sinks: Vec<Arc<SinkQueue>>,
}

/// The files of the queues, until they are given to the tasks that keep them.
#[derive(Debug)]
pub struct QueueFiles(Vec<QueueFile>);

impl Pusher {
    /// Reads the queues in the journal's folder `dir`. `last` is the journal's end: what comes next may have numbers that were given before.
    #[must_use]
    pub fn open(
        settings: &Settings,
        (disk, dir): (&Arc<dyn Disk>, &Path),
        (journal_id, last): ([u8; 16], Offset),
        telemetry: &Arc<Telemetry>,
    ) -> (Pusher, QueueFiles) {
        let (mut sinks, mut files) = (Vec::new(), Vec::new());
        for sink in &settings.sinks {
            let (file, mut queue) = QueueFile::open(Arc::clone(disk), dir, journal_id, &sink.name);
            queue.forget_beyond(last.0);
            sinks.push(Arc::new(SinkQueue::new(sink.clone(), queue, Arc::clone(telemetry))));
            files.push(file);
        }
        for name in
            file::names(&**disk, dir).iter().filter(|name| settings.sinks.iter().all(|sink| sink.name != **name))
        {
            tracing::warn!(
                sink = name,
                "a push queue is on disk whose sink is not configured any more; what waits in it is sent if it comes back"
            );
        }
        (Pusher { sinks }, QueueFiles(files))
    }

    /// Starts what sends, until `stop`, and what keeps the queues on disk, until `end`; without pauses after `last_record`. Texts for people
    /// have names from `names`.
    pub fn start(
        &self,
        files: QueueFiles,
        names: &Arc<dyn Names>,
        stop: &CancellationToken,
        last_record: &CancellationToken,
    ) -> Keepers {
        let (mut tasks, end) = (JoinSet::new(), CancellationToken::new());
        for (sink, file) in self.sinks.iter().zip(files.0) {
            tasks.spawn(Arc::clone(sink).send(Arc::clone(names), stop.clone()));
            tasks.spawn(Arc::clone(sink).keep(file, last_record.clone(), end.clone()));
        }
        Keepers { tasks, end }
    }

    /// Puts what the record at `record` gave into the queues of the sinks that want it. `region`: that of a station.
    pub fn offer<'r>(&self, said: &TypedPublication, record: Offset, region: impl FnOnce(&str) -> Option<&'r str>) {
        let Some(label) = said.label.as_deref().filter(|_| !self.sinks.is_empty()) else { return };
        let mn = said.station.as_deref();
        let facts = MessageFacts { kind: &label.kind, mn, region: mn.and_then(region), colours: &label.colours };
        let mut item = None;
        for sink in self.sinks.iter().filter(|sink| sink.settings.wants(&facts)) {
            let item = item.get_or_insert_with(|| {
                Arc::new(Item {
                    id: Arc::from(&*label.id),
                    kind: label.kind.clone().into_owned(),
                    record: record.0,
                    queued: clock::now().0 / 1000,
                    body: said.payload.clone(),
                })
            });
            sink.offer(Arc::clone(item), Instant::now());
        }
    }

    /// How far the cursor may be stored if it stands at `cursor` by the broker's word.
    #[must_use]
    pub fn stored_before(&self, cursor: Offset) -> Offset {
        let now = Instant::now();
        Offset(self.sinks.iter().map(|sink| sink.stored_before(cursor.0, now)).min().unwrap_or(u64::MAX))
    }

    /// Waits until all that was offered is on disk, no longer than the cursor does.
    pub async fn all_stored(&self) {
        let all = async {
            for sink in &self.sinks {
                sink.all_stored().await;
            }
        };
        let _ = tokio::time::timeout(STORE_WAIT, all).await;
    }

    /// What is shown of each sink.
    #[must_use]
    pub fn figures(&self) -> Vec<SinkFigures> {
        self.sinks.iter().map(|sink| sink.figures()).collect()
    }
}

/// The tasks.
#[derive(Debug)]
pub struct Keepers {
    tasks: JoinSet<()>,
    end: CancellationToken,
}

impl Keepers {
    /// Stores what is left; `sending` ended with the stop.
    pub async fn finish(&mut self) {
        self.end.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
