//! The command line as scripts use it: names, exit codes, what is said when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use gateway::{Gateway, run};
use hj212_gateway::sim;

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
    assert!(code == 0 && out.contains("1 station") && out.contains("connections_max"), "{out}{said}");
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
    let frame = "QN=20260601101000001;ST=32;CN=2011;PW=123456;MN=A;Flag=5;CP=&&DataTime=20260601101000;COD-Rtd=7;w01018-Rtd=8;\
                 01001-Rtd=7.1;e70101-Rtd=3.5;a21026-Rtd=1&&";
    let mut raw = Vec::new();
    hj212_gateway::protocol::write::frame(&mut raw, |out| out.extend_from_slice(frame.as_bytes()));
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
