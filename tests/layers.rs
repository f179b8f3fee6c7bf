//! The rules of structure that a compiler does not know: layers, clocks, files, where libraries may be used.

#![allow(clippy::unwrap_used, reason = "a test that panics has spoken")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// The layers of the gateway's own modules. A module uses modules of lower layers only; docs/architecture.md has the picture. Crates
/// cannot be circular: cargo sees to that.
const LAYERS: &[(u8, &[&str])] = &[(0, &["board", "net", "http"]), (1, &["config", "gateway"]), (2, &["cli"])];

/// Uses between modules of one layer that are no circle: the first may use the second.
const SIBLINGS: &[(&str, &str)] = &[
    // The page shows the board.
    ("http", "board"),
    // The gateway is built from the configuration.
    ("gateway", "config"),
];

/// Crates that decide and calculate: no runtime, no clock, no files.
const PURE: &[&str] = &[
    "hj212",
    "marking",
    "judgement",
    "downlink",
    "coverage",
    "interpret",
    "explain",
    "evidence",
    "cases",
    "operation",
    "scores",
    "workdays",
    "leads",
    "drill",
];

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

/// A file's lines; those of comments, and of items that are for tests, are empty.
fn lines(file: &Path) -> Vec<String> {
    without_tests(&std::fs::read_to_string(file).unwrap())
}

fn without_tests(text: &str) -> Vec<String> {
    let mut lines = text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }.to_owned());
    let mut all = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            all.push(line);
            continue;
        }
        all.push(String::new());
        // An item ends with its first line, or with the line that closes it: as far from the margin as where it begins.
        let margin = &line[..line.len() - line.trim_start().len()];
        let mut open = false;
        for line in lines.by_ref() {
            let attribute = !open && line.trim_start().starts_with("#[");
            let ends = if open { line.starts_with(&format!("{margin}}}")) } else { line.ends_with([';', ',', '}']) };
            open |= !line.trim().is_empty() && !attribute;
            all.push(String::new());
            if ends && !attribute {
                break;
            }
        }
    }
    all
}

#[test]
fn what_follows_an_item_for_tests_is_read() {
    for item in [
        "mod tests;",
        "#[path = \"a_tests.rs\"]\nmod tests;",
        "mod tests {\n    use a::b;\n}",
        "    pub(super) fn f(&self) -> u8 {\n        if a {\n        }\n    }",
        "    pub(super) fn f(&self) -> u8 { 1 }",
        "    // Words;\n    pub(super) fn f(\n        a: u8,\n    ) -> u8 {\n        a\n    }",
        "    field: u8,",
    ] {
        let margin = &item[..item.len() - item.trim_start().len()];
        let text = format!("use a::before;\n{margin}#[cfg(test)]\n{item}\nuse a::behind;\n");
        let lines = without_tests(&text);
        assert_eq!(lines.len(), text.lines().count(), "{item}");
        assert_eq!(lines.concat(), "use a::before;use a::behind;", "{item}");
    }
}

fn is_test(file: &Path) -> bool {
    file.components().any(|c| ["tests", "simulation"].iter().any(|name| c.as_os_str() == *name))
        || file.file_name().and_then(|n| n.to_str()).is_some_and(|n| {
            ["tests.rs", "fixtures.rs", "dialogues.rs", "simulation.rs"].contains(&n) || n.ends_with("_tests.rs")
        })
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

/// What the modules of `src` use of each other and of the crates, by their sources.
fn uses_of_modules() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let crates: BTreeSet<String> = folders().into_iter().filter_map(|(name, _)| name).collect();
    let path = Regex::new(r"\bhj212(?:_(\w+))?(?:::| as |;)").unwrap();
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, _, lines) in modules(&root) {
        for found in lines.iter().flat_map(|line| path.captures_iter(line)) {
            let name = found.get(1).map_or("hj212".to_owned(), |rest| rest.as_str().replace('_', "-"));
            all.entry(module.clone()).or_default().extend(crates.get(&name).cloned());
        }
    }
    for (file, used) in Files::of(&root).edges() {
        for (module, other) in used.iter().filter_map(|to| Some((file.first()?, to.first()?))) {
            if module != other {
                all.entry(module.clone()).or_default().insert(other.clone());
            }
        }
    }
    all
}

