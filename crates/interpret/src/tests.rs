//! Journals in words played through the interpreter (see `fixtures/interpret/README.md`), and what must hold for any journal.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::moment::Moment;
use super::*;
use hj212::{Deviation, Edition, sm4, write};
use hj212_downlink as downlink;
use hj212_model::message::{Heard, Peering, Presence, RejectReason, Rejected};

mod alike;
mod beside;
mod cases;
mod field;
mod follow;
mod ids;
mod instruments;
mod judgement;
mod keys;
mod leads;
mod lost_parts;
mod operation;
mod outages;
mod parts;
mod readings;
mod scores;
mod separators;
mod split;
mod timing;

/// One record that owns its bytes.
#[derive(Debug, Clone)]
struct Step {
    time: Timestamp,
    kind: u8,
    body: Vec<u8>,
}

fn step(time: Timestamp, record: &Record<'_>) -> Step {
    let mut body = Vec::new();
    record.encode(&mut body);
    Step { time, kind: record.kind(), body }
}

fn peering(address: &str) -> Peering {
    let peer: SocketAddr = address.parse().unwrap();
    Peering { connection: u64::from(peer.port()), peer }
}

fn frame_step(time: Timestamp, segment: &[u8]) -> Step {
    let mut raw = Vec::new();
    write::frame(&mut raw, |out| out.extend_from_slice(segment));
    let range = 6..6 + segment.len();
    let heard = Heard { from: peering("10.0.0.9:7000"), deviations: Deviations::NONE, segment: &raw[range], raw: &raw };
    step(time, &Record::Frame(heard))
}

fn wire_step(time: Timestamp, raw: &[u8]) -> Step {
    let heard =
        Heard { from: peering("10.0.0.9:7000"), deviations: Deviations::NONE, segment: segment_of(raw).unwrap(), raw };
    step(time, &Record::Frame(heard))
}

/// A frame of this segment, sealed with this key.
fn sealed_step(time: Timestamp, key: &str, segment: &[u8]) -> Step {
    let mut raw = Vec::new();
    sm4::frame(&mut raw, segment, &sm4::Key::from_text(key).unwrap()).unwrap();
    wire_step(time, &raw)
}

fn key_step(time: Timestamp, mn: &str, created: &str, key: &str, state: downlink::KeyState) -> Step {
    let told = downlink::Step::Key { mn: mn.into(), created: created.into(), key: key.into(), state, again: false };
    step(time, &Record::Command(&told.encode()))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (escape, after) = rest.split_first().unwrap();
        rest = after;
        match escape {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    bytes
}

fn deviations(codes: &str) -> Deviations {
    let mut set = Deviations::NONE;
    for code in codes.split(',').filter(|code| *code != "-") {
        set.insert(*Deviation::ALL.iter().find(|d| d.code() == code).unwrap());
    }
    set
}

/// The data segment of a whole frame: what stands between the length and the CRC.
fn segment_of(raw: &[u8]) -> Option<&[u8]> {
    raw.strip_prefix(b"##")?.get(4..)?.strip_suffix(b"\r\n").and_then(|rest| rest.get(..rest.len().checked_sub(4)?))
}

fn script(text: &str) -> Vec<Step> {
    let mut time = Timestamp(0);
    let mut steps = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split(' ');
        let mut next = || words.next().unwrap();
        let record = |record: &Record<'_>| step(time, record);
        match word {
            "at" => time = Moment::read(rest.as_bytes()).unwrap().timestamp(),
            "frame" => steps.push(frame_step(time, &unescaped(rest))),
            "odd" => {
                let (codes, raw) = rest.split_once(' ').unwrap();
                let raw = unescaped(raw);
                let (segment, deviations) = (segment_of(&raw).unwrap(), deviations(codes));
                let heard = Heard { from: peering("10.0.0.9:7000"), deviations, segment, raw: &raw };
                steps.push(record(&Record::Frame(heard)));
            }
            "sealed" => {
                let (key, segment) = rest.split_once(' ').unwrap();
                steps.push(sealed_step(time, key, &unescaped(segment)));
            }
            "key" => {
                let (mn, created, key) = (next(), next(), next());
                let state = serde_json::from_value(next().into()).unwrap();
                steps.push(key_step(time, mn, created, key, state));
            }
            "rejected" => {
                let (reason, rest) = rest.split_once(' ').unwrap();
                let (codes, raw) = rest.split_once(' ').unwrap();
                let reason = *RejectReason::ALL.iter().find(|r| r.code() == reason).unwrap();
                let raw = unescaped(raw);
                steps.push(record(&Record::Rejected(Rejected {
                    from: peering("10.0.0.9:7000"),
                    reason,
                    detail: deviations(codes),
                    segment: segment_of(&raw),
                    heard: raw.len() as u64,
                    raw: &raw,
                })));
            }
            "online" => steps.push(record(&Record::Presence(Presence::Online { mn: next(), on: peering(next()) }))),
            "offline" => steps.push(record(&Record::Presence(Presence::Offline { mn: next(), on: peering(next()) }))),
            "takeover" => {
                let (mn, on, was) = (next(), peering(next()), peering(next()));
                steps.push(record(&Record::Presence(Presence::Takeover { mn, on, was })));
            }
            "clone" => {
                let (mn, on, was) = (next(), peering(next()), peering(next()));
                steps.push(record(&Record::Presence(Presence::CloneSuspected { mn, on, was })));
            }
            "context" => {
                let context: Context = serde_json::from_str(rest).unwrap();
                steps.extend(context_steps(time, &context));
            }
            "command" => steps.push(record(&Record::Command(rest.as_bytes()))),
            "entry" => {
                let (mn, rest) = rest.split_once(' ').unwrap();
                let (id, json) = rest.split_once(' ').unwrap();
                steps.push(record(&Record::MarkEntry { mn, id, json: json.as_bytes() }));
            }
            "ruling" => {
                let (mn, rest) = rest.split_once(' ').unwrap();
                let (role, rest) = rest.split_once(' ').unwrap();
                let (id, json) = rest.split_once(' ').unwrap();
                steps.push(record(&Record::MarkRuling { mn, role, id, json: json.as_bytes() }));
            }
            "step" => {
                let (mn, rest) = rest.split_once(' ').unwrap();
                let (role, rest) = rest.split_once(' ').unwrap();
                let (id, json) = rest.split_once(' ').unwrap();
                steps.push(record(&Record::CaseStep { mn, role, id, json: json.as_bytes() }));
            }
            "ledger" => {
                let (mn, rest) = rest.split_once(' ').unwrap();
                let (role, rest) = rest.split_once(' ').unwrap();
                let (id, json) = rest.split_once(' ').unwrap();
                steps.push(record(&Record::WorkEntry { mn, role, id, json: json.as_bytes() }));
            }
            "tick" => steps.push(record(&Record::Tick)),
            "started" => steps.push(record(&Record::Started("0.1.0"))),
            "stopped" => steps.push(record(&Record::Stopped)),
            other => panic!("no such line: {other}"),
        }
    }
    steps
}

