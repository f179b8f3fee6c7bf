//! What rule files say: marks, the rules that set them, limits, conflicts, periods, overlays. The keys are described in `docs/marking.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expr::Expr;

pub(super) mod file;

/// What a mark makes of a reading, from the mildest to the one that prevails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// A good value.
    Valid,
    /// Needs a ruling by people; the gateway changes nothing.
    Conditional,
    /// A good value that is not judged against the emission limit.
    Exempt,
    /// Not in the denominator of any rate.
    Excluded,
    /// Not usable.
    Invalid,
    /// Not there.
    Missing,
}

impl Validity {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Conditional => "conditional",
            Self::Exempt => "exempt",
            Self::Excluded => "excluded",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
        }
    }

    /// The validity of that published name.
    #[must_use]
    pub fn named(name: &str) -> Option<Validity> {
        let all = [Self::Valid, Self::Conditional, Self::Exempt, Self::Excluded, Self::Invalid, Self::Missing];
        all.into_iter().find(|validity| validity.name() == name)
    }

    /// Whether a value of this kind can be used as a measurement.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Valid | Self::Conditional | Self::Exempt)
    }

    /// Whether a mark with this effect needs the word of the discharger: it takes a value out of judgement.
    #[must_use]
    pub const fn needs_confirmation(self) -> bool {
        matches!(self, Self::Exempt | Self::Excluded)
    }
}

/// What a mark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// The state of a measuring device or of the link.
    Device,
    /// The operating condition of a facility.
    Condition,
}

impl Dimension {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Condition => "condition",
        }
    }
}

/// How sure it is that a rule stands in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Certainty {
    /// Read in the text itself.
    V,
    /// Read in a secondary text.
    S,
    /// Seen in a working system.
    C,
    /// Recalled.
    R,
    /// Inferred.
    I,
    /// Unsure.
    U,
}

/// What a rule may do with its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Set it.
    Apply,
    /// Suggest it until an entry confirms it.
    Propose,
}

/// What kind of object a mark hangs on: `factor`, `outlet`, `parameter` (a code that stands for a facility's signal), `facility` (any), or
/// a kind of facility by name.
pub const OBJECT_FACTOR: &str = "factor";
/// The whole station.
pub const OBJECT_OUTLET: &str = "outlet";
/// A code that stands for a facility's signal.
pub const OBJECT_PARAMETER: &str = "parameter";
/// A facility of any kind.
pub const OBJECT_FACILITY: &str = "facility";
/// What a mark may hang on.
pub const OBJECTS: &[&str] = &[
    OBJECT_FACTOR,
    OBJECT_OUTLET,
    OBJECT_PARAMETER,
    OBJECT_FACILITY,
    "furnace",
    "kiln",
    "unit",
    "production",
    "treatment",
];

/// The time over which a limit counts. Years, quarters, months and days are those of the Beijing calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// One mark from begin to end.
    Each,
    /// A day.
    Day,
    /// A month.
    Month,
    /// A quarter.
    Quarter,
    /// A year.
    Year,
}

impl Per {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Day => "day",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// A signal: what rules call a quantity, whatever its code at a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The unit in which rules compare it.
    pub unit: String,
    /// Its code where a station does not say otherwise.
    pub code: Option<String>,
    /// Whether stations report it for each factor (3020 with PolId) rather than once.
    pub of_factor: bool,
}

/// A mark that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkKind {
    /// `set:id`
    pub name: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The kind of object it hangs on.
    pub object: String,
    /// What it is about.
    pub dimension: Dimension,
    /// What it makes of a reading.
    pub validity: Validity,
    /// Where it stands.
    pub source: String,
    /// How sure that is.
    pub certainty: Certainty,
    /// Whether people may enter it.
    pub by_hand: bool,
    /// Whether it only says that all is well: never an episode of its own.
    pub normal: bool,
    /// The only factors it may hang on; empty: any.
    pub factors: Vec<String>,
    /// The only signals whose codes it may hang on, if it is for parameters; empty: any.
    pub signals: Vec<String>,
}

impl MarkKind {
    /// Whether it hangs on codes.
    #[must_use]
    pub fn is_on_code(&self) -> bool {
        self.object == OBJECT_FACTOR || self.object == OBJECT_PARAMETER
    }
}

