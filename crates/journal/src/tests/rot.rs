//! Bits that flip, files that end early, ranges that turn to zeros.

use super::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

struct Whole {
    disk: SimDisk,
    /// Each record's file and bytes in it, without padding.
    places: BTreeMap<u64, (PathBuf, std::ops::Range<usize>)>,
    entries: BTreeMap<u64, Entry>,
}

fn whole(seed: u64) -> Whole {
    let disk = SimDisk::new(seed, 1 << 22);
    let mut random = Random::new(seed);
    let journal = open_on(&disk, &Settings { segment_size: 2048, ..settings() }).unwrap();
    let batch: Vec<Entry> = (1..=40).map(|n| entry(n, random.below(500) as usize)).collect();
    append(&journal, batch);
    let entries = read_all(journal.reader(Offset(0))).0;
    let id = journal.id();
    journal.close();
    let mut places = BTreeMap::new();
    for first in recovery::list_segments(&disk, Path::new(DIR)).unwrap() {
        let path = Path::new(DIR).join(format::segment_name(first));
        let (mut walk, _) = segment::Walk::open(&disk, &path, first, id, false).unwrap();
        while let segment::Step::Record(found) = walk.next(u64::MAX, u64::MAX).unwrap() {
            let start = found.position as usize;
            places.insert(found.header.offset, (path.clone(), start..start + 64 + found.header.length));
        }
    }
    assert_eq!(places.len(), entries.len());
    Whole { disk, places, entries }
}

/// Damages one file; returns what it was.
fn damage(disk: &SimDisk, path: &Path, random: &mut Random) -> Vec<u8> {
    let mut before = Vec::new();
    disk.change(path, |bytes| {
        before.clone_from(bytes);
        let length = bytes.len() as u64;
        let at = random.below(length) as usize;
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => {
                let end = (at + random.below(1200) as usize).min(bytes.len());
                bytes[at..end].fill(0);
            }
            2 => {
                let end = (at + random.below(600) as usize).min(bytes.len());
                bytes[at..end].iter_mut().for_each(|byte| *byte = random.number() as u8);
            }
            _ => (0..1 + random.below(4)).for_each(|_| bytes[random.below(length) as usize] ^= 1 << random.below(8)),
        }
    });
    before
}

#[test]
fn whatever_rots_the_journal_opens_and_only_records_whose_own_bytes_changed_are_lost() {
    let mut lost_in_all = 0;
    for seed in 0..2000 {
        let Whole { disk, places, entries } = whole(seed % 16);
        let disk = disk.after_kill();
        let mut random = Random::new(seed);
        let files: Vec<PathBuf> = disk.paths().into_iter().filter(|p| p.extension() == Some("seg".as_ref())).collect();
        let mut hurt = BTreeSet::new();
        for _ in 0..1 + random.below(3) {
            let path = &files[random.below(files.len() as u64) as usize];
            if disk.open(path, Access::Read).unwrap().len().unwrap() == 0 {
                continue;
            }
            let before = damage(&disk, path, &mut random);
            let mut after = Vec::new();
            disk.change(path, |bytes| after.clone_from(bytes));
            let own = places.iter().filter(|(_, (file, _))| file == path);
            hurt.extend(own.filter(|(_, (_, r))| before.get(r.clone()) != after.get(r.clone())).map(|(o, _)| *o));
        }
        let beside = read_all(Reader::open(Arc::new(disk.clone()), Path::new(DIR), Offset(1)).unwrap());
        let journal = open_on(&disk, &settings()).expect("data never prevents a start");
        let (read, missing) = read_all(journal.reader(Offset(1)));
        assert_eq!(beside.0, read, "seed {seed}: readers agree");
        for (offset, entry) in &entries {
            match read.get(offset) {
                Some(found) => assert_eq!(found, entry, "seed {seed}: {offset} is altered"),
                None => assert!(hurt.contains(offset), "seed {seed}: {offset} is lost without a reason"),
            }
        }
        let last = journal.recovered().last.0;
        let lost: Vec<u64> = entries.keys().copied().filter(|offset| !read.contains_key(offset)).collect();
        lost_in_all += lost.len();
        assert_eq!(missing, lost.iter().copied().filter(|o| *o <= last).collect::<Vec<_>>(), "seed {seed}: counted");
        assert_eq!(append(&journal, vec![entry(99, 9)]), [Ok(Offset(last + 1))], "seed {seed}");
        assert!(sound(&disk).broken.is_empty(), "seed {seed}");
    }
    assert!(lost_in_all > 1000, "the test does damage");
}

