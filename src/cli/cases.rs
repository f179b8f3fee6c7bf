//! `cases list|show|step`: cases from the journal, and a step of one through the broker (案件闭环).

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::known::must_be_known;
use super::{CONFIG, FAULT, IO, UNAVAILABLE, USAGE, complain, log, say};
use crate::config::{self, Config};
use crate::gateway::case_answers::case_answer;
use crate::gateway::{judged, ledgers};
use hj212_cases::{Case, Role, Rules, State, Step};
use hj212_model::clock;
use hj212_model::message::{Publication, Timestamp};
use hj212_mqtt::{self as mqtt, Subscription};

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Cases that are not ended, one a line (案件列表)
    List {
        /// The gateway's configuration: its journal
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// Only this station's
        #[arg(long, value_name = "MN")]
        mn: Option<String>,
        /// Ended ones of the last 35 days as well
        #[arg(long)]
        all: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// A case with its steps (案件详情)
    Show {
        /// The gateway's configuration: its journal
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// The station
        #[arg(long, value_name = "MN")]
        mn: String,
        /// The case
        case: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Takes a step, through the broker as anybody else does (办理)
    Step(Box<Stepping>),
}

#[derive(Debug, clap::Args)]
pub(super) struct Stepping {
    /// The gateway's configuration: its broker
    #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
    config: PathBuf,
    /// The station
    #[arg(long, value_name = "MN")]
    mn: String,
    /// In whose name: enterprise, operator, county, city, province
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// The case
    case: String,
    /// What: open sign reply done accept return extend void to-law close comment
    step: String,
    /// Who
    #[arg(long, value_name = "NAME")]
    author: String,
    /// Why, or what was done
    #[arg(long, value_name = "TEXT", default_value = "")]
    text: String,
    /// Of extend: until when, RFC 3339
    #[arg(long, value_name = "T")]
    planned: Option<String>,
    /// Of to-law: the number of the file
    #[arg(long, value_name = "NUMBER", default_value = "")]
    number: String,
    /// Of open: the outlet
    #[arg(long, value_name = "OUTLET", default_value = "")]
    outlet: String,
    /// Of open: the factor
    #[arg(long, value_name = "CODE", default_value = "")]
    code: String,
    /// Of open: blue, yellow, orange, red
    #[arg(long, value_name = "COLOUR")]
    colour: Option<String>,
    /// The step's id; left out: made from the time
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

pub(super) fn cases(command: &Command) -> u8 {
    let (Command::List { config, .. } | Command::Show { config, .. }) = command else {
        let Command::Step(stepping) = command else { return USAGE };
        return step(stepping);
    };
    let loaded = match config::load(config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let interpreter = match ledgers::read(&loaded.config) {
        Ok(interpreter) => interpreter,
        Err(error) => {
            complain(&error);
            return IO;
        }
    };
    let named = match command {
        Command::List { mn, .. } => mn.as_deref(),
        Command::Show { mn, .. } => Some(mn.as_str()),
        Command::Step(_) => None,
    };
    if let Err(code) = must_be_known(named, &loaded.registry, &interpreter) {
        return code;
    }
    match command {
        Command::List { mn, all, json, .. } => {
            let wanted = interpreter
                .cases()
                .all()
                .filter(|case| mn.as_ref().is_none_or(|mn| *mn == case.mn) && (*all || !case.state.is_end()));
            let mut text = String::new();
            for case in wanted {
                text += &if *json {
                    judged::case(&Rules::built_in(), case).to_string()
                } else {
                    line(case, interpreter.time())
                };
                text.push('\n');
            }
            if text.is_empty() && !json {
                text.push_str("没有未结案件。\nNo cases are open.\n");
            }
            say(&text)
        }
        Command::Show { mn, case, json, .. } => match interpreter.cases().get(mn, case) {
            None => {
                complain(&format!("站点 {mn} 没有案件 {case}。no case {case} of {mn}; cases list --all shows all"));
                1
            }
            Some(case) if *json => say(&format!("{}\n", judged::case(&Rules::built_in(), case))),
            Some(case) => say(&told(case, interpreter.time())),
        },
        Command::Step(_) => USAGE,
    }
}

fn short(at: Timestamp) -> String {
    at.to_rfc3339().get(..16).unwrap_or_default().replace('T', " ")
}

fn line(case: &Case, now: Timestamp) -> String {
    let due = case.due_at().map_or_else(|| "—".to_owned(), short);
    let late = if case.due_at().is_some_and(|due| due < now) { " 逾期 overdue" } else { "" };
    let next = case.state.whose().map_or_else(|| "—".to_owned(), |role| format!("{} {}", role.zh(), role.name()));
    let (colour, state) = (case.colour, case.state);
    format!(
        "{}  {}  {} {}  {} {}  {} {}  待办 next {next}  截止 due {due}{late}",
        case.id,
        case.mn,
        colour.zh(),
        colour.name(),
        case.outlet,
        case.code,
        state.zh(),
        state.name()
    )
}

fn told(case: &Case, now: Timestamp) -> String {
    let mut text = line(case, now) + "\n";
    let _ = writeln!(
        text,
        "时限依据 deadline by {} ({}); 立案 opened {}; 退回 returned {}; 复发 relapses {}; 延期 extended {}",
        case.due.as_ref().map_or("—", |due| due.clause.as_str()),
        case.due.as_ref().map_or("—", |due| due.certainty.as_str()),
        short(case.opened),
        case.returned,
        case.relapses,
        if case.extended { "是 yes" } else { "否 no" }
    );
    if let Some(law) = &case.law {
        let number = if law.number.is_empty() { "案号未填 no number yet" } else { &law.number };
        let _ = writeln!(text, "移交立案 handed to law {} {number}", short(law.since));
    }
    for taken in &case.history {
        let role =
            taken.role.map_or_else(|| "网关 gateway".to_owned(), |role| format!("{} {}", role.zh(), role.name()));
        // A step that moves nothing says where the case stands.
        let moved = if taken.from == taken.to {
            format!("{} {}", taken.to.zh(), taken.to.name())
        } else {
            format!("{} {} → {} {}", taken.from.zh(), taken.from.name(), taken.to.zh(), taken.to.name())
        };
        let _ = writeln!(
            text,
            "{:>10}  {}  {role} {}  {} {}: {moved}  {}",
            taken.offset,
            short(taken.at),
            taken.author,
            taken.step.zh(),
            taken.step.name(),
            taken.text
        );
        for file in &taken.files {
            let _ =
                writeln!(text, "            附件 file {} {} 字节 bytes SHA-256 {}", file.name, file.bytes, file.sha256);
        }
    }
    text
}

fn step(options: &Stepping) -> u8 {
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    if Role::named(&options.role).is_none() || Step::named(&options.step).is_none() {
        complain(
            &"--role is enterprise, operator, county, city or province; the step open, sign, reply, done, accept, return, extend, void, to-law, close or comment",
        );
        return USAGE;
    }
    if options.mn.is_empty() || options.mn.contains(['/', '+', '#']) {
        complain(&format!("{}: this is no MN", options.mn));
        return USAGE;
    }
    log::start(&config::Log { level: "warn".into(), ..loaded.config.log.clone() });
    let id = options.id.clone().unwrap_or_else(|| format!("S-{}", clock::now().0));
    let mut body = json!({
        "schema": "hj212.case-step/1", "id": id, "case": options.case, "step": options.step, "author": options.author,
        "text": options.text, "number": options.number, "outlet": options.outlet, "code": options.code,
    });
    if let Some(planned) = &options.planned {
        body["planned"] = planned.clone().into();
    }
    if let Some(colour) = &options.colour {
        body["colour"] = colour.clone().into();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() else {
        return FAULT;
    };
    runtime.block_on(send(&loaded.config, options, &id, &body))
}

async fn send(config: &Config, options: &Stepping, id: &str, body: &Value) -> u8 {
    let mut settings = config.mqtt.clone();
    settings.client_id = format!("{}-case-{}", settings.client_id, std::process::id());
    let topic = format!("{}/{}/case-step/{}/{id}", settings.prefix, options.mn, options.role);
    let stop = CancellationToken::new();
    let filters = vec![format!("{topic}/status")];
    let wish =
        Subscription { filters, suffix: "-status".into(), session: Duration::ZERO, as_published: false, broad: None };
    let (mut inbox, listening) = mqtt::subscribe(&settings, wish, stop.clone());
    let (outbox, task) = mqtt::start_quietly(&settings, std::sync::Arc::default(), stop.clone());
    let deadline = tokio::time::Instant::now() + WAIT;
    let mut subscribed = inbox.subscribed();
    let code = 'said: {
        if !matches!(tokio::time::timeout_at(deadline, subscribed.wait_for(|granted| *granted)).await, Ok(Ok(_))) {
            complain(&format!(
                "nothing was sent: the broker at {}:{} cannot be reached, or does not grant this account the status to read \
                 (docs/commands.md, access list) · 未发出:MQTT 服务连不上,或该账号无权订阅办理状态",
                settings.host, settings.port
            ));
            break 'said UNAVAILABLE;
        }
        let begun = clock::now();
        let payload = bytes::Bytes::from(body.to_string());
        if outbox.push(Publication { topic, payload, retain: false }).await.is_err() {
            break 'said UNAVAILABLE;
        }
        let Ok(Some(status)) = tokio::time::timeout_at(deadline, inbox.next()).await else {
            break 'said from_journal(config, options, id, begun);
        };
        let code = answered(id, &status.payload);
        status.taken();
        code
    };
    stop.cancel();
    drop(outbox);
    mqtt::left(listening).await;
    let _ = task.await;
    code
}

/// Says what became of a step, by its status; the exit code.
fn answered(id: &str, status: &[u8]) -> u8 {
    let document: Value = serde_json::from_slice(status).unwrap_or_default();
    if document["state"] == "accepted" {
        let state = document["case"]["state"].as_str().unwrap_or_default();
        let zh = State::named(state).map_or("", State::zh);
        return say(&format!("{id} 已受理 accepted: {zh} {state}\n"));
    }
    let word = |key: &str| document["why"][key].as_str().unwrap_or_default().to_owned();
    complain(&format!("{id} 未受理 refused ({}): {}。{}", word("code"), word("zh"), word("en")));
    1
}

/// No status came over the broker: what was done is never denied, so the journal of the configured gateway is asked; the exit code.
fn from_journal(config: &Config, options: &Stepping, id: &str, begun: Timestamp) -> u8 {
    match case_answer(config, &options.mn, (&options.role, id), begun) {
        Ok(Some(status)) => {
            complain(
                &"no status came over the broker; this is from the gateway's journal. May this account read …/case-step/+/+/status? \
                  (docs/commands.md, access list) · 未经 MQTT 收到状态,以下取自网关日志库;请检查该账号的读权限",
            );
            answered(id, &status)
        }
        Ok(None) => {
            complain(
                &"the gateway has not taken the step by now, its journal does not have it: does it run, with [cases] steps = true? The step may wait at the \
                  broker and still be taken · 网关尚未收到:日志库中没有。请检查网关是否运行、[cases] steps 是否为 true;网关恢复后仍可能受理",
            );
            UNAVAILABLE
        }
        Err(why) => {
            complain(&format!(
                "whether the step was taken is not known: no status came (this account may not be allowed to read it), and {why}. Look before you send it \
                 again: cases show, where the gateway runs · 是否受理未知:该账号可能无权读取状态,日志库也读不到;再次提交前请在网关主机上用 cases show 核实"
            ));
            UNAVAILABLE
        }
    }
}
