//! The range of every setting that is a number, a duration or a size.
//!
//! What must stay true: **every such setting stands in [`RANGES`]**, but for those of the sinks of push, which are looked at one by one
//! ([`super::sinks`]); a test walks all settings and fails for one that does not, and tries
//! zero, values beyond both ends and a wrong unit of each. What is outside its range is refused by `check` and at the start, with file and
//! line, the value, the range and what to do. A range is wide: it keeps out what cannot work or was never meant, not what is unusual.

use toml::de::{DeTable, DeValue};

use super::Config;
use super::place::ConfigSource;
use hj212_model::registry::Problem;
use hj212_model::settings::{duration, size};

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    /// A count, or the word `auto`.
    CountOrAuto,
    /// Milliseconds.
    Time,
    /// Bytes.
    Size,
}

use Kind::{Count, CountOrAuto, Size, Time};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Path, kind, least and most; `*` stands for any name.
const RANGES: &[(&str, Kind, u64, u64)] = &[
    ("listen.handshake_max", Time, 100, HOUR),
    ("listen.connections_max", CountOrAuto, 1, 1_000_000),
    ("listen.connections_per_block_max", Count, 1, 1_000_000),
    ("listen.in_flight_max", Count, 1, 1024),
    ("listen.segment_max", Count, 1024, 9999),
    ("listen.partial_max", Time, 100, DAY),
    ("listen.pause", Time, 1, HOUR),
    ("listen.unheard_max", Time, 100, 7 * DAY),
    ("listen.idle_max", Time, 100, 7 * DAY),
    ("listen.keep_alive", Time, SECOND, 7 * DAY),
    ("listen.write_max", Time, 100, HOUR),
    ("listen.noise_max", Size, 1, TIB),
    ("listen.rejected_per_minute", Count, 0, 1_000_000),
    ("listen.rejected_total_per_minute", Count, 1, 10_000_000),
    ("listen.rejected_bytes_per_minute", Size, 64 * KIB, TIB),
    ("listen.station_frames_per_minute", Count, 1, 10_000_000),
    ("listen.stations_per_connection_max", Count, 1, 1_000_000),
    ("journal.segment_size", Size, MIB, GIB),
    ("journal.keep", Time, SECOND, 36_500 * DAY),
    ("journal.keep_size", Size, MIB, 1024 * TIB),
    ("journal.reserve", Size, 0, 1024 * TIB),
    ("journal.queue_max", Count, 1, 10_000_000),
    ("journal.batch_records_max", Count, 1, 1_000_000),
    ("journal.batch_bytes_max", Size, 1, GIB),
    ("archive.keep", Time, DAY, 36_500 * DAY),
    ("archive.level", Count, 1, 19),
    ("mqtt.port", Count, 1, 65_535),
    ("mqtt.keep_alive", Time, 5 * SECOND, 18 * HOUR),
    ("mqtt.window", Count, 1, 65_535),
    ("mqtt.ack_timeout", Time, SECOND, HOUR),
    ("mqtt.retry_min", Time, 10, HOUR),
    ("mqtt.retry_max", Time, 10, DAY),
    ("mqtt.tries_max", Count, 1, 1000),
    ("mqtt.packet_max", Size, KIB, 255 * MIB),
    ("mqtt.drain_max", Time, 0, HOUR),
    ("command.session", Time, 0, 365 * DAY),
    ("command.requests_per_second", Count, 1, 10_000),
    ("command.queue_max", Count, 1, 1000),
    ("command.expiry", Time, SECOND, 365 * DAY),
    ("command.confirm_within", Time, SECOND, 30 * DAY),
    ("command.answer_timeout", Time, SECOND, HOUR),
    ("command.resends", Count, 0, 10),
    ("command.execution_timeout", Time, SECOND, DAY),
    ("command.ids_max", Count, 1, 1_000_000),
    ("command.first_contact.timeouts", Count, 0, 255),
    ("command.first_contact.realtime_interval", Count, 1, 3600),
    ("command.first_contact.minute_interval", Count, 1, 60),
    ("command.clock.drift", Time, SECOND, DAY),
    ("command.clock.every", Time, SECOND, 365 * DAY),
    ("command.keys.renew_after", Time, HOUR, 3650 * DAY),
    ("command.keys.every", Time, SECOND, 365 * DAY),
    ("command.policies.*.execution_seconds", Count, 1, 86_400),
    ("command.policies.*.first_contact.timeouts", Count, 0, 255),
    ("command.policies.*.first_contact.realtime_interval", Count, 1, 3600),
    ("command.policies.*.first_contact.minute_interval", Count, 1, 60),
    ("command.policies.*.clock.drift", Time, SECOND, DAY),
    ("command.policies.*.clock.every", Time, SECOND, 365 * DAY),
    ("uplink.cursor_every", Time, 1, MINUTE),
    ("uplink.checkpoint_every", Count, 1, 1_000_000_000),
    ("delivery.again_after", Time, SECOND, 30 * DAY),
    ("delivery.in_flight_max", Count, 1, 1_000_000),
    ("interpret.parts_max_wait", Time, SECOND, DAY),
    ("interpret.parts_max", Count, 2, 999),
    ("interpret.parts_record_max", Size, KIB, 60 * KIB),
    ("interpret.parts_station_max", Count, 1, 1000),
    ("interpret.parts_bytes_max", Size, 64 * KIB, 16 * GIB),
    ("interpret.resent_instants_max", Count, 0, 10_000),
    ("interpret.resent_periods_max", Count, 0, 10_000),
    ("interpret.stations_max", Count, 1, 10_000_000),
    ("interpret.unregistered_max", Count, 1, 100_000),
    ("interpret.unregistered_bytes_max", Size, MIB, 16 * GIB),
    ("interpret.marks_per_minute", Count, 1, 10_000_000),
    ("interpret.card_codes_max", Count, 1, 10_000),
    ("interpret.card_refresh", Time, SECOND, 30 * DAY),
    ("interpret.status_kept", Time, MINUTE, 365 * DAY),
    ("interpret.clock_off_max", Time, SECOND, 365 * DAY),
    ("interpret.future_max", Time, 0, 365 * DAY),
    ("interpret.backfill_instant", Time, SECOND, 3650 * DAY),
    ("interpret.backfill_minute", Time, SECOND, 3650 * DAY),
    ("interpret.backfill_hour", Time, SECOND, 3650 * DAY),
    ("interpret.backfill_day", Time, SECOND, 3650 * DAY),
    ("recall.realtime_overdue", Time, SECOND, 40 * DAY),
    ("recall.minute_overdue", Time, SECOND, 40 * DAY),
    ("recall.hour_overdue", Time, SECOND, 40 * DAY),
    ("recall.day_overdue", Time, SECOND, 40 * DAY),
    ("recall.minute_span", Time, MINUTE, 40 * DAY),
    ("recall.hour_span", Time, MINUTE, 40 * DAY),
    ("recall.day_span", Time, MINUTE, 40 * DAY),
    ("recall.asks_per_hour", Count, 1, 60),
    ("recall.pause", Time, 0, 40 * DAY),
    ("recall.open_max", Count, 1, 1_000_000),
    ("recall.settle", Time, 0, 40 * DAY),
    ("recall.quiet", Time, 0, 40 * DAY),
    ("judgement.settle_spread", Time, 0, 6 * HOUR),
    ("recall.retry_min", Time, SECOND, 40 * DAY),
    ("recall.retry_max", Time, SECOND, 40 * DAY),
    ("recall.attempts_max", Count, 1, 20),
];

