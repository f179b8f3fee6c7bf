//! `demo`: the whole way in one process, nothing to set up, nothing left behind.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{FAULT, IO, complain, log};
use crate::config::{Config, Loaded, Log};
use crate::gateway::Running;
use hj212_model::registry;
use hj212_simulator as sim;
use hj212_test_broker::Broker;

/// How many times as fast as the wall clock the stations' clock runs.
const SPEED: u32 = 240;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many stations
    #[arg(long, default_value_t = 3, value_name = "N")]
    stations: u32,
    /// How long to run; without it, until Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,
    /// Where the status page listens; without it, 127.0.0.1:9080 or, where that is taken, a free port
    #[arg(long, value_name = "IP:PORT")]
    page: Option<String>,
    /// Time between two realtime records of a station
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = time)]
    interval: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    hj212_model::settings::duration::parse(text).ok_or_else(|| format!("\"{text}\" is no duration: write 30s or 5min"))
}

pub(super) fn demo(options: &Options) -> u8 {
    log::start(&Log { level: "warn".into(), ..Log::default() });
    let folder = std::env::temp_dir().join(format!("hj212-gateway-demo-{}", std::process::id()));
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else { return FAULT };
    let done = runtime.block_on(play(options, &folder));
    let _ = std::fs::remove_dir_all(&folder);
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain(&error);
            IO
        }
    }
}

async fn play(options: &Options, folder: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::start(std::net::SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let mut messages = broker.messages();
    let mut stations = sim::Options {
        stations: options.stations,
        interval: options.interval,
        // Faster than the wall clock there is an end; nobody watches that long.
        duration: options.duration.unwrap_or(Duration::from_secs(3600)),
        speed: Some(f64::from(SPEED)),
        ..sim::Options::default()
    };
    let mut config = Config::default();
    config.gateway.id = "demo".into();
    config.http.address = options.page.clone().unwrap_or_else(page);
    config.listen.address = vec!["127.0.0.1:0".into()];
    // Enough for a demo, and within what any process may open.
    config.listen.connections_max = crate::net::Places::Most(256);
    config.journal.dir = folder.join("journal");
    config.journal.segment_size = 8 << 20;
    config.mqtt.host = broker.address().ip().to_string();
    config.mqtt.port = broker.address().port();
    let registered = [("the demo's stations".to_owned(), sim::stations_toml(&stations))];
    let registry = registry::load(&registered, registry::Unknown::Reject).map_err(crate::config::Problems)?;
    let loaded = Loaded {
        alerts: Default::default(),
        leads: Default::default(),
        scores: Default::default(),
        config,
        registry,
        factors: Default::default(),
        rules: Default::default(),
        station_files: Vec::new(),
        keys: Vec::new(),
    };

    let stop = CancellationToken::new();
    let gateway = Running::start(loaded, stop.clone()).await?;
    let Some(address) = gateway.addresses().first() else { return Err("no address to listen on".into()) };
    stations.connect = address.to_string();
    let page = gateway.page_address().map_or_else(String::new, |page| format!("http://{page}/"));
    let (broker_at, port) = (broker.address(), broker.address().port());
    said(&format!(
        "page     {page}   the status page 状态页\n\
         broker   mqtt://{broker_at}   (mosquitto_sub -p {port} -v -t 'hj212/v1/#')\n\
         gateway  {address}   journal in {}\n\
         stations {} of them, HJ 212-2017, a reading every {:?}; Ctrl-C ends 按 Ctrl-C 结束\n\
         clock    the stations' clock runs {SPEED} times as fast as the wall clock, so that minute, hour and day records all come: a day\n         \
         passes in {} minutes. It began in the past: times of data are days old. The page's clock is the wall clock.\n         \
         站点时钟以实际的 {SPEED} 倍速运行,以便看到分钟、小时、日数据;数据时间因此是几天以前。\n\n",
        folder.join("journal").display(),
        options.stations,
        options.interval,
        24 * 60 / SPEED,
    ));

    let simulated = tokio::spawn(sim::run(stations, stop.clone(), |_| {}));
    let end = async {
        match options.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => drop(tokio::signal::ctrl_c().await),
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => break,
            message = messages.recv() => match message {
                // Whoever read the lines may have gone (`demo | head`): then the demo ends as well.
                Some(message) if said(&in_words(&message.topic, &message.payload)) => {}
                Some(_) | None => break,
            },
        }
    }
    stop.cancel();
    gateway.finish().await?;
    if let Ok(Ok(summary)) = simulated.await {
        let (answered, p99) = (summary.counts.acked, Duration::from_micros(summary.answer_micros.p99));
        said(&format!(
            "\n{answered} packets answered, each after it was on disk; 99 % of the answers within {p99:?}\n"
        ));
    }
    Ok(())
}

/// Where the page listens: its usual place, or a free port where somebody else has that.
fn page() -> String {
    let usual = crate::http::Settings::default().address;
    if std::net::TcpListener::bind(&usual).is_ok() { usual } else { "127.0.0.1:0".into() }
}

/// Prints; whether anybody still reads.
fn said(text: &str) -> bool {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// One line for people.
fn in_words(topic: &str, payload: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(payload) else { return String::new() };
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let Some(readings) = body["readings"].as_object() else {
        // Cards repeat what readings say; events are news.
        return if topic.contains("/event/") { format!("{topic}\n") } else { String::new() };
    };
    let mut line =
        format!("{}  {}  {:<8}", text("data_time"), body["station"]["name"].as_str().unwrap_or_default(), text("kind"));
    for (code, reading) in readings.iter().take(5) {
        let value = ["rtd", "avg", "rs", "rt", "cou"].iter().find_map(|f| reading.get(*f)).map(ToString::to_string);
        let name = reading["name"].as_str().unwrap_or(code);
        let unit = reading["unit"].as_str().unwrap_or_default();
        line.push_str(&format!("  {name} {}{unit}", value.unwrap_or_default()));
    }
    if readings.len() > 5 {
        line.push_str(&format!("  … {} more", readings.len() - 5));
    }
    line.push('\n');
    line
}
