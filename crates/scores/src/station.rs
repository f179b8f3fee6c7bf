//! The scorecards of one station: what happened goes in, once a day cards come out.
//!
//! What must stay true: a card is said when it is another than the one that was said last, and at most once a day; what is older than the months that are
//! kept changes nothing any more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::asked::ScoresAsked;
use super::card::{Pair, ScoreCard, ScorePart};
use super::day::{DayScore, compute};
use super::faults::{FaultOver, FaultsOpen};
use super::month::{DAY, MonthNumber, day_of, start};
use super::rules::ScoreRules;
use super::{MONTHS_KEPT, RETAINED_MONTHS, SETTLED_ON, TOUCHED_MAX};
use hj212_model::message::Timestamp;

/// When stations are looked at, from the beginning of a day, µs: an hour after the usual deadline of entries, when platforms publish the day before.
const LOOK_AT: i64 = 13 * 3600 * 1_000_000;
/// Over how long the looks at all stations are spread, µs.
const SPREAD: u64 = 1800 * 1_000_000;
/// Companies are summed so long after the first look, µs.
const COMPANIES_AFTER: i64 = 3600 * 1_000_000;
/// Days that are looked back over, at most: as many as the ledger of records keeps.
const BACK_MAX: i32 = 35;

/// What is counted as it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreCount {
    /// A frame.
    Frame,
    /// A frame that departs from the standard.
    Deviating,
    /// The clock was found to be off.
    ClockDrift,
    /// An entry of a mark that was taken.
    Entry,
    /// One that came late.
    LateEntry,
    /// An entry that was withdrawn or superseded.
    Withdrawn,
    /// An entry that was annulled.
    Annulled,
    /// A fault that is over or overdue.
    Fault,
    /// A fault that was over in time.
    FaultInTime,
    /// A fault that is over.
    Repaired,
    /// Minutes that faults lasted.
    RepairMinutes,
    /// A lead that was raised.
    LeadRaised,
    /// A lead that was taken back: the source was out of service.
    LeadBack,
    /// A lead that was handed over.
    LeadToLaw,
}

const COUNTS: usize = 14;

/// How far a month is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum ScoreStage {
    /// It goes on, or what belongs to it may still come.
    #[default]
    Provisional,
    /// It is settled; what changes it is a revision.
    Settled,
}

impl ScoreStage {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Settled => "settled",
        }
    }

    /// How far `month` is at `now`.
    #[must_use]
    pub fn at(month: MonthNumber, now: Timestamp) -> ScoreStage {
        let settled = day_of(now) >= month.later(1).first_day().saturating_add(SETTLED_ON - 1);
        if settled { Self::Settled } else { Self::Provisional }
    }
}

/// What was said last of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoreTold {
    /// How far it was.
    pub stage: ScoreStage,
    /// How often it was said again after it was settled.
    pub revision: u16,
    card: Option<ScoreCard>,
}

impl ScoreTold {
    /// Notes what a month comes to; whether that is to be said.
    pub fn note(&mut self, stage: ScoreStage, card: &ScoreCard) -> bool {
        let stage = stage.max(self.stage);
        let other = self.card.as_ref() != Some(card);
        if !other && stage == self.stage {
            return false;
        }
        self.revision = self.revision.saturating_add(u16::from(self.stage == ScoreStage::Settled));
        (self.stage, self.card) = (stage, Some(*card));
        true
    }

    /// What was said.
    #[must_use]
    pub const fn card(&self) -> Option<&ScoreCard> {
        self.card.as_ref()
    }
}

/// A month of a station.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct MonthScores {
    month: MonthNumber,
    /// Who kept the station when it was looked at last within the month.
    operator: Option<String>,
    days: Vec<DayScore>,
    counts: [u32; COUNTS],
    /// Days on which a patrol, and on which a calibration, was entered; `None`: nobody enters anything.
    entered: Option<(u32, u32)>,
    /// Days on which a calibration was seen in the data.
    calibrated: u32,
    told: ScoreTold,
}

/// The scorecards of a station.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StationScores {
    /// In order.
    months: Vec<MonthScores>,
    faults: FaultsOpen,
    /// Days to be computed again.
    touched: BTreeSet<i32>,
    /// The last day that was computed.
    computed: Option<i32>,
    /// The day of the last look.
    looked: i32,
}

impl MonthScores {
    fn count(&self, what: ScoreCount) -> u64 {
        self.counts.get(what as usize).copied().unwrap_or_default().into()
    }

