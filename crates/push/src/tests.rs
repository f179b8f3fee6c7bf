//! Against hostile web servers on loopback; signatures against Python's hmac.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::form::{form, outcome};
use super::queue::Outcome;
use super::send::send;
use super::*;

fn item(id: &str) -> Item {
    let body = r#"{"id":"x","mn":"A","kind":"gap","time":"2026-06-01T00:00:00+08:00","detail":{"n":1}}"#;
    Item { id: id.into(), kind: "gap".into(), body: body.into() }
}

fn sink(url: &str) -> Sink {
    let sink = serde_json::json!({ "name": "a", "kind": "webhook", "url": url, "events": ["*"] });
    serde_json::from_value(sink).unwrap()
}

/// A server that gives each connection to `serve`; its address and how many came.
fn server(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            seen.fetch_add(1, Ordering::SeqCst);
            serve(stream.unwrap());
        }
    });
    (address, count)
}

fn request(stream: &mut std::net::TcpStream) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while !all.ends_with(b"}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(all).unwrap()
}

fn attempt(url: &str) -> (Outcome, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (outcome, trouble) = runtime.block_on(send(&sink(url), &item("i1"), 0));
    (outcome, trouble.map(|trouble| trouble.0).unwrap_or_default())
}

fn answering(answer: &'static str) -> (Outcome, String) {
    let (address, _) = server(move |mut stream| {
        let _ = request(&mut stream);
        let _ = stream.write_all(answer.as_bytes());
    });
    attempt(&format!("http://{address}/"))
}

