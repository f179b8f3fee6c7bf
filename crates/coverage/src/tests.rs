//! Stations that go away, come back, lose records and are asked for them.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use hj212::Edition;
use hj212_downlink::{Address, Desk, Effect, table};

mod month;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAYS: i64 = 24 * HOUR;

/// Midnight in Beijing, 2026-06-01.
fn midnight() -> Timestamp {
    local::timestamp(local::read("20260601000000").unwrap())
}

fn later(at: Timestamp, micros: i64) -> Timestamp {
    Timestamp(at.0 + micros)
}

fn record(grain: Grain, data_time: Timestamp, at: Timestamp) -> Arrival {
    Arrival { grain, data_time, at, backfill: at.0.saturating_sub(data_time.0) > 90 * MINUTE, registered: None }
}

/// How a station answers requests for its history.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    All,
    /// Done, and nothing came.
    Empty,
    NoData,
    Nothing,
}

/// A ledger, a clock, and a station that keeps what it could not send.
struct World {
    ledger: Ledger,
    settings: Settings,
    now: Timestamp,
    online: bool,
    /// Sends no minute data although it is connected.
    mute: bool,
    answers: Answers,
    happenings: Vec<(Timestamp, Happening)>,
    asked: Vec<(Timestamp, Recall)>,
    outages: Outages,
}

impl World {
    fn new(settings: Settings) -> World {
        let mut ledger = Ledger::default();
        ledger.presence(true, midnight());
        World {
            ledger,
            settings,
            now: midnight(),
            online: true,
            mute: false,
            answers: Answers::All,
            happenings: Vec::new(),
            asked: Vec::new(),
            outages: Outages::default(),
        }
    }

    fn note(&mut self, out: Vec<Happening>) {
        self.happenings.extend(out.into_iter().map(|happening| (self.now, happening)));
        self.ledger.tracks.iter().for_each(Track::check);
    }

    fn arrive(&mut self, grain: Grain, data_time: Timestamp) {
        let mut out = Vec::new();
        self.ledger.arrived(&record(grain, data_time, self.now), &self.outages, &mut out);
        self.note(out);
    }

    fn connect(&mut self, online: bool) {
        self.online = online;
        self.ledger.presence(online, self.now);
    }

