//! The manual says what is true: links lead somewhere, commands are ones that the program takes, lines of the log stand in the sources, the
//! settings are those there are, and both languages have the same pages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BINARY: &str = env!("CARGO_BIN_EXE_hj212-gateway");

fn text(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below `folder` that end so.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(end) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// Pages for users: the manual's and those beside it.
fn pages() -> Vec<PathBuf> {
    let more = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/consumers/README.md"];
    [files("docs", ".md"), more.map(|page| Path::new(ROOT).join(page)).to_vec()].concat()
}

/// The anchors of a page, as renderers make them of headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let anchor = |head: String| {
        head.chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    page.lines().filter_map(heading).map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        // Code is no text with links.
        let plain: String = text.split("```").step_by(2).collect::<Vec<_>>().join("\n");
        for part in plain.split("](").skip(1) {
            let Some(to) = part.split(')').next() else { continue };
            if to.contains("://") || to.contains(' ') || to.is_empty() {
                continue;
            }
            checked += 1;
            let (file, anchor) = to.split_once('#').unwrap_or((to, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !target.exists() {
                wrong.push(format!("{}: {to}", page.display()));
            } else if !anchor.is_empty() && !anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor) {
                wrong.push(format!("{}: {to}: no such heading", page.display()));
            }
        }
    }
    assert!(checked > 40, "the links were not found: {checked}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn both_languages_have_the_same_pages_and_commands() {
    let names = |language: &str| -> Vec<String> {
        let folder = format!("docs/manual/{language}/src");
        files(&folder, ".md").iter().map(|page| page.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names("en"), names("zh"));
    for name in names("en") {
        let (en, zh) = (text(format!("docs/manual/en/src/{name}")), text(format!("docs/manual/zh/src/{name}")));
        if name != "SUMMARY.md" {
            for (language, text) in [("en", &en), ("zh", &zh)] {
                let summary = self::text(format!("docs/manual/{language}/src/SUMMARY.md"));
                assert!(summary.contains(&format!("({name})")), "{language}: {name} is not in the summary");
                assert!(text.starts_with("# "), "{language}: {name}");
            }
        }
        // What is told in one language is told in the other.
        let commands = |text: &str| {
            blocks(text).iter().flat_map(|block| block.lines()).map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let missing: Vec<_> = commands(&en).difference(&commands(&zh)).cloned().collect();
        assert!(missing.is_empty(), "{name}: only in English: {missing:?}");
    }
}

/// The blocks of shell of a page.
fn blocks(page: &str) -> Vec<String> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The words of a line as a shell reads them: blanks between, quotes around.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_of_the_manual_is_one_that_the_program_takes() {
    let mut tried = 0;
    for page in [files("docs/manual", ".md"), vec![Path::new(ROOT).join("docs/operations.zh.md")]].concat() {
        for block in blocks(&std::fs::read_to_string(&page).unwrap()) {
            for line in block.lines() {
                for part in line.split(['|', '&']).map(str::trim).filter(|part| part.starts_with("hj212-gateway ")) {
                    // With --help behind it the arguments are read and nothing is done.
                    let part = part.split(" >").next().unwrap().split("   #").next().unwrap();
                    let done = Command::new(BINARY).args(&words(part)[1..]).arg("--help").output().unwrap();
                    assert!(
                        done.status.success(),
                        "{}: {part}: {}",
                        page.display(),
                        String::from_utf8_lossy(&done.stderr)
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "the commands were not found: {tried}");
}

#[test]
fn what_the_failure_tables_quote_stands_in_the_sources() {
    // Texts that go over several lines of a source are one line here.
    let mut sources = String::new();
    for file in [files("src", ".rs"), files("crates", ".rs")].concat() {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            match line.strip_suffix('\\') {
                Some(begun) => {
                    sources.push_str(if lines.peek().is_some() { begun } else { line });
                    while lines.peek().is_some_and(|next| next.trim().is_empty()) {
                        lines.next();
                    }
                    if let Some(next) = lines.next() {
                        sources.push_str(next.trim_start());
                        sources.push('\n');
                    }
                }
                None => {
                    sources.push_str(line);
                    sources.push('\n');
                }
            }
        }
    }
    let mut quoted = 0;
    for (page, head) in [
        ("docs/manual/en/src/failures.md", "| the log says |"),
        ("docs/manual/zh/src/failures.md", "| 日志 |"),
        ("docs/operations.zh.md", "| 现象 | 含义 | 丢数据吗 | 处理 |"),
    ] {
        let text = text(page);
        let table = text.split(head).nth(1).unwrap_or_else(|| panic!("{page}: {head}")).split("\n\n").next().unwrap();
        for row in table.lines().filter_map(|line| line.strip_prefix("| ")) {
            let first = row.split(" | ").next().unwrap();
            // Sentences are what is logged; single words are names of other things.
            for line in
                first.split('`').skip(1).step_by(2).filter(|line| line.split(' ').count() > 2 && !line.contains('"'))
            {
                assert!(sources.contains(line), "{page}: nothing logs {line:?}");
                quoted += 1;
            }
        }
    }
    assert!(quoted > 30, "the lines were not found: {quoted}");
}

/// The page of settings is made of the sample: the keys with their defaults and the words above them.
#[test]
fn the_settings_page_is_that_of_the_sample() {
    for (language, head) in [
        (
            "en",
            "# Settings\n\nEvery setting of `gateway.toml` with its default, as `config/gateway.toml` has it. `hj212-gateway check` names whatever is wrong, with file and line;\n`hj212-gateway check --print` shows what holds.\n",
        ),
        (
            "zh",
            "# 设置\n\n`gateway.toml` 的全部设置及其缺省值（与 `config/gateway.toml` 一致，说明为英文）。`hj212-gateway check` 逐条指出错误的文件、行号和改法；\n`hj212-gateway check --print` 列出当前生效的全部设置。各项限制到达时的行为（中文）见 [运维手册](../../../operations.zh.md)。\n",
        ),
    ] {
        let page = Path::new(ROOT).join(format!("docs/manual/{language}/src/settings.md"));
        let wanted = format!("{head}{}", settings(&text("config/gateway.toml")));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&page, &wanted).unwrap();
        }
        assert!(
            std::fs::read_to_string(&page).unwrap_or_default() == wanted,
            "{language}: run with UPDATE_FIXTURES=1 and look at the difference"
        );
    }
}

fn settings(sample: &str) -> String {
    let (mut out, mut said) = (String::new(), Vec::new());
    for line in sample.lines().skip_while(|line| !line.starts_with("# ----")) {
        if let Some(title) = line.strip_prefix("# ---- ") {
            said.clear();
            out.push_str(&format!("\n## {}\n", title.trim_end_matches('-').trim()));
        } else if let Some(words) = line.strip_prefix("# ") {
            said.push(words.trim().to_owned());
        } else if line.starts_with('[') {
            let above = if said.is_empty() { String::new() } else { format!("\n{}\n", said.join(" ")) };
            out.push_str(&format!("\n`{line}`\n{above}\n"));
            said.clear();
        } else if let Some((key, value)) = line.split_once(" = ") {
            let (key, example) = match key.strip_prefix('#') {
                Some(key) => (key, true),
                None => (key, false),
            };
            if key.starts_with('{') {
                continue;
            }
            let what = match (example, value) {
                (true, "[") => "none; the sample has an example".to_owned(),
                (true, value) => format!("none; as `{value}`"),
                (false, value) => format!("`{value}`"),
            };
            // Keys that are told together have the words of the first.
            let words = if said.is_empty() { "see above".to_owned() } else { said.join(" ") };
            out.push_str(&format!("* `{key}` ({what}): {words}\n"));
            said.clear();
        }
    }
    out
}

#[test]
fn what_the_first_hour_names_is_there() {
    let page = text("docs/first-hour.md");
    let mut sources = String::new();
    for file in [files("src", ".rs"), files("crates", ".rs"), files("tests", ".rs")].concat() {
        sources.push_str(&std::fs::read_to_string(file).unwrap());
    }
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")).collect();
    assert_eq!(rows.len(), 37);
    let mut named = 0;
    for row in rows {
        let settled = row.rsplit(" | ").next().unwrap();
        assert!(settled.len() > 5, "{row}");
        for name in settled.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 1) {
            assert!(sources.contains(&format!("fn {name}(")), "no test {name}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}
