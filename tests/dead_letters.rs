//! One message that the broker will not take never stops the others: it is set aside, durable and visible, and can be replayed. While the
//! broker takes nothing at all, nothing is set aside.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod gateway;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use gateway::scene::Station;
use gateway::{Gateway, get, run};
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker, Cut, Refusal};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);

struct Scene {
    runtime: tokio::runtime::Runtime,
    broker: Broker,
    gateway: Gateway,
    http: u16,
    /// MN and PW.
    stations: Vec<(String, String)>,
}

impl Scene {
    fn new(behaviour: Behaviour, version: &str) -> Scene {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let behaviour = Behaviour { record: true, ..behaviour };
        let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
        let options = sim::Options { stations: 3, ..sim::Options::default() };
        let (mut gateway, http) = Gateway::seen(&options, broker.address().port(), "");
        let file = gateway.path("gateway.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("[mqtt]", &format!("[mqtt]\nversion = \"{version}\""))).unwrap();
        let rows: toml::Table = sim::stations_toml(&options).parse().unwrap();
        let text = |row: &toml::Value, key: &str| row.get(key).and_then(|v| v.as_str()).unwrap_or("123456").to_owned();
        let stations =
            rows["station"].as_array().unwrap().iter().map(|row| (text(row, "mn"), text(row, "pw"))).collect();
        gateway.start();
        Scene { runtime, broker, gateway, http, stations }
    }

    fn station(&self, number: usize) -> Station {
        let (mn, pw) = &self.stations[number];
        Station::connect(self.gateway.listen, mn, pw)
    }

    /// `count` realtime reports of a station, each answered; gives their DataTimes.
    fn reports(&self, station: &mut Station, count: usize) -> Vec<String> {
        self.reports_from(station, 0, count)
    }

    /// The same from the `first` on: what was said already is not published again.
    fn reports_from(&self, station: &mut Station, first: usize, count: usize) -> Vec<String> {
        (first..first + count)
            .map(|n| {
                let time = format!("202611231{:01}{:02}{:02}", n / 3600 % 10, n / 60 % 60, n % 60);
                let cp = format!("DataTime={time};a21026-Rtd=1.5,a21026-Flag=N");
                station.say(&format!("{time}001"), "31", 2011, 5, &cp);
                assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"), "{}", self.gateway.log());
                time
            })
            .collect()
    }

    /// Waits until the broker has all `times` of the station.
    fn arrived(&self, mn: &str, times: &[String]) {
        let topic = format!("hj212/v1/{mn}/data/realtime");
        self.until("the station's data", || {
            let received = self.broker.received();
            let bodies = received.iter().filter(|message| message.topic == topic);
            let bodies: Vec<Value> = bodies.map(|message| serde_json::from_slice(&message.payload).unwrap()).collect();
            let heard: BTreeSet<String> = bodies
                .iter()
                .filter_map(|body| body["data_time"].as_str())
                .map(|time| time.chars().filter(char::is_ascii_digit).take(14).collect())
                .collect();
            times.iter().all(|time| heard.contains(time))
        });
    }

    fn until(&self, what: &str, mut seen: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !seen() {
            assert!(Instant::now() < until, "not seen: {what}\n{}", self.gateway.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn letters(&self) -> Vec<Value> {
        let (code, said, wrong) =
            run(&["dead-letters", "list", "--config", "gateway.toml", "--json"], self.gateway.folder.path());
        assert_eq!(code, 0, "{wrong}");
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn ready(&self) -> String {
        get(self.http, "/ready").1
    }
}

/// A legal frame whose body is far larger: many factors.
fn large(station: &mut Station) {
    let mut cp = String::from("DataTime=20261123120000");
    for code in 10_000..10_500 {
        let _ = write!(cp, ";a{code}-Rtd=1");
    }
    station.say("20261123120000001", "31", 2011, 5, &cp);
    assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"));
}

fn one_large_message_is_set_aside(version: &str) {
    let limit = Behaviour { packet_maximum: Some(32 << 10), ..Behaviour::default() };
    let mut scene = Scene::new(limit, version);
    let (mut one, mut other) = (scene.station(0), scene.station(1));
    scene.reports(&mut one, 1);
    large(&mut one);
    let times = scene.reports(&mut other, 40);
    scene.arrived(&scene.stations[1].0.clone(), &times);
    scene.until("the letter", || !scene.letters().is_empty());
    let letters = scene.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["topic"], format!("hj212/v1/{}/data/realtime", scene.stations[0].0));
    assert!(letters[0]["of"].as_u64().unwrap() > 0 && letters[0]["bytes"].as_u64().unwrap() > 32 << 10, "{letters:?}");
    assert!(scene.ready().contains("dead-letters") && scene.ready().contains("data/realtime"), "{}", scene.ready());
    scene.until("the cursor goes on", || scene.ready().contains("0 records wait"));
    let event = "hj212/v1/gateway/test/event/dead-letter";
    scene.until("the event", || scene.broker.received().iter().any(|message| message.topic == event));

    // Kept over a kill, and replayed once the broker takes it.
    scene.gateway.kill();
    scene.broker.behave(Behaviour { record: true, ..Behaviour::default() });
    scene.gateway.start();
    assert_eq!(scene.letters(), letters);
    let arguments = ["dead-letters", "replay", "--config", "gateway.toml"];
    let (code, said, wrong) = run(&arguments, scene.gateway.folder.path());
    assert_eq!(code, 0, "{said}{wrong}");
    let bytes = letters[0]["bytes"].as_u64().unwrap();
    assert!(scene.broker.received().iter().any(|message| message.payload.len() as u64 == bytes));
    assert!(scene.letters().is_empty());
    // At once, with no other step: the count of a moment ago is not shown any more.
    assert!(scene.ready().contains("dead-letters: none"), "{}", scene.ready());
    let metrics = get(scene.http, "/metrics").1;
    assert!(metrics.contains("hj212_dead_letters 0\n"), "{metrics}");
}

#[test]
fn a_message_above_the_brokers_limit_is_set_aside_and_replayed() {
    one_large_message_is_set_aside("5");
}

#[test]
fn a_message_at_which_the_broker_cuts_the_connection_is_set_aside_and_replayed() {
    one_large_message_is_set_aside("3.1.1");
}

#[test]
fn one_stations_refused_topics_stop_nobody_else() {
    let scene = Scene::new(Behaviour::default(), "5");
    let mn = scene.stations[0].0.clone();
    let refuse_topic = Some((format!("/{mn}/"), Refusal::NotAuthorized));
    scene.broker.behave(Behaviour { record: true, refuse_topic, ..Behaviour::default() });
    scene.broker.drop_connections();
    let (mut one, mut other) = (scene.station(0), scene.station(1));
    scene.reports(&mut one, 700);
    let times = scene.reports(&mut other, 40);
    scene.arrived(&scene.stations[1].0.clone(), &times);
    scene.until("the letters", || scene.letters().len() >= 700);
    scene.until("the cursor goes on", || scene.ready().contains("0 records wait"));
    assert!(scene.letters().iter().all(|letter| letter["topic"].as_str().unwrap().contains(&mn)));
}

fn one_stations_topics_are_cut_at(how: Cut, version: &str, why: &str) {
    let scene = Scene::new(Behaviour::default(), version);
    let mn = scene.stations[0].0.clone();
    let cut_topic = Some((format!("/{mn}/"), how));
    scene.broker.behave(Behaviour { record: true, cut_topic, ..Behaviour::default() });
    scene.broker.drop_connections();
    let (mut one, mut other) = (scene.station(0), scene.station(1));
    scene.reports(&mut one, 20);
    let times = scene.reports(&mut other, 40);
    scene.arrived(&scene.stations[1].0.clone(), &times);
    // The other goes on: only what is taken later proves that it is no fault of the broker's.
    let mut said = 40;
    scene.until("the letters", || {
        scene.reports_from(&mut other, said, 1);
        said += 1;
        scene.letters().len() >= 20
    });
    assert!(scene.letters().iter().all(|letter| letter["topic"].as_str().unwrap().contains(&mn)));
    let ready = scene.ready();
    let said = ready.lines().find(|line| line.contains("dead-letters")).unwrap_or_default();
    assert!(said.contains("since the start") && said.contains(&mn) && said.contains(why), "{ready}");
    let lines = scene.gateway.log().matches("set aside as dead letters").count();
    assert!((1..=3).contains(&lines), "{lines} lines for {} letters", scene.letters().len());
}

#[test]
fn one_station_at_whose_topics_the_broker_refuses_and_closes_stops_nobody_else() {
    one_stations_topics_are_cut_at(Cut::RefuseAndClose, "5", "NotAuthorized");
}

#[test]
fn one_station_at_whose_topics_the_broker_resets_stops_nobody_else() {
    one_stations_topics_are_cut_at(Cut::Reset, "3.1.1", "cuts the connection");
}

#[test]
fn one_stations_topics_that_are_never_acknowledged_delay_nobody_again_and_again() {
    let mut scene = Scene::new(Behaviour::default(), "5");
    scene.gateway.stop();
    let file = scene.gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[mqtt]", "[mqtt]\nack_timeout = \"3s\"")).unwrap();
    scene.gateway.start();
    let mn = scene.stations[0].0.clone();
    let withhold_topic = Some(format!("/{mn}/data/"));
    scene.broker.behave(Behaviour { record: true, withhold_topic, ..Behaviour::default() });
    scene.broker.drop_connections();
    let (mut one, mut other) = (scene.station(0), scene.station(1));
    let mut said = 0;
    scene.until("the first letters", || {
        scene.reports_from(&mut one, said, 5);
        scene.reports_from(&mut other, said, 5);
        said += 5;
        std::thread::sleep(Duration::from_millis(200));
        scene.letters().len() >= 10
    });
    // From here on its messages are set aside without a try, but for one a minute: no connection ends for each of them.
    let connections = || {
        let metrics = get(scene.http, "/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with("hj212_mqtt_disconnects_total")).unwrap().to_owned();
        line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = connections();
    scene.reports_from(&mut one, said, 300);
    let times = scene.reports_from(&mut other, said, 40);
    scene.arrived(&scene.stations[1].0.clone(), &times);
    scene.until("the letters", || scene.letters().len() >= 300);
    let more = connections() - before;
    assert!(more < 30, "{more} connections for 300 messages\n{}", scene.gateway.log());
    let letters = scene.letters();
    assert!(letters.iter().all(|letter| letter["topic"].as_str().unwrap().contains(&mn)), "{letters:?}");
    assert!(
        letters.iter().any(|letter| letter["tries"] == 0 && letter["why"].as_str().unwrap().contains("one a minute"))
    );
}

#[test]
fn while_the_broker_refuses_everything_nothing_is_set_aside() {
    let refuse = Behaviour { refuse_topic: Some(("hj212/".into(), Refusal::NotAuthorized)), ..Behaviour::default() };
    let scene = Scene::new(refuse, "5");
    let (mut one, mut other) = (scene.station(0), scene.station(1));
    let (first, second) = (scene.reports(&mut one, 5), scene.reports(&mut other, 5));
    let refused = || {
        let metrics = get(scene.http, "/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with("hj212_mqtt_refused_total")).unwrap().to_owned();
        line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    scene.until("many tries", || refused() > 600);
    assert!(scene.letters().is_empty(), "{:?}", scene.letters());
    scene.until("it is said", || scene.ready().contains("takes nothing"));
    scene.broker.behave(Behaviour { record: true, ..Behaviour::default() });
    scene.broker.drop_connections();
    scene.arrived(&scene.stations[0].0.clone(), &first);
    scene.arrived(&scene.stations[1].0.clone(), &second);
    assert!(scene.letters().is_empty());
}

#[test]
fn damage_and_dead_letters_are_said_at_the_door() {
    let limit = Behaviour { packet_maximum: Some(32 << 10), ..Behaviour::default() };
    let mut scene = Scene::new(limit, "5");
    let overview = |scene: &Scene| -> Value { serde_json::from_str(&get(scene.http, "/api/overview").1).unwrap() };
    let mut station = scene.station(0);
    scene.reports(&mut station, 3);
    large(&mut station);
    scene.until("the letter", || overview(&scene)["dead_letters"]["count"] == 1);
    let said = overview(&scene);
    assert!(said["dead_letters"]["newest"]["topic"].as_str().unwrap().ends_with("/data/realtime"), "{said}");
    assert!(!said["dead_letters"]["newest"]["why"].as_str().unwrap().is_empty(), "{said}");
    assert!(said["journal"]["damage"].is_null(), "{said}");
    assert_eq!(get(scene.http, "/ready").0, 200, "a letter that is set aside is no reason not to be ready");
    scene.reports(&mut station, 3);
    scene.until("all is delivered", || scene.ready().contains("0 records wait"));

    // One bit of the first report rots.
    scene.gateway.kill();
    let files = std::fs::read_dir(scene.gateway.journal()).unwrap().map(|entry| entry.unwrap().path());
    let segment = files.filter(|path| path.extension().is_some_and(|end| end == "seg")).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|found| found == b"a21026-R").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    scene.gateway.start();
    scene.until("the damage", || {
        scene.ready().contains("journal-damage") && !overview(&scene)["journal"]["damage"].is_null()
    });
    let said = overview(&scene);
    assert!(said["journal"]["damage"].as_str().unwrap().starts_with("1 records lost"), "{said}");
    // The page makes its sentence of these.
    for counter in ["journal_lost", "uplink_lost", "journal_unreadable", "journal_breaks"] {
        assert!(said["counters"][counter].is_u64(), "{counter}: {said}");
    }
    let (code, ready) = get(scene.http, "/ready");
    assert!(code == 503 && ready.contains("1 records lost"), "{code} {ready}");
    scene.until("the letter of before", || overview(&scene)["dead_letters"]["count"] == 1);
    let mut station = scene.station(0);
    scene.reports(&mut station, 1);
    let (code, page) = get(scene.http, "/");
    assert!(code == 200 && page.contains("id=\"damage\"") && page.contains("id=\"dead\""));
}
