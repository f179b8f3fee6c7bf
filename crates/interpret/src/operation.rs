//! The electronic ledger of operation companies: entries to [`hj212_operation`], and the answer to each.
//!
//! What must stay true: an entry has one answer; the company is the one that is registered when the entry comes.

use bytes::Bytes;
use serde_json::json;

use super::data::write_journal;
use super::events::JournalRef;
use super::{Interpreter, Says, TypedPublication};
use hj212_operation::{Company, WorkAnswer, WorkDone, WorkLedger};

impl Interpreter {
    /// Takes an entry of the electronic ledger, and publishes what became of it on `{mn}/ledger/{role}/{id}/status`.
    pub(super) fn on_work_entry(
        &mut self,
        (mn, role, id, json): (&str, &str, &str, &[u8]),
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let registered = self.context.facts(mn).is_some();
        let number = if registered { self.station_of(mn.as_bytes()) } else { None };
        let operator = self.context.facts(mn).and_then(|facts| facts.operator.as_deref());
        let company = Company { station: number.is_some(), registered: operator };
        let mut stranger = WorkLedger::default();
        let station = number.and_then(|number| self.stations.get_mut(number as usize));
        let ledger = station.map_or(&mut stranger, |station| &mut station.work);
        let answer = ledger.enter(company, (role, id, json), (place.offset, place.at));
        self.answer_work((mn, role), &answer, place, out);
    }

    fn answer_work(
        &self,
        (mn, role): (&str, &str),
        answer: &WorkAnswer,
        place: JournalRef<'_>,
        out: &mut Vec<TypedPublication>,
    ) {
        let why = answer.taken.as_ref().err();
        let why = why.map(|refusal| json!({ "code": refusal.code, "zh": refusal.zh, "en": refusal.en }));
        let (kind, withdraws) = answer.taken.clone().unwrap_or_default();
        let body = json!({
            "schema": "hj212.ledger-status/1", "gateway": self.settings.gateway, "mn": mn, "role": role, "id": answer.id,
            "state": answer.state(), "why": why, "kind": kind.map(|kind| kind.name()), "withdraws": withdraws,
        });
        let mut body = body.to_string().into_bytes();
        body.pop();
        write_journal(&mut body, place.offset, place.hash);
        body.push(b'}');
        let (name, topic) = self.named(mn);
        let topic = topic.entry_status("ledger", Some(role), &answer.id);
        let refused = answer.taken.as_ref().err().map(|refusal| refusal.code.as_str().into());
        let content = Says::WorkStatus { refused };
        let said = TypedPublication::of(&name, topic, Bytes::from(body), content);
        let id = place.id_of("ledger-status", &[mn, role, &answer.id]);
        out.push(said.labelled("hj212.ledger-status/1", id));
    }

    /// Whether the station is registered.
    #[must_use]
    pub fn is_registered(&self, mn: &str) -> bool {
        self.context.facts(mn).is_some()
    }

    /// Whether a station is registered, or was heard.
    #[must_use]
    pub fn knows_station(&self, mn: &str) -> bool {
        self.is_registered(mn) || self.by_mn.contains_key(mn.as_bytes())
    }

    /// The entries of a station that are remembered, in the order in which they came.
    pub fn work_entries(&self, mn: &str) -> impl Iterator<Item = &WorkDone> {
        let station = self.by_mn.get(mn.as_bytes()).and_then(|number| self.stations.get(*number as usize));
        station.into_iter().flat_map(|station| station.work.entries())
    }
}
