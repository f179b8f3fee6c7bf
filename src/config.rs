//! The configuration file: the modules' own sections put together, read, and checked with the place of every mistake.
//!
//! What must stay true: unknown keys are errors; every number, time and size has a range ([`ranges`]), before
//! any of them is cast; names, addresses and folders that cannot work are refused ([`words`]); `Default` is the only source of defaults, and `config/gateway.toml` shows every
//! one of them (a test compares); relative paths are relative to the configuration file; secrets come from files.

mod place;
mod ranges;
mod sense;
mod sinks;
pub mod uplink;
mod warnings;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::place::{ConfigSource, of_station};
use self::sense::read;
pub use self::warnings::warnings;
pub use self::words::is_log_filter;
use crate::http;
use crate::net;
use hj212_archive as archive;
use hj212_certificates as certificates;
use hj212_coverage as coverage;
use hj212_downlink as downlink;
use hj212_downlink::{StationKey, keyfile};
use hj212_interpret as interpret;
use hj212_journal as journal;
use hj212_judgement as judgement;
use hj212_leads::{LeadRules, built_in_texts as built_in_leads};
use hj212_marking::{self as marking, RuleBook};
use hj212_model::registry::{self, Problem, Registry, Unknown};
use hj212_mqtt as mqtt;
use hj212_push as push;
use hj212_scores::{ScoreRules, built_in_texts as built_in_scores};

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
    /// Where sealed segments of the journal are kept for years.
    pub archive: archive::Settings,
    /// Where it is published.
    pub mqtt: mqtt::Settings,
    /// Where operators look.
    pub http: http::Settings,
    /// Who may tell stations what.
    pub command: downlink::Settings,
    /// How the journal is read out and how far.
    pub uplink: uplink::Settings,
    /// When something counts as delivered.
    pub delivery: hj212_mqtt::Delivery,
    /// How what is read becomes messages.
    pub interpret: interpret::Settings,
    /// When records are missing, and whether stations are asked for them.
    pub recall: coverage::Settings,
    /// Who may speak.
    pub stations: Stations,
    /// Names and units of factors.
    pub dictionary: Dictionary,
    /// What readings are marked by.
    pub marking: Marking,
    /// Whether steps of cases are taken.
    pub cases: Cases,
    /// What operation companies enter.
    pub operation: OperationEntries,
    /// Whether hours and days are judged.
    pub judgement: judgement::Settings,
    /// Named limits of one's own.
    pub limits: LimitFiles,
    /// What is said of days that exceed.
    pub alerts: Alerts,
    /// Who is told beside the broker.
    pub push: push::Settings,
    /// Whether leads are looked for.
    pub leads: LeadFiles,
    /// Whether scorecards are kept.
    pub scores: ScoreFiles,
    /// The keys that stations were given by other means.
    pub keys: Keys,
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

/// `[marking]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Marking {
    /// Rule files, or folders of them, that add to the built-in ones or replace those of the same name.
    pub files: Vec<PathBuf>,
    /// Whether marks entered by hand are taken over MQTT. A change needs a restart.
    pub entries: bool,
}

/// `[cases]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cases {
    /// Whether steps of cases are taken over MQTT. A change needs a restart.
    pub steps: bool,
}

/// `[scores]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreFiles {
    /// Whether scorecards are kept.
    pub enabled: bool,
    /// A rule file of one's own; none: the one that is built in.
    pub files: Vec<PathBuf>,
}

/// `[operation]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationEntries {
    /// Whether entries of the electronic ledger are taken over MQTT. A change needs a restart.
    pub ledger: bool,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitFiles {
    /// Tables of emission limits (CSV) that add to the built-in ones or replace those of the same name.
    pub files: Vec<PathBuf>,
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Whether days that exceed are said as alerts.
    pub enabled: bool,
    /// A rule file of one's own; none: the one that is built in.
    pub files: Vec<PathBuf>,
    /// Whether thresholds are taken that stand in for ones that nobody has published.
    pub accept_placeholders: bool,
}

