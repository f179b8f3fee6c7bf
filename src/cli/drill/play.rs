//! Plays a drill: a task for each station's line, one that listens to the broker, and the sheet at the end.
//!
//! What must stay true: a station says its next record only after the answer to the last one; nothing is ever published; what was found is judged by
//! [`hj212_drill::DrillWatch`] alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::{FAULT, IO, UNAVAILABLE, USAGE, complain, say, tell};
use super::{MISSED, PlayOptions};
use crate::config;
use hj212::PacketFlags;
use hj212::write::Segment;
use hj212_drill::{
    Drill, DrillStation, DrillWatch, LineStep, PASSWORD, Playing, ScoreSheet, StepKind, begins, course, drill_time,
    last_minutes, script,
};
use hj212_model::clock;
use hj212_model::message::time::{BEIJING_OFFSET_SECONDS, civil};
use hj212_model::message::{Timestamp, Topic};
use hj212_mqtt::{self as mqtt, Inbox, Incoming, Subscription};
use hj212_simulator::{LineError, ToldLine};

/// How long the broker may take to grant the subscription.
const SUBSCRIBED_MAX: Duration = Duration::from_secs(20);
/// After all has come it is quiet for so long: then nothing more comes that must not.
const QUIET: Duration = Duration::from_secs(2);
/// The fastest drill.
const SPEED_MAX: f64 = 100_000.0;

pub(super) fn play(options: &PlayOptions, drill: &Drill) -> u8 {
    let speed = options.speed.unwrap_or(drill.speed);
    if !(1.0..=SPEED_MAX).contains(&speed) {
        complain(&format!("--speed {speed}: 写 1 至 100000 write 1 to 100000"));
        return USAGE;
    }
    let broker = match broker(options) {
        Ok(broker) => broker,
        Err(code) => return code,
    };
    let playing = Playing { begins: begins(drill.begin, drill.length, speed, clock::now()), speed };
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else { return FAULT };
    let stop = CancellationToken::new();
    let done = runtime.block_on(async {
        let interrupted = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        played(options, drill, playing, broker, &stop).await
    });
    match done {
        Ok(Some(sheet)) => told(options, &sheet),
        Ok(None) => tell!("演练结束,未评分(没有 --mqtt) played; not scored, for no broker was named"),
        Err(code) => code,
    }
}

/// The broker that is to be listened to, if any.
fn broker(options: &PlayOptions) -> Result<Option<mqtt::Settings>, u8> {
    let settings = if let Some(file) = &options.config {
        let loaded = config::load(file).map_err(|problems| {
            complain(&problems);
            super::CONFIG
        })?;
        loaded.config.mqtt
    } else if let Some(address) = &options.mqtt {
        let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let Some((host, port)) = parts else {
            complain(&format!("--mqtt {address}: 写主机和端口 write host and port, as 127.0.0.1:1883"));
            return Err(USAGE);
        };
        mqtt::Settings { host: host.into(), port, prefix: options.prefix.clone(), ..mqtt::Settings::default() }
    } else {
        return Ok(None);
    };
    let client_id = format!("{}-drill-{}", settings.client_id, std::process::id());
    Ok(Some(mqtt::Settings { client_id, ..settings }))
}

