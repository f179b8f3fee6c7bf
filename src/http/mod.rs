//! The operators' door: health, metrics, the status page and what it shows. Read-only.
//!
//! | path | what |
//! |---|---|
//! | `/` | the status page; nothing on it comes from elsewhere |
//! | `/health` | 200 while the process lives and its threads move, else 503; one line a check |
//! | `/ready` | 200 while stations are answered and the backlog is below its mark, else 503; one line a check |
//! | `/metrics` | counters, gauges and histograms in OpenMetrics; labels from closed sets only |
//! | `/metrics/stations` | a line or two for each station, for those who can bear it |
//! | `/api/overview`, `/api/stations`, `/api/station/{mn}`, `/api/station/{mn}/history`, `/api/rejected` | JSON |
//! | `/api/live` | the overview and a page of stations every second, as server-sent events |
//!
//! What must stay true: nothing here can delay a station or change anything; a viewer costs a bounded amount ([`VIEWERS_MAX`] live
//! connections, [`HISTORIES_MAX`] histories at a time); it listens on loopback unless told otherwise.

mod page;
mod serve;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::board::Query;
pub use serve::serve;

/// Live connections at a time; more get 503.
pub const VIEWERS_MAX: usize = 32;
/// Histories read from the journal at a time; more get 503.
pub const HISTORIES_MAX: usize = 2;

/// Settings of the operators' door, `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it listens, `IP:PORT`; empty: nowhere. It has no credentials: keep it on loopback, or behind a proxy that asks for them.
    pub address: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { address: "127.0.0.1:9080".into() }
    }
}

impl Settings {
    /// The address, `None` if there is to be no door.
    ///
    /// # Errors
    /// If it is no address.
    pub fn address(&self) -> Result<Option<SocketAddr>, std::net::AddrParseError> {
        if self.address.is_empty() { Ok(None) } else { self.address.parse().map(Some) }
    }
}

/// One thing that must be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// Whether it is.
    pub good: bool,
    /// What is the matter, for people.
    pub what: String,
}

/// What the door shows; the wiring answers.
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
}
