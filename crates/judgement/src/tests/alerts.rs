//! Alerts over days: which colour, when it is raised, and that none vanishes without a word.

use super::*;

fn player() -> Player {
    let mut player = Player::new(&[limit(SO2, "100", "day", None), limit("a21002", "100", "day", None)]);
    let texts = crate::alerts::built_in_texts();
    player.rules = crate::alerts::Rules::in_force(&texts);
    assert!(player.rules.is_some());
    player
}

/// The alerts that were said, in order: colour, why, stage.
fn said(player: &Player) -> Vec<String> {
    let view = |body: &Value| {
        let text = |key: &str| body[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("code"), text("colour"), text("why"), text("stage"))
    };
    player.said("event/alert").into_iter().map(view).collect()
}

#[test]
fn a_worse_day_raises_the_one_alert_and_a_day_that_meets_ends_it() {
    let mut player = player();
    for (day, value) in [("2026-06-01", "120"), ("2026-06-02", "120"), ("2026-06-03", "250"), ("2026-06-04", "90")] {
        player.day(SO2, day, value, &[]);
    }
    player.to(at("2026-06-05 13"));
    assert_eq!(
        said(&player),
        [
            "a21026 blue exceeded provisional",
            "a21026 blue settled settled",
            "a21026 yellow raised provisional",
            "a21026 yellow settled settled",
            "a21026 orange raised provisional",
            "a21026 orange settled settled",
            "a21026 - met-again settled",
        ]
    );
    // What is retained is the same alert throughout, and cleared in the end.
    let retained: Vec<_> = player.out.iter().filter(|said| said.retain).collect();
    assert!(retained.iter().all(|said| said.topic == "alert/A-20260601-a21026"));
    assert!(retained.last().unwrap().body.is_none() && player.outlet.alerts().open().count() == 0);
}

#[test]
fn a_provisional_alert_that_falls_away_says_so() {
    let mut player = player();
    let high: Vec<_> = (0..3).map(|hour| (hour, "900", Validity::Valid)).collect();
    player.day(SO2, "2026-06-01", "90", &high);
    for hour in 0..3 {
        let time = at(&format!("2026-06-01 {hour}"));
        player.outlet.worth(&player.limits, (Mean::Hour, time, SO2), (Some(Validity::Exempt), None), &mut Vec::new());
    }
    player.to(at("2026-06-02 13"));
    // (3 × 900 + 21 × 90) / 24 = 191.25
    assert_eq!(said(&player), ["a21026 yellow exceeded provisional", "a21026 - settled-met provisional"]);
}

#[test]
fn a_revision_lowers_or_ends_an_alert() {
    let mut player = player();
    player.day(SO2, "2026-06-01", "120", &[]);
    player.day(SO2, "2026-06-02", "120", &[]);
    player.to(at("2026-06-03 11"));
    let annul = |player: &mut Player, day: &str| {
        for hour in 0..24 {
            let time = at(&format!("{day} {hour}"));
            player.outlet.worth(
                &player.limits,
                (Mean::Hour, time, SO2),
                (Some(Validity::Invalid), None),
                &mut Vec::new(),
            );
        }
    };
    annul(&mut player, "2026-06-02");
    player.to(at("2026-06-03 11"));
    annul(&mut player, "2026-06-01");
    player.to(at("2026-06-03 11"));
    let said = said(&player);
    assert_eq!(said[said.len() - 2..], ["a21026 blue lowered settled", "a21026 - revised settled"]);
}

#[test]
fn what_is_due_counts_from_the_settled_day_in_working_days() {
    let mut player = player();
    // 2026-06-04 is a Thursday; its day is settled on Friday after noon.
    player.day(SO2, "2026-06-04", "120", &[]);
    player.to(at("2026-06-05 13"));
    let told: Vec<_> = player.out.iter().filter(|said| said.retain).filter_map(|said| said.body.clone()).collect();
    assert_eq!(told[0]["told"]["reply_by"], Value::Null, "nothing is due while it is provisional");
    let last = &told.last().unwrap()["told"];
    assert_eq!(last["reply_by"], "2026-06-07T13:00:00.000+08:00");
    // Five working days from Friday: Monday to Friday of the next week.
    assert_eq!(last["finish_by"], "2026-06-13T00:00:00.000+08:00");
    assert_eq!(last["calendar"], "table");
}

#[test]
fn tasks_count_the_working_days_of_the_holiday_notice() {
    // 2026: 1 to 7 October are off, Saturday 10 October is worked; the day of Wednesday is settled on Thursday.
    let mut player = player();
    player.day(SO2, "2026-09-29", "120", &[]);
    player.to(at("2026-09-30 13"));
    let body = player.out.iter().filter(|said| said.retain).filter_map(|said| said.body.clone()).next_back().unwrap();
    // 8, 9, 10, 12 and 13 October, to the end of the last.
    assert_eq!(body["told"]["finish_by"], "2026-10-14T00:00:00.000+08:00");
}

