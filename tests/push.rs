//! Push beside a running gateway: hostile web servers, kills, the test message, and what is shown.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod browser;
mod gateway;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway::scene::Station;
use gateway::{Gateway, free_port, get, run};
use hj212_certificates::{self as certificates, ServerFiles};
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(180);

fn until(what: &str, gateway: &Gateway, mut seen: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < until, "not seen: {what}\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A request as it came.
#[derive(Clone)]
struct Asked {
    headers: BTreeMap<String, String>,
    body: String,
    at: Instant,
}

impl Asked {
    fn id(&self) -> &str {
        &self.headers["x-hj212-id"]
    }
}

/// Reads a request; `None`: it did not come whole.
fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            let headers: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            if body.len() >= headers["content-length"].parse().unwrap() {
                return Some(Asked { headers, body: body.to_owned(), at: Instant::now() });
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A web server that does what it should not until it is told to be good.
struct Server {
    address: SocketAddr,
    good: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    /// What it answered with 200 while it was good.
    taken: Arc<Mutex<Vec<Asked>>>,
    /// What came while it was not.
    heard: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn new(hostile: impl Fn(TcpStream, &Arc<Mutex<Vec<Asked>>>) + Send + Sync + 'static) -> Server {
        Self::at("127.0.0.1:0".parse().unwrap(), hostile)
    }

    fn at(address: SocketAddr, hostile: impl Fn(TcpStream, &Arc<Mutex<Vec<Asked>>>) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            good: Arc::default(),
            connections: Arc::default(),
            taken: Arc::default(),
            heard: Arc::default(),
        };
        let (good, connections) = (Arc::clone(&server.good), Arc::clone(&server.connections));
        let (taken, heard, hostile) = (Arc::clone(&server.taken), Arc::clone(&server.heard), Arc::new(hostile));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (mut stream, hostile) = (stream.unwrap(), Arc::clone(&hostile));
                let (good, taken, heard) = (Arc::clone(&good), Arc::clone(&taken), Arc::clone(&heard));
                std::thread::spawn(move || {
                    if !good.load(Ordering::SeqCst) {
                        return hostile(stream, &heard);
                    }
                    if let Some(asked) = read(&mut stream) {
                        taken.lock().unwrap().push(asked);
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                    }
                });
            }
        });
        server
    }

    /// A server that is good from the beginning.
    fn good() -> Server {
        let server = Server::new(|_, _| {});
        server.good.store(true, Ordering::SeqCst);
        server
    }

    fn be_good(&self) {
        self.good.store(true, Ordering::SeqCst);
    }

    /// The ids of what it took, with what was in them.
    fn ids(&self) -> BTreeMap<String, String> {
        self.taken.lock().unwrap().iter().map(|asked| (asked.id().to_owned(), asked.body.clone())).collect()
    }
}

/// A row of the list of sinks.
fn sink(name: &str, url: &str) -> String {
    format!("{{ name = \"{name}\", kind = \"webhook\", url = \"{url}\", events = [\"*\"], per_minute = 6000 }},\n")
}

struct World {
    runtime: tokio::runtime::Runtime,
    broker: Broker,
    gateway: Gateway,
    http: u16,
    mn: String,
    pw: String,
}

