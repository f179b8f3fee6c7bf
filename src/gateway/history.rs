//! What one station said in the last hours, read from the journal: its values as series, its last frames explained. The journal is the
//! memory; nothing is kept for this while nobody looks.
//!
//! What must stay true: the newest is there, however much the journal holds: segments are read from the newest back until the hours or
//! a limit are reached, and what was left out is the oldest.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use hj212::{Deviations, Fields, Seal, packet, secret};
use hj212_downlink::StationKey;
use hj212_interpret::{self as interpret, Area, Interpreter, Says, TypedPublication};
use hj212_journal::{self as journal, Disk, Hash, Offset, OsDisk, ReadError, ReadItem, Reader, Span};
use hj212_model::clock;
use hj212_model::message::{Context, Record, Timestamp, kind};
use hj212_model::registry::Registry;

/// Frames shown at most, the newest.
const FRAMES_MAX: usize = 20;
/// Refused frames shown besides, the newest.
const REFUSED_MAX: usize = 10;
/// Series shown at most.
const SERIES_MAX: usize = 24;
/// Points of a series at most, the newest.
const POINTS_MAX: usize = 500;

/// What of a published message is looked at.
#[derive(Deserialize)]
struct PublishedReading<'a> {
    kind: String,
    data_time: Option<String>,
    #[serde(borrow, default)]
    readings: BTreeMap<String, Sampled<'a>>,
    /// The instruments that it names; the readings of an only one are the record's own.
    #[serde(borrow, default)]
    instruments: Vec<Instrument<'a>>,
}

#[derive(Deserialize)]
struct Instrument<'a> {
    pol_id: Option<String>,
    code: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    readings: BTreeMap<String, Sampled<'a>>,
}

#[derive(Deserialize)]
struct Sampled<'a> {
    name: Option<String>,
    unit: Option<String>,
    /// As it was written.
    #[serde(borrow)]
    rtd: Option<&'a RawValue>,
}

/// A factor's values: times, and numbers as the station wrote them.
#[derive(serde::Serialize)]
struct Series {
    code: String,
    name: String,
    unit: String,
    points: VecDeque<(String, Box<RawValue>)>,
}

struct History {
    interpreter: Interpreter,
    series: BTreeMap<String, Series>,
    frames: VecDeque<Value>,
    fields: Fields,
}

/// What a history may cost.
#[derive(Debug)]
pub(super) struct Limits {
    /// Bodies of records read, of all stations; looked at between segments.
    pub(super) bytes_max: u64,
    /// Time taken; looked at between segments.
    pub(super) time_max: Duration,
    /// Records of the station.
    pub(super) records_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes_max: 2 << 30, time_max: Duration::from_secs(4), records_max: 10_000 }
    }
}

/// Whose history it is.
#[derive(Debug)]
pub(super) struct Station<'a> {
    pub(super) mn: &'a str,
    pub(super) registry: &'a Registry,
    pub(super) settings: &'a interpret::Settings,
    /// What opens its frames.
    pub(super) keys: Vec<StationKey>,
}

/// A record that names the station.
struct Kept {
    offset: Offset,
    time: Timestamp,
    kind: u8,
    hash: Hash,
    body: Vec<u8>,
}

/// What the segments gave.
#[derive(Default)]
struct Found {
    /// A segment each, the newest first; in each the oldest record first.
    segments: Vec<VecDeque<Kept>>,
    records: usize,
    /// Bodies read.
    bytes: u64,
    begun: Option<Timestamp>,
    /// Whether something of the hours was left out.
    cut: bool,
}

/// Reads `hours` back, or as far as `limits` allow.
pub(super) fn read(dir: &Path, station: Station<'_>, hours: u32, limits: &Limits) -> Result<String, ReadError> {
    let since = Timestamp(clock::now().0 - i64::from(hours) * 3_600_000_000);
    let found = gather(dir, station.mn, since, limits)?;
    let mut history = History::new(&station);
    for kept in found.segments.iter().rev().flatten() {
        history.take(kept, station.mn);
    }
    let series: Vec<Series> = history.series.into_values().take(SERIES_MAX).collect();
    let rest = json!({
        "hours": hours,
        "from": found.begun.map(Timestamp::to_rfc3339),
        "complete": !found.cut,
        "frames": history.frames,
    });
    // A value would write the numbers in its own way.
    let series = serde_json::to_string(&series).unwrap_or_else(|_| "[]".into());
    Ok(format!("{{\"series\":{series},{}", rest.to_string().trim_start_matches('{')))
}

