//! The order in which entries come does not matter: among themselves, and before, between or after the data they are about.

use proptest::prelude::*;

use super::super::expr::{DAY, HOUR};
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
        let reading =
            Reading { code: "a21026", text: "5", judged: None, none: false, doubtful: false, flag: Some(flag) };
        let dust = Reading { code: "a34013", ..reading };
        let seen =
            Observation { at: Timestamp(player.now), data: Some(Timestamp(data)), kind, readings: &[reading, dust] };
        let mut out = MarkVerdict::default();
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

/// One report of an hour: its number, the code, value, converted value, letter; or an entry: number, mark, from, to in minutes.
#[derive(Debug, Clone)]
enum Packet {
    Said(i64, &'static str, &'static str, Option<&'static str>, &'static str),
    Entry(usize, usize, i64, i64),
}

const ABOUT: [(&str, &str); 6] = [
    ("inc19:start", "furnace-1"),
    ("inc19:fault", "furnace-1"),
    ("inc19:off", "furnace-1"),
    ("dev22:fault", "a19001"),
    ("dev22:fault", "a34013"),
    ("dev22:maint", "a21026"),
];

/// What everything is worth in the end, and the conflicts and doubted letters that were told, in order.
fn in_the_end(packets: &[Packet], restored: bool) -> (Vec<Option<Validity>>, Vec<String>) {
    let book = book();
    let mut facts = rig("inc19,dev22");
    facts.facilities = vec![facility("furnace-1", "furnace", "feed=f temp=t burner=b fan=n")];
    let mut player = Player::new(&book, &facts, "2017", "air");
    player.restored = restored;
    let day = super::super::calendar::read("2026-03-03T00:00:00+08:00").unwrap().0;
    let say = |player: &mut Player, kind: Kind, data: i64, readings: &[Reading<'_>]| {
        player.restore();
        let seen = Observation { at: Timestamp(player.now), data: Some(Timestamp(data)), kind, readings };
        let mut out = MarkVerdict::default();
        player.marks.observe(&player.plan, &seen, &mut out);
        player.happenings.extend(out.happenings);
    };
    let of = |code, text, judged, flag| Reading { code, text, judged, none: false, doubtful: false, flag: Some(flag) };
    for hour in 0..24 {
        player.now = day - DAY + (hour + 1) * HOUR;
        let all = [of("a21026", "5", Some("9"), "N"), of("a19001", "11", None, "N"), of("a34013", "5", Some("9"), "N")];
        say(&mut player, Kind::Hour, day - DAY + hour * HOUR, &all);
    }
    player.now = day + DAY + HOUR;
    for packet in packets {
        match packet {
            Packet::Said(hour, code, text, judged, flag) => {
                say(&mut player, Kind::Hour, day + hour * HOUR, &[of(code, text, *judged, flag)]);
            }
            Packet::Entry(number, mark, from, to) => {
                let (mark, object) = ABOUT[*mark];
                let time = |minutes: &i64| Timestamp(day + minutes * MINUTE).to_rfc3339();
                let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("e{number}"), "mark": mark, "object": object,
                    "begin": time(from), "end": time(to), "reason": "log book", "proof": "p", "author": "Wang" });
                assert!(player.enter(&entry.to_string()).refused.is_none());
            }
        }
    }
    let all = [of("a21026", "5", Some("9"), "N"), of("a19001", "11", None, "N"), of("a34013", "5", Some("9"), "N")];
    say(&mut player, Kind::Day, day, &all);
    let mut worths = Vec::new();
    for code in ["a21026", "a19001", "a34013"] {
        let now = |kind, at: i64| player.marks.worth_now(&player.plan, code, kind, Timestamp(at), None);
        worths.extend((0..24).map(|hour| now(Kind::Hour, day + hour * HOUR)));
        worths.push(now(Kind::Day, day));
    }
    let told = |h: &Happening| match h.kind {
        "flag-differs" => Some(format!("{} {} {}", h.kind, h.detail["code"], h.detail["data_time"])),
        "mark-conflict" if h.detail["conflict"] == "inc19:dust-150" => {
            Some(format!("{} {} {}", h.kind, h.detail["since"], h.detail["inputs"][0]["value"]))
        }
        _ => None,
    };
    let mut told: Vec<String> = player.happenings.iter().filter_map(told).collect();
    told.sort();
    (worths, told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_holds_in_the_end_does_not_depend_on_what_came_first(
        hours in proptest::collection::vec((
            prop_oneof![6 => Just("N"), 1 => Just("D"), 1 => Just("S")],
            prop_oneof![8 => Just(("11", "N")), 1 => Just(("11", "D")), 1 => Just(("20.9", "N"))],
            prop_oneof![5 => Just(("20", "N")), 1 => Just(("20", "D")), 2 => Just(("200", "N"))],
            0usize..6,
        ), 24),
        entries in proptest::collection::vec((0usize..ABOUT.len(), 0i64..1300, 10i64..400), 0..6),
        seed in any::<u64>(),
    ) {
        let packets = |number: usize| {
            let (flag, oxygen, dust, order) = hours[number];
            let hour = number as i64;
            let all = [
                Packet::Said(hour, "a21026", "5", Some("9"), flag),
                Packet::Said(hour, "a19001", oxygen.0, None, oxygen.1),
                Packet::Said(hour, "a34013", dust.0, Some(dust.0), dust.1),
            ];
            let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
            (all.clone(), orders[order].map(|at: usize| all[at].clone()))
        };
        let of_entries: Vec<Packet> = (0..)
            .zip(&entries)
            .map(|(n, (mark, from, long))| Packet::Entry(n, *mark, *from, (from + long).min(1440)))
            .collect();
        let straight: Vec<Packet> =
            (0..24).flat_map(|number| packets(number).0).chain(of_entries.iter().cloned()).collect();
        let mut mixed: Vec<Packet> = (0..24).flat_map(|number| packets(number).1).collect();
        let mut state = seed | 1;
        for entry in of_entries {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            mixed.insert((state >> 33) as usize % (mixed.len() + 1), entry);
        }
        let (forth, back) = (in_the_end(&straight, false), in_the_end(&mixed, true));
        // A conflict is told by what is known at that time; the letters' matter is theirs alone.
        let letters = |all: &[String]| -> Vec<String> {
            all.iter().filter(|told| told.starts_with("flag")).cloned().collect()
        };
        prop_assert_eq!(letters(&forth.1), letters(&back.1));
        prop_assert_eq!(forth.0, back.0);
    }
}

