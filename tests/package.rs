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

/// What the documentation refers to beside itself lies in the package where the reference leads.
#[test]
fn links_and_references_of_the_documentation_lead_somewhere_in_the_package() {
    let list = std::fs::read_to_string(format!("{ROOT}/deploy/package/files")).unwrap();
    let rows: Vec<(&str, &str)> = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some((*words.get(3)?, *words.get(4)?))
        })
        .collect();
    let packaged = |path: &str| {
        rows.iter().any(|(source, target)| {
            (path == *source || path.starts_with(&format!("{source}/"))) && *target == format!("{{doc}}/{source}")
        })
    };
    let (mut folders, mut checked) = (vec![Path::new(ROOT).join("docs")], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for reference in text.split(['(', '"']).filter(|rest| rest.starts_with("../")) {
                let end = reference.find([')', '"', '#', ' ', '\n']).unwrap_or(reference.len());
                let Ok(target) = folder.join(&reference[..end]).canonicalize() else { continue };
                let Ok(target) = target.strip_prefix(ROOT) else { continue };
                let target = target.to_string_lossy();
                // Sources are no part of a package.
                if ["fixtures/", "deploy/", "config/"].iter().any(|part| target.starts_with(part)) {
                    assert!(packaged(&target), "{}: {target} is not in the package", path.display());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 20, "{checked}");
}
