//! What the instruments of a simulated station show: plausible, and a pure function of (seed, factor, time).
//!
//! A factor's course is smooth noise on two scales (six hours and forty minutes) around its usual value, with a little white noise
//! on top: it looks like a slow random walk but never has to be remembered, so any record can be made again at any time. A period
//! record is computed from one sample a minute of the same course (a day's: one in five minutes), hence min ≤ avg ≤ max and the
//! periods fit together. Only `+ - * /` and `floor` are used: the digits are the same on every machine.
//!
//! Instruments are calibrated for ten minutes (mark C), in flue gas every day, in water once a week, and seldom fail (mark D); period marks follow HJ 212-2017,
//! C.16 to C.18: flue gas is normal from 75 % normal values on, water only without any abnormal value.

use std::io::Write as _;

use super::clock::{DAY, HOUR, MINUTE, SECOND, period_start, stamp, time_of_day};
use super::factors::{AIR, CONDITIONS, Factor, ORGANICS, REFERENCE_OXYGEN, Role, code, factors};
use super::fleet::Profile;
use super::seeded_random::{mix, unit};
use super::subject::Subject;
use hj212::Edition;
use hj212_model::message::Timestamp;

/// Which of a record's factors are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Portion {
    /// All of them.
    Whole,
    /// The first or second half, for a record in two packets.
    Half(u8),
    /// All of them and many more.
    Oversized,
}

/// Appends `DataTime` and what the instruments show at `time`.
pub(crate) fn realtime(out: &mut Vec<u8>, station: &Profile, time: Timestamp, revision: u8, portion: Portion) {
    data_time(out, station, time);
    if station.subject == Subject::Condition {
        return conditions(out, station, time);
    }
    let is_air = station.subject == Subject::Air;
    let oxygen = if is_air { course(station, &AIR[3], time.0, revision) } else { 0.0 };
    for factor in portion_of(factors(station.subject), portion) {
        let (code, decimals) = (code(station, factor), factor.decimals);
        let value = course(station, factor, time.0, revision);
        let _ = write!(out, ";{code}-Rtd={value:.decimals$}");
        if factor.role == Role::Pollutant && is_air {
            let _ = write!(out, ",{code}-ZsRtd={:.decimals$}", converted(value, oxygen));
        }
        let _ = write!(out, ",{code}-Flag={}", mark(station, factor, time));
    }
    if portion == Portion::Oversized {
        for (position, code) in ORGANICS.iter().enumerate() {
            let value = 0.05 + unit(mix(station.seed ^ mix(position as u64) ^ time.0.unsigned_abs()));
            let _ = write!(out, ";{code}-SampleTime=");
            stamp(out, Timestamp(time.0 + station.clock_off - 5 * MINUTE));
            let _ = write!(out, ",{code}-Rtd={value:.3},{code}-Flag=N");
        }
    }
}

/// Appends `DataTime` and the values of the period of `length` microseconds that begins at `start`.
pub(crate) fn period(
    out: &mut Vec<u8>,
    station: &Profile,
    start: Timestamp,
    length: i64,
    revision: u8,
    portion: Portion,
) {
    out.extend_from_slice(b"DataTime=");
    stamp(out, shown_start(station, start, length));
    let step = if length >= DAY { 5 * MINUTE } else { MINUTE };
    let flow = factors(station.subject).iter().find(|factor| factor.role == Role::Flow);
    let flow = flow.map_or(0.0, |flow| summary(station, flow, start, length, step, revision).avg);
    let is_air = station.subject == Subject::Air;
    let oxygen = if is_air { summary(station, &AIR[3], start, length, step, revision).avg } else { 0.0 };
    for factor in portion_of(factors(station.subject), portion) {
        let (code, decimals) = (code(station, factor), factor.decimals);
        let found = summary(station, factor, start, length, step, revision);
        let _ = write!(out, ";");
        if let Some(total) = total(station.subject, factor.role, found.avg, flow, length) {
            let _ = write!(out, "{code}-Cou={total:.2},");
        }
        let Summary { min, avg, max, .. } = found;
        let _ = write!(out, "{code}-Min={min:.decimals$},{code}-Avg={avg:.decimals$},{code}-Max={max:.decimals$}");
        if factor.role == Role::Pollutant && is_air {
            let [min, avg, max] = [min, avg, max].map(|value| converted(value, oxygen));
            let _ = write!(
                out,
                ",{code}-ZsMin={min:.decimals$},{code}-ZsAvg={avg:.decimals$},{code}-ZsMax={max:.decimals$}"
            );
        }
        let _ = write!(out, ",{code}-Flag={}", found.mark);
    }
}

