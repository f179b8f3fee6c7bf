//! Damage that hides the registry in force while the gateway runs: the registry is journalled again, nothing is published under another one
//! meanwhile, and the damaged bytes are kept.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod gateway;

use std::time::{Duration, Instant};

use gateway::scene::Station;
use gateway::{Gateway, free_port, get, run};
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);

fn until(gateway: &Gateway, what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < end, "not seen: {what}\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn report(gateway: &Gateway, station: &mut Station, second: u32) {
    let time = format!("202611231000{second:02}");
    station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};a21026-Rtd=1.5,a21026-Flag=N"));
    assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"), "{}", gateway.log());
}

#[test]
fn a_damaged_registry_is_journalled_again_before_anything_is_published_under_another() {
    let (options, mqtt) = (sim::Options { stations: 1, ..sim::Options::default() }, free_port());
    let (mut gateway, http) = Gateway::seen(&options, mqtt, "");
    // No broker yet, and a small window: the records wait.
    let (file, rows) = (gateway.path("gateway.toml"), gateway.path("stations.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[mqtt]", "[mqtt]\nwindow = 1")).unwrap();
    let mut stations: toml::Table = std::fs::read_to_string(&rows).unwrap().parse().unwrap();
    let mut name = |name: &str| {
        let row = stations["station"][0].as_table_mut().unwrap();
        row.insert("name".into(), name.into());
        std::fs::write(&rows, stations.to_string()).unwrap();
        let row = &stations["station"][0];
        let text = |key: &str| row.get(key).and_then(toml::Value::as_str).unwrap_or("123456").to_owned();
        (text("mn"), text("pw"))
    };
    let (mn, pw) = name("Former");
    gateway.start();
    let mut station = Station::connect(gateway.listen, &mn, &pw);
    (0..10).for_each(|second| report(&gateway, &mut station, second));
    name("Present");
    let pid = rustix::process::Pid::from_raw(gateway.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    until(&gateway, "the reload", || gateway.log().contains("stations changed: 1"));
    (10..20).for_each(|second| report(&gateway, &mut station, second));

    // One bit of the changed row rots before it was read.
    let files = std::fs::read_dir(gateway.journal()).unwrap().map(|entry| entry.unwrap().path());
    let segment = files.filter(|path| path.extension().is_some_and(|end| end == "seg")).max().unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(7).rposition(|found| found == b"Present").unwrap();
    let damaged = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&damaged, &[b'p' ^ 1], at as u64).unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let behaviour = Behaviour { record: true, ..Behaviour::default() };
    let broker = runtime.block_on(Broker::start_with(([127, 0, 0, 1], mqtt).into(), behaviour)).unwrap();
    let topic = format!("hj212/v1/{mn}/data/realtime");
    let heard = || {
        let received = broker.received();
        let bodies = received.iter().filter(|message| message.topic == topic);
        let bodies = bodies.map(|message| serde_json::from_slice::<Value>(&message.payload).unwrap());
        let second = |body: &Value| -> u32 { body["data_time"].as_str().unwrap()[17..19].parse().unwrap() };
        let heard: std::collections::BTreeMap<u32, String> = bodies
            .map(|body| (second(&body), body["station"]["name"].as_str().unwrap_or("nobody").to_owned()))
            .collect();
        heard
    };
    until(&gateway, "all reports", || heard().len() == 20);
    for (second, name) in heard() {
        assert_eq!(name, if second < 10 { "Former" } else { "Present" }, "{second}");
    }
    let metrics = get(http, "/metrics").1;
    assert!(metrics.contains("hj212_uplink_contexts_hidden_total 1\n"), "{metrics}");
    assert!(gateway.log().contains("damage hides the registry in force"), "{}", gateway.log());
    assert!(
        std::fs::read_dir(gateway.journal().join("quarantine")).unwrap().count() == 1,
        "the damaged bytes are kept"
    );
    let (_, ready) = get(http, "/ready");
    assert!(ready.contains("1 records lost"), "{ready}");
    // And over a restart.
    gateway.kill();
    gateway.start();
    let mut station = Station::connect(gateway.listen, &mn, &pw);
    report(&gateway, &mut station, 30);
    until(&gateway, "the report after the restart", || heard().get(&30).is_some_and(|name| name == "Present"));
    let (code, dump, said) = run(&["journal", "dump", "--config", "gateway.toml"], gateway.folder.path());
    assert!(code == 0 && dump.contains("MISSING up to"), "{said}");
}
