//! Streams of records in parts of one station, with losses: every valid value stands under the DataTime of its own record.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Player, Record, frame_step, noon, settings, step};
use hj212_model::message::Timestamp;

/// How a station names the parts of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A QN for each part, and a DataTime in the first alone.
    OwnQns,
    /// One QN for all, and a DataTime in the first alone.
    OneQn,
    /// No QN.
    NoQn,
    /// A DataTime in each.
    Times,
}

/// What happens to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Comes,
    Lost,
    /// It comes, and again with this many seconds between.
    Again(u8),
    /// The same, with a new QN.
    AgainAnew(u8),
}

/// The part `number` of `count` of the record `record`, sent at the second `at`. Its values tell its record.
fn frame(way: Way, record: usize, (count, number): (usize, usize), at: i64, anew: bool) -> String {
    let sent = at + i64::from(anew) * 31;
    let clock = |seconds: i64| format!("20260601{:02}{:02}{:02}", 12 + seconds / 3600, seconds / 60 % 60, seconds % 60);
    let qn = match way {
        Way::OwnQns | Way::Times => format!("QN={}{:03};", clock(sent), number),
        Way::OneQn => format!("QN={}{:03};", clock(sent - number as i64), 0),
        Way::NoQn => String::new(),
    };
    let time =
        if number == 1 || way == Way::Times { format!("DataTime=2026060111{record:02}00;") } else { String::new() };
    let piece = format!("a2100{number}-Avg={record}.5,a2100{number}-Flag=N");
    format!("{qn}ST=31;CN=2051;MN=A;Flag=7;PNUM={count};PNO={number};CP=&&{time}{piece}&&")
}

/// Plays frames at their seconds, and lets all that waits run out.
fn play(mut frames: Vec<(i64, String)>) -> Vec<Value> {
    frames.sort_by_key(|(at, _)| *at);
    let mut player = Player::new(settings());
    let end = frames.last().map_or(0, |(at, _)| *at);
    let mut frames = frames.into_iter().peekable();
    for second in 0..=end + 400 {
        let now = Timestamp(noon().0 + second * 1_000_000);
        player.play(&[step(now, &Record::Tick)]);
        while let Some((_, frame)) = frames.next_if(|(at, _)| *at <= second) {
            player.play(&[frame_step(now, frame.as_bytes())]);
        }
    }
    player.data()
}

/// Every valid value that stands under a DataTime is of that record.
fn all_in_place(data: &[Value]) -> Result<(), String> {
    for body in data {
        let Some(time) = body["data_time"].as_str() else { continue };
        let record: usize = time[14..16].parse().unwrap();
        for (key, reading) in body["readings"].as_object().unwrap() {
            if reading["valid"] == true && reading["avg"] != json!(record as f64 + 0.5) {
                return Err(format!("{time} {key} {reading}"));
            }
        }
    }
    Ok(())
}

#[test]
fn a_lost_part_shifts_no_other() {
    for way in [Way::OwnQns, Way::OneQn, Way::NoQn, Way::Times] {
        let at = |record: usize, number: usize| record as i64 * 60 + number as i64;
        let of = |record, number| (at(record, number), frame(way, record, (2, number), at(record, number), false));
        let lost = play((0..6).flat_map(|r| [of(r, 1), of(r, 2)]).skip(1).collect());
        all_in_place(&lost).unwrap();
        let whole = lost.iter().filter(|body| body["readings"].as_object().unwrap().len() == 2).count();
        assert_eq!(whole, 5, "{way:?}: all but the first are put together");
        // X2 again with a new QN, and then Y.
        let again = (50, frame(way, 0, (2, 2), 50, true));
        all_in_place(&play(vec![of(0, 1), of(0, 2), again.clone(), of(1, 1), of(1, 2)])).unwrap();
        all_in_place(&play(vec![of(0, 1), of(0, 2), of(1, 1), (62, again.1), of(2, 1), of(2, 2)])).unwrap();
    }
    // One QN for each record, the parts of two in another order.
    let of =
        |record: usize, number: usize| frame(Way::OneQn, record, (2, number), record as i64 * 2 + number as i64, false);
    let swapped =
        play([of(1, 1), of(2, 2), of(1, 2), of(2, 1)].into_iter().enumerate().map(|(at, f)| (at as i64, f)).collect());
    all_in_place(&swapped).unwrap();
    assert_eq!(swapped.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_valid_value_stands_under_the_time_of_its_record(
        way in proptest::sample::select(vec![Way::OwnQns, Way::OneQn, Way::NoQn, Way::Times]),
        count in 2usize..4,
        every in proptest::sample::select(vec![10i64, 20, 60]),
        fates in proptest::collection::vec(
            prop_oneof![
                4 => Just(Fate::Comes), 3 => Just(Fate::Lost),
                1 => (1u8..40).prop_map(Fate::Again), 1 => (1u8..40).prop_map(Fate::AgainAnew),
            ],
            12,
        ),
        swapped in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let mut frames = Vec::new();
        for (place, fate) in fates.iter().enumerate() {
            let (record, number) = (place / count, place % count + 1);
            let sent = record as i64 * every + number as i64;
            // A part may come in the place of the next one.
            let at = sent + if swapped[place] { 1 } else { 0 };
            match fate {
                Fate::Lost => continue,
                Fate::Comes => {}
                Fate::Again(later) => frames.push((at + i64::from(*later), frame(way, record, (count, number), sent, false))),
                Fate::AgainAnew(later) => frames.push((at + i64::from(*later), frame(way, record, (count, number), sent, true))),
            }
            frames.push((at, frame(way, record, (count, number), sent, false)));
        }
        let told = format!("{frames:?}");
        if let Err(why) = all_in_place(&play(frames)) {
            return Err(TestCaseError::fail(format!("{why} in {told}")));
        }
    }
}
