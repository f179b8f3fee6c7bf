//! `check` finds what people get wrong, names file and line, and what it says to do works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a test that panics has spoken")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hj212_gateway::config::{self, Problems};
use hj212_model::registry::Problem;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const GATEWAY: &str = "[journal]\ndir = \"journal\"\nkeep_size = \"100MiB\"\nkeep = \"1d\"\n";
const STATIONS: &str = "[[station]]\nmn = \"A9\"\n";

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// All that is said of a configuration with these two files.
fn said(gateway: &[u8], stations: &[u8]) -> Vec<Problem> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, gateway).unwrap();
    std::fs::write(folder.path().join("stations.toml"), stations).unwrap();
    for file in ["gateway.toml", "stations.toml"] {
        std::fs::set_permissions(folder.path().join(file), std::fs::Permissions::from_mode(0o640)).unwrap();
    }
    match config::load(&path) {
        Ok(loaded) => config::warnings(&path, &loaded),
        Err(Problems(problems)) => problems,
    }
}

#[test]
fn every_wrong_configuration_is_told_and_its_remedy_works() {
    let mut files: Vec<_> =
        std::fs::read_dir(format!("{ROOT}/fixtures/config/wrong")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 60, "{} configurations", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).unwrap();
        let head = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(&format!("# {key}: "))).unwrap_or_default().trim().to_owned()
        };
        let (kind, says, remedy) = (head("in"), head("says"), head("remedy"));
        let line: usize = head("line").parse().unwrap();
        let of = |text: &str| match kind.as_str() {
            "gateway" => said(text.as_bytes(), STATIONS.as_bytes()),
            _ => said(GATEWAY.as_bytes(), text.as_bytes()),
        };
        let here = |problem: &Problem| problem.line == line && problem.file.ends_with(&format!("{kind}.toml"));
        let problems = of(&text);
        match problems.iter().find(|problem| here(problem)) {
            None => wrong.push(format!("{name}: line {line} is not named: {}", Problems(problems))),
            Some(problem) if !problem.to_string().contains(&says) => {
                wrong.push(format!("{name}: no {says:?} in: {problem}"))
            }
            Some(problem) if problem.remedy.is_empty() => wrong.push(format!("{name}: no remedy: {problem}")),
            Some(problem) if !is_chinese(&problem.to_string()) => wrong.push(format!("{name}: no Chinese: {problem}")),
            Some(_) => {}
        }
        let mut lines: Vec<&str> = text.lines().collect();
        match remedy.as_str() {
            "-" => _ = lines.remove(line - 1),
            remedy => lines[line - 1] = remedy,
        }
        let left = of(&(lines.join("\n") + "\n"));
        if !left.is_empty() {
            wrong.push(format!("{name}: the remedy does not help: {}", Problems(left)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

#[test]
fn files_in_other_encodings_are_named() {
    // 站点 in GBK.
    let gbk = said(GATEWAY.as_bytes(), b"# one\n[[station]]\nmn = \"A9\"\nname = \"\xD5\xBE\xB5\xE3\"\n");
    assert!(gbk[0].line == 4 && gbk[0].to_string().contains("GBK"), "{}", Problems(gbk));
    let utf16: Vec<u8> = "\u{feff}[gateway]\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = said(&utf16, STATIONS.as_bytes());
    assert!(wide[0].to_string().contains("UTF-16"), "{}", Problems(wide));
}

#[test]
fn secrets_that_everybody_may_read_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("gateway.toml"),
        format!("{GATEWAY}[http]\ntoken_file = \"token\"\n[mqtt]\nusername = \"g\"\npassword_file = \"password\"\n"),
    )
    .unwrap();
    std::fs::write(at("stations.toml"), "[[station]]\nmn = \"A9\"\npw = \"708164\"\n").unwrap();
    std::fs::write(at("token"), "0123456789abcdef").unwrap();
    std::fs::write(at("password"), "word").unwrap();
    for (mode, told) in [(0o644, 3), (0o640, 0)] {
        for name in ["stations.toml", "token", "password"] {
            std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let loaded = config::load(&at("gateway.toml")).unwrap();
        let warnings = config::warnings(&at("gateway.toml"), &loaded);
        assert_eq!(warnings.len(), told, "{mode:o}: {}", Problems(warnings));
        assert!(warnings.iter().all(|warning| warning.remedy.contains("chmod 640")));
    }
}

#[test]
fn the_disk_must_hold_what_is_to_be_kept() {
    let text = "[journal]\ndir = \"journal\"\nkeep_size = \"900TiB\"\n";
    let told = said(text.as_bytes(), STATIONS.as_bytes());
    assert!(
        told.iter().any(|problem| problem.line == 3 && problem.to_string().contains("keep_size")),
        "{}",
        Problems(told)
    );
}

/// The shipped files with each commented example in force: one by one and all together.
#[test]
fn the_examples_of_the_sample_can_be_uncommented_where_they_stand() {
    let sample = std::fs::read_to_string(Path::new(ROOT).join("config/gateway.toml")).unwrap();
    let lines: Vec<&str> = sample.lines().collect();
    // An example is a run of lines with a sharp and no blank behind it, as words have.
    let is_example =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with([' ', '#', '-']));
    let mut examples: Vec<Vec<usize>> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if is_example(line) {
            match examples.last_mut() {
                Some(last) if last.last() == Some(&(number - 1)) => last.push(number),
                _ => examples.push(vec![number]),
            }
        }
    }
    assert!(examples.len() >= 5, "the examples were not found: {}", examples.len());
    let with = |chosen: &[&Vec<usize>]| {
        let bare = |(number, line): (usize, &&str)| match chosen.iter().any(|example| example.contains(&number)) {
            true => line.trim_start_matches('#').to_owned(),
            false => (*line).to_owned(),
        };
        lines.iter().enumerate().map(bare).collect::<Vec<_>>().join("\n") + "\n"
    };
    for chosen in examples.iter().map(|example| vec![example]).chain([examples.iter().collect()]) {
        let text = with(&chosen);
        let parsed = config::parse(Path::new("gateway.toml"), &text);
        assert!(parsed.is_ok(), "{:?}: {}", chosen, parsed.unwrap_err());
        assert!(parsed.unwrap() != config::Config::default(), "{chosen:?} changes something");
    }
}

