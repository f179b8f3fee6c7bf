//! `dead-letters list|replay`: messages that the broker would not take, and publishing them after all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{CONFIG, FAULT, IO, complain, log, tell};
use crate::config::{self, Config};
use crate::gateway::dead_letters::{self as letters, LettersReplayed, Listed};
use hj212_mqtt::{self as mqtt, State};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The messages that were set aside and not replayed yet, one a line
    List {
        #[command(flatten)]
        place: Place,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Publishes them after all, not retained, and takes them from the list; works beside a running gateway
    Replay {
        #[command(flatten)]
        place: Place,
        /// Another broker than the configured one
        #[arg(long, value_name = "HOST:PORT")]
        to: Option<String>,
        /// Seconds to wait for the broker to take them all
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        wait: u64,
        /// Takes those from the list as well that neither the journal nor its archive holds any more
        #[arg(long)]
        give_up: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The gateway's configuration: its journal, its broker
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
}

pub(super) fn letters(command: &Command) -> u8 {
    let (Command::List { place, .. } | Command::Replay { place, .. }) = command;
    let mut config = match config::load(&place.config) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    let done = match command {
        Command::List { json, .. } => list(&config.journal.dir, *json),
        Command::Replay { to, wait, give_up, .. } => {
            if let Some(to) = to {
                match to.rsplit_once(':').and_then(|(h, p)| Some((h.to_owned(), p.parse().ok()?))) {
                    Some((host, port)) => (config.mqtt.host, config.mqtt.port) = (host, port),
                    None => {
                        complain(&format!("--to {to}: write HOST:PORT"));
                        return super::USAGE;
                    }
                }
            }
            replay(&config, Duration::from_secs(*wait), *give_up)
        }
    };
    done.unwrap_or_else(|error| {
        complain(&error);
        IO
    })
}

fn list(dir: &Path, json: bool) -> Result<u8, String> {
    let list = letters::list(dir)?;
    for letter in &list.letters {
        let Listed { offset, of, time, topic, bytes, tries, why } = letter;
        if json {
            tell!("{}", serde_json::to_string(letter).map_err(|error| error.to_string())?);
        } else {
            tell!("{offset:>10}  {time}  of record {of}  {topic}  {bytes} bytes  {tries} tries: {why}");
        }
    }
    if list.letters.is_empty() && list.dropped == 0 && !json {
        tell!("没有死信。\nNo dead letters.");
    }
    if list.dropped > 0 {
        complain(&format!(
            "{} older letters have fallen out of the list; dead-letters replay publishes them too, as far as the journal and its archive hold \
             them",
            list.dropped
        ));
    }
    Ok(0)
}

/// That messages are left, and what the broker or the way to it says.
fn not_taken(state: &State) -> String {
    let why = match state {
        State::Connecting { last_error: Some(why) } | State::Hampered { why } | State::Refusing { why } => why.as_str(),
        State::Connecting { last_error: None } => "it did not answer",
        State::Connected => "it is connected and has not acknowledged them: --wait gives it longer",
    };
    format!(
        "the broker has not taken all of them in time, they stay in the list: {why} · MQTT 服务未全部接收,仍留在列表中"
    )
}

fn replay(config: &Config, wait: Duration, give_up: bool) -> Result<u8, String> {
    let dir = &config.journal.dir;
    let list = letters::list(dir)?;
    let mut waiting = if list.dropped > 0 { letters::dropped(dir, &list)? } else { Vec::new() };
    waiting.extend(list.letters);
    let Some(last) = waiting.iter().map(|letter| letter.offset).max() else {
        tell!("没有死信。\nNo dead letters.");
        return Ok(0);
    };
    log::start(&config.log);
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() else {
        return Ok(FAULT);
    };
    let (published, left) = runtime.block_on(async {
        let mut settings = config.mqtt.clone();
        settings.client_id = format!("{}-letters-{}", settings.client_id, std::process::id());
        let stop = CancellationToken::new();
        let (outbox, task) = mqtt::start_quietly(&settings, std::sync::Arc::default(), stop.clone());
        let (mut published, mut left) = (0, Vec::new());
        let pushing = async {
            for letter in &waiting {
                match letters::publication(dir, letter) {
                    Ok(Some(publication)) => {
                        published = outbox.push(publication).await.map_err(|error| error.to_string())?;
                    }
                    Ok(None) => {
                        left.push(letter.offset);
                        complain(&format!("{}: too long to be kept; replay record {}", letter.topic, letter.of));
                    }
                    Err(error) => {
                        left.push(letter.offset);
                        complain(&format!("{}: {error}", letter.topic));
                    }
                }
            }
            let mut delivered = outbox.delivered();
            delivered.wait_for(|d| *d >= published).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(())
        };
        let done = tokio::time::timeout(wait, pushing).await;
        let state = outbox.state().borrow().clone();
        stop.cancel();
        let _ = task.await;
        done.unwrap_or_else(|_| Err(not_taken(&state)))?;
        Ok::<_, String>((published, left))
    })?;
    let missing = left.len();
    let through = LettersReplayed { through: last, left: if give_up { Vec::new() } else { left } };
    letters::replayed(dir, &through)?;
    tell!("已重新发布并得到确认 {published} 条 · published again and acknowledged: {published}");
    if missing == 0 {
        return Ok(0);
    }
    let stay = if give_up {
        "taken from the list · 已移出列表"
    } else {
        "still in the list; --give-up takes them out · 仍在列表中，--give-up 可移出"
    };
    complain(&format!("{missing} could not be read (see above), {stay}"));
    Ok(1)
}
