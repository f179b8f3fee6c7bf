//! Station files to a registry: every rule a station's row must keep, and where it was broken.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::read_toml::read_toml_by;
use super::tables::LimitTables;
use super::units::{self, Wanted};
use super::{CrcPolicy, Dialect, Dialects, Password, Problem, Registry, Station, Unknown};
use crate::message::{Conversion, EmissionLimit, Facility, Pairs, StationFacts};
use hj212::{Edition, SealForm};

/// The longest MN. The standards say 14 (2005) or 24 characters; the field knows 21 and more.
pub const MN_MAX: usize = 64;
// A registered MN stands in topics whole.
const _: () = assert!(MN_MAX <= crate::message::topic::LEVEL_MAX);

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    station: Vec<Row>,
    #[serde(default)]
    dialect: Vec<Dialect>,
}

/// One `[[station]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    mn: Spanned<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    pw: Option<Spanned<String>>,
    st: Option<Spanned<String>>,
    edition: Option<Spanned<String>>,
    dialect: Option<Spanned<String>>,
    policy: Option<String>,
    hardware: Option<Spanned<String>>,
    seal: Option<Spanned<String>>,
    #[serde(default)]
    crc: CrcPolicy,
    #[serde(default)]
    networks: Vec<Spanned<String>>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    units: BTreeMap<String, String>,
    #[serde(default)]
    convert: BTreeMap<String, Spanned<Wanted>>,
    #[serde(default)]
    meanings: BTreeMap<String, String>,
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default)]
    facility: Vec<FacilityRow>,
    #[serde(default)]
    limits: BTreeMap<String, f64>,
    #[serde(default)]
    limit: Vec<Spanned<LimitRow>>,
    #[serde(default)]
    limits_of: Vec<Spanned<NamedLimits>>,
    #[serde(default)]
    ranges: BTreeMap<String, [f64; 2]>,
    #[serde(default)]
    without: Vec<String>,
    realtime_interval: Option<Spanned<String>>,
    minute_interval: Option<Spanned<String>>,
    operator: Option<Spanned<String>>,
    #[serde(default)]
    mn_refused: Vec<Spanned<String>>,
}

/// One `[[station.facility]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FacilityRow {
    id: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    factors: Vec<String>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

/// One `[[station.limit]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitRow {
    pub(super) code: String,
    pub(super) max: f64,
    #[serde(default)]
    pub(super) of: String,
    #[serde(default)]
    pub(super) basis: String,
    pub(super) decimals: Option<u8>,
    #[serde(default)]
    pub(super) name: String,
    pub(super) from: Option<String>,
    pub(super) until: Option<String>,
    #[serde(default)]
    pub(super) clause: String,
    #[serde(default)]
    pub(super) certainty: String,
}

/// One `[[station.limits_of]]`: limits by the name of their standard.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedLimits {
    standard: String,
    scope: String,
    #[serde(default)]
    codes: Vec<String>,
    basis: Option<String>,
    decimals: Option<u8>,
    from: Option<String>,
    until: Option<String>,
}

/// Reads station files, given as (name, text). All problems of all files are reported.
pub fn load(files: &[(String, String)], unknown: Unknown) -> Result<Registry, Vec<Problem>> {
    load_with(files, unknown, &LimitTables::read(&[])?)
}

/// The same, with these tables of emission limits.
pub fn load_with(files: &[(String, String)], unknown: Unknown, tables: &LimitTables) -> Result<Registry, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut registry = Registry { unknown, ..Registry::default() };
    // What cannot be read is told below.
    for (_, file, _) in
        files.iter().filter(|(_, text)| may_hold_dialects(text)).flat_map(|(name, text)| Stretches::of(name, text))
    {
        file.dialect.into_iter().for_each(|dialect| registry.dialects.add(dialect));
    }
    // Where each MN stands. Lines are counted only for what is wrong: counting them for every station takes seconds.
    let mut places: HashMap<String, (&str, &str, Range<usize>)> = HashMap::new();
    for (name, text, (base, file, wrong)) in
        files.iter().flat_map(|(name, text)| Stretches::of(name, text).map(move |stretch| (name, text, stretch)))
    {
        let mut reader = Reader { name, text, tables, base, problems: wrong };
        for row in file.station {
            let (mn, here) = (row.mn.get_ref().clone(), reader.place(&row.mn.span()));
            if let Some((file, of, place)) = places.get(&mn) {
                let first = Problem::at(file, of, place, String::new(), "");
                let what = format!("MN {mn:?} is registered twice, first at {}:{}", first.file, first.line);
                reader.problems.push(Problem::at(name, text, &here, what, "remove one of the two · 删去其中一个"));
                continue;
            }
            places.insert(mn, (name, text, here));
            let station = reader.station(row, &registry.dialects);
            if let Some(hardware) = &station.facts.hardware
                && let Some(other) = registry.hardware.insert(hardware.as_bytes().into(), station.mn.clone())
            {
                let what = format!("hardware {hardware:?} is registered twice, first for MN {other:?}");
                let here = places.get(&station.mn).map_or(0..0, |(_, _, place)| place.clone());
                let remedy = "a logger has one MN: remove one of the two · 删去其中一个";
                reader.problems.push(Problem::at(name, text, &here, what, remedy));
            }
            registry.stations.insert(station.mn.as_bytes().into(), Arc::new(station));
        }
        problems.append(&mut reader.problems);
    }
    if problems.is_empty() { Ok(registry) } else { Err(problems) }
}

