//! The requests to stations as the journal tells them, open ones and ended ones, beside a running gateway or without one. Nothing is
//! written.
//!
//! What must stay true: no password, no key and nothing that was sent is in it; requests beyond [`REQUESTS_MAX`] fall out, ended ones and
//! the oldest first, and are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::replay::ReplayError;
use crate::config::Config;
use hj212_downlink::Step;
use hj212_journal::{Disk, Offset, OsDisk, ReadItem, Reader};
use hj212_model::message::{Record, Timestamp};

/// Requests that are remembered while the journal is read.
pub const REQUESTS_MAX: usize = 100_000;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it was first heard of.
    pub queued: Timestamp,
    /// Its last state with all that is known of it, as in its status.
    pub status: Map<String, Value>,
}

impl Request {
    /// A member of its status, as text.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.status.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it may still be sent, answered, or confirmed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.text("state"), "to-confirm" | "queued" | "sent" | "accepted" | "data" | "cancelling")
    }
}

/// What [`read`] found.
#[derive(Debug, Default)]
pub struct Requests {
    /// The oldest first.
    pub requests: Vec<Request>,
    /// How many fell out.
    pub forgotten: usize,
}

/// The requests of the journal, of one station or of all.
///
/// # Errors
/// [`ReplayError::Journal`] if there is no journal or it cannot be read.
pub fn read(config: &Config, mn: Option<&str>) -> Result<Requests, ReplayError> {
    let dir = &config.journal.dir;
    let broken = |error: &dyn std::fmt::Display| ReplayError::Journal {
        dir: dir.display().to_string(),
        error: error.to_string(),
    };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    hj212_journal::id(&*disk, dir).map_err(|error| broken(&error))?.ok_or_else(|| broken(&"there is none"))?;
    let mut reader = Reader::open(disk, dir, Offset(0)).map_err(|error| broken(&error))?;
    let mut gathered = Gathered::default();
    while let Some(item) = reader.next().map_err(|error| broken(&error))? {
        if let ReadItem::Record(stored) = item
            && let Ok(Record::Command(body)) = Record::decode(stored.kind, stored.body)
            && let Some(step) = Step::decode(body)
            && mn.is_none_or(|mn| step.mn() == mn)
        {
            gathered.note(&step, stored.time);
        }
    }
    Ok(gathered.end())
}

#[derive(Default)]
struct Gathered {
    requests: BTreeMap<(String, String), Request>,
    forgotten: usize,
}

impl Gathered {
    fn note(&mut self, step: &Step, at: Timestamp) {
        let (Some(id), Some(Value::Object(status))) = (step.id(), step.status(at)) else { return };
        let key = (step.mn().to_owned(), id.to_owned());
        let beside = matches!(step, Step::Refused { shown: false, .. });
        if beside && self.requests.contains_key(&key) {
            // What is refused about an id that is in use is no news of that request.
            return;
        }
        let request = self.requests.entry(key).or_insert_with(|| Request { queued: at, status: Map::new() });
        request.status.extend(status);
        if self.requests.len() > REQUESTS_MAX {
            let ended = self.requests.iter().filter(|(_, request)| !request.is_open());
            let oldest = ended
                .min_by_key(|(_, request)| request.queued)
                .or_else(|| self.requests.iter().min_by_key(|(_, request)| request.queued));
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.requests.remove(&key);
                self.forgotten += 1;
            }
        }
    }

    fn end(self) -> Requests {
        let mut requests: Vec<Request> = self.requests.into_values().collect();
        requests.sort_by_key(|request| request.queued);
        Requests { requests, forgotten: self.forgotten }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212::Edition;
    use hj212_downlink::{Origin, Outcome};

    fn queued(id: &str) -> Step {
        Step::Queued {
            mn: "A".into(),
            id: id.into(),
            command: "get-time".into(),
            cn: 1011,
            edition: Edition::V2017,
            area: "NewPW=secret".into(),
            new_mn: None,
            origin: Origin::Operator,
            author: "li".into(),
            why: "test".into(),
            expires: Timestamp(1),
            confirm: None,
        }
    }

    #[test]
    fn a_request_has_its_last_state_and_what_was_known_before() {
        let mut gathered = Gathered::default();
        gathered.note(&queued("a"), Timestamp(1));
        gathered.note(&queued("b"), Timestamp(2));
        let (mn, id, segment) = ("A".to_owned(), "a".to_owned(), "PW=secret".to_owned());
        gathered.note(&Step::Sent { mn: mn.clone(), id: id.clone(), qn: "1".into(), count: 1, segment }, Timestamp(3));
        gathered.note(&Step::Ended { mn, id, outcome: Outcome::Done, code: Some(1), packets: 0 }, Timestamp(4));
        let found = gathered.end().requests;
        assert_eq!((found[0].text("state"), found[0].text("author"), found[0].is_open()), ("done", "li", false));
        assert_eq!((found[1].text("id"), found[1].text("state"), found[1].is_open()), ("b", "queued", true));
        assert!(!format!("{found:?}").contains("secret"));
    }
}
