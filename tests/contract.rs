//! The contract as documents that programs read: AsyncAPI for MQTT, OpenAPI for HTTP. They name every topic, schema and route there is,
//! and what a gateway really says keeps to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that panics has spoken"
)]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gateway::{Gateway, get};
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn document(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(Path::new(ROOT).join(path)).unwrap()).unwrap()
}

/// All values of the member `$ref` below `value`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, below)| match below.as_str() {
            Some(to) if key == "$ref" => _ = found.insert(to.to_owned()),
            _ => references(below, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Every reference of the document at `path` leads somewhere; the schemas that it names.
fn checked_references(path: &str) -> BTreeSet<String> {
    let (document, mut found) = (document(path), BTreeSet::new());
    references(&document, &mut found);
    let mut schemas = BTreeSet::new();
    for to in found {
        match to.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{path}: {to} leads nowhere"),
            None => {
                let name = to.strip_prefix("../fixtures/schema/").unwrap_or_else(|| panic!("{path}: {to}"));
                jsonschema::validator_for(&self::document(&format!("fixtures/schema/{name}"))).unwrap();
                schemas.insert(name.to_owned());
            }
        }
    }
    schemas
}

#[test]
fn the_asyncapi_document_has_every_topic_and_every_schema() {
    let api = document("docs/asyncapi.json");
    assert_eq!(api["asyncapi"], "3.0.0");
    let table = std::fs::read_to_string(format!("{ROOT}/docs/mqtt.md")).unwrap();
    let described: BTreeMap<String, bool> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `{prefix}/"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            (format!("{{prefix}}/{}", cells[0].trim().trim_end_matches('`')), {
                let cell = cells[1].trim();
                cell.starts_with("yes") || cell.starts_with("until")
            })
        })
        .collect();
    assert!(described.len() > 15, "the table of topics was not found");
    let channels = api["channels"].as_object().unwrap();
    let address = |channel: &Value| channel["address"].as_str().unwrap().to_owned();
    let known: BTreeSet<String> = channels.values().map(address).collect();
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), known);
    for operation in api["operations"].as_object().unwrap().values() {
        let name = operation["channel"]["$ref"].as_str().unwrap().trim_start_matches("#/channels/");
        let retained = operation["bindings"]["mqtt"]["retain"].as_bool().unwrap();
        assert_eq!(described[&address(&channels[name])], retained, "{name}: retained or not");
    }
    assert_eq!(api["operations"].as_object().unwrap().len(), channels.len(), "each channel has a direction");
    for (name, channel) in channels {
        let levels = address(channel);
        let named: BTreeSet<&str> = levels.split(['{', '}']).skip(1).step_by(2).collect();
        let said: BTreeSet<&str> = channel["parameters"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(named, said, "{name}");
    }
    let schemas = std::fs::read_dir(format!("{ROOT}/fixtures/schema")).unwrap();
    let all: BTreeSet<String> = schemas.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(all, checked_references("docs/asyncapi.json"), "every schema has its topic");
}

