//! What a record costs from the journal to its JSON: `records plain|rules|full [ROUNDS]`, run by `benches/instructions`; and what a station takes:
//! `records memory`.
//!
//! Each round is 2,000 frames of 200 stations, a minute after the round before. `plain`: no rule in force; `rules`: the rules built in; `full`: those, and
//! stations that are registered with all there is. Three rounds come before what is counted: what is learned is learned then.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench speaks plainly"
)]

#[path = "../../../benches/corpus/records.rs"]
mod records;

use std::hint::black_box;
use std::time::{Duration, Instant};

use hj212::Deviations;
use hj212_interpret::{Interpreter, Settings};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use records::{FRAMES, STATIONS, facts, frames, minute, mn};
use sha2::{Digest, Sha256};

/// 2026-06-01T00:00:00+08:00
const START: i64 = 1_780_243_200_000_000;
const WARM: usize = 3;

fn context(mode: &str) -> serde_json::Value {
    // Signals are names only: a book with no rule in it.
    let names = include_str!("../../../config/marking/signals.toml");
    let rules = if mode == "plain" { serde_json::json!({ "signals.toml": names }) } else { serde_json::json!({}) };
    let stations: serde_json::Map<_, _> = match mode {
        "full" | "memory" => (0..STATIONS).map(|station| (mn(station), facts(station))).collect(),
        _ => serde_json::Map::new(),
    };
    serde_json::json!({ "stations": stations, "factors": {}, "rules": rules })
}

fn round(interpreter: &mut Interpreter, frames: &[Vec<u8>], round: usize) -> (usize, usize) {
    let from = Peering { connection: 1, peer: "10.0.0.1:1000".parse().unwrap() };
    let time = Timestamp(START + round as i64 * 60_000_000);
    let (mut out, mut all) = (Vec::new(), (0, 0));
    for (number, raw) in frames.iter().enumerate() {
        let segment = &raw[6..raw.len() - 6];
        let heard = Heard { from, deviations: Deviations::NONE, segment, raw };
        let offset = (round * FRAMES + number) as u64 + 1;
        interpreter.on_record(offset, time, &[7; 32], &Record::Frame(heard), &mut out);
        if out.len() >= 64 {
            all = (all.0 + out.len(), all.1 + out.iter().map(|p| p.payload.len()).sum::<usize>());
            out.clear();
        }
    }
    (all.0 + out.len(), all.1 + out.iter().map(|p| p.payload.len()).sum::<usize>())
}

/// What is counted: callgrind is told its name.
#[inline(never)]
fn counted(interpreter: &mut Interpreter, frames: &[Vec<u8>], number: usize) -> (usize, usize) {
    black_box(round(interpreter, frames, number))
}

/// Resident bytes of the process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// What each of the stations takes when it is registered, and after an hour of its data.
fn memory(interpreter: &mut Interpreter) {
    let from = Peering { connection: 1, peer: "10.0.0.1:1000".parse().unwrap() };
    let registered = resident();
    for number in 0..60 {
        let time = Timestamp(START + number as i64 * 60_000_000);
        for raw in (0..STATIONS).flat_map(|station| minute(station, number)) {
            let segment = &raw[6..raw.len() - 6];
            let heard = Heard { from, deviations: Deviations::NONE, segment, raw: &raw };
            interpreter.on_record(1, time, &[7; 32], &Record::Frame(heard), &mut Vec::new());
        }
    }
    let after = resident();
    let stored = interpreter.snapshot().len();
    println!("{} bytes a station, {} of a checkpoint", (after - registered) / STATIONS, stored / STATIONS);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_else(|| "rules".to_owned());
    let rounds: usize = arguments.next().map_or(3, |rounds| rounds.parse().unwrap());
    let mut interpreter = Interpreter::new(Settings::default());
    let json = context(&mode).to_string().into_bytes();
    let hash = Sha256::digest(&json).into();
    let record = Record::Context { hash, part: 0, parts: 1, json: &json };
    let done = interpreter.on_record(0, Timestamp(START), &[7; 32], &record, &mut Vec::new());
    assert_eq!((done.contexts_broken, done.rules_refused), (0, 0));
    if mode == "memory" {
        return memory(&mut interpreter);
    }
    let (mut spent, mut said) = (Duration::ZERO, (0, 0));
    for number in 0..WARM + rounds {
        let frames = frames(number);
        if number < WARM {
            round(&mut interpreter, &frames, number);
            continue;
        }
        let begun = Instant::now();
        let new = counted(&mut interpreter, &frames, number);
        spent += begun.elapsed();
        said = (said.0 + new.0, said.1 + new.1);
    }
    let records = rounds * FRAMES;
    let second = records as f64 / spent.as_secs_f64();
    eprintln!("{mode}: {records} records, {} messages of {} bytes in all, {second:.0} records/s", said.0, said.1);
    println!("{records}");
}
