//! What is published, as text for the broker and as values for those inside who look at it: the board, the reading of the journal's past,
//! replays, the command line.
//!
//! What must stay true: nobody inside reads a topic or a body back; what they look at stands in [`Says`]. A record on its way up costs no
//! allocation for that: names are shared, and what is written as digits is kept as a number.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

pub use super::moment::Moment;
use hj212::{Deviation, Deviations};
use hj212_coverage::{DayCount, Grain};
use hj212_marking::Validity;
use hj212_model::message::{Kind, Publication, RejectReason, Timestamp};

/// A publication, and what it says.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedPublication {
    /// For the broker.
    pub publication: Publication,
    /// The station it is about, by its name for people (`station_name`); `None`: it is the gateway's.
    pub station: Option<Arc<str>>,
    /// What it says.
    pub content: Says,
    /// What whoever is told beside the broker chooses it by: of events, documents of judgement and cases, and answers. What is cleared at the
    /// broker is no message and has none.
    pub label: Option<Box<Label>>,
}

/// By what those choose who are told beside the broker, and by what they know a message again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Of an event its kind, of anything else its schema, as they stand in the body.
    pub kind: Cow<'static, str>,
    /// Given to this publication alone; of an event the id in its body.
    pub id: Box<str>,
    /// Of what is said of alerts and cases the colours that it is about: the one that holds, and the one before.
    pub colours: Vec<Box<str>>,
}

impl Deref for TypedPublication {
    type Target = Publication;

    fn deref(&self) -> &Publication {
        &self.publication
    }
}

impl TypedPublication {
    /// What `content` says of a station.
    pub(super) fn of(station: &Arc<str>, topic: String, payload: Bytes, content: Says) -> TypedPublication {
        let retain = content.is_retained();
        TypedPublication {
            publication: Publication { topic, payload, retain },
            station: Some(Arc::clone(station)),
            content,
            label: None,
        }
    }

    /// The same for those, too, who are told beside the broker.
    pub(super) fn labelled(self, kind: impl Into<Cow<'static, str>>, id: impl Into<Box<str>>) -> TypedPublication {
        let label = Label { kind: kind.into(), id: id.into(), colours: Vec::new() };
        TypedPublication { label: Some(Box::new(label)), ..self }
    }

    /// The same, about these colours.
    pub(super) fn in_colours(self, colours: Vec<Box<str>>) -> TypedPublication {
        let label = self.label.map(|label| Box::new(Label { colours, ..*label }));
        TypedPublication { label, ..self }
    }

    /// What the gateway says.
    pub(super) fn of_gateway(topic: String, payload: Bytes, content: Says) -> TypedPublication {
        let retain = content.is_retained();
        TypedPublication { publication: Publication { topic, payload, retain }, station: None, content, label: None }
    }

    /// What clears it at the broker.
    pub(super) fn cleared(self) -> TypedPublication {
        let content = match self.content {
            Says::Card(_) => Says::Card(None),
            Says::Completeness(grain, _) => Says::Completeness(grain, None),
            Says::Mark(_) => Says::Mark(false),
            other @ (Says::Data(_)
            | Says::Event(_)
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
            | Says::Gateway) => other,
        };
        let publication = Publication { payload: Bytes::new(), ..self.publication };
        TypedPublication { publication, content, label: None, ..self }
    }

    /// The station at which something under way has changed by this: gaps, requests, keys, the clock.
    #[must_use]
    pub fn concerns(&self) -> Option<&str> {
        let changes = match &self.content {
            Says::Event(event) => event.kind == EventKind::UnderWay,
            Says::CommandStatus | Says::CommandRefused | Says::Completeness(..) => true,
            Says::Data(_)
            | Says::Card(_)
            | Says::Mark(_)
            | Says::Validity(_)
            | Says::EntryStatus(_)
            | Says::RulingStatus { .. }
            | Says::Rejected { .. }
            | Says::Anchor
            | Says::Case
            | Says::CaseStatus
            | Says::WorkStatus { .. }
            | Says::Score
            | Says::Judged { .. }
            | Says::Lead
            | Says::Gateway => false,
        };
        self.station.as_deref().filter(|_| changes)
    }
}

