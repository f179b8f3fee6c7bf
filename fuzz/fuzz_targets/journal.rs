//! Any bytes as the newest segment of a journal: it opens, is read to the end, and takes a record.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use hj212_journal::sim_disk::SimDisk;
use hj212_journal::{Disk, Entry, Offset, Settings, open, store_file, verify};
use hj212_model::message::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let disk = SimDisk::new(1, 16 << 20);
    let segment = Path::new("/j/00000000000000000001.seg");
    disk.create(segment).and_then(|file| file.write_at(bytes, 0)).expect("there is room");
    // A known id lets the fuzzer learn checksums.
    store_file(&disk, Path::new("/j/journal.id"), &[0; 16]).expect("there is room");
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let settings = Settings { dir: "/j".into(), segment_size: 4096, reserve: 0, ..Settings::default() };
    let journal = open(disk.clone(), &settings, Arc::default()).expect("data never prevents a start");
    let mut reader = journal.reader(Offset(0));
    while reader.next().expect("the disk works").is_some() {}
    journal.appender().append(Entry { time: Timestamp(1), kind: 1, body: bytes.to_vec() }, ());
    journal.close();
    let report = verify(disk, Path::new("/j")).expect("the disk works");
    assert!(report.records > 0 || bytes.len() > hj212_journal::BODY_MAX);
});
