//! The downlink end to end: simulated stations of 2025 that seal what they say, keys given while the gateway is killed, loggers that get
//! their MN, and a day that a station kept to itself.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

mod gateway;

use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use gateway::scene::Scene;
use gateway::{free_port, get, run};
use hj212::Edition;
use hj212_simulator::{self as sim, Options};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const OPEN: &str = "[command]\nenabled = true\nanswer_timeout = \"1s\"\nallow = [{ stations = [\"*\"], commands = [\"*\"], \
                    authors = [\"li\", \"wang\"] }]\n[keys]\nfile = \"keys.toml\"\n";

fn sealed(scene_address: &str, form: sim::SealForm) -> Options {
    Options {
        connect: scene_address.to_owned(),
        stations: 1,
        edition: vec![Edition::V2025],
        duration: Duration::ZERO,
        interval: Duration::from_millis(300),
        behaviour: sim::StationBehaviour { sealed: true, seal_form: form, ..sim::StationBehaviour::default() },
        ..Options::default()
    }
}

/// Data messages of a kind, and how many of them could not be read.
fn heard(scene: &Scene, mn: &str) -> (usize, usize) {
    let data = format!("hj212/v1/{mn}/data/realtime");
    let bodies: Vec<Value> = scene
        .broker
        .received()
        .iter()
        .filter(|message| message.topic == data)
        .map(|message| serde_json::from_slice(&message.payload).unwrap())
        .collect();
    (bodies.len(), bodies.iter().filter(|body| body["readable"] == false).count())
}

