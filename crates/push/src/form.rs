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

use super::queue::{Item, Outcome};
use super::settings::Kind;

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

/// The request for `item`, made at `now` (milliseconds since 1970). `secret`: empty: none.
#[must_use]
pub fn form(kind: Kind, item: &Item, secret: &[u8], now: i64) -> Form {
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
        Kind::Wecom => json!({ "msgtype": "markdown", "markdown": { "content": text(item) } }).to_string().into_bytes(),
        Kind::Dingtalk => {
            if !secret.is_empty() {
                let stamp = now.to_string();
                let text = [stamp.as_bytes(), b"\n", secret].concat();
                query = format!("timestamp={stamp}&sign={}", escaped(&BASE64.encode(&sign(secret, &text))));
            }
            let markdown = json!({ "title": title(item), "text": text(item) });
            json!({ "msgtype": "markdown", "markdown": markdown }).to_string().into_bytes()
        }
        Kind::Feishu => {
            let mut body = json!({ "msg_type": "text", "content": { "text": text(item) } });
            if !secret.is_empty() {
                let key = [seconds.as_bytes(), b"\n", secret].concat();
                body["sign"] = BASE64.encode(&sign(&key, b"")).into();
                body["timestamp"] = seconds.into();
            }
            body.to_string().into_bytes()
        }
        Kind::Mail => text(item).into_bytes(),
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

/// One line for people.
#[must_use]
pub fn title(item: &Item) -> String {
    let said: Value = serde_json::from_slice(&item.body).unwrap_or_default();
    let word = |at: &Value| at.as_str().unwrap_or_default().to_owned();
    let name = if said["station"]["name"].is_string() { word(&said["station"]["name"]) } else { word(&said["mn"]) };
    let name = if name.is_empty() { word(&said["gateway"]) } else { name };
    let colour = match said["colour"].as_str().or(said["detail"]["colour"].as_str()) {
        Some("blue") => "【蓝】",
        Some("yellow") => "【黄】",
        Some("orange") => "【橙】",
        Some("red") => "【红】",
        _ => "",
    };
    let title = format!("{colour}{} {name}", zh(&item.kind));
    title.chars().filter(|c| !c.is_control()).take(120).collect()
}

/// The kinds that people meet most, in Chinese; others stay as they are.
fn zh(kind: &str) -> &str {
    match kind {
        "alert" => "预警",
        "online" => "上线",
        "offline" => "离线",
        "gap" => "数据缺失",
        "gap-closed" => "缺失结束",
        "mark-conflict" => "标记与数据矛盾",
        "mark-ruled" => "标记裁定",
        "limit-spent" => "豁免时长用尽",
        "clock-drift" => "时钟偏差",
        "clone-suspected" => "疑似一号两用",
        "case-opened" => "案件立案",
        "case-overdue" => "案件逾期",
        "case-relapsed" => "再次超标",
        "case-closed" => "案件销号",
        "alert-ahead" => "临近预警",
        "alert-reminder" => "预警提醒",
        "command" => "反控结果",
        "key" => "密钥",
        "hj212.alert/1" => "预警单",
        "hj212.case/1" => "案件",
        "hj212.command/1" => "反控状态",
        "hj212.case-step-status/1" => "案件步骤答复",
        "hj212.score/1" => "站点月评分",
        "hj212.operator-score/1" => "运维单位月评分",
        "hj212.ledger-status/1" => "运维台账答复",
        "hj212.mark-entry-status/1" => "人工标记答复",
        "hj212.mark-ruling-status/1" => "标记裁定答复",
        super::TEST_KIND => "【测试】推送测试",
        other => other,
    }
}

/// The text for people: title, time, explanation or detail.
#[must_use]
pub fn text(item: &Item) -> String {
    let said: Value = serde_json::from_slice(&item.body).unwrap_or_default();
    let mut lines = vec![title(item)];
    if let Some(time) = said["time"].as_str() {
        lines.push(format!("时间 {time}"));
    }
    if let Some(mn) = said["mn"].as_str() {
        lines.push(format!("MN {mn}"));
    }
    match said["explain"]["zh"].as_str().or(said["detail"]["zh"].as_str()) {
        Some(zh) => lines.push(zh.to_owned()),
        None if !said["detail"].is_null() => lines.push(said["detail"].to_string()),
        None => {}
    }
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
