//! A rule file as it is written: the rows that [`crate::RuleBook`] is made of.

use serde::Deserialize;
use toml::Spanned;

use super::{Certainty, Dimension, Effect, Per, Validity};

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) schema: Spanned<String>,
    pub(crate) set: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) zh: String,
    #[serde(default)]
    pub(crate) en: String,
    #[serde(default)]
    pub(crate) default_for: Vec<Spanned<String>>,
    pub(crate) other_flags: Option<Validity>,
    #[serde(default)]
    pub(crate) overlay: bool,
    /// Kinds of facilities besides those of [`super::OBJECTS`].
    #[serde(default)]
    pub(crate) kinds: Vec<String>,
    #[serde(default)]
    pub(crate) signal: Vec<SignalRow>,
    #[serde(default)]
    pub(crate) mark: Vec<MarkRow>,
    #[serde(default)]
    pub(crate) rule: Vec<RuleRow>,
    #[serde(default)]
    pub(crate) limit: Vec<LimitRow>,
    #[serde(default)]
    pub(crate) conflict: Vec<ConflictRow>,
    #[serde(default)]
    pub(crate) period: Vec<PeriodRow>,
    #[serde(default)]
    pub(crate) require: Vec<RequireRow>,
    #[serde(default)]
    pub(crate) basis: Vec<BasisRow>,
    #[serde(default)]
    pub(crate) count: Vec<CountRow>,
    #[serde(default)]
    pub(crate) entries: Option<EntriesRow>,
    #[serde(default, rename = "override")]
    pub(crate) overrides: Vec<OverrideRow>,
    #[serde(default)]
    pub(crate) disable: Vec<DisableRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalRow {
    pub(crate) id: Spanned<String>,
    pub(crate) zh: String,
    pub(crate) en: String,
    #[serde(default)]
    pub(crate) unit: String,
    pub(crate) code: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) of_factor: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkRow {
    pub(crate) id: Spanned<String>,
    pub(crate) zh: String,
    pub(crate) en: String,
    pub(crate) object: Spanned<String>,
    pub(crate) dimension: Dimension,
    pub(crate) validity: Validity,
    pub(crate) source: Spanned<String>,
    pub(crate) certainty: Certainty,
    #[serde(default = "yes")]
    pub(crate) by_hand: bool,
    #[serde(default)]
    pub(crate) normal: bool,
    #[serde(default)]
    pub(crate) factors: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) signals: Vec<String>,
    #[serde(default)]
    pub(crate) ruling: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleRow {
    pub(crate) id: Spanned<String>,
    pub(crate) version: u32,
    pub(crate) mark: Spanned<String>,
    pub(crate) effect: Effect,
    pub(crate) clause: Spanned<String>,
    pub(crate) certainty: Certainty,
    pub(crate) when: Spanned<String>,
    pub(crate) until: Option<Spanned<String>>,
    pub(crate) begin_after: Option<Spanned<String>>,
    pub(crate) end_after: Option<Spanned<String>>,
    pub(crate) group: Option<String>,
    pub(crate) medium: Option<Spanned<String>>,
    #[serde(rename = "from")]
    pub(crate) from: Option<Spanned<String>>,
    /// The first day on which it holds no more; `until` is the condition of the end.
    pub(crate) before: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitRow {
    pub(crate) id: Spanned<String>,
    pub(crate) marks: Vec<Spanned<String>>,
    pub(crate) per: Per,
    pub(crate) max: Spanned<String>,
    #[serde(default = "nearly")]
    pub(crate) warn_percent: u8,
    pub(crate) clause: Spanned<String>,
    pub(crate) certainty: Certainty,
    pub(crate) from: Option<Spanned<String>>,
    pub(crate) until: Option<Spanned<String>>,
}

fn nearly() -> u8 {
    80
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConflictRow {
    pub(crate) id: Spanned<String>,
    /// Left out: what `against` says is forbidden whatever is marked; then `object` says where.
    pub(crate) mark: Option<Spanned<String>>,
    pub(crate) object: Option<Spanned<String>>,
    pub(crate) from: Option<Spanned<String>>,
    pub(crate) until: Option<Spanned<String>>,
    pub(crate) within: Option<Spanned<String>>,
    pub(crate) against: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) shared: bool,
    pub(crate) after: Option<Spanned<String>>,
    pub(crate) zh: String,
    pub(crate) en: String,
    pub(crate) clause: Spanned<String>,
    pub(crate) certainty: Certainty,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeriodRow {
    pub(crate) medium: Spanned<String>,
    pub(crate) of: Spanned<String>,
    /// Of files before `flag` and `mean`: `all`, or good ones of due ones, for both.
    pub(crate) good: Option<Spanned<String>>,
    /// `all`, or good ones of due ones: `3/4`.
    pub(crate) flag: Option<Spanned<String>>,
    pub(crate) flag_strict: Option<Spanned<String>>,
    /// `all`, places of the whole period: `45/60`, or a share of those due: `75%`.
    pub(crate) mean: Option<Spanned<String>>,
    pub(crate) clause: Spanned<String>,
    pub(crate) certainty: Certainty,
    /// Those of `mean`, where they are others.
    pub(crate) mean_clause: Option<Spanned<String>>,
    pub(crate) mean_certainty: Option<Certainty>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequireRow {
    pub(crate) id: Spanned<String>,
    pub(crate) marks: Vec<Spanned<String>>,
    pub(crate) factor: Spanned<String>,
    pub(crate) of: Spanned<String>,
    pub(crate) max: f64,
    #[serde(default, rename = "for")]
    pub(crate) factors: Vec<Spanned<String>>,
    pub(crate) zh: String,
    pub(crate) en: String,
    pub(crate) clause: Spanned<String>,
    pub(crate) certainty: Certainty,
    pub(crate) from: Option<Spanned<String>>,
    pub(crate) until: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BasisRow {
    pub(crate) mark: Spanned<String>,
    pub(crate) factor: Spanned<String>,
    pub(crate) medium: Spanned<String>,
    /// `converted` or `means`.
    pub(crate) of: Spanned<String>,
    pub(crate) above: Option<f64>,
    pub(crate) below: Option<f64>,
    #[serde(default)]
    pub(crate) needed: bool,
    #[serde(default)]
    pub(crate) but: Vec<Spanned<String>>,
    pub(crate) clause: Spanned<String>,
    #[allow(dead_code, reason = "every row says how sure it is")]
    pub(crate) certainty: Certainty,
    pub(crate) from: Option<Spanned<String>>,
    pub(crate) until: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountRow {
    pub(crate) id: Spanned<String>,
    pub(crate) signal: Spanned<String>,
    pub(crate) code: Spanned<String>,
    pub(crate) below: f64,
    pub(crate) max: u32,
    #[serde(default)]
    pub(crate) unless: Vec<Spanned<String>>,
    pub(crate) zh: String,
    pub(crate) en: String,
    pub(crate) clause: Spanned<String>,
    pub(crate) certainty: Certainty,
    pub(crate) from: Option<Spanned<String>>,
    pub(crate) until: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntriesRow {
    pub(crate) deadline_days: u8,
    pub(crate) deadline_hour: u8,
    #[serde(default)]
    pub(crate) proof: bool,
    pub(crate) clause: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverrideRow {
    pub(crate) rule: Spanned<String>,
    pub(crate) version: u32,
    pub(crate) when: Option<Spanned<String>>,
    pub(crate) until: Option<Spanned<String>>,
    pub(crate) begin_after: Option<Spanned<String>>,
    pub(crate) end_after: Option<Spanned<String>>,
    pub(crate) clause: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisableRow {
    pub(crate) rule: Spanned<String>,
    pub(crate) clause: Spanned<String>,
}
