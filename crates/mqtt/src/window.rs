//! The sliding window: what was pushed, what is under way, what the broker acknowledged. A pure state machine: no I/O, time is
//! an argument.
//!
//! What must stay true:
//! - a publication leaves only when the broker took it **and** everything before it: [`Window::delivered`] moves contiguously;
//! - a reset (a new connection) puts everything not acknowledged back in line, in order;
//! - between the oldest send without an answer and the newest there are at most `limit` sends of this connection. The client
//!   deals packet ids in a circle of that size, so an id is never dealt while it is in use;
//! - memory is bounded: at most [`HELD`] windows of publications are held, those in trouble besides as long as all have no more than
//!   [`HELD_BYTES`], and one that waits lets at most [`SPAN`] windows pass;
//! - one that is set aside counts as taken only once it is kept elsewhere ([`Window::settled`]).
//!
//! What happens when the broker does not take a message is in `faults`; [`super::culprit`] tells how it is found.

mod faults;
mod item;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

pub use super::culprit::Cut;
use super::culprit::Search;
use hj212_model::message::Publication;
pub use item::{BrokerReply, Collision, Outgoing, Troubled};
use item::{Item, Send, Stage};

/// Publications held without an acknowledgement, in windows.
const HELD: usize = 2;
/// Bytes held beyond which those in trouble count against [`HELD`].
const HELD_BYTES: usize = 64 << 20;
/// From the oldest publication held to the newest taken, in windows: how far others may overtake a refused one.
const SPAN: usize = 16;
const _: () = assert!(HELD < SPAN, "what is held is part of what is looked at");

