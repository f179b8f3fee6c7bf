//! What is offered, what is kept on simulated disks, and how far the cursor may go meanwhile.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use hj212::{Deviations, write};
use hj212_interpret::{self as interpret, Interpreter};
use hj212_journal::sim_disk::{Operation, Refusal, SimDisk};
use hj212_model::message::{Context, Heard, Peering, Presence, Record, StationFacts, Timestamp, notice};
use hj212_model::registry::LimitTables;
use hj212_model::telemetry::Counter;
use hj212_push::Sink;
use sha2::{Digest, Sha256};

const JOURNAL: [u8; 16] = [7; 16];
const FILE: &str = "/j/push-a";

fn dir() -> PathBuf {
    "/j".into()
}

fn sink(more: serde_json::Value) -> Sink {
    let mut sink = serde_json::json!({ "name": "a", "kind": "webhook", "url": "http://127.0.0.1:9/", "events": ["*"] });
    more.as_object().unwrap().iter().for_each(|(key, value)| sink[key] = value.clone());
    serde_json::from_value(sink).unwrap()
}

fn item(record: u64, id: &str) -> Arc<Item> {
    Arc::new(Item { id: id.into(), kind: "gap".into(), record, queued: 5, body: format!("body of {id}").into() })
}

/// What the file holds now.
fn on(disk: &SimDisk) -> Vec<String> {
    let (_, queue) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, "a");
    let items = queue.whole().into_iter().filter_map(|change| match change {
        hj212_push::queue::QueueChange::Put(item) => Some(item.id.to_string()),
        _ => None,
    });
    items.collect()
}

fn opened(disk: &SimDisk, sink: Sink) -> (Arc<SinkQueue>, QueueFile, Arc<Telemetry>) {
    let telemetry = Arc::new(Telemetry::default());
    let (file, queue) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, &sink.name);
    (Arc::new(SinkQueue::new(sink, queue, Arc::clone(&telemetry))), file, telemetry)
}

#[test]
fn whatever_the_power_cut_leaves_is_a_beginning_of_what_came() {
    for seed in 0..60 {
        let disk = SimDisk::new(seed, 1 << 22);
        let (mut file, mut queue) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, "a");
        let mut stored = 0;
        for n in 0..seed % 12 {
            queue.put(item(n + 1, &n.to_string()));
            let changes = queue.changes().unwrap();
            if file.wants_whole() { file.replace(&queue.whole()) } else { file.append(&changes) }.unwrap();
            stored = n + 1;
        }
        // What was being written when the power went.
        let before = on(&disk);
        if let Some(bytes) = disk.paths().contains(&FILE.into()).then_some(seed) {
            disk.change(std::path::Path::new(FILE), |content| {
                content.extend_from_slice(&vec![1; (bytes % 50) as usize])
            });
        }
        let after = on(&disk.after_power_cut(seed));
        assert_eq!(after.len() as u64, stored, "seed {seed}");
        assert_eq!(after, before, "seed {seed}");
    }
}

#[test]
fn a_torn_end_costs_that_end_and_the_next_store_is_whole() {
    let disk = SimDisk::new(1, 1 << 22);
    let (mut file, mut queue) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, "a");
    for n in 1..=5 {
        queue.put(item(n, &n.to_string()));
    }
    file.replace(&queue.whole()).unwrap();
    let length = {
        let mut length = 0;
        disk.change(std::path::Path::new(FILE), |content| length = content.len());
        length
    };
    let whole = on(&disk);
    for cut in 0..length {
        let torn = disk.after_kill();
        torn.change(std::path::Path::new(FILE), |content| content.truncate(length - cut));
        let left = on(&torn);
        assert!(whole.starts_with(&left), "cut by {cut}: {left:?}");
        let (mut file, mut queue) = QueueFile::open(Arc::new(torn.clone()), &dir(), JOURNAL, "a");
        assert!(cut > 0 || !file.wants_whole(), "a good end is appended to");
        queue.put(item(9, "next"));
        let changes = queue.changes().unwrap();
        if file.wants_whole() { file.replace(&queue.whole()) } else { file.append(&changes) }.unwrap();
        assert_eq!(on(&torn).last().map(String::as_str), Some("next"), "cut by {cut}");
        assert_eq!(on(&torn).len(), left.len() + 1, "cut by {cut}");
    }
    for flipped in 0..length {
        let spoilt = disk.after_kill();
        spoilt.change(std::path::Path::new(FILE), |content| content[flipped] ^= 0x40);
        let mut left = on(&spoilt);
        assert!(whole.starts_with(&left), "byte {flipped}");
        // What stands behind the damage does not come back with what is stored next.
        let (mut file, mut queue) = QueueFile::open(Arc::new(spoilt.clone()), &dir(), JOURNAL, "a");
        queue.put(item(9, "9"));
        let changes = queue.changes().unwrap();
        if file.wants_whole() { file.replace(&queue.whole()) } else { file.append(&changes) }.unwrap();
        left.push("9".to_owned());
        assert_eq!(on(&spoilt), left, "byte {flipped}");
    }
}

