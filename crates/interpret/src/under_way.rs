//! What is under way at a station, for those who look: gaps, requests, keys, the clock. Derived from the interpretation; nothing of it is
//! published.
//!
//! What must stay true: no key, no password and no word that confirms a request is in it; it is bounded ([`GAPS_SHOWN_MAX`],
//! [`REQUESTS_SHOWN_MAX`]), and says how much it leaves out.

use serde_json::{Value, json};

use super::Interpreter;
use super::remembered::Clock;
use super::station::Station;
use hj212_coverage::{Cause, OpenGap, Rest};
use hj212_downlink::{KeyState, Step};
use hj212_model::message::Timestamp;

/// Gaps shown of a station, the newest.
pub const GAPS_SHOWN_MAX: usize = 32;
/// Open requests shown of a station, the newest.
pub const REQUESTS_SHOWN_MAX: usize = 32;

impl Interpreter {
    /// Notes what a step tells of a station's clock. To be called before the step ends its request.
    pub(super) fn note_clock(&mut self, step: &Step, at: Timestamp) {
        let ended = |id: &str, mn: &str| self.stories.is_open(mn, id, "set-time");
        let (said, set) = match step {
            Step::Clock { offset_ms, within, .. } => (Some((at, *offset_ms, *within)), None),
            Step::Ended { mn, id, outcome, .. } if ended(id, mn) => {
                (None, Some((at, *outcome == hj212_downlink::Outcome::Done)))
            }
            Step::Queued { .. }
            | Step::Confirmed { .. }
            | Step::Sent { .. }
            | Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Cancel { .. }
            | Step::Ended { .. }
            | Step::Refused { .. }
            | Step::Key { .. }
            | Step::Moved { .. }
            | Step::KeyNote { .. } => return,
        };
        let number = self.by_mn.get(step.mn().as_bytes());
        if let Some(station) = number.and_then(|number| self.stations.get_mut(*number as usize)) {
            station.clock = Clock { said: said.or(station.clock.said), set: set.or(station.clock.set) };
        }
    }

    /// What is under way at the station `mn`, as JSON; `None` if it is not known.
    #[must_use]
    pub fn under_way(&self, mn: &str) -> Option<Value> {
        match self.by_mn.get(mn.as_bytes()) {
            Some(number) => Some(self.view(mn, self.stations.get(*number as usize)?)),
            None => self.context.facts(mn).is_some().then(|| self.view(mn, &Station::default())),
        }
    }

    /// The same of all stations at which anything is.
    pub fn all_under_way(&self) -> impl Iterator<Item = (&str, Value)> {
        let heard = self.stations.iter().filter_map(|station| {
            let mn = std::str::from_utf8(&station.mn).ok()?;
            Some((mn, self.view(mn, station)))
        });
        let others = self.keys.stations().filter(|mn| !self.by_mn.contains_key(mn.as_bytes()));
        heard.chain(others.filter_map(|mn| Some((mn, self.under_way(mn)?))))
    }

    fn view(&self, mn: &str, station: &Station) -> Value {
        let (mut open, at_rest): (Vec<OpenGap>, Vec<OpenGap>) =
            station.ledger.gaps().partition(|gap| gap.rest.is_none());
        open.sort_by_key(|gap| std::cmp::Reverse(gap.stretch.from));
        let gaps: Vec<Value> = open.iter().take(GAPS_SHOWN_MAX).map(|gap| self.gap(mn, gap)).collect();
        let records: u64 = at_rest.iter().map(|gap| u64::from(gap.missing)).sum();
        let requests = self.stories.open_of(mn);
        let left_out = requests.len().saturating_sub(REQUESTS_SHOWN_MAX);
        let shown: Vec<Value> = requests.into_iter().take(REQUESTS_SHOWN_MAX).collect();
        let keys: Vec<Value> =
            self.keys_of(mn).map(|(created, state)| json!({ "created": created, "state": state })).collect();
        let Clock { said, set } = station.clock;
        json!({
            "gaps": gaps,
            "gaps_left_out": open.len().saturating_sub(GAPS_SHOWN_MAX),
            "given_up": { "stretches": at_rest.len(), "records": records },
            "requests": shown,
            "requests_left_out": left_out,
            "keys": keys,
            "key_proven": self.keys_of(mn).any(|(_, state)| state == KeyState::Proven),
            "clock": {
                "at": said.map(|(at, ..)| at.to_rfc3339()), "offset_ms": said.map(|(_, offset, _)| offset),
                "within": said.map(|(.., within)| within), "set_at": set.map(|(at, _)| at.to_rfc3339()),
                "set_done": set.map(|(_, done)| done),
            },
        })
    }

    fn gap(&self, mn: &str, gap: &OpenGap) -> Value {
        let causes: Value =
            Cause::ALL.iter().zip(gap.stretch.causes).map(|(cause, count)| (cause.code(), json!(count))).collect();
        let marks = self.explaining(mn.as_bytes(), &gap.stretch);
        let marks: Vec<Value> =
            marks.iter().take(GAPS_SHOWN_MAX).map(|mark| json!({ "mark": mark.mark, "object": mark.object })).collect();
        json!({
            "kind": gap.stretch.grain.name(), "from": gap.stretch.from.to_rfc3339(), "to": gap.stretch.to.to_rfc3339(),
            "count": gap.stretch.count, "missing": gap.missing, "cause": gap.stretch.cause.code(), "causes": causes,
            "attempts": gap.attempts, "growing": gap.stretch.growing, "state": gap.rest.map(Rest::code), "marks": marks,
        })
    }
}
