//! What marks make of readings, and periods judged by their finer values.

use serde_json::json;

use super::calendar;
use super::engine::{Happening, Observation, Recomputed, Verdict, span_of};
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use crate::message::{Kind, Timestamp};

impl Marks {
    /// Adds to the judgements of a report the marks that hold or held over its readings.
    pub(super) fn cover(&self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut Verdict) {
        if self.held.is_empty() && self.ended.is_empty() {
            return;
        }
        let end = span_of(rank).filter(|_| rank > 1).map_or(now, |(length, ..)| now + length);
        let laid = |mark: &'_ &Mark| mark.overlap(now, end) > 0;
        let marks = self.held.values().chain(&self.ended).filter(laid);
        let marks: Vec<(&Mark, &MarkKind)> =
            marks.filter_map(|mark| Some((mark, plan.marks.get(&mark.mark)?))).collect();
        for (reading, judged) in seen.readings.iter().zip(&mut out.readings) {
            for (mark, kind) in &marks {
                let other = mark.on_code && mark.object != reading.code;
                // What came is not missing, however long nothing came.
                let came = || mark.silence && reading.text.parse::<f64>().is_ok();
                if other || came() || !plan.covers(kind, &mark.object, reading.code) {
                    continue;
                }
                let list = if mark.standing.counts() { &mut judged.marks } else { &mut judged.proposed };
                if !list.contains(&kind.name) {
                    list.push(kind.name.clone());
                }
                // A period is judged by a mark that covers three quarters of it; shorter ones count through its finer values.
                let whole = end == now || mark.overlap(now, end) >= (end - now) / 4 * 3;
                if let Some(validity) = mark.effect().filter(|_| whole) {
                    judged.validity = judged.validity.max(Some(validity));
                }
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
        let finer = span_of(rank + 1).map(|(length, unit, _)| {
            let start = calendar::floor(now, length);
            (start, u32::try_from((now - start) / unit).unwrap_or(0))
        });
        let whole = span_of(rank).and_then(|(length, unit, of)| {
            let rule = plan.periods.iter().find(|period| period.of == of)?;
            Some((rule, u32::try_from(length / unit).unwrap_or(60), of))
        });
        for (at, (reading, home)) in seen.readings.iter().zip(&self.scratch.homes).enumerate() {
            let Some(judged) = out.readings.get_mut(at) else { continue };
            let Some(slot) = self.slots.get_mut(usize::from(*home)) else { continue };
            if let Some((start, unit)) = finer
                && let Some(tally) = slot.tallies.get_mut(usize::from(rank))
                && let Some(validity) = judged.validity
            {
                tally.count(start, unit, validity.is_usable());
            }
            let Some((rule, units, of)) = whole else { continue };
            let counted = slot.tallies.get(usize::from(rank) - 1).and_then(|tally| tally.of(now, units));
            let Some((good, seen, expected)) = counted else { continue };
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
