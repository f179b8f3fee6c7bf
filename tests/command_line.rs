//! The command line as scripts use it: names, exit codes, what is said when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use gateway::{Gateway, run};
use hj212_simulator as sim;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn check_names_every_mistake_with_file_line_value_and_rule() {
    let at = folder(&[
        ("g.toml", "[gateway]\nid = \"a/b\"\n[listen]\naddress = [\"nowhere\"]\n[mqtt]\nwindow = 0\n"),
        ("stations.toml", "[[station]]\nmn = \"A\"\n[[station]]\nmn = \"A\"\n"),
    ]);
    let (code, _, said) = run(&["check", "--config", "g.toml"], at.path());
    assert_eq!(code, 78, "{said}");
    for part in ["g.toml:2:", "\"a/b\"", "g.toml:4:", "nowhere", "g.toml:6:", "window", "stations.toml:4:"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    let (code, _, said) = run(&["run", "--config", "g.toml"], at.path());
    assert_eq!(code, 78, "run refuses the same: {said}");
}

#[test]
fn unknown_keys_are_errors_and_missing_files_are_named() {
    let at = folder(&[("g.toml", "[mqtt]\nhots = \"x\"\n"), ("h.toml", "[gateway]\nid = \"x\"\n")]);
    let (code, _, said) = run(&["check", "--config", "g.toml"], at.path());
    assert!(code == 78 && said.contains("g.toml:2:") && said.contains("hots"), "{said}");
    let (code, _, said) = run(&["check", "--config", "h.toml"], at.path());
    assert!(code == 78 && said.contains("stations.toml"), "{said}");
    let (code, _, said) = run(&["check", "--config", "none.toml"], at.path());
    assert!(code == 78 && said.contains("none.toml"), "{said}");
}

#[test]
fn a_file_that_is_named_and_not_good_is_told_at_the_line_that_names_it_and_so_is_what_does_not_fit_together() {
    let at = folder(&[
        ("stations.toml", "[[station]]\nmn = \"A\"\n"),
        ("empty", ""),
        ("policies.toml", "[[station]]\nmn = \"A\"\n[[station]]\nmn = \"B\"\npolicy = \"none\"\n"),
        ("rules.toml", "[[station]]\nmn = \"A\"\nname = \"a\"\nrules = [\"none\"]\n"),
    ]);
    let tls = "[listen]\n[[listen.also]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"none.pem\", key = \"none.pem\" }\n";
    for (text, place, words) in [
        ("[stations]\nfiles = [\"stations.toml\",\n \"none.toml\"]\n", "g.toml:3:", ["none.toml", "stations.files"]),
        ("[dictionary]\nfile = \"none.toml\"\n", "g.toml:2:", ["none.toml", "dictionary.file"]),
        ("[marking]\nfiles = [\"none.toml\"]\n", "g.toml:2:", ["none.toml", "marking.files"]),
        ("[keys]\nfile = \"none.toml\"\n", "g.toml:2:", ["none.toml", "keys.file"]),
        ("[mqtt]\nusername = \"a\"\npassword_file = \"none\"\n", "g.toml:3:", ["none", "mqtt.password_file"]),
        ("[mqtt]\npassword_file = \"empty\"\n", "g.toml:2:", ["username", "mqtt.password_file"]),
        ("[mqtt.tls]\nca = \"none.pem\"\n", "g.toml:2:", ["none.pem", "mqtt.tls.ca"]),
        ("[mqtt]\ntls = { certificate = \"empty\" }\n", "g.toml:2:", ["belong together", "mqtt.tls"]),
        ("[mqtt]\nretry_max = \"20ms\"\n", "g.toml:2:", ["retry_min", "20ms"]),
        (tls, "g.toml:4:", ["none.pem", "listen.also.0.tls.certificate"]),
        ("[http]\ntoken_file = \"none\"\n", "g.toml:2:", ["none", "http.token_file"]),
        ("[http]\ntoken_file = \"empty\"\n", "g.toml:2:", ["empty", "http.token_file"]),
        ("[delivery]\nconfirm = \"consumer\"\n", "g.toml:2:", ["delivery.consumer", "archive"]),
        ("[recall]\nretry_max = \"1s\"\n", "g.toml:2:", ["recall.retry_min", "1s"]),
        ("[recall]\nenabled = true\n", "g.toml:2:", ["command.enabled", "true"]),
        ("[journal]\nkeep_size = \"1MiB\"\n", "g.toml:2:", ["journal.segment_size", "1MiB"]),
        ("[listen]\naddress = [\"127.0.0.1:9080\"]\n", "g.toml:2:", ["http.address", "9080"]),
        ("[stations]\nfiles = [\"policies.toml\"]\n", "policies.toml:5:", ["policy", "none"]),
        ("[stations]\nfiles = [\"rules.toml\"]\n", "rules.toml:4:", ["none", "marking.files"]),
    ] {
        std::fs::write(at.path().join("g.toml"), text).unwrap();
        let (code, _, said) = run(&["check", "--config", "g.toml"], at.path());
        let line = said.lines().find(|line| words.iter().all(|word| line.contains(word)));
        let told = line.is_some_and(|line| line.contains(place) && line.contains("; "));
        assert!(code == 78 && told, "{text}\nwants {place} with {words:?} and a remedy in:\n{said}");
    }
}

#[test]
fn passwords_are_not_printed() {
    let at = folder(&[
        ("g.toml", "[gateway]\nid = \"x\"\n"),
        ("stations.toml", "[[station]]\nmn = \"A\"\npw = \"secret-word\"\ncolour = 1\n"),
    ]);
    let (code, out, said) = run(&["check", "--config", "g.toml"], at.path());
    assert!(code == 78 && !(out + &said).contains("secret-word"), "{said}");
}

#[test]
fn a_good_configuration_is_said_to_be_good_and_printed_in_full() {
    let at = folder(&[("g.toml", ""), ("stations.toml", "[[station]]\nmn = \"A\"\n")]);
    let (code, out, said) = run(&["check", "--config", "g.toml", "--print"], at.path());
    assert!(code == 0 && out.contains("stations 站点: 1;") && out.contains("connections_max"), "{out}{said}");
}

#[test]
fn a_journal_is_looked_into_by_its_folder_or_by_the_configuration() {
    let mut gateway = Gateway::new(&sim::Options::default(), gateway::free_port(), "");
    gateway.start();
    assert!(gateway.stop().1);
    let at = gateway.folder.path();
    for command in ["dump", "verify", "stats"] {
        let by_folder = run(&["journal", command, "--dir", "journal"], at);
        assert!(by_folder.0 == 0 && !by_folder.1.is_empty(), "{command}: {by_folder:?}");
        assert_eq!(run(&["journal", command, "--config", "gateway.toml"], at), by_folder, "{command}");
        let (code, _, said) = run(&["journal", command, "--config", "/etc/hj212-gateway/none.toml"], at);
        assert!(code == 78 && said.contains("/etc/hj212-gateway/none.toml"), "{command}: {said}");
        assert_eq!(run(&["journal", command, "--config", "gateway.toml", "--dir", "journal"], at).0, 64);
        let (code, _, said) = run(&["journal", command, "--config", "none.toml"], at);
        assert!(code == 78 && said.contains("none.toml"), "{command}: {said}");
    }
    // What is wrong elsewhere in the configuration is no reason not to look.
    std::fs::write(at.join("stations.toml"), "broken").unwrap();
    assert_eq!(run(&["journal", "verify", "--config", "gateway.toml"], at).0, 0);
}

#[test]
fn values_that_cannot_work_are_refused_by_check_and_at_the_start_with_their_place() {
    for (section, line, word) in [
        ("journal", "reserve = \"900TiB\"", "file system"),
        ("uplink", "checkpoint_every = 0", "取值范围"),
        ("uplink", "cursor_every = \"0s\"", "1ms to 1min"),
        ("interpret", "card_refresh = \"0s\"", "default of \"5min\""),
        ("interpret", "parts_max = 0", "2 to 999"),
        ("mqtt", "window = 70000", ""),
        ("listen", "connections_max = 0", "\"auto\""),
        ("command", "answer_timeout = \"5\"", "no duration"),
    ] {
        let text = format!("[{section}]\n{line}\n");
        let at = folder(&[("g.toml", text.as_str()), ("stations.toml", "")]);
        for command in ["check", "run"] {
            let (code, _, said) = run(&[command, "--config", "g.toml"], at.path());
            let key = line.split(' ').next().unwrap();
            assert!(
                code == 78 && said.contains("g.toml:2:") && said.contains(key) && said.contains(word),
                "{command}, {line}: {said}"
            );
        }
    }
}

#[test]
fn decode_gives_one_object_a_frame_and_code_1_for_what_is_wrong() {
    let frame = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";
    let at = folder(&[("good.txt", frame), ("bad.txt", &frame.replace("1C80", "1C81"))]);
    let (code, out, _) = run(&["decode", "--json", "good.txt"], at.path());
    let decoded: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!((code, &decoded["ok"], &decoded["packet"]["cn"]), (0, &true.into(), &"1062".into()), "{out}");
    let (code, out, _) = run(&["decode", "--json", "bad.txt"], at.path());
    assert!(code == 1 && out.contains("\"ok\":false"), "{out}");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let at = folder(&[]);
    for arguments in [&["run"][..], &["nothing"], &["replay", "--config", "g.toml", "--since", "yesterday"], &[]] {
        let (code, _, said) = run(arguments, at.path());
        assert!([64, 78].contains(&code) && !said.is_empty(), "{arguments:?}: {code} {said}");
    }
    assert_eq!(run(&["--help"], at.path()).0, 0);
    assert_eq!(run(&["--version"], at.path()).0, 0);
}

#[test]
fn a_second_gateway_on_one_journal_is_told_to_try_again() {
    let mut first = Gateway::new(&sim::Options::default(), gateway::free_port(), "");
    first.start();
    let (code, _, said) = run(&["run", "--config", "gateway.toml"], first.folder.path());
    assert!(code == 75 && said.contains("in use"), "{code} {said}");
    let (took, well) = first.stop();
    assert!(well && took.as_secs() < 5, "SIGTERM leaves within 5 s without a broker: {took:?}");
}

#[test]
fn factors_answers_for_codes_names_and_slips_and_helps_where_it_knows_nothing() {
    let at = folder(&[]);
    let (code, out, _) = run(&["factors", "a21026"], at.path());
    assert!(code == 0 && out.contains("二氧化硫") && out.contains("2005") && out.contains("SO2"), "{out}");
    let (code, out, _) = run(&["factors", "--search", "化学需氧量"], at.path());
    assert!(code == 0 && out.contains("w01018"), "{out}");
    let (code, _, said) = run(&["factors", "a2102"], at.path());
    assert!(code == 1 && said.contains("--search") && said.contains("near it"), "{said}");
    let (code, _, said) = run(&["factors"], at.path());
    assert!(code == 64 && said.contains("CODE"), "{said}");
}

#[test]
fn decode_shows_aliases_second_codes_and_collisions() {
    // A code without its letter is named where all others are of one medium; so what belongs to another stands in a frame of its own.
    let head = "QN=20260601101000001;ST=32;CN=2011;PW=123456;MN=A;Flag=5;CP=&&DataTime=20260601101000;";
    let mut raw = Vec::new();
    for items in ["COD-Rtd=7;w01018-Rtd=8;01001-Rtd=7.1;e70101-Rtd=3.5", "w01018-Rtd=8;a21026-Rtd=1"] {
        let segment = format!("{head}{items}&&");
        hj212::write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
    }
    let at = folder(&[("frame.txt", std::str::from_utf8(&raw).unwrap())]);
    let (code, out, said) = run(&["decode", "frame.txt"], at.path());
    assert_eq!(code, 0, "{said}");
    for part in [
        "w01001 (sent as 01001)",
        "the same factor as w01018",
        "could mean: 加药量 [mg/L]",
        "code-twice",
        "code-medium",
    ] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
}

#[test]
fn check_refuses_meanings_that_a_code_does_not_have_and_conversions_from_nowhere() {
    let at = folder(&[
        ("g.toml", ""),
        (
            "stations.toml",
            "[[station]]\nmn = \"A\"\nmeanings = { e70101 = \"流量\", a21026 = \"x\", i23005 = \"数采仪编号\" }\n",
        ),
        ("h.toml", "[stations]\nfiles = [\"other.toml\"]\n"),
        ("other.toml", "[[station]]\nmn = \"A\"\nunits = { a21026 = \"ppm\" }\nconvert = { a21026 = \"mg/m3\" }\n"),
    ]);
    let (code, _, said) = run(&["check", "--config", "g.toml"], at.path());
    assert!(code == 78 && said.contains("加药量") && said.contains("meanings.a21026"), "{said}");
    assert!(!said.contains("i23005"), "{said}");
    let (code, _, said) = run(&["check", "--config", "h.toml"], at.path());
    assert!(code == 78 && said.contains("other.toml:4:") && said.contains("by = "), "{said}");
    let keys = "units = { PM10 = \"ug/m3\", zz = \"g\" }\nconvert = { PM10 = \"mg/m3\", zz = \"kg\" }\n";
    std::fs::write(at.path().join("other.toml"), format!("[[station]]\nmn = \"A\"\n{keys}")).unwrap();
    let (code, _, said) = run(&["check", "--config", "h.toml"], at.path());
    assert!(code == 78 && said.contains("published as a34002") && said.contains("convert.zz"), "{said}");
}

/// A frame as HJ 212-2017 prints it (annex C, CN=1062).
const PRINTED: &str = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n";

#[test]
fn encode_writes_the_standard_s_own_frame_byte_for_byte() {
    let at = folder(&[]);
    let fields = ["--qn", "20160801085857223", "--cn", "1062", "--pw", "100000", "--mn", "010000A8900016F000169DC0"];
    let (code, out, said) = run(&[&["encode"], &fields[..], &["RtdInterval=30"]].concat(), at.path());
    assert_eq!((code, out.as_str()), (0, PRINTED), "{said}");
    for (value, name) in [("A;CN=1012", "MN"), ("A&&", "MN"), ("甲", "MN"), ("A B", "MN")] {
        let (code, out, said) = run(&["encode", "--cn", "1062", "--mn", value], at.path());
        assert!(code == 64 && out.is_empty() && said.contains(name), "{value}: {code} {out}{said}");
    }
    let (code, out, said) = run(&["encode", "--cn", "1062", "--mn", "A", "a=1&&2"], at.path());
    assert!(code == 64 && out.is_empty() && said.contains("a=1"), "{said}");
    let (code, _, said) = run(&["encode", "--cn", "1062", "--mn", "A", "--pw", "hid den"], at.path());
    assert!(code == 64 && said.contains("PW") && !said.contains("hid den"), "{said}");
}

#[test]
fn encode_and_decode_are_each_other_s_reverse() {
    let at = folder(&[]);
    for edition in ["2005", "2017", "2025"] {
        let arguments =
            ["encode", "--edition", edition, "--st", "31", "--cn", "2011", "--mn", "010000A8900016F000169DC0"];
        let items = ["DataTime=20260601101000", "a21026-Rtd=12.30,a21026-Flag=N"];
        let (code, out, said) = run(&[&arguments[..], &items[..]].concat(), at.path());
        assert_eq!(code, 0, "{said}");
        std::fs::write(at.path().join("frame"), out).unwrap();
        let (code, out, said) = run(&["decode", "--json", "frame"], at.path());
        let decoded: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (code, &decoded["crc"], &decoded["packet"]["mn"]),
            (0, &"right".into(), &arguments[8].into()),
            "{said}{out}"
        );
        assert_eq!(decoded["packet"]["edition"], edition, "{out}");
        assert!(out.contains("\"rtd\":12.30"), "numbers stay as they were written: {out}");
        let (_, out, _) = run(&["decode", "frame"], at.path());
        assert!(out.contains("rtd=12.30"), "{out}");
    }
}

