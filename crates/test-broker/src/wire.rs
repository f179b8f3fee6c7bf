//! MQTT 3.1.1 and 5 as one small language; the packets themselves are the client library's.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::{QoS as QoS5, v5};
use rumqttc::{QoS, mqttbytes};

use super::{Behaviour, Message, PACKET_MAX, Refusal, Unwelcome};

/// The edition of MQTT a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V311,
    V5,
}

/// What a client says.
#[derive(Debug)]
pub(super) enum Said {
    Connect {
        name: String,
        login: Option<(String, String)>,
        will: Option<Message>,
        keep_alive: u16,
    },
    Publish {
        message: Message,
        id: u16,
    },
    Acknowledge,
    Subscribe {
        id: u16,
        filters: Vec<Filter>,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect,
    /// Something this broker does not do.
    Other,
}

/// What a client wants to hear.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) path: String,
    /// 0 or 1.
    pub(super) qos: u8,
}

impl Filter {
    fn new(path: String, wish: u8) -> Self {
        Filter { path, qos: wish.min(1) }
    }

    /// The QoS that is granted; `None` if this is no filter.
    pub(super) fn granted(&self) -> Option<u8> {
        rumqttc::valid_filter(&self.path).then_some(self.qos)
    }
}

/// What is said to a client.
#[derive(Debug)]
pub(super) enum Answer {
    Welcome,
    Unwelcome(Unwelcome),
    Acknowledge { id: u16, refused: Option<Refusal> },
    Subscribed { id: u16, granted: Vec<Option<u8>> },
    Unsubscribed { id: u16, count: usize },
    Pong,
    Publish { message: Message, id: u16 },
}

/// Bytes that are no MQTT, or more of them than are allowed.
#[derive(Debug)]
pub(super) struct Broken;

/// The edition that the CONNECT at the front of `bytes` names; `None` if more bytes are needed.
pub(super) fn version(bytes: &[u8]) -> Result<Option<Version>, Broken> {
    let length_end = bytes.iter().skip(1).take(4).position(|b| b & 0x80 == 0).map(|at| at + 2);
    let Some(level) = length_end.and_then(|at| bytes.get(at + 6)) else {
        return if bytes.len() > 16 { Err(Broken) } else { Ok(None) };
    };
    match (bytes.first(), level) {
        (Some(0x10), 4) => Ok(Some(Version::V311)),
        (Some(0x10), 5) => Ok(Some(Version::V5)),
        _ => Err(Broken),
    }
}

/// Takes one packet off the front of `buffer`; `None` if it is not complete.
pub(super) fn read(version: Version, buffer: &mut BytesMut, packet_max: usize) -> Result<Option<Said>, Broken> {
    // The library wants a reason where the standard allows to leave it out.
    if buffer.starts_with(&[0xE0, 0]) {
        return Ok(Some(Said::Disconnect));
    }
    let before = buffer.len();
    let said = match version {
        Version::V311 => match v4::Packet::read(buffer, packet_max) {
            Ok(packet) => Ok(Some(from_v4(packet))),
            Err(mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
            Err(_) => Err(Broken),
        },
        Version::V5 => match v5::Packet::read(buffer, u32::try_from(packet_max).ok()) {
            Ok(packet) => from_v5(packet).map(Some),
            Err(rumqttc::v5::mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
            Err(_) => Err(Broken),
        },
    }?;
    match &said {
        // Said of the inside of a complete packet, "more bytes are needed" means that it is broken.
        None if buffer.len() != before => Err(Broken),
        Some(Said::Publish { message, .. }) if message.topic.is_empty() || message.topic.contains(['+', '#', '\0']) => {
            Err(Broken)
        }
        _ => Ok(said),
    }
}

fn from_v4(packet: v4::Packet) -> Said {
    match packet {
        v4::Packet::Connect(connect) => Said::Connect {
            name: connect.client_id,
            login: connect.login.map(|login| (login.username, login.password)),
            will: connect.last_will.map(|will| Message {
                topic: will.topic,
                payload: will.message,
                retain: will.retain,
                dup: false,
                qos: will.qos as u8,
            }),
            keep_alive: connect.keep_alive,
        },
        v4::Packet::Publish(publish) => Said::Publish {
            id: publish.pkid,
            message: Message {
                topic: publish.topic,
                payload: publish.payload,
                retain: publish.retain,
                dup: publish.dup,
                qos: publish.qos as u8,
            },
        },
        v4::Packet::PubAck(_) => Said::Acknowledge,
        v4::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter().map(|f| Filter::new(f.path, f.qos as u8)).collect();
            Said::Subscribe { id: subscribe.pkid, filters }
        }
        v4::Packet::Unsubscribe(unsubscribe) => Said::Unsubscribe { id: unsubscribe.pkid, filters: unsubscribe.topics },
        v4::Packet::PingReq => Said::Ping,
        v4::Packet::Disconnect => Said::Disconnect,
        v4::Packet::ConnAck(_)
        | v4::Packet::PubRec(_)
        | v4::Packet::PubRel(_)
        | v4::Packet::PubComp(_)
        | v4::Packet::SubAck(_)
        | v4::Packet::UnsubAck(_)
        | v4::Packet::PingResp => Said::Other,
    }
}

fn text(bytes: &Bytes) -> Result<String, Broken> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Broken)
}

