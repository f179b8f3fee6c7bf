//! What is delivered, and what may be written of it: the cursor and the checkpoints. [`super::uplink`] does what is decided here, and so does
//! the simulation of the whole gateway.
//!
//! What must stay true:
//! * the cursor is the number of a record such that everything published from it and from all before it is acknowledged; it only goes forward;
//! * a checkpoint is due only when a cursor that is not before it is **on disk**;
//! * the cursor is written no further than others have stored what they took of its records ([`Delivery::due`]);
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

    /// What is to be written now; `timely`: the cursor was not written for long enough; `kept`: up to this record all is on disk that others took
    /// of it.
    pub fn due(&mut self, timely: bool, kept: Offset) -> Option<Due> {
        if let Some((offset, state)) = self.checkpoint.take_if(|(offset, _)| *offset <= self.stored) {
            return Some(Due::Checkpoint(offset, state));
        }
        let cursor = self.cursor.min(kept);
        (timely && cursor > self.stored).then_some(Due::Cursor(cursor))
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

    const ALL: Offset = Offset(u64::MAX);

    #[test]
    fn the_cursor_is_written_no_further_than_others_have_stored() {
        let mut delivery = Delivery::new(Offset(4), Offset(4), 100);
        (5..=9).for_each(|n| delivery.handed(Offset(n), Timestamp(5), n));
        delivery.keep(vec![9]);
        delivery.acknowledged(9);
        assert_eq!(delivery.due(true, Offset(4)), None);
        assert_eq!(delivery.due(true, Offset(2)), None, "nor back");
        assert_eq!(delivery.due(true, Offset(7)), Some(Due::Cursor(Offset(7))));
        delivery.stored(Offset(7));
        assert_eq!((delivery.due(true, Offset(7)), delivery.is_settled()), (None, false));
        assert_eq!(delivery.due(true, ALL), Some(Due::Cursor(Offset(9))));
        delivery.stored(Offset(9));
        assert_eq!(delivery.due(true, Offset(7)), Some(Due::Checkpoint(Offset(9), vec![9])));
    }

    #[test]
    fn the_cursor_waits_for_the_word_and_the_checkpoint_for_the_cursor_on_disk() {
        let mut delivery = Delivery::new(Offset(4), Offset(4), 3);
        delivery.handed(Offset(5), Timestamp(5), 2);
        delivery.handed(Offset(6), Timestamp(6), 2);
        delivery.handed(Offset(7), Timestamp(7), 3);
        assert!(delivery.wants_state());
        delivery.keep(vec![7]);
        assert_eq!((delivery.acknowledged(1), delivery.due(true, ALL)), (None, None));
        assert_eq!((delivery.acknowledged(2), delivery.cursor()), (Some(Timestamp(6)), Offset(6)));
        assert_eq!(delivery.due(false, ALL), None, "not yet");
        assert_eq!(delivery.due(true, ALL), Some(Due::Cursor(Offset(6))));
        delivery.stored(Offset(6));
        assert_eq!(delivery.acknowledged(3), Some(Timestamp(7)));
        // The disk refuses: the checkpoint waits.
        assert_eq!(delivery.due(true, ALL), Some(Due::Cursor(Offset(7))));
        assert_eq!(delivery.due(true, ALL), Some(Due::Cursor(Offset(7))));
        assert!(!delivery.is_settled());
        delivery.stored(Offset(7));
        assert_eq!(delivery.due(false, ALL), Some(Due::Checkpoint(Offset(7), vec![7])));
        assert_eq!(delivery.due(true, ALL), None);
        assert!(delivery.is_settled() && delivery.is_idle());
    }
}
