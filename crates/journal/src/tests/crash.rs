//! Power cuts, kills, and every single operation failing once.

use super::*;
use crate::sim_disk::Fault;

/// Several lives of a journal, each ended by a power cut; returns the offsets that were acknowledged and are lost or altered.
fn lives(seed: u64, forget_dir_syncs: bool) -> Vec<u64> {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new(seed, 1 << 22);
    let settings = Settings { segment_size: 512 << random.below(5), ..settings() };
    let (mut acknowledged, mut number) = (BTreeMap::new(), 0);
    for _ in 0..3 {
        if forget_dir_syncs {
            disk.forget_dir_syncs();
        }
        disk.set_fault(Some(Fault::PowerOff(1 + random.below(80))));
        if let Ok(journal) = open_on(&disk, &settings) {
            loop {
                let batch: Vec<Entry> = (0..1 + random.below(5))
                    .map(|_| {
                        number += 1;
                        entry(number, random.below(700) as usize)
                    })
                    .collect();
                let outcomes = append(&journal, batch.clone());
                let stored = outcomes.iter().zip(batch).filter_map(|(outcome, entry)| Some((outcome.ok()?.0, entry)));
                acknowledged.extend(stored);
                if outcomes.iter().any(Result::is_err) {
                    break;
                }
            }
        }
        disk = disk.after_power_cut(random.number());
        let journal = open_on(&disk, &settings).expect("data never prevents a start");
        let (read, _) = read_all(journal.reader(Offset(0)));
        let lost: Vec<u64> = acknowledged.iter().filter(|(k, v)| read.get(k) != Some(v)).map(|(k, _)| *k).collect();
        if !lost.is_empty() {
            return lost;
        }
        for (offset, found) in &read {
            let number = u64::from_le_bytes(found.body[..8].try_into().unwrap());
            assert_eq!(found, &entry(number, found.body.len() - 8), "seed {seed}: {offset} is no record of ours");
        }
        assert!(read.last_key_value().is_none_or(|(last, _)| Offset(*last) == journal.recovered().last));
        let report = sound(&disk);
        assert!(report.broken.is_empty(), "seed {seed}: {report:?}");
    }
    Vec::new()
}

#[test]
fn a_thousand_power_cuts_lose_nothing_acknowledged() {
    for seed in 0..1000 {
        assert_eq!(lives(seed, false), [] as [u64; 0], "seed {seed}");
    }
}

#[test]
fn the_power_cut_test_notices_a_missing_sync_of_the_folder() {
    assert!((0..100).any(|seed| !lives(seed, true).is_empty()));
}

#[test]
fn a_kill_loses_nothing_even_unsettled() {
    let disk = SimDisk::new(1, 1 << 20);
    let journal = open_on(&disk, &settings()).unwrap();
    append(&journal, (1..=50).map(|n| entry(n, 100)).collect());
    let after = disk.after_kill();
    let next = open_on(&after, &settings()).unwrap();
    assert_eq!(next.recovered(), &Recovery { last: Offset(50), ..Recovery::default() });
    assert_eq!(append(&next, vec![entry(51, 1)]), [Ok(Offset(51))]);
    assert!(sound(&after).is_sound());
}

