//! What marks cost: the state of a noisy station in bytes, and many entries at once.

use std::time::{Duration, Instant};

use super::super::expr::{DAY, HOUR};
use super::*;

/// The most that a station's state may take after a week of sixteen factors that are blown back, whatever the rhythm: docs/marking.md.
const STATE_MAX: usize = 64 * 1024;

/// A week of minutes, hours and days of sixteen factors, of which `bad` says when their letter is M; the bytes of the state, and what was
/// forgotten before its time.
fn week(bad: impl Fn(i64, usize) -> bool) -> (usize, usize) {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
    let codes: Vec<String> = (0..16).map(|n| format!("a2{n:04}")).collect();
    let begin = super::super::calendar::read("2026-03-02T00:00:00+08:00").unwrap().0;
    let mut forgotten = 0;
    let mut say = |player: &mut Player, kind: Kind, at: i64, now: i64, minute: Option<i64>| {
        let flag = |n: usize| if minute.is_some_and(|minute| bad(minute, n)) { "M" } else { "N" };
        let text = format!("{}", at / MINUTE % 7);
        let readings: Vec<Reading<'_>> = codes
            .iter()
            .enumerate()
            .map(|(n, code)| Reading {
                code,
                text: &text,
                judged: None,
                none: false,
                doubtful: false,
                flag: Some(flag(n)),
            })
            .collect();
        let seen = Observation { at: Timestamp(now), data: Some(Timestamp(at)), kind, readings: &readings };
        let mut out = MarkVerdict::default();
        player.marks.observe(&player.plan, &seen, &mut out);
        forgotten += out.happenings.iter().filter(|h| h.kind == "marks-forgotten").count();
    };
    for minute in 0..7 * 24 * 60i64 {
        let at = begin + minute * MINUTE;
        let now = at + MINUTE;
        say(&mut player, Kind::Minute, at, now, Some(minute));
        if minute % 60 == 59 {
            say(&mut player, Kind::Hour, at + MINUTE - HOUR, now, None);
        }
        if minute % 1440 == 1439 {
            say(&mut player, Kind::Day, at + MINUTE - DAY, now, None);
        }
    }
    (postcard::to_allocvec(&player.marks).unwrap().len(), forgotten)
}

#[test]
fn a_week_of_sixteen_factors_stays_within_its_bound() {
    for (name, every, long) in
        [("blown back 3 of 10 min", 10, 3), ("blown back 2 of 7 min", 7, 2), ("calibrated 13 of 60 min", 60, 13)]
    {
        let (bytes, forgotten) = week(|minute, _| minute % every < long);
        println!("{name}: {bytes} bytes, {forgotten} times forgotten");
        assert!(bytes < STATE_MAX, "{name}: {bytes} bytes");
        assert_eq!(forgotten, 0, "{name}");
    }
}

#[test]
fn sixteen_factors_that_share_no_rhythm_stay_bounded_and_what_is_forgotten_is_told() {
    let mix = |minute: i64, n: usize| ((minute * 2_654_435_761 + n as i64 * 40_503) >> 7) % 10 < 3;
    let (bytes, forgotten) = week(mix);
    println!("no rhythm: {bytes} bytes, {forgotten} times forgotten");
    assert!(bytes < STATE_MAX, "{bytes} bytes");
    assert!(forgotten > 0, "more than the bound holds: it is told");
}

/// What two hundred reports of eight factors cost, of which every other has another letter each time, after `entries` of a limited mark and
/// while one holds.
fn reports_after(entries: usize) -> Duration {
    let mut player = day_of(8);
    burst(&mut player, entries, ("inc19:fault", "furnace-1"), 5);
    player.by_hand("inc19:fault", "furnace-1", 3 * HOUR, "holds");
    let begin = player.now;
    let codes: Vec<String> = (0..8).map(|n| format!("a2{n:04}")).collect();
    let at = Instant::now();
    for n in 0..200i64 {
        player.now = begin + (n + 1) * 30 * expr::SECOND;
        let flag = |code: usize| if (n as usize + code).is_multiple_of(2) { "D" } else { "N" };
        let readings: Vec<Reading<'_>> = codes
            .iter()
            .enumerate()
            .map(|(n, c)| Reading {
                code: c,
                text: "5",
                judged: None,
                none: false,
                doubtful: false,
                flag: Some(flag(n)),
            })
            .collect();
        let data = Some(Timestamp(player.now));
        let seen = Observation { at: Timestamp(player.now), data, kind: Kind::Realtime, readings: &readings };
        player.marks.observe(&player.plan, &seen, &mut MarkVerdict::default());
    }
    at.elapsed()
}