/// The first must not be above the second.
const ORDERS: &[(&str, &str)] = &[
    ("mqtt.retry_min", "mqtt.retry_max"),
    ("recall.retry_min", "recall.retry_max"),
    ("interpret.parts_record_max", "interpret.parts_bytes_max"),
    ("interpret.unregistered_max", "interpret.stations_max"),
    ("journal.segment_size", "journal.keep_size"),
];

/// The settings of `config` outside their ranges; `text` is the file's, for the lines.
pub(super) fn check(source: &ConfigSource<'_>, text: &str, config: &Config) -> Vec<Problem> {
    let defaults = toml::Table::try_from(Config::default()).unwrap_or_default();
    let table = toml::Table::try_from(config);
    let mut problems = Vec::new();
    let mut wrong = |at: &[&str], other: &[&str], value: &str, rule: &str, default: Option<String>| {
        let (en, zh) = default.map_or_else(Default::default, |default| {
            (format!("leave it out for the default of {default}, or "), format!("删去此行即用缺省值 {default},或"))
        });
        let what = format!("{} = {value}: must be {rule}", at.join("."));
        let remedy = format!("{en}write a value of that range · {zh}改为该范围内的值");
        problems.push(source.problem(&[&at.join("."), &other.join(".")], what, &remedy));
    };
    let table = match table {
        Ok(table) => table,
        // No TOML holds a number beyond 2^63, and here it must be refused before anything is done with it.
        Err(error) => {
            for (at, value) in beyond_toml(text) {
                let at: Vec<&str> = at.iter().map(String::as_str).collect();
                let range = RANGES.iter().find(|(key, ..)| fits(key, &at));
                let rule = range
                    .map_or_else(|| "less than 2^63".to_owned(), |(_, kind, least, most)| rule(*kind, *least, *most));
                wrong(&at, &[], &value, &rule, found(&defaults, &at).map(shown));
            }
            if problems.is_empty() {
                let remedy = "write each number within its range in config/gateway.toml";
                problems.push(source.problem(&[], format!("the settings cannot be checked: {error}"), remedy));
            }
            return problems;
        }
    };
    walk(&toml::Value::Table(table.clone()), &mut Vec::new(), &mut |at, value| {
        let Some((_, kind, least, most)) = RANGES.iter().find(|(key, ..)| fits(key, at)) else { return };
        let Some(number) = number(*kind, value) else { return };
        if !(*least..=*most).contains(&number) {
            wrong(at, &[], &shown(value), &rule(*kind, *least, *most), found(&defaults, at).map(shown));
        }
    });
    for (low, high) in ORDERS {
        let (low, high): (Vec<&str>, Vec<&str>) = (low.split('.').collect(), high.split('.').collect());
        let value = |at: &[&str]| Some((found(&table, at)?, number(range(at)?, found(&table, at)?)?));
        if let (Some((_, least)), Some((written, most))) = (value(&low), value(&high))
            && least > most
        {
            let below = found(&table, &low).map(shown).unwrap_or_default();
            let rule = format!("at least {0}, which is {1} · 不得小于 {0}(现为 {1})", low.join("."), below);
            wrong(&high, &low, &shown(written), &rule, found(&defaults, &high).map(shown));
        }
    }
    problems
}

