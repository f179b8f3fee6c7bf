//! The list against the journal: what is lost of the list is made again, what waits is not lost to retention.

use std::path::Path;

use super::*;
use hj212_journal as journal;
use hj212_model::message::Timestamp;

struct Place {
    folder: tempfile::TempDir,
    journal: Arc<Journal>,
    derived: Derived,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path());
        let derived = Derived::new(Arc::new(OsDisk), folder.path().to_owned(), journal.id());
        Place { folder, journal, derived }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self) -> LetterStore {
        LetterStore {
            journal: Arc::clone(&self.journal),
            derived: self.derived.clone(),
            telemetry: Arc::default(),
            shown: Arc::new(Letters::new(self.derived.clone())),
            own: "hj212/v1/gateway/".into(),
        }
    }

    /// Appends a record and gives its offset.
    fn append(&self, record_: &Record<'_>) -> u64 {
        let (told, outcome) = std::sync::mpsc::channel();
        self.journal.appender().append(record(record_), move |outcome: Result<Offset, _>| {
            told.send(outcome.ok()).unwrap();
        });
        outcome.recv().unwrap().unwrap().0
    }

    fn letter(&self, of: u64, body: &str) -> u64 {
        let (bytes, body) = (u32::try_from(body.len()).unwrap(), body.as_bytes());
        let letter = DeadLetter {
            of,
            tries: 5,
            retain: false,
            bytes,
            why: "NotAuthorized",
            topic: "hj212/v1/A/data/hour",
            body,
        };
        self.append(&Record::DeadLetter(letter))
    }

    /// A segment's worth of other records.
    fn fill(&self) -> u64 {
        let text = "x".repeat(1000);
        let last =
            (0..9).map(|_| self.append(&Record::Notice(&notice("rejected-unkept", None, &json!({ "t": text })))));
        last.max().unwrap()
    }

    fn listed(&self) -> Vec<String> {
        bodies(self.dir(), &list(self.dir()).unwrap())
    }
}

fn open(dir: &Path) -> Arc<Journal> {
    let settings = journal::Settings {
        dir: dir.to_owned(),
        segment_size: 8192,
        keep_size: 32 << 10,
        reserve: 0,
        ..journal::Settings::default()
    };
    let journal = Arc::new(journal::open(Arc::new(OsDisk), &settings, Arc::default()).unwrap());
    journal.keep_from(Holder::Interpretation, Offset(u64::MAX));
    journal.keep_from(Holder::Commands, Offset(u64::MAX));
    journal
}