fn from_v5(packet: v5::Packet) -> Result<Said, Broken> {
    Ok(match packet {
        v5::Packet::Connect(connect, will, login) => Said::Connect {
            name: connect.client_id,
            login: login.map(|login| (login.username, login.password)),
            will: match will {
                None => None,
                Some(will) => Some(Message {
                    topic: text(&will.topic)?,
                    payload: will.message,
                    retain: will.retain,
                    dup: false,
                    qos: will.qos as u8,
                }),
            },
            keep_alive: connect.keep_alive,
        },
        v5::Packet::Publish(publish) => Said::Publish {
            id: publish.pkid,
            message: Message {
                topic: text(&publish.topic)?,
                payload: publish.payload,
                retain: publish.retain,
                dup: publish.dup,
                qos: publish.qos as u8,
            },
        },
        v5::Packet::PubAck(_) => Said::Acknowledge,
        v5::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter().map(|f| Filter::new(f.path, f.qos as u8)).collect();
            Said::Subscribe { id: subscribe.pkid, filters }
        }
        v5::Packet::Unsubscribe(unsubscribe) => {
            Said::Unsubscribe { id: unsubscribe.pkid, filters: unsubscribe.filters }
        }
        v5::Packet::PingReq(_) => Said::Ping,
        v5::Packet::Disconnect(_) => Said::Disconnect,
        v5::Packet::Auth(_)
        | v5::Packet::ConnAck(_)
        | v5::Packet::PingResp(_)
        | v5::Packet::SubAck(_)
        | v5::Packet::PubRec(_)
        | v5::Packet::PubRel(_)
        | v5::Packet::PubComp(_)
        | v5::Packet::UnsubAck(_) => Said::Other,
    })
}

/// Appends `answer` to `out`.
pub(super) fn write(version: Version, answer: Answer, behaviour: &Behaviour, out: &mut BytesMut) -> Result<(), Broken> {
    match version {
        Version::V311 => to_v4(answer).write(out, PACKET_MAX).map(drop).map_err(|_| Broken),
        Version::V5 => to_v5(answer, behaviour).write(out, None).map(drop).map_err(|_| Broken),
    }
}

