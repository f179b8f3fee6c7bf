//! What came after the moment up to which a report was looked at: entries, withdrawals, rulings, corrections, and what they made of its worth.
//!
//! What must stay true: whoever is shown what was known at the deadline is told that something came later, when, and how to see it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::walk::Seen;
use super::{Report, ruled};
use hj212_interpret::Interpreter;
use hj212_marking::Validity;
use hj212_model::message::{Publication, Timestamp};

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
    let told = ["/status", "/event/mark-withdrawn", "/event/mark-ruled", "/validity/", "/data/"];
    for publication in published.iter().filter(|p| told.iter().any(|part| p.topic.contains(part))) {
        let Some(body) = read(publication, mn) else { continue };
        let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = if publication.topic.contains("/mark-entry/") {
            let id = text("/id");
            let marks = body["marks"].as_array().is_some_and(|marks| !marks.is_empty());
            let known = report.marks.iter().any(|(_, marks)| marks.iter().any(|mark| mark.by == id));
            let new = body["state"] == "accepted" && marks && !known && is_about(report, mn, interpreter, &id);
            if !new {
                continue;
            }
            What::Entered(id, body["late"] == true)
        } else if publication.topic.ends_with("/event/mark-withdrawn") {
            let id = text("/mark/entry/id");
            if !is_about(report, mn, interpreter, &id) {
                continue;
            }
            What::Withdrawn(id, text("/detail/entry"))
        } else if publication.topic.ends_with("/event/mark-ruled") {
            let id = text("/mark/entry/id");
            if !is_about(report, mn, interpreter, &id) {
                continue;
            }
            What::Ruled(text("/detail/role"), text("/detail/id"), text("/detail/ruling"), id)
        } else if same_period(report, &body) && publication.topic.contains("/data/") {
            What::Corrected(body["revision"].as_u64().unwrap_or_default())
        } else if same_period(report, &body) && publication.topic.contains("/validity/") {
            let validity = |code: &str, at: &str| {
                let name = body["readings"][code].pointer(at).and_then(Value::as_str);
                name.and_then(Validity::named)
            };
            let codes = report.marks.iter().map(|(code, _)| ruled(report.kind, code).to_owned());
            let codes: BTreeSet<String> = codes.collect();
            for code in codes.into_iter().filter(|code| body["readings"].get(code).is_some()) {
                let (was, is) = (validity(&code, "/was/validity"), validity(&code, "/validity"));
                report.later.add(stored.time, stored.offset.0, What::Worth(code, was, is));
            }
            continue;
        } else {
            continue;
        };
        report.later.add(stored.time, stored.offset.0, what);
    }
}

fn read(publication: &Publication, mn: &str) -> Option<Value> {
    let body: Value = serde_json::from_slice(&publication.payload).ok()?;
    (body["mn"] == mn).then_some(body)
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

fn same_period(report: &Report, body: &Value) -> bool {
    let time = body["data_time"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    body["kind"] == report.kind.name() && time.is_some_and(|time| time.as_microsecond() == report.data_time.0)
}
