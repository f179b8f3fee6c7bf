//! Floods of bytes that are no frames, over real sockets into the real process: memory stays flat, nothing panics, and good frames
//! between them are answered. `HJ212_LONG=1` sends 1 GB of each kind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gateway::Gateway;
use hj212::write;
use hj212_simulator as sim;

const MN: &str = "021200000000000000000001";

/// Repeatable bytes: xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn random(&mut self, out: &mut Vec<u8>, length: usize) {
        while out.len() < length {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
    }

    /// Frames, each with a few bytes changed, left out or doubled.
    fn mutated(&mut self, out: &mut Vec<u8>, length: usize) {
        let mut number = 0;
        while out.len() < length {
            number += 1;
            let mut frame = upload(number);
            for _ in 0..1 + self.next() % 4 {
                let at = usize::try_from(self.next() >> 16).unwrap_or(0) % frame.len().max(1);
                if frame.len() < 2 {
                    break;
                }
                match self.next() % 4 {
                    0 => frame[at] = self.next().to_le_bytes()[0],
                    1 => drop(frame.remove(at)),
                    2 => frame.insert(at, b'#'),
                    _ => frame.truncate(at.max(1)),
                }
            }
            out.append(&mut frame);
        }
    }
}

fn upload(number: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    let (time, millis) = (number / 1000 % 240_000, number % 1000);
    let segment = format!(
        "QN=20261123{time:06}{millis:03};ST=31;CN=2011;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20261123{time:06};a21026-Rtd=7.0,a21026-Flag=N&&"
    );
    write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
    frame
}

/// Whether a good frame is answered on a new connection.
fn answered(gateway: &Gateway, number: u32) -> bool {
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(&upload(number)).unwrap();
    let mut answer = [0; 256];
    stream.read(&mut answer).is_ok_and(|read| read > 0)
}

#[test]
fn floods_of_garbage_leave_memory_flat_and_others_unharmed() {
    let size: usize = if gateway::long() { 1 << 30 } else { 24 << 20 };
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    // Limits that would end the flood early are lifted; what is kept of it still is limited.
    let mut gateway = Gateway::new(
        &options,
        gateway::free_port(),
        "keep_size = \"32MiB\"\n[stations]\nfiles = [\"stations.toml\"]\n",
    );
    let path = gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[mqtt]", "noise_max = \"1TiB\"\n[mqtt]")).unwrap();
    gateway.start();
    assert!(answered(&gateway, 1));
    let mut noise = Noise(0x5eed);
    for (name, kind) in [("random", Noise::random as fn(&mut Noise, &mut Vec<u8>, usize)), ("mutated", Noise::mutated)]
    {
        let begun = Instant::now();
        let (mut sent, mut first, mut most) = (0, 0, 0);
        let mut stream = TcpStream::connect(gateway.listen).unwrap();
        let mut reader = stream.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        while sent < size {
            let mut piece = Vec::new();
            kind(&mut noise, &mut piece, 1 << 20);
            stream
                .write_all(&piece)
                .unwrap_or_else(|error| panic!("{name} after {sent} bytes: {error}\n{}", gateway.log()));
            sent += piece.len();
            let memory = gateway.memory();
            if sent <= 4 << 20 {
                first = memory;
            }
            most = most.max(memory);
        }
        assert!(answered(&gateway, 2), "a good frame beside the {name} flood");
        assert!(most < first + (48 << 20), "memory grew from {first} to {most} bytes");
        let rate = sent as f64 / begun.elapsed().as_secs_f64() / 1e6;
        println!("{name}: {} MiB at {rate:.0} MB/s, memory {} to {} KiB", sent >> 20, first >> 10, most >> 10);
    }
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    let (_, well) = gateway.stop();
    assert!(well);
}
