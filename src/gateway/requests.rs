//! The requests to stations as the journal tells them, open ones and ended ones, beside a running gateway or without one. Nothing is
//! written.
//!
//! What must stay true:
//! * no password, no key and nothing that was sent is in it;
//! * all requests that are open are there, however old: the command desk's file has them, and the journal what came after it;
//! * of ended and refused ones the newest are there: the journal is read from its newest segment back, until [`Wanted::limit`] requests were
//!   found from their beginning, [`Wanted::since`] is reached, or, where that is not given, [`BYTES_MAX`]; how far back was looked is told
//!   ([`Requests::looked_back_to`]);
//! * requests beyond [`REQUESTS_MAX`] fall out, ended ones and the oldest first, and are counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::command_desk;
use super::derived::Derived;
use super::replay::ReplayError;
use crate::config::Config;
use hj212_downlink::Step;
use hj212_journal::{Disk, Offset, OsDisk, ReadError, ReadItem, Reader};
use hj212_model::message::{Record, RecordError, Timestamp};

/// Requests that are remembered while the journal is read.
pub const REQUESTS_MAX: usize = 100_000;
/// Bodies of records that are read at most where nobody says since when: looked at between segments.
pub const BYTES_MAX: u64 = 1 << 30;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it was first heard of.
    pub queued: Timestamp,
    /// Its last state with all that is known of it, as in its status.
    pub status: Map<String, Value>,
    /// Whether its first step is known.
    begun: bool,
    /// Whether all that is known is a refusal about its id: no news of the request itself.
    beside: bool,
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

/// Which requests are looked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Only those of this station.
    pub mn: Option<&'a str>,
    /// Only those that have not ended.
    pub open: bool,
    /// The newest so many.
    pub limit: usize,
    /// Only those that were asked for since then.
    pub since: Option<Timestamp>,
}

/// What [`read`] found.
#[derive(Debug, Default)]
pub struct Requests {
    /// The oldest first.
    pub requests: Vec<Request>,
    /// How many fell out.
    pub forgotten: usize,
    /// Ended and refused requests are known from then on; `None`: from the journal's beginning, or nobody asked for them.
    pub looked_back_to: Option<Timestamp>,
}

/// The requests that are wanted.
///
/// # Errors
/// [`ReplayError::Journal`] if there is no journal or it cannot be read.
pub fn read(config: &Config, wanted: &Wanted<'_>) -> Result<Requests, ReplayError> {
    let dir = &config.journal.dir;
    let broken = |error: &dyn std::fmt::Display| ReplayError::Journal {
        dir: dir.display().to_string(),
        error: error.to_string(),
    };
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let id = hj212_journal::id(&*disk, dir).map_err(|error| broken(&error))?.ok_or_else(|| broken(&"there is none"))?;
    let derived = Derived::new(Arc::clone(&disk), dir.clone(), id);
    let look = Look { disk, dir, wanted, bytes_max: BYTES_MAX };
    look.around(command_desk::remembered(&derived)).map_err(|error| broken(&error))
}

/// The steps behind a record that are wanted, with the times of theirs.
pub(super) fn steps_behind(
    disk: Arc<dyn Disk>,
    dir: &Path,
    up_to: Offset,
    wanted: impl Fn(&Step) -> bool,
) -> Result<Vec<(Timestamp, Step)>, ReadError> {
    let mut reader = Reader::open(disk, dir, Offset(up_to.0.saturating_add(1)))?;
    let mut steps = Vec::new();
    while let Some(item) = reader.next()? {
        let ReadItem::Record(stored) = item else { continue };
        if let Ok(Record::Command(body)) = command(stored.kind, stored.body)
            && let Some(step) = Step::decode(body).filter(&wanted)
        {
            steps.push((stored.time, step));
        }
    }
    Ok(steps)
}

/// A look into the journal.
struct Look<'a> {
    disk: Arc<dyn Disk>,
    dir: &'a Path,
    wanted: &'a Wanted<'a>,
    bytes_max: u64,
}

