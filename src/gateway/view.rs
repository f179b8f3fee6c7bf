//! What the operators' HTTP server shows of a running gateway.
//!
//! What must stay true: nothing here waits for the journal's writer, the uplink or the broker; a history reads the journal's files
//! beside them, within [`history::Limits`].

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::dead_letters::Letters;
use super::history;
use super::judged;
use super::liveness::Liveness;
use super::open_metrics::Text;
use super::progress::Progress;
use super::push::{Pusher, shown};
use super::questions::Questions;
use super::ready;
use super::scored::{self, ScoresWanted};
use super::words;
use crate::board::{Board, Figures, Query, lock};
use crate::http::{Answer, Check, JudgementQuestion, Refused, View};
use crate::net::ListenerState;
use hj212::Deviation;
use hj212_interpret as interpret;
use hj212_journal::{Disk, Health, Journal, OsDisk};
use hj212_model::clock;
use hj212_model::message::{RejectReason, Timestamp};
use hj212_model::telemetry::{Counter, Expiry, Telemetry, Timing};
use hj212_mqtt as mqtt;

/// How old counts of stations may be.
const COUNTED_EVERY: Duration = Duration::from_millis(500);

/// See the head of the file.
pub(super) struct GatewayView {
    pub(super) gateway: String,
    pub(super) started: Instant,
    pub(super) started_at: Timestamp,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) journal: Arc<Journal>,
    pub(super) dir: std::path::PathBuf,
    pub(super) interpret: interpret::Settings,
    pub(super) shared: Arc<ListenerState>,
    pub(super) progress: Arc<Progress>,
    pub(super) pulse: Arc<Liveness>,
    pub(super) broker: watch::Receiver<mqtt::State>,
    pub(super) board: Arc<Mutex<Board>>,
    pub(super) questions: Questions,
    pub(super) dead: Arc<Letters>,
    pub(super) push: Arc<Pusher>,
    pub(super) token_file: Option<std::path::PathBuf>,
    pub(super) log: Option<LogSwitch>,
    pub(super) counted: Mutex<Option<(Instant, Value, Value)>>,
    pub(super) reload_refused: AtomicBool,
}

/// Changes `log.level`; gives the one of before.
pub type LogSwitch = Box<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

impl std::fmt::Debug for GatewayView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayView").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl GatewayView {
    fn backlog(&self) -> u64 {
        self.journal.tail().durable().0.saturating_sub(self.progress.delivered.load(Ordering::Relaxed))
    }

    fn journal_state(&self) -> &'static str {
        match self.journal.health() {
            Health::Good => "good",
            Health::Full => "full",
            Health::Failed => "failed",
        }
    }

    /// What was found damaged since the start, in words.
    fn damage(&self) -> Option<String> {
        let count = |counter| self.telemetry.get(counter);
        let lost = count(Counter::JournalLost).max(count(Counter::UplinkLost));
        let (unreadable, breaks) = (count(Counter::JournalUnreadable), count(Counter::JournalBreaks));
        (lost + unreadable + breaks > 0).then(|| {
            format!(
                "{lost} records lost, {unreadable} ranges that cannot be read, {breaks} breaks of the chain since the start; the log names them, \
                 quarantine/ has copies; a restart takes this as seen"
            )
        })
    }

    /// Counts of stations and regions, counted at most once in [`COUNTED_EVERY`] for all viewers.
    fn counted(&self) -> (Value, Value) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, counts, regions)) = &*counted
            && at.elapsed() < COUNTED_EVERY
        {
            return (counts.clone(), regions.clone());
        }
        let (counts, regions) = {
            let board = lock(&self.board);
            (board.counts(), json!(board.regions()))
        };
        *counted = Some((Instant::now(), counts.clone(), regions.clone()));
        (counts, regions)
    }

    fn connected(&self) -> bool {
        self.broker.borrow().is_up()
    }

    /// Messages that were set aside, in words. They are no reason not to be ready: everything else goes on.
    fn dead_letters(&self) -> Option<String> {
        match self.dead.newest() {
            (_, None, 0) => None,
            (_, None, dropped) => Some(format!(
                "{dropped} messages that were not taken have fallen out of the list; hj212-gateway dead-letters replay publishes them"
            )),
            (count, Some(newest), dropped) => Some(format!(
                "{count} messages were not taken by the broker, {} of them since the start, the last for {} ({}){}; see hj212-gateway \
                 dead-letters list",
                self.telemetry.get(Counter::MqttSetAside),
                newest.topic,
                newest.why,
                if dropped > 0 { format!("; {dropped} more have fallen out of the list") } else { String::new() }
            )),
        }
    }

    fn why_not_connected(&self) -> Option<String> {
        match &*self.broker.borrow() {
            mqtt::State::Connected => None,
            mqtt::State::Hampered { why } => Some(why.clone()),
            mqtt::State::Connecting { last_error } => last_error.clone(),
            mqtt::State::Refusing { why } => Some(format!("connected, but it takes nothing: {why}")),
        }
    }
}

