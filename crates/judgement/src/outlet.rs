//! An outlet over time: hours in, judgements and alerts out.
//!
//! What must stay true:
//! * what was said of a day is said again only when something of it is another, or when its entries are closed;
//! * a day is judged once its last hour came or is an hour overdue, settled when its entries are closed, and revised by whatever comes
//!   later; each by the same function of the same cells ([`super::day`]);
//! * nothing that claims to come from the future is taken: it would push out days that are judged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::alerts::{self, Alerts, DayResult};
use super::asked::Asked;
use super::calendar::{self, HOUR};
use super::day::{DayJudged, Looked, Reason, Weights};
use super::days::DAYS_KEPT;
use super::decimal::{Decimal, Ratio};
use super::furnace::{FURNACES_MAX, Furnace, WINDOWS, Windows};
use super::history::{Causes, Cell, Day, RevisedBy, SaidAt, Stage, TRACKS_MAX, Told, Track};
use super::hour::{self, HourJudged};
use super::limits::FLOW;
use super::limits::{Basis, Limit, Limits, Period};
use super::outcome::Outcome;
use super::running::{self, Running};
use super::said::{self, Raised, Said};
use hj212_marking::{Count, Validity};
use hj212_model::message::Timestamp;
use hj212_model::message::topic::fnv;

/// A day whose last hour did not come is judged so long after its end.
const OVERDUE: i64 = HOUR;
/// A data time may be so much later than its arrival and still count.
const AHEAD_MAX: i64 = 300 * calendar::SECOND;

/// The period of a mean that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mean {
    /// Of an hour.
    Hour,
    /// Of a day.
    Day,
}

/// A mean that came, and what it is worth.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// Of what period.
    pub of: Mean,
    /// When that began.
    pub at: Timestamp,
    /// The canonical code.
    pub code: &'a str,
    /// The mean as measured, verbatim; none: there is none.
    pub measured: Option<&'a str>,
    /// The mean converted to reference oxygen, verbatim.
    pub converted: Option<&'a str>,
    /// The sum over the period (Cou), verbatim.
    pub total: Option<&'a str>,
    /// What it is worth; `None`: nothing is said of it.
    pub worth: Option<Validity>,
    /// Usable minute means and those that were due, where they are known.
    pub minutes: Option<(u32, u32)>,
}

/// What holds for an outlet, besides what is remembered of it.
#[derive(Clone, Copy)]
pub struct Held<'a> {
    /// Its limits.
    pub limits: &'a Limits,
    /// The counts of its furnaces.
    pub counts: &'a [Count],
    /// The rules of alerts; none: no alerts.
    pub alerts: Option<&'a alerts::Rules>,
    /// So long after its entries are closed a day is settled: spreads the work of many stations, µs.
    pub settle_after: i64,
    /// The marks.
    pub asked: &'a dyn Asked,
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("settle_after", &self.settle_after).finish_non_exhaustive()
    }
}

/// What is remembered of an outlet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outlet {
    tracks: Vec<Track>,
    furnaces: Vec<Furnace>,
    /// The first day of which anything came.
    since: Option<i32>,
    /// The day of the newest hour that was taken.
    newest: i32,
    /// Factors of which an hour of the day that goes on came with the report at hand.
    moved: Vec<u16>,
    alerts: Alerts,
    /// The day until which each furnace has its days.
    furnaces_to: i32,
}

/// The outcomes of days, by factor: day, stage, outcome, how many times the limit.
pub type Outcomes = BTreeMap<String, Vec<(i32, Stage, Outcome, Option<Ratio>)>>;

/// All that is known of a day of a factor, for those who ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The limit of the day.
    pub limit: Limit,
    /// How far it is.
    pub stage: Stage,
    /// How often it was revised.
    pub revision: u16,
    /// The day.
    pub judged: DayJudged,
    /// Its hours.
    pub cells: [Cell; 24],
    /// In words.
    pub words: super::Words,
    /// Those of its hours that an hourly limit judges.
    pub hours: Vec<(Timestamp, HourJudged)>,
    /// After each hour the mean of the hours that are judged until then; `None`: there is none yet.
    pub course: [Option<Ratio>; 24],
}

