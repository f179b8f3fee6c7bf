//! What an operator can set about the broker.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::Address;
use hj212_certificates::ClientFiles;

/// The edition of MQTT spoken with the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Version {
    /// MQTT 3.1.1 (2014), for older brokers. It knows no refusal of a message.
    #[serde(rename = "3.1.1")]
    V311,
    /// MQTT 5 (2019).
    #[serde(rename = "5")]
    V5,
}

/// The longest string that MQTT carries, bytes.
const STRING_MAX: usize = 65_535;
/// The longest `prefix`, bytes: with all that follows it a topic stays far below [`STRING_MAX`].
const PREFIX_MAX: usize = 1024;
/// The longest host name and the longest part of one.
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// The most brokers in `also`.
const BROKERS_MAX: usize = 16;

/// Whether `host` is an address, or can be a name.
fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            && !label.starts_with('-')
    };
    name.len() <= HOST_MAX && name.split('.').all(is_label)
}

/// Whether MQTT can carry `text` as a name.
fn is_mqtt_string(text: &str) -> bool {
    text.len() <= STRING_MAX && !text.contains(char::is_control)
}

/// `text` as a message shows it: control characters escaped, the beginning alone of what is long.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 64;
    let begin: String = text.chars().take(SHOWN).collect();
    if begin.len() < text.len() { format!("{begin:?}…") } else { format!("{begin:?}") }
}

/// The broker and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Host name or address of the broker.
    pub host: String,
    /// TCP port of the broker, 1..=65535.
    pub port: u16,
    /// Further brokers of the same cluster, as `host` or `host:port` (left out: `port`), at most 16. They are tried in turn when one cannot be
    /// reached, refuses or breaks off; they count as one: what one has acknowledged is not sent to the next.
    pub also: Vec<String>,
    /// Client identifier; each gateway of a broker needs its own. Not empty.
    pub client_id: String,
    /// First levels of every topic, without a slash at either end.
    pub prefix: String,
    /// User name; without it no credentials are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// File with the password on its only line, read for each connection. Used with `username` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificates, if the broker is spoken to in TLS; read for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientFiles>,
    /// `"5"` or `"3.1.1"`.
    pub version: Version,
    /// After this time without traffic the connection is tested, 5s..=18h.
    #[serde(with = "hj212_model::settings::duration")]
    pub keep_alive: Duration,
    /// Messages under way without an acknowledgement, 1..=65535; with MQTT 5 the broker may ask for fewer.
    pub window: u16,
    /// A message not acknowledged for so long ends the connection; at least 1s.
    #[serde(with = "hj212_model::settings::duration")]
    pub ack_timeout: Duration,
    /// First pause before a new connection or the second try of a refused message; at least 10ms.
    #[serde(with = "hj212_model::settings::duration")]
    pub retry_min: Duration,
    /// Longest such pause; not below `retry_min`.
    #[serde(with = "hj212_model::settings::duration")]
    pub retry_max: Duration,
    /// A message that the broker has not taken in so many tries is set aside while others pass, see [`crate`]; 1 to 1000.
    pub tries_max: u32,
    /// Largest MQTT packet sent or accepted, bytes, 1KiB..=255MiB; the broker's own limit (MQTT 5) holds beside it.
    #[serde(with = "hj212_model::settings::size")]
    pub packet_max: u64,
    /// On stop: how long messages under way may still be acknowledged.
    #[serde(with = "hj212_model::settings::duration")]
    pub drain_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            host: "127.0.0.1".to_owned(),
            port: 1883,
            also: Vec::new(),
            client_id: "hj212-gateway".to_owned(),
            prefix: "hj212/v1".to_owned(),
            username: None,
            password_file: None,
            tls: None,
            version: Version::V5,
            keep_alive: Duration::from_secs(30),
            window: 256,
            ack_timeout: Duration::from_secs(30),
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(5),
            tries_max: 5,
            packet_max: 1 << 20,
            drain_max: Duration::from_secs(2),
        }
    }
}

