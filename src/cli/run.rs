//! `run`: the daemon, and what it tells systemd.
//!
//! SIGTERM and SIGINT stop in order, a second one at once. SIGHUP takes up a changed configuration; one that is not good changes
//! nothing. Under `Type=notify` systemd hears when stations can connect, when a reload begins and ends, and, under
//! `WatchdogSec=`, that the threads that matter move. Sockets that systemd hands over take the place of `listen.address`.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::log::{self, Log};
use super::{AGAIN, CONFIG, FAULT, IO, complain};
use crate::config::{self, Loaded};
use crate::gateway::{LogSwitch, Running, StartError};
use hj212_journal as journal;

pub(super) fn run(path: &Path) -> u8 {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(problems) => {
            complain(&problems);
            return CONFIG;
        }
    };
    no_core();
    let log = log::start(&loaded.config.log);
    for warning in config::warnings(path, &loaded) {
        tracing::warn!(%warning, "a doubtful setting; it is taken as it stands");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return FAULT;
        }
    };
    let code = match runtime.block_on(live(path, loaded, log)) {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            code_of(&error)
        }
    };
    // A task that hangs must not keep the process: everything that matters has been closed.
    runtime.shutdown_timeout(Duration::from_millis(200));
    code
}

/// Memory holds passwords and keys: no core of this process is written, and nobody but root looks into it.
fn no_core() {
    use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};
    // Where the system forbids it, the unit's LimitCORE=0 holds.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, rustix::process::Rlimit { current: Some(0), ..getrlimit(Resource::Core) });
}

fn code_of(error: &StartError) -> u8 {
    match error {
        StartError::Journal(journal::OpenError::Locked { .. }) | StartError::Listen { .. } => AGAIN,
        StartError::Certificate(_) => CONFIG,
        StartError::Journal(_) | StartError::Io(_) => IO,
    }
}

/// Starts, serves and stops the gateway.
async fn live(path: &Path, loaded: Loaded, log: Log) -> Result<(), StartError> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    // A file size limit is an error of a write, to be handled like a full disk, and no reason to die.
    let _file_size = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    let stop = CancellationToken::new();
    let switch = log.clone();
    let switch: LogSwitch = Box::new(move |level| switch.switch(level));
    let running = Running::start_on(loaded, inherited()?, Some(switch), stop.clone()).await?;
    tokio::spawn(log.clone().tell());
    tell(&[NotifyState::Ready]);
    let mut watchdog = watchdog();
    let name = loop {
        tokio::select! {
            name = either(&mut term, &mut int) => break name,
            _ = hangup.recv() => reload(path, &running, &log),
            _ = watchdog.tick() => if running.is_healthy() {
                tell(&[NotifyState::Watchdog]);
            },
        }
    };
    tracing::info!(signal = name, "stopping: delivering what can be delivered");
    tell(&[NotifyState::Stopping]);
    stop.cancel();
    tokio::spawn(async move {
        let signal = either(&mut term, &mut int).await;
        tracing::warn!(signal, "stopping at once");
        std::process::exit(0);
    });
    running.finish().await
}

async fn either(term: &mut Signal, int: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}

/// Reads the configuration again and takes it up if it is good.
fn reload(path: &Path, running: &Running, log: &Log) {
    tell(&[NotifyState::Reloading, NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Custom(""))]);
    match config::load(path) {
        Ok(loaded) => {
            // What was changed by hand ends with a reload.
            if let Err(error) = log.switch(&loaded.config.log.level) {
                tracing::error!(error, "log.level stays as it is");
            }
            let changes = running.reload(loaded);
            if changes.is_empty() {
                tracing::info!("reloaded: nothing has changed");
            }
            changes.iter().for_each(|change| tracing::info!(change, "reloaded"));
        }
        Err(problems) => {
            running.reload_refused();
            problems.0.iter().for_each(|problem| tracing::error!(%problem, "not reloaded, nothing has changed"));
        }
    }
    tell(&[NotifyState::Ready]);
}

/// The listening sockets that systemd hands over, if any.
fn inherited() -> std::io::Result<Vec<std::net::TcpListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for place in 0..handed.len() {
        listeners.extend(handed.take_tcp_listener(place)?);
    }
    Ok(listeners)
}

/// Tells systemd; without systemd there is nobody to tell.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

/// Rings twice within the time that systemd waits; without a watchdog, hardly ever.
fn watchdog() -> tokio::time::Interval {
    let mut micros = 0;
    let asked = sd_notify::watchdog_enabled(false, &mut micros) && micros > 0;
    let every = if asked { Duration::from_micros(micros / 2) } else { Duration::from_secs(3600) };
    tokio::time::interval(every.max(Duration::from_millis(10)))
}