/// Appends `DataTime` and the state of the equipment.
pub(crate) fn state(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    data_time(out, station, time);
    let calibrating = factors(station.subject).first().is_some_and(|factor| mark(station, factor, time) == "C");
    let first = if calibrating && station.edition != Edition::V2005 { 2 } else { 1 };
    let second = u8::from(unit(mix(station.seed ^ mix(time.0.div_euclid(HOUR).unsigned_abs()))) > 0.1);
    let _ = write!(out, ";SB1-RS={first};SB2-RS={second}");
}

/// What a station's clock shows as the start of the period that begins at `start`: its own periods begin at its own full minutes.
pub(crate) fn shown_start(station: &Profile, start: Timestamp, length: i64) -> Timestamp {
    period_start(Timestamp(start.0 + station.clock_off + length / 2), length)
}

pub(super) fn data_time(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    out.extend_from_slice(b"DataTime=");
    stamp(out, Timestamp(time.0 + station.clock_off));
}

fn conditions(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    for (position, code) in CONDITIONS.iter().enumerate() {
        let day = mix(station.seed ^ mix(position as u64 ^ period_start(time, DAY).0.unsigned_abs()));
        let starting = day.is_multiple_of(5) && (6 * HOUR..7 * HOUR).contains(&time_of_day(time));
        let condition = if starting { "St" } else { "N" };
        let _ = write!(out, ";{code}-Rtd={condition},{code}-Flag=N");
    }
}

fn portion_of(factors: &[Factor], portion: Portion) -> &[Factor] {
    let middle = factors.len().div_ceil(2);
    match portion {
        Portion::Whole | Portion::Oversized => factors,
        Portion::Half(1) => factors.get(..middle).unwrap_or_default(),
        Portion::Half(_) => factors.get(middle..).unwrap_or_default(),
    }
}

/// Concentration at the reference oxygen content (HJ 212-2017, annex D).
fn converted(value: f64, oxygen: f64) -> f64 {
    value * (21.0 - REFERENCE_OXYGEN) / (21.0 - oxygen.clamp(0.0, 20.0))
}

fn total(subject: Subject, role: Role, average: f64, flow: f64, length: i64) -> Option<f64> {
    let seconds = (length / SECOND) as f64;
    // Flue gas: m³/s and mg/m³. Water: L/s and mg/L.
    let (cubic_metres, kilograms) = match subject {
        Subject::Water => (flow * seconds / 1e3, average * flow * seconds / 1e6),
        Subject::Air | Subject::Power | Subject::Condition => (flow * seconds, average * flow * seconds / 1e6),
    };
    match role {
        Role::Flow => Some(cubic_metres),
        Role::Pollutant => Some(kilograms),
        Role::Plain | Role::Oxygen => None,
    }
}

/// Smallest, mean and largest value of a period, and its mark.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) min: f64,
    pub(super) avg: f64,
    pub(super) max: f64,
    pub(super) mark: &'static str,
}

pub(super) fn summary(
    station: &Profile,
    factor: &Factor,
    start: Timestamp,
    length: i64,
    step: i64,
    revision: u8,
) -> Summary {
    let (mut min, mut sum, mut max) = (f64::INFINITY, 0.0, f64::NEG_INFINITY);
    let (mut count, mut normal, mut abnormal) = (0_i64, 0_i64, "N");
    let mut time = start.0;
    while time < start.0 + length {
        let value = course(station, factor, time, revision);
        let mark = mark(station, factor, Timestamp(time));
        (min, sum, max, count) = (min.min(value), sum + value, max.max(value), count + 1);
        if mark == "N" {
            normal += 1;
        } else if abnormal == "N" {
            abnormal = mark;
        }
        time += step;
    }
    let mark = match station.subject {
        Subject::Water => abnormal,
        Subject::Air if normal * 4 < count * 3 => "D",
        Subject::Air | Subject::Power | Subject::Condition => "N",
    };
    Summary { min, avg: sum / count.max(1) as f64, max, mark }
}

/// The value of `factor` at `time` (microseconds). A revision is a little higher.
pub(super) fn course(station: &Profile, factor: &Factor, time: i64, revision: u8) -> f64 {
    let seed = station.seed ^ mix(u64::from_le_bytes(key(factor.code)));
    let slow = smooth(seed, time, 6 * HOUR);
    let quick = smooth(seed ^ 1, time, 40 * MINUTE);
    let white = 2.0 * unit(mix(seed ^ mix(time.unsigned_abs()))) - 1.0;
    let moved = factor.swing * (0.6 * slow + 0.3 * quick + 0.1 * white);
    factor.usual * (1.0 + moved) * (1.0 + 0.02 * f64::from(revision))
}

fn key(code: &str) -> [u8; 8] {
    let mut key = [0; 8];
    for (place, byte) in key.iter_mut().zip(code.bytes()) {
        *place = byte;
    }
    key
}

