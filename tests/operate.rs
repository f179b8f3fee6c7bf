//! The gateway as operators see and change it while it runs: health, metrics, page data, reloads, restarts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gateway::{Gateway, ask, free_port, get, ledger};
use hj212_simulator as sim;
use tokio_util::sync::CancellationToken;

/// The status of a `POST` with whatever `authorization` says.
fn post(port: u16, path: &str, authorization: &str, body: &str) -> (u16, String) {
    let length = body.len();
    ask(
        port,
        &format!("POST {path} HTTP/1.0\r\nHost: localhost\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"),
    )
}

fn json(port: u16, path: &str) -> serde_json::Value {
    let (status, body) = get(port, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn options(stations: u32, seconds: u64) -> sim::Options {
    sim::Options {
        stations,
        interval: Duration::from_millis(200),
        duration: Duration::from_secs(seconds),
        speed: Some(1.0),
        answer_timeout: Duration::from_secs(2),
        // On a busy machine the last answers come late.
        drain: Duration::from_secs(60),
        reconnect_min: Duration::from_millis(20),
        reconnect_max: Duration::from_millis(100),
        ..sim::Options::default()
    }
}

fn hang_up(gateway: &Gateway) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(gateway.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

/// Waits until the log holds `text` more than `before` times.
fn logged(gateway: &Gateway, text: &str, before: usize) {
    let until = Instant::now() + Duration::from_secs(30);
    while gateway.log().matches(text).count() <= before {
        assert!(Instant::now() < until, "\"{text}\" is not logged:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_pages_and_histories_say_what_happened() {
    let mut options = options(6, 3);
    let (mut gateway, port) = Gateway::seen(&options, free_port(), "");
    gateway.start();
    options.connect = gateway.listen.to_string();
    let summary = sim::run(options, CancellationToken::new(), |_| {}).await.unwrap();
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    stream
        .write_all(
            b"##0071QN=20260801090000005;ST=32;CN=2011;PW=hidden;MN=021200000000000000000001;Flag=5;CP=&&A=1&&0000\r\n",
        )
        .unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(500)).await;

    assert_eq!(get(port, "/health").0, 200);
    let (status, ready) = get(port, "/ready");
    assert!(status == 200 && ready.contains("backlog"), "no broker, and a small backlog: {ready}");
    let (_, metrics) = get(port, "/metrics");
    let of = |name: &str| -> u64 {
        let line = metrics.lines().find(|line| line.starts_with(&format!("hj212_{name} "))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(of("frames_answered_total"), summary.counts.acked);
    let settled = ["frames_answered", "frames_unasked", "frames_rejected", "frames_unstored", "answers_undelivered"];
    let settled: u64 = settled.iter().map(|name| of(&format!("{name}_total"))).sum();
    assert_eq!(of("frames_heard_total"), settled + of("frames_in_flight"), "heard is what became of it");
    assert_eq!(of("journal_offset"), of("uplink_offset") + of("backlog_records"));
    assert_eq!(of("answer_seconds_count"), of("answer_seconds_bucket{le=\"+Inf\"}"));
    assert!(!metrics.contains("# EOF"), "who does not ask for OpenMetrics gets the classic format");
    assert!(
        metrics.contains("# TYPE hj212_frames_heard_total counter\n"),
        "where a counter's name is that of its samples"
    );
    let wanted = "Accept: application/openmetrics-text; version=1.0.0";
    let (_, open) = gateway::ask(port, &format!("GET /metrics HTTP/1.0\r\nHost: localhost\r\n{wanted}\r\n\r\n"));
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE hj212_frames_heard counter\n"));
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok()), "{line}");
    }

    let rejected = json(port, "/api/rejected");
    assert_eq!(rejected[0]["reason"], "crc-mismatch", "{rejected}");
    let page = json(port, "/api/stations?rows=2&text=%E6%A8%A1%E6%8B%9F");
    assert_eq!((&page["found"], page["rows"].as_array().unwrap().len()), (&6.into(), 2));
    let history = json(port, "/api/station/021200000000000000000001/history?hours=1");
    assert_eq!(history["frames"][0]["reason"], "crc-mismatch");
    assert!(history["frames"].as_array().unwrap().len() > 5 && !history["series"].as_array().unwrap().is_empty());
    assert!(!history.to_string().contains("hidden") && !rejected.to_string().contains("hidden"), "PW is never shown");
    assert_eq!(get(port, "/api/station/nobody").0, 404);
    let (status, html) = get(port, "/");
    assert!(status == 200 && html.contains("<!DOCTYPE html>"));
    assert!(!gateway.log().contains("hidden"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_lose_nothing_and_bad_ones_change_nothing() {
    let reloads = if gateway::long() { 1000 } else { 60 };
    let mut options = options(100, if gateway::long() { 100 } else { 10 });
    let (mut gateway, port) = Gateway::seen(&options, free_port(), "");
    options.ledger = Some(gateway.path("ledger"));
    gateway.start();
    options.connect = gateway.listen.to_string();
    let simulated = tokio::spawn(sim::run(options, CancellationToken::new(), |_| {}));
    let file = gateway.path("stations.toml");
    let stations = std::fs::read_to_string(&file).unwrap();
    for number in 0..reloads {
        let good = number % 2 == 0;
        let text =
            if good { format!("{stations}\n[[station]]\nmn = \"R{number}\"\n") } else { format!("{stations}\nbroken") };
        std::fs::write(&file, text).unwrap();
        let word = if good { "stations added" } else { "nothing has changed" };
        let before = gateway.log().matches(word).count();
        hang_up(&gateway);
        logged(&gateway, word, before);
        if !good {
            assert_eq!(json(port, &format!("/api/stations?text=R{}", number - 1))["found"], 1);
        }
    }
    let beside = !simulated.is_finished();
    assert!(beside || !gateway::long(), "all reloads were beside a running crowd");
    let summary = simulated.await.unwrap().unwrap();
    assert_eq!(summary.counts.reconnects, 0, "no session was lost: {summary}");
    assert_eq!((summary.counts.sent, summary.counts.kept), (summary.counts.acked, 0), "{summary}");
    println!("{reloads} reloads beside {} answered packets", summary.counts.acked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_behind_an_inherited_socket_refuse_nobody() {
    let restarts = if gateway::long() { 100 } else { 6 };
    let mut options = options(100, restarts);
    let mut gateway = Gateway::new(&options, free_port(), "");
    options.ledger = Some(gateway.path("ledger"));
    options.connect = gateway.listen.to_string();
    let listener = std::net::TcpListener::bind(gateway.listen).unwrap();
    gateway.start_on(&listener);
    let simulated = tokio::spawn(sim::run(options, CancellationToken::new(), |_| {}));
    let mut slowest = Duration::ZERO;
    for _ in 0..restarts {
        tokio::time::sleep(Duration::from_millis(800)).await;
        let (took, well) = gateway.stop();
        assert!(well, "{}", gateway.log());
        slowest = slowest.max(took);
        gateway.start_on(&listener);
    }
    let summary = simulated.await.unwrap().unwrap();
    assert!(slowest < Duration::from_secs(15), "a stop took {slowest:?}");
    assert_eq!(summary.counts.connect_failures, 0, "nobody was refused: {summary}");
    assert_eq!(summary.counts.kept, 0, "every record was answered in the end: {summary}");
    let answered = ledger(&gateway.path("ledger"));
    gateway.stop();
    let (code, dump, said) = gateway::run(&["journal", "dump", "--dir", "journal"], gateway.folder.path());
    assert_eq!(code, 0, "{said}");
    let stored: std::collections::HashSet<&str> =
        dump.split("DataTime=").skip(1).filter_map(|rest| rest.get(..14)).collect();
    let missing = answered.iter().filter(|a| !stored.contains(&*a.data_time)).count();
    assert_eq!(missing, 0, "answered and not in the journal");
    println!("{restarts} restarts, the slowest stop {slowest:?}, {} answered", answered.len());
}

const TOKEN: &str = "Authorization: Bearer 0123456789abcdef\r\n";

/// A gateway that can be told what to log, and whose lines are of `format`.
fn told(format: &str) -> (Gateway, u16) {
    let more = format!("[log]\nformat = \"{format}\"\n");
    let (mut gateway, port) = Gateway::seen(&options(2, 1), free_port(), &more);
    std::fs::write(gateway.path("token"), "0123456789abcdef\n").unwrap();
    let file = gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[http]\n", "[http]\ntoken_file = \"token\"\n")).unwrap();
    gateway.start();
    (gateway, port)
}

const MN: &str = "021200000000000000000001";

/// A frame of station `mn` whose data area holds `said`.
fn frame(mn: &str, said: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    hj212::write::frame(&mut frame, |out| {
        let head = format!("QN=20261124090000005;ST=32;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261124090000;");
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(said);
        out.extend_from_slice(b"&&");
    });
    frame
}

#[test]
fn whoever_has_the_token_logs_every_frame_of_one_station() {
    let (gateway, port) = told("text");
    let path = format!("/api/wire/{MN}");
    let on = "{\"minutes\":5}";
    for (authorization, status) in [("", 401), ("Authorization: Bearer 0123456789abcdeX\r\n", 403)] {
        assert_eq!(post(port, &path, authorization, on).0, status, "{authorization}");
        assert_eq!(post(port, "/api/log", authorization, "{\"level\":\"trace\"}").0, status);
    }
    assert_eq!(json(port, "/api/wire"), serde_json::json!([]), "nothing was changed");
    assert_eq!(post(port, "/api/wire/nobody", TOKEN, on).0, 404);
    for wrong in ["", "{}", "{\"minutes\":-1}", "{\"minutes\":1,\"mn\":1}"] {
        assert_eq!(post(port, &path, TOKEN, wrong).0, 400, "{wrong}");
    }
    assert_eq!(post(port, &path, TOKEN, on).0, 200);
    assert_eq!(json(port, "/api/wire")[0]["mn"], MN);

    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    stream.write_all(&frame(MN, b"note-Info=\x1b[31m\rERROR forged\x00\x9b\xff")).unwrap();
    logged(&gateway, "way=\"out\"", 0);
    let log = gateway.log();
    let heard = log.lines().find(|line| line.contains("way=\"in\"")).unwrap();
    assert!(heard.contains("PW=******") && heard.contains("\\x1b[31m\\rERROR forged\\x00\\x9b\\xff"), "{heard}");
    assert!(!log.contains("123456"), "PW is never logged:\n{log}");
    assert!(log.bytes().all(|b| b == b'\n' || b >= b' ' && b != 0x7f), "what stations say is escaped");
    assert!(log.lines().all(|line| line.starts_with("20")), "one line an event:\n{log}");

    assert_eq!(post(port, &path, TOKEN, "{\"minutes\":0}").0, 200);
    let before = gateway.log().matches("way=\"").count();
    stream.write_all(&frame(MN, b"w01018-Rtd=1.0")).unwrap();
    let mut answers = [0; 1024];
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert!(stream.read(&mut answers).unwrap() > 0);
    assert_eq!(gateway.log().matches("way=\"").count(), before, "it is off");
    let (_, metrics) = get(port, "/metrics");
    assert!(metrics.contains("hj212_http_refused_total 4"), "who was turned away is counted");
    (0..40).for_each(|_| assert_eq!(post(port, &path, "", on).0, 401));
    let lines = gateway.log().matches("somebody without the token").count();
    assert_eq!(lines, 20, "and cannot fill the log");
}

#[test]
fn the_level_of_the_log_changes_while_the_gateway_runs() {
    let (gateway, port) = told("text");
    assert_eq!(post(port, "/api/log", TOKEN, "{\"level\":\"no=such=level\"}").0, 400);
    let before = gateway.log();
    assert!(!before.contains("DEBUG"), "{before}");
    let debug = "{\"level\":\"info,hj212_gateway::net=debug\"}";
    assert_eq!(post(port, "/api/log", TOKEN, debug).0, 200);
    drop(TcpStream::connect(gateway.listen).unwrap());
    logged(&gateway, "DEBUG", 0);
    let file = gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[log]\n", "[log]\nlevel = \"warn\"\n")).unwrap();
    hang_up(&gateway);
    let until = Instant::now() + Duration::from_secs(90);
    while post(port, "/api/log", TOKEN, "{\"level\":\"info\"}").1 != "{\"before\":\"warn\",\"level\":\"info\"}" {
        assert!(Instant::now() < until, "a reload puts the file's level in force:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_mark_that_holds_is_on_the_page_after_a_restart_too() {
    let of = options(1, 1);
    let broker = tokio::runtime::Runtime::new().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let fake = broker.block_on(hj212_test_broker::Broker::start(address)).unwrap();
    let (mut gateway, port) = Gateway::seen(&of, fake.address().port(), "");
    gateway.start();
    let mn = sim::stations_toml(&of).split("mn = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(gateway.listen).unwrap();
    let mut say = |flag: &str| {
        let mut frame = Vec::new();
        let segment = format!(
            "QN=20261123100000001;ST=31;CN=2011;PW=123456;MN={mn};Flag=5;CP=&&DataTime=20261123100000;a21026-Rtd=5,a21026-Flag={flag}&&"
        );
        hj212::write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        stream.write_all(&frame).unwrap();
    };
    say("D");
    let path = format!("/api/station/{mn}");
    let marked = |port: u16| json(port, &path)["marks"].to_string().contains("h17:D");
    let until = Instant::now() + Duration::from_secs(90);
    while !marked(port) {
        assert!(Instant::now() < until, "{}", gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(gateway.stop().1);
    gateway.start();
    let until = Instant::now() + Duration::from_secs(90);
    while !marked(port) {
        assert!(Instant::now() < until, "the mark still holds: {}", json(port, &path));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(json(port, "/api/overview")["stations"]["never"], 0, "it was heard before");
}

/// The expressions of the filter that comes with the gateway for lines of `format`, as fail2ban reads them.
fn filters(format: &str) -> Vec<regex::Regex> {
    let filter = include_str!("../deploy/fail2ban/hj212-gateway.conf");
    let lines =
        filter.lines().filter_map(|line| line.trim().trim_start_matches("failregex =").trim().strip_prefix('^'));
    let lines = lines.filter(|line| line.contains("timestamp") == (format == "json"));
    let host = r"(?:::f{4,6}:)?(?P<host>[0-9A-Fa-f:.]+)";
    lines.map(|line| regex::Regex::new(&format!("^{}", line.replace("<HOST>", host))).unwrap()).collect()
}

#[test]
fn the_documented_filters_find_the_lines_that_are_logged() {
    for format in ["text", "json"] {
        let (gateway, _) = told(format);
        let mut stream = TcpStream::connect(gateway.listen).unwrap();
        let peer = stream.local_addr().unwrap().ip().to_string();
        for _ in 0..30 {
            stream.write_all(&frame("NOTREGISTERED", b"")).unwrap();
        }
        logged(&gateway, "rejected", 19);
        logged(&gateway, "more lines like those before", 0);
        let log = gateway.log();
        let line = log.lines().find(|line| line.contains("rejected")).unwrap();
        let filters = filters(format);
        // fail2ban takes the time out of the line before it looks.
        let timeless = line.replacen(line.trim_start_matches("{\"timestamp\":\"").get(..29).unwrap(), "", 1);
        assert!(filters.iter().any(|filter| filter.is_match(&timeless)), "{timeless}");
        assert!(!filters.is_empty(), "{format}: there is a filter");
        // As journald and syslog hand it over.
        let handed = format!("myhost hj212-gateway[123]: {line}");
        assert!(filters.iter().any(|filter| filter.is_match(&handed)), "{handed}");
        let found: Vec<_> = filters.iter().filter_map(|filter| filter.captures(line)).collect();
        assert_eq!(found.len(), 1, "{format}: {line}");
        assert_eq!(found[0]["host"], *peer);
        assert!(
            log.lines().filter(|line| !line.contains("rejected")).all(|line| filters.iter().all(|f| !f.is_match(line)))
        );
        let told = log.lines().find(|line| line.contains("more lines")).unwrap();
        assert!(told.contains("lines=10") || told.contains("\"lines\":10"), "{told}");
        assert_eq!(log.matches("rejected").count(), 20, "one address fills no log");
    }
}
