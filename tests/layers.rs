//! The rules of structure that a compiler does not know: layers, clocks, files, where libraries may be used.

#![allow(clippy::unwrap_used, reason = "a test that panics has spoken")]

use std::path::{Path, PathBuf};

/// The layers of the gateway's own modules. A module uses modules of lower layers only; lib.rs has the same table in words. Crates
/// cannot be circular: cargo sees to that.
const LAYERS: &[(u8, &[&str])] = &[(0, &["board", "net", "http"]), (1, &["config", "gateway"]), (2, &["cli"])];

/// Uses between modules of one layer that are no circle: the first may use the second.
const SIBLINGS: &[(&str, &str)] = &[
    // The page shows the board.
    ("http", "board"),
    // The gateway is built from the configuration; each part's settings are the part's own.
    ("gateway", "config"),
    ("config", "gateway"),
];

/// Crates that decide and calculate: no runtime, no clock, no files.
const PURE: &[&str] =
    &["hj212", "marking", "judgement", "downlink", "coverage", "interpret", "explain", "evidence", "cases"];

/// Modules of the crate `model` of the same kind.
const PURE_MODEL: &[&str] = &["message", "registry", "session"];

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

/// The sources of the gateway and of its crates.
fn folders() -> Vec<(Option<String>, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![(None, root.join("src"))];
    for entry in std::fs::read_dir(root.join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        all.push((Some(folder.file_name().unwrap().to_str().unwrap().to_owned()), folder.join("src")));
    }
    all
}

/// A file's lines without comments and without what follows `#[cfg(test)]`.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .take_while(|l| l.trim() != "#[cfg(test)]")
        .map(|l| if l.trim_start().starts_with("//") { String::new() } else { l.to_owned() })
        .collect()
}

fn is_test(file: &Path) -> bool {
    file.components().any(|c| c.as_os_str() == "tests")
        || file
            .file_name()
            .and_then(|n| n.to_str())
            .is_some_and(|n| n == "tests.rs" || n == "fixtures.rs" || n.ends_with("_tests.rs"))
}

/// Each file of one folder: its module, its path, its lines.
fn modules(root: &Path) -> Vec<(String, PathBuf, Vec<String>)> {
    let mut files = Vec::new();
    sources(root, &mut files);
    files
        .into_iter()
        .filter(|file| !is_test(file))
        .map(|file| {
            let first = file.strip_prefix(root).unwrap().components().next().unwrap();
            let module = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let lines = lines(&file);
            (module, file, lines)
        })
        .collect()
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(_, modules)| modules.contains(&module)).map(|(layer, _)| *layer)
}

/// The modules that a line names: `crate::module::…`, also within `use hj212_gateway::{a::…, b}`.
fn named(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + 7..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (position, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_ascii_alphabetic() => {
                            found.push(word(&list[position..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_modules_of_lower_layers() {
    let mut wrong = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let all = modules(&root);
    assert!(all.len() > 30, "the sources were not found");
    for (module, file, lines) in all {
        let Some(own) = layer(&module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{} is in no layer", file.display());
            continue;
        };
        for (number, line) in lines.iter().enumerate() {
            for used in named(line) {
                let Some(below) = layer(&used) else { continue };
                let sibling = SIBLINGS.iter().any(|(a, b)| *a == module && *b == used);
                if used != module && below >= own && !sibling {
                    wrong.push(format!("{}:{}: {module} ({own}) uses {used} ({below})", file.display(), number + 1));
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
    let mut seen = 0;
    for (name, folder) in folders() {
        for (module, file, lines) in modules(&folder) {
            let pure = match name.as_deref() {
                None => module == "board",
                Some("model") => PURE_MODEL.contains(&module.as_str()),
                Some(name) => PURE.contains(&name),
            };
            if !pure {
                continue;
            }
            seen += 1;
            for (number, line) in lines.iter().enumerate() {
                if let Some(word) = forbidden.iter().find(|w| line.contains(**w)) {
                    wrong.push(format!("{}:{}: {word}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(seen > 100, "the sources were not found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_of_the_wire_stay_in_one_crate() {
    let mut wrong = Vec::new();
    for (name, folder) in folders() {
        let name = name.as_deref().unwrap_or_default();
        for (_, file, lines) in modules(&folder) {
            for (number, line) in lines.iter().enumerate() {
                let mqtt = line.contains("rumqttc::") && !["mqtt", "test-broker"].contains(&name);
                let step = line.contains("0xA001") && name != "hj212";
                if mqtt || step {
                    wrong.push(format!("{}:{}: {line}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "crates"] {
        sources(&root.join(folder), &mut files);
    }
    let silent: Vec<_> = files.iter().filter(|f| !std::fs::read_to_string(f).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "no opening paragraph: {silent:?}");
}

/// The picture in `docs/architecture.md`: each name and what it uses.
fn picture() -> Vec<(String, Vec<String>)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap();
    let lines = page.lines().filter_map(|line| line.split_once("->"));
    let rows = lines.filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_lowercase()));
    rows.map(|(name, uses)| {
        let uses = uses.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        (name.trim().to_owned(), uses)
    })
    .collect()
}

/// What the workspace's crates use of each other, by their Cargo files.
fn dependencies(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let own = text.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = own.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    let ours = names.filter(|name| name.starts_with("hj212"));
    ours.map(|name| name.strip_prefix("hj212-").unwrap_or(name).to_owned()).collect()
}

#[test]
fn the_picture_in_the_architecture_page_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let picture = picture();
    let place = |name: &str| picture.iter().position(|(row, _)| row == name);
    let mut wrong = Vec::new();
    for (at, (name, uses)) in picture.iter().enumerate() {
        for used in uses {
            match place(used) {
                Some(below) if below > at => {}
                _ => wrong.push(format!("{name} -> {used}: no row below it")),
            }
        }
        let cargo = root.join("crates").join(name).join("Cargo.toml");
        if cargo.exists() {
            let mut real = dependencies(&cargo);
            let mut shown = uses.clone();
            real.sort();
            shown.sort();
            if real != shown {
                wrong.push(format!("{name}: shown {shown:?}, in {} {real:?}", cargo.display()));
            }
        } else if layer(name).is_none() {
            wrong.push(format!("{name}: neither a crate nor a module of src"));
        }
    }
    for (name, _) in folders() {
        if let Some(name) = name.filter(|name| place(name).is_none()) {
            wrong.push(format!("crate {name} is missing"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Checkpoints are postcard, which has no names: a member that is left out makes all that follows unreadable.
#[test]
fn nothing_in_a_checkpoint_leaves_members_out() {
    let mut wrong = Vec::new();
    for (name, folder) in folders() {
        let kept = ["marking", "judgement", "coverage", "interpret", "hj212", "model"]
            .contains(&name.as_deref().unwrap_or_default());
        for (module, file, lines) in modules(&folder).into_iter().filter(|_| kept) {
            // What is written as TOML or JSON only.
            if module == "registry" {
                continue;
            }
            for (number, line) in lines.iter().enumerate() {
                if ["skip_serializing_if", "serde(flatten", "serde(untagged"].iter().any(|word| line.contains(word)) {
                    wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
