//! The reports that answer for a time.
//!
//! What must stay true: a report of a period answers only for a time that its period holds.

use std::collections::BTreeMap;

use super::later::Later;
use super::{BESIDE_MAX, DAY, HOUR, MarksError, NEAR_MAX, Question, Report, SECOND};
use crate::gateway::json_members::readings;
use hj212_interpret::{Says, TypedPublication};
use hj212_journal::{Offset, Stored};
use hj212_marking::Mark;
use hj212_model::message::kind::Span;
use hj212_model::message::{Kind, Timestamp};

/// What was found so far: the best report of each kind.
pub(super) struct Found<'q> {
    pub(super) question: &'q Question,
    reports: BTreeMap<Kind, Report>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
}

impl<'q> Found<'q> {
    pub(super) fn new(question: &'q Question) -> Found<'q> {
        Found { question, reports: BTreeMap::new(), before: None, after: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    pub(super) fn take(&mut self, stored: &Stored<'_>, published: &TypedPublication) {
        let Some(report) = self.read(stored, published) else { return };
        let at = self.question.at;
        if report.data_time <= at {
            self.before = self.before.max(Some(report.data_time));
        } else {
            self.after = Some(self.after.map_or(report.data_time, |after| after.min(report.data_time)));
        }
        let distance = |report: &Report| report.data_time.0.abs_diff(at.0);
        let fits = if report.is_period() {
            report.data_time <= at && at < report.end
        } else {
            distance(&report) <= NEAR_MAX.unsigned_abs()
        };
        // The latest revision stands for a report.
        let better = self.reports.get(&report.kind).is_none_or(|best| distance(&report) <= distance(best));
        if fits && better {
            self.reports.insert(report.kind, report);
        }
    }

    /// The reports that answer, the finest first.
    pub(super) fn chosen(self) -> Vec<Report> {
        let (at, held) = (self.question.at, self.reports.values().any(Report::is_period));
        let far = |report: &Report| {
            held && !report.is_period() && report.data_time.0.abs_diff(at.0) > BESIDE_MAX.unsigned_abs()
        };
        let mut chosen: Vec<Report> = self.reports.into_values().filter(|report| !far(report)).collect();
        chosen.sort_by_key(|report| report.end.0 - report.data_time.0);
        chosen
    }

    pub(super) fn read(&self, stored: &Stored<'_>, published: &TypedPublication) -> Option<Report> {
        let Says::Data(data) = &published.content else { return None };
        // Parts of other stations that a checkpoint still waited for are published on the way.
        (published.station.as_deref()? == self.question.mn).then_some(())?;
        let body = std::str::from_utf8(&published.payload).ok()?;
        let (data_time, kind) = (data.data_time?.timestamp(), data.kind);
        self.question.kind.is_none_or(|wanted| wanted == kind).then_some(())?;
        let length = match kind.span() {
            Span::Instant | Span::Timeless => 0,
            Span::Minute => 60 * SECOND,
            Span::FiveMinutes => 300 * SECOND,
            Span::Hour => HOUR,
            Span::Day => DAY,
        };
        // Who asks for a code or an instrument means all readings of it.
        let is_of = |code: &str, factor: &str| {
            code == factor
                || code.split_once('@').is_some_and(|(code, instrument)| code == factor || instrument == factor)
        };
        let wanted = |code: &String| self.question.factor.as_deref().is_none_or(|factor| is_of(code, factor));
        let codes = readings(body).into_iter().map(|(code, _)| code).filter(wanted);
        let marks: Vec<(String, Vec<Mark>)> = codes.map(|code| (code, Vec::new())).collect();
        let end = Timestamp(data_time.0 + length);
        let (offset, arrived) = (stored.offset, stored.time);
        (!marks.is_empty()).then(|| Report {
            offset,
            arrived,
            data_time,
            kind,
            body: body.to_owned(),
            marks,
            now: Vec::new(),
            works: Vec::new(),
            later: Later::default(),
            end,
        })
    }

    /// Why nothing was found: nothing came, or the journal no longer holds what did.
    pub(super) fn nothing(&self, begin: Option<(Offset, Timestamp)>) -> MarksError {
        let at = self.question.at;
        // Of a journal that lost nothing the nearest reading says more.
        if let Some((_, begin)) = begin.filter(|(offset, begin)| offset.0 > 1 && at < *begin) {
            let (begin, until) = (begin.to_rfc3339(), at.to_rfc3339());
            return MarksError::Forgotten { begin, until, dropped: true };
        }
        let nearest = [self.before, self.after].into_iter().flatten().min_by_key(|near| near.0.abs_diff(at.0));
        MarksError::NoReading {
            mn: self.question.mn.as_str().into(),
            kind: self.question.kind.map_or_else(|| "reading".into(), |kind| format!("{} record", kind.name()).into()),
            of: self.question.factor.as_ref().map_or_else(Box::default, |code| format!(" of {code}").into()),
            at: at.to_rfc3339().into(),
            nearest: nearest.map_or_else(|| "none".into(), |time| time.to_rfc3339().into()),
            begin: begin.map_or_else(|| "never".into(), |(_, time)| time.to_rfc3339().into()),
        }
    }
}