fn until(what: &str, scene: &Scene, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < until, "not {what}:\n{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sealed_stations_are_read_and_get_new_keys_whenever_the_gateway_is_killed() {
    for form in [sim::SealForm::Bytes, sim::SealForm::Printed] {
        let of = sealed("", form);
        let (mn, key) = sim::keys(&of).pop().unwrap();
        let (stations, port) = (sim::stations_toml(&of), free_port());
        let mut scene = Scene::prepared(OPEN, |folder| {
            std::fs::write(folder.join("stations.toml"), stations).unwrap();
            let file = folder.join("gateway.toml");
            let seen = format!("[http]\naddress = \"127.0.0.1:{port}\"");
            let text = std::fs::read_to_string(&file).unwrap().replace("[http]\naddress = \"\"", &seen);
            std::fs::write(&file, text).unwrap();
            let text =
                format!("[[key]]\nmn = \"{mn}\"\ncreated = \"20260101000000000\"\nkey = \"{}\"\n", sim::key_text(&key));
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.create(true).write(true).mode(0o600).open(folder.join("keys.toml")).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        });
        let stop = CancellationToken::new();
        let simulation =
            scene.runtime.block_on(sim::start(sealed(&scene.gateway.listen.to_string(), form), &stop)).unwrap();
        until("read", &scene, || heard(&scene, &mn).0 >= 3);
        for round in 1..=3 {
            let id = format!("k{round}");
            let topic = format!("hj212/v1/{mn}/command/{id}");
            scene.publish(&topic, r#"{"command":"set-key","author":"li","why":"yearly"}"#);
            let status = format!("{topic}/status");
            let state = |scene: &Scene| {
                let document = scene.broker.retained().get(&status).cloned().unwrap_or_default();
                serde_json::from_slice::<Value>(&document).unwrap_or_default()
            };
            until("to be confirmed", &scene, || state(&scene)["state"] == "to-confirm");
            let word = state(&scene)["confirm"].as_str().unwrap().to_owned();
            // Killed before the confirmation, right after it, and not at all.
            if round == 1 {
                scene.gateway.kill();
                scene.gateway.start();
            }
            scene.publish(&topic, &format!(r#"{{"confirm":"{word}","author":"wang","why":"agreed"}}"#));
            if round == 2 {
                until("confirmed", &scene, || state(&scene)["state"] != "to-confirm");
                scene.gateway.kill();
                scene.gateway.start();
            }
            until("done", &scene, || state(&scene)["state"] == "done");
            let before = heard(&scene, &mn).0;
            until("read with the new key", &scene, || heard(&scene, &mn).0 >= before + 3);
        }
        let summary = scene.runtime.block_on(simulation.stop_now());
        assert_eq!(heard(&scene, &mn).1, 0, "no frame is undecryptable: {summary}");
        let (_, history) = get(port, &format!("/api/station/{mn}/history"));
        let history: Value = serde_json::from_str(&history).unwrap();
        let frames = history["frames"].as_array().unwrap();
        let sealed: Vec<_> = frames.iter().filter(|frame| frame["kind"] == "realtime").collect();
        let shown = |frame: &&Value| frame["sealed"] == "opened" && frame["fields"][0]["field"] == "DataTime";
        assert!(!sealed.is_empty() && sealed.iter().all(shown), "the page shows what was encrypted: {sealed:?}");
        let changes = scene.broker.received();
        let proven = format!("hj212/v1/{mn}/event/key");
        let proven =
            changes.iter().filter(|m| m.topic == proven && String::from_utf8_lossy(&m.payload).contains("proven"));
        assert!(proven.count() >= 3, "each new key was proven");
        assert!(!scene.gateway.log().contains(&sim::key_text(&key)[4..]));
    }
}

/// HJ 212-2025, 6.8, C.2 and C.3.
#[test]
fn a_simulated_logger_without_an_mn_is_registered_and_then_reports() {
    let mut of = sealed("", sim::SealForm::Bytes);
    of.behaviour = sim::StationBehaviour { register: true, ..sim::StationBehaviour::default() };
    let stations = sim::stations_toml(&of);
    let scene = Scene::prepared(&OPEN.replace("[keys]\nfile = \"keys.toml\"\n", ""), |folder| {
        std::fs::write(folder.join("stations.toml"), stations).unwrap();
    });
    let options = Options { connect: scene.gateway.listen.to_string(), ..of };
    let simulation = scene.runtime.block_on(sim::start(options, &CancellationToken::new())).unwrap();
    until("registered and heard", &scene, || {
        let received = scene.broker.received();
        let is = |kind: &str| received.iter().any(|message| message.topic.ends_with(kind));
        is("/data/registration") && is("/data/realtime")
    });
    scene.runtime.block_on(simulation.stop_now());
}

/// A whole day in the long form, six hours in the short one; live data goes on beside it.
#[test]
fn what_a_station_kept_to_itself_is_recalled_whole_and_live_data_is_not_delayed() {
    let away = if gateway::long() { 29 } else { 8 };
    let more = "[command]\nenabled = true\n[recall]\nenabled = true\npause = \"2s\"\nasks_per_hour = 60\nsettle = \"1s\"\nquiet = \"1s\"\n\
                [interpret]\nbackfill_instant = \"4d\"\nbackfill_minute = \"4d\"\nbackfill_hour = \"4d\"\nbackfill_day = \"4d\"\n";
    let scene = Scene::new(more);
    let (from, to) = (Duration::from_secs(8), Duration::from_secs(8 + away));
    let options = Options {
        connect: scene.gateway.listen.to_string(),
        stations: 1,
        interval: Duration::from_secs(1),
        duration: Duration::from_secs(16 + away),
        speed: Some(3_000.0),
        behaviour: sim::StationBehaviour {
            offline: Some(sim::Outage { from, to }),
            keeps_history: true,
            history_pace: Duration::from_millis(5),
            stay: Duration::from_secs(300),
            ..sim::StationBehaviour::default()
        },
        ..Options::default()
    };
    let summary = scene.runtime.block_on(async {
        let simulation = sim::start(options, &CancellationToken::new()).await.unwrap();
        let both = |log: &sim::CommandLog| {
            let ended = |cn| log.events.iter().any(|e| e.cn == cn && e.what == sim::What::ExeRtn(1));
            ended(2051) && ended(2061)
        };
        let log = tokio::time::timeout(Duration::from_secs(200), simulation.until(both)).await;
        let log = log.unwrap_or_else(|_| panic!("{:#?}\n{}", simulation.commands().events, scene.gateway.log()));
        let pause = log.least_pause(&[2031, 2051, 2061]);
        assert!(pause.is_none_or(|pause| pause >= 2_000_000), "asked faster than the budget: {pause:?}");
        // Until the ledger has said that all is there.
        let begun = Instant::now();
        loop {
            let (_, gaps, _) = run(&["gaps", "--config", "gateway.toml", "--json"], scene.gateway.folder.path());
            let gaps: Value = serde_json::from_str(&gaps).unwrap_or_default();
            let ledgers = gaps["ledgers"].as_array().into_iter().flatten();
            let counted: Vec<&Value> = ledgers.filter(|ledger| ledger["kind"] != "realtime").collect();
            let open: Vec<&Value> = counted.iter().flat_map(|ledger| ledger["gaps"].as_array()).flatten().collect();
            if open.is_empty() && counted.len() >= 2 {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(150), "{open:#?}\n{}", scene.gateway.log());
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        simulation.stop_now().await
    });
    let kept = if gateway::long() { 140 } else { 38 };
    assert!(
        summary.counts.untold >= kept && summary.counts.told >= kept && summary.counts.reuploaded == 0,
        "{summary}"
    );
    // 100 ms on a machine of its own (the long form); beside other work what counts is that nothing waits for the history.
    let bearable = if gateway::long() { 100_000 } else { 1_500_000 };
    assert!(summary.answer_micros.p99 < bearable, "live data is delayed:\n{summary}");
}

/// A password that is given while the station answers under the new one already: it is not locked out, before and after a kill.
#[test]
fn a_station_that_was_given_a_new_password_is_heard_under_it() {
    let more = OPEN
        .replace("[keys]\nfile = \"keys.toml\"\n", "")
        .replace("enabled = true", "enabled = true\nplain_secrets = true");
    let mut scene = Scene::registered(&more, |row| {
        row.insert("pw".into(), "123456".into());
    });
    let mut station = scene.station();
    station.arrive();
    scene.ask("p1", r#"{"command":"set-password","author":"li","why":"leak","parameters":{"NewPW":"654321"}}"#);
    let word = scene.status("p1", &["to-confirm"])["confirm"].as_str().unwrap().to_owned();
    scene.ask("p1", &format!(r#"{{"confirm":"{word}","author":"wang","why":"agreed"}}"#));
    let asked = station.hear(Duration::from_secs(30)).expect("the request");
    assert!(asked.contains("CN=1072;PW=123456;") && asked.contains("NewPW=654321"), "{asked}");
    let qn = gateway::scene::field(&asked, "QN=").to_owned();
    station.pw = "654321".into();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    let done = scene.status("p1", &["done", "no-answer", "refused", "failed"]);
    assert_eq!((&done["state"], &done["registration"]["field"]), (&"done".into(), &"pw".into()), "{done}");
    assert!(!done.to_string().contains("654321"), "{done}");
    station.arrive();
    scene.gateway.kill();
    scene.gateway.start();
    let mut station = hj_station(&scene, "654321");
    station.arrive();
    scene.ask("t1", r#"{"command":"get-time","author":"li","why":"x"}"#);
    let asked = station.hear(Duration::from_secs(30)).expect("the request");
    assert!(asked.contains("CN=1011;PW=654321;"), "{asked}");
}

fn hj_station(scene: &Scene, pw: &str) -> gateway::scene::Station {
    gateway::scene::Station::connect(scene.gateway.listen, &scene.mn, pw)
}
