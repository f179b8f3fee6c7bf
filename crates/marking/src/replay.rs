//! What rules over several values, and conflicts, come to over a time that has passed: the rules themselves, run over what is remembered of the
//! values ([`super::past`]).
//!
//! Each stretch is heard at its first value, the one after it, and its last; between them no answer changes, so that no more need be heard.
//! What must stay true: nothing but the stretches, and what was known when they begin, has a say; a condition is evaluated by the same code
//! as when values come in order ([`super::condition`]).

use std::collections::BTreeMap;

use super::expr::{Expr, HOUR, SECOND, Test};
use super::mark::Input;
use super::plan::{Armed, Plan, Sig};
use super::spans::Span;
use super::state::*;
use super::verdict::{HOLD_GAP_MAX, Reading};

/// Rules are run from so long before a value that came late: longer than any of them looks back, equal values aside, whose run is known.
pub(super) const LOOK_BACK: i64 = 6 * HOUR;
/// How often a trend is looked at, at least.
const TREND_LOOKS: i64 = 300 * SECOND;
/// The moments that are looked at for one late report at most.
const MOMENTS_MAX: usize = 4096;

/// A rule on an object, or a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Of the plan's rules on factors this one, on the code that stands there.
    Factor(u16, u16),
    /// This one of the plan's other rules.
    Area(u16),
    /// This conflict.
    Watch(u16),
}

/// What a rule came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RuleCourse {
    pub(super) hold: Hold,
    /// Since when it holds, if it does in the end.
    pub(super) open: Option<i64>,
    pub(super) spans: Vec<Span>,
    /// What was seen when it began, by that time.
    pub(super) inputs: BTreeMap<i64, Vec<Input>>,
    /// Of a conflict: when its condition held, and what was found without any mark: since when, at what time.
    pub(super) guard: Guard,
    pub(super) found: Vec<(i64, i64)>,
}

impl RuleCourse {
    /// The time it took; what holds in the end has none.
    pub(super) fn time(&self) -> Vec<Span> {
        self.spans.iter().copied().chain(self.open.map(|since| (since, i64::MAX))).collect()
    }

    fn turn(&mut self, turn: Turn, inputs: impl FnOnce() -> Vec<Input>) {
        match turn {
            Turn::Stays => {}
            Turn::Begins(since) => {
                self.open = Some(since);
                self.inputs.insert(since, inputs());
            }
            Turn::Ends(at) | Turn::Lapses(at) => self.spans.extend(self.open.take().map(|since| (since, at))),
        }
    }
}

/// Since when a code's value was the same, since when it was zero, and its trend.
pub(super) type ValueRun = (i64, Option<i64>, Vec<(i64, f64)>);

/// What all of them came to.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) courses: BTreeMap<Concern, RuleCourse>,
    /// Since when each code's value was the same, and zero; and its trend.
    pub(super) runs: BTreeMap<u16, ValueRun>,
}

/// The signals that a rule looks at.
pub(super) fn signals(armed: &Armed) -> impl Iterator<Item = Sig> {
    signals_of(Some(&armed.when)).chain(signals_of(armed.until.as_ref()))
}

pub(super) fn signals_of(condition: Option<&Expr<Sig>>) -> impl Iterator<Item = Sig> {
    let tests = condition.map(Expr::tests).unwrap_or_default();
    tests.into_iter().filter_map(|test| test.of().copied()).collect::<Vec<_>>().into_iter()
}

