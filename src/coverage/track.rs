//! The records of one grain of one station: what is missing, in which gaps, and what each day lacks.
//!
//! Kept is what is *not* there: [`Hole`]s below a frontier, up to which everything is accounted for. A gap is a stretch that was missing at
//! a time; it may be filled from anywhere and then has several holes, or none, and ends. What must stay true: holes and gaps are in the
//! order of time and do not overlap; a hole that is not given up lies in exactly one gap; both are bounded by [`HOLES_MAX`].

use serde::{Deserialize, Serialize};

use super::cadence::Cadence;
use super::local::{self, DAY, Local};
use super::{DayCount, Grain, Happening, OpenGap, Presence, Reason, Settings, Stretch};
use crate::downlink::Outcome;

/// Stretches of missing records kept apart per station and kind; beyond, the oldest are only counted.
pub const HOLES_MAX: usize = 64;
/// Days that are looked back over; what is missing longer is given up.
pub const DAYS_MAX: u32 = 35;
/// How late records may be as a rule (batches, a clock that is behind) without being missing for that alone.
const LAG_MAX: u32 = 2 * 3600;
/// DataTimes further in the future are not taken for the ledger.
const FUTURE_MAX: u32 = 600;
/// A gap that goes on although the station is there is asked for after this long.
const GROWING_MAX: u32 = 6 * 3600;

/// Missing records from `from` to before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Hole {
    from: Local,
    to: Local,
    /// Not to be asked for again before this.
    next_try: Local,
    attempts: u8,
    /// Why it is not asked for any more.
    given_up: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    from: Local,
    to: Local,
    came: u32,
    recalled: u32,
    announced: bool,
    /// Why some of it can come no more.
    lost: Option<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Track {
    pub(super) grain: Grain,
    cadence: Cadence,
    /// The first record; before it nothing is expected.
    first: Local,
    /// The start of the days that are looked at.
    floor: Local,
    /// Up to here everything is there or in a hole.
    frontier: Local,
    /// The latest DataTime.
    latest: Local,
    /// How late records have been of late.
    lag: u32,
    holes: Vec<Hole>,
    gaps: Vec<Gap>,
    /// Missing records that are in no hole any more, by day.
    lost: Vec<(u32, u32)>,
    /// The days before this one have been published.
    shown: u32,
    /// Whether one of them has become better.
    improved: bool,
}

/// What is to be asked for: the first and the last DataTime, and which attempt it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) begin: Local,
    pub(super) end: Local,
    pub(super) attempt: u8,
}

impl Track {
    pub(super) fn new(grain: Grain) -> Track {
        Track {
            grain,
            cadence: Cadence::default(),
            first: 0,
            floor: 0,
            frontier: 0,
            latest: 0,
            lag: 0,
            holes: Vec::new(),
            gaps: Vec::new(),
            lost: Vec::new(),
            shown: 0,
            improved: false,
        }
    }

    /// The interval in seconds; 0 while it is not known.
    pub(super) fn interval(&self) -> u32 {
        self.cadence.interval()
    }

    /// Takes a record of DataTime `said`.
    pub(super) fn arrived(
        &mut self,
        said: Local,
        at: Local,
        registered: Option<u32>,
        recalled: bool,
        out: &mut Vec<Happening>,
    ) {
        if said > at.saturating_add(FUTURE_MAX) {
            return;
        }
        let decreed = self.grain.fixed().or(registered.filter(|interval| *interval > 0));
        if !self.cadence.is_known() {
            match decreed {
                Some(interval) => {
                    self.cadence.set(0, interval);
                    self.start(&[said], out);
                }
                None => {
                    if let Some(heard) = self.cadence.learn(self.grain, said) {
                        self.start(&heard, out);
                    }
                }
            }
            return;
        }
        if said > self.latest {
            let turned = match decreed {
                Some(interval) => (interval != self.interval()).then_some((said, interval)),
                None => self.cadence.watch(self.grain, self.latest, said),
            };
            if let Some((since, interval)) = turned {
                self.turn(since, interval, said, out);
            }
            let due = said.saturating_add(self.period(self.interval()));
            // Records may come in batches: how late they can be is forgotten slowly.
            self.lag = at.saturating_sub(due).min(LAG_MAX).max(self.lag - self.lag / 16);
            self.latest = said;
        }
        self.take(said, recalled, out);
    }

    /// How long after its DataTime a record can come at the earliest.
    fn period(&self, interval: u32) -> u32 {
        if self.grain == Grain::Realtime { 0 } else { interval }
    }

    /// The DataTime that is meant: the start of a period, whatever the seconds say.
    fn label(&self, said: Local, interval: u32) -> Local {
        if self.grain == Grain::Realtime || interval == 0 {
            return said;
        }
        said.saturating_add(60.min(interval / 4)) / interval * interval
    }

