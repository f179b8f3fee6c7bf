//! What a day of one factor comes to: three values, and whether the limit was met.
//!
//! | value | what enters |
//! |---|---|
//! | `reported` | the mean that the logger says of the day itself |
//! | `marked` | the hours with a usable value: not invalid, missing or excluded |
//! | `exempt` | the same without the exempt ones; this is compared |
//!
//! What must stay true:
//! * gas: the plain mean of hours, 20 of which a day needs (HJ 212-2017, annex D (25): an absolute number; V). Waste water: ΣCQ/ΣQ, of three
//!   quarters of the hours that are due (HJ 356-2019, 7.2; R); pH and temperature are not weighed (I);
//! * which ruling would be made about a `conditional` hour is not guessed: an outcome stands only where all rulings lead to it;
//! * the order of hours does not matter, and sums are exact.

use super::decimal::{Decimal, Ratio};
use super::history::{Cell, Day};
use super::limits::Limit;
use super::outcome::Outcome;
use hj212_marking::Validity;

/// Valid hours that the day of a gas needs.
const GAS_HOURS: u32 = 20;
/// Three quarters of what is due: waste water.
const WATER_SHARE: (u32, u32) = (3, 4);

/// Why there is no outcome, or what to know of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No hour of the day came.
    NoValues,
    /// All of it was out of service.
    AllExcluded,
    /// All of it was exempt, or exempt and out of service.
    AllExempt,
    /// Fewer hours than an effective mean needs, whatever the marks.
    TooFew,
    /// Fewer than that only because hours are exempt or excluded.
    ShortByMarks,
    /// Hours wait for a ruling, and the outcome depends on it.
    Conditional,
    /// Hours have no flow to be weighed with.
    NoFlow,
    /// Of five-minute means: more are missing than would still be borne.
    WindowsMissing,
    /// Of an hour: its value is invalid, missing or none.
    Invalid,
}

impl Reason {
    /// The published name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoValues => "no-values",
            Self::AllExcluded => "all-excluded",
            Self::AllExempt => "all-exempt",
            Self::TooFew => "too-few",
            Self::ShortByMarks => "short-by-marks",
            Self::Conditional => "conditional",
            Self::NoFlow => "no-flow",
            Self::WindowsMissing => "windows-missing",
            Self::Invalid => "invalid",
        }
    }
}

/// How many hours of a day were what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hours {
    /// Due: those of the day that are not excluded; of water, as often as the station measures.
    pub due: u32,
    /// Of which a record came.
    pub came: u32,
    /// With a value that counts.
    pub valid: u32,
    /// With a value that waits for a ruling.
    pub conditional: u32,
    /// With a value that is exempt.
    pub exempt: u32,
    /// Out of service, whether a record came or not.
    pub excluded: u32,
    /// With a value that does not count, or without a value.
    pub invalid: u32,
    /// Due, and no record came.
    pub missing: u32,
}

/// A day, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayJudged {
    /// What the logger said of the day.
    pub reported: Option<Decimal>,
    /// The mean of what is valid.
    pub marked: Option<Ratio>,
    /// The mean of what is valid and judged.
    pub exempt: Option<Ratio>,
    /// Between what the latter can lie, depending on rulings.
    pub between: Option<(Ratio, Ratio)>,
    /// How many hours were what.
    pub hours: Hours,
    /// Whether means are weighed with the flow.
    pub weighted: bool,
    /// The outcome.
    pub outcome: Outcome,
    /// Why, in order.
    pub reasons: Vec<Reason>,
    /// How many times the limit the last value is, as it is compared.
    pub ratio: Option<Ratio>,
}

/// What the hours of a day are weighed with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weights<'a> {
    /// Nothing: the plain mean.
    Plain,
    /// The flow: sums of hours, and means of hours.
    Flow(Option<&'a Day>, Option<&'a Day>),
}

/// How the day is looked at.
pub(super) struct Looked<'a> {
    /// The limit.
    pub(super) limit: &'a Limit,
    /// Whether it is waste water.
    pub(super) water: bool,
    /// How many hours of a whole day are due.
    pub(super) due: u32,
    /// What the hours are weighed with.
    pub(super) weights: Weights<'a>,
    /// Whether an hour of which no record came is out of service.
    pub(super) excluded: &'a dyn Fn(usize) -> bool,
}

