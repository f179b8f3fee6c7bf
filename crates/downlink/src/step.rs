//! The steps of a command's life, as the journal keeps them (record kind `command`, JSON) and downstream sees them.
//!
//! What must stay true: the steps alone rebuild the desk; a step's fields are only ever added to; no password and no key is in what
//! [`Step::status`] gives.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::keys::{self, KeyState, StationKey};
use super::refusal::{About, Refusal};
use hj212::Edition;
use hj212_model::message::Timestamp;

/// Who wants a command; the order is that of priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A person.
    Operator,
    /// The gateway, about the clock.
    Clock,
    /// The gateway, about a key.
    Key,
    /// The gateway, to a station that is new.
    FirstContact,
    /// The gateway, about missing records.
    Recall,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// 9012 with ExeRtn=1, or 9013 to a notification.
    Done,
    /// 9011 with another QnRtn than 1.
    Refused,
    /// 9012 with another ExeRtn than 1 and 100.
    Failed,
    /// 9012 with ExeRtn=100.
    NoData,
    /// All resends went unanswered.
    NoAnswer,
    /// Nothing came within the execution time-out; nothing is sent again.
    TimedOut,
    /// It waited too long for the station.
    Expired,
    /// Nobody confirmed it in time.
    Unconfirmed,
    /// It was taken back before anything was sent.
    Withdrawn,
    /// It was given up after it was sent: nothing is sent again, and what the station made of it is not waited for.
    Cancelled,
    /// The station's registration was taken away.
    Unregistered,
}

impl Outcome {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NoData => "no-data",
            Self::NoAnswer => "no-answer",
            Self::TimedOut => "timed-out",
            Self::Expired => "expired",
            Self::Unconfirmed => "unconfirmed",
            Self::Withdrawn => "withdrawn",
            Self::Cancelled => "cancelled",
            Self::Unregistered => "unregistered",
        }
    }
}

/// What else is to be known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyNotice {
    /// The station uses it: a frame was opened with it, or the station said that it took it.
    Used,
    /// It is as old as a key may get (HJ 212-2025, 6.4.3: 90 days).
    Due,
    /// The station asks for a new one (1014; HJ 212-2025, C.7).
    Asked,
    /// It was sent, and whether the station took it is not known: a frame will tell.
    Unknown,
}

/// One step.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the fields are the standard's and the request's own names")]
pub enum Step {
    /// A request was taken.
    Queued {
        mn: String,
        id: String,
        command: String,
        cn: u16,
        edition: Edition,
        area: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_mn: Option<String>,
        origin: Origin,
        author: String,
        why: String,
        expires: Timestamp,
        /// What must be said to confirm it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirm: Option<String>,
    },
    /// Somebody confirmed it.
    Confirmed { mn: String, id: String, author: String },
    /// It is sent as soon as this step is durable. `count` above 1 is the mark of a resend; the QN stays.
    Sent { mn: String, id: String, qn: String, count: u8, segment: String },
    /// 9011 with QnRtn=1, or data.
    Accepted { mn: String, id: String, qn: String },
    /// So many packets of data by now; said of the first, the second, the fourth, and so on.
    /// `answer`: the area of a single-value answer (get-time, get-serial …), as the station wrote it.
    Data {
        mn: String,
        id: String,
        qn: String,
        packets: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
    /// Somebody takes the request back; its end follows.
    Cancel { mn: String, id: String, author: String, why: String },
    /// It is over.
    Ended {
        mn: String,
        id: String,
        outcome: Outcome,
        code: Option<u16>,
        #[serde(default)]
        packets: u64,
    },
    /// A request was not taken; of its text only length and hash are kept.
    /// `shown`: it has a status, since the id can be a level of a topic and hides no request of the same id.
    Refused {
        mn: String,
        id: String,
        reason: String,
        author: String,
        length: usize,
        sha256: String,
        #[serde(default)]
        shown: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<About>,
    },
    /// A key of a station.
    /// `again`: nothing new, said once more so that the journal alone is enough to read what it holds.
    Key {
        mn: String,
        created: String,
        key: String,
        state: KeyState,
        #[serde(default)]
        again: bool,
    },
    /// Something about the key of a station that was created then; the key itself is in its own step.
    KeyNote { mn: String, created: String, notice: KeyNotice },
    /// A station shows another MN than it is registered with (`held`), or is heard under its own again. The stations' connections write it.
    Moved { mn: String, new_mn: String, held: bool },
    /// The clock of a station is off by so many milliseconds, or (`within`) is right again.
    Clock { mn: String, offset_ms: i64, within: bool },
}

/// Nothing of an area, a segment or a key is printed: passwords stand in them.
impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key { mn, created, state, .. } => write!(f, "key of {mn} from {created}: {state:?}"),
            Self::KeyNote { mn, created, notice } => write!(f, "key of {mn} from {created}: {notice:?}"),
            Self::Moved { mn, new_mn, held } => write!(f, "{mn} shows the MN {new_mn}: {held}"),
            Self::Clock { mn, offset_ms, within } => write!(f, "clock of {mn}: {offset_ms} ms, within {within}"),
            Self::Refused { mn, id, reason, author, length, sha256, .. } => {
                let (mn, id, author) = (mn.escape_default(), id.escape_default(), author.escape_default());
                write!(f, "request {id} for {mn} refused: {reason}; author {author}, {length} bytes, SHA-256 {sha256}")
            }
            Self::Queued { .. }
            | Self::Confirmed { .. }
            | Self::Sent { .. }
            | Self::Accepted { .. }
            | Self::Data { .. }
            | Self::Cancel { .. }
            | Self::Ended { .. } => {
                // The time is the record's.
                let mut status = self.status(Timestamp(0)).unwrap_or_default();
                status.as_object_mut().map(|status| status.remove("at"));
                write!(f, "{status}")
            }
        }
    }
}

