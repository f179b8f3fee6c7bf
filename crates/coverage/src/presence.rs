//! Who was there when a record was due: the station, and the gateway itself.
//!
//! What must stay true:
//! * time in which the gateway took nothing is never the station's: a record that was due in it, or was on its way when it began, is
//!   missing because of the gateway, wherever the station was;
//! * a station that the gateway left is given [`RETURN_MAX`] to come back, and so again after every further outage within that time;
//! * before a station was first there it was away: records that a slow clock makes due in that time were not withheld;
//! * both memories are bounded ([`OUTAGES_MAX`], [`ABSENCES_MAX`]); what is beyond is joined with its neighbour, never forgotten. Joining
//!   outages errs in the station's favour.

use serde::{Deserialize, Serialize};

use super::Cause;
use super::local::{self, DAY, Local};
use hj212_model::message::Timestamp;

/// Days that are looked back over; what is missing longer is given up.
pub const DAYS_MAX: u32 = 35;
/// Outages of the gateway that are kept apart, within the days that are looked back over.
pub const OUTAGES_MAX: usize = 512;
/// Absences of a station that are kept apart.
pub const ABSENCES_MAX: usize = 16;
/// How long a station may take to come back to a gateway that was away, seconds. Loggers notice a lost connection at their next report and
/// try again after a pause of minutes.
pub const RETURN_MAX: u32 = 600;
/// A record is on its way for so long, if the station is not slower as a rule.
const ON_THE_WAY: u32 = 120;
/// Stations whose connection ended so shortly before the gateway stopped were sent away by it.
const STOPPING_MAX: u32 = 10;
const _: () = assert!(STOPPING_MAX < ON_THE_WAY && ON_THE_WAY < RETURN_MAX);

/// When the gateway took nothing: rising, apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outages(Vec<(Local, Local)>);

impl Outages {
    /// The gateway took nothing from `from` to `to`.
    pub fn note(&mut self, from: Timestamp, to: Timestamp) {
        // Whole seconds, rather longer than shorter.
        let (Some(mut from), Some(to)) = (local::of(from), local::of(to).map(|to| to.saturating_add(1))) else {
            return;
        };
        self.0.retain(|(_, end)| end.saturating_add((DAYS_MAX + 10) * DAY) >= to);
        while let Some((begin, _)) = self.0.pop_if(|(_, end)| *end >= from) {
            from = from.min(begin);
        }
        self.0.push((from, to));
        if self.0.len() > OUTAGES_MAX {
            let pause = |at: &usize| Some(self.0.get(at + 1)?.0 - self.0.get(*at)?.1);
            let shortest = (0..self.0.len() - 1).min_by_key(|at| pause(at).unwrap_or(Local::MAX)).unwrap_or(0);
            let (_, end) = self.0.remove(shortest + 1);
            self.0.get_mut(shortest).into_iter().for_each(|(_, until)| *until = end);
        }
    }

    /// It is `now`: what was noted of later times was a clock that was wrong.
    pub fn unsay_after(&mut self, now: Timestamp) {
        let Some(now) = local::of(now) else { return };
        self.0.retain(|(from, _)| *from <= now);
        self.0.last_mut().into_iter().for_each(|(_, to)| *to = (*to).min(now.saturating_add(1)));
    }

    /// Those within `from..to`, oldest first.
    pub fn within(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let (from, to) = (local::of(from).unwrap_or(0), local::of(to).unwrap_or(0));
        let own = self.0.iter().filter(move |(begin, end)| *begin < to && from < *end);
        own.map(|(begin, end)| (local::timestamp(*begin), local::timestamp(*end)))
    }

    /// The first that ends after `at`.
    fn next(&self, at: Local) -> Option<(Local, Local)> {
        self.0.get(self.0.partition_point(|(_, end)| *end <= at)).copied()
    }

    /// Whether one lies in, or reaches into, `from..to`.
    pub(super) fn touches(&self, from: Local, to: Local) -> bool {
        self.next(from).is_some_and(|(begin, _)| begin < to)
    }
}

/// A time in which a station was not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Absence {
    from: Local,
    /// When it came back; [`Local::MAX`]: it has not.
    to: Local,
    /// Before this, it is the gateway's doing.
    pardoned: Local,
}

/// When the station was there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Presence {
    pub(super) online: bool,
    /// Since when it is there, or is not.
    pub(super) since: Local,
    /// Rising, apart; the last one may be open.
    absences: Vec<Absence>,
}

