//! `marks explain|list`: why a reading is marked, and which marks a station has; from the journal, beside a running gateway too.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::replay::empty_range;
use super::working::Progressing;
use super::{CONFIG, IO, USAGE, complain, say};
use crate::config;
use crate::gateway::marks::{self, MarksError, Question};
use hj212_interpret as interpret;
use hj212_journal as journal;
use hj212_model::message::kind::Span;
use hj212_model::message::{Kind, Timestamp};

mod evidence;
mod words;

use evidence::Evidence;

/// Nothing was found (EX_UNAVAILABLE).
const NOTHING: u8 = 69;
/// The length of a date without a time, `2026-11-23`.
const DATE: usize = 10;
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Says why the reading nearest to a time is marked, with rule, thresholds and clause (解释某时刻数据的标记)
    Explain {
        #[command(flatten)]
        place: Place,
        /// The data time: RFC 3339, or "2026-11-23 10:30" in Beijing time; a date alone asks for the day's record
        #[arg(long, value_name = "TIME")]
        at: String,
        /// Only this kind of record: realtime, minute, hour, day … [default: each kind that holds the time]
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: Option<Kind>,
        /// Only this factor, such as a21026
        #[arg(long, value_name = "CODE")]
        factor: Option<String>,
        /// Looks at what came until then, such as entries and rulings made later; `now`: all of it [default: the deadline for entries, noon of the next day]
        #[arg(long, value_name = "TIME")]
        known: Option<String>,
        /// Adds what is handed over as evidence: the record as received (passwords masked), its hashes, the text and hash of the rules, entries and rulings (附证据：原始记录、哈希、规则原文)
        #[arg(long)]
        evidence: bool,
    },
    /// Lists the marks that hold at the end of the journal, or held within a time (列出标记)
    List {
        #[command(flatten)]
        place: Place,
        /// Marks that hold or held after this time
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// And before this one [default: the end of the journal]
        #[arg(long, value_name = "TIME", requires = "since")]
        until: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The station
    #[arg(long, value_name = "MN")]
    mn: String,
    /// The journal's folder [default: that of the configuration, else /var/lib/hj212-gateway/journal]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The gateway's configuration [default: /etc/hj212-gateway/gateway.toml if it is there and no folder is named]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn open(&self) -> Result<(PathBuf, interpret::Settings), u8> {
        let usual = Path::new(super::CONFIG_FILE);
        let usual = (self.dir.is_none() && usual.exists()).then_some(usual);
        let (dir, settings) = match self.config.as_deref().or(usual) {
            None => (journal::Settings::default().dir, interpret::Settings::default()),
            Some(file) => {
                let loaded = config::load(file).map_err(|problems| {
                    complain(&problems);
                    CONFIG
                })?;
                (loaded.config.journal.dir.clone(), marks::settings(&loaded.config))
            }
        };
        Ok((self.dir.clone().unwrap_or(dir), settings))
    }
}

pub(super) fn marks(command: &Command) -> u8 {
    match answer(command) {
        Ok(text) => say(&text),
        Err(code) => code,
    }
}

fn answer(command: &Command) -> Result<String, u8> {
    let _working = Progressing::begin("reading the journal", None);
    match command {
        Command::Explain { place, at, kind, factor, known, evidence } => {
            // Who names a date asks for the day.
            let kind = kind.or((at.trim().len() == DATE).then_some(Kind::Day));
            let at = time(at)?;
            let until = |text: &str| if text.trim() == "now" { Ok(Timestamp(i64::MAX)) } else { time(text) };
            let known = known.as_deref().map(until).transpose()?;
            let (dir, settings) = place.open()?;
            let question = Question { mn: place.mn.clone(), at, factor: factor.clone(), kind, known };
            let answer = marks::explain(&dir, settings, &question).map_err(failed)?;
            let evidence = evidence.then(|| Evidence { dir: &dir, answer: &answer });
            let mut text = String::new();
            for report in &answer.reports {
                text.push_str(&words::reported(&answer, report, evidence.as_ref())?);
            }
            Ok(text)
        }
        Command::List { place, since, until } => {
            let since = since.as_deref().map(time).transpose()?;
            let until = until.as_deref().map(time).transpose()?.unwrap_or(Timestamp(i64::MAX));
            if since.is_some_and(|since| since >= until) {
                complain(&empty_range("--since", "--until"));
                return Err(USAGE);
            }
            let (dir, settings) = place.open()?;
            let range = since.map(|since| (since, until));
            let found = marks::list(&dir, settings, &place.mn, range).map_err(failed)?;
            let mut text = String::new();
            if let Some(begin) = found.begin {
                let begin = begin.to_rfc3339();
                let _ = writeln!(text, "注意：日志从 {begin} 开始，此前的标记只列出仍记得的部分。");
                let _ = writeln!(
                    text,
                    "Note: the journal begins at {begin}; of marks before, only what is remembered is listed."
                );
            }
            for (number, listed) in (1..).zip(&found.marks) {
                let mark = &listed.mark;
                let by = found.replaced.get(&mark.by).filter(|_| mark.said.is_some());
                let mut note = by.map_or_else(String::new, |by| words::replaced(by));
                if !mark.begun {
                    note.push_str("（尚未到时 its time has not come）");
                }
                words::marked(&mut text, &found.book, mark, (number, &note), words::over_time(listed).as_ref());
            }
            if found.marks.is_empty() {
                text.push_str("没有标记。\nNo marks.\n");
            }
            Ok(text)
        }
    }
}

/// A kind by its published name.
fn kind(name: &str) -> Result<Kind, String> {
    let known = Kind::ALL.iter().copied().filter(|kind| kind.span() != Span::Timeless);
    let names = || known.clone().map(Kind::name).collect::<Vec<_>>().join(", ");
    known
        .clone()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| format!("there is no such kind; there are {}", names()))
}

fn failed(error: MarksError) -> u8 {
    complain(&error);
    match error {
        MarksError::Journal { .. } => IO,
        MarksError::UnknownStation(_) | MarksError::NoReading { .. } | MarksError::Forgotten { .. } => NOTHING,
    }
}

fn time(text: &str) -> Result<Timestamp, u8> {
    read_time(text).ok_or_else(|| {
        complain(&format!(
            "\"{text}\" is no time: write 2026-11-23T10:30:00+08:00, or \"2026-11-23 10:30\" in Beijing time"
        ));
        USAGE
    })
}

/// RFC 3339, or a civil date or time, which is Beijing's.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let seconds = if text.len() == 16 { format!("{text}:00") } else { text.to_owned() };
    super::replay::time(Some(&seconds)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_beijing_time() {
        let wanted = read_time("2026-11-23T10:30:00+08:00");
        assert!(wanted.is_some());
        for text in ["2026-11-23 10:30", "2026-11-23 10:30:00", "2026-11-23T10:30:00", "2026-11-23T02:30:00Z"] {
            assert_eq!(read_time(text), wanted, "{text}");
        }
        assert_eq!(read_time("yesterday"), None);
    }
}