#[test]
fn a_file_of_another_journal_or_under_another_name_is_as_if_not_there() {
    let disk = SimDisk::new(1, 1 << 22);
    let (mut file, mut queue) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, "a");
    queue.put(item(1, "one"));
    file.replace(&queue.whole()).unwrap();
    let (_, other) = QueueFile::open(Arc::new(disk.clone()), &dir(), [8; 16], "a");
    assert!(other.is_empty());
    let mut bytes = Vec::new();
    disk.change(std::path::Path::new(FILE), |content| bytes.clone_from(content));
    disk.create(std::path::Path::new("/j/push-b")).unwrap().write_at(&bytes, 0).unwrap();
    let (_, renamed) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, "b");
    assert!(renamed.is_empty());
    assert_eq!(file::names(&disk, &dir()).len(), 2);
}

#[test]
fn a_file_does_not_grow_with_what_has_left() {
    let disk = SimDisk::new(1, 1 << 26);
    let (mut file, mut queue) = QueueFile::open(Arc::new(disk.clone()), &dir(), JOURNAL, "a");
    let body = vec![b'x'; 10_000];
    let mut longest = 0;
    for n in 1..2000_u64 {
        queue.put(Arc::new(Item { body: body.clone().into(), ..(*item(n, &n.to_string())).clone() }));
        queue.settle(hj212_push::queue::Outcome::Taken, 0, 0, None);
        let changes = queue.changes().unwrap();
        if file.wants_whole() { file.replace(&queue.whole()) } else { file.append(&changes) }.unwrap();
        disk.change(std::path::Path::new(FILE), |content| longest = longest.max(content.len()));
    }
    assert!(longest < 2 << 20, "20 MB went through {longest} bytes");
    let (_, again) = QueueFile::open(Arc::new(disk), &dir(), JOURNAL, "a");
    assert_eq!((again.len(), again.mark()), (0, 1999));
}

#[tokio::test]
async fn the_cursor_waits_for_the_disk_a_short_time_and_what_it_passes_is_counted() {
    let disk = SimDisk::new(1, 1 << 22);
    let (sink, file, telemetry) = opened(&disk, sink(serde_json::json!({})));
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let begun = Instant::now();
    assert_eq!(sink.stored_before(10, begun), u64::MAX, "nothing waits");
    disk.set_capacity(0);
    sink.offer(item(5, "five"), begun);
    sink.offer(item(7, "seven"), begun);
    let keeper = tokio::spawn(Arc::clone(&sink).keep(file, stop.clone(), end.clone()));
    assert_eq!(sink.stored_before(10, begun), 4);
    // The disk is full: it is tried, and said.
    while sink.figures().disk.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(sink.figures().disk.unwrap().to_lowercase().contains("space"));
    let late = begun + STORE_WAIT;
    assert_eq!(sink.stored_before(10, late - Duration::from_millis(1)), 4);
    assert_eq!((telemetry.get(Counter::PushUnstored), sink.figures().unstored), (0, 0));
    assert_eq!(sink.stored_before(6, late), 6, "the broker has not acknowledged record 7");
    assert_eq!(sink.stored_before(10, late), u64::MAX, "the uplink goes on");
    assert_eq!((telemetry.get(Counter::PushUnstored), sink.figures().unstored), (2, 2));
    assert_eq!((sink.figures().waiting, on(&disk).len()), (2, 0), "they wait in memory");
    // And the disk has room again: all of it is stored, the old and the new.
    disk.set_capacity(1 << 22);
    sink.offer(item(8, "eight"), Instant::now());
    sink.all_stored().await;
    assert_eq!(on(&disk), ["five", "seven", "eight"]);
    assert_eq!(sink.figures().disk, None);
    assert_eq!(telemetry.get(Counter::PushUnstored), 2);
    end.cancel();
    keeper.await.unwrap();
}

/// A disk on which nothing can be made while it is held.
#[derive(Debug)]
struct HeldDisk(SimDisk, Arc<AtomicBool>);