fn decimal(text: Option<&str>) -> Option<Decimal> {
    text.and_then(Decimal::parse)
}

/// Whether it is a factor of waste water.
fn is_water(code: &str) -> bool {
    code.starts_with('w')
}

/// Whether its mean is weighed with the flow: not pH, not the temperature.
fn is_weighed(code: &str) -> bool {
    is_water(code) && !matches!(code, "w01001" | "w01010" | FLOW)
}

impl Outlet {
    /// Takes a mean; [`Outlet::taken`] is called when all means of a report are.
    pub fn take(&mut self, limits: &Limits, heard: &Heard<'_>, now: Timestamp, out: &mut Vec<Said>) {
        let number = calendar::day_of(heard.at);
        if limits.is_empty() || heard.at.0 > now.0 + AHEAD_MAX {
            return;
        }
        self.dress(limits);
        self.since = Some(self.since.map_or(number, |since| since.min(number)));
        self.newest = self.newest.max(number);
        let kept = i32::try_from(DAYS_KEPT).unwrap_or(i32::MAX);
        if number <= self.newest.saturating_sub(kept) {
            return;
        }
        let mut changed = None;
        for at in 0..self.tracks.len() {
            let Some(track) = self.tracks.get_mut(at).filter(|track| track.code == heard.code) else { continue };
            let value = match track.basis {
                Basis::Measured => decimal(heard.measured),
                Basis::Converted => decimal(heard.converted),
                Basis::AsSaid => decimal(heard.converted).or_else(|| decimal(heard.measured)),
                Basis::Total => decimal(heard.total),
            };
            let (code, basis) = (track.code.clone(), track.basis);
            let Some(day) = track.day_mut(number) else { continue };
            match heard.of {
                Mean::Day => {
                    if day.reported != value {
                        let again = day.reported.is_some();
                        day.reported = value;
                        day.touch(Some(if again { RevisedBy::ReUpload } else { RevisedBy::LateRecord }));
                    }
                }
                Mean::Hour => {
                    let hour = calendar::hour_of(heard.at);
                    let cell = Cell::new(value, heard.worth, heard.minutes);
                    let stage = day.told.stage;
                    let Some(cause) = put(day, hour, cell) else { continue };
                    changed = Some(cause);
                    let cell = day.cells.get(hour).copied().unwrap_or_default();
                    say_hour(limits, (&code, basis), (number, hour), (stage, cell, changed), out);
                    if number == calendar::day_of(now) {
                        self.moved.push(u16::try_from(at).unwrap_or(u16::MAX));
                    }
                }
            }
        }
        if heard.code == FLOW && heard.of == Mean::Hour {
            // What is weighed with it is another.
            self.touch_day(number, changed);
        }
    }

    /// All means of a report were taken: says what the day that goes on comes to so far.
    pub fn taken(&mut self, held: &Held<'_>, now: Timestamp, out: &mut Vec<Said>) {
        let number = calendar::day_of(now);
        let moved = std::mem::take(&mut self.moved);
        for at in moved {
            let Some(track) = self.tracks.get(usize::from(at)) else { continue };
            let limit = held.limits.on(&track.code, Period::Day, number).filter(|limit| limit.basis == track.basis);
            let (Some(limit), Some(day)) = (limit, track.day(number)) else { continue };
            let (running, _) = self.running(held, track, day, limit);
            out.push(said::running((number, &track.code, limit), &running));
            if let Some(rules) = held.alerts {
                self.alerts.on_course(rules, (&track.code, number), &running, held.asked, now, out);
            }
        }
    }