/// Mistakes of form in both files and rules that are broken beside them: one run tells all.
#[test]
fn all_mistakes_of_form_are_told_at_once() {
    let gateway = format!(
        "{GATEWAY}[listen]\nexempt = [\"10.0.0.0/33\"]\nidle_max = \"7\"\nnoise_max = \"64MB\"\n[recall]\nwindow = \"22-6\"\n\
         [mqtt]\nversion = 5\nport = 70000\nwindow = 0\npassword_file = \"gateway.toml\"\n[mqtt.tls]\nca = \"a.pem\"\ncertificate = \"b.pem\"\n\
         key = \"c.pem\"\n"
    );
    let stations =
        "[[station]]\nmn = \"A9\"\npw = 5\n[[station]]\nmn = \"A8\"\nst = \"315\"\n[[station]]\nmn = \"A7\"\n";
    let told = said(gateway.as_bytes(), stations.as_bytes());
    let find = |part: &str| {
        told.iter().map(ToString::to_string).find(|line| line.contains(part)).unwrap_or_else(|| {
            panic!("{part} is not told: {}", Problems(told.clone()));
        })
    };
    for (part, remedy) in [
        ("10.0.0.0/33", "10.0.0.0/8"),
        ("\"7\" is no duration", "整数加单位"),
        ("\"64MB\" is no size", "64MiB"),
        ("\"22-6\" is no time of day", "22:00-06:00"),
        ("version = 5", "引号"),
        ("70000", "数值超出范围"),
        ("mqtt.window = 0", "取值范围"),
        ("password_file without username", "username = "),
        ("a.pem", "PEM"),
        ("b.pem", "PEM"),
        ("c.pem", "PEM"),
        ("stations.toml:3:", "类型不对"),
        ("st = \"315\"", "两"),
    ] {
        let line = find(part);
        assert!(line.contains(remedy) || remedy == "两" && is_chinese(&line), "{remedy} is not in {line}");
        assert!(!line.contains("TOML wants"), "{line}");
    }
    let places: Vec<(&str, usize)> = told.iter().map(|problem| (problem.file.as_str(), problem.line)).collect();
    let of = |file: &str| -> Vec<usize> {
        places.iter().filter(|(name, _)| name.ends_with(file)).map(|(_, l)| *l).collect()
    };
    for lines in [of("gateway.toml"), of("stations.toml")] {
        assert!(lines.is_sorted(), "{lines:?}");
    }
    let kind = "[[station]]\nmn = \"A7\"\n[[station.facility]]\nid = \"f\"\nkind = \"oven\"\n";
    let kind = said(GATEWAY.as_bytes(), kind.as_bytes());
    assert!(
        kind[0].line == 5 && kind[0].what.contains("oven") && kind[0].what.contains("furnace"),
        "{}",
        Problems(kind)
    );
    let twice = said(GATEWAY.as_bytes(), b"[station]\nmn = \"A1\"\n[station]\nmn = \"A2\"\n");
    assert!(twice[0].remedy.contains("[[station]]"), "{}", Problems(twice));
    let crossed =
        said(format!("{GATEWAY}[mqtt]\nretry_min = \"9s\"\nretry_max = \"1s\"\n").as_bytes(), STATIONS.as_bytes());
    assert_eq!(crossed.len(), 1, "{}", Problems(crossed));
}

