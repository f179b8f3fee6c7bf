//! Routes and answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query as Asked, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::connections::{self, Listener};
use super::host::is_own;
use super::{Check, CheckState, HISTORIES_MAX, JudgementQuestion, VIEWERS_MAX, View, change, explain, page};
use crate::board::Query;

/// How often live viewers hear.
const LIVE_EVERY: Duration = Duration::from_secs(1);

/// The hours of history asked for at most.
const HOURS_MAX: u32 = 24;

/// The type of metrics in the classic text format of Prometheus.
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The type of OpenMetrics texts.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Server {
    view: Arc<dyn View>,
    viewers: Arc<AtomicUsize>,
    histories: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Serves `view` until `stop` to whoever asks for an address, `localhost` or one of `names`.
pub async fn serve(
    listener: Listener,
    view: Arc<dyn View>,
    names: Vec<String>,
    connections_max: usize,
    stop: CancellationToken,
) {
    let changing = change::routes(&view);
    let names: Arc<[String]> = Arc::from(names);
    let server = Server {
        view,
        viewers: Arc::default(),
        histories: Arc::new(Semaphore::new(HISTORIES_MAX)),
        stop: stop.clone(),
    };
    let app = Router::new()
        .route("/", get(page::page))
        .route("/health", get(async |State(server): State<Server>| checked(&server.view.health())))
        .route("/ready", get(async |State(server): State<Server>| checked(&server.view.ready())))
        .route(
            "/metrics",
            get(async |State(server): State<Server>, asked: HeaderMap| metrics(server.view.metrics(), &asked)),
        )
        .route(
            "/metrics/stations",
            get(async |State(server): State<Server>, asked: HeaderMap| metrics(server.view.station_metrics(), &asked)),
        )
        .route("/api/overview", get(async |State(server): State<Server>| Json(server.view.overview())))
        .route(
            "/api/stations",
            get(async |State(server): State<Server>, Asked(query): Asked<Query>| Json(server.view.stations(&query))),
        )
        .route("/api/station/{mn}", get(station))
        .route("/api/station/{mn}/history", get(history))
        .route("/api/rejected", get(async |State(server): State<Server>| Json(server.view.rejected())))
        .route("/api/words", get(async |State(server): State<Server>| Json(server.view.words())))
        .route(
            "/api/alerts",
            get(async |State(server): State<Server>| judged(&server, JudgementQuestion::Alerts).await),
        )
        .route("/api/cases", get(async |State(server): State<Server>| judged(&server, JudgementQuestion::Cases).await))
        .route(
            "/api/scores",
            get(async |State(server): State<Server>, Asked(MonthAsked { month }): Asked<MonthAsked>| {
                judged(&server, JudgementQuestion::Scores(month)).await
            }),
        )
        .route(
            "/api/case/{mn}/{id}",
            get(async |State(server): State<Server>, Path((mn, id)): Path<(String, String)>| {
                judged(&server, JudgementQuestion::Case(mn, id)).await
            }),
        )
        .route(
            "/api/station/{mn}/days",
            get(async |State(server): State<Server>, Path(mn): Path<String>| {
                judged(&server, JudgementQuestion::Days(mn)).await
            }),
        )
        .route(
            "/api/station/{mn}/day/{day}",
            get(async |State(server): State<Server>, Path((mn, day)): Path<(String, String)>| {
                judged(&server, JudgementQuestion::Day(mn, day)).await
            }),
        )
        .route("/api/live", get(live))
        .with_state(server)
        .merge(changing)
        .merge(explain::routes(Arc::clone(&names)));
    connections::open(listener, app.layer(middleware::from_fn_with_state(names, known)), connections_max, stop).await;
}

/// Refuses requests that were meant for another name: a page from elsewhere, whose name was made to point here, must not read what is shown.
/// Addresses, `localhost`, the given names and requests without a name pass; one with two names, or one that is no text, is no good request
/// (RFC 9112, 3.2).
async fn known(State(names): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().ok()).collect();
    match hosts.as_slice() {
        [] => return next.run(request).await,
        [Some(host)] if is_own(host, &names) => return next.run(request).await,
        [Some(_)] => {}
        _ => return (StatusCode::BAD_REQUEST, "one Host header, please\n").into_response(),
    }
    let what = "this server is known by its address and as localhost; name others in http.names\n";
    (StatusCode::MISDIRECTED_REQUEST, what).into_response()
}

