//! The connection to the broker against a real mosquitto: order, restarts, credentials, access lists, birth and will.
//!
//! Where mosquitto is not installed these tests say so and pass, unless `MOSQUITTO_REQUIRED` is set (as in CI).

#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, reason = "tests speak plainly")]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hj212_model::message::Publication;
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_mqtt::{self as mqtt, Outbox, Settings, State, Version};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Publish, QoS};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    assert!(found.is_some() || std::env::var_os("MOSQUITTO_REQUIRED").is_none(), "{name} is not installed");
    if found.is_none() {
        eprintln!("{name} is not installed: nothing tested");
    }
    found
}

/// A broker on a port of its own, without persistence.
struct Broker {
    binary: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Broker {
    fn start(extra: &str) -> Option<Broker> {
        let binary = tool("mosquitto")?;
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let queue = if extra.contains("max_queued_messages") { "" } else { "max_queued_messages 100000\n" };
        let mut config = format!("listener {port} 127.0.0.1\n{queue}persistence false\n");
        // Started by root, mosquitto becomes another user, who could not read files in our folder.
        let _ = writeln!(config, "user root");
        config.push_str(&extra.replace("FOLDER", &folder.path().display().to_string()));
        if !extra.contains("password_file") {
            config.push_str("\nallow_anonymous true\n");
        }
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        std::fs::write(folder.path().join("acl"), "topic readwrite data/#\ntopic readwrite status\n").unwrap();
        let child = Self::spawn(&binary, folder.path());
        let broker = Broker { binary, folder, port, child };
        broker.answers();
        Some(broker)
    }

    fn spawn(binary: &Path, folder: &Path) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let config = folder.join("mosquitto.conf");
        Command::new(binary).arg("-c").arg(config).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn answers(&self) {
        let end = std::time::Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(std::time::Instant::now() < end, "mosquitto does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn again(&mut self) {
        self.child = Self::spawn(&self.binary, self.folder.path());
        self.answers();
    }

    fn reread(&self) {
        assert!(Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap().success());
    }

    fn settings(&self, version: Version) -> Settings {
        Settings { port: self.port, version, retry_min: Duration::from_millis(50), ..Settings::default() }
    }

    /// Everything published from now on, in order; the subscription stands when this returns.
    async fn subscribe(&self, filter: &str) -> mpsc::UnboundedReceiver<Publish> {
        let mut options = MqttOptions::new(format!("listener-{filter}"), "127.0.0.1", self.port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut eventloop) = AsyncClient::new(options, 10);
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        let (ready, stands) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (_client, mut ready) = (client, Some(ready));
            while let Ok(event) = eventloop.poll().await {
                if let Event::Incoming(Packet::SubAck(_)) = event {
                    let _ = ready.take().map(|ready| ready.send(()));
                } else if let Event::Incoming(Packet::Publish(publish)) = event {
                    let _ = sender.send(publish);
                }
            }
        });
        tokio::time::timeout(PATIENCE, stands).await.unwrap().unwrap();
        receiver
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn numbered(n: u64) -> Publication {
    Publication { topic: "data/1".into(), payload: Bytes::from(n.to_string()), retain: false }
}

fn status(text: &'static str) -> Publication {
    Publication { topic: "status".into(), payload: Bytes::from_static(text.as_bytes()), retain: true }
}

struct Publisher {
    outbox: Outbox,
    task: JoinHandle<()>,
    telemetry: Arc<Telemetry>,
    stop: CancellationToken,
}

impl Publisher {
    fn open(settings: &Settings) -> Publisher {
        let (telemetry, stop) = (Arc::new(Telemetry::default()), CancellationToken::new());
        let (outbox, task) =
            mqtt::start(settings, status("online"), status("offline"), telemetry.clone(), stop.clone());
        Publisher { outbox, task, telemetry, stop }
    }

    async fn delivered(&self, n: u64) {
        let mut delivered = self.outbox.delivered();
        let reached = tokio::time::timeout(PATIENCE, delivered.wait_for(|now| *now >= n)).await;
        assert!(reached.is_ok(), "delivered {} of {n}, {:?}", *self.outbox.delivered().borrow(), self.outbox.state());
    }

    async fn state(&self, wanted: impl FnMut(&State) -> bool) {
        tokio::time::timeout(PATIENCE, self.outbox.state().wait_for(wanted)).await.unwrap().unwrap();
    }

    async fn counted(&self, counter: Counter, n: u64) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.telemetry.get(counter) < n {
            let state = self.outbox.state().borrow().clone();
            assert!(tokio::time::Instant::now() < end, "{} never came to {n}: {state:?}", counter.name());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn leave(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
        assert_eq!(self.outbox.push(numbered(0)).await, Err(mqtt::Closed));
    }
}

async fn next(heard: &mut mpsc::UnboundedReceiver<Publish>) -> (String, String) {
    let publish = tokio::time::timeout(PATIENCE, heard.recv()).await.expect("nothing heard").unwrap();
    (publish.topic, String::from_utf8(publish.payload.to_vec()).unwrap())
}

async fn ten_thousand_in_order(version: Version) {
    const N: u64 = 10_000;
    let Some(broker) = Broker::start("max_inflight_messages 0\n") else { return };
    let mut heard = broker.subscribe("#").await;
    let publisher = Publisher::open(&broker.settings(version));
    let started = std::time::Instant::now();
    for n in 1..=N {
        assert_eq!(publisher.outbox.push(numbered(n)).await, Ok(n));
    }
    publisher.delivered(N).await;
    let took = started.elapsed();
    eprintln!("{version:?}: {N} messages in {took:?}, {:.0} a second", N as f64 / took.as_secs_f64());
    assert_eq!(publisher.telemetry.get(Counter::MqttPublished), N);
    assert_eq!(publisher.telemetry.get(Counter::MqttAcknowledged), N);
    publisher.leave().await;
    assert_eq!(next(&mut heard).await, ("status".into(), "online".into()));
    for n in 1..=N {
        assert_eq!(next(&mut heard).await.1, n.to_string());
    }
    assert_eq!(next(&mut heard).await, ("status".into(), "offline".into()));
    let mut later = broker.subscribe("status").await;
    assert_eq!(next(&mut later).await.1, "offline", "the farewell is retained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_arrive_in_order_with_mqtt_311() {
    ten_thousand_in_order(Version::V311).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_arrive_in_order_with_mqtt_5() {
    ten_thousand_in_order(Version::V5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_s_receive_maximum_is_respected() {
    let Some(broker) = Broker::start("max_inflight_messages 3\n") else { return };
    let publisher = Publisher::open(&broker.settings(Version::V5));
    for n in 1..=2_000 {
        publisher.outbox.push(numbered(n)).await.unwrap();
    }
    publisher.delivered(2_000).await;
    assert_eq!(publisher.telemetry.get(Counter::MqttDisconnects), 0);
    publisher.leave().await;
}

/// Three times the broker is killed while messages are under way, and started without memory. Every message is retained on a
/// topic of its own, so the last broker still holds all it was sent: whoever subscribes late misses nothing.
async fn killed_in_the_middle(version: Version) {
    const N: u64 = 10_000;
    let Some(mut broker) = Broker::start("") else { return };
    let settings = broker.settings(version);
    let publisher = Publisher::open(&settings);
    let outbox = publisher.outbox.clone();
    let pusher = tokio::spawn(async move {
        for n in 1..=N {
            let kept = Publication { topic: format!("data/{n}"), retain: true, ..numbered(n) };
            assert_eq!(outbox.push(kept).await, Ok(n));
        }
    });
    let mut acknowledged = 0;
    for round in 1..=3 {
        publisher.delivered(round * N / 5).await;
        broker.kill();
        publisher.state(|state| matches!(state, State::Connecting { last_error: Some(_) })).await;
        acknowledged = *publisher.outbox.delivered().borrow();
        assert!(acknowledged < N, "killed too late to tell anything");
        broker.again();
    }
    pusher.await.unwrap();
    publisher.delivered(N).await;
    let published = publisher.telemetry.get(Counter::MqttPublished);
    assert!(published >= N && published <= N + 3 * u64::from(settings.window), "{published} sent for {N}");
    assert_eq!(publisher.telemetry.get(Counter::MqttAcknowledged), N, "each is acknowledged to us once");
    assert!(publisher.telemetry.get(Counter::MqttDisconnects) >= 3);
    let mut heard = broker.subscribe("data/#").await;
    let mut missing: HashSet<String> = (acknowledged + 1..=N).map(|n| n.to_string()).collect();
    while !missing.is_empty() {
        missing.remove(&next(&mut heard).await.1);
    }
    publisher.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_and_started_without_memory_loses_nothing_with_mqtt_311() {
    killed_in_the_middle(Version::V311).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_and_started_without_memory_loses_nothing_with_mqtt_5() {
    killed_in_the_middle(Version::V5).await;
}

async fn repaired_password(version: Version) {
    let (Some(passwd), Some(_)) = (tool("mosquitto_passwd"), tool("mosquitto")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    let made = Command::new(passwd).args(["-b", "-c"]).arg(&users).args(["gateway", "right"]).status().unwrap();
    assert!(made.success());
    let Some(broker) = Broker::start(&format!("allow_anonymous false\npassword_file {}\n", users.display())) else {
        return;
    };
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong\n").unwrap();
    let settings =
        Settings { username: Some("gateway".into()), password_file: Some(file.clone()), ..broker.settings(version) };
    let publisher = Publisher::open(&settings);
    publisher.outbox.push(numbered(1)).await.unwrap();
    publisher
        .state(|state| match state {
            State::Connecting { last_error: Some(text) } => {
                assert!(text.contains("user"), "{text}");
                true
            }
            State::Connecting { last_error: None }
            | State::Connected
            | State::Hampered { .. }
            | State::Refusing { .. } => false,
        })
        .await;
    let refused = std::time::Instant::now();
    std::fs::write(&file, "right\n").unwrap();
    publisher.delivered(1).await;
    assert!(refused.elapsed() >= Duration::from_millis(4900), "tried again after {:?}", refused.elapsed());
    assert_eq!(publisher.telemetry.get(Counter::MqttDisconnects), 1);
    publisher.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repaired_password_file_needs_no_restart_with_mqtt_311() {
    repaired_password(Version::V311).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repaired_password_file_needs_no_restart_with_mqtt_5() {
    repaired_password(Version::V5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_access_list_refuses_is_held_tried_again_and_not_passed() {
    let Some(broker) = Broker::start("acl_file FOLDER/acl\n") else { return };
    let acl = broker.folder.path().join("acl");
    let publisher = Publisher::open(&broker.settings(Version::V5));
    let forbidden = Publication { topic: "forbidden".into(), ..numbered(1) };
    publisher.outbox.push(forbidden).await.unwrap();
    for n in 2..=100 {
        publisher.outbox.push(numbered(n)).await.unwrap();
    }
    publisher.counted(Counter::MqttRefused, 3).await;
    publisher.counted(Counter::MqttAcknowledged, 99).await;
    assert_eq!(*publisher.outbox.delivered().borrow(), 0, "delivered does not pass the refused one");
    std::fs::write(&acl, "topic readwrite #\n").unwrap();
    broker.reread();
    publisher.delivered(100).await;
    assert_eq!(publisher.telemetry.get(Counter::MqttDisconnects), 0);
    publisher.leave().await;
}

/// mosquitto 2.0.11 closes the connection after a refusal when it may queue nothing, and what it said is often lost on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_closes_at_each_refused_message_gets_the_permitted_ones_within_seconds() {
    let Some(broker) = Broker::start("max_queued_messages 0\nacl_file FOLDER/acl\n") else { return };
    std::fs::write(
        broker.folder.path().join("acl"),
        "topic readwrite p/good/#\ntopic readwrite p/gateway/#\ntopic read #\n",
    )
    .unwrap();
    broker.reread();
    let mut heard = broker.subscribe("p/#").await;
    let (telemetry, stop) = (Arc::new(Telemetry::default()), CancellationToken::new());
    let (letters_to, mut letters) = mpsc::unbounded_channel::<mqtt::Letter>();
    let settings =
        Settings { prefix: "p".into(), retry_min: Duration::from_millis(500), ..broker.settings(Version::V5) };
    let word = |text| Publication { topic: "p/gateway/g/status".into(), ..status(text) };
    let (outbox, task) = mqtt::start_with_letters(
        &settings,
        word("online"),
        word("offline"),
        Arc::clone(&telemetry),
        stop.clone(),
        letters_to,
    );
    let begun = std::time::Instant::now();
    for n in 0..60 {
        let station = if n % 2 == 0 { "good" } else { "bad" };
        let publication = Publication { topic: format!("p/{station}/data/realtime"), ..numbered(n) };
        outbox.push(publication).await.unwrap();
    }
    let mut good = HashSet::new();
    while good.len() < 30 {
        let (topic, body) = next(&mut heard).await;
        assert!(!topic.contains("bad"), "{topic}");
        if topic.contains("good") {
            good.insert(body);
        }
    }
    let took = begun.elapsed();
    eprintln!("all that is permitted arrived after {took:?}, {} connections", telemetry.get(Counter::MqttConnects));
    assert!(took < Duration::from_secs(20), "{took:?}");
    // What comes now passes as well, while the refused are tried alone and set aside.
    let fresh = std::time::Instant::now();
    let fresh_ones = Publication { topic: "p/good/data/realtime".into(), ..numbered(1000) };
    outbox.push(fresh_ones).await.unwrap();
    while next(&mut heard).await.1 != "1000" {}
    eprintln!("a fresh one arrived after {:?}", fresh.elapsed());
    let letter = tokio::time::timeout(PATIENCE, letters.recv()).await.unwrap().unwrap();
    assert!(letter.publication.topic.contains("bad") && letter.why.contains("NotAuthorized"), "{letter:?}");
    stop.cancel();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_vanishes_is_declared_offline_by_the_broker() {
    for version in [Version::V311, Version::V5] {
        let Some(broker) = Broker::start("") else { return };
        let mut heard = broker.subscribe("status").await;
        let publisher = Publisher::open(&broker.settings(version));
        assert_eq!(next(&mut heard).await.1, "online");
        publisher.task.abort();
        assert_eq!(next(&mut heard).await.1, "offline");
    }
}

/// Takes what comes until `count` messages are there; gives their bodies.
async fn taken(inbox: &mut mqtt::Inbox, count: usize, acknowledge: bool) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let incoming = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time").expect("a message");
        bodies.push(String::from_utf8_lossy(&incoming.payload).into_owned());
        if acknowledge {
            incoming.taken();
        }
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_at_the_broker_and_come_again_until_they_are_taken() {
    let Some(broker) = Broker::start("") else { return };
    for version in [Version::V5, Version::V311] {
        let settings = Settings { client_id: format!("gw-{version:?}"), ..broker.settings(version) };
        let topic = format!("{version:?}/A1/command");
        let wish = || mqtt::Subscription {
            filters: vec![format!("{topic}/+")],
            suffix: "-in".into(),
            session: Duration::from_secs(3600),
            as_published: true,
            broad: None,
        };
        let ask = async |body: &str| {
            let stop = CancellationToken::new();
            let asker = Settings { client_id: "asker".into(), ..broker.settings(version) };
            let (outbox, task) = mqtt::start_quietly(&asker, Arc::default(), stop.clone());
            let (topic, payload) = (format!("{topic}/{body}"), Bytes::from(body.to_owned()));
            let number = outbox.push(Publication { topic, payload, retain: false }).await.unwrap();
            outbox.delivered().wait_for(|done| *done >= number).await.unwrap();
            stop.cancel();
            task.await.unwrap();
        };
        let open = async || {
            let stop = CancellationToken::new();
            let (inbox, task) = mqtt::subscribe(&settings, wish(), stop.clone());
            inbox.subscribed().wait_for(|granted| *granted).await.unwrap();
            (inbox, task, stop)
        };
        let (mut inbox, task, stop) = open().await;
        ask("one").await;
        assert_eq!(taken(&mut inbox, 1, true).await, ["one"]);
        ask("two").await;
        assert_eq!(taken(&mut inbox, 1, false).await, ["two"]);
        // Not acknowledged, and away: it comes again with what was asked meanwhile, and what was acknowledged does not.
        stop.cancel();
        mqtt::left(task).await;
        ask("three").await;
        let (mut inbox, task, stop) = open().await;
        assert_eq!(taken(&mut inbox, 2, true).await, ["two", "three"], "{version:?}");
        ask("four").await;
        assert_eq!(taken(&mut inbox, 1, true).await, ["four"], "{version:?}");
        stop.cancel();
        mqtt::left(task).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_is_bounded_and_none_is_lost() {
    let Some(broker) = Broker::start("") else { return };
    let stop = CancellationToken::new();
    let wish = mqtt::Subscription {
        filters: vec!["flood/+".into()],
        suffix: "-in".into(),
        session: Duration::from_secs(60),
        as_published: true,
        broad: None,
    };
    let (mut inbox, _door) = mqtt::subscribe(&broker.settings(Version::V5), wish, stop.clone());
    inbox.subscribed().wait_for(|granted| *granted).await.unwrap();
    let asker = Settings { client_id: "asker".into(), ..broker.settings(Version::V5) };
    let (outbox, _other) = mqtt::start_quietly(&asker, Arc::default(), stop.clone());
    let count = usize::from(mqtt::INCOMING_MAX) * 20;
    let mut last = 0;
    for n in 0..count {
        let (topic, payload) = (format!("flood/{n}"), Bytes::from(n.to_string()));
        last = outbox.push(Publication { topic, payload, retain: false }).await.unwrap();
    }
    outbox.delivered().wait_for(|done| *done >= last).await.unwrap();
    let bodies = taken(&mut inbox, count, true).await;
    assert!(bodies.iter().enumerate().all(|(n, body)| *body == n.to_string()));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_to_be_kept_is_told_from_what_was_kept_as_wished() {
    let Some(broker) = Broker::start("") else { return };
    for (as_published, live) in [(true, true), (false, false)] {
        let stop = CancellationToken::new();
        let topic = format!("kept/{as_published}");
        let wish = || mqtt::Subscription {
            filters: vec![topic.clone()],
            suffix: "-in".into(),
            session: Duration::ZERO,
            as_published,
            broad: None,
        };
        let settings = Settings { client_id: topic.clone(), ..broker.settings(Version::V5) };
        let (mut inbox, task) = mqtt::subscribe(&settings, wish(), stop.clone());
        inbox.subscribed().wait_for(|granted| *granted).await.unwrap();
        let asker = Settings { client_id: "asker".into(), ..broker.settings(Version::V5) };
        let (outbox, other) = mqtt::start_quietly(&asker, Arc::default(), stop.clone());
        let publication = Publication { topic: topic.clone(), payload: Bytes::from_static(b"x"), retain: true };
        outbox.push(publication).await.unwrap();
        let incoming = tokio::time::timeout(PATIENCE, inbox.next()).await.unwrap().unwrap();
        assert_eq!(incoming.retained, live, "a status that comes now is news, a request that is kept is not");
        incoming.taken();
        stop.cancel();
        mqtt::left(task).await;
        other.await.unwrap();
        let stop = CancellationToken::new();
        let (mut later, task) = mqtt::subscribe(&settings, wish(), stop.clone());
        assert!(tokio::time::timeout(PATIENCE, later.next()).await.unwrap().unwrap().retained);
        stop.cancel();
        mqtt::left(task).await;
    }
}

/// A request of more than a megabyte, once queued for a kept session and once retained: the ones behind it come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_long_stops_no_other() {
    let Some(broker) = Broker::start("") else { return };
    for version in [Version::V311, Version::V5] {
        let name = format!("{version:?}");
        let settings = Settings { client_id: name.clone(), ..broker.settings(version) };
        let wish = mqtt::Subscription {
            filters: vec![format!("{name}/+")],
            suffix: "-in".into(),
            session: Duration::from_secs(3600),
            as_published: false,
            broad: None,
        };
        let asker =
            Settings { client_id: format!("{name}-asker"), packet_max: 4 << 20, ..broker.settings(Version::V5) };
        let stop = CancellationToken::new();
        let (outbox, _asking) = mqtt::start_quietly(&asker, Arc::default(), stop.clone());
        let ask = async |topic: &str, length: usize, retain: bool| {
            let (topic, payload) = (format!("{name}/{topic}"), Bytes::from(vec![b'x'; length]));
            let number = outbox.push(Publication { topic, payload, retain }).await.unwrap();
            tokio::time::timeout(PATIENCE, outbox.delivered().wait_for(|done| *done >= number)).await.unwrap().unwrap();
        };
        ask("retained", 1_200_000, true).await;
        let away = CancellationToken::new();
        let (mut inbox, task) = mqtt::subscribe(&settings, wish.clone(), away.clone());
        inbox.subscribed().wait_for(|granted| *granted).await.unwrap();
        ask("one", 3, false).await;
        let mut came = Vec::new();
        while !came.iter().any(|(topic, _): &(String, usize)| topic.ends_with("/one")) {
            let incoming = tokio::time::timeout(PATIENCE, inbox.next()).await.unwrap().unwrap();
            came.push((incoming.topic.clone(), incoming.payload.len()));
            incoming.taken();
        }
        // What is too long comes cut, or (MQTT 5) not at all: the broker was told.
        assert!(came.iter().all(|(_, length)| *length <= 128 << 10), "{version:?}: {came:?}");
        away.cancel();
        mqtt::left(task).await;
        // And once more, waiting at the broker.
        ask("queued", 2_000_000, false).await;
        ask("two", 3, false).await;
        let (mut inbox, _door) = mqtt::subscribe(&settings, wish, stop.clone());
        loop {
            let incoming = tokio::time::timeout(PATIENCE, inbox.next()).await.unwrap().unwrap();
            let last = incoming.topic.ends_with("/two");
            incoming.taken();
            if last {
                break;
            }
        }
        stop.cancel();
    }
}

/// The access list of the manual, as it stands there: who may write requests under which role, and read what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_list_of_the_manual_lets_each_role_write_under_its_own_name_alone() {
    let Some(passwd) = tool("mosquitto_passwd") else { return };
    let manual = include_str!("../docs/commands.md");
    let list = manual.split("```text\n").find(|block| block.starts_with("user gateway")).unwrap();
    let list = list.split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    for (n, user) in ["gateway", "operator", "inspector"].into_iter().enumerate() {
        let create: &[&str] = if n == 0 { &["-b", "-c"] } else { &["-b"] };
        let made = Command::new(&passwd).args(create).arg(&file).args([user, "secret"]).stderr(Stdio::null()).status();
        assert!(made.unwrap().success());
    }
    let settings = format!("allow_anonymous false\nacl_file FOLDER/acl\npassword_file {}\n", file.display());
    let Some(broker) = Broker::start(&settings) else { return };
    std::fs::write(broker.folder.path().join("acl"), list).unwrap();
    broker.reread();
    let connect = |user: &str| {
        let mut options = MqttOptions::new(format!("acl-{user}"), "127.0.0.1", broker.port);
        options.set_credentials(user, "secret");
        AsyncClient::new(options, 100)
    };
    // What the gateway gets of what others write.
    let (gateway, mut events) = connect("gateway");
    let filters = ["hj212/v1/+/command/+", "hj212/v1/+/command/+/+"];
    for filter in filters {
        gateway.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
    }
    let (came, mut heard) = mpsc::unbounded_channel();
    let ready = Arc::new(tokio::sync::Notify::new());
    let granted = Arc::clone(&ready);
    tokio::spawn(async move {
        let mut left = filters.len();
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    left -= 1;
                    if left == 0 {
                        granted.notify_one();
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => drop(came.send(publish.topic.clone())),
                Ok(_) => {}
                // The password file was read a moment ago.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    tokio::time::timeout(PATIENCE, ready.notified()).await.unwrap();
    for (user, other) in [("operator", "inspector"), ("inspector", "operator")] {
        let (client, mut events) = connect(user);
        let topics = [
            format!("hj212/v1/A1/command/{other}/stolen-{user}"),
            format!("hj212/v1/A1/command/bare-{user}"),
            format!("hj212/v1/A1/command/{user}/good-{user}"),
        ];
        for topic in &topics {
            client.publish(topic, QoS::AtLeastOnce, false, "{}").await.unwrap();
        }
        let talking = tokio::spawn(async move { while events.poll().await.is_ok() {} });
        let topic = tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        assert_eq!(topic, topics[2], "the others were written before it and did not come");
        talking.abort();
    }
    // The status of a request comes to those who may ask.
    let (operator, mut events) = connect("operator");
    operator.subscribe("hj212/v1/+/command/+/status", QoS::AtLeastOnce).await.unwrap();
    let waiting = tokio::spawn(async move {
        loop {
            if let Ok(Event::Incoming(Packet::Publish(publish))) = events.poll().await {
                return publish.topic;
            }
        }
    });
    gateway.publish("hj212/v1/A1/command/r1/status", QoS::AtLeastOnce, true, "{}").await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), "hj212/v1/A1/command/r1/status");
}
