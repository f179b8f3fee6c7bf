//! What a run is asked to do: the arguments of `hj212-gateway simulate`, and the rules they obey.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

mod check;

pub use check::OptionError;

use super::faults::Faults;
use super::station_behaviour::StationBehaviour;
use super::subject::Subject;
use super::words::time;
use hj212::Edition;

/// The arguments of a run. [`Options::default`] is the only source of defaults.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Options {
    /// Where the gateway listens. May be left out with --print-stations.
    #[arg(long, value_name = "HOST:PORT", default_value_t = Options::default().connect)]
    pub connect: String,

    /// How many stations (MNs) to simulate.
    #[arg(long, value_name = "N", default_value_t = Options::default().stations, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub stations: u32,

    /// How many stations share one TCP connection, as behind an aggregating platform.
    #[arg(long, value_name = "K", default_value_t = Options::default().per_connection, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub per_connection: u32,

    /// How many TCP connections the stations share; sets --per-connection. With fewer stations than connections there is one
    /// station for each connection.
    #[arg(long, value_name = "C", conflicts_with = "per_connection", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: Option<u32>,

    /// Time between two realtime records (CN 2011) of a station, on the wall clock. Every tenth comes with the state of the
    /// equipment (CN 2021).
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub interval: Duration,

    /// How long stations make records; 0s: until stopped. Afterwards they have --drain to get their last answers.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub duration: Duration,

    /// How long to wait, after the duration, for the answers that are still due.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub drain: Duration,

    /// How many times as fast as the wall clock the simulated day runs. Default: a day and an hour within --duration, so that minute,
    /// hour and day records all appear; 1 when the duration is 0s.
    #[arg(
        long,
        value_name = "FACTOR",
        long_help = "How many times as fast as the wall clock the simulated day runs.\n\n\
            Minute (CN 2051), hour (2061) and day records (2031) are made when their period ends in simulated time, and their \
            DataTime is simulated time. The simulated clock is set so that it meets the wall clock when the run ends: records are \
            dated in the past, never in the future. QN always shows the wall clock, as a logger that re-uploads old records would. \
            Realtime records follow --interval on the wall clock.\n\n\
            Default: a day and an hour within --duration, so that a midnight always falls into it and all kinds appear \
            (with --duration 60s: 1500). 1 is real time, and the \
            default when the duration is 0s."
    )]
    pub speed: Option<f64>,

    /// MinInterval, the period of minute records, in simulated minutes: 1 2 3 4 5 6 10 12 15 20 30.
    #[arg(long, value_name = "MINUTES", default_value_t = Options::default().min_interval)]
    pub min_interval: u32,

    /// All stations sample at the same moments, as loggers with good clocks do, instead of spread over the interval.
    #[arg(long)]
    pub aligned: bool,

    /// The edition the stations speak: 2005, 2017 or 2025; several with commas are dealt out in turn.
    #[arg(long, value_name = "YEAR", value_delimiter = ',', default_value = "2017", value_parser = edition)]
    pub edition: Vec<Edition>,

    /// What the stations monitor: air (ST 31), water (32), power (44) or condition (45); several with commas are dealt out in
    /// turn. Default: air,water; power and condition too for 2025, which alone knows them.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = Subject::from_str)]
    pub mix: Vec<Subject>,

    /// What goes wrong: names with commas, each with an optional rate from 0 to 1, as crc-wrong=0.01,half-open. "list" explains
    /// them.
    #[arg(
        long,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true,
        value_parser = Faults::from_str,
        long_help = format!(
            "What goes wrong: names with commas, each with an optional rate from 0 to 1 (default 0.1), as \
            crc-wrong=0.01,half-open. \"station\" faults are habits of that share of the stations, \"record\" faults befall that \
            share of the records and stay through re-sends, \"send\" faults that share of transmissions, \"command\" faults \
            that share of the host's commands:\n\n{}",
            Faults::catalogue()
        )
    )]
    pub faults: Faults,

    /// Throughput mode: frames a second in all, or "max". Every connection has one frame in flight.
    #[arg(
        long,
        value_name = "N|max",
        long_help = "Throughput mode: frames a second in all, or \"max\" for as many as are answered.\n\n\
            Instead of a logger's day every connection sends realtime and minute records one after the other, one in flight, and \
            the answers are timed. --interval, --speed, --faults and --keep have no effect; time-outs, --ledger and --sent do."
    )]
    pub rate: Option<Rate>,

    /// How many new connections a second are made.
    #[arg(long, value_name = "N", default_value_t = Options::default().ramp, value_parser = clap::value_parser!(u32).range(1..))]
    pub ramp: u32,

    /// Throughput mode: answer times count from this long after the last connection was due.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub settle: Duration,

    /// Local addresses to connect from, with commas, taken in turn: more than 28,000 connections to one port need several.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub bind: Vec<IpAddr>,

    /// How long a station waits for an answer before it sends the same packet again (HJ 212-2017, 6.2: 10 s).
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub answer_timeout: Duration,

    /// How often a packet is sent again before the station gives the connection up (HJ 212-2017, 6.2: 3).
    #[arg(long, value_name = "N", default_value_t = Options::default().resends)]
    pub resends: u32,

    /// The first pause before a new connection; it doubles with each failure up to --reconnect-max.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub reconnect_min: Duration,

    /// The longest pause before a new connection.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub reconnect_max: Duration,

    /// How many unanswered records a station keeps. Beyond that the oldest realtime and state records go first.
    #[arg(long, value_name = "N", default_value_t = Options::default().keep)]
    pub keep: usize,

    /// The pause between two re-uploads of kept records after an outage; fresh records go first.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = time)]
    pub pace: Duration,

    /// What the MNs begin with; the station's number follows. Hexadecimal, at most 16 characters; only digits and at most 8 of
    /// them for edition 2005.
    #[arg(long, value_name = "TEXT", default_value_t = Options::default().mn_prefix)]
    pub mn_prefix: String,

    /// The number of the first station: lets several simulators share one registry.
    #[arg(long, value_name = "N", default_value_t = Options::default().first)]
    pub first: u32,

    /// PW of all stations: six letters or digits.
    #[arg(long, value_name = "PW", default_value_t = Options::default().password)]
    pub password: String,

    /// What values, faults and phases follow from: the same seed gives the same run.
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    pub seed: u64,

    /// Appends a line for each acknowledged frame, after its answer has arrived: MN, QN, CN, DataTime and CRC-32 of the segment,
    /// with tabs between.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,

    /// Appends the same line for each packet when it is sent for the first time.
    #[arg(long, value_name = "FILE")]
    pub sent: Option<PathBuf>,

    /// Time between two lines of progress.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub progress: Duration,

    /// How stations take commands.
    #[command(flatten)]
    pub behaviour: StationBehaviour,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connect: "127.0.0.1:9002".to_owned(),
            stations: 10,
            per_connection: 1,
            connections: None,
            interval: Duration::from_secs(30),
            duration: Duration::from_secs(60),
            drain: Duration::from_secs(5),
            speed: None,
            min_interval: 10,
            aligned: false,
            edition: vec![Edition::V2017],
            mix: Vec::new(),
            faults: Faults::default(),
            rate: None,
            ramp: 1_000,
            settle: Duration::ZERO,
            bind: Vec::new(),
            answer_timeout: Duration::from_secs(10),
            resends: 3,
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(30),
            keep: 1_000,
            pace: Duration::from_millis(100),
            mn_prefix: "0212".to_owned(),
            first: 1,
            password: "123456".to_owned(),
            seed: 1,
            ledger: None,
            sent: None,
            progress: Duration::from_secs(5),
            behaviour: StationBehaviour::default(),
        }
    }
}

