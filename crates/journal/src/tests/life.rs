//! Everyday life: open, append, read, expire, close, inspect.

use super::*;
use std::sync::atomic::AtomicUsize;

#[test]
fn what_is_settled_is_read_back_in_order_and_verifies() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    assert_eq!(journal.tail().durable(), Offset(0));
    let entries: Vec<Entry> = (1..=100).map(|n| entry(n, 90)).collect();
    let outcomes = append(&journal, entries.clone());
    assert_eq!(outcomes, (1..=100).map(|n| Ok(Offset(n))).collect::<Vec<_>>());
    assert_eq!(journal.tail().durable(), Offset(100));
    let (read, missing) = read_all(journal.reader(Offset(0)));
    assert_eq!((read.into_values().collect::<Vec<_>>(), missing), (entries, vec![]));
    let report = sound(&disk);
    assert!(report.is_sound() && report.records == 100, "{report:?}");
    assert!(disk.paths().len() > 3, "it took several segments");
}

/// Rot in what was acknowledged is told from an unfinished write by `tail`, also when nothing more comes.
#[test]
fn the_end_is_noted_though_nothing_more_comes() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { dir: folder.path().into(), segment_size: 1 << 16, reserve: 0, ..Settings::default() };
    let journal = open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
    append(&journal, (1..=7).map(|n| entry(n, 90)).collect());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let noted = || Slots::load(&OsDisk, &folder.path().join("tail"), &journal.id()).unwrap();
    while noted() != Some(7) {
        assert!(std::time::Instant::now() < until, "{:?}", noted());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn offsets_go_on_after_a_restart_and_the_chain_continues() {
    let disk = SimDisk::new(1, 1 << 20);
    let mut next = 1;
    for life in 0..10 {
        let journal = open_on(&disk, &settings()).unwrap();
        assert_eq!(journal.recovered(), &Recovery { last: Offset(next - 1), ..Recovery::default() });
        for outcome in append(&journal, (0..life * 3).map(|n| entry(next + n, 200)).collect()) {
            assert_eq!(outcome, Ok(Offset(next)));
            next += 1;
        }
        journal.close();
    }
    let report = sound(&disk);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.range, Some((Offset(1), Offset(next - 1))));
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { dir: dir.path().join("j"), segment_size: 1 << 20, reserve: 0, ..Settings::default() };
    let journal = open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
    assert_eq!(append(&journal, vec![entry(1, 5)]), [Ok(Offset(1))]);
    assert!(matches!(open(Arc::new(OsDisk), &settings, Arc::default()), Err(OpenError::Locked { .. })));
    let (read, _) = read_all(Reader::open(Arc::new(OsDisk), &settings.dir, Offset(0)).unwrap());
    assert_eq!(read.into_values().collect::<Vec<_>>(), [entry(1, 5)]);
    journal.close();
    open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
}

#[test]
fn readers_follow_a_running_writer_on_a_real_disk() {
    const COUNT: u64 = 3000;
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { dir: dir.path().into(), segment_size: 64 << 10, reserve: 0, ..Settings::default() };
    let journal = open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
    let hooks = Arc::new(AtomicUsize::new(0));
    let called = hooks.clone();
    journal.tail().on_advance(Box::new(move || {
        called.fetch_add(1, Ordering::Relaxed);
    }));
    let follow = |from: u64| {
        let (tail, mut reader) = (journal.tail(), journal.reader(Offset(from)));
        std::thread::spawn(move || {
            let mut next = from;
            while next <= COUNT {
                match reader.next().unwrap() {
                    None => drop(tail.wait(Offset(next - 1), Duration::from_secs(10))),
                    Some(ReadItem::Gap { .. }) => panic!("gap at {next}"),
                    Some(ReadItem::Record(record)) => {
                        assert!(record.offset <= tail.durable());
                        assert_eq!((record.offset.0, record.body), (next, &entry(next, 100).body[..]));
                        next += 1;
                    }
                }
            }
        })
    };
    let readers = [follow(1), follow(COUNT / 2)];
    let appender = journal.appender();
    for number in 1..=COUNT {
        appender.append(entry(number, 100), ());
    }
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(hooks.load(Ordering::Relaxed) > 0);
    let mut beside = Reader::open(Arc::new(OsDisk), dir.path(), Offset(0)).unwrap();
    let mut count = 0;
    while beside.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, COUNT);
    append(&journal, vec![entry(COUNT + 1, 100)]);
    assert!(beside.next().unwrap().is_some(), "it finds what was added");
    assert!(beside.next().unwrap().is_none());
}

#[test]
fn limits_refuse_by_name() {
    let disk = SimDisk::new(1, 16 << 20);
    let journal = open_on(&disk, &Settings { queue_max: 0, ..settings() }).unwrap();
    assert_eq!(append(&journal, vec![entry(1, 1)]), [Err(Unstored::Busy)]);
    journal.close();
    let journal = open_on(&disk, &settings()).unwrap();
    let body = |length| Entry { time: Timestamp(0), kind: 0, body: vec![7; length] };
    let outcomes = append(&journal, vec![body(BODY_MAX + 1), body(BODY_MAX), body(0)]);
    assert_eq!(outcomes, [Err(Unstored::TooLong), Ok(Offset(1)), Ok(Offset(2))]);
    let (read, _) = read_all(journal.reader(Offset(1)));
    assert_eq!(read.into_values().map(|entry| entry.body.len()).collect::<Vec<_>>(), [BODY_MAX, 0]);
    let appender = journal.appender();
    journal.close();
    let (send, outcome) = mpsc::channel();
    appender.append(body(1), move |settled| send.send(settled).unwrap_or_default());
    assert_eq!(outcome.recv(), Ok(Err(Unstored::Closed)));
}

