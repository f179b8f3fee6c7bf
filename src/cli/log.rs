//! Logs: one line an event, to standard error, as text for people and journald or as JSON.
//!
//! What must stay true: whoever dials cannot fill the log: of lines that name a `peer` each address gets [`limit::LINES_MAX`] a minute and
//! kind, and the rest is told as a number. The level can be changed while the gateway runs.

mod limit;

use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{self, LogFormat};
use limit::{Limit, Limited};

/// How often it is told what was held back.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// The logs of a process, once they have been started.
#[derive(Clone)]
pub(super) struct Log {
    level: reload::Handle<EnvFilter, Registry>,
    limit: Arc<Limit>,
}

/// Starts logging. A second start in one process changes nothing.
pub(super) fn start(settings: &config::Log) -> Log {
    let filter = EnvFilter::try_new(&settings.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, level) = reload::Layer::new(filter);
    let limit = Arc::<Limit>::default();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_timer(BeijingTime);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let lines = lines.with_filter(Limited(Arc::clone(&limit)));
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_err() {
        tracing::debug!("logging had been started before");
    }
    Log { level, limit }
}

impl Log {
    /// Logs by another `log.level`; tells the one of before.
    ///
    /// # Errors
    /// If it is no filter.
    pub(super) fn switch(&self, level: &str) -> Result<String, String> {
        // A bare word that is no level would be taken for a target, and everything else be silent.
        if !config::is_log_filter(level) {
            return Err(format!(
                "{level:?} is no level: write error, warn, info, debug, trace, or as info,hj212_gateway::net=debug"
            ));
        }
        let filter = EnvFilter::try_new(level).map_err(|error| format!("{level}: {error}"))?;
        let before = self.level.with_current(ToString::to_string).unwrap_or_default();
        self.level.reload(filter).map_err(|error| error.to_string())?;
        Ok(before)
    }

    /// Tells now and then how many lines were held back.
    pub(super) async fn tell(self) {
        loop {
            tokio::time::sleep(TOLD_EVERY).await;
            for held in self.limit.held(hj212_model::clock::now()) {
                tracing::info!(target: "suppressed", peer = %held.address, kind = held.kind, lines = held.lines, "more lines like those before");
            }
        }
    }
}

struct BeijingTime;

impl FormatTime for BeijingTime {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        w.write_str(&hj212_model::clock::now().to_rfc3339())
    }
}