impl Presence {
    pub(super) fn come(&mut self, at: Local) {
        if !self.online {
            // Before it was first there, it was not: whatever its clock says of its first records.
            if self.since == 0 && self.absences.is_empty() {
                self.absences.push(Absence { from: 0, to: Local::MAX, pardoned: 0 });
            }
            (self.online, self.since) = (true, at);
            if let Some(last) = self.absences.last_mut().filter(|last| last.to == Local::MAX) {
                last.to = at.max(last.from);
            }
        }
    }

    pub(super) fn go(&mut self, at: Local) {
        if !self.online {
            return;
        }
        (self.online, self.since) = (false, at.max(1));
        self.absences.push(Absence { from: at, to: Local::MAX, pardoned: 0 });
        if self.absences.len() > ABSENCES_MAX {
            let first = self.absences.remove(0);
            // What was before it was first there is not joined with what came after that.
            if let Some(second) = self.absences.first_mut().filter(|_| first.from > 0) {
                second.from = first.from;
            }
        }
    }

    /// Nothing remembered lies beyond `furthest`: it is brought back to `now`.
    pub(super) fn bring_back(&mut self, now: Local, furthest: Local) {
        let back = |time: &mut Local| *time = if *time > furthest { now } else { *time };
        back(&mut self.since);
        for absence in &mut self.absences {
            back(&mut absence.from);
            if absence.to != Local::MAX {
                back(&mut absence.to);
            }
            absence.pardoned = absence.pardoned.min(now.saturating_add(RETURN_MAX));
        }
    }

    /// The gateway took nobody from `from` to `to`; nobody is connected.
    pub(super) fn restarted(&mut self, from: Local, to: Local) {
        self.go(from);
        if let Some(last) = self.absences.last_mut().filter(|last| last.to == Local::MAX)
            && from <= last.from.saturating_add(STOPPING_MAX).max(last.pardoned)
        {
            last.pardoned = to.saturating_add(RETURN_MAX);
        }
    }

    /// Whether nothing can be said of the records between `from` and `to`: one of both was away.
    pub(super) fn interrupted(&self, outages: &Outages, from: Local, to: Local) -> bool {
        outages.touches(from, to) || self.absences.iter().any(|absence| absence.from < to && from < absence.to)
    }