    /// What was published of an hour or a day is worth something else now, and why, where that is known.
    pub fn worth(
        &mut self,
        limits: &Limits,
        (of, at, code): (Mean, Timestamp, &str),
        (worth, cause): (Option<Validity>, Option<RevisedBy>),
        out: &mut Vec<Said>,
    ) {
        let (number, hour) = (calendar::day_of(at), calendar::hour_of(at));
        if of == Mean::Day {
            return;
        }
        for track in self.tracks.iter_mut().filter(|track| track.code == code) {
            let basis = track.basis;
            let Ok(at) = track.days.binary_search_by_key(&number, |day| day.number) else { continue };
            let Some(day) = track.days.get_mut(at) else { continue };
            let stage = day.told.stage;
            let Some(cell) = day.cells.get_mut(hour).filter(|cell| cell.came()) else { continue };
            let before = *cell;
            cell.set_worth(worth);
            if *cell == before {
                continue;
            }
            if stage == Stage::Settled {
                *cell = cell.revised(cell.revision() + 1);
            }
            let cell = *cell;
            day.touch(cause);
            say_hour(limits, (code, basis), (number, hour), (stage, cell, cause), out);
        }
        if code == FLOW {
            self.touch_day(number, cause);
        }
    }

    /// Marks over `from..to` are others: what they say of hours that never came, and of furnaces, is asked again. Days that are older than
    /// what is remembered cannot be; that is told.
    pub fn touch(
        &mut self,
        (from, to): (Timestamp, Timestamp),
        cause: Option<RevisedBy>,
        now: Timestamp,
        out: &mut Vec<Said>,
    ) {
        let (first, last) = (calendar::day_of(from), calendar::day_of(Timestamp(to.0.min(now.0))));
        let kept = i32::try_from(DAYS_KEPT).unwrap_or(i32::MAX);
        let oldest = calendar::day_of(now).saturating_sub(kept).saturating_add(1);
        if last < oldest && self.since.is_some_and(|since| since <= last) && !self.tracks.is_empty() {
            let detail = json!({
                "from": calendar::text(first), "to": calendar::text(last), "days_kept": DAYS_KEPT,
            });
            out.push(Said::event("judgement-forgotten", now, detail));
            return;
        }
        for number in first.max(oldest)..=last {
            self.touch_day(number, cause);
        }
    }

    fn touch_day(&mut self, number: i32, cause: Option<RevisedBy>) {
        for track in &mut self.tracks {
            if let Ok(at) = track.days.binary_search_by_key(&number, |day| day.number) {
                track.days.get_mut(at).into_iter().for_each(|day| day.touch(cause));
            }
        }
        for furnace in &mut self.furnaces {
            if let Ok(at) = furnace.days.binary_search_by_key(&number, |day| day.number) {
                furnace.days.get_mut(at).into_iter().for_each(|day| day.touch(cause));
            }
        }
    }

    /// Takes a temperature of a furnace: a five-minute mean, or a minute mean.
    pub fn temperature(&mut self, rule: &Count, object: &str, at: Timestamp, value: f64, five: bool, now: Timestamp) {
        if at.0 > now.0 + AHEAD_MAX || !value.is_finite() {
            return;
        }
        let Some(furnace) = self.furnace(rule, object) else { return };
        if five {
            furnace.window(at, value < rule.below);
        } else {
            furnace.minute(at, value, rule.below);
        }
    }

    /// Makes the tracks fit the limits.
    fn dress(&mut self, limits: &Limits) {
        let mut wanted = limits.tracks();
        if !limits.without_flow && wanted.iter().any(|(code, _)| is_weighed(code)) {
            wanted.push((FLOW, Basis::Measured));
            wanted.push((FLOW, Basis::Total));
        }
        wanted.truncate(TRACKS_MAX + 2);
        let fits = self.tracks.len() == wanted.len()
            && self
                .tracks
                .iter()
                .zip(&wanted)
                .all(|(track, (code, basis))| track.code == *code && track.basis == *basis);
        if fits {
            return;
        }
        let mut before = std::mem::take(&mut self.tracks);
        for (code, basis) in wanted {
            let known = before.iter().position(|track| track.code == code && track.basis == basis);
            self.tracks.push(match known {
                Some(at) => before.swap_remove(at),
                None => Track { code: code.to_owned(), basis, days: Default::default() },
            });
        }
    }

