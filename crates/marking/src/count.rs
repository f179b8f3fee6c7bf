//! Values of a day that may be wrong only so often: five-minute means of the furnace below 850 °C (炉膛温度5分钟均值).
//!
//! What must stay true: a mean said again counts once, a corrected one as it is now; each count is told once a day and facility, when it
//! passes its number, with the times; what a mark named in `unless` covers is not counted; means of the last days count whenever they come.

use std::collections::BTreeMap;

use serde_json::json;

use super::calendar;
use super::expr::DAY;
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use super::verdict::{MarkVerdict, Observation};
use super::wrong::{DAYS_KEPT, STEP, Wrong};
use hj212_model::message::Timestamp;
use hj212_model::message::kind::Span;

impl Marks {
    pub(super) fn count_wrong(&mut self, plan: &Plan, seen: &Observation<'_>, now: i64, out: &mut MarkVerdict) {
        if seen.kind.span() != Span::FiveMinutes || plan.counts.is_empty() {
            return;
        }
        let day = calendar::floor(now, DAY);
        let number = usize::try_from((now - day) / STEP).unwrap_or(0);
        for rule in plan.counts.iter().filter(|rule| rule.dates.hold(now)) {
            for reading in seen.readings {
                let Some(value) = reading.text.parse::<f64>().ok() else { continue };
                for object in plan.counted_on(rule, reading.code) {
                    let spared = self.held.values().chain(&self.memory.entries);
                    let spared = spared.filter(|mark| mark.object == object && rule.unless.contains(&mark.mark));
                    let spared = spared.into_iter().any(|mark| mark.works_at(now));
                    let of_it = |(name, of, _): &(String, String, i64)| *name == rule.name && *of == object;
                    let latest = self.wrongs.keys().filter(|key| of_it(key)).map(|key| key.2).max().unwrap_or(day);
                    let oldest = latest.max(day) - (DAYS_KEPT - 1) * DAY;
                    if day < oldest {
                        // Of a day that is no more remembered.
                        continue;
                    }
                    self.wrongs.retain(|key, _| !of_it(key) || key.2 >= oldest);
                    let key = (rule.name.clone(), object.clone(), day);
                    let wrong = self.wrongs.entry(key).or_insert_with(|| Wrong { day, ..Wrong::default() });
                    wrong.set(number, value < rule.below && !spared);
                    if wrong.count() <= rule.max || wrong.told {
                        continue;
                    }
                    wrong.told = true;
                    let detail = json!({
                        "count": rule.name, "object": object, "code": reading.code, "below": rule.below, "max": rule.max,
                        "found": wrong.count(), "day": Timestamp(day).to_rfc3339(), "times": wrong.times(), "zh": rule.zh,
                        "en": rule.en, "clause": rule.clause, "certainty": format!("{:?}", rule.certainty),
                    });
                    out.add("count-exceeded", now, None, detail);
                }
            }
        }
    }
}

impl Plan {
    /// The counts that hold for the station.
    #[must_use]
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }

    /// The facilities that have the counted signal; where none has it, the outlet.
    #[must_use]
    pub fn counted(&self, rule: &Count) -> Vec<String> {
        let named = self.aliases.iter().filter(|(_, aliases)| aliases.contains_key(&rule.signal));
        let all: Vec<String> = named.map(|(id, _)| id.clone()).collect();
        if all.is_empty() { vec![OBJECT_OUTLET.to_owned()] } else { all }
    }

    /// The facilities for which `code` is the counted signal; where none has it, the outlet for the rule's own code.
    #[must_use]
    pub fn counted_on(&self, rule: &Count, code: &str) -> Vec<String> {
        let named: Vec<&(String, BTreeMap<String, String>)> =
            self.aliases.iter().filter(|(_, aliases)| aliases.contains_key(&rule.signal)).collect();
        if named.is_empty() {
            return if code == rule.code { vec![OBJECT_OUTLET.to_owned()] } else { Vec::new() };
        }
        let of = named.into_iter().filter(|(_, aliases)| aliases.get(&rule.signal).is_some_and(|own| own == code));
        of.map(|(id, _)| id.clone()).collect()
    }
}