#[test]
fn a_colour_that_rests_on_a_day_that_is_not_settled_is_provisional_and_moves_nothing() {
    let mut player = player();
    player.day(SO2, "2026-06-01", "120", &[]);
    player.to(at("2026-06-02 13"));
    let retained = |player: &Player| {
        player.out.iter().filter(|said| said.retain).filter_map(|said| said.body.clone()).next_back().unwrap()
    };
    let due = retained(&player)["told"].clone();
    let raised = |player: &Player| -> Vec<String> {
        let each = |raised: &Raised| match raised {
            Raised::Day { day, .. } => day.clone(),
            Raised::Alert { colour, days, .. } => format!("{colour} {}", days.join(" ")),
        };
        player.out.iter().filter_map(|said| said.raised.as_ref()).map(each).collect()
    };
    let known = ["2026-06-01", "blue 2026-06-01"];
    assert_eq!(raised(&player), known);
    // The second day exceeds, for now: two days in a row would be yellow.
    let high: Vec<_> = (0..3).map(|hour| (hour, "900", Validity::Valid)).collect();
    player.day(SO2, "2026-06-02", "50", &high);
    let body = retained(&player);
    assert_eq!(
        (&body["colour"], &body["stage"], &body["settled"]),
        (&"yellow".into(), &"provisional".into(), &"blue".into())
    );
    assert_eq!(body["told"], due, "nothing settled has changed");
    assert!(body["explain"]["zh"].as_str().unwrap().contains("暂定"));
    assert!(raised(&player).iter().all(|raised| known.contains(&raised.as_str())), "cases are told nothing of it");
    // A ruling takes it back: it was met.
    for hour in 0..3 {
        let time = at(&format!("2026-06-02 {hour}"));
        player.outlet.worth(&player.limits, (Mean::Hour, time, SO2), (Some(Validity::Exempt), None), &mut Vec::new());
    }
    player.to(at("2026-06-03 11"));
    let body = retained(&player);
    assert_eq!((&body["colour"], &body["stage"], &body["why"]), (&"blue".into(), &"settled".into(), &"lowered".into()));
    assert_eq!(body["told"], due);
    assert!(raised(&player).iter().all(|raised| known.contains(&raised.as_str())));
}

#[test]
fn cases_are_told_of_every_settled_exceeded_day() {
    let mut player = player();
    for day in ["2026-06-01", "2026-06-02", "2026-06-03"] {
        player.day(SO2, day, "101", &[]);
    }
    player.rules = None;
    player.day(SO2, "2026-06-04", "101", &[]);
    player.to(at("2026-06-05 13"));
    let days: Vec<&str> = player
        .out
        .iter()
        .filter_map(|said| match &said.raised {
            Some(Raised::Day { day, .. }) => Some(day.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(days, ["2026-06-01", "2026-06-02", "2026-06-03", "2026-06-04"], "each once, with alerts or without");
}

#[test]
fn reminders_come_while_it_is_open_and_not_while_the_source_is_out() {
    let mut player = player();
    player.day(SO2, "2026-06-01", "160", &[]);
    player.to(at("2026-06-02 13"));
    player.table.holds.replace(true);
    player.to(at("2026-06-03 14"));
    assert_eq!(player.said("event/alert-reminder").len(), 0);
    player.table.holds.replace(false);
    for hour in 0..24 * 6 {
        player.to(Timestamp(at("2026-06-03 15").0 + hour * HOUR));
    }
    assert_eq!(player.said("event/alert-reminder").len(), 3, "once a day, three times");
}

#[test]
fn warnings_ahead_come_once_a_day() {
    let mut player = player();
    player.day(SO2, "2026-06-01", "95", &[]);
    let ahead = player.said("event/alert-ahead");
    assert_eq!(ahead.len(), 1);
    assert_eq!((ahead[0]["hours"].as_u64(), ahead[0]["ratio"].as_str()), (Some(12), Some("0.95")));
}

#[test]
fn several_factors_and_many_days_of_a_month_are_seen() {
    let mut player = player();
    for day in 1..=12 {
        let value = if day % 2 == 1 { "101" } else { "99" };
        player.day(SO2, &format!("2026-06-{day:02}"), value, &[]);
    }
    player.to(at("2026-06-13 13"));
    let raised: Vec<String> = said(&player).into_iter().filter(|line| line.contains("exceeded")).collect();
    // Each odd day for itself: the sixth of the month is red.
    let colours: Vec<&str> = raised.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(colours, ["blue", "blue", "blue", "blue", "blue", "red"]);
}

#[test]
fn what_is_found_after_the_limit_was_met_again_is_said_once() {
    let mut player = player();
    let high: Vec<_> = (0..4).map(|hour| (hour, "900", Validity::Valid)).collect();
    player.day(SO2, "2026-06-01", "60", &high);
    for hour in 0..4 {
        let time = at(&format!("2026-06-01 {hour}"));
        player.outlet.worth(&player.limits, (Mean::Hour, time, SO2), (Some(Validity::Exempt), None), &mut Vec::new());
    }
    for day in 2..=9 {
        player.day(SO2, &format!("2026-06-{day:02}"), "60", &[]);
    }
    for hour in 0..4 {
        let time = at(&format!("2026-06-01 {hour}"));
        player.outlet.worth(&player.limits, (Mean::Hour, time, SO2), (Some(Validity::Valid), None), &mut Vec::new());
    }
    player.to(player.now);
    // (4 × 900 + 20 × 60) / 24 = 200
    let wanted = [
        "a21026 orange exceeded provisional",
        "a21026 - settled-met provisional",
        "a21026 orange exceeded settled",
        "a21026 - met-again settled",
    ];
    assert_eq!(said(&player), wanted);
    for day in 10..=45 {
        player.to(Timestamp(at("2026-06-01").0 + day * DAY));
    }
    assert_eq!(said(&player).len(), 4, "not again when its days are forgotten one by one");
    assert_eq!(player.outlet.alerts().open().count(), 0);
}