/// What the manual and the package show of stations is what the gateway takes.
#[test]
fn the_station_blocks_of_the_manual_are_good() {
    let mut blocks = Vec::new();
    for page in ["docs/manual/zh/src/install.md", "docs/manual/en/src/install.md"] {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
        let found = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.extend(found.filter(|block| block.contains("[[station]]")).map(str::to_owned));
    }
    assert_eq!(blocks.len(), 2);
    let packaged = std::fs::read_to_string(Path::new(ROOT).join("deploy/package/stations.toml")).unwrap();
    let (_, example) = packaged.split_once("#\n").unwrap();
    blocks.push(example.lines().map(|line| line.trim_start_matches('#').trim_start().to_owned() + "\n").collect());
    for block in blocks {
        let told = said(GATEWAY.as_bytes(), block.as_bytes());
        assert!(told.is_empty(), "{block}\n{}", Problems(told));
    }
    let blank = said(GATEWAY.as_bytes(), b"[[station]]\nmn = \"A9\"\npw = \"two words\"\n");
    assert!(blank[0].what.contains("blank") && blank[0].what.contains("空格"), "{}", Problems(blank));
}

/// The same of the sample of stations; a policy holds where the sample's example of policies does.
#[test]
fn the_examples_of_the_stations_can_be_uncommented_where_they_stand() {
    let sample = std::fs::read_to_string(Path::new(ROOT).join("config/stations.toml")).unwrap();
    let gateway = std::fs::read_to_string(Path::new(ROOT).join("config/gateway.toml")).unwrap();
    let policies = gateway.lines().find_map(|line| line.strip_prefix("#policies")).unwrap();
    let gateway = format!("{GATEWAY}[command]\npolicies{policies}\n");
    let is_example = |line: &&str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let examples: Vec<&str> = sample.lines().filter(is_example).collect();
    assert!(examples.len() >= 5, "{examples:?}");
    let commented =
        |line: &str| line.strip_prefix("# ").is_some_and(|rest| rest.split_whitespace().nth(1) == Some("="));
    assert!(!sample.lines().any(commented), "an example with a blank behind the sharp");
    for example in &examples {
        let text = sample.replace(example, example.trim_start_matches('#'));
        let wrong: Vec<Problem> = said(gateway.as_bytes(), text.as_bytes())
            .into_iter()
            // Of the sample's own stations, as they are, it is said that they are samples.
            .filter(|problem| !problem.what.contains("示例"))
            .collect();
        assert!(wrong.is_empty(), "{example}: {}", Problems(wrong));
    }
}
