//! What happens at stations to [`hj212_scores`], and their scorecards to publications (schemas `hj212.score/1`, `hj212.operator-score/1`).
//!
//! What must stay true: nothing is counted unless rules of scorecards are in force, and they are a part of the context, so a replay counts the same; a
//! card is published with every pair that a value of it was computed of.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::data::write_journal;
use super::events::JournalRef;
use super::moment::Moment;
use super::numbers::Numbers;
use super::station::Station;
use super::{Interpreter, Says, Settings, TypedPublication, hash, json as text};
use hj212::{Deviation, Deviations};
use hj212_coverage::{DayCount, Grain};
use hj212_judgement::calendar;
use hj212_leads::{LeadEffect, LeadEnd};
use hj212_marking::{Answer, Decision, Dimension, Happening, MarkVerdict, Plan, Validity};
use hj212_model::message::{Kind, Timestamp, Topic};
use hj212_operation::WorkKind;
use hj212_scores::{
    GradeOf, HourSeen, HoursOf, MonthNumber, ScoreCount, ScoreRules, ScoreTold, ScoresAsked, StationScores,
};

/// By what scorecards are kept, at all stations.
#[derive(Debug, Default)]
pub(super) struct ScoreRulesInForce {
    texts: BTreeMap<String, String>,
    rules: Option<ScoreRules>,
}

impl ScoreRulesInForce {
    /// Puts other rules in force; whether scorecards are not kept any more.
    pub(super) fn replace(&mut self, texts: &BTreeMap<String, String>) -> bool {
        if self.texts == *texts {
            return false;
        }
        let before = self.rules.is_some();
        (self.texts, self.rules) = (texts.clone(), ScoreRules::in_force(texts));
        before && self.rules.is_none()
    }

    pub(super) const fn rules(&self) -> Option<&ScoreRules> {
        self.rules.as_ref()
    }
}

/// What scorecards ask of a station.
struct AskScores<'a> {
    station: &'a Station,
    plan: &'a Plan,
    rules: &'a ScoreRules,
    hours: Vec<DayCount>,
}

impl ScoresAsked for AskScores<'_> {
    fn hours_of(&self, day: i32) -> Option<HoursOf> {
        let text = calendar::text(day);
        let found = self.hours.iter().find(|count| count.day == text)?;
        Some(HoursOf { expected: found.expected, there: found.there, by_gateway: found.gateway_down })
    }

    fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> =
            self.station.limits.iter().flat_map(|limits| limits.codes()).map(str::to_owned).collect();
        codes.sort();
        codes.dedup();
        codes
    }

    fn cycle(&self, code: &str) -> u32 {
        if code.starts_with('w') { self.station.marks.hours_due(code).unwrap_or(24) } else { 24 }
    }

    fn hour(&self, code: &str, day: i32, hour: u32) -> HourSeen {
        let at = calendar::hour(day, usize::try_from(hour).unwrap_or(0));
        let marks = &self.station.marks;
        let Some(worth) = marks.published_hour(code, at) else {
            let worth = marks.worth_now(self.plan, code, Kind::Hour, at, None);
            return HourSeen { out: worth == Some(Validity::Excluded), ..HourSeen::default() };
        };
        let usable = worth.is_none_or(Validity::is_usable);
        let out = worth == Some(Validity::Excluded);
        let checked = !usable && !out && self.rules.checked.iter().any(|known| known == code);
        let end = Timestamp(at.0 + calendar::HOUR - 1);
        let checking =
            checked && marks.over(self.plan, Some(code), at, end).any(|mark| self.rules.checks.contains(&mark.mark));
        HourSeen { came: true, usable, out, checking }
    }

    fn minutes_by_hand(&self, day: i32) -> u32 {
        let (from, to) = (calendar::start(day), calendar::start(day.saturating_add(1)));
        let marks = self.station.marks.over(self.plan, None, from, Timestamp(to.0 - 1));
        let by_hand = marks.filter(|mark| mark.said.is_some() && mark.dimension == Dimension::Device);
        let mut spans: Vec<(i64, i64)> = by_hand
            .filter(|mark| mark.standing.counts())
            .map(|mark| (mark.since.0.max(from.0), mark.until.map_or(to.0, |until| until.0.min(to.0))))
            .collect();
        spans.sort_unstable();
        let (mut sum, mut reached) = (0, from.0);
        for (begin, end) in spans {
            sum += (end - begin.max(reached)).max(0);
            reached = reached.max(end);
        }
        u32::try_from(sum / (60 * calendar::SECOND)).unwrap_or(0)
    }

    fn entered(&self, first_day: i32, length: i32) -> Option<(u32, u32)> {
        let work = &self.station.work;
        let days = |wanted: WorkKind| {
            let begun = work.done().filter(|(kind, ..)| *kind == wanted).map(|(_, begin, ..)| calendar::day_of(begin));
            let within = begun.map(|day| day - first_day).filter(|day| (0..length).contains(day));
            within.fold(0u32, |days, day| days | 1u32.checked_shl(day.unsigned_abs()).unwrap_or(0))
        };
        work.is_kept().then(|| (days(WorkKind::Patrol), days(WorkKind::Calibration)))
    }
}

