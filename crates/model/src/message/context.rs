//! What interpretation depends on besides the frames: the stations' registered facts and the dictionary's overrides.
//!
//! A replay must give the same messages, so the context is journalled too: whole at first, then by what has changed, each as one run of
//! records (see [`crate::message::record`]), and it holds from there on. No password is ever in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dialect::{Reading, Shown};
use super::{Kind, Pairs};
use hj212::{Edition, SealForm};

/// The whole context, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Context {
    /// The stations by MN.
    pub stations: BTreeMap<String, Arc<StationFacts>>,
    /// Dictionary rows that replace or add to the built-in ones, by code: `[name, unit]`.
    pub factors: BTreeMap<String, (String, String)>,
    /// The marking rules in force, file name to text; none: those built in.
    #[serde(default)]
    pub rules: BTreeMap<String, String>,
    /// The rules of alerts in force, file name to text; none: no alerts.
    #[serde(default)]
    pub alerts: BTreeMap<String, String>,
    /// The rules of leads in force, file name to text; none: no leads.
    #[serde(default)]
    pub leads: BTreeMap<String, String>,
    /// The rules of scorecards in force, file name to text; none: no scorecards.
    #[serde(default)]
    pub scores: BTreeMap<String, String>,
    /// What command codes mean in the dialects that stations have or show.
    #[serde(default)]
    pub dialects: BTreeMap<String, Reading>,
    /// MNs that stations were given or show and that are not registered: each with the MN that its station had before. What is journalled of a
    /// context is what files say; this is not.
    #[serde(skip)]
    pub followed: BTreeMap<String, String>,
    /// Those of them that the stations show without having been told.
    #[serde(skip)]
    pub shown: BTreeSet<String>,
}

/// So many times a station may have been given another MN without its registration saying so.
const FOLLOWED_MAX: usize = 8;

impl Context {
    /// What is registered of a station; of one that has another MN now, what is registered under the one that it had.
    #[must_use]
    pub fn facts(&self, mn: &str) -> Option<&StationFacts> {
        self.stations.get(mn).or_else(|| self.stations.get(self.registered_as(mn)?)).map(Arc::as_ref)
    }

    /// The MN under which a station is registered that has another one now; `None`: it is registered under its own or not at all, or its row
    /// says that it is not that station.
    #[must_use]
    pub fn registered_as(&self, mn: &str) -> Option<&str> {
        if self.stations.contains_key(mn) {
            return None;
        }
        let mut found = self.followed.get(mn)?;
        for _ in 0..FOLLOWED_MAX {
            if let Some(facts) = self.stations.get(found) {
                return (!facts.mn_refused.iter().any(|refused| refused == mn)).then_some(found.as_str());
            }
            found = self.followed.get(found)?;
        }
        None
    }

    /// The dialect that its station is registered with, else the one that a record shows if nothing is registered.
    fn dialect_of(&self, facts: Option<&StationFacts>, shown: &Shown<'_>) -> Option<&Reading> {
        match facts.and_then(|facts| facts.dialect.as_deref()) {
            Some(name) => self.dialects.get(name),
            None => self.dialects.get(self.recognised(facts, shown)?),
        }
    }

    /// The name of the dialect that a record shows, if nothing is registered for its station.
    #[must_use]
    pub fn recognised(&self, facts: Option<&StationFacts>, shown: &Shown<'_>) -> Option<&str> {
        let free = facts.is_none_or(|facts| facts.edition.is_none() && facts.dialect.is_none());
        let fits = |dialect: &Reading| dialect.recognise.iter().any(|sign| sign.fits(shown));
        let mut all = self.dialects.iter().filter(|_| free);
        all.find(|(_, dialect)| fits(dialect)).map(|(name, _)| name.as_str())
    }

    /// What a record is about: as its dialect says, else as the standard does.
    #[must_use]
    pub fn kind_of(&self, facts: Option<&StationFacts>, shown: &Shown<'_>) -> Kind {
        let Some(cn) = shown.cn else { return Kind::Other };
        self.dialect_of(facts, shown).and_then(|dialect| dialect.kinds.of(cn)).unwrap_or_else(|| Kind::of(cn))
    }

    /// The edition that a record is written in: the registered one, else that of the dialect it shows, else that of its Flag.
    #[must_use]
    pub fn edition_of(&self, facts: Option<&StationFacts>, shown: &Shown<'_>) -> Option<Edition> {
        self.said_edition_of(facts, shown).or(shown.flag)
    }

    /// The registered edition, else that of the dialect that a record shows. Flag does not count.
    #[must_use]
    pub fn said_edition_of(&self, facts: Option<&StationFacts>, shown: &Shown<'_>) -> Option<Edition> {
        facts.and_then(|facts| facts.edition).or_else(|| self.dialect_of(facts, shown)?.edition)
    }

    /// The MN of the station whose logger has this hardware number.
    #[must_use]
    pub fn of_hardware(&self, number: &[u8]) -> Option<&str> {
        let own = |facts: &StationFacts| facts.hardware.as_ref().is_some_and(|hardware| hardware.as_bytes() == number);
        self.stations.iter().find(|(_, facts)| own(facts)).map(|(mn, _)| mn.as_str())
    }
}