#[test]
fn encode_cuts_what_is_too_long_into_parts_between_items() {
    let at = folder(&[]);
    let items: Vec<String> = (0..80).map(|n| format!("w{n:05}-Rtd=1.5,w{n:05}-Flag=N")).collect();
    let mut arguments =
        vec!["encode", "--cn", "2011", "--mn", "A1", "--qn", "20260601101000001", "DataTime=20260601101000"];
    arguments.extend(items.iter().map(String::as_str));
    let (code, out, said) = run(&arguments, at.path());
    assert_eq!(code, 0, "{said}");
    let frames: Vec<&str> = out.split_inclusive("\r\n").collect();
    assert!(frames.len() > 2, "{}", frames.len());
    let mut found = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        assert!(frame.len() <= 6 + 1024 + 6, "{frame}");
        let head = format!(
            "QN=20260601101000001;ST=32;CN=2011;PW=123456;MN=A1;Flag=7;PNUM={};PNO={};CP=&&DataTime=20260601101000;",
            frames.len(),
            number + 1
        );
        let area = frame.split(&head).nth(1).unwrap_or_else(|| panic!("{head} is not in {frame}"));
        found.extend(area.split("&&").next().unwrap().split(';').map(str::to_owned));
        std::fs::write(at.path().join("part"), frame).unwrap();
        let (code, out, _) = run(&["decode", "part"], at.path());
        assert!(code == 0 && out.contains("rtd=1.5"), "a part is shown alone: {out}");
    }
    assert_eq!(found, items, "every item once, in its order");
    let (code, out, said) =
        run(&["encode", "--cn", "2011", "--mn", "A", &format!("x={}", "y".repeat(1100))], at.path());
    assert!(code == 64 && out.is_empty() && said.contains("does not fit"), "{said}");
}