/// What a publication says, as far as anybody inside looks at it.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// A record of a station.
    Data(DataContent),
    /// A station's card; `None`: it is not known any more.
    Card(Option<Box<CardContent>>),
    /// Something happened to a station.
    Event(StationEvent),
    /// What has arrived of the days that have ended, and the newest of them; `None`: nothing is counted any more.
    Completeness(Grain, Option<Box<DayCount>>),
    /// A mark on an object, and whether it holds.
    Mark(bool),
    /// What a period is worth that was published with another worth before.
    Validity(Box<ValidityContent>),
    /// What became of a mark entered by hand.
    EntryStatus(Box<EntryContent>),
    /// What became of a ruling.
    RulingStatus {
        /// Whether it was accepted.
        accepted: bool,
    },
    /// What is known of a request to a station, or that its document is cleared.
    CommandStatus,
    /// A request was refused because its id is in use.
    CommandRefused,
    /// Bytes that could not be used.
    Rejected {
        /// The MN in them, if it is text.
        mn: Option<Box<str>>,
        /// Why.
        reason: RejectReason,
    },
    /// An event of the gateway itself.
    Gateway,
    /// A signed anchor of the journal.
    Anchor,
    /// A case as it is, or that it is forgotten.
    Case,
    /// What became of a step of a case.
    CaseStatus,
    /// What became of an entry of the electronic ledger.
    WorkStatus {
        /// The code of its refusal; `None`: it was accepted.
        refused: Option<Box<str>>,
    },
    /// A lead as it is, or that it is over.
    Lead,
    /// A scorecard as it is, or that it is kept no more.
    Score,
    /// What judgement says of limits and alerts, beside its events.
    Judged {
        /// Whether the broker keeps it.
        retained: bool,
    },
}

impl Says {
    /// Whether the broker keeps it.
    #[must_use]
    pub const fn is_retained(&self) -> bool {
        match self {
            Says::Card(_)
            | Says::Completeness(..)
            | Says::Mark(_)
            | Says::CommandStatus
            | Says::Anchor
            | Says::Lead
            | Says::Score
            | Says::Case => true,
            Says::Judged { retained } => *retained,
            Says::Data(_)
            | Says::Event(_)
            | Says::Validity(_)
            | Says::EntryStatus(_)
            | Says::RulingStatus { .. }
            | Says::CommandRefused
            | Says::Rejected { .. }
            | Says::CaseStatus
            | Says::WorkStatus { .. }
            | Says::Gateway => false,
        }
    }
}

/// What a record says beside its readings.
#[derive(Debug, Clone, PartialEq)]
pub struct DataContent {
    /// What it is.
    pub kind: Kind,
    /// How often it was published before with other values.
    pub revision: u16,
    /// Its time, as the station's calendar has it.
    pub data_time: Option<Moment>,
    /// When it came.
    pub received: Timestamp,
    /// Its QN, as said.
    pub qn: Option<Qn>,
    /// Whether it came late.
    pub backfill: bool,
    /// Where it departs from the standard.
    pub deviations: Deviations,
    /// By how many bytes the declared length was off.
    pub length_off: Option<u32>,
}

impl DataContent {
    /// The codes of its deviations, as published.
    pub fn deviation_codes(&self) -> impl Iterator<Item = String> {
        self.deviations.iter().map(|deviation| match (deviation, self.length_off) {
            (Deviation::LengthOff, Some(by)) => format!("{}-by-{by}", deviation.code()),
            _ => deviation.code().to_owned(),
        })
    }
}

/// The number of a request (QN) as a station said it (HJ 212-2017, 6.3.2, table 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qn {
    /// 17 digits.
    Plain(u64),
    /// Anything else, as published.
    Odd(Box<str>),
}

impl Qn {
    /// Reads what a station said.
    pub(super) fn of(said: &[u8]) -> Qn {
        if said.len() == 17 && said.iter().all(u8::is_ascii_digit) {
            return Qn::Plain(said.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')));
        }
        Qn::Odd(match std::str::from_utf8(said) {
            Ok(text) => text.into(),
            Err(_) => {
                let mut hex = b"hex:".to_vec();
                super::json::hex(&mut hex, said);
                String::from_utf8_lossy(&hex).into()
            }
        })
    }

    /// Its 17 digits, whatever stands between them; `None`: there are more or fewer.
    #[must_use]
    pub fn digits(&self) -> Option<u64> {
        let text = match self {
            Qn::Plain(digits) => return Some(*digits),
            Qn::Odd(text) => text,
        };
        let mut digits = text.bytes().filter(u8::is_ascii_digit);
        let number = (0..17).try_fold(0, |n, _| Some(n * 10 + u64::from(digits.next()? - b'0')))?;
        digits.next().is_none().then_some(number)
    }
}

impl fmt::Display for Qn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Qn::Plain(digits) => write!(f, "{digits:017}"),
            Qn::Odd(text) => f.write_str(text),
        }
    }
}