    fn start(&mut self, heard: &[Local], out: &mut Vec<Happening>) {
        let Some(first) = heard.first() else { return };
        self.first = self.label(*first, self.interval());
        self.frontier = self.first;
        self.shown = self.first / DAY;
        for said in heard {
            self.latest = self.latest.max(*said);
            self.take(*said, false, out);
        }
    }

    /// Expects another interval from `since` on, after the record of `said` has come.
    fn turn(&mut self, since: Local, interval: u32, said: Local, out: &mut Vec<Happening>) {
        let before = self.interval();
        if since > self.frontier {
            self.miss(self.frontier, (since - self.frontier + before / 2) / before);
        }
        let cut = self.label(since, interval);
        self.holes.retain_mut(|hole| {
            hole.to = hole.to.min(cut);
            hole.from < hole.to
        });
        for gap in &mut self.gaps {
            if gap.from >= cut {
                gap.lost = Some(Reason::IntervalChanged);
            } else {
                gap.to = gap.to.min(cut);
            }
        }
        self.cadence.set(cut, interval);
        self.frontier = self.label(said, interval).saturating_add(interval);
        self.settle_all(out);
        self.crowd_out(out);
    }

    fn take(&mut self, said: Local, recalled: bool, out: &mut Vec<Happening>) {
        let interval = self.interval();
        let label = self.label(said, interval);
        if label < self.first.max(self.floor) {
            return;
        }
        // Sampled data comes when it comes: half an interval early is on time.
        let reach = label.saturating_add(interval / 2);
        if reach < self.frontier {
            return self.fill(label, recalled, out);
        }
        self.miss(self.frontier, (reach - self.frontier) / interval);
        self.frontier = label.saturating_add(interval);
        // The last gap grows no more.
        if let Some(last) = self.gaps.len().checked_sub(1) {
            self.settle(last, out);
        }
        self.crowd_out(out);
    }

    /// Notes that `count` records from `from` on are not there.
    fn miss(&mut self, from: Local, count: u32) {
        let to = from.saturating_add(count.saturating_mul(self.interval()));
        if from >= to {
            return;
        }
        match self.gaps.last_mut() {
            Some(gap) if gap.to == from => gap.to = to,
            _ => self.gaps.push(Gap { from, to, came: 0, recalled: 0, announced: false, lost: None }),
        }
        match self.holes.last_mut() {
            Some(hole) if hole.to == from && hole.attempts == 0 && hole.given_up.is_none() => hole.to = to,
            _ => self.holes.push(Hole { from, to, next_try: 0, attempts: 0, given_up: None }),
        }
    }

    /// Takes a record that may have been missing.
    fn fill(&mut self, label: Local, recalled: bool, out: &mut Vec<Happening>) {
        let at = self.holes.partition_point(|hole| hole.to <= label);
        let Some(hole) = self.holes.get(at).copied() else { return };
        let interval = self.cadence.at(hole.from);
        let Some(ahead) = (label.saturating_add(interval / 2)).checked_sub(hole.from) else { return };
        let found = hole.from.saturating_add(ahead / interval * interval);
        if found >= hole.to {
            return;
        }
        let after = found.saturating_add(interval);
        let left = Hole { to: found, ..hole };
        let right = Hole { from: after, ..hole };
        let rest = [left, right].into_iter().filter(|hole| hole.from < hole.to);
        self.holes.splice(at..=at, rest);
        self.improved |= found / DAY < self.shown;
        let at = self.gaps.partition_point(|gap| gap.to <= found);
        if let Some(gap) = self.gaps.get_mut(at).filter(|gap| gap.from <= found) {
            gap.came += 1;
            gap.recalled += u32::from(recalled);
            self.settle(at, out);
        }
        self.crowd_out(out);
    }

    /// Ends the gap at `index` if nothing of it is missing, or nothing that could still come.
    fn settle(&mut self, index: usize, out: &mut Vec<Happening>) {
        let Some(gap) = self.gaps.get(index).copied() else { return };
        let mut left = self.holes.iter().filter(|hole| hole.from < gap.to && gap.from < hole.to).peekable();
        let missing = left.peek().is_some();
        let mut outcome = None;
        for hole in left {
            if hole.given_up.is_none() || self.frontier <= gap.to {
                return;
            }
            outcome = hole.given_up;
        }
        self.gaps.remove(index);
        if !gap.announced {
            return;
        }
        let reason = match gap.lost {
            _ if missing => Reason::GivenUp,
            Some(lost) => lost,
            None if gap.recalled > 0 => Reason::Recalled,
            None => Reason::Returned,
        };
        out.push(Happening::Closed(self.stretch(&gap), reason, outcome));
    }