/// A life in which the n-th operation fails once. Returns false when the life has fewer operations than that.
fn sweep(n: u64) -> bool {
    let disk = SimDisk::new(n, 1 << 20);
    let settings = Settings { segment_size: 1024, keep_size: 2048, ..settings() };
    disk.set_fault(Some(Fault::Nth(n)));
    let open = || match open_on(&disk, &settings) {
        Ok(journal) => journal,
        // The process ends with a message and is started again.
        Err(_) => open_on(&disk, &settings).expect("only one operation fails"),
    };
    let (mut acknowledged, mut number) = (BTreeMap::new(), 0);
    for life in 0..2 {
        let journal = open();
        for round in 0..6 {
            let batch: Vec<Entry> = (0..4).map(|k| entry(number + k, 100)).collect();
            number += 4;
            for (outcome, entry) in append(&journal, batch.clone()).into_iter().zip(batch) {
                acknowledged.insert(outcome.expect("one failure refuses nobody").0, entry);
            }
            if (life, round) == (1, 3) {
                journal.delivered(Offset(12));
            }
        }
        let mut reader = journal.reader(Offset(13));
        let mut read = 0;
        while read < 100 && reader.next().is_ok_and(|item| item.is_some()) {
            read += 1;
        }
    }
    let is_over = disk.operations() < n;
    disk.set_fault(None);
    let after = disk.after_power_cut(n);
    let journal = open_on(&after, &settings).unwrap();
    let (read, missing) = read_all(journal.reader(Offset(0)));
    let kept: Vec<_> = acknowledged.iter().filter(|(offset, _)| **offset > 12).collect();
    assert!(kept.len() >= 36);
    for (offset, entry) in kept {
        assert_eq!(read.get(offset), Some(entry), "operation {n}, record {offset}");
    }
    assert_eq!(missing, [] as [u64; 0], "operation {n}");
    assert!(sound(&after).broken.is_empty(), "operation {n}");
    !is_over
}

#[test]
fn every_single_operation_may_fail_once() {
    let mut n = 1;
    while sweep(n) {
        n += 1;
    }
    assert!(n > 100, "the life has {n} operations");
}

#[test]
fn a_failed_sync_is_final_for_its_file_and_refused_records_are_not_resurrected_over_stored_ones() {
    let disk = SimDisk::new(5, 1 << 20);
    let telemetry = Arc::new(Telemetry::default());
    let journal = open(Arc::new(disk.clone()), &settings(), telemetry.clone()).unwrap();
    assert_eq!(append(&journal, vec![entry(1, 50), entry(2, 50)]), [Ok(Offset(1)), Ok(Offset(2))]);
    disk.set_fault(Some(Fault::Syncs));
    assert_eq!(append(&journal, vec![entry(3, 50), entry(4, 50)]), [Err(Unstored::Failed); 2]);
    assert_eq!(journal.health(), Health::Failed);
    assert_eq!(read_all(journal.reader(Offset(0))).0.len(), 2, "what is there stays readable, and no more");
    disk.set_fault(None);
    let mut refused = 0;
    while append(&journal, vec![entry(5, 50)]) != [Ok(Offset(3))] {
        refused += 1;
        std::thread::sleep(Duration::from_millis(20));
        assert!(refused < 250, "it works again within 5 s, without a restart");
    }
    assert_eq!(journal.health(), Health::Good);
    assert!(telemetry.get(hj212_model::telemetry::Counter::JournalErrors) >= 3);
    let expected = BTreeMap::from([(1, entry(1, 50)), (2, entry(2, 50)), (3, entry(5, 50))]);
    assert_eq!(read_all(journal.reader(Offset(0))), (expected.clone(), vec![]));
    for seed in 0..50 {
        let after = disk.after_power_cut(seed);
        let journal = open_on(&after, &settings()).unwrap();
        assert_eq!(read_all(journal.reader(Offset(0))), (expected.clone(), vec![]), "seed {seed}");
        let report = sound(&after);
        assert!(report.is_sound(), "seed {seed}: {report:?}");
    }
}

#[test]
fn after_one_failed_sync_the_records_go_to_a_new_file_and_nobody_is_refused() {
    for (operation, what) in [(1, "write"), (2, "sync")] {
        let disk = SimDisk::new(6, 1 << 20);
        let journal = open_on(&disk, &settings()).unwrap();
        append(&journal, vec![entry(1, 50), entry(2, 50)]);
        disk.set_fault(Some(Fault::Nth(operation)));
        assert_eq!(append(&journal, vec![entry(3, 50)]), [Ok(Offset(3))], "{what}");
        assert!(disk.paths().contains(&Path::new(DIR).join("00000000000000000003.seg")), "{what}");
        assert!(sound(&disk).is_sound(), "{what}");
    }
}