/// How fast the throughput mode sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// The next frame as soon as the last one is answered.
    Max,
    /// Frames a second over all connections.
    PerSecond(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Rate::Max);
        }
        let wrong = || format!("\"{text}\" is no rate: write frames a second, as 20000, or max");
        let rate: f64 = text.parse().map_err(|_| wrong())?;
        if (0.01..=1e9).contains(&rate) { Ok(Rate::PerSecond(rate)) } else { Err(wrong()) }
    }
}

/// Seconds of the time that passes within a run by default: it holds a midnight with an hour to spare, whenever it starts.
const DAY_AND_HOUR: f64 = 90_000.0;

impl Options {
    /// How many stations there will be: at least one for each connection.
    #[must_use]
    pub fn station_count(&self) -> u32 {
        self.stations.max(self.connections.unwrap_or(0))
    }

    /// How many connections there will be.
    #[must_use]
    pub fn connection_count(&self) -> u32 {
        self.connections.unwrap_or_else(|| self.station_count().div_ceil(self.per_connection.max(1)))
    }

    /// The speed of the simulated day; see the option.
    #[must_use]
    pub fn effective_speed(&self) -> f64 {
        match self.speed {
            Some(speed) => speed,
            None if self.duration.is_zero() => 1.0,
            None => (DAY_AND_HOUR / self.duration.as_secs_f64()).max(1.0),
        }
    }
}

fn edition(text: &str) -> Result<Edition, String> {
    [Edition::V2005, Edition::V2017, Edition::V2025]
        .into_iter()
        .find(|edition| edition.year() == text)
        .ok_or_else(|| format!("\"{text}\" is no edition: write 2005, 2017 or 2025"))
}

#[cfg(test)]
mod tests;
