//! `run`: the daemon.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{AGAIN, CONFIG, FAULT, IO, complain, log};
use crate::gateway::{self, StartError};
use crate::{config, journal};

pub(super) fn run(path: &Path) -> u8 {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    log::start(&loaded.config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return FAULT;
        }
    };
    let stop = CancellationToken::new();
    let code = match runtime.block_on(async {
        tokio::spawn(stop_at_signal(stop.clone()));
        gateway::run(loaded, stop).await
    }) {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            code_of(&error)
        }
    };
    // A task that hangs must not keep the process: everything that matters has been closed.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

fn code_of(error: &StartError) -> u8 {
    match error {
        StartError::Journal(journal::OpenError::Locked { .. }) | StartError::Listen { .. } => AGAIN,
        StartError::Journal(_) | StartError::Io(_) => IO,
    }
}

/// The first SIGTERM or SIGINT stops in order, the second at once.
async fn stop_at_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be received: stop with SIGKILL, nothing answered is lost");
        return;
    };
    let mut next = async || {
        tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        }
    };
    let signal = next().await;
    tracing::info!(signal, "stopping: delivering what can be delivered");
    stop.cancel();
    let signal = next().await;
    tracing::warn!(signal, "stopping at once");
    std::process::exit(0);
}
