//! `commands list`: what was asked of stations and what became of it, from the journal.

use std::path::PathBuf;

use serde_json::Value;

use super::{CONFIG, IO, complain};
use crate::config;
use crate::gateway::requests::{self, Request};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Open and ended requests, the newest last (命令列表)
    List(Options),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Reads the journal to its end; works beside a running gateway.\n\
    列出对各站点的命令及其结果;--open 只列未结束的。单个命令的过程见主题 …/command/编号/status。")]
pub(super) struct Options {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// Only those that have not ended
    #[arg(long)]
    open: bool,
    /// The newest so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[allow(clippy::print_stdout, reason = "the command line speaks to its user")]
pub(super) fn commands(command: &Command) -> u8 {
    let Command::List(options) = command;
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let read = match requests::read(&loaded.config, options.mn.as_deref()) {
        Ok(read) => read,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    let wanted: Vec<&Request> = read.requests.iter().filter(|request| !options.open || request.is_open()).collect();
    let left_out = wanted.len().saturating_sub(options.limit);
    for request in wanted.iter().skip(left_out) {
        if options.json {
            println!("{}", Value::Object(request.status.clone()));
        } else {
            println!("{}", line(request));
        }
    }
    if !options.json {
        let open = read.requests.iter().filter(|request| request.is_open()).count();
        println!("open 未结束: {open}; ended 已结束: {}", read.requests.len() - open);
    }
    let unseen = left_out + read.forgotten;
    if unseen > 0 {
        complain(&format!("{unseen} older ones are not shown; --limit shows more"));
    }
    0
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
