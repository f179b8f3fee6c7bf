//! The configuration file: the rooms' own sections put together, read, and checked with the place of every mistake.
//!
//! What must stay true: unknown keys are errors; `Default` is the only source of defaults, and `config/gateway.toml` shows every
//! one of them (a test compares); relative paths are relative to the configuration file; secrets come from files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::registry::{self, Problem, Registry, Unknown};
use crate::{gateway, http, interpret, journal, mqtt, net};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who this gateway is.
    pub gateway: Gateway,
    /// Where stations connect, and the limits of that.
    pub listen: net::Settings,
    /// Where what they say is kept.
    pub journal: journal::Settings,
    /// Where it is published.
    pub mqtt: mqtt::Settings,
    /// Where operators look.
    pub http: http::Settings,
    /// How the journal is read out and how far.
    pub uplink: gateway::uplink::Settings,
    /// How what is read becomes messages.
    pub interpret: interpret::Settings,
    /// Who may speak.
    pub stations: Stations,
    /// Names and units of factors.
    pub dictionary: Dictionary,
    /// What is logged.
    pub log: Log,
}

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The gateway's name in topics and messages: letters, digits, `-` and `_`, at most 64.
    pub id: String,
}

impl Default for Gateway {
    fn default() -> Self {
        Gateway { id: "hj212-gateway".into() }
    }
}

/// `[stations]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stations {
    /// Files, or folders whose `*.toml` files are read in the order of their names.
    pub files: Vec<PathBuf>,
    /// What happens to an MN that is not registered: `reject` (kept, published as rejected, not answered) or `accept` (for trials).
    pub unknown: Unknown,
}

impl Default for Stations {
    fn default() -> Self {
        Stations { files: vec!["stations.toml".into()], unknown: Unknown::default() }
    }
}

/// `[dictionary]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dictionary {
    /// A TOML file of factors that replace or add to the built-in ones; empty: none.
    pub file: PathBuf,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter as `info,hj212_gateway::net=debug`.
    pub level: String,
    /// `text` for people and journald, `json` for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), format: LogFormat::Text }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// A configuration that was read and found good, with the files it names.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, paths made absolute to the configuration file's folder.
    pub config: Config,
    /// The stations.
    pub registry: Registry,
    /// Dictionary rows that replace or add to the built-in ones.
    pub factors: BTreeMap<String, (String, String)>,
    /// The station files that were read.
    pub station_files: Vec<PathBuf>,
}

/// Everything that is wrong with a configuration, one line a problem.
#[derive(Debug, Clone)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        write!(f, "{} problem{}", self.0.len(), if self.0.len() == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Problems {}

/// Reads and checks the configuration at `path` and every file it names. All problems are reported, not the first alone.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let text = read(path).map_err(|problem| Problems(vec![problem]))?;
    let mut config = parse(path, &text).map_err(|problem| Problems(vec![problem]))?;
    let mut problems = check(path, &text, &config);
    config.anchor(path.parent().unwrap_or(Path::new(".")));
    let (registry, station_files) = match load_stations(&config.stations) {
        Ok(loaded) => loaded,
        Err(found) => {
            problems.extend(found);
            (Registry::default(), Vec::new())
        }
    };
    let factors = match load_factors(&config.dictionary) {
        Ok(factors) => factors,
        Err(problem) => {
            problems.push(problem);
            Default::default()
        }
    };
    if let Some(file) = &config.mqtt.password_file
        && let Err(error) = std::fs::metadata(file)
    {
        problems.push(Problem::of_file(
            file,
            &error.to_string(),
            "create it, readable by the gateway's user alone, or remove mqtt.password_file",
        ));
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Loaded { config, registry, factors, station_files })
}

/// Reads the text of a configuration; no other file is touched.
pub fn parse(path: &Path, text: &str) -> Result<Config, Problem> {
    toml::from_str(text).map_err(|error| Problem::of_toml(path, text, &error))
}

impl Config {
    /// Makes relative paths relative to `folder`.
    fn anchor(&mut self, folder: &Path) {
        let anchor = |path: &mut PathBuf| {
            if path.is_relative() && !path.as_os_str().is_empty() {
                *path = folder.join(&*path);
            }
        };
        self.stations.files.iter_mut().for_each(anchor);
        anchor(&mut self.journal.dir);
        anchor(&mut self.dictionary.file);
        self.mqtt.password_file.iter_mut().for_each(anchor);
    }
}