#[test]
fn the_picture_in_the_architecture_page_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let picture = picture();
    let modules = uses_of_modules();
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
        let real = if cargo.exists() {
            dependencies(&cargo).into_iter().collect()
        } else if layer(name).is_some() {
            modules.get(name).cloned().unwrap_or_default()
        } else {
            wrong.push(format!("{name}: neither a crate nor a module of src"));
            continue;
        };
        let shown: BTreeSet<String> = uses.iter().cloned().collect();
        if real != shown {
            let (missing, untrue) = (real.difference(&shown).collect::<Vec<_>>(), shown.difference(&real));
            wrong.push(format!("{name}: not shown {missing:?}, not used {:?}", untrue.collect::<Vec<_>>()));
        }
    }
    for name in LAYERS.iter().flat_map(|(_, names)| *names).filter(|name| place(name).is_none()) {
        wrong.push(format!("module {name} is missing"));
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
        let kept = ["marking", "judgement", "leads", "coverage", "interpret", "hj212", "model"]
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

/// What a file uses: by its `use` lines, and in all.
struct Used {
    lines: Vec<Vec<String>>,
    all: Vec<Vec<String>>,
}

impl Used {
    fn of(text: &str) -> Used {
        let lines = uses(text);
        Used { all: lines.iter().cloned().chain(paths(text)).collect(), lines }
    }
}

/// The modules of one crate (or of `src`) without their tests.
struct Files(BTreeMap<Vec<String>, Used>);

impl Files {
    fn of(folder: &Path) -> Files {
        let mut files = Vec::new();
        sources(folder, &mut files);
        let own = files.into_iter().filter(|file| !is_test(file) && file.file_name().unwrap() != "main.rs");
        let named = own.map(|file| {
            let inner = file.strip_prefix(folder).unwrap().with_extension("");
            let mut path: Vec<String> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            path.pop_if(|last| ["lib", "mod"].contains(&last.as_str()));
            let text: String = lines(&file).iter().map(|line| format!("{line}\n")).collect();
            (path, Used::of(&text))
        });
        Files(named.collect())
    }

    /// A path as it is written in `module`, from the root; `None`: it leads out of the crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let mut at = module.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (at, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    at.pop()?;
                    rest = &rest[1..];
                }
            }
            child => {
                let inner: Vec<String> = at.iter().cloned().chain([child.to_owned()]).collect();
                self.0.get(&inner)?;
            }
        }
        at.extend(rest.iter().cloned());
        Some(at)
    }

    /// The file that a path written in `module` leads to: the last module of it, or where that module has the name from.
    fn target(&self, module: &[String], path: &[String], depth: u32) -> Option<Vec<String>> {
        let whole = self.absolute(module, path)?;
        let mut at = 0;
        while at < whole.len() && self.0.contains_key(&whole[..=at]) {
            at += 1;
        }
        let found = whole[..at].to_vec();
        let from = whole.get(at).filter(|_| depth < 5).and_then(|name| {
            let given = self.0.get(&found)?.lines.iter().find(|given| given.last() == Some(name))?;
            self.target(&found, given, depth + 1)
        });
        Some(from.unwrap_or(found))
    }

    /// What each file uses of others of the crate. What a module uses of those around it, whose part it is, does not count.
    fn edges(&self) -> BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> {
        let of = |module: &Vec<String>, used: &Used| {
            let named = used.all.iter();
            named
                .filter_map(|path| self.target(module, path, 0))
                .filter(|to| self.0.contains_key(to) && !module.starts_with(to))
                .collect()
        };
        self.0.iter().map(|(module, used)| (module, of(module, used))).collect()
    }
}

/// The paths of the `use` lines of a text, one a name.
fn uses(text: &str) -> Vec<Vec<String>> {
    let line = Regex::new(r"\buse\s+([^;]+);").unwrap();
    line.captures_iter(text)
        .flat_map(|found| spread(&found[1].split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect()
}

/// Paths written out where they are used.
fn paths(text: &str) -> Vec<Vec<String>> {
    let path = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
    path.find_iter(text).map(|found| found.as_str().split("::").map(str::to_owned).collect()).collect()
}

/// `a::{b, c::{d as e}}` as `a::b`, `a::c::d`.
fn spread(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((before, list)) = tree.split_once('{') else {
        let plain = tree.split(" as ").next().unwrap();
        let mut path: Vec<String> = plain.split("::").map(|part| part.trim().to_owned()).collect();
        path.pop_if(|last| last == "self" && plain.contains("::"));
        return vec![path];
    };
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    // A sentence, and no list of names.
    let Some(list) = list.trim_end().strip_suffix('}') else { return Vec::new() };
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = list[from..at].trim();
                from = (at + 1).min(list.len());
                if !item.is_empty() {
                    all.extend(spread(&format!("{before}{item}")));
                }
            }
            _ => {}
        }
    }
    all
}