/// What a card says that a list of stations shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardContent {
    /// From where the station spoke last.
    pub peer: Option<String>,
    /// When.
    pub last_seen: Option<Timestamp>,
    /// How often it departed from the standard, by deviation.
    pub deviations: Vec<(Deviation, u64)>,
}

/// An event of a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationEvent {
    /// What it is.
    pub kind: EventKind,
    /// When, as published.
    pub time: Timestamp,
}

/// What an event is, as far as anybody inside looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The station spoke, first or again.
    Online,
    /// Its connection is gone.
    Offline,
    /// It speaks on another connection.
    Takeover,
    /// It speaks on two.
    CloneSuspected,
    /// A mark began, ended, or was put right.
    Mark(MarkEvent),
    /// A limit of marks, or a flag that differs.
    Limit,
    /// Gaps, requests, keys, the clock.
    UnderWay,
    /// Anything else.
    Other,
}

/// What happened to a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MarkEvent {
    /// It ended.
    Ended,
    /// An entry was withdrawn or superseded.
    Withdrawn {
        /// The entry.
        entry: String,
        /// The entry that did it.
        by: String,
    },
    /// An authority ruled about an entry.
    Ruled {
        /// The entry.
        entry: String,
        /// The role that ruled.
        role: String,
        /// The ruling's id.
        id: String,
        /// What was ruled.
        ruling: String,
    },
    /// Anything else: it began, was proposed, confirmed, or contradicts another.
    Other,
}

impl EventKind {
    /// The kind of events of this published name.
    pub(super) fn named(name: &str) -> EventKind {
        let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
        match name {
            "online" => EventKind::Online,
            "offline" => EventKind::Offline,
            "takeover" => EventKind::Takeover,
            "clone-suspected" => EventKind::CloneSuspected,
            "mark-end" => EventKind::Mark(MarkEvent::Ended),
            _ if begins(&["mark-"]) => EventKind::Mark(MarkEvent::Other),
            _ if begins(&["limit-", "flag-", "count-exceeded"]) => EventKind::Limit,
            _ if begins(&["gap", "command", "key", "clock-"]) => EventKind::UnderWay,
            _ => EventKind::Other,
        }
    }
}

/// What a period is worth now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidityContent {
    /// The kind of its records.
    pub kind: Kind,
    /// Where it begins.
    pub data_time: Timestamp,
    /// By factor, as rules name it: what it was worth, and is.
    pub readings: Vec<(String, Option<Validity>, Option<Validity>)>,
}

/// What became of a mark entered by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryContent {
    /// The entry's id.
    pub id: String,
    /// Whether it was accepted.
    pub accepted: bool,
    /// Whether it made a mark.
    pub marks: bool,
    /// Whether it came after the deadline.
    pub late: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qn_is_shown_as_it_was_said() {
        for said in ["20260101000010250", "00010101000000000", "", "x", "2026010100001000", "2026-01-01 00:00:10.250"] {
            assert_eq!(Qn::of(said.as_bytes()).to_string(), said);
        }
        assert_eq!(Qn::of(&[0xFF, 0x0A]).to_string(), "hex:ff0a");
        assert_eq!(Qn::of(b"2026-01-01 00:00:10.250").digits(), Some(20_260_101_000_010_250));
        assert_eq!((Qn::of(b"2026").digits(), Qn::of(b"202601010000102500").digits()), (None, None));
    }

    #[test]
    fn events_are_told_apart_by_their_names() {
        assert_eq!(EventKind::named("gap-closed"), EventKind::UnderWay);
        assert_eq!(EventKind::named("clock-drift"), EventKind::UnderWay);
        assert_eq!(EventKind::named("mark-begin"), EventKind::Mark(MarkEvent::Other));
        assert_eq!(EventKind::named("marks-limited"), EventKind::Other);
        assert_eq!(EventKind::named("flag-differs"), EventKind::Limit);
    }
}
