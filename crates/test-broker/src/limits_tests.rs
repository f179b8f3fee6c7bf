//! Clients that the broker must survive.

use std::time::Duration;

use rumqttc::mqttbytes::v4::{Connect, Packet as Raw, PubAck, Publish, Subscribe};
use rumqttc::{LastWill, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

async fn honest() -> Broker {
    Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap()
}

fn bytes(packets: &[Raw]) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    for packet in packets {
        packet.write(&mut out, usize::MAX).unwrap();
    }
    out.to_vec()
}

/// A connection that has its CONNACK.
async fn connected(broker: &Broker, connect: Connect) -> TcpStream {
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    stream.write_all(&bytes(&[Raw::Connect(connect)])).await.unwrap();
    let mut welcome = [0; 4];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut welcome)).await.expect("CONNACK").unwrap();
    assert_eq!(welcome, [0x20, 2, 0, 0]);
    stream
}

fn publish(topic: &str, id: u16, size: usize) -> Raw {
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, vec![b'x'; size]);
    publish.pkid = id;
    Raw::Publish(publish)
}

fn subscribe(filter: &str) -> Raw {
    let mut subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
    subscribe.pkid = 1;
    Raw::Subscribe(subscribe)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_topic_in_chinese_reaches_its_subscriber_and_breaks_nobody() {
    let broker = honest().await;
    let mut observer = connected(&broker, Connect::new("observer")).await;
    observer.write_all(&bytes(&[subscribe("#")])).await.unwrap();
    let mut granted = [0; 5];
    observer.read_exact(&mut granted).await.unwrap();
    let mut sender = connected(&broker, Connect::new("sender")).await;
    sender.write_all(&bytes(&[publish("水/站点", 7, 1)])).await.unwrap();
    let mut ack = [0; 4];
    tokio::time::timeout(PATIENCE, sender.read_exact(&mut ack)).await.unwrap().unwrap();
    assert_eq!(ack.to_vec(), bytes(&[Raw::PubAck(PubAck::new(7))]));
    let mut heard = [0; 16];
    let came = tokio::time::timeout(PATIENCE, observer.read(&mut heard)).await.expect("the message comes");
    assert!(came.unwrap() > 0);
    drop((observer, sender));
    until("ended connections are not counted", || broker.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_is_closed_and_the_others_go_on() {
    let broker = honest().await;
    let mut lazy = connected(&broker, Connect::new("lazy")).await;
    lazy.write_all(&bytes(&[subscribe("#")])).await.unwrap();
    let mut granted = [0; 5];
    lazy.read_exact(&mut granted).await.unwrap();
    let mut told = broker.messages();
    let mut sender = connected(&broker, Connect::new("sender")).await;
    // More than a socket holds, and then more than the queue.
    let flood = tokio::spawn(async move {
        let mut burst = publish_quietly("t", 60_000);
        for _ in 0..400 {
            sender.write_all(&burst).await.unwrap();
        }
        burst = publish_quietly("t", 1).repeat(1000);
        for _ in 0..QUEUE_MAX / 1000 + 2 {
            sender.write_all(&burst).await.unwrap();
        }
        sender
    });
    let mut count = 0;
    while count < 400 + (QUEUE_MAX / 1000 + 2) * 1000 {
        tokio::time::timeout(PATIENCE, told.recv()).await.expect("the sender is not held up").unwrap();
        count += 1;
    }
    let _sender = flood.await.unwrap();
    until("the subscriber that does not read still stands", || broker.connections() == 1).await;
}

fn publish_quietly(topic: &str, size: usize) -> Vec<u8> {
    bytes(&[Raw::Publish(Publish::new(topic, QoS::AtMostOnce, vec![b'x'; size]))])
}

#[tokio::test]
async fn dropped_connections_leave_their_wills() {
    let broker = honest().await;
    let mut connect = Connect::new("mortal");
    connect.last_will = Some(LastWill::new("status", "gone", QoS::AtLeastOnce, true));
    let _mortal = connected(&broker, connect).await;
    broker.drop_connections();
    until("no will", || broker.retained().contains_key("status")).await;
}

#[tokio::test]
async fn a_second_client_of_one_name_replaces_the_first() {
    let broker = honest().await;
    let mut first = connected(&broker, Connect::new("same")).await;
    let _second = connected(&broker, Connect::new("same")).await;
    let mut rest = [0; 1];
    let ended = tokio::time::timeout(PATIENCE, first.read(&mut rest)).await.expect("the first is closed");
    assert!(matches!(ended, Ok(0) | Err(_)));
}

#[tokio::test]
async fn keep_alive_counts_what_the_client_says_and_not_what_it_hears() {
    let broker = honest().await;
    let mut connect = Connect::new("silent");
    connect.keep_alive = 1;
    let mut silent = connected(&broker, connect).await;
    silent.write_all(&bytes(&[subscribe("#")])).await.unwrap();
    let mut sender = connected(&broker, Connect::new("sender")).await;
    let talk = tokio::spawn(async move {
        while sender.write_all(&publish_quietly("t", 1)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        let mut bytes = [0; 64];
        while !matches!(silent.read(&mut bytes).await, Ok(0) | Err(_)) {}
    });
    assert!(ended.await.is_ok(), "a client that says nothing is kept because it is spoken to");
    talk.abort();
}

#[tokio::test]
async fn a_subscription_is_granted_no_more_than_it_asked_for() {
    let broker = honest().await;
    let mut observer = connected(&broker, Connect::new("observer")).await;
    let mut wish = Subscribe::new("#", QoS::AtMostOnce);
    wish.pkid = 1;
    observer.write_all(&bytes(&[Raw::Subscribe(wish)])).await.unwrap();
    let mut granted = [0; 5];
    observer.read_exact(&mut granted).await.unwrap();
    assert_eq!(granted, [0x90, 3, 0, 1, 0]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_codec_panic(kind in 0..=255u8, body in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        let mut packet = vec![kind, u8::try_from(body.len()).unwrap()];
        packet.extend(&body);
        for version in [wire::Version::V311, wire::Version::V5] {
            let mut buffer = bytes::BytesMut::from(&packet[..]);
            let before = buffer.len();
            if let Ok(None) = wire::read(version, &mut buffer, PACKET_MAX) {
                proptest::prop_assert_eq!(buffer.len(), before, "swallowed without a word");
            }
        }
    }
}
