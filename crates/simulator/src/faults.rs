//! What goes wrong at simulated stations, by name: the list behind `--faults`.
//!
//! Every fault has one name, one default rate and one scope. A *station* fault is a property of a share of the stations for the
//! whole run (a firmware's habit); a *record* fault is drawn once for a record and stays through its re-sends; a *send* fault is
//! drawn for every transmission (the line's noise), so that a re-send usually gets through; a *command* fault is drawn once for a
//! command of the host and stays through its re-sends. What must stay true: the same seed
//! and list give the same faults.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use super::seeded_random::SeededRandom;

/// What a fault belongs to, and so how often it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Drawn once for each station.
    Station,
    /// Drawn once for each record.
    Record,
    /// Drawn for each transmission.
    Send,
    /// Drawn once for each command of the host.
    Command,
}

macro_rules! faults {
    ($( $variant:ident, $name:literal, $scope:ident, $meaning:literal; )*) => {
        /// Something that goes wrong at a station or on its line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum Fault { $( #[doc = $meaning] $variant, )* }

        impl Fault {
            /// All faults.
            pub const ALL: &'static [Fault] = &[ $( Fault::$variant, )* ];
            /// The name in `--faults`.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( Self::$variant => $name, )* } }
            /// What the rate is a rate of.
            #[must_use]
            pub const fn scope(self) -> Scope { match self { $( Self::$variant => Scope::$scope, )* } }
            /// What the station does.
            #[must_use]
            pub const fn meaning(self) -> &'static str { match self { $( Self::$variant => $meaning, )* } }
        }
    };
}

faults! {
    CrcLowercase, "crc-lowercase", Station, "writes its CRC in lower case";
    CrcModbus, "crc-modbus", Station, "computes CRC-16/MODBUS instead of the standard's check";
    CrcWrong, "crc-wrong", Send, "one bit of the CRC is flipped on the line";
    LengthOff, "length-off", Send, "the declared length is 1 to 9 bytes off";
    NoCrlf, "no-crlf", Station, "leaves out CR LF after the CRC";
    Noise, "noise", Send, "bytes of no meaning stand before the frame (modem chatter, a DTU's registration)";
    SplitWrites, "split-writes", Station, "writes every byte by itself";
    Slow, "slow", Station, "begins a frame and then sends one byte a second, for ever (slowloris)";
    HalfOpen, "half-open", Station, "goes silent after its first frame and never closes the connection";
    Duplicate, "duplicate", Send, "sends the frame twice in a row";
    Revision, "revision", Record, "after the answer sends the record again with changed values and a new QN";
    Gbk, "gbk", Record, "adds a log record (CN 3020) with Chinese text in GBK (HJ/T 212-2005 stations: none)";
    ClockOff, "clock-off", Station, "its clock is off by hours, weeks or years";
    Oversized, "oversized", Record, "a realtime record with so many factors that the segment exceeds 1024 bytes";
    WrongPw, "wrong-pw", Station, "sends a PW that is not the registered one; is not answered";
    UnknownMn, "unknown-mn", Station, "sends an MN that is in no registry; is not answered";
    Interleave, "interleave", Send, "half of the frame, then the whole frame, then the other half, as a DTU mixes two";
    Reconnect, "reconnect", Send, "drops the connection right after sending, before the answer";
    SplitPackets, "split-packets", Record, "a minute record in two packets with PNUM and PNO, each with its own QN and answer";
    NoAckWanted, "no-ack-wanted", Station, "sets bit 0 of Flag to 0 and waits for no answer";
    AskTime, "ask-time", Station, "asks for the time (1013) on every new connection (HJ/T 212-2005 stations: not)";
    AskKey, "ask-key", Station, "asks for a new key (1014) on every new connection, if it seals at all";
    Refuse, "refuse", Command, "refuses: 9011 with QnRtn=2";
    Fail, "fail", Command, "accepts, does not do it and says so: 9012 with ExeRtn=2";
    NoData, "no-data", Command, "has nothing of what is asked for: 9012 with ExeRtn=100";
    Deaf, "deaf", Command, "never answers, however often the command is sent";
    DeafOnce, "deaf-once", Command, "answers only when the command is sent again";
    Late, "late", Command, "answers after --late";
    Forget, "forget", Command, "says 9011 and nothing after it";
    Cut, "cut", Command, "drops the connection after 9011; the rest follows on the next one";
    WrongQn, "wrong-qn", Command, "puts another QN into its answers";
    AnswerTwice, "answer-twice", Command, "says every answer twice";
    GarbageOnly, "garbage-only", Station, "no logger at all: a bot that sends HTTP, TLS and random bytes";
}

/// The rate of a fault that is named without one: one in ten.
pub const DEFAULT_RATE: f64 = 0.1;

/// The faults of a run and their rates.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    rates: [f64; Fault::ALL.len()],
}

impl Default for Faults {
    fn default() -> Self {
        Faults { rates: [0.0; Fault::ALL.len()] }
    }
}

/// A set of faults, as drawn for one station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultSet(u64);

impl FaultSet {
    /// Whether `fault` is among them.
    #[must_use]
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & (1 << fault as usize) != 0
    }

    /// The set with `fault` in it.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        FaultSet(self.0 | 1 << fault as usize)
    }
}