fn rule(kind: Kind, least: u64, most: u64) -> String {
    let (en, zh) = if kind == CountOrAuto { (", or \"auto\"", ",或 \"auto\"") } else { ("", "") };
    format!("{0} to {1}{en} · 取值范围 {0} 至 {1}{zh}", written(kind, least), written(kind, most))
}

/// The whole numbers in `text` that no TOML value holds, with their paths.
fn beyond_toml(text: &str) -> Vec<(Vec<String>, String)> {
    fn look(value: &DeValue<'_>, at: &mut Vec<String>, all: &mut Vec<(Vec<String>, String)>) {
        match value {
            DeValue::Integer(number) if i64::from_str_radix(number.as_str(), number.radix()).is_err() => {
                all.push((at.clone(), number.as_str().to_owned()));
            }
            DeValue::Array(values) => values.iter().for_each(|value| look(value.get_ref(), at, all)),
            DeValue::Table(table) => {
                for (key, value) in table {
                    at.push(key.get_ref().to_string());
                    look(value.get_ref(), at, all);
                    at.pop();
                }
            }
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
    let mut all = Vec::new();
    if let Ok(table) = DeTable::parse(text) {
        look(&DeValue::Table(table.into_inner()), &mut Vec::new(), &mut all);
    }
    all
}

/// Whether the disk can hold what `[journal]` leaves free: with a `reserve` above its size nothing is ever stored.
pub(super) fn check_disk(source: &ConfigSource<'_>, config: &Config) -> Option<Problem> {
    let dir = config.journal.dir.ancestors().find(|dir| dir.is_dir())?;
    let disk = rustix::fs::statvfs(dir).ok()?;
    let all = disk.f_blocks.saturating_mul(disk.f_frsize);
    // A file system that does not know its size says 0.
    let needed = config.journal.reserve.saturating_add(config.journal.segment_size.saturating_mul(2));
    if all == 0 || needed <= all {
        return None;
    }
    let (reserve, segment) = (size::format(config.journal.reserve), size::format(config.journal.segment_size));
    let what = format!(
        "journal.reserve = \"{reserve}\": with two segments of {segment} that is more than the {} MiB of the file system of {}: nothing could \
         be stored · 预留空间加两个段文件超过该文件系统的总容量,什么也存不下",
        all >> 20,
        dir.display()
    );
    let remedy = "reserve less, take smaller segments (journal.segment_size), or another journal.dir · 减小 reserve 或 segment_size,或更换 journal.dir";
    Some(source.problem(&["journal.reserve", "journal.segment_size", "journal.dir"], what, remedy))
}

/// Calls `each` with the path of every value that is no table.
fn walk<'v>(value: &'v toml::Value, at: &mut Vec<&'v str>, each: &mut impl FnMut(&[&str], &toml::Value)) {
    if let toml::Value::Table(table) = value {
        for (key, value) in table {
            at.push(key);
            walk(value, at, each);
            at.pop();
        }
    } else if let toml::Value::Array(values) = value {
        values.iter().for_each(|value| walk(value, at, each));
    } else {
        each(at, value);
    }
}

fn fits(key: &str, at: &[&str]) -> bool {
    let mut names = key.split('.');
    at.iter().all(|name| names.next().is_some_and(|known| known == "*" || known == *name)) && names.next().is_none()
}

fn range(at: &[&str]) -> Option<Kind> {
    RANGES.iter().find(|(key, ..)| fits(key, at)).map(|(_, kind, ..)| *kind)
}

fn found<'t>(table: &'t toml::Table, at: &[&str]) -> Option<&'t toml::Value> {
    let (first, rest) = at.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, name| value.as_table()?.get(*name))
}

