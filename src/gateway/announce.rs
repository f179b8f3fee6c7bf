//! What the gateway itself writes into the journal when it starts and when its configuration changes.
//!
//! What must stay true: the registry, the dictionary, the rules and the keys are in the journal before any record that they hold for. A disk
//! that takes nothing does not lose them: they wait at the head of the journal's queue, and nothing is stored, answered or published behind
//! them until they are in. The files `context` and `keys` speak of what was announced last, or are not there: an announcement that waited for
//! the disk while a later one was made writes nothing, and a later one takes its place in the queue: however often the configuration is
//! reloaded while the disk is full, one of each waits.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::derived::Derived;
use super::{context, keys, record};
use hj212_downlink::StationKey;
use hj212_journal::{Entry, Journal, Offset, Unstored};
use hj212_model::clock::{self, Monotonic};
use hj212_model::message::{Context, Record, Timestamp};

/// How long a start or a reload waits for the disk before it goes on without: what depends on it waits longer.
const WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };

/// Writes the configuration into the journal.
#[derive(Debug)]
pub(super) struct Announcer {
    journal: Arc<Journal>,
    derived: Derived,
    context: Latest,
    keys: Latest,
}

/// What was announced last of its kind in this run.
#[derive(Debug, Default, Clone)]
struct Latest(Arc<Mutex<Announced>>);

#[derive(Debug, Default)]
struct Announced {
    /// Counts the announcements: the same content may be announced twice, with another between.
    number: u64,
    /// The name of the context, in the journal or on its way there.
    name: Option<[u8; 32]>,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Announced> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file with `write`, unless something else was announced after `number`. A later announcement waits meanwhile, and removes
    /// the file then.
    fn note(&self, number: u64, file: &str, write: impl FnOnce() -> std::io::Result<()>) {
        let announced = self.lock();
        if announced.number != number {
            tracing::debug!("the file `{file}` is left to a later announcement");
            return;
        }
        if let Err(error) = write() {
            tracing::warn!(%error, "the file `{file}` cannot be written: what it would say is journalled again at the next start");
        }
    }
}

impl Announcer {
    pub(super) fn new(journal: Arc<Journal>, derived: Derived) -> Announcer {
        Announcer { journal, derived, context: Latest::default(), keys: Latest::default() }
    }

    /// Journals that the gateway starts and, if they have changed or cannot be found in the journal, context and keys. `known`: the
    /// checkpoint that the interpretation begins with.
    ///
    /// # Errors
    /// If a file that claims what is not so any more cannot be removed.
    pub(super) fn start(
        &self,
        context: &Context,
        keys: &[StationKey],
        known: Option<Offset>,
        monotonic: Monotonic,
    ) -> std::io::Result<()> {
        append(&self.journal, &Record::Started(env!("CARGO_PKG_VERSION")));
        append(&self.journal, &Record::Clock(monotonic.micros()));
        let oldest = self.journal.first();
        let is_there = |first: u64, last: u64, readable: &dyn Fn() -> bool| {
            known.is_some_and(|known| last <= known.0) || first >= oldest.0 && readable()
        };
        self.context(context, |_, runs| {
            runs.iter()
                .all(|(first, last)| is_there(*first, *last, &|| context::is_readable(&self.journal, *first, *last)))
        })?;
        self.keys(keys, |first, last| is_there(first, last, &|| keys::is_readable(&self.journal, first, last)))
    }

    /// Journals a changed context.
    ///
    /// # Errors
    /// If the file that claims the former one cannot be removed.
    pub(super) fn reload(&self, context: &Context) -> std::io::Result<()> {
        let last = self.context.lock().name;
        self.context(context, |name, _| Some(*name) == last)
    }

    /// Journals changed keys.
    ///
    /// # Errors
    /// If the file that claims the former ones cannot be removed.
    pub(super) fn reload_keys(&self, keys: &[StationKey]) -> std::io::Result<()> {
        self.keys(keys, |_, _| true)
    }

    /// Journals the whole context once more: records that told it cannot be read any more.
    ///
    /// # Errors
    /// If the file that claims them cannot be removed.
    pub(super) fn renew(&self, context: &Context) -> std::io::Result<()> {
        self.context(context, |_, _| false)
    }

