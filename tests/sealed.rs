//! Encrypted frames of HJ 212-2025 from the wire to the broker, with real processes: heard, stored and answered whatever key they are
//! sealed with; published when a key opens them, unreadable when none does, and readable by `replay` once there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use gateway::Gateway;
use hj212::sm4::{self, Key};
use hj212_downlink::{KeyState, Step};
use hj212_journal::{self as journal, Entry, Offset, OsDisk, Receipt, Unstored};
use hj212_model::message::{Record, Timestamp};
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker, Message};
use serde_json::Value;

const MN: &str = "010000A8900016F000169DC0";
const A: &str = "0123456789abcdef";
const B: &str = "keyBkeyBkeyBkeyB";

/// How the ciphertext stands on the wire.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Bytes,
    Printed,
}

/// The minute record of 10:`minute`, sealed.
fn sealed(minute: u32, key: &str, form: Form) -> Vec<u8> {
    let header = format!("QN=202606011{minute:02}00000000;ST=31;CN=2051;PW=123456;MN={MN};Flag=9;CP=&&");
    let plain = format!("{header}DataTime=2026060110{minute:02}00;a21026-Avg={minute}.25,a21026-Flag=N&&");
    let mut wire = Vec::new();
    sm4::frame(&mut wire, plain.as_bytes(), &Key::from_text(key).unwrap()).unwrap();
    if form == Form::Bytes {
        return wire;
    }
    let (area, end) = (&wire[6 + header.len()..wire.len() - 8], &wire[wire.len() - 6..]);
    let (groups, rest) = area.split_at(area.len() / 16 * 16);
    let printed: Vec<String> = groups.iter().map(|byte| format!("0x{byte:02X}")).collect();
    let printed = format!("{{{}}}", printed.join(","));
    let length = format!("##{:04}{header}{printed}", plain.len());
    [length.as_bytes(), rest, b"&&", end].concat()
}

/// Sends the frames one after the other and waits for the answer to each.
fn answered(gateway: &Gateway, frames: &[Vec<u8>]) {
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for frame in frames {
        stream.write_all(frame).unwrap();
        let qn = String::from_utf8_lossy(&frame[6..26]).into_owned();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n") {
            let mut piece = [0; 256];
            let count = stream.read(&mut piece).expect("every frame is answered");
            assert!(count > 0, "the gateway hung up after {qn}");
            heard.extend_from_slice(&piece[..count]);
        }
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.contains("CN=9014") && heard.contains(&qn), "{heard}");
    }
}

struct Tell(mpsc::Sender<Result<Offset, Unstored>>);

impl Receipt for Tell {
    fn settle(self, outcome: Result<Offset, Unstored>) {
        self.0.send(outcome).unwrap();
    }
}

/// Writes the step that tells of a key into the journal of a gateway that does not run.
fn tell_key(gateway: &Gateway, created: &str, key: &str) {
    let settings = journal::Settings {
        dir: gateway.journal(),
        segment_size: 1 << 20,
        reserve: 64 << 10,
        ..journal::Settings::default()
    };
    let journal = journal::open(Arc::new(OsDisk), &settings, Arc::default()).unwrap();
    let digits: String = key.bytes().map(|byte| format!("{byte:02X}")).collect();
    let (mn, created, key) = (MN.to_owned(), created.to_owned(), format!("hex:{digits}"));
    let step = Step::Key { mn, created, key, state: KeyState::Proven, again: false };
    let body = step.encode();
    let entry =
        Entry { time: Timestamp(1_780_300_000_000_000), kind: Record::Command(&body).kind(), body: body.clone() };
    let (told, outcome) = mpsc::channel();
    journal.appender().append(entry, Tell(told));
    outcome.recv().unwrap().unwrap();
    journal.close();
}

async fn broker() -> Broker {
    let address: SocketAddr = ([127, 0, 0, 1], 0).into();
    Broker::start_with(address, Behaviour { record: true, ..Behaviour::default() }).await.unwrap()
}

