//! What became of requests to stations: the steps of the journal as retained status documents and events.
//!
//! What must stay true: documents follow from the records alone, so that a replay gives the same; no password and no key is in them;
//! requests that are open are remembered up to [`OPEN_MAX`], and of ended ones whose document the broker still keeps [`KEPT_MAX`], the
//! oldest given up first. An ended request's document is cleared after `status_kept`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::data::write_journal;
use super::events::JournalRef;
use super::{EventKind, Interpreter, Says, StationEvent, TypedPublication};
use hj212::secret::masked;
use hj212_downlink::{Outcome, Step};
use hj212_model::message::topic::station_name;
use hj212_model::message::{Timestamp, Topic};

/// The schema of what is known of a request.
const STATUS: &str = "hj212.command/1";
/// Open requests remembered, of all stations.
const OPEN_MAX: usize = 50_000;
/// Ended requests whose documents are to be cleared one day.
const KEPT_MAX: usize = 50_000;

/// What is known of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CommandState {
    command: String,
    cn: u16,
    origin: hj212_downlink::Origin,
    author: String,
    why: String,
    queued: Timestamp,
    expires: Timestamp,
    confirm: Option<String>,
    confirmed_by: Option<String>,
    sent: Option<Timestamp>,
    qn: Option<String>,
    count: u8,
    /// What was sent, the password masked.
    segment: Option<String>,
    packets: u64,
    cancelled_by: Option<String>,
    /// What the station answered to a question for single values, in its own words, passwords masked.
    answers: Vec<String>,
}

/// What a request told its station that is to be followed.
pub(super) struct ToldToStation {
    pub(super) new_mn: Option<String>,
    /// The field of the registration and its value.
    pub(super) interval: Option<(&'static str, String)>,
    /// So many packets were sent.
    pub(super) count: u8,
}

/// Answers kept of a request.
const ANSWERS_MAX: usize = 8;

/// The requests whose documents stand.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct OpenCommands {
    open: BTreeMap<(String, String), CommandState>,
    kept: VecDeque<(Timestamp, String, String)>,
}

impl Interpreter {
    /// A step of a request, of a key or of a clock.
    pub(super) fn on_step(&mut self, step: &Step, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        match step {
            Step::Clock { mn, offset_ms, within } => {
                let kind = if *within { "clock-right" } else { "clock-drift" };
                if !*within {
                    self.note_drift(mn, place.at);
                }
                self.push_step_event(mn, kind, &json!({ "offset_ms": offset_ms }), place, out);
            }
            Step::Key { again: true, .. } => {}
            Step::Key { mn, created, state, .. } => {
                self.push_step_event(mn, "key", &json!({ "created": created, "state": state }), place, out);
            }
            Step::KeyNote { mn, created, notice } => {
                let detail = json!({ "created": created, "state": notice });
                self.push_step_event(mn, "key", &detail, place, out);
            }
            // What follows from it says the event about it.
            Step::Moved { .. } => {}
            Step::Queued { .. }
            | Step::Confirmed { .. }
            | Step::Sent { .. }
            | Step::Accepted { .. }
            | Step::Data { .. }
            | Step::Cancel { .. }
            | Step::Ended { .. }
            | Step::Refused { .. } => self.on_request_step(step, place, out),
        }
    }

