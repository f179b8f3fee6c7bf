//! One connection to the broker, MQTT 3.1.1 or 5, behind one face: [`Link`] hands over, [`EventPump`] polls and reports [`Signal`]s.
//!
//! What must stay true: a link is used for one connection only and ends with its first error, because the client keeps state
//! over a reconnect that can never be cleared again (a stashed packet id collision) or that it drops (everything under way, if
//! the broker forgot the session). Nothing but the line polls, and its polls are never raced against anything else.
//!
//! Signals travel in batches: packet ids of sends wait until there is news from the broker, so that a message costs no wake-up
//! of its own.

use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{self as v4, ConnectReturnCode as Code4, Outgoing};
use tokio::sync::mpsc::UnboundedSender;

use super::connect::{Credentials, Failure, Kind};
use super::tls::Tunnel;
use super::window::BrokerReply;
use super::{Settings, Version};
use hj212_model::message::Publication;

/// Bytes of a PUBLISH packet besides topic and payload, at most: header, lengths, packet id, no properties.
pub const OVERHEAD: u64 = 16;
/// The largest "remaining length" of MQTT (3.1.1, 2.2.3).
const PACKET_LIMIT: u64 = 268_435_455;

/// News of a connection.
#[derive(Debug)]
pub(super) enum Signal {
    /// The broker accepted us.
    Connected {
        /// Publications it takes without having answered, 1..=65535.
        receive_max: u16,
        /// The largest packet it takes, bytes.
        packet_max: u64,
    },
    /// The next publication handed over was written with this packet id.
    Sent(u16),
    /// The broker answered this packet id.
    Answered(u16, BrokerReply),
    /// The broker's reason for refusing a publication.
    Reason(String),
    /// The connection is over; the last signal.
    Ended(Failure),
}

/// The feeding end of a connection. Dropping it does not end the connection, dropping the task of its [`EventPump`] does.
#[derive(Debug)]
pub(super) enum Link {
    V4(v4::AsyncClient),
    V5(v5::AsyncClient),
}

