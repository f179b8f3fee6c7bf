//! How many records a second become durable, beside what the field usually does (one fsync per record) and what the disk allows
//! (the same bytes in one write and one fdatasync); and how fast they are read back.
//!
//! The folder is made below `BENCH_DIR` if set, else in the system's temporary folder: point it at the disk to be measured.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212_journal::{Entry, Journal, Offset, OsDisk, Receipt, Settings, Unstored, open};
use hj212_model::message::Timestamp;

/// A frame of an hour report, as long as they usually are.
const BODY: usize = 600;

fn folder() -> tempfile::TempDir {
    match std::env::var_os("BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

fn entry(number: u64) -> Entry {
    Entry { time: Timestamp(number.cast_signed()), kind: 1, body: vec![number as u8; BODY] }
}

fn journal(dir: &tempfile::TempDir) -> Journal {
    let settings = Settings { dir: dir.path().join("journal"), reserve: 0, ..Settings::default() };
    open(Arc::new(OsDisk), &settings, Arc::default()).unwrap()
}

struct Done(mpsc::Sender<Result<Offset, Unstored>>);

impl Receipt for Done {
    fn settle(self, outcome: Result<Offset, Unstored>) {
        self.0.send(outcome).unwrap();
    }
}

/// `count` records by `writers` stations, each of which waits for its receipt before its next record.
fn append(journal: &Journal, writers: u64, count: u64) -> Duration {
    let appender = journal.appender();
    let (done, settled) = mpsc::channel();
    let begin = Instant::now();
    for number in 0..writers.min(count) {
        let done = Done(done.clone());
        appender.append(entry(number), done);
    }
    let mut sent = writers.min(count);
    for _ in 0..count {
        black_box(settled.recv().unwrap().unwrap());
        if sent < count {
            let done = Done(done.clone());
            appender.append(entry(sent), done);
            sent += 1;
        }
    }
    begin.elapsed()
}

fn appending(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("append");
    group.throughput(Throughput::Elements(1)).sample_size(10).measurement_time(Duration::from_secs(3));
    for writers in [1, 64, 1000] {
        let dir = folder();
        let journal = journal(&dir);
        group.bench_function(format!("journal, {writers} writers"), |bench| {
            bench.iter_custom(|count| append(&journal, writers, count));
        });
    }
    let dir = folder();
    let mut file = std::fs::File::create(dir.path().join("log")).unwrap();
    group.bench_function("one fsync per record", |bench| {
        bench.iter(|| {
            file.write_all(&entry(1).body).unwrap();
            file.sync_all().unwrap();
        });
    });
    for records in [64, 1000] {
        let batch = vec![7; records * (BODY + 64)];
        let mut file = std::fs::File::create(dir.path().join(format!("raw-{records}"))).unwrap();
        group.throughput(Throughput::Elements(records as u64));
        group.bench_function(format!("raw limit: {records} records in one write and fdatasync"), |bench| {
            bench.iter(|| {
                file.write_all(&batch).unwrap();
                file.sync_data().unwrap();
            });
        });
    }
    group.finish();
}

fn reading(bench: &mut Criterion) {
    const COUNT: u64 = 50_000;
    let dir = folder();
    let journal = journal(&dir);
    append(&journal, 1000, COUNT);
    let mut group = bench.benchmark_group("read");
    group.throughput(Throughput::Elements(COUNT)).sample_size(10).measurement_time(Duration::from_secs(3));
    group.bench_function("from the first record to the last", |bench| {
        bench.iter(|| {
            let mut reader = journal.reader(Offset(1));
            while let Some(item) = reader.next().unwrap() {
                black_box(item);
            }
            assert_eq!(reader.position(), Offset(COUNT + 1));
        });
    });
    group.finish();
}

criterion_group!(benches, appending, reading);
criterion_main!(benches);
