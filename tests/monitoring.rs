//! Metrics, alert rules and the dashboard belong together: promtool takes what the gateway says and what the rules ask, and no rule or
//! panel asks for a figure that is not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

#[allow(dead_code, reason = "each test file uses a part of it")]
mod gateway;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use gateway::{Gateway, get};
use hj212_simulator as sim;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring");

/// What promtool says of `input`; `None` where it is not installed, which `PROMTOOL_REQUIRED` forbids.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let started = Command::new("promtool")
        .args(arguments)
        .current_dir(FOLDER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        assert!(std::env::var_os("PROMTOOL_REQUIRED").is_none(), "promtool is not installed");
        // Past the harness, which shows nothing of tests that pass.
        _ = writeln!(std::io::stderr(), "NOT RUN: promtool is not installed, it was asked nothing");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    Some((done.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// The metrics of a gateway that has heard its stations.
fn metrics() -> (String, String) {
    let options = sim::Options { stations: 2, ..sim::Options::default() };
    let (mut gateway, port) = Gateway::seen(&options, gateway::free_port(), "");
    gateway.start();
    let both = (get(port, "/metrics").1, get(port, "/metrics/stations").1);
    assert!(gateway.stop().1);
    both
}

/// Names of the project's own metrics in `text`.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c)).filter(|name| name.starts_with("hj212_")).map(str::to_owned).collect()
}

#[test]
fn promtool_takes_the_metrics_and_every_rule_and_panel_asks_for_one_of_them() {
    let (gateway, stations) = metrics();
    for text in [&gateway, &stations] {
        if let Some((good, said)) = promtool(&["check", "metrics"], text) {
            assert!(good, "{said}");
        }
        // What promtool looks for, for machines without it: help and type before the samples, counters that end in _total.
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let known = |what: &str, name: &str| text.contains(&format!("# {what} {name} "));
            assert!(known("HELP", name) || known("HELP", family), "no help text: {line}");
            let counter = text.contains(&format!("# TYPE {name} counter\n"));
            assert_eq!(counter, name.ends_with("_total"), "{line}");
        }
    }
    // Families without a sample yet count as well: certificates and days that are over come later than a test waits.
    let known = names(&(gateway + &stations));
    for file in ["hj212-alerts.yml", "hj212-dashboard.json"] {
        let text = std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap();
        let asked: BTreeSet<String> = names(&text)
            .into_iter()
            .map(|name| if known.contains(&name) { name } else { name.trim_end_matches("_total").to_owned() })
            .collect();
        assert!(asked.len() > 10, "{file}: the expressions were not found");
        let strange: Vec<_> = asked.difference(&known).collect();
        assert!(strange.is_empty(), "{file} asks for what is not there: {strange:?}");
    }
}

#[test]
fn the_rules_are_good_and_raise_what_they_are_for() {
    for arguments in [&["check", "rules", "hj212-alerts.yml"][..], &["test", "rules", "hj212-alerts.test.yml"]] {
        if let Some((good, said)) = promtool(arguments, "") {
            assert!(good, "{said}");
        }
    }
}

#[test]
fn each_rule_says_what_happened_and_what_to_do_in_both_languages() {
    let text = std::fs::read_to_string(format!("{FOLDER}/hj212-alerts.yml")).unwrap();
    let chinese = |line: &str| line.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let rules: Vec<_> = text.split("- alert:").skip(1).collect();
    assert!(rules.len() > 15);
    for rule in rules {
        for key in ["summary:", "description:"] {
            let line =
                rule.lines().find(|line| line.trim().starts_with(key)).unwrap_or_else(|| panic!("{key} in {rule}"));
            assert!(chinese(line) && line.split_whitespace().filter(|word| word.is_ascii()).count() > 2, "{line}");
        }
        assert!(rule.contains("severity: page") || rule.contains("severity: ticket"), "{rule}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_reads() {
    let text = std::fs::read_to_string(format!("{FOLDER}/hj212-dashboard.json")).unwrap();
    let board: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(board["schemaVersion"].as_u64().unwrap() >= 30 && board["uid"].is_string());
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids of panels are unique");
    for panel in panels {
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
    }
}
