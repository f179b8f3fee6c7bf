//! A scene for the downlink: a broker, a gateway as its operators start it, and a station whose every word is the test's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hj212::write;
use hj212_mqtt as mqtt;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Gateway;

/// A station whose every word is the test's.
pub(crate) struct Station {
    pub(crate) stream: TcpStream,
    pub(crate) buffer: Vec<u8>,
    pub(crate) mn: String,
    pub(crate) pw: String,
}

impl Station {
    pub(crate) fn connect(address: SocketAddr, mn: &str, pw: &str) -> Station {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Station { stream, buffer: Vec::new(), mn: mn.into(), pw: pw.into() }
    }

    pub(crate) fn say(&mut self, qn: &str, st: &str, cn: u16, flag: u8, cp: &str) {
        let (mn, pw) = (&self.mn, &self.pw);
        let segment = format!("QN={qn};ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};CP=&&{cp}&&");
        let mut frame = Vec::new();
        write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        self.stream.write_all(&frame).unwrap();
    }

    /// The next frame's segment, within `patience`.
    pub(crate) fn hear(&mut self, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&frame[6..frame.len() - 6]).into_owned());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(_) if Instant::now() < until => {}
                Err(_) => return None,
            }
        }
    }

    /// The next frame as it is, within `patience`: what is sealed holds line ends, so its length tells where it ends.
    pub(crate) fn hear_bytes(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + patience;
        loop {
            let length =
                self.buffer.get(2..6).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
            if let Some(whole) = length.map(|length| length + 12).filter(|whole| self.buffer.len() >= *whole) {
                return Some(self.buffer.drain(..whole).collect());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&bytes[..count]),
                Err(_) if Instant::now() < until => {}
                Err(_) => return None,
            }
        }
    }

    /// Says this frame as it is.
    pub(crate) fn say_bytes(&mut self, frame: &[u8]) {
        self.stream.write_all(frame).unwrap();
    }

    /// A realtime report, answered: the station is there.
    pub(crate) fn arrive(&mut self) {
        self.say("20261123100000001", "31", 2011, 5, "DataTime=20261123100000;a21026-Rtd=1.5,a21026-Flag=N");
        assert!(self.hear(Duration::from_secs(60)).expect("an answer").contains("CN=9014"));
    }
}

pub(crate) fn field<'a>(segment: &'a str, name: &str) -> &'a str {
    segment.split(';').find_map(|field| field.strip_prefix(name)).unwrap_or_default()
}

/// A broker, a gateway, and one station's MN and password.
pub(crate) struct Scene {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) broker: Broker,
    pub(crate) gateway: Gateway,
    pub(crate) mn: String,
    pub(crate) pw: String,
}

impl Scene {
    pub(crate) fn new(more: &str) -> Scene {
        Self::registered(more, |_| {})
    }

    /// The same with the station's row changed before the start.
    pub(crate) fn registered(more: &str, change: impl FnOnce(&mut toml::Table)) -> Scene {
        Self::made(more, Behaviour::default(), change, |_| {})
    }

    /// The same with files put into the gateway's folder before the start.
    pub(crate) fn prepared(more: &str, prepare: impl FnOnce(&std::path::Path)) -> Scene {
        Self::made(more, Behaviour::default(), |_| {}, prepare)
    }

    /// The same at a broker that lets nobody read topics with this end.
    pub(crate) fn hiding(more: &str, end: &str) -> Scene {
        Self::made(more, Behaviour { hidden: Some(end.into()), ..Behaviour::default() }, |_| {}, |_| {})
    }

    fn made(
        more: &str,
        behaviour: Behaviour,
        change: impl FnOnce(&mut toml::Table),
        prepare: impl FnOnce(&std::path::Path),
    ) -> Scene {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let behaviour = Behaviour { record: true, ..behaviour };
        let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
        let options = sim::Options { stations: 1, ..sim::Options::default() };
        let mut stations: toml::Table = sim::stations_toml(&options).parse().unwrap();
        change(stations["station"][0].as_table_mut().unwrap());
        let station = &stations["station"][0];
        let (mn, pw) = (
            station["mn"].as_str().unwrap().to_owned(),
            station.get("pw").map_or("123456", |pw| pw.as_str().unwrap()).to_owned(),
        );
        let mut gateway = Gateway::new(&options, broker.address().port(), more);
        std::fs::write(gateway.path("stations.toml"), stations.to_string()).unwrap();
        prepare(gateway.folder.path());
        gateway.start();
        Scene { runtime, broker, gateway, mn, pw }
    }

    pub(crate) fn station(&self) -> Station {
        Station::connect(self.gateway.listen, &self.mn, &self.pw)
    }

    /// Publishes a request, acknowledged by the broker.
    pub(crate) fn ask(&self, id: &str, body: &str) {
        let topic = format!("hj212/v1/{}/command/{id}", self.mn);
        self.publish(&topic, body);
    }

    pub(crate) fn publish(&self, topic: &str, body: &str) {
        // What is published before the gateway listens is lost with this broker, which keeps no sessions.
        let until = Instant::now() + Duration::from_secs(90);
        while self.broker.subscribers() == 0 {
            assert!(Instant::now() < until, "the gateway does not subscribe:\n{}", self.gateway.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.publish_now(topic, body, false);
    }

    pub(crate) fn publish_now(&self, topic: &str, body: &str, retain: bool) {
        let settings = mqtt::Settings {
            port: self.broker.address().port(),
            client_id: format!("asker-{topic}"),
            ..mqtt::Settings::default()
        };
        let stop = CancellationToken::new();
        self.runtime.block_on(async {
            let (outbox, task) = mqtt::start_quietly(&settings, std::sync::Arc::default(), stop.clone());
            let publication = hj212_model::message::Publication {
                topic: topic.to_owned(),
                payload: bytes::Bytes::from(body.to_owned()),
                retain,
            };
            let number = outbox.push(publication).await.unwrap();
            outbox.delivered().wait_for(|delivered| *delivered >= number).await.unwrap();
            stop.cancel();
            task.await.unwrap();
        });
    }

    /// The retained document of `id`, once its state is one of `states`.
    pub(crate) fn status(&self, id: &str, states: &[&str]) -> Value {
        let topic = format!("hj212/v1/{}/command/{id}/status", self.mn);
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let document =
                self.broker.retained().get(&topic).map(|body| serde_json::from_slice::<Value>(body).unwrap());
            let state = document.as_ref().and_then(|d| d["state"].as_str()).unwrap_or("none").to_owned();
            if states.contains(&state.as_str()) {
                return document.unwrap();
            }
            assert!(Instant::now() < until, "{id} is {state}, not {states:?}:\n{}", self.gateway.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
