//! `push test`: whether a sink takes a message.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{CONFIG, FAULT, UNAVAILABLE, USAGE, complain, tell};
use crate::config;
use hj212_model::clock;
use hj212_push::queue::Outcome;
use hj212_push::send::send;
use hj212_push::{Item, TEST_KIND};

#[derive(Debug, clap::Subcommand)]
pub(super) enum PushCommand {
    /// Sends one message that says it is a test, once and past the queue; works beside a running gateway (发送一条测试消息)
    Test {
        /// The gateway's configuration
        #[arg(long, value_name = "FILE", default_value = crate::cli::CONFIG_FILE)]
        config: PathBuf,
        /// The sink's name in [push]
        #[arg(long, value_name = "NAME")]
        sink: String,
    },
}

pub(super) fn push(command: &PushCommand) -> u8 {
    let PushCommand::Test { config, sink } = command;
    test(config, sink)
}

fn test(path: &Path, name: &str) -> u8 {
    let config = match config::load(path) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let Some(sink) = config.push.sinks.iter().find(|sink| sink.name == name) else {
        let names: Vec<&str> = config.push.sinks.iter().map(|sink| sink.name.as_str()).collect();
        complain(&format!("[push] has no sink {name}, it has: {} · 没有这个推送目标", names.join(", ")));
        return USAGE;
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return FAULT };
    let now = clock::now();
    let id = format!("{}-test-{}", config.gateway.id, now.0);
    let body = json!({
        "schema": "hj212.push-test/1", "id": id, "gateway": config.gateway.id, "kind": TEST_KIND, "time": now.to_rfc3339(),
        "detail": { "zh": "这是一条测试消息,无需处理。", "en": "This is a test; nothing needs to be done." },
    });
    let (kind, queued) = (TEST_KIND.to_owned(), now.0 / 1000);
    let item = Item { id: id.as_str().into(), kind, record: 0, queued, body: body.to_string().into() };
    let attempt = runtime.block_on(send(sink, &item, &hj212_push::Nameless, now.0 / 1000));
    let why = attempt.trouble.map(|trouble| trouble.0).unwrap_or_default();
    match attempt.outcome {
        Outcome::Taken => tell!("{name}: it has taken {id} · 对方已接收"),
        Outcome::Refused => {
            complain(&format!("{name}: it refuses the message: {why} · 对方拒收"));
            UNAVAILABLE
        }
        Outcome::Away => {
            complain(&format!("{name}: {why} · 未送达"));
            UNAVAILABLE
        }
    }
}
