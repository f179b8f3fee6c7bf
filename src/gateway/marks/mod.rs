//! What is known of a station's marks, read from the journal beside a running gateway or without one. Nothing is written.
//!
//! The journal is interpreted again, from the newest checkpoint a day before the time that is asked for. Records of other stations only let
//! time pass: they cannot change this one's marks.
//!
//! What must stay true:
//! * a report of a period answers only for a time that its period holds: the next best hour is no answer;
//! * unless it is asked otherwise, all counts that came until the deadline for entries (noon of the next day): the report of an hour or a day
//!   comes after it, and people enter marks until then;
//! * what came after that is told with its time, and not counted;
//! * what a mark makes of a reading is what the marks' own functions say, so that no text differs from what was published;
//! * what the journal no longer holds is said: absence of evidence is no evidence of absence.

use std::collections::BTreeMap;
use std::path::Path;

use super::json_members::{members, readings};
use crate::config::Config;
use hj212_interpret::{self as interpret, EventKind, Interpreter, MarkEvent, Says, StationEvent, TypedPublication};
use hj212_journal::{self as journal, Offset, ReadItem, Reader};
use hj212_marking::{Mark, RuleBook, Validity, Working};
use hj212_model::message::{Kind, Timestamp};

mod found;
mod later;
mod proof;
pub(super) mod walk;

use found::Found;
pub use later::{Item, LATER_MAX, Later, What};
pub use proof::{Places, Proof, Sources, proof};
use walk::{Seen, Walk, walk};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// A sampled value further away than this does not answer for a time.
pub const NEAR_MAX: i64 = HOUR;
/// Nor does one further away than this, where the period of another report holds the time.
pub const BESIDE_MAX: i64 = 300 * SECOND;
/// Ended episodes of rules around the time that are kept for the explanation; the station's own memory holds the latest few in full.
pub const EPISODES_KEPT_MAX: usize = 4096;
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
    #[error(
        "没有站点 {0}:未登记,日志库中也没有它的数据。no such station {0}: it is in no registration of this journal and was never heard"
    )]
    UnknownStation(String),
    /// Nothing was said near that time.
    #[error(
        "站点 {mn} 没有包含 {at} 的所查数据，前后一小时内也没有瞬时值；最近的：{nearest}。日志从 {begin} 开始。{mn} has no {kind}{of} that holds {at}, and no sampled value within an hour of it; the nearest: {nearest}. The journal holds what came since {begin}"
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
        "日志从 {begin} 开始，{}：不能说明 {until} 之前有无标记。the journal begins at {begin}: {}, so it cannot say whether there were marks until {until}; look in an archive of the journal (--dir)",
        lost(*dropped).0,
        lost(*dropped).1
    )]
    Forgotten {
        /// When the first record came that the journal holds.
        begin: String,
        /// The end of the time that was asked for.
        until: String,
        /// Whether there were records before it.
        dropped: bool,
    },
}

const fn lost(dropped: bool) -> (&'static str, &'static str) {
    if dropped {
        ("此前的记录已过保存期", "what came before was dropped by its retention ([journal] keep)")
    } else {
        ("本日志此前没有记录", "nothing was recorded in it before")
    }
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
    /// What each of the marks makes of it, in their order; `None`: nothing is known of it.
    pub works: Vec<Vec<Option<Working>>>,
    /// What came after the moment up to which it was looked at.
    pub later: Later,
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
    /// Whose the rules and the registration are.
    pub sources: Sources,
    /// Where entries and rulings stand in the journal.
    pub places: Places,
    /// Entries that were withdrawn or superseded, and by which entry.
    pub replaced: BTreeMap<String, String>,
    /// When the first record came that the journal holds, if it cannot tell of marks that were entered before.
    pub begin: Option<Timestamp>,
}

/// The interpretation settings of a configuration.
#[must_use]
pub fn settings(config: &Config) -> interpret::Settings {
    // Every begin and end is looked at, also those that were not published one by one.
    interpret::Settings { marks_per_minute: u32::MAX, ..super::interpretation(config) }
}