/// Looks for the station's records in one segment after the other, the newest first.
fn gather(dir: &Path, mn: &str, since: Timestamp, limits: &Limits) -> Result<Found, ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let needle = format!("MN={mn}");
    let finder = Finder::new(needle.as_bytes());
    let started = Instant::now();
    let mut found = Found::default();
    for span in journal::spans(disk.as_ref(), dir)?.iter().rev() {
        let begun = !found.segments.is_empty();
        let spent = found.bytes >= limits.bytes_max
            || started.elapsed() >= limits.time_max
            || found.records >= limits.records_max;
        if begun && spent {
            found.cut = true;
            break;
        }
        let reader = Reader::open(Arc::clone(&disk), dir, span.first)?;
        found.segment(reader, span, since, &finder, limits)?;
        if span.created < since {
            break;
        }
    }
    Ok(found)
}

impl Found {
    fn segment(
        &mut self,
        mut reader: Reader,
        span: &Span,
        since: Timestamp,
        finder: &Finder<'_>,
        limits: &Limits,
    ) -> Result<(), ReadError> {
        let room = limits.records_max - self.records;
        let (mut records, mut begun) = (VecDeque::new(), None);
        while let Some(item) = reader.next()? {
            let ReadItem::Record(stored) = item else { continue };
            if span.next.is_some_and(|next| stored.offset >= next) {
                break;
            }
            self.bytes += stored.body.len() as u64;
            if stored.time < since {
                continue;
            }
            begun = begun.or(Some(stored.time));
            if finder.find(stored.body).is_none() {
                continue;
            }
            if records.len() == room {
                records.pop_front();
                self.cut = true;
                begun = records.front().map(|kept: &Kept| kept.time);
            }
            let body = stored.body.to_vec();
            records.push_back(Kept {
                offset: stored.offset,
                time: stored.time,
                kind: stored.kind,
                hash: stored.hash,
                body,
            });
        }
        self.records += records.len();
        self.begun = begun.or(self.begun);
        self.segments.push(records);
        Ok(())
    }
}

impl History {
    fn new(station: &Station<'_>) -> History {
        let mut interpreter = Interpreter::new(station.settings.clone());
        interpreter.know_keys(station.keys.iter().cloned());
        let registered = station.registry.find(station.mn.as_bytes());
        let stations = registered.map(|registered| (station.mn.to_owned(), registered.facts.clone()));
        let context = Context { stations: stations.into_iter().collect(), ..Context::default() };
        let json = serde_json::to_vec(&context).unwrap_or_default();
        let hash = Sha256::digest(&json).into();
        let record = Record::Context { hash, part: 0, parts: 1, json: &json };
        interpreter.on_record(0, Timestamp(0), &[0; 32], &record, &mut Vec::new());
        History { interpreter, series: BTreeMap::new(), frames: VecDeque::new(), fields: Fields::default() }
    }

