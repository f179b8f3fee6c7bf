//! How the broker misbehaves when told to.

use std::time::Duration;

/// Why a publication is refused (MQTT 5, 3.4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 0x83.
    ImplementationSpecific,
    /// 0x87.
    NotAuthorized,
    /// 0x97.
    QuotaExceeded,
}

/// How a connection is cut at a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// What was before it is acknowledged, and the connection closed.
    Close,
    /// The connection is reset at once: acknowledgements that were not written yet never are.
    Reset,
    /// The same as [`Cut::Close`], with a refusal by name before (MQTT 5).
    RefuseAndClose,
    /// The refusal is written, and reset before it can be read, as likely as not.
    RefuseAndReset,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwelcome {
    /// Wrong user name or password.
    BadCredentials,
    /// This user may not.
    NotAuthorized,
    /// Not now.
    Unavailable,
}

/// What is done to clients; the default is what an honest broker does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Behaviour {
    /// Keep what is accepted for [`super::Broker::received`].
    pub record: bool,
    /// Only so many connections are treated so (those after this was set), later ones honestly; `None`: all.
    pub connections: Option<u64>,
    /// The credentials that are asked for.
    pub login: Option<(String, String)>,
    /// CONNECT is not answered; after [`super::CONNECT_MAX`] the connection ends.
    pub mute: bool,
    /// CONNECT is answered with this.
    pub refuse_connect: Option<Unwelcome>,
    /// Nothing is read after CONNECT.
    pub deaf: bool,
    /// CONNECT is answered with bytes that are no MQTT.
    pub garbage: bool,
    /// The connection is closed after exactly so many bytes from the client.
    pub cut_received: Option<u64>,
    /// The connection is closed after exactly so many bytes to the client.
    pub cut_sent: Option<u64>,
    /// Every so many-th publication is not acknowledged; 1: none is.
    pub withhold_every: Option<u32>,
    /// Publications whose topic contains this are not acknowledged.
    pub withhold_topic: Option<String>,
    /// Acknowledgements come so much later.
    pub delay: Option<Duration>,
    /// Acknowledgements are turned round in groups of so many; a pause of the client ends a group.
    pub reorder: Option<usize>,
    /// Every acknowledgement comes twice.
    pub duplicate: bool,
    /// Each acknowledgement is followed by one of a packet id that nobody used.
    pub invent: bool,
    /// Every so many-th publication is refused (MQTT 5), and why.
    pub refuse_every: Option<(u32, Refusal)>,
    /// Publications whose topic contains this are refused (MQTT 5), and why; MQTT 3.1.1: the connection is cut at them.
    pub refuse_topic: Option<(String, Refusal)>,
    /// Publications whose topic ends with this reach nobody who subscribed to them, as under an access list that grants no read.
    pub hidden: Option<String>,
    /// The connection is cut at publications whose topic contains this.
    pub cut_topic: Option<(String, Cut)>,
    /// Announced to MQTT 5 clients.
    pub receive_maximum: Option<u16>,
    /// Announced to MQTT 5 clients, and enforced.
    pub packet_maximum: Option<u32>,
}

impl Behaviour {
    /// What the `number`-th connection meets.
    pub(super) fn of_connection(&self, number: u64) -> Behaviour {
        if self.connections.is_some_and(|most| number > most) {
            Behaviour { record: self.record, login: self.login.clone(), ..Behaviour::default() }
        } else {
            self.clone()
        }
    }
}
