//! Arguments and exit codes. The names here are stable: scripts rely on them.
//!
//! Exit codes (sysexits): 0 done, 1 found something wrong (`decode`, `send`, `journal verify`), 64 usage, 69 something needed is not there,
//! 70 a fault of ours, 74 input or output failed, 75 try again later, 78 the configuration is bad.

mod alerts;
mod cases;
mod check;
mod command;
mod commands;
mod dead_letters;
mod decode;
#[cfg(feature = "demo")]
mod demo;
mod drill;
mod encode;
mod evidence;
mod examples;
mod factors;
mod gaps;
mod generate;
mod journal;
mod judge;
mod keys;
mod known;
mod leads;
mod ledger;
mod log;
mod marks;
mod online;
mod push;
mod replay;
mod run;
mod score;
mod seal;
mod send;
mod show;
mod simulate;
mod stations;
mod working;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// The configuration where packages put it: what `--config` is if it is left out.
const CONFIG_FILE: &str = "/etc/hj212-gateway/gateway.toml";
/// The configuration is bad (EX_CONFIG).
const CONFIG: u8 = 78;
/// Reading or writing failed (EX_IOERR).
const IO: u8 = 74;
/// Try again later: another gateway runs, the address is in use (EX_TEMPFAIL).
const AGAIN: u8 = 75;
/// A fault of ours (EX_SOFTWARE).
const FAULT: u8 = 70;
/// Something that is needed is not there (EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// The arguments are wrong (EX_USAGE).
const USAGE: u8 = 64;

#[derive(Debug, Parser)]
#[command(
    name = "hj212-gateway",
    version = env!("HJ212_VERSION"),
    about = "A gateway for HJ 212 data loggers (数采仪): nothing acknowledged is ever lost",
    long_about = "Accepts on-site data loggers that speak HJ 212 (2005, 2017, 2025) over TCP, keeps what they say on disk before \
                  answering, and publishes it to MQTT.\n\n接收 HJ 212 数采仪的数据,先落盘后应答,再发布到 MQTT。",
    after_help = "Exit codes: 0 done; 1 something wrong was found; 64 usage; 69 not reachable; 70 internal fault; 74 input/output; 75 try again; 78 configuration."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gateway; SIGTERM drains and leaves within 5 s
    Run {
        /// The configuration file; the one that comes with the gateway shows every setting
        #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
        config: PathBuf,
    },
    /// Checks the configuration and every file it names; exit code 78 when something is wrong
    Check(check::Options),
    /// Stations from a table and into one: CSV of Excel, GBK or UTF-8 (站点表导入、导出)
    #[command(subcommand)]
    Stations(stations::Command),
    /// Explains frames field by field (逐字段解释数据包)
    Decode(decode::Options),
    /// Builds a frame from its fields: length, CRC, parts, encryption (组包)
    Encode(encode::Options),
    /// Sends frames, waits for the answers and explains them (发送并解释应答)
    Send(send::Options),
    /// What a code is: in each generation, its aliases, its unit (因子编码查询)
    Factors(factors::Options),
    /// Software stations that behave like real loggers, for trials and load
    Simulate(Box<simulate::Options>),
    /// Accidents and falsifications played against a gateway, and a scoring sheet (实战演练)
    #[command(subcommand)]
    Drill(drill::DrillCommand),
    /// Asks a station for something and watches what becomes of it (反控)
    #[command(name = "command")]
    Ask(Box<command::Options>),
    /// What was asked of stations and what became of it (命令列表)
    #[command(subcommand)]
    Commands(commands::Command),
    /// Publishes again from the journal
    Replay(replay::Options),
    /// Messages that the broker would not take, set aside so that others could go on (死信)
    #[command(name = "dead-letters", subcommand)]
    Letters(dead_letters::Command),
    /// Seals a password or key for a request (密封密码)
    Seal(seal::Options),
    /// The keys of encrypted stations, without the keys (密钥一览)
    #[command(subcommand)]
    Keys(keys::Command),
    /// How much of each day has arrived, and what is missing (传输率与缺口)
    Gaps(gaps::Options),
    /// Looks into a journal; works beside a running gateway
    #[command(subcommand)]
    Journal(journal::Command),
    /// Cases from the alert to the close: list, show, take a step (案件闭环)
    #[command(subcommand)]
    Cases(cases::Command),
    /// What operation companies did at stations: the electronic ledger (运维台账)
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Scorecards of stations and operation companies, by month (月评分)
    Score(score::ScoreOptions),
    /// A station's records with proof, in a file that anybody can check offline (证据包)
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Says whether limits were met, from the journal (达标判定)
    #[command(subcommand)]
    Judge(judge::Command),
    /// What an inspector should look at (数据线索)
    #[command(subcommand)]
    Leads(leads::Command),
    /// The alerts that are open (预警)
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// Who is told beside the broker: webhooks, office robots, mail (推送)
    #[command(subcommand)]
    Push(push::PushCommand),
    /// Says why readings are marked, from the journal (标记说明)
    #[command(subcommand)]
    Marks(marks::Command),
    /// Manual pages and completions, for packages
    #[command(hide = true)]
    Generate(generate::Options),
    /// The whole thing with no set-up: broker, gateway, stations; readings printed as they arrive
    #[cfg(feature = "demo")]
    Demo(demo::Options),
}

