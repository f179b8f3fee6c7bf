//! The broker's part of the world: it takes messages in any order, late, refuses, loses acknowledgements, cuts the connection; and it holds
//! requests until they are acknowledged.

use super::ledger::Wants;
use super::world::World;
use crate::gateway::simulation::Planted;
use crate::gateway::simulation::life::Asked;

/// A message under way to the broker.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) id: u16,
    topic: String,
    payload: Vec<u8>,
}

/// A request that the broker holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) mn: String,
    pub(super) id: String,
    pub(super) wants: Wants,
    pub(super) payload: String,
    /// Whether it was handed over on this connection.
    pub(super) handed: bool,
}

impl World<'_> {
    pub(super) fn send(&mut self) -> Result<(), String> {
        let now = self.instant();
        if !self.connected {
            return Ok(());
        }
        self.look()?;
        let Some(node) = self.node.as_mut() else { return Ok(()) };
        while let Some((id, topic, payload)) = node.send(now)? {
            self.ledger.handed(&topic, &payload)?;
            self.flights.push(Flight { id, topic, payload });
        }
        Ok(())
    }

    /// The broker takes something, in any order, and says so, or does not, or refuses, or cuts the connection.
    pub(super) fn broker(&mut self) {
        let now = self.instant();
        if !self.connected {
            if let Some(node) = &mut self.node {
                node.connect(now);
                self.connected = true;
            }
            return self.note("the broker is back");
        }
        if self.random.below(15) == 0 {
            self.note("the broker cuts the connection");
            return self.leave();
        }
        for _ in 0..1 + self.random.below(8) {
            if self.flights.is_empty() {
                return;
            }
            let which = self.random.below(self.flights.len() as u64) as usize;
            match self.random.below(10) {
                0 => {
                    let Flight { id, .. } = self.flights.remove(which);
                    self.note(format_args!("packet {id} is refused"));
                    if let Some(node) = &mut self.node {
                        node.answered(id, false, now);
                    }
                }
                // Taken, and the word of it is late or lost.
                1..3 => {
                    let flight = self.flights.get(which).cloned();
                    flight.iter().for_each(|flight| self.take(flight));
                }
                _ => {
                    let flight = self.flights.remove(which);
                    self.take(&flight);
                    if let Some(node) = &mut self.node {
                        node.answered(flight.id, true, now);
                    }
                }
            }
        }
    }

    /// The broker takes a message; operators read it.
    pub(super) fn take(&mut self, flight: &Flight) {
        self.ledger.took(&flight.topic, &flight.payload);
        if flight.topic.contains("/command/")
            && let Ok(status) = serde_json::from_slice::<serde_json::Value>(&flight.payload)
            && let (Some("to-confirm"), Some(mn), Some(id), Some(token)) =
                (status["state"].as_str(), status["mn"].as_str(), status["id"].as_str(), status["confirm"].as_str())
        {
            self.to_confirm.insert((mn.to_owned(), id.to_owned()), token.to_owned());
        }
    }

    /// The connection is cut.
    pub(super) fn leave(&mut self) {
        self.flights.clear();
        self.connected = false;
        self.requests.iter_mut().for_each(|request| request.handed = false);
        let now = self.instant();
        if let Some(node) = &mut self.node {
            let _ = node.window.cut(now);
            node.window.reset();
        }
    }

    /// The broker hands over the oldest request that it has not handed over on this connection; false if there is none.
    pub(super) fn hand_over(&mut self) -> Result<bool, String> {
        if !self.connected {
            return Ok(false);
        }
        let Some(request) = self.requests.iter_mut().find(|request| !request.handed) else { return Ok(false) };
        let Some(node) = &mut self.node else { return Ok(false) };
        request.handed = true;
        let topic = format!("{}/{}/command/{}", super::node::settings().prefix, request.mn, request.id);
        let (number, payload, traces) = (request.number, request.payload.clone().into_bytes(), node.traces.clone());
        let said = format!("the gateway gets request {number}: {} {}", request.id, request.payload);
        if self.planted == Planted::TakenEarly {
            traces.acknowledged.borrow_mut().push(number);
        }
        node.runner.request(Asked { number, topic, payload, traces });
        self.note(said);
        self.after_the_runner()?;
        Ok(true)
    }

    /// Requests that the runner has acknowledged leave the broker, and must be durable.
    pub(super) fn note_acknowledged(&mut self) -> Result<(), String> {
        let Some(node) = &self.node else { return Ok(()) };
        let acknowledged = std::mem::take(&mut *node.traces.acknowledged.borrow_mut());
        if acknowledged.is_empty() {
            return Ok(());
        }
        self.look()?;
        for number in acknowledged {
            // What was acknowledged on a connection that is gone is not heard, and comes again.
            let Some(at) = self.requests.iter().position(|request| request.number == number) else { continue };
            let request = &self.requests[at];
            if !self.ledger.is_durable(&request.mn, &request.id, request.wants) {
                return Err(format!("request {number} ({}) is acknowledged and is not in the journal", request.id));
            }
            if request.handed {
                self.requests.remove(at);
            }
        }
        Ok(())
    }
}