    fn settle_all(&mut self, out: &mut Vec<Happening>) {
        for index in (0..self.gaps.len()).rev() {
            self.settle(index, out);
        }
    }

    fn stretch(&self, gap: &Gap) -> Stretch {
        let interval = self.cadence.at(gap.from);
        Stretch {
            grain: self.grain,
            from: local::timestamp(gap.from),
            to: local::timestamp(gap.to.saturating_sub(interval).max(gap.from)),
            interval,
            count: self.cadence.count(gap.from, gap.to),
            came: gap.came,
            recalled: gap.recalled,
        }
    }

    /// Gives up keeping the oldest holes apart while there are too many.
    fn crowd_out(&mut self, out: &mut Vec<Happening>) {
        while self.holes.len() > HOLES_MAX {
            let hole = self.holes.remove(0);
            for day in hole.from / DAY..=(hole.to - 1) / DAY {
                let count = self.cadence.count(hole.from.max(day * DAY), hole.to.min((day + 1).saturating_mul(DAY)));
                match self.lost.binary_search_by_key(&day, |(day, _)| *day) {
                    Ok(at) => self.lost.get_mut(at).into_iter().for_each(|(_, lost)| *lost += count),
                    Err(at) => self.lost.insert(at, (day, count)),
                }
            }
            let at = self.gaps.partition_point(|gap| gap.to <= hole.from);
            if let Some(gap) = self.gaps.get_mut(at).filter(|gap| gap.from <= hole.from) {
                gap.lost = Some(Reason::TooMany);
                self.settle(at, out);
            }
        }
    }

    /// Lets time pass: what is overdue is missing, what is too old is given up, and days end.
    pub(super) fn tick(&mut self, now: Local, settings: &Settings, presence: &Presence, out: &mut Vec<Happening>) {
        if !self.cadence.is_known() {
            if let Some(heard) = self.cadence.waited(self.grain, now) {
                self.start(&heard, out);
            }
            return;
        }
        self.trim(now, out);
        let (interval, overdue) = (self.interval(), settings.overdue(self.grain));
        let late = self.period(interval).saturating_add(overdue);
        if let Some(over) = now.checked_sub(self.frontier.saturating_add(late).saturating_add(self.lag)) {
            let count = over / interval + 1;
            self.miss(self.frontier, count);
            self.frontier = self.frontier.saturating_add(count.saturating_mul(interval));
        }
        for index in 0..self.gaps.len() {
            let Some(gap) = self.gaps.get(index).copied().filter(|gap| !gap.announced) else { continue };
            let due = gap.from.saturating_add(self.period(self.cadence.at(gap.from)));
            if due.saturating_add(overdue) <= now {
                self.gaps.get_mut(index).into_iter().for_each(|gap| gap.announced = true);
                out.push(Happening::Begun(self.stretch(&gap), presence.cause(due, overdue)));
            }
        }
        self.crowd_out(out);
        let ended = self.frontier.min(now.saturating_sub(overdue)) / DAY;
        if ended > self.shown || self.improved {
            self.shown = self.shown.max(ended);
            self.improved = false;
            out.push(Happening::Counted(self.grain));
        }
    }

    /// Forgets what is older than [`DAYS_MAX`].
    fn trim(&mut self, now: Local, out: &mut Vec<Happening>) {
        let floor = (now / DAY + 1).saturating_sub(DAYS_MAX) * DAY;
        if floor <= self.floor {
            return;
        }
        self.floor = floor;
        self.shown = self.shown.max(floor / DAY);
        self.cadence.trim(floor);
        self.lost.retain(|(day, _)| *day >= floor / DAY);
        self.holes.retain_mut(|hole| {
            hole.from = hole.from.max(floor);
            hole.from < hole.to
        });
        for gap in self.gaps.iter_mut().filter(|gap| gap.from < floor) {
            gap.lost = Some(Reason::TooOld);
        }
        self.settle_all(out);
    }

    /// What to ask for now, the newest first; of a gap that still grows only what was due before the station came back, or what has been
    /// missing for long.
    pub(super) fn wanted(
        &self,
        now: Local,
        settings: &Settings,
        online_since: Local,
        passed_over: Option<Local>,
    ) -> Option<Wanted> {
        for hole in self.holes.iter().rev().filter(|hole| hole.given_up.is_none() && hole.next_try <= now) {
            let at = self.gaps.partition_point(|gap| gap.to <= hole.from);
            let Some(gap) = self.gaps.get(at).filter(|gap| gap.announced) else { continue };
            let interval = self.cadence.at(hole.from);
            let due = hole.from.saturating_add(self.period(interval));
            let mut to = hole.to;
            if self.frontier <= gap.to && now.saturating_sub(due) < GROWING_MAX {
                let Some(before) = online_since.checked_sub(due) else { continue };
                to = to.min(hole.from.saturating_add((before / interval + 1).saturating_mul(interval)));
            }
            let most = (settings.span(self.grain) / interval).max(1).saturating_mul(interval);
            let begin = hole.from.max(to.saturating_sub(most));
            if Some(begin) != passed_over {
                return Some(Wanted { begin, end: to.saturating_sub(interval), attempt: hole.attempts + 1 });
            }
        }
        None
    }