    /// Lets time pass: judges what is over, settles what is closed, says again what is another, and raises and lowers alerts.
    pub fn advance(&mut self, held: &Held<'_>, now: Timestamp, out: &mut Vec<Said>) {
        if held.limits.is_empty() && self.is_empty() {
            return;
        }
        let today = calendar::day_of(now);
        self.dress(held.limits);
        let begun = out.len();
        self.open_days(today);
        self.open_furnaces(held, today);
        for at in 0..self.tracks.len() {
            self.advance_track(held, at, today, now, out);
        }
        self.advance_furnaces(held, today, now, out);
        let Some(rules) = held.alerts else { return self.alerts.off(now, out) };
        if out.len() > begun || self.alerts.is_due(now) {
            let results = self.results();
            self.alerts.follow(rules, &results, held.asked, now, out);
        }
    }

    /// Each day since the first has its place, whether anything came of it or not.
    fn open_days(&mut self, today: i32) {
        let Some(since) = self.since else { return };
        let kept = i32::try_from(DAYS_KEPT).unwrap_or(i32::MAX);
        let first = since.max(today.saturating_sub(kept).saturating_add(1));
        for track in self.tracks.iter_mut() {
            track.forget(today);
            let there = track.days.iter().rev().skip_while(|day| day.number >= today).count();
            if there >= usize::try_from(today - first).unwrap_or(0) {
                continue;
            }
            for number in first..today {
                track.day_mut(number);
            }
        }
    }

    /// Each furnace that is counted has its days, whether anything came of it or not.
    fn open_furnaces(&mut self, held: &Held<'_>, today: i32) {
        let Some(since) = self.since.filter(|_| self.furnaces_to < today) else { return };
        let kept = i32::try_from(DAYS_KEPT).unwrap_or(i32::MAX);
        let first = since.max(today.saturating_sub(kept).saturating_add(1));
        for rule in held.counts {
            for object in held.asked.counted(rule) {
                let Some(furnace) = self.furnace(rule, &object) else { continue };
                for number in (first..today).filter(|number| rule.dates.hold(calendar::start(*number).0)) {
                    furnace.day_mut(number);
                }
            }
        }
        self.furnaces_to = today;
    }

    /// What is remembered of a furnace; `None`: there are too many.
    fn furnace(&mut self, rule: &Count, object: &str) -> Option<&mut Furnace> {
        let known = self.furnaces.iter().position(|furnace| furnace.rule == rule.name && furnace.object == object);
        if known.is_none() && self.furnaces.len() < FURNACES_MAX {
            self.furnaces.push(Furnace { rule: rule.name.clone(), object: object.to_owned(), ..Furnace::default() });
            return self.furnaces.last_mut();
        }
        known.and_then(|place| self.furnaces.get_mut(place))
    }

    /// A report of the station came: from that day on what it is due to send is missed.
    pub fn present(&mut self, now: Timestamp) {
        let today = calendar::day_of(now);
        self.since = Some(self.since.map_or(today, |since| since.min(today)));
    }

    fn stage_of(held: &Held<'_>, number: i32, complete: bool, now: Timestamp) -> Stage {
        let over = calendar::start(number.saturating_add(1)).0;
        if now.0 < over {
            return Stage::Open;
        }
        let closes = held.asked.closes(calendar::start(number)).0;
        if now.0 > closes.saturating_add(held.settle_after) {
            return Stage::Settled;
        }
        if complete || now.0 >= over + OVERDUE { Stage::Provisional } else { Stage::Open }
    }

