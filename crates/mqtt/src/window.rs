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
//! What happens when the connection is cut at a message is told in [`super::culprit`].

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use super::culprit::Cut;
use super::culprit::{PROOF, SILENT_PATIENCE, Search};
use hj212_model::message::Publication;

/// Publications held without an acknowledgement, in windows.
const HELD: usize = 2;
/// Bytes held beyond which those in trouble count against [`HELD`].
const HELD_BYTES: usize = 64 << 20;
/// From the oldest publication held to the newest taken, in windows: how far others may overtake a refused one.
const SPAN: usize = 16;
const _: () = assert!(HELD < SPAN, "what is held is part of what is looked at");

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    UnderWay,
    Refused,
    /// Being kept elsewhere.
    Aside,
    Taken,
}

#[derive(Debug)]
struct Item {
    /// `None` once taken: the payload need not be held until its elders are taken too.
    publication: Option<Publication>,
    /// What it came of, for whoever pushed it.
    origin: u64,
    stage: Stage,
    refusals: u32,
    /// Connections that were cut at it while it was alone.
    cuts: u32,
    /// Its first refusal or cut.
    since: Option<Instant>,
    /// It goes last and alone.
    suspected: bool,
    /// It does so whatever becomes of others of its topic.
    blamed: bool,
    /// The broker acknowledged what came after it and not this: it goes last, and others beside it.
    silent: bool,
    /// When it may be tried again, if it is suspected and was tried.
    again: Option<Instant>,
}

