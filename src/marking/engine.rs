//! Reports in, judgements and happenings out.
//!
//! Holds are measured in data time; silence and missing values in time of arrival. A report that is older than what is known of a code, or of
//! a coarser kind than the finest it comes in, is judged but drives nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::calendar;
use super::expr::{Expr, SECOND, Test};
use super::plan::{Armed, Plan, Sig, letter};
use super::rules::*;
use super::state::*;
use crate::message::kind::Span;
use crate::message::{Kind, Timestamp};

/// Values further apart than this do not belong to one hold.
const HOLD_GAP_MAX: i64 = 2 * 3600 * SECOND;
/// A data time may be so much later than its arrival and still count.
const AHEAD_MAX: i64 = 300 * SECOND;
/// A kind of data that is silent for so long no longer drives its code.
const RANK_KEPT: i64 = 24 * 3600 * SECOND;
/// How often silence, limits and ends are looked at when nothing else happens.
pub const SWEEP: i64 = 60 * SECOND;
/// Longer codes are judged by their own flags only.
const CODE_BYTES_MAX: usize = 48;
/// How far before a mark's begin an exceedance counts as its neighbour.
const BEFORE: i64 = 3600 * SECOND;

/// One value of a report.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The canonical code.
    pub code: &'a str,
    /// The value that rules compare: of sampled data Rtd, of periods Avg; verbatim.
    pub text: &'a str,
    /// The station's mark of the item; `None`: it said none.
    pub flag: Option<&'a str>,
}

/// One report of a station.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// When it came.
    pub at: Timestamp,
    /// Its data time, if it has one.
    pub data: Option<Timestamp>,
    /// What it is.
    pub kind: Kind,
    /// Its values.
    pub readings: &'a [Reading<'a>],
}

/// What the marks make of one reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// By the rules on the reading alone: what its own flag and value say.
    pub own: Option<Validity>,
    /// `None`: nothing is known of it.
    pub validity: Option<Validity>,
    /// The marks on it, `set:id`, without proposals.
    pub marks: Vec<String>,
    /// Marks that are only proposed.
    pub proposed: Vec<String>,
    /// For periods: what finer values say.
    pub recomputed: Option<Box<Recomputed>>,
}

/// A period's validity by its finer values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recomputed {
    /// The result.
    pub valid: bool,
    /// Usable finer values.
    pub good: u32,
    /// Finer values that came.
    pub seen: u32,
    /// Finer values that were due.
    pub expected: u32,
    /// What was needed, as the rule says it.
    pub needed: Arc<str>,
    /// The clause.
    pub clause: Arc<str>,
}

/// Something to be published as an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// `mark-begin`, `mark-end`, `mark-proposed`, `mark-confirmed`, `mark-withdrawn`, `mark-conflict`, `limit-near`, `limit-spent`,
    /// `flag-differs`
    pub kind: &'static str,
    /// When, by the data.
    pub at: Timestamp,
    /// The mark, as it is now.
    pub mark: Option<Mark>,
    /// What else there is to say.
    pub detail: Value,
}

/// What a report, a tick or an entry gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// One for each reading of the observation.
    pub readings: Vec<Judged>,
    /// In the order in which they happened.
    pub happenings: Vec<Happening>,
}

impl Verdict {
    pub(super) fn clear(&mut self) {
        self.readings.clear();
        self.happenings.clear();
    }

    pub(super) fn add(&mut self, kind: &'static str, at: i64, mark: Option<Mark>, detail: Value) {
        self.happenings.push(Happening { kind, at: Timestamp(at), mark, detail });
    }
}

/// The level of a kind: 0 sampled, 1 minutes, 2 hours, 3 days.
fn rank(kind: Kind) -> u8 {
    match kind.span() {
        Span::Instant | Span::Timeless => 0,
        Span::Minute | Span::FiveMinutes => 1,
        Span::Hour => 2,
        Span::Day => 3,
    }
}

/// Length of the period and of its units, µs, and the period's name; of sampled data nothing.
fn span_of(rank: u8) -> Option<(i64, i64, &'static str)> {
    match rank {
        1 => Some((60 * SECOND, SECOND, "minute")),
        2 => Some((3600 * SECOND, 60 * SECOND, "hour")),
        3 => Some((86_400 * SECOND, 3600 * SECOND, "day")),
        _ => None,
    }
}

