//! What a page shows of its stations. It is taken from the board quickly and written at leisure, so that many viewers do not hold up who
//! fills the board.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Contact;
use hj212_coverage::DayCount;
use hj212_interpret::{CardContent, DataContent};
use hj212_model::message::{Pairs, RejectReason, StationFacts, Timestamp};

/// A page of the board.
#[derive(Debug)]
pub struct Page {
    pub(super) found: usize,
    pub(super) first: usize,
    pub(super) rows: Vec<RowSnapshot>,
}

impl Page {
    /// As it is shown.
    #[must_use]
    pub fn view(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(RowSnapshot::view).collect();
        json!({ "found": self.found, "first": self.first, "rows": rows })
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct RowSnapshot {
    pub(super) mn: String,
    pub(super) facts: Option<Arc<StationFacts>>,
    pub(super) online: bool,
    pub(super) contact: Contact,
    /// When it was heard last, before a restart too.
    pub(super) heard: Option<Timestamp>,
    pub(super) since: String,
    pub(super) fails: bool,
    pub(super) odd: bool,
    pub(super) refused: u64,
    pub(super) marks: usize,
    pub(super) clock: Option<i64>,
    pub(super) card: Option<CardContent>,
    pub(super) last: Option<DataContent>,
    pub(super) refusal: Option<RejectReason>,
    /// What arrived of the newest day that has ended, by kind.
    pub(super) newest_days: BTreeMap<&'static str, DayCount>,
}

impl RowSnapshot {
    /// When it came or went last. Of one that was away at the start that is when it was heard last; empty: nobody knows.
    fn since(&self) -> String {
        if self.since.is_empty() && self.contact == Contact::Offline {
            return self.heard.map(Timestamp::to_rfc3339).unwrap_or_default();
        }
        self.since.clone()
    }

    /// As it is shown.
    pub(super) fn view(&self) -> Value {
        let card = self.card.as_ref();
        let last = self.last.as_ref();
        let (name, tags) = self.facts.as_ref().map(|facts| (facts.name.as_str(), &facts.tags)).unzip();
        let counts = |card: &CardContent| -> Value {
            card.deviations.iter().map(|(deviation, count)| (deviation.code(), json!(count))).collect()
        };
        let odd = last.filter(|_| self.odd).map(|last| last.deviation_codes().collect::<Vec<_>>());
        let days: Value = self.newest_days.iter().map(|(kind, day)| (*kind, shown(day))).collect();
        json!({
            "mn": self.mn,
            "name": name.unwrap_or_default(),
            "tags": tags.unwrap_or(&Pairs::default()),
            "registered": self.facts.is_some(),
            "online": self.online,
            "contact": self.contact.name(),
            "since": self.since(),
            "fails": self.fails,
            "peer": card.and_then(|card| card.peer.as_deref()),
            "last_seen": self.heard.map(Timestamp::to_rfc3339),
            "deviations": card.map(counts),
            "kind": last.map(|last| last.kind.name()),
            "data_time": last.and_then(|last| last.data_time).map(|time| time.to_string()),
            "received_at": last.map(|last| last.received.to_rfc3339()),
            "qn": last.and_then(|last| last.qn.as_ref()).map(ToString::to_string),
            "backfill": last.map(|last| last.backfill),
            "clock_ms": self.clock,
            "complete": days,
            "now_odd": odd,
            "marks_held": self.marks,
            "refused": self.refused,
            "refusal": self.refusal.map(RejectReason::code),
        })
    }
}

/// A day as it is published.
fn shown(day: &DayCount) -> Value {
    json!({
        "day": day.day, "expected": day.expected, "there": day.there, "gateway_down": day.gateway_down,
        "rate": rate(day),
    })
}

/// The share that has arrived of what the station owed, 0 to 1 in steps of 0.0001, as it is published; `None`: it owed nothing.
pub(super) fn rate(day: &DayCount) -> Option<f64> {
    let rate = (u64::from(day.there) * 10_000).checked_div(u64::from(day.owed()))?;
    Some(rate as f64 / 10_000.0)
}
