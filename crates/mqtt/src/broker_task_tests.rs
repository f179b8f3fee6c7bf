//! The broker task against a broker that misbehaves on purpose: silence, acknowledgements in reverse, twice, or for nothing.

use super::super::{Closed, Outbox, Version, start, start_quietly};
use super::*;
use bytes::Bytes;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone, Copy)]
enum Manner {
    Honest,
    /// Acknowledges nothing.
    Silent,
    /// Acknowledges each four in reverse.
    Reversed,
    /// Acknowledges each message twice.
    Twice,
    /// Acknowledges packet ids that were never sent, then the right ones.
    Strange,
}

/// In place of a packet type: the connection has ended.
const CLOSED: u8 = 0;

/// What each connection of the broker heard: packet type and the rest.
type Heard = Arc<Mutex<Vec<Vec<(u8, Vec<u8>)>>>>;

/// An MQTT 3.1.1 broker for one client; the n-th connection has the n-th manner, later ones the last.
async fn broker(manners: &'static [Manner]) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let shared = heard.clone();
    tokio::spawn(async move {
        for round in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            shared.lock().unwrap().push(Vec::new());
            let manner = manners[round.min(manners.len() - 1)];
            tokio::spawn(serve(stream, manner, shared.clone(), round));
        }
    });
    (port, heard)
}

async fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.ok()?;
    Some((kind >> 4, rest))
}

