//! The operators' HTTP server: health, metrics, the status page and what it shows. Read-only but for what is logged, and that only with a token.
//!
//! | path | what |
//! |---|---|
//! | `/` | the status page; nothing on it comes from elsewhere |
//! | `/health` | 200 while the process lives and its threads move, else 503; one line a check |
//! | `/ready` | 200 while stations are answered and the backlog is below its mark, else 503; one line a check: `ok`, `WARN` or `FAIL`, its name, what is the matter |
//! | `/metrics` | counters, gauges and histograms in OpenMetrics; labels from closed sets only |
//! | `/metrics/stations` | a line or two for each station, for those who can bear it |
//! | `/api/overview`, `/api/stations`, `/api/station/{mn}`, `/api/station/{mn}/history`, `/api/rejected` | JSON |
//! | `/api/alerts`, `/api/cases`, `/api/scores?month=2026-06`, `/api/case/{mn}/{id}`, `/api/station/{mn}/days`, `/api/station/{mn}/day/2026-06-01` | what judgement knows, as JSON; 503 while it catches up |
//! | `/api/words` | names of factors, deviations and reasons by code, Chinese and English |
//! | POST `/api/explain` | what the pasted bytes of the body say and what is wrong with them; nothing is kept |
//! | `/api/wire` | the stations whose frames are logged, and until when |
//! | POST `/api/wire/{mn}` `{"minutes":10}` | with the token: logs every frame of the station for so long; 0 ends it |
//! | POST `/api/log` `{"level":"info,hj212_gateway::net=debug"}` | with the token: another `log.level` until the next reload |
//! | `/api/live` | the overview and a page of stations every second, as server-sent events |
//!
//! What must stay true: nothing here can delay a station or change its data; a viewer costs a bounded amount ([`VIEWERS_MAX`] live
//! connections, [`HISTORIES_MAX`] histories at a time, [`CONNECTIONS_MAX`] connections); it listens on loopback unless told otherwise, and
//! answers to its address, to `localhost` and to the names it was given.

mod change;
mod connections;
mod explain;
mod host;
mod page;
mod serve;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::board::Query;
pub use change::TOKEN_MIN;
pub use connections::{CONNECTIONS_MAX, Listener};
pub use serve::serve;

/// Live connections at a time; more get 503.
pub const VIEWERS_MAX: usize = 32;
/// Histories read from the journal at a time; more get 503.
pub const HISTORIES_MAX: usize = 2;

/// Settings of the operators' HTTP server, `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens, `IP:PORT` or `unix:/PATH`; empty: nowhere. It has no credentials: keep it on loopback, or behind a proxy that asks for them.
    pub address: String,
    /// A file with the token, at least [`TOKEN_MIN`] characters, that whoever changes what is logged must send; left out: nothing can be
    /// changed here. It is read for each request.
    pub token_file: Option<PathBuf>,
    /// Names by which it may be asked for, besides its address and `localhost`: without this, a page from elsewhere whose name was made to
    /// point here could read what is shown.
    pub names: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { address: "127.0.0.1:9080".into(), token_file: None, names: Vec::new() }
    }
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// At an address.
    Tcp(SocketAddr),
    /// At a file.
    Unix(PathBuf),
}

impl Settings {
    /// The address, `None` if there is to be no server.
    ///
    /// # Errors
    /// If it is no address.
    pub fn address(&self) -> Result<Option<Address>, std::net::AddrParseError> {
        if self.address.is_empty() {
            return Ok(None);
        }
        if let Some(path) = self.address.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Some(Address::Unix(path.into())));
        }
        self.address.parse().map(|address| Some(Address::Tcp(address)))
    }
}

/// How one thing is that must be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// It is.
    Good,
    /// Everything goes on, and somebody should look at it.
    Warn,
    /// It is not.
    Fail,
}

impl CheckState {
    /// The word that begins its line; stable.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            CheckState::Good => "ok  ",
            CheckState::Warn => "WARN",
            CheckState::Fail => "FAIL",
        }
    }
}

/// One thing that must be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// How it is.
    pub state: CheckState,
    /// What is the matter and what to do, for people.
    pub what: String,
}

/// Why something was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such thing.
    Unknown(String),
    /// It means nothing.
    Wrong(String),
    /// A limit is reached.
    Full(String),
}

/// What is asked of judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JudgementQuestion {
    /// The alerts that are open.
    Alerts,
    /// All cases.
    Cases,
    /// A case with its steps: MN and id.
    Case(String, String),
    /// The scorecards of a month, as `2026-06`; `None`: of this one.
    Scores(Option<String>),
    /// The days of a station that are remembered.
    Days(String),
    /// One of them with its hours: MN, and the day as `2026-06-01`.
    Day(String, String),
}

/// What comes of it; `None`: there is no such thing. Else why there is no answer now.
pub type Answer = Pin<Box<dyn Future<Output = Result<Option<Value>, String>> + Send>>;

/// What the server shows; the wiring answers.
pub trait View: Send + Sync + 'static {
    /// Whether the process does its work.
    fn health(&self) -> Vec<Check>;
    /// Whether it should be given work.
    fn ready(&self) -> Vec<Check>;
    /// All figures in OpenMetrics.
    fn metrics(&self) -> String;
    /// Figures of each station in OpenMetrics.
    fn station_metrics(&self) -> String;
    /// The gateway itself: version, journal, broker, counts.
    fn overview(&self) -> Value;
    /// A page of stations.
    fn stations(&self, query: &Query) -> Value;
    /// One station, as JSON whose numbers are as the station wrote them.
    fn station(&self, mn: &str) -> Option<String>;
    /// The same of what it said within the last `hours`, read from the journal; takes its time.
    fn history(&self, mn: &str, hours: u32) -> String;
    /// What was rejected last.
    fn rejected(&self) -> Value;
    /// Names, Chinese and English, of what messages name by a code: factors, deviations, reasons.
    fn words(&self) -> Value;
    /// What judgement knows.
    fn judged(&self, asked: JudgementQuestion) -> Answer;
    /// The file with the token.
    fn token_file(&self) -> Option<&Path>;
    /// Somebody without the token wanted to change something.
    fn turned_away(&self, peer: Option<SocketAddr>);
    /// The stations whose frames are logged, and until when.
    fn wires(&self) -> Value;
    /// Logs every frame of a station for so long; zero ends it.
    ///
    /// # Errors
    /// If the station is not registered, or too many are logged.
    fn wire(&self, mn: &str, time: Duration) -> Result<Value, Refused>;
    /// Logs by another `log.level`.
    ///
    /// # Errors
    /// If it is no filter.
    fn log(&self, level: &str) -> Result<Value, Refused>;
}
