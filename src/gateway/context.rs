//! Journals what interpretation depends on besides the frames, whenever it has changed, so that a replay finds it in its place.
//!
//! What must stay true:
//! * what holds is in the journal before any record that it holds for: the records are insisted on (see [`hj212_journal::Appender::insist`]),
//!   so that nothing is stored behind a configuration that is not;
//! * the file `context` claims that a context is in the journal only if a start can find it there: it names the journal and the records. It
//!   is removed before another context is journalled and written when that is durable; a start believes it only if the records are still
//!   there to be read, or the checkpoint that the start begins with came after them;
//! * a change of one station is journalled as that change alone; the whole is journalled when there is no context to begin with, when most
//!   of it is other, and once in [`REFRESH`] at a start.
//!
//! # The file
//!
//! `context`, of the kind that [`Derived::store`] writes: postcard of [`Noted`]. Without it the whole is journalled once more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::derived::Derived;
use hj212_journal::{Journal, Offset, ReadItem};
use hj212_model::message::{Context, Record, StationFacts, Timestamp};

/// A whole context this old is written again at the next start.
pub const REFRESH: Duration = Duration::from_secs(24 * 3600);

/// The JSON of one record is closed when it is longer than this.
const PIECE_MAX: usize = 256 * 1024;
/// The longest row that fits into a record with a piece.
const ROW_MAX: usize = 1024 * 1024;
/// The longest piece of a context whose rows are too long, bytes.
const CHUNK_MAX: usize = 512 * 1024;

const FILE: &str = "context";

/// A record as (kind, body).
type Encoded = (u8, Vec<u8>);

/// Records to be journalled, and what they say together.
#[derive(Debug)]
pub(super) struct Statement {
    /// In order.
    pub(super) records: Vec<Encoded>,
    noted: Noted,
    whole: bool,
}

/// What is known of the context that the journal holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    /// Its name (see [`hj212_model::message::record`]).
    name: [u8; 32],
    /// When the whole was journalled.
    whole_at: i64,
    /// First and last record of the whole, then of each change since.
    runs: Vec<(u64, u64)>,
    /// A hash of each row.
    rows: BTreeMap<String, [u8; 16]>,
}

/// The name of `context` in the journal, and what has to be journalled for it; `None` if the journal holds it. `is_there` says whether a start
/// finds the context of this name, in these runs of records.
pub(super) fn statement(
    context: &Context,
    derived: &Derived,
    now: Timestamp,
    is_there: impl Fn(&[u8; 32], &[(u64, u64)]) -> bool,
) -> ([u8; 32], Option<Statement>) {
    let rows: BTreeMap<String, [u8; 16]> = rows(context).map(|(key, json)| (key, hash(&json))).collect();
    let noted = derived.load(FILE).and_then(|bytes| postcard::from_bytes::<Noted>(&bytes).ok());
    let noted = noted.filter(|noted| !noted.runs.is_empty() && is_there(&noted.name, &noted.runs));
    let refresh = i64::try_from(REFRESH.as_micros()).unwrap_or(i64::MAX);
    let young = |noted: &Noted| (0..refresh).contains(&now.0.saturating_sub(noted.whole_at));
    if let Some(noted) = noted.filter(young) {
        let changed: Vec<&String> =
            rows.iter().filter(|(key, hash)| noted.rows.get(*key) != Some(hash)).map(|(k, _)| k).collect();
        let gone: Vec<&String> = noted.rows.keys().filter(|key| !rows.contains_key(*key)).collect();
        if changed.is_empty() && gone.is_empty() {
            return (noted.name, None);
        }
        if changed.len() + gone.len() <= rows.len() / 2 {
            let new = changed.iter().filter_map(|key| Some(((*key).clone(), row(context, key)?)));
            let gone = gone.iter().map(|key| ((*key).clone(), b"null".to_vec()));
            if let Some((records, name)) = pieces(new.chain(gone), Some(noted.name)) {
                let noted = Noted { name, rows, ..noted };
                return (name, Some(Statement { records, noted, whole: false }));
            }
        }
    }
    let (records, name) = pieces(self::rows(context), None).unwrap_or_else(|| chunks(context));
    let noted = Noted { name, whole_at: now.0, runs: Vec::new(), rows };
    (name, Some(Statement { records, noted, whole: true }))
}

