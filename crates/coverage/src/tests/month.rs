//! A virtual month of fifty stations with outages on both sides, against a reference that looks at every single record.
//!
//! The world is made first, by a seed: when the gateway ran, when each station's link was up, when it sent at all, when its intervals were set
//! (1062, 1064, there and back, or refused), when it changed one by itself, when operators asked it for history. It is then played through
//! the ledgers, and judged by the sentences of `docs/gaps.md` applied to each record of each station alone.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Quiet days at the end, in which what is open ends.
const QUIET: i64 = 3;
const SECOND: i64 = 1_000_000;

/// Numbers that follow from a seed (xorshift64*).
struct SeededRandom(u64);

impl SeededRandom {
    fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as i64 % end
    }

    /// A time in the month at which something changes, in seconds: never within two minutes after a record is due.
    fn turn(&mut self, days: i64) -> i64 {
        (self.below((days * 288) - 72) + 48) * 300 + 210
    }

    fn spans(&mut self, count: i64, days: i64, longest: i64) -> Vec<(i64, i64)> {
        let mut spans: Vec<(i64, i64)> = Vec::new();
        let mut all: Vec<(i64, i64)> = (0..count)
            .map(|_| {
                let from = self.turn(days);
                let most = if self.below(3) == 0 { longest } else { 24 };
                (from, (from + (1 + self.below(most)) * 300).min(days * 86_400 - 90))
            })
            .collect();
        all.sort_unstable();
        for (from, to) in all {
            // Apart by some hours, so that what they leave can be told apart.
            if from < to && spans.last().is_none_or(|(_, last)| last + 3 * 3600 < from) {
                spans.push((from, to));
            }
        }
        spans
    }
}

fn within(spans: &[(i64, i64)], at: i64) -> bool {
    spans.iter().any(|(from, to)| *from <= at && at < *to)
}

/// What befalls a station, in seconds from the start.
struct Life {
    /// The link is down.
    cut: Vec<(i64, i64)>,
    /// It sends nothing although it could, and has nothing to send later.
    mute: Vec<(i64, i64)>,
    /// It keeps what it could not send, and sends it when it is back.
    keeps: bool,
    asked: bool,
    registered: bool,
    /// How long after the gateway's start it is back.
    returns: i64,
    /// When its intervals become others.
    changes: Vec<Change>,
    /// Whether operators ask it for history now and then.
    commanded: bool,
}

/// An interval that becomes another one.
#[derive(Clone, Copy)]
struct Change {
    at: i64,
    grain: Grain,
    every: i64,
    how: How,
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    /// We set it.
    Told,
    /// We wanted to set it, and the station refused.
    Refused,
    /// The station does it by itself; the ledger learns it.
    Own,
}

/// Hours around a change in which nothing else befalls the station: the reference is about single causes.
const CALM: (i64, i64) = (2 * 3600, 9 * 3600);

const GRAINS: [(Grain, i64); 4] =
    [(Grain::Realtime, 300), (Grain::Minute, 600), (Grain::Hour, 3600), (Grain::Day, 86_400)];

fn at(seconds: i64) -> Timestamp {
    later(midnight(), seconds * SECOND)
}

impl Life {
    fn new(number: i64, days: i64, gateway: &[(i64, i64)], rng: &mut SeededRandom) -> Life {
        let (mut cut, mut mute) = (rng.spans(8, days, 500), rng.spans(4, days, 300));
        // The first half hour from this day's noon on at which the gateway is up and stays so.
        let calm = |day: i64| {
            let disturbs = |at: i64| gateway.iter().any(|(from, to)| at - CALM.0 < *to && *from < at + CALM.1);
            (0..).map(|half| day * 86_400 + 12 * 3600 + half * 1800 + 30).find(|at| !disturbs(*at)).unwrap()
        };
        let change = |day: i64, grain, every, how| Change { at: calm(day), grain, every, how };
        let (minute, real) = (Grain::Minute, Grain::Realtime);
        let changes = match number % 10 {
            3 => vec![change(10, minute, 1800, How::Told)],
            // There and back: registered ones too.
            4 => vec![change(8, minute, 1800, How::Told), change(18, minute, 600, How::Told)],
            5 => vec![change(9, real, 600, How::Told), change(19, real, 300, How::Told)],
            6 => vec![change(9, minute, 1800, How::Refused), change(12, real, 600, How::Refused)],
            7 => vec![change(11, minute, 1800, How::Own)],
            8 => vec![change(7, minute, 1800, How::Told), change(16, real, 600, How::Told)],
            _ => Vec::new(),
        };
        for spans in [&mut cut, &mut mute] {
            let disturbs =
                |(from, to): &(i64, i64)| changes.iter().any(|c| c.at - CALM.0 < *to && *from < c.at + CALM.1);
            spans.retain(|span| !disturbs(span));
        }
        // Where both begin within hours of each other, records are missing for two reasons; so they are.
        Life {
            cut,
            mute,
            keeps: number % 3 == 0,
            asked: number % 2 == 0,
            registered: number % 5 < 2,
            returns: 30 + rng.below(17) * 30,
            changes,
            commanded: number % 7 == 2,
        }
    }

