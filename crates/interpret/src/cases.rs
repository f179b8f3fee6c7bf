//! Cases: their steps and the passing of time (`hj212-cases` judges), and what is published of them.
//!
//! What must stay true: a case is published as it is after every change, retained, and taken away 35 days after its end; a step has one answer.

use bytes::Bytes;
use serde_json::{Value, json};

use super::data::write_journal;
use super::events::JournalRef;
use super::{EventKind, Interpreter, Says, StationEvent, TypedPublication, built_in};
use hj212_cases::{Answer, Case, Cases, Effect, Opening, Place, Step, Told};
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
        let known = self.context.facts(mn).is_some();
        let here = Place { offset: place.offset, at: place.at };
        let done = self.cases.step(built_in::cases(), known, (mn, role, id, json), here);
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
    pub fn on_alert(
        &mut self,
        opening: &Opening<'_>,
        (offset, time, hash): (u64, hj212_model::message::Timestamp, &[u8; 32]),
        out: &mut Vec<TypedPublication>,
    ) {
        let place = JournalRef { offset, time, at: self.now, hash };
        let effects = self.cases.alerted(built_in::cases(), opening, Place { offset, at: self.now });
        match effects {
            Ok(effects) => self.tell_cases(effects, place, out),
            Err(refusal) => {
                let detail =
                    json!({ "alert": opening.alert, "code": refusal.code, "zh": refusal.zh, "en": refusal.en });
                self.push_step_event(opening.mn, "case-not-opened", &detail, place, out);
            }
        }
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
        let body = json!({
            "schema": "hj212.event/1", "id": id,
            "gateway": self.settings.gateway, "mn": told.mn, "kind": told.what, "time": place.time.to_rfc3339(), "detail": told.view(),
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
