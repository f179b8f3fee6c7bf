//! The forms that the other sides want.
//!
//! * WeCom: <https://developer.work.weixin.qq.com/document/path/91770>, markdown of at most 4096 bytes, errcode 0.
//! * DingTalk: sign = base64(HMAC-SHA256(secret, "TIMESTAMP\nSECRET")), timestamp in milliseconds, both in the query; errcode 0.
//! * Feishu: sign = base64(HMAC-SHA256(key "TIMESTAMP\nSECRET", nothing)), timestamp in seconds, both in the body; code 0.
//! * Webhook: the body as published; `X-HJ212-Signature: sha256=HEX` of HMAC-SHA256(secret, "TIMESTAMP.BODY") with `X-HJ212-Timestamp` in seconds.
//!
//! All four are as their makers describe them; certainty R (recalled). What must stay true: nothing of a secret is in a text; a text is at most
//! [`TEXT_MAX`] bytes, and what cuts it is said in it.

use data_encoding::{BASE64, HEXLOWER};
use ring::hmac;
use serde_json::{Value, json};

use super::names::Names;
use super::queue::{Item, Outcome};
use super::settings::Kind;
use super::words::PushedText;

/// The longest text for people, bytes: WeCom takes 4096.
const TEXT_MAX: usize = 3500;

/// A request to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What is put behind the address's query; empty: nothing.
    pub query: String,
    /// Headers besides those of every request.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// The request for `item`, made at `now` (milliseconds since 1970). `names`: for texts. `secret`: empty: none.
#[must_use]
pub fn form(kind: Kind, item: &Item, names: &dyn Names, secret: &[u8], now: i64) -> Form {
    let seconds = (now / 1000).to_string();
    let mut headers = vec![("x-hj212-id", header(&item.id))];
    let mut query = String::new();
    let body = match kind {
        Kind::Webhook => {
            headers.push(("x-hj212-kind", header(&item.kind)));
            if !secret.is_empty() {
                let text = [seconds.as_bytes(), b".", &item.body].concat();
                headers.push(("x-hj212-signature", format!("sha256={}", HEXLOWER.encode(&sign(secret, &text)))));
                headers.push(("x-hj212-timestamp", seconds));
            }
            item.body.to_vec()
        }
        Kind::Wecom => {
            json!({ "msgtype": "markdown", "markdown": { "content": text(item, names) } }).to_string().into_bytes()
        }
        Kind::Dingtalk => {
            if !secret.is_empty() {
                let stamp = now.to_string();
                let text = [stamp.as_bytes(), b"\n", secret].concat();
                query = format!("timestamp={stamp}&sign={}", escaped(&BASE64.encode(&sign(secret, &text))));
            }
            let markdown = json!({ "title": title(item, names), "text": text(item, names) });
            json!({ "msgtype": "markdown", "markdown": markdown }).to_string().into_bytes()
        }
        Kind::Feishu => {
            let mut body = json!({ "msg_type": "text", "content": { "text": text(item, names) } });
            if !secret.is_empty() {
                let key = [seconds.as_bytes(), b"\n", secret].concat();
                body["sign"] = BASE64.encode(&sign(&key, b"")).into();
                body["timestamp"] = seconds.into();
            }
            body.to_string().into_bytes()
        }
        Kind::Mail => text(item, names).into_bytes(),
    };
    Form { query, headers, body }
}

/// What can stand in a header: anything else is left out.
fn header(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(200).collect()
}

fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// What an answer says: its status, and of robots its body.
#[must_use]
pub fn outcome(kind: Kind, status: u16, body: &[u8]) -> Outcome {
    match status {
        200..=299 => {}
        // Busy, or too early.
        408 | 425 | 429 => return Outcome::Away,
        400..=499 => return Outcome::Refused,
        // Redirects are not followed: somebody must put the address right.
        _ => return Outcome::Away,
    }
    let code = || -> Option<i64> {
        let said: Value = serde_json::from_slice(body).ok()?;
        said["errcode"].as_i64().or(said["code"].as_i64()).or(said["StatusCode"].as_i64())
    };
    match kind {
        Kind::Webhook | Kind::Mail => Outcome::Taken,
        Kind::Wecom | Kind::Dingtalk | Kind::Feishu => match code() {
            Some(0) => Outcome::Taken,
            // Too many messages: WeCom 45009, DingTalk 410100 and 130101, Feishu 9499 and 11232.
            Some(45009 | 410_100 | 130_101 | 9499 | 11_232) | None => Outcome::Away,
            Some(_) => Outcome::Refused,
        },
    }
}

/// The text for people: a title, then what [`super::words`] makes of the message, then its id.
#[must_use]
pub fn text(item: &Item, names: &dyn Names) -> String {
    let told = PushedText::of(item, names);
    let mut lines = vec![told.title()];
    lines.extend(told.lines(names));
    lines.push(format!("编号 {}", item.id));
    let text = lines.join("\n");
    if text.len() <= TEXT_MAX {
        return text;
    }
    // The id stands at the end: what is cut out is between.
    let end = format!("…(已截断)\n编号 {}", item.id);
    let cut = text.floor_char_boundary(TEXT_MAX.saturating_sub(end.len()));
    format!("{}{end}", text.get(..cut).unwrap_or_default())
}

/// One line for people.
#[must_use]
pub fn title(item: &Item, names: &dyn Names) -> String {
    PushedText::of(item, names).title()
}