    fn advance_track(&mut self, held: &Held<'_>, at: usize, today: i32, now: Timestamp, out: &mut Vec<Said>) {
        let Some(track) = self.tracks.get(at) else { return };
        let mut changes: Vec<(usize, Told)> = Vec::new();
        for (place, day) in track.days.iter().enumerate() {
            if day.number >= today || day.told.stage == Stage::Settled && !day.dirty {
                continue;
            }
            let complete = day.cells.last().is_some_and(|cell| cell.came());
            let stage = Self::stage_of(held, day.number, complete, now).max(day.told.stage);
            if stage == Stage::Open || stage == day.told.stage && !day.dirty {
                continue;
            }
            let limit = held.limits.on(&track.code, Period::Day, day.number).filter(|limit| limit.basis == track.basis);
            let mut told = day.told;
            if let Some(limit) = limit {
                let judged = self.judge(held, track, day, limit);
                let seen = said::day((day.number, &track.code, limit), SaidAt::default(), &judged);
                let print = fnv(seen.body.map(|body| body.to_string()).unwrap_or_default().as_bytes());
                if stage > told.stage || print != told.print {
                    told.revision += u16::from(told.stage == Stage::Settled);
                    told = Told { stage, outcome: Some(judged.outcome), ratio: judged.ratio, print, ..told };
                    let at = SaidAt { stage, revision: told.revision, causes: day.causes };
                    let words = super::words::day((day.number, &track.code, limit), at, &judged);
                    let raised = Raised::of_day((day.number, &track.code), (&day.told, &told), &words);
                    let said = said::day((day.number, &track.code, limit), at, &judged);
                    out.push(Said { raised, ..said });
                }
            }
            if stage == Stage::Settled && day.told.stage != Stage::Settled {
                say_settled_hours(held.limits, track, day, out);
            }
            told.stage = stage;
            changes.push((place, told));
        }
        let Some(track) = self.tracks.get_mut(at) else { return };
        for (place, told) in changes {
            let Some(day) = track.days.get_mut(place) else { continue };
            (day.told, day.dirty, day.causes) = (told, false, Causes::default());
        }
    }

    fn advance_furnaces(&mut self, held: &Held<'_>, today: i32, now: Timestamp, out: &mut Vec<Said>) {
        for furnace in &mut self.furnaces {
            let Some(rule) = held.counts.iter().find(|rule| rule.name == furnace.rule) else { continue };
            for day in &mut furnace.days {
                if day.number >= today || day.told.stage == Stage::Settled && !day.dirty {
                    continue;
                }
                let stage = Self::stage_of(held, day.number, false, now).max(day.told.stage);
                if stage == Stage::Open || stage == day.told.stage && !day.dirty {
                    continue;
                }
                let lifted = |at: Timestamp| held.asked.lifted(&furnace.object, &rule.unless, at);
                let windows = day.count(rule.max, &lifted);
                let (outcome, reasons) = judge_windows(&windows);
                let place = (day.number, rule, furnace.object.as_str());
                let seen = said::furnace(place, SaidAt::default(), (&windows, outcome), &reasons);
                let print = fnv(seen.body.map(|body| body.to_string()).unwrap_or_default().as_bytes());
                if stage > day.told.stage || print != day.told.print {
                    let revision = day.told.revision + u16::from(day.told.stage == Stage::Settled);
                    let ratio = said::ratio_of(&windows);
                    let told = Told { stage, revision, outcome: Some(outcome), ratio, print };
                    let (code, _) = said::code_of(&furnace.rule, &furnace.object);
                    let at = SaidAt { stage, revision, causes: day.causes };
                    let words = super::words::furnace(place, at, (&windows, outcome), &reasons);
                    let raised = Raised::of_day((day.number, &code), (&day.told, &told), &words);
                    day.told = told;
                    let said = said::furnace(place, at, (&windows, outcome), &reasons);
                    out.push(Said { raised, ..said });
                }
                (day.told.stage, day.dirty, day.causes) = (stage, false, Causes::default());
            }
        }
    }

    fn judge(&self, held: &Held<'_>, track: &Track, day: &Day, limit: &Limit) -> DayJudged {
        let code = track.code.as_str();
        let excluded =
            |hour: usize| held.asked.worth(code, calendar::hour(day.number, hour)) == Some(Validity::Excluded);
        let (water, due) = (is_water(code), if is_water(code) { held.asked.due(code) } else { 24 });
        Looked { limit, water, due, weights: self.weights(held.limits, code, day.number), excluded: &excluded }
            .judge(day)
    }