    /// Minute by minute: the station sends what is due while it is connected, time passes, requests are made and answered.
    fn run(&mut self, minutes: i64) {
        for _ in 0..minutes {
            self.now = later(self.now, MINUTE);
            let since = self.now.0 - midnight().0;
            for (grain, every) in [(Grain::Minute, 10 * MINUTE), (Grain::Hour, HOUR), (Grain::Day, DAYS)] {
                if self.online && since % every == 0 && !(self.mute && grain == Grain::Minute) {
                    self.arrive(grain, later(self.now, -every));
                }
            }
            let mut out = Vec::new();
            self.ledger.tick(self.now, &self.settings, &self.outages, &mut out);
            self.note(out);
            if let Some(recall) = self.ledger.plan("M", self.now, &self.settings) {
                self.carry_out(recall);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        // As the journal would give it.
        let step = Step::decode(&step.encode()).unwrap();
        let mut out = Vec::new();
        self.ledger.step(&step, self.now, &self.settings, &self.outages, &mut out);
        self.note(out);
    }

    fn carry_out(&mut self, recall: Recall) {
        assert!(self.online && self.ledger.asking.open.is_none());
        self.step(&queued(&recall, self.now));
        let (begin, end) = (recall.begin, recall.end);
        let outcome = match self.answers {
            Answers::All => {
                let every = i64::from(self.ledger.interval(recall.grain).unwrap()) * 1_000_000;
                for number in 0..=(end.0 - begin.0) / every {
                    self.arrive(recall.grain, later(begin, number * every));
                }
                Outcome::Done
            }
            Answers::Empty => Outcome::Done,
            Answers::NoData => Outcome::NoData,
            Answers::Nothing => Outcome::NoAnswer,
        };
        let (mn, id) = ("M".to_owned(), recall.id.clone());
        self.asked.push((self.now, recall));
        self.step(&Step::Ended { mn, id, outcome, code: None, packets: 0 });
    }

    fn closed(&self) -> Vec<(Grain, Reason, Option<Outcome>, u32, u32)> {
        let closed = self.happenings.iter().filter_map(|(_, happening)| match happening {
            Happening::Closed(stretch, reason, outcome) => {
                Some((stretch.grain, *reason, *outcome, stretch.count, stretch.came))
            }
            Happening::Begun(_) | Happening::Grown(_) | Happening::Counted(_) => None,
        });
        closed.collect()
    }

    fn begun(&self) -> Vec<(Timestamp, Stretch, Cause)> {
        let begun = self.happenings.iter().filter_map(|(at, happening)| match happening {
            Happening::Begun(stretch) => Some((*at, *stretch, stretch.cause)),
            Happening::Closed(..) | Happening::Grown(_) | Happening::Counted(_) => None,
        });
        begun.collect()
    }

    fn rates(&self, grain: Grain) -> Vec<(String, u32, u32)> {
        self.ledger.days(grain).filter(|day| day.ended).map(|day| (day.day, day.there, day.expected)).collect()
    }
}

fn queued(recall: &Recall, now: Timestamp) -> Step {
    let text = |name: &str| recall.parameters[name].as_str().unwrap().to_owned();
    Step::Queued {
        mn: recall.mn.clone(),
        id: recall.id.clone(),
        command: recall.command.to_owned(),
        cn: recall.grain.command().unwrap().1,
        edition: Edition::V2017,
        area: format!("BeginTime={};EndTime={}", text("BeginTime"), text("EndTime")),
        new_mn: None,
        origin: Origin::Recall,
        author: "gateway".to_owned(),
        why: String::new(),
        expires: later(now, DAYS),
        confirm: None,
    }
}

fn asking() -> Settings {
    Settings { enabled: true, ..Settings::default() }
}

/// Three good days, then one away: from 12:00 to 12:00.
fn away_for_a_day(settings: Settings, answers: Answers) -> World {
    let mut world = World::new(settings);
    world.run(3 * 24 * 60 + 12 * 60 + 5);
    assert_eq!(world.happenings.iter().filter(|(_, h)| !matches!(h, Happening::Counted(_))).count(), 0);
    world.connect(false);
    world.run(24 * 60);
    world.connect(true);
    world.answers = answers;
    world
}

#[test]
fn a_day_away_is_asked_for_and_closed() {
    let mut world = away_for_a_day(asking(), Answers::All);
    let begun = world.begun();
    assert_eq!(begun.len(), 3, "minutes, hours, the day: {begun:?}");
    assert!(begun.iter().all(|(_, _, cause)| *cause == Cause::Offline));
    // 12:00 to 12:10 is due at 12:10 and missing at 12:40.
    assert_eq!(begun[0].0.to_rfc3339(), "2026-06-04T12:40:00.000+08:00");
    assert_eq!(begun[0].1.from.to_rfc3339(), "2026-06-04T12:00:00.000+08:00");
    world.run(24 * 60);
    assert_eq!(world.ledger.gaps().count(), 0, "{:?}", world.ledger.gaps().collect::<Vec<_>>());
    let closed = world.closed();
    assert!(closed.iter().all(|(_, reason, ..)| *reason == Reason::Recalled), "{closed:?}");
    let sum = |grain: Grain| closed.iter().filter(|(g, ..)| *g == grain).map(|(.., came)| came).sum::<u32>();
    assert_eq!([sum(Grain::Minute), sum(Grain::Hour), sum(Grain::Day)], [144, 24, 1]);
    for grain in [Grain::Minute, Grain::Hour, Grain::Day] {
        assert!(world.rates(grain).iter().all(|(_, there, expected)| there == expected));
    }
    assert!(
        world.asked.iter().all(|(at, _)| at.0 >= midnight().0 + (4 * 24 * 60 + 12 * 60 + 10) * MINUTE),
        "it settles"
    );
    for (_, recall) in &world.asked {
        let order = table::find(recall.command, Edition::V2005).unwrap();
        assert_eq!(Some(order.cn), recall.grain.command().map(|(_, cn)| cn));
        assert!(order.parameters.iter().all(|p| recall.parameters.contains_key(p.name)) && order.parameters.len() == 2);
    }
}

#[test]
fn no_data_gives_up_at_once_and_what_is_missing_stays_missing() {
    let mut world = away_for_a_day(asking(), Answers::NoData);
    world.run(48 * 60);
    let closed = world.closed();
    assert!(
        closed.iter().all(|(_, reason, outcome, ..)| (*reason, *outcome) == (Reason::GivenUp, Some(Outcome::NoData)))
    );
    let lost: u32 = closed.iter().map(|(.., count, came)| count - came).sum();
    assert_eq!(lost, 144 + 24 + 1, "{closed:?}");
    assert!(world.ledger.gaps().all(|gap| gap.rest == Some(Rest::GivenUp(Outcome::NoData))));
    assert_eq!(world.rates(Grain::Minute)[3..5], [("2026-06-04".into(), 72, 144), ("2026-06-05".into(), 72, 144)]);
    let asked = world.asked.len();
    world.run(24 * 60);
    assert_eq!(world.asked.len(), asked, "nothing is asked for again");
    // Late is better than never.
    world.arrive(Grain::Minute, later(midnight(), 3 * DAYS + 13 * HOUR));
    assert_eq!(world.rates(Grain::Minute)[3], ("2026-06-04".into(), 73, 144));
}

#[test]
fn a_silent_station_is_asked_ever_more_rarely_and_then_no_more() {
    let mut world = away_for_a_day(asking(), Answers::Nothing);
    world.run(20 * 24 * 60);
    let times: Vec<i64> = world.asked.iter().map(|(at, _)| at.0 / MINUTE).collect();
    let pauses: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses[..4], [10, 20, 40, 80], "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= 24 * 60));
    let given_up = |grain| world.asked.iter().filter(|(_, recall)| recall.grain == grain).count();
    assert!(given_up(Grain::Minute) >= 5 && given_up(Grain::Hour) >= 5);
    let closed = world.closed();
    assert!(
        closed.iter().all(|(_, reason, outcome, ..)| (*reason, *outcome) == (Reason::GivenUp, Some(Outcome::NoAnswer)))
    );
    assert_eq!(closed.iter().map(|(.., count, came)| count - came).sum::<u32>(), 144 + 24 + 1);
    let mut ids: Vec<&str> = world.asked.iter().map(|(_, recall)| recall.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), world.asked.len(), "every id once");
}

#[test]
fn what_was_said_to_be_done_and_did_not_come_is_asked_for_again_later() {
    let mut world = away_for_a_day(asking(), Answers::Empty);
    world.run(3 * 24 * 60);
    let of_minutes = world.asked.iter().filter(|(_, recall)| recall.grain == Grain::Minute);
    let mut tries = std::collections::BTreeMap::<&str, Vec<i64>>::new();
    for (at, recall) in of_minutes {
        let (stretch, _) = recall.id.rsplit_once('-').unwrap();
        tries.entry(stretch).or_default().push(at.0 / MINUTE);
    }
    for tries in tries.values() {
        let pauses: Vec<i64> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses, [10, 20, 40, 80]);
    }
    assert!(
        world
            .closed()
            .iter()
            .all(|(_, reason, outcome, ..)| (*reason, *outcome) == (Reason::GivenUp, Some(Outcome::Done)))
    );
    assert!(!world.closed().is_empty());
}

