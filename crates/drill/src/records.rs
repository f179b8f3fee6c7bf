//! Records as stations say them: minutes of what the instruments show, hours and days of the minutes.

use super::drill::{Drill, DrillStation};
use super::instrument::{InstrumentValue, NORMAL, shown};
use super::plant::{GAS_FLOW, OXYGEN, PlantMoment, PlantQuantity, WATER_FLOW, converted, factors, place};

/// One factor of a record, rounded as it is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SaidFactor<'a> {
    pub(crate) min: f64,
    pub(crate) avg: f64,
    pub(crate) max: f64,
    /// Minimum, mean and maximum at the reference oxygen, of pollutants in gas.
    pub(crate) converted: Option<[f64; 3]>,
    /// m³ in the period, of flows.
    pub(crate) sum: Option<f64>,
    pub(crate) letter: &'a str,
}

/// A record: when its period begins, minutes since the drill's begin, and its factors in the order of the plant's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SaidRecord<'a> {
    pub(crate) from: i64,
    pub(crate) length: i64,
    pub(crate) factors: Vec<SaidFactor<'a>>,
}

/// `value` with so many digits after the point, a half upwards.
pub(crate) fn rounded(value: f64, decimals: usize) -> f64 {
    let scale = (0..decimals).fold(1.0, |scale, _| scale * 10.0);
    (value * scale + 0.5).floor() / scale
}

/// All minute records of a station, as its instruments have them.
pub(crate) fn minutes<'a>(drill: &'a Drill, station: usize, course: &[PlantMoment]) -> Vec<SaidRecord<'a>> {
    let Some(of) = drill.stations.get(station) else { return Vec::new() };
    let mut all = Vec::new();
    let mut from = 0;
    while from + of.interval <= drill.length {
        let samples: Vec<Vec<InstrumentValue<'a>>> =
            (from..from + of.interval).map(|minute| shown(drill, station, course, minute)).collect();
        let factors = factors(of.plant).iter().enumerate().map(|(place, factor)| {
            let of_factor = samples.iter().filter_map(|sample| sample.get(place)).copied();
            of_samples(factor, &of_factor.collect::<Vec<_>>(), of)
        });
        all.push(SaidRecord { from, length: of.interval, factors: factors.collect() });
        from += of.interval;
    }
    all.iter_mut().for_each(|record| convert(of, record));
    all
}

/// The letter of a period: normal where three quarters of its parts are (HJ 212-2017, notes to C.16 to C.18); of water all must be.
fn letter<'a>(letters: &[&'a str], is_gas: bool) -> &'a str {
    let normal = letters.iter().filter(|letter| **letter == NORMAL).count();
    let enough = if is_gas { normal * 4 >= letters.len() * 3 } else { normal == letters.len() };
    if enough {
        return NORMAL;
    }
    letters.iter().find(|letter| **letter != NORMAL).copied().unwrap_or(NORMAL)
}

fn of_samples<'a>(factor: &PlantQuantity, samples: &[InstrumentValue<'a>], of: &DrillStation) -> SaidFactor<'a> {
    let letters: Vec<&str> = samples.iter().map(|sample| sample.letter).collect();
    let letter = letter(&letters, of.plant.is_gas());
    let counts = |sample: &&InstrumentValue<'_>| letter != NORMAL || sample.letter == NORMAL;
    let values: Vec<f64> = samples.iter().filter(counts).map(|sample| sample.value).collect();
    let all: f64 = samples.iter().map(|sample| sample.value).sum();
    let sum = match factor.code {
        GAS_FLOW => Some(all * 60.0),
        WATER_FLOW => Some(all * 60.0 / 1000.0),
        _ => None,
    };
    let (min, avg, max) = spread(&values);
    let round = |value| rounded(value, factor.decimals);
    let sum = sum.map(|sum| rounded(sum, 2));
    SaidFactor { min: round(min), avg: round(avg), max: round(max), converted: None, sum, letter }
}

