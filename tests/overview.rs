//! `keys list`, `commands list` and `gaps` on the shell, beside a running gateway: what they say, their exit codes, and readers that go away.

#![allow(dead_code, reason = "the harness is shared")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

mod gateway;

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use gateway::run;
use gateway::scene::{Scene, Station, field};
use serde_json::Value;

const OPEN: &str = "[command]\nenabled = true\nanswer_timeout = \"1s\"\nresends = 1\nallow = [{ stations = [\"*\"], commands = [\"*\"], \
                    authors = [\"li\", \"wang\"] }]\n";
const KEYS: &str = "[keys]\nfile = \"keys.toml\"\n";
const CREATED: &str = "20260101000000000";

fn key_file(folder: &Path, mn: &str, mode: u32) {
    let text = format!("[[key]]\nmn = \"{mn}\"\ncreated = \"{CREATED}\"\nkey = \"0123456789abcdef\"\n");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(mode).open(folder.join("keys.toml")).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    std::fs::set_permissions(folder.join("keys.toml"), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A gateway with a station of 2025 whose first key is in the key file.
fn sealed_scene() -> Scene {
    let mut mn = String::new();
    let row = |row: &mut toml::Table| {
        row.insert("edition".into(), "2025".into());
        mn = row["mn"].as_str().unwrap().to_owned();
    };
    let mut scene = Scene::registered(OPEN, row);
    scene.gateway.stop();
    let config = scene.gateway.path("gateway.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n{KEYS}")).unwrap();
    key_file(scene.gateway.folder.path(), &scene.mn, 0o600);
    scene.gateway.start();
    scene
}

fn listed(scene: &Scene, arguments: &[&str]) -> (i32, String, String) {
    run(&[arguments, &["--config", "gateway.toml"]].concat(), scene.gateway.folder.path())
}

/// Asks until what is listed holds.
fn until(scene: &Scene, arguments: &[&str], holds: impl Fn(&str) -> bool) -> String {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let (code, out, said) = listed(scene, arguments);
        if code == 0 && holds(&out) {
            return out;
        }
        assert!(Instant::now() < until, "{code} {out}{said}\n{}", scene.gateway.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs it with a reader that is gone at once: the exit code and what stands on standard error.
fn unread(scene: &Scene, arguments: &str) -> String {
    let binary = env!("CARGO_BIN_EXE_hj212-gateway");
    let script =
        format!("{{ {binary} {arguments} --config gateway.toml; echo code=$? >&2; }} | sh -c 'exec <&-; sleep 2'");
    let done = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(scene.gateway.folder.path())
        .output()
        .unwrap();
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn come(scene: &Scene) -> Station {
    let mut station = scene.station();
    station.say("20261123100000001", "31", 2011, 9, "DataTime=20261123100000;a21026-Rtd=1.5,a21026-Flag=N");
    assert!(station.hear(Duration::from_secs(60)).expect("an answer").contains("CN=9014"));
    station
}

/// What is listed, without the time.
fn keys_of(listed: &str) -> String {
    listed.lines().filter(|line| !line.starts_with("as of")).collect::<Vec<_>>().join("\n")
}

#[test]
fn keys_are_listed_with_age_state_and_use_and_never_themselves() {
    let mut scene = sealed_scene();
    let mut station = come(&scene);
    let all = until(&scene, &["keys", "list"], |out| out.contains("proven"));
    assert!(all.contains(&format!("* {CREATED}")) && all.contains("due"), "{all}");
    // Rotated: the old one stays, the new one is used.
    scene.ask("k1", r#"{"command":"set-key","author":"li","why":"yearly"}"#);
    let word = scene.status("k1", &["to-confirm"])["confirm"].as_str().unwrap().to_owned();
    scene.ask("k1", &format!(r#"{{"confirm":"{word}","author":"wang","why":"agreed"}}"#));
    scene.status("k1", &["sent"]);
    let request = station.hear_bytes(Duration::from_secs(60)).expect("the request");
    let qn = field(&String::from_utf8_lossy(&request[6..60]), "QN=").to_owned();
    station.say(&qn, "91", 9011, 8, "QnRtn=1");
    station.say(&qn, "91", 9012, 8, "ExeRtn=1");
    scene.status("k1", &["done"]);
    let rotated =
        until(&scene, &["keys", "list"], |out| out.contains("offered") && !out.contains(&format!("* {CREATED}")));
    assert!(rotated.contains(CREATED) && !rotated.contains("abcdef"), "{rotated}");
    let (code, out, _) = listed(&scene, &["keys", "list", "--json", "--mn", &scene.mn]);
    let json: Value = serde_json::from_str(&out).unwrap();
    let keys = json["stations"][0]["keys"].as_array().unwrap();
    assert_eq!((code, keys.len(), keys.iter().filter(|key| key["used"] == true).count()), (0, 2, 1), "{json}");
    let (code, out, _) = listed(&scene, &["keys", "list", "--mn", "nobody"]);
    assert_eq!((code, out.as_str()), (69, ""));
    assert!(unread(&scene, "keys list").ends_with("code=0\n"), "{}", unread(&scene, "keys list"));
    // Without the desk's file what the key file says is there.
    scene.gateway.stop();
    let desk = scene.gateway.journal().join("desk");
    let own = std::fs::read(&desk).unwrap();
    std::fs::remove_file(&desk).unwrap();
    let (code, out, said) = listed(&scene, &["keys", "list"]);
    assert!(
        code == 0 && keys_of(&out) == keys_of(&rotated) && said.is_empty(),
        "the journal has all: {code} {out}{said}"
    );
    // One of another journal is not believed, and that is said.
    let other = sealed_scene();
    until(&other, &["keys", "list"], |_| other.gateway.journal().join("desk").exists());
    std::fs::copy(other.gateway.journal().join("desk"), &desk).unwrap();
    for damaged in [None, Some(&own[..own.len() / 2]), Some(&[][..])] {
        damaged.into_iter().for_each(|bytes| std::fs::write(&desk, bytes).unwrap());
        let (code, out, said) = listed(&scene, &["keys", "list"]);
        assert!(code == 74 && said.contains("of another journal") && out.contains(CREATED), "{code} {out}{said}");
    }
    std::fs::write(&desk, own).unwrap();
    assert_eq!(keys_of(&listed(&scene, &["keys", "list"]).1), keys_of(&rotated));
    // A key file that others may read is refused by name.
    key_file(scene.gateway.folder.path(), &scene.mn, 0o644);
    let (code, _, said) = listed(&scene, &["keys", "list"]);
    assert!(code == 78 && said.contains("keys.toml"), "{code} {said}");
}

#[test]
fn commands_and_gaps_are_listed_beside_a_running_gateway() {
    let scene = Scene::new(OPEN);
    let (code, out, said) = listed(&scene, &["commands", "list"]);
    assert_eq!((code, out.as_str()), (0, "open 未结束: 0; ended 已结束: 0\n"), "{said}");
    let mut station = scene.station();
    station.arrive();
    let ask = |id: &str| scene.ask(id, r#"{"command":"get-time","author":"li","why":"x"}"#);
    let answer = |station: &mut Station| {
        let qn = field(&station.hear(Duration::from_secs(60)).expect("the request"), "QN=").to_owned();
        station.say(&qn, "91", 9011, 4, "QnRtn=1");
        station.say(&qn, "91", 1011, 4, "SystemTime=20261123100000");
        station.say(&qn, "91", 9012, 4, "ExeRtn=1");
    };
    for id in ["a1", "a2"] {
        ask(id);
        answer(&mut station);
        scene.status(id, &["done"]);
    }
    scene.ask("a3", r#"{"command":"no-such","author":"li","why":"x"}"#);
    scene.status("a3", &["rejected"]);
    ask("a4");
    scene.status("a4", &["sent", "no-answer"]);
    let all = until(&scene, &["commands", "list"], |out| out.lines().count() == 5);
    let ids: Vec<&str> = all.lines().filter_map(|line| line.split_whitespace().nth(3)).take(4).collect();
    assert_eq!(ids, ["a1", "a2", "a3", "a4"], "{all}");
    let (_, last, said) = listed(&scene, &["commands", "list", "--limit", "1", "--json"]);
    assert!(last.contains("\"a4\"") && last.lines().count() == 1 && said.contains("3 older ones"), "{last}{said}");
    assert_eq!(listed(&scene, &["commands", "list", "--since", "1h", "--json"]).1.lines().count(), 4);
    // What is open is listed however old it is.
    let open = listed(&scene, &["commands", "list", "--since", "2099-01-01", "--json"]).1;
    assert!(open.lines().all(|line| line.contains("\"a4\"")), "{open}");
    assert_eq!(listed(&scene, &["commands", "list", "--since", "yesterday"]).0, 64);
    assert_eq!(listed(&scene, &["commands", "list", "--mn", "nobody", "--json"]).1, "");
    assert_eq!(run(&["commands", "list", "--config", "none.toml"], scene.gateway.folder.path()).0, 78);
    let (code, gaps, said) = listed(&scene, &["gaps", "--all", "--json"]);
    let gaps: Value = serde_json::from_str(&gaps).unwrap_or_else(|_| panic!("{code} {gaps}{said}"));
    assert_eq!(gaps["ledgers"][0]["mn"], scene.mn.as_str());
    assert!(listed(&scene, &["gaps"]).1.contains("as of 截至"));
    for arguments in ["commands list --json", "commands list --open", "gaps --all", "gaps --json", "keys list --json"] {
        let said = unread(&scene, arguments);
        assert!(said.ends_with("code=0\n") && !said.contains("panicked"), "{arguments}: {said}");
    }
    let open = listed(&scene, &["commands", "list", "--open", "--since", "2099-01-01", "--json"]).1;
    assert!(open.lines().all(|line| line.contains("\"a4\"")), "{open}");
}
