//! Reports in, judgements and happenings out.
//!
//! Holds are measured in data time; silence and missing values in time of arrival. A report that is older than what is known of a code, or of
//! a coarser kind than the finest it comes in, is judged but drives nothing; nor does one that claims to come from the future.

use serde_json::json;

use super::asked::CodeQuestions;
use super::expr::SECOND;
use super::past::{Following, Sample};
use super::plan::{Armed, Plan, letter};
use super::rules::*;
use super::state::*;
use super::verdict::{HOLD_GAP_MAX, Judged, MarkVerdict, Observation, Reading, rank};
use hj212_model::message::Kind;

/// A data time may be so much later than its arrival and still count.
const AHEAD_MAX: i64 = 300 * SECOND;
/// A kind of data that is silent for so long no longer drives its code.
pub(super) const RANK_KEPT: i64 = 24 * 3600 * SECOND;

/// Room is made for so many codes at once.
const SLOTS_GROWN: usize = 2;

/// Longer codes are judged by their own flags only.
const CODE_BYTES_MAX: usize = 48;

impl Marks {
    /// Puts the rules of `plan` in force. What is the same in both goes on; marks of rules that are gone end.
    pub fn install(&mut self, plan: &Plan, out: &mut MarkVerdict) {
        let keys: Vec<String> = plan.factor_rules.iter().map(|armed| armed.key.clone()).collect();
        if keys != self.factor_keys {
            let from: Vec<Option<usize>> =
                keys.iter().map(|key| self.factor_keys.iter().position(|k| k == key)).collect();
            for slot in &mut self.slots {
                // What was published under other rules is not put right by these.
                let before = std::mem::take(&mut slot.holds);
                slot.holds =
                    from.iter().map(|at| at.and_then(|at| before.get(at)).copied().unwrap_or_default()).collect();
            }
            self.published = Default::default();
            self.factor_keys = keys;
        }
        let carry = |before: &[(String, Hold)], key: &String| {
            (key.clone(), before.iter().find(|(known, _)| known == key).map_or_else(Hold::default, |(_, hold)| *hold))
        };
        self.areas = plan.area_rules.iter().map(|armed| carry(&self.areas, &armed.key)).collect();
        let before = std::mem::take(&mut self.guards);
        let kept = |key: &String| before.iter().find(|guard| guard.key == *key).cloned();
        let guard = |key: &String| kept(key).unwrap_or_else(|| Guard { key: key.clone(), ..Guard::default() });
        self.guards = plan.watches.iter().map(|watch| guard(&watch.key)).collect();
        if self.limits != plan.limits_hash {
            self.limits = plan.limits_hash;
            self.owe();
        }
        self.places = plan.codes.iter().map(|code| self.slot_of(code).unwrap_or(u16::MAX)).collect();
        for slot in &mut self.slots {
            dress(slot, plan);
        }
        let lives = |mark: &Mark| {
            mark.said.is_some()
                || plan.factor_rules.iter().chain(&plan.area_rules).any(|armed| {
                    let at = armed.object.is_empty() || armed.object == mark.object;
                    at && armed.rule.name == mark.by && armed.rule.version == mark.version
                })
        };
        let gone: Vec<_> = self.held.iter().filter(|(_, mark)| !lives(mark)).map(|(key, _)| key.clone()).collect();
        let now = self.now;
        for key in gone {
            self.end(plan, &key, now, json!({ "reason": "rule-changed" }), out);
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
        // A station says new codes on its first day: room for twice as many would stay empty.
        self.slots.reserve_exact(usize::from(self.slots.len() == self.slots.capacity()) * SLOTS_GROWN);
        self.slots.push(Slot { code: code.to_owned(), place: at, rank: 3, holds, ..Slot::default() });
        self.index.insert(code.to_owned(), at);
        if code.contains('@') && !self.stated {
            // From now on letters are asked that nobody asked before.
            self.stated = true;
            self.slots.iter_mut().filter(|slot| slot.at != 0).for_each(|slot| slot.past.begin_anew(slot.at + 1));
        }
        Some(at)
    }

    /// Judges a report and takes what it says.
    pub fn observe(&mut self, plan: &Plan, seen: &Observation<'_>, out: &mut MarkVerdict) {
        out.clear();
        if let Some(data) = seen
            .data
            .filter(|data| data.0 <= seen.at.0 + AHEAD_MAX)
            .filter(|_| matches!(seen.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day))
        {
            self.note_pace(rank(seen.kind), data.0);
        }
        self.heard = self.heard.max(seen.at.0);
        let data = seen.data.map(|data| data.0).filter(|data| *data <= seen.at.0 + AHEAD_MAX);
        let now = data.unwrap_or(seen.at.0);
        let rank = rank(seen.kind);
        // What claims to come from the future drives nothing: neither what is known nor what is counted.
        self.scratch.future = seen.data.is_some_and(|data| data.0 > seen.at.0 + AHEAD_MAX);
        let mut drives = false;
        self.scratch.at = now;
        self.scratch.swayed = false;
        self.scratch.learned.clear();
        self.scratch.homes.clear();
        self.scratch.cleared.clear();
        self.scratch.proposes.clear();
        self.scratch.late.clear();
        self.scratch.states = (self.stated && now < self.now).then(|| self.states_at(now));
        let count = seen.readings.len();
        self.scratch.homes.resize(count, u16::MAX);
        out.readings.resize_with(count, Judged::default);
        // What rules on other factors look at is heard before these, wherever it stands in the report.
        let rounds = if plan.heard_first.is_empty() { &[false][..] } else { &[true, false][..] };
        for first in rounds {
            for (number, reading) in seen.readings.iter().enumerate() {
                if plan.heard_first.iter().any(|code| code == reading.code) != *first {
                    continue;
                }
                let judged = self.read(plan, (number, reading), rank, now, seen.at.0, &mut drives, out);
                if let Some(place) = out.readings.get_mut(number) {
                    *place = judged;
                }
            }
        }
        self.scratch.states = None;
        if !self.scratch.late.is_empty() {
            self.judge_belated(plan, seen, now, out);
        }
        if drives && now >= self.now {
            let gap = now - self.now > HOLD_GAP_MAX;
            self.now = now;
            self.areas(plan, now, gap, false, out);
            self.watch(plan, now, out);
        }
        // Whatever came, silence is over.
        if plan.looks_at_silence {
            self.areas(plan, seen.at.0, false, true, out);
        }
        if !self.scratch.future {
            self.count_wrong(plan, seen, now, out);
        }
        if self.clock() >= self.owed_at && self.held.values().any(|mark| mark.said.is_some()) {
            // How much of a limit is left is asked when it can be another, not only when some other mark begins.
            self.charge_all(plan, out);
        }
        self.cover(plan, seen, rank, now, out);
        if !self.scratch.future {
            self.periods(plan, seen, rank, now, out);
            self.note_published(plan, seen, rank, now, out);
            self.came_late(plan, rank, now, out);
        }
        self.sweep(plan, seen.at.0, out);
        self.put_right_backdated(plan, out);
        if !out.revisions.is_empty() {
            self.fold(seen, (rank, now), out);
        }
        self.shed(now, out);
    }

    /// Takes one value and runs the rules on factors over it.
    #[allow(clippy::too_many_arguments, reason = "one value with all that surrounds it")]
    fn read(
        &mut self,
        plan: &Plan,
        (number, reading): (usize, &Reading<'_>),
        rank: u8,
        now: i64,
        at: i64,
        drives: &mut bool,
        out: &mut MarkVerdict,
    ) -> Judged {
        let mut judged = Judged::default();
        let known = self.index.len();
        let place = self.slot_of(reading.code);
        self.scratch.homes.get_mut(number).into_iter().for_each(|home| *home = place.unwrap_or(u16::MAX));
        let value = reading.text.parse::<f64>().ok().filter(|value| value.is_finite() && !reading.none);
        let flag = reading.flag.unwrap_or_default();
        let home = place.map(usize::from);
        let (mut holds, mut gap) = (Vec::new(), false);
        let (mut asked, mut follows) = (0, false);
        // What is judged only is judged on a copy that is thrown away.
        let mut passing = None;
        match home.and_then(|home| self.slots.get_mut(home)) {
            Some(slot) => {
                if self.index.len() > known {
                    dress(slot, plan);
                }
                let finer = rank <= slot.rank || now - slot.at > RANK_KEPT;
                if finer && now >= slot.at && !self.scratch.future {
                    gap = slot.at != 0 && now - slot.at > HOLD_GAP_MAX;
                    if slot.rank != rank && slot.at != 0 {
                        slot.past.begin_anew(now);
                    }
                    slot.rank = rank;
                    let same = slot.asked != 0 && slot.at != 0 && slot.text == reading.text && slot.flag == flag;
                    slot.take(value, reading, now, at);
                    *drives = true;
                    asked = slot.asked;
                    follows = same;
                    holds = std::mem::take(&mut slot.holds);
                } else {
                    let mut spare = self.scratch.passing.take().unwrap_or_default();
                    spare.pass_for(slot);
                    passing = Some(spare);
                }
            }
            None => {
                let mut slot = Slot { code: reading.code.to_owned(), ..Slot::default() };
                dress(&mut slot, plan);
                passing = Some(Box::new(slot));
            }
        }
        if let Some(passing) = &mut passing {
            passing.take(value, reading, now, at);
        }
        if let (Some(asked), Some(home)) = (plan.asked(asked, self.stated), home) {
            self.follow(asked, home, Sample { at: now, value, text: reading.text, flag, range: None }, follows);
        }
        let driving = passing.is_none();
        // A late value of the finest kind speaks for itself: what a rule about the value found before and after it says nothing of it.
        let late = !driving && home.and_then(|home| self.slots.get(home)).is_some_and(|slot| rank <= slot.rank);
        let place = u16::try_from(number).unwrap_or(u16::MAX);
        let mut cleared = Vec::new();
        let mut turns = Vec::new();
        // What a late value says for its own time, by rules that ask for nothing but the value.
        let mut spoken = Vec::new();
        let speaks = |armed: &Armed| late && armed.speaks_at_once() && !plan.is_limited(&armed.kind.name);
        let mut own = None;
        let letter = letter(flag);
        let Some(subject) = passing.as_deref().or_else(|| self.slots.get(home?)) else { return judged };
        let mut busy = subject.busy;
        for number in subject.rules.iter().map(|number| usize::from(*number)) {
            let Some(armed) = plan.factor_rules.get(number) else { continue };
            let idle = match number {
                0..64 => busy & bit(number) == 0,
                _ => holds.get(number).is_none_or(|hold: &Hold| hold.is_idle()),
            };
            let letters = if self.stated { armed.letters } else { armed.letters_unstated };
            if letters != 0 && letters & letter == 0 && idle {
                if late && armed.of_value {
                    cleared.push((place, u16::try_from(number).unwrap_or(u16::MAX)));
                }
                if speaks(armed) {
                    spoken.push((number, false));
                }
                continue;
            }
            let when = if letters != 0 && letter != 0 && armed.rule.dates.is_open() {
                Some(letters & letter != 0)
            } else if !armed.rule.dates.hold(now) {
                Some(false)
            } else {
                self.eval(&armed.when, Some(subject))
            };
            if armed.kind.normal {
                if when == Some(true) {
                    judged.validity = judged.validity.max(Some(armed.kind.validity));
                }
                continue;
            }
            if when == Some(true) && armed.of_value && armed.rule.begin_after == 0 && armed.rule.effect == Effect::Apply
            {
                own = own.max(Some(armed.kind.validity));
            }
            let Some(hold) = holds.get_mut(number).filter(|_| driving) else {
                if speaks(armed) {
                    let ends = || self.until(armed, when, subject) == Some(true);
                    spoken.extend(
                        (when == Some(true)).then_some((number, true)).or_else(|| ends().then_some((number, false))),
                    );
                }
                if late && armed.of_value && when == Some(false) {
                    cleared.push((place, u16::try_from(number).unwrap_or(u16::MAX)));
                }
                if when == Some(true) && armed.rule.begin_after == 0 && armed.rule.effect == Effect::Apply {
                    judged.validity = judged.validity.max(Some(armed.kind.validity));
                    judged.marks.push(armed.kind.name.clone());
                }
                continue;
            };
            if gap && !hold.active {
                hold.since = None;
            }
            if hold.is_idle() && when != Some(true) {
                busy &= !bit(number);
                continue;
            }
            let until = if hold.active { self.until(armed, when, subject) } else { None };
            // What has not come is missed in time of arrival.
            let time = if armed.of_silence { at } else { now };
            let mut turn = hold.step(when, until, time, (armed.rule.begin_after, armed.rule.end_after));
            if matches!(turn, Turn::Begins(_))
                && let Some(first) = subject.first_equal(&armed.when)
            {
                turn = Turn::Begins(first);
            }
            busy = if hold.is_idle() { busy & !bit(number) } else { busy | bit(number) };
            match turn {
                Turn::Stays => {}
                turn @ (Turn::Begins(_) | Turn::Ends(_) | Turn::Lapses(_)) => turns.push((number, turn)),
            }
        }
        if let Some(slot) = home.and_then(|home| self.slots.get_mut(home)) {
            if driving {
                slot.holds = holds;
                slot.busy = busy;
            }
            if !slot.limits.is_empty() {
                slot.exceed(reading, rank, now, driving || late && !self.scratch.future);
            }
        }
        if let Some(spare) = passing {
            self.scratch.passing = Some(spare);
        }
        if late && !self.scratch.future {
            self.scratch.late.push(place);
            self.speak_late(plan, (reading.code, home, rank, now), &spoken, out);
        }
        self.scratch.cleared.append(&mut cleared);
        let listed = plan.table.get(flag).filter(|listed| listed.stands(now));
        let in_force = |name: &String| plan.marks.get(name).is_some_and(|kind| kind.dates.hold(now));
        let gone = listed.is_some_and(|listed| !in_force(&listed.mark));
        let known = flag.is_empty() || !gone && (plan.known_letters & letter != 0 || plan.known_flags.contains(flag));
        if let Some(listed) = listed.filter(|_| !gone) {
            // What it says of the source, and not of the instrument, is proposed: a logger takes itself out of judgement by no letter.
            let of_source = plan.marks.get(&listed.mark).is_some_and(|kind| kind.dimension == Dimension::Condition);
            let proposes = of_source || listed.validity.needs_confirmation();
            let validity = if proposes { Validity::Conditional } else { listed.validity };
            judged.validity = judged.validity.max(Some(validity));
            match (listed.normal, proposes) {
                (true, _) => {}
                (false, true) => judged.proposed.push(listed.mark.clone()),
                (false, false) => judged.marks.push(listed.mark.clone()),
            }
            if proposes {
                self.scratch.proposes.push((place, listed.mark.clone()));
            }
        }
        if let Some((set, validity)) = plan.other_flags.as_ref().filter(|_| !known) {
            judged.validity = judged.validity.max(Some(*validity));
            judged.marks.push(format!("{set}:{flag}"));
        }
        judged.own = judged.validity.max(own);
        for (number, turn) in turns {
            if let Some(armed) = plan.factor_rules.get(number) {
                self.turn(plan, armed, reading.code, turn, out);
            }
        }
        judged
    }
}

impl Marks {
    /// Remembers what a value says that is the latest of its code; `same`: as the one before it.
    fn follow(&mut self, asked: &CodeQuestions, home: usize, said: Sample<'_>, same: bool) {
        let Some(slot) = self.slots.get(home) else { return };
        let step = slot.step_of(self);
        let Some(slot) = self.slots.get_mut(home) else { return };
        let range = slot.range;
        slot.past.append(Following { asked, step }, Sample { range, ..said }, same);
    }
}

fn dress(slot: &mut Slot, plan: &Plan) {
    slot.asked = plan.asked_of(&slot.code);
    slot.range = plan.ranges.get(&slot.code).copied();
    slot.limits = plan.emission.get(&slot.code).cloned().unwrap_or_default();
    slot.trended = plan.trended.contains(&slot.code);
    slot.supports = plan.supports(&slot.code);
    let about = |armed: &Armed| armed.kind.factors.is_empty() || armed.kind.factors.contains(&slot.code);
    slot.rules = (0..).zip(&plan.factor_rules).filter(|(_, armed)| about(armed)).map(|(number, _)| number).collect();
    slot.busy = 0;
    for number in 0..slot.holds.len() {
        if let Some(hold) = slot.holds.get(number).copied() {
            slot.note(number, hold);
        }
    }
}