async fn serve(mut stream: TcpStream, manner: Manner, heard: Heard, round: usize) {
    let mut line = Vec::new();
    while let Some((kind, rest)) = packet(&mut stream).await {
        heard.lock().unwrap()[round].push((kind, rest.clone()));
        let mut answer = Vec::new();
        if kind == 1 {
            answer.extend([0x20, 2, 0, 0]);
        } else if kind == 3 {
            let topic = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let id = [rest[topic + 2], rest[topic + 3]];
            let ack = [0x40, 2, id[0], id[1]];
            match manner {
                Manner::Silent => {}
                Manner::Honest => answer.extend(ack),
                Manner::Twice => answer.extend([ack, ack].concat()),
                Manner::Strange => answer.extend([ack, [0x40, 2, 0xff, 0xff]].concat()),
                Manner::Reversed => {
                    line.push(ack);
                    if line.len() == 4 {
                        line.drain(..).rev().for_each(|ack| answer.extend(ack));
                    }
                }
            }
        }
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
    heard.lock().unwrap()[round].push((CLOSED, Vec::new()));
}

fn message(n: u64) -> Publication {
    Publication { topic: "t".into(), payload: Bytes::from(n.to_string()), retain: false }
}

fn settings(port: u16) -> Settings {
    Settings {
        port,
        version: Version::V311,
        window: 8,
        retry_min: Duration::from_millis(10),
        retry_max: Duration::from_millis(50),
        ack_timeout: Duration::from_millis(300),
        drain_max: Duration::from_millis(200),
        ..Settings::default()
    }
}

async fn all_delivered(outbox: &Outbox, n: u64) {
    for seq in 1..=n {
        assert_eq!(outbox.push(message(seq)).await, Ok(seq));
    }
    let mut delivered = outbox.delivered();
    let reached = tokio::time::timeout(Duration::from_secs(30), delivered.wait_for(|now| *now >= n)).await;
    assert!(reached.is_ok(), "{} of {n}", *outbox.delivered().borrow());
}

/// The payloads that a connection heard, in order.
fn payloads(heard: &[(u8, Vec<u8>)]) -> Vec<u64> {
    let published = heard.iter().filter(|(kind, _)| *kind == 3);
    published.map(|(_, rest)| String::from_utf8_lossy(&rest[5..]).parse().unwrap()).collect()
}

async fn delivers_in_spite_of(manners: &'static [Manner]) -> (Arc<Telemetry>, Heard) {
    let (port, heard) = broker(manners).await;
    let (telemetry, stop) = (Arc::new(Telemetry::default()), CancellationToken::new());
    let (outbox, task) = start_quietly(&settings(port), telemetry.clone(), stop.clone());
    all_delivered(&outbox, 100).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(outbox.push(message(0)).await, Err(Closed));
    assert_eq!(telemetry.get(Counter::MqttAcknowledged), 100);
    for connection in heard.lock().unwrap().iter() {
        assert!(payloads(connection).windows(2).all(|pair| pair[0] + 1 == pair[1]), "order within a connection");
    }
    (telemetry, heard)
}

#[tokio::test]
async fn acknowledgements_in_reverse_are_paired_and_cost_no_connection() {
    let (telemetry, heard) = delivers_in_spite_of(&[Manner::Reversed]).await;
    assert_eq!(telemetry.get(Counter::MqttDisconnects), 0);
    assert_eq!(payloads(&heard.lock().unwrap()[0]), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_does_not_acknowledge_is_left_after_the_time_out_and_all_is_sent_again() {
    let (telemetry, heard) = delivers_in_spite_of(&[Manner::Silent, Manner::Silent, Manner::Honest]).await;
    assert_eq!(telemetry.get(Counter::MqttDisconnects), 2);
    let heard = heard.lock().unwrap();
    assert_eq!(payloads(&heard[0]), (1..=8).collect::<Vec<_>>(), "no more than the window");
    assert_eq!(payloads(&heard[2]), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn acknowledgements_that_fit_nothing_lose_nothing() {
    let manners = &[Manner::Twice, Manner::Strange, Manner::Twice, Manner::Honest];
    let (_, heard) = delivers_in_spite_of(manners).await;
    let heard = heard.lock().unwrap();
    let firsts: Vec<u64> = heard.iter().filter_map(|connection| payloads(connection).first().copied()).collect();
    assert!(
        firsts.windows(2).all(|pair| pair[0] < pair[1]),
        "a good acknowledgement before a bad one counts: {firsts:?}"
    );
}

#[tokio::test]
async fn without_a_broker_push_waits_at_its_bound_and_is_released_by_the_stop() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let (outbox, task) = start_quietly(&settings(port), Arc::new(Telemetry::default()), stop.clone());
    for seq in 1..=8 {
        assert_eq!(outbox.push(message(seq)).await, Ok(seq));
    }
    let mut state = outbox.state();
    let seen =
        state.wait_for(|state| matches!(state, State::Connecting { last_error: Some(_) })).await.unwrap().clone();
    let State::Connecting { last_error: Some(text) } = seen else { panic!("{seen:?}") };
    assert!(text.starts_with("the broker cannot be reached"), "{text}");
    let waiting = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.push(message(9)).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    stop.cancel();
    assert_eq!(waiting.await.unwrap(), Err(Closed));
    task.await.unwrap();
    assert_eq!(*outbox.delivered().borrow(), 0);
}

/// Birth, one message, stop: the packet types that the broker heard.
async fn life(manner: &'static [Manner]) -> Vec<u8> {
    let (port, heard) = broker(manner).await;
    let stop = CancellationToken::new();
    let settings = Settings { ack_timeout: Duration::from_secs(30), ..settings(port) };
    let (birth, will) = (message(0), message(99));
    let (outbox, task) = start(&settings, birth, will, Arc::new(Telemetry::default()), stop.clone());
    outbox.push(message(1)).await.unwrap();
    while heard.lock().unwrap().first().is_none_or(|packets| packets.len() < 3) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(90), task).await.unwrap().unwrap();
    loop {
        let kinds: Vec<u8> = heard.lock().unwrap()[0].iter().map(|(kind, _)| *kind).collect();
        if kinds.last() == Some(&CLOSED) {
            return kinds;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn leaving_says_farewell_and_disconnects() {
    assert_eq!(
        life(&[Manner::Honest]).await,
        [1, 3, 3, 3, 14, CLOSED],
        "CONNECT, birth, message, farewell, DISCONNECT"
    );
}

#[tokio::test]
async fn a_farewell_without_acknowledgement_leaves_without_disconnect_so_that_the_broker_publishes_the_will() {
    assert_eq!(life(&[Manner::Silent]).await, [1, 3, 3, 3, CLOSED]);
}

/// A broker that takes connections and closes them without an answer.
async fn closing_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = packet(&mut stream).await;
        }
    });
    port
}

#[tokio::test]
async fn when_one_broker_is_left_the_next_of_the_cluster_gets_what_was_not_acknowledged() {
    let closing = closing_broker().await;
    let (silent, first) = broker(&[Manner::Silent]).await;
    let (honest, second) = broker(&[Manner::Honest]).await;
    let telemetry = Arc::new(Telemetry::default());
    let also = vec![format!("127.0.0.1:{silent}"), format!("127.0.0.1:{honest}")];
    let stop = CancellationToken::new();
    let (outbox, task) = start_quietly(&Settings { also, ..settings(closing) }, telemetry.clone(), stop.clone());
    all_delivered(&outbox, 100).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(payloads(&first.lock().unwrap()[0]), (1..=8).collect::<Vec<_>>());
    assert_eq!(payloads(&second.lock().unwrap()[0]), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_broker_that_closes_before_it_answers_is_told_with_what_may_be_meant() {
    for version in [Version::V311, Version::V5] {
        let port = closing_broker().await;
        let stop = CancellationToken::new();
        let settings = Settings { version, ..settings(port) };
        let (outbox, _door) = start_quietly(&settings, Arc::default(), stop.clone());
        let mut state = outbox.state();
        let told = state.wait_for(|state| matches!(state, State::Connecting { last_error: Some(_) }));
        let state = tokio::time::timeout(Duration::from_secs(30), told).await.unwrap().unwrap().clone();
        let State::Connecting { last_error: Some(error) } = state else { unreachable!("waited for") };
        assert!(error.contains("version = \"3.1.1\"") && error.contains("[mqtt.tls]"), "{error}");
        stop.cancel();
    }
}
