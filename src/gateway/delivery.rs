//! What is delivered, and what may be written of it: the cursor and the checkpoints. [`super::uplink`] does what is decided here, and so does
//! the simulation of the whole gateway.
//!
//! What must stay true:
//! * the cursor is the number of a record such that everything published from it and from all before it is acknowledged; it only goes forward;
//! * a checkpoint is due only when a cursor that is not before it is **on disk**;
//! * pure: no disk, no clock.

use std::collections::VecDeque;

use hj212_journal::Offset;
use hj212_model::message::Timestamp;

/// Records whose publications were handed over: when everything up to `seq` is acknowledged, the cursor may stand at `offset`.
#[derive(Debug)]
struct Waiting {
    seq: u64,
    offset: Offset,
    time: Timestamp,
}

/// What is to be written next.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// The cursor. [`Delivery::stored`] says that it is.
    Cursor(Offset),
    /// The state after this record.
    Checkpoint(Offset, Vec<u8>),
}

/// See the head of this file.
#[derive(Debug)]
pub struct Delivery {
    waiting: VecDeque<Waiting>,
    /// The last record interpreted.
    position: Offset,
    cursor: Offset,
    /// The cursor on disk.
    stored: Offset,
    checkpoint_every: u64,
    checkpoint_at: Offset,
    checkpoint: Option<(Offset, Vec<u8>)>,
}

impl Delivery {
    /// Begins behind the record at `cursor`, which is on disk, with a state after the record at `position`.
    #[must_use]
    pub fn new(cursor: Offset, position: Offset, checkpoint_every: u64) -> Delivery {
        Delivery {
            waiting: VecDeque::new(),
            position,
            cursor,
            stored: cursor,
            checkpoint_every,
            checkpoint_at: position,
            checkpoint: None,
        }
    }

    /// The record at `position`, of `time`, is interpreted, and its publications are handed over; `seq` is the number of the last publication
    /// of it or of those before.
    pub fn handed(&mut self, position: Offset, time: Timestamp, seq: u64) {
        self.position = position;
        match self.waiting.back_mut() {
            Some(last) if last.seq == seq => (last.offset, last.time) = (position, time),
            _ => self.waiting.push_back(Waiting { seq, offset: position, time }),
        }
    }

    /// Whether the state is to be kept now, for a checkpoint: [`Delivery::keep`].
    #[must_use]
    pub const fn wants_state(&self) -> bool {
        self.position.0.saturating_sub(self.checkpoint_at.0) >= self.checkpoint_every
    }

    /// Keeps the state after the last record until it may be written.
    pub fn keep(&mut self, state: Vec<u8>) {
        self.checkpoint_at = self.position;
        self.checkpoint = Some((self.position, state));
    }

    /// Everything up to the publication `seq` is acknowledged. Gives the time of the last record that is delivered by this.
    pub fn acknowledged(&mut self, seq: u64) -> Option<Timestamp> {
        let mut time = None;
        while let Some(first) = self.waiting.front().filter(|first| first.seq <= seq) {
            (self.cursor, time) = (first.offset, Some(first.time));
            self.waiting.pop_front();
        }
        time
    }

    /// What is to be written now; `timely`: the cursor was not written for long enough.
    pub fn due(&mut self, timely: bool) -> Option<Due> {
        if let Some((offset, state)) = self.checkpoint.take_if(|(offset, _)| *offset <= self.stored) {
            return Some(Due::Checkpoint(offset, state));
        }
        (timely && self.cursor > self.stored).then_some(Due::Cursor(self.cursor))
    }

    /// Whether a state waits to be written.
    #[must_use]
    pub const fn keeps(&self) -> bool {
        self.checkpoint.is_some()
    }

    /// The cursor that is on disk.
    #[must_use]
    pub const fn on_disk(&self) -> Offset {
        self.stored
    }

    /// The cursor is on disk.
    pub fn stored(&mut self, cursor: Offset) {
        self.stored = cursor;
    }

    /// The last record such that it and all before are delivered.
    #[must_use]
    pub const fn cursor(&self) -> Offset {
        self.cursor
    }

    /// The last record interpreted.
    #[must_use]
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// Whether nothing waits for an acknowledgement.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the state now may be a checkpoint: all is delivered, and the disk says so.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cursor == self.position && self.cursor == self.stored
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_waits_for_the_word_and_the_checkpoint_for_the_cursor_on_disk() {
        let mut delivery = Delivery::new(Offset(4), Offset(4), 3);
        delivery.handed(Offset(5), Timestamp(5), 2);
        delivery.handed(Offset(6), Timestamp(6), 2);
        delivery.handed(Offset(7), Timestamp(7), 3);
        assert!(delivery.wants_state());
        delivery.keep(vec![7]);
        assert_eq!((delivery.acknowledged(1), delivery.due(true)), (None, None));
        assert_eq!((delivery.acknowledged(2), delivery.cursor()), (Some(Timestamp(6)), Offset(6)));
        assert_eq!(delivery.due(false), None, "not yet");
        assert_eq!(delivery.due(true), Some(Due::Cursor(Offset(6))));
        delivery.stored(Offset(6));
        assert_eq!(delivery.acknowledged(3), Some(Timestamp(7)));
        // The disk refuses: the checkpoint waits.
        assert_eq!(delivery.due(true), Some(Due::Cursor(Offset(7))));
        assert_eq!(delivery.due(true), Some(Due::Cursor(Offset(7))));
        assert!(!delivery.is_settled());
        delivery.stored(Offset(7));
        assert_eq!(delivery.due(false), Some(Due::Checkpoint(Offset(7), vec![7])));
        assert_eq!(delivery.due(true), None);
        assert!(delivery.is_settled() && delivery.is_idle());
    }
}
