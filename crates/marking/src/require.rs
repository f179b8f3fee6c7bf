//! Conditions of exemptions: `[[require]]`, particulates of at most 150 mg/m³ as the mean of an hour of start, stop, fault or accident.
//!
//! What the texts say (both recalled, R): GB 18485-2014, 8.2: in those times the data do not judge, but the hourly mean of particulates must
//! not exceed 150 mg/m³. 部令第10号, article 10 (1): not exceeding is a time that is marked so *and* in which the hourly mean of particulates is
//! at most 150 mg/m³. So:
//!
//! | hourly mean of particulates | particulates | the other factors |
//! |---|---|---|
//! | valid, at most 150 | exempt | exempt |
//! | valid, above 150 | not exempt; `mark-conflict` | conditional: by the second text not exempt, by the first one exempt |
//! | absent, invalid, under a device mark | as it is | conditional: that the condition is met is not shown |
//! | not known yet (a finer value) | by the finer value of particulates: exempt, or conditional | the same |
//!
//! What must stay true: what comes first, entry or value, the particulates or the others, in one report or in several, does not matter:
//! finer values are put right when the hour is known. A broken condition is told once a period, whichever came first: the value as the logger
//! sent it, by its own letter, decides that, and not what people entered about its instrument. An entry hides no lead.

use serde_json::json;

use super::calendar;
use super::effect::Met;
use super::effect::{Asking, Laid, over_time};
use super::expr::{DAY, HOUR};
use super::plan::Plan;
use super::published::Worth;
use super::rules::*;
use super::spans::Span;
use super::state::*;
use super::verdict::{MarkVerdict, Observation, Reading};
use hj212_model::message::Timestamp;

/// Values that broke a condition, remembered for the event that may come of them; older ones are told without their value.
pub const BREAKS_MAX: usize = 64;
/// Conditions and bases that are remembered with a period.
pub(super) const BITS: usize = 8;
// One bit each in a byte.
const _: () = assert!(BITS == u8::BITS as usize);

/// The bit of the number of a condition or a basis.
pub(super) fn bit8(number: usize) -> u8 {
    u32::try_from(number).ok().and_then(|number| 1u8.checked_shl(number)).unwrap_or(0)
}

impl Plan {
    /// Where a mark that exempts or excludes does so, and where people must rule, by the conditions of exemptions.
    pub(super) fn required(
        &self,
        mark: &Laid<'_>,
        code: &str,
        met: &dyn Fn(usize, i64) -> Met,
    ) -> (Vec<Span>, Vec<Span>) {
        let (mut parts, mut unsure) = (mark.parts.clone(), Vec::new());
        if mark.validity != Validity::Exempt {
            return (parts, unsure);
        }
        for (number, require) in self.requires.iter().enumerate().filter(|(_, require)| require.is_of(mark.name)) {
            let own = require.takes(code);
            if !own && !require.others {
                continue;
            }
            let length = if require.rank() == 3 { DAY } else { HOUR };
            let mut kept = Vec::new();
            for (from, to) in std::mem::take(&mut parts) {
                let mut at = from;
                while at < to {
                    let start = calendar::floor(at, length);
                    let piece = (at, to.min(start + length));
                    at = piece.1;
                    let list = match met(number, start) {
                        Met::Kept => &mut kept,
                        _ if !require.dates.hold(start) => &mut kept,
                        Met::Broken if own => continue,
                        Met::Broken | Met::NotShown => &mut unsure,
                    };
                    match list.last_mut().filter(|(_, end): &&mut Span| *end == piece.0) {
                        Some((_, end)) => *end = piece.1,
                        None => list.push(piece),
                    }
                }
            }
            parts = kept;
        }
        (parts, unsure)
    }