    /// Takes the end of a request for `begin` to `end`.
    pub(super) fn asked(
        &mut self,
        (begin, end): (Local, Local),
        outcome: Outcome,
        at: Local,
        settings: &Settings,
        out: &mut Vec<Happening>,
    ) {
        let to = end.saturating_add(self.cadence.at(end));
        let mut holes = Vec::with_capacity(self.holes.len() + 2);
        for hole in self.holes.drain(..) {
            let before = Hole { to: hole.to.min(begin), ..hole };
            let mut within = Hole { from: hole.from.max(begin), to: hole.to.min(to), ..hole };
            let after = Hole { from: hole.from.max(to), ..hole };
            if within.given_up.is_none() {
                within.attempts = within.attempts.saturating_add(1);
                within.next_try = at.saturating_add(settings.back_off(within.attempts));
                let given_up = outcome == Outcome::NoData || within.attempts >= settings.attempts_max;
                within.given_up = given_up.then_some(outcome);
            }
            holes.extend([before, within, after].into_iter().filter(|hole| hole.from < hole.to));
        }
        self.holes = holes;
        self.settle_all(out);
        self.crowd_out(out);
    }

    /// The days that are looked at, the unfinished ones too.
    pub(super) fn days(&self) -> impl Iterator<Item = DayCount> {
        let known = if self.cadence.is_known() { self.frontier } else { 0 };
        let begin = self.first.max(self.floor) / DAY;
        (begin..known.div_ceil(DAY)).map(move |day| {
            let (from, to) = (day * DAY, (day + 1).saturating_mul(DAY));
            let expected = self.cadence.count(from.max(self.first), to.min(self.frontier));
            let holes = self.holes.iter().filter(|hole| hole.from < to && from < hole.to);
            let missing: u32 = holes.map(|hole| self.cadence.count(hole.from.max(from), hole.to.min(to))).sum();
            let lost = self.lost.iter().find(|(lost, _)| *lost == day).map_or(0, |(_, count)| *count);
            let there = expected.saturating_sub(missing.saturating_add(lost));
            DayCount { day: local::date(day), expected, there, ended: day < self.shown }
        })
    }

    /// The gaps that have begun and not ended, then the stretches given up.
    pub(super) fn open(&self) -> impl Iterator<Item = OpenGap> {
        let gaps = self.gaps.iter().filter(|gap| gap.announced).map(|gap| {
            let holes = self.holes.iter().filter(|hole| hole.from < gap.to && gap.from < hole.to);
            let missing = holes.clone().map(|hole| self.cadence.count(hole.from, hole.to)).sum();
            let attempts = holes.map(|hole| hole.attempts).max().unwrap_or(0);
            OpenGap { stretch: self.stretch(gap), missing, attempts, given_up: None }
        });
        let given_up = self.holes.iter().filter_map(|hole| {
            let gap = Gap { from: hole.from, to: hole.to, came: 0, recalled: 0, announced: true, lost: None };
            let (stretch, outcome) = (self.stretch(&gap), hole.given_up?);
            Some(OpenGap { missing: stretch.count, stretch, attempts: hole.attempts, given_up: Some(outcome) })
        });
        gaps.chain(given_up)
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!(self.holes.len() <= HOLES_MAX, "{} holes", self.holes.len());
        assert!(self.holes.iter().all(|hole| hole.from < hole.to && hole.to <= self.frontier.max(hole.to)));
        assert!(self.holes.windows(2).all(|pair| pair[0].to <= pair[1].from), "{:?}", self.holes);
        assert!(self.gaps.windows(2).all(|pair| pair[0].to <= pair[1].from), "{:?}", self.gaps);
        for hole in self.holes.iter().filter(|hole| hole.given_up.is_none()) {
            let within = self.gaps.iter().filter(|gap| gap.from <= hole.from && hole.to <= gap.to).count();
            assert_eq!(within, 1, "{hole:?} in {:?}", self.gaps);
        }
        for gap in &self.gaps {
            assert!(
                self.holes.iter().any(|hole| hole.from < gap.to && gap.from < hole.to),
                "{gap:?}: {:?}",
                self.holes
            );
        }
    }
}