impl Faults {
    /// The rate of `fault`: 0 never, 1 always.
    #[must_use]
    pub const fn rate(&self, fault: Fault) -> f64 {
        self.rates[fault as usize]
    }

    /// The same faults with `fault` at `rate`, which is held between 0 and 1.
    #[must_use]
    pub fn with(mut self, fault: Fault, rate: f64) -> Self {
        self.rates[fault as usize] = rate.clamp(0.0, 1.0);
        self
    }

    /// The station faults of one station.
    pub(crate) fn of_station(&self, rng: &mut SeededRandom) -> FaultSet {
        self.draw(Scope::Station, rng)
    }

    /// Draws all faults of `scope` once.
    pub(crate) fn draw(&self, scope: Scope, rng: &mut SeededRandom) -> FaultSet {
        let drawn = Fault::ALL.iter().filter(|fault| fault.scope() == scope && rng.chance(self.rate(**fault)));
        drawn.fold(FaultSet::default(), |set, fault| set.with(*fault))
    }

    /// The names with what they mean, one a line, for help texts.
    #[must_use]
    pub fn catalogue() -> String {
        let mut text = String::new();
        for fault in Fault::ALL {
            let scope = match fault.scope() {
                Scope::Station => "station",
                Scope::Record => "record",
                Scope::Send => "send",
                Scope::Command => "command",
            };
            let _ = writeln!(text, "  {:<14} {scope:<8} {}", fault.name(), fault.meaning());
        }
        text
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for fault in Fault::ALL.iter().filter(|fault| self.rate(**fault) > 0.0) {
            write!(f, "{separator}{}={}", fault.name(), self.rate(*fault))?;
            separator = ",";
        }
        Ok(())
    }
}

/// What is wrong with a `--faults` list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// No fault has this name.
    #[error("no fault is called \"{0}\"; the faults are\n{list}", list = Faults::catalogue())]
    Unknown(String),
    /// The rate is no number from 0 to 1.
    #[error("\"{rate}\" is no rate of {name}: write a number from 0 (never) to 1 (always), as {name}=0.05")]
    Rate {
        /// The fault.
        name: String,
        /// What stands after `=`.
        rate: String,
    },
    /// The word `list` instead of a list.
    #[error("the faults, what their rate is a rate of, and what the station does:\n{list}", list = Faults::catalogue())]
    List,
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Faults::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "list" {
                return Err(FaultsError::List);
            }
            let (name, rate) = part.split_once('=').map_or((part, None), |(name, rate)| (name, Some(rate)));
            let Some(fault) = Fault::ALL.iter().find(|fault| fault.name() == name) else {
                return Err(FaultsError::Unknown(name.to_owned()));
            };
            let wrong = || FaultsError::Rate { name: name.to_owned(), rate: rate.unwrap_or_default().to_owned() };
            let rate = match rate {
                None => DEFAULT_RATE,
                Some(rate) => rate.parse::<f64>().ok().filter(|r| (0.0..=1.0).contains(r)).ok_or_else(wrong)?,
            };
            faults = faults.with(*fault, rate);
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_and_without_rates() {
        let faults: Faults = "crc-wrong, duplicate=0.5,half-open=1".parse().unwrap();
        assert_eq!(faults.rate(Fault::CrcWrong), DEFAULT_RATE);
        assert_eq!(faults.rate(Fault::Duplicate), 0.5);
        assert_eq!(faults.rate(Fault::Noise), 0.0);
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
        assert_eq!("".parse::<Faults>().unwrap(), Faults::default());
    }

    #[test]
    fn errors_name_the_remedy() {
        let unknown = "crc-wong".parse::<Faults>().unwrap_err().to_string();
        assert!(unknown.contains("crc-wong") && unknown.contains("crc-wrong"), "{unknown}");
        for rate in ["2", "-1", "x", "NaN", ""] {
            let error = format!("noise={rate}").parse::<Faults>().unwrap_err();
            assert!(matches!(error, FaultsError::Rate { .. }), "{rate}");
        }
        assert_eq!("list".parse::<Faults>(), Err(FaultsError::List));
    }

    #[test]
    fn a_rate_is_the_share_that_is_drawn_within_its_scope_only() {
        let faults: Faults = "slow=0.25,half-open=1,noise=1".parse().unwrap();
        let mut rng = SeededRandom::new(3, 0);
        let sets: Vec<FaultSet> = (0..4_000).map(|_| faults.of_station(&mut rng)).collect();
        let slow = sets.iter().filter(|set| set.contains(Fault::Slow)).count();
        assert!((850..1_150).contains(&slow), "{slow}");
        assert!(sets.iter().all(|set| set.contains(Fault::HalfOpen) && !set.contains(Fault::Noise)));
    }

    #[test]
    fn the_manual_lists_every_fault_as_it_is() {
        let manual = include_str!("../../../docs/simulator.md");
        for fault in Fault::ALL {
            let scope = match fault.scope() {
                Scope::Station => "stations",
                Scope::Record => "records",
                Scope::Send => "transmissions",
                Scope::Command => "commands",
            };
            let row = format!("| `{}` | {scope} | {} |", fault.name(), fault.meaning());
            assert!(manual.contains(&row), "docs/simulator.md lacks: {row}");
        }
    }

    #[test]
    fn every_fault_fits_the_set_and_has_its_own_name() {
        assert!(Fault::ALL.len() <= 64);
        let names: std::collections::HashSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
    }
}
