//! The downlink through the running gateway: a request over MQTT, a station that answers, the broker's retained documents.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

mod gateway;

use std::time::{Duration, Instant};

use gateway::run;
use gateway::scene::{Scene, Station, field};
use serde_json::{Value, json};

const OPEN: &str = "[command]\nenabled = true\nanswer_timeout = \"1s\"\nallow = [{ stations = [\"*\"], commands = [\"*\"], \
                    authors = [\"li\", \"wang\"] }]\n";

const HOURS: &str = r#"{"command":"get-hours","author":"li","why":"gap","parameters":{"BeginTime":"20261123080000","EndTime":"20261123090000"}}"#;

#[test]
fn a_request_reaches_the_station_and_its_data_come_up_like_all_else() {
    let scene = Scene::new(OPEN);
    let mut station = scene.station();
    station.arrive();
    scene.ask("r1", HOURS);
    let asked = station.hear(Duration::from_secs(60)).expect("the request");
    assert!(asked.contains("CN=2061") && asked.contains("BeginTime=20261123080000"), "{asked}");
    let qn = field(&asked, "QN=").to_owned();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    station.say("20261123100500001", "31", 2061, 5, "DataTime=20261123080000;a21026-Avg=1.5,a21026-Flag=N");
    assert!(station.hear(Duration::from_secs(60)).unwrap().contains("CN=9014"));
    station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    let done = scene.status("r1", &["done"]);
    assert_eq!((&done["author"], &done["packets"], &done["qn"]), (&"li".into(), &json!(1), &json!(qn)));
    let data = format!("hj212/v1/{}/data/hour", scene.mn);
    assert!(scene.broker.received().iter().any(|message| message.topic == data));
    let text = serde_json::to_string(&done).unwrap();
    assert!(!text.contains(&format!("PW={}", scene.pw)), "{text}");
    let listed = |more: &[&str]| {
        let arguments = [&["commands", "list", "--config", "gateway.toml"], more].concat();
        let (code, out, said) = run(&arguments, scene.gateway.folder.path());
        assert_eq!(code, 0, "{said}");
        out
    };
    let all = listed(&["--json"]);
    let one: Value = serde_json::from_str(all.lines().next().unwrap()).unwrap();
    assert_eq!((&one["id"], &one["state"], &one["command"]), (&"r1".into(), &"done".into(), &"get-hours".into()));
    assert_eq!(listed(&["--open", "--json"]), "");
    assert!(listed(&[]).contains("r1  2061 get-hours  done 1  operator li  \"gap\""), "{}", listed(&[]));
}