/// HJ 212-2025, 6.4.4: 2011 is encrypted, 9015 is not.
#[test]
fn encode_encrypts_with_the_key_of_the_station_and_decode_opens_it() {
    use std::os::unix::fs::PermissionsExt;
    let keys = "[[key]]\nmn = \"010000A8900016F000169DC0\"\ncreated = \"2026-06-01\"\nkey = \"0123456789abcdef\"\n";
    let at = folder(&[("keys.toml", keys)]);
    std::fs::set_permissions(at.path().join("keys.toml"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let fields = [
        "--mn",
        "010000A8900016F000169DC0",
        "--keys",
        "keys.toml",
        "DataTime=20260601101000;a21026-Rtd=12.30,a21026-Flag=N",
    ];
    let run_raw = |edition: &str, cn: &str, to: &str| {
        let arguments = ["encode", "--edition", edition, "--st", "31", "--cn", cn].into_iter().chain(fields);
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_hj212-gateway"))
            .args(arguments)
            .current_dir(at.path())
            .output()
            .unwrap();
        std::fs::write(at.path().join(to), &done.stdout).unwrap();
        (done.status.code(), done.stdout)
    };
    let (code, wire) = run_raw("2025", "2011", "sealed");
    assert!(code == Some(0) && !wire.windows(8).any(|bytes| bytes == b"DataTime"), "{}", wire.escape_ascii());
    let (code, out, said) = run(&["decode", "--json", "--keys", "keys.toml", "sealed"], at.path());
    assert!(code == 0 && out.contains("\"rtd\":12.30"), "{out}{said}");
    assert_eq!(run_raw("2017", "2011", "none").0, Some(64), "2017 knows no encryption");
    assert_eq!(run_raw("2025", "9015", "none").0, Some(64), "areas of heartbeats are not encrypted");
}

#[test]
fn send_shows_the_answer_explained_and_says_so_when_none_comes() {
    use std::io::{Read, Write};
    let frame = "QN=20260601101000001;ST=32;CN=2011;PW=123456;MN=A;Flag=5;CP=&&DataTime=20260601101000;w01018-Rtd=7&&";
    let wire = |segment: &str| {
        let mut raw = Vec::new();
        hj212::write::frame(&mut raw, |out| out.extend_from_slice(segment.as_bytes()));
        String::from_utf8(raw).unwrap()
    };
    let at = folder(&[("frame", &wire(frame)), ("unasked", &wire(&frame.replace("Flag=5", "Flag=4")))]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let answer = wire("QN=20260601101000001;ST=91;CN=9014;PW=123456;MN=A;Flag=4;CP=&&&&");
    let sent = wire(frame);
    let peer = std::thread::spawn(move || {
        // One connection is answered, in two pieces; the next ones are closed without a word.
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = vec![0; sent.len()];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, sent.as_bytes(), "bytes go out as they are");
        let (one, two) = answer.as_bytes().split_at(20);
        stream.write_all(one).unwrap();
        stream.flush().unwrap();
        stream.write_all(two).unwrap();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut heard);
        }
        stream
    });
    let (code, out, said) = run(&["send", "--to", &to, "--timeout", "60", "frame"], at.path());
    assert_eq!(code, 0, "{said}");
    for part in ["9014", "20260601101000001", "可用 usable", "✓"] {
        assert!(out.contains(part), "{part} is not in:\n{out}");
    }
    let (code, out, said) = run(&["send", "--to", &to, "--timeout", "60", "frame"], at.path());
    assert!(code == 1 && out.is_empty() && said.contains("20260601101000001"), "{code} {out}{said}");
    let (code, _, said) = run(&["send", "--to", &to, "--timeout", "60", "unasked"], at.path());
    assert!(code == 0 && said.contains("no answer was asked for"), "{code} {said}");
    peer.join().unwrap();
    let closed = format!("127.0.0.1:{}", gateway::free_port());
    assert_eq!(run(&["send", "--to", &closed, "frame"], at.path()).0, 69);
}