    /// The records with their labels and the times at which they are due.
    fn records(&self, days: i64) -> Vec<(i64, Grain, i64)> {
        let mut records = Vec::new();
        for (grain, every) in GRAINS {
            let mut label = 0;
            while label < days * 86_400 {
                let mut done =
                    self.changes.iter().filter(|c| c.grain == grain && c.how != How::Refused && label + 60 > c.at);
                let every = done.next_back().map_or(every, |change| change.every);
                let due = if grain == Grain::Realtime { label } else { label + every };
                records.push((due, grain, label));
                label += every;
            }
        }
        records.sort_unstable();
        records
    }
}

/// What was seen of a station.
#[derive(Default)]
struct Seen {
    came: BTreeSet<(Grain, i64)>,
    /// Connected from, to.
    connected: Vec<(i64, i64)>,
    gaps: BTreeMap<(Grain, i64), bool>,
    closed: Vec<(Stretch, Reason)>,
}

fn note(seen: &mut Seen, out: &mut Vec<Happening>) {
    for happening in out.drain(..) {
        match happening {
            Happening::Begun(stretch) => {
                assert!(seen.gaps.insert((stretch.grain, stretch.from.0), false).is_none(), "{stretch:?} begun twice");
            }
            Happening::Closed(stretch, reason, _) => {
                let open = seen.gaps.insert((stretch.grain, stretch.from.0), true);
                assert_eq!(open, Some(false), "{stretch:?}");
                seen.closed.push((stretch, reason));
            }
            Happening::Grown(_) | Happening::Counted(_) => {}
        }
    }
}