    fn take(&mut self, kept: &Kept, mn: &str) {
        let Ok(record) = Record::decode(kept.kind, &kept.body) else { return };
        let (segment, deviations, reason, heard) = match &record {
            Record::Frame(heard) => (heard.segment, heard.deviations, None, Some(heard)),
            Record::Rejected(rejected) => {
                (rejected.segment.unwrap_or_default(), rejected.detail, Some(rejected.reason), None)
            }
            Record::Presence(_)
            | Record::Context { .. }
            | Record::Registry { .. }
            | Record::RegistryChange { .. }
            | Record::Tick
            | Record::Clock(_)
            | Record::Command(_)
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_)
            | Record::MarkEntry { .. }
            | Record::MarkRuling { .. }
            | Record::CaseStep { .. }
            | Record::WorkEntry { .. }
            | Record::Started(_)
            | Record::Stopped => {
                return;
            }
        };
        let header = packet::parse(segment);
        if header.mn != Some(mn.as_bytes()) {
            return;
        }
        let mut published = Vec::new();
        let done = self.interpreter.on_record(kept.offset.0, kept.time, &kept.hash, &record, &mut published);
        let all = deviations.union(header.deviations).union(done.deviations);
        let names = self.values(&published);
        let cn = header.cn.unwrap_or_default();
        let shown_area = match heard {
            Some(heard) => self.interpreter.area_of(&header, heard),
            None if header.sealed.is_some_and(Seal::is_told_by_looks) => Area::Unreadable,
            None => Area::Plain(header.area),
        };
        // Ciphertext has no fields.
        let (area, sealed) = match &shown_area {
            Area::Plain(area) => (*area, None),
            Area::Opened(area) => (area.as_slice(), Some("opened")),
            Area::Unreadable => (&b""[..], Some("unreadable")),
        };
        self.fields.read(area);
        let fields = self.fields.iter(area).map(|field| {
            let item = text(field.item);
            let (name, unit) = names.get(&item).cloned().unwrap_or_default();
            let label = if item.is_empty() { text(field.name) } else { format!("{item}-{}", text(field.name)) };
            let value = if secret::is_secret(field.name) || secret::is_secret(field.item) {
                "***".to_owned()
            } else {
                shown(field.value)
            };
            json!({ "field": label, "value": value, "name": name, "unit": unit })
        });
        let frame = json!({
            "time": kept.time.to_rfc3339(),
            "cn": cn,
            "sealed": sealed,
            "kind": kind::command(cn).map(|command| command.kind.name()),
            "raw": masked(segment),
            "reason": reason.map(|reason| reason.code()),
            "reason_zh": reason.map(|reason| reason.explain_zh()),
            "reason_en": reason.map(|reason| reason.explain_en()),
            "deviations": explained(all),
            "fields": fields.collect::<Vec<_>>(),
        });
        self.frames.push_front(frame);
        // The oldest of its like goes: what was refused stays to be seen however much is said after it.
        let like = |shown: &Value| shown["reason"].is_null() == reason.is_none();
        let max = if reason.is_some() { REFUSED_MAX } else { FRAMES_MAX };
        if self.frames.iter().filter(|shown| like(shown)).count() > max
            && let Some(oldest) = self.frames.iter().rposition(like)
        {
            self.frames.remove(oldest);
        }
    }

    /// Takes the values of sampled and minute data into the series; gives names and units of the codes.
    fn values(&mut self, published: &[TypedPublication]) -> BTreeMap<String, (String, String)> {
        let mut names = BTreeMap::new();
        for publication in published.iter().filter(|said| matches!(said.content, Says::Data(_))) {
            let Ok(body) = serde_json::from_slice::<PublishedReading<'_>>(&publication.payload) else { continue };
            let several = body.instruments.len() > 1;
            let own = body.readings.into_iter().map(|(code, reading)| (code.clone(), code, String::new(), reading));
            // The same code under two instruments is two series.
            let under = body.instruments.into_iter().filter(|_| several).flat_map(|instrument| {
                let which = instrument.code.or(instrument.pol_id).unwrap_or_default();
                let label = instrument.name.unwrap_or_else(|| which.clone());
                let key = move |code: &str| format!("{code}@{which}");
                instrument.readings.into_iter().map(move |(code, reading)| (key(&code), code, label.clone(), reading))
            });
            for (key, code, label, reading) in own.chain(under) {
                let (name, unit) = (reading.name.unwrap_or_default(), reading.unit.unwrap_or_default());
                let named = if label.is_empty() { name.clone() } else { format!("{name} ({label})") };
                if let Some(value) = reading.rtd.filter(|value| body.kind == "realtime" && is_number(value)) {
                    let new = || Series {
                        code: key.clone(),
                        name: named.clone(),
                        unit: unit.clone(),
                        points: VecDeque::new(),
                    };
                    let series = self.series.entry(key.clone()).or_insert_with(new);
                    series.points.push_back((body.data_time.clone().unwrap_or_default(), value.to_owned()));
                    if series.points.len() > POINTS_MAX {
                        series.points.pop_front();
                    }
                }
                names.insert(code, (name, unit));
            }
        }
        names
    }
}