#[test]
fn whatever_ends_plainly_is_named_with_mn_cn_lengths_and_checks() {
    let segment = "QN=20260401101500000;ST=32;CN=2011;PW=123456;MN=88888880000001;Flag=5;CP=&&DataTime=20260401101500;w01018-Rtd=20.1,w01018-Flag=N&&";
    let mut all = String::new();
    let heads = ["##0130", "##0000", "##9999", "##12", "##", "##abcd", "##00130", "## 130"];
    for head in heads {
        for check in ["", "A", "6E", "6E7", "6E7A", "----", "zz", "0x1"] {
            all.push_str(&format!("{head}{segment}{check}\r\n"));
        }
    }
    let at = folder(&[("all.txt", &all)]);
    let (_, out, _) = run(&["decode", "--json", "all.txt"], at.path());
    let frames: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|f: &serde_json::Value| f["packet"].is_object())
        .collect();
    let named = frames.iter().filter(|f| {
        f["packet"]["mn"] == "88888880000001"
            && f["packet"]["cn"] == "2011"
            && f["packet"]["length"] == segment.len()
            && f["packet"]["crc_computed"].is_string()
    });
    assert_eq!(named.count(), heads.len() * 8, "{out}");
}

#[test]
fn the_configuration_of_a_package_is_what_is_meant_without_a_name() {
    if std::path::Path::new("/etc/hj212-gateway/gateway.toml").exists() {
        return;
    }
    let at = folder(&[]);
    for arguments in [
        &["check"][..],
        &["run"],
        &["gaps"],
        &["keys", "list"],
        &["commands", "list"],
        &["replay"],
        &["dead-letters", "list"],
        &["journal", "verify"],
        &["seal", "--mn", "A"],
        &["command", "--mn", "A", "get-time", "--author", "a", "--why", "b"],
    ] {
        let (code, _, said) = run(arguments, at.path());
        assert!(code == 78 && said.contains("/etc/hj212-gateway/gateway.toml"), "{arguments:?}: {code} {said}");
    }
}

