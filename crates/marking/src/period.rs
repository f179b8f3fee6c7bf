//! Periods judged by their finer values: two questions, two rules.
//!
//! * **Is the logger's own flag right?** HJ 212-2017, notes to C.16 to C.18: three quarters of what is due. Only this gives `flag-differs`.
//! * **Is the mean valid?** Annex D: 45 minutes, 20 hours, absolute; HJ 356: 75 % of what is due. A mean with too few values is invalid;
//!   one that only what is excluded makes too short is left to people (`conditional`): the law names a number, practice leaves stops out.
//!
//! What must stay true: the verdict does not depend on the order in which finer values, periods and entries came. So what instruments and
//! rules say is counted as it comes, and what people entered is laid over it here. Of a period that began before the first value of the
//! code, or that is forgotten ([`KEPT`]), nothing is said.

use serde_json::json;

use super::calendar;
use super::effect::{Fate, HOUR, Laid, Over};
use super::engine::{FlagCheck, Happening, Observation, Reading, Recomputed, Verdict};
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use super::tally::{Counted, Places, Tally};
use hj212_model::message::{Kind, Timestamp};

/// Periods whose finer values are remembered: minutes (of samples), hours (of minutes: a week), days (of hours: six weeks).
pub const KEPT: [i64; 3] = [10, 7 * 24 + 1, 42];

impl Plan {
    /// The rule by which a period of this rank is judged.
    pub(super) fn period(&self, rank: u8) -> Option<&Period> {
        let of = match rank {
            1 => "minute",
            2 => "hour",
            3 => "day",
            _ => return None,
        };
        self.periods.iter().find(|period| period.of == of)
    }

    /// How much of a period of this rank its mean can spare, and whether what is excluded counts against that.
    pub(super) fn spare(&self, rank: u8, length: i64) -> Option<(i64, bool)> {
        let period = self.period(rank)?;
        let of = |good: u32, all: u32| length / i64::from(all.max(1)) * i64::from(all.saturating_sub(good));
        Some(match (period.mean.as_ref().map(|mean| mean.needed), period.flag.as_ref().map(|flag| flag.needed)) {
            (Some(Mean::All), _) | (None, Some(Good::All)) => (0, false),
            (Some(Mean::Whole(good, all)), _) => (of(good, all), true),
            (Some(Mean::Due(good, all)), _) | (None, Some(Good::Share(good, all))) => (of(good, all), false),
            (None, None) => return None,
        })
    }
}

impl Good {
    fn is_met(self, counted: Counted) -> bool {
        match self {
            Self::All => counted.good == counted.seen,
            Self::Share(some, all) => {
                u64::from(counted.good) * u64::from(all) >= u64::from(some) * u64::from(counted.expected)
            }
        }
    }
}

impl Mean {
    /// Valid; else too few whatever is excluded, or too few because of that.
    fn verdict(self, counted: Counted) -> Fate {
        let enough = |good: u32, some: u32, all: u32, of: u32| {
            u64::from(good) * u64::from(all) >= u64::from(some) * u64::from(of)
        };
        let Counted { good, seen, expected, out } = counted;
        match self {
            Self::All => {
                if good == seen {
                    Fate::Good
                } else {
                    Fate::Lost
                }
            }
            Self::Due(some, all) => {
                if enough(good, some, all, expected) {
                    Fate::Good
                } else {
                    Fate::Lost
                }
            }
            Self::Whole(some, all) if enough(good, some, all, expected + out) => Fate::Good,
            Self::Whole(some, all) if enough(good + out, some, all, expected + out) => Fate::Short,
            Self::Whole(..) => Fate::Lost,
        }
    }
}