#[test]
fn a_station_that_sends_no_minutes_any_more_has_one_gap_and_is_asked_now_and_then() {
    let mut world = World::new(asking());
    world.run(12 * 60 + 5);
    (world.mute, world.answers) = (true, Answers::NoData);
    world.run(24 * 60);
    assert!((3..=4).contains(&world.asked.len()), "every six hours: {:?}", world.asked);
    assert_eq!((world.begun().len(), world.closed().len()), (1, 0), "it is not over");
    (world.mute, world.answers) = (false, Answers::All);
    world.run(24 * 60);
    assert_eq!(world.begun().len(), 1);
    let closed = world.closed();
    assert_eq!((closed[0].1, closed[0].3), (Reason::GivenUp, 144), "{closed:?}");
    assert!(closed[0].4 > 0, "what was not given up came when it was over");
}

#[test]
fn the_budget_the_window_and_the_span_hold() {
    let settings = Settings {
        minute_span: Duration::from_secs(3600),
        asks_per_hour: 3,
        pause: Duration::from_secs(7 * 60),
        window: Window::read("22:00-02:00").unwrap(),
        ..asking()
    };
    let mut world = away_for_a_day(settings, Answers::All);
    world.run(3 * 24 * 60);
    assert_eq!(world.ledger.gaps().count(), 0);
    for (at, recall) in &world.asked {
        let time = local::of(*at).unwrap() % DAY / 3600;
        assert!(!(2..22).contains(&time), "asked at {time} o'clock");
        let span = recall.end.0 - recall.begin.0;
        assert!(recall.grain != Grain::Minute || span < HOUR, "{recall:?}");
        let within = world.asked.iter().filter(|(other, _)| other.0 > at.0 - HOUR && other.0 <= at.0).count();
        assert!(within <= 3, "{within} within an hour");
    }
    let pauses = world.asked.windows(2).map(|pair| pair[1].0.0 - pair[0].0.0);
    // Never shorter than set, whatever was cut off the seconds: the first minute beyond it.
    assert_eq!(pauses.min(), Some(8 * MINUTE));
    let minutes: Vec<i64> =
        world.asked.iter().filter(|(_, r)| r.grain == Grain::Minute).map(|(_, recall)| recall.begin.0).collect();
    assert!(minutes.len() >= 24 && minutes.is_sorted_by(|a, b| a > b), "newest first");
    assert!(world.asked[0].1.id.starts_with("recall-minute-2026060511"), "{}", world.asked[0].1.id);
}

#[test]
fn a_station_that_uploads_by_itself_is_left_alone() {
    let mut world = away_for_a_day(asking(), Answers::All);
    let begin = later(midnight(), 3 * DAYS + 12 * HOUR);
    for number in 0..24 {
        for minute in 0..6 {
            world.arrive(Grain::Minute, later(begin, number * HOUR + minute * 10 * MINUTE));
        }
        world.run(5);
        assert!(world.asked.is_empty());
    }
    let closed = world.closed();
    assert_eq!((closed[0].0, closed[0].1, closed[0].3), (Grain::Minute, Reason::Returned, 144), "{closed:?}");
    world.run(60);
    assert!(!world.asked.is_empty() && world.asked.iter().all(|(_, recall)| recall.grain != Grain::Minute));
}

#[test]
fn nothing_is_asked_unless_it_is_enabled() {
    let mut world = away_for_a_day(Settings::default(), Answers::All);
    assert!(world.asked.is_empty() && world.begun().len() == 3);
    assert_eq!(world.ledger.gaps().filter(|gap| gap.rest.is_none() && gap.stretch.growing).count(), 3);
    world.run(40 * 24 * 60);
    let closed = world.closed();
    let ended = |grain, count| (grain, Reason::Lost, None, count, 0);
    assert_eq!(closed, [ended(Grain::Minute, 144), ended(Grain::Hour, 24), ended(Grain::Day, 1)]);
    assert!(world.rates(Grain::Minute).len() as u32 <= DAYS_MAX);
    assert!(world.asked.is_empty());
}

#[test]
fn what_nobody_asks_for_is_over_when_data_flows_again_and_counted_when_it_comes_after_all() {
    let mut world = away_for_a_day(Settings::default(), Answers::All);
    world.run(60);
    let lost = world.ledger.gaps().find(|gap| gap.rest.is_some()).unwrap();
    assert_eq!((lost.stretch.grain, lost.missing, lost.rest), (Grain::Minute, 144, Some(Rest::Lost)));
    assert_eq!(lost.stretch.cause, Cause::Offline);
    let Some((at, Happening::Closed(stretch, Reason::Lost, None))) =
        world.happenings.iter().rev().find(|(_, happening)| matches!(happening, Happening::Closed(..)))
    else {
        panic!("{:?}", world.happenings)
    };
    // The last one was due at 12:00; half an hour, and ten minutes for what the station may send again.
    assert_eq!(at.to_rfc3339(), "2026-06-05T12:40:00.000+08:00");
    assert_eq!((stretch.count, stretch.causes, stretch.growing), (144, [144, 0, 0], false));
    for number in 0..144 {
        world.arrive(Grain::Minute, later(midnight(), 3 * DAYS + 12 * HOUR + number * 10 * MINUTE));
    }
    world.run(13 * 60);
    assert!(world.rates(Grain::Minute).iter().all(|(_, there, expected)| there == expected));
    assert!(world.ledger.gaps().all(|gap| gap.stretch.grain != Grain::Minute));
}

