//! The order in which entries come does not matter: among themselves, and before, between or after the data they are about.

use proptest::prelude::*;

use super::super::effect::{DAY, HOUR};
use super::*;

const MARKS: [(&str, &str); 5] = [
    ("inc19:off", "furnace-1"),
    ("inc19:fault", "furnace-1"),
    ("inc19:start", "furnace-1"),
    ("dev22:maint", "a21026"),
    ("dev22:calib", "a21026"),
];

/// One thing that comes: an hour of data (its number, its letter), or an entry (number, mark, from, to in minutes of the day).
#[derive(Debug, Clone)]
enum Comes {
    Hour(i64, &'static str),
    Entry(usize, usize, i64, i64),
}

/// What each hour, and the day, are worth, and whether their means are valid.
fn play(things: &[Comes], restored: bool) -> Vec<(Option<Validity>, Option<bool>)> {
    let book = book();
    let mut facts = rig("inc19,dev22");
    facts.facilities = vec![facility("furnace-1", "furnace", "feed=f temp=t burner=b fan=n")];
    let mut player = Player::new(&book, &facts, "2017", "air");
    player.restored = restored;
    let day = super::super::calendar::read("2026-03-03T00:00:00+08:00").unwrap().0;
    let say = |player: &mut Player, kind: Kind, data: i64, flag: &str| {
        player.restore();
        let reading = Reading { code: "a21026", text: "5", judged: None, flag: Some(flag) };
        let seen = Observation { at: Timestamp(player.now), data: Some(Timestamp(data)), kind, readings: &[reading] };
        let mut out = Verdict::default();
        player.marks.observe(&player.plan, &seen, &mut out);
        let judged = out.readings.remove(0);
        let mean = judged.recomputed.map(|mean| mean.valid);
        (judged.validity, mean)
    };
    // The day before, so that how many hours are due is known.
    for hour in 0..24 {
        player.now = day - DAY + (hour + 1) * HOUR;
        say(&mut player, Kind::Hour, day - DAY + hour * HOUR, "N");
    }
    player.now = day + DAY + HOUR;
    for thing in things {
        match thing {
            Comes::Hour(hour, flag) => drop(say(&mut player, Kind::Hour, day + hour * HOUR, flag)),
            Comes::Entry(number, mark, from, to) => {
                let (mark, object) = MARKS[*mark];
                let time = |minutes: &i64| Timestamp(day + minutes * MINUTE).to_rfc3339();
                let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("e{number}"), "mark": mark, "object": object,
                    "begin": time(from), "end": time(to), "reason": "log book", "proof": "p", "author": "Wang" });
                assert!(player.enter(&entry.to_string()).refused.is_none());
            }
        }
    }
    let flags: BTreeMap<i64, &str> = things
        .iter()
        .filter_map(|t| if let Comes::Hour(hour, flag) = t { Some((*hour, *flag)) } else { None })
        .collect();
    let mut said: Vec<_> =
        flags.iter().map(|(hour, flag)| say(&mut player, Kind::Hour, day + hour * HOUR, flag)).collect();
    said.push(say(&mut player, Kind::Day, day, "N"));
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_order_of_arrival_does_not_matter(
        flags in proptest::collection::vec(prop_oneof![6 => Just("N"), 1 => Just("D"), 1 => Just("F")], 24),
        entries in proptest::collection::vec((0usize..MARKS.len(), 0i64..1300, 10i64..400), 0..5),
        seed in any::<u64>(),
    ) {
        let hours = (0..).zip(&flags).map(|(hour, flag)| Comes::Hour(hour, flag));
        let entries: Vec<Comes> = (0..)
            .zip(&entries)
            .map(|(n, (mark, from, long))| Comes::Entry(n, *mark, *from, (from + long).min(1440)))
            .collect();
        let straight: Vec<Comes> = hours.clone().chain(entries.iter().cloned()).collect();
        let mut mixed: Vec<Comes> = hours.collect();
        let mut state = seed | 1;
        for entry in entries {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            mixed.insert((state >> 33) as usize % (mixed.len() + 1), entry);
        }
        prop_assert_eq!(play(&straight, false), play(&mixed, true));
    }
}

#[test]
fn what_a_bound_takes_is_told() {
    let book = book();
    let mut player = Player::new(&book, &rig("inc19,dev22"), "2017", "air");
    for n in 0..ENTRIES_ENDED_MAX as i64 + 3 {
        let begin = player.now - 60 * MINUTE;
        let time = |at: i64| Timestamp(at + n * expr::SECOND).to_rfc3339();
        let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("n{n}"), "mark": "dev22:maint", "object": "a21026",
            "begin": time(begin), "end": time(begin + MINUTE), "reason": "r", "proof": "p", "author": "a" });
        assert!(player.enter(&entry.to_string()).refused.is_none());
    }
    let told: Vec<&Happening> = player.happenings.iter().filter(|h| h.kind == "marks-forgotten").collect();
    assert!(told.iter().any(|h| h.detail["what"] == "entry"), "{told:?}");
    assert_eq!(player.marks.memory.entries.len(), ENTRIES_ENDED_MAX);
}

#[test]
fn the_state_of_a_noisy_station_stays_within_its_bound() {
    let book = book();
    let mut player = Player::new(&book, &rig("dev22"), "2017", "air");
    let codes: Vec<String> = (0..16).map(|n| format!("a2{n:04}")).collect();
    let mut told = 0;
    for n in 0..6 * 24 * 60i64 {
        player.now += MINUTE;
        let flag = if n % 10 < 3 { "M" } else { "N" };
        let values: Vec<_> = codes.iter().map(|c| (c.clone(), format!("{}", n % 7), Some(flag.to_owned()))).collect();
        player.report(Kind::Minute, &values);
        player.judged.clear();
        told += player.happenings.iter().filter(|h| h.kind == "marks-forgotten").count();
        player.happenings.clear();
    }
    let bytes = postcard::to_allocvec(&player.marks).unwrap().len();
    println!("six days of sixteen factors blown back every ten minutes: {bytes} bytes, {told} times forgotten");
    assert!(bytes < 640 * 1024, "{bytes}");
    assert!(told > 0, "more than the bound: it is told");
}
