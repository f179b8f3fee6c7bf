//! One station as a state machine: time is an argument, packets are return values, nothing is waited for.
//!
//! ```text
//!            due                 next()                 9014/9013 with its QN
//! agenda ─────────► fresh ───────────────► in flight ─────────────────────────► acknowledged
//!   (connected)       │                    │  ▲  │
//!                     │ connection lost    │  └──┘ no answer in time: the same packet again
//!   (not connected)   ▼                    ▼ resends used up: the connection is given up
//!   ────────────►   kept  ◄────────────────┘
//!                     └─ newest first, paced, new QN, old DataTime, RF=1 in 2025 ──► in flight
//! ```
//!
//! What must stay true: one packet in flight a station; a record leaves only by its answer, or by name when the memory of
//! `keep` records is full (the oldest realtime, state or heartbeat first, then the oldest of all).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::agenda::{Agenda, Habits};
use super::clock::SECOND;
use super::command_state::Obedience;
use super::faults::{Fault, FaultSet, Faults, Scope};
use super::fleet::Profile;
use super::flight::{CRC32, Flight, Note, Sending, answers, qn_text};
use super::seeded_random::SeededRandom;
use super::upload::{Kind, Upload, data_time, segment};
use super::values::Portion;
use hj212::sm4::{self, Key};
use hj212::{Edition, Fields, Header};
use hj212_model::message::Timestamp;

/// The rules that all stations of a run obey.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) habits: Habits,
    pub(crate) faults: Faults,
    pub(crate) answer_timeout: Duration,
    pub(crate) resends: u32,
    pub(crate) keep: usize,
    pub(crate) pace: Duration,
    /// How far back the history reaches, and the pause between two packets of it.
    pub(crate) history: Duration,
    pub(crate) history_pace: Duration,
    /// What is not told in time stands in the history alone.
    pub(crate) keeps_history: bool,
    /// How late a late answer is.
    pub(crate) late: Duration,
}

/// A simulated station.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) profile: Profile,
    pub(super) rules: Arc<Rules>,
    pub(super) agenda: Agenda,
    pub(super) rng: SeededRandom,
    pub(super) obedience: Obedience,
    /// How long an answer is waited for and how often a packet is sent again; 1000 sets both.
    pub(super) patience: (Duration, u32),
    link: Link,
    fresh: VecDeque<Upload>,
    kept: VecDeque<Upload>,
    flight: Option<Flight>,
    last_qn: Timestamp,
    reupload_at: Duration,
    /// When a logger without an MN says who it is.
    register_at: Duration,
    discarded: u64,
    untold: u64,
}

/// How often a logger without an MN says who it is. The standard names no period.
const REGISTER_INTERVAL: Duration = Duration::from_secs(60);

/// The station's connection, as the station sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Not tried yet.
    Awaited,
    Up,
    /// Lost or refused.
    Down,
}

/// What the station does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The segment in the buffer goes out.
    Send(Sending),
    /// The segment in the buffer, which answers a command, goes out, sealed if there is a key.
    Say(Option<Key>),
    /// The connection is dropped on purpose.
    Cut,
    /// Nothing until then, unless an answer comes.
    Wait(Duration),
    /// Nothing any more, unless an answer comes: no record is left and none will be made.
    Done,
    /// The answers have failed to come: the connection is to be closed.
    GiveUp,
}

/// What an answer was to the station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It acknowledges the packet in flight.
    Acknowledged { kind: Kind, again: bool, answer_time: Duration, note: Note },
    /// It is an answer to nothing that is in flight (a second answer to a packet sent twice, a late one).
    Stray,
}

