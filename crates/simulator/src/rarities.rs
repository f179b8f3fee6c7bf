//! The records that are not made every interval: boot, logs, running hours, raw results, standard checks, and who a logger is.

use std::io::Write as _;

use super::clock::{DAY, HOUR, MINUTE, SECOND, stamp};
use super::factors::{Factor, Role, code, factors};
use super::fleet::Profile;
use super::seeded_random::{mix, unit};
use super::values::{course, data_time, shown_start, summary};
use hj212_model::message::Timestamp;

/// Appends `DataTime` and the time of the last start (HJ 212-2017, C.24).
pub(crate) fn boot(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    data_time(out, station, time);
    out.extend_from_slice(b";RestartTime=");
    stamp(out, Timestamp(time.0 + station.clock_off - 90 * SECOND));
}

/// Appends `DataTime` and a line of the instrument's log in GBK.
pub(crate) fn log(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    data_time(out, station, time);
    let code = factors(station.subject).get(1).map_or("w01018", |factor| factor.code);
    let _ = write!(out, ";PolId={code},i11001-Info=//");
    let (text, _, _) = encoding_rs::GB18030.encode("清洗管路，更换试剂");
    out.extend_from_slice(&text);
    out.extend_from_slice(b"//");
}

/// The instrument that keeps a log: the second one of the station.
pub(crate) fn logging(station: &Profile) -> &'static str {
    factors(station.subject).get(1).map_or("w01018", |factor| factor.code)
}

/// Appends `DataTime` and a line of the instrument's log (HJ 212-2017, C.40).
pub(crate) fn entry(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    period_time(out, station, time, 6 * HOUR);
    let _ = write!(out, ";PolId={},i11001-Info=//量程检查完成，正常//", logging(station));
}

/// Appends `DataTime` and the running hours of a day (HJ 212-2017, C.19).
pub(crate) fn runtime(out: &mut Vec<u8>, station: &Profile, start: Timestamp) {
    period_time(out, station, start, DAY);
    for equipment in 1..=2_u64 {
        let share = unit(mix(station.seed ^ mix(equipment ^ start.0.unsigned_abs())));
        let _ = write!(out, ";SB{equipment}-RT={:.1}", 20.0 + 4.0 * share);
    }
}

/// Appends `DataTime` and an hour's results of analysers that work in periods (HJ 212-2025, C.23).
pub(crate) fn raw(out: &mut Vec<u8>, station: &Profile, start: Timestamp) {
    period_time(out, station, start, HOUR);
    let shown = shown_start(station, start, HOUR);
    for factor in factors(station.subject).iter().filter(|factor| factor.role == Role::Pollutant) {
        let (code, decimals) = (code(station, factor), factor.decimals);
        let _ = write!(out, ";{code}-SampleTime=");
        stamp(out, Timestamp(shown.0 + 5 * MINUTE));
        let _ = write!(out, ",{code}-CompleteTime=");
        stamp(out, Timestamp(shown.0 + 50 * MINUTE));
        let found = summary(station, factor, start, HOUR, 5 * MINUTE, 0);
        let _ = write!(out, ",{code}-SampleType=1,{code}-Avg={:.decimals$},{code}-Flag={}", found.avg, found.mark);
    }
}

/// Appends `DataTime` and the result of a standard check (HJ 212-2025, C.60): within a tenth of the standard it is passed.
pub(crate) fn check(out: &mut Vec<u8>, station: &Profile, time: Timestamp) {
    period_time(out, station, time, DAY);
    for factor in factors(station.subject).iter().filter(|factor| factor.role == Role::Pollutant) {
        let (code, decimals) = (code(station, factor), factor.decimals);
        let standard = factor.usual;
        let read = standard * (1.0 + 0.2 * (course_share(station, factor, time) - 0.5));
        let passed = u8::from((read - standard).abs() <= 0.1 * standard);
        let _ = write!(
            out,
            ";{code}-SampleRd={read:.decimals$},{code}-StandardValue={standard:.decimals$},{code}-ResultType={passed}"
        );
    }
}

fn course_share(station: &Profile, factor: &Factor, time: Timestamp) -> f64 {
    unit(mix(course(station, factor, time.0, 0).to_bits()))
}

fn period_time(out: &mut Vec<u8>, station: &Profile, start: Timestamp, length: i64) {
    out.extend_from_slice(b"DataTime=");
    stamp(out, shown_start(station, start, length));
}

/// Appends what identifies the logger (HJ 212-2025, C.2).
pub(crate) fn identity(out: &mut Vec<u8>, station: &Profile) {
    let logger = station.logger_id();
    let digits = |salt: u64| format!("{:012X}", mix(station.seed ^ mix(salt)) >> 16);
    let (cpu, first, second) = (digits(1), digits(2), digits(3));
    let _ = write!(out, "i23005-Info={logger};i23006-Info={cpu};i23007-Info={first};i23008-Info={second}");
}
