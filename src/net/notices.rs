//! What the downlink hears of the stations' listener, and how its bytes get onto a connection. Without a listener nothing of this
//! costs anything.
//!
//! What must stay true: a frame is sent only after it is on disk, and one that was refused for its damage as what it is: nothing that it
//! says is believed but the key that it was sealed with; telling never waits. At most [`HEARD_MAX`] frames are sent and not yet listened to; what is beyond is counted as `downlink_missed`, and the exchange it would have answered goes by its time-outs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use hj212::Edition;
use hj212_model::message::Timestamp;

/// Frames sent and not yet listened to, at most.
pub const HEARD_MAX: usize = 16_384;
/// Letters that wait in one outgoing, at most. One exchange at a time: more than one or two wait only for a peer that does not read.
pub const OUTGOING_MAX: usize = 8;

/// A frame for a station.
#[derive(Debug)]
pub struct OutgoingFrame {
    /// The station, as it is registered.
    pub mn: Box<str>,
    /// The whole frame.
    pub frame: Bytes,
}

/// Frames for one connection.
#[derive(Debug, Default)]
pub struct OutgoingFrames {
    frames: Mutex<Vec<OutgoingFrame>>,
    called: Notify,
}

impl OutgoingFrames {
    /// Puts a frame in; false if the peer has not taken the last [`OUTGOING_MAX`].
    pub fn post(&self, outgoing_frame: OutgoingFrame) -> bool {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() >= OUTGOING_MAX {
            return false;
        }
        frames.push(outgoing_frame);
        drop(frames);
        self.called.notify_one();
        true
    }

    /// What was put in, without waiting.
    #[cfg(test)]
    pub(crate) fn emptied(&self) -> Vec<OutgoingFrame> {
        std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was put in; waits while there is nothing. Dropping the future loses nothing.
    pub(super) async fn frames(&self) -> Vec<OutgoingFrame> {
        loop {
            let frames = std::mem::take(&mut *self.frames.lock().unwrap_or_else(PoisonError::into_inner));
            if !frames.is_empty() {
                return frames;
            }
            self.called.notified().await;
        }
    }
}

/// A frame as it was heard.
#[derive(Debug)]
pub struct Stored {
    /// When it was heard.
    pub at: Timestamp,
    /// The data segment.
    pub segment: Box<[u8]>,
    /// The check that the frame carries, if its area looks sealed (HJ 212-2025, 6.4).
    pub sealed: Option<u16>,
}

/// What happens to a station's connection.
#[derive(Debug)]
pub enum StationNotice {
    /// The station speaks here now.
    Came {
        /// MN as it is registered.
        mn: Box<str>,
        /// Its connection.
        connection: u64,
        /// The edition it shows or is registered with.
        edition: Edition,
        /// Where bytes for it go.
        outgoing: Arc<OutgoingFrames>,
        /// The frame that brought it: it is to be looked at before anything is sent to the station.
        frame: Stored,
    },
    /// A frame of the station is on disk.
    Heard {
        /// MN as it is registered.
        mn: Box<str>,
        /// The frame.
        frame: Stored,
    },
    /// A frame of the station that was sealed and damaged, and refused: it may tell which key the station uses.
    Damaged {
        /// MN as it is registered.
        mn: Box<str>,
        /// The frame.
        frame: Stored,
    },
    /// The connection has ended.
    Left {
        /// MN as it is registered.
        mn: Box<str>,
        /// The connection.
        connection: u64,
    },
}

/// The end of the connections.
#[derive(Debug)]
pub struct NoticeSender {
    notices: mpsc::UnboundedSender<StationNotice>,
    heard: Arc<AtomicUsize>,
}

/// The listener's end.
#[derive(Debug)]
pub struct NoticeReceiver {
    notices: mpsc::UnboundedReceiver<StationNotice>,
    heard: Arc<AtomicUsize>,
}

/// Both ends. Comings and goings are bounded by the connections there can be, frames by [`HEARD_MAX`].
#[must_use]
pub fn notice_channel() -> (NoticeSender, NoticeReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let heard = Arc::new(AtomicUsize::new(0));
    (NoticeSender { notices: sender, heard: Arc::clone(&heard) }, NoticeReceiver { notices: receiver, heard })
}

/// Whether it counts for [`HEARD_MAX`].
const fn is_bounded(notices: &StationNotice) -> bool {
    matches!(notices, StationNotice::Heard { .. } | StationNotice::Damaged { .. })
}

impl NoticeSender {
    /// Tells; false if a frame could not be sent for want of room.
    pub(super) fn tell(&self, notices: StationNotice) -> bool {
        if is_bounded(&notices) && self.heard.fetch_add(1, Ordering::Relaxed) >= HEARD_MAX {
            self.heard.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        // A listener that is gone is no longer interested.
        let _ = self.notices.send(notices);
        true
    }
}

impl NoticeReceiver {
    /// The next notices; `None` when the connections are gone.
    pub async fn next(&mut self) -> Option<StationNotice> {
        let notices = self.notices.recv().await;
        if notices.as_ref().is_some_and(is_bounded) {
            self.heard.fetch_sub(1, Ordering::Relaxed);
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_that_nobody_listens_to_are_bounded_and_comings_are_not_lost() {
        let (sender, mut listener) = notice_channel();
        let frame = || Stored { at: Timestamp(0), segment: Box::default(), sealed: None };
        let heard = || StationNotice::Heard { mn: "A".into(), frame: frame() };
        let sent = (0..HEARD_MAX + 5).filter(|_| sender.tell(heard())).count();
        assert_eq!(sent, HEARD_MAX);
        assert!(sender.tell(StationNotice::Left { mn: "A".into(), connection: 1 }));
        listener.next().await.unwrap();
        assert!(sender.tell(heard()) && !sender.tell(heard()));
    }

    #[tokio::test]
    async fn outgoing_frames_are_bounded_and_given_in_order() {
        let outgoing_frame = |bytes: &[u8]| OutgoingFrame { mn: "A".into(), frame: Bytes::copy_from_slice(bytes) };
        let outgoing = OutgoingFrames::default();
        let posted = (0..OUTGOING_MAX as u8 + 2).filter(|n| outgoing.post(outgoing_frame(&[*n]))).count();
        assert_eq!(posted, OUTGOING_MAX);
        let frames = outgoing.frames().await;
        assert!(frames.iter().map(|l| usize::from(l.frame[0])).eq(0..OUTGOING_MAX));
        assert!(outgoing.post(outgoing_frame(&[])));
    }
}
