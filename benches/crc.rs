//! The check alone, over the segments of the corpus: the standard's loop, the table, ours; and what memory allows.

#![allow(missing_docs, reason = "no library")]

mod corpus;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212_gateway::protocol::crc;

fn bitwise(segment: &[u8]) -> u16 {
    segment.iter().fold(0xFFFF, |reg: u16, byte| {
        let mixed = (reg >> 8) ^ u16::from(*byte);
        (0..8).fold(mixed, |reg, _| if reg & 1 == 1 { reg >> 1 ^ 0xA001 } else { reg >> 1 })
    })
}

fn table() -> [u16; 256] {
    let arc = ::crc::Crc::<u16>::new(&::crc::CRC_16_ARC);
    std::array::from_fn(|byte| arc.checksum(&[byte as u8]))
}

fn by_table(table: &[u16; 256], segment: &[u8]) -> u16 {
    segment.iter().fold(0xFFFF, |reg: u16, byte| table[usize::from((reg >> 8) as u8 ^ byte)])
}

fn benches(c: &mut Criterion) {
    let corpus = corpus::Corpus::new();
    let segments = corpus.segments();
    let table = table();
    assert!(segments.iter().all(|segment| bitwise(segment) == crc::checksum(segment)));
    let mut copy = vec![0; 2048];

    let mut group = c.benchmark_group("crc");
    group.throughput(Throughput::Bytes(segments.iter().map(|segment| segment.len() as u64).sum()));
    group.bench_function("bitwise", |b| {
        b.iter(|| {
            segments.iter().for_each(|s| {
                black_box(bitwise(s));
            })
        })
    });
    group.bench_function("table", |b| {
        b.iter(|| {
            segments.iter().for_each(|s| {
                black_box(by_table(&table, s));
            })
        })
    });
    group.bench_function("lanes (ours)", |b| {
        b.iter(|| {
            segments.iter().for_each(|s| {
                black_box(crc::checksum(s));
            })
        })
    });
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            segments.iter().for_each(|s| {
                copy[..s.len()].copy_from_slice(s);
                black_box(&mut copy);
            })
        });
    });
    group.bench_function("memchr LF", |b| {
        b.iter(|| {
            segments.iter().for_each(|s| {
                black_box(memchr::memchr(b'\n', s));
            })
        })
    });
    group.finish();

    let mut group = c.benchmark_group("crc-short");
    for length in [4, 8, 12, 20, 40, 87] {
        let segments: Vec<&[u8]> = segments.iter().filter_map(|segment| segment.get(..length)).collect();
        group.throughput(Throughput::Bytes((segments.len() * length) as u64));
        group.bench_function(format!("table/{length}"), |b| {
            b.iter(|| {
                segments.iter().for_each(|s| {
                    black_box(by_table(&table, s));
                })
            })
        });
        group.bench_function(format!("lanes (ours)/{length}"), |b| {
            b.iter(|| {
                segments.iter().for_each(|s| {
                    black_box(crc::checksum(s));
                })
            })
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
