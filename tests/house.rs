//! The house rules that a compiler does not know: floors, clocks, panics, secrets in the repository.

#![allow(clippy::unwrap_used, reason = "a test that panics has spoken")]

use std::path::{Path, PathBuf};

/// The floors of the house. A room uses rooms on lower floors only; lib.rs has the same table in words.
const FLOORS: &[(u8, &[&str])] = &[
    (0, &["protocol"]),
    (1, &["message", "telemetry", "settings", "clock"]),
    (2, &["registry", "session", "marking", "interpret", "board", "downlink", "coverage"]),
    (3, &["explain", "journal", "certificates"]),
    (4, &["net", "mqtt", "http", "sim", "broker"]),
    (5, &["config", "gateway"]),
    (6, &["cli"]),
];

/// Uses between rooms of one floor that are no circle: the first may use the second.
const SIBLINGS: &[(&str, &str)] = &[
    // Counters are labelled with the reasons and deviations of messages.
    ("telemetry", "message"),
    // The clock gives the messages' time stamps.
    ("clock", "message"),
    // A session judges by what is registered.
    ("session", "registry"),
    // Problems of rule files are problems of configuration files.
    ("marking", "registry"),
    // The steps of commands are published as all that the journal holds.
    ("interpret", "downlink"),
    // What is interpreted is marked before it is said.
    ("interpret", "marking"),
    // Problems of key files are problems of configuration files.
    ("downlink", "registry"),
    // What is missing is counted with what arrives; what became of requests for it is read from their steps.
    ("interpret", "coverage"),
    ("coverage", "downlink"),
    // The gateway is built from the configuration; each part's settings are the part's own.
    ("gateway", "config"),
    ("config", "gateway"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Each file below src: its room, its path, and its lines without comments and without what follows `#[cfg(test)]`.
fn rooms() -> Vec<(String, PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    files
        .into_iter()
        .filter(|f| !f.file_name().is_some_and(|n| n == "tests.rs" || n == "fixtures.rs"))
        .filter(|f| !f.components().any(|c| c.as_os_str() == "tests"))
        .map(|file| {
            let first = file.strip_prefix(&root).unwrap().components().next().unwrap();
            let room = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text
                .lines()
                .take_while(|l| l.trim() != "#[cfg(test)]")
                .map(|l| if l.trim_start().starts_with("//") { String::new() } else { l.to_owned() })
                .collect();
            (room, file, lines)
        })
        .collect()
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

/// The rooms that a line names: `crate::room::…`, also within `use crate::{a::…, b}`.
fn named(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + 7..];
        match rest.strip_prefix('{') {
            None => rooms.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (position, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_ascii_alphabetic() => {
                            rooms.push(word(&list[position..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    rooms
}

#[test]
fn a_room_uses_only_rooms_on_lower_floors() {
    let mut wrong = Vec::new();
    for (room, file, lines) in rooms() {
        let Some(own) = floor(&room) else {
            assert!(["lib", "main"].contains(&room.as_str()), "{} is on no floor", file.display());
            continue;
        };
        for (number, line) in lines.iter().enumerate() {
            for used in named(line) {
                let Some(below) = floor(&used) else { continue };
                let sibling = SIBLINGS.iter().any(|(a, b)| *a == room && *b == used);
                if used != room && below >= own && !sibling {
                    wrong.push(format!(
                        "{}:{}: {room} (floor {own}) uses {used} (floor {below})",
                        file.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn protocol_and_judgement_know_no_runtime_no_clock_and_no_files() {
    let forbidden =
        ["tokio", "rumqttc", "std::fs", "std::net::Tcp", "SystemTime::now", "Instant::now", "clock::now", "rand::"];
    let mut wrong = Vec::new();
    for (room, file, lines) in rooms() {
        if floor(&room).is_none_or(|f| f > 2) || ["clock", "telemetry"].contains(&room.as_str()) {
            continue;
        }
        for (number, line) in lines.iter().enumerate() {
            if let Some(word) = forbidden.iter().find(|w| line.contains(**w)) {
                wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_doors_keep_their_libraries_to_themselves() {
    let mut wrong = Vec::new();
    for (room, file, lines) in rooms() {
        for (number, line) in lines.iter().enumerate() {
            let mqtt = line.contains("rumqttc::") && !["mqtt", "broker"].contains(&room.as_str());
            let step = line.contains("0xA001") && room != "protocol";
            if mqtt || step {
                wrong.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        sources(&root.join(folder), &mut files);
    }
    let silent: Vec<_> = files.iter().filter(|f| !std::fs::read_to_string(f).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "no opening paragraph: {silent:?}");
}