#[test]
fn a_gap_that_waits_to_be_asked_for_says_how_long_it_became() {
    let mut world = away_for_a_day(asking(), Answers::Nothing);
    world.run(90);
    let grown: Vec<_> = world
        .happenings
        .iter()
        .filter_map(|(at, happening)| match happening {
            Happening::Grown(stretch) => Some((at.to_rfc3339(), stretch.grain, stretch.count, stretch.growing)),
            _ => None,
        })
        .collect();
    let told = |time: &str, grain, count| (format!("2026-06-05T{time}:00.000+08:00"), grain, count, false);
    assert_eq!(grown, [told("12:40", Grain::Minute, 144), told("13:10", Grain::Hour, 24)]);
}

#[test]
fn a_plan_is_made_once_until_its_step_is_there_and_goes_on_over_a_restart() {
    let mut world = away_for_a_day(asking(), Answers::All);
    let now = later(world.now, 6 * MINUTE);
    let plan = |ledger: &mut Ledger, after: i64| ledger.plan("M", later(now, after), &asking());
    let first = plan(&mut world.ledger, 0).unwrap();
    assert_eq!(plan(&mut world.ledger, MINUTE - 1_000_000), None);
    // The gateway restarts before the step was durable: the same plan, the same id.
    let mut again: Ledger = postcard::from_bytes(&postcard::to_stdvec(&world.ledger).unwrap()).unwrap();
    assert_eq!(plan(&mut again, 0).unwrap(), first);
    // It was refused by the desk: something else has its turn.
    assert_ne!(plan(&mut world.ledger, MINUTE).unwrap().id, first.id);
    assert_eq!(plan(&mut world.ledger, 2 * MINUTE).unwrap().id, first.id);
    // The step is durable: nothing else until it ends, also after a restart.
    let mut out = Vec::new();
    again.step(&queued(&first, now), now, &asking(), &Outages::default(), &mut out);
    let mut third: Ledger = postcard::from_bytes(&postcard::to_stdvec(&again).unwrap()).unwrap();
    assert_eq!(plan(&mut third, 10 * MINUTE), None);
    // Its end was never told: after the expiry and an hour it counts as expired.
    third.tick(later(now, DAYS + 2 * HOUR), &asking(), &Outages::default(), &mut out);
    assert!(!third.is_asked(later(now, DAYS + 2 * HOUR)));
}

#[test]
fn single_records_are_missing_after_their_time_and_not_before() {
    let mut world = World::new(Settings::default());
    world.run(12 * 60);
    world.online = false;
    world.run(10);
    world.online = true;
    world.run(29);
    assert_eq!(world.begun(), []);
    world.run(1);
    let begun = world.begun();
    assert_eq!(begun.len(), 1);
    assert_eq!((begun[0].1.count, begun[0].2), (1, Cause::NotSent), "it was connected");
    assert_eq!(begun[0].1.from.to_rfc3339(), "2026-06-01T12:00:00.000+08:00");
    world.arrive(Grain::Minute, begun[0].1.from);
    assert_eq!(world.closed(), [(Grain::Minute, Reason::Returned, None, 1, 1)]);
    // Within its time: nothing is said at all.
    world.online = false;
    world.run(10);
    world.online = true;
    world.run(10);
    world.arrive(Grain::Minute, later(world.now, -20 * MINUTE));
    world.run(60);
    assert_eq!(world.begun().len(), 1);
}

#[test]
fn batches_and_clocks_that_are_behind_are_no_gaps() {
    let mut batches = World::new(Settings::default());
    batches.online = false;
    let mut behind = World::new(Settings::default());
    behind.online = false;
    for hour in 1..48 {
        batches.now = later(midnight(), hour * HOUR);
        (1..=6).rev().for_each(|n| batches.arrive(Grain::Minute, later(midnight(), hour * HOUR - n * 10 * MINUTE)));
        batches.run(59);
        for _ in 0..6 {
            behind.arrive(Grain::Minute, later(behind.now, -100 * MINUTE));
            behind.run(10);
        }
    }
    // The first ones are thought missing until it is known how late they come.
    assert!(batches.begun().len() <= 1 && behind.begun().len() <= 1, "{:?} {:?}", batches.begun(), behind.begun());
    assert_eq!(batches.ledger.gaps().count() + behind.ledger.gaps().count(), 0);
}

#[test]
fn what_a_slow_clock_makes_due_before_the_station_was_first_there_was_not_withheld() {
    let mut world = World { ledger: Ledger::default(), ..World::new(Settings::default()) };
    world.now = later(midnight(), 12 * HOUR);
    world.connect(true);
    world.online = false;
    for _ in 0..60 {
        world.arrive(Grain::Minute, later(world.now, -115 * MINUTE));
        world.run(10);
    }
    let begun = world.begun();
    assert!(!begun.is_empty() && begun.iter().all(|(_, _, cause)| *cause == Cause::Offline), "{begun:?}");
}

