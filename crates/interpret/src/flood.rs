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
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::events::JournalRef;
use super::{EventKind, Interpreter, Says, StationEvent, TypedPublication};

const MINUTE: i64 = 60_000_000;

/// A station's share of this minute, by its name.
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

/// The station of a publication about a mark, and whether it is a retained one.
fn about_mark(published: &TypedPublication) -> Option<(&Arc<str>, bool)> {
    let retained = match &published.content {
        Says::Mark(_) => true,
        Says::Event(StationEvent { kind: EventKind::Mark(_) | EventKind::Limit, .. }) => false,
        Says::Data(_)
        | Says::Card(_)
        | Says::Event(_)
        | Says::Completeness(..)
        | Says::Validity(_)
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
        | Says::Judged { .. }
        | Says::Lead
        | Says::Gateway => return None,
    };
    Some((published.station.as_ref()?, retained))
}

impl Interpreter {
    /// Holds back what is beyond a station's share of what was added to `out` behind `from`.
    pub(super) fn hold_back(&mut self, from: usize, out: &mut Vec<TypedPublication>) {
        if out.iter().skip(from).all(|said| about_mark(said).is_none()) {
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
            let Some((station, retained)) = about_mark(publication) else { return true };
            let share = match flood.get_mut(&**station) {
                Some(share) => share,
                None => flood.entry(station.to_string()).or_insert(Share { minute, ..Share::default() }),
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
    pub(super) fn let_go(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let minute = self.elapsed.0.div_euclid(MINUTE);
        let over: Vec<(String, Share)> = self.flood.0.extract_if(.., |_, share| share.minute != minute).collect();
        for (name, share) in over {
            if share.held == 0 && share.states.is_empty() {
                continue;
            }
            let (states, shown): (usize, Arc<str>) = (share.states.len(), name.as_str().into());
            for (topic, payload) in share.states {
                let content = Says::Mark(!payload.is_empty());
                out.push(TypedPublication::of(&shown, topic, payload.into(), content));
            }
            let Some(station) = self.stations.iter().find(|station| *station.name == *name) else { continue };
            let mn = String::from_utf8_lossy(&station.mn).into_owned();
            let detail = json!({ "events": share.held, "marks": states, "per_minute": self.settings.marks_per_minute });
            self.push_step_event(&mn, "marks-limited", &detail, place, out);
        }
    }
}
