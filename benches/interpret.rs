//! From journal records to the JSON that is published, beside the usual way: split, a map of maps, `serde_json::Value`.
//!
//! Throughput is in frames: divide by the time of one core. The stations' clocks advance with every round, so that no frame is taken for a
//! re-send.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a bench speaks plainly")]

#[path = "corpus/records.rs"]
mod records;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212::Deviations;
use hj212_coverage::{self as coverage, Arrival, Grain, Ledger, Outages};
use hj212_interpret::{Interpreter, Settings};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use records::{FRAMES, frames};
use sha2::{Digest, Sha256};

/// The usual way: split at every separator into maps, numbers as floats, a tree of values, text.
fn usual(segment: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(segment).ok()?;
    let (head, area) = text.split_once("CP=&&")?;
    let mut body: serde_json::Map<String, serde_json::Value> = head
        .split(';')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_lowercase(), value.into()))
        .collect();
    let mut readings = serde_json::Map::new();
    for field in area.trim_end_matches("&&").split([';', ',']) {
        let (name, value) = field.split_once('=')?;
        let value = value.parse::<f64>().map_or_else(|_| value.into(), serde_json::Value::from);
        match name.split_once('-') {
            Some((code, name)) => {
                let reading = readings.entry(code).or_insert_with(|| serde_json::json!({}));
                reading.as_object_mut()?.insert(name.to_lowercase(), value);
            }
            None => {
                body.insert(name.to_lowercase(), value);
            }
        }
    }
    body.insert("readings".to_owned(), readings.into());
    serde_json::to_string(&body).ok()
}

fn interpret(criterion: &mut Criterion) {
    let from = Peering { connection: 1, peer: "10.0.0.1:1000".parse().unwrap() };
    // 2026-06-01T00:00:00+08:00
    let start = 1_780_243_200_000_000;
    let mut group = criterion.benchmark_group("interpret");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let mut published = (0usize, 0usize);
    // The interpretation alone, and with the marking rules that come with the gateway in force.
    for (name, ruled) in [("records_to_json", false), ("records_to_json, marked by rules", true)] {
        let mut interpreter = Interpreter::new(Settings::default());
        let (mut round, mut offset, mut out) = (0, 0, Vec::new());
        if !ruled {
            // Signals are names only: a book with no rule in it.
            let names = include_str!("../config/marking/signals.toml");
            let json = serde_json::json!({ "stations": {}, "factors": {}, "rules": { "signals.toml": names } });
            let json = json.to_string().into_bytes();
            let hash = Sha256::digest(&json).into();
            let context = Record::Context { hash, part: 0, parts: 1, json: &json };
            let done = interpreter.on_record(0, Timestamp(start), &[7; 32], &context, &mut out);
            assert_eq!((done.contexts_broken, done.rules_refused), (0, 0));
        }
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..rounds {
                    let frames = frames(round);
                    let time = Timestamp(start + round as i64 * 60_000_000);
                    round += 1;
                    let begun = std::time::Instant::now();
                    for raw in &frames {
                        offset += 1;
                        let segment = &raw[6..raw.len() - 6];
                        let heard = Heard { from, deviations: Deviations::NONE, segment, raw };
                        interpreter.on_record(offset, time, &[7; 32], &Record::Frame(heard), &mut out);
                        if out.len() >= 64 {
                            published.0 += out.len();
                            published.1 += black_box(&out).iter().map(|p| p.payload.len()).sum::<usize>();
                            out.clear();
                        }
                    }
                    spent += begun.elapsed();
                }
                spent
            });
        });
    }
    let frames = frames(0);
    group.bench_function("split_and_value", |bencher| {
        bencher.iter(|| {
            frames.iter().filter_map(|raw| usual(black_box(&raw[6..raw.len() - 6]))).map(|t| t.len()).sum::<usize>()
        });
    });
    group.finish();
    let bytes = frames.iter().map(Vec::len).sum::<usize>() / FRAMES;
    eprintln!(
        "frames: {bytes} bytes on average; {} publications, {} bytes on average",
        published.0,
        published.1 / published.0.max(1)
    );
}

/// What counting a record costs, and letting a minute pass for a station: sampled data every 30 s, one record of a thousand lost.
fn ledger(criterion: &mut Criterion) {
    let settings = coverage::Settings::default();
    let start = 1_780_243_200i64;
    let (mut ledger, mut second, mut out) = (Ledger::default(), start, Vec::new());
    let mut next = move |ledger: &mut Ledger, out: &mut Vec<_>| {
        second += if second % 30_000 == 0 { 60 } else { 30 };
        if second > start + 60 * 86_400 {
            (*ledger, second) = (Ledger::default(), start);
        }
        let at = Timestamp(second * 1_000_000);
        let arrival = Arrival { grain: Grain::Realtime, data_time: at, at, backfill: false, registered: None };
        ledger.arrived(&arrival, &Outages::default(), out);
        at
    };
    criterion.bench_function("ledger/arrived", |bencher| bencher.iter(|| next(&mut ledger, &mut out)));
    criterion.bench_function("ledger/arrived and tick", |bencher| {
        bencher.iter(|| {
            let at = next(&mut ledger, &mut out);
            ledger.tick(at, &settings, &Outages::default(), &mut out);
            out.clear();
        });
    });
}

criterion_group!(benches, interpret, ledger);
criterion_main!(benches);