/// Rules that a value's type cannot say.
fn check(path: &Path, text: &str, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut rule = |good: bool, key: &str, value: &str, rule: &str, remedy: &str| {
        if !good {
            problems.push(Problem::of_key(path, text, key, value, rule, remedy));
        }
    };
    let id = &config.gateway.id;
    rule(
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "gateway.id",
        id,
        "1 to 64 letters, digits, '-' or '_': it is a level of MQTT topics",
        "write a short name, as \"ah-01\"",
    );
    rule(
        config.journal.segment_size >= 1 << 20,
        "journal.segment_size",
        &crate::settings::size::format(config.journal.segment_size),
        "at least 1MiB",
        "leave it out for the default of 64MiB",
    );
    rule(
        tracing_subscriber::EnvFilter::try_new(&config.log.level).is_ok(),
        "log.level",
        &config.log.level,
        "error, warn, info, debug, trace, or a filter",
        "write \"info\"",
    );
    rule(
        config.http.address().is_ok(),
        "http.address",
        &config.http.address,
        "IP:PORT, or empty for no door",
        "write \"127.0.0.1:9080\"",
    );
    for wrong in config.listen.wrong() {
        let key = format!("listen.{}", wrong.key);
        problems.push(Problem::of_key(path, text, &key, &wrong.value, wrong.rule, "leave it out for the default"));
    }
    if let Err(wrong) = config.mqtt.check() {
        let at = Problem::of_key(path, text, &format!("mqtt.{}", wrong.key), "", "", "");
        problems.push(Problem { what: wrong.to_string(), ..at });
    }
    problems
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::of_file(path, &error.to_string(), "check the path and that the gateway's user may read it")
    })
}

fn load_stations(settings: &Stations) -> Result<(Registry, Vec<PathBuf>), Vec<Problem>> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in &settings.files {
        match station_files(path) {
            Ok(found) => files.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    let mut texts = Vec::new();
    for file in &files {
        match read(file) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(problem) => problems.push(problem),
        }
    }
    match registry::load(&texts, settings.unknown) {
        Ok(registry) if problems.is_empty() => Ok((registry, files)),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

/// `path` itself, or the `*.toml` files of the folder `path` in the order of their names.
fn station_files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let problem = |error: std::io::Error| {
        Problem::of_file(path, &error.to_string(), "name a file or a folder of *.toml files in stations.files")
    };
    if !std::fs::metadata(path).map_err(problem)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(problem)? {
        let file = entry.map_err(problem)?.path();
        if file.extension().is_some_and(|e| e == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactorFile {
    #[serde(default)]
    factor: Vec<FactorRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactorRow {
    code: String,
    name: String,
    #[serde(default)]
    unit: String,
}

fn load_factors(settings: &Dictionary) -> Result<BTreeMap<String, (String, String)>, Problem> {
    if settings.file.as_os_str().is_empty() {
        return Ok(Default::default());
    }
    let text = read(&settings.file)?;
    let file: FactorFile = toml::from_str(&text).map_err(|error| Problem::of_toml(&settings.file, &text, &error))?;
    Ok(file.factor.into_iter().map(|row| (row.code, (row.name, row.unit))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../config/gateway.toml");

    #[test]
    fn the_example_shows_every_setting_at_its_default() {
        let example = parse(Path::new("config/gateway.toml"), EXAMPLE).unwrap();
        assert_eq!(example, Config::default());
        let shown: toml::Table = toml::from_str(EXAMPLE).unwrap();
        let all = toml::Table::try_from(Config::default()).unwrap();
        for (section, keys) in &all {
            for key in keys.as_table().unwrap().keys() {
                assert!(shown[section].as_table().unwrap().contains_key(key), "[{section}] {key} is not shown");
            }
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let problem = parse(Path::new("g.toml"), "[gateway]\nid = \"a\"\nnmae = 1\n").unwrap_err().to_string();
        assert!(problem.starts_with("g.toml:3:"), "{problem}");
        assert!(problem.contains("nmae"), "{problem}");
    }
}