    fn on_request_step(&mut self, step: &Step, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let (Some(id), mn) = (step.id(), step.mn()) else { return };
        let key = (mn.to_owned(), id.to_owned());
        self.stories.note(&key, step, place.time);
        let story = self.stories.open.get(&key);
        let Some(mut document) = step.status(place.time) else { return };
        // A refusal about an id that is in use has a place of its own: it hides no status.
        let beside = matches!(step, Step::Refused { shown: false, .. });
        if let Some(own) = document.as_object_mut() {
            own.insert("gateway".into(), self.settings.gateway.as_str().into());
        }
        if let (Some(own), Some(story)) = (document.as_object_mut(), story.filter(|_| !beside)) {
            story.add_to(own);
            if let Step::Ended { outcome: Outcome::Done, .. } = step
                && let Some(proposal) = story.registration()
            {
                own.insert("registration".into(), proposal);
            }
        }
        let mut body = document.to_string().into_bytes();
        body.pop();
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        if beside {
            let (name, topic) = self.named(mn);
            let said = TypedPublication::of(&name, topic.command_refused(id), Bytes::from(body), Says::CommandRefused);
            out.push(said.labelled(STATUS, place.id_of("command-refused", &[mn, id])));
            return self.push_step_event(mn, "command", &in_event(step, id, None), place, out);
        }
        let (name, topic) = self.named(mn);
        let said = TypedPublication::of(&name, topic.command_status(id), Bytes::from(body), Says::CommandStatus);
        out.push(said.labelled(STATUS, place.id_of("command-status", &[mn, id])));
        if let (Step::Ended { outcome: Outcome::Done, .. }, Some(proposal)) =
            (step, story.and_then(CommandState::registration))
        {
            let mut detail = json!({ "command_id": id });
            detail["registration"] = proposal;
            self.push_step_event(mn, "registration-differs", &detail, place, out);
        }
        if matches!(step, Step::Ended { .. } | Step::Refused { .. }) {
            let event = in_event(step, id, story);
            self.push_step_event(mn, "command", &event, place, out);
            self.stories.open.remove(&key);
            self.stories.kept.push_back((self.elapsed, key.0, key.1));
            if self.stories.kept.len() > KEPT_MAX {
                self.clear_oldest(out);
            }
        }
    }

    /// Clears documents that have been kept long enough.
    pub(super) fn clear_statuses(&mut self, out: &mut Vec<TypedPublication>) {
        let kept = i64::try_from(self.settings.status_kept.as_micros()).unwrap_or(i64::MAX);
        while self.stories.kept.front().is_some_and(|(at, ..)| self.elapsed.0.saturating_sub(at.0) >= kept) {
            self.clear_oldest(out);
        }
    }

    fn clear_oldest(&mut self, out: &mut Vec<TypedPublication>) {
        let Some((_, mn, id)) = self.stories.kept.pop_front() else { return };
        // An id is used once, so nothing newer stands there.
        let (name, topic) = self.named(&mn);
        out.push(TypedPublication::of(&name, topic.command_status(&id), Bytes::new(), Says::CommandStatus));
    }

    /// Name and topics of a station, remembered or not.
    pub(super) fn named(&self, mn: &str) -> (Arc<str>, Topic) {
        let known = self.by_mn.get(mn.as_bytes()).and_then(|number| self.stations.get(*number as usize));
        match known.filter(|station| station.mn == mn.as_bytes()) {
            Some(station) => (Arc::clone(&station.name), station.topic.clone()),
            None => (station_name(mn.as_bytes()).into(), Topic::of_station(&self.settings.prefix, mn.as_bytes())),
        }
    }

    pub(super) fn push_step_event(
        &self,
        mn: &str,
        kind: &str,
        detail: &Value,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let id = format!("{}-{}-{kind}", self.settings.gateway, place.name());
        let event = json!({
            "schema": "hj212.event/1", "id": id, "gateway": self.settings.gateway, "mn": mn, "kind": kind,
            "time": place.time.to_rfc3339(), "detail": detail,
        });
        let mut body = event.to_string().into_bytes();
        body.pop();
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        let (name, topic) = self.named(mn);
        let event = StationEvent { kind: EventKind::named(kind), time: place.time };
        let said = TypedPublication::of(&name, topic.event(kind), Bytes::from(body), Says::Event(event));
        out.push(said.labelled(kind.to_owned(), id));
    }
}

