//! The rule of time, case by case, and under clocks that do anything.

use proptest::prelude::*;

use super::*;

const DAY: i64 = 24 * HOUR;
/// 2026-11-29T00:00:00Z.
const BEGIN: i64 = 1_795_910_400 * SECOND;

/// A host: true time, its wall clock's error, its monotonic clock, and what the gateway makes of them.
struct Host {
    truth: i64,
    error: i64,
    still: Option<i64>,
    mono: i64,
    belief: Belief,
    steps: Vec<Step>,
}

impl Host {
    fn new(error: i64) -> Host {
        let mut host = Host { truth: BEGIN, error, still: None, mono: 7, belief: Belief::default(), steps: Vec::new() };
        host.start();
        host
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.still.unwrap_or(self.truth + self.error))
    }

    fn see(&mut self, seen: Seen) {
        let (elapsed, now) = (self.belief.elapsed(), self.belief.now());
        let step = self.belief.see(self.wall(), seen);
        assert!(self.belief.elapsed() >= elapsed, "time went back");
        assert!(step.is_some() || self.belief.now() >= now, "the date went back without a step");
        self.steps.extend(step);
    }

    fn start(&mut self) {
        self.mono = 7;
        self.see(Seen::Started);
        self.see(Seen::Reading(self.mono));
    }

    /// Lets time pass: a record every second, a reading every five.
    fn pass(&mut self, micros: i64) {
        for second in 1..=micros / SECOND {
            self.truth += SECOND;
            self.mono += SECOND;
            self.see(if second % 5 == 0 { Seen::Reading(self.mono) } else { Seen::Record });
        }
    }

    /// The gateway is away.
    fn away(&mut self, micros: i64) {
        self.truth += micros;
        self.start();
    }

    /// How far the believed date is ahead of the truth.
    fn ahead(&self) -> i64 {
        self.belief.now().0 - self.truth
    }
}

#[test]
fn a_good_clock_is_taken_as_it_is() {
    let mut host = Host::new(0);
    for _ in 0..100 {
        host.pass(37 * SECOND);
        assert_eq!(host.ahead(), 0);
        assert_eq!(host.belief.plausible(host.wall()), host.wall());
    }
    host.away(2 * HOUR);
    assert_eq!((host.ahead(), host.belief.is_doubted()), (0, false), "it was away");
    assert!(host.steps.is_empty(), "{:?}", host.steps);
}

#[test]
fn a_short_jump_leaves_nothing_behind() {
    for jump in [400 * DAY, 2 * HOUR, -2 * HOUR, -400 * DAY, -BEGIN, -BEGIN - DAY, 9000 * 365 * DAY] {
        let mut host = Host::new(0);
        host.pass(100 * SECOND);
        host.error = jump;
        host.pass(7 * SECOND);
        assert!(host.ahead().abs() <= 5 * SECOND, "{jump}: {}", host.ahead());
        assert!(host.belief.plausible(host.wall()).0 - host.truth <= 5 * SECOND, "{jump}");
        host.error = 0;
        host.pass(100 * SECOND);
        assert_eq!((host.ahead(), host.belief.is_doubted(), host.steps.len()), (0, false, 0), "{jump}");
    }
}

#[test]
fn what_stays_is_believed_after_ten_minutes_and_taken_back_the_same_way() {
    for jump in [400 * DAY, 2 * HOUR, -2 * HOUR, -400 * DAY] {
        let mut host = Host::new(0);
        host.pass(100 * SECOND);
        let elapsed = host.belief.elapsed().0;
        host.error = jump;
        host.pass(CONFIRM - 5 * SECOND);
        assert!(host.steps.is_empty() && host.belief.apart().is_some_and(|apart| (apart - jump).abs() < NEAR));
        host.pass(15 * SECOND);
        assert_eq!((host.steps.len(), host.ahead()), (1, jump));
        host.error = 0;
        host.pass(CONFIRM + 10 * SECOND);
        assert_eq!((host.steps.len(), host.ahead(), host.belief.is_doubted()), (2, 0, false), "{jump}");
        let passed = host.belief.elapsed().0 - elapsed;
        assert!((passed - 2 * CONFIRM - 20 * SECOND).abs() < LEAD, "{jump}: {passed}");
    }
}

#[test]
fn while_the_clock_stands_still_time_goes_on() {
    let mut host = Host::new(0);
    host.pass(100 * SECOND);
    host.still = Some(host.truth);
    host.pass(3 * HOUR);
    assert!(host.ahead().abs() <= 2 * NEAR, "{}", host.ahead());
    host.still = None;
    host.pass(200 * SECOND);
    assert_eq!((host.belief.is_doubted(), host.steps.len()), (false, 0));
}

#[test]
fn many_small_steps_do_not_carry_it_away() {
    for (size, every) in [(8 * SECOND, 60), (8 * SECOND, 5), (-8 * SECOND, 30), (SECOND, 5)] {
        let mut host = Host::new(0);
        for _ in 0..1000 {
            host.pass(every * SECOND);
            host.error += size;
        }
        let most = 1000 * every * SECOND / 10 + LEAD + NEAR;
        assert!(host.ahead().abs() <= most, "{size} every {every}: {}", host.ahead());
        host.pass(CONFIRM + 10 * SECOND);
        assert!((host.ahead() - host.error).abs() <= NEAR, "then it stays, and is believed");
    }
}

