//! Values, times and conflicts to [`hj212_leads`], and what it finds to publications (schema `hj212.lead/1`).
//!
//! What must stay true: nothing is looked at unless rules of leads are in force, and they are a part of the context, so a replay finds the same; a lead
//! is published as it is after every change, retained, and taken away at its end, of which the event `lead` says why; what has no value by
//! [`super::worth`] has none here.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::data::{quoted, write_journal};
use super::events::JournalRef;
use super::moment::{Moment, write_timestamp};
use super::numbers::Numbers;
use super::reading::Worth;
use super::report::Report;
use super::scores;
use super::station::Station;
use super::{EventKind, Interpreter, Says, Settings, StationEvent, TypedPublication, json as text};
use hj212_judgement::{Decimal, calendar};
use hj212_leads::{
    ByHand, ConflictSeen, FlagSeen, Lead, LeadEffect, LeadEnd, LeadGrain, LeadInput, LeadRules, MarksAsked, Pulse,
    RecordSeen, ValueSeen, WorkSeen,
};
use hj212_marking::{ConflictFound, Dimension, Input, Mark, MarkVerdict, Plan, Validity};
use hj212_model::message::{Kind, Timestamp};
use hj212_operation::WorkKind;

/// By what leads are looked for, at all stations.
#[derive(Debug, Default)]
pub(super) struct LeadRulesInForce {
    texts: BTreeMap<String, String>,
    rules: Option<LeadRules>,
}

impl LeadRulesInForce {
    /// Puts other rules in force; whether leads are not looked for any more.
    pub(super) fn replace(&mut self, texts: &BTreeMap<String, String>) -> bool {
        if self.texts == *texts {
            return false;
        }
        let before = self.rules.is_some();
        (self.texts, self.rules) = (texts.clone(), LeadRules::in_force(texts));
        before && self.rules.is_none()
    }
}

/// What leads ask of the marks of a station.
struct AskMarks<'a> {
    station: &'a Station,
    plan: &'a Plan,
}

impl AskMarks<'_> {
    fn over<'m>(&'m self, code: &'m str, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &'m Mark> {
        self.station.marks.over(self.plan, Some(code), from, to)
    }
}

impl MarksAsked for AskMarks<'_> {
    fn closes(&self, at: Timestamp) -> Timestamp {
        self.plan.entries_close(at)
    }

    fn by_hand(&self, code: &str, from: Timestamp, to: Timestamp) -> Vec<ByHand> {
        let counts = |mark: &&Mark| mark.said.is_some() && mark.effect().is_some_and(|worth| worth != Validity::Valid);
        let view = |mark: &Mark| ByHand {
            entry: mark.by.clone(),
            mark: mark.mark.clone(),
            since: mark.since,
            until: mark.until,
            device: mark.dimension == Dimension::Device,
        };
        self.over(code, from, to).filter(counts).map(view).collect()
    }

    fn out_of_service(&self, code: &str, from: Timestamp, to: Timestamp) -> i64 {
        if code.is_empty() {
            let codes = self.station.limits.iter().flat_map(|limits| limits.codes());
            return codes.map(|code| self.out_of_service(code, from, to)).min().unwrap_or(0);
        }
        let excluded = |mark: &&Mark| mark.effect() == Some(Validity::Excluded);
        let marks = self.over(code, from, to).filter(excluded);
        let mut spans: Vec<(i64, i64)> = marks.flat_map(|mark| mark.in_effect(from.0, to.0)).collect();
        spans.sort_unstable();
        let (mut sum, mut reached) = (0, from.0);
        for (begin, end) in spans {
            sum += (end - begin.max(reached)).max(0);
            reached = reached.max(end);
        }
        sum
    }

    fn calibrations(&self, from: Timestamp, to: Timestamp) -> Option<Vec<WorkSeen>> {
        let within = |since: Timestamp, until: Timestamp| since <= to && until >= from;
        let work = &self.station.work;
        let done =
            work.done().filter(|(kind, since, until, _)| *kind == WorkKind::Calibration && within(*since, *until));
        let seen =
            done.map(|(_, since, until, entry)| WorkSeen { id: entry.id.clone(), offset: entry.offset, since, until });
        work.is_kept().then(|| seen.collect())
    }

    fn flagged(&self, marks: &[String], from: Timestamp, to: Timestamp) -> Vec<FlagSeen> {
        let found = self.station.marks.over(self.plan, None, from, to);
        let flags = found.filter(|mark| mark.said.is_none() && mark.standing.counts() && marks.contains(&mark.mark));
        let view = |mark: &Mark| FlagSeen {
            mark: mark.mark.clone(),
            object: mark.object.clone(),
            since: mark.since,
            until: mark.until,
        };
        flags.map(view).collect()
    }

    fn heard(&self, from: Timestamp, to: Timestamp) -> bool {
        let (day, hour) = (calendar::day_of(from), calendar::hour_of(from));
        let first = calendar::hour(day, hour);
        let hours = (0..=48).map(|number| Timestamp(first.0 + number * calendar::HOUR)).take_while(|at| *at <= to);
        let codes: Vec<&str> = self.station.limits.iter().flat_map(|limits| limits.codes()).collect();
        hours.into_iter().any(|at| codes.iter().any(|code| self.station.marks.published_hour(code, at).is_some()))
    }
}

