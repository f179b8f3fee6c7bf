//! What the window holds: publications, their stage, and sends.
//!
//! What must stay true: a publication that was taken is held no more; its place stays until the front passes it.

use std::time::{Duration, Instant};

use crate::culprit::PROOF;
use hj212_model::message::Publication;

/// What a send carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outgoing {
    /// The status of the gateway; the number tells a birth from the farewell that replaces it.
    Announcement(u64),
    /// The publication with this sequence number.
    Numbered(u64),
}

/// What the broker said to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerReply {
    /// Acknowledged.
    Taken,
    /// Refused: to be sent again later.
    Refused,
}

/// The client dealt a packet id that is in use or lies outside the circle: this connection cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collision;

/// Where a publication is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Queued,
    UnderWay,
    Refused,
    /// Being kept elsewhere.
    Aside,
    Taken,
}

/// A publication that was pushed.
#[derive(Debug)]
pub(super) struct Item {
    /// `None` once taken: the payload need not be held until its elders are taken too.
    pub(super) publication: Option<Publication>,
    /// What it came of, for whoever pushed it.
    pub(super) origin: u64,
    pub(super) stage: Stage,
    pub(super) refusals: u32,
    /// Connections that were cut at it while it was alone.
    pub(super) cuts: u32,
    /// Its first refusal or cut.
    pub(super) since: Option<Instant>,
    /// It goes last and alone.
    pub(super) suspected: bool,
    /// It does so whatever becomes of others of its topic.
    pub(super) blamed: bool,
    /// The broker acknowledged what came after it and not this: it goes last, and others beside it.
    pub(super) silent: bool,
    /// When it may be tried again, if it is suspected and was tried.
    pub(super) again: Option<Instant>,
}

impl Item {
    pub(super) fn new(publication: Publication, origin: u64) -> Self {
        Item {
            publication: Some(publication),
            origin,
            stage: Stage::Queued,
            refusals: 0,
            cuts: 0,
            since: None,
            suspected: false,
            blamed: false,
            silent: false,
            again: None,
        }
    }

    /// Refusals, or cuts, whichever are more; one cut alone is no proof where its topic is not known for it.
    pub(super) fn tries(&self) -> u32 {
        self.refusals.max(if self.suspected || self.cuts >= PROOF { self.cuts } else { 0 })
    }

    /// The next try of one that is suspected waits, longer each time.
    pub(super) fn put_off(&mut self, now: Instant, (retry_min, retry_max): (Duration, Duration)) {
        let tried = self.refusals.max(self.cuts).clamp(1, 16);
        self.again = Some(now + retry_min.saturating_mul(1 << (tried - 1)).min(retry_max));
    }
}

/// A publication that the broker has not taken so far.
#[derive(Debug, Clone, Copy)]
pub struct Troubled<'w> {
    /// Its number.
    pub seq: u64,
    /// What is to be said.
    pub publication: &'w Publication,
    /// Refusals, or cuts, whichever are more.
    pub tries: u32,
    /// Whether connections were cut at it.
    pub cut: bool,
    /// Whether it was never answered while later ones were.
    pub silent: bool,
    /// Since when it is tried.
    pub since: Instant,
}

/// One that is suspected and waits.
#[derive(Debug)]
pub(super) struct WaryOne {
    pub(super) seq: u64,
    /// When it may be tried again, if it was tried.
    pub(super) again: Option<Instant>,
}

/// What was handed to the client on this connection.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) outgoing: Outgoing,
    pub(super) at: Instant,
    pub(super) answered: bool,
}
