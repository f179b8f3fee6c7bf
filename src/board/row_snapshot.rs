//! What a page shows of its stations. It is taken from the board quickly and written at leisure, so that many viewers do not hold up who
//! fills the board.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

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
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) registered: bool,
    pub(super) online: bool,
    pub(super) since: String,
    pub(super) fails: bool,
    pub(super) odd: bool,
    pub(super) refused: u64,
    pub(super) marks: usize,
    pub(super) clock: Option<i64>,
    pub(super) card: Bytes,
    pub(super) last: Option<Bytes>,
    pub(super) refusal: Option<Bytes>,
    pub(super) completeness: BTreeMap<String, Bytes>,
}

/// What a row shows of the card.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Card {
    peer: Value,
    last_seen: Value,
    deviations: Value,
}

/// What a row shows of the last report; its readings, most of the body, are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Last {
    kind: Value,
    data_time: Value,
    received_at: Value,
    qn: Value,
    backfill: Value,
    deviations: Value,
}

/// What a row shows of the last refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    reason: Value,
}

impl RowSnapshot {
    /// As it is shown.
    pub(super) fn view(&self) -> Value {
        let card: Card = read(&self.card);
        let last: Last = self.last.as_ref().map(read).unwrap_or_default();
        let refusal: Refusal = self.refusal.as_ref().map(read).unwrap_or_default();
        json!({
            "mn": self.mn,
            "name": self.name,
            "tags": self.tags,
            "registered": self.registered,
            "online": self.online,
            "since": self.since,
            "fails": self.fails,
            "peer": card.peer,
            "last_seen": card.last_seen,
            "deviations": card.deviations,
            "kind": last.kind,
            "data_time": last.data_time,
            "received_at": last.received_at,
            "qn": last.qn,
            "backfill": last.backfill,
            "clock_ms": self.clock,
            "complete": self.newest_day(),
            "now_odd": if self.odd { last.deviations } else { Value::Null },
            "marks_held": self.marks,
            "refused": self.refused,
            "refusal": refusal.reason,
        })
    }

    /// Of the newest day of each kind: what was expected and what arrived.
    fn newest_day(&self) -> Value {
        let newest = |body: &Bytes| {
            let body: Value = read(body);
            let days = body["days"].as_array()?;
            days.iter().max_by_key(|day| day["day"].as_str().unwrap_or_default().to_owned()).cloned()
        };
        self.completeness.iter().filter_map(|(kind, body)| Some((kind.clone(), newest(body)?))).collect()
    }
}

/// The body, or nothing if it is none of ours.
fn read<T: Default + for<'a> Deserialize<'a>>(body: &Bytes) -> T {
    serde_json::from_slice(body).unwrap_or_default()
}
