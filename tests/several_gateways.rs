//! Two gateways of one prefix behind the real haproxy with the configuration that ships: a station stays with one gateway, its commands are
//! carried out once, and it goes to the other one when the first is away.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod gateway;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gateway::scene::{Station, field};
use gateway::{Gateway, free_port, get};
use hj212_model::message::Publication;
use hj212_mqtt as mqtt;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(120);

const HOURS: &str = r#"{"command":"get-hours","author":"li","why":"gap","parameters":{"BeginTime":"20261123080000","EndTime":"20261123090000"}}"#;

/// The balancer; it ends with the test.
struct Balancer(Child);

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of the gateways, the port behind which it takes the balancer's connections, and its operators' port.
struct Member {
    gateway: Gateway,
    proxied: u16,
    http: u16,
}

impl Member {
    fn start(name: &str, options: &sim::Options, broker: u16) -> Member {
        let proxied = free_port();
        let more = format!(
            "[[listen.also]]\naddress = \"127.0.0.1:{proxied}\"\nproxy_from = [\"127.0.0.1/32\"]\n\
             [command]\nenabled = true\nonly_connected = true\n\
             allow = [{{ stations = [\"*\"], commands = [\"*\"], authors = [\"li\"] }}]\n"
        );
        let (mut gateway, http) = Gateway::seen(options, broker, &more);
        let file = gateway.path("gateway.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("id = \"test\"", &format!("id = \"{name}\""));
        let text = text.replace("[mqtt]\n", &format!("[mqtt]\nclient_id = \"{name}\"\n"));
        std::fs::write(file, text).unwrap();
        gateway.start();
        Member { gateway, proxied, http }
    }

    fn counted(&self, name: &str) -> u64 {
        let metrics = get(self.http, "/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

/// The shipped configuration with the addresses of this test.
fn balance(folder: &std::path::Path, members: [&Member; 2]) -> (Balancer, SocketAddr) {
    let port = free_port();
    let mut text = std::fs::read_to_string("deploy/haproxy.cfg").unwrap();
    let [a, b] = members;
    for (shipped, here) in [
        ("bind :9002", format!("bind 127.0.0.1:{port}")),
        ("10.0.0.1:9003 check port 9080", format!("127.0.0.1:{} check port {}", a.proxied, a.http)),
        ("10.0.0.2:9003 check port 9080", format!("127.0.0.1:{} check port {}", b.proxied, b.http)),
    ] {
        assert!(text.contains(shipped), "{shipped}");
        text = text.replace(shipped, &here);
    }
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let child = Command::new("haproxy").arg("-db").arg("-f").arg(file).stdout(Stdio::null()).spawn().unwrap();
    (Balancer(child), ([127, 0, 0, 1], port).into())
}

fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(Instant::now() < until, "not seen: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn publish(runtime: &Runtime, broker: &Broker, topic: &str, body: &str) {
    let settings =
        mqtt::Settings { port: broker.address().port(), client_id: "asker".into(), ..mqtt::Settings::default() };
    let stop = CancellationToken::new();
    runtime.block_on(async {
        let (outbox, task) = mqtt::start_quietly(&settings, std::sync::Arc::default(), stop.clone());
        let payload = bytes::Bytes::from(body.to_owned());
        let number = outbox.push(Publication { topic: topic.to_owned(), payload, retain: false }).await.unwrap();
        outbox.delivered().wait_for(|delivered| *delivered >= number).await.unwrap();
        stop.cancel();
        task.await.unwrap();
    });
}

/// The station comes through the balancer until it is answered: the gateway that publishes the record of this minute.
fn arrive(front: SocketAddr, (mn, pw): (&str, &str), minute: u32, broker: &Broker) -> (Station, String) {
    let time = format!("2026112310{minute:02}00");
    let station = until("an answer through the balancer", || {
        std::net::TcpStream::connect(front).ok()?;
        let mut station = Station::connect(front, mn, pw);
        let area = format!("DataTime={time};a21026-Rtd=1.5,a21026-Flag=N");
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            station.say(&format!("{time}001"), "31", 2011, 5, &area);
            station.hear(Duration::from_secs(20)).filter(|answer| answer.contains("CN=9014")).map(|_| ())
        }))
        .ok()??;
        Some(station)
    });
    let topic = format!("hj212/v1/{mn}/data/realtime");
    let by = until("the record", || {
        let received = broker.received();
        let mut bodies = received.iter().filter(|message| message.topic == topic);
        bodies.find_map(|message| {
            let body: Value = serde_json::from_slice(&message.payload).unwrap();
            let id = body["id"].as_str()?.contains(&time);
            id.then(|| body["gateway"].as_str().unwrap().to_owned())
        })
    });
    (station, by)
}

