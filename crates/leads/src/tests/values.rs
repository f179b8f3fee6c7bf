//! L1, L3 and L12.

use super::*;

/// Values that differ from each other, of two decimals.
fn moving(step: i64) -> String {
    format!("{}.{:02}", 30 + step % 3, (step * 37) % 100)
}

#[test]
fn a_constant_counts_from_the_first_equal_value() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    let begin = at("2026-06-01 10:00");
    for step in 0..60 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin.0 + step * MINUTE), &moving(step));
    }
    // 11:00 to 14:58 are 239 values: with the minute of the last one 239 minutes. 14:59 makes four hours.
    for step in 60..299 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin.0 + step * MINUTE), "31.20");
    }
    assert_eq!(player.ids(), [""; 0]);
    player.value("a21026", LeadGrain::Minute, at("2026-06-01 14:59"), "31.20");
    assert_eq!(player.ids(), ["L1-20260601-a21026"]);
    let lead = player.raised()[0];
    assert_eq!((lead.since, lead.until), (at("2026-06-01 11:00"), at("2026-06-01 14:59")));
    assert_eq!((number(lead, "value"), number(lead, "values"), number(lead, "hours")), ("31.20", "240", "4"));
    assert_eq!((lead.inputs[0].offset, lead.inputs[1].offset), (61, 300), "the first and the latest record");
    assert_eq!((lead.rank, lead.found), (2, 1));
    assert!(lead.zh.contains("自 2026-06-01 11:00 起连续 240 个值同为 31.20"), "{}", lead.zh);
    // It goes on to 16:30; its end is told when another value comes, and its day is the one it began on.
    for step in 300..391 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin.0 + step * MINUTE), "31.20");
    }
    assert_eq!(player.out.len(), 1, "it is not said with every value");
    player.value("a21026", LeadGrain::Minute, at("2026-06-01 16:31"), "31.2");
    let LeadEffect::Grown(lead) = &player.out[1] else { panic!("{:?}", player.out[1]) };
    assert_eq!((lead.until, number(lead, "values")), (at("2026-06-01 16:30"), "331"));
}

#[test]
fn another_text_a_gap_and_a_time_out_of_service_end_a_run() {
    let run = |between: &dyn Fn(&mut Player, Timestamp)| {
        let mut player = Player::new(&[limit("a21026", "80", "hour")]);
        let begin = at("2026-06-01 00:00");
        player.move_before("a21026", begin);
        let mut time = begin;
        for step in 0..400 {
            if step == 200 {
                between(&mut player, time);
                time = Timestamp(time.0 + MINUTE);
            }
            player.value("a21026", LeadGrain::Minute, time, "31.20");
            time = Timestamp(time.0 + MINUTE);
        }
        player.ids().len()
    };
    assert_eq!(run(&|_, _| {}), 1);
    assert_eq!(run(&|player, time| player.value("a21026", LeadGrain::Minute, time, "31.2")), 0, "the text is another");
    assert_eq!(run(&|player, time| player.seen("a21026", LeadGrain::Minute, time, "31.20", (true, false))), 0);
    assert_eq!(run(&|player, time| player.seen("a21026", LeadGrain::Minute, time, "31.20", (false, true))), 0);
    // What comes late changes nothing.
    let late = |player: &mut Player, time: Timestamp| {
        player.value("a21026", LeadGrain::Minute, Timestamp(time.0 - HOUR), "5.00");
    };
    assert_eq!(run(&late), 1);
}

#[test]
fn what_is_the_same_by_nature_is_no_lead() {
    let run = |code: &str, max: &str, grain: LeadGrain, step: i64, text: &dyn Fn(i64) -> String| {
        let mut player = Player::new(&[limit(code, max, "hour")]);
        for number in 0..2000 {
            player.value(code, grain, Timestamp(at("2026-06-01 00:00").0 + number * step), &text(number));
        }
        player.ids().len()
    };
    let always = |value: &'static str| move |_| value.to_owned();
    assert_eq!(run("a21026", "80", LeadGrain::Minute, MINUTE, &always("31.20")), 1);
    assert_eq!(run("a21026", "80", LeadGrain::Minute, MINUTE, &always("0.00")), 0, "zeros");
    assert_eq!(
        run("a34013", "20", LeadGrain::Minute, MINUTE, &always("3.1")),
        0,
        "a step of 0.1 is more than 2 % of 3.1"
    );
    assert_eq!(run("w01001", "9", LeadGrain::Hour, HOUR, &always("7.23")), 0, "pH is left out");
    assert_eq!(run("a21026", "80", LeadGrain::Day, DAY, &always("31.20")), 0, "days are not looked at");
    assert_eq!(run("a99999", "80", LeadGrain::Minute, MINUTE, &always("31.20")), 1, "any factor with a limit");
    // An analyser that measures every four hours says each value four times; twice the same measurement is no lead, six times is.
    let cycle = |number: i64| {
        let (measurement, stuck) = (number / 4, 100);
        let which = if (stuck..stuck + 6).contains(&measurement) { stuck } else { measurement };
        format!("{}.{}", 40 + which % 7, which % 10)
    };
    assert_eq!(run("w01018", "100", LeadGrain::Hour, HOUR, &cycle), 1);
    // What measures every eight hours: until four runs are known a run must be a day long, and then it is usual.
    let slow = |number: i64| format!("{}.{}", 40 + (number / 8) % 7, (number / 8) % 10);
    assert_eq!(run("w01018", "100", LeadGrain::Hour, HOUR, &slow), 0);
    // Hours are not looked at where minutes come.
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    for step in 0..3 * 1440 {
        let time = Timestamp(at("2026-06-01 00:00").0 + step * MINUTE);
        player.value("a21026", LeadGrain::Minute, time, &moving(step));
        if step % 60 == 0 {
            player.value("a21026", LeadGrain::Hour, time, "31.20");
        }
    }
    assert_eq!(player.ids(), [""; 0]);
}

