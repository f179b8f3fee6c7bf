//! Tests on simulated disks: what left the journal is read as it was, whatever happened while it was copied.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use hj212_journal::sim_disk::{Fault, Random, SimDisk};
use hj212_journal::{self as journal, Access, Entry, Journal, Offset, ReadItem, Reader, segment_name};
use hj212_model::message::Timestamp;

const DAY: i64 = 86_400_000_000;

fn dir() -> PathBuf {
    PathBuf::from("/j")
}

/// A journal with records of all lengths in segments of 4 KiB, closed; its id.
fn filled(disk: &SimDisk, records: u64) -> [u8; 16] {
    let settings = journal::Settings { dir: dir(), segment_size: 4096, reserve: 0, ..journal::Settings::default() };
    let journal = journal::open(Arc::new(disk.clone()), &settings, Arc::default()).unwrap();
    append(&journal, records);
    let id = journal.id();
    journal.close();
    id
}

fn append(journal: &Journal, records: u64) {
    let mut random = Random::new(7);
    for number in 0..records {
        let body: Vec<u8> = (0..random.below(900)).map(|_| random.number() as u8 & 15).collect();
        let entry = Entry { time: Timestamp(number as i64 * DAY / 4), kind: (number % 5) as u8, body };
        journal.appender().append(entry, ());
    }
    let (tail, last) = (journal.tail(), Offset(records));
    while tail.durable() < last {
        let _ = tail.wait(Offset(last.0 - 1), Duration::from_secs(60));
    }
}

/// Copies every sealed segment; the first error.
fn archive(disk: &SimDisk, id: &[u8; 16]) -> io::Result<PathBuf> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let folder = prepare(disk, Path::new("/a"), &dir(), id)?;
    let names = journal::segments(disk, &dir()).map_err(|error| error.source)?;
    for pair in names.windows(2) {
        let terms = Terms { settings: &Settings::default(), reserve: 0, past: false, stop: &|| false };
        copy(&shared, (&dir(), id), (pair[0], pair[1]), &folder, terms)?;
    }
    Ok(folder)
}

type Read = BTreeMap<u64, (Timestamp, u8, Vec<u8>)>;

/// All records, and how many are missing.
fn read(disk: Arc<dyn Disk>) -> (Read, u64) {
    let mut reader = Reader::open(disk, &dir(), Offset(0)).unwrap();
    let (mut all, mut missing) = (BTreeMap::new(), 0);
    while let Some(item) = reader.next().unwrap() {
        match item {
            ReadItem::Record(r) => drop(all.insert(r.offset.0, (r.time, r.kind, r.body.to_vec()))),
            ReadItem::Gap { first, last, .. } => missing += last.0 - first.0 + 1,
        }
    }
    (all, missing)
}

/// Removes from the journal every segment that has a copy.
fn drop_copied(disk: &SimDisk, folder: &Path) -> usize {
    let copied = manifests(disk, folder).unwrap();
    for manifest in &copied {
        disk.remove(&dir().join(segment_name(manifest.first))).unwrap();
    }
    copied.len()
}

#[test]
fn what_has_left_the_journal_is_read_as_if_it_were_there() {
    let disk = SimDisk::new(1, 64 << 20);
    let id = filled(&disk, 60);
    let before = read(Arc::new(disk.clone()));
    let whole = journal::verify(Arc::new(disk.clone()), &dir()).unwrap();
    let dated = |disk: Arc<dyn Disk>| {
        (0..60_i64)
            .map(|n| journal::offset_at(Arc::clone(&disk), &dir(), Timestamp(n * DAY / 4)).unwrap())
            .collect::<Vec<_>>()
    };
    let offsets = dated(Arc::new(disk.clone()));
    let folder = archive(&disk, &id).unwrap();
    assert!(drop_copied(&disk, &folder) > 5);
    assert!(read(Arc::new(disk.clone())).0.len() < 20, "the journal alone has little left");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    assert_eq!(of_journal(&shared, &dir()).unwrap().as_deref(), Some(folder.as_path()));
    let archived: Arc<dyn Disk> = Arc::new(ArchivedDisk::new(shared, dir(), folder));
    assert_eq!(read(Arc::clone(&archived)), before);
    assert_eq!(journal::verify(Arc::clone(&archived), &dir()).unwrap(), whole);
    assert!(whole.is_sound());
    assert_eq!(dated(archived), offsets);
    // The journal's folder is lost altogether: the archive alone still tells all that it has.
    let folder = super::folder(Path::new("/a"), &id);
    let lost: Arc<dyn Disk> = Arc::new(ArchivedDisk::new(Arc::new(disk), PathBuf::from("/nowhere"), folder));
    let mut reader = Reader::open(lost, Path::new("/nowhere"), Offset(0)).unwrap();
    assert!(matches!(reader.next().unwrap(), Some(ReadItem::Record(r)) if r.offset == Offset(1)));
}

