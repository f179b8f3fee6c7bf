//! The bytes of a connection that are not decided upon yet, and how long they may wait. No socket and no clock: time is an argument.
//!
//! What must stay true:
//! * a pause is not an end: what may be the beginning of a frame on a slow link waits for `partial_max`;
//! * no good frame waits longer than one `pause`, whatever stands before it (two, if bytes of no meaning follow it without a pause). A frame of wrong length, cut off or refused is settled as
//!   soon as it is finished and a pause has gone by, or as another frame has begun behind it and one `pause` is over;
//! * what is settled is taken as of a resting peer, and nothing else is;
//! * an end without check and line end is waited for like any other beginning, but of a station whose check is not looked at (`crc = "off"`):
//!   there the closing `&&` and a pause are the end;
//! * one look reads the buffer once, and there is one look a `pause` at most.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use hj212::{CrcVerdict, Deviation, FaultReason, Frame, Item, Limits, Peer, scan};

/// What the alarm meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimerMeaning {
    /// The buffer was looked at; what is settled can be taken.
    Looked,
    /// `partial_max` is over and no frame begins in what is here: all of it is to be taken.
    Noise,
    /// `partial_max` is over and a frame that has begun is not finished: all of it is to be taken.
    Partial,
}

/// The front of the stream.
#[derive(Debug)]
pub(super) struct Front {
    /// The bytes.
    pub(super) buffer: BytesMut,
    /// When the last byte came.
    heard_at: Instant,
    /// When the first byte of what is in the buffer came, or when what stood before it was taken.
    since: Instant,
    /// When the last byte came that the last look for what is settled saw.
    looked_at: Instant,
    /// So many bytes the last look saw.
    seen: usize,
    /// Whether it was looked at after a pause since the last byte.
    paused: bool,
    /// So many bytes are decided upon as if nothing more came.
    settled: usize,
}

impl Front {
    pub(super) fn new(now: Instant) -> Self {
        Front { buffer: BytesMut::new(), heard_at: now, since: now, looked_at: now, seen: 0, paused: false, settled: 0 }
    }

    /// When the last byte came.
    pub(super) const fn heard_at(&self) -> Instant {
        self.heard_at
    }

    /// Whether the front is settled: it is to be taken as of a resting peer.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled > 0
    }

    /// `count` bytes came at the end of the buffer.
    pub(super) fn came(&mut self, now: Instant, count: usize) {
        self.heard_at = now;
        if self.buffer.len() == count {
            (self.since, self.looked_at, self.seen) = (now, now, 0);
        }
        self.paused = false;
    }

    /// What waits is not late: it was not read, or not taken, for a reason of ours.
    pub(super) fn wait_from(&mut self, now: Instant) {
        (self.heard_at, self.since) = (now, now);
    }

    /// When the alarm is to ring; `None`: nothing waits.
    pub(super) fn deadline(&self, pause: Duration, partial_max: Duration) -> Option<Instant> {
        if self.buffer.is_empty() {
            return None;
        }
        let partial = self.since + partial_max;
        let look = (self.looked_at + pause).min(self.heard_at + pause);
        Some(if self.paused { partial } else { partial.min(look) })
    }

    /// The alarm rang, or something else happened at this time. `unchecked`: whether the check of a frame's station is not looked at.
    pub(super) fn rang(
        &mut self,
        now: Instant,
        pause: Duration,
        partial_max: Duration,
        limits: &Limits,
        unchecked: impl Fn(&Frame<'_>) -> bool,
    ) -> TimerMeaning {
        if now >= self.since + partial_max {
            // A modem's signs of life are no unfinished frame.
            return if self.is_noise(limits) { TimerMeaning::Noise } else { TimerMeaning::Partial };
        }
        let silent = now >= self.heard_at + pause;
        if !self.paused && (silent || now >= self.looked_at + pause) {
            self.paused = silent;
            self.settled = self.look(silent, limits, unchecked);
            (self.looked_at, self.seen) = (self.heard_at, self.buffer.len());
        }
        TimerMeaning::Looked
    }

    /// How many bytes are settled: all up to the last finished frame. Bad bytes and cut frames before it cannot go on any more, for
    /// another frame has come behind them. While bytes keep coming a frame is believed to be finished only if the next one begins right
    /// behind it, or if it has its line end and that is one pause old: a log on a slow link may quote a whole frame.
    fn look(&self, silent: bool, limits: &Limits, unchecked: impl Fn(&Frame<'_>) -> bool) -> usize {
        let (mut at, mut settled) = (0, 0);
        while let Some(rest) = self.buffer.get(at..).filter(|rest| !rest.is_empty()) {
            let step = scan(rest, Peer::Resting, limits);
            at += step.used.max(1);
            let Some(Item::Frame(frame)) = step.item else { continue };
            let behind = self.buffer.get(at..).unwrap_or_default();
            let finished = if silent {
                !behind.is_empty() || is_finished(&frame) || (frame.segment.ends_with(b"&&") && unchecked(&frame))
            } else {
                behind.starts_with(b"##") || (at <= self.seen && !frame.deviations.contains(Deviation::EndingMissing))
            };
            if finished {
                settled = at;
            }
        }
        settled
    }

    /// Whether no frame begins in what is here.
    fn is_noise(&self, limits: &Limits) -> bool {
        let mut rest: &[u8] = &self.buffer;
        while !rest.is_empty() {
            let step = scan(rest, Peer::Resting, limits);
            match step.item {
                None => {}
                Some(Item::Fault(fault)) if fault.reason == FaultReason::Noise => {}
                Some(Item::Frame(_) | Item::Fault(_)) => return false,
            }
            rest = rest.get(step.used.max(1)..).unwrap_or_default();
        }
        true
    }

    /// The first `used` bytes were taken.
    pub(super) fn used(&mut self, now: Instant, used: usize) {
        self.buffer.advance(used);
        self.settled = self.settled.saturating_sub(used);
        self.seen = self.seen.saturating_sub(used);
        if used > 0 {
            self.since = now;
            self.paused = false;
        }
    }

    /// Gives the memory back when nothing waits: most connections are idle most of the time.
    pub(super) fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

/// Whether a frame at the end of what came would be the same if more came, but for its line end: its check has all its digits, or an end
/// stands behind it.
fn is_finished(frame: &Frame<'_>) -> bool {
    let ended = !frame.deviations.contains(Deviation::EndingMissing);
    let odd = frame.deviations.contains(Deviation::CrcMissing) || frame.deviations.contains(Deviation::CrcForm);
    match frame.check.verdict {
        CrcVerdict::Right | CrcVerdict::Known(_) => true,
        CrcVerdict::Sealed => ended || !odd,
        CrcVerdict::Wrong => ended || (!odd && frame.has_four_digits()),
    }
}

#[cfg(test)]
mod tests;