    fn weights(&self, limits: &Limits, code: &str, number: i32) -> Weights<'_> {
        if limits.without_flow || !is_weighed(code) {
            return Weights::Plain;
        }
        let flow = |basis: Basis| {
            let track = self.tracks.iter().find(|track| track.code == FLOW && track.basis == basis);
            track.and_then(|track| track.day(number))
        };
        Weights::Flow(flow(Basis::Total), flow(Basis::Measured))
    }

    fn running(&self, held: &Held<'_>, track: &Track, day: &Day, limit: &Limit) -> (Running, DayJudged) {
        let weights = self.weights(held.limits, &track.code, day.number);
        let none = |_: usize| false;
        let looked = Looked { limit, water: is_water(&track.code), due: 24, weights, excluded: &none };
        let so_far = looked.judge(day);
        let list = looked.counted(day);
        let last = day.cells.iter().rposition(|cell| cell.came()).unwrap_or(0);
        let left = u32::try_from(23usize.saturating_sub(last)).unwrap_or(0);
        (running::running(limit, &list, &so_far, left), so_far)
    }

    fn course(&self, held: &Held<'_>, track: &Track, day: &Day, limit: &Limit) -> [Option<Ratio>; 24] {
        let weights = self.weights(held.limits, &track.code, day.number);
        let none = |_: usize| false;
        let looked = Looked { limit, water: is_water(&track.code), due: 24, weights, excluded: &none };
        let mut until = day.clone();
        until.cells = <[Cell; 24]>::default();
        std::array::from_fn(|hour| {
            if let (Some(to), Some(from)) = (until.cells.get_mut(hour), day.cells.get(hour)) {
                *to = *from;
            }
            super::day::mean(&looked.counted(&until)).filter(|_| day.cells.iter().skip(hour).any(|cell| cell.came()))
        })
    }

    /// What is known of each day of each factor.
    fn results(&self) -> BTreeMap<String, Vec<DayResult>> {
        let mut all: BTreeMap<String, Vec<DayResult>> = BTreeMap::new();
        let of = |number: i32, told: &Told| {
            told.outcome.map(|outcome| DayResult { day: number, stage: told.stage, outcome, ratio: told.ratio })
        };
        for track in &self.tracks {
            let results = track.days.iter().filter_map(|day| of(day.number, &day.told));
            all.entry(track.code.clone()).or_default().extend(results);
        }
        for furnace in &self.furnaces {
            let (code, _) = said::code_of(&furnace.rule, &furnace.object);
            let results = furnace.days.iter().filter_map(|day| of(day.number, &day.told));
            all.entry(code).or_default().extend(results);
        }
        all.retain(|_, days| !days.is_empty());
        for days in all.values_mut() {
            days.sort_by_key(|result| result.day);
        }
        all
    }

    /// What is known of a day of a factor now; `None`: no limit holds, or the day is not remembered.
    #[must_use]
    pub fn picture(&self, held: &Held<'_>, code: &str, number: i32) -> Option<Picture> {
        let limit = held.limits.on(code, Period::Day, number)?;
        let track = self.tracks.iter().find(|track| track.code == code && track.basis == limit.basis)?;
        let day = track.day(number)?;
        let judged = self.judge(held, track, day, limit);
        let at = SaidAt { stage: day.told.stage, revision: day.told.revision, causes: day.causes };
        let words = super::words::day((number, code, limit), at, &judged);
        let hours = held.limits.on(code, Period::Hour, number).map_or_else(Vec::new, |limit| {
            let came = day.cells.iter().enumerate().filter(|(_, cell)| cell.came());
            came.map(|(hour, cell)| (calendar::hour(number, hour), hour::judge(limit, *cell))).collect()
        });
        Some(Picture {
            limit: limit.clone(),
            stage: day.told.stage,
            revision: day.told.revision,
            judged,
            cells: day.cells,
            words,
            hours,
            course: self.course(held, track, day, limit),
        })
    }

    /// The furnace tests of a day: what each is called, how many windows were what, the outcome, how far it is, and words.
    #[must_use]
    pub fn furnaces(&self, held: &Held<'_>, number: i32) -> Vec<(String, Windows, Outcome, Stage, super::Words)> {
        let one = |furnace: &Furnace| {
            let rule = held.counts.iter().find(|rule| rule.name == furnace.rule)?;
            let day = furnace.days.iter().find(|day| day.number == number)?;
            let lifted = |at: Timestamp| held.asked.lifted(&furnace.object, &rule.unless, at);
            let windows = day.count(rule.max, &lifted);
            let (outcome, reasons) = judge_windows(&windows);
            let at = SaidAt { stage: day.told.stage, revision: day.told.revision, causes: day.causes };
            let words = super::words::furnace((number, rule, &furnace.object), at, (&windows, outcome), &reasons);
            Some((said::code_of(&furnace.rule, &furnace.object).0, windows, outcome, day.told.stage, words))
        };
        self.furnaces.iter().filter_map(one).collect()
    }

    /// The outcomes of the days that are remembered.
    #[must_use]
    pub fn days(&self) -> Outcomes {
        let each = |days: Vec<DayResult>| days.into_iter().map(|r| (r.day, r.stage, r.outcome, r.ratio)).collect();
        self.results().into_iter().map(|(code, days)| (code, each(days))).collect()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.since.is_none()
            && self.tracks.is_empty()
            && self.furnaces.is_empty()
            && self.alerts.open().next().is_none()
    }

    /// The alerts that are open.
    #[must_use]
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Tells that a limit of marks is nearly spent, as a warning ahead, if the rules want it.
    pub fn limit_near(
        &mut self,
        rules: &alerts::Rules,
        detail: &serde_json::Value,
        at: Timestamp,
        out: &mut Vec<Said>,
    ) {
        self.alerts.limit_near(rules, detail, at, out);
    }
}

