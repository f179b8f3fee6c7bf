//! `replay`: publish again from the journal.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::known::no_such_station;
use super::{CONFIG, FAULT, IO, USAGE, complain, log, tell};
use crate::config;
use crate::gateway::replay::{Range, Summary, replay as publish_again};
use hj212_model::message::Timestamp;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The messages are the same as before, byte for byte, with the same ids; but records that could not be read for want of a key \
are published readable if the journal or a key file has the key by now. Works beside a running gateway."
)]
pub(super) struct Options {
    /// The gateway's configuration: its journal, its broker
    #[arg(long, value_name = "FILE", default_value = super::CONFIG_FILE)]
    config: PathBuf,
    /// From this arrival time on: RFC 3339, or 2026-11-23T08:00:00 or 2026-11-23 in Beijing time
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Before this arrival time
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// Only this station
    #[arg(long, value_name = "MN")]
    mn: Option<String>,
    /// Keys besides those of the journal and of the configured key file (docs/keys.md)
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Another broker than the configured one
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
}

pub(super) fn replay(options: &Options) -> u8 {
    let mut loaded = match config::load(&options.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    match options.keys.as_deref().map(config::load_keys) {
        Some(Ok(keys)) => loaded.keys.extend(keys),
        Some(Err(problems)) => {
            complain(&problems);
            return CONFIG;
        }
        None => {}
    }
    let (since, until) = match (time(options.since.as_deref()), time(options.until.as_deref())) {
        (Ok(since), Ok(until)) => (since, until),
        (Err(text), _) | (_, Err(text)) => {
            complain(&format!(
                "\"{text}\" is no time: write 2026-11-23T08:00:00+08:00, or 2026-11-23 for the day's beginning in Beijing"
            ));
            return USAGE;
        }
    };
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        complain(&empty_range("--since", "--until"));
        return USAGE;
    }
    if let Some(to) = &options.to {
        let Some((host, port)) = to.rsplit_once(':').and_then(|(h, p)| Some((h.to_owned(), p.parse().ok()?))) else {
            complain(&format!("--to {to}: write HOST:PORT"));
            return USAGE;
        };
        (loaded.config.mqtt.host, loaded.config.mqtt.port) = (host, port);
    }
    log::start(&loaded.config.log);
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() else {
        return FAULT;
    };
    let forms = loaded.registry.facts().into_iter().filter_map(|(mn, facts)| Some((mn, facts.seal?))).collect();
    let range = Range { since, until, mn: options.mn.clone(), keys: loaded.keys, forms };
    let stop = CancellationToken::new();
    let progress = |summary: &Summary| {
        complain(&format!("{} records read, {} messages published", summary.records, summary.published));
    };
    let done = runtime.block_on(async {
        let interrupted = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        publish_again(&loaded.config, &range, stop, progress).await
    });
    let unknown = options.mn.as_deref().filter(|mn| loaded.registry.find(mn.as_bytes()).is_none());
    match (done, unknown) {
        (Ok(summary), Some(mn)) if summary.published == 0 => no_such_station(mn),
        (Ok(summary), _) => {
            let code =
                tell!("{} records read, {} messages published and acknowledged", summary.records, summary.published);
            if summary.gaps > 0 {
                complain(&format!(
                    "{} damaged ranges were passed over; see hj212-gateway journal verify",
                    summary.gaps
                ));
            }
            code
        }
        (Err(error), _) => {
            complain(&error);
            IO
        }
    }
}

/// That nothing lies between two times.
pub(super) fn empty_range(from: &str, to: &str) -> String {
    format!("{from} 须早于 {to},现在这段时间为空。{from} must be before {to}: as it is, nothing lies between them")
}

/// RFC 3339, or a civil date or time, which is Beijing's.
pub(super) fn time(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text else { return Ok(None) };
    let full = match text.len() {
        10 => format!("{text}T00:00:00+08:00"),
        19 => format!("{text}+08:00"),
        _ => text.to_owned(),
    };
    let parsed = full.parse::<jiff::Timestamp>().or_else(|_| beyond(&full).ok_or_else(|| text.to_owned()))?;
    Ok(Some(Timestamp(parsed.as_microsecond())))
}

/// The last moment of all for one that is a date and yet behind it: the last hours of 9999, east of Greenwich or west of it.
fn beyond(text: &str) -> Option<jiff::Timestamp> {
    let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    pieces.time()?;
    pieces.offset()?;
    (pieces.date().year() == 9999).then_some(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_beijing_time() {
        let eight = time(Some("2026-11-23T08:00:00+08:00")).unwrap();
        assert_eq!(time(Some("2026-11-23T08:00:00")).unwrap(), eight);
        assert_eq!(time(Some("2026-11-23T00:00:00Z")).unwrap(), eight);
        for wrong in ["yesterday", "9999-13-01", "9999-12-31T25:00:00", "9999-12-31T23:59:59+99:99"] {
            assert!(time(Some(wrong)).is_err(), "{wrong}");
        }
        let last = Ok(Some(Timestamp(jiff::Timestamp::MAX.as_microsecond())));
        for late in ["9999-12-31T23:59:59", "9999-12-31T23:59:59+00:00", "9999-12-31T23:59:59.999999-08:00"] {
            assert_eq!(time(Some(late)), last, "{late}");
        }
        assert!(time(Some("9999-01-01")).unwrap() < last.clone().unwrap());
        assert_eq!(time(None).unwrap(), None);
    }
}
