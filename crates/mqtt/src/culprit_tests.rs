//! The search against brokers that cut the connection at messages, in every manner, at every place, for every window.

use super::*;
use bytes::Bytes;

use crate::window::{BrokerReply, Outgoing, Window};
use hj212_model::message::Publication;

#[test]
fn the_topics_remembered_are_bounded_and_the_oldest_goes() {
    let (mut search, start) = (Search::new(Duration::ZERO, Duration::ZERO), Instant::now());
    for number in 0..2 * TOPICS_MAX as u64 {
        search.blame(&format!("t/{number}"), start + Duration::from_secs(number));
    }
    assert_eq!(search.topics.len(), TOPICS_MAX);
    assert!(!search.knows("t/0") && search.knows(&format!("t/{}", 2 * TOPICS_MAX - 1)));
}

#[test]
fn a_broker_that_cuts_at_everything_is_not_asked_without_a_pause_for_ever() {
    let mut search = Search::new(Duration::ZERO, Duration::ZERO);
    let short = (0..100).filter(|_| search.progress(false, true)).count();
    assert_eq!(short, FRUITLESS_MAX as usize);
    assert!(search.progress(true, false) && search.progress(false, true));
}

#[test]
fn a_status_at_which_the_broker_cuts_is_left_out_for_a_while() {
    let (mut search, start) = (Search::new(Duration::ZERO, Duration::ZERO), Instant::now());
    (1..STATUS_CUTS).for_each(|_| search.cut_at_status(start));
    assert!(!search.without_status(start));
    search.cut_at_status(start);
    assert!(search.without_status(start) && !search.without_status(start + STATUS_AGAIN));
    search.status_taken();
    assert!(!search.without_status(start));
}

/// How a broker treats a message that it will not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It resets the connection: what it had acknowledged of the same flight is lost on the way.
    Reset,
    /// It closes the connection without a word.
    Close,
    /// It refuses by name and closes the connection; what was sent after it is not read.
    RefuseAndClose,
    /// It refuses by name and resets the connection: the refusal and the acknowledgements of the flight are lost, unless it was alone.
    RefuseAndReset,
}

const MANNERS: [Manner; 4] = [Manner::Reset, Manner::Close, Manner::RefuseAndClose, Manner::RefuseAndReset];

/// A broker, a window and whoever sets aside.
struct Hostile<'b> {
    window: Window,
    limit: u16,
    manner: Manner,
    bad: &'b dyn Fn(u64) -> bool,
    topic: &'b dyn Fn(u64) -> String,
    start: Instant,
    now: Instant,
    pause: Duration,
    pushed: u64,
    connections: u32,
    /// When each message was taken first.
    taken: BTreeMap<u64, Duration>,
    aside: Vec<u64>,
    asides: BTreeMap<String, u32>,
}

const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);

impl<'b> Hostile<'b> {
    fn new(limit: u16, manner: Manner, bad: &'b dyn Fn(u64) -> bool, topic: &'b dyn Fn(u64) -> String) -> Self {
        let now = Instant::now();
        Hostile {
            window: Window::new(limit, RETRY_MIN, RETRY_MAX),
            limit,
            manner,
            bad,
            topic,
            start: now,
            now,
            pause: RETRY_MIN,
            pushed: 0,
            connections: 0,
            taken: BTreeMap::new(),
            aside: Vec::new(),
            asides: BTreeMap::new(),
        }
    }

    fn fill(&mut self, count: u64) {
        while self.pushed < count && self.window.room() > 0 {
            self.pushed += 1;
            let publication = Publication { topic: (self.topic)(self.pushed), payload: Bytes::new(), retain: false };
            self.window.push(publication, self.pushed);
        }
    }

    /// As the task does it: five tries, or one of a topic of which three were set aside.
    fn set_aside(&mut self) -> bool {
        let found: Vec<(u64, String)> = self
            .window
            .troubled()
            .filter(|item| {
                let known = self.asides.get(&item.publication.topic).is_some_and(|count| *count >= 3);
                item.tries >= if known { 1 } else { 5 }
            })
            .map(|item| (item.seq, item.publication.topic.clone()))
            .collect();
        let any = !found.is_empty();
        for (seq, topic) in found {
            self.window.set_aside(seq);
            self.window.settled(seq, true, self.now);
            *self.asides.entry(topic).or_default() += 1;
            self.aside.push(seq);
        }
        any
    }

