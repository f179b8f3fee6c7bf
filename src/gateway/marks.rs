//! What is known of a station's marks, read from the journal beside a running gateway or without one. Nothing is written.
//!
//! The journal is interpreted again, from the newest checkpoint a day before the time that is asked for. Records of other stations only let
//! time pass: they cannot change this one's marks.
//!
//! What must stay true:
//! * a report of a period answers only for a time that its period holds: the next best hour is no answer;
//! * unless it is asked otherwise, all counts that came until the deadline for entries (noon of the next day): the report of an hour or a day
//!   comes after it, and people enter marks until then;
//! * what the journal no longer holds is said: absence of evidence is no evidence of absence.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::derived::Derived;
use super::past;
use super::verbatim::{members, readings};
use crate::config::Config;
use hj212::packet;
use hj212_interpret::{self as interpret, Interpreter};
use hj212_journal::{self as journal, Disk, Offset, OsDisk, ReadItem, Reader, Stored};
use hj212_marking::{Mark, RuleBook, Validity};
use hj212_model::message::kind::Span;
use hj212_model::message::{Kind, Presence, Publication, Record, Timestamp};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// A sampled value further away than this does not answer for a time.
pub const NEAR_MAX: i64 = HOUR;
/// Nor does one further away than this, where the period of another report holds the time.
pub const BESIDE_MAX: i64 = 300 * SECOND;
/// How far before the asked time the reading of the journal begins, at least.
const BEFORE: i64 = DAY;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum MarksError {
    /// There is no journal, or it cannot be read.
    #[error("the journal in {dir}: {error}; --dir or --config names another one")]
    Journal {
        /// The folder.
        dir: String,
        /// Why.
        error: String,
    },
    /// The station is in no registration of the journal and was never heard.
    #[error("no station {0} is registered or was heard in this journal; see its MN in config/stations.toml")]
    UnknownStation(String),
    /// Nothing was said near that time.
    #[error(
        "{mn} has no {kind}{of} that holds {at}, and no sampled value within an hour of it; the nearest: {nearest}. The journal holds what came since {begin}"
    )]
    NoReading {
        /// The station.
        mn: Box<str>,
        /// `reading`, or the kind that was asked for and `record`.
        kind: Box<str>,
        /// ` of CODE`, if one was asked for.
        of: Box<str>,
        /// The time.
        at: Box<str>,
        /// The nearest reading before or after it, or `none`.
        nearest: Box<str>,
        /// When the first record came that the journal holds.
        begin: Box<str>,
    },
    /// The journal begins after what was asked for.
    #[error(
        "日志从 {begin} 开始，此前的记录已过保存期：不能说明 {until} 之前有无标记。the journal begins at {begin}: what came before was dropped by its retention ([journal] keep), so it cannot say whether there were marks until {until}; look in an archive of the journal (--dir)"
    )]
    Forgotten {
        /// When the first record came that the journal holds.
        begin: String,
        /// The end of the time that was asked for.
        until: String,
    },
}

/// A question about one time.
#[derive(Debug, Clone)]
pub struct Question {
    /// The station.
    pub mn: String,
    /// The data time.
    pub at: Timestamp,
    /// One factor; `None`: all of the report.
    pub factor: Option<String>,
    /// One kind of report; `None`: each kind whose report holds the time.
    pub kind: Option<Kind>,
    /// What came later than this is not looked at; `None`: the deadline for entries about that day.
    pub known: Option<Timestamp>,
}

/// One report near the time, and what is known of its readings.
#[derive(Debug, Clone)]
pub struct Report {
    /// The record in the journal.
    pub offset: Offset,
    /// When it came.
    pub arrived: Timestamp,
    /// Its data time.
    pub data_time: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The data message, as published.
    pub body: String,
    /// For each code that was asked for (`code@instrument` where the record names several): the marks over it, as they are known at the end.
    pub marks: Vec<(String, Vec<Mark>)>,
    /// For each of them what it is worth, as far as is known at the end; `None`: no rule says anything of it.
    pub now: Vec<Option<Validity>>,
    end: Timestamp,
}

impl Report {
    const fn is_period(&self) -> bool {
        self.end.0 > self.data_time.0
    }
}