impl Marks {
    /// The places of the codes that a rule or conflict looks at.
    pub(super) fn looked_at(&self, plan: &Plan, concern: Concern) -> Vec<u16> {
        let (signals, own): (Vec<Sig>, Option<u16>) = match concern {
            Concern::Factor(number, place) => {
                let armed = plan.factor_rules.get(usize::from(number));
                (armed.into_iter().flat_map(signals).collect(), Some(place))
            }
            Concern::Area(number) => {
                let armed = plan.area_rules.get(usize::from(number));
                let own = armed.and_then(|armed| self.places.get(usize::from(armed.own?)).copied());
                (armed.into_iter().flat_map(signals).collect(), own)
            }
            Concern::Watch(number) => {
                let watch = plan.watches.get(usize::from(number));
                (signals_of(watch.and_then(|watch| watch.against.as_ref())).collect(), None)
            }
        };
        let of_own = |at: u16| {
            let state = plan.codes.get(usize::from(at))?;
            let code = &self.slots.get(usize::from(own?))?.code;
            self.index.get(&format!("{state}@{code}")).copied()
        };
        let place = |sig: Sig| match sig {
            Sig::Own => own,
            Sig::Code(at) => self.places.get(usize::from(at)).copied().filter(|place| *place != u16::MAX),
            Sig::OfOwn(at) => of_own(at),
        };
        let mut places: Vec<u16> = signals.into_iter().filter_map(place).chain(own).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Runs these rules and conflicts over what is remembered since `start`; `None`: that is more than [`MOMENTS_MAX`].
    pub(super) fn replay(&self, plan: &Plan, concerns: &[Concern], start: i64) -> Option<Replayed> {
        let mut places: Vec<u16> = concerns.iter().flat_map(|concern| self.looked_at(plan, *concern)).collect();
        places.sort_unstable();
        places.dedup();
        let mut replayed = Replayed::default();
        for concern in concerns {
            replayed.courses.insert(*concern, self.course_at(plan, *concern, start));
        }
        let mut then = self.as_of(&places, start);
        let trends =
            concerns.iter().any(|concern| self.armed(plan, *concern).is_some_and(|(armed, _)| armed.looks_at_trends()));
        for moment in self.moments(&places, start, trends)? {
            self.hear(plan, &mut then, (&places, moment), &mut replayed);
        }
        for place in places {
            let Some(slot) = then.slots.get(usize::from(place)) else { continue };
            replayed.runs.insert(place, (slot.same_since, slot.zero_since, slot.trend.clone()));
        }
        Some(replayed)
    }

    /// What is known of a rule at a moment: whether it held then.
    fn course_at(&self, plan: &Plan, concern: Concern, at: i64) -> RuleCourse {
        let Some((armed, object)) = self.armed(plan, concern) else { return RuleCourse::default() };
        let held = self.held.get(&armed.key_on(object)).is_some_and(|mark| mark.since.0 <= at);
        let active = held || self.memory.holds(&armed.track_on(object), (at, at + 1));
        RuleCourse { hold: Hold { active, ..Hold::default() }, open: active.then_some(at), ..RuleCourse::default() }
    }

    /// The rule, and the object that it is about here.
    pub(super) fn armed<'p>(&'p self, plan: &'p Plan, concern: Concern) -> Option<(&'p Armed, &'p str)> {
        match concern {
            Concern::Factor(number, place) => {
                let code = self.slots.get(usize::from(place))?.code.as_str();
                Some((plan.factor_rules.get(usize::from(number))?, code))
            }
            Concern::Area(number) => {
                plan.area_rules.get(usize::from(number)).map(|armed| (armed, armed.object.as_str()))
            }
            Concern::Watch(_) => None,
        }
    }

    /// A station of which nothing is known but what these codes said up to `start`.
    fn as_of(&self, places: &[u16], start: i64) -> Marks {
        let mut then = Marks {
            index: self.index.clone(),
            places: self.places.clone(),
            stated: self.stated,
            now: start,
            heard: start,
            ..Marks::default()
        };
        then.slots = (0..)
            .zip(&self.slots)
            .map(|(place, slot): (u16, &Slot)| match places.binary_search(&place) {
                Ok(_) => Slot {
                    code: slot.code.clone(),
                    place,
                    rank: slot.rank,
                    range: slot.range,
                    trended: slot.trended,
                    ..Slot::default()
                },
                Err(_) => Slot::default(),
            })
            .collect();
        for place in places {
            let Some((slot, own)) = then.slots.get_mut(usize::from(*place)).zip(self.slots.get(usize::from(*place)))
            else {
                continue;
            };
            let apart = slot.stale_after();
            for stretch in own.past.stretches().iter().filter(|known| known.from < start) {
                own.say(slot, stretch.from);
                own.say(slot, stretch.to.min(start));
            }
            if let Some((same, zero)) = own.past.runs(start - 1, apart).filter(|_| slot.at != 0) {
                (slot.same_since, slot.zero_since) =
                    (same, zero.or(slot.zero_since).filter(|_| slot.zero_since.is_some()));
            }
        }
        then
    }

    /// When something can become another thing.
    fn moments(&self, places: &[u16], start: i64, trends: bool) -> Option<Vec<i64>> {
        let mut moments = Vec::new();
        for slot in places.iter().filter_map(|place| self.slots.get(usize::from(*place))) {
            for known in slot.past.stretches().iter().filter(|known| known.to >= start) {
                let (step, (head, tail)) = (slot.past.step(), known.turns());
                let turns = [known.from, known.from + step, head, head + step, tail, known.to];
                moments.extend(turns.map(|at| at.min(known.to)));
                // A hold does not run over a gap, and a stretch has none; a trend is looked at every five minutes.
                let fill = if trends && slot.trended { TREND_LOOKS } else { HOLD_GAP_MAX };
                let fill = (fill / step.max(1)).max(1) * step.max(1);
                let mut at = known.from + ((start - known.from).max(0) + fill - 1) / fill * fill;
                while at < known.to {
                    if moments.len() >= MOMENTS_MAX {
                        return None;
                    }
                    moments.push(at);
                    at += fill;
                }
            }
        }
        moments.retain(|at| *at >= start);
        moments.sort_unstable();
        moments.dedup();
        Some(moments)
    }

