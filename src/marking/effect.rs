//! What marks make of readings, and periods judged by their finer values.

use serde_json::json;

use super::calendar;
use super::engine::{Happening, Observation, Recomputed, Verdict};
use super::expr::SECOND;
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use super::tally::Counted;
use crate::message::{Kind, Timestamp};

impl Plan {
    /// The rule by which a period of this rank is judged.
    fn period(&self, rank: u8) -> Option<&Period> {
        let of = match rank {
            1 => "minute",
            2 => "hour",
            3 => "day",
            _ => return None,
        };
        self.periods.iter().find(|period| period.of == of)
    }

    /// How much of a period of this rank may be lost to device marks and the period still be valid.
    fn lost_max(&self, rank: u8, length: i64) -> Option<i64> {
        Some(match self.period(rank)?.good {
            Good::All => 0,
            Good::Share(some, all) => length / i64::from(all.max(1)) * i64::from(all.saturating_sub(some)),
        })
    }
}

/// A mark over the time of a report.
struct Laid<'a> {
    mark: &'a Mark,
    kind: &'a MarkKind,
    /// Of a period: the parts of it in which the mark takes effect.
    parts: Vec<(i64, i64)>,
    /// How long they are together; of an instant 1 or 0.
    long: i64,
}

impl<'a> Laid<'a> {
    fn new(mark: &'a Mark, kind: &'a MarkKind, from: i64, to: i64) -> Laid<'a> {
        if from == to {
            return Laid { mark, kind, parts: Vec::new(), long: i64::from(mark.works_at(from)) };
        }
        let parts = mark.in_effect(from, to);
        let long = parts.iter().map(|(from, to)| to - from).sum();
        Laid { mark, kind, parts, long }
    }
}

/// How long the parts last together, counting what overlaps once.
fn together(parts: &mut [(i64, i64)]) -> i64 {
    parts.sort_unstable();
    let (mut sum, mut end) = (0, i64::MIN);
    for (from, to) in parts.iter() {
        sum += (to - (*from).max(end)).max(0);
        end = end.max(*to);
    }
    sum
}

impl Marks {
    /// The length of a period of this rank, µs: minute data has the one that the station was seen to use.
    pub(super) fn length_of(&self, rank: u8) -> Option<i64> {
        match rank {
            1 => self.minutes.step(),
            2 => Some(3600 * SECOND),
            3 => Some(86_400 * SECOND),
            _ => None,
        }
    }

    /// Adds to the judgements of a report the marks that hold or held over its readings.
    pub(super) fn cover(&self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut Verdict) {
        if self.held.is_empty() && self.ended.is_empty() {
            return;
        }
        let length = self.length_of(rank).filter(|_| rank > 0).unwrap_or(0);
        let end = now + length;
        let laid = |mark: &'_ &Mark| mark.begun && mark.overlap(now, end) > 0;
        let marks = self.held.values().chain(&self.ended).filter(laid);
        let marks: Vec<Laid<'_>> =
            marks.filter_map(|mark| Some(Laid::new(mark, plan.marks.get(&mark.mark)?, now, end))).collect();
        let lost_max = plan.lost_max(rank, length);
        for (reading, judged) in seen.readings.iter().zip(&mut out.readings) {
            let (mut lost, mut worst) = (Vec::new(), None);
            for Laid { mark, kind, parts, long } in &marks {
                let other = mark.on_code && mark.object != reading.code;
                // What came is not missing, however long nothing came.
                let came = || mark.silence && reading.text.parse::<f64>().is_ok();
                if other || came() || !plan.covers(kind, &mark.object, reading.code) {
                    continue;
                }
                if *long == 0 && mark.standing.counts() && mark.from > mark.since {
                    // Entered too late for this time.
                    continue;
                }
                let list = if mark.standing.counts() { &mut judged.marks } else { &mut judged.proposed };
                if !list.contains(&kind.name) {
                    list.push(kind.name.clone());
                }
                // A period is judged by a condition that covers three quarters of it; shorter ones count through its finer values.
                if *long > 0 && (end == now || *long >= length / 4 * 3) {
                    judged.validity = judged.validity.max(Some(mark.validity));
                } else if matches!(mark.validity, Validity::Invalid | Validity::Missing) {
                    lost.extend_from_slice(parts);
                    worst = worst.max(Some(mark.validity));
                }
            }
            // What several of them took together may be more than the period can spare.
            if lost_max.is_some_and(|max| together(&mut lost) > max) {
                judged.validity = judged.validity.max(worst);
            }
            judged.marks.sort_unstable();
            judged.marks.dedup();
            judged.proposed.retain(|name| !judged.marks.contains(name));
            judged.proposed.sort_unstable();
        }
    }

    /// Counts values for the next coarser period, and compares a period's own flag with its finer values.
    pub(super) fn periods(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut Verdict) {
        if plan.periods.is_empty() || !matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day) {
            return;
        }
        if rank == 1 {
            self.minutes.note(now);
        }
        let finer = self.length_of(rank + 1).map(|length| (calendar::floor(now, length), length));
        let whole = self.length_of(rank).and_then(|length| Some((plan.period(rank)?, length)));
        for (at, (reading, home)) in seen.readings.iter().zip(&self.scratch.homes).enumerate() {
            let Some(judged) = out.readings.get_mut(at) else { continue };
            let Some(slot) = self.slots.get_mut(usize::from(*home)) else { continue };
            if let Some((start, length)) = finer
                && let Some(tally) = slot.tallies.get_mut(usize::from(rank))
                && let Some(validity) = judged.validity
            {
                tally.count(start, length, now, validity);
            }
            let Some((rule, length)) = whole else { continue };
            let of = &rule.of;
            let counted = slot.tallies.get(usize::from(rank) - 1).and_then(|tally| tally.of(now, length));
            let Some(Counted { good, seen, expected }) = counted else { continue };
            let valid = match rule.good {
                Good::All => good == seen,
                Good::Share(some, all) => u64::from(good) * u64::from(all) >= u64::from(some) * u64::from(expected),
            };
            let own = reading.flag.and(judged.own).map(Validity::is_usable);
            if own.is_some_and(|own| own != valid) {
                let detail = json!({
                    "code": reading.code, "period": of, "data_time": Timestamp(now).to_rfc3339(), "flag": reading.flag, "valid": own,
                    "recomputed": valid, "good": good, "seen": seen, "expected": expected, "needed": *rule.good_text, "clause": *rule.clause,
                });
                out.happenings.push(Happening { kind: "flag-differs", at: Timestamp(now), mark: None, detail });
            }
            let (needed, clause) = (rule.good_text.clone(), rule.clause.clone());
            judged.recomputed = Some(Box::new(Recomputed { valid, good, seen, expected, needed, clause }));
        }
    }
}
