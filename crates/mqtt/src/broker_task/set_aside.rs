//! What the broker does not take: what it was, what is set aside, and what is said of it.
//!
//! What must stay true: what is set aside is handed to whoever keeps it before anything else goes in its place; without such it stays.

use std::time::{Duration, Instant};

use super::{BrokerTask, LOOK, NO_ACK, Phase, SILENT, size};
use crate::connect::Failure;
use crate::culprit::Cut;
use crate::window::{Outgoing, Troubled};
use crate::{Letter, State};
use hj212_model::message::Publication;
use hj212_model::telemetry::Counter;

/// So long nothing was taken and something was refused: the broker refuses everything.
const REFUSING: Duration = Duration::from_secs(5);
/// So long messages are not tried that are at least as large as one at which the broker cut the connection.
const LEARNED: Duration = Duration::from_secs(3600);
/// Why messages are set aside that are never answered.
const UNANSWERED: &str = "the broker does not acknowledge it";

impl BrokerTask {
    /// The connection was cut at a message, if that is known; gives it in words.
    pub(super) fn note_cut(&mut self, cut: &Cut, failure: &Failure, now: Instant) -> Option<String> {
        let topic = cut.topic.as_deref()?;
        if cut.charged {
            self.telemetry.count(Counter::MqttRefused);
            self.trouble.refused(topic, now);
        }
        let said = self.reason.as_deref().filter(|_| !cut.charged).unwrap_or(&failure.text);
        let does = if failure.text == NO_ACK { "does not acknowledge" } else { "cuts the connection at" };
        let text = format!("the broker {does} messages for {topic}: {said}");
        if cut.blamed {
            self.complain(&text);
        }
        cut.blamed.then_some(text)
    }

    /// Whether the broker cut the connection at a message of that size, and took none so large.
    pub(super) fn too_large(&self, publication: &Publication, now: Instant) -> bool {
        let least = self.cut_size.filter(|(_, at)| now.saturating_duration_since(*at) < LEARNED);
        let size = size(publication);
        least.is_some_and(|(least, _)| size >= least && size > self.largest_taken)
    }

    /// Looks at what is in trouble, now and then: sets aside what is hopeless, and says if the broker refuses everything.
    pub(super) fn look(&mut self, now: Instant) {
        if !self.trouble.is_known() || now.saturating_duration_since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        self.set_aside();
        if self.phase != Phase::Open {
            return;
        }
        let refuses = now.saturating_duration_since(self.taken_at) >= REFUSING && self.window.is_stuck();
        let state = if refuses {
            let why = self.reason.clone().unwrap_or_else(|| "the broker refuses all messages".to_owned());
            State::Refusing { why }
        } else {
            self.hampered().map_or(State::Connected, |why| State::Hampered { why })
        };
        self.state.send_if_modified(|said| {
            let other = *said != state;
            *said = state;
            other
        });
    }

    /// What waits because the broker does not take it, in words.
    pub(super) fn hampered(&self) -> Option<String> {
        let mut waiting = self.window.troubled();
        let oldest = waiting.next()?;
        let said = match (oldest.cut, oldest.silent) {
            (true, _) => "it cuts the connection at it",
            (_, true) => "it does not acknowledge it",
            (false, false) => self.reason.as_deref().unwrap_or("it refuses it"),
        };
        let (topic, count) = (&oldest.publication.topic, 1 + waiting.count());
        Some(format!("{count} messages wait that it does not take, the oldest for {topic} ({said})"))
    }

    /// Sets aside what the broker will not take while it takes others; whether there was any.
    pub(super) fn set_aside(&mut self) -> bool {
        let now = Instant::now();
        if self.letters.is_none() || !self.trouble.is_known() {
            return false;
        }
        // Of those that are as large as one at which it was cut, one try says it.
        let tries = |item: &Troubled<'_>| if self.too_large(item.publication, now) { u32::MAX } else { item.tries };
        let waiting: Vec<Troubled<'_>> = self.window.troubled().collect();
        let told = waiting.iter().map(|item| (item.seq, item.publication.topic.as_str(), item.since, tries(item)));
        let told: Vec<_> = told.collect();
        let found = self.trouble.hopeless(told.into_iter(), self.window.delivered(), now);
        let hopeless = waiting.into_iter().filter(|item| found.contains(&item.seq));
        let why = |item: &Troubled<'_>| match (item.cut, item.silent) {
            (true, _) => "the broker cuts the connection at it".to_owned(),
            (_, true) => UNANSWERED.to_owned(),
            (false, false) => self.reason.as_deref().unwrap_or("the broker refuses it").to_owned(),
        };
        let hopeless: Vec<_> = hopeless.map(|item| (item.seq, item.cut, item.silent, why(&item))).collect();
        let any = !hopeless.is_empty();
        for (seq, cut, silent, why) in hopeless {
            let bytes = self.window.publication(Outgoing::Numbered(seq)).map_or(0, size);
            if cut && bytes > self.largest_taken {
                let least = self.cut_size.map_or(bytes, |(least, _)| least.min(bytes));
                self.cut_size = Some((least, now));
            }
            self.hand_out(seq, &why, silent && !cut);
        }
        // What waits of a topic that is known by now for being left unanswered needs no try of its own.
        let waiting: Vec<(u64, String)> =
            self.window.silent_waiting().map(|(seq, publication)| (seq, publication.topic.clone())).collect();
        for (seq, topic) in waiting {
            if self.trouble.is_known_silent(&topic, now) {
                self.hand_out(seq, SILENT, true);
            }
        }
        any
    }

    /// Hands a message to whoever keeps what is set aside; without such it stays. `silent`: it was never answered.
    pub(super) fn hand_out(&mut self, seq: u64, why: &str, silent: bool) {
        let Some(letters) = &self.letters else { return };
        let Some((publication, origin, tries)) = self.window.letter(seq) else { return };
        self.trouble.set_aside(&publication.topic, silent);
        let letter = Letter { publication, origin, tries, why: why.to_owned(), seq, settled: self.settle.clone() };
        if letters.send(letter).is_ok() {
            self.window.set_aside(seq);
        }
    }

    pub(super) fn note_settled(&mut self, seq: u64, kept: bool) {
        if kept {
            self.telemetry.count(Counter::MqttSetAside);
        }
        self.window.settled(seq, kept, Instant::now());
        self.delivered.send_if_modified(|delivered| {
            let before = std::mem::replace(delivered, self.window.delivered());
            before != *delivered
        });
    }
}