    /// One connection, until it is cut, or everything of `count` is settled.
    fn connection(&mut self, count: u64, id: &mut u16) -> bool {
        self.connections += 1;
        self.window.open(self.limit.into());
        *id = 0;
        loop {
            self.fill(count);
            let mut flight = Vec::new();
            while let Some(outgoing) = self.window.next(self.now) {
                self.window.handed(outgoing, self.now);
                *id = *id % self.limit + 1;
                self.window.sent(*id).unwrap();
                let Outgoing::Numbered(seq) = outgoing else { panic!("{outgoing:?}") };
                flight.push((*id, seq));
            }
            if flight.is_empty() {
                if self.window.delivered() == count {
                    return true;
                }
                let Some(at) = self.window.next_retry() else {
                    panic!("stuck at {} of {count}", self.window.delivered())
                };
                self.now = self.now.max(at);
                continue;
            }
            self.now += Duration::from_millis(20);
            let bad = flight.iter().position(|(_, seq)| (self.bad)(*seq));
            let alone = flight.len() == 1;
            let lost = matches!(self.manner, Manner::Reset | Manner::RefuseAndReset) && bad.is_some() && !alone;
            for (id, seq) in flight.iter().take(bad.unwrap_or(flight.len())) {
                // The broker has it, whether we hear of it or not.
                self.taken.entry(*seq).or_insert(self.now - self.start);
                if !lost {
                    self.window.answered(*id, BrokerReply::Taken, self.now).unwrap();
                }
            }
            let Some((id, _)) = bad.and_then(|bad| flight.get(bad)) else { continue };
            let heard = self.manner == Manner::RefuseAndClose || (self.manner == Manner::RefuseAndReset && alone);
            if heard {
                self.window.answered(*id, BrokerReply::Refused, self.now).unwrap();
            }
            let cut = self.window.cut(self.now);
            self.window.reset();
            if self.set_aside() || cut.progress {
                self.pause = RETRY_MIN;
            }
            self.now += self.pause;
            self.pause = (self.pause * 2).min(RETRY_MAX);
            return false;
        }
    }

    /// When the last of those before `upto` was taken; others wait until what is at fault is set aside.
    fn latest(&self, upto: u64) -> Duration {
        self.taken.range(..upto).map(|(_, at)| *at).max().unwrap()
    }

    fn run(&mut self, count: u64, connections_max: u32) {
        let mut id = 0;
        while !self.connection(count, &mut id) {
            assert!(
                self.connections < connections_max,
                "{:?}, window {}: {} delivered",
                self.manner,
                self.limit,
                self.window.delivered()
            );
        }
    }
}

#[test]
fn one_culprit_at_every_place_is_found_in_few_connections_and_nothing_else_is_set_aside() {
    for manner in MANNERS {
        for limit in [1, 2, 3, 4, 7, 8, 16, 31, 32] {
            for place in 1..=2 * u64::from(limit) + 1 {
                let (bad, topic) = (|seq| seq == place, |seq| format!("t/{seq}"));
                let mut hostile = Hostile::new(limit, manner, &bad, &topic);
                hostile.run(100, 20);
                assert_eq!(hostile.aside, [place], "{manner:?}, window {limit}");
                let late = hostile.latest(place + 16 * u64::from(limit));
                assert!(late < Duration::from_secs(6), "{manner:?}, window {limit}, place {place}: {late:?}");
                assert!(hostile.latest(100) < Duration::from_secs(12), "{manner:?}, window {limit}, place {place}");
            }
        }
    }
}

#[test]
fn two_culprits_are_both_found_and_nothing_else_is_set_aside() {
    for manner in MANNERS {
        for limit in [1, 2, 5, 8, 32] {
            for (first, second) in [(1, 2), (1, 9), (3, 4), (7, 40), (31, 33), (2, 100)] {
                let (bad, topic) = (|seq| seq == first || seq == second, |seq| format!("t/{seq}"));
                let mut hostile = Hostile::new(limit, manner, &bad, &topic);
                hostile.run(100, 40);
                hostile.aside.sort_unstable();
                assert_eq!(hostile.aside, [first, second], "{manner:?}, window {limit}");
                let late = hostile.latest(first + 16 * u64::from(limit));
                assert!(late < Duration::from_secs(12), "{manner:?}, window {limit}: {late:?}");
                assert!(hostile.latest(100) < Duration::from_secs(40), "{manner:?}, window {limit}");
            }
        }
    }
}

