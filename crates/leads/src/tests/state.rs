//! What is remembered: over snapshots, ruled leads, bounds, bytes.

use super::*;

fn mixed(player: &mut Player, step: i64) {
    let time = Timestamp(at("2026-06-01 00:00").0 + step * MINUTE);
    let stuck = (500..800).contains(&(step % 1440));
    let text = if stuck { "31.20".to_owned() } else { format!("{}.{}", 30 + (step * 7) % 60, step % 10) };
    player.value("a21026", LeadGrain::Minute, time, &text);
    if step % 60 == 0 {
        let text = if (step / 60) % 17 == 3 { "96.1".to_owned() } else { format!("4{}.{}", step % 7, step % 10) };
        player.value("a21026", LeadGrain::Hour, time, &text);
        player.value("a21026", LeadGrain::Hour, Timestamp(time.0 - HOUR), "50.0");
    }
    let behind = if (900..960).contains(&(step % 1440)) { 40 } else { 1 };
    let data = Timestamp(time.0 - behind * MINUTE);
    let seen = RecordSeen { pulse: Pulse::Minute, data, at: time, elapsed: time, set: None, offset: player.offset };
    player.leads.record(&player.rules, &seen, &mut player.out);
    player.pass(time);
}

#[test]
fn a_replay_over_snapshots_says_the_same_bytes() {
    let played = |cut: Option<i64>| {
        let mut player = Player::new(&[limit("a21026", "80", "hour")]);
        for step in 0..4 * 1440 {
            mixed(&mut player, step);
            if cut.is_some_and(|every| step % every == 0) {
                let bytes = postcard::to_stdvec(&player.leads).unwrap();
                player.leads = postcard::from_bytes(&bytes).unwrap();
            }
        }
        format!("{:?}", player.out)
    };
    let whole = played(None);
    assert!(whole.contains("L1") && whole.contains("L8") && whole.contains("L12"));
    for every in [1, 7, 61, 1440] {
        assert_eq!(whole, played(Some(every)));
    }
}

#[test]
fn what_was_ruled_about_is_not_raised_again() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    let begin = at("2026-06-01 00:00").0;
    player.move_before("a21026", Timestamp(begin));
    for step in 0..300 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), "31.20");
    }
    let id = player.ids()[0].clone();
    assert!(player.leads.named(&id, "C-1", &mut player.out));
    assert_eq!(player.leads.open().next().unwrap().case.as_deref(), Some("C-1"));
    assert!(player.leads.named(&id, "C-1", &mut player.out));
    assert_eq!(player.out.len(), 2, "the same case again says nothing");
    assert!(player.leads.rule(&id, LeadEnd::Void, &mut player.out));
    assert!(matches!(player.out.last().unwrap(), LeadEffect::Ended(_, LeadEnd::Void)));
    assert!(!player.leads.rule(&id, LeadEnd::Void, &mut player.out));
    for step in 300..1400 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), "31.20");
    }
    assert_eq!(player.out.len(), 3, "it goes on, and was ruled about");
    for step in 1440..3000 {
        let text = if step < 1500 { format!("3{}.{}0", step % 7, step % 10) } else { "31.20".into() };
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), &text);
    }
    assert_eq!(player.ids().last().unwrap(), "L1-20260602-a21026", "another day is another lead");
    player.leads.switch_off(&mut player.out);
    assert!(matches!(player.out.last().unwrap(), LeadEffect::Ended(_, LeadEnd::SwitchedOff)));
    assert!(player.leads.is_empty());
}

#[test]
fn bounds_hold_and_what_makes_room_is_told() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    for day in 0..100_i64 {
        let begin = at("2026-06-01 00:00").0 + day * DAY;
        for step in 0..400 {
            let text = if step < 60 { format!("3{}.{}0", step % 7, step % 10) } else { "31.20".into() };
            player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), &text);
        }
    }
    let forgotten = player.out.iter().filter(|effect| matches!(effect, LeadEffect::Ended(_, LeadEnd::Forgotten)));
    assert_eq!((player.ids().len(), forgotten.count(), player.leads.open().count()), (100, 100 - OPEN_MAX, OPEN_MAX));
    let many: Vec<EmissionLimit> = (0..40).map(|n| limit(&format!("a{n:05}"), "80", "hour")).collect();
    let mut player = Player::new(&many);
    for limit in &many {
        player.value(&limit.code, LeadGrain::Minute, at("2026-06-01 00:00"), "31.20");
    }
    assert!(format!("{:?}", player.leads).matches("CodeTrack").count() == TRACKS_MAX);
}

#[test]
fn no_time_breaks_anything_or_makes_it_wait() {
    let mut player = Player::new(&[limit("a21026", "80", "hour"), limit("a21026", "50", "day")]);
    let begin = at("2026-06-01 00:00");
    player.received = Some(begin);
    let far = calendar::start(calendar::read("9999-12-31").unwrap()).0;
    let early = calendar::start(calendar::read("0001-01-02").unwrap()).0;
    for time in [i64::MIN, early, 0, far, i64::MAX, begin.0 + 40 * DAY, early, far] {
        for grain in [LeadGrain::Minute, LeadGrain::Hour, LeadGrain::Day] {
            for text in ["96.1", "40", "31.20"] {
                player.value("a21026", grain, Timestamp(time), text);
            }
        }
        let seen = RecordSeen {
            pulse: Pulse::Minute,
            data: Timestamp(time),
            at: begin,
            elapsed: Timestamp(time / 2),
            set: None,
            offset: 1,
        };
        player.leads.record(&player.rules, &seen, &mut player.out);
        player.pass(begin);
    }
    player.pass(Timestamp(far));
    player.pass(begin);
    player.received = None;
    player.out.clear();
    player.move_before("a21026", Timestamp(begin.0 + DAY));
    for step in 0..300 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin.0 + DAY + step * MINUTE), "31.20");
    }
    assert_eq!(player.ids(), ["L1-20260602-a21026"], "and it is looked at as before");
}

/// The figure of docs/leads.md.
#[test]
fn a_factor_takes_so_many_bytes_in_a_checkpoint() {
    let mut player = Player::new(&[limit("a21026", "80", "hour"), limit("a21026", "50", "day")]);
    for step in 0..40 * 1440 {
        let time = Timestamp(at("2026-06-01 00:00").0 + step * MINUTE);
        let text = format!("{}.{:02}", 20 + (step * 7) % 70, step % 100);
        player.value("a21026", LeadGrain::Minute, time, &text);
        if step % 60 == 0 {
            player.value("a21026", LeadGrain::Hour, time, &text);
        }
        if step % 1440 == 0 {
            player.value("a21026", LeadGrain::Day, time, &text);
        }
    }
    let bytes = postcard::to_stdvec(&player.leads).unwrap().len();
    println!("one factor with two limits: {bytes} bytes in a checkpoint");
    assert!(bytes < 3_000, "{bytes}");
}