    /// What is said at a moment.
    fn hear(&self, plan: &Plan, then: &mut Marks, (places, at): (&[u16], i64), replayed: &mut Replayed) {
        let gap = at - then.now > HOLD_GAP_MAX;
        let mut heard = Vec::new();
        for place in places {
            let Some(own) = self.slots.get(usize::from(*place)) else { continue };
            let Some(slot) = then.slots.get_mut(usize::from(*place)) else { continue };
            let apart = slot.at != 0 && at - slot.at > HOLD_GAP_MAX;
            if own.past.over(at).is_none() {
                continue;
            }
            own.say(slot, at);
            heard.push((*place, apart));
        }
        for (place, apart) in heard {
            let of_it = |concern: &Concern| matches!(concern, Concern::Factor(_, on) if *on == place);
            for (concern, course) in replayed.courses.iter_mut().filter(|(concern, _)| of_it(concern)) {
                let Concern::Factor(number, _) = *concern else { continue };
                let Some(armed) = plan.factor_rules.get(usize::from(number)) else { continue };
                let Some(subject) = then.slots.get(usize::from(place)) else { continue };
                let when = if armed.rule.dates.hold(at) { then.eval(&armed.when, Some(subject)) } else { Some(false) };
                let until = then.until(armed, when, subject);
                step(course, then, (plan, armed, &subject.code), (when, until), (at, apart, Some(subject)));
            }
        }
        then.now = at;
        then.heard = at;
        for (concern, course) in &mut replayed.courses {
            match *concern {
                Concern::Factor(..) => {}
                Concern::Area(number) => {
                    let Some(armed) = plan.area_rules.get(usize::from(number)) else { continue };
                    let (when, until, own) = then.area(armed, at);
                    step(course, then, (plan, armed, &armed.object), (when, until), (at, gap, own));
                }
                Concern::Watch(number) => {
                    let Some(watch) = plan.watches.get(usize::from(number)) else { continue };
                    let against = watch.against.as_ref().and_then(|against| then.eval(against, None));
                    course.guard.note(against, at);
                    let is = against == Some(true) && watch.conflict.dates.hold(at);
                    let turn = course.guard.hold.step(Some(is), Some(!is), at, (watch.conflict.after, 0));
                    if let Turn::Begins(since) = turn {
                        course.found.push((since, at));
                        course.inputs.insert(since, then.numbers(then.inputs_by(plan, watch.against.as_ref())));
                    }
                }
            }
        }
    }

    /// What was seen, by the numbers that are remembered.
    fn numbers(&self, mut inputs: Vec<Input>) -> Vec<Input> {
        for input in &mut inputs {
            let slot = self.index.get(&input.code).and_then(|at| self.slots.get(usize::from(*at)));
            if let Some(value) = slot.and_then(|slot| slot.value) {
                input.value = value.to_string();
            }
        }
        inputs
    }

    /// What the states of instruments were then: places and values.
    pub(super) fn states_at(&self, at: i64) -> Vec<Slot> {
        let states = self.slots.iter().filter(|slot| slot.code.contains('@'));
        let then = |slot: &Slot| {
            let mut then = Slot { code: slot.code.clone(), place: slot.place, rank: slot.rank, ..Slot::default() };
            if let Some((_, last)) = slot.past.by(at) {
                slot.say(&mut then, last);
            }
            if let Some(value) = then.value {
                then.text = value.to_string();
            }
            then
        };
        states.map(then).collect()
    }
}

impl Slot {
    /// Lets another one, of another time, hear what this one heard at `at`.
    fn say(&self, then: &mut Slot, at: i64) {
        let Some(stretch) = self.past.over(at) else { return };
        let (text, flag) = (self.past.text(stretch, at), self.past.words(stretch).0);
        let reading =
            Reading { code: &self.code, text: &text, judged: None, none: false, doubtful: false, flag: Some(flag) };
        then.take(stretch.value, &reading, at, at);
    }
}

impl Armed {
    /// Whether it asks how something rises or falls.
    pub(super) fn looks_at_trends(&self) -> bool {
        let until = self.until.iter().flat_map(Expr::tests);
        self.when.tests().into_iter().chain(until).any(|test| matches!(test, Test::Rising(..) | Test::Falling(..)))
    }
}

/// A step of a rule, as when values come in order.
fn step(
    course: &mut RuleCourse,
    then: &Marks,
    (plan, armed, object): (&Plan, &Armed, &str),
    (when, until): (Option<bool>, Option<bool>),
    (at, gap, subject): (i64, bool, Option<&Slot>),
) {
    if gap && !course.hold.active {
        course.hold.since = None;
    }
    let until = if course.hold.active { until } else { None };
    let mut turn = course.hold.step(when, until, at, (armed.rule.begin_after, armed.rule.end_after));
    let first = subject.and_then(|subject| subject.first_equal(&armed.when));
    if let (Turn::Begins(_), Some(first)) = (turn, first) {
        turn = Turn::Begins(first);
    }
    course.turn(turn, || then.numbers(then.inputs(plan, armed, object)));
}