/// The command line with its examples.
fn command_line() -> clap::Command {
    examples::with_examples(Arguments::command())
}

/// Runs the command line and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = command_line().try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is not worth a word.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let code = match arguments.command {
        Command::Run { config } => run::run(&config),
        Command::Check(options) => check::check(&options),
        Command::Stations(command) => stations::stations(&command),
        Command::Generate(options) => generate::generate(&options),
        Command::Decode(options) => decode::decode(&options),
        Command::Encode(options) => encode::encode(&options),
        Command::Send(options) => send::send(&options),
        Command::Factors(options) => factors::factors(&options),
        Command::Simulate(options) => simulate::simulate(*options),
        Command::Drill(command) => drill::drill(&command),
        Command::Ask(options) => command::command(&options),
        Command::Commands(command) => commands::commands(&command),
        Command::Replay(options) => replay::replay(&options),
        Command::Letters(command) => dead_letters::letters(&command),
        Command::Seal(options) => seal::seal(&options),
        Command::Keys(command) => keys::keys(&command),
        Command::Gaps(options) => gaps::gaps(&options),
        Command::Journal(command) => journal::journal(&command),
        Command::Cases(command) => cases::cases(&command),
        Command::Evidence(command) => evidence::evidence(&command),
        Command::Judge(command) => judge::judge(&command),
        Command::Alerts(command) => alerts::alerts(&command),
        Command::Push(command) => push::push(&command),
        Command::Score(options) => score::score(&options),
        Command::Ledger(command) => ledger::ledger(&command),
        Command::Leads(command) => leads::leads(&command),
        Command::Marks(command) => marks::marks(&command),
        #[cfg(feature = "demo")]
        Command::Demo(options) => demo::demo(&options),
    };
    ExitCode::from(code)
}

/// Says on standard error what went wrong. Where nobody hears it, the exit code says it.
fn complain(what: &dyn std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "hj212-gateway: {what}");
}

/// Says a line on standard output, as [`say`].
macro_rules! tell {
    ($($text:tt)*) => { $crate::cli::say(&(format!($($text)*) + "\n")) };
}
use tell;

/// Says on standard output what was asked for; the exit code. A reader that has gone (`| head`) has gone by right.
fn say(text: &str) -> u8 {
    use std::io::{ErrorKind, Write};
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => 0,
        Err(error) => {
            complain(&format!("standard output: {error}"));
            IO
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_contradict_nothing() {
        super::command_line().debug_assert();
    }
}