/// How a request ended, as an event's detail.
fn in_event(step: &Step, id: &str, story: Option<&CommandState>) -> Value {
    let (state, code, reason) = match step {
        Step::Ended { outcome, code, .. } => (outcome.code(), *code, None),
        Step::Refused { reason, .. } => ("rejected", None, Some(reason.as_str())),
        Step::Queued { .. }
        | Step::Confirmed { .. }
        | Step::Sent { .. }
        | Step::Accepted { .. }
        | Step::Data { .. }
        | Step::Cancel { .. }
        | Step::Key { .. }
        | Step::KeyNote { .. }
        | Step::Moved { .. }
        | Step::Clock { .. } => ("", None, None),
    };
    let asked = story.map(|story| story.author.as_str());
    let author = if let Step::Refused { author, .. } = step { Some(author.as_str()) } else { asked };
    json!({
        "command_id": id, "state": state, "code": code, "reason": reason, "author": author,
        "command": story.map(|s| s.command.as_str()), "origin": story.map(|s| s.origin),
        "sent": story.map(|s| s.count), "packets": story.map(|s| s.packets),
        "good": matches!(step, Step::Ended { outcome: Outcome::Done, .. }),
    })
}

impl OpenCommands {
    /// Whether a request of this name is open.
    pub(super) fn is_open(&self, mn: &str, id: &str, command: &str) -> bool {
        self.open.get(&(mn.to_owned(), id.to_owned())).is_some_and(|story| story.command == command)
    }

    /// What an open request tells its station.
    pub(super) fn told(&self, mn: &str, id: &str) -> Option<ToldToStation> {
        let story = self.open.get(&(mn.to_owned(), id.to_owned()))?;
        let segment = story.segment.as_deref()?;
        let interval = match story.cn {
            1062 | 1064 => story.proposal().and_then(|(field, value)| Some((field, value?))),
            _ => None,
        };
        Some(ToldToStation { new_mn: super::follow::given(mn, segment), interval, count: story.count })
    }

    /// The open requests to a station, the newest first; nothing that was sent or is to be said is in it.
    pub(super) fn open_of(&self, mn: &str) -> Vec<Value> {
        let from = (mn.to_owned(), String::new());
        let own = self.open.range(from..).take_while(|((of, _), _)| of == mn);
        let mut own: Vec<(&String, &CommandState)> = own.map(|((_, id), story)| (id, story)).collect();
        own.sort_by_key(|(_, story)| std::cmp::Reverse(story.queued));
        own.into_iter().map(|(id, story)| story.view(id)).collect()
    }

    fn note(&mut self, key: &(String, String), step: &Step, at: Timestamp) {
        if let Step::Queued { command, cn, origin, author, why, expires, confirm, .. } = step {
            let story = CommandState {
                command: command.clone(),
                cn: *cn,
                origin: *origin,
                author: author.clone(),
                why: why.clone(),
                queued: at,
                expires: *expires,
                confirm: confirm.clone(),
                confirmed_by: None,
                sent: None,
                qn: None,
                count: 0,
                segment: None,
                packets: 0,
                cancelled_by: None,
                answers: Vec::new(),
            };
            self.open.insert(key.clone(), story);
            if self.open.len() > OPEN_MAX {
                let oldest = self.open.iter().min_by_key(|(_, story)| story.queued).map(|(key, _)| key.clone());
                oldest.map(|oldest| self.open.remove(&oldest));
            }
            return;
        }
        let Some(story) = self.open.get_mut(key) else { return };
        match step {
            Step::Confirmed { author, .. } => (story.confirm, story.confirmed_by) = (None, Some(author.clone())),
            Step::Sent { qn, count, segment, .. } => {
                story.sent.get_or_insert(at);
                (story.qn, story.count) = (Some(qn.clone()), *count);
                story.segment = Some(String::from_utf8_lossy(&masked(segment.as_bytes())).into_owned());
            }
            Step::Data { packets, answer, .. } => {
                story.packets = *packets;
                let answer = answer.as_ref().filter(|_| story.answers.len() < ANSWERS_MAX);
                story.answers.extend(answer.map(|area| String::from_utf8_lossy(&masked(area.as_bytes())).into_owned()));
            }
            Step::Ended { packets, .. } => story.packets = *packets,
            Step::Cancel { author, .. } => story.cancelled_by = Some(author.clone()),
            Step::Queued { .. }
            | Step::Accepted { .. }
            | Step::Refused { .. }
            | Step::Key { .. }
            | Step::KeyNote { .. }
            | Step::Moved { .. }
            | Step::Clock { .. } => {}
        }
    }
}

