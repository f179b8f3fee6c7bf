//! Gaps that close themselves: a station that was away, comes back, and is asked for what is missing.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

mod gateway;

use std::time::{Duration, Instant};

use gateway::run;
use gateway::scene::{Scene, Station, field};
use serde_json::Value;

const RECALL: &str = "[command]\nenabled = true\nanswer_timeout = \"1s\"\n[recall]\nenabled = true\npause = \"2s\"\nsettle = \"1s\"\n\
                      quiet = \"1s\"\nretry_min = \"1s\"\nretry_max = \"1s\"\nattempts_max = 2\n[interpret]\nbackfill_minute = \"1d\"\n";

/// A moment so many minutes ago, on the grid of ten minutes, as a station writes it.
fn ago(minutes: i64) -> String {
    let now = jiff::Timestamp::now().as_second().div_euclid(600) * 600;
    let then = jiff::Timestamp::from_second(now - minutes * 60).unwrap();
    jiff::tz::offset(8).to_datetime(then).strftime("%Y%m%d%H%M%S").to_string()
}

fn minute(station: &mut Station, time: &str) {
    let area = format!("DataTime={time};a21026-Avg=1.5,a21026-Flag=N");
    station.say(&format!("{}001", ago(0)), "31", 2051, 5, &area);
    let heard = station.hear(Duration::from_secs(60)).expect("an answer");
    assert!(heard.contains("CN=9014"), "{heard}");
}

/// Three hours of minute data with an hour missing in the middle; the last records come now.
fn with_a_gap(scene: &Scene) -> Station {
    let mut station = scene.station();
    for step in (3..=18).rev().filter(|step| !(8..=12).contains(step)) {
        minute(&mut station, &ago(step * 10));
    }
    station
}

fn event(scene: &Scene, kind: &str) -> Option<Value> {
    let topic = format!("hj212/v1/{}/event/{kind}", scene.mn);
    let received = scene.broker.received();
    let found = received.iter().rfind(|message| message.topic == topic)?;
    serde_json::from_slice(&found.payload).ok()
}

fn awaited(scene: &Scene, kind: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(event) = event(scene, kind) {
            return event;
        }
        assert!(Instant::now() < until, "no {kind}:\n{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The next request for history, past whatever else is said.
fn asked(station: &mut Station) -> String {
    let segment = station.hear(Duration::from_secs(90)).expect("a request");
    assert!(segment.contains("CN=2051"), "{segment}");
    segment
}

#[test]
fn a_gap_is_asked_for_and_closes_also_over_a_kill() {
    let mut scene = Scene::new(RECALL);
    let mut station = with_a_gap(&scene);
    let gap = awaited(&scene, "gap");
    assert_eq!(gap["detail"]["count"].as_u64().or(gap["count"].as_u64()), Some(5), "{gap}");
    let first = asked(&mut station);
    // Killed with the request open: the same request comes again, not another one.
    scene.gateway.kill();
    scene.gateway.start();
    let mut station = scene.station();
    minute(&mut station, &ago(20));
    let again = asked(&mut station);
    assert_eq!(first, again);
    let qn = field(&again, "QN=").to_owned();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    for step in (8..=12).rev() {
        minute(&mut station, &ago(step * 10));
    }
    station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    let closed = awaited(&scene, "gap-closed");
    assert!(closed.to_string().contains("\"recalled\""), "{closed}");
    assert_eq!(station.hear(Duration::from_secs(4)), None, "nothing more is missing");
    let (code, table, error) = run(&["gaps", "--config", "gateway.toml", "--all"], scene.gateway.folder.path());
    assert_eq!(code, 0, "{table}{error}");
}

#[test]
fn a_station_without_the_data_ends_in_a_gap_given_up_with_its_reason() {
    let scene = Scene::new(RECALL);
    let mut station = with_a_gap(&scene);
    awaited(&scene, "gap");
    let request = asked(&mut station);
    let qn = field(&request, "QN=").to_owned();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    station.say(&qn, "91", 9012, 4, "ExeRtn=100");
    let closed = awaited(&scene, "gap-closed").to_string();
    assert!(closed.contains("\"given-up\"") && closed.contains("no-data"), "{closed}");
    assert_eq!(station.hear(Duration::from_secs(4)), None, "what the station does not have is not asked for again");
}
