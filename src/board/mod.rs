//! The board (看板): what an operator wants to see of each station now, gathered from what is published. Pure and derived: it can
//! be thrown away at any time.
//!
//! What must stay true: everything that is registered is on it, heard or not, and one that was never heard takes no more than its place: its
//! facts are the registry's, and its card, which says nothing else, is not kept; what it keeps of a station is bounded ([`KINDS_MAX`],
//! [`EVENTS_MAX`] messages; [`ROW_BYTES_MAX`] of reports), and so are the stations ([`STATIONS_MAX`]), the rejected messages
//! ([`REJECTED_MAX`]) and the bytes of all reports ([`BYTES_MAX`]); what is not kept is counted (`not_kept`); it shows
//! messages as they were published and judges nothing; whether a station is connected, away or was never heard is decided in one place
//! ([`Row::contact`]), by what a restart remembers too.

mod offset;
mod order;
mod query;
mod row_snapshot;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use hj212_coverage::DayCount;
use hj212_interpret::{CardContent, DataContent, EventKind, Says, StationEvent, TypedPublication};
use hj212_model::message::{RejectReason, StationFacts, Timestamp};
use offset::Offsets;
pub use order::RowOrder;
pub use query::{Only, Query};
pub use row_snapshot::Page;
use row_snapshot::{RowSnapshot, rate};

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

// One station alone never fills the board.
const _: () = assert!(ROW_BYTES_MAX < BYTES_MAX && EVENTS_MAX < REJECTED_MAX);

/// One station.
#[derive(Debug, Default)]
struct Row {
    /// What is registered of it, if it is.
    facts: Option<Arc<StationFacts>>,
    /// What was seen of it, if anything was.
    seen: Option<Box<SeenStation>>,
}

/// How it is with a station, in the order in which rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Contact {
    /// Connected.
    Online,
    /// Heard once, before a restart too, and away.
    Offline,
    /// Never heard.
    Never,
}

impl Contact {
    const fn name(self) -> &'static str {
        match self {
            Contact::Online => "online",
            Contact::Offline => "offline",
            Contact::Never => "never",
        }
    }
}

/// What was seen of a station.
#[derive(Debug, Default)]
struct SeenStation {
    online: bool,
    /// When it came or went last.
    since: String,
    /// How far its clock was from ours lately.
    offsets: Offsets,
    /// What was expected and what arrived of each kind of report, by day, and the newest day.
    completeness: BTreeMap<&'static str, (Bytes, Option<DayCount>)>,
    /// Its gaps, requests, keys and clock, as the interpretation has them.
    under_way: Bytes,
    /// The card as it was last published.
    card: Option<(Bytes, CardContent)>,
    /// The last message of each kind of report.
    latest: BTreeMap<&'static str, (Bytes, DataContent)>,
    /// Reports that were not kept for their length.
    not_kept: u64,
    /// The kind that came last.
    last_kind: &'static str,
    events: VecDeque<Bytes>,
    /// Marks that hold, by topic.
    marks: BTreeMap<String, Bytes>,
    /// Whether the last report had deviations.
    odd: bool,
    refused: u64,
    /// The last refusal, until a report comes after it.
    refusal: Option<(Bytes, RejectReason)>,
    /// The last refusals, the newest first, whatever came since.
    refusals: VecDeque<Bytes>,
}

/// What a monitoring system asks of one station.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures<'a> {
    /// Its MN.
    pub mn: &'a str,
    /// Whether it is registered.
    pub registered: bool,
    /// Whether it is connected.
    pub online: bool,
    /// Frames of it that were refused since the start.
    pub refused: u64,
    /// When it was heard last, as its card says; the card is renewed every `interpret.card_refresh`.
    pub last_seen: Option<Timestamp>,
    /// Its clock against ours, milliseconds; positive: it is ahead.
    pub offset: Option<i64>,
    /// Marks that hold.
    pub marks: usize,
    /// Of each kind of record the share that has arrived of the last day that is over, 0 to 1.
    pub completeness: Vec<(&'a str, f64)>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Board {
    rows: BTreeMap<String, Row>,
    /// Bytes of all rows' latest reports.
    bytes: usize,
    rejected: VecDeque<Bytes>,
}

