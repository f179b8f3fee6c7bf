//! The whole way of a frame on loopback: socket → journal → answer beside a plain server that stores nothing, and journal → MQTT beside a bare
//! client. One iteration is one frame on each of [`CONNECTIONS`] connections, one in flight on each; sender, server and disk share
//! the machine, as they do in both forms.

#![allow(missing_docs, reason = "no library")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should not")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hj212::write::{self, Answer, AnswerBody};
use hj212::{Edition, Item, Limits, Peer, packet, scan};
use hj212_gateway::config::{Config, Loaded};
use hj212_gateway::gateway::Running;
use hj212_model::registry::{self, Unknown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, mpsc};
use tokio_util::sync::CancellationToken;

const CONNECTIONS: usize = 1000;

fn mn(number: usize) -> String {
    format!("0212{number:020}")
}

/// A realtime record of twelve factors, about 500 bytes.
fn upload(station: usize, number: u64) -> Vec<u8> {
    let mut frame = Vec::new();
    let factors: String =
        (0..12).map(|f| format!(";a210{f:02}-Rtd={}.{:02},a210{f:02}-Flag=N", 10 + f, number % 100)).collect();
    let seconds = number % 86_400;
    let time = format!("{:02}{:02}{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let day = 20_261_001 + number / 86_400;
    let segment = format!(
        "QN={day}{time}{:03};ST=31;CN=2011;PW=123456;MN={};Flag=5;CP=&&DataTime={day}{time}{factors}&&",
        station % 1000,
        mn(station)
    );
    write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
    frame
}

/// What the field's servers do at best: read, scan, answer.
async fn plain(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut buffer = BytesMut::with_capacity(4096);
            while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
                let mut answers = Vec::new();
                loop {
                    let step = scan(&buffer, Peer::Sending, &Limits::default());
                    let used = step.used;
                    if let Some(Item::Frame(frame)) = step.item {
                        let header = packet::parse(frame.segment);
                        let body = AnswerBody::Echo { of: 2011 };
                        let (qn, pw, mn) = (header.qn, header.pw, header.mn);
                        Answer { edition: Edition::V2017, cn: 9014, qn, pw, mn, body, flag: None, first: None }
                            .frame(&mut answers);
                    }
                    if used == 0 {
                        break;
                    }
                    bytes::Buf::advance(&mut buffer, used);
                }
                stream.write_all(&answers).await.unwrap();
            }
        });
    }
}

/// Connections that wait to send a number of frames each.
struct Crowd {
    orders: Vec<mpsc::Sender<(u64, Arc<Barrier>)>>,
    sent: u64,
}

impl Crowd {
    async fn dial(address: SocketAddr) -> Crowd {
        let mut orders = Vec::new();
        for station in 0..CONNECTIONS {
            let (order, mut ordered) = mpsc::channel::<(u64, Arc<Barrier>)>(1);
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let (mut number, mut answer) = (0, [0; 512]);
                while let Some((count, done)) = ordered.recv().await {
                    for _ in 0..count {
                        number += 1;
                        stream.write_all(&upload(station, number)).await.unwrap();
                        let mut read = 0;
                        while read < 12 || &answer[read - 2..read] != b"\r\n" {
                            read += stream.read(&mut answer[read..]).await.unwrap();
                            assert!(read > 0, "the server has closed the connection");
                        }
                    }
                    done.wait().await;
                }
            });
            orders.push(order);
        }
        Crowd { orders, sent: 0 }
    }

    /// Each connection sends `count` frames, one after the other's answer.
    async fn send(&mut self, count: u64) -> Duration {
        let begun = Instant::now();
        let done = Arc::new(Barrier::new(CONNECTIONS + 1));
        for order in &self.orders {
            order.send((count, Arc::clone(&done))).await.unwrap();
        }
        done.wait().await;
        self.sent += count * CONNECTIONS as u64;
        begun.elapsed()
    }
}

fn loaded(folder: &std::path::Path, mqtt: u16) -> Loaded {
    let mut config = Config::default();
    config.listen.address = vec!["127.0.0.1:0".into()];
    config.journal.dir = folder.join("journal");
    config.http.address = String::new();
    config.mqtt.port = mqtt;
    config.mqtt.client_id = format!("bench-{}", std::process::id());
    let stations: String = (0..CONNECTIONS).map(|n| format!("[[station]]\nmn = \"{}\"\n", mn(n))).collect();
    let registry = registry::load(&[("stations".into(), stations)], Unknown::Reject).unwrap();
    Loaded {
        alerts: Default::default(),
        leads: Default::default(),
        scores: Default::default(),
        config,
        registry,
        factors: Default::default(),
        rules: Default::default(),
        station_files: Vec::new(),
        keys: Vec::new(),
    }
}

