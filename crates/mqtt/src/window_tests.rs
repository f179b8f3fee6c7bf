//! The window against a model of the client and the broker.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const SIZE: u16 = 4;

fn publication(n: u64) -> Publication {
    Publication { topic: format!("t/{n}"), payload: Bytes::new(), retain: false }
}

/// The client's dealing of packet ids and a broker that remembers what it got.
struct World {
    window: Window,
    now: Instant,
    limit: u16,
    pushed: u64,
    last_id: u16,
    /// What lies at the broker without an answer, in order of arrival: packet id and content.
    unanswered: Vec<(u16, Outgoing)>,
    /// Handed to the client, not yet written.
    handed: VecDeque<Outgoing>,
    /// Copies that the broker got of each number, and the copies that are allowed: one, and one for each reason to repeat.
    copies: Vec<(u32, u32)>,
    taken: Vec<bool>,
    newest: u64,
    refused_once: Vec<bool>,
}

impl World {
    fn new(limit: u16) -> Self {
        let mut window = Window::new(SIZE, Duration::from_millis(10), Duration::from_millis(100));
        window.open(usize::from(limit));
        World {
            window,
            now: Instant::now(),
            limit: limit.min(SIZE),
            pushed: 0,
            last_id: 0,
            unanswered: Vec::new(),
            handed: VecDeque::new(),
            copies: Vec::new(),
            taken: Vec::new(),
            newest: 0,
            refused_once: Vec::new(),
        }
    }

    fn push(&mut self) {
        if self.window.room() == 0 {
            return;
        }
        self.pushed += 1;
        assert_eq!(self.window.push(publication(self.pushed), 0), self.pushed);
        self.copies.push((0, 1));
        self.taken.push(false);
        self.refused_once.push(false);
    }

    fn feed(&mut self) {
        while let Some(outgoing) = self.window.next(self.now) {
            if let Outgoing::Numbered(n) = outgoing {
                assert_eq!(
                    self.window.publication(outgoing),
                    Some(&publication(n)),
                    "content and number stay together"
                );
                assert!(!self.taken[n as usize - 1], "{n} is taken and goes out again");
            }
            self.window.handed(outgoing, self.now);
            self.handed.push_back(outgoing);
        }
    }

    /// The client writes the next message with the next id of its circle.
    fn write(&mut self) {
        let Some(outgoing) = self.handed.pop_front() else { return };
        let id = self.last_id + 1;
        self.last_id = if id == self.limit { 0 } else { id };
        assert!(self.unanswered.iter().all(|(used, _)| *used != id), "packet id {id} collides");
        self.window.sent(id).unwrap();
        self.unanswered.push((id, outgoing));
        if let Outgoing::Numbered(n) = outgoing {
            self.copies[n as usize - 1].0 += 1;
            assert!(n > self.newest || self.refused_once[n as usize - 1], "{n} out of order");
            self.newest = self.newest.max(n);
        }
    }

    fn answer(&mut self, pick: usize, reply: BrokerReply) {
        if self.unanswered.is_empty() {
            return;
        }
        let (id, outgoing) = self.unanswered.remove(pick % self.unanswered.len());
        if let Outgoing::Numbered(n) = outgoing {
            match reply {
                BrokerReply::Taken => self.taken[n as usize - 1] = true,
                BrokerReply::Refused => {
                    self.copies[n as usize - 1].1 += 1;
                    self.refused_once[n as usize - 1] = true;
                }
            }
        }
        assert_eq!(self.window.answered(id, reply, self.now).map(|(answered, _)| answered), Some(outgoing));
        assert_eq!(self.window.answered(id, reply, self.now), None, "the same answer twice");
    }

    fn reset(&mut self) {
        for (_, outgoing) in self.unanswered.drain(..) {
            if let Outgoing::Numbered(n) = outgoing {
                self.copies[n as usize - 1].1 += 1;
            }
        }
        self.handed.clear();
        self.last_id = 0;
        self.newest = 0;
        self.refused_once.fill(false);
        self.window.reset();
        assert_eq!(self.window.next(self.now), None, "nothing goes out without a connection");
        self.window.open(usize::from(self.limit));
    }

    fn check(&self) {
        let prefix = self.taken.iter().take_while(|taken| **taken).count() as u64;
        assert_eq!(self.window.delivered(), prefix, "delivered is the longest prefix that the broker took");
        assert!(self.copies.iter().all(|(got, allowed)| got <= allowed), "a copy without a reason");
        assert!(self.unanswered.len() + self.handed.len() <= usize::from(self.limit));
        assert!(
            self.window.items.len() <= usize::from(SIZE) * SPAN
                && self.window.held
                    - self
                        .window
                        .items
                        .iter()
                        .filter(|item| item.publication.is_some() && (item.since.is_some() || item.suspected))
                        .count()
                    <= usize::from(SIZE) * HELD
        );
    }

