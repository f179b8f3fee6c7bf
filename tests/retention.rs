//! Retention, full disks and lost files never change what is published: what a restart needs is kept or in a checkpoint from the first second
//! of a run, and nothing is published without the registry that holds.
//!
//! The tests of full disks run the gateway in a mount namespace of its own with a small tmpfs for its journal, and reach into it by
//! `/proc/PID/root`. Where the system allows no namespaces they say so and pass, unless `NAMESPACES_REQUIRED` is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gateway::Gateway;
use gateway::scene::Station;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;

const MN: &str = "021200000000000000000001";
/// Generous: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A station that means micrograms by a34002 and is published in milligrams: without its registry the number is a thousand times another.
const STATIONS: &str = r#"
[[station]]
mn = "021200000000000000000001"
pw = "123456"
name = "Plant One"
units = { a34002 = "ug/m3" }
convert = { a34002 = { to = "mg/m3" } }
"#;

struct Scene {
    runtime: tokio::runtime::Runtime,
    broker: Option<Broker>,
    port: u16,
    gateway: Gateway,
    minute: u32,
}

impl Scene {
    fn new(more: &str) -> Scene {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let port = gateway::free_port();
        let gateway = Gateway::new(&sim::Options { stations: 1, ..sim::Options::default() }, port, more);
        std::fs::write(gateway.path("stations.toml"), STATIONS).unwrap();
        let mut scene = Scene { runtime, broker: None, port, gateway, minute: 0 };
        scene.broker_comes();
        scene
    }

    fn broker_comes(&mut self) {
        let behaviour = Behaviour { record: true, ..Behaviour::default() };
        let until = Instant::now() + PATIENCE;
        while self.broker.is_none() {
            assert!(Instant::now() < until, "the port stays taken");
            self.broker =
                self.runtime.block_on(Broker::start_with(([127, 0, 0, 1], self.port).into(), behaviour.clone())).ok();
        }
    }

    fn broker_goes(&mut self) {
        let broker = self.broker.take().unwrap();
        self.runtime.block_on(broker.stop());
    }

    fn station(&self) -> Station {
        Station::connect(self.gateway.listen, MN, "123456")
    }

    /// The time of a new minute.
    fn next(&mut self) -> String {
        self.minute += 1;
        format!("20261123{:02}{:02}00", self.minute / 60, self.minute % 60)
    }

    /// Sends a report of 1514 micrograms and gives what is published of it.
    fn report(&mut self) -> Value {
        let time = self.next();
        let mut station = self.station();
        station.say(&format!("{time}001"), "31", 2051, 5, &format!("DataTime={time};a34002-Avg=1514,a34002-Flag=N"));
        assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"));
        self.published(&time)
    }

    /// What is published of the report of `time`.
    fn published(&self, time: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.broker.as_ref().unwrap().received().into_iter().find_map(|message| {
                let body: Value =
                    serde_json::from_slice(&message.payload).ok().filter(|_| message.topic.contains("/data/"))?;
                let said: String = body["data_time"].as_str()?.chars().filter(char::is_ascii_digit).take(14).collect();
                (said == time).then_some(body)
            });
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < until, "{time} is not published:\n{}", self.gateway.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Fills `segments` of 1 MiB with frames that matter to nobody.
    fn fill(&mut self, segments: u32) {
        let mut station = self.station();
        let padding = "a21026-Avg=1.0,a21026-Flag=N;".repeat(250);
        for _ in 0..segments * 140 {
            let time = self.next();
            station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};{padding}"));
            assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"));
        }
    }

    fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < until, "{what}:\n{}", self.gateway.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The offsets that name the segments.
    fn segments(dir: &Path) -> Vec<u64> {
        let names = std::fs::read_dir(dir).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let mut firsts: Vec<u64> = names.filter_map(|name| name.strip_suffix(".seg")?.parse().ok()).collect();
        firsts.sort_unstable();
        firsts
    }

    /// The journal's folder in the namespace of the gateway.
    fn inside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.gateway.pid()))
            .join(self.gateway.journal().strip_prefix("/").unwrap())
    }
}

fn assert_registered(body: &Value) {
    let reading = &body["readings"]["a34002"];
    assert!(
        body["station"]["name"] == "Plant One" && reading["unit"] == "mg/m3",
        "not the registry that holds: {body}"
    );
    assert_eq!(reading["avg"].as_f64(), Some(1.514), "{body}");
}