/// What was found, with the rules by which it was judged.
#[derive(Debug)]
pub struct Answer {
    /// The reports, one a kind, the finest first: periods that hold the time, and the nearest sampled values.
    pub reports: Vec<Report>,
    /// The time of the last record that was looked at.
    pub known: Timestamp,
    /// The rules in force there.
    pub book: RuleBook,
}

/// The interpretation settings of a configuration.
#[must_use]
pub fn settings(config: &Config) -> interpret::Settings {
    // Every begin and end is looked at, also those that were not published one by one.
    interpret::Settings { marks_per_minute: u32::MAX, ..super::interpretation(config) }
}

/// Looks for the readings of a station nearest to a time, and for what marks them.
///
/// # Errors
/// [`MarksError`]
pub fn explain(dir: &Path, settings: interpret::Settings, question: &Question) -> Result<Answer, MarksError> {
    let begin = begin(dir)?;
    let mut found = Found { question, reports: BTreeMap::new(), before: None, after: None };
    let mut known = Timestamp(0);
    let from = Timestamp(question.at.0.saturating_sub(BEFORE));
    let interpreter = walk(dir, settings, from, &question.mn, |interpreter, stored, publications| {
        let Some(publications) = publications else {
            let until = question.known.unwrap_or_else(|| interpreter.entries_close(&question.mn, question.at));
            // Who asks about what came after its day's deadline gets the first of it.
            let late = stored.time > until && (question.known.is_some() || !found.reports.is_empty());
            return if late { Walk::Ends } else { Walk::Goes };
        };
        known = stored.time;
        publications.iter().for_each(|publication| found.take(stored, publication));
        Walk::Goes
    })?;
    if interpreter.marks_over(&question.mn, None, question.at, question.at).is_none() {
        return Err(MarksError::UnknownStation(question.mn.clone()));
    }
    let nothing = found.nothing(begin);
    let mut reports = found.chosen();
    if reports.is_empty() {
        return Err(nothing);
    }
    for report in &mut reports {
        for (code, marks) in &mut report.marks {
            // Rules speak of an instrument only where states and logs are told.
            let plain = code.split_once('@').map_or(code.as_str(), |(code, _)| code);
            let ruled = if report.kind == Kind::Info { code.as_str() } else { plain };
            let over = interpreter.marks_over(&question.mn, Some(ruled), report.data_time, report.end);
            *marks = over.unwrap_or_default();
            // Of a period its end is no part.
            marks.retain(|mark| report.end <= report.data_time || mark.since < report.end);
            let own = own(interpreter.rule_book(), &report.body, code, marks);
            report.now.push(interpreter.worth_now((&question.mn, ruled), report.kind, report.data_time, own));
        }
    }
    Ok(Answer { reports, known, book: interpreter.rule_book().clone() })
}

/// What a published reading was worth by its own flag: by those of its marks that are no episode.
fn own(book: &RuleBook, body: &str, code: &str, marks: &[Mark]) -> Option<Validity> {
    let reading = readings(body).into_iter().find(|(known, _)| known == code).map(|(_, reading)| reading)?;
    let get = |name: &str| members(reading).find(|(known, _)| *known == name).map(|(_, value)| value);
    let names: Vec<String> = get("marks").and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    let of_flag = names.iter().filter(|name| !marks.iter().any(|mark| mark.mark == **name));
    let worst = of_flag.filter_map(|name| book.marks.get(name)).map(|kind| kind.validity).max();
    worst.or_else(|| get("valid").filter(|valid| *valid != "null").map(|_| Validity::Valid))
}

/// Marks of a station, and from when on the journal can tell of them.
#[derive(Debug)]
pub struct List {
    /// The marks, in the order of their begin.
    pub marks: Vec<Mark>,
    /// Entries among them that were withdrawn or superseded, and by which entry.
    pub replaced: BTreeMap<String, String>,
    /// The rules in force at the end.
    pub book: RuleBook,
    /// When the first record came that the journal holds, if that is after the begin of the time that was asked for.
    pub begin: Option<Timestamp>,
}