/// Whether `mn` may be registered: it becomes a level of MQTT topics.
#[must_use]
pub fn is_mn(mn: &str) -> bool {
    (1..=MN_MAX).contains(&mn.len()) && mn.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// So many bytes of a station file are read at a time: the tree that the TOML reader makes takes some twenty times the text, and there may be
/// 300,000 stations.
const STRETCH: usize = 1 << 20;

/// What stands in a file, stretch by stretch, each with its place: together they say what the whole says.
struct Stretches<'f> {
    name: &'f str,
    text: &'f str,
    from: usize,
}

impl<'f> Stretches<'f> {
    fn of(name: &'f str, text: &'f str) -> Stretches<'f> {
        Stretches { name, text, from: 0 }
    }

    /// The place before the first line behind `least` that begins a station, or the end.
    fn cut(&self, least: usize) -> usize {
        let least = self.text.ceil_char_boundary(least);
        let found = self.text.get(least..).and_then(|rest| rest.find("\n[[station]]"));
        found.map_or(self.text.len(), |at| least + at + 1)
    }
}

impl Iterator for Stretches<'_> {
    /// Where it begins, what could be read of it, and what could not.
    type Item = (usize, File, Vec<Problem>);

    fn next(&mut self) -> Option<Self::Item> {
        let base = self.from;
        if base > 0 && base >= self.text.len() {
            return None;
        }
        let mut length = STRETCH;
        loop {
            let end = self.cut(base.saturating_add(length));
            self.from = end.max(1);
            let part = self.text.get(base..end).unwrap_or_default();
            match toml::from_str(part) {
                Ok(file) => return Some((base, file, Vec::new())),
                // It may have been cut within a text of several lines.
                Err(_) if end < self.text.len() => length = length.saturating_mul(2),
                Err(_) => {
                    // Told with the place in the whole.
                    let told =
                        |error: &toml::de::Error| Problem::of_toml_from(Path::new(self.name), self.text, base, error);
                    let (file, problems) = read_toml_by(part, told);
                    return Some((base, file.unwrap_or_default(), problems));
                }
            }
        }
    }
}

/// Whether a file may hold dialects: as tables, or as a list before all tables.
fn may_hold_dialects(text: &str) -> bool {
    let (mut tables, mut before) =
        (text.lines().map(str::trim_start).filter(|line| line.starts_with('[')), text.split('['));
    tables.any(|line| line.contains("dialect")) || before.next().is_some_and(|head| head.contains("dialect"))
}