/// The data messages by QN.
fn data(messages: &[Message]) -> BTreeMap<String, (Value, Vec<u8>)> {
    let of_data = messages.iter().filter(|message| message.topic.contains("/data/"));
    let named = of_data.map(|message| {
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        (body["qn"].as_str().unwrap().to_owned(), (body, message.payload.to_vec()))
    });
    named.collect()
}

async fn published(broker: &Broker, count: usize) -> BTreeMap<String, (Value, Vec<u8>)> {
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let found = data(&broker.received());
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < until, "{} of {count} records were published", found.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn replay(gateway: &Gateway, more: &[&str]) -> (i32, String, Vec<Message>) {
    let other = broker().await;
    let to = other.address().to_string();
    let folder = gateway.folder.path().to_owned();
    let arguments: Vec<String> =
        ["replay", "--config", "gateway.toml", "--to", &to].iter().chain(more).map(|s| (*s).to_owned()).collect();
    let done = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        gateway::run(&arguments, &folder)
    });
    let (code, out, err) = done.await.unwrap();
    (code, out + &err, other.received())
}

fn private(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert!(entry.metadata().unwrap().is_dir() || mode == 0o600, "{}: {mode:o}", entry.path().display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_its_key_is_unreadable_live_and_readable_by_replay() {
    let mqtt_broker = broker().await;
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let mut gateway = Gateway::new(&options, mqtt_broker.address().port(), "");
    std::fs::write(gateway.path("stations.toml"), format!("[[station]]\nmn = \"{MN}\"\nedition = \"2025\"\n")).unwrap();
    tell_key(&gateway, "20260101000000000", A);

    gateway.start();
    let mut frames = vec![sealed(10, A, Form::Bytes), sealed(11, A, Form::Printed)];
    frames.extend([sealed(12, B, Form::Bytes), sealed(13, B, Form::Printed)]);
    answered(&gateway, &frames);
    let live = published(&mqtt_broker, 4).await;
    let of = |minute: u32| format!("202606011{minute:02}00000000");
    for (minute, readable) in [(10, true), (11, true), (12, false), (13, false)] {
        let body = &live[&of(minute)].0;
        assert_eq!(body["sealed"], true);
        assert_eq!(body["readings"]["a21026"]["avg"].is_number(), readable, "{body}");
        assert_eq!(body["reason"], if readable { Value::Null } else { "no-key-opens".into() });
    }
    // An orderly stop and a kill: what is known of keys is the same.
    gateway.stop();
    gateway.start();
    gateway.kill();

    // A key file helps at once, if it is for its owner alone.
    let digits: String = B.bytes().map(|byte| format!("{byte:02x}")).collect();
    let file = gateway.path("keys.toml");
    std::fs::write(&file, format!("[[key]]\nmn = \"{MN}\"\ncreated = \"2026-06-01\"\nkey = \"hex:{digits}\"\n"))
        .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said, _) = replay(&gateway, &["--keys", "keys.toml"]).await;
    assert_eq!((code, said.contains("chmod 600")), (78, true), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (code, with_file, by_file) = replay(&gateway, &["--keys", "keys.toml"]).await;
    assert_eq!(code, 0, "{with_file}");
    let (code, without, before) = replay(&gateway, &[]).await;
    assert_eq!((code, data(&before)), (0, live.clone()), "without the key nothing has changed: {without}");

    // The key comes down another way and is in the journal: new frames are read, and old ones by a replay.
    tell_key(&gateway, "20260601000000000", B);
    gateway.start();
    answered(&gateway, &[sealed(14, B, Form::Bytes)]);
    let now = published(&mqtt_broker, 5).await;
    gateway.stop();
    let (code, said, again) = replay(&gateway, &[]).await;
    assert_eq!(code, 0, "{said}");
    let again = data(&again);
    for minute in 10..15 {
        let (body, bytes) = &again[&of(minute)];
        assert_eq!(body["readings"]["a21026"]["avg"], f64::from(minute) + 0.25, "{body}");
        let unreadable = now[&of(minute)].0["readable"] == false;
        let names = if unreadable { serde_json::json!([now[&of(minute)].0["id"]]) } else { Value::Null };
        assert_eq!(body["replaces"], names, "{body}");
        assert!(unreadable || *bytes == now[&of(minute)].1, "what could be read is said again byte for byte");
    }
    let by_file = data(&by_file);
    assert!((10..14).all(|minute| by_file[&of(minute)] == again[&of(minute)]), "a file and the journal say the same");

    private(&gateway.journal());
    let dump = gateway::run(&["journal", "dump", "--dir", "journal"], gateway.folder.path());
    let mut all = format!("{}{}{}{with_file}{said}", gateway.log(), dump.1, dump.2);
    mqtt_broker.received().iter().for_each(|message| all += &String::from_utf8_lossy(&message.payload));
    for key in [A, B] {
        let digits: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!all.contains(key) && !all.to_lowercase().contains(&digits), "a key was said");
    }
}

#[test]
fn decode_opens_what_the_key_file_has_the_key_of() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("keys.toml", format!("[[key]]\nmn = \"{MN}\"\ncreated = \"2026-06-01\"\nkey = \"{A}\"\n").as_bytes());
    let mut frames: Vec<u8> = [Form::Bytes, Form::Printed].into_iter().flat_map(|form| sealed(10, A, form)).collect();
    frames.extend(sealed(11, B, Form::Bytes));
    let order = format!(
        "QN=20260601110000000;ST=31;CN=1014;PW=123456;MN={MN};Flag=9;CP=&&SKCreateTime=20260601085857223,NewSK={B}&&"
    );
    sm4::frame(&mut frames, order.as_bytes(), &Key::from_text(A).unwrap()).unwrap();
    write("frames", &frames);
    let (code, said, _) = gateway::run(&["decode", "--json", "frames"], folder.path());
    assert!(code == 0 && said.lines().all(|line| line.contains("\"reason\":\"sealed\"")), "{said}");
    let (code, said, err) = gateway::run(&["decode", "--keys", "keys.toml", "--json", "frames"], folder.path());
    assert_eq!(code, 0, "{said}{err}");
    let said: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for body in &said[..2] {
        assert_eq!(body["readings"]["a21026"]["avg"], 10.25);
        assert_eq!(body["packet"]["cp"], "DataTime=20260601101000;a21026-Avg=10.25,a21026-Flag=N");
        assert_eq!(body["packet"]["crc_said"], body["packet"]["crc_computed"]);
    }
    assert_eq!(said[2]["packet"]["reason"], "no-key-opens");
    assert_eq!(said[3]["packet"]["fields"]["sk_create_time"], "20260601085857223");
    let (_, text, err) = gateway::run(&["decode", "--keys", "keys.toml", "frames"], folder.path());
    assert!(text.contains("已用站点密钥解开") && text.contains("10.25"), "{text}");
    let all = format!("{said:?}{text}{err}");
    assert!(!all.contains(A) && !all.contains(B), "{all}");
}

/// The line's damage is the station's to repair, if its key is known: it gets no answer and sends again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_damaged_on_the_line_is_answered_only_when_it_comes_again_whole() {
    let mqtt_broker = broker().await;
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let mut gateway = Gateway::new(&options, mqtt_broker.address().port(), "[keys]\nfile = \"keys.toml\"\n");
    std::fs::write(gateway.path("stations.toml"), format!("[[station]]\nmn = \"{MN}\"\nedition = \"2025\"\n")).unwrap();
    let file = gateway.path("keys.toml");
    std::fs::write(&file, format!("[[key]]\nmn = \"{MN}\"\ncreated = \"2026-06-01\"\nkey = \"{A}\"\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    gateway.start();
    let whole = sealed(10, A, Form::Bytes);
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2 + 20;
    damaged[middle] ^= 0x10;
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    stream.write_all(&damaged).unwrap();
    drop(stream);
    // The whole one is answered; the damaged one was before it and was not.
    answered(&gateway, &[whole, sealed(11, B, Form::Printed)]);
    let live = published(&mqtt_broker, 2).await;
    assert_eq!(live.len(), 2, "{live:?}");
}
