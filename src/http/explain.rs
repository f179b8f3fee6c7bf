//! `POST /api/explain`: what a pasted frame says and what is wrong with it, as `decode --json` says it. Nothing is stored, sent or changed.
//!
//! What must stay true: a paste has at most [`PASTE_MAX`] bytes; at most [`AT_ONCE_MAX`] are read at a time and [`A_MINUTE_MAX`] a minute,
//! so that nobody takes the stations' processor; pages from elsewhere are refused, as their readers did not ask; at most [`SHOWN_MAX`] things
//! are explained, the rest is counted; no key of a station is used, for whoever sees the page need not see what stations encrypt.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::host::is_own;
use hj212_explain::{self as explain, Desk, Explained};

/// The longest paste in bytes.
const PASTE_MAX: usize = 64 * 1024;
/// Pastes that are read at a time.
const AT_ONCE_MAX: usize = 2;
/// Pastes that are read in a minute.
const A_MINUTE_MAX: u32 = 120;
/// Frames and other things of one paste that are explained.
const SHOWN_MAX: usize = 64;

/// What bounds the work.
struct Bounds {
    places: Arc<Semaphore>,
    /// When this minute began, and how many it had.
    minute: Mutex<(Instant, u32)>,
    names: Arc<[String]>,
}

/// The answer.
#[derive(Serialize)]
struct Read {
    /// How the paste was read, from the outside in, in Chinese and English.
    read_as: Vec<Form>,
    frames: Vec<Explained>,
    /// How many more there were.
    left_out: usize,
}

#[derive(Serialize)]
struct Form {
    code: &'static str,
    zh: &'static str,
    en: &'static str,
}

/// The route, for a server that is known by `names`.
pub(super) fn routes(names: Arc<[String]>) -> Router {
    let bounds =
        Bounds { places: Arc::new(Semaphore::new(AT_ONCE_MAX)), minute: Mutex::new((Instant::now(), 0)), names };
    Router::new().route("/api/explain", post(read)).layer(DefaultBodyLimit::max(PASTE_MAX)).with_state(Arc::new(bounds))
}

impl Bounds {
    /// Whether one more may be read in this minute.
    fn one_more(&self, now: Instant) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(minute.0) >= Duration::from_secs(60) {
            *minute = (now, 0);
        }
        minute.1 = minute.1.saturating_add(1);
        minute.1 <= A_MINUTE_MAX
    }
}

/// Whether a page from elsewhere asks: a browser says so itself.
fn is_foreign(headers: &HeaderMap, names: &[String]) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = text(header::ORIGIN.as_str()).is_some_and(|origin| match origin.split_once("://") {
        // Another port on this machine is another page too.
        Some((_, host)) => !is_own(host, names) || text(header::HOST.as_str()).is_some_and(|own| own != host),
        None => true,
    });
    site || origin
}

async fn read(State(bounds): State<Arc<Bounds>>, headers: HeaderMap, body: Bytes) -> Response {
    let refused = |status: StatusCode, what: &str| (status, Json(json!({ "error": what }))).into_response();
    if is_foreign(&headers, &bounds.names) {
        return refused(StatusCode::FORBIDDEN, "only the page of this gateway may ask");
    }
    if !bounds.one_more(Instant::now()) {
        return refused(StatusCode::TOO_MANY_REQUESTS, "too many pastes in this minute; try again in a minute");
    }
    let Ok(place) = Arc::clone(&bounds.places).try_acquire_owned() else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "others are reading pastes; try again");
    };
    let read = tokio::task::spawn_blocking(move || {
        let read = explained(&body);
        drop(place);
        read
    });
    match read.await {
        Ok(read) => Json(read).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn explained(bytes: &[u8]) -> Read {
    let paste = explain::read(bytes);
    let mut desk = Desk::new(Vec::new());
    let now = hj212_model::clock::now();
    let (mut frames, mut left_out) = (Vec::new(), 0);
    let mut rest: &[u8] = &paste.bytes;
    while !rest.is_empty() {
        let step = explain::step(rest);
        rest = rest.get(step.used.max(1)..).unwrap_or_default();
        let Some(item) = step.item else { continue };
        if frames.len() < SHOWN_MAX {
            frames.push(desk.explain(&item, now));
        } else {
            left_out += 1;
        }
    }
    let form = |form: &explain::Form| {
        let (zh, en) = form.explain();
        Form { code: form.code(), zh, en }
    };
    Read { read_as: paste.forms.iter().map(form).collect(), frames, left_out }
}

#[cfg(test)]
mod tests {
    use super::super::connections::{self, CONNECTIONS_MAX, Listener};
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::sync::{CancellationToken, DropGuard};

    const FRAME: &str = "##0130QN=20260401101500000;ST=32;CN=2011;PW=123456;MN=88888880000001;Flag=5;CP=&&DataTime=20260401101500;w01018-Rtd=20.10,w01018-Flag=N&&";

    /// A server with this route alone, until the guard is dropped.
    async fn open() -> (std::net::SocketAddr, DropGuard) {
        let listener = Listener::bind(&super::super::Address::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let app = routes(Arc::from(vec!["gw.example".to_owned()]));
        tokio::spawn(connections::open(listener, app, CONNECTIONS_MAX, stop.clone()));
        (at, stop.drop_guard())
    }

    /// The status of the answer and its body.
    async fn ask(at: std::net::SocketAddr, header: &str, body: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
        let (length, host) = (body.len(), "Host: 127.0.0.1:9080");
        let head = format!("POST /api/explain HTTP/1.0\r\n{host}\r\n{header}Content-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // A body that is too long is not read to its end.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        let said = String::from_utf8(said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {said}"));
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn a_paste_is_explained_and_its_numbers_stay_as_they_were_written() {
        let (at, _open) = open().await;
        let (status, said) = ask(at, "", &format!("2026-04-01 RX: {FRAME}0000\r\n")).await;
        assert_eq!(status, 200, "{said}");
        for part in ["20.10", "crc-mismatch", "\"mn\":\"88888880000001\"", "\"crc_said\":\"0000\"", "\"changes\":[{"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(!said.contains("123456"), "no password is shown: {said}");
        assert!(ask(at, "", "").await.1.contains("\"frames\":[]"));
        let many = format!("{FRAME}0000\r\n").repeat(100);
        let said: serde_json::Value = serde_json::from_str(&ask(at, "", &many).await.1).unwrap();
        assert_eq!((said["frames"].as_array().unwrap().len(), &said["left_out"]), (SHOWN_MAX, &36.into()));
    }

    #[tokio::test]
    async fn pages_from_elsewhere_long_pastes_and_too_many_are_refused() {
        let (at, _open) = open().await;
        for (name, value, status) in [
            ("origin", "https://other.example", 403),
            ("origin", "null", 403),
            ("origin", "http://127.0.0.1:8000", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "same-origin", 200),
            ("origin", "http://127.0.0.1:9080", 200),
        ] {
            assert_eq!(ask(at, &format!("{name}: {value}\r\n"), FRAME).await.0, status, "{name}: {value}");
        }
        assert_eq!(ask(at, "", &"#".repeat(PASTE_MAX + 1)).await.0, 413);
        let mut refused = 0;
        for _ in 0..A_MINUTE_MAX {
            refused += u32::from(ask(at, "", "").await.0 == 429);
        }
        assert_eq!(refused, 2, "two were read before");
    }
}
