//! What was published keeps its worth when the parts that it was judged by are forgotten.

use super::rulings::{HOUR, Station, start};
use super::*;

const CODES: [&str; 16] = [
    "a21026", "a21002", "a34013", "a19001", "a21005", "a24088", "a05002", "a01012", "a01011", "a01013", "a01014",
    "a21001", "a21018", "a20057", "a21022", "a21024",
];

fn minute(station: &mut Station, minutes: i64, values: &[(&str, &str)]) {
    let data = start() + minutes * MINUTE;
    let readings: Vec<Reading<'_>> = values
        .iter()
        .map(|(code, flag)| Reading { code, text: "10", judged: None, none: false, doubtful: false, flag: Some(flag) })
        .collect();
    station.player.now = station.player.now.max(data + MINUTE);
    let at = Timestamp(station.player.now);
    let seen = Observation { at, data: Some(Timestamp(data)), kind: Kind::Minute, readings: &readings };
    let mut out = MarkVerdict::default();
    station.player.marks.observe(&station.player.plan, &seen, &mut out);
    station.player.happenings.extend(out.happenings);
    station.revisions.extend(out.revisions);
}

/// What hours after 08:00 are worth now, by hour and code.
fn worths(station: &Station, hours: i64) -> Vec<(i64, &'static str, Option<Validity>)> {
    let worth = |hour: i64, code: &str| {
        let at = Timestamp(start() + hour * HOUR);
        station.player.marks.worth_now(&station.player.plan, code, Kind::Hour, at, None)
    };
    (0..hours).flat_map(|hour| CODES.map(|code| (hour, code, worth(hour, code)))).collect()
}

#[test]
fn an_hour_is_no_better_after_an_entry_is_taken_back_whatever_was_forgotten() {
    for takes_back in ["withdrawn", "annulled"] {
        let mut station = Station::new("dev22");
        let mut seed = 5u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        for hour in 0..27 {
            for n in 0..60 {
                let letter = |code: &str, random: usize| match (code, hour, n) {
                    ("a21026", 2, 0..32) => "D",
                    _ if random % 100 < 8 => ["C", "D", "M", "T", "F", "B", "S"][random / 100 % 7],
                    _ => "N",
                };
                let values: Vec<(&str, &str)> = CODES.iter().map(|code| (*code, letter(code, random()))).collect();
                minute(&mut station, hour * 60 + n, &values);
            }
            station.hour(hour, &CODES.map(|code| (code, "10", "N")));
        }
        let published: Vec<Option<Validity>> =
            station.player.judged.iter().take(4 * CODES.len()).map(|(_, judged)| judged.validity).collect();
        assert!(station.told("marks-forgotten") > 0, "too quiet for this test");
        let sulphur = published[2 * CODES.len()].unwrap();
        assert!(!sulphur.is_usable(), "28 good minutes of 60 at most: {sulphur:?}");
        let is = |station: &Station| worths(station, 4).into_iter().map(|(.., worth)| worth).collect::<Vec<_>>();
        assert_eq!(is(&station), published);
        assert_eq!(station.entry("e1", "dev22:prod", (0, Some(4)), &[("object", "line-1")]).refused, None);
        match takes_back {
            "annulled" => assert_eq!(station.rule("r1", "county", "e1", "annul", None).refused, None),
            _ => assert_eq!(station.entry("e2", "", (0, None), &[("withdraws", "e1")]).refused, None),
        }
        assert_eq!(is(&station), published, "{takes_back}");
        // One minute that comes late says nothing of an hour that is forgotten.
        station.righted();
        minute(&mut station, 60 + 5, &[("a21002", "N")]);
        assert_eq!(station.righted(), [], "{takes_back}");
    }
}

#[test]
fn an_hour_whose_minutes_are_older_than_is_kept_stays_invalid_when_an_entry_is_annulled() {
    let mut station = Station::new("inc19");
    for hour in 0..24 {
        let came = if hour == 2 { 40 } else { 60 };
        (0..came).for_each(|n| minute(&mut station, hour * 60 + n, &[("a21026", "N"), ("a34013", "N")]));
        station.hour(hour, &[("a21026", "10", "N"), ("a34013", "5", "N")]);
    }
    let of = |station: &Station| worths(station, 3).into_iter().find(|(hour, code, _)| (*hour, *code) == (2, "a21026"));
    assert_eq!(of(&station).unwrap().2, Some(Validity::Invalid), "40 minutes of 60");
    assert_eq!(station.entry("e1", "inc19:fault", (2, Some(3)), &[]).refused, None);
    for hour in 9 * 24..9 * 24 + 3 {
        (0..60).for_each(|n| minute(&mut station, hour * 60 + n, &[("a21026", "N"), ("a34013", "N")]));
        station.hour(hour, &[("a21026", "10", "N"), ("a34013", "5", "N")]);
    }
    assert_eq!(station.rule("r1", "county", "e1", "annul", None).refused, None);
    assert_eq!(of(&station).unwrap().2, Some(Validity::Invalid));
}
