//! Who is where: on which connection each station speaks. The newest connection wins.

use std::collections::HashMap;
use std::time::Duration;

use crate::message::{Peering, Timestamp};

/// So many moves within [`ALTERNATION_WINDOW`] are no redialling any more: two sources use one MN.
pub const ALTERNATIONS: u32 = 3;
/// See [`ALTERNATIONS`].
pub const ALTERNATION_WINDOW: Duration = Duration::from_secs(600);

/// What a frame of a station means for its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It speaks where it spoke before.
    Stayed,
    /// It was nowhere.
    Came,
    /// It was elsewhere.
    Moved {
        /// Where it was.
        was: Peering,
        /// Whether it has gone to and fro so often that two sources must be suspected; said once a window.
        suspect: bool,
    },
}

#[derive(Debug)]
struct StationPlace {
    on: Peering,
    moves: u32,
    window: Timestamp,
    suspected: bool,
}

/// The places of all stations that are connected. Bounded by the registry: only accepted frames are noted.
#[derive(Debug, Default)]
pub struct Directory {
    places: HashMap<Box<str>, StationPlace, foldhash::fast::RandomState>,
}

impl Directory {
    /// `mn` was heard on `on`.
    pub fn heard(&mut self, mn: &str, on: Peering, now: Timestamp) -> Move {
        let Some(place) = self.places.get_mut(mn) else {
            self.places.insert(mn.into(), StationPlace { on, moves: 0, window: now, suspected: false });
            return Move::Came;
        };
        if place.on.connection == on.connection {
            return Move::Stayed;
        }
        let age = now.0.saturating_sub(place.window.0);
        if !(0..=i64::try_from(ALTERNATION_WINDOW.as_micros()).unwrap_or(i64::MAX)).contains(&age) {
            (place.moves, place.window, place.suspected) = (0, now, false);
        }
        place.moves += 1;
        let suspect = place.moves >= ALTERNATIONS && !place.suspected;
        place.suspected |= suspect;
        let was = std::mem::replace(&mut place.on, on);
        Move::Moved { was, suspect }
    }

    /// The connection has ended; whether `mn` was still on it and is now nowhere.
    pub fn left(&mut self, mn: &str, connection: u64) -> bool {
        let there = self.places.get(mn).is_some_and(|place| place.on.connection == connection);
        if there {
            self.places.remove(mn);
        }
        there
    }

    /// Where `mn` is.
    #[must_use]
    pub fn find(&self, mn: &str) -> Option<Peering> {
        self.places.get(mn).map(|place| place.on)
    }

    /// How many stations are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
