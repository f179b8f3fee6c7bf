//! Why a value is marked: what the journal says of one station at one time. Beside a running gateway or without one; nothing is written.
//!
//! The records up to a little after the time give the messages as they were published, the records after that the marks that were said of it
//! later: entries by hand, and ends.

use serde_json::Value;
use serde_json::value::RawValue;

use super::replay::{Range, ReplayError, broken, start};
use super::uplink::interpret;
use crate::config::Config;
use crate::journal::ReadItem;
use crate::marking::{Mark, Words};
use crate::message::Timestamp;

/// A record is looked for among those that arrived so long before and after the time: longer than any period of a day.
const AROUND: i64 = 26 * 3_600_000_000;

/// What is known.
#[derive(Debug, Default)]
pub struct Findings {
    /// The data message nearest to the time, of each kind, verbatim: numbers keep their digits.
    pub records: Vec<Box<RawValue>>,
    /// The marks that cover the time, in words.
    pub marks: Vec<(Mark, Words)>,
    /// Whether the station was heard at all around the time.
    pub heard: bool,
}

/// What the journal says of the station `mn` at `at`.
///
/// # Errors
/// If there is no journal or it cannot be read.
pub fn explain(config: &Config, mn: &str, at: Timestamp) -> Result<Findings, ReplayError> {
    let since = Timestamp(at.0.saturating_sub(AROUND));
    let range = Range { since: Some(since), until: None, mn: None, keys: Vec::new() };
    let (mut interpreter, mut reader) = start(config, &range)?;
    let mut found = Findings::default();
    let mut nearest: Vec<(String, i64, Box<RawValue>)> = Vec::new();
    let (mut published, mut then) = (Vec::new(), None);
    while let Some(item) = reader.next().map_err(|error| broken(&config.journal.dir, &error))? {
        let ReadItem::Record(stored) = item else { continue };
        if stored.time.0 > at.0 && then.is_none() {
            then = Some(interpreter.marks_at(mn, at));
        }
        interpret(&mut interpreter, &stored, &mut published);
        let near = (since.0..=at.0.saturating_add(AROUND)).contains(&stored.time.0);
        for publication in published.drain(..).filter(|_| near) {
            let Some(kind) = kind(&publication.topic, &config.mqtt.prefix, mn) else { continue };
            found.heard = true;
            let Ok(body) = serde_json::from_slice::<Box<RawValue>>(&publication.payload) else { continue };
            let Ok(said) = serde_json::from_str::<Value>(body.get()) else { continue };
            let Some(time) = said["data_time"].as_str().and_then(read_time) else { continue };
            let distance = (time.0 - at.0).abs();
            match nearest.iter_mut().find(|(known, ..)| known == kind) {
                Some(known) if known.1 >= distance => (known.1, known.2) = (distance, body),
                Some(_) => {}
                None => nearest.push((kind.to_owned(), distance, body)),
            }
        }
    }
    nearest.sort_by_key(|(_, distance, _)| *distance);
    found.records = nearest.into_iter().map(|(_, _, body)| body).collect();
    found.marks = interpreter.marks_at(mn, at);
    // What is no longer remembered at the end was known then.
    for (mark, words) in then.unwrap_or_default() {
        let same = |(known, _): &(Mark, Words)| {
            (&known.mark, &known.object, &known.by, known.since) == (&mark.mark, &mark.object, &mark.by, mark.since)
        };
        if !found.marks.iter().any(same) {
            found.marks.push((mark, words));
        }
    }
    Ok(found)
}

/// The kind of a data message of the station.
fn kind<'a>(topic: &'a str, prefix: &str, mn: &str) -> Option<&'a str> {
    topic.strip_prefix(prefix)?.strip_prefix('/')?.strip_prefix(mn)?.strip_prefix("/data/")
}

fn read_time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(time.as_microsecond()))
}