impl Marks {
    /// Counts values for the next coarser period, and judges a period by its finer values.
    pub(super) fn periods(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut Verdict) {
        if plan.periods.is_empty() || !matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day) {
            return;
        }
        if rank == 1 {
            self.minutes.note(now);
        }
        self.count(seen, rank, now);
        let Some((period, length)) = self.length_of(rank).and_then(|length| Some((plan.period(rank)?, length))) else {
            return;
        };
        let laid = self.laid(plan, now, now + length);
        for (at, (reading, home)) in seen.readings.iter().zip(&self.scratch.homes).enumerate() {
            let Some(slot) = self.slots.get(usize::from(*home)) else { continue };
            let Some((counted, knows)) = self.counted(plan, &laid, slot, reading, (rank, now, length)) else {
                continue;
            };
            let Some(judged) = out.readings.get_mut(at) else { continue };
            let flag = period.flag.as_ref().map(|asked| (asked, asked.needed.is_met(counted)));
            let mean = period.mean.as_ref().map(|asked| (asked, asked.needed.verdict(counted)));
            let own = reading.flag.and(judged.own).map(Validity::is_usable);
            if let Some((asked, is)) = flag
                && let Some(own) = own.filter(|own| *own != is)
                && period.strict.is_none_or(|strict| strict.is_met(counted) != own)
            {
                let Counted { good, seen, expected, .. } = counted;
                let detail = json!({
                    "code": reading.code, "period": period.of, "data_time": Timestamp(now).to_rfc3339(), "flag": reading.flag,
                    "valid": own, "recomputed": is, "good": good, "seen": seen, "expected": expected, "needed": *asked.text,
                    "clause": *asked.clause, "certainty": format!("{:?}", asked.certainty),
                });
                out.happenings.push(Happening { kind: "flag-differs", at: Timestamp(now), mark: None, detail });
            }
            if let Some((_, fate)) = mean.filter(|_| knows) {
                judged.validity = judged.validity.max(match fate {
                    Fate::Good => None,
                    Fate::Lost => Some(Validity::Invalid),
                    Fate::Short => Some(Validity::Conditional),
                });
            }
            let (valid, needed, clause) = match (mean, flag) {
                (Some((asked, fate)), _) => (fate == Fate::Good, &asked.text, &asked.clause),
                (None, Some((asked, is))) => (is, &asked.text, &asked.clause),
                (None, None) => continue,
            };
            let check = |(asked, is): (&Asked<Good>, bool)| FlagCheck {
                valid: is,
                needed: asked.text.clone(),
                clause: asked.clause.clone(),
            };
            let Counted { good, seen, expected, .. } = counted;
            let (needed, clause, flag) = (needed.clone(), clause.clone(), flag.map(check));
            judged.recomputed = Some(Box::new(Recomputed { valid, good, seen, expected, needed, clause, flag }));
        }
    }

    /// The finer values of a period, with what people entered laid over them, and whether they are known from its beginning.
    fn counted(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slot: &Slot,
        reading: &Reading<'_>,
        (rank, start, length): (u8, i64, i64),
    ) -> Option<(Counted, bool)> {
        let tally = slot.tallies.get(usize::from(rank) - 1)?;
        let mut places = tally.of(start, length)?;
        let over = if laid.is_empty() {
            Over::default()
        } else {
            self.over_code(plan, laid, reading, rank, (false, &[], &[]))
        };
        let finer = slot.tallies.get(usize::from(rank).wrapping_sub(2)).filter(|_| rank == 3);
        overlay(plan, &over, finer, &mut places, rank, start);
        let counted = places.count();
        (counted.expected > 0).then(|| (counted, tally.knows(start)))
    }

    /// What the finer values of a published period make of it now.
    pub(super) fn mean_again(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slot: &Slot,
        reading: &Reading<'_>,
        period: (u8, i64, i64),
    ) -> Option<Validity> {
        let asked = plan.period(period.0)?.mean.as_ref()?;
        let (counted, _) = self.counted(plan, laid, slot, reading, period).filter(|(_, knows)| *knows)?;
        match asked.needed.verdict(counted) {
            Fate::Good => None,
            Fate::Lost => Some(Validity::Invalid),
            Fate::Short => Some(Validity::Conditional),
        }
    }

    fn count(&mut self, seen: &Observation<'_>, rank: u8, now: i64) {
        let Some(length) = self.length_of(rank + 1) else { return };
        let (start, kept) = (calendar::floor(now, length), KEPT.get(usize::from(rank)).copied().unwrap_or(1));
        for (home, base) in self.scratch.homes.iter().zip(&self.scratch.bases).take(seen.readings.len()) {
            let Some(slot) = self.slots.get_mut(usize::from(*home)) else { continue };
            if let (Some(tally), Some(validity)) = (slot.tallies.get_mut(usize::from(rank)), base) {
                tally.count((start, length), now, *validity, kept);
            }
        }
    }
}

/// Lays over what came what people entered, and over hours of a day what their minutes say.
fn overlay(plan: &Plan, over: &Over, minutes: Option<&Tally>, places: &mut Places, rank: u8, start: i64) {
    let mean_of_hour = plan.period(2).and_then(|period| period.mean.as_ref());
    if over.is_empty() && (minutes.is_none() || mean_of_hour.is_none()) {
        return;
    }
    let step = places.step;
    let (spare, whole) = plan.spare(rank - 1, step).unwrap_or((step / 4, false));
    let mut changed = *places;
    for (bit, offset) in places.due() {
        let from = start + offset;
        let out = super::spans::together(&super::spans::clipped(&over.excluded, from, from + step));
        let mut fate = over.fate(from, from + step, spare, whole);
        if let Some((minutes, mean)) = minutes.zip(mean_of_hour).filter(|_| step == HOUR && fate == Fate::Good)
            && let Some(mut of_hour) = minutes.of(from, HOUR).filter(|_| minutes.knows(from))
        {
            overlay(plan, over, None, &mut of_hour, 2, from);
            let counted = of_hour.count();
            if counted.expected > 0 {
                fate = mean.needed.verdict(counted);
            }
        }
        if out >= step - step / 4 || fate == Fate::Short {
            changed.out |= bit;
        } else if fate == Fate::Lost {
            changed.good &= !bit;
        }
    }
    *places = changed;
}