/// Plays; the sheet, if a broker was listened to.
async fn played(
    options: &PlayOptions,
    drill: &Drill,
    playing: Playing,
    broker: Option<mqtt::Settings>,
    stop: &CancellationToken,
) -> Result<Option<ScoreSheet>, u8> {
    let mut ear = match &broker {
        Some(settings) => Some(Ear::open(settings, drill, stop).await?),
        None => None,
    };
    let shown = Arc::new(AtomicI64::new(0));
    let scene = Scene { drill, shown: Arc::clone(&shown), is_told: !options.json };
    scene.opens(playing);
    let mut watch = DrillWatch::new(drill, playing);
    let mut lines = lines(options, drill, playing, &shown);
    let mut happened = 0;
    let mut failed = None;
    // The lines play; what is heard meanwhile is looked at.
    loop {
        happened = scene.progress(happened);
        tokio::select! {
            () = stop.cancelled() => break,
            done = lines.join_next() => match done {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    complain(&error);
                    failed = Some(UNAVAILABLE);
                    break;
                }
                Some(Err(_)) => {
                    failed = Some(FAULT);
                    break;
                }
            },
            message = next(&mut ear) => scene.hear(&mut watch, message),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
    lines.shutdown().await;
    if let Some(code) = failed {
        stop.cancel();
        return Err(code);
    }
    let Some(open) = &mut ear else { return Ok(None) };
    shown.store(drill.length, Ordering::Relaxed);
    scene.progress(happened);
    listened(open, &mut watch, &scene, Duration::from_secs(options.patience), stop).await;
    let sheet = ScoreSheet::of(drill, playing, &watch);
    stop.cancel();
    Ok(Some(sheet))
}

/// Listens on until all has come and it is quiet, or patience is over.
async fn listened(
    ear: &mut Ear,
    watch: &mut DrillWatch<'_>,
    scene: &Scene<'_>,
    patience: Duration,
    stop: &CancellationToken,
) {
    let (until, last) = (Instant::now() + patience, last_minutes(scene.drill));
    while !stop.is_cancelled() && Instant::now() < until {
        match timeout(QUIET, ear.inbox.next()).await {
            Ok(message @ Some(_)) => scene.hear(watch, message),
            Ok(None) => return,
            Err(_) if watch.has_all() && watch.has_come(&last) => return,
            Err(_) => {}
        }
    }
}

/// What the trainer sees meanwhile.
struct Scene<'a> {
    drill: &'a Drill,
    /// The minute of the latest step of a station.
    shown: Arc<AtomicI64>,
    /// Not where the sheet alone is wanted, for programs.
    is_told: bool,
}

impl Scene<'_> {
    fn opens(&self, playing: Playing) {
        let Drill { title, story, .. } = self.drill;
        if self.is_told {
            tell!("演练 drill: {}  {}\n{}\n{}", title.zh, title.en, story.zh.trim(), story.en.trim());
            tell!("数据时间从 data from {}，倍速 speed {}\n", playing.begins.to_rfc3339(), playing.speed);
        }
    }

    /// Says each full hour and each event that has begun since `happened` minutes; the minute up to which it was looked.
    fn progress(&self, happened: i64) -> i64 {
        let (drill, now) = (self.drill, self.shown.load(Ordering::Relaxed) + 1);
        for minute in happened..now {
            let time = drill_time(drill.begin, minute);
            if self.is_told && (drill.begin + minute) % 60 == 0 {
                tell!("{time}");
            }
            for event in drill.happenings.iter().filter(|event| self.is_told && event.at == minute) {
                let station = drill.stations.get(event.station).map_or("", |of| of.name.as_str());
                tell!("{time}  {station}  {}  {}", event.name.zh, event.name.en);
            }
        }
        now.max(happened)
    }

    fn hear(&self, watch: &mut DrillWatch<'_>, message: Option<Incoming>) {
        let Some(message) = message else { return };
        let (topic, payload, retained) = (message.topic.clone(), message.payload.clone(), message.retained);
        message.taken();
        // What the broker kept is of before.
        if retained {
            return;
        }
        let (drill, now) = (self.drill, self.shown.load(Ordering::Relaxed));
        let station = drill.stations.iter().find_map(|station| {
            let (_, rest) = topic.split_once(&format!("{}/", station.mn))?;
            Some((station, rest))
        });
        let Some((station, rest)) = station else { return };
        for wanted in watch.hear(&station.mn, rest, &payload, now) {
            let sign = if wanted.never { "✗ 不应出现 must not appear" } else { "✓ 已发现 found" };
            if self.is_told {
                tell!("{}  {sign}: {}  {}", drill_time(drill.begin, now), wanted.name.zh, wanted.name.en);
            }
        }
    }
}

/// Where messages come from.
struct Ear {
    inbox: Inbox,
}

impl Ear {
    async fn open(settings: &mqtt::Settings, drill: &Drill, stop: &CancellationToken) -> Result<Ear, u8> {
        let of_station = |station: &DrillStation| {
            let card = Topic::of_station(&settings.prefix, station.mn.as_bytes()).card();
            format!("{}#", card.strip_suffix("station").unwrap_or(&card))
        };
        let wish = Subscription {
            filters: drill.stations.iter().map(of_station).collect(),
            suffix: String::new(),
            session: Duration::ZERO,
            as_published: false,
            broad: None,
        };
        let (inbox, _listening) = mqtt::subscribe(settings, wish, stop.clone());
        let mut granted = inbox.subscribed();
        if !matches!(timeout(SUBSCRIBED_MAX, granted.wait_for(|granted| *granted)).await, Ok(Ok(_))) {
            complain(&format!(
                "{}:{} 的 MQTT 服务连不上或不允许订阅: the broker cannot be reached, or grants no subscription",
                settings.host, settings.port
            ));
            return Err(UNAVAILABLE);
        }
        drop(granted);
        Ok(Ear { inbox })
    }
}