impl Step {
    /// The body of the journal's record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record's body; `None` if it is of a newer version.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Step> {
        serde_json::from_slice(body).ok()
    }

    /// The step of a key that was given by other means than 1014; `again`: it was said before.
    #[must_use]
    pub fn of_key(key: &StationKey, again: bool) -> Step {
        let (mn, created) = (key.mn.clone(), key.created.clone());
        Self::Key { mn, created, key: keys::hex(&key.key), state: KeyState::Proven, again }
    }

    /// The step of a key, to be said once more.
    #[must_use]
    pub fn again(&self) -> Option<Step> {
        let Self::Key { mn, created, key, state, .. } = self else { return None };
        let (mn, created, key) = (mn.clone(), created.clone(), key.clone());
        Some(Self::Key { mn, created, key, state: *state, again: true })
    }

    /// The station.
    #[must_use]
    pub fn mn(&self) -> &str {
        match self {
            Self::Queued { mn, .. }
            | Self::Confirmed { mn, .. }
            | Self::Sent { mn, .. }
            | Self::Accepted { mn, .. }
            | Self::Data { mn, .. }
            | Self::Ended { mn, .. }
            | Self::Cancel { mn, .. }
            | Self::Refused { mn, .. }
            | Self::Key { mn, .. }
            | Self::KeyNote { mn, .. }
            | Self::Moved { mn, .. }
            | Self::Clock { mn, .. } => mn,
        }
    }

    /// The request, if it belongs to one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Queued { id, .. }
            | Self::Confirmed { id, .. }
            | Self::Sent { id, .. }
            | Self::Accepted { id, .. }
            | Self::Data { id, .. }
            | Self::Ended { id, .. }
            | Self::Cancel { id, .. }
            | Self::Refused { id, .. } => Some(id),
            Self::Key { .. } | Self::KeyNote { .. } | Self::Moved { .. } | Self::Clock { .. } => None,
        }
    }

    /// The QN that it was sent under, of a step `sent`.
    #[must_use]
    pub fn qn(&self) -> Option<&str> {
        if let Self::Sent { qn, .. } = self { Some(qn) } else { None }
    }

    /// The status document after this step, which was made durable at `at`; `None` if it belongs to no request.
    #[must_use]
    pub fn status(&self, at: Timestamp) -> Option<Value> {
        let mut status = self.told()?;
        let own = status.as_object_mut()?;
        own.insert("schema".into(), "hj212.command/1".into());
        own.insert("mn".into(), self.mn().into());
        own.insert("id".into(), self.id()?.into());
        own.insert("at".into(), at.to_rfc3339().into());
        Some(status)
    }

    fn told(&self) -> Option<Value> {
        Some(match self {
            Self::Queued { command, cn, author, why, expires, confirm, origin, .. } => json!({
                "state": if confirm.is_some() { "to-confirm" } else { "queued" },
                "command": command, "cn": cn.to_string(), "author": author, "why": why, "origin": origin,
                "expires": expires.to_rfc3339(), "confirm": confirm,
            }),
            Self::Confirmed { author, .. } => json!({ "state": "queued", "confirmed_by": author }),
            Self::Sent { qn, count, .. } => json!({ "state": "sent", "qn": qn, "count": count }),
            Self::Accepted { qn, .. } => json!({ "state": "accepted", "qn": qn }),
            Self::Data { qn, packets, .. } => json!({ "state": "data", "packets": packets, "qn": qn }),
            Self::Ended { outcome, code, packets, .. } => {
                json!({ "state": outcome.code(), "code": code, "packets": packets })
            }
            Self::Cancel { author, .. } => json!({ "state": "cancelling", "cancelled_by": author }),
            Self::Refused { reason, author, about, .. } => {
                let known = Refusal::ALL.iter().find(|refusal| refusal.code() == reason);
                let (mut zh, mut en) =
                    known.map_or_else(Default::default, |r| (r.explain_zh().to_owned(), r.explain_en().to_owned()));
                if let Some(about) = about {
                    let value = about.value.as_ref().map_or_else(String::new, |value| format!("={value}"));
                    zh.push_str(&format!(":{}{value},应为{}", about.parameter, about.must_zh));
                    en.push_str(&format!(": {}{value}, must be {}", about.parameter, about.must_en));
                }
                let mut told = json!({
                    "state": "rejected", "reason": reason, "author": author,
                    "explain": known.map(|_| json!({ "zh": zh, "en": en })),
                });
                if let Some(about) = about {
                    told["about"] = json!(about);
                }
                told
            }
            Self::Key { .. } | Self::KeyNote { .. } | Self::Moved { .. } | Self::Clock { .. } => return None,
        })
    }
}