/// What is new, other or gone in a context; against an empty context, the whole of another. As JSON `null` stands for what is gone, and of
/// a station's facts only those are written that are not as in [`StationFacts::default`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContextChange {
    /// Stations by MN.
    pub stations: BTreeMap<String, Option<Arc<StationFacts>>>,
    /// Rows of the dictionary by code.
    pub factors: BTreeMap<String, Option<(String, String)>>,
    /// Rule files by name.
    pub rules: BTreeMap<String, Option<String>>,
    /// Rule files of alerts by name.
    pub alerts: BTreeMap<String, Option<String>>,
    /// Rule files of leads by name.
    pub leads: BTreeMap<String, Option<String>>,
    /// Rule files of scorecards by name.
    pub scores: BTreeMap<String, Option<String>>,
    /// Dialects by name.
    pub dialects: BTreeMap<String, Option<Reading>>,
}

impl ContextChange {
    /// Takes up what another piece of the same change says.
    pub fn join(&mut self, piece: ContextChange) {
        self.stations.extend(piece.stations);
        self.factors.extend(piece.factors);
        self.rules.extend(piece.rules);
        self.alerts.extend(piece.alerts);
        self.leads.extend(piece.leads);
        self.scores.extend(piece.scores);
        self.dialects.extend(piece.dialects);
    }

    /// The context that this is the whole of.
    #[must_use]
    pub fn whole(self) -> Context {
        let mut context = Context::default();
        self.apply(&mut context);
        context
    }

    /// Changes `context`.
    pub fn apply(self, context: &mut Context) {
        fn each<V>(changes: BTreeMap<String, Option<V>>, map: &mut BTreeMap<String, V>) {
            for (key, value) in changes {
                match value {
                    Some(value) => drop(map.insert(key, value)),
                    None => drop(map.remove(&key)),
                }
            }
        }
        each(self.stations, &mut context.stations);
        each(self.factors, &mut context.factors);
        each(self.rules, &mut context.rules);
        each(self.alerts, &mut context.alerts);
        each(self.leads, &mut context.leads);
        each(self.scores, &mut context.scores);
        each(self.dialects, &mut context.dialects);
    }
}

/// What is registered of a station and shows in what is published of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StationFacts {
    /// The name people use.
    pub name: String,
    /// Free tags: region, enterprise, outlet …
    pub tags: Pairs<String>,
    /// The registered ST, if any.
    pub st: Option<String>,
    /// The registered edition, if any: `2005`, `2017`, `2025`.
    pub edition: Option<Edition>,
    /// The name of the dialect, if any.
    pub dialect: Option<String>,
    /// The number of the logger's hardware (i23005) that is to have this MN (HJ 212-2025, C.2), if it is registered.
    pub hardware: Option<String>,
    /// The form that it encrypts data areas in, if that is not the standard's.
    pub seal: Option<SealForm>,
    /// Codes this station uses for others: alias to canonical code.
    pub aliases: Pairs<String>,
    /// The units this station really uses, by canonical code.
    pub units: Pairs<String>,
    /// The units its values are published in instead, by canonical code.
    pub conversions: Pairs<Conversion>,
    /// What it means by codes of several meanings: canonical code to the name of the meaning.
    pub meanings: Pairs<String>,
    /// The marking rule sets that apply besides those of the edition.
    pub rules: Vec<String>,
    /// What the marks of operating conditions hang on.
    pub facilities: Vec<Facility>,
    /// Emission limits by canonical code, as decimals: of the finest data, of the converted value where the station says one.
    pub limits: Pairs<String>,
    /// Emission limits with all that a permit says of them.
    pub emission: Vec<EmissionLimit>,
    /// Measuring ranges by canonical code: lowest and highest, as decimals.
    pub ranges: Pairs<(String, String)>,
    /// What the outlet has no instrument for, by canonical code: nothing is missed there.
    pub without: Vec<String>,
    /// How often sampled data comes, in seconds, if that is registered.
    pub realtime_interval: Option<u32>,
    /// How often minute data comes, in seconds, if that is registered.
    pub minute_interval: Option<u32>,
    /// The company that keeps the station (运维单位), if one is registered: its id in topics and scorecards.
    pub operator: Option<String>,
    /// MNs that this station does not have, whatever it seems: proposals that were refused.
    pub mn_refused: Vec<String>,
}

/// An emission limit as a permit or a standard says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EmissionLimit {
    /// The canonical code of the factor.
    pub code: String,
    /// The most, a decimal in the factor's unit.
    pub max: String,
    /// The period whose values it is about: `sample`, `minute`, `hour`, `day`; empty: the finest data that comes.
    pub of: String,
    /// The value it is about: `measured` or `converted` (折算); empty: the converted one where the station says one.
    pub basis: String,
    /// To how many digits after the point a value is rounded for the comparison; none: as it was said.
    pub decimals: Option<u8>,
    /// What it is called: `GB 18485-2014 表4`.
    pub name: String,
    /// The first day on which it holds, `2026-01-01`; none: always.
    pub from: Option<String>,
    /// The first day on which it holds no more.
    pub until: Option<String>,
    /// The clause.
    pub clause: String,
    /// How sure it is: V, S, C, R, I, U; empty: nothing is said.
    pub certainty: String,
}

/// How values in the station's unit become values in another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversion {
    /// The unit that is published.
    pub to: String,
    /// What values are multiplied by: a positive decimal, `0.001`.
    pub by: String,
    /// The number of decimals that the product is rounded to; none: it stays exact.
    pub digits: Option<u8>,
}

/// A furnace, kiln, unit, treatment … of a station.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facility {
    /// Its name in marks: letters, digits, `-` and `_`.
    pub id: String,
    /// What it is, as the rules say it: `furnace`, `kiln`, `unit`, `production`, `treatment` …
    pub kind: String,
    /// The factors it stands behind; none: all of the station's.
    pub factors: Vec<String>,
    /// Its signals: what rules call them, and their codes here.
    pub aliases: BTreeMap<String, String>,
}