#[test]
fn a_reader_that_goes_away_makes_no_command_panic() {
    let at = folder(&[("g.toml", ""), ("stations.toml", "[[station]]\nmn = \"A\"\n"), ("frames", &"##".repeat(9000))]);
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "simulate"],
        &["check", "--config", "g.toml", "--print"],
        &["command", "--list"],
        &["factors", "--search", "a"],
        &["decode", "frames"],
        &["encode", "--mn", "A", "--cn", "9015"],
        &["simulate", "--print-stations", "--stations", "5000"],
        &["simulate", "--faults", "list"],
    ] {
        for closed_too in [false, true] {
            let mut command = std::process::Command::new(gateway::BINARY);
            command.args(arguments).current_dir(at.path()).stdout(std::process::Stdio::piped());
            command.stderr(std::process::Stdio::piped());
            let mut child = command.spawn().unwrap();
            drop(child.stdout.take());
            let mut said = child.stderr.take();
            if closed_too {
                said = None;
            }
            let text = said.map(|said| std::io::read_to_string(said).unwrap()).unwrap_or_default();
            let code = child.wait().unwrap().code();
            assert!(
                code.is_some_and(|code| code != 101) && !text.contains("panicked"),
                "{arguments:?}: {code:?} {text}"
            );
        }
    }
}

