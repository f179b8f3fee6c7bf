//! The host's clock is set by 400 days, forward and back, while the real gateway runs and over a restart: readings go on, nothing is invented,
//! and what waits for a time does not wait longer or shorter.
//!
//! libfaketime sets the clock of that process alone; the monotonic clock is left as it is, as the kernel leaves it. Where it is not
//! installed this test says so and passes, unless `FAKETIME_REQUIRED` is set (as in CI).

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod gateway;

use std::time::{Duration, Instant};

use gateway::scene::Station;
use gateway::{BINARY, Gateway, get};
use hj212_model::message::Timestamp;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);
const DAYS: i64 = 400;

/// The library; `None` where it is not installed.
fn library() -> Option<String> {
    let named = std::env::var("FAKETIME_LIBRARY").ok();
    let places =
        ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|arch| format!("/usr/lib/{arch}/faketime/libfaketime.so.1"));
    let found = named.into_iter().chain(places).chain(["/usr/lib64/faketime/libfaketime.so.1".to_owned()]);
    let found = found.into_iter().find(|path| std::path::Path::new(path).exists());
    assert!(found.is_some() || std::env::var_os("FAKETIME_REQUIRED").is_none(), "libfaketime is not installed");
    found
}

struct Scene {
    runtime: tokio::runtime::Runtime,
    broker: Broker,
    gateway: Gateway,
    http: u16,
    mn: String,
    pw: String,
    library: String,
    said: i64,
}

impl Scene {
    fn new(library: String) -> Scene {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let behaviour = Behaviour { record: true, ..Behaviour::default() };
        let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
        let options = sim::Options { stations: 1, ..sim::Options::default() };
        let more = "[interpret]\nparts_max_wait = \"2s\"\ncard_refresh = \"1s\"\n";
        let (gateway, http) = Gateway::seen(&options, broker.address().port(), more);
        let stations: toml::Table = sim::stations_toml(&options).parse().unwrap();
        let text =
            |key: &str| stations["station"][0].get(key).and_then(toml::Value::as_str).unwrap_or("123456").to_owned();
        let (mn, pw) = (text("mn"), text("pw"));
        Scene { runtime, broker, gateway, http, mn, pw, library, said: 0 }
    }