/// `[leads]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeadFiles {
    /// Whether leads are looked for.
    pub enabled: bool,
    /// A rule file of one's own; none: the one that is built in.
    pub files: Vec<PathBuf>,
}

/// `[keys]`
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// A TOML file of `[[key]]` rows (see docs/keys.md), readable by its owner alone; empty: none.
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
    /// The marking rules in force, file name to text.
    pub rules: BTreeMap<String, String>,
    /// The rules of alerts in force, file name to text; none: no alerts.
    pub alerts: BTreeMap<String, String>,
    /// The rules of leads in force, file name to text; none: no leads.
    pub leads: BTreeMap<String, String>,
    /// The rules of scorecards in force, file name to text; none: no scorecards.
    pub scores: BTreeMap<String, String>,
    /// The station files that were read.
    pub station_files: Vec<PathBuf>,
    /// The keys of the key file. Nothing prints them.
    pub keys: Vec<StationKey>,
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
    let (config, mut problems) = registry::read_toml::<Config>(path, &text);
    let Some(mut config) = config else { return Err(Problems(problems)) };
    let source = ConfigSource::new(path, &text);
    // Of a setting that could not be read, its default is looked at: what is said of that is nobody's mistake.
    let told: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    let ruled = check(&source, &text, &config);
    problems.extend(
        ruled.into_iter().filter(|problem| told.is_empty() || problem.line > 0 && !told.contains(&problem.line)),
    );
    config.anchor(path.parent().unwrap_or(Path::new(".")));
    problems.extend(ranges::check_disk(&source, &config));
    problems.extend(words::check_folders(&source, &config));
    let (registry, station_files) = match load_stations(&config.stations, &config.limits, &source) {
        Ok(loaded) => loaded,
        Err(found) => {
            problems.extend(found);
            (Registry::default(), Vec::new())
        }
    };
    problems.extend(unknown_policies(&registry, &station_files, &config.command));
    let factors = match load_factors(&config.dictionary) {
        Ok(factors) => factors,
        Err(found) => {
            problems.extend(found.into_iter().map(|problem| source.lift("dictionary.file", problem)));
            Default::default()
        }
    };
    problems.extend(check_meanings(&registry, &station_files));
    problems.extend(check_conversions(&registry, &factors, &station_files));
    let rules = match load_rules(&config.marking, (&registry, &station_files), &source) {
        Ok(rules) => rules,
        Err(found) => {
            problems.extend(found);
            BTreeMap::new()
        }
    };
    let alerts = match load_alerts(&config.alerts, &source) {
        Ok(alerts) => alerts,
        Err(found) => {
            problems.extend(found);
            BTreeMap::new()
        }
    };
    let leads = match load_leads(&config.leads, &source) {
        Ok(leads) => leads,
        Err(found) => {
            problems.extend(found);
            BTreeMap::new()
        }
    };
    let scores = match load_scores(&config.scores, &source) {
        Ok(scores) => scores,
        Err(found) => {
            problems.extend(found);
            BTreeMap::new()
        }
    };
    if let Some(file) = &config.mqtt.password_file
        && let Err(error) = std::fs::metadata(file)
    {
        let remedy = "create it, readable by the gateway's user alone, or remove mqtt.password_file · 创建该文件(仅网关用户可读),或删去 mqtt.password_file";
        problems.push(source.lift("mqtt.password_file", Problem::of_file(file, &error.to_string(), remedy)));
    }
    problems.extend(wrong_certificates(&config, &source));
    problems.extend(sinks::check_files(&source, &config));
    let keys = match load_keys(&config.keys.file) {
        Ok(keys) => keys,
        Err(found) => {
            problems.extend(found.0.into_iter().map(|problem| source.lift("keys.file", problem)));
            Vec::new()
        }
    };
    if let Some(file) = &config.http.token_file {
        problems.extend(wrong_token(file).map(|problem| source.lift("http.token_file", problem)));
    }
    if !problems.is_empty() {
        return Err(Problems(in_order(problems)));
    }
    Ok(Loaded { config, registry, factors, rules, alerts, leads, scores, station_files, keys })
}

