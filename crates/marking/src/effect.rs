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
//! * an exemption has its conditions (`[[require]]`): where one is broken it does not work, where it is not shown people must rule
//!   ([`super::require`]); and it is of a number: a reading that has no value is neither exempt nor conditional;
//! * what takes the value that another rests on takes the other too ([`super::basis`]);
//! * many entries of one mark on one object cost no more than one: what lies over a time is laid once, its spans joined.

use super::expr::{DAY, HOUR};
use super::plan::Plan;
use super::rules::*;
use super::spans::{Span, clipped, cut, joined, minus, together};
use super::state::*;
use super::tracks::Track;
use super::verdict::{MarkVerdict, Observation, Reading};

/// All marks of one kind on one object, over a time.
#[derive(Clone)]
pub(super) struct Laid<'a> {
    pub(super) name: &'a str,
    pub(super) object: &'a str,
    pub(super) kind: &'a MarkKind,
    /// The rule; empty: people.
    by: &'a str,
    pub(super) validity: Validity,
    /// Whether it takes effect at all.
    counts: bool,
    /// Whether a rule sees that it is so.
    pub(super) seen: bool,
    silence: bool,
    on_code: bool,
    /// Whether a rule set it, and not people.
    by_rule: bool,
    /// Where it lies, without days that were closed when it came; in order and joined.
    pub(super) lies: Vec<Span>,
    /// Where it takes effect; in order and joined.
    pub(super) parts: Vec<Span>,
}

/// What must be the same for marks to be laid as one.
type Alike<'a> = (&'a str, &'a str, &'a str, Validity, [bool; 5]);

impl<'a> Laid<'a> {
    pub(super) fn of_mark(mark: &'a Mark, plan: &'a Plan, from: i64, to: i64) -> Option<Laid<'a>> {
        if mark.since.0 >= to || mark.until.is_some_and(|until| until.0 <= from) || mark.standing == Standing::Annulled
        {
            return None;
        }
        let kind = plan.marks.get(&mark.mark)?;
        // What a ruling took away, or came too late for, is no mark over that time; nor is one that the rules no longer have then.
        let (from, to) = (from.max(kind.dates.from), to.min(kind.dates.until));
        let lies = clipped(&mark.open_parts(), from, to);
        if lies.is_empty() {
            return None;
        }
        let by_rule = mark.said.is_none();
        Some(Laid {
            name: &kind.name,
            object: &mark.object,
            kind,
            by: if by_rule { &mark.by } else { "" },
            validity: mark.validity,
            counts: mark.standing.counts(),
            seen: matches!(mark.standing, Standing::Proposed | Standing::Confirmed),
            silence: mark.silence,
            on_code: mark.on_code,
            by_rule,
            lies,
            parts: mark.in_effect(from, to),
        })
    }

    fn of_track((track, spans): (&'a Track, Vec<Span>), plan: &'a Plan) -> Option<Laid<'a>> {
        let kind = plan.marks.get(&track.mark)?;
        let counts = track.standing.counts();
        Some(Laid {
            name: &kind.name,
            object: &track.object,
            kind,
            by: &track.by,
            validity: track.validity,
            counts,
            seen: !counts,
            silence: track.silence,
            on_code: track.on_code,
            by_rule: true,
            parts: if counts { spans.clone() } else { Vec::new() },
            lies: spans,
        })
    }

    fn alike(&self) -> Alike<'a> {
        let is = [self.counts, self.seen, self.silence, self.on_code, self.by_rule];
        (self.name, self.object, self.by, self.validity, is)
    }

    /// The part of it over `from..to`; `None`: there is none.
    fn over(&self, from: i64, to: i64) -> Option<Laid<'a>> {
        let to = if from == to { to + 1 } else { to };
        let lies = cut(&self.lies, from, to);
        (!lies.is_empty()).then(|| Laid { lies, parts: cut(&self.parts, from, to), ..self.bare() })
    }

    /// It without its time.
    fn bare(&self) -> Laid<'a> {
        Laid { lies: Vec::new(), parts: Vec::new(), ..*self }
    }

    /// Whether it takes effect over some of this time.
    pub(super) fn works(&self) -> bool {
        self.counts && !self.parts.is_empty()
    }

    /// Whether a rule set it, and not people.
    pub(super) const fn is_of_rule(&self) -> bool {
        self.by_rule
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
        let came = || self.silence && !reading.none && reading.text.parse::<f64>().is_ok();
        !(self.on_code && self.object != reading.code || came()) && plan.covers(self.kind, self.object, reading.code)
    }
}