struct Reader<'f> {
    name: &'f str,
    text: &'f str,
    tables: &'f LimitTables,
    /// Where in `text` the stretch begins whose places are given.
    base: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn place(&self, within: &Range<usize>) -> Range<usize> {
        self.base + within.start..self.base + within.end
    }

    fn station(&mut self, row: Row, dialects: &Dialects) -> Station {
        self.rule(
            &row.mn,
            is_mn(row.mn.get_ref()),
            "mn",
            "1 to 64 letters, digits, '_' or '-'",
            "write it as the station sends it · 与站点发送的一致",
        );
        if let Some(pw) = &row.pw {
            let good =
                !pw.get_ref().is_empty() && pw.get_ref().bytes().all(|b| b.is_ascii_graphic() && !b";&=".contains(&b));
            // The value is not shown: it is a password.
            let place = pw.span();
            self.rule_at(
                &place,
                good,
                "pw must be printable ASCII without blanks, ';', '&', '=' · 密码只能是可见的 ASCII 字符,不得含空格、汉字和 ; & =".into(),
                "write it as the logger sends it, as pw = \"123456\"; leave pw out if it is not to be checked · 与数采仪发送的一致,不校验则删去 pw",
            );
        }
        if let Some(st) = &row.st {
            let good = st.get_ref().len() == 2 && st.get_ref().bytes().all(|b| b.is_ascii_alphanumeric());
            self.rule(
                st,
                good,
                "st",
                "two letters or digits (HJ 212-2017, 6.6.1)",
                "write \"31\" for air, \"32\" for water · 废气写 \"31\",废水写 \"32\"",
            );
        }
        if let Some(hardware) = &row.hardware {
            let good = is_mn(hardware.get_ref());
            self.rule(
                hardware,
                good,
                "hardware",
                "1 to 64 letters, digits, '_' or '-'",
                "write i23005-Info as the logger sends it · 与数采仪发送的 i23005-Info 一致",
            );
        }
        let seal = row.seal.as_ref().and_then(|said| {
            let form = said.get_ref().parse::<SealForm>();
            let remedy = "write what the logger does, as \"base64+pkcs7\" · 按数采仪的实际做法填写";
            self.rule(
                said,
                form.is_ok(),
                "seal",
                "base64 or hex, pkcs7 or zero, or one of each with '+' between, or \"standard\"",
                remedy,
            );
            form.ok()
        });
        let edition = row.edition.as_ref().and_then(|edition| self.edition(edition));
        let dialect = row.dialect.as_ref().and_then(|name| self.dialect(name, dialects));
        let networks = row.networks.iter().filter_map(|network| self.network(network)).collect();
        let facilities = self.facilities(row.facility);
        let realtime_interval = row.realtime_interval.as_ref().and_then(|text| {
            self.interval(text, "realtime_interval", "1s to 24h · 1s 至 24h", |seconds| {
                (1..=86_400).contains(&seconds)
            })
        });
        let minute_interval = row.minute_interval.as_ref().and_then(|text| {
            let fits = |seconds: u32| seconds.is_multiple_of(60) && seconds > 0 && 3600 % seconds == 0;
            self.interval(
                text,
                "minute_interval",
                "whole minutes of which an hour has a whole number, as 1, 2, 5, 10, 15, 30min · 能整除一小时的整分钟",
                fits,
            )
        });
        if let Some(operator) = &row.operator {
            let remedy = "write the company's id, as its scorecards and its entries name it · 写运维单位编号";
            self.rule(operator, is_mn(operator.get_ref()), "operator", "1 to 64 letters, digits, '_' or '-'", remedy);
        }
        for refused in &row.mn_refused {
            let remedy = "write an MN that is not this station's, as it was heard · 写实际收到的、不属于本站的 MN";
            self.rule(refused, is_mn(refused.get_ref()), "mn_refused", "1 to 64 letters, digits, '_' or '-'", remedy);
        }
        let conversions = self.conversions(row.convert, &row.units);
        let facts = StationFacts {
            name: row.name,
            tags: row.tags.into_iter().collect(),
            st: row.st.map(Spanned::into_inner),
            edition: edition
                .or(dialect.as_ref().map(|d| d.edition).filter(|_| edition.is_none() && row.edition.is_none())),
            dialect: row.dialect.map(Spanned::into_inner),
            hardware: row.hardware.map(Spanned::into_inner),
            seal,
            aliases: row.aliases.into_iter().collect(),
            units: row.units.into_iter().collect(),
            conversions,
            meanings: row.meanings.into_iter().collect(),
            rules: row.rules,
            facilities,
            emission: self.all_limits(row.limit, row.limits_of),
            limits: row.limits.into_iter().map(|(code, limit)| (code, limit.to_string())).collect(),
            ranges: row
                .ranges
                .into_iter()
                .map(|(code, [low, high])| (code, (low.to_string(), high.to_string())))
                .collect(),
            without: row.without,
            realtime_interval,
            minute_interval,
            operator: row.operator.map(Spanned::into_inner),
            mn_refused: row.mn_refused.into_iter().map(Spanned::into_inner).collect(),
        };
        let dialect = dialect.or_else(|| edition.map(|edition| Arc::clone(dialects.of(edition))));
        let pw = row.pw.map(|pw| Password(pw.into_inner()));
        let (mn, policy, facts) = (row.mn.into_inner(), row.policy, Arc::new(facts));
        Station { mn, registered_as: None, pw, other_pws: Vec::new(), crc: row.crc, networks, dialect, policy, facts }
    }

    fn conversions(
        &mut self,
        wanted: BTreeMap<String, Spanned<Wanted>>,
        units: &BTreeMap<String, String>,
    ) -> Pairs<Conversion> {
        let mut conversions = Vec::new();
        for (code, wanted) in wanted {
            let place = wanted.span();
            match units::conversion(wanted.get_ref(), units.get(&code).map(String::as_str)) {
                Ok(conversion) => conversions.push((code, conversion)),
                Err((rule, remedy)) => self.rule_at(&place, false, format!("convert.{code}: {rule}"), &remedy),
            }
        }
        conversions.into_iter().collect()
    }

    fn facilities(&mut self, rows: Vec<FacilityRow>) -> Vec<Facility> {
        let mut facilities: Vec<Facility> = Vec::new();
        for row in rows {
            for word in [&row.id, &row.kind] {
                let remedy = "choose a plain word: it becomes a level of topics · 用字母、数字、_、-,它是主题的一级";
                self.rule(word, is_mn(word.get_ref()), "facility", "1 to 64 letters, digits, '_' or '-'", remedy);
            }
            let taken = ["outlet", "factor"].contains(&row.id.get_ref().as_str());
            let again = taken || facilities.iter().any(|other| other.id == *row.id.get_ref());
            self.rule(
                &row.id,
                !again,
                "facility",
                "neither used twice nor \"outlet\" or \"factor\"",
                "choose another id · 换一个编号",
            );
            let (id, kind) = (row.id.into_inner(), row.kind.into_inner());
            facilities.push(Facility { id, kind, factors: row.factors, aliases: row.aliases });
        }
        facilities
    }

    /// Emission limits, those that the row says itself first.
    fn all_limits(&mut self, rows: Vec<Spanned<LimitRow>>, named: Vec<Spanned<NamedLimits>>) -> Vec<EmissionLimit> {
        let mut limits = self.emission(rows);
        for spanned in named {
            let place = spanned.span();
            let NamedLimits { standard, scope, codes, basis, decimals, from, until } = spanned.into_inner();
            let found = self.tables.of(&standard, &scope, &codes);
            let whole = codes.iter().all(|code| found.iter().any(|limit| limit.code == *code));
            let what = format!(
                "limits_of: {standard}, {scope}, {}: not all of it stands in a table · 限值表中没有(或不全)",
                codes.join(", ")
            );
            self.rule_at(&place, !found.is_empty() && whole, what, "see config/limits; standards and scopes are written as there · 标准号和适用范围须与 config/limits 中的写法一致");
            for limit in found {
                let row = LimitRow {
                    code: limit.code,
                    max: limit.max.parse().unwrap_or(f64::NAN),
                    of: limit.of,
                    basis: basis.clone().unwrap_or(limit.basis),
                    decimals,
                    name: limit.name,
                    from: from.clone(),
                    until: until.clone(),
                    clause: limit.clause,
                    certainty: limit.certainty,
                };
                let before = limits.len();
                limits.extend(self.emission(vec![Spanned::new(place.clone(), row)]));
                // As the table says it, not as a number would be written.
                limits.iter_mut().skip(before).for_each(|new| new.max.clone_from(&limit.max));
            }
        }
        limits
    }

    /// Emission limits with period, basis, decimals and days.
    fn emission(&mut self, rows: Vec<Spanned<LimitRow>>) -> Vec<EmissionLimit> {
        let mut limits = Vec::new();
        for spanned in rows {
            let place = spanned.span();
            let row = spanned.into_inner();
            let day =
                |text: &Option<String>| text.as_ref().is_none_or(|text| text.parse::<jiff::civil::Date>().is_ok());
            let one = |said: &str, of: &[&str]| said.is_empty() || of.contains(&said);
            let said = |text: &Option<String>| text.as_deref().unwrap_or("-").to_owned();
            for (good, key, value, rule, remedy) in [
                (
                    row.max.is_finite() && row.max >= 0.0,
                    "max",
                    row.max.to_string(),
                    "a number, 0 or above · 0 或正数",
                    "write max = 80 · 如 max = 80",
                ),
                (
                    one(&row.of, &["sample", "minute", "hour", "day"]),
                    "of",
                    row.of.clone(),
                    "sample, minute, hour or day",
                    "write of = \"day\" · 日均值写 of = \"day\"",
                ),
                (
                    one(&row.basis, &["measured", "converted"]),
                    "basis",
                    row.basis.clone(),
                    "measured or converted",
                    "write basis = \"converted\" · 折算值写 converted,实测值写 measured",
                ),
                (
                    row.decimals.is_none_or(|d| d <= 6),
                    "decimals",
                    row.decimals.unwrap_or_default().to_string(),
                    "0 to 6",
                    "write decimals = 0 · 小数位数,0 至 6",
                ),
                (
                    day(&row.from),
                    "from",
                    said(&row.from),
                    "a day there is",
                    "write from = \"2026-01-01\" · 写实际存在的日期",
                ),
                (
                    day(&row.until),
                    "until",
                    said(&row.until),
                    "a day there is",
                    "write until = \"2026-07-01\" · 写实际存在的日期",
                ),
                (
                    row.from.is_none() || row.until.is_none() || row.from < row.until,
                    "until",
                    said(&row.until),
                    "after from",
                    "correct one of them · until 须晚于 from",
                ),
                (
                    one(&row.certainty, &["V", "S", "C", "R", "I", "U"]),
                    "certainty",
                    row.certainty.clone(),
                    "V, S, C, R, I or U",
                    "see docs/marking.md · 含义见 docs/marking.md",
                ),
            ] {
                self.rule_at(&place, good, format!("limit of {}: {key} = {value} must be {rule}", row.code), remedy);
            }
            let LimitRow { code, max, of, basis, decimals, name, from, until, clause, certainty } = row;
            let max = max.to_string();
            limits.push(EmissionLimit { code, max, of, basis, decimals, name, from, until, clause, certainty });
        }
        limits
    }

    fn edition(&mut self, said: &Spanned<String>) -> Option<Edition> {
        let edition = match said.get_ref().as_str() {
            "2005" => Some(Edition::V2005),
            "2017" => Some(Edition::V2017),
            "2025" => Some(Edition::V2025),
            _ => None,
        };
        self.rule(
            said,
            edition.is_some(),
            "edition",
            "\"2005\", \"2017\" or \"2025\"",
            "leave it out if the station is to be answered by its Flag · 不确定时删去,按 Flag 应答",
        );
        edition
    }

    /// An interval in seconds.
    fn interval(
        &mut self,
        said: &Spanned<String>,
        key: &str,
        rule: &str,
        fits: impl FnOnce(u32) -> bool,
    ) -> Option<u32> {
        let seconds = crate::settings::duration::parse(said.get_ref())
            .filter(|interval| interval.subsec_nanos() == 0)
            .and_then(|interval| u32::try_from(interval.as_secs()).ok())
            .filter(|seconds| fits(*seconds));
        self.rule(
            said,
            seconds.is_some(),
            key,
            rule,
            "write \"30s\" or \"10min\", or leave it out to let it be learned · 写 \"30s\"、\"10min\",或删去,由网关自行学得",
        );
        seconds
    }

    fn dialect(&mut self, said: &Spanned<String>, dialects: &Dialects) -> Option<Arc<Dialect>> {
        let found = dialects.find(said.get_ref()).cloned();
        if found.is_none() {
            let names: Vec<&str> = dialects.names().collect();
            self.rule(
                said,
                false,
                "dialect",
                &format!("one of {}", names.join(", ")),
                "or add a [[dialect]] of that name · 或添加同名的 [[dialect]]",
            );
        }
        found
    }

    fn network(&mut self, said: &Spanned<String>) -> Option<ipnet::IpNet> {
        let text = said.get_ref();
        let network = text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from));
        self.rule(
            said,
            network.is_some(),
            "networks",
            "addresses or networks",
            "write \"10.1.0.0/16\" or \"10.1.2.3\" · 写网段或地址",
        );
        network
    }

    fn rule(&mut self, value: &Spanned<String>, good: bool, key: &str, rule: &str, remedy: &str) {
        let what = format!("{key} = {:?} must be {rule}", value.get_ref());
        self.rule_at(&value.span(), good, what, remedy);
    }

    fn rule_at(&mut self, place: &std::ops::Range<usize>, good: bool, what: String, remedy: &str) {
        if !good {
            let place = self.place(place);
            self.problems.push(Problem::at(self.name, self.text, &place, what, remedy));
        }
    }
}