impl World {
    /// A broker, and a gateway that does not run yet.
    fn new(sinks: &str) -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let behaviour = Behaviour { record: true, ..Behaviour::default() };
        let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
        let options = sim::Options { stations: 1, ..sim::Options::default() };
        let more = format!("[push]\nsinks = [\n{sinks}]\n");
        let (gateway, http) = Gateway::seen(&options, broker.address().port(), &more);
        let rows: toml::Table = sim::stations_toml(&options).parse().unwrap();
        let text = |key: &str| rows["station"][0].get(key).and_then(|v| v.as_str()).unwrap_or("123456").to_owned();
        let (mn, pw) = (text("mn"), text("pw"));
        World { runtime, broker, gateway, http, mn, pw }
    }

    /// Comes and goes so often: an event each.
    fn come_and_go(&self, times: usize) {
        for _ in 0..times {
            let before = self.events().len();
            let mut station = Station::connect(self.gateway.listen, &self.mn, &self.pw);
            station.arrive();
            drop(station);
            until("a station that came and went", &self.gateway, || self.events().len() >= before + 2);
        }
    }

    /// The events that the broker has: id and body.
    fn events(&self) -> BTreeMap<String, String> {
        let received = self.broker.received();
        let events = received.iter().filter(|message| message.topic.contains("/event/"));
        events
            .map(|message| {
                let body: Value = serde_json::from_slice(&message.payload).unwrap();
                (body["id"].as_str().unwrap().to_owned(), String::from_utf8(message.payload.to_vec()).unwrap())
            })
            .collect()
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = get(self.http, "/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name).to_owned();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn sink(&self, name: &str, figure: &str) -> u64 {
        self.metric(&format!("hj212_push_sink_{figure}{{sink=\"{name}\"}}"))
    }
}

/// Writes on and on until the other side has gone; how many bytes it took.
fn endless(mut stream: TcpStream, head: &[u8], pause: Duration) -> usize {
    let mut written = 0;
    let _ = stream.write_all(head);
    while stream.write_all(b"x").is_ok() && written < 256 << 20 {
        written += 1;
        if pause.is_zero() {
            written += stream.write(&[b'x'; 65_536]).unwrap_or(0);
        }
        std::thread::sleep(pause);
    }
    written
}

/// A server with a certificate of nobody we know; how often a request came to it all the same.
fn of_nobody(folder: &std::path::Path, runtime: &tokio::runtime::Runtime) -> (SocketAddr, Arc<AtomicUsize>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = ServerFiles { certificate, key, client_ca: None };
    let (config, _) = certificates::server(&files).unwrap();
    let (acceptor, requests) = (tokio_rustls::TlsAcceptor::from(config), Arc::new(AtomicUsize::new(0)));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::clone(&requests));
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                use tokio::io::AsyncReadExt;
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.read(&mut [0; 16]).await.is_ok_and(|count| count > 0) {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (address, requests)
}

