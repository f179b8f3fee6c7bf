//! Places that cannot be read, ends that rotted, segments and ids of another journal.

use super::*;
use hj212_model::telemetry::Counter;

const FIRST: &str = "/j/00000000000000000001.seg";

/// A journal of 20 records of 80 bytes in one segment, closed.
fn twenty() -> SimDisk {
    let disk = SimDisk::new(1, 1 << 22);
    let journal = open_on(&disk, &settings()).unwrap();
    append(&journal, (1..=20).map(|n| entry(n, 8)).collect());
    journal.close();
    disk
}

fn opened(disk: &SimDisk) -> (Journal, Arc<Telemetry>) {
    let telemetry = Arc::new(Telemetry::default());
    (open(Arc::new(disk.clone()), &settings(), telemetry.clone()).unwrap(), telemetry)
}

#[test]
fn rot_at_the_end_is_a_loss_and_no_unfinished_write() {
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 1;
    let last = 128 + 80 * 19;
    // With `tail`, whatever has happened to the end; without it, as long as the bytes show that they were whole once.
    for (with_tail, lost, change) in [
        (true, 1, Box::new(flip(last + 66)) as Box<dyn FnOnce(&mut Vec<u8>)>),
        (true, 1, Box::new(flip(last))),
        (true, 3, Box::new(|bytes: &mut Vec<u8>| bytes.truncate(128 + 80 * 17))),
        (true, 2, Box::new(|bytes: &mut Vec<u8>| bytes[128 + 80 * 18..].fill(0))),
        (false, 1, Box::new(flip(last + 66))),
        (false, 1, Box::new(flip(last + 40))),
        (
            false,
            2,
            Box::new(|bytes: &mut Vec<u8>| {
                bytes[128 + 80 * 18 + 66] ^= 1;
                bytes[128 + 80 * 19 + 66] ^= 1;
            }),
        ),
    ] {
        let disk = twenty();
        disk.change(Path::new(FIRST), change);
        if !with_tail {
            disk.remove(Path::new("/j/tail")).unwrap();
        }
        let (journal, telemetry) = opened(&disk);
        let found = journal.recovered();
        assert_eq!((found.last, found.torn.len(), found.damaged.len()), (Offset(20), 0, 1), "{found:?}");
        assert_eq!((found.damaged[0].records, telemetry.get(Counter::JournalLost)), (lost, lost));
        let missing: Vec<u64> = (21 - lost..=20).collect();
        assert_eq!(read_all(journal.reader(Offset(1))).1, missing);
        assert_eq!(append(&journal, vec![entry(21, 0)]), [Ok(Offset(21))], "its offset is not given again");
        assert!(sound(&disk).broken.is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_lost_alone_at_a_start() {
    for (spoiled, lost) in [(128 + 72 * 5..128 + 72 * 5 + 8, true), (0..100, false)] {
        let disk = SimDisk::new(1, 1 << 22);
        let big = Settings { segment_size: 1 << 20, ..settings() };
        let journal = open_on(&disk, &big).unwrap();
        append(&journal, (1..=200).map(|n| entry(n, 0)).collect());
        journal.close();
        disk.spoil(Path::new(FIRST), spoiled);
        let telemetry = Arc::new(Telemetry::default());
        let journal = open(Arc::new(disk.clone()), &big, telemetry.clone()).unwrap();
        assert_eq!(journal.recovered().last, Offset(200));
        assert!(telemetry.get(Counter::JournalUnreadable) > 0);
        assert!(telemetry.get(Counter::JournalLost) > 0 || !lost);
        let mut reader = journal.reader(Offset(100));
        assert!(reader.next().is_err());
        reader.pass_unreadable();
        assert!(matches!(reader.next().unwrap(), Some(ReadItem::Record(record)) if record.offset == Offset(100)));
        assert_eq!(append(&journal, vec![entry(201, 0)]), [Ok(Offset(201))]);
    }
}

#[test]
fn behind_an_unreadable_end_no_offset_is_given_twice() {
    let disk = SimDisk::new(1, 1 << 22);
    let big = Settings { segment_size: 1 << 20, ..settings() };
    let journal = open_on(&disk, &big).unwrap();
    append(&journal, (1..=200).map(|n| entry(n, 0)).collect());
    journal.close();
    disk.remove(Path::new("/j/tail")).unwrap();
    disk.spoil(Path::new(FIRST), 9000..200_000);
    let journal = open_on(&disk, &big).unwrap();
    let last = journal.recovered().last.0;
    assert!(last >= 200, "{last}: there was room for them");
    assert_eq!(append(&journal, vec![entry(9, 0)]), [Ok(Offset(last + 1))]);
}

#[test]
fn a_disk_that_reads_nothing_stops_the_start_and_names_the_file() {
    let disk = twenty();
    disk.spoil(Path::new(FIRST), 0..1 << 30);
    let refused = open_on(&disk, &settings()).unwrap_err().to_string();
    assert!(refused.contains(FIRST), "{refused}");
}

#[test]
fn a_reader_passes_over_what_cannot_be_read_only_when_told() {
    let disk = SimDisk::new(1, 1 << 22);
    let big = Settings { segment_size: 32 << 10, ..settings() };
    let journal = open_on(&disk, &big).unwrap();
    append(&journal, (1..=1000).map(|n| entry(n, 0)).collect());
    disk.spoil(Path::new(FIRST), 8192..8200);
    let mut reader = journal.reader(Offset(1));
    for _ in 0..5 {
        assert!(reader.next().unwrap_err().is_of_the_medium());
    }
    reader.pass_unreadable();
    let (mut read, mut missing) = (0, Vec::new());
    loop {
        let item = match reader.next().unwrap() {
            None => break,
            Some(ReadItem::Record(_)) => None,
            Some(ReadItem::Gap { first, last, .. }) => Some((first, last)),
        };
        match item {
            None => read += 1,
            Some((first, last)) => {
                missing.push((first.0, last.0));
                // What can be read around it is kept before the segment is dropped; the block itself is zeros there.
                let copy = journal.keep_damaged(&reader).expect("a copy");
                let file = disk.open(&copy, disk::Access::Read).unwrap();
                let mut bytes = vec![0; file.len().unwrap() as usize];
                file.read_at(&mut bytes, 0).unwrap();
                assert!(
                    copy.starts_with("/j/quarantine") && (4096..4096 + 200).contains(&bytes.len()),
                    "{}",
                    bytes.len()
                );
                assert!(bytes.iter().any(|byte| *byte != 0) && bytes.windows(4000).any(|part| part == [0; 4000]));
                assert_eq!(journal.keep_damaged(&reader), Some(copy), "once, however often it is met");
                assert_eq!(reader.unreadable(), Some(("00000000000000000001.seg".to_owned(), vec![(8192, 4096)])));
            }
        }
    }
    let [(first, last)] = missing[..] else { panic!("{missing:?}") };
    assert_eq!((read + last - first + 1, first), (1000, (8192 - 128) / 72 + 1));
    assert!(last - first < 60, "only what lies in the block");
}

/// Two journals of several segments each, of which the first is returned and the second gives a file.
fn with_segment_of_another(place: usize) -> (SimDisk, u64) {
    let full = |seed| {
        let disk = SimDisk::new(seed, 1 << 22);
        let journal = open_on(&disk, &settings()).unwrap();
        append(&journal, (1..=200).map(|n| entry(n, 0)).collect());
        journal.close();
        disk
    };
    let (disk, other) = (full(1), full(2));
    let segments: Vec<_> = disk.paths().into_iter().filter(|path| path.extension() == Some("seg".as_ref())).collect();
    let path = &segments[place.min(segments.len() - 1)];
    let mut bytes = Vec::new();
    other.change(path, |theirs| bytes.clone_from(theirs));
    disk.change(path, |own| *own = bytes);
    let first = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    (disk, first)
}

#[test]
fn a_segment_of_another_journal_is_never_believed() {
    for place in [0, 1, usize::MAX] {
        let (disk, first) = with_segment_of_another(place);
        let (journal, telemetry) = opened(&disk);
        assert_eq!(journal.recovered().foreign.len(), 1);
        assert!(telemetry.get(Counter::JournalLost) > 0);
        let (read, missing) = read_all(journal.reader(Offset(1)));
        assert!(missing.contains(&first) && !read.contains_key(&first));
        assert!(read.iter().all(|(offset, found)| *found == entry(*offset, 0)));
        assert_eq!(append(&journal, vec![entry(201, 0)]), [Ok(Offset(201))], "no offset is given twice");
        let kept = disk.paths().into_iter().filter(|path| path.starts_with("/j/quarantine")).count();
        assert_eq!(kept, 1, "it is kept");
    }
}

#[test]
fn a_reader_beside_believes_no_segment_of_another_journal_either() {
    let (disk, first) = with_segment_of_another(1);
    let (read, missing) = read_all(Reader::open(Arc::new(disk), Path::new(DIR), Offset(1)).unwrap());
    assert!(missing.contains(&first) && read.len() > 100);
    assert!(read.iter().all(|(offset, found)| *found == entry(*offset, 0)));
}

#[test]
fn an_id_of_another_journal_is_outvoted_and_a_draw_is_a_refusal_that_names_it() {
    let disk = twenty();
    store_file(&disk, Path::new("/j/journal.id"), &[9; 16]).unwrap();
    let journal = open_on(&disk, &settings()).unwrap();
    assert_eq!(read_all(journal.reader(Offset(1))).0.len(), 20, "header and `tail` say the same");
    journal.close();
    store_file(&disk, Path::new("/j/journal.id"), &[9; 16]).unwrap();
    disk.remove(Path::new("/j/tail")).unwrap();
    let refused = open_on(&disk, &settings()).unwrap_err().to_string();
    assert!(refused.contains("/j/journal.id") && refused.contains("two journals"), "{refused}");
}

#[test]
fn a_removed_lock_lets_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { dir: dir.path().join("j"), segment_size: 1 << 20, reserve: 0, ..Settings::default() };
    let journal = open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
    std::fs::remove_file(settings.dir.join("lock")).unwrap();
    assert!(matches!(open(Arc::new(OsDisk), &settings, Arc::default()), Err(OpenError::Locked { .. })));
    journal.close();
    open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
}

#[test]
fn what_is_insisted_on_waits_for_the_disk_and_comes_before_all_that_follows() {
    let disk = SimDisk::new(1, 0);
    let journal = open_on(&disk, &settings()).unwrap();
    let (send, outcomes) = mpsc::channel();
    let settled = send.clone();
    journal.appender().insist(
        "a",
        (1..=3).map(|n| {
            let settled = settled.clone();
            (entry(n, 9), move |outcome| settled.send(outcome).unwrap_or_default())
        }),
    );
    for number in 10..15 {
        assert_eq!(append(&journal, vec![entry(number, 9)]), [Err(Unstored::Full)]);
    }
    assert!(outcomes.try_recv().is_err(), "neither stored nor refused");
    disk.set_capacity(1 << 20);
    let first: Vec<_> = (0..3).map(|_| outcomes.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    assert_eq!(first, [Ok(Offset(1)), Ok(Offset(2)), Ok(Offset(3))]);
    assert_eq!(append(&journal, vec![entry(20, 9)]), [Ok(Offset(4))]);
    disk.set_fault(Some(sim_disk::Fault::All));
    journal.appender().insist("a", [(entry(5, 9), move |outcome| send.send(outcome).unwrap_or_default())]);
    journal.close();
    assert_eq!(outcomes.recv_timeout(Duration::from_secs(60)), Ok(Err(Unstored::Closed)), "settled once, at the end");
}

#[test]
fn what_is_insisted_on_again_and_again_waits_once_in_its_place() {
    let disk = SimDisk::new(1, 0);
    let journal = open_on(&disk, &settings()).unwrap();
    let (send, outcomes) = mpsc::channel();
    let insist = |what: &'static str, first: u64| {
        journal.appender().insist(
            what,
            (first..first + 3).map(|n| {
                let send = send.clone();
                (entry(n, 9), move |outcome| send.send((n, outcome)).unwrap_or_default())
            }),
        );
    };
    insist("other", 1);
    for round in 1..=50 {
        insist("this", 100 * round);
        if round % 7 == 0 {
            assert_eq!(append(&journal, vec![entry(9, 9)]), [Err(Unstored::Full)]);
        }
    }
    let superseded: Vec<_> = (0..49 * 3).map(|_| outcomes.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    assert!(superseded.iter().all(|(n, outcome)| *n < 5000 && *outcome == Err(Unstored::Superseded)), "{superseded:?}");
    disk.set_capacity(1 << 20);
    let stored: Vec<_> = (0..6).map(|_| outcomes.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    let wanted: Vec<_> = (1..=3).chain(5000..5003).zip(1..).map(|(n, offset)| (n, Ok(Offset(offset)))).collect();
    assert_eq!(stored, wanted, "each once, in order");
    assert_eq!(append(&journal, vec![entry(20, 9)]), [Ok(Offset(7))]);
    journal.close();
    assert!(outcomes.try_recv().is_err());
}

/// A journal of several segments on a simulated disk, and its segments' paths.
fn of_segments(seed: u64) -> (SimDisk, Vec<PathBuf>) {
    let disk = SimDisk::new(seed, 1 << 24);
    let journal = open_on(&disk, &settings()).unwrap();
    for number in 1..=60 {
        assert_eq!(append(&journal, vec![entry(number, 300)]), [Ok(Offset(number))]);
    }
    journal.close();
    let paths: Vec<PathBuf> = segment_paths(&disk);
    assert!(paths.len() > 4, "{paths:?}");
    (disk, paths)
}

fn segment_paths(disk: &SimDisk) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    paths.sort();
    paths
}

fn bytes_of(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let mut held = Vec::new();
    disk.change(path, |bytes| held = bytes.clone());
    held
}

/// What is done to sealed segments, by whom ever.
#[derive(Debug, Clone, Copy)]
enum Meddling {
    Removed,
    Renamed,
    Swapped,
    CopiedOver,
}

fn meddle(disk: &SimDisk, paths: &[PathBuf], at: usize, meddling: Meddling) {
    let (this, other) = (&paths[at], &paths[at + 1]);
    let (mine, its) = (bytes_of(disk, this), bytes_of(disk, other));
    match meddling {
        Meddling::Removed => disk.remove(this).unwrap(),
        Meddling::Renamed => {
            let first: u64 = this.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            disk.rename(this, &this.with_file_name(format!("{:020}.seg", first + 1))).unwrap();
        }
        Meddling::Swapped => {
            disk.change(this, |bytes| *bytes = its);
            disk.change(other, |bytes| *bytes = mine);
        }
        Meddling::CopiedOver => disk.change(this, |bytes| *bytes = its),
    }
}

#[test]
fn every_offset_of_a_segment_that_was_taken_away_or_mixed_up_is_read_or_reported_missing() {
    for meddling in [Meddling::Removed, Meddling::Renamed, Meddling::Swapped, Meddling::CopiedOver] {
        for at in 0..3 {
            for running in [true, false] {
                let (disk, paths) = of_segments(7);
                let telemetry = Arc::new(Telemetry::default());
                let start = || open(Arc::new(disk.clone()), &settings(), Arc::clone(&telemetry)).unwrap();
                let early = running.then(start);
                meddle(&disk, &paths, at, meddling);
                let journal = early.unwrap_or_else(start);
                let mut reader = journal.reader(Offset(1));
                let (mut seen, mut missing) = (BTreeMap::new(), 0);
                while let Some(item) = reader.next().unwrap() {
                    let (first, last) = match item {
                        ReadItem::Record(stored) => (stored.offset.0, stored.offset.0),
                        ReadItem::Gap { first, last, .. } => {
                            missing += last.0 - first.0 + 1;
                            (first.0, last.0)
                        }
                    };
                    for offset in first..=last {
                        assert_eq!(seen.insert(offset, ()), None, "{meddling:?} {at}: {offset} twice");
                    }
                }
                let all: Vec<u64> = seen.into_keys().collect();
                assert_eq!(all, (1..=60).collect::<Vec<_>>(), "{meddling:?} {at}, running {running}");
                assert!(missing > 0, "{meddling:?} {at}, running {running}");
                let names =
                    !(matches!(meddling, Meddling::Removed) || running && matches!(meddling, Meddling::Renamed));
                assert_eq!(reader.breaks() > 0, names, "{meddling:?} {at}, running {running}");
                let at_start = !running && !matches!(meddling, Meddling::Removed);
                assert_eq!(!journal.recovered().misnamed.is_empty(), at_start, "{meddling:?} {at}");
                let counted = telemetry.get(Counter::JournalBreaks);
                assert_eq!(counted > 0, at_start, "{meddling:?} {at}: {counted}");
                journal.close();
            }
        }
    }
}