    fn context(&self, context: &Context, is_there: impl Fn(&[u8; 32], &[(u64, u64)]) -> bool) -> std::io::Result<()> {
        let now = clock::now();
        let mut announced = self.context.lock();
        let (name, statement) = context::statement(context, &self.derived, now, is_there);
        let Some(mut statement) = statement else {
            announced.name = Some(name);
            return Ok(());
        };
        announced.number += 1;
        context::forget(&self.derived)?;
        announced.name = Some(name);
        let number = announced.number;
        let waited = self.insist("the registry", std::mem::take(&mut statement.records), now);
        drop(announced);
        let (derived, latest) = (self.derived.clone(), self.context.clone());
        waited.finish(move |first, last| {
            latest.note(number, "context", || context::written(statement, &derived, first, last));
        });
        Ok(())
    }

    fn keys(&self, keys: &[StationKey], is_there: impl Fn(u64, u64) -> bool) -> std::io::Result<()> {
        let now = clock::now();
        let mut announced = self.keys.lock();
        let records = keys::records(keys, &self.derived, now, is_there);
        announced.number += 1;
        if records.is_empty() {
            return Ok(());
        }
        keys::forget(&self.derived)?;
        let number = announced.number;
        let waited = self.insist("the keys", records, now);
        drop(announced);
        let (derived, latest, keys) = (self.derived.clone(), self.keys.clone(), keys.to_vec());
        waited.finish(move |first, last| {
            latest.note(number, "keys", || keys::written(&keys, &derived, now, first, last));
        });
        Ok(())
    }

    /// Hands records as (kind, body) to the journal, which stores them whatever the disk does.
    fn insist(&self, what: &'static str, records: Vec<(u8, Vec<u8>)>, time: Timestamp) -> Waited {
        let (settled, outcomes) = channel();
        let left = records.len();
        let entries = records.into_iter().map(|(kind, body)| {
            let settled = settled.clone();
            let receipt = move |outcome: Result<Offset, Unstored>| {
                // Whoever waited may have gone.
                let _ = settled.send(outcome);
            };
            (Entry { time, kind, body }, receipt)
        });
        self.journal.appender().insist(what, entries);
        Waited { what, outcomes, left, span: None }
    }
}

/// Records that are on their way to the disk.
struct Waited {
    what: &'static str,
    outcomes: Receiver<Result<Offset, Unstored>>,
    left: usize,
    span: Option<(Offset, Offset)>,
}

impl Waited {
    /// Waits for a while, and then beside everything else; has `done` called with the first and the last record when all are durable.
    fn finish(mut self, done: impl FnOnce(Offset, Offset) + Send + 'static) {
        let what = self.what;
        match self.until(Some(Instant::now() + WAIT)) {
            Some(true) => self.end(done),
            Some(false) => {}
            None => {
                tracing::error!(
                    "{what} could not be journalled yet: until the disk takes it, nothing is stored, answered or published with it"
                );
                let waiting = std::thread::Builder::new().name("announce".into()).spawn(move || {
                    if self.until(None) == Some(true) {
                        tracing::info!("{what} is in the journal now");
                        self.end(done);
                    }
                });
                if let Err(error) = waiting {
                    tracing::error!(%error, "no thread to wait for the journal; {what} is journalled again at the next start");
                }
            }
        }
    }

    /// Whether all are durable; `None`: not yet, at `end`.
    fn until(&mut self, end: Option<Instant>) -> Option<bool> {
        while self.left > 0 {
            let outcome = match end {
                Some(end) => self.outcomes.recv_timeout(end.saturating_duration_since(Instant::now())),
                None => self.outcomes.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match outcome {
                Ok(Ok(offset)) => {
                    self.left -= 1;
                    self.span = Some((self.span.map_or(offset, |(first, _)| first), offset));
                }
                Ok(Err(Unstored::Closed | Unstored::Superseded)) | Err(RecvTimeoutError::Disconnected) => {
                    return Some(false);
                }
                Ok(Err(why)) => {
                    tracing::error!(%why, "{} cannot be journalled", self.what);
                    return Some(false);
                }
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
        Some(true)
    }

    fn end(self, done: impl FnOnce(Offset, Offset)) {
        if let Some((first, last)) = self.span {
            done(first, last);
        }
    }
}

/// Appends a record nobody waits for.
pub(super) fn append(journal: &Journal, said: &Record<'_>) {
    journal.appender().append(record(said), ());
}
