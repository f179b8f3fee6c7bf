//! What marks make of the readings of a report.
//!
//! The order of effects, from what prevails: excluded, missing, invalid, exempt, conditional, valid. A source that is out of service leaves the
//! statistics, whatever letter its logger sends or does not send.
//!
//! What must stay true:
//! * an instant has the effects of the marks over it; a period (minute, hour) is excluded or exempt if such marks together cover three
//!   quarters of it, and lost if device marks together take more of it than its mean can spare; a day is judged by its hours, each so;
//! * a mark that exempts or excludes on a facility works on a factor only while every other source behind that factor has such a mark
//!   too or is seen to be out of service; else the reading is conditional (see [`super::shared`]);
//! * an exemption has its conditions (`[[require]]`): where one is broken it does not work; where that is not known yet (a finer value
//!   than the period it is about) it is conditional.

use super::engine::{Observation, Reading, Verdict};
use super::expr::SECOND;
use super::memory::{Track, TrackKey};
use super::plan::Plan;
use super::rules::*;
use super::spans::{Span, clipped, minus, together};
use super::state::*;

pub(super) const HOUR: i64 = 3600 * SECOND;
pub(super) const DAY: i64 = 24 * HOUR;

/// A mark over the time of a report.
pub(super) struct Laid<'a> {
    pub(super) name: &'a str,
    pub(super) object: &'a str,
    pub(super) kind: &'a MarkKind,
    /// The rule or the entry.
    by: &'a str,
    pub(super) validity: Validity,
    /// Whether it takes effect at all.
    counts: bool,
    silence: bool,
    on_code: bool,
    /// Whether a rule set it, and not people.
    by_rule: bool,
    /// Whether it was entered too late for all of this time.
    late: bool,
    /// Where it takes effect.
    parts: Vec<Span>,
}

impl<'a> Laid<'a> {
    pub(super) fn of_mark(mark: &'a Mark, plan: &'a Plan, from: i64, to: i64) -> Option<Laid<'a>> {
        if mark.since.0 >= to || mark.until.is_some_and(|until| until.0 <= from) {
            return None;
        }
        // What a ruling took away is no mark over this time.
        let (begin, end) = mark.window();
        let cut = mark.ruled.is_some() && (begin >= to || end <= from);
        if mark.standing == Standing::Annulled || cut {
            return None;
        }
        let kind = plan.marks.get(&mark.mark)?;
        let parts = mark.in_effect(from, to);
        let late = parts.is_empty() && mark.standing.counts() && mark.from > mark.since;
        Some(Laid {
            name: &kind.name,
            object: &mark.object,
            kind,
            by: &mark.by,
            validity: mark.validity,
            counts: mark.standing.counts(),
            silence: mark.silence,
            on_code: mark.on_code,
            by_rule: mark.said.is_none(),
            late,
            parts,
        })
    }

    fn of_track((key, track): (&'a TrackKey, &'a Track), plan: &'a Plan, from: i64, to: i64) -> Option<Laid<'a>> {
        let within = track.within(from, to);
        if within.is_empty() {
            return None;
        }
        let kind = plan.marks.get(&key.0)?;
        let counts = track.standing.counts();
        Some(Laid {
            name: &kind.name,
            object: &key.1,
            kind,
            by: &key.2,
            validity: key.3,
            counts,
            silence: track.silence,
            on_code: track.on_code,
            by_rule: true,
            late: false,
            parts: if counts { clipped(within, from, to) } else { Vec::new() },
        })
    }

    /// Whether it takes effect over some of this time.
    pub(super) fn works(&self) -> bool {
        self.counts && !self.parts.is_empty()
    }

    /// Whether it was entered too late for all of this time.
    pub(super) const fn late(&self) -> bool {
        self.late
    }

    /// Whether it is more than a proposal.
    pub(super) const fn counts(&self) -> bool {
        self.counts
    }

    /// `cleared`: rules that the reading itself says are not so.
    pub(super) fn is_about(&self, plan: &Plan, reading: &Reading<'_>, cleared: &[&str]) -> bool {
        if self.by_rule && self.on_code && cleared.contains(&self.by) {
            return false;
        }
        // What came is not missing, however long nothing came.
        let came = || self.silence && reading.text.parse::<f64>().is_ok();
        !(self.on_code && self.object != reading.code || came()) && plan.covers(self.kind, self.object, reading.code)
    }
}

/// The time that marks take of one code.
#[derive(Debug, Default)]
pub(super) struct Over {
    pub(super) excluded: Vec<Span>,
    exempt: Vec<Span>,
    conditional: Vec<Span>,
    pub(super) lost: Vec<Span>,
    worst: Option<Validity>,
}

