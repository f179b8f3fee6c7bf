//! Means of hours and days to [`hj212_judgement`], and what it has to say to publications (schemas `hj212.judgement/1`,
//! `hj212.judgement-running/1`, `hj212.alert/1`).
//!
//! What must stay true: an hour is judged by the worth that was published of it, and again by every worth that is published later; what has no
//! value by [`super::worth`] has none here; nothing is judged unless that is switched on, and then nothing of it depends on anything but records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::data::{quoted, write_journal};
use super::events::JournalRef;
use super::leads::LeadRulesInForce;
use super::moment::{Moment, write_timestamp};
use super::numbers::Numbers;
use super::reading::Worth;
use super::report::Report;
use super::scores::ScoreRulesInForce;
use super::station::Station;
use super::{EventKind, Interpreter, Says, Settings, StationEvent, TypedPublication, hash, json as text, micros};
use hj212_cases::{Colour, Exceeded, Opening};
use hj212_judgement::alerts::{Alert, Rules};
use hj212_judgement::{
    self as judgement, Asked, FLOW, Heard, Held, Mean, Outcome, Picture, Raised, RevisedBy, Said, Stage, What,
};
use hj212_marking::{Cause as MarkCause, Count, Happening, Mark, MarkVerdict, Plan, Validity};
use hj212_model::message::{Context, Kind, Timestamp};

/// Entries that stand in the judgement of a day, at most.
const MARKS_SHOWN: usize = 64;

/// What judgement goes by, for all stations.
#[derive(Debug, Default)]
pub(super) struct Judging {
    enabled: bool,
    /// Over how long the settlement of all stations is spread, µs.
    spread: i64,
    texts: BTreeMap<String, String>,
    alerts: Option<Rules>,
    /// By what leads are looked for: beside judgement, and without it.
    pub(super) leads: LeadRulesInForce,
    /// By what scorecards are kept.
    pub(super) scores: ScoreRulesInForce,
}

impl Judging {
    pub(super) fn new(settings: &Settings, context: &Context) -> Judging {
        let mut judging = Judging {
            enabled: settings.judgement.enabled,
            spread: micros(settings.judgement.settle_spread),
            ..Judging::default()
        };
        judging.replace(&context.alerts);
        judging.leads.replace(&context.leads);
        judging.scores.replace(&context.scores);
        judging
    }

    /// Puts other rules of alerts in force.
    pub(super) fn replace(&mut self, texts: &BTreeMap<String, String>) {
        if self.texts != *texts {
            (self.texts, self.alerts) = (texts.clone(), Rules::in_force(texts));
        }
    }
}

/// What judgement asks of the marks of a station.
struct Ask<'a> {
    station: &'a Station,
    plan: &'a Plan,
    now: Timestamp,
}

impl Asked for Ask<'_> {
    fn closes(&self, at: Timestamp) -> Timestamp {
        self.plan.entries_close(at)
    }

    fn worth(&self, code: &str, hour: Timestamp) -> Option<Validity> {
        self.station.marks.worth_now(self.plan, code, Kind::Hour, hour, None)
    }

    fn due(&self, code: &str) -> u32 {
        self.station.marks.hours_due(code).unwrap_or(24)
    }

    fn counted(&self, rule: &Count) -> Vec<String> {
        self.plan.counted(rule)
    }

    fn lifted(&self, object: &str, marks: &[String], at: Timestamp) -> bool {
        self.station.marks.has_effect(object, marks, at)
    }

    fn holds(&self, mark: &str) -> bool {
        self.station.marks.held().any(|held| held.mark == mark && held.works_at(self.now.0))
    }
}

