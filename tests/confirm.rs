//! Delivery that a consumer confirms: the cursor follows its word, not the broker's, over a kill too.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod gateway;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gateway::scene::Station;
use gateway::{Gateway, get};
use hj212_model::message::Publication;
use hj212_mqtt as mqtt;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(90);

fn until(what: &str, gateway: &Gateway, mut seen: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !seen() {
        assert!(Instant::now() < until, "not seen: {what}\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_cursor_follows_the_consumer_and_what_it_does_not_confirm_comes_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let behaviour = Behaviour { record: true, ..Behaviour::default() };
    let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let more = "[delivery]\nconfirm = \"consumer\"\nconsumer = \"archive\"\nagain_after = \"1s\"\n";
    let (mut gateway, http) = Gateway::seen(&options, broker.address().port(), more);
    let rows: toml::Table = sim::stations_toml(&options).parse().unwrap();
    let text = |key: &str| rows["station"][0].get(key).and_then(|v| v.as_str()).unwrap_or("123456").to_owned();
    let (mn, pw) = (text("mn"), text("pw"));
    gateway.start();
    let mut station = Station::connect(gateway.listen, &mn, &pw);
    for n in 0..20 {
        let time = format!("202611231000{n:02}");
        station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};a21026-Rtd=1.5,a21026-Flag=N"));
        assert!(station.hear(PATIENCE).expect("an answer").contains("CN=9014"));
    }
    let topic = format!("hj212/v1/{mn}/data/realtime");
    // How often each record was heard.
    let heard = || {
        let mut heard = BTreeMap::new();
        for message in broker.received().iter().filter(|message| message.topic == topic) {
            let body: Value = serde_json::from_slice(&message.payload).unwrap();
            *heard.entry(body["id"].as_str().unwrap().to_owned()).or_insert(0u32) += 1;
        }
        heard
    };
    let backlog = || {
        let metrics = get(http, "/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with("hj212_backlog_records ")).unwrap().to_owned();
        line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
    };
    until("all of it again", &gateway, || heard().len() == 20 && heard().values().all(|count| *count >= 2));
    assert!(backlog() >= 20, "the broker has acknowledged, and that moves nothing: {}", backlog());
    // Nor is it forgotten over a kill.
    gateway.kill();
    let before = heard();
    gateway.start();
    until("all of it after the kill", &gateway, || heard().iter().all(|(id, count)| *count > before[id]));
    assert!(backlog() >= 20);

    // The consumer sends back what is offered.
    let confirm = |body: &str| {
        let settings =
            mqtt::Settings { port: broker.address().port(), client_id: "archive".into(), ..mqtt::Settings::default() };
        let stop = CancellationToken::new();
        runtime.block_on(async {
            let (outbox, task) = mqtt::start_quietly(&settings, std::sync::Arc::default(), stop.clone());
            let publication = Publication {
                topic: "hj212/v1/gateway/test/delivered/archive".to_owned(),
                payload: bytes::Bytes::from(body.to_owned()),
                retain: false,
            };
            let number = outbox.push(publication).await.unwrap();
            outbox.delivered().wait_for(|delivered| *delivered >= number).await.unwrap();
            stop.cancel();
            task.await.unwrap();
        });
    };
    confirm("{\"offset\":18446744073709551615,\"journal\":\"another\"}");
    assert!(backlog() >= 20, "a confirmation of another journal");
    until("everything is confirmed", &gateway, || {
        let received = broker.received();
        let offer =
            received.iter().rfind(|message| message.topic.ends_with("/offered")).map(|message| message.payload.clone());
        if let Some(offer) = offer {
            confirm(&String::from_utf8_lossy(&offer));
        }
        backlog() == 0
    });
    let settled = heard();
    // Orderly, and nothing of it again.
    assert!(gateway.stop().1);
    gateway.start();
    until("the gateway is there", &gateway, || get(http, "/health").0 == 200);
    let again = heard().iter().filter(|(id, count)| **count > settled[*id]).count();
    assert_eq!(again, 0, "confirmed is confirmed");
}