impl Marks {
    /// Puts the rules of `plan` in force. What is the same in both goes on; marks of rules that are gone end.
    pub fn install(&mut self, plan: &Plan, out: &mut Verdict) {
        let keys: Vec<String> = plan.factor_rules.iter().map(|armed| armed.key.clone()).collect();
        if keys != self.factor_keys {
            let from: Vec<Option<usize>> =
                keys.iter().map(|key| self.factor_keys.iter().position(|k| k == key)).collect();
            for slot in &mut self.slots {
                let before = std::mem::take(&mut slot.holds);
                slot.holds =
                    from.iter().map(|at| at.and_then(|at| before.get(at)).copied().unwrap_or_default()).collect();
            }
            self.factor_keys = keys;
        }
        let carry = |before: &[(String, Hold)], key: &String| {
            (key.clone(), before.iter().find(|(known, _)| known == key).map_or_else(Hold::default, |(_, hold)| *hold))
        };
        self.areas = plan.area_rules.iter().map(|armed| carry(&self.areas, &armed.key)).collect();
        self.conflicts = plan.watches.iter().map(|watch| carry(&self.conflicts, &watch.key)).collect();
        self.places = plan.codes.iter().map(|code| self.slot_of(code).unwrap_or(u16::MAX)).collect();
        for slot in &mut self.slots {
            dress(slot, plan);
        }
        let lives = |mark: &Mark| {
            mark.said.is_some()
                || plan
                    .factor_rules
                    .iter()
                    .chain(&plan.area_rules)
                    .any(|armed| armed.rule.name == mark.by && armed.rule.version == mark.version)
        };
        let gone: Vec<_> = self.held.iter().filter(|(_, mark)| !lives(mark)).map(|(key, _)| key.clone()).collect();
        let now = self.now;
        for key in gone {
            self.end(&key, now, json!({ "reason": "rule-changed" }), out);
        }
    }

    pub(super) fn slot_of(&mut self, code: &str) -> Option<u16> {
        let next = self.last.wrapping_add(1);
        if self.slots.get(usize::from(next)).is_some_and(|slot| slot.code == code) {
            self.last = next;
            return Some(next);
        }
        if let Some(at) = self.index.get(code) {
            self.last = *at;
            return Some(*at);
        }
        if code.is_empty() || code.len() > CODE_BYTES_MAX {
            return None;
        }
        let at = u16::try_from(self.slots.len()).ok().filter(|at| usize::from(*at) < CODES_MAX)?;
        let holds = vec![Hold::default(); self.factor_keys.len()];
        self.slots.push(Slot { code: code.to_owned(), rank: 3, holds, ..Slot::default() });
        self.index.insert(code.to_owned(), at);
        self.stated |= code.contains('@');
        Some(at)
    }

    /// Judges a report and takes what it says.
    pub fn observe(&mut self, plan: &Plan, seen: &Observation<'_>, out: &mut Verdict) {
        out.clear();
        self.heard = self.heard.max(seen.at.0);
        let data = seen.data.map(|data| data.0).filter(|data| *data <= seen.at.0 + AHEAD_MAX);
        let now = data.unwrap_or(seen.at.0);
        let rank = rank(seen.kind);
        let mut drives = false;
        for reading in seen.readings {
            let judged = self.read(plan, reading, rank, now, seen.at.0, &mut drives, out);
            out.readings.push(judged);
        }
        if drives && now >= self.now {
            let gap = now - self.now > HOLD_GAP_MAX;
            self.now = now;
            self.areas(plan, now, gap, false, out);
            self.watch(plan, now, out);
        } else {
            // Whatever came, silence is over.
            self.areas(plan, seen.at.0, false, true, out);
        }
        for (at, reading) in seen.readings.iter().enumerate() {
            if let Some(judged) = out.readings.get_mut(at) {
                self.cover(plan, reading, rank, now, judged);
            }
        }
        self.periods(plan, seen, rank, now, out);
        self.sweep(plan, seen.at.0, out);
    }

