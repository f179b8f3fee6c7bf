//! What is known of a station's marks, for those who ask about them afterwards.

use std::collections::BTreeMap;

use super::Interpreter;
use super::station::Station;
use hj212_marking::{Mark, Plan, Working, built_in_texts};
use hj212_model::message::{Kind, Timestamp};

impl Interpreter {
    /// The marks of the station `mn` that hold, and entries whose time has not come. `None`: no such station.
    #[must_use]
    pub fn marks_held(&self, mn: &str) -> Option<Vec<Mark>> {
        match self.by_mn.get(mn.as_bytes()) {
            Some(number) => Some(self.stations.get(*number as usize)?.marks.held().cloned().collect()),
            None => self.context.facts(mn).is_some().then(Vec::new),
        }
    }

    /// What a mark of the station `mn` makes of the readings of `code` in the report of that kind and data time; `None`: nothing is known of it.
    #[must_use]
    pub fn working(&self, mn: &str, mark: &Mark, code: &str, report: (Kind, Timestamp)) -> Option<Working> {
        let (station, plan) = self.planned(mn)?;
        station.marks.working(plan, mark, code, Some(report))
    }

    /// What a mark of the station `mn` makes of readings over its own time, by factor.
    #[must_use]
    pub fn workings(&self, mn: &str, mark: &Mark) -> Vec<Working> {
        let Some((station, plan)) = self.planned(mn) else { return Vec::new() };
        station.marks.codes().filter_map(|code| station.marks.working(plan, mark, code, None)).collect()
    }

    /// The rule files in force, by name.
    #[must_use]
    pub fn rule_texts(&self) -> BTreeMap<String, String> {
        if self.rulings.texts.is_empty() { built_in_texts() } else { self.rulings.texts.clone() }
    }

    /// What is registered of the station `mn`, as JSON; no password is in it.
    #[must_use]
    pub fn registration(&self, mn: &str) -> Option<String> {
        serde_json::to_string(self.context.facts(mn)?).ok()
    }

    fn planned(&self, mn: &str) -> Option<(&Station, &Plan)> {
        let station = self.stations.get(*self.by_mn.get(mn.as_bytes())? as usize)?;
        Some((station, station.plan.as_deref()?))
    }
}