#[test]
fn a_host_that_boots_in_1970_and_is_set_right() {
    // The very first start.
    let mut host = Host::new(-BEGIN);
    host.pass(20 * SECOND);
    host.error = 0;
    host.pass(5 * SECOND);
    assert_eq!((host.ahead(), host.belief.is_doubted()), (0, false));
    // One with a journal, after a power cut.
    host.pass(60 * SECOND);
    (host.truth, host.error) = (host.truth + 1000 * SECOND, -BEGIN);
    let asleep = host.belief.now();
    host.start();
    host.pass(20 * SECOND);
    let passed = host.belief.now().0 - asleep.0;
    assert!((0..=25 * SECOND).contains(&passed), "it goes on from where it was: {passed}");
    assert!(host.belief.plausible(host.wall()) >= asleep);
    host.error = 0;
    host.pass(5 * SECOND);
    assert_eq!((host.ahead(), host.belief.is_doubted()), (0, false), "right is believed at once");
    // One whose clock is never set.
    let mut host = Host::new(-BEGIN);
    let elapsed = host.belief.elapsed().0;
    host.pass(3 * HOUR);
    assert_eq!(host.belief.elapsed().0 - elapsed, 3 * HOUR, "time passes all the same");
    assert_eq!(host.belief.now().0, LOWEST.0 + 3 * HOUR);
}

#[test]
fn a_jump_while_the_gateway_is_away_is_confirmed_first() {
    for jump in [400 * DAY, 8 * HOUR, -2 * HOUR] {
        let mut host = Host::new(0);
        host.pass(100 * SECOND);
        host.error = jump;
        host.away(30 * SECOND);
        host.pass(60 * SECOND);
        assert!(host.ahead().abs() <= 60 * SECOND, "{jump}: {}", host.ahead());
        host.error = 0;
        host.pass(10 * SECOND);
        assert_eq!((host.ahead(), host.belief.is_doubted()), (0, false), "{jump}");
    }
    // Away for days: the wall clock is the plausible one, and is believed in the end.
    let mut host = Host::new(0);
    host.away(3 * DAY);
    host.pass(60 * SECOND);
    assert_eq!(host.belief.plausible(host.wall()), host.wall());
    host.pass(CONFIRM);
    assert_eq!((host.ahead(), host.steps.len()), (0, 1));
}

#[test]
fn a_process_that_was_stopped_for_long_asks_the_clock() {
    let mut host = Host::new(0);
    host.truth += 2 * HOUR;
    host.mono += 2 * HOUR;
    host.pass(5 * SECOND);
    assert_eq!(host.ahead(), 0, "two hours are what the monotonic clock says");
    host.truth += 2 * DAY;
    host.mono += 2 * DAY;
    host.pass(5 * SECOND);
    assert!(host.belief.is_doubted());
    host.pass(CONFIRM + 5 * SECOND);
    assert_eq!(host.ahead(), 0);
}

#[test]
fn journals_without_readings_heal_as_well() {
    let mut belief = Belief::default();
    let second = |belief: &mut Belief, wall: i64| belief.see(Timestamp(wall), Seen::Record);
    for n in 0..100 {
        assert_eq!(second(&mut belief, BEGIN + n * SECOND), None);
    }
    for n in 0..7 {
        second(&mut belief, BEGIN + 400 * DAY + (100 + n) * SECOND);
    }
    assert!((belief.now().0 - BEGIN - 107 * SECOND).abs() <= 2 * SECOND);
    for n in 107..200 {
        second(&mut belief, BEGIN + n * SECOND);
    }
    assert_eq!((belief.now().0, belief.is_doubted()), (BEGIN + 199 * SECOND, false));
}

proptest! {
    #[test]
    fn no_clock_makes_time_run_away_or_stop(
        moves in proptest::collection::vec((0i64..4, -500 * DAY..500 * DAY, 1i64..900), 1..40),
    ) {
        let mut host = Host::new(0);
        host.pass(60 * SECOND);
        let begun = host.belief.elapsed().0;
        let mut run = 0;
        for (what, size, seconds) in moves {
            match what {
                0 => host.error = size,
                1 => host.error += size % (20 * SECOND),
                2 => host.still = host.still.is_none().then_some(host.truth + host.error),
                _ => host.error = 0,
            }
            host.pass(seconds * SECOND);
            run += seconds * SECOND;
            let passed = host.belief.elapsed().0 - begun;
            prop_assert!(passed <= run + run / 10 + LEAD + NEAR, "{passed} of {run}");
            prop_assert!(passed >= run - run / 10 - LEAD - NEAR, "{passed} of {run}");
        }
        (host.error, host.still) = (0, None);
        host.pass(2 * CONFIRM + 300 * SECOND);
        prop_assert!(host.ahead().abs() <= NEAR, "it heals: {}", host.ahead());
        prop_assert!(!host.belief.is_doubted());
    }

    #[test]
    fn nothing_overflows(walls in proptest::collection::vec((any::<i64>(), 0u8..3, any::<i64>()), 0..50)) {
        let mut belief = Belief::default();
        for (wall, what, mono) in walls {
            let seen = [Seen::Record, Seen::Started, Seen::Reading(mono)][usize::from(what)];
            belief.see(Timestamp(wall), seen);
            let _ = belief.plausible(Timestamp(wall));
        }
    }
}
