//! Days of a station's life on a real disk, by a clock that is set by hand: what is archived, anchored, packed and checked.
//!
//! `HJ212_ARCHIVE_DAYS=1826 cargo test -p hj212-gateway --features demo --lib archive::tests::years -- --nocapture` gives the sizes and times of five years.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use sha2::{Digest, Sha256};

use super::*;
use crate::config::Config;
use crate::gateway::evidence::{self, EvidenceError, Wish};
use hj212::Deviations;
use hj212_evidence::{Trust, verify};
use hj212_journal::sim_disk::Random;
use hj212_journal::{self as journal, Entry, OsDisk};
use hj212_model::message::{Heard, Peering, Record};

const MN: &str = "010000A8900016F000169DC1";
const OTHER: &str = "010000A8900016F000169DC2";
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 1440 * MINUTE;
/// 2026-06-01T00:00:00+08:00.
const BEGIN: i64 = 1_780_243_200_000_000;

struct Life {
    folder: tempfile::TempDir,
    config: Config,
    time: Arc<AtomicI64>,
    journal: Option<Arc<Journal>>,
    random: Random,
    /// Bytes of records that were appended.
    bytes: u64,
    /// Records appended.
    records: u64,
}

impl Life {
    fn begin(segment_size: u64) -> Life {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.journal.dir = folder.path().join("journal");
        config.journal.segment_size = segment_size;
        config.journal.reserve = 0;
        config.journal.keep = Duration::from_secs(2 * 86_400);
        config.journal.queue_max = 1 << 20;
        config.journal.batch_records_max = 1 << 16;
        config.archive.dir = folder.path().join("archive");
        let mut life = Life {
            folder,
            config,
            time: Arc::new(AtomicI64::new(BEGIN)),
            journal: None,
            random: Random::new(1),
            bytes: 0,
            records: 0,
        };
        life.start();
        life
    }

    fn start(&mut self) {
        self.journal = None;
        let time = Arc::clone(&self.time);
        let clock = Box::new(move || {
            let now = time.load(Ordering::Relaxed);
            (Timestamp(now), now)
        });
        let journal = journal::open_by(Arc::new(OsDisk), &self.config.journal, Arc::default(), clock).unwrap();
        journal.keep_from(Holder::Archive, Offset(0));
        journal.keep_from(Holder::Interpretation, Offset(u64::MAX));
        journal.keep_from(Holder::Commands, Offset(u64::MAX));
        self.journal = Some(Arc::new(journal));
    }

    fn archiver(&self) -> Archiver {
        let time = Arc::clone(&self.time);
        Archiver {
            disk: Arc::new(OsDisk),
            journal: Arc::clone(self.journal.as_ref().unwrap()),
            dir: self.config.journal.dir.clone(),
            settings: self.config.archive.clone(),
            reserve: 0,
            gateway: "ah-01".into(),
            telemetry: Arc::default(),
            now: Box::new(move || Timestamp(time.load(Ordering::Relaxed))),
            stop: CancellationToken::new(),
        }
    }

    fn put(&mut self, record: &Record<'_>) {
        let mut body = Vec::new();
        record.encode(&mut body);
        self.bytes += body.len() as u64;
        self.records += 1;
        let time = Timestamp(self.time.load(Ordering::Relaxed));
        self.journal.as_ref().unwrap().appender().append(Entry { time, kind: record.kind(), body }, ());
    }

    fn frame(&mut self, mn: &str, cn: &str, data_time: &str) {
        let mut data = String::new();
        for code in ["a34013", "a21026", "a21002", "a21005", "a19001", "a01012", "a01011", "a01013", "a01014"] {
            let value = self.random.below(100_000);
            write!(data, ";{code}-Avg={}.{:02},{code}-Flag=N", value / 100, value % 100).unwrap();
        }
        let segment =
            format!("QN={data_time}000;ST=31;CN={cn};PW=123456;MN={mn};Flag=5;CP=&&DataTime={data_time}{data}&&");
        let raw = format!("##{:04}{segment}ABCD\r\n", segment.len());
        let from = Peering { connection: 1, peer: "10.1.2.3:40000".parse().unwrap() };
        let (start, end) = (6, 6 + segment.len());
        let heard = Heard {
            from,
            deviations: Deviations::default(),
            segment: &raw.as_bytes()[start..end],
            raw: raw.as_bytes(),
        };
        self.put(&Record::Frame(heard));
    }

