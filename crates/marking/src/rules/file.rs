//! A rule file as it is written: the rows that [`crate::marking::RuleBook`] is made of.

use serde::Deserialize;
use toml::Spanned;

use super::{Certainty, Dimension, Effect, Per, Validity};

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct File {
    pub(in crate::marking) schema: Spanned<String>,
    pub(in crate::marking) set: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::marking) version: String,
    #[serde(default)]
    pub(in crate::marking) zh: String,
    #[serde(default)]
    pub(in crate::marking) en: String,
    #[serde(default)]
    pub(in crate::marking) default_for: Vec<Spanned<String>>,
    pub(in crate::marking) other_flags: Option<Validity>,
    #[serde(default)]
    pub(in crate::marking) overlay: bool,
    /// Kinds of facilities besides those of [`super::OBJECTS`].
    #[serde(default)]
    pub(in crate::marking) kinds: Vec<String>,
    #[serde(default)]
    pub(in crate::marking) signal: Vec<SignalRow>,
    #[serde(default)]
    pub(in crate::marking) mark: Vec<MarkRow>,
    #[serde(default)]
    pub(in crate::marking) rule: Vec<RuleRow>,
    #[serde(default)]
    pub(in crate::marking) limit: Vec<LimitRow>,
    #[serde(default)]
    pub(in crate::marking) conflict: Vec<ConflictRow>,
    #[serde(default)]
    pub(in crate::marking) period: Vec<PeriodRow>,
    #[serde(default)]
    pub(in crate::marking) require: Vec<RequireRow>,
    #[serde(default)]
    pub(in crate::marking) basis: Vec<BasisRow>,
    #[serde(default)]
    pub(in crate::marking) count: Vec<CountRow>,
    #[serde(default)]
    pub(in crate::marking) entries: Option<EntriesRow>,
    #[serde(default, rename = "override")]
    pub(in crate::marking) overrides: Vec<OverrideRow>,
    #[serde(default)]
    pub(in crate::marking) disable: Vec<DisableRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct SignalRow {
    pub(in crate::marking) id: Spanned<String>,
    pub(in crate::marking) zh: String,
    pub(in crate::marking) en: String,
    #[serde(default)]
    pub(in crate::marking) unit: String,
    pub(in crate::marking) code: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::marking) of_factor: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct MarkRow {
    pub(in crate::marking) id: Spanned<String>,
    pub(in crate::marking) zh: String,
    pub(in crate::marking) en: String,
    pub(in crate::marking) object: Spanned<String>,
    pub(in crate::marking) dimension: Dimension,
    pub(in crate::marking) validity: Validity,
    pub(in crate::marking) source: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
    #[serde(default = "yes")]
    pub(in crate::marking) by_hand: bool,
    #[serde(default)]
    pub(in crate::marking) normal: bool,
    #[serde(default)]
    pub(in crate::marking) factors: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::marking) signals: Vec<String>,
    #[serde(default)]
    pub(in crate::marking) ruling: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct RuleRow {
    pub(in crate::marking) id: Spanned<String>,
    pub(in crate::marking) version: u32,
    pub(in crate::marking) mark: Spanned<String>,
    pub(in crate::marking) effect: Effect,
    pub(in crate::marking) clause: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
    pub(in crate::marking) when: Spanned<String>,
    pub(in crate::marking) until: Option<Spanned<String>>,
    pub(in crate::marking) begin_after: Option<Spanned<String>>,
    pub(in crate::marking) end_after: Option<Spanned<String>>,
    pub(in crate::marking) group: Option<String>,
    pub(in crate::marking) medium: Option<Spanned<String>>,
    #[serde(rename = "from")]
    pub(in crate::marking) from: Option<Spanned<String>>,
    /// The first day on which it holds no more; `until` is the condition of the end.
    pub(in crate::marking) before: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct LimitRow {
    pub(in crate::marking) id: Spanned<String>,
    pub(in crate::marking) marks: Vec<Spanned<String>>,
    pub(in crate::marking) per: Per,
    pub(in crate::marking) max: Spanned<String>,
    #[serde(default = "nearly")]
    pub(in crate::marking) warn_percent: u8,
    pub(in crate::marking) clause: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
    pub(in crate::marking) from: Option<Spanned<String>>,
    pub(in crate::marking) until: Option<Spanned<String>>,
}

fn nearly() -> u8 {
    80
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct ConflictRow {
    pub(in crate::marking) id: Spanned<String>,
    /// Left out: what `against` says is forbidden whatever is marked; then `object` says where.
    pub(in crate::marking) mark: Option<Spanned<String>>,
    pub(in crate::marking) object: Option<Spanned<String>>,
    pub(in crate::marking) from: Option<Spanned<String>>,
    pub(in crate::marking) until: Option<Spanned<String>>,
    pub(in crate::marking) within: Option<Spanned<String>>,
    pub(in crate::marking) against: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::marking) shared: bool,
    pub(in crate::marking) after: Option<Spanned<String>>,
    pub(in crate::marking) zh: String,
    pub(in crate::marking) en: String,
    pub(in crate::marking) clause: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct PeriodRow {
    pub(in crate::marking) medium: Spanned<String>,
    pub(in crate::marking) of: Spanned<String>,
    /// Of files before `flag` and `mean`: `all`, or good ones of due ones, for both.
    pub(in crate::marking) good: Option<Spanned<String>>,
    /// `all`, or good ones of due ones: `3/4`.
    pub(in crate::marking) flag: Option<Spanned<String>>,
    pub(in crate::marking) flag_strict: Option<Spanned<String>>,
    /// `all`, places of the whole period: `45/60`, or a share of those due: `75%`.
    pub(in crate::marking) mean: Option<Spanned<String>>,
    pub(in crate::marking) clause: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
    /// Those of `mean`, where they are others.
    pub(in crate::marking) mean_clause: Option<Spanned<String>>,
    pub(in crate::marking) mean_certainty: Option<Certainty>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct RequireRow {
    pub(in crate::marking) id: Spanned<String>,
    pub(in crate::marking) marks: Vec<Spanned<String>>,
    pub(in crate::marking) factor: Spanned<String>,
    pub(in crate::marking) of: Spanned<String>,
    pub(in crate::marking) max: f64,
    #[serde(default, rename = "for")]
    pub(in crate::marking) factors: Vec<Spanned<String>>,
    pub(in crate::marking) zh: String,
    pub(in crate::marking) en: String,
    pub(in crate::marking) clause: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
    pub(in crate::marking) from: Option<Spanned<String>>,
    pub(in crate::marking) until: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct BasisRow {
    pub(in crate::marking) mark: Spanned<String>,
    pub(in crate::marking) factor: Spanned<String>,
    pub(in crate::marking) medium: Spanned<String>,
    /// `converted` or `means`.
    pub(in crate::marking) of: Spanned<String>,
    pub(in crate::marking) above: Option<f64>,
    pub(in crate::marking) below: Option<f64>,
    #[serde(default)]
    pub(in crate::marking) needed: bool,
    #[serde(default)]
    pub(in crate::marking) but: Vec<Spanned<String>>,
    pub(in crate::marking) clause: Spanned<String>,
    #[allow(dead_code, reason = "every row says how sure it is")]
    pub(in crate::marking) certainty: Certainty,
    pub(in crate::marking) from: Option<Spanned<String>>,
    pub(in crate::marking) until: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct CountRow {
    pub(in crate::marking) id: Spanned<String>,
    pub(in crate::marking) signal: Spanned<String>,
    pub(in crate::marking) code: Spanned<String>,
    pub(in crate::marking) below: f64,
    pub(in crate::marking) max: u32,
    #[serde(default)]
    pub(in crate::marking) unless: Vec<Spanned<String>>,
    pub(in crate::marking) zh: String,
    pub(in crate::marking) en: String,
    pub(in crate::marking) clause: Spanned<String>,
    pub(in crate::marking) certainty: Certainty,
    pub(in crate::marking) from: Option<Spanned<String>>,
    pub(in crate::marking) until: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct EntriesRow {
    pub(in crate::marking) deadline_days: u8,
    pub(in crate::marking) deadline_hour: u8,
    #[serde(default)]
    pub(in crate::marking) proof: bool,
    pub(in crate::marking) clause: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct OverrideRow {
    pub(in crate::marking) rule: Spanned<String>,
    pub(in crate::marking) version: u32,
    pub(in crate::marking) when: Option<Spanned<String>>,
    pub(in crate::marking) until: Option<Spanned<String>>,
    pub(in crate::marking) begin_after: Option<Spanned<String>>,
    pub(in crate::marking) end_after: Option<Spanned<String>>,
    pub(in crate::marking) clause: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::marking) struct DisableRow {
    pub(in crate::marking) rule: Spanned<String>,
    pub(in crate::marking) clause: Spanned<String>,
}
