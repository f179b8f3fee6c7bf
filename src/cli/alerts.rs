//! `alerts`: which alerts are open at the end of the journal.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::json;

use super::judge::known;
use super::known::must_be_known;
use super::say;
use crate::gateway::judged;
use hj212_judgement::calendar;
use hj212_model::message::Timestamp;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Reads the journal to its end; works beside a running gateway.\n未解除的预警。见 docs/judgement.md。"
)]
pub(super) enum Command {
    /// Lists the alerts that are open, the worst first (列出未解除的预警)
    List {
        /// The gateway's configuration
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// Only this station
        #[arg(long, value_name = "MN")]
        mn: Option<String>,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn alerts(command: &Command) -> u8 {
    let Command::List { config, mn, json } = command;
    let (interpreter, registry) = match known(config) {
        Ok(known) => known,
        Err(code) => return code,
    };
    if let Err(code) = must_be_known(mn.as_deref(), &registry, &interpreter) {
        return code;
    }
    let rules = interpreter.alert_rules();
    let found = judged::open_alerts(&interpreter, mn.as_deref());
    let colour = |rank: u8| rules.and_then(|rules| rules.colour(rank));
    let due = |since: Option<Timestamp>, rank: u8| {
        let task = rules.and_then(|rules| rules.task(&rules.colour(rank)?.id));
        task.zip(rules).zip(since).map(|((task, rules), since)| {
            (task.to.clone(), rules.due(since, task.reply).to_rfc3339(), rules.due(since, task.finish).to_rfc3339())
        })
    };
    if *json {
        let all: Vec<_> = found.iter().map(|(mn, alert)| judged::alert(&interpreter, mn, alert)).collect();
        return say(&format!("{}\n", json!(all)));
    }
    let mut text = String::new();
    if rules.is_some_and(|rules| rules.placeholder) {
        text.push_str("注意：预警阈值为占位值。\nNote: the thresholds are placeholders.\n");
    }
    for (mn, alert) in &found {
        let (zh, id) = colour(alert.rank).map_or(("", ""), |colour| (colour.zh.as_str(), colour.id.as_str()));
        let (first, stage) = (calendar::text(alert.first), alert.stage.name());
        let _ = writeln!(text, "{zh} {id:<7} {mn}  {:<10}  {}  自 since {first}  {stage}", alert.code, alert.id());
        if let Some((to, reply, finish)) = due(alert.since, alert.settled.unwrap_or(alert.rank)) {
            let _ = writeln!(text, "    {to}: 反馈截止 reply by {reply}；整改截止 finish by {finish}");
        }
    }
    if found.is_empty() {
        text.push_str(if rules.is_none() {
            "未启用预警。\nAlerts are off ([alerts] enabled = false).\n"
        } else {
            "没有未解除的预警。\nNo alerts are open.\n"
        });
    }
    say(&text)
}
