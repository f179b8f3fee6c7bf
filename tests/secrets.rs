//! Passwords and keys never leave the journal: they are planted in every field of every command, in names as the standards write them and as
//! loggers misspell them, and every output is searched for them.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]
#![cfg(feature = "demo")]

mod gateway;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gateway::scene::Station;
use gateway::{Gateway, ask, get, run};
use hj212::write;
use hj212_simulator as sim;
use hj212_test_broker::{Behaviour, Broker};

const PATIENCE: Duration = Duration::from_secs(90);

/// What every secret holds. It is never the registered password.
const SECRET: &str = "Zq7xVh3";

/// Commands of the three editions whose areas or headers hold passwords and keys, and some that hold data.
const COMMANDS: &[u16] =
    &[1000, 1001, 1002, 1011, 1012, 1014, 1072, 2011, 2051, 2061, 2031, 3015, 3019, 3020, 9011, 9013];

const NAMES: &[&str] =
    &["PW", "NewPW", "SK", "NewSK", "newpw", "NEWSK", "New PW", "New_SK", " pw", "Sk ", "Password", "OldPW"];

#[test]
fn no_output_holds_a_password_or_a_key() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let behaviour = Behaviour { record: true, ..Behaviour::default() };
    let broker = runtime.block_on(Broker::start_with("127.0.0.1:0".parse().unwrap(), behaviour)).unwrap();
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let more = "[log]\nlevel = \"trace\"\n";
    let (mut gateway, http) = Gateway::seen(&options, broker.address().port(), more);
    let file = gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[http]\n", "[http]\ntoken_file = \"token\"\n")).unwrap();
    std::fs::write(gateway.path("token"), "0123456789abcdef0123456789abcdef").unwrap();
    let mut rows: toml::Table = sim::stations_toml(&options).parse().unwrap();
    let row = rows["station"][0].as_table_mut().unwrap();
    // Without a registered password any is taken.
    row.remove("pw");
    let mn = row["mn"].as_str().unwrap().to_owned();
    std::fs::write(gateway.path("stations.toml"), rows.to_string()).unwrap();
    gateway.start();
    let mut station = Station::connect(gateway.listen, &mn, &format!("{SECRET}0"));
    // Its frames are logged from now on.
    let body = "{\"minutes\":10}";
    let request = format!(
        "POST /api/wire/{mn} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (_, answered) = ask(http, &request);

    let mut number = 0;
    for cn in COMMANDS {
        for name in NAMES {
            for area in [
                format!("{name}={SECRET}{number}"),
                format!("DataTime=20261123100000;a21026-Rtd=1.5,{name}={SECRET}{number}"),
                format!("{name}={SECRET}{number},a21026-Flag=N;DataTime=20261123100000;{name}={SECRET},{number}x"),
            ] {
                number += 1;
                let qn = format!("2026112310{:02}{:02}{:03}", number / 60 % 60, number % 60, number % 1000);
                station.say(&qn, "31", *cn, 5, &area);
            }
        }
    }
    // Refused: a wrong check, an unknown MN, and frames torn at every place.
    let mut refused = TcpStream::connect(gateway.listen).unwrap();
    let segment = format!("QN=20261123100000001;ST=31;CN=1072;PW={SECRET}1;MN=STRANGER;Flag=5;CP=&&NewPW={SECRET}2&&");
    let mut frame = Vec::new();
    write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
    refused.write_all(&frame).unwrap();
    refused.write_all(&frame[frame.len() / 2..]).unwrap();
    let wrong = String::from_utf8(frame.clone()).unwrap().replace("CP=&&", "CP=&&x=1;");
    refused.write_all(wrong.as_bytes()).unwrap();
    for cut in (8..frame.len()).step_by(3) {
        let mut torn = TcpStream::connect(gateway.listen).unwrap();
        torn.write_all(&frame[cut..]).unwrap();
        let mut torn = TcpStream::connect(gateway.listen).unwrap();
        torn.write_all(&frame[..cut]).unwrap();
    }
    // All of it is in the journal, and out again.
    let until = Instant::now() + PATIENCE;
    let heard = || {
        let metrics = get(http, "/metrics").1;
        let count = |name: &str| {
            let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or("x 0").to_owned();
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        count("hj212_frames_heard_total") >= number + 2 && count("hj212_backlog_records ") == 0
    };
    while !heard() {
        assert!(Instant::now() < until, "not all was heard:\n{}", &gateway.log()[..2000]);
        std::thread::sleep(Duration::from_millis(100));
    }

    let search = |what: &str, text: &str| {
        if let Some(at) = text.find(SECRET) {
            let around = text.get(at.saturating_sub(120)..(at + 60).min(text.len())).unwrap_or("…");
            panic!("{what} shows a secret: {around}");
        }
    };
    for path in [
        "/api/overview".to_owned(),
        "/api/stations".to_owned(),
        "/api/rejected".to_owned(),
        "/metrics".to_owned(),
        format!("/api/station/{mn}"),
        format!("/api/station/{mn}/history?hours=1"),
    ] {
        let (_, body) = get(http, &path);
        assert!(path != format!("/api/station/{mn}/history?hours=1") || body.contains("\"fields\""), "{body}");
        search(&path, &body);
    }
    let received = broker.received();
    assert!(received.iter().any(|message| message.topic.ends_with("/rejected")));
    for message in &received {
        search(&message.topic, &String::from_utf8_lossy(&message.payload));
        search("a topic", &message.topic);
    }
    for arguments in [&["journal", "dump", "--dir", "journal"][..], &["journal", "dump", "--dir", "journal", "--json"]]
    {
        let (code, said, wrong) = run(arguments, gateway.folder.path());
        assert!(code == 0 && said.contains("NewPW"), "{wrong}");
        search("journal dump", &said);
    }
    assert!(gateway.log().contains("wire"), "the wire log is on: {answered}");
    search("the log", &gateway.log());
    gateway.stop();
    search("the log", &gateway.log());
}

#[test]
fn no_core_is_dumped() {
    let options = sim::Options { stations: 1, ..sim::Options::default() };
    let mut gateway = Gateway::new(&options, 1, "");
    gateway.start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().nth(4), Some("0"), "{line}");
    let unit = include_str!("../deploy/hj212-gateway.service");
    assert!(unit.contains("LimitCORE=0"));
}