#[test]
fn a_station_that_was_never_heard_has_no_gaps() {
    let mut world = World::new(Settings::default());
    world.online = false;
    world.run(3 * 24 * 60);
    assert!(world.happenings.is_empty() && world.ledger.grains().next().is_none());
}

#[test]
fn the_gateway_s_own_absence_is_named() {
    let mut world = World::new(Settings::default());
    world.run(12 * 60);
    let stopped = world.now;
    world.ledger.restarted(stopped, stopped);
    world.now = later(world.now, 2 * HOUR);
    world.outages.note(stopped, world.now);
    world.ledger.restarted(stopped, world.now);
    world.connect(true);
    world.run(30);
    let begun = world.begun();
    assert!(!begun.is_empty() && begun.iter().all(|(_, _, cause)| *cause == Cause::GatewayDown), "{begun:?}");
}

impl World {
    /// The gateway is killed, and comes back after `minutes`; the station notices `back` minutes later.
    fn killed(&mut self, minutes: i64, back: i64) {
        let since = self.now;
        self.now = later(self.now, minutes * MINUTE);
        self.outages.note(since, self.now);
        self.ledger.restarted(since, self.now);
        if self.online {
            self.online = false;
            self.run(back);
            self.connect(true);
        }
    }

    fn causes(&self, grain: Grain) -> Vec<(String, [u32; 3])> {
        let closed = self.happenings.iter().filter_map(|(_, happening)| match happening {
            Happening::Closed(stretch, ..) if stretch.grain == grain => {
                Some((stretch.from.to_rfc3339()[11..16].to_owned(), stretch.causes))
            }
            _ => None,
        });
        closed.collect()
    }

    fn days(&self, grain: Grain) -> Vec<(u32, u32, u32)> {
        let days = self.ledger.days(grain).filter(|day| day.ended);
        days.map(|day| (day.expected, day.there, day.gateway_down)).collect()
    }
}

#[test]
fn what_the_gateway_missed_is_left_out_of_the_station_s_day() {
    let mut world = World::new(Settings::default());
    world.run(9 * 60 + 5);
    world.killed(3 * 60, 2);
    world.run(38 * 60);
    // Due from 09:10 to 12:00: 18 minutes, 3 hours.
    assert_eq!(world.causes(Grain::Minute), [("09:00".to_owned(), [0, 18, 0])]);
    assert_eq!(world.causes(Grain::Hour), [("09:00".to_owned(), [0, 3, 0])]);
    assert_eq!(world.days(Grain::Minute), [(144, 126, 18), (144, 144, 0)]);
    assert_eq!(world.days(Grain::Hour), [(24, 21, 3), (24, 24, 0)]);
}

#[test]
fn each_record_of_a_gap_has_its_own_cause() {
    let mut world = World::new(Settings::default());
    world.run(8 * 60 + 5);
    world.connect(false);
    world.run(2 * 60);
    // Away from 08:05; the gateway from 10:05 to 11:05, and in two short outages more.
    world.killed(60, 0);
    world.run(60);
    world.killed(15, 0);
    world.run(10);
    world.killed(15, 0);
    world.run(20);
    // 13:05: the station is back, and silent until 14:05.
    (world.mute, world.online) = (true, false);
    world.connect(true);
    world.run(60);
    world.mute = false;
    world.run(36 * 60);
    let causes = world.causes(Grain::Minute);
    // Due at 08:10, …, 14:00: 10:10 to 11:00, 12:10 and 12:20, 12:30 and 12:40 in the outages; from 13:10 on it was there.
    assert_eq!(causes, [("08:00".to_owned(), [20, 10, 6])]);
    assert_eq!(world.days(Grain::Minute)[0], (144, 108, 10));
    assert_eq!(world.begun().iter().filter(|(_, stretch, _)| stretch.grain == Grain::Minute).count(), 1);
}

#[test]
fn an_outage_over_midnight_is_left_out_of_both_days_and_of_the_day_s_own_record() {
    let mut world = World::new(Settings::default());
    world.run(47 * 60 + 5);
    world.killed(2 * 60, 1);
    world.run(30 * 60);
    assert_eq!(world.days(Grain::Minute)[1..3], [(144, 138, 6), (144, 138, 6)]);
    assert_eq!(world.days(Grain::Hour)[1..3], [(24, 23, 1), (24, 23, 1)]);
    assert_eq!(world.days(Grain::Day)[1], (1, 0, 1), "due at midnight");
}

#[test]
fn a_station_that_stays_away_answers_for_itself_after_its_time_to_return() {
    let mut world = World::new(Settings::default());
    world.run(9 * 60 + 5);
    world.killed(60, 60);
    world.run(36 * 60);
    // Due at 09:10 to 10:00 and, of the ten minutes after 10:05, at 10:10; then 10:20 to 11:00.
    assert_eq!(world.causes(Grain::Minute), [("09:00".to_owned(), [5, 7, 0])]);
}

#[test]
fn an_outage_longer_than_the_memory_is_told_whole_and_followed_as_far_as_it_reaches() {
    let mut world = World::new(Settings::default());
    world.run(2 * 24 * 60 + 5);
    world.killed(50 * 24 * 60, 1);
    world.run(3 * 24 * 60);
    let closed = world.closed();
    let minute = closed.iter().find(|(grain, ..)| *grain == Grain::Minute).unwrap();
    assert_eq!((minute.1, minute.3, minute.4), (Reason::TooOld, 50 * 144, 0), "{closed:?}");
    assert_eq!(world.causes(Grain::Minute), [("00:00".to_owned(), [0, 50 * 144, 0])]);
    let days = world.days(Grain::Minute);
    assert!(days.len() as u32 <= DAYS_MAX);
    assert!(days.iter().all(|(expected, there, down)| expected == &(there + down)), "{days:?}");
}

