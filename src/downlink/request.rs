//! A request as it comes in: typed JSON, never text for a frame.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The longest request in bytes.
pub const REQUEST_MAX: usize = 8 * 1024;
/// The longest id, author and reason in bytes.
const ID_MAX: usize = 64;
const AUTHOR_MAX: usize = 64;
const WHY_MAX: usize = 512;
/// The longest expiry that a request may ask for, in seconds: 30 days.
const EXPIRES_MAX: u64 = 30 * 24 * 3600;

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
    pub(super) expires: Option<u64>,
    /// What the status document asked for.
    pub(super) confirm: Option<String>,
}

impl Request {
    pub(super) fn read(body: &[u8]) -> Result<Request, Refusal> {
        if body.len() > REQUEST_MAX {
            return Err(Refusal::TooLong);
        }
        let request: Request = serde_json::from_slice(body).map_err(|_| Refusal::Json)?;
        let one = request.command.is_some() != request.confirm.is_some();
        let plain = |text: &str, max: usize| (1..=max).contains(&text.len()) && !text.chars().any(char::is_control);
        let bounded = plain(&request.author, AUTHOR_MAX) && plain(&request.why, WHY_MAX);
        let expires = request.expires.is_none_or(|seconds| (1..=EXPIRES_MAX).contains(&seconds));
        if one && bounded && expires { Ok(request) } else { Err(Refusal::Json) }
    }
}

/// Whether `id` may be a level of a topic.
pub(super) fn is_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(fits)
}
