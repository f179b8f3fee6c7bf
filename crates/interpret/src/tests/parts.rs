//! Streams of records in parts of one station, with losses: every valid value stands under the DataTime of its own record.

use proptest::prelude::*;
use serde_json::Value;

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
    /// One QN for whatever the station sends, which is a time; one for each command code; and one that is none.
    ConstantQn,
    QnOfCommand,
    ConstantNumber,
}

const WAYS: [Way; 7] =
    [Way::OwnQns, Way::OneQn, Way::NoQn, Way::Times, Way::ConstantQn, Way::QnOfCommand, Way::ConstantNumber];

/// When the records are sent: each after its minute, or many minutes at once and late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Live,
    Late,
}

impl Sent {
    /// The DataTime of a record, in seconds after noon.
    fn begins(self, record: usize) -> i64 {
        match self {
            Sent::Live => record as i64 * 60 - 60,
            Sent::Late => record as i64 * 60 - 3600,
        }
    }
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

/// A second after noon as stations write it.
fn clock(seconds: i64) -> String {
    let of_day = 12 * 3600 + seconds;
    format!("20260601{:02}{:02}{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// The QN that a station writes at the second `at`, with the milliseconds `ms`.
fn qn(way: Way, cn: u16, at: i64, ms: usize) -> String {
    match way {
        Way::OwnQns | Way::Times | Way::OneQn => format!("QN={}{ms:03};", clock(at)),
        Way::NoQn => String::new(),
        Way::ConstantQn => format!("QN={}000;", clock(-90)),
        Way::QnOfCommand => format!("QN={}{cn};", &clock(-90)[..13]),
        Way::ConstantNumber => "QN=1;".to_owned(),
    }
}

/// The part `number` of `count` of the record `record`, sent at the second `at`. Its values tell its record.
fn frame(way: Way, (sent, record): (Sent, usize), (count, number): (usize, usize), at: i64, anew: bool) -> String {
    let now = at + i64::from(anew) * 31;
    let qn = match way {
        // Of two records within a second nobody could tell what a second stands for.
        Way::OneQn => qn(way, 2051, now - number as i64, record % 1000 + 1),
        _ => qn(way, 2051, now, number),
    };
    let timed = number == 1 || way == Way::Times;
    let time = if timed { format!("DataTime={};", clock(sent.begins(record))) } else { String::new() };
    let piece = format!("a2100{number}-Avg={record}.5,a2100{number}-Flag=N");
    format!("{qn}ST=31;CN=2051;MN=A;Flag=7;PNUM={count};PNO={number};CP=&&{time}{piece}&&")
}

/// What the station sent before: sampled records, of which some show what its QNs are.
fn before(way: Way) -> Vec<(i64, String)> {
    let one = |at: i64| {
        let (qn, now) = (qn(way, 2011, at, 0), clock(at));
        (at, format!("{qn}ST=31;CN=2011;MN=A;Flag=5;CP=&&DataTime={now};a21001-Rtd=1&&"))
    };
    let minute = |at: i64| {
        let (qn, time) = (qn(way, 2051, at, 7), clock(at - 60));
        (at, format!("{qn}ST=31;CN=2051;MN=A;Flag=5;CP=&&DataTime={time};a21009-Avg=1&&"))
    };
    vec![one(-240), minute(-240), one(-180), minute(-180), one(-120), minute(-120)]
}

/// Plays frames at their seconds, and lets all that waits run out.
fn play(mut frames: Vec<(i64, String)>) -> Vec<Value> {
    frames.sort_by_key(|(at, _)| *at);
    let mut player = Player::new(settings());
    let end = frames.last().map_or(0, |(at, _)| *at);
    let mut frames = frames.into_iter().peekable();
    for second in -300..=end + 400 {
        let now = Timestamp(noon().0 + second * 1_000_000);
        player.play(&[step(now, &Record::Tick)]);
        while let Some((_, frame)) = frames.next_if(|(at, _)| *at <= second) {
            player.play(&[frame_step(now, frame.as_bytes())]);
        }
    }
    player.data()
}

/// Every valid value that stands under a DataTime is of that record.
fn all_in_place(sent: Sent, data: &[Value]) -> Result<(), String> {
    for body in data.iter().filter(|body| body["kind"] == "minute") {
        let Some(time) = body["data_time"].as_str() else { continue };
        for (key, reading) in body["readings"].as_object().unwrap() {
            let Some(avg) = reading["avg"].as_f64().filter(|_| key != "a21009" && reading["valid"] == true) else {
                continue;
            };
            let of = clock(sent.begins(avg as usize));
            if time.chars().filter(char::is_ascii_digit).take(14).collect::<String>() != of {
                return Err(format!("{time} {key} {reading}"));
            }
        }
    }
    Ok(())
}

fn whole(data: &[Value]) -> usize {
    data.iter().filter(|body| body["readings"].as_object().unwrap().len() == 2).count()
}

#[test]
fn a_lost_part_shifts_no_other() {
    for way in WAYS {
        let at = |record: usize, number: usize| record as i64 * 60 + number as i64;
        let of = |record, number| {
            (at(record, number), frame(way, (Sent::Live, record), (2, number), at(record, number), false))
        };
        let records = |from: usize| (0..6).flat_map(|r| [of(r, 1), of(r, 2)]).skip(from);
        let lost = play(before(way).into_iter().chain(records(1)).collect());
        all_in_place(Sent::Live, &lost).unwrap();
        assert_eq!(whole(&lost), 5, "{way:?}: all but the first are put together");
        // X2 again with a new QN, and then Y.
        let again = (50, frame(way, (Sent::Live, 0), (2, 2), 50, true));
        all_in_place(Sent::Live, &play(vec![of(0, 1), of(0, 2), again.clone(), of(1, 1), of(1, 2)])).unwrap();
        let later = vec![of(0, 1), of(0, 2), of(1, 1), (62, again.1), of(2, 1), of(2, 2)];
        all_in_place(Sent::Live, &play(later)).unwrap();
    }
    // One QN for each record, the parts of two in another order.
    let of = |record: usize, number: usize| {
        frame(Way::OneQn, (Sent::Late, record), (2, number), record as i64 * 2 + number as i64, false)
    };
    let swapped =
        play([of(1, 1), of(2, 2), of(1, 2), of(2, 1)].into_iter().enumerate().map(|(at, f)| (at as i64, f)).collect());
    all_in_place(Sent::Late, &swapped).unwrap();
    assert_eq!(swapped.len(), 2);
}

#[test]
fn the_first_part_of_a_record_and_the_second_of_the_next_are_not_one_record() {
    for way in WAYS {
        for every in [1, 2, 4, 5, 10, 60] {
            let of =
                |record: usize, number: usize, at: i64| (at, frame(way, (Sent::Late, record), (2, number), at, false));
            let mut frames = before(way);
            // Of X and Y only X1 and Y2 come; then whole records again.
            frames.extend([of(0, 1, 20), of(1, 2, 20 + every)]);
            frames.extend([of(2, 1, 200), of(2, 2, 201)]);
            let data = play(frames.clone());
            all_in_place(Sent::Late, &data).unwrap_or_else(|why| panic!("{way:?} {every}: {why}"));
            let lost: Vec<_> = data.iter().filter(|body| super::field::has(body, "parts-by-number")).collect();
            assert!(lost.is_empty(), "{way:?}: {lost:?}");
            let found: Vec<_> = data.iter().filter_map(|body| body["part"]["missing"].as_array()).collect();
            assert!(!found.is_empty() || way == Way::Times, "{way:?}: what is missing is named");
        }
    }
}

#[test]
fn a_station_of_one_qn_is_put_together_again_once_its_qns_are_its_records() {
    let mut frames = before(Way::ConstantQn);
    let of = |way: Way, record: usize, number: usize| {
        let at = record as i64 * 60 + number as i64;
        (at, frame(way, (Sent::Live, record), (2, number), at, false))
    };
    frames.extend((0..3).flat_map(|r| [of(Way::ConstantQn, r, 1), of(Way::ConstantQn, r, 2)]));
    frames.extend((3..24).flat_map(|r| [of(Way::OneQn, r, 1), of(Way::OneQn, r, 2)]));
    let data = play(frames);
    all_in_place(Sent::Live, &data).unwrap();
    assert_eq!(whole(&data), 24);
    let by = |code: &str| data.iter().filter(|body| super::field::has(body, code)).count();
    assert_eq!((by("parts-by-number") > 3, by("parts-without-time") > 3), (true, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_valid_value_stands_under_the_time_of_its_record(
        way in proptest::sample::select(&WAYS[..]),
        count in 2usize..4,
        (sent, every) in proptest::sample::select(vec![
            (Sent::Late, 2i64), (Sent::Late, 4), (Sent::Late, 10), (Sent::Late, 20), (Sent::Late, 60), (Sent::Live, 60),
        ]),
        fates in proptest::collection::vec(
            prop_oneof![
                4 => Just(Fate::Comes), 3 => Just(Fate::Lost),
                1 => (1u8..40).prop_map(Fate::Again), 1 => (1u8..40).prop_map(Fate::AgainAnew),
            ],
            12,
        ),
        swapped in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let mut frames = before(way);
        for (place, fate) in fates.iter().enumerate() {
            let (record, number) = (place / count, place % count + 1);
            let sends = record as i64 * every + number as i64;
            // A part may come in the place of the next one.
            let at = sends + if swapped[place] { 1 } else { 0 };
            let said = |anew| frame(way, (sent, record), (count, number), sends, anew);
            match fate {
                Fate::Lost => continue,
                Fate::Comes => {}
                Fate::Again(later) => frames.push((at + i64::from(*later), said(false))),
                Fate::AgainAnew(later) => frames.push((at + i64::from(*later), said(true))),
            }
            frames.push((at, said(false)));
        }
        let told = format!("{frames:?}");
        if let Err(why) = all_in_place(sent, &play(frames)) {
            return Err(TestCaseError::fail(format!("{why} in {told}")));
        }
    }
}