/// A rule that sets a mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `set:id`
    pub name: String,
    /// Grows with every change.
    pub version: u32,
    /// The mark's `set:id`.
    pub mark: String,
    /// What it may do.
    pub effect: Effect,
    /// Its clause.
    pub clause: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// When the mark begins, as written.
    pub when_text: String,
    /// When it begins.
    pub when: Expr<String>,
    /// When it ends, as written; `None`: when `when` no longer holds.
    pub until_text: Option<String>,
    /// When it ends.
    pub until: Option<Expr<String>>,
    /// How long `when` must hold, µs.
    pub begin_after: i64,
    /// How long `until` must hold, µs.
    pub end_after: i64,
    /// Rules of one group and set never hold at the same time.
    pub group: Option<String>,
    /// The only medium it is for: `air` or `water`.
    pub medium: Option<String>,
}

/// How long marks may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// `set:id`
    pub name: String,
    /// The marks that share it.
    pub marks: Vec<String>,
    /// The time over which it counts.
    pub per: Per,
    /// The most, µs.
    pub max: i64,
    /// From where on it is nearly spent, µs.
    pub warn: i64,
    /// Its clause.
    pub clause: String,
    /// How sure it is.
    pub certainty: Certainty,
}

/// What must not be true while a mark holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// `set:id`
    pub name: String,
    /// The mark.
    pub mark: String,
    /// Another mark on the same object.
    pub within: Option<String>,
    /// Whether it is one that the mark takes out of judgement what another facility of its kind emits too, and no such mark lies on that one.
    pub shared: bool,
    /// A condition, as written.
    pub against_text: Option<String>,
    /// A condition.
    pub against: Option<Expr<String>>,
    /// How long the condition must hold, µs.
    pub after: i64,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Its clause.
    pub clause: String,
    /// How sure it is.
    pub certainty: Certainty,
}

/// How many good finer values a period needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// All that there are.
    All,
    /// This many of so many that are expected.
    Share(u32, u32),
}

/// How the flag of a period follows from finer values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// `air` or `water`.
    pub medium: String,
    /// `minute`, `hour` or `day`.
    pub of: String,
    /// What is needed.
    pub good: Good,
    /// As written.
    pub good_text: Arc<str>,
    /// Its clause.
    pub clause: Arc<str>,
    /// How sure it is.
    pub certainty: Certainty,
}

/// Until when marks may be entered by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// So many days after the day of the mark's begin,
    pub deadline_days: u8,
    /// at this hour, Beijing time.
    pub deadline_hour: u8,
    /// Its clause.
    pub clause: String,
}

/// What an overlay changes in rules of other sets.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The rule is replaced by this one.
    Override(Box<Rule>),
    /// The rule does not apply, by this clause.
    Disable(String, String),
}

/// A rule set.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSet {
    /// Its name space.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Its version.
    pub version: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The editions whose stations have it without naming it.
    pub default_for: Vec<String>,
    /// What flags that no rule knows make of a reading.
    pub other_flags: Option<Validity>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// The limits.
    pub limits: Vec<Limit>,
    /// The conflicts.
    pub conflicts: Vec<Conflict>,
    /// How period flags are computed.
    pub periods: Vec<Period>,
    /// Until when marks may be entered.
    pub entries: Option<Entries>,
    /// What it changes elsewhere.
    pub changes: Vec<Change>,
    /// Whether it lies over other sets: what it says of deadlines and periods prevails.
    pub overlay: bool,
}

impl RuleSet {
    /// Whether it lies over other sets, as that of a province does.
    #[must_use]
    pub fn is_overlay(&self) -> bool {
        self.overlay
    }
}

/// All rule sets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleBook {
    /// By name.
    pub sets: BTreeMap<String, RuleSet>,
    /// All marks by `set:id`.
    pub marks: BTreeMap<String, MarkKind>,
    /// All signals.
    pub signals: BTreeMap<String, Signal>,
}

impl RuleBook {
    /// The file in which the rule `name` of this version stands.
    #[must_use]
    pub fn file_of(&self, name: &str, version: u32) -> Option<&str> {
        let is = |rule: &Rule| rule.name == name && rule.version == version;
        let has = |set: &&RuleSet| {
            set.rules.iter().any(is)
                || set.changes.iter().any(|change| match change {
                    Change::Override(rule) => is(rule),
                    Change::Disable(..) => false,
                })
        };
        self.sets.values().find(has).map(|set| set.file.as_str())
    }
}