impl Board {
    /// A board with every registered station on it.
    #[must_use]
    pub fn new(stations: &BTreeMap<String, Arc<StationFacts>>) -> Board {
        let mut board = Board { rows: BTreeMap::new(), bytes: 0, rejected: VecDeque::new() };
        board.register(stations);
        board
    }

    /// Other stations are registered now. What was seen of those that are not any more goes.
    pub fn register(&mut self, stations: &BTreeMap<String, Arc<StationFacts>>) {
        self.rows.retain(|mn, row| row.facts.is_none() || stations.contains_key(mn));
        self.bytes = self.rows.values().map(Row::bytes).sum();
        for (mn, facts) in stations {
            match self.rows.get_mut(mn) {
                Some(row) => row.facts = Some(Arc::clone(facts)),
                None => drop(self.rows.insert(mn.clone(), Row { facts: Some(Arc::clone(facts)), seen: None })),
            }
        }
    }

    /// Takes note of what was published.
    pub fn published(&mut self, published: &TypedPublication) {
        let payload = published.payload.clone();
        let Some(mn) = published.station.as_deref() else {
            if let Says::Rejected { mn, reason } = &published.content {
                self.rejected(payload, mn.as_deref(), *reason);
            }
            return;
        };
        if matches!(published.content, Says::Card(None)) && self.rows.get(mn).is_some_and(|row| row.facts.is_none()) {
            // Nobody remembers it any more.
            self.bytes -= self.rows.remove(mn).map_or(0, |row| row.bytes());
            return;
        }
        let unheard = if let Says::Card(card) = &published.content {
            card.as_ref().is_none_or(|card| card.last_seen.is_none())
        } else {
            false
        };
        if unheard && self.rows.get(mn).is_some_and(|row| row.seen.is_none()) {
            return;
        }
        match &published.content {
            Says::Card(card) => {
                let card = card.as_ref().map(|card| (payload, (**card).clone()));
                self.note(mn, |row| row.card = card);
            }
            Says::Data(data) => self.report(mn, data, payload),
            Says::Event(event) => self.note(mn, |row| row.event(event, payload)),
            Says::Completeness(grain, newest) => {
                self.note(mn, |row| row.complete(grain.name(), newest.as_deref(), payload));
            }
            Says::Mark(true) => self.note(mn, |row| drop(row.marks.insert(published.topic.clone(), payload))),
            Says::Mark(false) => self.note(mn, |row| drop(row.marks.remove(&published.topic))),
            // Answers to people are for who asked: they may be about an MN that nobody has.
            Says::Validity(_)
            | Says::EntryStatus(_)
            | Says::RulingStatus { .. }
            | Says::CommandStatus
            | Says::CommandRefused
            | Says::Rejected { .. }
            | Says::Anchor
            | Says::Case
            | Says::CaseStatus
            | Says::WorkStatus { .. }
            | Says::Score
            | Says::Lead
            | Says::Judged { .. }
            | Says::Gateway => {}
        }
    }

    /// Changes what was seen of a station, which has a row from then on.
    fn note(&mut self, mn: &str, change: impl FnOnce(&mut SeenStation)) {
        if let Some(row) = self.seen(mn) {
            change(row);
        }
    }

    fn report(&mut self, mn: &str, data: &DataContent, payload: Bytes) {
        let all = self.bytes;
        let Some(row) = self.seen(mn) else { return };
        let before = row.bytes();
        row.report(data, payload, BYTES_MAX.saturating_sub(all - before));
        self.bytes = all - before + row.bytes();
    }

    /// Takes note of what is under way at a station: an object of JSON.
    pub fn under_way(&mut self, mn: &str, view: Bytes) {
        self.note(mn, |row| row.under_way = view);
    }

    fn seen(&mut self, mn: &str) -> Option<&mut SeenStation> {
        if !self.rows.contains_key(mn) {
            if self.rows.len() >= STATIONS_MAX {
                return None;
            }
            self.rows.insert(mn.to_owned(), Row::default());
        }
        Some(self.rows.get_mut(mn)?.seen.get_or_insert_default())
    }