#[test]
fn a_station_whose_topics_are_refused_delays_the_other_by_seconds() {
    for manner in MANNERS {
        for limit in [1, 8, 20, 32] {
            // Every other message is of the station that may not publish, on three topics.
            let (bad, topic) = (
                |seq| seq % 2 == 0,
                |seq| if seq % 2 == 0 { format!("bad/{}", seq / 2 % 3) } else { "good/0".to_owned() },
            );
            let mut hostile = Hostile::new(limit, manner, &bad, &topic);
            hostile.run(600, 2000);
            assert_eq!(hostile.aside.len(), 300, "{manner:?}, window {limit}");
            assert!(hostile.aside.iter().all(|seq| bad(*seq)), "nothing permitted is set aside");
            // Those that were there from the beginning.
            let first = (1..=u64::from(limit) * 2)
                .filter(|seq| !bad(*seq))
                .filter_map(|seq| hostile.taken.get(&seq))
                .max()
                .unwrap();
            assert!(*first < Duration::from_secs(8), "{manner:?}, window {limit}: {first:?}");
        }
    }
}

#[test]
fn a_broker_that_cuts_at_everything_is_asked_less_and_less_often() {
    for manner in [Manner::Reset, Manner::Close] {
        let (bad, topic) = (|_| true, |seq| format!("t/{seq}"));
        let mut hostile = Hostile::new(16, manner, &bad, &topic);
        let mut id = 0;
        for _ in 0..100 {
            // Nobody sets aside what all others fare like.
            hostile.asides.clear();
            hostile.window.open(16);
            hostile.fill(1000);
            id += 1;
            let now = hostile.now;
            if let Some(outgoing) = hostile.window.next(now) {
                hostile.window.handed(outgoing, now);
            }
            let cut = hostile.window.cut(now);
            hostile.window.reset();
            hostile.pause = if cut.progress { RETRY_MIN } else { (hostile.pause * 2).min(RETRY_MAX) };
            hostile.now += hostile.pause;
        }
        assert!(id == 100 && hostile.pause == RETRY_MAX && hostile.now - hostile.start > Duration::from_secs(400));
    }
}

#[test]
fn ordinary_cuts_blame_nobody() {
    let (bad, topic) = (|_| false, |seq| format!("t/{seq}"));
    let mut hostile = Hostile::new(8, Manner::Close, &bad, &topic);
    hostile.fill(1000);
    for _ in 0..200 {
        let now = hostile.now;
        hostile.window.open(8);
        let mut id = 0;
        // Each connection takes a few, then it is cut whatever was under way.
        for _ in 0..3 {
            while let Some(outgoing) = hostile.window.next(now) {
                hostile.window.handed(outgoing, now);
            }
            id += 1;
            hostile.window.sent(id).unwrap();
            hostile.window.answered(id, BrokerReply::Taken, now).unwrap();
        }
        while let Some(outgoing) = hostile.window.next(now) {
            hostile.window.handed(outgoing, now);
        }
        let cut = hostile.window.cut(now);
        assert!(!cut.blamed && cut.progress, "{cut:?}");
        hostile.window.reset();
        hostile.fill(1000);
    }
    assert!(hostile.window.delivered() >= 600 - 8, "{}", hostile.window.delivered());
}