/// Says that the file does not hold any more, before something else is journalled.
pub(super) fn forget(derived: &Derived) -> std::io::Result<()> {
    derived.forget(FILE)
}

/// Remembers that `statement` is in the journal, as the records `first..=last`. Forgotten, the whole is only written once more.
pub(super) fn written(statement: Statement, derived: &Derived, first: Offset, last: Offset) -> std::io::Result<()> {
    let Statement { mut noted, whole, .. } = statement;
    if whole {
        noted.runs.clear();
    }
    noted.runs.push((first.0, last.0));
    derived.store(FILE, &postcard::to_stdvec(&noted).map_err(std::io::Error::other)?)
}

/// Whether one of the records `first..=last` tells the context that was announced last: it cannot be read from there any more.
pub(super) fn is_among(derived: &Derived, first: Offset, last: Offset) -> bool {
    let noted = derived.load(FILE).and_then(|bytes| postcard::from_bytes::<Noted>(&bytes).ok());
    noted.is_some_and(|noted| noted.runs.iter().any(|(from, to)| *from <= last.0 && *to >= first.0))
}

/// Whether the records `first..=last` can be read, and are of a context.
pub(super) fn is_readable(journal: &Journal, first: u64, last: u64) -> bool {
    let mut reader = journal.reader(Offset(first));
    for offset in first..=last {
        match reader.next() {
            Ok(Some(ReadItem::Record(stored))) if stored.offset.0 == offset && Record::tells_context(stored.kind) => {}
            Ok(_) | Err(_) => return false,
        }
    }
    true
}

/// The rows of a context in order: a letter for what it is, then its key; and its JSON.
fn rows(context: &Context) -> impl Iterator<Item = (String, Vec<u8>)> {
    let factors = context.factors.iter().map(|(code, row)| (format!("f{code}"), serde_json::to_vec(row)));
    let rules = context.rules.iter().map(|(file, text)| (format!("r{file}"), serde_json::to_vec(text)));
    let alerts = context.alerts.iter().map(|(file, text)| (format!("a{file}"), serde_json::to_vec(text)));
    let scores = context.scores.iter().map(|(file, text)| (format!("c{file}"), serde_json::to_vec(text)));
    let leads = context.leads.iter().map(|(file, text)| (format!("l{file}"), serde_json::to_vec(text)));
    let stations = context.stations.iter().map(|(mn, facts)| (format!("s{mn}"), Ok(short(facts))));
    let dialects = context.dialects.iter().map(|(name, row)| (format!("d{name}"), serde_json::to_vec(row)));
    alerts
        .chain(scores)
        .chain(dialects)
        .chain(factors)
        .chain(leads)
        .chain(rules)
        .chain(stations)
        .map(|(key, json)| (key, json.unwrap_or_default()))
}

/// The JSON of one row of a context.
fn row(context: &Context, key: &str) -> Option<Vec<u8>> {
    let (what, key) = key.split_at_checked(1)?;
    match what {
        "a" => serde_json::to_vec(context.alerts.get(key)?).ok(),
        "c" => serde_json::to_vec(context.scores.get(key)?).ok(),
        "d" => serde_json::to_vec(context.dialects.get(key)?).ok(),
        "f" => serde_json::to_vec(context.factors.get(key)?).ok(),
        "l" => serde_json::to_vec(context.leads.get(key)?).ok(),
        "r" => serde_json::to_vec(context.rules.get(key)?).ok(),
        _ => Some(short(context.stations.get(key)?)),
    }
}

/// A station's facts as JSON, without what is as by default: most of 300,000 stations say little.
fn short(facts: &StationFacts) -> Vec<u8> {
    let mut json = serde_json::to_value(facts).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|name, value| match value {
            serde_json::Value::Null => false,
            serde_json::Value::String(text) => name != "name" || !text.is_empty(),
            serde_json::Value::Array(items) => !items.is_empty(),
            serde_json::Value::Object(fields) => !fields.is_empty(),
            serde_json::Value::Bool(_) | serde_json::Value::Number(_) => true,
        });
    }
    serde_json::to_vec(&json).unwrap_or_default()
}