/// Runs `judge` over what is remembered of an outlet, and publishes what it has to say.
fn with(
    settings: &Settings,
    judging: &Judging,
    station: &mut Station,
    now: Timestamp,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
    judge: impl FnOnce(&mut judgement::Outlet, &Held<'_>, &mut Vec<Said>),
) {
    if !judging.enabled {
        return;
    }
    let mut outlet = std::mem::take(&mut station.outlet);
    let mut said = Vec::new();
    let limits = station.limits.clone().unwrap_or_default();
    let plan = station.plan.clone().unwrap_or_default();
    {
        let ask = Ask { station, plan: &plan, now };
        let held = Held {
            limits: &limits,
            counts: plan.counts(),
            alerts: judging.alerts.as_ref(),
            settle_after: spread(judging.spread, &station.mn),
            asked: &ask,
        };
        judge(&mut outlet, &held, &mut said);
    }
    station.outlet = outlet;
    for one in said {
        publish(settings, station, one, (place, numbers), out);
    }
}

/// When within the spread a station is settled.
fn spread(of: i64, mn: &[u8]) -> i64 {
    i64::try_from(hash::content(mn) % u64::try_from(of.max(1)).unwrap_or(1)).unwrap_or(0)
}

/// A text of a value, if it is one.
fn value<'r>(text: Option<&'r Cow<'_, [u8]>>) -> Option<&'r str> {
    text.and_then(|text| std::str::from_utf8(text).ok()).filter(|text| !text.is_empty())
}

/// The period of a mean that is judged.
fn mean_of(kind: Kind) -> Option<Mean> {
    if kind == Kind::Hour {
        Some(Mean::Hour)
    } else if kind == Kind::Day {
        Some(Mean::Day)
    } else {
        None
    }
}

/// Takes the means of a report: `verdict` has one entry for each of its readings.
pub(super) fn heard(
    (settings, judging): (&Settings, &Judging),
    station: &mut Station,
    (kind, moment): (Kind, Option<Moment>),
    (report, verdict): (&Report<'_>, &MarkVerdict),
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let of = mean_of(kind);
    let five = kind == Kind::Furnace;
    let (Some(at), true) =
        (moment.map(Moment::timestamp), judging.enabled && (of.is_some() || five || kind == Kind::Minute))
    else {
        return;
    };
    let plan = station.plan.clone().unwrap_or_default();
    let concerns = if of.is_some() { station.limits.is_some() } else { !plan.counts().is_empty() };
    if !concerns {
        return;
    }
    with(settings, judging, station, place.at, (place, numbers), out, |outlet, held, said| {
        outlet.present(place.at);
        for (number, reading) in report.readings.iter().enumerate() {
            let key = report.key_of(reading);
            let Ok(code) = std::str::from_utf8(&key) else { continue };
            let there = reading.worth == Worth::There;
            if five || kind == Kind::Minute {
                let main = report.main(reading);
                let said = std::str::from_utf8(&main).ok().and_then(|text| text.parse::<f64>().ok());
                let worth = verdict.readings.get(number).and_then(|judged| judged.validity);
                let usable = five || worth.is_none_or(Validity::is_usable);
                let Some(value) = said.filter(|_| there && usable) else { continue };
                for rule in held.counts.iter().filter(|rule| rule.dates.hold(at.0)) {
                    for object in plan.counted_on(rule, code) {
                        outlet.temperature(rule, &object, at, value, five, place.at);
                    }
                }
                continue;
            }
            let Some(of) = of.filter(|_| code == FLOW || held.limits.codes().any(|known| known == code)) else {
                continue;
            };
            let main = Some(report.main(reading)).filter(|_| there);
            let converted = report.converted(reading).filter(|_| there);
            let total = report.total(reading).filter(|_| there);
            let judged = verdict.readings.get(number);
            let minutes = judged.and_then(|judged| judged.recomputed.as_ref());
            let heard = Heard {
                of,
                at,
                code,
                measured: value(main.as_ref()),
                converted: value(converted.as_ref()),
                total: value(total.as_ref()),
                worth: judged.and_then(|judged| judged.validity),
                minutes: minutes.map(|minutes| (minutes.good, minutes.expected)),
            };
            outlet.take(held.limits, &heard, place.at, said);
        }
        outlet.taken(held, place.at, said);
    });
}

/// Takes what happened to marks, and what was put right of hours.
pub(super) fn follow(
    settings: &Settings,
    judging: &Judging,
    station: &mut Station,
    verdict: &MarkVerdict,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let nothing = verdict.revisions.is_empty() && verdict.happenings.is_empty();
    if nothing || !judging.enabled || (station.limits.is_none() && station.outlet.is_empty()) {
        return;
    }
    with(settings, judging, station, place.at, (place, numbers), out, |outlet, held, said| {
        for revision in &verdict.revisions {
            let Some(of) = mean_of(revision.kind) else { continue };
            for reading in &revision.readings {
                let cause = match revision.cause {
                    MarkCause::Entry(_) => Some(RevisedBy::Entry),
                    MarkCause::Ruling(..) => Some(RevisedBy::Ruling),
                    MarkCause::Values => Some(RevisedBy::LateRecord),
                    MarkCause::Mark(_) => None,
                };
                outlet.worth(held.limits, (of, revision.data_time, &reading.code), (reading.is, cause), said);
            }
        }
        for happening in &verdict.happenings {
            if happening.kind == "limit-near"
                && let Some(rules) = held.alerts
            {
                outlet.limit_near(rules, &happening.detail, happening.at, said);
            }
            if let Some(mark) = touching(happening, held) {
                let cause = match happening.kind {
                    "mark-ruled" => Some(RevisedBy::Ruling),
                    _ => mark.said.is_some().then_some(RevisedBy::Entry),
                };
                outlet.touch((mark.since, mark.until.unwrap_or(place.at)), cause, place.at, said);
            }
        }
    });
}

/// The mark whose begin, end or ruling can change hours that never came, or windows of a furnace.
fn touching<'h>(happening: &'h Happening, held: &Held<'_>) -> Option<&'h Mark> {
    let lifts = |mark: &Mark| held.counts.iter().any(|rule| rule.unless.contains(&mark.mark));
    happening.mark.as_ref().filter(|mark| mark.said.is_some() || mark.entered.needs_confirmation() || lifts(mark))
}

/// Lets time pass for a station.
pub(super) fn advance(
    settings: &Settings,
    judging: &Judging,
    station: &mut Station,
    now: Timestamp,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    if station.limits.is_none() && station.outlet.is_empty() {
        return;
    }
    with(settings, judging, station, now, (place, numbers), out, |outlet, held, said| outlet.advance(held, now, said));
}

fn publish(
    settings: &Settings,
    station: &Station,
    said: Said,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let topic = station.topic.judged(&said.topic);
    let content = match said.what {
        What::Event(kind, time) => Says::Event(StationEvent { kind: EventKind::named(kind), time }),
        What::Schema(_) => Says::Judged { retained: said.retain },
    };
    if let Some(raised) = said.raised {
        numbers.raised.push((String::from_utf8_lossy(&station.mn).into_owned(), raised));
    }
    let Some(members) = said.body else {
        out.push(TypedPublication::of(&station.name, topic, Bytes::new(), content));
        return;
    };
    let mut body = Vec::new();
    let (kind, id): (Cow<'static, str>, String) = match said.what {
        What::Schema(schema) => {
            let id = numbers.id(&settings.gateway, &station.level, schema);
            body.extend_from_slice(format!("{{\"schema\":\"hj212.{schema}/1\",\"id\":").as_bytes());
            text::string(&mut body, &id);
            body.extend_from_slice(&station.head);
            body.extend_from_slice(&station.shown);
            for (name, member) in members.as_object().into_iter().flatten() {
                body.extend_from_slice(format!(",\"{name}\":{member}").as_bytes());
            }
            if let Some((code, day)) = &said.of {
                body.extend_from_slice(format!(",\"marks\":{}", marks_of(station, code, *day)).as_bytes());
            }
            (format!("hj212.{schema}/1").into(), id)
        }
        What::Event(kind, at) => {
            let id = numbers.id(&settings.gateway, &station.level, kind);
            body.extend_from_slice(b"{\"schema\":\"hj212.event/1\",\"id\":");
            text::string(&mut body, &id);
            body.extend_from_slice(&station.head);
            body.extend_from_slice(format!(",\"kind\":\"{kind}\",\"time\":").as_bytes());
            quoted(&mut body, |out| write_timestamp(out, at));
            body.extend_from_slice(format!(",\"detail\":{members}").as_bytes());
            (kind.into(), id)
        }
    };
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    let published = TypedPublication::of(&station.name, topic, Bytes::from(body), content);
    out.push(published.labelled(kind, id).in_colours(said.colours));
}

/// What people entered over a day of a factor, and what authorities ruled about it.
fn marks_of(station: &Station, code: &str, day: i32) -> Value {
    let plan = station.plan.clone().unwrap_or_default();
    let (from, to) = (judgement::calendar::start(day), judgement::calendar::start(day.saturating_add(1)));
    let last = Timestamp(to.0 - 1);
    let entered = station.marks.over(&plan, Some(code), from, last).filter(|mark| mark.said.is_some());
    let view = |mark: &Mark| {
        let ruling = mark
            .ruled
            .as_ref()
            .map(|ruled| json!({ "id": ruled.id, "role": ruled.role.name(), "ruling": ruled.ruling.name() }));
        let covered = mark.overlap(from.0, to.0) / judgement::calendar::SECOND / 60;
        json!({
            "mark": mark.mark, "object": mark.object, "entry": mark.by, "standing": mark.standing.name(),
            "validity": mark.validity.name(), "effective": mark.effect().is_some(), "late": mark.late, "minutes": covered, "ruling": ruling,
        })
    };
    let mut all: Vec<Value> = entered.take(MARKS_SHOWN).map(view).collect();
    all.sort_by_cached_key(Value::to_string);
    Value::Array(all)
}

/// What is known of an outlet's day, for those who ask.
#[derive(Debug)]
pub struct DayKnown {
    /// By factor.
    pub factors: Vec<(String, Picture)>,
    /// The furnace tests: what each is called, its windows, the outcome, how far it is, and words.
    pub furnaces: Vec<(String, judgement::Windows, Outcome, Stage, judgement::Words)>,
}

impl Interpreter {
    /// Opens or worsens the cases of alerts that have settled at this record.
    pub(super) fn open_cases(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let raised = std::mem::take(&mut self.numbers.raised);
        if !self.settings.cases {
            return;
        }
        for (mn, raised) in raised {
            match raised {
                Raised::Day { code, day, text } => {
                    self.on_exceeded(&Exceeded { mn: &mn, code: &code, day: &day, text: &text }, place, out);
                }
                Raised::Alert { id, code, colour, days, text } => {
                    let Some(colour) = Colour::named(&colour) else { continue };
                    let outlet = self.outlet_of(&mn).to_owned();
                    let opening =
                        Opening { mn: &mn, outlet: &outlet, code: &code, alert: &id, colour, days: &days, text: &text };
                    self.on_alert(&opening, place, out);
                }
            }
        }
    }

    /// What the day (its number, see [`judgement::calendar`]) of the station `mn` comes to by what is known now. `None`: no such station.
    #[must_use]
    pub fn judged(&self, mn: &str, day: i32, factor: Option<&str>) -> Option<DayKnown> {
        let station = self.stations.get(*self.by_mn.get(mn.as_bytes())? as usize)?;
        let plan = station.plan.clone().unwrap_or_default();
        let limits = station.limits.clone().unwrap_or_default();
        let ask = Ask { station, plan: &plan, now: self.now };
        let held = Held {
            limits: &limits,
            counts: plan.counts(),
            alerts: self.judging.alerts.as_ref(),
            settle_after: spread(self.judging.spread, &station.mn),
            asked: &ask,
        };
        let wanted = limits.codes().filter(|code| factor.is_none_or(|factor| factor == *code));
        let factors = wanted.filter_map(|code| Some((code.to_owned(), station.outlet.picture(&held, code, day)?)));
        let furnaces = station.outlet.furnaces(&held, day);
        let furnaces = furnaces.into_iter().filter(|(code, ..)| factor.is_none_or(|factor| code.starts_with(factor)));
        Some(DayKnown { factors: factors.collect(), furnaces: furnaces.collect() })
    }

    /// The rules of alerts in force.
    #[must_use]
    pub fn alert_rules(&self) -> Option<&Rules> {
        self.judging.alerts.as_ref()
    }

    /// The alerts that are open, with the MNs of their stations, in the order in which those were first heard.
    pub fn open_alerts(&self) -> impl Iterator<Item = (Cow<'_, str>, &Alert)> {
        self.stations.iter().flat_map(|station| {
            station.outlet.alerts().open().map(|alert| (String::from_utf8_lossy(&station.mn), alert))
        })
    }

    /// The outcomes of the remembered days of the station `mn`, by factor.
    #[must_use]
    pub fn judged_days(&self, mn: &str) -> judgement::Outcomes {
        let station = self.by_mn.get(mn.as_bytes()).and_then(|number| self.stations.get(*number as usize));
        station.map(|station| station.outlet.days()).unwrap_or_default()
    }
}
