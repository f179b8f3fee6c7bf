//! The answers of a connection, in the order of its frames.
//!
//! What must stay true: a frame that is not on disk has no answer, and its station is taken off its place.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;

use super::Connection;
use super::pending::{Outcome, PendingAnswer};
use super::socket::within;
use crate::net::wire_log::Direction;
use hj212_journal::Unstored;
use hj212_model::telemetry::{Counter, Timing};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The oldest flight is settled: its answer is sent, with those of all that are settled by now.
    pub(super) async fn answer(&mut self, outcome: Outcome) -> io::Result<()> {
        let mut answers = Vec::new();
        let (mut answered, mut oldest) = (0, None);
        let mut outcome = Some(outcome);
        while let Some(settled) = outcome.take() {
            let Some(flight) = self.flights.pop_front() else { break };
            oldest.get_or_insert(flight.heard_at);
            answered += usize::from(self.land(flight, settled, &mut answers));
            outcome = self.flights.front_mut().and_then(|next| match next.receipt.try_recv() {
                Ok(settled) => Some(settled),
                Err(oneshot::error::TryRecvError::Closed) => Some(Err(Unstored::Closed)),
                Err(oneshot::error::TryRecvError::Empty) => None,
            });
        }
        if answers.is_empty() {
            return Ok(());
        }
        let shared = &self.admission.shared;
        let sent = within(self.admission.settings.write_max, self.stream.write_all(&answers)).await;
        let became = if sent.is_ok() { Counter::FramesAnswered } else { Counter::AnswersUndelivered };
        // Of answers sent together the slowest is noted.
        if let Some(heard_at) = oldest {
            shared.telemetry.took(Timing::Answer, heard_at.elapsed());
        }
        (0..answered).for_each(|_| shared.landed(became));
        sent
    }

    /// Adds the flight's answer to those to be sent; whether there is one. Without one the flight ends here.
    fn land(&mut self, mut flight: PendingAnswer, outcome: Outcome, answers: &mut Vec<u8>) -> bool {
        if let Some(telling) = flight.telling.take().filter(|_| outcome.is_ok()) {
            self.tell(&flight.mn, *telling);
        }
        let shared = &self.admission.shared;
        match (outcome, flight.reply) {
            (Ok(_), Some(reply)) => {
                shared.wire(flight.mn.as_bytes(), Direction::Out, self.admission.peering, &reply.frame);
                answers.extend_from_slice(&reply.frame);
                return true;
            }
            (Ok(_), None) => shared.landed(Counter::FramesUnasked),
            (Err(_), _) => {
                shared.displace(&flight.mn, self.admission.peering.connection);
                shared.landed(Counter::FramesUnstored);
            }
        }
        false
    }
}
