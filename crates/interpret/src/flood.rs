//! How many messages about marks one station may cause. A station whose flags toggle on hundreds of codes begins and ends hundreds of marks with
//! every report; published one by one they would delay everybody's readings.
//!
//! What must stay true:
//! * within [`super::Settings::marks_per_minute`] of a station and minute of journal time everything is published as it comes;
//! * beyond it, of each retained mark the **last** state is published when the minute is over, so that what is retained is right then at the latest,
//!   and events are counted and summed up in one (`marks-limited`). Readings are not touched: they hold their marks themselves, and
//!   the journal tells of every begin and end (`hj212-gateway marks list`);
//! * what waits is in the snapshot, so that a restart loses none of it; it is bounded by the marks that a station can have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Interpreter;
use super::events::JournalRef;
use hj212_model::message::Publication;

const MINUTE: i64 = 60_000_000;

/// A station's share of this minute, by the level of its topics.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Share {
    minute: i64,
    said: u32,
    /// Events that were not published.
    held: u32,
    /// The last state of retained marks that were not, by topic.
    states: BTreeMap<String, Vec<u8>>,
}

/// See the head of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Flood(BTreeMap<String, Share>);

/// The station's level of a topic about a mark, and whether it is a retained one.
fn about_mark<'t>(topic: &'t str, prefix: &str) -> Option<(&'t str, bool)> {
    let mut levels = topic.strip_prefix(prefix)?.strip_prefix('/')?.splitn(3, '/');
    let (station, what, rest) = (levels.next()?, levels.next()?, levels.next()?);
    match what {
        "mark" => Some((station, true)),
        "event" if ["mark-", "limit-", "flag-", "count-exceeded"].iter().any(|of| rest.starts_with(of)) => {
            Some((station, false))
        }
        _ => None,
    }
}

impl Interpreter {
    /// Holds back what is beyond a station's share of what was added to `out` behind `from`.
    pub(super) fn hold_back(&mut self, from: usize, out: &mut Vec<Publication>) {
        let prefix = self.settings.prefix.as_str();
        if out.iter().skip(from).all(|said| about_mark(&said.topic, prefix).is_none()) {
            return;
        }
        let minute = self.elapsed.0.div_euclid(MINUTE);
        let most = self.settings.marks_per_minute;
        let flood = &mut self.flood.0;
        let mut place = 0;
        out.retain(|publication| {
            place += 1;
            if place <= from {
                return true;
            }
            let Some((station, retained)) = about_mark(&publication.topic, prefix) else { return true };
            let share = match flood.get_mut(station) {
                Some(share) => share,
                None => flood.entry(station.to_owned()).or_insert(Share { minute, ..Share::default() }),
            };
            if share.said < most {
                share.said += 1;
                return true;
            }
            if retained {
                share.states.insert(publication.topic.clone(), publication.payload.to_vec());
            } else {
                share.held = share.held.saturating_add(1);
            }
            false
        });
    }

    /// Says what was held back in minutes that are over.
    pub(super) fn let_go(&mut self, place: JournalRef<'_>, out: &mut Vec<Publication>) {
        let minute = self.elapsed.0.div_euclid(MINUTE);
        let over: Vec<(String, Share)> = self.flood.0.extract_if(.., |_, share| share.minute != minute).collect();
        for (level, share) in over {
            if share.held == 0 && share.states.is_empty() {
                continue;
            }
            let states = share.states.len();
            for (topic, payload) in share.states {
                out.push(Publication { topic, payload: payload.into(), retain: true });
            }
            let Some(station) = self.stations.iter().find(|station| station.level == level) else { continue };
            let mn = String::from_utf8_lossy(&station.mn).into_owned();
            let detail = json!({ "events": share.held, "marks": states, "per_minute": self.settings.marks_per_minute });
            self.push_step_event(&mn, "marks-limited", &detail, place, out);
        }
    }
}
