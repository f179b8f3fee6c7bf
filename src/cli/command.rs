//! `command`: ask a station for something through the broker, and watch what becomes of it.
//!
//! The same way as any other client's: a request on `…/command/{id}`, the life of it on `…/command/{id}/status`. So the gateway decides,
//! and its journal knows who asked.
//!
//! What must stay true: what was done is never denied. Where no status came, the journal of the configured gateway is asked; where that cannot be
//! read either, it is said that the end is not known.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{CONFIG, FAULT, USAGE, complain, log, say, tell};
use crate::config::{self, Config};
use crate::gateway::requests::{self, Request, Wanted};
use hj212_downlink::table::{Kind, ORDERS, Order, Parameter, SET_KEY};
use hj212_model::message::{Publication, Timestamp, Topic};
use hj212_mqtt::{self as mqtt, Subscription};

/// Nothing answered: the broker or the gateway is away (EX_UNAVAILABLE).
const AWAY: u8 = 69;
/// The command did not end well.
const UNWELL: u8 = 1;

#[derive(Debug, clap::Args)]
#[command(after_help = "Parameters are NAME=VALUE; several codes: PolId=a21026,a21002. Times are YYYYMMDDhhmmss.\n\
    Control commands print a word to confirm them with; somebody else then runs: … command --mn MN --id ID --confirm WORD --author wang \
    --why \"agreed\"\n\n反控命令须在 [command] allow 中放行;控制类命令须由另一人确认。")]
pub(super) struct Options {
    /// The gateway's configuration: its broker
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// The station
    #[arg(long, value_name = "MN", required_unless_present = "list")]
    mn: Option<String>,
    /// The command's name (--list shows all), then its parameters
    #[arg(value_name = "COMMAND")]
    words: Vec<String>,
    /// Who asks
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    author: Option<String>,
    /// Why; it stands in the journal
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    why: Option<String>,
    /// The request's id; left out: made from the time
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The role to ask under, a level of the topic for which the broker's access list vouches (角色)
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Confirms the request of --id with the word that it asked for
    #[arg(long, value_name = "WORD", requires = "id")]
    confirm: Option<String>,
    /// Takes the request of --id back, wherever it is
    #[arg(long, requires = "id", conflicts_with = "confirm")]
    cancel: bool,
    /// How long it may wait for the station, seconds
    #[arg(long, value_name = "SECONDS")]
    expires: Option<u64>,
    /// How long to watch, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
    /// Prints each status document as it is
    #[arg(long)]
    json: bool,
    /// Lists the commands with their parameters
    #[arg(long)]
    list: bool,
}

pub(super) fn command(options: &Options) -> u8 {
    if options.list {
        return list();
    }
    let Some(mn) = &options.mn else { return USAGE };
    let loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let request = match request(options) {
        Ok(request) => request,
        Err(text) => {
            complain(&text);
            return USAGE;
        }
    };
    if !loaded.config.command.enabled {
        complain(&"commands are off in this configuration: set enabled = true in [command] and restart the gateway");
        return CONFIG;
    }
    let mut request = request;
    if let (Some(public), Some(parameters)) = (
        crate::gateway::secrets::public_key(&loaded.config.journal.dir),
        request.get_mut("parameters").and_then(Value::as_object_mut),
    ) {
        seal(parameters, &public, mn);
    }
    log::start(&config::Log { level: "warn".into(), ..loaded.config.log.clone() });
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return FAULT };
    let id = options.id.clone().unwrap_or_else(|| format!("cli-{}", hj212_model::clock::now().0));
    runtime.block_on(ask(&loaded.config, mn, &id, request, options))
}

/// Whether this can be a level of a topic: letters, digits, `.`, `_`, `-`.
fn is_word(text: &str, most: usize) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=most).contains(&text.len()) && text.bytes().all(good)
}

