//! What each station says and when, and when its line is down: the order in which a drill is played.

use hj212::Edition;
use hj212_model::message::Timestamp;
use hj212_model::message::time::{BEIJING_OFFSET_SECONDS, civil};

use super::conditions::at;
use super::course::PlantCourse;
use super::drill::{Drill, DrillEvent, DrillEventKind, DrillStation, PlantKind};
use super::falsified::falsify;
use super::plant::{PlantMoment, TEMPERATURE, place};
use super::records::{SaidFactor, SaidRecord, minutes, of_minutes, rounded, written};
use super::span::{DAY, HOUR};

const MICROS: i64 = 1_000_000;
/// Minutes of a mean of the furnace's temperature, CN 2111 (HJ 212-2025, C.31).
const FIVE: i64 = 5;
/// What was kept is uploaded so many seconds after the line is back, one record every so many.
const BACKLOG_AFTER: i64 = 120;
const BACKLOG_PACE: i64 = 15;

/// A step of one station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineStep {
    /// Seconds since the begin.
    pub at: i64,
    /// Position of the station in the drill.
    pub station: usize,
    /// What it does.
    pub kind: StepKind,
}

/// What a station does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// Its line breaks.
    Down,
    /// It connects again.
    Up,
    /// It says a record.
    Say {
        /// CN.
        cn: u16,
        /// What stands between `CP=&&` and `&&`.
        area: String,
        /// Kept while the line was down: RF=1 in HJ 212-2025.
        again: bool,
    },
}

/// All steps of a drill whose begin is `begins`, in the order of time; those of one station never change places.
#[must_use]
pub fn script(drill: &Drill, course: &[PlantCourse], begins: Timestamp) -> Vec<LineStep> {
    let mut all = Vec::new();
    for (number, of) in drill.stations.iter().enumerate() {
        let Some(course) = course.get(number) else { continue };
        all.extend(of_station(drill, number, of, course, begins));
    }
    all.sort_by_key(|step| step.at);
    all
}

/// For each station when the last minute record begins that it says, minutes since the begin; `None` where a broken line or a clock that is off
/// leaves that open.
#[must_use]
pub fn last_minutes(drill: &Drill) -> Vec<Option<i64>> {
    let last = |(number, of): (usize, &DrillStation)| {
        let disturbed = at(drill, number, drill.length - 1)
            .any(|event| matches!(event.kind, DrillEventKind::LinkDrops { .. } | DrillEventKind::ClockOff(_)));
        let last = (drill.length / of.interval - 1) * of.interval;
        (!disturbed && last >= 0).then_some(last)
    };
    drill.stations.iter().enumerate().map(last).collect()
}

/// All minute records of a station as it says them: falsified where somebody does so.
pub(crate) fn said_minutes<'a>(drill: &'a Drill, number: usize, course: &[PlantMoment]) -> Vec<SaidRecord<'a>> {
    let mut all = minutes(drill, number, course);
    falsify(drill, number, &mut all);
    all
}

/// A record that is due.
struct DueRecord {
    at: i64,
    cn: u16,
    area: String,
}

fn of_station(
    drill: &Drill,
    number: usize,
    of: &DrillStation,
    course: &PlantCourse,
    begins: Timestamp,
) -> Vec<LineStep> {
    let minutes = said_minutes(drill, number, course);
    let mut due: Vec<DueRecord> = Vec::new();
    let put = |due: &mut Vec<DueRecord>, record: &SaidRecord<'_>, cn: u16, at: i64| {
        let ends = record.from + record.length;
        let area = format!("DataTime={}{}", stamp(drill, number, begins, record.from, ends), written(of, record));
        due.push(DueRecord { at, cn, area });
    };
    for record in &minutes {
        put(&mut due, record, 2051, (record.from + record.length) * 60);
    }
    if of.plant == PlantKind::Incinerator && of.edition == Edition::V2025 && FIVE % of.interval == 0 {
        for window in 0..drill.length / FIVE {
            let record = of_minutes(of, &minutes, window * FIVE, FIVE);
            let temperature = record.and_then(|record| record.factors.get(place(of.plant, TEMPERATURE)?).copied());
            let Some(SaidFactor { avg, letter, .. }) = temperature else { continue };
            let (from, ends) = (window * FIVE, (window + 1) * FIVE);
            let time = stamp(drill, number, begins, from, ends);
            let area = format!("DataTime={time};{TEMPERATURE}-Avg={avg:.1},{TEMPERATURE}-Flag={letter}");
            due.push(DueRecord { at: ends * 60 + 1, cn: 2111, area });
        }
    }
    let mut hours = Vec::new();
    for (cn, length) in [(2061, HOUR), (2031, DAY)] {
        // The first period may have begun before the drill: what there is of it is told.
        let mut from = -(drill.begin.rem_euclid(length));
        while from + length <= drill.length {
            if let Some(record) = of_minutes(of, &minutes, from, length) {
                // After the minutes of the same moment, days after hours.
                put(&mut due, &record, cn, (from + length) * 60 + if cn == 2061 { 2 } else { 4 });
                if cn == 2061 {
                    hours.push(record);
                }
            }
            from += length;
        }
    }
    for event in drill.happenings.iter().filter(|event| event.station == number) {
        if let DrillEventKind::SentLower { code, by, back } = &event.kind {
            for record in lowered(of, &hours, event, code, *by, *back) {
                put(&mut due, &record, 2061, event.at * 60 + 6);
            }
        }
    }
    due.sort_by_key(|due| due.at);
    let downs: Vec<(&DrillEvent, bool)> = drill
        .happenings
        .iter()
        .filter(|event| event.station == number)
        .filter_map(
            |event| if let DrillEventKind::LinkDrops { kept } = event.kind { Some((event, kept)) } else { None },
        )
        .collect();
    on_line(number, due, &downs)
}

