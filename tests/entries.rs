//! Marks entered by hand through the running gateway and its broker; killed, the gateway still says why the value is marked.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

mod gateway;

use std::time::{Duration, Instant};

use gateway::run;
use gateway::scene::Scene;
use serde_json::Value;

fn scene() -> Scene {
    Scene::registered("[marking]\nentries = true\n", |row| {
        row.insert("rules".into(), toml::Value::Array(vec!["inc19".into(), "dev22".into()]));
        let facility: toml::Table = "id = \"furnace-1\"\nkind = \"furnace\"\n".parse().unwrap();
        row.insert("facility".into(), toml::Value::Array(vec![facility.into()]));
    })
}

/// The answer to the entry `id`.
fn answer(scene: &Scene, id: &str) -> Value {
    let topic = format!("hj212/v1/{}/mark-entry/{id}/status", scene.mn);
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(message) = scene.broker.received().iter().rfind(|message| message.topic == topic) {
            return serde_json::from_slice(&message.payload).unwrap();
        }
        assert!(Instant::now() < until, "no answer to {id}:\n{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_entry_by_hand_is_answered_survives_a_kill_and_explains_the_value() {
    let mut scene = scene();
    let mut station = scene.station();
    let now = jiff::tz::offset(8).to_datetime(jiff::Timestamp::now());
    let time = now.strftime("%Y%m%d%H%M00").to_string();
    let at = now.strftime("%Y-%m-%d %H:%M").to_string();
    let begin = now.strftime("%Y-%m-%dT%H:%M:00+08:00").to_string();
    let say = |station: &mut gateway::scene::Station| {
        station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};a21026-Rtd=150.50,a21026-Flag=N"));
        assert!(station.hear(Duration::from_secs(60)).expect("an answer").contains("CN=9014"));
    };
    say(&mut station);
    let entry = |id: &str, mark: &str| {
        format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"{mark}","object":"furnace-1","begin":"{begin}","end":null,"reason":"风机跳闸","proof":"照片 12","author":"王"}}"#
        )
    };
    let topic = |id: &str| format!("hj212/v1/{}/mark-entry/{id}", scene.mn);
    let (first, wrong, other) = (topic("e1"), topic("e2"), topic("e3"));
    // Until the first record was interpreted the station's rules are not known.
    let data = format!("hj212/v1/{}/data/realtime", scene.mn);
    let until = Instant::now() + Duration::from_secs(90);
    while !scene.broker.received().iter().any(|message| message.topic == data) {
        assert!(Instant::now() < until, "{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    scene.publish(&first, &entry("e1", "inc19:fault"));
    assert_eq!(answer(&scene, "e1")["state"], "accepted");
    scene.publish(&wrong, &entry("e2", "inc19:holiday"));
    assert_eq!(answer(&scene, "e2")["why"]["code"], "unknown-mark");
    scene.publish(&other, "no json");
    assert_eq!(answer(&scene, "e3")["why"]["code"], "unreadable");
    let held = format!("hj212/v1/{}/mark/inc19/fault/furnace-1", scene.mn);
    assert!(scene.broker.retained().contains_key(&held));
    scene.gateway.kill();
    scene.gateway.start();
    let folder = scene.gateway.folder.path().to_owned();
    let ask = |more: &[&str]| {
        let base = ["marks", "explain", "--config", "gateway.toml", "--mn", &scene.mn];
        run(&[&base[..], more].concat(), &folder)
    };
    let (code, text, error) = ask(&["--at", &at, "--factor", "a21026"]);
    assert_eq!(code, 0, "{text}{error}");
    for words in ["150.50", "inc19:fault", "furnace-1", "风机跳闸", "照片 12", "王", "Entered by hand"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let (code, list, _) = run(&["marks", "list", "--config", "gateway.toml", "--mn", &scene.mn], &folder);
    assert!(code == 0 && list.contains("inc19:fault"), "{list}");
}

/// The answer on a topic.
fn answered(scene: &Scene, topic: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(message) = scene.broker.received().iter().rfind(|message| message.topic == topic) {
            return serde_json::from_slice(&message.payload).unwrap();
        }
        assert!(Instant::now() < until, "no answer on {topic}:\n{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_entry_of_the_electronic_ledger_is_answered_survives_a_kill_and_is_listed() {
    let mut scene = Scene::registered("[operation]\nledger = true\n", |row| {
        row.insert("operator".into(), "OM-0007".into());
    });
    let now = jiff::tz::offset(8).to_datetime(jiff::Timestamp::now());
    let time = now.strftime("%Y-%m-%dT%H:%M:00+08:00").to_string();
    let entry = |id: &str, company: &str, more: &str| {
        format!(
            r#"{{"schema":"hj212.ledger/1","id":"{id}","kind":"calibration","begin":"{time}","end":"{time}","person":"李","company":"{company}","parts":[{{"name":"标气","number":"N-17"}}]{more}}}"#
        )
    };
    let topic = |id: &str| format!("hj212/v1/{}/ledger/operator/{id}", scene.mn);
    let answer = |scene: &Scene, id: &str| answered(scene, &(topic(id) + "/status"));
    scene.publish(&topic("L-1"), &entry("L-1", "OM-0007", ""));
    assert_eq!(answer(&scene, "L-1")["state"], "accepted");
    scene.publish(&topic("L-2"), &entry("L-2", "OM-0008", ""));
    assert_eq!(answer(&scene, "L-2")["why"]["code"], "company");
    scene.gateway.kill();
    scene.gateway.start();
    // Withdrawn by an entry of the next life: the first one is known there.
    scene.publish(&topic("L-3"), &entry("L-3", "OM-0007", r#","withdraws":"L-1","text":"误填""#));
    assert_eq!(answer(&scene, "L-3")["withdraws"], "L-1");
    let folder = scene.gateway.folder.path().to_owned();
    let base = ["ledger", "list", "--config", "gateway.toml", "--mn", &scene.mn, "--since", "2020-01-01"];
    let (code, text, error) = run(&base, &folder);
    assert_eq!(code, 0, "{text}{error}");
    assert!(
        text.contains("校准 calibration") && text.contains("标气 N-17") && text.contains("withdrawn by L-3"),
        "{text}"
    );
    assert!(!text.contains("L-2"), "{text}");
    let (code, lines, _) = run(&[&base[..], &["--all", "--json"]].concat(), &folder);
    let states: Vec<(String, String)> = lines
        .lines()
        .map(|line| {
            let one: Value = serde_json::from_str(line).unwrap();
            (one["id"].as_str().unwrap().to_owned(), one["state"].as_str().unwrap().to_owned())
        })
        .collect();
    let wanted = [("L-1", "withdrawn"), ("L-2", "refused"), ("L-3", "accepted")];
    assert_eq!((code, states), (0, wanted.map(|(id, state)| (id.to_owned(), state.to_owned())).to_vec()));
}