/// Looks for the marks of a station that hold or held within a time; without one, those that hold at the end of the journal.
///
/// # Errors
/// [`MarksError`]
pub fn list(
    dir: &Path,
    settings: interpret::Settings,
    mn: &str,
    range: Option<(Timestamp, Timestamp)>,
) -> Result<List, MarksError> {
    let begin = begin(dir)?;
    let within = range.unwrap_or((Timestamp(i64::MAX), Timestamp(i64::MAX)));
    let (least, most) = if range.is_some() { (Timestamp(i64::MIN), within.1) } else { within };
    let mut all: BTreeMap<(Timestamp, String, String, String), Mark> = BTreeMap::new();
    // What is known of a mark later takes the place of what was known before: its end above all.
    let mut keep = |marks: Vec<Mark>| {
        for mark in marks {
            all.insert((mark.since, mark.mark.clone(), mark.object.clone(), mark.by.clone()), mark);
        }
    };
    let from = Timestamp(range.map_or(i64::MAX, |(since, _)| since.0.saturating_sub(BEFORE)));
    let interpreter = walk(dir, settings, from, mn, |interpreter, _, publications| {
        // The memory of ended marks is bounded: what ends is kept as it ends.
        let publications = publications.unwrap_or_default();
        if range.is_some() && publications.iter().any(|p| p.topic.contains("/event/mark-")) {
            keep(interpreter.marks_over(mn, None, least, most).unwrap_or_default());
        }
        Walk::Goes
    })?;
    let Some(last) = interpreter.marks_over(mn, None, least, most) else {
        return Err(MarksError::UnknownStation(mn.to_owned()));
    };
    keep(last);
    let ends = |mark: &Mark| mark.until.is_none_or(|until| until > within.0);
    let marks: Vec<Mark> = all.into_values().filter(|mark| mark.since < within.1 && ends(mark)).collect();
    let begin = begin.filter(|begin| range.is_some_and(|(since, _)| since < *begin));
    if let Some(begin) = begin.filter(|begin| within.1 <= *begin && marks.is_empty()) {
        return Err(MarksError::Forgotten { begin: begin.to_rfc3339(), until: within.1.to_rfc3339() });
    }
    let by_hand = marks.iter().filter(|mark| mark.said.is_some());
    let replaced = by_hand.filter_map(|mark| Some((mark.by.clone(), interpreter.replaced_by(mn, &mark.by)?))).collect();
    Ok(List { marks, replaced, book: interpreter.rule_book().clone(), begin })
}

/// When the first record came that the journal holds; `None`: it holds none.
fn begin(dir: &Path) -> Result<Option<Timestamp>, MarksError> {
    let broken =
        |error: journal::ReadError| MarksError::Journal { dir: dir.display().to_string(), error: error.to_string() };
    let mut reader = Reader::open(Arc::new(OsDisk), dir, Offset(0)).map_err(broken)?;
    while let Some(item) = reader.next().map_err(broken)? {
        if let ReadItem::Record(stored) = item {
            return Ok(Some(stored.time));
        }
    }
    Ok(None)
}

/// What was found so far: the best report of each kind.
struct Found<'q> {
    question: &'q Question,
    reports: BTreeMap<Kind, Report>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
}