/// File by file as they were looked at, each from its first line on.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    let mut files: Vec<String> = Vec::new();
    for problem in &problems {
        if !files.contains(&problem.file) {
            files.push(problem.file.clone());
        }
    }
    let place = |problem: &Problem| files.iter().position(|file| *file == problem.file);
    problems.sort_by_key(|problem| (place(problem), problem.line, problem.column));
    problems
}

/// Reads the key file at `path`; no keys if `path` is empty.
///
/// # Errors
/// All that is wrong with the file; also if others than its owner and its group may read it, or others than its owner write it.
pub fn load_keys(path: &Path) -> Result<Vec<StationKey>, Problems> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let problem = |error: std::io::Error| {
        let remedy = "check the path and that the gateway's user owns the file · 检查路径,文件须属于网关用户";
        Problems(vec![Problem::of_file(path, &error.to_string(), remedy)])
    };
    let mode = std::fs::metadata(path).map_err(problem)?.permissions().mode() & 0o777;
    // A group of its own may read it: so root keeps the file and the service reads it.
    if mode & 0o037 != 0 {
        let what = format!("a key file must not be readable by others nor writable by a group, its mode is {mode:04o}");
        let remedy = format!("chmod 600 {0}, or chown root:hj212-gateway {0} and chmod 640 {0}", path.display());
        return Err(Problems(vec![Problem::of_file(path, &what, &remedy)]));
    }
    // What was read leaves memory with the keys in it.
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(problem)?);
    keyfile::read(&path.display().to_string(), &text).map_err(Problems)
}

/// The journal's folder as the configuration at `path` names it; nothing else of it is checked.
///
/// # Errors
/// If the file cannot be read, or is no configuration.
pub fn journal_dir(path: &Path) -> Result<PathBuf, Problem> {
    let mut config = parse(path, &read(path)?)?;
    config.anchor(path.parent().unwrap_or(Path::new(".")));
    Ok(config.journal.dir)
}

/// The station files that the configuration at `path` names; nothing else of it is checked.
///
/// # Errors
/// If the file cannot be read, or is no configuration, or a folder that it names cannot be looked into.
pub fn station_files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut config = parse(path, &read(path)?)?;
    config.anchor(path.parent().unwrap_or(Path::new(".")));
    let found: Result<Vec<Vec<PathBuf>>, Problem> =
        config.stations.files.iter().map(|file| toml_files(file, "stations.files")).collect();
    found.map(|files| files.concat())
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
        self.marking.files.iter_mut().for_each(anchor);
        self.limits.files.iter_mut().for_each(anchor);
        self.alerts.files.iter_mut().for_each(anchor);
        self.leads.files.iter_mut().for_each(anchor);
        self.scores.files.iter_mut().for_each(anchor);
        anchor(&mut self.journal.dir);
        anchor(&mut self.archive.dir);
        anchor(&mut self.dictionary.file);
        anchor(&mut self.keys.file);
        anchor(&mut self.command.secrets);
        self.push.sinks.iter_mut().flat_map(push::Sink::files_mut).for_each(anchor);
        self.mqtt.password_file.iter_mut().for_each(anchor);
        self.http.token_file.iter_mut().for_each(anchor);
        if let Some(tls) = &mut self.mqtt.tls {
            [&mut tls.ca, &mut tls.certificate, &mut tls.key].into_iter().flatten().for_each(anchor);
        }
        for tls in self.listen.also.iter_mut().filter_map(|also| also.tls.as_mut()) {
            anchor(&mut tls.certificate);
            anchor(&mut tls.key);
            tls.client_ca.iter_mut().for_each(anchor);
        }
    }
}

/// What is wrong with the token in `file`.
fn wrong_token(file: &Path) -> Option<Problem> {
    let remedy = "write a token into it, as `openssl rand -hex 16` gives, or remove http.token_file · 写入令牌,可用此命令生成,或删去 http.token_file";
    match std::fs::read(file) {
        Err(error) => Some(Problem::of_file(file, &error.to_string(), remedy)),
        Ok(token) if token.trim_ascii().len() < http::TOKEN_MIN => {
            let what = format!("the token has fewer than {} characters", http::TOKEN_MIN);
            Some(Problem::of_file(file, &what, remedy))
        }
        Ok(_) => None,
    }
}

