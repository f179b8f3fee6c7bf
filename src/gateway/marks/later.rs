//! What came after the moment up to which a report was looked at: entries, withdrawals, rulings, corrections, and what they made of its worth.
//!
//! What must stay true: whoever is shown what was known at the deadline is told that something came later, when, and how to see it.

use std::collections::BTreeSet;

use super::walk::Seen;
use super::{Report, ruled};
use hj212_interpret::{EventKind, Interpreter, MarkEvent, Moment, Says, StationEvent};
use hj212_marking::Validity;
use hj212_model::message::Timestamp;

/// Later happenings shown of one report; of more it is said that there are more.
pub const LATER_MAX: usize = 16;

/// What came later about a report.
#[derive(Debug, Clone, Default)]
pub struct Later {
    /// The first of it, in the order in which it came.
    pub items: Vec<Item>,
    /// Whether there is more.
    pub more: bool,
}

/// One thing that came later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// When it came.
    pub at: Timestamp,
    /// The record.
    pub offset: u64,
    /// What it is.
    pub what: What,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A mark was entered by hand: its id, and whether it came after the deadline.
    Entered(String, bool),
    /// An entry was withdrawn or superseded, by which.
    Withdrawn(String, String),
    /// An authority ruled about an entry: role, id, ruling, entry.
    Ruled(String, String, String, String),
    /// The report came again with other values.
    Corrected(u64),
    /// A reading is worth something else: code, what it was, what it is.
    Worth(String, Option<Validity>, Option<Validity>),
}

impl Later {
    fn add(&mut self, at: Timestamp, offset: u64, what: What) {
        if self.items.iter().any(|item| item.what == what) {
            return;
        }
        if self.items.len() >= LATER_MAX {
            self.more = true;
        } else {
            self.items.push(Item { at, offset, what });
        }
    }
}

/// Takes what a record gave that came after `report` was looked at.
pub(super) fn take(report: &mut Report, mn: &str, interpreter: &Interpreter, seen: &Seen<'_>) {
    let Seen::After { stored, published, .. } = seen else { return };
    let about = |report: &Report, entry: &str| is_about(report, mn, interpreter, entry);
    for said in published.iter().filter(|said| said.station.as_deref() == Some(mn)) {
        #[allow(clippy::wildcard_enum_match_arm, reason = "all else says nothing of a report")]
        let what = match &said.content {
            Says::EntryStatus(entry) => {
                let known = report.marks.iter().any(|(_, marks)| marks.iter().any(|mark| mark.by == entry.id));
                let new = entry.accepted && entry.marks && !known && about(report, &entry.id);
                new.then(|| What::Entered(entry.id.clone(), entry.late))
            }
            Says::Event(StationEvent { kind: EventKind::Mark(MarkEvent::Withdrawn { entry, by }), .. }) => {
                about(report, entry).then(|| What::Withdrawn(entry.clone(), by.clone()))
            }
            Says::Event(StationEvent {
                kind: EventKind::Mark(MarkEvent::Ruled { entry, role, id, ruling }), ..
            }) => about(report, entry).then(|| What::Ruled(role.clone(), id.clone(), ruling.clone(), entry.clone())),
            Says::Data(data) => {
                let time = data.data_time.map(Moment::timestamp);
                let same = (data.kind, time) == (report.kind, Some(report.data_time));
                same.then(|| What::Corrected(u64::from(data.revision)))
            }
            Says::Validity(now) => {
                if (now.kind, now.data_time) == (report.kind, report.data_time) {
                    let codes = report.marks.iter().map(|(code, _)| ruled(report.kind, code).to_owned());
                    let codes: BTreeSet<String> = codes.collect();
                    for code in codes {
                        let Some((_, was, is)) = now.readings.iter().find(|(of, ..)| *of == code) else { continue };
                        report.later.add(stored.time, stored.offset.0, What::Worth(code, *was, *is));
                    }
                }
                None
            }
            _ => None,
        };
        if let Some(what) = what {
            report.later.add(stored.time, stored.offset.0, what);
        }
    }
}

/// Whether an entry is about a reading of the report: it was shown with it, or is laid over it now.
fn is_about(report: &Report, mn: &str, interpreter: &Interpreter, entry: &str) -> bool {
    let end = Timestamp(report.end.0.max(report.data_time.0));
    report.marks.iter().any(|(code, marks)| {
        let is = |mark: &hj212_marking::Mark| {
            mark.said.is_some() && mark.by == entry && (report.end <= report.data_time || mark.since < report.end)
        };
        marks.iter().any(is)
            || interpreter
                .marks_over(mn, Some(ruled(report.kind, code)), report.data_time, end)
                .is_some_and(|marks| marks.iter().any(is))
    })
}
