//! Delivery that a consumer confirms. A broker's PUBACK says that the broker has a message, not that it is on disk, nor that anybody got it: a
//! broker that loses power, a full queue, a bridge that drops lose it all the same. With `[delivery] confirm = "consumer"` the cursor
//! follows a named consumer's word instead.
//!
//! What must stay true:
//! * a publication counts as delivered only if the broker acknowledged it (or it was set aside) **and** a confirmation that came after
//!   that names its record or a later one. What the consumer names beyond what the broker has confirms nothing;
//! * what is not confirmed `again_after` the broker took it is published again, in the order in which it was, with the same bytes; so the
//!   last state of a retained topic is the last published;
//! * at most `in_flight_max` publications, and [`BYTES_MAX`], wait for the consumer; then no more are taken, and the journal holds the rest;
//! * the consumer's silence costs no station anything.
//!
//! # How a consumer goes about it
//!
//! When the broker has everything up to a record, that is **offered**: `{"schema":"hj212.offered/1","offset":N,"journal":"…"}` on the topic
//! `…/offered`, at most [`OFFER_EVERY`]. Whoever has made durable what came before it on the same connection sends the same body back on
//! `…/delivered/{consumer}` (`schema` may be left out).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Closed, Outbox};
use hj212_model::message::Publication;
use hj212_model::telemetry::{Counter, Telemetry};

/// Bytes that wait for the consumer, at most.
const BYTES_MAX: usize = 64 << 20;
/// An offer is published at most this often.
const OFFER_EVERY: Duration = Duration::from_millis(500);

/// Whose word moves the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// The broker's acknowledgement.
    Broker,
    /// The consumer's confirmation.
    Consumer,
}

/// `[delivery]`: when something counts as delivered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Whose word moves the cursor.
    pub confirm: Confirm,
    /// The consumer's name, a level of a topic: letters, digits, '-' and '_', at most 64.
    pub consumer: String,
    /// What is not confirmed so long after the broker took it is published again; at least 1s.
    #[serde(with = "hj212_model::settings::duration")]
    pub again_after: Duration,
    /// Messages that may wait for the consumer; 1 to 1000000.
    pub in_flight_max: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        Delivery {
            confirm: Confirm::Broker,
            consumer: String::new(),
            again_after: Duration::from_secs(60),
            in_flight_max: 10_000,
        }
    }
}

impl Delivery {
    /// What is wrong: the key, and what to write instead.
    #[must_use]
    pub fn wrong(&self) -> Option<(&'static str, String)> {
        let name = &self.consumer;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let good = (1..=64).contains(&name.len()) && name.bytes().all(fits);
        if self.confirm == Confirm::Consumer && !good {
            let text = format!("\"{}\": name the consumer, 1 to 64 letters, digits, '-' and '_'", name.escape_debug());
            return Some(("consumer", text));
        }
        if self.again_after < Duration::from_secs(1) {
            return Some(("again_after", "at least 1s".to_owned()));
        }
        (!(1..=1_000_000).contains(&self.in_flight_max)).then(|| ("in_flight_max", "1 to 1000000".to_owned()))
    }
}

/// What a consumer says.
#[derive(Deserialize)]
struct Confirmation {
    offset: u64,
    journal: Option<String>,
}

/// The offset that a confirmation names; `None` if it is none, or of another journal.
#[must_use]
pub fn confirmed(body: &[u8], journal: &str) -> Option<u64> {
    let said: Confirmation = serde_json::from_slice(body).ok()?;
    said.journal.is_none_or(|id| id == journal).then_some(said.offset)
}

struct Item {
    /// Its number for whoever pushed it, and for the connection to the broker.
    seq: u64,
    passed: u64,
    origin: u64,
    publication: Publication,
    /// When the broker took it.
    taken: Option<Instant>,
    confirmed: bool,
}