/// A real broker, if there is one on this machine.
struct Mosquitto(Child, u16, #[allow(dead_code, reason = "it lives as long as the broker")] tempfile::TempDir);

impl Mosquitto {
    fn start() -> Option<Mosquitto> {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 1000\nuser root\n"
        );
        std::fs::write(&config, text).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("mosquitto");
        command.env("PATH", path).arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().ok()?;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Mosquitto(child, port, folder))
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut group = c.benchmark_group("end_to_end");
    group.throughput(Throughput::Elements(CONNECTIONS as u64)).sample_size(10).measurement_time(Duration::from_secs(6));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(plain(listener));
    let mut crowd = runtime.block_on(Crowd::dial(address));
    group.bench_function("plain server, nothing stored", |b| {
        b.iter_custom(|count| runtime.block_on(crowd.send(count)));
    });
    drop(crowd);

    for (name, desk) in
        [("gateway, on disk before the answer", false), ("gateway with the command desk listening", true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        // Nobody listens on port 1: the backlog grows, as on a night without a broker.
        let mut loaded = loaded(folder.path(), 1);
        loaded.config.command.enabled = desk;
        let gateway = runtime.block_on(Running::start(loaded, stop.clone())).unwrap();
        let mut crowd = runtime.block_on(Crowd::dial(gateway.addresses()[0]));
        group.bench_function(name, |b| {
            b.iter_custom(|count| runtime.block_on(crowd.send(count)));
        });
        drop(crowd);
        stop.cancel();
        runtime.block_on(gateway.finish()).unwrap();
    }
    group.finish();
}

/// Waits until the gateway has published all that it has.
async fn published(gateway: &Running, records: u64) {
    use std::sync::atomic::Ordering::Relaxed;
    while gateway.progress().delivered.load(Relaxed) < records {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The client alone: the same bodies with the same window, no journal, no interpretation.
async fn bare_client(port: u16, count: u64, payload: &[u8]) -> Duration {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let mut options = MqttOptions::new("bare", "127.0.0.1", port);
    options.set_outgoing_inflight_upper_limit(256).set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 256);
    let payload = bytes::Bytes::copy_from_slice(payload);
    let begun = Instant::now();
    tokio::spawn(async move {
        for _ in 0..count {
            client.publish("hj212/v1/bare/data/realtime", QoS::AtLeastOnce, false, payload.clone()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut acknowledged = 0;
    while acknowledged < count {
        if let Event::Incoming(rumqttc::v5::Incoming::PubAck(_)) = events.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    begun.elapsed()
}

fn uplink(c: &mut Criterion) {
    let Some(broker) = Mosquitto::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    const RECORDS: u64 = 50_000;
    let folder = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let gateway = runtime.block_on(Running::start(loaded(folder.path(), 1), stop.clone())).unwrap();
    let mut crowd = runtime.block_on(Crowd::dial(gateway.addresses()[0]));
    runtime.block_on(crowd.send(RECORDS / CONNECTIONS as u64));
    stop.cancel();
    drop(crowd);
    runtime.block_on(gateway.finish()).unwrap();

    let mut group = c.benchmark_group("uplink");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10).measurement_time(Duration::from_secs(8));
    let body = vec![b'x'; 2000];
    group.bench_function(BenchmarkId::new("bare client, 2000-byte bodies", RECORDS), |b| {
        b.iter_custom(|times| (0..times).map(|_| runtime.block_on(bare_client(broker.1, RECORDS, &body))).sum());
    });
    group.bench_function(BenchmarkId::new("journal to acknowledged message", RECORDS), |b| {
        b.iter_custom(|times| {
            let once = || {
                // The cursor goes back to the beginning: everything is published again.
                for file in std::fs::read_dir(folder.path().join("journal")).unwrap().flatten() {
                    let name = file.file_name().to_string_lossy().into_owned();
                    if name == "cursor" || name.starts_with("state-") {
                        std::fs::remove_file(file.path()).unwrap();
                    }
                }
                let stop = CancellationToken::new();
                let begun = Instant::now();
                let gateway = runtime.block_on(Running::start(loaded(folder.path(), broker.1), stop.clone())).unwrap();
                runtime.block_on(published(&gateway, RECORDS));
                let took = begun.elapsed();
                stop.cancel();
                runtime.block_on(gateway.finish()).unwrap();
                took
            };
            (0..times).map(|_| once()).sum()
        });
    });
    group.finish();
}

criterion_group!(end_to_end, answers, uplink);
criterion_main!(end_to_end);