    fn rejected(&mut self, payload: Bytes, mn: Option<&str>, reason: RejectReason) {
        // Only of those who are registered: anybody can invent an MN.
        if let Some(row) = mn.and_then(|mn| self.rows.get_mut(mn)) {
            let row = row.seen.get_or_insert_default();
            row.refused += 1;
            row.refusal = Some((payload.clone(), reason));
            row.refusals.push_front(payload.clone());
            row.refusals.truncate(EVENTS_MAX);
        }
        self.rejected.push_front(payload);
        self.rejected.truncate(REJECTED_MAX);
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
            "online": of(Row::is_online),
            "never": of(|row| row.contact() == Contact::Never),
            "failing": of(Row::fails),
        })
    }

    /// The values of the tag `region`, with how many stations have each.
    #[must_use]
    pub fn regions(&self) -> BTreeMap<&str, usize> {
        let mut regions = BTreeMap::new();
        for region in self.rows.values().filter_map(|row| row.tag("region")) {
            *regions.entry(region.as_str()).or_default() += 1;
        }
        regions
    }

    /// The rows of one page, and how many there are in all.
    #[must_use]
    pub fn page(&self, query: &Query) -> Page {
        let text = query.text.to_lowercase();
        let mut found: Vec<_> = self.rows.iter().filter(|(mn, row)| query.wants(mn, row, &text)).collect();
        query.sort.sort(query.down, &mut found);
        let rows = found.iter().skip(query.first).take(query.rows.clamp(1, ROWS_MAX)).map(|(mn, row)| row.row(mn));
        Page { found: found.len(), first: query.first, rows: rows.collect() }
    }

    /// All that is known of one station, as JSON. Its messages stand in it as they were published: numbers as the station wrote them.
    #[must_use]
    pub fn station(&self, mn: &str) -> Option<String> {
        let row = self.rows.get(mn)?;
        let mut text = row.row(mn).view().to_string();
        let nothing = SeenStation::default();
        let row = row.seen.as_deref().unwrap_or(&nothing);
        // An object that goes on.
        text.pop();
        let raw = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
        let list = |bodies: Vec<String>| format!("[{}]", bodies.join(","));
        let latest: Vec<String> =
            row.latest.iter().map(|(kind, (body, _))| format!("{}:{}", json!(kind), raw(body))).collect();
        text.push_str(&format!(
            ",\"card\":{},\"latest\":{{{}}}",
            raw_or_null(row.card.as_ref().map(|(body, _)| body)),
            latest.join(",")
        ));
        text.push_str(&format!(",\"not_kept\":{}", row.not_kept));
        text.push_str(&format!(",\"events\":{}", list(row.events.iter().map(raw).collect())));
        text.push_str(&format!(",\"marks\":{}", list(row.marks.values().map(raw).collect())));
        text.push_str(&format!(
            ",\"completeness\":{}",
            list(row.completeness.values().map(|(body, _)| raw(body)).collect())
        ));
        text.push_str(&format!(",\"under_way\":{}", raw_or_null(Some(&row.under_way).filter(|view| !view.is_empty()))));
        text.push_str(&format!(",\"refusals\":{}", list(row.refusals.iter().map(raw).collect())));
        text.push_str(&format!(",\"refusal_said\":{}}}", raw_or_null(row.refusal.as_ref().map(|(body, _)| body))));
        Some(text)
    }

    /// Calls `each` with the figures of every station.
    pub fn figures<'a>(&'a self, mut each: impl FnMut(Figures<'a>)) {
        self.rows.iter().for_each(|(mn, row)| each(row.figures(mn)));
    }
}

