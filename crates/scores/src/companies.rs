//! The scorecards of operation companies: once a day the sums of their stations' pairs.
//!
//! What must stay true: what is summed is what was said of the stations; a company's card is said when it is another than the one said last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::card::ScoreCard;
use super::month::{MonthNumber, day_of};
use super::station::{ScoreStage, ScoreTold, StationScores};
use super::{MONTHS_KEPT, RETAINED_MONTHS};
use hj212_model::message::Timestamp;

/// What was said of companies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CompanyScores {
    told: BTreeMap<(String, MonthNumber), ScoreTold>,
    /// The day of the last sums.
    summed: i32,
}

impl CompanyScores {
    /// Whether companies are to be summed: once a day.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.summed != day_of(now) && now >= StationScores::companies_at(now)
    }

    /// Sums `stations` by company and month: the cards that are to be said.
    pub fn sum<'s>(
        &mut self,
        stations: impl Iterator<Item = &'s StationScores>,
        now: Timestamp,
    ) -> Vec<(String, MonthNumber, ScoreTold)> {
        self.summed = day_of(now);
        let mut sums: BTreeMap<(String, MonthNumber), ScoreCard> = BTreeMap::new();
        for station in stations {
            for (month, operator, told) in station.told() {
                let (Some(operator), Some(card)) = (operator, told.card()) else { continue };
                sums.entry((operator.to_owned(), month)).or_default().add(card);
            }
        }
        let oldest = MonthNumber::of(now).later(1 - i32::try_from(MONTHS_KEPT).unwrap_or(1));
        self.told.retain(|(_, month), _| *month >= oldest);
        let mut said = Vec::new();
        for ((operator, month), card) in sums.into_iter().filter(|((_, month), _)| *month >= oldest) {
            let told = self.told.entry((operator.clone(), month)).or_default();
            if told.note(ScoreStage::at(month, now), &card) {
                said.push((operator, month, *told));
            }
        }
        said
    }

    /// The month whose retained cards have had their time: with the first sums of a month one more. To be asked before [`CompanyScores::sum`].
    #[must_use]
    pub fn outlived(&self, now: Timestamp) -> Option<MonthNumber> {
        let (last, current) = (MonthNumber::of_day(self.summed), MonthNumber::of(now));
        (self.summed != 0 && last < current).then(|| current.later(-RETAINED_MONTHS))
    }

    /// The companies of which something was said.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.told.keys().map(|(operator, _)| operator.as_str()).filter(move |name| last.replace(*name) != Some(*name))
    }

    /// What was said last of a company's month.
    #[must_use]
    pub fn told(&self, operator: &str, month: MonthNumber) -> Option<&ScoreTold> {
        self.told.get(&(operator.to_owned(), month))
    }
}