/// Looks for the readings of a station nearest to a time, and for what marks them; then for what came later about them.
///
/// # Errors
/// [`MarksError`]
pub fn explain(dir: &Path, settings: interpret::Settings, question: &Question) -> Result<Answer, MarksError> {
    let begin = first(dir)?;
    let mn = question.mn.as_str();
    let mut found = Some(Found::new(question));
    let mut answer = Answer {
        reports: Vec::new(),
        known: Timestamp(0),
        book: RuleBook::default(),
        sources: Sources::default(),
        places: Places::default(),
        replaced: BTreeMap::new(),
        begin: None,
    };
    let from = Timestamp(question.at.0.saturating_sub(BEFORE));
    let mut nothing = None;
    let mut episodes: Episodes = BTreeMap::new();
    let around = (Timestamp(question.at.0.saturating_sub(DAY)), Timestamp(question.at.0.saturating_add(DAY)));
    let walked = walk(dir, settings, from, mn, |interpreter, seen| {
        match (&seen, &mut found) {
            (Seen::Before(stored), Some(so_far)) => {
                let until = question.known.unwrap_or_else(|| interpreter.entries_close(mn, question.at));
                // Who asks about what came after its day's deadline gets the first of it.
                if stored.time > until && (question.known.is_some() || !so_far.is_empty()) {
                    nothing = look(interpreter, question, (found.take(), &episodes), begin, &mut answer);
                    return if nothing.is_some() { Walk::Ends } else { Walk::Goes };
                }
            }
            (Seen::After { stored, record, published }, Some(found)) => {
                answer.known = stored.time;
                answer.places.note(stored.offset, record, published);
                published.iter().for_each(|publication| found.take(stored, publication));
                // The memory of ended episodes is bounded: what ends is kept as it ends.
                if published.iter().any(|said| mark_event(said) == Some(&MarkEvent::Ended)) {
                    let ended = interpreter.marks_over(mn, None, around.0, around.1).unwrap_or_default();
                    for mark in ended.into_iter().filter(|mark| mark.said.is_none() && mark.until.is_some()) {
                        if episodes.len() < EPISODES_KEPT_MAX {
                            episodes
                                .insert((mark.since, mark.mark.clone(), mark.object.clone(), mark.by.clone()), mark);
                        }
                    }
                }
            }
            (Seen::After { stored, record, published }, None) => {
                answer.places.note(stored.offset, record, published);
                for report in &mut answer.reports {
                    later::take(report, mn, interpreter, &seen);
                }
            }
            (Seen::Before(_), None) => {
                if answer.reports.iter().all(|report| report.later.more) {
                    return Walk::Ends;
                }
            }
        }
        Walk::Goes
    })?;
    if let Some(found) = found {
        nothing = look(&walked.interpreter, question, (Some(found), &episodes), begin, &mut answer);
    }
    if walked.interpreter.marks_held(mn).is_none() {
        return Err(MarksError::UnknownStation(question.mn.clone()));
    }
    answer.sources.started = walked.started;
    answer.begin = begin.map(|(_, time)| time).filter(|_| !walked.whole);
    nothing.map_or(Ok(answer), Err)
}

/// What happened to a mark, if that is what a publication says.
fn mark_event(published: &TypedPublication) -> Option<&MarkEvent> {
    let Says::Event(StationEvent { kind: EventKind::Mark(event), .. }) = &published.content else { return None };
    Some(event)
}

/// Episodes that have ended, by begin, mark, object and rule.
type Episodes = BTreeMap<(Timestamp, String, String, String), Mark>;