#[test]
fn a_message_is_posted_with_its_id_and_a_yes_is_a_yes() {
    let (sent, seen) = mpsc::channel();
    let (address, _) = server(move |mut stream| {
        sent.send(request(&mut stream)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    assert_eq!(attempt(&format!("http://{address}/hook?a=1")), (Outcome::Taken, String::new()));
    let request = seen.recv().unwrap();
    assert!(request.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{request}");
    for line in ["x-hj212-id: i1", &format!("host: {address}"), "content-type: application/json; charset=utf-8"] {
        assert!(request.lines().any(|l| l == line), "{line} in {request}");
    }
    assert!(request.ends_with(std::str::from_utf8(&item("").body).unwrap()));
}

#[test]
fn whatever_a_server_answers_is_an_outcome() {
    assert_eq!(answering("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").0, Outcome::Refused);
    for later in [
        "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 99999 x\r\n\r\n",
        "garbage\r\n\r\n",
        "",
        "HTTP/1.1 200",
    ] {
        let (outcome, why) = answering(later);
        assert!(outcome == Outcome::Away && !why.is_empty(), "{later:?}: {outcome:?} {why}");
    }
    // An answer that is cut after its status was a yes.
    assert_eq!(answering("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nab").0, Outcome::Taken);
}

#[test]
fn no_redirect_is_followed() {
    let (elsewhere, visits) = server(|_| {});
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let answer = format!("HTTP/1.1 {status}\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
        let (address, _) = server(move |mut stream| {
            let _ = request(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
        });
        assert_eq!(attempt(&format!("http://{address}/")).0, Outcome::Away, "{status}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nobody came to the other host");
}

#[test]
fn an_endless_answer_is_not_read_to_its_end_and_endless_headers_neither() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX: "] {
        let (address, _) = server(move |mut stream| {
            let _ = request(&mut stream);
            let _ = stream.write_all(head.as_bytes());
            let mut written = 0_usize;
            while stream.write_all(&[b'x'; 4096]).is_ok() && written < 64 << 20 {
                written += 4096;
            }
            assert!(written < 16 << 20, "it was read on and on: {written}");
        });
        let begun = std::time::Instant::now();
        let (outcome, _) = attempt(&format!("http://{address}/"));
        assert!(matches!(outcome, Outcome::Taken | Outcome::Away) && begun.elapsed() < ATTEMPT_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_an_attempt() {
    let (address, _) = server(std::mem::forget);
    let (outcome, trouble) = send(&sink(&format!("http://{address}/")), &item("a"), 0).await;
    assert_eq!((outcome, trouble.unwrap().0), (Outcome::Away, "no answer within 15 s".to_owned()));
}

#[test]
fn addresses_that_cannot_work_are_trouble_and_show_no_secret() {
    for url in ["", "nonsense", "http://", "https://user:hunter2@", "http://127.0.0.1:1/key=hunter2"] {
        let (outcome, why) = attempt(url);
        assert!(outcome == Outcome::Away && !why.is_empty() && !why.contains("hunter2"), "{url}: {why}");
    }
}

#[test]
fn robots_answer_by_code() {
    for kind in [Kind::Wecom, Kind::Dingtalk, Kind::Feishu] {
        assert_eq!(outcome(kind, 200, br#"{"errcode":0,"errmsg":"ok"}"#), Outcome::Taken);
        assert_eq!(outcome(kind, 200, br#"{"errcode":93000}"#), Outcome::Refused);
        assert_eq!(outcome(kind, 200, b"<html>"), Outcome::Away);
        assert_eq!(outcome(kind, 502, b""), Outcome::Away);
    }
    assert_eq!(outcome(Kind::Wecom, 200, br#"{"errcode":45009}"#), Outcome::Away);
    assert_eq!(outcome(Kind::Feishu, 200, br#"{"code":0}"#), Outcome::Taken);
    assert_eq!(outcome(Kind::Feishu, 200, br#"{"code":19021}"#), Outcome::Refused);
}

fn python(code: &str) -> String {
    let program = format!("import base64, hashlib, hmac, urllib.parse\n{code}");
    let out = Command::new("python3").args(["-c", &program]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[test]
fn signatures_are_those_of_the_makers_descriptions() {
    let (secret, now) = (b"SEC123", 1_780_243_200_123);
    let body = String::from_utf8(item("").body).unwrap();
    let made = form(Kind::Webhook, &item("i"), secret, now);
    let wanted =
        python(&format!("print(hmac.new(b'SEC123', b'1780243200.' + {body:?}.encode(), hashlib.sha256).hexdigest())"));
    assert!(made.headers.contains(&("x-hj212-signature", format!("sha256={wanted}"))));
    let made = form(Kind::Dingtalk, &item("i"), secret, now);
    let wanted = python(
        "print('timestamp=1780243200123&sign=' + urllib.parse.quote_plus(base64.b64encode(hmac.new(b'SEC123', b'1780243200123\\nSEC123', hashlib.sha256).digest())))",
    );
    assert_eq!(made.query, wanted);
    let made = form(Kind::Feishu, &item("i"), secret, now);
    let wanted =
        python("print(base64.b64encode(hmac.new(b'1780243200\\nSEC123', digestmod=hashlib.sha256).digest()).decode())");
    let said: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!((said["sign"].as_str(), said["timestamp"].as_str()), (Some(wanted.as_str()), Some("1780243200")));
    let long = Item { body: format!(r#"{{"explain":{{"zh":"{}"}}}}"#, "字".repeat(9000)).into(), ..item("i") };
    for kind in [Kind::Wecom, Kind::Dingtalk, Kind::Feishu, Kind::Mail] {
        let made = form(kind, &long, b"", now);
        assert!(made.body.len() <= 4096 + 200, "{kind:?}");
        assert!(!String::from_utf8(form(kind, &item("i"), secret, now).body).unwrap().contains("SEC123"));
    }
}

#[test]
fn a_queue_waits_longer_each_time_gives_up_what_is_refused_and_nothing_else() {
    let mut queue = Queue::default();
    assert!(queue.put(item("a")) && !queue.put(item("a")) && queue.put(item("b")));
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..100 {
        match queue.due(now, 6000).unwrap() {
            Ok(first) => assert_eq!(first.id, "a"),
            Err(at) => {
                waits.push(at - now);
                now = at;
                continue;
            }
        }
        assert!(!queue.settle(Outcome::Away, now, 0), "a sink that is away holds everything");
    }
    assert!(waits.is_sorted() && waits[0] == WAIT_MIN && *waits.last().unwrap() == WAIT_MAX, "{waits:?}");
    for n in 1..=REFUSALS_MAX {
        while let Some(Err(at)) = queue.due(now, 6000).map(|due| due.map(|_| ())) {
            now = at;
        }
        assert_eq!(queue.settle(Outcome::Refused, now, 0), n == REFUSALS_MAX);
    }
    assert_eq!(queue.due(now, 6000).unwrap().unwrap().id, "b", "the next one goes at once");
    queue.settle(Outcome::Taken, now, 0);
    assert!(queue.is_empty() && queue.due(now, 6000).is_none());
    assert!(!queue.put(item("b")), "what went out lately does not go again");
    assert_eq!((queue.taken, queue.given_up), (1, 1));
    let bytes = postcard::to_stdvec(&queue).unwrap();
    assert_eq!(postcard::from_bytes::<Queue>(&bytes).unwrap(), queue);
}

#[test]
fn no_more_than_so_many_go_out_a_minute_and_a_clock_that_goes_back_stops_nothing() {
    let mut queue = Queue::default();
    (0..10).for_each(|n| {
        let _ = queue.put(item(&n.to_string()));
    });
    let mut now = 1_000_000;
    for _ in 0..3 {
        assert!(queue.due(now, 3).unwrap().is_ok());
        queue.settle(Outcome::Taken, now, 0);
        now += 10;
    }
    assert_eq!(queue.due(now, 3).unwrap().map(|_| ()), Err(1_060_000));
    assert!(queue.due(1_060_000, 3).unwrap().is_ok());
    assert!(queue.due(5, 3).unwrap().is_ok(), "set back by a quarter of an hour");
    queue.settle(Outcome::Away, 9_000_000_000, 0);
    assert!(matches!(queue.due(0, 3).unwrap(), Err(at) if at <= WAIT_MAX));
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut queue = Queue::default();
    let large = Item { body: vec![b'x'; QUEUE_BYTES_MAX], ..item("large") };
    assert!(queue.has_room(usize::MAX), "one message has room whatever its size");
    queue.put(large);
    assert!(!queue.has_room(1));
    let mut queue = Queue::default();
    (0..QUEUE_MAX).for_each(|n| queue.mark += u64::from(queue.put(Item { body: Vec::new(), ..item(&n.to_string()) })));
    assert!(queue.mark == QUEUE_MAX as u64 && !queue.has_room(0));
}

#[test]
fn settings_that_cannot_work_are_named() {
    let wrong = |sink: serde_json::Value| -> Vec<String> {
        let mut whole = serde_json::json!({ "name": "a", "kind": "webhook", "url": "https://x/", "events": ["gap"] });
        sink.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
        let settings: Settings = serde_json::from_value(serde_json::json!({ "sinks": [whole] })).unwrap();
        settings.wrong().into_iter().map(|wrong| wrong.key).collect()
    };
    assert!(wrong(serde_json::json!({})).is_empty());
    assert_eq!(wrong(serde_json::json!({ "name": "a b" })), ["name"]);
    assert_eq!(wrong(serde_json::json!({ "url": "ftp://x" })), ["url"]);
    assert_eq!(wrong(serde_json::json!({ "url": "" })), ["url"]);
    assert_eq!(wrong(serde_json::json!({ "events": [] })), ["events"]);
    assert_eq!(wrong(serde_json::json!({ "per_minute": 0 })), ["per_minute"]);
    assert_eq!(wrong(serde_json::json!({ "kind": "wecom" })), ["url_file"]);
    assert_eq!(wrong(serde_json::json!({ "kind": "mail" })), ["mail"]);
    let mail = serde_json::json!({ "host": "m", "port": 25, "security": "none", "from": "a@b", "to": ["c@d"], "username": "u" });
    assert_eq!(wrong(serde_json::json!({ "kind": "mail", "mail": mail })), ["mail.security"]);
    let sink: Sink = serde_json::from_value(
        serde_json::json!({ "name": "a", "kind": "wecom", "events": ["case-*", "gap"], "stations": ["3401*"] }),
    )
    .unwrap();
    assert!(sink.wants("case-opened", Some("34010001")) && sink.wants("gap", None));
    assert!(!sink.wants("gap-closed", Some("34010001")) && !sink.wants("gap", Some("35")));
}
