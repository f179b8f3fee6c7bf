//! What the broker does not take: connections cut at a message, silence, what is suspected and when it is tried again, what is set aside.
//!
//! What must stay true is told in [`crate::culprit`].

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Window;
use super::item::{BrokerReply, Item, Outgoing, Send, Stage, Troubled, WaryOne};
use crate::culprit::{Cut, PROOF, SILENT_PATIENCE};
use hj212_model::message::Publication;

impl Window {
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
    pub(super) fn blame(&mut self, seq: u64, now: Instant, took: bool, (charged, alone): (bool, bool)) -> Cut {
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
    pub(super) fn be_silent(&mut self, topic: &str, now: Instant) {
        self.search.note_silent(topic, now);
        let same = |item: &&mut Item| item.publication.as_ref().is_some_and(|other| other.topic == topic);
        self.items.iter_mut().filter(same).for_each(|item| (item.suspected, item.silent) = (true, true));
    }

    /// How long `send` is waited for.
    pub(super) fn patience(&self, send: &Send, patience: Duration) -> Duration {
        if self.is_silent(send) { patience.min(SILENT_PATIENCE) } else { patience }
    }

    pub(super) fn is_silent(&self, send: &Send) -> bool {
        self.item(send.outgoing).is_some_and(|item| item.silent)
    }

    /// Whether nothing but silent topics is waited for, on a connection that took something: the broker is not to blame.
    pub(super) fn waits_for_the_silent(&self) -> bool {
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
    pub(super) fn suspected_ones(&self) -> Vec<WaryOne> {
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
    pub(super) fn next_suspected(&self, now: Instant) -> Option<Outgoing> {
        let ones = self.suspected_ones();
        let due = || ones.iter().filter(|one| one.again.is_none_or(|again| again <= now));
        let untried = due().filter(|one| one.again.is_none()).map(|one| one.seq).min();
        let tried = due().filter_map(|one| Some((one.again?, one.seq))).min().map(|(_, seq)| seq);
        let next = if self.tried_last { untried.or(tried) } else { tried.or(untried) };
        next.map(Outgoing::Numbered)
    }

    /// When a suspected one may go next.
    pub(super) fn suspected_due(&self) -> Option<Instant> {
        let (earliest, ones) = (self.search.suspected_at(), self.suspected_ones());
        ones.into_iter().filter_map(|one| one.again.max(earliest)).min()
    }

    /// No connection is cut at `outgoing`, nor at others of its topic.
    pub(super) fn clear_suspicion(&mut self, outgoing: Outgoing) {
        let Some(item) = self.item_mut(outgoing) else { return };
        (item.suspected, item.blamed) = (false, false);
        if let Some(topic) = item.publication.as_ref().map(|publication| publication.topic.clone()) {
            self.clear(&topic);
        }
        self.fresh = self.first;
    }

    /// Others of `topic` need not be suspected any more, unless they are blamed themselves.
    pub(super) fn clear(&mut self, topic: &str) {
        if !self.search.clear(topic) {
            return;
        }
        let same = |item: &&mut Item| {
            item.suspected && !item.blamed && item.publication.as_ref().is_some_and(|other| other.topic == topic)
        };
        self.items.iter_mut().filter(same).for_each(|item| (item.suspected, item.silent) = (false, false));
        self.fresh = self.first;
    }
}