    /// The conditions that a value is above, a bit each.
    pub(super) fn bits_over(&self, reading: &Reading<'_>, rank: u8) -> u8 {
        let value = || reading.judged.unwrap_or(reading.text).parse::<f64>().ok().filter(|_| !reading.none);
        let above = |(_, require): &(usize, &Require)| {
            require.factor == reading.code && rank <= require.rank() && value().is_some_and(|value| value > require.max)
        };
        self.requires.iter().enumerate().take(BITS).filter(above).fold(0, |bits, (number, _)| bits | bit8(number))
    }
}

impl Marks {
    /// How it is with a condition in the period that begins at `at`, for what is published of the period `rank`, `start`.
    /// Of a reading of the factor itself its value is asked alone: what takes that takes the reading anyway.
    pub(super) fn met(
        &self,
        plan: &Plan,
        (number, at): (usize, i64),
        code: &str,
        (rank, start, length): (u8, i64, i64),
    ) -> Met {
        let Some(require) = plan.requires.get(number) else { return Met::Kept };
        let Some(slot) = self.index.get(&require.factor).map(|slot| usize::from(*slot)) else { return Met::NotShown };
        let worth = |rank: u8, start: i64, length: i64| {
            self.published.get(usize::from(rank).checked_sub(1)?)?.of(slot, start, length)
        };
        let met = |worth: Worth, broken: Met| match worth {
            Worth { none: true, .. } => Met::NotShown,
            Worth { said: Some(said), .. } if !said.is_usable() && code != require.factor => Met::NotShown,
            Worth { over, .. } if over & bit8(number) != 0 => broken,
            Worth { .. } => Met::Kept,
        };
        let of = require.rank();
        if let Some(known) = self.length_of(of).and_then(|length| worth(of, calendar::floor(at, length), length)) {
            return met(known, Met::Broken);
        }
        match worth(rank, start, length).filter(|_| rank < of) {
            Some(finer) => met(finer, Met::NotShown),
            None => Met::NotShown,
        }
    }

    /// Asks of a report of sampled values how it is with the conditions of exemptions: by the hour where it is known, else by the latest value.
    pub(super) fn require_now(&self, plan: &Plan, seen: &Observation<'_>, now: i64, out: &mut MarkVerdict) {
        if !out.readings.iter().any(|judged| judged.validity == Some(Validity::Exempt)) {
            return;
        }
        let here = |require: &Require| {
            let at = seen.readings.iter().position(|reading| reading.code == require.factor)?;
            let usable = out.readings.get(at)?.validity.is_none_or(Validity::is_usable);
            Some((usable, seen.readings.get(at)?.none, seen.readings.get(at)?))
        };
        let latest = |number: usize, require: &Require| match here(require) {
            Some((true, false, reading)) if plan.bits_over(reading, 0) & bit8(number) == 0 => Met::Kept,
            Some(_) => Met::NotShown,
            None => {
                let slot = self.index.get(&require.factor).and_then(|at| self.slots.get(usize::from(*at)));
                let slot = slot.filter(|slot| slot.at != 0 && (now - slot.at).abs() <= slot.stale_after());
                let good = |slot: &Slot| {
                    slot.value.is_some_and(|value| value <= require.max)
                        && (slot.flag.is_empty() || plan.said.of(Some(&slot.flag)) == super::plan::Letter::Normal)
                };
                if slot.is_some_and(good) { Met::Kept } else { Met::NotShown }
            }
        };
        let now_met: Vec<Met> = plan.requires.iter().enumerate().map(|(number, r)| latest(number, r)).collect();
        let met = |number: usize, at: i64, code: &str| {
            let known = plan.requires.get(number).is_some_and(|require| {
                let slot = self.index.get(&require.factor).map(|slot| usize::from(*slot));
                let place = usize::from(require.rank()) - 1;
                let length = self.length_of(require.rank()).unwrap_or(HOUR);
                let of = |slot| self.published.get(place)?.of(slot, calendar::floor(at, length), length);
                slot.and_then(of).is_some()
            });
            if known {
                self.met(plan, (number, at), code, (0, now, 1))
            } else {
                now_met.get(number).copied().unwrap_or(Met::NotShown)
            }
        };
        let laid = self.laid(plan, now, now + 1);
        for (at, (reading, judged)) in seen.readings.iter().zip(&mut out.readings).enumerate() {
            if judged.validity != Some(Validity::Exempt) {
                continue;
            }
            let met = |number: usize, at: i64| met(number, at, reading.code);
            let cleared = self.cleared_at(plan, at);
            let asking = Asking { rules_only: false, cleared: &cleared, rests: 0, met: &met };
            judged.validity = judged.own.max(self.over_code(plan, &laid, reading, asking).worth(plan, 0, now, 1));
        }
    }