#[test]
fn what_has_no_limit_is_not_looked_at() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    for step in 0..500 {
        player.value("a21002", LeadGrain::Minute, Timestamp(at("2026-06-01 00:00").0 + step * MINUTE), "31.20");
    }
    assert!(player.out.is_empty() && player.leads.is_empty());
}

#[test]
fn values_that_pile_up_below_a_limit_are_a_lead() {
    // 1440 minutes, limit 50: `piled` of 100 at 49.5 to 49.9, the rest spread over 30 to 46.
    let run = |piled: i64, above: bool, neighbours: i64| {
        let mut player = Player::new(&[limit("a21002", "50", "hour")]);
        for step in 0..1500 {
            let place = (step * 37) % 100;
            let text = if above && step == 700 {
                "50.1".to_owned()
            } else if place < piled {
                format!("49.{}", 5 + step % 5)
            } else if place < piled + neighbours {
                format!("48.{}", step % 9)
            } else {
                format!("{}.{}", 30 + (step * 13) % 16, step % 10)
            };
            player.value("a21002", LeadGrain::Minute, Timestamp(at("2026-06-01 00:00").0 + step * MINUTE), &text);
        }
        player.raised().first().map(|lead| (lead.id(), number(lead, "near").to_owned(), lead.rank))
    };
    let (id, near, rank) = run(25, false, 0).unwrap();
    assert_eq!((id.as_str(), rank), ("L3-20260601-a21002", 2));
    // 200 values are there after four full hours: 240, a quarter of which lie at the limit.
    assert_eq!(near, "60");
    assert_eq!(run(19, false, 0), None, "less than a fifth");
    assert_eq!(run(25, false, 15), None, "it does not stand out: 15 in the two parts below, 25 * 2 < 5 * 15");
    // One above at 11:40: it was found before, and is not found while that is in the window.
    assert!(run(25, true, 0).is_some());
}

#[test]
fn hours_that_pile_up_need_two_hundred() {
    let mut player = Player::new(&[limit("w01018", "50", "day")]);
    for step in 0..300 {
        let text = if step % 3 == 0 { "49.8".to_owned() } else { format!("{}.{}", 20 + (step * 7) % 20, step % 10) };
        player.value("w01018", LeadGrain::Hour, Timestamp(at("2026-06-01 00:00").0 + step * HOUR), &text);
    }
    // 200 hours are full at the end of the ninth day: 216.
    let lead = player.raised()[0];
    assert_eq!((lead.id().as_str(), number(lead, "values"), number(lead, "near")), ("L3-20260609-w01018", "216", "72"));
}

#[test]
fn an_hour_that_comes_again_below_its_limit_is_a_lead() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    let hour = at("2026-06-01 10:00");
    player.value("a21026", LeadGrain::Hour, hour, "96.1");
    player.value("a21026", LeadGrain::Hour, hour, "96.1");
    player.value("a21026", LeadGrain::Hour, hour, "84.0");
    assert_eq!(player.ids(), [""; 0], "still above");
    player.value("a21026", LeadGrain::Hour, hour, "76.2");
    assert_eq!(player.ids(), [""; 0], "76.2 is 9.3 % lower than 84.0: a correction");
    let next = at("2026-06-01 11:00");
    player.value("a21026", LeadGrain::Hour, next, "96.1");
    player.value("a21026", LeadGrain::Hour, next, "76.2");
    let lead = player.raised()[0];
    assert_eq!((lead.id().as_str(), number(lead, "was"), number(lead, "is")), ("L12-20260601-a21026", "96.1", "76.2"));
    // (96.1 - 76.2) / 96.1 = 20.7 %
    assert_eq!((number(lead, "lower_by"), lead.inputs.len()), ("20.7%", 2));
    // Higher, or never above, is nothing.
    let third = at("2026-06-01 12:00");
    player.value("a21026", LeadGrain::Hour, third, "70");
    player.value("a21026", LeadGrain::Hour, third, "40");
    player.value("a21026", LeadGrain::Hour, third, "90");
    assert_eq!(player.out.len(), 1);
    // A second hour of the day is added to the same lead.
    player.value("a21026", LeadGrain::Hour, third, "60");
    let LeadEffect::Grown(lead) = &player.out[1] else { panic!() };
    assert_eq!((lead.found, lead.inputs.len(), lead.since, lead.until), (2, 4, next, third));
}

#[test]
fn days_are_compared_with_the_limit_of_days() {
    let mut player = Player::new(&[limit("a21026", "80", "day"), limit("a21026", "100", "hour")]);
    let day = at("2026-06-01 00:00");
    player.value("a21026", LeadGrain::Day, day, "90");
    player.value("a21026", LeadGrain::Day, day, "79");
    assert_eq!(player.ids(), ["L12-20260601-a21026"]);
    let hour = at("2026-06-02 00:00");
    player.value("a21026", LeadGrain::Hour, hour, "95");
    player.value("a21026", LeadGrain::Hour, hour, "70");
    assert_eq!(player.ids().len(), 1, "95 was not above the limit of hours");
}