/// The request as JSON, or what is wrong with the arguments.
fn request(options: &Options) -> Result<Value, String> {
    if let Some(id) = options.id.as_deref().filter(|id| !is_word(id, 64)) {
        return Err(format!("{id:?} is no id: write 1 to 64 letters, digits, '.', '_', '-'"));
    }
    if let Some(role) = options.role.as_deref().filter(|role| !is_word(role, 64)) {
        return Err(format!("{role:?} is no role: write 1 to 64 letters, digits, '.', '_', '-'"));
    }
    if let Some(mn) = options.mn.as_deref().filter(|mn| !is_word(mn, 128)) {
        return Err(format!("{mn:?} is no MN: it has letters, digits, '_' and '-'"));
    }
    let asked_at = hj212_model::clock::now().to_rfc3339();
    let mut request = json!({ "author": options.author, "why": options.why, "asked_at": asked_at });
    if let Some(word) = &options.confirm {
        if !options.words.is_empty() {
            return Err("a confirmation has no command: leave its name and parameters out".into());
        }
        request["confirm"] = word.as_str().into();
        return Ok(request);
    }
    if options.cancel {
        if !options.words.is_empty() {
            return Err("a cancellation has no command: leave its name and parameters out".into());
        }
        request["cancel"] = true.into();
        return Ok(request);
    }
    let Some((name, given)) = options.words.split_first() else {
        return Err("no command: name one, --list shows them".into());
    };
    let mut known = ORDERS.iter().chain([&SET_KEY]).filter(|order| order.name == *name).peekable();
    if known.peek().is_none() {
        let near: Vec<&str> = ORDERS.iter().map(|o| o.name).filter(|other| other.contains(name.as_str())).collect();
        let hint = if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(", ")) };
        return Err(format!("there is no command {name:?}{hint}; --list shows all"));
    }
    let mut names: Vec<&str> = known.flat_map(|order| order.parameters).map(|parameter| parameter.name).collect();
    if *name == SET_KEY.name {
        // Left out, as it should be: the gateway makes the key.
        names.push("NewSK");
    }
    let mut parameters = Map::new();
    for word in given {
        let Some((key, text)) = word.split_once('=') else {
            return Err(format!("{word:?} is no parameter: write NAME=VALUE"));
        };
        if !names.contains(&key) {
            return Err(format!("{name} has no parameter {key:?}; it has: {}", names.join(", ")));
        }
        parameters.insert(key.to_owned(), value(name, key, text));
    }
    request["command"] = name.as_str().into();
    request["parameters"] = parameters.into();
    if let Some(seconds) = options.expires {
        request["expires"] = seconds.into();
    }
    Ok(request)
}

/// A parameter as JSON, in the type that the command wants.
fn value(command: &str, name: &str, text: &str) -> Value {
    let kind = ORDERS
        .iter()
        .filter(|order| order.name == command)
        .flat_map(|order| order.parameters)
        .find(|parameter| parameter.name == name)
        .map(|parameter| parameter.kind);
    let number = |text: &str| text.parse::<u64>().map_or_else(|_| text.into(), Value::from);
    match kind {
        Some(Kind::Whole(..) | Kind::OneOf(_)) => number(text),
        Some(Kind::Codes) => text.split(',').map(Value::from).collect(),
        Some(Kind::Hours) => text.split(',').map(number).collect(),
        // A list of limits is written as JSON.
        Some(Kind::Limits) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        _ => text.into(),
    }
}

/// Seals what is secret, where the gateway's public key can be read.
fn seal(parameters: &mut Map<String, Value>, public: &str, mn: &str) {
    for name in ["NewPW", "NewSK"] {
        let Some(value) = parameters.get_mut(name) else { continue };
        let Some(said) = value.as_str() else { continue };
        *value = match (said.strip_prefix("file:"), crate::gateway::secrets::seal(public, mn, said)) {
            (Some(file), _) => json!({ "file": file }),
            (None, Some(sealed)) => json!({ "sealed": sealed }),
            (None, None) => continue,
        };
    }
}

/// What the gateway's own retained status said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gateway {
    /// Nothing: no gateway of that id was ever at this broker.
    Unknown,
    Online,
    Offline,
}

