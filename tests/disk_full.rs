//! A real file system that is full: no answer while it is, nothing answered lost, all well again within 5 s of room.
//!
//! The gateway runs in a mount namespace of its own with a small tmpfs for its journal; the test reaches into it by
//! `/proc/PID/root`. Where the system allows no namespaces the test says so and passes, unless `NAMESPACES_REQUIRED` is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gateway::Gateway;
use hj212::write;
use hj212_simulator as sim;

const MN: &str = "021200000000000000000001";

fn namespaces() -> bool {
    let tried = std::process::Command::new("unshare").args(["--mount", "--map-root-user", "true"]).output();
    let allowed = tried.is_ok_and(|done| done.status.success());
    assert!(allowed || std::env::var_os("NAMESPACES_REQUIRED").is_none(), "mount namespaces are not allowed here");
    if !allowed {
        eprintln!("mount namespaces are not allowed here: nothing tested");
    }
    allowed
}

fn upload(number: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    let padding = "w01001-Rtd=7.0,w01001-Flag=N;".repeat(25);
    let segment = format!(
        "QN=20261123{:06}{:03};ST=31;CN=2011;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20261123{:06};{padding}&&",
        number / 1000,
        number % 1000,
        number % 240_000
    );
    write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
    frame
}

/// Sends one frame and says whether it is answered in time.
fn answered(stream: &mut TcpStream, number: u32, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(&upload(number)).unwrap();
    let mut answer = [0; 512];
    stream.read(&mut answer).is_ok_and(|read| read > 0)
}

#[test]
fn a_full_disk_means_silence_and_room_means_answers() {
    if !namespaces() {
        return;
    }
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let mut gateway = Gateway::new(&options, gateway::free_port(), "");
    std::fs::create_dir(gateway.journal()).unwrap();
    gateway.start_in("mount -t tmpfs -o size=4m tmpfs journal");
    let inside =
        PathBuf::from(format!("/proc/{}/root", gateway.pid())).join(gateway.journal().strip_prefix("/").unwrap());
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    let mut kept = Vec::new();
    let mut number = 0;
    let full = loop {
        number += 1;
        if answered(&mut stream, number, Duration::from_millis(500)) {
            kept.push(number);
        } else {
            break number;
        }
        assert!(number < 20_000, "the disk never fills");
    };
    assert!(kept.len() > 1000, "only {} frames fitted", kept.len());
    for _ in 0..3 {
        assert!(!answered(&mut stream, full, Duration::from_millis(300)), "an answer although the disk is full");
    }
    assert!(gateway.log().contains("full"), "{}", gateway.log());

    // Room: another's file on the same file system would be removed; here the file system grows.
    let grown = std::process::Command::new("nsenter")
        .args(["-t", &gateway.pid().to_string(), "-m", "-U", "--preserve-credentials"])
        .args(["mount", "-o", "remount,size=24m"])
        .arg(gateway.journal())
        .output()
        .unwrap();
    assert!(grown.status.success(), "{}", String::from_utf8_lossy(&grown.stderr));
    let room = Instant::now();
    while !answered(&mut stream, full, Duration::from_millis(200)) {
        assert!(room.elapsed() < Duration::from_secs(60), "no answer a minute after there was room");
    }
    kept.push(full);

    // The journal holds everything that was answered.
    let (code, dump, said) =
        gateway::run(&["journal", "dump", "--dir", inside.to_str().unwrap()], gateway.folder.path());
    assert_eq!(code, 0, "{said}");
    let stored: HashSet<&str> = dump.split("QN=").skip(1).map(|rest| rest.split(';').next().unwrap()).collect();
    for number in kept {
        let qn = format!("20261123{:06}{:03}", number / 1000, number % 1000);
        assert!(stored.contains(qn.as_str()), "answered and not there: {qn}");
    }
}