/// The value as it is compared; `None` if it is none of that kind, which its type has refused already.
fn number(kind: Kind, value: &toml::Value) -> Option<u64> {
    match kind {
        Count | CountOrAuto => u64::try_from(value.as_integer()?).ok(),
        Time => u64::try_from(duration::parse(value.as_str()?)?.as_millis()).ok(),
        Size => size::parse(value.as_str()?),
    }
}

fn shown(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("\"{text}\""))
}

fn written(kind: Kind, number: u64) -> String {
    match kind {
        Count | CountOrAuto => number.to_string(),
        Time => duration::format(std::time::Duration::from_millis(number)),
        Size => size::format(number),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const EXAMPLE: &str = include_str!("../../config/gateway.toml");

    /// What is wrong with a configuration that sets but this.
    fn said(at: &[&str], value: &str) -> String {
        let (name, section) = at.split_last().unwrap();
        let text = format!("# one\n[{}]\n{name} = {value}\n", section.join("."));
        let path = Path::new("g.toml");
        match super::super::parse(path, &text) {
            Ok(config) => check(&ConfigSource::new(path, &text), &text, &config)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
            Err(problem) => problem.to_string(),
        }
    }

    /// Every number, duration and size of the sample configuration, with its path.
    fn settings() -> Vec<(Vec<String>, toml::Value)> {
        let table: toml::Table = EXAMPLE.parse().unwrap();
        let mut all = Vec::new();
        walk(&toml::Value::Table(table), &mut Vec::new(), &mut |at, value| {
            let text = value.as_str();
            let counts = value.is_integer() || text == Some("auto");
            if counts || text.is_some_and(|text| duration::parse(text).is_some() || size::parse(text).is_some()) {
                all.push((at.iter().map(ToString::to_string).collect(), value.clone()));
            }
        });
        all
    }

    #[test]
    fn every_setting_has_a_range_and_what_is_outside_is_refused_with_its_line() {
        let settings = settings();
        assert!(settings.len() > 80, "{}", settings.len());
        for (at, value) in settings {
            let at: Vec<&str> = at.iter().map(String::as_str).collect();
            let name = at.join(".");
            let Some((_, kind, least, most)) = RANGES.iter().find(|(key, ..)| fits(key, &at)) else {
                panic!("{name} has no range");
            };
            assert_eq!(said(&at, &shown(&value)), "", "{name}: the default is good");
            let quoted = |number: u64| match kind {
                Count | CountOrAuto => number.to_string(),
                Time | Size => format!("\"{}\"", written(*kind, number)),
            };
            let zero = said(&at, &quoted(0));
            assert_eq!(zero.is_empty(), *least == 0, "{name} = 0: {zero}");
            let huge = said(&at, &quoted(most.saturating_mul(1000)));
            for (what, problem) in [("0", zero), ("huge", huge)] {
                if problem.is_empty() && *least == 0 {
                    continue;
                }
                assert!(problem.starts_with("g.toml:3:"), "{name} = {what}: {problem}");
                assert!(problem.contains(at.last().unwrap()), "{name} = {what}: {problem}");
                if problem.contains("must be") {
                    let (least, most) = (written(*kind, *least), written(*kind, *most));
                    for part in [&least, &most, "取值范围", "leave it out", "删去此行"] {
                        assert!(problem.contains(part), "{name} = {what}: {part} is not in {problem}");
                    }
                }
            }
            // Beyond what a TOML value or a cast holds; 2^63 and the largest of 64 bits, and beyond those.
            for bad in [
                "9223372036854775807",
                "9223372036854775808",
                "18446744073709551615",
                "0x8000000000000000",
                "18446744073709551616",
            ] {
                let quoted = match kind {
                    Count | CountOrAuto => bad.to_owned(),
                    Time => format!("\"{bad}s\""),
                    Size => format!("\"{bad}B\""),
                };
                let problem = said(&at, &quoted);
                assert!(problem.starts_with("g.toml:3:"), "{name} = {bad}: {problem:?}");
            }
            for bad in ["-1", "\"-1s\"", "\"5 parsecs\"", "\"5\"", "1.5", "true", "\"\""] {
                let problem = said(&at, bad);
                assert!(problem.starts_with("g.toml:3:"), "{name} = {bad}: {problem}");
            }
        }
    }

    #[test]
    fn every_range_is_of_a_setting_that_exists() {
        let config: toml::Table = toml::Table::try_from(Config::default()).unwrap();
        for (key, _, least, most) in RANGES {
            assert!(least < most, "{key}");
            let at: Vec<&str> = key.split('.').collect();
            // What is left out by default is tried as what it would be.
            let exists = found(&config, &at).is_some()
                || !said(
                    &at.iter().map(|name| if *name == "*" { "x" } else { name }).collect::<Vec<_>>(),
                    "[99999999, 1]",
                )
                .contains("unknown field");
            assert!(exists, "{key}");
        }
    }

    #[test]
    fn a_value_is_found_wherever_it_stands() {
        for (text, line) in [
            ("[uplink]\n\ncheckpoint_every = 0\n", 3),
            ("uplink.checkpoint_every = 0\n", 1),
            ("\nuplink = { checkpoint_every = 0 }\n", 2),
            ("[uplink]\n\"checkpoint_every\" = 0 # why\n", 2),
        ] {
            let path = Path::new("g.toml");
            let problems = check(&ConfigSource::new(path, text), text, &super::super::parse(path, text).unwrap());
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(said.len() == 1 && said[0].starts_with(&format!("g.toml:{line}:")), "{said:?}");
        }
    }

    #[test]
    fn policies_have_ranges_too_and_two_settings_are_compared() {
        let problem = said(&["command", "policies", "nb", "execution_seconds"], "0");
        assert!(problem.starts_with("g.toml:3:") && problem.contains("1 to 86400"), "{problem}");
        let problem = said(&["mqtt", "retry_max"], "\"100ms\"");
        assert!(problem.starts_with("g.toml:3:") && problem.contains("at least mqtt.retry_min"), "{problem}");
    }

    #[test]
    fn a_reserve_above_the_size_of_the_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[journal]\nreserve = \"900TiB\"\n";
        let mut config = super::super::parse(Path::new("g.toml"), text).unwrap();
        config.journal.dir = folder.path().join("not/yet/there");
        let problem = check_disk(&ConfigSource::new(Path::new("g.toml"), text), &config).unwrap().to_string();
        assert!(problem.starts_with("g.toml:2:1:") && problem.contains("900TiB"), "{problem}");
        config.journal.reserve = 0;
        config.journal.segment_size = 1;
        assert_eq!(check_disk(&ConfigSource::new(Path::new("g.toml"), text), &config), None);
    }
}