/// The hours of before that are sent once more, lower.
fn lowered<'a>(
    of: &DrillStation,
    hours: &[SaidRecord<'a>],
    event: &DrillEvent,
    code: &str,
    by: f64,
    back: i64,
) -> Vec<SaidRecord<'a>> {
    let within = |hour: &&SaidRecord<'a>| hour.from >= event.at - back && hour.from + hour.length <= event.at;
    let mut all: Vec<SaidRecord<'a>> = hours.iter().filter(within).cloned().collect();
    let Some(place) = place(of.plant, code) else { return Vec::new() };
    let decimals = super::plant::factors(of.plant).get(place).map_or(2, |factor| factor.decimals);
    for said in all.iter_mut().filter_map(|hour| hour.factors.get_mut(place)) {
        let low = |value: f64| rounded(value * by, decimals);
        (said.min, said.avg, said.max) = (low(said.min), low(said.avg), low(said.max));
        said.converted = said.converted.map(|values| values.map(low));
    }
    all
}

/// Puts what is due on a line that is down at times: kept records follow newest first (HJ 212-2025, 8.2.2), fresh ones go first.
fn on_line(station: usize, due: Vec<DueRecord>, downs: &[(&DrillEvent, bool)]) -> Vec<LineStep> {
    let step = |at, kind| LineStep { at, station, kind };
    let mut all = vec![step(0, StepKind::Up)];
    for (event, _) in downs {
        all.push(step(event.at * 60, StepKind::Down));
        all.push(step(event.until * 60, StepKind::Up));
    }
    let mut waiting: Vec<(i64, Vec<DueRecord>)> =
        downs.iter().map(|(event, _)| (event.until * 60, Vec::new())).collect();
    for due in due {
        // What is due in the moment in which the line breaks does not go out, what is due when it is back does.
        let down = downs.iter().position(|(event, _)| (event.at * 60..event.until * 60).contains(&due.at));
        match down {
            None => all.push(step(due.at, StepKind::Say { cn: due.cn, area: due.area, again: false })),
            Some(down) if downs.get(down).is_some_and(|(_, kept)| *kept) => {
                if let Some((_, waiting)) = waiting.get_mut(down) {
                    waiting.push(due);
                }
            }
            Some(_) => {}
        }
    }
    for (up, waiting) in waiting {
        for (place, due) in waiting.into_iter().rev().enumerate() {
            let at = up + BACKLOG_AFTER + BACKLOG_PACE * i64::try_from(place).unwrap_or(0);
            all.push(step(at, StepKind::Say { cn: due.cn, area: due.area, again: true }));
        }
    }
    all.sort_by_key(|step| step.at);
    all
}

/// DataTime of a period that begins at `from` and is said at `ends`, as the logger's clock shows it then.
fn stamp(drill: &Drill, station: usize, begins: Timestamp, from: i64, ends: i64) -> String {
    let off: i64 = at(drill, station, ends.min(drill.length - 1))
        .filter_map(|event| if let DrillEventKind::ClockOff(minutes) = event.kind { Some(minutes) } else { None })
        .sum();
    let local = begins.0.div_euclid(MICROS) + (from + off) * 60 + i64::from(BEIJING_OFFSET_SECONDS);
    let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}
