//! Against hostile web servers on loopback; signatures against Python's hmac.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::form::{form, outcome};
use super::queue::{Outcome, Put, QueueChange, Settled};
use super::send::{Attempt, send};
use super::*;

fn item(id: &str) -> Item {
    let body = r#"{"id":"x","mn":"A","kind":"gap","time":"2026-06-01T00:00:00+08:00","detail":{"n":1}}"#;
    Item { id: id.into(), kind: "gap".into(), record: 0, queued: 0, body: body.into() }
}

fn put(queue: &mut Queue, item: Item) -> Put {
    queue.put(Arc::new(item))
}

const IN: Put = Put::In { fell_out: 0 };

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
    let Attempt { outcome, trouble, .. } = runtime.block_on(send(&sink(url), &item("i1"), &Nameless, 0));
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
    let Attempt { outcome, trouble, .. } = send(&sink(&format!("http://{address}/")), &item("a"), &Nameless, 0).await;
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
fn an_answer_that_repeats_a_secret_address_is_not_shown() {
    let folder = std::env::temp_dir().join(format!("hj212-push-{}", std::process::id()));
    for (status, answer, wanted) in [
        ("404 No", "Cannot POST /robot/send?key=hunter2-hunter2", "it answered 404: (not shown)"),
        (
            "200 OK",
            r#"{"errcode":93000,"errmsg":"invalid webhook url, key hunter2-hunter2"}"#,
            "it answered 200: code 93000 invalid webhook url, key …",
        ),
    ] {
        let whole = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        let (address, _) = server(move |mut stream| {
            let _ = request(&mut stream);
            let _ = stream.write_all(whole.as_bytes());
        });
        std::fs::write(&folder, format!("http://{address}/robot/send?key=hunter2-hunter2\n")).unwrap();
        let mut robot = sink("");
        (robot.kind, robot.url_file) = (Kind::Wecom, folder.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let Attempt { outcome, trouble, .. } = runtime.block_on(send(&robot, &item("i"), &Nameless, 0));
        assert_eq!((outcome, trouble.unwrap().0.as_str()), (Outcome::Refused, wanted));
    }
    let _ = std::fs::remove_file(&folder);
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
    let body = String::from_utf8(item("").body.to_vec()).unwrap();
    let made = form(Kind::Webhook, &item("i"), &Nameless, secret, now);
    let wanted =
        python(&format!("print(hmac.new(b'SEC123', b'1780243200.' + {body:?}.encode(), hashlib.sha256).hexdigest())"));
    assert!(made.headers.contains(&("x-hj212-signature", format!("sha256={wanted}"))));
    let made = form(Kind::Dingtalk, &item("i"), &Nameless, secret, now);
    let wanted = python(
        "print('timestamp=1780243200123&sign=' + urllib.parse.quote_plus(base64.b64encode(hmac.new(b'SEC123', b'1780243200123\\nSEC123', hashlib.sha256).digest())))",
    );
    assert_eq!(made.query, wanted);
    let made = form(Kind::Feishu, &item("i"), &Nameless, secret, now);
    let wanted =
        python("print(base64.b64encode(hmac.new(b'1780243200\\nSEC123', digestmod=hashlib.sha256).digest()).decode())");
    let said: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!((said["sign"].as_str(), said["timestamp"].as_str()), (Some(wanted.as_str()), Some("1780243200")));
    let long = Item { body: format!(r#"{{"explain":{{"zh":"{}"}}}}"#, "字".repeat(9000)).into(), ..item("the-id") };
    for kind in [Kind::Wecom, Kind::Dingtalk, Kind::Feishu, Kind::Mail] {
        let made = form(kind, &long, &Nameless, b"", now);
        assert!(made.body.len() <= 4096 + 200, "{kind:?}");
        assert!(String::from_utf8(made.body).unwrap().contains("the-id"), "{kind:?}: cut, and still with its id");
        assert!(!String::from_utf8(form(kind, &item("i"), &Nameless, secret, now).body).unwrap().contains("SEC123"));
    }
}

#[test]
fn a_queue_waits_longer_each_time_gives_up_what_is_refused_and_nothing_else() {
    let mut queue = Queue::default();
    assert_eq!(put(&mut queue, item("a")), IN);
    assert_eq!(put(&mut queue, item("a")), Put::Known);
    assert_eq!(put(&mut queue, item("b")), IN);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..100 {
        match queue.due(now, 6000).unwrap() {
            Ok(first) => assert_eq!(&*first.id, "a"),
            Err(at) => {
                waits.push(at - now);
                now = at;
                continue;
            }
        }
        assert_eq!(queue.settle(Outcome::Away, now, 0, None), Settled::Waits, "a sink that is away holds everything");
    }
    assert!(waits.is_sorted() && waits[0] == WAIT_MIN && *waits.last().unwrap() == WAIT_MAX, "{waits:?}");
    for n in 1..=REFUSALS_MAX {
        while let Some(Err(at)) = queue.due(now, 6000).map(|due| due.map(|_| ())) {
            now = at;
        }
        let wanted = if n == REFUSALS_MAX { Settled::GivenUp } else { Settled::Waits };
        assert_eq!(queue.settle(Outcome::Refused, now, 0, None), wanted);
    }
    assert_eq!(&*queue.due(now, 6000).unwrap().unwrap().id, "b", "the next one goes at once");
    assert_eq!(queue.settle(Outcome::Taken, now, 0, None), Settled::Sent);
    assert!(queue.is_empty() && queue.due(now, 6000).is_none());
    assert_eq!(put(&mut queue, item("b")), Put::Known, "what went out lately does not go again");
}

#[test]
fn who_asks_to_be_left_alone_is_but_not_for_ever() {
    let wait = |after| {
        let mut queue = Queue::default();
        put(&mut queue, item("a"));
        queue.settle(Outcome::Away, 0, 0, after);
        queue.due(0, 6000).unwrap().unwrap_err()
    };
    assert_eq!(wait(None), WAIT_MIN);
    assert_eq!(wait(Some(0)), WAIT_MIN);
    assert_eq!(wait(Some(30_000)), 30_000);
    assert_eq!(wait(Some(i64::MAX)), WAIT_MAX);
}

#[test]
fn a_queue_is_made_again_of_its_changes_and_of_what_it_is() {
    let mut queue = Queue::default();
    let mut log = Vec::new();
    let mut now = 0;
    for n in 1..=50_u64 {
        put(&mut queue, Item { record: n, ..item(&n.to_string()) });
        if n % 3 == 0 || n == 50 {
            now += 60_000;
            assert!(queue.due(now, 6000).unwrap().is_ok());
            queue.settle(Outcome::Taken, now, 0, None);
        }
        log.extend(queue.changes().unwrap());
    }
    for mut again in [Queue::of(log), Queue::of(queue.whole())] {
        assert_eq!((again.len(), again.mark(), again.has_changed()), (33, 50, false));
        assert_eq!(&*again.oldest().unwrap().id, "18");
        for n in 1..=50 {
            let known = Item { record: n, ..item(&n.to_string()) };
            assert_eq!(put(&mut again, known), Put::Known, "{n}");
        }
        assert_eq!(put(&mut again, Item { record: 49, ..item("of an earlier record") }), Put::Known);
        assert_eq!(put(&mut again, Item { record: 50, ..item("of the same record") }), IN);
        assert_eq!(put(&mut again, Item { record: 51, ..item("new") }), IN);
        again.forget_beyond(20);
        assert_eq!(put(&mut again, Item { record: 21, ..item("of a record that came anew") }), IN);
        let mut later = Queue::of(again.whole());
        assert_eq!((later.len(), later.mark()), (again.len(), 21));
        assert_eq!(put(&mut later, Item { record: 22, ..item("and the next") }), IN);
    }
}

#[test]
fn changes_that_nobody_asks_for_take_no_more_memory_than_the_queue() {
    let mut queue = Queue::default();
    for n in 0..30_000 {
        put(&mut queue, item(&n.to_string()));
        assert!(queue.due(n * 60_000, 6000).unwrap().is_ok());
        queue.settle(Outcome::Taken, n * 60_000, 0, None);
    }
    assert!(queue.has_changed() && queue.changes().is_none(), "all of it is to be stored");
    assert!(!queue.has_changed());
    put(&mut queue, item("next"));
    assert_eq!(queue.changes().unwrap().len(), 1);
}

#[test]
fn no_more_than_so_many_go_out_a_minute_and_a_clock_that_goes_back_stops_nothing() {
    let mut queue = Queue::default();
    (0..10).for_each(|n| {
        let _ = put(&mut queue, item(&n.to_string()));
    });
    let mut now = 1_000_000;
    for _ in 0..3 {
        assert!(queue.due(now, 3).unwrap().is_ok());
        queue.settle(Outcome::Taken, now, 0, None);
        now += 10;
    }
    assert_eq!(queue.due(now, 3).unwrap().map(|_| ()), Err(1_060_000));
    assert!(queue.due(1_060_000, 3).unwrap().is_ok());
    assert!(queue.due(5, 3).unwrap().is_ok(), "set back by a quarter of an hour");
    queue.settle(Outcome::Away, 9_000_000_000, 0, None);
    assert!(matches!(queue.due(0, 3).unwrap(), Err(at) if at <= WAIT_MAX));
}

#[test]
fn from_a_full_queue_the_oldest_fall_out_but_for_the_one_that_is_tried() {
    let mut queue = Queue::default();
    for n in 0..QUEUE_MAX {
        assert_eq!(put(&mut queue, item(&n.to_string())), IN);
    }
    assert_eq!(put(&mut queue, item("one more")), Put::In { fell_out: 1 });
    assert_eq!((queue.len(), &*queue.oldest().unwrap().id), (QUEUE_MAX, "0"));
    let changes = queue.changes().unwrap();
    assert!(changes.contains(&QueueChange::Left("1".into())) && !changes.contains(&QueueChange::Left("0".into())));
    assert_eq!(put(&mut queue, item("1")), Put::Known, "what fell out does not come again");
    let mut queue = Queue::default();
    let large = |n: usize| Item { body: vec![b'x'; ITEM_BYTES_MAX].into(), ..item(&n.to_string()) };
    let most = QUEUE_BYTES_MAX / ITEM_BYTES_MAX;
    (0..most).for_each(|n| assert_eq!(put(&mut queue, large(n)), IN));
    assert_eq!(put(&mut queue, large(most)), Put::In { fell_out: 1 });
    assert_eq!(queue.len(), most);
    let longer = Item { body: vec![b'x'; ITEM_BYTES_MAX + 1].into(), ..item("longer") };
    assert_eq!(put(&mut queue, longer), Put::TooLong);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let whole = |sink: serde_json::Value| {
        let mut whole = serde_json::json!({ "name": "a", "kind": "webhook", "url": "https://x/", "events": ["gap"] });
        sink.as_object().unwrap().iter().for_each(|(key, value)| whole[key] = value.clone());
        whole
    };
    let wrong = |sink: serde_json::Value| -> Vec<&'static str> {
        let settings: Settings = serde_json::from_value(serde_json::json!({ "sinks": [whole(sink)] })).unwrap();
        settings.wrong().into_iter().map(|wrong| wrong.key).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(wrong(serde_json::json!({})), none);
    assert_eq!(wrong(serde_json::json!({ "name": "a b" })), ["name"]);
    for url in ["ftp://x", "", "https://", "nonsense", "https://user:word@x/", "https://x:99999/"] {
        assert_eq!(wrong(serde_json::json!({ "url": url })), ["url"], "{url}");
    }
    assert_eq!(wrong(serde_json::json!({ "url_file": "u" })), ["url"], "both");
    assert_eq!(wrong(serde_json::json!({ "events": [] })), ["events"]);
    assert_eq!(wrong(serde_json::json!({ "stations": [] })), ["stations"]);
    assert_eq!(wrong(serde_json::json!({ "colours": ["red", "green"] })), ["colours"]);
    assert_eq!(wrong(serde_json::json!({ "per_minute": 0 })), ["per_minute"]);
    assert_eq!(wrong(serde_json::json!({ "kind": "wecom" })), ["url"]);
    assert_eq!(wrong(serde_json::json!({ "kind": "wecom", "url": "", "url_file": "u" })), none);
    assert_eq!(
        wrong(serde_json::json!({ "kind": "wecom", "url": "", "url_file": "u", "secret_file": "s" })),
        ["secret_file"]
    );
    assert_eq!(wrong(serde_json::json!({ "kind": "mail" })), ["mail"]);
    let mail = |change: serde_json::Value| {
        let mut mail = serde_json::json!({ "host": "m", "port": 25, "security": "none", "from": "a@b", "to": ["c@d"] });
        change.as_object().unwrap().iter().for_each(|(key, value)| mail[key] = value.clone());
        wrong(serde_json::json!({ "kind": "mail", "mail": mail }))
    };
    assert_eq!(mail(serde_json::json!({})), none);
    assert_eq!(mail(serde_json::json!({ "username": "u", "password_file": "p" })), ["mail.security"]);
    assert_eq!(mail(serde_json::json!({ "username": "u", "security": "tls" })), ["mail.password_file"]);
    assert_eq!(mail(serde_json::json!({ "host": "m:25" })), ["mail.host"]);
    assert_eq!(mail(serde_json::json!({ "port": 0 })), ["mail.port"]);
    assert_eq!(mail(serde_json::json!({ "from": "nobody" })), ["mail.from"]);
    assert_eq!(mail(serde_json::json!({ "to": ["c@d", "e"] })), ["mail.to"]);
    let many: Vec<_> = (0..=SINKS_MAX).map(|n| whole(serde_json::json!({ "name": format!("s{n}") }))).collect();
    let settings: Settings = serde_json::from_value(serde_json::json!({ "sinks": many })).unwrap();
    assert_eq!(settings.wrong().len(), 1, "one too many");
    let has_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    assert!(settings.wrong().iter().all(|wrong| has_chinese(wrong.rule)));
}

#[test]
fn what_stands_in_a_secret_s_file_is_looked_at_and_not_shown() {
    let sink = sink("http://127.0.0.1/");
    assert_eq!(sink.wrong_secret("url_file", b"https://oapi.dingtalk.com/robot/send?access_token=1\n"), None);
    for bad in [&b""[..], b" \n", b"hunter2", b"https://a/\nhttps://b/", b"\xff"] {
        assert!(sink.wrong_secret("url_file", bad).is_some_and(|why| !why.contains("hunter2")), "{bad:?}");
    }
    assert_eq!(sink.wrong_secret("secret_file", b"hunter2\n"), None);
    assert!(sink.wrong_secret("secret_file", b"\n").is_some());
}

#[test]
fn a_filter_chooses_by_kind_station_region_and_colour() {
    let sink = |more: serde_json::Value| -> Sink {
        let mut sink = serde_json::json!({ "name": "a", "kind": "webhook", "events": ["*"] });
        more.as_object().unwrap().iter().for_each(|(key, value)| sink[key] = value.clone());
        serde_json::from_value(sink).unwrap()
    };
    let of = |kind, mn| MessageFacts { kind, mn, region: None, colours: &[] };
    let some = sink(serde_json::json!({ "events": ["case-*", "gap", "hj212.case/1"], "stations": ["3401*"] }));
    for (kind, mn, wanted) in [
        ("case-opened", Some("34010001"), true),
        ("gap", None, true),
        ("gap-closed", Some("34010001"), false),
        ("gap", Some("35"), false),
        ("hj212.case/1", Some("34010001"), true),
        ("hj212.case-step-status/1", Some("34010001"), false),
    ] {
        assert_eq!(some.wants(&of(kind, mn)), wanted, "{kind} {mn:?}");
    }
    let all = sink(serde_json::json!({}));
    assert!(
        all.wants(&of("alert", Some("A"))) && !all.wants(&of("hj212.alert/1", Some("A"))),
        "all events are no documents"
    );
    let documents = sink(serde_json::json!({ "events": ["hj212.*"] }));
    assert!(documents.wants(&of("hj212.alert/1", Some("A"))) && !documents.wants(&of("alert", Some("A"))));
    let region = sink(serde_json::json!({ "regions": ["3401*"] }));
    let within = |region| MessageFacts { region, ..of("gap", Some("A")) };
    assert!(
        region.wants(&within(Some("340100"))) && !region.wants(&within(Some("340200"))) && !region.wants(&within(None))
    );
    assert!(region.wants(&of("dead-letter", None)), "the gateway is in no region");
    let red = sink(serde_json::json!({ "colours": ["orange", "red"] }));
    let coloured = |colours| MessageFacts { colours, ..of("alert", Some("A")) };
    let [yellow, was_red]: [&[Box<str>]; 2] = [&["yellow".into()], &["yellow".into(), "red".into()]];
    assert!(!red.wants(&coloured(yellow)), "too low");
    assert!(red.wants(&coloured(was_red)), "who was told of red is told that it is red no more");
    assert!(red.wants(&of("gap", Some("A"))), "what has no colour is not chosen by it");
}

/// Names of one station and one factor.
#[derive(Debug)]
struct Known;

impl Names for Known {
    fn station(&self, mn: &str) -> Option<StationName> {
        (mn == "A").then(|| StationName { name: "东港电厂 1 号排口".into(), region: Some("340100".into()) })
    }

    fn factor(&self, code: &str) -> Option<String> {
        (code == "a21026").then(|| "二氧化硫".to_owned())
    }
}

fn told(kind: &str, body: serde_json::Value) -> String {
    let item = Item { id: "i-1".into(), kind: kind.into(), record: 0, queued: 0, body: body.to_string().into() };
    form::text(&item, &Known)
}

#[test]
fn a_text_says_who_what_since_when_how_much_and_who_must_act() {
    let gap = serde_json::json!({
        "mn": "A", "kind": "gap", "time": "2026-06-01T01:00:00.000+08:00", "data_kind": "minute", "from": "2026-06-01T00:10:00+08:00",
        "to": "2026-06-01T00:50:00+08:00", "count": 5, "interval": 600, "cause": "offline", "causes": {"offline": 5}, "growing": true,
    });
    assert_eq!(
        told("gap", gap),
        "缺数 东港电厂 1 号排口\n地区 340100\nMN A\n时间 2026-06-01 01:00:00\n分钟数据自 2026-06-01 00:10:00 起缺数，至 2026-06-01 00:50:00 共 5 \
         条，仍在增加；原因：站点离线\n编号 i-1"
    );
    let offline = serde_json::json!({ "mn": "A", "kind": "offline", "time": "2026-06-01T01:00:00.000+08:00", "on": { "peer": "10.0.0.1:7000", "connection": 1 }, "was": null });
    assert!(told("offline", offline).starts_with("离线 东港电厂 1 号排口\n地区 340100\n"));
    let told_to = serde_json::json!({ "to": "county", "copy": ["city"], "reply_by": "2026-06-02T17:00:00.000+08:00", "finish_by": "2026-06-05T00:00:00.000+08:00" });
    let alert = serde_json::json!({
        "mn": "A", "kind": "alert", "time": "2026-06-02T13:00:00.000+08:00",
        "detail": { "alert": "A-1", "code": "a21026", "colour": "red", "told": told_to, "zh": "【阈值为占位值】红色预警（已结算）：……", "en": "" },
    });
    let alert = told("alert", alert);
    assert!(alert.starts_with("【阈值为占位值】【红】超标预警 东港电厂 1 号排口\n"), "{alert}");
    assert!(alert.contains("\n因子 二氧化硫 a21026\n红色预警（已结算）"), "{alert}");
    assert!(alert.contains("\n责任方 县区；反馈截止 2026-06-02 17:00:00；整改截止 2026-06-05 00:00:00\n"), "{alert}");
}

#[test]
fn no_text_holds_json() {
    for (kind, body) in [
        (
            "case-opened",
            serde_json::json!({ "mn": "A", "detail": { "case": "C-1", "to": ["enterprise", "county"], "due": "2026-06-01T00:00:00.000+08:00" } }),
        ),
        (
            "command",
            serde_json::json!({ "mn": "B", "detail": { "state": "done", "good": true, "inner": { "a": 1 }, "list": [{ "b": 2 }] } }),
        ),
        (
            "dead-letter",
            serde_json::json!({ "gateway": "g", "detail": { "count": 3, "topics": ["x/y"], "why": "refused" } }),
        ),
        ("hj212.score/1", serde_json::json!({ "mn": "A", "month": "2026-06", "measures": [{ "id": "etr" }] })),
        (
            "mark-begin",
            serde_json::json!({ "mn": "A", "mark": { "mark": "h17:D", "object": "a21026" }, "detail": null }),
        ),
        ("unheard-of", serde_json::json!([1, { "a": 2 }])),
    ] {
        let text = told(kind, body);
        assert!(!text.contains(['{', '}', '[', ']', '"']), "{text}");
        assert!(text.ends_with("\n编号 i-1"), "{text}");
    }
}
