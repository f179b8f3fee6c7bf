//! Rule files of scorecards (`config/scores/*.toml`): what measures are called, what they are made of, whence they come, and grades.
//!
//! What must stay true: a file with a mistake is refused as a whole, with its place; every row has a clause and a certainty; a grade is decided by the
//! exact quotient, not by what is shown of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::card::{Pair, ScoreCard, ScorePart};
use hj212_model::message::Timestamp;
use hj212_model::registry::Problem;
use hj212_workdays::WorkDays;

/// The rule files that are built in.
pub const BUILT_IN: &[(&str, &str)] = &[("scores.toml", include_str!("../../../config/scores/scores.toml"))];

/// The texts of the built-in files, by name.
#[must_use]
pub fn built_in_texts() -> BTreeMap<String, String> {
    BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreUnit {
    /// Of a hundred.
    Percent,
    /// Of a thousand.
    PerThousand,
    /// Minutes as hours, each.
    Hours,
}

impl ScoreUnit {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::PerThousand => "1/1000",
            Self::Hours => "h",
        }
    }

    /// The quotient is multiplied and divided by these.
    const fn scale(self) -> (u128, u128) {
        match self {
            Self::Percent => (100, 1),
            Self::PerThousand => (1000, 1),
            Self::Hours => (1, 60),
        }
    }
}

/// One `[[measure]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreMeasure {
    /// Its published name.
    pub id: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// The pairs whose quotients are multiplied.
    pub parts: Vec<ScorePart>,
    /// How it is shown.
    pub unit: ScoreUnit,
    /// The clause or source.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
}

/// Whom a grade is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradeOf {
    /// A station.
    Station,
    /// A company.
    Company,
}

/// One `[[grade]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreGrade {
    /// Whom it is given to.
    pub of: GradeOf,
    /// Its published name.
    pub id: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Measures that must be at least so much.
    #[serde(default)]
    pub at_least: BTreeMap<String, u32>,
    /// Measures that must be at most so much.
    #[serde(default)]
    pub at_most: BTreeMap<String, u32>,
    /// The clause or source.
    pub clause: String,
    /// How sure that is.
    pub certainty: String,
}

/// A rule file, read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreRules {
    schema: String,
    /// Its name.
    pub set: String,
    /// Its version.
    pub version: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Whether the grades' numbers stand in for ones that nobody has published.
    pub placeholder: bool,
    /// Working days within which a fault is to be over.
    pub repair_days: u32,
    /// Marks that are faults, by name.
    pub faults: Vec<String>,
    /// Marks that are calibrations, by name.
    pub calibrations: Vec<String>,
    /// Marks that are automatic standard checks, by name.
    pub checks: Vec<String>,
    /// Factors of which one hour a day under a check is not counted.
    pub checked: Vec<String>,
    /// The days of a period in which a patrol is due.
    pub patrol_days: u32,
    /// The days of a period in which a calibration is due.
    pub calibration_days: u32,
    /// The measures, in the order in which they are shown.
    pub measure: Vec<ScoreMeasure>,
    /// The grades, the best first.
    pub grade: Vec<ScoreGrade>,
    #[serde(skip)]
    days: WorkDays,
}

impl ScoreRules {
    /// A fault that comes back sooner after its end is the same one, µs: 2 hours.
    pub(crate) const PAUSE: i64 = 2 * 3600 * 1_000_000;

    /// Reads a rule file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<ScoreRules, Vec<Problem>> {
        let mut rules: ScoreRules =
            toml::from_str(text).map_err(|error| vec![Problem::of_toml(Path::new(file), text, &error)])?;
        let mut problems = Vec::new();
        let mut wrong = |what: String, remedy: &str| problems.push(Problem::of_file(Path::new(file), &what, remedy));
        if rules.schema != "scores/1" {
            wrong(format!("schema = \"{}\"", rules.schema), "write schema = \"scores/1\"");
        }
        for (name, value, most) in [
            ("repair_days", rules.repair_days, 60),
            ("patrol_days", rules.patrol_days, 28),
            ("calibration_days", rules.calibration_days, 28),
        ] {
            if !(1..=most).contains(&value) {
                wrong(format!("{name} = {value} must be 1 to {most}"), "correct it");
            }
        }
        let measures = rules.measure.iter().map(|row| (&row.id, &row.clause, &row.certainty));
        let grades = rules.grade.iter().map(|row| (&row.id, &row.clause, &row.certainty));
        for (id, clause, certainty) in measures.chain(grades) {
            if clause.trim().is_empty() || !["V", "S", "C", "R", "I", "U"].contains(&certainty.as_str()) {
                wrong(
                    format!("{id}: clause or certainty"),
                    "say where it comes from, and V, S, C, R, I or U · 写明依据",
                );
            }
        }
        for (at, row) in rules.measure.iter().enumerate() {
            let again = rules.measure.iter().take(at).any(|other| other.id == row.id);
            let plain = !row.id.is_empty() && row.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if again || !plain || !(1..=3).contains(&row.parts.len()) {
                wrong(format!("measure {:?}", row.id), "small letters and _, used once, with one to three parts");
            }
        }
        for grade in &rules.grade {
            for name in grade.at_least.keys().chain(grade.at_most.keys()) {
                if !rules.measure.iter().any(|row| row.id == *name) {
                    wrong(format!("grade {}: no measure {name}", grade.id), "name one of [[measure]]");
                }
            }
        }
        rules.days = WorkDays::built_in();
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    /// The rules of `texts`, the first file that is good; none: no scorecards.
    #[must_use]
    pub fn in_force(texts: &BTreeMap<String, String>) -> Option<ScoreRules> {
        texts.iter().find_map(|(file, text)| ScoreRules::read(file, text).ok())
    }