/// Marks of one kind on one object as one.
fn merged(mut all: Vec<Laid<'_>>) -> Vec<Laid<'_>> {
    if all.len() < 2 {
        return all;
    }
    all.sort_by(|a, b| a.alike().cmp(&b.alike()));
    let mut some: Vec<Laid<'_>> = Vec::with_capacity(all.len());
    let mut several = false;
    for laid in all {
        match some.last_mut().filter(|last| last.alike() == laid.alike()) {
            Some(last) => {
                last.lies.extend(laid.lies);
                last.parts.extend(laid.parts);
                several = true;
            }
            None => some.push(laid),
        }
    }
    if several {
        some.iter_mut().for_each(|laid| (laid.lies, laid.parts) = (joined(&laid.lies), joined(&laid.parts)));
    }
    some
}

/// The part over `from..to` of what lies over a longer time.
pub(super) fn over_time<'a>(laid: &[Laid<'a>], from: i64, to: i64) -> Vec<Laid<'a>> {
    laid.iter().filter_map(|laid| laid.over(from, to)).collect()
}

/// What is asked of the marks over a reading.
#[derive(Clone, Copy)]
pub(super) struct Asking<'q> {
    /// Those of rules alone.
    pub(super) rules_only: bool,
    /// Rules that the reading itself says are not so.
    pub(super) cleared: &'q [&'q str],
    /// What it rests on, a bit each.
    pub(super) rests: u8,
    /// How it is with the condition of an exemption, by its number, in the period that begins then.
    pub(super) met: &'q dyn Fn(usize, i64) -> Met,
}

/// Every condition is met.
pub(super) fn kept(_: usize, _: i64) -> Met {
    Met::Kept
}

/// How it is with a condition in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    Kept,
    Broken,
    /// Its value is not there, cannot be used, or is not known yet.
    NotShown,
}

/// The time that marks take of one code.
#[derive(Debug, Default)]
pub(super) struct Over {
    pub(super) excluded: Vec<Span>,
    exempt: Vec<Span>,
    pub(super) conditional: Vec<Span>,
    pub(super) lost: Vec<Span>,
    worst: Option<Validity>,
}