/// Asks and watches until the end, or until the time is over.
async fn ask(config: &Config, mn: &str, id: &str, request: Value, options: &Options) -> u8 {
    let mut settings = config.mqtt.clone();
    settings.client_id = format!("{}-command-{}", settings.client_id, std::process::id());
    let of_station = Topic::of_station(&settings.prefix, mn.as_bytes());
    let (topic, refused) = (of_station.command(id), of_station.command_refused(id));
    let asked = options.role.as_ref().map_or_else(|| topic.clone(), |role| of_station.command_by(role, id));
    let gateway_topic = Topic::of_gateway(&settings.prefix, &config.gateway.id).status();
    let stop = CancellationToken::new();
    let filters = vec![of_station.command_status(id), refused.clone(), gateway_topic.clone()];
    let wish =
        Subscription { filters, suffix: "-status".into(), session: Duration::ZERO, as_published: false, broad: None };
    let (mut inbox, listening) = mqtt::subscribe(&settings, wish, stop.clone());
    let (outbox, task) = mqtt::start_quietly(&settings, std::sync::Arc::default(), stop.clone());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(options.wait);
    let mut subscribed = inbox.subscribed();
    let code = 'asked: {
        let there = tokio::time::timeout_at(deadline, subscribed.wait_for(|granted| *granted)).await;
        if !matches!(there, Ok(Ok(_))) {
            complain(&format!(
                "nothing was asked: the broker at {}:{} cannot be reached, or does not grant this account the status to read \
                 (docs/commands.md, access list) · 请求未发出:MQTT 服务连不上,或该账号无权订阅命令状态",
                settings.host, settings.port
            ));
            break 'asked AWAY;
        }
        let begun = hj212_model::clock::now();
        let payload = bytes::Bytes::from(request.to_string());
        if outbox.push(Publication { topic: asked, payload, retain: false }).await.is_err() {
            break 'asked AWAY;
        }
        let (mut heard, mut gateway) = (false, Gateway::Unknown);
        let mut answers = 0;
        loop {
            let Ok(Some(status)) = tokio::time::timeout_at(deadline, inbox.next()).await else { break };
            // What the broker kept is from before: the request of this id that is confirmed.
            let old = status.retained;
            let document: Value = serde_json::from_slice(&status.payload).unwrap_or_default();
            let topic = status.topic.clone();
            status.taken();
            if topic == gateway_topic {
                gateway = if document["state"] == "online" { Gateway::Online } else { Gateway::Offline };
                if gateway == Gateway::Offline && !heard {
                    complain(&waits(Gateway::Offline, config, mn, id));
                }
                continue;
            }
            if old {
                continue;
            }
            heard = true;
            show(&document, options.json, &mut answers);
            if topic == refused {
                break 'asked UNWELL;
            }
            if let Some(code) = ended(document["state"].as_str().unwrap_or_default(), options.cancel) {
                break 'asked code;
            }
        }
        if heard {
            complain(&goes_on(options.wait, id));
            break 'asked AWAY;
        }
        let later = options.confirm.is_some() || options.cancel;
        match look_up(config, mn, id, if later { None } else { Some(begun) }) {
            Ok(Some(request)) => told_by_journal(&request, options, id),
            Ok(None) => {
                complain(&waits(gateway, config, mn, id));
                AWAY
            }
            Err(why) => {
                complain(&unknown_end(&why, gateway, config, id));
                AWAY
            }
        }
    };
    stop.cancel();
    drop(outbox);
    mqtt::left(listening).await;
    let _ = task.await;
    code
}

/// The exit code of a request in this state; `None`: it goes on.
fn ended(state: &str, cancelled: bool) -> Option<u8> {
    match state {
        "done" => Some(0),
        // Taken back is what was wanted of a cancellation.
        "withdrawn" | "cancelled" if cancelled => Some(0),
        "to-confirm" | "queued" | "sent" | "accepted" | "data" | "cancelling" => None,
        _ => Some(UNWELL),
    }
}

fn goes_on(wait: u64, id: &str) -> String {
    format!(
        "not ended within {wait} s; it goes on: watch …/command/{id}/status, or take it back with --id {id} --cancel · {wait} 秒内未结束,仍在进行"
    )
}

/// The request as the journal of the configured gateway has it; `begun`: when it was asked for, if that is now.
fn look_up(config: &Config, mn: &str, id: &str, begun: Option<Timestamp>) -> Result<Option<Request>, String> {
    let wanted = Wanted { mn: Some(mn), open: false, limit: requests::REQUESTS_MAX, since: begun };
    let read = requests::read(config, &wanted).map_err(|error| error.to_string())?;
    let own = |request: &Request| request.text("id") == id && begun.is_none_or(|begun| request.queued >= begun);
    Ok(read.requests.into_iter().rev().find(own))
}