fn to_v4(answer: Answer) -> v4::Packet {
    match answer {
        Answer::Welcome => v4::Packet::ConnAck(v4::ConnAck::new(v4::ConnectReturnCode::Success, false)),
        Answer::Unwelcome(why) => {
            let code = match why {
                Unwelcome::BadCredentials => v4::ConnectReturnCode::BadUserNamePassword,
                Unwelcome::NotAuthorized => v4::ConnectReturnCode::NotAuthorized,
                Unwelcome::Unavailable => v4::ConnectReturnCode::ServiceUnavailable,
            };
            v4::Packet::ConnAck(v4::ConnAck::new(code, false))
        }
        Answer::Acknowledge { id, .. } => v4::Packet::PubAck(v4::PubAck::new(id)),
        Answer::Subscribed { id, granted } => {
            let code = |granted: Option<u8>| match granted {
                None => v4::SubscribeReasonCode::Failure,
                Some(0) => v4::SubscribeReasonCode::Success(QoS::AtMostOnce),
                Some(_) => v4::SubscribeReasonCode::Success(QoS::AtLeastOnce),
            };
            v4::Packet::SubAck(v4::SubAck::new(id, granted.into_iter().map(code).collect()))
        }
        Answer::Unsubscribed { id, .. } => v4::Packet::UnsubAck(v4::UnsubAck::new(id)),
        Answer::Pong => v4::Packet::PingResp,
        Answer::Publish { message, id } => {
            let qos = if message.qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let mut publish = v4::Publish::new(message.topic, qos, message.payload);
            (publish.pkid, publish.retain) = (id, message.retain);
            v4::Packet::Publish(publish)
        }
    }
}

fn to_v5(answer: Answer, behaviour: &Behaviour) -> v5::Packet {
    match answer {
        Answer::Welcome => v5::Packet::ConnAck(v5::ConnAck {
            session_present: false,
            code: v5::ConnectReturnCode::Success,
            properties: announced(behaviour),
        }),
        Answer::Unwelcome(why) => {
            let code = match why {
                Unwelcome::BadCredentials => v5::ConnectReturnCode::BadUserNamePassword,
                Unwelcome::NotAuthorized => v5::ConnectReturnCode::NotAuthorized,
                Unwelcome::Unavailable => v5::ConnectReturnCode::ServerUnavailable,
            };
            v5::Packet::ConnAck(v5::ConnAck { session_present: false, code, properties: None })
        }
        Answer::Acknowledge { id, refused } => {
            let reason = match refused {
                None => v5::PubAckReason::Success,
                Some(Refusal::ImplementationSpecific) => v5::PubAckReason::ImplementationSpecificError,
                Some(Refusal::NotAuthorized) => v5::PubAckReason::NotAuthorized,
                Some(Refusal::QuotaExceeded) => v5::PubAckReason::QuotaExceeded,
            };
            v5::Packet::PubAck(v5::PubAck { pkid: id, reason, properties: None })
        }
        Answer::Subscribed { id, granted } => {
            let code = |granted: Option<u8>| match granted {
                None => v5::SubscribeReasonCode::TopicFilterInvalid,
                Some(0) => v5::SubscribeReasonCode::Success(QoS5::AtMostOnce),
                Some(_) => v5::SubscribeReasonCode::Success(QoS5::AtLeastOnce),
            };
            let return_codes = granted.into_iter().map(code).collect();
            v5::Packet::SubAck(v5::SubAck { pkid: id, return_codes, properties: None })
        }
        Answer::Unsubscribed { id, count } => v5::Packet::UnsubAck(v5::UnsubAck {
            pkid: id,
            reasons: vec![v5::UnsubAckReason::Success; count],
            properties: None,
        }),
        Answer::Pong => v5::Packet::PingResp(v5::PingResp),
        Answer::Publish { message, id } => {
            let qos = if message.qos == 0 { QoS5::AtMostOnce } else { QoS5::AtLeastOnce };
            let mut publish = v5::Publish::new(message.topic, qos, message.payload, None);
            (publish.pkid, publish.retain) = (id, message.retain);
            v5::Packet::Publish(publish)
        }
    }
}

fn announced(behaviour: &Behaviour) -> Option<v5::ConnAckProperties> {
    if behaviour.receive_maximum.is_none() && behaviour.packet_maximum.is_none() {
        return None;
    }
    Some(v5::ConnAckProperties {
        session_expiry_interval: None,
        receive_max: behaviour.receive_maximum,
        max_qos: None,
        retain_available: None,
        max_packet_size: behaviour.packet_maximum,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    })
}
