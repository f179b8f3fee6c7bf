//! What a single mark makes of the readings of a factor, for those who ask about it.
//!
//! What must stay true: it comes from the same functions as the published worth ([`super::effect`]), so that no text says of a mark what the
//! messages do not say: a stop that waits for the other furnace of its stack is `conditional` here as there, an exemption whose condition is
//! broken is none, and ten minutes of an hour change nothing of the hour.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::effect::Met;
use super::effect::{Laid, Over};
use super::explain::{Words, in_words};
use super::plan::Plan;
use super::rules::*;
use super::spans::{joined, minus, together};
use super::state::*;
use super::verdict::{Reading, rank};
use hj212_model::message::{Kind, Timestamp};

/// What a mark makes of the readings of a factor over a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working {
    /// The factor.
    pub code: String,
    /// What it makes of readings and for how long, µs, the mildest first; nothing where it makes nothing of them.
    pub parts: Vec<(Validity, i64)>,
    /// How long the time is, µs; of an instant 1.
    pub of: i64,
    /// What it alone makes of the period or value that was asked for.
    pub worth: Option<Validity>,
    /// Facilities behind the same stack without whose stop or exemption it works only partly, or not.
    pub waits_for: Vec<String>,
    /// Conditions of exemptions that the period broke.
    pub broken: Vec<String>,
}

impl Marks {
    /// What `mark` makes of the readings of `code`: of the report of that kind and data time, else over its own time. `None`: it is not about
    /// that factor.
    #[must_use]
    pub fn working(&self, plan: &Plan, mark: &Mark, code: &str, report: Option<(Kind, Timestamp)>) -> Option<Working> {
        let clock = self.clock();
        let rank = report.map_or(0, |(kind, _)| rank(kind));
        let (from, to) = match report {
            Some((_, at)) => (at.0, at.0 + self.length_of(rank).filter(|_| rank > 0).unwrap_or(1)),
            None => (mark.since.0, mark.until.map_or(clock, |until| until.0).max(mark.since.0 + 1)),
        };
        // A report came, and with a value: what says that nothing came says nothing of it.
        let text = if report.is_some() { "0" } else { "" };
        let reading = Reading { code, text, judged: None, none: false, doubtful: false, flag: None };
        let kind = plan.marks.get(&mark.mark)?;
        if mark.on_code && mark.object != code || !plan.covers(kind, &mark.object, code) {
            return None;
        }
        let mut working = Working {
            code: code.to_owned(),
            parts: Vec::new(),
            of: to - from,
            worth: None,
            waits_for: Vec::new(),
            broken: Vec::new(),
        };
        let Some(laid) = Laid::of_mark(mark, plan, from, to).filter(|laid| laid.is_about(plan, &reading, &[])) else {
            return Some(working);
        };
        let broken = RefCell::new(BTreeSet::new());
        let met = |number: usize, at: i64| {
            let met = self.met(plan, (number, at), code, (rank, from, to - from));
            if met != Met::Kept {
                broken.borrow_mut().insert(number);
            }
            met
        };
        let (mut over, all) = (Over::default(), self.laid(plan, from, to));
        if laid.works() {
            plan.over_one(&laid, &all, code, &met, &mut over);
        }
        let name = |number: &usize| plan.requires.get(*number).map(|require| require.name.clone());
        working.broken = broken.borrow().iter().filter_map(name).collect();
        working.parts = over
            .parts()
            .into_iter()
            .map(|(validity, spans)| (validity, together(&joined(spans))))
            .filter(|(_, time)| *time > 0)
            .collect();
        working.worth = over.worth(plan, rank, from, to - from);
        if laid.works() && mark.validity.needs_confirmation() && kind.dimension == Dimension::Condition {
            let mine = mark.in_effect(from, to);
            for other in plan.sharers(&mark.object, Some(code)) {
                let (strong, weak) = self.excuses(plan, other, from, to);
                if !minus(&minus(&mine, &strong), &weak).is_empty() {
                    working.waits_for.push(other.to_owned());
                }
            }
        }
        Some(working)
    }

    /// The codes of the station that rules and marks can be about.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().map(|slot| slot.code.as_str()).filter(|code| !code.contains('@'))
    }
}

impl Working {
    /// Whether it is what the mark says of itself, over all of its time.
    #[must_use]
    pub fn is_as_said(&self, mark: &Mark) -> bool {
        self.waits_for.is_empty() && self.broken.is_empty() && self.parts.iter().all(|(is, _)| *is == mark.validity)
    }

    /// What it makes of a report that was asked for.
    #[must_use]
    pub fn of_report(&self) -> Words {
        let (mut zh, mut en) = match (self.parts.is_empty(), self.worth) {
            (true, _) => ("对该数据不起作用".to_owned(), "it changes nothing of this reading".to_owned()),
            (false, Some(worth)) => {
                let (zh, en) = in_words(worth);
                (format!("该数据{zh}"), format!("the reading is {en}"))
            }
            (false, None) => ("不足以改变该数据".to_owned(), "too short to change this reading".to_owned()),
        };
        if self.of > 1 && !self.parts.is_empty() {
            let (times_zh, times_en) = self.times();
            let whole = length(self.of);
            zh.push_str(&format!("（{whole} 中：{times_zh}）"));
            en.push_str(&format!(" (of {whole}: {times_en})"));
        }
        self.because(&mut zh, &mut en);
        Words { zh, en }
    }

    /// What it makes of readings over its own time.
    #[must_use]
    pub fn of_time(&self) -> Words {
        let (mut zh, mut en) =
            if self.parts.is_empty() { ("不起作用".to_owned(), "nothing".to_owned()) } else { self.times() };
        self.because(&mut zh, &mut en);
        Words { zh, en }
    }

    fn times(&self) -> (String, String) {
        let each = |words: fn((&'static str, &'static str)) -> &'static str, and: &str| {
            let part = |(validity, time): &(Validity, i64)| format!("{} {}", words(in_words(*validity)), length(*time));
            self.parts.iter().map(part).collect::<Vec<_>>().join(and)
        };
        (each(|(zh, _)| zh, "，"), each(|(_, en)| en, ", "))
    }

    fn because(&self, zh: &mut String, en: &mut String) {
        if !self.waits_for.is_empty() {
            let others = self.waits_for.join("、");
            zh.push_str(&format!("；与 {others} 共用排口，后者未停运也未豁免时须人工裁定"));
            en.push_str(&format!(
                "; {} share(s) its stack: while that is neither out of service nor exempt, people must rule",
                self.waits_for.join(", ")
            ));
        }
        if !self.broken.is_empty() {
            let broken = self.broken.join("、");
            zh.push_str(&format!("；豁免条件未满足或尚不能判断：{broken}"));
            en.push_str(&format!("; conditions of the exemption broken, or not known yet: {}", self.broken.join(", ")));
        }
    }
}

/// A length of time in words that need no language.
fn length(time: i64) -> String {
    let seconds = time / super::expr::SECOND;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
