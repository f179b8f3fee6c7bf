//! A request as it comes in: typed JSON, never text for a frame.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::moment::{DateTrust, Moment, later};
use super::refusal::{About, Fault, Refusal};
use hj212_model::message::Timestamp;
pub use hj212_model::message::topic::is_id;

/// The longest request in bytes.
pub const REQUEST_MAX: usize = 8 * 1024;
/// The longest author and reason in bytes.
const AUTHOR_MAX: usize = 64;
const WHY_MAX: usize = 512;
/// What stands before the role in an author that the broker vouches for; in full width and small it looks the same.
pub(super) const VOUCHES: [char; 3] = ['@', '\u{FF20}', '\u{FE6B}'];
/// The beginnings of the ids that the gateway gives itself: recalls, what a new station is told, clocks, keys, MNs.
const OWN_IDS: [&str; 5] = ["recall-", "first-", "clock-", "key-", "register-"];
/// The longest expiry that a request may ask for, in seconds: 30 days.
const EXPIRES_MAX: u64 = 30 * 24 * 3600;
/// How far `asked_at` may lie ahead: clocks of two computers differ.
const AHEAD_MAX: Duration = Duration::from_secs(300);

/// The fields of a request.
const FIELDS: [&str; 8] = ["command", "author", "why", "parameters", "expires", "asked_at", "confirm", "cancel"];

/// What stands in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// The command's name; absent in a confirmation.
    pub(super) command: Option<String>,
    /// Who wants it.
    pub(super) author: String,
    /// Why.
    pub(super) why: String,
    /// The command's parameters.
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
    /// How many seconds it may wait.
    #[serde(default, deserialize_with = "seconds")]
    pub(super) expires: Option<u64>,
    /// When it was asked, RFC 3339 with an offset; `expires` counts from then. Left out: from when it is taken.
    pub(super) asked_at: Option<String>,
    /// What the status document asked for.
    pub(super) confirm: Option<String>,
    /// Whether the request of this id is taken back.
    #[serde(default)]
    pub(super) cancel: bool,
}

/// A request as it came in.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The station that the topic names.
    pub mn: &'a str,
    /// The id that the topic names.
    pub id: &'a str,
    /// The role that the topic names, which the broker vouches for by its access list.
    pub role: Option<&'a str>,
    /// The request itself, with its secrets in place.
    pub body: &'a [u8],
    /// The request as it was published: its length and hash are kept of a refusal.
    pub published: &'a [u8],
    /// How long the broker says that it may still wait (message expiry of MQTT 5).
    pub left: Option<Duration>,
    /// Whether what is secret in it came sealed or from a file.
    pub hidden: bool,
    /// Whether it gives a key itself (`NewSK`), and none is to be made.
    pub given: bool,
    /// Whether another station is registered with, or was given, the MN that it gives ([`super::Desk::gives_mn`]).
    pub mn_taken: bool,
}

impl<'a> Ask<'a> {
    /// A request without a role.
    #[must_use]
    pub const fn new(mn: &'a str, id: &'a str, body: &'a [u8]) -> Ask<'a> {
        Ask { mn, id, role: None, body, published: body, left: None, hidden: false, given: false, mn_taken: false }
    }
}

/// What is no whole number is one that is out of range, so that its field can be named.
fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let said = Option::<Value>::deserialize(from)?;
    Ok(said.map(|said| said.as_u64().unwrap_or_default()))
}

/// Whether the gateway may give an id itself.
pub(super) fn is_own_id(id: &str) -> bool {
    OWN_IDS.iter().any(|own| id.starts_with(own))
}

impl Request {
    /// Reads what is asked. The author of a request that no role vouches for has no sign of one.
    pub(super) fn of(ask: &Ask<'_>) -> Result<Request, Fault> {
        let request = Request::read(ask.body)?;
        if ask.role.is_none() && request.author.contains(VOUCHES) {
            let must = (
                "不带角色的主题上,author 不得含“@”".to_owned(),
                "without \"@\", for the topic names no role that would vouch for it".to_owned(),
            );
            let about = About::new("author", Some(&Value::from(request.author)), must);
            return Err(Fault { reason: Refusal::AuthorRole, about: Some(about) });
        }
        Ok(request)
    }

