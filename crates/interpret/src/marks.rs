//! Readings to [`hj212_marking`] and back: which rules hold for a station, and what is published of its marks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::data::{quoted, write_journal};
use super::events::JournalRef;
use super::factor::Medium;
use super::judgement::{self, Judging};
use super::leads;
use super::moment::{Moment, write_timestamp};
use super::numbers::Numbers;
use super::reading::Worth;
use super::report::Report;
use super::scores;
use super::station::Station;
use super::{
    EntryContent, EventKind, Interpreted, Interpreter, MarkEvent, Says, Settings, StationEvent, TypedPublication,
    ValidityContent, built_in, json,
};
use hj212::Edition;
use hj212::secret::{masked_whole, may_hold};
use hj212_coverage::{Grain, IntervalOrigin, Ledger};
use hj212_marking::{
    Answer, Changed, Happening, Link, Mark, MarkVerdict, Observation, PaceOf, Paces, Plan, Reading, Revision, RuleBook,
    SWEEP, Validity, WATER_BODY, explain_as, of_shared,
};
use hj212_model::message::{Kind, StationFacts, Timestamp};

/// So many sets of rules are kept before it is looked which of them no station has any more.
const ALIKE_MIN: usize = 256;

/// The rules in force, and the plans that many stations share.
#[derive(Debug, Default)]
pub(super) struct RulesInForce {
    /// The texts of `book`; none: those built in.
    pub(super) texts: BTreeMap<String, String>,
    book: Arc<RuleBook>,
    /// Plans of stations with no rules of their own, by edition and medium.
    plain: BTreeMap<(String, String), Arc<Plan>>,
    /// The rules that stations have in common, by what they depend on.
    alike: BTreeMap<String, Plan>,
    /// With so many of them those are forgotten that no station has.
    crowded: usize,
}

fn read(texts: &BTreeMap<String, String>) -> Option<Arc<RuleBook>> {
    if texts.is_empty() {
        return built_in::rules();
    }
    let files: Vec<(String, String)> = texts.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    RuleBook::load(&files).ok().map(Arc::new)
}

/// What of a record, besides its readings, matters to rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordFacts {
    pub(super) edition: Option<Edition>,
    pub(super) medium: Medium,
    /// Whether the station discharges by an outlet.
    pub(super) outlet: bool,
    pub(super) kind: Kind,
    pub(super) moment: Option<Moment>,
    pub(super) received: Timestamp,
}

/// The medium as rule files say it. Rivers, lakes, groundwater and the sea are water without an outlet: nothing there rests on a flow.
const fn of(medium: Medium, outlet: bool) -> &'static str {
    match medium {
        Medium::Air => "air",
        Medium::Water if outlet => "water",
        Medium::Water => WATER_BODY,
        Medium::Unknown => "",
    }
}

impl RulesInForce {
    pub(super) fn new(texts: BTreeMap<String, String>) -> RulesInForce {
        // Texts that an earlier version took and this one does not: better the rules built in than none.
        let book = read(&texts).or_else(built_in::rules).unwrap_or_default();
        RulesInForce { texts, book, ..RulesInForce::default() }
    }

    /// Puts other rules in force; false if they are wrong, and nothing changes.
    pub(super) fn replace(&mut self, texts: &BTreeMap<String, String>) -> bool {
        let Some(book) = read(texts) else { return false };
        *self = RulesInForce { texts: texts.clone(), book, ..RulesInForce::default() };
        true
    }

