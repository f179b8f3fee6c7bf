//! Arguments and exit codes. The names here are stable: scripts rely on them.
//!
//! Exit codes (sysexits): 0 done, 1 found something wrong (`decode`, `journal verify`), 64 usage, 70 a fault of ours, 74 input or
//! output failed.

mod decode;
mod journal;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Reading or writing failed (EX_IOERR).
const IO: u8 = 74;
/// A fault of ours (EX_SOFTWARE).
const FAULT: u8 = 70;
/// The arguments are wrong (EX_USAGE).
const USAGE: u8 = 64;

#[derive(Debug, Parser)]
#[command(
    name = "hj212-gateway",
    version,
    about = "A gateway for HJ 212 data loggers (数采仪): nothing acknowledged is ever lost",
    after_help = "Exit codes: 0 done; 1 something wrong was found; 64 usage; 70 internal fault; 74 input/output."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Explains frames field by field (逐字段解释数据包)
    Decode(decode::Options),
    /// Software stations that behave like real loggers, for trials and load
    Simulate(Box<simulate::Options>),
    /// Looks into a journal; works beside a running gateway
    #[command(subcommand)]
    Journal(journal::Command),
}

/// Runs the command line and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is not worth a word.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let code = match arguments.command {
        Command::Decode(options) => decode::decode(&options),
        Command::Simulate(options) => simulate::simulate(*options),
        Command::Journal(command) => journal::journal(&command),
    };
    ExitCode::from(code)
}

/// Says on standard error what went wrong.
#[allow(clippy::print_stderr, reason = "the command line speaks to its user")]
fn complain(what: &dyn std::fmt::Display) {
    eprintln!("hj212-gateway: {what}");
}
