//! Messages from the broker, on a connection of their own: requests for commands and marks entered by hand.
//!
//! What must stay true: a message is acknowledged only when whoever took it says so ([`Incoming::taken`]), so that a request that was
//! not made durable comes again; trouble here never touches the outbox, and the other way round.
//!
//! * **one message never stops the others**: of one that is longer than [`PACKET_MAX`] only the beginning is taken ([`super::shorten`]),
//!   which is enough to refuse it; it is acknowledged, so the broker does not send it again.
//!
//! # Design
//!
//! The session outlives the connection (MQTT 5: clean start off and an expiry; 3.1.1: clean session off), so that what is asked while the
//! gateway is away waits at the broker. A message that was taken and whose acknowledgement was lost comes again; its taker knows its
//! id. At most [`INCOMING_MAX`] wait here; a broker that sends more is not read. Every connection has a new client and a new event
//! loop, as in the outbox. The identifier is the gateway's with `-in` behind it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as v4};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::brokers::Brokers;
use super::connect::{Backoff, Complaints, Credentials, Failure, Kind, credentials};
use super::link::{before_accepted, failure4, failure5, options4, options5};
use super::tls::Tunnel;
use super::{Settings, Version, tls};
use hj212_model::telemetry::Telemetry;

/// Messages taken from the broker and not yet acknowledged, at most.
pub const INCOMING_MAX: u16 = 32;
/// A message longer than this comes cut. Far longer than the longest topic and the longest request together.
const PACKET_MAX: u32 = 128 << 10;
/// How long the DISCONNECT may take.
const LEAVE_MAX: Duration = Duration::from_millis(500);

/// A message.
#[derive(Debug)]
pub struct Incoming {
    /// Its topic.
    pub topic: String,
    /// Its body.
    pub payload: Bytes,
    /// Whether it was kept by the broker from before we subscribed; with [`Subscription::as_published`], whether it was published to be kept.
    pub retained: bool,
    /// How long it may still wait, if whoever published it said so (message expiry; MQTT 5 alone).
    pub left: Option<Duration>,
    receipt: Receipt,
}

impl Incoming {
    /// It is durable here: the broker need not send it again.
    pub fn taken(self) {
        let _ = match &self.receipt {
            // A connection that is gone takes no acknowledgement; the message comes again.
            Receipt::V4(client, publish) => client.try_ack(publish).is_ok(),
            Receipt::V5(client, publish) => client.try_ack(publish).is_ok(),
        };
    }
}

enum Receipt {
    V4(v4::AsyncClient, Box<v4::Publish>),
    V5(v5::AsyncClient, Box<five::Publish>),
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receipt")
    }
}

/// Where messages come out.
#[derive(Debug)]
pub struct Inbox {
    incoming: mpsc::Receiver<Incoming>,
    subscribed: watch::Receiver<bool>,
}

impl Inbox {
    /// The next message; `None` when the connection has ended. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// Whether the broker has granted the subscription.
    #[must_use]
    pub fn subscribed(&self) -> watch::Receiver<bool> {
        self.subscribed.clone()
    }
}

/// What is wanted of the broker.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Filters, each for QoS 1.
    pub filters: Vec<String>,
    /// What is put behind the client identifier of the settings.
    pub suffix: String,
    /// How long the broker keeps what comes while we are away; zero: not at all.
    pub session: Duration,
    /// Whether what is published to be kept is known for that when it comes at once, too. MQTT 3.1.1 cannot tell.
    pub as_published: bool,
    /// A filter that takes in more than is wanted, if the broker grants it.
    pub broad: Option<Broad>,
}

/// A filter under which messages of our own come, too.
#[derive(Debug, Clone)]
pub struct Broad {
    /// The filter, for QoS 1.
    pub filter: String,
    /// How the topics of those end: they are acknowledged and passed over.
    pub own: &'static [&'static str],
    /// The filters that are wanted in its place if the broker does not grant it.
    pub instead: Vec<String>,
}

/// What is said of a subscription that is not granted.
const NOT_GRANTED: &str = "the broker grants no subscription to requests: see its access list";

/// Subscribes; the task ends after `stop`.
#[must_use = "it runs until it is stopped; the task tells when it has ended"]
pub fn subscribe(settings: &Settings, wish: Subscription, stop: CancellationToken) -> (Inbox, JoinHandle<()>) {
    let (sender, incoming) = mpsc::channel(usize::from(INCOMING_MAX));
    let (state, subscribed) = watch::channel(false);
    let mut settings = settings.clone();
    settings.client_id.push_str(&wish.suffix);
    let task = tokio::spawn(run(settings, wish, sender, state, stop));
    (Inbox { incoming, subscribed }, task)
}

