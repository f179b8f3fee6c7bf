//! What works and is most likely not meant: told by `check`, refused by `check --strict`, and no reason not to start.
//!
//! What must stay true: a gateway that runs is not stopped by any of these; each is told with file and line, in Chinese and English, with what
//! to do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::place::{ConfigSource, of_station};
use super::{Config, Loaded, Problem};
use hj212_interpret::table;
use hj212_model::registry::Station;

/// Passwords that stand in examples and in manuals of loggers.
const KNOWN_PASSWORDS: [&[u8]; 3] = [b"123456", b"100000", b"654321"];
/// What is told of stations at most; the rest is counted.
const STATIONS_TOLD: usize = 20;

/// What is doubtful in the configuration at `path`, which was found good.
#[must_use]
pub fn warnings(path: &Path, loaded: &Loaded) -> Vec<Problem> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let source = ConfigSource::new(path, &text);
    let mut found: Vec<Problem> = of_addresses(&source, &loaded.config).into_iter().collect();
    found.extend(of_secrets(loaded));
    found.extend(of_disk(&source, &loaded.config));
    found.extend(of_companies(&source, loaded));
    found.extend(of_stations(loaded));
    super::in_order(found)
}

/// Entries are taken, and no station has a company that may make them.
fn of_companies(source: &ConfigSource<'_>, loaded: &Loaded) -> Option<Problem> {
    let kept = loaded.registry.stations().any(|station| station.facts.operator.is_some());
    (loaded.config.operation.ledger && !kept).then(|| {
        source.problem(
            &["operation.ledger"],
            "operation.ledger = true, and no station has an operator: all entries of companies are refused · 没有一个站点登记了运维单位,台账将一律不受理"
                .to_owned(),
            "write operator = \"OM-0007\" in the stations' rows · 在站点文件中写 operator = \"OM-0007\"",
        )
    })
}

fn of_addresses(source: &ConfigSource<'_>, config: &Config) -> Option<Problem> {
    let http = &config.http.address;
    let open = http.parse::<std::net::SocketAddr>().is_ok_and(|address| !address.ip().is_loopback());
    open.then(|| {
        source.broken(
            &["http.address"],
            http,
            "on loopback, for the page asks for no credentials · 宜只在本机:状态页不要求登录",
            "write \"127.0.0.1:9080\" and put a proxy that asks for credentials before it · 写 \"127.0.0.1:9080\",前面加带认证的反向代理",
        )
    })
}

/// Files with secrets that everybody on this host may read.
fn of_secrets(loaded: &Loaded) -> Vec<Problem> {
    let config = &loaded.config;
    let tls = config.mqtt.tls.as_ref().and_then(|tls| tls.key.clone());
    let listeners = config.listen.also.iter().filter_map(|also| Some(also.tls.as_ref()?.key.clone()));
    let sinks = config.push.sinks.iter().flat_map(|sink| sink.secrets().map(|(_, file)| file.clone()));
    let secrets = config.mqtt.password_file.iter().chain(&config.http.token_file).cloned().chain(tls).chain(listeners);
    let secrets = secrets.chain(sinks);
    let has_password = loaded.registry.stations().any(|station| station.pw.is_some());
    let stations = loaded.station_files.iter().filter(|_| has_password).cloned();
    let open =
        |file: &std::path::PathBuf| std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
    let problem = |file: std::path::PathBuf| {
        let remedy = format!("chown root:hj212-gateway {0} && chmod 640 {0}", file.display());
        Problem::of_file(
            &file,
            "everybody on this host may read the secrets in it · 本机任何用户都能读到其中的密码",
            &remedy,
        )
    };
    secrets.chain(stations).filter(open).map(problem).collect()
}