    /// From here on the host's clock is so many days off.
    fn set(&self, days: i64) {
        // Renamed into place: the library may read it at any moment.
        let (file, new) = (self.gateway.path("clock"), self.gateway.path("clock.new"));
        std::fs::write(&new, format!("{}{}d\n", if days < 0 { '-' } else { '+' }, days.abs())).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    fn start(&mut self) {
        let script = format!(
            "FAKETIME_TIMESTAMP_FILE=$PWD/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD={} \
             exec {BINARY} run --config gateway.toml",
            self.library
        );
        self.gateway.start_by(&script);
    }

    fn until(&self, what: &str, mut seen: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !seen() {
            assert!(Instant::now() < until, "not seen: {what}\n{}", self.gateway.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn bodies(&self, what: &str) -> Vec<Value> {
        let topic = format!("hj212/v1/{}/{what}", self.mn);
        let received = self.broker.received();
        let own = received.iter().filter(|message| message.topic.starts_with(&topic) && !message.payload.is_empty());
        own.map(|message| serde_json::from_slice(&message.payload).unwrap()).collect()
    }

    /// A reading every second from a station whose clock is right, each answered and published; then the first part of a record whose second
    /// never comes: it is published without it, when its time is over.
    fn works(&mut self, station: &mut Station, what: &str) {
        for _ in 0..3 {
            self.said += 1;
            let time = civil(self.said);
            let cp = format!("DataTime={time};a21026-Rtd={}.5,a21026-Flag=N", self.said);
            station.say(&format!("{time}001"), "31", 2011, 5, &cp);
            assert!(
                station.hear(PATIENCE).is_some_and(|answer| answer.contains("CN=9014")),
                "{what}:\n{}",
                self.gateway.log()
            );
        }
        let wanted = self.said as f64 + 0.5;
        self.until(&format!("{what}: the readings"), || {
            self.bodies("data/realtime").iter().any(|body| body["readings"]["a21026"]["rtd"].as_f64() == Some(wanted))
        });
        let (parts, cards) = (self.bodies("event/parts-missing").len(), self.bodies("station").len());
        self.said += 1;
        let time = civil(self.said);
        let (mn, pw) = (&self.mn, &self.pw);
        let segment = format!(
            "QN={time}001;ST=31;CN=2051;PW={pw};MN={mn};Flag=7;PNUM=2;PNO=1;CP=&&DataTime={time};a21026-Avg=7.5&&"
        );
        let mut frame = Vec::new();
        hj212::write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        station.say_bytes(&frame);
        assert!(station.hear(PATIENCE).is_some_and(|answer| answer.contains("CN=9014")), "{what}");
        let begun = Instant::now();
        // What waits is looked at with each record, and a record of the clock comes every five seconds.
        self.until(&format!("{what}: a record without its second part"), || {
            self.bodies("event/parts-missing").len() > parts
        });
        assert!(begun.elapsed() > Duration::from_secs(1), "{what}: it was not waited for");
        self.said += 1;
        let time = civil(self.said);
        station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};a21026-Rtd=1,a21026-Flag=N"));
        assert!(station.hear(PATIENCE).is_some(), "{what}");
        self.until(&format!("{what}: a card"), || self.bodies("station").len() > cards);
    }

    /// What must not be there whatever the clock did: gaps and marks that nothing caused, and readings lost.
    fn nothing_is_invented(&self, what: &str) {
        let missing: u64 = self.bodies("event/gap").iter().filter_map(|gap| gap["detail"]["count"].as_u64()).sum();
        assert!(missing <= 5, "{what}: {missing} records are said to be missing: {:?}", self.bodies("event/gap"));
        let marks = self.bodies("event/mark");
        assert!(marks.is_empty(), "{what}: {marks:?}");
        let told = self.bodies("data/");
        let off = told.iter().filter(|body| body["deviations"].to_string().contains("data-time-future")).count();
        assert_eq!(off, 0, "{what}: a station whose clock is right is not told to be ahead");
        assert_eq!(get(self.http, "/health").0, 200, "{what}");
    }
}

/// Beijing's time now, `ahead` seconds into it.
fn civil(ahead: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    // Each of its own second: two of one second would be one record.
    let text = Timestamp(i64::try_from(now).unwrap() - 600_000_000 + ahead * 1_000_000).to_rfc3339();
    text.chars().filter(char::is_ascii_digit).take(14).collect()
}

fn the_clock_is_set(days: i64) {
    let Some(library) = library() else {
        eprintln!("skipped: libfaketime is not installed (deploy/install-faketime)");
        return;
    };
    let mut scene = Scene::new(library);
    scene.set(0);
    scene.start();
    let mut station = Station::connect(scene.gateway.listen, &scene.mn, &scene.pw);
    scene.works(&mut station, "right");
    scene.set(days);
    // It is really set: what is told of a moment is the wall clock, as it was.
    scene.works(&mut station, "set while it runs");
    let year = |body: &Value| body["received_at"].as_str().and_then(|at| at.get(..4)?.parse::<i64>().ok());
    let years: Vec<i64> = scene.bodies("data/realtime").iter().filter_map(year).collect();
    assert!(years.iter().any(|other| *other != years[0]), "the clock was not set: {years:?}");
    scene.nothing_is_invented("set while it runs");
    scene.set(0);
    scene.works(&mut station, "set right while it runs");
    scene.nothing_is_invented("set right while it runs");

    scene.set(days);
    assert!(scene.gateway.stop().1, "an orderly end");
    scene.start();
    let mut station = Station::connect(scene.gateway.listen, &scene.mn, &scene.pw);
    scene.works(&mut station, "started with a wrong clock");
    scene.nothing_is_invented("started with a wrong clock");
    scene.set(0);
    scene.works(&mut station, "set right after the start");
    scene.gateway.kill();
    scene.start();
    let mut station = Station::connect(scene.gateway.listen, &scene.mn, &scene.pw);
    scene.works(&mut station, "killed, started with the right clock");
    scene.nothing_is_invented("in the end");
    let waits = || get(scene.http, "/ready").1;
    scene.until("all is delivered", || waits().contains("0 records wait"));
    // Every reading of a second of its own, whatever the clock said when it came.
    let told: std::collections::BTreeSet<String> =
        scene.bodies("data/realtime").iter().map(|body| body["data_time"].to_string()).collect();
    assert_eq!(told.len() as i64, scene.said - 6, "six of them were parts of minute records");
}

#[test]
fn a_clock_that_is_set_400_days_ahead_stops_and_invents_nothing() {
    the_clock_is_set(DAYS);
}

#[test]
fn a_clock_that_is_set_400_days_back_stops_and_invents_nothing() {
    the_clock_is_set(-DAYS);
}
