//! The relay between a test and a client that is the test's, too.

use super::*;
use crate::State;

struct RelayStage {
    pushed: mpsc::Receiver<(Publication, u64)>,
    taken: watch::Sender<u64>,
    confirm: watch::Sender<u64>,
    outer: Outbox,
    telemetry: Arc<Telemetry>,
    _state: watch::Sender<State>,
}

fn stage(settings: Delivery) -> RelayStage {
    let (pushes, pushed) = mpsc::channel(64);
    let (taken, delivered) = watch::channel(0);
    let (state_to, state) = watch::channel(State::Connected);
    let (confirm, confirmations) = watch::channel(0);
    let telemetry = Arc::new(Telemetry::default());
    let outbox = Outbox { pushes, pushed: Arc::new(Mutex::new(0)), delivered, state };
    let (offered, journal) = ("o".to_owned(), "j".to_owned());
    let outer = Relay { outbox, settings, offered, journal, confirmations, telemetry: Arc::clone(&telemetry) }.start();
    RelayStage { pushed, taken, confirm, outer, telemetry, _state: state_to }
}

impl RelayStage {
    async fn push(&self, topic: &str, origin: u64) {
        let publication = Publication { topic: topic.to_owned(), payload: Bytes::from_static(b"{}"), retain: false };
        self.outer.push_of(publication, origin).await.unwrap();
    }

    /// The next message at the connection to the broker.
    async fn next(&mut self) -> String {
        let (publication, _) = self.pushed.recv().await.unwrap();
        if publication.topic == "o" {
            let body: serde_json::Value = serde_json::from_slice(&publication.payload).unwrap();
            return format!("offered {}", body["offset"]);
        }
        publication.topic
    }
}

/// Long enough for what is at hand to be heard.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

fn settings() -> Delivery {
    Delivery { confirm: Confirm::Consumer, consumer: "c".into(), ..Delivery::default() }
}

#[tokio::test]
async fn only_what_the_broker_has_and_the_consumer_confirms_afterwards_is_delivered() {
    let mut stage = stage(settings());
    let mut delivered = stage.outer.delivered();
    stage.push("a", 7).await;
    stage.push("b", 7).await;
    stage.push("c", 8).await;
    assert_eq!([stage.next().await, stage.next().await, stage.next().await], ["a", "b", "c"]);
    // Confirmed before the broker has it: worth nothing.
    stage.confirm.send_replace(9);
    a_moment().await;
    stage.taken.send_replace(2);
    assert_eq!(stage.next().await, "offered 6", "of record 7 more may come");
    assert_eq!(*delivered.borrow_and_update(), 0);
    stage.confirm.send_replace(6);
    a_moment().await;
    assert_eq!(*delivered.borrow_and_update(), 0);
    stage.taken.send_replace(4);
    assert_eq!(stage.next().await, "offered 8");
    stage.confirm.send_replace(8);
    delivered.wait_for(|seq| *seq == 3).await.unwrap();
    assert_eq!(stage.telemetry.get(Counter::MqttUnconfirmed), 0);
}

#[tokio::test]
async fn what_is_not_confirmed_is_published_again_in_its_order() {
    let mut stage = stage(Delivery { again_after: Duration::from_secs(2), ..settings() });
    for (topic, origin) in [("a", 1), ("b", 2)] {
        stage.push(topic, origin).await;
        stage.next().await;
    }
    stage.taken.send_replace(2);
    assert_eq!(stage.next().await, "offered 2");
    let begun = Instant::now();
    assert_eq!([stage.next().await, stage.next().await, stage.next().await], ["a", "b", "offered 2"]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(stage.telemetry.get(Counter::MqttUnconfirmed), 2);
    stage.taken.send_replace(6);
    a_moment().await;
    stage.confirm.send_replace(2);
    stage.outer.delivered().wait_for(|seq| *seq == 2).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(stage.pushed.try_recv().is_err(), "nothing more");
}

#[tokio::test]
async fn no_more_is_taken_than_may_wait() {
    let mut stage = stage(Delivery { in_flight_max: 3, ..settings() });
    let outer = stage.outer.clone();
    let pushing = tokio::spawn(async move {
        for origin in 1..=500u64 {
            let publication = Publication { topic: origin.to_string(), payload: Bytes::new(), retain: false };
            outer.push_of(publication, origin).await.unwrap();
        }
    });
    a_moment().await;
    let mut at_door = 0;
    while stage.pushed.try_recv().is_ok() {
        at_door += 1;
    }
    assert_eq!(at_door, 3);
    pushing.abort();
}

#[test]
fn a_confirmation_names_an_offset_of_this_journal() {
    for (body, offset) in [
        (&br#"{"offset":7}"#[..], Some(7)),
        (br#"{"schema":"hj212.offered/1","offset":7,"journal":"a"}"#, Some(7)),
        (br#"{"offset":7,"journal":"b"}"#, None),
        (br#"{"offset":-1}"#, None),
        (b"7", None),
        (b"", None),
    ] {
        assert_eq!(confirmed(body, "a"), offset);
    }
}