#[test]
fn a_copy_unpacks_to_the_segment_byte_for_byte_and_its_manifest_says_what_is_in_it() {
    let disk = SimDisk::new(1, 64 << 20);
    let id = filled(&disk, 30);
    let folder = archive(&disk, &id).unwrap();
    for manifest in manifests(&disk, &folder).unwrap() {
        let bytes = |path: PathBuf| {
            let file = disk.open(&path, Access::Read).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            bytes
        };
        let segment = bytes(dir().join(segment_name(manifest.first)));
        let packed = bytes(folder.join(format!("{}.zst", segment_name(manifest.first))));
        // As `zstd -d` does it: all frames, one after the other.
        assert_eq!(zstd::stream::decode_all(packed.as_slice()).unwrap(), segment);
        assert_eq!((manifest.records, manifest.missing), (manifest.next - manifest.first, 0));
        assert_eq!(manifest.kinds.values().sum::<u64>(), manifest.records);
        assert_eq!(manifest.journal, hex(&id));
    }
}

#[test]
fn any_damaged_byte_of_a_copy_costs_records_of_that_copy_at_most_and_is_said() {
    let disk = SimDisk::new(1, 64 << 20);
    let id = filled(&disk, 20);
    let folder = archive(&disk, &id).unwrap();
    let before = read(Arc::new(disk.clone())).0;
    drop_copied(&disk, &folder);
    let second = manifests(&disk, &folder).unwrap()[1].clone();
    let path = folder.join(format!("{}.zst", segment_name(second.first)));
    for at in (0..usize::try_from(second.packed()).unwrap()).step_by(7) {
        disk.change(&path, |bytes| bytes[at] ^= 0x10);
        let (after, missing) = read(Arc::new(ArchivedDisk::new(Arc::new(disk.clone()), dir(), folder.clone())));
        disk.change(&path, |bytes| bytes[at] ^= 0x10);
        for (offset, record) in &before {
            match after.get(offset) {
                Some(kept) => assert_eq!(kept, record, "byte {at}"),
                None => assert!((second.first..second.next).contains(offset), "byte {at}: record {offset}"),
            }
        }
        assert_eq!(after.len() as u64 + missing, before.len() as u64, "byte {at}");
    }
}

#[test]
fn a_fault_at_any_operation_or_a_power_cut_leaves_every_record_in_journal_or_archive() {
    let start = SimDisk::new(3, 64 << 20);
    let id = filled(&start, 12);
    let before = read(Arc::new(start.clone()));
    let clean = start.after_kill();
    archive(&clean, &id).unwrap();
    let operations = clean.operations();
    for n in 1..=operations {
        for fault in [Fault::Nth(n), Fault::PowerOff(n)] {
            let disk = start.after_kill();
            disk.set_fault(Some(fault));
            let _ = archive(&disk, &id);
            disk.set_fault(None);
            let disk = if matches!(fault, Fault::PowerOff(_)) { disk.after_power_cut(n) } else { disk };
            // What counts as copied may be dropped at once.
            let folder = folder(Path::new("/a"), &id);
            drop_copied(&disk, &folder);
            let archived = || Arc::new(ArchivedDisk::new(Arc::new(disk.clone()), dir(), folder.clone()));
            assert_eq!(read(archived()), before, "{fault:?}");
            // And the next round does the rest.
            archive(&disk, &id).unwrap();
            drop_copied_again(&disk, &folder);
            assert_eq!(read(archived()), before, "{fault:?}, again");
            assert!(disk.list(&folder).unwrap().iter().all(|name| !name.ends_with(".new")), "{fault:?}");
        }
    }
}

