//! How stations take commands, what they keep, and how a 2025 station seals and registers: a group of the run's options.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::words::time;
use hj212::sm4::Key;
use hj212_model::settings::duration;

/// The options about commands, history, clocks, outages, keys and registration. [`StationBehaviour::default`] is the only source of
/// defaults.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Commands and answers")]
pub struct StationBehaviour {
    /// How far back the history reaches that a station tells when it is asked (2031, 2041, 2051, 2061, ...), in simulated time;
    /// 0s: it has none and says so. Nothing is stored: each record is made again from the seed.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = time)]
    pub history: Duration,

    /// The pause between two packets of history.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = time)]
    pub history_pace: Duration,

    /// How long the stations stay after the duration, in real time: the fast day is over and DataTime is the wall clock, so that the
    /// host finds what is missing of the day and asks for it.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub stay: Duration,

    /// How long a station takes to say 9011 under the fault "late".
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time)]
    pub late: Duration,

    /// How far the clocks of all stations are ahead, in seconds; negative: behind. 1012 sets them right.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1_000_000_000..=1_000_000_000))]
    pub clock_off: i64,

    /// Stations are off the line from A to B after the start of the run, as 10s..40s.
    #[arg(long, value_name = "A..B", value_parser = Outage::from_str)]
    pub offline: Option<Outage>,

    /// What is made or unanswered while a station is off the line is not uploaded later: it stands in the history, where the
    /// host must ask for it.
    #[arg(long)]
    pub keeps_history: bool,

    /// Stations of edition 2025 seal what HJ 212-2025, 6.4.4 says is to be sealed (2000-2999, 1014, 3020), each with its own
    /// key. --print-keys lists the keys.
    #[arg(long)]
    pub sealed: bool,

    /// How ciphertext goes out: as bytes, or printed as {0xE4,0x3E,...} as some loggers do.
    #[arg(long, value_name = "bytes|printed", default_value = "bytes", value_parser = SealForm::from_str)]
    pub seal_form: SealForm,

    /// All stations have the key in the first line of this file instead of one each: 16 letters or digits, or "hex:" and 32
    /// digits.
    #[arg(long, value_name = "FILE", requires = "sealed", value_parser = key_file)]
    pub key: Option<Key>,

    /// Stations of edition 2025 begin without an MN: they say who they are (1001) until the host gives them one (1002), and
    /// upload nothing before.
    #[arg(long)]
    pub register: bool,

    /// Appends a line for everything that happens to a command: MN, QN, CN, time and what, with tabs between.
    #[arg(long, value_name = "FILE")]
    pub commands: Option<PathBuf>,
}

impl Default for StationBehaviour {
    fn default() -> Self {
        StationBehaviour {
            history: Duration::from_secs(7 * 86_400),
            history_pace: Duration::from_millis(100),
            stay: Duration::ZERO,
            late: Duration::from_secs(15),
            clock_off: 0,
            offline: None,
            keeps_history: false,
            sealed: false,
            seal_form: SealForm::Bytes,
            key: None,
            register: false,
            commands: None,
        }
    }
}

/// How ciphertext is written on the wire; both are met (HJ 212-2025, annex A.2 prints it in braces, its lengths fit bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealForm {
    /// The bytes themselves.
    Bytes,
    /// `{0xE4,0x3E,…}` and the plain remainder; the length counts the characters.
    Printed,
}

impl FromStr for SealForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bytes" => Ok(SealForm::Bytes),
            "printed" => Ok(SealForm::Printed),
            other => Err(format!("\"{other}\" is no form of ciphertext: write bytes or printed")),
        }
    }
}

/// A time off the line, counted from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub from: Duration,
    /// When it ends; later than it begins.
    pub to: Duration,
}

impl Outage {
    /// When it ends, if it lasts at `now`.
    pub(crate) fn lasting(&self, now: Duration) -> Option<Duration> {
        (self.from <= now && now < self.to).then_some(self.to)
    }
}

impl FromStr for Outage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no time off the line: write when it begins and ends, as 10s..40s");
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let read = |text: &str| duration::parse(text).ok_or_else(wrong);
        let outage = Outage { from: read(from)?, to: read(to)? };
        if outage.from < outage.to { Ok(outage) } else { Err(wrong()) }
    }
}

fn key_file(path: &str) -> Result<Key, String> {
    let text = std::fs::read_to_string(Path::new(path)).map_err(|error| format!("cannot read {path}: {error}"))?;
    Key::from_text(text.lines().next().unwrap_or_default().trim()).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_a_beginning_before_its_end() {
        let outage: Outage = "10s..2min".parse().unwrap();
        assert_eq!(outage.lasting(Duration::from_secs(9)), None);
        assert_eq!(outage.lasting(Duration::from_secs(10)), Some(Duration::from_secs(120)));
        assert_eq!(outage.lasting(Duration::from_secs(120)), None);
        for text in ["", "10s", "40s..10s", "10s..10s", "10..40"] {
            assert!(text.parse::<Outage>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_comes_from_a_file_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let key = key_file(path.to_str().unwrap()).unwrap();
        assert_eq!(key, Key::from_text("0123456789abcdef").unwrap());
        std::fs::write(&path, "short-secret").unwrap();
        let error = key_file(path.to_str().unwrap()).unwrap_err();
        assert!(error.contains("16 letters") && !error.contains("short-secret"), "{error}");
    }
}