#[test]
fn hostile_servers_lose_nothing_stop_nothing_and_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (nobody, secrets_told) = of_nobody(folder.path(), &outside);
    let elsewhere = Server::good();
    let to = elsewhere.address;
    let most = Arc::new(AtomicUsize::new(0));
    let longest = Arc::clone(&most);
    let refusing: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let good = Server::good();
    let hostile: Vec<(&str, Server)> = vec![
        // Holds the connection and says nothing.
        ("silent", Server::new(|mut stream, _| while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {})),
        ("drip", Server::new(|stream, _| _ = endless(stream, b"HTTP/1.1 200 OK\r\nX: ", Duration::from_millis(100)))),
        ("early", Server::new(|stream, _| drop(stream))),
        (
            "half",
            Server::new(|mut stream, _| {
                let _ = read(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 20");
            }),
        ),
        (
            "broken",
            Server::new(|mut stream, _| {
                let _ = read(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 503 Broken\r\nContent-Length: 3\r\n\r\nno!");
            }),
        ),
        (
            "redirect",
            Server::new(move |mut stream, _| {
                let _ = read(&mut stream);
                let there = format!("HTTP/1.1 307 There\r\nLocation: http://{to}/\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(there.as_bytes());
            }),
        ),
        (
            "busy",
            Server::new(|mut stream, heard| {
                let asked = read(&mut stream);
                heard.lock().unwrap().extend(asked);
                let _ = stream.write_all(b"HTTP/1.1 429 Slow\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n");
            }),
        ),
        // What it answers is a yes, and it goes on and on.
        (
            "endless",
            Server::new(move |mut stream, heard| {
                let asked = read(&mut stream);
                heard.lock().unwrap().extend(asked);
                let written = endless(stream, b"HTTP/1.1 200 OK\r\n\r\n", Duration::ZERO);
                longest.fetch_max(written, Ordering::SeqCst);
            }),
        ),
    ];
    let rows: String =
        hostile.iter().map(|(name, server)| sink(name, &format!("http://{}/hook", server.address))).collect();
    let rows = rows
        + &sink("good", &format!("http://{}/hook?x=1", good.address))
        + &sink("nobody", &format!("https://localhost:{}/", nobody.port()))
        + &sink("refusing", &format!("http://{refusing}/"));
    let mut world = World::new(&rows);
    world.gateway.start();
    world.come_and_go(6);

    // The broker has everything, and the cursor has passed it, while others have nothing.
    until("everything is delivered", &world.gateway, || world.metric("hj212_backlog_records") == 0);
    for away in ["silent", "drip", "early", "half", "broken", "redirect", "nobody", "refusing"] {
        assert_eq!(world.sink(away, "sent_total"), 0, "{away}");
        assert!(world.sink(away, "waiting") >= 12, "{away}: {}", world.sink(away, "waiting"));
    }
    assert_eq!(world.metric("hj212_push_dropped_total"), 0);
    until("the good one has everything", &world.gateway, || {
        world.events().iter().all(|(id, _)| good.ids().contains_key(id))
    });
    let (status, ready) = get(world.http, "/ready");
    assert_eq!(status, 200, "nobody who is away makes the gateway not ready: {ready}");
    until("the state of each", &world.gateway, || {
        let ready = get(world.http, "/ready").1;
        let line = |name: &str| {
            ready.lines().find(|line| line.contains(&format!(" push: {name} "))).unwrap_or_default().to_owned()
        };
        ["nobody", "redirect", "refusing"].iter().all(|name| line(name).starts_with("WARN "))
            && line("good").starts_with("ok   ")
            && line("nobody").contains("certificate")
            && line("redirect").contains("it answered 307")
            && line("refusing").contains("cannot be reached")
            && line("early").contains("wait since")
            && line("good").ends_with("sent since the start")
    });
    let overview: Value = serde_json::from_str(&get(world.http, "/api/overview").1).unwrap();
    assert_eq!(overview["push"].as_array().unwrap().len(), 11, "{overview}");

    // And the page has a line for each that somebody should look at.
    if let Some(mut browser) = browser::Browser::start() {
        browser.open(&format!("http://127.0.0.1:{}/", world.http));
        let lines = "[...document.querySelectorAll('#push [data-sink]')].map(line => line.textContent).join('\\n')";
        let seen = browser.until(&format!("({lines}).includes('nobody') && ({lines})"));
        let seen = seen.as_str().unwrap_or_default();
        let line = |name: &str| seen.lines().find(|line| line.contains(&format!(" {name} ("))).unwrap_or_default();
        assert!(line("redirect").contains("it answered 307") && line("redirect").contains("webhook"), "{seen}");
        assert_eq!(line("good"), "", "nothing waits there, so nobody need look: {seen}");
        assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    }

    // The one that asked to be left alone is.
    let busy = &hostile.iter().find(|(name, _)| *name == "busy").unwrap().1;
    until("the busy one is asked again", &world.gateway, || busy.heard.lock().unwrap().len() >= 2);
    let asked = busy.heard.lock().unwrap().clone();
    let (first, second) = (&asked[0], &asked[1]);
    assert_eq!(first.id(), second.id(), "the same message, with its id");
    assert!(second.at.duration_since(first.at) >= Duration::from_secs(4), "after the time that it asked for");

    // All is well again: everything comes, to each.
    hostile.iter().for_each(|(_, server)| server.be_good());
    let refused = Server::at(refusing, |_, _| {});
    refused.be_good();
    let of = |server: &Server, endless: bool| {
        let mut all = server.ids();
        // What it took with an answer that never ended.
        if endless {
            all.extend(server.heard.lock().unwrap().iter().map(|asked| (asked.id().to_owned(), asked.body.clone())));
        }
        all
    };
    for (name, server) in hostile.iter().map(|(name, server)| (*name, server)).chain([("refusing", &refused)]) {
        until(&format!("everything at {name}"), &world.gateway, || {
            let (had, events) = (of(server, name == "endless"), world.events());
            events.iter().all(|(id, body)| had.get(id) == Some(body)) && world.sink(name, "waiting") == 0
        });
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0, "nobody came where the redirect led");
    assert_eq!(secrets_told.load(Ordering::SeqCst), 0, "nothing was said to a server that is not the one");
    assert!(
        most.load(Ordering::SeqCst) < 64 << 20,
        "an endless answer was read on and on: {}",
        most.load(Ordering::SeqCst)
    );
    assert!(good.taken.lock().unwrap().iter().all(|asked| asked.headers["host"] == good.address.to_string()));
    assert!(world.gateway.stop().1);
}

#[test]
fn a_kill_before_and_after_the_push_loses_nothing_and_ids_stay() {
    let away = Server::new(|stream, _| drop(stream));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = format!("http://{}/", listener.local_addr().unwrap());
    let mut world = World::new(&(sink("away", &format!("http://{}/", away.address)) + &sink("slow", &slow)));
    world.gateway.start();
    world.come_and_go(3);
    until("everything is delivered", &world.gateway, || world.metric("hj212_backlog_records") == 0);
    let kept = |name: &str| world.gateway.journal().join(name).exists();
    until("the queues are on disk", &world.gateway, || kept("push-away") && kept("push-slow"));
    // Between a request and its answer: the other side has it, and nobody knows.
    let (mut stream, _) = listener.accept().unwrap();
    let told = read(&mut stream).unwrap();
    world.gateway.kill();
    drop(stream);

    // Before the push: what came while the other side was away is in the file.
    away.be_good();
    world.gateway.start();
    until("all of before", &world.gateway, || {
        let had = away.ids();
        world.events().iter().all(|(id, body)| had.get(id) == Some(body))
    });
    let (mut stream, _) = listener.accept().unwrap();
    let again = read(&mut stream).unwrap();
    assert_eq!((again.id(), &again.body), (told.id(), &told.body), "the same message with the same id");
    stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
    drop(stream);
    // After an orderly end nothing of it goes again.
    until("nothing waits", &world.gateway, || world.sink("away", "waiting") == 0);
    assert!(world.gateway.stop().1);
    let before = away.taken.lock().unwrap().len();
    world.gateway.start();
    world.come_and_go(1);
    until("the new ones", &world.gateway, || world.events().keys().all(|id| away.ids().contains_key(id)));
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for asked in away.taken.lock().unwrap().iter().skip(before) {
        *times.entry(asked.id().to_owned()).or_default() += 1;
    }
    let old: Vec<_> = away.taken.lock().unwrap().iter().take(before).map(|asked| asked.id().to_owned()).collect();
    assert!(times.values().all(|times| *times == 1) && old.iter().all(|id| !times.contains_key(id)), "{times:?}");

    // And at any moment: what the cursor has not passed comes from the journal again.
    for _ in 0..3 {
        world.come_and_go(1);
        world.gateway.kill();
        world.gateway.start();
    }
    until("what came before the kills", &world.gateway, || {
        let had = away.ids();
        world.events().iter().all(|(id, body)| had.get(id) == Some(body))
    });
}

#[test]
fn a_queue_that_cannot_be_stored_stops_nothing_and_is_told() {
    let good = Server::good();
    let mut world = World::new(&sink("good", &format!("http://{}/", good.address)));
    // A folder stands where the file is written.
    let folder = world.gateway.journal().join("push-good.new");
    std::fs::create_dir_all(folder.join("full")).unwrap();
    world.gateway.start();
    world.come_and_go(2);
    let came = |world: &World| world.events().iter().all(|(id, body)| good.ids().get(id) == Some(body));
    until("everything is delivered and pushed", &world.gateway, || {
        world.metric("hj212_backlog_records") == 0 && came(&world)
    });
    until("what the cursor passed is counted", &world.gateway, || world.metric("hj212_push_unstored_total") >= 4);
    assert_eq!(world.sink("good", "unstored_total"), world.metric("hj212_push_unstored_total"));
    assert_eq!(world.sink("good", "good"), 0);
    let (status, ready) = get(world.http, "/ready");
    assert!(status == 200 && ready.contains("the queue cannot be stored: "), "{status} {ready}");
    let told = world.gateway.log();
    for line in
        ["the queue of a push sink cannot be stored; it is tried again", "cannot be stored in time: the uplink goes on"]
    {
        assert_eq!(told.matches(line).count(), 1, "{line}: {told}");
    }
    // And well again: on disk.
    std::fs::remove_dir_all(&folder).unwrap();
    until("the queue is on disk", &world.gateway, || world.sink("good", "good") == 1);
    world.come_and_go(1);
    until("the rest", &world.gateway, || world.metric("hj212_backlog_records") == 0 && came(&world));
    assert!(world.gateway.journal().join("push-good").is_file());
    assert!(world.gateway.stop().1);
}

/// The block of Python of docs/push.md.
fn verification() -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/push.md")).unwrap();
    page.split("```python\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// Whether the program of the page takes the request.
fn verifies(secret: &str, asked: &Asked, body: &str) -> bool {
    let call = format!(
        "{}\nimport sys\nsys.exit(0 if is_ours({:?}.encode(), {:?}, {:?}, sys.stdin.buffer.read()) else 1)\n",
        verification(),
        secret,
        asked.headers["x-hj212-timestamp"],
        asked.headers["x-hj212-signature"]
    );
    let mut python = Command::new("python3").args(["-c", &call]).stdin(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    python.wait().unwrap().success()
}

#[test]
fn a_test_message_tries_a_sink_and_its_signature_is_the_one_of_the_page() {
    let (good, gone) = (Server::good(), format!("http://127.0.0.1:{}/", free_port()));
    let signed = format!(
        "{{ name = \"signed\", kind = \"webhook\", url = \"http://{}/\", secret_file = \"secret\", events = [\"*\"] }},\n",
        good.address
    );
    let world = World::new(&(signed + &sink("gone", &gone)));
    std::fs::write(world.gateway.path("secret"), "hunter2\n").unwrap();
    let test = |sink: &str| {
        let (code, out, said) =
            run(&["push", "test", "--sink", sink, "--config", "gateway.toml"], world.gateway.folder.path());
        (code, out + &said)
    };
    let (code, said) = test("signed");
    assert_eq!(code, 0, "{said}");
    let asked = good.taken.lock().unwrap()[0].clone();
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((body["kind"].as_str(), asked.headers["x-hj212-kind"].as_str()), (Some("test"), "test"), "{body}");
    assert_eq!(body["id"].as_str(), Some(asked.id()));
    assert!(verifies("hunter2", &asked, &asked.body));
    assert!(!verifies("hunter3", &asked, &asked.body) && !verifies("hunter2", &asked, &format!("{} ", asked.body)));
    let (code, said) = test("gone");
    assert!(code == 69 && said.contains("cannot be reached"), "{code} {said}");
    let (code, said) = test("nobody");
    assert!(code == 64 && said.contains("signed, gone"), "{code} {said}");
    std::fs::remove_file(world.gateway.path("secret")).unwrap();
    let (code, said) = test("signed");
    assert!(code == 78 && said.contains("secret_file") && !said.contains("hunter2"), "{code} {said}");
}