/// See the head of the file.
pub struct Relay {
    /// The connection to the broker.
    pub outbox: Outbox,
    /// What holds.
    pub settings: Delivery,
    /// Where offers go, and the journal's id in them.
    pub offered: String,
    /// The journal's id, hexadecimal.
    pub journal: String,
    /// The offset last confirmed.
    pub confirmations: watch::Receiver<u64>,
    /// Counts what is published again.
    pub telemetry: Arc<Telemetry>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Relay {
    /// Stands between whoever pushes and the connection to the broker; ends with either.
    #[must_use]
    pub fn start(self) -> Outbox {
        let (pushes, pushed) = mpsc::channel(64);
        let (delivered_to, delivered) = watch::channel(0);
        let state = self.outbox.state();
        tokio::spawn(async move {
            // The connection has closed: what was not confirmed is published again after the next start.
            let _ = self.run(pushed, delivered_to).await;
        });
        Outbox { pushes, pushed: Arc::new(Mutex::new(0)), delivered, state }
    }

    async fn run(
        mut self,
        mut pushed: mpsc::Receiver<(Publication, u64)>,
        delivered: watch::Sender<u64>,
    ) -> Result<(), Closed> {
        let mut taken = self.outbox.delivered();
        let mut waiting: VecDeque<Item> = VecDeque::new();
        let (mut seq, mut bytes) = (0, 0usize);
        // The newest record of which everything is at the broker, and the newest that was offered.
        let (mut whole, mut offered, mut offered_at) = (0, 0, Instant::now());
        let mut listening = true;
        loop {
            let room = waiting.len() < self.settings.in_flight_max && bytes < BYTES_MAX;
            let again = waiting.iter().find_map(|item| item.taken.filter(|_| !item.confirmed));
            let again = again.map(|at| at + self.settings.again_after);
            let offer = (whole > offered).then(|| offered_at + OFFER_EVERY);
            let wake = again.into_iter().chain(offer).min();
            tokio::select! {
                next = pushed.recv(), if room => {
                    let Some((publication, origin)) = next else { return Ok(()) };
                    seq += 1;
                    bytes += publication.payload.len();
                    let passed = self.outbox.push_of(publication.clone(), origin).await?;
                    waiting.push_back(Item { seq, passed, origin, publication, taken: None, confirmed: false });
                }
                changed = taken.changed() => changed.map_err(|_| Closed)?,
                word = self.confirmations.changed(), if listening => {
                    listening = word.is_ok();
                    let upto = *self.confirmations.borrow_and_update();
                    waiting.iter_mut().filter(|item| item.taken.is_some() && item.origin <= upto).for_each(|item| item.confirmed = true);
                }
                () = until(wake) => {}
            }
            let now = Instant::now();
            let upto = *taken.borrow_and_update();
            for item in waiting.iter_mut().filter(|item| item.taken.is_none() && item.passed <= upto) {
                item.taken = Some(now);
                whole = whole.max(item.origin.saturating_sub(1));
            }
            // Of the newest record more may come.
            if let Some(newest) = waiting.back().filter(|item| item.taken.is_some() && pushed.is_empty()) {
                whole = whole.max(newest.origin);
            }
            let mut reached = None;
            while let Some(item) = waiting.pop_front_if(|item| item.confirmed) {
                bytes -= item.publication.payload.len();
                reached = Some(item.seq);
            }
            if let Some(reached) = reached {
                delivered.send_replace(reached);
            }
            let overdue = waiting
                .iter()
                .any(|item| !item.confirmed && item.taken.is_some_and(|at| now >= at + self.settings.again_after));
            if overdue {
                self.again(&mut waiting).await?;
            }
            if whole > offered && now >= offered_at + OFFER_EVERY || overdue && whole > 0 {
                (offered, offered_at) = (whole, now);
                self.offer(whole).await?;
            }
        }
    }

    /// Publishes again what the broker took and the consumer has not confirmed.
    async fn again(&self, waiting: &mut VecDeque<Item>) -> Result<(), Closed> {
        let mut count = 0;
        for item in waiting.iter_mut().filter(|item| item.taken.is_some() && !item.confirmed) {
            item.passed = self.outbox.push_of(item.publication.clone(), item.origin).await?;
            item.taken = None;
            count += 1;
        }
        self.telemetry.add(Counter::MqttUnconfirmed, count);
        tracing::warn!(
            consumer = self.settings.consumer,
            count,
            "what the consumer has not confirmed is published again"
        );
        Ok(())
    }

    async fn offer(&self, offset: u64) -> Result<(), Closed> {
        let body = serde_json::json!({ "schema": "hj212.offered/1", "offset": offset, "journal": self.journal });
        let payload = Bytes::from(body.to_string());
        let offer = Publication { topic: self.offered.clone(), payload, retain: false };
        self.outbox.push(offer).await.map(|_| ())
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
