//! The records of a past time, one after the other: never stored, for each follows from the seed and its time.

use super::clock::period_start;
use super::fleet::Profile;
use super::subject::Subject;
use super::upload::{Kind, Upload, shown};
use hj212_model::message::Timestamp;

/// What is asked of a station's history, and how far it has been told.
#[derive(Debug, Clone)]
pub(crate) struct History {
    kind: Kind,
    minutes: u8,
    /// The start of the next period.
    next: Timestamp,
    /// BeginTime and EndTime, by the station's clock.
    begin: Timestamp,
    end: Timestamp,
    /// The simulated clock when it was asked: what was complete then is told.
    now: Timestamp,
    /// Told once and not answered.
    again: Option<Upload>,
}

impl History {
    /// The records of `kind` that begin from `begin` to `end` by the clock of `station`, complete at `now` and not older than
    /// `reach` microseconds.
    pub(crate) fn new(
        station: &Profile,
        kind: Kind,
        minutes: u8,
        [begin, end]: [Timestamp; 2],
        now: Timestamp,
        reach: i64,
    ) -> Self {
        let length = kind.period(minutes).max(1);
        // One earlier: the station's periods may begin up to half of one before ours.
        let earliest = Timestamp((begin.0 - station.clock_off - length).max(now.0 - reach));
        let aligned = period_start(earliest, length);
        let next = if aligned.0 < now.0 - reach { Timestamp(aligned.0 + length) } else { aligned };
        History { kind, minutes, next, begin, end, now, again: None }
    }

    /// The next record, if one is left.
    pub(crate) fn take(&mut self, station: &Profile) -> Option<Upload> {
        if let Some(upload) = self.again.take() {
            return Some(upload);
        }
        let length = self.kind.period(self.minutes);
        if length == 0 || !is_kept(station, self.kind) {
            return None;
        }
        while self.next.0 + length <= self.now.0 {
            let time = self.next;
            let shown = shown(station, self.kind, time, self.minutes);
            if shown > self.end {
                return None;
            }
            self.next = Timestamp(time.0 + length);
            if shown >= self.begin {
                return Some(Upload { minutes: self.minutes, ..Upload::new(self.kind, time) });
            }
        }
        None
    }

    /// Whether nothing is left.
    pub(crate) fn is_told(&self, station: &Profile) -> bool {
        self.clone().take(station).is_none()
    }

    /// Takes back what was told and not answered.
    pub(crate) fn put_back(&mut self, upload: Upload) {
        self.again = Some(upload);
    }
}

/// Whether a station of this subject has such records.
fn is_kept(station: &Profile, kind: Kind) -> bool {
    match kind {
        Kind::Realtime => station.subject == Subject::Power,
        Kind::Minute | Kind::Hour | Kind::Day | Kind::Entry | Kind::Runtime | Kind::Raw | Kind::Check => {
            station.subject.has_periods()
        }
        Kind::State | Kind::Boot | Kind::Heartbeat | Kind::Log | Kind::Register | Kind::AskTime | Kind::AskKey => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::{DAY, HOUR, MINUTE, SECOND};
    use super::super::fleet::profile;
    use super::super::options::Options;
    use super::super::upload::data_time;
    use super::*;
    use hj212::Edition;

    /// 2026-11-23T00:00:00+08:00.
    const MIDNIGHT: i64 = 1_795_363_200_000_000;

    fn told(clock_off: i64, kind: Kind, span: [i64; 2], now: i64, reach: i64) -> Vec<String> {
        let options = Options { edition: vec![Edition::V2017], mix: vec![Subject::Water], ..Options::default() };
        let mut station = profile(&options, 1);
        station.clock_off = clock_off;
        let span = span.map(|at| Timestamp(MIDNIGHT + at));
        let mut history = History::new(&station, kind, 10, span, Timestamp(MIDNIGHT + now), reach);
        std::iter::from_fn(|| history.take(&station)).map(|upload| data_time(&station, &upload)).collect()
    }

    #[test]
    fn both_bounds_belong_to_what_is_asked() {
        let minutes = told(0, Kind::Minute, [8 * HOUR, 8 * HOUR + 20 * MINUTE], DAY, 7 * DAY);
        assert_eq!(minutes, ["20261123080000", "20261123081000", "20261123082000"]);
        assert_eq!(told(0, Kind::Hour, [8 * HOUR, 8 * HOUR], DAY, DAY), ["20261123080000"]);
        assert_eq!(told(0, Kind::Day, [-DAY, 0], HOUR, 7 * DAY), ["20261122000000"], "today is not complete");
    }

    #[test]
    fn nothing_is_told_that_is_too_old_or_to_come() {
        assert_eq!(told(0, Kind::Hour, [0, 30 * DAY], 2 * HOUR + MINUTE, 7 * DAY).len(), 2);
        assert_eq!(told(0, Kind::Hour, [-30 * DAY, 0], HOUR, 2 * HOUR), ["20261122230000", "20261123000000"]);
        assert_eq!(told(0, Kind::State, [0, DAY], DAY, DAY), [""; 0]);
        assert_eq!(told(0, Kind::Hour, [HOUR, 0], DAY, DAY), [""; 0], "from later to earlier");
    }

    #[test]
    fn a_wrong_clock_asks_by_its_own_time() {
        let ahead = 37 * SECOND;
        assert_eq!(told(ahead, Kind::Minute, [8 * HOUR, 8 * HOUR], DAY, DAY), ["20261123080000"]);
        let behind = -8 * HOUR;
        assert_eq!(told(behind, Kind::Hour, [8 * HOUR, 9 * HOUR], DAY, DAY), ["20261123080000", "20261123090000"]);
        assert_eq!(told(47 * MINUTE, Kind::Minute, [0, 10 * MINUTE], 20 * HOUR, DAY).len(), 2);
    }

    #[test]
    fn what_was_not_answered_is_told_again() {
        let station = profile(&Options { mix: vec![Subject::Water], ..Options::default() }, 1);
        let span = [Timestamp(MIDNIGHT), Timestamp(MIDNIGHT + HOUR)];
        let mut history = History::new(&station, Kind::Hour, 10, span, Timestamp(MIDNIGHT + DAY), DAY);
        let first = history.take(&station).unwrap();
        history.put_back(first);
        assert_eq!(history.take(&station), Some(first));
        assert!(!history.is_told(&station));
        history.take(&station).unwrap();
        assert!(history.is_told(&station));
    }
}