    /// Takes one value and runs the rules on factors over it.
    #[allow(clippy::too_many_arguments, reason = "one value with all that surrounds it")]
    fn read(
        &mut self,
        plan: &Plan,
        reading: &Reading<'_>,
        rank: u8,
        now: i64,
        at: i64,
        drives: &mut bool,
        out: &mut Verdict,
    ) -> Judged {
        let mut judged = Judged::default();
        let known = self.index.len();
        let place = self.slot_of(reading.code);
        let value = reading.text.parse::<f64>().ok().filter(|value| value.is_finite());
        let flag = reading.flag.unwrap_or_default();
        let home = place.map(usize::from);
        let (mut holds, mut gap) = (Vec::new(), false);
        // What is judged only is judged on a copy that is thrown away.
        let mut passing = None;
        match home.and_then(|home| self.slots.get_mut(home)) {
            Some(slot) => {
                if self.index.len() > known {
                    dress(slot, plan);
                }
                let finer = rank <= slot.rank || now - slot.at > RANK_KEPT;
                if finer && now >= slot.at {
                    gap = slot.at != 0 && now - slot.at > HOLD_GAP_MAX;
                    slot.rank = rank;
                    slot.take(value, reading.text, flag, now, at);
                    *drives = true;
                    holds = std::mem::take(&mut slot.holds);
                } else {
                    let rules = slot.rules.clone();
                    let (code, range, limit) = (slot.code.clone(), slot.range, slot.limit);
                    passing = Some(Slot { code, range, limit, rules, ..Slot::default() });
                }
            }
            None => {
                let mut slot = Slot { code: reading.code.to_owned(), ..Slot::default() };
                dress(&mut slot, plan);
                passing = Some(slot);
            }
        }
        if let Some(passing) = &mut passing {
            passing.take(value, reading.text, flag, now, at);
        }
        let driving = passing.is_none();
        let mut turns = Vec::new();
        let letter = letter(flag);
        let Some(subject) = passing.as_ref().or_else(|| self.slots.get(home?)) else { return judged };
        for number in subject.rules.iter().map(|number| usize::from(*number)) {
            let Some(armed) = plan.factor_rules.get(number) else { continue };
            let idle = holds.get(number).is_none_or(|hold: &Hold| !hold.active && hold.since.is_none());
            if armed.letters != 0 && armed.letters & letter == 0 && idle {
                continue;
            }
            let when = self.eval(&armed.when, Some(subject));
            if armed.kind.normal {
                if when == Some(true) {
                    judged.validity = judged.validity.max(Some(armed.kind.validity));
                }
                continue;
            }
            let Some(hold) = holds.get_mut(number).filter(|_| driving) else {
                if when == Some(true) && armed.rule.begin_after == 0 && armed.rule.effect == Effect::Apply {
                    judged.validity = judged.validity.max(Some(armed.kind.validity));
                    judged.marks.push(armed.kind.name.clone());
                }
                continue;
            };
            if gap {
                hold.since = None;
            }
            if !hold.active && when != Some(true) && hold.since.is_none() {
                continue;
            }
            let until = if hold.active { self.until(armed, when, subject) } else { None };
            match hold.step(when, until, now, (armed.rule.begin_after, armed.rule.end_after)) {
                Turn::Stays => {}
                turn @ (Turn::Begins(_) | Turn::Ends(_)) => turns.push((number, turn)),
            }
        }
        if let Some(slot) = home.filter(|_| driving).and_then(|home| self.slots.get_mut(home)) {
            slot.holds = holds;
        }
        if let Some((set, validity)) =
            plan.other_flags.as_ref().filter(|_| !flag.is_empty() && !plan.known_flags.contains(flag))
        {
            judged.validity = judged.validity.max(Some(*validity));
            judged.marks.push(format!("{set}:{flag}"));
        }
        judged.own = judged.validity;
        for (number, turn) in turns {
            if let Some(armed) = plan.factor_rules.get(number) {
                self.turn(plan, armed, reading.code, turn, out);
            }
        }
        judged
    }

