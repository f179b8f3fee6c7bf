//! The operators' part of the world: they ask, confirm what they read is to be confirmed, and take back.

use super::broker::Held;
use super::ledger::Wants;
use super::stations::STATIONS;
use super::world::World;

impl World<'_> {
    /// An operator publishes a request.
    pub(super) fn ask(&mut self) {
        let choice = self.random.below(12);
        if choice < 4
            && let Some(((mn, id), token)) = self.to_confirm.pop_first()
        {
            let payload = format!(r#"{{"confirm":"{token}","author":"wang","why":"checked"}}"#);
            return self.publish(mn, id, Wants::Confirmation, payload);
        }
        if choice == 4 && !self.asked.is_empty() {
            let which = self.random.below(self.asked.len() as u64) as usize;
            let (mn, id) = self.asked[which].clone();
            return self.publish(mn, id, Wants::Cancellation, r#"{"cancel":true,"author":"li","why":"no"}"#.to_owned());
        }
        let which = self.random.below(STATIONS.len() as u64) as usize;
        let (mn, number) = (STATIONS[which].to_owned(), self.requested + 1);
        let now = crate::gateway::simulation::stations::digits(self.wall().0);
        let (command, parameters) = match self.random.below(10) {
            0..2 => ("get-time", String::new()),
            2..4 => ("set-time", String::new()),
            4..6 => ("set-time", format!(r#""SystemTime":"{now}""#)),
            6..8 => ("set-password", format!(r#""NewPW":"{:06}""#, 200_000 + number)),
            8 => ("sample", r#""PolId":"w01018""#.to_owned()),
            _ if which == 1 => ("set-key", String::new()),
            _ => ("stop-realtime", String::new()),
        };
        let id = format!("r{number}");
        self.asked.push((mn.clone(), id.clone()));
        let payload = format!(r#"{{"command":"{command}","author":"li","why":"x","parameters":{{{parameters}}}}}"#);
        self.publish(mn, id, Wants::Command, payload);
    }

    fn publish(&mut self, mn: String, id: String, wants: Wants, payload: String) {
        self.requested += 1;
        let number = self.requested;
        self.note(format_args!("request {number} to {mn}: {id} {payload}"));
        self.requests.push(Held { number, mn, id, wants, payload, handed: false });
    }
}