/// Says what the journal has of a request of which no status came; the exit code.
fn told_by_journal(request: &Request, options: &Options, id: &str) -> u8 {
    complain(
        &"no status came over the broker; this is from the gateway's journal. May this account read …/command/+/status? (docs/commands.md, \
          access list) · 未经 MQTT 收到状态,以下取自网关日志库;请检查该账号对命令状态的读权限",
    );
    show(&Value::Object(request.status.clone()), options.json, &mut 0);
    ended(request.text("state"), options.cancel).unwrap_or_else(|| {
        complain(&goes_on(options.wait, id));
        AWAY
    })
}

/// No status came, and the journal cannot be asked.
fn unknown_end(why: &str, gateway: Gateway, config: &Config, id: &str) -> String {
    let (own, heard) = (&config.gateway.id, if gateway == Gateway::Online { "is connected" } else { "was not heard" });
    format!(
        "what became of the request is not known, it may have been carried out: no status came (this account may not be allowed to read \
         …/command/{id}/status; the gateway {own} {heard}), and {why}. Before you ask again, look where the gateway runs: commands list · \
         结果未知,命令可能已执行:该账号可能无权读取命令状态,日志库也读不到。再次下发前,请在网关主机上用 commands list 核实"
    )
}

/// What becomes of a request that no gateway has answered yet and that is not in its journal. It may be carried out long after whoever asked has turned away.
fn waits(gateway: Gateway, config: &Config, mn: &str, id: &str) -> String {
    let own = &config.gateway.id;
    let why = match gateway {
        Gateway::Online => {
            format!(
                "the gateway {own} is connected and says nothing of the request: is [command] enabled = true where it runs?"
            )
        }
        Gateway::Offline => format!("the gateway {own} is away"),
        Gateway::Unknown => format!(
            "nothing was heard of a gateway {own} at this broker: is this its configuration, and may this account read the gateway's status?"
        ),
    };
    let stays = if gateway == Gateway::Unknown || config.command.session.is_zero() {
        "the broker keeps the request only if the gateway has a session there".to_owned()
    } else {
        "the request waits at the broker and is carried out when the gateway takes it, unless it has expired by then"
            .to_owned()
    };
    format!(
        "{why}; {stays}. To take it back: command --mn {mn} --id {id} --cancel …\n\
         尚无网关受理:请求可能仍在 MQTT 服务中等待,网关恢复后会执行;如需撤销,用 --id {id} --cancel"
    )
}

fn show(document: &Value, as_json: bool, answers: &mut usize) {
    if as_json {
        tell!("{document}");
        return;
    }
    let text = |key: &str| document[key].as_str().map(str::to_owned);
    let mut line = format!("{}  {}", text("at").unwrap_or_default(), text("state").unwrap_or_default());
    for key in ["qn", "count", "packets", "code", "reason"] {
        let value = &document[key];
        if let Some(word) = value.as_str() {
            line.push_str(&format!("  {key} {word}"));
        } else if !value.is_null() && value != 0 {
            line.push_str(&format!("  {key} {value}"));
        }
    }
    tell!("{line}");
    // What the station answered, each once.
    let said = document["answers"].as_array().map_or(&[][..], Vec::as_slice);
    for answer in said.iter().skip(*answers) {
        tell!("  应答 answer: {}", in_words(answer));
    }
    *answers = said.len().max(*answers);
    if let Some(explain) = document["explain"].as_object() {
        let word = |key: &str| explain.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        tell!("  {}\n  {}", word("zh"), word("en"));
    }
    if let (Some("to-confirm"), Some(word)) = (document["state"].as_str(), document["confirm"].as_str()) {
        tell!(
            "  须由另一人确认 / somebody else confirms it: --id {} --confirm {word}",
            document["id"].as_str().unwrap_or_default()
        );
    }
}

/// An answer's fields as `NAME=VALUE`.
fn in_words(answer: &Value) -> String {
    let Some(fields) = answer.as_object() else { return answer.to_string() };
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.iter().map(|(name, value)| format!("{name}={}", word(value))).collect::<Vec<_>>().join("  ")
}