/// All orders of the numbers below `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let with = |order: &Vec<usize>| {
        (0..count).map(|at| [&order[..at], &[count - 1], &order[at..]].concat()).collect::<Vec<_>>()
    };
    shorter.iter().flat_map(with).collect()
}

#[test]
fn a_broken_condition_does_not_depend_on_when_device_entries_on_particulates_came() {
    // A start of one hour, two entries of ten minutes each about the particulates' instrument (one alone can be spared, both cannot), and the
    // means of the hour: the particulates above 150, beside and apart from the others.
    let packets = [
        Packet::Entry(0, 0, 600, 660),
        Packet::Entry(1, 4, 600, 610),
        Packet::Entry(2, 4, 620, 630),
        Packet::Said(10, "a34013", "200", Some("200"), "N"),
        Packet::Said(10, "a21026", "5", Some("9"), "N"),
    ];
    let of = |order: &[usize], restored: bool| {
        let packets: Vec<Packet> = order.iter().map(|at| packets[*at].clone()).collect();
        in_the_end(&packets, restored)
    };
    let first = of(&[0, 1, 2, 3, 4], false);
    let conflicts = first.1.iter().filter(|told| told.starts_with("mark-conflict")).count();
    assert_eq!(conflicts, 1, "it is told though the instrument is said to be broken: {:?}", first.1);
    for order in orders(packets.len()) {
        assert_eq!(of(&order, order[0] == 1), first, "{order:?}");
    }
}
