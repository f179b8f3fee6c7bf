//! A recorded day: everything one station says in 24 hours, the same for ever. For fixtures and for replay tests.

use std::sync::Arc;
use std::time::Duration;

use super::agenda::Habits;
use super::clock::Clock;
use super::faults::Faults;
use super::fleet::profile;
use super::options::Options;
use super::station::{Next, Rules, Station};
use super::subject::Subject;
use hj212::{Edition, Fields, Header};
use hj212_model::message::Timestamp;

/// 2026-03-02T00:00:00+08:00, a Monday.
const MIDNIGHT: Timestamp = Timestamp(1_772_380_800_000_000);

/// Realtime records are rarer than in life, to keep the day small.
const INTERVAL: Duration = Duration::from_secs(600);

/// 2025 stations beat half-way between.
const HEARTBEAT: Duration = Duration::from_secs(300);

/// The day, and the records that are made when it ends.
const LENGTH: Duration = Duration::from_secs(86_400 + 1);

/// How long each answer takes.
const ANSWER_TIME: Duration = Duration::from_millis(40);

/// The day of a flue-gas station of edition 2017: [`recorded_day_of`].
#[must_use]
pub fn recorded_day(seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    recorded_day_of(Subject::Air, Edition::V2017, seed)
}

/// Everything that a station monitoring `subject` under `edition` sends on 2026-03-02 (Beijing time): when, and the data
/// segment. Realtime records every ten minutes with the state now and then, minute records every ten minutes, hour records,
/// the day record, and boot or heartbeat where the edition has them. Every packet is answered at once. The same arguments give
/// the same bytes on every machine.
#[must_use]
pub fn recorded_day_of(subject: Subject, edition: Edition, seed: u64) -> Vec<(Timestamp, Vec<u8>)> {
    let options = Options { mix: vec![subject], edition: vec![edition], seed, ..Options::default() };
    let clock = Clock::new(MIDNIGHT, 1.0, LENGTH);
    let habits = Habits { clock, interval: INTERVAL, minutes: 10, heartbeat: HEARTBEAT, until: LENGTH, aligned: true };
    let rules = Rules {
        habits,
        faults: Faults::default(),
        answer_timeout: options.answer_timeout,
        resends: 0,
        keep: options.keep,
        pace: options.pace,
        history: options.behaviour.history,
        history_pace: options.behaviour.history_pace,
        keeps_history: false,
        late: options.behaviour.late,
    };
    let mut station = Station::new(profile(&options, 1), Arc::new(rules), seed);
    let (mut day, mut now, mut segment) = (Vec::new(), Duration::ZERO, Vec::new());
    station.connected(now);
    loop {
        match station.next(now, &mut segment) {
            Next::Send(sending) => {
                day.push((clock.wall(now), segment.clone()));
                now += ANSWER_TIME;
                let answer = Header { cn: Some(9014), qn: Some(sending.note.qn.as_bytes()), ..Header::default() };
                station.heard(now, &answer, &Fields::default());
            }
            Next::Wait(until) => now = until.max(now),
            Next::Done | Next::GiveUp | Next::Say(_) | Next::Cut => return day,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hj212::packet::parse;

    #[test]
    fn a_day_holds_every_kind_in_its_number() {
        let day = recorded_day_of(Subject::Water, Edition::V2025, 7);
        let count = |cn| day.iter().filter(|(_, segment)| parse(segment).cn == Some(cn)).count();
        assert_eq!([2011, 2021, 2051, 2061, 2031, 2081, 9015].map(count), [145, 15, 144, 24, 1, 1, 144]);
        assert!(day.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn the_seed_decides_all() {
        assert_eq!(recorded_day(1), recorded_day(1));
        assert_ne!(recorded_day(1), recorded_day(2));
    }
}