/// Counts a frame.
pub(super) fn frame(force: &ScoreRulesInForce, station: &mut Station, found: Deviations, at: Timestamp) {
    if force.rules().is_none() {
        return;
    }
    station.scores.count(at, ScoreCount::Frame, 1);
    // To send again what was not answered is no departure.
    let odd = found.iter().any(|deviation| deviation != Deviation::Resent);
    station.scores.count(at, ScoreCount::Deviating, u32::from(odd));
}

/// An hour came: of a day that is over it is computed again.
pub(super) fn heard(station: &mut Station, kind: Kind, moment: Option<Moment>) {
    if let Some(at) = moment.map(Moment::timestamp).filter(|_| kind == Kind::Hour && !station.scores.is_empty()) {
        station.scores.touch(at, at);
    }
}

/// Counts an entry of a mark that was taken for the first time.
pub(super) fn entered(force: &ScoreRulesInForce, station: &mut Station, answer: &Answer, at: Timestamp) {
    if force.rules().is_none() || answer.refused.is_some() {
        return;
    }
    station.scores.count(at, ScoreCount::Entry, 1);
    station.scores.count(at, ScoreCount::LateEntry, u32::from(answer.late));
}

/// Takes what happened to marks, and what was put right of hours.
pub(super) fn follow(force: &ScoreRulesInForce, station: &mut Station, verdict: &MarkVerdict, place: JournalRef<'_>) {
    let Some(rules) = force.rules() else { return };
    for revision in verdict.revisions.iter().filter(|revision| revision.kind == Kind::Hour) {
        station.scores.touch(revision.data_time, revision.data_time);
    }
    for happening in &verdict.happenings {
        happened(rules, &mut station.scores, happening, place.at);
    }
}

fn happened(rules: &ScoreRules, scores: &mut StationScores, happening: &Happening, now: Timestamp) {
    let Some(mark) = &happening.mark else { return };
    let name = (mark.mark.as_str(), mark.object.as_str());
    let fault = rules.faults.contains(&mark.mark) && mark.standing.counts();
    // Clocks of stations go wrong: nothing is of a time that has not come.
    let (since, until) = (mark.since.min(now), mark.until.map(|until| until.min(now)));
    if mark.said.is_some() || mark.validity == Validity::Excluded {
        // It says something of hours that never came, too.
        scores.touch(since, until.unwrap_or(now));
    }
    match happening.kind {
        "mark-begin" if fault => scores.fault_began(name, since),
        "mark-end" if fault => scores.fault_ended(name, until.unwrap_or(now)),
        "mark-end" if rules.calibrations.contains(&mark.mark) && mark.standing.counts() => {
            scores.calibrated(until.unwrap_or(now));
        }
        "mark-withdrawn" if mark.said.is_some() => {
            scores.count(now, ScoreCount::Withdrawn, 1);
            if rules.faults.contains(&mark.mark) {
                scores.fault_withdrawn(name, since);
            }
        }
        "mark-ruled" if mark.ruled.as_ref().is_some_and(|ruled| ruled.ruling == Decision::Annul) => {
            scores.count(now, ScoreCount::Annulled, 1);
            if rules.faults.contains(&mark.mark) {
                scores.fault_withdrawn(name, since);
            }
        }
        _ => {}
    }
}

