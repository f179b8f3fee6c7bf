//! Settings that are words: names, addresses, folders, levels.
//!
//! What must stay true: what cannot work is refused by `check` and at the start, before anything is opened, with file, line and what to do. What only
//! this host or this user would refuse for now (a name that is not resolved, a folder that may not be looked into) is no mistake of the file.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::place::ConfigSource;
use super::{Config, Problem};
use crate::http::Address;

/// Whether `filter` says levels alone, or levels of targets: a bare word that is no level would silence everything else.
#[must_use]
pub fn is_log_filter(filter: &str) -> bool {
    let is_level = |word: &str| {
        ["off", "error", "warn", "info", "debug", "trace"].iter().any(|level| word.eq_ignore_ascii_case(level))
            || matches!(word, "0" | "1" | "2" | "3" | "4" | "5")
    };
    // Spans and fields have commas of their own; what they say is the filter's to judge.
    let fielded = filter.contains(['[', '{']);
    let good = |directive: &str| match directive.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && !target.contains(char::is_whitespace) && is_level(level.trim()),
        None => is_level(directive),
    };
    (fielded || filter.split(',').map(str::trim).all(good)) && tracing_subscriber::EnvFilter::try_new(filter).is_ok()
}

/// The address of the operators' page, if a listener of stations has it as well.
pub(super) fn shared_address(config: &Config) -> Option<SocketAddr> {
    let Ok(Some(Address::Tcp(page))) = config.http.address() else { return None };
    let stations = config.listen.address.iter().chain(config.listen.also.iter().map(|also| &also.address));
    let meets = |other: SocketAddr| {
        let whole = |ip: IpAddr| ip.is_unspecified();
        let same = page.ip() == other.ip()
            || (page.is_ipv4() == other.is_ipv4() && (whole(page.ip()) || whole(other.ip())))
            // `[::]` takes IPv4 as well.
            || [page, other].iter().any(|address| address.is_ipv6() && whole(address.ip()));
        page.port() != 0 && page.port() == other.port() && same
    };
    stations.filter_map(|address| address.parse().ok()).any(meets).then_some(page)
}

/// What is wrong with the folders that the settings name; `config`'s paths are absolute by now.
pub(super) fn check_folders(source: &ConfigSource<'_>, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, dir: &Path, rule: &str, remedy: &str| {
        problems.push(source.broken(&[key], &dir.display().to_string(), rule, remedy));
    };
    let dir = &config.journal.dir;
    let remedy = "name a folder, as \"/var/lib/hj212-gateway/journal\"; it is made if it is missing · 写一个目录,不存在时会自动创建";
    match std::fs::metadata(dir) {
        _ if dir.as_os_str().is_empty() => {
            wrong("journal.dir", dir, "a folder: it is empty · 不能为空", remedy);
        }
        Ok(found) if found.is_dir() => {}
        Ok(_) => wrong("journal.dir", dir, "a folder: this is a file · 须为目录,现为文件", remedy),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            wrong("journal.dir", dir, "a folder: a file stands in its path · 路径中有一级是文件", remedy);
        }
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            wrong("journal.dir", dir, "a path: no path holds NUL · 路径不得含 NUL", remedy);
        }
        // It will be made, or the start says why it cannot.
        Err(_) => {}
    }
    let archive = &config.archive.dir;
    if !archive.as_os_str().is_empty() {
        let remedy = "name a folder of its own, best on another disk, as \"/srv/hj212-archive\" · 写一个单独的目录,最好在另一块盘上";
        if archive == dir {
            wrong("archive.dir", archive, "another folder than journal.dir · 不得与 journal.dir 相同", remedy);
        } else if std::fs::metadata(archive).is_ok_and(|found| !found.is_dir()) {
            wrong("archive.dir", archive, "a folder: this is a file · 须为目录,现为文件", remedy);
        }
    }
    let secrets = &config.command.secrets;
    let remedy = "make the folder, readable by the gateway's user alone, or leave command.secrets out · 创建该目录(仅网关用户可读),或删去此项";
    if config.command.enabled && !secrets.as_os_str().is_empty() {
        match std::fs::metadata(secrets) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => wrong("command.secrets", secrets, "a folder: this is a file · 须为目录,现为文件", remedy),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(_) => wrong("command.secrets", secrets, "a folder that exists · 该目录不存在", remedy),
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        super::super::parse(Path::new("g.toml"), text).unwrap()
    }

    #[test]
    fn a_log_filter_is_of_levels() {
        for good in [
            "info",
            "WARN",
            "off",
            "3",
            "info,hj212_gateway::net=debug",
            "warn,hj212_mqtt=trace",
            "info,hj212_gateway[span]=debug",
        ] {
            assert!(is_log_filter(good), "{good}");
        }
        for bad in [
            "",
            " ",
            "bogus value",
            "loud",
            "info,",
            "info,=5",
            "hj212_gateway",
            "info,hj212_gateway=loud",
            "info hj212=debug",
            "warn, hj212_mqtt=trace",
        ] {
            assert!(!is_log_filter(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_page_and_the_stations_need_addresses_of_their_own() {
        let shared = |page: &str, stations: &str| {
            shared_address(&config(&format!("[http]\naddress = \"{page}\"\n[listen]\naddress = [\"{stations}\"]\n")))
                .is_some()
        };
        for (page, stations) in [
            ("127.0.0.1:9002", "127.0.0.1:9002"),
            ("127.0.0.1:9002", "0.0.0.0:9002"),
            ("0.0.0.0:9002", "10.0.0.1:9002"),
            ("127.0.0.1:9002", "[::]:9002"),
            ("[::1]:9002", "[::]:9002"),
        ] {
            assert!(shared(page, stations), "{page} {stations}");
        }
        for (page, stations) in [
            ("127.0.0.1:9080", "127.0.0.1:9002"),
            ("127.0.0.1:9002", "127.0.0.2:9002"),
            ("[::1]:9002", "0.0.0.0:9002"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("", "127.0.0.1:9002"),
            ("unix:/run/x", "127.0.0.1:9002"),
        ] {
            assert!(!shared(page, stations), "{page} {stations}");
        }
        assert!(shared_address(&Config::default()).is_none());
    }

    #[test]
    fn folders_that_cannot_be_are_refused_with_their_lines() {
        let here = tempfile::tempdir().unwrap();
        std::fs::write(here.path().join("file"), "").unwrap();
        let said = |section: &str, line: &str| {
            let text = format!("# one\n[{section}]\n{line}\n");
            let mut config = config(&text);
            config.anchor(here.path());
            let problems = check_folders(&ConfigSource::new(Path::new("g.toml"), &text), &config);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        for bad in ["dir = \"\"", "dir = \"file\"", "dir = \"file/below\"", "dir = \"a\\u0000b\""] {
            let problem = said("journal", bad);
            assert!(problem.starts_with("g.toml:3:") && problem.contains("journal.dir"), "{bad}: {problem}");
        }
        for good in ["dir = \"not/yet\"", "dir = \".\""] {
            assert_eq!(said("journal", good), "", "{good}");
        }
        for (bad, good) in [
            ("secrets = \"none\"", false),
            ("secrets = \"file\"", false),
            ("secrets = \".\"", true),
            ("secrets = \"\"", true),
        ] {
            let problem = said("command", &format!("{bad}\nenabled = true"));
            assert_eq!(problem.is_empty(), good, "{bad}: {problem}");
            assert!(good || problem.starts_with("g.toml:3:"), "{problem}");
        }
    }
}