/// Asks for hours, answers as the station, and gives the gateways whose statuses of the request were seen.
fn command(id: &str, station: &mut Station, runtime: &Runtime, broker: &Broker) -> Vec<String> {
    publish(runtime, broker, &format!("hj212/v1/{}/command/{id}", station.mn), HOURS);
    let asked = station.hear(PATIENCE).expect("the request");
    assert!(asked.contains("CN=2061"), "{asked}");
    let qn = field(&asked, "QN=").to_owned();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    let topic = format!("hj212/v1/{}/command/{id}/status", station.mn);
    until("the end of the request", || {
        let received = broker.received();
        let statuses = received.iter().filter(|message| message.topic == topic);
        let bodies: Vec<Value> = statuses.map(|message| serde_json::from_slice(&message.payload).unwrap()).collect();
        let done = bodies.iter().any(|body| body["state"] == "done" || body["state"] == "no-data");
        done.then(|| bodies.iter().map(|body| body["gateway"].as_str().unwrap().to_owned()).collect())
    })
}

#[test]
fn a_station_stays_with_one_gateway_and_its_commands_are_carried_out_once() {
    if Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var_os("HAPROXY_REQUIRED").is_none(), "haproxy is required and not on the PATH");
        return eprintln!("haproxy is not on the PATH: NOT TESTED");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let behaviour = Behaviour { record: true, ..Behaviour::default() };
    let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let rows: toml::Table = sim::stations_toml(&options).parse().unwrap();
    let text = |key: &str| rows["station"][0].get(key).and_then(|v| v.as_str()).unwrap_or("123456").to_owned();
    let (mn, pw) = (text("mn"), text("pw"));
    let mut members = ["gateway-a", "gateway-b"].map(|name| Member::start(name, &options, broker.address().port()));
    let folder = tempfile::tempdir().unwrap();
    let (_balancer, front) = balance(folder.path(), [&members[0], &members[1]]);
    until("both gateways listen for requests", || (broker.subscribers() >= 2).then_some(()));

    let (mut station, first) = arrive(front, (&mn, &pw), 0, &broker);
    let by = command("r1", &mut station, &runtime, &broker);
    assert!(by.iter().all(|gateway| *gateway == first), "{first}: {by:?}");
    let other = usize::from(first == "gateway-a");
    until("the other has left it alone", || (members[other].counted("hj212_downlink_elsewhere") >= 1).then_some(()));
    for minute in 1..5 {
        drop(station);
        let (again, by) = arrive(front, (&mn, &pw), minute, &broker);
        assert_eq!(by, first, "it comes back to where it was");
        station = again;
    }
    members[1 - other].gateway.kill();
    let (mut station, second) = arrive(front, (&mn, &pw), 10, &broker);
    assert_ne!(second, first);
    let by = command("r2", &mut station, &runtime, &broker);
    assert!(by.iter().all(|gateway| *gateway == second), "{second}: {by:?}");
    // What was carried out is not carried out again where the station is now.
    assert_eq!(station.hear(Duration::from_millis(500)), None);
}
