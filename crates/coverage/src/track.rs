//! The records of one grain of one station: what is missing, in which gaps, and what each day lacks.
//!
//! Kept is what is *not* there: [`Hole`]s below a frontier, up to which everything is accounted for. A gap is a stretch that was missing at
//! a time; it may be filled from anywhere and then has several holes, or none, and ends. What must stay true: holes and gaps are in the
//! order of time and do not overlap; a hole that is not at rest lies in exactly one gap; both are bounded by [`HOLES_MAX`]; all records
//! of a hole are missing for the same reason; every gap that was told of ends one day, and says how long it became.

use serde::{Deserialize, Serialize};

use super::cadence::{self, Cadence};
use super::local::{self, DAY, Local};
use super::presence::{DAYS_MAX, Outages, Presence};
use super::{Cause, DayCount, Grain, Happening, OpenGap, Reason, Rest, Settings, Stretch};
use hj212_downlink::Outcome;

/// Stretches of missing records kept apart per station and kind; beyond, the oldest are only counted.
pub const HOLES_MAX: usize = 64;

/// No gap is longer: what was due before is not looked for.
pub const GAP_DAYS_MAX: u32 = 90;
const _: () = assert!(DAYS_MAX < GAP_DAYS_MAX, "a day that is counted lies within what a gap may be long");
/// How late records may be as a rule (batches, a clock that is behind) without being missing for that alone.
const LAG_MAX: u32 = 2 * 3600;
/// DataTimes further in the future are not taken for the ledger.
pub(super) const FUTURE_MAX: u32 = 600;
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
    cause: Cause,
    /// Why it is not waited for any more.
    rest: Option<Rest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    from: Local,
    to: Local,
    came: u32,
    recalled: u32,
    announced: bool,
    /// How many it had when its length was told last.
    told: u32,
    /// Why its first record is missing.
    cause: Cause,
    /// How many of its records are or were missing for each cause, in the order of [`Cause::ALL`].
    causes: [u32; 3],
    /// Why some of it can come no more.
    lost: Option<Reason>,
}

impl Gap {
    fn new(from: Local, to: Local, cause: Cause) -> Gap {
        let (came, recalled, announced, told, causes, lost) = (0, 0, false, 0, [0; 3], None);
        Gap { from, to, came, recalled, announced, told, cause, causes, lost }
    }

    fn blame(&mut self, cause: Cause, count: u32) {
        if let Some(sum) = self.causes.get_mut(cause as usize) {
            *sum = sum.saturating_add(count);
        }
    }
}

/// Missing records of a day that are in no hole any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Lost {
    day: u32,
    count: u32,
    /// How many of them because of the gateway.
    gateway_down: u32,
}

/// An interval that the gateway set itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ordered {
    interval: u32,
    /// What was registered then: another registration since is newer.
    registered: Option<u32>,
    /// Whether the first records at this shorter interval are still waited for.
    awaited: bool,
}

/// Who is to be asked why a record is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Witness<'a> {
    pub(super) presence: &'a Presence,
    pub(super) outages: &'a Outages,
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
    /// The same of those that came from a station that was there since they were due: how long they are on their way.
    slow: u32,
    holes: Vec<Hole>,
    gaps: Vec<Gap>,
    /// Rising.
    lost: Vec<Lost>,
    /// The registered interval when a record came last.
    registered: Option<u32>,
    ordered: Option<Ordered>,
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