/// Noise from -1 to 1 without corners: random at multiples of `scale`, eased in between.
fn smooth(seed: u64, time: i64, scale: i64) -> f64 {
    let node = |number: i64| 2.0 * unit(mix(seed ^ mix(number.unsigned_abs()))) - 1.0;
    let number = time.div_euclid(scale);
    let within = time.rem_euclid(scale) as f64 / scale as f64;
    let eased = within * within * (3.0 - 2.0 * within);
    node(number) * (1.0 - eased) + node(number + 1) * eased
}

fn mark(station: &Profile, factor: &Factor, time: Timestamp) -> &'static str {
    if factor.role != Role::Pollutant {
        return "N";
    }
    let in_water = station.subject == Subject::Water;
    let day = period_start(time, DAY).0.div_euclid(DAY).unsigned_abs();
    let calibrates = !in_water || day % 7 == station.seed % 7;
    let calibration = i64::try_from(station.seed % 24).unwrap_or(0) * HOUR;
    if calibrates && (calibration..calibration + 10 * MINUTE).contains(&time_of_day(time)) {
        return "C";
    }
    // In water a single failure spoils the whole day's mark.
    let odds = if in_water { 10_000 } else { 1_000 };
    let quarter = time.0.div_euclid(15 * MINUTE).unsigned_abs();
    let failing = mix(station.seed ^ mix(quarter ^ u64::from_le_bytes(key(factor.code)))).is_multiple_of(odds);
    if failing { "D" } else { "N" }
}

#[cfg(test)]
mod tests {
    use super::super::factors::WATER;
    use super::super::fleet::profile;
    use super::super::options::Options;
    use super::*;
    use hj212::Fields;

    /// 2026-11-23T00:00:00+08:00.
    const MIDNIGHT: Timestamp = Timestamp(1_795_363_200_000_000);

    fn station(subject: Subject, edition: Edition) -> Profile {
        let options = Options { mix: vec![subject], edition: vec![edition], ..Options::default() };
        profile(&options, 3)
    }

    fn field(area: &[u8], item: &str, name: &str) -> f64 {
        let mut fields = Fields::default();
        fields.read(area);
        let found = fields.iter(area).find(|f| f.item == item.as_bytes() && f.name == name.as_bytes());
        std::str::from_utf8(found.unwrap().value).unwrap().parse().unwrap()
    }

    #[test]
    fn the_smallest_is_not_above_the_mean_nor_the_mean_above_the_largest() {
        for (subject, codes) in [(Subject::Air, &AIR[..]), (Subject::Water, &WATER[..])] {
            let station = station(subject, Edition::V2017);
            for length in [10 * MINUTE, HOUR, DAY] {
                let mut area = Vec::new();
                period(&mut area, &station, MIDNIGHT, length, 0, Portion::Whole);
                for code in codes.iter().map(|factor| factor.code) {
                    let [min, avg, max] = ["Min", "Avg", "Max"].map(|name| field(&area, code, name));
                    assert!(min <= avg && avg <= max, "{code} {min} {avg} {max}");
                }
            }
        }
    }

    #[test]
    fn an_hour_is_the_mean_of_its_ten_minutes() {
        let station = station(Subject::Air, Edition::V2017);
        let mean = |start: i64, length| summary(&station, &AIR[1], Timestamp(start), length, MINUTE, 0).avg;
        let parts: f64 = (0..6).map(|n| mean(MIDNIGHT.0 + n * 10 * MINUTE, 10 * MINUTE)).sum();
        assert!((parts / 6.0 - mean(MIDNIGHT.0, HOUR)).abs() < 1e-9);
    }

    #[test]
    fn two_halves_make_the_whole_record() {
        let station = station(Subject::Water, Edition::V2017);
        let count = |portion| {
            let (mut area, mut fields) = (Vec::new(), Fields::default());
            period(&mut area, &station, MIDNIGHT, HOUR, 0, portion);
            fields.read(&area);
            fields.len()
        };
        assert_eq!(count(Portion::Half(1)) + count(Portion::Half(2)), count(Portion::Whole) + 1);
    }

    #[test]
    fn a_calibration_marks_the_periods_it_spoils() {
        let station = station(Subject::Air, Edition::V2017);
        let start = Timestamp(MIDNIGHT.0 + i64::try_from(station.seed % 24).unwrap() * HOUR);
        assert_eq!(mark(&station, &AIR[0], start), "C");
        assert_eq!(summary(&station, &AIR[0], start, 10 * MINUTE, MINUTE, 0).mark, "D");
        assert_eq!(summary(&station, &AIR[0], start, HOUR, MINUTE, 0).mark, "N");
    }

    #[test]
    fn a_revision_tells_other_values() {
        let station = station(Subject::Air, Edition::V2017);
        let text = |revision| {
            let mut area = Vec::new();
            period(&mut area, &station, MIDNIGHT, HOUR, revision, Portion::Whole);
            area
        };
        assert_eq!(text(0), text(0));
        assert_ne!(text(0), text(1));
    }
}