impl Disk for HeldDisk {
    fn create_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.0.create_dir(dir)
    }
    fn create(&self, path: &Path) -> std::io::Result<Box<dyn hj212_journal::DiskFile>> {
        while self.1.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.0.create(path)
    }
    fn open(&self, path: &Path, access: hj212_journal::Access) -> std::io::Result<Box<dyn hj212_journal::DiskFile>> {
        self.0.open(path, access)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove(path)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn free_space(&self, dir: &Path) -> std::io::Result<u64> {
        self.0.free_space(dir)
    }
    fn lock(&self, path: &Path) -> std::io::Result<Box<dyn hj212_journal::DirLock>> {
        self.0.lock(path)
    }
}

#[tokio::test]
async fn a_disk_that_does_not_answer_delays_neither_the_uplink_nor_who_sends() {
    let (disk, held) = (SimDisk::new(1, 1 << 22), Arc::new(AtomicBool::new(true)));
    let slow: Arc<dyn Disk> = Arc::new(HeldDisk(disk.clone(), Arc::clone(&held)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut buffer) = (stream.unwrap(), [0; 4096]);
            let mut text = String::new();
            while !text.contains("body of") {
                let count = stream.read(&mut buffer).unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").unwrap();
        }
    });
    let settings = sink(serde_json::json!({ "url": url, "per_minute": 6000 }));
    let (file, queue) = QueueFile::open(slow, &dir(), JOURNAL, "a");
    let sink = Arc::new(SinkQueue::new(settings, queue, Arc::default()));
    let (stop, end) = (CancellationToken::new(), CancellationToken::new());
    let keeper = tokio::spawn(Arc::clone(&sink).keep(file, stop.clone(), end.clone()));
    let sender = tokio::spawn(Arc::clone(&sink).send(Arc::new(hj212_push::Nameless), stop.clone()));
    let begun = Instant::now();
    // Offered and asked while the disk hangs; all of it goes out.
    for n in 1..=20 {
        sink.offer(item(n, &n.to_string()), begun);
        assert!(sink.stored_before(n, begun) < n);
    }
    while sink.figures().sent < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sink.stored_before(20, begun + STORE_WAIT), u64::MAX, "the cursor goes on");
    assert_eq!((sink.figures().unstored, on(&disk).len()), (20, 0));
    held.store(false, Ordering::SeqCst);
    sink.offer(item(21, "last"), Instant::now());
    sink.all_stored().await;
    stop.cancel();
    end.cancel();
    keeper.await.unwrap();
    sender.await.unwrap();
    let (_, again) = QueueFile::open(Arc::new(disk), &dir(), JOURNAL, "a");
    assert_eq!(again.mark(), 21);
}

#[tokio::test]
async fn what_comes_during_a_store_is_not_on_disk_with_it() {
    let (disk, held) = (SimDisk::new(1, 1 << 22), Arc::new(AtomicBool::new(true)));
    let slow: Arc<dyn Disk> = Arc::new(HeldDisk(disk.clone(), Arc::clone(&held)));
    let (file, queue) = QueueFile::open(slow, &dir(), JOURNAL, "a");
    let sink = Arc::new(SinkQueue::new(sink(serde_json::json!({})), queue, Arc::default()));
    let end = CancellationToken::new();
    let begun = Instant::now();
    sink.offer(item(1, "1"), begun);
    let keeper = tokio::spawn(Arc::clone(&sink).keep(file, CancellationToken::new(), end.clone()));
    // The keeper has taken the first one when the disk is asked for its file.
    while !sink.is_taken() {
        tokio::task::yield_now().await;
    }
    sink.offer(item(2, "2"), begun);
    held.store(false, Ordering::SeqCst);
    while sink.stored_before(2, begun) != u64::MAX {
        tokio::task::yield_now().await;
    }
    assert_eq!(on(&disk), ["1", "2"], "the cursor may pass both");
    end.cancel();
    keeper.await.unwrap();
}