impl Item {
    fn new(publication: Publication, origin: u64) -> Self {
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
    fn tries(&self) -> u32 {
        self.refusals.max(if self.suspected || self.cuts >= PROOF { self.cuts } else { 0 })
    }

    /// The next try of one that is suspected waits, longer each time.
    fn put_off(&mut self, now: Instant, (retry_min, retry_max): (Duration, Duration)) {
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
struct WaryOne {
    seq: u64,
    /// When it may be tried again, if it was tried.
    again: Option<Instant>,
}

#[derive(Debug)]
struct Send {
    outgoing: Outgoing,
    at: Instant,
    answered: bool,
}

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

    /// The connection was cut, not for want of an answer; to be called before [`Window::reset`].
    pub fn cut(&mut self, now: Instant) -> Cut {
        let took = self.taken_here > 0;
        let unanswered = || self.sends.iter().filter(|send| !send.answered).map(|send| send.outgoing);
        let numbered: Vec<u64> = unanswered()
            .filter_map(|outgoing| match outgoing {
                Outgoing::Numbered(seq) => Some(seq),
                Outgoing::Announcement(_) => None,
            })
            .collect();
        let announcing = unanswered().any(|outgoing| matches!(outgoing, Outgoing::Announcement(_)));
        match (self.refused_last, numbered.as_slice()) {
            // It was cut at what was refused, not at what was sent after that.
            (Some((Outgoing::Numbered(seq), alone)), _) => self.blame(seq, now, took, (false, alone)),
            (Some((Outgoing::Announcement(_), _)), _) => {
                self.search.cut_at_status(now);
                Cut { progress: self.search.progress(took, false), ..Cut::default() }
            }
            (None, []) => {
                if announcing {
                    self.search.cut_at_status(now);
                }
                Cut { progress: self.search.progress(took, false), ..Cut::default() }
            }
            (None, [seq]) if !announcing && (self.search.is_on() || self.alone == Some(*seq)) => {
                self.blame(*seq, now, took, (true, self.alone == Some(*seq)))
            }
            (None, _) => {
                self.search.narrow(numbered.iter().copied());
                Cut { progress: self.search.progress(took, true), ..Cut::default() }
            }
        }
    }

    /// The connection was cut at `seq`; `charged`: while it was under way, else right after it was refused by name; `alone`: as one that is
    /// suspected, when all others had passed.
    fn blame(&mut self, seq: u64, now: Instant, took: bool, (charged, alone): (bool, bool)) -> Cut {
        self.search.found(alone);
        let pauses = (self.retry_min, self.retry_max);
        let Some(item) = self.item_mut(Outgoing::Numbered(seq)) else {
            return Cut { progress: self.search.progress(took, false), ..Cut::default() };
        };
        if charged {
            item.cuts = item.cuts.saturating_add(1);
            item.since.get_or_insert(now);
        }
        let first = item.cuts + item.refusals <= PROOF;
        let blamed = !charged || item.cuts >= PROOF || item.suspected;
        let topic = item.publication.as_ref().map(|publication| publication.topic.clone());
        let tried = item.cuts.max(item.refusals);
        if blamed {
            (item.suspected, item.blamed) = (true, true);
            item.put_off(now, pauses);
        }
        self.any_suspected |= blamed;
        if blamed && let Some(topic) = &topic {
            self.search.blame(topic, now);
            if charged || !alone {
                self.search.suspected_failed(now, tried);
            }
            let same = |item: &&mut Item| item.publication.as_ref().is_some_and(|other| other.topic == *topic);
            self.items.iter_mut().filter(same).for_each(|item| item.suspected = true);
        }
        Cut { topic, charged, blamed, progress: self.search.progress(took, first) }
    }

    /// The connection ends because an answer did not come within `patience`; to be called before [`Window::reset`]. A broker that is slow
    /// answers in order: what it left out while it answered what came after is at fault, like one at which it cuts.
    pub fn withheld(&mut self, now: Instant, patience: Duration) -> Cut {
        let answered = self.sends.iter().rposition(|send| send.answered).unwrap_or(0);
        let late =
            |send: &&Send| !send.answered && now.saturating_duration_since(send.at) >= self.patience(send, patience);
        let waited = if self.waits_for_the_silent() { self.sends.len() } else { answered };
        let left_out: Vec<Outgoing> = self.sends.iter().take(waited).filter(late).map(|send| send.outgoing).collect();
        // One that goes alone has nothing after it.
        let alone = self.alone.map(Outgoing::Numbered);
        let (pauses, mut tried) = ((self.retry_min, self.retry_max), 0);
        let mut cut = Cut { progress: self.search.progress(self.taken_here > 0, false), ..Cut::default() };
        for outgoing in left_out.into_iter().chain(alone).filter(|outgoing| matches!(outgoing, Outgoing::Numbered(_))) {
            let Some(item) = self.item_mut(outgoing) else { continue };
            item.cuts = item.cuts.saturating_add(1);
            item.since.get_or_insert(now);
            (item.suspected, item.blamed, item.silent) = (true, true, true);
            item.put_off(now, pauses);
            tried = tried.max(item.cuts);
            let topic = item.publication.as_ref().map(|publication| publication.topic.clone());
            if cut.topic.is_none() {
                cut.topic.clone_from(&topic);
                (cut.charged, cut.blamed) = (true, item.cuts >= PROOF);
            }
            if let Some(topic) = topic {
                self.be_silent(&topic, now);
            }
        }
        if cut.topic.is_some() {
            self.any_suspected = true;
            self.search.suspected_failed(now, tried);
        }
        cut
    }

    /// What has this topic goes last, and not alone.
    fn be_silent(&mut self, topic: &str, now: Instant) {
        self.search.note_silent(topic, now);
        let same = |item: &&mut Item| item.publication.as_ref().is_some_and(|other| other.topic == topic);
        self.items.iter_mut().filter(same).for_each(|item| (item.suspected, item.silent) = (true, true));
    }

    /// How long `send` is waited for.
    fn patience(&self, send: &Send, patience: Duration) -> Duration {
        if self.is_silent(send) { patience.min(SILENT_PATIENCE) } else { patience }
    }

    fn is_silent(&self, send: &Send) -> bool {
        self.item(send.outgoing).is_some_and(|item| item.silent)
    }

    /// Whether nothing but silent topics is waited for, on a connection that took something: the broker is not to blame.
    fn waits_for_the_silent(&self) -> bool {
        let took = self.taken_here > 0 || self.announcement.as_ref().is_some_and(|item| item.stage == Stage::Taken);
        took && self.sends.iter().filter(|send| !send.answered).all(|send| self.is_silent(send))
    }

    /// When a send of a silent topic has been waited for long enough: something later is acknowledged, or there is no room for others. The
    /// connection is to end then ([`Window::withheld`]), for nothing frees its packet id otherwise.
    pub fn left_out_at(&self, patience: Duration) -> Option<Instant> {
        if !self.search.knows_silent() {
            return None;
        }
        let answered = self.sends.iter().rposition(|send| send.answered).unwrap_or(0);
        let waited = if self.waits_for_the_silent() && self.room() == 0 { self.sends.len() } else { answered };
        let oldest = self.sends.iter().take(waited).find(|send| !send.answered && self.is_silent(send))?;
        Some(oldest.at + self.patience(oldest, patience))
    }

    /// What has a silent topic and waits to be sent.
    pub fn silent_waiting(&self) -> impl Iterator<Item = (u64, &Publication)> {
        let waits = |item: &Item| item.silent && item.stage == Stage::Queued;
        let waiting = (self.first..).zip(&self.items).filter(move |(_, item)| waits(item));
        waiting.filter_map(|(seq, item)| Some((seq, item.publication.as_ref()?)))
    }

    /// Has `seq` go last and alone: the broker may cut the connection at it.
    pub fn put_last(&mut self, seq: u64) {
        let outgoing = Outgoing::Numbered(seq);
        self.retries.retain(|(_, retried)| *retried != outgoing);
        self.leave_line(outgoing, Stage::Queued);
        self.any_suspected = true;
        if let Some(item) = self.item_mut(Outgoing::Numbered(seq)) {
            (item.suspected, item.blamed) = (true, true);
        }
    }

    /// Whether `outgoing` goes last and alone.
    pub fn is_suspected(&self, outgoing: Outgoing) -> bool {
        self.item(outgoing).is_some_and(|item| item.suspected)
    }

    /// Whether the next connection is to be made without a status: the broker cuts it at that.
    pub fn without_status(&self, now: Instant) -> bool {
        self.search.without_status(now)
    }

    /// Numbered publications that were refused or at which the connection was cut, and that are not under way now.
    pub fn troubled(&self) -> impl Iterator<Item = Troubled<'_>> {
        (self.first..).zip(&self.items).filter_map(|(seq, item)| {
            let waits = matches!(item.stage, Stage::Queued | Stage::Refused);
            Some(Troubled {
                seq,
                since: item.since.filter(|_| waits)?,
                publication: item.publication.as_ref()?,
                tries: item.tries(),
                cut: item.cuts > 0 && !item.silent,
                silent: item.silent,
            })
        })
    }

    /// Whether anything is held, and all of it is in trouble.
    pub fn is_stuck(&self) -> bool {
        self.held > 0
            && self
                .items
                .iter()
                .all(|item| matches!(item.stage, Stage::Taken) || item.since.is_some() || item.suspected)
    }

    /// What is to be kept elsewhere in place of sending `seq`: the publication, what it came of, and how often it was tried.
    pub fn letter(&self, seq: u64) -> Option<(Publication, u64, u32)> {
        let item =
            self.item(Outgoing::Numbered(seq)).filter(|item| matches!(item.stage, Stage::Queued | Stage::Refused))?;
        Some((item.publication.clone()?, item.origin, item.refusals.max(item.cuts)))
    }

    /// `seq` is being kept elsewhere; it is not sent until [`Window::settled`].
    pub fn set_aside(&mut self, seq: u64) {
        let outgoing = Outgoing::Numbered(seq);
        self.retries.retain(|(_, retried)| *retried != outgoing);
        self.leave_line(outgoing, Stage::Aside);
        self.search.out_of_line(seq);
        self.search.suspected_settled();
    }

    /// What became of keeping `seq` elsewhere: kept, it counts as taken; otherwise it is tried again later.
    pub fn settled(&mut self, seq: u64, kept: bool, now: Instant) {
        let outgoing = Outgoing::Numbered(seq);
        if self.item(outgoing).is_some_and(|item| item.stage == Stage::Aside) {
            self.leave_line(outgoing, Stage::UnderWay);
            self.judge(outgoing, if kept { BrokerReply::Taken } else { BrokerReply::Refused }, now);
        }
    }

    /// Those of the suspected that may be tried: of each topic the oldest two, so that it shows whether it is the message or the topic.
    fn suspected_ones(&self) -> Vec<WaryOne> {
        let waits = (self.first..).zip(&self.items).filter(|(_, item)| item.suspected && item.stage == Stage::Queued);
        let mut topics: HashMap<&str, u8> = HashMap::new();
        let ones = waits.filter_map(|(seq, item)| {
            let count = topics.entry(&item.publication.as_ref()?.topic).or_insert(0);
            *count = count.saturating_add(1);
            (*count <= 2).then_some(WaryOne { seq, again: item.again })
        });
        ones.collect()
    }

    /// The suspected one that is next, by turns: the oldest of those that were not tried yet, and of those that were the one that has waited longest.
    /// So each gets its turn after a bounded number of others, however many new ones come and whatever becomes of the oldest.
    fn next_suspected(&self, now: Instant) -> Option<Outgoing> {
        let ones = self.suspected_ones();
        let due = || ones.iter().filter(|one| one.again.is_none_or(|again| again <= now));
        let untried = due().filter(|one| one.again.is_none()).map(|one| one.seq).min();
        let tried = due().filter_map(|one| Some((one.again?, one.seq))).min().map(|(_, seq)| seq);
        let next = if self.tried_last { untried.or(tried) } else { tried.or(untried) };
        next.map(Outgoing::Numbered)
    }

    /// When a suspected one may go next.
    fn suspected_due(&self) -> Option<Instant> {
        let (earliest, ones) = (self.search.suspected_at(), self.suspected_ones());
        ones.into_iter().filter_map(|one| one.again.max(earliest)).min()
    }

    /// No connection is cut at `outgoing`, nor at others of its topic.
    fn clear_suspicion(&mut self, outgoing: Outgoing) {
        let Some(item) = self.item_mut(outgoing) else { return };
        (item.suspected, item.blamed) = (false, false);
        if let Some(topic) = item.publication.as_ref().map(|publication| publication.topic.clone()) {
            self.clear(&topic);
        }
        self.fresh = self.first;
    }

    /// Others of `topic` need not be suspected any more, unless they are blamed themselves.
    fn clear(&mut self, topic: &str) {
        if !self.search.clear(topic) {
            return;
        }
        let same = |item: &&mut Item| {
            item.suspected && !item.blamed && item.publication.as_ref().is_some_and(|other| other.topic == topic)
        };
        self.items.iter_mut().filter(same).for_each(|item| (item.suspected, item.silent) = (false, false));
        self.fresh = self.first;
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
    pub fn answered(&mut self, id: u16, verdict: BrokerReply, now: Instant) -> Option<(Outgoing, Option<Publication>)> {
        let ordinal = self.ids.get_mut(usize::from(id))?.take()?;
        let send = self.sends.get_mut(usize::try_from(ordinal.checked_sub(self.ordinal)?).ok()?)?;
        send.answered = true;
        let outgoing = send.outgoing;
        let alone = self.alone.take_if(|seq| Outgoing::Numbered(*seq) == outgoing).is_some();
        let refused = (verdict == BrokerReply::Refused).then_some((outgoing, alone));
        let survived = std::mem::replace(&mut self.refused_last, refused);
        while self.sends.front().is_some_and(|send| send.answered) {
            self.sends.pop_front();
            self.ordinal += 1;
        }
        if let Some((refused @ Outgoing::Numbered(_), true)) = survived.filter(|(refused, _)| *refused != outgoing) {
            // The connection outlived the refusal: nothing is cut at it any more.
            self.clear_suspicion(refused);
        }
        let taken = self.judge(outgoing, verdict, now);
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
    fn judge(&mut self, outgoing: Outgoing, verdict: BrokerReply, now: Instant) -> Option<Publication> {
        let (retry_min, retry_max, limit) = (self.retry_min, self.retry_max, self.limit);
        let item = self.item_mut(outgoing).filter(|item| item.stage == Stage::UnderWay)?;
        let mut taken = None;
        match verdict {
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
