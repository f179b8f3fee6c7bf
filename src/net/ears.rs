//! What the road down hears of the stations' door, and how its bytes get onto a connection. Without a listener nothing of this
//! costs anything.
//!
//! What must stay true: a frame is told only after it is on disk, and one that was refused for its damage as what it is: nothing that it
//! says is believed but the key that it was sealed with; telling never waits. At most [`HEARD_MAX`] frames are told and not yet listened to; what is beyond is counted as `downlink_missed`, and the exchange it would have answered goes by its time-outs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use hj212::Edition;
use hj212_model::message::Timestamp;

/// Frames told and not yet listened to, at most.
pub const HEARD_MAX: usize = 16_384;
/// Letters that wait in one mailbox, at most. One exchange at a time: more than one or two wait only for a peer that does not read.
pub const LETTERS_MAX: usize = 8;

/// A frame for a station.
#[derive(Debug)]
pub struct Letter {
    /// The station, as it is registered.
    pub mn: Box<str>,
    /// The whole frame.
    pub frame: Bytes,
}

/// Frames for one connection.
#[derive(Debug, Default)]
pub struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    called: Notify,
}

impl Mailbox {
    /// Puts a frame in; false if the peer has not taken the last [`LETTERS_MAX`].
    pub fn post(&self, letter: Letter) -> bool {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= LETTERS_MAX {
            return false;
        }
        letters.push(letter);
        drop(letters);
        self.called.notify_one();
        true
    }

    /// What was put in, without waiting.
    #[cfg(test)]
    pub(crate) fn emptied(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was put in; waits while there is nothing. Dropping the future loses nothing.
    pub(super) async fn letters(&self) -> Vec<Letter> {
        loop {
            let letters = std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner));
            if !letters.is_empty() {
                return letters;
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
pub enum News {
    /// The station speaks here now.
    Came {
        /// MN as it is registered.
        mn: Box<str>,
        /// Its connection.
        connection: u64,
        /// The edition it shows or is registered with.
        edition: Edition,
        /// Where bytes for it go.
        mailbox: Arc<Mailbox>,
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

/// The door's end.
#[derive(Debug)]
pub struct Ears {
    news: mpsc::UnboundedSender<News>,
    heard: Arc<AtomicUsize>,
}

/// The listener's end.
#[derive(Debug)]
pub struct Listener {
    news: mpsc::UnboundedReceiver<News>,
    heard: Arc<AtomicUsize>,
}

/// Both ends. Comings and goings are bounded by the connections there can be, frames by [`HEARD_MAX`].
#[must_use]
pub fn ears() -> (Ears, Listener) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let heard = Arc::new(AtomicUsize::new(0));
    (Ears { news: sender, heard: Arc::clone(&heard) }, Listener { news: receiver, heard })
}

/// Whether it counts for [`HEARD_MAX`].
const fn is_bounded(news: &News) -> bool {
    matches!(news, News::Heard { .. } | News::Damaged { .. })
}

impl Ears {
    /// Tells; false if a frame could not be told for want of room.
    pub(super) fn tell(&self, news: News) -> bool {
        if is_bounded(&news) && self.heard.fetch_add(1, Ordering::Relaxed) >= HEARD_MAX {
            self.heard.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        // A listener that is gone is no longer interested.
        let _ = self.news.send(news);
        true
    }
}

impl Listener {
    /// The next news; `None` when the door is gone.
    pub async fn next(&mut self) -> Option<News> {
        let news = self.news.recv().await;
        if news.as_ref().is_some_and(is_bounded) {
            self.heard.fetch_sub(1, Ordering::Relaxed);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_that_nobody_listens_to_are_bounded_and_comings_are_not_lost() {
        let (ears, mut listener) = ears();
        let frame = || Stored { at: Timestamp(0), segment: Box::default(), sealed: None };
        let heard = || News::Heard { mn: "A".into(), frame: frame() };
        let told = (0..HEARD_MAX + 5).filter(|_| ears.tell(heard())).count();
        assert_eq!(told, HEARD_MAX);
        assert!(ears.tell(News::Left { mn: "A".into(), connection: 1 }));
        listener.next().await.unwrap();
        assert!(ears.tell(heard()) && !ears.tell(heard()));
    }

    #[tokio::test]
    async fn a_mailbox_is_bounded_and_gives_all_in_order() {
        let letter = |bytes: &[u8]| Letter { mn: "A".into(), frame: Bytes::copy_from_slice(bytes) };
        let mailbox = Mailbox::default();
        let posted = (0..LETTERS_MAX as u8 + 2).filter(|n| mailbox.post(letter(&[*n]))).count();
        assert_eq!(posted, LETTERS_MAX);
        let letters = mailbox.letters().await;
        assert!(letters.iter().map(|l| usize::from(l.frame[0])).eq(0..LETTERS_MAX));
        assert!(mailbox.post(letter(&[])));
    }
}