#[test]
fn a_report_costs_no_more_because_much_was_entered() {
    let least = |entries: usize| (0..3).map(|_| reports_after(entries)).min().unwrap();
    let (few, many) = (least(4), least(480));
    println!("200 reports while a fault holds: {few:?} after four entries, {many:?} after 480");
    assert!(many < few * 3 + Duration::from_millis(40), "{few:?}, then {many:?}");
}

/// A station with a day of minutes and hours of `codes` factors.
fn day_of(codes: usize) -> Player {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19,dev22"), "2017", "air");
    let codes: Vec<String> = (0..codes).map(|n| format!("a2{n:04}")).collect();
    let begin = super::super::calendar::read("2026-03-02T00:00:00+08:00").unwrap().0;
    for minute in 0..24 * 60i64 {
        let mut say = |kind: Kind, at: i64| {
            player.now = begin + (minute + 1) * MINUTE;
            let values: Vec<_> = codes.iter().map(|c| (c.clone(), "5".to_owned(), Some("N".to_owned()))).collect();
            let readings: Vec<Reading<'_>> = values
                .iter()
                .map(|(c, t, f)| Reading {
                    code: c,
                    text: t,
                    judged: None,
                    none: false,
                    doubtful: false,
                    flag: f.as_deref(),
                })
                .collect();
            let seen = Observation { at: Timestamp(player.now), data: Some(Timestamp(at)), kind, readings: &readings };
            player.marks.observe(&player.plan, &seen, &mut MarkVerdict::default());
        };
        say(Kind::Minute, begin + minute * MINUTE);
        if minute % 60 == 59 {
            say(Kind::Hour, begin + (minute - 59) * MINUTE);
        }
    }
    player
}

/// Enters `number` marks of `long` minutes, one after another over the day; what the first and the last hundred of them cost each.
fn burst(player: &mut Player, number: usize, (mark, object): (&str, &str), long: i64) -> (Duration, Duration) {
    let begin = super::super::calendar::read("2026-03-02T00:00:00+08:00").unwrap().0;
    let mut costs = Vec::new();
    for n in 0..number {
        let from = begin + (n as i64 * 7 % 1380) * MINUTE;
        let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("b{n}"), "mark": mark, "object": object,
            "begin": Timestamp(from).to_rfc3339(), "end": Timestamp(from + long * MINUTE).to_rfc3339(), "reason": "log book",
            "proof": "photo", "author": "Wang" });
        let at = Instant::now();
        let answer = player.enter(&entry.to_string());
        costs.push(at.elapsed());
        assert_eq!(answer.refused, None, "{n}");
        player.happenings.clear();
        player.revisions.clear();
    }
    let of = |some: &[Duration]| some.iter().sum::<Duration>() / some.len().max(1) as u32;
    (of(&costs[..number.min(100)]), of(&costs[number.saturating_sub(100)..]))
}

#[test]
fn an_entry_costs_no_more_because_there_are_many() {
    for (mark, object, long) in
        [("dev22:maint", "a20003", 5), ("inc19:fault", "furnace-1", 5), ("inc19:off", "furnace-1", 60)]
    {
        let mut player = day_of(8);
        let (first, last) = burst(&mut player, 520, (mark, object), long);
        println!("520 entries of {mark} over {long} min: {first:?} each of the first hundred, {last:?} of the last");
        // What there is to look through grows from none to 512; that may be seen, and no more than that.
        assert!(last < first * 10 + Duration::from_millis(5), "{mark}: {first:?}, then {last:?}");
        assert!(last < Duration::from_millis(200), "{mark}: {last:?} in a build without optimisation");
    }
}

#[test]
fn entries_of_fifty_stations_cost_what_those_of_one_do() {
    let one = day_of(2);
    let mut whole = Duration::ZERO;
    for _ in 0..50 {
        let mut player = Player {
            plan: one.plan.clone(),
            marks: one.marks.clone(),
            now: one.now,
            ..Player::new(&book(), &rig(""), "2017", "air")
        };
        let at = Instant::now();
        burst(&mut player, 11, ("inc19:fault", "furnace-1"), 30);
        whole += at.elapsed();
    }
    println!("550 entries of fifty stations: {whole:?}");
    assert!(whole < Duration::from_secs(60), "{whole:?}");
}