#[test]
fn a_simulator_that_finds_nobody_says_so() {
    let at = folder(&[]);
    let address = format!("127.0.0.1:{}", gateway::free_port());
    let (code, _, said) = run(&["simulate", "--connect", &address, "--duration", "1s", "--drain", "0s"], at.path());
    assert!(code == 69 && said.contains(&address), "{code}: {said}");
}

#[test]
fn the_version_says_what_was_built() {
    let (code, out, _) = run(&["--version"], folder(&[]).path());
    assert!(code == 0 && out.starts_with(&format!("hj212-gateway {} (", env!("CARGO_PKG_VERSION"))), "{out}");
    assert!(out.contains("features: "), "{out}");
}

/// The demo is in builds with its broker alone.
#[cfg(feature = "demo")]
#[test]
fn the_demo_says_where_its_page_is_and_takes_a_free_port() {
    // Somebody has the usual port, or it is taken here.
    let _taken = std::net::TcpListener::bind("127.0.0.1:9080");
    let at = folder(&[]);
    let (code, out, said) = run(&["demo", "--duration", "2s", "--stations", "1"], at.path());
    assert_eq!(code, 0, "{said}");
    let page = out.lines().find_map(|line| line.split("http://").nth(1)).unwrap_or_else(|| panic!("no page in {out}"));
    assert!(page.starts_with("127.0.0.1:") && !page.starts_with("127.0.0.1:9080/"), "{page}");
    assert!(out.contains("240") && out.contains("Ctrl-C"), "{out}");
}

