//! What a registered station takes in memory after an hour of its data, held against a bound, so that growth is noticed.
//!
//! Resident pages of this process are counted; it is the only test of its program, for another would be counted with it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[path = "../../../benches/corpus/records.rs"]
mod records;

use hj212::Deviations;
use hj212_interpret::{Interpreter, Settings};
use hj212_model::message::{Heard, Peering, Record, Timestamp};
use records::{STATIONS, facts, minute, mn};
use sha2::{Digest, Sha256};

/// 2026-06-01T00:00:00+08:00
const START: i64 = 1_780_243_200_000_000;

/// Bytes that a station takes by what it says, its rules included: 42,700 measured, 120,000 when each station had its rules for itself.
const STATION_BYTES_MAX: usize = 48 << 10;

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
#[cfg(target_os = "linux")]
fn a_station_that_is_registered_with_all_there_is_takes_no_more_than_its_share() {
    let mut interpreter = Interpreter::new(Settings::default());
    let stations: serde_json::Map<_, _> = (0..STATIONS).map(|station| (mn(station), facts(station))).collect();
    let json = serde_json::json!({ "stations": stations, "factors": {} }).to_string().into_bytes();
    let hash = Sha256::digest(&json).into();
    let context = Record::Context { hash, part: 0, parts: 1, json: &json };
    interpreter.on_record(0, Timestamp(START), &[7; 32], &context, &mut Vec::new());
    let registered = resident();
    let from = Peering { connection: 1, peer: "10.0.0.1:1000".parse().unwrap() };
    for number in 0..60 {
        let time = Timestamp(START + i64::try_from(number).unwrap() * 60_000_000);
        for raw in (0..STATIONS).flat_map(|station| minute(station, number)) {
            let segment = &raw[6..raw.len() - 6];
            let heard = Heard { from, deviations: Deviations::NONE, segment, raw: &raw };
            interpreter.on_record(1, time, &[7; 32], &Record::Frame(heard), &mut Vec::new());
        }
    }
    let each = resident().saturating_sub(registered) / STATIONS;
    println!("{each} bytes a station");
    assert!(each < STATION_BYTES_MAX, "{each} bytes a station");
}