fn set(command: &str, area: &str, outcome: Outcome) -> [Step; 2] {
    let (mn, id) = ("M".to_owned(), "set".to_owned());
    let queued = Step::Queued {
        mn: mn.clone(),
        id: id.clone(),
        command: command.to_owned(),
        cn: 1064,
        edition: Edition::V2017,
        area: area.to_owned(),
        new_mn: None,
        origin: Origin::Operator,
        author: "li".to_owned(),
        why: String::new(),
        expires: midnight(),
        confirm: None,
    };
    [queued, Step::Ended { mn, id, outcome, code: None, packets: 0 }]
}

impl World {
    /// Minutes come every `every` minutes for so many minutes.
    fn minutes(&mut self, every: i64, minutes: i64) {
        self.mute = true;
        for _ in 0..minutes {
            let next = (self.now.0 - midnight().0) / MINUTE + 1;
            if self.online && next % every == 0 {
                let label = later(midnight(), (next - every) * MINUTE);
                self.now = later(self.now, MINUTE);
                self.arrive(Grain::Minute, label);
                self.now = later(self.now, -MINUTE);
            }
            self.run(1);
        }
    }

    fn missing(&self, grain: Grain) -> u32 {
        self.ledger.days(grain).map(|day| day.expected - day.there).sum()
    }
}

#[test]
fn an_interval_that_the_gateway_set_holds_from_then_on() {
    for (first, then) in [(10, 30), (30, 10), (10, 60), (5, 1)] {
        let mut world = World::new(asking());
        world.minutes(first, 12 * 60 + 7);
        set("set-minute-interval", &format!("MinInterval={then}"), Outcome::Done)
            .iter()
            .for_each(|step| world.step(step));
        world.minutes(then, 10 * 60);
        // An outage in between does not make it forget.
        world.killed(20, 1);
        world.minutes(then, 14 * 60);
        let of_minutes = world.begun().into_iter().filter(|(_, stretch, _)| stretch.grain == Grain::Minute);
        let begun: Vec<_> = of_minutes.collect();
        assert!(begun.iter().all(|(_, _, cause)| *cause == Cause::GatewayDown), "{first} to {then}: {begun:?}");
        assert_eq!(world.ledger.interval(Grain::Minute), Some(then as u32 * 60));
        let missing: u32 = begun.iter().map(|(_, stretch, _)| stretch.count).sum();
        assert!(missing <= 20 / then as u32 + 1, "{first} to {then}: {begun:?}");
        assert!(
            world.asked.iter().all(|(_, recall)| recall.grain != Grain::Minute || missing > 0),
            "{:?}",
            world.asked
        );
    }
}

#[test]
fn an_interval_that_the_station_did_not_take_is_not_expected() {
    for outcome in [Outcome::Refused, Outcome::Failed] {
        let mut world = World::new(Settings::default());
        world.minutes(10, 12 * 60);
        set("set-minute-interval", "MinInterval=30", outcome).iter().for_each(|step| world.step(step));
        world.minutes(10, 6 * 60);
        assert_eq!((world.ledger.interval(Grain::Minute), world.missing(Grain::Minute)), (Some(600), 0));
    }
    // It said that it was done, and went on as before.
    let mut world = World::new(Settings::default());
    world.minutes(10, 12 * 60);
    set("set-minute-interval", "MinInterval=30", Outcome::Done).iter().for_each(|step| world.step(step));
    world.minutes(10, 6 * 60);
    assert_eq!((world.ledger.interval(Grain::Minute), world.missing(Grain::Minute)), (Some(600), 0));
}

#[test]
fn a_registered_interval_gives_way_to_one_that_was_set_until_the_registration_changes() {
    let arrive = |ledger: &mut Ledger, minutes: i64, registered: u32| {
        let at = later(midnight(), (minutes + 10) * MINUTE);
        let arrival =
            Arrival { registered: Some(registered), ..record(Grain::Minute, later(midnight(), minutes * MINUTE), at) };
        ledger.arrived(&arrival, &Outages::default(), &mut Vec::new());
    };
    let mut ledger = Ledger::default();
    (0..60).for_each(|n| arrive(&mut ledger, n * 10, 600));
    for step in set("set-minute-interval", "MinInterval=30", Outcome::Done) {
        ledger.step(&step, later(midnight(), 600 * MINUTE), &asking(), &Outages::default(), &mut Vec::new());
    }
    (20..40).for_each(|n| arrive(&mut ledger, n * 30, 600));
    assert_eq!((ledger.interval(Grain::Minute), ledger.gaps().count()), (Some(1800), 0));
    (40..60).for_each(|n| arrive(&mut ledger, n * 30, 1800));
    assert_eq!(ledger.interval(Grain::Minute), Some(1800));
    (180..190).for_each(|n| arrive(&mut ledger, n * 10, 600));
    assert_eq!(ledger.interval(Grain::Minute), Some(600), "registered anew");
    let missing: u32 = ledger.days(Grain::Minute).map(|day| day.expected - day.there).sum();
    assert_eq!(missing, 0);
}

