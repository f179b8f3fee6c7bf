//! Time as the interpretation takes it: each record moves a [`Belief`]; what that decides is said here.
//!
//! What must stay true: what is believed depends on the records before alone; each step of the believed date is told once, on
//! `{prefix}/gateway/{gateway}/clock-step` (schema `hj212.clock-step/1`).

use bytes::Bytes;
use serde_json::json;

use super::data::write_journal;
use super::events::JournalRef;
use super::{Interpreted, Interpreter, Says, TypedPublication};
use hj212_model::clock::belief::{Seen, Step};
use hj212_model::message::{Record, Timestamp};

impl Interpreter {
    /// Takes the wall clock of a record, and tells of the step if the date was set.
    pub(super) fn pass<'h>(
        &mut self,
        (offset, time, hash): (u64, Timestamp, &'h [u8; 32]),
        record: &Record<'_>,
        done: &mut Interpreted,
        out: &mut Vec<TypedPublication>,
    ) -> (JournalRef<'h>, Option<Step>) {
        let seen = match record {
            Record::Clock(monotonic) => Seen::Reading(*monotonic),
            Record::Started(_) => Seen::Started,
            Record::Frame(_)
            | Record::Rejected(_)
            | Record::Presence(_)
            | Record::Context { .. }
            | Record::Registry { .. }
            | Record::RegistryChange { .. }
            | Record::Notice(_)
            | Record::DeadLetter(_)
            | Record::Anchor(_)
            | Record::Tick
            | Record::Stopped
            | Record::MarkEntry { .. }
            | Record::MarkRuling { .. }
            | Record::CaseStep { .. }
            | Record::WorkEntry { .. }
            | Record::Command(_) => Seen::Record,
        };
        let step = self.clock.see(time, seen);
        (self.now, self.elapsed) = (self.clock.now(), self.clock.elapsed());
        done.clock_doubted += u32::from(self.clock.is_doubted());
        let place = JournalRef { offset, time, at: self.clock.plausible(time), hash };
        if let Some(step) = step {
            done.clock_steps += 1;
            self.tell_step(step, place, out);
        }
        (place, step)
    }

    fn tell_step(&mut self, step: Step, place: JournalRef<'_>, out: &mut Vec<TypedPublication>) {
        let gateway = &self.settings.gateway;
        let id = format!("{gateway}-{}-clock-step", place.name());
        let body = json!({
            "schema": "hj212.clock-step/1",
            "id": id,
            "gateway": gateway,
            "from": step.from.to_rfc3339(),
            "to": step.to.to_rfc3339(),
            "seconds": step.to.0.saturating_sub(step.from.0) / 1_000_000,
        });
        self.body.clear();
        self.body.extend_from_slice(body.to_string().as_bytes());
        self.body.pop();
        write_journal(&mut self.body, place.offset, place.hash);
        self.body.push(b'}');
        let body = Bytes::copy_from_slice(&self.body);
        let said = TypedPublication::of_gateway(self.topic().clock_step(), body, Says::Gateway);
        out.push(said.labelled("hj212.clock-step/1", id));
    }

    /// By how many microseconds the host's clock is ahead of what is believed, while it is doubted.
    #[must_use]
    pub fn clock_apart(&self) -> Option<i64> {
        self.clock.apart()
    }
}