impl CommandState {
    /// As it is shown to whoever looks.
    fn view(&self, id: &str) -> Value {
        let state = match (&self.confirm, self.packets, self.sent) {
            (Some(_), ..) => "to-confirm",
            (None, 1.., _) => "data",
            (None, 0, Some(_)) => "sent",
            (None, 0, None) => "queued",
        };
        json!({
            "id": id, "command": self.command, "cn": self.cn.to_string(), "state": state, "origin": self.origin,
            "author": self.author, "queued_at": self.queued.to_rfc3339(), "expires": self.expires.to_rfc3339(),
            "sent_at": self.sent.map(Timestamp::to_rfc3339), "qn": self.qn, "count": self.count, "packets": self.packets,
        })
    }

    /// Adds what is known beside the state.
    fn add_to(&self, document: &mut serde_json::Map<String, Value>) {
        let rest = json!({
            "command": self.command, "cn": self.cn.to_string(), "origin": self.origin, "author": self.author, "why": self.why,
            "queued_at": self.queued.to_rfc3339(), "expires": self.expires.to_rfc3339(), "confirm": self.confirm,
            "confirmed_by": self.confirmed_by, "sent_at": self.sent.map(Timestamp::to_rfc3339), "qn": self.qn,
            "count": self.count, "segment": self.segment, "packets": self.packets,
        });
        if let Some(author) = &self.cancelled_by {
            document.insert("cancelled_by".into(), author.as_str().into());
        }
        if !self.answers.is_empty() {
            document.insert("answers".into(), self.answers.iter().map(|area| fields(area)).collect());
        }
        if let Value::Object(rest) = rest {
            for (key, value) in rest {
                document.entry(key).or_insert(value);
            }
        }
    }
}

impl CommandState {
    /// What the station's registration should say from now on, if it was told something that stands there.
    fn proposal(&self) -> Option<(&'static str, Option<String>)> {
        let segment = self.segment.as_deref()?;
        let of = |name: &str| segment.split(['&', ';', ',']).find_map(|field| field.strip_prefix(name));
        Some(match self.cn {
            // The password is not told: whoever gave it knows it.
            1072 => ("pw", None),
            1002 => ("mn", Some(of("MN=")?.to_owned())),
            1062 => ("realtime_interval", Some(format!("{}s", of("RtdInterval=")?))),
            1064 => ("minute_interval", Some(format!("{}min", of("MinInterval=")?))),
            _ => return None,
        })
    }

    fn registration(&self) -> Option<Value> {
        self.proposal().map(|(field, value)| json!({ "field": field, "value": value }))
    }
}

/// The fields of an answer's area by name, in the order of the area; of a name that stands there twice, both.
fn fields(area: &str) -> Value {
    let mut all = serde_json::Map::new();
    // A log's text stands between two slashes and holds anything.
    let (head, text) = area.split_once("//").map_or((area, None), |(head, text)| (head, Some(text)));
    for field in head.split([';', ',']).filter(|field| !field.trim().is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let mut said = value.trim().to_owned();
        if let Some(text) = text.filter(|_| value.is_empty()) {
            said = text.trim_end_matches("//").to_owned();
        }
        match all.get_mut(name.trim()) {
            Some(Value::Array(list)) => list.push(said.into()),
            Some(one) => *one = json!([one.take(), said]),
            None => {
                all.insert(name.trim().to_owned(), said.into());
            }
        }
    }
    Value::Object(all)
}
