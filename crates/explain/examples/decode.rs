//! What `decode --json` does, without the reading of options: `decode FRAMES FILE` writes so many day records to the file, `decode FILE` explains a
//! file to standard output. Run by `benches/instructions decode`.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a bench speaks plainly")]

use std::io::Write;
use std::time::Instant;

use hj212::{Item, write};
use hj212_explain::{self as explain, Desk};
use hj212_model::message::Timestamp;

/// A day record of HJ 212-2017: four factors with Cou, Min, Avg, Max and Flag.
fn day_record(number: usize) -> Vec<u8> {
    let (month, day, station) = (1 + number / 28 % 12, 1 + number % 28, number / 336);
    let item = |(at, code): (usize, &&str)| {
        let value = |by: usize| format!("{}.{:02}", (number * by + at * 31) % 500, (number + by) % 100);
        format!(
            "{code}-Cou={},{code}-Min={},{code}-Avg={},{code}-Max={},{code}-Flag=N",
            value(7),
            value(1),
            value(2),
            value(3)
        )
    };
    let items: Vec<String> = ["a34013", "a21026", "a21002", "a00000"].iter().enumerate().map(item).collect();
    let time = format!("2026{month:02}{day:02}000000");
    let mut raw = Vec::new();
    write::frame(&mut raw, |out| {
        let head = format!("QN={time}001;ST=31;CN=2031;PW=123456;MN=010000A8900016F0{station:08X};Flag=5");
        out.extend_from_slice(format!("{head};CP=&&DataTime={time};{}&&", items.join(";")).as_bytes());
    });
    raw
}

#[inline(never)]
fn counted(bytes: &[u8], out: &mut impl Write) -> usize {
    let paste = explain::read(bytes);
    let mut desk = Desk::new(Vec::new());
    // 2026-12-31
    let now = Timestamp(1_798_646_400_000_000);
    let (mut rest, mut frames): (&[u8], usize) = (&paste.bytes, 0);
    while !rest.is_empty() {
        let step = explain::step(rest);
        rest = &rest[step.used.max(1)..];
        let Some(item) = step.item else { continue };
        frames += usize::from(matches!(item, Item::Frame(_)));
        let explained = desk.explain(&item, now);
        serde_json::to_writer(&mut *out, &explained).unwrap();
        out.write_all(b"\n").unwrap();
    }
    frames
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [frames, file] = arguments.as_slice() {
        let all: Vec<u8> = (0..frames.parse().unwrap()).flat_map(day_record).collect();
        std::fs::write(file, all).unwrap();
        return;
    }
    let bytes = std::fs::read(&arguments[0]).unwrap();
    let begun = Instant::now();
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    let frames = counted(&bytes, &mut out);
    out.flush().unwrap();
    let second = frames as f64 / begun.elapsed().as_secs_f64();
    eprintln!("{frames} frames, {second:.0} frames/s");
}
