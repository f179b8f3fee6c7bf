//! A whole run: the fleet, its connections, what they share, and the end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::agenda::Habits;
use super::clock::Clock;
use super::commands::CommandLog;
use super::connection::Connection;
use super::error::SimError;
use super::fleet;
use super::options::{Options, Rate};
use super::shared::Shared;
use super::station::{Rules, Station};
use super::tally::{Progress, Summary};
use super::throughput::{Pace, Sender, Templates};

/// How often a 2025 station beats while it has nothing else to say. The standard names no period.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(60);

/// Runs the stations of `options` until their time is over or `stop` is cancelled, and tells `progress` every
/// [`Options::progress`] how it goes. Needs a tokio runtime with I/O and time.
///
/// That a gateway cannot be reached is no error: stations try again, and the summary counts it.
///
/// # Errors
/// [`SimError`] if the options contradict each other, the address cannot be resolved, or a ledger cannot be written.
pub async fn run(
    options: Options,
    stop: CancellationToken,
    progress: impl FnMut(&Progress),
) -> Result<Summary, SimError> {
    start(options, &stop).await?.finished(progress).await
}

/// Starts the stations of `options`, as [`run`] does, and hands out what watches them.
///
/// # Errors
/// [`SimError`] if the options contradict each other, the address cannot be resolved, or a ledger cannot be opened.
pub async fn start(options: Options, stop: &CancellationToken) -> Result<Simulation, SimError> {
    options.check()?;
    let shared = Arc::new(Shared::new(options, stop).await?);
    let tracker = TaskTracker::new();
    spawn(&shared, &tracker);
    tracker.close();
    Ok(Simulation { shared, tracker })
}

/// A run that is under way. Dropped, it is stopped.
#[derive(Debug)]
pub struct Simulation {
    shared: Arc<Shared>,
    tracker: TaskTracker,
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Simulation {
    /// How it stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }

    /// What happened to the host's commands so far.
    #[must_use]
    pub fn commands(&self) -> CommandLog {
        self.shared.commands.so_far()
    }

    /// Waits until what happened to the host's commands is as `met` says; for ever, if it never is.
    pub async fn until(&self, met: impl Fn(&CommandLog) -> bool) -> CommandLog {
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(log) = self.shared.commands.once(&met) {
                return log;
            }
            news.await;
        }
    }

    /// Ends the run before its time.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Ends the run before its time and says what it came to. A ledger that could not be written is not told.
    pub async fn stop_now(self) -> Summary {
        self.stop();
        self.tracker.wait().await;
        self.shared.summary(Measured::default())
    }

    /// Waits for the end of the run and tells `progress` how it goes; see [`run`].
    ///
    /// # Errors
    /// [`SimError`] if a ledger cannot be written.
    pub async fn finished(self, mut progress: impl FnMut(&Progress)) -> Result<Summary, SimError> {
        let (shared, tracker) = (&self.shared, &self.tracker);
        let options = &shared.options;
        let every = options.progress;
        let mut ticks = interval_at(shared.start + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ramped = Duration::from_secs_f64(f64::from(options.connection_count()) / f64::from(options.ramp));
        let mut measured = Measured::default();
        let (mut ramp_pending, mut end_pending) = (true, true);
        loop {
            tokio::select! {
                () = tracker.wait() => break,
                _ = ticks.tick() => progress(&shared.progress()),
                () = sleep_until(shared.instant(ramped)), if ramp_pending => {
                    ramp_pending = false;
                    measured.from = shared.acked_now();
                }
                () = sleep_until(shared.instant(shared.until())), if end_pending => {
                    end_pending = false;
                    measured.to = Some(shared.acked_now());
                }
                () = sleep_until(shared.instant(shared.until().saturating_add(options.drain))), if !end_pending => {
                    shared.stop.cancel();
                    tracker.wait().await;
                    break;
                }
            }
        }
        if let Some(error) = shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error.into());
        }
        Ok(shared.summary(measured))
    }
}

/// Where the measurement of frames a second begins and ends: when, and how many answers there had been.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    from: (Duration, u64),
    to: Option<(Duration, u64)>,
}

fn spawn(shared: &Arc<Shared>, tracker: &TaskTracker) {
    let options = &shared.options;
    let mut numbers = fleet::numbers(options);
    let connections = options.connection_count();
    let stations = options.station_count();
    let mut profiles = move |connection: u32| {
        // As even as it goes: the first ones take one more.
        let share = stations / connections + u32::from(connection < stations % connections);
        numbers.by_ref().take(share as usize).collect::<Vec<_>>()
    };
    if let Some(rate) = options.rate {
        let templates = Arc::new(Templates::new(options, shared.clock.wall(Duration::ZERO)));
        let pace = match rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => Some(Duration::from_secs_f64(f64::from(connections) / rate)),
        };
        for connection in 0..connections {
            let senders =
                profiles(connection).into_iter().map(|n| templates.voice(fleet::profile(options, n))).collect();
            let phase = pace.map(|every| Pace { every, phase: every * connection / connections });
            tracker.spawn(Sender::new(Arc::clone(shared), connection as usize, senders, phase).run());
        }
        return;
    }
    let rules = Arc::new(rules(options, shared.clock, shared.until()));
    for connection in 0..connections {
        let station = |number| Station::new(fleet::profile(options, number), Arc::clone(&rules), options.seed);
        let stations = profiles(connection).into_iter().map(station).collect();
        tracker.spawn(Connection::new(Arc::clone(shared), connection as usize, stations).run());
    }
}

fn rules(options: &Options, clock: Clock, until: Duration) -> Rules {
    let habits = Habits {
        clock,
        interval: options.interval,
        minutes: u8::try_from(options.min_interval).unwrap_or(10),
        heartbeat: HEARTBEAT_INTERVAL,
        until,
        aligned: options.aligned,
    };
    Rules {
        habits,
        faults: options.faults.clone(),
        answer_timeout: options.answer_timeout,
        resends: options.resends,
        keep: options.keep,
        pace: options.pace,
        history: options.behaviour.history,
        history_pace: options.behaviour.history_pace,
        keeps_history: options.behaviour.keeps_history,
        late: options.behaviour.late,
    }
}

impl Shared {
    fn acked_now(&self) -> (Duration, u64) {
        let progress = self.progress();
        (progress.elapsed, progress.counts.acked)
    }

    fn summary(&self, measured: Measured) -> Summary {
        let to = measured.to.unwrap_or_else(|| self.acked_now());
        let rate =
            to.1.saturating_sub(measured.from.1) as f64 / to.0.saturating_sub(measured.from.0).as_secs_f64().max(1e-3);
        let (stations, connections) = (self.options.station_count(), self.options.connection_count());
        self.tally.summary(self.elapsed(), rate, u64::from(stations), u64::from(connections))
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
