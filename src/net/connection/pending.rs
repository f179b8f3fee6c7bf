//! Frames on their way to disk, and the answers that are due when they are there.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::net::notices::Stored;
use hj212::Edition;
use hj212_journal::{Offset, Unstored};
use hj212_model::session::Reply;

/// What was stored or not.
pub(super) type Outcome = Result<Offset, Unstored>;

/// A frame on its way to disk, and the answer that is due when it is there.
pub(super) struct PendingAnswer {
    pub(super) receipt: oneshot::Receiver<Outcome>,
    pub(super) reply: Option<Reply>,
    pub(super) mn: Box<str>,
    pub(super) heard_at: Instant,
    pub(super) telling: Option<Box<Telling>>,
}

/// What the downlink is told of a frame once it is on disk.
pub(super) struct Telling {
    /// Whether the station was not here before, and the edition it is spoken to in.
    pub(super) came: Option<Edition>,
    pub(super) frame: Stored,
}

/// The outcome of the oldest flight.
pub(super) async fn settled(flights: &mut VecDeque<PendingAnswer>) -> Outcome {
    match flights.front_mut() {
        Some(flight) => (&mut flight.receipt).await.unwrap_or(Err(Unstored::Closed)),
        None => std::future::pending().await,
    }
}
