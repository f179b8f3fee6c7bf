//! Periods judged by their finer values: two questions, two rules.
//!
//! * **Is the logger's own flag right?** HJ 212-2017, notes to C.16 to C.18: three quarters of what is due are normal. Only this gives
//!   `flag-differs`, and only the letters that the logger itself sent have a say in it: no entry, no ruling, no rule, nothing that a value rests
//!   on. A flag is doubted if it is wrong in every reading of the notes: of what is due, of that without stops, of a day of what was sent (a
//!   source that stands sends no hours), and with every value that came without a letter taken for the flag.
//! * **Is the mean valid?** Annex D: 45 minutes, 20 hours, absolute; HJ 356: 75 % of what is due. A mean with too few values is invalid;
//!   one that only what is excluded makes too short, or that has enough only with values that people must rule about, is left to people
//!   (`conditional`).
//!
//! What must stay true: the verdict does not depend on the order in which finer values, periods and entries came. So what instruments and
//! rules say is counted as it comes, and what people entered is laid over it here. Of a period that began before the first value of the
//! code nothing is said of its mean; of one whose finer values are forgotten ([`KEPT`], or earlier by a bound) it stays what it was.

use serde_json::json;

use super::calendar;
use super::effect::{Asking, Fate, Laid, Over, kept};
use super::expr::HOUR;
use super::plan::{Letter, Plan};
use super::rules::*;
use super::state::*;
use super::tally::{Counted, Lettered, Places, Said, Shape};
use super::verdict::{FlagCheck, Happening, MarkVerdict, Observation, Reading, Recomputed};
use hj212_model::message::{Kind, Timestamp};

/// Periods whose finer values are remembered: minutes (of samples), hours (of minutes: a week), days (of hours: six weeks).
pub const KEPT: [i64; 3] = [10, 7 * 24 + 1, 42];

impl Plan {
    /// The rule by which a period of this rank is judged that begins at `at`.
    pub(super) fn period(&self, rank: u8, at: i64) -> Option<&Period> {
        let of = match rank {
            1 => "minute",
            2 => "hour",
            3 => "day",
            _ => return None,
        };
        self.periods.iter().find(|period| period.of == of && period.dates.hold(at))
    }

