//! Records cut into parts at any byte: the readings of the whole, or a named damage, never another value that is valid.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::field::{has, published};
use super::{NOON, Player, frame_step, noon, settings};

/// How the parts of a record say which record they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The DataTime in the first alone, one QN for all.
    OneQn,
    /// The same, each with its own QN.
    OwnQns,
    /// The same, without any QN.
    NoQn,
    /// The DataTime before each piece, one QN for all.
    TimesOneQn,
    /// The DataTime before each piece, each with its own QN.
    TimesOwnQns,
}

const WAYS: [Way; 5] = [Way::OneQn, Way::OwnQns, Way::NoQn, Way::TimesOneQn, Way::TimesOwnQns];
const TIME: &str = "DataTime=20260601115900;";

/// The frames of `area`, cut at `cuts`.
fn frames(way: Way, area: &str, cuts: &[usize]) -> Vec<String> {
    let timed = matches!(way, Way::TimesOneQn | Way::TimesOwnQns);
    let whole = if timed { area.to_owned() } else { format!("{TIME}{area}") };
    let mut begin = 0;
    let ends = cuts.iter().copied().chain([whole.len()]);
    let pieces: Vec<&str> = ends.map(|end| &whole[std::mem::replace(&mut begin, end)..end]).collect();
    let frame = |(at, piece): (usize, &&str)| {
        let qn = match way {
            Way::OneQn | Way::TimesOneQn => format!("QN={NOON};"),
            Way::OwnQns | Way::TimesOwnQns => format!("QN=202606011200000{:02};", at + 1),
            Way::NoQn => String::new(),
        };
        let time = if timed { TIME } else { "" };
        let (count, number) = (pieces.len(), at + 1);
        format!("{qn}ST=31;CN=2051;MN=A;Flag=7;PNUM={count};PNO={number};CP=&&{time}{piece}&&")
    };
    pieces.iter().enumerate().map(frame).collect()
}

fn played(frames: &[String]) -> Vec<Value> {
    let mut player = Player::new(settings());
    for frame in frames {
        player.play(&[frame_step(noon(), frame.as_bytes())]);
    }
    // Parts that belong together by their numbers alone wait until nothing contradicts.
    player.play(&[super::step(after(6), &super::Record::Tick)]);
    player.data()
}

/// So many seconds after noon.
fn after(seconds: i64) -> hj212_model::message::Timestamp {
    hj212_model::message::Timestamp(noon().0 + seconds * 1_000_000)
}

/// Every value that is valid is one of the whole record's.
fn is_true_to(whole: &Value, part: &Value) -> Result<(), String> {
    for (key, reading) in part["readings"].as_object().unwrap() {
        if reading["valid"] != true {
            continue;
        }
        for (name, value) in reading.as_object().unwrap() {
            let measured = ["rtd", "avg", "min", "max", "cou", "zs_avg"].contains(&name.as_str());
            if measured && whole["readings"][key][name] != *value {
                return Err(format!("{key} {name} {value}, where the whole has {}", whole["readings"][key][name]));
            }
        }
        if whole["readings"][key]["flag"] != reading["flag"] {
            return Err(format!("{key} has the flag {} of another", reading["flag"]));
        }
    }
    Ok(())
}

/// The first byte before which an area is cut: without a QN, a part of a DataTime alone belongs nowhere.
fn first_cut(way: Way) -> usize {
    if way == Way::NoQn { TIME.len() } else { 1 }
}

const AREAS: [&str; 3] = [
    "a34013-Avg=333.25,a34013-Flag=N;a21026-Avg=12.5,a21026-ZsAvg=15.25,a21026-Flag=D;a21002-Avg=0.75,a21002-Flag=N",
    "01-Avg=33.5,01-ZsAvg=40.25,01-Flag=N;02-Avg=2.25,02-Flag=N;S01-Avg=13.8,S01-Flag=N",
    "a34013-Avg=3.25;a21026-Avg=-1.5;a19001-Avg=13",
];

#[test]
fn an_area_cut_at_any_byte_into_two_is_the_whole() {
    for area in AREAS {
        let whole = published("31", 2051, &format!("{TIME}{area}"));
        for way in WAYS {
            let length =
                if matches!(way, Way::TimesOneQn | Way::TimesOwnQns) { area.len() } else { area.len() + TIME.len() };
            for cut in (first_cut(way)..length).step_by(if area == AREAS[0] { 1 } else { 3 }) {
                let frames = frames(way, area, &[cut]);
                let data = played(&frames);
                assert_eq!(data.len(), 1, "{frames:?}");
                assert_eq!(data[0]["readings"], whole["readings"], "{way:?} {frames:?}");
                assert_eq!(data[0]["data_time"], whole["data_time"], "{frames:?}");
                assert_eq!(data[0].get("unread"), None, "{frames:?}");
            }
        }
    }
}

#[test]
fn half_items_that_do_not_fit_are_named_and_not_valid() {
    for (one, two, torn) in [
        ("a34013-Avg=3,a34013-Flag=N", "3.25,a21026-Flag=N", "a34013"),
        ("a34013-Avg=3.5", "2.5,a21026-Flag=N", "a34013"),
    ] {
        let frame = |number: usize, piece: &str| {
            format!("QN={NOON};ST=31;CN=2051;MN=A;Flag=7;PNUM=2;PNO={number};CP=&&{TIME}{piece}&&")
        };
        let data = played(&[frame(1, one), frame(2, two)]);
        let reading = &data[0]["readings"][torn];
        assert_ne!(reading["valid"], true, "{one} | {two}");
        assert_eq!(reading["why"]["valid"], "parts-cut", "{one} | {two}");
        let kept = data[0]["unread"].is_array() || reading["text"]["avg"] == "3.5;2.5";
        assert!(has(&data[0], "parts-cut") && kept, "{data:?}");
    }
}

