//! What instruments show of a plant, and with which letter: drifting probes, calibrations, faults, letters that are not sent.

use super::conditions::at;
use super::drill::{Drill, DrillEventKind};
use super::plant::{OXYGEN, PlantMoment, factors, place};

/// The letter of normal operation (HJ 212-2017, table 8).
pub(crate) const NORMAL: &str = "N";

/// What the instrument of one factor shows in a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct InstrumentValue<'a> {
    pub(crate) value: f64,
    pub(crate) letter: &'a str,
}

/// What the instruments of a station show at `minute`, in the order of its factors.
pub(crate) fn shown<'a>(
    drill: &'a Drill,
    station: usize,
    course: &[PlantMoment],
    minute: i64,
) -> Vec<InstrumentValue<'a>> {
    let Some(of) = drill.stations.get(station) else { return Vec::new() };
    let moment = |minute: i64| usize::try_from(minute).ok().and_then(|minute| course.get(minute));
    let truth =
        |minute: i64, place: usize| moment(minute).and_then(|moment| moment.0.get(place)).copied().unwrap_or(0.0);
    let mut all: Vec<InstrumentValue<'a>> = (0..factors(of.plant).len())
        .map(|place| InstrumentValue { value: truth(minute, place), letter: NORMAL })
        .collect();
    let mut forgotten = false;
    for event in at(drill, station, minute) {
        if let DrillEventKind::OxygenDrifts(each_hour) = &event.kind {
            if let Some(oxygen) = place(of.plant, OXYGEN).and_then(|place| all.get_mut(place)) {
                let drift = each_hour * (minute - event.at) as f64 / 60.0;
                oxygen.value = (oxygen.value + drift).clamp(0.0, 20.9);
            }
        } else if let DrillEventKind::Calibrates { code, to } = &event.kind {
            for (shown, factor) in all.iter_mut().zip(factors(of.plant)) {
                if concerns(code.as_deref(), factor.code, factor.pollutant) {
                    *shown = InstrumentValue { value: *to, letter: "C" };
                }
            }
        } else if let DrillEventKind::AnalyserFails(code) = &event.kind {
            for (place, (shown, factor)) in all.iter_mut().zip(factors(of.plant)).enumerate() {
                if concerns(code.as_deref(), factor.code, factor.pollutant) {
                    *shown = InstrumentValue { value: truth(event.at, place), letter: "D" };
                }
            }
        } else if let DrillEventKind::FalseMark(letter) = &event.kind {
            all.iter_mut().for_each(|shown| shown.letter = letter);
        } else if event.kind == DrillEventKind::MarkForgotten {
            forgotten = true;
        }
    }
    if forgotten {
        all.iter_mut().for_each(|shown| shown.letter = NORMAL);
    }
    all
}

/// Whether what happens to `wanted` (none: all pollutants) happens to the factor `code`.
fn concerns(wanted: Option<&str>, code: &str, pollutant: bool) -> bool {
    wanted.map_or(pollutant, |wanted| wanted == code)
}
