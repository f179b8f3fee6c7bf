//! Runs of values above a limit, as a code's slot remembers them.

use super::emission::Above;
use super::expr::{DAY, SECOND};
use super::state::{RUNS_MAX, Slot};
use super::verdict::Reading;

/// Values above a limit that are further apart are two runs.
const RUN_GAP_MAX: i64 = 3600 * SECOND;

impl Slot {
    /// Compares a value of `rank` with the limits of its code; `drives`: it is of the finest kind and the latest.
    pub(super) fn exceed(&mut self, reading: &Reading<'_>, rank: u8, now: i64, drives: bool) {
        for limit in &self.limits {
            let meant = limit.rank.map_or(drives, |of| of == rank);
            let Some(text) = limit.exceeded(reading).filter(|_| meant && limit.dates.hold(now)) else { continue };
            let same = |run: &&mut Above| run.limit == limit.text && run.name == limit.name;
            let gap = RUN_GAP_MAX.max(if rank == 3 { DAY } else { 0 });
            match self.above.iter_mut().rev().find(same).filter(|run| now - run.last <= gap) {
                // Said again, or late: the run is as long as it was.
                Some(run) if now <= run.last => {}
                Some(run) => {
                    run.last = now;
                    text.clone_into(&mut run.value);
                }
                None => {
                    if self.above.len() >= RUNS_MAX {
                        self.above.remove(0);
                    }
                    let (limit, name) = (limit.text.clone(), limit.name.clone());
                    self.above.push(Above { first: now, last: now, value: text.to_owned(), limit, name });
                }
            }
        }
    }
}