impl View for GatewayView {
    fn health(&self) -> Vec<Check> {
        let record = format!("record {}, ", self.progress.interpreted.load(Ordering::Relaxed));
        let ended = self.progress.ended.load(Ordering::Relaxed);
        vec![
            ready::thread("journal-writer", self.pulse.still(), false, ""),
            ready::thread("uplink", self.progress.pulse.still(), ended, &record),
        ]
    }

    fn ready(&self) -> Vec<Check> {
        let mut checks = vec![
            ready::journal(self.journal.health()),
            ready::damage(self.damage()),
            ready::backlog(self.backlog(), self.connected(), self.why_not_connected()),
            ready::dead_letters(self.dead_letters()),
        ];
        checks.extend(self.push.figures().iter().map(ready::push));
        checks
    }

    fn words(&self) -> Value {
        words::by_code()
    }

    fn metrics(&self) -> String {
        let mut text = Text::default();
        for counter in Counter::ALL {
            text.metric("counter", counter.name(), counter.meaning());
            text.line(&format!("{}_total", counter.name()), "", self.telemetry.get(*counter));
        }
        text.metric("counter", "deviations", "departures from the standard that were read over");
        for deviation in Deviation::ALL {
            let label = format!("{{code=\"{}\"}}", deviation.code());
            text.line("deviations_total", &label, self.telemetry.deviations(*deviation));
        }
        text.metric("counter", "rejected", "things that were refused, by reason");
        for reason in RejectReason::ALL {
            let label = format!("{{reason=\"{}\"}}", reason.code());
            text.line("rejected_total", &label, self.telemetry.rejections(*reason));
        }
        for timing in Timing::ALL {
            text.histogram(*timing, &self.telemetry);
        }
        let gauges: [(&str, &str, u64); 11] = [
            ("stations_registered", "stations that are registered", self.shared.registry().len() as u64),
            ("connections", "connections that are open", self.shared.connections() as u64),
            ("stations_online", "stations that are connected", self.shared.stations_online() as u64),
            ("frames_in_flight", "frames on their way to disk or to their answer", self.shared.in_flight() as u64),
            ("journal_records_held", "records from the oldest that is kept to the newest", {
                (self.journal.tail().durable().0 + 1).saturating_sub(self.journal.first().0)
            }),
            ("journal_offset", "the newest durable record", self.journal.tail().durable().0),
            ("uplink_offset", "the last record that is delivered with all before it", {
                self.progress.delivered.load(Ordering::Relaxed)
            }),
            ("backlog_records", "records that wait for the broker", self.backlog()),
            ("journal_good", "1 while records can be stored", u64::from(self.journal.health() == Health::Good)),
            ("dead_letters", "messages set aside and not replayed yet", self.dead.waiting()),
            ("mqtt_connected", "1 while there is a connection to the broker", u64::from(self.connected())),
        ];
        for (name, meaning, value) in gauges {
            text.metric("gauge", name, meaning);
            text.line(name, "", value);
        }
        let waits = self.backlog() > 0;
        let since = Timestamp(self.progress.delivered_time.load(Ordering::Relaxed));
        let age = (waits && since.0 > 0).then(|| clock::now().0.saturating_sub(since.0) / 1_000_000);
        text.metric(
            "gauge",
            "backlog_age_seconds",
            "how old the last record is that the broker has taken, while others wait; else 0",
        );
        text.line("backlog_age_seconds", "", u64::try_from(age.unwrap_or(0)).unwrap_or(0));
        if let Ok(free) = OsDisk.free_space(&self.dir) {
            text.metric("gauge", "disk_free_bytes", "free space of the journal's file system");
            text.line("disk_free_bytes", "", free);
        }
        text.metric("gauge", "reload_good", "0 after a reload whose files were wrong, so that nothing was changed");
        text.line("reload_good", "", u64::from(!self.reload_refused.load(Ordering::Relaxed)));
        text.metric("gauge", "certificate_expires_seconds", "when a certificate ends, seconds since 1970");
        for expiry in Expiry::ALL {
            if let Some(at) = self.telemetry.expiry(*expiry) {
                let label = format!("{{certificate=\"{}\"}}", expiry.name());
                text.line("certificate_expires_seconds", &label, u64::try_from(at).unwrap_or(0));
            }
        }
        shown::metrics(&mut text, &self.push.figures());
        text.metric("gauge", "start_time_seconds", "when the process started, seconds since 1970");
        text.line("start_time_seconds", "", u64::try_from(self.started_at.0 / 1_000_000).unwrap_or(0));
        text.metric("gauge", "build_info", "always 1; the version is the label");
        text.line("build_info", &format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1);
        text.end()
    }