#[test]
fn a_new_interval_is_learned_over_outages_and_what_was_lost_in_them_stays_missing() {
    let mut world = World::new(Settings::default());
    world.minutes(10, 12 * 60);
    // By itself to half an hour; every three hours the gateway is away for two.
    for _ in 0..8 {
        world.minutes(30, 3 * 60);
        world.killed(2 * 60, 1);
    }
    world.minutes(30, 10 * 60);
    assert_eq!(world.ledger.interval(Grain::Minute), Some(1800));
    let days: Vec<DayCount> = world.ledger.days(Grain::Minute).collect();
    assert!(days.iter().all(|day| day.expected == day.there + day.gateway_down), "{days:?}");
    let down: u32 = days.iter().map(|day| day.gateway_down).sum();
    assert!((8 * 4..=8 * 5).contains(&down), "{days:?}");
}

fn realtime(ledger: &mut Ledger, times: impl IntoIterator<Item = i64>, registered: Option<u32>) -> Vec<Happening> {
    let mut out = Vec::new();
    for seconds in times {
        let at = later(midnight(), seconds * 1_000_000);
        let arrival = Arrival { registered, ..record(Grain::Realtime, at, at) };
        ledger.arrived(&arrival, &Outages::default(), &mut out);
        ledger.tracks.iter().for_each(Track::check);
    }
    out
}

#[test]
fn sampled_data_may_jitter_and_drift() {
    let mut ledger = Ledger::default();
    // Every 31 seconds, sometimes two seconds early or late.
    realtime(&mut ledger, (0..2000).map(|n| n * 31 + [0, 2, -2, 0, 1][n as usize % 5]), None);
    assert!(ledger.interval(Grain::Realtime).is_some_and(|interval| (29..=33).contains(&interval)));
    let mut out = Vec::new();
    ledger.tick(later(midnight(), 2000 * 31 * 1_000_000), &Settings::default(), &Outages::default(), &mut out);
    assert_eq!(out, []);
    assert_eq!(ledger.gaps().count(), 0);
    realtime(&mut ledger, (2010..2020).map(|n| n * 31), None);
    ledger.tick(later(midnight(), 2100 * 31 * 1_000_000), &Settings::default(), &Outages::default(), &mut out);
    let Some(Happening::Begun(stretch)) = out.first() else { panic!("{out:?}") };
    assert_eq!(stretch.count, 10);
}

#[test]
fn an_interval_that_changes_is_learned_again() {
    let mut ledger = Ledger::default();
    realtime(&mut ledger, (0..100).map(|n| n * 30), None);
    let out = realtime(&mut ledger, (0..100).map(|n| 3000 + n * 60), None);
    assert_eq!(ledger.interval(Grain::Realtime), Some(60));
    assert_eq!((out.len(), ledger.gaps().count()), (0, 0));
    let missing: u32 = ledger.days(Grain::Realtime).map(|day| day.expected - day.there).sum();
    assert_eq!(missing, 0);
    realtime(&mut ledger, (0..20).map(|n| 9000 + n * 5), None);
    assert_eq!(ledger.interval(Grain::Realtime), Some(5));
}

#[test]
fn a_registered_interval_is_not_learned_away() {
    let mut ledger = Ledger::default();
    realtime(&mut ledger, (0..200).map(|n| n * 60), Some(30));
    assert_eq!(ledger.interval(Grain::Realtime), Some(30));
    let day: Vec<DayCount> = ledger.days(Grain::Realtime).collect();
    assert_eq!(
        (day[0].expected, day[0].there),
        (399, 399 - 64 - 135),
        "half of it is missing, the oldest only counted"
    );
    realtime(&mut ledger, (200..210).map(|n| n * 60), Some(60));
    assert_eq!(ledger.interval(Grain::Realtime), Some(60));
}

#[test]
fn times_of_other_centuries_change_nothing() {
    let mut ledger = Ledger::default();
    let mut out = Vec::new();
    for (data_time, at) in [
        (Timestamp(i64::MIN), Timestamp(i64::MAX)),
        (Timestamp(i64::MAX), midnight()),
        (midnight(), Timestamp(i64::MIN)),
        (later(midnight(), 365 * DAYS), midnight()),
    ] {
        for grain in Grain::ALL {
            ledger.arrived(&Arrival { at, ..record(grain, data_time, midnight()) }, &Outages::default(), &mut out);
        }
    }
    ledger.tick(Timestamp(i64::MAX), &Settings::default(), &Outages::default(), &mut out);
    ledger.tick(Timestamp(i64::MIN), &Settings::default(), &Outages::default(), &mut out);
    assert!(out.is_empty() && Grain::ALL.iter().all(|grain| ledger.days(*grain).count() == 0));
}

#[test]
fn a_station_at_rest_takes_a_kilobyte() {
    let mut world = away_for_a_day(asking(), Answers::All);
    realtime(&mut world.ledger, (0..200_000).map(|n| 4 * 86_400 + n * 30), None);
    world.run(30 * 24 * 60);
    let tracks: usize = world.ledger.tracks.capacity() * size_of::<Track>();
    let bytes = size_of::<Ledger>() + tracks;
    let kept = postcard::to_stdvec(&world.ledger).unwrap().len();
    println!("{bytes} bytes and its lists in memory, {kept} in a snapshot");
    assert!(bytes <= 1024 + 256 && kept <= 512, "{bytes}, {kept}");
}

