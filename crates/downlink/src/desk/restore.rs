//! A desk from the steps of the journal.
//!
//! What must stay true: the restored desk goes on where the last one stopped. Requests to a station that is not registered any more end
//! as such, and do not come to life with its next registration; its keys are kept. A time that a request gave does not outlive a restart:
//! how long the gateway was away is known from the host's clock alone, which may have been set meanwhile.

use super::{Desk, of};
use crate::Address;
use crate::lane::{Active, Phase};
use crate::moment::{self, Moment};
use crate::settings::Settings;
use crate::step::{KeyNotice, Step};
use hj212::Edition;
use hj212_model::message::Timestamp;

impl Desk {
    /// A desk from the steps of the journal, each with the time of its record, oldest first.
    pub fn restore(
        settings: Settings,
        steps: impl IntoIterator<Item = (Timestamp, Step)>,
        address: impl Fn(&str) -> Option<Address>,
        now: Moment,
    ) -> Desk {
        let mut desk = Desk::new(settings);
        for (at, step) in steps {
            if matches!(step, Step::Refused { .. } | Step::Moved { .. }) {
                continue;
            }
            match (address(step.mn()), desk.lanes.get(step.mn())) {
                (Some(address), _) => drop(desk.lane(&address)),
                (None, Some(_)) => {}
                (None, None) => {
                    let edition = if let Step::Queued { edition, .. } = &step { *edition } else { Edition::V2025 };
                    desk.lanes.open(&Address::new(step.mn(), edition)).registered = false;
                }
            }
            desk.replay(&step, at, now);
            // What follows from a step that was durable was asked for then, and is in the steps or was lost with the last run.
            let (follow, _) = desk.settle(&step);
            desk.follow_again(follow);
        }
        desk.forget_registered(|_| false);
        desk
    }

    /// What follows from a step and is not seen in a later one is taken as done: it says nothing new.
    fn follow_again(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.settle(&step);
        }
    }

    fn replay(&mut self, step: &Step, at: Timestamp, now: Moment) {
        // A record of a time to come was written while the clock was ahead.
        let at = at.min(now.wall);
        self.enter(step, at, now);
        let Some(mut lane) = self.lanes.hold(step.mn()) else { return };
        if let Step::Queued { id, .. } = step
            && let Some(exchange) = lane.queue.iter_mut().find(|e| e.id == *id && e.holds_a_given_time())
        {
            exchange.expires = now.steady;
        }
        match step {
            Step::Confirmed { id, .. } => {
                if let Some(exchange) = lane.queue.iter_mut().find(|e| e.id == *id) {
                    exchange.confirm = None;
                }
            }
            Step::Sent { id, qn, count, segment, .. } => {
                self.last_qn = self.last_qn.max(moment::millis(qn.as_bytes()).unwrap_or(0));
                if let Some(place) = lane.queue.iter().position(|e| e.id == *id) {
                    let exchange = lane.queue.remove(place);
                    if exchange.sets_the_loggers_clock() {
                        lane.clock.noted(now.steady_at(at));
                    }
                    let (qn, segment, phase) = (qn.clone(), segment.clone(), Phase::Asked(now.steady));
                    // A second one is given between the packets of a history.
                    lane.beside = lane.active.take().or(lane.beside.take());
                    let (count, packets, identified, told) = (*count, 0, false, false);
                    lane.active = Some(Active { exchange, qn, segment, count, phase, packets, identified, told });
                } else if let Some(active) = lane.under_way().find(|a| a.exchange.id == *id) {
                    active.count = *count;
                    active.segment.clone_from(segment);
                    active.phase = Phase::Asked(now.steady);
                }
                drop(lane);
                self.follow_what_is_sent(step.mn());
            }
            Step::Accepted { id, .. } => {
                let settings = of(&self.settings, &self.policies, &lane.address);
                if let Some(active) = lane.under_way().find(|a| a.exchange.id == *id) {
                    active.phase = Phase::Accepted(now.steady.after(settings.execution_timeout));
                }
            }
            Step::Data { id, packets, .. } => {
                if let Some(active) = lane.under_way().find(|a| a.exchange.id == *id) {
                    active.packets = *packets;
                }
            }
            Step::KeyNote { notice: KeyNotice::Asked, .. } => lane.key_given = Some(now.steady_at(at)),
            Step::Clock { within, .. } => lane.clock.restored(*within),
            Step::KeyNote { .. }
            | Step::Queued { .. }
            | Step::Cancel { .. }
            | Step::Ended { .. }
            | Step::Refused { .. }
            | Step::Moved { .. }
            | Step::Key { .. } => {}
        }
    }
}