impl Over {
    pub(super) fn add(&mut self, validity: Validity, parts: &[Span]) {
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
            _ => match plan.spare(rank, (from, length)) {
                None => self.worst.filter(|_| most(together(&self.lost))),
                Some((spare, whole)) => match self.fate(from, from + length, spare, whole) {
                    Fate::Good => None,
                    Fate::Lost => self.worst,
                    Fate::Short | Fate::Doubtful => Some(Validity::Conditional),
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
        let (spare, whole) = plan.spare(2, (from, HOUR)).unwrap_or((HOUR / 4, false));
        let (mut lost, mut out) = (0, 0);
        for hour in (0..24).map(|n| from + n * HOUR) {
            if together(&clipped(&self.excluded, hour, hour + HOUR)) >= HOUR / 4 * 3 {
                out += 1;
                continue;
            }
            match self.fate(hour, hour + HOUR, spare, whole) {
                Fate::Good => {}
                Fate::Lost => lost += 1,
                Fate::Short | Fate::Doubtful => out += 1,
            }
        }
        let needed = plan.period(3, from).and_then(|period| period.mean.as_ref()).map(|mean| mean.needed);
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
    /// There is enough only with what people must rule about.
    Doubtful,
}

impl Plan {
    /// Adds the time that one mark takes of a code; `all`: what lies beside it.
    pub(super) fn over_one(
        &self,
        mark: &Laid<'_>,
        all: &[Laid<'_>],
        code: &str,
        met: &dyn Fn(usize, i64) -> Met,
        over: &mut Over,
    ) {
        if !mark.validity.needs_confirmation() {
            over.add(mark.validity, &mark.parts);
            return;
        }
        let (parts, unsure) = self.required(mark, code, met);
        over.add(Validity::Conditional, &unsure);
        if parts.is_empty() {
            return;
        }
        if mark.kind.dimension == Dimension::Condition && self.shares(mark.object, code) {
            let (working, waiting) = self.share(all, (mark.object, mark.validity), code, &parts);
            over.add(mark.validity, &working);
            over.add(Validity::Conditional, &waiting);
        } else {
            over.add(mark.validity, &parts);
        }
    }
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
        let to = if from == to { to + 1 } else { to };
        let marks = self.held.values().chain(self.memory.entries_from(from));
        let marks = marks.filter_map(|mark| Laid::of_mark(mark, plan, from, to));
        let tracks = self.memory.spans(from, to).into_iter().filter_map(|track| Laid::of_track(track, plan));
        merged(marks.chain(tracks).collect())
    }

    /// The time that `laid` take of a code.
    pub(super) fn over_code(&self, plan: &Plan, laid: &[Laid<'_>], reading: &Reading<'_>, asking: Asking<'_>) -> Over {
        let mut over = Over::default();
        for mark in laid.iter().filter(|mark| mark.works() && (mark.by_rule || !asking.rules_only)) {
            if !mark.is_about(plan, reading, asking.cleared) {
                continue;
            }
            plan.over_one(mark, laid, reading.code, asking.met, &mut over);
        }
        if asking.rests != 0 {
            self.rests_over(plan, laid, asking, &mut over);
        }
        over
    }

    /// Adds to the judgements of a report the marks that hold or held over its readings.
    pub(super) fn cover(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut MarkVerdict) {
        let length = self.length_of(rank).filter(|_| rank > 0).unwrap_or(1);
        self.keep_letters(plan, seen, (rank, now, length));
        let mut bases = std::mem::take(&mut self.scratch.bases);
        let mut owns = std::mem::take(&mut self.scratch.owns);
        bases.clear();
        bases.extend(out.readings.iter().map(|judged| judged.validity));
        owns.clear();
        owns.extend(out.readings.iter().map(|judged| judged.own));
        if !(self.held.is_empty() && self.memory.is_empty()) {
            let laid = self.laid(plan, now, now + length);
            if !laid.is_empty() {
                self.lay(plan, seen, (rank, now, length), &laid, &mut bases, out);
            }
        }
        let mut counts = std::mem::take(&mut self.scratch.counts);
        counts.clone_from(&owns);
        self.bases(plan, seen, (rank, now, length), (&mut bases, &mut counts), out);
        let of_each = seen.readings.iter().zip(&mut out.readings).zip(bases.iter_mut().zip(&mut counts));
        for ((reading, judged), (base, count)) in of_each {
            if reading.none {
                judged.validity = judged.validity.map(Validity::of_nothing);
                *base = base.map(Validity::of_nothing);
                *count = count.map(Validity::of_nothing);
            }
        }
        self.scratch.counts = counts;
        (self.scratch.bases, self.scratch.owns) = (bases, owns);
        if rank == 0 && !plan.requires.is_empty() {
            self.require_now(plan, seen, now, out);
        }
    }

    /// Letters that propose stand beside the readings of coarser periods too: the time that they take is remembered like that of rules.
    fn keep_letters(&mut self, plan: &Plan, seen: &Observation<'_>, (rank, now, length): (u8, i64, i64)) {
        if self.scratch.proposes.is_empty() || self.scratch.future {
            return;
        }
        for (place, name) in std::mem::take(&mut self.scratch.proposes) {
            let Some(reading) = seen.readings.get(usize::from(place)) else { continue };
            let Some(kind) = plan.marks.get(&name) else { continue };
            let slot = self.index.get(reading.code).and_then(|at| self.slots.get(usize::from(*at)));
            let step = slot.and_then(|slot| slot.tallies.first()?.step());
            let long = if rank == 0 { step.unwrap_or(length) } else { length };
            let track = Track {
                mark: kind.name.clone(),
                object: reading.code.to_owned(),
                by: LETTER.to_owned(),
                validity: Validity::Conditional,
                standing: Standing::Proposed,
                silence: false,
                on_code: true,
            };
            let clock = self.now;
            self.memory.keep_span(&track, (now, now + long), clock);
        }
    }

    fn lay(
        &self,
        plan: &Plan,
        seen: &Observation<'_>,
        (rank, now, length): (u8, i64, i64),
        laid: &[Laid<'_>],
        bases: &mut [Option<Validity>],
        out: &mut MarkVerdict,
    ) {
        let people = laid.iter().any(|mark| !mark.by_rule);
        for (at, ((reading, judged), base)) in seen.readings.iter().zip(&mut out.readings).zip(bases).enumerate() {
            let cleared = self.cleared_at(plan, at);
            for mark in laid.iter().filter(|mark| mark.is_about(plan, reading, &cleared)) {
                let list = if mark.counts { &mut judged.marks } else { &mut judged.proposed };
                if !list.iter().any(|name| name == mark.name) {
                    list.push(mark.name.to_owned());
                }
            }
            // How it is with the conditions of exemptions is asked when all of the report is known ([`super::require`]).
            let asking = Asking { rules_only: false, cleared: &cleared, rests: 0, met: &kept };
            let over = self.over_code(plan, laid, reading, asking);
            judged.validity = judged.validity.max(over.worth(plan, rank, now, length));
            let rules =
                if people { self.over_code(plan, laid, reading, Asking { rules_only: true, ..asking }) } else { over };
            *base = (*base).max(rules.worth(plan, rank, now, length));
            judged.marks.sort_unstable();
            judged.marks.dedup();
            judged.proposed.retain(|name| !judged.marks.contains(name));
            judged.proposed.sort_unstable();
        }
    }

    /// The rules that the reading at this place says are not so.
    pub(super) fn cleared_at<'p>(&self, plan: &'p Plan, at: usize) -> Vec<&'p str> {
        let own = self.scratch.cleared.iter().filter(|(place, _)| usize::from(*place) == at);
        own.filter_map(|(_, number)| Some(plan.factor_rules.get(usize::from(*number))?.rule.name.as_str())).collect()
    }
}

/// What stands for the rule where a letter itself proposes.
const LETTER: &str = "letter";
