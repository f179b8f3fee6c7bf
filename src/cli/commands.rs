//! `commands list`: what was asked of stations and what became of it, from the journal.

use std::path::PathBuf;

use serde_json::Value;

use super::known::no_such_station;
use super::working::Progressing;
use super::{CONFIG, IO, USAGE, complain, say};
use crate::config;
use crate::gateway::requests::{self, Request, Wanted};
use hj212_model::message::Timestamp;
use hj212_model::{clock, settings};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Open and ended requests, the newest last (命令列表)
    List(Options),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the journal from its newest segment back; works beside a running gateway. What is open is listed however old it is; \
    of the rest the newest. Without --since at most 1 GiB of the journal is read; how far back that was is said.\n\
    列出对各站点的命令及其结果(从最新日志段向前读取);--open 只列未结束的(不论多久以前);--since 指定起始时间。\
    单个命令的过程见主题 …/command/编号/status。"
)]
pub(super) struct Options {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// Only those that have not ended
    #[arg(long)]
    open: bool,
    /// Only those asked for since then: a time, or how long ago ("7d"); open ones are listed all the same (起始时间)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn commands(command: &Command) -> u8 {
    let Command::List(options) = command;
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let since = match options.since.as_deref().map(|text| since(text).ok_or(text)).transpose() {
        Ok(since) => since,
        Err(text) => {
            complain(&format!(
                "\"{text}\" is no time: write 2026-11-23T10:30:00+08:00, 2026-11-23, or 7d · 时间格式不对"
            ));
            return USAGE;
        }
    };
    let wanted = Wanted { mn: options.mn.as_deref(), open: options.open, limit: options.limit, since };
    let working = Progressing::begin("reading the journal", None);
    let read = requests::read(&loaded.config, &wanted);
    drop(working);
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    if let Some(mn) = options.mn.as_deref().filter(|mn| loaded.registry.find(mn.as_bytes()).is_none())
        && read.requests.is_empty()
    {
        return no_such_station(mn);
    }
    let left_out = read.requests.len().saturating_sub(options.limit);
    let mut text = String::new();
    for request in read.requests.iter().skip(left_out) {
        if options.json {
            text.push_str(&Value::Object(request.status.clone()).to_string());
        } else {
            text.push_str(&line(request));
        }
        text.push('\n');
    }
    if !options.json {
        let open = read.requests.iter().filter(|request| request.is_open()).count();
        text.push_str(&format!("open 未结束: {open}; ended 已结束: {}\n", read.requests.len() - open));
    }
    let code = say(&text);
    let unseen = left_out + read.forgotten;
    if unseen > 0 {
        complain(&format!("{unseen} older ones are not shown; --limit shows more"));
    }
    if let Some(back) = read.looked_back_to.filter(|_| since.is_none()) {
        let back = back.to_rfc3339();
        complain(&format!("looked back to {back} 仅查至此时; --since reads further, as far as the journal is kept"));
    }
    code
}

/// A time, or how long ago.
fn since(text: &str) -> Option<Timestamp> {
    let ago = settings::duration::parse(text).and_then(|ago| i64::try_from(ago.as_micros()).ok());
    let ago = ago.map(|ago| Timestamp(clock::now().0.saturating_sub(ago)));
    ago.or_else(|| super::marks::read_time(text))
}

fn line(request: &Request) -> String {
    let at = request.queued.to_rfc3339();
    let when = at.get(..19).unwrap_or(&at).replace('T', " ");
    let mut line = format!(
        "{when}  {}  {}  {} {}  {}",
        request.text("mn"),
        request.text("id"),
        request.text("cn"),
        request.text("command"),
        request.text("state")
    );
    for key in ["code", "reason"] {
        match request.status.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => line.push_str(&format!(" {text}")),
            Some(other) => line.push_str(&format!(" {other}")),
        }
    }
    line.push_str(&format!("  {} {}", request.text("origin"), request.text("author")));
    let why = request.text("why");
    if !why.is_empty() {
        line.push_str(&format!("  {why:?}"));
    }
    line
}