    /// Why a record that was due at `due` is not there, if records come up to `lag` later; and until when, exclusively, a record that was
    /// due would be missing for the same reason. What first stood in its way counts.
    pub(super) fn cause(&self, outages: &Outages, due: Local, lag: u32) -> (Cause, Local) {
        let lag = lag.max(ON_THE_WAY);
        let outage = outages.next(due);
        if let Some((from, to)) = outage
            && from <= due
        {
            return (Cause::GatewayDown, to);
        }
        let outage = outage.map_or(Local::MAX, |(from, _)| from);
        let absence = self.absences.iter().find(|absence| absence.to > due);
        if let Some(absence) = absence.filter(|absence| absence.from <= due) {
            return if due < absence.pardoned {
                (Cause::GatewayDown, absence.pardoned.min(absence.to).min(outage))
            } else {
                (Cause::Offline, absence.to.min(outage))
            };
        }
        let away = absence.map_or(Local::MAX, |absence| absence.from);
        let first = outage.min(away);
        if first > due.saturating_add(lag) {
            // The first that is on its way then.
            return (Cause::NotSent, first.saturating_sub(lag).max(due.saturating_add(1)));
        }
        let pardoned = absence.is_some_and(|absence| absence.from < absence.pardoned);
        (if outage <= away || pardoned { Cause::GatewayDown } else { Cause::Offline }, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(local: Local) -> Timestamp {
        local::timestamp(local)
    }

    /// Outages of whole seconds, as the tests write them.
    fn outages(spans: &[(Local, Local)]) -> Outages {
        let mut outages = Outages::default();
        spans.iter().for_each(|(from, to)| outages.note(at(*from), at(*to - 1)));
        outages
    }

    #[test]
    fn outages_are_joined_where_they_touch_and_unsaid_when_the_clock_was_wrong() {
        let mut outages = outages(&[(1000, 1100), (1100, 1200), (2000, 2100), (1900, 2050)]);
        assert_eq!(outages.0, [(1000, 1200), (1900, 2050)]);
        assert!(outages.touches(1199, 1200) && !outages.touches(1200, 1900) && outages.touches(0, Local::MAX));
        outages.unsay_after(at(1950));
        assert_eq!(outages.0, [(1000, 1200), (1900, 1951)]);
        outages.unsay_after(at(1500));
        assert_eq!(outages.0, [(1000, 1200)]);
        assert_eq!(outages.within(at(0), at(1001)).count(), 1);
    }

    #[test]
    fn a_crash_loop_is_bounded_and_never_shortens_what_was_noted() {
        let mut outages = Outages::default();
        for crash in 0..5000 {
            outages.note(at(100_000 + crash * 600), at(100_000 + crash * 600 + 60));
        }
        assert_eq!(outages.0.len(), OUTAGES_MAX);
        assert!(outages.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!((0..5000).all(|crash| outages.touches(100_000 + crash * 600, 100_000 + crash * 600 + 60)));
        outages.note(at(100 * DAY), at(101 * DAY));
        assert_eq!(outages.0.len(), 1, "the oldest are too old");
    }

    #[test]
    fn what_first_stood_in_the_way_of_a_record_is_the_cause() {
        let outages = outages(&[(50_000, 51_000)]);
        let mut presence = Presence::default();
        presence.come(1000);
        presence.go(10_000);
        presence.come(20_000);
        let cause = |due| presence.cause(&outages, due, 0);
        assert_eq!(cause(5000), (Cause::NotSent, 9880));
        assert_eq!(cause(9880), (Cause::Offline, 10_000), "it was on its way");
        assert_eq!(cause(10_000), (Cause::Offline, 20_000));
        assert_eq!(cause(20_000), (Cause::NotSent, 49_880));
        assert_eq!(cause(49_900), (Cause::GatewayDown, 50_000));
        assert_eq!(cause(50_500), (Cause::GatewayDown, 51_000));
        assert_eq!(cause(51_000), (Cause::NotSent, Local::MAX - ON_THE_WAY));
        assert_eq!(presence.cause(&outages, 5000, 5000).0, Cause::Offline, "it is slow as a rule");
    }

    #[test]
    fn a_station_is_given_time_to_come_back_to_a_gateway_that_left_it() {
        let spans = [(50_000, 51_000), (51_300, 52_000)];
        let outages = outages(&spans);
        let mut presence = Presence::default();
        presence.come(1000);
        spans.iter().for_each(|(from, to)| presence.restarted(*from, *to));
        let cause = |presence: &Presence, due| presence.cause(&outages, due, 0);
        assert_eq!(cause(&presence, 51_100), (Cause::GatewayDown, 51_300), "a crash loop");
        assert_eq!(cause(&presence, 52_000), (Cause::GatewayDown, 52_600));
        assert_eq!(cause(&presence, 52_600), (Cause::Offline, Local::MAX), "it did not come back");
        presence.come(52_100);
        assert_eq!(cause(&presence, 52_099), (Cause::GatewayDown, 52_100));
        assert_eq!(cause(&presence, 52_100).0, Cause::NotSent);
        // One that was away before has no such time, and is not blamed for the outage either.
        let mut away = Presence::default();
        away.come(1000);
        away.go(40_000);
        spans.iter().for_each(|(from, to)| away.restarted(*from, *to));
        assert_eq!(cause(&away, 49_999), (Cause::Offline, 50_000));
        assert_eq!(cause(&away, 50_000), (Cause::GatewayDown, 51_000));
        assert_eq!(cause(&away, 51_000), (Cause::Offline, 51_300));
        // The connections that a stop ends, shortly before the gateway says that it stops.
        let mut sent_away = Presence::default();
        sent_away.come(1000);
        sent_away.go(49_998);
        spans.iter().for_each(|(from, to)| sent_away.restarted(*from, *to));
        assert_eq!(cause(&sent_away, 49_990), (Cause::GatewayDown, 49_998));
        assert_eq!(cause(&sent_away, 49_999), (Cause::GatewayDown, 50_000));
    }

    #[test]
    fn a_link_that_flaps_is_bounded() {
        let mut presence = Presence::default();
        for flap in 1..1000 {
            presence.come(flap * 100);
            presence.go(flap * 100 + 50);
        }
        assert_eq!(presence.absences.len(), ABSENCES_MAX);
        assert_eq!(presence.cause(&Outages::default(), 150, 0).0, Cause::Offline);
        assert!(presence.interrupted(&Outages::default(), 99_955, 99_999));
    }
}