fn context_steps(time: Timestamp, context: &Context) -> Vec<Step> {
    let json = serde_json::to_vec(context).unwrap();
    let hash: [u8; 32] = Sha256::digest(&json).into();
    let (one, two) = json.split_at(json.len() / 2);
    [(0, one), (1, two)].map(|(part, json)| step(time, &Record::Context { hash, part, parts: 2, json })).to_vec()
}

fn settings() -> Settings {
    let coverage = hj212_coverage::Settings { enabled: true, ..hj212_coverage::Settings::default() };
    Settings { gateway: "ah-01".to_owned(), coverage, ..Settings::default() }
}

struct Player {
    interpreter: Interpreter,
    offset: u64,
    out: Vec<TypedPublication>,
    done: Vec<Interpreted>,
}

impl Player {
    fn new(settings: Settings) -> Player {
        Player { interpreter: Interpreter::new(settings), offset: 0, out: Vec::new(), done: Vec::new() }
    }

    fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.offset += 1;
            let hash: [u8; 32] = Sha256::digest(self.offset.to_le_bytes()).into();
            let record = Record::decode(step.kind, &step.body).unwrap();
            let done = self.interpreter.on_record(self.offset, step.time, &hash, &record, &mut self.out);
            self.done.push(done);
        }
    }

    fn data(&self) -> Vec<serde_json::Value> {
        let bodies = self.out.iter().filter(|p| p.topic.contains("/data/"));
        bodies.map(|p| serde_json::from_slice(&p.payload).unwrap()).collect()
    }
}

fn played(steps: &[Step]) -> Vec<TypedPublication> {
    let mut player = Player::new(settings());
    player.play(steps);
    player.out
}

fn fixtures() -> Vec<(String, PathBuf, Vec<Step>)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/interpret");
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                path.clone(),
                script(&std::fs::read_to_string(&path).unwrap()),
            )
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() >= 8);
    all
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/schema/{name}.schema.json"));
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