/// What cannot be obeyed is refused as usage, before anything is made of it.
#[test]
fn simulate_and_encode_refuse_what_cannot_be() {
    let at = folder(&[]);
    for words in [
        &["simulate", "--print-stations", "--mn-prefix", "XYZ"][..],
        &["simulate", "--print-stations", "--password", "1"],
        &["simulate", "--connect", "nowhere"],
        &["encode", "--mn", "A1", "--cn", "2011", "DataTime=20260601101000", "foo"],
        &["encode", "--mn", "A1", "--cn", "2011", "=1"],
    ] {
        let (code, out, said) = run(words, at.path());
        assert!(code == 64 && out.is_empty() && !said.is_empty(), "{words:?}: {code} {out}{said}");
    }
}

/// A cell that the gateway would not take is told at its line of the table, all of them at once; nothing is written.
#[test]
fn a_bad_cell_of_a_table_is_told_where_it_stands() {
    let at = folder(&[
        ("g.toml", ""),
        ("stations.toml", "[[station]]\nmn = \"A0\"\n"),
        (
            "t.csv",
            "mn,name,st,edition,crc,networks\nA1,one,315,,,\nA2,two,,2018,,\nA3,three,31,,,\nA4,four,,,maybe,\nA5,five,,,,nowhere\n",
        ),
    ]);
    let (code, _, said) = run(&["stations", "import", "t.csv", "--config", "g.toml", "--write"], at.path());
    assert_eq!(code, 78, "{said}");
    for part in ["t.csv:2:", "t.csv:3:", "t.csv:5:", "t.csv:6:", "A1: st", "A5: networks"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert!(!said.contains("stations.toml:"), "{said}");
    assert_eq!(std::fs::read_to_string(at.path().join("stations.toml")).unwrap(), "[[station]]\nmn = \"A0\"\n");
}