/// The polling end of a connection.
pub(super) enum EventPump {
    V4(Box<v4::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// Why a publication cannot be sent at all.
pub(super) fn unsendable(publication: &Publication, packet_max: u64) -> Option<String> {
    let topic = &publication.topic;
    if topic.is_empty() || topic.len() > 65_535 || topic.contains(['+', '#', '\0']) {
        return Some(format!("\"{}\" is no MQTT topic", topic.escape_debug().take(200).collect::<String>()));
    }
    let size = topic.len() as u64 + publication.payload.len() as u64 + OVERHEAD;
    let limit = packet_max.min(PACKET_LIMIT);
    (size > limit)
        .then(|| format!("a message for {topic} has {size} bytes, packet_max here or at the broker is {limit}"))
}

/// Prepares a connection; it is made by the first poll of the line.
pub(super) fn prepare(
    settings: &Settings,
    credentials: Option<Credentials>,
    will: Option<&Publication>,
    tunnel: Option<&Tunnel>,
) -> (Link, EventPump) {
    // One place more than the window, for the DISCONNECT.
    let capacity = usize::from(settings.window.max(1)) + 1;
    match settings.version {
        Version::V311 => {
            let (client, mut eventloop) = v4::AsyncClient::new(options4(settings, credentials, will, tunnel), capacity);
            let mut network = v4::NetworkOptions::new();
            network.set_tcp_nodelay(true);
            eventloop.set_network_options(network);
            (Link::V4(client), EventPump::V4(Box::new(eventloop)))
        }
        Version::V5 => {
            let (client, eventloop) = v5::AsyncClient::new(options5(settings, credentials, will, tunnel), capacity);
            (Link::V5(client), EventPump::V5(Box::new(eventloop)))
        }
    }
}

pub(super) fn options4(
    settings: &Settings,
    credentials: Option<Credentials>,
    will: Option<&Publication>,
    tunnel: Option<&Tunnel>,
) -> v4::MqttOptions {
    let (host, port) = place(settings, tunnel);
    let mut options = v4::MqttOptions::new(&settings.client_id, host, port);
    if tunnel.is_some() {
        options.set_transport(v4::Transport::Unix);
    }
    options.set_keep_alive(settings.keep_alive_sent());
    options.set_clean_session(true);
    options.set_inflight(settings.window.max(1));
    let incoming = usize::try_from(settings.packet_max).unwrap_or(usize::MAX);
    options.set_max_packet_size(incoming, usize::try_from(PACKET_LIMIT).unwrap_or(usize::MAX));
    if let Some(Credentials { username, password }) = credentials {
        options.set_credentials(username, password);
    }
    if let Some(will) = will {
        options.set_last_will(v4::LastWill::new(&will.topic, will.payload.to_vec(), v4::QoS::AtLeastOnce, will.retain));
    }
    options
}

pub(super) fn options5(
    settings: &Settings,
    credentials: Option<Credentials>,
    will: Option<&Publication>,
    tunnel: Option<&Tunnel>,
) -> v5::MqttOptions {
    let (host, port) = place(settings, tunnel);
    let mut options = v5::MqttOptions::new(&settings.client_id, host, port);
    if tunnel.is_some() {
        options.set_transport(v4::Transport::Unix);
    }
    options.set_keep_alive(settings.keep_alive_sent());
    options.set_clean_start(true);
    options.set_outgoing_inflight_upper_limit(settings.window.max(1));
    options.set_max_packet_size(Some(u32::try_from(settings.packet_max).unwrap_or(u32::MAX).max(1024)));
    let mut network = v4::NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    if let Some(Credentials { username, password }) = credentials {
        options.set_credentials(username, password);
    }
    if let Some(will) = will {
        let (topic, body) = (will.topic.clone(), will.payload.to_vec());
        let qos = v5::mqttbytes::QoS::AtLeastOnce;
        options.set_last_will(five::LastWill::new(topic, body, qos, will.retain, None));
    }
    options
}

/// Where the client connects to.
fn place(settings: &Settings, tunnel: Option<&Tunnel>) -> (String, u16) {
    match tunnel {
        Some(tunnel) => (tunnel.path().display().to_string(), settings.port),
        None => (settings.address(), settings.port),
    }
}

/// The client's queue is gone or full: the connection is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionEnding;

impl Link {
    /// Hands a publication over, QoS 1. Never waits: the window leaves room.
    pub(super) fn publish(&self, publication: &Publication) -> Result<(), ConnectionEnding> {
        let Publication { topic, payload, retain } = publication;
        match self {
            Link::V4(client) => {
                // This client copies what it is given as bytes; a `Vec` is moved.
                client.try_publish(topic, v4::QoS::AtLeastOnce, *retain, payload.to_vec()).map_err(|_| ConnectionEnding)
            }
            Link::V5(client) => client
                .try_publish(topic.as_str(), v5::mqttbytes::QoS::AtLeastOnce, *retain, payload.clone())
                .map_err(|_| ConnectionEnding),
        }
    }

    /// Takes leave: the line ends once the DISCONNECT is written.
    pub(super) fn disconnect(&self) -> Result<(), ConnectionEnding> {
        match self {
            Link::V4(client) => client.try_disconnect().map_err(|_| ConnectionEnding),
            Link::V5(client) => client.try_disconnect().map_err(|_| ConnectionEnding),
        }
    }
}

impl EventPump {
    /// Connects and polls until the connection ends; the last signal is [`Signal::Ended`].
    pub(super) async fn run(self, signals: UnboundedSender<Vec<Signal>>) {
        match self {
            EventPump::V4(eventloop) => run4(*eventloop, &signals).await,
            EventPump::V5(eventloop) => run5(*eventloop, &signals).await,
        }
    }
}

async fn run4(mut eventloop: v4::EventLoop, signals: &UnboundedSender<Vec<Signal>>) {
    let mut batch = Vec::new();
    loop {
        match eventloop.poll().await {
            Ok(event) => hear4(&event, &mut batch),
            Err(error) => {
                // What was read before the error still counts.
                eventloop.state.events.drain(..).for_each(|event| hear4(&event, &mut batch));
                batch.push(Signal::Ended(failure4(&error)));
            }
        }
        if passed_on(&mut batch, eventloop.state.events.is_empty(), signals) {
            return;
        }
    }
}

async fn run5(mut eventloop: v5::EventLoop, signals: &UnboundedSender<Vec<Signal>>) {
    let mut batch = Vec::new();
    loop {
        match eventloop.poll().await {
            Ok(event) => hear5(&event, &mut batch),
            Err(error) => {
                eventloop.state.events.drain(..).for_each(|event| hear5(&event, &mut batch));
                batch.push(Signal::Ended(failure5(&error)));
            }
        }
        if passed_on(&mut batch, eventloop.state.events.is_empty(), signals) {
            return;
        }
    }
}

/// Passes the batch on if it holds more than packet ids. True at the end of the connection.
fn passed_on(batch: &mut Vec<Signal>, quiet: bool, signals: &UnboundedSender<Vec<Signal>>) -> bool {
    let ended = batch.iter().rev().take(1).any(|signal| matches!(signal, Signal::Ended(_)));
    let news = batch.iter().any(|signal| !matches!(signal, Signal::Sent(_)));
    if !(ended || quiet && news) {
        return false;
    }
    signals.send(std::mem::take(batch)).is_err() || ended
}

fn hear4(event: &v4::Event, batch: &mut Vec<Signal>) {
    match event {
        v4::Event::Outgoing(outgoing) => went_out(outgoing, batch),
        v4::Event::Incoming(v4::Packet::PubAck(ack)) => batch.push(Signal::Answered(ack.pkid, BrokerReply::Taken)),
        v4::Event::Incoming(v4::Packet::ConnAck(_)) => {
            batch.push(Signal::Connected { receive_max: u16::MAX, packet_max: PACKET_LIMIT });
        }
        v4::Event::Incoming(_) => {}
    }
}

fn hear5(event: &v5::Event, batch: &mut Vec<Signal>) {
    match event {
        v5::Event::Outgoing(outgoing) => went_out(outgoing, batch),
        v5::Event::Incoming(v5::Incoming::PubAck(ack)) => {
            let taken = matches!(ack.reason, five::PubAckReason::Success | five::PubAckReason::NoMatchingSubscribers);
            if taken {
                batch.push(Signal::Answered(ack.pkid, BrokerReply::Taken));
                return;
            }
            let said = ack.properties.as_ref().and_then(|p| p.reason_string.clone()).unwrap_or_default();
            batch.push(Signal::Reason(format!("{:?} {}", ack.reason, clean(&said)).trim_end().to_owned()));
            batch.push(Signal::Answered(ack.pkid, BrokerReply::Refused));
        }
        v5::Event::Incoming(v5::Incoming::ConnAck(ack)) => batch.push(accepted5(ack.properties.as_ref())),
        v5::Event::Incoming(_) => {}
    }
}

fn accepted5(properties: Option<&five::ConnAckProperties>) -> Signal {
    let qos = properties.and_then(|p| p.max_qos).unwrap_or(2);
    let receive_max = properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX);
    let packet_max = properties.and_then(|p| p.max_packet_size).map_or(PACKET_LIMIT, u64::from);
    if qos == 0 || receive_max == 0 {
        return Signal::Ended(Failure::new(Kind::Refused, "the broker takes no messages with QoS 1: allow it there"));
    }
    Signal::Connected { receive_max, packet_max }
}

fn went_out(outgoing: &Outgoing, batch: &mut Vec<Signal>) {
    if let Outgoing::Publish(id) = outgoing {
        batch.push(Signal::Sent(*id));
    } else if let Outgoing::AwaitAck(id) = outgoing {
        batch.push(Signal::Ended(Failure::new(Kind::Lost, format!("packet id {id} was dealt twice"))));
    } else if matches!(outgoing, Outgoing::Disconnect) {
        batch.push(Signal::Ended(Failure::new(Kind::Lost, "disconnected")));
    }
}

/// A text of the broker, fit for a log.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// What the operating system or the broker says, without the client's layers before it.
fn without_layers(text: &str) -> String {
    let inner = ["IO: ", "I/O: ", "IO error: "].iter().find_map(|layer| text.rsplit_once(layer));
    inner.map_or(text, |(_, inner)| inner).to_owned()
}

pub(super) fn failure4(error: &v4::ConnectionError) -> Failure {
    match error {
        v4::ConnectionError::Io(error) => unreachable_broker(error),
        v4::ConnectionError::NetworkTimeout => Failure::new(Kind::Unreachable, NO_ANSWER),
        v4::ConnectionError::ConnectionRefused(code) => refused4(*code),
        v4::ConnectionError::MqttState(error) => {
            if let v4::StateError::Io(error) | v4::StateError::Deserialization(v4::Error::Io(error)) = error {
                return lost(&error.to_string());
            }
            lost(&without_layers(&error.to_string()))
        }
        v4::ConnectionError::FlushTimeout => lost("the broker reads too slowly"),
        v4::ConnectionError::NotConnAck(_) => Failure::new(Kind::Refused, "what answers there is no MQTT broker"),
        v4::ConnectionError::RequestsDone => lost("disconnected"),
    }
}

fn refused4(code: Code4) -> Failure {
    match code {
        Code4::BadUserNamePassword => Failure::new(Kind::Credentials, BAD_CREDENTIALS),
        Code4::NotAuthorized => Failure::new(Kind::Credentials, NOT_ALLOWED),
        Code4::BadClientId => Failure::new(Kind::Refused, BAD_CLIENT),
        Code4::RefusedProtocolVersion => {
            Failure::new(Kind::Refused, "the broker does not speak MQTT 3.1.1: set version = \"5\"")
        }
        Code4::ServiceUnavailable | Code4::Success => Failure::new(Kind::Refused, "the broker is not available"),
    }
}

pub(super) fn failure5(error: &v5::ConnectionError) -> Failure {
    match error {
        v5::ConnectionError::Io(error) => unreachable_broker(error),
        v5::ConnectionError::Timeout(_) => Failure::new(Kind::Unreachable, NO_ANSWER),
        v5::ConnectionError::ConnectionRefused(code) => refused5(*code),
        v5::ConnectionError::MqttState(error) => {
            if let v5::StateError::ServerDisconnect { reason_code, reason_string } = error {
                return dismissed(*reason_code, reason_string.as_deref());
            }
            lost(&without_layers(&error.to_string()))
        }
        v5::ConnectionError::NotConnAck(_) => Failure::new(Kind::Refused, "what answers there is no MQTT broker"),
        v5::ConnectionError::RequestsDone => lost("disconnected"),
    }
}

fn refused5(code: five::ConnectReturnCode) -> Failure {
    use five::ConnectReturnCode as Code;
    if matches!(code, Code::BadUserNamePassword | Code::BadAuthenticationMethod) {
        return Failure::new(Kind::Credentials, BAD_CREDENTIALS);
    }
    if matches!(code, Code::NotAuthorized | Code::Banned) {
        return Failure::new(Kind::Credentials, NOT_ALLOWED);
    }
    if matches!(code, Code::BadClientId | Code::ClientIdentifierNotValid) {
        return Failure::new(Kind::Refused, BAD_CLIENT);
    }
    if matches!(code, Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion) {
        return Failure::new(Kind::Refused, "the broker does not speak MQTT 5: set version = \"3.1.1\"");
    }
    Failure::new(Kind::Refused, format!("the broker refused the connection: {code:?}"))
}

fn dismissed(code: five::DisconnectReasonCode, said: Option<&str>) -> Failure {
    use five::DisconnectReasonCode as Code;
    if code == Code::SessionTakenOver {
        return Failure {
            kind: Kind::Dismissed,
            ..lost("another client uses the same client_id: give each gateway its own")
        };
    }
    let of_no_message = matches!(
        code,
        Code::ServerShuttingDown
            | Code::ServerBusy
            | Code::KeepAliveTimeout
            | Code::AdministrativeAction
            | Code::ConnectionRateExceeded
            | Code::MaximumConnectTime
            | Code::MessageRateTooHigh
            | Code::ServerMoved
            | Code::UseAnotherServer
    );
    let kind = if of_no_message { Kind::Dismissed } else { Kind::Lost };
    let failure = lost(format!("the broker said {code:?} {}", clean(said.unwrap_or_default())).trim_end());
    Failure { kind, ..failure }
}

fn unreachable_broker(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Unreachable, format!("the broker cannot be reached: {error}"))
}

