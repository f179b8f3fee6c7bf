//! The cursor stays behind the broker's acknowledgements, the checkpoint behind the cursor: what was answered while the broker was away
//! or took without acknowledging is published after `kill -9`, and no file beside the journal claims more than was delivered.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::Gateway;
use gateway::scene::Station;
use hj212_gateway::gateway::derived::Derived;
use hj212_journal::{self as journal, OsDisk};
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};

const FRAMES: u64 = 60;
/// Generous: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a faulty cursor is given to move. Too short under load, it hides a fault; it never fails a good gateway.
const SUSPICION: Duration = Duration::from_millis(500);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn broker(address: SocketAddr, behaviour: Behaviour) -> Broker {
    let until = Instant::now() + PATIENCE;
    loop {
        match Broker::start_with(address, Behaviour { record: true, ..behaviour.clone() }).await {
            Ok(broker) => return broker,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends the frames `from..to`, a minute apart each, and waits for their answers.
fn say(station: &mut Station, from: u64, to: u64) {
    for number in from..to {
        let minute = format!("20261123{:02}{:02}00", number / 60, number % 60);
        station.say(
            &format!("{minute}001"),
            "31",
            2051,
            5,
            &format!("DataTime={minute};a21026-Avg={number}.5,a21026-Flag=N"),
        );
        let answer = station.hear(PATIENCE).expect("an answer");
        assert!(answer.contains("CN=9014"), "{answer}");
    }
}

/// Which of the frames the broker has accepted.
fn published(broker: &Broker) -> BTreeSet<u64> {
    let bodies = broker.received().into_iter().filter(|message| message.topic.contains("/data/"));
    let numbers = bodies.filter_map(|message| {
        let body: serde_json::Value = serde_json::from_slice(&message.payload).ok()?;
        let time: String = body["data_time"].as_str()?.chars().filter(char::is_ascii_digit).take(12).collect();
        Some(time[8..10].parse::<u64>().ok()? * 60 + time[10..12].parse::<u64>().ok()?)
    });
    numbers.collect()
}

fn wait_until(what: &str, gateway: &Gateway, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The files beside the journal in `dir`: what the cursor says, and the newest checkpoint.
fn claimed(dir: &Path) -> (u64, u64) {
    let id = journal::id(&OsDisk, dir).unwrap().unwrap();
    let derived = Derived::new(Arc::new(OsDisk), dir.to_owned(), id);
    let names = std::fs::read_dir(dir).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let states = names.filter_map(|name| name.strip_prefix("state-")?.parse().ok());
    (derived.cursor().0, states.max().unwrap_or(0))
}

fn made(port: u16) -> (Gateway, Station) {
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let more = "[uplink]\ncursor_every = \"20ms\"\ncheckpoint_every = 10\n";
    let mut gateway = Gateway::new(&options, port, more);
    gateway.start();
    let stations: toml::Table = std::fs::read_to_string(gateway.path("stations.toml")).unwrap().parse().unwrap();
    let station = &stations["station"][0];
    let pw = station.get("pw").map_or("123456", |pw| pw.as_str().unwrap());
    let connected = Station::connect(gateway.listen, station["mn"].as_str().unwrap(), pw);
    (gateway, connected)
}

#[test]
fn what_was_answered_without_a_broker_is_published_after_a_kill() {
    let (runtime, port) = (runtime(), gateway::free_port());
    let (mut gateway, mut station) = made(port);
    say(&mut station, 0, FRAMES);
    // Time for a cursor that would move although nobody has acknowledged anything.
    std::thread::sleep(SUSPICION);
    gateway.kill();
    let (cursor, checkpoint) = claimed(&gateway.journal());
    assert_eq!(checkpoint, 0, "a checkpoint without a delivery");
    assert!(
        cursor < 12,
        "{cursor}: only the start, the clock and the registry, which are not published, are behind it"
    );
    let live = runtime.block_on(broker(([127, 0, 0, 1], port).into(), Behaviour::default()));
    gateway.start();
    let all: BTreeSet<u64> = (0..FRAMES).collect();
    wait_until("not everything is published", &gateway, || published(&live) == all);
}

#[test]
fn what_the_broker_took_and_did_not_acknowledge_is_published_again_and_no_checkpoint_is_ahead_of_the_cursor() {
    let runtime = runtime();
    let honest = runtime.block_on(broker(([127, 0, 0, 1], 0).into(), Behaviour::default()));
    let address = honest.address();
    let (mut gateway, mut station) = made(address.port());
    say(&mut station, 0, FRAMES / 2);
    wait_until("the first half is not delivered", &gateway, || claimed(&gateway.journal()).0 >= FRAMES / 2);
    honest.behave(Behaviour { record: true, withhold_every: Some(1), ..Behaviour::default() });
    honest.drop_connections();
    say(&mut station, FRAMES / 2, FRAMES);
    // Time for a cursor or a checkpoint that would move although nobody has acknowledged anything.
    std::thread::sleep(SUSPICION);
    gateway.kill();
    let (cursor, checkpoint) = claimed(&gateway.journal());
    assert!(checkpoint > 0, "checkpoints were due");
    assert!(checkpoint <= cursor, "the checkpoint {checkpoint} is ahead of the cursor {cursor}");
    runtime.block_on(honest.stop());
    // The broker has forgotten what it never acknowledged.
    let live = runtime.block_on(broker(address, Behaviour::default()));
    gateway.start();
    let second: BTreeSet<u64> = (FRAMES / 2..FRAMES).collect();
    wait_until("what was not acknowledged is not published again", &gateway, || published(&live).is_superset(&second));
}