/// Puts what came of an hour into its place; why, if anything is another.
fn put(day: &mut Day, hour: usize, mut cell: Cell) -> Option<RevisedBy> {
    let settled = day.told.stage == Stage::Settled;
    let place = day.cells.get_mut(hour)?;
    cell = cell.revised(place.revision());
    if *place == cell {
        return None;
    }
    let cause = if place.came() { RevisedBy::ReUpload } else { RevisedBy::LateRecord };
    *place = cell.revised(place.revision() + u8::from(settled));
    day.touch(Some(cause));
    Some(cause)
}

/// Says what an hour comes to, if an hourly limit holds.
fn say_hour(
    limits: &Limits,
    (code, basis): (&str, Basis),
    (number, hour): (i32, usize),
    (stage, cell, cause): (Stage, Cell, Option<RevisedBy>),
    out: &mut Vec<Said>,
) {
    let Some(limit) = limits.on(code, Period::Hour, number).filter(|limit| limit.basis == basis) else { return };
    let stage = if stage == Stage::Settled { stage } else { Stage::Provisional };
    let judged = hour::judge(limit, cell);
    let at = SaidAt { stage, revision: cell.revision().into(), causes: Causes::of(cause) };
    out.push(said::hour((calendar::hour(number, hour), code, limit), at, &judged));
}

/// When a day is settled, its hours that are not plainly met are said once more.
fn say_settled_hours(limits: &Limits, track: &Track, day: &Day, out: &mut Vec<Said>) {
    let limit = limits.on(&track.code, Period::Hour, day.number).filter(|limit| limit.basis == track.basis);
    let Some(limit) = limit else { return };
    for (hour, cell) in day.cells.iter().enumerate().filter(|(_, cell)| cell.came()) {
        let judged = hour::judge(limit, *cell);
        if matches!(judged.outcome, Outcome::Exceeded | Outcome::LeftToPeople) {
            let at = calendar::hour(day.number, hour);
            let standing =
                SaidAt { stage: Stage::Settled, revision: cell.revision().into(), causes: Causes::default() };
            out.push(said::hour((at, &track.code, limit), standing, &judged));
        }
    }
}

/// The outcome of a day of windows.
fn judge_windows(windows: &Windows) -> (Outcome, Vec<Reason>) {
    let missing = u32::try_from(WINDOWS).unwrap_or(0).saturating_sub(windows.seen);
    match windows {
        Windows { low, max, .. } if low > max => (Outcome::Exceeded, Vec::new()),
        Windows { seen: 0, .. } => (Outcome::NotJudged, vec![Reason::NoValues]),
        Windows { low, max, .. } if low + missing > *max => (Outcome::Met, vec![Reason::WindowsMissing]),
        Windows { .. } => (Outcome::Met, Vec::new()),
    }
}
