//! `journal verify|stats|dump`: looks into a journal and its archive, beside a running gateway too. Nothing is written.
//!
//! What must stay true: only a journal is called sound; how old its newest record is stands beside that word, so that nobody takes last month's copy
//! for this night's; a folder without a journal, and a copy within a copy, are told by the exit code.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::working::{self, Progressing};
use super::{CONFIG, IO, UNAVAILABLE, complain, tell};
use crate::config;
use hj212::secret::shown;
use hj212_downlink::Step;
use hj212_journal::{self as journal, Disk, GapCause, Offset, ReadItem, Reader};
use hj212_model::clock;
use hj212_model::message::{Presence, Record, Timestamp};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Reads every record and checks checksums and the hash chain; exit code 1 when something is wrong
    Verify(Place),
    /// Segments, records, bytes, times, kinds
    Stats(Place),
    /// Prints the records, one a line
    Dump {
        #[command(flatten)]
        place: Place,
        /// From this record on
        #[arg(long, default_value_t = 1, value_name = "OFFSET")]
        from: u64,
        /// At most so many records
        #[arg(long, default_value_t = u64::MAX, hide_default_value = true, value_name = "N")]
        count: u64,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct Place {
    /// The journal's folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The gateway's configuration: its journal (other mistakes in it are no matter) [default: /etc/hj212-gateway/gateway.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The folder, or the exit code after what is wrong was said.
    fn folder(&self) -> Result<PathBuf, u8> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let file = self.config.as_deref().unwrap_or(super::CONFIG_FILE.as_ref());
        config::journal_dir(file).map_err(|problem| {
            complain(&problem);
            CONFIG
        })
    }
}

pub(super) fn journal(command: &Command) -> u8 {
    let (Command::Verify(place) | Command::Stats(place) | Command::Dump { place, .. }) = command;
    let dir = match place.folder() {
        Ok(dir) => dir,
        Err(code) => return code,
    };
    let disk = hj212_archive::reading(&dir);
    match journal::segments(&*disk, &dir) {
        Ok(segments) if segments.is_empty() => {
            complain(&format!("no journal in {} · 此目录中没有日志库", dir.display()));
            return UNAVAILABLE;
        }
        Ok(_) => {}
        Err(error) => return broken(&dir, &error),
    }
    match command {
        Command::Verify(_) => match during(&dir, || journal::verify(Arc::clone(&disk), &dir)) {
            Ok(report) => {
                let newest = report.range.and_then(|(_, last)| time_of(&disk, &dir, last));
                let code = tell!("{}", verified(&report, newest, clock::now()));
                let within = copies_within(&disk, &dir);
                for copy in &within {
                    complain(&format!(
                        "another journal stands in {0} and was not looked at: was a copy made into an older copy? (cp -aT copies into place) · \
                         {0} 中还有一个日志库,未核对:可能是重复备份时套入了旧目录(请用 cp -aT)",
                        copy.display()
                    ));
                }
                if report.is_sound() && within.is_empty() { code } else { 1 }
            }
            Err(error) => broken(&dir, &error),
        },
        Command::Stats(_) => match during(&dir, || journal::stats(disk, &dir)) {
            Ok(stats) => tell!("{}", counted(&stats)),
            Err(error) => broken(&dir, &error),
        },
        Command::Dump { from, count, json, .. } => dump(&dir, Offset(*from), *count, *json),
    }
}

/// Does `work`, and says so while it takes long.
fn during<T>(dir: &Path, work: impl FnOnce() -> T) -> T {
    let _working = Progressing::begin("reading the journal", working::size_of(dir));
    work()
}

/// When a record was stored.
fn time_of(disk: &Arc<dyn Disk>, dir: &Path, at: Offset) -> Option<Timestamp> {
    let mut reader = Reader::open(Arc::clone(disk), dir, at).ok()?;
    match reader.next() {
        Ok(Some(ReadItem::Record(stored))) => Some(stored.time),
        Ok(Some(ReadItem::Gap { .. }) | None) | Err(_) => None,
    }
}

