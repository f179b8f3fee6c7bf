//! Publishes again from the journal, beside a running gateway or without one.
//!
//! The interpreter starts from the newest checkpoint before the wanted time (or from the oldest record, if there is none) and reads
//! to the end of the journal; what falls within the range is published. The messages are the same as they were, byte for byte, as
//! long as the journal still holds what came before them: de-duplication and merging depend on it.
//!
//! One thing is better than it was: a replay knows every key (HJ 212-2025, 6.4) that the journal tells of, also those that came later, and
//! those it is given. A record that was unreadable for want of its key is published readable, and names the unreadable one.
//!
//! Retained topics must not be left in the past: after the range, each retained topic that was published is brought to the state it
//! has at the end of the journal.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::derived::Derived;
use super::past;
use super::size_guard::SizeGuard;
use super::uplink::interpret;
use crate::config::Config;
use hj212::SealForm;
use hj212::sm4::Key;
use hj212_downlink::{StationKey, Step};
use hj212_interpret::{Interpreter, TypedPublication};
use hj212_journal::{self as journal, Disk, GapCause, Offset, OsDisk, ReadItem, Reader};
use hj212_model::message::{Publication, Record, Timestamp};
use hj212_model::telemetry::Telemetry;
use hj212_mqtt::{self as mqtt, Outbox};

/// What is to be published again.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// From this arrival time on; `None`: from the oldest record.
    pub since: Option<Timestamp>,
    /// Before this arrival time; `None`: to the end.
    pub until: Option<Timestamp>,
    /// This station alone.
    pub mn: Option<String>,
    /// Keys besides those that the journal tells of.
    pub keys: Vec<StationKey>,
    /// The forms of encryption that stations are registered with by now.
    pub forms: Vec<(String, SealForm)>,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records interpreted.
    pub records: u64,
    /// Messages published and acknowledged.
    pub published: u64,
    /// Damaged ranges passed over.
    pub gaps: u64,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no journal, or it cannot be read.
    #[error("the journal in {dir}: {error}")]
    Journal {
        /// The folder.
        dir: String,
        /// Why.
        error: String,
    },
    /// Stopped before the broker had acknowledged everything.
    #[error("stopped before the broker had acknowledged everything")]
    Stopped,
}

/// Replays `range` to the broker of `config`, under a client id of its own.
pub async fn replay(
    config: &Config,
    range: &Range,
    stop: CancellationToken,
    progress: impl Fn(&Summary),
) -> Result<Summary, ReplayError> {
    let mut settings = config.mqtt.clone();
    settings.client_id = format!("{}-replay-{}", settings.client_id, std::process::id());
    let telemetry = Arc::new(Telemetry::default());
    let (outbox, task) = mqtt::start_quietly(&settings, telemetry, stop.child_token());
    let (mut interpreter, mut reader) = start(config, range)?;
    let mut pass = Pass::new(config, range, outbox.clone());
    loop {
        let item = reader.next().map_err(|error| broken(&config.journal.dir, &error))?;
        match item {
            None => break,
            Some(ReadItem::Gap { cause: GapCause::Removed, .. }) => {}
            Some(ReadItem::Gap { .. }) => pass.summary.gaps += 1,
            Some(ReadItem::Record(stored)) => {
                let (offset, time) = (stored.offset, stored.time);
                interpret(&mut interpreter, &stored, &mut pass.publications);
                tokio::select! {
                    done = pass.publish(offset, time) => done?,
                    () = stop.cancelled() => return Err(ReplayError::Stopped),
                }
            }
        }
        if pass.summary.records.is_multiple_of(50_000) {
            progress(&pass.summary);
        }
    }
    let last = pass.settle_retained().await?;
    let mut delivered = outbox.delivered();
    tokio::select! {
        result = delivered.wait_for(|d| *d >= last) => drop(result.map_err(|_| ReplayError::Stopped)?),
        () = stop.cancelled() => return Err(ReplayError::Stopped),
    }
    let summary = pass.summary;
    drop((pass, outbox));
    stop.cancel();
    let _ = task.await;
    Ok(summary)
}

fn broken(dir: &Path, error: &dyn std::fmt::Display) -> ReplayError {
    ReplayError::Journal { dir: dir.display().to_string(), error: error.to_string() }
}