/// Takes the values and the time of a report: `verdict` has one entry for each of its readings.
pub(super) fn heard(
    (settings, force, elapsed): (&Settings, &LeadRulesInForce, Timestamp),
    station: &mut Station,
    (kind, moment): (Kind, Option<Moment>),
    (report, verdict): (&Report<'_>, &MarkVerdict),
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let (Some(rules), Some(limits)) = (&force.rules, station.limits.clone()) else { return };
    let (pulse, grain) = looked_at(kind);
    let Some(at) = moment.map(Moment::timestamp).filter(|_| pulse.is_some() || grain.is_some()) else { return };
    let mut effects = Vec::new();
    if let Some(pulse) = pulse {
        let set = station.clock.set.filter(|(_, done)| *done).map(|(at, _)| at);
        let seen = RecordSeen { pulse, data: at, at: place.at, elapsed, set, offset: place.offset };
        station.leads.record(rules, &seen, &mut effects);
    }
    for (number, reading) in report.readings.iter().enumerate().filter(|_| grain.is_some()) {
        let Some(grain) = grain.filter(|_| reading.worth == Worth::There) else { continue };
        let key = report.key_of(reading);
        let Ok(code) = std::str::from_utf8(&key) else { continue };
        if !limits.codes().any(|known| known == code) {
            continue;
        }
        let decimal = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(Decimal::parse);
        let judged = verdict.readings.get(number);
        let gone = |worth: Validity| matches!(worth, Validity::Missing | Validity::Invalid | Validity::Excluded);
        let seen = ValueSeen {
            code,
            grain,
            at,
            received: place.at,
            measured: decimal(&report.main(reading)),
            converted: report.converted(reading).and_then(|value| decimal(&value)),
            out: judged.is_some_and(|judged| judged.validity == Some(Validity::Excluded)),
            unusable: judged.and_then(|judged| judged.own).is_some_and(gone),
            offset: place.offset,
        };
        station.leads.value(rules, &limits, &seen, &mut effects);
    }
    tell(settings, station, effects, (place, numbers), out);
}

/// What is looked at of a kind of records: their times, and the values of what period.
fn looked_at(kind: Kind) -> (Option<Pulse>, Option<LeadGrain>) {
    if kind == Kind::Realtime {
        (Some(Pulse::Sampled), None)
    } else if kind == Kind::Minute {
        (Some(Pulse::Minute), Some(LeadGrain::Minute))
    } else if kind == Kind::Hour {
        (None, Some(LeadGrain::Hour))
    } else if kind == Kind::Day {
        (None, Some(LeadGrain::Day))
    } else {
        (None, None)
    }
}

/// Takes the conflicts that the marks found.
pub(super) fn follow(
    settings: &Settings,
    force: &LeadRulesInForce,
    station: &mut Station,
    verdict: &MarkVerdict,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let Some(rules) = &force.rules else { return };
    let mut effects = Vec::new();
    for found in &verdict.conflicts {
        station.leads.conflict(rules, &conflict(found, place), &mut effects);
    }
    tell(settings, station, effects, (place, numbers), out);
}

fn conflict<'f>(found: &'f ConflictFound, place: JournalRef<'_>) -> ConflictSeen<'f> {
    let input = |input: &Input| LeadInput {
        offset: place.offset,
        at: input.at,
        value: format!("{} {}", input.code, input.value),
    };
    ConflictSeen {
        name: found.name.rsplit(':').next().unwrap_or_default(),
        object: &found.object,
        mark: &found.mark,
        zh: &found.zh,
        en: &found.en,
        clause: &found.clause,
        since: found.since,
        at: found.at,
        inputs: found.inputs.iter().take(hj212_leads::INPUTS_MAX).map(input).collect(),
        offset: place.offset,
    }
}

/// Lets time pass for a station.
pub(super) fn advance(
    settings: &Settings,
    force: &LeadRulesInForce,
    station: &mut Station,
    now: Timestamp,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let Some(rules) = force.rules.as_ref().filter(|_| station.leads.waits_for(now)) else { return };
    let plan = station.plan.clone().unwrap_or_default();
    let mut leads = std::mem::take(&mut station.leads);
    let mut effects = Vec::new();
    leads.pass(rules, &AskMarks { station, plan: &plan }, now, &mut effects);
    station.leads = leads;
    tell(settings, station, effects, (place, numbers), out);
}

/// Publishes what became of leads: the lead itself, and an event when it is raised or over.
fn tell(
    settings: &Settings,
    station: &mut Station,
    effects: Vec<LeadEffect>,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    scores::leads(station, &effects, place.at);
    for effect in effects {
        let (lead, state, over) = match &effect {
            LeadEffect::Raised(lead) => (lead, Some("raised"), false),
            LeadEffect::Grown(lead) => (lead, None, false),
            LeadEffect::Ended(lead, how) => (lead, Some(how.name()), true),
        };
        let topic = station.topic.lead(&lead.id());
        let body = if over { Bytes::new() } else { body(settings, station, lead, (place, numbers)) };
        out.push(TypedPublication::of(&station.name, topic, body, Says::Lead));
        if let Some(state) = state {
            push_event(settings, station, (lead, state), (place, numbers), out);
        }
    }
}

fn body(
    settings: &Settings,
    station: &Station,
    lead: &Lead,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
) -> Bytes {
    let id = numbers.id(&settings.gateway, &station.level, "lead");
    let mut body = b"{\"schema\":\"hj212.lead/1\",\"id\":".to_vec();
    text::string(&mut body, &id);
    body.extend_from_slice(&station.head);
    body.extend_from_slice(&station.shown);
    for (name, member) in lead.view().as_object().into_iter().flatten() {
        body.extend_from_slice(format!(",\"{name}\":{member}").as_bytes());
    }
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    Bytes::from(body)
}

fn push_event(
    settings: &Settings,
    station: &Station,
    (lead, state): (&Lead, &str),
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let id = numbers.id(&settings.gateway, &station.level, "lead");
    let detail = json!({
        "lead": lead.id(), "detector": lead.detector, "code": (!lead.code.is_empty()).then_some(&lead.code), "rank": lead.rank,
        "state": state, "zh": lead.zh, "en": lead.en,
    });
    let mut body = b"{\"schema\":\"hj212.event/1\",\"id\":".to_vec();
    text::string(&mut body, &id);
    body.extend_from_slice(&station.head);
    body.extend_from_slice(b",\"kind\":\"lead\",\"time\":");
    quoted(&mut body, |out| write_timestamp(out, place.time));
    body.extend_from_slice(format!(",\"detail\":{detail}").as_bytes());
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    let event = StationEvent { kind: EventKind::named("lead"), time: place.time };
    let said = TypedPublication::of(&station.name, station.topic.event("lead"), Bytes::from(body), Says::Event(event));
    out.push(said.labelled("lead", id));
}

impl Interpreter {
    /// Puts the rules of leads of the context in force; where leads are not looked for any more, those that are open are taken away.
    pub(super) fn replace_lead_rules(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        if !self.judging.leads.replace(&self.context.leads) {
            return;
        }
        for station in &mut self.stations {
            let mut effects = Vec::new();
            station.leads.switch_off(&mut effects);
            tell(&self.settings, station, effects, (place, &mut self.numbers), out);
        }
    }

    /// What a step of a case says of the leads that it names.
    pub(super) fn rule_leads(
        &mut self,
        mn: &str,
        (case, leads, end): (&str, &[String], Option<LeadEnd>),
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let number = self.by_mn.get(mn.as_bytes());
        let Some(station) = number.and_then(|number| self.stations.get_mut(*number as usize)) else { return };
        let mut effects = Vec::new();
        for lead in leads {
            station.leads.named(lead, case, &mut effects);
            if let Some(end) = end {
                station.leads.rule(lead, end, &mut effects);
            }
        }
        tell(&self.settings, station, effects, (place, &mut self.numbers), out);
    }

    /// Whether leads are looked for.
    #[must_use]
    pub fn looks_for_leads(&self) -> bool {
        self.judging.leads.rules.is_some()
    }

    /// The leads that are open, with the MNs of their stations, in the order in which those were first heard.
    pub fn open_leads(&self) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, &Lead)> {
        self.stations
            .iter()
            .flat_map(|station| station.leads.open().map(|lead| (String::from_utf8_lossy(&station.mn), lead)))
    }
}