impl Look<'_> {
    /// `remembered`: the steps of the command desk's file, which has all that is open, and the record up to which it has it.
    fn around(self, remembered: Option<(Offset, Vec<(Timestamp, Step)>)>) -> Result<Requests, ReadError> {
        let mut all = Gathered::default();
        let known = remembered.is_some();
        if let Some((up_to, steps)) = remembered {
            steps.iter().filter(|(_, step)| self.concerns(step)).for_each(|(at, step)| all.note(step, *at));
            // The file has the last sending of all for its QN; how its request ended may be forgotten by now.
            all.requests.retain(|_, request| request.begun);
            self.segment(Offset(up_to.0.saturating_add(1)), None, &mut all)?;
            all.requests.retain(|_, request| request.is_open());
        }
        let looked_back_to = if known && self.wanted.open { None } else { self.back(&mut all)? };
        let since = self.wanted.since;
        let mut requests: Vec<Request> = all
            .requests
            .into_values()
            .filter(|request| request.is_open() || !self.wanted.open && since.is_none_or(|at| request.queued >= at))
            .collect();
        requests.sort_by_key(|request| request.queued);
        Ok(Requests { requests, forgotten: all.forgotten, looked_back_to })
    }

    /// Adds what the segments tell, the newest first, as far back as it is wanted; the time back to which all is known, if that is not all.
    fn back(&self, all: &mut Gathered) -> Result<Option<Timestamp>, ReadError> {
        let spans = hj212_journal::spans(self.disk.as_ref(), self.dir)?;
        let (mut bytes, mut enough) = (0, 0);
        for (left, span) in spans.iter().enumerate().rev() {
            let mut older = Gathered::default();
            bytes += self.segment(span.first, span.next, &mut older)?;
            enough += older.requests.values().filter(|request| request.begun && !self.wanted.open).count();
            all.join(older);
            let reached = self.wanted.since.is_some_and(|since| span.created < since);
            let spent = self.wanted.since.is_none() && bytes >= self.bytes_max;
            if left > 0 && (reached || spent || enough >= self.wanted.limit) {
                return Ok(Some(span.created));
            }
        }
        Ok(None)
    }

    /// Notes the steps of the records from `from` to before `next`; how many bytes were read.
    fn segment(&self, from: Offset, next: Option<Offset>, into: &mut Gathered) -> Result<u64, ReadError> {
        let mut reader = Reader::open(Arc::clone(&self.disk), self.dir, from)?;
        let mut bytes = 0;
        while let Some(item) = reader.next()? {
            let ReadItem::Record(stored) = item else { continue };
            if next.is_some_and(|next| stored.offset >= next) {
                break;
            }
            bytes += stored.body.len() as u64;
            if let Ok(Record::Command(body)) = command(stored.kind, stored.body)
                && let Some(step) = Step::decode(body)
                && self.concerns(&step)
            {
                into.note(&step, stored.time);
            }
        }
        Ok(bytes)
    }

    fn concerns(&self, step: &Step) -> bool {
        self.wanted.mn.is_none_or(|mn| step.mn() == mn)
    }
}

