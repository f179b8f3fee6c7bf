//! Runs of values above a limit, as a code's slot remembers them.

use super::emission::Above;
use super::expr::{DAY, SECOND};
use super::state::{RUNS_MAX, Slot};
use super::verdict::Reading;

/// Values above a limit that are further apart are two runs.
const RUN_GAP_MAX: i64 = 3600 * SECOND;

impl Slot {
    /// Compares a value of `rank` with the limits of its code; `finest`: it is of the finest kind, in whatever order it comes.
    pub(super) fn exceed(&mut self, reading: &Reading<'_>, rank: u8, now: i64, finest: bool) {
        let gap = RUN_GAP_MAX.max(if rank == 3 { DAY } else { 0 });
        for number in 0..self.limits.len() {
            let Some(limit) = self.limits.get(number) else { continue };
            let meant = limit.rank.map_or(finest, |of| of == rank);
            let Some(text) = limit.exceeded(reading).filter(|_| meant && limit.dates.hold(now)) else { continue };
            let (limit, name) = (limit.text.clone(), limit.name.clone());
            self.lengthen(Above { first: now, last: now, value: text.to_owned(), limit, name }, gap);
        }
    }

    /// Adds a value above a limit to the run that it belongs to; of two runs that it joins one is made.
    fn lengthen(&mut self, mut run: Above, gap: i64) {
        let near = |one: &Above, other: &Above| {
            one.limit == other.limit
                && one.name == other.name
                && one.first - other.last <= gap
                && other.first - one.last <= gap
        };
        while let Some(at) = self.above.iter().rposition(|known| near(known, &run)) {
            let known = self.above.remove(at);
            if known.last >= run.last {
                run.value = known.value;
            }
            (run.first, run.last) = (run.first.min(known.first), run.last.max(known.last));
        }
        let at = self.above.partition_point(|known| (known.first, known.last) <= (run.first, run.last));
        if self.above.len() < RUNS_MAX {
            self.above.insert(at, run);
        } else if at > 0 {
            self.above.insert(at, run);
            self.above.remove(0);
        }
    }
}