    fn station_metrics(&self) -> String {
        let board = lock(&self.board);
        let mut all = Vec::new();
        board.figures(|figures| all.push(figures));
        let figures = |text: &mut Text, name: &str, of: &dyn Fn(&Figures<'_>) -> Option<String>| {
            for figures in &all {
                // An MN is letters, digits, '_' and '-': nothing to escape.
                let label = format!("{{mn=\"{}\"}}", figures.mn);
                if let Some(value) = of(figures) {
                    text.line(name, &label, value);
                }
            }
        };
        let mut text = Text::default();
        text.metric("gauge", "station_registered", "1 if the station is registered");
        figures(&mut text, "station_registered", &|of| Some(u8::from(of.registered).to_string()));
        text.metric("gauge", "station_online", "1 while the station is connected");
        figures(&mut text, "station_online", &|of| Some(u8::from(of.online).to_string()));
        text.metric("counter", "station_refused", "frames of the station that were refused");
        figures(&mut text, "station_refused_total", &|of| Some(of.refused.to_string()));
        text.metric(
            "gauge",
            "station_last_seen_seconds",
            "when the station was heard last, seconds since 1970, renewed with its card",
        );
        figures(&mut text, "station_last_seen_seconds", &|of| {
            of.last_seen.map(|at| at.0.div_euclid(1_000_000).to_string())
        });
        text.metric(
            "gauge",
            "station_clock_offset_seconds",
            "the station's clock against ours, the median of its last frames; positive: ahead",
        );
        figures(&mut text, "station_clock_offset_seconds", &|of| of.offset.map(|ms| (ms as f64 / 1000.0).to_string()));
        text.metric("gauge", "station_marks", "marks that hold at the station");
        figures(&mut text, "station_marks", &|of| Some(of.marks.to_string()));
        text.metric(
            "gauge",
            "station_completeness_ratio",
            "share of the records of the last day that is over, by kind, 0 to 1",
        );
        for figures in &all {
            for (kind, rate) in &figures.completeness {
                text.line("station_completeness_ratio", &format!("{{mn=\"{}\",kind=\"{kind}\"}}", figures.mn), rate);
            }
        }
        text.end()
    }

    fn overview(&self) -> Value {
        let counters: Value =
            Counter::ALL.iter().map(|counter| (counter.name(), json!(self.telemetry.get(*counter)))).collect();
        let rejected = RejectReason::ALL.iter().map(|reason| (reason.code(), self.telemetry.rejections(*reason)));
        let rejected: Value = rejected.filter(|(_, n)| *n > 0).map(|(code, n)| (code, json!(n))).collect();
        let (classes, micros) = self.telemetry.timing(Timing::Commit);
        let commits = classes.iter().sum::<u64>().max(1);
        let backlog = self.backlog();
        let oldest = Timestamp(self.progress.delivered_time.load(Ordering::Relaxed));
        let (counts, regions) = self.counted();
        json!({
            "gateway": self.gateway,
            "writable": self.token_file.is_some(),
            "version": env!("CARGO_PKG_VERSION"),
            "seconds": self.started.elapsed().as_secs(),
            "stations": counts,
            "regions": regions,
            "connections": self.shared.connections(),
            "counters": counters,
            "rejected": rejected,
            "journal": {
                "health": self.journal_state(),
                "records": self.journal.tail().durable().0,
                "interpreted": self.progress.interpreted.load(Ordering::Relaxed),
                "backlog": backlog,
                "damage": self.damage(),
                "oldest": (backlog > 0 && oldest.0 > 0).then(|| oldest.to_rfc3339()),
                "commit_ms": micros as f64 / 1000.0 / commits as f64,
            },
            "broker": { "connected": self.connected(), "why": self.why_not_connected() },
            "dead_letters": { "count": self.dead.waiting(), "newest": self.dead.newest().1 },
            "push": self.push.figures().iter().map(shown::in_json).collect::<Vec<_>>(),
        })
    }

    fn stations(&self, query: &Query) -> Value {
        // Written when the board is free again.
        let page = lock(&self.board).page(query);
        page.view()
    }

    fn station(&self, mn: &str) -> Option<String> {
        lock(&self.board).station(mn)
    }

