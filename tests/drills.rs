//! The drills that come along, each played against the real gateway on a clock that runs fast: what was to be found is found, what must not appear
//! does not. And one that expects what never comes.

#![cfg(feature = "demo")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use gateway::{Gateway, run};
use hj212_simulator as sim;
use hj212_test_broker::Broker;
use serde_json::Value;

/// A gateway for the drill `file`, its broker, and what playing it with `more` came to: the exit code, standard output, standard error.
fn played(file: &str, more: &[&str]) -> (i32, String, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = runtime.block_on(Broker::start(([127, 0, 0, 1], 0).into())).unwrap();
    let port = broker.address().port();
    let folder = tempfile::tempdir().unwrap();
    let (code, stations, said) = run(&["drill", "play", file, "--stations-toml"], folder.path());
    assert_eq!(code, 0, "{said}");
    // The settings are those that the registry's head names.
    let settings: Vec<&str> = stations.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    let settings = settings.join("\n") + "\n";
    assert!(settings.contains("[leads]"), "{stations}");
    let mut gateway = Gateway::new(&sim::Options::default(), port, &settings);
    std::fs::write(gateway.path("stations.toml"), &stations).unwrap();
    gateway.start();
    let (connect, broker_at) = (gateway.listen.to_string(), broker.address().to_string());
    let mut arguments = vec!["drill", "play", file, "--connect", &connect, "--mqtt", &broker_at];
    arguments.extend(more);
    let done = run(&arguments, folder.path());
    if done.0 != 0 {
        println!("{}\n{}", done.1, done.2);
    }
    done
}

/// Plays a drill that comes along and holds its sheet against what every sheet of a gateway that works says.
fn all_is_found(name: &str) -> Value {
    let page = tempfile::NamedTempFile::with_suffix(".html").unwrap();
    let path = page.path().to_str().unwrap();
    let (code, text, said) = played(name, &["--speed", "4000", "--patience", "120", "--json", "--score", path]);
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"));
    for row in json["rows"].as_array().unwrap() {
        let mark = row["mark"].as_str().unwrap();
        assert!(["found", "stayed-away", "by-hand"].contains(&mark), "{row}\n{text}\n{said}");
    }
    assert_eq!((code, json["all_found"].as_bool(), &json["points"]), (0, Some(true), &json["points_of"]), "{text}");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains("全部发现，无误报。") && page.contains("What was to be found"), "{page}");
    json
}

/// The row of the sheet whose English name has these words.
fn row<'a>(json: &'a Value, words: &str) -> &'a Value {
    let rows = json["rows"].as_array().unwrap();
    rows.iter().find(|row| row["name"]["en"].as_str().unwrap().contains(words)).unwrap()
}

#[test]
fn the_accident_and_the_flood_are_found() {
    let json = all_is_found("flood");
    assert_eq!(row(&json, "limit of days")["topic"], "judgement/day");
    assert_eq!(row(&json, "limit of days")["about"], "第1天 00:00");
    assert_eq!(json["points_by_hand"], 20);
}

#[test]
fn the_falsifier_is_found_and_the_honest_and_the_careless_are_not_taken_for_it() {
    let json = all_is_found("falsifier");
    assert!(row(&json, "particulates are held")["topic"].as_str().unwrap().starts_with("lead/L1-"));
    assert!(row(&json, "just below its limit")["said"].as_str().unwrap().contains("请核查"));
    assert_eq!(row(&json, "no. 1 is honest: no lead")["mark"], "stayed-away");
}

#[test]
fn the_night_of_the_incinerator_is_found() {
    let json = all_is_found("incinerator");
    assert_eq!(row(&json, "the line is down")["topic"], "event/offline");
    assert_eq!(row(&json, "is there again")["about"], "第2天 00:30");
}