/// Counts what became of leads, in the month of their day.
pub(super) fn leads(station: &mut Station, effects: &[LeadEffect], now: Timestamp) {
    if station.scores.is_empty() {
        return;
    }
    for effect in effects {
        let (lead, what) = match effect {
            LeadEffect::Raised(lead) => (lead, ScoreCount::LeadRaised),
            LeadEffect::Ended(lead, LeadEnd::OutOfService | LeadEnd::SwitchedOff) => (lead, ScoreCount::LeadBack),
            LeadEffect::Ended(lead, LeadEnd::ToLaw) => (lead, ScoreCount::LeadToLaw),
            LeadEffect::Ended(_, LeadEnd::Void | LeadEnd::Forgotten) | LeadEffect::Grown(_) => continue,
        };
        station.scores.count(calendar::start(lead.day).min(now), what, 1);
    }
}

/// Looks at a station, once a day.
pub(super) fn advance(
    (settings, force): (&Settings, &ScoreRulesInForce),
    station: &mut Station,
    operator: Option<&str>,
    now: Timestamp,
    (place, numbers): (JournalRef<'_>, &mut Numbers),
    out: &mut Vec<TypedPublication>,
) {
    let Some(rules) = force.rules() else { return };
    if !station.scores.is_due(now, hash::content(&station.mn)) {
        return;
    }
    let mut scores = std::mem::take(&mut station.scores);
    let outlived = scores.outlived(now);
    let plan = station.plan.clone().unwrap_or_default();
    let hours: Vec<DayCount> = station.ledger.days(Grain::Hour).collect();
    let said = scores.look(rules, operator, &AskScores { station, plan: &plan, rules, hours }, now);
    station.scores = scores;
    if let Some(month) = outlived {
        let topic = station.topic.score(&month.text());
        out.push(TypedPublication::of(&station.name, topic, Bytes::new(), Says::Score));
    }
    for (month, told) in said {
        let id = numbers.id(&settings.gateway, &station.level, "score");
        let mut body = b"{\"schema\":\"hj212.score/1\",\"id\":".to_vec();
        text::string(&mut body, &id);
        body.extend_from_slice(&station.head);
        body.extend_from_slice(&station.shown);
        let operator = station.scores.told().find(|(known, ..)| *known == month).and_then(|(_, operator, _)| operator);
        let mut members = view(rules, GradeOf::Station, (month, &told), now);
        members["operator"] = operator.into();
        members["days"] = station.scores.days_of(month).into();
        finish(&mut body, &members, place);
        let topic = station.topic.score(&month.text());
        let published = TypedPublication::of(&station.name, topic, Bytes::from(body), Says::Score);
        out.push(published.labelled("hj212.score/1", id));
    }
}

/// What cards of stations and of companies have in common.
fn view(rules: &ScoreRules, of: GradeOf, (month, told): (MonthNumber, &ScoreTold), now: Timestamp) -> Value {
    let card = told.card().copied().unwrap_or_default();
    let (measures, grade) = rules.view(of, &card);
    json!({
        "month": month.text(), "stage": told.stage.name(), "revision": told.revision, "as_of": now.to_rfc3339(),
        "measures": measures, "grade": grade, "rules": { "set": rules.set, "version": rules.version },
    })
}

fn finish(body: &mut Vec<u8>, members: &Value, place: JournalRef<'_>) {
    for (name, member) in members.as_object().into_iter().flatten() {
        body.extend_from_slice(format!(",\"{name}\":{member}").as_bytes());
    }
    write_journal(body, place.offset, place.hash);
    body.push(b'}');
}

/// The card of a month, for those who show it.
#[derive(Debug, Clone, Copy)]
pub struct CardShown<'i> {
    /// The station.
    pub mn: &'i str,
    /// Who kept it.
    pub operator: Option<&'i str>,
    /// What was said.
    pub told: &'i ScoreTold,
}

