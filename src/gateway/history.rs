//! What one station said in the last hours, read from the journal: its values as series, its last frames explained. The journal is the
//! memory; nothing is kept for this while nobody looks.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::view::HISTORY_BYTES_MAX;
use crate::clock;
use crate::interpret::{self, Interpreter};
use crate::journal::{self, Disk, OsDisk, ReadError, ReadItem, Reader, Stored};
use crate::message::{Context, Record, Timestamp, kind};
use crate::protocol::{Deviations, Fields, packet};
use crate::registry::Registry;

/// Frames shown at most, the newest.
const FRAMES_MAX: usize = 20;
/// Series shown at most.
const SERIES_MAX: usize = 24;
/// Points of a series at most, the newest.
const POINTS_MAX: usize = 500;

/// What of a published message is looked at.
#[derive(Deserialize)]
struct Told<'a> {
    kind: String,
    data_time: Option<String>,
    #[serde(borrow, default)]
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

/// Reads `hours` back, or as far as [`HISTORY_BYTES_MAX`] allow.
pub(super) fn read(
    dir: &Path,
    settings: &interpret::Settings,
    registry: &Registry,
    mn: &str,
    hours: u32,
) -> Result<String, ReadError> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let since = Timestamp(clock::now().0 - i64::from(hours) * 3_600_000_000);
    let stats_from = journal::offset_at(Arc::clone(&disk), dir, since)?;
    let mut reader = Reader::open(disk, dir, stats_from)?;
    let mut history = History::new(settings, registry, mn);
    let (mut bytes, mut begun) = (0, None);
    let needle = format!("MN={mn}");
    let finder = memchr::memmem::Finder::new(needle.as_bytes());
    while let Some(item) = reader.next()? {
        let ReadItem::Record(stored) = item else { continue };
        begun = begun.or(Some(stored.time));
        bytes += stored.body.len() as u64;
        if bytes > HISTORY_BYTES_MAX {
            break;
        }
        if finder.find(stored.body).is_some() {
            history.take(&stored, mn);
        }
    }
    let series: Vec<Series> = history.series.into_values().take(SERIES_MAX).collect();
    let rest = json!({
        "hours": hours,
        "from": begun.map(Timestamp::to_rfc3339),
        "complete": bytes <= HISTORY_BYTES_MAX,
        "frames": history.frames,
    });
    // A value would write the numbers in its own way.
    let series = serde_json::to_string(&series).unwrap_or_else(|_| "[]".into());
    Ok(format!("{{\"series\":{series},{}", rest.to_string().trim_start_matches('{')))
}

impl History {
    fn new(settings: &interpret::Settings, registry: &Registry, mn: &str) -> History {
        let mut interpreter = Interpreter::new(settings.clone());
        let stations = registry.find(mn.as_bytes()).map(|station| (mn.to_owned(), station.facts.clone()));
        let context = Context { stations: stations.into_iter().collect(), ..Context::default() };
        let json = serde_json::to_vec(&context).unwrap_or_default();
        let hash = Sha256::digest(&json).into();
        let record = Record::Context { hash, part: 0, parts: 1, json: &json };
        interpreter.on_record(0, Timestamp(0), &[0; 32], &record, &mut Vec::new());
        History { interpreter, series: BTreeMap::new(), frames: VecDeque::new(), fields: Fields::default() }
    }

    fn take(&mut self, stored: &Stored<'_>, mn: &str) {
        let Ok(record) = Record::decode(stored.kind, stored.body) else { return };
        let (segment, deviations, reason) = match &record {
            Record::Frame(heard) => (heard.segment, heard.deviations, None),
            Record::Rejected(rejected) => {
                (rejected.segment.unwrap_or_default(), rejected.detail, Some(rejected.reason))
            }
            Record::Presence(_)
            | Record::Context { .. }
            | Record::Tick
            | Record::Command(_)
            | Record::MarkEntry { .. }
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
        let done = self.interpreter.on_record(stored.offset.0, stored.time, &stored.hash, &record, &mut published);
        let all = deviations.union(header.deviations).union(done.deviations);
        let names = self.values(&published);
        let cn = header.cn.unwrap_or_default();
        // Ciphertext has no fields.
        let area = if header.sealed.is_some() { b"" } else { header.area };
        self.fields.read(area);
        let fields = self.fields.iter(area).map(|field| {
            let item = text(field.item);
            let (name, unit) = names.get(&item).cloned().unwrap_or_default();
            let label = if item.is_empty() { text(field.name) } else { format!("{item}-{}", text(field.name)) };
            json!({ "field": label, "value": text(field.value), "name": name, "unit": unit })
        });
        let frame = json!({
            "time": stored.time.to_rfc3339(),
            "cn": cn,
            "kind": kind::command(cn).map(|command| command.kind.name()),
            "raw": masked(segment),
            "reason": reason.map(|reason| reason.code()),
            "reason_zh": reason.map(|reason| reason.explain_zh()),
            "reason_en": reason.map(|reason| reason.explain_en()),
            "deviations": explained(all),
            "fields": fields.collect::<Vec<_>>(),
        });
        self.frames.push_front(frame);
        self.frames.truncate(FRAMES_MAX);
    }

    /// Takes the values of sampled and minute data into the series; gives names and units of the codes.
    fn values(&mut self, published: &[crate::message::Publication]) -> BTreeMap<String, (String, String)> {
        let mut names = BTreeMap::new();
        for publication in published {
            let Ok(body) = serde_json::from_slice::<Told<'_>>(&publication.payload) else { continue };
            for (code, reading) in body.readings {
                let (name, unit) = (reading.name.unwrap_or_default(), reading.unit.unwrap_or_default());
                if let Some(value) = reading.rtd.filter(|value| body.kind == "realtime" && is_number(value)) {
                    let new = || Series {
                        code: code.clone(),
                        name: name.clone(),
                        unit: unit.clone(),
                        points: VecDeque::new(),
                    };
                    let series = self.series.entry(code.clone()).or_insert_with(new);
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

/// The segment as text, without its password.
fn masked(segment: &[u8]) -> String {
    String::from_utf8_lossy(&interpret::masked(segment)).into_owned()
}

fn explained(deviations: Deviations) -> Vec<Value> {
    let one = |d: crate::protocol::Deviation| json!({ "code": d.code(), "zh": d.explain_zh(), "en": d.explain_en() });
    deviations.iter().map(one).collect()
}
