//! The check alone, over the segments of the corpus: the standard's loop, the table, ours; and what memory allows.

#![allow(missing_docs, reason = "no library")]

mod corpus;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212::crc;

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

    short(c, &segments, &table);
}

/// Segments of each length by itself, and of all lengths from 0 to 64 by turns, as no processor can foresee.
fn short(c: &mut Criterion, segments: &[&[u8]], table: &[u16; 256]) {
    let cut = |length: usize| segments.iter().filter_map(|segment| segment.get(..length)).collect::<Vec<_>>();
    let mixed = segments.iter().enumerate().filter_map(|(number, segment)| segment.get(..number * 40_503 / 7 % 65));
    let mut sets = vec![("0-64 mixed".to_owned(), mixed.collect::<Vec<_>>())];
    let lengths = [0, 1, 4, 7, 8, 9, 16, 31, 32, 63, 64, 87];
    sets.extend(lengths.map(|length| (length.to_string(), cut(length))));
    let mut group = c.benchmark_group("crc-short");
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(600)).sample_size(20);
    for (name, segments) in sets {
        group.throughput(Throughput::Elements(segments.len() as u64));
        group.bench_function(format!("table/{name}"), |b| {
            b.iter(|| {
                segments.iter().for_each(|s| {
                    black_box(by_table(table, black_box(s)));
                })
            })
        });
        group.bench_function(format!("lanes (ours)/{name}"), |b| {
            b.iter(|| {
                segments.iter().for_each(|s| {
                    black_box(crc::checksum(black_box(s)));
                })
            })
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