fn is_number(value: &RawValue) -> bool {
    value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A value as text; what is told within it as of a field of its own is hidden like one.
fn shown(value: &[u8]) -> String {
    text(&secret::masked(value))
}

/// The segment as text, without its password.
fn masked(segment: &[u8]) -> String {
    String::from_utf8_lossy(&secret::masked(segment)).into_owned()
}

fn explained(deviations: Deviations) -> Vec<Value> {
    let one = |d: hj212::Deviation| json!({ "code": d.code(), "zh": d.explain_zh(), "en": d.explain_en() });
    deviations.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212_model::message::{Heard, Peering};
    use hj212_model::registry::{self, Unknown};

    /// A journal of many small segments in which two stations take turns.
    fn journal(dir: &Path, frames: u32) {
        let settings =
            journal::Settings { dir: dir.to_path_buf(), segment_size: 1 << 13, reserve: 0, ..Default::default() };
        let journal = journal::open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
        let (sent, stored) = std::sync::mpsc::channel();
        for n in 0..frames {
            let mn = if n % 2 == 0 { "A" } else { "B" };
            let segment = format!(
                "QN=20260101{n:09};ST=31;CN=2011;PW=123456;MN={mn};Flag=4;CP=&&DataTime=20260101000000;a21026-Rtd={n}&&"
            );
            let from = Peering { connection: 1, peer: ([127, 0, 0, 1], 9).into() };
            let (deviations, segment) = (Deviations::NONE, segment.as_bytes());
            let record = Record::Frame(Heard { from, deviations, segment, raw: segment });
            let sent = sent.clone();
            let mut entry = super::super::record(&record);
            entry.time.0 -= i64::from(frames - n) * 1000;
            journal.appender().append(entry, move |done: Result<_, _>| {
                sent.send(done.is_ok()).unwrap();
            });
        }
        assert!(stored.iter().take(frames as usize).all(|done| done));
    }

    fn history(dir: &Path, mn: &str, limits: &Limits) -> Value {
        let (registry, settings) = (registry::load(&[], Unknown::Reject).unwrap(), interpret::Settings::default());
        let station = Station { mn, registry: &registry, settings: &settings, keys: Vec::new() };
        serde_json::from_str(&read(dir, station, 1, limits).unwrap()).unwrap()
    }

    fn said(history: &Value) -> Vec<String> {
        let values = |frame: &Value| frame["fields"][1]["value"].as_str().unwrap_or_default().to_owned();
        history["frames"].as_array().unwrap().iter().map(values).collect()
    }

    #[test]
    fn a_code_under_two_instruments_is_two_series() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let settings = journal::Settings { dir: dir.to_path_buf(), ..Default::default() };
        let journal = journal::open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
        let (sent, stored) = std::sync::mpsc::channel();
        let area = "DataTime=20260101000000;PolId=w21003,i13001-Rtd=1;PolId=w21011,i13001-Rtd=2";
        let segment = format!("QN=20260101000000001;ST=21;CN=2011;PW=123456;MN=A;Flag=4;CP=&&{area}&&");
        let from = Peering { connection: 1, peer: ([127, 0, 0, 1], 9).into() };
        let (deviations, segment) = (Deviations::NONE, segment.as_bytes());
        let record = Record::Frame(Heard { from, deviations, segment, raw: segment });
        journal.appender().append(super::super::record(&record), move |done: Result<_, _>| {
            sent.send(done.is_ok()).unwrap();
        });
        assert!(stored.recv().unwrap());
        let series = history(dir, "A", &Limits::default())["series"].clone();
        let codes: Vec<&Value> = series.as_array().unwrap().iter().map(|series| &series["code"]).collect();
        assert_eq!(codes, ["i13001@w21003", "i13001@w21011"]);
    }

    #[test]
    fn whatever_the_limits_the_newest_is_there() {
        let folder = tempfile::tempdir().unwrap();
        journal(folder.path(), 600);
        let segments = journal::spans(&OsDisk, folder.path()).unwrap().len();
        assert!(segments > 5, "{segments}");
        let newest: Vec<String> = (0..20).map(|n| (598 - 2 * n).to_string()).collect();
        let whole = history(folder.path(), "A", &Limits::default());
        assert_eq!((said(&whole), &whole["complete"]), (newest.clone(), &json!(true)));
        assert_eq!(whole["series"][0]["points"].as_array().unwrap().len(), 300);
        let tight = [
            Limits { bytes_max: 1 << 13, ..Limits::default() },
            Limits { time_max: Duration::ZERO, ..Limits::default() },
            Limits { records_max: 25, ..Limits::default() },
        ];
        for limits in &tight {
            let cut = history(folder.path(), "A", limits);
            assert!(!said(&cut).is_empty() && newest.starts_with(&said(&cut)), "{limits:?}");
            assert_eq!(cut["complete"], false);
            assert!(cut["from"].as_str() > whole["from"].as_str(), "it says since when");
            assert!(cut["series"][0]["points"].as_array().unwrap().len() < 300);
        }
    }
}