    fn card(&self, rules: &ScoreRules) -> ScoreCard {
        let mut card = ScoreCard::of_one();
        let mut there = 0u32;
        for (at, day) in self.days.iter().enumerate() {
            card.put(ScorePart::Transmission, Pair::of(day.received.into(), day.due.into()));
            card.put(ScorePart::Validity, Pair::of(day.valid.into(), day.counted.into()));
            if day.there {
                there |= 1 << at;
                card.put(ScorePart::MaintShare, Pair::of(day.by_hand.into(), 1440));
            }
        }
        let pairs = [
            (ScorePart::FaultRepair, ScoreCount::FaultInTime, ScoreCount::Fault),
            (ScorePart::RepairTime, ScoreCount::RepairMinutes, ScoreCount::Repaired),
            (ScorePart::LateMarks, ScoreCount::LateEntry, ScoreCount::Entry),
            (ScorePart::WithdrawnMarks, ScoreCount::Withdrawn, ScoreCount::Entry),
            (ScorePart::AnnulledMarks, ScoreCount::Annulled, ScoreCount::Entry),
            (ScorePart::Clock, ScoreCount::ClockDrift, ScoreCount::Frame),
            (ScorePart::Deviation, ScoreCount::Deviating, ScoreCount::Frame),
        ];
        for (part, num, den) in pairs {
            card.put(part, Pair::of(self.count(num), self.count(den)));
        }
        let raised = self.count(ScoreCount::LeadRaised).saturating_sub(self.count(ScoreCount::LeadBack));
        card.put(ScorePart::Leads, Pair::of(self.count(ScoreCount::LeadToLaw), raised));
        if let Some((patrols, calibrations)) = self.entered {
            card.put(ScorePart::Patrol, periods(there, patrols, rules.patrol_days));
            card.put(ScorePart::Calibration, periods(there, calibrations | self.calibrated, rules.calibration_days));
        } else if self.calibrated != 0 {
            card.put(ScorePart::Calibration, periods(there, self.calibrated, rules.calibration_days));
        }
        card
    }
}

/// The whole periods of so many days of a month in which the station was there each day, and those of them that have one of `done`.
fn periods(there: u32, done: u32, length: u32) -> Pair {
    let mut pair = Pair::default();
    let mask = |first: u32| (1u64 << length).wrapping_sub(1).wrapping_shl(first);
    let mut first = 0;
    while length > 0 && first + length <= 31 {
        let whole = mask(first);
        if u64::from(there) & whole == whole {
            pair.den += 1;
            pair.num += u64::from(u64::from(done) & whole != 0);
        }
        first += length;
    }
    pair
}

impl StationScores {
    /// The month, a new one if it is newer than those that are kept; `None`: it is older.
    fn month(&mut self, month: MonthNumber) -> Option<&mut MonthScores> {
        if self.months.last().is_none_or(|last| last.month < month) {
            self.months.push(MonthScores { month, ..MonthScores::default() });
            let over = self.months.len().saturating_sub(MONTHS_KEPT);
            self.months.drain(..over);
        }
        self.months.iter_mut().find(|known| known.month == month)
    }

    /// Counts what happened at `at`.
    pub fn count(&mut self, at: Timestamp, what: ScoreCount, by: u32) {
        let Some(month) = self.month(MonthNumber::of(at)) else { return };
        if let Some(count) = month.counts.get_mut(what as usize) {
            *count = count.saturating_add(by);
        }
    }

    /// Hours of a span of time are worth something else, or came late: its days are computed again.
    pub fn touch(&mut self, from: Timestamp, to: Timestamp) {
        let newest = self.computed.unwrap_or(i32::MIN);
        let oldest = self.months.first().map_or(i32::MAX, |month| month.month.first_day());
        let (first, last) = (day_of(from).max(oldest), day_of(to).min(newest));
        for day in first..=last {
            self.touched.insert(day);
        }
        while self.touched.len() > TOUCHED_MAX {
            self.touched.pop_first();
        }
    }

    /// A mark of a fault began.
    pub fn fault_began(&mut self, mark: (&str, &str), since: Timestamp) {
        let gone = self.faults.began(mark, since);
        self.take_faults(gone);
    }

    /// A mark of a fault ended.
    pub fn fault_ended(&mut self, mark: (&str, &str), until: Timestamp) {
        self.faults.ended(mark, until);
    }

    /// An entry of a fault was withdrawn.
    pub fn fault_withdrawn(&mut self, mark: (&str, &str), since: Timestamp) {
        self.faults.withdrawn(mark, since);
    }

    /// A calibration was seen in the data.
    pub fn calibrated(&mut self, at: Timestamp) {
        let month = MonthNumber::of(at);
        let Some(known) = self.month(month) else { return };
        known.calibrated |= 1u32.checked_shl(u32::try_from(day_of(at) - month.first_day()).unwrap_or(32)).unwrap_or(0);
    }

