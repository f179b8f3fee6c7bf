//! What rule files say: marks, the rules that set them, limits, conflicts, periods, overlays. The keys are described in `docs/marking.md`.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Not usable.
    Invalid,
    /// Not there.
    Missing,
    /// Not in the denominator of any rate: a source that is out of service has no device fault that counts (停运不计入统计).
    Excluded,
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

    /// What is left of it where there is no value: a number that is not there is neither exempt, nor conditional, nor valid.
    #[must_use]
    pub(super) const fn of_nothing(self) -> Validity {
        if self.is_usable() { Self::Invalid } else { self }
    }

    /// The validity of that published name.
    #[must_use]
    pub fn named(name: &str) -> Option<Validity> {
        let all = [Self::Valid, Self::Conditional, Self::Exempt, Self::Invalid, Self::Missing, Self::Excluded];
        all.into_iter().find(|validity| validity.name() == name)
    }

    /// Whether a value of this kind can be used as a measurement.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Valid | Self::Conditional | Self::Exempt)
    }

    /// Whether a value of this kind is judged against the emission limit.
    #[must_use]
    pub const fn is_judged(self) -> bool {
        matches!(self, Self::Valid | Self::Conditional)
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
/// What treats the gas or water of sources: one stands behind the other.
pub const OBJECT_TREATMENT: &str = "treatment";
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
    OBJECT_TREATMENT,
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
    /// Whether it takes effect only when an authority has accepted it.
    pub ruling: bool,
    /// When it is one: by the time of what it is about.
    pub dates: Dates,
    /// Of a letter: what it says of the value for the share of normal ones (HJ 212-2017, notes to C.16 to C.18) and for the mean.
    pub counts: Counts,
}

/// How the value under a letter counts in the period above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// As the mark's validity says.
    #[default]
    ByValidity,
    /// A stop: in one reading of the notes it is not due.
    Stopped,
    /// No value of the instrument: people typed it in. It is counted in no mean.
    NotMeasured,
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
    /// When it holds.
    pub dates: Dates,
}

/// From when until when something of a rule file holds, by data time: from the beginning of a Beijing day to before that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dates {
    /// The first moment, µs.
    pub from: i64,
    /// The first moment after it, µs.
    pub until: i64,
}

impl Default for Dates {
    fn default() -> Dates {
        Dates { from: i64::MIN, until: i64::MAX }
    }
}

impl Dates {
    /// Whether it holds at `at`.
    #[must_use]
    pub const fn hold(self, at: i64) -> bool {
        self.from <= at && at < self.until
    }

    /// When both hold.
    #[must_use]
    pub fn and(self, other: Dates) -> Dates {
        Dates { from: self.from.max(other.from), until: self.until.min(other.until) }
    }

    /// When it holds and `other` does not: before it, and after it.
    #[must_use]
    pub fn without(self, other: Dates) -> [Dates; 2] {
        let before = Dates { until: self.until.min(other.from), ..self };
        [before, Dates { from: self.from.max(other.until), ..self }]
    }

    /// Whether it never holds.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.from >= self.until
    }

    /// Whether there is a time at which both hold.
    #[must_use]
    pub fn meets(self, other: Dates) -> bool {
        !self.and(other).is_never()
    }

    /// Whether it always holds.
    #[must_use]
    pub const fn is_open(self) -> bool {
        self.from == i64::MIN && self.until == i64::MAX
    }
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
    /// Of an `each`: marks on one object that are no further apart than this are one occasion, µs.
    pub apart: i64,
    /// What that distance rests on; empty: marks that touch or overlap.
    pub apart_clause: String,
    /// When it holds.
    pub dates: Dates,
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
    /// The mark; empty: the act itself is forbidden, whatever is marked.
    pub mark: String,
    /// The kind of object it is looked for on.
    pub object: String,
    /// When it holds.
    pub dates: Dates,
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

/// How many good finer values make a period's flag N (HJ 212-2017, notes to C.16 to C.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// All that there are.
    All,
    /// This many of so many that are due; what is excluded is not due.
    Share(u32, u32),
}

/// How many good finer values the mean of a period needs to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mean {
    /// All that there are.
    All,
    /// This many of so many places of the whole period, whatever is excluded (HJ 212-2017, annex D: 45 minutes, 20 hours).
    Whole(u32, u32),
    /// This share of those that are due; what is excluded is not due (HJ 356-2019: 75 %).
    Due(u32, u32),
}

/// A question about a period, and the clause that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<N> {
    /// What is needed.
    pub needed: N,
    /// As written.
    pub text: Arc<str>,
    /// The clause.
    pub clause: Arc<str>,
    /// How sure it is.
    pub certainty: Certainty,
}

