//! The detectors against references made by hand, the rules, the bounds; what honest stations draw, and what is found of others, is in `simulated`.

use super::*;
use hj212_judgement::{Decimal, Limits, calendar};
use hj212_model::message::{EmissionLimit, StationFacts, Timestamp};

mod clocks;
mod ledger;
mod marks;
mod rules;
mod simulated;
mod state;
mod values;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// No text of a lead may say what anybody did or meant.
const NEVER: &[&str] = &[
    "造假", "弄虚", "作假", "伪造", "篡改", "违法", "作弊", "嫌疑", "fraud", "fake", "falsif", "cheat", "forg",
    "tamper", "illegal", "guilt", "suspect",
];

fn at(text: &str) -> Timestamp {
    let (day, clock) = text.split_once(' ').unwrap();
    let (hour, minute) = clock.split_once(':').unwrap();
    let start = calendar::start(calendar::read(day).unwrap()).0;
    Timestamp(start + hour.parse::<i64>().unwrap() * HOUR + minute.parse::<i64>().unwrap() * MINUTE)
}

fn limit(code: &str, max: &str, of: &str) -> EmissionLimit {
    EmissionLimit {
        code: code.into(),
        max: max.into(),
        of: of.into(),
        basis: "measured".into(),
        ..EmissionLimit::default()
    }
}

fn limits(of: &[EmissionLimit]) -> Limits {
    Limits::new(&StationFacts { emission: of.to_vec(), ..StationFacts::default() })
}

/// Marks as a table.
#[derive(Default, Clone)]
struct Marks {
    by_hand: Vec<ByHand>,
    out: Vec<(i64, i64)>,
    entries: Option<Vec<WorkSeen>>,
    flags: Vec<FlagSeen>,
    silent: bool,
}

impl MarksAsked for Marks {
    fn closes(&self, at: Timestamp) -> Timestamp {
        Timestamp(calendar::start(calendar::day_of(at)).0 + DAY + 12 * HOUR)
    }
    fn by_hand(&self, _: &str, from: Timestamp, to: Timestamp) -> Vec<ByHand> {
        let within = |mark: &&ByHand| mark.since <= to && mark.until.is_none_or(|until| until > from);
        self.by_hand.iter().filter(within).cloned().collect()
    }
    fn out_of_service(&self, _: &str, from: Timestamp, to: Timestamp) -> i64 {
        self.out.iter().map(|(a, b)| (to.0.min(*b) - from.0.max(*a)).max(0)).sum()
    }
    fn calibrations(&self, from: Timestamp, to: Timestamp) -> Option<Vec<WorkSeen>> {
        let within = |work: &&WorkSeen| work.since <= to && work.until >= from;
        self.entries.as_ref().map(|entries| entries.iter().filter(within).cloned().collect())
    }
    fn flagged(&self, marks: &[String], from: Timestamp, to: Timestamp) -> Vec<FlagSeen> {
        let within = |flag: &&FlagSeen| flag.since <= to && flag.until.is_none_or(|until| until > from);
        self.flags.iter().filter(within).filter(|flag| marks.contains(&flag.mark)).cloned().collect()
    }
    fn heard(&self, _: Timestamp, _: Timestamp) -> bool {
        !self.silent
    }
}

/// A station that is played.
struct Player {
    rules: LeadRules,
    limits: Limits,
    marks: Marks,
    leads: Leads,
    out: Vec<LeadEffect>,
    offset: u64,
    received: Option<Timestamp>,
}

impl Player {
    fn new(of: &[EmissionLimit]) -> Player {
        Player {
            rules: LeadRules::in_force(&built_in_texts()).unwrap(),
            limits: limits(of),
            marks: Marks::default(),
            leads: Leads::default(),
            out: Vec::new(),
            offset: 0,
            received: None,
        }
    }

    fn value(&mut self, code: &str, grain: LeadGrain, at: Timestamp, text: &str) {
        self.seen(code, grain, at, text, (false, false));
    }

    fn seen(&mut self, code: &str, grain: LeadGrain, at: Timestamp, text: &str, (out, unusable): (bool, bool)) {
        self.offset += 1;
        let measured = Decimal::parse(text);
        let seen = ValueSeen {
            code,
            grain,
            at,
            received: self.received.unwrap_or(at),
            measured,
            converted: None,
            out,
            unusable,
            offset: self.offset,
        };
        self.leads.value(&self.rules, &self.limits, &seen, &mut self.out);
    }

    /// Ten minutes of values that move, before `begin`.
    fn move_before(&mut self, code: &str, begin: Timestamp) {
        for step in 0..10 {
            self.value(code, LeadGrain::Minute, Timestamp(begin.0 - (10 - step) * MINUTE), &format!("2{step}.00"));
        }
    }

    fn pass(&mut self, now: Timestamp) {
        self.leads.pass(&self.rules, &self.marks, now, &mut self.out);
    }

    /// The raised leads, in order.
    fn raised(&self) -> Vec<&Lead> {
        let raised = |effect: &'_ LeadEffect| matches!(effect, LeadEffect::Raised(_));
        self.out.iter().filter(|effect| raised(effect)).map(of).collect()
    }

    fn ids(&self) -> Vec<String> {
        self.raised().iter().map(|lead| lead.id()).collect()
    }
}

fn of(effect: &LeadEffect) -> &Lead {
    match effect {
        LeadEffect::Raised(lead) | LeadEffect::Grown(lead) | LeadEffect::Ended(lead, _) => lead,
    }
}

fn number<'l>(lead: &'l Lead, name: &str) -> &'l str {
    lead.numbers.iter().find(|(known, _)| known == name).map_or("-", |(_, value)| value)
}