    /// A minute: a minute's record, at the hour an hour's as well, and the readings of the clock in between.
    fn minute(&mut self) {
        let begin = self.time.load(Ordering::Relaxed);
        for step in 0..12 {
            self.time.store(begin + step * 5_000_000, Ordering::Relaxed);
            self.put(&Record::Clock(step));
        }
        let number = (begin - BEGIN) / MINUTE;
        let data_time = Timestamp(begin).to_rfc3339()[..19].replace(['-', ':', 'T'], "");
        self.frame(MN, "2051", &data_time);
        if number % 60 == 0 {
            self.frame(MN, "2061", &data_time);
            self.frame(OTHER, "2061", &data_time);
        }
        self.time.store(begin + MINUTE, Ordering::Relaxed);
        if number % 60 == 59 {
            // The journal's thread sees the clock: what it does not see for hours, it does not believe.
            self.durable();
        }
    }

    /// Lets time pass with nothing said.
    fn pause(&mut self, until: i64) {
        let mut now = self.time.load(Ordering::Relaxed);
        while now < until {
            now = (now + 60 * MINUTE).min(until);
            self.time.store(now, Ordering::Relaxed);
            self.durable();
        }
    }

    fn durable(&self) {
        let journal = self.journal.as_ref().unwrap();
        let (sent, done) = std::sync::mpsc::channel();
        let entry = Entry { time: Timestamp(self.time.load(Ordering::Relaxed)), kind: 5, body: Vec::new() };
        journal.appender().append(entry, move |outcome: Result<Offset, _>| sent.send(outcome).unwrap());
        let last = done.recv().unwrap().unwrap();
        journal.delivered(last);
    }

    /// Lets the archiver do all that there is to do. An anchor on its way is waited for.
    fn rounds(&self, archiver: &Archiver, work: &mut Work) {
        loop {
            let more = archiver.round(work).unwrap();
            self.durable();
            if !more && !work.anchors.is_waiting() && !archiver.round(work).unwrap() {
                return;
            }
        }
    }

    fn pack(&self, from: i64, to: i64) -> Result<(evidence::Summary, Vec<u8>), EvidenceError> {
        let out = self.folder.path().join("pack");
        let wish = Wish { mn: MN.into(), from: Timestamp(from), to: Timestamp(to) };
        let done = evidence::pack(&self.config, &wish, &out, Timestamp(self.time.load(Ordering::Relaxed)))?;
        Ok((done, std::fs::read(out).unwrap()))
    }

    fn archive(&self) -> PathBuf {
        archive::folder(&self.config.archive.dir, &self.journal.as_ref().unwrap().id())
    }
}

