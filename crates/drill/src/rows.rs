//! A drill file as it is written; [`read`](super::read) makes a drill of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::bilingual::Bilingual;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrillRows {
    pub(crate) schema: String,
    pub(crate) id: String,
    pub(crate) title: Bilingual,
    pub(crate) story: Bilingual,
    pub(crate) begin: String,
    pub(crate) length: String,
    #[serde(default = "usual_speed")]
    pub(crate) speed: f64,
    #[serde(default = "usual_seed")]
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) station: Vec<StationRow>,
    #[serde(default)]
    pub(crate) event: Vec<EventRow>,
    #[serde(default)]
    pub(crate) expect: Vec<ExpectRow>,
}

fn usual_speed() -> f64 {
    60.0
}

fn usual_seed() -> u64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StationRow {
    pub(crate) id: String,
    pub(crate) mn: String,
    pub(crate) name: String,
    pub(crate) plant: String,
    #[serde(default = "usual_edition")]
    pub(crate) edition: String,
    #[serde(default = "usual_interval")]
    pub(crate) interval: String,
    #[serde(default = "usual_size")]
    pub(crate) size: f64,
    #[serde(default)]
    pub(crate) limit: Vec<OutletLimitRow>,
    #[serde(default)]
    pub(crate) rules: Vec<String>,
    pub(crate) upstream: Option<String>,
    pub(crate) travel: Option<String>,
}

fn usual_edition() -> String {
    "2017".into()
}

fn usual_interval() -> String {
    "10min".into()
}

fn usual_size() -> f64 {
    1.0
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutletLimitRow {
    pub(crate) code: String,
    pub(crate) max: f64,
    pub(crate) of: String,
    pub(crate) basis: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventRow {
    pub(crate) at: String,
    pub(crate) until: Option<String>,
    pub(crate) station: String,
    pub(crate) what: String,
    pub(crate) factor: Option<String>,
    pub(crate) to: Option<f64>,
    pub(crate) by: Option<f64>,
    pub(crate) back: Option<String>,
    pub(crate) spread: Option<f64>,
    pub(crate) flag: Option<String>,
    pub(crate) kept: Option<bool>,
    pub(crate) name: Option<Bilingual>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectRow {
    pub(crate) name: Bilingual,
    #[serde(default)]
    pub(crate) by: Option<String>,
    pub(crate) station: Option<String>,
    pub(crate) topic: Option<String>,
    #[serde(default)]
    pub(crate) is: BTreeMap<String, toml::Value>,
    pub(crate) from: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) clock: Option<String>,
    #[serde(default)]
    pub(crate) points: u32,
    #[serde(default)]
    pub(crate) never: bool,
}