    fn plan(&mut self, facts: Option<&StationFacts>, ruled: &(String, String)) -> Arc<Plan> {
        let own = facts.is_some_and(|f| {
            !(f.rules.is_empty()
                && f.facilities.is_empty()
                && f.limits.is_empty()
                && f.emission.is_empty()
                && f.ranges.is_empty()
                && f.without.is_empty())
        });
        if own {
            return Arc::new(self.like_others(facts, ruled));
        }
        if let Some(plan) = self.plain.get(ruled) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan::new(&self.book, facts, &ruled.0, &ruled.1));
        self.plain.insert(ruled.clone(), Arc::clone(&plan));
        plan
    }

    /// The plan of a station with its own numbers, and the rules of those that are alike.
    fn like_others(&mut self, facts: Option<&StationFacts>, (edition, medium): &(String, String)) -> Plan {
        let likeness = Plan::likeness(facts, edition, medium);
        if let Some(known) = self.alike.get(&likeness) {
            return known.of_station(facts);
        }
        if self.alike.len() >= self.crowded.max(ALIKE_MIN) {
            self.alike.retain(|_, plan| plan.is_shared());
            self.crowded = 2 * self.alike.len();
        }
        let plan = Plan::new(&self.book, facts, edition, medium);
        self.alike.insert(likeness, plan.of_station(None));
        plan
    }

    /// Makes the plan of a restored station again.
    pub(super) fn renew(&mut self, station: &mut Station, facts: Option<&StationFacts>) {
        let Some(ruled) = station.ruled.clone() else { return };
        let plan = self.plan(facts, &ruled);
        station.marks.install(&plan, &mut MarkVerdict::default());
        station.plan = Some(plan);
    }

    /// The plan in force for a station, and what putting it in force changed; one that was never heard gets the plan of its registration.
    fn ruled(
        &mut self,
        station: &mut Station,
        facts: Option<&StationFacts>,
        (medium, outlet): (Medium, bool),
    ) -> (Arc<Plan>, Vec<Happening>) {
        if let Some(plan) = &station.plan {
            return (Arc::clone(plan), Vec::new());
        }
        let edition = facts.and_then(|facts| facts.edition).unwrap_or(Edition::V2017);
        self.install(station, facts, (edition.year().to_owned(), of(medium, outlet).to_owned()))
    }

    fn install(
        &mut self,
        station: &mut Station,
        facts: Option<&StationFacts>,
        ruled: (String, String),
    ) -> (Arc<Plan>, Vec<Happening>) {
        let plan = self.plan(facts, &ruled);
        let mut changed = MarkVerdict::default();
        station.marks.install(&plan, &mut changed);
        (station.plan, station.ruled) = (Some(Arc::clone(&plan)), Some(ruled));
        (plan, changed.happenings)
    }

    /// Judges a report; the verdict has one entry for each of its readings.
    pub(super) fn judge(
        &mut self,
        station: &mut Station,
        facts: Option<&StationFacts>,
        told: RecordFacts,
        report: &Report<'_>,
        verdict: &mut MarkVerdict,
    ) {
        verdict.readings.clear();
        verdict.happenings.clear();
        verdict.revisions.clear();
        verdict.conflicts.clear();
        let medium = of(told.medium, told.outlet);
        let edition = told.edition.unwrap_or(Edition::V2017).year();
        let same = station.ruled.as_ref().is_some_and(|(e, m)| e == edition && m == medium);
        let mut before = Vec::new();
        let plan = match station.plan.as_ref().filter(|_| same) {
            Some(plan) => Arc::clone(plan),
            None => {
                let (plan, changed) = self.install(station, facts, (edition.to_owned(), medium.to_owned()));
                before = changed;
                plan
            }
        };
        if plan.is_silent() {
            verdict.happenings = before;
            return;
        }
        let codes: Vec<Cow<'_, str>> = report
            .readings
            .iter()
            .map(|reading| {
                let code = match report.key_of(reading) {
                    Cow::Borrowed(code) => Cow::Borrowed(std::str::from_utf8(code).unwrap_or_default()),
                    Cow::Owned(code) => Cow::Owned(String::from_utf8(code).unwrap_or_default()),
                };
                // Of a state or a log the instrument is the object, not the record.
                let about = report.about(reading).filter(|_| told.kind == Kind::Info);
                about.map_or(code.clone(), |about| Cow::Owned(format!("{code}@{about}")))
            })
            .collect();
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or("?");
        // What a mark rests on is published with it: no password or key.
        let values: Vec<Cow<'_, [u8]>> = report.readings.iter().map(|reading| shown(report.main(reading))).collect();
        let flags: Vec<Option<Cow<'_, [u8]>>> =
            report.readings.iter().map(|reading| reading.flag.map(|flag| shown(Cow::Borrowed(flag)))).collect();
        // Converted values count for emission limits, for the conditions of exemptions, and for what they rest on.
        let converted: Vec<Option<Cow<'_, [u8]>>> = if plan.looks_at_converted() {
            report.readings.iter().map(|reading| report.converted(reading)).collect()
        } else {
            Vec::new()
        };
        let judged = |at: usize| converted.get(at)?.as_deref().map(text);
        let readings: Vec<Reading<'_>> = (0..)
            .zip(&report.readings)
            .zip(codes.iter().zip(&values))
            .map(|((at, reading), (code, value))| {
                let flag = flags.get(at).and_then(|flag| flag.as_deref()).map(text);
                let (none, doubtful) = (reading.worth == Worth::None, reading.worth == Worth::Doubtful);
                Reading { code, text: text(value), judged: judged(at), none, doubtful, flag }
            })
            .collect();
        let data = told.moment.map(Moment::timestamp);
        station.marks.set_paces(paces(&station.ledger));
        let seen = Observation { at: told.received, data, kind: told.kind, readings: &readings };
        station.marks.observe(&plan, &seen, verdict);
        verdict.happenings.splice(0..0, before);
    }
}