/// The rows as records of a change of `base`, or of the whole; and the name of what they make. `None`: a row is too long for that.
fn pieces(rows: impl Iterator<Item = (String, Vec<u8>)>, base: Option<[u8; 32]>) -> Option<(Vec<Encoded>, [u8; 32])> {
    let mut pieces = Vec::new();
    let mut open: [Vec<u8>; 7] = Default::default();
    let mut size = 0;
    for (key, json) in rows {
        if key.len() + json.len() > ROW_MAX {
            return None;
        }
        let (what, key) = key.split_at_checked(1)?;
        let [alerts, scores, dialects, factors, leads, rules, stations] = &mut open;
        let map = match what {
            "a" => alerts,
            "c" => scores,
            "d" => dialects,
            "f" => factors,
            "l" => leads,
            "r" => rules,
            _ => stations,
        };
        map.push(if map.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut *map, key).ok()?;
        map.push(b':');
        map.extend_from_slice(&json);
        size += key.len() + json.len();
        if size >= PIECE_MAX {
            pieces.push(close(&mut open));
            size = 0;
        }
    }
    if size > 0 || pieces.is_empty() {
        pieces.push(close(&mut open));
    }
    let mut name = base.unwrap_or_default();
    for piece in &pieces {
        name = Sha256::new().chain_update(name).chain_update(piece).finalize().into();
    }
    let parts = u32::try_from(pieces.len()).ok()?;
    let records = (0u32..).zip(pieces).map(|(part, json)| {
        let record = match base {
            Some(base) => Record::RegistryChange { base, name, part, parts, json: &json },
            None => Record::Registry { name, part, parts, json: &json },
        };
        record.encoded()
    });
    Some((records.collect(), name))
}

/// The open maps as one object; they begin anew.
fn close(open: &mut [Vec<u8>; 7]) -> Vec<u8> {
    let mut piece = Vec::new();
    for (name, map) in ["alerts", "scores", "dialects", "factors", "leads", "rules", "stations"].iter().zip(open) {
        if map.is_empty() {
            continue;
        }
        piece.push(if piece.is_empty() { b'{' } else { b',' });
        piece.extend_from_slice(format!("\"{name}\":").as_bytes());
        piece.append(map);
        piece.push(b'}');
    }
    if piece.is_empty() {
        piece.push(b'{');
    }
    piece.push(b'}');
    piece
}

/// The whole as one JSON, cut anywhere: for rows that are too long for a record.
fn chunks(context: &Context) -> (Vec<(u8, Vec<u8>)>, [u8; 32]) {
    let json = serde_json::to_vec(context).unwrap_or_else(|_| b"{}".to_vec());
    let hash = Sha256::digest(&json).into();
    let pieces: Vec<&[u8]> = json.chunks(CHUNK_MAX).collect();
    let parts = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let records = (0u32..).zip(pieces).map(|(part, json)| Record::Context { hash, part, parts, json }.encoded());
    (records.collect(), hash)
}

fn hash(json: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(Sha256::digest(json).split_at(16).0);
    short
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use hj212_journal::sim_disk::SimDisk;
    use hj212_model::message::StationFacts;

    #[test]
    fn a_context_is_journalled_when_it_changes_and_once_a_day() {
        let derived = Derived::new(Arc::new(SimDisk::new(1, 1 << 24)), "/j".into(), [1; 16]);
        let stations = (0..10).map(|n| (format!("M{n}"), StationFacts::default().into())).collect();
        let mut context = Context { stations, ..Context::default() };
        let at = |hours: i64| Timestamp(1_795_401_600_000_000 + hours * 3_600_000_000);
        let (name, first) = statement(&context, &derived, at(0), |_, _| true);
        let first = first.expect("nothing is known yet");
        assert!(first.whole);
        written(first, &derived, Offset(1), Offset(1)).unwrap();
        assert!(statement(&context, &derived, at(1), |_, _| false).1.is_some(), "its records are gone");
        let (again, second) = statement(&context, &derived, at(23), |_, _| true);
        assert!(again == name && second.is_none(), "a start tells nothing that is there");
        assert!(statement(&context, &derived, at(24), |_, _| true).1.is_some_and(|statement| statement.whole));
        context.stations.insert("M3".into(), StationFacts { name: "other".into(), ..StationFacts::default() }.into());
        let (changed, third) = statement(&context, &derived, at(2), |_, _| true);
        assert!(changed != name && third.is_some_and(|statement| !statement.whole && statement.records.len() == 1));
    }
}