    fn history(&self, mn: &str, hours: u32) -> String {
        let keys = self.progress.keys_of(mn);
        let station = history::Station { mn, registry: &self.shared.registry(), settings: &self.interpret, keys };
        history::read(&self.dir, station, hours, &history::Limits::default()).unwrap_or_else(|error| {
            tracing::warn!(mn, %error, "a history cannot be read");
            json!({ "error": error.to_string(), "hours": hours, "series": [], "frames": [], "complete": false })
                .to_string()
        })
    }

    fn rejected(&self) -> Value {
        Value::Array(lock(&self.board).refusals())
    }

    fn judged(&self, asked: JudgementQuestion) -> Answer {
        let questions = self.questions.clone();
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let answer = questions.ask(move |interpreter| answered(interpreter, &asked)).await;
            let mut known = answer.map_err(|why| why.to_string())?;
            for list in ["alerts", "cases"] {
                let all = known.as_mut().and_then(|known| known.get_mut(list)?.as_array_mut());
                all.into_iter().flatten().for_each(|one| name(&shared, one));
            }
            known.iter_mut().for_each(|one| name(&shared, one));
            Ok(known)
        })
    }

    fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    fn turned_away(&self, peer: Option<SocketAddr>) {
        self.telemetry.count(Counter::HttpRefused);
        // With the address, so that nobody fills the log with it.
        let peer = peer.map(tracing::field::display);
        tracing::warn!(peer, "somebody without the token of http.token_file wanted to change what is logged");
    }

    fn wires(&self) -> Value {
        let chosen = self.shared.wires().chosen(clock::now());
        chosen.into_iter().map(|(mn, until)| json!({ "mn": mn, "until": until.to_rfc3339() })).collect()
    }

    fn wire(&self, mn: &str, time: Duration) -> Result<Value, Refused> {
        let now = clock::now();
        if time.is_zero() {
            let was = self.shared.wires().release(mn, now);
            tracing::info!(mn, was, "the wire log of a station is switched off");
            return Ok(json!({ "mn": mn, "until": null }));
        }
        if self.shared.registry().find(mn.as_bytes()).is_none() {
            return Err(Refused::Unknown(format!("no station {} is registered", mn.escape_debug())));
        }
        let until = self.shared.wires().choose(mn, time, now).map_err(|full| Refused::Full(full.to_string()))?;
        let until = until.to_rfc3339();
        tracing::info!(mn, until, "every frame of a station is logged");
        Ok(json!({ "mn": mn, "until": until }))
    }

    fn log(&self, level: &str) -> Result<Value, Refused> {
        let switch = self.log.as_ref().ok_or_else(|| Refused::Unknown("this process does not log by level".into()))?;
        // Said before, too: the new level may say nothing of it.
        tracing::warn!(level, "log.level is to be changed until the next reload");
        let before = switch(level).map_err(Refused::Wrong)?;
        tracing::warn!(level, before, "log.level is changed");
        Ok(json!({ "level": level, "before": before }))
    }
}

/// Adds the name and the region of the station that `one` is about.
fn name(shared: &ListenerState, one: &mut Value) {
    let registry = shared.registry();
    let station = one.get("mn").and_then(Value::as_str).and_then(|mn| registry.find(mn.as_bytes()));
    if let (Some(station), Some(one)) = (station, one.as_object_mut()) {
        one.insert("name".into(), station.facts.name.as_str().into());
        one.insert("region".into(), json!(station.facts.tags.get("region")));
    }
}

/// What is known of what is asked of judgement.
fn answered(interpreter: &interpret::Interpreter, asked: &JudgementQuestion) -> Option<Value> {
    match asked {
        JudgementQuestion::Alerts => Some(judged::alerts(interpreter)),
        JudgementQuestion::Cases => Some(judged::cases(interpreter)),
        JudgementQuestion::Case(mn, id) => {
            let case = interpreter.cases().get(mn, id)?;
            let mut view = judged::case(&hj212_cases::Rules::built_in(), case);
            let stand_in = interpreter.alert_rules().is_some_and(|rules| rules.placeholder) && !case.alerts.is_empty();
            if let Some(view) = view.as_object_mut() {
                view.insert("placeholder".into(), stand_in.into());
            }
            Some(view)
        }
        JudgementQuestion::Scores(month) => {
            let month = match month {
                Some(month) => Some(hj212_scores::MonthNumber::read(month)?),
                None => None,
            };
            Some(scored::sheet(interpreter, &ScoresWanted { month, ..ScoresWanted::default() }))
        }
        JudgementQuestion::Days(mn) => judged::days(interpreter, mn),
        JudgementQuestion::Day(mn, day) => judged::day_of(interpreter, mn, hj212_judgement::calendar::read(day)?),
    }
}
