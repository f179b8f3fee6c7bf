//! `[listen]`: addresses and limits of the stations' listener.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::secure::ExtraListener;

/// Settings of the stations' listener, `[listen]`. What happens at each limit stands at the head of [`crate::net`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where stations connect, one `HOST:PORT` or a list; `[::]:9002` takes IPv4 as well.
    #[serde(deserialize_with = "hj212_model::settings::texts::deserialize")]
    pub address: Vec<String>,
    /// Further listeners: behind TLS, behind load balancers.
    pub also: Vec<ExtraListener>,
    /// A PROXY header and a TLS handshake must be done within this time.
    #[serde(with = "hj212_model::settings::duration")]
    pub handshake_max: Duration,
    /// Connections at a time in all.
    pub connections_max: Places,
    /// Connections at a time from one address block (one IPv4 address, one IPv6 /64).
    pub connections_per_block_max: usize,
    /// Networks for which `connections_per_block_max` does not hold: a carrier's NAT, a forwarding host, this machine.
    pub exempt: Vec<IpNet>,
    /// Frames of one connection on their way to disk; 1 to 1024.
    pub in_flight_max: usize,
    /// The longest data segment in bytes; 1024 is the standard's, 9999 the most that its length can say.
    pub segment_max: usize,
    /// A frame must be complete this long after its first byte.
    #[serde(with = "hj212_model::settings::duration")]
    pub partial_max: Duration,
    /// So long without bytes, an unfinished frame is looked at as if it were complete.
    #[serde(with = "hj212_model::settings::duration")]
    pub pause: Duration,
    /// A connection that has brought no accepted frame is closed after this long.
    #[serde(with = "hj212_model::settings::duration")]
    pub unheard_max: Duration,
    /// A connection that has brought nothing for this long is closed. Dead peers are found sooner, by TCP keep-alive.
    #[serde(with = "hj212_model::settings::duration")]
    pub idle_max: Duration,
    /// TCP keep-alive begins after this long without bytes; then four probes, a quarter of it apart.
    #[serde(with = "hj212_model::settings::duration")]
    pub keep_alive: Duration,
    /// An answer must be taken by the peer within this time.
    #[serde(with = "hj212_model::settings::duration")]
    pub write_max: Duration,
    /// Bytes that are no acceptable frame, since the last accepted one, before a connection is closed.
    #[serde(with = "hj212_model::settings::size")]
    pub noise_max: u64,
    /// Rejected frames and noise kept in the journal per address block and minute.
    pub rejected_per_minute: u32,
    /// Rejected frames and noise kept in the journal per minute in all, of addresses from which no station spoke.
    pub rejected_total_per_minute: u32,
    /// Bytes of them kept per minute.
    #[serde(with = "hj212_model::settings::size")]
    pub rejected_bytes_per_minute: u64,
    /// Accepted frames of one station a minute; beyond that its connection is read more slowly. A minute's worth may come at once.
    pub station_frames_per_minute: u32,
    /// Stations placed on one connection.
    pub stations_per_connection_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            address: vec!["[::]:9002".into()],
            also: Vec::new(),
            handshake_max: Duration::from_secs(10),
            connections_max: Places::Auto,
            connections_per_block_max: 1_000,
            exempt: vec![
                IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128)),
            ],
            in_flight_max: 8,
            segment_max: 9999,
            partial_max: Duration::from_secs(30),
            pause: Duration::from_millis(200),
            unheard_max: Duration::from_secs(600),
            idle_max: Duration::from_secs(6 * 3600),
            keep_alive: Duration::from_secs(120),
            write_max: Duration::from_secs(10),
            noise_max: 64 << 10,
            rejected_per_minute: 600,
            rejected_total_per_minute: 6000,
            rejected_bytes_per_minute: 4 << 20,
            station_frames_per_minute: 6000,
            stations_per_connection_max: 4096,
        }
    }
}

/// How many stations may be connected at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Places {
    /// As many as the process's descriptors allow, and no more than [`Places::AUTO_MAX`].
    #[default]
    Auto,
    /// So many, if the process's descriptors allow it.
    Most(usize),
}

impl Places {
    /// The most that are admitted unless something else is set.
    pub const AUTO_MAX: usize = 20_000;

    /// The most, whatever the descriptors allow.
    #[must_use]
    pub const fn most(self) -> usize {
        match self {
            Places::Auto => Self::AUTO_MAX,
            Places::Most(most) => most,
        }
    }
}

impl Serialize for Places {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Places::Auto => to.serialize_str("auto"),
            Places::Most(most) => to.serialize_u64(*most as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "write a number of 1 to 1000000, or \"auto\"")]
        enum Written {
            Number(u32),
            Word(String),
        }
        match Written::deserialize(from)? {
            Written::Number(most) => Ok(Places::Most(usize::try_from(most).unwrap_or(usize::MAX))),
            Written::Word(word) if word == "auto" => Ok(Places::Auto),
            Written::Word(word) => {
                let text = format!("\"{}\": write a number of 1 to 1000000, or \"auto\"", word.escape_debug());
                Err(serde::de::Error::custom(text))
            }
        }
    }
}

/// A setting outside its range: which, what it is, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// The key within `[listen]`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// The rule.
    pub rule: &'static str,
}

impl Settings {
    /// The settings outside their ranges.
    #[must_use]
    pub fn wrong(&self) -> Vec<WrongSetting> {
        let mut wrong = Vec::new();
        let mut rule = |good: bool, key, value: String, rule| {
            if !good {
                wrong.push(WrongSetting { key, value, rule });
            }
        };
        rule(!self.address.is_empty(), "address", "[]".into(), "at least one HOST:PORT · 至少写一个 地址:端口");
        let addresses = self.address.iter().map(|address| ("address", address));
        for (key, address) in addresses.chain(self.also.iter().map(|also| ("also.address", &also.address))) {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            rule(
                port.is_some(),
                key,
                address.clone(),
                "HOST:PORT, as \"[::]:9002\" or \"0.0.0.0:9002\" · 写 地址:端口",
            );
        }
        wrong
    }
}
