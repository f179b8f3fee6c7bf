//! Framing the stream of the corpus: whole, as it comes in reads, and when every frame departs from the standard.

#![allow(missing_docs, reason = "no library")]

mod corpus;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212::{Item, Limits, Peer, scan};

/// How many frames a stream holds.
fn count(stream: &[u8]) -> usize {
    let limits = Limits::default();
    let (mut rest, mut frames) = (stream, 0);
    while !rest.is_empty() {
        let step = scan(rest, Peer::Resting, &limits);
        frames += usize::from(matches!(step.item, Some(Item::Frame(_))));
        black_box(&step);
        rest = &rest[step.used..];
    }
    frames
}

fn benches(c: &mut Criterion) {
    let corpus = corpus::Corpus::new();
    let without_ending: Vec<u8> = corpus.frames.iter().flat_map(|frame| &frame[..frame.len() - 2]).copied().collect();
    let wrong_length: Vec<u8> = corpus.frames.iter().flat_map(|frame| [b"##0040", &frame[6..]].concat()).collect();
    let mut modbus = corpus.frames.clone();
    let algorithm = crc::Crc::<u16>::new(&crc::CRC_16_MODBUS);
    for frame in &mut modbus {
        let end = frame.len() - 6;
        let check = format!("{:04X}", algorithm.checksum(&frame[6..end]));
        frame[end..end + 4].copy_from_slice(check.as_bytes());
    }
    let modbus = modbus.concat();

    let mut group = c.benchmark_group("scan");
    group.throughput(Throughput::Elements(corpus::FRAMES as u64));
    for (name, stream) in [
        ("standard", &corpus.stream),
        ("no line end", &without_ending),
        ("length wrong", &wrong_length),
        ("modbus check", &modbus),
    ] {
        assert_eq!(count(stream), corpus::FRAMES, "{name}");
        group.bench_function(name, |b| b.iter(|| count(stream)));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
