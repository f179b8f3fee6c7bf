//! The broker with real clients.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Packet, QoS};

use super::*;

async fn client(
    broker: &Broker,
    id: &str,
    will: Option<&str>,
) -> (AsyncClient, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let mut options = MqttOptions::new(id, "127.0.0.1", broker.address().port());
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "gone", QoS::AtLeastOnce, true));
    }
    let (client, mut events) = AsyncClient::new(options, 100);
    let (sender, receiver) = mpsc::unbounded_channel();
    let (ready, stands) = tokio::sync::oneshot::channel();
    client.subscribe("a/+/#", QoS::AtLeastOnce).await.unwrap();
    tokio::spawn(async move {
        let mut ready = Some(ready);
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Packet::SubAck(_)) => drop(ready.take().map(|ready| ready.send(()))),
                Event::Incoming(Packet::Publish(publish)) => drop(sender.send((publish.topic, publish.payload))),
                _ => {}
            }
        }
    });
    stands.await.unwrap();
    (client, receiver)
}

async fn next(receiver: &mut mpsc::UnboundedReceiver<(String, Bytes)>) -> (String, Bytes) {
    tokio::time::timeout(Duration::from_secs(90), receiver.recv()).await.expect("a message comes").unwrap()
}

#[tokio::test]
async fn messages_reach_subscribers_and_retained_ones_later_ones_too() {
    let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let mut told = broker.messages();
    let (first, mut heard) = client(&broker, "first", None).await;
    first.publish("b/no", QoS::AtLeastOnce, false, "x").await.unwrap();
    first.publish("a/b/c", QoS::AtLeastOnce, true, "y").await.unwrap();
    assert_eq!(next(&mut heard).await, ("a/b/c".into(), "y".into()));
    assert_eq!(told.recv().await.unwrap().topic, "b/no");
    let (_second, mut later) = client(&broker, "second", None).await;
    assert_eq!(next(&mut later).await, ("a/b/c".into(), "y".into()));
    first.publish("a/b/c", QoS::AtLeastOnce, true, "").await.unwrap();
    assert_eq!(next(&mut later).await.1, "");
    assert!(broker.retained().is_empty());
    broker.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_its_will() {
    let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let (_observer, mut heard) = client(&broker, "observer", None).await;
    let mut options = MqttOptions::new("mortal", "127.0.0.1", broker.address().port());
    options.set_last_will(LastWill::new("a/mortal", "gone", QoS::AtLeastOnce, true));
    let (mortal, mut events) = AsyncClient::new(options, 10);
    while !matches!(events.poll().await, Ok(Event::Incoming(Packet::ConnAck(_)))) {}
    drop((mortal, events));
    assert_eq!(next(&mut heard).await, ("a/mortal".into(), "gone".into()));
}

#[tokio::test]
async fn what_was_not_acknowledged_is_not_accepted() {
    let behaviour = Behaviour { record: true, withhold_every: Some(1), ..Behaviour::default() };
    let broker = Broker::start_with(([127, 0, 0, 1], 0).into(), behaviour).await.unwrap();
    let (first, mut heard) = client(&broker, "first", None).await;
    first.publish("a/b/c", QoS::AtLeastOnce, false, "x").await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(200), heard.recv()).await.is_err());
    assert!(broker.received().is_empty());
}