#[test]
fn the_openapi_document_has_every_route() {
    let api = document("docs/openapi.json");
    checked_references("docs/openapi.json");
    let mut routes = BTreeSet::new();
    for file in std::fs::read_dir(format!("{ROOT}/src/http")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        for after in text.split(".route(").skip(1) {
            routes.insert(after.split('"').nth(1).unwrap().to_owned());
        }
    }
    routes.remove("/");
    let known: BTreeSet<String> = api["paths"].as_object().unwrap().keys().cloned().collect();
    assert!(routes.len() > 10, "the routes were not found");
    assert_eq!(routes, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_publishes_and_answers_keeps_to_the_documents() {
    let recording = Behaviour { record: true, ..Behaviour::default() };
    let broker = Broker::start_with(([127, 0, 0, 1], 0).into(), recording).await.unwrap();
    let options = sim::Options {
        stations: 4,
        interval: std::time::Duration::from_millis(200),
        duration: std::time::Duration::from_secs(4),
        faults: "crc-wrong=0.1".parse().unwrap(),
        ..sim::Options::default()
    };
    let (mut gateway, port) = Gateway::seen(&options, broker.address().port(), "[scores]\nenabled = true\n");
    let listen = gateway.listen.to_string();
    let gateway = tokio::task::spawn_blocking(move || {
        gateway.start();
        gateway
    });
    let mut gateway = gateway.await.unwrap();
    let run = sim::Options { connect: listen, ..options };
    sim::run(run, Default::default(), |_| {}).await.unwrap();

    let answers = tokio::task::spawn_blocking(move || {
        let mn = "021200000000000000000001";
        [
            "/api/overview",
            "/api/stations?only=all&rows=2&sort=heard&down=true",
            "/api/rejected",
            "/api/words",
            "/api/wire",
            "/api/alerts",
            "/api/cases",
            "/api/scores",
            "/api/scores?month=2026-06",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain(["", "/history?hours=1", "/days", "/day/2026-06-01"].map(|more| format!("/api/station/{mn}{more}")))
        .map(|path| (get(port, &path), path))
        .collect::<Vec<_>>()
    });
    let api = document("docs/openapi.json");
    for ((status, body), path) in answers.await.unwrap() {
        assert_eq!(status, 200, "{path}: {body}");
        let mut name = path.split('?').next().unwrap().replace("021200000000000000000001", "{mn}");
        if let Some((station, _)) = name.split_once("/day/") {
            name = format!("{station}/day/{{day}}");
        }
        let mut schema =
            api["paths"][&name]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
        assert!(schema.is_object(), "{name} is described");
        // The schemas of messages stand in files of their own.
        if let Some(to) = schema.pointer("/items/$ref").and_then(Value::as_str).map(str::to_owned) {
            schema["items"] = document(&to["../".len()..]);
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(name != "/api/scores" || body["enabled"] == true, "kept from the start on: {body}");
        let wrong = jsonschema::validator_for(&schema).unwrap().validate(&body).err().map(|error| error.to_string());
        assert_eq!(wrong, None, "{path}: {body}");
    }
    tokio::task::spawn_blocking(move || assert!(gateway.stop().1)).await.unwrap();

    let api = document("docs/asyncapi.json");
    let mut by_schema: BTreeMap<String, jsonschema::Validator> = BTreeMap::new();
    for file in std::fs::read_dir(format!("{ROOT}/fixtures/schema")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let schema = document(&format!("fixtures/schema/{name}"));
        if let Some(said) = schema.pointer("/properties/schema/const").and_then(Value::as_str) {
            by_schema.insert(said.to_owned(), jsonschema::validator_for(&schema).unwrap());
        }
    }
    let addresses: Vec<Vec<String>> = api["channels"]
        .as_object()
        .unwrap()
        .values()
        .map(|channel| channel["address"].as_str().unwrap().split('/').skip(1).map(str::to_owned).collect())
        .collect();
    let (mut seen, received) = (BTreeSet::new(), broker.received());
    assert!(received.len() > 50, "{} messages", received.len());
    for message in received {
        let levels: Vec<&str> = message.topic.split('/').skip(2).collect();
        let fits = |address: &Vec<String>| {
            address.len() == levels.len() && address.iter().zip(&levels).all(|(a, l)| a.starts_with('{') || a == l)
        };
        assert!(addresses.iter().any(fits), "no channel has the topic {}", message.topic);
        if message.payload.is_empty() {
            continue;
        }
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        let name = body["schema"].as_str().unwrap_or_else(|| panic!("{}: no schema", message.topic)).to_owned();
        let validator = by_schema.get(&name).unwrap_or_else(|| panic!("no schema of {name}"));
        let wrong = validator.validate(&body).err().map(|error| error.to_string());
        assert_eq!(wrong, None, "{}: {body}", message.topic);
        seen.insert(name);
    }
    for name in ["hj212.status/1", "hj212.data/1", "hj212.station/1", "hj212.event/1", "hj212.rejected/1"] {
        assert!(seen.contains(name), "{name} was not published: {seen:?}");
    }
    broker.stop().await;
}