impl Station {
    pub(crate) fn new(profile: Profile, rules: Arc<Rules>, seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed ^ 0x5354_4154, u64::from(profile.number));
        let agenda = Agenda::new(&profile, &rules.habits, &mut rng);
        let patience = (rules.answer_timeout, rules.resends);
        Station {
            profile,
            rules,
            agenda,
            rng,
            obedience: Obedience::default(),
            patience,
            link: Link::Awaited,
            fresh: VecDeque::new(),
            kept: VecDeque::new(),
            flight: None,
            last_qn: Timestamp(0),
            reupload_at: Duration::ZERO,
            register_at: Duration::ZERO,
            discarded: 0,
            untold: 0,
        }
    }

    /// The connection stands.
    pub(crate) fn connected(&mut self, now: Duration) {
        self.make_due(now);
        self.link = Link::Up;
        self.reupload_at = now + self.rules.pace;
        self.register_at = now;
        let time = self.rules.habits.clock.wall(now);
        if self.profile.quirks.contains(Fault::AskTime) && self.profile.edition != Edition::V2005 {
            self.fresh.push_front(Upload::new(Kind::AskTime, time));
        }
        if self.profile.quirks.contains(Fault::AskKey) && self.profile.key.is_some() {
            self.fresh.push_front(Upload::new(Kind::AskKey, time));
        }
    }

    /// The connection is lost, or could not be made: what was not answered is kept.
    pub(crate) fn disconnected(&mut self, now: Duration) {
        self.make_due(now);
        self.link = Link::Down;
        let flight = self.flight.take();
        if let Some((upload, command_task)) =
            flight.as_ref().and_then(|flight| Some((flight.upload, flight.command_task?)))
        {
            self.untold(upload, command_task);
        }
        let own = flight.filter(|flight| flight.command_task.is_none()).map(|flight| flight.upload);
        let unanswered = own.into_iter().chain(self.fresh.drain(..)).filter(|upload| !upload.kind.is_momentary());
        if self.rules.keeps_history {
            self.untold += unanswered.count() as u64;
        } else {
            self.kept.extend(unanswered.map(|upload| Upload { again: true, ..upload }));
        }
    }

    /// How many packets wait for an answer: 0 or 1.
    pub(crate) fn in_flight(&self) -> u64 {
        u64::from(self.flight.is_some())
    }

    /// How many records wait for an answer or for a connection.
    pub(crate) fn waiting(&self) -> usize {
        self.fresh.len() + self.kept.len() + usize::from(self.flight.is_some())
    }

    /// How many records were thrown away because the memory was full.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded
    }

    /// How many records were not uploaded in time and stand in the history alone.
    pub(crate) fn untold_records(&self) -> u64 {
        self.untold
    }

    /// Says what to do at `now`. For [`Next::Send`] and [`Next::Say`] the data segment stands in `out`.
    pub(crate) fn next(&mut self, now: Duration, out: &mut Vec<u8>) -> Next {
        self.make_due(now);
        if let Some(next) = self.say(now, out) {
            return next;
        }
        let errands_due = self.errands_due(now);
        if let Some(flight) = &mut self.flight {
            if now < flight.deadline {
                return Next::Wait(errands_due.map_or(flight.deadline, |due| due.min(flight.deadline)));
            }
            if flight.sendings > self.patience.1 {
                return Next::GiveUp;
            }
            flight.deadline = now + self.patience.0;
            flight.sendings += 1;
            out.clear();
            out.extend_from_slice(&flight.segment);
            return Next::Send(flight.sending(self.rules.faults.draw(Scope::Send, &mut self.rng)));
        }
        let Some((upload, command_task)) = self.pick(now) else { return self.rest(now) };
        let qn = self.new_qn(now);
        segment(out, &self.profile, &upload, qn);
        let flight = Flight {
            upload,
            segment: out.clone(),
            key: self.profile.key.clone().filter(|_| sm4::is_sealed_command(upload.kind.cn())),
            note: self.note(&upload, qn, CRC32.checksum(out)),
            command_task,
            first_sent: now,
            deadline: now + self.patience.0,
            sendings: 1,
        };
        let sending = flight.sending(self.rules.faults.draw(Scope::Send, &mut self.rng));
        if !self.profile.quirks.contains(Fault::NoAckWanted) {
            self.flight = Some(flight);
        }
        Next::Send(sending)
    }

    /// The command_task whose packet is in flight.
    pub(super) fn flight_of(&self) -> Option<u64> {
        self.flight.as_ref()?.command_task
    }

    /// A record that was made on command goes next.
    pub(super) fn uploads_soon(&mut self, upload: Upload) {
        self.fresh.push_back(upload);
    }

    /// The clock is so far ahead from now on.
    pub(super) fn set_clock(&mut self, ahead: i64) {
        self.profile.clock_off = ahead;
        self.last_qn = Timestamp(0);
    }

    /// Takes an answer of the host; commands go to [`Station::commanded`].
    pub(crate) fn heard(&mut self, now: Duration, header: &Header<'_>, fields: &Fields) -> Meaning {
        if !matches!(header.cn, Some(9013 | 9014 | 9022)) {
            return Meaning::Stray;
        }
        let Some(flight) = self.flight.take_if(|flight| answers(&self.profile, flight, header, fields)) else {
            return Meaning::Stray;
        };
        let Flight { upload, first_sent, note, command_task, .. } = flight;
        if command_task.is_none()
            && upload.revision == 0
            && self.rng.chance(self.rules.faults.rate(Fault::Revision))
            && matches!(upload.kind, Kind::Realtime | Kind::Minute | Kind::Hour | Kind::Day)
        {
            self.fresh.push_back(Upload { revision: 1, again: false, ..upload });
        }
        Meaning::Acknowledged {
            kind: upload.kind,
            again: upload.again,
            answer_time: now.saturating_sub(first_sent),
            note,
        }
    }

    fn pick(&mut self, now: Duration) -> Option<(Upload, Option<u64>)> {
        if !self.profile.registered {
            let due = now >= self.register_at && now < self.rules.habits.until;
            self.register_at = if due { now + REGISTER_INTERVAL } else { self.register_at };
            return due.then(|| (Upload::new(Kind::Register, self.rules.habits.clock.wall(now)), None));
        }
        if let Some(upload) = self.fresh.pop_front() {
            return Some((upload, None));
        }
        if let Some((upload, command_task)) = self.next_of_history(now) {
            return Some((upload, Some(command_task)));
        }
        if self.kept.is_empty() || now < self.reupload_at {
            return None;
        }
        self.reupload_at = now + self.rules.pace;
        self.kept.pop_back().map(|upload| (upload, None))
    }

    fn rest(&self, now: Duration) -> Next {
        // A station without anything to say stays on the line to the end.
        let until = self.rules.habits.until;
        let due = self.agenda.next_due(&self.rules.habits).or((now < until).then_some(until));
        let reupload = (!self.kept.is_empty() && self.profile.registered).then_some(self.reupload_at);
        let register = (!self.profile.registered && self.register_at < until).then_some(self.register_at);
        let wakes = [due, reupload, register, self.errands_due(now)];
        wakes.into_iter().flatten().min().map_or(Next::Done, Next::Wait)
    }

    fn make_due(&mut self, now: Duration) {
        let Station { agenda, rules, fresh, kept, rng, link, profile, discarded, untold, .. } = self;
        agenda.advance(now, &rules.habits, &mut |upload| {
            let faults = rules.faults.draw(Scope::Record, rng);
            for upload in dressed(upload, faults, profile.edition).into_iter().flatten() {
                match link {
                    Link::Awaited | Link::Up => fresh.push_back(upload),
                    Link::Down if upload.kind.is_momentary() => {}
                    Link::Down if rules.keeps_history => *untold += 1,
                    Link::Down => kept.push_back(Upload { again: true, ..upload }),
                }
                while fresh.len() + kept.len() > rules.keep {
                    discard(kept, fresh);
                    *discarded += 1;
                }
            }
        });
    }

    /// QN is the station's clock; two packets never share one.
    pub(super) fn new_qn(&mut self, now: Duration) -> Timestamp {
        let clock = self.rules.habits.clock.wall(now).0 + self.profile.clock_off;
        let millisecond = SECOND / 1000;
        let clock = clock.div_euclid(millisecond) * millisecond;
        self.last_qn = Timestamp(clock.max(self.last_qn.0 + millisecond));
        self.last_qn
    }

    fn note(&self, upload: &Upload, qn: Timestamp, crc32: u32) -> Note {
        let data_time = data_time(&self.profile, upload);
        Note { qn: qn_text(&self.profile, qn), cn: upload.kind.cn(), data_time, crc32 }
    }
}

