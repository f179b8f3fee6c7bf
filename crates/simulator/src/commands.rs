//! What happened to the host's commands, station by station: so that a test can say how often, how fast and with which QN a
//! station was asked, and what it did.
//!
//! What must stay true: an event is noted when it happens, in the order of one station's life; passwords and keys are in none.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::ledger::{Ledger, LedgerError};
use hj212_model::message::Timestamp;

/// So many events of a run are kept; later ones are counted and, with `--commands`, written down.
pub const EVENTS_MAX: usize = 200_000;

/// Something that happened to a command at a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The station; empty while it has no MN.
    pub mn: String,
    /// QN of the command; empty if it had none.
    pub qn: String,
    /// CN of the command; 0 if it had none.
    pub cn: u16,
    /// When, by the clock of the machine.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The command came, with this data area (`***` where it holds a password or a key), for the n-th time with this QN.
    Heard {
        /// 1 the first time.
        time: u32,
        /// The data area.
        area: String,
    },
    /// The station said 9011.
    QnRtn(u16),
    /// The station told something asked for: a packet of history or a value.
    Told,
    /// The station said 9012.
    ExeRtn(u16),
    /// The station said 9013.
    Noticed,
    /// The station says nothing, on purpose.
    Ignored,
    /// The station has done what it was told.
    Obeyed(Change),
}

/// What a command changed at a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// 1012: the clock is now this many microseconds ahead of the machine's.
    Clock(i64),
    /// 1000: seconds before a packet is sent again, and how often.
    Timeouts(u32, u32),
    /// 1062, seconds.
    RealtimeInterval(u32),
    /// 1064, minutes.
    MinuteInterval(u8),
    /// 1072. The password is not told.
    Password,
    /// 2011 and 2012.
    Realtime(bool),
    /// 2021 and 2022.
    State(bool),
    /// 1002: the station has this MN now.
    Mn(String),
    /// 1014: what is sealed from now on is sealed with the new key. The key is not told.
    Key,
    /// 3024: a standard check was made and will be uploaded.
    Check,
    /// Another setting, by its name on the wire.
    Setting(String, String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard { time: 1, .. } => f.write_str("heard"),
            Self::Heard { time, .. } => write!(f, "heard {time}"),
            Self::QnRtn(code) => write!(f, "QnRtn={code}"),
            Self::Told => f.write_str("told"),
            Self::ExeRtn(code) => write!(f, "ExeRtn={code}"),
            Self::Noticed => f.write_str("9013"),
            Self::Ignored => f.write_str("ignored"),
            Self::Obeyed(_) => f.write_str("obeyed"),
        }
    }
}

/// The events of a run.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    log: Mutex<CommandLog>,
    file: Option<Ledger>,
}

impl Commands {
    pub(crate) fn new(file: Option<Ledger>) -> Self {
        Commands { file, ..Commands::default() }
    }

    /// Notes `event`.
    pub(crate) fn note(&self, event: Event) -> Result<(), LedgerError> {
        let written = self.file.as_ref().map_or(Ok(()), |file| {
            let Event { mn, qn, cn, at, what } = &event;
            file.append(&format!("{mn}\t{qn}\t{cn}\t{}\t{what}\n", at.to_rfc3339()))
        });
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.events.len() < EVENTS_MAX {
            log.events.push(event);
        } else {
            log.beyond += 1;
        }
        written
    }

    pub(crate) fn so_far(&self) -> CommandLog {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The events so far, if they are as `met` says.
    pub(crate) fn once(&self, met: impl FnOnce(&CommandLog) -> bool) -> Option<CommandLog> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        met(&log).then(|| log.clone())
    }
}

/// The events of a run as they stand, and questions to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLog {
    /// The events in their order; of each station in the order of its life.
    pub events: Vec<Event>,
    /// How many more there were than [`EVENTS_MAX`].
    pub beyond: u64,
}

impl CommandLog {
    /// The first hearing of each command: MN, QN and CN, time, data area.
    pub fn heard(&self) -> impl Iterator<Item = (&Event, &str)> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Heard { time: 1, area } => Some((event, area.as_str())),
            What::Heard { .. }
            | What::QnRtn(_)
            | What::Told
            | What::ExeRtn(_)
            | What::Noticed
            | What::Ignored
            | What::Obeyed(_) => None,
        })
    }

    /// The shortest time in microseconds between two different commands of `cns` to one station; `None` if none was given two.
    #[must_use]
    pub fn least_pause(&self, cns: &[u16]) -> Option<i64> {
        let mut heard: Vec<_> = self.heard().map(|(event, _)| event).filter(|e| cns.contains(&e.cn)).collect();
        heard.sort_by(|a, b| (&a.mn, a.at).cmp(&(&b.mn, b.at)));
        let pairs = heard.windows(2).filter_map(|pair| <&[_; 2]>::try_from(pair).ok());
        pairs.filter(|[a, b]| a.mn == b.mn).map(|[a, b]| b.at.0 - a.at.0).min()
    }

    /// Commands that say the same as an earlier one to the same station under another QN: a resend has the same QN.
    #[must_use]
    pub fn asked_anew(&self) -> Vec<&Event> {
        let mut seen = std::collections::HashSet::new();
        self.heard().filter(|(e, area)| !seen.insert((&e.mn, e.cn, *area))).map(|(e, _)| e).collect()
    }

    /// What became of the command with this QN at a station, its data area left out.
    #[must_use]
    pub fn life(&self, mn: &str, qn: &str) -> Vec<&What> {
        self.events.iter().filter(|event| event.mn == mn && event.qn == qn).map(|event| &event.what).collect()
    }

    /// The changes at a station, in their order.
    #[must_use]
    pub fn changes(&self, mn: &str) -> Vec<&Change> {
        let of = self.events.iter().filter(|event| event.mn == mn);
        of.filter_map(|event| if let What::Obeyed(change) = &event.what { Some(change) } else { None }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(mn: &str, qn: &str, at: i64, time: u32, area: &str) -> Event {
        let what = What::Heard { time, area: area.into() };
        Event { mn: mn.into(), qn: qn.into(), cn: 2051, at: Timestamp(at), what }
    }

    #[test]
    fn the_log_tells_pace_and_commands_given_twice() {
        let commands = Commands::default();
        for event in [
            heard("A", "1", 0, 1, "x"),
            heard("B", "2", 1, 1, "x"),
            heard("A", "1", 10, 2, "x"),
            heard("A", "3", 50, 1, "y"),
            heard("A", "4", 90, 1, "x"),
        ] {
            commands.note(event).unwrap();
        }
        let log = commands.so_far();
        assert_eq!(log.least_pause(&[2051]), Some(40));
        assert_eq!(log.least_pause(&[2061]), None);
        assert_eq!(log.asked_anew().iter().map(|event| event.qn.as_str()).collect::<Vec<_>>(), ["4"]);
        assert_eq!(log.life("A", "1").len(), 2);
    }

    #[test]
    fn the_file_has_a_line_for_every_event() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("commands");
        let commands = Commands::new(Some(Ledger::open(&path).unwrap()));
        commands.note(heard("A", "1", 0, 2, "x")).unwrap();
        commands.note(Event { what: What::ExeRtn(100), ..heard("A", "1", 0, 1, "x") }).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "A\t1\t2051\t1970-01-01T08:00:00.000+08:00\theard 2\nA\t1\t2051\t1970-01-01T08:00:00.000+08:00\tExeRtn=100\n"
        );
    }
}