/// The start of the days that are looked back over at `now`.
pub(super) fn floor(now: Local) -> Local {
    (now / DAY + 1).saturating_sub(DAYS_MAX) * DAY
}

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntervalOrigin {
    /// The kind of data has it: hours, days.
    Fixed,
    /// The station's registration says it.
    Registered,
    /// The gateway set it by command.
    Set,
    /// It was learned from the distances of data times.
    Learned,
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
            slow: 0,
            holes: Vec::new(),
            gaps: Vec::new(),
            lost: Vec::new(),
            registered: None,
            ordered: None,
            shown: 0,
            improved: false,
        }
    }

    /// The interval in seconds; 0 while it is not known.
    pub(super) fn interval(&self) -> u32 {
        self.cadence.interval()
    }

    /// Where the interval comes from.
    pub(super) fn origin(&self) -> IntervalOrigin {
        match (self.grain.fixed(), self.ordered, self.registered) {
            (Some(_), ..) => IntervalOrigin::Fixed,
            (None, Some(_), _) => IntervalOrigin::Set,
            (None, None, Some(_)) => IntervalOrigin::Registered,
            (None, None, None) => IntervalOrigin::Learned,
        }
    }

    /// Takes a record of DataTime `said`.
    pub(super) fn arrived(
        &mut self,
        (said, at): (Local, Local),
        registered: Option<u32>,
        recalled: bool,
        witness: Witness<'_>,
        out: &mut Vec<Happening>,
    ) {
        if said > at.saturating_add(FUTURE_MAX) || said < floor(at) {
            return;
        }
        self.registered = registered.filter(|interval| *interval > 0);
        self.ordered.take_if(|ordered| ordered.registered != self.registered);
        let decreed = self.grain.fixed().or(self.registered.filter(|_| self.ordered.is_none()));
        if !self.cadence.is_known() {
            match decreed.or(self.ordered.map(|ordered| ordered.interval)) {
                Some(interval) => {
                    self.cadence.set(0, interval);
                    self.start(&[said], witness, out);
                }
                None => {
                    if let Some(heard) = self.cadence.learn(self.grain, said) {
                        self.start(&heard, witness, out);
                    }
                }
            }
            return;
        }
        if said > self.latest {
            let awaited = self.ordered.filter(|ordered| ordered.awaited).map(|ordered| ordered.interval);
            let turned = match (decreed, awaited) {
                (Some(interval), _) => (interval != self.interval()).then_some((said, interval)),
                (None, Some(interval)) if cadence::is_near(said - self.latest, interval) => {
                    self.ordered.iter_mut().for_each(|ordered| ordered.awaited = false);
                    Some((self.latest, interval))
                }
                // A distance over an absence says nothing of the interval.
                (None, _) if witness.presence.interrupted(witness.outages, self.latest, said) => None,
                (None, _) => self.cadence.watch(self.grain, self.latest, said),
            };
            if let Some((since, interval)) = turned {
                self.turn(since, interval, witness, out);
                self.frontier = self.label(said, interval).saturating_add(interval);
                self.settle_all(out);
                self.crowd_out(out);
            }
            let due = said.saturating_add(self.period(self.interval()));
            // Records may come in batches: how late they can be is forgotten slowly.
            let late = at.saturating_sub(due).min(LAG_MAX);
            self.lag = late.max(self.lag - self.lag / 16);
            if witness.presence.since <= due {
                self.slow = late.max(self.slow - self.slow / 16);
            }
            self.latest = said;
        }
        self.take(said, recalled, witness, out);
    }

    /// The gateway has set the interval of the station.
    pub(super) fn order(&mut self, interval: u32, witness: Witness<'_>, out: &mut Vec<Happening>) {
        if self.grain.fixed().is_some() || !self.grain.may_be(interval) {
            return;
        }
        let before = self.interval();
        // A shorter one is expected when the first records come that way, so that too little is expected rather than too much.
        let awaited = self.cadence.is_known() && interval < before;
        self.ordered = Some(Ordered { interval, registered: self.registered, awaited });
        if !self.cadence.is_known() {
            return self.cadence.forget();
        }
        if interval > before {
            let frontier = self.frontier;
            let since = if self.grain == Grain::Realtime { frontier.saturating_sub(before) } else { frontier };
            let cut = self.turn(since, interval, witness, out);
            self.frontier = if cut < frontier { cut.saturating_add(interval) } else { cut };
            self.settle_all(out);
            self.crowd_out(out);
        }
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

    fn start(&mut self, heard: &[Local], witness: Witness<'_>, out: &mut Vec<Happening>) {
        let Some(first) = heard.first() else { return };
        self.first = self.label(*first, self.interval());
        self.frontier = self.first;
        self.shown = self.first / DAY;
        for said in heard {
            self.latest = self.latest.max(*said);
            self.take(*said, false, witness, out);
        }
    }

    /// Expects another interval from the record of `since` on; the time from which it is counted. What was missing since then is counted by
    /// the new interval: records that lay between others of it never existed, and whole ones that did not come stay missing.
    fn turn(&mut self, since: Local, interval: u32, witness: Witness<'_>, out: &mut Vec<Happening>) -> Local {
        let before = self.interval();
        self.pass_over(since.saturating_sub(GAP_DAYS_MAX * DAY));
        if since > self.frontier {
            self.miss(self.frontier, (since - self.frontier + before / 2) / before, witness);
        }
        let cut = self.label(since, interval);
        let (gone, mut gaps): (Vec<Gap>, Vec<Gap>) = self.gaps.drain(..).partition(|gap| gap.from >= cut);
        for gap in gone.iter().filter(|gap| gap.announced) {
            out.push(Happening::Closed(self.stretch(gap), Reason::IntervalChanged, None));
        }
        gaps.iter_mut().for_each(|gap| gap.to = gap.to.min(cut));
        self.cadence.set(cut, interval);
        let mut holes: Vec<Hole> = Vec::with_capacity(self.holes.len());
        for hole in std::mem::take(&mut self.holes) {
            if hole.to <= cut {
                holes.push(hole);
                continue;
            }
            if hole.from < cut {
                holes.push(Hole { to: cut, ..hole });
            }
            // The distance of the records around it, in new intervals.
            let start = hole.from.saturating_sub(before).max(cut);
            let between = ((hole.to - start + interval / 2) / interval).saturating_sub(1);
            let least = holes.last().map_or(cut, |last| last.to.max(cut));
            let from = self.label(start.saturating_add(interval), interval).max(least);
            if between == 0 {
                continue;
            }
            let hole = Hole { from, to: from.saturating_add(between.saturating_mul(interval)), ..hole };
            holes.push(hole);
            if hole.rest.is_some() {
                continue;
            }
            if gaps.last().is_none_or(|gap| gap.to != hole.from) {
                gaps.push(Gap::new(hole.from, hole.from, hole.cause));
            }
            if let Some(gap) = gaps.last_mut() {
                gap.to = hole.to;
                gap.blame(hole.cause, between);
            }
        }
        (self.holes, self.gaps) = (holes, gaps);
        cut
    }

    fn take(&mut self, said: Local, recalled: bool, witness: Witness<'_>, out: &mut Vec<Happening>) {
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
        self.pass_over(label.saturating_sub(GAP_DAYS_MAX * DAY));
        self.miss(self.frontier, (reach - self.frontier) / interval, witness);
        self.frontier = label.saturating_add(interval);
        // The last gap grows no more.
        if let Some(last) = self.gaps.len().checked_sub(1) {
            self.settle(last, out);
        }
        self.crowd_out(out);
    }

    /// What would be due before `floor` is not looked for: nobody has heard of the station for that long.
    fn pass_over(&mut self, floor: Local) {
        let interval = self.interval().max(1);
        if let Some(short) = floor.checked_sub(self.frontier) {
            self.frontier = self.frontier.saturating_add(short.div_ceil(interval).saturating_mul(interval));
        }
    }

    /// Notes that `count` records from `from` on are not there, each for its cause.
    fn miss(&mut self, from: Local, count: u32, witness: Witness<'_>) {
        let interval = self.interval();
        let end = from.saturating_add(count.saturating_mul(interval));
        let mut from = from;
        while from < end {
            let due = from.saturating_add(self.period(interval));
            let (cause, until) = witness.presence.cause(witness.outages, due, self.slow);
            let count = (until.saturating_sub(due)).div_ceil(interval).clamp(1, (end - from).div_ceil(interval));
            let to = from.saturating_add(count.saturating_mul(interval)).min(end);
            self.miss_for(cause, (from, to), count);
            from = to;
        }
    }

    fn miss_for(&mut self, cause: Cause, (from, to): (Local, Local), count: u32) {
        if self.gaps.last().is_none_or(|gap| gap.to != from) {
            self.gaps.push(Gap::new(from, from, cause));
        }
        if let Some(gap) = self.gaps.last_mut() {
            gap.to = to;
            gap.blame(cause, count);
            if from < self.floor {
                gap.lost = Some(Reason::TooOld);
            }
        }
        // What is older than what is looked back over is told, and not followed.
        let from = from.max(self.floor);
        match self.holes.last_mut() {
            _ if from >= to => {}
            Some(hole) if hole.to == from && hole.cause == cause && hole.attempts == 0 && hole.rest.is_none() => {
                hole.to = to;
            }
            _ => self.holes.push(Hole { from, to, next_try: 0, attempts: 0, cause, rest: None }),
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
            if hole.rest.is_none() || self.frontier <= gap.to {
                return;
            }
            if let Some(Rest::GivenUp(last)) = hole.rest {
                outcome = Some(last);
            }
        }
        self.gaps.remove(index);
        if !gap.announced {
            return;
        }
        let reason = match gap.lost {
            _ if outcome.is_some() => Reason::GivenUp,
            Some(lost) => lost,
            _ if missing => Reason::Lost,
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
            cause: gap.cause,
            causes: gap.causes,
            growing: self.frontier <= gap.to,
        }
    }

    /// Gives up keeping the oldest holes apart while there are too many.
    fn crowd_out(&mut self, out: &mut Vec<Happening>) {
        while self.holes.len() > HOLES_MAX {
            let hole = self.holes.remove(0);
            for day in hole.from / DAY..=(hole.to - 1) / DAY {
                let count = self.cadence.count(hole.from.max(day * DAY), hole.to.min((day + 1).saturating_mul(DAY)));
                let gateway_down = if hole.cause == Cause::GatewayDown { count } else { 0 };
                match self.lost.binary_search_by_key(&day, |lost| lost.day) {
                    Ok(at) => self.lost.get_mut(at).into_iter().for_each(|lost| {
                        (lost.count, lost.gateway_down) = (lost.count + count, lost.gateway_down + gateway_down);
                    }),
                    Err(at) => self.lost.insert(at, Lost { day, count, gateway_down }),
                }
            }
            let at = self.gaps.partition_point(|gap| gap.to <= hole.from);
            if let Some(gap) = self.gaps.get_mut(at).filter(|gap| gap.from <= hole.from) {
                gap.lost = Some(Reason::TooMany);
                self.settle(at, out);
            }
        }
    }

    /// Lets time pass: what is overdue is missing, what is too old is given up, and days end. `quiet`: the station is not uploading old
    /// records, by itself or asked.
    pub(super) fn tick(
        &mut self,
        now: Local,
        settings: &Settings,
        witness: Witness<'_>,
        quiet: bool,
        out: &mut Vec<Happening>,
    ) {
        if !self.cadence.is_known() {
            if let Some(heard) = self.cadence.waited(self.grain, now) {
                self.start(&heard, witness, out);
            }
            return;
        }
        self.trim(now, out);
        let (interval, overdue) = (self.interval(), settings.overdue(self.grain));
        let late = self.period(interval).saturating_add(overdue);
        if let Some(over) = now.checked_sub(self.frontier.saturating_add(late).saturating_add(self.lag)) {
            let count = over / interval + 1;
            self.miss(self.frontier, count, witness);
            self.frontier = self.frontier.saturating_add(count.saturating_mul(interval));
        }
        for index in 0..self.gaps.len() {
            let Some(gap) = self.gaps.get(index).copied().filter(|gap| !gap.announced) else { continue };
            let due = gap.from.saturating_add(self.period(self.cadence.at(gap.from)));
            if due.saturating_add(overdue) <= now {
                let stretch = self.stretch(&gap);
                self.gaps.get_mut(index).into_iter().for_each(|gap| (gap.announced, gap.told) = (true, stretch.count));
                out.push(Happening::Begun(stretch));
            }
        }
        self.conclude(now, settings, quiet, out);
        self.crowd_out(out);
        let ended = self.frontier.min(now.saturating_sub(overdue)) / DAY;
        if ended > self.shown || self.improved {
            self.shown = self.shown.max(ended);
            self.improved = false;
            out.push(Happening::Counted(self.grain));
        }
    }

    /// Gaps behind which data flows again: says how long they became, and ends those whose rest nobody asks for.
    fn conclude(&mut self, now: Local, settings: &Settings, quiet: bool, out: &mut Vec<Happening>) {
        let asked = settings.enabled && self.grain.command().is_some();
        let overdue = settings.overdue(self.grain).saturating_add(self.lag).saturating_add(settings.quiet());
        for index in (0..self.gaps.len()).rev() {
            let whole = self.gaps.get(index).copied().filter(|gap| gap.announced && gap.to < self.frontier);
            let Some(gap) = whole else { continue };
            let interval = self.cadence.at(gap.from);
            // When the last of its records is waited for no longer; a station that sends again what it kept has a little time more.
            let last = gap.to.saturating_sub(interval).saturating_add(self.period(interval)).saturating_add(overdue);
            if now < last || !quiet && now < last.saturating_add(GROWING_MAX) {
                continue;
            }
            if !asked {
                let within = |hole: &&mut Hole| hole.from < gap.to && gap.from < hole.to && hole.rest.is_none();
                self.holes.iter_mut().filter(within).for_each(|hole| hole.rest = Some(Rest::Lost));
                self.settle(index, out);
                continue;
            }
            let stretch = self.stretch(&gap);
            if stretch.count != gap.told {
                self.gaps.get_mut(index).into_iter().for_each(|gap| gap.told = stretch.count);
                out.push(Happening::Grown(stretch));
            }
        }
    }

    /// Forgets what is older than [`DAYS_MAX`].
    fn trim(&mut self, now: Local, out: &mut Vec<Happening>) {
        let floor = floor(now);
        if floor <= self.floor {
            return;
        }
        self.floor = floor;
        self.pass_over(now.saturating_sub(GAP_DAYS_MAX * DAY));
        self.shown = self.shown.max(floor / DAY);
        self.cadence.trim(floor);
        self.lost.retain(|lost| lost.day >= floor / DAY);
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
        let may_be = |hole: &&Hole| hole.rest.is_none() && hole.next_try <= now;
        for (number, hole) in self.holes.iter().enumerate().rev().filter(|(_, hole)| may_be(hole)) {
            let at = self.gaps.partition_point(|gap| gap.to <= hole.from);
            let Some(gap) = self.gaps.get(at).filter(|gap| gap.announced) else { continue };
            let interval = self.cadence.at(hole.from);
            let due = hole.from.saturating_add(self.period(interval));
            let mut to = hole.to;
            if self.frontier <= gap.to && now.saturating_sub(due) < GROWING_MAX {
                let Some(before) = online_since.checked_sub(due) else { continue };
                to = to.min(hole.from.saturating_add((before / interval + 1).saturating_mul(interval)));
            }
            // What is missing for another reason just before is asked for in the same request.
            let (mut from, mut attempts) = (hole.from, hole.attempts);
            for before in self.holes.iter().take(number).rev().filter(may_be) {
                if before.to != from || before.from < gap.from || self.cadence.at(before.from) != interval {
                    break;
                }
                (from, attempts) = (before.from, attempts.max(before.attempts));
            }
            let most = (settings.span(self.grain) / interval).max(1).saturating_mul(interval);
            let begin = from.max(to.saturating_sub(most));
            if Some(begin) != passed_over {
                return Some(Wanted { begin, end: to.saturating_sub(interval), attempt: attempts + 1 });
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
            if within.rest.is_none() {
                within.attempts = within.attempts.saturating_add(1);
                within.next_try = at.saturating_add(settings.back_off(within.attempts));
                let given_up = outcome == Outcome::NoData || within.attempts >= settings.attempts_max;
                within.rest = given_up.then_some(Rest::GivenUp(outcome));
            }
            holes.extend([before, within, after].into_iter().filter(|hole| hole.from < hole.to));
        }
        self.holes = holes;
        self.settle_all(out);
        self.crowd_out(out);
    }

    /// How late records seemed to be was the clock's doing.
    pub(super) fn forget_lateness(&mut self) {
        self.lag = 0;
    }

    /// Brings what lies in the future of `now` back: the clock was set back, or a record was believed too early. What was forgotten as too old in
    /// the meantime stays unknown: the ledger begins anew from here.
    pub(super) fn bring_back(&mut self, now: Local, settings: &Settings, out: &mut Vec<Happening>) {
        self.cadence.unlearn(now.saturating_add(FUTURE_MAX));
        let interval = self.interval().max(1);
        let furthest = now.saturating_add(FUTURE_MAX).saturating_add(interval);
        let latest_try = now.saturating_add(settings.back_off(u8::MAX));
        self.holes.iter_mut().for_each(|hole| hole.next_try = hole.next_try.min(latest_try));
        if self.frontier <= furthest {
            return;
        }
        // What is not due yet is not missing.
        let over = self.frontier.saturating_sub(now).div_ceil(interval).saturating_mul(interval);
        self.frontier = self.frontier.saturating_sub(over);
        self.cadence.back_to(self.frontier);
        (self.latest, self.lag) = (self.latest.min(self.frontier), 0);
        let frontier = self.frontier;
        self.holes.retain_mut(|hole| {
            hole.to = hole.to.min(frontier);
            hole.from < hole.to
        });
        for gap in std::mem::take(&mut self.gaps) {
            if gap.from >= frontier {
                if gap.announced {
                    out.push(Happening::Closed(self.stretch(&gap), Reason::ClockStep, None));
                }
            } else {
                let lost = if gap.to > frontier { Some(Reason::ClockStep) } else { gap.lost };
                self.gaps.push(Gap { to: gap.to.min(frontier), lost, ..gap });
            }
        }
        self.lost.retain(|lost| lost.day <= frontier / DAY);
        self.shown = self.shown.min(frontier / DAY);
        if self.floor > floor(now) {
            (self.floor, self.first) = (floor(now), frontier);
        }
        self.settle_all(out);
    }

    /// The days that are looked at, the unfinished ones too.
    pub(super) fn days(&self) -> impl Iterator<Item = DayCount> {
        let known = if self.cadence.is_known() { self.frontier } else { 0 };
        let begin = self.first.max(self.floor) / DAY;
        (begin..known.div_ceil(DAY)).map(move |day| {
            let (from, to) = (day * DAY, (day + 1).saturating_mul(DAY));
            let expected = self.cadence.count(from.max(self.first), to.min(self.frontier));
            let holes = self.holes.iter().filter(|hole| hole.from < to && from < hole.to);
            let mut missing = self.lost.iter().find(|lost| lost.day == day).map_or(0, |lost| lost.count);
            let mut gateway_down = self.lost.iter().find(|lost| lost.day == day).map_or(0, |lost| lost.gateway_down);
            for hole in holes {
                let count = self.cadence.count(hole.from.max(from), hole.to.min(to));
                missing = missing.saturating_add(count);
                if hole.cause == Cause::GatewayDown {
                    gateway_down = gateway_down.saturating_add(count);
                }
            }
            let there = expected.saturating_sub(missing);
            let gateway_down = gateway_down.min(expected - there);
            DayCount { day: local::date(day), expected, there, gateway_down, ended: day < self.shown }
        })
    }

    /// The gaps that have begun and not ended, then the stretches that are not waited for any more.
    pub(super) fn open(&self) -> impl Iterator<Item = OpenGap> {
        let gaps = self.gaps.iter().filter(|gap| gap.announced).map(|gap| {
            let holes = self.holes.iter().filter(|hole| hole.from < gap.to && gap.from < hole.to);
            let missing = holes.clone().map(|hole| self.cadence.count(hole.from, hole.to)).sum();
            let attempts = holes.map(|hole| hole.attempts).max().unwrap_or(0);
            OpenGap { stretch: self.stretch(gap), missing, attempts, rest: None }
        });
        let at_rest = self.holes.iter().filter_map(|hole| {
            let rest = Some(hole.rest?);
            let count = self.cadence.count(hole.from, hole.to);
            let mut gap = Gap::new(hole.from, hole.to, hole.cause);
            gap.blame(hole.cause, count);
            let stretch = Stretch { growing: false, ..self.stretch(&gap) };
            Some(OpenGap { missing: count, stretch, attempts: hole.attempts, rest })
        });
        gaps.chain(at_rest)
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert!(self.holes.len() <= HOLES_MAX, "{} holes", self.holes.len());
        assert!(self.holes.iter().all(|hole| hole.from < hole.to && hole.to <= self.frontier.max(hole.to)));
        assert!(self.holes.windows(2).all(|pair| pair[0].to <= pair[1].from), "{:?}", self.holes);
        assert!(self.gaps.windows(2).all(|pair| pair[0].to <= pair[1].from), "{:?}", self.gaps);
        for hole in self.holes.iter().filter(|hole| hole.rest.is_none()) {
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
