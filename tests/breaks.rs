//! Planted breaks of lines that keep a promise (`tests/breaks.toml`). The short form holds the list against the code; the long form
//! (`tests/long/run breaks`) plants each in a copy of the repository and runs the test beside it, which must fail.
//! `HJ212_BREAKS=cursor` plants those alone whose promise or file holds the word.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has spoken")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    promise: String,
    file: String,
    from: String,
    to: String,
    test: String,
}

#[derive(Deserialize)]
struct Breaks {
    #[serde(rename = "break")]
    all: Vec<Break>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn breaks() -> Vec<Break> {
    toml::from_str::<Breaks>(&std::fs::read_to_string(root().join("tests/breaks.toml")).unwrap()).unwrap().all
}

#[test]
fn every_break_has_its_line() {
    let all = breaks();
    assert!(all.len() >= 20);
    let lost: Vec<String> = all
        .iter()
        .filter_map(|one| {
            let text = std::fs::read_to_string(root().join(&one.file)).unwrap_or_default();
            let count = text.matches(&one.from).count();
            (count != 1 || one.from == one.to).then(|| format!("{}: {} lines of {:?}", one.promise, count, one.from))
        })
        .collect();
    assert!(lost.is_empty(), "tests/breaks.toml names lines that are not there once:\n{}", lost.join("\n"));
}

/// Whether the tests pass in `copy`; `None`: it does not compile, or no test was run.
fn passes(copy: &Path, arguments: &str) -> Option<bool> {
    let (build, filters) = arguments.split_once(" -- ").unwrap_or((arguments, ""));
    let filters: Vec<&str> = std::iter::once("--").chain(filters.split_whitespace()).collect();
    let cargo = |more: &[&str]| {
        Command::new("cargo")
            .arg("test")
            .args(build.split_whitespace())
            .args(more)
            .current_dir(copy)
            .stderr(Stdio::null())
            .output()
            .unwrap()
    };
    if !cargo(&["--no-run"]).status.success() {
        return None;
    }
    let output = cargo(&filters);
    let said = String::from_utf8_lossy(&output.stdout);
    let ran = said.lines().any(|line| line.starts_with("running ") && !line.starts_with("running 0 "));
    ran.then(|| output.status.success())
}

#[test]
fn every_break_is_noticed() {
    if std::env::var_os("HJ212_LONG").is_none() {
        return;
    }
    // One copy for all, kept between runs: its builds are built on.
    let copy = root().join("target/breaks");
    let word = std::env::var("HJ212_BREAKS").unwrap_or_default();
    let files = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap().stdout;
    for name in String::from_utf8(files).unwrap().split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let same = std::fs::read(&from).ok() == std::fs::read(&to).ok();
        if !same && from.exists() {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(from, to).unwrap();
        }
    }
    let (mut noticed, mut survived) = (0, Vec::new());
    for one in breaks().iter().filter(|one| one.promise.contains(&word) || one.file.contains(&word)) {
        let path = copy.join(&one.file);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, whole.replacen(&one.from, &one.to, 1)).unwrap();
        let passed = passes(&copy, &one.test);
        std::fs::write(&path, whole).unwrap();
        let became = match passed {
            Some(false) => "noticed",
            Some(true) => "SURVIVED",
            None => "DOES NOT BUILD, or no test ran",
        };
        println!("{became}: {} ({}; cargo test {})", one.promise, one.file, one.test);
        if passed == Some(false) {
            noticed += 1;
        } else {
            survived.push(one.promise.clone());
        }
    }
    println!("{noticed} noticed, {} not", survived.len());
    assert!(survived.is_empty(), "{survived:#?}");
}