/// A text of the station without the secrets in it.
fn shown(said: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if may_hold(&said) { Cow::Owned(masked_whole(&said)) } else { said }
}

/// The intervals at which a station's records are expected: by these it is silent too.
fn paces(ledger: &Ledger) -> Paces {
    let of = |origin| match origin {
        IntervalOrigin::Fixed => PaceOf::Fixed,
        IntervalOrigin::Registered => PaceOf::Registered,
        IntervalOrigin::Set => PaceOf::Set,
        IntervalOrigin::Learned => PaceOf::Learned,
    };
    [Grain::Realtime, Grain::Minute, Grain::Hour, Grain::Day]
        .map(|grain| ledger.cadence(grain).map(|(seconds, origin)| (seconds, of(origin))))
}

/// Publishes what happened to a station's marks, and what judgement makes of it.
pub(super) fn tell(
    (settings, rulings, judging): (&Settings, &RulesInForce, &Judging),
    station: &mut Station,
    verdict: &MarkVerdict,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    publish(settings, rulings, station, verdict, (place, numbers), out);
    judgement::follow(settings, judging, station, verdict, (place, numbers), out);
    leads::follow(settings, &judging.leads, station, verdict, (place, numbers), out);
    scores::follow(&judging.scores, station, verdict, place);
}

/// Publishes what happened to a station's marks: an event each, and the retained mark.
fn publish(
    settings: &Settings,
    rulings: &RulesInForce,
    station: &Station,
    verdict: &MarkVerdict,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    for happening in &verdict.happenings {
        let id = numbers.id(&settings.gateway, &station.level, happening.kind);
        let mut body = b"{\"schema\":\"hj212.event/1\",\"id\":".to_vec();
        json::string(&mut body, &id);
        body.extend_from_slice(&station.head);
        body.extend_from_slice(b",\"kind\":");
        json::string(&mut body, happening.kind);
        body.extend_from_slice(b",\"time\":");
        quoted(&mut body, |out| write_timestamp(out, happening.at));
        body.extend_from_slice(b",\"mark\":");
        let view = happening.mark.as_ref().map_or(json!(null), |mark| view(station, mark));
        body.extend_from_slice(view.to_string().as_bytes());
        body.extend_from_slice(b",\"detail\":");
        body.extend_from_slice(happening.detail.to_string().as_bytes());
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        let event = StationEvent { kind: event_kind(happening), time: happening.at };
        let (topic, content) = (station.topic.event(happening.kind), Says::Event(event));
        let said = TypedPublication::of(&station.name, topic, Bytes::from(body), content);
        out.push(said.labelled(happening.kind, id));
        if let Some(mark) = &happening.mark {
            retain(rulings, station, mark, place, out);
            retain_sharers(rulings, station, mark, place, out);
        }
    }
    for revision in &verdict.revisions {
        let id = numbers.id(&settings.gateway, &station.level, "validity");
        revise(station, revision, &id, place, out);
    }
}