/// Decodes a record if it is of a command: all others are passed over unread.
fn command(kind: u8, body: &[u8]) -> Result<Record<'_>, RecordError> {
    if kind == Record::Command(&[]).kind() { Record::decode(kind, body) } else { Err(RecordError::Kind(kind)) }
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
        let refused = matches!(step, Step::Refused { .. });
        let beside = matches!(step, Step::Refused { shown: false, .. });
        if beside && self.requests.contains_key(&key) {
            // What is refused about an id that is in use is no news of that request.
            return;
        }
        // The file has the sending with the highest QN behind all else, and of changes of a password or MN all steps again.
        let has_ended = |request: &Request| request.begun && !request.beside && !request.is_open();
        if matches!(step, Step::Sent { .. }) && self.requests.get(&key).is_some_and(has_ended) {
            return;
        }
        let empty = || Request { queued: at, status: Map::new(), begun: false, beside };
        let request = self.requests.entry(key).or_insert_with(empty);
        if request.beside && !beside {
            // The request itself begins here; what was refused about its id before it was is no part of it.
            *request = Request { queued: at, status: Map::new(), begun: false, beside };
        }
        request.begun |= refused || matches!(step, Step::Queued { .. });
        request.status.extend(status);
        self.bound();
    }

    /// Adds what was said before all that is here.
    fn join(&mut self, older: Gathered) {
        self.forgotten += older.forgotten;
        for (key, before) in older.requests {
            match self.requests.get_mut(&key) {
                None => drop(self.requests.insert(key, before)),
                Some(request) if request.beside => *request = before,
                Some(_) if before.beside => {}
                Some(request) => {
                    request.queued = request.queued.min(before.queued);
                    request.begun |= before.begun;
                    for (name, value) in before.status {
                        request.status.entry(name).or_insert(value);
                    }
                }
            }
            self.bound();
        }
    }

    fn bound(&mut self) {
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
        let found: Vec<Request> = gathered.requests.into_values().collect();
        assert_eq!((found[0].text("state"), found[0].text("author"), found[0].is_open()), ("done", "li", false));
        assert_eq!((found[1].text("id"), found[1].text("state"), found[1].is_open()), ("b", "queued", true));
        assert!(!format!("{found:?}").contains("secret"));
    }

    #[test]
    fn the_last_sending_in_the_file_opens_no_request_that_has_ended() {
        let (mn, segment) = ("A".to_owned(), "PW=secret".to_owned());
        let sent = |id: &str, qn: &str| Step::Sent {
            mn: mn.clone(),
            id: id.into(),
            qn: qn.into(),
            count: 1,
            segment: segment.clone(),
        };
        let ended =
            |id: &str| Step::Ended { mn: mn.clone(), id: id.into(), outcome: Outcome::Done, code: Some(1), packets: 0 };
        for ids_max in [1, 8] {
            let mut ledger = hj212_downlink::compact::Ledger::new(ids_max);
            let steps = [
                queued("b"),
                queued("c"),
                queued("a"),
                sent("a", "20261123100000002"),
                ended("a"),
                sent("b", "20261123100000001"),
                ended("b"),
            ];
            (1..).zip(steps).for_each(|(at, step)| ledger.note(Timestamp(at), step));
            let dir = tempfile::tempdir().unwrap();
            journal(dir.path(), 0);
            let wanted = Wanted { mn: None, open: true, limit: 10, since: None };
            let look = Look { disk: Arc::new(OsDisk), dir: dir.path(), wanted: &wanted, bytes_max: BYTES_MAX };
            let remembered = (Offset(0), ledger.steps().cloned().collect());
            let found = look.around(Some(remembered)).unwrap().requests;
            let ids: Vec<&str> = found.iter().map(|request| request.text("id")).collect();
            assert_eq!(ids, ["c"], "{ids_max}");
        }
    }

    #[test]
    fn what_is_read_newest_first_says_the_same_as_what_is_read_in_order() {
        let (mn, id) = ("A".to_owned(), "a".to_owned());
        let segment = "PW=secret".to_owned();
        let refused = |id: &str| Step::Refused {
            mn: "A".into(),
            id: id.into(),
            reason: "id-used".into(),
            author: "li".into(),
            length: 1,
            sha256: String::new(),
            shown: false,
            about: None,
        };
        let steps = [
            queued("a"),
            queued("b"),
            Step::Sent { mn: mn.clone(), id: id.clone(), qn: "1".into(), count: 1, segment: segment.clone() },
            refused("a"),
            refused("b"),
            Step::Sent { mn: mn.clone(), id: id.clone(), qn: "1".into(), count: 2, segment },
            refused("c"),
            Step::Ended { mn, id, outcome: Outcome::Done, code: Some(1), packets: 0 },
        ];
        let timed: Vec<(i64, &Step)> = (1..).zip(&steps).collect();
        let gather = |steps: &[(i64, &Step)]| {
            let mut gathered = Gathered::default();
            steps.iter().for_each(|(at, step)| gathered.note(step, Timestamp(*at)));
            gathered
        };
        let told = |gathered: &Gathered| format!("{:?}", gathered.requests);
        let whole = told(&gather(&timed));
        for first in 0..=timed.len() {
            for second in first..=timed.len() {
                let mut all = gather(&timed[second..]);
                all.join(gather(&timed[first..second]));
                all.join(gather(&timed[..first]));
                assert_eq!(told(&all), whole, "{first} {second}");
            }
        }
    }

    /// A journal of many small segments: a request each hour, and frames' worth of other records between them.
    fn journal(dir: &Path, requests: i64) -> [u8; 16] {
        let settings = hj212_journal::Settings {
            dir: dir.to_owned(),
            segment_size: 64 << 10,
            reserve: 16 << 10,
            ..hj212_journal::Settings::default()
        };
        let journal = hj212_journal::open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
        let mut last = 0;
        for hour in 0..requests {
            let time = Timestamp(hour * 3_600_000_000);
            let put = |kind: u8, body: Vec<u8>| {
                journal.appender().append(hj212_journal::Entry { time, kind, body }, ());
            };
            put(10, queued(&format!("r{hour}")).encode());
            (0..8).for_each(|_| put(2, vec![7; 4 << 10]));
            last += 9;
            let (tail, last) = (journal.tail(), Offset(last));
            while tail.durable() < last {
                let _ = tail.wait(Offset(last.0 - 1), std::time::Duration::from_secs(60));
            }
        }
        let id = journal.id();
        journal.close();
        id
    }

    #[test]
    fn of_a_long_journal_only_the_newest_is_read_and_what_is_open_is_there_however_old() {
        let at = tempfile::tempdir().unwrap();
        journal(at.path(), 40);
        let look = |wanted: &Wanted<'_>, bytes_max: u64, remembered: Option<(Offset, Vec<(Timestamp, Step)>)>| {
            let look = Look { disk: Arc::new(OsDisk), dir: at.path(), wanted, bytes_max };
            let found = look.around(remembered).unwrap();
            let ids: Vec<String> = found.requests.iter().map(|request| request.text("id").to_owned()).collect();
            (ids, found.looked_back_to)
        };
        let wanted = Wanted { mn: None, open: false, limit: 100, since: None };
        let (all, back) = look(&wanted, u64::MAX, None);
        assert_eq!((all.len(), back), (40, None), "a journal without the desk's file is read whole");
        let (some, back) = look(&Wanted { limit: 3, ..wanted.clone() }, u64::MAX, None);
        assert!((3..8).contains(&some.len()) && some.last().unwrap() == "r39" && back.is_some(), "{some:?}");
        let (some, back) = look(&wanted, 100 << 10, None);
        assert!((3..12).contains(&some.len()) && some.last().unwrap() == "r39" && back.is_some(), "{some:?}");
        let since = Some(Timestamp(30 * 3_600_000_000));
        // All of them are open in this journal: what is asked for is told apart by its station.
        let (some, _) = look(&Wanted { mn: Some("B"), since, ..wanted.clone() }, u64::MAX, None);
        assert_eq!(some, [] as [&str; 0]);
        // The desk's file has the oldest, and the journal behind it is read for what came since.
        let remembered = || Some((Offset(9 * 38), vec![(Timestamp(0), queued("r0"))]));
        let (open, back) = look(&Wanted { open: true, limit: 1, ..wanted.clone() }, 0, remembered());
        assert_eq!((open, back), (vec!["r0".to_owned(), "r38".into(), "r39".into()], None));
        let (some, _) = look(&Wanted { limit: 1, ..wanted }, u64::MAX, remembered());
        assert!(some[0] == "r0" && some.last().unwrap() == "r39" && some.len() < 10, "{some:?}");
    }
}
