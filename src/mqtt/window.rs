//! The sliding window: what was pushed, what is under way, what the broker acknowledged. A pure state machine: no I/O, time is
//! an argument.
//!
//! What must stay true:
//! - a publication leaves only when the broker took it **and** everything before it: [`Window::delivered`] moves contiguously;
//! - a reset (a new connection) puts everything not acknowledged back in line, in order;
//! - between the oldest send without an answer and the newest there are at most `limit` sends of this connection. The client
//!   deals packet ids in a circle of that size, so an id is never dealt while it is in use;
//! - memory is bounded: at most [`HELD`] windows of publications are held, and a refused one lets at most [`SPAN`] windows pass.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::message::Publication;

/// Publications held without an acknowledgement, in windows.
const HELD: usize = 2;
/// From the oldest publication held to the newest taken, in windows: how far others may overtake a refused one.
const SPAN: usize = 16;

/// What a send carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cargo {
    /// The status of the gateway; the number tells a birth from the farewell that replaces it.
    Announcement(u64),
    /// The publication with this sequence number.
    Numbered(u64),
}

/// What the broker said to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Acknowledged.
    Taken,
    /// Refused: to be sent again later.
    Refused,
}

/// The client dealt a packet id that is in use or lies outside the circle: this connection cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Collision;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    UnderWay,
    Refused,
    Taken,
}

#[derive(Debug)]
struct Item {
    /// `None` once taken: the payload need not be held until its elders are taken too.
    publication: Option<Publication>,
    stage: Stage,
    refusals: u32,
}

impl Item {
    fn new(publication: Publication) -> Self {
        Item { publication: Some(publication), stage: Stage::Queued, refusals: 0 }
    }
}

#[derive(Debug)]
struct Send {
    cargo: Cargo,
    at: Instant,
    answered: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    limit: usize,
    retry_min: Duration,
    retry_max: Duration,
    /// Items by sequence number; the front has number `first`.
    items: VecDeque<Item>,
    first: u64,
    held: usize,
    /// The lowest number not handed over on this connection.
    fresh: u64,
    /// Refused ones and the moment of their next try.
    retries: BTreeSet<(Instant, Cargo)>,
    announcement: Option<Item>,
    announcements: u64,
    draining: bool,
    /// Sends of this connection, in order; the front is the oldest without an answer and has ordinal `ordinal`.
    sends: VecDeque<Send>,
    ordinal: u64,
    /// The ordinal of the first send whose packet id is not known yet.
    unpaired: u64,
    /// Ordinals by packet id; 0 is no packet id.
    ids: Vec<Option<u64>>,
}

impl Window {
    /// A window of `size` sends; refused publications wait between `retry_min` and `retry_max`.
    pub(super) fn new(size: u16, retry_min: Duration, retry_max: Duration) -> Self {
        let size = usize::from(size.max(1));
        Window {
            size,
            limit: 0,
            retry_min,
            retry_max,
            items: VecDeque::with_capacity(size),
            first: 1,
            held: 0,
            fresh: 1,
            retries: BTreeSet::new(),
            announcement: None,
            announcements: 0,
            draining: false,
            sends: VecDeque::with_capacity(size),
            ordinal: 0,
            unpaired: 0,
            ids: vec![None; size + 1],
        }
    }

    /// How many publications may be pushed now.
    pub(super) fn room(&self) -> usize {
        (self.size * HELD).saturating_sub(self.held).min((self.size * SPAN).saturating_sub(self.items.len()))
    }

    /// Takes a publication and numbers it, from 1.
    pub(super) fn push(&mut self, publication: Publication) -> u64 {
        self.items.push_back(Item::new(publication));
        self.held += 1;
        self.first + self.items.len() as u64 - 1
    }

    /// Everything up to this number is acknowledged.
    pub(super) fn delivered(&self) -> u64 {
        self.first - 1
    }

    /// A connection stands; the broker takes `limit` sends without an answer.
    pub(super) fn open(&mut self, limit: usize) {
        self.reset();
        self.limit = limit.min(self.size);
    }

    /// The connection is gone: what was under way is back in line, in order.
    pub(super) fn reset(&mut self) {
        self.limit = 0;
        self.sends.clear();
        self.ordinal = 0;
        self.unpaired = 0;
        self.ids.fill(None);
        self.retries.clear();
        self.announcement = None;
        self.fresh = self.first;
        for item in &mut self.items {
            if item.stage != Stage::Taken {
                item.stage = Stage::Queued;
            }
        }
    }

    /// Puts a status before everything else; it has no number and replaces an earlier one.
    pub(super) fn announce(&mut self, publication: Publication) {
        self.announcements += 1;
        self.announcement = Some(Item::new(publication));
    }

    /// Whether the last announcement was taken.
    pub(super) fn announced(&self) -> bool {
        self.announcement.as_ref().is_none_or(|item| item.stage == Stage::Taken)
    }