#[test]
fn the_parameters_are_those_of_the_table() {
    for grain in Grain::ALL {
        let Some((name, cn)) = grain.command() else { continue };
        for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
            let order = table::find(name, edition).unwrap();
            let names: Vec<&str> = order.parameters.iter().map(|parameter| parameter.name).collect();
            assert_eq!((order.cn, names.as_slice()), (cn, ["BeginTime", "EndTime"].as_slice()));
        }
    }
    let wanted =
        track::Wanted { begin: local::of(midnight()).unwrap(), end: local::of(midnight()).unwrap(), attempt: 2 };
    let recall = Recall::new("M", Grain::Minute, &wanted);
    assert_eq!((recall.id.as_str(), recall.command), ("recall-minute-20260601000000-2", "get-minutes"));
    assert_eq!(Value::Object(recall.parameters)["EndTime"], "20260601000000");
}

#[test]
fn the_desk_takes_every_recall_and_its_steps_are_read_back() {
    let mut desk = Desk::new(hj212_downlink::Settings::default());
    for edition in [Edition::V2005, Edition::V2017, Edition::V2025] {
        let mn = format!("M{}", edition.year());
        let address = Address::new(&mn, edition);
        for grain in [Grain::Minute, Grain::Hour, Grain::Day] {
            let begin = local::of(midnight()).unwrap();
            let recall = Recall::new(&mn, grain, &track::Wanted { begin, end: begin + DAY, attempt: 1 });
            let now = later(midnight(), 2 * DAYS);
            let moment = hj212_downlink::Moment { wall: now, ..hj212_downlink::Moment::default() };
            let (taken, effects) =
                desk.want(&address, &recall.id, recall.command, &recall.parameters, Origin::Recall, moment);
            assert_eq!(taken, Ok(()));
            let [Effect::Record { step, .. }] = effects.as_slice() else { panic!("{effects:?}") };
            let mut ledger = Ledger::default();
            ledger.step(step, now, &asking(), &Outages::default(), &mut Vec::new());
            assert!(ledger.asking.covers(grain, begin) && ledger.asking.covers(grain, begin + DAY));
            assert!(!ledger.asking.covers(grain, begin - 61) && !ledger.asking.covers(grain, begin + DAY + 61));
        }
    }
}

/// What is done to a ledger, in a random order.
#[derive(Debug, Clone)]
enum Act {
    Record(u8, i64),
    Pass(i64),
    Online(bool),
    Plan(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0u8..4, 0i64..300).prop_map(|(grain, back)| Act::Record(grain, back)),
        3 => (1i64..40).prop_map(Act::Pass),
        1 => (600i64..5000).prop_map(Act::Pass),
        1 => any::<bool>().prop_map(Act::Online),
        2 => (0u8..5).prop_map(Act::Plan),
    ];
    proptest::collection::vec(act, 1..200)
}

fn apply(act: &Act, ledger: &mut Ledger, now: &mut Timestamp, out: &mut Vec<Happening>) {
    let settings = Settings { settle: Duration::ZERO, quiet: Duration::ZERO, ..asking() };
    match act {
        Act::Record(grain, back) => {
            let data_time = later(*now, -back * back * MINUTE / 10);
            ledger.arrived(&record(Grain::ALL[usize::from(*grain)], data_time, *now), &Outages::default(), out);
        }
        Act::Pass(minutes) => {
            *now = later(*now, minutes * MINUTE);
            ledger.tick(*now, &settings, &Outages::default(), out);
        }
        Act::Online(online) => ledger.presence(*online, *now),
        Act::Plan(ending) => {
            let Some(recall) = ledger.plan("M", *now, &settings) else { return };
            ledger.step(&queued(&recall, *now), *now, &settings, &Outages::default(), out);
            let outcome = [Outcome::Done, Outcome::NoData, Outcome::NoAnswer, Outcome::Refused, Outcome::Expired];
            let (mn, outcome) = (recall.mn, outcome[usize::from(*ending)]);
            ledger.step(
                &Step::Ended { mn, id: recall.id, outcome, code: None, packets: 0 },
                *now,
                &settings,
                &Outages::default(),
                out,
            );
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_the_ledger_stays_in_order_bounded_and_the_same_over_snapshots(acts in acts()) {
        let mut ledger = Ledger::default();
        let mut other = Ledger::default();
        let (mut now, mut out, mut elsewhere) = (midnight(), Vec::new(), Vec::new());
        let mut open = std::collections::BTreeMap::new();
        for act in &acts {
            let mut at = now;
            let seen = out.len();
            apply(act, &mut ledger, &mut now, &mut out);
            other = postcard::from_bytes(&postcard::to_stdvec(&other).unwrap()).unwrap();
            if matches!(act, Act::Plan(_)) {
                // What keeps a plan from being made twice is not kept: nothing but time tells the two apart.
                other.asking = ledger.asking.clone();
                other.tracks = ledger.tracks.clone();
                elsewhere.extend_from_slice(&out[seen..]);
            } else {
                apply(act, &mut other, &mut at, &mut elsewhere);
            }
            ledger.tracks.iter().for_each(Track::check);
            for happening in &out[seen..] {
                match happening {
                    Happening::Begun(stretch) => prop_assert!(open.insert((stretch.grain, stretch.from), ()).is_none()),
                    Happening::Grown(stretch) => prop_assert!(open.contains_key(&(stretch.grain, stretch.from))),
                    Happening::Closed(stretch, ..) => prop_assert!(open.remove(&(stretch.grain, stretch.from)).is_some()),
                    Happening::Counted(_) => {}
                }
            }
            for grain in Grain::ALL {
                for day in ledger.days(grain) {
                    prop_assert!(day.there <= day.expected, "{:?}", day);
                }
                prop_assert!(ledger.days(grain).count() as u32 <= DAYS_MAX + 1);
            }
        }
        prop_assert_eq!(out, elsewhere);
    }
}
