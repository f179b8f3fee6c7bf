//! What readers rely on and must stay: numbers and names that stand in journals, checkpoints, messages, dashboards and scripts.
//!
//! Each list stands in `fixtures/stable`. These are stable: **adding is free, changing breaks readers.** A new entry is added to its file
//! (`UPDATE=1 cargo test --test stable` adds it); a line that is there already is never changed and never removed, so `UPDATE` does neither.
//! The types of checkpoints are another matter: they may change, with the number of the layout (`LAYOUT` in
//! `crates/interpret/src/snapshot.rs`), which makes the gateway pass over older checkpoints and read the journal instead.

#![allow(clippy::unwrap_used, reason = "a test that panics has spoken")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hj212::Deviation;
use hj212_model::message::{Record, RecordError, RejectReason};
use hj212_model::telemetry::{Counter, Expiry, Timing};
use regex::Regex;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Holds `now` against the file: what the file has must be there; what is new is to be added to it.
fn hold(name: &str, now: &BTreeSet<String>) {
    let path = root().join("fixtures/stable").join(name);
    let stored: BTreeSet<String> =
        std::fs::read_to_string(&path).unwrap_or_default().lines().map(str::to_owned).collect();
    let gone: Vec<_> = stored.difference(now).collect();
    assert!(
        gone.is_empty(),
        "{name}: these are stable, adding is free, changing breaks readers. Put back {gone:?}, or leave it and give the new thing a new name"
    );
    let new: Vec<_> = now.difference(&stored).collect();
    if std::env::var_os("UPDATE").is_some() {
        let lines: String = now.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, lines).unwrap();
    } else {
        assert!(
            new.is_empty(),
            "{name}: new, and stable from now on: {new:?}. UPDATE=1 cargo test --test stable adds it"
        );
    }
}

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

/// The kinds that this version reads, by the table at the head of their file.
#[test]
fn kinds_of_records_keep_their_numbers() {
    let text = std::fs::read_to_string(root().join("crates/model/src/message/record.rs")).unwrap();
    let row = Regex::new(r"(?m)^//! (\d+) ([a-z]+(?: [a-z]+)?)  ").unwrap();
    let mut told = BTreeSet::new();
    let mut now = BTreeSet::new();
    for found in row.captures_iter(&text) {
        told.insert(found[1].parse::<u8>().unwrap());
        now.insert(format!("{:>3} {}", &found[1], &found[2]));
    }
    let read: BTreeSet<u8> =
        (0..=u8::MAX).filter(|kind| !matches!(Record::decode(*kind, &[]), Err(RecordError::Kind(_)))).collect();
    assert_eq!(told, read, "the table at the head of record.rs has a row for each kind that is read");
    hold("record-kinds.txt", &now);
}

#[test]
fn deviations_and_reasons_keep_numbers_and_names() {
    let deviations = Deviation::ALL.iter().map(|deviation| format!("{:>3} {}", *deviation as u8, deviation.code()));
    hold("deviations.txt", &deviations.collect());
    let reasons = RejectReason::ALL.iter().map(|reason| format!("{:>3} {}", *reason as u8, reason.code()));
    hold("reject-reasons.txt", &reasons.collect());
}

#[test]
fn counters_keep_their_names() {
    let counters = Counter::ALL.iter().map(|counter| counter.name().to_owned());
    let expiries = Expiry::ALL.iter().map(|expiry| format!("expiry {}", expiry.name()));
    let timings = Timing::ALL.iter().map(|timing| format!("timing {}", timing.name()));
    hold("counters.txt", &counters.chain(expiries).chain(timings).collect());
}

#[test]
fn schemas_keep_their_names() {
    let names = std::fs::read_dir(root().join("fixtures/schema")).unwrap();
    let schemas: BTreeSet<String> = names
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.unwrap().path()).ok()?;
            let schema: serde_json::Value = serde_json::from_str(&text).ok()?;
            schema.pointer("/properties/schema/const")?.as_str().map(str::to_owned)
        })
        .collect();
    assert!(schemas.contains("hj212.data/1"));
    hold("schemas.txt", &schemas);
}

