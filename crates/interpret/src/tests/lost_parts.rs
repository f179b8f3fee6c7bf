//! Records of which a part is lost, cut at any byte: what may be torn is named so, and what stands between its separators is there.
//!
//! What is expected is told from the whole text and the places of the cuts alone.

use std::ops::Range;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::field::published;
use super::{NOON, Player, frame_step, noon, settings};

/// How the parts of a record are named and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    /// Whether each begins with the DataTime, or the first alone.
    timed: bool,
    /// One QN for all, one each, or none.
    qns: Qns,
    /// The number of the first.
    from: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Qns {
    One,
    Each,
    None,
}

fn ways() -> impl Iterator<Item = Way> + Clone {
    let qns = [Qns::One, Qns::Each, Qns::None];
    qns.into_iter()
        .flat_map(|qns| [(true, 1), (true, 0), (false, 1), (false, 0)].map(|(timed, from)| Way { timed, qns, from }))
}

const TIME: &str = "DataTime=20260601115900;";
const WHOLE_TIME: &str = "2026-06-01T11:59:00+08:00";

/// Areas in the forms that loggers write: the standard's, without flags, with one separator alone, codes of 2005, names of the field, a code
/// twice, numbers that begin alike, and instruments.
const AREAS: [(&str, u16, &str); 10] = [
    (
        "31",
        2051,
        "a34013-Min=1.25,a34013-Avg=2.50,a34013-Max=3.75,a34013-Flag=N;a21026-Avg=12.5,a21026-ZsAvg=15.25,a21026-Flag=D;a21002-Avg=0.75,a21002-Flag=N",
    ),
    ("31", 2051, "a34013-Avg=3.25;a21026-Avg=-1.5;a19001-Avg=13"),
    ("31", 2051, "a34013-Min=1.25,a34013-Avg=2.50,a21026-Min=11.5,a21026-Avg=12.5,a19001-Avg=13.1"),
    ("31", 2051, "a34013-Avg=2.50;a34013-Flag=N;a21026-Avg=12.5;a21026-Flag=N;a19001-Avg=13.1;a19001-Flag=N"),
    ("31", 2051, "01-Avg=33.5,01-ZsAvg=40.25,01-Flag=N;S01-Avg=13.8,S01-Flag=N;02-Avg=2.25,02-Flag=N"),
    ("31", 2011, "01-Rtd=33.5;S01-Rtd=13.8;B02-Rtd=500.5;02-Rtd=2.25;S03-Rtd=99.5"),
    ("31", 2011, "SO2-Rtd=33.5,SO2-Flag=N;NO2-Rtd=4.5,NO2-Flag=N;O2-Rtd=13.8,O2-Flag=N;CO2-Rtd=7.25,CO2-Flag=N"),
    (
        "32",
        2051,
        "w00000-Avg=12.5,w00000-Cou=7500,w00000-Flag=D;w00000-Avg=1979,w00000-Flag=N;w01018-Avg=20.5,w01018-Flag=N",
    ),
    (
        "21",
        3020,
        "PolId=w21003,i12001-Info=2,i12002-Info=10;PolId=w21011,i12001-Info=31,i12002-Info=44;PolId=w01018,i12001-Info=5",
    ),
    ("21", 3020, "POLID=w21003,i12001-Info=2,i12002-Info=10;POLID=w21011,i12001-Info=31"),
];

const MEASURED: [&str; 8] = ["rtd", "avg", "min", "max", "cou", "zs_rtd", "zs_avg", "info"];

/// A record cut into parts.
struct Cut {
    /// The DataTime and the area.
    text: String,
    /// Where the parts stand in it, without a DataTime that was put before them.
    parts: Vec<Range<usize>>,
    frames: Vec<String>,
}

/// Cuts a record at these places of its area, or of its text if the DataTime is in the first part alone.
fn cut(way: Way, (st, cn, area): (&str, u16, &str), cuts: &[usize]) -> Cut {
    let text = format!("{TIME}{area}");
    let head = if way.timed { TIME.len() } else { 0 };
    let mut begin = head;
    let ends = cuts.iter().map(|cut| cut + head).chain([text.len()]);
    let parts: Vec<Range<usize>> = ends.map(|end| std::mem::replace(&mut begin, end)..end).collect();
    let frame = |(at, part): (usize, &Range<usize>)| {
        let qn = match way.qns {
            Qns::One => format!("QN={NOON};"),
            Qns::Each => format!("QN=202606011200000{:02};", at + 1),
            Qns::None => String::new(),
        };
        let (time, count, number) = (if way.timed { TIME } else { "" }, parts.len(), at + way.from);
        format!("{qn}ST={st};CN={cn};MN=A;Flag=7;PNUM={count};PNO={number};CP=&&{time}{}&&", &text[part.clone()])
    };
    let frames = parts.iter().enumerate().map(frame).collect();
    Cut { text, parts, frames }
}