    fn until(&self, armed: &Armed, when: Option<bool>, own: &Slot) -> Option<bool> {
        match &armed.until {
            None => when.map(|when| !when),
            Some(until) => self.eval(until, Some(own)),
        }
    }

    /// Three-valued: `None` where a value is not known.
    fn eval(&self, condition: &Expr<Sig>, own: Option<&Slot>) -> Option<bool> {
        match condition {
            Expr::Test(test) => self.test(test, own),
            Expr::Not(part) => self.eval(part, own).map(|is| !is),
            Expr::All(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match self.eval(part, own) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => all = None,
                    }
                }
                all
            }
            Expr::Any(parts) => {
                let mut any = Some(false);
                for part in parts {
                    match self.eval(part, own) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => any = None,
                    }
                }
                any
            }
        }
    }

    fn look<'s>(&'s self, sig: Sig, own: Option<&'s Slot>) -> Option<&'s Slot> {
        let slot = match sig {
            Sig::Own => own?,
            Sig::Code(at) => self.slots.get(usize::from(*self.places.get(usize::from(at))?))?,
            Sig::OfOwn(at) => {
                if !self.stated {
                    return None;
                }
                let state = self.slots.get(usize::from(*self.places.get(usize::from(at))?))?;
                let of = format!("{}@{}", state.code, own?.code);
                self.slots.get(usize::from(*self.index.get(&of)?))?
            }
        };
        (slot.at != 0).then_some(slot)
    }

    fn test(&self, test: &Test<Sig>, own: Option<&Slot>) -> Option<bool> {
        match test {
            // A state that was never said is not that state.
            Test::Compare(sig @ Sig::OfOwn(_), op, number) => {
                Some(self.look(*sig, own).and_then(|slot| slot.compare(*op, *number)).unwrap_or(false))
            }
            Test::Compare(sig, op, number) => self.look(*sig, own)?.compare(*op, *number),
            Test::Flag(sig, letters) => {
                let slot = self.look(*sig, own)?;
                (!slot.flag.is_empty()).then(|| letters.contains(&slot.flag))
            }
            Test::Says(sig, texts) => self.look(*sig, own).map(|slot| texts.contains(&slot.text)),
            Test::Over(sig) => {
                let slot = self.look(*sig, own)?;
                Some(slot.value? > slot.range?.1)
            }
            Test::Under(sig) => {
                let slot = self.look(*sig, own)?;
                Some(slot.value? < slot.range?.0)
            }
            Test::Constant(sig, hold) => {
                let slot = self.look(*sig, own)?;
                Some(slot.value.is_some() && slot.at - slot.same_since >= *hold)
            }
            Test::Zero(sig, hold) => {
                let slot = self.look(*sig, own)?;
                Some(slot.zero_since.is_some_and(|since| slot.at - since >= *hold))
            }
            Test::Missing(sig, hold) => {
                let slot = self.look(*sig, own)?;
                Some(slot.heard != 0 && self.swept.max(self.heard) - slot.heard >= *hold)
            }
            Test::Silent(hold) => Some(self.swept != 0 && self.silence() >= *hold),
            Test::Rising(sig, by, over) => Some(self.look(*sig, own)?.change(*over)? >= *by),
            Test::Falling(sig, by, over) => Some(self.look(*sig, own)?.change(*over)? <= -*by),
        }
    }

    /// How long nothing was heard, at the time of the last sweep.
    fn silence(&self) -> i64 {
        self.swept.max(self.heard) - self.heard
    }

    fn areas(&mut self, plan: &Plan, now: i64, gap: bool, silent: bool, out: &mut Verdict) {
        for (number, armed) in plan.area_rules.iter().enumerate() {
            if silent && !armed.of_silence {
                continue;
            }
            let own = armed.own.and_then(|own| self.look(Sig::Code(own), None));
            let when = self.eval(&armed.when, own);
            let until = match &armed.until {
                None => when.map(|when| !when),
                Some(until) => self.eval(until, own),
            };
            let Some((_, hold)) = self.areas.get_mut(number) else { continue };
            if gap {
                hold.since = None;
            }
            let mut turn = hold.step(when, until, now, (armed.rule.begin_after, armed.rule.end_after));
            if silent && matches!(turn, Turn::Begins(_)) {
                // Silence began with the last thing heard.
                turn = Turn::Begins(self.heard);
            }
            if turn != Turn::Stays {
                self.turn(plan, armed, &armed.object, turn, out);
            }
        }
    }

    fn turn(&mut self, plan: &Plan, armed: &Armed, object: &str, turn: Turn, out: &mut Verdict) {
        let key = (armed.kind.name.clone(), object.to_owned(), armed.rule.name.clone());
        match turn {
            Turn::Stays => {}
            Turn::Ends(at) => self.end(&key, at, Value::Null, out),
            Turn::Begins(since) => {
                let mut mark = Mark {
                    mark: armed.kind.name.clone(),
                    object: object.to_owned(),
                    by: armed.rule.name.clone(),
                    version: armed.rule.version,
                    standing: if armed.rule.effect == Effect::Apply { Standing::Applied } else { Standing::Proposed },
                    validity: armed.kind.validity,
                    dimension: armed.kind.dimension,
                    clause: armed.rule.clause.clone(),
                    certainty: armed.rule.certainty,
                    when: armed.rule.when_text.clone(),
                    since: Timestamp(since),
                    until: None,
                    inputs: self.inputs(plan, armed, object),
                    exceedances: self.exceedances(plan, &armed.kind, object, since),
                    said: None,
                    late: false,
                    spent: false,
                    silence: armed.of_silence,
                    on_code: armed.kind.is_on_code(),
                };
                let entered = |m: &&Mark| m.said.is_some() && !m.late && m.mark == mark.mark && m.object == mark.object;
                if mark.standing == Standing::Proposed
                    && self.held.values().any(|m| entered(&m) && m.overlap(since, since) > 0)
                {
                    mark.standing = Standing::Confirmed;
                }
                let kind = if mark.standing == Standing::Proposed { "mark-proposed" } else { "mark-begin" };
                self.held.insert(key, mark.clone());
                out.add(kind, since, Some(mark), Value::Null);
                self.charge_all(plan, out);
            }
        }
    }

    pub(super) fn end(&mut self, key: &(String, String, String), at: i64, detail: Value, out: &mut Verdict) {
        let Some(mut mark) = self.held.remove(key) else { return };
        mark.until = Some(Timestamp(at.max(mark.since.0)));
        self.keep(mark.clone());
        out.add("mark-end", at, Some(mark), detail);
    }

    /// Remembers a mark that has ended.
    pub(super) fn keep(&mut self, mark: Mark) {
        if self.ended.len() >= ENDED_MAX {
            self.ended.remove(0);
        }
        self.ended.push(mark);
    }

    fn inputs(&self, plan: &Plan, armed: &Armed, object: &str) -> Vec<Input> {
        let mut inputs: Vec<Input> = Vec::new();
        for sig in armed.when.tests().iter().filter_map(|test| test.of()) {
            let slot = match (sig, armed.own) {
                (Sig::Own, None) => self.index.get(object).and_then(|at| self.slots.get(usize::from(*at))),
                (Sig::Own, Some(own)) => self.look(Sig::Code(own), None),
                (Sig::Code(_), _) => self.look(*sig, None),
                (Sig::OfOwn(_), _) => {
                    self.index.get(object).and_then(|at| self.look(*sig, self.slots.get(usize::from(*at))))
                }
            };
            let Some(slot) = slot.filter(|slot| slot.at != 0 && !inputs.iter().any(|input| input.code == slot.code))
            else {
                continue;
            };
            let signal = match sig {
                Sig::Own => "value",
                Sig::Code(_) | Sig::OfOwn(_) => {
                    plan.signals.get(slot.code.split('@').next().unwrap_or_default()).map_or("value", String::as_str)
                }
            };
            inputs.push(Input {
                signal: signal.to_owned(),
                code: slot.code.clone(),
                value: slot.text.clone(),
                flag: slot.flag.clone(),
                at: Timestamp(slot.at),
            });
        }
        inputs
    }

    /// Exceedances of what the mark covers, within an hour before `since`.
    pub(super) fn exceedances(&self, plan: &Plan, kind: &MarkKind, object: &str, since: i64) -> Vec<Exceedance> {
        if kind.dimension != Dimension::Condition && !kind.validity.needs_confirmation() {
            return Vec::new();
        }
        let near = |slot: &&Slot| {
            slot.above.as_ref().is_some_and(|(first, last, _)| *first <= since && *last >= since - BEFORE)
        };
        let found = self.slots.iter().filter(near).filter(|slot| plan.covers(kind, object, &slot.code));
        found
            .filter_map(|slot| {
                let (first, last, value) = slot.above.clone()?;
                let limit = slot.limit.map(|limit| limit.to_string()).unwrap_or_default();
                Some(Exceedance {
                    code: slot.code.clone(),
                    value,
                    limit,
                    first: Timestamp(first),
                    last: Timestamp(last),
                })
            })
            .collect()
    }

    /// Adds to a judgement the marks that hold or held over the reading.
    fn cover(&self, plan: &Plan, reading: &Reading<'_>, rank: u8, now: i64, judged: &mut Judged) {
        if self.held.is_empty() && self.ended.is_empty() {
            return;
        }
        let end = span_of(rank).filter(|_| rank > 1).map_or(now, |(length, ..)| now + length);
        for mark in self.held.values().chain(&self.ended) {
            if mark.on_code && mark.object != reading.code {
                continue;
            }
            // What came is not missing, however long nothing came.
            if mark.silence && reading.text.parse::<f64>().is_ok() {
                continue;
            }
            let over = mark.overlap(now, end);
            let Some(kind) =
                plan.marks.get(&mark.mark).filter(|kind| over > 0 && plan.covers(kind, &mark.object, reading.code))
            else {
                continue;
            };
            let list = if mark.standing.counts() { &mut judged.marks } else { &mut judged.proposed };
            if !list.contains(&kind.name) {
                list.push(kind.name.clone());
            }
            // A period is judged by a mark that covers three quarters of it; shorter ones count through its finer values.
            let whole = end == now || over >= (end - now) / 4 * 3;
            if let Some(validity) = mark.effect().filter(|_| whole) {
                judged.validity = judged.validity.max(Some(validity));
            }
        }
        judged.marks.sort_unstable();
        judged.marks.dedup();
        judged.proposed.retain(|name| !judged.marks.contains(name));
        judged.proposed.sort_unstable();
    }

    /// Counts values for the next coarser period, and compares a period's own flag with its finer values.
    fn periods(&mut self, plan: &Plan, seen: &Observation<'_>, rank: u8, now: i64, out: &mut Verdict) {
        if plan.periods.is_empty() || !matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day) {
            return;
        }
        for (at, reading) in seen.readings.iter().enumerate() {
            let Some(judged) = out.readings.get_mut(at) else { continue };
            let Some(place) = self.slot_of(reading.code) else { continue };
            let Some(slot) = self.slots.get_mut(usize::from(place)) else { continue };
            if let Some((length, unit, _)) = span_of(rank + 1)
                && let Some(tally) = slot.tallies.get_mut(usize::from(rank))
                && let Some(validity) = judged.validity
            {
                let start = calendar::floor(now, length);
                tally.count(start, u32::try_from((now - start) / unit).unwrap_or(0), validity.is_usable());
            }
            let Some((length, unit, of)) = span_of(rank) else { continue };
            let rule = plan.periods.iter().find(|period| period.of == of);
            let units = u32::try_from(length / unit).unwrap_or(60);
            let counted = slot.tallies.get(usize::from(rank) - 1).and_then(|tally| tally.of(now, units));
            let (Some(rule), Some((good, seen, expected))) = (rule, counted) else { continue };
            let valid = match rule.good {
                Good::All => good == seen,
                Good::Share(some, all) => u64::from(good) * u64::from(all) >= u64::from(some) * u64::from(expected),
            };
            let own = reading.flag.and(judged.own).map(Validity::is_usable);
            if own.is_some_and(|own| own != valid) {
                let detail = json!({
                    "code": reading.code, "period": of, "data_time": Timestamp(now).to_rfc3339(), "flag": reading.flag, "valid": own,
                    "recomputed": valid, "good": good, "seen": seen, "expected": expected, "needed": *rule.good_text, "clause": *rule.clause,
                });
                out.happenings.push(Happening { kind: "flag-differs", at: Timestamp(now), mark: None, detail });
            }
            let (needed, clause) = (rule.good_text.clone(), rule.clause.clone());
            judged.recomputed = Some(Box::new(Recomputed { valid, good, seen, expected, needed, clause }));
        }
    }

    fn watch(&mut self, plan: &Plan, now: i64, out: &mut Verdict) {
        for (number, watch) in plan.watches.iter().enumerate() {
            let find = |mark: &str| {
                self.held.values().find(|m| m.mark == mark && m.object == watch.object && m.overlap(now, now) > 0)
            };
            let mark = find(&watch.conflict.mark).cloned();
            let within = watch.conflict.within.as_ref().map(|name| find(name).is_some());
            let against = watch.against.as_ref().map(|against| self.eval(against, None) == Some(true));
            let is = mark.is_some() && within.unwrap_or(true) && against.unwrap_or(true);
            let Some((_, hold)) = self.conflicts.get_mut(number) else { continue };
            if let Turn::Begins(since) = hold.step(Some(is), Some(!is), now, (watch.conflict.after, 0)) {
                let detail = json!({
                    "conflict": watch.conflict.name, "zh": watch.conflict.zh, "en": watch.conflict.en, "clause": watch.conflict.clause,
                    "within": watch.conflict.within, "against": watch.conflict.against_text, "since": Timestamp(since).to_rfc3339(),
                    "inputs": self.seen_by(plan, watch.against.as_ref()),
                });
                out.add("mark-conflict", now, mark, detail);
            }
        }
    }

    fn seen_by(&self, plan: &Plan, against: Option<&Expr<Sig>>) -> Vec<Value> {
        let tests = against.map(Expr::tests).unwrap_or_default();
        let slots = tests.iter().filter_map(|test| test.of()).filter_map(|sig| self.look(*sig, None));
        slots
            .map(|slot| json!({ "signal": plan.signals.get(&slot.code), "code": slot.code, "value": slot.text, "at": Timestamp(slot.at).to_rfc3339() }))
            .collect()
    }

    /// Lets time pass: silence, ends of entries, limits.
    pub fn tick(&mut self, plan: &Plan, at: Timestamp, out: &mut Verdict) {
        out.clear();
        self.sweep(plan, at.0, out);
    }

    fn sweep(&mut self, plan: &Plan, at: i64, out: &mut Verdict) {
        if at - self.swept < SWEEP {
            return;
        }
        self.swept = at;
        if plan.area_rules.iter().any(|armed| armed.of_silence) {
            self.areas(plan, at, false, true, out);
        }
        self.missing(plan, at, out);
        let over: Vec<_> = self
            .held
            .iter()
            .filter(|(_, mark)| mark.until.is_some_and(|until| until.0 <= at))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            let until = self.held.get(&key).and_then(|mark| mark.until).map_or(at, |until| until.0);
            self.end(&key, until, Value::Null, out);
        }
        self.charge_all(plan, out);
    }

    /// Runs the rules on factors that can become true without a report.
    fn missing(&mut self, plan: &Plan, at: i64, out: &mut Verdict) {
        let silent: Vec<usize> =
            plan.factor_rules.iter().enumerate().filter(|(_, armed)| armed.of_silence).map(|(n, _)| n).collect();
        if silent.is_empty() {
            return;
        }
        for place in 0..self.slots.len() {
            for number in &silent {
                let (Some(armed), Some(slot)) = (plan.factor_rules.get(*number), self.slots.get(place)) else {
                    continue;
                };
                if slot.at == 0 || (!armed.kind.factors.is_empty() && !armed.kind.factors.contains(&slot.code)) {
                    continue;
                }
                let when = self.eval(&armed.when, Some(slot));
                let until = self.until(armed, when, slot);
                let (code, heard) = (slot.code.clone(), slot.heard);
                let Some(hold) = self.slots.get_mut(place).and_then(|slot| slot.holds.get_mut(*number)) else {
                    continue;
                };
                let mut turn = hold.step(when, until, at, (armed.rule.begin_after, armed.rule.end_after));
                if matches!(turn, Turn::Begins(_)) {
                    turn = Turn::Begins(heard);
                }
                if turn != Turn::Stays {
                    self.turn(plan, armed, &code, turn, out);
                }
            }
        }
    }

    pub(super) fn charge_all(&mut self, plan: &Plan, out: &mut Verdict) {
        if plan.limits.is_empty() {
            return;
        }
        let limited = |mark: &Mark| plan.limits.iter().any(|limit| limit.marks.contains(&mark.mark));
        let counts = |mark: &&Mark| mark.standing.counts() && !mark.late && limited(mark);
        let open: Vec<Mark> = self.held.values().filter(counts).cloned().collect();
        let recent: Vec<Mark> = self.ended.iter().rev().take(8).filter(counts).cloned().collect();
        for mark in recent.iter().chain(&open) {
            let to = mark.until.map_or(self.now, |until| until.0.min(self.now.max(self.swept)));
            self.charge(plan, mark, to, out);
        }
    }

    /// Charges a mark up to `to` against the limits it shares.
    pub(super) fn charge(&mut self, plan: &Plan, mark: &Mark, to: i64, out: &mut Verdict) {
        for limit in plan.limits.iter().filter(|limit| limit.marks.contains(&mark.mark)) {
            let mut from = mark.since.0;
            while from < to {
                let (start, end) =
                    if limit.per == Per::Each { (mark.since.0, i64::MAX) } else { calendar::period(limit.per, from) };
                let key = (limit.name.clone(), mark.object.clone(), start);
                if !self.counters.contains_key(&key) && self.counters.len() >= COUNTERS_MAX {
                    let oldest = self.counters.keys().min_by_key(|(.., start)| *start).cloned();
                    oldest.map(|oldest| self.counters.remove(&oldest));
                }
                let counter = self.counters.entry(key).or_default();
                counter.charge(&mark.by, from, to.min(end));
                let used = counter.used();
                let (near, spent) = (used >= limit.warn && !counter.warned, used >= limit.max && !counter.spent);
                counter.warned |= near;
                counter.spent |= spent;
                for (kind, _) in
                    [("limit-near", near && !spent), ("limit-spent", spent)].into_iter().filter(|(_, is)| *is)
                {
                    let detail = json!({
                        "limit": limit.name, "object": mark.object, "per": limit.per.name(), "since": Timestamp(start).to_rfc3339(),
                        "used_s": used / SECOND, "max_s": limit.max / SECOND, "clause": limit.clause, "certainty": format!("{:?}", limit.certainty),
                    });
                    let mut shown = mark.clone();
                    shown.spent |= spent;
                    out.add(kind, to, Some(shown), detail);
                }
                if spent {
                    let concerned = |m: &&mut Mark| m.object == mark.object && limit.marks.contains(&m.mark);
                    self.held
                        .values_mut()
                        .filter(concerned)
                        .filter(|m| limit.per != Per::Each || m.since == mark.since)
                        .for_each(|m| m.spent = true);
                }
                from = end.min(to);
            }
            // A mark that begins when the limit is spent exempts nothing from the start.
            let start = if limit.per == Per::Each { mark.since.0 } else { calendar::period(limit.per, to).0 };
            if self.counters.get(&(limit.name.clone(), mark.object.clone(), start)).is_some_and(|c| c.spent)
                && limit.per != Per::Each
            {
                let key = (mark.mark.clone(), mark.object.clone(), mark.by.clone());
                self.held.get_mut(&key).into_iter().for_each(|m| m.spent = true);
            }
        }
    }
}

fn dress(slot: &mut Slot, plan: &Plan) {
    slot.range = plan.ranges.get(&slot.code).copied();
    slot.limit = plan.emission.get(&slot.code).copied();
    slot.trended = plan.trended.contains(&slot.code);
    let about = |armed: &Armed| armed.kind.factors.is_empty() || armed.kind.factors.contains(&slot.code);
    slot.rules = (0..).zip(&plan.factor_rules).filter(|(_, armed)| about(armed)).map(|(number, _)| number).collect();
}