#[test]
fn closing_stores_what_waits() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    let appender = journal.appender();
    for number in 1..=500 {
        appender.append(entry(number, 10), ());
    }
    journal.close();
    assert_eq!(sound(&disk).records, 500);
}

#[test]
fn delivered_segments_go_when_they_are_neither_held_nor_in_the_replay_window() {
    let disk = SimDisk::new(1, 1 << 20);
    let window = Settings { keep_size: 3 * 4096, ..settings() };
    let journal = open_on(&disk, &window).unwrap();
    let write = |from: u64| drop(append(&journal, (from..from + 100).map(|n| entry(n, 90)).collect()));
    let oldest = || {
        let mut reader = journal.reader(Offset(0));
        let Some(ReadItem::Record(record)) = reader.next().unwrap() else { panic!("a record") };
        record.offset.0
    };
    write(1);
    assert_eq!(oldest(), 1, "undelivered");
    journal.delivered(Offset(60));
    journal.keep_from(Holder::Commands, Offset(30));
    write(101);
    assert!((2..=30).contains(&oldest()), "delivered and not held: {}", oldest());
    journal.keep_from(Holder::Commands, Offset(u64::MAX));
    write(201);
    assert!((31..=61).contains(&oldest()), "delivered: {}", oldest());
    let first = oldest();
    let (read, missing) = read_all(journal.reader(Offset(1)));
    assert_eq!(missing, (1..first).collect::<Vec<_>>(), "a reader that comes too late is told");
    assert_eq!(read.len() as u64, 301 - first);
    journal.delivered(Offset(300));
    write(301);
    let kept = stats(Arc::new(disk.clone()), Path::new(DIR)).unwrap();
    assert!(kept.file_bytes <= 5 * 4096, "{kept:?}");
    journal.close();
    let journal = open_on(&disk, &window).unwrap();
    assert_eq!(journal.recovered().last, Offset(400));
}

#[test]
fn a_place_is_found_by_its_time_and_everything_is_counted() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    append(&journal, (1..=100).map(|n| entry(n, 90)).collect());
    let (shared, dir): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), Path::new(DIR));
    for (time, place) in [(-5, 1), (1000, 1), (1001, 2), (50_000, 50), (99_999, 100), (100_000, 100), (100_001, 101)] {
        assert_eq!(offset_at(shared.clone(), dir, Timestamp(time)).unwrap(), Offset(place), "{time}");
    }
    let stats = stats(shared, dir).unwrap();
    assert_eq!((stats.records, stats.missing, stats.body_bytes), (100, 0, 100 * 98));
    assert_eq!(stats.kinds.iter().sum::<u64>(), 100);
    assert_eq!(stats.first, Some((Offset(1), Timestamp(1000))));
    assert_eq!(stats.last, Some((Offset(100), Timestamp(100_000))));
}

#[test]
fn a_record_that_somebody_changed_with_its_checksum_breaks_the_chain() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    append(&journal, (1..=10).map(|n| entry(n, 8)).collect());
    journal.close();
    let id: [u8; 16] = load_file(&disk, Path::new("/j/journal.id"), 16).unwrap().unwrap().try_into().unwrap();
    disk.change(Path::new("/j/00000000000000000001.seg"), |bytes| {
        let (start, size) = (128 + 4 * 80, 80);
        let record = &mut bytes[start..start + size];
        record[64] ^= 1;
        let crc = format::crc32c(&[&id, &record[..4], &record[8..]]);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
    });
    let report = sound(&disk);
    assert_eq!(report.broken, [BrokenChain { at: Offset(5) }]);
    assert_eq!((report.records, report.gaps.len()), (10, 0));
}

#[test]
fn small_files_are_old_or_new_and_damage_is_noticed() {
    let path = Path::new("/state/cursor");
    for seed in 0..200 {
        let disk = SimDisk::new(seed, 1 << 20);
        store_file(&disk, path, b"old").unwrap();
        disk.set_fault(Some(sim_disk::Fault::PowerOff(1 + seed % 8)));
        let stored = store_file(&disk, path, b"new").is_ok();
        let after = disk.after_power_cut(seed);
        let found = load_file(&after, path, 99).unwrap().unwrap();
        assert!(found == b"new" || (found == b"old" && !stored), "seed {seed}");
        store_file(&after, path, b"newer").unwrap();
        after.change(path, |bytes| bytes[(seed % 21) as usize] ^= 1);
        assert_eq!(load_file(&after, path, 99).unwrap(), None);
    }
    assert_eq!(load_file(&SimDisk::new(0, 0), path, 99).unwrap(), None);
}