/// The same for a connection that ended before the broker had accepted it: what then breaks off is no message's fault.
pub(super) fn before_accepted(failure: Failure) -> Failure {
    if failure.kind == Kind::Lost { Failure::new(Kind::Lost, CLOSED_UNANSWERED) } else { failure }
}

fn lost(why: &str) -> Failure {
    Failure::new(Kind::Lost, format!("the connection to the broker was lost: {}", clean(why)))
}

const NO_ANSWER: &str = "the broker cannot be reached: no answer in time";
/// Of brokers that close where others refuse: RabbitMQ before 3.13, aedes, NATS, TLS listeners.
const CLOSED_UNANSWERED: &str = "the broker closed the connection before it answered: if it speaks only MQTT 3.1.1, set version = \"3.1.1\"; \
     if the port is for TLS, set [mqtt.tls]; else see the broker's log";
const BAD_CREDENTIALS: &str = "bad user name or password: see username and password_file";
const NOT_ALLOWED: &str =
    "the broker does not allow this user: see username, password_file and the broker's access list";
const BAD_CLIENT: &str = "the broker does not accept this client_id";

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(topic: &str, size: usize) -> Publication {
        Publication { topic: topic.to_owned(), payload: Bytes::from(vec![b'x'; size]), retain: false }
    }

    #[test]
    fn a_loss_is_told_without_the_layers_of_the_client() {
        for (said, plain) in [
            (
                "Mqtt serialization/deserialization error: IO: Connection reset by peer (os error 104)",
                "Connection reset by peer (os error 104)",
            ),
            ("Connection closed by peer abruptly", "Connection closed by peer abruptly"),
        ] {
            assert_eq!(without_layers(said), plain);
        }
    }

    #[test]
    fn what_no_broker_takes_is_known_before_it_is_sent() {
        assert_eq!(unsendable(&message("a/b", 100), 1024), None);
        for topic in ["", "a/+", "#", "a\0b"] {
            assert!(unsendable(&message(topic, 1), 1024).unwrap().contains("no MQTT topic"), "{topic}");
        }
        assert!(unsendable(&message("a", 1024), 1024).unwrap().contains("packet_max"));
    }

    #[test]
    fn packet_ids_wait_for_news_and_news_passes_them_on_in_order() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut batch = vec![Signal::Sent(1), Signal::Sent(2)];
        assert!(!passed_on(&mut batch, true, &sender));
        batch.push(Signal::Answered(1, BrokerReply::Taken));
        assert!(!passed_on(&mut batch, false, &sender), "more events are at hand");
        assert!(!passed_on(&mut batch, true, &sender));
        assert_eq!(receiver.try_recv().unwrap().len(), 3);
        batch.push(Signal::Ended(lost("x")));
        assert!(passed_on(&mut batch, false, &sender));
    }

    #[test]
    fn a_refusing_puback_is_a_refusal_and_a_missing_subscriber_is_none() {
        let mut ack = five::PubAck::new(7, None);
        for (reason, taken) in [
            (five::PubAckReason::Success, true),
            (five::PubAckReason::NoMatchingSubscribers, true),
            (five::PubAckReason::NotAuthorized, false),
            (five::PubAckReason::QuotaExceeded, false),
            (five::PubAckReason::UnspecifiedError, false),
        ] {
            ack.reason = reason;
            let mut batch = Vec::new();
            hear5(&v5::Event::Incoming(v5::Incoming::PubAck(ack.clone())), &mut batch);
            let reply = if taken { BrokerReply::Taken } else { BrokerReply::Refused };
            assert!(matches!(batch.last(), Some(Signal::Answered(7, v)) if *v == reply));
        }
    }
}