/// A mark as published, with what effect it has at this station: a stop that waits for the other furnace of its stack has none.
fn view(station: &Station, mark: &Mark) -> serde_json::Value {
    let mut view = mark.view();
    if station.plan.as_ref().is_some_and(|plan| !station.marks.is_effective(plan, mark)) {
        view["effective"] = json!(false);
    }
    view
}

/// Publishes again what holds on the other sources behind the stack of a mark: whether it works may be another thing now.
fn retain_sharers(
    rulings: &RulesInForce,
    station: &Station,
    mark: &Mark,
    place: JournalRef<'_>,
    out: &mut Vec<TypedPublication>,
) {
    if !mark.validity.needs_confirmation() {
        return;
    }
    let sharers: Vec<&str> = station.plan.iter().flat_map(|plan| plan.sharers_of(&mark.object)).collect();
    let waits =
        |held: &&Mark| held.begun && held.validity.needs_confirmation() && sharers.contains(&held.object.as_str());
    for held in station.marks.held().filter(waits) {
        retain(rulings, station, held, place, out);
    }
}

/// What an event about a mark is, for those who look at it.
fn event_kind(happening: &Happening) -> EventKind {
    let detail = |key: &str| happening.detail[key].as_str().unwrap_or_default().to_owned();
    let entry = || happening.mark.as_ref().filter(|mark| mark.said.is_some()).map(|mark| mark.by.clone());
    match happening.kind {
        "mark-withdrawn" => {
            EventKind::Mark(MarkEvent::Withdrawn { entry: entry().unwrap_or_default(), by: detail("entry") })
        }
        "mark-ruled" => EventKind::Mark(MarkEvent::Ruled {
            entry: entry().unwrap_or_default(),
            role: detail("role"),
            id: detail("id"),
            ruling: detail("ruling"),
        }),
        kind => EventKind::named(kind),
    }
}

/// Publishes the worth of a period that was published with another before.
fn revise(station: &Station, revision: &Revision, id: &str, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
    let kind = revision.kind.name();
    let mut body = b"{\"schema\":\"hj212.validity/1\",\"id\":".to_vec();
    json::string(&mut body, id);
    body.extend_from_slice(&station.head);
    body.extend_from_slice(b",\"kind\":");
    json::string(&mut body, kind);
    body.extend_from_slice(b",\"data_time\":");
    json::string(&mut body, &revision.data_time.to_data_time());
    body.extend_from_slice(format!(",\"cause\":{},\"readings\":{{", revision.cause.view()).as_bytes());
    for (at, reading) in revision.readings.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        json::string(&mut body, &reading.code);
        let worth = |validity: Option<Validity>| json!({ "valid": reading.valid(validity), "validity": validity.map(Validity::name) });
        let now = worth(reading.is);
        let view = json!({
            "valid": now["valid"], "validity": now["validity"], "was": worth(reading.was), "marks": reading.marks,
        });
        body.push(b':');
        body.extend_from_slice(view.to_string().as_bytes());
    }
    body.push(b'}');
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    let readings = revision.readings.iter().map(|reading| (reading.code.clone(), reading.was, reading.is)).collect();
    let content = ValidityContent { kind: revision.kind, data_time: revision.data_time, readings };
    let (topic, content) = (station.topic.validity(revision.kind), Says::Validity(Box::new(content)));
    out.push(TypedPublication::of(&station.name, topic, Bytes::from(body), content));
}

