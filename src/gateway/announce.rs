//! What the gateway itself writes into the journal when it starts and when its configuration changes.
//!
//! What must stay true: the registry, the dictionary, the rules and the keys are in the journal before any record that they hold for. A disk
//! that takes nothing does not lose them: they wait at the head of the journal's queue, and nothing is stored, answered or published behind
//! them until they are in.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::derived::Derived;
use super::{context, keys, record};
use crate::clock::{self, Monotonic};
use crate::downlink::StationKey;
use crate::journal::{Entry, Journal, Offset, Unstored};
use crate::message::{Context, Record, Timestamp};

/// How long a start or a reload waits for the disk before it goes on without: what depends on it waits longer.
const WAIT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };

/// Writes the configuration into the journal.
#[derive(Debug)]
pub(super) struct Announcer {
    journal: Arc<Journal>,
    derived: Derived,
    /// The name of the context that was journalled last, in this run or found at its start.
    last: Mutex<Option<[u8; 32]>>,
}

impl Announcer {
    pub(super) fn new(journal: Arc<Journal>, derived: Derived) -> Announcer {
        Announcer { journal, derived, last: Mutex::default() }
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
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.context(context, |name, _| Some(*name) == last)
    }

    /// Journals changed keys.
    ///
    /// # Errors
    /// If the file that claims the former ones cannot be removed.
    pub(super) fn reload_keys(&self, keys: &[StationKey]) -> std::io::Result<()> {
        self.keys(keys, |_, _| true)
    }

    fn context(&self, context: &Context, is_there: impl Fn(&[u8; 32], &[(u64, u64)]) -> bool) -> std::io::Result<()> {
        let now = clock::now();
        let (name, statement) = context::statement(context, &self.derived, now, is_there);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
        let Some(mut statement) = statement else { return Ok(()) };
        context::forget(&self.derived)?;
        let (derived, records) = (self.derived.clone(), std::mem::take(&mut statement.records));
        self.insist("the registry", records, now, move |first, last| {
            note("context", context::written(statement, &derived, first, last));
        });
        Ok(())
    }

    fn keys(&self, keys: &[StationKey], is_there: impl Fn(u64, u64) -> bool) -> std::io::Result<()> {
        let now = clock::now();
        let records = keys::records(keys, &self.derived, now, is_there);
        if records.is_empty() {
            return Ok(());
        }
        keys::forget(&self.derived)?;
        let (derived, keys) = (self.derived.clone(), keys.to_vec());
        self.insist("the keys", records, now, move |first, last| {
            note("keys", keys::written(&keys, &derived, now, first, last));
        });
        Ok(())
    }

    /// Journals records as (kind, body), whatever the disk does, and has `done` called with the first and the last when all are durable.
    fn insist(
        &self,
        what: &'static str,
        records: Vec<(u8, Vec<u8>)>,
        time: Timestamp,
        done: impl FnOnce(Offset, Offset) + Send + 'static,
    ) {
        let (settled, outcomes) = channel();
        let count = records.len();
        let entries = records.into_iter().map(|(kind, body)| {
            let settled = settled.clone();
            let receipt = move |outcome: Result<Offset, Unstored>| {
                // Whoever waited may have gone.
                let _ = settled.send(outcome);
            };
            (Entry { time, kind, body }, receipt)
        });
        self.journal.appender().insist(entries);
        drop(settled);
        let mut span = Waited { what, outcomes, left: count, span: None };
        match span.until(Some(Instant::now() + WAIT)) {
            Some(true) => span.end(done),
            Some(false) => {}
            None => {
                tracing::error!(
                    "{what} could not be journalled yet: until the disk takes it, nothing is stored, answered or published with it"
                );
                let waiting = std::thread::Builder::new().name("announce".into()).spawn(move || {
                    if span.until(None) == Some(true) {
                        tracing::info!("{what} is in the journal now");
                        span.end(done);
                    }
                });
                if let Err(error) = waiting {
                    tracing::error!(%error, "no thread to wait for the journal; {what} is journalled again at the next start");
                }
            }
        }
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
                Ok(Err(Unstored::Closed)) | Err(RecvTimeoutError::Disconnected) => return Some(false),
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

fn note(file: &str, noted: std::io::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the file `{file}` cannot be written: what it would say is journalled again at the next start");
    }
}

/// Appends a record nobody waits for.
pub(super) fn append(journal: &Journal, said: &Record<'_>) {
    journal.appender().append(record(said), ());
}