impl Over {
    fn add(&mut self, validity: Validity, parts: &[Span]) {
        if parts.is_empty() {
            return;
        }
        let list = match validity {
            Validity::Valid => return,
            Validity::Conditional => &mut self.conditional,
            Validity::Exempt => &mut self.exempt,
            Validity::Excluded => &mut self.excluded,
            Validity::Invalid | Validity::Missing => {
                self.worst = self.worst.max(Some(validity));
                &mut self.lost
            }
        };
        list.extend_from_slice(parts);
    }

    /// What is made of readings, and when, the mildest first.
    pub(super) fn parts(&self) -> [(Validity, &[Span]); 4] {
        let lost = self.worst.unwrap_or(Validity::Invalid);
        [
            (Validity::Conditional, &self.conditional),
            (Validity::Exempt, &self.exempt),
            (lost, &self.lost),
            (Validity::Excluded, &self.excluded),
        ]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.excluded.is_empty() && self.exempt.is_empty() && self.conditional.is_empty() && self.lost.is_empty()
    }

    /// What it makes of a value of `rank` over `from..from + length`.
    pub(super) fn worth(&self, plan: &Plan, rank: u8, from: i64, length: i64) -> Option<Validity> {
        if self.is_empty() {
            return None;
        }
        let most = |time: i64| time > 0 && time >= length - length / 4;
        let out = together(&self.excluded);
        if most(out) {
            return Some(Validity::Excluded);
        }
        let mut worth = most(together(&self.conditional)).then_some(Validity::Conditional);
        let spared: Vec<Span> = self.excluded.iter().chain(&self.exempt).copied().collect();
        if !self.exempt.is_empty() && most(together(&spared)) {
            worth = Some(Validity::Exempt);
        }
        worth.max(match rank {
            3 => self.worth_of_day(plan, from),
            _ => match plan.spare(rank, length) {
                None => self.worst.filter(|_| most(together(&self.lost))),
                Some((spare, whole)) => match self.fate(from, from + length, spare, whole) {
                    Fate::Good => None,
                    Fate::Lost => self.worst,
                    Fate::Short => Some(Validity::Conditional),
                },
            },
        })
    }

    /// What becomes of `from..to`, of which the mean can spare so much.
    pub(super) fn fate(&self, from: i64, to: i64, spare: i64, whole: bool) -> Fate {
        let out = clipped(&self.excluded, from, to);
        let lost = together(&minus(&clipped(&self.lost, from, to), &out));
        if lost > spare {
            Fate::Lost
        } else if whole && lost + together(&out) > spare {
            Fate::Short
        } else {
            Fate::Good
        }
    }

    /// A day is worth what its hours are.
    fn worth_of_day(&self, plan: &Plan, from: i64) -> Option<Validity> {
        let (spare, whole) = plan.spare(2, HOUR).unwrap_or((HOUR / 4, false));
        let (mut lost, mut out) = (0, 0);
        for hour in (0..24).map(|n| from + n * HOUR) {
            if together(&clipped(&self.excluded, hour, hour + HOUR)) >= HOUR / 4 * 3 {
                out += 1;
                continue;
            }
            match self.fate(hour, hour + HOUR, spare, whole) {
                Fate::Good => {}
                Fate::Lost => lost += 1,
                Fate::Short => out += 1,
            }
        }
        let needed = plan.period(3).and_then(|period| period.mean.as_ref()).map(|mean| mean.needed);
        match needed.unwrap_or(Mean::Due(3, 4)) {
            Mean::All => self.worst.filter(|_| lost > 0),
            Mean::Due(good, all) => {
                let due = 24 - out;
                self.worst.filter(|_| (due - lost) * i64::from(all) < i64::from(good) * due)
            }
            Mean::Whole(good, all) => {
                let enough = |hours: i64| hours * i64::from(all) >= i64::from(good) * 24;
                if !enough(24 - lost) {
                    return self.worst;
                }
                (!enough(24 - lost - out)).then_some(Validity::Conditional)
            }
        }
    }
}

/// What becomes of a part of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    /// Device marks take more than can be spared.
    Lost,
    /// Not they alone: what is excluded leaves too little.
    Short,
}

impl Marks {
    /// The length of a period of this rank, µs: minute data has the one that the station was seen to use.
    pub(super) fn length_of(&self, rank: u8) -> Option<i64> {
        match rank {
            1 => self.minutes.step(),
            2 => Some(HOUR),
            3 => Some(DAY),
            _ => None,
        }
    }

