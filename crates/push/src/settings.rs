//! `[push]`.
//!
//! What must stay true: what is a secret (addresses of robots, keys, passwords) comes from files; mistakes are named with what is right.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of push, `[push]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to.
    pub sinks: Vec<Sink>,
}

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The message as it is, POST, signed.
    Webhook,
    /// WeCom (企业微信) group robot.
    Wecom,
    /// DingTalk (钉钉) group robot.
    Dingtalk,
    /// Feishu (飞书) group robot.
    Feishu,
    /// E-mail.
    Mail,
}

/// Where to, what, how fast.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sink {
    /// Its name: letters, digits, `-`, at most 32.
    pub name: String,
    /// What is spoken.
    pub kind: Kind,
    /// Of a webhook: where to, `https://…` (`http://…` within a plant's own network).
    #[serde(default)]
    pub url: String,
    /// A file with the address alone: robots' addresses are secrets.
    #[serde(default)]
    pub url_file: PathBuf,
    /// A file with the key that signs: of a webhook (HMAC-SHA256), of DingTalk and Feishu their secret (加签).
    #[serde(default)]
    pub secret_file: PathBuf,
    /// The authorities of the server's certificate, PEM; left out: those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Kinds of events, `*` at the end stands for anything; of alerts `alert`.
    pub events: Vec<String>,
    /// Stations, `*` at the end stands for anything; left out: all.
    #[serde(default = "all")]
    pub stations: Vec<String>,
    /// Messages a minute. WeCom takes 20.
    #[serde(default = "per_minute")]
    pub per_minute: u32,
    /// Of `mail`.
    #[serde(default)]
    pub mail: Option<Mail>,
}

fn all() -> Vec<String> {
    vec!["*".into()]
}

const fn per_minute() -> u32 {
    20
}

/// A mail server and who writes to whom.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The server's name.
    pub host: String,
    /// Its port: 465 for TLS from the start, 587 for STARTTLS.
    pub port: u16,
    /// `tls`, `starttls` or `none`.
    pub security: String,
    /// Who writes.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
    /// The account; empty: none.
    #[serde(default)]
    pub username: String,
    /// A file with its password alone.
    #[serde(default)]
    pub password_file: PathBuf,
}

/// A mistake: which member of which sink, its value, the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The member.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The rule.
    pub rule: &'static str,
}

/// Whether `name` is `pattern`, which may end with `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

impl Sink {
    /// Whether a message of this kind about this station is wanted.
    #[must_use]
    pub fn wants(&self, kind: &str, mn: Option<&str>) -> bool {
        self.events.iter().any(|event| fits(event, kind))
            && mn.is_none_or(|mn| self.stations.iter().any(|station| fits(station, mn)))
    }
}

impl Settings {
    /// All mistakes.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for sink in &self.sinks {
            let mut wrong = |key: &str, value: &str, rule: &'static str| {
                found.push(Wrong { key: key.to_owned(), value: value.to_owned(), rule });
            };
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            if !(1..=32).contains(&sink.name.len())
                || !sink.name.bytes().all(plain)
                || names.contains(&sink.name.as_str())
            {
                wrong("name", &sink.name, "1 to 32 letters, digits or '-', another for each sink");
            }
            names.push(&sink.name);
            if sink.events.is_empty() || sink.stations.is_empty() {
                wrong("events", "[]", "at least one kind of event, and one station or \"*\"");
            }
            if !(1..=6000).contains(&sink.per_minute) {
                wrong("per_minute", &sink.per_minute.to_string(), "1 to 6000");
            }
            let has_file = !sink.url_file.as_os_str().is_empty();
            match sink.kind {
                Kind::Webhook if sink.url.is_empty() != has_file => {
                    wrong("url", &sink.url, "either url or url_file");
                }
                Kind::Webhook if !has_file && !["https://", "http://"].iter().any(|s| sink.url.starts_with(s)) => {
                    wrong("url", &sink.url, "https://HOST/PATH or http://HOST:PORT/PATH");
                }
                Kind::Wecom | Kind::Dingtalk | Kind::Feishu if !has_file => {
                    wrong("url_file", "", "a file with the robot's address: it is a secret");
                }
                Kind::Mail => match &sink.mail {
                    None => wrong("mail", "", "mail = { host, port, security, from, to }"),
                    Some(mail) if !["tls", "starttls", "none"].contains(&mail.security.as_str()) => {
                        wrong("mail.security", &mail.security, "tls, starttls or none");
                    }
                    Some(mail) if mail.security == "none" && !mail.username.is_empty() => {
                        wrong("mail.security", "none", "tls or starttls where a password is sent");
                    }
                    Some(mail) if mail.to.is_empty() => wrong("mail.to", "[]", "at least one address"),
                    Some(_) => {}
                },
                Kind::Webhook | Kind::Wecom | Kind::Dingtalk | Kind::Feishu => {}
            }
        }
        found
    }
}