    /// Until when a fault that began at `since` is to be over.
    pub(crate) fn repair_limit(&self, since: Timestamp) -> Timestamp {
        self.days.after(since, self.repair_days)
    }
}

impl ScoreMeasure {
    /// The product of its quotients, as numerator and denominator; `None`: one of them has nothing to be measured by.
    fn quotient(&self, card: &ScoreCard) -> Option<(u128, u128)> {
        let mut product = (1u128, 1u128);
        for part in &self.parts {
            let Pair { num, den } = card.pair(*part);
            if den == 0 {
                return None;
            }
            // Counts of a country stay far below: what does not fit is not said.
            product = (product.0.checked_mul(num.into())?, product.1.checked_mul(den.into())?);
        }
        let (by, over) = self.unit.scale();
        Some((product.0.checked_mul(by)?, product.1.checked_mul(over)?))
    }

    /// As it is shown: two digits behind the point, cut, so that only what is complete is 100; `None`: nothing was to be measured.
    #[must_use]
    pub fn value(&self, card: &ScoreCard) -> Option<String> {
        let (num, den) = self.quotient(card)?;
        let hundredths = num.checked_mul(100)? / den;
        Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
    }

    fn compares(&self, card: &ScoreCard, with: u32, fits: fn(&u128, &u128) -> bool) -> bool {
        // What was not to be measured stands in nobody's way.
        self.quotient(card)
            .is_none_or(|(num, den)| den.checked_mul(with.into()).is_some_and(|asked| fits(&num, &asked)))
    }
}

impl ScoreRules {
    /// The grade of a card: the first one whose conditions hold. `None`: no rule gives one, or nothing that grades look at was to be measured.
    #[must_use]
    pub fn grade(&self, of: GradeOf, card: &ScoreCard) -> Option<&ScoreGrade> {
        let named = |id: &String| self.measure.iter().find(|row| row.id == *id);
        let grades = || self.grade.iter().filter(|grade| grade.of == of);
        let looked = |grade: &ScoreGrade| {
            let names = grade.at_least.keys().chain(grade.at_most.keys());
            names.filter_map(named).any(|row| row.quotient(card).is_some())
        };
        if !grades().any(looked) {
            return None;
        }
        grades().find(|grade| {
            let least = grade
                .at_least
                .iter()
                .all(|(id, with)| named(id).is_some_and(|row| row.compares(card, *with, u128::ge)));
            let most =
                grade.at_most.iter().all(|(id, with)| named(id).is_some_and(|row| row.compares(card, *with, u128::le)));
            least && most
        })
    }

    /// The measures of a card and its grade, as published: every value with the pairs that it was computed of.
    #[must_use]
    pub fn view(&self, of: GradeOf, card: &ScoreCard) -> (serde_json::Value, serde_json::Value) {
        let measure = |row: &ScoreMeasure| {
            let part = |part: &ScorePart| {
                let Pair { num, den } = card.pair(*part);
                serde_json::json!({ "id": part.name(), "num": num, "den": den })
            };
            serde_json::json!({
                "id": row.id, "zh": row.zh, "en": row.en, "parts": row.parts.iter().map(part).collect::<Vec<_>>(),
                "value": row.value(card), "unit": row.unit.name(), "clause": row.clause, "certainty": row.certainty,
            })
        };
        let grade = self.grade(of, card).map(|grade| {
            serde_json::json!({
                "id": grade.id, "zh": grade.zh, "en": grade.en, "placeholder": self.placeholder, "clause": grade.clause,
                "certainty": grade.certainty,
            })
        });
        (self.measure.iter().map(measure).collect(), grade.into())
    }
}
