//! The emission limits of an outlet: which one holds for a factor on a day.
//!
//! What must stay true: of several that hold the strictest is compared; a limit without a period (the plain table, `limits = { a21026 = 100 }`)
//! judges no hour and no day, because nobody said which; a limit that cannot be read is none, and the registration refuses it before.

use super::calendar;
use super::decimal::{Decimal, Ratio};
use hj212_model::message::{EmissionLimit, StationFacts};

/// The flow of waste water.
pub const FLOW: &str = "w00000";

/// The period whose mean a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// An hour.
    Hour,
    /// A natural day.
    Day,
}

impl Period {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The value that a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Basis {
    /// As measured (实测).
    Measured,
    /// Converted to reference oxygen (折算).
    Converted,
    /// Converted where the station says a converted value, else as measured.
    AsSaid,
    /// The sum over the period (Cou): of the flow alone, the weight of means of waste water.
    Total,
}

impl Basis {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Converted => "converted",
            Self::AsSaid => "as-said",
            Self::Total => "total",
        }
    }
}

/// An emission limit, ready to be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The canonical code of the factor.
    pub code: String,
    /// The most.
    pub max: Decimal,
    /// The period whose mean it is about.
    pub period: Period,
    /// The value it is about.
    pub basis: Basis,
    /// To how many digits after the point a mean is rounded for the comparison; none: all digits count.
    pub decimals: Option<u8>,
    /// What it is called.
    pub name: String,
    /// The first day on which it holds.
    pub from: i32,
    /// The first day on which it holds no more.
    pub until: i32,
    /// The clause.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
}

impl Limit {
    /// A registered limit; `None` if it names no period that is judged.
    #[must_use]
    pub fn new(said: &EmissionLimit) -> Option<Limit> {
        let period = match said.of.as_str() {
            "hour" => Period::Hour,
            "day" => Period::Day,
            _ => return None,
        };
        let basis = match said.basis.as_str() {
            "measured" => Basis::Measured,
            "converted" => Basis::Converted,
            _ => Basis::AsSaid,
        };
        let day = |text: &Option<String>, else_: i32| text.as_deref().map_or(Some(else_), calendar::read);
        Some(Limit {
            code: said.code.clone(),
            max: Decimal::parse(&said.max)?,
            period,
            basis,
            decimals: said.decimals,
            name: said.name.clone(),
            from: day(&said.from, i32::MIN)?,
            until: day(&said.until, i32::MAX)?,
            clause: said.clause.clone(),
            certainty: said.certainty.clone(),
        })
    }

    /// How many times the limit a value is, as it is compared: after rounding.
    pub(super) fn times(&self, value: Ratio) -> Option<Ratio> {
        value.compared(self.decimals).times(self.max)
    }

    /// As published.
    #[must_use]
    pub fn view(&self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name, "max": self.max.to_string(), "basis": self.basis.name(), "decimals": self.decimals,
            "clause": self.clause, "certainty": self.certainty,
        })
    }
}

/// All limits of an outlet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    all: Vec<Limit>,
    /// Whether the outlet has no flow meter, by its registration: then means of water are plain ones.
    pub(super) without_flow: bool,
}

impl Limits {
    /// The limits that are registered for a station.
    #[must_use]
    pub fn new(facts: &StationFacts) -> Limits {
        let mut all: Vec<Limit> = facts.emission.iter().filter_map(Limit::new).collect();
        all.sort_by(|one, other| (&one.code, one.period).cmp(&(&other.code, other.period)));
        Limits { all, without_flow: facts.without.iter().any(|code| code == FLOW) }
    }

    /// Whether there is nothing to judge by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The limit that holds for `code` on `day`: the strictest.
    #[must_use]
    pub fn on(&self, code: &str, period: Period, day: i32) -> Option<&Limit> {
        let holds =
            |limit: &&Limit| limit.code == code && limit.period == period && (limit.from..limit.until).contains(&day);
        self.all.iter().filter(holds).min_by_key(|limit| limit.max.nano())
    }

    /// The factors with a limit, each once, in order.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let mut last = "";
        self.all.iter().map(|limit| limit.code.as_str()).filter(move |code| {
            let new = *code != last;
            last = code;
            new
        })
    }

    /// The factors and values whose hours are remembered, each once.
    pub(super) fn tracks(&self) -> Vec<(&str, Basis)> {
        let mut tracks: Vec<(&str, Basis)> = self.all.iter().map(|limit| (limit.code.as_str(), limit.basis)).collect();
        tracks.sort_unstable();
        tracks.dedup();
        tracks
    }
}