#[test]
fn hostile_requests_send_nothing_and_leave_a_record_each() {
    let mut scene = Scene::new(OPEN);
    let mut station = scene.station();
    station.arrive();
    let long = format!(r#"{{"command":"get-hours","author":"li","why":"{}"}}"#, "x".repeat(9000));
    let with = |value: &str| {
        format!(
            r#"{{"command":"get-hours","author":"li","why":"x","parameters":{{"BeginTime":"{value}","EndTime":"20261123090000"}}}}"#
        )
    };
    let hostile: Vec<(String, String)> = [
        ("h1", "no json".to_owned()),
        ("h2", r#"{"command":"format-disk","author":"li","why":"x"}"#.to_owned()),
        ("h3", HOURS.replace("\"li\"", "\"mallory\"")),
        ("h4", with("2026112308;CN=3012")),
        ("h5", with("20261123080000&&")),
        ("h6", with("20261123080000\\r\\n##0000")),
        ("h7", long),
        ("h8", r#"{"command":"calibrate","author":"li","why":"x","parameters":{"PolId":"a;b"}}"#.to_owned()),
    ]
    .into_iter()
    .map(|(id, body)| (format!("hj212/v1/{}/command/{id}", scene.mn), body))
    .collect();
    for (topic, body) in &hostile {
        scene.publish(topic, body);
    }
    scene.publish("hj212/v1/STRANGER/command/h9", HOURS);
    for id in 1..=8 {
        let refused = scene.status(&format!("h{id}"), &["rejected"]);
        assert!(refused["reason"].is_string() && refused["explain"]["zh"].is_string(), "{refused}");
    }
    assert_eq!(station.hear(Duration::from_millis(700)), None, "nothing may reach the station");
    // A request that the broker keeps would be asked again at every start.
    scene.gateway.stop();
    scene.publish_now(&format!("hj212/v1/{}/command/h10", scene.mn), HOURS, true);
    scene.gateway.start();
    let mut station = scene.station();
    station.arrive();
    assert_eq!(scene.status("h10", &["rejected"])["reason"], "retained");
    assert_eq!(station.hear(Duration::from_millis(500)), None, "nothing may reach the station");
    let (code, dump, _) = run(&["journal", "dump", "--dir", "journal"], scene.gateway.folder.path());
    assert_eq!(code, 0);
    assert_eq!(dump.matches(" refused: ").count(), 10, "{dump}");
}

#[test]
fn killed_between_any_two_steps_a_request_is_neither_lost_nor_sent_twice_unmarked() {
    let mut scene = Scene::new(&OPEN.replace("answer_timeout = \"1s\"", "answer_timeout = \"2s\""));
    // Asked while the station is away.
    scene.ask("r1", HOURS);
    scene.status("r1", &["queued"]);
    scene.gateway.kill();
    scene.gateway.start();
    let mut station = scene.station();
    station.arrive();
    let first = station.hear(Duration::from_secs(60)).expect("the request");
    scene.status("r1", &["sent"]);
    // Killed after it was sent: asked again with the same QN, counted.
    scene.gateway.kill();
    scene.gateway.start();
    let mut station = scene.station();
    station.arrive();
    let again = station.hear(Duration::from_secs(60)).expect("the request again");
    assert_eq!(first, again);
    assert!(scene.status("r1", &["sent"])["count"].as_u64() >= Some(1));
    let qn = field(&again, "QN=").to_owned();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    scene.status("r1", &["accepted"]);
    // Killed after the station accepted: it is waited for and not asked again; the result after the reconnect counts.
    scene.gateway.kill();
    scene.gateway.start();
    let mut station = scene.station();
    station.arrive();
    assert_eq!(station.hear(Duration::from_secs(3)), None);
    station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    let done = scene.status("r1", &["done"]);
    assert!(done["count"].as_u64() >= Some(2), "{done}");
    // The same id is never used again, also after a restart.
    let (stopped, well) = scene.gateway.stop();
    assert!(well && stopped < Duration::from_secs(15));
    scene.gateway.start();
    let mut station = scene.station();
    station.arrive();
    scene.ask("r1", HOURS);
    assert_eq!(station.hear(Duration::from_secs(1)), None);
}

#[test]
fn from_the_shell_a_control_command_needs_another_person() {
    let scene = Scene::new(OPEN);
    let mut station = scene.station();
    station.arrive();
    let base = ["command", "--config", "gateway.toml", "--mn", &scene.mn, "--wait", "3"];
    let shell = |more: &[&str]| run(&[&base[..], more].concat(), scene.gateway.folder.path());
    // The first one waits: its watch ends with the time.
    let (_, out, error) = shell(&["set-password", "NewPW=654321", "--id", "c1", "--author", "li", "--why", "leak"]);
    assert!(out.contains("to-confirm"), "{out}{error}");
    let word = out.split("--confirm ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let (code, out, _) = shell(&["--id", "c1", "--confirm", &word, "--author", "li", "--why", "me again"]);
    assert_ne!(code, 0, "{out}");
    assert_eq!(station.hear(Duration::from_millis(300)), None);
    let answering = std::thread::spawn(move || {
        let asked = station.hear(Duration::from_secs(60)).expect("the request");
        assert!(asked.contains("CN=1072"), "{asked}");
        let qn = field(&asked, "QN=").to_owned();
        station.say(&qn, "91", 9011, 4, "QnRtn=1");
        station.say(&qn, "91", 9012, 4, "ExeRtn=1");
        station
    });
    let (code, out, error) = shell(&["--id", "c1", "--confirm", &word, "--author", "wang", "--why", "agreed"]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("done"), "{out}");
    let _station = answering.join().unwrap();
    let (code, list, _) = run(&["command", "--list"], scene.gateway.folder.path());
    assert!(code == 0 && list.contains("get-minutes") && list.contains("set-key"));
}

#[test]
fn a_logger_without_an_mn_gets_the_one_that_its_hardware_is_registered_with() {
    let scene = Scene::registered(OPEN, |row| {
        row.insert("edition".into(), "2025".into());
        row.insert("hardware".into(), "LOGGER0001".into());
        row.remove("pw");
    });
    let ask = |station: &mut Station, number: &str| {
        let area = format!("i23005-Info={number};i23006-Info=CPU1;i23007-Info=MAC1;i23008-Info=MAC2");
        station.say("20261123100000001", "91", 1001, 9, &area);
    };
    let mut stranger = Station::connect(scene.gateway.listen, "", "123456");
    ask(&mut stranger, "UNKNOWN1");
    assert_eq!(stranger.hear(Duration::from_millis(500)), None, "who is not approved is not answered");
    let mut station = Station::connect(scene.gateway.listen, "", "123456");
    ask(&mut station, "LOGGER0001");
    let mut heard = [(); 2].map(|()| station.hear(Duration::from_secs(60)).expect("9013 and 1002"));
    heard.sort_by_key(|segment| field(segment, "CN=") != "9013");
    assert!(heard[0].contains("CN=9013") && heard[0].contains("MN=;"), "{heard:?}");
    let given = &heard[1];
    assert!(given.contains("CN=1002") && given.contains(&format!("MN={}", scene.mn)), "{given}");
    assert!(given.contains("i23005-Info=LOGGER0001"), "{given}");
    let qn = field(given, "QN=").to_owned();
    station.mn = scene.mn.clone();
    station.say(&qn, "91", 9011, 8, "QnRtn=1");
    station.say(&qn, "91", 9012, 8, "ExeRtn=1");
    let until = Instant::now() + Duration::from_secs(90);
    loop {
        let received = scene.broker.received();
        let done = received.iter().any(|message| {
            message.topic.ends_with("/event/command")
                && serde_json::from_slice::<Value>(&message.payload).unwrap()["detail"]["good"] == true
        });
        let registration = format!("hj212/v1/{}/data/registration", scene.mn);
        let told = received.iter().any(|message| message.topic == registration);
        let refused = received.iter().any(|message| {
            message.topic.ends_with("/rejected") && String::from_utf8_lossy(&message.payload).contains("unapproved")
        });
        if done && told && refused {
            break;
        }
        assert!(Instant::now() < until, "{done} {told} {refused}\n{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_clock_that_drifts_is_said_and_set_once() {
    let more = format!("{OPEN}[command.clock]\ncorrect = true\n");
    let scene = Scene::new(&more);
    let mut station = scene.station();
    // Ten minutes behind: five uploads are enough to know.
    for n in 0..5 {
        let behind = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let qn = jiff::tz::offset(8).to_datetime(behind).strftime("%Y%m%d%H%M%S").to_string();
        station.say(&format!("{qn}{n:03}"), "31", 2011, 5, "DataTime=20261123100000;a21026-Rtd=1.5,a21026-Flag=N");
        assert!(station.hear(Duration::from_secs(60)).expect("an answer").contains("CN=9014"));
    }
    let set = station.hear(Duration::from_secs(60)).expect("1012");
    assert!(set.contains("CN=1012") && set.contains("SystemTime="), "{set}");
    let qn = field(&set, "QN=").to_owned();
    station.say(&qn, "91", 9011, 4, "QnRtn=1");
    station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    let until = Instant::now() + Duration::from_secs(90);
    let topic = format!("hj212/v1/{}/event/clock-drift", scene.mn);
    while !scene.broker.received().iter().any(|message| message.topic == topic) {
        assert!(Instant::now() < until, "{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn roles_are_given_from_the_shell_and_one_that_no_rule_names_is_refused_with_a_status() {
    let roles = "[command]\nenabled = true\nanswer_timeout = \"1s\"\nallow = [{ stations = [\"*\"], commands = [\"*\"], authors = [\"*\"], \
                 roles = [\"operator\"] }]\n";
    let scene = Scene::new(roles);
    let mut station = scene.station();
    station.arrive();
    let body = r#"{"command":"get-time","author":"li","why":"x"}"#;
    scene.publish(&format!("hj212/v1/{}/command/nobody/r1", scene.mn), body);
    let refused = scene.status("r1", &["rejected"]);
    assert_eq!(refused["reason"], "role-unknown", "{refused}");
    assert_eq!(station.hear(Duration::from_millis(300)), None);
    let shell = |role: &str| {
        let words =
            ["command", "--config", "gateway.toml", "--mn", &scene.mn, "--wait", "60", "--author", "li", "--why", "x"];
        run(&[&words[..], &["get-time", "--role", role]].concat(), scene.gateway.folder.path())
    };
    let answering = std::thread::spawn(move || {
        let asked = station.hear(Duration::from_secs(60)).expect("the request");
        let qn = field(&asked, "QN=").to_owned();
        station.say(&qn, "91", 9011, 4, "QnRtn=1");
        station.say(&qn, "91", 1011, 4, "SystemTime=20261123100000");
        station.say(&qn, "91", 9012, 4, "ExeRtn=1");
        (station, asked)
    });
    let (code, out, error) = shell("operator");
    assert_eq!(code, 0, "{out}{error}");
    let (_station, asked) = answering.join().unwrap();
    assert!(asked.contains("CN=1011"), "{asked}");
    let (code, out, _) = shell("nobody");
    assert!(code == 1 && out.contains("role-unknown"), "{code} {out}");
    let (code, _, error) = shell("a/b");
    assert!(code == 64 && error.contains("is no role"), "{code} {error}");
}

#[test]
fn a_station_that_shows_another_mn_is_known_under_it_after_a_kill_at_once() {
    let mut scene = Scene::new("");
    let mut station = scene.station();
    station.arrive();
    let new = "A110000_NEW00001";
    let report = |station: &mut Station, n: u32| {
        let time = format!("2026112310{n:02}00");
        station.say(&format!("{time}001"), "31", 2011, 5, &format!("DataTime={time};a21026-Rtd={n}.5,a21026-Flag=N"));
        station.hear(Duration::from_secs(60)).is_some_and(|answer| answer.contains("CN=9014"))
    };
    new.clone_into(&mut station.mn);
    for n in 1..4 {
        assert!(report(&mut station, n), "{n}\n{}", scene.gateway.log());
        // Answered a moment ago: what was answered is known for good.
        scene.gateway.kill();
        scene.gateway.start();
        station = Station::connect(scene.gateway.listen, new, &scene.pw);
    }
    assert!(report(&mut station, 9), "{}", scene.gateway.log());
    let topic = format!("hj212/v1/{new}/data/realtime");
    let told = || -> Vec<Value> {
        let received = scene.broker.received();
        received.iter().filter(|m| m.topic == topic).map(|m| serde_json::from_slice(&m.payload).unwrap()).collect()
    };
    let until = Instant::now() + Duration::from_secs(60);
    while !told().iter().any(|body| body["readings"]["a21026"]["rtd"] == 9.5) {
        assert!(Instant::now() < until, "{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = told();
    assert!(told.len() >= 4, "{told:?}");
    assert!(told.iter().all(|body| body["station"]["proposed_from"] == scene.mn.as_str()), "{told:?}");
    let refused = scene.broker.received().iter().filter(|message| message.topic.ends_with("/rejected")).count();
    assert_eq!(refused, 0);
}

/// An account that may write requests and not read what becomes of them, as an access list easily makes one.
#[test]
fn what_was_done_is_told_from_the_journal_where_the_broker_shows_no_status() {
    let more = "[cases]\nsteps = true\n[judgement]\nenabled = true\n";
    let scene = Scene::hiding(&format!("{OPEN}{more}"), "/status");
    let mut station = scene.station();
    station.arrive();
    let folder = scene.gateway.folder.path();
    let ask = |more: &[&str]| {
        let base = ["command", "--config", "gateway.toml", "--mn", &scene.mn, "--author", "li", "--why", "x", "--wait"];
        run(&[&base[..], more].concat(), folder)
    };
    let answering = std::thread::spawn(move || {
        let asked = station.hear(Duration::from_secs(60)).expect("the request");
        let qn = field(&asked, "QN=").to_owned();
        station.say(&qn, "91", 9011, 4, "QnRtn=1");
        station.say(&qn, "91", 1011, 4, "SystemTime=20261123100000");
        station.say(&qn, "91", 9012, 4, "ExeRtn=1");
        station
    });
    let (code, out, error) = ask(&["15", "get-time", "--id", "t1"]);
    let _station = answering.join().unwrap();
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("done") && error.contains("journal") && error.contains("日志库"), "{out}{error}");
    // The same id again is another request: what became of the first is not told for it. A refusal stands on a topic of its own.
    let (code, out, error) = ask(&["3", "get-time", "--id", "t1"]);
    assert!(code == 1 && out.contains("id-used") && !out.contains("done"), "{code} {out}{error}");
    let step = |role: &str, case: &str, step: &str| {
        let to = ["cases", "step", "--config", "gateway.toml", "--mn", &scene.mn, "--author", "zhou"];
        let open = ["--outlet", "1", "--code", "a21026", "--colour", "blue", "--role", role, "--text", "x", case, step];
        run(&[&to[..], &open].concat(), folder)
    };
    let (code, out, error) = step("county", "C-1", "open");
    assert!(code == 0 && out.contains("accepted") && !error.contains("INFO"), "{code} {out}{error}");
    let (code, out, error) = step("county", "C-2", "sign");
    assert!(code == 1 && error.contains("unknown-case"), "{code} {out}{error}");
    // Nor is it denied where the journal cannot be read.
    let text = std::fs::read_to_string(scene.gateway.path("gateway.toml")).unwrap();
    std::fs::write(scene.gateway.path("away.toml"), text.replace("dir = \"journal\"", "dir = \"none\"")).unwrap();
    let base = ["command", "--config", "away.toml", "--mn", &scene.mn, "--author", "li", "--why", "x", "--wait", "2"];
    let (code, _, error) = run(&[&base[..], &["get-time"]].concat(), folder);
    assert!(code == 69 && error.contains("not known") && error.contains("结果未知"), "{code} {error}");
}

/// The account of the gateway and its command, said once and the same wherever operators look it up.
#[test]
fn the_access_list_is_the_same_in_all_places() {
    let list = |text: &str| -> String {
        let block = text.split("```text\n").find(|block| block.starts_with("user gateway")).expect("an access list");
        block.split("```").next().unwrap().to_owned()
    };
    let first = list(include_str!("../docs/commands.md"));
    assert!(first.starts_with("user gateway\ntopic readwrite hj212/v1/#\n"), "{first}");
    assert_eq!(list(include_str!("../docs/manual/zh/src/install.md")), first);
    assert_eq!(list(include_str!("../docs/manual/en/src/install.md")), first);
}

/// A station that nobody knows, a range that holds nothing, a folder without a journal: none of them reads as "all is well".
#[test]
fn a_slip_of_the_pen_is_no_all_clear() {
    let more = "[judgement]\nenabled = true\n[leads]\nenabled = true\n[scores]\nenabled = true\n[alerts]\nenabled = true\naccept_placeholders = true\n";
    let mut scene = Scene::new(&format!("{OPEN}{more}"));
    scene.station().arrive();
    let folder = scene.gateway.folder.path().to_owned();
    let run = |words: &[&str]| run(words, &folder);
    for words in [
        &["gaps"][..],
        &["alerts", "list"],
        &["leads", "list"],
        &["cases", "list"],
        &["commands", "list"],
        &["keys", "list"],
        &["score"],
        &["replay"],
        &["marks", "list"],
    ] {
        let ask = |mn: &str| run(&[words, &["--config", "gateway.toml", "--mn", mn]].concat());
        let (code, _, error) = ask("NOPE");
        assert!(
            code == 69 && error.contains("no such station") && error.contains("没有站点"),
            "{words:?}: {code} {error}"
        );
        let (code, _, error) = ask(&scene.mn);
        assert_eq!(code, 0, "{words:?}: {error}");
    }
    for words in [
        &["replay", "--since", "2026-06-02", "--until", "2026-06-01"][..],
        &["evidence", "pack", "--mn", &scene.mn, "--from", "2026-06-02", "--to", "2026-06-02", "--out", "x"],
    ] {
        let (code, _, error) = run(&[words, &["--config", "gateway.toml"]].concat());
        assert!(code == 64 && error.contains("nothing lies between"), "{words:?}: {code} {error}");
    }
    let (_, out, _) = run(&["dead-letters", "list", "--config", "gateway.toml"]);
    assert!(out.contains("No dead letters") && out.contains("没有死信"), "{out}");
    let (code, out, error) = run(&["journal", "dump", "--dir", "journal", "--from", "999999"]);
    assert!(code == 0 && out.is_empty() && error.contains("none"), "{code} {out}{error}");
    scene.gateway.stop();
    for words in [["verify"], ["stats"], ["dump"]] {
        std::fs::create_dir_all(folder.join("empty")).unwrap();
        let (code, out, error) = run(&[&["journal"], &words[..], &["--dir", "empty"]].concat());
        assert!(code == 69 && out.is_empty() && error.contains("no journal"), "{words:?}: {code} {out}{error}");
    }
    let (code, out, _) = run(&["journal", "verify", "--dir", "journal"]);
    assert!(code == 0 && out.contains("sound") && out.contains("newest record") && out.contains(" ago"), "{out}");
    // A backup that is made twice with `cp -a` puts the second copy into the first.
    std::fs::create_dir(folder.join("journal/journal")).unwrap();
    for entry in std::fs::read_dir(folder.join("journal")).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), folder.join("journal/journal").join(entry.file_name())).unwrap();
    }
    let (code, _, error) = run(&["journal", "verify", "--dir", "journal"]);
    assert!(code == 1 && error.contains("cp -aT") && error.contains("套入"), "{code} {error}");
}