#[test]
fn a_part_sent_again_is_known_in_every_way() {
    for way in WAYS {
        let frames = frames(way, AREAS[0], &[40]);
        let twice = [frames.as_slice(), frames.as_slice()].concat();
        assert_eq!(played(&twice).len(), 1, "{way:?}");
        let next: Vec<String> = frames.iter().map(|f| f.replace("20260601115900", "20260601120000")).collect();
        let both = [frames.as_slice(), next.as_slice()].concat();
        // Without names nobody knows which of several records at once a part belongs to.
        if !matches!(way, Way::OneQn | Way::OwnQns | Way::NoQn) {
            assert_eq!(played(&both).len(), 2, "{way:?}");
        }
    }
}

#[test]
fn values_of_an_instrument_whose_name_is_lost_are_no_other_one_s() {
    let parts = ["PolId=w21003,i12001-Info=2,i120", "02-Info=1;PolId=w21011,i12001-Info=0"];
    let mut player = Player::new(settings());
    let text = format!("QN={NOON};ST=21;CN=3020;MN=A;Flag=7;PNUM=2;PNO=2;CP=&&{TIME}{}&&", parts[1]);
    player.play(&[frame_step(noon(), text.as_bytes())]);
    let late = hj212_model::message::Timestamp(noon().0 + 600 * 1_000_000);
    player.play(&[super::step(late, &super::Record::Tick)]);
    let data = player.data();
    let all = data[0]["instruments"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]["pol_id"], &all[1]["pol_id"]), (2, &Value::Null, &json!("w21011")));
    assert_eq!(all[0]["readings"]["02"]["name"], Value::Null, "the rest of a code has no name");
}

#[test]
fn behind_a_missing_part_a_flag_without_a_code_is_no_other_item_s() {
    for piece in ["-Flag=N", "Flag=N", ",-Flag=N", ",Flag=N", ";; Flag=N"] {
        let frame = |number: usize, piece: &str| {
            format!("QN={NOON};ST=31;CN=2051;MN=A;Flag=7;PNUM=3;PNO={number};CP=&&{TIME}{piece}&&")
        };
        let mut player = Player::new(settings());
        for frame in [frame(1, "a34013-Avg=3.25,a34013-Flag=N;a21026-Avg=12.5,"), frame(3, piece)] {
            player.play(&[frame_step(noon(), frame.as_bytes())]);
        }
        player.play(&[super::step(after(600), &super::Record::Tick)]);
        let data = player.data();
        assert_ne!(data[0]["readings"]["a21026"]["valid"], true, "{piece}: {data:?}");
        assert_eq!(data[0]["readings"]["a34013"]["valid"], true, "{piece}");
    }
}

#[test]
fn beside_a_lost_part_nothing_is_valid_that_is_not_whole() {
    let item = "a21026-Min=1.25,a21026-Avg=2.50,a21026-Max=3.75,a21026-ZsAvg=4.00,a21026-Flag=N";
    let area = format!("a34013-Avg=1.00,a34013-Flag=N;{item};a21002-Avg=9.50,a21002-Flag=N");
    let (begin, end) = (30, 30 + item.len());
    // Up to the comma behind the first value: behind it another item may begin.
    {
        let (way, head) = (Way::OneQn, TIME.len());
        for first in begin + 8..=begin + 16 {
            for second in first + 1..end {
                let frames = frames(way, &area, &[first + head, second + head]);
                let mut player = Player::new(settings());
                for frame in [&frames[0], &frames[2]] {
                    player.play(&[frame_step(noon(), frame.as_bytes())]);
                }
                player.play(&[super::step(after(600), &super::Record::Tick)]);
                for body in player.data() {
                    let reading = &body["readings"]["a21026"];
                    let gone = reading["avg"] != 2.5;
                    assert!(!gone || reading["valid"] != true, "{way:?} {first} {second}: {body}");
                    assert!(!body["unread"].to_string().contains('*'), "{body}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn an_area_cut_at_any_bytes_into_three_is_the_whole_or_named(
        area in proptest::sample::select(&AREAS[..]),
        way in proptest::sample::select(&WAYS[..]),
        one in any::<proptest::sample::Index>(),
        other in any::<proptest::sample::Index>(),
        lost in proptest::option::of(0usize..3),
        reverse in any::<bool>(),
    ) {
        let timed = matches!(way, Way::TimesOneQn | Way::TimesOwnQns);
        let length = if timed { area.len() } else { area.len() + TIME.len() };
        let first = first_cut(way);
        let mut cuts = [first + one.index(length - first), first + other.index(length - first)];
        cuts.sort_unstable();
        prop_assume!(cuts[0] < cuts[1]);
        let whole = published("31", 2051, &format!("{TIME}{area}"));
        let mut frames = frames(way, area, &cuts);
        if let Some(lost) = lost {
            frames.remove(lost);
        }
        if reverse && timed {
            frames.reverse();
        }
        let mut player = Player::new(settings());
        frames.iter().for_each(|frame| player.play(&[frame_step(noon(), frame.as_bytes())]));
        let late = hj212_model::message::Timestamp(noon().0 + 600 * 1_000_000);
        player.play(&[super::step(late, &super::Record::Tick)]);
        let data = player.data();
        if lost.is_none() {
            prop_assert_eq!(data.len(), 1, "{:?}", frames);
            prop_assert_eq!(&data[0]["readings"], &whole["readings"], "{:?}", frames);
        }
        for body in &data {
            if let Err(why) = is_true_to(&whole, body) {
                return Err(TestCaseError::fail(format!("{why} in {frames:?}")));
            }
        }
    }
}