    /// Remembers the values of a report that break a condition, as said.
    pub(super) fn note_breaks(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, start: i64) {
        for require in plan.requires.iter().filter(|require| require.rank() == rank) {
            let Some(reading) = seen.readings.iter().find(|reading| reading.code == require.factor) else { continue };
            let key = (require.name.clone(), start);
            if plan.bits_over(reading, rank) == 0 {
                self.breaks.remove(&key);
                continue;
            }
            self.breaks.insert(key, reading.judged.unwrap_or(reading.text).to_owned());
            while self.breaks.len() > BREAKS_MAX {
                let oldest = self.breaks.keys().min_by_key(|(_, start)| *start).cloned();
                oldest.map(|oldest| self.breaks.remove(&oldest));
            }
        }
    }

    /// Tells of conditions that are broken in `from..to` under a mark that exempts; once a period.
    pub(super) fn tell_broken(&mut self, plan: &Plan, (from, to): (i64, i64), out: &mut MarkVerdict) {
        for (number, require) in plan.requires.iter().enumerate().take(BITS) {
            let place = usize::from(require.rank()) - 1;
            let Some(slot) = self.index.get(&require.factor).copied() else { continue };
            let Some(published) = self.published.get(place) else { continue };
            let length = published.length();
            let broken = |start: &i64| {
                published.of(usize::from(slot), *start, length).is_some_and(|worth| {
                    let usable = worth.own.is_none_or(Validity::is_usable) && !worth.none;
                    usable && worth.over & !worth.told & bit8(number) != 0 && require.dates.hold(*start)
                })
            };
            let starts: Vec<i64> = published.within(from, to).filter(broken).collect();
            let mut told = Vec::new();
            if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
                let laid = self.laid(plan, *first, last + length);
                let reading = Reading {
                    code: &require.factor,
                    text: "0",
                    judged: None,
                    none: false,
                    doubtful: false,
                    flag: None,
                };
                for start in starts {
                    let over = over_time(&laid, start, start + length);
                    let exempts = |mark: &&Laid<'_>| {
                        mark.works()
                            && mark.validity == Validity::Exempt
                            && require.is_of(mark.name)
                            && mark.is_about(plan, &reading, &[])
                    };
                    let Some(mark) = over.iter().find(exempts) else { continue };
                    let value = self.breaks.get(&(require.name.clone(), start));
                    let at = Timestamp(start).to_rfc3339();
                    let detail = json!({
                        "conflict": require.name, "zh": require.zh, "en": require.en, "clause": require.clause, "within": null,
                        "against": null, "certainty": format!("{:?}", require.certainty), "object": mark.object,
                        "marked": mark.name, "max": require.max, "since": at,
                        "inputs": [{ "signal": null, "code": require.factor, "value": value, "at": at }],
                    });
                    told.push((start, detail));
                }
            }
            for (start, detail) in told {
                out.add("mark-conflict", start, None, detail);
                let Some(published) = self.published.get_mut(place) else { continue };
                if let Some(worth) = published.of(usize::from(slot), start, length) {
                    let worth = Worth { told: worth.told | bit8(number), ..worth };
                    // It was published: nothing older is pushed out for it.
                    published.note((start, length), &[(slot, worth)], super::revise::kept(place, length));
                }
            }
        }
    }
}