#[test]
fn what_is_never_acknowledged_while_later_ones_are_is_found_and_the_others_pass() {
    for limit in [2, 8, 32] {
        for place in [1, 2, 7, 20] {
            let (bad, topic) = (|seq| seq == place, |seq| format!("t/{seq}"));
            let mut hostile = Hostile::new(limit, Manner::Close, &bad, &topic);
            let patience = Duration::from_secs(30);
            for _ in 0..20 {
                hostile.connections += 1;
                hostile.window.open(limit.into());
                let (mut id, mut waits) = (0, false);
                loop {
                    hostile.fill(500);
                    let mut flight = Vec::new();
                    while let Some(outgoing) = hostile.window.next(hostile.now) {
                        hostile.window.handed(outgoing, hostile.now);
                        id = id % limit + 1;
                        hostile.window.sent(id).unwrap();
                        let Outgoing::Numbered(seq) = outgoing else { panic!("{outgoing:?}") };
                        flight.push((id, seq));
                    }
                    hostile.now += Duration::from_millis(20);
                    for (id, seq) in &flight {
                        if *seq == place {
                            waits = true;
                        } else {
                            hostile.window.answered(*id, BrokerReply::Taken, hostile.now).unwrap();
                        }
                    }
                    if flight.is_empty() {
                        break;
                    }
                }
                if waits {
                    hostile.now += patience;
                    hostile.window.withheld(hostile.now, patience);
                } else if let Some(at) = hostile.window.next_retry() {
                    hostile.now = at;
                }
                hostile.window.reset();
                hostile.set_aside();
                hostile.now += RETRY_MIN;
            }
            assert!(hostile.aside.iter().all(|seq| *seq == place), "{limit}, {place}: {:?}", hostile.aside);
            // At its last tries nothing may come after it: then it may be the broker, and it stays.
            let tries = hostile.window.troubled().map(|item| (item.seq, item.silent)).collect::<Vec<_>>();
            assert!(hostile.aside == [place] || tries == [(place, true)], "{limit}, {place}: {tries:?}");
        }
    }
}

#[test]
fn a_topic_that_is_never_answered_costs_the_others_the_long_wait_once() {
    let patience = Duration::from_secs(30);
    let (bad, topic) = (
        |seq: u64| seq.is_multiple_of(4),
        |seq: u64| if seq.is_multiple_of(4) { "bad".to_owned() } else { "good".to_owned() },
    );
    for limit in [8, 64] {
        let mut hostile = Hostile::new(limit, Manner::Close, &bad, &topic);
        let (mut good, mut long, mut last) = (0, 0, Duration::ZERO);
        while good < 600 {
            hostile.connections += 1;
            assert!(hostile.connections < 500, "{limit}: {good} were taken");
            hostile.window.open(limit.into());
            // The broker takes what the gateway says of itself.
            hostile.window.announce(Publication { topic: "status".into(), payload: Bytes::new(), retain: true });
            let mut id = 0;
            loop {
                hostile.fill(800);
                let mut flight = Vec::new();
                while let Some(outgoing) = hostile.window.next(hostile.now) {
                    hostile.window.handed(outgoing, hostile.now);
                    id = id % limit + 1;
                    hostile.window.sent(id).unwrap();
                    flight.push((id, outgoing));
                }
                hostile.now += Duration::from_millis(20);
                for (id, outgoing) in &flight {
                    match outgoing {
                        Outgoing::Numbered(seq) if bad(*seq) => continue,
                        Outgoing::Numbered(_) => (good, last) = (good + 1, hostile.now - hostile.start),
                        Outgoing::Announcement(_) => {}
                    }
                    hostile.window.answered(*id, BrokerReply::Taken, hostile.now).unwrap();
                }
                if hostile.window.left_out_at(patience).is_some_and(|at| at <= hostile.now) {
                    break;
                }
                if flight.is_empty() {
                    let late = hostile.window.oldest().map(|at| at + patience);
                    let wakes = [hostile.window.left_out_at(patience), late, hostile.window.next_retry()];
                    let wake = wakes.into_iter().flatten().min().unwrap();
                    long += u32::from(good < 600 && wake - hostile.now > Duration::from_secs(10));
                    hostile.now = hostile.now.max(wake);
                    if late.is_some_and(|late| late <= hostile.now) {
                        break;
                    }
                }
            }
            hostile.window.withheld(hostile.now, patience);
            hostile.window.reset();
            hostile.set_aside();
            // As the task does it: what is known for being left unanswered needs no try of its own.
            if hostile.aside.len() >= 3 {
                let waiting: Vec<u64> = hostile.window.silent_waiting().map(|(seq, _)| seq).collect();
                for seq in waiting {
                    hostile.window.set_aside(seq);
                    hostile.window.settled(seq, true, hostile.now);
                    hostile.aside.push(seq);
                }
            }
        }
        assert_eq!(long, 1, "{limit}: waits of the long kind while others waited");
        let most = patience + hostile.connections * (SILENT_PATIENCE + Duration::from_millis(500));
        assert!(last < most, "{limit}: {last:?} in {} connections", hostile.connections);
        assert!(hostile.aside.iter().all(|seq| bad(*seq)));
    }
}

