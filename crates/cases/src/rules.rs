//! Deadlines and who may close, as data.
//!
//! What must stay true: every state that waits for somebody has a deadline for every colour, or the file is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::table::{Colour, State};
use hj212_model::message::Timestamp;
use hj212_workdays::WorkDays;

const HOUR: i64 = 3600 * 1_000_000;
const DAY: i64 = 24 * HOUR;

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Hours(i64),
    WorkDays(u32),
}

/// The rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    limits: BTreeMap<(State, Colour), (Within, String, String)>,
    remind: BTreeMap<Colour, i64>,
    watch_days: i64,
    city_closes: Vec<Colour>,
    days: WorkDays,
    /// The name of the set.
    pub set: String,
}

/// A deadline, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// Until when.
    pub at: Timestamp,
    /// By which clause.
    pub clause: String,
    /// With which certainty.
    pub certainty: String,
}

/// What is wrong with a rule file.
pub type RulesError = String;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    set: String,
    limit: Vec<Limit>,
    remind: BTreeMap<Colour, String>,
    watch_days: u16,
    city_closes: Vec<Colour>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    state: State,
    colour: Vec<Colour>,
    within: String,
    clause: String,
    certainty: String,
}

fn within(text: &str) -> Option<Within> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u32 = number.parse().ok().filter(|number| (1..=9999).contains(number))?;
    match unit {
        "h" => Some(Within::Hours(i64::from(number) * HOUR)),
        "wd" => Some(Within::WorkDays(number)),
        _ => None,
    }
}

impl Rules {
    /// Those that come with the program.
    #[must_use]
    pub fn built_in() -> Rules {
        let text = include_str!("../../../config/cases/default.toml");
        // A test reads the file; were it wrong all the same, no state would have a deadline.
        Self::read(text, WorkDays::built_in()).unwrap_or_else(|_| Rules {
            limits: BTreeMap::new(),
            remind: BTreeMap::new(),
            watch_days: 7,
            city_closes: Vec::new(),
            days: WorkDays::built_in(),
            set: "none".into(),
        })
    }

    /// Reads a rule file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str, days: WorkDays) -> Result<Rules, RulesError> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.schema != "cases/1" {
            return Err("schema must be cases/1".into());
        }
        let mut limits = BTreeMap::new();
        for limit in &file.limit {
            let Some(within) = within(&limit.within) else {
                return Err(format!("within = \"{}\": write \"24h\" or \"5wd\"", limit.within));
            };
            for colour in &limit.colour {
                let said = (within, limit.clause.clone(), limit.certainty.clone());
                if limits.insert((limit.state, *colour), said).is_some() {
                    return Err(format!("{} {} has two limits", limit.state.name(), colour.name()));
                }
            }
        }
        let timed = [State::Open, State::Signed, State::Replied, State::Done, State::CountyOk];
        let missing = timed.iter().find_map(|state| {
            Colour::ALL.iter().find(|colour| !limits.contains_key(&(*state, **colour))).map(|colour| (state, colour))
        });
        if let Some((state, colour)) = missing {
            return Err(format!("no limit of {} for {}", state.name(), colour.name()));
        }
        let mut remind = BTreeMap::new();
        for colour in Colour::ALL {
            let every = file.remind.get(colour).and_then(|text| within(text));
            let Some(Within::Hours(every)) = every else {
                return Err(format!("remind.{}: write \"24h\"", colour.name()));
            };
            remind.insert(*colour, every);
        }
        let watch_days = i64::from(file.watch_days);
        Ok(Rules { limits, remind, watch_days, city_closes: file.city_closes, days, set: file.set })
    }

    /// When what must be done in `state` is due, if it began at `from`, and by which clause with which certainty.
    #[must_use]
    pub fn due(&self, state: State, colour: Colour, from: Timestamp) -> Option<Deadline> {
        let (within, clause, certainty) = self.limits.get(&(state, colour))?;
        let at = match within {
            Within::Hours(hours) => Timestamp(from.0.saturating_add(*hours)),
            Within::WorkDays(days) => self.days.after(from, *days),
        };
        Some(Deadline { at, clause: clause.clone(), certainty: certainty.clone() })
    }

    /// How often what is overdue is said again.
    #[must_use]
    pub fn remind(&self, colour: Colour) -> i64 {
        self.remind.get(&colour).copied().unwrap_or(DAY)
    }

    /// How long a case is watched before it may be closed, in microseconds.
    #[must_use]
    pub fn watch(&self) -> i64 {
        self.watch_days * DAY
    }

    /// Whether the city may close a case of this colour.
    #[must_use]
    pub fn city_closes(&self, colour: Colour) -> bool {
        self.city_closes.contains(&colour)
    }

    /// The working days.
    #[must_use]
    pub fn days(&self) -> &WorkDays {
        &self.days
    }
}