fn list() -> u8 {
    let mut shown: Vec<&Order> = ORDERS.iter().collect();
    shown.push(&SET_KEY);
    shown.sort_by_key(|order| (order.cn, order.name));
    let mut text = String::new();
    for order in shown {
        let editions: Vec<&str> = order.editions.iter().map(|edition| edition.year()).collect();
        let word = |parameter: &Parameter| {
            if parameter.required { parameter.name.to_owned() } else { format!("[{}]", parameter.name) }
        };
        let parameters: Vec<String> = order.parameters.iter().map(word).collect();
        let control = if order.is_control() { "  须确认" } else { "" };
        text.push_str(&format!("{} {:<24} {}  {}{control}\n", order.cn, order.name, editions.join(","), order.zh));
        if !parameters.is_empty() {
            text.push_str(&format!("     {}\n", parameters.join(" ")));
        }
    }
    say(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Options {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Options {
            config: PathBuf::new(),
            mn: None,
            words,
            author: Some("li".into()),
            why: Some("test".into()),
            id: None,
            role: None,
            confirm: None,
            cancel: false,
            expires: None,
            wait: 1,
            json: false,
            list: false,
        }
    }

    #[test]
    fn parameters_get_the_type_that_the_command_wants() {
        let made = request(&options(&["set-realtime-interval", "RtdInterval=30"])).unwrap();
        assert_eq!(made["parameters"]["RtdInterval"], 30);
        let made = request(&options(&["get-hours", "BeginTime=20261123080000", "EndTime=20261123100000"])).unwrap();
        assert_eq!(made["parameters"]["BeginTime"], "20261123080000");
    }

    #[test]
    fn mistakes_are_named_with_what_is_right() {
        assert!(request(&options(&["hours"])).unwrap_err().contains("get-hours"));
        assert!(request(&options(&["get-hours", "Begin=1"])).unwrap_err().contains("BeginTime"));
        assert!(request(&options(&["get-hours", "Begin"])).unwrap_err().contains("NAME=VALUE"));
        assert!(request(&options(&[])).unwrap_err().contains("--list"));
        for id in ["a b", "a/b", "a#", "", &"x".repeat(65)] {
            let wrong = Options { id: Some(id.to_owned()), ..options(&["get-time"]) };
            assert!(request(&wrong).unwrap_err().contains("is no id"), "{id}");
        }
        let wrong = Options { role: Some("a/b".into()), ..options(&["get-time"]) };
        assert!(request(&wrong).unwrap_err().contains("is no role"));
        let wrong = Options { mn: Some("A/+".into()), ..options(&["get-time"]) };
        assert!(request(&wrong).unwrap_err().contains("is no MN"));
    }

    #[test]
    fn a_cancellation_says_nothing_but_who_and_why() {
        let cancel = Options { id: Some("r1".into()), cancel: true, ..options(&[]) };
        let made = request(&cancel).unwrap();
        assert_eq!((&made["cancel"], &made["author"], &made["command"]), (&true.into(), &"li".into(), &Value::Null));
        assert!(request(&Options { words: vec!["get-time".into()], ..cancel }).is_err());
    }

    #[test]
    fn a_request_that_nobody_took_is_told_where_it_is() {
        let config = Config::default();
        let of = |gateway| waits(gateway, &config, "A", "r1");
        assert!(of(Gateway::Offline).contains("waits at the broker") && of(Gateway::Offline).contains("--cancel"));
        assert!(of(Gateway::Online).contains("[command] enabled"));
        assert!(of(Gateway::Unknown).contains("nothing was heard of a gateway"));
        let unknown = unknown_end("the journal in /x: none", Gateway::Unknown, &config, "r1");
        assert_eq!(in_words(&json!({ "SystemTime": "20261123104000", "n": 3 })), "SystemTime=20261123104000  n=3");
        assert!(unknown.contains("not known") && unknown.contains("结果未知") && unknown.contains("/x"), "{unknown}");
    }

    #[test]
    fn a_state_from_the_journal_ends_as_one_from_the_broker() {
        let states =
            [("done", Some(0)), ("queued", None), ("sent", None), ("rejected", Some(1)), ("cancelled", Some(1))];
        for (state, code) in states {
            assert_eq!(ended(state, false), code, "{state}");
        }
        assert_eq!(ended("cancelled", true), Some(0));
    }
}