#[test]
fn before_the_first_checkpoint_too_retention_keeps_what_a_restart_needs() {
    let mut scene = Scene::new("keep_size = \"2MiB\"\n[interpret]\nparts_max_wait = \"1h\"\n");
    scene.gateway.start();
    assert_registered(&scene.report());
    // The first part of a record in two: it waits for the second through all that follows.
    let time = scene.next();
    let mut station = scene.station();
    let part = |station: &mut Station, number: u8, text: &str| {
        let segment = format!("QN={time}001;ST=31;CN=2051;PW=123456;MN={MN};Flag=7;PNUM=2;PNO={number};CP=&&{text}&&");
        let mut frame = Vec::new();
        hj212::write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        std::io::Write::write_all(&mut station.stream, &frame).unwrap();
        assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"));
    };
    part(&mut station, 1, &format!("DataTime={time};a34002-Avg=1514,a34002-Flag=N"));
    for _ in 0..2 {
        scene.fill(3);
        scene.gateway.kill();
        scene.gateway.start();
        assert_registered(&scene.report());
    }
    let dir = scene.gateway.journal();
    scene.wait_until("retention keeps everything", || Scene::segments(&dir)[0] > 1);
    scene.gateway.kill();
    scene.gateway.start();
    assert_registered(&scene.report());
    let mut station = scene.station();
    part(&mut station, 2, &format!("DataTime={time};a21026-Avg=2.5,a21026-Flag=N"));
    assert_registered(&scene.published(&time));
    assert!(!scene.gateway.log().contains("the state of the interpretation is lost"), "{}", scene.gateway.log());
}

#[test]
fn without_its_checkpoints_and_its_first_segments_the_registry_holds_before_anything_is_published() {
    let mut scene = Scene::new("keep_size = \"2MiB\"\n");
    scene.gateway.start();
    let dir = scene.gateway.journal();
    scene.fill(5);
    scene.wait_until("retention keeps everything", || Scene::segments(&dir)[0] > 1);
    scene.broker_goes();
    // Answered and not published: the backlog of the next start.
    let time = scene.next();
    let mut station = scene.station();
    station.say(&format!("{time}001"), "31", 2051, 5, &format!("DataTime={time};a34002-Avg=1514,a34002-Flag=N"));
    assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"));
    scene.gateway.kill();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("state-") {
            std::fs::remove_file(path).unwrap();
        }
    }
    scene.broker_comes();
    scene.gateway.start();
    assert_registered(&scene.published(&time));
    assert_registered(&scene.report());
    assert!(scene.gateway.log().contains("the state of the interpretation is lost"), "it is said");
}

fn namespaces() -> bool {
    let tried = std::process::Command::new("unshare").args(["--mount", "--map-root-user", "true"]).output();
    let allowed = tried.is_ok_and(|done| done.status.success());
    assert!(allowed || std::env::var_os("NAMESPACES_REQUIRED").is_none(), "mount namespaces are not allowed here");
    if !allowed {
        eprintln!("mount namespaces are not allowed here: nothing tested");
    }
    allowed
}

#[test]
fn a_gateway_started_on_a_full_disk_publishes_with_its_registry_when_there_is_room() {
    if !namespaces() {
        return;
    }
    let mut scene = Scene::new("");
    std::fs::create_dir(scene.gateway.journal()).unwrap();
    scene
        .gateway
        .start_in("mount -t tmpfs -o size=8m tmpfs journal && cat /dev/zero > journal/others 2>/dev/null; true");
    let mut station = scene.station();
    station.say("20261123000000001", "31", 2011, 5, "DataTime=20261123000000;a34002-Rtd=1514,a34002-Flag=N");
    assert!(station.hear(Duration::from_millis(500)).is_none(), "an answer although nothing can be stored");
    std::fs::remove_file(scene.inside().join("others")).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let mut station = scene.station();
        station.say("20261123000000001", "31", 2051, 5, "DataTime=20261123000000;a34002-Avg=1514,a34002-Flag=N");
        if station.hear(Duration::from_secs(1)).is_some() {
            break;
        }
        assert!(Instant::now() < until, "no answer although there is room:\n{}", scene.gateway.log());
    }
    assert_registered(&scene.published("20261123000000"));
}