/// The files from which and to which there is a way, for each that is on a circle.
fn circles(edges: &BTreeMap<&Vec<String>, BTreeSet<Vec<String>>>) -> BTreeSet<BTreeSet<Vec<String>>> {
    let reached = |from: &Vec<String>| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            open.extend(edges.get(&next).into_iter().flatten().filter(|to| seen.insert((*to).clone())).cloned());
        }
        seen
    };
    let all: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = edges.keys().map(|file| (*file, reached(file))).collect();
    let on = all.iter().filter(|(file, reached)| reached.contains(**file));
    on.map(|(file, reached)| reached.iter().filter(|other| all[other].contains(*file)).cloned().collect()).collect()
}

/// A file that uses another is not used by it, by any way: each can be read after those that it uses.
#[test]
fn files_use_each_other_without_circles() {
    let mut found = Vec::new();
    let mut files = 0;
    for (name, folder) in folders() {
        let crate_files = Files::of(&folder);
        files += crate_files.0.len();
        let edges = crate_files.edges();
        for circle in circles(&edges) {
            let name = name.as_deref().unwrap_or("src");
            for file in &circle {
                let of: Vec<String> =
                    edges[file].iter().filter(|to| circle.contains(*to)).map(|to| to.join("/")).collect();
                found.push(format!("{name}: {} -> {}", file.join("/"), of.join(", ")));
            }
        }
    }
    assert!(files > 300, "the sources were not found: {files}");
    assert!(found.is_empty(), "circles of files:\n{}", found.join("\n"));
}

#[test]
fn a_circle_of_files_is_noticed() {
    let file = |name: &str, text: &str| (vec![name.to_owned()], Used::of(text));
    let files = |b: &str| {
        Files(
            [
                (Vec::new(), Used::of("mod a;\nmod b;\nmod c;\npub use c::{C as D, E};\n")),
                file("a", "use super::b::{self, B};\n"),
                file("b", b),
                file("c", "use crate::a::A;\n"),
            ]
            .into(),
        )
    };
    assert_eq!(circles(&files("use super::Root;\n").edges()).len(), 0);
    for b in [
        "use super::c;\n",
        "use super::{\n    E,\n    F,\n};\n",
        "fn b() {\n    super::c::c()\n}\n",
        "use crate::a::A;\n",
    ] {
        assert_eq!(circles(&files(b).edges()).len(), 1, "{b}");
    }
}

/// The names of types, and the files that have a type of this name.
fn types() -> BTreeMap<String, BTreeSet<String>> {
    let line = Regex::new(r"(?m)^\s*(?:pub(?:\([\w: ]+\))? )?(?:struct|enum|trait) (\w+)").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, folder) in folders() {
        for (_, file, lines) in modules(&folder) {
            let (text, name) = (lines.join("\n"), file.strip_prefix(root).unwrap().display().to_string());
            for found in line.captures_iter(&text) {
                all.entry(found[1].to_owned()).or_default().insert(name.clone());
            }
        }
    }
    all
}

/// One meaning a name. What means several things since before this test stands in `tests/names.txt`, and becomes fewer: a name that is not in
/// the list is given to one type alone, and one that has only one meaning left is taken from the list.
#[test]
fn a_name_of_a_type_means_one_thing() {
    let all = types();
    assert!(all.len() > 500, "the types were not found: {}", all.len());
    let several: BTreeMap<_, _> = all.into_iter().filter(|(_, files)| files.len() > 1).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/names.txt");
    let listed: BTreeMap<String, usize> = std::fs::read_to_string(&path)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(count, name)| (name.to_owned(), count.parse().unwrap())))
        .collect();
    let more: Vec<String> = several
        .iter()
        .filter(|(name, files)| files.len() > listed.get(*name).copied().unwrap_or(1))
        .map(|(name, files)| format!("{name}: {files:?}"))
        .collect();
    assert!(more.is_empty(), "these names mean another thing already:\n{}", more.join("\n"));
    let now: String = several.iter().map(|(name, files)| format!("{} {name}\n", files.len())).collect();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == now,
        "fewer names mean several things: UPDATE=1 cargo test --test layers takes them from tests/names.txt"
    );
}
