//! How far apart a station's reports come: what a silence is measured by.
//!
//! What must stay true: a station is silent by the same interval by which its records are missing: what the ledger of missing records knows
//! (registered, set by command, learned) holds here too. Until it knows one, and where its learned one is shorter than what was seen of late, the
//! distances of the last reports hold, so that nobody is called silent by a guess. The evidence names the interval and where it comes from.

use super::expr::SECOND;
use super::paces::{PaceOf, Paces};
use super::state::*;
use super::tally::Steps;

/// A kind of data that is silent for so long is no longer the finest that the station sends.
const PACE_KEPT: i64 = 86_400 * SECOND;

impl Marks {
    /// Takes what the ledger of missing records knows of the station's intervals.
    pub fn set_paces(&mut self, paces: Paces) {
        self.paces = paces;
    }

    /// How far apart the station's reports come, µs, and where that is from; `None`: nothing is known.
    pub(super) fn paced_by(&self) -> Option<(i64, PaceOf)> {
        let finest = self.finest.min(3);
        let kind = [0, 0, 3600 * SECOND, 86_400 * SECOND].get(usize::from(finest)).copied().unwrap_or(0);
        let seen = self.pace.step().unwrap_or(0);
        let known = self.paces.get(usize::from(finest)).copied().flatten();
        let known = known.map(|(seconds, of)| (i64::from(seconds) * SECOND, of)).filter(|_| self.paced != 0);
        match known {
            Some((interval, PaceOf::Learned | PaceOf::Fixed)) if seen > interval => {
                Some((seen.max(kind), PaceOf::Seen))
            }
            Some((interval, of)) => Some((interval.max(kind), of)),
            None if kind > 0 => Some((seen.max(kind), PaceOf::Fixed)),
            None => (seen > 0).then_some((seen, PaceOf::Seen)),
        }
    }

    /// How far apart the station's reports come, µs.
    pub(super) fn pace(&self) -> i64 {
        self.paced_by().map_or(0, |(interval, _)| interval)
    }

    /// Learns how far apart reports come.
    pub(super) fn note_pace(&mut self, rank: u8, data: i64) {
        let finer = rank < self.finest || self.paced == 0;
        if finer || (rank > self.finest && data - self.paced > PACE_KEPT) {
            (self.finest, self.pace) = (rank, Steps::default());
        }
        if rank == self.finest && data > self.paced {
            self.paced = data;
            self.pace.note(data);
        }
    }
}
