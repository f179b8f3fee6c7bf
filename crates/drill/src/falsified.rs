//! What somebody makes of minute records before they are said. The plant is as it is.

use super::conditions::at;
use super::drill::{Drill, DrillEventKind, DrillStation};
use super::noise::Unrest;
use super::plant::{OXYGEN, factors, measured, place};
use super::records::{SaidFactor, SaidRecord, convert, rounded};

/// Falsifies the minute records of a station where the drill says so, in the order of time.
pub(crate) fn falsify(drill: &Drill, station: usize, minutes: &mut [SaidRecord<'_>]) {
    let Some(of) = drill.stations.get(station) else { return };
    for number in 0..minutes.len() {
        let Some(from) = minutes.get(number).map(|record| record.from) else { continue };
        for event in at(drill, station, from) {
            if let DrillEventKind::Constant(code) = &event.kind {
                let first = minutes.iter().position(|record| record.from >= event.at);
                let held = first.and_then(|first| said(of, minutes.get(first)?, code)).map(|held| held.avg);
                change(of, minutes.get_mut(number), code, |said| {
                    let held = held.unwrap_or(said.avg);
                    (said.min, said.avg, said.max) = (held, held, held);
                });
            } else if let DrillEventKind::Scaled { code, by } = &event.kind {
                change(of, minutes.get_mut(number), code, |said| {
                    (said.min, said.avg, said.max) = (said.min * by, said.avg * by, said.max * by);
                });
            } else if let DrillEventKind::Replayed { code, back } = &event.kind {
                let earlier = usize::try_from(back / of.interval).ok().and_then(|back| number.checked_sub(back));
                let earlier = earlier.and_then(|earlier| said(of, minutes.get(earlier)?, code));
                change(of, minutes.get_mut(number), code, |said| {
                    if let Some(earlier) = earlier {
                        (said.min, said.avg, said.max) = (earlier.min, earlier.avg, earlier.max);
                    }
                });
            } else if let DrillEventKind::Capped { code, to, spread } = &event.kind {
                let unrest = Unrest::new(drill.seed, station, "capped");
                cap(of, minutes.get_mut(number), code, *to, to * (1.0 - spread * unrest.chance(from)));
            }
        }
    }
}

fn said<'a>(of: &DrillStation, record: &SaidRecord<'a>, code: &str) -> Option<SaidFactor<'a>> {
    record.factors.get(place(of.plant, code)?).copied()
}

/// Changes a factor of a record; what is converted follows from it.
fn change(of: &DrillStation, record: Option<&mut SaidRecord<'_>>, code: &str, how: impl FnOnce(&mut SaidFactor<'_>)) {
    let (Some(record), Some(place)) = (record, place(of.plant, code)) else { return };
    let decimals = factors(of.plant).get(place).map_or(2, |factor| factor.decimals);
    if let Some(said) = record.factors.get_mut(place) {
        how(said);
        let round = |value| rounded(value, decimals);
        (said.min, said.avg, said.max) = (round(said.min), round(said.avg), round(said.max));
    }
    convert(of, record);
}

/// Whatever lies above `just` says `just`, and nothing more than `most`: of converted values where there are any.
fn cap(of: &DrillStation, record: Option<&mut SaidRecord<'_>>, code: &str, most: f64, just: f64) {
    let Some(record) = record else { return };
    let oxygen = said(of, record, OXYGEN).map(|oxygen| oxygen.avg);
    let as_measured = |value: f64| match oxygen.zip(of.plant.reference_oxygen()) {
        Some((oxygen, reference)) => measured(value, oxygen, reference),
        None => value,
    };
    let (most, just) = (as_measured(most), as_measured(just));
    change(of, Some(record), code, |said| {
        said.max = said.max.min(most).max(said.min.min(just));
        if said.avg > just {
            said.avg = just;
        }
        said.min = said.min.min(said.avg);
        said.max = said.max.max(said.avg);
    });
}