    /// How much of a period of this rank and begin its mean can spare, and whether what is excluded counts against that.
    pub(super) fn spare(&self, rank: u8, (at, length): (i64, i64)) -> Option<(i64, bool)> {
        let period = self.period(rank, at)?;
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
    /// Whether the flag should be N: of what is due.
    fn is_met(self, said: Lettered) -> bool {
        match self {
            Self::All => said.odd + said.stopped == 0,
            Self::Share(some, all) => u64::from(said.normal) * u64::from(all) >= u64::from(some) * u64::from(said.due),
        }
    }

    /// Whether it may be N in some reading: without stops, as if what has no letter were normal, and of a day (a source that stands sends
    /// no hours) of what was sent.
    fn may_be_met(self, said: Lettered, of_day: bool) -> bool {
        let normal = said.normal + said.mute;
        let of = if of_day { normal + said.odd } else { said.due.saturating_sub(said.stopped) };
        match self {
            Self::All => said.odd == 0,
            Self::Share(some, all) => u64::from(normal) * u64::from(all) >= u64::from(some) * u64::from(of),
        }
    }
}

impl Mean {
    /// Valid; else too few whatever is excluded or ruled, or too few because of that.
    fn verdict(self, counted: Counted) -> Fate {
        let enough = |good: u32, some: u32, all: u32, of: u32| {
            u64::from(good) * u64::from(all) >= u64::from(some) * u64::from(of)
        };
        let Counted { good, doubt, seen, expected, out } = counted;
        let sure = good.saturating_sub(doubt);
        match self {
            Self::All if good != seen => Fate::Lost,
            Self::All => {
                if doubt == 0 {
                    Fate::Good
                } else {
                    Fate::Doubtful
                }
            }
            Self::Due(some, all) if enough(sure, some, all, expected) => Fate::Good,
            Self::Due(some, all) if enough(good, some, all, expected) => Fate::Doubtful,
            Self::Due(..) => Fate::Lost,
            Self::Whole(some, all) if enough(sure, some, all, expected + out) => Fate::Good,
            Self::Whole(some, all) if enough(good, some, all, expected + out) => Fate::Doubtful,
            Self::Whole(some, all) if enough(good + out, some, all, expected + out) => Fate::Short,
            Self::Whole(..) => Fate::Lost,
        }
    }
}

impl Fate {
    /// What it makes of the mean.
    const fn validity(self) -> Option<Validity> {
        match self {
            Self::Good => None,
            Self::Lost => Some(Validity::Invalid),
            Self::Short | Self::Doubtful => Some(Validity::Conditional),
        }
    }
}

impl Marks {
    /// Counts values for the next coarser period, and judges a period by its finer values.
    pub(super) fn periods(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut MarkVerdict) {
        self.scratch.means.clear();
        self.scratch.means.resize(seen.readings.len(), None);
        if plan.periods.is_empty() || !matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day) {
            return;
        }
        if rank == 1 {
            self.minutes.note(now);
        }
        self.count(plan, seen, rank, now, out);
        let Some((period, length)) = self.length_of(rank).and_then(|length| Some((plan.period(rank, now)?, length)))
        else {
            return;
        };
        let mut means = std::mem::take(&mut self.scratch.means);
        let laid = self.laid(plan, now, now + length);
        let people = laid.iter().any(|mark| !mark.is_of_rule());
        let mut swayed = false;
        for (at, (reading, home)) in seen.readings.iter().zip(&self.scratch.homes).enumerate() {
            let Some(slot) = self.slots.get(usize::from(*home)) else { continue };
            let Some(judged) = out.readings.get_mut(at) else { continue };
            let Some(places) = self.places(slot, usize::from(rank) - 1, now, length) else {
                // Said again when its finer values are forgotten.
                let known =
                    self.published.get(usize::from(rank) - 1).and_then(|p| p.of(usize::from(*home), now, length));
                let before = judged.validity;
                judged.validity = before.max(known.and_then(|worth| worth.mean));
                swayed |= slot.supports && judged.validity != before;
                continue;
            };
            let said = places.letters();
            let flag = period.flag.as_ref().map(|asked| (asked, asked.needed.is_met(said)));
            let own = match plan.said.of(reading.flag) {
                Letter::None => None,
                letter @ (Letter::Normal | Letter::Odd | Letter::Stop | Letter::Typed) => {
                    Some(letter == Letter::Normal)
                }
            };
            let differs = flag.and_then(|(asked, is)| {
                let own = own?;
                let wrong = match own {
                    true => !asked.needed.may_be_met(said, rank == 3),
                    false => is && said.mute == 0 && period.strict.is_none_or(|strict| strict.is_met(said)),
                };
                wrong.then_some((asked, own))
            });
            if let Some((asked, own)) = differs {
                let Lettered { normal, odd, stopped, mute, due } = said;
                let detail = json!({
                    "code": reading.code, "period": period.of, "data_time": Timestamp(now).to_data_time(), "flag": reading.flag,
                    "valid": own, "recomputed": !own, "good": normal, "seen": normal + odd + stopped + mute, "expected": due,
                    "needed": *asked.text, "clause": *asked.clause, "certainty": format!("{:?}", asked.certainty),
                });
                out.happenings.push(Happening { kind: "flag-differs", at: Timestamp(now), mark: None, detail });
            }
            let cleared = self.cleared_at(plan, at);
            let rests = self.scratch.rests.get(at).copied().unwrap_or(0);
            let asking = Asking { rules_only: false, cleared: &cleared, rests, met: &kept };
            let counted = self.counted(plan, &laid, slot, reading, asking, (rank, now, length));
            let Some((counted, knows)) = counted else { continue };
            let mean = period.mean.as_ref().map(|asked| (asked, asked.needed.verdict(counted)));
            if let (Some((asked, fate)), Some(place), true) = (mean, means.get_mut(at), knows) {
                let rules = Asking { rules_only: true, ..asking };
                let by_rules = people.then(|| self.counted(plan, &laid, slot, reading, rules, (rank, now, length)));
                *place = Some(match by_rules {
                    None => fate.validity(),
                    Some(counted) => counted.and_then(|(counted, _)| asked.needed.verdict(counted).validity()),
                });
            }
            if let Some((_, fate)) = mean.filter(|_| knows) {
                let before = judged.validity;
                judged.validity = before.max(fate.validity());
                swayed |= slot.supports && judged.validity != before;
            }
            if reading.none {
                judged.validity = judged.validity.map(Validity::of_nothing);
            }
            let (valid, needed, clause) = match (mean, flag) {
                (Some((asked, fate)), _) => (matches!(fate, Fate::Good | Fate::Doubtful), &asked.text, &asked.clause),
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
        drop(laid);
        self.scratch.swayed = swayed;
        self.scratch.means = means;
    }

    /// The finer values of a period, with what people entered laid over them, and whether they are known from its beginning.
    fn counted(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slot: &Slot,
        reading: &Reading<'_>,
        asking: Asking<'_>,
        (rank, start, length): (u8, i64, i64),
    ) -> Option<(Counted, bool)> {
        let tally = slot.tallies.get(usize::from(rank) - 1)?;
        let mut places = self.places(slot, usize::from(rank) - 1, start, length)?;
        let over = if laid.is_empty() {
            Over::default()
        } else {
            self.over_code(plan, laid, reading, Asking { met: &kept, ..asking })
        };
        let knows = |from: i64| slot.tallies.get(1).is_some_and(|minutes| minutes.knows(from));
        let of_hour = |from: i64| self.published.get(1)?.of(usize::from(slot.place), from, HOUR);
        let hours = |from: i64| match self.places(slot, 1, from, HOUR).filter(|_| knows(from)) {
            Some(places) => Some(Hour::Counted(places)),
            None => of_hour(from).and_then(|worth| worth.mean).map(Hour::Published),
        };
        overlay(
            plan,
            &over,
            Some(&hours as &dyn Fn(i64) -> Option<Hour>).filter(|_| rank == 3),
            &mut places,
            rank,
            start,
        );
        let counted = places.count();
        (counted.expected > 0 && counted.seen + counted.out > 0).then(|| (counted, tally.knows(start)))
    }

    /// What the finer values of a published period make of it now; `None`: they are not known any more, or never were.
    pub(super) fn mean_again(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        slot: &Slot,
        asking: Asking<'_>,
        period: (u8, i64, i64),
    ) -> Option<Option<Validity>> {
        let asked = plan.period(period.0, period.1)?.mean.as_ref()?;
        self.places(slot, usize::from(period.0).saturating_sub(1), period.1, period.2)?;
        let reading = Reading { code: &slot.code, text: "0", judged: None, none: false, doubtful: false, flag: None };
        match self.counted(plan, laid, slot, &reading, asking, period) {
            Some((counted, knows)) => knows.then(|| asked.needed.verdict(counted).validity()),
            // All of it is excluded: there is nothing to judge.
            None => Some(None),
        }
    }

    /// A value that was counted is worth another thing by instruments and rules.
    pub(super) fn count_again(&mut self, slot: u16, (rank, at): (u8, i64), validity: Validity) {
        let Some(length) = self.length_of(rank + 1) else { return };
        let (start, kept) = (calendar::floor(at, length), KEPT.get(usize::from(rank)).copied().unwrap_or(1));
        let of = self.slots.get_mut(usize::from(slot)).and_then(|slot| slot.tallies.get_mut(usize::from(rank)));
        if let (Some(tally), Some(over)) = (of, self.counted.get_mut(usize::from(rank))) {
            tally.again((over, slot), start, at, validity, kept);
        }
    }

    fn count(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut MarkVerdict) {
        let Some(length) = self.length_of(rank + 1) else { return };
        let place = usize::from(rank);
        let (start, kept) = (calendar::floor(now, length), KEPT.get(place).copied().unwrap_or(1));
        let Some(over) = self.counted.get_mut(place) else { return };
        let mut ended: Vec<(i64, Vec<(u16, Shape)>)> = Vec::new();
        for ((home, count), reading) in self.scratch.homes.iter().zip(&self.scratch.counts).zip(seen.readings) {
            let Some(slot) = self.slots.get_mut(usize::from(*home)) else { continue };
            let Some(tally) = slot.tallies.get_mut(place) else { continue };
            let said = Said { validity: *count, letter: plan.said.of(reading.flag) };
            if said.validity.is_none() && (said.letter != Letter::None || plan.period(rank + 1, start).is_none()) {
                continue;
            }
            let counting = tally.count((&mut *over, *home), (start, length), now, said, kept);
            self.scratch.learned.extend(counting.learned.map(|(from, to)| (from, to, *home)));
            if let Some((from, shape)) = counting.over {
                match ended.iter_mut().find(|(known, _)| *known == from) {
                    Some((_, shapes)) => shapes.push((*home, shape)),
                    None => ended.push((from, vec![(*home, shape)])),
                }
            }
        }
        let lost: u32 = ended.iter().map(|(from, shapes)| over.note((*from, length), shapes, kept)).sum();
        for _ in 0..lost {
            self.memory.forget("counted-period", start - kept * length);
        }
        if lost > 0 {
            self.tell_forgotten(now, out);
        }
    }
}

/// What is known of an hour of a day.
enum Hour {
    /// Its minutes.
    Counted(Places),
    /// What they made of it when it was published: they are forgotten.
    Published(Validity),
}

/// Lays over what came what people entered, and over hours of a day what their minutes say.
fn overlay(
    plan: &Plan,
    over: &Over,
    minutes: Option<&dyn Fn(i64) -> Option<Hour>>,
    places: &mut Places,
    rank: u8,
    start: i64,
) {
    let mean_of_hour = plan.period(2, start).and_then(|period| period.mean.as_ref());
    if over.is_empty() && (minutes.is_none() || mean_of_hour.is_none()) {
        return;
    }
    let step = places.step;
    let (spare, whole) = plan.spare(rank - 1, (start, step)).unwrap_or((step / 4, false));
    let mut changed = *places;
    for (bit, offset) in places.due() {
        let from = start + offset;
        let out = super::spans::together(&super::spans::clipped(&over.excluded, from, from + step));
        let mut fate = over.fate(from, from + step, spare, whole);
        if let Some((minutes, mean)) = minutes.zip(mean_of_hour).filter(|_| step == HOUR && fate == Fate::Good) {
            match minutes(from) {
                Some(Hour::Counted(mut of_hour)) => {
                    overlay(plan, over, None, &mut of_hour, 2, from);
                    let counted = of_hour.count();
                    if counted.expected > 0 {
                        fate = mean.needed.verdict(counted);
                    }
                }
                Some(Hour::Published(worth)) if worth.is_usable() => fate = Fate::Doubtful,
                Some(Hour::Published(_)) => fate = Fate::Lost,
                None => {}
            }
        }
        if out >= step - step / 4 || fate == Fate::Short {
            changed.out |= bit;
            continue;
        }
        let unsure = || super::spans::together(&super::spans::clipped(&over.conditional, from, from + step));
        if fate == Fate::Lost {
            changed.good &= !bit;
        } else if fate == Fate::Doubtful || (!over.conditional.is_empty() && unsure() >= step - step / 4) {
            changed.doubt |= bit;
        }
    }
    *places = changed;
}