/// The board of several threads. It is consistent after every single step, so a thread that fell over it does not matter.
pub fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Row {
    fn figures<'a>(&'a self, mn: &'a str) -> Figures<'a> {
        let seen = self.seen.as_deref();
        let completeness = seen.map(|seen| seen.completeness.iter()).into_iter().flatten();
        Figures {
            mn,
            registered: self.facts.is_some(),
            online: self.is_online(),
            refused: seen.map_or(0, |seen| seen.refused),
            last_seen: seen.and_then(SeenStation::heard),
            offset: seen.and_then(|seen| seen.offsets.median()),
            marks: seen.map_or(0, |seen| seen.marks.len()),
            completeness: completeness
                .filter_map(|(kind, (_, newest))| Some((*kind, rate(newest.as_ref()?)?)))
                .collect(),
        }
    }

    fn bytes(&self) -> usize {
        self.seen.as_ref().map_or(0, |seen| seen.bytes())
    }

    fn is_online(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.online)
    }

    fn tag(&self, name: &str) -> Option<&String> {
        self.facts.as_ref()?.tags.get(name)
    }

    /// Whether nothing was ever heard of it, from before a restart neither.
    fn is_unheard(&self) -> bool {
        self.seen.as_deref().is_none_or(|seen| seen.heard().is_none())
    }

    /// How it is with it: the one word that tile, row, station page and order go by.
    fn contact(&self) -> Contact {
        match (self.is_online(), self.is_unheard()) {
            (true, _) => Contact::Online,
            (false, false) => Contact::Offline,
            (false, true) => Contact::Never,
        }
    }

    /// Registered and away, refused since its last report, departing from the standard, or with a clock that is off.
    fn fails(&self) -> bool {
        (self.facts.is_some() && !self.is_online()) || self.seen.as_ref().is_some_and(|seen| seen.fails())
    }

    /// What a row of a page shows. Cheap: bodies are shared, and read by whoever looks.
    fn row(&self, mn: &str) -> RowSnapshot {
        let nothing = SeenStation::default();
        let seen = self.seen.as_deref().unwrap_or(&nothing);
        let newest = seen.completeness.iter().filter_map(|(kind, (_, newest))| Some((*kind, newest.clone()?)));
        RowSnapshot {
            mn: mn.to_owned(),
            facts: self.facts.clone(),
            online: seen.online,
            contact: self.contact(),
            heard: seen.heard(),
            since: seen.since.clone(),
            fails: self.fails(),
            odd: seen.odd,
            refused: seen.refused,
            marks: seen.marks.len(),
            clock: seen.offsets.median(),
            card: seen.card.as_ref().map(|(_, card)| card.clone()),
            last: seen.latest.get(seen.last_kind).map(|(_, data)| data.clone()),
            refusal: seen.refusal.as_ref().map(|(_, reason)| *reason),
            newest_days: newest.collect(),
        }
    }
}

impl SeenStation {
    /// When it was heard last: by its reports since the start, and by its card, which is remembered over a restart.
    fn heard(&self) -> Option<Timestamp> {
        let reported = self.latest.values().map(|(_, data)| data.received).max();
        reported.max(self.card.as_ref().and_then(|(_, card)| card.last_seen))
    }

    fn bytes(&self) -> usize {
        self.latest.values().map(|(body, _)| body.len()).sum()
    }

    /// Takes a report; all of them together may have `most` bytes.
    fn report(&mut self, data: &DataContent, payload: Bytes, most: usize) {
        let kind = data.kind.name();
        self.odd = !data.deviations.is_empty();
        self.refusal = None;
        self.offsets.note(data);
        self.last_kind = kind;
        if self.latest.len() < KINDS_MAX || self.latest.contains_key(kind) {
            self.latest.insert(kind, (payload, data.clone()));
        }
        let most = most.min(ROW_BYTES_MAX);
        while self.bytes() > most {
            // The newest goes last.
            let largest = self.latest.iter().max_by_key(|(other, (body, _))| (**other != kind, body.len()));
            let Some(largest) = largest.map(|(kind, _)| *kind) else { break };
            self.latest.remove(largest);
            self.not_kept += 1;
        }
    }

    fn event(&mut self, event: &StationEvent, payload: Bytes) {
        let was = self.online;
        match event.kind {
            EventKind::Online | EventKind::Takeover | EventKind::CloneSuspected => self.online = true,
            EventKind::Offline => self.online = false,
            EventKind::Mark(_) | EventKind::Limit | EventKind::UnderWay | EventKind::Other => {}
        }
        if was != self.online {
            self.since = event.time.to_rfc3339();
        }
        self.events.push_front(payload);
        self.events.truncate(EVENTS_MAX);
    }

    fn complete(&mut self, kind: &'static str, newest: Option<&DayCount>, payload: Bytes) {
        if payload.is_empty() {
            self.completeness.remove(kind);
        } else {
            self.completeness.insert(kind, (payload, newest.cloned()));
        }
    }

    /// Refused since its last report, departing from the standard, or with a clock that is off.
    fn fails(&self) -> bool {
        let clock_off = self.offsets.median().is_some_and(|off| off.abs() > CLOCK_OFF);
        self.refusal.is_some() || self.odd || clock_off
    }
}

fn raw_or_null(body: Option<&Bytes>) -> String {
    body.map_or_else(|| "null".into(), |body| String::from_utf8_lossy(body).into_owned())
}

fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

#[cfg(test)]
mod tests;
