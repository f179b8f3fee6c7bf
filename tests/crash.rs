//! `kill -9` at random moments, the broker losing its memory in between: every packet that was answered is published, none altered.
//!
//! The simulator's ledger says what was answered. The journal must hold those very bytes (CRC-32 of the segment), the broker must
//! have acknowledged a message of each record, and a replay of the journal into another broker must give the same messages as were
//! published live, byte for byte. `HJ212_LONG=1` kills 100 times.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::{Answered, Gateway, ledger};
use hj212::Edition;
use hj212_journal::{self as journal, Offset, OsDisk, ReadItem};
use hj212_model::message::Record;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker, Message};
use tokio_util::sync::CancellationToken;

/// Small and repeatable: xorshift.
struct SeededRandom(u64);

impl SeededRandom {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

async fn broker(address: SocketAddr) -> Broker {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        match Broker::start_with(address, Behaviour { record: true, ..Behaviour::default() }).await {
            Ok(broker) => return broker,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A data message's record, as the ledger names it.
fn named(message: &Message) -> Option<(String, String, String)> {
    let body: serde_json::Value = serde_json::from_slice(&message.payload).ok()?;
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    let time: String = text("data_time")?.chars().filter(char::is_ascii_digit).take(14).collect();
    Some((text("mn")?, text("cn")?, time))
}

/// The CRC-32 of every segment that the journal holds.
fn journalled(gateway: &Gateway) -> HashSet<u32> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut reader = journal::Reader::open(Arc::new(OsDisk), &gateway.journal(), Offset(0)).unwrap();
    let mut found = HashSet::new();
    while let Some(item) = reader.next().unwrap() {
        let ReadItem::Record(stored) = item else { panic!("records are missing") };
        if let Record::Frame(heard) = Record::decode(stored.kind, stored.body).unwrap() {
            found.insert(crc.checksum(heard.segment));
        }
    }
    found
}

/// All messages but the gateway's own status, each once.
fn said(messages: &[Message]) -> BTreeSet<(String, Vec<u8>)> {
    let of_stations = messages.iter().filter(|message| !message.topic.ends_with("/status"));
    of_stations.map(|message| (message.topic.clone(), message.payload.to_vec())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_packet_is_published_however_often_the_gateway_is_killed() {
    let kills: u64 = if gateway::long() { 100 } else { 12 };
    let folder = tempfile::tempdir().unwrap();
    let mut options = sim::Options {
        stations: 30,
        interval: Duration::from_millis(250),
        duration: Duration::from_millis(700 * kills + 2000),
        edition: vec![Edition::V2005, Edition::V2017, Edition::V2025],
        answer_timeout: Duration::from_millis(500),
        reconnect_min: Duration::from_millis(20),
        reconnect_max: Duration::from_millis(100),
        keep: 100_000,
        pace: Duration::from_millis(2),
        ledger: Some(folder.path().join("ledger")),
        ..sim::Options::default()
    };
    let address: SocketAddr = ([127, 0, 0, 1], gateway::free_port()).into();
    let mut live = broker(address).await;
    let mut gateway = Gateway::in_folder(folder, &options, address.port(), "[uplink]\ncheckpoint_every = 500\n");
    options.connect = gateway.listen.to_string();
    let simulated = tokio::spawn(sim::run(options.clone(), CancellationToken::new(), |_| {}));

    let mut rng = SeededRandom(0x5eed);
    let mut published = Vec::new();
    gateway.start();
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(100 + rng.below(700))).await;
        gateway.kill();
        if kill % 3 == 2 {
            published.extend(live.received());
            live.stop().await;
            live = broker(address).await;
        }
        gateway.start();
    }
    let summary = simulated.await.unwrap().unwrap();
    let answered = ledger(&gateway.path("ledger"));
    assert!(answered.len() as u64 > kills * 20, "only {} packets were answered", answered.len());

    let wanted: BTreeSet<_> = answered.iter().map(|a| (a.mn.clone(), a.cn.clone(), a.data_time.clone())).collect();
    let until = Instant::now() + Duration::from_secs(60);
    let missing = loop {
        let mut all = published.clone();
        all.extend(live.received());
        let there: BTreeSet<_> = all.iter().filter_map(named).collect();
        let missing: Vec<_> = wanted.difference(&there).cloned().collect();
        if missing.is_empty() || Instant::now() > until {
            break missing;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(missing.is_empty(), "{} of {} answered and never published: {missing:?}", missing.len(), wanted.len());
    let (took, well) = gateway.stop();
    assert!(well && took < Duration::from_secs(15), "the stop took {took:?}");
    published.extend(live.received());
    live.stop().await;

    let held = journalled(&gateway);
    let altered: Vec<&Answered> = answered.iter().filter(|a| !held.contains(&a.crc32)).collect();
    assert!(altered.is_empty(), "answered and not in the journal as sent: {altered:?}");
    let (code, out, err) = gateway::run(&["journal", "verify", "--dir", "journal"], gateway.folder.path());
    assert_eq!(code, 0, "{out}{err}");

    let other = broker(([127, 0, 0, 1], 0).into()).await;
    let to = other.address().to_string();
    let folder = gateway.folder.path().to_owned();
    let replayed = tokio::task::spawn_blocking(move || {
        gateway::run(&["replay", "--config", "gateway.toml", "--to", &to], &folder)
    });
    let (code, out, err) = replayed.await.unwrap();
    assert_eq!(code, 0, "{out}{err}");
    let (live, again) = (said(&published), said(&other.received()));
    let only_live: Vec<_> = live.difference(&again).take(3).collect();
    let only_again: Vec<_> = again.difference(&live).take(3).collect();
    let texts =
        |few: &[&(String, Vec<u8>)]| few.iter().map(|m| String::from_utf8_lossy(&m.1).into_owned()).collect::<Vec<_>>();
    assert!(only_live.is_empty(), "published, and not by the replay: {:#?}", texts(&only_live));
    assert!(only_again.is_empty(), "by the replay alone: {:#?}", texts(&only_again));

    let mut times: BTreeMap<_, u64> = BTreeMap::new();
    published.iter().for_each(|m| *times.entry((&m.topic, &m.payload)).or_default() += 1);
    let twice: u64 = times.values().map(|n| n - 1).sum();
    println!(
        "{kills} kills: {} packets answered, {} messages published, {twice} of them again; {} resent by stations",
        answered.len(),
        published.len(),
        summary.counts.resent
    );
}