/// The retained topic of a mark on an object: what holds now, what has effect before what has none, entries before rules; empty if nothing
/// does.
pub(super) fn retain(
    rulings: &RulesInForce,
    station: &Station,
    mark: &Mark,
    place: JournalRef<'_>,
    out: &mut Vec<TypedPublication>,
) {
    let same = |m: &&Mark| m.begun && m.mark == mark.mark && m.object == mark.object;
    let works = |m: &Mark| station.plan.as_ref().is_none_or(|plan| station.marks.is_effective(plan, m));
    let holds = station.marks.held().filter(same).max_by_key(|m| (works(m), m.said.is_some()));
    let payload = holds.map_or_else(Bytes::new, |holds| {
        let sharers: Vec<&str> = station.plan.iter().flat_map(|plan| plan.sharers_of(&holds.object)).collect();
        let words = explain_as(&rulings.book, holds, of_shared(holds, &sharers).as_ref());
        let mut body = b"{\"schema\":\"hj212.mark/1\"".to_vec();
        body.extend_from_slice(&station.head);
        body.extend_from_slice(b",\"mark\":");
        body.extend_from_slice(view(station, holds).to_string().as_bytes());
        body.extend_from_slice(b",\"explain\":{\"zh\":");
        json::string(&mut body, &words.zh);
        body.extend_from_slice(b",\"en\":");
        json::string(&mut body, &words.en);
        body.push(b'}');
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        Bytes::from(body)
    });
    let (topic, content) = (station.topic.mark(&mark.mark, &mark.object), Says::Mark(!payload.is_empty()));
    out.push(TypedPublication::of(&station.name, topic, payload, content));
}

impl Interpreter {
    /// Lets time pass for all stations: silence, ends of entries, limits. At most once a minute of the time that has passed.
    pub(super) fn sweep(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        if self.elapsed.0.saturating_sub(self.swept.0) < SWEEP {
            return;
        }
        self.swept = self.elapsed;
        let mut verdict = std::mem::take(&mut self.verdict);
        for station in &mut self.stations {
            let places = (place, &mut self.numbers);
            judgement::advance(&self.settings, &self.judging, station, self.now, places, out);
            let places = (place, &mut self.numbers);
            leads::advance(&self.settings, &self.judging.leads, station, self.now, places, out);
            // Whoever is not registered has no card.
            if let Some(facts) = std::str::from_utf8(&station.mn).ok().and_then(|mn| self.context.facts(mn)) {
                let (operator, places) = (facts.operator.as_deref(), (place, &mut self.numbers));
                scores::advance((&self.settings, &self.judging.scores), station, operator, self.now, places, out);
            }
            let Some(plan) = station.plan.clone() else { continue };
            station.marks.tick(&plan, self.now, &mut verdict);
            tell((&self.settings, &self.rulings, &self.judging), station, &verdict, (place, &mut self.numbers), out);
        }
        self.verdict = verdict;
    }

    /// Puts the context's rules in force, for all stations or for those whose registration changed.
    pub(super) fn rule(
        &mut self,
        all: bool,
        changed: &[String],
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
        done: &mut Interpreted,
    ) {
        let all = all && self.context.rules != self.rulings.texts && {
            let taken = self.rulings.replace(&self.context.rules);
            done.rules_refused += u32::from(!taken);
            taken
        };
        for station in &mut self.stations {
            let mn = std::str::from_utf8(&station.mn).unwrap_or_default();
            let Some(ruled) =
                station.ruled.clone().filter(|_| all || changed.binary_search_by(|c| c.as_str().cmp(mn)).is_ok())
            else {
                continue;
            };
            let plan = self.rulings.plan(self.context.facts(mn), &ruled);
            let mut verdict = MarkVerdict::default();
            station.marks.install(&plan, &mut verdict);
            station.plan = Some(plan);
            tell((&self.settings, &self.rulings, &self.judging), station, &verdict, (place, &mut self.numbers), out);
        }
    }