async fn run(
    mut settings: Settings,
    wish: Subscription,
    sender: mpsc::Sender<Incoming>,
    state: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let mut brokers = Brokers::new(&settings);
    let mut backoff = Backoff::new(settings.retry_min, settings.retry_max);
    let mut complaints = Complaints::default();
    let mut wish = wish;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let failure = match credentials(&settings).await {
            Err(failure) => failure,
            Ok(credentials) => {
                let line = SubscriptionLoop {
                    wish: wish.clone(),
                    sender: sender.clone(),
                    state: state.clone(),
                    stop: stop.clone(),
                };
                let talk = AbortOnDropHandle::new(tokio::spawn(line.talk(settings.clone(), credentials)));
                // The client must not take the gateway along, whatever a broker sends it.
                talk.await.unwrap_or_else(|_| Failure::new(Kind::Lost, "the MQTT client failed inside"))
            }
        };
        state.send_replace(false);
        if stop.is_cancelled() || sender.is_closed() {
            return;
        }
        if failure.text == NOT_GRANTED
            && let Some(broad) = wish.broad.take()
        {
            warn!(
                filter = broad.filter,
                "the broker does not grant a subscription: what comes under it and under none of the others has no answer"
            );
            wish.filters.extend(broad.instead);
            continue;
        }
        if complaints.due(&failure.text, Instant::now()) {
            warn!(broker = %format_args!("{}:{}", settings.host, settings.port), "no requests can come in: {}", failure.text);
        }
        let pause = if brokers.advance(&mut settings) {
            settings.retry_min
        } else {
            backoff.pause(failure.kind, began.elapsed(), false)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One connection.
struct SubscriptionLoop {
    wish: Subscription,
    sender: mpsc::Sender<Incoming>,
    state: watch::Sender<bool>,
    stop: CancellationToken,
}

/// How a connection goes on.
enum Continuation {
    Goes,
    Ends(Failure),
}

impl SubscriptionLoop {
    async fn talk(self, settings: Settings, credentials: Option<Credentials>) -> Failure {
        // Expiries are the outbox's to tell; both use the same files.
        let limit = u64::from(PACKET_MAX);
        let tunnel = match tls::open_shortening(&settings, &Telemetry::default(), limit).await {
            Ok(tunnel) => tunnel,
            Err(failure) => return failure,
        };
        let failure = match settings.version {
            Version::V311 => self.talk4(&settings, credentials, Some(&tunnel)).await,
            Version::V5 => self.talk5(&settings, credentials, Some(&tunnel)).await,
        };
        tunnel.told(failure)
    }

    async fn talk4(self, settings: &Settings, credentials: Option<Credentials>, tunnel: Option<&Tunnel>) -> Failure {
        let mut options = options4(settings, credentials, None, tunnel);
        options.set_clean_session(self.wish.session.is_zero());
        // Twice what comes: nothing that the tunnel lets through is too long for the client.
        options.set_max_packet_size(PACKET_MAX as usize * 2, PACKET_MAX as usize * 2);
        options.set_manual_acks(true);
        let (client, mut eventloop) = v4::AsyncClient::new(options, usize::from(INCOMING_MAX) * 2 + 4);
        let leaving = client.clone();
        let farewell = self.leave_on_stop(move || leaving.try_disconnect().is_ok());
        let mut accepted = false;
        let failure = loop {
            let then = match eventloop.poll().await {
                Err(error) if accepted => Continuation::Ends(failure4(&error)),
                Err(error) => Continuation::Ends(before_accepted(failure4(&error))),
                Ok(v4::Event::Incoming(v4::Packet::ConnAck(_))) => {
                    accepted = true;
                    let broad = self.wish.broad.as_ref().map(|broad| &broad.filter);
                    let wanted = self.wish.filters.iter().chain(broad);
                    let filters = wanted.map(|f| v4::SubscribeFilter::new(f.clone(), v4::QoS::AtLeastOnce));
                    asked(client.try_subscribe_many(filters).is_ok())
                }
                Ok(v4::Event::Incoming(v4::Packet::SubAck(ack))) => {
                    self.granted(ack.return_codes.iter().all(|c| matches!(c, v4::SubscribeReasonCode::Success(_))))
                }
                Ok(v4::Event::Incoming(v4::Packet::Publish(publish))) => {
                    let (topic, payload, retained) = (publish.topic.clone(), publish.payload.clone(), publish.retain);
                    let left = None;
                    let receipt = Receipt::V4(client.clone(), Box::new(publish));
                    self.hand_on(Incoming { topic, payload, retained, left, receipt }).await
                }
                Ok(_) => Continuation::Goes,
            };
            if let Continuation::Ends(failure) = then {
                break failure;
            }
        };
        farewell.abort();
        failure
    }

    async fn talk5(self, settings: &Settings, credentials: Option<Credentials>, tunnel: Option<&Tunnel>) -> Failure {
        let mut options = options5(settings, credentials, None, tunnel);
        let expiry = u32::try_from(self.wish.session.as_secs()).unwrap_or(u32::MAX);
        options.set_clean_start(expiry == 0);
        // What the broker is told: it lets longer ones fall by itself, and those that do not come cut.
        options.set_max_packet_size(Some(PACKET_MAX * 2));
        options.set_session_expiry_interval(Some(expiry));
        options.set_receive_maximum(Some(INCOMING_MAX));
        options.set_manual_acks(true);
        let (client, mut eventloop) = v5::AsyncClient::new(options, usize::from(INCOMING_MAX) * 2 + 4);
        let leaving = client.clone();
        let farewell = self.leave_on_stop(move || leaving.try_disconnect().is_ok());
        let mut accepted = false;
        let failure = loop {
            let then = match eventloop.poll().await {
                Err(error) if accepted => Continuation::Ends(failure5(&error)),
                Err(error) => Continuation::Ends(before_accepted(failure5(&error))),
                Ok(v5::Event::Incoming(v5::Incoming::ConnAck(_))) => {
                    accepted = true;
                    let qos = v5::mqttbytes::QoS::AtLeastOnce;
                    let filters = self.wish.filters.iter().map(|f| five::Filter {
                        preserve_retain: self.wish.as_published,
                        ..five::Filter::new(f.clone(), qos)
                    });
                    // What was kept of our own is not wanted again at each connection.
                    let broad = self.wish.broad.iter().map(|broad| five::Filter {
                        preserve_retain: self.wish.as_published,
                        retain_forward_rule: five::RetainForwardRule::OnNewSubscribe,
                        ..five::Filter::new(broad.filter.clone(), qos)
                    });
                    let filters = filters.chain(broad);
                    asked(client.try_subscribe_many(filters).is_ok())
                }
                Ok(v5::Event::Incoming(v5::Incoming::SubAck(ack))) => {
                    self.granted(ack.return_codes.iter().all(|c| matches!(c, five::SubscribeReasonCode::Success(_))))
                }
                Ok(v5::Event::Incoming(v5::Incoming::Publish(publish))) => {
                    let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                    let (payload, retained) = (publish.payload.clone(), publish.retain);
                    let expiry = publish.properties.as_ref().and_then(|p| p.message_expiry_interval);
                    let left = expiry.map(|seconds| Duration::from_secs(seconds.into()));
                    let receipt = Receipt::V5(client.clone(), Box::new(publish));
                    self.hand_on(Incoming { topic, payload, retained, left, receipt }).await
                }
                Ok(_) => Continuation::Goes,
            };
            if let Continuation::Ends(failure) = then {
                break failure;
            }
        };
        farewell.abort();
        failure
    }

    /// Says DISCONNECT when told to stop, and ends what does not end by itself then.
    fn leave_on_stop(&self, leave: impl Fn() -> bool + Send + 'static) -> tokio::task::AbortHandle {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            stop.cancelled().await;
            let _ = leave();
        })
        .abort_handle()
    }

    fn granted(&self, all: bool) -> Continuation {
        if !all {
            return Continuation::Ends(Failure::new(Kind::Refused, NOT_GRANTED));
        }
        self.state.send_replace(true);
        info!(filters = ?self.wish.filters, "requests are taken from the MQTT broker");
        Continuation::Goes
    }

    /// Waits while too many are not yet looked at: the broker is not read meanwhile.
    async fn hand_on(&self, incoming: Incoming) -> Continuation {
        let own =
            self.wish.broad.as_ref().is_some_and(|broad| broad.own.iter().any(|end| incoming.topic.ends_with(end)));
        if own {
            incoming.taken();
            return Continuation::Goes;
        }
        tokio::select! {
            sent = self.sender.send(incoming) => match sent {
                Ok(()) => Continuation::Goes,
                Err(_) => Continuation::Ends(Failure::new(Kind::Lost, "nobody takes requests")),
            },
            () = self.stop.cancelled() => Continuation::Ends(Failure::new(Kind::Lost, "stopped")),
        }
    }
}

fn asked(handed_over: bool) -> Continuation {
    if handed_over {
        Continuation::Goes
    } else {
        Continuation::Ends(Failure::new(Kind::Lost, "the MQTT client takes no subscription"))
    }
}

/// Ends `task` within [`LEAVE_MAX`], in order if that is possible.
pub async fn left(task: JoinHandle<()>) {
    let abort = task.abort_handle();
    if tokio::time::timeout(LEAVE_MAX, task).await.is_err() {
        abort.abort();
    }
}
