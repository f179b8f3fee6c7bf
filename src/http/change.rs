//! What can be changed through the operators' HTTP server, by whoever has the token of `[http] token_file`: what is logged, and nothing that
//! touches data.
//!
//! What must stay true: without a token file nothing can be changed; the token is compared in constant time and read anew for each
//! request, so that a replaced one holds at once; whoever is turned away is counted.

use std::net::SocketAddr;
use std::path::Path as File;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Refused, View};

/// The shortest token that is accepted, in characters.
pub const TOKEN_MIN: usize = 16;

/// The longest body of a request to change something.
const BODY_MAX: usize = 4096;

/// The routes that change something; `GET /api/wire` shows what is chosen to everybody.
pub(super) fn routes(view: &Arc<dyn View>) -> Router {
    let changing = Router::new()
        .route("/api/wire/{mn}", post(wire))
        .route("/api/log", post(log))
        .layer(middleware::from_fn_with_state(Arc::clone(view), admitted))
        .layer(DefaultBodyLimit::max(BODY_MAX));
    let seeing = Router::new().route("/api/wire", get(async |State(view): State<Arc<dyn View>>| Json(view.wires())));
    changing.merge(seeing).with_state(Arc::clone(view))
}

/// Lets through who has the token.
async fn admitted(State(view): State<Arc<dyn View>>, request: Request, next: Next) -> Response {
    let verdict = check(view.token_file(), request.headers());
    let Err((status, what)) = verdict else { return next.run(request).await };
    view.turned_away(request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0));
    let mut answer = said(status, what);
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Whether the request carries the token that stands in `file`.
fn check(file: Option<&File>, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    let Some(file) = file else {
        return Err((StatusCode::FORBIDDEN, "read-only: http.token_file is not set"));
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_first_chunk::<7>());
    let Some((_, given)) = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer ")) else {
        return Err((StatusCode::UNAUTHORIZED, "send Authorization: Bearer TOKEN, the token of http.token_file"));
    };
    let token = std::fs::read(file).unwrap_or_default();
    let token = token.trim_ascii();
    if token.len() < TOKEN_MIN {
        return Err((
            StatusCode::FORBIDDEN,
            "read-only: http.token_file cannot be read or holds fewer than 16 characters",
        ));
    }
    if same(given.trim_ascii(), token) { Ok(()) } else { Err((StatusCode::FORBIDDEN, "the token is wrong")) }
}

/// Compares in a time that tells nothing of where they differ, nor of the token's length.
fn same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    /// For how long; 0 ends it.
    minutes: u32,
}

async fn wire(State(view): State<Arc<dyn View>>, Path(mn): Path<String>, body: Bytes) -> Response {
    let time = read(&body).map(|wire: Wire| Duration::from_secs(60 * u64::from(wire.minutes)));
    outcome(time.and_then(|time| view.wire(&mn, time)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    /// As `log.level` in the configuration.
    level: String,
}

async fn log(State(view): State<Arc<dyn View>>, body: Bytes) -> Response {
    outcome(read(&body).and_then(|log: Log| view.log(&log.level)))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::Wrong(error.to_string()))
}

fn outcome(done: Result<serde_json::Value, Refused>) -> Response {
    match done {
        Ok(done) => Json(done).into_response(),
        Err(Refused::Unknown(what)) => said(StatusCode::NOT_FOUND, &what),
        Err(Refused::Wrong(what)) => said(StatusCode::BAD_REQUEST, &what),
        Err(Refused::Full(what)) => said(StatusCode::CONFLICT, &what),
    }
}

fn said(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        let value = HeaderValue::from_str(authorization).unwrap();
        [(header::AUTHORIZATION, value)].into_iter().collect()
    }

    #[test]
    fn only_the_token_lets_change_what_is_logged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let of =
            |file: Option<&File>, headers: &HeaderMap| check(file, headers).err().map(|(status, _)| status.as_u16());
        let good = headers("Bearer 0123456789abcdef");
        assert_eq!(of(None, &good), Some(403), "no token file: read-only");
        assert_eq!(of(Some(&file), &good), Some(403), "it is not there");
        std::fs::write(&file, "short\n").unwrap();
        assert_eq!(of(Some(&file), &headers("Bearer short")), Some(403), "anybody guesses that");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        assert_eq!(of(Some(&file), &good), None);
        assert_eq!(of(Some(&file), &headers("bearer 0123456789abcdef")), None, "schemes have no case (RFC 9110, 11.1)");
        assert_eq!(of(Some(&file), &HeaderMap::new()), Some(401));
        for (wrong, status) in
            [("Basic 0123456789abcdef", 401), ("Bearer", 401), ("Bearer 0123456789abcdeg", 403), ("Bearer ", 403)]
        {
            assert_eq!(of(Some(&file), &headers(wrong)), Some(status), "{wrong}");
        }
        std::fs::write(&file, "").unwrap();
        assert_eq!(of(Some(&file), &headers("Bearer ")), Some(403), "an empty token is none");
    }
}