#[tokio::test]
async fn every_error_of_the_disk_is_got_over() {
    for operation in Operation::ALL {
        for errno in [5, 28, 13] {
            let disk = SimDisk::new(1, 1 << 22);
            let (sink, file, telemetry) = opened(&disk, sink(serde_json::json!({})));
            let (stop, end) = (CancellationToken::new(), CancellationToken::new());
            let keeper = tokio::spawn(Arc::clone(&sink).keep(file, stop.clone(), end.clone()));
            sink.offer(item(1, "one"), Instant::now());
            sink.all_stored().await;
            disk.refuse(Some(Refusal { operation, file: "push-a", errno }));
            sink.offer(item(2, "two"), Instant::now());
            // A refusal that is met is noted; one that is not leaves nothing behind.
            while sink.figures().disk.is_none() && sink.stored_before(9, Instant::now()) != u64::MAX {
                tokio::task::yield_now().await;
            }
            disk.refuse(None);
            sink.offer(item(3, "three"), Instant::now());
            sink.all_stored().await;
            assert_eq!(on(&disk.after_power_cut(3)), ["one", "two", "three"], "{operation:?} {errno}");
            assert_eq!(telemetry.get(Counter::PushUnstored), 0);
            end.cancel();
            keeper.await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_published_again_after_a_kill_is_known_and_nothing_is_lost() {
    let disk = SimDisk::new(1, 1 << 22);
    let (sent, heard) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            while !text.contains("body of") {
                let count = stream.read(&mut buffer).unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            let id = text.lines().find_map(|line| line.strip_prefix("x-hj212-id: ")).unwrap().to_owned();
            stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").unwrap();
            sent.send(id).unwrap();
        }
    });
    let settings = sink(serde_json::json!({ "url": url, "per_minute": 6000 }));
    let mut disk = disk;
    let mut all: Vec<String> = Vec::new();
    // Each life is offered all records from the first on, as if the cursor had never moved, and three new ones.
    for life in 1..=4_u64 {
        let (sink, file, _) = opened(&disk, settings.clone());
        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let keeper = tokio::spawn(Arc::clone(&sink).keep(file, stop.clone(), end.clone()));
        let sender = tokio::spawn(Arc::clone(&sink).send(Arc::new(hj212_push::Nameless), stop.clone()));
        (1..=3 * life).for_each(|n| sink.offer(item(n, &format!("id{n}")), Instant::now()));
        while sink.figures().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if life % 2 == 1 {
            end.cancel();
            keeper.await.unwrap();
        } else {
            keeper.abort();
        }
        disk = disk.after_kill();
        stop.cancel();
        sender.await.unwrap();
        all.extend(heard.try_iter());
        let times = |id: u64| all.iter().filter(|heard| **heard == format!("id{id}")).count();
        assert!((1..=3 * life).all(|id| times(id) >= 1), "life {life}: {all:?}");
        assert!((1..=3).all(|id| times(id) == 1), "what was noted goes once: {all:?}");
    }
}

fn append(interpreter: &mut Interpreter, out: &mut Vec<(Offset, TypedPublication)>, at: i64, record: &Record<'_>) {
    let offset = out.last().map_or(1, |(offset, _)| offset.0 + 1);
    let mut said = Vec::new();
    interpreter.on_record(offset, Timestamp(at), &[offset as u8; 32], record, &mut said);
    out.extend(said.into_iter().map(|said| (Offset(offset), said)));
}

const HOUR: i64 = 3_600_000_000;
/// Midnight in Beijing, 2026-06-01.
const MIDNIGHT: i64 = 1_780_243_200_000_000;

/// A day above its limit, settled; before it a station that comes, and a notice of the gateway.
fn publications() -> (Interpreter, Vec<(Offset, TypedPublication)>) {
    let judgement = hj212_judgement::Settings { enabled: true, settle_spread: Duration::ZERO };
    let settings =
        interpret::Settings { judgement, cases: true, gateway: "g".into(), ..interpret::Settings::default() };
    let (mut interpreter, mut out) = (Interpreter::new(settings), Vec::new());
    let facts = StationFacts {
        emission: LimitTables::read(&[]).unwrap().of("GB 18485-2014", "incineration", &["a21026".to_owned()]),
        rules: vec!["inc19".to_owned()],
        tags: [("region", "340100".to_owned())].into(),
        ..StationFacts::default()
    };
    let context = Context {
        stations: BTreeMap::from([("A".to_owned(), facts.into()), ("B".to_owned(), StationFacts::default().into())]),
        alerts: hj212_judgement::alerts::built_in_texts(),
        ..Context::default()
    };
    let json = serde_json::to_vec(&context).unwrap();
    let hash: [u8; 32] = Sha256::digest(&json).into();
    let (mut play, on) = (
        |at, record: &Record<'_>| append(&mut interpreter, &mut out, at, record),
        Peering { connection: 1, peer: ([10, 0, 0, 1], 7000).into() },
    );
    play(MIDNIGHT, &Record::Context { hash, part: 0, parts: 1, json: &json });
    for mn in ["A", "B"] {
        play(MIDNIGHT, &Record::Presence(Presence::Online { mn, on }));
    }
    let said = notice("disk-slow", None, &serde_json::json!({}));
    play(MIDNIGHT, &Record::Notice(&said));
    for number in 0..38_i64 {
        let (time, value) =
            (format!("202606{:02}{:02}0000", 1 + number / 24, number % 24), if number < 24 { 120 } else { 70 });
        let segment = format!(
            "QN=20260601000000000;ST=31;CN=2061;MN=A;Flag=5;CP=&&DataTime={time};a21026-Avg={value},a21026-ZsAvg={value},a21026-Flag=N;a19001-Avg=9,a19001-Flag=N&&"
        );
        let mut raw = Vec::new();
        write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
        let heard = Heard { from: on, deviations: Deviations::NONE, segment: &raw[6..6 + segment.len()], raw: &raw };
        play(MIDNIGHT + (number + 1) * HOUR, &Record::Frame(heard));
    }
    play(MIDNIGHT + 39 * HOUR, &Record::Tick);
    (interpreter, out)
}

#[test]
fn typed_publications_are_chosen_by_what_they_are() {
    let (interpreter, all) = publications();
    let chosen = |more: serde_json::Value| -> Vec<(String, Option<String>)> {
        let settings = Settings { sinks: vec![sink(more)] };
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1, 1 << 22));
        let end = (JOURNAL, Offset(0));
        let (pusher, _files) = Pusher::open(&settings, (&disk, &dir()), end, &Arc::new(Telemetry::default()));
        for (offset, said) in &all {
            pusher.offer(said, *offset, |mn| interpreter.region(mn));
            // A record that is published again is known.
            pusher.offer(said, *offset, |mn| interpreter.region(mn));
        }
        let queue = pusher.sinks[0].whole();
        let items = queue.into_iter().filter_map(|change| match change {
            hj212_push::queue::QueueChange::Put(item) => Some(item),
            _ => None,
        });
        items
            .map(|item| {
                let body: serde_json::Value = serde_json::from_slice(&item.body).expect("a whole message");
                (item.kind.clone(), body["mn"].as_str().map(str::to_owned))
            })
            .collect()
    };
    let kinds = |all: &[(String, Option<String>)]| {
        let mut kinds: Vec<String> = all.iter().map(|(kind, _)| kind.clone()).collect();
        kinds.dedup();
        kinds
    };
    let events = chosen(serde_json::json!({}));
    for wanted in ["online", "disk-slow", "alert", "case-opened"] {
        assert!(events.iter().any(|(kind, _)| kind == wanted), "{wanted} in {events:?}");
    }
    assert!(events.iter().all(|(kind, _)| !kind.starts_with("hj212.") && kind != "data"), "events alone: {events:?}");
    assert_eq!(kinds(&chosen(serde_json::json!({ "events": ["alert"] }))), ["alert"]);
    let documents = chosen(serde_json::json!({ "events": ["hj212.*"] }));
    for wanted in ["hj212.alert/1", "hj212.case/1", "hj212.judgement/1"] {
        assert!(documents.iter().any(|(kind, _)| kind == wanted), "{wanted} in {:?}", kinds(&documents));
    }
    assert!(documents.iter().all(|(kind, _)| kind != "hj212.data/1" && kind != "hj212.station/1"));
    let online = |more: serde_json::Value| {
        let mut whole = serde_json::json!({ "events": ["online", "disk-*"] });
        more.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
        chosen(whole).into_iter().map(|(_, mn)| mn.unwrap_or("gateway".into())).collect::<Vec<_>>()
    };
    assert_eq!(online(serde_json::json!({})), ["A", "B", "gateway"]);
    assert_eq!(online(serde_json::json!({ "stations": ["B"] })), ["B", "gateway"]);
    assert_eq!(online(serde_json::json!({ "regions": ["3401*"] })), ["A", "gateway"]);
    assert_eq!(online(serde_json::json!({ "colours": ["red"] })), ["A", "B", "gateway"], "without a colour");
    let alerts = |colours: &[&str]| {
        chosen(serde_json::json!({ "events": ["alert", "hj212.alert/1"], "colours": colours })).len()
    };
    assert!(
        alerts(&["blue"]) == 0 && alerts(&["yellow"]) > 0,
        "the day is yellow: {} {}",
        alerts(&["blue"]),
        alerts(&["yellow"])
    );
}
