//! L5, L6, and times out of service.

use super::*;

/// Days of hours: those of `above` (day, hour) at 96, all others at 50.
fn days(player: &mut Player, count: i64, above: &[(i64, i64)]) {
    for hour in 0..count * 24 {
        let text = if above.contains(&(hour / 24, hour % 24)) {
            "96.1".to_owned()
        } else {
            format!("5{}.{}", hour % 7, hour % 10)
        };
        player.value("a21026", LeadGrain::Hour, Timestamp(at("2026-06-01 00:00").0 + hour * HOUR), &text);
        player.pass(Timestamp(at("2026-06-01 00:00").0 + (hour + 1) * HOUR));
    }
    player.pass(Timestamp(at("2026-06-01 00:00").0 + count * DAY + 13 * HOUR));
}

fn mark(name: &str, (day, hour): (i64, i64), minutes: (i64, i64)) -> ByHand {
    let from = at("2026-06-01 00:00").0 + day * DAY + hour * HOUR;
    ByHand {
        entry: format!("E{day}-{hour}"),
        mark: name.into(),
        since: Timestamp(from + minutes.0 * MINUTE),
        until: Some(Timestamp(from + minutes.1 * MINUTE)),
        device: name.starts_with("dev22"),
    }
}

const ABOVE: [(i64, i64); 6] = [(1, 3), (2, 14), (4, 9), (5, 20), (7, 11), (9, 2)];

#[test]
fn marks_that_follow_values_above_the_limit_are_a_lead() {
    let played = |count: usize, name: &str, minutes: (i64, i64)| {
        let mut player = Player::new(&[limit("a21026", "80", "hour")]);
        player.marks.by_hand = ABOVE.iter().take(count).map(|hour| mark(name, *hour, minutes)).collect();
        days(&mut player, 11, &ABOVE);
        player
    };
    // Four runs are there on 2026-06-06 (day 5), and its entries are closed on the 7th at noon: 4 of 4 are followed.
    let player = played(6, "dev22:maintain", (10, 70));
    let lead = player.raised()[0];
    assert_eq!(player.ids(), ["L5-20260606-a21026"]);
    assert_eq!((number(lead, "runs"), number(lead, "followed"), number(lead, "end_with_values")), ("4", "4", "4"));
    assert_eq!((number(lead, "share"), number(lead, "limit"), lead.rank), ("100%", "80", 2));
    assert_eq!(lead.since, at("2026-06-02 03:00"));
    // Later days are added to the same lead.
    let last = of(player.out.last().unwrap());
    assert_eq!((last.id().as_str(), number(last, "runs"), number(last, "followed")), ("L5-20260606-a21026", "6", "6"));
    assert_eq!(played(3, "dev22:maintain", (10, 70)).ids(), [""; 0], "three are too few, whatever the share");
    assert_eq!(played(6, "dev22:maintain", (-90, 30)).ids(), [""; 0], "the marks began before");
    assert_eq!(played(6, "inc19:start", (10, 70)).ids(), [""; 0], "starts do so by nature");
    assert_eq!(played(6, "inc19:fault", (10, 70)).ids(), ["L5-20260606-a21026"]);
}

#[test]
fn every_run_followed_is_of_a_higher_rank_and_long_marks_are_named() {
    let above: Vec<(i64, i64)> = (0..9).map(|day| (day, 8)).collect();
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    player.marks.by_hand = above.iter().map(|hour| mark("dev22:maintain", *hour, (0, 120))).collect();
    days(&mut player, 10, &above);
    let last = of(player.out.last().unwrap());
    assert_eq!((last.rank, number(last, "runs"), number(last, "followed")), (3, "9", "9"));
    // Seven marks of two hours within the week that ends with 2026-06-09.
    assert_eq!(number(last, "device_hours_week"), "14");
    assert_eq!(last.inputs.len(), INPUTS_MAX);
}

#[test]
fn hours_in_a_row_are_one_run_and_unusable_ones_none() {
    let above: Vec<(i64, i64)> = (0..4).flat_map(|day| [(day, 8), (day, 9), (day, 10)]).collect();
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    player.marks.by_hand = (0..4).map(|day| mark("dev22:maintain", (day, 9), (0, 120))).collect();
    days(&mut player, 5, &above);
    assert_eq!(number(player.raised()[0], "runs"), "4");
    let mut flagged = Player::new(&[limit("a21026", "80", "hour")]);
    flagged.marks.by_hand = (0..5).map(|day| mark("dev22:calibrate", (day, 8), (0, 60))).collect();
    for day in 0..5 {
        let hour = Timestamp(at("2026-06-01 08:00").0 + day * DAY);
        flagged.seen("a21026", LeadGrain::Hour, hour, "190", (false, true));
    }
    flagged.pass(at("2026-06-08 13:00"));
    assert_eq!(flagged.ids(), [""; 0], "the station's own flag says calibration");
}

#[test]
fn conflicts_of_stops_are_leads() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    let seen = |name, object| ConflictSeen {
        name,
        object,
        mark: "inc19:off",
        zh: "停运标记期间仍在投料（标停未停）",
        en: "marked as out of service while it is fed",
        clause: "gateway inference",
        since: at("2026-06-01 23:50"),
        at: at("2026-06-02 00:01"),
        inputs: vec![LeadInput { offset: 7, at: at("2026-06-02 00:00"), value: "feed 2.4".into() }],
        offset: 7,
    };
    player.leads.conflict(&player.rules, &seen("off-while-running", "furnace-1"), &mut player.out);
    player.leads.conflict(&player.rules, &seen("off-while-running", "furnace-1"), &mut player.out);
    player.leads.conflict(&player.rules, &seen("fault-in-off", "furnace-1"), &mut player.out);
    player.leads.conflict(&player.rules, &seen("off-while-running", "furnace 2/#"), &mut player.out);
    assert_eq!(player.ids(), ["L6-20260601-furnace-1", "L6-20260601-furnace_2__"]);
    assert_eq!(player.out.len(), 3);
    assert_eq!(player.raised()[0].rank, 3);
}

#[test]
fn a_lead_over_a_time_out_of_service_is_taken_back_when_entries_are_closed() {
    let played = |out: Vec<(i64, i64)>| {
        let mut player = Player::new(&[limit("a21026", "80", "hour")]);
        player.marks.out = out;
        player.move_before("a21026", at("2026-06-01 08:00"));
        for step in 0..300 {
            player.value("a21026", LeadGrain::Minute, Timestamp(at("2026-06-01 08:00").0 + step * MINUTE), "31.20");
        }
        player.value("a21026", LeadGrain::Minute, at("2026-06-01 13:00"), "2.00");
        player.pass(at("2026-06-02 11:59"));
        assert!(!player.out.iter().any(|effect| matches!(effect, LeadEffect::Ended(..))));
        player.pass(at("2026-06-02 12:00"));
        player.out.last().unwrap().clone()
    };
    let window = (at("2026-06-01 06:00").0, at("2026-06-01 20:00").0);
    assert!(matches!(played(vec![window]), LeadEffect::Ended(_, LeadEnd::OutOfService)));
    assert!(matches!(played(vec![]), LeadEffect::Grown(_)));
    assert!(matches!(played(vec![(window.0, at("2026-06-01 10:00").0)]), LeadEffect::Grown(_)), "less than half");
}