    fn take_faults(&mut self, over: impl IntoIterator<Item = FaultOver>) {
        for fault in over {
            if let Some(in_time) = fault.counted {
                self.count(fault.since, ScoreCount::Fault, 1);
                self.count(fault.since, ScoreCount::FaultInTime, u32::from(in_time));
            }
            if let Some(minutes) = fault.minutes {
                self.count(fault.since, ScoreCount::Repaired, 1);
                self.count(fault.since, ScoreCount::RepairMinutes, minutes);
            }
        }
    }

    /// Whether the station is to be looked at: once a day. `spread`: a number of its own, by which the looks at all stations are spread.
    #[must_use]
    pub fn is_due(&self, now: Timestamp, spread: u64) -> bool {
        let today = day_of(now);
        let at = start(today).0 + LOOK_AT + i64::try_from(spread % SPREAD).unwrap_or(0);
        self.looked != today && now.0 >= at
    }

    /// When companies are to be summed on the day that holds `now`.
    #[must_use]
    pub fn companies_at(now: Timestamp) -> Timestamp {
        Timestamp(start(day_of(now)).0 + LOOK_AT + COMPANIES_AFTER)
    }

    /// Looks at the station: the months that are to be said, each with what is said of it.
    pub fn look(
        &mut self,
        rules: &ScoreRules,
        operator: Option<&str>,
        asked: &dyn ScoresAsked,
        now: Timestamp,
    ) -> Vec<(MonthNumber, ScoreTold)> {
        let today = day_of(now);
        self.looked = today;
        // A clock that was set back: what was computed ahead of it is computed again.
        let computed = self.computed.filter(|computed| *computed < today);
        let first = computed.map_or(today - BACK_MAX, |computed| computed + 1).max(today - BACK_MAX);
        let touched = std::mem::take(&mut self.touched);
        let of_touched = touched.into_iter().filter(|day| *day < first && *day >= today - BACK_MAX);
        for day in of_touched.chain(first..today) {
            self.put_day(day, compute(day, asked));
        }
        self.computed = Some(today - 1);
        let over = self.faults.decide(rules, now);
        self.take_faults(over);
        let current = MonthNumber::of_day(today);
        let mut said = Vec::new();
        for month in &mut self.months {
            if month.month == current || month.operator.is_none() {
                month.operator = operator.map(str::to_owned);
            }
            month.entered = asked.entered(month.month.first_day(), month.month.length());
            let card = month.card(rules);
            // A month of which there is nothing yet is not said.
            if month.days.is_empty() && month.counts.iter().all(|count| *count == 0) {
                continue;
            }
            if month.told.note(ScoreStage::at(month.month, now), &card) {
                said.push((month.month, month.told));
            }
        }
        said
    }

    fn put_day(&mut self, day: i32, score: DayScore) {
        let month = MonthNumber::of_day(day);
        let known = self.months.iter().any(|known| known.month == month);
        if !known && !score.there {
            return;
        }
        let Some(month) = self.month(month) else { return };
        let at = usize::try_from(day - month.month.first_day()).unwrap_or(usize::MAX);
        if month.days.len() <= at && at < 31 {
            month.days.resize(at + 1, DayScore::default());
        }
        if let Some(place) = month.days.get_mut(at) {
            *place = score;
        }
    }

    /// The month whose retained card has had its time: with the first look of a month one more, unless the station is new.
    #[must_use]
    pub fn outlived(&self, now: Timestamp) -> Option<MonthNumber> {
        let (last, current) = (MonthNumber::of_day(self.looked), MonthNumber::of(now));
        (self.looked != 0 && last < current).then(|| current.later(-RETAINED_MONTHS))
    }

    /// The months that are kept, the older first: each with who kept the station, and what was said of it last.
    pub fn told(&self) -> impl Iterator<Item = (MonthNumber, Option<&str>, &ScoreTold)> {
        self.months.iter().map(|month| (month.month, month.operator.as_deref(), &month.told))
    }

    /// Whether nothing was ever counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.months.is_empty()
    }

    /// On how many of the days of a month that are computed the station was there.
    #[must_use]
    pub fn days_of(&self, month: MonthNumber) -> usize {
        let known = self.months.iter().find(|known| known.month == month);
        known.map_or(0, |known| known.days.iter().filter(|day| day.there).count())
    }
}

/// Days are shorter than what their numbers are multiplied by.
const _: () = assert!(LOOK_AT + (SPREAD as i64) < DAY && LOOK_AT + COMPANIES_AFTER < DAY);
