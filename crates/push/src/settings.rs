//! `[push]`.
//!
//! What must stay true: what is a secret (addresses of robots, keys, passwords) comes from files; mistakes are named with what is right, in
//! English and Chinese.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SINKS_MAX;
use super::address::ServerAddress;

/// Settings of push, `[push]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to, at most [`SINKS_MAX`].
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

impl Kind {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Webhook => "webhook",
            Kind::Wecom => "wecom",
            Kind::Dingtalk => "dingtalk",
            Kind::Feishu => "feishu",
            Kind::Mail => "mail",
        }
    }
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
    /// Kinds of events, or schemas of documents (`hj212.case/1`); `*` at the end stands for anything, but without `hj212.` before it for events
    /// alone.
    pub events: Vec<String>,
    /// Stations, `*` at the end stands for anything; left out: all.
    #[serde(default = "all")]
    pub stations: Vec<String>,
    /// Regions (the stations' tag `region`), `*` at the end stands for anything; left out: all, and stations without one.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Of what has a colour only these: `blue`, `yellow`, `orange`, `red`; left out: all.
    #[serde(default)]
    pub colours: Vec<String>,
    /// Attempts a minute, 1 to 6000. WeCom takes 20.
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

/// A mistake: of which sink, which member, its value, the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The place of the sink in the list, from 0.
    pub sink: usize,
    /// The member.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// The rule, in English and Chinese.
    pub rule: &'static str,
    /// What to write, in English and Chinese.
    pub remedy: &'static str,
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageFacts<'m> {
    /// Of an event its kind, of a document its schema.
    pub kind: &'m str,
    /// The station; `None`: it is of the gateway itself.
    pub mn: Option<&'m str>,
    /// The station's region.
    pub region: Option<&'m str>,
    /// The colours that it is about: that of an alert, and the one that it had before. Empty: it has none.
    pub colours: &'m [Box<str>],
}

/// How schemas begin.
const SCHEMA: &str = "hj212.";
/// The colours of alerts.
const COLOURS: [&str; 4] = ["blue", "yellow", "orange", "red"];

/// Whether `name` is `pattern`, which may end with `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

impl Sink {
    /// Whether this message is wanted.
    #[must_use]
    pub fn wants(&self, message: &MessageFacts<'_>) -> bool {
        let kind = |pattern: &String| {
            pattern.starts_with(SCHEMA) == message.kind.starts_with(SCHEMA) && fits(pattern, message.kind)
        };
        let colour = |colour: &str| self.colours.iter().any(|wanted| wanted == colour);
        self.events.iter().any(kind)
            && message.mn.is_none_or(|mn| {
                let region = |pattern: &String| message.region.is_some_and(|region| fits(pattern, region));
                self.stations.iter().any(|station| fits(station, mn))
                    && (self.regions.is_empty() || self.regions.iter().any(region))
            })
            && (self.colours.is_empty() || message.colours.is_empty() || message.colours.iter().any(|own| colour(own)))
    }

    /// The files with secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let mail = self.mail.iter().map(|mail| ("mail.password_file", &mail.password_file));
        let own = [("url_file", &self.url_file), ("secret_file", &self.secret_file)];
        own.into_iter().chain(mail).filter(|(_, file)| !file.as_os_str().is_empty())
    }

    /// All files that it names, to be changed.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let mail = self.mail.iter_mut().map(|mail| &mut mail.password_file);
        [&mut self.url_file, &mut self.secret_file].into_iter().chain(&mut self.ca).chain(mail)
    }

    /// What is wrong with what a file of [`Sink::secrets`] holds.
    #[must_use]
    pub fn wrong_secret(&self, key: &str, text: &[u8]) -> Option<&'static str> {
        let line = text.trim_ascii();
        if line.is_empty() {
            return Some("the file is empty · 文件为空");
        }
        if line.contains(&b'\n') {
            return Some("the file has more than one line · 文件多于一行");
        }
        let url = key == "url_file";
        let good = !url || std::str::from_utf8(line).is_ok_and(|line| ServerAddress::read(line).is_ok());
        (!good).then_some("the file holds no address of the form https://HOST/PATH · 文件内容不是 https://主机/路径")
    }
}

impl Settings {
    /// All mistakes.
    #[must_use]
    pub fn wrong(&self) -> Vec<Wrong> {
        let mut found = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (number, sink) in self.sinks.iter().enumerate() {
            let mut wrong = |key, value: &str, rule, remedy| {
                found.push(Wrong { sink: number, key, value: value.to_owned(), rule, remedy });
            };
            if number == SINKS_MAX {
                let rule = "among at most 16 sinks · 最多 16 个推送目标";
                wrong("name", &sink.name, rule, "remove what is not needed · 删去不需要的");
            }
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            if !(1..=32).contains(&sink.name.len())
                || !sink.name.bytes().all(plain)
                || names.contains(&sink.name.as_str())
            {
                let rule = "1 to 32 letters, digits or '-', another for each sink · 1 至 32 个字母、数字或 -,不得重名";
                wrong("name", &sink.name, rule, "write a short name, as \"office\" · 写一个短名称");
            }
            names.push(&sink.name);
            chosen(sink, &mut wrong);
            addressed(sink, &mut wrong);
        }
        found
    }
}

