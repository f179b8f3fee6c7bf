//! Cases: their steps and the passing of time (`hj212-cases` judges), and what is published of them.
//!
//! What must stay true: a case is published as it is after every change, retained, and taken away 35 days after its end; a step has one answer.

use bytes::Bytes;
use serde_json::{Value, json};

use super::data::write_journal;
use super::events::JournalRef;
use super::{EventKind, Interpreter, Says, StationEvent, TypedPublication, built_in};
use hj212_cases::{Answer, Case, Cases, Effect, Exceeded, OfStation, Opening, Place, Step, Told};
use hj212_judgement::alerts::Rules;
use hj212_leads::LeadEnd;

impl Interpreter {
    /// All cases.
    #[must_use]
    pub fn cases(&self) -> &Cases {
        &self.cases
    }

    /// Takes a step of a case, and publishes what became of it.
    pub(super) fn on_case_step(
        &mut self,
        (mn, role, id, json): (&str, &str, &str, &[u8]),
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let here = Place { offset: place.offset, at: place.at };
        let mut cases = std::mem::take(&mut self.cases);
        let known = OfStation {
            registered: self.context.facts(mn).is_some(),
            outlet: self.outlet_of(mn),
            alerted: &|code| self.is_alerted(mn, code),
            knows: &|code| self.is_known_code(mn, code),
        };
        let done = cases.step(built_in::cases(), known, (mn, role, id, json), here);
        self.cases = cases;
        self.answer_step((mn, role), &done.answer, place, out);
        self.tell_cases(done.effects, place, out);
        if let Some(named) = done.leads {
            let end = match named.step {
                Step::Void => Some(LeadEnd::Void),
                Step::ToLaw => Some(LeadEnd::ToLaw),
                Step::Open
                | Step::Sign
                | Step::Reply
                | Step::Done
                | Step::Accept
                | Step::Return
                | Step::Extend
                | Step::Close
                | Step::Comment => None,
            };
            self.rule_leads(mn, (&named.case, &named.leads, end), place, out);
        }
    }

    /// Opens a case for an alert that has settled, or makes an open one worse; refused only where a bound is met.
    pub(super) fn on_alert(&mut self, opening: &Opening<'_>, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let here = Place { offset: place.offset, at: self.now };
        let effects = self.cases.alerted(built_in::cases(), opening, here);
        match effects {
            Ok(effects) => self.tell_cases(effects, place, out),
            Err(refusal) => {
                let detail =
                    json!({ "alert": opening.alert, "code": refusal.code, "zh": refusal.zh, "en": refusal.en });
                self.push_step_event(opening.mn, "case-not-opened", &detail, place, out);
            }
        }
    }

    /// Tells the open case of its factor of a day that was settled as exceeded.
    pub(super) fn on_exceeded(&mut self, told: &Exceeded<'_>, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let effects = self.cases.exceeded(built_in::cases(), told, Place { offset: place.offset, at: self.now });
        self.tell_cases(effects, place, out);
    }

    /// The outlet that a station is, by its tag; empty: not said.
    pub(super) fn outlet_of(&self, mn: &str) -> &str {
        self.context.facts(mn).and_then(|facts| facts.tags.get("outlet")).map_or("", String::as_str)
    }

    fn is_alerted(&self, mn: &str, code: &str) -> bool {
        let station = self.by_mn.get(mn.as_bytes()).and_then(|number| self.stations.get(*number as usize));
        station.is_some_and(|station| station.outlet.alerts().open().any(|alert| alert.code == code))
    }

    /// Whether a case can be about that code: a factor of a dictionary, a registered limit, or a test of a furnace with an alert.
    fn is_known_code(&self, mn: &str, code: &str) -> bool {
        let facts = self.context.facts(mn);
        let limited = facts.is_some_and(|facts| {
            facts.limits.contains_key(code) || facts.emission.iter().any(|limit| limit.code == code)
        });
        limited || self.dictionary.is_canonical(code) || self.is_alerted(mn, code)
    }

    /// Lets time pass for all cases.
    pub(super) fn pass_cases(&mut self, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let effects = self.cases.pass(built_in::cases(), self.now);
        if !effects.is_empty() {
            self.tell_cases(effects, place, out);
        }
    }

    fn tell_cases(&self, effects: Vec<Effect>, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        for effect in effects {
            match effect {
                Effect::Changed(case) => self.publish_case(&case, place, out),
                Effect::Forgotten { mn, id } => {
                    let (name, topic) = self.named(&mn);
                    out.push(TypedPublication::of(&name, topic.case(&id), Bytes::new(), Says::Case));
                }
                Effect::Told(told) => self.push_case_event(&told, place, out),
            }
        }
    }

    /// Many cases may be told of at one record: the event's id has the case in it.
    fn push_case_event(&self, told: &Told, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let id = format!("{}-{}-{}-{}", self.settings.gateway, place.name(), told.what, told.case);
        let ahead = self.alert_rules().filter(|_| told.of_alerts).map(Rules::ahead).unwrap_or_default();
        let body = json!({
            "schema": "hj212.event/1", "id": id,
            "gateway": self.settings.gateway, "mn": told.mn, "kind": told.what, "time": place.time.to_rfc3339(), "detail": told.view(ahead),
        });
        let (name, topic) = self.named(&told.mn);
        let event = StationEvent { kind: EventKind::named(told.what), time: place.time };
        let said = TypedPublication::of(&name, topic.event(told.what), with_journal(&body, place), Says::Event(event));
        out.push(said.labelled(told.what, id).in_colours(vec![told.colour.name().into()]));
    }

    fn publish_case(&self, case: &Case, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let mut body = json!({ "schema": "hj212.case/1", "gateway": self.settings.gateway, "mn": case.mn });
        if let (Some(body), Value::Object(view)) = (body.as_object_mut(), case.view(built_in::cases())) {
            body.extend(view);
        }
        let (name, topic) = self.named(&case.mn);
        let said = TypedPublication::of(&name, topic.case(&case.id), with_journal(&body, place), Says::Case);
        let said = said.labelled("hj212.case/1", place.id_of("case", &[&case.mn, &case.id]));
        out.push(said.in_colours(vec![case.colour.name().into()]));
    }

    fn answer_step(
        &self,
        (mn, role): (&str, &str),
        answer: &Answer,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let (why, case) = answer.view();
        let body = json!({
            "schema": "hj212.case-step-status/1", "gateway": self.settings.gateway, "mn": mn, "role": role, "id": answer.id,
            "state": answer.state(), "why": why, "case": case,
        });
        let (name, topic) = self.named(mn);
        let topic = topic.entry_status("case-step", Some(role), &answer.id);
        let said = TypedPublication::of(&name, topic, with_journal(&body, place), Says::CaseStatus);
        let id = place.id_of("case-step-status", &[mn, role, &answer.id]);
        out.push(said.labelled("hj212.case-step-status/1", id));
    }
}

/// The body with where it comes from in the journal.
fn with_journal(body: &Value, place: JournalRef<'_>) -> Bytes {
    let mut body = body.to_string().into_bytes();
    body.pop();
    write_journal(&mut body, place.offset, place.hash);
    body.push(b'}');
    Bytes::from(body)
}
