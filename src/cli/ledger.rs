//! `ledger list`: the electronic ledger of a station, from the journal (运维台账).

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::marks::read_time;
use super::{CONFIG, IO, USAGE, complain, say};
use crate::config;
use crate::gateway::work_entries::{WorkListed, list};
use hj212_model::message::Timestamp;
use hj212_operation::WorkWritten;

#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Reads the journal and its archive; works beside a running gateway. See docs/scores.md.")]
pub(super) enum LedgerCommand {
    /// The entries of a station, in the order in which they came; withdrawn ones as well (列出台账)
    List {
        /// The gateway's configuration: its journal and archive
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// The station
        #[arg(long, value_name = "MN")]
        mn: String,
        /// What came from here on: RFC 3339, or 2026-06-01 in Beijing time
        #[arg(long, value_name = "T")]
        since: String,
        /// Those that were refused as well
        #[arg(long)]
        all: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn ledger(command: &LedgerCommand) -> u8 {
    let LedgerCommand::List { config, mn, since, all, json } = command;
    let loaded = match config::load(config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let Some(since) = read_time(since) else {
        complain(
            &"--since is a time: write 2026-06-01T08:00:00+08:00, or 2026-06-01 for the day's beginning in Beijing",
        );
        return USAGE;
    };
    let found = match list(&loaded.config, mn, since) {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    let mut text = String::new();
    for entry in found.iter().filter(|entry| *all || entry.refused.is_none()) {
        text += &if *json { format!("{}\n", view(mn, entry)) } else { told(entry) };
    }
    if text.is_empty() && !json {
        text.push_str("没有台账。\nNo entries.\n");
    }
    say(&text)
}

fn view(mn: &str, entry: &WorkListed) -> Value {
    json!({
        "mn": mn, "offset": entry.offset, "at": entry.at.to_rfc3339(), "role": entry.role, "id": entry.id, "state": state(entry),
        "refused": entry.refused, "withdrawn_by": entry.withdrawn_by, "entry": entry.written,
    })
}

const fn state(entry: &WorkListed) -> &'static str {
    match (&entry.refused, &entry.withdrawn_by) {
        (Some(_), _) => "refused",
        (None, Some(_)) => "withdrawn",
        (None, None) => "accepted",
    }
}

fn short(at: Timestamp) -> String {
    at.to_rfc3339().get(..16).unwrap_or_default().replace('T', " ")
}

fn told(entry: &WorkListed) -> String {
    let id = entry.id.escape_debug();
    let mut text = format!("{}  {id}  ", short(entry.at));
    match &entry.written {
        None => text.push_str("无法读取 unreadable"),
        Some(written) => tell(&mut text, written),
    }
    if let Some(code) = &entry.refused {
        let _ = write!(text, "  未受理 refused ({code})");
    }
    if let Some(by) = &entry.withdrawn_by {
        let _ = write!(text, "  已撤回 withdrawn by {by}");
    }
    text.push('\n');
    if let Some(written) = &entry.written {
        details(&mut text, written);
    }
    text
}

fn tell(text: &mut String, written: &WorkWritten) {
    match written.kind {
        Some(kind) => {
            let _ = write!(text, "{} {}  {} – {}", kind.zh(), kind.name(), written.begin, written.end);
        }
        None => text.push_str("撤回 withdrawal"),
    }
    let (company, person) = (written.company.escape_debug(), written.person.escape_debug());
    let _ = write!(text, "  {company} {person}");
    if let Some(of) = &written.withdraws {
        let _ = write!(text, "  撤回 withdraws {}", of.escape_debug());
    }
}

fn details(text: &mut String, written: &WorkWritten) {
    if !written.objects.is_empty() {
        let objects: Vec<String> = written.objects.iter().map(|object| object.escape_debug().to_string()).collect();
        let _ = writeln!(text, "    对象 at: {}", objects.join(" "));
    }
    if !written.text.is_empty() {
        let _ = writeln!(text, "    {}", written.text.escape_debug());
    }
    for reading in &written.readings {
        let [code, before, after, standard, unit] =
            [&reading.code, &reading.before, &reading.after, &reading.standard, &reading.unit]
                .map(|text| text.escape_debug());
        let _ = writeln!(text, "    {code}: 前 before {before}, 后 after {after}, 标准 standard {standard} {unit}");
    }
    for part in &written.parts {
        let (name, number) = (part.name.escape_debug(), part.number.escape_debug());
        let _ = writeln!(text, "    用件 part: {name} {number} × {}", part.count.unwrap_or(1));
    }
    for file in &written.files {
        let name = file.name.escape_debug();
        let _ = writeln!(text, "    附件 file: {name} {} 字节 SHA-256 {}", file.bytes, file.sha256);
    }
}