/// See the head of this file.
#[derive(Debug)]
pub struct Window {
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
    retries: BTreeSet<(Instant, Outgoing)>,
    announcement: Option<Item>,
    announcements: u64,
    draining: bool,
    /// Numbered publications that this connection took.
    taken_here: u64,
    /// What the last answer on this connection refused, and whether it was alone: some brokers refuse by name and cut right after it.
    refused_last: Option<(Outgoing, bool)>,
    /// The one under way that is suspected: nothing goes beside it.
    alone: Option<u64>,
    /// Whether any is suspected, perhaps: no need to look for them otherwise.
    any_suspected: bool,
    /// Whether the last suspected one that went had been tried before: the next is one that was not, if there is one.
    tried_last: bool,
    search: Search,
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
    pub fn new(size: u16, retry_min: Duration, retry_max: Duration) -> Self {
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
            taken_here: 0,
            refused_last: None,
            alone: None,
            any_suspected: false,
            tried_last: false,
            search: Search::new(retry_min, retry_max),
            sends: VecDeque::with_capacity(size),
            ordinal: 0,
            unpaired: 0,
            ids: vec![None; size + 1],
        }
    }

    /// How many publications may be pushed now.
    pub fn room(&self) -> usize {
        let span = (self.size * SPAN).saturating_sub(self.items.len());
        let room = (self.size * HELD).saturating_sub(self.held).min(span);
        if room > 0 || span == 0 {
            return room;
        }
        // Those in trouble do not take the place of others, as long as memory allows.
        let held = || {
            self.items
                .iter()
                .filter_map(|item| Some((item.publication.as_ref()?, item.since.is_some() || item.suspected)))
        };
        let troubled = held().filter(|(_, troubled)| *troubled).count();
        let bytes: usize = held().map(|(publication, _)| publication.payload.len()).sum();
        if bytes > HELD_BYTES { 0 } else { (self.size * HELD).saturating_sub(self.held - troubled).min(span) }
    }

    /// Takes a publication that came of `origin` and numbers it, from 1.
    pub fn push(&mut self, publication: Publication, origin: u64) -> u64 {
        let mut item = Item::new(publication, origin);
        let topic = item.publication.as_ref().map_or("", |publication| &publication.topic);
        item.silent = self.search.is_silent(topic);
        item.suspected = item.silent || self.search.knows(topic);
        self.any_suspected |= item.suspected;
        self.items.push_back(item);
        self.held += 1;
        self.first + self.items.len() as u64 - 1
    }

    /// Everything up to this number is acknowledged.
    pub fn delivered(&self) -> u64 {
        self.first - 1
    }

    /// A connection stands; the broker takes `limit` sends without an answer.
    pub fn open(&mut self, limit: usize) {
        self.reset();
        self.limit = limit.min(self.size);
    }

    /// The connection is gone: what was under way is back in line, in order.
    pub fn reset(&mut self) {
        self.limit = 0;
        self.sends.clear();
        self.ordinal = 0;
        self.unpaired = 0;
        self.ids.fill(None);
        self.retries.clear();
        self.announcement = None;
        self.taken_here = 0;
        self.refused_last = None;
        self.alone = None;
        self.fresh = self.first;
        for item in &mut self.items {
            if matches!(item.stage, Stage::UnderWay | Stage::Refused) {
                item.stage = Stage::Queued;
            }
        }
    }

    /// Puts a status before everything else; it has no number and replaces an earlier one.
    pub fn announce(&mut self, publication: Publication) {
        self.announcements += 1;
        self.announcement = Some(Item::new(publication, 0));
    }

    /// Whether the last announcement was taken.
    pub fn announced(&self) -> bool {
        self.announcement.as_ref().is_none_or(|item| item.stage == Stage::Taken)
    }

    /// From now on only announcements go out.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Sends handed over and not yet answered, counted from the oldest.
    pub fn under_way(&self) -> usize {
        self.sends.len()
    }

    /// What goes out next, if anything may.
    pub fn next(&mut self, now: Instant) -> Option<Outgoing> {
        if self.sends.len() >= self.limit {
            return None;
        }
        if self.announcement.as_ref().is_some_and(|item| item.stage == Stage::Queued) {
            return Some(Outgoing::Announcement(self.announcements));
        }
        if self.draining {
            return None;
        }
        // Beside one that is suspected nothing goes, and beside the status nothing while it is not known what the broker cuts at.
        let exclusive = self.alone.is_some() || (self.search.is_on() && self.announces());
        if exclusive || self.sends.len() >= self.search.most(self.limit) {
            return None;
        }
        if let Some(&(_, outgoing)) = self.retries.first().filter(|(at, _)| *at <= now) {
            return Some(outgoing);
        }
        while let Some(item) = self.item(Outgoing::Numbered(self.fresh)) {
            if item.stage == Stage::Queued && !item.suspected {
                return Some(Outgoing::Numbered(self.fresh));
            }
            self.fresh += 1;
        }
        if !self.any_suspected || !self.sends.is_empty() || !self.search.suspected_is_due(now) {
            return None;
        }
        self.any_suspected = self.items.iter().any(|item| item.suspected && item.stage != Stage::Taken);
        self.next_suspected(now)
    }

    /// Whether a status is under way.
    fn announces(&self) -> bool {
        self.announcement.as_ref().is_some_and(|item| item.stage == Stage::UnderWay)
    }

    /// What `outgoing` says, unless it is taken.
    pub fn publication(&self, outgoing: Outgoing) -> Option<&Publication> {
        self.item(outgoing)?.publication.as_ref()
    }

    /// `outgoing` was handed to the client.
    pub fn handed(&mut self, outgoing: Outgoing, now: Instant) {
        self.leave_line(outgoing, Stage::UnderWay);
        if let Outgoing::Numbered(seq) = outgoing
            && let Some(item) = self.item(outgoing).filter(|item| item.suspected)
        {
            let (tried, silent) = (item.again.is_some(), item.silent);
            self.tried_last = tried;
            if !silent {
                self.alone = Some(seq);
            }
        }
        self.sends.push_back(Send { outgoing, at: now, answered: false });
    }

    /// `outgoing` cannot be sent on this connection: like a refusal.
    pub fn park(&mut self, outgoing: Outgoing, now: Instant) {
        self.leave_line(outgoing, Stage::UnderWay);
        self.judge(outgoing, BrokerReply::Refused, now);
    }

    /// The client wrote the next send with packet id `id`.
    pub fn sent(&mut self, id: u16) -> Result<(), Collision> {
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
    ///
    /// Gives what was answered, and the publication if it was taken.
    pub fn answered(&mut self, id: u16, reply: BrokerReply, now: Instant) -> Option<(Outgoing, Option<Publication>)> {
        let ordinal = self.ids.get_mut(usize::from(id))?.take()?;
        let send = self.sends.get_mut(usize::try_from(ordinal.checked_sub(self.ordinal)?).ok()?)?;
        send.answered = true;
        let outgoing = send.outgoing;
        let alone = self.alone.take_if(|seq| Outgoing::Numbered(*seq) == outgoing).is_some();
        let refused = (reply == BrokerReply::Refused).then_some((outgoing, alone));
        let survived = std::mem::replace(&mut self.refused_last, refused);
        while self.sends.front().is_some_and(|send| send.answered) {
            self.sends.pop_front();
            self.ordinal += 1;
        }
        if let Some((refused @ Outgoing::Numbered(_), true)) = survived.filter(|(refused, _)| *refused != outgoing) {
            // The connection outlived the refusal: nothing is cut at it any more.
            self.clear_suspicion(refused);
        }
        let taken = self.judge(outgoing, reply, now);
        if let Some(publication) = taken.as_ref().filter(|_| matches!(outgoing, Outgoing::Numbered(_))) {
            self.clear(&publication.topic);
        }
        Some((outgoing, taken))
    }

    /// When the oldest send without an answer was handed over.
    pub fn oldest(&self) -> Option<Instant> {
        self.sends.front().map(|send| send.at)
    }

    /// When the next refused one may be tried again; `None` if nothing may go out anyway.
    pub fn next_retry(&self) -> Option<Instant> {
        if self.draining || self.sends.len() >= self.limit {
            return None;
        }
        let retry = self.retries.first().map(|(at, _)| *at);
        // While something is under way, its answer is waited for first.
        let suspected = if self.any_suspected && self.sends.is_empty() { self.suspected_due() } else { None };
        retry.into_iter().chain(suspected).min()
    }

    /// Gives the publication if it is taken.
    fn judge(&mut self, outgoing: Outgoing, reply: BrokerReply, now: Instant) -> Option<Publication> {
        let (retry_min, retry_max, limit) = (self.retry_min, self.retry_max, self.limit);
        let item = self.item_mut(outgoing).filter(|item| item.stage == Stage::UnderWay)?;
        let mut taken = None;
        match reply {
            BrokerReply::Refused => {
                let pause = retry_min.saturating_mul(1 << item.refusals.min(16)).min(retry_max);
                item.refusals = item.refusals.saturating_add(1);
                item.since.get_or_insert(now);
                if item.suspected {
                    item.stage = Stage::Queued;
                    item.put_off(now, (retry_min, retry_max));
                    let tried = item.refusals;
                    self.search.suspected_failed(now, tried);
                } else {
                    item.stage = Stage::Refused;
                    self.retries.insert((now + pause, outgoing));
                }
                if let Outgoing::Numbered(seq) = outgoing {
                    self.search.out_of_line(seq);
                }
            }
            BrokerReply::Taken => {
                item.stage = Stage::Taken;
                taken = item.publication.take();
                let suspected = item.suspected;
                if let Outgoing::Numbered(seq) = outgoing {
                    self.held -= 1;
                    self.taken_here += 1;
                    self.search.taken(seq, limit, suspected);
                } else {
                    self.search.status_taken();
                }
            }
        }
        while self.items.front().is_some_and(|item| item.stage == Stage::Taken) {
            self.items.pop_front();
            self.first += 1;
        }
        self.fresh = self.fresh.max(self.first);
        taken
    }

    fn leave_line(&mut self, outgoing: Outgoing, stage: Stage) {
        if self.retries.first().is_some_and(|(_, first)| *first == outgoing) {
            self.retries.pop_first();
        }
        if let Some(item) = self.item_mut(outgoing) {
            item.stage = stage;
        }
    }

    fn item(&self, outgoing: Outgoing) -> Option<&Item> {
        match outgoing {
            Outgoing::Announcement(number) => self.announcement.as_ref().filter(|_| number == self.announcements),
            Outgoing::Numbered(seq) => self.items.get(usize::try_from(seq.checked_sub(self.first)?).ok()?),
        }
    }

    fn item_mut(&mut self, outgoing: Outgoing) -> Option<&mut Item> {
        match outgoing {
            Outgoing::Announcement(number) => self.announcement.as_mut().filter(|_| number == self.announcements),
            Outgoing::Numbered(seq) => self.items.get_mut(usize::try_from(seq.checked_sub(self.first)?).ok()?),
        }
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
