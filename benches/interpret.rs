//! From journal records to the JSON that is published, beside the usual way: split, a map of maps, `serde_json::Value`.
//!
//! Throughput is in frames: divide by the time of one core. The stations' clocks advance with every round, so that no frame is taken for a
//! re-send.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a bench speaks plainly")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hj212::{Deviations, write};
use hj212_coverage::{self as coverage, Arrival, Grain, Ledger, Outages};
use hj212_interpret::{Interpreter, Settings};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use sha2::{Digest, Sha256};

const FRAMES: usize = 2000;
const STATIONS: usize = 200;
const GAS: &[&str] =
    &["a34013", "a21026", "a21002", "a19001", "a01011", "a01012", "a01013", "a01014", "a00000", "a21005"];
const WATER: &[&str] = &["w00000", "w01001", "w01018", "w21003", "w21011", "w21001"];

/// Frames of ten kinds by turns: sampled, minute and hour data of air and water, states, logs, answers.
fn segment(number: usize, round: usize) -> Vec<u8> {
    let station = number % STATIONS;
    let mn = format!("010000A8900016F0{station:08X}");
    let time = format!(
        "202606{:02}{:02}{:02}{:02}",
        1 + round / 1440 % 28,
        round / 60 % 24,
        round % 60,
        number / STATIONS % 60
    );
    let (st, cn, fields): (&str, u16, String) = match number % 10 {
        0..=3 => ("31", 2011, items(GAS, number, &["Rtd", "ZsRtd"])),
        4 => ("32", 2011, items(WATER, number, &["Rtd"])),
        5 | 6 => ("31", 2051, items(&GAS[..6], number, &["Cou", "Min", "Avg", "Max"])),
        7 => ("32", 2061, items(WATER, number, &["Cou", "Min", "Avg", "Max"])),
        8 => ("31", 2021, "SB1-RS=1;SB2-RS=0;SB3-RS=1".to_owned()),
        _ => ("31", 3020, "PolId=a21026;i11001-Info=//清洗管路//".to_owned()),
    };
    format!("QN={time}001;ST={st};CN={cn};PW=123456;MN={mn};Flag=5;CP=&&DataTime={time};{fields}&&").into_bytes()
}

fn items(codes: &[&str], number: usize, fields: &[&str]) -> String {
    let item = |(at, code): (usize, &&str)| {
        let values =
            fields.iter().enumerate().map(|(f, field)| format!("{code}-{field}={}.{:02}", number % 90 + at, f * 7));
        format!("{},{code}-Flag=N", values.collect::<Vec<_>>().join(","))
    };
    codes.iter().enumerate().map(item).collect::<Vec<_>>().join(";")
}

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

fn frames(round: usize) -> Vec<Vec<u8>> {
    (0..FRAMES)
        .map(|number| {
            let mut raw = Vec::new();
            write::frame(&mut raw, |out| out.extend_from_slice(&segment(number, round)));
            raw
        })
        .collect()
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