/// What is wrong with what a sink wants.
fn chosen(sink: &Sink, wrong: &mut impl FnMut(&'static str, &str, &'static str, &'static str)) {
    if sink.events.is_empty() {
        let rule = "at least one kind of event · 至少一种事件";
        wrong(
            "events",
            "[]",
            rule,
            "write [\"alert\", \"case-*\"], or [\"*\"] for all events · 写事件名,\"*\" 为全部事件",
        );
    }
    if sink.stations.is_empty() {
        wrong(
            "stations",
            "[]",
            "at least one station, or \"*\" · 至少一个站点",
            "leave it out for all · 删去此项即为全部",
        );
    }
    if let Some(strange) = sink.colours.iter().find(|colour| !COLOURS.contains(&colour.as_str())) {
        let rule = "blue, yellow, orange or red · 只能是 blue、yellow、orange、red(蓝黄橙红)";
        wrong("colours", strange, rule, "leave it out for all colours · 删去此项即为全部");
    }
    if !(1..=6000).contains(&sink.per_minute) {
        let rule = "1 to 6000 · 取值范围 1 至 6000";
        wrong(
            "per_minute",
            &sink.per_minute.to_string(),
            rule,
            "leave it out for the default of 20 · 删去此项即用缺省值 20",
        );
    }
}

/// What is wrong with where a sink is.
fn addressed(sink: &Sink, wrong: &mut impl FnMut(&'static str, &str, &'static str, &'static str)) {
    let has_file = !sink.url_file.as_os_str().is_empty();
    let has_url = !sink.url.is_empty();
    match (sink.kind, &sink.mail) {
        (Kind::Mail, None) => {
            let rule = "written for kind = \"mail\" · 邮件须写明";
            let remedy = "mail = { host = \"smtp.example.org\", port = 465, security = \"tls\", from = \"a@example.org\", to = [\"b@example.org\"] }";
            wrong("mail", "", rule, remedy);
        }
        (Kind::Mail, Some(mail)) => mailed(mail, wrong),
        (_, Some(_)) => {
            let rule = "left out where kind is not \"mail\" · 只用于 kind = \"mail\"";
            wrong("mail", "", rule, "remove it, or write kind = \"mail\" · 删去,或改写 kind");
        }
        (Kind::Webhook, None) if has_url == has_file => {
            let rule = "given once, as url or as url_file · url 与 url_file 须且只能写一个";
            wrong("url", &sink.url, rule, "write url = \"https://HOST/PATH\" · 写 url = \"https://主机/路径\"");
        }
        (Kind::Webhook, None) if has_url && ServerAddress::read(&sink.url).is_err() => {
            let rule = "https://HOST/PATH or http://HOST:PORT/PATH, without user and password · 不含用户名和密码的地址";
            // With a user in it there may be a password.
            let shown = if sink.url.contains('@') { "…" } else { &sink.url };
            wrong(
                "url",
                shown,
                rule,
                "write \"https://HOST/PATH\"; secrets stand in secret_file · 密钥写入 secret_file",
            );
        }
        (Kind::Wecom | Kind::Dingtalk | Kind::Feishu, None) if has_url || !has_file => {
            let rule = "left out: the robot's address is a secret and stands in a file · 机器人地址是密钥,须写在文件里";
            let remedy =
                "write url_file = \"robot.url\" and put the address into that file · 写 url_file,地址放进该文件";
            wrong("url", "", rule, remedy);
        }
        (Kind::Webhook | Kind::Wecom | Kind::Dingtalk | Kind::Feishu, None) => {}
    }
    if matches!(sink.kind, Kind::Wecom | Kind::Mail) && !sink.secret_file.as_os_str().is_empty() {
        let rule = "left out: WeCom and mail sign nothing · 企业微信和邮件没有签名";
        wrong("secret_file", &sink.secret_file.display().to_string(), rule, "remove it · 删去");
    }
}

fn mailed(mail: &Mail, wrong: &mut impl FnMut(&'static str, &str, &'static str, &'static str)) {
    if mail.host.is_empty() || mail.host.contains(['/', ':', '@', ' ']) {
        let rule = "the name or address of the mail server alone · 只写邮件服务器的主机名";
        wrong("mail.host", &mail.host, rule, "write \"smtp.example.org\"; the port stands in port · 端口写在 port 中");
    }
    if mail.port == 0 {
        wrong(
            "mail.port",
            "0",
            "1 to 65535 · 取值范围 1 至 65535",
            "write 465 (tls) or 587 (starttls) · 写 465 或 587",
        );
    }
    if !["tls", "starttls", "none"].contains(&mail.security.as_str()) {
        let rule = "tls, starttls or none · 只能是 tls、starttls、none";
        wrong("mail.security", &mail.security, rule, "write \"tls\" for port 465 · 465 端口写 \"tls\"");
    }
    if mail.security == "none" && !mail.username.is_empty() {
        let rule = "tls or starttls where a password is sent · 要登录时须用 tls 或 starttls";
        wrong("mail.security", "none", rule, "write \"tls\" for port 465 · 465 端口写 \"tls\"");
    }
    if mail.username.is_empty() != mail.password_file.as_os_str().is_empty() {
        let rule = "written with username, and only then · 与 username 须同时写明";
        let value = mail.password_file.display().to_string();
        wrong("mail.password_file", &value, rule, "write both, or neither · 两项同写或同删");
    }
    let is_address = |text: &str| text.parse::<lettre::message::Mailbox>().is_ok();
    if !is_address(&mail.from) {
        wrong("mail.from", &mail.from, "a mail address · 邮箱地址", "write \"gateway@example.org\" · 写发件邮箱");
    }
    if mail.to.is_empty() {
        wrong("mail.to", "[]", "at least one address · 至少一个收件人", "write [\"duty@example.org\"] · 写收件邮箱");
    }
    if let Some(strange) = mail.to.iter().find(|to| !is_address(to)) {
        wrong("mail.to", strange, "mail addresses · 邮箱地址", "write [\"duty@example.org\"] · 写收件邮箱");
    }
}
