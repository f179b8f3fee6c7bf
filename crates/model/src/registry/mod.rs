//! Who may speak, and how they are to be answered: the stations of the configuration files, looked up by MN.
//!
//! Pure: the texts of the files are handed in, problems are handed back, all of them, with their places. What must stay true: an
//! MN stands in at most one place; a password is compared in constant time and is never printed.

mod dialect;
mod load;
mod problem;
mod read_toml;
mod tables;
mod units;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::message::StationFacts;
use crate::message::dialect::{Reading, Shown};
use hj212::{Deviations, Edition, Header};

pub use dialect::{AnswerWhen, Dialect, Dialects};
pub use load::{MN_MAX, is_mn, load, load_with};
pub use problem::Problem;
pub use read_toml::{MISTAKES_MAX, read_toml, read_toml_by};
pub use tables::{LIMITS_BUILT_IN, LimitTables};

/// What happens to an MN that is not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// It is kept, published as rejected, and not answered.
    #[default]
    Reject,
    /// It is taken for a station. For trials: anyone may then speak.
    Accept,
}

/// What a wrong CRC means for a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrcPolicy {
    /// The frame is refused.
    #[default]
    Strict,
    /// The one known mistake that this station always makes is accepted, once it has been seen several times in a row.
    Learn,
    /// The CRC is not looked at; deviations still name what was found.
    Off,
}

/// A password. Not a secret by the standard's own design (it travels in clear), but never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Whether `said` is it; takes the same time wherever they differ.
    #[must_use]
    pub fn is(&self, said: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(said).fold(own.len() ^ said.len(), |sum, (a, b)| sum | usize::from(a ^ b));
        differences == 0
    }

    /// The password itself, for a frame to its station and for nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// A registered station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Station {
    /// MN, as the station writes it.
    pub mn: String,
    /// The MN under which it is registered, if that is another one: it was given this one since, or shows it.
    pub registered_as: Option<String>,
    /// Its password; `None`: not checked.
    pub pw: Option<Password>,
    /// The passwords that it was given since it was registered, and may use as well.
    pub other_pws: Vec<Password>,
    /// What a wrong CRC means.
    pub crc: CrcPolicy,
    /// The networks it may speak from; empty: any.
    pub networks: Vec<IpNet>,
    /// How it is answered; `None`: by the edition it shows.
    pub dialect: Option<Arc<Dialect>>,
    /// Which of the policies of `[command]` holds for it; `None`: what holds for all.
    pub policy: Option<String>,
    /// What is published of it.
    pub facts: Arc<StationFacts>,
}

impl Station {
    /// Whether it may speak with this password.
    #[must_use]
    pub fn knows(&self, said: &[u8]) -> bool {
        self.pw.as_ref().is_none_or(|pw| pw.is(said)) || self.other_pws.iter().any(|pw| pw.is(said))
    }

    /// Whether it may speak from `address`.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// What a registered station was told since.
#[derive(Clone, PartialEq, Eq)]
pub struct Told {
    /// The station.
    pub mn: String,
    /// The passwords that it was given and may have.
    pub passwords: Vec<String>,
    /// The MN that it was given.
    pub new_mn: Option<String>,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Told({}, new MN {:?}, passwords {})", self.mn, self.new_mn, self.passwords.len())
    }
}

/// The registered stations.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    stations: HashMap<Box<[u8]>, Arc<Station>, foldhash::fast::RandomState>,
    /// MN by the number of the hardware that is to have it.
    hardware: HashMap<Box<[u8]>, String, foldhash::fast::RandomState>,
    dialects: Dialects,
    unknown: Unknown,
}

impl Registry {
    /// The station with this MN.
    #[must_use]
    pub fn find(&self, mn: &[u8]) -> Option<&Arc<Station>> {
        self.stations.get(mn)
    }

    /// The station whose logger has this hardware number (i23005; HJ 212-2025, C.2).
    #[must_use]
    pub fn of_hardware(&self, number: &[u8]) -> Option<&Arc<Station>> {
        self.stations.get(self.hardware.get(number)?.as_bytes())
    }

    /// What happens to others.
    #[must_use]
    pub const fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// A station for an unregistered MN, under [`Unknown::Accept`]. `None` if the MN could not be registered either.
    #[must_use]
    pub fn improvise(&self, mn: &[u8]) -> Option<Station> {
        let mn = std::str::from_utf8(mn).ok().filter(|mn| load::is_mn(mn))?;
        let (pw, crc, networks, dialect, policy) = (None, CrcPolicy::Strict, Vec::new(), None, None);
        let (mn, facts) = (mn.to_owned(), Arc::default());
        let (registered_as, other_pws) = (None, Vec::new());
        Some(Station { mn, registered_as, pw, other_pws, crc, networks, dialect, policy, facts })
    }

    /// With what stations were told since they were registered: a password that they may use as well, an MN under which they are
    /// heard as well. A row that stands there already is not touched, and an MN that the row refuses is not taken. A station that was given a
    /// second MN after the first one is known by both: the order in which that is told does not matter.
    #[must_use]
    pub fn with(&self, told: impl IntoIterator<Item = Told>) -> Registry {
        let mut all = self.clone();
        let mut left: Vec<Told> = told.into_iter().collect();
        loop {
            let before = left.len();
            left.retain(|told| !all.take_up(told));
            if left.len() == before || left.is_empty() {
                return all;
            }
        }
    }

    /// Takes up what one station was told; whether it is known.
    fn take_up(&mut self, Told { mn, passwords, new_mn }: &Told) -> bool {
        let Some(row) = self.stations.get(mn.as_bytes()).cloned() else { return false };
        let mut other_pws = row.other_pws.clone();
        for password in passwords.iter().cloned().map(Password) {
            if !other_pws.contains(&password) {
                other_pws.push(password);
            }
        }
        let row = Station { other_pws, ..(*row).clone() };
        let free = |new: &&String| {
            load::is_mn(new) && !self.stations.contains_key(new.as_bytes()) && !row.facts.mn_refused.contains(new)
        };
        if let Some(new) = new_mn.as_ref().filter(free) {
            let registered_as = row.registered_as.clone().or_else(|| Some(mn.clone()));
            let other = Station { mn: new.clone(), registered_as, ..row.clone() };
            self.stations.insert(new.as_bytes().into(), Arc::new(other));
        }
        self.stations.insert(mn.as_bytes().into(), Arc::new(row));
        true
    }

    /// How a station of `edition` is answered if nothing else is registered.
    #[must_use]
    pub fn dialect_of(&self, edition: Edition) -> &Arc<Dialect> {
        self.dialects.of(edition)
    }

    /// The dialect that a frame of a station shows for which neither dialect nor edition is registered.
    #[must_use]
    pub fn recognised(&self, station: &Station, header: &Header<'_>, odd: Deviations) -> Option<&Arc<Dialect>> {
        if station.facts.edition.is_some() { None } else { self.dialects.recognised(&Shown::of(header, odd)) }
    }

    /// What interpretation needs of the dialects.
    #[must_use]
    pub fn dialects(&self) -> BTreeMap<String, Reading> {
        self.dialects.readings()
    }

    /// The registered stations, in no order.
    pub fn stations(&self) -> impl Iterator<Item = &Arc<Station>> {
        self.stations.values()
    }

    /// How many stations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }

    /// What is published of the stations, by MN; it is not copied.
    #[must_use]
    pub fn facts(&self) -> BTreeMap<String, Arc<StationFacts>> {
        self.stations.values().map(|station| (station.mn.clone(), Arc::clone(&station.facts))).collect()
    }
}

#[cfg(test)]
mod tests;
