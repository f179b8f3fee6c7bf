//! The board (看板): what an operator wants to see of each station now, gathered from what is published. Pure and derived: it can
//! be thrown away at any time.
//!
//! What must stay true: everything that is registered is on it, heard or not; what it keeps of a station is bounded ([`KINDS_MAX`],
//! [`EVENTS_MAX`] messages; [`ROW_BYTES_MAX`] of reports), and so are the stations ([`STATIONS_MAX`]), the rejected messages
//! ([`REJECTED_MAX`]) and the bytes of all reports ([`BYTES_MAX`]); what is not kept is counted (`not_kept`); it shows
//! messages as they were published and judges nothing.

mod offset;
mod query;
mod row_snapshot;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use hj212_model::message::{Publication, StationFacts};
use offset::Offsets;
pub use query::{Only, Query};
pub use row_snapshot::Page;
use row_snapshot::RowSnapshot;

/// Latest messages kept of a station, one a kind of report.
pub const KINDS_MAX: usize = 12;
/// Last events kept of a station, and last refusals.
pub const EVENTS_MAX: usize = 8;
/// Stations on the board. Unregistered ones beyond are not shown.
pub const STATIONS_MAX: usize = 100_000;
/// Bytes of the latest reports kept of a station, and of all; the largest goes first, the newest last.
pub const ROW_BYTES_MAX: usize = 512 << 10;
/// See [`ROW_BYTES_MAX`].
pub const BYTES_MAX: usize = 256 << 20;
/// Last rejected messages kept of all.
pub const REJECTED_MAX: usize = 200;
/// Rows on one page.
pub const ROWS_MAX: usize = 200;
/// A station's clock that is further off than this needs a look, milliseconds.
pub const CLOCK_OFF: i64 = 600_000;

/// One station.
#[derive(Debug, Default)]
struct Row {
    name: String,
    tags: BTreeMap<String, String>,
    /// What is searched: MN, name and tags, in lower case.
    sought: String,
    registered: bool,
    online: bool,
    /// When it came or went last.
    since: String,
    /// How far its clock was from ours lately.
    offsets: Offsets,
    /// What was expected and what arrived of each kind of report, by day.
    completeness: BTreeMap<String, Bytes>,
    /// Its gaps, requests, keys and clock, as the interpretation has them.
    under_way: Bytes,
    /// The card as it was last published.
    card: Bytes,
    /// The last message of each kind of report.
    latest: BTreeMap<String, Bytes>,
    /// Reports that were not kept for their length.
    not_kept: u64,
    /// The kind that came last.
    last_kind: String,
    events: VecDeque<Bytes>,
    marks: BTreeMap<String, Bytes>,
    /// Whether the last report had deviations.
    odd: bool,
    refused: u64,
    /// The last refusal, until a report comes after it.
    refusal: Option<Bytes>,
    /// The last refusals, the newest first, whatever came since.
    refusals: VecDeque<Bytes>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Board {
    prefix: String,
    rows: BTreeMap<String, Row>,
    /// Bytes of all rows' latest reports.
    bytes: usize,
    rejected: VecDeque<Bytes>,
}

impl Board {
    /// A board for topics that begin with `prefix`, with every registered station on it.
    #[must_use]
    pub fn new(prefix: &str, stations: &BTreeMap<String, StationFacts>) -> Board {
        let mut board =
            Board { prefix: format!("{prefix}/"), rows: BTreeMap::new(), bytes: 0, rejected: VecDeque::new() };
        board.register(stations);
        board
    }

    /// Other stations are registered now. What was seen of those that are not any more goes.
    pub fn register(&mut self, stations: &BTreeMap<String, StationFacts>) {
        self.rows.retain(|mn, row| !row.registered || stations.contains_key(mn));
        self.bytes = self.rows.values().map(Row::bytes).sum();
        for (mn, facts) in stations {
            let row = self.rows.entry(mn.clone()).or_default();
            (row.name, row.tags, row.registered) = (facts.name.clone(), facts.tags.clone(), true);
            let texts = [mn, &row.name].into_iter().chain(row.tags.values());
            row.sought = texts.map(|text| text.to_lowercase()).collect::<Vec<_>>().join("\n");
        }
    }

