//! The ready consumers, as they are given to users: the Python one runs against a real broker and a real gateway, is killed in between, and has
//! every message once in the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gateway::{Gateway, run};
use hj212_simulator as sim;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/consumers");
const PATIENCE: Duration = Duration::from_secs(120);

/// A Python that has paho-mqtt; `None` where there is none, which `CONSUMERS_REQUIRED` forbids.
fn python() -> Option<&'static str> {
    let has = |python: &&str| {
        let tried =
            Command::new(python).args(["-c", "import paho.mqtt.client, sqlite3"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has);
    let mosquitto = Command::new("mosquitto").arg("-h").stdout(Stdio::null()).status().is_ok();
    if found.is_none() || !mosquitto {
        assert!(std::env::var_os("CONSUMERS_REQUIRED").is_none(), "python3 with paho-mqtt, and mosquitto, are needed");
        // Past the harness, which shows nothing of tests that pass.
        _ = writeln!(std::io::stderr(), "NOT RUN: the Python consumer: no python3 with paho-mqtt, or no mosquitto");
        return None;
    }
    found
}

/// A process that is killed when the test is over.
struct Process(Child);

impl Process {
    fn end(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn mosquitto(folder: &Path, port: u16) -> Process {
    // Its queues hold what comes while the consumer is away: docs/mqtt.md, Delivery.
    let config = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 100000\n");
    std::fs::write(folder.join("mosquitto.conf"), config).unwrap();
    let log = std::fs::File::create(folder.join("mosquitto.log")).unwrap();
    let child = Command::new("mosquitto").arg("-c").arg(folder.join("mosquitto.conf")).stderr(log).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "mosquitto does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    Process(child)
}

/// What `python` prints for `query` of the consumer's database; empty if there is none yet.
fn ask(python: &str, folder: &Path, query: &str) -> String {
    let text = "import sqlite3, sys\nfor row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]): print(*row)";
    let done = Command::new(python).args(["-c", text]).arg(folder.join("readings.db")).arg(query).output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_python_consumer_has_every_message_once_whatever_happens_to_it() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = gateway::free_port();
    let _broker = mosquitto(folder.path(), port);
    let options = sim::Options { stations: 3, ..sim::Options::default() };
    let more = "[delivery]\nconfirm = \"consumer\"\nconsumer = \"store\"\n";
    let mut gateway = Gateway::new(&options, port, more);
    let consumer = || {
        let log = std::fs::File::options().create(true).append(true).open(folder.path().join("consumer.log")).unwrap();
        let mut command = Command::new(python);
        command.arg(format!("{FOLDER}/sqlite_consumer.py")).args([
            "--port",
            &port.to_string(),
            "--confirm",
            "test/store",
        ]);
        command.arg("--database").arg(folder.path().join("readings.db")).stderr(log);
        Process(command.spawn().unwrap())
    };
    let said = || std::fs::read_to_string(folder.path().join("consumer.log")).unwrap_or_default();
    let connected = |times: usize| {
        let until = Instant::now() + PATIENCE;
        while said().matches("connected").count() < times {
            assert!(Instant::now() < until, "the consumer does not connect: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let mut first = consumer();
    connected(1);
    gateway.start();
    let address = gateway.listen.to_string();
    let mut published = std::collections::BTreeSet::new();
    let mut simulate = |duration: &str| {
        let ledger = folder.path().join("ledger");
        let _ = std::fs::remove_file(&ledger);
        let ledger_of = ledger.display().to_string();
        let mut arguments =
            vec!["simulate", "--connect", &address, "--stations", "3", "--speed", "1", "--interval", "1s"];
        arguments.extend(["--duration", duration, "--ledger", &ledger_of]);
        let (code, _, said) = run(&arguments, folder.path());
        assert_eq!(code, 0, "{said}");
        // A record again (same station, command and time) is the same message.
        published.extend(gateway::ledger(&ledger).into_iter().map(|line| (line.mn, line.cn, line.data_time)));
    };
    simulate("6s");
    first.end();
    // Nobody is there: the broker keeps it, and the gateway what is not confirmed.
    simulate("6s");
    let _second = consumer();
    connected(2);
    simulate("3s");
    assert!(gateway.stop().1);
    gateway.start();

    let count = || ask(python, folder.path(), "SELECT count(*) FROM message").parse::<u64>().unwrap_or(0);
    let frames = published.len() as u64;
    assert!(frames > 20, "{frames} records");
    let until = Instant::now() + PATIENCE;
    while count() < frames {
        assert!(Instant::now() < until, "{} of {frames} messages: {}", count(), said());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(count() >= frames, "{} of {frames}", count());
    assert!(!said().contains("Traceback"), "{}", said());
    let twice = ask(python, folder.path(), "SELECT count(*) - count(DISTINCT id || code || field) FROM reading");
    assert_eq!(twice, "0");
    // Digits stay: what the station wrote with a nought at the end has it here.
    let noughts =
        ask(python, folder.path(), "SELECT count(*) FROM reading WHERE value LIKE '%.%0'").parse::<u64>().unwrap();
    let body = ask(python, folder.path(), "SELECT body FROM message WHERE kind = 'realtime' LIMIT 1");
    assert!(noughts > 0 || !body.contains("0,\"flag\""), "{body}");
}

#[test]
fn the_schema_for_postgresql_has_the_columns_that_the_consumer_writes() {
    let python = std::fs::read_to_string(format!("{FOLDER}/sqlite_consumer.py")).unwrap();
    let sql = std::fs::read_to_string(format!("{FOLDER}/postgresql.sql")).unwrap();
    for table in ["message", "reading", "event"] {
        let head = format!("CREATE TABLE IF NOT EXISTS {table} (");
        let body = |text: &str| {
            let body = text.split(&head).nth(1).unwrap().split(");").next().unwrap();
            body.split("PRIMARY KEY (").next().unwrap().replace('\n', " ")
        };
        let names = |text: String| -> Vec<String> {
            let words = text.split(',').map(|part| part.trim().split(' ').next().unwrap_or_default().to_owned());
            words.filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect()
        };
        let (ours, theirs) = (names(body(&python)), names(body(&sql)));
        assert_eq!(ours, theirs[..ours.len().min(theirs.len())], "{table}");
    }
}

#[test]
fn the_node_red_flow_hangs_together() {
    let flow: serde_json::Value =
        serde_json::from_slice(&std::fs::read(format!("{FOLDER}/node-red-flow.json")).unwrap()).unwrap();
    let nodes = flow.as_array().unwrap();
    let ids: Vec<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    for node in nodes {
        for to in node["wires"].as_array().into_iter().flatten().flat_map(|port| port.as_array().unwrap()) {
            assert!(ids.contains(&to.as_str().unwrap()), "{to}");
        }
        if node["type"] == "mqtt in" {
            assert!(node["topic"].as_str().unwrap().starts_with("hj212/v1/") && node["qos"] == "1", "{node}");
            assert!(ids.contains(&node["broker"].as_str().unwrap()));
        }
    }
}

/// Nobody on the port, and a password without a name: it says so at once.
#[test]
fn the_python_consumer_says_what_it_waits_for() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let port = gateway::free_port().to_string();
    let start = |more: &[&str]| {
        let mut command = Command::new(python);
        command.args(["-W", "error::DeprecationWarning"]).arg(format!("{FOLDER}/sqlite_consumer.py")).args(more);
        command.args(["--port", &port, "--database"]).arg(folder.path().join("r.db"));
        Process(command.stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap())
    };
    let _waiting = start(&[]);
    let until = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&said).unwrap().contains("cannot reach 127.0.0.1") {
        assert!(Instant::now() < until, "{}", std::fs::read_to_string(&said).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut wrong = start(&["--password-file", "x"]);
    assert_eq!(wrong.0.wait().unwrap().code(), Some(2));
    assert!(std::fs::read_to_string(&said).unwrap().contains("belong together"));
}