/// What helps where a default does.
const DEFAULT: &str = "leave it out for the default · 删去此项即用缺省值";

/// What to do about a wrong setting of `[mqtt]`.
fn mqtt_remedy(key: &str) -> &'static str {
    match key {
        "host" => "write the name or address alone; the port stands in port · 只写主机名或地址,端口写在 port 中",
        "prefix" => "write \"hj212/v1\" · 主题前缀,不含 + 和 #",
        "password_file" => {
            "write username = \"…\" as well, or remove password_file · 同时写 username,或删去 password_file"
        }
        "tls" => "name both certificate and key, or neither · certificate 和 key 要么都写,要么都不写",
        "client_id" => "write a name of its own for each gateway, as \"hj212-ah-01\" · 每个网关写一个不同的名称",
        "username" => "write it as the broker knows it · 与 MQTT 服务中登记的一致",
        "also" => "write each as HOST:PORT · 每个写 主机:端口",
        "retry_min" | "retry_max" => "write the smaller one as retry_min · retry_min 不得大于 retry_max",
        _ => DEFAULT,
    }
}

/// Rules that a value's type cannot say.
fn check(source: &ConfigSource<'_>, text: &str, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut rule = |good: bool, key: &str, value: &str, rule: &str, remedy: &str| {
        if !good {
            // Of two addresses that are one, the page's may be the default.
            let keys = if key == "http.address" { &[key, "listen.address", "listen.also"][..] } else { &[key] };
            problems.push(source.broken(keys, value, rule, remedy));
        }
    };
    let id = &config.gateway.id;
    rule(
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "gateway.id",
        id,
        "1 to 64 letters, digits, '-' or '_': it is a level of MQTT topics · 1 至 64 个字母、数字、- 或 _",
        "write a short name, as \"ah-01\"",
    );
    rule(
        words::is_log_filter(&config.log.level),
        "log.level",
        &config.log.level,
        "error, warn, info, debug, trace, off, or a filter of them, as info,hj212_gateway::net=debug · 日志级别或过滤器",
        "write \"info\"",
    );
    rule(
        words::shared_address(config).is_none(),
        "http.address",
        &config.http.address,
        "another address than those of [listen] · 不得与 [listen] 的地址相同",
        "write another port, as \"127.0.0.1:9080\"",
    );
    rule(
        config.http.address().is_ok(),
        "http.address",
        &config.http.address,
        "IP:PORT, or empty for no page · 地址:端口,留空则不开",
        "write \"127.0.0.1:9080\"",
    );
    let mut needs = |good: bool, key: &str, other: &str, why: &str, remedy: &str| {
        if !good {
            problems.push(source.problem(&[key], format!("{key} = true needs {other} = true: {why}"), remedy));
        }
    };
    needs(
        !config.recall.enabled || config.command.enabled,
        "recall.enabled",
        "command.enabled",
        "what is missing is asked for by commands · 补召须先启用反控",
        "set enabled = true in [command], too · 在 [command] 中也写 enabled = true",
    );
    needs(
        !config.alerts.enabled || config.judgement.enabled,
        "alerts.enabled",
        "judgement.enabled",
        "alerts follow from what is judged · 预警依据判定结果,须先启用判定",
        "set enabled = true in [judgement], too · 在 [judgement] 中也写 enabled = true",
    );
    problems.extend(sense::check_addresses(source, config));
    problems.extend(sense::check_commands(source, config));
    problems.extend(sinks::check(source, config));
    for (key, value, must) in config.command.wrong() {
        problems.push(source.broken(&[&format!("command.{key}")], &value, must, DEFAULT));
    }
    for wrong in config.listen.wrong() {
        let also = config.listen.also.iter().position(|also| also.address == wrong.value).unwrap_or_default();
        let own = config.listen.address.iter().position(|address| *address == wrong.value).unwrap_or_default();
        let (key, at) = match wrong.key {
            "also.address" => ("listen.also.address", format!("listen.also.{also}.address")),
            key => ("listen.address", format!("listen.{key}.{own}")),
        };
        let what = format!("{key} = {:?} must be {}", wrong.value, wrong.rule);
        problems.push(source.problem(&[&at, key], what, DEFAULT));
    }
    let ranged = ranges::check(source, text, config);
    let named = |key: &str| ranged.iter().any(|problem| problem.what.starts_with(&format!("{key} = ")));
    if let Err(wrong) = config.mqtt.check()
        && !named(&format!("mqtt.{}", wrong.key))
    {
        // The second of two that do not fit may be the only one that is written.
        let others: &[&str] = match wrong.key {
            "retry_min" => &["mqtt.retry_min", "mqtt.retry_max"],
            "tls" => &["mqtt.tls.certificate", "mqtt.tls.key"],
            _ => &[],
        };
        let key = format!("mqtt.{}", wrong.key);
        let keys: Vec<&str> = others.iter().copied().chain([key.as_str(), "mqtt"]).collect();
        problems.push(source.problem(&keys, wrong.to_string(), mqtt_remedy(wrong.key)));
    }
    if let Some((key, what)) = config.delivery.wrong()
        && !named(&format!("delivery.{key}"))
    {
        let keys = [&format!("delivery.{key}"), "delivery.confirm"];
        problems.push(source.problem(
            &keys,
            format!("delivery.{key} = {what}"),
            "write consumer = \"archive\", or confirm = \"broker\" · 写明 consumer,或用 confirm = \"broker\"",
        ));
    }
    // Two that are crossed are told once, at the smaller one.
    let crossed = problems.iter().any(|problem| problem.what.starts_with("mqtt.retry_min: "));
    let again = |problem: &Problem| crossed && problem.what.contains("at least mqtt.retry_min");
    problems.extend(ranged.into_iter().filter(|problem| !again(problem)));
    problems
}