/// An hour that counts: its value, and its weight.
type Counted = (i128, i128);

/// Whether so many hours make an effective mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enough {
    Yes,
    /// Only the exempt and excluded ones are lacking.
    ShortByMarks,
    No,
}

impl Looked<'_> {
    fn enough(&self, count: u32, exempt: u32, hours: &Hours) -> Enough {
        if self.water {
            let due = hours.due.saturating_sub(exempt);
            let is = |count: u32, due: u32| count > 0 && count * WATER_SHARE.1 >= due * WATER_SHARE.0;
            // What is due is of the day without the hours that are out of service.
            return match (is(count, hours.due), is(count, due)) {
                (true, _) => Enough::Yes,
                (false, true) => Enough::ShortByMarks,
                (false, false) => Enough::No,
            };
        }
        match count {
            GAS_HOURS.. => Enough::Yes,
            0 => Enough::No,
            _ if count + exempt + hours.excluded >= GAS_HOURS => Enough::ShortByMarks,
            _ => Enough::No,
        }
    }

    /// Judges a day.
    pub(super) fn judge(&self, day: &Day) -> DayJudged {
        let mut hours = Hours::default();
        let (mut sure, mut doubtful, mut exempt) = (Vec::new(), Vec::new(), Vec::new());
        let weigh = self.weigh(day);
        let mut unweighed = 0;
        for (hour, cell) in day.cells.iter().enumerate() {
            if !cell.came() {
                hours.excluded += u32::from((self.excluded)(hour));
                continue;
            }
            hours.came += 1;
            let worth = cell.worth();
            let value = cell.value().filter(|_| worth.is_none_or(Validity::is_usable));
            if worth == Some(Validity::Excluded) {
                hours.excluded += 1;
                continue;
            }
            let weight = weigh(hour);
            // Whatever else is said of it, as the marks see to the flow too.
            unweighed += u32::from(cell.value().is_some() && weight.is_none());
            let Some((value, weight)) = value.zip(weight) else {
                hours.invalid += 1;
                continue;
            };
            let counted = (value.nano(), weight);
            let (list, count) = match worth {
                Some(Validity::Exempt) => (&mut exempt, &mut hours.exempt),
                Some(Validity::Conditional) => (&mut doubtful, &mut hours.conditional),
                _ => (&mut sure, &mut hours.valid),
            };
            *count += 1;
            list.push(counted);
        }
        // Of water only as many hours as the station measures are due; those that are out of service are not.
        let of_day = self.due.clamp(1, 24);
        hours.due = (of_day * (24 - hours.excluded)).div_ceil(24);
        let there = hours.valid + hours.conditional + hours.exempt + hours.invalid;
        hours.missing = hours.due.saturating_sub(there);
        self.conclude(day, hours, [sure, doubtful, exempt], unweighed)
    }

    /// The hours that are judged so far, with their weights.
    pub(super) fn counted(&self, day: &Day) -> Vec<Counted> {
        let weigh = self.weigh(day);
        let counts = |(hour, cell): (usize, &Cell)| {
            let value = cell.value().filter(|_| cell.came() && cell.worth().is_none_or(Validity::is_judged))?;
            Some((value.nano(), weigh(hour)?))
        };
        day.cells.iter().enumerate().filter_map(counts).collect()
    }

    fn conclude(&self, day: &Day, hours: Hours, lists: [Vec<Counted>; 3], unweighed: u32) -> DayJudged {
        let [sure, mut doubtful, exempt] = lists;
        let count = |list: &[Counted]| u32::try_from(list.len()).unwrap_or(u32::MAX);
        let all: Vec<Counted> = sure.iter().chain(&doubtful).copied().collect();
        let with_exempt: Vec<Counted> = all.iter().chain(&exempt).copied().collect();
        let enough = self.enough(count(&all), count(&exempt), &hours);
        let marked = mean(&with_exempt).filter(|_| self.enough(count(&with_exempt), 0, &hours) != Enough::No);
        let value = mean(&all).filter(|_| enough != Enough::No);
        let mut judged = DayJudged {
            reported: day.reported,
            marked,
            exempt: value,
            between: None,
            hours,
            weighted: matches!(self.weights, Weights::Flow(..)),
            outcome: Outcome::NotJudged,
            reasons: Vec::new(),
            ratio: value.and_then(|value| self.limit.times(value)),
        };
        match enough {
            Enough::Yes => {}
            Enough::ShortByMarks => {
                judged.outcome = Outcome::LeftToPeople;
                judged.reasons.push(Reason::ShortByMarks);
                return judged;
            }
            Enough::No => {
                judged.reasons.push(match hours {
                    Hours { due: 0, .. } => Reason::AllExcluded,
                    Hours { exempt: 1.., .. } if all.is_empty() => Reason::AllExempt,
                    Hours { came: 0, .. } => Reason::NoValues,
                    _ => Reason::TooFew,
                });
                if unweighed > 0 {
                    judged.reasons.push(Reason::NoFlow);
                }
                return judged;
            }
        }
        let over = |value: Option<Ratio>| value.map(|value| value.exceeds(self.limit.max, self.limit.decimals));
        let outcome = |over: Option<bool>| if over == Some(true) { Outcome::Exceeded } else { Outcome::Met };
        if doubtful.is_empty() {
            judged.outcome = outcome(over(value));
            return judged;
        }
        doubtful.sort_unstable();
        let lacking = (0..=doubtful.len()).find(|more| {
            self.enough(count(&sure) + u32::try_from(*more).unwrap_or(0), count(&exempt), &hours) == Enough::Yes
        });
        let lacking = lacking.unwrap_or(doubtful.len());
        let lowest = extreme(&sure, &doubtful, lacking, false);
        doubtful.reverse();
        let highest = extreme(&sure, &doubtful, lacking, true);
        judged.between = lowest.zip(highest);
        let (low, high) = (outcome(over(lowest)), outcome(over(highest)));
        if low == high && lacking == 0 {
            judged.outcome = low;
        } else {
            judged.outcome = Outcome::LeftToPeople;
            judged.reasons.push(Reason::Conditional);
        }
        judged
    }

    /// The weight of each hour: the flow of that kind that is known of most hours with a value; hours without it have none.
    fn weigh<'d>(&'d self, day: &'d Day) -> impl Fn(usize) -> Option<i128> + 'd {
        let known = |flow: Option<&Day>| {
            let of = |(hour, cell): (usize, &Cell)| {
                cell.value()?;
                flow_of(flow, hour)
            };
            day.cells.iter().enumerate().filter_map(of).count()
        };
        let flow = match self.weights {
            Weights::Plain => None,
            Weights::Flow(total, mean) => Some(if known(total) >= known(mean) { total } else { mean }),
        };
        move |hour| match flow {
            None => Some(1),
            Some(flow) => flow_of(flow, hour),
        }
    }
}

/// The flow of an hour, if something flowed.
fn flow_of(flow: Option<&Day>, hour: usize) -> Option<i128> {
    let cell = flow?.cells.get(hour)?;
    cell.value().map(Decimal::weight).filter(|weight| *weight > 0)
}

/// The mean of these, weighed.
pub(super) fn mean(list: &[Counted]) -> Option<Ratio> {
    let (num, den) = list.iter().fold((0i128, 0i128), |(num, den), (value, weight)| {
        (num.saturating_add(value.saturating_mul(*weight)), den.saturating_add(*weight))
    });
    Ratio::new(num, den)
}

/// The highest (or lowest) mean that `sure` and some of `doubtful` have, at least `lacking` of them; these are in order, the best first.
fn extreme(sure: &[Counted], doubtful: &[Counted], lacking: usize, highest: bool) -> Option<Ratio> {
    let mut list = sure.to_vec();
    for (at, one) in doubtful.iter().enumerate() {
        let Some(now) = mean(&list) else {
            list.push(*one);
            continue;
        };
        let Some(value) = Ratio::new(one.0, 1) else { continue };
        if at < lacking || (highest && value > now) || (!highest && value < now) {
            list.push(*one);
        }
    }
    mean(&list)
}