/// The uploads that a record becomes under the faults drawn for it.
fn dressed(upload: Upload, faults: FaultSet, edition: Edition) -> [Option<Upload>; 2] {
    let with = |portion| Some(Upload { portion, ..upload });
    match upload.kind {
        Kind::Minute if faults.contains(Fault::SplitPackets) => [with(Portion::Half(1)), with(Portion::Half(2))],
        Kind::Realtime if faults.contains(Fault::Oversized) => [with(Portion::Oversized), None],
        Kind::Realtime if faults.contains(Fault::Gbk) && edition != Edition::V2005 => {
            [Some(upload), Some(Upload { kind: Kind::Log, ..upload })]
        }
        Kind::Realtime
        | Kind::State
        | Kind::Minute
        | Kind::Hour
        | Kind::Day
        | Kind::Boot
        | Kind::Heartbeat
        | Kind::Log
        | Kind::Entry
        | Kind::Runtime
        | Kind::Raw
        | Kind::Check
        | Kind::Register
        | Kind::AskTime
        | Kind::AskKey => [Some(upload), None],
    }
}

fn discard(kept: &mut VecDeque<Upload>, fresh: &mut VecDeque<Upload>) {
    if let Some(position) = kept.iter().position(|upload| upload.kind.is_dispensable()) {
        kept.remove(position);
    } else if kept.pop_front().is_none() {
        fresh.pop_front();
    }
}

#[cfg(test)]
#[path = "station_tests.rs"]
mod tests;