/// Plays one station through its ledger.
fn play(life: &Life, gateway: &[(i64, i64)], days: i64) -> (Ledger, Seen) {
    let settings = Settings { enabled: life.asked, asks_per_hour: 60, ..Settings::default() };
    let (mut ledger, mut outages, mut seen, mut out) =
        (Ledger::default(), Outages::default(), Seen::default(), Vec::new());
    let mut records = life.records(days).into_iter().peekable();
    let (mut kept, mut made) = (Vec::new(), BTreeSet::new());
    let (mut online, mut back_at, mut was_up) = (false, 0, true);
    for second in (0..days * 86_400).step_by(30) {
        let up = !within(gateway, second);
        if was_up && !up {
            if online {
                seen.connected.last_mut().unwrap().1 = second;
            }
            online = false;
            // Every other outage is an orderly stop.
            if gateway.iter().position(|(from, _)| *from == second).unwrap() % 2 == 0 {
                ledger.restarted(at(second), at(second));
            }
        }
        if up && !was_up {
            let (from, to) = *gateway.iter().find(|(_, to)| *to == second).unwrap();
            outages.note(at(from), at(to));
            ledger.restarted(at(from), at(to));
            ledger.tick(at(to), &settings, &outages, &mut out);
            back_at = second + life.returns;
        }
        was_up = up;
        let linked = !within(&life.cut, second);
        if online && !linked {
            ledger.presence(false, at(second));
            seen.connected.last_mut().unwrap().1 = second;
            online = false;
        }
        if !online && up && linked && second >= back_at {
            ledger.presence(true, at(second));
            seen.connected.push((second, i64::MAX));
            online = true;
        }
        let arrive = |ledger: &mut Ledger, seen: &mut Seen, out: &mut Vec<Happening>, grain: Grain, label: i64| {
            let interval = if grain == Grain::Realtime { 300 } else { 600 };
            // What a station changes by itself is not learned where an interval is registered.
            let own = life.changes.iter().any(|change| change.how == How::Own);
            let registered = (life.registered && !own && grain <= Grain::Minute).then_some(interval);
            let backfill = second - label > 5400 && grain < Grain::Day;
            let arrival = Arrival { grain, data_time: at(label), at: at(second), backfill, registered };
            ledger.arrived(&arrival, &outages, out);
            seen.came.insert((grain, label));
        };
        if online {
            for (grain, label) in std::mem::take(&mut kept) {
                arrive(&mut ledger, &mut seen, &mut out, grain, label);
            }
        }
        while let Some((due, grain, label)) = records.next_if(|(due, ..)| due + 30 <= second) {
            if within(&life.mute, due) {
                continue;
            }
            made.insert((grain, label));
            if online {
                arrive(&mut ledger, &mut seen, &mut out, grain, label);
            } else if life.keeps {
                kept.push((grain, label));
            }
        }
        for change in life.changes.iter().filter(|change| change.at == second && change.how != How::Own) {
            let outcome = if change.how == How::Told { Outcome::Done } else { Outcome::Refused };
            let steps = if change.grain == Grain::Minute {
                set("set-minute-interval", &format!("MinInterval={}", change.every / 60), outcome)
            } else {
                set("set-realtime-interval", &format!("RtdInterval={}", change.every), outcome)
            };
            steps.iter().for_each(|step| ledger.step(step, at(second), &settings, &outages, &mut out));
        }
        if life.commanded && online && second % 100_800 == 50_430 {
            // An operator asks for six hours of before; the station has what it made.
            let (from, to) = (second - 10 * 3600, second - 4 * 3600);
            let by_hand = |step: &Step| {
                let mut step = step.clone();
                if let Step::Queued { origin, id, .. } = &mut step {
                    (*origin, *id) = (Origin::Operator, format!("hand-{second}"));
                }
                step
            };
            let has: Vec<i64> =
                made.range((Grain::Minute, from)..=(Grain::Minute, to)).map(|(_, label)| *label).collect();
            let (begin, end) = (at(from), at(to));
            let parameters = [("BeginTime", begin), ("EndTime", end)]
                .map(|(name, at)| (name.to_owned(), Value::from(local::digits(local::of(at).unwrap()))));
            let parameters = parameters.into_iter().collect();
            let (mn, id) = ("M".to_owned(), String::new());
            let asked = Recall { mn, id, grain: Grain::Minute, command: "get-minutes", parameters, begin, end };
            ledger.step(&by_hand(&queued(&asked, at(second))), at(second), &settings, &outages, &mut out);
            let outcome = if has.is_empty() { Outcome::NoData } else { Outcome::Done };
            has.into_iter().for_each(|label| arrive(&mut ledger, &mut seen, &mut out, Grain::Minute, label));
            let ended = Step::Ended { mn: "M".into(), id: format!("hand-{second}"), outcome, code: None, packets: 0 };
            ledger.step(&ended, at(second), &settings, &outages, &mut out);
        }
        if up && second % 900 == 60 {
            ledger.tick(at(second), &settings, &outages, &mut out);
            if let Some(recall) = ledger.plan("M", at(second), &settings) {
                ledger.step(&queued(&recall, at(second)), at(second), &settings, &outages, &mut out);
                let asked = |label: i64| recall.begin <= at(label) && at(label) <= recall.end;
                let has: Vec<i64> = made
                    .range((recall.grain, 0)..=(recall.grain, i64::MAX))
                    .map(|(_, label)| *label)
                    .filter(|label| asked(*label))
                    .collect();
                let outcome = if has.is_empty() { Outcome::NoData } else { Outcome::Done };
                has.into_iter().for_each(|label| arrive(&mut ledger, &mut seen, &mut out, recall.grain, label));
                let ended = Step::Ended { mn: "M".into(), id: recall.id, outcome, code: None, packets: 0 };
                ledger.step(&ended, at(second), &settings, &outages, &mut out);
            }
            if second % 7200 == 60 {
                ledger.tracks.iter().for_each(Track::check);
            }
        }
        note(&mut seen, &mut out);
    }
    (ledger, seen)
}

/// Why a record would be missing that was due then, by the sentences of the documentation.
fn reference(due: i64, gateway: &[(i64, i64)], connected: &[(i64, i64)]) -> Cause {
    let there = |at: i64| within(connected, at);
    // An absence has a second more than its length, since the journal's times are cut.
    let down = |at: i64| gateway.iter().any(|(from, to)| *from <= at && at <= *to);
    if down(due) {
        return Cause::GatewayDown;
    }
    if !there(due) {
        // Ten minutes to come back, for those that were there when it went, and again after each absence within them.
        let mut pardoned = i64::MIN;
        for (from, to) in gateway.iter().filter(|(from, _)| *from <= due) {
            let back = connected.iter().any(|(came, _)| *to <= *came && *came <= due);
            let was_there = there(from - 1) || *from <= pardoned;
            pardoned = if was_there && !back { to + 600 } else { i64::MIN };
        }
        return if due < pardoned { Cause::GatewayDown } else { Cause::Offline };
    }
    let soon = due + 120;
    let gateway = gateway.iter().map(|(from, _)| *from).find(|from| due < *from && *from <= soon);
    let left = connected.iter().map(|(_, to)| *to).find(|to| due < *to && *to <= soon);
    match (gateway, left) {
        (None, None) => Cause::NotSent,
        (Some(gateway), Some(left)) if left < gateway => Cause::Offline,
        (None, Some(_)) => Cause::Offline,
        (Some(_), _) => Cause::GatewayDown,
    }
}