    /// From now on only announcements go out.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    /// Sends handed over and not yet answered, counted from the oldest.
    pub(super) fn under_way(&self) -> usize {
        self.sends.len()
    }

    /// What goes out next, if anything may.
    pub(super) fn next(&mut self, now: Instant) -> Option<Cargo> {
        if self.sends.len() >= self.limit {
            return None;
        }
        if self.announcement.as_ref().is_some_and(|item| item.stage == Stage::Queued) {
            return Some(Cargo::Announcement(self.announcements));
        }
        if self.draining {
            return None;
        }
        if let Some(&(_, cargo)) = self.retries.first().filter(|(at, _)| *at <= now) {
            return Some(cargo);
        }
        while let Some(item) = self.item(Cargo::Numbered(self.fresh)) {
            if item.stage == Stage::Queued {
                return Some(Cargo::Numbered(self.fresh));
            }
            self.fresh += 1;
        }
        None
    }

    /// What `cargo` says, unless it is taken.
    pub(super) fn publication(&self, cargo: Cargo) -> Option<&Publication> {
        self.item(cargo)?.publication.as_ref()
    }

    /// `cargo` was handed to the client.
    pub(super) fn handed(&mut self, cargo: Cargo, now: Instant) {
        self.leave_line(cargo, Stage::UnderWay);
        self.sends.push_back(Send { cargo, at: now, answered: false });
    }

    /// `cargo` cannot be sent on this connection: like a refusal.
    pub(super) fn park(&mut self, cargo: Cargo, now: Instant) {
        self.leave_line(cargo, Stage::UnderWay);
        self.judge(cargo, Verdict::Refused, now);
    }

    /// The client wrote the next send with packet id `id`.
    pub(super) fn sent(&mut self, id: u16) -> Result<(), Collision> {
        let end = self.ordinal + self.sends.len() as u64;
        let slot = self.ids.get_mut(usize::from(id)).ok_or(Collision)?;
        if slot.is_some() || id == 0 || self.unpaired >= end {
            return Err(Collision);
        }
        *slot = Some(self.unpaired);
        self.unpaired += 1;
        Ok(())
    }

    /// The broker answered packet id `id`. `None`: an id that is not in use, ignored.
    pub(super) fn answered(&mut self, id: u16, verdict: Verdict, now: Instant) -> Option<Cargo> {
        let ordinal = self.ids.get_mut(usize::from(id))?.take()?;
        let send = self.sends.get_mut(usize::try_from(ordinal.checked_sub(self.ordinal)?).ok()?)?;
        send.answered = true;
        let cargo = send.cargo;
        while self.sends.front().is_some_and(|send| send.answered) {
            self.sends.pop_front();
            self.ordinal += 1;
        }
        self.judge(cargo, verdict, now);
        Some(cargo)
    }

    /// When the oldest send without an answer was handed over.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sends.front().map(|send| send.at)
    }

    /// When the next refused one may be tried again; `None` if nothing may go out anyway.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        if self.draining || self.sends.len() >= self.limit {
            return None;
        }
        self.retries.first().map(|(at, _)| *at)
    }

    fn judge(&mut self, cargo: Cargo, verdict: Verdict, now: Instant) {
        let (retry_min, retry_max) = (self.retry_min, self.retry_max);
        let Some(item) = self.item_mut(cargo).filter(|item| item.stage == Stage::UnderWay) else { return };
        match verdict {
            Verdict::Refused => {
                let pause = retry_min.saturating_mul(1 << item.refusals.min(16)).min(retry_max);
                item.refusals = item.refusals.saturating_add(1);
                item.stage = Stage::Refused;
                self.retries.insert((now + pause, cargo));
            }
            Verdict::Taken => {
                item.stage = Stage::Taken;
                item.publication = None;
                if matches!(cargo, Cargo::Numbered(_)) {
                    self.held -= 1;
                }
            }
        }
        while self.items.front().is_some_and(|item| item.stage == Stage::Taken) {
            self.items.pop_front();
            self.first += 1;
        }
        self.fresh = self.fresh.max(self.first);
    }

    fn leave_line(&mut self, cargo: Cargo, stage: Stage) {
        if self.retries.first().is_some_and(|(_, first)| *first == cargo) {
            self.retries.pop_first();
        }
        if let Some(item) = self.item_mut(cargo) {
            item.stage = stage;
        }
    }

    fn item(&self, cargo: Cargo) -> Option<&Item> {
        match cargo {
            Cargo::Announcement(number) => self.announcement.as_ref().filter(|_| number == self.announcements),
            Cargo::Numbered(seq) => self.items.get(usize::try_from(seq.checked_sub(self.first)?).ok()?),
        }
    }

    fn item_mut(&mut self, cargo: Cargo) -> Option<&mut Item> {
        match cargo {
            Cargo::Announcement(number) => self.announcement.as_mut().filter(|_| number == self.announcements),
            Cargo::Numbered(seq) => self.items.get_mut(usize::try_from(seq.checked_sub(self.first)?).ok()?),
        }
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