fn bodies(dir: &Path, list: &List) -> Vec<String> {
    let body =
        |letter: &Listed| String::from_utf8(publication(dir, letter).unwrap().unwrap().payload.to_vec()).unwrap();
    list.letters.iter().map(body).collect()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

#[test]
fn whatever_becomes_of_its_file_the_list_is_what_the_journal_says() {
    let place = Place::new();
    let origin = place.fill();
    let (one, two) = (place.letter(origin, "one"), place.letter(origin, "two"));
    place.derived.store_cursor(Offset(two)).unwrap();
    assert_eq!(place.listed(), ["one", "two"], "never written");
    let keeper = run(Arc::new(place.store()).opened());
    keeper.write();
    let file = place.dir().join("dead-letters");
    let good = std::fs::read(&file).unwrap();
    let three = place.letter(origin, "three");
    assert_eq!(place.listed(), ["one", "two", "three"], "an older list");
    let mut rotten = good.clone();
    let middle = rotten.len() / 2;
    rotten[middle] ^= 1;
    let other = Place::new();
    run(Arc::new(other.store()).opened()).write();
    let alien = std::fs::read(other.dir().join("dead-letters")).unwrap();
    for damaged in [Vec::new(), vec![0; good.len()], good[..good.len() / 2].to_vec(), rotten, alien] {
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(place.listed(), ["one", "two", "three"]);
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(place.listed(), ["one", "two", "three"]);
    // What is replayed is known without the list.
    replayed(place.dir(), &LettersReplayed { through: two, left: vec![one] }).unwrap();
    assert_eq!(place.listed(), ["one", "three"]);
    replayed(place.dir(), &LettersReplayed { through: three, left: Vec::new() }).unwrap();
    assert!(place.listed().is_empty());
}

#[test]
fn what_comes_of_a_record_behind_the_cursor_is_published_again_and_no_letter() {
    let place = Place::new();
    let origin = place.fill();
    place.letter(origin, "passed");
    let next = place.fill();
    place.letter(next, "not yet");
    place.derived.store_cursor(Offset(origin)).unwrap();
    assert_eq!(place.listed(), ["passed"]);
    run(Arc::new(place.store()).opened()).write();
    place.derived.store_cursor(Offset(next)).unwrap();
    assert_eq!(place.listed(), ["passed"], "it was left out when the gateway started: it is tried again");
}

#[test]
fn what_waits_is_written_anew_before_retention_comes_to_it() {
    let place = Place::new();
    let origin = place.fill();
    place.letter(origin - 2, "one");
    place.letter(origin - 1, "two");
    // Two that differ in their bodies alone.
    place.letter(origin, "red");
    place.letter(origin, "der");
    place.derived.store_cursor(Offset(origin)).unwrap();
    let keeper = run(Arc::new(place.store()).opened());
    let first = place.journal.first();
    let mut gone = BTreeSet::new();
    let there = || {
        let mut all = place.listed();
        all[2..].sort();
        all
    };
    for _ in 0..12 {
        let last = place.fill();
        place.journal.delivered(Offset(last));
        run(keeper.renew(&mut gone));
        keeper.hold(&gone);
        assert_eq!(there(), ["one", "two", "der", "red"], "with the list of the start");
    }
    assert!(place.journal.first() > Offset(first.0 + 40), "retention goes on");
    assert!(gone.is_empty());
    keeper.write();
    assert_eq!(there(), ["one", "two", "der", "red"]);
    std::fs::remove_file(place.dir().join("dead-letters")).unwrap();
    assert_eq!(there(), ["one", "two", "der", "red"], "once each, however often they were written");
}

#[test]
fn a_letter_that_nobody_renews_is_held() {
    let place = Place::new();
    let origin = place.fill();
    let letter = place.letter(origin, "one");
    place.derived.store_cursor(Offset(letter)).unwrap();
    let keeper = run(Arc::new(place.store()).opened());
    keeper.hold(&BTreeSet::new());
    for _ in 0..12 {
        let last = place.fill();
        place.journal.delivered(Offset(last));
    }
    assert_eq!(place.listed(), ["one"]);
    keeper.hold(&BTreeSet::from([letter]));
    let last = place.fill();
    place.journal.delivered(Offset(last));
    place.fill();
    assert!(place.journal.first() > Offset(letter), "held no more");
}

#[test]
fn what_falls_out_of_the_list_is_found_for_the_replay() {
    let place = Place::new();
    let origin = place.append(&Record::Notice(&notice("rejected-unkept", None, &json!({}))));
    let keeper = place.store();
    let mut unsaid = Unsaid::default();
    let mut last = 0;
    for number in 0..LETTERS_MAX + 3 {
        last = place.letter(origin, &format!("{number}"));
        let (time, topic) = (Timestamp(0).to_rfc3339(), "hj212/v1/A/data/hour".to_owned());
        let letter = Listed { offset: last, of: origin, time, topic, bytes: 1, tries: 5, why: "NotAuthorized".into() };
        keeper.note(letter, &mut unsaid);
    }
    place.derived.store_cursor(Offset(last)).unwrap();
    keeper.write();
    assert_eq!((keeper.shown.newest().0, keeper.shown.waiting()), (LETTERS_MAX, LETTERS_MAX as u64 + 3));
    let known = list(place.dir()).unwrap();
    let fallen = dropped(place.dir(), &known).unwrap();
    assert_eq!(fallen.iter().map(|letter| letter.bytes).collect::<Vec<_>>(), [1, 1, 1]);
    replayed(place.dir(), &LettersReplayed { through: last, left: Vec::new() }).unwrap();
    let known = list(place.dir()).unwrap();
    assert_eq!((known.letters.len(), known.dropped), (0, 0));
}

#[test]
fn a_journal_that_lost_its_end_has_no_letters_of_there() {
    let place = Place::new();
    let origin = place.fill();
    let letter = place.letter(origin, "one");
    let mut known = list(place.dir()).unwrap();
    assert!(known.letters.is_empty(), "no cursor: everything is published again");
    place.derived.store_cursor(Offset(letter)).unwrap();
    let mut known_all = list(place.dir()).unwrap();
    assert_eq!(known_all.letters.len(), 1);
    let mut done = LettersReplayed { through: letter + 50, left: Vec::new() };
    known_all.cut(Offset(letter - 1), &mut done);
    assert_eq!((known_all.letters.len(), known_all.through, done.through), (0, letter - 1, letter - 1));
    known.cut(Offset(letter), &mut done);
    assert_eq!(known.through, letter);
}
