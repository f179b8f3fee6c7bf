//! A disk without room.

use super::*;
use hj212_model::telemetry::Counter;

/// Appends until the disk is full; returns how many records were stored.
fn fill(journal: &Journal) -> u64 {
    for number in 1.. {
        match append(journal, vec![entry(number, 400)])[..] {
            [Ok(offset)] => assert_eq!(offset, Offset(number)),
            [Err(why)] => {
                assert_eq!(why, Unstored::Full);
                return number - 1;
            }
            _ => unreachable!(),
        }
    }
    0
}

fn wait_for(journal: &Journal, health: Health) {
    for _ in 0..250 {
        if journal.health() == health {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not {health:?} within 5 s");
}

#[test]
fn a_full_disk_acknowledges_nothing_and_recovers_by_itself() {
    let disk = SimDisk::new(1, 64 << 10);
    let journal = open_on(&disk, &settings()).unwrap();
    let stored = fill(&journal);
    assert!(stored > 100);
    assert_eq!(journal.health(), Health::Full);
    let (read, missing) = read_all(journal.reader(Offset(0)));
    assert_eq!((read.len() as u64, missing), (stored, vec![]), "the backlog drains");
    assert_eq!(append(&journal, vec![entry(9, 9)]), [Err(Unstored::Full)]);

    disk.set_capacity(128 << 10);
    wait_for(&journal, Health::Good);
    assert_eq!(append(&journal, vec![entry(9, 9)]), [Ok(Offset(stored + 1))]);
    journal.close();
    assert!(sound(&disk).is_sound());
}

#[test]
fn delivered_segments_make_room_before_anyone_is_refused_and_undelivered_ones_never() {
    let disk = SimDisk::new(1, 64 << 10);
    let telemetry = Arc::new(Telemetry::default());
    let journal = open(Arc::new(disk.clone()), &settings(), telemetry.clone()).unwrap();
    let stored = fill(&journal);
    journal.delivered(Offset(20));
    // Nobody has said yet what a restart needs: all of it.
    for _ in 0..250 {
        if journal.is_held_back() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((journal.health(), journal.first()), (Health::Full, Offset(1)));
    journal.keep_from(Holder::Interpretation, Offset(15));
    journal.keep_from(Holder::Commands, Offset(u64::MAX));
    wait_for(&journal, Health::Good);
    assert!(telemetry.get(Counter::JournalDroppedEarly) > 0);
    assert_eq!(append(&journal, vec![entry(9, 9)]), [Ok(Offset(stored + 1))]);
    let (read, missing) = read_all(journal.reader(Offset(1)));
    assert!(missing.iter().all(|offset| *offset < 15) && !missing.is_empty());
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), (missing.len() as u64 + 1..=stored + 1).collect::<Vec<_>>());
}

#[test]
fn the_reserve_is_left_to_others() {
    let disk = SimDisk::new(1, 64 << 10);
    let journal = open_on(&disk, &Settings { reserve: 32 << 10, ..settings() }).unwrap();
    fill(&journal);
    assert!(disk.free_space(Path::new(DIR)).unwrap() >= 32 << 10);
}

#[test]
fn a_journal_opens_on_a_full_disk() {
    let disk = SimDisk::new(1, 64 << 10);
    let journal = open_on(&disk, &settings()).unwrap();
    let stored = fill(&journal);
    journal.close();
    disk.set_capacity(0);
    let journal = open_on(&disk, &settings()).unwrap();
    assert_eq!(journal.recovered().last, Offset(stored));
    assert_eq!(append(&journal, vec![entry(9, 9)]), [Err(Unstored::Full)]);
    disk.set_capacity(128 << 10);
    wait_for(&journal, Health::Good);
    assert_eq!(append(&journal, vec![entry(9, 9)]), [Ok(Offset(stored + 1))]);
}