#[test]
fn a_disk_without_a_free_byte_comes_back_by_itself_when_delivered_segments_can_go() {
    if !namespaces() {
        return;
    }
    let mut scene = Scene::new("");
    std::fs::create_dir(scene.gateway.journal()).unwrap();
    scene.broker_goes();
    scene.gateway.start_in("mount -t tmpfs -o size=12m tmpfs journal");
    scene.fill(4);
    let inside = scene.inside();
    let filled = std::process::Command::new("sh")
        .args(["-c", "cat /dev/zero > \"$0\" 2>/dev/null; true", inside.join("others").to_str().unwrap()])
        .status();
    assert!(filled.is_ok());
    scene.broker_comes();
    let until = Instant::now() + PATIENCE;
    loop {
        let time = scene.next();
        let mut station = scene.station();
        let padding = "a21026-Avg=1.0,a21026-Flag=N;".repeat(250);
        let mut answered = 0;
        // More than the newest segment has room for.
        while answered < 200 {
            station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};{padding}"));
            if station.hear(Duration::from_secs(1)).is_none() {
                break;
            }
            answered += 1;
        }
        if answered == 200 {
            break;
        }
        assert!(Instant::now() < until, "no answers although everything is delivered:\n{}", scene.gateway.log());
    }
    assert_registered(&scene.report());
}

#[test]
fn a_file_size_limit_means_silence_and_not_the_end() {
    let mut scene = Scene::new("");
    let script = format!("ulimit -f 600 && exec {} run --config gateway.toml", gateway::BINARY);
    scene.gateway.start_by(&script);
    let mut station = scene.station();
    station.say("20261123000000001", "31", 2011, 5, "DataTime=20261123000000;a34002-Rtd=1514,a34002-Flag=N");
    assert!(station.hear(Duration::from_secs(1)).is_none(), "an answer although no segment can be made");
    scene.wait_until("it is not said", || scene.gateway.log().contains("the disk is full"));
    assert!(std::net::TcpStream::connect(scene.gateway.listen).is_ok(), "it lives:\n{}", scene.gateway.log());
}

/// The segments of the journal, oldest first.
fn segments(scene: &Scene) -> Vec<PathBuf> {
    let files = std::fs::read_dir(scene.gateway.journal()).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments
}

/// The offset of a segment's first record, which is its name.
fn first_of(segment: &Path) -> u64 {
    segment.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// Starts the gateway and waits for the line of its log that holds all `words`.
fn starts_and_says(scene: &mut Scene, words: &[&str]) {
    scene.gateway.start();
    let log = scene.gateway.path("log");
    scene.wait_until(&format!("a line of the log with {words:?}"), || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
}

#[test]
fn undelivered_segments_that_were_taken_away_are_told_with_their_records_and_the_rest_goes_on() {
    for oldest in [false, true] {
        let mut scene = Scene::new("");
        scene.gateway.start();
        scene.report();
        // An orderly stop writes the cursor.
        assert!(scene.gateway.stop().1);
        scene.broker_goes();
        scene.gateway.start();
        scene.fill(4);
        scene.gateway.kill();
        let all = segments(&scene);
        assert!(all.len() >= 4, "{all:?}");
        // The one that the cursor stands in as well: then it is told while the state is rebuilt; else when it is read up to there.
        let gone = if oldest { &all[..2] } else { &all[1..2] };
        gone.iter().for_each(|segment| std::fs::remove_file(segment).unwrap());
        scene.broker_comes();
        let last = format!("last={}", first_of(&all[2]) - 1);
        let first = format!("first={}", first_of(&all[1]));
        let words = [
            last.as_str(),
            "cannot be published",
            if oldest { "undelivered records are gone" } else { first.as_str() },
        ];
        starts_and_says(&mut scene, &words);
        let body = scene.report();
        assert_eq!(body["station"]["name"], "Plant One", "{body}");
    }
}

#[test]
fn a_first_segment_that_is_gone_before_anything_was_delivered_is_told_with_its_records() {
    let mut scene = Scene::new("");
    scene.broker_goes();
    scene.gateway.start();
    scene.fill(3);
    scene.gateway.kill();
    let all = segments(&scene);
    std::fs::remove_file(&all[0]).unwrap();
    scene.broker_comes();
    let last = format!("last={}", first_of(&all[1]) - 1);
    starts_and_says(&mut scene, &["no cursor says whether they were delivered", "first=1", &last]);
    let body = scene.report();
    assert_eq!(body["station"]["name"], "Plant One", "{body}");
}