#[test]
fn a_station_s_days_are_archived_anchored_packed_and_checked_over_restarts() {
    let mut life = Life::begin(256 << 10);
    let (mut archiver, mut work) = (life.archiver(), life.archiver().prepared().unwrap());
    for day in 0..4 {
        // Half the minutes of a day are enough here.
        for _ in 0..720 {
            life.minute();
        }
        life.pause(BEGIN + (day + 1) * DAY + 6 * MINUTE);
        life.rounds(&archiver, &mut work);
        assert_eq!(anchors_in(&OsDisk, &life.archive()).unwrap().len() as i64, day + 1);
        if day == 1 {
            // As after a kill between the record of an anchor and its file.
            let names = OsDisk.list(&life.archive()).unwrap();
            let newest = names.iter().filter(|name| name.starts_with("anchor-")).max().unwrap();
            std::fs::remove_file(life.archive().join(newest)).unwrap();
            drop((archiver, work));
            life.start();
            (archiver, work) = (life.archiver(), life.archiver().prepared().unwrap());
            life.rounds(&archiver, &mut work);
            assert_eq!(anchors_in(&OsDisk, &life.archive()).unwrap().len(), 2, "it was read back from the journal");
        }
    }
    let anchors = anchors_in(&OsDisk, &life.archive()).unwrap();
    let days: Vec<_> = anchors.iter().map(|anchor| anchor.day.as_str()).collect();
    assert_eq!(days, ["2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04"]);
    for pair in anchors.windows(2) {
        assert_eq!((pair[1].first, &pair[1].previous), (pair[0].last + 1, &pair[0].name()));
    }
    let journal = life.journal.as_ref().unwrap();
    assert!(journal.first() > Offset(anchors[0].last), "the journal has let the first day go");
    let whole = journal::verify(archive::reading(&life.config.journal.dir), &life.config.journal.dir).unwrap();
    assert!(whole.is_sound() && whole.range.unwrap().0 == Offset(1), "journal and archive are one");

    // The second day, from the archive: nothing of the other station, and nothing of the next day.
    let (done, bytes) = life.pack(BEGIN + DAY, BEGIN + 2 * DAY).unwrap();
    let trust = Trust { keys: vec![anchors[0].key.clone()], anchors: anchors.clone() };
    let report = verify(Cursor::new(&bytes), &trust).unwrap();
    assert_eq!((report.records, report.chained, done.open), (720 + 12, 720 + 12, 0));
    assert!(report.compared >= 1);
    assert!(!String::from_utf8_lossy(&bytes).contains(OTHER));
    assert!(report.text.iter().any(|line| line.contains("PW=******") && line.contains("DataTime=20260602")));
    // The last minutes have no anchor of their own yet.
    for _ in 0..5 {
        life.minute();
    }
    life.durable();
    let (done, bytes) = life.pack(BEGIN + 3 * DAY, BEGIN + 5 * DAY).unwrap();
    // The spans of two days meet a few minutes after midnight.
    assert!((1..=2).contains(&done.anchors) && done.open == 5, "{done:?}");
    assert!(verify(Cursor::new(&bytes), &trust).is_ok());
    assert!(matches!(life.pack(BEGIN - 9 * DAY, BEGIN - 8 * DAY), Err(EvidenceError::Nothing(_))));
    // Whoever exchanges what is archived gives no pack any more.
    let second = archive::manifests(&OsDisk, &life.archive()).unwrap()[1].first;
    let path = life.archive().join(format!("{}.zst", journal::segment_name(second)));
    let mut copy = std::fs::read(&path).unwrap();
    let middle = copy.len() / 2;
    copy[middle] ^= 1;
    std::fs::write(&path, copy).unwrap();
    assert!(matches!(life.pack(BEGIN, BEGIN + DAY), Err(EvidenceError::Differs { number: 1, .. })));
}

#[test]
fn what_was_registered_at_a_time_in_the_archive_is_found_without_reading_the_years_before() {
    use crate::gateway::{derived::Derived, past};
    use hj212_interpret::Settings;
    let mut life = Life::begin(256 << 10);
    let (archiver, mut work) = (life.archiver(), life.archiver().prepared().unwrap());
    let registry = |name: &str| {
        let facts = serde_json::json!({ "stations": { MN: { "name": name } }, "factors": {}, "rules": {} });
        facts.to_string()
    };
    for name in ["甲厂", "乙厂"] {
        let json = registry(name);
        // The name of a whole in one piece (crates/model, record): SHA-256 of 32 zeros and the piece.
        let hash = Sha256::new().chain_update([0; 32]).chain_update(&json).finalize().into();
        life.put(&Record::Registry { name: hash, part: 0, parts: 1, json: json.as_bytes() });
        for _ in 0..8 {
            for _ in 0..180 {
                life.minute();
            }
            let now = life.time.load(Ordering::Relaxed);
            life.pause(now + DAY - 180 * MINUTE);
            life.rounds(&archiver, &mut work);
        }
    }
    let dir = life.config.journal.dir.clone();
    let disk = archive::reading(&dir);
    let id = life.journal.as_ref().unwrap().id();
    let derived = Derived::new(Arc::clone(&disk), dir.clone(), id);
    let at = |day: i64| journal::offset_at(Arc::clone(&disk), &dir, Timestamp(BEGIN + day * DAY)).unwrap();
    let name = |interpreter: &hj212_interpret::Interpreter| interpreter.registration(MN).unwrap_or_default();
    for (day, wanted) in [(1, "甲厂"), (7, "甲厂"), (9, "乙厂"), (15, "乙厂")] {
        let known = past::context_at(&disk, &dir, &derived, &Settings::default(), at(day)).unwrap();
        assert!(name(&known).contains(wanted), "day {day}: {}", name(&known));
        let (begun, from) = past::begin(&disk, &dir, &derived, &Settings::default(), at(day)).unwrap();
        if day == 15 {
            assert!(name(&begun).contains(wanted) && from > at(9) && from < at(13), "{from}");
        }
    }
}

