//! `drill`: accidents and falsifications played against a gateway, and the sheet that says what of them was found.

mod play;

use std::path::PathBuf;

use super::{CONFIG, complain, say};
use hj212_drill::{BUILT_IN, Drill, built_in, read, stations_toml};

/// Something that was to be found was not, or something appeared that must not.
const MISSED: u8 = 1;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "A drill is a TOML file: stations with plants behind them, what happens, and what is to be found (docs/drills.md).\n\
    演练文件写明站点、污染源、事件和应发现的内容。登记演练站点:drill play NAME --stations-toml。\n\n\
    In a training room: register its stations at a gateway that serves nothing else, start it, let the trainees look at the status page, play.\n\
    培训时请用专门的网关,不要用正式网关:演练站点的数据是编造的。"
)]
pub(super) enum DrillCommand {
    /// Lists the drills that come with the gateway (列出自带的演练)
    List,
    /// Prints a drill that comes with the gateway, to write one's own from (打印演练文件,可作样例)
    Show {
        /// Its name, as `drill list` says it
        name: String,
    },
    /// Checks a drill file: every mistake with its line and a remedy; exit code 78 when something is wrong (检查演练文件)
    Check {
        /// The file, or the name of a drill that comes along
        file: String,
    },
    /// Plays a drill, and says what was found; exit code 0 if all was, 1 if not (进行演练并评分)
    Play(Box<PlayOptions>),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The lines are plain TCP: TLS and the PROXY header are not there. The broker is only listened to; of the gateway nothing is asked.\n\
    Faster than real time the data are of days before today, so that none is of the future. With --speed 1 the drill begins now, whatever its begin says.\n\
    A second run on the same day says the same records again: give it --round, which gives the stations other MNs.\n\
    Whether waiting is over is told by what arrives: --patience is how long the last message may take.\n\n\
    快于实时的演练使用以前的日期;--speed 1 时从现在开始。同一天第二次演练请用 --round 换一组 MN。\n\
    Exit codes: 0 all found 全部发现; 1 not all found 未全部发现; 69 gateway or broker not reached 连不上; 74 the sheet cannot be written; 78 the drill file is wrong."
)]
pub(super) struct PlayOptions {
    /// The file, or the name of a drill that comes along
    file: String,
    /// Where the gateway takes its stations
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9002")]
    connect: String,
    /// The broker, to see what is found: host and port; left out: nothing is scored
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
    mqtt: Option<String>,
    /// The gateway's configuration, for its broker (with TLS and password) and its prefix
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// First levels of the gateway's topics
    #[arg(long, value_name = "PREFIX", default_value = "hj212/v1", conflicts_with = "config")]
    prefix: String,
    /// How many times as fast as the wall clock, 1 to 100000; left out: as the drill says
    #[arg(long, value_name = "N")]
    speed: Option<f64>,
    /// Which run of the drill this is, 0 to 99: the 19th and 20th digit of all MNs become that
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=99))]
    round: Option<u8>,
    /// Print the stations and settings that the gateway needs, and do nothing else (打印站点登记)
    #[arg(long)]
    stations_toml: bool,
    /// Write the sheet there too; .html for the printer, .json for programs, else text
    #[arg(long, value_name = "FILE")]
    score: Option<PathBuf>,
    /// Print the sheet as JSON, and nothing meanwhile
    #[arg(long)]
    json: bool,
    /// How long to wait after the last record for what is still to be found, seconds; days are judged once a minute
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    patience: u64,
}

pub(super) fn drill(command: &DrillCommand) -> u8 {
    match command {
        DrillCommand::List => list(),
        DrillCommand::Show { name } => show(name),
        DrillCommand::Check { file } => check(file),
        DrillCommand::Play(options) => match opened(&options.file) {
            Ok(drill) => play(options, drill),
            Err(code) => code,
        },
    }
}

fn list() -> u8 {
    let mut text = String::new();
    for (name, source) in BUILT_IN {
        let Ok(drill) = read(name, source) else { continue };
        text.push_str(&format!(
            "{name}\n  {}\n  {}\n  {} 站 stations, {} h\n",
            drill.title.zh,
            drill.title.en,
            drill.stations.len(),
            drill.length / 60
        ));
    }
    say(&text)
}

fn show(name: &str) -> u8 {
    match built_in(name) {
        Some(text) => say(text),
        None => {
            complain(&format!("没有名为 {name} 的演练 there is no drill {name:?}: hj212-gateway drill list"));
            CONFIG
        }
    }
}

fn check(file: &str) -> u8 {
    match opened(file) {
        Ok(drill) => {
            let words = format!(
                "{file}: 无误 good: {} 站 stations, {} 事件 events, {} 应发现 to be found\n",
                drill.stations.len(),
                drill.happenings.len(),
                drill.wanted.len()
            );
            say(&words)
        }
        Err(code) => code,
    }
}

/// The drill of a file, or of the name of one that comes along; the exit code where there is none.
fn opened(file: &str) -> Result<Drill, u8> {
    let text = match built_in(file) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(file).map_err(|error| {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            complain(&format!(
                "{file}: 读不了 cannot be read: {error}. 自带的演练 drills that come along: {}",
                names.join(", ")
            ));
            CONFIG
        })?,
    };
    read(file, &text).map_err(|problems| {
        problems.iter().for_each(|problem| complain(problem));
        CONFIG
    })
}

fn play(options: &PlayOptions, drill: Drill) -> u8 {
    let drill = match options.round {
        Some(round) => drill.in_round(round),
        None => drill,
    };
    if options.stations_toml {
        return say(&stations_toml(&drill));
    }
    play::play(options, &drill)
}
