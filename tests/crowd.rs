//! Many stations, and slow or silent connections beside them: answers stay quick, memory stays small.
//!
//! `HJ212_LONG=1`: 5,000 stations at 30 s for ten minutes beside 10,000 bad connections; build with `--release` for that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::time::Duration;

use gateway::Gateway;
use hj212_simulator as sim;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

/// How large the crowd is.
struct Size {
    stations: u32,
    bad: u32,
    interval: Duration,
    duration: Duration,
}

/// A connection that says nothing, or one byte of a frame every now and then.
async fn bad(number: u32, listen: std::net::SocketAddr, stop: CancellationToken) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2 + u8::try_from(number % 4).unwrap()], 0).into()).unwrap();
    let Ok(mut stream) = socket.connect(listen).await else { return };
    let frame = b"##0150QN=20261123104000001;ST=31;CN=2011;PW=123456;MN=";
    for byte in frame.iter().cycle() {
        let pause = tokio::time::sleep(Duration::from_secs(3));
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause => {}
        }
        if number.is_multiple_of(2) && stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Seconds of processor time of process `pid`.
fn processor(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Runs stations beside `bad_count` bad connections and gives the 99th percentile of answer times.
async fn measured(size: &Size, bad_count: u32) -> Duration {
    let mut options = sim::Options {
        stations: size.stations,
        interval: size.interval,
        duration: size.duration,
        speed: Some(1.0),
        ..sim::Options::default()
    };
    let mut gateway = Gateway::new(&options, gateway::free_port(), "");
    gateway.start();
    options.connect = gateway.listen.to_string();
    let stop = CancellationToken::new();
    let crowd: Vec<_> = (0..bad_count).map(|n| tokio::spawn(bad(n, gateway.listen, stop.clone()))).collect();
    let idle = gateway.memory();
    let begun = processor(gateway.pid());
    let summary = sim::run(options, CancellationToken::new(), |_| {}).await.unwrap();
    stop.cancel();
    let used = processor(gateway.pid()) - begun;
    println!(
        "{} stations, {bad_count} bad connections: {} answered, p50 {:?}, p99 {:?}, max {:?}; memory {} to {} KiB, processor {used:.1} s of {:?}",
        size.stations,
        summary.counts.acked,
        Duration::from_micros(summary.answer_micros.p50),
        Duration::from_micros(summary.answer_micros.p99),
        Duration::from_micros(summary.answer_micros.max),
        idle / 1024,
        gateway.memory() / 1024,
        size.duration
    );
    assert_eq!(summary.counts.sent, summary.counts.acked, "{summary}");
    assert!(gateway.memory() < 400 << 20, "memory: {}", gateway.memory());
    for task in crowd {
        task.await.unwrap();
    }
    Duration::from_micros(summary.answer_micros.p99)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_connections_beside_a_crowd_change_nothing() {
    let seconds = Duration::from_secs;
    let size = match gateway::long() {
        true => Size { stations: 5_000, bad: 10_000, interval: seconds(30), duration: seconds(600) },
        false => Size { stations: 300, bad: 600, interval: seconds(2), duration: seconds(8) },
    };
    let beside = measured(&size, size.bad).await;
    let alone = measured(&Size { duration: size.duration.min(seconds(120)), ..size }, 0).await;
    // On a busy machine the crowd alone waits as well; what is measured is what the others cost it.
    let most = Duration::from_millis(100).max(alone * 4 + Duration::from_millis(200));
    assert!(beside < most, "p99 {beside:?} beside the bad connections, {alone:?} alone");
    println!("p99 {beside:?} beside the bad connections, {alone:?} alone");
}