#[test]
fn a_damaged_middle_of_the_newest_segment_is_copied_to_quarantine_and_counted() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    append(&journal, (1..=20).map(|n| entry(n, 0)).collect());
    journal.close();
    let path = Path::new("/j/00000000000000000001.seg");
    let mut bad = Vec::new();
    disk.change(path, |bytes| {
        bytes[128 + 72 * 4 + 66] ^= 1;
        bytes[128 + 72 * 5] ^= 1;
        bad = bytes[128 + 72 * 4..128 + 72 * 6].to_vec();
        bytes[10] ^= 1;
    });
    let telemetry = Arc::new(Telemetry::default());
    let journal = open(Arc::new(disk.clone()), &settings(), telemetry.clone()).unwrap();
    let [header, middle] = &journal.recovered().damaged[..] else { panic!("{:?}", journal.recovered()) };
    assert_eq!((header.position, header.bytes, header.records), (0, 128, 0));
    assert_eq!((middle.position, middle.bytes, middle.records), (128 + 72 * 4, 144, 2));
    disk.change(middle.copy.as_ref().unwrap(), |copy| assert_eq!(*copy, bad));
    assert_eq!(telemetry.get(hj212_model::telemetry::Counter::JournalQuarantined), 2);
    assert_eq!(telemetry.get(hj212_model::telemetry::Counter::JournalLost), 2);
    assert_eq!(read_all(journal.reader(Offset(0))).1, [5, 6]);
    assert_eq!(journal.recovered().last, Offset(20));
    journal.close();
    let files = disk.paths();
    let journal = open_on(&disk, &settings()).unwrap();
    assert_eq!((journal.recovered().damaged.len(), disk.paths()), (2, files), "it is not copied twice");
}

#[test]
fn a_torn_tail_is_copied_cut_off_and_written_over() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    append(&journal, (1..=20).map(|n| entry(n, 0)).collect());
    journal.close();
    let path = Path::new("/j/00000000000000000001.seg");
    disk.change(path, |bytes| bytes[128 + 72 * 19 + 40..].fill(0));
    // A write is unfinished only where nobody was told that it was done.
    disk.remove(Path::new("/j/tail")).unwrap();
    let journal = open_on(&disk, &settings()).unwrap();
    assert_eq!(journal.recovered().last, Offset(19));
    let [torn] = &journal.recovered().torn[..] else { panic!("{:?}", journal.recovered()) };
    assert_eq!((torn.position, torn.bytes), (128 + 72 * 19, 40));
    assert_eq!(append(&journal, vec![entry(77, 3)]), [Ok(Offset(20))]);
    assert!(sound(&disk).is_sound());
}

#[test]
fn an_imitated_record_in_a_damaged_body_is_not_believed() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    let mut imitation = vec![0; 16];
    format::put_record(&mut imitation, &[0; 16], 2, &entry(666, 20), &[0; 32]);
    let body = [vec![0; 64], imitation].concat();
    append(&journal, vec![Entry { time: Timestamp(1), kind: 1, body }, entry(2, 5), entry(3, 5)]);
    journal.close();
    disk.change(Path::new("/j/00000000000000000001.seg"), |bytes| bytes[129] ^= 0x40);
    let journal = open_on(&disk, &settings()).unwrap();
    let (read, missing) = read_all(journal.reader(Offset(0)));
    assert_eq!(missing, [1]);
    assert_eq!(read, BTreeMap::from([(2, entry(2, 5)), (3, entry(3, 5))]));
}

#[test]
fn without_its_id_file_a_journal_knows_itself_by_its_headers() {
    for change in [Vec::clear as fn(&mut Vec<u8>), |bytes| bytes[20] ^= 1] {
        let Whole { disk, entries, .. } = whole(3);
        disk.change(Path::new("/j/journal.id"), change);
        let journal = open_on(&disk, &settings()).unwrap();
        append(&journal, vec![entry(99, 9)]);
        assert_eq!(read_all(journal.reader(Offset(0))).0.len(), entries.len() + 1);
        assert!(sound(&disk).is_sound());
    }
}

#[test]
fn the_name_of_a_file_without_a_good_record_overrules_the_end_of_the_one_before() {
    for bad in [vec![0; 200], vec![7; 200]] {
        let disk = SimDisk::new(1, 1 << 20);
        let journal = open_on(&disk, &settings()).unwrap();
        append(&journal, (1..=4).map(|n| entry(n, 0)).collect());
        journal.close();
        // Nobody was told that 3 and 4 are stored: they were written again under a new name.
        disk.remove(Path::new("/j/tail")).unwrap();
        disk.create(Path::new("/j/00000000000000000003.seg")).unwrap().write_at(&bad, 0).unwrap();
        let journal = open_on(&disk, &settings()).unwrap();
        assert_eq!(journal.recovered().last, Offset(2));
        let overruled =
            journal.recovered().torn.iter().find(|torn| torn.segment == "00000000000000000001.seg").unwrap();
        disk.change(overruled.copy.as_ref().unwrap(), |copy| {
            assert_eq!(copy.len(), 137, "two records without the zeros at their end")
        });
        assert_eq!(append(&journal, vec![entry(5, 0)]), [Ok(Offset(3))]);
        let expected = BTreeMap::from([(1, entry(1, 0)), (2, entry(2, 0)), (3, entry(5, 0))]);
        assert_eq!(read_all(journal.reader(Offset(0))), (expected, vec![]));
        assert!(sound(&disk).is_sound());
    }
}