/// As [`drop_copied`], where some have gone before.
fn drop_copied_again(disk: &SimDisk, folder: &Path) {
    for manifest in manifests(disk, folder).unwrap() {
        let _ = disk.remove(&dir().join(segment_name(manifest.first)));
    }
}

#[test]
fn a_full_disk_takes_no_copy_and_loses_nothing() {
    let disk = SimDisk::new(1, 64 << 20);
    let id = filled(&disk, 20);
    let folder = prepare(&disk, Path::new("/a"), &dir(), &id).unwrap();
    disk.set_capacity(0);
    assert_eq!(archive(&disk, &id).unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(manifests(&disk, &folder).unwrap().is_empty());
    disk.set_capacity(64 << 20);
    archive(&disk, &id).unwrap();
    assert!(!manifests(&disk, &folder).unwrap().is_empty());
}

#[test]
fn copies_go_when_they_are_old_and_not_because_a_clock_jumped() {
    let disk = SimDisk::new(1, 64 << 20);
    let id = filled(&disk, 40);
    let folder = archive(&disk, &id).unwrap();
    let settings = Settings { keep: Duration::from_secs(10 * 86_400), ..Settings::default() };
    let sealed = manifests(&disk, &folder).unwrap()[0].age_from().unwrap();
    let at = |days: i64| Timestamp(sealed.0 + days * DAY);
    let anchored: Vec<Timestamp> = (1..=12).map(at).collect();
    assert_eq!(expire(&disk, &folder, &settings, at(9), &anchored).unwrap().segments, 0, "too young");
    assert_eq!(expire(&disk, &folder, &settings, at(4000), &anchored[..1]).unwrap().segments, 0, "a clock that jumped");
    let count = manifests(&disk, &folder).unwrap().len() as u64;
    // All were sealed within the same minute by the host's clock.
    assert_eq!(expire(&disk, &folder, &settings, at(12), &anchored).unwrap().segments, count);
    assert!(disk.list(&folder).unwrap().iter().all(|name| name == "journal.id"));
}

#[test]
fn a_place_that_cannot_be_read_costs_its_records_and_holds_nothing_back_for_ever() {
    let disk = SimDisk::new(1, 64 << 20);
    let id = filled(&disk, 60);
    let before = read(Arc::new(disk.clone())).0;
    let names = journal::segments(&disk, &dir()).unwrap();
    disk.spoil(&dir().join(segment_name(names[2].0)), 1000..1001);
    let refused = archive(&disk, &id).unwrap_err();
    assert!(journal::is_unreadable(&refused), "{refused}: nothing is passed over unasked");
    let folder = super::folder(Path::new("/a"), &id);
    assert_eq!(manifests(&disk, &folder).unwrap().len(), 2);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let terms = Terms { settings: &Settings::default(), reserve: 0, past: true, stop: &|| false };
    let done = copy(&shared, (&dir(), &id), (names[2], names[3]), &folder, terms).unwrap();
    let Outcome::Copied(Copied { unreadable, .. }) = done else { panic!("{done:?}") };
    assert_eq!(unreadable, 4096, "the block, and no more");
    archive(&disk, &id).unwrap();
    let manifest = &manifests(&disk, &folder).unwrap()[2];
    assert!(manifest.missing > 0 && manifest.unreadable == unreadable, "{manifest:?}");
    drop_copied(&disk, &folder);
    let (after, missing) = read(Arc::new(ArchivedDisk::new(shared, dir(), folder)));
    assert_eq!((missing, after.len() as u64), (manifest.missing, before.len() as u64 - manifest.missing));
    assert!(after.iter().all(|(offset, record)| before[offset] == *record));
}