/// A value that cannot work; the text names the setting, its value and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mqtt.{key}: {text}")]
pub struct WrongSetting {
    /// The key within `[mqtt]`.
    pub key: &'static str,
    /// The value, and what to write instead.
    pub text: String,
}

impl Settings {
    /// Checks each value against its documented range.
    ///
    /// # Errors
    /// The first value out of its range.
    pub fn check(&self) -> Result<(), WrongSetting> {
        let wrong = |key, text: String| Err(WrongSetting { key, text });
        let written = hj212_model::settings::duration::format;
        if !is_host(&self.host) || self.port == 0 {
            return wrong(
                "host",
                format!(
                    "host = {}, port = {} is no address of a broker: write host as a name or an address alone, as \"broker.example\" or \"10.0.0.1\", and its port",
                    shortened(&self.host),
                    self.port
                ),
            );
        }
        if self.also.len() > BROKERS_MAX {
            return wrong("also", format!("also names {} brokers: at most {BROKERS_MAX}", self.also.len()));
        }
        let unfit = |text: &&String| Address::read(text, self.port).is_none_or(|address| !is_host(&address.host));
        if let Some(text) = self.also.iter().find(unfit) {
            let shown = shortened(text);
            return wrong(
                "also",
                format!(
                    "{shown} is no address of a broker: write \"broker2.example\", \"10.0.0.2:1883\" or \"[fd00::2]:1883\""
                ),
            );
        }
        if self.client_id.is_empty() {
            return wrong("client_id", "client_id is empty: give each gateway a name of its own".to_owned());
        }
        for (key, value) in [("client_id", Some(&self.client_id)), ("username", self.username.as_ref())] {
            if let Some(value) = value.filter(|value| !is_mqtt_string(value)) {
                let (bytes, shown) = (value.len(), shortened(value));
                return wrong(
                    key,
                    format!(
                        "{key} {shown} of {bytes} bytes: MQTT takes at most {STRING_MAX} bytes, and no control characters"
                    ),
                );
            }
        }
        if self.prefix.is_empty()
            || self.prefix.len() > PREFIX_MAX
            || self.prefix.starts_with('$')
            || self.prefix.contains(['+', '#'])
            || self.prefix.contains(char::is_control)
            || self.prefix.trim_matches('/') != self.prefix
        {
            return wrong(
                "prefix",
                format!(
                    "prefix {} is no beginning of a topic: write it as \"hj212/v1\", at most {PREFIX_MAX} bytes, without + and #, not beginning with $, \
                     which belongs to the broker",
                    shortened(&self.prefix)
                ),
            );
        }
        if self.password_file.is_some() && self.username.is_none() {
            return wrong(
                "password_file",
                "password_file without username: MQTT sends no password without a user name".to_owned(),
            );
        }
        if let Some(tls) = &self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return wrong("tls", "certificate and key belong together: name both or neither".to_owned());
        }
        if self.window == 0 {
            return wrong("window", "window 0 lets nothing through: 1..=65535".to_owned());
        }
        if self.keep_alive != self.keep_alive_sent() {
            return wrong("keep_alive", format!("keep_alive {}: 5s..=18h, whole seconds", written(self.keep_alive)));
        }
        if self.ack_timeout < Duration::from_secs(1) {
            return wrong("ack_timeout", format!("ack_timeout {}: at least 1s", written(self.ack_timeout)));
        }
        if self.retry_min < Duration::from_millis(10) || self.retry_max < self.retry_min {
            let (min, max) = (written(self.retry_min), written(self.retry_max));
            return wrong(
                "retry_min",
                format!("retry_min {min}, retry_max {max}: at least 10ms, and the maximum not below the minimum"),
            );
        }
        if !(1..=1000).contains(&self.tries_max) {
            return wrong("tries_max", format!("tries_max {}: 1 to 1000", self.tries_max));
        }
        if !(1024..=255 << 20).contains(&self.packet_max) {
            return wrong(
                "packet_max",
                format!("packet_max {}: 1KiB..=255MiB", hj212_model::settings::size::format(self.packet_max)),
            );
        }
        Ok(())
    }

    /// The host as the client wants it: an IPv6 address in brackets.
    pub(super) fn address(&self) -> String {
        if self.host.parse::<Ipv6Addr>().is_ok() { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The keep-alive that fits the packet and the client.
    pub(super) fn keep_alive_sent(&self) -> Duration {
        Duration::from_secs(self.keep_alive.as_secs().clamp(5, 64_800))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mqtt_or_the_network_cannot_carry_are_refused_by_name() {
        let long = "x".repeat(STRING_MAX + 1);
        let with = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.check().err().map(|wrong| (wrong.key, wrong.to_string().len()))
        };
        for bad in [
            "",
            " ",
            "a b",
            "bogus value",
            "\0",
            "a\0b",
            "mqtt://127.0.0.1",
            "127.0.0.1:1883",
            "a/b",
            "a..b",
            "-a",
            "u@h",
            "[10.0.0.1]",
            &long,
        ] {
            let found = with(&|settings| settings.host = bad.to_owned());
            assert!(found.is_some_and(|(key, shown)| key == "host" && shown < 400), "{bad:.40}: {found:?}");
        }
        for good in [
            "127.0.0.1",
            "::1",
            "[::1]",
            "fe80::1",
            "broker",
            "broker.example",
            "broker.example.",
            "my_broker-1",
            "中心.cn",
        ] {
            assert_eq!(with(&|settings| settings.host = good.to_owned()), None, "{good}");
        }
        for bad in ["a\0b", "a\nb", &long] {
            let found = with(&|settings| settings.client_id = bad.to_owned());
            assert!(found.is_some_and(|(key, shown)| key == "client_id" && shown < 400), "{bad:.40}: {found:?}");
            let found = with(&|settings| settings.username = Some(bad.to_owned()));
            assert!(found.is_some_and(|(key, shown)| key == "username" && shown < 400), "{bad:.40}: {found:?}");
        }
        let levels = "p/".repeat(PREFIX_MAX) + "p";
        for bad in ["", "/", "a/", "$SYS/x", "$x", "a+", "a/#", "a\0", &levels, &long] {
            let found = with(&|settings| settings.prefix = bad.to_owned());
            assert!(found.is_some_and(|(key, shown)| key == "prefix" && shown < 400), "{bad:.40}: {found:?}");
        }
        for good in ["hj212/v1", "a", "a/$b", "环保/v1"] {
            assert_eq!(with(&|settings| settings.prefix = good.to_owned()), None, "{good}");
        }
    }

    #[test]
    fn the_defaults_are_right_and_come_back_from_toml() {
        let defaults = Settings::default();
        assert_eq!(defaults.check(), Ok(()));
        let text = toml::to_string(&defaults).unwrap();
        assert!(text.contains("version = \"5\"") && text.contains("ack_timeout = \"30s\""), "{text}");
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), defaults);
        assert_eq!(toml::from_str::<Settings>("version = \"3.1.1\"").unwrap().version, Version::V311);
        assert!(toml::from_str::<Settings>("pasword = \"x\"").is_err());
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let defaults = Settings::default;
        for (settings, name) in [
            (Settings { window: 0, ..defaults() }, "window"),
            (Settings { keep_alive: Duration::from_secs(1), ..defaults() }, "keep_alive"),
            (Settings { client_id: String::new(), ..defaults() }, "client_id"),
            (Settings { prefix: "/x".into(), ..defaults() }, "prefix"),
            (Settings { password_file: Some("x".into()), ..defaults() }, "username"),
            (Settings { retry_max: Duration::ZERO, ..defaults() }, "retry_max"),
            (Settings { packet_max: 1, ..defaults() }, "packet_max"),
        ] {
            assert!(settings.check().unwrap_err().to_string().contains(name), "{name}");
        }
    }

    #[test]
    fn an_ipv6_host_is_put_in_brackets() {
        assert_eq!(Settings { host: "::1".into(), ..Settings::default() }.address(), "[::1]");
        assert_eq!(Settings::default().address(), "127.0.0.1");
    }
}
