//! `leads`: what an inspector should look at, from the journal.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use super::known::must_be_known;
use super::{CONFIG, IO, UNAVAILABLE as NOTHING, complain, say};
use crate::config;
use crate::gateway::ledgers;
use hj212_interpret::Interpreter;
use hj212_judgement::calendar;
use hj212_leads::Lead;
use hj212_model::registry::Registry;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Reads the journal to its end; works beside a running gateway. A lead says where to look; it is no finding.\n\
                        数据线索只提示核查对象，不是结论。见 docs/leads.md。"
)]
pub(super) enum Command {
    /// Lists the leads that are open, the highest rank first (列出未处理的线索)
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
    /// Says what a lead rests on: numbers, inputs, guards, clauses (说明某条线索)
    Explain {
        /// The lead, as `leads list` names it
        lead: String,
        /// The gateway's configuration
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// The station
        #[arg(long, value_name = "MN")]
        mn: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn leads(command: &Command) -> u8 {
    let config = match command {
        Command::List { config, .. } | Command::Explain { config, .. } => config,
    };
    let (interpreter, registry) = match known(config) {
        Ok(known) => known,
        Err(code) => return code,
    };
    let named = match command {
        Command::List { mn, .. } => mn.as_deref(),
        Command::Explain { mn, .. } => Some(mn.as_str()),
    };
    if let Err(code) = must_be_known(named, &registry, &interpreter) {
        return code;
    }
    match command {
        Command::List { mn, json, .. } => list(&interpreter, mn.as_deref(), *json),
        Command::Explain { lead, mn, json, .. } => explain(&interpreter, (mn, lead), *json),
    }
}

/// What the journal tells, if leads are looked for.
fn known(config: &std::path::Path) -> Result<(Interpreter, Registry), u8> {
    let loaded = config::load(config).map_err(|problems| {
        complain(&problems);
        CONFIG
    })?;
    if !loaded.config.leads.enabled {
        complain(&"no leads are looked for: [leads] enabled = false · 未启用线索");
        return Err(NOTHING);
    }
    let interpreter = ledgers::read(&loaded.config).map_err(|error| {
        complain(&error);
        IO
    })?;
    Ok((interpreter, loaded.registry))
}

fn view(mn: &str, lead: &Lead) -> Value {
    let mut view = lead.view();
    view["mn"] = mn.into();
    view
}

fn list(interpreter: &Interpreter, mn: Option<&str>, json: bool) -> u8 {
    let mut found: Vec<(Cow<'_, str>, &Lead)> =
        interpreter.open_leads().filter(|(of, _)| mn.is_none_or(|mn| mn == *of)).collect();
    found.sort_by(|(one, a), (two, b)| (b.rank, one, a.day, a.id()).cmp(&(a.rank, two, b.day, b.id())));
    if json {
        let all: Vec<Value> = found.iter().map(|(mn, lead)| view(mn, lead)).collect();
        return say(&format!("{}\n", Value::from(all)));
    }
    let mut text = String::new();
    for (mn, lead) in &found {
        let (zh, en) = lead.of().map_or(("", ""), |detector| (detector.zh, detector.en));
        let stars = "*".repeat(usize::from(lead.rank));
        let _ = writeln!(text, "{stars:<3} {mn}  {}  {zh} {en}", lead.id());
        let _ = writeln!(text, "    {}\n    {}", lead.zh, lead.en);
    }
    if found.is_empty() {
        text.push_str("没有未处理的线索。\nNo leads are open.\n");
    }
    say(&text)
}

fn explain(interpreter: &Interpreter, (mn, id): (&str, &str), json: bool) -> u8 {
    let Some((_, lead)) = interpreter.open_leads().find(|(of, lead)| *of == mn && lead.id() == id) else {
        complain(&format!("no lead {id} is open at {mn} · 该站没有此未处理线索"));
        return NOTHING;
    };
    if json {
        return say(&format!("{}\n", view(mn, lead)));
    }
    let (zh, en) = lead.of().map_or(("", ""), |detector| (detector.zh, detector.en));
    let (version, rank, found) = (lead.version, lead.rank, lead.found);
    let mut text =
        format!("{id}  {mn}\n{} v{version} {zh} {en}，等级 rank {rank}\n{}\n{}\n", lead.detector, lead.zh, lead.en);
    let day = calendar::text(lead.day);
    let (since, until) = (lead.since.to_rfc3339(), lead.until.to_rfc3339());
    let _ = writeln!(text, "日期 day {day}；时段 window {since} – {until}；发现次数 found {found}");
    for (name, value) in &lead.numbers {
        let _ = writeln!(text, "  {name} = {value}");
    }
    for input in &lead.inputs {
        let value = if input.value.is_empty() { "-" } else { &input.value };
        let _ = writeln!(text, "  依据 input: {} {value}（日志位置 journal {}）", input.at.to_rfc3339(), input.offset);
    }
    let _ = writeln!(text, "已排除的误报因素 guards: {}", lead.guards.join(", "));
    let (set, version) = &lead.rules;
    let _ = writeln!(text, "规则 rule: {set} {version}；{} ({})", lead.clause, lead.certainty);
    let _ = writeln!(text, "相关条款 act: {} ({})", lead.act, lead.act_certainty);
    if let Some(case) = &lead.case {
        let _ = writeln!(text, "案件 case: {case}");
    }
    text.push_str("线索只提示核查对象，不是结论。\nA lead says where to look; it is no finding.\n");
    say(&text)
}
