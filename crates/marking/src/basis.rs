//! What a value rests on besides itself: oxygen under a converted value, flow under a mean of water, and the conditions of an exemption.
//!
//! What must stay true: the order of the items within a report does not matter, so this is looked at when all of them are taken; a report
//! that does not name the factor is judged by the latest value of it that still stands for now.

use serde_json::json;

use super::effect::Laid;
use super::engine::{Observation, Verdict};
use super::plan::Plan;
use super::rules::*;
use super::state::*;
use hj212_model::message::{Kind, Timestamp};

impl Marks {
    /// Marks the readings whose basis is not good (涉及因子无效).
    pub(super) fn bases(
        &self,
        plan: &Plan,
        seen: &Observation<'_>,
        rank: u8,
        (owns, bases): (&mut [Option<Validity>], &mut [Option<Validity>]),
        out: &mut Verdict,
    ) {
        if !matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day) {
            return;
        }
        let now = seen.data.unwrap_or(seen.at).0;
        for basis in plan.rests.iter().filter(|basis| basis.dates.hold(now) && (basis.of_converted || rank >= 2)) {
            let rests = |code: &str, judged: Option<&str>| {
                let converted = || judged.is_some_and(|text| text.parse::<f64>().is_ok());
                (!basis.of_converted || converted()) && code != basis.factor && !basis.but.iter().any(|but| but == code)
            };
            let mut good = None;
            for at in 0..seen.readings.len() {
                let Some(reading) = seen.readings.get(at).filter(|reading| rests(reading.code, reading.judged)) else {
                    continue;
                };
                if *good.get_or_insert_with(|| self.stands(basis, seen, out, rank)) || reading.text.is_empty() {
                    continue;
                }
                owns.get_mut(at).into_iter().for_each(|own| *own = (*own).max(Some(basis.validity)));
                if let (Some(judged), Some(base)) = (out.readings.get_mut(at), bases.get_mut(at)) {
                    *base = (*base).max(Some(basis.validity));
                    judged.validity = judged.validity.max(Some(basis.validity));
                    judged.marks.push(basis.mark.clone());
                }
            }
        }
    }

    /// Whether the factor that others rest on is good.
    fn stands(&self, basis: &Basis, seen: &Observation<'_>, out: &Verdict, rank: u8) -> bool {
        let within = |value: Option<f64>| {
            value.is_some_and(|v| basis.above.is_none_or(|low| v > low) && basis.below.is_none_or(|high| v < high))
        };
        let here = seen.readings.iter().zip(&out.readings).find(|(reading, _)| reading.code == basis.factor);
        if let Some((reading, judged)) = here {
            let usable = judged.validity.is_none_or(Validity::is_usable);
            return usable && within(reading.text.parse().ok());
        }
        // Said in another report of the same time, or not at all.
        let slot = self.index.get(&basis.factor).and_then(|at| self.slots.get(usize::from(*at)));
        let now = seen.data.unwrap_or(seen.at).0;
        match slot.filter(|slot| slot.at != 0) {
            None => !basis.needed,
            // A mean rests on the mean of its own time: that of another says nothing of it.
            Some(slot) if slot.rank == rank && (now - slot.at).abs() <= slot.stale_after() => {
                let flagged = slot.holds.iter().any(|hold| hold.active);
                within(slot.value) && !(flagged && !slot.flag.is_empty() && slot.flag != "N")
            }
            Some(slot) if slot.rank < rank => true,
            Some(_) => !basis.needed,
        }
    }
}

impl Plan {
    /// The conditions of exemptions that a report breaks (true), or may break (false: a value finer than the period they are about).
    pub(super) fn broken(
        &self,
        seen: &Observation<'_>,
        rank: u8,
        laid: &[Laid<'_>],
        now: i64,
        out: &mut Verdict,
    ) -> Vec<(usize, bool)> {
        let broken = self.values_break(seen, rank, now);
        for (number, sure) in &broken {
            let Some(require) = self.requires.get(*number).filter(|_| *sure) else { continue };
            let Some(reading) = seen.readings.iter().find(|reading| reading.code == require.factor) else { continue };
            let text = reading.judged.unwrap_or(reading.text);
            let exempts = |mark: &&Laid<'_>| mark.works() && require.takes(mark.name, &require.factor);
            let Some(mark) = laid.iter().find(exempts) else { continue };
            let detail = json!({
                "conflict": require.name, "zh": require.zh, "en": require.en, "clause": require.clause, "within": null, "against": null,
                "certainty": format!("{:?}", require.certainty), "object": mark.object, "marked": mark.name, "max": require.max,
                "since": Timestamp(now).to_rfc3339(),
                "inputs": [{ "signal": null, "code": reading.code, "value": text, "at": Timestamp(now).to_rfc3339() }],
            });
            out.add("mark-conflict", now, None, detail);
        }
        broken
    }

    /// The conditions of exemptions whose values a report says and breaks, whatever is marked; whether that is sure.
    fn values_break(&self, seen: &Observation<'_>, rank: u8, now: i64) -> Vec<(usize, bool)> {
        let breaks = |(number, require): (usize, &Require)| {
            let of = match require.of.as_str() {
                "minute" => 1,
                "hour" => 2,
                _ => 3,
            };
            let reading = seen.readings.iter().find(|reading| reading.code == require.factor)?;
            let value = reading.judged.unwrap_or(reading.text).parse::<f64>().ok()?;
            (rank <= of && value > require.max && require.dates.hold(now)).then_some((number, rank == of))
        };
        self.requires.iter().enumerate().filter_map(breaks).collect()
    }

    /// The same as bits: those that are broken, and those that may be.
    pub(super) fn bits_broken(&self, seen: &Observation<'_>, rank: u8, now: i64) -> (u8, u8) {
        let (mut broken, mut maybe) = (0, 0);
        if self.requires.is_empty() {
            return (broken, maybe);
        }
        for (number, sure) in self.values_break(seen, rank, now) {
            let bit = u32::try_from(number).ok().and_then(|number| 1u8.checked_shl(number)).unwrap_or(0);
            *(if sure { &mut broken } else { &mut maybe }) |= bit;
        }
        (broken, maybe)
    }
}