#[test]
fn a_slow_broker_blames_nobody() {
    let (bad, topic) = (|_| false, |seq| format!("t/{seq}"));
    let mut hostile = Hostile::new(8, Manner::Close, &bad, &topic);
    hostile.fill(16);
    for answers in [0, 1, 3] {
        hostile.window.open(8);
        let (mut id, now) = (0, hostile.now);
        while let Some(outgoing) = hostile.window.next(now) {
            hostile.window.handed(outgoing, now);
            id += 1;
            hostile.window.sent(id).unwrap();
        }
        (1..=answers).for_each(|id| drop(hostile.window.answered(id, BrokerReply::Taken, now).unwrap()));
        hostile.now += Duration::from_secs(30);
        let cut = hostile.window.withheld(hostile.now, Duration::from_secs(30));
        assert!(cut.topic.is_none(), "{cut:?}");
        hostile.window.reset();
    }
    assert_eq!(hostile.window.troubled().count(), 0);
}

/// A number that is like no other, of `seed`.
fn chance(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn whatever_resets_by_chance_have_blamed_is_tried_again_behind_a_topic_that_is_always_cut() {
    let (mut most, mut blamed_by_chance) = (0, 0);
    for percent in [5, 10, 20, 30] {
        for seed in 0..12 {
            for topics in [1, 3] {
                let bad = |seq: u64| seq % 5 == 1;
                let topic =
                    |seq: u64| if seq % 5 == 1 { format!("bad/{}", seq % topics) } else { format!("good/{}", seq % 2) };
                let mut hostile = Hostile::new(16, Manner::Reset, &bad, &topic);
                let (mut random, mut arrived, mut after) = (seed * 1000 + percent, BTreeSet::new(), 0);
                // One more comes with each connection, the last when the resets end.
                let (count, resetting) = (240, 240);
                let all = count - (1..=count).filter(|seq| bad(*seq)).count() as u64;
                // Nothing is set aside: what is always cut stays before all others.
                for connection in 0..2000 {
                    let resets = connection < resetting;
                    hostile.window.open(16);
                    let mut id = 0;
                    'connection: loop {
                        hostile.fill(count.min(connection + 1));
                        let mut flight = Vec::new();
                        while let Some(outgoing) = hostile.window.next(hostile.now) {
                            hostile.window.handed(outgoing, hostile.now);
                            id = id % 16 + 1;
                            hostile.window.sent(id).unwrap();
                            let Outgoing::Numbered(seq) = outgoing else { panic!("{outgoing:?}") };
                            flight.push((id, seq));
                        }
                        if flight.is_empty() {
                            if arrived.len() as u64 == all {
                                break 'connection;
                            }
                            let Some(at) = hostile.window.next_retry() else { break 'connection };
                            hostile.now = hostile.now.max(at);
                            continue;
                        }
                        hostile.now += Duration::from_millis(20);
                        let cut = flight
                            .iter()
                            .position(|(_, seq)| bad(*seq) || (resets && chance(&mut random) % 100 < percent));
                        // A reset eats the acknowledgements of its flight.
                        if cut.is_some() {
                            let cut = hostile.window.cut(hostile.now);
                            blamed_by_chance +=
                                u32::from(cut.topic.is_some_and(|topic| cut.blamed && topic.starts_with("good")));
                            break 'connection;
                        }
                        for (id, seq) in flight {
                            hostile.window.answered(id, BrokerReply::Taken, hostile.now).unwrap();
                            arrived.insert(seq);
                        }
                    }
                    hostile.window.reset();
                    hostile.now += RETRY_MIN;
                    if arrived.len() as u64 == all {
                        break;
                    }
                    after += u32::from(!resets);
                }
                assert_eq!(
                    arrived.len() as u64,
                    all,
                    "{percent} %, seed {seed}, {topics} topics: what is permitted arrives"
                );
                assert!(after <= 60, "{percent} %, seed {seed}, {topics} topics: {after} connections after the resets");
                most = most.max(after);
            }
        }
    }
    assert!(blamed_by_chance > 100, "{blamed_by_chance}");
    println!("{most} connections after the last reset at most, {blamed_by_chance} blamed by chance");
}