/// What finer values make of a period. Two questions: is the logger's own flag right, and is the mean valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// `air` or `water`.
    pub medium: String,
    /// `minute`, `hour` or `day`.
    pub of: String,
    /// When its own flag is N.
    pub flag: Option<Asked<Good>>,
    /// Another reading of the same clause: a flag that is right by either is not doubted.
    pub strict: Option<Good>,
    /// When its mean is valid.
    pub mean: Option<Asked<Mean>>,
    /// When it holds: of periods that begin then.
    pub dates: Dates,
}

/// A condition of exemptions: where it is broken, they do not work (GB 18485: particulates at most 150 mg/m³).
#[derive(Debug, Clone, PartialEq)]
pub struct Require {
    /// `set:id`
    pub name: String,
    /// The exempting marks.
    pub marks: Vec<String>,
    /// The factor whose mean is looked at.
    pub factor: String,
    /// The period of that mean: `minute`, `hour`, `day`.
    pub of: String,
    /// The most it may be; the converted value where the station says one.
    pub max: f64,
    /// The factors that lose their exemption; empty: that one alone.
    pub factors: Vec<String>,
    /// Whether the other factors' exemption rests on it too: where it is broken or not shown, people must rule about them.
    pub others: bool,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Its clause.
    pub clause: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// When it holds.
    pub dates: Dates,
}

impl Require {
    /// Whether a reading of `code` loses its exemption with it.
    pub(super) fn takes(&self, code: &str) -> bool {
        if self.factors.is_empty() { self.factor == code } else { self.factors.iter().any(|f| f == code) }
    }

    /// Whether the exemption of `mark` depends on it.
    pub(super) fn is_of(&self, mark: &str) -> bool {
        self.marks.iter().any(|name| name == mark)
    }

    /// The level of the period that it is about.
    pub(super) fn rank(&self) -> u8 {
        match self.of.as_str() {
            "minute" => 1,
            "hour" => 2,
            _ => 3,
        }
    }
}

/// What other factors' values rest on: oxygen for converted ones, flow for the means of water (涉及因子无效).
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// The mark's `set:id`.
    pub mark: String,
    /// What it makes of a reading.
    pub validity: Validity,
    /// The factor they rest on.
    pub factor: String,
    /// `air` or `water`.
    pub medium: String,
    /// Converted values (`converted`), or the means of hours and days (`means`).
    pub of_converted: bool,
    /// It must be above this.
    pub above: Option<f64>,
    /// And below this.
    pub below: Option<f64>,
    /// Whether its absence breaks it too.
    pub needed: bool,
    /// The mark where it is absent, and what that makes of a reading.
    pub absent: (String, Validity),
    /// Factors that do not rest on it.
    pub but: Vec<String>,
    /// When it holds.
    pub dates: Dates,
}

/// Values of a period that may be wrong only so often (炉膛温度).
#[derive(Debug, Clone, PartialEq)]
pub struct Count {
    /// `set:id`
    pub name: String,
    /// The signal, an alias of facilities.
    pub signal: String,
    /// Where no facility has it: this code.
    pub code: String,
    /// Values below this are wrong.
    pub below: f64,
    /// So many of a day are borne.
    pub max: u32,
    /// Marks of the facility during which they are not counted.
    pub unless: Vec<String>,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Its clause.
    pub clause: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// When it holds.
    pub dates: Dates,
}

/// Until when marks may be entered by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// So many days after the day of the mark's begin,
    pub deadline_days: u8,
    /// at this hour, Beijing time.
    pub deadline_hour: u8,
    /// Whether an entry that takes values out of judgement must name its proof.
    pub proof: bool,
    /// Its clause.
    pub clause: String,
    /// Of which days it says so.
    pub dates: Dates,
}

/// What an overlay changes in rules of other sets.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The rule is replaced by this one, as long as this one holds.
    Override(Box<Rule>),
    /// The rule does not apply, by this clause, at these times.
    Disable(String, String, Dates),
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
    /// What finer values make of periods.
    pub periods: Vec<Period>,
    /// Conditions of exemptions.
    pub requires: Vec<Require>,
    /// What other values rest on.
    pub bases: Vec<Basis>,
    /// Values that may be wrong only so often.
    pub counts: Vec<Count>,
    /// Until when marks may be entered; of days that none of them is about nothing is said.
    pub entries: Vec<Entries>,
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
    /// Kinds of facilities: [`OBJECTS`] and what files declare.
    pub kinds: BTreeSet<String>,
    /// Until when marks may be entered where no set of a station says it.
    pub entries: Vec<Entries>,
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