/// Plays the parts that are not lost, and lets all that waits run out.
fn played(cut: &Cut, lost: &[usize]) -> Vec<Value> {
    let mut player = Player::new(settings());
    for (_, frame) in cut.frames.iter().enumerate().filter(|(at, _)| !lost.contains(at)) {
        player.play(&[frame_step(noon(), frame.as_bytes())]);
    }
    let late = hj212_model::message::Timestamp(noon().0 + 600 * 1_000_000);
    player.play(&[super::step(late, &super::Record::Tick)]);
    player.data()
}

/// All readings of a message: instrument, code without the number of its item, and what it says.
fn readings(body: &Value) -> Vec<(String, String, Map<String, Value>)> {
    let mut all = Vec::new();
    let mut add = |instrument: &Value, readings: &Value| {
        for (key, reading) in readings.as_object().into_iter().flatten() {
            let code = key.split('#').next().unwrap().to_owned();
            let instrument = instrument.as_str().unwrap_or_default().to_owned();
            all.push((instrument, code, reading.as_object().unwrap().clone()));
        }
    };
    add(&Value::Null, &body["readings"]);
    for instrument in body["instruments"].as_array().into_iter().flatten() {
        add(&instrument["pol_id"], &instrument["readings"]);
    }
    all
}

/// What may not stand in a message of a record that is `whole`.
fn wrong(whole: &Value, body: &Value, looks_first: bool) -> Option<String> {
    if !body["data_time"].is_null() && body["data_time"] != *WHOLE_TIME {
        return Some(format!("data_time {}", body["data_time"]));
    }
    let all = readings(whole);
    for (instrument, code, reading) in readings(body) {
        let measured = |reading: &Map<String, Value>| -> Vec<(String, Value)> {
            let fields = reading.iter().filter(|(name, _)| MEASURED.contains(&name.as_str()));
            fields.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let said = measured(&reading);
        let is_main = |name: &str| ["rtd", "avg", "zs_rtd", "zs_avg", "info"].contains(&name);
        let of = |(whose, its_code, its): &&(String, String, Map<String, Value>)| {
            let has_main = |said: &[(String, Value)]| said.iter().any(|(name, _)| is_main(name));
            let its_own = measured(its);
            (instrument.is_empty() || *whose == instrument)
                && *its_code == code
                && said.iter().all(|field| its_own.contains(field))
                && (reading["valid"] != true
                    || (its["flag"] == reading["flag"] && (looks_first || has_main(&said) == has_main(&its_own))))
        };
        let found = all.iter().find(of);
        if found.is_none() && reading["valid"] != false && !said.is_empty() {
            return Some(format!("{code} of {instrument:?} is not torn: {}", Value::Object(reading)));
        }
        let named = |(_, its_code, its): &(String, String, Map<String, Value>)| {
            *its_code == code && its["name"] == reading["name"]
        };
        let name = reading.get("name").filter(|name| !name.is_null());
        if name.is_some() && !all.iter().any(named) {
            return Some(format!("{code} has the name {name:?}"));
        }
    }
    None
}

/// The first piece between two separators that were heard, whose value stands nowhere.
fn missing(cut: &Cut, lost: &[usize], bodies: &[Value]) -> Option<String> {
    let is_separator = |at: usize| matches!(cut.text.as_bytes().get(at), Some(b';' | b','));
    let values: Vec<String> = bodies
        .iter()
        .flat_map(readings)
        .flat_map(|(_, _, reading)| {
            // What cannot be told from the rest of its value stands there as text.
            let text = reading.get("text").and_then(Value::as_object).cloned().unwrap_or_default();
            let said = text
                .into_iter()
                .map(|(name, text)| (name, text.as_str().unwrap().split([',', ';']).next().unwrap().into()));
            let fields: Vec<(String, Value)> =
                reading.into_iter().filter(|(name, _)| name != "text").chain(said).collect();
            fields.into_iter().map(|(name, value)| format!("{name}={}", value.to_string().trim_matches('"')))
        })
        .collect();
    let mut start = TIME.len();
    for piece in cut.text[TIME.len()..].split([';', ',']) {
        let range = start..start + piece.len();
        start = range.end + 1;
        let home = cut.parts.iter().enumerate().find(|(_, part)| part.start <= range.start && range.end <= part.end);
        let Some((_, part)) = home.filter(|(at, _)| !lost.contains(at)) else { continue };
        let begins = range.start == TIME.len() || (range.start > part.start && is_separator(range.start - 1));
        let ends = range.end == cut.text.len() || (range.end < part.end && is_separator(range.end));
        let (name, value) = piece.split_once('=').unwrap();
        let Some((_, field)) = name.rsplit_once('-').filter(|(_, field)| *field != "Flag") else { continue };
        let field = field.replace("Zs", "zs_").to_ascii_lowercase();
        let value = value.parse::<f64>().unwrap();
        let is =
            |said: &String| said.split_once('=').is_some_and(|(name, said)| name == field && said.parse() == Ok(value));
        if begins && ends && !values.iter().any(is) {
            return Some(piece.to_owned());
        }
    }
    None
}

/// Holds what is said of a record cut so, of which these parts are lost.
fn check(way: Way, area: (&str, u16, &str), cuts: &[usize], lost: &[usize]) -> Result<(), String> {
    let whole = published(area.0, area.1, &format!("{TIME}{}", area.2));
    let cut = cut(way, area, cuts);
    let bodies = played(&cut, lost);
    let heard: Vec<&String> =
        cut.frames.iter().enumerate().filter(|(at, _)| !lost.contains(at)).map(|(_, f)| f).collect();
    // The standard counts from 1: of two parts that are counted from 0 the second, if it begins with the DataTime and a whole field, looks as
    // the first. What stands in it is whole, and what was before it nobody can know.
    let begins_whole = |part: &Range<usize>| {
        let piece = cut.text[part.clone()].split([';', ',']).next().unwrap();
        piece.starts_with(|letter: char| letter.is_ascii_alphabetic()) && piece.contains('=') && piece.contains('-')
    };
    let looks_first = way.timed
        && way.from == 0
        && bodies.len() == 1
        && !lost.contains(&1)
        && cut.parts.get(1).is_some_and(begins_whole);
    for body in &bodies {
        if let Some(why) = wrong(&whole, body, looks_first) {
            return Err(format!("{why}\n{heard:#?}\n{body}"));
        }
    }
    match missing(&cut, lost, &bodies) {
        Some(piece) => Err(format!("{piece} is lost\n{heard:#?}\n{bodies:?}")),
        None => Ok(()),
    }
}

fn length(way: Way, area: &str) -> usize {
    if way.timed { area.len() } else { area.len() + TIME.len() }
}

#[test]
fn of_a_record_in_two_parts_one_may_be_lost() {
    let mut all: Vec<String> = Vec::new();
    for (number, area) in AREAS.iter().enumerate() {
        for way in ways() {
            for cut in (1 + number % 2..length(way, area.2)).step_by(2) {
                for lost in [0, 1] {
                    all.extend(check(way, *area, &[cut], &[lost]).err());
                }
            }
        }
    }
    assert!(all.is_empty(), "{}\n{}", all.len(), all[..all.len().min(12)].join("\n"));
}

#[test]
fn of_a_record_in_three_parts_the_middle_one_may_be_lost() {
    let mut all: Vec<String> = Vec::new();
    let mut at = 0;
    for area in AREAS {
        for first in 1..area.2.len() + TIME.len() {
            for gap in [1, 7, 12, 16, 31] {
                let way = ways().nth(at % 12).unwrap();
                at += 1;
                let second = first + gap;
                if second < length(way, area.2) {
                    all.extend(check(way, area, &[first, second], &[1]).err());
                }
            }
        }
    }
    assert!(all.is_empty(), "{}\n{}", all.len(), all[..all.len().min(12)].join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_parts_may_be_lost(
        area in proptest::sample::select(&AREAS[..]),
        way in proptest::sample::select(ways().collect::<Vec<_>>()),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 1..4),
        lost in proptest::collection::btree_set(0usize..4, 1..3),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| 1 + cut.index(length(way, area.2) - 1)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let lost: Vec<usize> = lost.into_iter().collect();
        if let Err(why) = check(way, area, &cuts, &lost) {
            return Err(TestCaseError::fail(why));
        }
    }
}