    /// The marks over `from..to`.
    pub(super) fn laid<'a>(&'a self, plan: &'a Plan, from: i64, to: i64) -> Vec<Laid<'a>> {
        let marks = self.held.values().chain(&self.memory.entries);
        let marks = marks.filter_map(|mark| Laid::of_mark(mark, plan, from, to));
        let tracks = self.memory.tracks(from).filter_map(|track| Laid::of_track(track, plan, from, to));
        marks.chain(tracks).collect()
    }

    /// The time that `laid` take of a code: all of them, or those that rules set.
    pub(super) fn over_code(
        &self,
        plan: &Plan,
        laid: &[Laid<'_>],
        reading: &Reading<'_>,
        rank: u8,
        (rules_only, broken, cleared): (bool, &[(usize, bool)], &[&str]),
    ) -> Over {
        let mut over = Over::default();
        for mark in laid.iter().filter(|mark| mark.counts && (mark.by_rule || !rules_only)) {
            if mark.parts.is_empty() || !mark.is_about(plan, reading, cleared) {
                continue;
            }
            let exempts = mark.validity.needs_confirmation();
            if !exempts {
                over.add(mark.validity, &mark.parts);
                continue;
            }
            let of_it = |(number, _): &&(usize, bool)| {
                plan.requires.get(*number).is_some_and(|require| require.takes(mark.name, reading.code))
            };
            match broken.iter().find(of_it).filter(|_| mark.validity == Validity::Exempt) {
                Some((_, true)) => continue,
                Some((_, false)) => {
                    over.add(Validity::Conditional, &mark.parts);
                    continue;
                }
                None => {}
            }
            if mark.kind.dimension == Dimension::Condition && plan.shares(mark.object, reading.code) {
                let (working, waiting) =
                    self.share(plan, (mark.object, mark.validity), reading.code, &mark.parts, rank);
                over.add(mark.validity, &working);
                over.add(Validity::Conditional, &waiting);
            } else {
                over.add(mark.validity, &mark.parts);
            }
        }
        over
    }

    /// Adds to the judgements of a report the marks that hold or held over its readings.
    pub(super) fn cover(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut Verdict) {
        let mut bases = std::mem::take(&mut self.scratch.bases);
        let mut owns = std::mem::take(&mut self.scratch.owns);
        bases.clear();
        bases.extend(out.readings.iter().map(|judged| judged.validity));
        owns.clone_from(&bases);
        if !(self.held.is_empty() && self.memory.is_empty()) {
            let length = self.length_of(rank).filter(|_| rank > 0).unwrap_or(1);
            let laid = self.laid(plan, now, now + length);
            if !laid.is_empty() {
                let broken = plan.broken(seen, rank, &laid, now, out);
                self.lay(plan, seen, (rank, now, length), &laid, &broken, &mut bases, out);
            }
        }
        self.bases(plan, seen, rank, (&mut owns, &mut bases), out);
        (self.scratch.bases, self.scratch.owns) = (bases, owns);
    }

    #[allow(clippy::too_many_arguments, reason = "a report with all that lies over it")]
    fn lay(
        &self,
        plan: &Plan,
        seen: &Observation<'_>,
        (rank, now, length): (u8, i64, i64),
        laid: &[Laid<'_>],
        broken: &[(usize, bool)],
        bases: &mut [Option<Validity>],
        out: &mut Verdict,
    ) {
        let people = laid.iter().any(|mark| !mark.by_rule);
        for (at, ((reading, judged), base)) in seen.readings.iter().zip(&mut out.readings).zip(bases).enumerate() {
            let own = self.scratch.cleared.iter().filter(|(place, _)| usize::from(*place) == at);
            let name = |number: u16| plan.factor_rules.get(usize::from(number)).map(|armed| armed.rule.name.as_str());
            let cleared: Vec<&str> = own.filter_map(|(_, number)| name(*number)).collect();
            for mark in laid.iter().filter(|mark| !mark.late && mark.is_about(plan, reading, &cleared)) {
                let list = if mark.counts { &mut judged.marks } else { &mut judged.proposed };
                if !list.iter().any(|name| name == mark.name) {
                    list.push(mark.name.to_owned());
                }
            }
            let over = self.over_code(plan, laid, reading, rank, (false, broken, &cleared));
            judged.validity = judged.validity.max(over.worth(plan, rank, now, length));
            let rules = if people { self.over_code(plan, laid, reading, rank, (true, broken, &cleared)) } else { over };
            *base = (*base).max(rules.worth(plan, rank, now, length));
            judged.marks.sort_unstable();
            judged.marks.dedup();
            judged.proposed.retain(|name| !judged.marks.contains(name));
            judged.proposed.sort_unstable();
        }
    }
}