/// Smallest value, mean and greatest value.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let (min, max) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(*value), max.max(*value)));
    if values.is_empty() {
        return (0.0, 0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (min, mean.clamp(min, max), max)
}

/// Computes the converted values of a minute record by the oxygen that it says.
pub(crate) fn convert(of: &DrillStation, record: &mut SaidRecord<'_>) {
    let Some(reference) = of.plant.reference_oxygen() else { return };
    let Some(oxygen) = place(of.plant, OXYGEN).and_then(|place| record.factors.get(place)).map(|oxygen| oxygen.avg)
    else {
        return;
    };
    for (said, factor) in record.factors.iter_mut().zip(factors(of.plant)).filter(|(_, factor)| factor.pollutant) {
        let at = |value| rounded(converted(value, oxygen, reference), factor.decimals);
        said.converted = Some([at(said.min), at(said.avg), at(said.max)]);
    }
}

/// The record of the period from `from` on, made of the `minutes` that lie in it; `None` if there are none.
pub(crate) fn of_minutes<'a>(
    of: &DrillStation,
    minutes: &[SaidRecord<'a>],
    from: i64,
    length: i64,
) -> Option<SaidRecord<'a>> {
    let within: Vec<&SaidRecord<'a>> =
        minutes.iter().filter(|minute| (from..from + length).contains(&minute.from)).collect();
    if within.is_empty() {
        return None;
    }
    let factors = factors(of.plant).iter().enumerate().map(|(place, factor)| {
        let parts: Vec<SaidFactor<'a>> =
            within.iter().filter_map(|minute| minute.factors.get(place)).copied().collect();
        mean(factor, &parts, of.plant.is_gas())
    });
    Some(SaidRecord { from, length, factors: factors.collect() })
}

fn mean<'a>(factor: &PlantQuantity, parts: &[SaidFactor<'a>], is_gas: bool) -> SaidFactor<'a> {
    let letters: Vec<&str> = parts.iter().map(|part| part.letter).collect();
    let letter = letter(&letters, is_gas);
    // What is not normal is in no mean, unless there is nothing else.
    let normal: Vec<&SaidFactor<'a>> = parts.iter().filter(|part| part.letter == NORMAL).collect();
    let counted: Vec<&SaidFactor<'a>> = if normal.is_empty() { parts.iter().collect() } else { normal };
    let of = |value: fn(&SaidFactor<'_>) -> [f64; 3]| {
        let column =
            |place: usize| -> Vec<f64> { counted.iter().filter_map(|part| value(part).get(place).copied()).collect() };
        let (min, avg, max) = (spread(&column(0)).0, spread(&column(1)).1, spread(&column(2)).2);
        [min, rounded(avg, factor.decimals), max]
    };
    let [min, avg, max] = of(|part| [part.min, part.avg, part.max]);
    let is_converted = counted.iter().all(|part| part.converted.is_some());
    let sums: Vec<f64> = parts.iter().filter_map(|part| part.sum).collect();
    SaidFactor {
        min,
        avg,
        max,
        converted: is_converted.then(|| of(|part| part.converted.unwrap_or_default())),
        sum: (!sums.is_empty()).then(|| rounded(sums.iter().sum(), 2)),
        letter,
    }
}

/// The fields of a record, behind DataTime.
pub(crate) fn written(of: &DrillStation, record: &SaidRecord<'_>) -> String {
    let mut text = String::new();
    for (said, factor) in record.factors.iter().zip(factors(of.plant)) {
        let PlantQuantity { code, decimals, .. } = *factor;
        text.push(';');
        if let Some(sum) = said.sum {
            text.push_str(&format!("{code}-Cou={sum:.2},"));
        }
        for (name, value) in [("Min", said.min), ("Avg", said.avg), ("Max", said.max)] {
            text.push_str(&format!("{code}-{name}={value:.decimals$},"));
        }
        if let Some([min, avg, max]) = said.converted {
            for (name, value) in [("ZsMin", min), ("ZsAvg", avg), ("ZsMax", max)] {
                text.push_str(&format!("{code}-{name}={value:.decimals$},"));
            }
        }
        text.push_str(&format!("{code}-Flag={}", said.letter));
    }
    text
}