#[test]
fn a_place_that_cannot_be_read_is_passed_over_after_some_tries_and_the_journal_may_go_on() {
    use hj212_journal::segment_name;
    use hj212_journal::sim_disk::SimDisk;
    let disk = SimDisk::new(1, 64 << 20);
    let settings =
        journal::Settings { dir: "/j".into(), segment_size: 4096, reserve: 0, ..journal::Settings::default() };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let journal = Arc::new(journal::open(Arc::clone(&shared), &settings, Arc::default()).unwrap());
    for number in 0..200 {
        let entry = Entry { time: Timestamp(BEGIN + number), kind: 5, body: vec![0; 100] };
        journal.appender().append(entry, ());
    }
    while journal.tail().durable() < Offset(200) {
        let _ = journal.tail().wait(Offset(199), Duration::from_secs(60));
    }
    let names = journal::segments(&disk, Path::new("/j")).unwrap();
    disk.spoil(&Path::new("/j").join(segment_name(names[1].0)), 2000..2001);
    let telemetry = Arc::new(Telemetry::default());
    let archiver = Archiver {
        disk: Arc::clone(&shared),
        journal: Arc::clone(&journal),
        dir: "/j".into(),
        settings: archive::Settings { dir: "/a".into(), ..archive::Settings::default() },
        reserve: 0,
        gateway: "ah-01".into(),
        telemetry: Arc::clone(&telemetry),
        now: Box::new(|| Timestamp(BEGIN)),
        stop: CancellationToken::new(),
    };
    let mut work = archiver.prepared().unwrap();
    let mut refused = 0;
    while work.copied < *names.last().unwrap() {
        refused += u32::from(archiver.round(&mut work).is_err());
        assert!(refused <= 3 * READ_TRIES, "it stays before {}", work.copied);
    }
    assert!(refused >= READ_TRIES, "{refused}: nothing is passed over at the first try");
    assert_eq!(telemetry.get(Counter::ArchiveUnreadable), 4096);
    assert_eq!(archive::manifests(&disk, &work.folder).unwrap().len(), names.len() - 1);
}

#[test]
fn years() {
    let days: i64 = std::env::var("HJ212_ARCHIVE_DAYS").ok().and_then(|days| days.parse().ok()).unwrap_or(2);
    let mut life = Life::begin(if days > 100 { 64 << 20 } else { 1 << 20 });
    let (archiver, mut work) = (life.archiver(), life.archiver().prepared().unwrap());
    for day in 0..days {
        for _ in 0..1440 {
            life.minute();
        }
        life.time.fetch_add(6 * MINUTE, Ordering::Relaxed);
        life.durable();
        life.rounds(&archiver, &mut work);
        life.time.fetch_sub(6 * MINUTE, Ordering::Relaxed);
        assert_eq!(work.anchors.days().len() as i64, day + 1);
    }
    let size = |dir: &Path| -> u64 {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let manifests = archive::manifests(&OsDisk, &life.archive()).unwrap();
    let raw: u64 = manifests.iter().map(|manifest| manifest.bytes).sum();
    println!(
        "{days} days of one station: {} records, {} bytes of bodies; {} segments of {raw} bytes archived in {} bytes ({} a day)",
        life.records,
        life.bytes,
        manifests.len(),
        size(&life.archive()),
        size(&life.archive()) / days.unsigned_abs()
    );
    let middle = days / 2;
    for (name, from, to) in
        [("a day", middle, middle + 1), ("thirty days", middle, (middle + 30).min(days)), ("all", 0, days)]
    {
        if name == "all" && days > 1000 {
            continue;
        }
        let begun = Instant::now();
        let (done, bytes) = life.pack(BEGIN + from * DAY, BEGIN + to * DAY).unwrap();
        let packed = begun.elapsed();
        let begun = Instant::now();
        let report = verify(Cursor::new(&bytes), &Trust::default()).unwrap();
        println!(
            "{name}: {} records, {} anchors, {} bytes, packed in {packed:?}, checked in {:?}",
            done.records,
            done.anchors,
            bytes.len(),
            begun.elapsed()
        );
        assert_eq!(report.records, done.records);
        assert!(done.records >= (to - from).unsigned_abs() * 1464);
    }
}
