//! Rule files of leads (`config/leads/*.toml`): the numbers of the detectors.
//!
//! What must stay true: a file with a mistake is refused as a whole, with its place; every row has a clause and a certainty; a number out of its
//! range is a mistake.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::detectors::capped::CappedRule;
use super::detectors::clock::ClockRule;
use super::detectors::constant::ConstantRule;
use super::detectors::ledger::LedgerRule;
use super::detectors::mark_abuse::MarkAbuseRule;
use super::detectors::revised::RevisedRule;
use super::detectors::stopped_running::StoppedRunningRule;
use hj212_model::registry::Problem;

/// The rule files that are built in.
pub const BUILT_IN: &[(&str, &str)] = &[("leads.toml", include_str!("../../../config/leads/leads.toml"))];

/// The texts of the built-in files, by name.
#[must_use]
pub fn built_in_texts() -> BTreeMap<String, String> {
    BUILT_IN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// A rule file, read: what is `None` or empty is not looked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadRules {
    schema: String,
    /// Its name.
    pub set: String,
    /// Its version.
    pub version: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Factors that are not looked at.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// L1
    #[serde(default)]
    pub constant: Vec<ConstantRule>,
    /// L3
    #[serde(default)]
    pub capped: Vec<CappedRule>,
    /// L5
    #[serde(default)]
    pub mark_abuse: Option<MarkAbuseRule>,
    /// L6
    #[serde(default)]
    pub stopped_running: Option<StoppedRunningRule>,
    /// L8
    #[serde(default)]
    pub clock: Option<ClockRule>,
    /// L11
    #[serde(default)]
    pub ledger: Option<LedgerRule>,
    /// L12
    #[serde(default)]
    pub revised: Option<RevisedRule>,
}

/// What every row says beside its numbers.
struct RuleTexts<'a> {
    name: &'static str,
    rank: u8,
    texts: [(&'static str, &'a str); 4],
}

impl LeadRules {
    /// Reads a rule file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(file: &str, text: &str) -> Result<LeadRules, Vec<Problem>> {
        let rules: LeadRules =
            toml::from_str(text).map_err(|error| vec![Problem::of_toml(Path::new(file), text, &error)])?;
        let mut problems = Vec::new();
        let mut wrong = |what: String, remedy: &str| problems.push(Problem::of_file(Path::new(file), &what, remedy));
        if rules.schema != "leads/1" {
            wrong(format!("schema = \"{}\"", rules.schema), "write schema = \"leads/1\"");
        }
        for row in rules.rows() {
            if !(1..=3).contains(&row.rank) {
                wrong(format!("{}: rank = {}", row.name, row.rank), "write 1, 2 or 3");
            }
            for (key, said) in row.texts {
                if said.trim().is_empty() {
                    wrong(format!("{}: {key} is empty", row.name), "say where it comes from · 写明依据");
                }
                if key.ends_with("certainty") && !["V", "S", "C", "R", "I", "U"].contains(&said) {
                    wrong(format!("{}: {key} = \"{said}\"", row.name), "write V, S, C, R, I or U");
                }
            }
        }
        for (what, remedy) in rules.counts() {
            wrong(what, remedy);
        }
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }

    /// The rules of `texts`, the first file that is good; none: nothing is looked for.
    #[must_use]
    pub fn in_force(texts: &BTreeMap<String, String>) -> Option<LeadRules> {
        texts.iter().find_map(|(file, text)| LeadRules::read(file, text).ok())
    }

    fn rows(&self) -> Vec<RuleTexts<'_>> {
        let mut rows = Vec::new();
        macro_rules! row {
            ($name:literal, $rule:expr) => {
                for rule in $rule.iter() {
                    let texts = [
                        ("clause", rule.clause.as_str()),
                        ("certainty", rule.certainty.as_str()),
                        ("act", rule.act.as_str()),
                        ("act_certainty", rule.act_certainty.as_str()),
                    ];
                    rows.push(RuleTexts { name: $name, rank: rule.rank, texts });
                }
            };
        }
        row!("constant", self.constant);
        row!("capped", self.capped);
        row!("mark_abuse", self.mark_abuse);
        row!("stopped_running", self.stopped_running);
        row!("clock", self.clock);
        row!("ledger", self.ledger);
        row!("revised", self.revised);
        rows
    }

    /// Counts out of their ranges.
    fn counts(&self) -> Vec<(String, &'static str)> {
        let mut wrong = Vec::new();
        let mut within = |name: &str, value: u32, range: std::ops::RangeInclusive<u32>| {
            if !range.contains(&value) {
                wrong.push((format!("{name} = {value} must be {} to {}", range.start(), range.end()), "correct it"));
            }
        };
        for rule in &self.constant {
            within("constant: values", rule.values, 3..=10_000);
            within("constant: longer", rule.longer, 1..=100);
        }
        for rule in &self.capped {
            within("capped: buckets", rule.buckets, 1..=48);
            within("capped: values", rule.values, 20..=100_000);
            within("capped: peak", rule.peak, 1..=1000);
        }
        if let Some(rule) = &self.mark_abuse {
            within("mark_abuse: days", rule.days, 1..=40);
            within("mark_abuse: runs", rule.runs, 2..=64);
            within("mark_abuse: followed", rule.followed, 1..=64);
            within("mark_abuse: every", rule.every, 2..=64);
        }
        if let Some(rule) = &self.clock {
            within("clock: records", rule.records, 2..=1000);
            within("clock: twice", rule.twice, 1..=1000);
        }
        wrong
    }
}