/// Takes what is known of the reports now into the answer; why not, if there are none.
fn look(
    interpreter: &Interpreter,
    question: &Question,
    (found, episodes): (Option<Found<'_>>, &Episodes),
    begin: Option<(Offset, Timestamp)>,
    answer: &mut Answer,
) -> Option<MarksError> {
    let found = found?;
    let nothing = found.nothing(begin);
    let mut reports = found.chosen();
    if reports.is_empty() {
        return Some(nothing);
    }
    let mn = question.mn.as_str();
    for report in &mut reports {
        for (code, marks) in &mut report.marks {
            let ruled = ruled(report.kind, code);
            let over = interpreter.marks_over(mn, Some(ruled), report.data_time, report.end);
            *marks = over.unwrap_or_default();
            let period = (report.kind, report.data_time);
            for mark in episodes.values() {
                let over = mark.since <= report.end && mark.until.is_none_or(|until| until > report.data_time);
                let known =
                    |m: &Mark| (m.since, &m.mark, &m.object, &m.by) == (mark.since, &mark.mark, &mark.object, &mark.by);
                if over && !marks.iter().any(known) && interpreter.working(mn, mark, ruled, period).is_some() {
                    marks.push(mark.clone());
                }
            }
            marks.sort_by_key(|mark| mark.since);
            // Of a period its end is no part.
            marks.retain(|mark| report.end <= report.data_time || mark.since < report.end);
            let own = own(interpreter.rule_book(), &report.body, code, marks);
            report.now.push(interpreter.worth_now((mn, ruled), report.kind, report.data_time, own));
            let works = marks.iter().map(|mark| interpreter.working(mn, mark, ruled, (report.kind, report.data_time)));
            report.works.push(works.collect());
        }
    }
    let by_hand = reports.iter().flat_map(|report| &report.marks).flat_map(|(_, marks)| marks);
    let by_hand = by_hand.filter(|mark| mark.said.is_some());
    answer.replaced =
        by_hand.filter_map(|mark| Some((mark.by.clone(), interpreter.replaced_by(mn, &mark.by)?))).collect();
    answer.reports = reports;
    answer.book = interpreter.rule_book().clone();
    answer.sources = Sources { rules: interpreter.rule_texts(), registry: interpreter.context_name(), started: None };
    None
}

/// The name by which rules know a reading: they speak of an instrument only where states and logs are told.
fn ruled(kind: Kind, code: &str) -> &str {
    let plain = code.split_once('@').map_or(code, |(code, _)| code);
    if kind == Kind::Info { code } else { plain }
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

/// A mark in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The mark.
    pub mark: Mark,
    /// What it makes of readings over its own time, by factor.
    pub works: Vec<Working>,
}

/// Marks of a station, and from when on the journal can tell of them.
#[derive(Debug)]
pub struct List {
    /// The marks, in the order of their begin.
    pub marks: Vec<Listed>,
    /// Entries among them that were withdrawn or superseded, and by which entry.
    pub replaced: BTreeMap<String, String>,
    /// The rules in force at the end.
    pub book: RuleBook,
    /// When the first record came that the journal holds, if that is after the begin of the time that was asked for.
    pub begin: Option<Timestamp>,
}

/// Looks for the marks of a station that hold or held within a time; without one, those that hold at the end of the journal, and entries
/// whose time has not come.
///
/// # Errors
/// [`MarksError`]
pub fn list(
    dir: &Path,
    settings: interpret::Settings,
    mn: &str,
    range: Option<(Timestamp, Timestamp)>,
) -> Result<List, MarksError> {
    let first = first(dir)?;
    let all_time = (Timestamp(i64::MIN), Timestamp(i64::MAX));
    let (since, until) = range.unwrap_or(all_time);
    let mut all: BTreeMap<(Timestamp, String, String, String), Mark> = BTreeMap::new();
    // What is known of a mark later takes the place of what was known before: its end above all.
    let mut keep = |marks: Vec<Mark>| {
        for mark in marks {
            all.insert((mark.since, mark.mark.clone(), mark.object.clone(), mark.by.clone()), mark);
        }
    };
    let from = Timestamp(range.map_or(i64::MAX, |(since, _)| since.0.saturating_sub(BEFORE)));
    let walked = walk(dir, settings, from, mn, |interpreter, seen| {
        // The memory of ended marks is bounded: what ends is kept as it ends.
        if let Seen::After { published, .. } = seen
            && range.is_some()
            && published.iter().any(|said| mark_event(said).is_some())
        {
            keep(interpreter.marks_over(mn, None, all_time.0, until).unwrap_or_default());
        }
        Walk::Goes
    })?;
    let interpreter = walked.interpreter;
    let last = match range {
        Some(_) => interpreter.marks_over(mn, None, all_time.0, until),
        None => interpreter.marks_held(mn),
    };
    keep(last.ok_or_else(|| MarksError::UnknownStation(mn.to_owned()))?);
    let fits = |mark: &Mark| mark.since < until && mark.until.is_none_or(|until| until > since);
    let marks = all.into_values().filter(fits);
    let marks: Vec<Listed> = marks.map(|mark| Listed { works: interpreter.workings(mn, &mark), mark }).collect();
    let begin = first.filter(|(_, begin)| range.is_some() && since < *begin);
    if let Some((offset, begin)) = begin.filter(|(_, begin)| until <= *begin && marks.is_empty()) {
        let (begin, until) = (begin.to_rfc3339(), until.to_rfc3339());
        return Err(MarksError::Forgotten { begin, until, dropped: offset.0 > 1 });
    }
    let by_hand = marks.iter().map(|listed| &listed.mark).filter(|mark| mark.said.is_some());
    let replaced = by_hand.filter_map(|mark| Some((mark.by.clone(), interpreter.replaced_by(mn, &mark.by)?))).collect();
    Ok(List { marks, replaced, book: interpreter.rule_book().clone(), begin: begin.map(|(_, time)| time) })
}

/// The first record that the journal holds, and when it came; `None`: it holds none.
fn first(dir: &Path) -> Result<Option<(Offset, Timestamp)>, MarksError> {
    let broken =
        |error: journal::ReadError| MarksError::Journal { dir: dir.display().to_string(), error: error.to_string() };
    let mut reader = Reader::open(hj212_archive::reading(dir), dir, Offset(0)).map_err(broken)?;
    while let Some(item) = reader.next().map_err(broken)? {
        if let ReadItem::Record(stored) = item {
            return Ok(Some((stored.offset, stored.time)));
        }
    }
    Ok(None)
}