/// The folders in `dir` that hold a journal of their own.
fn copies_within(disk: &Arc<dyn Disk>, dir: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let has_journal = |folder: &PathBuf| {
        folder.is_dir() && journal::segments(&**disk, folder).is_ok_and(|segments| !segments.is_empty())
    };
    folders.filter(has_journal).collect()
}

/// How long ago, in a unit that people compare with: `40 min`.
fn age(of: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(of.0).max(0) / 1_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn verified(report: &journal::Report, newest: Option<Timestamp>, now: Timestamp) -> String {
    let mut lines = Vec::new();
    for (first, last, cause) in &report.gaps {
        let what = match cause {
            GapCause::Damaged => "DAMAGED",
            GapCause::Removed => "removed",
        };
        lines.push(format!("records {first} to {last}: {what}"));
    }
    lines.extend(
        report.broken.iter().map(|b| format!("record {}: does not continue the hash chain: CHANGED or put in", b.at)),
    );
    lines.extend(report.headers.iter().map(|name| format!("{name}: the header is DAMAGED")));
    let range = report.range.map_or("none".into(), |(first, last)| format!("{first} to {last}"));
    lines.push(format!(
        "{} good records ({range}), head {}",
        report.records,
        report.head.map_or("none".into(), |h| HEXLOWER.encode(&h))
    ));
    if let Some((last, at)) = report.range.map(|(_, last)| last).zip(newest) {
        let ago = age(at, now);
        lines.push(format!("newest record {last} at {}, {ago} ago · 最新一条距今 {ago}", at.to_rfc3339()));
    }
    lines.push(if report.is_sound() { "sound 完好".into() } else { "NOT sound 不完好".to_owned() });
    lines.join("\n")
}

fn counted(stats: &journal::Stats) -> String {
    let end =
        |end: Option<(Offset, Timestamp)>| end.map_or("none".into(), |(o, t)| format!("{o} at {}", t.to_rfc3339()));
    let mut lines = vec![
        format!("segments  {} ({} bytes)", stats.segments, stats.file_bytes),
        format!("records   {} ({} bytes), {} missing", stats.records, stats.body_bytes, stats.missing),
        format!("first     {}", end(stats.first)),
        format!("last      {}", end(stats.last)),
    ];
    let names = [
        "",
        "frame",
        "rejected",
        "presence",
        "context",
        "tick",
        "started",
        "stopped",
        "mark-entry",
        "",
        "command",
        "mark-ruling",
    ];
    for (kind, count) in stats.kinds.iter().enumerate().filter(|(_, count)| **count > 0) {
        let name = match kind {
            12 => "case-step",
            15 => "ledger",
            14 => "anchor",
            24 => "notice",
            25 => "dead-letter",
            22 => "registry",
            23 => "registry-change",
            kind => names.get(kind).copied().unwrap_or("unknown"),
        };
        lines.push(format!("{name:<9} {count}"));
    }
    lines.join("\n")
}

fn broken(dir: &std::path::Path, error: &dyn std::fmt::Display) -> u8 {
    complain(&format!("the journal in {}: {error}", dir.display()));
    IO
}

fn dump(dir: &std::path::Path, from: Offset, count: u64, json: bool) -> u8 {
    let mut reader = match Reader::open(hj212_archive::reading(dir), dir, from) {
        Ok(reader) => reader,
        Err(error) => return broken(dir, &error),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut nothing = true;
    for _ in 0..count {
        let written = match reader.next() {
            Ok(None) => break,
            Ok(Some(ReadItem::Gap { first, last, .. })) => writeln!(out, "{:>10}  MISSING up to {last}", first.0),
            Ok(Some(ReadItem::Record(stored))) => {
                let record = Record::decode(stored.kind, stored.body);
                let (kind, says) = match &record {
                    Ok(record) => describe(record),
                    Err(error) => ("unknown", error.to_string()),
                };
                if json {
                    let line = serde_json::json!({
                        "offset": stored.offset.0, "time": stored.time.to_rfc3339(), "kind": kind,
                        "hash": HEXLOWER.encode(&stored.hash), "says": says,
                    });
                    writeln!(out, "{line}")
                } else {
                    writeln!(out, "{:>10}  {}  {kind:<9}  {says}", stored.offset.0, stored.time.to_rfc3339())
                }
            }
            Err(error) => return broken(dir, &error),
        };
        nothing = false;
        if written.is_err() {
            // The reader of our output has gone; that is its right.
            return 0;
        }
    }
    if nothing && count > 0 {
        complain(&format!("没有:从第 {from} 条起没有记录。none: no record from {from} on"));
    }
    u8::from(out.flush().is_err()) * IO
}

fn describe(record: &Record<'_>) -> (&'static str, String) {
    match record {
        Record::Frame(heard) => ("frame", format!("{} {:?} {}", heard.from.peer, heard.deviations, shown(heard.raw))),
        Record::Rejected(rejected) => (
            "rejected",
            format!("{} {} {:?} {}", rejected.from.peer, rejected.reason.code(), rejected.detail, shown(rejected.raw)),
        ),
        Record::Presence(presence) => ("presence", presence_in_words(presence)),
        Record::Context { part, parts, json, .. } => {
            ("context", format!("part {} of {parts}, {} bytes", part + 1, json.len()))
        }
        Record::Registry { part, parts, json, .. } => {
            ("registry", format!("part {} of {parts}, {} bytes", part + 1, json.len()))
        }
        Record::RegistryChange { part, parts, json, .. } => {
            ("registry-change", format!("part {} of {parts}, {} bytes", part + 1, json.len()))
        }
        Record::Tick => ("tick", String::new()),
        Record::Clock(monotonic) => ("clock", format!("monotonic {monotonic} µs")),
        Record::Started(version) => ("started", format!("version {version}")),
        Record::Stopped => ("stopped", String::new()),
        Record::MarkRuling { mn, role, id, json } => {
            let id = format!("{} {} {}", mn.escape_default(), role.escape_default(), id.escape_default());
            ("mark-ruling", format!("{id}: {}", shown(json)))
        }
        Record::CaseStep { mn, role, id, json } => {
            let id = format!("{} {} {}", mn.escape_default(), role.escape_default(), id.escape_default());
            ("case-step", format!("{id}: {}", shown(json)))
        }
        Record::WorkEntry { mn, role, id, json } => {
            let id = format!("{} {} {}", mn.escape_default(), role.escape_default(), id.escape_default());
            ("ledger", format!("{id}: {}", shown(json)))
        }
        Record::MarkEntry { mn, id, json } => {
            ("mark-entry", format!("{} {}: {}", mn.escape_default(), id.escape_default(), shown(json)))
        }
        Record::Notice(json) => ("notice", shown(json)),
        Record::Anchor(json) => ("anchor", shown(json)),
        Record::DeadLetter(letter) => (
            "dead-letter",
            format!("of record {} {} {} bytes: {}", letter.of, letter.topic.escape_debug(), letter.bytes, letter.why),
        ),
        // What a step prints of itself holds no password and no key.
        Record::Command(step) => {
            ("command", Step::decode(step).map_or_else(String::new, |step| shown(format!("{step:?}").as_bytes())))
        }
    }
}

fn presence_in_words(presence: &Presence<'_>) -> String {
    match presence {
        Presence::Online { mn, on } => format!("{} online from {}", mn.escape_default(), on.peer),
        Presence::Offline { mn, on } => format!("{} offline, was at {}", mn.escape_default(), on.peer),
        Presence::Takeover { mn, on, was } => {
            format!("{} now from {}, was at {}", mn.escape_default(), on.peer, was.peer)
        }
        Presence::CloneSuspected { mn, on, was } => {
            format!("{} from {} and {} by turns", mn.escape_default(), on.peer, was.peer)
        }
    }
}