    /// The rules in force.
    #[must_use]
    pub fn rule_book(&self) -> &RuleBook {
        &self.rulings.book
    }

    /// The remembered marks of the station `mn` that are about `code`, or about anything, and hold or held within `from..=to`; proposals
    /// and late entries too. `None`: no such station.
    #[must_use]
    pub fn marks_over(&self, mn: &str, code: Option<&str>, from: Timestamp, to: Timestamp) -> Option<Vec<Mark>> {
        let Some(number) = self.by_mn.get(mn.as_bytes()) else {
            return self.context.facts(mn).is_some().then(Vec::new);
        };
        let station = self.stations.get(*number as usize)?;
        let Some(plan) = &station.plan else { return Some(Vec::new()) };
        Some(station.marks.over(plan, code, from, to).cloned().collect())
    }

    /// What a published reading of the station `mn` is worth by what is known now; `own` is what its own flag said.
    #[must_use]
    pub fn worth_now(
        &self,
        (mn, code): (&str, &str),
        kind: Kind,
        at: Timestamp,
        own: Option<Validity>,
    ) -> Option<Validity> {
        let station = self.stations.get(*self.by_mn.get(mn.as_bytes())? as usize)?;
        station.marks.worth_now(station.plan.as_ref()?, code, kind, at, own)
    }

    /// The entry by which another one of the station `mn` was withdrawn or superseded.
    #[must_use]
    pub fn replaced_by(&self, mn: &str, entry: &str) -> Option<String> {
        let station = self.stations.get(*self.by_mn.get(mn.as_bytes())? as usize)?;
        station.marks.replaced_by(entry).map(str::to_owned)
    }

    /// Until when marks may be entered for the day that holds `at`: by the station's rules, else noon of the next day.
    #[must_use]
    pub fn entries_close(&self, mn: &str, at: Timestamp) -> Timestamp {
        let station = self.by_mn.get(mn.as_bytes()).and_then(|number| self.stations.get(*number as usize));
        let plan = station.and_then(|station| station.plan.as_ref());
        plan.map_or_else(|| Plan::default().entries_close(at), |plan| plan.entries_close(at))
    }

    /// Takes a mark entered by hand: publishes the answer on `{mn}/mark-entry/{id}/status`, and what the entry changes.
    ///
    /// A station that is registered and was never heard has the rules of its registered edition and type.
    pub(super) fn on_mark_entry(
        &mut self,
        (mn, id, entry): (&str, &str, &[u8]),
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let facts = self.context.facts(mn);
        let known = facts.is_some() || self.by_mn.contains_key(mn.as_bytes());
        let number = if known { self.station_of(mn.as_bytes()) } else { None };
        let facts = self.context.facts(mn);
        let Some(station) = number.and_then(|n| self.stations.get_mut(n as usize)) else {
            let stranger = Station::new(mn.as_bytes(), &self.settings, &self.context);
            return answer(&stranger, ("mark-entry", None), &Answer::unknown_station(id), place, out);
        };
        let mut verdict = MarkVerdict::default();
        let registered = facts.and_then(|facts| facts.st.as_deref()).map(str::as_bytes);
        let system = self.dictionary.system(registered, registered);
        let medium = (system.medium, system.outlet);
        let (plan, changed) = self.rulings.ruled(station, facts, medium);
        let edition = facts.and_then(|facts| facts.edition).or(station.edition);
        let system = self.dictionary.system(registered, station.st.as_deref());
        let code = |said: &str| {
            let found = self.dictionary.find(said.as_bytes(), edition, system)?;
            Some(if found.numbered { said.to_owned() } else { found.factor.code.to_string() })
        };
        let known = station.marks.knows_entry(id);
        let said = station.marks.enter(&plan, place.at, (id, entry), &code, &mut verdict);
        verdict.happenings.splice(0..0, changed);
        if !known {
            scores::entered(&self.judging.scores, station, &said, place.at);
        }
        answer(station, ("mark-entry", None), &said, place, out);
        tell((&self.settings, &self.rulings, &self.judging), station, &verdict, (place, &mut self.numbers), out);
    }

