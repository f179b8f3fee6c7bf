//! `keys list`: which keys of which stations there are, how old, in which state; never a key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::known::no_such_station;
use super::working::Progressing;
use super::{CONFIG, IO, complain, say};
use crate::config::{self, Loaded};
use crate::gateway::key_overview::{self, Overview, Row};
use hj212_downlink::KeyState;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists the keys of all stations without the keys (密钥一览,不含密钥)
    List(Options),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the command desk's file, the journal behind it, and the key file; works beside a running gateway.\n状态:offered 已下发待证实,proven 已证实,refused 被站点拒绝;* 为站点当前使用的密钥。超过 renew_after 的标 due。"
)]
pub(super) struct Options {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn keys(command: &Command) -> u8 {
    let Command::List(options) = command;
    let Loaded { config, registry, keys, .. } = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let working = Progressing::begin("reading the journal", None);
    let read = key_overview::read(&config, &keys);
    drop(working);
    let Overview { rows, as_of, unbelieved } = match read {
        Ok(overview) => overview,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    let print = |text: &str| {
        let code = say(text);
        if !unbelieved {
            return code;
        }
        let file = config.journal.dir.join("desk");
        complain(&format!(
            "{} is damaged or of another journal: keys given over the line are not listed 在线下发的密钥未列出",
            file.display()
        ));
        IO
    };
    let of: BTreeMap<String, Vec<Row>> =
        rows.into_iter().filter(|(mn, _)| options.mn.as_ref().is_none_or(|wanted| wanted == mn)).collect();
    if let Some(mn) = options.mn.as_deref().filter(|mn| !of.contains_key(*mn))
        && registry.find(mn.as_bytes()).is_none()
    {
        return no_such_station(mn);
    }
    // A station of 2025 without a proven key cannot be given one.
    let bare = registry.stations().filter(|station| {
        let sealed = station.facts.edition == Some(hj212::Edition::V2025);
        let proven = of.get(&station.mn).is_some_and(|rows| rows.iter().any(|row| row.state == KeyState::Proven));
        sealed && !proven && options.mn.as_ref().is_none_or(|wanted| *wanted == station.mn)
    });
    let mut bare: Vec<String> = bare.map(|station| station.mn.clone()).collect();
    bare.sort();
    if options.json {
        let stations = of.iter().map(|(mn, rows)| {
            let keys: Vec<_> = rows
                .iter()
                .map(|row| {
                    json!({ "created": row.created, "days": row.days, "state": row.state, "used": row.used, "due": row.due })
                })
                .collect();
            json!({ "mn": mn, "keys": keys })
        });
        return print(&format!(
            "{}\n",
            json!({ "as_of": as_of.to_rfc3339(), "stations": stations.collect::<Vec<_>>(), "without_proven_key": bare })
        ));
    }
    let mut text = String::new();
    for (mn, rows) in &of {
        text.push_str(&format!("{mn}\n"));
        for row in rows {
            let days = row.days.map_or_else(|| "-".to_owned(), |days| format!("{days} d"));
            let state = serde_json::to_value(row.state).unwrap_or_default();
            let state = state.as_str().unwrap_or_default().to_owned();
            let (used, due) = (if row.used { "*" } else { " " }, if row.due { "  due 应更换" } else { "" });
            text.push_str(&format!("  {used} {}  {days:>6}  {state}{due}\n", row.created));
        }
    }
    if !bare.is_empty() {
        text.push_str(&format!("without a proven key / 无已证实密钥: {}\n", bare.join(" ")));
    }
    if text.is_empty() {
        text.push_str("没有密钥。\nNo keys.\n");
    } else {
        text.push_str(&format!("as of 截至 {}\n", as_of.to_rfc3339()));
    }
    print(&text)
}