    fn finish(&mut self) {
        let mut rounds = 0;
        while self.window.delivered() < self.pushed {
            self.now += Duration::from_secs(1);
            self.feed();
            self.write();
            self.answer(0, BrokerReply::Taken);
            self.check();
            rounds += 1;
            assert!(rounds < 10_000, "stuck at {} of {}", self.window.delivered(), self.pushed);
        }
        assert!(self.copies.iter().all(|(got, _)| *got >= 1), "lost");
    }
}

#[derive(Debug, Clone)]
enum Op {
    Push(u8),
    Feed,
    Write(u8),
    Answer(usize),
    Refuse(usize),
    Strange(u16),
    Reset,
    Announce,
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..6u8).prop_map(Op::Push),
        6 => Just(Op::Feed),
        6 => (1..5u8).prop_map(Op::Write),
        8 => any::<usize>().prop_map(Op::Answer),
        2 => any::<usize>().prop_map(Op::Refuse),
        1 => any::<u16>().prop_map(Op::Strange),
        1 => Just(Op::Reset),
        1 => Just(Op::Announce),
        2 => (0..200u64).prop_map(Op::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_the_prefix_is_contiguous_nothing_is_lost_and_ids_never_collide(
        limit in 1..=8u16,
        ops in prop::collection::vec(op(), 0..200),
    ) {
        let mut world = World::new(limit);
        for op in ops {
            match op {
                Op::Push(n) => (0..n).for_each(|_| world.push()),
                Op::Feed => world.feed(),
                Op::Write(n) => (0..n).for_each(|_| world.write()),
                Op::Answer(pick) => world.answer(pick, BrokerReply::Taken),
                Op::Refuse(pick) => world.answer(pick, BrokerReply::Refused),
                Op::Strange(id) => {
                    if world.unanswered.iter().all(|(used, _)| *used != id) {
                        assert_eq!(world.window.answered(id, BrokerReply::Taken, world.now), None);
                    }
                }
                Op::Reset => world.reset(),
                Op::Announce => world.window.announce(publication(0)),
                Op::Wait(ms) => world.now += Duration::from_millis(ms),
            }
            world.check();
        }
        world.finish();
    }
}

#[test]
fn a_refused_one_waits_longer_each_time_while_others_go_on() {
    let mut world = World::new(SIZE);
    (0..3).for_each(|_| world.push());
    world.feed();
    (0..3).for_each(|_| world.write());
    world.answer(0, BrokerReply::Refused);
    world.answer(0, BrokerReply::Taken);
    world.answer(0, BrokerReply::Taken);
    assert_eq!(world.window.delivered(), 0);
    for pause in [10, 20, 40, 80, 100, 100] {
        assert_eq!(world.window.next_retry(), Some(world.now + Duration::from_millis(pause)));
        assert_eq!(world.window.next(world.now), None);
        world.now += Duration::from_millis(pause);
        world.feed();
        world.write();
        world.answer(0, BrokerReply::Refused);
    }
    world.finish();
    assert_eq!(world.window.delivered(), 3);
}

#[test]
fn one_refused_for_ever_lets_a_bounded_number_pass() {
    let mut world = World::new(SIZE);
    world.push();
    world.feed();
    world.write();
    world.answer(0, BrokerReply::Refused);
    for _ in 0..1000 {
        world.push();
        world.feed();
        world.write();
        let refused = world.unanswered.first().is_some_and(|(_, outgoing)| *outgoing == Outgoing::Numbered(1));
        world.answer(0, if refused { BrokerReply::Refused } else { BrokerReply::Taken });
        world.check();
    }
    assert_eq!(world.pushed, u64::from(SIZE) * SPAN as u64);
    assert_eq!(world.window.held, 1);
    world.finish();
}

#[test]
fn an_announcement_goes_first_and_its_late_answer_does_not_settle_the_farewell() {
    let mut world = World::new(SIZE);
    world.push();
    world.window.announce(publication(0));
    assert_eq!(world.window.next(world.now), Some(Outgoing::Announcement(1)));
    world.feed();
    world.write();
    world.window.drain();
    world.window.announce(publication(0));
    world.feed();
    world.write();
    world.write();
    world.answer(0, BrokerReply::Taken);
    assert!(!world.window.announced());
    world.answer(1, BrokerReply::Taken);
    assert!(world.window.announced());
}

#[test]
fn ids_outside_the_circle_or_without_a_send_are_collisions() {
    let mut window = Window::new(SIZE, Duration::ZERO, Duration::ZERO);
    window.open(4);
    assert_eq!(window.sent(1), Err(Collision), "nothing was handed over");
    window.push(publication(1), 0);
    let outgoing = window.next(Instant::now()).unwrap();
    window.handed(outgoing, Instant::now());
    for id in [0, SIZE + 1, u16::MAX] {
        assert_eq!(window.sent(id), Err(Collision));
    }
    assert_eq!(window.sent(4), Ok(()));
}