fn checked(checks: &[Check]) -> Response {
    let good = checks.iter().all(|check| check.state != CheckState::Fail);
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let line = |check: &Check| format!("{} {}: {}\n", check.state.word(), check.name, check.what);
    (status, checks.iter().map(line).collect::<String>()).into_response()
}

/// Metrics as OpenMetrics, or in the classic format for who does not ask for that: `promtool` and older collectors know only the latter.
fn metrics(text: String, asked: &HeaderMap) -> Response {
    let accepts = asked.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (kind, text) = match accepts.into_iter().any(|value| value.contains("application/openmetrics-text")) {
        true => (OPENMETRICS, text),
        false => (CLASSIC, classic(&text)),
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// The same metrics in the classic format: there a counter's name is that of its samples, with `_total`, and there is no end mark.
fn classic(text: &str) -> String {
    let mut counter = "";
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        let (sharp, what, name, rest) = (words.next(), words.next(), words.next(), words.next());
        match (sharp, what, name, rest) {
            (Some("#"), Some(what @ ("TYPE" | "HELP")), Some(name), Some(rest)) => {
                if what == "TYPE" && rest == "counter" {
                    counter = name;
                }
                let total = if name == counter { "_total" } else { "" };
                out.push_str(&format!("# {what} {name}{total} {rest}\n"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// JSON that is there as text.
fn told(json: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}

async fn station(State(server): State<Server>, Path(mn): Path<String>) -> Response {
    match server.view.station(&mn) {
        Some(station) => told(station),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "no such station" }))).into_response(),
    }
}

async fn judged(server: &Server, asked: JudgementQuestion) -> Response {
    match server.view.judged(asked).await {
        Ok(Some(known)) => Json(known).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, Json(json!({ "error": "no such station, day or case" }))).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": why }))).into_response(),
    }
}

#[derive(Deserialize)]
struct MonthAsked {
    month: Option<String>,
}

#[derive(Deserialize)]
struct Hours {
    #[serde(default = "three")]
    hours: u32,
}

fn three() -> u32 {
    3
}

async fn history(
    State(server): State<Server>,
    Path(mn): Path<String>,
    Asked(Hours { hours }): Asked<Hours>,
) -> Response {
    let busy = || (StatusCode::SERVICE_UNAVAILABLE, "others are reading the journal; try again\n").into_response();
    let Ok(permit) = Arc::clone(&server.histories).try_acquire_owned() else { return busy() };
    let read = tokio::task::spawn_blocking(move || {
        let history = server.view.history(&mn, hours.clamp(1, HOURS_MAX));
        drop(permit);
        history
    });
    match read.await {
        Ok(history) => told(history),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Counts a viewer out when its stream is dropped.
struct Viewer(Arc<AtomicUsize>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn live(State(server): State<Server>, Asked(query): Asked<Query>) -> Response {
    let viewer = Viewer(Arc::clone(&server.viewers));
    if server.viewers.fetch_add(1, Ordering::Relaxed) >= VIEWERS_MAX {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many viewers\n").into_response();
    }
    let first = true;
    let events =
        futures_util::stream::unfold((server, query, viewer, first), async |(server, query, viewer, first)| {
            if !first {
                tokio::select! {
                    () = tokio::time::sleep(LIVE_EVERY) => {}
                    () = server.stop.cancelled() => return None,
                }
            }
            let news = json!({ "overview": server.view.overview(), "stations": server.view.stations(&query) });
            let event = Event::default().data(news.to_string());
            Some((Ok::<_, Infallible>(event), (server, query, viewer, false)))
        });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