fn judge(life: &Life, gateway: &[(i64, i64)], ledger: &Ledger, seen: &Seen, days: i64) -> [u32; 4] {
    let records = life.records(days);
    let cause = |due: i64| reference(due, gateway, &seen.connected);
    let mut sums = [0; 4];
    for (grain, _) in GRAINS {
        let own: Vec<(i64, i64, bool, Cause)> = records
            .iter()
            .filter(|(_, own, _)| *own == grain)
            .map(|(due, _, label)| (*label, *due, seen.came.contains(&(grain, *label)), cause(*due)))
            .collect();
        // They rise by label as by the time at which they are due.
        let between = |from: i64, to: i64| {
            let place = |at: i64| own.partition_point(|(label, ..)| *label < at);
            &own[place(from)..place(to)]
        };
        for (number, day) in ledger.days(grain).enumerate().filter(|(_, day)| day.ended) {
            let day_of = between(number as i64 * 86_400, (number as i64 + 1) * 86_400);
            let there = day_of.iter().filter(|(.., came, _)| *came).count() as u32;
            let down = |(_, _, came, cause): &&(i64, i64, bool, Cause)| !came && *cause == Cause::GatewayDown;
            let down = day_of.iter().filter(down).count() as u32;
            let counted = (day.expected, day.there, day.gateway_down);
            assert_eq!(counted, (day_of.len() as u32, there, down), "{grain:?} {}", day.day);
            sums[3] += day.expected;
        }
        let seconds = |at: Timestamp| (at.0 - midnight().0) / SECOND;
        // What was thought missing while a station's own new interval was not yet known ends as that, and is in no count.
        let learning = |stretch: &Stretch| {
            let own = life.changes.iter().filter(|change| change.how == How::Own && change.grain == grain);
            own.into_iter()
                .any(|change| change.at - 3600 <= seconds(stretch.from) && seconds(stretch.to) <= change.at + CALM.1)
        };
        for (stretch, _) in seen.closed.iter().filter(|(_, reason)| *reason == Reason::IntervalChanged) {
            assert!(stretch.grain != grain || learning(stretch), "{stretch:?}");
        }
        for (stretch, reason) in seen.closed.iter().filter(|(stretch, _)| stretch.grain == grain && !learning(stretch))
        {
            let inside = between(seconds(stretch.from), seconds(stretch.to) + 1);
            let count = |wanted: Cause| inside.iter().filter(|(.., cause)| *cause == wanted).count() as u32;
            let causes = Cause::ALL.map(count);
            assert_eq!(stretch.causes, causes, "{reason:?} {stretch:?}");
            assert_eq!(stretch.cause, inside[0].3, "{stretch:?}");
            assert_eq!(stretch.count as usize, inside.len(), "{stretch:?}");
            sums.iter_mut().zip(causes).for_each(|(sum, count)| *sum += count);
        }
        for (label, due, ..) in own.iter().filter(|(.., came, _)| !came) {
            let told = seen.closed.iter().any(|(s, _)| s.grain == grain && s.from <= at(*label) && at(*label) <= s.to);
            assert!(
                told || due + 12 * 3600 >= days * 86_400,
                "{grain:?} {} is missing in silence",
                at(*label).to_rfc3339()
            );
        }
    }
    let open: Vec<_> = seen.gaps.iter().filter(|(_, closed)| !**closed).collect();
    assert!(open.is_empty(), "without an end: {open:?}");
    sums
}

fn month(seed: u64, stations: i64, days: i64) {
    let mut rng = SeededRandom(seed);
    let all = days + QUIET;
    let gateway = rng.spans(9, days, 150);
    let mut sums = [0; 4];
    for number in 0..stations {
        let life = Life::new(number, days, &gateway, &mut rng);
        let (ledger, seen) = play(&life, &gateway, all);
        println!("seed {seed}, station {number}: {} gaps", seen.closed.len());
        judge(&life, &gateway, &ledger, &seen, all).iter().zip(&mut sums).for_each(|(one, sum)| *sum += one);
    }
    println!("seed {seed}: missing for each cause {:?} of {}", &sums[..3], sums[3]);
    assert!(sums.iter().all(|sum| *sum > 0), "the month had everything in it: {sums:?}");
}

#[test]
fn a_month_of_outages_on_both_sides_is_counted_as_the_reference_counts_it() {
    let seeds = if std::env::var_os("LONG").is_some() { 1..40 } else { 1..2 };
    seeds.for_each(|seed| month(seed * 0x9E37_79B9_7F4A_7C15, 50, 30));
}
