//! The packages: one list, and what becomes of it in a clean root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_hj212-gateway");

#[test]
fn it_installs_upgrades_and_goes_in_a_clean_root() {
    let done = Command::new(format!("{ROOT}/tests/package/clean-root")).arg(BINARY).output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    println!("{said}");
    if done.status.code() == Some(77) {
        assert!(std::env::var_os("PACKAGE_REQUIRED").is_none(), "{said}");
        // Past the harness, which shows nothing of tests that pass.
        _ = writeln!(std::io::stderr(), "NOT RUN: the package in a clean root: {}", said.trim());
        return;
    }
    assert!(done.status.success(), "{said}");
}

#[test]
fn every_command_has_a_manual_page_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new(BINARY).arg("generate").arg("--to").arg(folder.path()).status().unwrap();
    assert!(done.success());
    let page = |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(page("hj212-gateway.1").contains("NAME"));
    for command in ["check", "journal-verify", "marks-explain", "dead-letters-replay", "commands-list"] {
        let text = page(&format!("hj212-gateway-{command}.1"));
        assert!(text.contains("Examples"), "{command} has examples");
    }
    for file in ["bash/hj212-gateway.bash", "zsh/_hj212-gateway", "fish/hj212-gateway.fish"] {
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains("dead-letters") && text.contains("config"), "{file}");
    }
}

#[test]
fn what_the_list_names_is_there() {
    let list = std::fs::read_to_string(format!("{ROOT}/deploy/package/files")).unwrap();
    let rows: Vec<Vec<&str>> =
        list.lines().filter(|l| !l.starts_with('#')).map(|l| l.split_whitespace().collect()).collect();
    assert!(rows.len() > 12);
    for row in rows {
        let [mode, _, kind, source, target] = row[..] else { panic!("five words: {row:?}") };
        assert!(u32::from_str_radix(mode, 8).is_ok() && ["file", "config", "doc"].contains(&kind), "{row:?}");
        assert!(source.starts_with('{') || Path::new(ROOT).join(source).exists(), "{source}");
        assert!(target.starts_with('/') || target.starts_with("{doc}"), "{target}");
        assert_eq!(kind == "config", target.starts_with("/etc/"), "what lies in /etc is the operator's: {target}");
    }
}

#[test]
fn the_container_runs_as_nobody_and_holds_no_more_than_the_program() {
    let file = std::fs::read_to_string(format!("{ROOT}/deploy/Containerfile")).unwrap();
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "FROM scratch");
    assert!(lines.contains(&"USER 65532:65532") && lines.iter().any(|line| line.starts_with("STOPSIGNAL SIGTERM")));
    for source in lines.iter().filter_map(|line| line.strip_prefix("COPY ")) {
        for word in source.split(' ').filter(|word| !word.starts_with("--") && !word.starts_with('/')) {
            assert!(word.starts_with("${BINARY}") || Path::new(ROOT).join(word).exists(), "{word}");
        }
    }
}