    /// Takes what an authority ruled about a mark entered by hand: publishes the answer on `{mn}/mark-ruling/{role}/{id}/status`, and what
    /// the ruling changes.
    pub(super) fn on_mark_ruling(
        &mut self,
        (mn, role, id, ruling): (&str, &str, &str, &[u8]),
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let number = self.by_mn.get(mn.as_bytes()).copied();
        let Some(station) = number.and_then(|number| self.stations.get_mut(number as usize)) else {
            // What was never heard and never marked has nothing to rule about.
            let facts = self.context.facts(mn);
            let mut stranger = Station::new(mn.as_bytes(), &self.settings, &self.context);
            let said = match facts {
                None => Answer::unknown_station(id),
                Some(_) => {
                    stranger.marks.rule(&Plan::default(), place.at, (role, id, ruling), &mut MarkVerdict::default())
                }
            };
            return answer(&stranger, ("mark-ruling", Some(role)), &said, place, out);
        };
        let plan = station.plan.clone().unwrap_or_default();
        let mut verdict = MarkVerdict::default();
        let said = station.marks.rule(&plan, place.at, (role, id, ruling), &mut verdict);
        answer(station, ("mark-ruling", Some(role)), &said, place, out);
        tell((&self.settings, &self.rulings, &self.judging), station, &verdict, (place, &mut self.numbers), out);
    }

    /// Takes that a station came or went, for the rules that look at its connection.
    pub(super) fn link(&mut self, number: u32, up: bool, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let Some(station) = self.stations.get_mut(number as usize) else { return };
        let plan = station.plan.clone().unwrap_or_default();
        let mut verdict = MarkVerdict::default();
        station.marks.link(&plan, if up { Link::Up } else { Link::Down }, place.at, &mut verdict);
        tell((&self.settings, &self.rulings, &self.judging), station, &verdict, (place, &mut self.numbers), out);
    }
}

/// Publishes what became of an entry or a ruling: `kind` is the level of the topic, `role` that of a ruling.
fn answer(
    station: &Station,
    (kind, role): (&str, Option<&str>),
    said: &Answer,
    place: JournalRef<'_>,
    out: &mut Vec<TypedPublication>,
) {
    let mut body = format!("{{\"schema\":\"hj212.{kind}-status/1\"").into_bytes();
    body.extend_from_slice(&station.head);
    if let Some(role) = role {
        body.extend_from_slice(b",\"role\":");
        json::string(&mut body, role);
    }
    body.extend_from_slice(b",\"id\":");
    json::string(&mut body, &said.id);
    body.extend_from_slice(b",\"state\":");
    json::string(&mut body, said.state());
    body.extend_from_slice(format!(",\"why\":{},\"marks\":{}", said.why(), said.made()).as_bytes());
    if role.is_none() {
        body.extend_from_slice(format!(",\"late\":{}", said.late).as_bytes());
    }
    if role.is_some() {
        let changed = said.changed.as_ref().map_or(json!(null), Changed::view);
        body.extend_from_slice(format!(",\"changed\":{changed}").as_bytes());
    }
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    let accepted = said.refused.is_none();
    let content = match role {
        Some(_) => Says::RulingStatus { accepted },
        None => {
            let (id, marks) = (said.id.clone(), !said.marks.is_empty());
            Says::EntryStatus(Box::new(EntryContent { id, accepted, marks, late: said.late }))
        }
    };
    let topic = station.topic.entry_status(kind, role, &said.id);
    let id = place.id_of(&format!("{kind}-status"), &[&station.name, role.unwrap_or_default(), &said.id]);
    let published = TypedPublication::of(&station.name, topic, Bytes::from(body), content);
    out.push(published.labelled(format!("hj212.{kind}-status/1"), id));
}