/// Scripts and units go by them; `src/cli/mod.rs` says what each means.
#[test]
fn exit_codes_keep_their_numbers() {
    let mut files = Vec::new();
    sources(&root().join("src/cli"), &mut files);
    let code = Regex::new(r"(?m)^(?:pub(?:\(\w+\))? )?const ([A-Z_]+): u8 = (\d+);").unwrap();
    let mut now = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(root().join("src/cli")).unwrap().with_extension("");
        let name = place.iter().next().and_then(|name| name.to_str()).unwrap().to_owned();
        now.extend(code.captures_iter(&text).map(|found| format!("{} {} {name}", &found[2], &found[1])));
    }
    assert!(now.len() >= 6);
    hold("exit-codes.txt", &now);
}

/// The types that a checkpoint may hold, without comments: postcard has no names, so another order is another layout.
#[test]
fn types_of_checkpoints_change_with_the_layout() {
    let mut files = Vec::new();
    for folder in
        ["interpret", "marking", "judgement", "leads", "cases", "operation", "scores", "coverage", "model/src/clock"]
    {
        sources(&root().join("crates").join(folder), &mut files);
    }
    files.extend(["time.rs", "context.rs"].map(|name| root().join("crates/model/src/message").join(name)));
    let derive =
        Regex::new(r"#\[derive\(([^)]*)\)\]\s*((?:#\[[^\]]*\]\s*)*)(?:pub(?:\([a-z]+\))? )?((?:struct|enum) )")
            .unwrap();
    let mut types = BTreeSet::new();
    for file in files.iter().filter(|file| !file.components().any(|part| part.as_os_str() == "tests")) {
        let text = std::fs::read_to_string(file).unwrap();
        let text: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
        for found in derive
            .captures_iter(&text)
            .filter(|found| found[1].contains("Serialize") && found[1].contains("Deserialize"))
        {
            let start = found.get(3).unwrap().start();
            types.insert(definition(&text[start..]));
        }
    }
    assert!(types.len() > 40, "the types were not found: {}", types.len());
    let snapshot = std::fs::read_to_string(root().join("crates/interpret/src/snapshot.rs")).unwrap();
    let layout = Regex::new(r"const LAYOUT: u16 = (\d+);").unwrap().captures(&snapshot).unwrap()[1].to_owned();
    let now = format!("layout {layout}\n{}", types.iter().map(|one| format!("{one}\n")).collect::<String>());
    let path = root().join("fixtures/stable/checkpoint.txt");
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    if stored == now {
        return;
    }
    let raised = stored.lines().next() != Some(&format!("layout {layout}"));
    if std::env::var_os("UPDATE").is_some() && (raised || std::env::var_os("SAME_LAYOUT").is_some()) {
        return std::fs::write(&path, now).unwrap();
    }
    let before: BTreeSet<&str> = stored.lines().collect();
    let changed: Vec<&str> = now.lines().filter(|line| !before.contains(line)).collect();
    panic!(
        "types that a checkpoint may hold have changed: {changed:#?}. Raise LAYOUT in crates/interpret/src/snapshot.rs, then \
         UPDATE=1 cargo test --test stable. If they are in no checkpoint, or only their names changed: SAME_LAYOUT=1 UPDATE=1 …"
    );
}

/// A type's definition in one line.
fn definition(text: &str) -> String {
    let mut depth = 0;
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => {
                depth -= 1;
                if depth == 0 && c == '}' {
                    end = at + 1;
                    break;
                }
            }
            ';' if depth == 0 => {
                end = at + 1;
                break;
            }
            _ => {}
        }
    }
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ").replace("pub(super) ", "").replace("pub ", "")
}