const OWN: &str = r#"schema = "drill/1"
id = "own"
title = { zh = "自编", en = "one's own" }
story = { zh = "两小时", en = "two hours" }
begin = "08:00"
length = "2h"
[[station]]
id = "b"
mn = "D21200000000000000000901"
name = "自编锅炉"
plant = "coal-boiler"
limit = [{ code = "a21026", max = 50, of = "hour" }]
[[expect]]
name = { zh = "小时数据", en = "an hour" }
topic = "data/hour"
from = "08:00"
until = "09:00"
points = 1
[[expect]]
name = { zh = "并未发生的超标", en = "an exceedance that is none" }
topic = "judgement/hour"
is = { outcome = "exceeded" }
points = 2
[[expect]]
name = { zh = "不该有数据", en = "no data at all" }
topic = "data/minute"
never = true
points = 4
"#;

#[test]
fn what_is_not_found_and_what_must_not_appear_is_said_by_sheet_and_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let (file, page) = (folder.path().join("own.toml"), folder.path().join("own.html"));
    std::fs::write(&file, OWN).unwrap();
    let (code, text, said) =
        played(file.to_str().unwrap(), &["--speed", "100000", "--patience", "30", "--score", page.to_str().unwrap()]);
    assert_eq!(code, 1, "{text}\n{said}");
    for wanted in [
        "✓ 小时数据",
        "✗ 并未发生的超标",
        "未发现 missed  0/2",
        "✗ 不该有数据",
        "误报 appeared (wrong)  0/4",
        "得分 points 1 / 7",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<td class=\"bad\">未发现<br>missed"), "{page}");
}

#[test]
fn drills_are_listed_shown_and_checked_and_mistakes_have_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text, _) = run(&["drill", "list"], folder.path());
    assert!(code == 0 && ["flood\n", "falsifier\n", "incinerator\n"].iter().all(|name| text.contains(name)), "{text}");
    let (code, shown, _) = run(&["drill", "show", "flood"], folder.path());
    assert!(code == 0 && shown.starts_with("# A drill"), "{shown}");
    std::fs::write(folder.path().join("mine.toml"), &shown).unwrap();
    assert_eq!(run(&["drill", "check", "mine.toml"], folder.path()).0, 0);
    std::fs::write(folder.path().join("mine.toml"), shown.replace("aeration-stops", "aeration-stop")).unwrap();
    let (code, _, said) = run(&["drill", "check", "mine.toml"], folder.path());
    assert!(code == 78 && said.contains("what = \"aeration-stop\"") && said.contains("写其中之一"), "{said}");
    let line = shown.lines().position(|line| line.contains("aeration-stops")).unwrap() + 1;
    assert!(said.contains(&format!("mine.toml:{line}:")), "{said}");
    assert_eq!(run(&["drill", "play", "nothing"], folder.path()).0, 78);
    let (code, _, said) = run(&["drill", "play", "flood", "--speed", "0.5"], folder.path());
    assert!(code == 64 && said.contains("--speed"), "{said}");
    // Each round has stations of its own.
    let registry = |round| run(&["drill", "play", "flood", "--stations-toml", "--round", round], folder.path()).1;
    assert!(registry("7").contains("D21200000000000000070101") && registry("8").contains("D21200000000000000080101"));
}

#[test]
fn the_examples_of_docs_and_manual_are_drills() {
    for page in ["docs/drills.md", "docs/manual/zh/src/drills.md", "docs/manual/en/src/drills.md"] {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let example = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let drill = hj212_drill::read(page, example).unwrap_or_else(|problems| panic!("{}", problems[0]));
        assert_eq!((drill.stations.len(), drill.happenings.len(), drill.wanted.len()), (1, 1, 3), "{page}");
    }
}

#[test]
fn the_drills_of_the_package_are_those_that_come_along() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/drills");
    let files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files.len(), hj212_drill::BUILT_IN.len());
    assert!(hj212_drill::BUILT_IN.iter().all(|(name, _)| files.contains(&(*name).to_owned())));
}