/// Restores the newest checkpoint at or before the range's beginning and gives a reader that stands behind it.
fn start(config: &Config, range: &Range) -> Result<(Interpreter, Reader), ReplayError> {
    let (dir, settings) = (&config.journal.dir, super::interpretation(config));
    let disk: Arc<dyn Disk> = hj212_archive::reading(dir);
    let Some(id) = journal::id(&*disk, dir).map_err(|error| broken(dir, &error))? else {
        return Err(broken(dir, &"there is none"));
    };
    let derived = Derived::new(Arc::clone(&disk), dir.to_owned(), id);
    let mut begin = Offset(0);
    if let Some(since) = range.since {
        begin = journal::offset_at(Arc::clone(&disk), dir, since).map_err(|error| broken(dir, &error))?;
    }
    let begun = past::begin(&disk, dir, &derived, &settings, Offset(begin.0.saturating_sub(1)));
    let (mut interpreter, from) = begun.map_err(|error| broken(dir, &error))?;
    interpreter.know_keys(range.keys.iter().cloned());
    interpreter.know_forms(range.forms.iter().cloned());
    // What the oldest checkpoint knows was told by records that may be gone.
    let first =
        derived.checkpoints_from_oldest().find_map(|(_, state)| Interpreter::restore(settings.clone(), &state).ok());
    interpreter.know_keys(first.into_iter().flat_map(|first| first.keys()));
    // Of years in the archive, only what comes from here on is searched for keys: others are given with the range.
    let kept: Arc<dyn Disk> = Arc::new(OsDisk);
    let oldest = journal::segments(&*kept, dir).map_err(|error| broken(dir, &error))?.first().copied();
    let keys_from = oldest.map_or(Offset(0), |oldest| if from < oldest { from } else { Offset(0) });
    let told = if keys_from == Offset(0) {
        Reader::open(kept, dir, keys_from)
    } else {
        Reader::open(Arc::clone(&disk), dir, keys_from)
    };
    interpreter.know_keys(keys_told(told, dir)?);
    let reader = Reader::open(disk, dir, from).map_err(|error| broken(dir, &error))?;
    Ok((interpreter, reader))
}

/// Every key that the journal tells of, from its oldest record to its end.
fn keys_told(reader: Result<Reader, impl std::fmt::Display>, dir: &Path) -> Result<Vec<StationKey>, ReplayError> {
    let mut reader = reader.map_err(|error| broken(dir, &error))?;
    let command = Record::Command(b"").kind();
    let mut keys = Vec::new();
    while let Some(item) = reader.next().map_err(|error| broken(dir, &error))? {
        let ReadItem::Record(stored) = item else { continue };
        if stored.kind != command {
            continue;
        }
        let Some(Step::Key { mn, created, key, .. }) = Step::decode(stored.body) else { continue };
        if let Ok(key) = Key::from_text(&key) {
            keys.push(StationKey { mn, created, key });
        }
    }
    Ok(keys)
}

/// What each retained topic that was published says at the end of the journal, if it changed after the range.
#[derive(Debug, Default)]
struct Retained(BTreeMap<String, Option<Publication>>);

impl Retained {
    /// Takes a publication; gives it back if it is to be published now.
    fn take(&mut self, publication: Publication, within: bool) -> Option<Publication> {
        if !within {
            if let Some(last) = self.0.get_mut(&publication.topic) {
                *last = Some(publication);
            }
            return None;
        }
        if publication.retain {
            self.0.insert(publication.topic.clone(), None);
        }
        Some(publication)
    }
}

struct Pass {
    range: Range,
    outbox: Outbox,
    envelope: SizeGuard,
    telemetry: Arc<Telemetry>,
    publications: Vec<TypedPublication>,
    retained: Retained,
    summary: Summary,
    seq: u64,
}

impl Pass {
    fn new(config: &Config, range: &Range, outbox: Outbox) -> Self {
        Pass {
            range: range.clone(),
            outbox,
            envelope: SizeGuard::of(config),
            telemetry: Arc::default(),
            publications: Vec::new(),
            retained: Retained::default(),
            summary: Summary::default(),
            seq: 0,
        }
    }

    async fn publish(&mut self, offset: Offset, time: Timestamp) -> Result<(), ReplayError> {
        self.summary.records += 1;
        let within =
            self.range.since.is_none_or(|since| time >= since) && self.range.until.is_none_or(|until| time < until);
        for TypedPublication { publication, station, .. } in self.publications.drain(..) {
            if self.range.mn.as_ref().is_some_and(|mn| station.as_deref() != Some(mn.as_str())) {
                continue;
            }
            let Some(publication) = self.retained.take(publication, within) else { continue };
            let publication = self.envelope.fit(publication, offset, &self.telemetry);
            self.seq = self.outbox.push(publication).await.map_err(|_| ReplayError::Stopped)?;
            self.summary.published += 1;
        }
        Ok(())
    }

    /// Publishes the last state of retained topics; gives the last sequence number.
    async fn settle_retained(&mut self) -> Result<u64, ReplayError> {
        for publication in std::mem::take(&mut self.retained).0.into_values().flatten() {
            self.seq = self.outbox.push(publication).await.map_err(|_| ReplayError::Stopped)?;
            self.summary.published += 1;
        }
        Ok(self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retained_topics_are_brought_to_their_last_state_and_others_are_left() {
        let says = |topic: &str, body: &'static str, retain| Publication {
            topic: topic.to_owned(),
            payload: bytes::Bytes::from_static(body.as_bytes()),
            retain,
        };
        let mut retained = Retained::default();
        assert!(retained.take(says("a/station", "before", true), false).is_none());
        assert!(retained.take(says("a/station", "then", true), true).is_some());
        assert!(retained.take(says("a/data", "then", false), true).is_some());
        assert!(retained.take(says("b/station", "then", true), true).is_some());
        for (topic, body) in
            [("a/station", "later"), ("a/data", "later"), ("c/station", "later"), ("a/station", "last")]
        {
            assert!(retained.take(says(topic, body, topic != "a/data"), false).is_none());
        }
        let last: Vec<Publication> = retained.0.into_values().flatten().collect();
        assert_eq!(last, [says("a/station", "last", true)]);
    }
}