/// What is to be kept does not fit on the disk.
fn of_disk(source: &ConfigSource<'_>, config: &Config) -> Option<Problem> {
    let dir = config.journal.dir.ancestors().find(|dir| dir.is_dir())?;
    let disk = rustix::fs::statvfs(dir).ok()?;
    let whole = disk.f_blocks.saturating_mul(disk.f_frsize);
    let keep = config.journal.keep_size.saturating_add(config.journal.reserve);
    (keep > whole).then(|| {
        let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
        source.broken(
            &["journal.keep_size"],
            &gib(config.journal.keep_size),
            &format!("less than the disk of journal.dir, {} · 须小于日志库所在磁盘 {}", gib(whole), gib(whole)),
            "lower it, or give the journal a larger disk: as it is, the disk fills before old segments go · 调小,或换更大的磁盘",
        )
    })
}

fn of_stations(loaded: &Loaded) -> Vec<Problem> {
    let mut stations: Vec<_> = loaded.registry.stations().collect();
    stations.sort_by(|one, other| one.mn.cmp(&other.mn));
    let (mut found, mut more) = (Vec::new(), 0);
    for (key, what, remedy, station) in stations.into_iter().flat_map(|station| {
        doubts(station, loaded).into_iter().map(move |(key, what, remedy)| (key, what, remedy, station))
    }) {
        if found.len() < STATIONS_TOLD {
            found.push(of_station(&loaded.station_files, &station.mn, key, &what, remedy));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let file = loaded.station_files.first().cloned().unwrap_or_default();
        found.push(Problem::of_file(
            &file,
            &format!("{more} more of the like · 另有 {more} 处"),
            "put those above right first",
        ));
    }
    found
}

/// Key, what is doubtful of it, and what to do.
fn doubts(station: &Station, loaded: &Loaded) -> Vec<(&'static str, String, &'static str)> {
    let facts = &station.facts;
    let mut found = Vec::new();
    if facts.name.starts_with("示例")
        && station.pw.as_ref().is_some_and(|pw| KNOWN_PASSWORDS.iter().any(|known| pw.is(known)))
    {
        let what = "a station of the example, with a password that everybody knows · 示例站点,密码人所共知";
        found.push((
            "pw",
            what.to_owned(),
            "remove the station, or write its own name and password · 删除,或改为实际站点",
        ));
    }
    let strange = |code: &str| {
        !loaded.factors.contains_key(code)
            && !table::factors().iter().any(|row| row.code.eq_ignore_ascii_case(code) || of_series(&row.code, code))
            && !table::aliases().iter().any(|alias| alias.alias.eq_ignore_ascii_case(code))
    };
    let remedy = "hj212-gateway factors --search TEXT finds codes; one's own stand in [dictionary] file · 用它按名称查编码,自定义编码写入字典文件";
    let codes = |key: &str, code: &str| format!("{key}: the code {code:?} is in no table · 编码 {code:?} 不存在");
    let wrong = facts.aliases.values().filter(|code| strange(code));
    found.extend(wrong.map(|code| ("aliases", codes("aliases", code), remedy)));
    let wrong = facts.limits.keys().filter(|code| strange(code));
    found.extend(wrong.map(|code| ("limits", codes("limits", code), remedy)));
    let wrong = facts.ranges.keys().filter(|code| strange(code));
    found.extend(wrong.map(|code| ("ranges", codes("ranges", code), remedy)));
    for (code, (low, high)) in facts.ranges.iter() {
        if let (Ok(low), Ok(high)) = (low.parse::<f64>(), high.parse::<f64>())
            && low >= high
        {
            let what = format!("ranges.{code}: {low} is not below {high} · 下限须小于上限");
            found.push(("ranges", what, "write [lowest, highest] · 先写下限,后写上限"));
        }
    }
    found
}

/// Whether `code` is one of the numbered ones that `row` stands for (`e701xx`).
fn of_series(row: &str, code: &str) -> bool {
    row.ends_with("xx") && row.len() == code.len() && row.get(..row.len() - 2) == code.get(..row.len() - 2)
}