struct Schemas([(&'static str, jsonschema::Validator); 22]);

/// JSON in which no object has one key twice: of two values parsers keep one, and which is theirs to choose.
struct KeysOnce;

impl<'de> serde::Deserialize<'de> for KeysOnce {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeysOnce, D::Error> {
        deserializer.deserialize_any(KeysOnce)
    }
}

impl<'de> serde::de::Visitor<'de> for KeysOnce {
    type Value = KeysOnce;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<KeysOnce, E> {
        Ok(KeysOnce)
    }

    fn visit_bool<E>(self, _: bool) -> Result<KeysOnce, E> {
        Ok(KeysOnce)
    }

    fn visit_i64<E>(self, _: i64) -> Result<KeysOnce, E> {
        Ok(KeysOnce)
    }

    fn visit_u64<E>(self, _: u64) -> Result<KeysOnce, E> {
        Ok(KeysOnce)
    }

    fn visit_f64<E>(self, _: f64) -> Result<KeysOnce, E> {
        Ok(KeysOnce)
    }

    fn visit_str<E>(self, _: &str) -> Result<KeysOnce, E> {
        Ok(KeysOnce)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut all: A) -> Result<KeysOnce, A::Error> {
        while all.next_element::<KeysOnce>()?.is_some() {}
        Ok(KeysOnce)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut all: A) -> Result<KeysOnce, A::Error> {
        let mut keys = std::collections::BTreeSet::new();
        while let Some((key, _)) = all.next_entry::<String, KeysOnce>()? {
            if let Some(twice) = keys.replace(key) {
                return Err(<A::Error as serde::de::Error>::custom(format!("the key {twice} twice")));
            }
        }
        Ok(KeysOnce)
    }
}

#[test]
fn one_key_twice_is_noticed_at_any_depth() {
    let is = |text: &str| serde_json::from_str::<KeysOnce>(text).is_ok();
    assert!(is(r#"{"a":{"b":1},"b":[{"a":null},{"a":1.50}],"c":true}"#));
    assert!(!is(r#"{"a":1,"a":1}"#) && !is(r#"{"x":[{"a":1,"b":2,"a":{}}]}"#) && !is(r#"{"a":1,"\u0061":2}"#));
}

impl Schemas {
    fn new() -> Schemas {
        Schemas(
            [
                "data",
                "event",
                "station",
                "rejected",
                "mark",
                "command",
                "completeness",
                "mark-entry-status",
                "mark-ruling-status",
                "validity",
                "gateway-event",
                "clock-step",
                "case",
                "case-step-status",
                "ledger-status",
                "score",
                "operator-score",
                "anchor",
                "judgement",
                "judgement-running",
                "alert",
                "lead",
            ]
            .map(|name| (name, schema(name))),
        )
    }

    /// Holds a publication against the schema it names.
    fn check(&self, publication: &TypedPublication) {
        if publication.payload.is_empty() {
            assert!(publication.retain);
            assert!(
                publication.topic.ends_with("/station")
                    || publication.topic.contains("/mark/")
                    || publication.topic.contains("/completeness/")
                    || publication.topic.contains("/case/")
                    || publication.topic.contains("/alert/")
                    || publication.topic.contains("/lead/")
                    || publication.topic.contains("/score/")
                    || publication.topic.ends_with("/status"),
                "{}",
                publication.topic
            );
            return;
        }
        let text = std::str::from_utf8(&publication.payload).unwrap();
        serde_json::from_str::<KeysOnce>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let body: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let name = body["schema"].as_str().unwrap().strip_prefix("hj212.").unwrap().strip_suffix("/1").unwrap();
        let schema = &self.0.iter().find(|(known, _)| *known == name).unwrap().1;
        let errors: Vec<String> =
            schema.iter_errors(&body).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        let beside = publication.topic.ends_with("/refused");
        assert_eq!(
            publication.retain,
            [
                "station",
                "mark",
                "command",
                "completeness",
                "case",
                "anchor",
                "alert",
                "lead",
                "score",
                "operator-score"
            ]
            .contains(&name)
                && !beside
        );
        let levels: Vec<&str> = publication.topic.split('/').collect();
        let right = match name {
            "data" => levels.len() == 5 && levels[3] == "data" && body["kind"] == levels[4],
            "event" => levels.len() == 5 && levels[3] == "event" && body["kind"] == levels[4],
            "mark" => {
                levels.len() == 7
                    && levels[3] == "mark"
                    && body["mark"]["mark"] == format!("{}:{}", levels[4], levels[5])
            }
            "completeness" => levels.len() == 5 && levels[3] == "completeness" && body["kind"] == levels[4],
            "command" => {
                levels.len() == 6
                    && levels[3] == "command"
                    && body["id"] == levels[4]
                    && (levels[5] == "status" || beside)
            }
            "mark-entry-status" => levels.len() == 6 && levels[3] == "mark-entry" && levels[5] == "status",
            "mark-ruling-status" => levels.len() == 7 && levels[3] == "mark-ruling" && levels[4] == body["role"],
            "validity" => levels.len() == 5 && levels[3] == "validity" && body["kind"] == levels[4],
            "judgement" => levels.len() == 5 && levels[3] == "judgement" && body["period"] == levels[4],
            "judgement-running" => levels[3..] == ["judgement", "running"],
            "alert" => levels.len() == 5 && levels[3] == "alert" && body["alert"] == levels[4],
            "score" => levels.len() == 5 && levels[3] == "score" && body["month"] == levels[4],
            "operator-score" => levels[2] == "operator" && body["operator"] == levels[3] && body["month"] == levels[5],
            "lead" => levels.len() == 5 && levels[3] == "lead" && body["lead"] == levels[4],
            "station" => levels.len() == 4 && levels[3] == "station",
            "gateway-event" => levels[2..5] == ["gateway", "ah-01", "event"] && body["kind"] == levels[5],
            "anchor" => levels[2..] == ["gateway", "ah-01", "anchor"],
            "case" => levels.len() == 5 && levels[3] == "case" && body["id"] == levels[4],
            "case-step-status" => levels.len() == 7 && levels[3] == "case-step" && levels[6] == "status",
            "ledger-status" => levels.len() == 7 && levels[3] == "ledger" && levels[4] == body["role"],
            "clock-step" => levels[2..] == ["gateway", "ah-01", "clock-step"],
            _ => levels[2..] == ["gateway", "ah-01", "rejected"],
        };
        assert!(right && !publication.topic.contains(['+', '#', '$']), "{}", publication.topic);
    }
}

#[test]
fn journals_give_what_they_gave() {
    for (name, path, steps) in fixtures() {
        let mut text = String::new();
        for publication in played(&steps) {
            let retained = if publication.retain { "retained" } else { "-" };
            let payload = std::str::from_utf8(&publication.payload).unwrap();
            text.push_str(&format!("{}\t{retained}\t{payload}\n", publication.topic));
        }
        let expected = path.with_extension("out");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&expected).unwrap_or_default();
        for (number, (now, then)) in text.lines().zip(kept.lines()).enumerate() {
            assert_eq!(now, then, "{name}.out, line {}", number + 1);
        }
        assert_eq!(text.lines().count(), kept.lines().count(), "{name}.out");
    }
}

#[test]
fn every_published_body_keeps_its_schema() {
    let schemas = Schemas::new();
    for (_, _, steps) in fixtures() {
        played(&steps).iter().for_each(|publication| schemas.check(publication));
    }
}

#[test]
fn a_label_says_what_the_body_says_and_no_two_have_one_id() {
    let mut kinds = BTreeSet::new();
    for (name, _, steps) in fixtures() {
        let mut ids = BTreeSet::new();
        for publication in played(&steps) {
            let label = match (&publication.label, &publication.content) {
                (Some(label), _) => label,
                (None, Says::Event(_) | Says::EntryStatus(_) | Says::RulingStatus { .. }) => {
                    panic!("{name}: {} has no label", publication.topic)
                }
                (None, _) => continue,
            };
            let body: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
            let event = ["hj212.event/1", "hj212.gateway-event/1"].contains(&body["schema"].as_str().unwrap());
            let said = if event { &body["kind"] } else { &body["schema"] };
            assert_eq!(said.as_str(), Some(&*label.kind), "{name}: {}", publication.topic);
            assert!(!event || body["id"].as_str() == Some(&*label.id), "{name}: {}", publication.topic);
            assert!(ids.insert(label.id.clone()), "{name}: {} is the id of two", label.id);
            kinds.insert(label.kind.clone().into_owned());
        }
    }
    for wanted in ["online", "gap", "mark-begin", "hj212.command/1", "hj212.mark-entry-status/1"] {
        assert!(kinds.contains(wanted), "{wanted} was not met: {kinds:?}");
    }
}

#[test]
fn no_password_and_no_key_is_published() {
    for (name, _, steps) in fixtures() {
        for publication in played(&steps) {
            let text = std::str::from_utf8(&publication.payload).unwrap();
            for secret in
                ["123456;", "PW=123456", "654321", "s3cr3t", "733363723374", "0123456789abcdef", "keyBkeyBkeyBkeyB"]
            {
                assert!(!text.contains(secret), "{name}: {text}");
            }
        }
    }
}

/// The layout is postcard: what one side leaves out, the other reads as something else. No type in a snapshot may leave anything out.
#[test]
fn a_snapshot_with_all_that_is_shipped_is_read_back() {
    let files = [("stations.toml".to_owned(), include_str!("../../../config/stations.toml").to_owned())];
    let registry = hj212_model::registry::load(&files, hj212_model::registry::Unknown::Accept).unwrap();
    let context = Context { stations: registry.facts(), dialects: registry.dialects(), ..Context::default() };
    let shipped = Context { dialects: hj212_model::registry::Dialects::default().readings(), ..Context::default() };
    for context in [context, shipped] {
        let mut player = Player::new(settings());
        player.play(&context_steps(Timestamp(1_800_000_000_000_000), &context));
        let snapshot = player.interpreter.snapshot();
        let restored = Interpreter::restore(settings(), &snapshot).unwrap();
        assert_eq!(restored.snapshot(), snapshot);
    }
}

#[test]
fn the_same_records_give_the_same_bytes_over_any_snapshot() {
    for (name, _, steps) in fixtures() {
        let whole = played(&steps);
        assert_eq!(played(&steps), whole, "{name}");
        for cut in 0..=steps.len() {
            let mut player = Player::new(settings());
            player.play(&steps[..cut]);
            let snapshot = player.interpreter.snapshot();
            player.interpreter = Interpreter::restore(settings(), &snapshot).unwrap();
            assert_eq!(player.interpreter.snapshot(), snapshot, "{name} after {cut}");
            player.play(&steps[cut..]);
            assert_eq!(player.out, whole, "{name} cut after {cut}");
        }
    }
}

#[test]
fn snapshots_of_other_layouts_are_refused() {
    let snapshot = Interpreter::new(settings()).snapshot();
    assert_eq!(Interpreter::restore(settings(), b"x").unwrap_err(), RestoreError::NotASnapshot);
    let mut other = snapshot.clone();
    other[15] = 99;
    assert_eq!(Interpreter::restore(settings(), &other).unwrap_err(), RestoreError::Layout(99));
    assert_eq!(Interpreter::restore(settings(), &snapshot[..18]).unwrap_err(), RestoreError::Damaged);
}

const NOON: &str = "20260601120000000";

fn noon() -> Timestamp {
    Moment::read(NOON.as_bytes()).unwrap().timestamp()
}

fn part(count: usize, number: usize) -> Step {
    let text = format!(
        "QN=2026060112000000{number};ST=31;CN=2061;PW=1;MN=A;Flag=7;PNUM={count};PNO={number};CP=&&DataTime=20260601110000;a2100{number}-Avg={number}.50,a2100{number}-Flag=N&&"
    );
    frame_step(noon(), text.as_bytes())
}

#[test]
fn parts_in_any_order_give_the_same_readings() {
    let mut readings = Vec::new();
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let mut player = Player::new(settings());
        player.play(&order.map(|number| part(3, number)));
        let data = player.data();
        assert_eq!(data.len(), 1, "{order:?}");
        assert!(data[0]["part"].is_null());
        readings.push((data[0]["readings"].to_string(), data[0]["id"].to_string()));
    }
    assert!(readings.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn waiting_parts_are_bounded_per_station_and_in_all() {
    let limits = Settings { parts_station_max: 2, ..settings() };
    let first_parts = |mn: usize, hours: std::ops::Range<usize>| -> Vec<Step> {
        hours
            .map(|hour| {
                let text = format!("QN={NOON};ST=31;CN=2061;MN={mn};Flag=7;PNUM=2;PNO=1;CP=&&DataTime=20260601{hour:02}0000;a21026-Avg=1&&");
                frame_step(noon(), text.as_bytes())
            })
            .collect()
    };
    let mut player = Player::new(limits);
    player.play(&first_parts(1, 0..5));
    assert_eq!(player.done.iter().map(|done| done.parts_missing).sum::<u32>(), 3, "two wait, the others were given up");
    let limits = Settings { parts_bytes_max: 200, ..settings() };
    let mut player = Player::new(limits);
    for mn in 0..50 {
        player.play(&first_parts(mn, 0..1));
        assert!(player.interpreter.waiting.bytes() <= 200 + 100);
    }
    assert!(player.done.iter().map(|done| done.parts_missing).sum::<u32>() > 40);
}

#[test]
fn stations_beyond_the_limit_are_published_and_not_remembered() {
    let mut player = Player::new(Settings { stations_max: 1, ..settings() });
    let frame = |mn: &str| {
        frame_step(
            noon(),
            format!("QN={NOON};ST=31;CN=2011;MN={mn};Flag=5;CP=&&DataTime=20260601120000;a21026-Rtd=1&&").as_bytes(),
        )
    };
    player.play(&[frame("A"), frame("B"), frame("B"), frame("A")]);
    assert_eq!(player.interpreter.stations.len(), 1);
    assert_eq!(player.data().len(), 3, "A's re-send is known, B's is not");
    assert_eq!(player.done.iter().map(|done| done.unremembered).sum::<u32>(), 2);
}

#[test]
fn invented_stations_are_forgotten_for_others_and_registered_ones_never() {
    let mut player = Player::new(Settings { unregistered_max: 3, ..settings() });
    let schemas = Schemas::new();
    let after = |seconds: i64| Timestamp(noon().0 + seconds * 1_000_000);
    let frame = |n: i64| {
        let text =
            format!("QN={NOON};ST=31;CN=2011;PNUM=2;PNO=1;MN=X{n};Flag=9;CP=&&DataTime=20260601120000;a21026-Rtd=1&&");
        frame_step(after(n), text.as_bytes())
    };
    for n in 0..10 {
        player.play(&[frame(n)]);
    }
    assert_eq!(player.interpreter.stations.len(), 3);
    let names: std::collections::BTreeSet<_> = player.interpreter.stations.iter().map(|s| s.mn.clone()).collect();
    assert_eq!(names, [b"X7".to_vec(), b"X8".to_vec(), b"X9".to_vec()].into());
    let count = |end: &str, empty: bool| {
        player.out.iter().filter(|said| said.topic.ends_with(end) && said.payload.is_empty() == empty).count()
    };
    assert_eq!(count("/event/station-forgotten", false), 7);
    assert_eq!(count("/event/parts-missing", false), 7, "what waited of them is published");
    assert_eq!(count("/station", true), 7, "their cards are cleared");
    player.out.iter().for_each(|publication| schemas.check(publication));
    // Who is forgotten comes back as a new one, and who leaves does not come back for that.
    let left = Record::Presence(Presence::Offline { mn: "X0", on: peering("10.0.0.9:7000") });
    player.play(&[step(after(60), &left)]);
    assert_eq!(player.interpreter.stations.len(), 3);
    assert!(!player.interpreter.stations.iter().any(|station| station.mn == b"X0"));
    // The same over a snapshot.
    let restored = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
    assert_eq!(restored.strangers.len(), 3);
}

#[test]
fn what_invented_stations_say_takes_no_more_memory_than_is_set() {
    let most = 1 << 20;
    let mut player = Player::new(Settings { unregistered_bytes_max: most, ..settings() });
    let frame = |n: i64, code: i64| {
        let time = Timestamp(noon().0 + (n * 100 + code) * 1_000_000);
        let area: String = (0..60).map(|k| format!(";a{:05}-Rtd=1", 10_000 + code * 60 + k)).collect();
        let text = format!("QN={NOON};ST=31;CN=2011;MN=X{n};Flag=5;CP=&&DataTime=20260601120000{area}&&");
        frame_step(time, text.as_bytes())
    };
    let bytes = |player: &Player| player.interpreter.strangers.bytes();
    for n in 0..40 {
        for code in 0..8 {
            player.play(&[frame(n, code)]);
            assert!(bytes(&player) <= most, "{}", bytes(&player));
        }
    }
    let forgotten: u32 = player.done.iter().map(|done| done.forgotten).sum();
    let said = player.out.iter().filter(|said| said.topic.ends_with("/event/station-forgotten")).count();
    assert!(forgotten > 10 && said == forgotten as usize, "{forgotten} forgotten, {said} said");
    assert_eq!(player.data().len(), 40 * 8, "every frame is published all the same");
    let newest = player.interpreter.stations.iter().find(|station| station.mn == b"X39").unwrap();
    assert!(newest.codes.len() > 400, "the one that speaks is not forgotten");
    // The same over a snapshot.
    let restored = Interpreter::restore(settings(), &player.interpreter.snapshot()).unwrap();
    assert_eq!(restored.strangers, player.interpreter.strangers);
    // A registered station is none of them, however much it says.
    let schemas = Schemas::new();
    player.out.iter().for_each(|publication| schemas.check(publication));
}

#[test]
fn a_station_whose_flags_toggle_is_published_in_its_share_and_ends_in_the_right_state() {
    let toggling = |second: i64| {
        let flag = if second % 2 == 0 { 'D' } else { 'N' };
        let area: String = (0..30).map(|n| format!(";a{}-Rtd=1,a{}-Flag={flag}", 21001 + n, 21001 + n)).collect();
        let time = format!("202606011200{second:02}");
        let text = format!("QN={time}001;ST=31;CN=2011;MN=M1;Flag=5;CP=&&DataTime={time}{area}&&");
        frame_step(Timestamp(noon().0 + second * 1_000_000), text.as_bytes())
    };
    let about_marks = |said: &&TypedPublication| said.topic.contains("/mark/") || said.topic.contains("/event/mark-");
    let retained = |out: &[TypedPublication]| {
        let mut retained = std::collections::BTreeMap::new();
        for said in out.iter().filter(|said| said.topic.contains("/mark/")) {
            retained.insert(said.topic.clone(), said.payload.clone());
        }
        retained.retain(|_, payload| !payload.is_empty());
        retained
    };
    let steps: Vec<Step> = (0..21).map(toggling).collect();
    let tick = step(Timestamp(noon().0 + 90_000_000), &Record::Tick);
    let mut whole = Player::new(Settings { marks_per_minute: u32::MAX, ..settings() });
    whole.play(&steps);
    assert!(whole.out.iter().filter(about_marks).count() > 600, "a flood");
    whole.play(std::slice::from_ref(&tick));
    let mut player = Player::new(Settings { marks_per_minute: 20, ..settings() });
    player.play(&steps);
    assert_eq!(player.out.iter().filter(about_marks).count(), 20);
    assert_eq!(player.data().len(), whole.data().len(), "readings are whole");
    // A restart in between loses nothing of it.
    let settings = Settings { marks_per_minute: 20, ..settings() };
    player.interpreter = Interpreter::restore(settings, &player.interpreter.snapshot()).unwrap();
    player.play(std::slice::from_ref(&tick));
    assert_eq!(retained(&player.out), retained(&whole.out));
    let limited: Vec<_> = player.out.iter().filter(|said| said.topic.ends_with("/event/marks-limited")).collect();
    assert_eq!(limited.len(), 1);
    Schemas::new().check(limited[0]);
    assert!(player.out.iter().filter(about_marks).count() < 100);
}

#[test]
fn the_door_is_told_what_to_count() {
    let mut player = Player::new(settings());
    let frame = |avg: &str| {
        frame_step(
            noon(),
            format!("QN={NOON};ST=31;CN=2061;MN=A;Flag=5;CP=&&DataTime=20260601110000;a21026-Avg={avg}&&").as_bytes(),
        )
    };
    player.play(&[frame("1"), frame("1"), frame("2"), frame("--")]);
    let counts: Vec<(u32, u32)> = player.done.iter().map(|done| (done.resent, done.revisions)).collect();
    assert_eq!(counts, [(0, 0), (1, 0), (0, 1), (0, 1)]);
    assert!(player.done[1].deviations.contains(Deviation::Resent));
    assert!(player.done[3].deviations.contains(Deviation::ValueNotNumber));
}

/// What is proposed to a station that sends each of these frames so often.
fn proposed(registered: &str, frames: &[(&str, usize)]) -> Vec<(String, String)> {
    let mut player = Player::new(settings());
    let mut context = Context { dialects: hj212_model::registry::Dialects::default().readings(), ..Context::default() };
    if !registered.is_empty() {
        context.stations.insert("A".to_owned(), serde_json::from_str(registered).unwrap());
    }
    player.play(&context_steps(noon(), &context));
    let schemas = Schemas::new();
    let mut second = 0;
    for (n, (frame, times)) in frames.iter().enumerate() {
        for _ in 0..*times {
            second += 5;
            let at = Timestamp(noon().0 + second * 1_000_000);
            player.play(&[frame_step(at, frame.replace("NN", &format!("2026060112{n:02}00000")).as_bytes())]);
        }
    }
    player.out.iter().for_each(|publication| schemas.check(publication));
    let events = player.out.iter().filter(|said| said.topic.ends_with("/event/dialect-proposed"));
    let detail =
        |said: &TypedPublication| serde_json::from_slice::<serde_json::Value>(&said.payload).unwrap()["detail"].clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    events.map(detail).map(|detail| (text(&detail["dialect"]), text(&detail["why"]))).collect()
}

#[test]
fn a_station_that_does_not_take_our_answers_is_named_once_with_the_dialect_to_try() {
    let flagless = "QN=NN;ST=32;CN=2011;PW=123456;MN=A;CP=&&DataTime=20260601120000;w01018-Rtd=1&&";
    let unasked = "QN=NN;ST=32;CN=2011;PW=123456;MN=A;Flag=4;CP=&&DataTime=20260601120000;w01018-Rtd=1&&";
    let asked = "QN=NN;ST=32;CN=2011;PW=123456;MN=A;Flag=1;CP=&&DataTime=20260601120000;w01018-Rtd=1&&";
    let of = |dialect: &str, why: &str| vec![(dialect.to_owned(), why.to_owned())];
    assert_eq!(proposed("", &[(flagless, 9)]), of("flag-or-none", "no-flag"));
    assert_eq!(proposed("", &[(&flagless.replace("ST=32", "ST=39"), 4)]), of("dust-noise", "no-flag"));
    let noise = flagless.replace("ST=32", "ST=23");
    assert_eq!(proposed("", &[(&noise, 4)]), of("dust-noise", "no-flag"));
    let imei = flagless.replace("MN=A", "MN=861234567890123");
    assert_eq!(proposed("", &[(&imei, 4)]), of("oil-fume", "no-flag"));
    // It is in the dialect that its frames show already, so the next one is tried.
    let dust = flagless.replace("ST=32", "ST=39").replace("w01018-Rtd", "a34004-Rtd");
    assert_eq!(proposed("", &[(&dust, 4)]), of("flag-or-none", "no-flag"));
    let water =
        "QN=NN;ST=21;CN=2061;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&DataTime=20260601120000;w01001-Avg=7&&";
    assert_eq!(proposed("", &[(water, 4)]), of("surface-water", "answer-form"));
    assert_eq!(proposed("", &[(unasked, 4)]), of("2017-always", "flag-asks-none"));
    assert_eq!(proposed("", &[(asked, 4)]), of("2005-bare", "answer-form"));
    assert_eq!(proposed(r#"{"edition":"2017"}"#, &[(asked, 4)]), of("2005", "answer-form"));
    assert_eq!(proposed(r#"{"dialect":"flag-or-none"}"#, &[(flagless, 4)]), of("vapour-recovery", "no-flag"));
    // Three sends of each record, as boxes of vapour recovery do; and lost answers now and then, which say nothing.
    assert_eq!(proposed("", &[(asked, 3), (asked, 3), (asked, 3)]), of("2005-bare", "answer-form"));
    assert_eq!(proposed("", &[(asked, 3), (asked, 1), (asked, 2), (asked, 1), (asked, 3)]), vec![]);
    let beat = "QN=20260601120000000;ST=91;CN=9015;PW=123456;MN=A;Flag=5;CP=&&&&";
    assert_eq!(proposed("", &[(beat, 9)]), vec![], "heartbeats may be all alike");
}

#[test]
fn surface_water_of_an_unregistered_station_is_read_in_the_edition_of_its_dialect() {
    let mut player = Player::new(settings());
    let context = Context { dialects: hj212_model::registry::Dialects::default().readings(), ..Context::default() };
    player.play(&context_steps(noon(), &context));
    let edition = |player: &mut Player, mn: &str, st: &str, flag: u8| {
        player.out.clear();
        let segment = format!(
            "QN=20260601120000001;ST={st};CN=2061;PW=123456;MN={mn};Flag={flag};CP=&&DataTime=20260601110000;w01001-Avg=7.1,w01001-Flag=N&&"
        );
        player.play(&[frame_step(noon(), segment.as_bytes())]);
        let bodies = player.out.iter().filter(|said| said.topic.contains("/data/"));
        let body = bodies.last().map(|said| serde_json::from_slice::<serde_json::Value>(&said.payload).unwrap());
        body.map(|body| body["edition"].as_str().unwrap_or("none").to_owned())
    };
    for flag in [8, 9] {
        assert_eq!(edition(&mut player, &format!("A110000_00{flag}1"), "21", flag).as_deref(), Some("2017"));
        assert_eq!(edition(&mut player, &format!("888888800000{flag}1"), "21", flag).as_deref(), Some("2017"));
        let epc = format!("010000A8900016F000169D{flag}0");
        assert_eq!(edition(&mut player, &epc, "31", flag).as_deref(), Some("2025"));
    }
    assert_eq!(edition(&mut player, "A110000_0077", "31", 5).as_deref(), Some("2017"));
    assert_eq!(edition(&mut player, "A110000_0078", "31", 13).as_deref(), Some("none"));
}

#[test]
fn a_station_s_state_stays_small() {
    let mut player = Player::new(settings());
    for n in 0..2000 {
        let text =
            format!("QN=202606011200{n:05};ST=31;CN=2011;MN=A;Flag=5;CP=&&DataTime=202606011{n:05};c{n}-Rtd=1&&");
        player.play(&[frame_step(noon(), text.as_bytes())]);
        player.out.clear();
    }
    let station = &player.interpreter.stations[0];
    assert!(station.codes.len() <= 512 && station.sets.len() <= 16);
    let bytes = player.interpreter.snapshot().len();
    assert!(bytes < 36 * 1024, "{bytes}");
}

#[test]
fn a_mark_entered_by_hand_is_answered_published_and_kept_over_a_snapshot() {
    let steps = fixtures().into_iter().find(|(name, ..)| name == "marks").unwrap().2;
    let mut player = Player::new(settings());
    player.play(&steps[..4]);
    let enter = |player: &mut Player, id: &str, reason: &str| {
        player.out.clear();
        let entry = format!(
            r#"{{"schema":"hj212.mark-entry/1","id":"{id}","mark":"inc19:fault","object":"furnace-1","begin":"2026-06-01T10:00:00+08:00","end":null,"reason":"{reason}","proof":"photo","author":"王"}}"#
        );
        player.play(&[step(steps[3].time, &Record::MarkEntry { mn: "M1", id, json: entry.as_bytes() })]);
        let status: serde_json::Value = serde_json::from_slice(&player.out[0].payload).unwrap();
        status["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(enter(&mut player, "e1", " "), "refused");
    assert_eq!(player.out.len(), 1, "nothing but the refusal");
    assert_eq!(enter(&mut player, "e2", "风机跳闸"), "accepted");
    let topics: Vec<&str> = player.out.iter().map(|p| p.topic.trim_start_matches("hj212/v1/M1/")).collect();
    assert_eq!(topics, ["mark-entry/e2/status", "event/mark-begin", "mark/inc19/fault/furnace-1"]);
    let schemas = Schemas::new();
    player.out.iter().for_each(|publication| schemas.check(publication));
    let snapshot = player.interpreter.snapshot();
    player.interpreter = Interpreter::restore(settings(), &snapshot).unwrap();
    player.out.clear();
    player.play(&steps[4..5]);
    assert_eq!(player.data()[0]["readings"]["a21026"]["validity"], serde_json::Value::Null, "over range prevails");
    let marks = player.data()[0]["readings"]["a21026"]["marks"].to_string();
    assert!(marks.contains("inc19:fault") && marks.contains("h17:T"), "{marks}");
}

#[test]
fn refused_entries_change_nothing_and_are_answered_whatever_they_hold() {
    let steps = fixtures().into_iter().find(|(name, ..)| name == "marks").unwrap().2;
    let mut player = Player::new(settings());
    player.play(&steps[..4]);
    let schemas = Schemas::new();
    let long = vec![b' '; hj212_model::message::MARK_ENTRY_MAX * 3];
    let other = br#"{"schema":"hj212.mark-entry/1","id":"b","reason":"r","author":"a","withdraws":"c"}"#;
    let cases: [(&str, &str, &[u8], &str); 7] = [
        ("M1", "a", b"", "unreadable"),
        ("M1", "a", &[0xff, 0xfe], "unreadable"),
        ("M1", "a", &[b'['; 9000], "unreadable"),
        ("M1", "a", &long, "too-long"),
        ("M1", "a", other, "id"),
        ("M1", "#/\u{0}", other, "id"),
        ("nobody/+", "b", other, "unknown-station"),
    ];
    for (mn, id, json, why) in cases {
        player.out.clear();
        let time = steps[3].time;
        player.play(&[step(time, &Record::MarkEntry { mn, id, json })]);
        let status: serde_json::Value = serde_json::from_slice(&player.out[0].payload).unwrap();
        assert_eq!(
            (status["state"].as_str(), status["why"]["code"].as_str()),
            (Some("refused"), Some(why)),
            "{status}"
        );
        assert_eq!(player.out.len(), 1, "{why}");
        schemas.check(&player.out[0]);
        assert_eq!(player.interpreter.stations.len(), 1, "a stranger is not remembered");
        let marks = &player.interpreter.stations[0].marks;
        assert!(marks.held().all(|mark| mark.said.is_none()) && marks.ended().next().is_none());
    }
}

#[test]
fn wrong_rules_in_a_context_leave_the_former_ones_in_force() {
    let frame = |avg: &str| {
        let text = format!(
            "QN={NOON};ST=31;CN=2011;MN=A;Flag=5;CP=&&DataTime=20260601120000;a21026-Rtd={avg},a21026-Flag=D&&"
        );
        frame_step(noon(), text.as_bytes())
    };
    let mut player = Player::new(settings());
    player.play(&[frame("1")]);
    let rules = std::collections::BTreeMap::from([("x.toml".to_owned(), "schema = \"marks/9\"".to_owned())]);
    player.play(&context_steps(noon(), &Context { rules, ..Context::default() }));
    player.play(&[frame("2")]);
    assert_eq!(player.done.iter().map(|done| done.rules_refused).sum::<u32>(), 1);
    assert_eq!(player.data()[1]["readings"]["a21026"]["marks"].to_string(), r#"["h17:D"]"#);
}

fn hours(stations: usize, hour: usize) -> Vec<Step> {
    let frame = |mn: usize| {
        format!("QN={NOON};ST=31;CN=2061;MN={mn};Flag=5;CP=&&DataTime=20260601{hour:02}0000;a21026-Avg=1&&")
    };
    (0..stations).map(|mn| frame_step(noon(), frame(mn).as_bytes())).collect()
}

#[test]
fn gaps_of_many_stations_come_in_portions_and_all_of_them_come() {
    let mut player = Player::new(settings());
    player.play(&hours(700, 11));
    let (mut gaps, mut days) = (0, 0);
    for tick in 0..6 {
        player.out.clear();
        let snapshot = player.interpreter.snapshot();
        player.interpreter = Interpreter::restore(settings(), &snapshot).unwrap();
        player.play(&[step(Timestamp(noon().0 + 86_400_000_000 + tick), &Record::Tick)]);
        assert!(player.out.len() <= 260, "{}", player.out.len());
        gaps += player.out.iter().filter(|p| p.topic.ends_with("/event/gap")).count();
        days += player.out.iter().filter(|p| p.topic.ends_with("/completeness/hour")).count();
    }
    assert_eq!((gaps, days), (700, 700));
    assert_eq!(player.done.iter().map(|done| done.gaps).sum::<u32>(), 700);
}

#[test]
fn recalls_take_turns_among_stations_and_only_so_many_are_open() {
    let coverage = hj212_coverage::Settings { enabled: true, open_max: 2, ..hj212_coverage::Settings::default() };
    let mut player = Player::new(Settings { coverage, ..settings() });
    player.play(&hours(5, 1));
    player.play(&hours(5, 10));
    player.play(&[step(Timestamp(noon().0 + 120_000_000), &Record::Tick)]);
    let minutes = |n: i64| Timestamp(noon().0 + n * 60_000_000);
    assert!(player.interpreter.recalls(minutes(9)).is_empty(), "they have just uploaded old records");
    let first = player.interpreter.recalls(minutes(11));
    let names = |recalls: &[hj212_coverage::Recall]| recalls.iter().map(|r| r.mn.clone()).collect::<Vec<_>>();
    assert_eq!((names(&first), first[0].id.as_str()), (vec!["0".into(), "1".into()], "recall-hour-20260601020000-1"));
    let area = "BeginTime=20260601020000;EndTime=20260601090000";
    let queued = format!(
        r#"{{"step":"queued","mn":"1","id":"{}","command":"get-hours","cn":2061,"edition":"2017","area":"{area}","origin":"recall","author":"gateway","why":"","expires":{}}}"#,
        first[1].id,
        minutes(600).0
    );
    player.play(&[step(minutes(11), &Record::Command(queued.as_bytes()))]);
    assert_eq!(names(&player.interpreter.recalls(minutes(12))), ["2"], "one is open, and the next has its turn");
    player.interpreter.settings.coverage.enabled = false;
    assert!(player.interpreter.recalls(minutes(13)).is_empty());
}

#[test]
fn what_the_gateway_says_of_itself_is_an_event_of_its_own_or_of_a_station() {
    let schemas = Schemas::new();
    let detail = serde_json::json!({"count": 2, "unlisted": 0, "topics": ["a"], "why": "no", "first": 1, "last": 3});
    let own = hj212_model::message::notice("dead-letter", None, &detail);
    let published = played(&[step(noon(), &Record::Notice(&own))]);
    assert_eq!(published[0].topic, "hj212/v1/gateway/ah-01/event/dead-letter");
    published.iter().for_each(|publication| schemas.check(publication));
    for wrong in [&b"{}"[..], b"", br#"{"kind":"a/b","mn":null,"detail":{}}"#, br#"{"kind":"","detail":{}}"#] {
        assert!(played(&[step(noon(), &Record::Notice(wrong))]).is_empty());
    }
}

#[test]
fn electricity_and_production_are_not_counted_with_the_station_s_own_data() {
    let mut player = Player::new(settings());
    for (st, mn) in [("31", "A"), ("44", "B"), ("45", "C")] {
        let text = format!("QN={NOON};ST={st};CN=2061;MN={mn};Flag=5;CP=&&DataTime=20260601110000;a21026-Avg=1&&");
        player.play(&[frame_step(noon(), text.as_bytes())]);
    }
    assert_eq!(player.interpreter.ledgers().map(|(mn, _)| mn).collect::<Vec<_>>(), [b"A"]);
}

fn literal() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,15})?"
}

proptest! {
    #[test]
    fn whatever_is_entered_is_answered_once_and_keeps_the_schema(mn in "\\PC{0,40}", id in "\\PC{0,80}", json in proptest::collection::vec(any::<u8>(), 0..200)) {
        let published = played(&[step(noon(), &Record::MarkEntry { mn: &mn, id: &id, json: &json })]);
        prop_assert_eq!(published.len(), 1);
        Schemas::new().check(&published[0]);
    }

    #[test]
    fn every_number_passes_as_it_was_written(values in proptest::collection::vec(literal(), 1..8)) {
        let fields = ["Rtd", "Avg", "Min", "Max", "Cou", "ZsAvg", "ZsMin", "ZsMax"];
        let area: Vec<String> = values.iter().zip(fields).map(|(value, field)| format!("a21026-{field}={value}")).collect();
        let text = format!("QN={NOON};ST=31;CN=2061;MN=A;Flag=5;CP=&&DataTime=20260601110000;{}&&", area.join(","));
        let published = played(&[frame_step(noon(), text.as_bytes())]);
        let body = std::str::from_utf8(&published[0].payload).unwrap().to_owned();
        for (value, key) in values.iter().zip(["rtd", "avg", "min", "max", "cou", "zs_avg", "zs_min", "zs_max"]) {
            let said = format!("\"{key}\":{value}");
            let after = body.split_once(said.as_str()).map(|(_, after)| after.as_bytes()[0]);
            prop_assert_eq!(after, Some(b','), "{} in {}", said, body);
        }
    }

    #[test]
    fn whatever_is_heard_gives_json_that_keeps_its_schema(area in proptest::collection::vec(any::<u8>(), 0..200), head in "[ -~]{0,40}") {
        let schemas = Schemas::new();
        let mut segment = format!("QN={NOON};ST=31;CN=2011;PW=1;{head};MN=A;Flag=5;CP=&&").into_bytes();
        segment.extend_from_slice(&area);
        segment.extend_from_slice(b"&&");
        played(&[frame_step(noon(), &segment), frame_step(noon(), &area)]).iter().for_each(|p| schemas.check(p));
    }

    #[test]
    fn fields_of_any_shape_give_json_that_keeps_its_schema(
        fields in proptest::collection::vec(("[a-cA-C0-9\"\\\\é-]{0,5}", "[A-Za-z_\"]{0,6}|Rtd|Flag|Avg|name|x_y", "[0-9.+e\\-N\"\\\\ \u{1}]{0,8}|//.{0,6}//"), 0..30),
        cn in prop_oneof![Just(2011u16), Just(2051), Just(3020), Just(2062), 0u16..10_000],
        flag in 0u8..12,
    ) {
        let schemas = Schemas::new();
        let area: Vec<String> = fields.iter().map(|(code, name, value)| format!("{code}-{name}={value}")).collect();
        let text = format!("QN={NOON};ST=31;CN={cn};MN=A;Flag={flag};CP=&&DataTime=20260601110000;{}&&", area.join(";"));
        let published = played(&[frame_step(noon(), text.as_bytes())]);
        for publication in &published {
            schemas.check(publication);
            no_key_twice(std::str::from_utf8(&publication.payload).unwrap());
        }
    }
}

/// Walks the objects of `text` and fails on a key that occurs twice in one of them.
fn no_key_twice(text: &str) {
    struct Unique;
    impl<'de> serde::de::Visitor<'de> for Unique {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any JSON")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut keys = std::collections::HashSet::new();
            while let Some(key) = map.next_key::<String>()? {
                map.next_value_seed(Unique)?;
                assert!(keys.insert(key.clone()), "{key} twice");
            }
            Ok(())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element_seed(Unique)?.is_some() {}
            Ok(())
        }
        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }
        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }
        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }
        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }
        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }
    }
    impl<'de> serde::de::DeserializeSeed<'de> for Unique {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
            from.deserialize_any(self)
        }
    }
    use serde::de::DeserializeSeed;
    Unique.deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap_or_else(|e| panic!("{e}: {text}"));
}

/// A request's life, its steps as the desk writes them: the documents keep what was known before, nothing secret is in them, and the
/// last one is cleared after its time; a restart between any two steps changes nothing.
#[test]
fn the_steps_of_a_request_become_a_status_and_an_event() {
    use hj212_downlink::{KeyState, Origin, Outcome, Step};
    let (mn, id, qn) = ("A1".to_owned(), "r-1".to_owned(), "20261123104000001".to_owned());
    let step = |n: usize| {
        let (mn, id, qn) = (mn.clone(), id.clone(), qn.clone());
        match n {
            0 => Step::Queued {
                mn,
                id,
                command: "get-hours".into(),
                cn: 2061,
                edition: Edition::V2017,
                area: "BeginTime=20261123080000,EndTime=20261123100000".into(),
                new_mn: None,
                origin: Origin::Operator,
                author: "li".into(),
                why: "gap".into(),
                expires: Timestamp(1_795_400_000_000_000),
                confirm: None,
            },
            1 => Step::Sent { mn, id, qn, count: 1, segment: "QN=1;ST=32;CN=2061;PW=secret;MN=A1;CP=&&&&".into() },
            2 => Step::Accepted { mn, id, qn },
            3 => Step::Data { mn, id, qn, packets: 1, answer: None },
            4 => Step::Ended { mn, id, outcome: Outcome::Done, code: Some(1), packets: 3 },
            5 => Step::Refused {
                mn,
                id,
                reason: "id-used".into(),
                author: "x".into(),
                length: 2,
                sha256: "00".into(),
                shown: false,
                about: None,
            },
            6 => Step::Key {
                mn,
                created: "2026".into(),
                key: "hex:00112233".into(),
                state: KeyState::Proven,
                again: false,
            },
            _ => Step::Clock { mn, offset_ms: -200_000, within: false },
        }
    };
    let schemas = Schemas::new();
    let settings = || Settings { gateway: "ah-01".into(), ..Settings::default() };
    let mut once = Interpreter::new(settings());
    let mut again = Interpreter::new(settings());
    let (mut said, mut said_again) = (Vec::new(), Vec::new());
    for n in 0..8 {
        let (time, body) = (Timestamp(1_795_399_200_000_000 + n as i64), step(n).encode());
        once.on_record(n as u64 + 1, time, &[7; 32], &Record::Command(&body), &mut said);
        again = Interpreter::restore(settings(), &again.snapshot()).unwrap();
        again.on_record(n as u64 + 1, time, &[7; 32], &Record::Command(&body), &mut said_again);
    }
    assert_eq!(said, said_again);
    said.iter().for_each(|publication| schemas.check(publication));
    let text: Vec<&str> = said.iter().map(|p| std::str::from_utf8(&p.payload).unwrap()).collect();
    assert!(text.iter().all(|t| !t.contains("secret") && !t.contains("00112233")));
    let states: Vec<String> = said
        .iter()
        .filter(|p| p.retain)
        .map(|p| serde_json::from_slice::<serde_json::Value>(&p.payload).unwrap()["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["queued", "sent", "accepted", "data", "done"]);
    let done: serde_json::Value = serde_json::from_slice(&said.iter().rfind(|p| p.retain).unwrap().payload).unwrap();
    assert_eq!((&done["author"], &done["packets"], &done["count"]), (&"li".into(), &3.into(), &1.into()));
    let kinds: Vec<&str> = said.iter().filter_map(|p| p.topic.rsplit_once("/event/").map(|(_, kind)| kind)).collect();
    assert_eq!(kinds, ["command", "command", "key", "clock-drift"]);
    let mut cleared = Vec::new();
    let later = Timestamp(1_795_399_200_000_000 + 24 * 3_600_000_000 + 10);
    once.on_record(20, later, &[7; 32], &Record::Tick, &mut cleared);
    assert!(cleared.iter().any(|p| p.topic == "hj212/v1/A1/command/r-1/status" && p.payload.is_empty() && p.retain));
}