impl Interpreter {
    /// Puts the rules of scorecards of the context in force; where none are kept any more, what was counted is forgotten.
    pub(super) fn replace_score_rules(&mut self) {
        if self.judging.scores.replace(&self.context.scores) {
            self.stations.iter_mut().for_each(|station| station.scores = StationScores::default());
            self.companies = hj212_scores::CompanyScores::default();
        }
    }

    /// Sums the cards of companies, once a day.
    pub(super) fn sum_companies(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let Some(rules) = self.judging.scores.rules().filter(|_| self.companies.is_due(self.now)) else { return };
        let topic = |operator: &str| Topic::of_operator(&self.settings.prefix, operator);
        if let Some(month) = self.companies.outlived(self.now) {
            for name in self.companies.names() {
                out.push(TypedPublication::of_gateway(topic(name).score(&month.text()), Bytes::new(), Says::Score));
            }
        }
        let said = self.companies.sum(self.stations.iter().map(|station| &station.scores), self.now);
        for (operator, month, told) in said {
            let id = self.numbers.id(&self.settings.gateway, &operator, "operator-score");
            let mut body = b"{\"schema\":\"hj212.operator-score/1\",\"id\":".to_vec();
            text::string(&mut body, &id);
            let mut members = view(rules, GradeOf::Company, (month, &told), self.now);
            members["gateway"] = self.settings.gateway.as_str().into();
            members["operator"] = operator.as_str().into();
            members["stations"] = told.card().map_or(0, |card| card.stations).into();
            finish(&mut body, &members, place);
            let topic = topic(&operator).score(&month.text());
            let published = TypedPublication::of_gateway(topic, Bytes::from(body), Says::Score);
            out.push(published.labelled("hj212.operator-score/1", id));
        }
    }

    /// The rules of scorecards in force.
    #[must_use]
    pub fn score_rules(&self) -> Option<&ScoreRules> {
        self.judging.scores.rules()
    }

    /// The cards of a month as they were said last, in the order in which the stations were first heard.
    pub fn score_cards(&self, month: MonthNumber) -> impl Iterator<Item = CardShown<'_>> {
        self.stations.iter().filter_map(move |station| {
            let (_, operator, told) = station.scores.told().find(|(known, ..)| *known == month)?;
            told.card()?;
            Some(CardShown { mn: std::str::from_utf8(&station.mn).ok()?, operator, told })
        })
    }

    /// A tag of a registered station.
    #[must_use]
    pub fn tag(&self, mn: &str, tag: &str) -> Option<&str> {
        self.context.facts(mn)?.tags.get(tag).map(String::as_str)
    }

    /// The name that a station is registered with.
    #[must_use]
    pub fn name_of(&self, mn: &str) -> Option<&str> {
        self.context.facts(mn).map(|facts| facts.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The clock of a station was found to be off.
    pub(super) fn note_drift(&mut self, mn: &str, at: Timestamp) {
        let number = self.by_mn.get(mn.as_bytes());
        let station = number.and_then(|number| self.stations.get_mut(*number as usize));
        if let Some(station) = station.filter(|station| !station.scores.is_empty()) {
            station.scores.count(at, ScoreCount::ClockDrift, 1);
        }
    }
}