/// The next message; never, where nothing is listened to.
async fn next(ear: &mut Option<Ear>) -> Option<Incoming> {
    match ear {
        Some(ear) => ear.inbox.next().await,
        None => std::future::pending().await,
    }
}

/// Starts the stations' lines. `shown` is the minute of the latest step.
fn lines(
    options: &PlayOptions,
    drill: &Drill,
    playing: Playing,
    shown: &Arc<AtomicI64>,
) -> JoinSet<Result<(), LineError>> {
    let mut steps: Vec<Vec<LineStep>> = vec![Vec::new(); drill.stations.len()];
    for step in script(drill, &course(drill), playing.begins) {
        if let Some(of_station) = steps.get_mut(step.station) {
            of_station.push(step);
        }
    }
    let (start, mut lines) = (Instant::now(), JoinSet::new());
    for (station, steps) in drill.stations.iter().cloned().zip(steps) {
        let (line, shown) = (ToldLine::new(&options.connect), Arc::clone(shown));
        lines.spawn(line_of(line, station, steps, start, playing.speed, shown));
    }
    lines
}

/// The life of one station.
async fn line_of(
    mut line: ToldLine,
    station: DrillStation,
    steps: Vec<LineStep>,
    start: Instant,
    speed: f64,
    shown: Arc<AtomicI64>,
) -> Result<(), LineError> {
    let mut last = 0;
    for step in steps {
        let due = Duration::from_secs_f64(u32::try_from(step.at).map_or(0.0, f64::from) / speed);
        sleep_until(start + due).await;
        match step.kind {
            StepKind::Down => line.hang_up(),
            StepKind::Up => line.call().await?,
            StepKind::Say { cn, area, again } => {
                // Milliseconds: no two packets of a station have one QN.
                last = (clock::now().0 / 1000).max(last + 1);
                let qn = stamp(last);
                line.tell(&segment(&station, &qn, cn, &area, again), &qn).await?;
            }
        }
        shown.fetch_max(step.at / 60, Ordering::Relaxed);
    }
    Ok(())
}

fn segment(station: &DrillStation, qn: &str, cn: u16, area: &str, again: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let segment = Segment {
        qn: Some(qn.as_bytes()),
        st: Some(station.plant.st().as_bytes()),
        cn: Some(cn),
        pw: Some(PASSWORD.as_bytes()),
        mn: Some(station.mn.as_bytes()),
        flag: Some(PacketFlags(station.edition.flag_bits() | 1)),
        part: None,
        rf: again && station.edition == hj212::Edition::V2025,
        cp: area.as_bytes(),
    };
    segment.write(&mut out);
    out
}

/// QN of a moment, milliseconds since 1970.
fn stamp(millis: i64) -> String {
    let local = Timestamp(millis + i64::from(BEIJING_OFFSET_SECONDS) * 1000).0;
    let (days, rest) = (local.div_euclid(86_400_000), local.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let second = rest / 1000;
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}{:03}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        rest % 1000
    )
}

/// Says and writes the sheet; the exit code.
fn told(options: &PlayOptions, sheet: &ScoreSheet) -> u8 {
    let Ok(json) = serde_json::to_string_pretty(sheet) else { return FAULT };
    if let Some(file) = &options.score {
        let text = match file.extension().and_then(|end| end.to_str()) {
            Some("html") => sheet.html(),
            Some("json") => json.clone() + "\n",
            Some(_) | None => sheet.to_string(),
        };
        if let Err(error) = std::fs::write(file, &text) {
            complain(&format!("{}: 写不了评分表 the sheet cannot be written: {error}", file.display()));
            return IO;
        }
    }
    let code = if options.json { say(&(json + "\n")) } else { say(&format!("\n{sheet}")) };
    match (code, sheet.all_found) {
        (0, true) => 0,
        (0, false) => MISSED,
        (code, _) => code,
    }
}