fn load_stations(
    settings: &Stations,
    limits: &LimitFiles,
    source: &ConfigSource<'_>,
) -> Result<(Registry, Vec<PathBuf>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut own = Vec::new();
    for (number, file) in limits.files.iter().enumerate() {
        match read(file) {
            Ok(text) => own.push((file.display().to_string(), text)),
            Err(problem) => problems.push(source.lift(&format!("limits.files.{number}"), problem)),
        }
    }
    let tables = registry::LimitTables::read(&own).unwrap_or_else(|found| {
        problems.extend(found);
        registry::LimitTables::default()
    });
    let (files, texts) = read_all(&settings.files, ("stations.files", source), &mut problems);
    match registry::load_with(&texts, settings.unknown, &tables) {
        Ok(registry) if problems.is_empty() => Ok((registry, files)),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

/// Files of certificates that cannot be used.
fn wrong_certificates(config: &Config, source: &ConfigSource<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |wrong: certificates::WrongFile, section: &str, files: [(&str, Option<&PathBuf>); 3]| {
        let named = files.into_iter().find(|(_, file)| file.is_some_and(|file| *file == wrong.file));
        let key = named.map_or_else(|| section.to_owned(), |(name, _)| format!("{section}.{name}"));
        problems.push(source.lift(&key, Problem::of_file(&wrong.file, &wrong.what, wrong.remedy)));
    };
    if let Some(tls) = &config.mqtt.tls {
        let files = [("ca", tls.ca.as_ref()), ("certificate", tls.certificate.as_ref()), ("key", tls.key.as_ref())];
        certificates::wrong_client_files(tls).into_iter().for_each(|wrong| note(wrong, "mqtt.tls", files));
    }
    for (number, also) in config.listen.also.iter().enumerate() {
        let Some(tls) = &also.tls else { continue };
        let files =
            [("certificate", Some(&tls.certificate)), ("key", Some(&tls.key)), ("client_ca", tls.client_ca.as_ref())];
        let section = format!("listen.also.{number}.tls");
        certificates::wrong_server_files(tls).into_iter().for_each(|wrong| note(wrong, &section, files));
    }
    problems
}

/// Stations that name a policy that `[command]` does not have.
fn unknown_policies(registry: &Registry, files: &[PathBuf], command: &downlink::Settings) -> Vec<Problem> {
    let unknown = |station: &&std::sync::Arc<registry::Station>| {
        station.policy.as_ref().is_some_and(|policy| !command.policies.contains_key(policy))
    };
    let mut found: Vec<_> = registry.stations().filter(unknown).collect();
    found.sort_by(|a, b| a.mn.cmp(&b.mn));
    let problem = |station: &std::sync::Arc<registry::Station>| {
        let policy = station.policy.as_deref().unwrap_or_default();
        let what = format!("station {}: policy = {policy:?} does not exist · 没有这个策略", station.mn);
        let remedy = "correct the name, or add it as [command.policies.NAME] · 改正名称,或添加 [command.policies.名称]";
        of_station(files, &station.mn, "policy", &what, remedy)
    };
    found.into_iter().map(problem).collect()
}

/// The files that `paths` name, and their names and texts; what cannot be read becomes a problem of `key`.
fn read_all(
    paths: &[PathBuf],
    (key, source): (&str, &ConfigSource<'_>),
    problems: &mut Vec<Problem>,
) -> (Vec<PathBuf>, Vec<(String, String)>) {
    let (mut files, mut texts) = (Vec::new(), Vec::new());
    for (number, path) in paths.iter().enumerate() {
        let mut wrong = |problem| problems.push(source.lift(&format!("{key}.{number}"), problem));
        match toml_files(path, key) {
            Ok(found) => {
                for file in found {
                    match read(&file) {
                        Ok(text) => texts.push((file.display().to_string(), text)),
                        Err(problem) => wrong(problem),
                    }
                    files.push(file);
                }
            }
            Err(problem) => wrong(problem),
        }
    }
    (files, texts)
}

/// The built-in marking rules with those of one's own, if they and what stations say of them are good.
fn load_rules(
    settings: &Marking,
    (registry, stations): (&Registry, &[PathBuf]),
    source: &ConfigSource<'_>,
) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut problems = Vec::new();
    let (_, own) = read_all(&settings.files, ("marking.files", source), &mut problems);
    let mut rules = marking::built_in_texts();
    for (file, text) in own {
        let name = Path::new(&file).file_name().map_or(file.clone(), |name| name.to_string_lossy().into_owned());
        // A file of the same name takes the place of the built-in one; its own path is what problems should name.
        rules.remove(&name);
        rules.insert(file, text);
    }
    let texts: Vec<(String, String)> = rules.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    match RuleBook::load(&texts) {
        Err(found) => problems.extend(found),
        Ok(book) => {
            for (mn, facts) in registry.facts() {
                let strange = marking::unknown_names(&book, &facts);
                problems.extend(strange.into_iter().map(|name| {
                    let key = if name.starts_with("facility") { "kind" } else { "rules" };
                    let what = format!("station {mn}: {name} stands in no rule file · 规则文件里没有");
                    let remedy = "correct the name, or name the rule file in marking.files · 改正名称,或把规则文件写入 marking.files";
                    of_station(stations, &mn, key, &what, remedy)
                }));
            }
        }
    }
    if problems.is_empty() { Ok(rules) } else { Err(problems) }
}

/// The rule file of alerts in force: one's own, or the built-in one if its placeholders are accepted.
fn load_alerts(settings: &Alerts, source: &ConfigSource<'_>) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    if !settings.enabled {
        return Ok(BTreeMap::new());
    }
    let mut problems = Vec::new();
    let (_, own) = read_all(&settings.files, ("alerts.files", source), &mut problems);
    let name =
        |file: &str| Path::new(file).file_name().map_or(file.to_owned(), |name| name.to_string_lossy().into_owned());
    let texts: BTreeMap<String, String> = if own.is_empty() {
        judgement::alerts::built_in_texts()
    } else {
        own.into_iter().map(|(file, text)| (name(&file), text)).collect()
    };
    if texts.len() > 1 {
        let what = "alerts.files: several rule files of alerts".to_owned();
        problems.push(source.problem(&["alerts.files", "alerts"], what, "name one: all colours stand in it"));
    }
    for (file, text) in &texts {
        match judgement::alerts::Rules::read(file, text) {
            Err(found) => problems.extend(found),
            Ok(rules) if rules.placeholder && !settings.accept_placeholders => problems.push(Problem::of_file(
                Path::new(file),
                "its thresholds are placeholders: the province's are published nowhere (阈值为占位值)",
                &format!("name your own file in alerts.files, or write {}", judgement::alerts::WAIVER),
            )),
            Ok(_) => {}
        }
    }
    if problems.is_empty() { Ok(texts) } else { Err(problems) }
}

/// The rule file of leads in force: one's own, or the built-in one.
fn load_leads(settings: &LeadFiles, source: &ConfigSource<'_>) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    if !settings.enabled {
        return Ok(BTreeMap::new());
    }
    let mut problems = Vec::new();
    let (_, own) = read_all(&settings.files, ("leads.files", source), &mut problems);
    let name =
        |file: &str| Path::new(file).file_name().map_or(file.to_owned(), |name| name.to_string_lossy().into_owned());
    for (file, text) in &own {
        problems.extend(LeadRules::read(file, text).err().unwrap_or_default());
    }
    if own.len() > 1 {
        let what = "leads.files: several rule files of leads".to_owned();
        problems.push(source.problem(&["leads.files", "leads"], what, "name one: all detectors stand in it"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let own: BTreeMap<String, String> = own.into_iter().map(|(file, text)| (name(&file), text)).collect();
    Ok(if own.is_empty() { built_in_leads() } else { own })
}

/// The rule file of scores in force: one's own, or the built-in one.
fn load_scores(settings: &ScoreFiles, source: &ConfigSource<'_>) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    if !settings.enabled {
        return Ok(BTreeMap::new());
    }
    let mut problems = Vec::new();
    let (_, own) = read_all(&settings.files, ("scores.files", source), &mut problems);
    let name =
        |file: &str| Path::new(file).file_name().map_or(file.to_owned(), |name| name.to_string_lossy().into_owned());
    for (file, text) in &own {
        problems.extend(ScoreRules::read(file, text).err().unwrap_or_default());
    }
    if own.len() > 1 {
        let what = "scores.files: several rule files of scores".to_owned();
        problems.push(source.problem(&["scores.files", "scores"], what, "name one: all measures stand in it"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let own: BTreeMap<String, String> = own.into_iter().map(|(file, text)| (name(&file), text)).collect();
    Ok(if own.is_empty() { built_in_scores() } else { own })
}

/// `path` itself, or the `*.toml` files of the folder `path` in the order of their names.
fn toml_files(path: &Path, key: &str) -> Result<Vec<PathBuf>, Problem> {
    let problem = |error: std::io::Error| {
        Problem::of_file(
            path,
            &error.to_string(),
            &format!("name a file or a folder of *.toml files in {key} · 写文件或 *.toml 所在的目录"),
        )
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
    code: toml::Spanned<String>,
    name: String,
    #[serde(default)]
    unit: String,
}

/// Registered meanings must be among those that the code has.
fn check_meanings(registry: &Registry, files: &[PathBuf]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let rows = hj212_interpret::table::factors();
    let facts = registry.facts();
    for (mn, code, name) in facts.iter().flat_map(|(mn, facts)| facts.meanings.iter().map(move |(c, n)| (mn, c, n))) {
        let own = |row: &&hj212_interpret::table::Row| {
            row.collides() && (row.code == code || (row.code.ends_with("xx") && row.code.get(..4) == code.get(..4)))
        };
        let known: Vec<&str> = rows.iter().filter(own).map(|row| row.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let what = match known.is_empty() {
                true => format!("station {mn}: meanings.{code}: this code has but one meaning"),
                false => format!("station {mn}: meanings.{code} = {name:?} must be one of {}", known.join(", ")),
            };
            let remedy = "hj212-gateway factors CODE shows what a code can mean · 用它查看编码的各种含义";
            problems.push(of_station(files, mn, "meanings", &what, remedy));
        }
    }
    problems
}

/// Conversions must be of codes that readings are published under.
fn check_conversions(registry: &Registry, own: &BTreeMap<String, (String, String)>, files: &[PathBuf]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (rows, aliases) = (hj212_interpret::table::factors(), hj212_interpret::table::aliases());
    let facts = registry.facts();
    for (mn, code) in facts.iter().flat_map(|(mn, facts)| facts.conversions.keys().map(move |code| (mn, code))) {
        let known = rows.iter().find(|row| row.code == code).map(|row| row.canonical());
        if known == Some(code) || own.contains_key(code) {
            continue;
        }
        let alias = aliases.iter().find(|alias| alias.alias.eq_ignore_ascii_case(code));
        let remedy = match known.or(alias.map(|alias| alias.code.as_str())) {
            Some(canonical) => format!("readings of it are published as {canonical}: write that"),
            None => "hj212-gateway factors --search TEXT finds codes by name".to_owned(),
        };
        let what =
            format!("station {mn}: convert.{code}: not a canonical code of the dictionary · 不是字典中的现行编码");
        problems.push(of_station(files, mn, "convert", &what, &remedy));
    }
    problems
}

fn load_factors(settings: &Dictionary) -> Result<BTreeMap<String, (String, String)>, Vec<Problem>> {
    if settings.file.as_os_str().is_empty() {
        return Ok(Default::default());
    }
    let text = read(&settings.file).map_err(|problem| vec![problem])?;
    let (file, mut problems) = registry::read_toml::<FactorFile>(&settings.file, &text);
    let Some(file) = file else { return Err(problems) };
    let mut factors = BTreeMap::new();
    for row in file.factor {
        let place = row.code.span();
        let code = row.code.into_inner();
        let what = format!("factor {code}: stands here twice");
        if factors.insert(code, (row.name, row.unit)).is_some() {
            let name = settings.file.display().to_string();
            problems.push(Problem::at(&name, &text, &place, what, "remove one of the two · 删去其中一个"));
        }
    }
    if problems.is_empty() { Ok(factors) } else { Err(problems) }
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
                let example = format!("\n#{key} = ");
                let shown = shown[section].as_table().unwrap().contains_key(key) || EXAMPLE.contains(&example);
                assert!(shown, "[{section}] {key} is not shown");
            }
        }
    }

    #[test]
    fn a_factor_that_stands_twice_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("factors.toml");
        let row = |name: &str| format!("[[factor]]\ncode = \"a99001\"\nname = \"{name}\"\n");
        std::fs::write(&file, row("one")).unwrap();
        let settings = Dictionary { file: file.clone() };
        assert_eq!(load_factors(&settings).unwrap().len(), 1);
        std::fs::write(&file, row("one") + &row("other")).unwrap();
        let problem = Problems(load_factors(&settings).unwrap_err()).to_string();
        assert!(problem.contains("factors.toml:5:") && problem.contains("a99001"), "{problem}");
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.toml");
        std::fs::write(&file, "[[key]]\nmn = \"A\"\ncreated = \"2026-06-01\"\nkey = \"0123456789abcdef\"\n").unwrap();
        for (mode, good) in
            [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o604, false), (0o620, false)]
        {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = load_keys(&file);
            assert_eq!(read.as_ref().is_ok_and(|keys| keys.len() == 1), good, "{mode:o}: {read:?}");
            if let Err(problems) = read {
                assert!(problems.to_string().contains("chmod 600"), "{problems}");
            }
        }
        assert_eq!(load_keys(Path::new("")).unwrap(), []);
        assert!(load_keys(&folder.path().join("none")).is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let problem = parse(Path::new("g.toml"), "[gateway]\nid = \"a\"\nnmae = 1\n").unwrap_err().to_string();
        assert!(problem.starts_with("g.toml:3:"), "{problem}");
        assert!(problem.contains("nmae"), "{problem}");
    }
}