impl Found<'_> {
    fn take(&mut self, stored: &Stored<'_>, publication: &Publication) {
        let Some(report) = self.read(stored, publication) else { return };
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
    fn chosen(self) -> Vec<Report> {
        let (at, held) = (self.question.at, self.reports.values().any(Report::is_period));
        let far = |report: &Report| {
            held && !report.is_period() && report.data_time.0.abs_diff(at.0) > BESIDE_MAX.unsigned_abs()
        };
        let mut chosen: Vec<Report> = self.reports.into_values().filter(|report| !far(report)).collect();
        chosen.sort_by_key(|report| report.end.0 - report.data_time.0);
        chosen
    }

    fn read(&self, stored: &Stored<'_>, publication: &Publication) -> Option<Report> {
        publication.topic.contains("/data/").then_some(())?;
        let body = std::str::from_utf8(&publication.payload).ok()?;
        let parts: BTreeMap<&str, &str> = members(body).collect();
        let text = |key| Some(parts.get(key)?.trim_matches('"'));
        // Parts of other stations that a checkpoint still waited for are published on the way.
        (text("mn")? == self.question.mn).then_some(())?;
        let data_time: jiff::Timestamp = text("data_time")?.parse().ok()?;
        let data_time = Timestamp(data_time.as_microsecond());
        let kind = Kind::of(text("cn")?.parse().ok()?);
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
            end,
        })
    }

    fn nothing(&self, begin: Option<Timestamp>) -> MarksError {
        let at = self.question.at;
        let nearest = [self.before, self.after].into_iter().flatten().min_by_key(|near| near.0.abs_diff(at.0));
        MarksError::NoReading {
            mn: self.question.mn.as_str().into(),
            kind: self.question.kind.map_or_else(|| "reading".into(), |kind| format!("{} record", kind.name()).into()),
            of: self.question.factor.as_ref().map_or_else(Box::default, |code| format!(" of {code}").into()),
            at: at.to_rfc3339().into(),
            nearest: nearest.map_or_else(|| "none".into(), |time| time.to_rfc3339().into()),
            begin: begin.map_or_else(|| "never".into(), |time| time.to_rfc3339().into()),
        }
    }
}

#[derive(PartialEq, Eq)]
enum Walk {
    Goes,
    Ends,
}

/// Interprets the journal for one station until `each` has seen enough; it is asked before a record is interpreted, and after that with what
/// the record gave.
fn walk(
    dir: &Path,
    settings: interpret::Settings,
    from: Timestamp,
    mn: &str,
    mut each: impl FnMut(&Interpreter, &Stored<'_>, Option<&[Publication]>) -> Walk,
) -> Result<Interpreter, MarksError> {
    let broken = |error: &dyn std::fmt::Display| MarksError::Journal {
        dir: dir.display().to_string(),
        error: error.to_string(),
    };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let Some(id) = journal::id(&*disk, dir).map_err(|error| broken(&error))? else {
        return Err(broken(&"there is none"));
    };
    let begin = journal::offset_at(Arc::clone(&disk), dir, from).map_err(|error| broken(&error))?;
    let derived = Derived::new(Arc::clone(&disk), dir.to_owned(), id);
    let begun = past::begin(&disk, dir, &derived, &settings, Offset(begin.0.saturating_sub(1)));
    let (mut interpreter, first) = begun.map_err(|error| broken(&error))?;
    let mut reader = Reader::open(disk, dir, first).map_err(|error| broken(&error))?;
    let mut publications = Vec::new();
    while let Some(item) = reader.next().map_err(|error| broken(&error))? {
        let ReadItem::Record(stored) = item else { continue };
        if each(&interpreter, &stored, None) == Walk::Ends {
            break;
        }
        let record = Record::decode(stored.kind, stored.body).map_or(Record::Tick, |record| concerning(mn, record));
        publications.clear();
        interpreter.on_record(stored.offset.0, stored.time, &stored.hash, &record, &mut publications);
        if each(&interpreter, &stored, Some(&publications)) == Walk::Ends {
            break;
        }
    }
    Ok(interpreter)
}

/// The record, or the passing of time if it is about another station.
fn concerning<'r>(mn: &str, record: Record<'r>) -> Record<'r> {
    let concerns = match &record {
        Record::Frame(heard) => packet::parse(heard.segment).mn == Some(mn.as_bytes()),
        Record::Presence(presence) => match presence {
            Presence::Online { mn: of, .. } | Presence::Offline { mn: of, .. } => *of == mn,
            Presence::Takeover { mn: of, .. } | Presence::CloneSuspected { mn: of, .. } => *of == mn,
        },
        Record::MarkEntry { mn: of, .. } | Record::MarkRuling { mn: of, .. } => *of == mn,
        Record::Rejected(_) | Record::Command(_) | Record::Notice(_) | Record::DeadLetter(_) => false,
        Record::Context { .. }
        | Record::Registry { .. }
        | Record::RegistryChange { .. }
        | Record::Tick
        | Record::Clock(_)
        | Record::Started(_)
        | Record::Stopped => true,
    };
    if concerns { record } else { Record::Tick }
}