    pub(super) fn read(body: &[u8]) -> Result<Request, Fault> {
        if body.len() > REQUEST_MAX {
            return Err(Refusal::TooLong.into());
        }
        let wrong = |parameter: &str, zh: &str, en: &str| {
            let about = About::new(parameter, None, (zh.to_owned(), en.to_owned()));
            Fault { reason: Refusal::Json, about: Some(about) }
        };
        if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
            if let Some(missing) = ["author", "why"].into_iter().find(|name| !fields.contains_key(*name)) {
                return Err(wrong(missing, "必填", "it must be there"));
            }
            if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
                let known = FIELDS.join(", ");
                return Err(wrong(unknown, &format!("可用字段:{known}"), &format!("one of the fields {known}")));
            }
        }
        let request: Request = serde_json::from_slice(body).map_err(|error| {
            // A syntax error's text names no value; that of a wrong type can hold a secret, so only its place is told.
            let en = format!("an object of the documented fields; line {}, column {}", error.line(), error.column());
            wrong("request", &format!("符合说明的 JSON 对象(第 {} 行第 {} 列)", error.line(), error.column()), &en)
        })?;
        let forms = [request.command.is_some(), request.confirm.is_some(), request.cancel];
        let plain = |text: &str, max: usize| (1..=max).contains(&text.len()) && !text.chars().any(char::is_control);
        if forms.iter().filter(|form| **form).count() != 1 {
            return Err(wrong("command", "command、confirm、cancel 三者之一", "one of command, confirm and cancel"));
        }
        if !plain(&request.author, AUTHOR_MAX) {
            return Err(wrong("author", "1 至 64 字节,无控制字符", "1 to 64 bytes without control characters"));
        }
        if !plain(&request.why, WHY_MAX) {
            return Err(wrong("why", "1 至 512 字节,无控制字符", "1 to 512 bytes without control characters"));
        }
        if !request.expires.is_none_or(|seconds| (1..=EXPIRES_MAX).contains(&seconds)) {
            let en = format!("a whole number of seconds from 1 to {EXPIRES_MAX}");
            return Err(wrong("expires", &format!("1 至 {EXPIRES_MAX} 秒的整数"), &en));
        }
        Ok(request)
    }

    /// Until when it may wait, of the request `ask` that is taken `now`; `expiry` if it does not say itself. `dated`: it must say when it was
    /// asked, or the broker how long it may wait.
    pub(super) fn until(
        &self,
        ask: &Ask<'_>,
        (expiry, dated): (Duration, bool),
        now: Moment,
    ) -> Result<Timestamp, Fault> {
        let asked = match &self.asked_at {
            None if dated && ask.left.is_none() => return Err(Refusal::Undated.into()),
            None => now.wall,
            Some(text) => {
                let fault = |reason: Refusal| {
                    let minutes = AHEAD_MAX.as_secs() / 60;
                    let must = (
                        format!("带时区的 RFC 3339 时间,最多比现在晚 {minutes} 分钟"),
                        format!("a time of RFC 3339 with an offset, at most {minutes} min ahead of now"),
                    );
                    let about = About::new("asked_at", Some(&Value::from(text.as_str())), must);
                    Fault { reason, about: Some(about) }
                };
                let asked: jiff::Timestamp = text.parse().map_err(|_| fault(Refusal::AskedAt))?;
                let asked = Timestamp(asked.as_microsecond());
                if asked > later(now.wall, AHEAD_MAX) {
                    let known = now.trust == DateTrust::Right;
                    return Err(fault(if known { Refusal::AskedAt } else { Refusal::ClockDoubted }));
                }
                asked.min(now.wall)
            }
        };
        let own = later(asked, self.expires.map_or(expiry, Duration::from_secs));
        let until = ask.left.map_or(own, |left| own.min(later(now.wall, left)));
        if until <= now.wall { Err(Refusal::Overdue.into()) } else { Ok(until) }
    }
}