    /// Takes note of what was published.
    pub fn published(&mut self, publication: &Publication) {
        let Some(rest) = publication.topic.strip_prefix(&self.prefix) else { return };
        let mut levels = rest.splitn(3, '/');
        let (Some(mn), Some(what)) = (levels.next(), levels.next()) else { return };
        let rest = levels.next().unwrap_or_default();
        if mn == "gateway" {
            if rest == "rejected" {
                self.rejected(&publication.payload);
            }
            return;
        }
        let payload = publication.payload.clone();
        if what == "station" && payload.is_empty() && self.rows.get(mn).is_some_and(|row| !row.registered) {
            // Nobody remembers it any more.
            self.bytes -= self.rows.remove(mn).map_or(0, |row| row.bytes());
            return;
        }
        let all = self.bytes;
        let Some(row) = self.row(mn) else { return };
        match what {
            "station" => row.card = payload,
            "data" => {
                let before = row.bytes();
                row.report(rest, payload, BYTES_MAX.saturating_sub(all - before));
                let after = row.bytes();
                self.bytes = all - before + after;
            }
            "event" => row.event(rest, payload),
            "completeness" => row.complete(rest, payload),
            "mark" => {
                if payload.is_empty() {
                    row.marks.remove(rest);
                } else {
                    row.marks.insert(rest.to_owned(), payload);
                }
            }
            _ => {}
        }
    }

    /// Takes note of what is under way at a station: an object of JSON.
    pub fn under_way(&mut self, mn: &str, view: Bytes) {
        if let Some(row) = self.row(mn) {
            row.under_way = view;
        }
    }

    fn row(&mut self, mn: &str) -> Option<&mut Row> {
        if !self.rows.contains_key(mn) {
            if self.rows.len() >= STATIONS_MAX {
                return None;
            }
            self.rows.insert(mn.to_owned(), Row { sought: mn.to_lowercase(), ..Row::default() });
        }
        self.rows.get_mut(mn)
    }

    fn rejected(&mut self, payload: &Bytes) {
        self.rejected.push_front(payload.clone());
        self.rejected.truncate(REJECTED_MAX);
        let body: Value = serde_json::from_slice(payload).unwrap_or_default();
        // Only of those who are registered: anybody can invent an MN.
        if let Some(row) = body["mn"].as_str().and_then(|mn| self.rows.get_mut(mn)) {
            row.refused += 1;
            row.refusal = Some(payload.clone());
            row.refusals.push_front(payload.clone());
            row.refusals.truncate(EVENTS_MAX);
        }
    }

    /// The last rejected messages, the newest first.
    #[must_use]
    pub fn refusals(&self) -> Vec<Value> {
        self.rejected.iter().map(parsed).collect()
    }

    /// Registered stations, those that are online, and those that need a look.
    #[must_use]
    pub fn counts(&self) -> Value {
        let of = |what: fn(&Row) -> bool| self.rows.values().filter(|row| what(row)).count();
        json!({
            "stations": self.rows.len(),
            "online": of(|row| row.online),
            "never": of(Row::is_unheard),
            "failing": of(Row::fails),
        })
    }

    /// The values of the tag `region`, with how many stations have each.
    #[must_use]
    pub fn regions(&self) -> BTreeMap<&str, usize> {
        let mut regions = BTreeMap::new();
        for region in self.rows.values().filter_map(|row| row.tags.get("region")) {
            *regions.entry(region.as_str()).or_default() += 1;
        }
        regions
    }

    /// The rows of one page, and how many there are in all.
    #[must_use]
    pub fn page(&self, query: &Query) -> Page {
        let text = query.text.to_lowercase();
        let found: Vec<_> = self.rows.iter().filter(|(_, row)| query.wants(row, &text)).collect();
        let rows = found.iter().skip(query.first).take(query.rows.clamp(1, ROWS_MAX)).map(|(mn, row)| row.row(mn));
        Page { found: found.len(), first: query.first, rows: rows.collect() }
    }

