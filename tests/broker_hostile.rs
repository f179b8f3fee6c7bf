//! The connection to the broker against a broker that misbehaves: cut at every byte, late, reordered, withheld, refused. Nothing is lost,
//! nothing is stuck, order holds, repetitions stay within the window.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hj212_model::message::Publication;
use hj212_model::telemetry::{Counter, Telemetry};
use hj212_mqtt::{self as mqtt, Settings, State, Version};
use hj212_test_broker::{Behaviour, Broker, Cut, Refusal, Unwelcome};
use tokio_util::sync::CancellationToken;

const WINDOW: u16 = 8;

fn settings(broker: &Broker, version: Version) -> Settings {
    Settings {
        port: broker.address().port(),
        version,
        window: WINDOW,
        retry_min: Duration::from_millis(10),
        retry_max: Duration::from_millis(20),
        ack_timeout: Duration::from_secs(1),
        drain_max: Duration::from_millis(100),
        ..Settings::default()
    }
}

fn publication(number: usize) -> Publication {
    Publication { topic: format!("t/{number:04}"), payload: Bytes::from(format!("{number:08}")), retain: false }
}

/// What came of a delivery.
struct Came {
    repeated: usize,
    connects: u64,
    disconnects: u64,
}

/// Hands `count` messages to a task whose broker behaves so, waits until all are delivered, and checks what the broker accepted.
async fn deliver(behaviour: Behaviour, version: Version, count: usize, what: &str) -> Came {
    let behaviour = Behaviour { record: true, ..behaviour };
    // What is refused comes later than its followers, and what is acknowledged late counts late.
    let disorderly =
        behaviour.refuse_every.is_some() || behaviour.reorder.is_some() || behaviour.withhold_every.is_some();
    let broker = Broker::start_with(([127, 0, 0, 1], 0).into(), behaviour).await.unwrap();
    let telemetry = Arc::new(Telemetry::default());
    let stop = CancellationToken::new();
    let (outbox, task) = mqtt::start_quietly(&settings(&broker, version), Arc::clone(&telemetry), stop.clone());
    let mut delivered = outbox.delivered();
    let pushing = tokio::spawn(async move {
        for number in 1..=count {
            assert_eq!(outbox.push(publication(number)).await.unwrap(), number as u64);
        }
        outbox
    });
    let all = async {
        loop {
            let named = usize::try_from(*delivered.borrow_and_update()).unwrap();
            // The broker notes a message a moment after its acknowledgement is on the way.
            let mut patience = 100;
            while broker.received().iter().map(|m| &m.topic).collect::<HashSet<_>>().len() < named {
                patience -= 1;
                assert!(patience > 0, "{what}: {named} are said to be delivered and are not");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if named == count {
                return;
            }
            delivered.changed().await.unwrap();
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), all).await;
    assert!(done.is_ok(), "{what}: stuck after {} messages", broker.received().len());
    drop(pushing.await.unwrap());
    let received = broker.received();
    let mut first = Vec::new();
    for message in &received {
        if !first.contains(&message.topic) {
            first.push(message.topic.clone());
        }
        let number: usize = message.topic[2..].parse().unwrap();
        assert_eq!(message.payload, publication(number).payload, "{what}: altered");
    }
    let wanted: Vec<String> = (1..=count).map(|number| publication(number).topic).collect();
    if disorderly {
        first.sort();
    }
    assert_eq!(first, wanted, "{what}: lost, or out of order");
    let (repeated, connects) = (received.len() - count, telemetry.get(Counter::MqttConnects));
    let most = usize::from(WINDOW) * usize::try_from(connects.saturating_sub(1)).unwrap();
    assert!(repeated <= most, "{what}: {repeated} repetitions in {connects} connections");
    stop.cancel();
    task.await.unwrap();
    broker.stop().await;
    Came { repeated, connects, disconnects: telemetry.get(Counter::MqttDisconnects) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_at_any_byte_costs_nothing() {
    let places = Arc::new(tokio::sync::Semaphore::new(32));
    let mut tasks = tokio::task::JoinSet::new();
    for version in [Version::V311, Version::V5] {
        for towards_client in [false, true] {
            // More than 10 messages and their acknowledgements have: the last deliveries are whole.
            let bytes = if towards_client { 80 } else { 330 };
            for cut in 0..bytes {
                let permit = Arc::clone(&places).acquire_owned().await.unwrap();
                let connections = Some(2);
                let behaviour = match towards_client {
                    true => Behaviour { cut_sent: Some(cut), connections, ..Behaviour::default() },
                    false => Behaviour { cut_received: Some(cut), connections, ..Behaviour::default() },
                };
                tasks.spawn(async move {
                    let what = format!("{version:?}, cut at byte {cut}, towards client: {towards_client}");
                    let came = deliver(behaviour, version, 10, &what).await;
                    drop(permit);
                    ((version == Version::V5, towards_client), cut, came.disconnects > 0, came.repeated)
                });
            }
        }
    }
    let (mut cuts, mut repeated) = (BTreeMap::<_, BTreeMap<u64, bool>>::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (group, cut, was_cut, again) = done.unwrap();
        cuts.entry(group).or_default().insert(cut, was_cut);
        repeated += again;
    }
    for (group, cuts) in cuts {
        let places: Vec<u64> = cuts.iter().filter(|(_, was_cut)| **was_cut).map(|(cut, _)| *cut).collect();
        println!("MQTT 5 {}, towards the client {}: cut at bytes 0 to {}", group.0, group.1, places.len() - 1);
        assert!(places.len() >= 40 && places.len() < cuts.len(), "the bytes are not all covered: {places:?}");
        assert!(places.iter().zip(0..).all(|(place, expected)| *place == expected), "{places:?}");
    }
    println!("{repeated} messages came again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_reordered_doubled_and_invented_acknowledgements_lose_nothing() {
    let honest = Behaviour::default();
    let manners = [
        ("late", Behaviour { delay: Some(Duration::from_millis(50)), ..honest.clone() }),
        ("reordered", Behaviour { reorder: Some(5), ..honest.clone() }),
        ("doubled", Behaviour { duplicate: true, connections: Some(3), ..honest.clone() }),
        ("invented", Behaviour { invent: true, connections: Some(3), ..honest.clone() }),
        (
            "late and reordered",
            Behaviour { delay: Some(Duration::from_millis(30)), reorder: Some(8), ..honest.clone() },
        ),
        ("withheld", Behaviour { withhold_every: Some(7), connections: Some(3), ..honest.clone() }),
        ("all withheld", Behaviour { withhold_every: Some(1), connections: Some(2), ..honest.clone() }),
        ("mute", Behaviour { mute: true, connections: Some(1), ..honest.clone() }),
        ("deaf", Behaviour { deaf: true, connections: Some(2), ..honest.clone() }),
        (
            "unavailable",
            Behaviour { refuse_connect: Some(Unwelcome::Unavailable), connections: Some(3), ..honest.clone() },
        ),
        (
            "not authorized",
            Behaviour { refuse_connect: Some(Unwelcome::NotAuthorized), connections: Some(1), ..honest.clone() },
        ),
        ("garbage", Behaviour { garbage: true, connections: Some(3), ..honest.clone() }),
        ("few at a time", Behaviour { receive_maximum: Some(2), ..honest }),
    ];
    for version in [Version::V311, Version::V5] {
        for (name, behaviour) in &manners {
            let came = deliver(behaviour.clone(), version, 60, &format!("{version:?}, {name}")).await;
            println!("{version:?}, {name}: {} again, {} connections", came.repeated, came.connects);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_messages_are_tried_again_and_the_others_pass() {
    for refusal in [Refusal::QuotaExceeded, Refusal::ImplementationSpecific, Refusal::NotAuthorized] {
        let behaviour = Behaviour { refuse_every: Some((5, refusal)), ..Behaviour::default() };
        deliver(behaviour, Version::V5, 40, &format!("{refusal:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_repaired_without_a_restart() {
    let login = Some(("gateway".to_owned(), "right".to_owned()));
    let behaviour = Behaviour { record: true, login, ..Behaviour::default() };
    let broker = Broker::start_with(([127, 0, 0, 1], 0).into(), behaviour).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong\n").unwrap();
    let settings = Settings {
        username: Some("gateway".into()),
        password_file: Some(password.clone()),
        ..settings(&broker, Version::V5)
    };
    let stop = CancellationToken::new();
    let (outbox, task) = mqtt::start_quietly(&settings, Arc::new(Telemetry::default()), stop.clone());
    outbox.push(publication(1)).await.unwrap();
    let failed = |state: &State| matches!(state, State::Connecting { last_error: Some(_) });
    outbox.state().wait_for(failed).await.unwrap();
    assert!(broker.received().is_empty());
    std::fs::write(&password, "right\n").unwrap();
    let repaired = tokio::time::timeout(Duration::from_secs(90), async {
        outbox.delivered().wait_for(|delivered| *delivered == 1).await.map(drop)
    });
    repaired.await.expect("the repaired password is used").unwrap();
    stop.cancel();
    task.await.unwrap();
}

/// The broker accepts the connection and then reads nothing: the sockets fill, and writing itself stands still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_reading_large_messages_is_left() {
    for version in [Version::V311, Version::V5] {
        let behaviour = Behaviour { record: true, deaf: true, connections: Some(2), ..Behaviour::default() };
        let broker = Broker::start_with(([127, 0, 0, 1], 0).into(), behaviour).await.unwrap();
        let (telemetry, stop) = (Arc::new(Telemetry::default()), CancellationToken::new());
        let (outbox, task) = mqtt::start_quietly(&settings(&broker, version), Arc::clone(&telemetry), stop.clone());
        let body = Bytes::from(vec![b'x'; 900_000]);
        for _ in 0..8 {
            let publication = Publication { topic: "t".into(), payload: body.clone(), retain: false };
            outbox.push(publication).await.unwrap();
        }
        let mut delivered = outbox.delivered();
        let all = tokio::time::timeout(Duration::from_secs(30), delivered.wait_for(|delivered| *delivered == 8)).await;
        assert!(all.is_ok(), "{version:?}: stuck after {} messages", broker.received().len());
        assert!(telemetry.get(Counter::MqttDisconnects) >= 2, "{version:?}: it was not deaf");
        stop.cancel();
        task.await.unwrap();
    }
}

/// A client of mosquitto; `None` where it is not installed and `MOSQUITTO_REQUIRED` is not set.
fn mosquitto(name: &str, broker: &Broker, arguments: &[&str]) -> Option<std::process::Command> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    assert!(found.is_some() || std::env::var_os("MOSQUITTO_REQUIRED").is_none(), "{name} is not installed");
    let Some(found) = found else {
        println!("{name} is not installed: nothing tested");
        return None;
    };
    let mut command = std::process::Command::new(found);
    command.args(["-h", "127.0.0.1", "-p", &broker.address().port().to_string()]).args(arguments);
    Some(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_of_mosquitto_hear_what_the_door_publishes() {
    for (edition, version) in [("mqttv311", Version::V311), ("mqttv5", Version::V5)] {
        let broker = Broker::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let publish = ["-V", edition, "-q", "1", "-r", "-t", "站/first", "-m", "retained"];
        let Some(mut publish) = mosquitto("mosquitto_pub", &broker, &publish) else { return };
        let told = tokio::task::spawn_blocking(move || publish.status());
        assert!(told.await.unwrap().unwrap().success(), "{edition}");
        let listen = ["-V", edition, "-q", "1", "-v", "-t", "#", "-C", "1001", "-W", "30"];
        let Some(mut listen) = mosquitto("mosquitto_sub", &broker, &listen) else { return };
        let heard = tokio::task::spawn_blocking(move || listen.output());
        while broker.subscribers() == 0 {
            assert!(!heard.is_finished(), "{edition}: mosquitto_sub does not stay");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stop = CancellationToken::new();
        let (outbox, task) =
            mqtt::start_quietly(&settings(&broker, version), Arc::new(Telemetry::default()), stop.clone());
        for number in 1..=1000 {
            outbox.push(publication(number)).await.unwrap();
        }
        let heard = heard.await.unwrap().unwrap();
        let mut wanted = "站/first retained\n".to_owned();
        wanted.extend((1..=1000).map(|number| format!("t/{number:04} {number:08}\n")));
        let (said, complaint) = (String::from_utf8_lossy(&heard.stdout), String::from_utf8_lossy(&heard.stderr));
        assert!(said == wanted, "{edition}: {} lines, {complaint}", said.lines().count());
        stop.cancel();
        task.await.unwrap();
    }
}

/// Messages of two stations by turns, `count` in all; the broker cuts the connection at topics with `cut` in them. Gives what was set aside
/// and how long it took until all that is permitted had arrived.
async fn cut_at(
    cut: &str,
    how: Cut,
    version: Version,
    window: u16,
    count: usize,
) -> (Vec<String>, Duration, Vec<State>) {
    let behaviour = Behaviour { record: true, cut_topic: Some((cut.to_owned(), how)), ..Behaviour::default() };
    let broker = Broker::start_with(([127, 0, 0, 1], 0).into(), behaviour).await.unwrap();
    let settings = Settings { window, prefix: "p".into(), ..settings(&broker, version) };
    let (telemetry, stop) = (Arc::new(Telemetry::default()), CancellationToken::new());
    let (letters_to, mut letters) = tokio::sync::mpsc::unbounded_channel::<mqtt::Letter>();
    let word = |text: &'static str| Publication {
        topic: "p/gateway/g/status".into(),
        payload: Bytes::from_static(text.as_bytes()),
        retain: true,
    };
    let (outbox, task) = mqtt::start_with_letters(
        &settings,
        word("online"),
        word("offline"),
        Arc::clone(&telemetry),
        stop.clone(),
        letters_to,
    );
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keeping = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Some(letter) = letters.recv().await {
            keeping.lock().unwrap().push(letter.publication.topic.clone());
            letter.kept(true);
        }
    });
    let begun = std::time::Instant::now();
    let topic = |number: usize| format!("p/{}/data/{number:04}", if number.is_multiple_of(2) { "good" } else { "bad" });
    let pushing = {
        let outbox = outbox.clone();
        tokio::spawn(async move {
            for number in 0..count {
                let publication =
                    Publication { topic: topic(number), payload: Bytes::from_static(b"x"), retain: false };
                outbox.push(publication).await.unwrap();
            }
            // Life goes on: only what is taken later proves that it was no fault of the broker's.
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let later = Publication { topic: "p/good/later".into(), payload: Bytes::new(), retain: false };
                if outbox.push(later).await.is_err() {
                    return;
                }
            }
        })
    };
    let permitted: HashSet<String> = (0..count).map(topic).filter(|topic| !topic.contains(cut)).collect();
    let what = || format!("{cut}, {how:?}, {version:?}, window {window}");
    let mut states = Vec::new();
    let (mut arrived, end) = (None, std::time::Instant::now() + Duration::from_secs(60));
    loop {
        let state = outbox.state().borrow().clone();
        if states.last() != Some(&state) {
            states.push(state);
        }
        let received: HashSet<String> = broker.received().iter().map(|message| message.topic.clone()).collect();
        if arrived.is_none() && permitted.is_subset(&received) {
            arrived = Some(begun.elapsed());
        }
        // While others pass, all that is refused is set aside in the end, and the cursor goes on.
        let done = permitted.is_empty() && begun.elapsed() > Duration::from_secs(3);
        if arrived.is_some() && (done || *outbox.delivered().borrow() >= count as u64) {
            break;
        }
        assert!(
            std::time::Instant::now() < end,
            "{}: {} of {count} delivered, {} of {} permitted arrived, {:?}",
            what(),
            *outbox.delivered().borrow(),
            permitted.intersection(&received).count(),
            permitted.len(),
            states.last()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pushing.abort();
    stop.cancel();
    task.await.unwrap();
    let kept = kept.lock().unwrap().clone();
    assert!(kept.iter().all(|topic| topic.contains(cut)), "{}: permitted messages were set aside: {kept:?}", what());
    (kept, arrived.unwrap(), states)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_cuts_at_some_messages_gets_all_others_within_seconds() {
    let mut tasks = tokio::task::JoinSet::new();
    let places = Arc::new(tokio::sync::Semaphore::new(8));
    for how in [Cut::Close, Cut::Reset, Cut::RefuseAndClose, Cut::RefuseAndReset] {
        for version in [Version::V311, Version::V5] {
            for window in [1, 2, 8, 32] {
                // One message, at the beginning, in the middle, at the end; all of a station; the gateway's own status.
                for cut in ["data/0001", "data/0015", "data/0039", "p/bad/", "/status"] {
                    let permit = Arc::clone(&places).acquire_owned().await.unwrap();
                    tasks.spawn(async move {
                        let (kept, took, _) = cut_at(cut, how, version, window, 40).await;
                        drop(permit);
                        (format!("{cut}, {how:?}, {version:?}, window {window}"), cut, kept.len(), took)
                    });
                }
            }
        }
    }
    let mut slowest = Duration::ZERO;
    while let Some(done) = tasks.join_next().await {
        let (what, cut, kept, took) = done.unwrap();
        let wanted = match cut {
            "p/bad/" => 20,
            "/status" => 0,
            _ => 1,
        };
        assert_eq!(kept, wanted, "{what}");
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
        slowest = slowest.max(took);
    }
    println!("the slowest of all that is permitted arrived after {slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_cuts_at_everything_counts_as_away_and_nothing_is_set_aside() {
    for how in [Cut::Close, Cut::Reset, Cut::RefuseAndClose] {
        let (kept, _, states) = cut_at("p/", how, Version::V5, 8, 40).await;
        assert!(kept.is_empty(), "{how:?}: {kept:?}");
        let names_it = |state: &State| matches!(state, State::Connecting { last_error: Some(why) } if !why.is_empty());
        assert!(states.iter().any(names_it), "{how:?}: {states:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_some_messages_are_cut_at_the_state_names_them() {
    let (_, _, states) = cut_at("p/bad/", Cut::RefuseAndClose, Version::V5, 8, 40).await;
    let names_it = |state: &State| match state {
        State::Hampered { why } => why.contains("p/bad/data") && why.contains("NotAuthorized"),
        State::Connecting { .. } | State::Connected | State::Refusing { .. } => false,
    };
    assert!(states.iter().any(names_it), "{states:?}");
}
