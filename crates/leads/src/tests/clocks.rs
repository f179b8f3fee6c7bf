//! L8.

use super::*;

struct Clock {
    player: Player,
    /// Arrival of the next record.
    now: i64,
    /// What a step of the host's clock added to arrivals.
    host: i64,
    set: Option<Timestamp>,
}

impl Clock {
    fn new() -> Clock {
        let player = Player::new(&[limit("a21026", "80", "hour")]);
        Clock { player, now: at("2026-06-01 08:00").0, host: 0, set: None }
    }

    /// `count` records, a minute apart, whose times are `behind` minutes behind their arrival.
    fn send(&mut self, count: i64, behind: i64) -> &mut Clock {
        for _ in 0..count {
            self.player.offset += 1;
            let seen = RecordSeen {
                pulse: Pulse::Minute,
                data: Timestamp(self.now + self.host - behind * MINUTE),
                at: Timestamp(self.now + self.host),
                elapsed: Timestamp(self.now),
                set: self.set,
                offset: self.player.offset,
            };
            self.player.leads.record(&self.player.rules, &seen, &mut self.player.out);
            self.now += MINUTE;
        }
        self
    }
}

#[test]
fn a_clock_that_goes_off_and_back_is_a_lead() {
    let mut clock = Clock::new();
    // 08:00 to 08:59 a minute behind; from 09:00 on two hours more, thirty records; back at 09:30.
    clock.send(60, 1).send(30, 121).send(1, 1);
    let lead = clock.player.raised()[0];
    assert_eq!(lead.id(), "L8-20260601");
    assert_eq!((lead.since, lead.until), (at("2026-06-01 09:00"), at("2026-06-01 09:30")));
    assert_eq!((number(lead, "off_by_minutes"), number(lead, "records")), ("-120", "30"));
    assert_eq!(number(lead, "lasted_minutes"), "29");
    assert!(lead.zh.contains("慢 120 分钟"), "{}", lead.zh);
    let mut ahead = Clock::new();
    ahead.send(60, 1).send(30, -14).send(1, 1);
    assert_eq!(number(ahead.player.raised()[0], "off_by_minutes"), "15");
}

#[test]
fn what_is_no_moved_clock_is_no_lead() {
    let leads = |play: &dyn Fn(&mut Clock)| {
        let mut clock = Clock::new();
        clock.send(60, 1);
        play(&mut clock);
        clock.player.out.len()
    };
    assert_eq!(leads(&|clock| _ = clock.send(30, 11).send(5, 1)), 1, "ten minutes");
    assert_eq!(leads(&|clock| _ = clock.send(30, 10).send(5, 1)), 0, "nine minutes");
    assert_eq!(leads(&|clock| _ = clock.send(4, 61).send(5, 1)), 0, "four records");
    assert_eq!(leads(&|clock| _ = clock.send(30, 26 * 60).send(5, 1)), 0, "more than a day: no battery");
    assert_eq!(leads(&|clock| _ = clock.send(25 * 60, 61).send(5, 61)), 0, "it stays so");
    assert_eq!(leads(&|clock| _ = clock.send(25 * 60, 61).send(30, 1).send(2, 61)), 1, "and that is usual then");
    // A backlog: ten records a minute, each a minute less behind.
    let backlog = |clock: &mut Clock| {
        for behind in (2..120).rev() {
            clock.send(1, behind);
            clock.now -= MINUTE - MINUTE / 10;
        }
        clock.send(5, 1);
    };
    assert_eq!(leads(&backlog), 0);
    // One late record between each two that are not.
    assert_eq!(leads(&|clock| (0..60).for_each(|_| _ = clock.send(1, 61).send(1, 1))), 0);
    // A clock that runs slow by a minute a day for a month, and is set.
    assert_eq!(leads(&|clock| (0..30).for_each(|day| _ = clock.send(300, 1 + day))), 0);
    let set = |clock: &mut Clock| {
        clock.send(30, 61);
        clock.set = Some(Timestamp(clock.now - MINUTE));
        clock.send(5, 1);
    };
    assert_eq!(leads(&set), 0, "the gateway had it set");
    let host = |clock: &mut Clock| {
        clock.host = HOUR;
        clock.send(30, 61);
        clock.host = 0;
        clock.send(30, 1);
    };
    assert_eq!(leads(&host), 0, "the host's clock was off");
}

#[test]
fn minutes_that_come_twice_with_other_values_are_a_lead() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    let begin = at("2026-06-01 08:00").0;
    let text = |step: i64, pass: i64| format!("{}.{}", 40 + (step * 7) % 9 - pass * 5, step % 10);
    for step in 0..100 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), &text(step, 0));
    }
    // The last hour once more, the same: nothing. Then with lower values: the tenth such minute is a lead.
    for step in 40..100 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), &text(step, 0));
    }
    for step in 40..49 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), &text(step, 1));
    }
    assert_eq!(player.ids(), [""; 0]);
    player.value("a21026", LeadGrain::Minute, Timestamp(begin + 49 * MINUTE), &text(49, 1));
    let lead = player.raised()[0];
    assert_eq!((lead.id().as_str(), number(lead, "minutes_twice")), ("L8-20260601-a21026", "10"));
    assert_eq!((lead.since, lead.until), (at("2026-06-01 08:40"), at("2026-06-01 08:49")));
}

#[test]
fn minutes_of_a_gap_are_not_taken_for_others() {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    let begin = at("2026-06-01 08:00").0;
    for step in 0..60 {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), "40.1");
    }
    // A gap of an hour, then two hours; then the gap is filled.
    for step in (120..180).chain(60..120).chain(180..400) {
        player.value("a21026", LeadGrain::Minute, Timestamp(begin + step * MINUTE), &format!("5{}.2", step % 10));
    }
    assert_eq!(player.ids(), [""; 0]);
}