    /// All that is known of one station, as JSON. Its messages stand in it as they were published: numbers as the station wrote them.
    #[must_use]
    pub fn station(&self, mn: &str) -> Option<String> {
        let row = self.rows.get(mn)?;
        let mut text = row.row(mn).view().to_string();
        // An object that goes on.
        text.pop();
        let raw = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
        let list = |bodies: Vec<String>| format!("[{}]", bodies.join(","));
        let latest: Vec<String> =
            row.latest.iter().map(|(kind, body)| format!("{}:{}", json!(kind), raw(body))).collect();
        text.push_str(&format!(",\"card\":{},\"latest\":{{{}}}", raw_or_null(&row.card), latest.join(",")));
        text.push_str(&format!(",\"not_kept\":{}", row.not_kept));
        text.push_str(&format!(",\"events\":{}", list(row.events.iter().map(raw).collect())));
        text.push_str(&format!(",\"marks\":{}", list(row.marks.values().map(raw).collect())));
        text.push_str(&format!(",\"completeness\":{}", list(row.completeness.values().map(raw).collect())));
        text.push_str(&format!(",\"under_way\":{}", raw_or_null(&row.under_way)));
        text.push_str(&format!(",\"refusals\":{}", list(row.refusals.iter().map(raw).collect())));
        text.push_str(&format!(",\"refusal_said\":{}}}", row.refusal.as_ref().map_or("null".into(), raw)));
        Some(text)
    }

    /// Calls `each` with every station's MN, whether it is online, and how much of it was refused.
    pub fn figures(&self, mut each: impl FnMut(&str, bool, u64)) {
        self.rows.iter().for_each(|(mn, row)| each(mn, row.online, row.refused));
    }
}

impl Row {
    fn bytes(&self) -> usize {
        self.latest.values().map(Bytes::len).sum()
    }

    /// Takes a report; all of them together may have `most` bytes.
    fn report(&mut self, kind: &str, payload: Bytes, most: usize) {
        // A member that is not empty; the bodies are written by us, without spaces.
        self.odd = memchr::memmem::find(&payload, b"\"deviations\":[\"").is_some();
        self.refusal = None;
        self.offsets.note(&payload);
        kind.clone_into(&mut self.last_kind);
        if self.latest.len() < KINDS_MAX || self.latest.contains_key(kind) {
            self.latest.insert(kind.to_owned(), payload);
        }
        let most = most.min(ROW_BYTES_MAX);
        while self.bytes() > most {
            // The newest goes last.
            let largest = self.latest.iter().max_by_key(|(other, body)| (*other != kind, body.len()));
            let Some(largest) = largest.map(|(kind, _)| kind.clone()) else { break };
            self.latest.remove(&largest);
            self.not_kept += 1;
        }
    }

    fn event(&mut self, kind: &str, payload: Bytes) {
        let was = self.online;
        match kind {
            "online" | "takeover" | "clone-suspected" => self.online = true,
            "offline" => self.online = false,
            _ => {}
        }
        if was != self.online {
            parsed(&payload)["time"].as_str().unwrap_or_default().clone_into(&mut self.since);
        }
        self.events.push_front(payload);
        self.events.truncate(EVENTS_MAX);
    }

    fn complete(&mut self, kind: &str, payload: Bytes) {
        if payload.is_empty() {
            self.completeness.remove(kind);
        } else if self.completeness.len() < KINDS_MAX || self.completeness.contains_key(kind) {
            self.completeness.insert(kind.to_owned(), payload);
        }
    }

    /// Whether nothing of it is known, from before a restart neither.
    fn is_unheard(&self) -> bool {
        self.latest.is_empty() && (self.card.is_empty() || self.card.windows(16).any(|w| w == b"\"last_seen\":null"))
    }

    /// Registered and away, refused since its last report, departing from the standard, or with a clock that is off.
    fn fails(&self) -> bool {
        let clock_off = self.offsets.median().is_some_and(|off| off.abs() > CLOCK_OFF);
        (self.registered && !self.online) || self.refusal.is_some() || self.odd || clock_off
    }

    /// What a row of a page shows. Cheap: bodies are shared, and read by whoever looks.
    fn row(&self, mn: &str) -> RowSnapshot {
        RowSnapshot {
            mn: mn.to_owned(),
            name: self.name.clone(),
            tags: self.tags.clone(),
            registered: self.registered,
            online: self.online,
            since: self.since.clone(),
            fails: self.fails(),
            odd: self.odd,
            refused: self.refused,
            marks: self.marks.len(),
            clock: self.offsets.median(),
            card: self.card.clone(),
            last: self.latest.get(&self.last_kind).cloned(),
            refusal: self.refusal.clone(),
            completeness: self.completeness.clone(),
        }
    }
}

fn raw_or_null(body: &Bytes) -> String {
    if body.is_empty() { "null".into() } else { String::from_utf8_lossy(body).into_owned() }
}

fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

#[cfg(test)]
mod tests;
